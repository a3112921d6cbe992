//! Diffie-Hellman over the standardized domain parameters: one face for curves and for prime fields.
//!
//! What travels and what is shared has one width each, whatever the numbers are: an end that drops a leading zero
//! computes other keys once in 256 runs.

use openssl::bn::BigNum;
use openssl::ec::EcPoint;
use openssl::error::ErrorStack;

use crate::random::{Random, RandomError};
use crate::secret::Secret;
use crate::suite::Group;
use crate::{curve, modp};

/// Draws before a source of randomness is declared broken: a good one needs a second draw once in 256 at most.
const DRAWS: usize = 64;

/// Why a key or an element of a group is no good.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not an uncompressed point (`04 || x || y`) on the curve, or no element of the subgroup.
    #[error("not an element of the group")]
    NotInGroup,
    /// Not a number from 1 to the order less one.
    #[error("the private key does not fit the group")]
    PrivateKey,
    /// No key could be drawn.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// OpenSSL failed.
    #[error("cryptography failed")]
    OpenSsl(#[from] ErrorStack),
}

/// A group ready to calculate with.
pub(crate) enum Arithmetic {
    Curve(curve::Arithmetic),
    Modp(modp::Arithmetic),
}

/// An element of a group.
pub(crate) enum Element {
    Point(EcPoint),
    Number(BigNum),
}

/// A number from 1 to the order less one, or another that must not be seen: cleared when dropped.
pub(crate) struct PrivateKey(pub(crate) BigNum);

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.0.clear();
    }
}

impl PrivateKey {
    /// The number, to be calculated with in constant time.
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, ErrorStack> {
        let mut private = PrivateKey(BigNum::new_secure()?);
        private.0.copy_from_slice(bytes)?;
        private.0.set_const_time();
        Ok(private)
    }
}

/// A private key with its public key.
pub(crate) struct KeyPair {
    pub(crate) private: PrivateKey,
    /// `04 || x || y`, or a number as wide as the prime.
    pub(crate) public: Vec<u8>,
}

impl Arithmetic {
    pub(crate) fn new(group: Group) -> Result<Self, ErrorStack> {
        Ok(match group {
            Group::Curve(curve) => Arithmetic::Curve(curve::Arithmetic::new(curve)?),
            Group::Modp(group) => Arithmetic::Modp(modp::Arithmetic::new(group)?),
        })
    }

    /// A fresh key pair on `generator`, or on the group's own generator.
    ///
    /// A public number that begins with a zero byte is drawn again: some ends write it in full, others without the
    /// zero, and an authentication token is computed over what they write.
    pub(crate) fn generate(
        &mut self,
        generator: Option<&Element>,
        random: &mut dyn Random,
    ) -> Result<KeyPair, KeyError> {
        let (length, first_bits) = match self {
            Arithmetic::Curve(arithmetic) => arithmetic.private_width(),
            Arithmetic::Modp(arithmetic) => (arithmetic.private_length(), 0xFF),
        };
        let mut bytes = Secret::new(vec![0; length]);
        for _ in 0..DRAWS {
            random.fill(bytes.expose_mut())?;
            if let Some(first) = bytes.expose_mut().first_mut() {
                *first &= first_bits;
            }
            match self.key_pair(generator, &bytes) {
                Ok(pair) if pair.public.first() == Some(&0) => {}
                Err(KeyError::PrivateKey) => {}
                result => return result,
            }
        }
        Err(KeyError::Random(RandomError))
    }

    /// The key pair of a private key.
    pub(crate) fn key_pair(&mut self, generator: Option<&Element>, private: &Secret) -> Result<KeyPair, KeyError> {
        let private = self.private_key(private)?;
        let public = match (self, generator) {
            (Arithmetic::Curve(arithmetic), None) => arithmetic.public(None, &private)?,
            (Arithmetic::Curve(arithmetic), Some(Element::Point(point))) => arithmetic.public(Some(point), &private)?,
            (Arithmetic::Modp(arithmetic), None) => arithmetic.public(None, &private)?,
            (Arithmetic::Modp(arithmetic), Some(Element::Number(base))) => arithmetic.public(Some(base), &private)?,
            _ => return Err(KeyError::NotInGroup),
        };
        Ok(KeyPair { private, public })
    }

    /// A private key: on a curve of the width of its field, else no wider than the prime.
    pub(crate) fn private_key(&mut self, bytes: &Secret) -> Result<PrivateKey, KeyError> {
        match self {
            Arithmetic::Curve(arithmetic) => arithmetic.private_key(bytes),
            Arithmetic::Modp(arithmetic) => arithmetic.private_key(bytes),
        }
    }

    /// The shared secret of two ends, in the width of the field or the prime (9303-11 §9.4, TR-03111, RFC 2631 §2.1.2).
    pub(crate) fn shared_secret(&mut self, own: &PrivateKey, peer: &[u8]) -> Result<Secret, KeyError> {
        match self {
            Arithmetic::Curve(arithmetic) => arithmetic.shared_secret(own, peer),
            Arithmetic::Modp(arithmetic) => {
                let shared = PrivateKey(arithmetic.common(own, peer)?);
                Ok(Secret::new(arithmetic.octets(&shared.0)?))
            }
        }
    }

    /// The generator of generic mapping: `s * G + H`, or `g^s * h` (9303-11 §4.4.3.3.1).
    pub(crate) fn generic_generator(
        &mut self,
        nonce: &Secret,
        own: &PrivateKey,
        peer: &[u8],
    ) -> Result<Element, KeyError> {
        match self {
            Arithmetic::Curve(arithmetic) => {
                let common = arithmetic.common_point(own, peer)?;
                arithmetic.generic_generator(nonce, &common).map(Element::Point)
            }
            Arithmetic::Modp(arithmetic) => {
                let common = arithmetic.common(own, peer)?;
                arithmetic.generic_generator(nonce, &common).map(Element::Number)
            }
        }
    }

    /// The generator of integrated mapping, from pseudo-random bytes that are longer than the prime by eight at least
    /// (9303-11 §4.4.3.3.2).
    pub(crate) fn integrated_generator(&mut self, pseudo_random: &Secret) -> Result<Element, KeyError> {
        match self {
            Arithmetic::Curve(arithmetic) => arithmetic.integrated_generator(pseudo_random).map(Element::Point),
            Arithmetic::Modp(arithmetic) => arithmetic.integrated_generator(pseudo_random).map(Element::Number),
        }
    }

    /// `04 || x || y`, or the number as wide as the prime.
    #[cfg(test)]
    pub(crate) fn octets(&mut self, element: &Element) -> Vec<u8> {
        match (self, element) {
            (Arithmetic::Curve(arithmetic), Element::Point(point)) => arithmetic.octets(point).unwrap(),
            (Arithmetic::Modp(arithmetic), Element::Number(number)) => arithmetic.octets(number).unwrap(),
            _ => unreachable!(),
        }
    }
}

/// Comp(PK): the x-coordinate of a point, the SHA-1 of a number (TR-03110-3 §A.2.2.3).
pub(crate) fn compressed(group: Group, public: &[u8]) -> Vec<u8> {
    match group {
        Group::Curve(curve) => public.get(1..=curve.field_length()).unwrap_or_default().to_vec(),
        Group::Modp(_) => openssl::sha::sha1(public).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Fixed, OsRandom};
    use crate::suite::Curve;

    #[test]
    fn a_draw_out_of_range_is_repeated_and_a_broken_source_is_noticed() {
        let mut arithmetic = Arithmetic::new(Curve::P256.into()).unwrap();
        let drawn = [[0xFF; 32], [0x00; 32], [0x01; 32]].concat();
        let drawn = arithmetic.generate(None, &mut Fixed::new(drawn)).unwrap();
        let expected = arithmetic.key_pair(None, &Secret::new(vec![0x01; 32])).unwrap();
        assert_eq!(drawn.public, expected.public);
        let stuck = arithmetic.generate(None, &mut Fixed::new(vec![0xFF; 32 * (DRAWS + 1)]));
        assert!(matches!(stuck, Err(KeyError::Random(RandomError))));
    }

    #[test]
    fn both_ends_share_a_secret_in_every_group() {
        for group in Group::all() {
            let mut arithmetic = Arithmetic::new(group).unwrap();
            let one = arithmetic.generate(None, &mut OsRandom).unwrap();
            let two = arithmetic.generate(None, &mut OsRandom).unwrap();
            let shared = arithmetic.shared_secret(&one.private, &two.public).unwrap();
            assert_eq!(shared, arithmetic.shared_secret(&two.private, &one.public).unwrap());
            assert_eq!(shared.expose().len(), group.shared_length());
        }
    }
}
