//! The card's end: a state and one answer for everything out of order.

use std::fmt;

use iso7816::{Aid, Command, Status};
use openssl::error::ErrorStack;

use super::session::{Derived, Session, pseudo_random_challenge};
use super::{Dek, InitializeUpdateInfo, KeySet, SecurityLevel};
use crate::random::{self, Random};
use crate::secret::{Secret, same};

/// Where the card's challenge comes from.
#[derive(Clone, Debug)]
pub enum CardChallenge {
    /// From the random number generator (i = 15).
    Random,
    /// From Key-MAC, the sequence counter and the AID of the security domain (i = 55).
    PseudoRandom(Aid),
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
    /// Counts the sessions under these keys; raised and stored when EXTERNAL AUTHENTICATE has passed.
    pub sequence_counter: [u8; 2],
    /// How the challenge is made.
    pub challenge: CardChallenge,
}

/// The card's end of SCP02.
#[derive(Default)]
pub struct ChipChannel(State);

#[derive(Default)]
enum State {
    #[default]
    Idle,
    /// After INITIALIZE UPDATE.
    Challenged(Box<Derived>),
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
    /// `6700` for a challenge of another length than 8, `6F00` when cryptography fails or the keys are no 3DES keys.
    pub fn initialize_update(
        &mut self,
        offer: &Offer<'_>,
        host_challenge: &[u8],
        random: &mut dyn Random,
    ) -> Result<Vec<u8>, Status> {
        self.close();
        let host_challenge = host_challenge.try_into().map_err(|_| Status::WRONG_LENGTH)?;
        if !offer.keys.fits_triple_des() {
            return Err(Status::UNKNOWN_ERROR);
        }
        let sequence_counter = offer.sequence_counter;
        let card_challenge = match &offer.challenge {
            CardChallenge::Random => random::array(random).map_err(|_| Status::UNKNOWN_ERROR)?,
            CardChallenge::PseudoRandom(aid) => {
                pseudo_random_challenge(offer.keys, sequence_counter, aid).map_err(failed)?
            }
        };
        // The level comes with EXTERNAL AUTHENTICATE; until then the highest.
        let level = SecurityLevel::CommandEncryption;
        let derived =
            Derived::new(offer.keys, host_challenge, sequence_counter, &card_challenge, level).map_err(failed)?;
        let (key_version, diversification) = (offer.key_version, offer.diversification);
        let card_cryptogram = derived.card_cryptogram;
        self.0 = State::Challenged(Box::new(derived));
        let info =
            InitializeUpdateInfo { diversification, key_version, sequence_counter, card_challenge, card_cryptogram };
        Ok(info.to_bytes())
    }

    /// Answers EXTERNAL AUTHENTICATE (`84 82`), the whole command: the session is open at the level returned.
    ///
    /// # Errors
    /// `6985` without INITIALIZE UPDATE before, `6A86` for an unknown level, `6700` for a wrong length, `6982` for a
    /// wrong C-MAC, `6300` for a wrong host cryptogram; the state is wiped.
    pub fn external_authenticate(&mut self, command: &Command) -> Result<SecurityLevel, Status> {
        let State::Challenged(derived) = std::mem::take(&mut self.0) else {
            return Err(Status::CONDITIONS_NOT_SATISFIED);
        };
        if command.p2 != 0x00 {
            return Err(Status::INCORRECT_P1_P2);
        }
        let level = SecurityLevel::from_byte(command.p1).ok_or(Status::INCORRECT_P1_P2)?;
        if command.data.len() != 16 {
            return Err(Status::WRONG_LENGTH);
        }
        let Derived { host_cryptogram, mut session, s_dek, .. } = *derived;
        let received = session.verify(command).map_err(|_| Status::SECURITY_NOT_SATISFIED)?;
        if !same(&received, &host_cryptogram) {
            return Err(Status::AUTHENTICATION_FAILED);
        }
        session.level = level;
        self.0 = State::Open(Box::new(session), Dek(s_dek));
        Ok(level)
    }

    /// The level of the open session; `None` when none is open.
    pub fn level(&self) -> Option<SecurityLevel> {
        match &self.0 {
            State::Open(session, _) => Some(session.level),
            _ => None,
        }
    }

    /// Ends whatever is under way and wipes its keys.
    pub fn close(&mut self) {
        self.0 = State::Idle;
    }

    /// Opens a protected command (class bit 04): the plain command, with the class bit cleared. Its response goes out as it is.
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

    /// Deciphers a key from PUT KEY under the data encryption session key.
    ///
    /// # Errors
    /// `6985` without a session, `6A80` for a cryptogram that is not whole blocks.
    pub fn decrypt_key(&self, cryptogram: &[u8]) -> Result<Secret, Status> {
        let State::Open(_, dek) = &self.0 else { return Err(Status::CONDITIONS_NOT_SATISFIED) };
        if cryptogram.is_empty() || !cryptogram.len().is_multiple_of(8) {
            return Err(Status::WRONG_DATA);
        }
        dek.decrypt(cryptogram).map(Secret::new).map_err(failed)
    }
}

fn failed(_: ErrorStack) -> Status {
    Status::UNKNOWN_ERROR
}
