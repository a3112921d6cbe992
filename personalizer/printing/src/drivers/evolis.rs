//! Evolis printers: the ESC command set over a serial line in ACK/NACK mode.
//!
//! The chip is not reached through this line: the printer only presses its contacts (or lays the card over an antenna), and a
//! PC/SC reader in the printer speaks to it. What the guide leaves open is listed with its provenance in
//! `hardware-docs/printers/evolis.md`; where a fact is open, the driver asks and stops rather than guesses.

pub mod command;
pub mod panels;

use std::time::{Duration, Instant};

use self::command::{ANSWER_MAX_BYTES, Answer, Command, ERROR_MODE, Question};
use self::panels::{CARD_300_DPI, Geometry, Ribbon};
use super::{Connection, Log, Timeouts};
use crate::machine::{CardMachine, Cause, Counters, FeederLevel, Identity, MachineError, Reply, Station, Status};
use crate::port::{Line, Port, PortError};
use crate::raster::Raster;

/// What a model has. Ticks of the guide, recovered from its text: to be confirmed on each machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// How its answer to `Rtp` begins, in any case of letters.
    pub name: &'static str,
    /// Whether it can press contacts or lay a card over an antenna.
    pub stations: bool,
    /// Whether it turns cards over.
    pub duplex: bool,
    /// The size of its panels.
    pub geometry: Geometry,
}

/// The models that the guide names.
pub const MODELS: &[Model] = &[
    Model { name: "Tattoo", stations: false, duplex: false, geometry: CARD_300_DPI },
    Model { name: "Pebble", stations: false, duplex: false, geometry: CARD_300_DPI },
    Model { name: "Dualys", stations: false, duplex: true, geometry: CARD_300_DPI },
    Model { name: "Quantum", stations: true, duplex: true, geometry: CARD_300_DPI },
    Model { name: "Kiosk", stations: true, duplex: false, geometry: CARD_300_DPI },
];

impl Model {
    /// The model that an answer to `Rtp` names.
    pub fn of(answer: &str) -> Option<&'static Model> {
        let answer = answer.to_ascii_lowercase();
        MODELS.iter().find(|model| answer.contains(&model.name.to_ascii_lowercase()))
    }
}

/// A printer at the other end of a line.
pub struct Evolis<L> {
    line: L,
    timeouts: Timeouts,
    baud: u32,
    ribbon: Ribbon,
    model: Option<&'static Model>,
    log: Option<Log>,
}

/// Makes a machine on a serial port: the entry in [`super::DRIVERS`].
pub fn open(connection: Connection) -> Box<dyn CardMachine> {
    let Connection { port, baud, ribbon, timeouts, log } = connection;
    let line = Port::new(port, baud);
    Box::new(Evolis { line, timeouts, baud, ribbon, model: None, log })
}

impl<L: Line> Evolis<L> {
    /// A printer with a YMCKO ribbon on a line that is not open yet.
    pub fn new(line: L, timeouts: Timeouts) -> Self {
        Evolis { line, timeouts, baud: 115_200, ribbon: Ribbon::Ymcko, model: None, log: None }
    }

    fn model(&mut self) -> Result<&'static Model, MachineError> {
        match self.model {
            Some(model) => Ok(model),
            None => self.identify().map(|(model, _)| model),
        }
    }

    fn identify(&mut self) -> Result<(&'static Model, String), MachineError> {
        let answer = self.ask(Question::Model)?;
        let model = Model::of(&answer).ok_or_else(|| MachineError::BadAnswer {
            command: Question::Model.text().to_owned(),
            reply: Reply::Text(answer.chars().take(40).collect()),
        })?;
        self.model = Some(model);
        Ok((model, answer))
    }

    /// The error mode is lost when the printer is switched off, so it goes first on every connection.
    fn restart(&mut self) -> Result<(), MachineError> {
        self.line.reopen()?;
        self.act(&Command::ErrorMode(ERROR_MODE), self.timeouts.question)
    }

    /// A question moves nothing: it is asked twice before the printer counts as silent.
    fn ask(&mut self, question: Question) -> Result<String, MachineError> {
        let command = Command::Ask(question);
        let answer = match self.transact(&command, self.timeouts.question) {
            Err(error) if is_lost(&error) && !matches!(error, MachineError::Port(_)) => {
                self.transact(&command, self.timeouts.question)?
            }
            other => other?,
        };
        match answer {
            Answer::Text(text) => Ok(text),
            Answer::Done => Ok(String::new()),
            Answer::Refused(code) => Err(fault(code, &command)),
        }
    }

    fn act(&mut self, command: &Command<'_>, within: Duration) -> Result<(), MachineError> {
        match self.transact(command, within)? {
            Answer::Refused(code) => Err(fault(code, command)),
            Answer::Done | Answer::Text(_) => Ok(()),
        }
    }

    /// Filling memory moves nothing either: once more after a lost answer.
    fn fill(&mut self, command: &Command<'_>) -> Result<(), MachineError> {
        match self.act(command, self.timeouts.question) {
            Err(error) if is_lost(&error) && !matches!(error, MachineError::Port(_)) => {
                self.act(command, self.timeouts.question)
            }
            other => other,
        }
    }

    fn transact(&mut self, command: &Command<'_>, within: Duration) -> Result<Answer, MachineError> {
        let bytes = command.encode();
        let label = command.label();
        self.note("->", &label);
        self.line.drain()?;
        // Ten bits a byte on the wire.
        let transfer = Duration::from_secs(bytes.len() as u64 * 10 / u64::from(self.baud.max(1)));
        self.line.send(&bytes, within + transfer)?;
        let answer = self.answer(command, &label, within);
        match &answer {
            Ok(Answer::Done) => self.note("<-", "ACK"),
            Ok(Answer::Refused(code)) => self.note("<-", &format!("NACK {code}")),
            Ok(Answer::Text(text)) => self.note("<-", text),
            Err(error) => self.note("<-", &error.to_string()),
        }
        answer
    }

    fn answer(&mut self, command: &Command<'_>, label: &str, within: Duration) -> Result<Answer, MachineError> {
        let deadline = Instant::now() + within;
        let mut received = Vec::new();
        while received.len() <= 2 * ANSWER_MAX_BYTES + 1 {
            let mut buffer = [0; 64];
            let left = deadline.saturating_duration_since(Instant::now());
            let count = self.line.receive(&mut buffer, left)?;
            if count == 0 {
                let command = label.to_owned();
                return Err(MachineError::NoAnswer { command, seconds: within.as_secs() });
            }
            received.extend(buffer.iter().take(count));
            if let Some(answer) = command::decode(command.is_question(), &received) {
                return answer.map_err(|reply| MachineError::BadAnswer { command: label.to_owned(), reply });
            }
        }
        Err(MachineError::BadAnswer { command: label.to_owned(), reply: Reply::TooLong })
    }

    /// Whether a card is inside; an error when the printer does not tell in words that are known.
    fn card_inside(&mut self) -> Result<bool, MachineError> {
        let text = self.ask(Question::CardAnswer)?;
        match text.as_str() {
            "NO CARD" => Ok(false),
            "OK" => Ok(true),
            "ERR CARD" => {
                let command = Question::CardAnswer.text().to_owned();
                Err(MachineError::Fault { cause: Cause::MediaJam, code: 'T', command })
            }
            _ => Err(unreadable(Question::CardAnswer, text)),
        }
    }

    /// Moves a card. After a lost answer the printer is asked where the card is: it has moved when `moved` equals the
    /// answer; when it has not, the command goes out once more; when the printer does not tell, a person must look.
    fn motion(&mut self, command: &Command<'_>, moved: bool) -> Result<(), MachineError> {
        let unknown = || MachineError::OutcomeUnknown { command: command.label() };
        match self.act(command, self.timeouts.motion) {
            Err(error) if is_lost(&error) => {
                if matches!(error, MachineError::Port(_)) {
                    self.restart().map_err(|_| unknown())?;
                }
                if self.card_inside().map_err(|_| unknown())? == moved {
                    return Ok(());
                }
                self.act(command, self.timeouts.motion).map_err(|error| if is_lost(&error) { unknown() } else { error })
            }
            other => other,
        }
    }

    /// Prints one panel; `before` is the number of panels printed until now, when the printer counts them.
    fn print_panel(&mut self, panel: char, before: Option<u64>) -> Result<(), MachineError> {
        let command = Command::Print(panel);
        let unknown = || MachineError::OutcomeUnknown { command: command.label() };
        match self.act(&command, self.timeouts.print) {
            Err(error) if is_lost(&error) => {
                if matches!(error, MachineError::Port(_)) {
                    self.restart().map_err(|_| unknown())?;
                }
                let before = before.ok_or_else(unknown)?;
                // A counter at its end no longer tells.
                let after = before.checked_add(1).ok_or_else(unknown)?;
                let printed = self.counters().map_err(|_| unknown())?.printed_panels;
                if printed == after {
                    return Ok(());
                }
                if printed != before {
                    return Err(unknown());
                }
                self.act(&command, self.timeouts.print).map_err(|error| if is_lost(&error) { unknown() } else { error })
            }
            other => other,
        }
    }

    fn print_side(&mut self, raster: &Raster, back: bool) -> Result<(), MachineError> {
        let model = self.model()?;
        let side = if back { Command::Back } else { Command::Front };
        self.act(&side, self.timeouts.motion).map_err(|error| {
            if is_lost(&error) { MachineError::OutcomeUnknown { command: side.label() } } else { error }
        })?;
        let panels = panels::split(raster, self.ribbon.panels(back), &model.geometry);
        for panel in &panels {
            self.fill(&Command::Download { panel: panel.name, levels: panel.levels, data: &panel.data })?;
        }
        let mut printed = self.counters().ok().map(|counters| counters.printed_panels);
        for panel in &panels {
            self.print_panel(panel.name, printed)?;
            printed = printed.and_then(|count| count.checked_add(1));
        }
        Ok(())
    }

    fn feeder(&mut self) -> Result<FeederLevel, MachineError> {
        let text = self.ask(Question::Feeder)?;
        match text.as_str() {
            "0" => Ok(FeederLevel::Empty),
            "1" => Ok(FeederLevel::Low),
            "2" => Ok(FeederLevel::Half),
            "3" => Ok(FeederLevel::Full),
            _ => Err(unreadable(Question::Feeder, text)),
        }
    }

    fn note(&mut self, direction: &str, text: &str) {
        if let Some(log) = &mut self.log {
            log(&format!("{direction} {text}"));
        }
    }
}

impl<L: Line> CardMachine for Evolis<L> {
    fn connect(&mut self) -> Result<Identity, MachineError> {
        self.restart()?;
        let (_, model) = self.identify()?;
        Ok(Identity { model, serial: self.ask(Question::Serial)?, firmware: self.ask(Question::Firmware)? })
    }

    fn status(&mut self) -> Result<Status, MachineError> {
        let feeder = self.feeder()?;
        let (ribbon, ribbon_fault) = match self.ask(Question::Ribbon) {
            Ok(ribbon) => (ribbon, None),
            Err(MachineError::Fault { cause, .. }) => (String::new(), Some(cause)),
            Err(error) => return Err(error),
        };
        let (card_inside, card_fault) = match self.card_inside() {
            Ok(inside) => (Some(inside), None),
            Err(MachineError::Fault { cause, .. }) => (None, Some(cause)),
            Err(MachineError::BadAnswer { .. }) => (None, None),
            Err(error) => return Err(error),
        };
        let empty = (feeder == FeederLevel::Empty).then_some(Cause::InputEmpty);
        Ok(Status { feeder, ribbon, card_inside, fault: card_fault.or(ribbon_fault).or(empty) })
    }

    fn feed_to_station(&mut self, station: Station) -> Result<(), MachineError> {
        let model = self.model()?;
        if !model.stations {
            return Err(MachineError::NotFitted { model: model.name, part: "chip station" });
        }
        // A card left inside must be put away knowingly; a printer that cannot tell is left to refuse by itself.
        if matches!(self.card_inside(), Ok(true)) {
            return Err(MachineError::CardInside);
        }
        match self.motion(&Command::Feed(station), true) {
            Err(MachineError::Fault { cause: Cause::CardFeed, code, command }) => {
                let empty = matches!(self.feeder(), Ok(FeederLevel::Empty));
                let cause = if empty { Cause::InputEmpty } else { Cause::CardFeed };
                Err(MachineError::Fault { cause, code, command })
            }
            other => other,
        }
    }

    fn print(&mut self, front: &Raster, back: Option<&Raster>) -> Result<(), MachineError> {
        let model = self.model()?;
        if back.is_some() && !model.duplex {
            return Err(MachineError::NotFitted { model: model.name, part: "flip-over unit" });
        }
        self.fill(&Command::Start)?;
        self.print_side(front, false)?;
        back.map_or(Ok(()), |back| self.print_side(back, true))
    }

    fn eject(&mut self) -> Result<(), MachineError> {
        self.motion(&Command::Eject, false)
    }

    fn reject(&mut self) -> Result<(), MachineError> {
        self.motion(&Command::Reject, false)
    }

    fn counters(&mut self) -> Result<Counters, MachineError> {
        let text = self.ask(Question::Counters)?;
        let numbers: Option<Vec<u64>> = text.split(';').map(|number| number.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[total, output, retained, printed_panels]) => {
                Ok(Counters { total, output, retained, printed_panels })
            }
            _ => Err(unreadable(Question::Counters, text)),
        }
    }
}

/// Whether the printer may have done what it was told without our knowing.
fn is_lost(error: &MachineError) -> bool {
    matches!(
        error,
        MachineError::NoAnswer { .. }
            | MachineError::BadAnswer { .. }
            | MachineError::Port(PortError::Lost { .. } | PortError::Stalled { .. })
    )
}

fn fault(code: char, command: &Command<'_>) -> MachineError {
    match command::cause(code) {
        Some(cause) => MachineError::Fault { cause, code, command: command.label() },
        None => MachineError::BadAnswer { command: command.label(), reply: Reply::Text(format!("NACK {code}")) },
    }
}

fn unreadable(question: Question, text: String) -> MachineError {
    let reply = Reply::Text(text.chars().take(40).collect());
    MachineError::BadAnswer { command: question.text().to_owned(), reply }
}

#[cfg(test)]
mod tests;
