//! Dates as the MRZ has them.

use std::fmt;

use crate::date::{Date, DateError};

/// A date in the MRZ: `YYMMDD`, unknown parts `<<` (9303-3 §4.8).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MrzDate([u8; 6]);

impl MrzDate {
    /// Takes six characters: digits, or `<<` for an unknown part.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Self, DateError> {
        let form = DateError::Form { expected: "6 characters, YYMMDD, unknown parts as <<" };
        let bytes: [u8; 6] = text.as_bytes().try_into().map_err(|_| form.clone())?;
        let (parts, _) = bytes.as_chunks::<2>();
        let good = parts.iter().all(|part| part == b"<<" || part.iter().all(u8::is_ascii_digit));
        good.then_some(MrzDate(bytes)).ok_or(form)
    }

    /// The two characters of the year, the month and the day as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The year of its century, 0 to 99.
    pub fn year(self) -> Option<u8> {
        self.part(0)
    }

    /// The month as written.
    pub fn month(self) -> Option<u8> {
        self.part(2)
    }

    /// The day as written.
    pub fn day(self) -> Option<u8> {
        self.part(4)
    }

    /// The date of birth it stands for, seen on `today`: the latest such date that is not in the future.
    ///
    /// # Errors
    /// When there is no such date in the calendar, or `today` has no year.
    pub fn birth_date(self, today: Date) -> Result<Date, DateError> {
        let now = today.year().ok_or(DateError::NotADate)?;
        let this_century = self.in_century_of(now)?;
        if this_century > today {
            return self.in_century_of(now.saturating_sub(100));
        }
        Ok(this_century)
    }

    /// The date of expiry it stands for, seen on `today`: between 84 years before and 15 years after (TR-03135-1
    /// §5.7.1).
    ///
    /// # Errors
    /// When there is no such date in the calendar, or `today` has no year.
    pub fn expiry_date(self, today: Date) -> Result<Date, DateError> {
        let now = today.year().ok_or(DateError::NotADate)?;
        let year = self.in_century_of(now)?.year().unwrap_or(now);
        let century = match year {
            year if year > now + 15 => now.saturating_sub(100),
            year if year + 84 < now => now + 100,
            _ => now,
        };
        self.in_century_of(century)
    }

    fn in_century_of(self, year: u16) -> Result<Date, DateError> {
        let century = year / 100 * 100;
        Date::partial(self.year().map(|year| century + u16::from(year)), self.month(), self.day())
    }

    fn part(self, at: usize) -> Option<u8> {
        self.as_str().get(at..at + 2)?.parse().ok()
    }
}

impl From<Date> for MrzDate {
    /// The century is lost.
    fn from(date: Date) -> Self {
        let part = |value: Option<u8>| value.map_or_else(|| "<<".to_owned(), |value| format!("{:02}", value % 100));
        let year = date.year().and_then(|year| u8::try_from(year % 100).ok());
        let text = [part(year), part(date.month()), part(date.day())].concat();
        Self::parse(&text).unwrap_or(MrzDate(*b"<<<<<<"))
    }
}

impl fmt::Display for MrzDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for MrzDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn partial_dates() {
        let date = |digits| MrzDate::from(Date::from_digits(digits).unwrap());
        assert_eq!(date("19900615").as_str(), "900615");
        assert_eq!(date("19900600").as_str(), "9006<<");
        assert_eq!(date("19900000").as_str(), "90<<<<");
        assert_eq!(date("00000000").as_str(), "<<<<<<");
        let today = Date::new(2026, 11, 22).unwrap();
        let resolve = |text| MrzDate::parse(text).unwrap().birth_date(today).unwrap().to_string();
        assert_eq!(resolve("900615"), "1990-06-15");
        assert_eq!(resolve("261122"), "2026-11-22");
        assert_eq!(resolve("261123"), "1926-11-23");
        assert_eq!(resolve("27<<<<"), "1927");
        assert_eq!(resolve("2612<<"), "1926-12");
        assert_eq!(resolve("2611<<"), "2026-11");
        assert_eq!(resolve("<<<<<<"), "unknown");
        let expiry = |text| MrzDate::parse(text).unwrap().expiry_date(today).unwrap().to_string();
        assert_eq!(expiry("361121"), "2036-11-21");
        assert_eq!(expiry("201121"), "2020-11-21");
        assert_eq!(expiry("991231"), "1999-12-31");
        assert!(MrzDate::parse("9<0615").is_err());
        assert!(MrzDate::parse("901315").unwrap().birth_date(today).is_err());
    }

    proptest! {
        #[test]
        fn hostile_text_never_panics(text in ".{0,8}|[0-9<]{6}", year in 1u16..=9999) {
            let today = Date::new(year, 11, 22).unwrap();
            if let Ok(date) = MrzDate::parse(&text) {
                let _ = (date.birth_date(today), date.expiry_date(today));
            }
        }
    }
}
