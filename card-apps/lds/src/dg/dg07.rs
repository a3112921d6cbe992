//! DG7: the displayed signature or usual mark (9303-10 §4.7.7).
//!
//! ```text
//! 67 { 02 number   5F43 signature or mark, JPEG or JPEG 2000 .. }
//! ```

use iso7816::tlv::Tag;

pub use super::displayed::DisplayedImage;
use super::{Defect, ReadError, displayed};
use crate::files::group_tag;

const DG7: Tag = group_tag(7);
const IMAGE: Tag = Tag(0x5F43);

/// The content of DG7.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dg7 {
    /// The pictures, usually one.
    pub signatures: Vec<DisplayedImage>,
}

impl Dg7 {
    /// DG7 with one picture.
    pub fn new(image: DisplayedImage) -> Self {
        Dg7 { signatures: vec![image] }
    }

    /// The whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        displayed::write(DG7, IMAGE, &self.signatures)
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// When it holds no picture.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        Self::parse_noting(bytes, &mut Vec::new())
    }

    /// The same, with a note for each deviation from the standard.
    ///
    /// # Errors
    /// When it holds no picture.
    pub fn parse_noting(bytes: &[u8], defects: &mut Vec<Defect>) -> Result<Self, ReadError> {
        Ok(Dg7 { signatures: displayed::read(bytes, DG7, IMAGE, defects)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_vectors::shared;

    use super::super::picture::tests::jpeg_of;
    use super::*;

    #[test]
    fn bytes_and_meaning() {
        let image = jpeg_of(300, 100);
        let dg7 = Dg7::new(DisplayedImage::new(image.clone()).unwrap());
        let bytes = dg7.to_bytes();
        assert_eq!(hex::encode(&bytes), format!("672f0201015f4329{}", hex::encode(&image)));
        let mut defects = Vec::new();
        assert_eq!(Dg7::parse_noting(&bytes, &mut defects).unwrap(), dg7);
        assert_eq!(defects, []);
    }

    #[test]
    fn the_specimen() {
        let Some(file) = shared("data/lds-specimen/EF_DG7.bin") else { return };
        let bytes = std::fs::read(file).unwrap();
        let mut defects = Vec::new();
        let dg7 = Dg7::parse_noting(&bytes, &mut defects).unwrap();
        let picture = dg7.signatures[0].picture().unwrap();
        assert_eq!((dg7.signatures.len(), picture.width, picture.height), (1, 550, 142));
        assert_eq!(defects, []);
        assert_eq!(dg7.to_bytes(), bytes);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Dg7::parse(&iso7816::tlv::encode(DG7, &bytes));
        }
    }
}
