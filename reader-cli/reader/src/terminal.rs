//! Who this terminal is, from the folder that `bitaqa-pki cvc terminal` makes: certificates and an encrypted key.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use channel::cvc::{Level, certificates};
use channel::secret::Secret;
use channel::terminal_auth::TerminalKey;
use inspection::procedure::Terminal;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::failure::Error;
use crate::secrets;

/// The certificates that lead to the terminal, and last its own.
const CHAIN: &str = "chain.cvcerts";
/// Its key.
const KEY: &str = "key.p8";
/// No file of such a folder is longer.
const MAX_FILE: u64 = 64 * 1024;

/// Opens the folder of a terminal, or of one of its keys: with several keys the newest that is certified. Says so when its
/// certificate has ended.
pub fn open(folder: &Path, passphrase_file: Option<&Path>, now: Timestamp) -> Result<Terminal, Error> {
    let folder = newest(folder)?;
    let (chain_path, key_path) = (folder.join(CHAIN), folder.join(KEY));
    let chain = certificates(&file(&chain_path)?)
        .map_err(|source| Error::TerminalCertificates { path: chain_path.clone(), source })?;
    let own = chain.last().filter(|last| last.body().chat.level() == Level::Terminal);
    let own =
        own.ok_or(Error::NoTerminal { path: chain_path, reason: "the last certificate is not that of a terminal" })?;
    if !key_path.exists() {
        return Err(Error::NoTerminal {
            path: key_path,
            reason: "there is no key; one in a token cannot be used here yet",
        });
    }
    let pem = file(&key_path)?;
    let passphrase = passphrase(passphrase_file)?;
    let key = TerminalKey::open(&pem, &passphrase, own);
    let key = key.map_err(|source| Error::TerminalKey { path: key_path, source })?;
    let (holder, last_day) = (&own.body().holder, own.body().expires);
    if now.to_zoned(TimeZone::UTC).date() > last_day {
        eprintln!("the certificate of {holder} ended on {last_day}: chips that know the day will refuse it");
    }
    Ok(Terminal::new(chain, key))
}

/// The folder of the newest key that has certificates: `generations/NUMBER`, or the folder itself.
fn newest(folder: &Path) -> Result<PathBuf, Error> {
    if folder.join(CHAIN).exists() {
        return Ok(folder.to_owned());
    }
    let generations = folder.join("generations");
    let entries = fs::read_dir(&generations).into_iter().flatten().flatten();
    let numbered = entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())));
    let certified = numbered.filter(|(_, path)| path.join(CHAIN).exists());
    let newest = certified.max_by_key(|(number, _)| *number).map(|(_, path)| path);
    newest.ok_or(Error::NoTerminal { path: folder.to_owned(), reason: "there is no chain.cvcerts in it" })
}

fn file(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::ReadFile { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_FILE).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The first line of the file, or what is typed.
fn passphrase(path: Option<&Path>) -> Result<Secret, Error> {
    match path {
        Some(path) => secrets::first_line(path),
        None => {
            secrets::ask("Passphrase of the terminal's key: ").map_err(|reason| Error::NoTerminalPassphrase { reason })
        }
    }
}
