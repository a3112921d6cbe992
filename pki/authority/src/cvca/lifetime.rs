//! How long card-verifiable certificates live: nobody revokes them, so they are short (9303-12 §4, table of CV certificates).

use jiff::civil::Date;
use jiff::{Span, ToSpan};
use trust::cvc::Level;

use super::CvError;

/// A lifetime asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CvPeriod {
    /// So many days.
    Days(u16),
    /// So many months.
    Months(u16),
}

impl CvPeriod {
    fn span(self) -> Span {
        match self {
            CvPeriod::Days(days) => i64::from(days).days(),
            CvPeriod::Months(months) => i64::from(months).months(),
        }
    }
}

/// The shortest and the longest lifetime of a level.
fn limits(level: Level) -> (Span, Span) {
    match level {
        Level::Cvca => (6.months(), 36.months()),
        Level::DomesticDv | Level::ForeignDv => (14.days(), 3.months()),
        Level::Terminal => (1.day(), 1.month()),
    }
}

/// The last day of a certificate made today: what was asked for, or the longest that the standard and the issuer's own end allow.
pub(super) fn last_day(
    level: Level,
    today: Date,
    asked: Option<CvPeriod>,
    issuer_ends: Option<Date>,
) -> Result<Date, CvError> {
    let (shortest, longest) = limits(level);
    let (earliest, latest) = (today.checked_add(shortest)?, today.checked_add(longest)?);
    let latest = issuer_ends.map_or(latest, |end| latest.min(end));
    let expires = match asked {
        Some(period) => today.checked_add(period.span())?,
        None => latest,
    };
    if expires < earliest || expires > latest {
        return Err(CvError::Lifetime { level, earliest, latest, expires });
    }
    Ok(expires)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn lifetimes_are_those_of_the_standard() {
        let today = date(2026, 11, 22);
        let end = |level, asked, issuer| last_day(level, today, asked, issuer).ok();
        assert_eq!(end(Level::Cvca, None, None), Some(date(2029, 11, 22)));
        assert_eq!(end(Level::Cvca, Some(CvPeriod::Months(5)), None), None);
        assert_eq!(end(Level::Cvca, Some(CvPeriod::Months(37)), None), None);
        assert_eq!(end(Level::ForeignDv, None, None), Some(date(2027, 2, 22)));
        assert_eq!(end(Level::DomesticDv, Some(CvPeriod::Days(13)), None), None);
        assert_eq!(end(Level::DomesticDv, Some(CvPeriod::Days(14)), None), Some(date(2026, 12, 6)));
        assert_eq!(end(Level::Terminal, None, None), Some(date(2026, 12, 22)));
        assert_eq!(end(Level::Terminal, Some(CvPeriod::Days(0)), None), None);
        assert_eq!(end(Level::Terminal, None, Some(date(2026, 11, 30))), Some(date(2026, 11, 30)));
        assert_eq!(end(Level::Terminal, Some(CvPeriod::Days(20)), Some(date(2026, 11, 30))), None);
        assert_eq!(end(Level::DomesticDv, None, Some(date(2026, 11, 30))), None);
    }
}
