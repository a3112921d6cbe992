//! Private keys in encrypted PKCS#8 files (RFC 5958, RFC 8018, RFC 7914).
//!
//! ```text
//! -----BEGIN ENCRYPTED PRIVATE KEY-----
//! EncryptedPrivateKeyInfo ::= SEQUENCE { PBES2 { scrypt { salt, N 16384, r 8, p 5 }, aes256-CBC { iv } }, OCTET STRING }
//! ```
//!
//! The cost stays below the 32 MiB which OpenSSL's own reader allows, so `openssl pkey -in key.p8` reads these files.

use asn1_rs::oid;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use iso7816::tlv::Writer;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::symm::Cipher;
use trust::der::{INTEGER, OCTET_STRING, OID, SEQUENCE};
use trust::{EllipticCurve, Hash};
use zeroize::Zeroizing;

use super::{Signer, SigningError};
use crate::passphrase::{MIN_PASSPHRASE, Passphrase};
use crate::x509::hash_of;

const SCRYPT_N: u64 = 16_384;
const SCRYPT_R: u64 = 8;
const SCRYPT_P: u64 = 5;
const SCRYPT_MEMORY: u64 = 32 * 1024 * 1024;

/// A private key in this process.
pub struct SoftwareKey {
    curve: EllipticCurve,
    hash: Hash,
    point: Vec<u8>,
    key: EcKey<Private>,
}

/// Why a key cannot be made, written or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The passphrase is too short for a new key.
    #[error("the passphrase is shorter than {MIN_PASSPHRASE} characters")]
    WeakPassphrase,
    /// The file does not open with this passphrase.
    #[error("the passphrase is wrong, or the key file is damaged")]
    WrongPassphrase,
    /// The key is not on a curve that this authority uses.
    #[error("the key is not an elliptic curve key on a supported curve")]
    Unsupported,
    /// OpenSSL failed.
    #[error("the cryptographic library failed: {0}")]
    Library(#[from] ErrorStack),
}

impl SoftwareKey {
    /// A new key.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn generate(curve: EllipticCurve) -> Result<Self, KeyError> {
        let group = EcGroup::from_curve_name(curve.nid())?;
        Self::from_key(EcKey::generate(&group)?)
    }

    /// Reads an encrypted PKCS#8 file (PEM).
    ///
    /// # Errors
    /// When the passphrase is wrong or the key is of another kind.
    pub fn from_pem(pem: &[u8], passphrase: &Passphrase) -> Result<Self, KeyError> {
        // A file without encryption was not written by this program: it is refused, not silently used.
        if !pem.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            return Err(KeyError::Unsupported);
        }
        let key =
            PKey::private_key_from_pem_passphrase(pem, passphrase.expose()).map_err(|_| KeyError::WrongPassphrase)?;
        Self::from_key(key.ec_key().map_err(|_| KeyError::Unsupported)?)
    }

    /// The encrypted PKCS#8 file (PEM).
    ///
    /// # Errors
    /// When the passphrase is too short or OpenSSL fails.
    pub fn to_pem(&self, passphrase: &Passphrase) -> Result<Vec<u8>, KeyError> {
        if passphrase.expose().len() < MIN_PASSPHRASE {
            return Err(KeyError::WeakPassphrase);
        }
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        openssl::rand::rand_bytes(&mut salt)?;
        openssl::rand::rand_bytes(&mut iv)?;
        let mut secret = Zeroizing::new([0; 32]);
        let cost = (SCRYPT_N, SCRYPT_R, SCRYPT_P);
        openssl::pkcs5::scrypt(passphrase.expose(), &salt, cost.0, cost.1, cost.2, SCRYPT_MEMORY, &mut *secret)?;
        let plain = Zeroizing::new(PKey::from_ec_key(self.key.clone())?.private_key_to_pkcs8()?);
        let sealed = openssl::symm::encrypt(Cipher::aes_256_cbc(), &*secret, Some(&iv), &plain)?;
        Ok(pem("ENCRYPTED PRIVATE KEY", &encrypted_private_key_info(&salt, &iv, &sealed)))
    }

    fn from_key(key: EcKey<Private>) -> Result<Self, KeyError> {
        let nid = key.group().curve_name().unwrap_or(Nid::UNDEF);
        let curve = EllipticCurve::ALL.into_iter().find(|curve| curve.nid() == nid).ok_or(KeyError::Unsupported)?;
        let mut context = BigNumContext::new()?;
        let point = key.public_key().to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut context)?;
        Ok(SoftwareKey { curve, hash: hash_of(curve), point, key })
    }
}

impl Signer for SoftwareKey {
    fn curve(&self) -> EllipticCurve {
        self.curve
    }

    fn public_point(&self) -> &[u8] {
        &self.point
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        EcdsaSig::sign(&self.hash.digest(message), &self.key)
            .and_then(|signature| signature.to_der())
            .map_err(|error| SigningError(error.to_string()))
    }
}

fn encrypted_private_key_info(salt: &[u8], iv: &[u8], sealed: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |info| {
        info.nest(SEQUENCE, |algorithm| {
            algorithm.put(OID, oid!(raw 1.2.840.113549.1.5.13)).nest(SEQUENCE, |scheme| {
                scheme.nest(SEQUENCE, |derivation| {
                    derivation.put(OID, oid!(raw 1.3.6.1.4.1.11591.4.11)).nest(SEQUENCE, |cost| {
                        cost.put(OCTET_STRING, salt);
                        for number in [SCRYPT_N, SCRYPT_R, SCRYPT_P] {
                            cost.put(INTEGER, crate::x509::integer(&number.to_be_bytes()));
                        }
                    });
                });
                scheme.nest(SEQUENCE, |encryption| {
                    encryption.put(OID, oid!(raw 2.16.840.1.101.3.4.1.42)).put(OCTET_STRING, iv);
                });
            });
        });
        info.put(OCTET_STRING, sealed);
    });
    writer.finish()
}

/// A PEM text with lines of 64 characters (RFC 7468).
pub(crate) fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n").into_bytes();
    for line in body.as_bytes().chunks(64) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_files_open_with_their_passphrase_only() {
        let key = SoftwareKey::generate(EllipticCurve::BrainpoolP256r1).unwrap();
        let file = key.to_pem(&Passphrase::new("correct horse")).unwrap();
        let back = SoftwareKey::from_pem(&file, &Passphrase::new("correct horse\n")).unwrap();
        assert_eq!(back.public_point(), key.public_point());
        assert!(matches!(
            SoftwareKey::from_pem(&file, &Passphrase::new("wrong horse")),
            Err(KeyError::WrongPassphrase)
        ));
        assert!(matches!(key.to_pem(&Passphrase::new("short")), Err(KeyError::WeakPassphrase)));
    }

    #[test]
    fn a_key_file_without_encryption_is_refused() {
        let key = SoftwareKey::generate(EllipticCurve::P256).unwrap();
        let plain = PKey::from_ec_key(key.key.clone()).unwrap().private_key_to_pem_pkcs8().unwrap();
        assert!(matches!(SoftwareKey::from_pem(&plain, &Passphrase::new("anything")), Err(KeyError::Unsupported)));
    }
}
