//! What every card machine has in common, in the vocabulary of CEN/XFS card embossing units (CWA 16926-14).
//!
//! A machine takes a blank from its feeder to the chip station, prints it and puts it either into the output
//! or into the reject box. A motion is never repeated blindly: a driver that lost an answer asks the machine
//! where the card is, and says [`MachineError::OutcomeUnknown`] when even that does not tell. Stopping a
//! line after repeated faults is the caller's decision, as is what becomes of the document.

use std::fmt;

use crate::Raster;
use crate::port::PortError;

/// A machine that moves and prints cards, one at a time.
pub trait CardMachine: Send {
    /// Opens a conversation: sets the error mode and asks who answers. Idempotent; needed after a reconnection.
    ///
    /// # Errors
    /// [`MachineError`]; nothing moved.
    fn connect(&mut self) -> Result<Identity, MachineError>;

    /// Asks whether a card could be made now. Nothing moves.
    ///
    /// # Errors
    /// [`MachineError`]; a machine that is merely not ready is an `Ok` whose [`Status::fault`] says why.
    fn status(&mut self) -> Result<Status, MachineError>;

    /// Takes the next blank from the feeder to a chip station.
    ///
    /// # Errors
    /// [`MachineError`]; `InputEmpty` when there is no blank.
    fn feed_to_station(&mut self, station: Station) -> Result<(), MachineError>;

    /// Prints the card that is in the machine; the card stays in the machine.
    ///
    /// # Errors
    /// [`MachineError`]; whatever the error, the card must be taken for printed on and be rejected.
    fn print(&mut self, front: &Raster, back: Option<&Raster>) -> Result<(), MachineError>;

    /// Puts the card into the output.
    ///
    /// # Errors
    /// [`MachineError`]; the card is not in the output unless this returned `Ok`.
    fn eject(&mut self) -> Result<(), MachineError>;

    /// Puts the card into the reject box.
    ///
    /// # Errors
    /// [`MachineError`]; the card is not in the reject box unless this returned `Ok`.
    fn reject(&mut self) -> Result<(), MachineError>;

    /// The machine's own counters, for the balance of a shift.
    ///
    /// # Errors
    /// [`MachineError`].
    fn counters(&mut self) -> Result<Counters, MachineError>;
}

/// Who answers at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The model as the machine names it.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// Its firmware version.
    pub firmware: String,
}

/// Where the chip is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Station {
    /// Contacts are pressed on the chip.
    Contact,
    /// The card lies over an antenna.
    Contactless,
}

/// How full the feeder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeederLevel {
    /// No card can be fed.
    Empty,
    /// Refill soon.
    Low,
    /// About half.
    Half,
    /// Full.
    Full,
}

/// Whether a card could be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How full the feeder is.
    pub feeder: FeederLevel,
    /// The ribbon as the machine describes it.
    pub ribbon: String,
    /// Whether a card is inside, when the machine can tell.
    pub card_inside: Option<bool>,
    /// What keeps the machine from working, if anything.
    pub fault: Option<Cause>,
}

/// Cards counted by the machine since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Cards taken from the feeder.
    pub total: u64,
    /// Cards put into the output.
    pub output: u64,
    /// Cards put into the reject box.
    pub retained: u64,
    /// Ribbon panels printed.
    pub printed_panels: u64,
}

/// Why a machine failed: the causes that CWA 16926-14 lists, and what a person does about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// A motor lost its place or stood still.
    Mechanical,
    /// The feeder did not deliver a card.
    CardFeed,
    /// The feeder is empty.
    InputEmpty,
    /// The output is full.
    OutputFull,
    /// The reject box is full.
    RetainFull,
    /// A card is stuck.
    MediaJam,
    /// The cover is open.
    CoverOpen,
    /// The ribbon is used up, torn or of another kind.
    Ribbon,
    /// Magnetic data is not encodable.
    MagneticData,
    /// Magnetic writing failed.
    MagneticWrite,
    /// Magnetic data read back differs.
    MagneticMismatch,
    /// The machine is doing something else.
    Busy,
    /// The machine did not understand a command.
    CommandRefused,
    /// The machine refused a parameter.
    ParameterRefused,
}

impl Cause {
    /// What the operator does, in one sentence.
    pub const fn advice(self) -> &'static str {
        match self {
            Cause::Mechanical => "switch the printer off, take the card out, run the cleaning cycle and switch it on",
            Cause::CardFeed => "take the cards out of the feeder, fan them, check the thickness gauge and refill",
            Cause::InputEmpty => "refill the feeder with blanks and enter their number",
            Cause::OutputFull => "empty the output tray into the tray for checked cards",
            Cause::RetainFull => "empty the reject box with a second person and count the spoiled cards",
            Cause::MediaJam => "open the cover, take the card out along its path and count it as spoiled",
            Cause::CoverOpen => "close the printer's cover",
            Cause::Ribbon => "fit a new ribbon of the kind that the printer asks for, colour and black",
            Cause::MagneticData => "correct the magnetic data in the profile",
            Cause::MagneticWrite => "clean the magnetic head and check that the blanks carry a stripe",
            Cause::MagneticMismatch => "reject the card; clean the magnetic head if it happens again",
            Cause::Busy => "wait until the printer is idle",
            Cause::CommandRefused => "check that the driver matches the printer's model and firmware",
            Cause::ParameterRefused => {
                "check the printer's options (stations, flip-over, ribbon) against the driver's model"
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Mechanical => "mechanical fault or timeout",
            Cause::CardFeed => "the feeder delivered no card",
            Cause::InputEmpty => "the feeder is empty",
            Cause::OutputFull => "the output is full",
            Cause::RetainFull => "the reject box is full",
            Cause::MediaJam => "a card is stuck",
            Cause::CoverOpen => "the cover is open",
            Cause::Ribbon => "the ribbon is used up, torn or of the wrong kind",
            Cause::MagneticData => "the magnetic data cannot be encoded",
            Cause::MagneticWrite => "writing the magnetic stripe failed",
            Cause::MagneticMismatch => "the magnetic stripe reads back differently",
            Cause::Busy => "the printer is busy",
            Cause::CommandRefused => "the printer did not understand the command",
            Cause::ParameterRefused => "the printer refused a parameter",
        })
    }
}

/// What came back in place of a usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Bytes that are no answer of this protocol; the first of them, in hexadecimal.
    Garbage(String),
    /// A text that cannot be read as what was asked for, shortened.
    Text(String),
    /// More bytes than any answer has.
    TooLong,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Garbage(hex) => write!(f, "bytes {hex}"),
            Reply::Text(text) => write!(f, "the text {text:?}"),
            Reply::TooLong => f.write_str("an answer without end"),
        }
    }
}

/// Why a machine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The machine answered with an error.
    #[error("the printer reports: {cause} (code {code} to {command}); {}", .cause.advice())]
    Fault {
        /// What went wrong.
        cause: Cause,
        /// The machine's own code.
        code: char,
        /// The command it answered.
        command: String,
    },
    /// No answer came, and nothing moved that could not be asked about.
    #[error("the printer did not answer {command} within {seconds} s")]
    NoAnswer {
        /// The command without its data.
        command: String,
        /// The time allowed.
        seconds: u64,
    },
    /// The answer to a motion was lost and the machine cannot tell whether it happened.
    #[error("it is unknown whether the printer carried out {command}; look where the card is before going on")]
    OutcomeUnknown {
        /// The command without its data.
        command: String,
    },
    /// The answer is not one of this protocol.
    #[error("the printer answered {command} with {reply}")]
    BadAnswer {
        /// The command without its data.
        command: String,
        /// What came.
        reply: Reply,
    },
    /// A card of an earlier job is still inside.
    #[error("a card is still inside the printer")]
    CardInside,
    /// The model has no such part.
    #[error("the model {model} has no {part}")]
    NotFitted {
        /// The model's name in the driver.
        model: &'static str,
        /// The missing part.
        part: &'static str,
    },
    /// The serial line failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl MachineError {
    /// The machine's own cause, when it told one: what a breaker counts.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            MachineError::Fault { cause, .. } => Some(*cause),
            _ => None,
        }
    }
}
