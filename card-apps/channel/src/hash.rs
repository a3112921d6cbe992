//! Hash functions of signatures.

use asn1_rs::oid;
use openssl::hash::MessageDigest;
use openssl::sha;

/// A hash function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Hash {
    /// SHA-1: legacy documents only.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Every hash, shortest first.
    pub const ALL: [Hash; 5] = [Hash::Sha1, Hash::Sha224, Hash::Sha256, Hash::Sha384, Hash::Sha512];

    /// From the content bytes of its object identifier.
    pub fn from_oid(bytes: &[u8]) -> Option<Self> {
        Hash::ALL.into_iter().find(|hash| hash.oid() == bytes)
    }

    /// The content bytes of its object identifier.
    pub fn oid(self) -> &'static [u8] {
        match self {
            Hash::Sha1 => &oid!(raw 1.3.14.3.2.26),
            Hash::Sha224 => &oid!(raw 2.16.840.1.101.3.4.2.4),
            Hash::Sha256 => &oid!(raw 2.16.840.1.101.3.4.2.1),
            Hash::Sha384 => &oid!(raw 2.16.840.1.101.3.4.2.2),
            Hash::Sha512 => &oid!(raw 2.16.840.1.101.3.4.2.3),
        }
    }

    /// The digest of `data`.
    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => sha::sha1(data).to_vec(),
            Hash::Sha224 => sha::sha224(data).to_vec(),
            Hash::Sha256 => sha::sha256(data).to_vec(),
            Hash::Sha384 => sha::sha384(data).to_vec(),
            Hash::Sha512 => sha::sha512(data).to_vec(),
        }
    }

    /// Length of a digest in bytes.
    pub const fn length(self) -> u16 {
        match self {
            Hash::Sha1 => 20,
            Hash::Sha224 => 28,
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
            Hash::Sha512 => 64,
        }
    }

    /// The same hash for OpenSSL.
    pub fn openssl(self) -> MessageDigest {
        match self {
            Hash::Sha1 => MessageDigest::sha1(),
            Hash::Sha224 => MessageDigest::sha224(),
            Hash::Sha256 => MessageDigest::sha256(),
            Hash::Sha384 => MessageDigest::sha384(),
            Hash::Sha512 => MessageDigest::sha512(),
        }
    }
}
