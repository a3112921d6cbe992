//! Who issued a certificate and who holds it (TR-03110-3 §C.1.2).
//!
//! ```text
//! reference ::= country (2 letters, ISO 3166-1) || mnemonic (1 to 9 characters, ISO 8859-1) || sequence number (5 letters or digits)
//! ```

use std::fmt;

/// The longest reference, in bytes.
const LONGEST: usize = 16;
/// The longest mnemonic, in bytes.
const LONGEST_MNEMONIC: usize = 9;

/// A certification authority reference or a certificate holder reference: it names one key.
///
/// References that were read may have any form of up to sixteen bytes; those that are made have the form of the standard.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference(Vec<u8>);

/// Why a reference is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Empty or too long.
    #[error("a reference of {0} bytes")]
    Length(usize),
    /// The country is not two capital letters.
    #[error("{0:?} is not a country of two capital letters")]
    Country(String),
    /// The mnemonic is not 1 to 9 printable characters.
    #[error("{0:?} is not a mnemonic of 1 to 9 capital letters and digits")]
    Mnemonic(String),
    /// The sequence number is not five letters or digits.
    #[error("{0:?} is not a sequence number of five capital letters and digits")]
    Sequence(String),
}

impl Reference {
    /// A reference of the standard's form.
    ///
    /// # Errors
    /// When a part is not of its form. Mnemonics are kept to letters and digits, because they name files too.
    pub fn new(country: &str, mnemonic: &str, sequence: &str) -> Result<Self, ReferenceError> {
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(ReferenceError::Country(country.to_owned()));
        }
        if !(1..=LONGEST_MNEMONIC).contains(&mnemonic.len()) || !plain(mnemonic) {
            return Err(ReferenceError::Mnemonic(mnemonic.to_owned()));
        }
        if sequence.len() != 5 || !plain(sequence) {
            return Err(ReferenceError::Sequence(sequence.to_owned()));
        }
        Ok(Reference([country, mnemonic, sequence].concat().into_bytes()))
    }

    /// A reference as it was received.
    ///
    /// # Errors
    /// When it is empty or longer than sixteen bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReferenceError> {
        match bytes.len() {
            1..=LONGEST => Ok(Reference(bytes.to_vec())),
            length => Err(ReferenceError::Length(length)),
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it has the standard's form: the mnemonic may have any printable character of ISO 8859-1.
    pub fn is_standard(&self) -> bool {
        let [first, second, mnemonic @ .., _, _, _, _, _] = self.0.as_slice() else { return false };
        let sequence = self.0.get(self.0.len().saturating_sub(5)..).unwrap_or_default();
        let printable = |byte: &u8| matches!(byte, 0x20..=0x7E | 0xA0..=0xFF);
        [first, second].into_iter().all(u8::is_ascii_uppercase)
            && !mnemonic.is_empty()
            && mnemonic.iter().all(printable)
            && sequence.iter().all(u8::is_ascii_alphanumeric)
    }

    /// Country, mnemonic and sequence number, when it has the form that [`Reference::new`] makes.
    pub fn parts(&self) -> Option<(&str, &str, &str)> {
        let text = std::str::from_utf8(&self.0).ok()?;
        let middle = text.len().checked_sub(5)?;
        let parts = (text.get(..2)?, text.get(2..middle)?, text.get(middle..)?);
        Self::new(parts.0, parts.1, parts.2).is_ok().then_some(parts)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ISO 8859-1; control characters must not reach a terminal.
        for byte in &self.0 {
            match byte {
                0x20..=0x7E | 0xA0..=0xFF => write!(f, "{}", char::from(*byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_it_was_made_of() {
        let reference = Reference::new("UT", "ISCVCA", "00001").unwrap();
        assert_eq!(reference.to_string(), "UTISCVCA00001");
        assert_eq!(reference.parts(), Some(("UT", "ISCVCA", "00001")));
        for bad in [&b"HSMCVCA"[..], b"UT00001", b"ut00ABC00001", b"UT\xE4CVCA00001"] {
            assert_eq!(Reference::from_bytes(bad).unwrap().parts(), None);
        }
        for (reference, standard) in [
            (&b"DECVCAeSign00102"[..], true),
            (b"UT\xE4CVCA00001", true),
            (b"UT\x07CVCA00001", false),
            (b"HSMCVCA", false),
            (b"UT00001", false),
            (b"ut00ABC00001", false),
            (b"UTCVCA0000!", false),
        ] {
            assert_eq!(Reference::from_bytes(reference).unwrap().is_standard(), standard, "{reference:?}");
        }
        assert_eq!(Reference::from_bytes(&[b'A'; 17]), Err(ReferenceError::Length(17)));
        assert_eq!(Reference::from_bytes(b"").unwrap_err(), ReferenceError::Length(0));
        assert_eq!(Reference::from_bytes(b"A\x1B[0m").unwrap().to_string(), "A\\x1b[0m");
    }

    #[test]
    fn parts_of_other_forms_are_refused() {
        assert!(matches!(Reference::new("uT", "CVCA", "00001"), Err(ReferenceError::Country(_))));
        assert!(matches!(Reference::new("UT", "TENLETTERS", "00001"), Err(ReferenceError::Mnemonic(_))));
        assert!(matches!(Reference::new("UT", "../x", "00001"), Err(ReferenceError::Mnemonic(_))));
        assert!(matches!(Reference::new("UT", "CVCA", "1"), Err(ReferenceError::Sequence(_))));
    }
}
