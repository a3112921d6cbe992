//! One file for each command; each returns its exit code.

mod apdu;
mod citizen;
mod explain;
mod judge;
mod manual;
mod read;
mod readers;
mod residence;
mod show;
mod trust;
mod verify;

use std::path::PathBuf;

use channel::random::OsRandom;
use inspection::{Access, Evidence, Options, inspect};
use iso7816::Card;
use jiff::Timestamp;
use link::Recorded;

use crate::args::{AccessKey, Command, Reading, Source};
use crate::failure::Error;
use crate::progress::Display;
use crate::source::Powered;
use crate::{access, source, terminal};

/// Runs a command.
pub fn run(command: Command) -> Result<u8, Error> {
    match command {
        Command::Readers(args) => readers::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Judge(args) => judge::run(&args),
        Command::Read(args) => read::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Citizen(args) => citizen::run(&args),
        Command::Residence(args) => residence::run(&args),
        Command::Apdu(args) => apdu::run(&args),
        Command::Trust(args) => trust::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { out } => manual::man(out.as_deref()),
    }
}

/// Reads the card.
fn evidence(from: &Source, key: &AccessKey, reading: &Reading) -> Result<Evidence, Error> {
    let access: Access = access::access(key, reading.bac.into())?;
    let terminal = reading.terminal.as_deref();
    let terminal = terminal.map(|folder| terminal::open(folder, reading.terminal_passphrase_file.as_deref(), now()));
    let terminal = terminal.transpose()?;
    let powered = source::connect(from)?;
    let options = Options { skip_image: reading.skip_image, terminal, ..options(&powered) };
    Ok(with_card(powered, |card| inspected(card, &access, &options)))
}

/// How a travel document is read over this connection.
fn options(powered: &Powered) -> Options {
    let extended = powered.connection.extended_length();
    let options = Options::new(now());
    Options { extended_length: extended.is_some(), reader_limit: extended.unwrap_or(options.reader_limit), ..options }
}

/// The layers over a powered card: a journal of what is said, where one is kept.
fn with_card<T>(mut powered: Powered, work: impl FnOnce(&mut dyn Card) -> T) -> T {
    match powered.journal {
        Some(journal) => work(&mut Recorded::new(powered.connection, journal)),
        None => work(&mut powered.connection),
    }
}

fn inspected(card: &mut dyn Card, access: &Access, options: &Options) -> Evidence {
    let display = Display::new();
    inspect(card, access, options, &mut OsRandom, &mut |progress| display.show(progress))
}

/// The time by this computer's clock, in whole seconds.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// The directory of the trust store: the one named, or `bitaqa/trust` among the user's data.
fn trust_directory(named: Option<&PathBuf>) -> Result<PathBuf, Error> {
    if let Some(directory) = named {
        return Ok(directory.clone());
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let data = data.or_else(|| Some(set("HOME")?.join(".local/share")));
    Ok(data.ok_or(Error::NoTrustDirectory)?.join("bitaqa/trust"))
}
