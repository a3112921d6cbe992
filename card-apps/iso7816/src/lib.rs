//! The words every party at a chip card shares: BER-TLV, commands, responses, status words.
//!
//! This crate knows ISO/IEC 7816-4 and nothing of any application. It does no I/O, keeps no
//! clock and writes no log: whoever owns a reader implements [`Card`], and everything else is
//! a layer over that one verb.
//!
//! - [`tlv`]: the only BER-TLV reader and writer of the workspace
//! - [`Command`], [`Response`], [`Status`]: application protocol data units (7816-4 §5)
//! - [`Card`], [`Chained`]: the transport seam and its first layer (chaining, GET RESPONSE, Le)
//! - [`frame`]: how a soft card and its reader talk over a byte stream

mod card;
mod chained;
mod command;
pub mod frame;
mod response;
mod status;
pub mod tlv;

pub use card::{Aid, Card, TransmitError};
pub use chained::{Chained, Limits};
pub use command::{Command, CommandError, MAX_DATA, MAX_NE};
pub use response::Response;
pub use status::Status;
