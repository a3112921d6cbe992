//! Key derivation and the running state of a session, the same at both ends.

use iso7816::Command;
use openssl::error::ErrorStack;

use super::{Cipher, KeySet, PROTECTED, SecurityLevel};
use crate::block::{Cbc, unpadded_length};
use crate::mac::{Mac, first_half};
use crate::secret::{Secret, same};

/// The derivation constants (Amendment D §4.1.5).
#[derive(Clone, Copy)]
pub(super) enum Derivation {
    CardCryptogram = 0x00,
    HostCryptogram = 0x01,
    CardChallenge = 0x02,
    SEnc = 0x04,
    SMac = 0x06,
    SRmac = 0x07,
}

/// The key derivation function (Amendment D §4.1.5, SP 800-108 in counter mode): `length` bytes, at most 32.
pub(super) fn derive(
    cipher: Cipher,
    key: &Secret,
    constant: u8,
    context: &[u8],
    length: usize,
) -> Result<Secret, ErrorStack> {
    let mut mac = Mac::new(cipher, key)?;
    let bits = (length as u16 * 8).to_be_bytes();
    let mut out = Vec::with_capacity(32);
    for round in 1..=length.div_ceil(16) as u8 {
        let label = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, constant, 0x00, bits[0], bits[1], round];
        out.extend(mac.tag(&[&label, context])?);
    }
    out.truncate(length);
    Ok(Secret::new(out))
}

/// Eight derived bytes: a cryptogram or a challenge.
pub(super) fn cryptogram(
    cipher: Cipher,
    key: &Secret,
    constant: Derivation,
    context: &[u8],
) -> Result<[u8; 8], ErrorStack> {
    let derived = derive(cipher, key, constant as u8, context, 8)?;
    let mut cryptogram = [0; 8];
    cryptogram.iter_mut().zip(derived.expose()).for_each(|(to, from)| *to = *from);
    Ok(cryptogram)
}

/// What both ends know after INITIALIZE UPDATE.
pub(super) struct Derived {
    pub(super) card_cryptogram: [u8; 8],
    pub(super) host_cryptogram: [u8; 8],
    pub(super) session: Session,
}

/// The running state of an open session.
pub(super) struct Session {
    encryptor: Cbc,
    decryptor: Cbc,
    mac: Mac,
    rmac: Mac,
    /// MAC chaining value: the whole C-MAC of the last command.
    chain: [u8; 16],
    /// Encryption counter: the number of the command after EXTERNAL AUTHENTICATE.
    counter: u128,
    pub(super) level: SecurityLevel,
}

/// The message does not verify.
pub(super) struct Broken;

impl From<ErrorStack> for Broken {
    fn from(_: ErrorStack) -> Self {
        Broken
    }
}

impl Derived {
    /// Derives the session of the two challenges; its level counts once EXTERNAL AUTHENTICATE has passed.
    pub(super) fn new(
        cipher: Cipher,
        keys: &KeySet,
        host_challenge: &[u8; 8],
        card_challenge: &[u8; 8],
        level: SecurityLevel,
    ) -> Result<Self, ErrorStack> {
        let context = [*host_challenge, *card_challenge].concat();
        let session_key = |key, constant| derive(cipher, key, constant as u8, &context, cipher.key_length());
        let s_enc = session_key(&keys.enc, Derivation::SEnc)?;
        let s_mac = session_key(&keys.mac, Derivation::SMac)?;
        let s_rmac = session_key(&keys.mac, Derivation::SRmac)?;
        Ok(Derived {
            card_cryptogram: cryptogram(cipher, &s_mac, Derivation::CardCryptogram, &context)?,
            host_cryptogram: cryptogram(cipher, &s_mac, Derivation::HostCryptogram, &context)?,
            session: Session {
                encryptor: Cbc::encryptor(cipher, &s_enc)?,
                decryptor: Cbc::decryptor(cipher, &s_enc)?,
                mac: Mac::new(cipher, &s_mac)?,
                rmac: Mac::new(cipher, &s_rmac)?,
                chain: [0; 16],
                counter: 0,
                level,
            },
        })
    }
}

impl Session {
    /// Adds the C-MAC to a command whose data is already in its final form.
    pub(super) fn authenticate(&mut self, command: &Command, mut data: Vec<u8>) -> Result<Command, ErrorStack> {
        let mut protected = Command { cla: command.cla | PROTECTED, data: Vec::new(), ..*command };
        let length = data.len() + 8;
        let chain = self.c_mac(&protected, length, &data)?;
        data.extend(first_half(&chain));
        self.chain = chain;
        protected.data = data;
        Ok(protected)
    }

    /// Checks and removes the C-MAC.
    pub(super) fn verify(&mut self, command: &Command) -> Result<Vec<u8>, Broken> {
        let (data, c_mac) = command.data.split_last_chunk::<8>().ok_or(Broken)?;
        let chain = self.c_mac(command, command.data.len(), data)?;
        if command.cla & PROTECTED == 0 || !same(&first_half(&chain), c_mac) {
            return Err(Broken);
        }
        self.chain = chain;
        Ok(data.to_vec())
    }

    /// The MAC over chaining value, header with Lc, and data. The logical channel is not covered.
    pub(super) fn c_mac(&mut self, command: &Command, length: usize, data: &[u8]) -> Result<[u8; 16], ErrorStack> {
        let header = [command.cla & 0xFC, command.ins, command.p1, command.p2];
        let [high, low] = (length as u16).to_be_bytes();
        let extended = length > 255 || command.ne.is_some_and(|ne| ne > 256);
        let lc = if extended { &[0x00, high, low][..] } else { &[low] };
        self.mac.tag(&[&self.chain, &header, lc, data])
    }

    /// Protects a command after EXTERNAL AUTHENTICATE.
    pub(super) fn protect_command(&mut self, command: &Command) -> Result<Command, ErrorStack> {
        self.counter = self.counter.wrapping_add(1);
        let data = if self.level.enciphers_commands() && !command.data.is_empty() {
            self.iv(0x00)?;
            let mut cryptogram = Vec::with_capacity(command.data.len() + 48);
            self.encryptor.append_padded(&command.data, &mut cryptogram)?;
            cryptogram
        } else {
            command.data.clone()
        };
        self.authenticate(command, data)
    }

    /// Opens a command after EXTERNAL AUTHENTICATE.
    pub(super) fn open_command(&mut self, command: &Command) -> Result<Command, Broken> {
        let data = self.verify(command)?;
        self.counter = self.counter.wrapping_add(1);
        let data = if self.level.enciphers_commands() && !data.is_empty() { self.decipher(0x00, &data)? } else { data };
        Ok(Command { cla: command.cla & !PROTECTED, data, ..*command })
    }

    /// Protects response data under a status that is no error.
    pub(super) fn protect_response(&mut self, data: &[u8], status: [u8; 2]) -> Result<Vec<u8>, ErrorStack> {
        if !self.level.authenticates_responses() {
            return Ok(data.to_vec());
        }
        let mut protected = Vec::with_capacity(data.len() + 48);
        if self.level.enciphers_responses() && !data.is_empty() {
            self.iv(0x80)?;
            self.encryptor.append_padded(data, &mut protected)?;
        } else {
            protected.extend_from_slice(data);
        }
        let r_mac = self.rmac.short_tag(&[&self.chain, &protected, &status])?;
        protected.extend(r_mac);
        Ok(protected)
    }

    /// Opens response data under a status that is no error.
    pub(super) fn open_response(&mut self, data: &[u8], status: [u8; 2]) -> Result<Vec<u8>, Broken> {
        if !self.level.authenticates_responses() {
            return Ok(data.to_vec());
        }
        let (data, r_mac) = data.split_last_chunk::<8>().ok_or(Broken)?;
        let expected = self.rmac.short_tag(&[&self.chain, data, &status])?;
        if !same(&expected, r_mac) {
            return Err(Broken);
        }
        match self.level.enciphers_responses() && !data.is_empty() {
            true => self.decipher(0x80, data),
            false => Ok(data.to_vec()),
        }
    }

    /// The enciphered counter; its first byte tells responses (`80`) from commands (`00`). The encryptor goes on from it.
    fn iv(&mut self, first: u8) -> Result<[u8; 16], ErrorStack> {
        let mut block = self.counter.to_be_bytes();
        block[0] = first;
        self.encryptor.single(&block)
    }

    fn decipher(&mut self, first: u8, cryptogram: &[u8]) -> Result<Vec<u8>, Broken> {
        if !cryptogram.len().is_multiple_of(16) {
            return Err(Broken);
        }
        let iv = self.iv(first)?;
        let mut plain = self.decryptor.message(&iv, cryptogram)?;
        let length = unpadded_length(&plain, 16).ok_or(Broken)?;
        plain.truncate(length);
        Ok(plain)
    }
}
