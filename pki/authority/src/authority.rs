//! An authority in a directory.
//!
//! ```text
//! DIR/state.json              profile, numbers, revocations (version 1)
//! DIR/lock                    held while something is issued
//! DIR/acts.jsonl              the record of everything that was issued
//! DIR/csca/                   certificate.der, key.json, key.p8 (none when the key is in a token): the first generation
//! DIR/csca-<n>/               the same and link.der: the n-th generation; the highest is the one that issues. One that is only a
//!                             new name has no key here: it is that of the generation before
//! DIR/bundle-signer/          public.pem, key.json, key.p8
//! DIR/ds/<name>/              certificate.der, key.json, key.p8: what a printing centre gets
//! DIR/<kind>-signer/<name>/   the same for signers of master lists, deviation lists, digital seals
//! DIR/crl/<number>.crl        every revocation list; the highest number is the current one
//! DIR/last-bundle.json        the last trust bundle as it was exported, without the signatures of custodians
//! DIR/lists/                  signed master lists (.ml), deviation lists (.dl), defect lists (.dfl)
//! ```
//!
//! Directories and files appear whole or not at all. Names that start with a dot are leftovers of an interrupted write and ignored.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use openssl::error::ErrorStack;
use trust::bundle::BundleError;
use trust::lint::{self, Kind, Refused};
use trust::{Certificate, CertificateError, Crl, CrlError, Pin, PublicKey};

use crate::acts::{self, Act, ActsError};
use crate::document_signer::CERTIFICATE_FILE;
use crate::files::{self, FileError};
use crate::key_store::{Algorithm, FreshKey, KeyError, KeyPlace, NewKey, SigningError, StoredKey, TokenAddress};
use crate::passphrase::Passphrase;
use crate::profile::Profile;
use crate::state::{State, StateError};
use crate::status::{Status, StatusError};
use crate::x509;

mod bundle;
mod certify;
mod generations;
mod issue;
mod lists;
mod setup;

pub use bundle::{BundleRequest, ExportedBundle, Fewer};
pub use certify::{Ensured, SignerKind, SignerRecord, Uses};
pub use generations::{Generation, NewName, Rollover};
pub use issue::EnsuredCrl;
pub(crate) use issue::serial_number;
pub use lists::SignedList;

/// The public key of the bundle signer, in its directory.
const PUBLIC_KEY_FILE: &str = "public.pem";

/// An authority that was set up.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    profile: &'static Profile,
    state: State,
    /// The generation that issues.
    csca: Certificate,
    generations: Vec<Generation>,
    new_keys: Option<NewKey>,
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
    /// What is known of a key is damaged.
    #[error("{path}: {error}")]
    Key {
        /// Its directory.
        path: PathBuf,
        /// Why.
        error: KeyError,
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
    /// A key cannot be opened.
    #[error("{path}: {error}")]
    Key {
        /// Its directory.
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
    /// The record of acts cannot be continued.
    #[error(transparent)]
    Acts(#[from] ActsError),
    /// A name that cannot be a directory's.
    #[error("{0:?} is not a name: 1 to 32 letters a-z, digits and hyphens")]
    Name(String),
    /// The name is taken.
    #[error("a {kind} named {name} exists")]
    NameTaken {
        /// What kind of signer.
        kind: SignerKind,
        /// The name.
        name: String,
    },
    /// There is no such signer.
    #[error("there is no {kind} named {name}")]
    NoSuchSigner {
        /// What kind of signer.
        kind: SignerKind,
        /// The name.
        name: String,
    },
    /// A signer of seals is named by two letters.
    #[error("{0:?} is not the name of a seal signer: two letters A-Z, and digits for the certificate, as in ab-0001")]
    SealLetters(String),
    /// The signer is revoked, or its key's time is over.
    #[error("the {kind} {name} is revoked, or its key may no longer sign")]
    SignerEnded {
        /// What kind of signer.
        kind: SignerKind,
        /// The name.
        name: String,
    },
    /// A certificate that has no place on a master list.
    #[error("{0} is not the certificate of a country signing CA")]
    NotCsca(String),
    /// A deviation that cannot be written as the standard demands.
    #[error("deviation {index}: {why}")]
    Deviation {
        /// Position from 1.
        index: usize,
        /// Why.
        why: &'static str,
    },
    /// A defect that cannot be written.
    #[error("defect {index}: {why}")]
    Defect {
        /// Position from 1.
        index: usize,
        /// Why.
        why: &'static str,
    },
    /// A foreign revocation list that nobody in the bundle signed.
    #[error("no anchor of the bundle signed the revocation list of {0}")]
    ForeignList(String),
    /// A defect list that nobody in the bundle stands behind.
    #[error("no anchor of the bundle stands behind {list}: {why}")]
    ForeignDefectList {
        /// Whose, of when.
        list: String,
        /// The finding about it.
        why: String,
    },
    /// More defect lists than a bundle may have.
    #[error(transparent)]
    TooManyDefectLists(BundleError),
    /// No number is left.
    #[error("the numbers of lists and bundles are used up: one of the highest that there is was given out")]
    NumbersUsedUp,
    /// The archive says that nobody is to believe the key that issues.
    #[error("the archive distrusts the key of this authority's own CSCA, {0}")]
    OwnDistrusted(String),
    /// The next bundle would lack what the last one had.
    #[error("bundle {} had {} revoked documents, {} anchors and {} defect lists which this one would not have", .0.number, .0.documents, .0.anchors, .0.defect_lists)]
    Fewer(Fewer),
    /// The copy of the last bundle cannot be read.
    #[error("the copy of the last bundle, last-bundle.json: {0}")]
    LastBundle(BundleError),
    /// The current revocation list is missing, out of date, or lacks a revoked signer.
    #[error("the current revocation list is missing, out of date, or lacks a revoked signer")]
    RevocationListOutdated,
    /// What was made departs from its profile.
    #[error("what was to be issued departs from its profile; it was not stored: {0}")]
    Lint(#[from] Refused),
    /// What was made does not read back as it should.
    #[error("what was issued does not verify; it was not stored")]
    NotVerified,
}

impl Authority {
    /// Opens the authority in this directory.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let state = State::read(directory)?;
        let profile = Profile::find(&state.profile).ok_or(StateError::Profile(state.profile.clone()))?;
        let generations = generations::read(directory)?;
        let csca = read_certificate(&generations::directory(directory, generations.len()).join(CERTIFICATE_FILE))?;
        Ok(Authority { directory: directory.to_owned(), profile, state, csca, generations, new_keys: None })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The profile.
    pub fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// The certificate of the country signing CA's generation that issues.
    pub fn csca(&self) -> &Certificate {
        &self.csca
    }

    /// Where and how the next keys are made. Until this is said: a new CSCA key where the current one is, every other key in
    /// a file; algorithms and bounds as in the profile.
    pub fn make_keys(&mut self, keys: NewKey) {
        self.new_keys = Some(keys);
    }

    /// The token that the CSCA's key is in.
    ///
    /// # Errors
    /// When the record of the key cannot be read.
    pub fn token(&self) -> Result<Option<TokenAddress>, OpenError> {
        self.generation_token(self.generations.len())
    }

    /// The token that the key of a generation is in.
    pub(crate) fn generation_token(&self, number: usize) -> Result<Option<TokenAddress>, OpenError> {
        self.token_of(self.key_directory(number))
    }

    /// The token that the bundle signer's key is in.
    pub(crate) fn bundle_signer_token(&self) -> Result<Option<TokenAddress>, OpenError> {
        self.token_of(self.directory.join("bundle-signer"))
    }

    fn token_of(&self, path: PathBuf) -> Result<Option<TokenAddress>, OpenError> {
        StoredKey::token(&path).map_err(|error| OpenError::Key { path, error })
    }

    /// A new key for a signer, `otherwise` when nobody said where.
    pub(crate) fn fresh_key(
        &self,
        label: &str,
        algorithm: Algorithm,
        max_uses: Option<u64>,
        otherwise: KeyPlace,
        secret: &Passphrase,
    ) -> Result<FreshKey, KeyError> {
        let asked = self.new_keys.clone().unwrap_or(NewKey { place: otherwise, ..NewKey::default() });
        let algorithm = asked.algorithm.unwrap_or(algorithm);
        FreshKey::generate(&asked.place, algorithm, label, max_uses, secret)
    }

    /// The newest revocation list and its number.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn current_crl(&self) -> Result<Option<(u64, Crl)>, OpenError> {
        let Some(number) = self.newest_crl()? else { return Ok(None) };
        let path = self.directory.join("crl").join(crl_file(number));
        let crl = Crl::from_der(&files::read(&path)?).map_err(|error| OpenError::Crl { path, error })?;
        Ok(Some((number, crl)))
    }

    /// The highest number of the revocation lists that are there.
    fn newest_crl(&self) -> Result<Option<u64>, FileError> {
        let folder = self.directory.join("crl");
        let failed = |error| FileError { path: folder.clone(), error };
        let mut newest = None;
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".crl")?.parse::<u64>().ok());
            newest = newest.max(number);
        }
        Ok(newest)
    }

    /// The number of the last trust bundle and when it becomes stale.
    pub fn last_bundle(&self) -> (u64, Option<Timestamp>) {
        (self.state.bundle_number, self.state.bundle_expires)
    }

    /// What expires when.
    ///
    /// # Errors
    /// When a certificate or list cannot be read.
    pub fn status(&self, now: Timestamp) -> Result<Status, StatusError> {
        Status::of(self, now)
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
    pub(crate) fn lock(&mut self) -> Result<File, IssueError> {
        let file = lock_file(&self.directory)?;
        self.state = State::read(&self.directory).map_err(OpenError::State)?;
        let generations = generations::read(&self.directory)?;
        if generations.len() > self.generations.len() {
            if let Some(newest) = generations.last() {
                self.csca = newest.certificate.clone();
            }
            self.generations = generations;
        }
        Ok(file)
    }

    /// Records what is about to be done; the lock is held.
    pub(crate) fn record(&self, now: Timestamp, acts: &[Act]) -> Result<(), ActsError> {
        acts::append(&self.directory, x509::whole_seconds(now), acts)
    }

    fn change(&mut self, change: impl FnOnce(&mut State)) -> Result<(), FileError> {
        let mut state = self.state.clone();
        change(&mut state);
        state.write(&self.directory)?;
        self.state = state;
        Ok(())
    }
}

/// What the profile and a verifier say about it, before it is stored.
fn verified_certificate(raw: &[u8], kind: Kind, issuer: &PublicKey) -> Result<Certificate, IssueError> {
    lint::accept(raw, kind)?;
    let certificate = Certificate::from_der(raw).map_err(|_| IssueError::NotVerified)?;
    certificate.verify_signature(issuer).map_err(|_| IssueError::NotVerified)?;
    Ok(certificate)
}

fn verified_crl(raw: &[u8], csca: &Certificate) -> Result<Crl, IssueError> {
    lint::accept(raw, Kind::Crl)?;
    let crl = Crl::from_der(raw).map_err(|_| IssueError::NotVerified)?;
    crl.verify_signature(csca.public_key()).map_err(|_| IssueError::NotVerified)?;
    Ok(crl)
}

fn read_certificate(path: &Path) -> Result<Certificate, OpenError> {
    Certificate::from_der(&files::read(path)?).map_err(|error| OpenError::Certificate { path: path.to_owned(), error })
}

fn crl_file(number: u64) -> String {
    format!("{number}.crl")
}

fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Nobody else issues anything from this directory until the file is dropped.
pub(crate) fn lock_file(directory: &Path) -> Result<File, IssueError> {
    let path = directory.join("lock");
    let failed = |error: io::Error| FileError { path: path.clone(), error };
    let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
    match patient_lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IssueError::Busy(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error).into()),
    }
}

/// Takes the lock, or gives up after a second: a program that this process is just starting holds every open file
/// for a moment, until it begins.
fn patient_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..20 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(50)),
            result => return result,
        }
    }
    Err(TryLockError::WouldBlock)
}
