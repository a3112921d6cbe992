//! Whom a post believes: fingerprints that travelled on paper, and how many of them it takes.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::public_key::PublicKey;

/// SHA-256 of the SubjectPublicKeyInfo of a bundle signer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pin(pub [u8; 32]);

impl Pin {
    /// The pin of a key.
    pub fn of(key: &PublicKey) -> Self {
        Pin(key.fingerprint())
    }

    /// Reads 64 hexadecimal digits; colons and spaces between them are ignored.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
        let mut pin = [0; 32];
        hex::decode_to_slice(digits, &mut pin).ok()?;
        Some(Pin(pin))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl Serialize for Pin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Pin::from_hex(&text).ok_or_else(|| de::Error::custom("a fingerprint is 64 hexadecimal digits"))
    }
}

/// The signers whom a post believes, and how many of them must have signed: one of one, two of three.
///
/// As a file it is one line, or the threshold and then one line for each signer:
///
/// ```text
/// threshold 2
/// 23acefbf903c8b6986b22a6d48089fb2ae5a4a2a990f38a1d745be919dd9f87d
/// 5e3c...
/// 90aa...
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Pins {
    threshold: usize,
    fingerprints: BTreeSet<Pin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    threshold: usize,
    fingerprints: Vec<Pin>,
}

/// Why pins make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinsError {
    /// A line that is neither.
    #[error("{0:?} is not a fingerprint of 64 hexadecimal digits")]
    Fingerprint(String),
    /// None, more signers than there are, or one that is not a number.
    #[error("a threshold of {threshold} makes no sense with {signers} different signers")]
    Threshold {
        /// How many must sign.
        threshold: usize,
        /// How many different signers there are.
        signers: usize,
    },
    /// More signers than are counted.
    #[error("more than {} signers", Pins::MAX)]
    TooMany,
}

impl Pins {
    /// The most signers that can be pinned.
    pub const MAX: usize = 16;

    /// So many of these signers; the same fingerprint twice is one signer.
    ///
    /// # Errors
    /// When fewer different signers are named than must sign, or too many, or none must.
    pub fn new(threshold: usize, fingerprints: impl IntoIterator<Item = Pin>) -> Result<Self, PinsError> {
        let fingerprints: BTreeSet<Pin> = fingerprints.into_iter().take(Self::MAX * Self::MAX).collect();
        match fingerprints.len() {
            signers if signers > Self::MAX => Err(PinsError::TooMany),
            signers if threshold == 0 || threshold > signers => Err(PinsError::Threshold { threshold, signers }),
            _ => Ok(Pins { threshold, fingerprints }),
        }
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    /// When a line cannot be read, or the pins make no sense.
    pub fn from_text(text: &str) -> Result<Self, PinsError> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
        let stated = lines.next_if(|line| line.starts_with("threshold "));
        let threshold = stated.and_then(|line| line.split_whitespace().nth(1)).map_or(Ok(1), str::parse);
        let fingerprint = |line| Pin::from_hex(line).ok_or_else(|| PinsError::Fingerprint(line.to_owned()));
        let fingerprints = lines.map(fingerprint).collect::<Result<Vec<_>, _>>()?;
        Pins::new(threshold.unwrap_or(0), fingerprints)
    }

    /// How many must have signed.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// The signers, in the order of their fingerprints.
    pub fn fingerprints(&self) -> impl Iterator<Item = &Pin> {
        self.fingerprints.iter()
    }

    /// Whether this is one of the signers.
    pub fn contains(&self, pin: &Pin) -> bool {
        self.fingerprints.contains(pin)
    }

    /// How many signers there are.
    pub fn count(&self) -> usize {
        self.fingerprints.len()
    }

    /// The text of the file: of one signer his fingerprint alone, as the first release wrote it.
    pub fn to_text(&self) -> String {
        let threshold = if self.count() == 1 { String::new() } else { format!("threshold {}\n", self.threshold) };
        self.fingerprints.iter().fold(threshold, |text, pin| format!("{text}{pin}\n"))
    }
}

impl From<Pin> for Pins {
    fn from(pin: Pin) -> Self {
        Pins { threshold: 1, fingerprints: [pin].into() }
    }
}

impl TryFrom<Unchecked> for Pins {
    type Error = PinsError;

    fn try_from(unchecked: Unchecked) -> Result<Self, PinsError> {
        Pins::new(unchecked.threshold, unchecked.fingerprints)
    }
}

/// `2 of 3: 23ac..., 5e3c..., 90aa...`; one signer is his fingerprint.
impl fmt::Display for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count() > 1 {
            write!(f, "{} of {}: ", self.threshold, self.count())?;
        }
        let names: Vec<String> = self.fingerprints.iter().map(ToString::to_string).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_as_it_is_printed() {
        let pin = Pin([0xAB; 32]);
        assert_eq!(Pin::from_hex(&pin.to_string()), Some(pin));
        assert_eq!(Pin::from_hex(&"abababab ".repeat(8)), Some(pin));
        assert_eq!(Pin::from_hex(&"AB:".repeat(32)), Some(pin));
        assert_eq!(Pin::from_hex("abab"), None);
    }

    #[test]
    fn the_file_of_the_first_release_is_one_of_one() {
        let pin = Pin([0xAB; 32]);
        let pins = Pins::from_text(&format!("{pin}\n")).unwrap();
        assert_eq!((&pins, pins.threshold()), (&pin.into(), 1));
        assert_eq!(pins.to_text(), format!("{pin}\n"));
        let three = Pins::new(2, [Pin([1; 32]), Pin([2; 32]), Pin([3; 32])]).unwrap();
        assert_eq!(Pins::from_text(&three.to_text()).unwrap(), three);
        assert_eq!(serde_json::from_str::<Pins>(&serde_json::to_string(&three).unwrap()).unwrap(), three);
    }

    #[test]
    fn pins_that_nobody_or_one_alone_could_satisfy_are_refused() {
        let (one, two) = (Pin([1; 32]), Pin([2; 32]));
        for (threshold, pins) in [(0, vec![one]), (2, vec![one]), (2, vec![one, one]), (1, vec![])] {
            assert!(matches!(Pins::new(threshold, pins.clone()), Err(PinsError::Threshold { .. })), "{pins:?}");
            assert!(
                serde_json::from_value::<Pins>(serde_json::json!({ "threshold": threshold, "fingerprints": pins }))
                    .is_err()
            );
        }
        let many = (0..17).map(|byte| Pin([byte; 32]));
        assert_eq!(Pins::new(1, many), Err(PinsError::TooMany));
        for text in ["", "threshold 1", "threshold x\n0101", "threshold 2\nxyz"] {
            assert!(Pins::from_text(text).is_err(), "{text}");
        }
        assert!(Pins::from_text(&format!("threshold many\n{one}\n{two}")).is_err());
    }
}
