//! What can stop a command, and what the operator can do about it: one exhaustive match.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use channel::cvc::CvcError;
use channel::terminal_auth::TerminalKeyError;
use inspection::Verdict;
use inspection::evidence::{FilesError, LoadEvidenceError};
use inspection::procedure::ReplaceError;
use iso7816::{CommandError, Status, TransmitError};
use link::{ConnectError, ServiceError};
use serde::Serialize;
use trust::bundle::{BundleError, DeltaError, PinsError};
use trust::store::{InstallError, OpenError};

use crate::exit;

/// Everything that can stop a command. A verdict, however bad, is none of these.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("no reader holds a card")]
    NoCard,
    #[error("several readers hold a card: {}", readers.join(", "))]
    SeveralCards { readers: Vec<String> },
    #[error(transparent)]
    Transmit(#[from] TransmitError),
    #[error("no card access number and no MRZ was given")]
    NoPassword,
    #[error("the card access number {reason}")]
    Can { reason: &'static str },
    #[error("the MRZ is not usable: {reason}")]
    Mrz { reason: String },
    #[error("{}: {source}", path.display())]
    ReadFile { path: PathBuf, source: io::Error },
    #[error("{}: more than {most} certificates", path.display())]
    TooManyCitizenCas { path: PathBuf, most: usize },
    #[error("{}: more than {most} revocation lists, or more bytes than such lists have", path.display())]
    TooManyCitizenLists { path: PathBuf, most: usize },
    #[error("{}: {source}", path.display())]
    WriteFile { path: PathBuf, source: io::Error },
    #[error("{}: it is there already", path.display())]
    JournalThere { path: PathBuf },
    #[error("{}: it holds something else than {kind}", path.display())]
    OtherFile { path: PathBuf, kind: &'static str },
    #[error("{}: both {} and {} would be written to it", path.display(), options[0], options[1])]
    OneOutput { path: PathBuf, options: [&'static str; 2] },
    #[error("{} is not empty", path.display())]
    NotEmpty { path: PathBuf },
    #[error("{reason}")]
    CommandLine { reason: String, unquoted: bool },
    #[error("{} has no trust bundle and no delta", folder.display())]
    NoBundle { folder: PathBuf },
    #[error("standard input: {source}")]
    Stdin { source: io::Error },
    #[error("standard output: {source}")]
    Stdout { source: io::Error },
    #[error("{}: {source}", path.display())]
    Evidence { path: PathBuf, source: LoadEvidenceError },
    #[error("{}: {source}", path.display())]
    Files { path: PathBuf, source: FilesError },
    #[error("{}: {reason}", path.display())]
    NotTaken { path: PathBuf, reason: String },
    #[error("neither --trust nor XDG_DATA_HOME nor HOME says where the trust store is")]
    NoTrustDirectory,
    #[error("no trust bundle is installed in {}", directory.display())]
    NoTrust { directory: PathBuf },
    #[error(transparent)]
    Trust(#[from] OpenError),
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error("the pin is not 64 hexadecimal digits")]
    Pin,
    #[error("{pins} pins are given, and not how many of their signers must have signed")]
    ThresholdMissing { pins: usize },
    #[error(transparent)]
    Pins(#[from] PinsError),
    #[error("{}: {reason}", path.display())]
    NoTerminal { path: PathBuf, reason: &'static str },
    #[error("{}: {source}", path.display())]
    TerminalCertificates { path: PathBuf, source: CvcError },
    #[error("{}: {source}", path.display())]
    TerminalKey { path: PathBuf, source: TerminalKeyError },
    #[error("no passphrase was given: {reason}")]
    NoTerminalPassphrase { reason: String },
    #[error("command {index} is not hexadecimal")]
    Hex { index: usize },
    #[error("command {index}: {source}")]
    Apdu { index: usize, source: CommandError },
    #[error("no check, no verdict and no step of the ladder is called {name:?}")]
    UnknownName { name: String },
    #[error(transparent)]
    Citizen(#[from] inspection::citizen::ReadError),
    #[error(transparent)]
    CitizenPin(#[from] inspection::citizen::OpenError),
    #[error(transparent)]
    HolderPin(#[from] eid::pin::PinError),
    #[error("no PIN was given: {reason}")]
    NoPin { reason: String },
    #[error("the travel document on the card is {}", verdict.word())]
    PinKept { verdict: Verdict },
    #[error("the card has one try left, and the PIN stands in a file")]
    LastTry,
    #[error("{}: {source}", path.display())]
    CitizenCa { path: PathBuf, source: trust::CertificateError },
    #[error("{}: {source}", path.display())]
    CitizenList { path: PathBuf, source: trust::CrlError },
    #[error("{}: {source}", path.display())]
    Record { path: PathBuf, source: eid::residence::ResidenceError },
    #[error("the record is not for the holder of this card")]
    OtherHolder,
    #[error("{reasons}")]
    RecordNotGood { reasons: String },
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    #[error("the result cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// What helps when a fingerprint is typed as it is printed.
pub const QUOTES: &str = "A fingerprint with spaces goes into quotation marks: --pin \"96d9b149 ...\"";

/// What is told about an error.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// What went wrong, in a few words.
    pub what: &'static str,
    /// The particulars.
    pub why: String,
    /// What to do now.
    pub remedy: Cow<'static, str>,
    /// The exit code.
    pub exit: u8,
}

impl Error {
    /// The failure as the operator is told of it.
    pub fn failure(&self) -> Failure {
        let (what, remedy, exit) = self.advice();
        let remedy = self.exact_remedy().map_or(Cow::Borrowed(remedy), Cow::Owned);
        Failure { what, why: self.to_string(), remedy, exit }
    }

    /// Where more can be said than what always holds.
    fn exact_remedy(&self) -> Option<String> {
        match self {
            Error::Install(InstallError::Delta(DeltaError::OtherBase { makes, here, .. })) if here < makes => {
                Some(format!("Install the full bundle number {makes}, or the delta from {here}."))
            }
            Error::Install(InstallError::NoBase { makes, .. }) => {
                Some(format!("Install the full bundle number {makes}."))
            }
            _ => None,
        }
    }

    fn advice(&self) -> (&'static str, &'static str, u8) {
        match self {
            Error::Service(error) | Error::Connect(ConnectError::Service(error)) => service(error),
            Error::Connect(error) => connect(error),
            Error::NoCard => {
                ("There is no card", "Put a card on a reader; `bitaqa-reader readers` shows them.", exit::NO_CARD)
            }
            Error::SeveralCards { .. } => ("There are several cards", "Name one reader with --reader.", exit::USAGE),
            Error::Transmit(TransmitError::Lost | TransmitError::TimedOut { .. }) => {
                ("The card was lost", "Leave the card on the reader and try again.", exit::NO_CARD)
            }
            Error::Transmit(TransmitError::Reader { .. } | TransmitError::Unsendable { .. }) => {
                ("The reader failed", "Plug the reader in again, or try a shorter command.", exit::NO_CARD)
            }
            Error::Transmit(
                TransmitError::SecureMessaging { .. }
                | TransmitError::Unprotected { .. }
                | TransmitError::TooLong { .. }
                | TransmitError::Replay { .. },
            ) => ("The card gave an unusable answer", "Try again; keep the journal if it stays so.", exit::REFUSED),
            Error::NoPassword => {
                ("The chip is locked", "Give --can or --mrz: both are printed on the card.", exit::USAGE)
            }
            Error::Can { .. } => {
                ("That is no card access number", "Give the six digits printed on the card.", exit::USAGE)
            }
            Error::Mrz { .. } => (
                "That is no machine-readable zone",
                "Give its three lines as printed, or NUMBER,YYMMDD,YYMMDD for document, birth and expiry.",
                exit::USAGE,
            ),
            Error::ReadFile { .. } => ("A file cannot be read", "Check the path and its permissions.", exit::USAGE),
            Error::WriteFile { .. } => {
                ("A file cannot be written", "Check the path, its permissions and the space left.", exit::USAGE)
            }
            Error::JournalThere { .. } => {
                ("A journal is never written over anything", "Choose another name for it.", exit::USAGE)
            }
            Error::OtherFile { .. } => (
                "A file of another kind is not replaced",
                "Choose another name, or remove the file first if nobody needs it.",
                exit::USAGE,
            ),
            Error::OneOutput { .. } => {
                ("Two results cannot be one file", "Give each option a path of its own.", exit::USAGE)
            }
            Error::NotEmpty { .. } => {
                ("The directory is in use", "Name a new directory: files of two cards are never mixed.", exit::USAGE)
            }
            Error::Stdin { .. } => {
                ("Standard input cannot be read", "Give the value as an option or in a file.", exit::USAGE)
            }
            Error::Stdout { .. } => (
                "The result cannot be printed",
                "Make room where standard output goes, then repeat the command.",
                exit::USAGE,
            ),
            Error::CommandLine { unquoted: true, .. } => ("The command line cannot be used", QUOTES, exit::USAGE),
            Error::CommandLine { .. } => {
                ("The command line cannot be used", "`bitaqa-reader COMMAND --help` lists what there is.", exit::USAGE)
            }
            Error::NoBundle { .. } => {
                ("Nothing was installed", "Name the folder that the bundle is in, or the bundle itself.", exit::TRUST)
            }
            Error::Evidence { source: LoadEvidenceError::Version { .. }, .. } => {
                ("The evidence cannot be judged", "Judge it with a later version of this program.", exit::USAGE)
            }
            Error::Evidence { .. } => (
                "The evidence cannot be judged",
                "Give a file written by `verify --save-evidence` or `read`.",
                exit::USAGE,
            ),
            Error::Files { .. } => (
                "The files cannot be judged",
                "Give EF.SOD, EF.COM and data groups of one document, each as `bitaqa-reader read` writes it.",
                exit::USAGE,
            ),
            Error::NoTrustDirectory => ("There is no trust store", "Name its directory with --trust.", exit::TRUST),
            Error::NoTrust { .. } => (
                "There is no trust store",
                "Install a bundle: bitaqa-reader trust install BUNDLE --pin FINGERPRINT",
                exit::TRUST,
            ),
            Error::Trust(_) => {
                ("The trust store is not usable", "Install the bundle again from a source you trust.", exit::TRUST)
            }
            Error::Install(error) => install(error),
            Error::Pin => (
                "That is no fingerprint",
                "Type the 64 hexadecimal digits from the paper that came with the bundle.",
                exit::USAGE,
            ),
            Error::ThresholdMissing { .. } | Error::Pins(_) => (
                "The pins make no sense",
                "Give --pin once for each signer and --threshold as on the paper that came with the bundle.",
                exit::USAGE,
            ),
            Error::NoTerminal { .. } | Error::TerminalCertificates { .. } => (
                "That is no terminal",
                "Name the folder that `bitaqa-pki cvc terminal` made for this post, with its chain.cvcerts and key.p8.",
                exit::USAGE,
            ),
            Error::TerminalKey { source: TerminalKeyError::Passphrase, .. } => {
                ("The terminal's key does not open", "Give the passphrase that it was made with.", exit::USAGE)
            }
            Error::TerminalKey { .. } => {
                ("That is not the terminal's key", "Get the whole folder again from who made it.", exit::USAGE)
            }
            Error::NoTerminalPassphrase { .. } => (
                "The terminal's key is locked",
                "Name a file that holds its passphrase: --terminal-passphrase-file FILE.",
                exit::USAGE,
            ),
            Error::Hex { .. } | Error::Apdu { .. } => (
                "That is no command",
                "Write CLA INS P1 P2 [Lc data] [Le] in hexadecimal, as in 00A4040C07A0000002471001.",
                exit::USAGE,
            ),
            Error::NotTaken { .. } => (
                "a file is not one of a chip's, or not the one it should be",
                "Give files as a chip holds them; --as NAME says which one it is (EF.DG1, EF.COM, EF.ATR/INFO).",
                exit::USAGE,
            ),
            Error::UnknownName { .. } => {
                ("There is no such name", "`bitaqa-reader explain` lists all names.", exit::USAGE)
            }
            Error::Citizen(inspection::citizen::ReadError::NoApplication { .. }) => (
                "There is nothing to read",
                "Use a card with a PIV application; `bitaqa-reader read` reads travel documents.",
                exit::REFUSED,
            ),
            Error::Citizen(inspection::citizen::ReadError::Transmit(_)) => {
                ("The card was lost", "Leave the card on the reader and try again.", exit::NO_CARD)
            }
            Error::CitizenPin(error) => citizen_pin(error),
            Error::HolderPin(_) => {
                ("That is no PIN", "Give the 6 to 8 digits that the holder has chosen.", exit::USAGE)
            }
            Error::NoPin { .. } => (
                "Keys and residence record are locked",
                "Name a file that holds the PIN: --pin-file FILE.",
                exit::USAGE,
            ),
            Error::LastTry => (
                "The PIN is not tried",
                "A wrong PIN would block it now: let the holder type it, with --pin.",
                exit::REFUSED,
            ),
            Error::TooManyCitizenCas { .. } => (
                "There are too many citizen CAs",
                "Take the expired ones out of the folder, or name those that count with --citizen-ca.",
                exit::TRUST,
            ),
            Error::TooManyCitizenLists { .. } => (
                "There are too many revocation lists",
                "Keep the newest list of each part in the folder, or name the one that counts with --crl.",
                exit::TRUST,
            ),
            Error::CitizenList { .. } => {
                ("That is no revocation list", "Give the citizen CA's list, DER or PEM.", exit::TRUST)
            }
            Error::CitizenCa { .. } => {
                ("That is no certificate", "Give the certificate of the citizen CA, DER or PEM.", exit::TRUST)
            }
            Error::PinKept { verdict } => (
                "The PIN was not given to this card",
                "Verify the card: bitaqa-reader verify. Without --pin its certificates are shown.",
                exit::of_verdict(*verdict),
            ),
            Error::Record { .. } => {
                ("That is no residence record", "Give the file that `bitaqa-pki ds residence` wrote.", exit::USAGE)
            }
            Error::OtherHolder => (
                "Nothing was written",
                "Compare the national number of the entry with the card; make the record for this holder, or present the \
                 holder's own card.",
                exit::USAGE,
            ),
            Error::RecordNotGood { .. } => (
                "Nothing was written: readers would not believe this record",
                "Have the record signed anew by a signer under a CSCA of the trust bundle, or install the newest bundle.",
                exit::USAGE,
            ),
            Error::Replace(error) => replace(error),
            Error::Json(_) => ("The program failed", "Report this as a bug.", exit::BUG),
        }
    }
}

fn citizen_pin(error: &inspection::citizen::OpenError) -> (&'static str, &'static str, u8) {
    use inspection::citizen::{OpenError, PinState};
    match error {
        OpenError::Nothing => (
            "The PIN opens nothing",
            "Leave --pin out: this card has no key to prove and no residence record.",
            exit::REFUSED,
        ),
        OpenError::State(PinState::Transport) => (
            "The card's keys and residence record stay closed",
            "The holder chooses an own PIN first, with the one from the letter: pkcs15-tool --change-pin.",
            exit::REFUSED,
        ),
        OpenError::State(PinState::Blocked) => (
            "The card's keys and residence record stay closed",
            "The holder unblocks it with the PUK from the letter: pkcs15-tool --unblock-pin.",
            exit::REFUSED,
        ),
        OpenError::State(_) => (
            "The card's keys and residence record stay closed",
            "Leave --pin out; the office that issued the card sets a PIN.",
            exit::REFUSED,
        ),
        OpenError::Refused { .. } => (
            "The card's keys and residence record stay closed",
            "Let the holder type the PIN again; after the last try only the PUK from the letter helps.",
            exit::REFUSED,
        ),
    }
}

fn replace(error: &ReplaceError) -> (&'static str, &'static str, u8) {
    match error {
        ReplaceError::NotApproved | ReplaceError::NotOpened => {
            ("Nothing was written", "Verify the card: bitaqa-reader verify", exit::REFUSED)
        }
        ReplaceError::Interrupted(_) => {
            ("Nothing was written", "Leave the card on the reader and try again.", exit::NO_CARD)
        }
        ReplaceError::Terminal { .. } => (
            "Nothing was written",
            "Use the certificates of a residence office (type AT) that are in force, below the CVCA that cards of this profile \
             believe.",
            exit::REFUSED,
        ),
        ReplaceError::NoFileSet { .. } => {
            ("Nothing was written", "Use a card with the citizen application.", exit::REFUSED)
        }
        ReplaceError::Unreadable { status: Status::WRONG_LENGTH } => {
            ("Nothing was written", "Use a reader that passes extended length on.", exit::REFUSED)
        }
        ReplaceError::Unreadable { .. } => {
            ("Nothing was written", "The office's certificates must grant read-dg17 and write-dg17.", exit::REFUSED)
        }
        ReplaceError::Refused { status: Status::CONDITIONS_NOT_SATISFIED } => (
            "The card keeps the record it has",
            "The record on the card is of a later day than this one: make the record anew from the register.",
            exit::REFUSED,
        ),
        ReplaceError::Refused { status: Status::WRONG_DATA } => (
            "The card keeps the record it has",
            "The record on the card is another holder's, or this one is damaged: report the card.",
            exit::REFUSED,
        ),
        ReplaceError::Refused { .. } => (
            "The card keeps the record it has",
            "The office's certificates must grant read-dg17 and write-dg17.",
            exit::REFUSED,
        ),
        ReplaceError::Uncertain(_) => (
            "The card was lost while it was written to",
            "It holds the old record or the new one, never half of one. Put it on the reader and do the same again.",
            exit::NO_CARD,
        ),
        ReplaceError::Different { .. } => (
            "The card does not show what it took",
            "Do not hand it out: replace the card and report it.",
            exit::REFUSED,
        ),
    }
}

fn service(error: &ServiceError) -> (&'static str, &'static str, u8) {
    match error {
        ServiceError::NotRunning => {
            ("The smart card service is not running", "Start it: sudo systemctl start pcscd.socket", exit::NO_CARD)
        }
        ServiceError::Failed { .. } => {
            ("The smart card service failed", "Restart pcscd and plug the reader in again.", exit::NO_CARD)
        }
    }
}

fn install(error: &InstallError) -> (&'static str, &'static str, u8) {
    match error {
        InstallError::Rollback { .. } => (
            "The bundle is older than the installed one",
            "Get the newest bundle; an older one is never installed over it.",
            exit::TRUST,
        ),
        InstallError::OtherPins { .. } => (
            "The bundle has other signers",
            "Leave --pin out: signers change by a bundle that the known ones signed. If the paper says otherwise, ask the \
             authority; then install into a new directory.",
            exit::TRUST,
        ),
        InstallError::NoPins => (
            "The bundle's signer is not known",
            "Give --pin with the fingerprint from the paper that came with the bundle.",
            exit::USAGE,
        ),
        InstallError::Bundle(BundleError::TooFewNextSignatures { .. }) => {
            ("The bundle is not believed", "Get the bundle again when its next signers have signed it.", exit::TRUST)
        }
        InstallError::Bundle(_) => (
            "The bundle is not believed",
            "Compare the fingerprint with the one on paper; get the bundle again.",
            exit::TRUST,
        ),
        InstallError::NoBase { .. } | InstallError::Delta(DeltaError::OtherBase { .. }) => (
            "The delta does not build on the installed bundle",
            "Get the newest bundle, or the delta from the installed one.",
            exit::TRUST,
        ),
        InstallError::Delta(_) => ("The delta cannot be used", "Get it again, or the full bundle.", exit::TRUST),
        InstallError::NothingFound(_) => {
            ("Nothing was installed", "Name the folder that the bundle is in, or the bundle itself.", exit::TRUST)
        }
        InstallError::Installed(_) => (
            "The installed trust store is not usable",
            "Install into a new directory and report the old one.",
            exit::TRUST,
        ),
        InstallError::Read { .. } => ("The folder cannot be read", "Check the path and its permissions.", exit::USAGE),
        InstallError::Write { .. } => {
            ("The trust store cannot be written", "Check its permissions and the space left.", exit::TRUST)
        }
    }
}

fn connect(error: &ConnectError) -> (&'static str, &'static str, u8) {
    match error {
        ConnectError::Service(error) => service(error),
        ConnectError::NoSuchReader { .. } | ConnectError::Ambiguous { .. } => {
            ("The reader is not known", "Copy a name from `bitaqa-reader readers`.", exit::NO_CARD)
        }
        ConnectError::NoCard { .. } => {
            ("There is no card", "Put the card on the reader and leave it there.", exit::NO_CARD)
        }
        ConnectError::Mute { .. } => ("The card does not answer", "Turn the card over and try again.", exit::NO_CARD),
        ConnectError::Busy { .. } => ("The card is in use", "Close the program that holds it.", exit::NO_CARD),
        ConnectError::TimedOut { .. } => ("The reader does not answer", "Plug the reader in again.", exit::NO_CARD),
        ConnectError::Handshake { .. } | ConnectError::Socket { .. } => (
            "The soft card does not answer",
            "Start it: bitaqa-soft-card run --state FILE --listen PATH",
            exit::NO_CARD,
        ),
    }
}
