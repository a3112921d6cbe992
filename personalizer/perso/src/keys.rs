//! The chip's own key, made on the host and kept in memory only.

use channel::secret::Secret;
use channel::suite::Curve;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::error::ErrorStack;

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

#[cfg(test)]
mod tests {
    use super::*;

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
