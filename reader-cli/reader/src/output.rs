//! Standard output, and files that only their owner may read.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use inspection::Evidence;
use inspection::evidence::MAX_STORED;
use serde::Serialize;
use trust::files::{Destination, directory_of, write_output};

use crate::failure::Error;
use crate::render::html;

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

/// Writes a file that only its owner may read, replacing one of that name only when it is complete; what is no regular file is
/// written to.
pub fn private_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_output(path, bytes, 0o600).map_err(|source| Error::WriteFile { path: path.to_owned(), source })
}

/// What an option writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A report page.
    Page,
    /// Evidence.
    Evidence,
    /// A journal, which has a rule of its own: it is never written over anything.
    Journal,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Kind::Page => "a report page",
            Kind::Evidence => "stored evidence",
            Kind::Journal => "a journal",
        }
    }

    fn is_that_of(self, bytes: &[u8]) -> bool {
        match self {
            Kind::Page => bytes.starts_with(html::HEAD.as_bytes()),
            Kind::Evidence => Evidence::from_json(bytes).is_ok(),
            Kind::Journal => true,
        }
    }
}

/// Sees before the card is touched that no option writes where another does, nor over a file of another kind.
pub fn check_outputs(outputs: &[(&'static str, Option<&PathBuf>, Kind)]) -> Result<(), Error> {
    let mut taken: Vec<(&str, Destination)> = Vec::new();
    let named = outputs.iter().filter_map(|(option, path, kind)| Some((*option, (*path)?, *kind)));
    for (option, path, kind) in named {
        let failed = |source| Error::WriteFile { path: path.clone(), source };
        let destination = same_for_all_names(Destination::of(path).map_err(failed)?);
        if let Some((other, _)) = taken.iter().find(|(_, other)| *other == destination) {
            return Err(Error::OneOutput { path: path.clone(), options: [other, option] });
        }
        if let Destination::File(file) = &destination
            && kind != Kind::Journal
        {
            check_replaced(path, file, kind)?;
        }
        taken.push((option, destination));
    }
    Ok(())
}

/// With the directory's name as the system knows it: one file, one name.
fn same_for_all_names(destination: Destination) -> Destination {
    let one = |path: PathBuf| match (directory_of(&path).canonicalize(), path.file_name()) {
        (Ok(directory), Some(name)) => directory.join(name),
        _ => path,
    };
    match destination {
        Destination::File(path) => Destination::File(one(path)),
        Destination::Stream(path) => Destination::Stream(one(path)),
    }
}

/// A file that is there is replaced by one of its kind only, or when it is empty.
fn check_replaced(path: &Path, file: &Path, kind: Kind) -> Result<(), Error> {
    let mut bytes = Vec::new();
    match File::open(file).and_then(|file| file.take(MAX_STORED as u64 + 1).read_to_end(&mut bytes)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::WriteFile { path: path.to_owned(), source }),
        Ok(_) if bytes.is_empty() || kind.is_that_of(&bytes) => Ok(()),
        Ok(_) => Err(Error::OtherFile { path: path.to_owned(), kind: kind.words() }),
    }
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
