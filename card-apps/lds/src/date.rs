//! Dates in the documents: whole, or with an unknown day, month or year.
//!
//! Older records know only a year, or nothing. In the MRZ an unknown part is `<<` (9303-3 §4.8), in DG11 it is zeros
//! (9303-10 §4.7.11). The calendar is the Gregorian one.

use std::fmt;

/// A date of which the day, then the month, then the year may be unknown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    year: Option<u16>,
    month: Option<u8>,
    day: Option<u8>,
}

/// Why numbers or digits are not a date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// No such day in the calendar, or a known part beneath an unknown one.
    #[error("there is no such date")]
    NotADate,
    /// Not the digits it must consist of.
    #[error("a date is written as {expected}")]
    Form {
        /// What was expected.
        expected: &'static str,
    },
}

impl Date {
    /// A date whose year is unknown, and all below it.
    pub const UNKNOWN: Date = Date { year: None, month: None, day: None };

    /// A whole date.
    ///
    /// # Errors
    /// When the calendar has no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, DateError> {
        Self::partial(Some(year), Some(month), Some(day))
    }

    /// A date with unknown parts.
    ///
    /// # Errors
    /// When the calendar has no such day, or a part is known beneath an unknown one.
    pub fn partial(year: Option<u16>, month: Option<u8>, day: Option<u8>) -> Result<Self, DateError> {
        let good = match (year, month, day) {
            (None, None, None) => true,
            (Some(1..=9999), None, None) => true,
            (Some(1..=9999), Some(1..=12), None) => true,
            (Some(year @ 1..=9999), Some(month @ 1..=12), Some(day)) => (1..=days_in(year, month)).contains(&day),
            _ => false,
        };
        good.then_some(Date { year, month, day }).ok_or(DateError::NotADate)
    }

    /// Reads `CCYYMMDD`, unknown parts as zeros.
    ///
    /// # Errors
    /// When it is not eight digits or not a date.
    pub fn from_digits(digits: &str) -> Result<Self, DateError> {
        let form = DateError::Form { expected: "8 digits, CCYYMMDD" };
        if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(form);
        }
        let number = |range: std::ops::Range<usize>| digits.get(range).and_then(|part| part.parse::<u16>().ok());
        let (year, month, day) = (number(0..4), number(4..6), number(6..8));
        let known = |part: Option<u16>| part.filter(|part| *part != 0);
        let small = |part: Option<u16>| known(part).and_then(|part| u8::try_from(part).ok());
        Self::partial(known(year), small(month), small(day))
    }

    /// `CCYYMMDD`, unknown parts as zeros.
    pub fn to_digits(self) -> String {
        let (year, month, day) = (self.year.unwrap_or(0), self.month.unwrap_or(0), self.day.unwrap_or(0));
        format!("{year:04}{month:02}{day:02}")
    }

    /// The year, 1 to 9999.
    pub fn year(self) -> Option<u16> {
        self.year
    }

    /// The month, 1 to 12.
    pub fn month(self) -> Option<u8> {
        self.month
    }

    /// The day of the month.
    pub fn day(self) -> Option<u8> {
        self.day
    }

    /// True when nothing is unknown.
    pub fn is_whole(self) -> bool {
        self.day.is_some()
    }
}

impl fmt::Display for Date {
    /// `2015-03-01`, `2015-03`, `2015` or `unknown`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.year, self.month, self.day) {
            (Some(year), Some(month), Some(day)) => write!(f, "{year:04}-{month:02}-{day:02}"),
            (Some(year), Some(month), None) => write!(f, "{year:04}-{month:02}"),
            (Some(year), _, _) => write!(f, "{year:04}"),
            _ => f.write_str("unknown"),
        }
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A whole date with a time of day, without time zone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DateTime {
    /// The date, whole.
    pub date: Date,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 59.
    pub second: u8,
}

impl DateTime {
    /// A moment.
    ///
    /// # Errors
    /// When the date has unknown parts or the clock has no such time.
    pub fn new(date: Date, hour: u8, minute: u8, second: u8) -> Result<Self, DateError> {
        let good = date.is_whole() && hour < 24 && minute < 60 && second < 60;
        good.then_some(DateTime { date, hour, minute, second }).ok_or(DateError::NotADate)
    }

    /// Reads `CCYYMMDDhhmmss`.
    ///
    /// # Errors
    /// When it is not fourteen digits or not a moment.
    pub fn from_digits(digits: &str) -> Result<Self, DateError> {
        let form = || DateError::Form { expected: "14 digits, CCYYMMDDhhmmss" };
        let (date, time) = digits.split_at_checked(8).ok_or_else(form)?;
        if time.len() != 6 || !time.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(form());
        }
        let part = |range: std::ops::Range<usize>| time.get(range).and_then(|part| part.parse().ok()).ok_or_else(form);
        Self::new(Date::from_digits(date)?, part(0..2)?, part(2..4)?, part(4..6)?)
    }

    /// `CCYYMMDDhhmmss`.
    pub fn to_digits(self) -> String {
        format!("{}{:02}{:02}{:02}", self.date.to_digits(), self.hour, self.minute, self.second)
    }
}

fn days_in(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_and_partial_dates() {
        for (digits, text) in
            [("19900615", "1990-06-15"), ("19900600", "1990-06"), ("19900000", "1990"), ("00000000", "unknown")]
        {
            let date = Date::from_digits(digits).unwrap();
            assert_eq!((date.to_string(), date.to_digits()), (text.to_owned(), digits.to_owned()));
        }
        for wrong in ["19900015", "00000615", "19900631", "19000229", "1990061", "1990-6-1", "19901301", "١٩٩٠٠٦١٥"]
        {
            assert!(Date::from_digits(wrong).is_err(), "{wrong}");
        }
        assert!(Date::from_digits("20000229").is_ok());
    }

    #[test]
    fn moments() {
        let moment = DateTime::from_digits("20261122181530").unwrap();
        assert_eq!((moment.hour, moment.minute, moment.second), (18, 15, 30));
        assert_eq!(moment.to_digits(), "20261122181530");
        assert!(DateTime::from_digits("20261122241530").is_err());
        assert!(DateTime::from_digits("20261100101530").is_err());
    }

    proptest! {
        #[test]
        fn hostile_text_never_panics(text in ".{0,16}") {
            let _ = Date::from_digits(&text);
            let _ = DateTime::from_digits(&text);
        }
    }
}
