//! Forged cards, to see that they are found out.
//!
//! Both leave the security object as it was: whoever forges a card cannot sign.

use channel::random::{OsRandom, Random, RandomError};
use channel::secret::Secret;
use channel::suite::Curve;
use lds::files;

use crate::persistence::State;

/// Why a card cannot be forged.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// The card has no such data group.
    #[error("the card has no data group {number}")]
    NoDataGroup {
        /// Its number.
        number: u8,
    },
    /// The card has no key for Chip Authentication.
    #[error("the card has no key for Chip Authentication")]
    NoChipKey,
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Changes one character of a data group: its last letter becomes the next of the alphabet. Where there is no
/// letter, the last byte changes. The file keeps its structure; only its hash is wrong.
///
/// # Errors
/// When the card does not have the data group.
pub fn alter_data_group(state: &State, number: u8) -> Result<State, ForgeError> {
    let missing = ForgeError::NoDataGroup { number };
    let Some(file) = files::data_group(number) else { return Err(missing) };
    let mut forged = state.clone();
    let Some(contents) = forged.emrtd.files.get_mut(&file.id) else { return Err(missing) };
    let letter = contents.iter().rposition(u8::is_ascii_uppercase).unwrap_or(contents.len().saturating_sub(1));
    if let Some(byte) = contents.get_mut(letter) {
        *byte = match *byte {
            b'Z' => b'A',
            b'A'..=b'Y' => *byte + 1,
            other => other ^ 0x01,
        };
    }
    Ok(forged)
}

/// A clone: everything that can be read out, on another chip with another private key, as whoever copies a card
/// gets it. DG14 still shows the public key of the original.
///
/// # Errors
/// When the card has no key for Chip Authentication, or without randomness.
pub fn new_chip_key(state: &State) -> Result<State, ForgeError> {
    let mut forged = state.clone();
    let key = forged.emrtd.chip_key.as_mut().ok_or(ForgeError::NoChipKey)?;
    let curve = Curve::from_parameter_id(key.parameter_id).ok_or(ForgeError::NoChipKey)?;
    let mut private = vec![0; curve.field_length()];
    OsRandom.fill(&mut private)?;
    // Clearing the first byte keeps the number below the order of every curve in use.
    if let Some(first) = private.first_mut() {
        *first = 0;
    }
    key.private = Secret::new(private);
    let mut serial = [0; 6];
    OsRandom.fill(&mut serial)?;
    // IC serial number and batch: bytes 12 to 17 of the CPLC.
    forged.issuer_domain.cplc.iter_mut().skip(12).zip(serial).for_each(|(to, from)| *to = from);
    Ok(forged)
}
