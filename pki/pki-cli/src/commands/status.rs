//! `status`.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use authority::{Authority, Need, Status};
use jiff::Timestamp;
use serde_json::json;

use crate::failure::{Failure, TRUST};
use crate::output;

/// Prints what expires when; the exit code says whether something is to be done.
pub fn show(directory: &Path, json: bool) -> Result<ExitCode, Failure> {
    let status = Authority::open(directory)?.status(Timestamp::now())?;
    let object = json!({ "profile": status.profile, "need": status.need(), "items": status.items });
    output::show(json, "status", object, &words(&status));
    Ok(if status.need() == Need::Nothing { ExitCode::SUCCESS } else { ExitCode::from(TRUST) })
}

fn words(status: &Status) -> String {
    let mut text = format!("authority {}\n", status.profile);
    for item in &status.items {
        let until = item.until.map(|day| format!(" until {day}")).unwrap_or_default();
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
