//! Whatever certificates come in: master lists, LDIF downloads, PEM, DER, and zip archives of these.
//!
//! [`read`] looks at the bytes, never at the file's name, and hands out what it found piece by piece, each with its place in
//! the file. Nothing is believed here; that is [`crate::archive`]'s question. What cannot be read is handed out as well.

use std::io::{Cursor, Read};

use iso7816::tlv::{Reader, sole};
use x509_parser::pem::Pem;
use zip::ZipArchive;

use crate::certificate::{Certificate, CertificateError};
use crate::crl::{Crl, CrlError};
use crate::der;
use crate::ldif::{self, LdifError};
use crate::master_list::{MasterList, MasterListError};

/// How much is read. The defaults hold the largest public download several times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Bytes of the file.
    pub bytes: usize,
    /// Bytes of all members of a zip archive together, unpacked.
    pub unpacked: usize,
    /// How many pieces.
    pub pieces: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { bytes: 256 * 1024 * 1024, unpacked: 512 * 1024 * 1024, pieces: 200_000 }
    }
}

/// One thing found in a file.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Where: member of an archive, name of an LDIF record, number in a PEM file; empty for the whole file.
    pub place: String,
    /// What.
    pub content: Content,
}

/// What was found.
#[derive(Clone, Debug)]
pub enum Content {
    /// A master list, not verified yet.
    MasterList(Box<MasterList>),
    /// A certificate of any kind.
    Certificate(Certificate),
    /// A revocation list.
    Crl(Box<Crl>),
    /// Something that should be one of these and is not.
    Unreadable(Unreadable),
}

/// Why a piece cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A revocation list.
    #[error(transparent)]
    Crl(#[from] CrlError),
    /// A master list.
    #[error(transparent)]
    MasterList(#[from] MasterListError),
    /// A record of an LDIF file.
    #[error(transparent)]
    Ldif(#[from] LdifError),
    /// A block of a PEM file.
    #[error("the PEM block is damaged")]
    Pem,
    /// A member of a zip archive: damaged, encrypted, or packed in a way that is not read.
    #[error("the member of the archive cannot be unpacked")]
    Member,
    /// None of the formats.
    #[error("neither a master list, certificate, revocation list, LDIF, PEM nor zip file")]
    Unknown,
}

/// Why nothing of a file is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// More bytes than are read.
    #[error("{found} bytes: more than {limit}")]
    TooLarge {
        /// How many there are.
        found: usize,
        /// How many are read.
        limit: usize,
    },
    /// An archive that unpacks to more bytes than are read.
    #[error("the archive unpacks to more than {0} bytes")]
    Bomb(usize),
    /// More pieces than are read.
    #[error("more than {0} certificates and lists")]
    TooMany(usize),
    /// The zip archive's directory is damaged.
    #[error("the zip archive is damaged")]
    Zip,
}

/// Finds everything in a file.
///
/// # Errors
/// When the file as a whole is too large or a damaged archive; a damaged piece is a piece.
pub fn read(bytes: &[u8], bounds: &Bounds) -> Result<Vec<Piece>, ImportError> {
    if bytes.len() > bounds.bytes {
        return Err(ImportError::TooLarge { found: bytes.len(), limit: bounds.bytes });
    }
    let mut pieces = Pieces { found: Vec::new(), limit: bounds.pieces };
    if bytes.starts_with(b"PK\x03\x04") {
        unpack(bytes, bounds, &mut pieces)?;
    } else {
        pieces.file("", bytes)?;
    }
    Ok(pieces.found)
}

/// Members of a zip archive, one after another; an archive inside an archive is not opened.
fn unpack(bytes: &[u8], bounds: &Bounds, pieces: &mut Pieces) -> Result<(), ImportError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| ImportError::Zip)?;
    if archive.len() > bounds.pieces {
        return Err(ImportError::TooMany(bounds.pieces));
    }
    let mut left = bounds.unpacked;
    for index in 0..archive.len() {
        let Ok(member) = archive.by_index(index) else {
            pieces.put(&format!("member {index}"), Content::Unreadable(Unreadable::Member))?;
            continue;
        };
        if member.is_dir() {
            continue;
        }
        let name = member.name().map_or_else(|_| format!("member {index}"), |name| printable(&name));
        let mut unpacked = Vec::new();
        // The size in the directory is the sender's word: what counts is what comes out.
        let read = member.take(left as u64 + 1).read_to_end(&mut unpacked);
        left = left.checked_sub(unpacked.len()).ok_or(ImportError::Bomb(bounds.unpacked))?;
        match read {
            Ok(_) => pieces.file(&name, &unpacked)?,
            Err(_) => pieces.put(&name, Content::Unreadable(Unreadable::Member))?,
        }
    }
    Ok(())
}

/// What was found so far.
struct Pieces {
    found: Vec<Piece>,
    limit: usize,
}

impl Pieces {
    fn put(&mut self, place: &str, content: Content) -> Result<(), ImportError> {
        if self.found.len() == self.limit {
            return Err(ImportError::TooMany(self.limit));
        }
        self.found.push(Piece { place: place.to_owned(), content });
        Ok(())
    }

    fn file(&mut self, place: &str, bytes: &[u8]) -> Result<(), ImportError> {
        if bytes.first() == Some(&0x30) {
            self.put(place, object(bytes))
        } else if ldif::looks_like(bytes) {
            self.ldif(place, bytes)
        } else if bytes.windows(11).any(|window| window == b"-----BEGIN ") {
            self.pem(place, bytes)
        } else {
            self.put(place, Content::Unreadable(Unreadable::Unknown))
        }
    }

    fn pem(&mut self, place: &str, bytes: &[u8]) -> Result<(), ImportError> {
        for (index, block) in Pem::iter_from_buffer(bytes).enumerate() {
            let place = inside(place, &format!("block {}", index + 1));
            match block {
                Ok(block) => self.put(&place, object(&block.contents))?,
                Err(_) => {
                    // What follows a damaged block cannot be found reliably.
                    return self.put(&place, Content::Unreadable(Unreadable::Pem));
                }
            }
        }
        Ok(())
    }

    fn ldif(&mut self, place: &str, bytes: &[u8]) -> Result<(), ImportError> {
        for record in ldif::records(bytes, |kind| Attribute::of(kind).is_some()) {
            match record {
                Ok(record) => {
                    let place = inside(place, &printable(&record.name));
                    for (kind, value) in &record.attributes {
                        if let Some(attribute) = Attribute::of(kind) {
                            self.put(&place, attribute.read(value))?;
                        }
                    }
                }
                Err(error) => self.put(place, Content::Unreadable(error.into()))?,
            }
        }
        Ok(())
    }
}

/// Attributes of a directory that hold what is looked for.
enum Attribute {
    Certificate,
    Crl,
    MasterList,
}

impl Attribute {
    /// By type, lower case. The ICAO directory renamed its attribute for master lists; both names are met.
    fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "usercertificate" | "cacertificate" => Self::Certificate,
            "certificaterevocationlist" => Self::Crl,
            "cscamasterlistdata" | "pkdmasterlistcontent" => Self::MasterList,
            _ => return None,
        })
    }

    fn read(&self, value: &[u8]) -> Content {
        match self {
            Self::Certificate => certificate(value),
            Self::Crl => crl(value),
            Self::MasterList => master_list(value),
        }
    }
}

/// A DER object, told by its structure.
fn object(bytes: &[u8]) -> Content {
    let first = |bytes| Reader::new(bytes).next().ok().flatten();
    match sole(bytes, der::SEQUENCE).ok().and_then(first) {
        Some(inner) if inner.tag == der::OID => master_list(bytes),
        Some(signed) if signed.tag == der::SEQUENCE => {
            // TBSCertificate: [0] version, serial, algorithm, issuer, validity SEQUENCE. TBSCertList: version, algorithm,
            // issuer, thisUpdate.
            let mut tags = Vec::new();
            let mut reader = signed.reader();
            while let (0..4, Ok(Some(item))) = (tags.len(), reader.next()) {
                tags.push(item.tag);
            }
            match tags.as_slice() {
                [der::INTEGER, der::SEQUENCE, der::SEQUENCE, der::UTC_TIME | der::GENERALIZED_TIME] => crl(bytes),
                _ => certificate(bytes),
            }
        }
        _ => Content::Unreadable(Unreadable::Unknown),
    }
}

fn certificate(bytes: &[u8]) -> Content {
    Certificate::from_der(bytes).map_or_else(|error| Content::Unreadable(error.into()), Content::Certificate)
}

fn crl(bytes: &[u8]) -> Content {
    Crl::from_der(bytes).map_or_else(|error| Content::Unreadable(error.into()), |crl| Content::Crl(Box::new(crl)))
}

fn master_list(bytes: &[u8]) -> Content {
    let read = MasterList::from_der(bytes);
    read.map_or_else(|error| Content::Unreadable(error.into()), |list| Content::MasterList(Box::new(list)))
}

fn inside(outer: &str, inner: &str) -> String {
    if outer.is_empty() { inner.to_owned() } else { format!("{outer}: {inner}") }
}

/// A name from a hostile file: short, and without control characters.
fn printable(name: &str) -> String {
    name.chars().take(200).flat_map(char::escape_debug).collect()
}
