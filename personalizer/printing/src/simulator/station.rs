//! The chip station: soft cards that are put into a virtual reader's slot and taken out again.
//!
//! A blank is a state file `*.card` in the blanks' directory. Inserting it starts `BIN run --state FILE --connect SLOT`;
//! taking it out ends that process, which is the card leaving the reader. The state then moves to `good/` or `reject/`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a soft card may take to reach the reader.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long a soft card may take to end.
const END_WITHIN: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(5);

/// A station with its stack of blanks.
pub struct Station {
    blanks: PathBuf,
    slot: PathBuf,
    soft_card: PathBuf,
    connect_within: Duration,
    inserted: Option<Inserted>,
}

struct Inserted {
    state: PathBuf,
    process: Child,
}

/// Why the station could not move a soft card.
#[derive(Debug, thiserror::Error)]
pub enum StationError {
    /// There is no blank left.
    #[error("no blank is left in {}", .directory.display())]
    Empty {
        /// The blanks' directory.
        directory: PathBuf,
    },
    /// The soft card's program does not start.
    #[error("{} does not start: {source}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The soft card ended before it reached the reader.
    #[error("the soft card {} ended at once; is a reader listening at {}?", .state.display(), .slot.display())]
    Ended {
        /// The state file.
        state: PathBuf,
        /// The reader's slot.
        slot: PathBuf,
    },
    /// The state could not be moved.
    #[error("{} cannot be put away: {source}", .state.display())]
    Move {
        /// The state file.
        state: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Station {
    /// A station that takes blanks from a directory to a virtual reader's slot with this program.
    pub fn new(blanks: impl Into<PathBuf>, slot: impl Into<PathBuf>, soft_card: impl Into<PathBuf>) -> Self {
        Station {
            blanks: blanks.into(),
            slot: slot.into(),
            soft_card: soft_card.into(),
            connect_within: CONNECT_WITHIN,
            inserted: None,
        }
    }

    /// How many blanks are left.
    pub fn blanks_left(&self) -> u64 {
        let inside = self.inserted.as_ref().map(|card| &card.state);
        self.stack().iter().filter(|state| Some(*state) != inside).count() as u64
    }

    /// Puts the next blank, by the order of names, into the reader and waits until the reader has it.
    ///
    /// # Errors
    /// [`StationError`]; the blank stays in the stack.
    pub fn insert_next(&mut self) -> Result<(), StationError> {
        self.remove();
        let empty = || StationError::Empty { directory: self.blanks.clone() };
        let state = self.stack().into_iter().next().ok_or_else(empty)?;
        let before = connections(&self.slot);
        let mut process = Command::new(&self.soft_card)
            .arg("run")
            .arg("--state")
            .arg(&state)
            .arg("--connect")
            .arg(&self.slot)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|source| StationError::Start { program: self.soft_card.clone(), source })?;
        let deadline = Instant::now() + self.connect_within;
        // Where the system does not show connections, a program that keeps running counts as connected.
        while connections(&self.slot).is_subset(&before) && Instant::now() < deadline {
            if !matches!(process.try_wait(), Ok(None)) {
                return Err(StationError::Ended { state, slot: self.slot.clone() });
            }
            thread::sleep(POLL);
        }
        self.inserted = Some(Inserted { state, process });
        Ok(())
    }

    /// Takes the card out and files its state under `good/` or `reject/`.
    ///
    /// # Errors
    /// [`StationError::Move`].
    pub fn put_away(&mut self, good: bool) -> Result<(), StationError> {
        let Some(state) = self.remove() else { return Ok(()) };
        let directory = self.blanks.join(if good { "good" } else { "reject" });
        let moved = fs::create_dir_all(&directory).and_then(|()| fs::rename(&state, free_name(&directory, &state)));
        moved.map_err(|source| StationError::Move { state, source })
    }

    /// Ends the soft card's process, as pulling a card out would; gives the state file that was inside.
    pub fn remove(&mut self) -> Option<PathBuf> {
        let Inserted { state, mut process } = self.inserted.take()?;
        if let Some(pid) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) {
            // A process that ended already is what we want.
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + END_WITHIN;
        while matches!(process.try_wait(), Ok(None)) {
            if Instant::now() >= deadline {
                let _ = process.kill();
                let _ = process.wait();
                break;
            }
            thread::sleep(POLL);
        }
        Some(state)
    }

    fn stack(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.blanks).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut states: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|ext| ext == "card")).collect();
        states.sort();
        states
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A name that is still free: an earlier card of the same name is never overwritten.
fn free_name(directory: &Path, state: &Path) -> PathBuf {
    let stem = state.file_stem().unwrap_or_default().to_string_lossy();
    let names = std::iter::once(format!("{stem}.card")).chain((2u32..).map(|n| format!("{stem}-{n}.card")));
    names.map(|name| directory.join(name)).find(|path| !path.exists()).unwrap_or_else(|| directory.join("unnamed.card"))
}

/// The accepted connections of a Unix socket, by inode: lines of state 03 with its path in `/proc/net/unix`.
///
/// Inodes and not a number: the reader may still hold the connection of the card that was just taken out.
fn connections(slot: &Path) -> BTreeSet<String> {
    let real = fs::canonicalize(slot).unwrap_or_else(|_| slot.to_owned());
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let inode = |line: &str| match line.split_ascii_whitespace().collect::<Vec<_>>().as_slice() {
        [_, _, _, _, _, "03", inode, path] if Path::new(path) == real || Path::new(path) == slot => {
            Some((*inode).to_owned())
        }
        _ => None,
    };
    table.lines().filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn connections_are_counted() {
        let directory = tempfile::tempdir().unwrap();
        let slot = directory.path().join("slot");
        let listener = UnixListener::bind(&slot).unwrap();
        assert!(connections(&slot).is_empty());
        let card = UnixStream::connect(&slot).unwrap();
        let reader = listener.accept().unwrap();
        assert_eq!(connections(&slot).len(), 1);
        drop((card, reader));
        assert!(connections(&slot).is_empty());
    }

    /// A program that writes down its arguments and stays.
    fn fake_soft_card(directory: &Path, body: &str) -> PathBuf {
        let program = directory.join("card.sh");
        fs::write(&program, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    #[test]
    fn blanks_go_in_by_name_and_out_to_good_or_reject() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path();
        for name in ["b.card", "a.card", "note.txt"] {
            fs::write(here.join(name), "state").unwrap();
        }
        let program = fake_soft_card(here, &format!("echo \"$@\" >> {}/calls\nexec sleep 60", here.display()));
        let mut station = Station::new(here, here.join("slot"), program);
        station.connect_within = Duration::from_millis(200);
        assert_eq!(station.blanks_left(), 2);
        station.insert_next().unwrap();
        assert_eq!(station.blanks_left(), 1);
        station.put_away(true).unwrap();
        station.insert_next().unwrap();
        station.put_away(false).unwrap();
        assert!(here.join("good/a.card").exists() && here.join("reject/b.card").exists());
        assert!(matches!(station.insert_next(), Err(StationError::Empty { .. })));
        let calls = fs::read_to_string(here.join("calls")).unwrap();
        let first = format!("run --state {0}/a.card --connect {0}/slot", here.display());
        assert_eq!(calls.lines().next().unwrap(), first);
    }

    #[test]
    fn a_soft_card_that_ends_at_once_is_reported_and_stays_a_blank() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.card"), "state").unwrap();
        let program = fake_soft_card(directory.path(), "exit 1");
        let mut station = Station::new(directory.path(), directory.path().join("slot"), program);
        assert!(matches!(station.insert_next(), Err(StationError::Ended { .. })));
        assert_eq!(station.blanks_left(), 1);
    }
}
