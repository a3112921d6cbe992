//! PACE (9303-11 §4.4): a strong session from a weak password, with generic mapping over elliptic curves.
//!
//! ```text
//! MSE:Set AT            00 22 C1 A4  80 object identifier, 83 password, [84 parameter number]
//! GENERAL AUTHENTICATE  10 86 00 00  7C{}                 ->  7C{ 80 enciphered nonce }
//!                       10 86 00 00  7C{ 81 mapping key } ->  7C{ 82 mapping key }
//!                       10 86 00 00  7C{ 83 public key }  ->  7C{ 84 public key }
//!                       00 86 00 00  7C{ 85 token }       ->  7C{ 86 token }
//! ```
//!
//! Both ends go through the same three steps, each of which consumes the one before. The terminal
//! is [`open`], a straight line; the chip is [`ChipPace`], a state.

mod chip;
mod steps;
mod terminal;

use iso7816::tlv::{Tag, TlvError};
use iso7816::{Status, TransmitError};

pub use crate::curve::KeyError;
use crate::suite::{Cipher, Curve};

pub use chip::{ChipPace, PaceStep};
pub use terminal::open;

const OBJECT_IDENTIFIER: Tag = Tag(0x80);
const PASSWORD: Tag = Tag(0x83);
const PARAMETERS: Tag = Tag(0x84);
const DYNAMIC_AUTHENTICATION: Tag = Tag(0x7C);
const NONCE: Tag = Tag(0x80);

/// How the nonce becomes a generator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mapping {
    /// Generic mapping: by a Diffie-Hellman of its own.
    Generic,
}

/// A suite of PACE: what one PACEInfo of EF.CardAccess announces.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Suite {
    /// How the nonce is mapped.
    pub mapping: Mapping,
    /// Standardized domain parameters.
    pub curve: Curve,
    /// Cipher of the nonce, the tokens and the session.
    pub cipher: Cipher,
}

/// `id-PACE-ECDH-GM`, 0.4.0.127.0.7.2.2.4.2, with the arcs 1 to 4 for the ciphers (9303-11 §4.4.5).
const ECDH_GENERIC: [[u8; 10]; 4] = [
    [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x04, 0x02, 0x01],
    [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x04, 0x02, 0x02],
    [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x04, 0x02, 0x03],
    [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x04, 0x02, 0x04],
];

impl Suite {
    /// The suite of a PACEInfo: content octets of its object identifier, and its parameter number.
    /// `None` when this crate does not know it.
    pub fn from_info(oid: &[u8], parameter_id: u8) -> Option<Self> {
        let at = ECDH_GENERIC.iter().position(|known| known == oid)?;
        let cipher = Cipher::ALL.get(at).copied()?;
        Some(Suite { mapping: Mapping::Generic, curve: Curve::from_parameter_id(parameter_id)?, cipher })
    }

    /// The content octets of the suite's object identifier.
    pub fn oid(self) -> &'static [u8] {
        let [triple_des, aes128, aes192, aes256] = &ECDH_GENERIC;
        match self.cipher {
            Cipher::TripleDes => triple_des,
            Cipher::Aes128 => aes128,
            Cipher::Aes192 => aes192,
            Cipher::Aes256 => aes256,
        }
    }

    /// Bytes in the nonce: whole blocks, no fewer than in a key (9303-11 §4.4.3.2).
    fn nonce_length(self) -> usize {
        self.cipher.key_length().next_multiple_of(16)
    }
}

/// Why PACE did not open a session.
#[derive(Debug, thiserror::Error)]
pub enum PaceError {
    /// The card refused a command before the password could matter.
    #[error("the card refused PACE at step {step}: {status}")]
    Refused {
        /// 0 for MSE:Set AT, then the GENERAL AUTHENTICATE commands 1 to 4.
        step: u8,
        /// What the card said.
        status: Status,
    },
    /// The card rejected our token: a wrong password.
    #[error("wrong password (the card answered {status})")]
    WrongPassword {
        /// What the card said; `63Cx` tells the tries left.
        status: Status,
    },
    /// A token is wrong: the other end does not know the password.
    #[error("the other end did not prove that it knows the password")]
    NotAuthentic,
    /// The other end sent our own public key back.
    #[error("the other end sent our own public key back")]
    Mirrored,
    /// The card's nonce is not whole blocks of a sensible number.
    #[error("the card's nonce has {length} bytes")]
    NonceLength {
        /// Bytes received.
        length: usize,
    },
    /// An answer is not the data object that the step asks for.
    #[error("the card's answer at step {step} is malformed")]
    Malformed {
        /// As in [`PaceError::Refused`].
        step: u8,
        /// What is wrong with it.
        source: TlvError,
    },
    /// A key or a point is no good, or no randomness, or OpenSSL failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No answer.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
}

#[cfg(test)]
mod tests;
