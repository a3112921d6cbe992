//! Elliptic curve arithmetic: fixed-width private keys, uncompressed points, Diffie-Hellman, the mappings of PACE.

use std::sync::OnceLock;

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::ec::{EcGroup, EcGroupRef, EcPoint, EcPointRef, PointConversionForm};
use openssl::error::ErrorStack;

use crate::group::{KeyError, PrivateKey};
use crate::secret::Secret;
use crate::suite::Curve;

/// OpenSSL's curves, each built when it is first used: a build costs as much as a multiplication.
static GROUPS: [OnceLock<EcGroup>; Curve::ALL.len()] = [const { OnceLock::new() }; Curve::ALL.len()];

/// OpenSSL's curve.
pub(crate) fn group(curve: Curve) -> Result<&'static EcGroupRef, ErrorStack> {
    let place = GROUPS.get(curve as usize).ok_or_else(ErrorStack::get)?;
    match place.get() {
        Some(group) => Ok(group),
        None => {
            let group = EcGroup::from_curve_name(curve.nid())?;
            Ok(place.get_or_init(|| group))
        }
    }
}

/// A curve ready to calculate with.
pub(crate) struct Arithmetic {
    curve: Curve,
    group: &'static EcGroupRef,
    order: BigNum,
    context: BigNumContext,
}

impl Arithmetic {
    pub(crate) fn new(curve: Curve) -> Result<Self, ErrorStack> {
        let (group, mut order, mut context) = (group(curve)?, BigNum::new()?, BigNumContext::new_secure()?);
        group.order(&mut order, &mut context)?;
        Ok(Arithmetic { curve, group, order, context })
    }

    /// Bytes in a private key, and the bits of the first that it may have.
    pub(crate) fn private_width(&self) -> (usize, u8) {
        let spare = 8 * self.curve.field_length() - self.curve.bits();
        (self.curve.field_length(), 0xFF >> spare)
    }

    /// The public key on `generator`, or on the curve's own generator: `04 || x || y`.
    pub(crate) fn public(
        &mut self,
        generator: Option<&EcPointRef>,
        private: &PrivateKey,
    ) -> Result<Vec<u8>, ErrorStack> {
        let mut public = EcPoint::new(self.group)?;
        match generator {
            Some(generator) => public.mul2(self.group, generator, &private.0, &mut self.context)?,
            None => public.mul_generator2(self.group, &private.0, &mut self.context)?,
        }
        self.octets(&public)
    }

    /// A private key of the width of the field, from 1 to the order less one.
    pub(crate) fn private_key(&self, bytes: &Secret) -> Result<PrivateKey, KeyError> {
        if bytes.expose().len() != self.curve.field_length() {
            return Err(KeyError::PrivateKey);
        }
        let private = PrivateKey::new(bytes.expose())?;
        match private.0.num_bits() > 0 && private.0 < self.order {
            true => Ok(private),
            false => Err(KeyError::PrivateKey),
        }
    }

    /// `one^-1 * two` modulo the order, in its width.
    pub(crate) fn quotient(&mut self, one: &PrivateKey, two: &PrivateKey) -> Result<Secret, ErrorStack> {
        let mut inverse = PrivateKey(BigNum::new_secure()?);
        inverse.0.mod_inverse(&one.0, &self.order, &mut self.context)?;
        let mut quotient = PrivateKey(BigNum::new_secure()?);
        quotient.0.mod_mul(&inverse.0, &two.0, &self.order, &mut self.context)?;
        Ok(Secret::new(quotient.0.to_vec_padded(self.curve.field_length() as i32)?))
    }

    /// A point somebody sent.
    pub(crate) fn point(&mut self, octets: &[u8]) -> Result<EcPoint, KeyError> {
        if octets.len() != 1 + 2 * self.curve.field_length() || octets.first() != Some(&0x04) {
            return Err(KeyError::NotInGroup);
        }
        // OpenSSL leaves the reason in its error queue; the caller needs only this one.
        let point = EcPoint::from_bytes(self.group, octets, &mut self.context).map_err(|_| KeyError::NotInGroup)?;
        // All curves here have cofactor 1: a point on the curve is in the group.
        match point.is_on_curve(self.group, &mut self.context)? && !point.is_infinity(self.group) {
            true => Ok(point),
            false => Err(KeyError::NotInGroup),
        }
    }

    /// The common point of two ends.
    pub(crate) fn common_point(&mut self, own: &PrivateKey, peer: &[u8]) -> Result<EcPoint, KeyError> {
        let peer = self.point(peer)?;
        let mut common = EcPoint::new(self.group)?;
        common.mul2(self.group, &peer, &own.0, &mut self.context)?;
        Ok(common)
    }

    /// The shared secret of two ends: the x-coordinate in the width of the field (9303-11 §9.4, TR-03111).
    pub(crate) fn shared_secret(&mut self, own: &PrivateKey, peer: &[u8]) -> Result<Secret, KeyError> {
        let common = self.common_point(own, peer)?;
        let octets = Secret::new(self.octets(&common)?);
        let x = octets.expose().get(1..=self.curve.field_length()).ok_or(KeyError::NotInGroup)?;
        Ok(Secret::from(x))
    }

    /// `s * G + H`.
    pub(crate) fn generic_generator(&mut self, nonce: &Secret, common: &EcPointRef) -> Result<EcPoint, KeyError> {
        let nonce = PrivateKey::new(nonce.expose())?;
        let mut product = EcPoint::new(self.group)?;
        product.mul_generator2(self.group, &nonce.0, &mut self.context)?;
        let mut mapped = EcPoint::new(self.group)?;
        mapped.add(self.group, &product, common, &mut self.context)?;
        match mapped.is_infinity(self.group) {
            true => Err(KeyError::NotInGroup),
            false => Ok(mapped),
        }
    }

    /// The point that the pseudo-random bytes encode: one of two candidates for x, the first that is on the curve, found
    /// without a square root that could fail (9303-11 appendix B.2). For primes that leave 3 modulo 4.
    pub(crate) fn integrated_generator(&mut self, pseudo_random: &Secret) -> Result<EcPoint, KeyError> {
        let wide = PrivateKey::new(pseudo_random.expose())?;
        let (mut p, mut a, mut b) = (BigNum::new()?, BigNum::new()?, BigNum::new()?);
        self.group.components_gfp(&mut p, &mut a, &mut b, &mut self.context)?;
        let mut t = BigNum::new_secure()?;
        t.nnmod(&wide.0, &p, &mut self.context)?;
        let mut field = Field { p, context: &mut self.context };
        let (x, y) = field.encoded_point(&Coefficients { a, b }, &t)?;
        let mut point = EcPoint::new(self.group)?;
        // OpenSSL refuses coordinates that are not on the curve.
        point.set_affine_coordinates_gfp(self.group, &x, &y, &mut self.context).map_err(|_| KeyError::NotInGroup)?;
        Ok(point)
    }

    /// `04 || x || y`, each coordinate in the width of the field.
    pub(crate) fn octets(&mut self, point: &EcPointRef) -> Result<Vec<u8>, ErrorStack> {
        point.to_bytes(self.group, PointConversionForm::UNCOMPRESSED, &mut self.context)
    }
}

/// The coefficients of a curve `y^2 = x^3 + a x + b`.
struct Coefficients {
    a: BigNum,
    b: BigNum,
}

/// The numbers modulo `p`.
struct Field<'c> {
    p: BigNum,
    context: &'c mut BigNumContext,
}

impl Field<'_> {
    fn encoded_point(&mut self, curve: &Coefficients, t: &BigNumRef) -> Result<(BigNum, BigNum), KeyError> {
        if !self.p.is_bit_set(0) || !self.p.is_bit_set(1) {
            return Err(KeyError::NotInGroup);
        }
        let one = BigNum::from_u32(1)?;
        let zero = BigNum::new()?;
        let t_squared = self.product(t, t)?;
        let alpha = self.difference(&zero, &t_squared)?;
        // x2 = -b/a * (1 + 1/(alpha + alpha^2)), x3 = alpha * x2
        let alpha_squared = self.product(&alpha, &alpha)?;
        let sum = self.sum(&alpha, &alpha_squared)?;
        let inverse = self.inverse(&sum)?;
        let bracket = self.sum(&one, &inverse)?;
        let a_inverse = self.inverse(&curve.a)?;
        let minus_b = self.difference(&zero, &curve.b)?;
        let ratio = self.product(&minus_b, &a_inverse)?;
        let x2 = self.product(&ratio, &bracket)?;
        let x3 = self.product(&alpha, &x2)?;
        let h2 = self.right_side(curve, &x2)?;
        // root = h2^(p - 1 - (p + 1)/4): one over a square root of h2, or of -h2
        let root = self.inverse_root(&h2)?;
        let root_squared = self.product(&root, &root)?;
        if self.product(&root_squared, &h2)? == one {
            let y = self.product(&root, &h2)?;
            return Ok((x2, y));
        }
        let t_cubed = self.product(&t_squared, t)?;
        let u = self.product(&t_cubed, &h2)?;
        let y = self.product(&root, &u)?;
        Ok((x3, y))
    }

    /// `x^3 + a x + b`.
    fn right_side(&mut self, curve: &Coefficients, x: &BigNumRef) -> Result<BigNum, ErrorStack> {
        let squared = self.product(x, x)?;
        let inner = self.sum(&squared, &curve.a)?;
        let product = self.product(&inner, x)?;
        self.sum(&product, &curve.b)
    }

    fn inverse_root(&mut self, h: &BigNumRef) -> Result<BigNum, ErrorStack> {
        let mut quarter = self.p.to_owned()?;
        quarter.add_word(1)?;
        quarter.div_word(4)?;
        let mut exponent = BigNum::new()?;
        exponent.checked_sub(&self.p, &quarter)?;
        exponent.sub_word(1)?;
        exponent.set_const_time();
        let mut root = BigNum::new_secure()?;
        root.mod_exp(h, &exponent, &self.p, self.context)?;
        Ok(root)
    }

    fn product(&mut self, one: &BigNumRef, two: &BigNumRef) -> Result<BigNum, ErrorStack> {
        let mut result = BigNum::new_secure()?;
        result.mod_mul(one, two, &self.p, self.context)?;
        Ok(result)
    }

    fn sum(&mut self, one: &BigNumRef, two: &BigNumRef) -> Result<BigNum, ErrorStack> {
        let mut result = BigNum::new_secure()?;
        result.mod_add(one, two, &self.p, self.context)?;
        Ok(result)
    }

    fn difference(&mut self, one: &BigNumRef, two: &BigNumRef) -> Result<BigNum, ErrorStack> {
        let mut result = BigNum::new_secure()?;
        result.mod_sub(one, two, &self.p, self.context)?;
        Ok(result)
    }

    /// The inverse; of zero there is none.
    fn inverse(&mut self, number: &BigNumRef) -> Result<BigNum, KeyError> {
        let mut result = BigNum::new_secure()?;
        result.mod_inverse(number, &self.p, self.context).map_err(|_| KeyError::NotInGroup)?;
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::group::{Arithmetic as Group, KeyPair};

    /// A curve behind the common face of all groups.
    fn group_of(curve: Curve) -> Group {
        Group::new(curve.into()).unwrap()
    }

    fn pair(curve: Curve, value: u16) -> KeyPair {
        group_of(curve).key_pair(None, &number(curve, value)).unwrap()
    }

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
        let mut arithmetic = group_of(curve);
        let generator = pair(curve, 1).public;
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
    fn private_keys_are_from_one_to_the_order_less_one() {
        for curve in Curve::ALL {
            let mut arithmetic = group_of(curve);
            let mut order = Arithmetic::new(curve).unwrap().order.to_owned().unwrap();
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
    fn points_off_the_curve_and_in_other_forms_are_refused() {
        for curve in Curve::ALL {
            let mut arithmetic = Arithmetic::new(curve).unwrap();
            let good = pair(curve, 5).public;
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
                assert!(matches!(arithmetic.point(&bad), Err(KeyError::NotInGroup)));
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
            let mut arithmetic = group_of(curve);
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
