//! The document signer: makes the signed data of EF.SOD (9303-10 §4.6.2) and of EF.CardSecurity (9303-11 §9.2.11). With a residence
//! signer it has the signature of residence records in common.
//!
//! ```text
//! ContentInfo { signedData, SignedData { version 3, { digest }, { eContentType, content }, certificates { own },
//!   { SignerInfo { version 1, issuerAndSerialNumber, digest, signedAttrs { contentType, messageDigest, signingTime }, algorithm, signature } } } }
//! ```

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use iso7816::tlv::{self, Reader, Writer, encode};
use jiff::Timestamp;
use trust::chain::Content;
use trust::der::{INTEGER, OCTET_STRING, OID, SEQUENCE, SET, context_constructed, oid};
use trust::lint::{self, Kind, Refused};
use trust::{Certificate, CertificateError, Hash, PublicKey};

use crate::files::{self, FileError};
use crate::key_store::{
    KeyError, Signer, SigningError, StoredKey, TokenAddress, UseError, WorkerError, WorkerKey, Workers,
};
use crate::passphrase::Passphrase;
use crate::x509::{explicit_spki, time};

/// Name of the certificate in a signer's directory.
pub(crate) const CERTIFICATE_FILE: &str = "certificate.der";

/// A document signer with its key, ready to sign. Everything that does not change from one signature to the next is prepared once.
pub struct DocumentSigner<K = StoredKey> {
    key: K,
    certificate: Certificate,
    hash: Hash,
    digest_algorithm: Vec<u8>,
    signature_algorithm: Vec<u8>,
    issuer_and_serial: Vec<u8>,
    /// Whether a security object of this signer was linted as a whole.
    linted: AtomicBool,
}

/// Why a signer of documents or records cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file is missing or cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key file.
    #[error("the signer's key: {0}")]
    Key(#[from] KeyError),
    /// The key, in other processes.
    #[error("the signer's key: {0}")]
    Worker(#[from] WorkerError),
    /// The certificate file.
    #[error("the signer's certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The key is not that of the certificate.
    #[error("the signer's key is not the one in its certificate")]
    Mismatch,
    /// The certificate has no end of its key's use.
    #[error("the signer's certificate states no private key usage period")]
    NoUsagePeriod,
    /// The certificate is for something else.
    #[error("it may not sign {content}: {reason}")]
    Mandate {
        /// What was to be signed.
        content: &'static str,
        /// What the certificate says against it.
        reason: String,
    },
}

/// Why a security object is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The clock is outside the private key usage period.
    #[error("the signer may sign from {from} to {to} only")]
    OutsideUsagePeriod {
        /// First moment.
        from: Timestamp,
        /// Last moment.
        to: Timestamp,
    },
    /// The key was used as often as it may be, or its uses cannot be counted.
    #[error(transparent)]
    Uses(#[from] UseError),
    /// The content departs from 9303-10.
    #[error("not a security object that may be signed: {0}")]
    Content(#[from] Refused),
    /// The content is no SET of SecurityInfo.
    #[error("not SecurityInfos of a chip")]
    SecurityInfos,
    /// The key store refused.
    #[error(transparent)]
    Key(SigningError),
}

impl From<SigningError> for SignError {
    fn from(error: SigningError) -> Self {
        match error {
            SigningError::Uses(error) => SignError::Uses(error),
            other => SignError::Key(other),
        }
    }
}

impl DocumentSigner {
    /// Loads a signer's directory: its certificate, and its key wherever `key.json` says that it is. The secret is the
    /// passphrase of the key file, or the PIN of the token.
    ///
    /// # Errors
    /// When a file is missing, the secret is wrong, or key and certificate do not belong together.
    pub fn load(directory: &Path, passphrase: &Passphrase) -> Result<Self, LoadError> {
        Self::open(directory, passphrase, Content::SecurityObject)
    }

    /// The key is not opened when its certificate does not let it sign this content.
    fn open(directory: &Path, passphrase: &Passphrase, content: Content) -> Result<Self, LoadError> {
        let certificate = Certificate::from_der(&files::read(&directory.join(CERTIFICATE_FILE))?)?;
        within_mandate(content, &certificate)?;
        Self::assemble(StoredKey::open(directory, passphrase)?, certificate)
    }

    /// The token that the key of a signer's directory is in; `None` for a file.
    ///
    /// # Errors
    /// When the record of the key cannot be read.
    pub fn token(directory: &Path) -> Result<Option<TokenAddress>, LoadError> {
        Ok(StoredKey::token(directory)?)
    }
}

impl DocumentSigner<WorkerKey> {
    /// Loads a signer's directory as [`DocumentSigner::load`] does; its key is opened and used by workers.
    ///
    /// # Errors
    /// As there, and when a worker cannot be started.
    pub fn load_with_workers(directory: &Path, secret: Passphrase, workers: Workers) -> Result<Self, LoadError> {
        let certificate = Certificate::from_der(&files::read(&directory.join(CERTIFICATE_FILE))?)?;
        within_mandate(Content::SecurityObject, &certificate)?;
        Self::assemble(WorkerKey::start(workers, directory, secret)?, certificate)
    }
}

impl<K: Signer> DocumentSigner<K> {
    /// A signer from a key and its certificate.
    ///
    /// # Errors
    /// When they do not belong together, or the certificate does not limit the key's use, or is not that of a document signer.
    pub fn new(key: K, certificate: Certificate) -> Result<Self, LoadError> {
        within_mandate(Content::SecurityObject, &certificate)?;
        Self::assemble(key, certificate)
    }

    fn assemble(key: K, certificate: Certificate) -> Result<Self, LoadError> {
        let own = explicit_spki(&key).map_err(KeyError::Library)?;
        let same = PublicKey::from_spki(&own).is_ok_and(|own| {
            own.kind() == certificate.public_key().kind()
                && own.key_identifier() == certificate.public_key().key_identifier()
        });
        if !same {
            return Err(LoadError::Mismatch);
        }
        if certificate.extensions().private_key_usage.is_none_or(|usage| usage.not_after.is_none()) {
            return Err(LoadError::NoUsagePeriod);
        }
        let mut issuer_and_serial = Writer::new();
        issuer_and_serial.nest(SEQUENCE, |sid| {
            sid.raw(certificate.issuer().der()).put(INTEGER, certificate.serial());
        });
        Ok(DocumentSigner {
            hash: key.algorithm().hash(),
            digest_algorithm: key.algorithm().digest_identifier(),
            signature_algorithm: key.algorithm().signature_identifier(),
            issuer_and_serial: issuer_and_serial.finish(),
            key,
            certificate,
            linted: AtomicBool::new(false),
        })
    }

    /// The hash that fits the key: of the data groups as well as of what is signed.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The signer's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// When the key may sign: first and last moment.
    pub fn usage_period(&self) -> (Timestamp, Timestamp) {
        let usage = self.certificate.extensions().private_key_usage;
        let from = usage.and_then(|usage| usage.not_before).unwrap_or(self.certificate.not_before());
        let to = usage.and_then(|usage| usage.not_after).unwrap_or(self.certificate.not_after());
        (from, to)
    }

    /// Signs an LDSSecurityObject (tag 30 included) now; the result is the CMS ContentInfo for EF.SOD.
    ///
    /// # Errors
    /// When the clock is outside the private key usage period, the content departs from 9303-10, the key was used as often
    /// as it may be, or the key store refuses.
    pub fn sign_security_object(&self, lds_security_object: &[u8]) -> Result<Vec<u8>, SignError> {
        self.sign_security_object_at(lds_security_object, Timestamp::now())
    }

    /// The same at a given moment, which becomes the signing time.
    ///
    /// # Errors
    /// As [`DocumentSigner::sign_security_object`].
    pub fn sign_security_object_at(&self, content: &[u8], now: Timestamp) -> Result<Vec<u8>, SignError> {
        lint::security_object_content(content)?;
        let signed = self.sign(oid::LDS_SECURITY_OBJECT, content, true, now)?;
        // Signed data and certificate are those of every document to come; what differs was asked above.
        if !self.linted.load(Ordering::Relaxed) {
            lint::accept(&signed, Kind::SecurityObject)?;
            self.linted.store(true, Ordering::Relaxed);
        }
        Ok(signed)
    }

    /// Signs a record that stands outside the security object, such as a residence record, now; the result is a CMS ContentInfo
    /// of the type id-data without the record in it (RFC 5652 §5.2).
    ///
    /// # Errors
    /// When the clock is outside the private key usage period, or the key store refuses.
    pub fn sign_record(&self, record: &[u8]) -> Result<Vec<u8>, SignError> {
        self.sign_record_at(record, Timestamp::now())
    }

    /// The same at a given time.
    ///
    /// # Errors
    /// As [`DocumentSigner::sign_record`].
    pub fn sign_record_at(&self, record: &[u8], now: Timestamp) -> Result<Vec<u8>, SignError> {
        self.sign(oid::DATA, record, false, now)
    }

    /// Signs the SecurityInfos (tag 31 included) of a chip now; the result is EF.CardSecurity.
    ///
    /// # Errors
    /// When the clock is outside the private key usage period, the content is not a SET, the key was used as often as it may be,
    /// or the key store refuses.
    pub fn sign_card_security(&self, security_infos: &[u8]) -> Result<Vec<u8>, SignError> {
        self.sign_card_security_at(security_infos, Timestamp::now())
    }

    /// The same at a given moment, which becomes the signing time.
    ///
    /// # Errors
    /// As [`DocumentSigner::sign_card_security`].
    pub fn sign_card_security_at(&self, security_infos: &[u8], now: Timestamp) -> Result<Vec<u8>, SignError> {
        let infos = tlv::sole(security_infos, SET).ok().filter(|infos| !infos.is_empty());
        let mut infos = Reader::new(infos.ok_or(SignError::SecurityInfos)?);
        while !infos.is_empty() {
            infos.expect(SEQUENCE).map_err(|_| SignError::SecurityInfos)?;
        }
        self.sign(oid::SECURITY_OBJECT, security_infos, true, now)
    }

    /// Signs a content of this type, which stands in the signed data when it is enclosed.
    fn sign(&self, content_type: &[u8], content: &[u8], enclosed: bool, now: Timestamp) -> Result<Vec<u8>, SignError> {
        let (from, to) = self.usage_period();
        if now < from || now > to {
            return Err(SignError::OutsideUsagePeriod { from, to });
        }
        let attributes = self.signed_attributes(content_type, content, now);
        let signature = self.key.sign(&encode(SET, &attributes))?;
        Ok(self.content_info(content_type, enclosed.then_some(content), &attributes, &signature))
    }

    /// The attributes in DER order, without the tag around them.
    fn signed_attributes(&self, content_type: &[u8], content: &[u8], now: Timestamp) -> Vec<u8> {
        let mut attributes = Writer::with_capacity(160);
        // DER sorts a SET OF by its bytes, and the shortest of these begin with the smallest.
        attribute(&mut attributes, oid::CONTENT_TYPE, &encode(OID, content_type));
        attribute(&mut attributes, oid::SIGNING_TIME, &time(now));
        attribute(&mut attributes, oid::MESSAGE_DIGEST, &encode(OCTET_STRING, self.hash.digest(content)));
        attributes.finish()
    }

    fn content_info(
        &self,
        content_type: &[u8],
        content: Option<&[u8]>,
        attributes: &[u8],
        signature: &[u8],
    ) -> Vec<u8> {
        let mut info = Writer::with_capacity(content.map_or(0, <[u8]>::len) + self.certificate.der().len() + 512);
        info.nest(SEQUENCE, |info| {
            info.put(OID, oid::SIGNED_DATA).nest(context_constructed(0), |tagged| {
                tagged.nest(SEQUENCE, |data| self.signed_data(data, (content_type, content), attributes, signature));
            });
        });
        info.finish()
    }

    fn signed_data(
        &self,
        data: &mut Writer,
        (content_type, content): (&[u8], Option<&[u8]>),
        attributes: &[u8],
        signature: &[u8],
    ) {
        // Version 1 where the content is id-data and the signer is named by issuer and serial number (RFC 5652 §5.1).
        let version = if content_type == oid::DATA { 1 } else { 3 };
        data.put(INTEGER, [version]).put(SET, &self.digest_algorithm);
        data.nest(SEQUENCE, |encapsulated| {
            encapsulated.put(OID, content_type);
            if let Some(content) = content {
                encapsulated.nest(context_constructed(0), |tagged| {
                    tagged.put(OCTET_STRING, content);
                });
            }
        });
        data.put(context_constructed(0), self.certificate.der());
        data.nest(SET, |signers| {
            signers.nest(SEQUENCE, |signer| {
                signer.put(INTEGER, [1]).raw(&self.issuer_and_serial).raw(&self.digest_algorithm);
                signer.put(context_constructed(0), attributes).raw(&self.signature_algorithm);
                signer.put(OCTET_STRING, signature);
            });
        });
    }
}

/// Who signs residence records: a residence signer, which signs nothing else, or a document signer.
#[derive(Debug)]
pub struct RecordSigner(DocumentSigner);

impl RecordSigner {
    /// Loads a signer's directory, as [`DocumentSigner::load`] does.
    ///
    /// # Errors
    /// As there; whoever signs documents may sign their residence records.
    pub fn load(directory: &Path, passphrase: &Passphrase) -> Result<Self, LoadError> {
        DocumentSigner::open(directory, passphrase, Content::ResidenceRecord).map(RecordSigner)
    }

    /// The signer's certificate.
    pub fn certificate(&self) -> &Certificate {
        self.0.certificate()
    }

    /// Signs a record now: [`DocumentSigner::sign_record`].
    ///
    /// # Errors
    /// As there.
    pub fn sign_record(&self, record: &[u8]) -> Result<Vec<u8>, SignError> {
        self.0.sign_record(record)
    }

    /// The same at a given time.
    ///
    /// # Errors
    /// As there.
    pub fn sign_record_at(&self, record: &[u8], now: Timestamp) -> Result<Vec<u8>, SignError> {
        self.0.sign_record_at(record, now)
    }
}

/// Asked before a key is opened: nothing is signed that no reader would believe, and no card is begun for it.
fn within_mandate(content: Content, certificate: &Certificate) -> Result<(), LoadError> {
    let name = match content {
        Content::SecurityObject => "security objects of documents",
        Content::ResidenceRecord => "residence records",
    };
    content.refusal(certificate).map_or(Ok(()), |reason| Err(LoadError::Mandate { content: name, reason }))
}

impl<K> fmt::Debug for DocumentSigner<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentSigner({})", self.certificate.subject())
    }
}

fn attribute(attributes: &mut Writer, kind: &[u8], value: &[u8]) {
    attributes.nest(SEQUENCE, |attribute| {
        attribute.put(OID, kind).put(SET, value);
    });
}
