//! DG11: additional personal details (9303-10 §4.7.11).
//!
//! ```text
//! 6B { 5C tags present
//!      5F0E full name in national characters   A0 { 02 count, 5F0F other name .. }
//!      5F10 personal number    5F2B date of birth CCYYMMDD    5F11 place of birth
//!      5F42 address   5F12 telephone   5F13 profession   5F14 title   5F15 personal summary
//!      5F16 proof of citizenship (image)   5F17 other travel documents   5F18 custody information }
//! ```
//!
//! Text is UTF-8. Parts of a place, an address or a list are separated by `<`; unknown parts of a date are zeros.

use iso7816::tlv::Tag;

use super::details::{Details, DetailsWriter};
use super::{Defect, ReadError, content};
use crate::date::Date;
use crate::files::group_tag;

const DG11: Tag = group_tag(11);
const FULL_NAME: Tag = Tag(0x5F0E);
const OTHER_NAME: Tag = Tag(0x5F0F);
const PERSONAL_NUMBER: Tag = Tag(0x5F10);
const BIRTH_DATE: Tag = Tag(0x5F2B);
const BIRTH_PLACE: Tag = Tag(0x5F11);
const ADDRESS: Tag = Tag(0x5F42);
const TELEPHONE: Tag = Tag(0x5F12);
const PROFESSION: Tag = Tag(0x5F13);
const TITLE: Tag = Tag(0x5F14);
const SUMMARY: Tag = Tag(0x5F15);
const CITIZENSHIP_IMAGE: Tag = Tag(0x5F16);
const OTHER_DOCUMENTS: Tag = Tag(0x5F17);
const CUSTODY: Tag = Tag(0x5F18);

/// The content of DG11. Absent fields are `None` or empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dg11 {
    /// Full name in the holder's script: `primary<<secondary`, or the list of components of the national profile
    /// (given, father, grandfather, surname, separated by `<`).
    pub full_name: Option<String>,
    /// Other names; in the national profile mother`<`maternal grandfather.
    pub other_names: Vec<String>,
    /// Personal number: here the national number.
    pub personal_number: Option<String>,
    /// Date of birth with its century.
    pub birth_date: Option<Date>,
    /// Place of birth in parts: town, district, governorate.
    pub birth_place: Vec<String>,
    /// Permanent address in parts.
    pub address: Vec<String>,
    /// Telephone number.
    pub telephone: Option<String>,
    /// Profession.
    pub profession: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// Personal summary.
    pub summary: Option<String>,
    /// Image of a proof of citizenship.
    pub citizenship_image: Option<Vec<u8>>,
    /// Numbers of other valid travel documents.
    pub other_documents: Vec<String>,
    /// Custody information.
    pub custody: Option<String>,
}

impl Dg11 {
    /// The whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut details = DetailsWriter::default();
        details.text(FULL_NAME, self.full_name.as_deref());
        details.repeated(OTHER_NAME, &self.other_names);
        details.text(PERSONAL_NUMBER, self.personal_number.as_deref());
        details.text(BIRTH_DATE, self.birth_date.map(Date::to_digits).as_deref());
        details.components(BIRTH_PLACE, &self.birth_place);
        details.components(ADDRESS, &self.address);
        details.text(TELEPHONE, self.telephone.as_deref());
        details.text(PROFESSION, self.profession.as_deref());
        details.text(TITLE, self.title.as_deref());
        details.text(SUMMARY, self.summary.as_deref());
        details.bytes(CITIZENSHIP_IMAGE, self.citizenship_image.as_deref());
        details.components(OTHER_DOCUMENTS, &self.other_documents);
        details.text(CUSTODY, self.custody.as_deref());
        details.finish(DG11)
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
        let mut details = Details::read(content(bytes, DG11)?, &[OTHER_NAME], defects)?;
        let dg11 = Dg11 {
            full_name: details.text(FULL_NAME),
            other_names: details.all(OTHER_NAME),
            personal_number: details.text(PERSONAL_NUMBER),
            birth_date: details.date(BIRTH_DATE),
            birth_place: details.components(BIRTH_PLACE),
            address: details.components(ADDRESS),
            telephone: details.text(TELEPHONE),
            profession: details.text(PROFESSION),
            title: details.text(TITLE),
            summary: details.text(SUMMARY),
            citizenship_image: details.take(CITIZENSHIP_IMAGE).map(<[u8]>::to_vec),
            other_documents: details.components(OTHER_DOCUMENTS),
            custody: details.text(CUSTODY),
        };
        details.end();
        Ok(dg11)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_vectors::shared;

    use super::*;

    fn example() -> Dg11 {
        Dg11 {
            full_name: Some("التجريبي<<زينب".into()),
            other_names: vec!["أم<جد".into()],
            personal_number: Some("199900000011".into()),
            birth_date: Some(Date::new(1999, 1, 1).unwrap()),
            birth_place: vec!["الكرادة".into(), "الكرخ".into(), "بغداد".into()],
            ..Dg11::default()
        }
    }

    #[test]
    fn bytes_and_meaning() {
        let short = Dg11 {
            full_name: Some("A<<B".into()),
            other_names: vec!["C".into()],
            birth_date: Some(Date::partial(Some(1960), None, None).unwrap()),
            ..Dg11::default()
        };
        let bytes = short.to_bytes();
        assert_eq!(hex::encode(&bytes), "6b235c065f0e5f0f5f2b5f0e04413c3c42a0070201015f0f01435f2b083139363030303030");
        assert_eq!(Dg11::parse(&bytes).unwrap(), short);
        let mut defects = Vec::new();
        assert_eq!(Dg11::parse_noting(&example().to_bytes(), &mut defects).unwrap(), example());
        assert_eq!(defects, []);
    }

    #[test]
    fn empty_fields_are_none() {
        let mut defects = Vec::new();
        let empty = hex::decode("6b075c025f0e5f0e00").unwrap();
        assert_eq!(Dg11::parse_noting(&empty, &mut defects).unwrap(), Dg11::default());
        let names = hex::decode("6b105c025f0fa00a0201025f0f005f0f0142").unwrap();
        assert_eq!(Dg11::parse_noting(&names, &mut defects).unwrap().other_names, ["", "B"]);
        assert_eq!(defects, []);
    }

    #[test]
    fn cards_in_the_field() {
        let bcd = hex::decode("6b0b5c025f2b5f2b0419990101").unwrap();
        let mut defects = Vec::new();
        let read = Dg11::parse_noting(&bcd, &mut defects);
        assert_eq!(read.unwrap().birth_date, Some(Date::new(1999, 1, 1).unwrap()));
        assert_eq!(defects, [Defect::DateAsBcd { tag: BIRTH_DATE }]);

        let bare = hex::decode("6b0c5c025f0f5f0f01415f0f0142").unwrap();
        let mut defects = Vec::new();
        let read = Dg11::parse_noting(&bare, &mut defects);
        assert_eq!(read.unwrap().other_names, ["A", "B"]);
        assert_eq!(defects, vec![Defect::WithoutTemplate { tag: OTHER_NAME }; 2]);

        let wrong = hex::decode("6b165c025f105f2b033939395f0e02c3285f0e0141df7700").unwrap();
        let mut defects = Vec::new();
        Dg11::parse_noting(&wrong, &mut defects).unwrap();
        let tag = |tag| Tag(tag);
        for expected in [
            Defect::TagList { tag: tag(0x5F10) },
            Defect::TagList { tag: tag(0x5F2B) },
            Defect::NotADate { tag: tag(0x5F2B) },
            Defect::Repeated { tag: tag(0x5F0E) },
            Defect::NotUtf8 { tag: tag(0x5F0E) },
            Defect::UnknownObject { tag: tag(0xDF77) },
        ] {
            assert!(defects.contains(&expected), "{expected} in {defects:?}");
        }
    }

    #[test]
    fn the_specimen() {
        let Some(file) = shared("data/lds-specimen/EF_DG11.bin") else { return };
        let mut defects = Vec::new();
        let dg11 = Dg11::parse_noting(&std::fs::read(file).unwrap(), &mut defects).unwrap();
        assert_eq!(dg11.full_name.as_deref(), Some("Doe John"));
        assert_eq!(dg11.other_names, ["William"]);
        assert_eq!(dg11.birth_date, Some(Date::new(1970, 1, 1).unwrap()));
        assert_eq!(dg11.birth_place, ["TEST", "TEST"]);
        assert_eq!(defects, [Defect::TagList { tag: OTHER_DOCUMENTS }, Defect::DateAsBcd { tag: BIRTH_DATE }]);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Dg11::parse(&bytes);
            let _ = Dg11::parse(&iso7816::tlv::encode(DG11, &bytes));
        }

        #[test]
        fn an_altered_byte_never_panics(at in 0usize..150, value: u8) {
            let mut bytes = example().to_bytes();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            let _ = Dg11::parse(&bytes);
        }

        #[test]
        fn written_files_read_back(
            name in "[\u{0621}-\u{064A}]{1,20}(<[\u{0621}-\u{064A}]{1,20}){0,3}",
            others in prop::collection::vec("[\u{0621}-\u{064A}]{1,10}", 0..4),
            place in prop::collection::vec("[\u{0621}-\u{064A} ]{1,10}", 0..4),
        ) {
            let dg11 = Dg11 { full_name: Some(name), other_names: others, birth_place: place, ..Dg11::default() };
            prop_assert_eq!(Dg11::parse(&dg11.to_bytes()).unwrap(), dg11);
        }
    }
}
