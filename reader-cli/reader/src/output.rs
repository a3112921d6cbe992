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

/// Refuses a directory that holds something already.
pub fn unused_directory(path: &Path) -> Result<(), Error> {
    match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::ReadFile { path: path.to_owned(), source }),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::NotEmpty { path: path.to_owned() }),
        },
    }
}

/// Makes a directory that only its owner may look into.
pub fn private_directory(path: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| Error::WriteFile { path: path.to_owned(), source })
}
