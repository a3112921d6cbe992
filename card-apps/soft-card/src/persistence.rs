//! The card's memory as a file: versioned JSON, replaced atomically.
//!
//! ```text
//! { "format": "bitaqa-soft-card", "version": 2, "issuer_domain": {..}, "emrtd": {..}, "eid": {..} | null }
//! ```
//!
//! Version 1 had no `eid`: such a card is one without the citizen application.
//!
//! The file holds the keys of the card and is readable by its owner only (mode 0600). Every write goes to a
//! temporary file beside it, is synced, and takes the file's name in one step: whoever kills the card program,
//! at any moment, finds the memory before or after a command, never between. A running card holds a lock on it.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use crate::eid;
use crate::emrtd::{self, MAX_CONTENTS};
use crate::issuer_domain::{self, MAKERS_VERSION, MAX_KEY_SETS};
use crate::jmrtd;
use crate::persona::Make;

const FORMAT: &str = "bitaqa-soft-card";
const VERSION: u32 = 2;
/// The first version that knows the citizen application.
const WITH_EID: u32 = 2;
/// No state file of a card that keeps its limits is longer.
const MAX_FILE: u64 = 1024 * 1024;
/// Length of the card production life cycle data.
const CPLC_LENGTH: usize = 42;

/// Everything the card keeps without power.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// What the chip can do.
    pub make: Make,
    /// The issuer domain and the card as a whole.
    pub issuer_domain: issuer_domain::Memory,
    /// The eMRTD application.
    pub emrtd: emrtd::Memory,
    /// The citizen application, on a card that has one.
    pub eid: Option<eid::Memory>,
    /// The passport applet of others, on a card that has it in the place of the eMRTD application.
    pub jmrtd: Option<jmrtd::Memory>,
}

/// The file as it stands.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    version: u32,
    #[serde(default)]
    make: Make,
    issuer_domain: issuer_domain::Memory,
    emrtd: emrtd::Memory,
    #[serde(default)]
    eid: Option<eid::Memory>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jmrtd: Option<jmrtd::Memory>,
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
    /// Another card program runs with this memory.
    #[error("{path}: another card program is running with this memory")]
    InUse {
        /// The file meant.
        path: PathBuf,
    },
    /// A version that this program does not know.
    #[error("{path}: format version {version} is not supported, this program knows versions 1 to {VERSION}")]
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
    /// True when the eMRTD application is on the card: cards with a program of others for the citizen have none.
    pub fn has_emrtd(&self) -> bool {
        self.eid.as_ref().is_none_or(|eid| eid.applet.is_own())
    }

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
            |error: serde_json::Error| StateError::NotAState { path: path.into(), detail: position(&error) };
        let head: Head = serde_json::from_slice(bytes).map_err(not_a_state)?;
        if head.format != FORMAT {
            return Err(StateError::NotAState { path: path.into(), detail: "another format".into() });
        }
        if !(1..=VERSION).contains(&head.version) {
            return Err(StateError::Version { path: path.into(), version: head.version });
        }
        let document: Document = serde_json::from_slice(bytes).map_err(not_a_state)?;
        if document.eid.is_some() && head.version < WITH_EID {
            return Err(StateError::Impossible { path: path.into(), field: "eid" });
        }
        let Document { make, issuer_domain, emrtd, eid, jmrtd, .. } = document;
        let state = State { make, issuer_domain, emrtd, eid, jmrtd };
        match state.impossible() {
            Some(field) => Err(StateError::Impossible { path: path.into(), field }),
            None => Ok(state),
        }
    }

    /// The first value that no card can hold.
    fn impossible(&self) -> Option<&'static str> {
        let State { make: _, issuer_domain, emrtd, eid, jmrtd } = self;
        let keys = &issuer_domain.keys;
        let uniform = |set: &issuer_domain::StoredKeySet| {
            let length = set.enc.expose().len();
            matches!(length, 16 | 24 | 32) && set.mac.expose().len() == length && set.dek.expose().len() == length
        };
        let checks = [
            ("cplc", issuer_domain.cplc.len() == CPLC_LENGTH),
            ("keys", !keys.is_empty() && keys.len() <= MAX_KEY_SETS && keys.values().all(uniform)),
            ("keys", keys.keys().all(|version| (0x01..=0x7F).contains(version)) || keys.keys().eq([&MAKERS_VERSION])),
            ("proofs", matches!(issuer_domain.secure_channel.proofs, 8 | 16)),
            ("sequence", keys.values().all(|set| set.sequence <= 0xFF_FFFF)),
            ("files", emrtd.size() <= MAX_CONTENTS && emrtd.files.keys().all(|id| emrtd::is_file(*id))),
            ("mrz_information", emrtd.mrz_information.as_ref().is_none_or(|text| text.expose().is_ascii())),
        ];
        if jmrtd.as_ref().is_some_and(jmrtd::Memory::is_impossible) {
            return Some("jmrtd");
        }
        let wrong = checks.into_iter().find(|(_, good)| !good).map(|(field, _)| field);
        wrong.or_else(|| eid.as_ref().and_then(eid::Memory::impossible))
    }

    /// Writes a new state file, for its owner only (mode 0600).
    ///
    /// # Errors
    /// When something stands at that path already, or the file system refuses.
    pub fn create(&self, path: &Path) -> Result<(), StateError> {
        let failed = |source| io_error(path, source);
        let file = self.written_beside(path).map_err(failed)?;
        file.persist_noclobber(path).map_err(|error| failed(error.error))?;
        sync_directory(path).map_err(failed)
    }

    /// The file's content in a temporary file in the same directory, synced and locked.
    fn written_beside(&self, path: &Path) -> io::Result<tempfile::NamedTempFile> {
        let document = Document {
            format: FORMAT.into(),
            version: VERSION,
            make: self.make.clone(),
            issuer_domain: self.issuer_domain.clone(),
            emrtd: self.emrtd.clone(),
            eid: self.eid.clone(),
            jmrtd: self.jmrtd.clone(),
        };
        let mut bytes = serde_json::to_vec_pretty(&document)?;
        bytes.push(b'\n');
        // tempfile creates with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(directory(path))?;
        file.as_file().lock()?;
        file.write_all(&bytes)?;
        file.as_file().sync_all()?;
        Ok(file)
    }
}

/// The state file of a running card. It is locked: one memory is one chip, never two at a time.
pub(crate) struct StateFile {
    path: PathBuf,
    /// Holds the lock on the file that stands at the path now.
    locked: File,
}

impl StateFile {
    /// Opens and locks a state file.
    pub(crate) fn open(path: &Path) -> Result<(State, Self), StateError> {
        let file = File::open(path).map_err(|source| io_error(path, source))?;
        match patient_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse { path: path.into() }),
            Err(TryLockError::Error(source)) => return Err(io_error(path, source)),
        }
        let state = State::load(path)?;
        Ok((state, StateFile { path: path.into(), locked: file }))
    }

    /// Replaces the file atomically; on failure the old one is untouched.
    pub(crate) fn save(&mut self, state: &State) -> Result<(), StateError> {
        let failed = |source| io_error(&self.path, source);
        // The new file is locked before it takes the name: no other card can slip in between.
        let file = state.written_beside(&self.path).map_err(failed)?;
        self.locked = file.persist(&self.path).map_err(|error| failed(error.error))?;
        sync_directory(&self.path).map_err(|source| io_error(&self.path, source))
    }
}

/// Takes the lock, or gives up after a fifth of a second: a program that this process is just starting holds every open
/// file for a moment, until it begins.
fn patient_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..10 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(std::time::Duration::from_millis(20)),
            result => return result,
        }
    }
    Err(TryLockError::WouldBlock)
}

/// Where a file breaks off or goes wrong. The parser's own words could quote a key.
fn position(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        Category::Eof => "cut off",
        Category::Data => "unexpected content",
        Category::Io | Category::Syntax => "no JSON",
    };
    format!("{kind} at line {} column {}", error.line(), error.column())
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory(path))?.sync_all()
}

fn io_error(path: &Path, source: io::Error) -> StateError {
    StateError::Io { path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::blank::BlankOptions;

    fn blank() -> State {
        State::blank(BlankOptions { serial: Some([1, 2, 3, 4, 5, 6]), ..BlankOptions::default() }).unwrap()
    }

    fn document(state: &State) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("card.json");
        state.create(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::read(path).unwrap()
    }

    #[test]
    fn a_state_survives_its_file_and_is_never_overwritten_by_a_new_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("card.json");
        let mut state = blank();
        state.create(&path).unwrap();
        assert_eq!(State::load(&path).unwrap(), state);
        assert!(matches!(state.create(&path), Err(StateError::Io { .. })));

        let (_, mut file) = StateFile::open(&path).unwrap();
        state.emrtd.files.insert(0x0101, vec![0x61, 0x00]);
        state.emrtd.mrz_information = Some(channel::secret::Secret::from(&b"L898902C<369080619406236"[..]));
        let private = channel::secret::Secret::from(&[0x5A; 32][..]);
        state.emrtd.active_key = Some(emrtd::ActiveKey::Ec { parameter_id: 12, private });
        state.issuer_domain.card_image_number = Some(vec![0xAA; 32]);
        file.save(&state).unwrap();
        assert_eq!(State::load(&path).unwrap(), state);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn one_memory_is_one_chip() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("card.json");
        blank().create(&path).unwrap();
        let (state, mut first) = StateFile::open(&path).unwrap();
        assert!(matches!(StateFile::open(&path), Err(StateError::InUse { .. })));
        first.save(&state).unwrap();
        assert!(matches!(StateFile::open(&path), Err(StateError::InUse { .. })), "the new file is locked too");
        drop(first);
        assert!(StateFile::open(&path).is_ok());
    }

    #[test]
    fn truncated_foreign_and_impossible_files_are_refused() {
        let whole = document(&blank());
        let path = Path::new("card.json");
        for end in 0..whole.len() - 2 {
            assert!(matches!(State::parse(&whole[..end], path), Err(StateError::NotAState { .. })), "{end}");
        }
        let text = String::from_utf8(whole).unwrap();
        let with = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            State::parse(text.replace(from, to).as_bytes(), path).unwrap_err()
        };
        assert!(matches!(with("bitaqa-soft-card", "something-else"), StateError::NotAState { .. }));
        assert!(matches!(with("\"version\": 2", "\"version\": 3"), StateError::Version { version: 3, .. }));
        assert!(matches!(with("\"ffff500c", "\"ff500c"), StateError::Impossible { field: "cplc", .. }));
        assert!(matches!(with("\"enc\": \"40", "\"enc\": \""), StateError::Impossible { field: "keys", .. }));
        assert!(matches!(with("\"48\": {", "\"128\": {"), StateError::Impossible { field: "keys", .. }));
        assert!(matches!(with("\"sequence\": 0", "\"sequence\": 16777216"), StateError::Impossible { .. }));
        assert!(matches!(with("\"files\": {}", "\"files\": {\"2F00\": \"\"}"), StateError::Impossible { .. }));
        assert!(matches!(with("\"initialized\"", "\"sleeping\""), StateError::NotAState { .. }));
        assert!(matches!(with("\"complete\"", "\"unknown\": 1, \"complete\""), StateError::NotAState { .. }));
    }

    #[test]
    fn endless_files_are_not_read_to_their_end() {
        assert!(matches!(State::load(Path::new("/dev/zero")), Err(StateError::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn hostile_files_never_panic(cut in 0usize..3000, byte: u8, at in 0usize..3000) {
            static BLANK: LazyLock<Vec<u8>> = LazyLock::new(|| document(&blank()));
            let mut bytes = BLANK.clone();
            if let Some(there) = bytes.get_mut(at) {
                *there = byte;
            }
            bytes.truncate(cut);
            let _ = State::parse(&bytes, Path::new("card.json"));
        }
    }
}
