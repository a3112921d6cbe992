//! Programs that other people wrote for the same card edge, and what each keeps besides the objects, keys and PINs that
//! all of them have.
//!
//! Such a card has no eMRTD application and no national file set: it is a blank Java Card with one program loaded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{openfips201, pivapplet};

/// Whose program answers as the citizen application.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Applet {
    /// This project's.
    #[default]
    Bitaqa,
    /// PivApplet (`arekinath/PivApplet`).
    Pivapplet(PivApplet),
    /// OpenFIPS201 (`makinako/OpenFIPS201`).
    Openfips201(OpenFips201),
}

/// What PivApplet keeps.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PivApplet {
    /// Drawn when the program is installed; the first bit is set.
    #[serde(with = "hex::serde")]
    pub serial: [u8; 4],
    /// PIN policy by key reference, where it is not that of the reference: 1 never, 2 once, 3 always.
    pub policies: BTreeMap<u8, u8>,
    /// References of keys that were imported.
    pub imported: Vec<u8>,
    /// Most bytes of a command that is put together from links.
    pub longest_object: usize,
    /// Whether the PIN, the PUK and the management key are those that everybody knows.
    pub defaults: Defaults,
}

/// Which of the values that everybody knows are still there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// The PIN.
    pub pin: bool,
    /// The PUK.
    pub puk: bool,
    /// The management key.
    pub management_key: bool,
}

/// What OpenFIPS201 keeps.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenFips201 {
    /// Objects that were created, by the last byte of their tags.
    pub objects: BTreeMap<u8, Modes>,
    /// Keys that were created, by reference.
    pub keys: BTreeMap<u8, CreatedKey>,
}

/// Who may read an object or use a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modes {
    /// Over contacts; the only interface that the soft card has.
    pub contact: u8,
    /// Without contacts.
    pub contactless: u8,
}

/// A key that was created: the place for a key pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreatedKey {
    /// Who may use it.
    pub modes: Modes,
    /// Algorithm identifier.
    pub mechanism: u8,
    /// 1 authenticate, 2 establish keys, 4 sign.
    pub role: u8,
}

impl Applet {
    /// True for this project's program.
    pub fn is_own(&self) -> bool {
        *self == Applet::Bitaqa
    }

    /// Its name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Applet::Bitaqa => "Bitaqa",
            Applet::Pivapplet(_) => "PivApplet",
            Applet::Openfips201(_) => "OpenFIPS201",
        }
    }

    /// True for a tag beyond the standard's table that the program can hold.
    pub(super) fn may_hold(&self, tag: u32) -> bool {
        match self {
            Applet::Openfips201(_) => openfips201::is_tag(tag),
            Applet::Bitaqa | Applet::Pivapplet(_) => false,
        }
    }

    /// The first value that no card can hold.
    pub(super) fn is_possible(&self) -> bool {
        match self {
            Applet::Bitaqa => true,
            Applet::Pivapplet(applet) => pivapplet::is_possible(applet),
            Applet::Openfips201(applet) => openfips201::is_possible(applet),
        }
    }
}

/// Which program a new card has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppletKind {
    /// PivApplet.
    Pivapplet,
    /// OpenFIPS201.
    Openfips201,
}
