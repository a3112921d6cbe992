//! Readers behind the smart card service (pcscd).
//!
//! Each reader keeps its own context with the service and opens a new one for every connection, so
//! a restarted daemon is found again and readers never wait for each other's lock. A card is held
//! exclusively: two programs talking to one card would break each other's secure channel.
//!
//! Connecting has a deadline of its own. A command lasts as long as the reader's driver lets the card
//! think (some cards take minutes on purpose), and PC/SC has no way to call it back.

mod card;
mod features;
mod programs;

use std::ffi::CString;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pcsc::{Context, Error, Scope, State};

use crate::reader::{ConnectError, Connection, Presence, Reader, ServiceError};

/// How long another program may keep the card before it is reported.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(5);
/// How long the service may be silent beyond that: a reader powers a card up and reads its answer.
const SERVICE_GRACE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(50);

/// One line of a list of readers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReaderStatus {
    /// The full name.
    pub name: String,
    /// A card is in the reader.
    pub card_present: bool,
    /// The card's answer to reset; `None` without a card or when it does not answer.
    pub atr: Option<Vec<u8>>,
    /// Another program holds the card for itself.
    pub held_exclusively: bool,
}

/// What happens to the card when a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AtEnd {
    /// Reset it: its volatile state is gone.
    #[default]
    Reset,
    /// Take its power away (a contactless field goes off).
    Unpower,
    /// Leave it as it is, for a program that takes over.
    Leave,
    /// Eject it, where the reader has a motor.
    Eject,
}

/// Every reader of this computer, in the service's order (not a stable one: address readers by name).
///
/// # Errors
/// When the service cannot be asked. No reader is an empty list.
pub fn readers() -> Result<Vec<ReaderStatus>, ServiceError> {
    let context = establish()?;
    let names = names(&context)?;
    let mut states: Vec<_> = names.into_iter().map(|name| pcsc::ReaderState::new(name, State::UNAWARE)).collect();
    if !states.is_empty() {
        context.get_status_change(Duration::ZERO, &mut states).or_else(tolerate_timeout)?;
    }
    Ok(states.iter().map(status_of).collect())
}

fn status_of(state: &pcsc::ReaderState) -> ReaderStatus {
    let event = state.event_state();
    let card_present = event.contains(State::PRESENT);
    ReaderStatus {
        name: state.name().to_string_lossy().into_owned(),
        card_present,
        atr: (card_present && !state.atr().is_empty()).then(|| state.atr().to_vec()),
        held_exclusively: event.contains(State::EXCLUSIVE),
    }
}

fn tolerate_timeout(error: Error) -> Result<(), ServiceError> {
    if error == Error::Timeout { Ok(()) } else { Err(service_error("SCardGetStatusChange", error)) }
}

fn establish() -> Result<Context, ServiceError> {
    Context::establish(Scope::System).map_err(|error| service_error("SCardEstablishContext", error))
}

fn names(context: &Context) -> Result<Vec<CString>, ServiceError> {
    match context.list_readers_owned() {
        Err(Error::NoReadersAvailable) => Ok(Vec::new()),
        names => names.map_err(|error| service_error("SCardListReaders", error)),
    }
}

fn service_error(call: &'static str, source: Error) -> ServiceError {
    match source {
        Error::NoService | Error::ServiceStopped => ServiceError::NotRunning,
        _ => ServiceError::Failed { call, source },
    }
}

/// A reader of the smart card service.
pub struct PcscReader {
    name: CString,
    shown: String,
    wait: Duration,
    at_end: AtEnd,
}

impl PcscReader {
    /// Finds a reader by its full name or by a part that fits only one (upper and lower case alike).
    ///
    /// # Errors
    /// When the service is not there, or no reader or several fit.
    pub fn open(name: &str) -> Result<Self, ConnectError> {
        let names = names(&establish()?)?;
        let shown: Vec<String> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let index = choose(name, &shown)?;
        let (Some(name), Some(shown)) = (names.into_iter().nth(index), shown.into_iter().nth(index)) else {
            return Err(no_such_reader(name));
        };
        Ok(PcscReader { name, shown, wait: WAIT_FOR_OTHERS, at_end: AtEnd::default() })
    }

    /// Waits this long for another program to let go of the card, instead of 5 seconds.
    #[must_use]
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Ends connections this way, instead of by a reset.
    #[must_use]
    pub fn with_end(mut self, at_end: AtEnd) -> Self {
        self.at_end = at_end;
        self
    }

    fn connect_error(&self, call: &'static str, error: Error) -> ConnectError {
        let reader = self.shown.clone();
        match error {
            Error::NoSmartcard | Error::RemovedCard => ConnectError::NoCard { reader },
            Error::UnresponsiveCard | Error::UnpoweredCard | Error::UnsupportedCard | Error::ProtoMismatch => {
                ConnectError::Mute { reader }
            }
            Error::SharingViolation => {
                ConnectError::Busy { reader, waited: self.wait, programs: programs::using_smart_cards() }
            }
            Error::UnknownReader | Error::ReaderUnavailable => no_such_reader(&self.shown),
            _ => service_error(call, error).into(),
        }
    }
}

fn no_such_reader(name: &str) -> ConnectError {
    let known = readers().unwrap_or_default().into_iter().map(|status| status.name).collect();
    ConnectError::NoSuchReader { name: name.to_owned(), known }
}

/// The index of the one reader that `name` means.
fn choose(name: &str, known: &[String]) -> Result<usize, ConnectError> {
    if let Some(index) = known.iter().position(|full| full == name) {
        return Ok(index);
    }
    let wanted = name.to_lowercase();
    let fitting: Vec<usize> =
        (0..).zip(known).filter(|(_, full)| full.to_lowercase().contains(&wanted)).map(|(index, _)| index).collect();
    match fitting.as_slice() {
        [index] => Ok(*index),
        [] => Err(ConnectError::NoSuchReader { name: name.to_owned(), known: known.to_vec() }),
        several => Err(ConnectError::Ambiguous {
            name: name.to_owned(),
            candidates: several.iter().filter_map(|index| known.get(*index).cloned()).collect(),
        }),
    }
}

impl Reader for PcscReader {
    fn name(&self) -> &str {
        &self.shown
    }

    fn connect(&mut self) -> Result<Connection, ConnectError> {
        // The service may block for ever, so it is asked from a thread of its own; a card that
        // comes too late is left alone there.
        let (sender, receiver) = mpsc::sync_channel(0);
        let (name, until, at_end) = (self.name.clone(), Instant::now() + self.wait, self.at_end);
        thread::spawn(move || {
            let answer = card::connect(&name, until, at_end);
            if let Err(mpsc::SendError(Ok(late))) = sender.send(answer) {
                late.card.leave();
            }
        });
        let waited = self.wait + SERVICE_GRACE;
        match receiver.recv_timeout(waited) {
            Ok(Ok(powered)) => Ok(Connection::new(powered.card, powered.atr, powered.reader_limit)),
            Ok(Err((call, error))) => Err(self.connect_error(call, error)),
            Err(_) => Err(ConnectError::TimedOut { reader: self.shown.clone(), waited }),
        }
    }

    fn wait_for(&mut self, wanted: Presence, timeout: Duration) -> Result<bool, ConnectError> {
        let context = establish()?;
        let until = Instant::now() + timeout;
        let mut states = [pcsc::ReaderState::new(self.name.clone(), State::UNAWARE)];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match context.get_status_change(left, &mut states) {
                Ok(()) => {}
                Err(Error::Timeout) => return Ok(false),
                Err(error) => return Err(self.connect_error("SCardGetStatusChange", error)),
            }
            let [state] = &mut states;
            let event = state.event_state();
            if event.intersects(State::UNKNOWN | State::UNAVAILABLE) {
                return Err(no_such_reader(&self.shown));
            }
            if event.contains(State::PRESENT) == (wanted == Presence::Card) {
                return Ok(true);
            }
            if left.is_zero() {
                return Ok(false);
            }
            state.sync_current_state();
        }
    }
}
