//! Key derivation and the running state of a session, the same at both ends.

use iso7816::Command;
use openssl::error::ErrorStack;

use super::{Cipher, Counted, KeySet, Options, PROTECTED, Size};
use crate::block::{Cbc, unpadded_length};
use crate::mac::Mac;
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

/// A cryptogram or a challenge.
pub(super) fn cryptogram(
    cipher: Cipher,
    size: Size,
    key: &Secret,
    constant: Derivation,
    context: &[u8],
) -> Result<Vec<u8>, ErrorStack> {
    Ok(derive(cipher, key, constant as u8, context, size as usize)?.expose().to_vec())
}

/// What both ends know after INITIALIZE UPDATE.
pub(super) struct Derived {
    pub(super) card_cryptogram: Vec<u8>,
    pub(super) host_cryptogram: Vec<u8>,
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
    /// Encryption counter: the number of the command that counts, after EXTERNAL AUTHENTICATE.
    counter: u128,
    pub(super) options: Options,
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
        host_challenge: &[u8],
        card_challenge: &[u8],
        options: Options,
    ) -> Result<Self, ErrorStack> {
        let context = [host_challenge, card_challenge].concat();
        let session_key = |key, constant| derive(cipher, key, constant as u8, &context, cipher.key_length());
        let s_enc = session_key(&keys.enc, Derivation::SEnc)?;
        let s_mac = session_key(&keys.mac, Derivation::SMac)?;
        let s_rmac = session_key(&keys.mac, Derivation::SRmac)?;
        Ok(Derived {
            card_cryptogram: cryptogram(cipher, options.size, &s_mac, Derivation::CardCryptogram, &context)?,
            host_cryptogram: cryptogram(cipher, options.size, &s_mac, Derivation::HostCryptogram, &context)?,
            session: Session {
                encryptor: Cbc::encryptor(cipher, &s_enc)?,
                decryptor: Cbc::decryptor(cipher, &s_enc)?,
                mac: Mac::new(cipher, &s_mac)?,
                rmac: Mac::new(cipher, &s_rmac)?,
                chain: [0; 16],
                counter: 0,
                options,
            },
        })
    }
}

impl Session {
    /// Adds the C-MAC to a command whose data is already in its final form.
    pub(super) fn authenticate(&mut self, command: &Command, mut data: Vec<u8>) -> Result<Command, ErrorStack> {
        let mut protected = Command { cla: command.cla | PROTECTED, data: Vec::new(), ..*command };
        let length = data.len() + self.options.size as usize;
        let chain = self.c_mac(&protected, length, &data)?;
        data.extend(self.cut(&chain));
        self.chain = chain;
        protected.data = data;
        Ok(protected)
    }

    /// Checks and removes the C-MAC.
    pub(super) fn verify(&mut self, command: &Command) -> Result<Vec<u8>, Broken> {
        let (data, c_mac) = self.split(&command.data)?;
        let chain = self.c_mac(command, command.data.len(), data)?;
        if command.cla & PROTECTED == 0 || !same(self.cut(&chain), c_mac) {
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
        self.count(&command.data);
        let data = if self.options.level.enciphers_commands() && !command.data.is_empty() {
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
        self.count(&data);
        let data = if self.options.level.enciphers_commands() && !data.is_empty() {
            self.decipher(0x00, &data)?
        } else {
            data
        };
        Ok(Command { cla: command.cla & !PROTECTED, data, ..*command })
    }

    /// Protects response data under a status that is no error.
    pub(super) fn protect_response(&mut self, data: &[u8], status: [u8; 2]) -> Result<Vec<u8>, ErrorStack> {
        if !self.options.level.authenticates_responses() {
            return Ok(data.to_vec());
        }
        let mut protected = Vec::with_capacity(data.len() + 48);
        if self.options.level.enciphers_responses() && !data.is_empty() {
            self.iv(0x80)?;
            self.encryptor.append_padded(data, &mut protected)?;
        } else {
            protected.extend_from_slice(data);
        }
        let r_mac = self.rmac.tag(&[&self.chain, &protected, &status])?;
        protected.extend(self.cut(&r_mac));
        Ok(protected)
    }

    /// Opens response data under a status that is no error.
    pub(super) fn open_response(&mut self, data: &[u8], status: [u8; 2]) -> Result<Vec<u8>, Broken> {
        if !self.options.level.authenticates_responses() {
            return Ok(data.to_vec());
        }
        let (data, r_mac) = self.split(data)?;
        let expected = self.rmac.tag(&[&self.chain, data, &status])?;
        if !same(self.cut(&expected), r_mac) {
            return Err(Broken);
        }
        match self.options.level.enciphers_responses() && !data.is_empty() {
            true => self.decipher(0x80, data),
            false => Ok(data.to_vec()),
        }
    }

    /// As much of a MAC as travels.
    fn cut<'m>(&self, mac: &'m [u8; 16]) -> &'m [u8] {
        mac.get(..self.options.size as usize).unwrap_or_default()
    }

    /// What comes before the MAC, and the MAC.
    fn split<'d>(&self, data: &'d [u8]) -> Result<(&'d [u8], &'d [u8]), Broken> {
        let at = data.len().checked_sub(self.options.size as usize).ok_or(Broken)?;
        data.split_at_checked(at).ok_or(Broken)
    }

    fn count(&mut self, data: &[u8]) {
        if self.options.counted == Counted::EveryCommand || !data.is_empty() {
            self.counter = self.counter.wrapping_add(1);
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
