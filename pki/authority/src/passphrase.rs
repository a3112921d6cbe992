//! The passphrase of a key file.

use std::fmt;

use zeroize::Zeroizing;

/// The shortest passphrase a new key is encrypted with, in bytes.
pub const MIN_PASSPHRASE: usize = 8;

/// A passphrase: wiped from memory when dropped, never shown.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes over the bytes. One line ending at the end is not part of a passphrase.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let mut bytes = Zeroizing::new(bytes.into());
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        Passphrase(bytes)
    }

    /// Bytes that are no line of a file.
    pub(crate) fn of(bytes: Zeroizing<Vec<u8>>) -> Self {
        Passphrase(bytes)
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}
