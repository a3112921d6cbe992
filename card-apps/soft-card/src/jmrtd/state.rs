//! What the applet keeps without power, and what it forgets at a reset only: not when it is selected again.

use std::collections::BTreeMap;

use channel::bac::ChipBac;
use channel::role::Chip;
use channel::secret::Secret;
use channel::sm::Session;
use serde::{Deserialize, Serialize};

/// Bytes of files that fit beside the applet: this project's choice, for a chip of 80 kilobytes.
pub(crate) const CAPACITY: usize = 60_000;

/// The applet's non-volatile memory.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Nothing more is written.
    pub locked: bool,
    /// Files by identifier, each with all the room it was first made with.
    #[serde(with = "crate::encoding::files")]
    pub files: BTreeMap<u16, Vec<u8>>,
    /// How much of each file counts, as the last CREATE FILE said: a signed number.
    pub sizes: BTreeMap<u16, i16>,
    /// MRZ_information in ASCII: the password of BAC.
    #[serde(with = "crate::encoding::optional_secret")]
    pub mrz_information: Option<Secret>,
    /// Modulus of the key for Active Authentication.
    #[serde(with = "crate::encoding::optional_hex")]
    pub modulus: Option<Vec<u8>>,
    /// Its private exponent.
    #[serde(with = "crate::encoding::optional_secret")]
    pub private_exponent: Option<Secret>,
}

impl Memory {
    /// Bytes of all files, with their room.
    pub(crate) fn size(&self) -> usize {
        self.files.values().map(Vec::len).sum()
    }

    /// True when no applet can have come to this.
    pub(crate) fn is_impossible(&self) -> bool {
        let made = self.files.keys().all(|id| self.sizes.contains_key(id)) && self.files.len() == self.sizes.len();
        let text = self.mrz_information.as_ref().is_none_or(|text| text.expose().is_ascii());
        self.size() > CAPACITY || !made || !text || !self.files.keys().all(|id| has_file(*id))
    }
}

/// The identifiers that the applet has a place for: EF.COM, EF.SOD, EF.CVCA, DG1 to DG15, and a log.
pub(super) fn has_file(id: u16) -> bool {
    matches!(id, 0x0101..=0x010F | 0x011C..=0x011E | 0xDEAD)
}

/// What a reset ends.
#[derive(Default)]
pub(crate) struct Volatile {
    /// The challenge given out; a wrong answer does not use it up.
    pub(super) bac: ChipBac,
    pub(super) challenged: bool,
    /// Secure messaging, once BAC succeeded.
    pub(super) session: Option<Session<Chip>>,
    /// The file selected.
    pub(super) file: Option<u16>,
}
