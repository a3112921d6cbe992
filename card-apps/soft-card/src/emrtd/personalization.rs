//! How the application gets its data, from the issuer domain only.
//!
//! Data groupings are programmed as they arrive, but nothing of them is valid: [`begin`] erases them, [`complete`]
//! notes that the last block came, and only [`seal`] makes them the document, by one life cycle byte. A card torn
//! at any moment is therefore either SELECTABLE, where a new personalization starts from nothing, or PERSONALIZED
//! with everything in place.

use channel::secret::Secret;
use channel::suite::Curve;
use channel::terminal_auth::Trust;
use iso7816::{Status, tlv};
use lds::files::{self, EF_CARD_ACCESS, EF_COM, EF_SOD, File, Place};
use lds::globalplatform::ChipAuthenticationKey;
use lds::globalplatform::dgi::{CAN, CHIP_AUTHENTICATION_KEY, MRZ_INFORMATION};

use super::state::{ApplicationLife, ChipKey, MAX_CONTENTS, Memory};

/// File identifier of EF.DG1.
const DG1: u16 = 0x0101;
/// Digits of a card access number.
const CAN_LENGTH: usize = 6;
/// Document number of nine characters or more, two dates, three check digits (9303-11 §9.7.2).
const MRZ_INFORMATION_LENGTH: std::ops::RangeInclusive<usize> = 24..=46;

/// The file that the data grouping with this number writes.
fn file(id: u16) -> Option<&'static File> {
    if id == EF_CARD_ACCESS.id {
        return Some(&EF_CARD_ACCESS);
    }
    files::by_id(Place::Emrtd, id)
}

/// True for a file identifier that personalization may write.
pub(crate) fn is_file(id: u16) -> bool {
    file(id).is_some()
}

/// Starts from nothing; `6985` once the application is personalized or locked.
pub(crate) fn begin(memory: &mut Memory) -> Result<(), Status> {
    writable(memory)?;
    *memory = Memory::empty();
    Ok(())
}

/// `6985` once the application is personalized or locked, which may also happen between two blocks.
pub(crate) fn writable(memory: &Memory) -> Result<(), Status> {
    if memory.life_cycle == ApplicationLife::Selectable { Ok(()) } else { Err(Status::CONDITIONS_NOT_SATISFIED) }
}

/// Takes the whole content of a file: one data object with the file's tag (`6A80` otherwise).
pub(crate) fn store_file(id: u16, value: &[u8], memory: &mut Memory) -> Result<(), Status> {
    let file = file(id).ok_or(Status::REFERENCED_DATA_NOT_FOUND)?;
    match file.tag {
        Some(tag) if tlv::sole(value, tag).is_ok() => {}
        _ => return Err(Status::WRONG_DATA),
    }
    memory.files.remove(&id);
    if memory.size() + value.len() > MAX_CONTENTS {
        return Err(Status::NOT_ENOUGH_MEMORY);
    }
    memory.files.insert(id, value.to_vec());
    Ok(())
}

/// Takes what the card shall know of terminals (`6A80` when it is not that).
pub(crate) fn store_terminal_trust(value: &[u8], memory: &mut Memory) -> Result<(), Status> {
    memory.terminal_trust = Some(Trust::from_bytes(value).map_err(|_| Status::WRONG_DATA)?);
    Ok(())
}

/// Takes a password or a key, deciphered.
pub(crate) fn store_secret(id: u16, value: &[u8], memory: &mut Memory) -> Result<(), Status> {
    match id {
        MRZ_INFORMATION => {
            let mrz = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'<';
            require(MRZ_INFORMATION_LENGTH.contains(&value.len()) && value.iter().all(mrz))?;
            memory.mrz_information = Some(Secret::from(value));
        }
        CAN => {
            require(value.len() == CAN_LENGTH && value.iter().all(u8::is_ascii_digit))?;
            memory.card_access_number = Some(Secret::from(value));
        }
        CHIP_AUTHENTICATION_KEY => {
            let key = ChipAuthenticationKey::parse(value).map_err(|_| Status::WRONG_DATA)?;
            let curve = Curve::from_parameter_id(key.parameter_id).ok_or(Status::WRONG_DATA)?;
            let private = Secret::new(key.private_key.to_vec());
            require(private.expose().len() == curve.field_length() && private.expose().iter().any(|byte| *byte != 0))?;
            memory.chip_key = Some(ChipKey { parameter_id: key.parameter_id, key_id: key.key_id, private });
        }
        _ => return Err(Status::REFERENCED_DATA_NOT_FOUND),
    }
    Ok(())
}

/// Notes that the last block has come.
pub(crate) fn complete(memory: &mut Memory) {
    memory.complete = true;
}

/// Makes the data the document, for good; `6985` unless the last block came and the files and the password
/// without which no reader gets anywhere are there: EF.COM, EF.SOD, EF.DG1, MRZ_information.
pub(crate) fn seal(memory: &mut Memory) -> Result<(), Status> {
    let indispensable = [EF_COM.id, EF_SOD.id, DG1].iter().all(|id| memory.files.contains_key(id));
    let ready = memory.complete && indispensable && memory.mrz_information.is_some();
    if memory.life_cycle != ApplicationLife::Selectable || !ready {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    memory.life_cycle = ApplicationLife::Personalized;
    Ok(())
}

fn require(good: bool) -> Result<(), Status> {
    if good { Ok(()) } else { Err(Status::WRONG_DATA) }
}
