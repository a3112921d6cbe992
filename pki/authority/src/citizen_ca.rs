//! The citizen CA: certificates for the keys of citizens, after RFC 5280 and apart from the document PKI.
//!
//! ```text
//! DIR/citizen-ca/                            certificate.der, key.json, key.p8, state.json
//! DIR/citizen-ca/certificates/<range>/       <serial>.der
//! DIR/citizen-ca/keys/<key identifier>       which serial number this key was given
//! DIR/citizen-ca/crl/<range>-<number>.crl    the revocation lists of a range of serial numbers
//! DIR/citizen-ca/responder-<n>/              certificate.der, key.json, key.p8: signs answers about the status (RFC 6960)
//! ```
//!
//! A serial number is `01`, the range in four bytes and eleven random bytes: all of a range lie together. Each range has a
//! revocation list of its own, named in its certificates and as the list's issuing distribution point; so no list
//! grows with the number of citizens.
//!
//! It knows no person: who asks for a certificate is established before. It does not answer status questions and writes no
//! certificate policies or qualified statements, which are a matter of national law.

use std::path::PathBuf;

use asn1_rs::oid;
use iso7816::tlv::encode;
use jiff::Timestamp;
use trust::der::{BIT_STRING, BOOLEAN, INTEGER, NULL, SEQUENCE, oid as known};
use trust::lint::Kind;
use trust::public_key::KeyKind;
use trust::{Certificate, EllipticCurve, PublicKey};

use crate::acts::{self, Act};
use crate::authority::{Authority, IssueError};
use crate::document_signer::CERTIFICATE_FILE;
use crate::files::{self, FileError, Mode};
use crate::key_store::{Algorithm, KeyPlace, StoredKey, TokenAddress};
use crate::passphrase::Passphrase;
use crate::x509::{self, Period};

mod body;
mod holder;
mod overview;
mod request;
mod revocation;
mod store;

pub use holder::{Holder, Purpose};
pub(crate) use overview::{CitizenKey, Overview, RangeState};
pub use revocation::RangeList;
pub(crate) use store::{jump, revoked_serials};

use body::{Body, key_identifiers, verified};
use request::{accepted_key, proven_key};
use store::{CitizenCa, FOLDER, STATE_FILE, State};

/// The act that says that the citizen CA is whole in its directory. The one that announces its certificate cannot say it: a crash may
/// have come after that.
const MADE: &str = "citizen-ca-made";
/// Key usage nonRepudiation (contentCommitment) as a BIT STRING's value.
const NON_REPUDIATION: &[u8] = &[0x06, 0x40];
/// Key usage keyEncipherment, of RSA keys that decrypt.
const KEY_ENCIPHERMENT: &[u8] = &[0x05, 0x20];
/// Key usage keyAgreement, of keys on curves that decrypt.
const KEY_AGREEMENT: &[u8] = &[0x03, 0x08];

/// A certificate that a citizen has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CitizenCertificate {
    /// The certificate.
    pub certificate: Certificate,
    /// The file.
    pub path: PathBuf,
    /// Its range of serial numbers.
    pub range: u64,
    /// Whether it was made now; asking again for the same key and holder gives the same certificate.
    pub made: bool,
}

/// Why the citizen CA issued nothing.
#[derive(Debug, thiserror::Error)]
pub enum CitizenError {
    /// As for everything that is issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// It was not set up.
    #[error("this authority has no citizen CA")]
    Missing,
    /// It was made, and is elsewhere now: another would have its name and its addresses of revocation lists.
    #[error("the citizen CA of this authority was made before and is no longer in its directory")]
    Moved,
    /// The state file.
    #[error("the state of the citizen CA cannot be used: {0}")]
    State(String),
    /// The request.
    #[error("the request is refused: {0}")]
    Request(&'static str),
    /// The holder's name.
    #[error("the holder's {0} is empty, too long, or has characters that do not belong there")]
    Holder(&'static str),
    /// The key has a certificate already, for another holder or purpose.
    #[error("this key has the certificate {0} for another holder or purpose; each certificate needs a key of its own")]
    KeyInUse(String),
    /// There is no such certificate.
    #[error("no certificate has the serial number {0}")]
    NoSuchCertificate(String),
    /// The CA's key may no longer sign certificates.
    #[error("the citizen CA's key may sign certificates until {0} only")]
    KeyEnded(Timestamp),
}

impl From<FileError> for CitizenError {
    fn from(error: FileError) -> Self {
        IssueError::from(error).into()
    }
}

impl From<openssl::error::ErrorStack> for CitizenError {
    fn from(error: openssl::error::ErrorStack) -> Self {
        IssueError::from(error).into()
    }
}

impl From<jiff::Error> for CitizenError {
    fn from(error: jiff::Error) -> Self {
        IssueError::from(error).into()
    }
}

impl From<crate::key_store::SigningError> for CitizenError {
    fn from(error: crate::key_store::SigningError) -> Self {
        IssueError::from(error).into()
    }
}

impl Authority {
    /// Sets up the citizen CA with a key of its own; one that is there stays as it is. `another`: also when one was made before and is
    /// no longer there, because it is lost or its time is over.
    ///
    /// # Errors
    /// When one was made before and moved away; when the key cannot be made.
    pub fn create_citizen_ca(
        &mut self,
        another: bool,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<Certificate, CitizenError> {
        let _lock = self.lock()?;
        let made = acts::highest(self.directory(), MADE)? > 0;
        match CitizenCa::open(self) {
            Ok(ca) => {
                if !made {
                    self.record(now, &[Act::new(MADE, "1")]).map_err(IssueError::Acts)?;
                }
                return Ok(ca.certificate);
            }
            Err(CitizenError::Missing) if made && !another => return Err(CitizenError::Moved),
            Err(CitizenError::Missing) => {}
            Err(error) => return Err(error),
        }
        let profile = self.profile().citizens;
        let algorithm = Algorithm::Ecdsa(profile.curve);
        let mut key = self
            .fresh_key("bitaqa-citizen-ca", algorithm, None, KeyPlace::Software, passphrase)
            .map_err(IssueError::NewKey)?;
        let name = x509::name(self.profile(), profile.name);
        let body = Body {
            serial: &crate::authority::serial_number(16)?,
            issuer: &name,
            subject: &name,
            validity: Period::months(now, profile.usage_months + profile.months)?,
            spki: &x509::named_spki(&key.key),
        };
        let raw = body.sign(&key.key, |extensions| {
            key_identifiers(extensions, &x509::key_identifier(&key.key), None);
            x509::extension(extensions, known::KEY_USAGE, true, &encode(BIT_STRING, x509::CERTIFICATES_AND_LISTS));
            let constraints = [encode(BOOLEAN, [0xFF]), encode(INTEGER, [0])].concat();
            x509::extension(extensions, known::BASIC_CONSTRAINTS, true, &encode(SEQUENCE, constraints));
        })?;
        let own = PublicKey::from_spki(body.spki).map_err(|_| IssueError::NotVerified)?;
        let certificate = verified(&raw, Kind::CitizenCa, &own)?;
        let state = State::first();
        self.record(now, &[act("citizen-ca", "1", &certificate)]).map_err(IssueError::Acts)?;
        let directory = self.directory().join(FOLDER);
        let created = files::create_directory(&directory, |fresh| {
            files::write(&fresh.join(CERTIFICATE_FILE), certificate.der(), Mode::Public)?;
            key.write(fresh)?;
            for folder in ["certificates", "keys", "crl"] {
                files::directory(&fresh.join(folder))?;
            }
            files::write(&fresh.join(STATE_FILE), &state.to_bytes(), Mode::Public)
        });
        key.keep_in(&directory);
        created?;
        self.record(now, &[Act::new(MADE, "1")]).map_err(IssueError::Acts)?;
        Ok(certificate)
    }

    /// The token that the citizen CA's key is in.
    ///
    /// # Errors
    /// When there is no citizen CA, or the record of the key cannot be read.
    pub fn citizen_ca_token(&self) -> Result<Option<TokenAddress>, CitizenError> {
        let ca = CitizenCa::open(self)?;
        StoredKey::token(&ca.directory).map_err(|error| IssueError::Key { path: ca.directory, error }.into())
    }

    /// Opens the citizen CA's key and lets go of it: to know before anything is begun that the passphrase is right.
    ///
    /// # Errors
    /// When there is no citizen CA, or its key does not open.
    pub fn try_citizen_ca(&self, passphrase: &Passphrase) -> Result<(), CitizenError> {
        CitizenCa::open(self)?.key(passphrase).map(drop)
    }

    /// The serial number (hexadecimal) of the certificate that a key has, by its key identifier (hexadecimal); `None` when none
    /// was issued for it.
    ///
    /// # Errors
    /// When there is no citizen CA, or its records cannot be read.
    pub fn citizen_certificate_of(&self, key_identifier: &str) -> Result<Option<String>, CitizenError> {
        CitizenCa::open(self)?.serial_of(key_identifier)
    }

    /// Certifies a citizen's key. The request (PKCS#10, DER or PEM) proves that its sender holds the key; nothing else of it is
    /// believed. Asking again for the same key, holder and purpose gives the same certificate.
    ///
    /// # Errors
    /// When the request does not verify, its key is weak or in use, or a passphrase is wrong.
    pub fn issue_citizen_certificate(
        &mut self,
        request: &[u8],
        purpose: Purpose,
        holder: &Holder,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<CitizenCertificate, CitizenError> {
        self.certify_citizen(proven_key(request)?, purpose, holder, passphrase, now)
    }

    /// Certifies a citizen's key for key agreement, which cannot sign a request. That the citizen holds it the caller has seen: the
    /// key agreed with one of the caller's own (RFC 4211 §4, raVerified). Asked again it gives the same certificate.
    ///
    /// # Errors
    /// When the key (SubjectPublicKeyInfo, DER) is not on P-256 or P-384, or is in use; when a passphrase is wrong.
    pub fn issue_agreement_certificate(
        &mut self,
        spki: &[u8],
        holder: &Holder,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<CitizenCertificate, CitizenError> {
        let key = accepted_key(spki)?;
        match key.kind() {
            KeyKind::Ec(_) => self.certify_citizen(key, Purpose::KeyManagement, holder, passphrase, now),
            _ => Err(CitizenError::Request("a key that can sign proves itself: it needs a request of its own")),
        }
    }

    fn certify_citizen(
        &mut self,
        key: PublicKey,
        purpose: Purpose,
        holder: &Holder,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<CitizenCertificate, CitizenError> {
        let _lock = self.lock()?;
        let mut ca = CitizenCa::open(self)?;
        let subject = holder.name(self.profile().country)?;
        let end = Period::months(ca.certificate.not_before(), ca.profile.usage_months)?.to;
        if now > end {
            return Err(CitizenError::KeyEnded(end));
        }
        let record = ca.serial_for(&key, purpose, &subject)?;
        let serial = hex::decode(&record.serial).map_err(|error| CitizenError::State(error.to_string()))?;
        let (range, path) = ca.certificate_path(&record)?;
        if path.exists() {
            let certificate = Certificate::from_der(&files::read(&path)?).map_err(|_| IssueError::NotVerified)?;
            return Ok(CitizenCertificate { certificate, path, range, made: false });
        }
        let signer = ca.key(passphrase)?;
        let body = Body {
            serial: &serial,
            issuer: ca.certificate.subject().der(),
            subject: &subject,
            validity: Period::months(now, ca.profile.months)?,
            spki: key.spki(),
        };
        let raw = body.sign(&signer, |extensions| {
            key_identifiers(extensions, &key.key_identifier(), Some(&ca.certificate.key_identifier()));
            let usage = match purpose {
                Purpose::Authentication => x509::DIGITAL_SIGNATURE,
                Purpose::Signature => NON_REPUDIATION,
                Purpose::KeyManagement if matches!(key.kind(), KeyKind::Ec(_)) => KEY_AGREEMENT,
                Purpose::KeyManagement => KEY_ENCIPHERMENT,
            };
            x509::extension(extensions, known::KEY_USAGE, true, &encode(BIT_STRING, usage));
            if purpose == Purpose::Authentication {
                x509::extended_key_usage(extensions, false, &[&oid!(raw 1.3.6.1.5.5.7.3.2)]);
            }
            ca.published(extensions, range);
        })?;
        let certificate = verified(&raw, Kind::Citizen, ca.certificate.public_key())?;
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            files::create_directory(folder, |_| Ok(()))?;
        }
        // The holder's name stays out of the record.
        let line = Act::new("citizen-certificate", purpose.word()).serial(&serial).product(&raw);
        self.record(now, &[line]).map_err(IssueError::Acts)?;
        files::replace(&path, &raw, Mode::Public)?;
        Ok(CitizenCertificate { certificate, path, range, made: true })
    }

    /// Certifies a new key for answers about the status (RFC 6960 §4.2.2.2); it cannot be revoked itself and is valid for few months.
    ///
    /// # Errors
    /// When a passphrase is wrong or too short.
    pub fn new_citizen_responder(
        &mut self,
        passphrase: &Passphrase,
        responder_passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<(PathBuf, Certificate), CitizenError> {
        let _lock = self.lock()?;
        let ca = CitizenCa::open(self)?;
        let signer = ca.key(passphrase)?;
        let number = (1..).find(|number| !ca.responder(*number).exists()).unwrap_or(1);
        let (label, algorithm) = (format!("bitaqa-citizen-responder-{number}"), Algorithm::Ecdsa(EllipticCurve::P256));
        let mut key = self
            .fresh_key(&label, algorithm, None, KeyPlace::Software, responder_passphrase)
            .map_err(IssueError::NewKey)?;
        let body = Body {
            serial: &crate::authority::serial_number(16)?,
            issuer: ca.certificate.subject().der(),
            subject: &x509::name(self.profile(), &format!("{} Status {number}", ca.profile.name)),
            validity: Period::months(now, ca.profile.responder_months)?,
            spki: &x509::named_spki(&key.key),
        };
        let raw = body.sign(&signer, |extensions| {
            let issuer = ca.certificate.key_identifier();
            key_identifiers(extensions, &x509::key_identifier(&key.key), Some(&issuer));
            x509::extension(extensions, known::KEY_USAGE, true, &encode(BIT_STRING, x509::DIGITAL_SIGNATURE));
            x509::extended_key_usage(extensions, false, &[&oid!(raw 1.3.6.1.5.5.7.3.9)]);
            x509::extension(extensions, &oid!(raw 1.3.6.1.5.5.7.48.1.5), false, &encode(NULL, []));
        })?;
        let certificate = verified(&raw, Kind::OcspResponder, ca.certificate.public_key())?;
        self.record(now, &[act("citizen-responder", &number.to_string(), &certificate)]).map_err(IssueError::Acts)?;
        let place = ca.responder(number);
        let created = files::create_directory(&place, |fresh| {
            files::write(&fresh.join(CERTIFICATE_FILE), certificate.der(), Mode::Public)?;
            key.write(fresh)
        });
        key.keep_in(&place);
        created?;
        Ok((place, certificate))
    }
}

fn act(kind: &str, name: &str, certificate: &Certificate) -> Act {
    Act::new(kind, name).serial(certificate.serial()).product(certificate.der()).note(format!(
        "{}, valid until {}",
        certificate.subject(),
        certificate.not_after()
    ))
}
