//! Fields as an issuer fills them in: their lengths, and the document number that runs over into the optional data.

use std::ops::RangeInclusive;

use super::{MrzError, check_digit, is_mrz};

/// The field filled up with `<` to its greatest length.
pub(super) fn field(
    field: &'static str,
    text: &str,
    lengths: RangeInclusive<usize>,
    allowed: impl Fn(u8) -> bool,
) -> Result<String, MrzError> {
    let width = *lengths.end();
    check(field, text, lengths, allowed)?;
    Ok(format!("{text:<<width$}"))
}

/// Document number (nine characters), its check digit, and the optional data that follow, `room` characters of them.
///
/// A number of more than nine characters goes on in the optional data, where its check digit and a `<` end it
/// (9303-5 §4.2, 9303-6 §4.2).
pub(super) fn number_and_optional(
    number: &str,
    (name, optional): (&'static str, &str),
    room: usize,
) -> Result<(String, char, String), MrzError> {
    // Behind the rest of the number there is place for a check digit and a filler.
    check("document number", number, 1..=9 + room - 2, |byte| is_mrz(byte) && byte != b'<')?;
    let Some((principal, rest)) = number.split_at_checked(9).filter(|(_, rest)| !rest.is_empty()) else {
        let optional = field(name, optional, 0..=room, is_mrz)?;
        let number = format!("{number:<<9}");
        let check = check_digit(&number);
        return Ok((number, check, optional));
    };
    let optional = field(name, optional, 0..=room - (rest.len() + 2), is_mrz)?;
    Ok((principal.to_owned(), '<', format!("{rest}{}<{optional}", check_digit(number))))
}

pub(super) fn check(
    field: &'static str,
    text: &str,
    lengths: RangeInclusive<usize>,
    allowed: impl Fn(u8) -> bool,
) -> Result<(), MrzError> {
    if !text.bytes().all(allowed) {
        return Err(MrzError::FieldCharacter { field });
    }
    let (min, max) = (*lengths.start(), *lengths.end());
    let length = text.len();
    if lengths.contains(&length) { Ok(()) } else { Err(MrzError::FieldLength { field, length, min, max }) }
}
