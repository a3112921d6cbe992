//! PIN and PUK, and the commands that carry them (SP 800-73-4 part 2 §2.4.3, §3.2.1 to §3.2.3).
//!
//! ```text
//! VERIFY                   00 20 00 80   PIN          | no data: how many tries are left | P1 FF: forget it
//! CHANGE REFERENCE DATA    00 24 00 80   old PIN || new PIN        | 81: old PUK || new PUK
//! RESET RETRY COUNTER      00 2C 00 80   PUK || new PIN
//!
//! PIN   6 to 8 digits in ASCII, filled with FF to 8 bytes
//! PUK   8 bytes
//! ```
//!
//! Inside the issuer's channel CHANGE REFERENCE DATA with P1 `FF` sets a PIN or PUK without knowing the old one; a PIN
//! so set is a transport PIN. With an AES algorithm in P1 and key reference `9B` it sets the management key.

use channel::secret::Secret;
use iso7816::Command;

/// VERIFY.
pub const INS_VERIFY: u8 = 0x20;
/// CHANGE REFERENCE DATA.
pub const INS_CHANGE_REFERENCE_DATA: u8 = 0x24;
/// RESET RETRY COUNTER.
pub const INS_RESET_RETRY_COUNTER: u8 = 0x2C;
/// Key reference of the PIN.
pub const PIN: u8 = 0x80;
/// Key reference of the PUK.
pub const PUK: u8 = 0x81;
/// P1 of the issuer's CHANGE REFERENCE DATA.
pub const SET: u8 = 0xFF;
/// Bytes of a PIN or PUK in a command.
pub const LENGTH: usize = 8;

const FILLER: u8 = 0xFF;
const DIGITS: std::ops::RangeInclusive<usize> = 6..=8;

/// Why something is no PIN or PUK. It never quotes what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Not 6 to 8 digits with their filler.
    #[error("a PIN has 6 to 8 digits")]
    Pin,
    /// Not 8 bytes.
    #[error("a PUK has 8 bytes")]
    Puk,
}

/// A PIN in the form that commands carry: wiped when dropped, compared in constant time, never printed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pin(Secret);

impl Pin {
    /// A PIN that somebody typed.
    ///
    /// # Errors
    /// When it is not 6 to 8 ASCII digits.
    pub fn from_digits(digits: &[u8]) -> Result<Self, PinError> {
        if !DIGITS.contains(&digits.len()) {
            return Err(PinError::Pin);
        }
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(digits);
        bytes.resize(LENGTH, FILLER);
        Self::parse(&bytes)
    }

    /// A PIN as a command carries it.
    ///
    /// # Errors
    /// When it is not 6 to 8 digits filled with `FF` to 8 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, PinError> {
        let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let filled = bytes.iter().skip(digits).all(|byte| *byte == FILLER);
        let good = bytes.len() == LENGTH && DIGITS.contains(&digits) && filled;
        good.then(|| Pin(Secret::from(bytes))).ok_or(PinError::Pin)
    }

    /// The eight bytes.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

/// A PUK: wiped when dropped, compared in constant time, never printed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Puk(Secret);

impl Puk {
    /// Takes eight bytes of any value.
    ///
    /// # Errors
    /// For any other length.
    pub fn parse(bytes: &[u8]) -> Result<Self, PinError> {
        (bytes.len() == LENGTH).then(|| Puk(Secret::from(bytes))).ok_or(PinError::Puk)
    }

    /// The eight bytes.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

/// VERIFY with a PIN.
pub fn verify(pin: &Pin) -> Command {
    Command::new(0x00, INS_VERIFY, 0x00, PIN).with_data(pin.0.expose())
}

/// VERIFY without data: `9000` when verified, else `63Cx` or `6983`.
pub fn tries_left() -> Command {
    Command::new(0x00, INS_VERIFY, 0x00, PIN)
}

/// The holder's change of the PIN; the transport PIN's only use.
pub fn change_pin(old: &Pin, new: &Pin) -> Command {
    Command::new(0x00, INS_CHANGE_REFERENCE_DATA, 0x00, PIN).with_data([old.0.expose(), new.0.expose()].concat())
}

/// The holder's change of the PUK.
pub fn change_puk(old: &Puk, new: &Puk) -> Command {
    Command::new(0x00, INS_CHANGE_REFERENCE_DATA, 0x00, PUK).with_data([old.0.expose(), new.0.expose()].concat())
}

/// A new PIN for whoever knows the PUK.
pub fn reset(puk: &Puk, new: &Pin) -> Command {
    Command::new(0x00, INS_RESET_RETRY_COUNTER, 0x00, PIN).with_data([puk.0.expose(), new.0.expose()].concat())
}

/// The issuer's transport PIN, inside its channel.
pub fn set_transport_pin(pin: &Pin) -> Command {
    Command::new(0x00, INS_CHANGE_REFERENCE_DATA, SET, PIN).with_data(pin.0.expose())
}

/// The issuer's PUK, inside its channel.
pub fn set_puk(puk: &Puk) -> Command {
    Command::new(0x00, INS_CHANGE_REFERENCE_DATA, SET, PUK).with_data(puk.0.expose())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pin_has_six_to_eight_digits() {
        for (text, good) in [
            ("313233343536ffff", true),
            ("31323334353637ff", true),
            ("3132333435363738", true),
            ("3132333435ffffff", false),
            ("3132ff3435363738", false),
            ("ffffffffffffffff", false),
            ("313233343536ff", false),
            ("313233343536ffffff", false),
            ("3132333435360000", false),
            ("31323334353641ff", false),
        ] {
            assert_eq!(Pin::parse(&hex::decode(text).unwrap()).is_ok(), good, "{text}");
        }
        assert_eq!(Pin::from_digits(b"12345"), Err(PinError::Pin));
        assert_eq!(Pin::from_digits(b"123456789"), Err(PinError::Pin));
        let pin = Pin::from_digits(b"123456").unwrap();
        assert_eq!(hex::encode(verify(&pin).to_bytes()), "0020008008313233343536ffff");
        assert!(!format!("{pin:?}").contains("49"));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = (Pin::parse(&bytes), Pin::from_digits(&bytes), Puk::parse(&bytes));
        }
    }
}
