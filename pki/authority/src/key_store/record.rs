//! `key.json`: where the key of a directory is, and what it signs with.
//!
//! ```text
//! { "format": "bitaqa-key", "version": 1, "algorithm": "ecdsa-p-256", "place": "software" }     and key.p8 beside it
//! ```
//!
//! A directory without this file holds a key of the first release: `key.p8` on an elliptic curve.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Algorithm, KeyError, Signer, SigningError, SoftwareKey, UnknownAlgorithm};
use crate::files::{self, FileError, Mode};
use crate::passphrase::Passphrase;

/// Name of the encrypted key file.
const KEY_FILE: &str = "key.p8";
/// Name of the record.
const RECORD_FILE: &str = "key.json";
const FORMAT: &str = "bitaqa-key";
const VERSION: u32 = 1;

/// A key of a directory, opened.
pub enum StoredKey {
    /// From an encrypted file, now in this process.
    Software(SoftwareKey),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: String,
    version: u32,
    algorithm: String,
    place: Place,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Place {
    Software,
}

/// Why the record of a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not what this program writes.
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
    /// The algorithm is not known.
    #[error(transparent)]
    Algorithm(#[from] UnknownAlgorithm),
}

/// A key just made, with the files of its directory, which are not written yet.
pub(crate) struct FreshKey {
    pub key: StoredKey,
    files: Vec<(&'static str, Vec<u8>, Mode)>,
}

impl FreshKey {
    /// A new key in an encrypted file.
    pub fn software(algorithm: Algorithm, passphrase: &Passphrase) -> Result<Self, KeyError> {
        let key = SoftwareKey::generate(algorithm)?;
        let record = Record::new(algorithm, Place::Software);
        let files =
            vec![(KEY_FILE, key.to_pem(passphrase)?, Mode::Private), (RECORD_FILE, record.to_bytes(), Mode::Public)];
        Ok(FreshKey { key: StoredKey::Software(key), files })
    }

    /// Writes the files into the key's directory.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        self.files.iter().try_for_each(|(name, bytes, mode)| files::write(&directory.join(name), bytes, *mode))
    }
}

impl StoredKey {
    /// Opens the key of a directory. The secret is the passphrase of its file.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the secret is wrong.
    pub fn open(directory: &Path, secret: &Passphrase) -> Result<Self, KeyError> {
        let software = || -> Result<SoftwareKey, KeyError> {
            SoftwareKey::from_pem(&files::read(&directory.join(KEY_FILE))?, secret)
        };
        let Some(record) = Record::read(directory)? else { return Ok(StoredKey::Software(software()?)) };
        let path = || directory.join(RECORD_FILE);
        let algorithm = record
            .algorithm
            .parse()
            .map_err(|why: UnknownAlgorithm| KeyError::Record { path: path(), why: why.into() })?;
        match record.place {
            Place::Software => software()?.with_algorithm(algorithm).map(StoredKey::Software),
        }
    }
}

impl Signer for StoredKey {
    fn algorithm(&self) -> Algorithm {
        match self {
            StoredKey::Software(key) => key.algorithm(),
        }
    }

    fn public_bits(&self) -> &[u8] {
        match self {
            StoredKey::Software(key) => key.public_bits(),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        match self {
            StoredKey::Software(key) => key.sign(message),
        }
    }
}

impl Record {
    fn new(algorithm: Algorithm, place: Place) -> Self {
        Record { format: FORMAT.to_owned(), version: VERSION, algorithm: algorithm.to_string(), place }
    }

    fn read(directory: &Path) -> Result<Option<Self>, KeyError> {
        let path = directory.join(RECORD_FILE);
        let bytes = match files::read(&path) {
            Ok(bytes) => bytes,
            Err(FileError { error, .. }) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let damaged = |why| KeyError::Record { path: path.clone(), why };
        let record: Record = serde_json::from_slice(&bytes).map_err(|error| damaged(error.into()))?;
        if record.format != FORMAT || record.version != VERSION {
            return Err(damaged(RecordError::Version { format: record.format, version: record.version }));
        }
        Ok(Some(record))
    }

    fn to_bytes(&self) -> Vec<u8> {
        // Strings and numbers always serialize.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}
