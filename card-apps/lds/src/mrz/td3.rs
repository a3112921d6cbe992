//! The TD3, a passport, as an issuer fills it in (9303-4 §4.2).

use std::fmt;

use super::fields::field;
use super::{Mrz, MrzDate, MrzError, Sex, check_digit, is_letter, is_mrz};

/// The fields of a TD3 (9303-4 §4.2), without fillers and check digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Td3 {
    /// One or two characters, the first `P`.
    pub document_code: String,
    /// Issuing State or organization, up to three letters.
    pub issuing_state: String,
    /// Name field, up to 39 characters, as [`super::name_field`] or [`super::holder_name`] make it.
    pub name: String,
    /// Passport number, 1 to 9 characters: a TD3 has no longer ones.
    pub document_number: String,
    /// Nationality, up to three letters.
    pub nationality: String,
    /// Date of birth.
    pub birth: MrzDate,
    /// Sex.
    pub sex: Sex,
    /// Date of expiry.
    pub expiry: MrzDate,
    /// Personal number or other optional data, up to 14 characters.
    pub personal_number: String,
}

/// Never shows the text: it holds personal data, and it is a password of the chip.
impl fmt::Debug for Td3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Td3").finish_non_exhaustive()
    }
}

impl Td3 {
    /// The two lines, with fillers and check digits.
    ///
    /// # Errors
    /// Names the first field that does not fit.
    pub fn to_mrz(&self) -> Result<Mrz, MrzError> {
        let code = field("document code", &self.document_code, 1..=2, is_letter)?;
        let state = field("issuing State", &self.issuing_state, 1..=3, is_letter)?;
        let name = field("name", &self.name, 1..=39, is_letter)?;
        let number = field("document number", &self.document_number, 1..=9, is_mrz)?;
        let nationality = field("nationality", &self.nationality, 1..=3, is_letter)?;
        let personal = field("personal number", &self.personal_number, 0..=14, is_mrz)?;
        let (birth, expiry, sex) = (self.birth.as_str(), self.expiry.as_str(), self.sex.to_char());
        let (number_check, personal_check) = (check_digit(&number), check_digit(&personal));
        let (birth_check, expiry_check) = (check_digit(birth), check_digit(expiry));
        let composite =
            format!("{number}{number_check}{birth}{birth_check}{expiry}{expiry_check}{personal}{personal_check}");
        let text = format!(
            "{code}{state}{name}\
             {number}{number_check}{nationality}{birth}{birth_check}{sex}{expiry}{expiry_check}{personal}{personal_check}{}",
            check_digit(&composite)
        );
        Mrz::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mrz::{Format, mrz_information};

    fn td3() -> Td3 {
        Td3 {
            document_code: "P".into(),
            issuing_state: "UTO".into(),
            name: "ERIKSSON<<ANNA<MARIA".into(),
            document_number: "L898902C3".into(),
            nationality: "UTO".into(),
            birth: MrzDate::parse("740812").unwrap(),
            sex: Sex::Female,
            expiry: MrzDate::parse("120415").unwrap(),
            personal_number: "ZE184226B".into(),
        }
    }

    #[test]
    fn the_specimen_of_the_standard() {
        let mrz = td3().to_mrz().unwrap();
        let text = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10";
        assert_eq!(mrz.to_string(), text);
        assert_eq!((mrz.format(), mrz.wrong_check_digits()), (Format::Td3, vec![]));
        let long = Td3 { document_number: "L898902C36".into(), ..td3() };
        let error = MrzError::FieldLength { field: "document number", length: 10, min: 1, max: 9 };
        assert_eq!(long.to_mrz(), Err(error));
    }

    #[test]
    fn an_empty_personal_number_may_have_a_filler_as_check_digit() {
        let mrz = Td3 { personal_number: String::new(), ..td3() }.to_mrz().unwrap();
        let (before, after) = mrz.as_str().split_at(86);
        assert!(before.ends_with("<<<<<<<<<<<<<<") && after.starts_with('0'));
        let filler = format!("{before}<{}", &after[1..]);
        assert_eq!(Mrz::parse(&filler).unwrap().wrong_check_digits(), []);
    }

    proptest! {
        #[test]
        fn written_zones_read_back(number in "[A-Z0-9]{1,9}", personal in "[A-Z0-9]{0,14}", birth in "[0-9]{6}") {
            let td3 = Td3 { document_number: number.clone(), personal_number: personal.clone(), birth: MrzDate::parse(&birth).unwrap(), ..td3() };
            let mrz = td3.to_mrz().unwrap();
            prop_assert_eq!(mrz.wrong_check_digits(), vec![]);
            prop_assert_eq!((mrz.document_number(), mrz.optional_1()), (number.clone(), &personal[..]));
            prop_assert_eq!(mrz.information(), mrz_information(&number, td3.birth, td3.expiry));
        }
    }
}
