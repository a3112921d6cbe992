//! Bytes that must not be seen: wiped when dropped, compared in constant time, never printed.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A key, a password or another secret.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Secret(bytes)
    }

    /// The bytes, for the one operation that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        Secret(bytes.to_vec())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Constant-time equality; the length is not a secret.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && openssl::memcmp::eq(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_type_and_nothing_else() {
        assert_eq!(format!("{:?}", Secret::new(b"123456".to_vec())), "Secret");
    }

    #[test]
    fn equality_looks_at_length_and_bytes() {
        let secret = Secret::new(vec![1, 2]);
        assert_eq!(secret, Secret::from(&[1, 2][..]));
        assert_ne!(secret, Secret::new(vec![1, 3]));
        assert_ne!(secret, Secret::new(vec![1, 2, 3]));
    }
}
