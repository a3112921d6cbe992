//! SCP03 (GPCS Amendment D): the issuer's channel to the card. Challenges, cryptograms and MACs have n bytes: 8 or 16.
//!
//! ```text
//! INITIALIZE UPDATE      80 50 KV 00  n  host challenge (n)
//!   -> diversification data (10) KV 03 i card challenge (n) card cryptogram (n) [sequence counter (3)]
//! EXTERNAL AUTHENTICATE  84 82 level 00  2n  host cryptogram (n) C-MAC (n)
//! command   CLA|04 INS P1 P2 Lc  data, or its cryptogram  C-MAC (n)
//! response                       data, or its cryptogram  R-MAC (n)  SW
//! ```
//!
//! The C-MAC of a command covers the one before it (the MAC chaining value), and the encryption
//! counter moves with every command after EXTERNAL AUTHENTICATE, with or without data: a lost or
//! repeated command does not verify. The terminal's end is [`open`] and [`Channel`], the card's
//! [`ChipChannel`]; both use the same session underneath.

mod chip;
mod session;
mod terminal;

use iso7816::{Aid, Status, TransmitError};
use openssl::error::ErrorStack;

use crate::block::{Cbc, ZERO_IV, padding, unpadded_length};
use crate::key_set::aes_of;
use crate::random::RandomError;
use crate::secret::{Secret, same};
use crate::suite::Cipher;

pub use crate::key_set::KeySet;
pub use chip::{CardChallenge, ChipChannel, Offer};
pub use terminal::{Channel, open, open_derived};

use session::Derivation;

const INITIALIZE_UPDATE: u8 = 0x50;
const EXTERNAL_AUTHENTICATE: u8 = 0x82;
/// Number of the protocol in the answer to INITIALIZE UPDATE.
const PROTOCOL: u8 = 0x03;
/// Option bits of `i`: sixteen-byte challenges; pseudo-random challenge; R-MAC and R-ENCRYPTION offered.
const OPTION_S16: u8 = 0x01;
const OPTION_PSEUDO_RANDOM: u8 = 0x10;
const OPTION_RESPONSES: u8 = 0x60;
/// Class bit of GlobalPlatform secure messaging.
const PROTECTED: u8 = 0x04;

/// What is protected in a session, by the number that EXTERNAL AUTHENTICATE carries in P1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum SecurityLevel {
    /// `01`: commands authenticated.
    CommandMac = 0x01,
    /// `03`: commands authenticated and enciphered.
    CommandEncryption = 0x03,
    /// `11`: commands and responses authenticated.
    BothMac = 0x11,
    /// `13`: commands authenticated and enciphered, responses authenticated.
    CommandEncryptionBothMac = 0x13,
    /// `33`: everything authenticated and enciphered.
    Full = 0x33,
}

impl SecurityLevel {
    /// Every level.
    pub const ALL: [SecurityLevel; 5] = [
        SecurityLevel::CommandMac,
        SecurityLevel::CommandEncryption,
        SecurityLevel::BothMac,
        SecurityLevel::CommandEncryptionBothMac,
        SecurityLevel::Full,
    ];

    /// The level with this number; `None` for others.
    pub fn from_byte(byte: u8) -> Option<Self> {
        SecurityLevel::ALL.into_iter().find(|level| *level as u8 == byte)
    }

    /// The most plain data bytes that fit into one short command with [`Size::S8`]: 247, or 239 when commands are enciphered.
    pub const fn short_data(self) -> usize {
        Options { level: self, size: Size::S8, counted: Counted::EveryCommand }.short_data()
    }

    const fn enciphers_commands(self) -> bool {
        self as u8 & 0x02 != 0
    }

    const fn authenticates_responses(self) -> bool {
        self as u8 & 0x10 != 0
    }

    const fn enciphers_responses(self) -> bool {
        self as u8 & 0x20 != 0
    }
}

/// How long challenges, cryptograms and MACs are (bit 1 of `i`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Size {
    /// Eight bytes.
    S8 = 8,
    /// Sixteen bytes.
    S16 = 16,
}

/// Which commands move the encryption counter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Counted {
    /// Every one, as the standard has it.
    EveryCommand,
    /// Only those with data: some cards of the field.
    CommandsWithData,
}

/// How a session is held.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Options {
    /// What is protected.
    pub level: SecurityLevel,
    /// How long the proofs are: the card tells by its card recognition data, and INITIALIZE UPDATE must know before.
    pub size: Size,
    /// What the card counts.
    pub counted: Counted,
}

impl From<SecurityLevel> for Options {
    fn from(level: SecurityLevel) -> Self {
        Options { level, size: Size::S8, counted: Counted::EveryCommand }
    }
}

impl Options {
    /// The most plain data bytes that fit into one short command.
    pub const fn short_data(self) -> usize {
        let room = 255 - self.size as usize;
        // Whole blocks, less one byte of padding.
        if self.level.enciphers_commands() { room / 16 * 16 - 1 } else { room }
    }
}

/// What the card said of itself in answer to INITIALIZE UPDATE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InitializeUpdateInfo {
    /// Key diversification data.
    pub diversification: [u8; 10],
    /// Version of the keys in use.
    pub key_version: u8,
    /// The `i` parameter: options of the protocol.
    pub i: u8,
    /// The card's challenge: 8 or 16 bytes.
    pub card_challenge: Vec<u8>,
    /// The card's cryptogram, as long.
    pub card_cryptogram: Vec<u8>,
    /// The sequence counter, sent with pseudo-random challenges.
    pub sequence_counter: Option<[u8; 3]>,
}

impl InitializeUpdateInfo {
    /// Reads the response data: 29 bytes, or 45 with S16; three more with a sequence counter.
    ///
    /// # Errors
    /// For another length and for another protocol than SCP03.
    pub fn parse(data: &[u8]) -> Result<Self, Scp03Error> {
        let fields = || {
            let (diversification, rest) = data.split_first_chunk::<10>()?;
            let ([key_version, protocol, i], rest) = rest.split_first_chunk::<3>()?;
            Some((*diversification, *key_version, *protocol, *i, rest))
        };
        let length = data.len();
        let (diversification, key_version, protocol, i, rest) = fields().ok_or(Scp03Error::Length { length })?;
        if protocol != PROTOCOL {
            return Err(Scp03Error::Protocol { protocol, i });
        }
        let size = size_of(i) as usize;
        let challenges = || {
            let (card_challenge, rest) = rest.split_at_checked(size)?;
            let (card_cryptogram, rest) = rest.split_at_checked(size)?;
            let sequence_counter = match rest {
                [] => None,
                _ => Some(<[u8; 3]>::try_from(rest).ok()?),
            };
            Some((card_challenge.to_vec(), card_cryptogram.to_vec(), sequence_counter))
        };
        let (card_challenge, card_cryptogram, sequence_counter) = challenges().ok_or(Scp03Error::Length { length })?;
        Ok(InitializeUpdateInfo { diversification, key_version, i, card_challenge, card_cryptogram, sequence_counter })
    }

    /// How long challenges, cryptograms and MACs are.
    pub fn size(&self) -> Size {
        size_of(self.i)
    }

    /// The response data.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut data = self.diversification.to_vec();
        data.extend([self.key_version, PROTOCOL, self.i]);
        data.extend(&self.card_challenge);
        data.extend(&self.card_cryptogram);
        data.extend(self.sequence_counter.iter().flatten());
        data
    }

    /// True when the challenge is the pseudo-random one that a card with these keys gives in the application `aid`.
    ///
    /// # Errors
    /// When the keys are not AES keys of one length, or OpenSSL fails.
    pub fn challenge_is_pseudo_random(&self, keys: &KeySet, aid: &Aid) -> Result<bool, Scp03Error> {
        let cipher = keys.aes().ok_or(Scp03Error::KeyLength)?;
        match self.sequence_counter {
            Some(counter) => {
                let expected = pseudo_random_challenge(cipher, self.size(), &keys.enc, counter, aid)?;
                Ok(same(&expected, &self.card_challenge))
            }
            None => Ok(false),
        }
    }
}

fn size_of(i: u8) -> Size {
    if i & OPTION_S16 == 0 { Size::S8 } else { Size::S16 }
}

/// The card challenge made from Key-ENC, the sequence counter and the AID (Amendment D §6.2.2.1).
fn pseudo_random_challenge(
    cipher: Cipher,
    size: Size,
    key_enc: &Secret,
    sequence_counter: [u8; 3],
    aid: &Aid,
) -> Result<Vec<u8>, ErrorStack> {
    let context = [&sequence_counter[..], aid.as_bytes()].concat();
    session::cryptogram(cipher, size, key_enc, Derivation::CardChallenge, &context)
}

/// Why no channel was opened.
#[derive(Debug, thiserror::Error)]
pub enum Scp03Error {
    /// The three keys are not AES keys of one length.
    #[error("the keys must be three AES keys of one length")]
    KeyLength,
    /// The card refused a command.
    #[error("the card refused instruction {instruction:02X}: {status}")]
    Refused {
        /// Instruction byte of the command.
        instruction: u8,
        /// What the card said.
        status: Status,
    },
    /// The answer to INITIALIZE UPDATE is not one of SCP03.
    #[error("the answer to INITIALIZE UPDATE has {length} bytes")]
    Length {
        /// Bytes received.
        length: usize,
    },
    /// Another protocol than SCP03, or another size than was asked for.
    #[error("the card speaks SCP{protocol:02X} with option {i:02X}")]
    Protocol {
        /// The protocol's number.
        protocol: u8,
        /// The `i` parameter, or the byte in its place.
        i: u8,
    },
    /// The card's cryptogram is wrong: other keys. Nothing was sent after INITIALIZE UPDATE, so no try is lost.
    #[error("the card's cryptogram is wrong: these are not the keys of version {key_version:02X}")]
    CardCryptogram {
        /// The key version that the card reported.
        key_version: u8,
    },
    /// No answer.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// OpenSSL failed.
    #[error("cryptography failed")]
    OpenSsl(#[from] ErrorStack),
}

/// Success and warnings are protected; an error is a bare status word (Amendment D §6.2.5).
fn carries_r_mac(status: Status) -> bool {
    status.is_ok() || matches!(status.sw1(), 0x62 | 0x63)
}

/// Key-DEK at work: AES-CBC with a zero ICV.
struct Dek {
    cipher: Cipher,
    key: Secret,
}

impl Dek {
    /// With padding, which is always added.
    fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let mut cryptogram = Vec::new();
        Cbc::encryptor(self.cipher, &self.key)?.append_padded(plain, &mut cryptogram)?;
        Ok(cryptogram)
    }

    /// The inverse of [`Dek::encrypt`]; `None` for data that it did not make.
    fn decrypt(&self, cryptogram: &[u8]) -> Result<Option<Secret>, ErrorStack> {
        let Some(padded) = self.decrypt_blocks(cryptogram)? else { return Ok(None) };
        let length = unpadded_length(padded.expose(), self.cipher.block_length());
        Ok(length.and_then(|length| padded.expose().get(..length)).map(Secret::from))
    }

    /// A key: padded only when it does not end with a block (PUT KEY, Amendment D §7.2).
    fn encrypt_key(&self, key: &Secret) -> Result<Vec<u8>, ErrorStack> {
        let block = self.cipher.block_length();
        let length = key.expose().len();
        let tail = if length.is_multiple_of(block) { &[] } else { padding(length, block) };
        let blocks = Secret::new([key.expose(), tail].concat());
        Cbc::encryptor(self.cipher, &self.key)?.message(&ZERO_IV, blocks.expose())
    }

    /// Whole blocks; `None` for a broken block or nothing.
    fn decrypt_blocks(&self, cryptogram: &[u8]) -> Result<Option<Secret>, ErrorStack> {
        if cryptogram.is_empty() || !cryptogram.len().is_multiple_of(self.cipher.block_length()) {
            return Ok(None);
        }
        Cbc::decryptor(self.cipher, &self.key)?.message(&ZERO_IV, cryptogram).map(|blocks| Some(Secret::new(blocks)))
    }
}

/// The key check value: the first three bytes of AES over sixteen bytes of `01` (Amendment D §4.1.4).
///
/// # Errors
/// When the key is not one of AES.
pub fn key_check_value(key: &Secret) -> Result<[u8; 3], Scp03Error> {
    let cipher = aes_of(key).ok_or(Scp03Error::KeyLength)?;
    let [a, b, c, ..] = Cbc::encryptor(cipher, key)?.single(&[0x01; 16])?;
    Ok([a, b, c])
}

#[cfg(test)]
mod tests;
