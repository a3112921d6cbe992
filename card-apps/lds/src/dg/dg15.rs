//! DG15: the public key of Active Authentication (9303-10 §4.7.15, 9303-11 §6.1).
//!
//! ```text
//! 6F { SubjectPublicKeyInfo }
//! ```

use iso7816::tlv::{Reader, Tag, encode};

use super::{ReadError, content};
use crate::files::group_tag;
use crate::security_infos::{PublicKeyInfo, SecurityInfosError};

const DG15: Tag = group_tag(15);

/// The content of DG15.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dg15 {
    /// The key: RSA, or a point of an elliptic curve.
    pub key: PublicKeyInfo,
}

impl Dg15 {
    /// DG15 with this key.
    pub fn new(key: PublicKeyInfo) -> Self {
        Dg15 { key }
    }

    /// The whole file; of a file that was read, the key byte for byte.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(DG15, &self.key.raw)
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// When it does not hold one SubjectPublicKeyInfo.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(content(bytes, DG15)?);
        let key = PublicKeyInfo::parse(&mut reader)?;
        reader.end().map_err(SecurityInfosError::from)?;
        Ok(Dg15 { key })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_vectors::shared;

    use super::*;

    #[test]
    fn bytes_and_meaning() {
        let rsa = Dg15::new(PublicKeyInfo::rsa(&[0x30, 0x06, 0x02, 0x01, 0x23, 0x02, 0x01, 0x03]));
        let bytes = rsa.to_bytes();
        assert_eq!(hex::encode(&bytes), "6f1c301a300d06092a864886f70d01010105000309003006020123020103");
        let read = Dg15::parse(&bytes).unwrap();
        assert!(read == rsa && read.key.is_rsa() && read.key.parameter_id.is_none());

        let point = [&[0x04][..], &[0x33; 64]].concat();
        let ec = Dg15::new(PublicKeyInfo::explicit(12, &point).unwrap());
        let read = Dg15::parse(&ec.to_bytes()).unwrap();
        assert!(read == ec && !read.key.is_rsa());
        assert_eq!((read.key.parameter_id, read.key.point), (Some(12), point));

        let two = encode(DG15, [&ec.key.raw[..], &ec.key.raw].concat());
        assert!(Dg15::parse(&two).is_err());
    }

    #[test]
    fn the_specimen_keeps_its_bytes() {
        let Some(file) = shared("data/lds-specimen/EF_DG15.bin") else { return };
        let bytes = std::fs::read(file).unwrap();
        assert_eq!(Dg15::parse(&bytes).unwrap().to_bytes(), bytes);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Dg15::parse(&bytes);
            let _ = Dg15::parse(&encode(DG15, &bytes));
        }
    }
}
