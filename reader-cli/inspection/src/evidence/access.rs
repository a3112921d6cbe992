//! How access was sought and won.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::encoding::base64_bytes;
use crate::procedure::Rung;

/// What was tried to get access, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessEvidence {
    /// Whether the caller allowed Basic Access Control.
    pub bac_allowed: bool,
    /// Each attempt and how it ended.
    pub attempts: Vec<Attempt>,
    /// The protocol that opened the application; `None` when none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub established: Option<Established>,
}

/// One attempt at access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// The protocol tried.
    pub protocol: Protocol,
    /// The password it was tried with.
    pub password: PasswordKind,
    /// Which rung of the ladder it was; `None` in evidence before version 4, and where nothing could be tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<Rung>,
    /// Mapping, curve and cipher in words; the cipher alone for BAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// How MSE:Set AT was said, in words; `None` for BAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// How it failed; `None` when it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A rung of the ladder that was taken while files were read: the card is not like others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quirk {
    /// Which one.
    pub rung: Rung,
    /// The file at which it was taken.
    pub file: String,
}

/// The access protocol in force while the application was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Established {
    /// Which protocol.
    pub protocol: Protocol,
    /// Which password.
    pub password: PasswordKind,
    /// Mapping, curve and cipher in words.
    pub detail: String,
    /// The DER bytes of the SecurityInfo that PACE was run with; empty for BAC.
    #[serde(default, with = "base64_bytes", skip_serializing_if = "Vec::is_empty")]
    pub security_info: Vec<u8>,
    /// What the chip showed of its static key, when PACE was run with chip authentication mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<MappingEvidence>,
}

/// What was seen of chip authentication mapping (9303-11 §4.4.3.5): `data * static key = mapping key` is for the check to find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingEvidence {
    /// The chip's mapping key of this run: `04 || x || y`.
    #[serde(with = "base64_bytes")]
    pub mapping_key: Vec<u8>,
    /// The chip authentication data, deciphered; empty when the chip sent none that can be.
    #[serde(with = "base64_bytes")]
    pub data: Vec<u8>,
}

impl fmt::Display for Established {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with the {} ({})", self.protocol, self.password, self.detail)
    }
}

impl fmt::Display for Attempt {
    /// `PACE with the CAN (generic mapping, P-256, AES-128; as the standard has it): it worked`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with the {}", self.protocol, self.password)?;
        match (&self.suite, &self.form) {
            (Some(suite), Some(form)) => write!(f, " ({suite}; {form})")?,
            (Some(suite), None) => write!(f, " ({suite})")?,
            (None, _) => {}
        }
        write!(f, ": {}", self.error.as_deref().unwrap_or("it worked"))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Bac => "BAC",
            Protocol::Pace => "PACE",
        })
    }
}

impl fmt::Display for PasswordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PasswordKind::Mrz => "MRZ",
            PasswordKind::Can => "CAN",
            PasswordKind::Pin => "PIN",
            PasswordKind::Puk => "PUK",
        })
    }
}

/// Access protocols (9303-11 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// Basic Access Control (9303-11 §4.3).
    #[serde(rename = "BAC")]
    Bac,
    /// Password Authenticated Connection Establishment (9303-11 §4.4).
    #[serde(rename = "PACE")]
    Pace,
}

/// The password an access protocol was run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PasswordKind {
    /// The MRZ information.
    #[serde(rename = "MRZ")]
    Mrz,
    /// The card access number.
    #[serde(rename = "CAN")]
    Can,
    /// The holder's PIN.
    #[serde(rename = "PIN")]
    Pin,
    /// The PIN unblock key.
    #[serde(rename = "PUK")]
    Puk,
}
