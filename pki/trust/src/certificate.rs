//! X.509 certificates as 9303-12 §7 profiles them, with the bytes they were received in.
//!
//! ```text
//! Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm AlgorithmIdentifier, signatureValue BIT STRING }
//! ```

use iso7816::tlv::{self, Reader, TlvError};
use jiff::Timestamp;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate, X509Extension};
use x509_parser::time::ASN1Time;

use crate::der::{self, oid};
use crate::name::Name;
use crate::public_key::{PublicKey, PublicKeyError};
use crate::signature::{SignatureAlgorithm, SignatureError};

/// The largest certificate that is read, in bytes.
pub const MAX_CERTIFICATE: usize = 64 * 1024;

/// A certificate that could be read; nothing is said yet about who signed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    raw: Vec<u8>,
    to_be_signed: Vec<u8>,
    algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
    serial: Vec<u8>,
    issuer: Name,
    subject: Name,
    not_before: Timestamp,
    not_after: Timestamp,
    public_key: PublicKey,
    extensions: Extensions,
}

/// What the extensions say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Extensions {
    /// Key identifier of the issuer.
    pub authority_key_identifier: Option<Vec<u8>>,
    /// Key identifier of the subject.
    pub subject_key_identifier: Option<Vec<u8>>,
    /// Key usage.
    pub key_usage: Option<KeyUsage>,
    /// Basic constraints.
    pub basic_constraints: Option<BasicConstraints>,
    /// When the private key may sign.
    pub private_key_usage: Option<PrivateKeyUsage>,
    /// Codes of the documents this signer may sign (9303-12 §7.1.1.6), as in the MRZ.
    pub document_types: Option<Vec<String>>,
    /// Whether an extended key usage is present.
    pub has_extended_key_usage: bool,
    /// The ICAO code of the state, from subjectAltName.
    pub subject_state: Option<String>,
    /// The ICAO code of the state, from issuerAltName.
    pub issuer_state: Option<String>,
    /// Where revocation lists are published.
    pub distribution_points: Vec<String>,
    /// Critical extensions that are not understood, as dotted identifiers.
    pub unknown_critical: Vec<String>,
}

/// The key usage bits that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyUsage {
    /// All bits, first bit lowest, as x509-parser gives them.
    pub flags: u16,
    /// Whether the extension is critical.
    pub critical: bool,
}

impl KeyUsage {
    const DIGITAL_SIGNATURE: u16 = 1;
    const KEY_CERT_SIGN: u16 = 1 << 5;
    const CRL_SIGN: u16 = 1 << 6;

    /// May sign data.
    pub fn digital_signature(self) -> bool {
        self.flags & Self::DIGITAL_SIGNATURE != 0
    }

    /// May sign data and nothing else.
    pub fn only_digital_signature(self) -> bool {
        self.flags == Self::DIGITAL_SIGNATURE
    }

    /// May sign certificates.
    pub fn key_cert_sign(self) -> bool {
        self.flags & Self::KEY_CERT_SIGN != 0
    }

    /// May sign revocation lists.
    pub fn crl_sign(self) -> bool {
        self.flags & Self::CRL_SIGN != 0
    }
}

/// Basic constraints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BasicConstraints {
    /// Whether the subject is an authority.
    pub ca: bool,
    /// How many authorities may follow.
    pub path_length: Option<u32>,
}

/// PrivateKeyUsagePeriod ::= SEQUENCE { notBefore [0] GeneralizedTime OPTIONAL, notAfter [1] GeneralizedTime OPTIONAL }
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrivateKeyUsage {
    /// First moment.
    pub not_before: Option<Timestamp>,
    /// Last moment.
    pub not_after: Option<Timestamp>,
}

impl PrivateKeyUsage {
    /// Whether the key may sign at this moment.
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.not_before.is_none_or(|start| start <= moment) && self.not_after.is_none_or(|end| moment <= end)
    }
}

/// Why bytes are not a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// More bytes than any real certificate has.
    #[error("certificate of {0} bytes: larger than 64 KiB")]
    TooLarge(usize),
    /// Not data objects, or bytes after the certificate.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// The structure is not X.509.
    #[error("not an X.509 certificate: {0}")]
    Structure(String),
    /// The algorithm inside and outside the signed part differ.
    #[error("the signature algorithm differs inside and outside the signed part")]
    AlgorithmMismatch,
    /// The signature algorithm is not acceptable.
    #[error(transparent)]
    Algorithm(SignatureError),
    /// The public key is not acceptable.
    #[error(transparent)]
    PublicKey(#[from] PublicKeyError),
    /// An extension appears twice.
    #[error("an extension appears twice")]
    DuplicateExtension,
    /// An extension cannot be read.
    #[error("extension {0} cannot be read")]
    Extension(String),
    /// A date is out of range.
    #[error("a date of the certificate is out of range")]
    Date,
    /// The text is not PEM.
    #[error("not a PEM file with a certificate")]
    Pem,
}

impl Certificate {
    /// Reads one DER certificate.
    ///
    /// # Errors
    /// When the bytes are not exactly one certificate with an acceptable key and algorithm.
    pub fn from_der(raw: &[u8]) -> Result<Self, CertificateError> {
        if raw.len() > MAX_CERTIFICATE {
            return Err(CertificateError::TooLarge(raw.len()));
        }
        let signed = Signed::split(raw)?;
        let (rest, parsed) =
            X509Certificate::from_der(raw).map_err(|error| CertificateError::Structure(error.to_string()))?;
        if !rest.is_empty() {
            return Err(TlvError::Trailing { count: rest.len() }.into());
        }
        if inner_algorithm(signed.to_be_signed)? != signed.algorithm {
            return Err(CertificateError::AlgorithmMismatch);
        }
        let algorithm = SignatureAlgorithm::from_der(signed.algorithm, None).map_err(CertificateError::Algorithm)?;
        let extensions = parsed.extensions_map().map_err(|_| CertificateError::DuplicateExtension)?;
        let extensions = Extensions::read(extensions.into_values())?;
        Ok(Certificate {
            raw: raw.to_vec(),
            to_be_signed: signed.to_be_signed.to_vec(),
            algorithm,
            signature: signed.signature.to_vec(),
            serial: parsed.raw_serial().to_vec(),
            issuer: Name::from_der(parsed.issuer().as_raw()),
            subject: Name::from_der(parsed.subject().as_raw()),
            not_before: timestamp(parsed.validity().not_before)?,
            not_after: timestamp(parsed.validity().not_after)?,
            public_key: PublicKey::from_spki(parsed.public_key().raw)?,
            extensions,
        })
    }

    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// When it is no PEM or no acceptable certificate.
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(text).map_err(|_| CertificateError::Pem)?;
        Self::from_der(&pem.contents)
    }

    /// The bytes as received.
    pub fn der(&self) -> &[u8] {
        &self.raw
    }

    /// SHA-256 of the bytes.
    pub fn fingerprint(&self) -> [u8; 32] {
        openssl::sha::sha256(&self.raw)
    }

    /// The serial number's content bytes.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Who signed it.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// Whose key it holds.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// First moment of validity.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Last moment of validity.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// How it was signed.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// What its extensions say.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The subject key identifier, computed by SHA-1 when the extension is missing.
    pub fn key_identifier(&self) -> Vec<u8> {
        self.extensions.subject_key_identifier.clone().unwrap_or_else(|| self.public_key.key_identifier())
    }

    /// Issuer and subject are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Checks that `issuer` made the signature; no rule of the chain is judged.
    ///
    /// # Errors
    /// When the signature does not verify.
    pub fn verify_signature(&self, issuer: &PublicKey) -> Result<(), SignatureError> {
        self.algorithm.verify(issuer, &self.to_be_signed, &self.signature)
    }
}

/// The three parts of `SIGNED { ... }` (X.509), borrowed; of certificates and revocation lists alike.
pub(crate) struct Signed<'a> {
    /// The signed bytes, tag included.
    pub to_be_signed: &'a [u8],
    /// The AlgorithmIdentifier, tag included.
    pub algorithm: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> Signed<'a> {
    pub(crate) fn split(raw: &'a [u8]) -> Result<Self, TlvError> {
        let mut reader = Reader::new(tlv::sole(raw, der::SEQUENCE)?);
        let mut sequence = || match reader.next()? {
            Some(tlv) if tlv.tag == der::SEQUENCE => Ok(tlv.raw),
            Some(tlv) => Err(TlvError::Unexpected { expected: der::SEQUENCE, found: tlv.tag }),
            None => Err(TlvError::Missing { tag: der::SEQUENCE }),
        };
        let (to_be_signed, algorithm) = (sequence()?, sequence()?);
        let signature = reader.expect(der::BIT_STRING)?;
        reader.end()?;
        let signature = der::whole_bits(signature).ok_or(TlvError::Missing { tag: der::BIT_STRING })?;
        Ok(Signed { to_be_signed, algorithm, signature })
    }
}

fn inner_algorithm(to_be_signed: &[u8]) -> Result<&[u8], TlvError> {
    let mut reader = Reader::new(tlv::sole(to_be_signed, der::SEQUENCE)?);
    reader.optional(der::context_constructed(0))?;
    reader.expect(der::INTEGER)?;
    reader.next()?.map(|tlv| tlv.raw).ok_or(TlvError::Missing { tag: der::SEQUENCE })
}

pub(crate) fn timestamp(time: ASN1Time) -> Result<Timestamp, CertificateError> {
    Timestamp::from_second(time.timestamp()).map_err(|_| CertificateError::Date)
}

impl Extensions {
    fn read<'a>(all: impl Iterator<Item = &'a X509Extension<'a>>) -> Result<Self, CertificateError> {
        let mut read = Extensions::default();
        for extension in all {
            read.take(extension)?;
        }
        Ok(read)
    }

    fn take(&mut self, extension: &X509Extension<'_>) -> Result<(), CertificateError> {
        let unreadable = || CertificateError::Extension(extension.oid.to_id_string());
        match (extension.oid.as_bytes(), extension.parsed_extension()) {
            (oid::PRIVATE_KEY_USAGE_PERIOD, _) => {
                self.private_key_usage = Some(private_key_usage(extension.value).ok_or_else(unreadable)?);
            }
            (oid::DOCUMENT_TYPE_LIST, _) => {
                self.document_types = Some(document_types(extension.value).ok_or_else(unreadable)?);
            }
            (_, ParsedExtension::ParseError { .. }) => return Err(unreadable()),
            (_, ParsedExtension::AuthorityKeyIdentifier(identifier)) => {
                self.authority_key_identifier = identifier.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            (_, ParsedExtension::SubjectKeyIdentifier(identifier)) => {
                self.subject_key_identifier = Some(identifier.0.to_vec());
            }
            (_, ParsedExtension::KeyUsage(usage)) => {
                self.key_usage = Some(KeyUsage { flags: usage.flags, critical: extension.critical });
            }
            (_, ParsedExtension::BasicConstraints(constraints)) => {
                let (ca, path_length) = (constraints.ca, constraints.path_len_constraint);
                self.basic_constraints = Some(BasicConstraints { ca, path_length });
            }
            (_, ParsedExtension::SubjectAlternativeName(names)) => {
                self.subject_state = locality(&names.general_names);
            }
            (_, ParsedExtension::IssuerAlternativeName(names)) => {
                self.issuer_state = locality(&names.general_names);
            }
            (_, ParsedExtension::CRLDistributionPoints(_)) => {
                self.distribution_points = distribution_points(extension.value);
            }
            (_, ParsedExtension::ExtendedKeyUsage(_)) => self.has_extended_key_usage = true,
            _ if extension.critical => self.unknown_critical.push(extension.oid.to_id_string()),
            _ => {}
        }
        Ok(())
    }
}

fn locality(names: &[GeneralName<'_>]) -> Option<String> {
    names.iter().find_map(|name| match name {
        GeneralName::DirectoryName(name) => Name::from_der(name.as_raw()).locality().map(str::to_owned),
        _ => None,
    })
}

fn private_key_usage(value: &[u8]) -> Option<PrivateKeyUsage> {
    let mut reader = Reader::new(tlv::sole(value, der::SEQUENCE).ok()?);
    let mut moment = |number| match reader.optional(der::context(number)) {
        Ok(Some(text)) => der::generalized_time(text).map(Some),
        Ok(None) => Some(None),
        Err(_) => None,
    };
    let usage = PrivateKeyUsage { not_before: moment(0)?, not_after: moment(1)? };
    reader.end().ok()?;
    Some(usage)
}

/// DocumentTypeListSyntax ::= SEQUENCE { version INTEGER (0), docTypeList SET OF PrintableString (SIZE (1..2)) }
fn document_types(value: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::new(tlv::sole(value, der::SEQUENCE).ok()?);
    reader.expect(der::INTEGER).ok()?;
    let mut set = Reader::new(reader.expect(der::SET).ok()?);
    let mut types = Vec::new();
    while let Some(item) = set.next().ok()? {
        let text = std::str::from_utf8(item.value).ok()?;
        let letters = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'<');
        if item.tag != der::PRINTABLE_STRING || !matches!(text.len(), 1..=2) || !letters {
            return None;
        }
        types.push(text.to_owned());
    }
    Some(types)
}

/// Every URI of `SEQUENCE OF SEQUENCE { distributionPoint [0] { fullName [0] { uniformResourceIdentifier [6] } } }`.
fn distribution_points(value: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut points = Reader::new(tlv::sole(value, der::SEQUENCE).unwrap_or_default());
    while let Ok(Some(point)) = points.next() {
        let name = tlv::find(point.value, der::context_constructed(0)).ok().flatten().unwrap_or_default();
        let full = tlv::find(name, der::context_constructed(0)).ok().flatten().unwrap_or_default();
        let mut names = Reader::new(full);
        while let Ok(Some(name)) = names.next() {
            if name.tag == der::context(6) {
                found.push(String::from_utf8_lossy(name.value).into_owned());
            }
        }
    }
    found
}
