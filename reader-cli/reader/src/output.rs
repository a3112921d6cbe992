//! Standard output and private files.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde::Serialize;

use crate::failure::Error;

/// Prints a line. A reader of ours that went away (`| head`) is an error, not a panic.
pub fn line(text: &str) -> Result<(), Error> {
    writeln!(io::stdout().lock(), "{text}").map_err(|source| Error::Stdout { source })
}

/// Prints one JSON object on one line.
pub fn json(value: &impl Serialize) -> Result<(), Error> {
    line(&serde_json::to_string(value)?)
}

/// Writes a file that only its owner may read, replacing one of that name only when it is complete.
pub fn private_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |source| Error::WriteFile { path: path.to_owned(), source };
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&fresh, path).map_err(failed)
}

/// Makes a directory that only its owner may look into; one that is there must be empty.
pub fn private_directory(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::WriteFile { path: path.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    match fs::read_dir(path).map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => Err(Error::NotEmpty { path: path.to_owned() }),
    }
}
