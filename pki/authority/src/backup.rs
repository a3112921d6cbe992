//! A backup: one file with everything of an authority, as it was at one moment.
//!
//! ```text
//! {"format":"bitaqa-backup","version":1,"made":"...","acts":7,"head":"<SHA-256 of the record's last line>","tokens":["national"], ...}
//! {"file":"acts.jsonl","private":false,"length":2048,"sha256":"..."}
//! {"content":"<base64, one MiB at most>"}                                  as many as the length demands
//! ...                                                                     every file, by name
//! {"files":21,"sha256":"<SHA-256 of all lines before>"}
//! ```
//!
//! Keys stay encrypted as they are. Keys in tokens are not in it: the tokens are named. A backup is nobody's signed word: whoever
//! can write it can make one; it is kept as the directory is.
//!
//! - [`make`]: writes a backup, under the authority's lock
//! - [`verify`]: reads all of one and says what is in it
//! - [`restore()`]: puts it into an empty place

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::acts::{self, ActsError};
use crate::authority::{IssueError, OpenError, lock_file};
use crate::citizen_ca::CitizenError;
use crate::cvca::CvError;
use crate::files::FileError;
use crate::key_store::{KeyError, StoredKey};
use crate::state::{STATE_FILE, State, StateError};
use crate::x509;

mod container;
mod restore;

use container::{Damage, Writer};

pub use container::MAX_FILES;
pub use restore::{Restored, Since, restore};

const FORMAT: &str = "bitaqa-backup";
const VERSION: u32 = 1;
/// Files that only this machine and this moment need.
const NOT_KEPT: [&str; 2] = ["lock", "uses.lock"];

/// What a backup says about itself, its content verified.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: String,
    version: u32,
    /// When it was made.
    pub made: Timestamp,
    /// The profile; none in a directory of card-verifiable certificates alone.
    pub profile: Option<String>,
    /// The last number of the CSCA's revocation lists.
    pub crl_number: Option<u64>,
    /// How many acts are on record.
    pub acts: u64,
    /// SHA-256 of the last act's line.
    pub head: Option<String>,
    /// Labels of the tokens that hold keys: they need backups of their own.
    pub tokens: BTreeSet<String>,
}

/// Why there is no backup, or none that can be restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is something with the name of the backup.
    #[error("{0} exists")]
    Exists(PathBuf),
    /// The directory has something that a backup cannot hold.
    #[error("{0} is neither a file nor a folder, or its name cannot be kept")]
    Unkept(PathBuf),
    /// A file changed while it was read.
    #[error("{0} changed while it was read")]
    Changed(PathBuf),
    /// The directory is not an authority's.
    #[error("{0} has no record of acts: it is no authority's directory")]
    NoAuthority(PathBuf),
    /// The lock, or an authority that cannot be read.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// A key's record.
    #[error("{path}: {error}")]
    Key {
        /// Its directory.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The record of acts.
    #[error(transparent)]
    Acts(#[from] ActsError),
    /// The citizen CA.
    #[error(transparent)]
    Citizens(#[from] CitizenError),
    /// A holder of card-verifiable certificates.
    #[error(transparent)]
    Cv(#[from] CvError),
    /// The backup was altered, cut off, or made by somebody else's hand.
    #[error("{path}, line {line}: {damage}")]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        damage: Damage,
    },
    /// The place has an authority that went on after the backup was made.
    #[error("{directory} has {there} acts, the backup {kept}: it is older")]
    Older {
        /// The place.
        directory: PathBuf,
        /// Acts there.
        there: u64,
        /// Acts in the backup.
        kept: u64,
    },
    /// Something else is in the place.
    #[error("{0} is not empty")]
    NotEmpty(PathBuf),
    /// Nobody said what was issued after the backup.
    #[error("what was revoked after {made} is not in the backup, and would be lost")]
    Since {
        /// When it was made.
        made: Timestamp,
    },
    /// The revocation list given is not by the authority of the backup.
    #[error("the revocation list is not by a key of this authority")]
    ForeignList,
    /// The revocation list given is older than the backup.
    #[error("the revocation list has number {given}; the backup knows of number {known}")]
    OlderList {
        /// Number of the list.
        given: u64,
        /// Number in the backup.
        known: u64,
    },
}

/// Writes a backup of this directory to a new file (0600), under the authority's lock.
///
/// # Errors
/// When somebody else is issuing, a file cannot be read, or the backup cannot be written; nothing is there then.
pub fn make(directory: &Path, out: &Path, now: Timestamp) -> Result<Manifest, BackupError> {
    if out.exists() {
        return Err(BackupError::Exists(out.to_owned()));
    }
    let _lock = lock(directory)?;
    let record = acts::read(directory)?;
    let files = contents(directory)?;
    let state = if directory.join(STATE_FILE).exists() { Some(State::read(directory)?) } else { None };
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        version: VERSION,
        made: x509::whole_seconds(now),
        profile: state.as_ref().map(|state| state.profile.clone()),
        crl_number: state.as_ref().map(|state| state.crl_number),
        acts: record.entries.len() as u64,
        head: record.head().map(str::to_owned),
        tokens: tokens(directory, &files)?,
    };
    let mut writer = Writer::create(out)?;
    writer.line(&manifest)?;
    for path in &files {
        writer.file(directory, path)?;
    }
    writer.finish()?;
    Ok(manifest)
}

/// Reads all of a backup: every digest, every name, the chain of the record.
///
/// # Errors
/// When something in it is not as it was written.
pub fn verify(backup: &Path) -> Result<Manifest, BackupError> {
    container::read(backup, |_, _| Ok(()))
}

fn lock(directory: &Path) -> Result<File, BackupError> {
    if !directory.join(acts::ACTS_FILE).exists() {
        return Err(BackupError::NoAuthority(directory.to_owned()));
    }
    Ok(lock_file(directory)?)
}

/// Every file and every empty folder, relative to the directory, sorted by its name as it is written in the backup. What interrupted writes left is
/// not kept.
fn contents(directory: &Path) -> Result<Vec<String>, BackupError> {
    let (mut found, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        let before = found.len() + folders.len();
        let place = directory.join(&folder);
        let failed = |error: io::Error| FileError { path: place.clone(), error };
        for item in fs::read_dir(&place).map_err(failed)? {
            let item = item.map_err(failed)?;
            let name = item.file_name();
            let name = name.to_str().ok_or_else(|| BackupError::Unkept(item.path()))?;
            if name.starts_with('.') || NOT_KEPT.contains(&name) {
                continue;
            }
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let kind = item.file_type().map_err(failed)?;
            if !container::is_path(&path) || !(kind.is_dir() || kind.is_file()) {
                return Err(BackupError::Unkept(item.path()));
            } else if kind.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
        if found.len() + folders.len() == before && !folder.is_empty() {
            found.push(format!("{folder}/"));
        }
    }
    found.sort();
    Ok(found)
}

fn tokens(directory: &Path, files: &[String]) -> Result<BTreeSet<String>, BackupError> {
    let mut labels = BTreeSet::new();
    for path in files.iter().filter_map(|path| path.strip_suffix("key.json")) {
        let place = directory.join(path);
        let token = StoredKey::token(&place).map_err(|error| BackupError::Key { path: place, error })?;
        labels.extend(token.map(|token| token.label));
    }
    Ok(labels)
}

impl From<OpenError> for BackupError {
    fn from(error: OpenError) -> Self {
        IssueError::from(error).into()
    }
}
