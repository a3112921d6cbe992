//! The terminal's end: a straight line.

use iso7816::tlv::{Reader, Tag, Writer, encode, sole};
use iso7816::{Card, Command, Status};

use super::steps::{MappingStep, reveal};
use super::{DYNAMIC_AUTHENTICATION, KeyError, NONCE, OBJECT_IDENTIFIER, PARAMETERS, PASSWORD, PaceError, Suite};
use crate::password::Password;
use crate::random::Random;
use crate::role::{Chip, Role, Terminal};
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
    let concealed = authenticate(card, 1, None, NONCE)?;
    let length = concealed.len();
    if length == 0 || length > LONGEST_NONCE || !length.is_multiple_of(suite.cipher.block_length()) {
        return Err(PaceError::NonceLength { length });
    }
    let nonce = reveal(suite.cipher, password, &concealed).map_err(KeyError::from)?;

    let mapping = MappingStep::<Terminal>::begin(suite, nonce, random)?;
    let peer = authenticate(card, 2, Some((Terminal::MAPPING, mapping.public())), Tag(Chip::MAPPING))?;
    let agreement = mapping.finish(&peer, random)?;
    let peer = authenticate(card, 3, Some((Terminal::PUBLIC_KEY, agreement.public())), Tag(Chip::PUBLIC_KEY))?;
    let confirmation = agreement.finish(&peer)?;
    let token = authenticate(card, 4, Some((Terminal::TOKEN, &confirmation.token())), Tag(Chip::TOKEN))?;
    confirmation.finish(&token)
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

/// One GENERAL AUTHENTICATE: sends at most one data object, gets the value of the one expected.
fn authenticate(
    card: &mut dyn Card,
    step: u8,
    object: Option<(u32, &[u8])>,
    expected: Tag,
) -> Result<Vec<u8>, PaceError> {
    let last = step == 4;
    let object = object.map(|(tag, value)| encode(Tag(tag), value)).unwrap_or_default();
    let command = Command::new(if last { 0x00 } else { 0x10 }, 0x86, 0x00, 0x00)
        .with_data(encode(DYNAMIC_AUTHENTICATION, object))
        .with_ne(256);
    let response = card.transmit(&command)?;
    match response.status {
        Status::OK => {}
        status if last && (status.sw1() == 0x63 || status == Status::SECURITY_NOT_SATISFIED) => {
            return Err(PaceError::WrongPassword { status });
        }
        status => return Err(PaceError::Refused { step, status }),
    }
    let value = || {
        let mut objects = Reader::new(sole(&response.data, DYNAMIC_AUTHENTICATION)?);
        let value = objects.expect(expected)?.to_vec();
        if !last {
            // The last answer may name certification authorities behind the token.
            objects.end()?;
        }
        Ok(value)
    };
    value().map_err(|source| PaceError::Malformed { step, source })
}
