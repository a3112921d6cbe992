//! The TD2 as an issuer fills it in (9303-6 §4.2).

use std::fmt;

use super::fields::{field, number_and_optional};
use super::{Mrz, MrzDate, MrzError, Sex, check_digit, is_letter};

/// The fields of a TD2 (9303-6 §4.2), without fillers and check digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Td2 {
    /// One or two characters, the first `A`, `C`, `I` or `P`.
    pub document_code: String,
    /// Issuing State or organization, up to three letters.
    pub issuing_state: String,
    /// Name field, up to 31 characters, as [`super::name_field`] or [`super::holder_name`] make it.
    pub name: String,
    /// Document number, 1 to 14 characters; beyond nine it runs over into the optional data.
    pub document_number: String,
    /// Nationality, up to three letters.
    pub nationality: String,
    /// Date of birth.
    pub birth: MrzDate,
    /// Sex.
    pub sex: Sex,
    /// Date of expiry.
    pub expiry: MrzDate,
    /// Optional data, up to 7 characters (fewer beside a long document number).
    pub optional: String,
}

/// Never shows the text: it holds personal data, and it is a password of the chip.
impl fmt::Debug for Td2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Td2").finish_non_exhaustive()
    }
}

impl Td2 {
    /// The two lines, with fillers and check digits.
    ///
    /// # Errors
    /// Names the first field that does not fit.
    pub fn to_mrz(&self) -> Result<Mrz, MrzError> {
        let code = field("document code", &self.document_code, 1..=2, is_letter)?;
        let state = field("issuing State", &self.issuing_state, 1..=3, is_letter)?;
        let name = field("name", &self.name, 1..=31, is_letter)?;
        let (number, check, optional) =
            number_and_optional(&self.document_number, ("optional data", &self.optional), 7)?;
        let nationality = field("nationality", &self.nationality, 1..=3, is_letter)?;
        let (birth, expiry, sex) = (self.birth.as_str(), self.expiry.as_str(), self.sex.to_char());
        let (birth_check, expiry_check) = (check_digit(birth), check_digit(expiry));
        let composite = format!("{number}{check}{birth}{birth_check}{expiry}{expiry_check}{optional}");
        let text = format!(
            "{code}{state}{name}\
             {number}{check}{nationality}{birth}{birth_check}{sex}{expiry}{expiry_check}{optional}{}",
            check_digit(&composite)
        );
        Mrz::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_vectors::Vectors;

    use super::*;
    use crate::mrz::{Format, mrz_information};

    fn td2(number: &str, optional: &str) -> Td2 {
        Td2 {
            document_code: "I".into(),
            issuing_state: "UTO".into(),
            name: "ERIKSSON<<ANNA<MARIA".into(),
            document_number: number.into(),
            nationality: "UTO".into(),
            birth: MrzDate::parse("740812").unwrap(),
            sex: Sex::Female,
            expiry: MrzDate::parse("120415").unwrap(),
            optional: optional.into(),
        }
    }

    #[test]
    fn the_specimen_of_the_standard() {
        let mrz = td2("D23145890", "").to_mrz().unwrap();
        assert_eq!(mrz.to_string(), "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6");
        assert_eq!((mrz.format(), mrz.wrong_check_digits()), (Format::Td2, vec![]));
    }

    #[test]
    fn a_long_number_of_the_worked_examples() {
        let text = Vectors::load("icao9303-bac").text("/D2_key_seed/2/mrz_td2").to_owned();
        let long = Td2 {
            name: "STEVENSON<<PETER<JOHN".into(),
            birth: MrzDate::parse("340712").unwrap(),
            sex: Sex::Male,
            expiry: MrzDate::parse("950712").unwrap(),
            ..td2("D23145890734", "")
        };
        assert_eq!(long.to_mrz().unwrap().as_str(), text);
        let error = td2("D23145890734", "ABC").to_mrz().unwrap_err();
        assert_eq!(error, MrzError::FieldLength { field: "optional data", length: 3, min: 0, max: 2 });
        assert!(td2(&"A".repeat(14), "").to_mrz().is_ok() && td2(&"A".repeat(15), "").to_mrz().is_err());
    }

    proptest! {
        #[test]
        fn written_zones_read_back(number in "[A-Z0-9]{1,14}", birth in "[0-9]{6}", expiry in "[0-9]{6}") {
            let td2 = Td2 { birth: MrzDate::parse(&birth).unwrap(), expiry: MrzDate::parse(&expiry).unwrap(), ..td2(&number, "") };
            let mrz = td2.to_mrz().unwrap();
            prop_assert_eq!(mrz.wrong_check_digits(), vec![]);
            prop_assert_eq!(mrz.document_number(), number);
            prop_assert_eq!(mrz.information(), mrz_information(&td2.document_number, td2.birth, td2.expiry));
            prop_assert_eq!((mrz.identifiers(), mrz.optional_1()), (("ERIKSSON", "ANNA<MARIA"), ""));
        }
    }
}
