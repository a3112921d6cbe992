//! X.509 certificates as 9303-12 §7 profiles them, with the bytes they were received in.
//!
//! ```text
//! Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm AlgorithmIdentifier, signatureValue BIT STRING }
//! ```

use std::sync::Arc;

use iso7816::tlv::TlvError;
use jiff::Timestamp;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use crate::name::Name;
use crate::public_key::{PublicKey, PublicKeyError};
use crate::signature::{SignatureAlgorithm, SignatureError};
use crate::signed::Signed;

mod extensions;

pub use extensions::{BasicConstraints, Extensions, KeyUsage, PrivateKeyUsage};

/// The largest certificate that is read, in bytes.
pub const MAX_CERTIFICATE: usize = 64 * 1024;

/// A certificate that could be read; nothing is said yet about who signed it. Clones share what was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    inner: Arc<Inner>,
}

#[derive(PartialEq, Eq, Debug)]
struct Inner {
    raw: Vec<u8>,
    fingerprint: [u8; 32],
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
        if signed.algorithm_of_certificate()? != signed.algorithm {
            return Err(CertificateError::AlgorithmMismatch);
        }
        let algorithm = SignatureAlgorithm::from_der(signed.algorithm, None).map_err(CertificateError::Algorithm)?;
        let extensions = parsed.extensions_map().map_err(|_| CertificateError::DuplicateExtension)?;
        let extensions = Extensions::read(extensions.into_values())?;
        let inner = Inner {
            raw: raw.to_vec(),
            fingerprint: openssl::sha::sha256(raw),
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
        };
        Ok(Certificate { inner: Arc::new(inner) })
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
        &self.inner.raw
    }

    /// SHA-256 of the bytes.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.inner.fingerprint
    }

    /// The serial number's content bytes.
    pub fn serial(&self) -> &[u8] {
        &self.inner.serial
    }

    /// Who signed it.
    pub fn issuer(&self) -> &Name {
        &self.inner.issuer
    }

    /// Whose key it holds.
    pub fn subject(&self) -> &Name {
        &self.inner.subject
    }

    /// First moment of validity.
    pub fn not_before(&self) -> Timestamp {
        self.inner.not_before
    }

    /// Last moment of validity.
    pub fn not_after(&self) -> Timestamp {
        self.inner.not_after
    }

    /// The key.
    pub fn public_key(&self) -> &PublicKey {
        &self.inner.public_key
    }

    /// How it was signed.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm
    }

    /// What its extensions say.
    pub fn extensions(&self) -> &Extensions {
        &self.inner.extensions
    }

    /// The subject key identifier, computed by SHA-1 when the extension is missing.
    pub fn key_identifier(&self) -> Vec<u8> {
        self.inner.extensions.subject_key_identifier.clone().unwrap_or_else(|| self.inner.public_key.key_identifier())
    }

    /// Whether its own key made the signature: a root, whatever its names are.
    pub fn is_self_signed(&self) -> bool {
        self.verify_signature(self.public_key()).is_ok()
    }

    /// Whether it says that it belongs to an authority (basic constraints).
    pub fn is_authority(&self) -> bool {
        self.extensions().basic_constraints.is_some_and(|constraints| constraints.ca)
    }

    /// Checks that `issuer` made the signature; no rule of the chain is judged.
    ///
    /// # Errors
    /// When the signature does not verify.
    pub fn verify_signature(&self, issuer: &PublicKey) -> Result<(), SignatureError> {
        self.inner.algorithm.verify(issuer, &self.inner.to_be_signed, &self.inner.signature)
    }
}

pub(crate) fn timestamp(time: ASN1Time) -> Result<Timestamp, CertificateError> {
    Timestamp::from_second(time.timestamp()).map_err(|_| CertificateError::Date)
}
