//! SCP03 (GPCS Amendment D): the issuer's channel to the card, with eight-byte challenges and cryptograms (S8).

use iso7816::{Aid, Card, Command, Response, Status, TransmitError};
use openssl::error::ErrorStack;

use crate::random::{Random, RandomError};
use crate::secret::Secret;

/// The three static keys of a security domain: AES, all of 16, 24 or 32 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    /// Key-ENC: session encryption keys are derived from it.
    pub enc: Secret,
    /// Key-MAC: session MAC keys are derived from it.
    pub mac: Secret,
    /// Key-DEK: enciphers keys and sensitive data.
    pub dek: Secret,
}

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

/// What the card said of itself in answer to INITIALIZE UPDATE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InitializeUpdateInfo {
    /// Key diversification data.
    pub diversification: [u8; 10],
    /// Version of the keys in use.
    pub key_version: u8,
    /// The `i` parameter: options of the protocol.
    pub i: u8,
    /// The card's challenge.
    pub card_challenge: [u8; 8],
    /// The card's cryptogram.
    pub card_cryptogram: [u8; 8],
    /// The sequence counter, sent with pseudo-random challenges.
    pub sequence_counter: Option<[u8; 3]>,
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
    /// Another protocol than SCP03 with S8.
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

/// An open channel over a card: commands go out and come back protected.
pub struct Channel<C> {
    card: C,
    info: InitializeUpdateInfo,
}

/// Opens a channel with the selected security domain; `key_version` 0 lets the card choose its keys.
///
/// EXTERNAL AUTHENTICATE is sent only after the card's cryptogram has been verified.
///
/// # Errors
/// See [`Scp03Error`].
pub fn open<C: Card>(
    card: C,
    key_version: u8,
    keys: &KeySet,
    level: SecurityLevel,
    random: &mut dyn Random,
) -> Result<Channel<C>, Scp03Error> {
    let _ = (card, keys, level, random);
    Err(Scp03Error::CardCryptogram { key_version })
}

impl<C> Channel<C> {
    /// What the card said of itself.
    pub fn initialize_update(&self) -> &InitializeUpdateInfo {
        &self.info
    }

    /// Enciphers sensitive data under Key-DEK: AES-CBC, zero ICV, padding `80 00 ..` always added.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn encrypt_dek(&mut self, plain: &[u8]) -> Result<Vec<u8>, Scp03Error> {
        let _ = plain;
        Err(Scp03Error::KeyLength)
    }

    /// Gives the card below back; the channel is gone.
    pub fn into_inner(self) -> C {
        self.card
    }
}

impl<C: Card> Card for Channel<C> {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        self.card.transmit(command)
    }
}

/// Where the card's challenge comes from.
#[derive(Clone, Debug)]
pub enum CardChallenge {
    /// From the random number generator (bit 5 of `i` clear).
    Random,
    /// From Key-ENC, the sequence counter of this session and the AID of the security domain (bit 5 of `i` set).
    PseudoRandom {
        /// Counts the sessions under these keys; the card raises and stores it before it answers.
        sequence_counter: [u8; 3],
        /// The application that the channel is opened on.
        aid: Aid,
    },
}

/// What the card brings to INITIALIZE UPDATE.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    /// The keys of the version asked for.
    pub keys: &'a KeySet,
    /// Their version.
    pub key_version: u8,
    /// Key diversification data.
    pub diversification: [u8; 10],
    /// How the challenge is made.
    pub challenge: CardChallenge,
}

/// The card's end of SCP03.
#[derive(Default)]
pub struct ChipChannel {}

impl ChipChannel {
    /// Answers INITIALIZE UPDATE (`80 50`): the response data. A session that was open is over.
    ///
    /// # Errors
    /// `6700` for a challenge of another length than 8, `6F00` when cryptography fails.
    pub fn initialize_update(
        &mut self,
        offer: &Offer<'_>,
        host_challenge: &[u8],
        random: &mut dyn Random,
    ) -> Result<Vec<u8>, Status> {
        let _ = (offer, host_challenge, random);
        Err(Status::UNKNOWN_ERROR)
    }

    /// Answers EXTERNAL AUTHENTICATE (`84 82`), the whole command: the session is open at the level returned.
    ///
    /// # Errors
    /// `6985` without INITIALIZE UPDATE before, `6A86` for an unknown level, `6700` for a wrong length, `6982` for a
    /// wrong C-MAC, `6300` for a wrong host cryptogram; the state is wiped.
    pub fn external_authenticate(&mut self, command: &Command) -> Result<SecurityLevel, Status> {
        let _ = command;
        Err(Status::CONDITIONS_NOT_SATISFIED)
    }

    /// The level of the open session.
    pub fn level(&self) -> Option<SecurityLevel> {
        None
    }

    /// Opens a protected command (class bit 04): the plain command, with the class bit cleared.
    ///
    /// # Errors
    /// `6985` without a session, `6982` for a wrong C-MAC or an unprotected command; the session is then over.
    pub fn unwrap(&mut self, command: &Command) -> Result<Command, Status> {
        let _ = command;
        Err(Status::CONDITIONS_NOT_SATISFIED)
    }

    /// Protects the response to the command opened last. An error status goes out bare, without data (Amendment D §6.2.5).
    ///
    /// # Errors
    /// `6985` without a session, `6F00` when cryptography fails.
    pub fn wrap(&mut self, response: &Response) -> Result<Response, Status> {
        let _ = response;
        Err(Status::CONDITIONS_NOT_SATISFIED)
    }

    /// Deciphers sensitive data under Key-DEK and removes the padding `80 00 ..`.
    ///
    /// # Errors
    /// `6985` without a session, `6A80` for data that is not so padded.
    pub fn decrypt_dek(&mut self, cryptogram: &[u8]) -> Result<Secret, Status> {
        let _ = cryptogram;
        Err(Status::CONDITIONS_NOT_SATISFIED)
    }
}

/// The key check value: the first three bytes of AES over sixteen bytes of `01`.
///
/// # Errors
/// When the key is not one of AES.
pub fn key_check_value(key: &Secret) -> Result<[u8; 3], Scp03Error> {
    let _ = key;
    Err(Scp03Error::KeyLength)
}
