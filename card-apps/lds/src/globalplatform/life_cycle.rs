//! Life cycle states and GET STATUS (GPCS §5.1.1, §5.3.1, §11.1.1, §11.4).
//!
//! ```text
//! E3 { 4F AID   9F70 life cycle state (1 byte)   C5 privileges (3 bytes) }   one for each entry
//! ```

use std::fmt;

use iso7816::Aid;
use iso7816::tlv::{Reader, Tag, Writer};

use super::FormatError;

const ENTRY: Tag = Tag(0xE3);
const AID: Tag = Tag(0x4F);
const STATE: Tag = Tag(0x9F70);
const PRIVILEGES: Tag = Tag(0xC5);

/// P1 of GET STATUS and SET STATUS: the issuer security domain, which stands for the card.
pub const SCOPE_ISSUER_DOMAIN: u8 = 0x80;
/// P1 of GET STATUS and SET STATUS: applications and supplementary security domains.
pub const SCOPE_APPLICATIONS: u8 = 0x40;
/// Data of GET STATUS that matches every AID.
pub const ALL_AIDS: [u8; 2] = [0x4F, 0x00];

/// Life cycle state of the card (GPCS table 11-6). Unknown values survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CardState(pub u8);

impl CardState {
    /// Ready for its first keys and applications.
    pub const OP_READY: CardState = CardState(0x01);
    /// Initial keys are there.
    pub const INITIALIZED: CardState = CardState(0x07);
    /// In the hands of the holder.
    pub const SECURED: CardState = CardState(0x0F);
    /// Only the issuer domain answers; can be undone.
    pub const CARD_LOCKED: CardState = CardState(0x7F);
    /// Dead for ever.
    pub const TERMINATED: CardState = CardState(0xFF);
}

impl fmt::Display for CardState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OP_READY => f.write_str("OP_READY"),
            Self::INITIALIZED => f.write_str("INITIALIZED"),
            Self::SECURED => f.write_str("SECURED"),
            Self::CARD_LOCKED => f.write_str("CARD_LOCKED"),
            Self::TERMINATED => f.write_str("TERMINATED"),
            CardState(other) => write!(f, "{other:02X}"),
        }
    }
}

impl fmt::Debug for CardState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Life cycle state of an application (GPCS table 11-4). Unknown values survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApplicationState(pub u8);

impl ApplicationState {
    /// Installed, not selectable.
    pub const INSTALLED: ApplicationState = ApplicationState(0x03);
    /// Selectable: the state in which it takes personalization data.
    pub const SELECTABLE: ApplicationState = ApplicationState(0x07);
    /// An application's own state: personalized for good.
    pub const PERSONALIZED: ApplicationState = ApplicationState(0x0F);
    /// Locked from INSTALLED: the value SET STATUS carries to lock.
    pub const LOCKED: ApplicationState = ApplicationState(0x83);

    /// True when bit 8 says locked, whatever state it was locked in.
    pub fn is_locked(self) -> bool {
        self.0 & 0x83 == 0x83
    }
}

impl fmt::Display for ApplicationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::INSTALLED => f.write_str("INSTALLED"),
            Self::SELECTABLE => f.write_str("SELECTABLE"),
            Self::PERSONALIZED => f.write_str("PERSONALIZED"),
            state if state.is_locked() => f.write_str("LOCKED"),
            ApplicationState(other) => write!(f, "{other:02X}"),
        }
    }
}

impl fmt::Debug for ApplicationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One entry of a GET STATUS answer (P2 `02`, GPCS table 11-36).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatusEntry {
    /// The application or security domain.
    pub aid: Aid,
    /// [`ApplicationState`] for applications, [`CardState`] for the issuer domain.
    pub state: u8,
    /// Privileges, usually three bytes.
    pub privileges: Vec<u8>,
}

impl StatusEntry {
    /// The entry as a template.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(ENTRY, |w| {
            w.put(AID, self.aid.as_bytes()).put(STATE, [self.state]).put(PRIVILEGES, &self.privileges);
        });
        writer.finish()
    }

    /// Reads all entries of an answer. Data objects not asked for are skipped.
    ///
    /// # Errors
    /// When the answer is not a list of such templates.
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Self>, FormatError> {
        let mut entries = Vec::new();
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            entries.push(Self::parse_entry(reader.expect(ENTRY)?)?);
        }
        Ok(entries)
    }

    fn parse_entry(value: &[u8]) -> Result<Self, FormatError> {
        let (mut aid, mut state, mut privileges) = (None, None, Vec::new());
        let mut reader = Reader::new(value);
        while let Some(tlv) = reader.next()? {
            match (tlv.tag, tlv.value) {
                (AID, value) => aid = Aid::new(value),
                // Some cards answer two bytes: the state and a security domain's own.
                (STATE, [value, ..]) => state = Some(*value),
                (PRIVILEGES, value) => privileges = value.to_vec(),
                _ => {}
            }
        }
        let aid = aid.ok_or(FormatError::Value { field: "AID in GET STATUS" })?;
        let state = state.ok_or(FormatError::Value { field: "life cycle state in GET STATUS" })?;
        Ok(StatusEntry { aid, state, privileges })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_and_meaning() {
        let entry = StatusEntry { aid: Aid::emrtd(), state: 0x07, privileges: vec![0, 0, 0] };
        let bytes = entry.to_bytes();
        assert_eq!(hex::encode(&bytes), "e3124f07a00000024710019f700107c503000000");
        let domain = StatusEntry { aid: Aid::issuer_domain(), state: 0x0F, privileges: vec![0x9E, 0xFE, 0x80] };
        let all = [bytes, domain.to_bytes()].concat();
        assert_eq!(StatusEntry::parse_all(&all).unwrap(), [entry, domain]);
    }

    #[test]
    fn states_speak() {
        assert_eq!(CardState::SECURED.to_string(), "SECURED");
        assert_eq!(CardState(0x33).to_string(), "33");
        assert!(ApplicationState(0x8F).is_locked());
        assert!(!ApplicationState::PERSONALIZED.is_locked());
        assert_eq!(ApplicationState(0x87).to_string(), "LOCKED");
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = StatusEntry::parse_all(&bytes);
        }
    }
}
