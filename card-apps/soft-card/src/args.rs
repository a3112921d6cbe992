//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use soft_card::fault::Tear;

/// Cards in software: an eMRTD application, and a PIV application if wanted, under a GlobalPlatform issuer domain.
///
/// A card is a file. While `run` holds it, the card is in a reader: the virtual reader's slot (`--connect`) or a
/// socket of its own (`--listen`). Ending the program, by any signal, pulls the card out; the file is whole at any
/// moment.
#[derive(Parser)]
#[command(
    name = "bitaqa-soft-card",
    version,
    after_help = "\
Examples:
  bitaqa-soft-card new --state card.json
  bitaqa-soft-card new --state card.json --eid
  bitaqa-soft-card run --state card.json --connect /run/user/1000/bitaqa/slot.0
  bitaqa-soft-card run --state card.json --listen card.sock
  bitaqa-soft-card run --state card.json --listen card.sock --tear-at 12:after
  bitaqa-soft-card run --state card.json --listen card.sock --fault slow.toml
  bitaqa-soft-card new --state old.json --persona bac-only
  bitaqa-soft-card rack cards
  bitaqa-soft-card show --state card.json
  bitaqa-soft-card forge --state card.json --out clone.json --new-chip-key

Exit codes:
  0   done; the reader went away, or the card was torn as asked
  1   a fault of this machine or of the program
  2   wrong usage, a path that cannot be written, or a fault file that does not fit
  20  no such card or reader, or a card that cannot be used"
)]
pub struct Arguments {
    /// What is printed is one JSON object a line instead of words.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Subcommand)]
pub enum Verb {
    /// Make a blank card with the well-known test keys, and print its chip's serial number.
    New {
        /// The card's file; it must not exist.
        #[arg(long, value_name = "FILE")]
        state: PathBuf,
        /// Make of the card: a name of `bitaqa-soft-card personas`, or a file like those.
        #[arg(long, value_name = "NAME|FILE", default_value = "this-state")]
        persona: String,
        /// IC serial number and batch, 12 hexadecimal digits; random when not given.
        #[arg(long, value_name = "HEX")]
        serial: Option<Serial>,
        /// The keys that its maker delivers it with: a file of three lines, ENC, MAC, DEK in hexadecimal, 16, 24 or 32 bytes each; the
        /// well-known test keys when not given.
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
        /// With the citizen's PIV application, in its delivery state: empty, to be personalized by the issuer.
        #[arg(long)]
        eid: bool,
    },
    /// Put a card into a reader, until the reader or this program goes.
    Run {
        /// The card's file.
        #[arg(long, value_name = "FILE")]
        state: PathBuf,
        #[command(flatten)]
        at: Where,
        /// Run with the faults and lies of this file (hardware-docs/cards/faults.md).
        #[arg(long, value_name = "FILE", conflicts_with = "tear_at")]
        fault: Option<PathBuf>,
        /// Lose power at command N, counted from 0, before or after its work.
        #[arg(long, value_name = "N[:before|after]")]
        tear_at: Option<Tear>,
    },
    /// List the makes of cards that `new --persona` knows.
    Personas,
    /// Put up to 16 cards behind sockets of one folder, NAME.card behind NAME.sock, until this program ends.
    Rack {
        /// The folder with the cards.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Run every card with the faults and lies of this file (hardware-docs/cards/faults.md).
        #[arg(long, value_name = "FILE")]
        fault: Option<PathBuf>,
    },
    /// Say what a card holds, without its secrets.
    Show {
        /// The card's file.
        #[arg(long, value_name = "FILE")]
        state: PathBuf,
    },
    /// Make a forged copy of a personalized card, to see that it is found out.
    Forge {
        /// The original's file.
        #[arg(long, value_name = "FILE")]
        state: PathBuf,
        /// The forged card's file; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        forgery: Forgery,
    },
}

/// Where the card goes.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Where {
    /// Connect to a slot of the virtual reader.
    #[arg(long, value_name = "SOCKET")]
    pub connect: Option<PathBuf>,
    /// Wait for hosts at a socket of this name, one at a time.
    #[arg(long, value_name = "SOCKET")]
    pub listen: Option<PathBuf>,
}

/// What is forged.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Forgery {
    /// Change one character of this data group; the security object stays.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub alter_dg: Option<u8>,
    /// Copy everything to a chip with another key: a clone.
    #[arg(long)]
    pub new_chip_key: bool,
    /// Forge the memory as this file says (hardware-docs/cards/faults.md).
    #[arg(long, value_name = "FILE")]
    pub fault: Option<PathBuf>,
}

/// IC serial number and batch.
#[derive(Clone, Copy)]
pub struct Serial(pub [u8; 6]);

impl FromStr for Serial {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 6];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| "expected 12 hexadecimal digits")?;
        Ok(Serial(bytes))
    }
}
