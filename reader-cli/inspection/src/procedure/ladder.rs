//! What is tried next where a card does not go along, as data: every rung that is taken is in the evidence.
//!
//! No rung leads from PACE to BAC. What BAC needs is a card that offers no PACE of any kind, and a caller who allows it: that is decided
//! before anything is tried, and stands in this table only to be read.

use channel::pace::Mapping;
use serde::{Deserialize, Serialize};

/// Name of a rung, as evidence and reports have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// PACE, the best variant.
    Pace,
    /// PACE, the best variant without chip authentication mapping.
    PaceWithoutMapping,
    /// Basic Access Control.
    Bac,
    /// Everything once more, with short commands.
    SmallSteps,
    /// Files by SELECT.
    BySelect,
    /// The head of a file before the rest.
    HeadFirst,
    /// Smaller blocks.
    SmallerBlocks,
}

impl Rung {
    /// The name as written in evidence and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Rung::Pace => "pace",
            Rung::PaceWithoutMapping => "pace-without-mapping",
            Rung::Bac => "bac",
            Rung::SmallSteps => "small-steps",
            Rung::BySelect => "by-select",
            Rung::HeadFirst => "head-first",
            Rung::SmallerBlocks => "smaller-blocks",
        }
    }

    /// Its line of the table.
    pub fn step(self) -> Option<&'static Step> {
        LADDER.iter().find(|step| step.rung == self)
    }
}

/// One line of the table.
pub struct Step {
    /// Its name.
    pub rung: Rung,
    /// When it is taken.
    pub when: &'static str,
    /// What is done.
    pub what: &'static str,
    /// The variants of PACE that it admits; `None` for a rung that is about something else.
    admits: Option<fn(Mapping) -> bool>,
}

/// Every rung, in the order in which they come.
pub const LADDER: &[Step] = &[
    Step {
        rung: Rung::Pace,
        when: "EF.CardAccess offers PACE",
        what: "PACE with the best variant offered: chip authentication mapping first, then the longest keys",
        admits: Some(|_| true),
    },
    Step {
        rung: Rung::PaceWithoutMapping,
        when: "the chip refused chip authentication mapping before any password was at work",
        what: "PACE with the best variant of another mapping",
        admits: Some(|mapping| !matches!(mapping, Mapping::ChipAuthentication)),
    },
    Step {
        rung: Rung::Bac,
        when: "EF.CardAccess offers no PACE of any kind, BAC is allowed, and the MRZ was given; never after PACE",
        what: "Basic Access Control",
        admits: None,
    },
    Step {
        rung: Rung::SmallSteps,
        when: "a session broke while it was read; once",
        what: "the same access again, then every file again with short commands",
        admits: None,
    },
    Step {
        rung: Rung::BySelect,
        when: "the short identifier did not lead to a file that SELECT finds",
        what: "the files of this folder by SELECT",
        admits: None,
    },
    Step {
        rung: Rung::HeadFirst,
        when: "the card refuses to be asked for more bytes than a file has",
        what: "the head of each file before the rest",
        admits: None,
    },
    Step {
        rung: Rung::SmallerBlocks,
        when: "the card finds the length of a block wrong (6700)",
        what: "half of it, down to what every card gives",
        admits: None,
    },
];

/// The rungs that lead to PACE.
pub(super) fn of_pace() -> impl Iterator<Item = (Rung, fn(Mapping) -> bool)> {
    LADDER.iter().filter_map(|step| Some((step.rung, step.admits?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_rung_once_and_bac_is_none_of_pace() {
        for step in LADDER {
            assert_eq!(serde_json::to_value(step.rung).unwrap(), step.rung.name());
            assert_eq!(LADDER.iter().filter(|other| other.rung == step.rung).count(), 1);
            assert!(step.rung.step().is_some());
        }
        let of_pace: Vec<Rung> = of_pace().map(|(rung, _)| rung).collect();
        assert_eq!(of_pace, [Rung::Pace, Rung::PaceWithoutMapping]);
    }
}
