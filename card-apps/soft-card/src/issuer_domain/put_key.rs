//! PUT KEY: replaces or adds a set of three AES keys (GPCS 2.3.1 §11.8, GPCS D §7.2).
//!
//! ```text
//! new key version
//! three times: 88 (AES) | length of the next two | key length | key under Key-DEK | 03 | key check value
//! ```
//!
//! The answer repeats the version and the check values. The whole set changes in one step or not at all.

use channel::scp03::{ChipChannel, key_check_value};
use channel::secret::Secret;
use iso7816::{Response, Status};
use lds::globalplatform::production::KEY_TYPE_AES;

use super::state::{MAX_KEY_SETS, Memory, StoredKeySet};

/// Bytes of a key check value.
const CHECK_LENGTH: usize = 3;
/// The same as a length field.
const CHECK_FIELD: u8 = 3;

/// Puts the keys in place of version `replace`, or adds them when that is 0.
pub(super) fn put(replace: u8, data: &[u8], channel: &ChipChannel, memory: &mut Memory) -> Result<Response, Status> {
    let (version, mut rest) = data.split_first().ok_or(Status::WRONG_DATA)?;
    if !(0x01..=0x7F).contains(version) {
        return Err(Status::WRONG_DATA);
    }
    let (enc, mac, data_key) = (key(&mut rest, channel)?, key(&mut rest, channel)?, key(&mut rest, channel)?);
    let lengths = [&enc, &mac, &data_key].map(|key| key.value.expose().len());
    if !rest.is_empty() || lengths.windows(2).any(|pair| pair.first() != pair.last()) {
        return Err(Status::WRONG_DATA);
    }
    make_room(replace, *version, memory)?;
    let answer = [&[*version][..], &enc.check, &mac.check, &data_key.check].concat();
    let set = StoredKeySet { enc: enc.value, mac: mac.value, dek: data_key.value, sequence: 0 };
    memory.keys.insert(*version, set);
    Ok(Response::ok(answer))
}

/// Removes the set that is replaced, or checks that one more fits.
fn make_room(replace: u8, version: u8, memory: &mut Memory) -> Result<(), Status> {
    let taken = memory.keys.contains_key(&version);
    if replace == 0 {
        return match (taken, memory.keys.len() < MAX_KEY_SETS) {
            (true, _) => Err(Status::CONDITIONS_NOT_SATISFIED),
            (false, true) => Ok(()),
            (false, false) => Err(Status::NOT_ENOUGH_MEMORY),
        };
    }
    if taken && version != replace {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    memory.keys.remove(&replace).map(|_| ()).ok_or(Status::REFERENCED_DATA_NOT_FOUND)
}

struct NewKey {
    value: Secret,
    check: [u8; CHECK_LENGTH],
}

/// Takes one key off the front.
fn key(rest: &mut &[u8], channel: &ChipChannel) -> Result<NewKey, Status> {
    let [KEY_TYPE_AES, field, length, after @ ..] = *rest else {
        return Err(Status::WRONG_DATA);
    };
    let length = usize::from(*length);
    let enciphered = usize::from(*field).checked_sub(1).ok_or(Status::WRONG_DATA)?;
    let (cryptogram, after) = after.split_at_checked(enciphered).ok_or(Status::WRONG_DATA)?;
    let [CHECK_FIELD, a, b, c, after @ ..] = after else {
        return Err(Status::WRONG_DATA);
    };
    let value = channel.decrypt_key(cryptogram, length)?;
    let check = key_check_value(&value).map_err(|_| Status::WRONG_DATA)?;
    // A key that arrived damaged must not replace a good one.
    if check != [*a, *b, *c] {
        return Err(Status::WRONG_DATA);
    }
    *rest = after;
    Ok(NewKey { value, check })
}
