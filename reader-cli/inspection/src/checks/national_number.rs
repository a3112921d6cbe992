//! Do DG1 and DG11 carry the same national number? (national profile)

use super::{Check, Judgement};
use crate::case::Case;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "national-number",
    title: "One national number in DG1 and DG11",
    source: "national profile, 9303-10 §4.7.11",
    class: Class::Evaluatory,
    explanation: "The optional data of the MRZ and the personal number in DG11 are compared. Both are signed, so a difference is a mistake of \
        the issuer.",
    remedy: "Report the document number to the issuing State.",
    failed: Verdict::NotGenuine,
    unjudged: Verdict::Unreadable,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let Some(mrz) = case.contents.mrz() else { return super::no_mrz(case) };
    let recorded = case.contents.personal().and_then(|personal| personal.personal_number.as_deref());
    match (mrz.optional_1(), recorded) {
        ("", _) => Judgement::not_supported("the MRZ carries no national number"),
        (_, None) => Judgement::not_supported("DG11 carries no national number, or was not read"),
        (one, Some(other)) if one == other.trim_end_matches('<') => Judgement::successful("identical"),
        _ => Judgement::failed("the national numbers differ"),
    }
}
