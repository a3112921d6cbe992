//! How the chip is spoken with: PACE, Chip, Active and Terminal Authentication.

use channel::cvc::TerminalType;
use channel::cvc::chain::TrustPoint;
use channel::pace::{self, Mapping};
use channel::suite::{Cipher, Curve};
use serde::Deserialize;

/// PACE: curve and cipher, and what it is offered with.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    curve: CurveName,
    cipher: CipherName,
    /// Whether chip authentication mapping is offered beside generic mapping; EF.CardSecurity then holds the chip's key for it.
    #[serde(default)]
    pub chip_authentication_mapping: bool,
}

impl Access {
    /// The curve of the key agreement.
    pub fn curve(self) -> Curve {
        self.curve.curve()
    }

    /// The cipher of the session.
    pub fn cipher(self) -> Cipher {
        self.cipher.cipher()
    }

    /// What EF.CardAccess offers, the mapping that every terminal knows first.
    pub fn suites(self) -> Vec<pace::Suite> {
        let of = |mapping| pace::Suite { mapping, group: self.curve().into(), cipher: self.cipher() };
        let mapped = self.chip_authentication_mapping.then_some(Mapping::ChipAuthentication);
        [Mapping::Generic].into_iter().chain(mapped).map(of).collect()
    }
}

/// Active Authentication (9303-11 §6.1).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActiveAuthentication {
    /// The key in DG15.
    pub key: ActiveKeyKind,
}

/// The kinds of key that a chip signs with. The hash is SHA-256, or SHA-384 with P-384.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub enum ActiveKeyKind {
    /// RSA with 1024 bits: all that some applets take, and nothing for new cards of this project.
    #[serde(rename = "RSA-1024")]
    Rsa1024,
    /// RSA with 2048 bits; its signatures need extended length.
    #[serde(rename = "RSA-2048")]
    Rsa2048,
    /// RSA with 3072 bits; its signatures need extended length.
    #[serde(rename = "RSA-3072")]
    Rsa3072,
    /// ECDSA over P-256.
    #[serde(rename = "P-256")]
    P256,
    /// ECDSA over P-384.
    #[serde(rename = "P-384")]
    P384,
    /// ECDSA over brainpoolP256r1.
    #[serde(rename = "brainpoolP256r1")]
    BrainpoolP256r1,
}

/// Curve and cipher of a protocol.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Key agreement.
    curve: CurveName,
    /// Session cipher.
    cipher: CipherName,
}

impl Suite {
    /// The curve of the key agreement.
    pub fn curve(self) -> Curve {
        self.curve.curve()
    }

    /// The cipher of the session.
    pub fn cipher(self) -> Cipher {
        self.cipher.cipher()
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum CurveName {
    #[serde(rename = "P-256")]
    P256,
    #[serde(rename = "P-384")]
    P384,
    #[serde(rename = "brainpoolP256r1")]
    BrainpoolP256r1,
}

impl CurveName {
    fn curve(self) -> Curve {
        match self {
            CurveName::P256 => Curve::P256,
            CurveName::P384 => Curve::P384,
            CurveName::BrainpoolP256r1 => Curve::BrainpoolP256r1,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum CipherName {
    #[serde(rename = "AES-128")]
    Aes128,
    #[serde(rename = "AES-192")]
    Aes192,
    #[serde(rename = "AES-256")]
    Aes256,
}

impl CipherName {
    fn cipher(self) -> Cipher {
        match self {
            CipherName::Aes128 => Cipher::Aes128,
            CipherName::Aes192 => Cipher::Aes192,
            CipherName::Aes256 => Cipher::Aes256,
        }
    }
}

/// Which terminals the card will believe (TR-03110 EAC1).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eac {
    /// Country and mnemonic of the country verifying CA of inspection systems, whose certificate the program is given with
    /// `--cvca`.
    pub authority: String,
    /// The same of the country verifying CA of residence offices, which replace the residence record; without it nobody but the
    /// issuer does.
    pub residence_authority: Option<String>,
    /// Its trust points, the newest first; see [`Profile::believe`](super::Profile::believe).
    #[serde(skip)]
    points: Vec<TrustPoint>,
}

impl Eac {
    /// The trust points that cards get.
    pub fn points(&self) -> &[TrustPoint] {
        &self.points
    }

    /// Whom the travel document believes, and so names in EF.CVCA.
    pub fn inspection_points(&self) -> impl Iterator<Item = &TrustPoint> {
        self.points.iter().filter(|point| type_of(point) == TerminalType::Inspection)
    }

    /// See [`Profile::believe`](super::Profile::believe).
    pub(super) fn believe(&mut self, points: Vec<TrustPoint>) -> Result<(), BeliefError> {
        for point in &points {
            let found = point.certificate().body().holder.to_string();
            let expected = self.authority_of(type_of(point));
            // The sequence number changes with each key.
            if expected.is_none() || found.len().checked_sub(5).and_then(|end| found.get(..end)) != expected {
                let terminal_type = type_of(point).name();
                let expected = expected.unwrap_or("none of them").to_owned();
                return Err(BeliefError::OtherAuthority { terminal_type, found, expected });
            }
        }
        for terminal_type in TerminalType::ALL {
            let found = points.iter().filter(|point| type_of(point) == terminal_type).count();
            if let Some(authority) = self.authority_of(terminal_type).filter(|_| !matches!(found, 1 | 2)) {
                return Err(BeliefError::Count { authority: authority.to_owned(), found });
            }
        }
        self.points = points;
        Ok(())
    }

    /// The authority that cards believe for terminals of a type.
    fn authority_of(&self, terminal_type: TerminalType) -> Option<&str> {
        match terminal_type {
            TerminalType::Inspection => Some(&self.authority),
            TerminalType::Authentication => self.residence_authority.as_deref(),
            TerminalType::Signature => None,
        }
    }
}

fn type_of(point: &TrustPoint) -> TerminalType {
    point.certificate().body().chat.terminal_type()
}

/// Why a card cannot be made to believe a country verifying CA.
#[derive(Debug, thiserror::Error)]
pub enum BeliefError {
    /// The profile has no such table.
    #[error("the profile has no table [eac]: its cards believe no terminal")]
    NotAsked,
    /// Another CA.
    #[error(
        "the certificate for terminals of type {terminal_type} is that of {found}; the profile's cards believe {expected}"
    )]
    OtherAuthority {
        /// The type of terminals that it is for.
        terminal_type: &'static str,
        /// Whose certificate it is.
        found: String,
        /// Country and mnemonic of the profile.
        expected: String,
    },
    /// None, or too many.
    #[error("a card takes one or two certificates of {authority}, not {found}")]
    Count {
        /// Country and mnemonic of the profile.
        authority: String,
        /// How many were given.
        found: usize,
    },
}
