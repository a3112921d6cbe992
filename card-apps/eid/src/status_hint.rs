//! The card status hint: what a terminal last knew of this card, for the holder's convenience.
//!
//! ```text
//! FF22 { 80 state: 1 byte  81 date: CCYYMMDD }
//! ```
//!
//! It proves nothing: whether a card is revoked, only the issuer's lists say.

use iso7816::tlv::{Reader, Tag, TlvError, Writer};
use lds::date::{Date, DateError};

const STATE: Tag = Tag(0x80);
const DATE: Tag = Tag(0x81);

/// A state as the terminal that wrote it knew it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum CardStatus {
    /// Handed over, waiting for activation.
    Inactive = 0,
    /// In use.
    Active = 1,
    /// Reported; may come back.
    Suspended = 2,
    /// Never to be used again.
    Revoked = 3,
}

/// State and the day it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusHint {
    /// The state.
    pub status: CardStatus,
    /// The day.
    pub date: Date,
}

/// Why bytes are no hint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusHintError {
    /// Not the data objects that must be there.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// A state that this program does not know.
    #[error("an unknown state")]
    State,
    /// The day is none.
    #[error(transparent)]
    Date(#[from] DateError),
}

impl StatusHint {
    /// The content of the object.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.put(STATE, [self.status as u8]).put(DATE, self.date.to_digits());
        writer.finish()
    }

    /// Reads the content of the object.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(content: &[u8]) -> Result<Self, StatusHintError> {
        let mut reader = Reader::new(content);
        let status = match reader.expect(STATE)? {
            [0] => CardStatus::Inactive,
            [1] => CardStatus::Active,
            [2] => CardStatus::Suspended,
            [3] => CardStatus::Revoked,
            _ => return Err(StatusHintError::State),
        };
        let date = Date::from_digits(std::str::from_utf8(reader.expect(DATE)?).unwrap_or_default())?;
        reader.end()?;
        Ok(StatusHint { status, date })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hint_is_read_as_it_was_written() {
        let hint = StatusHint { status: CardStatus::Suspended, date: Date::new(2026, 5, 4).unwrap() };
        assert_eq!(hex::encode(hint.to_bytes()), "80010281083230323630353034");
        assert_eq!(StatusHint::parse(&hint.to_bytes()), Ok(hint));
        assert_eq!(StatusHint::parse(&[0x80, 0x01, 0x04]), Err(StatusHintError::State));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = StatusHint::parse(&bytes);
        }
    }
}
