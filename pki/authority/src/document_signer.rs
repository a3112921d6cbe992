//! The document signer: makes EF.SOD's signed data (9303-10 §4.6.2).

use std::path::Path;

use crate::passphrase::Passphrase;

/// A document signer with its key, ready to sign.
pub struct DocumentSigner {}

/// Why a document signer cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not there yet.
    #[error("the document signer cannot be loaded")]
    Unavailable,
}

/// Why a security object is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// Not there yet.
    #[error("the security object cannot be signed")]
    Unavailable,
}

impl DocumentSigner {
    /// Loads `certificate.der` and `key.p8` from a signer's directory.
    ///
    /// # Errors
    /// When a file is missing, the passphrase is wrong, or key and certificate do not belong together.
    pub fn load(_directory: &Path, _passphrase: &Passphrase) -> Result<Self, LoadError> {
        Err(LoadError::Unavailable)
    }

    /// Signs an LDSSecurityObject (tag 30 included); the result is the CMS ContentInfo for EF.SOD.
    ///
    /// # Errors
    /// When the clock is outside the private key usage period.
    pub fn sign_security_object(&self, _lds_security_object: &[u8]) -> Result<Vec<u8>, SignError> {
        Err(SignError::Unavailable)
    }
}
