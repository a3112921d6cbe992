//! Has the issuer called this document back? (TR-03135-1 §5.8; the list in the trust bundle)

use jiff::tz::TimeZone;
use trust::chain::freshness;

use super::{Check, Judgement};
use crate::case::Case;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "document-status",
    title: "The document is not reported lost, stolen or withdrawn",
    source: "TR-03135-1 §5.8, trust bundle",
    class: Class::Mandatory,
    explanation: "The trust bundle lists the numbers of documents that are no longer valid. The answer is as fresh as the bundle.",
    remedy: "Keep the card and follow the instruction for lost, stolen and withdrawn documents; a found card is never put back in force.",
    failed: Verdict::GenuineRevoked,
    unjudged: Verdict::GenuineStatusUnknown,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let Some(number) = case.contents.document_number() else {
        return Judgement::undetermined("the document number is not known from signed data");
    };
    let freshness = freshness(case.store, case.now);
    match case.store.revoked_document(&number) {
        Some(document) => Judgement::failed(format!("reported {} since {}", document.reason.word(), document.since)),
        // A list that is out of date cannot say that a document is in force.
        None if !freshness.is_successful() => (&freshness).into(),
        None => {
            let day = case.store.issued().to_zoned(TimeZone::UTC).date();
            Judgement::successful(format!("not in the list of bundle {} of {day}", case.store.number()))
        }
    }
}
