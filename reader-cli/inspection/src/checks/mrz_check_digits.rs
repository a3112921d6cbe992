//! Are the check digits of the signed MRZ right? (9303-3 §4.9)

use super::{Check, Judgement};
use crate::case::Case;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "mrz-check-digits",
    title: "Check digits of the MRZ",
    source: "9303-3 §4.9, 9303-5 §4.2.4",
    class: Class::Evaluatory,
    explanation: "The check digits inside DG1 are computed again. DG1 is signed, so a wrong one is a mistake of the issuer.",
    remedy: "Report the document number to the issuing State.",
    failed: Verdict::NotGenuine,
    unjudged: Verdict::Unreadable,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let Some(mrz) = case.contents.mrz() else { return super::no_mrz(case) };
    let wrong: Vec<String> = mrz.wrong_check_digits().iter().map(ToString::to_string).collect();
    if wrong.is_empty() {
        Judgement::successful("all are right")
    } else {
        Judgement::failed(format!("wrong: {}", wrong.join(", ")))
    }
}
