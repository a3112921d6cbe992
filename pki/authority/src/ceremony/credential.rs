//! A custodian's own credential: a P-256 key pair in an encrypted PKCS#8 file.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use trust::EllipticCurve;

use crate::files::{self, FileError, Mode};
use crate::key_store::{Algorithm, KeyError, Signer, SigningError, SoftwareKey};
use crate::passphrase::Passphrase;
use crate::x509::named_spki;

/// A credential, opened.
pub struct Credential {
    key: SoftwareKey,
    private: PKey<Private>,
    public: String,
}

/// Why a credential cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A credential is never overwritten.
    #[error("{0} exists")]
    Exists(std::path::PathBuf),
    /// The key.
    #[error("the credential: {0}")]
    Key(#[from] KeyError),
    /// It does not sign.
    #[error("the credential: {0}")]
    Signing(#[from] SigningError),
    /// OpenSSL failed.
    #[error("the cryptographic library failed: {0}")]
    Library(#[from] ErrorStack),
}

impl Credential {
    /// Makes a new credential in this file (0600); the passphrase is the custodian's own.
    ///
    /// # Errors
    /// When the file exists, or the passphrase is too short.
    pub fn create(path: &Path, passphrase: &Passphrase) -> Result<Self, CredentialError> {
        if path.exists() {
            return Err(CredentialError::Exists(path.to_owned()));
        }
        let key = SoftwareKey::generate(Algorithm::Ecdsa(EllipticCurve::P256))?;
        files::replace(path, &key.to_pem(passphrase)?, Mode::Private)?;
        Self::open(path, passphrase)
    }

    /// Opens a credential.
    ///
    /// # Errors
    /// When the passphrase is wrong or the file is no credential.
    pub fn open(path: &Path, passphrase: &Passphrase) -> Result<Self, CredentialError> {
        let pem = files::read(path)?;
        let key = SoftwareKey::from_pem(&pem, passphrase)?;
        if key.algorithm() != Algorithm::Ecdsa(EllipticCurve::P256) {
            return Err(KeyError::Unsupported.into());
        }
        let private = key.private()?;
        let public = STANDARD.encode(named_spki(&key));
        Ok(Credential { key, private, public })
    }

    /// The public key as it stands in a script: SubjectPublicKeyInfo in base64.
    pub fn public_key(&self) -> &str {
        &self.public
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CredentialError> {
        Ok(self.key.sign(message)?)
    }

    pub(super) fn private(&self) -> &PKey<Private> {
        &self.private
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}
