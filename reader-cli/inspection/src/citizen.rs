//! The citizen application of a card as any computer reads it: the PIV objects, certificates and PIN (SP 800-73-4), and the
//! national file set beside them.
//!
//! ```text
//! SELECT PIV -> GET DATA of every object -> VERIFY without data: tries left -> whose PIN it is, where a card tells
//!   -> SELECT national file set, where there is one -> GET DATA of its objects -> is there a travel document?
//!   -> GENERAL AUTHENTICATE 9E, where it has a certificate
//! with the holder's PIN: SELECT PIV -> VERIFY -> GENERAL AUTHENTICATE 9A, 9D, where they have certificates
//!   -> SELECT national file set -> VERIFY -> GET DATA of the residence record
//! ```
//!
//! Knows this project's card and those of others. [`read`] gives no PIN and spends no try. Certificates can be copied to any card: one
//! that did not prove its keys, with [`open`], is never better than [`Judgement::CertificatesGood`].
//!
//! The residence record has a signature of its own and checks of its own, [`CHECKS`]. The status hint is told and never
//! judged: only the issuer's lists say what became of a card.

mod certificates;
pub mod checks;
mod possession;
mod report;
mod residence;
mod revocation;

use channel::random::Random;
use eid::authentication::sign;
use eid::keys::{Algorithm, KeyReference};
use eid::objects::{OBJECTS, Object, RESIDENCE};
use eid::pin::{self, Pin};
use eid::{Application, property};
use iso7816::tlv::{self, Tag};
use iso7816::{Aid, Card, Chained, Command, Limits, Response, Status, TransmitError};
use serde::Serialize;

pub use self::checks::CHECKS;
pub use self::possession::{Possession, Proof};
pub use self::report::{
    Basis, CertificateLine, DocumentLine, HintLine, Judgement, ObjectLine, RecordLine, Report, ResidenceLine, judge,
    judge_residence,
};
pub use self::revocation::{Revocation, Status as RevocationStatus};
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
    /// Whether there is a travel document on the card too.
    pub travel_document: bool,
    /// What came of asking for keys; those that are not in it were not asked for.
    pub proofs: Vec<(KeyReference, Possession)>,
    /// Why the card was not asked for everything that it could be asked for.
    pub interrupted: Option<String>,
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
    /// There is no national file set, and no certificate whose key it opens.
    #[error("the card has no national file set and no certificate for a key that its PIN opens")]
    Nothing,
    /// The PIN cannot open anything as it is; it was not given to the card.
    #[error("the card's PIN opens nothing: {}", .0.words())]
    State(PinState),
    /// The card refused it.
    #[error("the card refused the PIN{}", tries_left(.status))]
    Refused {
        /// What it said.
        status: Status,
    },
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
    let card = &mut layered(card, budget);
    let select = selection(&Application::Piv.aid());
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
    let travel_document = card.transmit(&selection(&Aid::emrtd()))?.status != Status::FILE_NOT_FOUND;
    let (proofs, interrupted) = (Vec::new(), None);
    Ok(Seen { label, objects, pin, tries, national, travel_document, proofs, interrupted })
}

impl Seen {
    /// Whether there is anything that the holder's PIN opens.
    ///
    /// # Errors
    /// When there is nothing, or the PIN cannot be given as it is.
    pub fn pin_opens(&self) -> Result<(), OpenError> {
        if self.national.is_none() && self.keys(true).next().is_none() {
            return Err(OpenError::Nothing);
        }
        match self.pin {
            PinState::None | PinState::Blocked | PinState::Transport => Err(OpenError::State(self.pin)),
            PinState::Default | PinState::Changed | PinState::Untold => Ok(()),
        }
    }

    /// The keys that are asked for with, or without the PIN, and the content of their certificates' objects.
    fn keys(&self, with_pin: bool) -> impl Iterator<Item = (KeyReference, &[u8])> {
        let asked = KeyReference::ALL.into_iter().filter(move |key| possession::is_asked(*key, with_pin));
        asked.filter_map(|key| {
            self.objects.iter().find_map(|(object, state)| match state {
                State::Read(content) if *object == key.certificate() => Some((key, content.as_slice())),
                _ => None,
            })
        })
    }

    /// Asks the selected application for these keys.
    fn ask(&mut self, card: &mut dyn Card, with_pin: bool, random: &mut dyn Random) -> Result<(), TransmitError> {
        let mut proofs = Vec::new();
        let mut asked = Ok(());
        for (key, content) in self.keys(with_pin) {
            match possession::ask(card, key, content, random) {
                Ok(said) => proofs.push((key, said)),
                Err(error) => {
                    proofs.push((key, Possession { state: Proof::NoResult, reason: error.to_string() }));
                    asked = Err(error);
                    break;
                }
            }
        }
        self.proofs.extend(proofs);
        asked
    }
}

/// Has the card prove the keys that it uses without PIN, after [`read`]. What came of it is in `seen`, also when the card is lost.
pub fn prove(card: &mut dyn Card, budget: Budget, random: &mut dyn Random, seen: &mut Seen) {
    if seen.keys(false).next().is_none() {
        return;
    }
    let card = &mut layered(card, budget);
    let result = select_again(card, Application::Piv).and_then(|()| seen.ask(card, false, random));
    seen.interrupted = result.err().map(|error| error.to_string());
}

/// Gives the holder's PIN to the card, has it prove the keys of its certificates, and reads what it shows then: the residence record.
/// Each application is given the PIN once, the second only after the first has taken it; one that the card cannot take as it is
/// ([`PinState::Transport`], none, blocked) is not given at all. A card that is lost on the way is no error: `seen` has what it said
/// until then, and that it was interrupted.
///
/// # Errors
/// When there is nothing that it opens, or the card refuses it.
pub fn open(
    card: &mut dyn Card,
    budget: Budget,
    holder: &Pin,
    random: &mut dyn Random,
    seen: &mut Seen,
) -> Result<(), OpenError> {
    seen.pin_opens()?;
    let card = &mut layered(card, budget);
    match opened(card, holder, random, seen) {
        Ok(None) => Ok(()),
        // The card took the PIN for its keys: what they said is not lost.
        Ok(Some(refused)) if seen.proofs.iter().any(|(key, _)| possession::is_asked(*key, true)) => {
            seen.interrupted = Some(format!("{refused} for its national files"));
            Ok(())
        }
        Ok(Some(refused)) => Err(refused),
        Err(error) => {
            seen.interrupted = Some(error.to_string());
            Ok(())
        }
    }
}

/// The same; the refusal of the PIN, where there is one.
fn opened(
    card: &mut dyn Card,
    holder: &Pin,
    random: &mut dyn Random,
    seen: &mut Seen,
) -> Result<Option<OpenError>, TransmitError> {
    if seen.keys(true).next().is_some() {
        select_again(card, Application::Piv)?;
        if let Some(refused) = refusal(card, holder, seen)? {
            return Ok(Some(refused));
        }
        seen.ask(card, true, random)?;
    }
    if seen.national.is_none() {
        return Ok(None);
    }
    select_again(card, Application::National)?;
    if let Some(refused) = refusal(card, holder, seen)? {
        return Ok(Some(refused));
    }
    let answer = card.transmit(&RESIDENCE.get())?;
    if let Some(national) = &mut seen.national {
        national.retain(|(object, _)| **object != RESIDENCE);
        national.extend(state_of(&RESIDENCE, &answer).map(|state| (&RESIDENCE, state)));
    }
    Ok(None)
}

/// Gives the PIN to the selected application, once; `None` when it takes it.
fn refusal(card: &mut dyn Card, holder: &Pin, seen: &mut Seen) -> Result<Option<OpenError>, TransmitError> {
    let status = card.transmit(&pin::verify(holder))?.status;
    if status.is_ok() {
        return Ok(None);
    }
    seen.tries = status.tries_left().or(seen.tries);
    Ok(Some(OpenError::Refused { status }))
}

fn layered(card: &mut dyn Card, budget: Budget) -> Chained<Metered<'_>> {
    let limits = Limits { response_data: LONGEST_ANSWER, ..Limits::SHORT };
    Chained::new(Metered::new(card, budget), limits)
}

fn selection(aid: &Aid) -> Command {
    Command::new(0x00, SELECT, 0x04, 0x00).with_data(aid.as_bytes()).with_ne(256)
}

/// Selects an application that was there a moment ago.
fn select_again(card: &mut dyn Card, application: Application) -> Result<(), TransmitError> {
    let status = card.transmit(&selection(&application.aid()))?.status;
    if status.is_ok() { Ok(()) } else { Err(TransmitError::Lost) }
}

fn select_national(card: &mut dyn Card) -> Result<bool, TransmitError> {
    Ok(card.transmit(&selection(&Application::National.aid()))?.status.is_ok())
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
