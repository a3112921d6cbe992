//! A file of faults: its format, and why one cannot be used.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Fault, Faults};

const FORMAT: &str = "bitaqa-soft-card-fault";
const VERSION: u32 = 1;
/// No file of faults is longer.
const MAX_FILE: u64 = 64 * 1024;

/// Why a file of faults cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// The system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, an unknown kind or field, or a value of the wrong kind.
    #[error("{}: {source}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the TOML reader said.
        source: Box<toml::de::Error>,
    },
    /// Another format, or another version of this one.
    #[error("{}: format {format}, version {version}; this program reads {FORMAT}, version {VERSION}", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The format found.
        format: String,
        /// The version found.
        version: u32,
    },
    /// A value that cannot be used.
    #[error("{}: {field} must be {expected}", .path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl Faults {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is no file of faults.
    pub fn load(path: &Path) -> Result<Self, FaultError> {
        let failed = |source| FaultError::Io { path: path.into(), source };
        let mut text = String::new();
        let file = File::open(path).map_err(failed)?;
        file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > MAX_FILE {
            return Err(FaultError::Value {
                path: path.into(),
                field: "the file",
                expected: "at most 65536 bytes long",
            });
        }
        Self::parse(&text, path)
    }

    /// Reads the text of a file that stands at `path`.
    ///
    /// # Errors
    /// When it is no file of faults.
    pub fn parse(text: &str, path: &Path) -> Result<Self, FaultError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Document {
            #[serde(rename = "format")]
            _format: String,
            #[serde(rename = "version")]
            _version: u32,
            seed: u64,
            #[serde(rename = "fault")]
            faults: Vec<Fault>,
        }
        let format = |source| FaultError::Format { path: path.into(), source: Box::new(source) };
        let Head { format: found, version } = toml::from_str(text).map_err(format)?;
        if found != FORMAT || version != VERSION {
            return Err(FaultError::Version { path: path.into(), format: found, version });
        }
        let document: Document = toml::from_str(text).map_err(format)?;
        if let Some((field, expected)) = document.faults.iter().find_map(Fault::impossible) {
            return Err(FaultError::Value { path: path.into(), field, expected });
        }
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Faults { seed: document.seed, all: document.faults, folder })
    }
}
