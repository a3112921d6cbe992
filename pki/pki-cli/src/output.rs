//! What is printed: one JSON object with a version, or words.

use std::io::{self, ErrorKind, Write};

use serde_json::{Value, json};

use crate::failure::Failure;

/// Version of every JSON object this program prints.
const VERSION: u32 = 1;

/// Prints the result of a command. What was done is done: only the words about it can be lost.
pub fn show(as_json: bool, command: &str, mut object: Value, words: &str) -> Result<(), Failure> {
    if as_json {
        if let Some(fields) = object.as_object_mut() {
            fields.insert("version".to_owned(), json!(VERSION));
            fields.insert("command".to_owned(), json!(command));
        }
        line(&object.to_string())
    } else {
        line(words)
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

fn line(text: &str) -> Result<(), Failure> {
    raw(format!("{text}\n").as_bytes())
}

/// Prints bytes as they are. A reader who has seen enough and closed the pipe is no error.
pub fn raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::untold(&error)),
        _ => Ok(()),
    }
}
