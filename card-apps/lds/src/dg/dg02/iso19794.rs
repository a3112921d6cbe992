//! The facial record of ISO/IEC 19794-5:2005.
//!
//! ```text
//! "FAC" 00, "010" 00, length 4, number of faces 2, then for each face
//!     face information   20: length 4, feature points 2, gender 1, eyes 1, hair 1, properties 3, expression 2,
//!                            pose 3, uncertainty 3
//!     feature points     8 each
//!     image information  12: type 1, format 1, width 2, height 2, colour space 1, source 1, device 2, quality 2
//!     the picture
//! ```
//!
//! Feature points are skipped on reading and never written.

use super::{Face, ImageFormat, Kind, MOST_FACES};
use crate::dg::biometric::Fields;
use crate::dg::{Defect, ReadError};

pub(super) const MAGIC: &[u8; 4] = b"FAC\x00";
const VERSION: &[u8; 4] = b"010\x00";
const RECORD_HEADER: usize = 14;
const FACE_INFORMATION: usize = 20;
const FEATURE_POINT: usize = 8;
const IMAGE_INFORMATION: usize = 12;
const WHAT: &str = "facial record";

pub(super) fn write(face: &Face, image_type: u8, colour_space: u8) -> Vec<u8> {
    let block = (FACE_INFORMATION + IMAGE_INFORMATION + face.image.len()) as u32;
    let mut record = [*MAGIC, *VERSION].concat();
    record.extend((block + RECORD_HEADER as u32).to_be_bytes());
    record.extend(1u16.to_be_bytes());
    record.extend(block.to_be_bytes());
    // No feature points, and nothing said of gender, colours, properties, expression and pose.
    record.extend([0; FACE_INFORMATION - 4]);
    let format = match face.format {
        ImageFormat::Jpeg => 0x00,
        ImageFormat::Jpeg2000 => 0x01,
    };
    record.extend([image_type, format]);
    record.extend(face.width.to_be_bytes());
    record.extend(face.height.to_be_bytes());
    record.extend([colour_space, 0, 0, 0, 0, 0]);
    record.extend_from_slice(&face.image);
    record
}

/// Adds the faces of a record, from its magic bytes on.
pub(super) fn read(record: &[u8], faces: &mut Vec<Face>, defects: &mut Vec<Defect>) -> Result<(), ReadError> {
    let mut fields = Fields::new(record, WHAT);
    if fields.bytes(8)? != [*MAGIC, *VERSION].concat() {
        return Err(ReadError::NotSupported { what: "a facial record of ISO/IEC 19794-5 other than of 2005" });
    }
    if fields.number(4)? != record.len() as u64 {
        defects.push(Defect::RecordLength);
    }
    let count = fields.short()?;
    for index in 0..count {
        if faces.len() >= MOST_FACES {
            return Err(ReadError::TooMany { field: WHAT });
        }
        let length = fields.number(4)?;
        let block = fields.block(length, 4, index + 1 == count, defects)?;
        faces.push(face(block, defects)?);
    }
    Ok(())
}

/// One face, after its length.
fn face(block: &[u8], defects: &mut Vec<Defect>) -> Result<Face, ReadError> {
    let mut fields = Fields::new(block, WHAT);
    let points = usize::from(fields.short()?);
    fields.bytes(FACE_INFORMATION - 4 - 2 + points * FEATURE_POINT)?;
    let (image_type, format) = (fields.byte()?, fields.byte()?);
    let (width, height, colour_space) = (fields.short()?, fields.short()?, fields.byte()?);
    fields.bytes(IMAGE_INFORMATION - 7)?;
    let said = match format {
        0x00 => Some(ImageFormat::Jpeg),
        0x01 => Some(ImageFormat::Jpeg2000),
        _ => None,
    };
    Face::read(fields.rest(), said, Some((width, height)), Kind::Iso19794 { image_type, colour_space }, defects)
}
