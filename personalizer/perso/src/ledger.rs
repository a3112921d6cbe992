//! The ledger: what a printing centre did with every blank and every document number.
//!
//! ```text
//! {"v":1,"n":4,"at":"2026-11-22T17:00:00Z","prev":"<SHA-256 of the line before>","event":"intent", ...}
//! ```
//!
//! One JSON object a line, only ever appended, each line bound to the one before by its hash, every line on the disk
//! before the step it announces is taken. The last line is noted down in a second file, `<ledger>.head`, so that lines cut off
//! the end, or an old copy, are noticed. One process at a time holds the file. A line that a crash cut off is
//! recognised on opening, cut away, and its loss recorded.
//!
//! What the lines say is kept in a [`Book`], which refuses what must never happen: a document number on two chips, a
//! chip with two document numbers, a card that had to be printed and was not in the good tray. No secret is ever written: keys, passwords and the access number have no field
//! here, and digests are only taken over bytes that nobody could guess: an order is digested together with its pictures.

mod book;
mod event;
mod head;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use openssl::sha::sha256;
use serde::{Deserialize, Serialize};

pub use book::{Balance, Book, CertificateRecord, ChipRecord, DocumentRecord, Rule};
pub use event::{Event, Motion, Phase, State, Step};
use head::HeadFile;

/// Version of the stored format.
pub const VERSION: u32 = 1;

/// The longest line accepted when a ledger is read.
const MAX_LINE: u64 = 64 * 1024;
/// What the first line gives as the hash of the line before.
const START: [u8; 32] = [0; 32];

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Version of the format.
    pub v: u32,
    /// Number of the line, from 1.
    pub n: u64,
    /// When it was written.
    pub at: Timestamp,
    /// SHA-256 of the line before, without its line feed, in hexadecimal.
    pub prev: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Why a ledger cannot be read, or a line not be written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The system refused.
    #[error("the ledger {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process holds it.
    #[error("the ledger {} is in use by another process", .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A line is not an entry.
    #[error("line {line} of the ledger is not an entry of this format")]
    NotAnEntry {
        /// The line, from 1.
        line: u64,
    },
    /// A line of another version.
    #[error("line {line} of the ledger has version {found}; this program reads version {VERSION}")]
    Version {
        /// The line, from 1.
        line: u64,
        /// The version found.
        found: u32,
    },
    /// A line does not follow the one before: something was changed, inserted or removed.
    #[error("line {line} of the ledger does not follow the line before: the ledger was altered")]
    Broken {
        /// The line, from 1.
        line: u64,
    },
    /// A line that was written is not there.
    #[error("the ledger {} does not contain line {line}, which was written: its end was cut off, or it is an old copy", .path.display())]
    Shortened {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// The line says something that must never happen.
    #[error("{rule}")]
    Refused {
        /// What must never happen.
        rule: Rule,
    },
    /// An earlier write failed; nothing may be done any more with this handle.
    #[error("an earlier write to the ledger failed; nothing more is done until it is opened again")]
    Poisoned,
}

/// An open ledger, held by this process.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    path: PathBuf,
    noted: HeadFile,
    head: [u8; 32],
    count: u64,
    book: Book,
    poisoned: bool,
}

/// A ledger that was read without being held.
#[derive(Debug)]
pub struct Reading {
    /// All whole lines.
    pub entries: Vec<Entry>,
    /// What they say.
    pub book: Book,
    /// Hash of the last line, in hexadecimal: note it down, and a later [`Reading::contains`] proves that nothing before was removed.
    pub head: String,
    /// Bytes of a last line that was cut off, if any.
    pub torn: usize,
    hashes: Vec<[u8; 32]>,
    whole: u64,
}

impl Reading {
    /// Reads and verifies the file.
    ///
    /// # Errors
    /// When it cannot be read, or a line is not what must stand there.
    pub fn of(path: &Path) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        Self::checked(&file, path)
    }

    fn checked(file: &File, path: &Path) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::Io { path: path.to_owned(), source };
        // Before the lines: another process may be writing.
        let noted = head::last(path).map_err(failed)?;
        let reading = read(file).map_err(|error| match error {
            ReadError::Io(source) => failed(source),
            ReadError::Ledger(error) => error,
        })?;
        match noted {
            Some((line, hash)) if !reading.has(line, &hash) => {
                Err(LedgerError::Shortened { path: path.to_owned(), line })
            }
            _ => Ok(reading),
        }
    }

    /// True when that line, from 1, has that hash.
    fn has(&self, line: u64, hash: &[u8; 32]) -> bool {
        let index = line.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.hashes.get(index)) == Some(hash)
    }

    /// True when a line with this hash (hexadecimal) is in the ledger.
    pub fn contains(&self, head: &str) -> bool {
        hex::decode(head).is_ok_and(|head| self.hashes.iter().any(|hash| hash[..] == head[..]))
    }
}

enum ReadError {
    Io(std::io::Error),
    Ledger(LedgerError),
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        ReadError::Io(error)
    }
}

impl From<LedgerError> for ReadError {
    fn from(error: LedgerError) -> Self {
        ReadError::Ledger(error)
    }
}

/// Reads from the start of the file. A last line without line feed is torn.
fn read(mut file: &File) -> Result<Reading, ReadError> {
    file.seek(SeekFrom::Start(0))?;
    let mut lines = BufReader::new(file);
    let mut reading = Reading {
        entries: Vec::new(),
        book: Book::default(),
        head: hex::encode(START),
        torn: 0,
        hashes: Vec::new(),
        whole: 0,
    };
    let mut head = START;
    for number in 1.. {
        let mut line = Vec::new();
        lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        match line.pop() {
            None => break,
            Some(b'\n') => {}
            Some(_) if line.len() as u64 + 1 == MAX_LINE => return Err(LedgerError::NotAnEntry { line: number }.into()),
            Some(_) => {
                reading.torn = line.len() + 1;
                break;
            }
        }
        let entry = follow(&line, number, &head)?;
        reading.book.apply(&entry).map_err(|rule| LedgerError::Refused { rule })?;
        reading.whole += line.len() as u64 + 1;
        head = sha256(&line);
        reading.hashes.push(head);
        reading.entries.push(entry);
    }
    reading.head = hex::encode(head);
    Ok(reading)
}

/// The entry in a line that must be number `line` and follow `head`.
fn follow(bytes: &[u8], line: u64, head: &[u8; 32]) -> Result<Entry, LedgerError> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let unreadable = |_| LedgerError::NotAnEntry { line };
    let Version { v } = serde_json::from_slice(bytes).map_err(unreadable)?;
    if v != VERSION {
        return Err(LedgerError::Version { line, found: v });
    }
    let entry: Entry = serde_json::from_slice(bytes).map_err(unreadable)?;
    if entry.n != line || entry.prev != hex::encode(head) {
        return Err(LedgerError::Broken { line });
    }
    Ok(entry)
}

impl Ledger {
    /// Opens the ledger, or begins one; verifies every line; repairs a last line that a crash cut off.
    ///
    /// # Errors
    /// When the file cannot be read, is held by another process, or was altered.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::Io { path: path.to_owned(), source };
        let begins = !path.exists();
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(failed)?;
        patient_lock(&file).map_err(|error| match error {
            TryLockError::WouldBlock => LedgerError::InUse { path: path.to_owned() },
            TryLockError::Error(source) => failed(source),
        })?;
        let Reading { book, head, torn, whole, entries, hashes, .. } = Reading::checked(&file, path)?;
        let mut ledger = Ledger {
            file,
            path: path.to_owned(),
            noted: HeadFile::open(path).map_err(failed)?,
            head: hashes.last().copied().unwrap_or(START),
            count: entries.len() as u64,
            book,
            poisoned: false,
        };
        tracing::debug!(path = %path.display(), lines = ledger.count, head, torn, "ledger opened");
        if torn > 0 {
            ledger.file.set_len(whole).map_err(failed)?;
            ledger.append(Event::Repaired { bytes: torn as u64 })?;
        }
        if begins {
            ledger.sync_folder().map_err(failed)?;
        }
        Ok(ledger)
    }

    /// What the lines say.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Hash of the last line, in hexadecimal.
    pub fn head(&self) -> String {
        hex::encode(self.head)
    }

    /// Writes one line and returns when it is on the disk.
    ///
    /// # Errors
    /// When the event must never happen (nothing is written), or the system refuses (nothing may be done any more).
    pub fn append(&mut self, event: Event) -> Result<(), LedgerError> {
        if self.poisoned {
            return Err(LedgerError::Poisoned);
        }
        let entry = Entry { v: VERSION, n: self.count + 1, at: Timestamp::now(), prev: hex::encode(self.head), event };
        let mut line = serde_json::to_vec(&entry)
            .map_err(|error| LedgerError::Io { path: self.path.clone(), source: error.into() })?;
        // What is refused leaves the book as it was. Should the write fail, the book is ahead of the disk and nobody asks it.
        self.book.apply(&entry).map_err(|rule| LedgerError::Refused { rule })?;
        let head = sha256(&line);
        line.push(b'\n');
        tracing::debug!(n = entry.n, event = ?entry.event, "ledger");
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        let written = written.and_then(|()| self.noted.note(entry.n, &head));
        if let Err(source) = written {
            self.poisoned = true;
            return Err(LedgerError::Io { path: self.path.clone(), source });
        }
        self.head = head;
        self.count = entry.n;
        Ok(())
    }

    /// A new file is only there after a crash when its folder is on the disk too.
    fn sync_folder(&self) -> std::io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

/// Takes the lock, or gives up after a second: a program that this process is just starting holds every open file
/// for a moment, until it begins.
fn patient_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..20 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(50)),
            result => return result,
        }
    }
    Err(TryLockError::WouldBlock)
}

#[cfg(test)]
mod tests;
