//! What a holder must remember beside its certificates: sequence numbers that may never be used twice.
//!
//! A number is burnt in `holder.json` before a key is made with it: an interrupted issue leaves a gap, never a second use.

use std::path::Path;

use serde::{Deserialize, Serialize};
use trust::cvc::Reference;

use super::CvError;
use crate::files::{self, Mode};

const RECORD_FILE: &str = "holder.json";
const FORMAT: &str = "bitaqa-cv-holder";
const VERSION: u32 = 1;
/// Sequence numbers have five digits.
const LAST: u32 = 99_999;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    format: String,
    version: u32,
    pub country: String,
    pub mnemonic: String,
    pub last_sequence: u32,
}

/// Why the record of a holder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CvRecordError {
    /// The file is not what this program writes.
    #[error("cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Another format or version.
    #[error("has format {format} version {version}, which this program does not know")]
    Version {
        /// Format named in the file.
        format: String,
        /// Version named in the file.
        version: u32,
    },
}

impl Record {
    pub fn new(country: &str, mnemonic: &str) -> Self {
        let (country, mnemonic) = (country.to_owned(), mnemonic.to_owned());
        Record { format: FORMAT.to_owned(), version: VERSION, country, mnemonic, last_sequence: 0 }
    }

    pub fn read(directory: &Path) -> Result<Self, CvError> {
        let path = directory.join(RECORD_FILE);
        let bytes = files::read(&path)?;
        let record: Record = serde_json::from_slice(&bytes)
            .map_err(|error| CvError::Record { path: path.clone(), error: error.into() })?;
        if record.format != FORMAT || record.version != VERSION {
            let error = CvRecordError::Version { format: record.format, version: record.version };
            return Err(CvError::Record { path, error });
        }
        Ok(record)
    }

    /// Burns the next sequence number, and returns the reference with it.
    pub fn next(&mut self, directory: &Path) -> Result<(u32, Reference), CvError> {
        let sequence = self.last_sequence + 1;
        if sequence > LAST {
            return Err(CvError::SequenceUsedUp([self.country.as_str(), &self.mnemonic].concat()));
        }
        let reference = Reference::new(&self.country, &self.mnemonic, &format!("{sequence:05}"))?;
        let burnt = Record { last_sequence: sequence, ..self.clone() };
        files::replace(&directory.join(RECORD_FILE), &burnt.to_bytes(), Mode::Public)?;
        *self = burnt;
        Ok((sequence, reference))
    }

    /// Goes on so many numbers later.
    pub fn jump(mut self, directory: &Path, by: u32) -> Result<(), CvError> {
        self.last_sequence = self.last_sequence.saturating_add(by).min(LAST);
        Ok(files::replace(&directory.join(RECORD_FILE), &self.to_bytes(), Mode::Public)?)
    }

    /// Writes the record of a new holder into its folder.
    pub fn write(&self, directory: &Path) -> std::io::Result<()> {
        files::write(&directory.join(RECORD_FILE), &self.to_bytes(), Mode::Public)
    }

    fn to_bytes(&self) -> Vec<u8> {
        files::json(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first release wrote it: every later release reads it.
    const VERSION_1: &str = r#"{
        "format": "bitaqa-cv-holder", "version": 1, "country": "UT", "mnemonic": "ISCVCA", "last_sequence": 2
    }"#;

    #[test]
    fn the_sample_of_version_1_is_read_and_numbers_go_on() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(RECORD_FILE), VERSION_1).unwrap();
        let mut record = Record::read(directory.path()).unwrap();
        let (sequence, reference) = record.next(directory.path()).unwrap();
        assert_eq!((sequence, reference.to_string()), (3, "UTISCVCA00003".to_owned()));
        assert_eq!(Record::read(directory.path()).unwrap().last_sequence, 3);
    }

    #[test]
    fn another_version_is_named_and_numbers_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(RECORD_FILE);
        std::fs::write(&path, VERSION_1.replace(": 1,", ": 7,")).unwrap();
        let error = Record::read(directory.path()).unwrap_err();
        assert!(matches!(error, CvError::Record { error: CvRecordError::Version { version: 7, .. }, .. }));
        std::fs::write(&path, VERSION_1.replace(": 2", ": 99999")).unwrap();
        let used_up = Record::read(directory.path()).unwrap().next(directory.path());
        assert!(matches!(used_up, Err(CvError::SequenceUsedUp(_))));
    }
}
