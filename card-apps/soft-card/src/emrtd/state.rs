//! What the eMRTD application keeps without power, and what it forgets.

use std::collections::BTreeMap;
use std::time::Duration;

use channel::active_auth::ActivePrivateKey;
use channel::bac::ChipBac;
use channel::chip_auth::{self, ChipAuthentication};
use channel::hash::Hash;
use channel::pace::ChipPace;
use channel::role::Chip;
use channel::secret::Secret;
use channel::sm::Session;
use channel::suite::{Curve, Group};
use channel::terminal_auth::{ChipTerminalAuth, Trust};
use lds::files::{File, Place};
use lds::globalplatform::dgi;
use serde::{Deserialize, Serialize};

use crate::eid::chain::Pending;

/// Most bytes of file contents in all: what a large chip of the field offers.
pub const MAX_CONTENTS: usize = 160 * 1024;

/// So many wrong passwords in a row cost no time: people mistype.
const FREE_GUESSES: u8 = 3;
/// The card's first pause; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// No pause is longer: readers give up on a card after some seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// The application's life cycle (GPCS 2.3.1 §5.3, table 11-4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum ApplicationLife {
    /// Waiting for personalization; reads nothing out.
    Selectable = 0x07,
    /// Complete and unchangeable; answers readers.
    Personalized = 0x0F,
    /// Rejected for good; cannot be selected.
    Locked = 0x83,
}

/// The private key for Chip Authentication.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChipKey {
    /// Standardized domain parameters: 12, 13 or 15 (9303-11 §9.5.1).
    pub parameter_id: u8,
    /// Key identifier, where there is one.
    #[serde(with = "crate::encoding::optional_hex")]
    pub key_id: Option<Vec<u8>>,
    /// Private key, big endian, as long as the curve's field.
    #[serde(with = "crate::encoding::secret")]
    pub private: Secret,
}

impl ChipKey {
    /// The key as Chip Authentication takes it; `None` for parameters that are not standardized.
    pub(crate) fn key(&self) -> Option<chip_auth::ChipKey> {
        let group = Group::from_parameter_id(self.parameter_id)?;
        Some(chip_auth::ChipKey { key_id: self.key_id.clone(), group, private: self.private.clone() })
    }
}

/// The private key for Active Authentication. Its signatures use the hash that DG14 announces, else SHA-256.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ActiveKey {
    /// RSA.
    Rsa {
        /// RSAPrivateKey (PKCS#1), DER.
        #[serde(with = "crate::encoding::secret")]
        private: Secret,
    },
    /// ECDSA.
    Ec {
        /// Standardized domain parameters (9303-11 §9.5.1).
        parameter_id: u8,
        /// Private key, big endian, as long as the curve's field.
        #[serde(with = "crate::encoding::secret")]
        private: Secret,
    },
}

impl ActiveKey {
    /// The key as Active Authentication takes it; `None` when it is none.
    pub(crate) fn key(&self, hash: Hash) -> Option<ActivePrivateKey> {
        match self {
            ActiveKey::Rsa { private } => ActivePrivateKey::rsa(private, hash).ok(),
            ActiveKey::Ec { parameter_id, private } => {
                ActivePrivateKey::ec(Curve::from_parameter_id(*parameter_id)?, private, hash).ok()
            }
        }
    }
}

/// The application's non-volatile memory, with the free files of the master file.
///
/// Nothing of it can be read before `life_cycle` is [`ApplicationLife::Personalized`]: that one byte makes a
/// complete set of data valid, so a card torn at any moment before is a rewritable one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Life cycle of the application.
    pub life_cycle: ApplicationLife,
    /// True from the last block of a personalization to the first of the next.
    pub complete: bool,
    /// Whole file contents by the number of the DGI that wrote them, which is the file's identifier for all but EF.CardSecurity.
    #[serde(with = "crate::encoding::files")]
    pub files: BTreeMap<u16, Vec<u8>>,
    /// MRZ_information in ASCII: the password of BAC and of PACE with the MRZ.
    #[serde(with = "crate::encoding::optional_secret")]
    pub mrz_information: Option<Secret>,
    /// Card access number in ASCII digits.
    #[serde(with = "crate::encoding::optional_secret")]
    pub card_access_number: Option<Secret>,
    /// Key for Chip Authentication.
    pub chip_key: Option<ChipKey>,
    /// More keys for Chip Authentication, of a chip with several; they are told apart by their identifiers and groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_chip_keys: Vec<ChipKey>,
    /// Key for PACE with chip authentication mapping; without one those for Chip Authentication serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping_key: Option<ChipKey>,
    /// Key for Active Authentication; a card without one has no such line in its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_key: Option<ActiveKey>,
    /// What it knows of terminals; a card without Terminal Authentication has no such line in its file.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::encoding::terminal_trust")]
    pub terminal_trust: Option<Trust>,
    /// Wrong passwords since the last right one; a card without any has no such line in its file.
    #[serde(default, skip_serializing_if = "is_none")]
    pub wrong_passwords: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_none(count: &u8) -> bool {
    *count == 0
}

impl Memory {
    /// An application without content.
    pub fn empty() -> Self {
        Memory {
            life_cycle: ApplicationLife::Selectable,
            complete: false,
            files: BTreeMap::new(),
            mrz_information: None,
            card_access_number: None,
            chip_key: None,
            further_chip_keys: Vec::new(),
            mapping_key: None,
            active_key: None,
            terminal_trust: None,
            wrong_passwords: 0,
        }
    }

    /// How long the card waits before the next password: the MRZ and the CAN are never blocked, for anyone who holds the card could
    /// block it, but guessing gets slow (9303-11 §4.3.2, §4.4.1). Power does not shorten it.
    pub(crate) fn pause(&self) -> Duration {
        match self.wrong_passwords.checked_sub(FREE_GUESSES) {
            None | Some(0) => Duration::ZERO,
            Some(more) => FIRST_PAUSE.saturating_mul(1 << (more - 1).min(15)).min(LONGEST_PAUSE),
        }
    }

    /// The content of a file.
    pub(crate) fn content(&self, file: &File) -> Option<&[u8]> {
        self.files.get(&dgi::number_of(file)).map(Vec::as_slice)
    }

    /// Every key for Chip Authentication.
    pub(crate) fn chip_keys(&self) -> impl Iterator<Item = &ChipKey> {
        self.chip_key.iter().chain(&self.further_chip_keys)
    }

    /// Bytes of all file contents.
    pub(crate) fn size(&self) -> usize {
        self.files.values().map(Vec::len).sum()
    }
}

/// What the application loses with power, reset or a plain selection.
pub(crate) struct Volatile {
    /// The current directory.
    pub(super) place: Place,
    /// The current elementary file.
    pub(super) current: Option<&'static File>,
    pub(super) bac: ChipBac,
    pub(super) pace: ChipPace,
    /// Links of a command of PACE that is longer than an APDU.
    pub(super) links: Vec<u8>,
    /// The rest of an answer that is longer than what was asked for.
    pub(super) pending: Pending,
    pub(super) chip_authentication: ChipAuthentication,
    /// Secure messaging, once access was granted.
    pub(super) session: Option<Session<Chip>>,
    /// What the session was opened with, and what was proved in it: it ends with the session.
    pub(super) proved: Proved,
    /// The session that Chip Authentication made: it begins after the answer under the present one.
    pub(super) successor: Option<Session<Chip>>,
    /// What the chip believes from this command on, until it is programmed.
    pub(super) learned: Option<Trust>,
    /// What this command did about the password, until the card has taken note.
    pub(super) guess: Option<Guess>,
}

/// A password on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Guess {
    /// BAC or PACE begins.
    Begun,
    /// It was the right one.
    Right,
    /// It was not.
    Wrong,
}

/// What belongs to one session beside its keys.
#[derive(Default)]
pub(super) struct Proved {
    /// After PACE: the chip's ephemeral key, compressed, by which Terminal Authentication calls the chip.
    pub(super) identity: Option<Vec<u8>>,
    /// After Chip Authentication: the terminal's ephemeral key, compressed. Only then the terminal may authenticate.
    pub(super) terminal_key: Option<Vec<u8>>,
    pub(super) terminal: ChipTerminalAuth,
    /// The links so far of a certificate that comes in a chain.
    pub(super) certificate: Vec<u8>,
}

impl Volatile {
    /// The state right after a plain selection of the master file or of the application.
    pub(crate) fn at(place: Place) -> Self {
        Volatile {
            place,
            current: None,
            bac: ChipBac::default(),
            pace: ChipPace::default(),
            links: Vec::new(),
            pending: Pending::default(),
            chip_authentication: ChipAuthentication::default(),
            session: None,
            proved: Proved::default(),
            learned: None,
            guess: None,
            successor: None,
        }
    }

    /// Changes the directory under secure messaging, which goes on (9303-11 §4.2: PACE before the selection).
    pub(crate) fn enter(&mut self, place: Place) {
        let (session, proved) = (self.session.take(), std::mem::take(&mut self.proved));
        *self = Volatile { session, proved, ..Volatile::at(place) };
    }
}
