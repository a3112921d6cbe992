//! The chip's own keys, made on the host and kept in memory only.

use std::sync::Arc;

use channel::hash::Hash;
use channel::secret::Secret;
use channel::suite::Curve;
use lds::globalplatform::{ActiveAuthenticationKey, ChipAuthenticationKey};
use lds::security_infos::PublicKeyInfo;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::rsa::Rsa;

use crate::profile::{ActiveKeyKind, Profile};

/// Every key of one chip.
#[derive(Debug)]
pub struct ChipKeys {
    /// Of Chip Authentication.
    pub chip: ChipKey,
    /// Of PACE with chip authentication mapping, where the profile has it.
    pub mapping: Option<ChipKey>,
    /// Of Active Authentication, where the profile has it.
    pub active: Option<Arc<ActiveKey>>,
}

impl ChipKeys {
    /// Draws the keys that the profile asks for.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn generate(profile: &Profile) -> Result<Self, ErrorStack> {
        let mapping = profile.access.chip_authentication_mapping.then(|| ChipKey::generate(profile.access.curve()));
        let active = profile.active_authentication.map(|active| ActiveKey::generate(active.key).map(Arc::new));
        Ok(ChipKeys {
            chip: ChipKey::generate(profile.chip_authentication.curve())?,
            mapping: mapping.transpose()?,
            active: active.transpose()?,
        })
    }
}

/// The key pair of Chip Authentication, or of the mapping of that name.
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

    /// The public key for DG14 or EF.CardSecurity.
    pub fn public(&self) -> PublicKeyInfo {
        public_key(self.curve, &self.point)
    }

    /// The private key as it is written to the chip.
    pub fn to_chip(&self) -> ChipAuthenticationKey {
        let private_key = self.private.expose().to_vec().into();
        ChipAuthenticationKey { parameter_id: self.curve.parameter_id(), key_id: None, private_key }
    }
}

/// Every curve of `channel` is one whose parameters `lds` can spell out; the number alone would do as well.
fn public_key(curve: Curve, point: &[u8]) -> PublicKeyInfo {
    let id = curve.parameter_id();
    PublicKeyInfo::explicit(id, point).unwrap_or_else(|| PublicKeyInfo::standardized(id, point))
}

/// The key pair of Active Authentication.
pub struct ActiveKey {
    private: ActiveAuthenticationKey,
    public: PublicKeyInfo,
    announced: Option<Hash>,
    /// Modulus and private exponent of an RSA key.
    rsa: Option<(Vec<u8>, Secret)>,
}

impl ActiveKey {
    /// Draws a new key.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn generate(kind: ActiveKeyKind) -> Result<Self, ErrorStack> {
        match kind {
            ActiveKeyKind::Rsa1024 => Self::draw_rsa(1024),
            ActiveKeyKind::Rsa2048 => Self::draw_rsa(2048),
            ActiveKeyKind::Rsa3072 => Self::draw_rsa(3072),
            ActiveKeyKind::P256 => Self::ecdsa(Curve::P256, Hash::Sha256),
            ActiveKeyKind::P384 => Self::ecdsa(Curve::P384, Hash::Sha384),
            ActiveKeyKind::BrainpoolP256r1 => Self::ecdsa(Curve::BrainpoolP256r1, Hash::Sha256),
        }
    }

    /// Modulus and private exponent have no leading zero byte: chips differ in how they take one.
    fn draw_rsa(bits: u32) -> Result<Self, ErrorStack> {
        loop {
            let key = Rsa::generate(bits)?;
            let private_exponent = Secret::new(key.d().to_vec());
            if private_exponent.expose().len() == key.size() as usize {
                return Ok(ActiveKey {
                    private: ActiveAuthenticationKey::Rsa(key.private_key_to_der()?.into()),
                    public: PublicKeyInfo::rsa(&key.public_key_to_der_pkcs1()?),
                    announced: None,
                    rsa: Some((key.n().to_vec(), private_exponent)),
                });
            }
        }
    }

    fn ecdsa(curve: Curve, hash: Hash) -> Result<Self, ErrorStack> {
        let key = ChipKey::generate(curve)?;
        let private_key = key.private().expose().to_vec().into();
        Ok(ActiveKey {
            private: ActiveAuthenticationKey::Ec { parameter_id: curve.parameter_id(), private_key },
            public: key.public(),
            announced: Some(hash),
            rsa: None,
        })
    }

    /// The private key as it is written to the chip.
    pub fn to_chip(&self) -> &ActiveAuthenticationKey {
        &self.private
    }

    /// Modulus and private exponent of an RSA key, both big endian and of one length.
    pub fn rsa(&self) -> Option<(&[u8], &Secret)> {
        self.rsa.as_ref().map(|(modulus, exponent)| (modulus.as_slice(), exponent))
    }

    /// The public key for DG15.
    pub fn public(&self) -> &PublicKeyInfo {
        &self.public
    }

    /// The hash that DG14 announces: of ECDSA only, as an RSA signature names its own.
    pub fn announced(&self) -> Option<Hash> {
        self.announced
    }
}

impl std::fmt::Debug for ActiveKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ActiveKey({:?})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_active_authentication_are_never_shown_and_rsa_keys_have_no_leading_zero() {
        for kind in [ActiveKeyKind::Rsa1024, ActiveKeyKind::P384] {
            let key = ActiveKey::generate(kind).unwrap();
            let shown = format!("{key:?}");
            let private = match (key.to_chip(), key.rsa()) {
                (ActiveAuthenticationKey::Rsa(der), Some((modulus, exponent))) => {
                    assert_eq!((modulus.len(), exponent.expose().len()), (128, 128));
                    assert_ne!(exponent.expose()[0], 0);
                    assert_eq!(Rsa::private_key_from_der(der).unwrap().d().to_vec(), exponent.expose());
                    exponent.expose().to_vec()
                }
                (ActiveAuthenticationKey::Ec { private_key, .. }, None) => private_key.to_vec(),
                _ => panic!("{kind:?}"),
            };
            assert!(!shown.contains(&hex::encode(private)), "{shown}");
            assert_eq!(key.public().is_rsa(), key.announced().is_none());
        }
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
