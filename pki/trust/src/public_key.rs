//! SubjectPublicKeyInfo: which keys a signature may be checked with.
//!
//! ```text
//! SubjectPublicKeyInfo ::= SEQUENCE { algorithm AlgorithmIdentifier, subjectPublicKey BIT STRING }
//! ECParameters         ::= SEQUENCE { version INTEGER (1), fieldID { prime-field, p }, curve { a, b, seed OPTIONAL }, base, order, cofactor }
//! ```
//!
//! 9303-12 asks for explicit domain parameters. They are compared, number by number, with the known curves and the key is
//! rebuilt on the known curve: parameters that a signer could have chosen himself never reach a computation.

use std::fmt;

use iso7816::tlv::{self, Reader, TlvError};
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, PKeyRef, Public};
use openssl::rsa::Rsa;

pub use channel::domain::DomainParameters;
pub use channel::suite::Curve as EllipticCurve;

use crate::der::{self, oid};

/// The largest RSA modulus that is accepted, in bits: verification time grows with it.
const MAX_RSA_BITS: u32 = 8192;
/// The largest RSA public exponent that is accepted, in bits.
const MAX_EXPONENT_BITS: i32 = 64;

/// What a key is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyKind {
    /// Elliptic curve.
    Ec(EllipticCurve),
    /// RSA, for any padding.
    Rsa {
        /// Modulus length.
        bits: u32,
    },
    /// RSA, declared for PSS only.
    RsaPssOnly {
        /// Modulus length.
        bits: u32,
    },
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyKind::Ec(curve) => write!(f, "{curve}"),
            KeyKind::Rsa { bits } => write!(f, "RSA {bits}"),
            KeyKind::RsaPssOnly { bits } => write!(f, "RSA-PSS {bits}"),
        }
    }
}

/// A public key that was found acceptable.
#[derive(Clone)]
pub struct PublicKey {
    spki: Vec<u8>,
    bits: Vec<u8>,
    kind: KeyKind,
    key: PKey<Public>,
}

/// Why a public key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Not data objects.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// The algorithm is none of ours.
    #[error("public key algorithm {0} is not supported")]
    UnknownAlgorithm(String),
    /// A curve named by an unknown object identifier.
    #[error("elliptic curve {0} is not supported")]
    UnknownCurve(String),
    /// Explicit domain parameters that are not those of a known curve.
    #[error("explicit elliptic curve parameters are not those of a known curve")]
    ForeignParameters,
    /// Domain parameters are missing.
    #[error("elliptic curve parameters are missing")]
    NoParameters,
    /// The point is not on the curve, or the encoding is wrong.
    #[error("the public point is not valid on {0}")]
    BadPoint(EllipticCurve),
    /// The RSA key is malformed or out of bounds.
    #[error("the RSA key is malformed, or larger than 8192 bits")]
    BadRsa,
    /// The text is not a PEM public key.
    #[error("not a PEM file with a public key")]
    BadPem,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo (tag 30 included).
    ///
    /// # Errors
    /// When the key is of an unknown kind, on an unknown curve, or malformed.
    pub fn from_spki(spki: &[u8]) -> Result<Self, PublicKeyError> {
        let mut reader = Reader::new(tlv::sole(spki, der::SEQUENCE)?);
        let (algorithm, parameters) = der::algorithm(reader.expect(der::SEQUENCE)?)?;
        let bit_string = reader.expect(der::BIT_STRING)?;
        reader.end()?;
        let bits = der::whole_bits(bit_string).ok_or(TlvError::Missing { tag: der::BIT_STRING })?;
        let (kind, key) = match algorithm {
            oid::EC_PUBLIC_KEY => {
                let parameters = parameters.ok_or(PublicKeyError::NoParameters)?;
                let curve = curve(parameters.tag, parameters.value)?;
                (KeyKind::Ec(curve), ec_key(curve, bits)?)
            }
            oid::RSA_ENCRYPTION => rsa_key(bits).map(|(size, key)| (KeyKind::Rsa { bits: size }, key))?,
            oid::RSASSA_PSS => rsa_key(bits).map(|(size, key)| (KeyKind::RsaPssOnly { bits: size }, key))?,
            other => return Err(PublicKeyError::UnknownAlgorithm(hex::encode(other))),
        };
        Ok(PublicKey { spki: spki.to_vec(), bits: bits.to_vec(), kind, key })
    }

    /// Reads a PEM text (`BEGIN PUBLIC KEY`).
    ///
    /// # Errors
    /// When it is no PEM, or the key is refused.
    pub fn from_pem(text: &str) -> Result<Self, PublicKeyError> {
        use base64::Engine;
        let body: String = text
            .split_once("-----BEGIN PUBLIC KEY-----")
            .and_then(|(_, rest)| rest.split_once("-----END PUBLIC KEY-----"))
            .map(|(body, _)| body.split_whitespace().collect())
            .ok_or(PublicKeyError::BadPem)?;
        let spki = base64::engine::general_purpose::STANDARD.decode(body).map_err(|_| PublicKeyError::BadPem)?;
        Self::from_spki(&spki)
    }

    /// The SubjectPublicKeyInfo as received.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// What it is for.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// SHA-1 of the key bits: the first method of RFC 5280 §4.2.1.2.
    pub fn key_identifier(&self) -> Vec<u8> {
        openssl::sha::sha1(&self.bits).to_vec()
    }

    /// SHA-256 of what the key is and its bits: the same for named and for explicit domain parameters.
    pub fn key_hash(&self) -> [u8; 32] {
        openssl::sha::sha256(&[self.kind.to_string().as_bytes(), &[0], &self.bits].concat())
    }

    /// SHA-256 of the SubjectPublicKeyInfo, by which a key is pinned.
    pub fn fingerprint(&self) -> [u8; 32] {
        openssl::sha::sha256(&self.spki)
    }

    pub(crate) fn openssl(&self) -> &PKeyRef<Public> {
        &self.key
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.kind, hex::encode(self.key_identifier()))
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

fn curve(tag: tlv::Tag, value: &[u8]) -> Result<EllipticCurve, PublicKeyError> {
    match tag {
        der::OID => EllipticCurve::from_oid(value).ok_or_else(|| PublicKeyError::UnknownCurve(hex::encode(value))),
        der::SEQUENCE => explicit_curve(value),
        _ => Err(PublicKeyError::NoParameters),
    }
}

fn explicit_curve(value: &[u8]) -> Result<EllipticCurve, PublicKeyError> {
    let foreign = PublicKeyError::ForeignParameters;
    let mut reader = Reader::new(value);
    // Version 1, 2 and 3 differ only in what they promise about the seed.
    if !matches!(reader.expect(der::INTEGER)?, [1..=3]) {
        return Err(foreign);
    }
    let mut field = Reader::new(reader.expect(der::SEQUENCE)?);
    if field.expect(der::OID)? != oid::PRIME_FIELD {
        return Err(foreign);
    }
    let p = der::magnitude(field.expect(der::INTEGER)?).ok_or(foreign.clone())?;
    field.end()?;
    let mut coefficients = Reader::new(reader.expect(der::SEQUENCE)?);
    let (a, b) = (coefficients.expect(der::OCTET_STRING)?, coefficients.expect(der::OCTET_STRING)?);
    coefficients.optional(der::BIT_STRING)?;
    coefficients.end()?;
    let base = reader.expect(der::OCTET_STRING)?;
    let n = der::magnitude(reader.expect(der::INTEGER)?).ok_or(foreign.clone())?;
    let h = der::magnitude(reader.expect(der::INTEGER)?).ok_or(foreign.clone())?;
    reader.end()?;
    let owned = <[u8]>::to_vec;
    let given =
        DomainParameters { p: owned(p), a: owned(a), b: owned(b), generator: owned(base), n: owned(n), h: owned(h) };
    given.known_curve().ok_or(foreign)
}

fn ec_key(curve: EllipticCurve, point: &[u8]) -> Result<PKey<Public>, PublicKeyError> {
    let build = || -> Result<PKey<Public>, ErrorStack> {
        let group = EcGroup::from_curve_name(curve.nid())?;
        let mut context = BigNumContext::new()?;
        let point = EcPoint::from_bytes(&group, point, &mut context)?;
        PKey::from_ec_key(EcKey::from_public_key(&group, &point)?)
    };
    // OpenSSL decodes points of the curve only, and the point at infinity as a single zero byte. Every known curve has
    // cofactor 1, so any other point has the right order; multiplying to see it would cost half a verification.
    if point.len() < 2 {
        return Err(PublicKeyError::BadPoint(curve));
    }
    build().map_err(|_| PublicKeyError::BadPoint(curve))
}

fn rsa_key(bits: &[u8]) -> Result<(u32, PKey<Public>), PublicKeyError> {
    let rsa = Rsa::public_key_from_der_pkcs1(bits).map_err(|_| PublicKeyError::BadRsa)?;
    let size = rsa.size().saturating_mul(8);
    if size > MAX_RSA_BITS || rsa.e().num_bits() > MAX_EXPONENT_BITS {
        return Err(PublicKeyError::BadRsa);
    }
    PKey::from_rsa(rsa).map(|key| (size, key)).map_err(|_| PublicKeyError::BadRsa)
}
