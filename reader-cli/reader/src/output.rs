//! Standard output and private files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use channel::random::{OsRandom, Random};
use serde::Serialize;

use crate::failure::Error;

/// Prints a line.
pub fn line(text: &str) -> Result<(), Error> {
    raw(format!("{text}\n").as_bytes())
}

/// Prints bytes as they are. A reader of ours that has seen enough and went away (`| head`) is no error: the exit code still is
/// that of what was asked for.
pub fn raw(bytes: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(Error::Stdout { source }),
        _ => Ok(()),
    }
}

/// Says something beside the result. Where nobody hears it, the exit code still tells.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints one JSON object on one line.
pub fn json(value: &impl Serialize) -> Result<(), Error> {
    line(&serde_json::to_string(value)?)
}

/// Writes a file that only its owner may read, replacing one of that name only when it is complete.
///
/// What is written first has a name that nobody can foresee and is a new file: whoever else may write to the directory
/// cannot send the bytes elsewhere with a link.
pub fn private_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |source| Error::WriteFile { path: path.to_owned(), source };
    let mut random = [0; 8];
    OsRandom.fill(&mut random).map_err(|error| failed(io::Error::other(error)))?;
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}.new", hex::encode(random)));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(directory_of(path))?.sync_all()
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&fresh);
        failed(error)
    })
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name under which a file of a chip is stored. EF.ATR/INFO is the one name with a slash; evidence from a card has only names
/// of the table.
pub fn file_name(name: &str) -> String {
    format!("{}.bin", name.replace(['/', '.'], "_"))
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
