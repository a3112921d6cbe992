//! The terminal's private key, in this process.

use std::fmt;

use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer};

use crate::cvc::{CvCertificate, KeyAlgorithm, KeyNumbers};
use crate::secret::Secret;

/// Signs what a chip wants signed: a key in this process, or one in a token.
pub trait TerminalSigner {
    /// The signature in the form of the certificate's algorithm, ECDSA plain; `None` when the key gives none.
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>>;
}

/// A terminal's private key. It is never shown.
pub struct TerminalKey {
    algorithm: KeyAlgorithm,
    key: PKey<Private>,
}

/// Why a file is not the key of a terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TerminalKeyError {
    /// Not an encrypted PKCS#8 file (PEM): a terminal's key never lies about in the clear.
    #[error("not an encrypted PKCS#8 key")]
    NotEncrypted,
    /// The passphrase does not open it.
    #[error("the passphrase is wrong, or the key file is damaged")]
    Passphrase,
    /// Another key than that of the certificate.
    #[error("the key is not the one in the terminal's certificate")]
    NotOfCertificate,
}

impl TerminalKey {
    /// Opens an encrypted PKCS#8 file (PEM) with the key of this certificate.
    ///
    /// # Errors
    /// When it is no such file, the passphrase is wrong, or the key is another one.
    pub fn open(pem: &[u8], passphrase: &Secret, certificate: &CvCertificate) -> Result<Self, TerminalKeyError> {
        if !pem.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            return Err(TerminalKeyError::NotEncrypted);
        }
        let key = PKey::private_key_from_pem_passphrase(pem, passphrase.expose());
        let key = TerminalKey {
            algorithm: certificate.body().public_key.algorithm,
            key: key.map_err(|_| TerminalKeyError::Passphrase)?,
        };
        match key.is_of(&certificate.body().public_key.numbers) {
            Ok(true) => Ok(key),
            Ok(false) | Err(_) => Err(TerminalKeyError::NotOfCertificate),
        }
    }

    /// A key at hand, which signs with this algorithm.
    pub fn new(key: PKey<Private>, algorithm: KeyAlgorithm) -> Self {
        TerminalKey { algorithm, key }
    }

    fn is_of(&self, numbers: &KeyNumbers) -> Result<bool, ErrorStack> {
        match numbers {
            KeyNumbers::Ec { point, .. } => {
                let key = self.key.ec_key()?;
                let mut context = openssl::bn::BigNumContext::new()?;
                let form = openssl::ec::PointConversionForm::UNCOMPRESSED;
                Ok(key.public_key().to_bytes(key.group(), form, &mut context)? == *point)
            }
            KeyNumbers::Rsa { modulus, .. } => Ok(*self.key.rsa()?.n() == *openssl::bn::BigNum::from_slice(modulus)?),
        }
    }

    fn openssl_sign(&self, message: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let hash = self.algorithm.hash();
        let mut signer = Signer::new(hash.openssl(), &self.key)?;
        match self.algorithm {
            KeyAlgorithm::Ecdsa(_) => {
                let signature = EcdsaSig::from_der(&signer.sign_oneshot_to_vec(message)?)?;
                let width = (self.key.ec_key()?.group().order_bits() as i32 + 7) / 8;
                return Ok([signature.r().to_vec_padded(width)?, signature.s().to_vec_padded(width)?].concat());
            }
            KeyAlgorithm::RsaV15(_) => signer.set_rsa_padding(Padding::PKCS1)?,
            KeyAlgorithm::RsaPss(_) => {
                signer.set_rsa_padding(Padding::PKCS1_PSS)?;
                signer.set_rsa_mgf1_md(hash.openssl())?;
                signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(i32::from(hash.length())))?;
            }
        }
        signer.sign_oneshot_to_vec(message)
    }
}

impl TerminalSigner for TerminalKey {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.openssl_sign(message).ok()
    }
}

impl fmt::Debug for TerminalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TerminalKey({})", self.algorithm)
    }
}
