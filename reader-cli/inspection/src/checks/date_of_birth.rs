//! Do DG1 and DG11 carry the same date of birth? (national profile)

use lds::mrz::MrzDate;

use super::{Check, Judgement};
use crate::case::Case;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "date-of-birth",
    title: "One date of birth in DG1 and DG11",
    source: "national profile, 9303-10 §4.7.11",
    class: Class::Evaluatory,
    explanation: "The date of birth in the MRZ and the one in DG11 are compared, unknown parts included. Both are signed, so a difference is a \
        mistake of the issuer.",
    remedy: "Report the document number to the issuing State.",
    failed: Verdict::NotGenuine,
    unjudged: Verdict::Unreadable,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let Some(mrz) = case.contents.mrz() else { return super::no_mrz(case) };
    let recorded = case.contents.personal().and_then(|personal| personal.birth_date);
    match (mrz.birth(), recorded) {
        (_, None) => Judgement::not_supported("DG11 carries no date of birth, or was not read"),
        (Err(error), _) => Judgement::failed(format!("the date of birth in the MRZ: {error}")),
        (Ok(one), Some(other)) if one == MrzDate::from(other) => Judgement::successful("identical"),
        (Ok(_), Some(_)) => Judgement::failed("the dates of birth differ"),
    }
}
