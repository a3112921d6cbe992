//! `status`, `expire-soon`.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use authority::{Authority, Item, Need, Status};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use crate::failure::{Failure, TRUST};
use crate::output;

/// Prints what expires when; the exit code says whether something is to be done.
pub fn show(directory: &Path, json: bool) -> Result<ExitCode, Failure> {
    let status = of(directory, Timestamp::now())?;
    let object = json!({ "profile": status.profile, "need": status.need(), "items": status.items });
    output::show(json, "status", object, &words(&status))?;
    Ok(if status.need() == Need::Nothing { ExitCode::SUCCESS } else { ExitCode::from(TRUST) })
}

/// Prints what ends soon, the first end first.
pub fn expire_soon(days: i64, ics: bool, directory: &Path, json: bool) -> Result<(), Failure> {
    let now = Timestamp::now();
    let status = of(directory, now)?;
    let ending = status.ending_within(days, now);
    let object = json!({ "profile": status.profile, "days": days, "items": ending });
    let words = if ics { calendar(&ending, now) } else { forecast(&ending, days, now) };
    output::show(json, "expire-soon", object, &words)?;
    Ok(())
}

/// With commands that can be typed as they stand.
fn of(directory: &Path, now: Timestamp) -> Result<Status, Failure> {
    let mut status = Authority::open(directory)?.status(now)?;
    // The same ceremony has its directory already.
    let items = status.items.iter_mut().filter(|item| item.kind != "ceremony");
    for action in items.filter_map(|item| item.action.as_mut()) {
        if action.contains("bitaqa-pki ") {
            let _ = write!(action, " --dir {}", directory.display());
        }
    }
    Ok(status)
}

fn words(status: &Status) -> String {
    let mut text = format!("authority {}\n", status.profile);
    for item in &status.items {
        let until = item.until.map(|day| format!(" (until {day})")).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {:16} {:24} {}{until}", item.kind, item.name, item.state);
    }
    for item in status.items.iter().filter(|item| item.need != Need::Nothing) {
        let urgency = if item.need == Need::Now { "now" } else { "soon" };
        let _ = writeln!(text, "{urgency}: {}", item.action.as_deref().unwrap_or_default());
    }
    if status.need() == Need::Nothing {
        text.push_str("nothing to do");
    }
    text.trim_end().to_owned()
}

fn forecast(ending: &[&Item], days: i64, now: Timestamp) -> String {
    if ending.is_empty() {
        return format!("nothing ends within {days} days");
    }
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut text = String::new();
    for (item, until) in ending.iter().filter_map(|item| Some((item, item.until?))) {
        let left = (until - today).get_days();
        let when = if until < today { "has ended".to_owned() } else { format!("in {left} days") };
        let _ = writeln!(text, "{until}  {when:>12}  {:16} {:24} {}", item.kind, item.name, item.state);
        if let Some(action) = &item.action {
            let _ = writeln!(text, "                          do: {action}");
        }
    }
    text.trim_end().to_owned()
}

/// An event of a whole day for each end (RFC 5545 §3.6.1).
fn calendar(ending: &[&Item], now: Timestamp) -> String {
    let mut lines =
        vec!["BEGIN:VCALENDAR".to_owned(), "VERSION:2.0".to_owned(), "PRODID:-//Bitaqa//bitaqa-pki//EN".to_owned()];
    let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    for (item, until) in ending.iter().filter_map(|item| Some((item, item.until?))) {
        let next: Date = until.checked_add(1.day()).unwrap_or(until);
        lines.extend([
            "BEGIN:VEVENT".to_owned(),
            format!(
                "UID:{}-{}-{until}@bitaqa-pki",
                item.kind,
                item.name.replace(|one: char| !one.is_ascii_alphanumeric(), "-")
            ),
            format!("DTSTAMP:{stamp}"),
            format!("DTSTART;VALUE=DATE:{}", until.strftime("%Y%m%d")),
            format!("DTEND;VALUE=DATE:{}", next.strftime("%Y%m%d")),
            format!("SUMMARY:{}", escaped(&format!("{} {} ends", item.kind, item.name))),
            format!("DESCRIPTION:{}", escaped(item.action.as_deref().unwrap_or(&item.state))),
            "END:VEVENT".to_owned(),
        ]);
    }
    lines.push("END:VCALENDAR".to_owned());
    lines.iter().map(|line| folded(line)).collect::<Vec<_>>().join("\r\n")
}

/// RFC 5545 §3.3.11.
fn escaped(text: &str) -> String {
    let text: String = text.chars().filter(|one| !one.is_control()).collect();
    text.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,")
}

/// Lines of at most 75 octets, those that go on begin with a space (RFC 5545 §3.1).
fn folded(line: &str) -> String {
    let (mut text, mut width) = (String::new(), 0);
    for one in line.chars() {
        if width + one.len_utf8() > 75 {
            text.push_str("\r\n ");
            width = 1;
        }
        text.push(one);
        width += one.len_utf8();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_lines_are_escaped_and_folded() {
        assert_eq!(escaped("a;b,c\\d\n"), "a\\;b\\,c\\\\d");
        let line = folded(&"ä".repeat(60));
        assert_eq!(line.split("\r\n ").map(str::len).collect::<Vec<_>>(), [74, 46]);
    }
}
