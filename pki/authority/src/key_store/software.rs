//! Private keys in encrypted PKCS#8 files (RFC 5958, RFC 8018, RFC 7914), used in this process.
//!
//! ```text
//! -----BEGIN ENCRYPTED PRIVATE KEY-----
//! EncryptedPrivateKeyInfo ::= SEQUENCE { PBES2 { scrypt { salt, N 16384, r 8, p 5 }, aes256-CBC { iv } }, OCTET STRING }
//! ```
//!
//! The cost stays below the 32 MiB which OpenSSL's own reader allows, so `openssl pkey -in key.p8` reads these files.

use std::path::PathBuf;

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
use openssl::rsa::{Padding, Rsa};
use openssl::sign::RsaPssSaltlen;
use openssl::symm::Cipher;
use trust::EllipticCurve;
use trust::der::{INTEGER, OCTET_STRING, OID, SEQUENCE};
use zeroize::Zeroizing;

use super::record::RecordError;
use super::uses::UseError;
use super::{Algorithm, RsaSize, Signer, SigningError, TokenError};
use crate::files::FileError;
use crate::passphrase::{MIN_PASSPHRASE, Passphrase};

const SCRYPT_N: u64 = 16_384;
const SCRYPT_R: u64 = 8;
const SCRYPT_P: u64 = 5;
const SCRYPT_MEMORY: u64 = 32 * 1024 * 1024;

/// A private key in this process.
pub struct SoftwareKey {
    algorithm: Algorithm,
    public_bits: Vec<u8>,
    key: PrivateKey,
}

enum PrivateKey {
    Ec(EcKey<Private>),
    Rsa(PKey<Private>),
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
    /// The key is none that this authority uses.
    #[error("the key is neither on a supported elliptic curve nor RSA of 3072 or 4096 bits")]
    Unsupported,
    /// The key does not sign with the algorithm that it is used for.
    #[error("the key cannot sign with {0}")]
    WrongAlgorithm(Algorithm),
    /// The key is not that of the certificate beside it.
    #[error("the key is not the one in the certificate")]
    NotOfCertificate,
    /// The file is missing or cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The record which says where the key is cannot be used.
    #[error("{path}: {why}")]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        why: RecordError,
    },
    /// The count of the key's uses cannot be used.
    #[error(transparent)]
    Uses(#[from] UseError),
    /// The key is to be in a token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// OpenSSL failed.
    #[error("the cryptographic library failed: {0}")]
    Library(#[from] ErrorStack),
}

impl SoftwareKey {
    /// A new key.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        match algorithm {
            Algorithm::Ecdsa(curve) => {
                let group = EcGroup::from_curve_name(curve.nid())?;
                Self::from_ec(EcKey::generate(&group)?)
            }
            Algorithm::RsaV15(size) | Algorithm::RsaPss(size) => {
                Self::from_rsa(Rsa::generate(size.bits())?)?.with_algorithm(algorithm)
            }
        }
    }

    /// Reads an encrypted PKCS#8 file (PEM). The file does not say how an RSA key signs: v1.5, unless
    /// [`SoftwareKey::with_algorithm`] says otherwise.
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
        match (key.ec_key(), key.rsa()) {
            (Ok(key), _) => Self::from_ec(key),
            (Err(_), Ok(key)) => Self::from_rsa(key),
            (Err(_), Err(_)) => Err(KeyError::Unsupported),
        }
    }

    /// The same key, signing with this algorithm.
    ///
    /// # Errors
    /// When the key is of another kind or size.
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Result<Self, KeyError> {
        use Algorithm::{Ecdsa, RsaPss, RsaV15};
        match (self.algorithm, algorithm) {
            (Ecdsa(own), Ecdsa(wanted)) if own == wanted => {}
            (RsaV15(own) | RsaPss(own), RsaV15(wanted) | RsaPss(wanted)) if own == wanted => {}
            _ => return Err(KeyError::WrongAlgorithm(algorithm)),
        }
        self.algorithm = algorithm;
        Ok(self)
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
        let plain = Zeroizing::new(self.private()?.private_key_to_pkcs8()?);
        let sealed = openssl::symm::encrypt(Cipher::aes_256_cbc(), &*secret, Some(&iv), &plain)?;
        Ok(pem("ENCRYPTED PRIVATE KEY", &encrypted_private_key_info(&salt, &iv, &sealed)))
    }

    /// The key as OpenSSL has it.
    pub(crate) fn private(&self) -> Result<PKey<Private>, ErrorStack> {
        match &self.key {
            PrivateKey::Ec(key) => PKey::from_ec_key(key.clone()),
            PrivateKey::Rsa(key) => Ok(key.clone()),
        }
    }

    fn from_ec(key: EcKey<Private>) -> Result<Self, KeyError> {
        let nid = key.group().curve_name().unwrap_or(Nid::UNDEF);
        let curve = EllipticCurve::ALL.into_iter().find(|curve| curve.nid() == nid).ok_or(KeyError::Unsupported)?;
        let mut context = BigNumContext::new()?;
        let public_bits = key.public_key().to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut context)?;
        Ok(SoftwareKey { algorithm: Algorithm::Ecdsa(curve), public_bits, key: PrivateKey::Ec(key) })
    }

    fn from_rsa(key: Rsa<Private>) -> Result<Self, KeyError> {
        let size = RsaSize::ALL.into_iter().find(|size| key.size().saturating_mul(8) == size.bits());
        let algorithm = Algorithm::RsaV15(size.ok_or(KeyError::Unsupported)?);
        let public_bits = key.public_key_to_der_pkcs1()?;
        Ok(SoftwareKey { algorithm, public_bits, key: PrivateKey::Rsa(PKey::from_rsa(key)?) })
    }
}

impl Signer for SoftwareKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_bits(&self) -> &[u8] {
        &self.public_bits
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let hash = self.algorithm.hash();
        match &self.key {
            PrivateKey::Ec(key) => Ok(EcdsaSig::sign(&hash.digest(message), key)?.to_der()?),
            PrivateKey::Rsa(key) => {
                let digest = hash.openssl();
                let mut signer = openssl::sign::Signer::new(digest, key)?;
                if matches!(self.algorithm, Algorithm::RsaPss(_)) {
                    signer.set_rsa_padding(Padding::PKCS1_PSS)?;
                    signer.set_rsa_mgf1_md(digest)?;
                    signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
                }
                Ok(signer.sign_oneshot_to_vec(message)?)
            }
        }
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
        let key = SoftwareKey::generate(Algorithm::Ecdsa(EllipticCurve::BrainpoolP256r1)).unwrap();
        let file = key.to_pem(&Passphrase::new("correct horse")).unwrap();
        let back = SoftwareKey::from_pem(&file, &Passphrase::new("correct horse\n")).unwrap();
        assert_eq!(back.public_bits(), key.public_bits());
        assert!(matches!(
            SoftwareKey::from_pem(&file, &Passphrase::new("wrong horse")),
            Err(KeyError::WrongPassphrase)
        ));
        assert!(matches!(key.to_pem(&Passphrase::new("short")), Err(KeyError::WeakPassphrase)));
    }

    #[test]
    fn a_key_file_without_encryption_is_refused() {
        let key = SoftwareKey::generate(Algorithm::Ecdsa(EllipticCurve::P256)).unwrap();
        let PrivateKey::Ec(key) = key.key else { panic!("not an elliptic curve key") };
        let plain = PKey::from_ec_key(key).unwrap().private_key_to_pem_pkcs8().unwrap();
        assert!(matches!(SoftwareKey::from_pem(&plain, &Passphrase::new("anything")), Err(KeyError::Unsupported)));
    }

    #[test]
    fn signatures_verify_with_the_public_key() {
        // Making an RSA key is slow: one of each size signs with both paddings.
        let large = SoftwareKey::generate(Algorithm::RsaV15(RsaSize::R4096)).unwrap();
        let small = SoftwareKey::generate(Algorithm::RsaV15(RsaSize::R3072)).unwrap();
        let passphrase = Passphrase::new("correct horse");
        let files = [small.to_pem(&passphrase).unwrap(), large.to_pem(&passphrase).unwrap()];
        for algorithm in Algorithm::OFFERED {
            let file = match algorithm {
                Algorithm::Ecdsa(_) => SoftwareKey::generate(algorithm).unwrap().to_pem(&passphrase).unwrap(),
                Algorithm::RsaV15(size) | Algorithm::RsaPss(size) => files[usize::from(size == RsaSize::R4096)].clone(),
            };
            let key = SoftwareKey::from_pem(&file, &passphrase).unwrap().with_algorithm(algorithm).unwrap();
            let public = trust::PublicKey::from_spki(&crate::x509::named_spki(&key)).unwrap();
            let signature = key.sign(b"message").unwrap();
            algorithm.signature().verify(&public, b"message", &signature).unwrap();
            assert!(algorithm.signature().verify(&public, b"another", &signature).is_err());
            assert_eq!(public.key_identifier(), crate::x509::key_identifier(&key));
        }
        assert!(matches!(small.with_algorithm(Algorithm::RsaV15(RsaSize::R4096)), Err(KeyError::WrongAlgorithm(_))));
    }

    #[test]
    fn a_key_signs_only_with_what_it_is_for() {
        let key = SoftwareKey::generate(Algorithm::Ecdsa(EllipticCurve::P256)).unwrap();
        let refused = key.with_algorithm(Algorithm::Ecdsa(EllipticCurve::BrainpoolP256r1));
        assert!(matches!(refused, Err(KeyError::WrongAlgorithm(_))));
    }
}
