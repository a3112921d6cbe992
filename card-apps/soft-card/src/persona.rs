//! Makes of cards: what a chip can do before anything is written to it, as small files in `personas/`.
//!
//! ```toml
//! format = "bitaqa-soft-card-persona"
//! version = 1
//! access = ["bac", "pace"]          # what opens the eMRTD application; both when absent
//! longest-command = 65535           # bytes of a whole command APDU, and the most data that may be asked for
//! longest-response = 65535
//! challenge = "pseudo-random"       # or "random": SCP03 with bit 5 of i clear
//! proofs = 8                        # or 16: SCP03 with bit 1 of i set
//! counts = "every-command"          # or "commands-with-data": what moves the encryption counter
//! key-version = 0x30                # of the keys it is delivered with; 0xFF: they go when the first others come
//! applet = "pivapplet"              # or "openfips201": a PIV program of others, and no eMRTD application
//! longest-object = 12000            # bytes of one command of PivApplet that comes in links
//! passport-applet = "jmrtd"         # of others, in the place of the eMRTD application
//! ```

use iso7816::MAX_NE;
use serde::{Deserialize, Serialize};

use crate::blank::{BlankOptions, DEFAULT_KEY_VERSION};
use crate::eid::{AppletKind, LONGEST_OBJECT};
use crate::issuer_domain::{ChallengeKind, Counts, MAKERS_VERSION, SecureChannel};

const FORMAT: &str = "bitaqa-soft-card-persona";
const VERSION: u32 = 1;

/// Name and source of the personas that are compiled in.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("bac-only", include_str!("../personas/bac-only.toml")),
    ("counts-data-only", include_str!("../personas/counts-data-only.toml")),
    ("jmrtd-passport", include_str!("../personas/jmrtd-passport.toml")),
    ("maker-keys", include_str!("../personas/maker-keys.toml")),
    ("medium", include_str!("../personas/medium.toml")),
    ("miserly", include_str!("../personas/miserly.toml")),
    ("openfips201", include_str!("../personas/openfips201.toml")),
    ("pace-only", include_str!("../personas/pace-only.toml")),
    ("pivapplet", include_str!("../personas/pivapplet.toml")),
    ("pivapplet-old", include_str!("../personas/pivapplet-old.toml")),
    ("random-challenge", include_str!("../personas/random-challenge.toml")),
    ("sixteen-byte-proofs", include_str!("../personas/sixteen-byte-proofs.toml")),
    ("this-state", include_str!("../personas/this-state.toml")),
];

/// A make of cards.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Persona {
    /// What the chip can do.
    pub make: Make,
    /// Its SCP03.
    pub secure_channel: SecureChannel,
    /// Version of the keys it is delivered with.
    pub key_version: u8,
    /// A program of others in the place of the citizen application, alone on the card.
    pub applet: Option<AppletKind>,
    /// Most bytes of one of its commands, where that can be chosen.
    pub longest_object: usize,
    /// The JMRTD passport applet in the place of the eMRTD application.
    pub jmrtd: bool,
}

/// What a chip can do, besides its SCP03.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Make {
    /// Basic Access Control.
    pub bac: bool,
    /// PACE.
    pub pace: bool,
    /// The longest command APDU, bytes.
    pub longest_command: u32,
    /// The most response data that a command may ask for, bytes.
    pub longest_response: u32,
}

impl Default for Make {
    /// The card of this project.
    fn default() -> Self {
        Make { bac: true, pace: true, longest_command: 0xFFFF, longest_response: iso7816::MAX_NE }
    }
}

impl Make {
    /// The longest APDUs that need no extended length: header, Lc, 255 bytes, Le.
    const SHORT_COMMAND: u32 = 261;

    /// True when the chip knows extended length.
    pub fn knows_extended_length(&self) -> bool {
        self.longest_command > Self::SHORT_COMMAND
    }

    /// True for a command that is too long for the chip, or asks for too much. An extended Le of zeros asks for all that the chip
    /// can give at once (7816-4 §5.1).
    pub(crate) fn is_too_much(&self, length: usize, ne: Option<u32>) -> bool {
        let asked = ne.filter(|ne| *ne != MAX_NE || !self.knows_extended_length());
        length > self.longest_command as usize || asked.is_some_and(|ne| ne > self.longest_response)
    }

    /// The most that an answer to a command that asks for `ne` bytes holds.
    pub(crate) fn room(&self, ne: Option<u32>) -> u32 {
        ne.unwrap_or(256).min(self.longest_response)
    }
}

/// Why a file is no persona.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PersonaError {
    /// Not TOML, an unknown field, or a value of the wrong kind.
    #[error("{0}")]
    Format(#[from] toml::de::Error),
    /// Another format, or another version of this one.
    #[error("format {format}, version {version}; this program reads {FORMAT}, version {VERSION}")]
    Version {
        /// The format found.
        format: String,
        /// The version found.
        version: u32,
    },
    /// A value that no chip has.
    #[error("{field} must be {expected}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl Persona {
    /// Reads the text of a persona.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, PersonaError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        struct Document {
            format: String,
            version: u32,
            access: Option<Vec<Protocol>>,
            longest_command: Option<u32>,
            longest_response: Option<u32>,
            challenge: Option<ChallengeKind>,
            proofs: Option<u8>,
            counts: Option<Counts>,
            key_version: Option<u8>,
            applet: Option<AppletKind>,
            longest_object: Option<usize>,
            passport_applet: Option<PassportApplet>,
        }
        #[derive(PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum Protocol {
            Bac,
            Pace,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum PassportApplet {
            Jmrtd,
        }
        let document: Document = toml::from_str(text)?;
        if document.format != FORMAT || document.version != VERSION {
            return Err(PersonaError::Version { format: document.format, version: document.version });
        }
        let usual = Make::default();
        let offers = |protocol| document.access.as_ref().is_none_or(|access| access.contains(&protocol));
        let make = Make {
            bac: offers(Protocol::Bac),
            pace: offers(Protocol::Pace),
            longest_command: document.longest_command.unwrap_or(usual.longest_command),
            longest_response: document.longest_response.unwrap_or(usual.longest_response),
        };
        let proofs = document.proofs.unwrap_or(8);
        let key_version = document.key_version.unwrap_or(DEFAULT_KEY_VERSION);
        let longest_object = document.longest_object.unwrap_or(LONGEST_OBJECT);
        let rules = [
            ((256..=LONGEST_OBJECT).contains(&longest_object), "longest-object", "256 to 12000"),
            (make.bac || make.pace, "access", "bac, pace or both"),
            ((261..=0xFFFF).contains(&make.longest_command), "longest-command", "261 to 65535"),
            ((256..=65_536).contains(&make.longest_response), "longest-response", "256 to 65536"),
            (matches!(proofs, 8 | 16), "proofs", "8 or 16"),
            (matches!(key_version, 0x01..=0x7F | MAKERS_VERSION), "key-version", "1 to 0x7F, or 0xFF"),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            Some((_, field, expected)) => Err(PersonaError::Value { field, expected }),
            None => {
                let (challenge, counts) = (document.challenge.unwrap_or_default(), document.counts.unwrap_or_default());
                let secure_channel = SecureChannel { challenge, proofs, counts };
                let jmrtd = matches!(document.passport_applet, Some(PassportApplet::Jmrtd));
                Ok(Persona { make, secure_channel, key_version, applet: document.applet, longest_object, jmrtd })
            }
        }
    }

    /// A blank of this make.
    pub fn options(self) -> BlankOptions {
        let Persona { make, secure_channel, key_version, applet, longest_object, jmrtd } = self;
        BlankOptions { make, secure_channel, key_version, applet, longest_object, jmrtd, ..BlankOptions::default() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_embedded_personas_load_and_the_first_of_them_is_the_usual_blank() {
        let load = |name: &str| EMBEDDED.iter().find(|(known, _)| *known == name).map(|(_, text)| Persona::parse(text));
        for (name, _) in EMBEDDED {
            assert!(load(name).unwrap().is_ok(), "{name}");
        }
        let usual = load("this-state").unwrap().unwrap();
        assert_eq!((usual.make, usual.key_version), (Make::default(), DEFAULT_KEY_VERSION));
        assert_eq!(usual.secure_channel, SecureChannel::default());
        assert!(!load("miserly").unwrap().unwrap().make.knows_extended_length());
    }

    #[test]
    fn what_no_chip_has_is_refused() {
        for (line, expected) in [
            ("access = []", "bac, pace or both"),
            ("access = [\"eac\"]", "unknown variant"),
            ("proofs = 12", "8 or 16"),
            ("longest-command = 260", "261 to 65535"),
            ("longest-response = 128", "256 to 65536"),
            ("key-version = 0x80", "1 to 0x7F"),
            ("keyversion = 1", "unknown field"),
        ] {
            let error = Persona::parse(&format!("format = \"{FORMAT}\"\nversion = 1\n{line}\n")).unwrap_err();
            assert!(error.to_string().contains(expected), "{line}: {error}");
        }
        assert!(matches!(Persona::parse("format = \"x\"\nversion = 1\n"), Err(PersonaError::Version { .. })));
    }

    proptest! {
        #[test]
        fn any_text_is_a_persona_or_an_error(text in "\\PC{0,200}") {
            let _ = Persona::parse(&text);
        }
    }
}
