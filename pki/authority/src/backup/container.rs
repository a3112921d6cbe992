//! The file: lines of JSON, each of bounded length, written and read in one pass.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::sha::Sha256;
use serde::{Deserialize, Serialize};

use super::{BackupError, FORMAT, Manifest, VERSION};
use crate::acts::{ACTS_FILE, ActsError, Chain};
use crate::files::{self, FileError};

/// Bytes of a file in one line.
const PIECE: usize = 1024 * 1024;
/// The longest line that is read.
const MAX_LINE: usize = 2 * PIECE;
/// The largest file in a backup.
const MAX_LENGTH: u64 = 64 * 1024 * 1024 * 1024;
/// No backup has more files.
pub const MAX_FILES: u64 = 100_000_000;
/// Nothing lies deeper.
const MAX_DEPTH: usize = 8;
/// The longest name of a file or folder.
const MAX_NAME: usize = 100;

/// What is wrong with a backup.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// Not what this program writes.
    #[error("it is not a line of a backup")]
    Line,
    /// Another format or version.
    #[error("format {format} version {version} is not known")]
    Version {
        /// Format named in the file.
        format: String,
        /// Version named in the file.
        version: u32,
    },
    /// A name that leads elsewhere, or is none.
    #[error("{0:?} is not the name of a file in a backup")]
    Name(String),
    /// Names are in order, each once.
    #[error("{0:?} stands twice or out of order")]
    Order(String),
    /// Too much.
    #[error("it holds more than a backup may")]
    TooLarge,
    /// The bytes are not those that were kept.
    #[error("{0} was altered")]
    Altered(String),
    /// The whole file is not what was written.
    #[error("the backup was altered or cut off")]
    End,
    /// The record of acts is not the one it was made with.
    #[error("the record of acts is not good: {0}")]
    Acts(String),
}

/// A file in a backup.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    #[serde(rename = "file")]
    pub path: String,
    /// Only its owner may read it.
    pub private: bool,
    pub length: u64,
    pub sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    content: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    files: u64,
    sha256: String,
}

/// Whether it is the name of a file below a directory: no way out of it, and nothing that hides.
pub(super) fn is_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let part = |part: &str| (1..=MAX_NAME).contains(&part.len()) && !part.starts_with('.') && part.bytes().all(plain);
    path.split('/').count() <= MAX_DEPTH && path.split('/').all(part)
}

/// An empty folder: its name ends with a slash.
pub(super) fn is_folder(path: &str) -> bool {
    path.ends_with('/')
}

/// A backup being written beside its final name.
pub(super) struct Writer {
    path: PathBuf,
    fresh: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    files: u64,
    finished: bool,
}

impl Writer {
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let fresh = files::fresh_name(path);
        let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh);
        let file = opened.map_err(|error| FileError { path: fresh.clone(), error })?;
        let file = BufWriter::new(file);
        Ok(Writer { path: path.to_owned(), fresh, file, hash: Sha256::new(), files: 0, finished: false })
    }

    pub fn line(&mut self, object: &impl Serialize) -> Result<(), FileError> {
        // Strings and numbers always serialize.
        let mut line = serde_json::to_vec(object).unwrap_or_default();
        line.push(b'\n');
        self.hash.update(&line);
        self.file.write_all(&line).map_err(|error| FileError { path: self.fresh.clone(), error })
    }

    /// A file that fits in one piece is read once, so that its digest is that of what is kept whatever happens to it; larger
    /// ones change under the lock only.
    pub fn file(&mut self, directory: &Path, path: &str) -> Result<(), BackupError> {
        self.files += 1;
        if is_folder(path) {
            let sha256 = hex::encode(Sha256::new().finish());
            return Ok(self.line(&Kept { path: path.to_owned(), private: true, length: 0, sha256 })?);
        }
        let place = directory.join(path);
        let failed = |error| FileError { path: place.clone(), error };
        let private = fs::metadata(&place).map_err(failed)?.permissions().mode() & 0o077 == 0;
        let mut length = 0;
        let mut hash = Sha256::new();
        let mut first = Vec::new();
        each_piece(&place, |piece| {
            length += piece.len() as u64;
            hash.update(piece);
            if first.is_empty() {
                first.extend_from_slice(piece);
            }
            Ok(())
        })?;
        let sha256 = hex::encode(hash.finish());
        self.line(&Kept { path: path.to_owned(), private, length, sha256: sha256.clone() })?;
        if first.len() as u64 == length {
            if length > 0 {
                self.line(&Content { content: STANDARD.encode(&first) })?;
            }
        } else {
            let mut again = Sha256::new();
            each_piece(&place, |piece| {
                again.update(piece);
                self.line(&Content { content: STANDARD.encode(piece) })
            })?;
            if hex::encode(again.finish()) != sha256 {
                return Err(BackupError::Changed(place));
            }
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<(), FileError> {
        let sha256 = hex::encode(self.hash.clone().finish());
        self.line(&End { files: self.files, sha256 })?;
        let failed = |error| FileError { path: self.path.clone(), error };
        self.file.flush().and_then(|()| self.file.get_ref().sync_all()).map_err(failed)?;
        fs::rename(&self.fresh, &self.path).map_err(failed)?;
        self.finished = true;
        files::sync_parent(&self.path).map_err(failed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.fresh);
        }
    }
}

fn each_piece(path: &Path, mut take: impl FnMut(&[u8]) -> Result<(), FileError>) -> Result<(), FileError> {
    let failed = |error| FileError { path: path.to_owned(), error };
    let mut file = File::open(path).map_err(failed)?;
    loop {
        let mut piece = Vec::new();
        Read::by_ref(&mut file).take(PIECE as u64).read_to_end(&mut piece).map_err(failed)?;
        if piece.is_empty() {
            return Ok(());
        }
        take(&piece)?;
    }
}

/// Reads all of a backup and gives every piece of every file to `put`, an empty one at each file's beginning. What is given was
/// not wholly verified yet; it was when this returns.
pub(super) fn read(
    path: &Path,
    mut put: impl FnMut(&Kept, &[u8]) -> Result<(), BackupError>,
) -> Result<Manifest, BackupError> {
    let file = File::open(path).map_err(|error| FileError { path: path.to_owned(), error })?;
    let mut lines = Lines { path, file: BufReader::new(file), number: 0, hash: Sha256::new() };
    let manifest: Manifest = lines.next()?;
    if manifest.format != FORMAT || manifest.version != VERSION {
        return Err(lines.damaged(Damage::Version { format: manifest.format, version: manifest.version }));
    }
    let (mut before, mut files, mut record) = (String::new(), 0, Record::default());
    loop {
        let hash = hex::encode(lines.hash.clone().finish());
        let kept = match lines.next::<Entry>()? {
            Entry::Kept(kept) => kept,
            Entry::End(end) => {
                if end.files != files || end.sha256 != hash || !lines.is_over()? {
                    return Err(lines.damaged(Damage::End));
                }
                break;
            }
        };
        files += 1;
        if !is_path(kept.path.strip_suffix('/').unwrap_or(&kept.path)) || (is_folder(&kept.path) && kept.length > 0) {
            return Err(lines.damaged(Damage::Name(kept.path)));
        }
        // A name is in order and no folder of a name before it, so nothing is written twice.
        if kept.path <= before || kept.path.starts_with(&format!("{before}/")) {
            return Err(lines.damaged(Damage::Order(kept.path)));
        }
        if kept.length > MAX_LENGTH || files > MAX_FILES {
            return Err(lines.damaged(Damage::TooLarge));
        }
        file_of(&mut lines, &kept, &mut record, &mut put)?;
        before = kept.path;
    }
    let chain = record.finish().map_err(|error| lines.damaged(Damage::Acts(error.to_string())))?;
    if chain != (manifest.acts, manifest.head.clone()) {
        return Err(lines.damaged(Damage::Acts("it does not end as the backup says".to_owned())));
    }
    Ok(manifest)
}

fn file_of(
    lines: &mut Lines<'_>,
    kept: &Kept,
    record: &mut Record,
    put: &mut impl FnMut(&Kept, &[u8]) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let (mut length, mut hash) = (0, Sha256::new());
    put(kept, &[])?;
    while length < kept.length {
        let content: Content = lines.next()?;
        let piece = STANDARD.decode(content.content).ok().filter(|piece| !piece.is_empty() && piece.len() <= PIECE);
        let piece = piece.ok_or_else(|| lines.damaged(Damage::Line))?;
        length += piece.len() as u64;
        hash.update(&piece);
        if kept.path == ACTS_FILE {
            record.take(&piece).map_err(|error| lines.damaged(Damage::Acts(error.to_string())))?;
        }
        put(kept, &piece)?;
    }
    if length != kept.length || hex::encode(hash.finish()) != kept.sha256 {
        return Err(lines.damaged(Damage::Altered(kept.path.clone())));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Kept(Kept),
    End(End),
}

struct Lines<'a> {
    path: &'a Path,
    file: BufReader<File>,
    number: u64,
    hash: Sha256,
}

impl Lines<'_> {
    fn next<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, BackupError> {
        self.number += 1;
        let mut line = Vec::new();
        let read = self.file.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut line);
        read.map_err(|error| FileError { path: self.path.to_owned(), error })?;
        if line.is_empty() {
            return Err(self.damaged(Damage::End));
        }
        self.hash.update(&line);
        let object = line.strip_suffix(b"\n").and_then(|line| serde_json::from_slice(line).ok());
        object.ok_or_else(|| self.damaged(Damage::Line))
    }

    fn is_over(&mut self) -> Result<bool, BackupError> {
        let rest = self.file.fill_buf().map_err(|error: io::Error| FileError { path: self.path.to_owned(), error })?;
        Ok(rest.is_empty())
    }

    fn damaged(&self, damage: Damage) -> BackupError {
        BackupError::Damaged { path: self.path.to_owned(), line: self.number, damage }
    }
}

/// The record of acts, whose chain is followed as its pieces come.
#[derive(Default)]
struct Record {
    chain: Chain,
    rest: Vec<u8>,
}

impl Record {
    fn take(&mut self, piece: &[u8]) -> Result<(), ActsError> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(part);
            if let Some(line) = self.rest.strip_suffix(b"\n") {
                self.chain.take(line)?;
                self.rest.clear();
            } else if self.rest.len() > PIECE {
                return Err(ActsError::NotAnEntry(self.chain.lines() + 1));
            }
        }
        Ok(())
    }

    /// How many acts, and the hash of the last. What an interruption left behind the last line is not an act.
    fn finish(self) -> Result<(u64, Option<String>), ActsError> {
        Ok((self.chain.lines(), self.chain.head()))
    }
}

#[cfg(test)]
mod tests {
    use super::is_path;

    #[test]
    fn names_lead_nowhere_else() {
        for good in ["state.json", "ds/ds-0001/key.p8", "cvc/UTISCVCA/issued/UTDV00001.cvcert"] {
            assert!(is_path(good), "{good}");
        }
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "ds/../../x",
            "ds//x",
            "ds/",
            ".state.json.new",
            "a\\b",
            "a b",
            "a/b/c/d/e/f/g/h/i",
        ] {
            assert!(!is_path(bad), "{bad}");
        }
        assert!(!is_path(&"a".repeat(101)));
    }
}
