//! Secure messaging (9303-11 §9.8, 7816-4 §10): every command and answer enciphered and authenticated.
//!
//! ```text
//! command   CLA|0C INS P1 P2  [87 01||cryptogram | 85 cryptogram] [97 Le] 8E checksum   Le = 00
//! response                    [87 01||cryptogram | 85 cryptogram]  99 SW  8E checksum   SW
//! checksum  first 8 bytes of MAC(SSC || padded header of a command || padded data objects before 8E)
//! ```
//!
//! 85 belongs to odd instructions, 87 to even ones. Both ends count every message in the send
//! sequence counter, so a repeated, lost or exchanged message does not verify. One broken message
//! ends the session: its keys are wiped and every later call answers [`SmError::Closed`].

use std::fmt;
use std::marker::PhantomData;

use iso7816::tlv::{Reader, Tag, TlvError, Writer};
use iso7816::{Card, Command, MAX_DATA, MAX_NE, Response, Status, TransmitError};
use openssl::error::ErrorStack;

use crate::block::{Cbc, ZERO_IV, padding, unpadded_length};
use crate::kdf::{self, Purpose};
use crate::mac::Mac;
use crate::role::{Chip, Role, Terminal};
use crate::secret::{Secret, same};
use crate::suite::Cipher;

const CRYPTOGRAM: Tag = Tag(0x85);
const PADDED_CRYPTOGRAM: Tag = Tag(0x87);
const CHECKSUM: Tag = Tag(0x8E);
const LE: Tag = Tag(0x97);
const STATUS: Tag = Tag(0x99);
/// Padding-content indicator in front of the cryptogram in DO 87: padding method 2.
const PADDED: u8 = 0x01;
/// Class bits that say: secure messaging, header authenticated.
const PROTECTED: u8 = 0x0C;
/// What protection adds to a data field at most: lengths, indicator, padding, DO 97, DO 8E.
const MOST_OVERHEAD: usize = 64;

/// Why a message was not protected, or not believed.
#[derive(Debug, thiserror::Error)]
pub enum SmError {
    /// An earlier message broke the session.
    #[error("the session has ended")]
    Closed,
    /// The card answered outside the session: the status word is not authenticated, and the session is over.
    #[error("the card answered {status} without secure messaging")]
    Bare {
        /// What the card said.
        status: Status,
    },
    /// The terminal sent a command outside the session.
    #[error("the command came without secure messaging")]
    Unprotected,
    /// A data object that must be there is not.
    #[error("data object {tag} missing")]
    Missing {
        /// Which one.
        tag: Tag,
    },
    /// A data object that must not be there, or is there twice or too late.
    #[error("data object {tag} unexpected")]
    Unexpected {
        /// Which one.
        tag: Tag,
    },
    /// A data object whose content has the wrong length or form.
    #[error("data object {tag} malformed")]
    Malformed {
        /// Which one.
        tag: Tag,
    },
    /// The protected data field does not consist of data objects.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// The checksum is wrong: altered, repeated, out of order, or other keys.
    #[error("wrong checksum")]
    Checksum,
    /// Too many data bytes for one protected command; nothing was sent and the session goes on.
    #[error("{length} data bytes do not fit into one protected command")]
    TooLong {
        /// Bytes in the plain data field.
        length: usize,
    },
    /// OpenSSL failed.
    #[error("cryptography failed")]
    OpenSsl(#[from] ErrorStack),
}

impl SmError {
    /// The status word with which a chip answers a command that it could not open (9303-11 §9.8.4).
    pub fn status(&self) -> Status {
        match self {
            SmError::Missing { .. } => Status::SM_OBJECTS_MISSING,
            SmError::Closed | SmError::Unprotected => Status::SECURITY_NOT_SATISFIED,
            SmError::OpenSsl(_) => Status::UNKNOWN_ERROR,
            _ => Status::SM_OBJECTS_INCORRECT,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            SmError::Closed => "the session has ended",
            SmError::Bare { .. } => "the card answered without secure messaging",
            SmError::Unprotected => "the command came without secure messaging",
            SmError::Missing { .. } => "a secure messaging data object is missing",
            SmError::Unexpected { .. } => "an unexpected data object",
            SmError::Malformed { .. } | SmError::Tlv(_) => "a malformed data object",
            SmError::Checksum => "wrong checksum",
            SmError::TooLong { .. } => "the command is too long",
            SmError::OpenSsl(_) => "cryptography failed",
        }
    }
}

impl From<SmError> for TransmitError {
    fn from(error: SmError) -> Self {
        match error {
            SmError::Bare { status } => TransmitError::Unprotected { status },
            SmError::TooLong { length } => TransmitError::Unsendable { length },
            other => TransmitError::SecureMessaging { reason: other.reason() },
        }
    }
}

/// One end of an open session: the keys and the send sequence counter.
pub struct Session<R: Role> {
    cipher: Cipher,
    /// On the heap, so that handing the session on leaves nothing behind.
    keys: Option<Box<Keys>>,
    /// Whether the command now in hand has an odd instruction: its answer then carries DO 85.
    odd: bool,
    role: PhantomData<R>,
}

struct Keys {
    encryptor: Cbc,
    decryptor: Cbc,
    mac: Mac,
    counter: Counter,
}

/// The send sequence counter, as long as a block (9303-11 §9.8.6.3, §9.8.7.3).
struct Counter {
    value: u128,
    length: usize,
}

impl Counter {
    fn step(&mut self) -> [u8; 16] {
        self.value = self.value.wrapping_add(1);
        self.value.to_be_bytes()
    }

    /// The block's bytes out of the sixteen.
    fn block<'a>(&self, bytes: &'a [u8; 16]) -> &'a [u8] {
        bytes.get(16 - self.length..).unwrap_or_default()
    }
}

/// What a protected data field held.
struct Opened<'a> {
    plain: Vec<u8>,
    /// Content of DO 97 in a command, of DO 99 in a response.
    note: Option<&'a [u8]>,
}

impl<R: Role> Session<R> {
    /// A session whose keys come from a shared secret, as after PACE and Chip Authentication; the counter starts at zero.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn agreed(cipher: Cipher, shared_secret: &[u8]) -> Result<Self, ErrorStack> {
        let encryption = kdf::derive(shared_secret, cipher, Purpose::Encryption);
        let mac = kdf::derive(shared_secret, cipher, Purpose::Mac);
        Session::with_keys(cipher, &encryption, &mac, 0)
    }

    /// A session with these keys and this counter.
    pub(crate) fn with_keys(cipher: Cipher, encryption: &Secret, mac: &Secret, ssc: u64) -> Result<Self, ErrorStack> {
        let keys = Keys {
            encryptor: Cbc::encryptor(cipher, encryption)?,
            decryptor: Cbc::decryptor(cipher, encryption)?,
            mac: Mac::new(cipher, mac)?,
            counter: Counter { value: u128::from(ssc), length: cipher.block_length() },
        };
        Ok(Session { cipher, keys: Some(Box::new(keys)), odd: false, role: PhantomData })
    }

    /// The cipher of this session.
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// True once a broken message has ended the session.
    pub fn is_closed(&self) -> bool {
        self.keys.is_none()
    }

    /// Runs one step with the keys; a failure wipes them.
    fn step<T>(&mut self, step: impl FnOnce(&mut Keys) -> Result<T, SmError>) -> Result<T, SmError> {
        let keys = self.keys.as_deref_mut().ok_or(SmError::Closed)?;
        let result = step(keys);
        if result.is_err() {
            self.keys = None;
        }
        result
    }
}

impl<R: Role> fmt::Debug for Session<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("cipher", &self.cipher).field("closed", &self.is_closed()).finish()
    }
}

impl Session<Terminal> {
    /// Protects a command.
    ///
    /// # Errors
    /// [`SmError::TooLong`] leaves the session as it was; every other error ends it.
    pub fn protect_command(&mut self, command: &Command) -> Result<Command, SmError> {
        let length = command.data.len();
        if length > MAX_DATA - MOST_OVERHEAD {
            return Err(SmError::TooLong { length });
        }
        let header = [command.cla | PROTECTED, command.ins, command.p1, command.p2];
        let le = command.ne.map(|ne| ne.to_be_bytes());
        let note = le.as_ref().map(|ne| (LE, le_octets(ne)));
        let odd = is_odd(command.ins);
        let data = self.step(|keys| keys.protect(Some(header), &command.data, odd, note))?;
        // The answer is longer than what it carries: ask for all that the form allows.
        let extended = data.len() > 255 || command.ne.is_some_and(|ne| ne > 256);
        let ne = Some(if extended { MAX_NE } else { 256 });
        Ok(Command { cla: command.cla | PROTECTED, data, ne, ..*command })
    }

    /// Opens the response to the command protected last. Its status is the authenticated one of DO 99.
    ///
    /// # Errors
    /// Whatever breaks the rules above; the session is then over.
    pub fn open_response(&mut self, response: &Response) -> Result<Response, SmError> {
        self.step(|keys| {
            if response.data.is_empty() {
                return Err(SmError::Bare { status: response.status });
            }
            let opened = keys.open(None, &response.data, STATUS)?;
            let status = opened.note.ok_or(SmError::Missing { tag: STATUS })?;
            let status = <[u8; 2]>::try_from(status).map_err(|_| SmError::Malformed { tag: STATUS })?;
            Ok(Response { data: opened.plain, status: Status(u16::from_be_bytes(status)) })
        })
    }
}

impl Session<Chip> {
    /// Opens a command; the class comes back without the secure messaging bits.
    ///
    /// # Errors
    /// Whatever breaks the rules above: the session is then over and the chip answers [`SmError::status`] bare.
    pub fn open_command(&mut self, command: &Command) -> Result<Command, SmError> {
        let opened = self.step(|keys| {
            if command.cla & PROTECTED != PROTECTED {
                return Err(SmError::Unprotected);
            }
            let header = [command.cla, command.ins, command.p1, command.p2];
            let opened = keys.open(Some(header), &command.data, LE)?;
            let ne = opened.note.map(ne_of).transpose()?;
            Ok(Command { cla: command.cla & !PROTECTED, data: opened.plain, ne, ..*command })
        })?;
        self.odd = is_odd(opened.ins);
        Ok(opened)
    }

    /// Protects the response to the command opened last, errors included.
    ///
    /// # Errors
    /// When the session is over or OpenSSL fails.
    pub fn protect_response(&mut self, response: &Response) -> Result<Response, SmError> {
        let status = response.status.0.to_be_bytes();
        let odd = self.odd;
        let data = self.step(|keys| keys.protect(None, &response.data, odd, Some((STATUS, &status))))?;
        Ok(Response { data, status: response.status })
    }
}

impl Keys {
    fn protect(
        &mut self,
        header: Option<[u8; 4]>,
        plain: &[u8],
        odd: bool,
        note: Option<(Tag, &[u8])>,
    ) -> Result<Vec<u8>, SmError> {
        let counter = self.counter.step();
        let mut objects = Writer::with_capacity(plain.len() + MOST_OVERHEAD);
        if !plain.is_empty() {
            let (tag, indicator) = if odd { (CRYPTOGRAM, None) } else { (PADDED_CRYPTOGRAM, Some(PADDED)) };
            let mut value = Vec::with_capacity(plain.len() + MOST_OVERHEAD);
            value.extend(indicator);
            self.iv(&counter)?;
            self.encryptor.append_padded(plain, &mut value)?;
            objects.put(tag, value);
        }
        if let Some((tag, value)) = note {
            objects.put(tag, value);
        }
        let checksum = self.checksum(&counter, header, objects.written())?;
        objects.put(CHECKSUM, checksum);
        Ok(objects.finish())
    }

    fn open<'a>(&mut self, header: Option<[u8; 4]>, data: &'a [u8], note_tag: Tag) -> Result<Opened<'a>, SmError> {
        let counter = self.counter.step();
        let objects = Objects::read(data, note_tag)?;
        let expected = self.checksum(&counter, header, objects.authenticated)?;
        if !same(&expected, objects.checksum) {
            return Err(SmError::Checksum);
        }
        let plain = match objects.cryptogram {
            Some((tag, cryptogram)) => self.decipher(&counter, tag, cryptogram)?,
            None => Vec::new(),
        };
        Ok(Opened { plain, note: objects.note })
    }

    fn decipher(&mut self, counter: &[u8; 16], tag: Tag, cryptogram: &[u8]) -> Result<Vec<u8>, SmError> {
        let block = self.counter.length;
        if cryptogram.is_empty() || !cryptogram.len().is_multiple_of(block) {
            return Err(SmError::Malformed { tag });
        }
        let iv = self.iv(counter)?;
        let mut plain = self.decryptor.message(&iv, cryptogram)?;
        let length = unpadded_length(&plain, block).ok_or(SmError::Malformed { tag })?;
        plain.truncate(length);
        Ok(plain)
    }

    /// Zero for 3DES, the enciphered counter for AES (9303-11 §9.8.6.1, §9.8.7.1); the encryptor goes on from it.
    fn iv(&mut self, counter: &[u8; 16]) -> Result<[u8; 16], ErrorStack> {
        match self.counter.length {
            16 => self.encryptor.single(counter),
            _ => {
                self.encryptor.start(&ZERO_IV);
                Ok(ZERO_IV)
            }
        }
    }

    fn checksum(&mut self, counter: &[u8; 16], header: Option<[u8; 4]>, objects: &[u8]) -> Result<[u8; 8], ErrorStack> {
        let block = self.counter.length;
        let header = header.as_ref().map_or(&[][..], |header| header);
        let after_header = if header.is_empty() { &[] } else { padding(header.len(), block) };
        // A header without data objects is the whole message: no block of padding alone follows.
        let after_objects = if objects.is_empty() { &[] } else { padding(objects.len(), block) };
        self.mac.short_tag(&[self.counter.block(counter), header, after_header, objects, after_objects])
    }
}

/// The data objects of a protected data field, in the one order that is allowed.
struct Objects<'a> {
    cryptogram: Option<(Tag, &'a [u8])>,
    note: Option<&'a [u8]>,
    /// Everything before the checksum, as received.
    authenticated: &'a [u8],
    checksum: &'a [u8],
}

impl<'a> Objects<'a> {
    fn read(data: &'a [u8], note_tag: Tag) -> Result<Self, SmError> {
        let mut reader = Reader::new(data);
        let cryptogram = match reader.optional(PADDED_CRYPTOGRAM)? {
            Some([PADDED, cryptogram @ ..]) => Some((PADDED_CRYPTOGRAM, cryptogram)),
            Some(_) => return Err(SmError::Malformed { tag: PADDED_CRYPTOGRAM }),
            None => reader.optional(CRYPTOGRAM)?.map(|cryptogram| (CRYPTOGRAM, cryptogram)),
        };
        let note = reader.optional(note_tag)?;
        let authenticated = data.get(..data.len() - reader.rest().len()).unwrap_or_default();
        match reader.next()? {
            Some(tlv) if tlv.tag == CHECKSUM && reader.is_empty() => {
                Ok(Objects { cryptogram, note, authenticated, checksum: tlv.value })
            }
            Some(tlv) => Err(SmError::Unexpected { tag: tlv.tag }),
            None => Err(SmError::Missing { tag: CHECKSUM }),
        }
    }
}

fn is_odd(ins: u8) -> bool {
    ins & 1 == 1
}

/// Le as DO 97 carries it, out of Ne as a big endian number: one byte up to 256, else two.
fn le_octets(ne: &[u8; 4]) -> &[u8] {
    let short = u32::from_be_bytes(*ne) <= 256;
    ne.get(if short { 3 } else { 2 }..).unwrap_or_default()
}

fn ne_of(le: &[u8]) -> Result<u32, SmError> {
    match *le {
        [0] => Ok(256),
        [le] => Ok(u32::from(le)),
        [0, 0] => Ok(MAX_NE),
        [a, b] => Ok(u32::from(u16::from_be_bytes([a, b]))),
        _ => Err(SmError::Malformed { tag: LE }),
    }
}

/// The layer that speaks through a session.
#[derive(Debug)]
pub struct Secured<C> {
    session: Session<Terminal>,
    card: C,
}

impl<C: Card> Secured<C> {
    /// Puts the session over `card`.
    pub fn new(session: Session<Terminal>, card: C) -> Self {
        Secured { session, card }
    }

    /// Goes on with another session: after Chip Authentication.
    pub fn replace(&mut self, session: Session<Terminal>) {
        self.session = session;
    }

    /// The session in use.
    pub fn session(&self) -> &Session<Terminal> {
        &self.session
    }

    /// Gives the card below back; the session is gone.
    pub fn into_inner(self) -> C {
        self.card
    }
}

impl<C: Card> Card for Secured<C> {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        let protected = self.session.protect_command(command)?;
        let response = self.card.transmit(&protected)?;
        Ok(self.session.open_response(&response)?)
    }
}

#[cfg(test)]
mod tests;
