//! Custodians sign trust bundles too: a post can demand that several did.

use trust::bundle::{BundleError, Sealed};
use trust::{Pin, PublicKey};

use super::{Credential, CredentialError};

/// Why a custodian's signature is not on a bundle.
#[derive(Debug, thiserror::Error)]
pub enum CountersignError {
    /// The credential.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The bundle cannot be read, or cannot carry the signature.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl Credential {
    /// Adds this custodian's signature to a bundle that can be read; what posts pin for it.
    ///
    /// # Errors
    /// When the bundle cannot be read, is of version 1, or has too many signatures.
    pub fn countersign(&self, sealed: &mut Sealed) -> Result<Pin, CountersignError> {
        trust::Bundle::from_payload(sealed.payload())?;
        let key = self.key()?;
        sealed.add_signature(&key, &self.sign(&sealed.message())?)?;
        Ok(Pin::of(&key))
    }

    /// What posts pin for this custodian.
    ///
    /// # Errors
    /// When the key is none that signs bundles.
    pub fn pin(&self) -> Result<Pin, CountersignError> {
        Ok(Pin::of(&self.key()?))
    }

    fn key(&self) -> Result<PublicKey, CountersignError> {
        use base64::Engine;
        let spki = base64::engine::general_purpose::STANDARD.decode(self.public_key());
        let key = PublicKey::from_spki(&spki.unwrap_or_default()).map_err(|_| crate::KeyError::Unsupported);
        Ok(key.map_err(CredentialError::Key)?)
    }
}
