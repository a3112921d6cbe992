//! DG5: the displayed portrait (9303-10 §4.7.5).
//!
//! ```text
//! 65 { 02 number   5F40 portrait, JPEG or JPEG 2000 .. }
//! ```

use iso7816::tlv::Tag;

pub use super::displayed::DisplayedImage;
use super::{Defect, ReadError, displayed};
use crate::files::group_tag;

const DG5: Tag = group_tag(5);
const IMAGE: Tag = Tag(0x5F40);

/// The content of DG5.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dg5 {
    /// The pictures, usually one.
    pub portraits: Vec<DisplayedImage>,
}

impl Dg5 {
    /// DG5 with one picture.
    pub fn new(image: DisplayedImage) -> Self {
        Dg5 { portraits: vec![image] }
    }

    /// The whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        displayed::write(DG5, IMAGE, &self.portraits)
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
        Ok(Dg5 { portraits: displayed::read(bytes, DG5, IMAGE, defects)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::picture::PictureError;
    use super::super::picture::tests::{jp2_of, jpeg_of};
    use super::*;

    #[test]
    fn bytes_and_meaning() {
        let image = jpeg_of(413, 531);
        let dg5 = Dg5::new(DisplayedImage::new(image.clone()).unwrap());
        let bytes = dg5.to_bytes();
        assert_eq!(hex::encode(&bytes), format!("652f0201015f4029{}", hex::encode(&image)));
        let mut defects = Vec::new();
        assert_eq!(Dg5::parse_noting(&bytes, &mut defects).unwrap(), dg5);
        assert_eq!(defects, []);
        assert_eq!(dg5.portraits[0].picture().unwrap().width, 413);
        assert_eq!(DisplayedImage::new(b"GIF89a".to_vec()), Err(PictureError::UnknownFormat));
    }

    #[test]
    fn what_cards_may_do_otherwise_is_noted() {
        let mut defects = Vec::new();
        let read = Dg5::parse_noting(&hex::decode("650b0201025f4001aa5f430155").unwrap(), &mut defects).unwrap();
        assert_eq!(read.portraits[0].image(), [0xAA]);
        let expected = [Defect::UnknownObject { tag: Tag(0x5F43) }, Defect::WrongCount { announced: 2, found: 1 }];
        assert_eq!(defects, expected);
        assert!(Dg5::parse(&hex::decode("6503020100").unwrap()).is_err());
        let junk = [hex::decode("0201015f4001aa").unwrap(), [0xC1, 0].repeat(1_000)].concat();
        defects.clear();
        Dg5::parse_noting(&iso7816::tlv::encode(Tag(0x65), junk), &mut defects).unwrap();
        assert_eq!(defects, vec![Defect::UnknownObject { tag: Tag(0xC1) }; 64]);
        let many = Dg5 { portraits: vec![read.portraits[0].clone(); 17] };
        assert_eq!(Dg5::parse(&many.to_bytes()), Err(ReadError::TooMany { field: "pictures" }));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Dg5::parse(&bytes);
            let _ = Dg5::parse(&iso7816::tlv::encode(DG5, &bytes));
        }

        #[test]
        fn written_files_read_back(count in 1usize..5, width in 1u16.., tail in prop::collection::vec(any::<u8>(), 0..300)) {
            let image = DisplayedImage::new([jp2_of(width.into(), 9), tail].concat()).unwrap();
            let dg5 = Dg5 { portraits: vec![image; count] };
            prop_assert_eq!(Dg5::parse(&dg5.to_bytes()).unwrap(), dg5);
        }
    }
}
