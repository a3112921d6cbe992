//! The face image data block of ISO/IEC 39794-5:2019, as 9303-10 §4.7.2 has it in DG2.
//!
//! ```text
//! RepresentationBlock        ::= SEQUENCE { representationId [0] INTEGER, imageRepresentation [1] ImageRepresentation, ... }
//! ImageRepresentation        ::= CHOICE { base [0] CHOICE { imageRepresentation2DBlock [0], shapeRepresentation3DBlock [1] },
//!                                         extensionBlock [1] }
//! ImageRepresentation2DBlock ::= SEQUENCE { representationData2D [0] OCTET STRING,
//!                                           imageInformation2DBlock [1] ImageInformation2DBlock, ... }
//! ImageInformation2DBlock    ::= SEQUENCE { imageDataFormat [0] code, ..,
//!                                           imageSizeBlock [7] SEQUENCE { width [0], height [1] } OPTIONAL, ... }
//! ```
//!
//! Format codes: 2 JPEG, 3 JPEG 2000 lossy, 4 JPEG 2000 lossless. Written are the mandatory fields and the size. What else a
//! record may hold (landmarks, quality, capture device, identity) is skipped; faces in three dimensions are not read.

use super::{Face, ImageFormat, Kind, MOST_FACES};
use crate::dg::iso39794::{self, FACE, code, constructed, field, integer, primitive};
use crate::dg::{Defect, ReadError};

/// The edition that is written.
const YEAR: u32 = 2019;
const IMAGE: u32 = 1;
const BASE: u32 = 0;
const TWO_DIMENSIONS: u32 = 0;
const DATA: u32 = 0;
const INFORMATION: u32 = 1;
const FORMAT: u32 = 0;
const SIZE: u32 = 7;
const JPEG: u32 = 2;
const JPEG_2000_LOSSY: u32 = 3;
const JPEG_2000_LOSSLESS: u32 = 4;

pub(super) fn write(face: &Face) -> Vec<u8> {
    let format = match face.format {
        ImageFormat::Jpeg => JPEG,
        // A portrait that was fitted to a chip has lost something, whatever transform it is coded with.
        ImageFormat::Jpeg2000 => JPEG_2000_LOSSY,
    };
    iso39794::record(FACE, YEAR, |w| {
        iso39794::put_integer(w, primitive(0), 0);
        w.nest(constructed(IMAGE), |w| {
            w.nest(constructed(BASE), |w| {
                w.nest(constructed(TWO_DIMENSIONS), |w| {
                    w.put(primitive(DATA), &face.image);
                    w.nest(constructed(INFORMATION), |w| {
                        iso39794::put_code(w, constructed(FORMAT), format);
                        w.nest(constructed(SIZE), |w| {
                            iso39794::put_integer(w, primitive(0), face.width.into());
                            iso39794::put_integer(w, primitive(1), face.height.into());
                        });
                    });
                });
            });
        });
    })
}

/// Adds the faces of a record.
pub(super) fn read(record: &[u8], faces: &mut Vec<Face>, defects: &mut Vec<Defect>) -> Result<(), ReadError> {
    for representation in iso39794::representations(record)? {
        if faces.len() >= MOST_FACES {
            return Err(ReadError::TooMany { field: "face image data block" });
        }
        faces.push(face(representation, defects)?);
    }
    Ok(())
}

fn face(representation: &[u8], defects: &mut Vec<Defect>) -> Result<Face, ReadError> {
    let image = field(representation, constructed(IMAGE))?;
    let other = ReadError::NotSupported { what: "a face that is no picture in two dimensions" };
    let base = iso7816::tlv::find(image, constructed(BASE))?.ok_or(other.clone())?;
    let flat = iso7816::tlv::find(base, constructed(TWO_DIMENSIONS))?.ok_or(other)?;
    let picture = field(flat, primitive(DATA))?;
    let information = field(flat, constructed(INFORMATION))?;
    let said = match code(information, constructed(FORMAT))? {
        Some(JPEG) => Some(ImageFormat::Jpeg),
        Some(JPEG_2000_LOSSY | JPEG_2000_LOSSLESS) => Some(ImageFormat::Jpeg2000),
        _ => None,
    };
    let size = iso7816::tlv::find(information, constructed(SIZE))?.map(size).transpose()?;
    Face::read(picture, said, size, Kind::Iso39794, defects)
}

/// Width and height; the schema allows 65,535.
fn size(block: &[u8]) -> Result<(u16, u16), ReadError> {
    let side = |tag| {
        let number = integer(field(block, tag)?)?;
        u16::try_from(number).map_err(|_| ReadError::Field { field: "image size" })
    };
    Ok((side(primitive(0))?, side(primitive(1))?))
}
