//! Is each data group the one that was signed? (9303-11 §5.1.1 step 5, TR-03135-1 §5.6.4)
//!
//! The bytes as read are hashed. A listed group that the chip does not have, or does not give although chip access opens it, has
//! failed: what was signed is missing. One that chip access opens and that was not read (the inspector left the portrait out) has
//! no result, and no verdict better than [`Verdict::GenuineStatusUnknown`] is given beside it: a copied signature with another
//! face behind it is the first forgery to expect. Fingers and irises, which extended access guards, are *not supported*.

use super::{Check, Judgement};
use crate::case::{Case, Integrity};
use crate::evidence::FileEvidence;
use crate::verdict::{Class, Verdict};

const SOURCE: &str = "9303-11 §5.1.1 step 5, TR-03135-1 §5.6.4";
const REMEDY: &str = "Read the card again; if it fails again, keep the card and report it with the evidence file.";
const EXPLANATION: &str = "The hash of the file as read must be the one in the security object. A failure says that the file is not \
    what the issuer signed, or that the chip withholds it. A file that was left out is not vouched for.";

pub(super) const DG1: Check = Check {
    class: Class::Mandatory,
    unjudged: Verdict::Unreadable,
    ..row("dg1-integrity", "DG1, the MRZ, is as signed", |case| group(case, 1))
};
pub(super) const DG2: Check = row("dg2-integrity", "DG2, the face, is as signed", |case| group(case, 2));
pub(super) const DG11: Check = row("dg11-integrity", "DG11, personal details, is as signed", |case| group(case, 11));
pub(super) const DG12: Check = row("dg12-integrity", "DG12, document details, is as signed", |case| group(case, 12));
pub(super) const DG13: Check = row("dg13-integrity", "DG13, national details, is as signed", |case| group(case, 13));
pub(super) const DG14: Check = row("dg14-integrity", "DG14, security options, is as signed", |case| group(case, 14));
pub(super) const OTHERS: Check = row("other-groups-integrity", "Other data groups are as signed", others);

const fn row(id: &'static str, title: &'static str, judge: fn(&Case<'_>) -> Judgement) -> Check {
    Check {
        id,
        title,
        source: SOURCE,
        class: Class::Conditional,
        explanation: EXPLANATION,
        remedy: REMEDY,
        failed: Verdict::NotGenuine,
        unjudged: Verdict::GenuineStatusUnknown,
        judge,
    }
}

fn group(case: &Case<'_>, number: u8) -> Judgement {
    if case.listed.is_err() {
        return Judgement::undetermined("there is no security object to compare with");
    }
    match case.integrity.get(&number) {
        // 9303-10 §4: DG1 and DG2 are in every document.
        None if number <= 2 => Judgement::failed(format!("the security object does not list DG{number}")),
        None => Judgement::not_supported(format!("the document has no DG{number}")),
        Some(integrity) => listed(number, integrity),
    }
}

fn listed(number: u8, integrity: &Integrity) -> Judgement {
    match integrity {
        Integrity::Identical => Judgement::successful("identical"),
        Integrity::Different => Judgement::failed(format!("DG{number} is not the file that was signed")),
        Integrity::NotAsked => unread(format!("DG{number} is present, not read")),
        Integrity::NotRead(FileEvidence::Skipped) => unread(format!("DG{number} is present, left out on request")),
        Integrity::Closed => Judgement::not_supported(format!("DG{number} is open to extended access only")),
        Integrity::NotRead(FileEvidence::Absent) => {
            Judgement::failed(format!("DG{number} was signed, but the chip does not have it"))
        }
        Integrity::NotRead(FileEvidence::Refused { status }) => {
            Judgement::failed(format!("the chip refuses to give DG{number}: {status}"))
        }
        Integrity::NotRead(FileEvidence::Malformed { reason }) => Judgement::failed(format!("DG{number}: {reason}")),
        Integrity::NotRead(FileEvidence::Interrupted | FileEvidence::Read { .. }) => {
            Judgement::aborted(format!("the session ended before DG{number} was read"))
        }
    }
}

/// It could have been checked; not "it is wrong".
fn unread(reason: String) -> Judgement {
    Judgement { remedy: Some("Read the whole card.".to_owned()), ..Judgement::undetermined(reason) }
}

/// The groups without a row of their own, judged together: the worst of them.
fn others(case: &Case<'_>) -> Judgement {
    const OWN_ROW: [u8; 6] = [1, 2, 11, 12, 13, 14];
    use trust::Outcome::{Aborted, Failed, NotSupported, Successful, Undetermined};
    if case.listed.is_err() {
        return Judgement::undetermined("there is no security object to compare with");
    }
    let rest = case.integrity.iter().filter(|(number, _)| !OWN_ROW.contains(number));
    let judged: Vec<_> = rest.map(|(number, integrity)| listed(*number, integrity)).collect();
    let first = |outcome| judged.iter().find(|judgement| judgement.outcome == outcome).cloned();
    let worst = [Failed, Aborted, Undetermined, Successful, NotSupported].into_iter().find_map(first);
    let Some(mut worst) = worst else { return Judgement::not_supported("the document has no other data groups") };
    // "Identical" must not be read as speaking for those that stayed closed.
    let closed: Vec<_> = case.closed().map(|number| format!("DG{number}")).collect();
    match &closed[..] {
        [] => {}
        closed if worst.outcome != NotSupported => {
            worst.reason = format!("{}; open to extended access only: {}", worst.reason, closed.join(", "));
        }
        closed => worst.reason = format!("open to extended access only: {}", closed.join(", ")),
    }
    worst
}
