//! Key derivation and the running state of a session, the same at both ends.

use iso7816::{Aid, Command};
use openssl::error::ErrorStack;

use super::{KeySet, PROTECTED, SecurityLevel};
use crate::block::{Cbc, ZERO_IV, padding, unpadded_length};
use crate::mac::{Mac, first_half};
use crate::secret::{Secret, same};
use crate::suite::Cipher;

/// The derivation constants (§E.4.1).
#[derive(Clone, Copy)]
pub(super) enum Derivation {
    CommandMac = 0x0101,
    DataEncryption = 0x0181,
    Encryption = 0x0182,
}

/// A session key: constant, sequence counter and zeros, enciphered under the static key.
pub(super) fn derive(key: &Secret, constant: Derivation, sequence_counter: [u8; 2]) -> Result<Secret, ErrorStack> {
    let constant = (constant as u16).to_be_bytes();
    let data = [&constant[..], &sequence_counter, &[0; 12]].concat();
    Cbc::encryptor(Cipher::TripleDes, key)?.message(&ZERO_IV, &data).map(Secret::new)
}

/// The card challenge of i = 55: the C-MAC over the AID of the security domain (§E.4.2.3).
pub(super) fn pseudo_random_challenge(
    keys: &KeySet,
    sequence_counter: [u8; 2],
    aid: &Aid,
) -> Result<[u8; 6], ErrorStack> {
    let s_mac = derive(&keys.mac, Derivation::CommandMac, sequence_counter)?;
    let aid = aid.as_bytes();
    let tag = Mac::new(Cipher::TripleDes, &s_mac)?.tag(&[aid, padding(aid.len(), 8)])?;
    Ok(tag.first_chunk().copied().unwrap_or_default())
}

/// What both ends know after INITIALIZE UPDATE.
pub(super) struct Derived {
    pub(super) card_cryptogram: [u8; 8],
    pub(super) host_cryptogram: [u8; 8],
    pub(super) session: Session,
    pub(super) s_dek: Secret,
}

/// The running state of an open session.
pub(super) struct Session {
    encryptor: Cbc,
    decryptor: Cbc,
    mac: Mac,
    /// Enciphers the C-MAC before into the initial vector of the next.
    vector: Cbc,
    /// The C-MAC before; `None` before the first.
    chain: Option<[u8; 8]>,
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
        keys: &KeySet,
        host_challenge: &[u8; 8],
        sequence_counter: [u8; 2],
        card_challenge: &[u8; 6],
        level: SecurityLevel,
    ) -> Result<Self, ErrorStack> {
        let s_enc = derive(&keys.enc, Derivation::Encryption, sequence_counter)?;
        let s_mac = derive(&keys.mac, Derivation::CommandMac, sequence_counter)?;
        let s_dek = derive(&keys.dek, Derivation::DataEncryption, sequence_counter)?;
        let mut encryptor = Cbc::encryptor(Cipher::TripleDes, &s_enc)?;
        let card = [&sequence_counter[..], card_challenge].concat();
        Ok(Derived {
            card_cryptogram: cryptogram(&mut encryptor, host_challenge, &card)?,
            host_cryptogram: cryptogram(&mut encryptor, &card, host_challenge)?,
            session: Session {
                encryptor,
                decryptor: Cbc::decryptor(Cipher::TripleDes, &s_enc)?,
                mac: Mac::new(Cipher::TripleDes, &s_mac)?,
                vector: Cbc::single_des_encryptor(&s_mac)?,
                chain: None,
                level,
            },
            s_dek,
        })
    }
}

/// The last block of both challenges and a block of padding, enciphered (§E.4.2.1, §E.4.2.2).
fn cryptogram(encryptor: &mut Cbc, first: &[u8], second: &[u8]) -> Result<[u8; 8], ErrorStack> {
    let blocks = encryptor.message(&ZERO_IV, &[first, second, padding(0, 8)].concat())?;
    Ok(blocks.last_chunk().copied().unwrap_or_default())
}

impl Session {
    /// Protects a command whose plain data fits.
    pub(super) fn protect_command(&mut self, command: &Command) -> Result<Command, ErrorStack> {
        let c_mac = self.c_mac(command, &command.data)?;
        let mut data = Vec::with_capacity(command.data.len() + 24);
        match self.enciphers(&command.data) {
            true => {
                self.encryptor.start(&ZERO_IV);
                self.encryptor.append_padded(&command.data, &mut data)?;
            }
            false => data.extend_from_slice(&command.data),
        }
        data.extend(c_mac);
        Ok(Command { cla: command.cla | PROTECTED, data, ..*command })
    }

    /// EXTERNAL AUTHENTICATE: authenticated, never enciphered.
    pub(super) fn authenticate(&mut self, command: &Command) -> Result<Command, ErrorStack> {
        let c_mac = self.c_mac(command, &command.data)?;
        let data = [&command.data[..], &c_mac].concat();
        Ok(Command { cla: command.cla | PROTECTED, data, ..*command })
    }

    /// Checks and removes the C-MAC of EXTERNAL AUTHENTICATE.
    pub(super) fn verify(&mut self, command: &Command) -> Result<Vec<u8>, Broken> {
        let (data, c_mac) = command.data.split_last_chunk::<8>().ok_or(Broken)?;
        self.check(command, data, c_mac)?;
        Ok(data.to_vec())
    }

    /// Opens a command. What is not padded as it must be is treated as a wrong C-MAC: the two must not be told apart.
    pub(super) fn open_command(&mut self, command: &Command) -> Result<Command, Broken> {
        let (data, c_mac) = command.data.split_last_chunk::<8>().ok_or(Broken)?;
        let plain = if self.enciphers(data) { self.decipher(data) } else { Some(data.to_vec()) };
        // The C-MAC covers the plain data, so it is computed either way.
        self.check(command, plain.as_deref().unwrap_or(data), c_mac)?;
        let data = plain.ok_or(Broken)?;
        Ok(Command { cla: command.cla & !PROTECTED, data, ..*command })
    }

    fn check(&mut self, command: &Command, plain: &[u8], c_mac: &[u8]) -> Result<(), Broken> {
        let expected = self.c_mac(command, plain)?;
        let protected = command.cla & PROTECTED != 0;
        if protected && same(&expected, c_mac) { Ok(()) } else { Err(Broken) }
    }

    fn enciphers(&self, data: &[u8]) -> bool {
        self.level == SecurityLevel::CommandEncryption && !data.is_empty()
    }

    fn decipher(&mut self, cryptogram: &[u8]) -> Option<Vec<u8>> {
        if !cryptogram.len().is_multiple_of(8) {
            return None;
        }
        let mut plain = self.decryptor.message(&ZERO_IV, cryptogram).ok()?;
        let length = unpadded_length(&plain, 8).filter(|length| *length > 0)?;
        plain.truncate(length);
        Some(plain)
    }

    /// The C-MAC over the header with the length of the plain data and the C-MAC, and the plain data (§E.4.4). The
    /// logical channel is not covered.
    fn c_mac(&mut self, command: &Command, plain: &[u8]) -> Result<[u8; 8], ErrorStack> {
        let length = (plain.len() + 8) as u8;
        let header = [command.cla & 0xFC | PROTECTED, command.ins, command.p1, command.p2, length];
        let mut message = [&header[..], plain].concat();
        message.extend_from_slice(padding(message.len(), 8));
        if let Some(before) = self.chain {
            let vector = self.vector.single(&before)?;
            message.iter_mut().zip(vector).take(8).for_each(|(to, from)| *to ^= from);
        }
        let c_mac = first_half(&self.mac.tag(&[&message])?);
        self.chain = Some(c_mac);
        Ok(c_mac)
    }
}
