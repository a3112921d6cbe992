//! DG4: encoded irises (9303-10 §4.7.4), read from records of ISO/IEC 19794-6:2005 or of ISO/IEC 39794-6. Never written:
//! nothing here takes irises.
//!
//! ```text
//! 76 { 7F61 { 02 number   7F60 { A1 { 81 10   82 which eye   87 0101   88 0009 } 5F2E record of ISO/IEC 19794-6 } ..
//!                         7F60 { A1 { .. 88 002C } 7F2E { A1 { 66 { .. } } } } .. }   53 random bytes }
//!
//! record  45: "IIR" 00, "010" 00, length 4, capture device 2, number of eyes 1, header length 2, properties 2,
//!             diameter 2, image format 2, width 2, height 2, depth 1, transformation 1, device 16
//! eye      3: which eye 1, number of images 2
//! image   11: image number 2, quality 1, rotation 2, uncertainty 2, length 4
//!
//! RepresentationBlock of ISO/IEC 39794-6 ::= SEQUENCE { eyeLabelCode [0] ENUMERATED, irisImageKind [1], bitDepth [2],
//!     imageDataFormat [3] code, .., range [7], captureDateTimeBlock [8], irisImageData [9] OCTET STRING, ... }
//! ```
//!
//! Of ISO/IEC 39794-6 public implementations do not agree whether `range` is there; without it the fields after it
//! would move up by one. The image is taken where it is: the only primitive one of the fields 8 and 9.

use std::fmt;

use iso7816::tlv::{Tag, TlvError, find};

use super::biometric::{self, Encoding, Fields, Record};
use super::iso39794::{self, IRIS, code, constructed, field, integer, primitive};
use super::{Defect, ReadError};
use crate::files::group_tag;

const DG4: Tag = group_tag(4);
const MAGIC: &[u8; 4] = b"IIR\x00";
const VERSION: &[u8; 4] = b"010\x00";
const WHAT: &str = "iris image record";
/// The most images read from one file.
const MOST_IMAGES: usize = 32;

/// Which eye.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Eye {
    /// Not said.
    Unknown,
    /// The right one.
    Right,
    /// The left one.
    Left,
}

impl Eye {
    fn of(code: u32) -> Self {
        match code {
            1 => Self::Right,
            2 => Self::Left,
            _ => Self::Unknown,
        }
    }
}

/// How the picture of an iris is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum IrisFormat {
    /// Grey or colour values one after another, or a PGM or PPM file.
    Raw,
    /// JPEG.
    Jpeg,
    /// JPEG-LS.
    JpegLs,
    /// JPEG 2000.
    Jpeg2000,
    /// PNG.
    Png,
    /// A code that this crate does not know.
    Other(u32),
}

/// One iris image.
#[derive(Clone, PartialEq, Eq)]
pub struct Iris {
    /// Which eye.
    pub eye: Eye,
    /// The compression.
    pub format: IrisFormat,
    /// Width and height in pixels; `None` where only the picture knows.
    pub size: Option<(u16, u16)>,
    /// The encoded picture, byte for byte.
    pub image: Vec<u8>,
    /// The series of the record.
    pub encoding: Encoding,
}

/// Never shows the picture.
impl fmt::Debug for Iris {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Iris({:?}, {:?}, {} bytes)", self.eye, self.format, self.image.len())
    }
}

/// The content of DG4.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dg4 {
    /// The images; none where the holder's irises were not taken.
    pub irises: Vec<Iris>,
    /// Random bytes beside the templates.
    pub random: Option<Vec<u8>>,
}

impl Dg4 {
    /// Reads the whole file.
    ///
    /// # Errors
    /// When it does not hold iris image records of ISO/IEC 19794-6:2005 or ISO/IEC 39794-6.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        Self::parse_noting(bytes, &mut Vec::new())
    }

    /// The same, with a note for each deviation from the standard.
    ///
    /// # Errors
    /// When it does not hold iris image records of ISO/IEC 19794-6:2005 or ISO/IEC 39794-6.
    pub fn parse_noting(bytes: &[u8], defects: &mut Vec<Defect>) -> Result<Self, ReadError> {
        let templates = biometric::read(bytes, DG4, MAGIC, IRIS, defects)?;
        let mut irises = Vec::new();
        for record in templates.records {
            match record {
                Record::Binary(record) => read_binary(record, &mut irises, defects)?,
                Record::Asn1(record) => read_asn1(record, &mut irises)?,
            }
        }
        Ok(Dg4 { irises, random: templates.discretionary.map(<[u8]>::to_vec) })
    }
}

fn read_binary(record: &[u8], irises: &mut Vec<Iris>, defects: &mut Vec<Defect>) -> Result<(), ReadError> {
    let mut fields = Fields::new(record, WHAT);
    if fields.bytes(8)? != [*MAGIC, *VERSION].concat() {
        return Err(ReadError::NotSupported { what: "an iris image record of ISO/IEC 19794-6 other than of 2005" });
    }
    if fields.number(4)? != record.len() as u64 {
        defects.push(Defect::RecordLength);
    }
    fields.bytes(2)?;
    let eyes = fields.byte()?;
    fields.bytes(2 + 2 + 2)?;
    let format = match fields.short()? {
        2 | 4 => IrisFormat::Raw,
        6 | 8 => IrisFormat::Jpeg,
        10 | 12 => IrisFormat::JpegLs,
        14 | 16 => IrisFormat::Jpeg2000,
        other => IrisFormat::Other(other.into()),
    };
    let size = Some((fields.short()?, fields.short()?));
    fields.bytes(1 + 1 + 16)?;
    for _ in 0..eyes {
        let eye = Eye::of(fields.byte()?.into());
        let images = fields.short()?;
        for _ in 0..images {
            if irises.len() >= MOST_IMAGES {
                return Err(ReadError::TooMany { field: WHAT });
            }
            fields.bytes(2 + 1 + 2 + 2)?;
            let length = fields.number(4)?;
            let image = fields.block(length, 0, false, defects)?.to_vec();
            irises.push(Iris { eye, format, size, image, encoding: Encoding::Iso19794 });
        }
    }
    if !fields.rest().is_empty() {
        defects.push(Defect::RecordLength);
    }
    Ok(())
}

fn read_asn1(record: &[u8], irises: &mut Vec<Iris>) -> Result<(), ReadError> {
    for block in iso39794::representations(record)? {
        if irises.len() >= MOST_IMAGES {
            return Err(ReadError::TooMany { field: WHAT });
        }
        let format = match code(block, constructed(3))?.ok_or(TlvError::Missing { tag: constructed(3) })? {
            0 | 1 => IrisFormat::Raw,
            2 => IrisFormat::Png,
            3 | 4 => IrisFormat::Jpeg2000,
            other => IrisFormat::Other(other),
        };
        let image = match find(block, primitive(9))? {
            Some(image) => image,
            None => field(block, primitive(8))?,
        };
        let eye = Eye::of(integer(field(block, primitive(0))?)?);
        irises.push(Iris { eye, format, size: None, image: image.to_vec(), encoding: Encoding::Iso39794 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use iso7816::tlv::encode;
    use proptest::prelude::*;

    use super::*;

    /// DG4 with one template that holds this data object.
    fn file(data: Vec<u8>) -> Vec<u8> {
        let header = hex::decode("a10e81011082010087020101880200 09".replace(' ', "")).unwrap();
        let template = encode(Tag(0x7F60), [header, data].concat());
        encode(DG4, encode(Tag(0x7F61), [&[0x02, 0x01, 0x01][..], &template].concat()))
    }

    /// Two eyes, the left one in two images.
    fn record() -> Vec<u8> {
        let header =
            "494952003031300000000061 0000 02 002d 0000 0000 000e 0280 01e0 08 00 00000000000000000000000000000000";
        let right = "01 0001 0001 64 ffff ffff 00000003 aaaaaa";
        let left = "02 0002 0001 fe ffff ffff 00000001 bb 0002 fe ffff ffff 00000009 cccccccccccccccccc";
        hex::decode([header, right, left].concat().replace(' ', "")).unwrap()
    }

    #[test]
    fn bytes_and_meaning() {
        assert_eq!(record().len(), 0x61);
        let mut defects = Vec::new();
        let dg4 = Dg4::parse_noting(&file(encode(Tag(0x5F2E), record())), &mut defects).unwrap();
        let seen: Vec<_> = dg4.irises.iter().map(|iris| (iris.eye, iris.image.len())).collect();
        assert_eq!(seen, [(Eye::Right, 3), (Eye::Left, 1), (Eye::Left, 9)]);
        assert_eq!((dg4.irises[0].format, dg4.irises[0].size), (IrisFormat::Jpeg2000, Some((640, 480))));
        assert_eq!(defects, []);
        let empty = hex::decode("76097f61030201005301ff").unwrap();
        assert_eq!(Dg4::parse(&empty).unwrap(), Dg4 { irises: Vec::new(), random: Some(vec![0xFF]) });
    }

    #[test]
    fn records_in_asn1_with_and_without_range() {
        let common = "800102a103800107820108a303800104840101850101860101";
        let fields = ["a70380010aa804800207e489035a5a5a", "a704800207e488035a5a5a"];
        for fields in fields {
            let block = encode(Tag(0x30), hex::decode(format!("{common}{fields}")).unwrap());
            let record = [hex::decode("a007800103810207e5").unwrap(), encode(Tag(0xA1), block)].concat();
            let dg4 = Dg4::parse(&file(encode(Tag(0x7F2E), encode(Tag(0xA1), encode(IRIS, record))))).unwrap();
            let iris = &dg4.irises[0];
            assert_eq!((iris.eye, iris.format), (Eye::Left, IrisFormat::Jpeg2000));
            assert_eq!((&iris.image[..], iris.encoding), (&[0x5A, 0x5A, 0x5A][..], Encoding::Iso39794));
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Dg4::parse(&bytes);
            let record = [&b"IIR\x00010\x00"[..], &bytes].concat();
            let _ = read_binary(&record, &mut Vec::new(), &mut Vec::new());
            let _ = read_asn1(&bytes, &mut Vec::new());
        }

        #[test]
        fn an_altered_byte_never_panics(at in 0usize..97, value: u8) {
            let mut record = record();
            record[at] = value;
            let _ = Dg4::parse(&file(encode(Tag(0x5F2E), record)));
        }
    }
}
