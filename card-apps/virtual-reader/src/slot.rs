//! One slot: the socket where cards come in, the card, and what pcscd was told of it.
//!
//! Three threads of pcscd meet here: the one that watches the slot ([`Slot::wait_for_change`], then
//! [`Slot::presence`]), those that serve clients ([`Slot::exchange`]), and the one that shuts down
//! ([`Slot::stop_waiting`]). Exchanges take turns; nothing else waits for an exchange, so a slow
//! answer never hides a removal.

#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use iso7816::frame::{self, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType};

use crate::settings::Settings;

/// How long a new connection may take to send its version byte.
const GREETING: Duration = Duration::from_millis(500);
/// Connections that may wait while one card leaves and another comes.
const BACKLOG: i32 = 4;
/// The longest answer to reset (7816-3 §8.2.1).
pub const MAX_ATR: usize = 33;
/// The longest response: 65,536 bytes and the status word.
const MAX_RESPONSE: usize = 65_538;

/// One slot of a virtual reader.
pub struct Slot {
    settings: Settings,
    path: PathBuf,
    listener: UnixListener,
    /// A byte written to the first end makes [`Slot::wait_for_change`] return.
    alarm: (UnixStream, UnixStream),
    /// Held during an exchange.
    turn: Mutex<()>,
    state: Mutex<State>,
}

struct State {
    place: Place,
    /// What pcscd was told last.
    told_present: bool,
    /// An exchange is under way: bytes from the card are its answer.
    busy: bool,
    /// Of the last power-up; empty while the card has no power.
    atr: Vec<u8>,
}

enum Place {
    Empty,
    /// Connected, version byte not yet seen.
    Greeting(Arc<UnixStream>, Instant),
    Card(Arc<UnixStream>),
    /// A card left and pcscd does not know yet: the next one waits, so that an exchange of cards is seen.
    Pulled,
}

/// Why a card gave no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExchangeError {
    /// No card in the slot, or it was pulled during the exchange.
    Gone,
    /// The card did not answer in time; it now counts as pulled.
    TooSlow,
    /// The answer breaks the rules of the frame protocol or of 7816-3; the card now counts as pulled.
    Malformed,
    /// The card answered with less than a status word. It stays in the slot.
    Mute,
}

impl Slot {
    /// Makes the slot's socket, which only its owner can reach, in place of one left by a dead process.
    ///
    /// # Errors
    /// When the socket cannot be made, or another process listens there.
    pub fn open(path: PathBuf, settings: Settings) -> io::Result<Self> {
        let listener = bind(&path)?;
        let alarm = UnixStream::pair()?;
        alarm.0.set_nonblocking(true)?;
        alarm.1.set_nonblocking(true)?;
        let state = State { place: Place::Empty, told_present: false, busy: false, atr: Vec::new() };
        Ok(Slot { settings, path, listener, alarm, turn: Mutex::new(()), state: Mutex::new(state) })
    }

    /// The reader's settings.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The answer to reset of the powered card.
    pub fn atr(&self) -> Option<Vec<u8>> {
        let state = self.lock();
        (matches!(state.place, Place::Card(_)) && !state.atr.is_empty()).then(|| state.atr.clone())
    }

    /// Whether a card is in the slot. The caller is pcscd: the answer is what it has been told.
    pub fn presence(&self) -> bool {
        let mut state = self.lock();
        self.settle(&mut state);
        if matches!(state.place, Place::Pulled) {
            state.place = Place::Empty;
        }
        state.told_present = matches!(state.place, Place::Card(_));
        state.told_present
    }

    /// Returns when [`Slot::presence`] has news, when told to by [`Slot::stop_waiting`], or after `timeout`.
    pub fn wait_for_change(&self, timeout: Duration) {
        let until = Instant::now() + timeout;
        loop {
            let mut state = self.lock();
            self.settle(&mut state);
            if state.has_news() {
                return;
            }
            let (stream, flags, deadline) = match &state.place {
                // Not for bytes: those are answers, and each would wake this thread.
                Place::Card(stream) => (Some(Arc::clone(stream)), PollFlags::RDHUP, until),
                Place::Greeting(stream, by) => {
                    (Some(Arc::clone(stream)), PollFlags::IN | PollFlags::RDHUP, until.min(*by))
                }
                Place::Empty | Place::Pulled => (None, PollFlags::empty(), until),
            };
            // While a card is greeting, the next one waits in the backlog.
            let listen = if matches!(state.place, Place::Greeting(..)) { PollFlags::empty() } else { PollFlags::IN };
            drop(state);
            let mut wanted = vec![
                PollFd::from_borrowed_fd(self.alarm.1.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.listener.as_fd(), listen),
            ];
            wanted.extend(stream.as_ref().map(|stream| PollFd::from_borrowed_fd(stream.as_fd(), flags)));
            let polled = poll(&mut wanted, Some(&timespec(deadline)));
            let alarmed = wanted.first().is_some_and(|alarm| !alarm.revents().is_empty());
            if alarmed {
                self.clear_alarm();
            }
            let failed = polled.is_err_and(|error| error != rustix::io::Errno::INTR);
            if alarmed || failed || Instant::now() >= until {
                return;
            }
        }
    }

    /// Makes [`Slot::wait_for_change`] return, now or at its next call.
    pub fn stop_waiting(&self) {
        // A full pipe already holds an alarm.
        let _ = (&self.alarm.0).write(&[0]);
    }

    fn clear_alarm(&self) {
        let mut bytes = [0; 16];
        while (&self.alarm.1).read(&mut bytes).is_ok_and(|read| read == bytes.len()) {}
    }

    /// Powers the card up, or resets it; its answer to reset.
    ///
    /// # Errors
    /// When there is no card or its answer is none.
    pub fn power_up(&self, reset: bool) -> Result<Vec<u8>, ExchangeError> {
        let request = if reset { Request::Reset } else { Request::PowerOn };
        let atr = self.exchange(&request, |answer| (2..=MAX_ATR).contains(&answer.len()))?;
        self.lock().atr.clone_from(&atr);
        Ok(atr)
    }

    /// Takes the card's power away; nothing to do without a card.
    pub fn power_down(&self) {
        self.lock().atr.clear();
        // A card that is gone has no power, and a malformed answer has already thrown it out.
        let _ = self.exchange(&Request::PowerOff, <[u8]>::is_empty);
    }

    /// Sends one command APDU; the response APDU, 2 to 65,538 bytes.
    ///
    /// # Errors
    /// When there is no card or it gives no such answer.
    pub fn transmit(&self, command: &[u8]) -> Result<Vec<u8>, ExchangeError> {
        let answer = self.exchange(&Request::Apdu(command.to_vec()), |answer| answer.len() <= MAX_RESPONSE)?;
        if answer.len() < 2 { Err(ExchangeError::Mute) } else { Ok(answer) }
    }

    fn exchange(&self, request: &Request, valid: impl FnOnce(&[u8]) -> bool) -> Result<Vec<u8>, ExchangeError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = {
            let mut state = self.lock();
            self.settle(&mut state);
            let Place::Card(stream) = &state.place else { return Err(ExchangeError::Gone) };
            let stream = Arc::clone(stream);
            state.busy = true;
            stream
        };
        let mut wire = Wire { stream: &stream, deadline: Instant::now() + self.settings.answer };
        let answer = request.write(&mut wire).and_then(|()| frame::read_answer(&mut wire));
        let answer = match answer {
            Ok(answer) if valid(&answer) => Ok(answer),
            Ok(_) => Err(ExchangeError::Malformed),
            Err(error) => Err(match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => ExchangeError::TooSlow,
                ErrorKind::InvalidData | ErrorKind::InvalidInput => ExchangeError::Malformed,
                _ => ExchangeError::Gone,
            }),
        };
        let mut state = self.lock();
        state.busy = false;
        if answer.is_err() && matches!(&state.place, Place::Card(present) if Arc::ptr_eq(present, &stream)) {
            state.pull();
            // The watching thread waits for the end of this connection.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        answer
    }

    /// Brings the state up to date with the sockets, without waiting.
    fn settle(&self, state: &mut State) {
        match &state.place {
            Place::Card(stream) if !is_there(stream, state.busy) => state.pull(),
            Place::Card(_) => self.refuse_others(),
            Place::Greeting(stream, by) => match greeting(stream) {
                Greeting::Welcome => state.place = Place::Card(Arc::clone(stream)),
                Greeting::NotYet if Instant::now() < *by => {}
                Greeting::NotYet | Greeting::Wrong => state.place = Place::Empty,
            },
            Place::Empty | Place::Pulled => {}
        }
        if matches!(state.place, Place::Empty)
            && let Ok((stream, _)) = self.listener.accept()
            && stream.set_read_timeout(Some(self.settings.answer)).is_ok()
            && stream.set_write_timeout(Some(self.settings.answer)).is_ok()
        {
            state.place = match greeting(&stream) {
                Greeting::Welcome => Place::Card(Arc::new(stream)),
                Greeting::NotYet => Place::Greeting(Arc::new(stream), Instant::now() + GREETING),
                Greeting::Wrong => Place::Empty,
            };
        }
    }

    /// Two cards do not fit: whoever comes second is shown out at once.
    fn refuse_others(&self) {
        while self.listener.accept().is_ok() {}
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Nothing listens there any more; a file that cannot be removed is replaced at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

impl State {
    fn has_news(&self) -> bool {
        match self.place {
            Place::Pulled => true,
            Place::Card(_) => !self.told_present,
            Place::Empty | Place::Greeting(..) => self.told_present,
        }
    }

    fn pull(&mut self) {
        self.place = if self.told_present { Place::Pulled } else { Place::Empty };
        self.atr.clear();
    }
}

enum Greeting {
    Welcome,
    NotYet,
    Wrong,
}

/// Looks for the version byte without waiting.
fn greeting(stream: &UnixStream) -> Greeting {
    let mut version = [0];
    match rustix::net::recv(stream, &mut version, RecvFlags::DONTWAIT) {
        Ok((1, _)) if version == [frame::VERSION] => Greeting::Welcome,
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Greeting::NotYet,
        _ => Greeting::Wrong,
    }
}

/// False when the card left, or spoke without being asked.
fn is_there(stream: &UnixStream, busy: bool) -> bool {
    let flags = if busy { PollFlags::RDHUP } else { PollFlags::RDHUP | PollFlags::IN };
    matches!(poll(&mut [PollFd::new(stream, flags)], Some(&Timespec::default())), Ok(0))
}

fn timespec(deadline: Instant) -> Timespec {
    // Rounded up, so that a wait never ends just before its deadline and spins.
    let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 600, tv_nsec: 0 })
}

/// A card's stream with one deadline for all pieces of an exchange: a card that drips bytes holds nobody for ever.
/// Each single call waits at most the socket's own limit, which is as long.
struct Wire<'a> {
    stream: &'a UnixStream,
    deadline: Instant,
}

impl Wire<'_> {
    fn check(&self) -> io::Result<()> {
        if Instant::now() < self.deadline { Ok(()) } else { Err(ErrorKind::TimedOut.into()) }
    }
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.stream.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        // No SIGPIPE: the process belongs to pcscd.
        Ok(rustix::net::send(self.stream, bytes, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Binds a socket that never was reachable by others, in the place of a dead one.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let address = SocketAddrUnix::new(path)?;
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    // The file gets the socket's own mode, so there is no moment at which it is open to all.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    if is_dead_socket(path) {
        fs::remove_file(path)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    let listener = UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// True for a socket behind which nobody listens. (Any other file refuses connections as well.)
fn is_dead_socket(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    use tempfile::TempDir;

    use super::*;

    const ATR: [u8; 2] = [0x3B, 0x00];
    const LONG: Duration = Duration::from_secs(20);

    fn slot() -> (TempDir, Arc<Slot>) {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { slots: 1, answer: Duration::from_millis(200) };
        let slot = Slot::open(folder.path().join("slot.0"), settings).unwrap();
        (folder, Arc::new(slot))
    }

    fn greet(slot: &Slot) -> UnixStream {
        let mut stream = UnixStream::connect(&slot.path).unwrap();
        stream.write_all(&[frame::VERSION]).unwrap();
        stream
    }

    /// A card that answers each request with the next of these bytes, raw, and then leaves.
    fn scripted(slot: &Slot, answers: Vec<Vec<u8>>) -> thread::JoinHandle<()> {
        let mut stream = greet(slot);
        thread::spawn(move || {
            for answer in answers {
                let _ = Request::read(&mut stream);
                stream.write_all(&answer).unwrap();
            }
            let _ = Request::read(&mut stream);
        })
    }

    fn framed(answer: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::write_answer(&mut bytes, answer).unwrap();
        bytes
    }

    fn wait(slot: &Slot) -> Duration {
        let start = Instant::now();
        slot.wait_for_change(LONG);
        start.elapsed()
    }

    #[test]
    fn a_card_comes_answers_and_leaves() {
        let (_folder, slot) = slot();
        assert!(!slot.presence());
        let card = scripted(&slot, vec![framed(&ATR), framed(&[0x90, 0x00])]);
        assert!(wait(&slot) < LONG);
        assert!(slot.presence());
        assert_eq!(slot.atr(), None);
        assert_eq!(slot.power_up(false).unwrap(), ATR);
        assert_eq!(slot.atr().unwrap(), ATR);
        assert_eq!(slot.transmit(&[0, 0xA4, 0, 0]).unwrap(), [0x90, 0x00]);
        slot.power_down();
        card.join().unwrap();
        assert!(wait(&slot) < LONG);
        assert!(!slot.presence());
        assert_eq!(slot.transmit(&[0, 0xA4, 0, 0]), Err(ExchangeError::Gone));
    }

    #[test]
    fn an_exchange_of_cards_is_seen_as_a_removal_first() {
        let (_folder, slot) = slot();
        let first = greet(&slot);
        assert!(slot.presence());
        drop(first);
        let _second = greet(&slot);
        assert!(!slot.presence());
        assert!(wait(&slot) < LONG);
        assert!(slot.presence());
    }

    #[test]
    fn only_the_owner_reaches_the_socket_and_only_one_card_fits() {
        let (_folder, slot) = slot();
        assert_eq!(fs::metadata(&slot.path).unwrap().permissions().mode() & 0o777, 0o600);
        let _card = greet(&slot);
        assert!(slot.presence());
        let mut second = greet(&slot);
        assert!(slot.presence());
        assert!(matches!(second.read(&mut [0]), Ok(0) | Err(_)));
    }

    #[test]
    fn strangers_are_no_cards() {
        let (_folder, slot) = slot();
        let mut wrong = UnixStream::connect(&slot.path).unwrap();
        wrong.write_all(b"GET / HTTP/1.1").unwrap();
        assert!(!slot.presence());
        let silent = UnixStream::connect(&slot.path).unwrap();
        assert!(!slot.presence());
        let _card = greet(&slot);
        // The silent one is given up after its time, and the card behind it comes in.
        assert!(wait(&slot) >= GREETING / 2);
        assert!(slot.presence());
        drop(silent);
        assert!(slot.presence());
    }

    #[test]
    fn answers_against_the_rules_take_the_card_out() {
        let cases = [
            (vec![0, 1, 0x10, 0], ExchangeError::Malformed),
            (framed(&[0; MAX_RESPONSE + 1]), ExchangeError::Malformed),
            (vec![0, 0, 0, 2, 0x90], ExchangeError::TooSlow),
            (vec![], ExchangeError::TooSlow),
        ];
        for (answer, expected) in cases {
            let (_folder, slot) = slot();
            let card = scripted(&slot, vec![answer]);
            assert!(slot.presence());
            assert_eq!(slot.transmit(&[0, 0xA4, 0, 0]), Err(expected));
            assert!(!slot.presence());
            card.join().unwrap();
        }
    }

    #[test]
    fn a_mute_card_stays_and_a_talkative_one_does_not() {
        let (_folder, slot) = slot();
        let _card = scripted(&slot, vec![framed(&[]), [framed(&[0x90, 0x00]), framed(&[0x63, 0x00])].concat()]);
        assert!(slot.presence());
        assert_eq!(slot.transmit(&[0, 0xA4, 0, 0]), Err(ExchangeError::Mute));
        assert!(slot.presence());
        assert_eq!(slot.transmit(&[0, 0xA4, 0, 0]).unwrap(), [0x90, 0x00]);
        assert_eq!(slot.transmit(&[0, 0xA4, 0, 0]), Err(ExchangeError::Gone));
        assert!(!slot.presence());
    }

    #[test]
    fn answers_to_reset_are_2_to_33_bytes() {
        for (atr, valid) in [(vec![0x3B], false), (vec![0x3B; 33], true), (vec![0x3B; 34], false)] {
            let (_folder, slot) = slot();
            let _card = scripted(&slot, vec![framed(&atr)]);
            assert!(slot.presence());
            assert_eq!(slot.power_up(true).is_ok(), valid);
            assert_eq!(slot.presence(), valid);
        }
    }

    #[test]
    fn a_card_that_drips_bytes_does_not_hold_the_slot() {
        let (_folder, slot) = slot();
        let mut stream = greet(&slot);
        let card = thread::spawn(move || {
            let _ = Request::read(&mut stream);
            let _ = stream.write_all(&[0, 0, 0xFF, 0xFF]);
            while stream.write_all(&[0]).is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        assert!(slot.presence());
        let start = Instant::now();
        assert_eq!(slot.transmit(&[0, 0xA4, 0, 0]), Err(ExchangeError::TooSlow));
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(!slot.presence());
        card.join().unwrap();
    }

    #[test]
    fn watching_ends_when_told_and_in_time() {
        let (_folder, slot) = slot();
        let watcher = thread::spawn({
            let slot = Arc::clone(&slot);
            move || wait(&slot)
        });
        slot.stop_waiting();
        assert!(watcher.join().unwrap() < LONG);
        let start = Instant::now();
        slot.wait_for_change(Duration::from_millis(30));
        assert!((30..5_000).contains(&start.elapsed().as_millis()));
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slot.0");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let slot = Slot::open(path.clone(), Settings::default()).unwrap();
        assert!(Slot::open(path.clone(), Settings::default()).is_err());
        drop(slot);
        assert!(!path.exists());
        fs::write(&path, "a file").unwrap();
        assert!(Slot::open(path.clone(), Settings::default()).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"a file");
    }
}
