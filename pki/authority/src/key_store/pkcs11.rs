//! Private keys in tokens, through the vendor's PKCS#11 module (PKCS #11 v2.40).
//!
//! Keys are made inside the token, sensitive and not extractable, and never leave it. They are found again by label and
//! identifier. ECDSA is `CKM_ECDSA` over a hash computed here, because not every token hashes; RSA hashes in the token.
//!
//! A PIN is tried once: nothing here repeats a login. A process logs in to a token once; while it is logged in, opening
//! the token again does not ask the token about the PIN again. Sessions are opened as threads need them.

mod error;
mod key;
mod master;
mod token;

use std::path::PathBuf;

pub use error::{TokenError, Tries};
pub use key::TokenKey;
pub use master::{MasterKey, MasterKind};
pub use token::Token;

/// Which token: a module, and the label of the token in one of its slots.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TokenAddress {
    /// The vendor's library.
    pub module: PathBuf,
    /// The label that the token was initialised with.
    pub label: String,
}
