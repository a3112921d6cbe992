//! Check digits (9303-3 §4.9).

use std::fmt;

/// The check digit of 9303-3 §4.9: weights 7 3 1, modulo 10. Characters that cannot stand in an MRZ count as nothing.
pub fn check_digit(text: &str) -> char {
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'Z' => u32::from(byte - b'A') + 10,
        _ => 0,
    };
    let weighted = text.bytes().zip([7, 3, 1].into_iter().cycle()).map(|(byte, weight)| value(byte) * weight % 10);
    let sum = weighted.fold(0, |sum, product| (sum + product) % 10);
    char::from_digit(sum, 10).unwrap_or('0')
}

/// A check digit of the MRZ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CheckDigit {
    /// Of the document number.
    DocumentNumber,
    /// Of the date of birth.
    Birth,
    /// Of the date of expiry.
    Expiry,
    /// Of the optional data (TD3).
    Optional,
    /// Over all of these.
    Composite,
}

impl fmt::Display for CheckDigit {
    /// What it protects: `date of birth`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DocumentNumber => "document number",
            Self::Birth => "date of birth",
            Self::Expiry => "date of expiry",
            Self::Optional => "optional data",
            Self::Composite => "whole zone",
        })
    }
}
