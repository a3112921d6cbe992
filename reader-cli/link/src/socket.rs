//! A soft card on a Unix socket, without any smart card service: the reader's side of
//! [`iso7816::frame`].
//!
//! The same cards and the same [`Reader`] as through PC/SC, for computers on which no pcscd can run, and as
//! the floor against which the way through PC/SC is measured.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use iso7816::frame::{self, Request};
use iso7816::{Card, Command, Response, TransmitError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use crate::answer_to_reset;
use crate::reader::{ConnectError, Connection, Presence, Reader};

/// How long a card may take to greet.
const GREETING: Duration = Duration::from_secs(1);
/// How long [`Reader::connect`] waits for a card to be there.
const INSERTION: Duration = Duration::from_secs(5);
/// How long a card may take to answer a command.
const ANSWER: Duration = Duration::from_secs(60);
/// How often a card that listens is looked for.
const LOOK: Duration = Duration::from_millis(5);

/// A socket that takes the place of a reader.
///
/// The card stays in it between connections; it is pulled when its program ends.
pub struct SocketReader {
    name: String,
    path: PathBuf,
    /// `None` when the card is the one that listens.
    listener: Option<UnixListener>,
    slot: Arc<Mutex<Slot>>,
}

#[derive(Default)]
struct Slot {
    stream: Option<UnixStream>,
    /// Counts connections: an older one has lost its card.
    turn: u64,
}

impl SocketReader {
    /// Makes the socket `path`, which only its owner can reach, for a soft card to connect to.
    /// A socket left there by a program that has ended is replaced.
    ///
    /// # Errors
    /// When the socket cannot be made, or another program listens there.
    pub fn listen(path: impl Into<PathBuf>) -> Result<Self, ConnectError> {
        let path = path.into();
        match bind(&path) {
            Ok(listener) => Ok(Self::new(path, Some(listener))),
            Err(source) => Err(ConnectError::Socket { path, source }),
        }
    }

    /// Uses the socket `path` on which a soft card listens, now or later.
    pub fn connect_to(path: impl Into<PathBuf>) -> Self {
        Self::new(path.into(), None)
    }

    fn new(path: PathBuf, listener: Option<UnixListener>) -> Self {
        SocketReader { name: format!("socket {}", path.display()), path, listener, slot: Arc::default() }
    }

    /// Notices a card that left, and puts a waiting one into the slot unless the slot is `wanted` empty.
    fn settle(&self, slot: &mut Slot, wanted: Presence) -> Result<Presence, ConnectError> {
        slot.stream.take_if(|stream| !is_quiet(stream));
        // A card that listens can only be found by connecting.
        if (wanted == Presence::Card || self.listener.is_none())
            && slot.stream.is_none()
            && let Some(stream) = self.next_card()?
        {
            self.greet(&stream)?;
            slot.stream = Some(stream);
        }
        Ok(if slot.stream.is_some() { Presence::Card } else { Presence::NoCard })
    }

    fn next_card(&self) -> Result<Option<UnixStream>, ConnectError> {
        let found = match &self.listener {
            Some(listener) => listener.accept().map(|(stream, _)| stream),
            None => UnixStream::connect(&self.path),
        };
        match found {
            Ok(stream) => Ok(Some(stream)),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::NotFound | ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(None)
            }
            Err(source) => Err(ConnectError::Socket { path: self.path.clone(), source }),
        }
    }

    fn greet(&self, stream: &UnixStream) -> Result<(), ConnectError> {
        let greeting = || {
            stream.set_nonblocking(false)?;
            stream.set_write_timeout(Some(ANSWER))?;
            stream.set_read_timeout(Some(GREETING))?;
            let mut version = [0];
            (&mut &*stream).read_exact(&mut version)?;
            stream.set_read_timeout(Some(ANSWER))?;
            Ok(version)
        };
        match greeting() {
            Ok([frame::VERSION]) => Ok(()),
            Ok(_) => Err(self.handshake("the card speaks another version of the frame protocol")),
            Err(error) if is_timeout(&error) => Err(self.handshake("the card did not greet within 1 s")),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Err(self.handshake("the card left before greeting"))
            }
            Err(source) => Err(ConnectError::Socket { path: self.path.clone(), source }),
        }
    }

    fn handshake(&self, reason: &'static str) -> ConnectError {
        ConnectError::Handshake { reader: self.name.clone(), reason }
    }

    /// Waits for the slot to be full or empty.
    fn wait(&self, wanted: Presence, timeout: Duration) -> Result<bool, ConnectError> {
        let until = Instant::now() + timeout;
        loop {
            if self.settle(&mut lock(&self.slot), wanted)? == wanted {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            thread::sleep(LOOK);
        }
    }

    /// Takes the power away and gives it again; the answer to reset.
    fn power_up(&self, slot: &mut Slot) -> Option<Vec<u8>> {
        exchange(slot, &Request::PowerOff).ok()?;
        let atr = exchange(slot, &Request::PowerOn).ok()?;
        let valid = atr.len() <= answer_to_reset::MAX_LENGTH && answer_to_reset::historical_bytes(&atr).is_some();
        valid.then_some(atr)
    }
}

impl Drop for SocketReader {
    fn drop(&mut self) {
        if self.listener.is_some() {
            // Nothing listens there any more; a file that cannot be removed is harmless.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Reader for SocketReader {
    fn name(&self) -> &str {
        &self.name
    }

    fn connect(&mut self) -> Result<Connection, ConnectError> {
        if !self.wait(Presence::Card, INSERTION)? {
            return Err(ConnectError::NoCard { reader: self.name.clone() });
        }
        let mut slot = lock(&self.slot);
        let atr = self.power_up(&mut slot).ok_or_else(|| ConnectError::Mute { reader: self.name.clone() })?;
        slot.turn += 1;
        let card = SocketCard { slot: Arc::clone(&self.slot), turn: slot.turn };
        Ok(Connection::new(card, atr, None))
    }

    fn wait_for(&mut self, wanted: Presence, timeout: Duration) -> Result<bool, ConnectError> {
        self.wait(wanted, timeout)
    }
}

/// The card of one connection; it loses its power when dropped.
struct SocketCard {
    slot: Arc<Mutex<Slot>>,
    turn: u64,
}

impl Card for SocketCard {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        let mut slot = lock(&self.slot);
        if slot.turn != self.turn {
            return Err(TransmitError::Lost);
        }
        match exchange(&mut slot, &Request::Apdu(command.to_bytes())) {
            Ok(answer) => Response::parse(&answer).ok_or(TransmitError::Lost),
            Err(error) if is_timeout(&error) => Err(TransmitError::TimedOut { seconds: ANSWER.as_secs() }),
            Err(_) => Err(TransmitError::Lost),
        }
    }
}

impl Drop for SocketCard {
    fn drop(&mut self) {
        let mut slot = lock(&self.slot);
        if slot.turn == self.turn {
            // A card that is gone has no power anyway.
            let _ = exchange(&mut slot, &Request::PowerOff);
        }
    }
}

/// One request and its answer; after any failure the card counts as pulled.
fn exchange(slot: &mut Slot, request: &Request) -> io::Result<Vec<u8>> {
    let stream = slot.stream.take().ok_or(ErrorKind::NotConnected)?;
    request.write(&mut &stream)?;
    let answer = frame::read_answer(&mut Until { stream: &stream, deadline: Instant::now() + ANSWER })?;
    slot.stream = Some(stream);
    Ok(answer)
}

/// Reads with one deadline for all pieces: a card that drips bytes cannot hold us for ever.
struct Until<'a> {
    stream: &'a UnixStream,
    deadline: Instant,
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() >= self.deadline {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.read(buffer)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// True while the card is there and says nothing unasked.
fn is_quiet(stream: &UnixStream) -> bool {
    let mut wanted = [PollFd::new(stream, PollFlags::IN | PollFlags::RDHUP)];
    matches!(poll(&mut wanted, Some(&Timespec::default())), Ok(0))
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Binds a socket that never was reachable by others, in the place of a dead one.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let address = SocketAddrUnix::new(path)?;
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    if is_dead_socket(path) {
        fs::remove_file(path)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, 1)?;
    let listener = UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// True for a socket behind which nobody listens. (Any other file refuses connections as well.)
fn is_dead_socket(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}
