//! What a host may do next, well or badly.

use channel::scp03::SecurityLevel;
use iso7816::{Aid, Command};
use proptest::prelude::*;

use super::{ALL_BLOCKS, DG1, DG3, DG4};
use crate::hostile;
use crate::support::select;

/// Where the host left the card; noise may leave it anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Start,
    MasterFile,
    Issuer,
    Emrtd,
    Piv,
    National,
    Unknown,
}

impl At {
    pub fn aid(self) -> Option<Aid> {
        match self {
            At::Issuer => Some(Aid::issuer_domain()),
            At::Emrtd => Some(Aid::emrtd()),
            At::Piv => Some(eid::Application::Piv.aid()),
            At::National => Some(eid::Application::National.aid()),
            At::Start | At::MasterFile | At::Unknown => None,
        }
    }

    pub fn selection(self) -> Command {
        match self.aid() {
            Some(aid) => select(&aid),
            None => Command::new(0x00, 0xA4, 0x00, 0x0C).with_data([0x3F, 0x00]),
        }
    }
}

/// How bytes get to the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Plain,
    Session,
    Channel,
}

#[derive(Clone, Debug)]
pub enum Step {
    Reset,
    Select(At, Way),
    Basic {
        right: bool,
    },
    Pace {
        right: bool,
        number: bool,
    },
    ChipAuthentication,
    /// Terminal Authentication of an inspection system or a residence office, with the right key for the certificate or another.
    Terminal {
        right: bool,
        office: bool,
    },
    /// GET DATA of the residence record.
    ReadResidence(Way),
    /// PUT DATA of a residence record, in links or not.
    WriteResidence {
        holder: bool,
        day: u8,
        links: bool,
        way: Way,
    },
    Read {
        id: u16,
        short: bool,
        way: Way,
    },
    /// Opens the issuer's channel; with a wrong key the host sends its cryptogram all the same.
    Issuer {
        right: bool,
        level: SecurityLevel,
    },
    Install,
    /// So many blocks of the document, from the first.
    Store {
        blocks: usize,
    },
    Seal,
    Lock,
    CardState(u8),
    Bind,
    AddKeys(u8),
    DeleteKeys(u8),
    Noise(Vec<u8>, Way),
}

pub fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let at = || prop::sample::select(vec![At::MasterFile, At::Issuer, At::Emrtd, At::Emrtd, At::Piv, At::National]);
    let file =
        prop::sample::select(vec![0x011C, 0x011D, 0x011E, DG1, 0x0102, DG3, DG3, DG4, 0x010E, 0x0110, 0x2F00, 0x2F01]);
    let way = || prop::sample::select(vec![Way::Plain, Way::Session, Way::Session]);
    let anyway = prop::sample::select(vec![Way::Plain, Way::Session, Way::Channel]);
    let level = prop::sample::select(SecurityLevel::ALL.to_vec());
    let card_state = prop::sample::select(vec![0x01, 0x07, 0x0F, 0x7F, 0x0F, 0xFF, 0x00]);
    prop_oneof![
        1 => Just(Reset),
        5 => (at(), way()).prop_map(|(at, way)| Select(at, way)),
        2 => (0..4).prop_map(|one_of| Basic { right: one_of > 0 }),
        3 => (0..4, any::<bool>()).prop_map(|(one_of, number)| Pace { right: one_of > 0, number }),
        3 => Just(ChipAuthentication),
        4 => (0..4, any::<bool>()).prop_map(|(one_of, office)| Terminal { right: one_of > 0, office }),
        3 => way().prop_map(ReadResidence),
        3 => (0..4, 27..32u8, any::<bool>(), way())
            .prop_map(|(one_of, day, links, way)| WriteResidence { holder: one_of > 0, day, links, way }),
        9 => (file, any::<bool>(), way()).prop_map(|(id, short, way)| Read { id, short, way }),
        5 => (0..6, level).prop_map(|(one_of, level)| Issuer { right: one_of > 0, level }),
        2 => Just(Install),
        2 => (0..ALL_BLOCKS + 6).prop_map(|blocks| Store { blocks }),
        2 => Just(Seal),
        1 => Just(Lock),
        1 => card_state.prop_map(CardState),
        1 => Just(Bind),
        1 => (0x2Fu8..0x33).prop_map(AddKeys),
        1 => (0x2Fu8..0x33).prop_map(DeleteKeys),
        10 => (hostile::command(), anyway).prop_map(|(bytes, way)| Noise(bytes, way)),
    ]
}
