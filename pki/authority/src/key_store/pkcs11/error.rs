//! What goes wrong with tokens.

use std::fmt;
use std::path::PathBuf;

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};

use crate::key_store::Algorithm;

/// How often a PIN may still be tried, as far as the token says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tries {
    /// The token does not say.
    Unknown,
    /// At least one wrong PIN was given since the last right one.
    Few,
    /// The next wrong PIN locks the token.
    One,
}

impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tries::Unknown => "the number of tries may be limited",
            Tries::Few => "few tries are left",
            Tries::One => "one try is left before it is locked",
        })
    }
}

/// Why a token did not do what it was asked for. The PIN is in none of these.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The vendor's library is missing, or not one.
    #[error("the PKCS#11 module {module} cannot be used: {error}")]
    Module {
        /// The library.
        module: PathBuf,
        /// Why.
        error: Error,
    },
    /// No slot holds a token of this label.
    #[error("there is no token labelled {wanted:?}; {}", listed(.present))]
    NoToken {
        /// The label asked for.
        wanted: String,
        /// The labels that are there.
        present: Vec<String>,
    },
    /// The label does not tell the tokens apart.
    #[error("{count} tokens are labelled {label:?}")]
    SeveralTokens {
        /// The label.
        label: String,
        /// How many.
        count: usize,
    },
    /// The PIN was wrong. It is not tried again.
    #[error("the token {token:?} refused the PIN; {tries}")]
    WrongPin {
        /// Label of the token.
        token: String,
        /// What is left.
        tries: Tries,
    },
    /// Too many wrong PINs.
    #[error("the PIN of the token {token:?} is locked")]
    PinLocked {
        /// Label of the token.
        token: String,
    },
    /// The token has no user PIN yet, or wants a new one.
    #[error("the PIN of the token {token:?} was never set, or has expired")]
    PinNotSet {
        /// Label of the token.
        token: String,
    },
    /// No space for a new key.
    #[error("the token {token:?} is full")]
    Full {
        /// Label of the token.
        token: String,
    },
    /// The token takes no new keys.
    #[error("the token {token:?} is write-protected")]
    WriteProtected {
        /// Label of the token.
        token: String,
    },
    /// The token was unplugged, reset, or closed the session.
    #[error("the token {token:?} is gone or has closed the session ({code})")]
    Gone {
        /// Label of the token.
        token: String,
        /// What it said.
        code: RvError,
    },
    /// The key is not there.
    #[error("the token {token:?} holds no key labelled {label:?} with identifier {id}")]
    NoKey {
        /// Label of the token.
        token: String,
        /// Label of the key.
        label: String,
        /// Identifier, hexadecimal.
        id: String,
    },
    /// Label and identifier do not tell the keys apart.
    #[error("the token {token:?} holds {count} keys labelled {label:?} with identifier {id}")]
    SeveralKeys {
        /// Label of the token.
        token: String,
        /// Label of the key.
        label: String,
        /// Identifier, hexadecimal.
        id: String,
        /// How many.
        count: usize,
    },
    /// The master key is not there.
    #[error("the token {token:?} holds no master key labelled {label:?}")]
    NoMaster {
        /// Label of the token.
        token: String,
        /// Label of the key.
        label: String,
    },
    /// The label does not tell the master keys apart.
    #[error("the token {token:?} holds {count} secret keys labelled {label:?}")]
    SeveralMasters {
        /// Label of the token.
        token: String,
        /// Label of the key.
        label: String,
        /// How many.
        count: usize,
    },
    /// A key of that label is there already.
    #[error("the token {token:?} holds a secret key labelled {label:?} already")]
    LabelTaken {
        /// Label of the token.
        token: String,
        /// Label of the key.
        label: String,
    },
    /// The key cannot be a master key, or not one for the method asked for.
    #[error("the key {label:?} in the token {token:?} is no master key for this derivation")]
    NotMaster {
        /// Label of the token.
        token: String,
        /// Label of the key.
        label: String,
    },
    /// The token would give the key out.
    #[error("the key {label:?} in the token {token:?} is not protected: it can be read or extracted")]
    Unprotected {
        /// Label of the token.
        token: String,
        /// Label of the key.
        label: String,
    },
    /// The token cannot sign so.
    #[error("the token {token:?} does not offer {algorithm}")]
    NotOffered {
        /// Label of the token.
        token: String,
        /// What was asked for.
        algorithm: Algorithm,
    },
    /// The public key is not what the algorithm needs, or the key's signatures do not verify with it.
    #[error("the key {label:?} in the token {token:?} is not a working key for {algorithm}")]
    Unusable {
        /// Label of the token.
        token: String,
        /// Label of the key.
        label: String,
        /// What it should sign with.
        algorithm: Algorithm,
    },
    /// Anything else that the token refused.
    #[error("the token {token:?} refused {function}: {code}")]
    Refused {
        /// Label of the token.
        token: String,
        /// What was asked for.
        function: Function,
        /// What it said.
        code: RvError,
    },
    /// The module did not behave as PKCS#11 says.
    #[error("the module of the token {token:?} does not behave: {error}")]
    Misbehaved {
        /// Label of the token.
        token: String,
        /// How.
        error: Error,
    },
}

impl TokenError {
    /// What a token's refusal means.
    pub(super) fn of(token: &str, error: Error) -> Self {
        let token = token.to_owned();
        let Error::Pkcs11(code, function) = error else { return TokenError::Misbehaved { token, error } };
        match code {
            RvError::PinLocked => TokenError::PinLocked { token },
            RvError::PinExpired | RvError::UserPinNotInitialized => TokenError::PinNotSet { token },
            RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange => {
                TokenError::WrongPin { token, tries: Tries::Unknown }
            }
            RvError::DeviceMemory => TokenError::Full { token },
            RvError::TokenWriteProtected => TokenError::WriteProtected { token },
            RvError::DeviceRemoved
            | RvError::DeviceError
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::SlotIdInvalid
            | RvError::SessionClosed
            | RvError::SessionHandleInvalid
            | RvError::KeyHandleInvalid
            | RvError::ObjectHandleInvalid
            | RvError::UserNotLoggedIn
            | RvError::CryptokiNotInitialized => TokenError::Gone { token, code },
            _ => TokenError::Refused { token, function, code },
        }
    }
}

fn listed(labels: &[String]) -> String {
    match labels {
        [] => "no token is there".to_owned(),
        labels => format!("there are: {}", labels.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What tokens say when they cannot be made to say it here.
    #[test]
    fn refusals_are_told_apart() {
        let of = |code| TokenError::of("national", Error::Pkcs11(code, Function::Sign));
        assert!(matches!(of(RvError::PinLocked), TokenError::PinLocked { .. }));
        assert!(matches!(of(RvError::PinExpired), TokenError::PinNotSet { .. }));
        assert!(matches!(of(RvError::PinLenRange), TokenError::WrongPin { tries: Tries::Unknown, .. }));
        assert!(matches!(of(RvError::DeviceMemory), TokenError::Full { .. }));
        assert!(matches!(of(RvError::TokenWriteProtected), TokenError::WriteProtected { .. }));
        for gone in [RvError::DeviceRemoved, RvError::TokenNotPresent, RvError::SessionHandleInvalid] {
            let error = of(gone);
            assert!(matches!(error, TokenError::Gone { .. }) && error.to_string().contains("national"), "{error}");
        }
        assert!(matches!(of(RvError::FunctionFailed), TokenError::Refused { function: Function::Sign, .. }));
        for (tries, words) in [(Tries::One, "one try is left"), (Tries::Few, "few tries")] {
            let error = TokenError::WrongPin { token: "national".to_owned(), tries };
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
