//! Arithmetic in the prime-order subgroups of RFC 5114: Diffie-Hellman with numbers of one width.

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::dh::Dh;
use openssl::error::ErrorStack;
use openssl::pkey::Params;

use crate::group::{KeyError, PrivateKey};
use crate::secret::Secret;
use crate::suite::ModpGroup;

/// A group ready to calculate with.
pub(crate) struct Arithmetic {
    group: ModpGroup,
    parameters: Dh<Params>,
    /// The order of the subgroup.
    order: BigNum,
    context: BigNumContext,
}

impl Arithmetic {
    pub(crate) fn new(group: ModpGroup) -> Result<Self, ErrorStack> {
        let parameters = match group {
            ModpGroup::Modp1024Order160 => Dh::get_1024_160(),
            ModpGroup::Modp2048Order224 => Dh::get_2048_224(),
            ModpGroup::Modp2048Order256 => Dh::get_2048_256(),
        }?;
        let order = parameters.prime_q().ok_or_else(ErrorStack::get)?.to_owned()?;
        Ok(Arithmetic { group, parameters, order, context: BigNumContext::new_secure()? })
    }

    pub(crate) fn private_length(&self) -> usize {
        self.group.order_length()
    }

    /// From 1 to the prime less two. This crate draws below the order; the standard's own examples do not always.
    pub(crate) fn private_key(&self, bytes: &Secret) -> Result<PrivateKey, KeyError> {
        if bytes.expose().len() > self.group.prime_length() {
            return Err(KeyError::PrivateKey);
        }
        let private = PrivateKey::new(bytes.expose())?;
        let drawn_here = bytes.expose().len() == self.private_length();
        let bound = if drawn_here { &self.order } else { self.parameters.prime_p() };
        match private.0.num_bits() > 0 && &*private.0 < bound {
            true => Ok(private),
            false => Err(KeyError::PrivateKey),
        }
    }

    pub(crate) fn public(&mut self, base: Option<&BigNumRef>, private: &PrivateKey) -> Result<Vec<u8>, ErrorStack> {
        let mut public = BigNum::new()?;
        let base = base.unwrap_or(self.parameters.generator());
        public.mod_exp(base, &private.0, self.parameters.prime_p(), &mut self.context)?;
        self.octets(&public)
    }

    /// A number somebody sent: not 0, 1 or p - 1, and in the subgroup. Leading zeros may be missing.
    fn element(&mut self, octets: &[u8]) -> Result<BigNum, KeyError> {
        if octets.len() > self.group.prime_length() {
            return Err(KeyError::NotInGroup);
        }
        let element = BigNum::from_slice(octets)?;
        if element.num_bits() < 2 || &*element >= self.parameters.prime_p() {
            return Err(KeyError::NotInGroup);
        }
        let mut power = BigNum::new()?;
        power.mod_exp(&element, &self.order, self.parameters.prime_p(), &mut self.context)?;
        match power.num_bits() == 1 {
            true => Ok(element),
            false => Err(KeyError::NotInGroup),
        }
    }

    /// The common element of two ends; it may reveal what follows from it.
    pub(crate) fn common(&mut self, own: &PrivateKey, peer: &[u8]) -> Result<BigNum, KeyError> {
        let peer = self.element(peer)?;
        let mut common = BigNum::new_secure()?;
        common.mod_exp(&peer, &own.0, self.parameters.prime_p(), &mut self.context)?;
        Ok(common)
    }

    pub(crate) fn generic_generator(&mut self, nonce: &Secret, common: &BigNumRef) -> Result<BigNum, KeyError> {
        let nonce = PrivateKey::new(nonce.expose())?;
        let (p, mut power) = (self.parameters.prime_p(), BigNum::new_secure()?);
        power.mod_exp(self.parameters.generator(), &nonce.0, p, &mut self.context)?;
        let mut mapped = BigNum::new()?;
        mapped.mod_mul(&power, common, p, &mut self.context)?;
        generator(mapped)
    }

    /// `R^((p - 1) / q)`.
    pub(crate) fn integrated_generator(&mut self, pseudo_random: &Secret) -> Result<BigNum, KeyError> {
        let p = self.parameters.prime_p();
        let (mut less_one, mut cofactor) = (p.to_owned()?, BigNum::new()?);
        less_one.sub_word(1)?;
        cofactor.checked_div(&less_one, &self.order, &mut self.context)?;
        let wide = PrivateKey::new(pseudo_random.expose())?;
        let (mut base, mut mapped) = (BigNum::new_secure()?, BigNum::new()?);
        base.nnmod(&wide.0, p, &mut self.context)?;
        mapped.mod_exp(&base, &cofactor, p, &mut self.context)?;
        generator(mapped)
    }

    /// The number in the width of the prime.
    pub(crate) fn octets(&self, element: &BigNumRef) -> Result<Vec<u8>, ErrorStack> {
        element.to_vec_padded(self.group.prime_length() as i32)
    }
}

/// Neither 0 nor 1 generates anything.
fn generator(mapped: BigNum) -> Result<BigNum, KeyError> {
    if mapped.num_bits() < 2 { Err(KeyError::NotInGroup) } else { Ok(mapped) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn element_of(group: ModpGroup, exponent: u8) -> (Arithmetic, Vec<u8>) {
        let mut arithmetic = Arithmetic::new(group).unwrap();
        let private = PrivateKey::new(&[exponent]).unwrap();
        let public = arithmetic.public(None, &private).unwrap();
        (arithmetic, public)
    }

    #[test]
    fn numbers_outside_the_subgroup_are_refused() {
        for group in ModpGroup::ALL {
            let (mut arithmetic, good) = element_of(group, 7);
            assert!(arithmetic.element(&good).is_ok());
            let p = arithmetic.parameters.prime_p().to_vec();
            let mut less_one = p.clone();
            *less_one.last_mut().unwrap() -= 1;
            let wide = [&[0][..], &good].concat();
            for bad in [vec![], vec![0], vec![1], vec![2], less_one, p, vec![0xFF; group.prime_length()], wide] {
                assert!(matches!(arithmetic.element(&bad), Err(KeyError::NotInGroup)));
            }
        }
    }

    #[test]
    fn shared_secrets_keep_their_leading_zeros() {
        let (mut arithmetic, generator) = element_of(ModpGroup::Modp1024Order160, 1);
        let mut short = 0;
        for value in 1u16..=600 {
            let private = PrivateKey::new(&value.to_be_bytes()).unwrap();
            let common = arithmetic.common(&private, &generator).unwrap();
            let octets = arithmetic.octets(&common).unwrap();
            assert_eq!(octets.len(), 128);
            assert_eq!(octets, arithmetic.public(None, &private).unwrap());
            if octets[0] == 0 {
                short += 1;
                // The other end may have left the zero out.
                let whole = arithmetic.common(&private, &octets).unwrap();
                assert_eq!(arithmetic.common(&private, &octets[1..]).unwrap(), whole);
            }
        }
        assert!(short > 0);
    }

    #[test]
    fn private_keys_that_are_drawn_lie_below_the_order() {
        for group in ModpGroup::ALL {
            let arithmetic = Arithmetic::new(group).unwrap();
            let order = arithmetic.order.to_vec();
            let mut less_one = order.clone();
            *less_one.last_mut().unwrap() -= 1;
            assert!(arithmetic.private_key(&Secret::new(less_one)).is_ok());
            for bad in [order, vec![0; group.order_length()], vec![1; group.prime_length() + 1]] {
                assert!(matches!(arithmetic.private_key(&Secret::new(bad)), Err(KeyError::PrivateKey)));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn hostile_numbers_never_pass(bytes in prop::collection::vec(any::<u8>(), 0..140)) {
            let mut arithmetic = Arithmetic::new(ModpGroup::Modp1024Order160).unwrap();
            prop_assert!(arithmetic.element(&bytes).is_err());
        }
    }
}
