//! DG2: the encoded face (9303-10 §4.7.2), in a record of ISO/IEC 19794-5:2005 or of ISO/IEC 39794-5:2019.
//!
//! ```text
//! 75 { 7F61 { 02 number   7F60 { A1 { 81 02   82 00   87 0101   88 0008 } 5F2E record of ISO/IEC 19794-5 } ..
//!                         7F60 { A1 { 81 02   82 00   87 0101   88 002A } 7F2E { A1 { 65 { .. } } } } .. } }
//! ```

mod iso19794;
mod iso39794;

use iso7816::tlv::Tag;

pub use super::biometric::Encoding;
use super::biometric::{self, Record, Written};
pub use super::picture::ImageFormat;
use super::picture::{Picture, PictureError, inspect};
use super::{Defect, ReadError};
use crate::files::group_tag;

const DG2: Tag = group_tag(2);
/// Biometric type: facial features.
const FACIAL_FEATURES: u8 = 0x02;
/// Face image data of ISO/IEC 19794-5.
const FORMAT_19794: u16 = 0x0008;
/// Face image data of ISO/IEC 39794-5 in DER.
const FORMAT_39794: u16 = 0x002A;
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
    kind: Kind,
}

/// The record a face stands in, and what only that record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Iso19794 { image_type: u8, colour_space: u8 },
    Iso39794,
}

impl std::fmt::Debug for Face {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Face({:?}, {}x{}, {} bytes)", self.format, self.width, self.height, self.image.len())
    }
}

impl Face {
    /// A full frontal portrait from an encoded picture, whose headers give format and size. It is written as
    /// ISO/IEC 19794-5.
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
        Ok(Face { image, format, width, height, kind: Kind::Iso19794 { image_type: 0x01, colour_space } })
    }

    /// The same face, to be written as ISO/IEC 39794-5.
    #[must_use]
    pub fn in_iso39794(self) -> Self {
        Face { kind: Kind::Iso39794, ..self }
    }

    /// A face as a record gives it: what the picture says of itself goes before what the record says.
    fn read(
        image: &[u8],
        said: Option<ImageFormat>,
        size: Option<(u16, u16)>,
        kind: Kind,
        defects: &mut Vec<Defect>,
    ) -> Result<Self, ReadError> {
        let picture = inspect(image).ok();
        if let Some(picture) = picture {
            if said != Some(picture.format) {
                defects.push(Defect::PictureFormat);
            }
            let of_picture = (picture.width, picture.height);
            if let Some(header) = size.filter(|(width, height)| (u32::from(*width), u32::from(*height)) != of_picture) {
                defects.push(Defect::PictureSize { header, picture: of_picture });
            }
        }
        let unknown = ReadError::NotSupported { what: "the image format" };
        let format = picture.map(|picture| picture.format).or(said).ok_or(unknown)?;
        let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
        let of_picture = picture.map(|picture| (side(picture.width), side(picture.height)));
        let (width, height) = size.or(of_picture).unwrap_or_default();
        Ok(Face { image: image.to_vec(), format, width, height, kind })
    }

    /// The encoded picture, byte for byte.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// The compression: what the picture itself says, else the record.
    pub fn format(&self) -> ImageFormat {
        self.format
    }

    /// Width in pixels as the record gives it, else as the picture does; 0 when neither does.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Height in pixels as the record gives it, else as the picture does; 0 when neither does.
    pub fn height(&self) -> u16 {
        self.height
    }

    /// The series of the record.
    pub fn encoding(&self) -> Encoding {
        match self.kind {
            Kind::Iso19794 { .. } => Encoding::Iso19794,
            Kind::Iso39794 => Encoding::Iso39794,
        }
    }

    /// Face image type of ISO/IEC 19794-5: 0 basic, 1 full frontal, 2 token frontal.
    pub fn image_type(&self) -> Option<u8> {
        match self.kind {
            Kind::Iso19794 { image_type, .. } => Some(image_type),
            Kind::Iso39794 => None,
        }
    }

    /// What the picture says of itself.
    ///
    /// # Errors
    /// When it is of no known format.
    pub fn picture(&self) -> Result<Picture, PictureError> {
        inspect(&self.image)
    }

    fn written(&self) -> Written {
        let (format, record) = match self.kind {
            Kind::Iso19794 { image_type, colour_space } => {
                (FORMAT_19794, iso19794::write(self, image_type, colour_space))
            }
            Kind::Iso39794 => (FORMAT_39794, iso39794::write(self)),
        };
        Written { kind: FACIAL_FEATURES, subtype: 0, format, encoding: self.encoding(), record }
    }
}

impl Dg2 {
    /// DG2 with one face.
    pub fn new(face: Face) -> Self {
        Dg2 { faces: vec![face] }
    }

    /// The whole file: one template for each face.
    pub fn to_bytes(&self) -> Vec<u8> {
        let templates: Vec<Written> = self.faces.iter().map(Face::written).collect();
        biometric::write(DG2, &templates, None)
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// When it does not hold facial records of ISO/IEC 19794-5:2005 or ISO/IEC 39794-5.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        Self::parse_noting(bytes, &mut Vec::new())
    }

    /// The same, with a note for each deviation from the standard.
    ///
    /// # Errors
    /// When it does not hold facial records of ISO/IEC 19794-5:2005 or ISO/IEC 39794-5.
    pub fn parse_noting(bytes: &[u8], defects: &mut Vec<Defect>) -> Result<Self, ReadError> {
        let templates = biometric::read(bytes, DG2, iso19794::MAGIC, super::iso39794::FACE, defects)?;
        let mut faces = Vec::new();
        for record in templates.records {
            match record {
                Record::Binary(record) => iso19794::read(record, &mut faces, defects)?,
                Record::Asn1(record) => iso39794::read(record, &mut faces, defects)?,
            }
        }
        if faces.is_empty() {
            return Err(ReadError::Field { field: "number of faces" });
        }
        Ok(Dg2 { faces })
    }
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
        let mut record = face.written().record;
        record[8..12].copy_from_slice(&7u32.to_be_bytes());
        record[14 + 5] = 2;
        record[14 + 20 + 1] = 0;
        record[14 + 20 + 3] = 0;
        record.splice(34..34, [0xAB; 16]);
        let mut faces = Vec::new();
        let mut defects = Vec::new();
        iso19794::read(&record, &mut faces, &mut defects).unwrap();
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
    fn bytes_and_meaning_in_asn1() {
        let image = jpeg_of(413, 531);
        let dg2 = Dg2::new(Face::new(image.clone()).unwrap().in_iso39794());
        let bytes = dg2.to_bytes();
        let expected = format!(
            "75727f616f0201017f6069a10e810102820100870201018802002a7f2e56a1546552a007800103810207e3a1473045800100a140a03ea03c8029\
             {}a10fa003800102a7088002019d81020213",
            hex::encode(&image)
        );
        assert_eq!(hex::encode(&bytes), expected);
        let mut defects = Vec::new();
        let read = Dg2::parse_noting(&bytes, &mut defects).unwrap();
        assert_eq!(read, dg2);
        assert_eq!((read.faces[0].encoding(), read.faces[0].image_type()), (Encoding::Iso39794, None));
        assert_eq!(defects, []);
    }

    #[test]
    fn asn1_records_of_other_makers() {
        // Directly in 7F2E, with fields that are skipped, the format in an extension and without size.
        let image = jp2_of(413, 531);
        let information =
            iso7816::tlv::encode(Tag(0xA1), hex::decode("a005a103800103a10380010 0".replace(' ', "")).unwrap());
        let flat = [iso7816::tlv::encode(Tag(0x80), &image), information].concat();
        let nested = [0xA0, 0xA0, 0xA1].iter().fold(flat, |inner, tag| iso7816::tlv::encode(Tag(*tag), inner));
        let representation =
            [&hex::decode("800101").unwrap()[..], &nested, &hex::decode("a2038 00164".replace(' ', "")).unwrap()]
                .concat();
        let blocks = iso7816::tlv::encode(Tag(0xA1), iso7816::tlv::encode(Tag(0x30), representation));
        let record = iso7816::tlv::encode(Tag(0x65), [hex::decode("a007800103810207e3").unwrap(), blocks].concat());
        let template = iso7816::tlv::encode(Tag(0x7F60), iso7816::tlv::encode(Tag(0x7F2E), record));
        let group = iso7816::tlv::encode(Tag(0x7F61), [&[0x02, 0x01, 0x01][..], &template].concat());
        let mut defects = Vec::new();
        let dg2 = Dg2::parse_noting(&iso7816::tlv::encode(DG2, group), &mut defects).unwrap();
        let face = &dg2.faces[0];
        assert_eq!((face.image(), face.width(), face.height()), (&image[..], 413, 531));
        assert_eq!(defects, []);
    }

    #[test]
    fn what_is_neither_is_not_supported() {
        let file = hex::decode("75127f610f0201017f60097f2e06a10430020500").unwrap();
        let what = "a biometric record of neither ISO/IEC 19794 nor ISO/IEC 39794";
        assert_eq!(Dg2::parse(&file), Err(ReadError::NotSupported { what }));
        // A shape in three dimensions.
        let record = hex::decode("a10b3009800100a104a002a100").unwrap();
        let what = "a face that is no picture in two dimensions";
        assert_eq!(iso39794::read(&record, &mut Vec::new(), &mut Vec::new()), Err(ReadError::NotSupported { what }));
    }

    #[test]
    fn the_specimen() {
        let Some(file) = shared("data/lds-specimen/EF_DG2.bin") else { return };
        let bytes = std::fs::read(file).unwrap();
        let mut defects = Vec::new();
        let dg2 = Dg2::parse_noting(&bytes, &mut defects).unwrap();
        let face = &dg2.faces[0];
        assert_eq!((dg2.faces.len(), face.format(), face.image_type()), (1, ImageFormat::Jpeg2000, Some(1)));
        assert_eq!((face.width(), face.height()), (337, 449));
        assert_eq!(defects, [Defect::PictureSize { header: (337, 449), picture: (413, 531) }]);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Dg2::parse(&bytes);
            let record = [b"FAC\x00010\x00", &bytes[..]].concat();
            let _ = iso19794::read(&record, &mut Vec::new(), &mut Vec::new());
            let _ = iso39794::read(&bytes, &mut Vec::new(), &mut Vec::new());
        }

        #[test]
        fn an_altered_byte_never_panics(at in 0usize..110, value: u8) {
            let face = Face::new(jpeg_of(413, 531)).unwrap();
            for face in [face.clone(), face.in_iso39794()] {
                let mut bytes = Dg2::new(face).to_bytes();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
                let _ = Dg2::parse(&bytes);
            }
        }

        #[test]
        fn written_files_read_back(width in 1u16.., height in 1u16.., tail in prop::collection::vec(any::<u8>(), 0..400)) {
            let face = Face::new([jpeg_of(width, height), tail].concat()).unwrap();
            for face in [face.clone(), face.in_iso39794()] {
                let dg2 = Dg2::new(face);
                prop_assert_eq!(Dg2::parse(&dg2.to_bytes()).unwrap(), dg2);
            }
        }
    }
}
