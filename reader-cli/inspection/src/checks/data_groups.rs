//! Is each data group the one that was signed? (9303-11 §5.1.1 step 5, TR-03135-1 §5.6.4)
//!
//! The bytes as read are hashed. A listed group that the chip does not have, or does not give although chip access opens it, has
//! failed: what was signed is missing.

use super::{Check, Judgement};
use crate::case::{Case, Integrity};
use crate::evidence::FileEvidence;
use crate::verdict::{Class, Verdict};

const SOURCE: &str = "9303-11 §5.1.1 step 5, TR-03135-1 §5.6.4";
const REMEDY: &str = "Read the card again; if it fails again, keep the card and report it with the evidence file.";
const EXPLANATION: &str = "The hash of the file as read must be the one in the security object. A failure says that the file is not \
    what the issuer signed, or that the chip withholds it.";

pub(super) const DG1: Check =
    row("dg1-integrity", "DG1, the MRZ, is as signed", Class::Mandatory, |case| group(case, 1));
pub(super) const DG2: Check =
    row("dg2-integrity", "DG2, the face, is as signed", Class::Optional, |case| group(case, 2));
pub(super) const DG11: Check =
    row("dg11-integrity", "DG11, personal details, is as signed", Class::Optional, |case| group(case, 11));
pub(super) const DG12: Check =
    row("dg12-integrity", "DG12, document details, is as signed", Class::Optional, |case| group(case, 12));
pub(super) const DG13: Check =
    row("dg13-integrity", "DG13, national details, is as signed", Class::Optional, |case| group(case, 13));
pub(super) const DG14: Check =
    row("dg14-integrity", "DG14, security options, is as signed", Class::Optional, |case| group(case, 14));
pub(super) const OTHERS: Check =
    row("other-groups-integrity", "Other data groups are as signed", Class::Optional, others);

const fn row(id: &'static str, title: &'static str, class: Class, judge: fn(&Case<'_>) -> Judgement) -> Check {
    Check {
        id,
        title,
        source: SOURCE,
        class,
        explanation: EXPLANATION,
        remedy: REMEDY,
        failed: Verdict::NotGenuine,
        unjudged: Verdict::Unreadable,
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
        Integrity::NotAsked => Judgement::undetermined("present, not read"),
        Integrity::NotRead(FileEvidence::Skipped) => Judgement::undetermined("present, left out on request"),
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

/// The groups without a row of their own, judged together: the worst of them.
fn others(case: &Case<'_>) -> Judgement {
    const OWN_ROW: [u8; 6] = [1, 2, 11, 12, 13, 14];
    let rest: Vec<_> = case.integrity.iter().filter(|(number, _)| !OWN_ROW.contains(number)).collect();
    let judged: Vec<_> = rest.iter().map(|(number, integrity)| listed(**number, integrity)).collect();
    let first = |outcome| judged.iter().find(|judgement| judgement.outcome == outcome).cloned();
    use trust::Outcome::{Aborted, Failed, Undetermined};
    if case.listed.is_err() {
        Judgement::undetermined("there is no security object to compare with")
    } else if rest.is_empty() {
        Judgement::not_supported("the document has no other data groups")
    } else if let Some(worst) = first(Failed).or_else(|| first(Aborted)) {
        worst
    } else if first(Undetermined).is_some() {
        let unread = rest.iter().filter(|(_, integrity)| **integrity != Integrity::Identical);
        let names: Vec<_> = unread.map(|(number, _)| format!("DG{number}")).collect();
        Judgement::undetermined(format!("present, not read: {}", names.join(", ")))
    } else {
        Judgement::successful("identical")
    }
}
