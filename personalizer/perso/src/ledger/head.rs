//! The head of a ledger in a file of its own: how many lines there were, and the hash of the last.
//!
//! The chain of hashes shows what was changed inside a ledger, not what was cut off its end, nor that the whole file is an old
//! copy. So each line is also noted down here, after it is on the disk: `<number> <hash>`. The last whole line counts.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The end of the file that is read; a line has at most 86 bytes.
const TAIL: u64 = 4096;

/// The open file.
#[derive(Debug)]
pub(super) struct HeadFile(File);

impl HeadFile {
    /// Opens the file beside the ledger, or begins it.
    pub(super) fn open(ledger: &Path) -> io::Result<Self> {
        let path = path_beside(ledger);
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map(HeadFile)
    }

    /// Notes a line down and returns when that is on the disk.
    pub(super) fn note(&mut self, number: u64, hash: &[u8; 32]) -> io::Result<()> {
        // The line feed in front ends a line that a crash cut off.
        self.0.write_all(format!("\n{number} {}\n", hex::encode(hash)).as_bytes())?;
        self.0.sync_data()
    }
}

/// The line noted down last, if there is one.
pub(super) fn last(ledger: &Path) -> io::Result<Option<(u64, [u8; 32])>> {
    let mut file = match File::open(path_beside(ledger)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    // What stands after the last line feed is nothing, or was cut off.
    let mut lines = tail.rsplit(|byte| *byte == b'\n').skip(1);
    Ok(lines.find_map(|line| parse(std::str::from_utf8(line).ok()?)))
}

fn parse(line: &str) -> Option<(u64, [u8; 32])> {
    let (number, hash) = line.split_once(' ')?;
    Some((number.parse().ok()?, hex::decode(hash).ok()?.try_into().ok()?))
}

fn path_beside(ledger: &Path) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push(".head");
    name.into()
}
