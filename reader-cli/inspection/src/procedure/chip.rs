//! Chip Authentication, and the one message under the new keys that proves it (9303-11 §6.2).

use channel::chip_auth::{self, ChipAuthError, ChipAuthSuite, ChipPublicKey, KeyAgreement, NamedKey};
use channel::sm::Secured;
use channel::suite::Group;
use iso7816::{Card, Chained, tlv};
use lds::files::{self, EF_SOD};
use lds::security_infos::{PublicKeyInfo, SecurityInfo, SecurityInfos};

use super::Procedure;
use super::access::cipher_name;
use super::files::FileReader;
use super::metered::Metered;
use crate::evidence::{ChipAuthenticationEvidence, ChipAuthenticationOutcome as Outcome, Interruption};

/// Bytes read again under the new keys. Any answer that verifies is the proof; these fill one block of either cipher.
const PROOF: usize = 7;

impl Procedure<'_> {
    /// Runs Chip Authentication when DG14 offers it, and reads a piece of EF.SOD again under the new keys.
    pub(super) fn prove_chip(
        &mut self,
        reader: &mut FileReader,
        card: &mut Secured<Chained<Metered<'_>>>,
    ) -> Result<(), Interruption> {
        let Some(offer) = self.evidence.content(DG14).and_then(offer) else { return Ok(()) };
        let mut evidence = ChipAuthenticationEvidence {
            public_key: offer.key.raw.clone(),
            detail: offer.detail(),
            outcome: Outcome::Interrupted,
        };
        let proof = self.authenticate(reader, card, &offer);
        let (outcome, interruption) = match proof {
            Ok(outcome) => (outcome, Ok(())),
            Err(interruption) => (Outcome::Interrupted, Err(interruption)),
        };
        evidence.outcome = outcome;
        self.evidence.chip_authentication = Some(evidence);
        interruption
    }

    fn authenticate(
        &mut self,
        reader: &mut FileReader,
        card: &mut Secured<Chained<Metered<'_>>>,
        offer: &Offer,
    ) -> Result<Outcome, Interruption> {
        let Way::Known(public_key, suite) = &offer.way else {
            return Ok(Outcome::Unsupported { reason: offer.detail() });
        };
        match chip_auth::open(card, public_key, offer.key_id.as_deref(), *suite, self.random) {
            Ok(opened) => {
                let session = opened.session;
                // The new cipher may leave less room in an answer than the old one.
                reader.protected(&session);
                card.replace(session);
                let outcome = self.exchange(reader, card)?;
                self.terminal_key = (outcome == Outcome::Proved).then_some(opened.ephemeral_key);
                Ok(outcome)
            }
            Err(error) => failure(&error),
        }
    }

    /// Reads the head of EF.SOD again: only the chip that holds the private key can answer.
    fn exchange(&mut self, reader: &mut FileReader, card: &mut dyn Card) -> Result<Outcome, Interruption> {
        let known = self.evidence.content(EF_SOD.name).unwrap_or_default();
        match reader.first_block(card, &EF_SOD, known.len().min(PROOF)) {
            Ok(Ok(bytes)) if !bytes.is_empty() && known.starts_with(&bytes) => Ok(Outcome::Proved),
            Ok(Ok(_)) => Ok(Outcome::NotProved { reason: "EF.SOD reads differently under the new keys".into() }),
            Ok(Err(status)) => {
                Ok(Outcome::NotProved { reason: format!("the chip answered {status} under the new keys") })
            }
            Err(interruption) => broken(interruption),
        }
    }
}

/// What an error of the protocol says about the chip. Only a key that this tool cannot work with, which the issuer signed and
/// the chip cannot choose, is no answer of the chip.
fn failure(error: &ChipAuthError) -> Result<Outcome, Interruption> {
    match error {
        ChipAuthError::Transmit(error) => broken(Interruption::from(error)),
        ChipAuthError::Refused { status, .. } => Ok(Outcome::Refused { reason: status.to_string() }),
        ChipAuthError::Malformed(_) => Ok(Outcome::NotProved { reason: error.to_string() }),
        ChipAuthError::Key(_) => Ok(Outcome::Unsupported { reason: error.to_string() }),
    }
}

/// A broken secure channel is an answer here: these keys are not the chip's. A lost card is none.
fn broken(interruption: Interruption) -> Result<Outcome, Interruption> {
    match interruption {
        Interruption::SecureMessaging { reason } => Ok(Outcome::NotProved { reason }),
        other => Err(other),
    }
}

/// The name of DG14 in the evidence.
pub(crate) const DG14: &str = "EF.DG14";

/// A chip authentication key, and how it can be used.
struct Offer {
    key: PublicKeyInfo,
    key_id: Option<Vec<u8>>,
    way: Way,
}

/// How a key can be used.
enum Way {
    /// With this suite.
    Known(ChipPublicKey, ChipAuthSuite),
    /// By no protocol and group that this tool knows.
    Unknown(String),
}

impl Offer {
    fn detail(&self) -> String {
        match &self.way {
            Way::Known(key, suite) => {
                let agreement = match suite.agreement {
                    KeyAgreement::Dh => "DH",
                    KeyAgreement::Ecdh => "ECDH",
                };
                format!("{agreement}, {}, {}", key.group.name(), cipher_name(suite.cipher))
            }
            Way::Unknown(what) => what.clone(),
        }
    }
}

/// What DG14 offers: the pair of protocol and key that this tool can run with the longest session key, else the first key.
fn offer(dg14: &[u8]) -> Option<Offer> {
    let infos = security_infos(dg14)?;
    let protocols: Vec<(&Vec<u8>, &Option<Vec<u8>>)> = infos.infos().iter().filter_map(protocol).collect();
    let keys: Vec<(&PublicKeyInfo, &Option<Vec<u8>>)> = infos.infos().iter().filter_map(public_key).collect();
    let suites: Vec<_> =
        protocols.iter().filter_map(|(oid, id)| Some((ChipAuthSuite::from_oid(oid)?, (*id).clone()))).collect();
    let named: Vec<NamedKey> = keys.iter().filter_map(|(key, id)| named_key(key, id)).collect();
    // A key without any ChipAuthenticationInfo stands for 3DES (9303-11 §9.2.5); with one that is not known it does not.
    let pairs = if suites.is_empty() && !protocols.is_empty() { Vec::new() } else { chip_auth::pairs(&suites, &named) };
    let mut pair = pairs.first().map(|(key, suite)| ((*key).clone(), *suite));
    if let (None, [only]) = (&pair, &named[..]) {
        // Some issuers name the key in one of the two places only.
        let unnamed: Vec<_> = suites.iter().map(|(suite, _)| (*suite, only.key_id.clone())).collect();
        pair = chip_auth::pairs(&unnamed, &named)
            .first()
            .filter(|_| !unnamed.is_empty())
            .map(|(key, suite)| ((*key).clone(), *suite));
    }
    match pair {
        Some((chosen, suite)) => {
            let (key, _) = keys.iter().find(|(key, id)| named_key(key, id).as_ref() == Some(&chosen))?;
            let way = Way::Known(chosen.key, suite);
            Some(Offer { key: (*key).clone(), key_id: chosen.key_id, way })
        }
        None => {
            let (key, key_id) = keys.first()?;
            let group = key.parameter_id.and_then(Group::from_parameter_id).map_or("a group not known", Group::name);
            let oids = protocols.iter().map(|(oid, _)| hex::encode(oid)).collect::<Vec<_>>().join(" ");
            let way = Way::Unknown(format!("protocol {oids}, {group}"));
            Some(Offer { key: (*key).clone(), key_id: (*key_id).clone(), way })
        }
    }
}

fn protocol(info: &SecurityInfo) -> Option<(&Vec<u8>, &Option<Vec<u8>>)> {
    match info {
        SecurityInfo::ChipAuthentication { oid, key_id, .. } => Some((oid, key_id)),
        _ => None,
    }
}

fn public_key(info: &SecurityInfo) -> Option<(&PublicKeyInfo, &Option<Vec<u8>>)> {
    match info {
        SecurityInfo::ChipAuthenticationPublicKey { key, key_id, .. } => Some((key, key_id)),
        _ => None,
    }
}

/// A key in a group that this tool knows.
fn named_key(key: &PublicKeyInfo, key_id: &Option<Vec<u8>>) -> Option<NamedKey> {
    let group = Group::from_parameter_id(key.parameter_id?)?;
    Some(NamedKey { key: ChipPublicKey { group, octets: key.element().to_vec() }, key_id: key_id.clone() })
}

/// The SecurityInfos of DG14, byte for byte.
pub(crate) fn security_infos(dg14: &[u8]) -> Option<SecurityInfos> {
    let tag = files::data_group(14)?.tag?;
    SecurityInfos::parse(tlv::sole(dg14, tag).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use iso7816::TransmitError;

    use super::*;

    #[test]
    fn a_chip_cannot_pass_its_failure_off_as_something_this_tool_does_not_know() {
        let malformed = iso7816::tlv::TlvError::Trailing { count: 1 };
        assert!(matches!(failure(&malformed.into()), Ok(Outcome::NotProved { .. })));
        assert_eq!(failure(&TransmitError::Lost.into()), Err(Interruption::CardLost));
    }
}
