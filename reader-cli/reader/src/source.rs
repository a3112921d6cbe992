//! From the command line to a powered card.

use std::io;
use std::path::Path;

use link::pcsc::{PcscReader, readers};
use link::socket::SocketReader;
use link::{Connection, Detail, Journal, Reader};
use trust::files::{Destination, open_stream};

use crate::args::Source;
use crate::failure::Error;

/// A powered card and the journal of what is said to it.
pub struct Powered {
    pub connection: Connection,
    pub journal: Option<Journal>,
}

/// Powers the card up that the command line means.
pub fn connect(source: &Source) -> Result<Powered, Error> {
    let journal = source.journal.as_deref().map(journal).transpose()?;
    let mut reader = reader(source)?;
    let connection = reader.connect()?;
    if let Some(journal) = &journal {
        journal.connected(reader.name(), connection.atr());
    }
    Ok(Powered { connection, journal })
}

fn reader(source: &Source) -> Result<Box<dyn Reader>, Error> {
    Ok(match (&source.socket, &source.reader) {
        (Some(path), _) => Box::new(SocketReader::connect_to(path)),
        (None, Some(name)) => Box::new(PcscReader::open(name)?),
        (None, None) => Box::new(PcscReader::open(&only_card()?)?),
    })
}

/// The name of the one reader that holds a card.
fn only_card() -> Result<String, Error> {
    let mut names: Vec<String> =
        readers()?.into_iter().filter(|reader| reader.card_present).map(|reader| reader.name).collect();
    match names.len() {
        0 => Err(Error::NoCard),
        1 => Ok(names.remove(0)),
        _ => Err(Error::SeveralCards { readers: names }),
    }
}

fn journal(path: &Path) -> Result<Journal, Error> {
    let made = Destination::of(path).and_then(|destination| match destination {
        Destination::Stream(path) => Journal::new(open_stream(&path)?, Detail::Masked),
        Destination::File(_) => Journal::create(path, Detail::Masked),
    });
    made.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::JournalThere { path: path.to_owned() },
        _ => Error::WriteFile { path: path.to_owned(), source },
    })
}
