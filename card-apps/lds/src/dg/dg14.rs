//! DG14: security options, above all the key of Chip Authentication (9303-10 §4.7.14).
//!
//! ```text
//! 6E { SecurityInfos }
//! ```

use iso7816::tlv::{Tag, encode};

use super::{ReadError, content};
use crate::files::group_tag;
use crate::security_infos::SecurityInfos;

const DG14: Tag = group_tag(14);

/// The content of DG14.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dg14 {
    /// What the chip can do, and its public keys.
    pub infos: SecurityInfos,
}

impl Dg14 {
    /// DG14 with these.
    pub fn new(infos: SecurityInfos) -> Self {
        Dg14 { infos }
    }

    /// The whole file; of a file that was read, the SecurityInfos byte for byte.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(DG14, self.infos.as_bytes())
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// When it does not hold SecurityInfos.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        Ok(Dg14 { infos: SecurityInfos::parse(content(bytes, DG14)?)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_vectors::shared;

    use super::*;
    use crate::security_infos::{ID_CA_ECDH_AES_128, SecurityInfo};

    #[test]
    fn bytes_and_meaning() {
        let infos = SecurityInfos::new(vec![SecurityInfo::chip_authentication(ID_CA_ECDH_AES_128, None)]);
        let bytes = Dg14::new(infos.clone()).to_bytes();
        assert_eq!(hex::encode(&bytes), "6e133111300f060a04007f00070202030202020101");
        assert_eq!(Dg14::parse(&bytes).unwrap().infos, infos);
    }

    #[test]
    fn the_specimen_keeps_its_bytes() {
        let Some(file) = shared("data/lds-specimen/EF_DG14.bin") else { return };
        let bytes = std::fs::read(file).unwrap();
        let dg14 = Dg14::parse(&bytes).unwrap();
        assert_eq!(dg14.infos.infos().len(), 3);
        assert_eq!(dg14.to_bytes(), bytes);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Dg14::parse(&bytes);
            let _ = Dg14::parse(&encode(DG14, &bytes));
        }
    }
}
