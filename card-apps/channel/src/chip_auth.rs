//! Chip Authentication version 1 over elliptic curves (9303-11 §6.2): the chip proves its own key by being able to go on.
//!
//! ```text
//! 3DES  MSE:Set KAT           00 22 41 A6  91 terminal's point, 84 key identifier (optional)
//! AES   MSE:Set AT            00 22 41 A4  80 object identifier, 84 key identifier (optional)
//!       GENERAL AUTHENTICATE  00 86 00 00  7C{ 80 terminal's point }  ->  7C{}
//! ```
//!
//! All of it runs inside the session that PACE or BAC opened. Success is not an answer but the first
//! message under the new keys: whoever judges must exchange one, and must have the chip's public key
//! from a data group whose hash is in a verified security object.

use iso7816::{Card, Status, TransmitError};

pub use crate::curve::KeyError;
use crate::random::Random;
use crate::role::{Chip, Terminal};
use crate::secret::Secret;
use crate::sm::Session;
use crate::suite::{Cipher, Curve};

/// `id-CA-ECDH`, 0.4.0.127.0.7.2.2.3.2, without the last arc that names the cipher.
const ID_CA_ECDH: [u8; 9] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x03, 0x02];

/// A cipher suite of Chip Authentication: ECDH with this cipher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChipAuthSuite {
    /// Cipher of the session to come.
    pub cipher: Cipher,
}

impl ChipAuthSuite {
    /// The suite with this object identifier (content octets, without tag and length); `None` for others.
    pub fn from_oid(oid: &[u8]) -> Option<Self> {
        match oid.split_last() {
            Some((arc, head)) if head == ID_CA_ECDH => Cipher::from_arc(*arc).map(|cipher| ChipAuthSuite { cipher }),
            _ => None,
        }
    }

    /// The content octets of the suite's object identifier.
    pub fn oid(self) -> &'static [u8] {
        let _ = self;
        &ID_CA_ECDH
    }
}

/// The chip's static public key, as DG14 holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChipPublicKey {
    /// Its curve.
    pub curve: Curve,
    /// `04 || x || y`.
    pub point: Vec<u8>,
}

/// Why Chip Authentication did not start a session.
#[derive(Debug, thiserror::Error)]
pub enum ChipAuthError {
    /// The card refused a command.
    #[error("the card refused Chip Authentication at instruction {instruction:02X}: {status}")]
    Refused {
        /// Instruction byte of the command.
        instruction: u8,
        /// What the card said.
        status: Status,
    },
    /// The chip's public key or ours is no good.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No answer.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
}

/// Runs Chip Authentication over the secured `card`; the caller goes on with the session returned (`Secured::replace`).
///
/// # Errors
/// See [`ChipAuthError`].
pub fn open(
    card: &mut dyn Card,
    public_key: &ChipPublicKey,
    key_id: Option<&[u8]>,
    suite: ChipAuthSuite,
    random: &mut dyn Random,
) -> Result<Session<Terminal>, ChipAuthError> {
    let _ = (card, public_key, key_id, suite, random);
    Err(ChipAuthError::Key(KeyError::NotOnCurve))
}

/// The chip's half of the agreement: its session from its private key (as wide as the field) and the terminal's point.
///
/// # Errors
/// When the point or the key does not fit the curve.
pub fn agree(private: &Secret, curve: Curve, cipher: Cipher, terminal_point: &[u8]) -> Result<Session<Chip>, KeyError> {
    let _ = (private, curve, cipher, terminal_point);
    Err(KeyError::PrivateKey)
}

/// A private key for Chip Authentication on the chip.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChipKey {
    /// Its identifier, when the chip has several.
    pub key_id: Option<Vec<u8>>,
    /// Its curve.
    pub curve: Curve,
    /// Big endian, as wide as the field.
    pub private: Secret,
}

/// The chip's end: reads the terminal's commands. The session returned starts after the response,
/// which still goes out under the old keys.
#[derive(Debug, Default)]
pub struct ChipAuthentication {
    chosen: Option<(Cipher, usize)>,
}

impl ChipAuthentication {
    /// MSE:Set KAT (3DES): data field `91 point [84 key identifier]`.
    ///
    /// # Errors
    /// `6A80` for bad data, `6A88` for an unknown key.
    pub fn set_kat(&mut self, data: &[u8], keys: &[ChipKey]) -> Result<Session<Chip>, Status> {
        let _ = (data, keys);
        self.chosen = None;
        Err(Status::WRONG_DATA)
    }

    /// MSE:Set AT (AES): data field `80 object identifier [84 key identifier]`.
    ///
    /// # Errors
    /// `6A80` for bad data or a suite that is not one of AES, `6A88` for an unknown key.
    pub fn set_at(&mut self, data: &[u8], keys: &[ChipKey]) -> Result<(), Status> {
        let _ = (data, keys);
        self.chosen = None;
        Err(Status::WRONG_DATA)
    }

    /// True between MSE:Set AT and GENERAL AUTHENTICATE: that command then belongs here.
    pub fn is_expected(&self) -> bool {
        self.chosen.is_some()
    }

    /// GENERAL AUTHENTICATE (AES): data field `7C{ 80 point }`; the response data and the new session.
    ///
    /// # Errors
    /// `6985` without MSE:Set AT before, `6A80` for bad data.
    pub fn general_authenticate(&mut self, data: &[u8], keys: &[ChipKey]) -> Result<(Vec<u8>, Session<Chip>), Status> {
        let _ = (data, keys);
        self.chosen = None;
        Err(Status::CONDITIONS_NOT_SATISFIED)
    }
}
