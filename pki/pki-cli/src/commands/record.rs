//! `acts`: the record of everything that was issued.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use authority::acts::{self, Acts};
use serde_json::json;

use crate::failure::{Failure, TRUST};
use crate::output;

pub fn show(directory: &Path, json: bool) -> Result<(), Failure> {
    is_there(directory)?;
    let acts = acts::read(directory)?;
    let object = json!({ "acts": acts.entries, "head": acts.head(), "unfinished": acts.unfinished });
    let lines = acts.entries.iter().map(|entry| {
        let act = &entry.act;
        let hash = act.sha256.as_deref().and_then(|hash| hash.get(..16)).unwrap_or("-");
        format!(
            "{:>5}  {}  {:22} {:16} {hash:16}  {}",
            entry.n,
            entry.at,
            act.kind,
            act.name,
            act.note.as_deref().unwrap_or("")
        )
    });
    let words = lines.chain([head(&acts)]).collect::<Vec<_>>().join("\n");
    output::show(json, "acts show", object, &words)?;
    Ok(())
}

/// The exit code says whether everything given out is recorded.
pub fn verify(directory: &Path, head_before: Option<&str>, json: bool) -> Result<ExitCode, Failure> {
    is_there(directory)?;
    let audit = acts::audit(directory, head_before)?;
    let good = audit.unrecorded.is_empty();
    let object = json!({
        "good": good, "acts": audit.acts.entries.len(), "head": audit.acts.head(), "unfinished": audit.acts.unfinished,
        "unrecorded": audit.unrecorded, "interrupted": audit.unfinished, "leftovers": audit.leftovers,
    });
    let mut words = format!("{} acts, each bound to the one before\n{}", audit.acts.entries.len(), head(&audit.acts));
    for path in &audit.unrecorded {
        words.push_str(&format!("\nNOT RECORDED: {} was given out without being recorded", path.display()));
    }
    let lines = audit.acts.entries.iter().filter(|entry| audit.unfinished.contains(&entry.n));
    for entry in lines {
        let (kind, name) = (&entry.act.kind, &entry.act.name);
        words.push_str(&format!("\nline {}: {kind} {name} was interrupted, or what it made was taken away", entry.n));
    }
    for path in &audit.leftovers {
        words.push_str(&format!(
            "\n{} is left of an interrupted act: the next one of its kind removes it",
            path.display()
        ));
    }
    output::show(json, "acts verify", object, &words)?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(TRUST) })
}

/// A mistyped path is not an authority without a record.
fn is_there(directory: &Path) -> Result<(), Failure> {
    fs::read_dir(directory).map(drop).map_err(|error| Failure::unreadable(directory, &error))
}

fn head(acts: &Acts) -> String {
    format!("head {}", acts.head().unwrap_or("-"))
}
