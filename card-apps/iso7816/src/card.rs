//! The seam between protocols and transports: one verb.

use std::fmt;

use crate::{Command, Response, Status};

/// Something that answers commands: a reader with a card in it, a layer over one, a card in memory.
///
/// Layers are stacked in one visible line:
/// `Secured::new(session, Chained::new(reader, limits))`.
pub trait Card {
    /// Sends one command and returns the answer, whatever its status word.
    ///
    /// # Errors
    /// Only when no valid answer came; a refusal by the card is a [`Response`].
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError>;
}

impl<C: Card + ?Sized> Card for &mut C {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        (**self).transmit(command)
    }
}

impl<C: Card + ?Sized> Card for Box<C> {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        (**self).transmit(command)
    }
}

/// Why no answer came back.
#[derive(Debug, thiserror::Error)]
pub enum TransmitError {
    /// The card was taken out, lost power, or answered with fewer than two bytes.
    #[error("the card was lost (removed, or it stopped answering)")]
    Lost,
    /// The reader or the service behind it failed.
    #[error("the reader failed: {detail}")]
    Reader {
        /// What the reader or its driver said.
        detail: String,
    },
    /// No answer within the time allowed.
    #[error("no answer from the card within {seconds} s")]
    TimedOut {
        /// The limit that passed.
        seconds: u64,
    },
    /// The answer did not pass secure messaging; the session is gone.
    #[error("secure messaging broken: {reason}")]
    SecureMessaging {
        /// Which rule the answer broke.
        reason: &'static str,
    },
    /// The card answered a protected command with a bare status word, which nothing authenticates; the session is gone.
    #[error("the card answered {status} outside the secure channel")]
    Unprotected {
        /// What the card said.
        status: Status,
    },
    /// The card kept announcing more data beyond every limit.
    #[error("the card's answer exceeds {limit} bytes")]
    TooLong {
        /// The most that is accepted.
        limit: usize,
    },
    /// The command cannot be expressed on this transport.
    #[error("a command of {length} data bytes cannot be sent to this card")]
    Unsendable {
        /// Bytes in the command data field.
        length: usize,
    },
    /// A replayed dialogue received another command than the one recorded.
    #[error("replay: command {index} differs from the recording")]
    Replay {
        /// Position in the recording, from 0.
        index: usize,
    },
}

/// An application identifier (7816-4 §12.2.3): 5 to 16 bytes (GlobalPlatform also allows fewer on selection).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Aid(Vec<u8>);

impl Aid {
    /// Takes 1 to 16 bytes; `None` for any other length.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = bytes.into();
        (1..=16).contains(&bytes.len()).then_some(Aid(bytes))
    }

    /// The eMRTD application, `A0000002471001` (9303-10 §3.11.1).
    pub fn emrtd() -> Self {
        Aid(vec![0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01])
    }

    /// The issuer security domain, `A000000151000000` (GPCS 2.3.1).
    pub fn issuer_domain() -> Self {
        Aid(vec![0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00])
    }

    /// The identifier's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Aid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Aid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}
