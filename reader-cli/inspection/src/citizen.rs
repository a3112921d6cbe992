//! The citizen application of a card as any computer reads it: the PIV objects, certificates and PIN (SP 800-73-4), and the
//! national file set beside them.
//!
//! ```text
//! SELECT PIV -> GET DATA of every object -> VERIFY without data: tries left -> whose PIN it is, where a card tells
//!   -> SELECT national file set, where there is one -> GET DATA of its objects
//! with the holder's PIN: SELECT national file set -> VERIFY -> GET DATA of the residence record
//! ```
//!
//! Knows this project's card and those of others. [`read`] gives no PIN and spends no try. Nobody proves that the card has the keys of
//! its certificates, and their revocation is not asked: [`Report`] says both, and its judgement is never better than
//! [`Judgement::CertificatesGood`], for certificates can be copied to any card.
//!
//! The residence record has a signature of its own and checks of its own, [`CHECKS`]. The status hint is told and never
//! judged: only the issuer's lists say what became of a card.

mod certificates;
pub mod checks;
mod report;
mod residence;

use eid::authentication::sign;
use eid::keys::{Algorithm, KeyReference};
use eid::objects::{OBJECTS, Object, RESIDENCE};
use eid::pin::{self, Pin};
use eid::{Application, property};
use iso7816::tlv::{self, Tag};
use iso7816::{Card, Chained, Command, Limits, Response, Status, TransmitError};
use serde::Serialize;

pub use self::checks::CHECKS;
pub use self::report::{
    Basis, CertificateLine, DocumentLine, HintLine, Judgement, ObjectLine, RecordLine, Report, ResidenceLine, judge,
    judge_residence,
};
use crate::procedure::{Budget, Metered};

/// Most bytes of an answer: an object of the standard, its heads, and room to spare.
const LONGEST_ANSWER: usize = 16 * 1024;
const SELECT: u8 = 0xA4;
/// GET METADATA of a YubiKey, which PivApplet has too.
const METADATA: u8 = 0xF7;
/// Whether the PIN is the one that everybody knows.
const IS_DEFAULT: Tag = Tag(0x05);

/// What was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// The name that the application gives itself.
    pub label: Option<String>,
    /// Every object that is there.
    pub objects: Vec<(&'static Object, State)>,
    /// Whose the PIN is.
    pub pin: PinState,
    /// Tries that are left, where the card tells.
    pub tries: Option<u8>,
    /// The objects of the national file set; `None` for a card without one. What is not there is not in it.
    pub national: Option<Vec<(&'static Object, State)>>,
}

/// What the card said of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// Its content.
    Read(Vec<u8>),
    /// It wants the PIN first.
    Protected,
    /// Something else than an object.
    Malformed,
    /// It is refused for another reason.
    Refused(Status),
}

/// Whose the PIN is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinState {
    /// None was set.
    None,
    /// It is blocked.
    Blocked,
    /// The issuer's: no key works until the holder has chosen another.
    Transport,
    /// The one that everybody knows: anyone may use the keys.
    Default,
    /// Not the one that it was delivered with.
    Changed,
    /// The card does not tell.
    Untold,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no PIV application.
    #[error("the card has no PIV application ({status})")]
    NoApplication {
        /// What it said.
        status: Status,
    },
    /// No answer.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
}

/// Why the holder's PIN opened nothing.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no national file set.
    #[error("the card has no national file set, so its PIN opens no residence record")]
    NoNationalFiles,
    /// The PIN cannot open anything as it is; it was not given to the card.
    #[error("the card's PIN opens nothing: {}", .0.words())]
    State(PinState),
    /// The card refused it.
    #[error("the card refused the PIN{}", tries_left(.status))]
    Refused {
        /// What it said.
        status: Status,
    },
    /// No answer.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
}

fn tries_left(status: &Status) -> String {
    match status.tries_left() {
        Some(1) => ", 1 try left".to_owned(),
        Some(tries) => format!(", {tries} tries left"),
        None => format!(" ({status})"),
    }
}

impl PinState {
    /// The state in words.
    pub const fn words(self) -> &'static str {
        match self {
            PinState::None => "none was set",
            PinState::Blocked => "blocked: the PUK gives it back, unless that is blocked too",
            PinState::Transport => "the issuer's: no key works until the holder has chosen another",
            PinState::Default => "THE ONE THAT EVERYBODY KNOWS: the holder must change it at once",
            PinState::Changed => "not the one that the card was delivered with",
            PinState::Untold => "set; this card does not tell whose it is",
        }
    }
}

/// Reads everything that a card shows to anyone, after its power-up or after [`crate::inspect`], for no more than `budget`; the limit for one file is not looked at.
///
/// # Errors
/// When there is no such application, the card is gone, or the budget is spent.
pub fn read(card: &mut dyn Card, budget: Budget) -> Result<Seen, ReadError> {
    let limits = Limits { response_data: LONGEST_ANSWER, ..Limits::SHORT };
    let card = &mut Chained::new(Metered::new(card, budget), limits);
    let select = Command::new(0x00, SELECT, 0x04, 0x00).with_data(Application::Piv.aid().as_bytes()).with_ne(256);
    let mut selected = card.transmit(&select)?;
    // The first plain command may be spent on ending a session that the card still has with the travel document.
    if !selected.status.is_ok() && selected.status != Status::FILE_NOT_FOUND {
        selected = card.transmit(&select)?;
    }
    if !selected.status.is_ok() || property::is_piv(&selected.data) != Ok(true) {
        return Err(ReadError::NoApplication { status: selected.status });
    }
    let label = label(&selected.data);
    let objects = all_of(card, Application::Piv)?;
    let (pin, tries) = whose(card, label.as_deref())?;
    // Last: where the application is not there, some cards are left without a selected one.
    let national = match select_national(card)? {
        true => Some(all_of(card, Application::National)?),
        false => None,
    };
    Ok(Seen { label, objects, pin, tries, national })
}

/// Gives the holder's PIN to the card and reads what it shows then: the residence record. The PIN is given once; one that the card
/// cannot take as it is ([`PinState::Transport`], none, blocked) is not given at all.
///
/// # Errors
/// When there is nothing that it opens, the card refuses it or is gone, or the budget is spent.
pub fn open(card: &mut dyn Card, budget: Budget, holder: &Pin, seen: &mut Seen) -> Result<(), OpenError> {
    let Some(national) = &mut seen.national else { return Err(OpenError::NoNationalFiles) };
    if matches!(seen.pin, PinState::None | PinState::Blocked | PinState::Transport) {
        return Err(OpenError::State(seen.pin));
    }
    let limits = Limits { response_data: LONGEST_ANSWER, ..Limits::SHORT };
    let card = &mut Chained::new(Metered::new(card, budget), limits);
    if !select_national(card)? {
        return Err(OpenError::NoNationalFiles);
    }
    let verified = card.transmit(&pin::verify(holder))?;
    if !verified.status.is_ok() {
        seen.tries = verified.status.tries_left().or(seen.tries);
        return Err(OpenError::Refused { status: verified.status });
    }
    national.retain(|(object, _)| **object != RESIDENCE);
    let answer = card.transmit(&RESIDENCE.get())?;
    national.extend(state_of(&RESIDENCE, &answer).map(|state| (&RESIDENCE, state)));
    Ok(())
}

fn select_national(card: &mut dyn Card) -> Result<bool, TransmitError> {
    let select = Command::new(0x00, SELECT, 0x04, 0x00).with_data(Application::National.aid().as_bytes());
    Ok(card.transmit(&select.with_ne(256))?.status.is_ok())
}

/// Every object of the selected application that is there.
fn all_of(card: &mut dyn Card, application: Application) -> Result<Vec<(&'static Object, State)>, TransmitError> {
    let mut objects = Vec::new();
    for object in OBJECTS.iter().filter(|object| object.application == application) {
        let answer = card.transmit(&object.get())?;
        objects.extend(state_of(object, &answer).map(|state| (object, state)));
    }
    Ok(objects)
}

/// What an answer to GET DATA says of an object; `None` when there is none.
fn state_of(object: &'static Object, answer: &Response) -> Option<State> {
    Some(match answer.status {
        Status::OK => match object.decode(&answer.data) {
            // Objects that were made and never written are empty on some cards.
            Ok([]) => return None,
            Ok(content) => State::Read(content.to_vec()),
            Err(_) if answer.data.is_empty() => return None,
            Err(_) => State::Malformed,
        },
        Status::FILE_NOT_FOUND | Status::REFERENCED_DATA_NOT_FOUND => return None,
        Status::SECURITY_NOT_SATISFIED => State::Protected,
        status => State::Refused(status),
    })
}

fn label(template: &[u8]) -> Option<String> {
    let inside = tlv::sole(template, Tag(0x61)).ok()?;
    let text = std::str::from_utf8(tlv::find(inside, Tag(0x50)).ok()??).ok()?;
    Some(text.chars().filter(|letter| !letter.is_control()).take(64).collect())
}

fn whose(card: &mut dyn Card, label: Option<&str>) -> Result<(PinState, Option<u8>), TransmitError> {
    let status = card.transmit(&pin::tries_left())?.status;
    let tries = status.tries_left();
    match status {
        Status::REFERENCED_DATA_NOT_FOUND => return Ok((PinState::None, None)),
        Status::METHOD_BLOCKED => return Ok((PinState::Blocked, Some(0))),
        _ => {}
    }
    if label.is_some_and(|label| label.starts_with("Bitaqa")) {
        // This card says that its conditions are not met before it asks for the PIN, as long as the PIN is the issuer's.
        let refused = card.transmit(&sign(KeyReference::Authentication, Algorithm::P256, &[0; 32]))?.status;
        let transport = refused == Status::CONDITIONS_NOT_SATISFIED;
        return Ok((if transport { PinState::Transport } else { PinState::Changed }, tries));
    }
    let asked = card.transmit(&Command::new(0x00, METADATA, 0x00, pin::PIN).with_ne(256))?;
    let known = if asked.status.is_ok() { tlv::find(&asked.data, IS_DEFAULT).ok().flatten() } else { None };
    Ok(match known {
        Some([0]) => (PinState::Changed, tries),
        Some([_]) => (PinState::Default, tries),
        _ => (PinState::Untold, tries),
    })
}
