//! Where private keys are: one trait, one module for each kind of store.

mod software;

use trust::EllipticCurve;

pub(crate) use software::pem;
pub use software::{KeyError, SoftwareKey};

/// A private key that signs; where it is kept is its own affair.
pub trait Signer {
    /// The curve of the key.
    fn curve(&self) -> EllipticCurve;

    /// The public point, uncompressed (`04 x y`).
    fn public_point(&self) -> &[u8];

    /// Signs a message with ECDSA and the hash that fits the curve; the result is an ECDSA-Sig-Value.
    ///
    /// # Errors
    /// When the store refuses.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError>;
}

/// A key store did not sign.
#[derive(Debug, thiserror::Error)]
#[error("the key store did not sign: {0}")]
pub struct SigningError(pub String);
