//! The chip's own keys, made on the host and kept in memory only.

use std::sync::Arc;

use channel::secret::Secret;
use channel::suite::Curve;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::rsa::Rsa;

use crate::profile::Profile;

/// The key pair of Chip Authentication.
#[derive(Debug)]
pub struct ChipKey {
    curve: Curve,
    private: Secret,
    point: Vec<u8>,
}

impl ChipKey {
    /// Draws a new key.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn generate(curve: Curve) -> Result<Self, ErrorStack> {
        let group = EcGroup::from_curve_name(curve.nid())?;
        let key = EcKey::generate(&group)?;
        let width = i32::try_from(curve.field_length()).unwrap_or(i32::MAX);
        let mut context = BigNumContext::new()?;
        let point = key.public_key().to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context)?;
        Ok(ChipKey { curve, private: Secret::new(key.private_key().to_vec_padded(width)?), point })
    }

    /// Its curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// Big endian, as wide as the field.
    pub fn private(&self) -> &Secret {
        &self.private
    }

    /// `04 || x || y`.
    pub fn point(&self) -> &[u8] {
        &self.point
    }
}

/// The key pair of Active Authentication: RSA, both exponents and the modulus as bytes.
#[derive(Debug)]
pub struct ActiveKey {
    modulus: Vec<u8>,
    private_exponent: Secret,
    public: Vec<u8>,
}

impl ActiveKey {
    /// A new key for a card of this profile; `None` when such cards have none.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn of_profile(profile: &Profile) -> Result<Option<Arc<Self>>, ErrorStack> {
        let active = profile.active_authentication.as_ref();
        active.map(|active| ActiveKey::generate(active.key.bits()).map(Arc::new)).transpose()
    }

    /// Draws a new key of so many bits. Modulus and private exponent have no leading zero byte: chips differ in how they take one.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn generate(bits: u32) -> Result<Self, ErrorStack> {
        loop {
            let key = Rsa::generate(bits)?;
            let private_exponent = Secret::new(key.d().to_vec());
            if private_exponent.expose().len() == key.size() as usize {
                let public = key.public_key_to_der_pkcs1()?;
                return Ok(ActiveKey { modulus: key.n().to_vec(), private_exponent, public });
            }
        }
    }

    /// Big endian.
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// Big endian, as long as the modulus.
    pub fn private_exponent(&self) -> &Secret {
        &self.private_exponent
    }

    /// RSAPublicKey (PKCS#1), DER.
    pub fn public(&self) -> &[u8] {
        &self.public
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsa_keys_have_no_leading_zero() {
        let key = ActiveKey::generate(1024).unwrap();
        assert_eq!((key.modulus().len(), key.private_exponent().expose().len()), (128, 128));
        assert_ne!(key.private_exponent().expose()[0], 0);
        assert!(!format!("{key:?}").contains(&format!("{:?}", key.private_exponent().expose())));
    }

    #[test]
    fn keys_are_as_wide_as_the_field_and_differ() {
        for curve in Curve::ALL {
            let (a, b) = (ChipKey::generate(curve).unwrap(), ChipKey::generate(curve).unwrap());
            assert_eq!(a.private().expose().len(), curve.field_length());
            assert_eq!(a.point().len(), 1 + 2 * curve.field_length());
            assert_ne!(a.private(), b.private());
            let shown = format!("{a:?}");
            assert!(!shown.contains(&hex::encode(a.private().expose())), "{shown}");
        }
    }
}
