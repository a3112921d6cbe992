//! DG13: the national profile (9303-10 §4.7.13 leaves this group to the issuing State).
//!
//! Written form, national profile version 1:
//!
//! ```text
//! 6D { 5C tags present   DF01 profile version (1 byte: 01)   DF02 .. one field each, UTF-8 text }
//! ```
//!
//! | tag | field |
//! |---|---|
//! | `DF02` | civil-status office |
//! | `DF03` | register number |
//! | `DF04` | page number |
//! | `DF05` | current family number |
//! | `DF06` | family number at birth |
//! | `DF07` | blood group |
//! | `DF08` | legal clause of nationality |
//! | `DF09`, `DF0A` | father's place of birth, nationality |
//! | `DF0B`, `DF0C` | mother's place of birth, nationality |
//! | `DF0D`, `DF0E` | religion, ethnicity: reserved, never written |
//!
//! Also read: the text form reported of cards in the field, a tag list and objects with `key=value;` in UTF-8, the keys
//! bilingual (`Arabic/Kurdish`). Letters that are written in several ways are not distinguished in keys.

use std::collections::BTreeMap;
use std::fmt;

use iso7816::tlv::{Reader, Tag, Tlv};

use super::details::DetailsWriter;
use super::{Defect, ReadError, content};
use crate::files::group_tag;

const DG13: Tag = group_tag(13);
const TAG_LIST: Tag = Tag(0x5C);
const VERSION: Tag = Tag(0xDF01);
/// The profile version this crate writes.
const PROFILE_VERSION: u8 = 1;
/// The most entries read from one file.
const MOST_ENTRIES: usize = 64;

/// A field of the national profile.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Field {
    /// Civil-status office.
    Office,
    /// Register number.
    Register,
    /// Page number in the register.
    Page,
    /// Current family number.
    FamilyNumber,
    /// Family number at birth.
    BirthFamilyNumber,
    /// Blood group.
    BloodGroup,
    /// Legal clause of nationality.
    NationalityClause,
    /// Father's place of birth.
    FatherBirthPlace,
    /// Father's nationality.
    FatherNationality,
    /// Mother's place of birth.
    MotherBirthPlace,
    /// Mother's nationality.
    MotherNationality,
    /// Religion: sensitive, read from other issuers' cards, never written, never printed.
    Religion,
    /// Ethnicity: sensitive, read from other issuers' cards, never written, never printed.
    Ethnicity,
}

/// Field, tag in the written form, Arabic and Kurdish key in the text form.
const FIELDS: &[(Field, u32, &str, &str)] = &[
    (Field::Office, 0xDF02, "دائرة الاحوال المدنية", "فەرمانگەی کاروباری شارستانی"),
    (Field::Register, 0xDF03, "رقم السجل", "ژمارەی پەرتووك"),
    (Field::Page, 0xDF04, "رقم الصحيفة", "ژمارەی پەڕە"),
    (Field::FamilyNumber, 0xDF05, "الرقم العائلي الحالي", "ژمارەی خێزانی ھەنووکەیی"),
    (Field::BirthFamilyNumber, 0xDF06, "الرقم العائلي الولادي", "ژمارەی خێزانی لەدایکبوو"),
    (Field::BloodGroup, 0xDF07, "فئة الدم", "گرووپی خوێن"),
    (Field::NationalityClause, 0xDF08, "البند القانوني", "بەندی یاسایی"),
    (Field::FatherBirthPlace, 0xDF09, "محل ولادة الاب", "شوێنی لەدایك بوونی باوك"),
    (Field::FatherNationality, 0xDF0A, "جنسية الاب", "ڕەگەزنامەی باوك"),
    (Field::MotherBirthPlace, 0xDF0B, "محل ولادة الام", "شوێنی لەدایك بوونی دایك"),
    (Field::MotherNationality, 0xDF0C, "جنسية الام", "ڕەگەزنامەی دایك"),
    (Field::Religion, 0xDF0D, "الديانة", "ئایین"),
    (Field::Ethnicity, 0xDF0E, "القومية", "ڕەگەزنامە"),
];

impl Field {
    /// All fields, in the order of their tags.
    pub fn all() -> impl Iterator<Item = Field> {
        FIELDS.iter().map(|(field, ..)| *field)
    }

    /// True for what is never written and never shown.
    pub fn is_sensitive(self) -> bool {
        matches!(self, Self::Religion | Self::Ethnicity)
    }
}

/// Which of the two forms a file had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Form {
    /// Data objects `DF01`, `DF02` ..
    #[default]
    Structured,
    /// Text `key=value;`.
    Text,
}

/// The content of DG13.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Dg13 {
    /// The form it was read from; written is always the structured one.
    pub form: Form,
    values: BTreeMap<Field, String>,
    others: Vec<(String, String)>,
}

impl Dg13 {
    /// A profile without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a field.
    pub fn get(&self, field: Field) -> Option<&str> {
        self.values.get(&field).map(String::as_str)
    }

    /// Sets a field; an empty text removes it.
    pub fn set(&mut self, field: Field, value: impl Into<String>) -> &mut Self {
        match value.into() {
            value if value.is_empty() => self.values.remove(&field),
            value => self.values.insert(field, value),
        };
        self
    }

    /// The fields that may be shown, with their values.
    pub fn shown(&self) -> impl Iterator<Item = (Field, &str)> {
        self.values.iter().filter(|(field, _)| !field.is_sensitive()).map(|(field, value)| (*field, value.as_str()))
    }

    /// Entries of the text form whose key is not known. They may be as sensitive as any.
    pub fn others(&self) -> &[(String, String)] {
        &self.others
    }

    /// The whole file in the structured form. Sensitive fields and unknown entries are left out.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut details = DetailsWriter::default();
        details.bytes(VERSION, Some(&[PROFILE_VERSION]));
        for (field, tag, ..) in FIELDS.iter().filter(|(field, ..)| !field.is_sensitive()) {
            details.text(Tag(*tag), self.get(*field));
        }
        details.finish(DG13)
    }

    /// Reads the whole file, in either form.
    ///
    /// # Errors
    /// When it is not made of data objects.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        Self::parse_noting(bytes, &mut Vec::new())
    }

    /// The same, with a note for each deviation.
    ///
    /// # Errors
    /// When it is not made of data objects.
    pub fn parse_noting(bytes: &[u8], defects: &mut Vec<Defect>) -> Result<Self, ReadError> {
        let mut reader = Reader::new(content(bytes, DG13)?);
        if reader.optional(TAG_LIST)?.is_none() {
            defects.push(Defect::NoTagList);
        }
        let mut objects = Vec::new();
        while let Some(tlv) = reader.next()? {
            if objects.len() >= MOST_ENTRIES {
                return Err(ReadError::TooMany { field: "DG13" });
            }
            objects.push(tlv);
        }
        if objects.iter().any(|object| object.tag == VERSION) {
            Self::from_objects(&objects, defects)
        } else {
            Self::from_text(&objects, defects)
        }
    }

    fn from_objects(objects: &[Tlv<'_>], defects: &mut Vec<Defect>) -> Result<Self, ReadError> {
        let mut profile = Dg13::new();
        for object in objects {
            let known = FIELDS.iter().find(|(_, tag, ..)| Tag(*tag) == object.tag).map(|(field, ..)| *field);
            match (object.tag, object.value, known) {
                (VERSION, [PROFILE_VERSION], _) => {}
                (VERSION, ..) => return Err(ReadError::NotSupported { what: "this version of the national profile" }),
                (tag, _, None) => defects.push(Defect::UnknownObject { tag }),
                (tag, _, Some(field)) if profile.get(field).is_some() => defects.push(Defect::Repeated { tag }),
                (tag, value, Some(field)) => {
                    profile.set(field, text(tag, value, defects));
                }
            }
        }
        Ok(profile)
    }

    fn from_text(objects: &[Tlv<'_>], defects: &mut Vec<Defect>) -> Result<Self, ReadError> {
        let mut profile = Dg13 { form: Form::Text, ..Dg13::new() };
        let mut entries = 0;
        for object in objects {
            let text = text(object.tag, object.value, defects);
            for (key, value) in text.split(';').filter_map(|entry| entry.split_once('=')) {
                if entries >= MOST_ENTRIES {
                    return Err(ReadError::TooMany { field: "DG13" });
                }
                entries += 1;
                let value = value.trim().to_owned();
                match field_of(key) {
                    Some(field) if profile.get(field).is_none() => {
                        profile.set(field, value);
                    }
                    Some(_) => defects.push(Defect::Repeated { tag: object.tag }),
                    None => profile.others.push((key.trim().to_owned(), value)),
                }
            }
        }
        Ok(profile)
    }
}

impl fmt::Debug for Dg13 {
    /// Sensitive and unknown values are masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = self.values.keys().filter(|field| field.is_sensitive()).map(|field| (*field, "masked"));
        f.debug_map().entries(self.shown()).entries(masked).entry(&"others", &self.others.len()).finish()
    }
}

fn text(tag: Tag, value: &[u8], defects: &mut Vec<Defect>) -> String {
    if std::str::from_utf8(value).is_err() {
        defects.push(Defect::NotUtf8 { tag });
    }
    String::from_utf8_lossy(value).into_owned()
}

/// The field of a bilingual key: the Arabic half decides, else the Kurdish one.
fn field_of(key: &str) -> Option<Field> {
    let halves: Vec<String> = key.split('/').map(fold).collect();
    let arabic = FIELDS.iter().find(|(_, _, arabic, _)| halves.contains(&fold(arabic)));
    let kurdish = || FIELDS.iter().find(|(_, _, _, kurdish)| halves.contains(&fold(kurdish)));
    arabic.or_else(kurdish).map(|(field, ..)| *field)
}

/// Letters that keyboards and registries confuse become one; marks and surplus spaces go.
fn fold(text: &str) -> String {
    let letters = text.chars().filter_map(|letter| match letter {
        'أ' | 'إ' | 'آ' | 'ٱ' => Some('ا'),
        'ى' | 'ی' => Some('ي'),
        'ة' | 'ھ' | 'ە' => Some('ه'),
        'ک' => Some('ك'),
        '\u{0640}' | '\u{064B}'..='\u{0652}' | '\u{0670}' | '\u{200C}'..='\u{200F}' => None,
        other => Some(other),
    });
    letters.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use iso7816::tlv::{Writer, encode};
    use proptest::prelude::*;

    use super::*;

    fn text_form(entries: &str) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(DG13, |w| {
            w.put(TAG_LIST, [0xDF, 0x01]).put(Tag(0x5F0E), entries);
        });
        writer.finish()
    }

    #[test]
    fn bytes_and_meaning() {
        let mut profile = Dg13::new();
        profile.set(Field::Register, "12").set(Field::Page, "7").set(Field::BloodGroup, "O+");
        let bytes = profile.to_bytes();
        assert_eq!(hex::encode(&bytes), "6d1c5c08df01df03df04df07df010101df03023132df040137df07024f2b");
        let mut defects = Vec::new();
        assert_eq!(Dg13::parse_noting(&bytes, &mut defects).unwrap(), profile);
        assert_eq!(defects, []);
    }

    #[test]
    fn the_text_form_of_cards_in_the_field() {
        let bytes = text_form(
            "دائرة الأحوال المدنية/فەرمانگەی کاروباری شارستانی=الكرادة;رقم السجل/ژمارەی پەرتووك = 12 ;\
             الديانة/ئایین=س;ژمارەی پەڕە=7;القومية/ڕەگەزنامە=ص;جنسية الأب/ڕەگەزنامەی باوك=عراقية;مفتاح=قيمة;",
        );
        let profile = Dg13::parse(&bytes).unwrap();
        assert_eq!(profile.form, Form::Text);
        assert_eq!(profile.get(Field::Office), Some("الكرادة"));
        assert_eq!(profile.get(Field::Register), Some("12"));
        assert_eq!(profile.get(Field::Page), Some("7"));
        assert_eq!(profile.get(Field::FatherNationality), Some("عراقية"));
        assert_eq!(profile.others(), [("مفتاح".to_owned(), "قيمة".to_owned())]);
        assert_eq!(profile.get(Field::Ethnicity), Some("ص"));
    }

    #[test]
    fn every_key_leads_to_its_field() {
        for (field, _, arabic, kurdish) in FIELDS {
            assert_eq!(field_of(&format!("{arabic}/{kurdish}")), Some(*field));
            assert_eq!(field_of(arabic), Some(*field));
            assert_eq!(field_of(kurdish), Some(*field));
        }
    }

    #[test]
    fn sensitive_fields_are_neither_written_nor_printed() {
        let mut profile = Dg13::new();
        profile.set(Field::Religion, "RRRR").set(Field::Ethnicity, "EEEE").set(Field::Page, "7");
        let written = Dg13::parse(&profile.to_bytes()).unwrap();
        assert_eq!(written.shown().collect::<Vec<_>>(), [(Field::Page, "7")]);
        assert_eq!((written.get(Field::Religion), written.get(Field::Ethnicity)), (None, None));
        let printed = format!("{profile:?}");
        assert!(!printed.contains("RRRR") && !printed.contains("EEEE"), "{printed}");
    }

    #[test]
    fn a_file_of_one_entry_over_and_over_is_refused() {
        let entry = format!("{}=1;", FIELDS[0].2);
        assert!(Dg13::parse(&text_form(&entry.repeat(MOST_ENTRIES))).is_ok());
        let more = text_form(&entry.repeat(MOST_ENTRIES + 1));
        assert_eq!(Dg13::parse(&more), Err(ReadError::TooMany { field: "DG13" }));
    }

    #[test]
    fn unknown_versions_are_not_guessed() {
        let bytes = encode(DG13, hex::decode("5c02df01df010102").unwrap());
        assert!(matches!(Dg13::parse(&bytes), Err(ReadError::NotSupported { .. })));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), entries in ".{0,80}") {
            let _ = Dg13::parse(&bytes);
            let _ = Dg13::parse(&encode(DG13, &bytes));
            let _ = Dg13::parse(&text_form(&entries));
        }

        #[test]
        fn written_files_read_back(values in prop::collection::btree_map(0usize..11, ".{1,30}", 0..11)) {
            let mut profile = Dg13::new();
            for (at, value) in values {
                profile.set(FIELDS[at].0, value);
            }
            prop_assert_eq!(Dg13::parse(&profile.to_bytes()).unwrap(), profile);
        }
    }
}
