//! Country verifying CA, document verifiers and terminals: who lets a terminal read what a card protects (TR-03110-3, 9303-12 §7.2).
//!
//! ```text
//! DIR/lock, DIR/acts.jsonl                      the lock and the record of acts of the authority
//! DIR/cvc/<holder>/holder.json                  country, mnemonic, the last sequence number (version 1)
//! DIR/cvc/<holder>/generations/<sequence>/      key and key record, request.cvreq, trusted.cvca, certificate.cvcert, link.cvcert, chain.cvcerts
//! DIR/cvc/<holder>/issued/<reference>.cvcert    every certificate that this holder issued to another
//! ```
//!
//! A holder is one name in the hierarchy, on any level; each of its keys is a generation with its own sequence number. The folder of a
//! document verifier or a terminal is complete in itself: it is what an embassy gets. `chain.cvcerts` holds the certificates that a
//! card asks for one after another: links, document verifier, terminal.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use openssl::error::ErrorStack;
use trust::EllipticCurve;
use trust::cvc::chain::{ChainError, TrustPointError};
use trust::cvc::{
    Chat, ChatError, CvCertificate, CvKeyError, CvRequest, CvVerifyError, CvcError, Level, Reference, ReferenceError,
    TerminalType,
};

use crate::acts::{self, Act, ActsError};
use crate::files::{self, FileError};
use crate::key_store::{KeyError, KeyPlace, SigningError, StoredKey};
use crate::passphrase::Passphrase;
use crate::x509;

mod issue;
mod key;
mod lifetime;
mod record;

pub use issue::{CvGrant, CvMade, NewCvca};
pub use lifetime::CvPeriod;
pub use record::CvRecordError;
pub use trust::cvc::certificates;

use record::Record;

const CERTIFICATE_FILE: &str = "certificate.cvcert";
const LINK_FILE: &str = "link.cvcert";
const REQUEST_FILE: &str = "request.cvreq";
const CHAIN_FILE: &str = "chain.cvcerts";
/// Another state's, and no product of this authority.
const AUTHORITY_FILE: &str = "trusted.cvca";

/// The card-verifiable part of an authority's directory.
#[derive(Clone, Debug)]
pub struct CvStore {
    authority: PathBuf,
    directory: PathBuf,
    new_keys: Option<KeyPlace>,
}

/// One name in the hierarchy.
#[derive(Clone, Debug)]
pub struct CvHolder {
    directory: PathBuf,
    record: Record,
    generations: Vec<CvGeneration>,
}

/// One key of a holder, and what was certified of it.
#[derive(Clone, Debug)]
pub struct CvGeneration {
    /// Its sequence number.
    pub sequence: u32,
    /// Its directory.
    pub directory: PathBuf,
    /// The request, when somebody else certifies the key.
    pub request: Option<CvRequest>,
    /// The CVCA that the request was made for, to which the answer must lead.
    pub authority: Option<CvCertificate>,
    /// The certificate; none while the request is under way.
    pub certificate: Option<CvCertificate>,
    /// The certificate by the key before it, when the holder is a CVCA that rolled over.
    pub link: Option<CvCertificate>,
}

/// Why nothing was issued or read.
#[derive(Debug, thiserror::Error)]
pub enum CvError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The record of a holder.
    #[error("{path}: {error}")]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        error: CvRecordError,
    },
    /// A file that should hold a certificate or a request.
    #[error("{path}: {error}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        error: CvcError,
    },
    /// The record of acts.
    #[error(transparent)]
    Acts(#[from] ActsError),
    /// Somebody else is issuing.
    #[error("another process is working on {0}")]
    Busy(PathBuf),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key of a holder, which signs.
    #[error("{path}: {error}")]
    HolderKey {
        /// Its directory.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// The key store refused.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// OpenSSL failed.
    #[error("the cryptographic library failed: {0}")]
    Library(#[from] ErrorStack),
    /// A date is out of range.
    #[error("a date is out of range: {0}")]
    Date(#[from] jiff::Error),
    /// A name that is none.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A right that is none.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// A key that cannot be used.
    #[error(transparent)]
    PublicKey(#[from] CvKeyError),
    /// A body that cannot be written.
    #[error(transparent)]
    Body(#[from] CvcError),
    /// There is no such holder.
    #[error("there is no holder of card-verifiable certificates named {0}")]
    NoSuchHolder(String),
    /// The name is taken.
    #[error("a holder named {0} exists")]
    HolderExists(String),
    /// The holder has no certificate yet.
    #[error("{0} has no certificate yet")]
    NoCertificate(String),
    /// All sequence numbers are used up.
    #[error("{0} has used all its sequence numbers")]
    SequenceUsedUp(String),
    /// The issuer's certificate has expired.
    #[error("the certificate of {holder} expired after {expired}")]
    IssuerExpired {
        /// The issuer.
        holder: Reference,
        /// Its last day.
        expired: Date,
    },
    /// The issuer may not certify this level.
    #[error("a {issuer} may not certify a {level}")]
    WrongLevel {
        /// Level of the issuer.
        issuer: Level,
        /// Level asked for.
        level: Level,
    },
    /// Only a CVCA hands over to its next key by itself.
    #[error("{0} is not a CVCA: its next key is certified by its issuer")]
    NotACvca(String),
    /// A lifetime outside of the limits of 9303-12.
    #[error("a {level} certificate made today ends between {earliest} and {latest}, not on {expires}")]
    Lifetime {
        /// Level of the certificate.
        level: Level,
        /// The earliest end.
        earliest: Date,
        /// The latest end: by the standard, or by the issuer's own end.
        latest: Date,
        /// The end asked for.
        expires: Date,
    },
    /// Rights that the issuer does not have itself.
    #[error("{issuer} does not have the right {right}")]
    RightNotHeld {
        /// The issuer.
        issuer: Reference,
        /// The right.
        right: &'static str,
    },
    /// A signature of the request.
    #[error("the request does not verify: {0}")]
    Request(#[from] CvVerifyError),
    /// A holder who has a certificate must sign the request for the next one with its key (TR-03110-3 §C.2.6).
    #[error("{0} has had a certificate: the request needs an outer signature by its key")]
    NotAuthenticated(Reference),
    /// The outer signature is by a key that is not known.
    #[error("the request is authenticated by {0}, whose certificate is not known")]
    UnknownAuthenticator(Reference),
    /// Who vouches for a request must be in force.
    #[error("the request is authenticated by {holder}, whose certificate expired after {expired}")]
    AuthenticatorExpired {
        /// Who vouches.
        holder: Reference,
        /// Its last day.
        expired: Date,
    },
    /// An answer that does not lead to a CVCA that is believed.
    #[error("the answer is not believed: {0}")]
    Chain(#[from] ChainError),
    /// A certificate that is to be believed is not that of a CVCA about itself.
    #[error(transparent)]
    TrustPoint(#[from] TrustPointError),
    /// A reference names one key and no other.
    #[error("a certificate for {0} was issued before")]
    AlreadyIssued(Reference),
    /// Keys of one chain are of one kind (TR-03110-3 §2.3).
    #[error("the key of the request is not of the kind that {0} uses")]
    KeyKind(Reference),
    /// The certificate is for no key that waits for one.
    #[error("{0} is for no key of this holder that waits for a certificate")]
    NotAwaited(Reference),
    /// What was made departs from its profile.
    #[error("what was to be issued departs from its profile; it was not stored: {0}")]
    Lint(#[from] trust::lint::Refused),
    /// What was made does not read back as it should.
    #[error("what was issued does not verify; it was not stored")]
    NotVerified,
}

impl CvStore {
    /// The store in an authority's directory. It need not exist.
    pub fn new(authority: &Path) -> Self {
        CvStore { authority: authority.to_owned(), directory: authority.join("cvc"), new_keys: None }
    }

    /// Where the next keys are made. Until this is said: the next key of a holder where its current one is, a first key in
    /// a file.
    pub fn make_keys(&mut self, place: KeyPlace) {
        self.new_keys = Some(place);
    }

    /// Where the next key of the holder of this name will be made; the holder need not exist.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub fn next_place(&self, name: &str) -> Result<KeyPlace, CvError> {
        match (&self.new_keys, self.holder(name)) {
            (Some(place), _) => Ok(place.clone()),
            (None, Ok(holder)) => holder.place(),
            (None, Err(CvError::NoSuchHolder(_))) => Ok(KeyPlace::Software),
            (None, Err(error)) => Err(error),
        }
    }

    /// Every holder, by name.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn holders(&self) -> Result<Vec<CvHolder>, CvError> {
        let mut names = folder_names(&self.directory)?;
        names.retain(|name| self.directory.join(name).is_dir());
        names.iter().map(|name| self.holder(name)).collect()
    }

    /// The holder of this name: country and mnemonic.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn holder(&self, name: &str) -> Result<CvHolder, CvError> {
        // The name becomes a path: only what could be a reference gets that far.
        let (country, mnemonic) = name.split_at_checked(2).unwrap_or((name, ""));
        Reference::new(country, mnemonic, "00000")?;
        let directory = self.directory.join(name);
        if !directory.is_dir() {
            return Err(CvError::NoSuchHolder(name.to_owned()));
        }
        CvHolder::open(directory)
    }

    /// Nobody else issues anything from this directory until the file is dropped.
    fn lock(&self) -> Result<File, CvError> {
        let path = self.authority.join("lock");
        let failed = |error| CvError::File(FileError { path: path.clone(), error });
        fs::create_dir_all(&self.directory).map_err(failed)?;
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(CvError::Busy(self.authority.clone())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Lets every holder's sequence numbers jump ahead.
    pub(crate) fn jump(&self, by: u32) -> Result<(), CvError> {
        self.holders()?.into_iter().try_for_each(|holder| holder.record.jump(&holder.directory, by))
    }

    fn record(&self, now: Timestamp, acts: &[Act]) -> Result<(), CvError> {
        Ok(acts::append(&self.authority, x509::whole_seconds(now), acts)?)
    }
}

impl CvHolder {
    fn open(directory: PathBuf) -> Result<Self, CvError> {
        let record = Record::read(&directory)?;
        let folder = directory.join("generations");
        let mut generations = Vec::new();
        for name in folder_names(&folder)? {
            if let Ok(sequence) = name.parse() {
                generations.push(CvGeneration::open(sequence, folder.join(name))?);
            }
        }
        generations.sort_by_key(|generation| generation.sequence);
        Ok(CvHolder { directory, record, generations })
    }

    /// Country and mnemonic.
    pub fn name(&self) -> String {
        [self.record.country.as_str(), &self.record.mnemonic].concat()
    }

    /// Its folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Every key, oldest first.
    pub fn generations(&self) -> &[CvGeneration] {
        &self.generations
    }

    /// The newest key that has a certificate.
    pub fn current(&self) -> Option<(&CvGeneration, &CvCertificate)> {
        let mut newest = self.generations.iter().rev();
        newest.find_map(|generation| Some((generation, generation.certificate.as_ref()?)))
    }

    /// Where its current key is; a file when it has none.
    ///
    /// # Errors
    /// When the record of the key cannot be read.
    pub fn place(&self) -> Result<KeyPlace, CvError> {
        self.current().map_or(Ok(KeyPlace::Software), |(generation, _)| Ok(StoredKey::place(&generation.directory)?))
    }

    /// Whether the secret opens its current key: for whoever asks for more secrets after this one.
    ///
    /// # Errors
    /// When it does not, or there is no key with a certificate.
    pub fn opens(&self, secret: &Passphrase) -> Result<(), CvError> {
        self.certified()?.0.key(secret).map(drop)
    }

    fn certified(&self) -> Result<(&CvGeneration, &CvCertificate), CvError> {
        self.current().ok_or_else(|| CvError::NoCertificate(self.name()))
    }

    /// The certificate it issued under this reference.
    fn issued(&self, reference: &Reference) -> Result<Option<CvCertificate>, CvError> {
        match reference.parts() {
            Some(_) => optional_certificate(&self.issued_path(reference)),
            None => Ok(None),
        }
    }

    /// Every certificate it issued, by reference: later ones of a holder after earlier ones.
    pub(crate) fn issued_to_others(&self) -> Result<Vec<CvCertificate>, CvError> {
        let folder = self.directory.join("issued");
        let names = folder_names(&folder)?;
        let certificates = names.iter().map(|name| optional_certificate(&folder.join(name)));
        certificates.filter_map(Result::transpose).collect()
    }

    fn issued_path(&self, reference: &Reference) -> PathBuf {
        self.directory.join("issued").join(format!("{reference}.cvcert"))
    }

    /// Whether a certificate that it issued to the holder of this reference, under whatever sequence number, has not expired.
    fn certified_on(&self, reference: &Reference, today: Date) -> Result<bool, CvError> {
        let Some((country, mnemonic, _)) = reference.parts() else { return Ok(false) };
        let prefix = [country, mnemonic].concat();
        let of_holder = |parts: (&str, &str, &str)| [parts.0, parts.1].concat() == prefix;
        for name in folder_names(&self.directory.join("issued"))? {
            let named = name.strip_suffix(".cvcert").and_then(|name| Reference::from_bytes(name.as_bytes()).ok());
            let Some(named) = named.filter(|reference| reference.parts().is_some_and(of_holder)) else { continue };
            if self.issued(&named)?.is_some_and(|certificate| today <= certificate.body().expires) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The curve of one of its keys, which those below it inherit.
    fn curve_of(&self, reference: &Reference) -> Option<EllipticCurve> {
        let mut certificates = self.generations.iter().filter_map(|generation| generation.certificate.as_ref());
        let certificate = certificates.find(|certificate| certificate.body().holder == *reference)?;
        certificate.key(None).ok()?.curve()
    }
}

impl CvGeneration {
    fn open(sequence: u32, directory: PathBuf) -> Result<Self, CvError> {
        let request = match files::read_optional(&directory.join(REQUEST_FILE))? {
            Some(bytes) => Some(
                CvRequest::from_bytes(&bytes)
                    .map_err(|error| CvError::Damaged { path: directory.join(REQUEST_FILE), error })?,
            ),
            None => None,
        };
        Ok(CvGeneration {
            sequence,
            request,
            certificate: optional_certificate(&directory.join(CERTIFICATE_FILE))?,
            link: optional_certificate(&directory.join(LINK_FILE))?,
            authority: optional_certificate(&directory.join(AUTHORITY_FILE))?,
            directory,
        })
    }

    /// The certificates that lead to this one, in the order in which a card asks for them.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn chain(&self) -> Result<Vec<CvCertificate>, CvError> {
        let path = self.directory.join(CHAIN_FILE);
        let bytes = files::read_optional(&path)?.unwrap_or_default();
        certificates(&bytes).map_err(|error| CvError::Damaged { path, error })
    }

    /// The secret is the passphrase of the key's file or the PIN of its token.
    fn key(&self, secret: &Passphrase) -> Result<StoredKey, CvError> {
        let path = &self.directory;
        StoredKey::open(path, secret).map_err(|error| CvError::HolderKey { path: path.clone(), error })
    }
}

fn optional_certificate(path: &Path) -> Result<Option<CvCertificate>, CvError> {
    match files::read_optional(path)? {
        Some(bytes) => CvCertificate::from_bytes(&bytes)
            .map(Some)
            .map_err(|error| CvError::Damaged { path: path.to_owned(), error }),
        None => Ok(None),
    }
}

/// Names in a folder which are not leftovers; none when there is no folder.
fn folder_names(folder: &Path) -> Result<Vec<String>, CvError> {
    let failed = |error| CvError::File(FileError { path: folder.to_owned(), error });
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Rights by name, or all that the issuer has.
fn rights(issuer: Chat, level: Level, names: Option<&[String]>) -> Result<Chat, ChatError> {
    let terminal_type: TerminalType = issuer.terminal_type();
    match names {
        Some(names) => Chat::named(terminal_type, level, names.iter().map(String::as_str)),
        None => Ok(issuer.at_level(level)),
    }
}
