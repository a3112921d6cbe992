//! What two ends agree to use: a block cipher and an elliptic curve.

use openssl::nid::Nid;

/// Block cipher of a session, with the MAC that goes with it: retail MAC for 3DES, CMAC for AES.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cipher {
    /// Two-key 3DES, 112 bits.
    TripleDes,
    /// AES with a 128-bit key.
    Aes128,
    /// AES with a 192-bit key.
    Aes192,
    /// AES with a 256-bit key.
    Aes256,
}

impl Cipher {
    /// Every cipher, in the order of the last arc of the standards' object identifiers (1 to 4).
    pub const ALL: [Cipher; 4] = [Cipher::TripleDes, Cipher::Aes128, Cipher::Aes192, Cipher::Aes256];

    /// Bytes in a key: 16, 16, 24, 32.
    pub const fn key_length(self) -> usize {
        match self {
            Cipher::TripleDes | Cipher::Aes128 => 16,
            Cipher::Aes192 => 24,
            Cipher::Aes256 => 32,
        }
    }

    /// Bytes in a block: 8 for 3DES, 16 for AES. The send sequence counter is one block long.
    pub const fn block_length(self) -> usize {
        match self {
            Cipher::TripleDes => 8,
            _ => 16,
        }
    }

    /// The most plain bytes a protected response of at most 256 bytes can carry: 231 for 3DES, 223 for AES.
    ///
    /// A terminal that reads with short commands asks for no more.
    pub const fn short_read(self) -> u32 {
        // 256 less DO 99 (4), DO 8E (10) and the head of DO 87 (4), in whole blocks, less one byte of padding.
        let blocks = (256 - 4 - 10 - 4) / self.block_length();
        (blocks * self.block_length() - 1) as u32
    }
}

/// An elliptic curve with standardized domain parameters (9303-11 §9.5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Curve {
    /// NIST P-256 (secp256r1).
    P256,
    /// NIST P-384 (secp384r1).
    P384,
    /// brainpoolP256r1 (RFC 5639).
    BrainpoolP256r1,
}

impl Curve {
    /// Every curve this crate knows.
    pub const ALL: [Curve; 3] = [Curve::P256, Curve::P384, Curve::BrainpoolP256r1];

    /// The curve with this standardized domain parameter number: 12, 13 or 15; `None` for others.
    pub fn from_parameter_id(id: u8) -> Option<Self> {
        Curve::ALL.into_iter().find(|curve| curve.parameter_id() == id)
    }

    /// The standardized domain parameter number (9303-11 §9.5.1).
    pub const fn parameter_id(self) -> u8 {
        match self {
            Curve::P256 => 12,
            Curve::BrainpoolP256r1 => 13,
            Curve::P384 => 15,
        }
    }

    /// Bytes in a coordinate, a private key and a shared secret: 32 or 48.
    pub const fn field_length(self) -> usize {
        match self {
            Curve::P256 | Curve::BrainpoolP256r1 => 32,
            Curve::P384 => 48,
        }
    }

    pub(crate) fn nid(self) -> Nid {
        match self {
            Curve::P256 => Nid::X9_62_PRIME256V1,
            Curve::P384 => Nid::SECP384R1,
            Curve::BrainpoolP256r1 => Nid::BRAINPOOL_P256R1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_have_the_numbers_of_the_standard() {
        assert_eq!(Curve::from_parameter_id(12), Some(Curve::P256));
        assert_eq!(Curve::from_parameter_id(13), Some(Curve::BrainpoolP256r1));
        assert_eq!(Curve::from_parameter_id(15), Some(Curve::P384));
        assert_eq!(Curve::from_parameter_id(14), None);
    }

    #[test]
    fn short_reads_fill_a_short_response() {
        assert_eq!(Cipher::TripleDes.short_read(), 231);
        assert_eq!(Cipher::Aes256.short_read(), 223);
    }
}
