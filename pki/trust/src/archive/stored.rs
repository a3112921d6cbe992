//! The archive as a file: JSON of a known version, replaced as a whole.

use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{Archive, Believed, Distrusted, Held, HeldCrl, Seen, Source};
use crate::certificate::{Certificate, CertificateError};
use crate::crl::{Crl, CrlError};
use crate::files::{create_directory, replace};

const FORMAT: &str = "bitaqa-anchor-archive";
/// The version of an archive that distrusts nobody.
const VERSION: u32 = 1;
/// A program that does not know distrust must not open the archive without it.
const VERSION_WITH_DISTRUST: u32 = 2;
const FILE: &str = "archive.json";
/// The largest archive that is read, in bytes.
const MAX_ARCHIVE: u64 = 1024 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: String,
    version: u32,
    generation: u64,
    sources: Vec<Source>,
    certificates: Vec<StoredCertificate>,
    #[serde(default)]
    crls: Vec<StoredCrl>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    distrusted: Vec<Distrusted>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredCertificate {
    der: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Believed>,
    seen: Vec<Seen>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredCrl {
    der: String,
    seen: Vec<Seen>,
}

/// Why an archive cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Not the expected JSON.
    #[error("the anchor archive cannot be read: {0}")]
    Json(String),
    /// A format or version that this program does not know.
    #[error("anchor archive format {format} version {version} is not known")]
    Format {
        /// The format named in the file.
        format: String,
        /// The version named in the file.
        version: u32,
    },
    /// A certificate in it cannot be read.
    #[error("certificate {index} of the anchor archive: {error}")]
    Certificate {
        /// Position from 0.
        index: usize,
        /// Why.
        error: CertificateError,
    },
    /// A revocation list in it cannot be read.
    #[error("revocation list {index} of the anchor archive: {error}")]
    Crl {
        /// Position from 0.
        index: usize,
        /// Why.
        error: CrlError,
    },
}

/// Why an archive cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Another command is changing it.
    #[error("another process is changing the anchor archive in {0}")]
    Busy(PathBuf),
    /// A file cannot be written.
    #[error("{path}: {error}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The right to change the archive in a directory, held until it is dropped.
#[derive(Debug)]
pub struct Writing {
    directory: PathBuf,
    _lock: File,
}

impl Archive {
    /// Opens the archive in this directory; an empty one where there is none yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(directory: &Path) -> Result<Self, LoadError> {
        let path = directory.join(FILE);
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|file| file.take(MAX_ARCHIVE).read_to_end(&mut bytes)) {
            Ok(_) => Self::from_json(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(LoadError::Read { path, error }),
        }
    }

    /// Reads an archive file.
    ///
    /// # Errors
    /// When it is of another format, or something in it cannot be read.
    pub fn from_json(bytes: &[u8]) -> Result<Self, LoadError> {
        let json = |error: &dyn std::fmt::Display| LoadError::Json(error.to_string());
        let stored: Stored = serde_json::from_slice(bytes).map_err(|error| json(&error))?;
        if stored.format != FORMAT || ![VERSION, VERSION_WITH_DISTRUST].contains(&stored.version) {
            return Err(LoadError::Format { format: stored.format, version: stored.version });
        }
        let Stored { generation, sources, distrusted, .. } = stored;
        let mut archive = Archive { generation, sources, distrusted, ..Archive::default() };
        for (index, one) in stored.certificates.into_iter().enumerate() {
            let der = STANDARD.decode(one.der).map_err(|error| json(&error))?;
            let certificate = Certificate::from_der(&der).map_err(|error| LoadError::Certificate { index, error })?;
            let held = Held { certificate, reasons: one.reasons, seen: one.seen, believed: false };
            archive.certificates.insert(held.certificate.fingerprint(), held);
        }
        for (index, one) in stored.crls.into_iter().enumerate() {
            let der = STANDARD.decode(one.der).map_err(|error| json(&error))?;
            let crl = Crl::from_der(&der).map_err(|error| LoadError::Crl { index, error })?;
            archive.crls.insert(openssl::sha::sha256(&der), HeldCrl { crl, seen: one.seen });
        }
        archive.weigh();
        Ok(archive)
    }

    /// The archive as a file.
    pub fn to_json(&self) -> Vec<u8> {
        let certificate = |held: &Held| StoredCertificate {
            der: STANDARD.encode(held.certificate.der()),
            reasons: held.reasons.clone(),
            seen: held.seen.clone(),
        };
        let crl = |held: &HeldCrl| StoredCrl { der: STANDARD.encode(held.crl.der()), seen: held.seen.clone() };
        let stored = Stored {
            format: FORMAT.to_owned(),
            version: if self.distrusted.is_empty() { VERSION } else { VERSION_WITH_DISTRUST },
            generation: self.generation,
            sources: self.sources.clone(),
            certificates: self.certificates.values().map(certificate).collect(),
            crls: self.crls.values().map(crl).collect(),
            distrusted: self.distrusted.clone(),
        };
        // Strings, numbers and dates always serialize.
        serde_json::to_vec(&stored).unwrap_or_default()
    }
}

impl Writing {
    /// Takes the right to change the archive in a directory, which is made when it is missing.
    ///
    /// # Errors
    /// When another process has it, or the directory cannot be written.
    pub fn begin(directory: &Path) -> Result<Self, SaveError> {
        let write = |path: &Path| {
            let path = path.to_owned();
            move |error| SaveError::Write { path, error }
        };
        create_directory(directory).map_err(write(directory))?;
        let path = directory.join("lock");
        let lock = File::options().create(true).append(true).open(&path).map_err(write(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Writing { directory: directory.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(SaveError::Busy(directory.to_owned())),
            Err(TryLockError::Error(error)) => Err(SaveError::Write { path, error }),
        }
    }

    /// Puts this archive in the place of the one that is there: old or new, never a mixture.
    ///
    /// # Errors
    /// When it cannot be written; the old one is still there then.
    pub fn save(&self, archive: &Archive) -> Result<(), SaveError> {
        let path = self.directory.join(FILE);
        let written = replace(&path, &archive.to_json());
        written.map_err(|error| SaveError::Write { path, error })
    }
}

/// Thirty-two bytes as hexadecimal digits.
pub(super) mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(D::Error::custom)?;
        Ok(bytes)
    }
}

/// The same, or nothing.
pub(super) mod hex_bytes_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Bytes(#[serde(with = "super::hex_bytes")] [u8; 32]);

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub fn serialize<S: Serializer>(bytes: &Option<[u8; 32]>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes.map(Bytes).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[u8; 32]>, D::Error> {
        Ok(Option::<Bytes>::deserialize(deserializer)?.map(|bytes| bytes.0))
    }
}
