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

use super::CvcError;
use crate::der::{self, BIT_STRING, INTEGER, NULL, OID, SEQUENCE};
use crate::public_key::{self, DomainParameters, EllipticCurve, KeyKind, PublicKey, PublicKeyError};
use crate::signature::{Hash, SignatureAlgorithm, SignatureError};

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
    pub fn ec(
        algorithm: KeyAlgorithm,
        curve: EllipticCurve,
        point: &[u8],
        with_domain: bool,
    ) -> Result<Self, openssl::error::ErrorStack> {
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
    pub fn resolve(&self, inherited: Option<EllipticCurve>) -> Result<VerificationKey, PublicKeyError> {
        let mut spki = Writer::new();
        match &self.numbers {
            KeyNumbers::Rsa { modulus, exponent } => spki.nest(SEQUENCE, |info| {
                info.nest(SEQUENCE, |algorithm| {
                    algorithm.put(OID, der::oid::RSA_ENCRYPTION).put(NULL, []);
                });
                let mut key = Writer::new();
                key.nest(SEQUENCE, |numbers| {
                    numbers.put(INTEGER, der::positive(modulus)).put(INTEGER, der::positive(exponent));
                });
                info.put(BIT_STRING, [&[0], &key.finish()[..]].concat());
            }),
            KeyNumbers::Ec { domain, point } => {
                let curve = match domain {
                    Some(domain) => public_key::known_curve(domain).ok_or(PublicKeyError::ForeignParameters)?,
                    None => inherited.ok_or(PublicKeyError::NoParameters)?,
                };
                spki.nest(SEQUENCE, |info| {
                    info.nest(SEQUENCE, |algorithm| {
                        algorithm.put(OID, der::oid::EC_PUBLIC_KEY).put(OID, curve.oid());
                    });
                    info.put(BIT_STRING, [&[0], &point[..]].concat());
                })
            }
        };
        Ok(VerificationKey { algorithm: self.algorithm, key: PublicKey::from_spki(&spki.finish())? })
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

/// A key that checks signatures of card-verifiable certificates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerificationKey {
    algorithm: KeyAlgorithm,
    key: PublicKey,
}

impl VerificationKey {
    /// A key that was acceptable elsewhere.
    pub fn new(algorithm: KeyAlgorithm, key: PublicKey) -> Self {
        VerificationKey { algorithm, key }
    }

    /// How its holder signs.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Its curve, which the keys below it inherit.
    pub fn curve(&self) -> Option<EllipticCurve> {
        match self.key.kind() {
            KeyKind::Ec(curve) => Some(curve),
            KeyKind::Rsa { .. } | KeyKind::RsaPssOnly { .. } => None,
        }
    }

    /// Checks a signature; ECDSA signatures are plain, both numbers in the full length of the order.
    ///
    /// # Errors
    /// When the signature is not that of these bytes by this key.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match self.algorithm {
            KeyAlgorithm::Ecdsa(hash) => {
                let curve = self.curve().ok_or(SignatureError::KeyMismatch)?;
                let signature = der_signature(signature, curve).ok_or(SignatureError::Mismatch)?;
                SignatureAlgorithm::Ecdsa(hash).verify(&self.key, message, &signature)
            }
            KeyAlgorithm::RsaV15(hash) => SignatureAlgorithm::RsaV15(hash).verify(&self.key, message, signature),
            KeyAlgorithm::RsaPss(hash) => SignatureAlgorithm::RsaPss { hash, mask: hash, salt: hash.length() }
                .verify(&self.key, message, signature),
        }
    }
}

/// `r || s` as an ECDSA-Sig-Value.
fn der_signature(plain: &[u8], curve: EllipticCurve) -> Option<Vec<u8>> {
    let width = curve.order_length();
    if plain.len() != 2 * width {
        return None;
    }
    let (r, s) = plain.split_at(width);
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |numbers| {
        numbers.put(INTEGER, der::positive(r)).put(INTEGER, der::positive(s));
    });
    Some(writer.finish())
}
