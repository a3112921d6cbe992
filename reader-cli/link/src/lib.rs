//! Readers: the only crate that knows where a card is plugged in.
//!
//! It knows PC/SC ([`pcsc`]), the byte stream of a soft card ([`socket`]), and how to write down
//! ([`Recorded`], [`Journal`]) and play back ([`Replay`]) a dialogue. It knows no application, no
//! key and no secure channel: those are layers over the [`Connection`] that a [`Reader`] gives.
//!
//! ```no_run
//! use iso7816::{Chained, Limits};
//! use link::{Reader, pcsc::PcscReader};
//!
//! let mut reader = PcscReader::open("Virtual Reader 00 03")?;
//! let mut connection = reader.connect()?;
//! let limits = connection.limits();
//! let card = Chained::new(connection, limits);
//! # Ok::<(), link::ConnectError>(())
//! ```

pub mod answer_to_reset;
mod journal;
mod limits;
pub mod pcsc;
mod reader;
mod recorded;
mod replay;
pub mod socket;

pub use journal::{Detail, Journal};
pub use reader::{ConnectError, Connection, Presence, Reader, ServiceError};
pub use recorded::Recorded;
pub use replay::{Replay, ReplayError};
