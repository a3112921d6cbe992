//! SELECT of files and READ BINARY.

use iso7816::{Command as Apdu, Status};

use super::state::{Memory, Volatile};
use super::{LONGEST_READ, Thrown};

/// DG3 and DG4, which only a terminal that authenticated itself may even name.
const GUARDED: [u16; 2] = [0x0103, 0x0104];

/// Refuses to name what is guarded.
pub(super) fn nameable(id: u16) -> Result<(), Thrown> {
    if GUARDED.contains(&id) { Err(Status::SECURITY_NOT_SATISFIED.into()) } else { Ok(()) }
}

/// Makes a file current. P1 and P2 are not looked at.
pub(super) fn select(apdu: &Apdu, memory: &Memory, volatile: &mut Volatile) -> Result<Vec<u8>, Thrown> {
    if memory.locked && volatile.session.is_none() {
        return Err(Status::SECURITY_NOT_SATISFIED.into());
    }
    let id = <[u8; 2]>::try_from(apdu.data.as_slice()).map(u16::from_be_bytes).map_err(|_| Status::WRONG_LENGTH)?;
    nameable(id)?;
    volatile.file = memory.files.contains_key(&id).then_some(id);
    if volatile.file.is_some() { Ok(Vec::new()) } else { Err(Status::FILE_NOT_FOUND.into()) }
}

/// Reads from the current file: at most what DO 97 asks for, so nothing for `00`, and nothing at all outside secure messaging.
pub(super) fn read(apdu: &Apdu, protected: bool, memory: &Memory, volatile: &Volatile) -> Result<Vec<u8>, Thrown> {
    if volatile.session.is_none() {
        return Err(Status::SECURITY_NOT_SATISFIED.into());
    }
    let id = volatile.file.ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
    nameable(id)?;
    let (Some(file), Some(size)) = (memory.files.get(&id), memory.sizes.get(&id)) else {
        return Err(Status::FILE_NOT_FOUND.into());
    };
    let asked = match apdu.ne {
        _ if !protected => 0,
        None | Some(256) => 0,
        Some(ne @ 0..256) => ne as i16,
        // DO 97 of two bytes.
        Some(_) => return Err(Status(0x6D66).into()),
    };
    let offset = offset(apdu);
    let length = size.wrapping_sub(offset).min(LONGEST_READ).min(asked);
    let piece = usize::try_from(offset).ok().zip(usize::try_from(length).ok());
    let piece = piece.and_then(|(offset, length)| file.get(offset..offset + length));
    piece.map(<[u8]>::to_vec).ok_or(Thrown::Escaped)
}

/// P1-P2: a signed number, no short file identifier.
pub(super) fn offset(apdu: &Apdu) -> i16 {
    i16::from_be_bytes([apdu.p1, apdu.p2])
}
