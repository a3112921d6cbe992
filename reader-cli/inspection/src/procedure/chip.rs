//! Chip Authentication, and the one message under the new keys that proves it (9303-11 §6.2).

use channel::chip_auth::{self, ChipAuthError, ChipAuthSuite, ChipPublicKey, KeyAgreement};
use channel::sm::Secured;
use channel::suite::{Cipher, Group};
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
        let Some((public_key, suite)) = offer.runnable() else {
            return Ok(Outcome::Unsupported { reason: offer.detail() });
        };
        match chip_auth::open(card, &public_key, offer.key_id.as_deref(), suite, self.random) {
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

/// A chip authentication key with its protocol.
struct Offer {
    key: PublicKeyInfo,
    key_id: Option<Vec<u8>>,
    oid: Vec<u8>,
}

impl Offer {
    fn runnable(&self) -> Option<(ChipPublicKey, ChipAuthSuite)> {
        let suite = ChipAuthSuite::from_oid(&self.oid)?;
        let group = Group::from_parameter_id(self.key.parameter_id?)?;
        let fits = KeyAgreement::of(group) == suite.agreement;
        fits.then(|| (ChipPublicKey { group, octets: self.key.point.clone() }, suite))
    }

    fn detail(&self) -> String {
        let curve = self.key.parameter_id.and_then(lds::security_infos::curve_name).unwrap_or("a curve not known");
        match ChipAuthSuite::from_oid(&self.oid) {
            Some(suite) => format!("ECDH, {curve}, {}", cipher_name(suite.cipher)),
            None => format!("protocol {}, {curve}", hex::encode(&self.oid)),
        }
    }
}

/// What DG14 offers: the pair of protocol and key that this tool can run with the longest session key, else the first pair.
fn offer(dg14: &[u8]) -> Option<Offer> {
    let infos = security_infos(dg14)?;
    let protocols: Vec<(&[u8], Option<&[u8]>)> = infos
        .infos()
        .iter()
        .filter_map(|info| match info {
            SecurityInfo::ChipAuthentication { oid, key_id, .. } => Some((oid.as_slice(), key_id.as_deref())),
            _ => None,
        })
        .collect();
    let mut offers = Vec::new();
    for info in infos.infos() {
        let SecurityInfo::ChipAuthenticationPublicKey { key, key_id, .. } = info else { continue };
        // A lone key without ChipAuthenticationInfo belongs to the 3DES variant (9303-11 §9.2.5).
        let lone = protocols.is_empty().then_some((lds::security_infos::ID_CA_ECDH_3DES, key_id.as_deref()));
        let fitting = protocols.iter().copied().chain(lone).filter(|(_, id)| *id == key_id.as_deref());
        offers.extend(fitting.map(|(oid, _)| Offer { key: key.clone(), key_id: key_id.clone(), oid: oid.to_vec() }));
    }
    let strength = |offer: &Offer| offer.runnable().map_or(0, |(_, suite)| strength(suite.cipher));
    // max_by_key keeps the last of equals; the first is wanted.
    offers.into_iter().rev().max_by_key(strength)
}

fn strength(cipher: Cipher) -> usize {
    cipher.key_length() * cipher.block_length()
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
