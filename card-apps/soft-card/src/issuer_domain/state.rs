//! What the issuer domain keeps without power, and what it forgets.

use std::collections::BTreeMap;

use channel::scp03::{ChipChannel, Counted, KeySet, SecurityLevel, Size};
use channel::secret::Secret;
use iso7816::{Command as Apdu, Response, Status};
use serde::{Deserialize, Serialize};

use super::personalization::Target;

/// Failed host authentications in a row after which no secure channel opens any more.
pub const MAX_FAILED_AUTHENTICATIONS: u8 = 10;
/// Version of the keys that a card may leave its maker with; they go when the first other set comes.
pub const MAKERS_VERSION: u8 = 0xFF;
/// Most key sets kept at a time.
pub const MAX_KEY_SETS: usize = 4;

/// The card's life cycle (GPCS 2.3.1 §5.1, table 11-6).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum CardLife {
    /// Ready for the issuer's first work.
    OpReady = 0x01,
    /// Prepared, not for the holder yet: where a blank of this card starts.
    Initialized = 0x07,
    /// In its holder's hands.
    Secured = 0x0F,
    /// Only the issuer domain answers; back to [`CardLife::Secured`] is possible.
    CardLocked = 0x7F,
    /// Dead for good: only GET DATA answers.
    Terminated = 0xFF,
}

impl CardLife {
    /// The state that a life cycle byte names.
    pub fn from_byte(byte: u8) -> Option<Self> {
        use CardLife::{CardLocked, Initialized, OpReady, Secured, Terminated};
        [OpReady, Initialized, Secured, CardLocked, Terminated].into_iter().find(|life| *life as u8 == byte)
    }

    /// True when SET STATUS may lead from this state to `next` (GPCS §5.1).
    pub fn may_become(self, next: CardLife) -> bool {
        use CardLife::{CardLocked, Initialized, OpReady, Secured, Terminated};
        matches!(
            (self, next),
            (OpReady, Initialized)
                | (Initialized, Secured)
                | (Secured, CardLocked)
                | (CardLocked, Secured)
                | (OpReady | Initialized | Secured | CardLocked, Terminated)
        )
    }
}

/// One SCP03 key set with the counter from which its card challenges come.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKeySet {
    /// Static key for session encryption keys.
    #[serde(with = "crate::encoding::secret")]
    pub enc: Secret,
    /// Static key for session MAC keys and cryptograms.
    #[serde(with = "crate::encoding::secret")]
    pub mac: Secret,
    /// Data encryption key.
    #[serde(with = "crate::encoding::secret")]
    pub dek: Secret,
    /// Sequence counter, 3 bytes on the wire (GPCS D §6.2.2): how many sessions were begun.
    pub sequence: u32,
}

impl StoredKeySet {
    /// The keys as the channel takes them.
    pub(super) fn keys(&self) -> KeySet {
        KeySet { enc: self.enc.clone(), mac: self.mac.clone(), dek: self.dek.clone() }
    }

    /// Bytes in each key: 16, 24 or 32.
    pub(super) fn key_length(&self) -> usize {
        self.enc.expose().len()
    }
}

/// How the card speaks SCP03.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecureChannel {
    /// Where the card's challenge comes from (bit 5 of `i`).
    pub challenge: ChallengeKind,
    /// Bytes of challenges, cryptograms and MACs, 8 or 16 (bit 1 of `i`).
    pub proofs: u8,
    /// Which commands move the encryption counter.
    #[serde(default)]
    pub counts: Counts,
}

/// Which commands move the encryption counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counts {
    /// Every one, as the standard has it.
    #[default]
    EveryCommand,
    /// Only those with data: some cards of the field.
    CommandsWithData,
}

/// Where the card's challenge comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChallengeKind {
    /// From the keys and the sequence counter.
    #[default]
    PseudoRandom,
    /// From the random number generator.
    Random,
}

impl Default for SecureChannel {
    fn default() -> Self {
        SecureChannel { challenge: ChallengeKind::PseudoRandom, proofs: 8, counts: Counts::EveryCommand }
    }
}

impl SecureChannel {
    /// How long the proofs are.
    pub(super) fn size(&self) -> Size {
        if self.proofs == 16 { Size::S16 } else { Size::S8 }
    }

    /// What is counted.
    pub(super) fn counted(&self) -> Counted {
        match self.counts {
            Counts::EveryCommand => Counted::EveryCommand,
            Counts::CommandsWithData => Counted::CommandsWithData,
        }
    }

    /// The parameter `i` (GPCS D §5.1): R-MAC and R-ENCRYPTION are always offered.
    pub(super) fn option(&self) -> u8 {
        let pseudo_random = if self.challenge == ChallengeKind::PseudoRandom { 0x10 } else { 0x00 };
        0x60 | pseudo_random | u8::from(self.proofs == 16)
    }
}

/// The issuer domain's non-volatile memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Life cycle of the card.
    pub life_cycle: CardLife,
    /// Card production life cycle data, 42 bytes (VGP 2.1.1 §9).
    #[serde(with = "hex::serde")]
    pub cplc: Vec<u8>,
    /// Issuer identification number, DO 42.
    #[serde(with = "crate::encoding::optional_hex")]
    pub issuer_identification: Option<Vec<u8>>,
    /// Card image number, DO 45: what binds this chip to one document. GET DATA shows it to anyone: the issuer
    /// chooses a value that says nothing.
    #[serde(with = "crate::encoding::optional_hex")]
    pub card_image_number: Option<Vec<u8>>,
    /// Key sets by version number, `01` to `7F`, or [`MAKERS_VERSION`] alone.
    pub keys: BTreeMap<u8, StoredKeySet>,
    /// How the card speaks SCP03.
    #[serde(default)]
    pub secure_channel: SecureChannel,
    /// Failed host authentications since the last good one.
    pub failed_authentications: u8,
}

/// What the issuer domain loses with power, reset or selection.
#[derive(Default)]
pub(crate) struct Volatile {
    pub(super) channel: ChipChannel,
    pub(super) personalization: Option<Target>,
}

impl Volatile {
    /// The level of the open channel.
    pub(crate) fn level(&self) -> Option<SecurityLevel> {
        self.channel.level()
    }

    /// Takes the open channel's protection off a command for another application; on failure the channel is gone.
    pub(crate) fn open(&mut self, apdu: &Apdu) -> Result<Apdu, Status> {
        self.channel.unwrap(apdu).inspect_err(|_| self.channel.close())
    }

    /// Puts the channel's protection on the answer of another application.
    pub(crate) fn protect(&mut self, response: &Response) -> Response {
        self.channel.wrap(response).unwrap_or_else(Response::status)
    }
}
