//! Files that are old or new, never half-written: a fresh file beside them, on disk before it takes the name.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// The largest file of an authority that is read back, in bytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;
/// Nothing lies deeper below an authority's directory.
const MAX_DEPTH: usize = 5;
/// Folders with a file for every citizen; who writes there again clears away what was left.
const LARGE: [&str; 2] = ["certificates", "keys"];

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct FileError {
    /// The file or directory.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// Who may read a file.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    /// 0600: keys.
    Private,
    /// 0644: certificates, lists, public keys.
    Public,
}

/// A record as it stands in its file: JSON for people too, one line feed at its end.
pub(crate) fn json(record: &impl Serialize) -> Vec<u8> {
    // Records are of strings, numbers and dates: these always serialize.
    let mut bytes = serde_json::to_vec_pretty(record).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    // The beginning of a file must not pass for all of it.
    let whole = read.and_then(|_| match bytes.len() as u64 <= MAX_FILE {
        true => Ok(bytes),
        false => Err(io::ErrorKind::FileTooLarge.into()),
    });
    whole.map_err(|error| FileError { path: path.to_owned(), error })
}

/// `None` when there is no such file.
pub(crate) fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(FileError { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Creates or replaces a file. A leftover of an interrupted write is overwritten.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), FileError> {
    let fresh = fresh_name(path);
    write(&fresh, bytes, mode)
        .and_then(|()| fs::rename(&fresh, path))
        .inspect_err(|_| {
            // What a full disk left over must not stay on it.
            let _ = fs::remove_file(&fresh);
        })
        .and_then(|()| sync_parent(path))
        .map_err(|error| FileError { path: path.to_owned(), error })
}

/// Creates a directory (0700) with these files in one step: it is there with all of them or not at all.
pub(crate) fn create_directory(path: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), FileError> {
    let fresh = fresh_name(path);
    let build = || {
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        directory(&fresh)?;
        fill(&fresh)?;
        sync_directory(&fresh)?;
        fs::rename(&fresh, path)
    };
    build()
        .inspect_err(|_| {
            let _ = fs::remove_dir_all(&fresh);
        })
        .and_then(|()| sync_parent(path))
        .map_err(|error| FileError { path: path.to_owned(), error })
}

/// What interrupted writes left below a directory, sorted: names as [`replace`] and [`create_directory`] give them. The
/// counts of keys' uses, which others may be writing, and the folders with a file for every citizen are looked at only when
/// `all` is wanted.
pub(crate) fn leftovers(directory: &Path, all: bool) -> Result<Vec<PathBuf>, FileError> {
    let (mut found, mut folders) = (Vec::new(), vec![(directory.to_owned(), 0)]);
    while let Some((folder, depth)) = folders.pop() {
        let failed = |error| FileError { path: folder.clone(), error };
        for item in fs::read_dir(&folder).map_err(failed)? {
            let item = item.map_err(failed)?;
            let name = item.file_name().to_string_lossy().into_owned();
            let is_directory = item.file_type().map_err(failed)?.is_dir();
            if name.starts_with('.') && name.ends_with(".new") && (all || name != ".uses.json.new") {
                found.push(item.path());
            } else if is_directory && depth < MAX_DEPTH && !name.starts_with('.') && (all || !LARGE.contains(&&*name)) {
                folders.push((item.path(), depth + 1));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Removes what an interrupted write of this file left, if any.
pub(crate) fn discard_leftover(path: &Path) -> Result<(), FileError> {
    match remove(&fresh_name(path)) {
        Err(FileError { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Removes a file, or a directory with all that is in it.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(kind) if kind.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    removed.map_err(|error| FileError { path: path.to_owned(), error })
}

/// Creates one directory which only its owner may enter.
pub(crate) fn directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Writes a new file through to the disk.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: Mode) -> io::Result<()> {
    if path.exists() {
        fs::remove_file(path)?;
    }
    let bits = match mode {
        Mode::Private => 0o600,
        Mode::Public => 0o644,
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(bits).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_directory(Path::new(".")),
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

/// Names that start with a dot are never taken for finished ones.
pub(crate) fn fresh_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}
