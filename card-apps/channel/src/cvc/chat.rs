//! What a certificate holder is and may do: the certificate holder authorisation template (TR-03110-3 §C.1.5, §C.4).
//!
//! ```text
//! 7F4C { 06 terminal type, 53 template }
//! template ::= 1 byte (inspection, signature) | 5 bytes (authentication); the two highest bits are the level, each other bit a right
//! ```

use std::fmt;

use asn1_rs::oid;
use iso7816::tlv::{Reader, Tag, TlvError, Writer};

use super::OID;

const TEMPLATE: Tag = Tag(0x53);

/// Which kind of terminal a certificate belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum TerminalType {
    /// Inspection system: reads travel documents.
    Inspection,
    /// Authentication terminal: reads and writes citizen data.
    Authentication,
    /// Signature terminal: lets a card sign.
    Signature,
}

impl TerminalType {
    /// Every type.
    pub const ALL: [TerminalType; 3] = [Self::Inspection, Self::Authentication, Self::Signature];

    /// The abbreviation of the standard.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inspection => "IS",
            Self::Authentication => "AT",
            Self::Signature => "ST",
        }
    }

    fn oid(self) -> &'static [u8] {
        match self {
            Self::Inspection => &oid!(raw 0.4.0.127.0.7.3.1.2.1),
            Self::Authentication => &oid!(raw 0.4.0.127.0.7.3.1.2.2),
            Self::Signature => &oid!(raw 0.4.0.127.0.7.3.1.2.3),
        }
    }

    /// Length of the template in bytes.
    fn width(self) -> usize {
        match self {
            Self::Authentication => 5,
            Self::Inspection | Self::Signature => 1,
        }
    }

    fn level_shift(self) -> usize {
        8 * self.width() - 2
    }

    fn rights_mask(self) -> u64 {
        (1 << self.level_shift()) - 1
    }
}

/// Where a holder stands in the hierarchy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Level {
    /// Country verifying CA.
    Cvca,
    /// Document verifier of the same state: official domestic (IS, AT), accreditation body (ST).
    DomesticDv,
    /// Document verifier that is foreign (IS), non-official or foreign (AT), a certification service provider (ST).
    ForeignDv,
    /// Terminal.
    Terminal,
}

impl Level {
    fn bits(self) -> u64 {
        match self {
            Self::Cvca => 0b11,
            Self::DomesticDv => 0b10,
            Self::ForeignDv => 0b01,
            Self::Terminal => 0b00,
        }
    }

    fn from_bits(bits: u64) -> Self {
        match bits {
            0b11 => Self::Cvca,
            0b10 => Self::DomesticDv,
            0b01 => Self::ForeignDv,
            _ => Self::Terminal,
        }
    }

    /// In words, without spaces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cvca => "cvca",
            Self::DomesticDv => "domestic-dv",
            Self::ForeignDv => "foreign-dv",
            Self::Terminal => "terminal",
        }
    }

    /// Whether a holder of this level may certify one of the other.
    pub fn may_certify(self, other: Level) -> bool {
        match self {
            Self::Cvca => other != Self::Terminal,
            Self::DomesticDv | Self::ForeignDv => other == Self::Terminal,
            Self::Terminal => false,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One bit of a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Right {
    /// Whose template.
    pub terminal_type: TerminalType,
    /// The bit, from 0.
    pub bit: u8,
    /// Its name on the command line.
    pub name: &'static str,
}

const fn is(bit: u8, name: &'static str) -> Right {
    Right { terminal_type: TerminalType::Inspection, bit, name }
}

const fn at(bit: u8, name: &'static str) -> Right {
    Right { terminal_type: TerminalType::Authentication, bit, name }
}

const fn st(bit: u8, name: &'static str) -> Right {
    Right { terminal_type: TerminalType::Signature, bit, name }
}

/// Every right that has a meaning (TR-03110-3 §C.4); the other bits are reserved.
pub const RIGHTS: &[Right] = &[
    is(1, "read-dg4"),
    is(0, "read-dg3"),
    at(37, "write-dg17"),
    at(36, "write-dg18"),
    at(35, "write-dg19"),
    at(34, "write-dg20"),
    at(33, "write-dg21"),
    at(28, "read-dg21"),
    at(27, "read-dg20"),
    at(26, "read-dg19"),
    at(25, "read-dg18"),
    at(24, "read-dg17"),
    at(23, "read-dg16"),
    at(22, "read-dg15"),
    at(21, "read-dg14"),
    at(20, "read-dg13"),
    at(19, "read-dg12"),
    at(18, "read-dg11"),
    at(17, "read-dg10"),
    at(16, "read-dg9"),
    at(15, "read-dg8"),
    at(14, "read-dg7"),
    at(13, "read-dg6"),
    at(12, "read-dg5"),
    at(11, "read-dg4"),
    at(10, "read-dg3"),
    at(9, "read-dg2"),
    at(8, "read-dg1"),
    at(7, "install-qualified-certificate"),
    at(6, "install-certificate"),
    at(5, "pin-management"),
    at(4, "can-allowed"),
    at(3, "privileged-terminal"),
    at(2, "restricted-identification"),
    at(1, "community-id-verification"),
    at(0, "age-verification"),
    st(1, "qualified-signature"),
    st(0, "signature"),
];

/// A certificate holder authorisation template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chat {
    terminal_type: TerminalType,
    template: u64,
}

/// Why an authorisation template is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChatError {
    /// Not the data objects of a template.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// A terminal type that is not known.
    #[error("terminal type {0} is not known")]
    TerminalType(String),
    /// A template of the wrong length.
    #[error("an authorisation of {found} bytes where {} has {expected}", .terminal_type.name())]
    Length {
        /// Whose template.
        terminal_type: TerminalType,
        /// How long it has to be.
        expected: usize,
        /// How long it is.
        found: usize,
    },
    /// A right that this terminal type does not have.
    #[error("{} has no right named {name:?}", .terminal_type.name())]
    UnknownRight {
        /// Whose template.
        terminal_type: TerminalType,
        /// The name given.
        name: String,
    },
}

impl Chat {
    /// No right at all.
    pub fn new(terminal_type: TerminalType, level: Level) -> Self {
        Chat { terminal_type, template: level.bits() << terminal_type.level_shift() }
    }

    /// Every right that has a meaning; reserved bits stay zero.
    pub fn all(terminal_type: TerminalType, level: Level) -> Self {
        let rights = RIGHTS.iter().filter(|right| right.terminal_type == terminal_type);
        let template = rights.fold(0, |bits, right| bits | 1 << right.bit);
        Chat { template: Self::new(terminal_type, level).template | template, terminal_type }
    }

    /// The rights of these names.
    ///
    /// # Errors
    /// When a name is not that of a right of this terminal type.
    pub fn named<'n>(
        terminal_type: TerminalType,
        level: Level,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Self, ChatError> {
        let mut chat = Self::new(terminal_type, level);
        for name in names {
            let unknown = || ChatError::UnknownRight { terminal_type, name: name.to_owned() };
            let mut rights = RIGHTS.iter().filter(|right| right.terminal_type == terminal_type);
            let right = rights.find(|right| right.name == name).ok_or_else(unknown)?;
            chat.template |= 1 << right.bit;
        }
        Ok(chat)
    }

    /// Whose template.
    pub fn terminal_type(self) -> TerminalType {
        self.terminal_type
    }

    /// Where the holder stands.
    pub fn level(self) -> Level {
        Level::from_bits(self.template >> self.terminal_type.level_shift())
    }

    /// The same rights on another level.
    pub fn at_level(self, level: Level) -> Self {
        Chat { template: Self::new(self.terminal_type, level).template | self.rights(), ..self }
    }

    /// The bits of the rights, without the level.
    pub fn rights(self) -> u64 {
        self.template & self.terminal_type.rights_mask()
    }

    /// Names of the rights; reserved bits have none.
    pub fn right_names(self) -> Vec<&'static str> {
        let rights = RIGHTS.iter().filter(|right| right.terminal_type == self.terminal_type);
        rights.filter(|right| self.rights() >> right.bit & 1 == 1).map(|right| right.name).collect()
    }

    /// Whether it grants the right of this name to terminals of this type.
    pub fn grants(self, terminal_type: TerminalType, name: &str) -> bool {
        self.terminal_type == terminal_type && self.right_names().contains(&name)
    }

    /// What is left of these rights under an issuer: those that both have; none when the issuer is of another terminal type.
    pub fn under(self, issuer: Chat) -> Self {
        let common = if issuer.terminal_type == self.terminal_type { issuer.rights() } else { 0 };
        Chat { template: (self.template & !self.terminal_type.rights_mask()) | (self.rights() & common), ..self }
    }

    /// The template's bytes.
    pub fn template(self) -> Vec<u8> {
        let bytes = self.template.to_be_bytes();
        bytes.iter().skip(bytes.len() - self.terminal_type.width()).copied().collect()
    }

    pub(super) fn parse(value: &[u8]) -> Result<Self, ChatError> {
        let mut reader = Reader::new(value);
        let (oid, bytes) = (reader.expect(OID)?, reader.expect(TEMPLATE)?);
        reader.end()?;
        let terminal_type = TerminalType::ALL.into_iter().find(|terminal| terminal.oid() == oid);
        let terminal_type = terminal_type.ok_or_else(|| ChatError::TerminalType(hex::encode(oid)))?;
        let (expected, found) = (terminal_type.width(), bytes.len());
        if expected != found {
            return Err(ChatError::Length { terminal_type, expected, found });
        }
        let template = bytes.iter().fold(0, |bits, byte| (bits << 8) | u64::from(*byte));
        Ok(Chat { terminal_type, template })
    }

    pub(super) fn write(self, tag: Tag, writer: &mut Writer) {
        writer.nest(tag, |chat| {
            chat.put(OID, self.terminal_type.oid()).put(TEMPLATE, self.template());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits_are_told_apart() {
        for terminal_type in TerminalType::ALL {
            let rights: Vec<_> = RIGHTS.iter().filter(|right| right.terminal_type == terminal_type).collect();
            for (at, right) in rights.iter().enumerate() {
                assert!(u64::from(right.bit) < terminal_type.level_shift() as u64);
                assert!(rights[at + 1..].iter().all(|other| other.bit != right.bit && other.name != right.name));
            }
        }
    }

    #[test]
    fn rights_shrink_along_a_chain() {
        let cvca = Chat::all(TerminalType::Inspection, Level::Cvca);
        assert_eq!(cvca.template(), [0xC3]);
        let dv = Chat::named(TerminalType::Inspection, Level::ForeignDv, ["read-dg3"]).unwrap();
        let terminal = Chat::named(TerminalType::Inspection, Level::Terminal, ["read-dg3", "read-dg4"]).unwrap();
        let effective = terminal.under(dv.under(cvca));
        assert_eq!((effective.template(), effective.right_names()), (vec![0x01], vec!["read-dg3"]));
        let other = Chat::all(TerminalType::Authentication, Level::Cvca);
        assert_eq!(terminal.under(other).right_names(), Vec::<&str>::new());
        assert!(Chat::named(TerminalType::Signature, Level::Terminal, ["read-dg3"]).is_err());
        assert!(effective.grants(TerminalType::Inspection, "read-dg3"));
        assert!(!effective.grants(TerminalType::Inspection, "read-dg4"));
        assert!(!effective.grants(TerminalType::Authentication, "read-dg3"), "that is a group of another application");
    }

    #[test]
    fn levels_certify_the_next_one_only() {
        use Level::{Cvca, DomesticDv, ForeignDv, Terminal};
        let allowed =
            [(Cvca, Cvca), (Cvca, DomesticDv), (Cvca, ForeignDv), (DomesticDv, Terminal), (ForeignDv, Terminal)];
        for one in [Cvca, DomesticDv, ForeignDv, Terminal] {
            for other in [Cvca, DomesticDv, ForeignDv, Terminal] {
                assert_eq!(one.may_certify(other), allowed.contains(&(one, other)));
            }
        }
    }
}
