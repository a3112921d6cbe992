//! Files that are old or new, never half-written: a fresh file beside them, on disk before it takes the name.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The largest file of an authority that is read back, in bytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;

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

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| FileError { path: path.to_owned(), error })
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
        fs::rename(&fresh, path)?;
        sync_parent(path)
    };
    build().map_err(|error| FileError { path: path.to_owned(), error })
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

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_directory(Path::new(".")),
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

/// Names that start with a dot are never taken for finished ones.
fn fresh_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}
