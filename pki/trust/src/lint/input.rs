//! The objects in a file: DER, PEM, or the data object 77 of EF.SOD.

use iso7816::tlv::{self, Reader, Tag};

use super::raw::{RawSigned, master_list};
use super::rules::oids;

/// The largest file that is read, in bytes.
const MAX_FILE: usize = 16 * 1024 * 1024;
/// The most objects of one PEM file that are read.
const MAX_OBJECTS: usize = 4096;
const EF_SOD: Tag = Tag(0x77);
const CV_CERTIFICATE: [u8; 2] = [0x7F, 0x21];

/// Why a file holds nothing to look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// More bytes than any real file has.
    #[error("{0} bytes: larger than 16 MiB")]
    TooLarge(usize),
    /// The PEM text is damaged.
    #[error("the PEM text is damaged")]
    Pem,
    /// Nothing that has rules.
    #[error("neither a certificate, a revocation list nor signed data")]
    Unknown,
}

/// The DER objects of a file: each object of a PEM text or of a chain of card-verifiable certificates, the content of EF.SOD, or
/// the bytes themselves.
///
/// # Errors
/// When the file is too large, its PEM is damaged, or it is empty.
pub fn objects(file: &[u8]) -> Result<Vec<Vec<u8>>, InputError> {
    if file.len() > MAX_FILE {
        return Err(InputError::TooLarge(file.len()));
    }
    if file.windows(11).take(4096).any(|window| window == b"-----BEGIN ") {
        let mut found = Vec::new();
        for pem in x509_parser::pem::Pem::iter_from_buffer(file).take(MAX_OBJECTS) {
            found.push(pem.map_err(|_| InputError::Pem)?.contents);
        }
        return if found.is_empty() { Err(InputError::Pem) } else { Ok(found) };
    }
    if file.starts_with(&CV_CERTIFICATE) {
        return Ok(cv_certificates(file));
    }
    match tlv::sole(file, EF_SOD) {
        Ok(content) => Ok(vec![content.to_vec()]),
        Err(_) if file.is_empty() => Err(InputError::Unknown),
        Err(_) => Ok(vec![file.to_vec()]),
    }
}

/// Card-verifiable certificates as they follow each other in a chain; the rest as one object where it is none.
fn cv_certificates(file: &[u8]) -> Vec<Vec<u8>> {
    let (mut found, mut rest) = (Vec::new(), file);
    while !rest.is_empty() && found.len() < MAX_OBJECTS {
        let length = match Reader::new(rest).next() {
            Ok(Some(object)) if rest.starts_with(&CV_CERTIFICATE) => object.raw.len(),
            _ => rest.len(),
        };
        let (object, more) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        found.push(object.to_vec());
        rest = more;
    }
    found
}

/// The certificates inside signed data: those that came along, and those of a master list. Empty for anything else.
pub fn contained(der: &[u8]) -> Vec<Vec<u8>> {
    let Ok(signed) = RawSigned::read(der) else { return Vec::new() };
    let listed = signed.content.filter(|_| signed.content_type == oids::MASTER_LIST).and_then(master_list);
    let listed = listed.map(|(_, certificates)| certificates).unwrap_or_default();
    let mut all: Vec<Vec<u8>> = Vec::new();
    for certificate in signed.certificates.into_iter().chain(listed) {
        if !all.iter().any(|known| known == certificate) {
            all.push(certificate.to_vec());
        }
    }
    all
}
