//! The terminal's end: a straight line.

use iso7816::tlv::{Writer, encode, sole};
use iso7816::{Card, Command, MAX_NE, Status};

use super::cam::MappingProof;
use super::ladder::Variant;
use super::steps::{MappingStep, reveal};
use super::{DYNAMIC_AUTHENTICATION, KeyError, NONCE, OBJECT_IDENTIFIER, PARAMETERS, PASSWORD, PaceError, Suite};
use crate::password::Password;
use crate::random::Random;
use crate::role::Terminal;
use crate::sm::Session;

/// The longest nonce that is believed; the standard's own are 16 or 32 bytes.
const LONGEST_NONCE: usize = 64;

/// What PACE has opened.
#[derive(Debug)]
pub struct Opened {
    /// The session.
    pub session: Session<Terminal>,
    /// The chip's ephemeral public key, compressed: what Terminal Authentication calls the chip by.
    pub chip_identity: Vec<u8>,
    /// With chip authentication mapping: what the chip showed of its static key, not judged yet.
    pub mapping_proof: Option<MappingProof>,
}

/// Opens a session. The card stands as after power-up: master file, no application selected.
///
/// # Errors
/// See [`PaceError`].
pub fn open(
    card: &mut dyn Card,
    suite: &Suite,
    password: &Password,
    variant: Variant,
    random: &mut dyn Random,
) -> Result<Opened, PaceError> {
    let suite = *suite;
    set_at(card, suite, password, variant)?;
    let malformed = |source| PaceError::Malformed { step: 1, source };
    let nonce = authenticate(card, 1, &[])?;
    let concealed = sole(&nonce, NONCE).map_err(malformed)?;
    let length = concealed.len();
    if length == 0 || length > LONGEST_NONCE || !length.is_multiple_of(suite.cipher.block_length()) {
        return Err(PaceError::NonceLength { length });
    }
    let nonce = reveal(suite.cipher, password, concealed).map_err(KeyError::from)?;

    let mapping = MappingStep::<Terminal>::begin(suite, nonce, random)?;
    let answer = authenticate(card, 2, &mapping.object())?;
    let agreement = mapping.finish(&answer, random)?;
    let answer = authenticate(card, 3, &agreement.object())?;
    let confirmation = agreement.finish(&answer)?;
    let answer = authenticate(card, 4, &confirmation.object())?;
    confirmation.finish(&answer)
}

/// Chooses suite and password.
fn set_at(card: &mut dyn Card, suite: Suite, password: &Password, variant: Variant) -> Result<(), PaceError> {
    let mut data = Writer::new();
    data.put(OBJECT_IDENTIFIER, suite.oid()).put(PASSWORD, [password.reference()]);
    if variant.parameter_id {
        data.put(PARAMETERS, [suite.group.parameter_id()]);
    }
    let mut command = Command::new(0x00, 0x22, 0xC1, 0xA4).with_data(data.finish());
    command.ne = variant.le.then_some(256);
    let status = card.transmit(&command)?.status;
    // 63Cx warns of failed tries before this one; the password is still accepted.
    match status.is_ok() || status.tries_left().is_some_and(|tries| tries > 0) {
        true => Ok(()),
        false => Err(PaceError::Refused { step: 0, status }),
    }
}

/// One GENERAL AUTHENTICATE: sends the content of `7C`, gets that of the answer.
fn authenticate(card: &mut dyn Card, step: u8, content: &[u8]) -> Result<Vec<u8>, PaceError> {
    let last = step == 4;
    let data = encode(DYNAMIC_AUTHENTICATION, content);
    // A key of 2048 bits is answered by one.
    let ne = if data.len() > 255 { MAX_NE } else { 256 };
    let command = Command::new(if last { 0x00 } else { 0x10 }, 0x86, 0x00, 0x00).with_data(data).with_ne(ne);
    let response = card.transmit(&command)?;
    match response.status {
        Status::OK => {}
        status if last && (status.sw1() == 0x63 || status == Status::SECURITY_NOT_SATISFIED) => {
            return Err(PaceError::WrongPassword { status });
        }
        status => return Err(PaceError::Refused { step, status }),
    }
    // After the second nonce of integrated mapping there is nothing to say, and some cards say nothing at all.
    if step == 2 && response.data.is_empty() {
        return Ok(Vec::new());
    }
    let content = sole(&response.data, DYNAMIC_AUTHENTICATION);
    content.map(<[u8]>::to_vec).map_err(|source| PaceError::Malformed { step, source })
}
