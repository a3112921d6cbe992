//! The terminal's end: opens the channel and is a layer over the card.

use std::fmt;

use iso7816::{Card, Command, Response, Status, TransmitError};

use super::session::{Derived, Session};
use super::{Dek, EXTERNAL_AUTHENTICATE, INITIALIZE_UPDATE, InitializeUpdateInfo, KeySet, Scp02Error, SecurityLevel};
use crate::random::{self, Random};
use crate::secret::{Secret, same};

/// An open channel over a card: commands go out protected.
pub struct Channel<C> {
    pub(super) card: C,
    /// `None` once the card was lost or a command could not be protected.
    session: Option<Session>,
    info: InitializeUpdateInfo,
    dek: Dek,
}

/// Opens a channel with the selected security domain; `key_version` 0 lets the card choose its keys.
///
/// EXTERNAL AUTHENTICATE is sent only after the card's cryptogram has been verified.
///
/// # Errors
/// See [`Scp02Error`].
pub fn open<C: Card>(
    mut card: C,
    key_version: u8,
    keys: &KeySet,
    level: SecurityLevel,
    random: &mut dyn Random,
) -> Result<Channel<C>, Scp02Error> {
    if !keys.fits_triple_des() {
        return Err(Scp02Error::KeyLength);
    }
    let host_challenge: [u8; 8] = random::array(random)?;
    let initialize = Command::new(0x80, INITIALIZE_UPDATE, key_version, 0x00).with_data(host_challenge).with_ne(256);
    let info = InitializeUpdateInfo::parse(&accepted(&mut card, &initialize)?)?;

    let derived = Derived::new(keys, &host_challenge, info.sequence_counter, &info.card_challenge, level)?;
    if !same(&derived.card_cryptogram, &info.card_cryptogram) {
        return Err(Scp02Error::CardCryptogram { key_version: info.key_version });
    }

    let mut session = derived.session;
    let authenticate = Command::new(0x80, EXTERNAL_AUTHENTICATE, level as u8, 0x00);
    let authenticate = session.authenticate(&authenticate.with_data(derived.host_cryptogram))?;
    accepted(&mut card, &authenticate)?;
    Ok(Channel { card, session: Some(session), info, dek: Dek(derived.s_dek) })
}

/// The response data of a command that the card must accept.
fn accepted<C: Card>(card: &mut C, command: &Command) -> Result<Vec<u8>, Scp02Error> {
    let response = card.transmit(command)?;
    match response.status {
        Status::OK => Ok(response.data),
        status => Err(Scp02Error::Refused { instruction: command.ins, status }),
    }
}

impl<C> fmt::Debug for Channel<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closed = self.session.is_none();
        f.debug_struct("Channel").field("info", &self.info).field("closed", &closed).finish_non_exhaustive()
    }
}

impl<C> Channel<C> {
    /// What the card said of itself.
    pub fn initialize_update(&self) -> &InitializeUpdateInfo {
        &self.info
    }

    /// Enciphers a key for PUT KEY, or sensitive data, under the data encryption session key: whole blocks of eight bytes.
    ///
    /// # Errors
    /// When it is not whole blocks, or OpenSSL fails.
    pub fn encrypt_key(&self, key: &Secret) -> Result<Vec<u8>, Scp02Error> {
        let length = key.expose().len();
        if length == 0 || !length.is_multiple_of(8) {
            return Err(Scp02Error::Blocks { length });
        }
        Ok(self.dek.encrypt(key.expose())?)
    }

    /// Gives the card below back; the channel is gone.
    pub fn into_inner(self) -> C {
        self.card
    }
}

const FAILED: TransmitError = TransmitError::SecureMessaging { reason: "a command could not be protected under SCP02" };
const CLOSED: TransmitError = TransmitError::SecureMessaging { reason: "the SCP02 session has ended" };

impl<C: Card> Card for Channel<C> {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        let length = command.data.len();
        let session = self.session.as_ref().ok_or(CLOSED)?;
        if length > session.level.short_data() {
            return Err(TransmitError::Unsendable { length });
        }
        // Out of its place until the card has answered: it may have counted a command that was lost.
        let mut session = self.session.take().ok_or(CLOSED)?;
        let protected = session.protect_command(command).map_err(|_| FAILED)?;
        let response = self.card.transmit(&protected)?;
        self.session = Some(session);
        Ok(response)
    }
}
