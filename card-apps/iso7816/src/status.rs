//! Status words: a table of the known ones; unknown values survive.

use std::fmt;

/// The two status bytes that end every response (7816-4 §5.6), as one number: `0x9000`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(pub u16);

macro_rules! statuses {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl Status {
            $(#[doc = concat!("`", stringify!($value), "`: ", $text, ".")]
            pub const $name: Status = Status($value);)*
        }

        /// Every status word that has a fixed meaning, with that meaning in plain words.
        const TABLE: &[(Status, &str)] = &[$((Status($value), $text)),*];
    };
}

statuses! {
    OK = 0x9000, "success";
    NO_INFORMATION_CHANGED = 0x6200, "warning, memory unchanged";
    CORRUPTED_DATA = 0x6281, "part of the returned data may be corrupted";
    END_OF_FILE = 0x6282, "end of file reached before reading the expected number of bytes";
    FILE_DEACTIVATED = 0x6283, "selected file deactivated";
    FILE_TERMINATED = 0x6285, "selected file in termination state";
    AUTHENTICATION_FAILED = 0x6300, "authentication failed";
    EXECUTION_ERROR = 0x6400, "execution error, memory unchanged";
    MEMORY_FAILURE = 0x6581, "memory failure";
    WRONG_LENGTH = 0x6700, "wrong length";
    CHANNEL_NOT_SUPPORTED = 0x6881, "logical channel not supported";
    SECURE_MESSAGING_NOT_SUPPORTED = 0x6882, "secure messaging not supported";
    LAST_COMMAND_EXPECTED = 0x6883, "last command of the chain expected";
    CHAINING_NOT_SUPPORTED = 0x6884, "command chaining not supported";
    COMMAND_NOT_ALLOWED = 0x6900, "command not allowed";
    INCOMPATIBLE_FILE = 0x6981, "command incompatible with the file structure";
    SECURITY_NOT_SATISFIED = 0x6982, "security status not satisfied";
    METHOD_BLOCKED = 0x6983, "authentication method blocked";
    REFERENCE_DATA_NOT_USABLE = 0x6984, "reference data not usable";
    CONDITIONS_NOT_SATISFIED = 0x6985, "conditions of use not satisfied";
    NO_CURRENT_FILE = 0x6986, "command not allowed, no current file";
    SM_OBJECTS_MISSING = 0x6987, "expected secure messaging data objects missing";
    SM_OBJECTS_INCORRECT = 0x6988, "incorrect secure messaging data objects";
    WRONG_DATA = 0x6A80, "incorrect parameters in the command data";
    FUNCTION_NOT_SUPPORTED = 0x6A81, "function not supported";
    FILE_NOT_FOUND = 0x6A82, "file or application not found";
    RECORD_NOT_FOUND = 0x6A83, "record not found";
    NOT_ENOUGH_MEMORY = 0x6A84, "not enough memory";
    INCORRECT_P1_P2 = 0x6A86, "incorrect parameters P1-P2";
    INCONSISTENT_NC = 0x6A87, "Nc inconsistent with P1-P2";
    REFERENCED_DATA_NOT_FOUND = 0x6A88, "referenced data not found";
    WRONG_P1_P2 = 0x6B00, "wrong parameters P1-P2";
    INSTRUCTION_NOT_SUPPORTED = 0x6D00, "instruction not supported";
    CLASS_NOT_SUPPORTED = 0x6E00, "class not supported";
    UNKNOWN_ERROR = 0x6F00, "no precise diagnosis";
}

impl Status {
    /// The first status byte.
    pub const fn sw1(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// The second status byte.
    pub const fn sw2(self) -> u8 {
        (self.0 & 0xFF) as u8
    }

    /// True for `9000` only; `61xx` and warnings are not plain success.
    pub const fn is_ok(self) -> bool {
        self.0 == 0x9000
    }

    /// `61xx`: that many more bytes wait to be fetched (`0` means 256 or more).
    pub const fn bytes_available(self) -> Option<u8> {
        if self.sw1() == 0x61 { Some(self.sw2()) } else { None }
    }

    /// `6Cxx`: the command should be repeated with this Le (`0` means 256).
    pub const fn exact_le(self) -> Option<u8> {
        if self.sw1() == 0x6C { Some(self.sw2()) } else { None }
    }

    /// `63Cx`: tries left.
    pub const fn tries_left(self) -> Option<u8> {
        if self.0 & 0xFFF0 == 0x63C0 { Some(self.sw2() & 0x0F) } else { None }
    }

    /// What the standard calls this status; an unknown value is said to be unknown.
    pub fn meaning(self) -> &'static str {
        if self.tries_left().is_some() {
            return "verification failed, tries left in the last digit";
        }
        if self.bytes_available().is_some() {
            return "more response bytes available";
        }
        if self.exact_le().is_some() {
            return "wrong Le, exact length in the second byte";
        }
        TABLE
            .iter()
            .find(|(status, _)| *status == self)
            .map_or("a status word this tool does not know", |(_, text)| text)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X} ({})", self.0, self.meaning())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_unknown_statuses_survive() {
        assert_eq!(Status(0x9000), Status::OK);
        assert_eq!(Status(0x6A82).to_string(), "6A82 (file or application not found)");
        assert_eq!(Status(0x9FAB).to_string(), "9FAB (a status word this tool does not know)");
        assert_eq!(Status(0x63C2).tries_left(), Some(2));
        assert_eq!(Status(0x6110).bytes_available(), Some(0x10));
        assert_eq!(Status(0x6C00).exact_le(), Some(0));
    }
}
