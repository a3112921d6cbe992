//! The terminal's end: a straight line.

use iso7816::tlv::{Writer, encode, sole};
use iso7816::{Card, Command, Status};

use super::steps::{MappingStep, reveal};
use super::{DYNAMIC_AUTHENTICATION, KeyError, NONCE, OBJECT_IDENTIFIER, PARAMETERS, PASSWORD, PaceError, Suite};
use crate::password::Password;
use crate::random::Random;
use crate::role::Terminal;
use crate::sm::Session;

/// The longest nonce that is believed; the standard's own are 16 or 32 bytes.
const LONGEST_NONCE: usize = 64;

/// Opens a session. The card stands as after power-up: master file, no application selected.
///
/// # Errors
/// See [`PaceError`].
pub fn open(
    card: &mut dyn Card,
    suite: &Suite,
    password: &Password,
    random: &mut dyn Random,
) -> Result<Session<Terminal>, PaceError> {
    let suite = *suite;
    set_at(card, suite, password)?;
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

/// Chooses suite and password. The parameter number goes along only when the card asks for it: some
/// cards refuse the object where their EF.CardAccess leaves no choice, others demand it.
fn set_at(card: &mut dyn Card, suite: Suite, password: &Password) -> Result<(), PaceError> {
    let mut data = Writer::new();
    data.put(OBJECT_IDENTIFIER, suite.oid()).put(PASSWORD, [password.reference()]);
    let mut command = Command::new(0x00, 0x22, 0xC1, 0xA4).with_data(data.clone().finish());
    let mut status = card.transmit(&command)?.status;
    if matches!(status, Status::WRONG_DATA | Status::REFERENCED_DATA_NOT_FOUND) {
        data.put(PARAMETERS, [suite.curve.parameter_id()]);
        command.data = data.finish();
        status = card.transmit(&command)?.status;
    }
    // 63Cx warns of failed tries before this one; the password is still accepted.
    match status.is_ok() || status.tries_left().is_some_and(|tries| tries > 0) {
        true => Ok(()),
        false => Err(PaceError::Refused { step: 0, status }),
    }
}

/// One GENERAL AUTHENTICATE: sends the content of `7C`, gets that of the answer.
fn authenticate(card: &mut dyn Card, step: u8, content: &[u8]) -> Result<Vec<u8>, PaceError> {
    let last = step == 4;
    let command = Command::new(if last { 0x00 } else { 0x10 }, 0x86, 0x00, 0x00)
        .with_data(encode(DYNAMIC_AUTHENTICATION, content))
        .with_ne(256);
    let response = card.transmit(&command)?;
    match response.status {
        Status::OK => {}
        status if last && (status.sw1() == 0x63 || status == Status::SECURITY_NOT_SATISFIED) => {
            return Err(PaceError::WrongPassword { status });
        }
        status => return Err(PaceError::Refused { step, status }),
    }
    let content = sole(&response.data, DYNAMIC_AUTHENTICATION);
    content.map(<[u8]>::to_vec).map_err(|source| PaceError::Malformed { step, source })
}
