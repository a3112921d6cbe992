//! The card's memory as a file: versioned JSON, replaced atomically.
//!
//! ```text
//! { "format": "bitaqa-soft-card", "version": 1, "issuer_domain": {..}, "emrtd": {..} }
//! ```
//!
//! The file holds the keys of the card and is readable by its owner only (mode 0600). Every write goes to a
//! temporary file beside it, is synced, and takes the file's name in one step: whoever kills the card program,
//! at any moment, finds the memory before or after a command, never between.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::emrtd::{self, MAX_CONTENTS};
use crate::issuer_domain::{self, CardLife, MAX_KEY_SETS};

const FORMAT: &str = "bitaqa-soft-card";
const VERSION: u32 = 1;
/// No state file of a card that keeps its limits is longer.
const MAX_FILE: u64 = 1024 * 1024;
/// Length of the card production life cycle data.
const CPLC_LENGTH: usize = 42;

/// Everything the card keeps without power.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// The issuer domain and the card as a whole.
    pub issuer_domain: issuer_domain::Memory,
    /// The eMRTD application.
    pub emrtd: emrtd::Memory,
}

/// The file as it stands.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    version: u32,
    issuer_domain: issuer_domain::Memory,
    emrtd: emrtd::Memory,
}

/// The start of any version of the file.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file meant.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is longer than any card's memory.
    #[error("{path}: longer than {MAX_FILE} bytes, not the memory of a card")]
    TooLong {
        /// The file meant.
        path: PathBuf,
    },
    /// The file is no JSON of this format, or is cut off.
    #[error("{path}: not the memory of a soft card ({detail})")]
    NotAState {
        /// The file meant.
        path: PathBuf,
        /// Position and kind of the first fault.
        detail: String,
    },
    /// A version that this program does not know.
    #[error("{path}: format version {version} is not supported, this program knows version {VERSION}")]
    Version {
        /// The file meant.
        path: PathBuf,
        /// The version found.
        version: u32,
    },
    /// A well-formed file whose values no card can have.
    #[error("{path}: impossible value in {field}")]
    Impossible {
        /// The file meant.
        path: PathBuf,
        /// Which value.
        field: &'static str,
    },
}

impl State {
    /// Reads a state file.
    ///
    /// # Errors
    /// When it cannot be read, is too long, truncated, of another format or version, or impossible.
    pub fn load(path: &Path) -> Result<Self, StateError> {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|source| io_error(path, source))?;
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|source| io_error(path, source))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(StateError::TooLong { path: path.into() });
        }
        Self::parse(&bytes, path)
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Self, StateError> {
        let not_a_state =
            |error: serde_json::Error| StateError::NotAState { path: path.into(), detail: error.to_string() };
        let head: Head = serde_json::from_slice(bytes).map_err(not_a_state)?;
        if head.format != FORMAT {
            return Err(StateError::NotAState { path: path.into(), detail: "another format".into() });
        }
        if head.version != VERSION {
            return Err(StateError::Version { path: path.into(), version: head.version });
        }
        let document: Document = serde_json::from_slice(bytes).map_err(not_a_state)?;
        let state = State { issuer_domain: document.issuer_domain, emrtd: document.emrtd };
        match state.impossible() {
            Some(field) => Err(StateError::Impossible { path: path.into(), field }),
            None => Ok(state),
        }
    }

    /// The first value that no card can hold.
    fn impossible(&self) -> Option<&'static str> {
        let State { issuer_domain, emrtd } = self;
        let keys = &issuer_domain.keys;
        let uniform = |set: &issuer_domain::StoredKeySet| {
            let length = set.enc.expose().len();
            matches!(length, 16 | 24 | 32) && set.mac.expose().len() == length && set.dek.expose().len() == length
        };
        let checks = [
            ("cplc", issuer_domain.cplc.len() == CPLC_LENGTH),
            ("keys", !keys.is_empty() && keys.len() <= MAX_KEY_SETS && keys.values().all(uniform)),
            ("keys", keys.keys().all(|version| (0x01..=0x7F).contains(version))),
            ("sequence", keys.values().all(|set| set.sequence <= 0xFF_FFFF)),
            ("files", emrtd.size() <= MAX_CONTENTS && emrtd.files.keys().all(|id| emrtd::is_personalized(*id))),
            ("mrz_information", emrtd.mrz_information.as_ref().is_none_or(|text| text.expose().is_ascii())),
        ];
        checks.into_iter().find(|(_, good)| !good).map(|(field, _)| field)
    }

    /// Writes the file atomically: temporary file of mode 0600 beside it, sync, rename, sync of the directory.
    ///
    /// # Errors
    /// When the file system refuses; the old file is then untouched.
    pub fn save(&self, path: &Path) -> Result<(), StateError> {
        let document = Document {
            format: FORMAT.into(),
            version: VERSION,
            issuer_domain: self.issuer_domain.clone(),
            emrtd: self.emrtd.clone(),
        };
        let mut bytes = serde_json::to_vec_pretty(&document).map_err(|error| io_error(path, error.into()))?;
        bytes.push(b'\n');
        replace(path, &bytes).map_err(|source| io_error(path, source))
    }

    /// True when no card can leave this state by any command (GPCS §5.1.1.5).
    pub fn is_terminated(&self) -> bool {
        self.issuer_domain.life_cycle == CardLife::Terminated
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // tempfile creates with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

fn io_error(path: &Path, source: io::Error) -> StateError {
    StateError::Io { path: path.into(), source }
}
