//! PUT KEY and DELETE \[key\]: whole sets of three AES keys (GPCS §11.8, §11.2; GPCS D §7.2).
//!
//! ```text
//! PUT KEY  80 D8 <version to be replaced, or 00> 81
//!   new version
//!   three times: 88 (AES) | length of the next two | key length | key under Key-DEK | 03 | key check value
//!   -> new version | three key check values
//! DELETE   80 E4 00 00   D2 01 <version>
//! ```

use iso7816::Command;
use iso7816::tlv::{self, Tag};

use super::production::KEY_TYPE_AES;
use super::{FormatError, INS_DELETE, INS_PUT_KEY};

/// Bytes of a key check value.
pub const CHECK_LENGTH: usize = 3;
/// The same as a length field.
const CHECK_FIELD: u8 = 3;
/// P2 of PUT KEY: the first key identifier is 1, several keys follow.
pub const KEY_IDENTIFIERS: u8 = 0x81;

/// DELETE \[key\]: key identifier.
pub const TAG_KEY_IDENTIFIER: Tag = Tag(0xD0);
/// DELETE \[key\]: key version number.
pub const TAG_KEY_VERSION: Tag = Tag(0xD2);

/// One key on its way, under the data encryption key of the session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EncipheredKey {
    /// Bytes of the key: 16, 24 or 32.
    pub length: u8,
    /// The key under Key-DEK, whole blocks.
    pub cryptogram: Vec<u8>,
    /// Its check value.
    pub check: [u8; CHECK_LENGTH],
}

/// What PUT KEY carries: Key-ENC, Key-MAC, Key-DEK of one version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewKeySet {
    /// The new version.
    pub version: u8,
    /// The keys with identifiers 1, 2, 3.
    pub keys: [EncipheredKey; 3],
}

impl NewKeySet {
    /// The data field.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut data = vec![self.version];
        for key in &self.keys {
            // A cryptogram of two blocks at most.
            data.extend([KEY_TYPE_AES, key.cryptogram.len() as u8 + 1, key.length]);
            data.extend(&key.cryptogram);
            data.push(CHECK_FIELD);
            data.extend(key.check);
        }
        data
    }

    /// Reads a data field.
    ///
    /// # Errors
    /// When it does not hold exactly a version and three AES keys with check values.
    pub fn parse(data: &[u8]) -> Result<Self, FormatError> {
        let wrong = FormatError::Length { field: "data of PUT KEY", length: data.len() };
        (|| {
            let (version, mut rest) = data.split_first()?;
            let keys = [key(&mut rest)?, key(&mut rest)?, key(&mut rest)?];
            rest.is_empty().then_some(NewKeySet { version: *version, keys })
        })()
        .ok_or(wrong)
    }

    /// What a card answers that has taken the keys: the version and the check values.
    pub fn confirmation(&self) -> Vec<u8> {
        let checks = self.keys.iter().flat_map(|key| key.check);
        std::iter::once(self.version).chain(checks).collect()
    }

    /// PUT KEY in place of version `replace`, or beside the others when that is 0.
    pub fn command(&self, replace: u8) -> Command {
        Command::new(0x80, INS_PUT_KEY, replace, KEY_IDENTIFIERS).with_data(self.to_bytes()).with_ne(256)
    }
}

/// Takes one key off the front.
fn key(rest: &mut &[u8]) -> Option<EncipheredKey> {
    let [KEY_TYPE_AES, field, length, after @ ..] = *rest else {
        return None;
    };
    let (cryptogram, after) = after.split_at_checked(usize::from(*field).checked_sub(1)?)?;
    let [CHECK_FIELD, a, b, c, after @ ..] = after else {
        return None;
    };
    *rest = after;
    Some(EncipheredKey { length: *length, cryptogram: cryptogram.to_vec(), check: [*a, *b, *c] })
}

/// DELETE of all keys of one version.
pub fn delete_key_set(version: u8) -> Command {
    Command::new(0x80, INS_DELETE, 0x00, 0x00).with_data(tlv::encode(TAG_KEY_VERSION, [version])).with_ne(256)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set() -> NewKeySet {
        let key = |byte| EncipheredKey { length: 16, cryptogram: vec![byte; 16], check: [byte, 2, 3] };
        NewKeySet { version: 0x31, keys: [key(0xA1), key(0xA2), key(0xA3)] }
    }

    #[test]
    fn bytes_and_meaning() {
        let bytes = set().to_bytes();
        assert!(hex::encode(&bytes).starts_with("31881110a1a1"), "{}", hex::encode(&bytes));
        assert_eq!(bytes.len(), 1 + 3 * (3 + 16 + 4));
        assert_eq!(NewKeySet::parse(&bytes).unwrap(), set());
        for end in 0..bytes.len() {
            assert!(NewKeySet::parse(&bytes[..end]).is_err());
        }
        assert_eq!(hex::encode(set().confirmation()), "31a10203a20203a30203");
        assert_eq!(hex::encode(&set().command(0x30).to_bytes()[..5]), "80d8308146");
        assert_eq!(hex::encode(delete_key_set(0x30).to_bytes()), "80e4000003d2013000");
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..150)) {
            if let Ok(set) = NewKeySet::parse(&bytes) {
                prop_assert_eq!(set.to_bytes(), bytes);
            }
        }
    }
}
