//! DG12: additional document details (9303-10 §4.7.12).
//!
//! ```text
//! 6C { 5C tags present
//!      5F19 issuing authority   5F26 date of issue CCYYMMDD   A0 { 02 count, 5F1A other person .. }
//!      5F1B endorsements   5F1C tax or exit requirements   5F1D image of front   5F1E image of rear
//!      5F55 time of personalization CCYYMMDDhhmmss   5F56 serial number of the personalization system }
//! ```

use iso7816::tlv::Tag;

use super::details::{Details, DetailsWriter};
use super::{Defect, ReadError, content};
use crate::date::{Date, DateTime};
use crate::files::group_tag;

const DG12: Tag = group_tag(12);
const AUTHORITY: Tag = Tag(0x5F19);
const ISSUE_DATE: Tag = Tag(0x5F26);
const OTHER_PERSON: Tag = Tag(0x5F1A);
const ENDORSEMENTS: Tag = Tag(0x5F1B);
const EXIT_REQUIREMENTS: Tag = Tag(0x5F1C);
const FRONT: Tag = Tag(0x5F1D);
const REAR: Tag = Tag(0x5F1E);
const PERSONALIZED: Tag = Tag(0x5F55);
const SYSTEM: Tag = Tag(0x5F56);

/// The content of DG12. Absent fields are `None` or empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dg12 {
    /// Issuing authority, UTF-8.
    pub authority: Option<String>,
    /// Date of issue.
    pub issue_date: Option<Date>,
    /// Other persons in the document.
    pub other_persons: Vec<String>,
    /// Endorsements and observations.
    pub endorsements: Option<String>,
    /// Tax or exit requirements.
    pub exit_requirements: Option<String>,
    /// Image of the front of the document.
    pub front: Option<Vec<u8>>,
    /// Image of the rear of the document.
    pub rear: Option<Vec<u8>>,
    /// When the document was personalized, in universal time by this project's convention (the standard names no zone).
    pub personalized: Option<DateTime>,
    /// Serial number of the personalization system.
    pub system: Option<String>,
}

impl Dg12 {
    /// The whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut details = DetailsWriter::default();
        details.text(AUTHORITY, self.authority.as_deref());
        details.text(ISSUE_DATE, self.issue_date.map(Date::to_digits).as_deref());
        details.repeated(OTHER_PERSON, &self.other_persons);
        details.text(ENDORSEMENTS, self.endorsements.as_deref());
        details.text(EXIT_REQUIREMENTS, self.exit_requirements.as_deref());
        details.bytes(FRONT, self.front.as_deref());
        details.bytes(REAR, self.rear.as_deref());
        details.text(PERSONALIZED, self.personalized.map(DateTime::to_digits).as_deref());
        details.text(SYSTEM, self.system.as_deref());
        details.finish(DG12)
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// When it is not made of data objects.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        Self::parse_noting(bytes, &mut Vec::new())
    }

    /// The same, with a note for each deviation from the standard.
    ///
    /// # Errors
    /// When it is not made of data objects.
    pub fn parse_noting(bytes: &[u8], defects: &mut Vec<Defect>) -> Result<Self, ReadError> {
        let mut details = Details::read(content(bytes, DG12)?, &[OTHER_PERSON], defects)?;
        let dg12 = Dg12 {
            authority: details.text(AUTHORITY),
            issue_date: details.date(ISSUE_DATE),
            other_persons: details.all(OTHER_PERSON),
            endorsements: details.text(ENDORSEMENTS),
            exit_requirements: details.text(EXIT_REQUIREMENTS),
            front: details.take(FRONT).map(<[u8]>::to_vec),
            rear: details.take(REAR).map(<[u8]>::to_vec),
            personalized: details.date_time(PERSONALIZED),
            system: details.text(SYSTEM),
        };
        details.end();
        Ok(dg12)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_vectors::shared;

    use super::*;

    fn example() -> Dg12 {
        Dg12 {
            authority: Some("UTO".into()),
            issue_date: Some(Date::new(2025, 3, 1).unwrap()),
            personalized: Some(DateTime::from_digits("20250301093000").unwrap()),
            system: Some("S1".into()),
            ..Dg12::default()
        }
    }

    #[test]
    fn bytes_and_meaning() {
        let bytes = example().to_bytes();
        let expected = "6c315c085f195f265f555f565f190355544f5f260832303235303330315f550e3230323530333031303933303030\
                        5f56025331";
        assert_eq!(hex::encode(&bytes), expected);
        let mut defects = Vec::new();
        assert_eq!(Dg12::parse_noting(&bytes, &mut defects).unwrap(), example());
        assert_eq!(defects, []);
    }

    #[test]
    fn the_specimen_has_bcd_dates() {
        let Some(file) = shared("data/lds-specimen/EF_DG12.bin") else { return };
        let mut defects = Vec::new();
        let dg12 = Dg12::parse_noting(&std::fs::read(file).unwrap(), &mut defects).unwrap();
        assert_eq!(dg12.issue_date, Some(Date::new(2024, 1, 1).unwrap()));
        assert_eq!(dg12.personalized.map(DateTime::to_digits).as_deref(), Some("20240101123059"));
        assert_eq!((dg12.other_persons, dg12.system.as_deref()), (vec!["William".to_owned()], Some("123")));
        let bcd = [Defect::DateAsBcd { tag: ISSUE_DATE }, Defect::DateAsBcd { tag: PERSONALIZED }];
        assert!(bcd.iter().all(|defect| defects.contains(defect)));
        assert!(defects.contains(&Defect::NoTagList));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Dg12::parse(&bytes);
            let _ = Dg12::parse(&iso7816::tlv::encode(DG12, &bytes));
        }

        #[test]
        fn written_files_read_back(authority in ".{1,40}", persons in prop::collection::vec("[a-z]{1,10}", 0..4)) {
            let dg12 = Dg12 { authority: Some(authority), other_persons: persons, ..example() };
            prop_assert_eq!(Dg12::parse(&dg12.to_bytes()).unwrap(), dg12);
        }
    }
}
