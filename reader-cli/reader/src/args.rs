//! The command line.

mod examples;

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::Timestamp;

use self::examples::{CITIZEN_HELP, EXPLAIN_EXAMPLES, INSTALL_EXAMPLES, VERIFY_EXAMPLES};
use crate::exit;

/// Read and judge national identity cards.
#[derive(Parser)]
#[command(name = "bitaqa-reader", version, after_help = exit::HELP, propagate_version = true)]
pub struct Args {
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// List the readers and what is in them
    Readers(Readers),
    /// Read a card and judge whether it is genuine and valid
    Verify(Verify),
    /// Judge a document's files without its card: EF.SOD, data groups, EF.COM
    Judge(Judge),
    /// Read a card's files into a directory, without judging them
    Read(Read),
    /// Read a card's citizen application; with the PIN its keys and residence record too
    Citizen(Citizen),
    /// Write a new residence record to its holder's card, as a residence office
    Residence(Residence),
    /// Show what files of a chip hold, field by field, without judging them
    Show(Show),
    /// Send commands to a card as they are and explain its answers
    Apdu(Apdu),
    /// Install or show the trust bundle that cards are judged against
    #[command(subcommand)]
    Trust(Trust),
    /// Explain a check, a verdict or a step of the ladder; without a name, list them all
    Explain(Explain),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write one page for each command into a directory
    Man {
        /// The directory
        #[arg(long, alias = "dir", value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// Where the card is.
#[derive(Group)]
pub struct Source {
    /// Name of the PC/SC reader, or a part that fits only one; without it, the only reader that holds a card
    #[arg(long, value_name = "NAME")]
    pub reader: Option<String>,
    /// Socket on which a soft card listens, instead of a reader
    #[arg(long, value_name = "PATH", conflicts_with = "reader")]
    pub socket: Option<PathBuf>,
    /// Write the dialogue with the card to this new file, secrets masked
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
}

/// What opens the chip. These are printed on the card; they keep a chip from being read unnoticed, and are no secret of the holder's.
#[derive(Group)]
#[group(id = "access-password", multiple = false)]
pub struct AccessKey {
    /// Card access number, as printed
    #[arg(long, value_name = "DIGITS", group = "access-password")]
    pub can: Option<String>,
    /// File that holds the card access number; - is standard input
    #[arg(long, value_name = "FILE", group = "access-password")]
    pub can_file: Option<PathBuf>,
    /// Machine-readable zone, its lines joined or separated by spaces; or NUMBER,YYMMDD,YYMMDD (document, birth, expiry)
    #[arg(long, value_name = "TEXT", group = "access-password")]
    pub mrz: Option<String>,
    /// File that holds the machine-readable zone; - is standard input
    #[arg(long, value_name = "FILE", group = "access-password")]
    pub mrz_file: Option<PathBuf>,
}

impl AccessKey {
    /// Whether the command line says what opens the chip.
    pub const fn is_given(&self) -> bool {
        self.can.is_some() || self.can_file.is_some() || self.mrz.is_some() || self.mrz_file.is_some()
    }
}

/// How the chip is read.
#[derive(Group)]
pub struct Reading {
    /// Basic Access Control on a card that offers no PACE
    #[arg(long, value_enum, default_value_t = Bac::Never, value_name = "POLICY")]
    pub bac: Bac,
    /// Leave the portrait out, which is most of the reading time; at best the verdict is then GENUINE_STATUS_UNKNOWN
    #[arg(long)]
    pub skip_image: bool,
    /// Folder of this terminal, as `bitaqa-pki cvc terminal` makes it: with it, fingers and irises are read from chips that
    /// believe its certificates
    #[arg(long, value_name = "DIR")]
    pub terminal: Option<PathBuf>,
    /// File that holds the passphrase of the terminal's key in its first line; without it, the passphrase is asked for
    #[arg(long, value_name = "FILE", requires = "terminal")]
    pub terminal_passphrase_file: Option<PathBuf>,
}

/// Whether BAC may be used.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Bac {
    /// PACE only
    Never,
    /// Only when the card offers no PACE
    Allowed,
}

impl From<Bac> for inspection::Bac {
    fn from(bac: Bac) -> Self {
        match bac {
            Bac::Never => inspection::Bac::Never,
            Bac::Allowed => inspection::Bac::Allowed,
        }
    }
}

/// Arguments of `readers`.
#[derive(Group)]
#[command(after_help = "Example:\n  bitaqa-reader readers")]
pub struct Readers {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `verify`.
#[derive(Group)]
#[command(after_help = VERIFY_EXAMPLES)]
pub struct Verify {
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub access: AccessKey,
    #[command(flatten)]
    pub reading: Reading,
    /// Judge stored evidence instead of a card
    #[arg(long, value_name = "FILE", conflicts_with_all = ["access-password", "reader", "socket", "journal", "save_evidence", "skip_image", "terminal"])]
    pub evidence: Option<PathBuf>,
    /// Judge for this time (RFC 3339) instead of now; for stored evidence only
    #[arg(long, value_name = "TIME", requires = "evidence")]
    pub at: Option<Timestamp>,
    /// Directory of the trust store [default: bitaqa/trust in XDG_DATA_HOME]
    #[arg(long, value_name = "DIR", env = "BITAQA_TRUST", hide_env_values = true)]
    pub trust: Option<PathBuf>,
    /// Store what was read, to be judged again later; of the files that are there only older evidence is replaced
    #[arg(long, value_name = "FILE")]
    pub save_evidence: Option<PathBuf>,
    /// Write a report page with the portrait; of the files that are there only an older page is replaced
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `judge`.
#[derive(Group)]
#[command(after_help = "Example:\n  bitaqa-reader judge EF_SOD.bin EF_DG1.bin EF_DG2.bin --trust post\n\n\
    Files are as a chip holds them; what each is, its first byte says. Signature, chain and hashes are judged as for a card.\n\
    Without the chip no verdict is better than UNREADABLE: files can be a copy.")]
pub struct Judge {
    /// The files, EF.SOD among them
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub judging: Judging,
}

/// How evidence is judged, and what is told of it.
#[derive(Group)]
pub struct Judging {
    /// Judge for this time (RFC 3339) instead of now
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
    /// Directory of the trust store [default: bitaqa/trust in XDG_DATA_HOME]
    #[arg(long, value_name = "DIR", env = "BITAQA_TRUST", hide_env_values = true)]
    pub trust: Option<PathBuf>,
    /// Write a report page with the portrait; of the files that are there only an older page is replaced
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `read`.
#[derive(Group)]
#[command(after_help = "Example:\n  bitaqa-reader read --can 123456 --out card-1")]
pub struct Read {
    /// Directory for the files; it is made, and must be empty if it is there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub access: AccessKey,
    #[command(flatten)]
    pub reading: Reading,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `show`.
#[derive(Group)]
#[command(
    after_help = "Example:\n  bitaqa-reader show out/EF_DG1.bin out/EF_COM.bin\n  bitaqa-reader show --as EF.ATR/INFO out/EF_ATR_INFO.bin\n\n\
    What a file is, its first byte says. Whether it is genuine, only judge and verify say."
)]
pub struct Show {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Take the files for this one (EF.DG1, DG1, EF.ATR/INFO)
    #[arg(long = "as", value_name = "NAME")]
    pub kind: Option<String>,
    /// Print one JSON object for each file
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `apdu`.
#[derive(Group)]
#[command(after_help = "Example:\n  bitaqa-reader apdu 00A4040C07A0000002471001")]
pub struct Apdu {
    #[command(flatten)]
    pub source: Source,
    /// Commands in hexadecimal; without any, one a line from standard input
    #[arg(value_name = "APDU")]
    pub commands: Vec<String>,
    /// Print one JSON object for each command
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `citizen`.
#[derive(Group)]
#[command(after_help = CITIZEN_HELP)]
pub struct Citizen {
    #[command(flatten)]
    pub source: Source,
    /// Certificate of a citizen CA (DER or PEM); without it, those in the folder citizen-ca of the trust store
    #[arg(long, value_name = "FILE")]
    pub citizen_ca: Vec<PathBuf>,
    /// Revocation list of a citizen CA (DER or PEM); without it, those in the folder citizen-crl of the trust store
    #[arg(long, value_name = "FILE")]
    pub crl: Vec<PathBuf>,
    /// Ask the holder for the PIN, without echo: the card proves its keys and shows the residence record; a wrong PIN spends one of
    /// its tries
    #[arg(long, group = "holder-pin")]
    pub pin: bool,
    /// File that holds the PIN in its first line; it is not tried when it would be the last try
    #[arg(long, value_name = "FILE", group = "holder-pin")]
    pub pin_file: Option<PathBuf>,
    #[command(flatten)]
    pub access: AccessKey,
    /// Directory of the trust store [default: bitaqa/trust in XDG_DATA_HOME]
    #[arg(long, value_name = "DIR", env = "BITAQA_TRUST", hide_env_values = true)]
    pub trust: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `residence`.
#[derive(Group)]
#[command(
    after_help = "Example:\n  bitaqa-reader residence residence.bin --can 123456 --trust post --terminal UTOFFICE\n\n\
    The card is read and judged first; only a GENUINE_VALID one whose holder the record names is written to. Then it must know the\n\
    office: its certificates grant read-dg17 and write-dg17. What was written is read back in the same session. The signature of\n\
    a record is not judged here. Exit code 0: the card has shown the new record; that of the verdict: the card was not written to;\n\
    21: the card refused, or does not show what it took; 20: it was lost, and holds the old record or the new one."
)]
pub struct Residence {
    /// The signed record, as `bitaqa-pki ds residence` makes it
    #[arg(value_name = "RECORD")]
    pub record: PathBuf,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub access: AccessKey,
    /// Folder of this office, as `bitaqa-pki cvc terminal` makes it
    #[arg(long, value_name = "DIR")]
    pub terminal: PathBuf,
    /// File that holds the passphrase of the office's key in its first line; without it, the passphrase is asked for
    #[arg(long, value_name = "FILE")]
    pub terminal_passphrase_file: Option<PathBuf>,
    /// Directory of the trust store [default: bitaqa/trust in XDG_DATA_HOME]
    #[arg(long, value_name = "DIR", env = "BITAQA_TRUST", hide_env_values = true)]
    pub trust: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// The trust store.
#[derive(Subcommand)]
pub enum Trust {
    /// Install a trust bundle, a delta, or the newest that a folder has; never an older one than the installed one
    #[command(after_help = INSTALL_EXAMPLES)]
    Install {
        /// A bundle, a delta on top of the installed bundle, or a folder with bundles and deltas, such as a memory stick
        #[arg(value_name = "BUNDLE")]
        source: PathBuf,
        /// Fingerprint of a bundle signer's key (SHA-256, hexadecimal), as received on paper, in quotation marks where it has
        /// spaces; needed the first time, once for each signer
        #[arg(long, value_name = "HEX")]
        pin: Vec<String>,
        /// How many of these signers must have signed; needed with several pins
        #[arg(long, value_name = "N", requires = "pin")]
        threshold: Option<usize>,
        /// Directory of the trust store [default: bitaqa/trust in XDG_DATA_HOME]
        #[arg(long, value_name = "DIR", env = "BITAQA_TRUST", hide_env_values = true)]
        trust: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Set after how many days a bundle is out of date at this post, whatever it says itself
    #[command(
        group = clap::ArgGroup::new("limit").required(true),
        after_help = "Example:\n  bitaqa-reader trust limit --maximum-age 30"
    )]
    Limit {
        /// Days after the bundle's issue
        #[arg(long, value_name = "DAYS", group = "limit")]
        maximum_age: Option<u16>,
        /// No limit of this post: the bundle alone decides
        #[arg(long, group = "limit")]
        none: bool,
        /// Directory of the trust store [default: bitaqa/trust in XDG_DATA_HOME]
        #[arg(long, value_name = "DIR", env = "BITAQA_TRUST", hide_env_values = true)]
        trust: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show what is installed
    #[command(after_help = "Example:\n  bitaqa-reader trust show --json")]
    Show {
        /// Directory of the trust store [default: bitaqa/trust in XDG_DATA_HOME]
        #[arg(long, value_name = "DIR", env = "BITAQA_TRUST", hide_env_values = true)]
        trust: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Arguments of `explain`.
#[derive(Group)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub struct Explain {
    /// Id of a check, a verdict, or a step of the ladder
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
