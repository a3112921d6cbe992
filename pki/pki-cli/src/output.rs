//! What is printed: one JSON object with a version, or words.

use serde_json::{Value, json};

/// Version of every JSON object this program prints.
const VERSION: u32 = 1;

/// Prints the result of a command.
pub fn show(as_json: bool, command: &str, mut object: Value, words: &str) {
    if as_json {
        if let Some(fields) = object.as_object_mut() {
            fields.insert("version".to_owned(), json!(VERSION));
            fields.insert("command".to_owned(), json!(command));
        }
        line(&object.to_string());
    } else {
        line(words);
    }
}

/// A fingerprint in groups of eight digits, to be read aloud and compared on paper.
pub fn grouped(fingerprint: &str) -> String {
    let groups: Vec<&str> =
        fingerprint.as_bytes().chunks(8).filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(" ")
}

/// Words from a file of somebody else's: a terminal must not obey them.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A reader who has seen enough and closed the pipe is no error.
fn line(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}
