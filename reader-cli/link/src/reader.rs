//! What every reader can do, however it is attached.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use iso7816::{Card, Command, Limits, Response, TransmitError};

use crate::limits;

/// A place where one card at a time can be.
///
/// One thread drives one reader; each implementation keeps its own session with the service
/// behind it, so readers never wait for each other.
pub trait Reader: Send {
    /// The reader's full name, as its service prints it.
    fn name(&self) -> &str;

    /// Powers the card up afresh and takes hold of it: nothing a former session left in the
    /// card's volatile memory survives, and no other program can reach the card meanwhile.
    ///
    /// The card is reset again when the [`Connection`] is dropped.
    ///
    /// # Errors
    /// When there is no card, no reader, no service, or another program keeps the card.
    fn connect(&mut self) -> Result<Connection, ConnectError>;

    /// Waits at most `timeout` for a card to be put in or taken out; true when it happened
    /// (or was so already).
    ///
    /// # Errors
    /// When the reader or its service is gone.
    fn wait_for(&mut self, wanted: Presence, timeout: Duration) -> Result<bool, ConnectError>;
}

/// What to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// A card is in the reader.
    Card,
    /// The reader is empty.
    NoCard,
}

/// A powered card in a reader: the lowest [`Card`] of every stack of layers.
pub struct Connection {
    card: Box<dyn Card + Send>,
    answer_to_reset: Vec<u8>,
    reader_limit: Option<usize>,
}

impl Connection {
    /// Puts a transport together with what is known of it. `reader_limit` is the most command
    /// data bytes the reader passes on in one APDU, where it says so.
    pub fn new(card: impl Card + Send + 'static, answer_to_reset: Vec<u8>, reader_limit: Option<usize>) -> Self {
        Connection { card: Box::new(card), answer_to_reset, reader_limit }
    }

    /// The answer to reset, at most 33 bytes (7816-3 §8).
    pub fn atr(&self) -> &[u8] {
        &self.answer_to_reset
    }

    /// How long one APDU may be, through this reader to this card.
    ///
    /// The rule, in order:
    /// 1. A reader that announces a limit (PC/SC part 10, `dwMaxAPDUDataSize`) below 256 bytes, or the
    ///    protocol T=0: short APDUs.
    /// 2. A card whose historical bytes do not announce extended length (7816-4 §12.1.1.9, card
    ///    capabilities, third byte, bit 7): short APDUs. Every card takes those.
    /// 3. Otherwise extended APDUs, of the size that EF.ATR/INFO gives (`7F66`, 7816-4 §12.7.1) where
    ///    it can be read, never above the reader's limit.
    ///
    /// Reads EF.ATR/INFO with short commands in the third case only, so call it before selecting an application. A
    /// failure to read it says nothing; the next command will say what is wrong with the card.
    pub fn limits(&mut self) -> Limits {
        limits::discover(&mut self.card, &self.answer_to_reset, self.reader_limit)
    }

    /// The most data bytes that the reader passes on in one APDU when reader and card both announce extended length: rules 1 and 2,
    /// which ask the card nothing. `None` for short APDUs only.
    pub fn extended_length(&self) -> Option<u32> {
        limits::announced(&self.answer_to_reset, self.reader_limit).map(|limit| limit as u32)
    }
}

impl Card for Connection {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        self.card.transmit(command)
    }
}

/// Why the smart card service cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// No daemon answers.
    #[error("the smart card service pcscd is not running (start it: systemctl start pcscd.socket)")]
    NotRunning,
    /// The service answered with an error.
    #[error("the smart card service failed at {call}: {source}")]
    Failed {
        /// The PC/SC function.
        call: &'static str,
        /// What it returned.
        source: ::pcsc::Error,
    },
}

/// Why there is no connection to a card.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The service behind the readers.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// No reader has that name.
    #[error("no reader is called {name:?} (there are: {})", list(known))]
    NoSuchReader {
        /// The name or part of a name asked for.
        name: String,
        /// Every reader there is.
        known: Vec<String>,
    },
    /// A part of a name fits several readers.
    #[error("{name:?} fits several readers: {}", list(candidates))]
    Ambiguous {
        /// The part of a name asked for.
        name: String,
        /// The readers it fits.
        candidates: Vec<String>,
    },
    /// The reader is empty.
    #[error("no card in {reader}")]
    NoCard {
        /// The reader.
        reader: String,
    },
    /// A card is there but gave no valid answer to reset: inserted the wrong way round, or broken.
    #[error("the card in {reader} does not answer (wrong way round, or not a chip card)")]
    Mute {
        /// The reader.
        reader: String,
    },
    /// Another program kept the card for the whole time we were ready to wait.
    #[error("another program holds the card in {reader} (waited {:.1} s; programs using smart cards now: {})", waited.as_secs_f32(), list(programs))]
    Busy {
        /// The reader.
        reader: String,
        /// How long.
        waited: Duration,
        /// Programs of this computer that have the PC/SC library open, as far as we may see.
        programs: Vec<String>,
    },
    /// The service or the driver did not come back in time.
    #[error("{reader} did not answer within {:.1} s", waited.as_secs_f32())]
    TimedOut {
        /// The reader.
        reader: String,
        /// How long.
        waited: Duration,
    },
    /// What is at the other end of the socket is not one of our soft cards.
    #[error("{reader}: {reason}")]
    Handshake {
        /// The socket.
        reader: String,
        /// Which rule it broke.
        reason: &'static str,
    },
    /// The socket itself.
    #[error("{}: {source}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
