//! A printer in software, which answers as the guide says and draws what it is sent.
//!
//! [`Printer`] is the machine itself: bytes in, bytes out, no I/O but the cards and pictures it is told to keep.
//! [`serve`] puts it behind a pseudo-terminal, where a driver cannot tell it from a serial port.

pub mod fault;
pub mod printer;
pub mod pty;
pub mod station;

pub use fault::{Fault, FaultError, Kind};
pub use printer::{Options, Printer, SimulatorError};
pub use pty::{Pty, serve};
pub use station::{Station, StationError};
