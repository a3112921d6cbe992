//! How the work on one card can end.

use channel::random::RandomError;
use inspection::Verdict;
use iso7816::{Status, TransmitError};
use lds::globalplatform::{ApplicationState, CardState};
use openssl::error::ErrorStack;

use super::{SignerError, StationError};
use crate::applet::Condition;
use crate::citizen::CertificateError;
use crate::issuer::DialogueError;
use crate::ledger::{LedgerError, Step};
use crate::plan::{PlanError, SignedPlan};
use crate::rotation::KeysError;
use crate::stage::{Document, Sealed};

/// How the work on one card ended, as far as the chip goes.
pub enum Outcome {
    /// Finished and approved.
    Finished(Box<Finished>),
    /// Rejected: the document number is closed, the chip is spoiled.
    Rejected(Rejected),
}

impl Outcome {
    /// The document number that it is about.
    pub fn document(&self) -> &str {
        match self {
            Outcome::Finished(finished) => &finished.document.number,
            Outcome::Rejected(rejected) => &rejected.document,
        }
    }
}

/// A finished card.
pub struct Finished {
    /// The document.
    pub document: Document<Sealed>,
    /// What was written: for the printed faces.
    pub plan: SignedPlan,
}

/// A rejected card.
#[derive(Debug)]
pub struct Rejected {
    /// Document number.
    pub document: String,
    /// The chip's serial.
    pub chip: String,
    /// Why.
    pub reason: Reason,
    /// True when the chip's application was locked for good.
    pub invalidated: bool,
}

/// Why a card was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The card refused a command.
    #[error("step {step:?}: the card refused instruction {instruction:02X}: {status}")]
    Refused {
        /// The step.
        step: Step,
        /// Instruction byte.
        instruction: u8,
        /// Status word.
        status: Status,
    },
    /// The card answered nonsense, or broke the secure channel.
    #[error("step {step:?}: the card's answers are wrong")]
    BadAnswer {
        /// The step.
        step: Step,
    },
    /// The read-back did not say "genuine, valid".
    #[error("read back: {} ({})", .verdict.word(), .checks.join(", "))]
    Verdict {
        /// The verdict.
        verdict: Verdict,
        /// Checks that did not succeed.
        checks: Vec<String>,
    },
    /// The read-back did not get into the chip.
    #[error("read back: the chip could not be opened: {reason}")]
    Unopened {
        /// What the attempt said.
        reason: String,
    },
    /// It broke secure messaging while it was read back, and was read in a second session only.
    #[error("read back: {restart}")]
    Broke {
        /// Where and how.
        restart: String,
    },
    /// A file on the chip is not the one written.
    #[error("read back: {file} is not what was written")]
    Differs {
        /// The file.
        file: String,
    },
    /// The chip's state and the ledger do not fit together.
    #[error("chip and ledger do not agree: {what}")]
    Disagreement {
        /// In what.
        what: &'static str,
    },
    /// Printing or moving the card failed.
    #[error("the printer failed: {what}")]
    Machine {
        /// What it said.
        what: String,
    },
    /// It was rejected in an earlier session.
    #[error("rejected before: {reason}")]
    Before {
        /// What the ledger says.
        reason: String,
    },
    /// A person decided.
    #[error("rejected by the operator")]
    Operator,
}

/// Why no card came out, neither finished nor rejected.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The ledger cannot be written, or forbids it: nothing was done.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The order does not fit the profile.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The document signer did not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// What the document signer signs would not be accepted by an embassy.
    #[error("what the document signer signs is not accepted with this trust material: {check}: {reason}")]
    NotTrusted {
        /// The check that is not successful.
        check: String,
        /// What it saw.
        reason: String,
    },
    /// The profile or the card has the citizen application, and the line is not equipped for it.
    #[error("the card's citizen application needs a profile with [eid] and a citizen CA")]
    NoCitizenCa,
    /// The profile's cards believe a country verifying CA, and its certificate was not given.
    #[error("the profile has the table [eac], and no certificate of the country verifying CA was given")]
    NoCvca,
    /// No card or reader.
    #[error(transparent)]
    Station(#[from] StationError),
    /// The keys of the cards are not at hand; the order is still open, the card as good as before.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The card in the station cannot be used; the order is still open.
    #[error("the card in the station cannot be used: {0}")]
    Unusable(#[from] Unusable),
    /// The chip's signatures are longer than reader or card let through: it could not be read back. The card is as it was.
    #[error("the profile's key for Active Authentication needs a chip station and a card with extended length")]
    ShortAnswers,
    /// The card was taken away in the middle: put it back and recover.
    #[error("the card with document {document} was interrupted: {detail}")]
    Interrupted {
        /// Document number.
        document: String,
        /// The chip's serial.
        chip: String,
        /// What happened.
        detail: String,
    },
    /// The citizen CA issued nothing, or the letter was not kept. The card is as good as before: it can be finished when that is
    /// mended.
    #[error("the card with document {document} waits: {source}")]
    Certificates {
        /// Document number.
        document: String,
        /// The chip's serial.
        chip: String,
        /// What happened.
        source: CertificateError,
    },
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// OpenSSL failed.
    #[error("cryptography failed")]
    OpenSsl(#[from] ErrorStack),
}

impl Failure {
    /// True when the reader failed, or the service behind it: of the card this says nothing.
    pub fn is_reader_s(&self) -> bool {
        matches!(
            self,
            Failure::Station(StationError::Reader { .. })
                | Failure::Unusable(Unusable::Dialogue(DialogueError::Transmit(TransmitError::Reader { .. })))
        )
    }
}

/// Why a card in the station is no usable blank.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The ledger knows it: it carries a document.
    #[error("chip {chip} carries document {document}")]
    InUse {
        /// The chip.
        chip: String,
        /// The document.
        document: String,
    },
    /// It carries a binding that this ledger did not write.
    #[error("chip {chip} is bound to a document of somebody else")]
    Foreign {
        /// The chip.
        chip: String,
    },
    /// It was put away.
    #[error("chip {chip} was put away as spoiled")]
    Spoiled {
        /// The chip.
        chip: String,
    },
    /// It has other keys.
    #[error("chip {chip} has other keys than this line")]
    WrongKeys {
        /// The chip.
        chip: String,
    },
    /// It had other keys than the line as often as the profile allows, and was not asked again: failed attempts can lock a card.
    #[error(
        "chip {chip} was not tried: it had other keys before, and card.attempts of the profile allows no more than {attempts} such \
         opening(s)"
    )]
    LeftAlone {
        /// The chip.
        chip: String,
        /// How many the profile allows.
        attempts: u32,
    },
    /// It proved that it has this line's Key-MAC, and could not make out the first command under Key-ENC.
    #[error("chip {chip} has another key ENC than this line; its key MAC is the same")]
    OtherEncryptionKey {
        /// The chip.
        chip: String,
    },
    /// Its travel application has no PACE, which the profile's cards are opened with.
    #[error("the travel application of the card does not know PACE: it could be written, and never be read back")]
    NoPace,
    /// Its application or the card itself is in another state than a blank's.
    #[error("chip {chip} is no blank: card {card}, application {application}")]
    NotBlank {
        /// The chip.
        chip: String,
        /// State of the card.
        card: CardState,
        /// State of the application.
        application: ApplicationState,
    },
    /// The applet that the profile names is not on it.
    #[error("chip {chip} does not have {applet}")]
    NoApplet {
        /// The chip.
        chip: String,
        /// Name of the applet.
        applet: &'static str,
    },
    /// Its applet is not as it was installed.
    #[error("chip {chip} is no blank: its applet is {condition}")]
    NotEmpty {
        /// The chip.
        chip: String,
        /// How it is.
        condition: Condition,
    },
    /// Its maker did not put the citizen application on it.
    #[error("the card has no citizen application")]
    NoCitizenApplication,
    /// It did not answer as a blank does.
    #[error("the card is no blank of this profile: {0}")]
    Dialogue(#[from] DialogueError),
}

impl Unusable {
    /// The chip's serial, where it was read.
    pub fn chip(&self) -> Option<&str> {
        match self {
            Unusable::InUse { chip, .. }
            | Unusable::Foreign { chip }
            | Unusable::Spoiled { chip }
            | Unusable::WrongKeys { chip }
            | Unusable::LeftAlone { chip, .. }
            | Unusable::OtherEncryptionKey { chip }
            | Unusable::NoApplet { chip, .. }
            | Unusable::NotEmpty { chip, .. }
            | Unusable::NotBlank { chip, .. } => Some(chip),
            Unusable::NoCitizenApplication | Unusable::NoPace | Unusable::Dialogue(_) => None,
        }
    }
}
