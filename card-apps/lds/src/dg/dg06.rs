//! DG6: reserved for future use (9303-10 §4.7.6). Whatever it holds is kept and not interpreted.

use iso7816::tlv::{Tag, encode};

use super::{ReadError, content};
use crate::files::group_tag;

const DG6: Tag = group_tag(6);

/// The content of DG6.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dg6 {
    /// The bytes under tag `66`.
    pub content: Vec<u8>,
}

impl Dg6 {
    /// The whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(DG6, &self.content)
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// When it is not one data object `66`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        Ok(Dg6 { content: content(bytes, DG6)?.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_and_meaning() {
        let dg6 = Dg6 { content: vec![0xAB, 0xCD] };
        assert_eq!(dg6.to_bytes(), [0x66, 0x02, 0xAB, 0xCD]);
        assert_eq!(Dg6::parse(&dg6.to_bytes()).unwrap(), dg6);
        assert!(Dg6::parse(&[0x66, 0x02, 0xAB]).is_err());
    }

    proptest! {
        #[test]
        fn every_content_comes_back(content in prop::collection::vec(any::<u8>(), 0..300)) {
            let dg6 = Dg6 { content };
            prop_assert_eq!(Dg6::parse(&dg6.to_bytes()).unwrap(), dg6);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            let _ = Dg6::parse(&bytes);
        }
    }
}
