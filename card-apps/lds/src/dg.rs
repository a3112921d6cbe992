//! The data groups (9303-10 §4.7): each file of this crate knows one, in both directions.
//!
//! `parse` takes the whole file with its tag, as read; `to_bytes` gives the whole file to be written. A parsed value
//! is for looking at: hashes are taken over the bytes that were read.
//!
//! Cards in the field differ from the standard in known ways. Reading accepts these and reports each as a [`Defect`]
//! (`parse_noting`); writing follows the standard.

mod biometric;
mod details;
pub mod dg01;
pub mod dg02;
pub mod dg03;
pub mod dg04;
pub mod dg05;
pub mod dg06;
pub mod dg07;
pub mod dg11;
pub mod dg12;
pub mod dg13;
pub mod dg14;
pub mod dg15;
pub mod dg16;
mod displayed;
pub mod features;
mod iso39794;
pub mod picture;

use std::fmt;

use iso7816::tlv::{Tag, TlvError, sole};

use crate::files::MAX_FILE;
use crate::mrz::MrzError;
use crate::security_infos::SecurityInfosError;

/// Why bytes are not the data group they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The data objects are not the expected ones.
    #[error("data group: {0}")]
    Structure(#[from] TlvError),
    /// More bytes than any file may have.
    #[error("data group: {length} bytes are more than {MAX_FILE}")]
    TooLarge {
        /// Bytes given.
        length: usize,
    },
    /// DG1 does not hold a machine readable zone.
    #[error("DG1: {0}")]
    Mrz(#[from] MrzError),
    /// DG14 does not hold SecurityInfos, or DG15 no SubjectPublicKeyInfo.
    #[error("data group: {0}")]
    SecurityInfos(#[from] SecurityInfosError),
    /// A field of fixed form has another one.
    #[error("data group: {field} is malformed")]
    Field {
        /// Which field.
        field: &'static str,
    },
    /// More entries than the standard allows.
    #[error("data group: too many entries in {field}")]
    TooMany {
        /// Which field.
        field: &'static str,
    },
    /// An encoding that this crate does not read.
    #[error("data group: {what} is not supported")]
    NotSupported {
        /// Which encoding.
        what: &'static str,
    },
}

/// A known deviation from the standard that was read nevertheless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Defect {
    /// A date as BCD digits instead of ASCII digits.
    DateAsBcd {
        /// The data object.
        tag: Tag,
    },
    /// A date that is none; the field is left out.
    NotADate {
        /// The data object.
        tag: Tag,
    },
    /// Several values stand one after another instead of in a template A0.
    WithoutTemplate {
        /// The repeated data object.
        tag: Tag,
    },
    /// The number of values is not the one announced.
    WrongCount {
        /// How many were announced.
        announced: usize,
        /// How many there are.
        found: usize,
    },
    /// A data object stands twice; the first one counts.
    Repeated {
        /// The data object.
        tag: Tag,
    },
    /// A data object is in the tag list and absent, or present and not in the list.
    TagList {
        /// The data object.
        tag: Tag,
    },
    /// There is no tag list.
    NoTagList,
    /// Text that is not UTF-8; what cannot be read is replaced by U+FFFD.
    NotUtf8 {
        /// The data object.
        tag: Tag,
    },
    /// A data object that the standard does not have here.
    UnknownObject {
        /// The data object.
        tag: Tag,
    },
    /// The record header of a face gives another size than the picture has.
    PictureSize {
        /// Width and height in the header.
        header: (u16, u16),
        /// Width and height of the picture.
        picture: (u32, u32),
    },
    /// The record header of a face gives another format than the picture has.
    PictureFormat,
    /// A length or count in a biometric record is not that of its content.
    RecordLength,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DateAsBcd { tag } => write!(f, "the date in {tag} is BCD coded"),
            Self::NotADate { tag } => write!(f, "{tag} does not hold a date"),
            Self::WithoutTemplate { tag } => write!(f, "the values {tag} stand without template A0"),
            Self::WrongCount { announced, found } => write!(f, "{announced} values announced, {found} found"),
            Self::Repeated { tag } => write!(f, "{tag} is repeated"),
            Self::TagList { tag } => write!(f, "the tag list and the content differ in {tag}"),
            Self::NoTagList => f.write_str("the tag list is missing"),
            Self::NotUtf8 { tag } => write!(f, "the text in {tag} is not UTF-8"),
            Self::UnknownObject { tag } => write!(f, "unknown data object {tag}"),
            Self::PictureSize { header, picture } => {
                write!(
                    f,
                    "the header says {}x{} pixels, the picture has {}x{}",
                    header.0, header.1, picture.0, picture.1
                )
            }
            Self::PictureFormat => f.write_str("the header gives another format than the picture has"),
            Self::RecordLength => f.write_str("a length in the biometric record is wrong"),
        }
    }
}

/// The most deviations that are noted of objects which a file may hold any number of.
const MOST_NOTED: usize = 64;

/// Notes a deviation, unless there are many already: a file of junk must not become a longer list.
fn note(defects: &mut Vec<Defect>, defect: Defect) {
    if defects.len() < MOST_NOTED {
        defects.push(defect);
    }
}

/// The content of a file with this tag, within the size that is accepted.
fn content(bytes: &[u8], tag: Tag) -> Result<&[u8], ReadError> {
    if bytes.len() > MAX_FILE {
        return Err(ReadError::TooLarge { length: bytes.len() });
    }
    Ok(sole(bytes, tag)?)
}
