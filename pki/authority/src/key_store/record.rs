//! `key.json`: where the key of a directory is, and what it signs with.
//!
//! ```text
//! { "format": "bitaqa-key", "version": 1, "algorithm": "ecdsa-p-256", "place": "software" }     and key.p8 beside it
//! { .., "place": { "token": { "module": "/usr/lib/softhsm/libsofthsm2.so", "token": "label of the token",
//!                             "label": "bitaqa-csca", "id": "hexadecimal" } }, "max_uses": 100000 }
//! ```
//!
//! The module's path is that of the machine where the key was made; another machine may need another path there.
//!
//! A directory without this file holds a key of the first release: `key.p8` on an elliptic curve.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::uses::{self, UseCount};
use super::{Algorithm, KeyError, Signer, SigningError, SoftwareKey, Token, TokenAddress, TokenKey, UnknownAlgorithm};
use crate::files::{self, FileError, Mode};
use crate::passphrase::{MIN_PASSPHRASE, Passphrase};

/// Name of the encrypted key file.
const KEY_FILE: &str = "key.p8";
/// Name of the record.
const RECORD_FILE: &str = "key.json";
const FORMAT: &str = "bitaqa-key";
const VERSION: u32 = 1;

/// A key of a directory, opened. Whatever it is for, it signs as often as its record allows and no more.
pub struct StoredKey {
    key: OpenedKey,
    uses: Option<UseCount>,
}

enum OpenedKey {
    /// From an encrypted file, now in this process.
    Software(SoftwareKey),
    /// In a token that is logged in.
    Token(TokenKey),
}

/// Where a new key is made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum KeyPlace {
    /// In an encrypted file.
    #[default]
    Software,
    /// In a token.
    Token(TokenAddress),
}

impl KeyPlace {
    /// The token; none for a file.
    pub fn token(&self) -> Option<&TokenAddress> {
        match self {
            KeyPlace::Software => None,
            KeyPlace::Token(address) => Some(address),
        }
    }

    /// Whether a key can be made here under this secret, as far as can be told before one is made.
    pub(crate) fn accepts(&self, secret: &Passphrase) -> Result<(), KeyError> {
        match self {
            KeyPlace::Software if secret.expose().len() < MIN_PASSPHRASE => Err(KeyError::WeakPassphrase),
            KeyPlace::Software => Ok(()),
            KeyPlace::Token(address) => Ok(Token::open(address, secret).map(drop)?),
        }
    }
}

/// What is asked of a new key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewKey {
    /// Where it is made.
    pub place: KeyPlace,
    /// What it signs with; the profile's choice when absent.
    pub algorithm: Option<Algorithm>,
    /// How often it may sign; the profile's choice when absent. The keys of authorities are not bounded so.
    pub max_uses: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: String,
    version: u32,
    algorithm: String,
    place: Place,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_uses: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Place {
    Software,
    Token { module: PathBuf, token: String, label: String, id: String },
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
    /// The identifier of the key is not hexadecimal.
    #[error("names a key identifier that is not hexadecimal")]
    Identifier,
}

/// A key just made, with the files of its directory, which are not written yet.
///
/// A key in a token is removed again when this is dropped before [`FreshKey::keep_in`]: nothing stays behind in the token when
/// what the key is for cannot be finished.
pub(crate) struct FreshKey {
    pub key: StoredKey,
    files: Vec<(&'static str, Vec<u8>, Mode)>,
    kept: bool,
}

impl FreshKey {
    /// A new key. The secret is the passphrase of its file or the PIN of the token.
    pub fn generate(
        place: &KeyPlace,
        algorithm: Algorithm,
        label: &str,
        max_uses: Option<u64>,
        secret: &Passphrase,
    ) -> Result<Self, KeyError> {
        let (key, place, mut files) = match place {
            KeyPlace::Software => {
                let key = SoftwareKey::generate(algorithm)?;
                let file = (KEY_FILE, key.to_pem(secret)?, Mode::Private);
                (OpenedKey::Software(key), Place::Software, vec![file])
            }
            KeyPlace::Token(address) => {
                let key = TokenKey::generate(&Token::open(address, secret)?, label, algorithm)?;
                let place = Place::Token {
                    module: address.module.clone(),
                    token: address.label.clone(),
                    label: key.label().to_owned(),
                    id: hex::encode(key.id()),
                };
                (OpenedKey::Token(key), place, Vec::new())
            }
        };
        let (format, algorithm) = (FORMAT.to_owned(), algorithm.to_string());
        let record = Record { format, version: VERSION, algorithm, place, max_uses };
        files.push((RECORD_FILE, record.to_bytes(), Mode::Public));
        if max_uses.is_some() {
            files.push((uses::FILE, uses::none_yet(), Mode::Private));
        }
        // Nothing is counted in a directory that is not there yet.
        Ok(FreshKey { key: StoredKey { key, uses: None }, files, kept: false })
    }

    /// Writes the files into the key's directory.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        self.files.iter().try_for_each(|(name, bytes, mode)| files::write(&directory.join(name), bytes, *mode))
    }

    /// The key is in use from now on, when what it is for has got its name. Writing may fail after that, and the key is
    /// needed all the same.
    pub fn keep_in(&mut self, directory: &Path) {
        self.kept = directory.exists();
    }
}

impl Drop for FreshKey {
    fn drop(&mut self) {
        if let (false, OpenedKey::Token(key)) = (self.kept, &self.key.key) {
            // Best effort: whoever dropped it reports why, and a key that nobody knows of does no harm.
            let _ = key.destroy();
        }
    }
}

impl StoredKey {
    /// Opens the key of a directory. The secret is the passphrase of its file, or the PIN of its token.
    ///
    /// # Errors
    /// When a file is missing or damaged, the token is missing, or the secret is wrong; when the key's uses are to be counted
    /// and cannot be.
    pub fn open(directory: &Path, secret: &Passphrase) -> Result<Self, KeyError> {
        // What does not need the secret first: a token is not asked for nothing.
        let uses = Self::uses(directory)?;
        uses.as_ref().map_or(Ok(()), UseCount::check)?;
        Ok(StoredKey { key: Self::opened(directory, secret)?, uses })
    }

    fn opened(directory: &Path, secret: &Passphrase) -> Result<OpenedKey, KeyError> {
        let software = || -> Result<SoftwareKey, KeyError> {
            SoftwareKey::from_pem(&files::read(&directory.join(KEY_FILE))?, secret)
        };
        let Some(record) = Record::read(directory)? else { return Ok(OpenedKey::Software(software()?)) };
        let damaged = |why| KeyError::Record { path: directory.join(RECORD_FILE), why };
        let algorithm = record.algorithm.parse().map_err(|why: UnknownAlgorithm| damaged(why.into()))?;
        match record.place {
            Place::Software => software()?.with_algorithm(algorithm).map(OpenedKey::Software),
            Place::Token { module, token, label, id } => {
                let id = hex::decode(id).map_err(|_| damaged(RecordError::Identifier))?;
                let token = Token::open(&TokenAddress { module, label: token }, secret)?;
                Ok(OpenedKey::Token(TokenKey::find(&token, &label, &id, algorithm)?))
            }
        }
    }

    /// Whether a directory has a key.
    pub(crate) fn is_in(directory: &Path) -> bool {
        directory.join(RECORD_FILE).exists() || directory.join(KEY_FILE).exists()
    }

    /// How often the key of a directory was used; `None` when its use is not bounded.
    ///
    /// # Errors
    /// When the record or the count cannot be read.
    pub(crate) fn uses(directory: &Path) -> Result<Option<UseCount>, KeyError> {
        let max_uses = Record::read(directory)?.and_then(|record| record.max_uses);
        max_uses.map(|most| UseCount::open(directory, most).map_err(KeyError::Uses)).transpose()
    }

    /// Where the key of a directory is.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(crate) fn place(directory: &Path) -> Result<KeyPlace, KeyError> {
        Ok(match Record::read(directory)?.map(|record| record.place) {
            Some(Place::Token { module, token, .. }) => KeyPlace::Token(TokenAddress { module, label: token }),
            Some(Place::Software) | None => KeyPlace::Software,
        })
    }

    /// The token that the key of a directory is in.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(crate) fn token(directory: &Path) -> Result<Option<TokenAddress>, KeyError> {
        Ok(Self::place(directory)?.token().cloned())
    }
}

impl StoredKey {
    fn signer(&self) -> &dyn Signer {
        match &self.key {
            OpenedKey::Software(key) => key,
            OpenedKey::Token(key) => key,
        }
    }
}

impl Signer for StoredKey {
    fn algorithm(&self) -> Algorithm {
        self.signer().algorithm()
    }

    fn public_bits(&self) -> &[u8] {
        self.signer().public_bits()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        self.uses.as_ref().map_or(Ok(()), UseCount::take)?;
        self.signer().sign(message)
    }
}

impl Record {
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
        files::json(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first version wrote them: every later version reads them.
    const SOFTWARE: &str =
        r#"{ "format": "bitaqa-key", "version": 1, "algorithm": "rsa-pss-3072", "place": "software" }"#;
    const TOKEN: &str = r#"{ "format": "bitaqa-key", "version": 1, "algorithm": "ecdsa-p-256", "place": { "token": {
        "module": "/usr/lib/module.so", "token": "national", "label": "bitaqa-ds-0001", "id": "00ff" } }, "max_uses": 100000 }"#;

    fn read(text: &str) -> Result<Option<Record>, KeyError> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(RECORD_FILE), text).unwrap();
        Record::read(directory.path())
    }

    #[test]
    fn the_samples_of_version_1_are_read() {
        let software = read(SOFTWARE).unwrap().unwrap();
        assert!(matches!(software.place, Place::Software) && software.max_uses.is_none());
        let token = read(TOKEN).unwrap().unwrap();
        assert_eq!((token.algorithm.as_str(), token.max_uses), ("ecdsa-p-256", Some(100_000)));
        let Place::Token { module, token, label, id } = token.place else { panic!("not in a token") };
        assert_eq!(
            (module.to_str(), &*token, &*label, &*id),
            (Some("/usr/lib/module.so"), "national", "bitaqa-ds-0001", "00ff")
        );
    }

    #[test]
    fn what_is_not_a_record_is_named() {
        let refused = |text: &str| match read(text) {
            Err(KeyError::Record { why, .. }) => why,
            _ => panic!("{text} was accepted"),
        };
        assert!(matches!(refused("{}"), RecordError::Json(_)));
        assert!(matches!(refused(&SOFTWARE.replace(": 1,", ": 2,")), RecordError::Version { version: 2, .. }));
    }
}
