//! Where private keys are: one trait, one module for each kind of store.
//!
//! - [`Algorithm`]: what a key signs with; it decides the hash, the padding and the identifiers
//! - [`SoftwareKey`]: an encrypted PKCS#8 file
//! - [`TokenKey`]: a key inside of a PKCS#11 token
//! - [`StoredKey`]: the key of a directory, wherever its record says that it is
//! - [`WorkerKey`]: the key of a directory, used by several processes

mod algorithm;
mod pkcs11;
mod record;
mod software;
mod uses;
mod workers;

use openssl::error::ErrorStack;

pub use algorithm::{Algorithm, RsaSize, UnknownAlgorithm};
pub use pkcs11::{MasterKey, MasterKind, Token, TokenAddress, TokenError, TokenKey, Tries};
pub(crate) use record::FreshKey;
pub use record::{KeyPlace, NewKey, RecordError, StoredKey};
pub(crate) use software::pem;
pub use software::{KeyError, SoftwareKey};
pub use uses::UseError;
pub use workers::{WorkerError, WorkerKey, Workers, serve};

/// A private key that signs; where it is kept is its own affair.
pub trait Signer {
    /// What it signs with.
    fn algorithm(&self) -> Algorithm;

    /// The content of the public key's BIT STRING: an uncompressed point (`04 x y`), or an RSAPublicKey (RFC 8017 §A.1.1).
    fn public_bits(&self) -> &[u8];

    /// Signs a message; hashing is part of it. ECDSA gives an ECDSA-Sig-Value, RSA as many bytes as the modulus has.
    ///
    /// # Errors
    /// When the store refuses.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError>;
}

/// A key store did not sign.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The key is in this process, and OpenSSL failed.
    #[error("the cryptographic library failed: {0}")]
    Library(#[from] ErrorStack),
    /// The key is in a token, and the token refused.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The key was used as often as it may be, or its uses cannot be counted.
    #[error(transparent)]
    Uses(#[from] UseError),
    /// The key is used by other processes.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}
