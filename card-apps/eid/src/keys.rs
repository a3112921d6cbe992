//! Keys: references, access rules, algorithms, and the key pair that is made on the card
//! (SP 800-73-4 part 1 §4, part 2 §3.3.2; SP 800-78-4 §3).
//!
//! ```text
//! GENERATE ASYMMETRIC KEY PAIR  00 47 00 <key>   AC { 80 <algorithm> }
//!   answer   7F49 { 81 modulus  82 public exponent }     RSA
//!            7F49 { 86 04 || x || y }                    elliptic curves
//! ```

use channel::single_block::BlockCipher;
use iso7816::Command;
use iso7816::tlv::{self, Reader, Tag, TlvError, Writer};

use crate::objects::{self, Object};

/// GENERATE ASYMMETRIC KEY PAIR.
pub const INS_GENERATE: u8 = 0x47;
/// Reference of the card management key.
pub const MANAGEMENT_KEY: u8 = 0x9B;

const CONTROL: Tag = Tag(0xAC);
const ALGORITHM: Tag = Tag(0x80);
const PUBLIC_KEY: Tag = Tag(0x7F49);
const MODULUS: Tag = Tag(0x81);
const EXPONENT: Tag = Tag(0x82);
const POINT: Tag = Tag(0x86);

/// A key pair of the holder or of the card (SP 800-73-4 part 1, table 4b).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum KeyReference {
    /// `9A`: the holder proves who he is.
    Authentication = 0x9A,
    /// `9C`: the holder signs.
    Signature = 0x9C,
    /// `9D`: the holder decrypts.
    KeyManagement = 0x9D,
    /// `9E`: the card proves that it is no copy.
    CardAuthentication = 0x9E,
}

/// What must come before a key is used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KeyUse {
    /// VERIFY, once after selection.
    Pin,
    /// VERIFY, right before each use.
    PinAlways,
    /// Nothing.
    Free,
}

/// What a key on an elliptic curve does. RSA keys do one private operation for either.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Purpose {
    /// ECDSA over a hash.
    Sign,
    /// Diffie-Hellman with a point.
    Agree,
}

impl KeyReference {
    /// Every key pair.
    pub const ALL: [KeyReference; 4] = [
        KeyReference::Authentication,
        KeyReference::Signature,
        KeyReference::KeyManagement,
        KeyReference::CardAuthentication,
    ];

    /// The key pair with this reference.
    pub fn from_byte(byte: u8) -> Option<Self> {
        KeyReference::ALL.into_iter().find(|key| *key as u8 == byte)
    }

    /// What must come before its use.
    pub const fn access(self) -> KeyUse {
        match self {
            KeyReference::Authentication | KeyReference::KeyManagement => KeyUse::Pin,
            KeyReference::Signature => KeyUse::PinAlways,
            KeyReference::CardAuthentication => KeyUse::Free,
        }
    }

    /// What it does.
    pub const fn purpose(self) -> Purpose {
        match self {
            KeyReference::KeyManagement => Purpose::Agree,
            _ => Purpose::Sign,
        }
    }

    /// The data object with its certificate.
    pub const fn certificate(self) -> &'static Object {
        match self {
            KeyReference::Authentication => &objects::AUTHENTICATION_CERTIFICATE,
            KeyReference::Signature => &objects::SIGNATURE_CERTIFICATE,
            KeyReference::KeyManagement => &objects::KEY_MANAGEMENT_CERTIFICATE,
            KeyReference::CardAuthentication => &objects::CARD_AUTHENTICATION_CERTIFICATE,
        }
    }
}

/// Algorithm of a key pair (SP 800-78-4, table 6-2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Algorithm {
    /// `07`: RSA with a modulus of 2048 bits.
    Rsa2048 = 0x07,
    /// `05`: RSA with a modulus of 3072 bits.
    Rsa3072 = 0x05,
    /// `11`: NIST P-256.
    P256 = 0x11,
    /// `14`: NIST P-384.
    P384 = 0x14,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Algorithm; 4] = [Algorithm::Rsa2048, Algorithm::Rsa3072, Algorithm::P256, Algorithm::P384];

    /// The algorithm with this identifier.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Algorithm::ALL.into_iter().find(|algorithm| *algorithm as u8 == byte)
    }

    /// Bytes in a modulus, or in a coordinate.
    pub const fn width(self) -> usize {
        match self {
            Algorithm::Rsa2048 => 256,
            Algorithm::Rsa3072 => 384,
            Algorithm::P256 => 32,
            Algorithm::P384 => 48,
        }
    }

    /// True for RSA.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Algorithm::Rsa2048 | Algorithm::Rsa3072)
    }
}

/// Algorithm of the management key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum ManagementAlgorithm {
    /// `03`: triple DES with three keys. SP 800-131A ended it: this project's card does not serve it, cards of others come
    /// with it.
    TripleDes = 0x03,
    /// `08`: AES with a key of 128 bits.
    Aes128 = 0x08,
    /// `0A`: AES with a key of 192 bits.
    Aes192 = 0x0A,
    /// `0C`: AES with a key of 256 bits.
    Aes256 = 0x0C,
}

impl ManagementAlgorithm {
    /// Every algorithm.
    pub const ALL: [ManagementAlgorithm; 4] = [
        ManagementAlgorithm::TripleDes,
        ManagementAlgorithm::Aes128,
        ManagementAlgorithm::Aes192,
        ManagementAlgorithm::Aes256,
    ];

    /// The algorithm with this identifier.
    pub fn from_byte(byte: u8) -> Option<Self> {
        ManagementAlgorithm::ALL.into_iter().find(|algorithm| *algorithm as u8 == byte)
    }

    /// Bytes in a key.
    pub const fn key_length(self) -> usize {
        match self {
            ManagementAlgorithm::Aes128 => 16,
            ManagementAlgorithm::TripleDes | ManagementAlgorithm::Aes192 => 24,
            ManagementAlgorithm::Aes256 => 32,
        }
    }

    /// What a block goes through.
    pub const fn cipher(self) -> BlockCipher {
        match self {
            ManagementAlgorithm::TripleDes => BlockCipher::TripleDes,
            _ => BlockCipher::Aes,
        }
    }

    /// Bytes in a block: of a witness, and of a challenge.
    pub const fn block_length(self) -> usize {
        match self {
            ManagementAlgorithm::TripleDes => 8,
            _ => 16,
        }
    }
}

/// A public key as the card tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PublicKey {
    /// RSA, both numbers big endian without leading zeros.
    Rsa {
        /// 256 or 384 bytes.
        modulus: Vec<u8>,
        /// Usually `010001`.
        exponent: Vec<u8>,
    },
    /// A point on the curve, `04 || x || y`.
    Point(Vec<u8>),
}

/// Why bytes are no request for a key pair, or no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not the data objects that must be there.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// An algorithm that this card does not have.
    #[error("no key pair has the algorithm {algorithm:02X}")]
    Algorithm {
        /// Its identifier; 0 for none of one byte.
        algorithm: u8,
    },
    /// A public key that is not of the algorithm asked for.
    #[error("a public key of {length} bytes is none of this algorithm")]
    Length {
        /// Bytes of modulus or point.
        length: usize,
    },
}

/// `00 47 00 <key> AC { 80 <algorithm> }`.
pub fn generate(key: KeyReference, algorithm: Algorithm) -> Command {
    let mut writer = Writer::new();
    writer.nest(CONTROL, |control| {
        control.put(ALGORITHM, [algorithm as u8]);
    });
    Command::new(0x00, INS_GENERATE, 0x00, key as u8).with_data(writer.finish()).with_ne(256)
}

/// The algorithm that the data field of GENERATE ASYMMETRIC KEY PAIR asks for. A wish for a public exponent is not
/// served.
///
/// # Errors
/// When it is no control template with a known algorithm and nothing else.
pub fn parse_generate(data: &[u8]) -> Result<Algorithm, KeyError> {
    let mut control = Reader::new(tlv::sole(data, CONTROL)?);
    let algorithm = match control.expect(ALGORITHM)? {
        [algorithm] => *algorithm,
        _ => 0,
    };
    control.end()?;
    Algorithm::from_byte(algorithm).ok_or(KeyError::Algorithm { algorithm })
}

impl PublicKey {
    /// `7F49 {..}`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(PUBLIC_KEY, |key| {
            match self {
                PublicKey::Rsa { modulus, exponent } => key.put(MODULUS, modulus).put(EXPONENT, exponent),
                PublicKey::Point(point) => key.put(POINT, point),
            };
        });
        writer.finish()
    }

    /// Reads the answer to GENERATE ASYMMETRIC KEY PAIR.
    ///
    /// Whether a point lies on its curve is for whoever calculates with it.
    ///
    /// # Errors
    /// When it is no public key of the algorithm.
    pub fn parse(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let mut key = Reader::new(tlv::sole(bytes, PUBLIC_KEY)?);
        if algorithm.is_rsa() {
            let (modulus, exponent) = (key.expect(MODULUS)?, key.expect(EXPONENT)?);
            key.end()?;
            let good = modulus.len() == algorithm.width()
                && modulus.first().is_some_and(|byte| byte & 0x80 != 0)
                && (1..=8).contains(&exponent.len());
            let length = modulus.len();
            let key = PublicKey::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() };
            return good.then_some(key).ok_or(KeyError::Length { length });
        }
        let point = key.expect(POINT)?;
        key.end()?;
        let good = point.len() == 1 + 2 * algorithm.width() && point.first() == Some(&0x04);
        good.then(|| PublicKey::Point(point.to_vec())).ok_or(KeyError::Length { length: point.len() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_and_algorithms_have_the_numbers_of_the_standard() {
        assert_eq!(KeyReference::from_byte(0x9C), Some(KeyReference::Signature));
        assert_eq!(KeyReference::from_byte(MANAGEMENT_KEY), None);
        assert_eq!(Algorithm::from_byte(0x06), None, "RSA 1024 is not served");
        assert_eq!(ManagementAlgorithm::from_byte(0x03), Some(ManagementAlgorithm::TripleDes));
        assert_eq!(ManagementAlgorithm::from_byte(0x00), None);
        assert_eq!(KeyReference::Signature.access(), KeyUse::PinAlways);
        assert_eq!(KeyReference::KeyManagement.certificate().container, 0x0102);
    }

    #[test]
    fn a_request_stands_as_the_standard_prints_it() {
        let command = generate(KeyReference::Authentication, Algorithm::P256);
        assert_eq!(hex::encode(command.to_bytes()), "0047009a05ac0380011100");
        assert_eq!(parse_generate(&command.data), Ok(Algorithm::P256));
        for bad in ["", "ac00", "ac03800106", "ac0480020711", "ac068001078101ff", "ac0380010700"] {
            assert!(parse_generate(&hex::decode(bad).unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn public_keys_survive_and_others_are_refused() {
        for algorithm in Algorithm::ALL {
            let key = if algorithm.is_rsa() {
                PublicKey::Rsa { modulus: vec![0x80; algorithm.width()], exponent: vec![1, 0, 1] }
            } else {
                PublicKey::Point([vec![4], vec![7; 2 * algorithm.width()]].concat())
            };
            let bytes = key.to_bytes();
            for other in Algorithm::ALL {
                assert_eq!(PublicKey::parse(other, &bytes).is_ok(), other == algorithm, "{algorithm:?} {other:?}");
            }
            assert_eq!(PublicKey::parse(algorithm, &bytes), Ok(key));
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_generate(&bytes);
            for algorithm in Algorithm::ALL {
                let _ = PublicKey::parse(algorithm, &bytes);
            }
        }
    }
}
