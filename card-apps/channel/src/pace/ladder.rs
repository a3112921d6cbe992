//! What cards of the field want differently in MSE:Set AT, as data.
//!
//! Some refuse the parameter number where EF.CardAccess leaves no choice, others demand it; some answer 6700 to a command
//! with data and without Le. The ladder is climbed only while the card refuses before any password is at work, and it never
//! leads out of PACE: what to do when it ends is for the caller to say.

use iso7816::Card;

use super::{Opened, PaceError, Suite, open};
use crate::password::Password;
use crate::random::Random;

/// One way to say MSE:Set AT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Variant {
    /// What a record of the attempt calls it.
    pub name: &'static str,
    /// With data object 84, the number of the domain parameters.
    pub parameter_id: bool,
    /// With Le 00.
    pub le: bool,
}

/// The variants in the order in which they are tried: the standard's own first.
pub const LADDER: [Variant; 4] = [
    Variant { name: "as the standard has it", parameter_id: false, le: false },
    Variant { name: "with the parameter number", parameter_id: true, le: false },
    Variant { name: "with Le", parameter_id: false, le: true },
    Variant { name: "with the parameter number and Le", parameter_id: true, le: true },
];

/// Tries the variants one after the other until one is not refused, and tells each attempt to `record`.
///
/// `ambiguous` says that EF.CardAccess offers this protocol with several domain parameters: the standard then demands
/// their number, and variants without it are not tried (9303-11 §4.4.4.1).
///
/// # Errors
/// The last attempt's.
pub fn climb(
    card: &mut dyn Card,
    suite: &Suite,
    password: &Password,
    ambiguous: bool,
    random: &mut dyn Random,
    record: &mut dyn FnMut(Variant, Option<&PaceError>),
) -> Result<Opened, PaceError> {
    let mut variants = LADDER.into_iter().filter(|variant| variant.parameter_id || !ambiguous).peekable();
    let mut variant = *variants.peek().unwrap_or(&LADDER[0]);
    loop {
        variant = variants.next().unwrap_or(variant);
        let result = open(card, suite, password, variant, random);
        record(variant, result.as_ref().err());
        match result {
            Err(error) if error.is_before_the_password() && variants.peek().is_some() => {}
            result => return result,
        }
    }
}
