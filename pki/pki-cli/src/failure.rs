//! What an operator is told when something does not work: what, why, what to do.

mod backup;
mod cvc;

use std::io::{ErrorKind, Write};
use std::path::Path;

use authority::acts::ActsError;
use authority::ceremony::custody::CustodyError;
use authority::ceremony::{CeremonyError, CredentialError};
use authority::citizen_ca::CitizenError;
use authority::{
    InitError, IssueError, KeyError, LoadError, OpenError, SignError, SigningError, StateError, StatusError,
    TokenError, UseError, WorkerError,
};
use serde_json::json;

/// Exit code: the command line or what it names is wrong.
pub const USAGE: u8 = 2;
/// Exit code: keys, certificates, lists, bundles.
pub const TRUST: u8 = 40;

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
}

impl Failure {
    /// Prints it: words on stderr, or one JSON object on stdout.
    pub fn show(&self, as_json: bool) {
        if as_json {
            let error = json!({ "what": self.what, "why": self.why, "remedy": self.remedy, "exit": self.exit });
            // Where standard output is gone, the exit code still tells.
            let _ = writeln!(std::io::stdout(), "{}", json!({ "version": 1, "error": error }));
        } else {
            let _ = writeln!(std::io::stderr(), "error: {}\n  why: {}\n  do:  {}", self.what, self.why, self.remedy);
        }
    }

    /// Several failures as one, with the exit code of the first.
    pub fn together(failures: Vec<Failure>) -> Option<Failure> {
        failures.into_iter().reduce(|first, next| Failure {
            what: format!("{} {}", first.what, next.what),
            why: format!("{}; {}", first.why, next.why),
            remedy: if first.remedy == next.remedy {
                first.remedy
            } else {
                format!("{} {}", first.remedy, next.remedy)
            },
            exit: first.exit,
        })
    }

    /// Two entries of a new passphrase differ.
    pub fn passphrases_differ() -> Self {
        let (what, remedy) = ("The two passphrases differ.", "Type the same passphrase twice.");
        Failure {
            what: what.to_owned(),
            why: "one of them was mistyped".to_owned(),
            remedy: remedy.to_owned(),
            exit: USAGE,
        }
    }

    /// No passphrase was given and none can be asked for.
    pub fn no_passphrase(why: &str) -> Self {
        Failure {
            what: "A passphrase or PIN is needed.".to_owned(),
            why: why.to_owned(),
            remedy: "Give --passphrase-file FILE or --passphrase-fd N, or set BITAQA_PASSPHRASE_FILE.".to_owned(),
            exit: USAGE,
        }
    }

    /// No secret for a new signer's key was given and none can be asked for.
    pub fn no_signer_passphrase(why: &str) -> Self {
        Failure {
            what: "The new signer's key needs a passphrase or PIN of its own.".to_owned(),
            why: why.to_owned(),
            remedy: "Give --signer-passphrase-file FILE or --signer-passphrase-fd N (or --signer-pin-file, --signer-pin-fd), \
                     or set BITAQA_SIGNER_PASSPHRASE_FILE; or choose --same-passphrase."
                .to_owned(),
            exit: USAGE,
        }
    }

    /// The result cannot be printed.
    pub fn untold(error: &std::io::Error) -> Self {
        Failure {
            what: "The command was carried out, but its result could not be printed.".to_owned(),
            why: error.to_string(),
            remedy: "Make room where the output goes; bitaqa-pki status and acts show tell what was done.".to_owned(),
            exit: USAGE,
        }
    }

    /// An argument that is no text.
    pub fn no_text(argument: &std::ffi::OsStr) -> Self {
        Failure {
            what: "An argument cannot be used.".to_owned(),
            why: format!("{} is not UTF-8, so no message or file could name it", argument.display()),
            remedy: "Rename the file or directory.".to_owned(),
            exit: USAGE,
        }
    }

    /// A file that the command line names cannot be read.
    pub fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Failure {
            what: format!("{} cannot be read.", path.display()),
            why: error.to_string(),
            remedy: "Check the path and its permissions.".to_owned(),
            exit: USAGE,
        }
    }

    /// A file that the command line names cannot be written.
    pub fn unwritable(path: &Path, error: &std::io::Error) -> Self {
        Failure {
            what: format!("{} cannot be written.", path.display()),
            why: error.to_string(),
            remedy: "Check the path, its permissions and the space on the disk.".to_owned(),
            exit: USAGE,
        }
    }
}

impl From<InitError> for Failure {
    fn from(error: InitError) -> Self {
        let why = error.to_string();
        match error {
            InitError::NotEmpty(_) => Failure {
                what: "The authority was not set up.".to_owned(),
                why,
                remedy: "Choose a directory that does not exist yet; an authority is never overwritten.".to_owned(),
                exit: USAGE,
            },
            InitError::Issue(error) => Failure { what: "The authority was not set up.".to_owned(), ..error.into() },
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let remedy = match &error {
            OpenError::State(StateError::File(error)) if error.error.kind() == ErrorKind::PermissionDenied => {
                "Ask whoever keeps the authority, or work as the user that its directory belongs to."
            }
            OpenError::State(StateError::File(_)) => {
                "Name the directory of an authority with --dir, or set one up with bitaqa-pki init."
            }
            OpenError::State(StateError::Version { .. } | StateError::Profile(_)) => {
                "Use the version of bitaqa-pki that wrote this directory, or a newer one."
            }
            OpenError::State(StateError::Json(_))
            | OpenError::File(_)
            | OpenError::Certificate { .. }
            | OpenError::Crl { .. }
            | OpenError::Key { .. }
            | OpenError::BundleSigner { .. } => "Restore the directory from its backup.",
        };
        Failure {
            what: "The authority cannot be opened.".to_owned(),
            why: error.to_string(),
            remedy: remedy.to_owned(),
            exit: TRUST,
        }
    }
}

impl From<StatusError> for Failure {
    fn from(error: StatusError) -> Self {
        let failure: Failure = match error {
            StatusError::Open(error) => error.into(),
            StatusError::Citizens(error) => error.into(),
            StatusError::Cv(error) => error.into(),
        };
        Failure { what: "The status cannot be told.".to_owned(), ..failure }
    }
}

impl From<CitizenError> for Failure {
    fn from(error: CitizenError) -> Self {
        let why = error.to_string();
        let (remedy, exit) = match error {
            CitizenError::Issue(error) => return error.into(),
            CitizenError::Missing => ("Set it up with bitaqa-pki citizen init.", USAGE),
            CitizenError::Moved => (
                "Name the folder that it was moved to as --dir. Only if it is lost or its time is over: bitaqa-pki citizen init --another.",
                USAGE,
            ),
            CitizenError::State(_) => ("Restore the directory citizen-ca from its backup.", TRUST),
            CitizenError::Request(_) => ("Let the card make a new key and a new request.", USAGE),
            CitizenError::Holder(_) => ("Correct it as the registration has it.", USAGE),
            CitizenError::KeyInUse(_) => ("Let the card make another key for this purpose.", USAGE),
            CitizenError::NoSuchCertificate(_) => ("Give the serial number as it stands in the certificate.", USAGE),
            CitizenError::KeyEnded(_) => {
                ("Move the folder citizen-ca away, then bitaqa-pki citizen init --another.", TRUST)
            }
        };
        Failure { what: "Nothing was issued.".to_owned(), why, remedy: remedy.to_owned(), exit }
    }
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        let (remedy, exit) = match &error {
            CredentialError::Exists(_) => ("Choose another file: a credential is never overwritten.", USAGE),
            CredentialError::File(_) => ("Check the path, its permissions and the space on the disk.", USAGE),
            CredentialError::Key(error) => key_advice(error),
            CredentialError::Signing(_) | CredentialError::Library(_) => ("Check the installed OpenSSL.", TRUST),
        };
        let what = "The credential cannot be used.".to_owned();
        Failure { what, why: error.to_string(), remedy: remedy.to_owned(), exit }
    }
}

impl From<CeremonyError> for Failure {
    fn from(error: CeremonyError) -> Self {
        let why = error.to_string();
        let (remedy, exit) = match error {
            CeremonyError::Init(error) => return error.into(),
            CeremonyError::Open(error) => return error.into(),
            CeremonyError::Issue(error) => return error.into(),
            CeremonyError::Credential(error) => return error.into(),
            CeremonyError::Script(_) => ("Correct the script before anybody signs it.", USAGE),
            CeremonyError::Stranger(_) => ("Give credentials of custodians whom the script names.", USAGE),
            CeremonyError::TooFew { .. } => ("Wait until enough custodians are present.", USAGE),
            CeremonyError::Transcript { .. } => {
                ("Keep this file and find out who altered it; begin a new ceremony.", TRUST)
            }
            CeremonyError::NotTranscript(_) => ("Name another file with --transcript: nothing is overwritten.", USAGE),
            CeremonyError::OtherAuthority(_) => {
                ("Find out who made it, and move it away; then the same command goes on from this step.", TRUST)
            }
            CeremonyError::OtherTranscript => {
                ("Name another file with --transcript, or let the same custodians go on.", USAGE)
            }
            CeremonyError::Closed => ("Replay it with bitaqa-pki ceremony verify, or name another file.", USAGE),
            CeremonyError::OtherOpen { .. } => (
                "Close that one first: run it with its own transcript. Remove the file that names it if it was given up.",
                USAGE,
            ),
            CeremonyError::Declined { .. } => ("Clear up why; the same command goes on from this step.", TRUST),
            CeremonyError::Clock { .. } => ("Set the clock of this machine, then repeat the command.", TRUST),
            CeremonyError::Room(_) => ("Run it at a terminal where the custodians can answer.", USAGE),
            CeremonyError::NoPassphrase => ("Give --passphrase-file FILE or --passphrase-fd N.", USAGE),
            CeremonyError::Exists(_) => {
                ("Name a directory that does not exist yet; an authority is never overwritten.", USAGE)
            }
            CeremonyError::File(_) => {
                ("Check the permissions and the space on the disk, then repeat the command.", TRUST)
            }
            CeremonyError::Module(_) => ("Name it with --token MODULE, or in the script, the same in both.", USAGE),
            CeremonyError::Token(error) => token_advice(&error),
            CeremonyError::Custody(error) => custody_advice(&error),
        };
        Failure { what: "The ceremony stopped.".to_owned(), why, remedy: remedy.to_owned(), exit }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let (remedy, exit) = match &error {
            LoadError::Key(error) => key_advice(error),
            LoadError::Worker(error) => worker_advice(error),
            LoadError::File(_) => ("Name the directory of a document signer with --signer.", USAGE),
            LoadError::Mandate { .. } => (
                "Name a document signer with --signer; for residence records also a residence signer (bitaqa-pki signer new residence).",
                USAGE,
            ),
            LoadError::Certificate(_) | LoadError::Mismatch | LoadError::NoUsagePeriod => {
                ("Restore the signer's directory from where it came, or make a new signer.", TRUST)
            }
        };
        let what = "The signer cannot be used; nothing was signed.".to_owned();
        Failure { what, why: error.to_string(), remedy: remedy.to_owned(), exit }
    }
}

impl From<SignError> for Failure {
    fn from(error: SignError) -> Self {
        let (remedy, exit) = match &error {
            SignError::OutsideUsagePeriod { .. } => {
                ("Set the clock, or use the next signer (bitaqa-pki ds ensure).", TRUST)
            }
            SignError::Uses(error) => use_advice(error),
            SignError::Content(_) | SignError::SecurityInfos => ("Correct the data groups.", USAGE),
            SignError::Key(error) => signing_advice(error),
        };
        let what = "A document was not signed; others were, and stay so.".to_owned();
        Failure { what, why: error.to_string(), remedy: remedy.to_owned(), exit }
    }
}

impl From<CustodyError> for Failure {
    fn from(error: CustodyError) -> Self {
        let (remedy, exit) = custody_advice(&error);
        let what = "The passphrase or PIN that custodians share cannot be put together.".to_owned();
        Failure { what, why: error.to_string(), remedy: remedy.to_owned(), exit }
    }
}

fn custody_advice(error: &CustodyError) -> (&'static str, u8) {
    match error {
        CustodyError::TooFew(_) => ("Bring the custodians who shared this authority's passphrase or PIN.", USAGE),
        CustodyError::NotApproved(_) => (
            "Find out which ceremony wrote it; move it away only when nothing that it protects is needed any more.",
            USAGE,
        ),
        _ => ("Restore the custody file from its backup.", TRUST),
    }
}

impl From<ActsError> for Failure {
    fn from(error: ActsError) -> Self {
        let (remedy, exit) = acts_advice(&error);
        let what = "The record of acts is not good.".to_owned();
        Failure { what, why: error.to_string(), remedy: remedy.to_owned(), exit }
    }
}

impl From<IssueError> for Failure {
    fn from(error: IssueError) -> Self {
        let why = error.to_string();
        let (remedy, exit) = match error {
            IssueError::Open(error) => return error.into(),
            IssueError::Busy(_) => ("Wait until the other process has ended, then repeat the command.", TRUST),
            IssueError::Key { error, .. } | IssueError::NewKey(error) => key_advice(&error),
            IssueError::Signing(error) => signing_advice(&error),
            IssueError::Library(_) => ("Repeat the command; check the installed OpenSSL.", TRUST),
            IssueError::File(_) => ("Check the permissions and the space on the disk, then repeat the command.", TRUST),
            IssueError::Date(_) => ("Set the clock of this machine.", TRUST),
            IssueError::CscaKeyEnded(_) => (
                "Set up a new CSCA and hand it to other states as the first one was: nothing can be linked any more.",
                TRUST,
            ),
            IssueError::Acts(error) => acts_advice(&error),
            IssueError::Name(_) => ("Choose a name such as ds-0002 or baghdad-2026-q4.", USAGE),
            IssueError::NameTaken { .. } => ("Choose another name, or leave it out.", USAGE),
            IssueError::NoSuchSigner { .. } => {
                ("bitaqa-pki status lists the signers; the command with new makes one.", USAGE)
            }
            IssueError::SealLetters(_) => ("Choose two letters and a number, such as ab-0001.", USAGE),
            IssueError::SignerEnded { .. } => ("Make a new one, or name another with --signer.", TRUST),
            IssueError::NotCsca(_) => {
                ("Leave it out: a master list holds country signing CAs and their links only.", USAGE)
            }
            IssueError::Deviation { .. } => {
                ("Correct it; bitaqa-pki publish deviation-list --help shows an example.", USAGE)
            }
            IssueError::Defect { .. } => ("Correct it; bitaqa-pki publish defect-list --help shows an example.", USAGE),
            IssueError::ForeignList(_) | IssueError::ForeignDefectList { .. } => (
                "Have the CSCA that issued it believed first, with bitaqa-pki trust import; give its archive with --archive.",
                TRUST,
            ),
            IssueError::TooManyDefectLists(_) => {
                ("Leave out those that a newer list of the same State replaces.", USAGE)
            }
            IssueError::NumbersUsedUp => (
                "Find out who gave a list or bundle so high a number: bitaqa-pki acts verify, and the folder crl.",
                TRUST,
            ),
            IssueError::Fewer(_) => (
                "Give the whole file with --revoked-documents, the archive with --archive, every --defect-list; or, when all \
                 of that shall no longer count, --allow-fewer.",
                USAGE,
            ),
            IssueError::OwnDistrusted(_) => (
                "Give the CSCA a new key with bitaqa-pki csca rollover and new signers with ds new: the next bundle then leaves \
                 the distrusted key out. Was it distrusted by mistake, put the archive of before back from its backup.",
                TRUST,
            ),
            IssueError::LastBundle(_) => ("Restore it from the backup; or export with --allow-fewer.", TRUST),
            IssueError::RevocationListOutdated => ("Run bitaqa-pki crl issue or crl ensure first.", TRUST),
            IssueError::Lint(_) => {
                ("Correct the profile; bitaqa-pki lint --rules explains every rule. Otherwise report a fault.", 1)
            }
            IssueError::NotVerified => ("This is a fault of the program: report it.", 1),
        };
        Failure { what: "Nothing was issued.".to_owned(), why, remedy: remedy.to_owned(), exit }
    }
}

fn acts_advice(error: &ActsError) -> (&'static str, u8) {
    match error {
        ActsError::File(_) => ("Check the permissions and the space on the disk, then repeat the command.", TRUST),
        ActsError::Missing(_) => ("An authority of an older version begins its record with its next act.", TRUST),
        ActsError::Version { .. } => ("Use the version of bitaqa-pki that wrote this record, or a newer one.", TRUST),
        ActsError::Revocations(_) => ("Restore the directory from its backup.", TRUST),
        ActsError::NotAnEntry(_) | ActsError::Broken(_) | ActsError::HeadMissing(_) | ActsError::NoEnd(_) => (
            "Stop issuing, keep the directory as it is, compare it with its last backup and find out who was there.",
            TRUST,
        ),
    }
}

fn key_advice(error: &KeyError) -> (&'static str, u8) {
    match error {
        KeyError::WeakPassphrase => ("Choose a passphrase of several words.", USAGE),
        KeyError::WrongPassphrase => ("Give the passphrase of this key, or restore the file from its backup.", TRUST),
        KeyError::Unsupported | KeyError::WrongAlgorithm(_) | KeyError::NotOfCertificate | KeyError::Record { .. } => {
            ("Restore the key's directory from its backup.", TRUST)
        }
        KeyError::File(_) => ("Restore the key's directory from its backup, or check its permissions.", TRUST),
        KeyError::Library(_) => ("Check the installed OpenSSL.", TRUST),
        KeyError::Uses(error) => use_advice(error),
        KeyError::Token(error) => token_advice(error),
    }
}

fn signing_advice(error: &SigningError) -> (&'static str, u8) {
    match error {
        SigningError::Token(error) => token_advice(error),
        SigningError::Library(_) => ("Repeat the command; check the installed OpenSSL.", TRUST),
        SigningError::Uses(error) => use_advice(error),
        SigningError::Worker(error) => worker_advice(error),
    }
}

fn worker_advice(error: &WorkerError) -> (&'static str, u8) {
    match error {
        WorkerError::Start { .. } => {
            ("Check that the program is still where it was started, then repeat the command.", TRUST)
        }
        WorkerError::Refused(_) | WorkerError::Failed(_) => {
            ("Repeat the command without --signing-workers: it says what to do.", TRUST)
        }
        WorkerError::OtherKey | WorkerError::TooLong(_) => {
            ("Leave the signer's directory alone while it signs.", TRUST)
        }
        WorkerError::Died | WorkerError::Silent | WorkerError::Busy => {
            ("Repeat the command; if it happens again, check the token with its vendor's program.", TRUST)
        }
    }
}

fn use_advice(error: &UseError) -> (&'static str, u8) {
    match error {
        UseError::Exhausted { .. } => ("Use the next signer: bitaqa-pki ds new or signer new makes one.", TRUST),
        UseError::NotWritable { .. } => {
            ("Let whoever signs write in this directory, and do not keep it on a read-only disk.", TRUST)
        }
        UseError::File(_) => ("Check the signer's directory, its permissions and the space on the disk.", TRUST),
        UseError::Damaged { .. } => {
            ("Make a new signer, and no longer use this one: how often its key signed is not known.", TRUST)
        }
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        let (remedy, exit) = token_advice(&error);
        Failure { what: "The token did not do it.".to_owned(), why: error.to_string(), remedy: remedy.to_owned(), exit }
    }
}

fn token_advice(error: &TokenError) -> (&'static str, u8) {
    match error {
        TokenError::Module { .. } => ("Install the vendor's PKCS#11 module, and name its path.", TRUST),
        TokenError::NoToken { .. } | TokenError::Gone { .. } => {
            ("Insert or connect the token, check its label, then repeat the command.", TRUST)
        }
        TokenError::SeveralTokens { .. } => ("Remove the other token, or give it another label.", TRUST),
        TokenError::WrongPin { .. } => {
            ("Make sure of the PIN before the next try: a token locks itself after a few wrong ones.", TRUST)
        }
        TokenError::PinLocked { .. } => ("Have the token's security officer unlock the PIN.", TRUST),
        TokenError::PinNotSet { .. } => ("Set the user PIN of the token with its vendor's program.", TRUST),
        TokenError::Full { .. } | TokenError::WriteProtected { .. } => {
            ("Remove keys that are no longer needed from the token, or use another token.", TRUST)
        }
        TokenError::NoMaster { .. } | TokenError::SeveralMasters { .. } => {
            ("Check the label of the key, and that this is the token in which it was made.", TRUST)
        }
        TokenError::LabelTaken { .. } => ("Choose another label; a key is never replaced.", USAGE),
        TokenError::NotMaster { .. } => {
            ("Make a master key of the right kind with bitaqa-pki master-key new or import.", TRUST)
        }
        TokenError::NoKey { .. } | TokenError::SeveralKeys { .. } => {
            ("Check that this is the token in which the key was made, or restore the token from its backup.", TRUST)
        }
        TokenError::Unprotected { .. } => ("Do not use this key: make a new one in a token that protects it.", TRUST),
        TokenError::NotOffered { .. } => ("Choose another algorithm with --key, or another token.", USAGE),
        TokenError::Unusable { .. } | TokenError::Misbehaved { .. } => {
            ("Check the token with its vendor's program; update the vendor's PKCS#11 module.", TRUST)
        }
        TokenError::Refused { .. } => (
            "Check the token with its vendor's program, and whether it has space left; then repeat the command.",
            TRUST,
        ),
    }
}
