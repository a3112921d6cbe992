//! Card faces and card printers: layout, raster, drivers, simulator.
//!
//! Knows how the fields of a card become a picture of exactly the size a printer wants ([`face`]),
//! what every card machine has in common ([`machine`]) and how each make is spoken to ([`drivers`]).
//! Does not know orders, chips or ledgers: which card is made, and what to do after a fault, is decided above.

pub mod drivers;
pub mod face;
pub mod machine;
pub mod port;
pub mod raster;
pub mod simulator;

pub use face::{Face, Fonts, Template, preview, render};
pub use machine::{CardMachine, Cause, Counters, FeederLevel, Identity, MachineError, Reply, Station, Status};
pub use raster::Raster;
