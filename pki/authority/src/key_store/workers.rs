//! A key that several processes sign with: some PKCS#11 modules let only one thread of a process sign at a time.
//!
//! Each worker is a child that opens the directory's key itself, with its own session, and counts its own uses. What it is told
//! passes over a socket that is its standard input and output: the secret is on no command line and in no environment.
//!
//! ```text
//! message     length (4 bytes, big endian), then so many bytes
//! to child    directory, secret, then what is to be signed, again and again; it ends when the socket closes
//! from child  first "K" algorithm 0A public bits; then for each "S" signature, "U" most uses (8 bytes), or "E" words
//! ```

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::{Algorithm, Signer, SigningError, StoredKey, UseError};
use crate::passphrase::Passphrase;

/// The longest message, in bytes.
const MAX_MESSAGE: usize = 1024 * 1024;
/// How long workers have to give unused uses back when they are no longer needed.
const LEAVING_TIME: Duration = Duration::from_secs(5);

const KEY: u8 = b'K';
const SIGNATURE: u8 = b'S';
const USED_UP: u8 = b'U';
const ERROR: u8 = b'E';

/// How workers are started: a program that calls [`serve`] when it is started so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Workers {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// How many.
    pub count: usize,
    /// A worker that has not answered for so long is lost.
    pub patience: Duration,
}

/// A key of a directory, behind workers. As many threads as there are workers sign at once; more wait.
///
/// A worker that dies is a failed signature; another one takes its place at the next.
pub struct WorkerKey {
    workers: Workers,
    directory: PathBuf,
    secret: Passphrase,
    algorithm: Algorithm,
    public_bits: Vec<u8>,
    pool: Mutex<Pool>,
    freed: Condvar,
}

struct Pool {
    idle: Vec<Worker>,
    /// How many workers are neither idle nor at work.
    missing: usize,
    /// Why no worker is started any more: a secret that was refused is not tried again.
    refused: Option<String>,
}

/// Why workers do not sign.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It cannot be started.
    #[error("a signing worker cannot be started from {program}: {error}")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It did not get the key, and none is started any more.
    #[error("a signing worker cannot open the key: {0}")]
    Refused(String),
    /// It opened another key than the first one did.
    #[error("a signing worker found another key in the directory")]
    OtherKey,
    /// It did not sign.
    #[error("a signing worker did not sign: {0}")]
    Failed(String),
    /// It died or does not keep to what was agreed; its signature is lost.
    #[error("a signing worker died, and its signature with it")]
    Died,
    /// It did not answer; it was ended.
    #[error("a signing worker did not answer in time, and was ended")]
    Silent,
    /// No worker became free.
    #[error("no signing worker became free in time")]
    Busy,
    /// The message is too long for a worker.
    #[error("{0} bytes are too many for a signing worker")]
    TooLong(usize),
}

impl WorkerKey {
    /// Starts the workers of a directory's key. The first one opens it before the others are started: a wrong secret is tried
    /// once.
    ///
    /// # Errors
    /// When a worker cannot be started or cannot open the key.
    pub fn start(workers: Workers, directory: &Path, secret: Passphrase) -> Result<Self, WorkerError> {
        let directory = std::path::absolute(directory)
            .map_err(|error| WorkerError::Start { program: workers.program.clone(), error })?;
        let (first, algorithm, public_bits) = Worker::start(&workers, &directory, &secret)?;
        let pool = Pool { idle: vec![first], missing: workers.count.saturating_sub(1), refused: None };
        let (pool, freed) = (Mutex::new(pool), Condvar::new());
        let key = WorkerKey { workers, directory, secret, algorithm, public_bits, pool, freed };
        while locked(&key.pool).missing > 0 {
            locked(&key.pool).missing -= 1;
            let worker = key.another()?;
            locked(&key.pool).idle.push(worker);
        }
        Ok(key)
    }

    /// A worker that nobody else uses.
    fn worker(&self) -> Result<Worker, WorkerError> {
        let until = Instant::now() + self.workers.patience;
        let mut pool = locked(&self.pool);
        loop {
            if let Some(worker) = pool.idle.pop() {
                return Ok(worker);
            }
            if let Some(why) = &pool.refused {
                return Err(WorkerError::Refused(why.clone()));
            }
            if pool.missing > 0 {
                pool.missing -= 1;
                drop(pool);
                return self.another().inspect_err(|_| self.lost());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(WorkerError::Busy);
            }
            pool = self.freed.wait_timeout(pool, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn another(&self) -> Result<Worker, WorkerError> {
        match Worker::start(&self.workers, &self.directory, &self.secret) {
            Ok((worker, _, bits)) if bits == self.public_bits => Ok(worker),
            Ok(_) => Err(WorkerError::OtherKey),
            Err(WorkerError::Refused(why)) => {
                locked(&self.pool).refused = Some(why.clone());
                Err(WorkerError::Refused(why))
            }
            Err(error) => Err(error),
        }
    }

    fn lost(&self) {
        locked(&self.pool).missing += 1;
        self.freed.notify_all();
    }
}

impl Signer for WorkerKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_bits(&self) -> &[u8] {
        &self.public_bits
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let mut worker = self.worker()?;
        let answer = match worker.ask(message) {
            Ok(answer) => answer,
            Err(error) => {
                // It is ended before another one takes its place.
                drop(worker);
                self.lost();
                return Err(error.into());
            }
        };
        locked(&self.pool).idle.push(worker);
        self.freed.notify_one();
        match answer.split_first() {
            Some((&SIGNATURE, signature)) => Ok(signature.to_vec()),
            Some((&USED_UP, most)) => {
                let most = most.try_into().map_or(u64::MAX, u64::from_be_bytes);
                Err(UseError::Exhausted { most }.into())
            }
            Some((&ERROR, words)) => Err(WorkerError::Failed(words_of(words)).into()),
            _ => Err(WorkerError::Died.into()),
        }
    }
}

impl Drop for WorkerKey {
    fn drop(&mut self) {
        let pool = self.pool.get_mut().unwrap_or_else(PoisonError::into_inner);
        // All are told before any is waited for.
        for worker in &pool.idle {
            let _ = worker.socket.shutdown(std::net::Shutdown::Both);
        }
        for worker in &mut pool.idle {
            worker.is_gone_within(LEAVING_TIME);
        }
    }
}

/// A child with an open key; ended when dropped.
struct Worker {
    child: Child,
    socket: UnixStream,
}

impl Worker {
    fn start(
        workers: &Workers,
        directory: &Path,
        secret: &Passphrase,
    ) -> Result<(Self, Algorithm, Vec<u8>), WorkerError> {
        let mut worker =
            Self::child(workers).map_err(|error| WorkerError::Start { program: workers.program.clone(), error })?;
        worker.tell(directory.as_os_str().as_bytes())?;
        let answer = worker.ask(secret.expose())?;
        match answer.split_first() {
            Some((&KEY, key)) => {
                let (name, bits) = key.split_at(key.iter().position(|byte| *byte == b'\n').unwrap_or(0));
                let algorithm = words_of(name).parse().map_err(|_| WorkerError::Died)?;
                Ok((worker, algorithm, bits.get(1..).unwrap_or_default().to_vec()))
            }
            Some((&ERROR, words)) => Err(WorkerError::Refused(words_of(words))),
            _ => Err(WorkerError::Died),
        }
    }

    fn child(workers: &Workers) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_read_timeout(Some(workers.patience))?;
        socket.set_write_timeout(Some(workers.patience))?;
        let child = Command::new(&workers.program)
            .args(&workers.arguments)
            .stdin(Stdio::from(OwnedFd::from(theirs.try_clone()?)))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            // An interrupt at the terminal is for the parent: what it begins to finish, it can.
            .process_group(0)
            .spawn()?;
        Ok(Worker { child, socket })
    }

    fn tell(&mut self, message: &[u8]) -> Result<(), WorkerError> {
        write_message(&mut self.socket, message).map_err(|error| lost(&error))
    }

    fn ask(&mut self, message: &[u8]) -> Result<Vec<u8>, WorkerError> {
        if message.len() > MAX_MESSAGE {
            return Err(WorkerError::TooLong(message.len()));
        }
        self.tell(message)?;
        match read_message(&mut self.socket) {
            Ok(Some(answer)) => Ok(answer.to_vec()),
            Ok(None) => Err(WorkerError::Died),
            Err(error) => Err(lost(&error)),
        }
    }

    fn is_gone_within(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            match self.child.try_wait() {
                Ok(Some(_)) | Err(_) => return true,
                Ok(None) if Instant::now() >= until => return false,
                Ok(None) => thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.is_gone_within(Duration::ZERO) {
            // One that hangs in its module may not even die: it is not waited for longer than this.
            let _ = self.child.kill();
            self.is_gone_within(Duration::from_secs(1));
        }
    }
}

/// What a worker does: opens the key that it is told of, and signs until its input ends.
///
/// # Errors
/// When the other end cannot be read or written.
pub fn serve(input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
    let (Some(directory), Some(secret)) = (read_message(input)?, read_message(input)?) else { return Ok(()) };
    let directory = PathBuf::from(OsString::from_vec(directory.to_vec()));
    let key = match StoredKey::open(&directory, &Passphrase::of(secret)) {
        Ok(key) => key,
        Err(error) => return write_message(output, &[&[ERROR], error.to_string().as_bytes()].concat()),
    };
    let hello = [&[KEY], key.algorithm().to_string().as_bytes(), b"\n", key.public_bits()].concat();
    write_message(output, &hello)?;
    while let Some(message) = read_message(input)? {
        let answer = match key.sign(&message) {
            Ok(signature) => [&[SIGNATURE][..], &signature].concat(),
            Err(SigningError::Uses(UseError::Exhausted { most })) => [&[USED_UP][..], &most.to_be_bytes()].concat(),
            Err(error) => [&[ERROR], error.to_string().as_bytes()].concat(),
        };
        write_message(output, &answer)?;
    }
    Ok(())
}

/// In one write: the other end wakes once.
fn write_message(output: &mut dyn Write, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut whole = Zeroizing::new(Vec::with_capacity(4 + message.len()));
    whole.extend_from_slice(&length.to_be_bytes());
    whole.extend_from_slice(message);
    output.write_all(&whole)?;
    output.flush()
}

/// `None` when the other end has closed.
fn read_message(input: &mut dyn Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_MESSAGE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = Zeroizing::new(vec![0; length]);
    input.read_exact(&mut message)?;
    Ok(Some(message))
}

fn lost(error: &io::Error) -> WorkerError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => WorkerError::Silent,
        _ => WorkerError::Died,
    }
}

fn words_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
