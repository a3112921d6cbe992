//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use perso::profile::KeyDerivation;

/// Make cards from orders.
#[derive(Parser, Debug)]
#[command(name = "bitaqa-personalizer", version, after_help = crate::exit::HELP)]
pub struct Arguments {
    /// Print one JSON object a line instead of words.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make the cards of an order file.
    Run(Run),
    /// Bring an interrupted card to its end: finish it, or reject it.
    Recover(Recover),
    /// Draw the faces of an order without making a card.
    Preview(Preview),
    /// Look at the ledger.
    #[command(subcommand)]
    Ledger(Ledger),
    /// Look at orders.
    #[command(subcommand)]
    Orders(Orders),
    /// List the profiles, or print one.
    Profiles {
        /// Print the source of this profile.
        name: Option<String>,
    },
    /// Print the completion script of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
}

/// Orders and profile.
#[derive(Args, Debug)]
pub struct Work {
    /// The order file: one JSON object a line (see ORDERS.md).
    pub orders: PathBuf,
    /// Name of a profile, or a file that overrides one.
    #[arg(long, default_value = "specimen-uto")]
    pub profile: String,
}

/// What a card is made with.
#[derive(Args, Debug)]
pub struct Equipment {
    /// The reader of the chip station, by its name or a part of it.
    #[arg(long, conflicts_with = "socket", required_unless_present_any = ["socket", "dry_run"])]
    pub reader: Option<String>,
    /// The socket of a soft card that listens, in place of a reader.
    #[arg(long)]
    pub socket: Option<PathBuf>,
    /// Folder of the document signer: certificate.der and key.p8.
    #[arg(long, required_unless_present = "dry_run")]
    pub signer: Option<PathBuf>,
    /// Trust material that every card is judged with: a folder where a bundle was installed, or a bundle file.
    #[arg(long, required_unless_present = "dry_run")]
    pub trust: Option<PathBuf>,
    /// Fingerprint of the bundle's signer, hexadecimal; needed with a bundle file.
    #[arg(long)]
    pub pin: Option<String>,
    /// The ledger; begun when it does not exist.
    #[arg(long, required_unless_present = "dry_run")]
    pub ledger: Option<PathBuf>,
    /// A hash of the ledger noted down earlier: it must still be there.
    #[arg(long, value_name = "HASH")]
    pub head: Option<String>,
    /// Folder for what is kept of each card: faces and result.
    #[arg(long, required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// Keys of the chips.
    #[command(flatten)]
    pub keys: Keys,
    /// Certificate of a country verifying CA that the cards will believe (`bitaqa-pki cvc init` writes certificate.cvcert): for
    /// profiles with a table [eac], one for each authority in it. After a rollover the newest first, and the one before too.
    #[arg(long, value_name = "FILE")]
    pub cvca: Vec<PathBuf>,
    /// Folder of the authority whose citizen CA certifies the keys of the citizen application: for profiles with a table [eid].
    #[arg(long, value_name = "DIR", requires = "pin_letters")]
    pub citizen_ca: Option<PathBuf>,
    /// Read the citizen CA's passphrase (or the PIN of its token) from this file descriptor.
    #[arg(long, conflicts_with = "citizen_passphrase_file")]
    pub citizen_passphrase_fd: Option<u32>,
    /// Read the citizen CA's passphrase (or the PIN of its token) from the first line of this file.
    #[arg(long, env = "BITAQA_CITIZEN_PASSPHRASE_FILE")]
    pub citizen_passphrase_file: Option<PathBuf>,
    /// Folder for the letters with transport PIN and PUK, one file for each card, for its owner alone: whoever prints them must
    /// not hold the cards.
    #[arg(long, value_name = "DIR", requires = "citizen_ca")]
    pub pin_letters: Option<PathBuf>,
    /// Read the signer's passphrase from this file descriptor.
    #[arg(long, conflicts_with = "passphrase_file")]
    pub passphrase_fd: Option<u32>,
    /// Read the signer's passphrase from the first line of this file.
    #[arg(long, env = "BITAQA_PASSPHRASE_FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Write what is said to the chip into this file; secrets are masked.
    #[arg(long)]
    pub journal: Option<PathBuf>,
    /// Plan every card and print the plans; touch nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Keys of the chips: those that blanks arrive with, and the issuer's, which take their place when the profile has a table [keys].
#[derive(Args, Debug)]
pub struct Keys {
    /// File with the keys of the blanks: three lines, ENC, MAC, DEK in hexadecimal, or one with a master key when they are
    /// derived. The known test keys when absent, and only for profiles of the test series ZZ.
    #[arg(long, value_name = "FILE", conflicts_with = "card_key_label")]
    pub card_keys: Option<PathBuf>,
    /// The blanks' keys are derived, inside of the token, from its master key with this label.
    #[arg(long, value_name = "LABEL", requires = "token")]
    pub card_key_label: Option<String>,
    /// How the blanks' keys are derived: none, kdf3, visa2, emv or a template; the profile's choice when left out.
    #[arg(long, value_name = "METHOD", value_parser = KeyDerivation::from_str)]
    pub card_derivation: Option<KeyDerivation>,
    /// File with the issuer's keys: one line with a master key when each card's keys are derived, else three lines.
    #[arg(long, value_name = "FILE", conflicts_with = "issuer_key_label")]
    pub issuer_keys: Option<PathBuf>,
    /// The issuer's keys are derived, inside of the token, from its master key with this label.
    #[arg(long, value_name = "LABEL", requires = "token")]
    pub issuer_key_label: Option<String>,
    /// How the issuer's keys are derived: none, kdf3, visa2, emv or a template; the profile's choice when left out.
    #[arg(long, value_name = "METHOD", value_parser = KeyDerivation::from_str)]
    pub issuer_derivation: Option<KeyDerivation>,
    /// The token with the master keys (`bitaqa-pki master-key`): the vendor's PKCS#11 module.
    #[arg(long, value_name = "MODULE", requires = "token_label")]
    pub token: Option<PathBuf>,
    /// Label of the token.
    #[arg(long, value_name = "LABEL", requires = "token")]
    pub token_label: Option<String>,
    /// Read the token's PIN from this file descriptor.
    #[arg(long, value_name = "N", conflicts_with = "token_pin_file")]
    pub token_pin_fd: Option<u32>,
    /// Read the token's PIN from the first line of this file.
    #[arg(long, value_name = "FILE", env = "BITAQA_TOKEN_PIN_FILE")]
    pub token_pin_file: Option<PathBuf>,
}

// Lines that fit into a terminal of 80 columns: longer ones are broken where they may not be.
const RUN_EXAMPLES: &str = "\
Examples:
  bitaqa-personalizer run orders.jsonl --dry-run
  bitaqa-personalizer run orders.jsonl --reader ACS --printer /dev/ttyUSB0 \\
      --signer ds-0001 --trust trust --ledger ledger.jsonl --out cards

Keys from a token (bitaqa-pki master-key), for a profile with a table [keys]:
  bitaqa-personalizer run orders.jsonl --profile ours.toml ... \\
      --token /usr/lib/softhsm/libsofthsm2.so --token-label national \\
      --card-key-label transport-2026 --issuer-key-label issuer-2026

The citizen application, for a profile with a table [eid]:
  bitaqa-personalizer run orders.jsonl --profile specimen-uto-eid ... \\
      --citizen-ca pki --pin-letters letters";

const RECOVER_EXAMPLES: &str = "\
Examples:
  bitaqa-personalizer recover orders.jsonl --reader ACS \\
      --signer ds-0001 --trust trust --ledger ledger.jsonl --out cards
  bitaqa-personalizer recover orders.jsonl ... --printer /dev/ttyUSB0
  bitaqa-personalizer recover orders.jsonl ... --reject --document ZZ0000017

With a printer, a card that is inside is looked at first; else the next one
from the feeder, and only when a card is open in the ledger. A blank is given
back as it was.";

/// Make the cards of an order file.
#[derive(Args, Debug)]
#[command(after_help = RUN_EXAMPLES)]
pub struct Run {
    #[command(flatten)]
    pub work: Work,
    #[command(flatten)]
    pub equipment: Equipment,
    #[command(flatten)]
    pub machine: Machine,
    /// Stop after this many good cards.
    #[arg(long)]
    pub limit: Option<usize>,
    /// Enter this many blanks as received before beginning.
    #[arg(long, value_name = "COUNT")]
    pub blanks: Option<u32>,
    /// Stop the line after this many identical faults in a row.
    #[arg(long, default_value_t = perso::breaker::DEFAULT_LIMIT)]
    pub breaker: u32,
}

/// The printer.
#[derive(Args, Debug)]
pub struct Machine {
    /// Serial port of the printer. Without it cards are put into the reader by hand, and wait there for `recover --printer`;
    /// with `none` nothing is to be printed on the cards of this run.
    #[arg(long, value_name = "PORT")]
    pub printer: Option<String>,
    /// Make of the printer.
    #[arg(long, default_value = "evolis", value_parser = drivers())]
    pub driver: String,
    /// Wait at most this many seconds for a card in the chip station.
    #[arg(long, default_value_t = 60)]
    pub wait: u64,
}

fn drivers() -> PossibleValuesParser {
    printing::drivers::DRIVERS.iter().map(|driver| driver.name).collect::<Vec<_>>().into()
}

/// Bring an interrupted or unprinted card to its end: with a printer, the card is the next one in its feeder.
#[derive(Args, Debug)]
#[command(after_help = RECOVER_EXAMPLES)]
pub struct Recover {
    #[command(flatten)]
    pub work: Work,
    #[command(flatten)]
    pub equipment: Equipment,
    /// Reject the card, whatever its state.
    #[arg(long)]
    pub reject: bool,
    /// Reject this document number, also when its chip does not say any more who it is. No card is fed: only one that is in
    /// the station already is looked at.
    #[arg(long, value_name = "NUMBER", requires = "reject")]
    pub document: Option<String>,
    #[command(flatten)]
    pub machine: Machine,
}

/// Draw the faces of an order.
#[derive(Args, Debug)]
pub struct Preview {
    #[command(flatten)]
    pub work: Work,
    /// Document number; the first order of the file when absent.
    #[arg(long)]
    pub document: Option<String>,
    /// Folder for front.png and back.png.
    #[arg(long, default_value = ".")]
    pub out: PathBuf,
}

/// Look at the ledger.
#[derive(Subcommand, Debug)]
pub enum Ledger {
    /// Print the documents and where they stand.
    Show {
        /// The ledger.
        file: PathBuf,
    },
    /// Verify that nothing was altered, and print the hash of the last line.
    Verify {
        /// The ledger.
        file: PathBuf,
        /// A hash noted down earlier: it must still be there.
        #[arg(long)]
        head: Option<String>,
    },
    /// Print where all blanks are.
    Balance {
        /// The ledger.
        file: PathBuf,
        /// Blanks counted by hand; anything but the ledger's number is an error.
        #[arg(long)]
        counted: Option<i64>,
    },
}

/// Look at orders.
#[derive(Subcommand, Debug)]
pub enum Orders {
    /// Check an order file against the format and the profile: portraits, names, sizes, faces.
    Check(Work),
    /// Print the JSON Schema of an order.
    Schema,
}
