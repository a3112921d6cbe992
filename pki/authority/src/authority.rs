//! An authority in a directory.
//!
//! ```text
//! DIR/state.json              profile, numbers, revocations (version 1)
//! DIR/lock                    held while something is issued
//! DIR/csca/                   certificate.der, key.p8
//! DIR/bundle-signer/          public.pem, key.p8
//! DIR/ds/<name>/              certificate.der, key.p8: what a printing centre gets
//! DIR/crl/<number>.crl        every revocation list; the highest number is the current one
//! ```
//!
//! Directories and files appear whole or not at all. Names that start with a dot are leftovers of an interrupted write and ignored.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use openssl::error::ErrorStack;
use trust::{Bundle, Certificate, CertificateError, Crl, CrlError, Pin, Policy, PublicKey, RevokedDocument, bundle};

use crate::document_signer::{CERTIFICATE_FILE, KEY_FILE};
use crate::files::{self, FileError, Mode};
use crate::key_store::{KeyError, Signer, SigningError, SoftwareKey, pem};
use crate::passphrase::Passphrase;
use crate::profile::Profile;
use crate::state::{Revoked, STATE_FILE, State, StateError};
use crate::status::Status;
use crate::x509::{self, Period, Role, Subject};

/// The public key of the bundle signer, in its directory.
const PUBLIC_KEY_FILE: &str = "public.pem";

/// An authority that was set up.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    profile: &'static Profile,
    state: State,
    csca: Certificate,
}

/// A document signer as the authority knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignerRecord {
    /// Name of its directory under `ds/`.
    pub name: String,
    /// That directory.
    pub directory: PathBuf,
    /// Its certificate.
    pub certificate: Certificate,
    /// Since when it is revoked.
    pub revoked: Option<Timestamp>,
}

impl SignerRecord {
    /// The last moment at which its key may sign.
    pub fn usage_end(&self) -> Timestamp {
        let usage = self.certificate.extensions().private_key_usage;
        usage.and_then(|usage| usage.not_after).unwrap_or(self.certificate.not_after())
    }

    /// Whether its key may sign now.
    pub fn may_sign(&self, now: Timestamp) -> bool {
        let usage = self.certificate.extensions().private_key_usage;
        self.revoked.is_none() && usage.is_some_and(|usage| usage.contains(now))
    }
}

/// What goes into a trust bundle beside the anchor and its revocation list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BundleRequest {
    /// Documents that are no longer valid.
    pub revoked_documents: Vec<RevokedDocument>,
    /// Whether the document signers' certificates go in.
    pub include_signers: bool,
}

/// A trust bundle to be handed out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportedBundle {
    /// The file.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub bundle: Bundle,
    /// The fingerprint that posts pin.
    pub pin: Pin,
    /// The signer's public key (PEM).
    pub public_key: String,
}

/// Why an authority is not set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Something is there already.
    #[error("{0} is not empty")]
    NotEmpty(PathBuf),
    /// A certificate or list could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

/// Why an authority cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The state file.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file is missing or cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A certificate is damaged.
    #[error("{path}: {error}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        error: CertificateError,
    },
    /// A revocation list is damaged.
    #[error("{path}: {error}")]
    Crl {
        /// The file.
        path: PathBuf,
        /// Why.
        error: CrlError,
    },
    /// The public key of the bundle signer is damaged.
    #[error("{path} does not hold the bundle signer's public key")]
    BundleSigner {
        /// The file.
        path: PathBuf,
    },
}

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The authority cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Somebody else is issuing.
    #[error("another process is working on {0}")]
    Busy(PathBuf),
    /// A key file.
    #[error("{path}: {error}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// A new key.
    #[error(transparent)]
    NewKey(#[from] KeyError),
    /// The key store refused.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// OpenSSL failed.
    #[error("the cryptographic library failed: {0}")]
    Library(#[from] ErrorStack),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A date is out of range.
    #[error("a date is out of range: {0}")]
    Date(#[from] jiff::Error),
    /// The CSCA's key may no longer sign certificates.
    #[error("the CSCA's key may sign until {0} only")]
    CscaKeyEnded(Timestamp),
    /// A name that cannot be a directory's.
    #[error("{0:?} is not a name: 1 to 32 letters a-z, digits and hyphens")]
    Name(String),
    /// The name is taken.
    #[error("a document signer named {0} exists")]
    NameTaken(String),
    /// There is no such signer.
    #[error("there is no document signer named {0}")]
    NoSuchSigner(String),
    /// The current revocation list is missing, out of date, or lacks a revoked signer.
    #[error("the current revocation list is missing, out of date, or lacks a revoked signer")]
    RevocationListOutdated,
    /// What was made does not read back as it should.
    #[error("what was issued does not verify; it was not stored")]
    NotVerified,
}

impl Authority {
    /// Sets up an authority: CSCA, bundle signer and a first, empty revocation list. It appears whole or not at all.
    ///
    /// # Errors
    /// When the directory is not empty or something cannot be made.
    pub fn init(
        directory: &Path,
        profile: &'static Profile,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<Self, InitError> {
        if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(InitError::NotEmpty(directory.to_owned()));
        }
        let csca = SoftwareKey::generate(profile.csca_curve).map_err(IssueError::NewKey)?;
        let certificate = csca_certificate(profile, &csca, now)?;
        let crl = first_crl(profile, &csca, &certificate, now)?;
        let bundle_signer = SoftwareKey::generate(profile.signer_curve).map_err(IssueError::NewKey)?;
        let keys = (
            csca.to_pem(passphrase).map_err(IssueError::NewKey)?,
            bundle_signer.to_pem(passphrase).map_err(IssueError::NewKey)?,
        );
        let mut state = State::new(profile.id);
        state.crl_number = 1;
        let fill = |fresh: &Path| {
            let place = |name: &str, files: &[(&str, &[u8], Mode)]| {
                let directory = fresh.join(name);
                files::directory(&directory)?;
                for (file, bytes, mode) in files {
                    files::write(&directory.join(file), bytes, *mode)?;
                }
                files::sync_directory(&directory)
            };
            let public = pem("PUBLIC KEY", &x509::named_spki(&bundle_signer));
            place("csca", &[(CERTIFICATE_FILE, certificate.der(), Mode::Public), (KEY_FILE, &keys.0, Mode::Private)])?;
            place("bundle-signer", &[(PUBLIC_KEY_FILE, &public, Mode::Public), (KEY_FILE, &keys.1, Mode::Private)])?;
            place("crl", &[(&crl_file(1), &crl, Mode::Public)])?;
            place("ds", &[])?;
            files::write(&fresh.join(STATE_FILE), &state.to_bytes(), Mode::Public)
        };
        // `.` and a name with a slash at its end have no last component to rename to.
        let failed = |error| IssueError::File(FileError { path: directory.to_owned(), error });
        let directory = std::path::absolute(directory).map_err(failed)?;
        if let Some(parent) = directory.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        files::create_directory(&directory, fill).map_err(IssueError::File)?;
        Ok(Authority { directory, profile, state, csca: certificate })
    }

    /// Opens the authority in this directory.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let state = State::read(directory)?;
        let profile = Profile::find(&state.profile).ok_or(StateError::Profile(state.profile.clone()))?;
        let csca = read_certificate(&directory.join("csca").join(CERTIFICATE_FILE))?;
        Ok(Authority { directory: directory.to_owned(), profile, state, csca })
    }

    /// The profile.
    pub fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// The country signing CA's certificate.
    pub fn csca(&self) -> &Certificate {
        &self.csca
    }

    /// Every document signer, by name.
    ///
    /// # Errors
    /// When a certificate cannot be read.
    pub fn signers(&self) -> Result<Vec<SignerRecord>, OpenError> {
        let folder = self.directory.join("ds");
        let failed = |error| FileError { path: folder.clone(), error };
        let mut signers = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !is_name(&name) {
                continue;
            }
            let directory = entry.path();
            let certificate = read_certificate(&directory.join(CERTIFICATE_FILE))?;
            let serial = hex::encode(certificate.serial());
            let revoked = self.state.revoked.iter().find(|entry| entry.serial == serial).map(|entry| entry.since);
            signers.push(SignerRecord { name, directory, certificate, revoked });
        }
        signers.sort_by(|one, two| one.name.cmp(&two.name));
        Ok(signers)
    }

    /// The newest revocation list and its number.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn current_crl(&self) -> Result<Option<(u64, Crl)>, OpenError> {
        let folder = self.directory.join("crl");
        let failed = |error| FileError { path: folder.clone(), error };
        let mut newest = None;
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".crl")?.parse::<u64>().ok());
            newest = newest.max(number);
        }
        let Some(number) = newest else { return Ok(None) };
        let path = folder.join(crl_file(number));
        let crl = Crl::from_der(&files::read(&path)?).map_err(|error| OpenError::Crl { path, error })?;
        Ok(Some((number, crl)))
    }

    /// The number of the last trust bundle and when it becomes stale.
    pub fn last_bundle(&self) -> (u64, Option<Timestamp>) {
        (self.state.bundle_number, self.state.bundle_expires)
    }

    /// What expires when.
    ///
    /// # Errors
    /// When a certificate or list cannot be read.
    pub fn status(&self, now: Timestamp) -> Result<Status, OpenError> {
        Status::of(self, now)
    }

    /// A new document signer. Its key file is encrypted under its own passphrase, because it goes to a printing centre.
    ///
    /// Without a name, the next free one of `ds-0001`, `ds-0002`, ... is taken.
    ///
    /// # Errors
    /// When the name is taken, a passphrase is wrong or too short, or the CSCA's key may no longer sign.
    pub fn new_document_signer(
        &mut self,
        name: Option<&str>,
        passphrase: &Passphrase,
        signer_passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<SignerRecord, IssueError> {
        let _lock = self.lock()?;
        let name = self.free_name(name)?;
        let usage_end = self.csca.extensions().private_key_usage.and_then(|usage| usage.not_after);
        if let Some(end) = usage_end.filter(|end| now > *end) {
            return Err(IssueError::CscaKeyEnded(end));
        }
        let csca = self.csca_key(passphrase)?;
        let key = SoftwareKey::generate(self.profile.signer_curve)?;
        let certificate = self.signer_certificate(&name, &key, &csca, now)?;
        let key_file = key.to_pem(signer_passphrase)?;
        let directory = self.directory.join("ds").join(&name);
        files::create_directory(&directory, |fresh| {
            files::write(&fresh.join(CERTIFICATE_FILE), certificate.der(), Mode::Public)?;
            files::write(&fresh.join(KEY_FILE), &key_file, Mode::Private)
        })?;
        Ok(SignerRecord { name, directory, certificate, revoked: None })
    }

    /// Revokes a document signer from now on; revoking it again changes nothing. It is published by the next revocation list.
    ///
    /// # Errors
    /// When there is no such signer, or the state cannot be written.
    pub fn revoke(&mut self, name: &str, now: Timestamp) -> Result<SignerRecord, IssueError> {
        let _lock = self.lock()?;
        let mut signer = self
            .signers()?
            .into_iter()
            .find(|signer| signer.name == name)
            .ok_or_else(|| IssueError::NoSuchSigner(name.to_owned()))?;
        if signer.revoked.is_none() {
            let since = x509::whole_seconds(now);
            let serial = hex::encode(signer.certificate.serial());
            self.change(|state| state.revoked.push(Revoked { name: name.to_owned(), serial, since }))?;
            signer.revoked = Some(since);
        }
        Ok(signer)
    }

    /// Issues the next revocation list.
    ///
    /// # Errors
    /// When the passphrase is wrong or the list cannot be written.
    pub fn issue_crl(&mut self, passphrase: &Passphrase, now: Timestamp) -> Result<(PathBuf, Crl), IssueError> {
        let _lock = self.lock()?;
        let csca = self.csca_key(passphrase)?;
        self.change(|state| state.crl_number += 1)?;
        let number = self.state.crl_number;
        let revoked = self
            .state
            .revoked
            .iter()
            .filter_map(|entry| Some((hex::decode(&entry.serial).ok()?, entry.since)))
            .collect();
        let update = Period::days(now, self.profile.crl_days)?;
        let raw = x509::revocation_list(self.csca.subject().der(), update, number, &revoked, &csca)?;
        let crl = verified_crl(&raw, &self.csca)?;
        let path = self.directory.join("crl").join(crl_file(number));
        files::replace(&path, &raw, Mode::Public)?;
        Ok((path, crl))
    }

    /// Makes and signs a trust bundle: this CSCA, its current revocation list, and what the request adds.
    ///
    /// # Errors
    /// When the revocation list is not up to date, or the passphrase is wrong.
    pub fn export_bundle(
        &mut self,
        request: BundleRequest,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<ExportedBundle, IssueError> {
        let _lock = self.lock()?;
        let signers = self.signers()?;
        let crl = self.up_to_date_crl(&signers, now)?;
        let (public_key, signer_key) = self.bundle_signer()?;
        let key = self.read_key(&self.directory.join("bundle-signer").join(KEY_FILE), passphrase)?;
        let period = Period::days(now, self.profile.bundle_days)?;
        self.change(|state| {
            state.bundle_number += 1;
            state.bundle_expires = Some(period.to);
        })?;
        let countries = [(self.profile.state.to_owned(), self.profile.country.to_owned())].into();
        let included = signers.into_iter().filter(|signer| request.include_signers && signer.revoked.is_none());
        let bundle = Bundle {
            issuer: self.csca.subject().to_string(),
            number: self.state.bundle_number,
            issued: period.from,
            expires: period.to,
            anchors: vec![self.csca.clone()],
            signers: included.map(|signer| signer.certificate).collect(),
            crls: vec![crl],
            policy: Policy { countries },
            revoked_documents: request
                .revoked_documents
                .into_iter()
                .map(|document| (document.number.clone(), document))
                .collect(),
        };
        let payload = bundle.to_payload();
        let bytes = bundle::seal(&payload, &signer_key, &key.sign(&bundle::message(&payload))?);
        let pin = Pin::of(&signer_key);
        let opened = bundle::open(&bytes, &pin).map_err(|_| IssueError::NotVerified)?;
        Ok(ExportedBundle { bytes, bundle: opened, pin, public_key })
    }

    /// The fingerprint of the bundle signer, which posts pin.
    ///
    /// # Errors
    /// When the public key file cannot be read.
    pub fn pin(&self) -> Result<Pin, OpenError> {
        self.bundle_signer().map(|(_, key)| Pin::of(&key))
    }

    fn bundle_signer(&self) -> Result<(String, PublicKey), OpenError> {
        let path = self.directory.join("bundle-signer").join(PUBLIC_KEY_FILE);
        let text = String::from_utf8_lossy(&files::read(&path)?).into_owned();
        match PublicKey::from_pem(&text) {
            Ok(key) => Ok((text, key)),
            Err(_) => Err(OpenError::BundleSigner { path }),
        }
    }

    /// Nobody else issues until the file is dropped; the state is read again, since somebody may have issued before.
    fn lock(&mut self) -> Result<File, IssueError> {
        let path = self.directory.join("lock");
        let failed = |error: io::Error| FileError { path: path.clone(), error };
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(IssueError::Busy(self.directory.clone())),
            Err(TryLockError::Error(error)) => return Err(failed(error).into()),
        }
        self.state = State::read(&self.directory).map_err(OpenError::State)?;
        Ok(file)
    }

    fn change(&mut self, change: impl FnOnce(&mut State)) -> Result<(), FileError> {
        let mut state = self.state.clone();
        change(&mut state);
        state.write(&self.directory)?;
        self.state = state;
        Ok(())
    }

    fn free_name(&self, wanted: Option<&str>) -> Result<String, IssueError> {
        let taken = |name: &str| self.directory.join("ds").join(name).exists();
        match wanted {
            Some(name) if !is_name(name) => Err(IssueError::Name(name.to_owned())),
            Some(name) if taken(name) => Err(IssueError::NameTaken(name.to_owned())),
            Some(name) => Ok(name.to_owned()),
            None => (1..=9999)
                .map(|number| format!("ds-{number:04}"))
                .find(|name| !taken(name))
                .ok_or_else(|| IssueError::NameTaken("ds-9999".to_owned())),
        }
    }

    fn csca_key(&self, passphrase: &Passphrase) -> Result<SoftwareKey, IssueError> {
        let path = self.directory.join("csca").join(KEY_FILE);
        let key = self.read_key(&path, passphrase)?;
        if self.csca.public_key().key_identifier() != x509::key_identifier(&key) {
            return Err(IssueError::Key { path, error: KeyError::Unsupported });
        }
        Ok(key)
    }

    fn read_key(&self, path: &Path, passphrase: &Passphrase) -> Result<SoftwareKey, IssueError> {
        SoftwareKey::from_pem(&files::read(path)?, passphrase)
            .map_err(|error| IssueError::Key { path: path.to_owned(), error })
    }

    fn signer_certificate(
        &self,
        name: &str,
        key: &SoftwareKey,
        csca: &SoftwareKey,
        now: Timestamp,
    ) -> Result<Certificate, IssueError> {
        let profile = self.profile;
        let common_name = format!("{} {name}", profile.signer_name);
        let subject = Subject {
            serial: &serial_number()?,
            issuer: self.csca.subject().der(),
            subject: &x509::name(profile, &common_name),
            validity: Period::months(now, profile.signer_months())?,
            key_usage: Period::months(now, profile.signer_usage_months)?,
            spki: &x509::explicit_spki(key)?,
            key_identifier: &x509::key_identifier(key),
            role: Role::DocumentSigner,
        };
        let raw = x509::certificate(profile, &subject, csca)?;
        verified_certificate(&raw, self.csca.public_key())
    }

    fn up_to_date_crl(&self, signers: &[SignerRecord], now: Timestamp) -> Result<Crl, IssueError> {
        let (_, crl) = self.current_crl()?.ok_or(IssueError::RevocationListOutdated)?;
        let complete = signers
            .iter()
            .filter(|signer| signer.revoked.is_some())
            .all(|signer| crl.revoked_since(signer.certificate.serial()).is_some());
        if complete && now <= crl.next_update() { Ok(crl) } else { Err(IssueError::RevocationListOutdated) }
    }
}

fn csca_certificate(profile: &Profile, key: &SoftwareKey, now: Timestamp) -> Result<Certificate, IssueError> {
    let name = x509::name(profile, profile.csca_name);
    let subject = Subject {
        serial: &serial_number()?,
        issuer: &name,
        subject: &name,
        validity: Period::months(now, profile.csca_months())?,
        key_usage: Period::months(now, profile.csca_usage_months)?,
        spki: &x509::explicit_spki(key)?,
        key_identifier: &x509::key_identifier(key),
        role: Role::CountrySigningCa,
    };
    let raw = x509::certificate(profile, &subject, key)?;
    let own = PublicKey::from_spki(subject.spki).map_err(|_| IssueError::NotVerified)?;
    verified_certificate(&raw, &own)
}

fn first_crl(profile: &Profile, key: &SoftwareKey, csca: &Certificate, now: Timestamp) -> Result<Vec<u8>, IssueError> {
    let update = Period::days(now, profile.crl_days)?;
    let raw = x509::revocation_list(csca.subject().der(), update, 1, &Vec::new(), key)?;
    verified_crl(&raw, csca)?;
    Ok(raw)
}

/// What a verifier would make of it, before it is stored.
fn verified_certificate(raw: &[u8], issuer: &PublicKey) -> Result<Certificate, IssueError> {
    let certificate = Certificate::from_der(raw).map_err(|_| IssueError::NotVerified)?;
    certificate.verify_signature(issuer).map_err(|_| IssueError::NotVerified)?;
    Ok(certificate)
}

fn verified_crl(raw: &[u8], csca: &Certificate) -> Result<Crl, IssueError> {
    let crl = Crl::from_der(raw).map_err(|_| IssueError::NotVerified)?;
    crl.verify_signature(csca.public_key()).map_err(|_| IssueError::NotVerified)?;
    Ok(crl)
}

fn read_certificate(path: &Path) -> Result<Certificate, OpenError> {
    Certificate::from_der(&files::read(path)?).map_err(|error| OpenError::Certificate { path: path.to_owned(), error })
}

/// Sixteen random bytes, positive and of full length (9303-12 §7.1: at most twenty).
fn serial_number() -> Result<Vec<u8>, ErrorStack> {
    let mut serial = [0; 16];
    openssl::rand::rand_bytes(&mut serial)?;
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7F) | 0x40;
    }
    Ok(serial.to_vec())
}

fn crl_file(number: u64) -> String {
    format!("{number}.crl")
}

fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
