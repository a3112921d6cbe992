//! One loss of power, as it is written on a command line.

use std::str::FromStr;

use super::When;

/// One loss of power at one command: [`Fault::Torn`](super::Fault::Torn) by itself.
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
