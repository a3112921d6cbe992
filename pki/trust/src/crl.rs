//! Certificate revocation lists (9303-12 §7, RFC 5280 §5).
//!
//! A CSCA's list is whole, by 9303-12. A CA with many certificates, such as one for citizens, may have a list for each part of them, which says so
//! in a critical extension (RFC 5280 §5.2.5): [`Crl::part_from_der`] reads that too, and [`Crl::covers`] says which certificates it is about.
//!
//! ```text
//! issuingDistributionPoint ::= SEQUENCE { distributionPoint [0] { fullName [0] { uniformResourceIdentifier [6] .. } } OPTIONAL,
//!                                         onlyContainsUserCerts [1] BOOLEAN DEFAULT FALSE, .. }
//! ```

use std::collections::BTreeMap;

use iso7816::tlv::{self, Reader, Tag, TlvError};
use jiff::Timestamp;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Version};

use crate::certificate::{Certificate, CertificateError, timestamp};
use crate::der;
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
    /// CRLReason of the entries that say it.
    reasons: BTreeMap<Vec<u8>, u8>,
    /// Where this part is published; `None` for a whole list.
    part: Option<Vec<String>>,
}

/// Which lists are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Whole ones.
    Whole,
    /// Parts too.
    Part,
}

/// `issuingDistributionPoint`, 2.5.29.28.
const ISSUING_DISTRIBUTION_POINT: &str = "2.5.29.28";
/// `onlyContainsUserCerts [1]`: says nothing to the user's certificates.
const ONLY_USERS: Tag = Tag(0x81);
/// `certificateHold`: the only reason that can end.
const HOLD: u8 = 6;

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
    /// The text is not PEM.
    #[error("not a PEM file with a revocation list")]
    Pem,
}

impl Crl {
    /// Reads one DER revocation list.
    ///
    /// # Errors
    /// When the bytes are not exactly one complete revocation list.
    pub fn from_der(raw: &[u8]) -> Result<Self, CrlError> {
        Self::read(raw, Scope::Whole)
    }

    /// Reads one DER revocation list that may be about a part of its issuer's certificates: [`Crl::covers`] says which. Lists for some
    /// reasons only, for certificates of others, and delta lists are refused.
    ///
    /// # Errors
    /// When the bytes are not exactly one such list.
    pub fn part_from_der(raw: &[u8]) -> Result<Self, CrlError> {
        Self::read(raw, Scope::Part)
    }

    /// The same from the first list of a PEM text.
    ///
    /// # Errors
    /// When it is no PEM, or no such list.
    pub fn part_from_pem(text: &[u8]) -> Result<Self, CrlError> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(text).map_err(|_| CrlError::Pem)?;
        Self::part_from_der(&pem.contents)
    }

    fn read(raw: &[u8], scope: Scope) -> Result<Self, CrlError> {
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
            reasons: BTreeMap::new(),
            part: None,
        };
        crl.take_extensions(&parsed, scope)?;
        for entry in parsed.iter_revoked_certificates() {
            if let Some((_, reason)) = entry.reason_code() {
                crl.reasons.insert(entry.raw_serial().to_vec(), reason.0);
            }
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

    /// Whether it is about this certificate: of its issuer, and of its part where the list is one.
    pub fn covers(&self, certificate: &Certificate) -> bool {
        let points = &certificate.extensions().distribution_points;
        let of_part = |part: &Vec<String>| part.iter().any(|point| points.contains(point));
        self.speaks_of(certificate.issuer()) && self.part.as_ref().is_none_or(of_part)
    }

    /// Why the certificate with this serial number was revoked, where the list says it (RFC 5280 §5.3.1).
    pub fn reason(&self, serial: &[u8]) -> Option<&'static str> {
        Some(match self.reasons.get(serial)? {
            1 => "key compromise",
            2 => "CA compromise",
            3 => "affiliation changed",
            4 => "superseded",
            5 => "cessation of operation",
            6 => "on hold",
            9 => "privilege withdrawn",
            10 => "attribute authority compromise",
            _ => return None,
        })
    }

    /// Whether the certificate with this serial number is only held back: a later list may leave it out again.
    pub fn is_held(&self, serial: &[u8]) -> bool {
        self.reasons.get(serial) == Some(&HOLD)
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

    fn take_extensions(&mut self, parsed: &CertificateRevocationList<'_>, scope: Scope) -> Result<(), CrlError> {
        let extensions = parsed.tbs_cert_list.extensions_map().map_err(|_| CrlError::Extension)?;
        for extension in extensions.into_values() {
            let id = extension.oid.to_id_string();
            if scope == Scope::Part && id == ISSUING_DISTRIBUTION_POINT {
                self.part = part(extension.value).ok_or(CrlError::Critical(id))?;
                continue;
            }
            // Critical by RFC 5280 §5.2.4; what is not whole must never pass for it.
            if extension.oid.as_bytes() == der::oid::DELTA_CRL_INDICATOR {
                return Err(CrlError::Critical(extension.oid.to_id_string()));
            }
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

/// Where a part of a list is published: nowhere in particular is everything; `None` for a part of another kind.
fn part(value: &[u8]) -> Option<Option<Vec<String>>> {
    let mut points = None;
    let mut elements = Reader::new(tlv::sole(value, der::SEQUENCE).ok()?);
    while let Some(element) = elements.next().ok()? {
        match element.tag {
            tag if tag == der::context_constructed(0) && points.is_none() => {
                let mut names = Reader::new(tlv::sole(element.value, der::context_constructed(0)).ok()?);
                let mut found = Vec::new();
                while let Some(name) = names.next().ok()? {
                    if name.tag == der::context(6) {
                        found.push(String::from_utf8(name.value.to_vec()).ok()?);
                    }
                }
                points = Some(found);
            }
            ONLY_USERS if matches!(element.value, [0x00 | 0xFF]) => {}
            _ => return None,
        }
    }
    Some(points)
}

fn date(time: x509_parser::time::ASN1Time) -> Result<Timestamp, CrlError> {
    timestamp(time).map_err(|_: CertificateError| CrlError::Date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_known_kind_are_read_and_others_refused() {
        let of = |text: &str| part(&hex::decode(text).unwrap());
        assert_eq!(of("3000"), Some(None), "everything");
        assert_eq!(of("30038101ff"), Some(None), "of users");
        assert_eq!(of("3007a005a003860161"), Some(Some(vec!["a".to_owned()])));
        assert_eq!(of("300aa005a0038601618101ff"), Some(Some(vec!["a".to_owned()])));
        for bad in [
            "",
            "30038201ff",         // of authorities
            "300483020780",       // for some reasons
            "30038401ff",         // of other issuers
            "30038501ff",         // of attributes
            "3007a005a103860161", // a relative name
            "30038101",
            "300ea005a003860161a005a003860161",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
