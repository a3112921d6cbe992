//! The residence record: the one thing on the card that changes while the card lives.
//!
//! It stands outside the signed files of the travel document and has a signature and a date of its own. A new record
//! replaces the old one only for a terminal with the right [`crate::objects::Right::UpdateResidence`].
//!
//! ```text
//! FF21 { A1 record  82 signature: CMS over the record's bytes }
//! A1   { 80 version 01  81 national number: 12 digits  82 date of entry: CCYYMMDD  83 office
//!        A4 { 80 governorate  81 district  82 sub-district  83 quarter  84 lane  85 house } }
//! ```
//!
//! All text is UTF-8. The office is a code, 1 to 12 digits or capital letters; of the address only the governorate must be there.
//! The record names the holder by the national number, so that no record fits another card.

use iso7816::tlv::{Reader, Tag, TlvError, Writer};
use lds::date::{Date, DateError};

const RECORD: Tag = Tag(0xA1);
const SIGNATURE: Tag = Tag(0x82);
const VERSION: Tag = Tag(0x80);
const HOLDER: Tag = Tag(0x81);
const DATE: Tag = Tag(0x82);
const OFFICE: Tag = Tag(0x83);
const ADDRESS: Tag = Tag(0xA4);
const CURRENT_VERSION: u8 = 1;
/// Digits of a national number.
const HOLDER_LENGTH: usize = 12;
/// Most bytes of one text.
pub const MAX_TEXT: usize = 120;

/// Where a holder lives, and who entered it when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Residence {
    /// The holder's national number, 12 digits.
    pub national_number: String,
    /// The day of the entry.
    pub date: Date,
    /// Code of the office that made it.
    pub office: String,
    /// The address.
    pub address: Address,
}

/// An address, from the large to the small. Parts that do not apply are empty; the governorate never is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Address {
    /// Governorate (muhafaza).
    pub governorate: String,
    /// District (qadha).
    pub district: String,
    /// Sub-district (nahiya).
    pub sub_district: String,
    /// Quarter (mahalla).
    pub quarter: String,
    /// Lane (zuqaq).
    pub lane: String,
    /// House (dar).
    pub house: String,
}

/// A record with its signature, each as it stands on the card. Nothing is said about whether the signature is good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedResidence<'a> {
    /// The record, DO A1 as received: what the signature covers.
    pub record: &'a [u8],
    /// A detached CMS signature.
    pub signature: &'a [u8],
}

/// Why bytes are no residence record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResidenceError {
    /// Not the data objects that must be there.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// A version of the format that this program does not know.
    #[error("residence record of version {version}, this program knows version {CURRENT_VERSION}")]
    Version {
        /// The version found; 0 for none of one byte.
        version: u8,
    },
    /// A text that is too long, not UTF-8, or not of its form.
    #[error("the element {tag} is no text of this field")]
    Text {
        /// Its tag.
        tag: Tag,
    },
    /// The office is not named by a code.
    #[error("the office is a code of 1 to 12 digits or capital letters, and this is none")]
    Office,
    /// An address without its one part that every address has.
    #[error("the address names no governorate")]
    Governorate,
    /// The date of entry is none.
    #[error(transparent)]
    Date(#[from] DateError),
}

impl Address {
    fn parts(&self) -> [&String; 6] {
        [&self.governorate, &self.district, &self.sub_district, &self.quarter, &self.lane, &self.house]
    }

    fn parts_mut(&mut self) -> [&mut String; 6] {
        let Address { governorate, district, sub_district, quarter, lane, house } = self;
        [governorate, district, sub_district, quarter, lane, house]
    }
}

impl Residence {
    /// The record, DO A1: what is signed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(RECORD, |record| {
            record.put(VERSION, [CURRENT_VERSION]).put(HOLDER, &self.national_number);
            record.put(DATE, self.date.to_digits()).put(OFFICE, &self.office);
            record.nest(ADDRESS, |address| {
                for (tag, part) in (0x80..).zip(self.address.parts()) {
                    address.put(Tag(tag), part);
                }
            });
        });
        writer.finish()
    }

    /// Whether it says what every entry says: by which office, and in which governorate. Nothing less is signed; what a card shows
    /// is read all the same.
    ///
    /// # Errors
    /// [`ResidenceError::Office`], [`ResidenceError::Governorate`].
    pub fn complete(&self) -> Result<(), ResidenceError> {
        let coded = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
        if !(1..=12).contains(&self.office.len()) || !self.office.bytes().all(coded) {
            return Err(ResidenceError::Office);
        }
        match self.address.governorate.trim().is_empty() {
            true => Err(ResidenceError::Governorate),
            false => Ok(()),
        }
    }

    /// Reads a record, DO A1.
    ///
    /// # Errors
    /// When it is something else, or of another version.
    pub fn parse(record: &[u8]) -> Result<Self, ResidenceError> {
        let mut reader = Reader::new(iso7816::tlv::sole(record, RECORD)?);
        let version = match reader.expect(VERSION)? {
            [version] => *version,
            _ => 0,
        };
        if version != CURRENT_VERSION {
            return Err(ResidenceError::Version { version });
        }
        let national_number = text(HOLDER, reader.expect(HOLDER)?)?;
        if national_number.len() != HOLDER_LENGTH || !national_number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ResidenceError::Text { tag: HOLDER });
        }
        let date = Date::from_digits(&text(DATE, reader.expect(DATE)?)?)?;
        let office = text(OFFICE, reader.expect(OFFICE)?)?;
        let mut parts = Reader::new(reader.expect(ADDRESS)?);
        reader.end()?;
        let mut address = Address::default();
        for (tag, part) in (0x80..).map(Tag).zip(address.parts_mut()) {
            *part = text(tag, parts.expect(tag)?)?;
        }
        parts.end()?;
        Ok(Residence { national_number, date, office, address })
    }
}

impl<'a> SignedResidence<'a> {
    /// The content of the residence object.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.raw(self.record).put(SIGNATURE, self.signature);
        writer.finish()
    }

    /// Reads the content of the residence object.
    ///
    /// # Errors
    /// When it is not a record and a signature.
    pub fn parse(content: &'a [u8]) -> Result<Self, ResidenceError> {
        let mut reader = Reader::new(content);
        let record = match reader.next()? {
            Some(record) if record.tag == RECORD => record.raw,
            _ => return Err(TlvError::Missing { tag: RECORD }.into()),
        };
        let signature = reader.expect(SIGNATURE)?;
        reader.end()?;
        Ok(SignedResidence { record, signature })
    }

    /// What the record says.
    ///
    /// # Errors
    /// When it is none.
    pub fn residence(&self) -> Result<Residence, ResidenceError> {
        Residence::parse(self.record)
    }
}

fn text(tag: Tag, bytes: &[u8]) -> Result<String, ResidenceError> {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= MAX_TEXT => Ok(text.to_owned()),
        _ => Err(ResidenceError::Text { tag }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn example() -> Residence {
        Residence {
            national_number: "199900000011".into(),
            date: Date::new(2026, 5, 4).unwrap(),
            office: "0101".into(),
            address: Address { governorate: "بغداد".into(), house: "7".into(), ..Address::default() },
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = example().to_bytes();
        assert!(
            hex::encode(&record)
                .starts_with("a13a800101810c31393939303030303030313182083230323630353034830430313031a417")
        );
        let signed = SignedResidence { record: &record, signature: &[0x30, 0x00] };
        let content = signed.to_bytes();
        assert_eq!(SignedResidence::parse(&content), Ok(signed.clone()));
        assert_eq!(signed.residence(), Ok(example()));
    }

    #[test]
    fn other_versions_and_texts_are_refused() {
        assert_eq!(example().complete(), Ok(()));
        let with = |change: &dyn Fn(&mut Residence)| {
            let mut residence = example();
            change(&mut residence);
            Residence::parse(&residence.to_bytes())
        };
        assert_eq!(with(&|r| r.national_number.push('1')), Err(ResidenceError::Text { tag: HOLDER }));
        assert_eq!(with(&|r| r.address.lane = "x".repeat(121)), Err(ResidenceError::Text { tag: Tag(0x84) }));
        for office in ["", "بغداد", "ab1", "9102 ", "1234567890123"] {
            assert_eq!(with(&|r| r.office = office.into()).unwrap().complete(), Err(ResidenceError::Office));
        }
        for governorate in ["", " "] {
            let record = with(&|r| r.address.governorate = governorate.into()).unwrap();
            assert_eq!(record.complete(), Err(ResidenceError::Governorate));
        }
        assert!(with(&|r| r.date = Date::UNKNOWN).is_ok(), "an unknown day of entry is a date of old records");
        let mut next = example().to_bytes();
        next[4] = 2;
        assert_eq!(Residence::parse(&next), Err(ResidenceError::Version { version: 2 }));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(at in 0usize..60, byte: u8, bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut spoiled = example().to_bytes();
            spoiled[at] = byte;
            let _ = (Residence::parse(&spoiled), Residence::parse(&bytes));
            let _ = SignedResidence::parse(&bytes).map(|signed| signed.residence());
        }
    }
}
