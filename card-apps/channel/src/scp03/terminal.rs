//! The terminal's end: opens the channel and is a layer over the card.

use std::fmt;

use iso7816::{Card, Command, MAX_DATA, Response, Status, TransmitError};

use super::session::{Derived, Session};
use super::{
    Dek, EXTERNAL_AUTHENTICATE, INITIALIZE_UPDATE, InitializeUpdateInfo, KeySet, Options, PROTOCOL, Scp03Error,
    carries_r_mac,
};
use crate::random::Random;
use crate::secret::{Secret, same};

/// What protection adds to a data field at most: padding and C-MAC.
const MOST_OVERHEAD: usize = 32;

/// An open channel over a card: commands go out and come back protected.
pub struct Channel<C> {
    pub(super) card: C,
    /// `None` once a broken message has ended the session.
    pub(super) session: Option<Session>,
    pub(super) info: InitializeUpdateInfo,
    pub(super) dek: Dek,
}

/// Opens a channel with the selected security domain; `key_version` 0 lets the card choose its keys. The options may be no more
/// than a [`SecurityLevel`](super::SecurityLevel).
///
/// EXTERNAL AUTHENTICATE is sent only after the card's cryptogram has been verified.
///
/// # Errors
/// See [`Scp03Error`].
pub fn open<C: Card>(
    card: C,
    key_version: u8,
    keys: &KeySet,
    options: impl Into<Options>,
    random: &mut dyn Random,
) -> Result<Channel<C>, Scp03Error> {
    keys.aes().ok_or(Scp03Error::KeyLength)?;
    open_derived(card, key_version, |_| Ok(keys.clone()), options, random)
}

/// The same with keys that depend on what the card says of itself, such as its key diversification data.
///
/// # Errors
/// See [`Scp03Error`], and those of `keys`: nothing was sent after INITIALIZE UPDATE then.
pub fn open_derived<C: Card, E: From<Scp03Error>>(
    mut card: C,
    key_version: u8,
    keys: impl FnOnce(&InitializeUpdateInfo) -> Result<KeySet, E>,
    options: impl Into<Options>,
    random: &mut dyn Random,
) -> Result<Channel<C>, E> {
    let options = options.into();
    let (info, host_challenge) = initialize(&mut card, key_version, options, random)?;
    let keys = keys(&info)?;
    Ok(authenticate(card, info, &host_challenge, &keys, options)?)
}

fn initialize(
    card: &mut dyn Card,
    key_version: u8,
    options: Options,
    random: &mut dyn Random,
) -> Result<(InitializeUpdateInfo, Vec<u8>), Scp03Error> {
    let mut host_challenge = vec![0; options.size as usize];
    random.fill(&mut host_challenge)?;
    let initialize = Command::new(0x80, INITIALIZE_UPDATE, key_version, 0x00);
    let initialize = initialize.with_data(&host_challenge[..]).with_ne(256);
    let info = InitializeUpdateInfo::parse(&accepted(card, &initialize)?)?;
    if info.size() != options.size {
        return Err(Scp03Error::Protocol { protocol: PROTOCOL, i: info.i });
    }
    Ok((info, host_challenge))
}

fn authenticate<C: Card>(
    mut card: C,
    info: InitializeUpdateInfo,
    host_challenge: &[u8],
    keys: &KeySet,
    options: Options,
) -> Result<Channel<C>, Scp03Error> {
    let cipher = keys.aes().ok_or(Scp03Error::KeyLength)?;
    let derived = Derived::new(cipher, keys, host_challenge, &info.card_challenge, options)?;
    if !same(&derived.card_cryptogram, &info.card_cryptogram) {
        return Err(Scp03Error::CardCryptogram { key_version: info.key_version });
    }

    let mut session = derived.session;
    let authenticate = Command::new(0x80, EXTERNAL_AUTHENTICATE, options.level as u8, 0x00);
    let authenticate = session.authenticate(&authenticate, derived.host_cryptogram)?;
    accepted(&mut card, &authenticate)?;
    Ok(Channel { card, session: Some(session), info, dek: Dek { cipher, key: keys.dek.clone() } })
}

/// The response data of a command that the card must accept.
fn accepted(card: &mut dyn Card, command: &Command) -> Result<Vec<u8>, Scp03Error> {
    let response = card.transmit(command)?;
    match response.status {
        Status::OK => Ok(response.data),
        status => Err(Scp03Error::Refused { instruction: command.ins, status }),
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

    /// Enciphers sensitive data under Key-DEK: AES-CBC, zero ICV, padding `80 00 ..` always added.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn encrypt_dek(&self, plain: &[u8]) -> Result<Vec<u8>, Scp03Error> {
        Ok(self.dek.encrypt(plain)?)
    }

    /// Enciphers a key for PUT KEY under Key-DEK: padded only when its length is not that of whole blocks.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn encrypt_key(&self, key: &Secret) -> Result<Vec<u8>, Scp03Error> {
        Ok(self.dek.encrypt_key(key)?)
    }

    /// Gives the card below back; the channel is gone.
    pub fn into_inner(self) -> C {
        self.card
    }
}

const BROKEN: TransmitError = TransmitError::SecureMessaging { reason: "an answer does not verify under SCP03" };
const CLOSED: TransmitError = TransmitError::SecureMessaging { reason: "the SCP03 session has ended" };

impl<C: Card> Card for Channel<C> {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        let length = command.data.len();
        if length > MAX_DATA - MOST_OVERHEAD {
            return Err(TransmitError::Unsendable { length });
        }
        // Out of its place until the answer verifies: whatever fails ends the session.
        let mut session = self.session.take().ok_or(CLOSED)?;
        let protected = session.protect_command(command).map_err(|_| BROKEN)?;
        let response = self.card.transmit(&protected)?;
        let response = opened(&mut session, response)?;
        self.session = Some(session);
        Ok(response)
    }
}

/// Errors come bare and without data at every level (Amendment D §6.2.5); all else is protected.
fn opened(session: &mut Session, response: Response) -> Result<Response, TransmitError> {
    let status = response.status;
    if session.options.level.authenticates_responses() {
        match (carries_r_mac(status), response.data.is_empty()) {
            (false, true) => return Ok(response),
            (false, false) => return Err(BROKEN),
            (true, true) => return Err(TransmitError::Unprotected { status }),
            (true, false) => {}
        }
    }
    let data = session.open_response(&response.data, status.0.to_be_bytes()).map_err(|_| BROKEN)?;
    Ok(Response { data, status })
}
