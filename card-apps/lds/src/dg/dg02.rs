//! DG2: the encoded face (9303-10 §4.7.2; ISO/IEC 7816-11, ISO/IEC 19794-5:2005).
//!
//! ```text
//! 75 { 7F61 { 02 number of templates
//!             7F60 { A1 { 81 type   82 subtype   87 format owner 0101   88 format type 0008 }
//!                    5F2E facial record } .. } }
//!
//! facial record: "FAC" 00, "010" 00, length 4, number of faces 2, then for each face
//!     face information   20: length 4, feature points 2, gender 1, eyes 1, hair 1, properties 3, expression 2,
//!                            pose 3, uncertainty 3
//!     feature points     8 each
//!     image information  12: type 1, format 1, width 2, height 2, colour space 1, source 1, device 2, quality 2
//!     the picture
//! ```
//!
//! Feature points are skipped on reading and never written. Records of ISO/IEC 39794-5 are recognised as not supported.

use iso7816::tlv::{Reader, Tag, Writer};

pub use super::picture::ImageFormat;
use super::picture::{Picture, PictureError, inspect};
use super::{Defect, ReadError, content};
use crate::files::group_tag;

const DG2: Tag = group_tag(2);
const GROUP: Tag = Tag(0x7F61);
const COUNT: Tag = Tag(0x02);
const TEMPLATE: Tag = Tag(0x7F60);
const HEADER: Tag = Tag(0xA1);
const DATA: Tag = Tag(0x5F2E);
const DATA_CONSTRUCTED: Tag = Tag(0x7F2E);

const MAGIC: &[u8; 8] = b"FAC\x00010\x00";
const RECORD_HEADER: usize = 14;
const FACE_INFORMATION: usize = 20;
const FEATURE_POINT: usize = 8;
const IMAGE_INFORMATION: usize = 12;
/// The most faces read from one file.
const MOST_FACES: usize = 16;

/// The content of DG2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dg2 {
    /// The faces, usually one.
    pub faces: Vec<Face>,
}

/// One face image.
#[derive(Clone, PartialEq, Eq)]
pub struct Face {
    image: Vec<u8>,
    format: ImageFormat,
    width: u16,
    height: u16,
    image_type: u8,
    colour_space: u8,
}

impl std::fmt::Debug for Face {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Face({:?}, {}x{}, {} bytes)", self.format, self.width, self.height, self.image.len())
    }
}

impl Face {
    /// A full frontal portrait from an encoded picture, whose headers give format and size.
    ///
    /// # Errors
    /// When it is neither JPEG nor JPEG 2000, or larger than 65,535 pixels a side.
    pub fn new(image: impl Into<Vec<u8>>) -> Result<Self, PictureError> {
        let image = image.into();
        let Picture { format, width, height, components } = inspect(&image)?;
        let side = |pixels| u16::try_from(pixels).map_err(|_| PictureError::Size { width, height });
        let (width, height) = (side(width)?, side(height)?);
        let colour_space = match components {
            1 => 0x03,
            3 => 0x01,
            _ => 0x00,
        };
        Ok(Face { image, format, width, height, image_type: 0x01, colour_space })
    }

    /// The encoded picture, byte for byte.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// The compression: what the picture itself says, else the record header.
    pub fn format(&self) -> ImageFormat {
        self.format
    }

    /// Width in pixels as the record header gives it.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Height in pixels as the record header gives it.
    pub fn height(&self) -> u16 {
        self.height
    }

    /// Face image type: 0 basic, 1 full frontal, 2 token frontal.
    pub fn image_type(&self) -> u8 {
        self.image_type
    }

    /// What the picture says of itself.
    ///
    /// # Errors
    /// When it is of no known format.
    pub fn picture(&self) -> Result<Picture, PictureError> {
        inspect(&self.image)
    }

    fn record(&self) -> Vec<u8> {
        let block = (FACE_INFORMATION + IMAGE_INFORMATION + self.image.len()) as u32;
        let mut record = MAGIC.to_vec();
        record.extend((block + RECORD_HEADER as u32).to_be_bytes());
        record.extend(1u16.to_be_bytes());
        record.extend(block.to_be_bytes());
        // No feature points, and nothing said of gender, colours, properties, expression and pose.
        record.extend([0; FACE_INFORMATION - 4]);
        let format = match self.format {
            ImageFormat::Jpeg => 0x00,
            ImageFormat::Jpeg2000 => 0x01,
        };
        record.extend([self.image_type, format]);
        record.extend(self.width.to_be_bytes());
        record.extend(self.height.to_be_bytes());
        record.extend([self.colour_space, 0, 0, 0, 0, 0]);
        record.extend_from_slice(&self.image);
        record
    }

    fn parse_block(block: &[u8], defects: &mut Vec<Defect>) -> Result<Self, ReadError> {
        let malformed = ReadError::Field { field: "facial record" };
        let points = block.get(4..6).and_then(|points| points.try_into().ok()).map(u16::from_be_bytes);
        let points = usize::from(points.ok_or(malformed.clone())?);
        let rest = block.get(FACE_INFORMATION + points * FEATURE_POINT..).ok_or(malformed.clone())?;
        let (information, image) = rest.split_first_chunk::<IMAGE_INFORMATION>().ok_or(malformed)?;
        let [image_type, format, w1, w0, h1, h0, colour_space, ..] = *information;
        let said = match format {
            0x00 => Some(ImageFormat::Jpeg),
            0x01 => Some(ImageFormat::Jpeg2000),
            _ => None,
        };
        let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
        let picture = inspect(image).ok();
        if let Some(picture) = picture {
            if said != Some(picture.format) {
                defects.push(Defect::PictureFormat);
            }
            if (picture.width, picture.height) != (u32::from(width), u32::from(height)) {
                defects.push(Defect::PictureSize { header: (width, height), picture: (picture.width, picture.height) });
            }
        }
        let unknown = ReadError::NotSupported { what: "the image format" };
        let format = picture.map(|picture| picture.format).or(said).ok_or(unknown)?;
        Ok(Face { image: image.to_vec(), format, width, height, image_type, colour_space })
    }
}

impl Dg2 {
    /// DG2 with one face.
    pub fn new(face: Face) -> Self {
        Dg2 { faces: vec![face] }
    }

    /// The whole file: one template for each face.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(DG2, |w| {
            w.nest(GROUP, |w| {
                w.put(COUNT, [u8::try_from(self.faces.len()).unwrap_or(u8::MAX)]);
                for face in &self.faces {
                    w.nest(TEMPLATE, |w| {
                        w.nest(HEADER, |w| {
                            w.put(Tag(0x81), [0x02]).put(Tag(0x82), [0x00]);
                            w.put(Tag(0x87), [0x01, 0x01]).put(Tag(0x88), [0x00, 0x08]);
                        });
                        w.put(DATA, face.record());
                    });
                }
            });
        });
        writer.finish()
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// When it does not hold facial records of ISO/IEC 19794-5.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        Self::parse_noting(bytes, &mut Vec::new())
    }

    /// The same, with a note for each deviation from the standard.
    ///
    /// # Errors
    /// When it does not hold facial records of ISO/IEC 19794-5.
    pub fn parse_noting(bytes: &[u8], defects: &mut Vec<Defect>) -> Result<Self, ReadError> {
        let mut outer = Reader::new(content(bytes, DG2)?);
        let mut reader = Reader::new(outer.expect(GROUP)?);
        let announced = reader.expect(COUNT)?;
        let (mut faces, mut templates) = (Vec::new(), 0);
        while let Some(tlv) = reader.next()? {
            if tlv.tag != TEMPLATE {
                defects.push(Defect::UnknownObject { tag: tlv.tag });
                continue;
            }
            templates += 1;
            parse_record(template_data(tlv.value)?, &mut faces, defects)?;
        }
        let announced = announced.first().copied().map_or(0, usize::from);
        if announced != templates {
            defects.push(Defect::WrongCount { announced, found: templates });
        }
        if faces.is_empty() {
            return Err(ReadError::Field { field: "number of faces" });
        }
        Ok(Dg2 { faces })
    }
}

/// The biometric data block of a template.
fn template_data(template: &[u8]) -> Result<&[u8], ReadError> {
    let mut reader = Reader::new(template);
    while let Some(tlv) = reader.next()? {
        match tlv.tag {
            DATA | DATA_CONSTRUCTED => return Ok(tlv.value),
            _ => {}
        }
    }
    Err(iso7816::tlv::TlvError::Missing { tag: DATA }.into())
}

fn parse_record(record: &[u8], faces: &mut Vec<Face>, defects: &mut Vec<Defect>) -> Result<(), ReadError> {
    let other = ReadError::NotSupported { what: "a facial record other than ISO/IEC 19794-5:2005" };
    let malformed = ReadError::Field { field: "facial record" };
    let rest = record.strip_prefix(MAGIC).ok_or(other)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(malformed.clone())?;
    let (count, mut rest) = rest.split_first_chunk::<2>().ok_or(malformed.clone())?;
    if u32::from_be_bytes(*length) as usize != record.len() {
        defects.push(Defect::RecordLength);
    }
    let count = u16::from_be_bytes(*count);
    for index in 0..count {
        if faces.len() >= MOST_FACES {
            return Err(ReadError::TooMany { field: "facial record" });
        }
        let length = rest.first_chunk::<4>().map(|length| u32::from_be_bytes(*length) as usize);
        let block = match length.ok_or(malformed.clone())? {
            length if length <= rest.len() && (index + 1 < count || length == rest.len()) => length,
            // The last face reaches to the end, whatever its length says.
            _ if index + 1 == count => {
                defects.push(Defect::RecordLength);
                rest.len()
            }
            _ => return Err(malformed),
        };
        let (block, after) = rest.split_at_checked(block).ok_or(malformed.clone())?;
        faces.push(Face::parse_block(block, defects)?);
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_vectors::shared;

    use super::super::picture::tests::{jp2_of, jpeg_of};
    use super::*;

    #[test]
    fn bytes_and_meaning() {
        let image = jpeg_of(413, 531);
        let dg2 = Dg2::new(Face::new(image.clone()).unwrap());
        let bytes = dg2.to_bytes();
        let expected = format!(
            "75737f6170020101\
             7f606a\
             a10e810102820100870201018802\
             00085f2e57\
             464143003031300000000\
             0570001\
             00000049{}\
             0100019d0213010000000000{}",
            "00".repeat(16),
            hex::encode(&image)
        );
        assert_eq!(hex::encode(&bytes), expected);
        let mut defects = Vec::new();
        assert_eq!(Dg2::parse_noting(&bytes, &mut defects).unwrap(), dg2);
        assert_eq!(defects, []);
    }

    #[test]
    fn both_formats_and_several_faces() {
        let faces = vec![Face::new(jpeg_of(480, 640)).unwrap(), Face::new(jp2_of(413, 531)).unwrap()];
        let dg2 = Dg2 { faces };
        let read = Dg2::parse(&dg2.to_bytes()).unwrap();
        assert_eq!(read, dg2);
        assert_eq!((read.faces[1].format(), read.faces[1].width()), (ImageFormat::Jpeg2000, 413));
        assert_eq!(Face::new(b"GIF89a".to_vec()), Err(PictureError::UnknownFormat));
        let large = Err(PictureError::Size { width: 70_000, height: 1 });
        assert_eq!(Face::new(jp2_of(70_000, 1)), large);
    }

    #[test]
    fn feature_points_are_skipped_and_wrong_headers_noted() {
        let image = jp2_of(413, 531);
        let face = Face::new(image.clone()).unwrap();
        let mut record = face.record();
        record[8..12].copy_from_slice(&7u32.to_be_bytes());
        record[14 + 5] = 2;
        record[14 + 20 + 1] = 0;
        record[14 + 20 + 3] = 0;
        record.splice(34..34, [0xAB; 16]);
        let mut faces = Vec::new();
        let mut defects = Vec::new();
        parse_record(&record, &mut faces, &mut defects).unwrap();
        assert_eq!((faces[0].image(), faces[0].format()), (&image[..], ImageFormat::Jpeg2000));
        assert_eq!(
            defects,
            [
                Defect::RecordLength,
                Defect::RecordLength,
                Defect::PictureFormat,
                Defect::PictureSize { header: (256, 531), picture: (413, 531) },
            ]
        );
    }

    #[test]
    fn newer_records_are_not_supported() {
        let file = hex::decode("75127f610f0201017f60097f2e06a10430020500").unwrap();
        let expected = ReadError::NotSupported { what: "a facial record other than ISO/IEC 19794-5:2005" };
        assert_eq!(Dg2::parse(&file), Err(expected));
    }

    #[test]
    fn the_specimen() {
        let Some(file) = shared("data/lds-specimen/EF_DG2.bin") else { return };
        let bytes = std::fs::read(file).unwrap();
        let mut defects = Vec::new();
        let dg2 = Dg2::parse_noting(&bytes, &mut defects).unwrap();
        let face = &dg2.faces[0];
        assert_eq!((dg2.faces.len(), face.format(), face.image_type()), (1, ImageFormat::Jpeg2000, 1));
        assert_eq!((face.width(), face.height()), (337, 449));
        assert_eq!(defects, [Defect::PictureSize { header: (337, 449), picture: (413, 531) }]);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Dg2::parse(&bytes);
            let _ = parse_record(&[MAGIC, &bytes[..]].concat(), &mut Vec::new(), &mut Vec::new());
        }

        #[test]
        fn an_altered_byte_never_panics(at in 0usize..110, value: u8) {
            let mut bytes = Dg2::new(Face::new(jpeg_of(413, 531)).unwrap()).to_bytes();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            let _ = Dg2::parse(&bytes);
        }

        #[test]
        fn written_files_read_back(width in 1u16.., height in 1u16.., tail in prop::collection::vec(any::<u8>(), 0..400)) {
            let dg2 = Dg2::new(Face::new([jpeg_of(width, height), tail].concat()).unwrap());
            prop_assert_eq!(Dg2::parse(&dg2.to_bytes()).unwrap(), dg2);
        }
    }
}
