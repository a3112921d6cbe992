//! Several cards in one program: each a thread, a socket and a state file of its own.

use std::path::{Path, PathBuf};
use std::thread;

use soft_card::SoftCard;
use soft_card::fault::Faults;
use soft_card::socket::{self, ListenError};

use crate::{Failure, complain};

/// Most cards of one program.
const MOST: usize = 16;

/// Runs every `NAME.card` of a folder behind `NAME.sock`; ends when each has left its socket.
pub fn run(folder: &Path, faults: Option<&Path>) -> Result<(), Failure> {
    let failed = |source| Failure::Folder { path: folder.into(), source };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "card"));
    paths.sort();
    let count = paths.len();
    if count == 0 || count > MOST {
        return Err(Failure::Cards { path: folder.into(), count, most: MOST });
    }
    let faults = faults.map(Faults::load).transpose()?;
    // All are opened before the first is served: a broken card is told at once.
    let mut cards = Vec::new();
    for path in &paths {
        let card = SoftCard::open(path)?;
        let card = match &faults {
            Some(faults) => card.with_faults(faults)?,
            None => card,
        };
        cards.push((path, card, listen(path)?));
    }
    complain(&format!(
        "bitaqa-soft-card: ready, {count} card(s), each NAME.card behind {}/NAME.sock",
        folder.display()
    ));
    thread::scope(|scope| {
        for (path, mut card, listener) in cards {
            scope.spawn(move || {
                let report =
                    |error: &std::io::Error| complain(&format!("{}: a host was cut off: {error}", path.display()));
                if let Err(error) = socket::serve_all(&mut card, &listener, report) {
                    complain(&format!("{}: {error}", path.display()));
                }
                if let Some(failure) = card.take_failure() {
                    complain(&format!("{}: {failure}", path.display()));
                }
            });
        }
    });
    Ok(())
}

fn listen(path: &Path) -> Result<std::os::unix::net::UnixListener, ListenError> {
    socket::listen(&path.with_extension("sock"))
}
