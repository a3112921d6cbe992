//! The trust store of an inspection post: the newest bundle it ever installed, and the pin of its signer.
//!
//! ```text
//! DIR/pin          fingerprint of the bundle signer, hexadecimal
//! DIR/bundle.json  the bundle exactly as received; verified again each time the store is opened
//! DIR/number       the highest number ever installed, decimal: without the bundle too, nothing older comes back
//! ```

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::bundle::{self, Bundle, BundleError, MAX_BUNDLE, Pin, Policy, RevokedDocument};
use crate::certificate::Certificate;
use crate::crl::Crl;
use crate::defect_list::DefectList;
use crate::memory::Memory;

/// Name of the file with the highest number ever installed.
const NUMBER: &str = "number";

/// Whom to believe.
///
/// A store never changes: a newer bundle makes another store. So whatever was found out with it once, and no clock can
/// change, is remembered with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustStore {
    bundle: Bundle,
    elsewhere: Vec<Elsewhere>,
    defects: Vec<DefectList>,
    memory: Memory,
}

/// A country signing key that is known and not believed: who has it, for advice only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Elsewhere {
    /// The key identifier.
    pub key_identifier: Vec<u8>,
    /// Where it was seen, for people: `the master list of C=DE of 2024-08-07`.
    pub source: String,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file is missing or cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The pin file does not hold 64 hexadecimal digits.
    #[error("{0} does not hold a fingerprint")]
    Pin(PathBuf),
    /// The number file does not hold a number.
    #[error("{0} does not hold the number of a bundle")]
    Number(PathBuf),
    /// The stored bundle is older than one that was installed here.
    #[error("the stored bundle has number {stored}; number {installed} was installed before")]
    Rollback {
        /// Number of the stored bundle.
        stored: u64,
        /// The highest number ever installed.
        installed: u64,
    },
    /// The stored bundle is not believed.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// Why a bundle is not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The new bundle is not believed.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The store that is there cannot be opened.
    #[error("the installed trust store: {0}")]
    Installed(OpenError),
    /// The store is pinned to another signer.
    #[error("this store is pinned to {installed}, the new bundle to {given}")]
    OtherPin {
        /// The pin in the store.
        installed: Pin,
        /// The pin that was given.
        given: Pin,
    },
    /// An older bundle, or another one with the same number.
    #[error("bundle number {offered} is not newer than the installed number {installed}")]
    Rollback {
        /// Number of the installed bundle.
        installed: u64,
        /// Number of the offered bundle.
        offered: u64,
    },
    /// A file cannot be written.
    #[error("{path}: {error}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl TrustStore {
    /// A store that lives in memory only.
    pub fn from_bundle(bundle: Bundle) -> Self {
        TrustStore { bundle, elsewhere: Vec::new(), defects: Vec::new(), memory: Memory::default() }
    }

    /// The same store which also knows where missing country signing keys have been seen.
    #[must_use]
    pub fn knowing(mut self, elsewhere: Vec<Elsewhere>) -> Self {
        self.elsewhere = elsewhere;
        self.memory = Memory::default();
        self
    }

    /// Opens the store in this directory; the bundle's signature is verified again.
    ///
    /// # Errors
    /// When a file is missing, altered or unreadable, or the bundle older than one that was installed before.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let pin = read_pin(directory)?;
        let bytes = read(&directory.join("bundle.json"), MAX_BUNDLE)?;
        let bundle = bundle::open(&bytes, &pin)?;
        let installed = read_number(directory)?;
        if bundle.number < installed {
            return Err(OpenError::Rollback { stored: bundle.number, installed });
        }
        Ok(Self::from_bundle(bundle))
    }

    /// Installs a bundle. Installing the installed bundle again is no error; an older one, or another with the same number, is.
    ///
    /// The first installation pins the signer.
    ///
    /// # Errors
    /// When the bundle is not believed, older than the installed one, or cannot be written.
    pub fn install(directory: &Path, bytes: &[u8], pinned: &Pin) -> Result<Self, InstallError> {
        let offered = bundle::open(bytes, pinned)?;
        let (pin_path, bundle_path) = (directory.join("pin"), directory.join("bundle.json"));
        if pin_path.exists() {
            let installed = read_pin(directory).map_err(InstallError::Installed)?;
            if installed != *pinned {
                return Err(InstallError::OtherPin { installed, given: *pinned });
            }
        }
        if bundle_path.exists() {
            let installed = Self::open(directory).map_err(InstallError::Installed)?;
            if installed.bundle == offered {
                // An interrupted installation may have written the bundle and not its number.
                write_number(directory, offered.number)?;
                return Ok(installed);
            }
            if offered.number <= installed.bundle.number {
                return Err(InstallError::Rollback { installed: installed.bundle.number, offered: offered.number });
            }
        }
        // The same number again, when only the bundle was lost, is what was there.
        let installed = read_number(directory).map_err(InstallError::Installed)?;
        if offered.number < installed {
            return Err(InstallError::Rollback { installed, offered: offered.number });
        }
        fs::create_dir_all(directory).map_err(|error| write_error(directory, error))?;
        if !pin_path.exists() {
            replace(&pin_path, format!("{pinned}\n").as_bytes()).map_err(|error| write_error(&pin_path, error))?;
        }
        replace(&bundle_path, bytes).map_err(|error| write_error(&bundle_path, error))?;
        write_number(directory, offered.number)?;
        Ok(Self::from_bundle(offered))
    }

    /// The pin of the store in this directory.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn pinned(directory: &Path) -> Result<Pin, OpenError> {
        read_pin(directory)
    }

    /// The country signing certificates.
    pub fn anchors(&self) -> &[Certificate] {
        &self.bundle.anchors
    }

    /// Document signers for security objects that carry none.
    pub fn signers(&self) -> &[Certificate] {
        &self.bundle.signers
    }

    /// The revocation lists.
    pub fn crls(&self) -> &[Crl] {
        &self.bundle.crls
    }

    /// Where a missing country signing key was seen.
    pub fn seen_elsewhere<'a>(&'a self, key_identifier: &'a [u8]) -> impl Iterator<Item = &'a str> {
        let same = move |known: &&Elsewhere| known.key_identifier == key_identifier;
        self.elsewhere.iter().filter(same).map(|known| known.source.as_str())
    }

    /// The same store which also knows these defect lists. Those that no country signing CA of the store stands behind, and those
    /// of the future, are left out: the guideline has them ignored (TR-03129-2 §7).
    #[must_use]
    pub fn knowing_defects(mut self, lists: Vec<DefectList>, now: Timestamp) -> Self {
        self.defects = lists.into_iter().filter(|list| list.verify(self.anchors(), now).is_believed()).collect();
        self
    }

    /// The defect lists that are believed.
    pub fn defect_lists(&self) -> &[DefectList] {
        &self.defects
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.bundle.policy
    }

    /// Whether a document was reported as no longer valid. Fillers at the end of the number are ignored.
    pub fn revoked_document(&self, number: &str) -> Option<&RevokedDocument> {
        self.bundle.revoked_documents.get(number.trim_end_matches('<'))
    }

    /// The bundle's number.
    pub fn number(&self) -> u64 {
        self.bundle.number
    }

    /// Who issued the bundle.
    pub fn issuer(&self) -> &str {
        &self.bundle.issuer
    }

    /// When the bundle was issued.
    pub fn issued(&self) -> Timestamp {
        self.bundle.issued
    }

    /// When the bundle becomes stale.
    pub fn expires(&self) -> Timestamp {
        self.bundle.expires
    }
}

fn read_pin(directory: &Path) -> Result<Pin, OpenError> {
    let path = directory.join("pin");
    let text = read(&path, 1024)?;
    std::str::from_utf8(&text).ok().and_then(Pin::from_hex).ok_or(OpenError::Pin(path))
}

/// The highest number ever installed; zero in a store of a version that did not write it, until the next installation.
fn read_number(directory: &Path) -> Result<u64, OpenError> {
    let path = directory.join(NUMBER);
    match read(&path, 64) {
        Ok(text) => {
            let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
            number.ok_or(OpenError::Number(path))
        }
        Err(OpenError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Unless it is there already.
fn write_number(directory: &Path, number: u64) -> Result<(), InstallError> {
    if read_number(directory).is_ok_and(|installed| installed == number) {
        return Ok(());
    }
    let path = directory.join(NUMBER);
    replace(&path, format!("{number}\n").as_bytes()).map_err(|error| write_error(&path, error))
}

fn read(path: &Path, limit: usize) -> Result<Vec<u8>, OpenError> {
    let failed = |error| OpenError::Read { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn write_error(path: &Path, error: io::Error) -> InstallError {
    InstallError::Write { path: path.to_owned(), error }
}

/// Old or new, never a mixture: a new file beside it, on disk before it takes the name. Its name cannot be foreseen, so
/// that no link planted there leads the bytes elsewhere.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut random = [0; 8];
    openssl::rand::rand_bytes(&mut random)?;
    let fresh = path.with_extension(format!("{}.new", hex::encode(random)));
    discard_leftovers(path);
    let write = || {
        let mut file = fs::File::create_new(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&fresh);
    })
}

/// Removes what interrupted writes of this file left. What cannot be removed does no harm.
fn discard_leftovers(path: &Path) {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let of_this_file = |name: &str| {
        let random = name.strip_prefix(&*stem).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".new"));
        random.is_some_and(|random| random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let Some(Ok(entries)) = path.parent().map(fs::read_dir) else { return };
    for entry in entries.flatten().filter(|entry| of_this_file(&entry.file_name().to_string_lossy())) {
        let _ = fs::remove_file(entry.path());
    }
}
