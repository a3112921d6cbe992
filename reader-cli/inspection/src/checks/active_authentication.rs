//! Does the chip hold the private key to the public key in DG15? (9303-11 §6.1, TR-03135-1 §5.6.2)
//!
//! The signature is verified here, from the evidence, with the key of a DG15 whose hash is in an authentic security object.

use channel::active_auth::{ActivePublicKey, Answer, announced_hash};
use channel::hash::Hash;
use channel::suite::Curve;
use iso7816::Status;
use lds::dg::dg15::Dg15;
use lds::security_infos::SecurityInfo;
use trust::defect_list::KnownDefect;

use super::{Check, Judgement};
use crate::case::{Case, Integrity};
use crate::evidence::{ActiveAuthenticationEvidence as Seen, ChipAuthenticationOutcome, FileEvidence, Interruption};
use crate::procedure::chip::security_infos;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "active-authentication",
    title: "The chip signed with the key in DG15",
    source: "9303-11 §6.1, TR-03135-1 §5.6.2",
    class: Class::Optional,
    explanation: "The chip signs a challenge with the private key whose public half the issuer signed in DG15. Signed data can be \
        copied to another chip; the private key cannot. It is asked for where chip authentication did not take place. A failure says \
        that the data may be genuine but this chip is not the one they were issued in.",
    remedy: "Compare the person with the portrait and the card with its security features; keep the card if they disagree.",
    failed: Verdict::CloneSuspect,
    unjudged: Verdict::Unreadable,
    judge,
};

pub(super) fn judge(case: &Case<'_>) -> Judgement {
    case.proof(in_session, |evidence| matches!(evidence.active_authentication, Some(Seen::Answered { .. })))
}

fn in_session(case: &Case<'_>) -> Judgement {
    if case.authentic().is_none() {
        return Judgement::undetermined("without an authentic security object the chip's key cannot be known");
    }
    match case.integrity.get(&15) {
        None => return Judgement::not_supported("the document has no DG15"),
        Some(Integrity::Identical) => {}
        Some(Integrity::NotAsked) => return Judgement::aborted("DG15 was not read"),
        Some(Integrity::NotRead(FileEvidence::Interrupted)) => {
            return Judgement::aborted("the session ended before DG15 was read");
        }
        Some(_) => return Judgement::failed("the security object promises DG15, but no such DG15 was read"),
    }
    match &case.evidence.active_authentication {
        None => not_asked(case),
        Some(Seen::Interrupted) => Judgement::aborted("the session ended during active authentication"),
        // Not all readers pass long answers on, and no card can make a short one of a long signature.
        Some(Seen::Refused { status: Status::WRONG_LENGTH }) => {
            let judgement = Judgement::undetermined("the signature may be longer than this reader lets through");
            Judgement { remedy: Some("Read the card on a reader that knows extended length.".to_owned()), ..judgement }
        }
        Some(Seen::Refused { status }) => {
            Judgement::failed(format!("the chip refused to prove its signed key: {status}"))
        }
        Some(Seen::Answered { challenge, signature }) => answered(case, challenge, signature),
    }
}

fn not_asked(case: &Case<'_>) -> Judgement {
    let proved = case.evidence.chip_authentication.as_ref();
    match &case.evidence.interrupted {
        _ if proved.is_some_and(|seen| seen.outcome == ChipAuthenticationOutcome::Proved) => {
            Judgement::not_supported("not asked for: chip authentication took place")
        }
        Some(Interruption::WithoutChip) => Judgement::aborted("files were given, no chip was asked"),
        Some(_) => Judgement::aborted("the session ended before active authentication"),
        None => Judgement::undetermined("the chip was not asked to prove the key in DG15"),
    }
}

fn answered(case: &Case<'_>, challenge: &[u8], signature: &[u8]) -> Judgement {
    let Some(key) = case.authentic_group(15).and_then(|bytes| Dg15::parse(bytes).ok()).and_then(|dg15| key(&dg15))
    else {
        return Judgement::undetermined("DG15 is as signed, but holds no key that this tool knows");
    };
    let Ok(challenge) = challenge.try_into() else {
        return Judgement::undetermined("the evidence holds no challenge of eight bytes");
    };
    let announced = match announced(case) {
        // An RSA signature names its hash itself.
        Some(None) if matches!(key, ActivePublicKey::Ec(..)) => {
            return Judgement::undetermined("DG14 announces a signature that this tool does not know");
        }
        announced => announced.flatten(),
    };
    match key.verify(&Answer { challenge, signature: signature.to_vec() }, announced) {
        Ok(_) if case.is_known(&KnownDefect::ActiveAuthenticationKeyRevoked) => {
            let reason = "the chip proved its signed key, but a defect list says that such keys are known to others";
            Judgement::undetermined(reason).pointing_at(Verdict::CloneSuspect)
        }
        Ok(verified) => {
            Judgement::successful(format!("the chip proved its signed key ({})", detail(&key, verified.hash)))
        }
        Err(error) => Judgement::failed(format!("the chip does not hold the signed key: {error}")),
    }
}

fn key(dg15: &Dg15) -> Option<ActivePublicKey> {
    let key = &dg15.key;
    if key.is_rsa() {
        return ActivePublicKey::rsa(&key.point).ok();
    }
    ActivePublicKey::ec(Curve::from_parameter_id(key.parameter_id?)?, &key.point).ok()
}

/// Key and hash in words.
fn detail(key: &ActivePublicKey, hash: Hash) -> String {
    let kind = match key {
        ActivePublicKey::Rsa(key) => format!("RSA with {} bits", key.size() * 8),
        ActivePublicKey::Ec(curve, _) => format!("ECDSA, {}", curve.name()),
    };
    match hash {
        Hash::Sha1 => format!("{kind}, SHA-1"),
        longer => format!("{kind}, SHA-{}", longer.length() * 8),
    }
}

/// The hash that the signed DG14 announces: `None` when it announces nothing, `Some(None)` when it is one that is not known.
fn announced(case: &Case<'_>) -> Option<Option<Hash>> {
    let infos = case.authentic_dg14().and_then(security_infos)?;
    infos.infos().iter().find_map(|info| match info {
        SecurityInfo::ActiveAuthentication { signature, .. } => Some(announced_hash(signature)),
        _ => None,
    })
}
