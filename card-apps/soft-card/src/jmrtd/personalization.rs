//! CREATE FILE, UPDATE BINARY and PUT DATA: open to anybody until the lock, `6985` ever after.

use channel::secret::Secret;
use iso7816::tlv::Reader;
use iso7816::{Command as Apdu, Status};
use lds::mrz::check_digit;

use super::Thrown;
use super::access::MODULUS;
use super::read::{nameable, offset};
use super::state::{CAPACITY, Memory, Volatile, has_file};

/// What the platform throws when memory is used up, sent as a status word by the applet: SystemException.NO_RESOURCE.
const NO_RESOURCE: Status = Status(0x0005);
/// The same of a key of the wrong length: CryptoException.ILLEGAL_VALUE.
const ILLEGAL_VALUE: Status = Status(0x0001);
/// A character that stands in no machine readable zone.
const NO_MRZ_CHARACTER: Status = Status(0x6D04);

fn open(memory: &Memory) -> Result<(), Thrown> {
    if memory.locked { Err(Status::CONDITIONS_NOT_SATISFIED.into()) } else { Ok(()) }
}

/// `63 04 <size> <identifier>`: the first one makes the room, later ones change the size within it.
pub(super) fn create(apdu: &Apdu, memory: &mut Memory) -> Result<Vec<u8>, Thrown> {
    open(memory)?;
    let Some([tag, length, a, b, c, d]) = apdu.data.first_chunk::<6>() else {
        return Err(Status::WRONG_LENGTH.into());
    };
    let (size, id) = (i16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
    if *length < 4 {
        return Err(Status::WRONG_LENGTH.into());
    }
    if *tag != 0x63 {
        return Err(Status::REFERENCE_DATA_NOT_USABLE.into());
    }
    nameable(id)?;
    if !has_file(id) {
        return Err(Thrown::Escaped);
    }
    match memory.files.get(&id) {
        Some(file) if i32::from(size) > file.len() as i32 => return Err(Status::NOT_ENOUGH_MEMORY.into()),
        Some(_) => {}
        None => {
            let room = usize::try_from(size).map_err(|_| Thrown::Escaped)?;
            if memory.size() + room > CAPACITY {
                return Err(NO_RESOURCE.into());
            }
            memory.files.insert(id, vec![0; room]);
        }
    }
    memory.sizes.insert(id, size);
    Ok(Vec::new())
}

/// Writes a piece of the current file.
pub(super) fn update(apdu: &Apdu, memory: &mut Memory, volatile: &Volatile) -> Result<Vec<u8>, Thrown> {
    let id = volatile.file.filter(|_| !memory.locked).ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
    if apdu.data.is_empty() {
        return Ok(Vec::new());
    }
    nameable(id)?;
    let (Some(file), Some(size)) = (memory.files.get_mut(&id), memory.sizes.get(&id)) else {
        return Err(Status::FILE_NOT_FOUND.into());
    };
    let (offset, length) = (offset(apdu), apdu.data.len());
    if *size < offset.wrapping_add(length as i16) {
        return Err(Status::NOT_ENOUGH_MEMORY.into());
    }
    let place = usize::try_from(offset).ok().and_then(|offset| file.get_mut(offset..offset + length));
    place.ok_or(Thrown::Escaped)?.copy_from_slice(&apdu.data);
    Ok(Vec::new())
}

/// The keys, and the lock.
pub(super) fn put_data(apdu: &Apdu, memory: &mut Memory) -> Result<Vec<u8>, Thrown> {
    open(memory)?;
    match (apdu.p1, apdu.p2) {
        (0xDE, 0xAD) => memory.locked = true,
        (0x00, 0x60) => {
            let modulus = number(&apdu.data)?;
            if modulus.len() != MODULUS {
                return Err(ILLEGAL_VALUE.into());
            }
            memory.modulus = Some(modulus.to_vec());
        }
        (0x00, 0x61) => {
            let exponent = number(&apdu.data)?;
            if exponent.len() > MODULUS {
                return Err(ILLEGAL_VALUE.into());
            }
            memory.private_exponent = Some(Secret::from(exponent));
        }
        (0x00, 0x62) => memory.mrz_information = Some(mrz_information(&apdu.data)?),
        _ => return Err(Status::INCORRECT_P1_P2.into()),
    }
    Ok(Vec::new())
}

/// The number in `60 00 04 <number>`, without one leading zero: the value of the second object, whatever the tags.
fn number(data: &[u8]) -> Result<&[u8], Thrown> {
    let mut reader = Reader::new(data);
    let mut next = || reader.next().ok().flatten().ok_or(Thrown::Escaped);
    next()?;
    let value = next()?.value;
    Ok(value.strip_prefix(&[0]).unwrap_or(value))
}

/// Number, birth and expiry, the three objects inside the first one, whatever their tags; each with its check digit.
fn mrz_information(data: &[u8]) -> Result<Secret, Thrown> {
    let outer = Reader::new(data).next().ok().flatten().ok_or(Thrown::Escaped)?;
    let mut reader = outer.reader();
    let mut information = Vec::with_capacity(data.len() + 3);
    for _ in 0..3 {
        let value = reader.next().ok().flatten().ok_or(Thrown::Escaped)?.value;
        if !value.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'<') {
            return Err(NO_MRZ_CHARACTER.into());
        }
        information.extend(value);
        information.push(check_digit(&String::from_utf8_lossy(value).to_ascii_uppercase()) as u8);
    }
    Ok(Secret::new(information))
}
