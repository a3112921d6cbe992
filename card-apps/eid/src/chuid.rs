//! The card holder unique identifier (SP 800-73-4 part 1 §3.1.2, table 9; TIG SCEPACS 2.3 for the FASC-N).
//!
//! ```text
//! 30 FASC-N: 25 bytes | 34 GUID: 16 bytes | 35 expiry: CCYYMMDD | [36 cardholder UUID: 16 bytes] | 3E signature | FE -
//! ```
//!
//! The signature covers every element but itself, as they stand. A state outside the United States fills the FASC-N
//! with nines ([`NO_FASC_N`]): clients ask for the element, nobody for its meaning.

use iso7816::tlv::{Reader, Tag, TlvError};
use lds::date::{Date, DateError};

use crate::objects::{ERROR_DETECTION, closed};

const FASC_N: Tag = Tag(0x30);
const GUID: Tag = Tag(0x34);
const EXPIRY: Tag = Tag(0x35);
const CARDHOLDER: Tag = Tag(0x36);
const SIGNATURE: Tag = Tag(0x3E);

/// Bytes of a FASC-N: 40 characters of 5 bits.
pub const FASC_N_LENGTH: usize = 25;

/// The FASC-N of an issuer without an agency code: agency 9999, system 9999, credential 999999, 0, 1, person
/// 0000000000, category 3, organisation 0000, association 1.
pub const NO_FASC_N: [u8; FASC_N_LENGTH] = [
    0xD4, 0xE7, 0x39, 0xDA, 0x73, 0x9C, 0xED, 0x39, 0xCE, 0x73, 0x9D, 0x83, 0x68, 0x58, 0x21, 0x08, 0x42, 0x10, 0x84,
    0x21, 0xC8, 0x42, 0x10, 0xC3, 0xEB,
];

/// The content of the object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chuid {
    /// Federal agency smart credential number.
    pub fasc_n: [u8; FASC_N_LENGTH],
    /// The card's UUID.
    pub guid: [u8; 16],
    /// The last day of the card.
    pub expiry: Date,
    /// The holder's UUID.
    pub cardholder: Option<[u8; 16]>,
    /// CMS signature over the rest; empty when the issuer gave none.
    pub signature: Vec<u8>,
}

/// Why bytes are no CHUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChuidError {
    /// Not the data objects that must be there.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// An element of a wrong length.
    #[error("the element {tag} has {length} bytes")]
    Length {
        /// Its tag.
        tag: Tag,
        /// Its length.
        length: usize,
    },
    /// The expiry is no date.
    #[error(transparent)]
    Date(#[from] DateError),
}

impl Chuid {
    /// The content of the object.
    pub fn to_bytes(&self) -> Vec<u8> {
        closed(|content| {
            content.put(FASC_N, self.fasc_n).put(GUID, self.guid).put(EXPIRY, self.expiry.to_digits());
            if let Some(cardholder) = self.cardholder {
                content.put(CARDHOLDER, cardholder);
            }
            content.put(SIGNATURE, &self.signature);
        })
    }

    /// Reads the content of an object; deprecated elements in it are passed over.
    ///
    /// # Errors
    /// When an element is missing, has a wrong length, or stands for no date.
    pub fn parse(content: &[u8]) -> Result<Self, ChuidError> {
        let element = |tag| find(content, tag)?.ok_or(ChuidError::Tlv(TlvError::Missing { tag }));
        let expiry = element(EXPIRY)?;
        let digits = std::str::from_utf8(expiry).unwrap_or_default();
        Ok(Chuid {
            fasc_n: sized(FASC_N, element(FASC_N)?)?,
            guid: sized(GUID, element(GUID)?)?,
            expiry: Date::from_digits(digits)?,
            cardholder: find(content, CARDHOLDER)?.map(|value| sized(CARDHOLDER, value)).transpose()?,
            signature: element(SIGNATURE)?.to_vec(),
        })
    }

    /// What the signature of a CHUID covers: every element as it stands up to the error detection code, which ends the object,
    /// without the signature.
    ///
    /// # Errors
    /// When the content is no sequence of data objects.
    pub fn signed_bytes(content: &[u8]) -> Result<Vec<u8>, TlvError> {
        let (mut reader, mut signed) = (Reader::new(content), Vec::with_capacity(content.len()));
        while let Some(element) = reader.next()? {
            if element.tag != SIGNATURE {
                signed.extend_from_slice(element.raw);
            }
            if element.tag == ERROR_DETECTION {
                break;
            }
        }
        Ok(signed)
    }
}

/// The first element with this tag. All up to the error detection code must be data objects; what follows it is not looked at.
fn find(content: &[u8], tag: Tag) -> Result<Option<&[u8]>, TlvError> {
    let (mut reader, mut found) = (Reader::new(content), None);
    while let Some(element) = reader.next()? {
        if element.tag == tag && found.is_none() {
            found = Some(element.value);
        }
        if element.tag == ERROR_DETECTION {
            break;
        }
    }
    Ok(found)
}

fn sized<const N: usize>(tag: Tag, value: &[u8]) -> Result<[u8; N], ChuidError> {
    value.try_into().map_err(|_| ChuidError::Length { tag, length: value.len() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn example() -> Chuid {
        Chuid {
            fasc_n: NO_FASC_N,
            guid: [0x11; 16],
            expiry: Date::new(2035, 3, 14).unwrap(),
            cardholder: Some([0x22; 16]),
            signature: vec![0x30, 0x00],
        }
    }

    #[test]
    fn a_chuid_stands_as_the_standard_lists_it() {
        let content = example().to_bytes();
        assert_eq!(
            hex::encode(&content),
            format!(
                "3019{}3410{}35083230333530333134{}3e023000fe00",
                hex::encode(NO_FASC_N),
                "11".repeat(16),
                "3610".to_owned() + &"22".repeat(16)
            )
        );
        assert_eq!(Chuid::parse(&content), Ok(example()));
        let signed = Chuid::signed_bytes(&content).unwrap();
        assert_eq!(signed.len(), content.len() - 4);
        assert!(signed.ends_with(&[0xFE, 0x00]));
    }

    #[test]
    fn what_follows_the_object_is_neither_read_nor_signed() {
        let content = example().to_bytes();
        let padded = [&content[..], &[0x6A; 9]].concat();
        assert_eq!(Chuid::parse(&padded), Ok(example()));
        assert_eq!(Chuid::signed_bytes(&padded), Chuid::signed_bytes(&content));
    }

    /// TIG SCEPACS 2.3 §2.1: 4 data bits, lowest first, and odd parity; the last character makes each column even.
    #[test]
    fn the_fasc_n_of_nines_is_well_formed() {
        let bits: Vec<u8> = NO_FASC_N.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
        let characters: Vec<u8> = bits
            .chunks(5)
            .map(|bits| {
                assert_eq!(bits.iter().sum::<u8>() % 2, 1, "odd parity");
                bits[..4].iter().rev().fold(0, |value, bit| value << 1 | bit)
            })
            .collect();
        let text: String = characters[..39].iter().map(|value| format!("{value:X}")).collect();
        assert_eq!(text, "B9999D9999D999999D0D1D0000000000300001F");
        assert_eq!(characters.iter().fold(0, |sum, value| sum ^ value), 0, "the last is the sum of the others");
    }

    #[test]
    fn spoiled_elements_are_named() {
        let content = example().to_bytes();
        assert_eq!(Chuid::parse(&content[27..]), Err(ChuidError::Tlv(TlvError::Missing { tag: FASC_N })));
        let mut short = content.clone();
        short.splice(0..27, [0x30, 0x01, 0x00]);
        assert_eq!(Chuid::parse(&short), Err(ChuidError::Length { tag: FASC_N, length: 1 }));
        let mut date = content;
        date[51] = b'9';
        assert!(matches!(Chuid::parse(&date), Err(ChuidError::Date(_))));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), at in 0usize..79, byte: u8) {
            let _ = (Chuid::parse(&bytes), Chuid::signed_bytes(&bytes));
            let mut spoiled = example().to_bytes();
            spoiled[at] = byte;
            let _ = (Chuid::parse(&spoiled), Chuid::signed_bytes(&spoiled));
        }
    }
}
