//! Has the issuer called this document back? (TR-03135-1 §5.8; the list in the trust bundle)

use jiff::tz::TimeZone;
use trust::DocumentStatus;
use trust::chain::freshness;

use super::{Check, Judgement};
use crate::case::Case;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "document-status",
    title: "The document is not reported lost, stolen or withdrawn",
    source: "TR-03135-1 §5.8, trust bundle",
    class: Class::Mandatory,
    explanation: "The trust bundle lists the documents that are no longer valid, by state and number. The answer is as fresh as the bundle; about a state whose list the bundle does not have, there is none.",
    remedy: "Keep the card and follow the instruction for lost, stolen and withdrawn documents; a found card is never put back in force.",
    failed: Verdict::GenuineRevoked,
    unjudged: Verdict::GenuineStatusUnknown,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let Some((state, number)) = case.contents.issuing_state().zip(case.contents.document_number()) else {
        return Judgement::undetermined("the document number is not known from signed data");
    };
    let freshness = freshness(case.store, case.now);
    match case.store.document_status(&state, &number) {
        DocumentStatus::Revoked(document) => {
            Judgement::failed(format!("reported {} since {}", document.reason.word(), document.since))
        }
        DocumentStatus::NoList => {
            let state = state.trim_end_matches('<');
            Judgement::undetermined(format!("the trust bundle has no list of the revoked documents of {state}"))
        }
        // A list that is out of date cannot say that a document is in force.
        DocumentStatus::NotListed if !freshness.is_successful() => (&freshness).into(),
        DocumentStatus::NotListed => {
            let day = case.store.issued().to_zoned(TimeZone::UTC).date();
            Judgement::successful(format!("not in the list of bundle {} of {day}", case.store.number()))
        }
    }
}
