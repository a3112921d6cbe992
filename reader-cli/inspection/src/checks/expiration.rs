//! Is the document still within its validity? (TR-03135-1 §5.7.1)

use jiff::civil::Date;

use super::{Check, Judgement};
use crate::case::Case;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "expiration",
    title: "The document has not expired",
    source: "TR-03135-1 §5.7.1, 9303-5 §4.2.2",
    class: Class::Mandatory,
    explanation: "The date of expiry in the signed MRZ is compared with the time of inspection. The MRZ has two digits for the year; a \
        date of issue in the signed DG12 settles the century, otherwise the century nearest to the time of inspection is taken.",
    remedy: "Ask the holder for a document in force.",
    failed: Verdict::GenuineExpired,
    unjudged: Verdict::GenuineStatusUnknown,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let Some(expiry) = expiry(case) else {
        return Judgement::undetermined("the date of expiry is not known from signed data");
    };
    let today = case.today();
    if expiry < today {
        Judgement::failed(format!("expired on {expiry}"))
    } else {
        Judgement::successful(format!("valid until {expiry}"))
    }
}

/// True when the signed data say so.
pub(super) fn is_expired(case: &Case<'_>) -> bool {
    expiry(case).is_some_and(|expiry| expiry < case.today())
}

fn expiry(case: &Case<'_>) -> Option<Date> {
    case.contents.date_of_expiry(case.today())
}
