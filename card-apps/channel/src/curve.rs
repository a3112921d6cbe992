//! Elliptic curve arithmetic: fixed-width private keys, uncompressed points, Diffie-Hellman.

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;

use crate::random::{Random, RandomError};
use crate::secret::Secret;
use crate::suite::Curve;

/// Draws before a source of randomness is declared broken: a good one needs a second draw once in 2^32.
const DRAWS: usize = 64;

/// Why a key or a point is no good.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not an uncompressed point (`04 || x || y`) on the curve.
    #[error("not a point on the curve")]
    NotOnCurve,
    /// Not a number from 1 to the order of the curve less one.
    #[error("the private key does not fit the curve")]
    PrivateKey,
    /// No key could be drawn.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// OpenSSL failed.
    #[error("cryptography failed")]
    OpenSsl(#[from] ErrorStack),
}

/// A curve ready to calculate with.
pub(crate) struct Arithmetic {
    curve: Curve,
    group: EcGroup,
    context: BigNumContext,
}

/// A number from 1 to the order of the curve less one.
pub(crate) struct PrivateKey(BigNum);

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// A private key with its public key.
pub(crate) struct KeyPair {
    pub(crate) private: PrivateKey,
    /// `04 || x || y`.
    pub(crate) public: Vec<u8>,
}

impl Arithmetic {
    pub(crate) fn new(curve: Curve) -> Result<Self, ErrorStack> {
        Ok(Arithmetic { curve, group: EcGroup::from_curve_name(curve.nid())?, context: BigNumContext::new_secure()? })
    }

    /// A fresh key pair on `generator`, or on the curve's own generator.
    pub(crate) fn generate(
        &mut self,
        generator: Option<&EcPoint>,
        random: &mut dyn Random,
    ) -> Result<KeyPair, KeyError> {
        let mut bytes = Secret::new(vec![0; self.curve.field_length()]);
        for _ in 0..DRAWS {
            random.fill(bytes.expose_mut())?;
            match self.key_pair(generator, &bytes) {
                Err(KeyError::PrivateKey) => {}
                result => return result,
            }
        }
        Err(KeyError::Random(RandomError))
    }

    /// The key pair of a private key of the width of the field.
    pub(crate) fn key_pair(&mut self, generator: Option<&EcPoint>, private: &Secret) -> Result<KeyPair, KeyError> {
        let private = self.private_key(private)?;
        let mut public = EcPoint::new(&self.group)?;
        match generator {
            Some(generator) => public.mul2(&self.group, generator, &private.0, &mut self.context)?,
            None => public.mul_generator2(&self.group, &private.0, &mut self.context)?,
        }
        Ok(KeyPair { public: self.octets(&public)?, private })
    }

    /// A private key of the width of the field.
    pub(crate) fn private_key(&mut self, bytes: &Secret) -> Result<PrivateKey, KeyError> {
        if bytes.expose().len() != self.curve.field_length() {
            return Err(KeyError::PrivateKey);
        }
        let mut order = BigNum::new()?;
        self.group.order(&mut order, &mut self.context)?;
        let mut private = PrivateKey(BigNum::new_secure()?);
        private.0.copy_from_slice(bytes.expose())?;
        private.0.set_const_time();
        match private.0.num_bits() > 0 && private.0 < order {
            true => Ok(private),
            false => Err(KeyError::PrivateKey),
        }
    }

    /// A point somebody sent.
    pub(crate) fn point(&mut self, octets: &[u8]) -> Result<EcPoint, KeyError> {
        if octets.len() != 1 + 2 * self.curve.field_length() || octets.first() != Some(&0x04) {
            return Err(KeyError::NotOnCurve);
        }
        // OpenSSL leaves the reason in its error queue; the caller needs only this one.
        let point = EcPoint::from_bytes(&self.group, octets, &mut self.context).map_err(|_| KeyError::NotOnCurve)?;
        // All curves here have cofactor 1: a point on the curve is in the group.
        match point.is_on_curve(&self.group, &mut self.context)? && !point.is_infinity(&self.group) {
            true => Ok(point),
            false => Err(KeyError::NotOnCurve),
        }
    }

    /// The common point of two ends.
    pub(crate) fn common_point(&mut self, own: &PrivateKey, peer: &[u8]) -> Result<EcPoint, KeyError> {
        let peer = self.point(peer)?;
        let mut common = EcPoint::new(&self.group)?;
        common.mul2(&self.group, &peer, &own.0, &mut self.context)?;
        Ok(common)
    }

    /// The shared secret of two ends: the x-coordinate in the width of the field (9303-11 §9.4, TR-03111).
    pub(crate) fn shared_secret(&mut self, own: &PrivateKey, peer: &[u8]) -> Result<Secret, KeyError> {
        let common = self.common_point(own, peer)?;
        let octets = Secret::new(self.octets(&common)?);
        let x = octets.expose().get(1..=self.curve.field_length()).ok_or(KeyError::NotOnCurve)?;
        Ok(Secret::from(x))
    }

    /// The generator of generic mapping: `s * G + H` (9303-11 §4.4.3.3.1).
    pub(crate) fn mapped_generator(&mut self, nonce: &Secret, common: &EcPoint) -> Result<EcPoint, KeyError> {
        let mut s = BigNum::new_secure()?;
        s.copy_from_slice(nonce.expose())?;
        s.set_const_time();
        let mut product = EcPoint::new(&self.group)?;
        product.mul_generator2(&self.group, &s, &mut self.context)?;
        s.clear();
        let mut mapped = EcPoint::new(&self.group)?;
        mapped.add(&self.group, &product, common, &mut self.context)?;
        match mapped.is_infinity(&self.group) {
            true => Err(KeyError::NotOnCurve),
            false => Ok(mapped),
        }
    }

    /// `04 || x || y`, each coordinate in the width of the field.
    pub(crate) fn octets(&mut self, point: &EcPoint) -> Result<Vec<u8>, ErrorStack> {
        point.to_bytes(&self.group, PointConversionForm::UNCOMPRESSED, &mut self.context)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::Fixed;

    fn number(curve: Curve, value: u16) -> Secret {
        let mut bytes = vec![0; curve.field_length()];
        let at = bytes.len() - 2;
        bytes[at..].copy_from_slice(&value.to_be_bytes());
        Secret::new(bytes)
    }

    /// One shared secret in 256 starts with a zero byte; an end that drops it computes other keys.
    #[test]
    fn shared_secrets_keep_their_leading_zeros() {
        let curve = Curve::P256;
        let mut arithmetic = Arithmetic::new(curve).unwrap();
        let generator = arithmetic.key_pair(None, &number(curve, 1)).unwrap().public.clone();
        let mut short = 0;
        for value in 1..=1000 {
            let own = arithmetic.key_pair(None, &number(curve, value)).unwrap();
            let shared = arithmetic.shared_secret(&own.private, &generator).unwrap();
            assert_eq!(shared.expose(), &own.public[1..33]);
            short += usize::from(shared.expose()[0] == 0);
        }
        assert!(short > 0);
    }

    #[test]
    fn both_ends_share_a_secret_on_every_curve() {
        for curve in Curve::ALL {
            let mut arithmetic = Arithmetic::new(curve).unwrap();
            let one = arithmetic.generate(None, &mut crate::random::OsRandom).unwrap();
            let two = arithmetic.generate(None, &mut crate::random::OsRandom).unwrap();
            let shared = arithmetic.shared_secret(&one.private, &two.public).unwrap();
            assert_eq!(shared, arithmetic.shared_secret(&two.private, &one.public).unwrap());
            assert_eq!(shared.expose().len(), curve.field_length());
        }
    }

    #[test]
    fn private_keys_are_from_one_to_the_order_less_one() {
        for curve in Curve::ALL {
            let mut arithmetic = Arithmetic::new(curve).unwrap();
            let mut order = BigNum::new().unwrap();
            arithmetic.group.order(&mut order, &mut arithmetic.context).unwrap();
            let order_octets = order.to_vec();
            order.sub_word(1).unwrap();
            for good in [number(curve, 1), Secret::new(order.to_vec())] {
                assert!(arithmetic.key_pair(None, &good).is_ok());
            }
            let short = vec![1; curve.field_length() - 1];
            for bad in [number(curve, 0), Secret::new(order_octets), Secret::new(short)] {
                assert!(matches!(arithmetic.key_pair(None, &bad), Err(KeyError::PrivateKey)));
            }
        }
    }

    #[test]
    fn a_draw_out_of_range_is_repeated_and_a_broken_source_is_noticed() {
        let mut arithmetic = Arithmetic::new(Curve::P256).unwrap();
        let drawn = [[0xFF; 32], [0x00; 32], [0x01; 32]].concat();
        let drawn = arithmetic.generate(None, &mut Fixed::new(drawn)).unwrap();
        let expected = arithmetic.key_pair(None, &Secret::new(vec![0x01; 32])).unwrap();
        assert_eq!(drawn.public, expected.public);
        let stuck = arithmetic.generate(None, &mut Fixed::new(vec![0xFF; 32 * (DRAWS + 1)]));
        assert!(matches!(stuck, Err(KeyError::Random(RandomError))));
    }

    #[test]
    fn points_off_the_curve_and_in_other_forms_are_refused() {
        for curve in Curve::ALL {
            let mut arithmetic = Arithmetic::new(curve).unwrap();
            let good = arithmetic.key_pair(None, &number(curve, 5)).unwrap().public.clone();
            assert!(arithmetic.point(&good).is_ok());
            let width = curve.field_length();
            let mut off = good.clone();
            off[2 * width] ^= 1;
            let mut hybrid = good.clone();
            hybrid[0] = 0x06 | (good[2 * width] & 1);
            let compressed = [&[0x02 | (good[2 * width] & 1)], &good[1..=width]].concat();
            let mut beyond = vec![0xFF; 2 * width + 1];
            beyond[0] = 0x04;
            let mut zero = vec![0x00; 2 * width + 1];
            zero[0] = 0x04;
            for bad in [off, hybrid, compressed, beyond, zero, vec![0x00], vec![], good[1..].to_vec()] {
                assert!(matches!(arithmetic.point(&bad), Err(KeyError::NotOnCurve)));
            }
        }
    }

    /// The point of a public key on a named curve; `None` where a protocol of ours could not even transport the key.
    fn named_point(spki: &[u8], curve: &[u8]) -> Option<Vec<u8>> {
        use iso7816::tlv::{Reader, Tag, sole};
        let mut info = Reader::new(sole(spki, Tag(0x30)).ok()?);
        let mut algorithm = Reader::new(info.expect(Tag(0x30)).ok()?);
        algorithm.expect(Tag(0x06)).ok()?;
        let named = algorithm.expect(Tag(0x06)).ok()? == curve && algorithm.is_empty();
        let bits = info.expect(Tag(0x03)).ok()?;
        (named && info.is_empty() && bits.first() == Some(&0)).then(|| bits[1..].to_vec())
    }

    /// Project Wycheproof: each public point that is not on the curve is refused, and each shared secret is right.
    ///
    /// Of the `acceptable` ones only a compressed point reaches us, and is refused: 9303-11 knows no compression.
    #[test]
    fn wycheproof_shared_secrets() {
        let sets = [
            ("ecdh_secp256r1_test", Curve::P256, "2a8648ce3d030107"),
            ("ecdh_brainpoolP256r1_test", Curve::BrainpoolP256r1, "2b2403030208010107"),
        ];
        for (name, curve, oid) in sets {
            let Some(path) = test_vectors::shared(&format!("data/wycheproof/{name}.json")) else { return };
            let root: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            let mut arithmetic = Arithmetic::new(curve).unwrap();
            let mut counts = (0, 0);
            for test in
                root["testGroups"].as_array().unwrap().iter().flat_map(|group| group["tests"].as_array().unwrap())
            {
                let valid = test["result"] == "valid";
                let Some(point) = named_point(&test_vectors::hex_of(&test["public"]), &hex::decode(oid).unwrap())
                else {
                    assert!(!valid, "{name} {}", test["tcId"]);
                    continue;
                };
                let private = test["private"].as_str().unwrap().trim_start_matches('0');
                let private = hex::decode(format!("{private:0>64}")).unwrap();
                let own = arithmetic.key_pair(None, &Secret::new(private)).unwrap();
                match arithmetic.shared_secret(&own.private, &point) {
                    Ok(shared) => {
                        assert_ne!(test["result"], "invalid", "{name} {}", test["tcId"]);
                        assert_eq!(shared.expose(), test_vectors::hex_of(&test["shared"]), "{name} {}", test["tcId"]);
                        counts.0 += 1;
                    }
                    Err(_) => {
                        assert!(
                            !valid || test["comment"].as_str().unwrap().contains("compressed"),
                            "{name} {}",
                            test["tcId"]
                        );
                        counts.1 += 1;
                    }
                }
            }
            assert!(counts.0 > 300 && counts.1 > 10, "{name} {counts:?}");
        }
    }

    proptest! {
        #[test]
        fn hostile_points_never_pass(curve in prop::sample::select(Curve::ALL.to_vec()), mut bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut arithmetic = Arithmetic::new(curve).unwrap();
            prop_assert!(arithmetic.point(&bytes).is_err());
            bytes.resize(2 * curve.field_length() + 1, 0x42);
            bytes[0] = 0x04;
            prop_assert!(arithmetic.point(&bytes).is_err());
        }
    }
}
