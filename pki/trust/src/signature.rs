//! Signature algorithms as their AlgorithmIdentifier says, and the verification (9303-12 §4).
//!
//! ```text
//! AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY OPTIONAL }
//! RSASSA-PSS-params   ::= SEQUENCE { hash [0], maskGen [1], saltLength [2] INTEGER DEFAULT 20, trailerField [3] DEFAULT 1 }
//! ```

use iso7816::tlv::{self, Reader, TlvError};
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};

pub use channel::hash::Hash;

use crate::der::{self, oid};
use crate::public_key::{KeyKind, PublicKey};

/// How a signature was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureAlgorithm {
    /// ECDSA, the signature an ECDSA-Sig-Value.
    Ecdsa(Hash),
    /// ECDSA, the signature r and s side by side (TR-03111 §5.2.2).
    EcdsaPlain(Hash),
    /// RSASSA-PKCS1-v1_5.
    RsaV15(Hash),
    /// RSASSA-PSS.
    RsaPss {
        /// The message hash.
        hash: Hash,
        /// The hash of the mask generation function.
        mask: Hash,
        /// Salt length in bytes.
        salt: u16,
    },
}

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The algorithm is none of ours.
    #[error("signature algorithm {0} is not supported")]
    UnknownAlgorithm(String),
    /// The algorithm's parameters are not as its standard says.
    #[error("the parameters of the signature algorithm are not acceptable")]
    Parameters,
    /// The key is not for this algorithm.
    #[error("the signature algorithm does not fit the public key")]
    KeyMismatch,
    /// The signature is not that of these bytes by this key.
    #[error("the signature does not verify")]
    Mismatch,
    /// Not data objects.
    #[error(transparent)]
    Tlv(#[from] TlvError),
}

impl SignatureAlgorithm {
    /// Reads an AlgorithmIdentifier (tag 30 included) of a certificate, a CRL or a signer info.
    ///
    /// `digest` is the hash named elsewhere, used when the identifier names none (`rsaEncryption` in a signer info).
    ///
    /// # Errors
    /// When the algorithm or its parameters are not supported.
    pub fn from_der(raw: &[u8], digest: Option<Hash>) -> Result<Self, SignatureError> {
        let (algorithm, parameters) = der::algorithm(tlv::sole(raw, der::SEQUENCE)?)?;
        let unknown = || SignatureError::UnknownAlgorithm(hex::encode(algorithm));
        if algorithm == oid::RSASSA_PSS {
            return pss(parameters.map(|any| any.raw));
        }
        if parameters.is_some_and(|any| any.tag != der::NULL || !any.value.is_empty()) {
            return Err(SignatureError::Parameters);
        }
        Ok(match algorithm {
            oid::ECDSA_SHA1 => Self::Ecdsa(Hash::Sha1),
            oid::ECDSA_SHA224 => Self::Ecdsa(Hash::Sha224),
            oid::ECDSA_SHA256 => Self::Ecdsa(Hash::Sha256),
            oid::ECDSA_SHA384 => Self::Ecdsa(Hash::Sha384),
            oid::ECDSA_SHA512 => Self::Ecdsa(Hash::Sha512),
            oid::ECDSA_PLAIN_SHA1 => Self::EcdsaPlain(Hash::Sha1),
            oid::ECDSA_PLAIN_SHA224 => Self::EcdsaPlain(Hash::Sha224),
            oid::ECDSA_PLAIN_SHA256 => Self::EcdsaPlain(Hash::Sha256),
            oid::ECDSA_PLAIN_SHA384 => Self::EcdsaPlain(Hash::Sha384),
            oid::ECDSA_PLAIN_SHA512 => Self::EcdsaPlain(Hash::Sha512),
            oid::RSA_SHA1 => Self::RsaV15(Hash::Sha1),
            oid::RSA_SHA224 => Self::RsaV15(Hash::Sha224),
            oid::RSA_SHA256 => Self::RsaV15(Hash::Sha256),
            oid::RSA_SHA384 => Self::RsaV15(Hash::Sha384),
            oid::RSA_SHA512 => Self::RsaV15(Hash::Sha512),
            oid::RSA_ENCRYPTION => Self::RsaV15(digest.ok_or_else(unknown)?),
            _ => return Err(unknown()),
        })
    }

    /// The hash of the message.
    pub fn hash(self) -> Hash {
        match self {
            Self::Ecdsa(hash) | Self::EcdsaPlain(hash) | Self::RsaV15(hash) | Self::RsaPss { hash, .. } => hash,
        }
    }

    /// Checks `signature` over `message`.
    ///
    /// # Errors
    /// When the key is of another kind or the signature does not verify.
    pub fn verify(self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let fits = matches!(
            (self, key.kind()),
            (Self::Ecdsa(_) | Self::EcdsaPlain(_), KeyKind::Ec(_))
                | (Self::RsaV15(_), KeyKind::Rsa { .. })
                | (Self::RsaPss { .. }, KeyKind::Rsa { .. } | KeyKind::RsaPssOnly { .. })
        );
        if !fits {
            return Err(SignatureError::KeyMismatch);
        }
        match self.openssl_verify(key, message, signature) {
            Ok(true) => Ok(()),
            // OpenSSL reports a signature that is not even well formed as an error.
            Ok(false) | Err(_) => Err(SignatureError::Mismatch),
        }
    }

    /// The two numbers of an ECDSA signature; `None` when they are not written as they must be.
    fn numbers(self, key: &PublicKey, signature: &[u8]) -> Result<Option<EcdsaSig>, ErrorStack> {
        if let (Self::EcdsaPlain(_), KeyKind::Ec(curve)) = (self, key.kind()) {
            let width = curve.order_length();
            let Some((r, s)) = signature.split_at_checked(width).filter(|(_, s)| s.len() == width) else {
                return Ok(None);
            };
            return EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?).map(Some);
        }
        let parsed = EcdsaSig::from_der(signature)?;
        // OpenSSL reads other encodings too; only DER is accepted.
        let is_der = parsed.to_der()? == signature;
        Ok(is_der.then_some(parsed))
    }

    fn openssl_verify(self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        if let Self::Ecdsa(hash) | Self::EcdsaPlain(hash) = self {
            // Without OpenSSL's envelope around the same arithmetic, which looks its algorithms up for every signature anew.
            let Some(numbers) = self.numbers(key, signature)? else { return Ok(false) };
            return numbers.verify(&hash.digest(message), key.openssl().ec_key()?.as_ref());
        }
        let mut verifier = Verifier::new(self.hash().openssl(), key.openssl())?;
        match self {
            Self::Ecdsa(_) | Self::EcdsaPlain(_) => {}
            Self::RsaV15(_) => verifier.set_rsa_padding(Padding::PKCS1)?,
            Self::RsaPss { mask, salt, .. } => {
                verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
                verifier.set_rsa_mgf1_md(mask.openssl())?;
                verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(i32::from(salt)))?;
            }
        }
        verifier.verify_oneshot(signature, message)
    }
}

fn pss(parameters: Option<&[u8]>) -> Result<SignatureAlgorithm, SignatureError> {
    let bad = || SignatureError::Parameters;
    let mut reader = Reader::new(tlv::sole(parameters.ok_or_else(bad)?, der::SEQUENCE)?);
    let hash = match reader.optional(der::context_constructed(0))? {
        Some(identifier) => hash_algorithm(identifier)?,
        None => Hash::Sha1,
    };
    let mask = match reader.optional(der::context_constructed(1))? {
        Some(generator) => match der::algorithm(tlv::sole(generator, der::SEQUENCE)?)? {
            (oid::MGF1, Some(inner)) => hash_algorithm(inner.raw)?,
            _ => return Err(bad()),
        },
        None => Hash::Sha1,
    };
    let salt = match reader.optional(der::context_constructed(2))? {
        Some(length) => integer(length)?,
        None => 20,
    };
    let trailer = match reader.optional(der::context_constructed(3))? {
        Some(number) => integer(number)?,
        None => 1,
    };
    reader.end()?;
    if trailer != 1 {
        return Err(bad());
    }
    Ok(SignatureAlgorithm::RsaPss { hash, mask, salt })
}

/// The hash of an AlgorithmIdentifier (tag included) whose parameters are absent or NULL.
pub(crate) fn hash_algorithm(raw: &[u8]) -> Result<Hash, SignatureError> {
    let (algorithm, parameters) = der::algorithm(tlv::sole(raw, der::SEQUENCE)?)?;
    if parameters.is_some_and(|any| any.tag != der::NULL || !any.value.is_empty()) {
        return Err(SignatureError::Parameters);
    }
    Hash::from_oid(algorithm).ok_or_else(|| SignatureError::UnknownAlgorithm(hex::encode(algorithm)))
}

fn integer(raw: &[u8]) -> Result<u16, SignatureError> {
    let value = der::small_integer(tlv::sole(raw, der::INTEGER)?);
    value.and_then(|number| u16::try_from(number).ok()).ok_or(SignatureError::Parameters)
}
