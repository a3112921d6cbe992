//! How the chip proved itself, and how the terminal did.

use iso7816::Status;
use serde::{Deserialize, Serialize};

use super::encoding::{base64_bytes, status_word};

/// What was seen of Chip Authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChipAuthenticationEvidence {
    /// The SubjectPublicKeyInfo of the key that was used, DER, as it stands in DG14.
    #[serde(with = "base64_bytes")]
    pub public_key: Vec<u8>,
    /// Curve and cipher in words.
    pub detail: String,
    /// How it ended.
    pub outcome: ChipAuthenticationOutcome,
}

/// How Chip Authentication ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ChipAuthenticationOutcome {
    /// A file was read again under the new session and was the same.
    Proved,
    /// The chip refused the protocol.
    Refused {
        /// What it answered.
        reason: String,
    },
    /// The protocol ran, but the chip could not speak under the keys that only the genuine chip can derive.
    NotProved {
        /// Which rule the answer broke.
        reason: String,
    },
    /// The session ended in the middle.
    Interrupted,
    /// The key or the algorithm is none that this tool knows.
    Unsupported {
        /// Which one.
        reason: String,
    },
}

/// What was seen of Active Authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ActiveAuthenticationEvidence {
    /// The chip answered; whether with the right signature is for the check to say.
    Answered {
        /// The terminal's challenge.
        #[serde(with = "base64_bytes")]
        challenge: Vec<u8>,
        /// What the chip answered.
        #[serde(with = "base64_bytes")]
        signature: Vec<u8>,
    },
    /// The chip refused.
    Refused {
        /// The status word.
        #[serde(with = "status_word")]
        status: Status,
    },
    /// The session ended in the middle.
    Interrupted,
}

/// What was seen of Terminal Authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TerminalAuthenticationEvidence {
    /// Whom the chip believes, by EF.CVCA, the newest first.
    pub authorities: Vec<String>,
    /// Holders of the certificates that the chip was shown, in order.
    pub shown: Vec<String>,
    /// How it ended.
    pub outcome: TerminalAuthenticationOutcome,
}

/// How Terminal Authentication ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TerminalAuthenticationOutcome {
    /// The chip accepted the terminal.
    Successful {
        /// What the certificates grant together (`read-dg3`).
        rights: Vec<String>,
    },
    /// The chip refused a certificate or the signature.
    Refused {
        /// Which, and what it answered.
        reason: String,
    },
    /// It was not begun: the terminal and the chip have nothing in common.
    NotTried {
        /// Why.
        reason: String,
    },
    /// The session ended in the middle.
    Interrupted,
}
