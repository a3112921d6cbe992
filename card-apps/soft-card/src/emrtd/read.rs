//! SELECT of files and READ BINARY (9303-10 §3.6, 7816-4 §11.1 and §11.2).

use std::borrow::Cow;

use iso7816::tlv::{self, Tag, Writer};
use iso7816::{Response, Status};
use lds::directory::Directory;
use lds::files::{self, EF_ATR_INFO, EF_CARD_ACCESS, EF_CARD_SECURITY, EF_CVCA, EF_DIR, File, Place};

use super::command::{Read, Source};
use super::state::{ApplicationLife, Memory, Volatile};
use super::{Host, access};
use crate::atr;

/// The data object that an odd-instruction READ BINARY answers with.
const DISCRETIONARY: Tag = Tag(0x53);

/// Makes a file current. With `information` the answer is `6F { 80 <size> 83 <identifier> }`.
pub(super) fn select(
    id: u16,
    information: bool,
    host: Host<'_>,
    memory: &Memory,
    volatile: &mut Volatile,
) -> Result<Response, Status> {
    volatile.current = None;
    let file = access::readable(files::by_id(volatile.place, id), volatile)?;
    let contents = contents(file, host, memory).ok_or(Status::FILE_NOT_FOUND)?;
    volatile.current = Some(file);
    if !information {
        return Ok(Response::status(Status::OK));
    }
    let mut writer = Writer::new();
    writer.nest(Tag(0x6F), |control| {
        control.put(Tag(0x80), (contents.len() as u32).to_be_bytes()).put(Tag(0x83), id.to_be_bytes());
    });
    Ok(Response::ok(writer.finish()))
}

/// Reads part of a file; at most `capacity` bytes of response data fit the answer that carries them.
///
/// `6B00` for an offset at or beyond the end, `6282` with the data when an exact Le reaches beyond it.
pub(super) fn read(
    read: Read,
    capacity: u32,
    host: Host<'_>,
    memory: &Memory,
    volatile: &mut Volatile,
) -> Result<Response, Status> {
    let file = source(read.source, volatile)?;
    let contents = contents(file, host, memory).ok_or(Status::FILE_NOT_FOUND)?;
    volatile.current = Some(file);
    let rest = match contents.get(read.offset..) {
        Some(rest) if !rest.is_empty() => rest,
        _ => return Err(Status::WRONG_P1_P2),
    };
    let room = read.ne.min(capacity) as usize;
    let room = if read.wrapped { room_inside(room) } else { room };
    let data = rest.get(..room).unwrap_or(rest);
    let exact = !matches!(read.ne, 256 | iso7816::MAX_NE);
    let status = if data.len() < room && exact { Status::END_OF_FILE } else { Status::OK };
    let data = if read.wrapped { tlv::encode(DISCRETIONARY, data) } else { data.to_vec() };
    Ok(Response { data, status })
}

/// The file a READ BINARY means, if it may be read.
fn source(source: Source, volatile: &Volatile) -> Result<&'static File, Status> {
    match source {
        // The session that allowed the selection may be gone by now.
        Source::Current => match volatile.current {
            Some(file) => access::readable(Some(file), volatile),
            None if volatile.session.is_none() && volatile.place == Place::Emrtd => Err(Status::SECURITY_NOT_SATISFIED),
            None => Err(Status::NO_CURRENT_FILE),
        },
        Source::Short(id) => access::readable(files::by_short_id(volatile.place, id), volatile),
        Source::Identifier(id) => access::readable(files::by_id(volatile.place, id), volatile),
    }
}

/// The bytes of a file, when it is on this card.
fn contents<'a>(file: &File, host: Host<'_>, memory: &'a Memory) -> Option<Cow<'a, [u8]>> {
    let stored = || memory.content(file).map(Cow::Borrowed);
    if *file == EF_DIR {
        return Some(Directory::of(host.applications.iter().cloned()).to_bytes().into());
    }
    if *file == EF_ATR_INFO {
        return Some(atr::info_file(host.make).into());
    }
    if memory.life_cycle != ApplicationLife::Personalized {
        return None;
    }
    if *file == EF_CVCA {
        return memory.terminal_trust.as_ref().map(|trust| trust.authorities().into());
    }
    // EF.CardAccess and EF.CVCA share one identifier at two places.
    match file.place {
        Place::MasterFile if [EF_CARD_ACCESS, EF_CARD_SECURITY].contains(file) && host.make.pace => stored(),
        Place::Emrtd if file.id != EF_CARD_ACCESS.id => stored(),
        _ => None,
    }
}

/// How much of a value fits a data object of one-byte tag and at most `room` bytes in all.
fn room_inside(room: usize) -> usize {
    let head = match room {
        0..=0x81 => 2,
        0x82..=0x102 => 3,
        _ => 4,
    };
    room.saturating_sub(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_answer_never_exceeds_its_room() {
        for room in 3..=iso7816::MAX_NE as usize {
            let inside = room_inside(room);
            let length = tlv::encode(DISCRETIONARY, vec![0; inside]).len();
            assert!(length <= room && length + 2 > room, "{room}");
        }
    }
}
