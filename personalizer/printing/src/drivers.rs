//! The makes of printers that are known, one file each, and one line here.

pub mod evolis;

use std::path::PathBuf;
use std::time::Duration;

pub use self::evolis::panels::Ribbon;
use crate::CardMachine;

/// Every driver.
pub const DRIVERS: &[Driver] =
    &[Driver { name: "evolis", title: "Evolis card printers (ESC command set)", open: evolis::open }];

/// One make of printers.
#[derive(Clone, Copy)]
pub struct Driver {
    /// The name on a command line and in a profile.
    pub name: &'static str,
    /// What a person calls it.
    pub title: &'static str,
    /// Makes a machine that speaks to a port. Nothing is sent before [`CardMachine::connect`].
    pub open: fn(Connection) -> Box<dyn CardMachine>,
}

/// How a machine is reached, and how patient its driver is.
pub struct Connection {
    /// The serial device.
    pub port: PathBuf,
    /// Bits per second.
    pub baud: u32,
    /// The ribbon in the machine.
    pub ribbon: Ribbon,
    /// Patience.
    pub timeouts: Timeouts,
    /// Receives one line for each command and each answer, without any data of a card.
    pub log: Option<Log>,
}

/// A receiver of log lines.
pub type Log = Box<dyn FnMut(&str) + Send>;

/// How long an answer may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To a question, or to data that only fills the memory.
    pub question: Duration,
    /// To a motion of a card.
    pub motion: Duration,
    /// To the printing of one panel.
    pub print: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts { question: Duration::from_secs(3), motion: Duration::from_secs(30), print: Duration::from_secs(60) }
    }
}

impl Connection {
    /// A port at 115,200 bits per second, a YMCKO ribbon and the usual patience.
    pub fn new(port: impl Into<PathBuf>) -> Self {
        Connection { port: port.into(), baud: 115_200, ribbon: Ribbon::Ymcko, timeouts: Timeouts::default(), log: None }
    }
}

impl Driver {
    /// The driver with this name.
    pub fn named(name: &str) -> Option<&'static Driver> {
        DRIVERS.iter().find(|driver| driver.name == name)
    }
}
