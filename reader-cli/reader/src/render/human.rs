//! A report as text: verdict first, then the holder, then the checks.

use std::fmt::Write;

use inspection::{CheckResult, Class, Report, Verdict};
use trust::Outcome;

use super::{attempts, caption, fields, not_shown, standing};
use crate::words::{arabic, isolated, kurdish};

/// The whole report; colour is decoration only.
pub fn text(report: &Report, colours: bool) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, report, colours);
    out
}

fn write(out: &mut String, report: &Report, colours: bool) -> std::fmt::Result {
    let verdict = report.verdict;
    writeln!(out, "{}", paint(verdict.word(), of_verdict(verdict), colours))?;
    writeln!(out, "{}", report.meaning)?;
    writeln!(out, "{}   {}", isolated(arabic(verdict)), isolated(kurdish(verdict)))?;
    out.push_str(&grounds(report));
    holder(out, report)?;
    writeln!(out, "\nChecks")?;
    for alike in report.checks.chunk_by(consequence) {
        write_checks(out, alike, colours)?;
    }
    if !report.leniencies.is_empty() {
        writeln!(out, "\nTolerated")?;
    }
    for leniency in &report.leniencies {
        writeln!(out, "  {leniency}")?;
    }
    tried(out, report)?;
    let access = report.access_protocol.as_deref().unwrap_or("not opened");
    writeln!(out, "\nread {}, judged for {}, access: {access}", report.read_at, report.time)?;
    write!(out, "trust bundle {}; `bitaqa-reader explain NAME` explains a check", report.trust_bundle_version)
}

/// Why it is this verdict, and what to do; nothing for the best one. Each line ends with a line feed.
pub fn grounds(report: &Report) -> String {
    let ground = |ground: &CheckResult| {
        let remedy = ground.remedy.as_deref().map(|remedy| format!("  -> {}\n", isolated(remedy)));
        format!("because: {} ({})\n{}", isolated(&ground.reason), ground.id, remedy.unwrap_or_default())
    };
    report.grounds().map(ground).collect()
}

/// What was tried, where not everything went as the first attempt would have it.
fn tried(out: &mut String, report: &Report) -> std::fmt::Result {
    let lines = attempts(report);
    if !lines.is_empty() {
        writeln!(out, "\nAttempts (`bitaqa-reader explain access-protocol` has the ladder)")?;
    }
    lines.iter().try_for_each(|(rung, what)| writeln!(out, "  {rung:23} {}", isolated(what)))
}

fn holder(out: &mut String, report: &Report) -> std::fmt::Result {
    let Some(holder) = &report.holder else {
        writeln!(out, "\nHolder: no data that the security object vouches for")?;
        return without(out, report);
    };
    writeln!(out, "\nHolder ({})", standing(report))?;
    without(out, report)?;
    for (label, _, value) in fields(holder) {
        writeln!(out, "  {label:23} {}", isolated(&value))?;
    }
    for picture in &report.displayed {
        let (label, _) = caption(picture);
        let kind = picture.media_type.trim_start_matches("image/");
        writeln!(out, "  {label:23} {kind}, {}x{} pixels (shown in --report)", picture.width, picture.height)?;
    }
    Ok(())
}

fn without(out: &mut String, report: &Report) -> std::fmt::Result {
    not_shown(report).map_or(Ok(()), |line| writeln!(out, "  {line}"))
}

/// Whether two neighbours could not be made for one and the same reason: they share a line, so that one wrong digit
/// of a card access number does not fill the screen.
fn consequence(one: &CheckResult, next: &CheckResult) -> bool {
    let unmade = matches!(one.result, Outcome::Undetermined | Outcome::Aborted);
    unmade && one.result == next.result && one.reason == next.reason
}

/// Checks with one result and one reason. What to do is said where something failed; for the rest `explain` knows.
fn write_checks(out: &mut String, alike: &[CheckResult], colours: bool) -> std::fmt::Result {
    let Some(check) = alike.first() else { return Ok(()) };
    let result = paint(&format!("{:13}", check.result), of_outcome(check.result), colours);
    let noted = alike.iter().all(|check| check.class == Class::Evaluatory && check.remedy.is_some());
    let weight = if noted { " (noted only)" } else { "" };
    let name = match alike.len() {
        1 => check.id.to_owned(),
        more => format!("{} + {} more", check.id, more - 1),
    };
    writeln!(out, "  {result} {name:33} {}{weight}", isolated(&check.reason))?;
    match &check.remedy {
        Some(remedy) if check.result == Outcome::Failed => writeln!(out, "  {:47} -> {}", "", isolated(remedy)),
        _ => Ok(()),
    }
}

/// SGR parameters.
const GREEN: &str = "1;32";
const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const GREY: &str = "2";

fn of_verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::GenuineValid => GREEN,
        Verdict::NotGenuine | Verdict::CloneSuspect | Verdict::GenuineRevoked => RED,
        _ => YELLOW,
    }
}

fn of_outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Successful => GREEN,
        Outcome::Failed => RED,
        Outcome::Undetermined => YELLOW,
        Outcome::NotSupported | Outcome::Aborted => GREY,
    }
}

fn paint(text: &str, sgr: &str, colours: bool) -> String {
    if colours { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_owned() }
}
