//! Did the chip prove, in PACE, the key that the issuer signed in EF.CardSecurity? (9303-11 §4.4.3.5, TR-03135-1 §5.6.2)
//!
//! The proof is calculated here, from the evidence, with a key of an EF.CardSecurity that a trusted document signer signed: a copy
//! can run the mapping with any key of its own.

use channel::chip_auth::ChipPublicKey;
use channel::pace::{Mapping, MappingProof, Suite};
use lds::security_infos::{SecurityInfo, SecurityInfos};
use trust::defect_list::KnownDefect;

use super::{Check, Judgement};
use crate::case::{Case, SecurityFile};
use crate::evidence::{Established, FileEvidence, MappingEvidence, Protocol};
use crate::procedure::chip::security_infos;
use crate::verdict::{Class, Verdict};

const REVOKED: KnownDefect = KnownDefect::ChipAuthenticationKeyRevoked;
/// The first version of evidence that keeps what the chip showed.
const KEEPS_PROOF: u32 = 3;

pub(super) const CHECK: Check = Check {
    id: "pace-cam",
    title: "The chip proved the key in EF.CardSecurity",
    source: "9303-11 §4.4.3.5, TR-03135-1 §5.6.2",
    class: Class::Optional,
    explanation: "In PACE with chip authentication mapping the chip proves that it holds the private key whose public half the issuer \
        signed in EF.CardSecurity. Signed data can be copied to another chip; the private key cannot. A failure says that the data may \
        be genuine but this chip is not the one they were issued in. EF.CardSecurity names no document: unless DG14 holds the same \
        key, a success says that the chip is one of this issuer's, not which.",
    remedy: "Compare the person with the portrait and the card with its security features; keep the card if they disagree.",
    failed: Verdict::CloneSuspect,
    unjudged: Verdict::Unreadable,
    judge,
};

pub(super) fn judge(case: &Case<'_>) -> Judgement {
    let answered = |established: &Established| established.mapping.is_some();
    case.proof(in_session, |evidence| evidence.access.established.as_ref().is_some_and(answered))
}

fn in_session(case: &Case<'_>) -> Judgement {
    let Some(established) = &case.evidence.access.established else {
        return match case.evidence.without_chip() {
            true => Judgement::aborted("files were given, no chip was asked"),
            false => Judgement::aborted("the chip was not opened"),
        };
    };
    match suite(established) {
        Some(suite) if suite.mapping == Mapping::ChipAuthentication => mapped(case, established, suite),
        _ => not_mapped(case, established),
    }
}

/// The suite that PACE was run with.
fn suite(established: &Established) -> Option<Suite> {
    let set = iso7816::tlv::encode(iso7816::tlv::Tag(0x31), &established.security_info);
    SecurityInfos::parse(&set).ok()?.infos().first().and_then(known)
}

fn known(info: &SecurityInfo) -> Option<Suite> {
    match info {
        SecurityInfo::Pace { oid, version: 2, parameter_id: Some(id) } => Suite::from_info(oid, *id),
        _ => None,
    }
}

/// Whether signed SecurityInfos promise the mapping in a form that this tool would have run.
fn promises(infos: &SecurityInfos) -> bool {
    infos.infos().iter().filter_map(known).any(|suite| suite.mapping == Mapping::ChipAuthentication)
}

/// EF.CardSecurity names no document: only what EF.SOD vouches for says that this one knows the mapping.
fn is_promised_by_document(case: &Case<'_>) -> bool {
    case.authentic_dg14().and_then(security_infos).as_ref().is_some_and(promises)
}

fn is_promised(case: &Case<'_>) -> bool {
    is_promised_by_document(case) || case.authentic_card_security().is_some_and(promises)
}

/// Whether the signed DG14 holds a key of the signed EF.CardSecurity: then EF.SOD vouches for it, and it is this document's.
pub(super) fn is_bound(case: &Case<'_>) -> bool {
    let keys = |infos: &SecurityInfos| -> Vec<(Option<u8>, Vec<u8>)> {
        let key = |info: &SecurityInfo| match info {
            SecurityInfo::ChipAuthenticationPublicKey { key, .. } => Some((key.parameter_id, key.point.clone())),
            _ => None,
        };
        infos.infos().iter().filter_map(key).collect()
    };
    let group = case.authentic_dg14().and_then(security_infos).as_ref().map(keys).unwrap_or_default();
    case.authentic_card_security().map(keys).unwrap_or_default().iter().any(|key| group.contains(key))
}

fn not_mapped(case: &Case<'_>, established: &Established) -> Judgement {
    match established.protocol {
        Protocol::Bac => Judgement::not_supported("not asked for: BAC was used"),
        Protocol::Pace if !is_promised(case) => {
            Judgement::not_supported("the document does not promise chip authentication mapping")
        }
        Protocol::Pace if case.evidence.version < KEEPS_PROOF => {
            Judgement::undetermined("this evidence is of a reader that did not ask for chip authentication mapping")
        }
        Protocol::Pace => Judgement::failed(
            "the issuer signed that the chip knows chip authentication mapping, but it was opened without it",
        ),
    }
}

fn mapped(case: &Case<'_>, established: &Established, suite: Suite) -> Judgement {
    let proof = match &established.mapping {
        None if case.evidence.version < KEEPS_PROOF => {
            return Judgement::undetermined("this evidence keeps nothing of what the chip showed");
        }
        None => return Judgement::failed("the chip showed nothing of its key"),
        Some(MappingEvidence { data, .. }) if data.is_empty() => {
            return Judgement::failed("the chip showed nothing of its key that can be deciphered");
        }
        Some(proof) => proof,
    };
    let Some(infos) = case.authentic_card_security() else { return without_key(case) };
    let keys: Vec<_> = infos.infos().iter().filter_map(|info| key_of(info, suite)).collect();
    let Some(curve) = suite.group.curve().filter(|_| !keys.is_empty()) else {
        return Judgement::undetermined(format!("the signed EF.CardSecurity holds no key on {}", suite.group.name()));
    };
    let proof = MappingProof { curve, mapping_key: proof.mapping_key.clone(), data: proof.data.clone() };
    let judged: Vec<_> = keys.iter().filter_map(|key| proof.proves(key).ok()).collect();
    if judged.is_empty() {
        return Judgement::undetermined("the key in the signed EF.CardSecurity is no point of its curve");
    }
    match judged.contains(&true) {
        true if case.is_known(&REVOKED) || case.is_known_of_card_security(&REVOKED) => {
            let reason = "the chip proved its signed key, but a defect list says that such keys are known to others";
            Judgement::undetermined(reason).pointing_at(Verdict::CloneSuspect)
        }
        true if !is_promised_by_document(case) => Judgement::undetermined(
            "the chip proved a signed key, but DG14 does not promise the mapping: it may be the key of another document",
        ),
        true if is_bound(case) => Judgement::successful(format!(
            "the chip proved its signed key, which DG14 holds too ({})",
            established.detail
        )),
        true => Judgement::successful(format!(
            "the chip proved a key that its issuer signed ({}); EF.CardSecurity does not say for which document",
            established.detail
        )),
        false => Judgement::failed("the chip does not hold the signed key: its mapping key is not made from it"),
    }
}

/// A key for chip authentication mapping with this suite.
fn key_of(info: &SecurityInfo, suite: Suite) -> Option<ChipPublicKey> {
    match info {
        SecurityInfo::ChipAuthenticationPublicKey { key, .. }
            if key.parameter_id == Some(suite.group.parameter_id()) =>
        {
            Some(ChipPublicKey { group: suite.group, octets: key.point.clone() })
        }
        _ => None,
    }
}

fn without_key(case: &Case<'_>) -> Judgement {
    match &case.card_security {
        SecurityFile::NotRead(FileEvidence::Interrupted) => {
            Judgement::aborted("the session ended before EF.CardSecurity was read")
        }
        SecurityFile::NotAsked | SecurityFile::NotRead(_) if is_promised(case) => Judgement::failed(
            "the signed DG14 promises chip authentication mapping, but the chip shows no EF.CardSecurity",
        ),
        SecurityFile::NotAsked | SecurityFile::NotRead(_) => {
            Judgement::undetermined("without an EF.CardSecurity the chip's key cannot be known")
        }
        SecurityFile::Malformed(_) | SecurityFile::Read(..) => {
            Judgement::undetermined("EF.CardSecurity is not authentic: the chip's key cannot be known")
        }
    }
}
