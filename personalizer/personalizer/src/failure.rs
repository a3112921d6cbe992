//! What an operator is told when something does not work: what, why, what to do.

use std::path::Path;

use link::ConnectError;
use perso::execute::{Failure as Perso, StationError, Unusable};
use perso::issuer::DialogueError;
use perso::ledger::{LedgerError, Rule, State};
use perso::plan::PlanError;
use perso::portrait::PortraitError;
use perso::profile::ProfileError;
use perso::recover::RecoverError;
use printing::MachineError;
use serde_json::json;

use crate::exit;
use crate::output::{complain, line};

/// What to do about a card that an earlier run left in the printer.
pub const CARD_INSIDE: &str = "Run `bitaqa-personalizer recover` with the orders, ledger and printer of the run that ended there: it looks at this \
    card before it feeds another one, and finishes it, rejects it, or gives it back as a blank.";

/// What to do about a card in a station where hands put it.
pub const CARD_BY_HAND: &str =
    "Put the same card back and run `bitaqa-personalizer recover` with the same orders and ledger.";

/// A failure for people and for programs.
#[derive(Debug)]
pub struct Failure {
    /// What did not happen.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub remedy: String,
    /// The exit code.
    pub exit: u8,
    /// True when a disk did not take or give something: nobody's mistake, wherever the work stands.
    pub disk: bool,
}

impl Failure {
    /// A failure.
    pub fn new(what: impl Into<String>, why: impl ToString, remedy: impl Into<String>, exit: u8) -> Self {
        Failure { what: what.into(), why: why.to_string(), remedy: remedy.into(), exit, disk: false }
    }

    /// Prints it: words on stderr, or one JSON object on stdout.
    pub fn show(&self, as_json: bool) {
        if as_json {
            let error = json!({ "what": self.what, "why": self.why, "remedy": self.remedy, "exit": self.exit });
            line(&json!({ "version": 1, "event": "error", "error": error }));
        } else {
            complain(&format!("error: {}\n  why: {}\n  do:  {}", self.what, self.why, self.remedy));
        }
    }

    /// A file that cannot be read.
    pub fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Failure::new(
            format!("{} cannot be read.", path.display()),
            error,
            "Check the path and its permissions.",
            exit::USAGE,
        )
    }

    /// A file that cannot be written.
    pub fn unwritable(path: &Path, error: &std::io::Error) -> Self {
        Failure::new(
            format!("{} cannot be written.", path.display()),
            error,
            "Check the path, its permissions and the space on the disk.",
            exit::USAGE,
        )
        .of_the_disk()
    }

    fn of_the_disk(self) -> Self {
        Failure { disk: true, ..self }
    }

    /// The disk failed while a document was on its way: not the command line is wrong, a card waits.
    pub fn with_card(self, document: Option<&str>, place: &str, next: &str) -> Self {
        let card = document.map_or("the card".to_owned(), |document| format!("the card of document {document}"));
        Failure {
            what: format!("{} A card is not finished.", self.what),
            why: format!("{}; {card} is {place}", self.why),
            remedy: format!("{} Then: {next}", self.remedy),
            exit: exit::INTERRUPTED,
            ..self
        }
    }

    /// The result could not be printed.
    pub fn untold(error: &std::io::Error) -> Self {
        Failure::new(
            "The command was carried out, but its result could not be printed.",
            error,
            "Make room where the output goes; `bitaqa-personalizer ledger show` tells which cards were made.",
            exit::USAGE,
        )
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        let remedy = match &error {
            ProfileError::NotFound { .. } => "Name one of `bitaqa-personalizer profiles`, or a file.",
            ProfileError::Unreadable { .. } => "Check the path and its permissions.",
            ProfileError::Format { .. } | ProfileError::Value { .. } => {
                "Correct the value; `bitaqa-personalizer profiles NAME` prints a complete profile."
            }
            ProfileError::Version { .. } => "Use the program's version that the profile was written for.",
        };
        Failure::new("The profile cannot be used.", error, remedy, exit::ORDER)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let (remedy, exit) = match &error {
            LedgerError::Io { .. } => ("Check the path, its permissions and the space on the disk.", exit::USAGE),
            LedgerError::InUse { .. } => {
                ("Wait until the other line has ended, or give this line its own ledger.", exit::USAGE)
            }
            LedgerError::NotAnEntry { .. } | LedgerError::Broken { .. } => {
                ("Stop production. Compare the file with its last copy, and tell the auditor.", exit::ORDER)
            }
            LedgerError::Shortened { .. } => (
                "Stop production. Put the newest copy of the ledger back; if there is none, tell the auditor and begin a new one.",
                exit::ORDER,
            ),
            LedgerError::Version { .. } => ("Use the program's version that wrote the ledger.", exit::ORDER),
            LedgerError::Refused { rule: Rule::OrderedDifferently { .. } } => (
                "Give the order and the pictures that the document was ordered with, or reject it and order a new number.",
                exit::ORDER,
            ),
            LedgerError::Refused { rule: Rule::Transition { from: State::Packed, .. } } => (
                "The number of a finished card is not closed here. Destroy the card, revoke its number (`bitaqa-pki bundle export \
                 --revoked-documents`) and its certificates, and order a new number.",
                exit::ORDER,
            ),
            LedgerError::Refused { .. } => {
                ("Look at the document with `ledger show`; recover it, or order a new number.", exit::ORDER)
            }
            LedgerError::Poisoned => ("Start the program again when the disk is in order.", exit::USAGE),
        };
        match error {
            LedgerError::Io { .. } | LedgerError::Poisoned => {
                Failure::new("The ledger cannot be read or written.", error, remedy, exit).of_the_disk()
            }
            error => Failure::new("The ledger does not allow it.", error, remedy, exit),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let remedy = match &error {
            PlanError::Letter { .. } => "Correct the name in the register, or choose the profile's transliteration.",
            PlanError::NoSurname(_) => "Add the surname, or set names.no_surname in the profile.",
            PlanError::Residence { .. } => {
                "Correct the entry; a residence record names its holder by a national number of 12 digits."
            }
            PlanError::CertificateName { .. } => {
                "Shorten it in the register, or use a profile without the citizen application."
            }
            PlanError::Series { .. } => "Use a number of the profile's series, or another profile.",
            PlanError::NationalNumber { .. } | PlanError::Mrz(_) => "Correct the number in the order.",
            PlanError::Expiry { .. } | PlanError::Birth { .. } | PlanError::Date(_) => {
                "Correct the dates of the order."
            }
            PlanError::TimeZone { .. } => "Install the Debian package tzdata, or correct document.time_zone.",
            PlanError::Portrait(_) => "Replace the portrait.",
            PlanError::Fingers => "Use a profile with data group 3, or leave the fingers out.",
            PlanError::TerminalTrust(_) => "Set the clock of this computer.",
            PlanError::Capacity { .. } | PlanError::FileSize { .. } => "Lower portrait.max_bytes in the profile.",
            PlanError::ObjectSize { .. } => {
                "Use a card whose applet takes larger objects and say so in card.largest_object, or shorten the names of the \
                 citizen CA."
            }
            PlanError::NoSuchFile { .. } => "Leave its number out of lds.data_groups in the profile.",
            PlanError::OpenSsl(_) => "Check the installation of OpenSSL.",
        };
        Failure::new("The order does not fit the profile.", error, remedy, exit::ORDER)
    }
}

impl From<PortraitError> for Failure {
    fn from(error: PortraitError) -> Self {
        let remedy = match &error {
            PortraitError::Fingers(inner) if !matches!(**inner, PortraitError::Unreadable { .. }) => {
                "Give the EF.DG3 that the enrolment station coded: finger images of ISO/IEC 19794-4:2005 or ISO/IEC 39794-4. \
                 test-vectors/fingers/EF_DG3.bin is an example."
            }
            PortraitError::Fingers(_) => "Check the path: it is relative to the order file.",
            PortraitError::ChipPortrait(_) => {
                "Give a JPEG 2000 file of the profile's size, or leave chip_portrait out."
            }
            PortraitError::NoJpeg2000Encoder => "apt install libopenjp2-tools",
            PortraitError::Unreadable { .. } => "Check the path: it is relative to the order file.",
            PortraitError::Encoder { .. } => "Check the space in the temporary folder.",
            _ => "Give a PNG or JPEG of the profile's shape, at least of its size.",
        };
        Failure::new("The portrait cannot be used.", error, remedy, exit::ORDER)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let remedy = match &error {
            ConnectError::Service(_) => "Start pcscd: systemctl start pcscd.socket",
            ConnectError::NoSuchReader { .. } | ConnectError::Ambiguous { .. } => {
                "Give the whole name, as `bitaqa-reader readers` prints it."
            }
            ConnectError::NoCard { .. } | ConnectError::Mute { .. } => {
                "Put the card in, contacts to the reader's contacts."
            }
            ConnectError::Busy { .. } => "End the other program.",
            _ => "Plug the reader in again and retry.",
        };
        Failure::new("There is no connection to a card.", error, remedy, exit::NO_CARD)
    }
}

impl From<MachineError> for Failure {
    fn from(error: MachineError) -> Self {
        let remedy = match &error {
            MachineError::CardInside => CARD_INSIDE,
            error => error.cause().map_or("Look at the printer and at its cable.", |cause| cause.advice()),
        };
        Failure::new("The printer does not work.", &error, remedy, exit::PRINTER)
    }
}

impl From<Unusable> for Failure {
    fn from(error: Unusable) -> Self {
        let remedy = match &error {
            Unusable::InUse { .. } => "Run `bitaqa-personalizer recover` with this card, or take it out.",
            Unusable::Foreign { .. } => "Take the card out and give it to the supervisor.",
            Unusable::Spoiled { .. } => "Put the card into the reject box.",
            Unusable::OtherEncryptionKey { .. } => {
                "Check the first line (ENC) of the keys of the blanks, or how they are derived; the second (MAC) is right. The card is as \
                 good as before."
            }
            Unusable::NoPace => "Use blanks whose travel application knows PACE. Nothing was written on this one.",
            Unusable::WrongKeys { .. } => {
                "Check the keys of the blanks (without --card-keys they are the published test keys) and how they are derived. This chip \
                 is not tried again before card.attempts of the profile allows it: failed attempts can lock a card."
            }
            Unusable::LeftAlone { .. } => {
                "When the keys of the line are right now, let card.attempts allow one more (three at most; a chip locks after ten), in a \
                 profile that `extends` this one. Otherwise put the card away."
            }
            Unusable::NoApplet { .. } => {
                "Install the applet with a tool for GlobalPlatform cards, or use a card of the profile's kind."
            }
            Unusable::NotEmpty { .. } => {
                "Take the card out. Somebody wrote on it: its applet can only be used after its package was deleted and \
                 installed again."
            }
            Unusable::Dialogue(DialogueError::Refused { instruction: 0x50, .. }) => {
                "Put a blank of the profile's kind into the station; or, if it is one, name the version of its keys in card.key_version \
                 (`bitaqa-reader apdu 00A4040000 80CA00E000`: each is C004 <key> <version> ..)."
            }
            Unusable::NotBlank { .. } | Unusable::NoCitizenApplication | Unusable::Dialogue(_) => {
                "Put a blank of the profile's kind into the station."
            }
        };
        Failure::new("The card in the station cannot be used.", error, remedy, exit::REFUSED)
    }
}

impl From<Perso> for Failure {
    fn from(error: Perso) -> Self {
        match error {
            Perso::Ledger(error) => error.into(),
            Perso::Plan(error) => error.into(),
            Perso::Unusable(error) => error.into(),
            Perso::Keys(error) => Failure::new(
                "The keys of the cards are not at hand.",
                error,
                "Check the token that derives them, then start again: no card was changed.",
                exit::TRUST,
            ),
            Perso::Signer(error) => Failure::new(
                "The document signer did not sign.",
                error,
                "Check its period of use with `bitaqa-pki status`, and ask the authority for a new signer.",
                exit::TRUST,
            ),
            error @ Perso::NotTrusted { .. } => Failure::new(
                "No embassy would accept what the document signer signs.",
                error,
                "Install the current trust bundle, with a fresh revocation list, or use the signer that it knows.",
                exit::TRUST,
            ),
            Perso::NoCitizenCa => Failure::new(
                "The citizen application cannot be written.",
                Perso::NoCitizenCa,
                "Use the profile that the card was begun with; give --citizen-ca and --pin-letters.",
                exit::USAGE,
            ),
            Perso::NoCvca => Failure::new(
                "The card would believe no terminal.",
                Perso::NoCvca,
                "Give --cvca with the CVCA's certificate.cvcert, or use a profile without the table [eac].",
                exit::USAGE,
            ),
            Perso::ShortAnswers => Failure::new(
                "A card of this profile cannot be read back here.",
                Perso::ShortAnswers,
                "Use a reader and blanks with extended length, or a key on a curve in [active_authentication].",
                exit::NO_CARD,
            ),
            Perso::Station(error @ StationError::NoCard) => {
                Failure::new("There is no card.", error, "Put a blank into the station.", exit::NO_CARD)
            }
            Perso::Station(error @ StationError::Mute) => Failure::new(
                "The card cannot be used.",
                error,
                "Turn the card round; if its chip is dead, put it into the reject box.",
                exit::NO_CARD,
            ),
            Perso::Station(error @ StationError::Reader { .. }) => {
                Failure::new("The chip station does not work.", error, "Check reader and pcscd.", exit::NO_CARD)
            }
            error @ Perso::Interrupted { .. } => Failure::new(
                "A card was interrupted: it is neither finished nor rejected.",
                error,
                "Put the same card back and run `bitaqa-personalizer recover`.",
                exit::INTERRUPTED,
            ),
            error @ Perso::Certificates { .. } => Failure::new(
                "The card waits for its citizen application.",
                error,
                "See that the citizen CA and the folder of the letters can be used; then put the same card back and run \
                 `bitaqa-personalizer recover`.",
                exit::INTERRUPTED,
            ),
            Perso::Random(error) => {
                Failure::new("No randomness.", error, "Check the installation of OpenSSL.", exit::BUG)
            }
            Perso::OpenSsl(error) => {
                Failure::new("Cryptography failed.", error, "Check the installation of OpenSSL.", exit::BUG)
            }
        }
    }
}

impl From<RecoverError> for Failure {
    fn from(error: RecoverError) -> Self {
        match error {
            RecoverError::Failure(failure) => failure.into(),
            error @ RecoverError::NotBegun { .. } => Failure::new(
                "There is no card to be rejected.",
                error,
                "Look at the documents with `ledger show`.",
                exit::ORDER,
            ),
            error @ RecoverError::OtherCard { .. } => Failure::new(
                "Another card is in the station.",
                error,
                "Put in the card to be rejected; if it is lost or dead, leave the station empty. A card inside the printer is \
                 brought to its end by `recover` alone.",
                exit::ORDER,
            ),
            error @ RecoverError::OtherKind { .. } => Failure::new(
                "The card cannot be finished with this profile.",
                error,
                "Give the profile that it was begun with.",
                exit::ORDER,
            ),
            error @ RecoverError::OrderMissing { .. } => Failure::new(
                "The card cannot be finished.",
                error,
                "Give the order file that it was begun with, or --reject.",
                exit::ORDER,
            ),
        }
    }
}
