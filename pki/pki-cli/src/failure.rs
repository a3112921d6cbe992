//! What an operator is told when something does not work: what, why, what to do.

use std::path::Path;

use authority::{InitError, IssueError, KeyError, OpenError, StateError};
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
            println!("{}", json!({ "version": 1, "error": error }));
        } else {
            eprintln!("error: {}\n  why: {}\n  do:  {}", self.what, self.why, self.remedy);
        }
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
            what: "A passphrase is needed.".to_owned(),
            why: why.to_owned(),
            remedy: "Give --passphrase-file FILE or --passphrase-fd N, or set BITAQA_PASSPHRASE_FILE.".to_owned(),
            exit: USAGE,
        }
    }

    /// No passphrase for a new signer's key was given and none can be asked for.
    pub fn no_signer_passphrase(why: &str) -> Self {
        Failure {
            what: "The new document signer needs a passphrase of its own.".to_owned(),
            why: why.to_owned(),
            remedy: "Give --signer-passphrase-file FILE or --signer-passphrase-fd N, or set \
                     BITAQA_SIGNER_PASSPHRASE_FILE; or choose --same-passphrase."
                .to_owned(),
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

impl From<IssueError> for Failure {
    fn from(error: IssueError) -> Self {
        let why = error.to_string();
        let (remedy, exit) = match error {
            IssueError::Open(error) => return error.into(),
            IssueError::Busy(_) => ("Wait until the other process has ended, then repeat the command.", TRUST),
            IssueError::Key { error, .. } | IssueError::NewKey(error) => key_advice(&error),
            IssueError::Signing(_) | IssueError::Library(_) => {
                ("Repeat the command; check the installed OpenSSL.", TRUST)
            }
            IssueError::File(_) => ("Check the permissions and the space on the disk, then repeat the command.", TRUST),
            IssueError::Date(_) => ("Set the clock of this machine.", TRUST),
            IssueError::CscaKeyEnded(_) => ("Set up a successor of the CSCA.", TRUST),
            IssueError::Name(_) => ("Choose a name such as ds-0002 or baghdad-2026-q4.", USAGE),
            IssueError::NameTaken(_) => ("Choose another name, or leave it out.", USAGE),
            IssueError::NoSuchSigner(_) => ("bitaqa-pki status lists the document signers.", USAGE),
            IssueError::RevocationListOutdated => ("Run bitaqa-pki crl issue first.", TRUST),
            IssueError::NotVerified => ("This is a fault of the program: report it.", 1),
        };
        Failure { what: "Nothing was issued.".to_owned(), why, remedy: remedy.to_owned(), exit }
    }
}

fn key_advice(error: &KeyError) -> (&'static str, u8) {
    match error {
        KeyError::WeakPassphrase => ("Choose a passphrase of several words.", USAGE),
        KeyError::WrongPassphrase => ("Give the passphrase of this key, or restore the file from its backup.", TRUST),
        KeyError::Unsupported => ("Restore the key file from its backup.", TRUST),
        KeyError::Library(_) => ("Check the installed OpenSSL.", TRUST),
    }
}
