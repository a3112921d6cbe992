//! What a line of the ledger can say.

use std::fmt;

use iso7816::Status;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::order::JobType;

/// What happened. Numbers that could be read as JSON numbers of any size are strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Blanks were received.
    BlanksReceived {
        /// How many.
        count: u32,
    },
    /// An order was accepted.
    Ordered {
        /// Document number.
        document: String,
        /// The registry's reference.
        job_id: String,
        /// Why the card is made.
        job: JobType,
        /// SHA-256 over the order without the access number, and over its pictures, hexadecimal ([`crate::execute::Job::digest`]).
        order: String,
    },
    /// The secure channel was tried on a chip, and the chip's cryptogram was wrong.
    WrongCryptogram {
        /// The chip's serial.
        chip: String,
    },
    /// A document number and a chip belong together from here on, for ever.
    Bound {
        /// Document number.
        document: String,
        /// The chip's serial.
        chip: String,
        /// What is written into the chip as its binding: drawn at random, so that it says nothing to others; hexadecimal.
        token: String,
        /// The time written into DG12; a resumed personalization uses it again.
        made_at: Timestamp,
        /// Whether the card must be printed before it is packed; lines that do not say so demand nothing.
        #[serde(default)]
        print: bool,
    },
    /// A step is about to be taken, or was.
    Step {
        /// Document number.
        document: String,
        /// The chip's serial.
        chip: String,
        /// Which step.
        step: Step,
        /// Before or after it.
        phase: Phase,
        /// SHA-256 over the bytes that are written (enciphered, where they are secret), hexadecimal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
    },
    /// The citizen CA is about to be asked to certify a key that was made on the chip.
    CertificateAsked {
        /// Document number.
        document: String,
        /// The chip's serial.
        chip: String,
        /// Reference of the key on the card: `9A`, `9C`.
        key: String,
        /// Its key identifier (SHA-1, RFC 5280 §4.2.1.2), hexadecimal.
        key_identifier: String,
    },
    /// The citizen CA certified the key.
    CertificateIssued {
        /// Document number.
        document: String,
        /// The chip's serial.
        chip: String,
        /// The key identifier, hexadecimal.
        key_identifier: String,
        /// Serial number of the certificate, hexadecimal.
        serial: String,
        /// SHA-256 of the certificate, hexadecimal.
        digest: String,
    },
    /// A step did not succeed.
    Failed {
        /// Document number.
        document: String,
        /// The chip's serial.
        chip: String,
        /// Which step.
        step: Step,
        /// Why, without any data of the holder.
        reason: String,
        /// The instruction the card refused, if it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instruction: Option<u8>,
        /// The status word it refused with.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "status_word")]
        status: Option<Status>,
        /// True when it is not tried again: of a rejected chip, that nothing locks it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        for_good: bool,
    },
    /// The document is in another state.
    State {
        /// Document number.
        document: String,
        /// The new state.
        state: State,
        /// Why, where it is not the ordinary course.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A blank that no document was bound to is of no use.
    BlankSpoiled {
        /// The chip's serial, if it could be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chip: Option<String>,
        /// Why.
        reason: String,
    },
    /// The machine is about to move a card on which no document is being made, or did; the document's own motions are steps.
    Motion {
        /// Which motion.
        motion: Motion,
        /// The chip's serial, where it was read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chip: Option<String>,
        /// Before or after it.
        phase: Phase,
    },
    /// The last line was cut off by a crash and removed.
    Repaired {
        /// How many bytes of it there were.
        bytes: u64,
    },
}

/// States of a document in the centre.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Accepted.
    Ordered,
    /// Bound to a chip.
    BlankAssigned,
    /// The chip holds its keys and access passwords.
    ChipInitialised,
    /// The chip holds everything and is locked.
    Personalised,
    /// Read back as an embassy would and found good.
    QaPassed,
    /// Spoiled: the document number is closed, the blank is accounted for.
    QaRejected,
    /// In the tray of good cards.
    Packed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Ordered => "ordered",
            State::BlankAssigned => "bound to a chip",
            State::ChipInitialised => "begun on its chip",
            State::Personalised => "written",
            State::QaPassed => "read back and good",
            State::QaRejected => "rejected",
            State::Packed => "a finished card",
        })
    }
}

/// A step that changes the card, or the card's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The binding is written into the chip.
    Bind,
    /// The issuer's keys take the place of those that the chip came with.
    RotateKeys,
    /// Key pairs of the citizen application are made, in the place of any before, and prove themselves.
    CitizenKeys,
    /// Objects and certificates of the citizen application.
    CitizenFiles,
    /// Access passwords and chip key.
    WriteKeys,
    /// The files.
    WriteFiles,
    /// The application is locked for writing.
    Lock,
    /// The card is read back and judged.
    ReadBack,
    /// Transport PIN and PUK of the citizen application, and their letter.
    TransportPin,
    /// The card is secured.
    Seal,
    /// The application of a rejected chip is locked for good.
    Invalidate,
    /// The card is printed.
    Print,
    /// The card goes to the tray of good cards.
    Eject,
    /// The card goes to the reject box.
    Reject,
}

/// A motion of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Motion {
    /// From the feeder to the chip station.
    Feed,
    /// To the tray of good cards.
    Eject,
    /// To the reject box.
    Reject,
}

/// Before or after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is about to be taken.
    Intent,
    /// It was taken.
    Done,
}

/// A status word as four hexadecimal digits.
mod status_word {
    use iso7816::Status;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(status: &Option<Status>, serializer: S) -> Result<S::Ok, S::Error> {
        match status {
            Some(status) => serializer.serialize_str(&format!("{:04X}", status.0)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Status>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let parse = |text: String| u16::from_str_radix(&text, 16).map(Status).map_err(de::Error::custom);
        text.map(parse).transpose()
    }
}
