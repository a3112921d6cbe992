//! The TD1 as an issuer fills it in (9303-5 §4.2).

use std::fmt;

use super::fields::{field, number_and_optional};
use super::{Format, Mrz, MrzDate, MrzError, Sex, check_digit, is_letter, is_mrz};

/// The fields of a TD1 (9303-5 §4.2), without fillers and check digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Td1 {
    /// One or two characters, the first `A`, `C` or `I`: `ID`.
    pub document_code: String,
    /// Issuing State or organization, up to three letters: `IRQ`, `UTO`.
    pub issuing_state: String,
    /// Document number, 1 to 22 characters; beyond nine it runs over into the optional data.
    pub document_number: String,
    /// Optional data of the first line, up to 15 characters (fewer beside a long document number): here the national
    /// number.
    pub optional_1: String,
    /// Date of birth.
    pub birth: MrzDate,
    /// Sex.
    pub sex: Sex,
    /// Date of expiry.
    pub expiry: MrzDate,
    /// Nationality, up to three letters.
    pub nationality: String,
    /// Optional data of the second line, up to 11 characters.
    pub optional_2: String,
    /// Name field, up to 30 characters, as [`super::name_field`] or [`super::holder_name`] make it.
    pub name: String,
}

/// Never shows the text: it holds personal data, and it is a password of the chip.
impl fmt::Debug for Td1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Td1").finish_non_exhaustive()
    }
}

impl Td1 {
    /// The three lines, with fillers and check digits.
    ///
    /// # Errors
    /// Names the first field that does not fit.
    pub fn to_mrz(&self) -> Result<Mrz, MrzError> {
        let code = field("document code", &self.document_code, 1..=2, is_letter)?;
        let state = field("issuing State", &self.issuing_state, 1..=3, is_letter)?;
        let (number, check, optional_1) =
            number_and_optional(&self.document_number, ("optional data of line 1", &self.optional_1), 15)?;
        let nationality = field("nationality", &self.nationality, 1..=3, is_letter)?;
        let optional_2 = field("optional data of line 2", &self.optional_2, 0..=11, is_mrz)?;
        let name = field("name", &self.name, 1..=30, is_letter)?;
        let (birth, expiry, sex) = (self.birth.as_str(), self.expiry.as_str(), self.sex.to_char());
        let (birth_check, expiry_check) = (check_digit(birth), check_digit(expiry));
        let composite = format!("{number}{check}{optional_1}{birth}{birth_check}{expiry}{expiry_check}{optional_2}");
        let text = format!(
            "{code}{state}{number}{check}{optional_1}\
             {birth}{birth_check}{sex}{expiry}{expiry_check}{nationality}{optional_2}{}\
             {name}",
            check_digit(&composite)
        );
        Mrz::parse(&text)
    }

    /// Reads the text of a TD1.
    ///
    /// # Errors
    /// When it is not a TD1 of well-formed fields. Check digits are not judged here.
    pub fn parse(text: &str) -> Result<Self, MrzError> {
        let mrz = Mrz::parse(text)?;
        if mrz.format != Format::Td1 {
            return Err(MrzError::NotTd1);
        }
        let bad = |field| MrzError::FieldCharacter { field };
        Ok(Td1 {
            document_code: mrz.document_code().to_owned(),
            issuing_state: mrz.issuing_state().to_owned(),
            document_number: mrz.document_number(),
            optional_1: mrz.optional_1().to_owned(),
            birth: mrz.birth().map_err(|_| bad("date of birth"))?,
            sex: mrz.sex().ok_or(bad("sex"))?,
            expiry: mrz.expiry().map_err(|_| bad("date of expiry"))?,
            nationality: mrz.nationality().to_owned(),
            optional_2: mrz.optional_2().to_owned(),
            name: mrz.name().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_vectors::Vectors;

    use super::*;
    use crate::mrz::mrz_information;

    #[test]
    fn long_document_numbers_run_over_into_the_optional_data() {
        let vectors = Vectors::load("icao9303-bac");
        let text = vectors.text("/D2_key_seed/3/mrz_td1");
        let td1 = Td1::parse(text).unwrap();
        assert_eq!(td1.document_number, "D23145890734");
        assert_eq!(td1.optional_1, "");
        assert_eq!(td1.to_mrz().unwrap().as_str(), text);
        let longest = Td1 { document_number: "A".repeat(22), ..td1.clone() };
        assert_eq!(Td1::parse(longest.to_mrz().unwrap().as_str()).unwrap(), longest);
        let beside = Td1 { document_number: "A123456789".into(), optional_1: "B12345678901".into(), ..td1.clone() };
        assert_eq!(Td1::parse(beside.to_mrz().unwrap().as_str()).unwrap(), beside);
        let crowded = Td1 { document_number: "A".repeat(22), optional_1: "B".into(), ..td1.clone() };
        let error = crowded.to_mrz().unwrap_err();
        assert_eq!(error, MrzError::FieldLength { field: "optional data of line 1", length: 1, min: 0, max: 0 });
        let gap = Td1 { document_number: "A<1".into(), ..td1 };
        assert_eq!(gap.to_mrz(), Err(MrzError::FieldCharacter { field: "document number" }));
    }

    proptest! {
        #[test]
        fn written_zones_read_back_with_good_check_digits(
            number in "[A-Z0-9]{1,22}", birth in "[0-9]{6}", expiry in "[0-9]{6}", name in "[A-Z]{1,10}(<<[A-Z]{1,10})?",
        ) {
            let td1 = Td1 {
                document_code: "I".into(),
                issuing_state: "UTO".into(),
                document_number: number,
                optional_1: String::new(),
                birth: MrzDate::parse(&birth).unwrap(),
                sex: Sex::Unspecified,
                expiry: MrzDate::parse(&expiry).unwrap(),
                nationality: "UTO".into(),
                optional_2: String::new(),
                name,
            };
            let mrz = td1.to_mrz().unwrap();
            prop_assert_eq!(mrz.wrong_check_digits(), vec![]);
            prop_assert_eq!(mrz.information(), mrz_information(&td1.document_number, td1.birth, td1.expiry));
            prop_assert_eq!(Td1::parse(mrz.as_str()).unwrap(), td1);
        }
    }
}
