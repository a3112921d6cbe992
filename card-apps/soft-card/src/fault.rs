//! What is wrong with a card: the one catalogue of faults and lies, as a file that tests, trainings and rehearsals share.
//!
//! ```toml
//! format = "bitaqa-soft-card-fault"
//! version = 1
//! seed = 7                  # everything that is drawn is drawn from it: the same dialogue has the same answers
//!
//! [[fault]]
//! kind = "status"           # the kinds and their fields are those of `Fault`
//! on = { ins = 0xB0, skip = 3, count = 1 }
//! status = 0x6982
//! ```
//!
//! A fault either forges the memory before the card goes in ([`crate::forge`]), or spoils what goes over the line (module
//! `line`). Both kinds may stand in one file. A card with a forged memory keeps nothing: its file stays the original's.

mod file;
mod line;
mod seeded;
mod tear;

use std::path::PathBuf;

use jiff::civil::Date;
use serde::Deserialize;

pub use file::FaultError;
pub(crate) use line::Line;
pub(crate) use seeded::Seeded;
pub use tear::{Tear, TearSyntax};

/// The longest pause of one answer, milliseconds: ten minutes.
const MAX_PAUSE: u64 = 600_000;

/// The kinds that forge a card's memory, as a file names them ([`Fault::is_forgery`]); the others spoil the line.
pub const FORGERIES: [&str; 8] = [
    "altered",
    "cloned",
    "swapped-security-object",
    "swapped-card-security",
    "certificate",
    "no-pace",
    "no-mapping",
    "card-date",
];

/// One fault.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// One character of a data group is another one.
    Altered {
        /// Its number.
        data_group: u8,
    },
    /// Everything that can be read stands on another chip.
    Cloned {
        /// The key of that chip.
        key: CloneKey,
    },
    /// EF.SOD is the one of another card.
    SwappedSecurityObject {
        /// The other card's state file, beside this file.
        of: PathBuf,
    },
    /// EF.CardSecurity is the one of another card.
    SwappedCardSecurity {
        /// The other card's state file, beside this file.
        of: PathBuf,
        /// The key that it was signed for came along: somebody got it out of the other chip.
        #[serde(default)]
        key: bool,
    },
    /// The certificate in EF.SOD is another one.
    Certificate {
        /// The state file of the card that it comes from, beside this file; without it one bit of its signature is another.
        of: Option<PathBuf>,
    },
    /// EF.CardAccess is gone: the card pretends to know no PACE.
    NoPace {},
    /// The day that the card takes for the current one is another: a card that nobody read for years lets in terminals whose
    /// certificates have ended, one that was told a day to come keeps out those of today.
    CardDate {
        /// `YYYY-MM-DD`, of this century.
        date: Date,
    },
    /// EF.CardAccess hides PACE with chip authentication mapping.
    NoMapping {},
    /// The power goes at one command.
    Torn {
        /// Index of the command, counted from 0 since the card got its faults: since `run` or `rack` began, whatever hosts came and
        /// went, resets and GET RESPONSE included.
        at: u64,
        /// Before or after its work.
        when: When,
    },
    /// Answers come late: a long calculation, or one waiting-time extension after the other, which look alike from outside.
    Slow {
        /// Which answers.
        #[serde(default)]
        on: On,
        /// How late, at most ten minutes.
        milliseconds: u64,
    },
    /// The chip's pace: what each command and each byte takes.
    Latency {
        /// Microseconds for each command.
        command: u64,
        /// Microseconds for each byte that the card receives and writes.
        byte_in: u64,
        /// Microseconds for each byte that it sends.
        byte_out: u64,
    },
    /// The work is done, and the status word is another one.
    Status {
        /// Which answers.
        #[serde(default)]
        on: On,
        /// The status word.
        status: u16,
        /// The data of the answer are gone, and with them the status that secure messaging vouches for.
        #[serde(default)]
        bare: bool,
    },
    /// Only the first bytes of the answer arrive, the status word counted.
    Short {
        /// Which answers.
        #[serde(default)]
        on: On,
        /// How many bytes.
        bytes: usize,
    },
    /// More data than there are stand before the status word.
    Long {
        /// Which answers.
        #[serde(default)]
        on: On,
        /// How many bytes more, drawn.
        bytes: usize,
    },
    /// One bit of the answer is another one, drawn.
    Garbled {
        /// Which answers.
        #[serde(default)]
        on: On,
    },
    /// There is always more: `61xx` after every answer to GET RESPONSE.
    Endless {
        /// Which answers begin it.
        #[serde(default)]
        on: On,
        /// Data bytes in each answer.
        bytes: u8,
    },
    /// The data of the answer are others, drawn; the status word stays.
    Drawn {
        /// Which answers.
        #[serde(default)]
        on: On,
        /// How many bytes.
        bytes: usize,
    },
    /// The answer is the one to the command before that was met.
    Replayed {
        /// Which answers.
        #[serde(default)]
        on: On,
    },
    /// Longer commands, and commands that ask for more, are refused with `6700`.
    Limits {
        /// The longest command, bytes.
        command: usize,
        /// The most data that a command may ask for.
        response: u32,
    },
}

/// The key of a clone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloneKey {
    /// None: the chip cannot authenticate.
    None,
    /// One of its own, beside the original's public key.
    Other,
    /// One of its own, and DG14 shows its public key.
    Own,
}

/// Which commands a fault meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct On {
    /// Only those with this instruction byte.
    pub ins: Option<u8>,
    /// So many of them pass.
    pub skip: u64,
    /// So many are met; all when absent.
    pub count: Option<u64>,
    /// Only those under a secure channel, and before the card protects its answer: a chip that holds the right keys and lies.
    pub inside: bool,
}

impl On {
    fn is_for(self, instruction: u8) -> bool {
        self.ins.is_none_or(|ins| ins == instruction)
    }
}

/// When, within a command, the power goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// The command never reaches the card's program.
    Before,
    /// The card did all its work and programmed its memory; the answer is lost.
    After,
}

/// All faults of a card.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Where everything drawn comes from.
    pub seed: u64,
    /// The faults, memory and line.
    pub all: Vec<Fault>,
    /// Where the files that faults name are.
    pub folder: PathBuf,
}

impl Faults {
    /// True when a fault forges the memory.
    pub fn forge_memory(&self) -> bool {
        self.all.iter().any(Fault::is_forgery)
    }
}

impl Fault {
    /// True for a fault of the memory; the others are faults of the line.
    pub fn is_forgery(&self) -> bool {
        matches!(
            self,
            Fault::Altered { .. }
                | Fault::Cloned { .. }
                | Fault::SwappedSecurityObject { .. }
                | Fault::SwappedCardSecurity { .. }
                | Fault::Certificate { .. }
                | Fault::NoPace {}
                | Fault::CardDate { .. }
                | Fault::NoMapping {}
        )
    }

    /// Which commands it meets, for a fault that chooses.
    fn on(&self) -> Option<On> {
        match self {
            Fault::Slow { on, .. }
            | Fault::Status { on, .. }
            | Fault::Short { on, .. }
            | Fault::Long { on, .. }
            | Fault::Garbled { on }
            | Fault::Endless { on, .. }
            | Fault::Drawn { on, .. }
            | Fault::Replayed { on } => Some(*on),
            _ => None,
        }
    }

    /// The first value that cannot be used, and what it must be.
    fn impossible(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Fault::Altered { data_group } if !(1..=16).contains(data_group) => Some(("data-group", "1 to 16")),
            Fault::CardDate { date } if !(2000..2100).contains(&date.year()) => Some(("date", "a day of this century")),
            Fault::Slow { milliseconds, .. } if *milliseconds > MAX_PAUSE => Some(("milliseconds", "at most 600000")),
            Fault::Latency { command, byte_in, byte_out }
                if [command, byte_in, byte_out].iter().any(|us| **us > 1_000_000) =>
            {
                Some(("command, byte-in, byte-out", "at most 1000000 microseconds"))
            }
            Fault::Long { bytes, .. } | Fault::Drawn { bytes, .. } if *bytes > iso7816::MAX_DATA => {
                Some(("bytes", "at most 65535"))
            }
            Fault::Limits { command, .. } if *command < 4 => Some(("command", "4 or more")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "format = \"bitaqa-soft-card-fault\"\nversion = 1\nseed = 7\n";

    fn parse(faults: &str) -> Result<Faults, FaultError> {
        Faults::parse(&format!("{HEAD}{faults}"), Path::new("/somewhere/faults.toml"))
    }

    #[test]
    fn a_tear_is_written_as_index_and_moment() {
        assert_eq!("7".parse(), Ok(Tear { at: 7, when: When::Before }));
        assert_eq!("7:before".parse(), Ok(Tear { at: 7, when: When::Before }));
        assert_eq!("0:after".parse(), Ok(Tear { at: 0, when: When::After }));
        for bad in ["", "x", "-1", "1:", "1:later", ":after"] {
            assert_eq!(bad.parse::<Tear>(), Err(TearSyntax), "{bad}");
        }
    }

    #[test]
    fn faults_are_read_and_misspelt_ones_refused() {
        let faults = parse(
            "[[fault]]\nkind = \"status\"\non = { ins = 0xB0, skip = 3 }\nstatus = 0x6982\n\
             [[fault]]\nkind = \"swapped-security-object\"\nof = \"other.card\"\n[[fault]]\nkind = \"no-pace\"\n",
        )
        .unwrap();
        let on = On { ins: Some(0xB0), skip: 3, count: None, inside: false };
        assert_eq!((faults.seed, faults.folder.as_path()), (7, Path::new("/somewhere")));
        assert_eq!(faults.all[0], Fault::Status { on, status: 0x6982, bare: false });
        assert!(faults.forge_memory());
        for (text, expected) in [
            ("[[fault]]\nkind = \"stauts\"\n", "unknown variant"),
            ("[[fault]]\nkind = \"status\"\nstatus = 0x6982\nins = 1\n", "unknown field"),
            ("[[fault]]\nkind = \"status\"\nstatus = 0x6982\non = { inst = 1 }\n", "unknown field"),
            ("[[fault]]\nkind = \"status\"\nstatus = 0x16982\n", "integer"),
            ("[[fault]]\nkind = \"altered\"\ndata-group = 17\n", "1 to 16"),
            ("[[fault]]\nkind = \"slow\"\nmilliseconds = 600001\n", "at most 600000"),
            ("[[fault]]\nkind = \"limits\"\ncommand = 3\nresponse = 256\n", "4 or more"),
            ("", "missing field"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
        let other = Faults::parse("format = \"bitaqa-soft-card-fault\"\nversion = 2\n", Path::new("x"));
        assert!(matches!(other, Err(FaultError::Version { version: 2, .. })));
    }

    #[test]
    fn no_fault_is_lost_at_the_end_of_a_long_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faults.toml");
        let padded = |length: usize| {
            let head = format!("{HEAD}[[fault]]\nkind = \"no-pace\"\n#");
            format!("{head}{}\n[[fault]]\nkind = \"no-mapping\"\n", "-".repeat(length - head.len() - 31))
        };
        for (length, good) in [(65_536, true), (65_537, false)] {
            let text = padded(length);
            assert_eq!(text.len(), length);
            std::fs::write(&path, text).unwrap();
            match Faults::load(&path) {
                Ok(faults) => assert!(good && faults.all.len() == 2),
                Err(error) => assert!(!good && error.to_string().contains("at most 65536 bytes"), "{error}"),
            }
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_numbers() {
        let draw = |seed| {
            std::array::from_fn::<u64, 4, _>({
                let mut random = Seeded::new(seed);
                move |_| random.next()
            })
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_of_faults_or_an_error(text in "\\PC{0,200}") {
            let _ = parse(&text);
            let _ = Faults::parse(&text, Path::new("x"));
        }
    }
}
