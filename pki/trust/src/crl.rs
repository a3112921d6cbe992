//! Certificate revocation lists (9303-12 §7, RFC 5280 §5).

use std::collections::BTreeMap;

use iso7816::tlv::TlvError;
use jiff::Timestamp;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Version};

use crate::certificate::{CertificateError, timestamp};
use crate::name::Name;
use crate::public_key::PublicKey;
use crate::signature::{SignatureAlgorithm, SignatureError};
use crate::signed::Signed;

/// The largest revocation list that is read, in bytes.
pub const MAX_CRL: usize = 16 * 1024 * 1024;

/// A revocation list that could be read; nothing is said yet about who signed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crl {
    raw: Vec<u8>,
    to_be_signed: Vec<u8>,
    algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
    issuer: Name,
    issuer_alternatives: Vec<Name>,
    this_update: Timestamp,
    next_update: Timestamp,
    authority_key_identifier: Option<Vec<u8>>,
    number: Option<Vec<u8>>,
    entries: BTreeMap<Vec<u8>, Timestamp>,
}

/// Why bytes are not a revocation list that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    /// More bytes than any real list has.
    #[error("revocation list of {0} bytes: larger than 16 MiB")]
    TooLarge(usize),
    /// Not data objects, or bytes after the list.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// The structure is not X.509.
    #[error("not a version 2 X.509 revocation list: {0}")]
    Structure(String),
    /// The algorithm inside and outside the signed part differ.
    #[error("the signature algorithm differs inside and outside the signed part")]
    AlgorithmMismatch,
    /// The signature algorithm is not acceptable.
    #[error(transparent)]
    Algorithm(#[from] SignatureError),
    /// A date is missing or out of range.
    #[error("the date of this or the next update is missing or out of range")]
    Date,
    /// A delta list, a partial list or another kind that 9303-12 forbids.
    #[error("critical extension {0}: the list may not be complete")]
    Critical(String),
    /// An extension cannot be read or appears twice.
    #[error("an extension of the revocation list cannot be read, or appears twice")]
    Extension,
}

impl Crl {
    /// Reads one DER revocation list.
    ///
    /// # Errors
    /// When the bytes are not exactly one complete revocation list.
    pub fn from_der(raw: &[u8]) -> Result<Self, CrlError> {
        if raw.len() > MAX_CRL {
            return Err(CrlError::TooLarge(raw.len()));
        }
        let signed = Signed::split(raw)?;
        let (rest, parsed) =
            CertificateRevocationList::from_der(raw).map_err(|error| CrlError::Structure(error.to_string()))?;
        if !rest.is_empty() {
            return Err(TlvError::Trailing { count: rest.len() }.into());
        }
        if parsed.version() != Some(X509Version::V2) {
            return Err(CrlError::Structure("the version is not 2".to_owned()));
        }
        if signed.algorithm_of_list()? != signed.algorithm {
            return Err(CrlError::AlgorithmMismatch);
        }
        let next_update = parsed.next_update().ok_or(CrlError::Date)?;
        let mut crl = Crl {
            raw: raw.to_vec(),
            to_be_signed: signed.to_be_signed.to_vec(),
            algorithm: SignatureAlgorithm::from_der(signed.algorithm, None)?,
            signature: signed.signature.to_vec(),
            issuer: Name::from_der(parsed.issuer().as_raw()),
            issuer_alternatives: Vec::new(),
            this_update: date(parsed.last_update())?,
            next_update: date(next_update)?,
            authority_key_identifier: None,
            number: None,
            entries: BTreeMap::new(),
        };
        crl.take_extensions(&parsed)?;
        for entry in parsed.iter_revoked_certificates() {
            crl.entries.insert(entry.raw_serial().to_vec(), date(entry.revocation_date)?);
        }
        Ok(crl)
    }

    /// The bytes as received.
    pub fn der(&self) -> &[u8] {
        &self.raw
    }

    /// Who issued it.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// Other names of who issued it (issuerAltName): after a name change the former one (9303-12 Appendix D.3).
    pub fn issuer_alternatives(&self) -> &[Name] {
        &self.issuer_alternatives
    }

    /// Whether it is about certificates that have this issuer.
    pub fn speaks_of(&self, issuer: &Name) -> bool {
        std::iter::once(&self.issuer).chain(&self.issuer_alternatives).any(|name| name.matches(issuer))
    }

    /// When it was made.
    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When the next one is due: after this moment the list is stale.
    pub fn next_update(&self) -> Timestamp {
        self.next_update
    }

    /// Key identifier of the issuer.
    pub fn authority_key_identifier(&self) -> Option<&[u8]> {
        self.authority_key_identifier.as_deref()
    }

    /// The list's number, big endian without leading zeros.
    pub fn number(&self) -> Option<&[u8]> {
        self.number.as_deref()
    }

    /// How many certificates are revoked.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no certificate is revoked.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Serial numbers (content bytes) of the revoked certificates, and since when.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], Timestamp)> {
        self.entries.iter().map(|(serial, since)| (serial.as_slice(), *since))
    }

    /// When the certificate with this serial number (content bytes) was revoked.
    pub fn revoked_since(&self, serial: &[u8]) -> Option<Timestamp> {
        self.entries.get(serial).copied()
    }

    /// How it was signed.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Checks that this key made the signature.
    ///
    /// # Errors
    /// When the signature does not verify.
    pub fn verify_signature(&self, issuer: &PublicKey) -> Result<(), SignatureError> {
        self.algorithm.verify(issuer, &self.to_be_signed, &self.signature)
    }

    fn take_extensions(&mut self, parsed: &CertificateRevocationList<'_>) -> Result<(), CrlError> {
        let extensions = parsed.tbs_cert_list.extensions_map().map_err(|_| CrlError::Extension)?;
        for extension in extensions.into_values() {
            match extension.parsed_extension() {
                ParsedExtension::ParseError { .. } => return Err(CrlError::Extension),
                ParsedExtension::AuthorityKeyIdentifier(identifier) => {
                    self.authority_key_identifier = identifier.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::IssuerAlternativeName(names) => {
                    let directory = names.general_names.iter().filter_map(|name| match name {
                        GeneralName::DirectoryName(name) => Some(Name::from_der(name.as_raw())),
                        _ => None,
                    });
                    self.issuer_alternatives = directory.collect();
                }
                ParsedExtension::CRLNumber(number) => self.number = Some(number.to_bytes_be()),
                _ if extension.critical => return Err(CrlError::Critical(extension.oid.to_id_string())),
                _ => {}
            }
        }
        // A critical extension of an entry could mean that the entry belongs to another issuer.
        for entry in parsed.iter_revoked_certificates() {
            if let Some(extension) = entry.iter_extensions().find(|extension| extension.critical) {
                return Err(CrlError::Critical(extension.oid.to_id_string()));
            }
        }
        Ok(())
    }
}

fn date(time: x509_parser::time::ASN1Time) -> Result<Timestamp, CrlError> {
    timestamp(time).map_err(|_: CertificateError| CrlError::Date)
}
