//! What two ends agree to use: ciphers, curves, and groups for Diffie-Hellman.

use std::fmt;

use asn1_rs::oid;
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
    /// NIST P-192 (secp192r1).
    P192,
    /// brainpoolP192r1 (RFC 5639).
    BrainpoolP192r1,
    /// NIST P-224 (secp224r1).
    P224,
    /// brainpoolP224r1.
    BrainpoolP224r1,
    /// NIST P-256 (secp256r1).
    P256,
    /// brainpoolP256r1.
    BrainpoolP256r1,
    /// brainpoolP320r1.
    BrainpoolP320r1,
    /// NIST P-384 (secp384r1).
    P384,
    /// brainpoolP384r1.
    BrainpoolP384r1,
    /// brainpoolP512r1.
    BrainpoolP512r1,
    /// NIST P-521 (secp521r1).
    P521,
}

impl Curve {
    /// Every curve, in the order of the parameter numbers 8 to 18.
    pub const ALL: [Curve; 11] = [
        Curve::P192,
        Curve::BrainpoolP192r1,
        Curve::P224,
        Curve::BrainpoolP224r1,
        Curve::P256,
        Curve::BrainpoolP256r1,
        Curve::BrainpoolP320r1,
        Curve::P384,
        Curve::BrainpoolP384r1,
        Curve::BrainpoolP512r1,
        Curve::P521,
    ];

    /// The curve with this standardized domain parameter number: 8 to 18; `None` for others.
    pub fn from_parameter_id(id: u8) -> Option<Self> {
        Curve::ALL.into_iter().find(|curve| curve.parameter_id() == id)
    }

    /// The standardized domain parameter number (9303-11 §9.5.1).
    pub const fn parameter_id(self) -> u8 {
        self as u8 + 8
    }

    /// Bytes in a coordinate, a private key, a shared secret and each half of a plain signature: these curves have
    /// orders as wide as their fields.
    pub const fn field_length(self) -> usize {
        self.bits().div_ceil(8)
    }

    /// The name people use.
    pub const fn name(self) -> &'static str {
        match self {
            Curve::P192 => "P-192",
            Curve::BrainpoolP192r1 => "brainpoolP192r1",
            Curve::P224 => "P-224",
            Curve::BrainpoolP224r1 => "brainpoolP224r1",
            Curve::P256 => "P-256",
            Curve::BrainpoolP256r1 => "brainpoolP256r1",
            Curve::BrainpoolP320r1 => "brainpoolP320r1",
            Curve::P384 => "P-384",
            Curve::BrainpoolP384r1 => "brainpoolP384r1",
            Curve::BrainpoolP512r1 => "brainpoolP512r1",
            Curve::P521 => "P-521",
        }
    }

    /// The content bytes of the curve's object identifier.
    pub fn oid(self) -> &'static [u8] {
        match self {
            Curve::P192 => &oid!(raw 1.2.840.10045.3.1.1),
            Curve::BrainpoolP192r1 => &oid!(raw 1.3.36.3.3.2.8.1.1.3),
            Curve::P224 => &oid!(raw 1.3.132.0.33),
            Curve::BrainpoolP224r1 => &oid!(raw 1.3.36.3.3.2.8.1.1.5),
            Curve::P256 => &oid!(raw 1.2.840.10045.3.1.7),
            Curve::BrainpoolP256r1 => &oid!(raw 1.3.36.3.3.2.8.1.1.7),
            Curve::BrainpoolP320r1 => &oid!(raw 1.3.36.3.3.2.8.1.1.9),
            Curve::P384 => &oid!(raw 1.3.132.0.34),
            Curve::BrainpoolP384r1 => &oid!(raw 1.3.36.3.3.2.8.1.1.11),
            Curve::BrainpoolP512r1 => &oid!(raw 1.3.36.3.3.2.8.1.1.13),
            Curve::P521 => &oid!(raw 1.3.132.0.35),
        }
    }

    /// The curve with this object identifier.
    pub fn from_oid(bytes: &[u8]) -> Option<Self> {
        Curve::ALL.into_iter().find(|curve| curve.oid() == bytes)
    }

    /// Length of the order of the base point in bytes: that of each number in a plain signature.
    pub const fn order_length(self) -> usize {
        self.field_length()
    }

    /// Bits of the field, and of the order.
    pub(crate) const fn bits(self) -> usize {
        match self {
            Curve::P192 | Curve::BrainpoolP192r1 => 192,
            Curve::P224 | Curve::BrainpoolP224r1 => 224,
            Curve::P256 | Curve::BrainpoolP256r1 => 256,
            Curve::BrainpoolP320r1 => 320,
            Curve::P384 | Curve::BrainpoolP384r1 => 384,
            Curve::BrainpoolP512r1 => 512,
            Curve::P521 => 521,
        }
    }

    /// OpenSSL's number of the curve.
    pub const fn nid(self) -> Nid {
        match self {
            Curve::P192 => Nid::X9_62_PRIME192V1,
            Curve::BrainpoolP192r1 => Nid::BRAINPOOL_P192R1,
            Curve::P224 => Nid::SECP224R1,
            Curve::BrainpoolP224r1 => Nid::BRAINPOOL_P224R1,
            Curve::P256 => Nid::X9_62_PRIME256V1,
            Curve::BrainpoolP256r1 => Nid::BRAINPOOL_P256R1,
            Curve::BrainpoolP320r1 => Nid::BRAINPOOL_P320R1,
            Curve::P384 => Nid::SECP384R1,
            Curve::BrainpoolP384r1 => Nid::BRAINPOOL_P384R1,
            Curve::BrainpoolP512r1 => Nid::BRAINPOOL_P512R1,
            Curve::P521 => Nid::SECP521R1,
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A subgroup of the numbers modulo a prime, with standardized domain parameters (RFC 5114).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ModpGroup {
    /// 1024-bit prime, 160-bit order.
    Modp1024Order160,
    /// 2048-bit prime, 224-bit order.
    Modp2048Order224,
    /// 2048-bit prime, 256-bit order.
    Modp2048Order256,
}

impl ModpGroup {
    /// Every group, in the order of the parameter numbers 0 to 2.
    pub const ALL: [ModpGroup; 3] =
        [ModpGroup::Modp1024Order160, ModpGroup::Modp2048Order224, ModpGroup::Modp2048Order256];

    /// Bytes in an element and a shared secret: 128 or 256.
    pub const fn prime_length(self) -> usize {
        match self {
            ModpGroup::Modp1024Order160 => 128,
            ModpGroup::Modp2048Order224 | ModpGroup::Modp2048Order256 => 256,
        }
    }

    /// Bytes in the order: 20, 28 or 32.
    pub const fn order_length(self) -> usize {
        match self {
            ModpGroup::Modp1024Order160 => 20,
            ModpGroup::Modp2048Order224 => 28,
            ModpGroup::Modp2048Order256 => 32,
        }
    }
}

/// Where keys are agreed on: one of the standardized domain parameters of 9303-11 §9.5.1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Group {
    /// DH, numbers 0 to 2.
    Modp(ModpGroup),
    /// ECDH, numbers 8 to 18.
    Curve(Curve),
}

impl Group {
    /// Every group.
    pub fn all() -> impl Iterator<Item = Group> {
        ModpGroup::ALL.into_iter().map(Group::Modp).chain(Curve::ALL.into_iter().map(Group::Curve))
    }

    /// The group with this standardized domain parameter number; `None` for the reserved ones.
    pub fn from_parameter_id(id: u8) -> Option<Self> {
        Group::all().find(|group| group.parameter_id() == id)
    }

    /// The standardized domain parameter number.
    pub const fn parameter_id(self) -> u8 {
        match self {
            Group::Modp(group) => group as u8,
            Group::Curve(curve) => curve.parameter_id(),
        }
    }

    /// The name people use.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Modp(ModpGroup::Modp1024Order160) => "MODP 1024/160",
            Group::Modp(ModpGroup::Modp2048Order224) => "MODP 2048/224",
            Group::Modp(ModpGroup::Modp2048Order256) => "MODP 2048/256",
            Group::Curve(curve) => curve.name(),
        }
    }

    /// The curve, of a group that is one.
    pub const fn curve(self) -> Option<Curve> {
        match self {
            Group::Curve(curve) => Some(curve),
            Group::Modp(_) => None,
        }
    }

    /// Bytes in a private key that this crate draws: as wide as the order.
    pub const fn private_length(self) -> usize {
        match self {
            Group::Modp(group) => group.order_length(),
            Group::Curve(curve) => curve.field_length(),
        }
    }

    /// Bytes in a shared secret: as wide as the field, or the prime.
    pub const fn shared_length(self) -> usize {
        match self {
            Group::Modp(group) => group.prime_length(),
            Group::Curve(curve) => curve.field_length(),
        }
    }
}

impl From<Curve> for Group {
    fn from(curve: Curve) -> Self {
        Group::Curve(curve)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_the_numbers_of_the_standard() {
        let numbers: Vec<u8> = Group::all().map(Group::parameter_id).collect();
        assert_eq!(numbers, [&[0, 1, 2][..], &(8..=18).collect::<Vec<u8>>()].concat());
        for id in numbers {
            assert_eq!(Group::from_parameter_id(id).unwrap().parameter_id(), id);
        }
        assert_eq!(Group::from_parameter_id(3), None);
        assert_eq!(Curve::from_parameter_id(12), Some(Curve::P256));
        assert_eq!(Curve::from_parameter_id(13), Some(Curve::BrainpoolP256r1));
        assert_eq!(Curve::from_parameter_id(15), Some(Curve::P384));
        assert_eq!(Curve::from_parameter_id(18), Some(Curve::P521));
        assert_eq!(Curve::from_parameter_id(7), None);
    }

    #[test]
    fn short_reads_fill_a_short_response() {
        assert_eq!(Cipher::TripleDes.short_read(), 231);
        assert_eq!(Cipher::Aes256.short_read(), 223);
    }
}
