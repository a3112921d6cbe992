//! DG1: the machine readable zone (9303-10 §4.7.1).
//!
//! ```text
//! 61 { 5F1F MRZ without line breaks: 90, 72 or 88 characters }
//! ```

use iso7816::tlv::{Reader, Tag, Writer};

use super::{ReadError, content};
use crate::files::group_tag;
use crate::mrz::Mrz;

const DG1: Tag = group_tag(1);
const MRZ: Tag = Tag(0x5F1F);

/// The content of DG1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dg1 {
    /// The machine readable zone.
    pub mrz: Mrz,
}

impl Dg1 {
    /// DG1 with this machine readable zone.
    pub fn new(mrz: Mrz) -> Self {
        Dg1 { mrz }
    }

    /// The whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(DG1, |w| {
            w.put(MRZ, self.mrz.as_str());
        });
        writer.finish()
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// When it does not hold one machine readable zone.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(content(bytes, DG1)?);
        let text = std::str::from_utf8(reader.expect(MRZ)?).map_err(|_| ReadError::Field { field: "MRZ" })?;
        let mrz = Mrz::parse(text)?;
        reader.end()?;
        Ok(Dg1 { mrz })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_vectors::shared;

    use super::*;
    use crate::mrz::Format;

    #[test]
    fn bytes_and_meaning() {
        let text = "IDIRQZZ00000170199900000011<<<9901018F3501014IRQ<<<<<<<<<<<6ALTJRYBY<<ZYNB<<<<<<<<<<<<<<<<";
        let dg1 = Dg1::new(Mrz::parse(text).unwrap());
        let bytes = dg1.to_bytes();
        assert_eq!(bytes, [&[0x61, 0x5D, 0x5F, 0x1F, 0x5A], text.as_bytes()].concat());
        assert_eq!(Dg1::parse(&bytes).unwrap(), dg1);
    }

    #[test]
    fn the_specimen_passport() {
        let Some(file) = shared("data/lds-specimen/EF_DG1.bin") else { return };
        let bytes = std::fs::read(file).unwrap();
        let dg1 = Dg1::parse(&bytes).unwrap();
        assert_eq!(dg1.mrz.format(), Format::Td3);
        assert_eq!(dg1.mrz.identifiers(), ("MUSTERMANN", "ERIKA"));
        assert_eq!(dg1.mrz.document_number(), "C11T002JM");
        assert_eq!(dg1.mrz.wrong_check_digits(), []);
        assert_eq!(dg1.to_bytes(), bytes);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = Dg1::parse(&bytes);
            let _ = Dg1::parse(&iso7816::tlv::encode(DG1, iso7816::tlv::encode(MRZ, &bytes)));
        }
    }
}
