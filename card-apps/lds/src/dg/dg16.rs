//! DG16: persons to notify (9303-10 §4.7.16, worked example in its appendix A.6).
//!
//! ```text
//! 70 { 02 number of entries
//!      A1 { 5F50 date recorded CCYYMMDD   5F51 name   5F52 telephone   5F53 address }   A2 { .. } .. }
//! ```
//!
//! The table of the standard puts the number into the first entry, its worked example before it: written as in the
//! example, read in both places. Names are `primary<<secondary`; parts of an address are separated by `<`.

use iso7816::tlv::{Reader, Tag, Writer};

use super::details::{Details, DetailsWriter};
use super::{Defect, ReadError, content, note};
use crate::date::Date;
use crate::files::group_tag;

const DG16: Tag = group_tag(16);
const COUNT: Tag = Tag(0x02);
/// The tag of entry `x` is `Ax`.
const ENTRY: u32 = 0xA0;
const RECORDED: Tag = Tag(0x5F50);
const NAME: Tag = Tag(0x5F51);
const TELEPHONE: Tag = Tag(0x5F52);
const ADDRESS: Tag = Tag(0x5F53);
/// The most persons: entries are told apart by one hexadecimal digit.
pub const MOST_PERSONS: usize = 15;

/// One person to notify in an emergency.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Person {
    /// When the entry was recorded.
    pub recorded: Option<Date>,
    /// The name: `primary<<secondary`.
    pub name: Option<String>,
    /// Telephone number with country code, digits.
    pub telephone: Option<String>,
    /// The address in parts.
    pub address: Vec<String>,
}

/// The content of DG16.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dg16 {
    persons: Vec<Person>,
}

impl Dg16 {
    /// These persons.
    ///
    /// # Errors
    /// When there are more than [`MOST_PERSONS`].
    pub fn new(persons: Vec<Person>) -> Result<Self, ReadError> {
        match persons.len() {
            0..=MOST_PERSONS => Ok(Dg16 { persons }),
            _ => Err(ReadError::TooMany { field: "persons to notify" }),
        }
    }

    /// The persons, in the order of the file.
    pub fn persons(&self) -> &[Person] {
        &self.persons
    }

    /// The whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(DG16, |w| {
            w.put(COUNT, [self.persons.len() as u8]);
            for (tag, person) in (ENTRY + 1..).zip(&self.persons) {
                let mut details = DetailsWriter::default();
                details.text(RECORDED, person.recorded.map(Date::to_digits).as_deref());
                details.text(NAME, person.name.as_deref());
                details.text(TELEPHONE, person.telephone.as_deref());
                details.components(ADDRESS, &person.address);
                w.put(Tag(tag), details.finish_entry());
            }
        });
        writer.finish()
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// When it is not made of data objects, or of too many.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        Self::parse_noting(bytes, &mut Vec::new())
    }

    /// The same, with a note for each deviation from the standard.
    ///
    /// # Errors
    /// When it is not made of data objects, or of too many.
    pub fn parse_noting(bytes: &[u8], defects: &mut Vec<Defect>) -> Result<Self, ReadError> {
        let mut reader = Reader::new(content(bytes, DG16)?);
        let mut announced = reader.optional(COUNT)?;
        let mut persons = Vec::new();
        while let Some(tlv) = reader.next()? {
            let number = tlv.tag.0.wrapping_sub(ENTRY) as usize;
            if !(1..=MOST_PERSONS).contains(&number) {
                note(defects, Defect::UnknownObject { tag: tlv.tag });
                continue;
            }
            if persons.len() >= MOST_PERSONS {
                return Err(ReadError::TooMany { field: "persons to notify" });
            }
            let (count, person) = entry(tlv.value, defects)?;
            announced = announced.or(count);
            persons.push(person);
        }
        let announced = announced.and_then(|count| count.first().copied()).map_or(0, usize::from);
        if announced != persons.len() {
            defects.push(Defect::WrongCount { announced, found: persons.len() });
        }
        Ok(Dg16 { persons })
    }
}

/// One entry, and the number of all when it stands inside.
fn entry<'a>(value: &'a [u8], defects: &mut Vec<Defect>) -> Result<(Option<&'a [u8]>, Person), ReadError> {
    let mut details = Details::of_entry(value, defects)?;
    let count = details.take(COUNT);
    let person = Person {
        recorded: details.date(RECORDED),
        name: details.text(NAME),
        telephone: details.text(TELEPHONE),
        address: details.components(ADDRESS),
    };
    details.end();
    Ok((count, person))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 9303-10 appendix A.6.
    const EXAMPLE: &str = "7081a2020102a14c5f500832303032303130315f5110534d4954483c3c434841524c45533c525f520b3139353235353531\
        3231325f531d313233204d41504c452052443c414e59544f574e3c4d4e3c3535313030a24f5f500832303032303331355f510d42524f574e3c3c\
        4d4152593c4a5f520b31343135353535313231325f5323343920524544574f4f44204c4e3c4f4345414e20425245455a453c43413c3934303030";

    fn example() -> Dg16 {
        let person = |date, name: &str, telephone: &str, address: [&str; 4]| Person {
            recorded: Some(Date::from_digits(date).unwrap()),
            name: Some(name.into()),
            telephone: Some(telephone.into()),
            address: address.map(str::to_owned).to_vec(),
        };
        Dg16::new(vec![
            person("20020101", "SMITH<<CHARLES<R", "19525551212", ["123 MAPLE RD", "ANYTOWN", "MN", "55100"]),
            person("20020315", "BROWN<<MARY<J", "14155551212", ["49 REDWOOD LN", "OCEAN BREEZE", "CA", "94000"]),
        ])
        .unwrap()
    }

    #[test]
    fn the_example_of_the_standard() {
        let bytes = hex::decode(EXAMPLE).unwrap();
        let mut defects = Vec::new();
        assert_eq!(Dg16::parse_noting(&bytes, &mut defects).unwrap(), example());
        assert_eq!(defects, []);
        assert_eq!(example().to_bytes(), bytes);
    }

    #[test]
    fn the_number_may_stand_in_the_first_entry() {
        let file = hex::decode("700aa1080201015f51024142").unwrap();
        let mut defects = Vec::new();
        let dg16 = Dg16::parse_noting(&file, &mut defects).unwrap();
        assert_eq!(dg16.persons()[0].name.as_deref(), Some("AB"));
        assert_eq!(defects, []);
    }

    #[test]
    fn too_many_persons_and_what_is_none() {
        assert!(Dg16::new(vec![Person::default(); 15]).is_ok());
        assert_eq!(Dg16::new(vec![Person::default(); 16]), Err(ReadError::TooMany { field: "persons to notify" }));
        let mut defects = Vec::new();
        let file = hex::decode("7009020102a1005f510141").unwrap();
        Dg16::parse_noting(&file, &mut defects).unwrap();
        let expected = [Defect::UnknownObject { tag: NAME }, Defect::WrongCount { announced: 2, found: 1 }];
        assert_eq!(defects, expected);
    }

    #[test]
    fn junk_is_noted_so_many_times_and_no_more() {
        let content = [vec![2, 1, 1, 0xA1, 0], [0xC1, 0].repeat(1_000)].concat();
        let mut defects = Vec::new();
        Dg16::parse_noting(&iso7816::tlv::encode(DG16, content), &mut defects).unwrap();
        assert_eq!(defects, vec![Defect::UnknownObject { tag: Tag(0xC1) }; 64]);
        // In an entry: tag lists, of which none belongs there.
        let entry = iso7816::tlv::encode(Tag(0xA1), [0x5C, 0].repeat(1_000));
        defects.clear();
        Dg16::parse_noting(&iso7816::tlv::encode(DG16, [vec![2, 1, 1], entry].concat()), &mut defects).unwrap();
        assert_eq!(defects.len(), 64);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Dg16::parse(&bytes);
            let _ = Dg16::parse(&iso7816::tlv::encode(DG16, &bytes));
        }

        #[test]
        fn an_altered_byte_never_panics(at in 0usize..165, value: u8) {
            let mut bytes = hex::decode(EXAMPLE).unwrap();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            let _ = Dg16::parse(&bytes);
        }

        #[test]
        fn written_files_read_back(
            names in prop::collection::vec("[A-Z]{1,12}<<[A-Z]{1,12}", 0..=15), address in prop::collection::vec("[A-Za-z ]{1,9}", 0..4),
        ) {
            let person = |name: String| Person { name: Some(name), address: address.clone(), ..Person::default() };
            let dg16 = Dg16::new(names.into_iter().map(person).collect()).unwrap();
            prop_assert_eq!(Dg16::parse(&dg16.to_bytes()).unwrap(), dg16);
        }
    }
}
