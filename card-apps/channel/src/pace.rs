//! PACE (9303-11 §4.4): a strong session from a weak password.
//!
//! ```text
//! MSE:Set AT            00 22 C1 A4  80 object identifier, 83 password, [84 parameter number]
//! GENERAL AUTHENTICATE  10 86 00 00  7C{}                  ->  7C{ 80 enciphered nonce }
//!                       10 86 00 00  7C{ 81 mapping data } ->  7C{ 82 mapping data }
//!                       10 86 00 00  7C{ 83 public key }   ->  7C{ 84 public key }
//!                       00 86 00 00  7C{ 85 token }        ->  7C{ 86 token, [8A chip authentication data] }
//! mapping data: a public key (generic, chip authentication), or a second nonce and nothing (integrated)
//! ```
//!
//! Both ends go through the same three steps, each of which consumes the one before. The terminal
//! is [`open`], a straight line, and [`climb`], which tries the variants of [`LADDER`]; the chip is [`ChipPace`], a state.

mod cam;
mod chip;
mod integrated;
mod ladder;
mod steps;
mod terminal;

use iso7816::tlv::{Tag, TlvError};
use iso7816::{Status, TransmitError};

pub use crate::group::KeyError;
use crate::suite::{Cipher, Curve, Group};

pub use cam::MappingProof;
pub use chip::{ChipPace, Offer, PaceStep};
pub use ladder::{LADDER, Variant, climb};
pub use terminal::{Opened, open};

const OBJECT_IDENTIFIER: Tag = Tag(0x80);
const PASSWORD: Tag = Tag(0x83);
const PARAMETERS: Tag = Tag(0x84);
const DYNAMIC_AUTHENTICATION: Tag = Tag(0x7C);
const NONCE: Tag = Tag(0x80);
const CHIP_AUTHENTICATION_DATA: Tag = Tag(0x8A);

/// How the nonce becomes a generator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mapping {
    /// Generic mapping: by a Diffie-Hellman of its own.
    Generic,
    /// Integrated mapping: by encoding pseudo-random bytes as an element of the group.
    Integrated,
    /// Chip authentication mapping: generic, and the chip shows that its mapping key comes from its static key.
    ChipAuthentication,
}

/// A suite of PACE: what one PACEInfo of EF.CardAccess announces.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Suite {
    /// How the nonce is mapped.
    pub mapping: Mapping,
    /// Standardized domain parameters.
    pub group: Group,
    /// Cipher of the nonce, the tokens and the session.
    pub cipher: Cipher,
}

/// `id-PACE`, 0.4.0.127.0.7.2.2.4; then the arc of key agreement and mapping, and the arcs 1 to 4 of the ciphers (9303-11 §4.4.5).
const ID_PACE: [u8; 8] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x04];

impl Suite {
    /// Every suite that the standard allows.
    pub fn all() -> impl Iterator<Item = Suite> {
        let mappings = [Mapping::Generic, Mapping::Integrated, Mapping::ChipAuthentication];
        let of = |mapping, group| Cipher::ALL.map(|cipher| Suite { mapping, group, cipher });
        let suites =
            Group::all().flat_map(move |group| mappings.into_iter().flat_map(move |mapping| of(mapping, group)));
        suites.filter(|suite| suite.exists())
    }

    /// The suite of a PACEInfo: content octets of its object identifier, and its parameter number.
    /// `None` when the standard knows no such suite.
    pub fn from_info(oid: &[u8], parameter_id: u8) -> Option<Self> {
        let group = Group::from_parameter_id(parameter_id)?;
        Suite::all().find(|suite| suite.group == group && suite.oid() == *oid)
    }

    /// The content octets of the suite's object identifier.
    pub fn oid(self) -> [u8; 10] {
        let [a, b, c, d, e, f, g, h] = ID_PACE;
        let arc = match (self.mapping, self.group) {
            (Mapping::Generic, Group::Modp(_)) => 1,
            (Mapping::Generic, Group::Curve(_)) => 2,
            (Mapping::Integrated, Group::Modp(_)) => 3,
            (Mapping::Integrated, Group::Curve(_)) => 4,
            (Mapping::ChipAuthentication, _) => 6,
        };
        [a, b, c, d, e, f, g, h, arc, self.cipher as u8 + 1]
    }

    /// P-224 cannot be mapped to by integrated mapping; chip authentication mapping goes over curves and with AES.
    fn exists(self) -> bool {
        match self.mapping {
            Mapping::Generic => true,
            Mapping::Integrated => self.group != Group::Curve(Curve::P224),
            Mapping::ChipAuthentication => self.group.curve().is_some() && self.cipher != Cipher::TripleDes,
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
    /// A nonce of the other end has not the length that the suite asks for.
    #[error("the other end's nonce has {length} bytes")]
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

impl PaceError {
    /// Whether the card refused before any password was at work: another variant of the commands may then be tried.
    pub fn is_before_the_password(&self) -> bool {
        // 63C0 is no quirk: the password is blocked.
        matches!(self, PaceError::Refused { step: 0 | 1, status } if status.tries_left().is_none())
    }
}

#[cfg(test)]
mod tests;
