//! The machine readable zone (9303-3 §4.2, 9303-4, 9303-5, 9303-6): TD1, TD2 and TD3, written and read.
//!
//! [`Td1`], [`Td2`] and [`Td3`] are what an issuer fills in; [`Mrz`] is the text as printed or as read from DG1, with views of its fields.
//! Reading never corrects: wrong check digits are told by [`Mrz::wrong_check_digits`], the text stays as it is.

mod check_digit;
mod date;
mod fields;
mod format;
mod name;
mod td1;
mod td2;
mod td3;

use std::fmt;
use std::ops::Range;

use crate::date::DateError;

pub use check_digit::{CheckDigit, check_digit};
pub use date::MrzDate;
pub use format::Format;
pub use name::{NameField, NoSurname, NoSurnameRefused, holder_name, name_field};
pub use td1::Td1;
pub use td2::Td2;
pub use td3::Td3;

use format::Fields;

/// Why something is not, or does not fit, a machine readable zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MrzError {
    /// Neither 90, 72 nor 88 characters.
    #[error("a machine readable zone has 90, 72 or 88 characters, not {length}")]
    Length {
        /// Characters found, without line breaks.
        length: usize,
    },
    /// A character other than A-Z, 0-9 and `<`.
    #[error("character {position} of the machine readable zone is not A-Z, 0-9 or <")]
    Character {
        /// Its position, counting from 1, without line breaks.
        position: usize,
    },
    /// A field to be written is too long, or empty where it must not be.
    #[error("{field} has {length} characters, allowed are {min} to {max}")]
    FieldLength {
        /// Which field.
        field: &'static str,
        /// Its characters.
        length: usize,
        /// The fewest.
        min: usize,
        /// The most.
        max: usize,
    },
    /// A field to be written holds a character that cannot stand there.
    #[error("{field} holds a character that cannot stand there")]
    FieldCharacter {
        /// Which field.
        field: &'static str,
    },
    /// The document is not a TD1.
    #[error("this is not a TD1")]
    NotTd1,
}

/// MRZ_information, the input to the key derivation of BAC and PACE (9303-11 §4.3.2, §4.4.4.1): document number, date
/// of birth, date of expiry, each with its check digit. The document number is filled up to nine characters.
pub fn mrz_information(document_number: &str, birth: MrzDate, expiry: MrzDate) -> String {
    let number = format!("{document_number:<<9}");
    let (birth, expiry) = (birth.as_str(), expiry.as_str());
    let digits = (check_digit(&number), check_digit(birth), check_digit(expiry));
    format!("{number}{}{birth}{}{expiry}{}", digits.0, digits.1, digits.2)
}

/// The sex as the MRZ has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Sex {
    /// `M`.
    Male,
    /// `F`.
    Female,
    /// `<`.
    Unspecified,
}

impl Sex {
    /// The character.
    pub fn to_char(self) -> char {
        match self {
            Self::Male => 'M',
            Self::Female => 'F',
            Self::Unspecified => '<',
        }
    }

    /// Reads the character; `None` for another one.
    pub fn from_char(character: char) -> Option<Self> {
        match character {
            'M' => Some(Self::Male),
            'F' => Some(Self::Female),
            '<' => Some(Self::Unspecified),
            _ => None,
        }
    }
}

/// The text of a machine readable zone with views of its fields.
#[derive(Clone, PartialEq, Eq)]
pub struct Mrz {
    format: Format,
    text: String,
}

/// Never shows the text: it holds personal data, and it is a password of the chip.
impl fmt::Debug for Mrz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mrz").field("format", &self.format).finish_non_exhaustive()
    }
}

impl Mrz {
    /// Takes the text, with line breaks or without.
    ///
    /// # Errors
    /// When the length or a character cannot be that of an MRZ.
    pub fn parse(text: &str) -> Result<Self, MrzError> {
        let text: String = text.chars().filter(|character| !matches!(character, '\r' | '\n')).take(100).collect();
        if let Some(at) = text.chars().position(|character| !u8::try_from(character).is_ok_and(is_mrz)) {
            return Err(MrzError::Character { position: at + 1 });
        }
        let format = match text.len() {
            90 => Format::Td1,
            72 => Format::Td2,
            88 => Format::Td3,
            length => return Err(MrzError::Length { length }),
        };
        Ok(Mrz { format, text })
    }

    /// The size.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The text without line breaks.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The lines as printed.
    pub fn lines(&self) -> Vec<&str> {
        let length = self.format.line_length();
        (0..self.text.len()).step_by(length).map(|from| self.part(from..from + length)).collect()
    }

    /// Document code without fillers: `ID`, `I`, `P`.
    pub fn document_code(&self) -> &str {
        self.trimmed(0..2)
    }

    /// Issuing State or organization without fillers.
    pub fn issuing_state(&self) -> &str {
        self.trimmed(2..5)
    }

    /// Document number without fillers, put together where it runs over into the optional data.
    pub fn document_number(&self) -> String {
        let principal = self.part(self.fields().document_number.clone());
        match self.long_number() {
            Some((rest, _)) => format!("{principal}{rest}"),
            None => principal.trim_end_matches('<').to_owned(),
        }
    }

    /// Optional data of the first line (TD1) or the only ones, without fillers and without the rest of a long document
    /// number.
    pub fn optional_1(&self) -> &str {
        let whole = self.part(self.fields().optional.clone());
        let after = self.long_number().map_or(0, |(rest, _)| rest.len() + 2);
        whole.get(after..).unwrap_or_default().trim_end_matches('<')
    }

    /// Optional data of the second line (TD1), without fillers.
    pub fn optional_2(&self) -> &str {
        self.trimmed(self.fields().optional_2.clone())
    }

    /// Date of birth.
    ///
    /// # Errors
    /// When it is not made of digits and fillers.
    pub fn birth(&self) -> Result<MrzDate, DateError> {
        MrzDate::parse(self.part(self.fields().birth.clone()))
    }

    /// Date of expiry.
    ///
    /// # Errors
    /// When it is not made of digits and fillers.
    pub fn expiry(&self) -> Result<MrzDate, DateError> {
        MrzDate::parse(self.part(self.fields().expiry.clone()))
    }

    /// The sex; `None` for a character that is none.
    pub fn sex(&self) -> Option<Sex> {
        self.part(self.fields().sex.clone()).chars().next().and_then(Sex::from_char)
    }

    /// Nationality without fillers.
    pub fn nationality(&self) -> &str {
        self.trimmed(self.fields().nationality.clone())
    }

    /// The name field without trailing fillers.
    pub fn name(&self) -> &str {
        self.trimmed(self.fields().name.clone())
    }

    /// Primary and secondary identifier, their words separated by `<`; the secondary is empty where there is none.
    pub fn identifiers(&self) -> (&str, &str) {
        let name = self.name();
        let (primary, secondary) = name.split_once("<<").unwrap_or((name, ""));
        (primary, secondary.trim_start_matches('<'))
    }

    /// True when the name fills its field so far that more may have been cut off. A code of the transliteration has at
    /// most three characters and is never cut, so up to two places and a separator may stay empty.
    pub fn name_may_be_truncated(&self) -> bool {
        self.name().len() + 3 >= self.fields().name.len()
    }

    /// MRZ_information for BAC and PACE, from the fields and check digits as they stand (9303-11 §4.3.2).
    pub fn information(&self) -> String {
        let fields = self.fields();
        let with_check = |range: &Range<usize>| self.part(range.start..range.end + 1);
        let number = match self.long_number() {
            Some((rest, check)) => format!("{}{rest}{check}", self.part(fields.document_number.clone())),
            None => with_check(&fields.document_number).to_owned(),
        };
        format!("{number}{}{}", with_check(&fields.birth), with_check(&fields.expiry))
    }

    /// Every check digit that is not what the text before it asks for.
    pub fn wrong_check_digits(&self) -> Vec<CheckDigit> {
        let fields = self.fields();
        let simple = |range: &Range<usize>| self.at(range.end) == Some(check_digit(self.part(range.clone())));
        let number = match self.long_number() {
            Some((_, check)) => check.starts_with(check_digit(&self.document_number())),
            None => simple(&fields.document_number),
        };
        // An empty optional field of a TD3 may have a filler instead of its check digit (9303-4 §4.2).
        let optional = fields.optional_check.is_none()
            || simple(&fields.optional)
            || self.trimmed(fields.optional.clone()).is_empty() && self.at(fields.optional.end) == Some('<');
        let all: String = fields.composite.iter().map(|range| self.part(range.clone())).collect();
        let composite = self.at(fields.composite_check) == Some(check_digit(&all));
        [
            (CheckDigit::DocumentNumber, number),
            (CheckDigit::Birth, simple(&fields.birth)),
            (CheckDigit::Expiry, simple(&fields.expiry)),
            (CheckDigit::Optional, optional),
            (CheckDigit::Composite, composite),
        ]
        .into_iter()
        .filter_map(|(which, good)| (!good).then_some(which))
        .collect()
    }

    /// The characters of a long document number beyond nine, and its check digit (TD1 and TD2).
    fn long_number(&self) -> Option<(&str, &str)> {
        let fields = self.fields();
        let fits = self.format != Format::Td3 && self.at(fields.document_number.end) == Some('<');
        let (rest, _) = self.part(fields.optional.clone()).split_once('<').filter(|_| fits)?;
        rest.len().checked_sub(1).filter(|at| *at > 0).map(|at| rest.split_at(at))
    }

    fn fields(&self) -> &'static Fields {
        self.format.fields()
    }

    fn part(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    fn trimmed(&self, range: Range<usize>) -> &str {
        self.part(range).trim_end_matches('<')
    }

    fn at(&self, index: usize) -> Option<char> {
        self.part(index..index + 1).chars().next()
    }
}

impl fmt::Display for Mrz {
    /// The lines, separated by line breaks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte == b'<'
}

fn is_mrz(byte: u8) -> bool {
    is_letter(byte) || byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_vectors::Vectors;

    use super::*;
    use crate::transliteration::{Policy, arabic};

    struct Fixture {
        number: &'static str,
        national: &'static str,
        birth: &'static str,
        sex: Sex,
        expiry: &'static str,
        surname: &'static str,
        given: &'static str,
        text: &'static str,
    }

    const FIXTURES: &[Fixture] = &[
        Fixture {
            number: "ZZ0000017",
            national: "199900000011",
            birth: "990101",
            sex: Sex::Female,
            expiry: "350101",
            surname: "التجريبي",
            given: "زينب",
            text: "IDIRQZZ00000170199900000011<<<\n9901018F3501014IRQ<<<<<<<<<<<6\nALTJRYBY<<ZYNB<<<<<<<<<<<<<<<<",
        },
        Fixture {
            number: "ZZ0000025",
            national: "200500000028",
            birth: "050315",
            sex: Sex::Male,
            expiry: "350314",
            surname: "عبد الرحمن",
            given: "مصطفى",
            text: "IDIRQZZ00000251200500000028<<<\n0503154M3503144IRQ<<<<<<<<<<<3\nEBD<ALRXHMN<<MXSSXTTFXAY<<<<<<",
        },
        Fixture {
            number: "ZZ0000033",
            national: "198800000036",
            birth: "881231",
            sex: Sex::Male,
            expiry: "341230",
            surname: "شێخانی",
            given: "ئازاد",
            text: "IDIRQZZ00000332198800000036<<<\n8812315M3412307IRQ<<<<<<<<<<<7\nXSHYXKHANXYA<<XIAZAD<<<<<<<<<<",
        },
    ];

    #[test]
    fn fixtures_are_written_and_read() {
        for fixture in FIXTURES {
            let mrz = Mrz::parse(fixture.text).unwrap();
            assert_eq!(mrz.wrong_check_digits(), [], "{mrz}");
            let name = |text| arabic(text, Policy::KurdishExtension).unwrap();
            let name = name_field(&name(fixture.surname), &name(fixture.given), 30);
            assert!(!name.truncated);
            let td1 = Td1 {
                document_code: "ID".into(),
                issuing_state: "IRQ".into(),
                document_number: fixture.number.into(),
                optional_1: fixture.national.into(),
                birth: MrzDate::parse(fixture.birth).unwrap(),
                sex: fixture.sex,
                expiry: MrzDate::parse(fixture.expiry).unwrap(),
                nationality: "IRQ".into(),
                optional_2: String::new(),
                name: name.text,
            };
            assert_eq!(td1.to_mrz().unwrap().to_string(), fixture.text);
            let read = Td1::parse(fixture.text).unwrap();
            assert_eq!(read.name, td1.name.trim_end_matches('<'));
            assert_eq!(Td1 { name: read.name.clone(), ..td1 }, read);
        }
    }

    #[test]
    fn mrz_information_of_the_worked_examples() {
        let vectors = Vectors::load("icao9303-bac");
        for example in vectors.list("/D2_key_seed") {
            let text = example.get("mrz_td1").or(example.get("mrz_td2")).unwrap().as_str().unwrap();
            let mrz = Mrz::parse(text).unwrap();
            let expected = example["mrz_information"].as_str().unwrap();
            assert_eq!(mrz.information(), expected);
            assert_eq!(mrz.wrong_check_digits().iter().filter(|wrong| **wrong != CheckDigit::Composite).count(), 0);
            let (birth, expiry) = (mrz.birth().unwrap(), mrz.expiry().unwrap());
            assert_eq!(mrz_information(&mrz.document_number(), birth, expiry), expected);
        }
    }

    #[test]
    fn passports_and_td2_are_read() {
        let passport = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10";
        let mrz = Mrz::parse(passport).unwrap();
        assert_eq!((mrz.format(), mrz.wrong_check_digits()), (Format::Td3, vec![]));
        assert_eq!(
            (mrz.document_code(), mrz.issuing_state(), mrz.document_number().as_str()),
            ("P", "UTO", "L898902C3")
        );
        assert_eq!((mrz.identifiers(), mrz.optional_1()), (("ERIKSSON", "ANNA<MARIA"), "ZE184226B"));
        assert_eq!(mrz.information(), "L898902C3674081221204159");
        assert_eq!(mrz.to_string(), passport);
        let altered = passport.replace("7408122", "7408222");
        assert_eq!(Mrz::parse(&altered).unwrap().wrong_check_digits(), [CheckDigit::Birth, CheckDigit::Composite]);
    }

    #[test]
    fn errors_name_the_place() {
        assert_eq!(Mrz::parse("ID"), Err(MrzError::Length { length: 2 }));
        assert_eq!(Mrz::parse("IDٱ"), Err(MrzError::Character { position: 3 }));
        let text = FIXTURES[0].text.to_lowercase();
        assert_eq!(Mrz::parse(&text), Err(MrzError::Character { position: 1 }));
    }

    proptest! {
        #[test]
        fn hostile_text_never_panics(text in "[A-Z0-9<]{72}|[A-Z0-9<]{88}|[A-Z0-9<]{90}|.{0,100}") {
            if let Ok(mrz) = Mrz::parse(&text) {
                let _ = (mrz.wrong_check_digits(), mrz.information(), mrz.identifiers(), mrz.document_number());
                let _ = (mrz.optional_1(), mrz.optional_2(), mrz.birth(), mrz.expiry(), mrz.sex(), mrz.lines());
            }
            let _ = Td1::parse(&text);
        }
    }
}
