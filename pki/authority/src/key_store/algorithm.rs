//! What keys sign with, and how that is written in certificates, lists and signed data.
//!
//! ```text
//! ECDSA      AlgorithmIdentifier { ecdsa-with-SHA*, absent }                                  RFC 5758 §3.2
//! RSA v1.5   AlgorithmIdentifier { sha*WithRSAEncryption, NULL }                              RFC 4055 §5
//! RSA PSS    AlgorithmIdentifier { id-RSASSA-PSS, { [0] hash, [1] mgf1 hash, [2] salt } }     RFC 4055 §3.1
//! ```
//!
//! The hash follows from the key: SHA-256 up to 128 bits of security, then SHA-384 and SHA-512 (9303-12 §4).

use std::fmt;
use std::str::FromStr;

use iso7816::tlv::{Writer, encode};
use trust::der::{INTEGER, NULL, OID, SEQUENCE, context_constructed, oid};
use trust::{EllipticCurve, Hash, SignatureAlgorithm};

/// The size of an RSA modulus.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RsaSize {
    /// 3072 bits.
    R3072,
    /// 4096 bits.
    R4096,
}

/// A kind of key and how it signs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    /// ECDSA.
    Ecdsa(EllipticCurve),
    /// RSASSA-PKCS1-v1_5.
    RsaV15(RsaSize),
    /// RSASSA-PSS; mask and salt follow the hash.
    RsaPss(RsaSize),
}

/// The text names no algorithm.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not the name of a signature algorithm")]
pub struct UnknownAlgorithm(pub String);

impl RsaSize {
    /// Every size.
    pub const ALL: [RsaSize; 2] = [RsaSize::R3072, RsaSize::R4096];

    /// Bits of the modulus.
    pub fn bits(self) -> u32 {
        match self {
            RsaSize::R3072 => 3072,
            RsaSize::R4096 => 4096,
        }
    }
}

impl Algorithm {
    /// What new keys are offered with.
    pub const OFFERED: [Algorithm; 8] = [
        Algorithm::Ecdsa(EllipticCurve::P256),
        Algorithm::Ecdsa(EllipticCurve::P384),
        Algorithm::Ecdsa(EllipticCurve::BrainpoolP256r1),
        Algorithm::Ecdsa(EllipticCurve::BrainpoolP384r1),
        Algorithm::RsaV15(RsaSize::R3072),
        Algorithm::RsaV15(RsaSize::R4096),
        Algorithm::RsaPss(RsaSize::R3072),
        Algorithm::RsaPss(RsaSize::R4096),
    ];

    /// The hash of messages.
    pub fn hash(self) -> Hash {
        use EllipticCurve::{BrainpoolP320r1, BrainpoolP384r1, BrainpoolP512r1, P384, P521};
        match self {
            Algorithm::Ecdsa(P521 | BrainpoolP512r1) | Algorithm::RsaV15(RsaSize::R4096) => Hash::Sha512,
            Algorithm::RsaPss(RsaSize::R4096) => Hash::Sha512,
            Algorithm::Ecdsa(P384 | BrainpoolP384r1 | BrainpoolP320r1) => Hash::Sha384,
            Algorithm::Ecdsa(_) | Algorithm::RsaV15(RsaSize::R3072) | Algorithm::RsaPss(RsaSize::R3072) => Hash::Sha256,
        }
    }

    /// How a verifier names it.
    pub fn signature(self) -> SignatureAlgorithm {
        let hash = self.hash();
        match self {
            Algorithm::Ecdsa(_) => SignatureAlgorithm::Ecdsa(hash),
            Algorithm::RsaV15(_) => SignatureAlgorithm::RsaV15(hash),
            Algorithm::RsaPss(_) => SignatureAlgorithm::RsaPss { hash, mask: hash, salt: hash.length() },
        }
    }

    /// The curve of an elliptic curve key.
    pub fn curve(self) -> Option<EllipticCurve> {
        match self {
            Algorithm::Ecdsa(curve) => Some(curve),
            Algorithm::RsaV15(_) | Algorithm::RsaPss(_) => None,
        }
    }

    /// The AlgorithmIdentifier of signatures.
    pub fn signature_identifier(self) -> Vec<u8> {
        let hash = self.hash();
        let mut writer = Writer::new();
        writer.nest(SEQUENCE, |identifier| match self {
            Algorithm::Ecdsa(_) => {
                identifier.put(OID, ecdsa_oid(hash));
            }
            Algorithm::RsaV15(_) => {
                identifier.put(OID, rsa_oid(hash)).put(NULL, []);
            }
            Algorithm::RsaPss(_) => {
                identifier.put(OID, oid::RSASSA_PSS).raw(pss_parameters(hash));
            }
        });
        writer.finish()
    }

    /// The AlgorithmIdentifier of the hash; parameters absent (RFC 5754 §2).
    pub fn digest_identifier(self) -> Vec<u8> {
        encode(SEQUENCE, encode(OID, hash_oid(self.hash())))
    }
}

/// Inside of PSS parameters NULL stands behind the hash (RFC 4055 §2.1).
fn pss_parameters(hash: Hash) -> Vec<u8> {
    let digest = encode(SEQUENCE, [encode(OID, hash_oid(hash)), encode(NULL, [])].concat());
    let mask = encode(SEQUENCE, [encode(OID, oid::MGF1), digest.clone()].concat());
    // As many bytes of salt as the hash has.
    let salt = encode(INTEGER, crate::x509::integer(&hash.length().to_be_bytes()));
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |parameters| {
        parameters.put(context_constructed(0), digest).put(context_constructed(1), mask);
        parameters.put(context_constructed(2), salt);
    });
    writer.finish()
}

fn hash_oid(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha1 => oid::SHA1,
        Hash::Sha224 => oid::SHA224,
        Hash::Sha256 => oid::SHA256,
        Hash::Sha384 => oid::SHA384,
        Hash::Sha512 => oid::SHA512,
    }
}

fn ecdsa_oid(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha1 => oid::ECDSA_SHA1,
        Hash::Sha224 => oid::ECDSA_SHA224,
        Hash::Sha256 => oid::ECDSA_SHA256,
        Hash::Sha384 => oid::ECDSA_SHA384,
        Hash::Sha512 => oid::ECDSA_SHA512,
    }
}

fn rsa_oid(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha1 => oid::RSA_SHA1,
        Hash::Sha224 => oid::RSA_SHA224,
        Hash::Sha256 => oid::RSA_SHA256,
        Hash::Sha384 => oid::RSA_SHA384,
        Hash::Sha512 => oid::RSA_SHA512,
    }
}

/// `ecdsa-p-256`, `ecdsa-brainpoolp384r1`, `rsa-3072`, `rsa-pss-4096`.
impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Algorithm::Ecdsa(curve) => write!(f, "ecdsa-{}", curve.name().to_ascii_lowercase()),
            Algorithm::RsaV15(size) => write!(f, "rsa-{}", size.bits()),
            Algorithm::RsaPss(size) => write!(f, "rsa-pss-{}", size.bits()),
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        let curves = EllipticCurve::ALL.into_iter().map(Algorithm::Ecdsa);
        let sizes = RsaSize::ALL.into_iter().flat_map(|size| [Algorithm::RsaV15(size), Algorithm::RsaPss(size)]);
        let mut all = curves.chain(sizes);
        all.find(|one| one.to_string() == text).ok_or_else(|| UnknownAlgorithm(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_read_back_as_the_algorithm() {
        for algorithm in Algorithm::OFFERED {
            let read = SignatureAlgorithm::from_der(&algorithm.signature_identifier(), None).unwrap();
            assert_eq!(read, algorithm.signature());
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        assert_eq!("rsa-2048".parse::<Algorithm>(), Err(UnknownAlgorithm("rsa-2048".to_owned())));
    }

    #[test]
    fn the_hash_is_as_strong_as_the_key() {
        let hashes = Algorithm::OFFERED.map(Algorithm::hash);
        use Hash::{Sha256, Sha384, Sha512};
        assert_eq!(hashes, [Sha256, Sha384, Sha256, Sha384, Sha256, Sha512, Sha256, Sha512]);
    }
}
