//! Do the date of issue in DG12 and the date of expiry in DG1 fit each other? (national profile)

use jiff::ToSpan;

use super::{Check, Judgement};
use crate::case::Case;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "issue-and-expiry",
    title: "Dates of issue and expiry fit each other",
    source: "national profile, 9303-10 §4.7.12",
    class: Class::Evaluatory,
    explanation: "The date of issue in DG12 lies before the date of expiry in DG1 and before the time of inspection. Both are signed, so a \
        misfit is a mistake of the issuer, or the clock of this computer is wrong.",
    remedy: "Check the clock of this computer; report the document number to the issuing State.",
    failed: Verdict::NotGenuine,
    unjudged: Verdict::Unreadable,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let Some(issued) = case.contents.date_of_issue() else {
        return Judgement::not_supported("DG12 carries no whole date of issue, or was not read");
    };
    let Some(expiry) = case.contents.date_of_expiry(case.today()) else {
        return Judgement::undetermined("the date of expiry is not known from signed data");
    };
    // The date of issue is a day in the issuing State: a day's tolerance covers every time zone.
    let latest = case.today().saturating_add(2.days());
    if issued > latest {
        Judgement::failed(format!("issued on {issued}, which is to come"))
    } else if expiry <= issued {
        Judgement::failed(format!("issued on {issued}, expired on {expiry} already"))
    } else {
        Judgement::successful(format!("issued on {issued}, valid until {expiry}"))
    }
}
