//! Active Authentication (9303-11 §6.1): the chip signs the terminal's challenge with a key that cannot be copied.
//!
//! ```text
//! INTERNAL AUTHENTICATE  00 88 00 00  08 RND.IFD  ->  signature
//! RSA    9796-2 scheme 1: F = 6A || M1 || hash(M1 || RND.IFD) || trailer     trailer: BC (SHA-1) or xx CC
//! ECDSA  TR-03111 §5.2.1: r || s over hash(RND.IFD), both as wide as the order
//! ```
//!
//! The key stands in DG15, the hash of ECDSA in the ActiveAuthenticationInfo of DG14. Whoever judges must have
//! both from data groups whose hashes are in a verified security object. A signature can be shown to third
//! parties: the challenge should therefore carry no meaning.

mod rsa;

use asn1_rs::oid;
use iso7816::{Card, Command, Status, TransmitError};
use openssl::bn::BigNum;
use openssl::ec::{EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::pkey::{Private, Public};
use openssl::rsa::Rsa;

use crate::curve;
use crate::hash::Hash;
use crate::random::{self, Random, RandomError};
use crate::secret::Secret;
use crate::suite::Curve;

const INTERNAL_AUTHENTICATE: u8 = 0x88;

/// ecdsa-plain-signatures, 0.4.0.127.0.7.1.1.4.1; one arc more names the hash (TR-03111 §5.2.1).
const ECDSA_PLAIN: &[u8] = &oid!(raw 0.4.0.127.0.7.1.1.4.1);

/// The largest modulus that is believed, in bytes: time grows with it.
const LONGEST_MODULUS: usize = 1024;

/// Bytes of the terminal's challenge.
pub const CHALLENGE: usize = 8;

/// The public key of DG15.
#[derive(Clone)]
pub enum ActivePublicKey {
    /// RSA.
    Rsa(Rsa<Public>),
    /// ECDSA.
    Ec(Curve, EcKey<Public>),
}

/// What the chip answered, to be judged now or later.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The terminal's challenge.
    pub challenge: [u8; CHALLENGE],
    /// The chip's signature.
    pub signature: Vec<u8>,
}

/// How a good signature was found good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
    /// The hash.
    pub hash: Hash,
    /// True for an ECDSA signature that is a DER sequence instead of two plain numbers.
    pub is_der: bool,
    /// True when no ActiveAuthenticationInfo names the hash and it was found by trying.
    pub hash_was_guessed: bool,
}

/// The hash of an ActiveAuthenticationInfo, from the content octets of its signature algorithm: ecdsa-plain-signatures, or
/// the ecdsa-with-SHA of X9.62 that some issuers write instead. `None` for every other algorithm.
pub fn announced_hash(signature_algorithm: &[u8]) -> Option<Hash> {
    if let Some(arc) = signature_algorithm.strip_prefix(ECDSA_PLAIN) {
        return Hash::ALL.into_iter().find(|hash| plain_arc(*hash) == arc);
    }
    match signature_algorithm {
        [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x01] => Some(Hash::Sha1),
        [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, arc] => {
            let known = [Hash::Sha224, Hash::Sha256, Hash::Sha384, Hash::Sha512];
            known.into_iter().zip(1..).find(|(_, known)| known == arc).map(|(hash, _)| hash)
        }
        _ => None,
    }
}

/// The content octets of ecdsa-plain with this hash, for an ActiveAuthenticationInfo.
pub fn announcement(hash: Hash) -> Vec<u8> {
    [ECDSA_PLAIN, &plain_arc(hash)].concat()
}

/// The last arc of ecdsa-plain-SHA1 to ecdsa-plain-SHA512.
const fn plain_arc(hash: Hash) -> [u8; 1] {
    [hash as u8 + 1]
}

/// Why Active Authentication gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ActiveAuthError {
    /// The card refused.
    #[error("the card refused Active Authentication: {status}")]
    Refused {
        /// What the card said.
        status: Status,
    },
    /// No challenge.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// No answer.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
}

/// Why a key is not one for Active Authentication.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActiveKeyError {
    /// Not an RSAPublicKey or RSAPrivateKey, or its modulus is not whole bytes of a sensible number.
    #[error("not an RSA key for Active Authentication")]
    Rsa,
    /// Not a point of the curve, or not a private key of it.
    #[error("not a key on {}", .0.name())]
    Ec(Curve),
}

/// Why a signature is not that of the chip.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// Longer or shorter than the key makes them.
    #[error("the signature has {length} bytes")]
    Length {
        /// Bytes received.
        length: usize,
    },
    /// What the RSA operation recovers is no representative of 9796-2 scheme 1.
    #[error("the signature holds no message representative of ISO 9796-2")]
    Representative,
    /// A trailer that names a hash which is not known.
    #[error("the signature's trailer {0:02X}CC names no known hash")]
    Trailer(u8),
    /// The hash is another one, or the signature does not verify.
    #[error("the signature is not that of this key over this challenge")]
    Mismatch,
}

/// Has the chip sign a fresh challenge, inside the session that opened it. `ne` is the longest answer to ask for.
///
/// # Errors
/// See [`ActiveAuthError`].
pub fn request(card: &mut dyn Card, ne: u32, random: &mut dyn Random) -> Result<Answer, ActiveAuthError> {
    let challenge = random::array(random)?;
    let command = Command::new(0x00, INTERNAL_AUTHENTICATE, 0x00, 0x00).with_data(challenge).with_ne(ne);
    let response = card.transmit(&command)?;
    match response.status {
        Status::OK => Ok(Answer { challenge, signature: response.data }),
        status => Err(ActiveAuthError::Refused { status }),
    }
}

impl ActivePublicKey {
    /// An RSA key from its RSAPublicKey (PKCS#1, DER).
    ///
    /// # Errors
    /// When it is none, or has more than 8192 bits.
    pub fn rsa(public_key: &[u8]) -> Result<Self, ActiveKeyError> {
        let key = Rsa::public_key_from_der_pkcs1(public_key).map_err(|_| ActiveKeyError::Rsa)?;
        let whole_bytes = key.n().num_bits() % 8 == 0 && key.n().is_bit_set(0);
        let sensible = key.size() as usize <= LONGEST_MODULUS && key.e().num_bits() <= 64;
        if whole_bytes && sensible { Ok(ActivePublicKey::Rsa(key)) } else { Err(ActiveKeyError::Rsa) }
    }

    /// An ECDSA key from its point (`04 || x || y`).
    ///
    /// # Errors
    /// When the point is not on the curve.
    pub fn ec(curve: Curve, point: &[u8]) -> Result<Self, ActiveKeyError> {
        let build = || {
            let point = curve::Arithmetic::new(curve).ok()?.point(point).ok()?;
            EcKey::from_public_key(curve::group(curve).ok()?, &point).ok()
        };
        build().map(|key| ActivePublicKey::Ec(curve, key)).ok_or(ActiveKeyError::Ec(curve))
    }

    /// Judges an answer. `announced` is the hash of the ActiveAuthenticationInfo, which an ECDSA key must have and an RSA key
    /// does without: there the trailer names it.
    ///
    /// # Errors
    /// See [`BadSignature`].
    pub fn verify(&self, answer: &Answer, announced: Option<Hash>) -> Result<Verified, BadSignature> {
        match self {
            ActivePublicKey::Rsa(key) => {
                let hash = rsa::verify(key, answer)?;
                Ok(Verified { hash, is_der: false, hash_was_guessed: false })
            }
            ActivePublicKey::Ec(curve, key) => {
                let (signature, is_der) = ecdsa_signature(*curve, &answer.signature)?;
                let hashes = announced.as_ref().map_or(&Hash::ALL[..], std::slice::from_ref);
                let verifies = |tried: &&Hash| signature.verify(&tried.digest(&answer.challenge), key).unwrap_or(false);
                let hash = hashes.iter().find(verifies).ok_or(BadSignature::Mismatch)?;
                Ok(Verified { hash: *hash, is_der, hash_was_guessed: announced.is_none() })
            }
        }
    }
}

impl std::fmt::Debug for ActivePublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ActivePublicKey::Rsa(key) => write!(f, "ActivePublicKey(RSA {})", key.n().num_bits()),
            ActivePublicKey::Ec(curve, _) => write!(f, "ActivePublicKey({})", curve.name()),
        }
    }
}

/// Two plain numbers as the standard has them, or the DER sequence of chips that did not read it.
fn ecdsa_signature(curve: Curve, signature: &[u8]) -> Result<(EcdsaSig, bool), BadSignature> {
    let length = signature.len();
    let width = curve.field_length();
    if length == 2 * width {
        let (r, s) = signature.split_at(width);
        let numbers = || EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?);
        return numbers().map(|signature| (signature, false)).map_err(|_| BadSignature::Mismatch);
    }
    // At most two integers of one byte more than the order, with their heads.
    if signature.first() != Some(&0x30) || length > 2 * width + 11 {
        return Err(BadSignature::Length { length });
    }
    EcdsaSig::from_der(signature).map(|signature| (signature, true)).map_err(|_| BadSignature::Length { length })
}

/// The chip's private key for Active Authentication.
pub enum ActivePrivateKey {
    /// RSA, with the hash and thereby the trailer of its signatures.
    Rsa(Rsa<Private>, Hash),
    /// ECDSA, with the hash that the ActiveAuthenticationInfo announces.
    Ec(Curve, EcKey<Private>, Hash),
}

impl std::fmt::Debug for ActivePrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ActivePrivateKey")
    }
}

impl ActivePrivateKey {
    /// An RSA key from its RSAPrivateKey (PKCS#1, DER).
    ///
    /// # Errors
    /// When it is none, or too short for the hash.
    pub fn rsa(private_key: &Secret, hash: Hash) -> Result<Self, ActiveKeyError> {
        let key = Rsa::private_key_from_der(private_key.expose()).map_err(|_| ActiveKeyError::Rsa)?;
        let whole_bytes = key.n().num_bits() % 8 == 0;
        let fits = (rsa::OVERHEAD + usize::from(hash.length())..=LONGEST_MODULUS).contains(&(key.size() as usize));
        if whole_bytes && fits { Ok(ActivePrivateKey::Rsa(key, hash)) } else { Err(ActiveKeyError::Rsa) }
    }

    /// An ECDSA key from its private number, as wide as the field.
    ///
    /// # Errors
    /// When it is no private key of the curve.
    pub fn ec(curve: Curve, private: &Secret, hash: Hash) -> Result<Self, ActiveKeyError> {
        let build = || {
            let mut arithmetic = curve::Arithmetic::new(curve).ok()?;
            let private = arithmetic.private_key(private).ok()?;
            let public = arithmetic.public(None, &private).ok()?;
            let public: EcPoint = arithmetic.point(&public).ok()?;
            EcKey::from_private_components(curve::group(curve).ok()?, &private.0, &public).ok()
        };
        build().map(|key| ActivePrivateKey::Ec(curve, key, hash)).ok_or(ActiveKeyError::Ec(curve))
    }

    /// Answers INTERNAL AUTHENTICATE: data field the challenge, response data the signature.
    ///
    /// # Errors
    /// `6700` for a challenge that is not eight bytes, `6F00` when OpenSSL or the randomness fails.
    pub fn internal_authenticate(&self, data: &[u8], random: &mut dyn Random) -> Result<Vec<u8>, Status> {
        let challenge = <[u8; CHALLENGE]>::try_from(data).map_err(|_| Status::WRONG_LENGTH)?;
        let signature = match self {
            ActivePrivateKey::Rsa(key, hash) => rsa::sign(key, *hash, &challenge, random),
            ActivePrivateKey::Ec(curve, key, hash) => ecdsa_sign(*curve, key, *hash, &challenge).ok(),
        };
        signature.ok_or(Status::UNKNOWN_ERROR)
    }
}

fn ecdsa_sign(
    curve: Curve,
    key: &EcKey<Private>,
    with: Hash,
    challenge: &[u8; CHALLENGE],
) -> Result<Vec<u8>, ErrorStack> {
    let signature = EcdsaSig::sign(&with.digest(challenge), key)?;
    let width = curve.field_length() as i32;
    Ok([signature.r().to_vec_padded(width)?, signature.s().to_vec_padded(width)?].concat())
}

#[cfg(test)]
mod tests;
