//! What was seen at a card: raw bytes and status words, without any judgement.
//!
//! Evidence is written by [`crate::procedure::inspect`] and judged by [`crate::judge()`], now or
//! later. It is stored as one JSON object with a version; bytes are Base64 and are never
//! re-encoded, so what is hashed is what the chip sent.
//!
//! What evidence is *not*: a proof towards a third party. Signatures and hashes can be checked
//! again by anyone, but that the access protocol ran, and that the chip proved its key, is the
//! word of the terminal that wrote it (Chip Authentication is non-transferable by design,
//! 9303-11 §6.2; what the chip shows in chip authentication mapping anyone can make up who knows the public key).
//! Active Authentication leaves a signature that anyone can verify; that it is over a fresh
//! challenge is again the terminal's word.

mod access;
pub(crate) mod encoding;
mod proofs;

use std::collections::BTreeMap;
use std::fmt;

use iso7816::tlv::Reader;
use iso7816::{Status, TransmitError};
use jiff::Timestamp;
use lds::files::{self, EF_CARD_ACCESS, EF_CARD_SECURITY, EF_COM, EF_SOD};
use serde::{Deserialize, Serialize};

pub use self::access::{AccessEvidence, Attempt, Established, MappingEvidence, PasswordKind, Protocol, Quirk};
use self::encoding::{base64_bytes, instant, status_word};
pub use self::proofs::{
    ActiveAuthenticationEvidence, ChipAuthenticationEvidence, ChipAuthenticationOutcome,
    TerminalAuthenticationEvidence, TerminalAuthenticationOutcome,
};
use crate::procedure::active::DG15;
use crate::procedure::chip::DG14;

/// The version written into stored evidence. Version 1 knew no Active Authentication, version 2 kept nothing of chip
/// authentication mapping, version 3 did not say which rung of the ladder an attempt was.
pub const VERSION: u32 = 4;
/// The longest stored evidence that is accepted, in bytes.
pub const MAX_STORED: usize = 8 << 20;

/// The name of DG1.
const DG1: &str = "EF.DG1";
/// What proofs of the chip are judged by: its keys, and what vouches for them.
const PROOF_FILES: [&str; 6] = [EF_CARD_ACCESS.name, EF_CARD_SECURITY.name, EF_SOD.name, DG1, DG14, DG15];

/// Everything seen at one card in one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Format version, 1 to [`VERSION`].
    pub version: u32,
    /// When the card was read, by the terminal's clock.
    #[serde(with = "instant")]
    pub read_at: Timestamp,
    /// How access was sought and won.
    pub access: AccessEvidence,
    /// What became of each elementary file that was asked for, by its name (`EF.SOD`, `EF.DG1`).
    pub files: BTreeMap<String, FileEvidence>,
    /// Chip Authentication, when it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip_authentication: Option<ChipAuthenticationEvidence>,
    /// Active Authentication, when it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_authentication: Option<ActiveAuthenticationEvidence>,
    /// Terminal Authentication, when there was a terminal to show and something that only it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal_authentication: Option<TerminalAuthenticationEvidence>,
    /// The machine-readable zone as printed (90, 72 or 88 characters), when the inspector supplied all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub printed_mrz: Option<String>,
    /// What had to be tried differently while files were read, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quirks: Vec<Quirk>,
    /// The session that broke before the one in which all this was read. A first session that holds has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted: Option<Restart>,
    /// Why the procedure ended early: the card left, a limit was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<Interruption>,
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FileEvidence {
    /// Read completely.
    Read {
        /// The file's bytes: tag, length and value, exactly as sent.
        #[serde(with = "base64_bytes")]
        content: Vec<u8>,
    },
    /// The chip says that the file does not exist (6A82).
    Absent,
    /// The chip refused to select or to read it.
    Refused {
        /// The status word.
        #[serde(with = "status_word")]
        status: Status,
    },
    /// What was sent is no file of the logical data structure, or is too large.
    Malformed {
        /// What was wrong.
        reason: String,
    },
    /// Present, but the inspector asked to leave it out.
    Skipped,
    /// The session ended before or while it was read.
    Interrupted,
}

impl FileEvidence {
    /// The bytes, when the file was read completely.
    pub fn content(&self) -> Option<&[u8]> {
        match self {
            FileEvidence::Read { content } => Some(content),
            _ => None,
        }
    }

    /// What a status word other than success says of a file.
    pub(crate) fn refusal(status: Status) -> Self {
        match status {
            Status::FILE_NOT_FOUND => FileEvidence::Absent,
            status => FileEvidence::Refused { status },
        }
    }
}

/// A session that broke while files were read; access was then opened once more, and everything was read again with short commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// The file that was being read, or was read last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What broke.
    pub cause: Interruption,
    /// That session, as far as it shows how the chip proved itself, or did not: who broke it may have wished that to be
    /// forgotten. Readers before this field kept nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Box<Evidence>>,
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a first session broke")?;
        if let Some(file) = &self.file {
            write!(f, " at {file}")?;
        }
        write!(f, "{}", self.cause)
    }
}

impl fmt::Display for Interruption {
    /// In parentheses behind what broke; nothing where there was no chip.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interruption::CardLost => f.write_str(" (no answer)"),
            Interruption::Reader { detail } | Interruption::Limit { detail } => write!(f, " ({detail})"),
            Interruption::SecureMessaging { reason } => write!(f, " ({reason})"),
            Interruption::WithoutChip => Ok(()),
        }
    }
}

/// Why a procedure ended early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Interruption {
    /// The card left the reader or stopped answering.
    CardLost,
    /// The reader failed.
    Reader {
        /// What it said.
        detail: String,
    },
    /// The limits of time, commands or bytes were used up.
    Limit {
        /// Which limit.
        detail: String,
    },
    /// There was no chip: files were given ([`Evidence::of_files`]).
    WithoutChip,
    /// Secure messaging broke while files were read.
    SecureMessaging {
        /// Which rule the answer broke.
        reason: String,
    },
}

impl From<&TransmitError> for Interruption {
    fn from(error: &TransmitError) -> Self {
        match error {
            TransmitError::Lost => Interruption::CardLost,
            TransmitError::Reader { .. } | TransmitError::Unsendable { .. } | TransmitError::Replay { .. } => {
                Interruption::Reader { detail: error.to_string() }
            }
            TransmitError::TimedOut { .. } | TransmitError::TooLong { .. } => {
                Interruption::Limit { detail: error.to_string() }
            }
            TransmitError::SecureMessaging { .. } | TransmitError::Unprotected { .. } => {
                Interruption::SecureMessaging { reason: error.to_string() }
            }
        }
    }
}

/// Why files cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilesError {
    /// Not one data object of EF.SOD, EF.COM or a data group.
    #[error(
        "file {position} is not EF.SOD, EF.COM or a data group as a chip holds it: one data object and nothing behind it"
    )]
    Unknown {
        /// Which one, from 1.
        position: usize,
    },
    /// Two files of one name.
    #[error("file {position} is a second {name}")]
    Twice {
        /// Which one, from 1.
        position: usize,
        /// The name.
        name: &'static str,
    },
}

/// Why stored evidence cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadEvidenceError {
    /// The file is larger than any evidence.
    #[error("{length} bytes, more than the {MAX_STORED} that evidence may have")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// It is not JSON of this form.
    #[error("not evidence: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It was written by a later version of the tool.
    #[error("format version {found}; this tool reads versions 1 to {VERSION}")]
    Version {
        /// The version found.
        found: u32,
    },
}

impl Evidence {
    /// Evidence of nothing yet.
    pub fn new(read_at: Timestamp) -> Self {
        Evidence {
            version: VERSION,
            read_at,
            access: AccessEvidence::default(),
            files: BTreeMap::new(),
            chip_authentication: None,
            active_authentication: None,
            terminal_authentication: None,
            printed_mrz: None,
            quirks: Vec::new(),
            restarted: None,
            interrupted: None,
        }
    }

    /// What a session that broke showed of the chip's proofs, with the files that they are judged by.
    pub(crate) fn of_broken_session(&self, cause: &Interruption) -> Self {
        let access = AccessEvidence { attempts: Vec::new(), ..self.access.clone() };
        let files = self.files.iter().filter(|(name, _)| PROOF_FILES.contains(&name.as_str()));
        Evidence {
            access,
            files: files.map(|(name, seen)| (name.clone(), seen.clone())).collect(),
            chip_authentication: self.chip_authentication.clone(),
            active_authentication: self.active_authentication.clone(),
            interrupted: Some(cause.clone()),
            ..Evidence::new(self.read_at)
        }
    }

    /// Files of one document that lie at hand without its chip. What each is, its outer tag says (9303-10 §4).
    ///
    /// # Errors
    /// When one is no such file, or two are the same.
    pub fn of_files(read_at: Timestamp, files: impl IntoIterator<Item = Vec<u8>>) -> Result<Self, FilesError> {
        let mut evidence = Evidence { interrupted: Some(Interruption::WithoutChip), ..Evidence::new(read_at) };
        for (position, content) in (1..).zip(files) {
            let name = file_name(&content).ok_or(FilesError::Unknown { position })?;
            if evidence.files.insert(name.to_owned(), FileEvidence::Read { content }).is_some() {
                return Err(FilesError::Twice { position, name });
            }
        }
        Ok(evidence)
    }

    /// Whether there was no chip.
    pub(crate) fn without_chip(&self) -> bool {
        self.interrupted == Some(Interruption::WithoutChip)
    }

    /// Whether a session with a chip ended early.
    pub(crate) fn is_cut(&self) -> bool {
        self.interrupted.is_some() && !self.without_chip()
    }

    /// The bytes of a file that was read completely.
    pub fn content(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name)?.content()
    }

    /// The stored form.
    ///
    /// # Errors
    /// When the serializer fails, which this structure gives it no reason for.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// When the bytes are too many, no evidence, or of another version.
    pub fn from_json(bytes: &[u8]) -> Result<Self, LoadEvidenceError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        if bytes.len() > MAX_STORED {
            return Err(LoadEvidenceError::TooLong { length: bytes.len() });
        }
        let Versioned { version } = serde_json::from_slice(bytes)?;
        if !(1..=VERSION).contains(&version) {
            return Err(LoadEvidenceError::Version { found: version });
        }
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// The name of the file that begins with this tag and ends with its data object.
fn file_name(bytes: &[u8]) -> Option<&'static str> {
    let object = Reader::new(bytes).next().ok()??;
    let known = [EF_SOD, EF_COM].into_iter().find(|file| file.tag == Some(object.tag)).map(|file| file.name);
    let name = known.or_else(|| files::data_group_by_tag(object.tag).map(|file| file.name))?;
    (object.raw.len() == bytes.len()).then_some(name)
}
