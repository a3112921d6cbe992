//! What goes wrong, and at which card: `feeder-empty@3`.

use std::str::FromStr;

/// A fault that happens once, at the n-th card fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What happens.
    pub kind: Kind,
    /// At which card, counted from 1.
    pub card: u64,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Feeding is refused: NACK F, and the feeder says it is empty until the next card is asked for.
    FeederEmpty,
    /// Feeding is refused: NACK C.
    CoverOpen,
    /// Printing is refused: NACK R.
    Ribbon,
    /// Printing is refused: NACK T.
    Mechanical,
    /// Ejecting is refused: NACK T; rejecting still works.
    EjectJam,
    /// The card is fed, the answer is lost.
    LostFeed,
    /// The command to feed is lost.
    UnheardFeed,
    /// A panel is printed, the answer is lost.
    LostPrint,
    /// The command to print a panel is lost.
    UnheardPrint,
    /// The card is ejected, the answer is lost.
    LostEject,
    /// The command to eject is lost.
    UnheardEject,
    /// Feeding is answered with bytes that are no answer; the card is fed.
    Garbage,
    /// From feeding on there is no answer at all, until the printer is switched off.
    Dead,
}

const NAMES: &[(&str, Kind)] = &[
    ("feeder-empty", Kind::FeederEmpty),
    ("cover-open", Kind::CoverOpen),
    ("ribbon", Kind::Ribbon),
    ("timeout", Kind::Mechanical),
    ("eject-jam", Kind::EjectJam),
    ("lost-feed", Kind::LostFeed),
    ("unheard-feed", Kind::UnheardFeed),
    ("lost-print", Kind::LostPrint),
    ("unheard-print", Kind::UnheardPrint),
    ("lost-eject", Kind::LostEject),
    ("unheard-eject", Kind::UnheardEject),
    ("garbage", Kind::Garbage),
    ("dead", Kind::Dead),
];

impl Kind {
    /// The names by which faults are asked for.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }
}

/// Why a text is not a fault.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a fault; write NAME@CARD, for example feeder-empty@3")]
pub struct FaultError(String);

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let parse = || {
            let (name, card) = text.split_once('@')?;
            let (_, kind) = NAMES.iter().find(|(known, _)| *known == name)?;
            Some(Fault { kind: *kind, card: card.parse().ok().filter(|card| *card > 0)? })
        };
        parse().ok_or_else(|| FaultError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_written_as_name_and_card() {
        assert_eq!("feeder-empty@3".parse::<Fault>().unwrap(), Fault { kind: Kind::FeederEmpty, card: 3 });
        assert!(
            ["", "feeder-empty", "feeder-empty@0", "nothing@1", "ribbon@x"].iter().all(|t| t.parse::<Fault>().is_err())
        );
        assert!(Kind::names().all(|name| format!("{name}@1").parse::<Fault>().is_ok()));
    }
}
