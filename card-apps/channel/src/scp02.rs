//! SCP02 (GPCS 2.3.1 appendix E) with i = 15 and 55: the issuer's channel to older cards, 3DES throughout.
//!
//! ```text
//! INITIALIZE UPDATE      80 50 KV 00  08 host challenge
//!   -> diversification data (10) KV 02 sequence counter (2) card challenge (6) card cryptogram (8)
//! EXTERNAL AUTHENTICATE  84 82 level 00  10 host cryptogram (8) C-MAC (8)
//! command   CLA|04 INS P1 P2 Lc  data, or its cryptogram  C-MAC (8)
//! response  as the card gives it: these options know no R-MAC
//! ```
//!
//! The C-MAC covers the plain command as it would be with `Lc` eight larger; its initial vector is the C-MAC before,
//! enciphered. Responses are not authenticated: whoever has the choice takes SCP03.

mod chip;
mod session;
mod terminal;

use iso7816::{Aid, Status, TransmitError};
use openssl::error::ErrorStack;

use crate::block::Cbc;
use crate::random::RandomError;
use crate::secret::Secret;
use crate::suite::Cipher;

pub use crate::key_set::KeySet;
pub use chip::{CardChallenge, ChipChannel, Offer};
pub use terminal::{Channel, open};

const INITIALIZE_UPDATE: u8 = 0x50;
const EXTERNAL_AUTHENTICATE: u8 = 0x82;
/// Number of the protocol in the answer to INITIALIZE UPDATE.
const PROTOCOL: u8 = 0x02;
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
}

impl SecurityLevel {
    /// Every level.
    pub const ALL: [SecurityLevel; 2] = [SecurityLevel::CommandMac, SecurityLevel::CommandEncryption];

    /// The level with this number; `None` for others.
    pub fn from_byte(byte: u8) -> Option<Self> {
        SecurityLevel::ALL.into_iter().find(|level| *level as u8 == byte)
    }

    /// The most plain data bytes of one command: 247, or 239 when commands are enciphered. There are no longer ones.
    pub const fn short_data(self) -> usize {
        match self {
            SecurityLevel::CommandMac => 247,
            SecurityLevel::CommandEncryption => 239,
        }
    }
}

/// What the card said of itself in answer to INITIALIZE UPDATE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InitializeUpdateInfo {
    /// Key diversification data.
    pub diversification: [u8; 10],
    /// Version of the keys in use.
    pub key_version: u8,
    /// The sequence counter of these keys.
    pub sequence_counter: [u8; 2],
    /// The card's challenge.
    pub card_challenge: [u8; 6],
    /// The card's cryptogram.
    pub card_cryptogram: [u8; 8],
}

impl InitializeUpdateInfo {
    /// Reads the response data: 28 bytes.
    ///
    /// # Errors
    /// For another length and for another protocol than SCP02.
    pub fn parse(data: &[u8]) -> Result<Self, Scp02Error> {
        let fields = || {
            let (diversification, rest) = data.split_first_chunk::<10>()?;
            let ([key_version, protocol], rest) = rest.split_first_chunk::<2>()?;
            let (sequence_counter, rest) = rest.split_first_chunk::<2>()?;
            let (card_challenge, rest) = rest.split_first_chunk::<6>()?;
            let card_cryptogram = <[u8; 8]>::try_from(rest).ok()?;
            let info = InitializeUpdateInfo {
                diversification: *diversification,
                key_version: *key_version,
                sequence_counter: *sequence_counter,
                card_challenge: *card_challenge,
                card_cryptogram,
            };
            Some((*protocol, info))
        };
        match fields() {
            Some((PROTOCOL, info)) => Ok(info),
            _ => match data.get(11) {
                Some(protocol) if *protocol != PROTOCOL => Err(Scp02Error::Protocol { protocol: *protocol }),
                _ => Err(Scp02Error::Length { length: data.len() }),
            },
        }
    }

    /// The response data.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut data = self.diversification.to_vec();
        data.extend([self.key_version, PROTOCOL]);
        data.extend(self.sequence_counter);
        data.extend(self.card_challenge);
        data.extend(self.card_cryptogram);
        data
    }

    /// True when the challenge is the pseudo-random one (i = 55) that a card with these keys gives in the application `aid`.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn challenge_is_pseudo_random(&self, keys: &KeySet, aid: &Aid) -> Result<bool, Scp02Error> {
        let expected = session::pseudo_random_challenge(keys, self.sequence_counter, aid)?;
        Ok(crate::secret::same(&expected, &self.card_challenge))
    }
}

/// Why no channel was opened.
#[derive(Debug, thiserror::Error)]
pub enum Scp02Error {
    /// The three keys are not two-key 3DES keys.
    #[error("the keys must be three two-key 3DES keys of 16 bytes")]
    KeyLength,
    /// The card refused a command.
    #[error("the card refused instruction {instruction:02X}: {status}")]
    Refused {
        /// Instruction byte of the command.
        instruction: u8,
        /// What the card said.
        status: Status,
    },
    /// The answer to INITIALIZE UPDATE is not one of SCP02.
    #[error("the answer to INITIALIZE UPDATE has {length} bytes")]
    Length {
        /// Bytes received.
        length: usize,
    },
    /// Another protocol.
    #[error("the card speaks SCP{protocol:02X}")]
    Protocol {
        /// The protocol's number.
        protocol: u8,
    },
    /// The card's cryptogram is wrong: other keys. Nothing was sent after INITIALIZE UPDATE, so no try is lost.
    #[error("the card's cryptogram is wrong: these are not the keys of version {key_version:02X}")]
    CardCryptogram {
        /// The key version that the card reported.
        key_version: u8,
    },
    /// Data for the card that is not whole blocks of eight bytes.
    #[error("{length} bytes are not whole blocks of 3DES")]
    Blocks {
        /// Bytes given.
        length: usize,
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

/// The data encryption session key at work: 3DES in ECB mode, whole blocks.
struct Dek(Secret);

impl Dek {
    fn encrypt(&self, blocks: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let mut cipher = Cbc::encryptor(Cipher::TripleDes, &self.0)?;
        each_block(blocks, |block| cipher.single(block))
    }

    fn decrypt(&self, blocks: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let mut cipher = Cbc::decryptor(Cipher::TripleDes, &self.0)?;
        each_block(blocks, |block| cipher.single(block))
    }
}

fn each_block(
    blocks: &[u8],
    mut step: impl FnMut(&[u8]) -> Result<[u8; 16], ErrorStack>,
) -> Result<Vec<u8>, ErrorStack> {
    let mut out = Vec::with_capacity(blocks.len());
    for block in blocks.chunks_exact(8) {
        out.extend(crate::mac::first_half(&step(block)?));
    }
    Ok(out)
}

/// The key check value: the first three bytes of 3DES over eight zero bytes (GPCS 2.3.1 §B.6).
///
/// # Errors
/// When the key is not one of two-key 3DES.
pub fn key_check_value(key: &Secret) -> Result<[u8; 3], Scp02Error> {
    if key.expose().len() != 16 {
        return Err(Scp02Error::KeyLength);
    }
    let [a, b, c, ..] = Cbc::encryptor(Cipher::TripleDes, key)?.single(&[0; 8])?;
    Ok([a, b, c])
}

#[cfg(test)]
mod tests;
