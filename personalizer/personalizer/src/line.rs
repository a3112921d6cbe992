//! The production line: a chip station, perhaps a printer, the ledger.

use std::time::Duration;

use iso7816::{Chained, Limits};
use link::pcsc::PcscReader;
use link::socket::SocketReader;
use link::{ConnectError, Detail, Journal, Presence, Reader, Recorded};
use perso::execute::{Connections, Station, StationCard, StationError};
use perso::ledger::{self, Event, Ledger, LedgerError, Phase, State, Step};
use printing::drivers::{Connection, Driver};
use printing::machine::{Cause, Station as Place};
use printing::{CardMachine, MachineError};

use crate::args::{Equipment, Machine};
use crate::exit;
use crate::failure::Failure;

/// The chip station: a reader, and a journal of what is said.
pub struct ChipStation {
    reader: Box<dyn Reader>,
    journal: Option<Journal>,
    connections: Connections,
}

impl ChipStation {
    /// The reader or socket that the command line names.
    pub fn open(equipment: &Equipment) -> Result<Self, Failure> {
        let reader: Box<dyn Reader> = match (&equipment.socket, &equipment.reader) {
            (Some(path), _) => Box::new(SocketReader::connect_to(path)),
            (None, Some(name)) => Box::new(PcscReader::open(name)?),
            (None, None) => {
                return Err(Failure::new(
                    "No chip station was named.",
                    "",
                    "Give --reader NAME or --socket PATH.",
                    exit::USAGE,
                ));
            }
        };
        let journal = equipment
            .journal
            .as_deref()
            .map(|path| Journal::create(path, Detail::Masked).map_err(|error| Failure::unwritable(path, &error)));
        Ok(ChipStation { reader, journal: journal.transpose()?, connections: Connections::default() })
    }

    /// Waits for a card to be there, or to be gone.
    pub fn wait(&mut self, wanted: Presence, seconds: u64) -> Result<bool, ConnectError> {
        self.reader.wait_for(wanted, Duration::from_secs(seconds))
    }
}

fn unconnected(error: ConnectError) -> StationError {
    match error {
        ConnectError::NoCard { .. } => StationError::NoCard,
        ConnectError::Mute { .. } => StationError::Mute,
        error => StationError::Reader { detail: error.to_string() },
    }
}

impl Station for ChipStation {
    fn extended_length(&mut self) -> Result<Option<u32>, StationError> {
        self.connections.end();
        Ok(self.reader.connect().map_err(unconnected)?.extended_length())
    }

    fn connect(&mut self) -> Result<StationCard, StationError> {
        self.connections.end();
        let connection = self.reader.connect().map_err(unconnected)?;
        let card: StationCard = match &self.journal {
            Some(journal) => {
                journal.connected(self.reader.name(), connection.atr());
                Box::new(Chained::new(Recorded::new(connection, journal.clone()), Limits::SHORT))
            }
            None => Box::new(Chained::new(connection, Limits::SHORT)),
        };
        Ok(self.connections.begin(card))
    }
}

/// What `--printer` says when nothing is to be printed.
const NO_PRINTER: &str = "none";

/// Whether cards that are begun with this equipment must be printed before they are packed.
pub fn must_print(machine: &Machine) -> bool {
    machine.printer.as_deref() != Some(NO_PRINTER)
}

/// What is asked of the feeder when the work begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Feeder {
    /// Blanks must be in it.
    Blanks,
    /// The card that is to be recovered must be in it.
    Card,
    /// Nothing is to be fed.
    Unused,
}

/// The printer, or the operator's hands.
pub enum Printer {
    /// Cards are put in and taken out by hand, and are not printed here.
    None,
    /// A machine.
    Machine(Box<dyn CardMachine>),
}

impl Printer {
    /// Opens the printer that the command line names and asks whether it is ready.
    pub fn open(machine: &Machine, feeder: Feeder) -> Result<Self, Failure> {
        let port = match machine.printer.as_deref() {
            None | Some(NO_PRINTER) => return Ok(Printer::None),
            Some(port) => port,
        };
        let name = machine.driver.as_str();
        let driver = Driver::named(name).ok_or_else(|| {
            Failure::new("There is no such driver.", name, "Name one that --help lists.", exit::USAGE)
        })?;
        let mut machine = (driver.open)(Connection::new(port));
        let identity = machine.connect()?;
        tracing::info!(model = identity.model, serial = identity.serial, "printer");
        let status = machine.status()?;
        match status.fault {
            // What an earlier run left inside can be looked at without anything in the feeder.
            Some(Cause::InputEmpty) if status.card_inside == Some(true) || feeder == Feeder::Unused => {
                Ok(Printer::Machine(machine))
            }
            Some(cause) => {
                let advice = match (cause, feeder) {
                    (Cause::InputEmpty, Feeder::Card) => "put the card that is to be recovered on top in the feeder",
                    (cause, _) => cause.advice(),
                };
                Err(Failure::new("The printer is not ready.", cause, advice, exit::PRINTER))
            }
            None => Ok(Printer::Machine(machine)),
        }
    }

    /// Whether a card is inside: an earlier run may have ended with one there. A machine that cannot tell refuses by itself to feed
    /// another one.
    pub fn holds_card(&mut self) -> Result<bool, MachineError> {
        match self {
            Printer::None => Ok(false),
            Printer::Machine(machine) => Ok(machine.status()?.card_inside == Some(true)),
        }
    }

    /// Moves a card on which no document is being made, with its lines in the ledger. Without a machine, hands do it.
    pub fn move_card(
        &mut self,
        ledger: &mut Ledger,
        motion: ledger::Motion,
        chip: Option<&str>,
    ) -> Result<(), MotionError> {
        let Printer::Machine(machine) = self else {
            return Ok(());
        };
        let event = |phase| Event::Motion { motion, chip: chip.map(str::to_owned), phase };
        ledger.append(event(Phase::Intent)).map_err(MotionError::Ledger)?;
        let moved = match motion {
            ledger::Motion::Feed => machine.feed_to_station(Place::Contact),
            ledger::Motion::Eject => machine.eject(),
            ledger::Motion::Reject => machine.reject(),
        };
        moved.map_err(MotionError::Machine)?;
        ledger.append(event(Phase::Done)).map_err(MotionError::Ledger)
    }
}

/// A card motion or a print, with its lines in the ledger.
pub struct Motion<'a> {
    pub document: &'a str,
    pub chip: &'a str,
}

/// Why a motion did not succeed.
pub enum MotionError {
    /// The ledger cannot be written.
    Ledger(LedgerError),
    /// The printer.
    Machine(MachineError),
}

impl From<MotionError> for Failure {
    fn from(error: MotionError) -> Self {
        match error {
            MotionError::Ledger(error) => error.into(),
            MotionError::Machine(error) => error.into(),
        }
    }
}

impl Motion<'_> {
    fn event(&self, step: Step, phase: Phase) -> Event {
        Event::Step { document: self.document.to_owned(), chip: self.chip.to_owned(), step, phase, digest: None }
    }

    /// Intent into the ledger, the motion, its result into the ledger.
    pub fn take(
        &self,
        ledger: &mut Ledger,
        step: Step,
        motion: impl FnOnce() -> Result<(), MachineError>,
    ) -> Result<(), MotionError> {
        ledger.append(self.event(step, Phase::Intent)).map_err(MotionError::Ledger)?;
        if let Err(error) = motion() {
            let failed = Event::Failed {
                document: self.document.to_owned(),
                chip: self.chip.to_owned(),
                step,
                reason: error.to_string(),
                instruction: None,
                status: None,
                for_good: false,
            };
            ledger.append(failed).map_err(MotionError::Ledger)?;
            return Err(MotionError::Machine(error));
        }
        ledger.append(self.event(step, Phase::Done)).map_err(MotionError::Ledger)
    }

    /// The card is good and in its tray.
    pub fn packed(&self, ledger: &mut Ledger) -> Result<(), LedgerError> {
        ledger.append(Event::State { document: self.document.to_owned(), state: State::Packed, reason: None })
    }
}
