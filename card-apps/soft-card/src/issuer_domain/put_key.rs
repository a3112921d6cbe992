//! PUT KEY: replaces or adds a set of three AES keys (GPCS 2.3.1 §11.8, GPCS D §7.2).
//!
//! ```text
//! new key version
//! three times: 88 (AES) | length of the next two | key length | key under Key-DEK | 03 | key check value
//! ```
//!
//! The answer repeats the version and the check values. The whole set changes in one step or not at all.

use channel::scp03::key_check_value;
use channel::secret::Secret;
use iso7816::{Response, Status};
use lds::globalplatform::production::KEY_TYPE_AES;
use openssl::symm::{Cipher, Crypter, Mode};

use super::state::{MAX_KEY_SETS, Memory, StoredKeySet};

/// AES block, to which an enciphered key is filled up.
const BLOCK: usize = 16;
/// Bytes of a key check value.
const CHECK_LENGTH: usize = 3;

/// Puts the keys in place of version `replace`, or adds them when that is 0. `dek` is the session's Key-DEK.
pub(super) fn put(replace: u8, data: &[u8], dek: &Secret, memory: &mut Memory) -> Result<Response, Status> {
    let (version, mut rest) = data.split_first().ok_or(Status::WRONG_DATA)?;
    if !(0x01..=0x7F).contains(version) {
        return Err(Status::WRONG_DATA);
    }
    let (enc, mac, data_key) = (key(&mut rest, dek)?, key(&mut rest, dek)?, key(&mut rest, dek)?);
    let lengths = [&enc, &mac, &data_key].map(|key| key.value.expose().len());
    if !rest.is_empty() || lengths.iter().any(|length| *length != lengths[0]) {
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
fn key(rest: &mut &[u8], dek: &Secret) -> Result<NewKey, Status> {
    let [KEY_TYPE_AES, field, length, after @ ..] = *rest else {
        return Err(Status::WRONG_DATA);
    };
    let length = usize::from(*length);
    let enciphered = usize::from(*field).checked_sub(1).ok_or(Status::WRONG_DATA)?;
    let fits = matches!(length, 16 | 24 | 32) && enciphered >= length && enciphered % BLOCK == 0;
    let (cryptogram, after) = after.split_at_checked(enciphered).filter(|_| fits).ok_or(Status::WRONG_DATA)?;
    let [3, a, b, c, after @ ..] = after else {
        return Err(Status::WRONG_DATA);
    };
    let plain = decipher(dek, cryptogram).ok_or(Status::UNKNOWN_ERROR)?;
    let value = plain.expose().get(..length).map(Secret::from).ok_or(Status::WRONG_DATA)?;
    let check = key_check_value(&value).map_err(|_| Status::UNKNOWN_ERROR)?;
    // A key that arrived damaged must not replace a good one.
    if check != [*a, *b, *c] {
        return Err(Status::WRONG_DATA);
    }
    *rest = after;
    Ok(NewKey { value, check })
}

/// AES-CBC with a zero vector, no padding taken off: the length field says where the key ends.
fn decipher(dek: &Secret, cryptogram: &[u8]) -> Option<Secret> {
    let cipher = match dek.expose().len() {
        16 => Cipher::aes_128_cbc(),
        24 => Cipher::aes_192_cbc(),
        _ => Cipher::aes_256_cbc(),
    };
    let mut crypter = Crypter::new(cipher, Mode::Decrypt, dek.expose(), Some(&[0; BLOCK])).ok()?;
    crypter.pad(false);
    let mut plain = vec![0; cryptogram.len() + BLOCK];
    let count = crypter.update(cryptogram, &mut plain).ok()?;
    plain.truncate(count);
    Some(Secret::new(plain))
}
