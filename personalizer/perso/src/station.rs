//! The place where the chip is reached.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use iso7816::{Card, Command, Response, TransmitError};

/// The card of the chip station: a reader with a card in it.
pub type StationCard = Box<dyn Card>;

/// The place where the chip is reached.
pub trait Station {
    /// Powers the card up (each call resets it) and connects to it. Whatever held a card of an earlier call has lost it: a reader
    /// gives its card to one connection at a time ([`Connections`]).
    ///
    /// # Errors
    /// When there is no card or no reader.
    fn connect(&mut self) -> Result<StationCard, StationError>;

    /// The most data bytes in one APDU, when reader and card know extended length. Only asked where a card needs it.
    ///
    /// # Errors
    /// As [`Station::connect`].
    fn extended_length(&mut self) -> Result<Option<u32>, StationError> {
        Ok(None)
    }
}

/// Ends the earlier connection of a [`Station`] when a new one begins.
#[derive(Default)]
pub struct Connections(Weak<RefCell<Option<StationCard>>>);

/// A connection that ends when the next one begins; what is sent over it then finds no card.
struct Held(Rc<RefCell<Option<StationCard>>>);

impl Connections {
    /// Ends the connection that is still held.
    pub fn end(&mut self) {
        if let Some(held) = std::mem::take(&mut self.0).upgrade() {
            held.take();
        }
    }

    /// Hands out a connection, made after [`Self::end`].
    pub fn begin(&mut self, card: StationCard) -> StationCard {
        self.end();
        let held = Rc::new(RefCell::new(Some(card)));
        self.0 = Rc::downgrade(&held);
        Box::new(Held(held))
    }
}

impl Card for Held {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        self.0.borrow_mut().as_mut().map_or(Err(TransmitError::Lost), |card| card.transmit(command))
    }
}

/// Why the chip station gave no card.
#[derive(Debug, thiserror::Error)]
pub enum StationError {
    /// No card in the station.
    #[error("there is no card in the chip station")]
    NoCard,
    /// A card is there and gives no answer to reset: it is dead, or the wrong way round.
    #[error("the card in the chip station does not answer (wrong way round, or not a chip card)")]
    Mute,
    /// The reader failed; of the card this says nothing.
    #[error("the reader of the chip station failed: {detail}")]
    Reader {
        /// What it said.
        detail: String,
    },
}

#[cfg(test)]
mod tests {
    use iso7816::Status;

    use super::*;

    struct Willing;

    impl Card for Willing {
        fn transmit(&mut self, _command: &Command) -> Result<Response, TransmitError> {
            Ok(Response::status(Status::OK))
        }
    }

    #[test]
    fn the_next_connection_ends_the_one_before() {
        let command = Command::new(0x00, 0x84, 0x00, 0x00);
        let mut connections = Connections::default();
        let mut first = connections.begin(Box::new(Willing));
        assert!(first.transmit(&command).is_ok());
        let mut second = connections.begin(Box::new(Willing));
        assert!(matches!(first.transmit(&command), Err(TransmitError::Lost)));
        drop(first);
        assert!(second.transmit(&command).is_ok());
        connections.end();
        assert!(matches!(second.transmit(&command), Err(TransmitError::Lost)));
    }
}
