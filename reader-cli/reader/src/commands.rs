//! One file for each command; each returns its exit code.

mod apdu;
mod citizen;
mod explain;
mod judge;
mod manual;
mod read;
mod readers;
mod show;
mod trust;
mod verify;

use std::path::PathBuf;

use channel::random::OsRandom;
use inspection::{Access, Evidence, Options, inspect};
use jiff::Timestamp;
use link::Recorded;

use crate::args::{AccessKey, Command, Reading, Source};
use crate::failure::Error;
use crate::progress::Display;
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
        Command::Apdu(args) => apdu::run(&args),
        Command::Trust(args) => trust::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { dir } => manual::man(dir.as_deref()),
    }
}

/// Reads the card: the one place where the stack of layers is put together.
fn evidence(from: &Source, key: &AccessKey, reading: &Reading) -> Result<Evidence, Error> {
    let access: Access = access::access(key, reading.bac.into())?;
    let terminal = reading.terminal.as_deref();
    let terminal = terminal.map(|folder| terminal::open(folder, reading.terminal_passphrase_file.as_deref(), now()));
    let terminal = terminal.transpose()?;
    let mut powered = source::connect(from)?;
    let extended = powered.connection.extended_length();
    let mut options = Options::new(now());
    options.skip_image = reading.skip_image;
    options.terminal = terminal;
    options.extended_length = extended.is_some();
    options.reader_limit = extended.unwrap_or(options.reader_limit);
    let display = Display::new();
    let mut show = |progress| display.show(progress);
    Ok(match powered.journal {
        Some(journal) => {
            let mut card = Recorded::new(powered.connection, journal);
            inspect(&mut card, &access, &options, &mut OsRandom, &mut show)
        }
        None => inspect(&mut powered.connection, &access, &options, &mut OsRandom, &mut show),
    })
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
