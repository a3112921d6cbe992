//! Dates of which only the year, or year and month, may be known.

use std::borrow::Cow;
use std::fmt;

use jiff::civil::Date;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// A date that may lack its day, or its day and month.
///
/// Many older records carry only a year; such a date is kept as it is and never completed by a guess.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartialDate {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
}

impl PartialDate {
    /// Reads `YYYY-MM-DD`, `YYYY-MM` or `YYYY` (ASCII digits); `None` for anything else or a day that does not exist.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let year = number(parts.next()?, 4)?;
        let month = parts.next().map(|part| number(part, 2)).map_or(Some(None), |month| month.map(Some))?;
        let day = parts.next().map(|part| number(part, 2)).map_or(Some(None), |day| day.map(Some))?;
        let month = month.map(i8::try_from).transpose().ok()?;
        let day = day.map(i8::try_from).transpose().ok()?;
        Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).ok()?;
        ((1850..=2200).contains(&year) && parts.next().is_none()).then_some(PartialDate { year, month, day })
    }

    /// The year.
    pub fn year(self) -> i16 {
        self.year
    }

    /// The month, 1 to 12, if known.
    pub fn month(self) -> Option<i8> {
        self.month
    }

    /// The day of the month, if known.
    pub fn day(self) -> Option<i8> {
        self.day
    }

    /// The whole date, if known.
    pub fn complete(self) -> Option<Date> {
        Date::new(self.year, self.month?, self.day?).ok()
    }

    /// The earliest day it can mean.
    pub fn earliest(self) -> Option<Date> {
        Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1)).ok()
    }

    /// As printed on the card: `YYYY/MM/DD` as far as known.
    pub fn printed(self) -> String {
        self.to_string().replace('-', "/")
    }
}

fn number(text: &str, width: usize) -> Option<i16> {
    (text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

impl fmt::Display for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        [self.month, self.day].iter().flatten().try_for_each(|part| write!(f, "-{part:02}"))
    }
}

impl<'de> Deserialize<'de> for PartialDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        PartialDate::parse(&text).ok_or_else(|| serde::de::Error::custom("a date YYYY-MM-DD, YYYY-MM or YYYY"))
    }
}

impl JsonSchema for PartialDate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PartialDate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_unknown_stays_unknown() {
        for (text, printed) in [("1999-01-31", "1999/01/31"), ("1999-01", "1999/01"), ("1999", "1999")] {
            let date = PartialDate::parse(text).unwrap();
            assert_eq!((date.printed().as_str(), date.to_string().as_str()), (printed, text));
            assert_eq!(date.complete().is_some(), text.len() == 10);
        }
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in ["2023-02-29", "1999-13", "1999-00-10", "99", "1999-1-1", "1999-01-01-01", "1700", "1999-", ""] {
            assert_eq!(PartialDate::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}") {
            if let Some(date) = PartialDate::parse(&text) {
                prop_assert_eq!(date.to_string(), text);
            }
        }
    }
}
