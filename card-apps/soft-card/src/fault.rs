//! Torn power: the card loses its supply at one chosen command, before or after its work.
//!
//! A tear clears what is volatile and keeps what was programmed, exactly as a card pulled out of a
//! reader. The host sees no answer in either case; only asking the card tells which one happened.

use std::str::FromStr;

/// When, within a command, the power goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// The command never reaches the card's program.
    Before,
    /// The card did all its work and programmed its memory; the answer is lost.
    After,
}

/// One loss of power at one command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tear {
    /// Index of the command counted from 0 since the tear was set; resets do not count.
    pub at: u64,
    /// Before or after the command's work.
    pub when: When,
}

/// Why a text is not a tear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a command index and optionally `:before` or `:after`, such as 12 or 12:after")]
pub struct TearSyntax;

/// `N`, `N:before` or `N:after`; `N` alone means before.
impl FromStr for Tear {
    type Err = TearSyntax;

    fn from_str(text: &str) -> Result<Self, TearSyntax> {
        let (index, when) = match text.split_once(':') {
            None => (text, When::Before),
            Some((index, "before")) => (index, When::Before),
            Some((index, "after")) => (index, When::After),
            Some(_) => return Err(TearSyntax),
        };
        Ok(Tear { at: index.parse().map_err(|_| TearSyntax)?, when })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tear_is_written_as_index_and_moment() {
        assert_eq!("7".parse(), Ok(Tear { at: 7, when: When::Before }));
        assert_eq!("7:before".parse(), Ok(Tear { at: 7, when: When::Before }));
        assert_eq!("0:after".parse(), Ok(Tear { at: 0, when: When::After }));
        for bad in ["", "x", "-1", "1:", "1:later", ":after"] {
            assert_eq!(bad.parse::<Tear>(), Err(TearSyntax), "{bad}");
        }
    }
}
