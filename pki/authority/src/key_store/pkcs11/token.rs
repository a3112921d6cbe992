//! A token that is logged in, and its sessions.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::{AuthPin, RawAuthPin};

use super::{TokenAddress, TokenError, Tries};
use crate::passphrase::Passphrase;

/// A module may be initialised once in a process.
static MODULES: Mutex<Vec<(PathBuf, Pkcs11)>> = Mutex::new(Vec::new());

/// A token, logged in until this is dropped.
pub struct Token {
    label: String,
    pkcs11: Pkcs11,
    slot: Slot,
    /// The login lasts as long as any session: this one is never used for anything else.
    _login: Mutex<Session>,
    idle: Mutex<Vec<Session>>,
}

impl Token {
    /// Finds the token and logs in with one try of the PIN. An empty PIN stands for the token's own key pad.
    ///
    /// # Errors
    /// When the module or the token is missing, or the PIN is refused. A locked token is not asked.
    pub fn open(address: &TokenAddress, pin: &Passphrase) -> Result<Arc<Self>, TokenError> {
        let pkcs11 = module(&address.module)?;
        let (slot, info) = find(&pkcs11, &address.label)?;
        let token = address.label.clone();
        if info.user_pin_locked() {
            return Err(TokenError::PinLocked { token });
        }
        if info.login_required() && !info.user_pin_initialized() {
            return Err(TokenError::PinNotSet { token });
        }
        let session = pkcs11.open_ro_session(slot).map_err(|error| TokenError::of(&token, error))?;
        if info.login_required() {
            login(&session, pin, &info).map_err(|error| refused(&pkcs11, slot, &token, error))?;
        }
        Ok(Arc::new(Token { label: token, pkcs11, slot, _login: Mutex::new(session), idle: Mutex::new(Vec::new()) }))
    }

    /// How long a PIN of the token may be: least and most bytes.
    ///
    /// # Errors
    /// When the module or the token is missing.
    pub fn pin_lengths(address: &TokenAddress) -> Result<(usize, usize), TokenError> {
        let (_, info) = find(&module(&address.module)?, &address.label)?;
        Ok((info.min_pin_length(), info.max_pin_length()))
    }

    /// Gives the token another PIN, with one try of the one that it has.
    ///
    /// # Errors
    /// When the module or the token is missing, or it refuses one of the two. A locked token is not asked.
    pub fn change_pin(address: &TokenAddress, pin: &Passphrase, new: &Passphrase) -> Result<(), TokenError> {
        let pkcs11 = module(&address.module)?;
        let (slot, info) = find(&pkcs11, &address.label)?;
        let token = address.label.clone();
        if info.user_pin_locked() {
            return Err(TokenError::PinLocked { token });
        }
        // A PIN is text (PKCS #11 v2.40, CK_UTF8CHAR).
        let text = |pin: &Passphrase| String::from_utf8(pin.expose().to_vec()).map(AuthPin::from);
        let (Ok(old), Ok(new)) = (text(pin), text(new)) else {
            return Err(TokenError::WrongPin { token, tries: Tries::Unknown });
        };
        let session = pkcs11.open_rw_session(slot).map_err(|error| TokenError::of(&token, error))?;
        session.set_pin(&old, &new).map_err(|error| refused(&pkcs11, slot, &token, error))
    }

    /// The label of the token.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Works in a session that nobody else uses meanwhile; as many are opened as threads ask at once.
    pub(super) fn with_session<T>(&self, work: impl FnOnce(&Session) -> Result<T, Error>) -> Result<T, TokenError> {
        let idle = locked(&self.idle).pop();
        let session = match idle {
            Some(session) => session,
            None => self.pkcs11.open_ro_session(self.slot).map_err(|error| self.error(error))?,
        };
        // A session that failed may have died with its token: it is closed, not used again.
        let result = work(&session).map_err(|error| self.error(error))?;
        locked(&self.idle).push(session);
        Ok(result)
    }

    /// Works in a session that may change the token.
    pub(super) fn with_write_session<T>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, Error>,
    ) -> Result<T, TokenError> {
        let session = self.pkcs11.open_rw_session(self.slot).map_err(|error| self.error(error))?;
        work(&session).map_err(|error| self.error(error))
    }

    pub(super) fn error(&self, error: Error) -> TokenError {
        TokenError::of(&self.label, error)
    }
}

/// What was behind a lock stays usable when another thread died holding it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn module(path: &Path) -> Result<Pkcs11, TokenError> {
    let failed = |error| TokenError::Module { module: path.to_owned(), error };
    let mut modules = locked(&MODULES);
    if let Some((_, loaded)) = modules.iter().find(|(known, _)| known == path) {
        return Ok(loaded.clone());
    }
    let pkcs11 = Pkcs11::new(path).map_err(failed)?;
    match pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(failed(error)),
    }
    modules.push((path.to_owned(), pkcs11.clone()));
    Ok(pkcs11)
}

fn find(pkcs11: &Pkcs11, label: &str) -> Result<(Slot, TokenInfo), TokenError> {
    let slots = pkcs11.get_slots_with_token().map_err(|error| TokenError::of(label, error))?;
    // A slot whose token cannot be read is not the one that is looked for.
    let tokens = slots.into_iter().filter_map(|slot| Some((slot, pkcs11.get_token_info(slot).ok()?)));
    let tokens: Vec<_> = tokens.filter(|(_, info)| info.token_initialized()).collect();
    let named = |info: &TokenInfo| info.label().trim_end() == label;
    let count = tokens.iter().filter(|(_, info)| named(info)).count();
    if count > 1 {
        return Err(TokenError::SeveralTokens { label: label.to_owned(), count });
    }
    let present = tokens.iter().map(|(_, info)| info.label().trim_end().to_owned()).collect();
    let found = tokens.into_iter().find(|(_, info)| named(info));
    found.ok_or_else(|| TokenError::NoToken { wanted: label.to_owned(), present })
}

fn login(session: &Session, pin: &Passphrase, info: &TokenInfo) -> Result<(), Error> {
    let result = if pin.expose().is_empty() && info.protected_authentication_path() {
        session.login(UserType::User, None)
    } else {
        session.login_with_raw(UserType::User, &RawAuthPin::new(Box::new(pin.expose().to_vec())))
    };
    match result {
        Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        result => result,
    }
}

/// A refused login, with what the token says about the tries left.
fn refused(pkcs11: &Pkcs11, slot: Slot, token: &str, error: Error) -> TokenError {
    match TokenError::of(token, error) {
        TokenError::WrongPin { token, .. } => match pkcs11.get_token_info(slot) {
            Ok(info) if info.user_pin_locked() => TokenError::PinLocked { token },
            Ok(info) if info.user_pin_final_try() => TokenError::WrongPin { token, tries: Tries::One },
            Ok(info) if info.user_pin_count_low() => TokenError::WrongPin { token, tries: Tries::Few },
            Ok(_) | Err(_) => TokenError::WrongPin { token, tries: Tries::Unknown },
        },
        other => other,
    }
}
