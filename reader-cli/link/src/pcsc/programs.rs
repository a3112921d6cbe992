//! Who else uses smart cards on this computer, to name the likely cause of a sharing violation.
//!
//! The service tells no client about another; but every client has the PC/SC library mapped, which
//! `/proc` shows for the programs of the same user (and for all of them to root).

use std::fs;
use std::path::Path;

/// Enough to name the culprit.
const MOST: usize = 8;

/// Programs with the PC/SC library open, as `name (process number)`; our own process is not among them.
pub(super) fn using_smart_cards() -> Vec<String> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|&process| process != std::process::id())
        .filter_map(describe)
        .take(MOST)
        .collect()
}

fn describe(process: u32) -> Option<String> {
    let folder = Path::new("/proc").join(process.to_string());
    let maps = fs::read_to_string(folder.join("maps")).ok()?;
    if !maps.contains("/libpcsclite") {
        return None;
    }
    let name = fs::read_to_string(folder.join("comm")).ok()?;
    Some(format!("{} ({process})", name.trim()))
}
