//! What the card and the personalizer agree on before there is a document (GPCS 2.3.1, EMV CPS 1.1).
//!
//! - [`dgi`]: data groupings, the unit of STORE DATA, and the numbers this project gives them; [`ActiveAuthenticationKey`] is one
//!   value of them
//! - [`life_cycle`]: states of the card and of an application, GET STATUS
//! - [`keys`]: the data of PUT KEY and DELETE \[key\]
//! - [`production`]: CPLC, key information, card recognition data, the chip's binding to a document
//!
//! Only encodings: the secure channel and its keys live in `channel`.

mod active_key;
pub mod dgi;
pub mod keys;
pub mod life_cycle;
pub mod production;

use iso7816::tlv::TlvError;
use iso7816::{Aid, Command};

pub use active_key::ActiveAuthenticationKey;
pub use dgi::{ChipAuthenticationKey, Dgi, DgiReader};
pub use keys::NewKeySet;
pub use life_cycle::{ApplicationState, CardState, StatusEntry};
pub use production::{CardRecognitionData, Cplc, KeyInformation};

/// INSTALL (GPCS §11.5).
pub const INS_INSTALL: u8 = 0xE6;
/// STORE DATA (GPCS §11.11).
pub const INS_STORE_DATA: u8 = 0xE2;
/// GET STATUS (GPCS §11.4).
pub const INS_GET_STATUS: u8 = 0xF2;
/// SET STATUS (GPCS §11.10).
pub const INS_SET_STATUS: u8 = 0xF0;
/// GET DATA (GPCS §11.3).
pub const INS_GET_DATA: u8 = 0xCA;
/// PUT KEY (GPCS §11.8).
pub const INS_PUT_KEY: u8 = 0xD8;
/// DELETE (GPCS §11.2).
pub const INS_DELETE: u8 = 0xE4;
/// LOAD (GPCS §11.6).
pub const INS_LOAD: u8 = 0xE8;
/// P1 of INSTALL [for personalization].
pub const INSTALL_FOR_PERSONALIZATION: u8 = 0x20;

/// Why bytes are not the expected GlobalPlatform structure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The data objects are not the expected ones.
    #[error("GlobalPlatform data: {0}")]
    Structure(#[from] TlvError),
    /// A field does not have its length.
    #[error("GlobalPlatform data: {field} has {length} bytes")]
    Length {
        /// Which field.
        field: &'static str,
        /// Bytes found.
        length: usize,
    },
    /// A fixed part has another value.
    #[error("GlobalPlatform data: {field} is not as the specification fixes it")]
    Value {
        /// Which part.
        field: &'static str,
    },
}

/// INSTALL [for personalization] of an application (GPCS §11.5.2.3.6): `80 E6 20 00`, data `00 00 <AID> 00 00 00`,
/// each part with its length.
pub fn install_for_personalization(aid: &Aid) -> Command {
    let mut data = vec![0x00, 0x00, aid.as_bytes().len() as u8];
    data.extend_from_slice(aid.as_bytes());
    data.extend_from_slice(&[0x00, 0x00, 0x00]);
    Command::new(0x80, INS_INSTALL, INSTALL_FOR_PERSONALIZATION, 0x00).with_data(data)
}

/// The application that the data field of INSTALL [for personalization] names.
///
/// # Errors
/// When the data field is not of that form.
pub fn parse_install_for_personalization(data: &[u8]) -> Result<Aid, FormatError> {
    let wrong = || FormatError::Value { field: "data of INSTALL [for personalization]" };
    let rest = data.strip_prefix(&[0x00, 0x00]).ok_or_else(wrong)?;
    let (length, rest) = rest.split_first().ok_or_else(wrong)?;
    let (aid, rest) = rest.split_at_checked(usize::from(*length)).ok_or_else(wrong)?;
    if rest != [0x00, 0x00, 0x00] {
        return Err(wrong());
    }
    Aid::new(aid).ok_or_else(wrong)
}

/// P1 of STORE DATA (GPCS §11.11.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreData {
    /// Bit 8: this is the last block.
    pub last: bool,
    /// Bits 7 and 6.
    pub encryption: StoreDataEncryption,
    /// Bits 5 and 4.
    pub structure: StoreDataStructure,
}

/// How the values in a STORE DATA block are encrypted beneath the secure channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreDataEncryption {
    /// `00`: plain or unknown to the security domain.
    Plain,
    /// `01`: each application knows.
    ApplicationDependent,
    /// `11`: every value is encrypted under the data encryption key.
    Encrypted,
}

/// What a STORE DATA block consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreDataStructure {
    /// `00`: unknown to the security domain.
    Unspecified,
    /// `01`: data groupings.
    Dgi,
    /// `10`: BER-TLV data objects.
    BerTlv,
}

impl StoreData {
    /// The parameter byte.
    pub fn to_p1(self) -> u8 {
        let encryption = match self.encryption {
            StoreDataEncryption::Plain => 0b00,
            StoreDataEncryption::ApplicationDependent => 0b01,
            StoreDataEncryption::Encrypted => 0b11,
        };
        let structure = match self.structure {
            StoreDataStructure::Unspecified => 0b00,
            StoreDataStructure::Dgi => 0b01,
            StoreDataStructure::BerTlv => 0b10,
        };
        (u8::from(self.last) << 7) | (encryption << 5) | (structure << 3)
    }

    /// Reads the parameter byte; `None` for a value the specification reserves.
    pub fn from_p1(p1: u8) -> Option<Self> {
        let encryption = match (p1 >> 5) & 0b11 {
            0b00 => StoreDataEncryption::Plain,
            0b01 => StoreDataEncryption::ApplicationDependent,
            0b11 => StoreDataEncryption::Encrypted,
            _ => return None,
        };
        let structure = match (p1 >> 3) & 0b11 {
            0b00 => StoreDataStructure::Unspecified,
            0b01 => StoreDataStructure::Dgi,
            0b10 => StoreDataStructure::BerTlv,
            _ => return None,
        };
        (p1 & 0b111 == 0).then_some(StoreData { last: p1 & 0x80 != 0, encryption, structure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn install_for_personalization_names_the_application() {
        let command = install_for_personalization(&Aid::emrtd());
        assert_eq!(hex::encode(command.to_bytes()), "80e620000d000007a0000002471001000000");
        assert_eq!(parse_install_for_personalization(&command.data).unwrap(), Aid::emrtd());
        for end in 0..command.data.len() {
            assert!(parse_install_for_personalization(&command.data[..end]).is_err());
        }
    }

    #[test]
    fn store_data_parameter() {
        let encrypted =
            StoreData { last: true, encryption: StoreDataEncryption::Encrypted, structure: StoreDataStructure::Dgi };
        assert_eq!(encrypted.to_p1(), 0xE8);
        let accepted = (0..=255).filter_map(|p1| Some((p1, StoreData::from_p1(p1)?)));
        assert_eq!(accepted.inspect(|(p1, parsed)| assert_eq!(parsed.to_p1(), *p1)).count(), 18);
    }
}
