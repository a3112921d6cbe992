//! PUT KEY and DELETE: which key sets the issuer domain has (GPCS 2.3.1 §11.8, §11.2; GPCS D §7.2).
//!
//! A whole set comes, or goes, in one step or not at all; the last one never goes. The keys of version `FF` are those of
//! the maker: they cannot be put, and the first set that is added takes their place.

use channel::scp03::{ChipChannel, key_check_value};
use channel::secret::Secret;
use iso7816::{Aid, Response, Status};
use lds::globalplatform::NewKeySet;
use lds::globalplatform::keys::EncipheredKey;

use super::state::{MAKERS_VERSION, MAX_KEY_SETS, Memory, StoredKeySet};

/// Puts the keys in place of version `replace`, or adds them when that is 0. The answer repeats the version and the check
/// values.
pub(super) fn put(replace: u8, data: &[u8], channel: &ChipChannel, memory: &mut Memory) -> Result<Response, Status> {
    let set = NewKeySet::parse(data).map_err(|_| Status::WRONG_DATA)?;
    if !(0x01..=0x7F).contains(&set.version) {
        return Err(Status::WRONG_DATA);
    }
    let [enc, mac, dek] = &set.keys;
    if enc.length != mac.length || enc.length != dek.length {
        return Err(Status::WRONG_DATA);
    }
    let (enc, mac, dek) = (key(enc, channel)?, key(mac, channel)?, key(dek, channel)?);
    make_room(replace, set.version, memory)?;
    memory.keys.insert(set.version, StoredKeySet { enc, mac, dek, sequence: 0 });
    Ok(Response::ok(set.confirmation()))
}

/// Removes the set that is replaced, or checks that one more fits.
fn make_room(replace: u8, version: u8, memory: &mut Memory) -> Result<(), Status> {
    let taken = memory.keys.contains_key(&version);
    if replace == 0 {
        let room = memory.keys.len() < MAX_KEY_SETS;
        if taken {
            return Err(Status::CONDITIONS_NOT_SATISFIED);
        }
        return match (memory.keys.remove(&MAKERS_VERSION), room) {
            (None, false) => Err(Status::NOT_ENOUGH_MEMORY),
            _ => Ok(()),
        };
    }
    if taken && version != replace {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    memory.keys.remove(&replace).map(|_| ()).ok_or(Status::REFERENCED_DATA_NOT_FOUND)
}

/// Deciphers one key. One that arrived damaged must not replace a good one.
fn key(enciphered: &EncipheredKey, channel: &ChipChannel) -> Result<Secret, Status> {
    let value = channel.decrypt_key(&enciphered.cryptogram, usize::from(enciphered.length))?;
    let check = key_check_value(&value).map_err(|_| Status::WRONG_DATA)?;
    if check == enciphered.check { Ok(value) } else { Err(Status::WRONG_DATA) }
}

/// Deletes the keys of one version; `6985` for the last set: nobody could speak with the card any more.
pub(super) fn delete(version: u8, memory: &mut Memory) -> Result<Response, Status> {
    if !memory.keys.contains_key(&version) {
        return Err(Status::REFERENCED_DATA_NOT_FOUND);
    }
    if memory.keys.len() == 1 {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    memory.keys.remove(&version);
    // One byte of data: no confirmation follows (GPCS §11.2.3).
    Ok(Response::ok([0x00]))
}

/// Applications of this card are there for good: `6985` for those that it has, `6A88` for all others.
pub(super) fn delete_application(aid: &Aid) -> Result<Response, Status> {
    if [Aid::issuer_domain(), Aid::emrtd()].contains(aid) {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    Err(Status::REFERENCED_DATA_NOT_FOUND)
}
