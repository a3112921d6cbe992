//! The blank, the issuer's keys and those of the holder.

use std::str::FromStr;

use channel::key_set::{Diversification, MethodError};
use channel::scp03::{Counted, Options, SecurityLevel, Size};
use eid::keys::{Algorithm, KeyReference, ManagementAlgorithm};
use serde::Deserialize;

use crate::applet::Applet;

/// The blank and how it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Version of the keys the blank arrives with.
    pub key_version: u8,
    /// How the blank's keys come from what its maker told.
    #[serde(default)]
    pub key_derivation: KeyDerivation,
    /// Security level of the channel (GPCS Amendment D §7.1.2.2).
    pub(super) security_level: u8,
    /// Data bytes in one STORE DATA.
    pub block_size: usize,
    /// Bytes of SCP03's challenges, cryptograms and MACs: 8, or 16 (S16).
    #[serde(default = "eight")]
    pub proofs: u8,
    /// Which commands move SCP03's encryption counter.
    #[serde(default)]
    pub counts: Counts,
    /// Bytes of files that fit in the chip.
    pub capacity: usize,
    /// Openings of the channel with a wrong cryptogram before a chip is left alone.
    pub attempts: u32,
    /// The applet of other people that the cards have; without it they are cards of this project.
    pub applet: Option<Applet>,
    /// Most bytes of a data object with its command, where the applet has a limit.
    pub largest_object: Option<usize>,
    /// Of which kind the issuer's management key of PivApplet is.
    #[serde(default)]
    pub management: ManagementCipher,
}

/// The kind of a management key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub enum ManagementCipher {
    /// Triple DES: what most builds of PivApplet have.
    #[default]
    #[serde(rename = "3DES")]
    TripleDes,
    /// AES with 128 bits.
    #[serde(rename = "AES-128")]
    Aes128,
    /// AES with 256 bits.
    #[serde(rename = "AES-256")]
    Aes256,
}

impl ManagementCipher {
    /// As the card's language has it.
    pub(crate) fn algorithm(self) -> ManagementAlgorithm {
        match self {
            ManagementCipher::TripleDes => ManagementAlgorithm::TripleDes,
            ManagementCipher::Aes128 => ManagementAlgorithm::Aes128,
            ManagementCipher::Aes256 => ManagementAlgorithm::Aes256,
        }
    }
}

impl Card {
    /// How the channel is held.
    pub fn channel(&self) -> Options {
        Options {
            level: SecurityLevel::from_byte(self.security_level).unwrap_or(SecurityLevel::Full),
            size: if self.proofs == 16 { Size::S16 } else { Size::S8 },
            counted: match self.counts {
                Counts::EveryCommand => Counted::EveryCommand,
                Counts::CommandsWithData => Counted::CommandsWithData,
            },
        }
    }
}

/// Which commands move the encryption counter of SCP03.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counts {
    /// Every one, as the standard has it.
    #[default]
    EveryCommand,
    /// Only those with data: some cards of the field.
    CommandsWithData,
}

fn eight() -> u8 {
    8
}

/// The issuer's keys, which take the place of those that a blank came with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Their version.
    pub version: u8,
    /// Whether each card has keys of its own, made from a master key.
    pub derivation: KeyDerivation,
}

/// How the keys of a card come from what the issuer has: `none`, the same three keys on every card, or the method by which they are
/// made from a master key and the chip's key diversification data ([`Diversification`], by name or as a template).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyDerivation(Option<Diversification>);

impl KeyDerivation {
    /// How a card's keys are made from a master key; `None` when they are not.
    pub fn method(self) -> Option<Diversification> {
        self.0
    }
}

impl FromStr for KeyDerivation {
    type Err = MethodError;

    fn from_str(text: &str) -> Result<Self, MethodError> {
        let method = (text != "none").then(|| text.parse());
        Ok(KeyDerivation(method.transpose()?))
    }
}

impl TryFrom<String> for KeyDerivation {
    type Error = MethodError;

    fn try_from(text: String) -> Result<Self, MethodError> {
        text.parse()
    }
}

/// The citizen application (PIV) beside the travel document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eid {
    pub(super) keys: Vec<EidKey>,
    #[serde(default)]
    algorithms: EidAlgorithms,
}

impl Eid {
    /// The keys that are made on the card, each with a certificate of the citizen CA.
    pub fn keys(&self) -> Vec<(KeyReference, Algorithm)> {
        let EidAlgorithms { authentication, signature, key_management } = self.algorithms;
        let of = |key: &EidKey| match key {
            EidKey::Authentication => (KeyReference::Authentication, authentication),
            EidKey::Signature => (KeyReference::Signature, signature),
            EidKey::KeyManagement => (KeyReference::KeyManagement, key_management),
        };
        self.keys.iter().map(of).map(|(key, algorithm)| (key, algorithm.algorithm())).collect()
    }
}

/// What each key is; P-256 where nothing is said.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct EidAlgorithms {
    authentication: EidAlgorithm,
    signature: EidAlgorithm,
    key_management: EidAlgorithm,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum EidAlgorithm {
    #[default]
    #[serde(rename = "P-256")]
    P256,
    #[serde(rename = "P-384")]
    P384,
    #[serde(rename = "RSA-2048")]
    Rsa2048,
    #[serde(rename = "RSA-3072")]
    Rsa3072,
}

impl EidAlgorithm {
    fn algorithm(self) -> Algorithm {
        match self {
            EidAlgorithm::P256 => Algorithm::P256,
            EidAlgorithm::P384 => Algorithm::P384,
            EidAlgorithm::Rsa2048 => Algorithm::Rsa2048,
            EidAlgorithm::Rsa3072 => Algorithm::Rsa3072,
        }
    }
}

/// A key of the holder that gets a certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum EidKey {
    /// `9A`.
    Authentication,
    /// `9C`.
    Signature,
    /// `9D`.
    KeyManagement,
}
