//! Public keys in card-verifiable certificates (TR-03110-3 §D.3) and their signatures (TR-03111 §5.2.1: plain).
//!
//! ```text
//! RSA    7F49 { 06 algorithm, 81 modulus, 82 exponent }
//! ECDSA  7F49 { 06 algorithm, 81 p, 82 a, 83 b, 84 base point, 85 order, 86 public point, 87 cofactor }
//!        document verifiers and terminals: 7F49 { 06 algorithm, 86 public point }, the rest is that of their CVCA
//! ```

use std::fmt;

use asn1_rs::oid;
use iso7816::tlv::{Reader, Tag, Writer};

use openssl::bn::BigNum;
use openssl::ec::EcKey;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Public};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Verifier};

use super::{CvcError, OID};
use crate::curve::{self, group};
use crate::domain::DomainParameters;
use crate::hash::Hash;
use crate::suite::Curve;

/// The largest RSA modulus that is accepted, in bits: verification time grows with it.
const MAX_RSA_BITS: u32 = 8192;
/// The largest RSA public exponent that is accepted, in bits.
const MAX_EXPONENT_BITS: i32 = 64;

/// Why a public key of a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CvKeyError {
    /// Domain parameters that are not those of a known curve.
    #[error("elliptic curve parameters are not those of a known curve")]
    ForeignParameters,
    /// No domain parameters, and none to inherit.
    #[error("elliptic curve parameters are missing")]
    NoParameters,
    /// The point is not on the curve.
    #[error("the public point is not valid on {0}")]
    BadPoint(Curve),
    /// The RSA key is out of bounds.
    #[error("the RSA key is malformed, or larger than 8192 bits")]
    BadRsa,
}

/// A signature is not that of these bytes by this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct NotSigned;

/// How the holder of a key signs (id-TA).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyAlgorithm {
    /// ECDSA with a plain signature `r || s`.
    Ecdsa(Hash),
    /// RSASSA-PKCS1-v1_5.
    RsaV15(Hash),
    /// RSASSA-PSS; mask and salt length are those of the hash.
    RsaPss(Hash),
}

impl KeyAlgorithm {
    /// Every algorithm, with the content bytes of its object identifier.
    const ALL: [(KeyAlgorithm, &'static [u8]); 11] = [
        (Self::RsaV15(Hash::Sha1), &oid!(raw 0.4.0.127.0.7.2.2.2.1.1)),
        (Self::RsaV15(Hash::Sha256), &oid!(raw 0.4.0.127.0.7.2.2.2.1.2)),
        (Self::RsaPss(Hash::Sha1), &oid!(raw 0.4.0.127.0.7.2.2.2.1.3)),
        (Self::RsaPss(Hash::Sha256), &oid!(raw 0.4.0.127.0.7.2.2.2.1.4)),
        (Self::RsaV15(Hash::Sha512), &oid!(raw 0.4.0.127.0.7.2.2.2.1.5)),
        (Self::RsaPss(Hash::Sha512), &oid!(raw 0.4.0.127.0.7.2.2.2.1.6)),
        (Self::Ecdsa(Hash::Sha1), &oid!(raw 0.4.0.127.0.7.2.2.2.2.1)),
        (Self::Ecdsa(Hash::Sha224), &oid!(raw 0.4.0.127.0.7.2.2.2.2.2)),
        (Self::Ecdsa(Hash::Sha256), &oid!(raw 0.4.0.127.0.7.2.2.2.2.3)),
        (Self::Ecdsa(Hash::Sha384), &oid!(raw 0.4.0.127.0.7.2.2.2.2.4)),
        (Self::Ecdsa(Hash::Sha512), &oid!(raw 0.4.0.127.0.7.2.2.2.2.5)),
    ];

    /// The content bytes of its object identifier; `None` when TR-03110-3 has none for this hash.
    pub fn oid(self) -> Option<&'static [u8]> {
        Self::ALL.iter().find(|(algorithm, _)| *algorithm == self).map(|(_, oid)| *oid)
    }

    fn from_oid(bytes: &[u8]) -> Option<Self> {
        Self::ALL.iter().find(|(_, oid)| *oid == bytes).map(|(algorithm, _)| *algorithm)
    }

    /// The hash of the message.
    pub fn hash(self) -> Hash {
        match self {
            Self::Ecdsa(hash) | Self::RsaV15(hash) | Self::RsaPss(hash) => hash,
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = match self.hash() {
            Hash::Sha1 => "SHA-1",
            Hash::Sha224 => "SHA-224",
            Hash::Sha256 => "SHA-256",
            Hash::Sha384 => "SHA-384",
            Hash::Sha512 => "SHA-512",
        };
        let scheme = match self {
            Self::Ecdsa(_) => "ECDSA",
            Self::RsaV15(_) => "RSA-v1-5",
            Self::RsaPss(_) => "RSA-PSS",
        };
        write!(f, "{scheme}-{hash}")
    }
}

/// A public key as a certificate carries it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CvPublicKey {
    /// How its holder signs.
    pub algorithm: KeyAlgorithm,
    /// The numbers, big endian, as written: some issuers keep leading zeros.
    pub numbers: KeyNumbers,
}

/// The numbers of a public key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyNumbers {
    /// RSA.
    Rsa {
        /// The modulus.
        modulus: Vec<u8>,
        /// The public exponent.
        exponent: Vec<u8>,
    },
    /// ECDSA.
    Ec {
        /// The domain parameters: in certificates of a CVCA and in requests.
        domain: Option<Box<DomainParameters>>,
        /// The public point, uncompressed.
        point: Vec<u8>,
    },
}

impl CvPublicKey {
    /// A key on a known curve; its domain parameters are written when `with_domain`.
    ///
    /// # Errors
    /// When OpenSSL was built without the curve.
    pub fn ec(algorithm: KeyAlgorithm, curve: Curve, point: &[u8], with_domain: bool) -> Result<Self, ErrorStack> {
        let domain = if with_domain { Some(Box::new(curve.domain()?)) } else { None };
        Ok(CvPublicKey { algorithm, numbers: KeyNumbers::Ec { domain, point: point.to_vec() } })
    }

    /// The same key without its domain parameters, as document verifiers and terminals get it certified.
    pub fn without_domain(&self) -> Self {
        let mut key = self.clone();
        if let KeyNumbers::Ec { domain, .. } = &mut key.numbers {
            *domain = None;
        }
        key
    }

    /// Whether domain parameters are written in it.
    pub fn has_domain(&self) -> bool {
        matches!(self.numbers, KeyNumbers::Ec { domain: Some(_), .. })
    }

    /// The key to check signatures with. Domain parameters must be those of a known curve; `inherited` is used where there are none.
    ///
    /// # Errors
    /// When the curve is missing or not known, or the numbers are not a key.
    pub fn resolve(&self, inherited: Option<Curve>) -> Result<VerificationKey, CvKeyError> {
        let (kind, key) = match &self.numbers {
            KeyNumbers::Rsa { modulus, exponent } => rsa_key(modulus, exponent)?,
            KeyNumbers::Ec { domain, point } => {
                let curve = match domain {
                    Some(domain) => domain.known_curve().ok_or(CvKeyError::ForeignParameters)?,
                    None => inherited.ok_or(CvKeyError::NoParameters)?,
                };
                (KeyKind::Ec(curve), ec_key(curve, point).ok_or(CvKeyError::BadPoint(curve))?)
            }
        };
        Ok(VerificationKey { algorithm: self.algorithm, kind, key })
    }

    pub(super) fn parse(value: &[u8]) -> Result<Self, CvcError> {
        let mut reader = Reader::new(value);
        let oid = reader.expect(OID)?;
        let algorithm = KeyAlgorithm::from_oid(oid).ok_or_else(|| CvcError::Algorithm(hex::encode(oid)))?;
        let numbers = match algorithm {
            KeyAlgorithm::RsaV15(_) | KeyAlgorithm::RsaPss(_) => KeyNumbers::Rsa {
                modulus: reader.expect(Tag(0x81))?.to_vec(),
                exponent: reader.expect(Tag(0x82))?.to_vec(),
            },
            KeyAlgorithm::Ecdsa(_) => ec_numbers(&mut reader)?,
        };
        reader.end()?;
        Ok(CvPublicKey { algorithm, numbers })
    }

    pub(super) fn write(&self, tag: Tag, writer: &mut Writer) {
        writer.nest(tag, |key| {
            // Keys that were read have an algorithm of the table; keys that are made take theirs from it.
            key.put(OID, self.algorithm.oid().unwrap_or_default());
            match &self.numbers {
                KeyNumbers::Rsa { modulus, exponent } => {
                    key.put(Tag(0x81), modulus).put(Tag(0x82), exponent);
                }
                KeyNumbers::Ec { domain: None, point } => {
                    key.put(Tag(0x86), point);
                }
                KeyNumbers::Ec { domain: Some(domain), point } => {
                    key.put(Tag(0x81), &domain.p).put(Tag(0x82), &domain.a).put(Tag(0x83), &domain.b);
                    key.put(Tag(0x84), &domain.generator).put(Tag(0x85), &domain.n);
                    key.put(Tag(0x86), point).put(Tag(0x87), &domain.h);
                }
            }
        });
    }
}

fn ec_numbers(reader: &mut Reader<'_>) -> Result<KeyNumbers, CvcError> {
    let mut number = |tag: u32| reader.optional(Tag(tag)).map(|value| value.map(<[u8]>::to_vec));
    let (p, a, b, generator) = (number(0x81)?, number(0x82)?, number(0x83)?, number(0x84)?);
    let (n, point, h) = (number(0x85)?, number(0x86)?, number(0x87)?);
    let point = point.ok_or(iso7816::tlv::TlvError::Missing { tag: Tag(0x86) })?;
    let domain = match (p, a, b, generator, n, h) {
        (None, None, None, None, None, None) => None,
        (Some(p), Some(a), Some(b), Some(generator), Some(n), Some(h)) => {
            Some(Box::new(DomainParameters { p, a, b, generator, n, h }))
        }
        _ => return Err(CvcError::PartialParameters),
    };
    Ok(KeyNumbers::Ec { domain, point })
}

fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Result<(KeyKind, PKey<Public>), CvKeyError> {
    let build = || {
        let key = Rsa::from_public_components(BigNum::from_slice(modulus)?, BigNum::from_slice(exponent)?)?;
        let bits = key.size().saturating_mul(8);
        let sensible = bits > 0 && bits <= MAX_RSA_BITS && key.e().num_bits() <= MAX_EXPONENT_BITS;
        Ok::<_, ErrorStack>((sensible, KeyKind::Rsa { bits }, PKey::from_rsa(key)?))
    };
    match build() {
        Ok((true, kind, key)) => Ok((kind, key)),
        _ => Err(CvKeyError::BadRsa),
    }
}

fn ec_key(curve: Curve, point: &[u8]) -> Option<PKey<Public>> {
    let point = curve::Arithmetic::new(curve).ok()?.point(point).ok()?;
    PKey::from_ec_key(EcKey::from_public_key(group(curve).ok()?, &point).ok()?).ok()
}

/// What a key is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyKind {
    /// Elliptic curve.
    Ec(Curve),
    /// RSA.
    Rsa {
        /// Modulus length.
        bits: u32,
    },
}

/// A key that checks signatures of card-verifiable certificates.
#[derive(Clone)]
pub struct VerificationKey {
    algorithm: KeyAlgorithm,
    kind: KeyKind,
    key: PKey<Public>,
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerificationKey({}, {:?})", self.algorithm, self.kind)
    }
}

impl PartialEq for VerificationKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.kind == other.kind && self.key.public_eq(&other.key)
    }
}

impl Eq for VerificationKey {}

impl VerificationKey {
    /// How its holder signs.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// What it is.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Its curve, which the keys below it inherit.
    pub fn curve(&self) -> Option<Curve> {
        match self.kind {
            KeyKind::Ec(curve) => Some(curve),
            KeyKind::Rsa { .. } => None,
        }
    }

    /// Checks a signature; ECDSA signatures are plain, both numbers in the full length of the order.
    ///
    /// # Errors
    /// When the signature is not that of these bytes by this key.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), NotSigned> {
        // OpenSSL reports a signature that is not even well formed as an error.
        match self.openssl_verify(message, signature) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(NotSigned),
        }
    }

    fn openssl_verify(&self, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let hash = self.algorithm.hash();
        let mut verifier = Verifier::new(hash.openssl(), &self.key)?;
        match (self.algorithm, self.kind) {
            (KeyAlgorithm::Ecdsa(_), KeyKind::Ec(curve)) => {
                let width = curve.order_length();
                let Some((r, s)) = signature.split_at_checked(width).filter(|(_, s)| s.len() == width) else {
                    return Ok(false);
                };
                let numbers = EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
                return verifier.verify_oneshot(&numbers.to_der()?, message);
            }
            (KeyAlgorithm::RsaV15(_), KeyKind::Rsa { .. }) => verifier.set_rsa_padding(Padding::PKCS1)?,
            (KeyAlgorithm::RsaPss(_), KeyKind::Rsa { .. }) => {
                verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
                verifier.set_rsa_mgf1_md(hash.openssl())?;
                verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(i32::from(hash.length())))?;
            }
            _ => return Ok(false),
        }
        verifier.verify_oneshot(signature, message)
    }
}
