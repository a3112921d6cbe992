//! The value of DGI `8005`: the private key of Active Authentication.
//!
//! ```text
//! 80 standardized domain parameter id, 82 private key     ECDSA
//! 83 RSAPrivateKey (PKCS#1, DER)                           RSA
//! ```

use std::fmt;

use iso7816::tlv::{Reader, Tag, Writer};
use zeroize::Zeroizing;

use super::FormatError;

const PARAMETERS: Tag = Tag(0x80);
const EC_KEY: Tag = Tag(0x82);
const RSA_KEY: Tag = Tag(0x83);

/// A private key of Active Authentication (9303-11 §6.1), to be written to a chip.
#[derive(Clone, PartialEq, Eq)]
pub enum ActiveAuthenticationKey {
    /// RSA: RSAPrivateKey (PKCS#1), DER.
    Rsa(Zeroizing<Vec<u8>>),
    /// ECDSA.
    Ec {
        /// Standardized domain parameters (9303-11 table 3).
        parameter_id: u8,
        /// Big endian, as long as the curve's order.
        private_key: Zeroizing<Vec<u8>>,
    },
}

impl ActiveAuthenticationKey {
    /// The value before padding and encryption.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::new();
        match self {
            Self::Rsa(key) => writer.put(RSA_KEY, &**key),
            Self::Ec { parameter_id, private_key } => {
                writer.put(PARAMETERS, [*parameter_id]).put(EC_KEY, &**private_key)
            }
        };
        Zeroizing::new(writer.finish())
    }

    /// Reads the decrypted value without its padding.
    ///
    /// # Errors
    /// When it is not of one of the two forms.
    pub fn parse(value: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(value);
        let key = match reader.optional(PARAMETERS)? {
            None => Self::Rsa(Zeroizing::new(reader.expect(RSA_KEY)?.to_vec())),
            Some(&[parameter_id]) => {
                Self::Ec { parameter_id, private_key: Zeroizing::new(reader.expect(EC_KEY)?.to_vec()) }
            }
            Some(other) => return Err(FormatError::Length { field: "domain parameter id", length: other.len() }),
        };
        reader.end()?;
        Ok(key)
    }
}

impl fmt::Debug for ActiveAuthenticationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActiveAuthenticationKey")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_and_meaning() {
        let ec = ActiveAuthenticationKey::Ec { parameter_id: 12, private_key: vec![7; 32].into() };
        assert_eq!(hex::encode(&*ec.to_bytes()), format!("80010c8220{}", "07".repeat(32)));
        let rsa = ActiveAuthenticationKey::Rsa(vec![0x30, 0x00].into());
        assert_eq!(hex::encode(&*rsa.to_bytes()), "83023000");
        for key in [ec, rsa] {
            assert_eq!(ActiveAuthenticationKey::parse(&key.to_bytes()).unwrap(), key);
            assert_eq!(format!("{key:?}"), "ActiveAuthenticationKey");
        }
        for bad in ["", "80010c", "80020c0c820107", "8220", "8302300000"] {
            assert!(ActiveAuthenticationKey::parse(&hex::decode(bad).unwrap()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = ActiveAuthenticationKey::parse(&bytes);
        }
    }
}
