//! The card's end: a state and one answer for everything out of order.

use std::fmt;

use iso7816::{Aid, Command, Response, Status};
use openssl::error::ErrorStack;

use super::session::{Derived, Session};
use super::{
    Cipher, Counted, Dek, InitializeUpdateInfo, KeySet, OPTION_PSEUDO_RANDOM, OPTION_RESPONSES, OPTION_S16, Options,
    SecurityLevel, Size, carries_r_mac, pseudo_random_challenge,
};
use crate::random::Random;
use crate::secret::{Secret, same};

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
    /// How long challenges, cryptograms and MACs are.
    pub size: Size,
    /// Which commands move the encryption counter.
    pub counted: Counted,
}

/// The card's end of SCP03.
#[derive(Default)]
pub struct ChipChannel(State);

#[derive(Default)]
enum State {
    #[default]
    Idle,
    /// After INITIALIZE UPDATE.
    Challenged(Box<Derived>, Dek),
    /// After EXTERNAL AUTHENTICATE.
    Open(Box<Session>, Dek),
}

impl fmt::Debug for ChipChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChipChannel").field("level", &self.level()).finish()
    }
}

impl ChipChannel {
    /// Answers INITIALIZE UPDATE (`80 50`): the response data. A session that was open is over.
    ///
    /// # Errors
    /// `6700` for a challenge of another length than the size, `6F00` when cryptography fails or the keys are no AES keys.
    pub fn initialize_update(
        &mut self,
        offer: &Offer<'_>,
        host_challenge: &[u8],
        random: &mut dyn Random,
    ) -> Result<Vec<u8>, Status> {
        self.close();
        if host_challenge.len() != offer.size as usize {
            return Err(Status::WRONG_LENGTH);
        }
        let cipher = offer.keys.aes().ok_or(Status::UNKNOWN_ERROR)?;
        let card_challenge = offer.card_challenge(cipher, random)?;
        // The level comes with EXTERNAL AUTHENTICATE; until then the highest.
        let options = Options { level: SecurityLevel::Full, size: offer.size, counted: offer.counted };
        let derived = Derived::new(cipher, offer.keys, host_challenge, &card_challenge, options).map_err(failed)?;
        let info = offer.info(card_challenge, derived.card_cryptogram.clone());
        self.0 = State::Challenged(Box::new(derived), Dek { cipher, key: offer.keys.dek.clone() });
        Ok(info.to_bytes())
    }

    /// Answers EXTERNAL AUTHENTICATE (`84 82`), the whole command: the session is open at the level returned.
    ///
    /// # Errors
    /// `6985` without INITIALIZE UPDATE before, `6A86` for an unknown level, `6700` for a wrong length, `6982` for a
    /// wrong C-MAC, `6300` for a wrong host cryptogram; the state is wiped.
    pub fn external_authenticate(&mut self, command: &Command) -> Result<SecurityLevel, Status> {
        let State::Challenged(derived, dek) = std::mem::take(&mut self.0) else {
            return Err(Status::CONDITIONS_NOT_SATISFIED);
        };
        if command.p2 != 0x00 {
            return Err(Status::INCORRECT_P1_P2);
        }
        let level = SecurityLevel::from_byte(command.p1).ok_or(Status::INCORRECT_P1_P2)?;
        let Derived { host_cryptogram, mut session, .. } = *derived;
        if command.data.len() != 2 * host_cryptogram.len() {
            return Err(Status::WRONG_LENGTH);
        }
        let received = session.verify(command).map_err(|_| Status::SECURITY_NOT_SATISFIED)?;
        if !same(&received, &host_cryptogram) {
            return Err(Status::AUTHENTICATION_FAILED);
        }
        session.options.level = level;
        self.0 = State::Open(Box::new(session), dek);
        Ok(level)
    }

    /// The level of the open session; `None` when none is open.
    pub fn level(&self) -> Option<SecurityLevel> {
        match &self.0 {
            State::Open(session, _) => Some(session.options.level),
            _ => None,
        }
    }

    /// Ends whatever is under way and wipes its keys.
    pub fn close(&mut self) {
        self.0 = State::Idle;
    }

    /// Opens a protected command (class bit 04): the plain command, with the class bit cleared.
    ///
    /// # Errors
    /// `6985` without a session, `6982` for a wrong C-MAC or an unprotected command; the session is then over.
    pub fn unwrap(&mut self, command: &Command) -> Result<Command, Status> {
        let State::Open(session, _) = &mut self.0 else {
            self.close();
            return Err(Status::CONDITIONS_NOT_SATISFIED);
        };
        let opened = session.open_command(command);
        opened.map_err(|_| {
            self.close();
            Status::SECURITY_NOT_SATISFIED
        })
    }

    /// Protects the response to the command opened last. An error status goes out bare, without data (Amendment D §6.2.5).
    ///
    /// # Errors
    /// `6985` without a session, `6F00` when cryptography fails.
    pub fn wrap(&mut self, response: &Response) -> Result<Response, Status> {
        let State::Open(session, _) = &mut self.0 else { return Err(Status::CONDITIONS_NOT_SATISFIED) };
        let status = response.status;
        if !carries_r_mac(status) {
            return Ok(Response::status(status));
        }
        let data = session.protect_response(&response.data, status.0.to_be_bytes()).map_err(failed)?;
        Ok(Response { data, status })
    }

    /// Deciphers sensitive data under Key-DEK and removes the padding `80 00 ..`.
    ///
    /// # Errors
    /// `6985` without a session, `6A80` for data that is not so padded.
    pub fn decrypt_dek(&self, cryptogram: &[u8]) -> Result<Secret, Status> {
        self.dek()?.decrypt(cryptogram).map_err(failed)?.ok_or(Status::WRONG_DATA)
    }

    /// Deciphers a key of `length` bytes from PUT KEY under Key-DEK.
    ///
    /// # Errors
    /// `6985` without a session, `6A80` when the cryptogram is not that of such a key.
    pub fn decrypt_key(&self, cryptogram: &[u8], length: usize) -> Result<Secret, Status> {
        let blocks = self.dek()?.decrypt_blocks(cryptogram).map_err(failed)?.ok_or(Status::WRONG_DATA)?;
        match blocks.expose().get(..length) {
            Some(key) if length.next_multiple_of(16) == cryptogram.len() => Ok(Secret::from(key)),
            _ => Err(Status::WRONG_DATA),
        }
    }

    fn dek(&self) -> Result<&Dek, Status> {
        match &self.0 {
            State::Open(_, dek) => Ok(dek),
            _ => Err(Status::CONDITIONS_NOT_SATISFIED),
        }
    }
}

impl Offer<'_> {
    fn card_challenge(&self, cipher: Cipher, random: &mut dyn Random) -> Result<Vec<u8>, Status> {
        match &self.challenge {
            CardChallenge::Random => {
                let mut challenge = vec![0; self.size as usize];
                random.fill(&mut challenge).map_err(|_| Status::UNKNOWN_ERROR)?;
                Ok(challenge)
            }
            CardChallenge::PseudoRandom { sequence_counter, aid } => {
                pseudo_random_challenge(cipher, self.size, &self.keys.enc, *sequence_counter, aid).map_err(failed)
            }
        }
    }

    fn info(&self, card_challenge: Vec<u8>, card_cryptogram: Vec<u8>) -> InitializeUpdateInfo {
        let (option, sequence_counter) = match self.challenge {
            CardChallenge::Random => (0, None),
            CardChallenge::PseudoRandom { sequence_counter, .. } => (OPTION_PSEUDO_RANDOM, Some(sequence_counter)),
        };
        InitializeUpdateInfo {
            diversification: self.diversification,
            key_version: self.key_version,
            i: OPTION_RESPONSES | option | if self.size == Size::S16 { OPTION_S16 } else { 0 },
            card_challenge,
            card_cryptogram,
            sequence_counter,
        }
    }
}

fn failed(_: ErrorStack) -> Status {
    Status::UNKNOWN_ERROR
}
