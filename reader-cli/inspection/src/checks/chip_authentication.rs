//! Does the chip hold the private key to the public key in DG14? (9303-11 §6.2, TR-03135-1 §5.6.2)
//!
//! That a protocol ran proves nothing by itself: a copy can carry a key of its own. The chip counts as genuine only when the key it
//! proved stands in a DG14 whose hash is in an authentic security object.

use lds::security_infos::SecurityInfo;
use trust::defect_list::KnownDefect;

use super::{Check, Judgement};
use crate::case::{Case, Integrity};
use crate::evidence::{ChipAuthenticationOutcome as Outcome, Interruption};
use crate::procedure::chip::security_infos;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "chip-authentication",
    title: "The chip proved the key in DG14",
    source: "9303-11 §6.2, TR-03135-1 §5.6.2",
    class: Class::Optional,
    explanation: "The chip proves that it holds the private key whose public half the issuer signed in DG14. Signed data can be copied \
        to another chip; the private key cannot. A failure says that the data may be genuine but this chip is not the one they \
        were issued in.",
    remedy: "Compare the person with the portrait and the card with its security features; keep the card if they disagree.",
    failed: Verdict::CloneSuspect,
    unjudged: Verdict::Unreadable,
    judge,
};

pub(super) fn judge(case: &Case<'_>) -> Judgement {
    // What proves the key, or not, is the channel: a broken one is no answer.
    case.proof(in_session, |_| false)
}

fn in_session(case: &Case<'_>) -> Judgement {
    if case.authentic().is_none() {
        return Judgement::undetermined("without an authentic security object the chip's key cannot be known");
    }
    match case.integrity.get(&14) {
        None => return Judgement::not_supported("the document has no DG14"),
        Some(Integrity::Identical) => {}
        Some(Integrity::NotAsked) if case.evidence.without_chip() => {
            return Judgement::aborted("files were given, DG14 is not among them");
        }
        Some(Integrity::NotRead(crate::evidence::FileEvidence::Interrupted)) => {
            return Judgement::aborted("the session ended before DG14 was read");
        }
        Some(_) => return Judgement::failed("the security object promises DG14, but no such DG14 was read"),
    }
    let Some(infos) = case.authentic_dg14().and_then(security_infos) else {
        return Judgement::undetermined("DG14 is as signed, but cannot be read as SecurityInfos");
    };
    let keys = infos.infos().iter().filter_map(|info| match info {
        SecurityInfo::ChipAuthenticationPublicKey { key, .. } => Some(key.raw.as_slice()),
        _ => None,
    });
    let keys: Vec<&[u8]> = keys.collect();
    if keys.is_empty() {
        return Judgement::not_supported("DG14 holds no key for chip authentication");
    }
    let Some(seen) = &case.evidence.chip_authentication else {
        return match case.evidence.interrupted {
            Some(Interruption::WithoutChip) => Judgement::aborted("files were given, no chip was asked"),
            Some(_) => Judgement::aborted("the session ended before chip authentication"),
            None => Judgement::failed("the signed DG14 promises chip authentication, but it did not take place"),
        };
    };
    if !keys.contains(&seen.public_key.as_slice()) {
        return Judgement::failed("the key that was used is not the one in the signed DG14");
    }
    match &seen.outcome {
        Outcome::Proved if case.is_known(&KnownDefect::ChipAuthenticationKeyRevoked) => {
            let reason = "the chip proved its signed key, but a defect list says that such keys are known to others";
            Judgement::undetermined(reason).pointing_at(Verdict::CloneSuspect)
        }
        Outcome::Proved => Judgement::successful(format!("the chip proved its signed key ({})", seen.detail)),
        Outcome::NotProved { reason } => Judgement::failed(format!("the chip does not hold the signed key: {reason}")),
        Outcome::Refused { reason } => Judgement::failed(format!("the chip refused to prove its signed key: {reason}")),
        Outcome::Interrupted => Judgement::aborted("the session ended during chip authentication"),
        Outcome::Unsupported { reason } => {
            Judgement::undetermined(format!("this tool does not know the protocol: {reason}"))
        }
    }
}
