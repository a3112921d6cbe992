//! A residence office at the card: the residence record replaced after Terminal Authentication (crate `eid`).
//!
//! ```text
//! an inspection up to Chip Authentication -> the caller approves -> Terminal Authentication -> SELECT national file set
//!   -> GET DATA FF21 -> PUT DATA FF21 -> GET DATA FF21: the very bytes
//! ```
//!
//! All of it is one session, so the card that is written to is the one that was judged. The record comes signed: nothing is signed
//! here but the chip's challenge, and no signature is judged. A session that breaks is opened once more as in every inspection, but
//! never after the record went out: then the caller is told that the card has the old record or the new one.

use channel::random::Random;
use channel::terminal_auth::SHORT_COMMAND;
use eid::Application;
use eid::objects::{ObjectError, RESIDENCE};
use iso7816::{Card, Chained, Command, Limits, Response, Status};

use super::files::FileReader;
use super::{Access, Options, Procedure, Progress, Terminal, begin, over};
use crate::evidence::{Evidence, Interruption};

/// What an office comes for.
pub struct Errand<'a> {
    /// Who it is.
    pub terminal: &'a Terminal,
    /// The content of the residence object: a record and its signature.
    pub record: &'a [u8],
    /// Looks at what was read, all but what only terminals see, and says whether to go on. Asked again when the session broke.
    pub approve: &'a mut dyn FnMut(&Evidence) -> bool,
}

/// The card has the record, and has shown it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaced {
    /// The content of the object before; `None` where there was no record.
    pub before: Option<Vec<u8>>,
}

/// Why the record was not replaced, or is not known to be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The caller did not want it; nothing was written.
    #[error("the card was not approved")]
    NotApproved,
    /// The chip stayed closed: the evidence says why.
    #[error("the chip did not open")]
    NotOpened,
    /// The card left, or the reader failed, before anything was written.
    #[error("the dialogue broke off before anything was written{0}")]
    Interrupted(Interruption),
    /// The chip did not let the terminal in.
    #[error("the chip does not know this terminal: {reason}")]
    Terminal {
        /// Why.
        reason: String,
    },
    /// There is no national file set.
    #[error("the card has no national file set ({status})")]
    NoFileSet {
        /// What it said.
        status: Status,
    },
    /// The record on the card cannot be read; nothing was written.
    #[error("the card does not show its residence record to this terminal ({status})")]
    Unreadable {
        /// What it said.
        status: Status,
    },
    /// The card did not take the record.
    #[error("the card did not take the record ({status})")]
    Refused {
        /// What it said.
        status: Status,
    },
    /// It broke off after the record went out.
    #[error("the dialogue broke off while the record was written{0}")]
    Uncertain(Interruption),
    /// The card said yes, and shows something else.
    #[error("the card took the record and does not show it{}", .status.map(|status| format!(" ({status})")).unwrap_or_default())]
    Different {
        /// What it said, unless it showed other bytes.
        status: Option<Status>,
    },
}

/// An errand under way.
pub(super) struct Visit<'a> {
    errand: Errand<'a>,
    /// The record went out.
    written: bool,
    outcome: Option<Result<Replaced, ReplaceError>>,
}

/// Why the visit does not go on.
enum Stop {
    Said(ReplaceError),
    Broken(Interruption),
}

impl From<Interruption> for Stop {
    fn from(interruption: Interruption) -> Self {
        Stop::Broken(interruption)
    }
}

/// Reads a card that was just powered up, as [`super::inspect`] does, and replaces its residence record.
///
/// # Errors
/// See [`ReplaceError`]; the evidence is there whatever happens.
pub fn replace_residence(
    card: &mut dyn Card,
    access: &Access,
    options: &Options,
    errand: Errand<'_>,
    random: &mut dyn Random,
    progress: &mut dyn FnMut(Progress),
) -> (Evidence, Result<Replaced, ReplaceError>) {
    let mut evidence = begin(access, options);
    let Errand { terminal, record, approve } = errand;
    let errand = Errand { terminal, record, approve: &mut *approve };
    let mut procedure = Procedure {
        evidence: &mut evidence,
        access,
        options,
        random,
        progress,
        chip_identity: None,
        terminal_key: None,
        longest_command: SHORT_COMMAND,
        visit: Some(Visit { errand, written: false, outcome: None }),
    };
    let interrupted = procedure.run(over(card, options)).err();
    let (written, outcome) = procedure.visit.take().map_or((false, None), |visit| (visit.written, visit.outcome));
    evidence.interrupted.clone_from(&interrupted);
    progress(Progress::Done);
    let result = match (outcome, interrupted) {
        (Some(outcome), _) => outcome,
        (None, Some(cause)) if written => Err(ReplaceError::Uncertain(cause)),
        (None, Some(cause)) => Err(ReplaceError::Interrupted(cause)),
        (None, None) => Err(ReplaceError::NotOpened),
    };
    (evidence, result)
}

impl Procedure<'_> {
    /// Whether a visit has sent its record.
    pub(super) fn has_written(&self) -> bool {
        self.visit.as_ref().is_some_and(|visit| visit.written)
    }

    /// Does the errand in the session that is open.
    pub(super) fn replace(&mut self, reader: &FileReader, card: &mut dyn Card) -> Result<(), Interruption> {
        let Some(mut visit) = self.visit.take() else { return Ok(()) };
        let (outcome, result) = match self.run_errand(&mut visit, reader, card) {
            Ok(replaced) => (Some(Ok(replaced)), Ok(())),
            Err(Stop::Said(error)) => (Some(Err(error)), Ok(())),
            Err(Stop::Broken(interruption)) => (None, Err(interruption)),
        };
        self.visit = Some(Visit { outcome, ..visit });
        result
    }

    fn run_errand(
        &mut self,
        visit: &mut Visit<'_>,
        reader: &FileReader,
        card: &mut dyn Card,
    ) -> Result<Replaced, Stop> {
        if !(visit.errand.approve)(self.evidence) {
            return Err(Stop::Said(ReplaceError::NotApproved));
        }
        (self.progress)(Progress::TerminalAuthentication);
        let known = self.introduce(visit.errand.terminal, card)?;
        known.map_err(|reason| Stop::Said(ReplaceError::Terminal { reason }))?;
        let select = Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(Application::National.aid().as_bytes());
        let status = send(card, &select)?.status;
        if !status.is_ok() {
            return Err(Stop::Said(ReplaceError::NoFileSet { status }));
        }
        let get = RESIDENCE.get().with_ne(reader.longest_answer());
        let before = match shown(&send(card, &get)?) {
            Ok(content) => Some(content),
            Err(Some(Status::FILE_NOT_FOUND)) => None,
            Err(status) => {
                let status = status.unwrap_or(Status::OK);
                return Err(Stop::Said(ReplaceError::Unreadable { status }));
            }
        };
        visit.written = true;
        let limits = Limits { command_data: self.longest_command, ..Limits::SHORT };
        let status = send(&mut Chained::new(&mut *card, limits), &RESIDENCE.put(visit.errand.record))?.status;
        if !status.is_ok() {
            return Err(Stop::Said(ReplaceError::Refused { status }));
        }
        match shown(&send(card, &get)?) {
            Ok(content) if content == visit.errand.record => Ok(Replaced { before }),
            Ok(_) => Err(Stop::Said(ReplaceError::Different { status: None })),
            Err(status) => Err(Stop::Said(ReplaceError::Different { status })),
        }
    }
}

/// The content of the object in an answer, or what the card said; nothing for what is no such object.
fn shown(answer: &Response) -> Result<Vec<u8>, Option<Status>> {
    if !answer.status.is_ok() {
        return Err(Some(answer.status));
    }
    let content = RESIDENCE.decode(&answer.data).map_err(|_: ObjectError| None)?;
    Ok(content.to_vec())
}

fn send(card: &mut dyn Card, command: &Command) -> Result<Response, Interruption> {
    card.transmit(command).map_err(|error| Interruption::from(&error))
}
