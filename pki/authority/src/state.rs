//! What an authority must remember beside its certificates: numbers that may never be used twice, and who was revoked.
//!
//! A number is burnt in `state.json` before anything is made with it: an interrupted issue leaves a gap, never a second use.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::files::{self, FileError, Mode};

/// Name of the file.
pub(crate) const STATE_FILE: &str = "state.json";
const FORMAT: &str = "bitaqa-authority";
const VERSION: u32 = 1;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    format: String,
    version: u32,
    pub profile: String,
    pub crl_number: u64,
    pub bundle_number: u64,
    pub bundle_expires: Option<Timestamp>,
    pub revoked: Vec<Revoked>,
    /// The last number of each kind of signed list.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, u64>,
}

/// A revoked document signer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revoked {
    pub name: String,
    /// Content bytes of the serial number; hexadecimal in the file. What cannot be read there makes the state unreadable: a
    /// revocation is never lost.
    #[serde(with = "hexadecimal")]
    pub serial: Vec<u8>,
    pub since: Timestamp,
}

/// Bytes that are hexadecimal digits in a file.
pub(crate) mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file is missing or cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what this program writes.
    #[error("{STATE_FILE} cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Another format or version.
    #[error("{STATE_FILE} has format {format} version {version}, which this program does not know")]
    Version {
        /// Format named in the file.
        format: String,
        /// Version named in the file.
        version: u32,
    },
    /// The profile is not known.
    #[error("{STATE_FILE} names the unknown profile {0}")]
    Profile(String),
}

impl State {
    pub fn new(profile: &str) -> Self {
        State {
            format: FORMAT.to_owned(),
            version: VERSION,
            profile: profile.to_owned(),
            crl_number: 0,
            bundle_number: 0,
            bundle_expires: None,
            revoked: Vec::new(),
            lists: BTreeMap::new(),
        }
    }

    pub fn read(directory: &Path) -> Result<Self, StateError> {
        let state: State = serde_json::from_slice(&files::read(&directory.join(STATE_FILE))?)?;
        if state.format != FORMAT || state.version != VERSION {
            return Err(StateError::Version { format: state.format, version: state.version });
        }
        Ok(state)
    }

    pub fn write(&self, directory: &Path) -> Result<(), FileError> {
        files::replace(&directory.join(STATE_FILE), &self.to_bytes(), Mode::Public)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        files::json(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first release wrote it: every later release reads it.
    const VERSION_1: &str = r#"{
        "format": "bitaqa-authority", "version": 1, "profile": "specimen-uto",
        "crl_number": 2, "bundle_number": 1, "bundle_expires": "2027-02-20T18:12:00Z",
        "revoked": [ { "name": "ds-0001", "serial": "4bf1c3", "since": "2026-11-22T18:12:00Z" } ]
    }"#;

    #[test]
    fn the_sample_of_version_1_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(STATE_FILE);
        std::fs::write(&path, VERSION_1).unwrap();
        let state = State::read(directory.path()).unwrap();
        assert_eq!((state.crl_number, state.bundle_number, state.revoked.len()), (2, 1, 1));
        state.write(directory.path()).unwrap();
        assert_eq!(State::read(directory.path()).unwrap(), state);
    }

    #[test]
    fn a_damaged_serial_number_is_an_error_and_letter_case_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(STATE_FILE);
        for damaged in ["4bf1c", "4bf1cx", "4b f1c3"] {
            std::fs::write(&path, VERSION_1.replace("4bf1c3", damaged)).unwrap();
            assert!(matches!(State::read(directory.path()), Err(StateError::Json(_))), "{damaged}");
        }
        std::fs::write(&path, VERSION_1.replace("4bf1c3", "4BF1C3")).unwrap();
        assert_eq!(State::read(directory.path()).unwrap().revoked[0].serial, [0x4B, 0xF1, 0xC3]);
    }

    #[test]
    fn another_version_is_named() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(STATE_FILE), VERSION_1.replace(": 1,", ": 7,")).unwrap();
        assert!(matches!(State::read(directory.path()), Err(StateError::Version { version: 7, .. })));
    }
}
