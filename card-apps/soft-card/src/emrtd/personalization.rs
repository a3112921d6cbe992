//! How the application gets its data, from the issuer domain only.
//!
//! Data groupings are programmed as they arrive, but nothing of them is valid: [`begin`] erases them, [`complete`]
//! notes that the last block came, and only [`seal`] makes them the document, by one life cycle byte. A card torn
//! at any moment is therefore either SELECTABLE, where a new personalization starts from nothing, or PERSONALIZED
//! with everything in place.

use channel::hash::Hash;
use channel::secret::Secret;
use channel::suite::Group;
use channel::terminal_auth::Trust;
use iso7816::{Status, tlv};
use lds::files::{EF_COM, EF_SOD};
use lds::globalplatform::dgi::{
    ACTIVE_AUTHENTICATION_KEY, CAN, CHIP_AUTHENTICATION_KEY, MAPPING_KEY, MRZ_INFORMATION, file_of,
};
use lds::globalplatform::{ActiveAuthenticationKey, ChipAuthenticationKey};

use super::state::{ActiveKey, ApplicationLife, ChipKey, MAX_CONTENTS, Memory};

/// File identifier of EF.DG1.
const DG1: u16 = 0x0101;
/// Digits of a card access number.
const CAN_LENGTH: usize = 6;
/// Document number of nine characters or more, two dates, three check digits (9303-11 §9.7.2).
const MRZ_INFORMATION_LENGTH: std::ops::RangeInclusive<usize> = 24..=46;

/// Keys for Chip Authentication at most: those of one chip, with room to spare.
const MAX_CHIP_KEYS: usize = 8;

/// True for a data grouping that writes a file.
pub(crate) fn is_file(id: u16) -> bool {
    file_of(id).is_some()
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
    let file = file_of(id).ok_or(Status::REFERENCED_DATA_NOT_FOUND)?;
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
        CHIP_AUTHENTICATION_KEY => add_chip_key(chip_key(value)?, memory)?,
        MAPPING_KEY => memory.mapping_key = Some(chip_key(value)?),
        ACTIVE_AUTHENTICATION_KEY => {
            let key = match ActiveAuthenticationKey::parse(value).map_err(|_| Status::WRONG_DATA)? {
                ActiveAuthenticationKey::Rsa(key) => ActiveKey::Rsa { private: Secret::new(key.to_vec()) },
                ActiveAuthenticationKey::Ec { parameter_id, private_key } => {
                    ActiveKey::Ec { parameter_id, private: Secret::new(private_key.to_vec()) }
                }
            };
            require(key.key(Hash::Sha256).is_some())?;
            memory.active_key = Some(key);
        }
        _ => return Err(Status::REFERENCED_DATA_NOT_FOUND),
    }
    Ok(())
}

/// A private key in the width of its group.
fn chip_key(value: &[u8]) -> Result<ChipKey, Status> {
    let key = ChipAuthenticationKey::parse(value).map_err(|_| Status::WRONG_DATA)?;
    let group = Group::from_parameter_id(key.parameter_id).ok_or(Status::WRONG_DATA)?;
    let private = Secret::new(key.private_key.to_vec());
    require(private.expose().len() == group.private_length() && private.expose().iter().any(|byte| *byte != 0))?;
    Ok(ChipKey { parameter_id: key.parameter_id, key_id: key.key_id, private })
}

/// One key more; another one with the same name takes the place of the first.
fn add_chip_key(key: ChipKey, memory: &mut Memory) -> Result<(), Status> {
    let same = |known: &&mut ChipKey| (known.parameter_id, &known.key_id) == (key.parameter_id, &key.key_id);
    if let Some(known) = memory.chip_key.iter_mut().chain(&mut memory.further_chip_keys).find(same) {
        *known = key;
    } else if memory.chip_key.is_none() {
        memory.chip_key = Some(key);
    } else if memory.chip_keys().count() < MAX_CHIP_KEYS {
        memory.further_chip_keys.push(key);
    } else {
        return Err(Status::NOT_ENOUGH_MEMORY);
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
