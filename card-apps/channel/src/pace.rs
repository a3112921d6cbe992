//! PACE (9303-11 §4.4): a strong session from a weak password, with generic mapping over elliptic curves.

use iso7816::tlv::TlvError;
use iso7816::{Card, Status, TransmitError};

pub use crate::curve::KeyError;
use crate::password::Password;
use crate::random::Random;
use crate::role::{Chip, Terminal};
use crate::sm::Session;
use crate::suite::{Cipher, Curve};

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

impl Suite {
    /// The suite of a PACEInfo: content octets of its object identifier, and its parameter number. `None` when this crate does not know it.
    pub fn from_info(oid: &[u8], parameter_id: u8) -> Option<Self> {
        let _ = (oid, parameter_id);
        None
    }

    /// The content octets of the suite's object identifier.
    pub fn oid(self) -> &'static [u8] {
        &[]
    }
}

/// Why PACE did not open a session.
#[derive(Debug, thiserror::Error)]
pub enum PaceError {
    /// The card refused a command before the password could matter.
    #[error("the card refused PACE at step {step}: {status}")]
    Refused {
        /// 0 for MSE:Set AT, then the GENERAL AUTHENTICATE commands 1 to 3.
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
    /// The card's own token is wrong: it does not know the password.
    #[error("the card did not prove that it knows the password")]
    NotAuthentic,
    /// The card sent back a public key of ours.
    #[error("the card sent our own public key back")]
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
    /// A key or a point is no good.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No answer.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
}

/// Opens a session. The card is at its master file or application level as after power-up.
///
/// # Errors
/// See [`PaceError`].
pub fn open(
    card: &mut dyn Card,
    suite: &Suite,
    password: &Password,
    random: &mut dyn Random,
) -> Result<Session<Terminal>, PaceError> {
    let _ = (card, suite, password, random);
    Err(PaceError::NotAuthentic)
}

/// What the chip answers to a GENERAL AUTHENTICATE that it accepts.
pub enum PaceStep {
    /// This response data; PACE goes on.
    Continue(Vec<u8>),
    /// This response data, still bare; then the session.
    Done(Vec<u8>, Session<Chip>),
}

/// The chip's end of PACE.
#[derive(Default)]
pub enum ChipPace {
    /// Nothing under way.
    #[default]
    Idle,
}

impl ChipPace {
    /// MSE:Set AT (`00 22 C1 A4`): data field `80 object identifier, 83 password, [84 parameter number]`.
    ///
    /// # Errors
    /// `6A80` for bad data or an unknown suite, `6A88` for an unknown password or parameters; the state is wiped.
    pub fn set_at(&mut self, data: &[u8], suites: &[Suite], passwords: &[Password]) -> Result<(), Status> {
        let _ = (data, suites, passwords);
        Err(Status::WRONG_DATA)
    }

    /// GENERAL AUTHENTICATE (`10 86` and at last `00 86`): `chaining` is bit 5 of the class.
    ///
    /// # Errors
    /// `6300` for a wrong token, `6985` out of order, `6A80` for bad data; the state is wiped.
    pub fn general_authenticate(
        &mut self,
        chaining: bool,
        data: &[u8],
        random: &mut dyn Random,
    ) -> Result<PaceStep, Status> {
        let _ = (chaining, data, random);
        Err(Status::CONDITIONS_NOT_SATISFIED)
    }
}
