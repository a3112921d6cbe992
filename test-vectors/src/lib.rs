//! What must be true: worked numbers of the standards, invented orders, drawn portraits.
//!
//! Tests of the other crates read their numbers from here (a dev-dependency only). The numbers stand
//! in `standards/*.json` with their sources in `standards/SOURCE.md`.

#![allow(clippy::panic, reason = "a dev-dependency: a test without its numbers must stop")]

pub mod interruption;
pub mod pcscd;

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// One file of worked numbers, addressed by JSON pointers (`/D3_authentication/rnd_ic`).
pub struct Vectors {
    name: String,
    root: Value,
}

impl Vectors {
    /// Loads `standards/<name>.json`.
    ///
    /// # Panics
    /// When the file is missing or is not JSON: a test cannot go on without its numbers.
    pub fn load(name: &str) -> Self {
        let file = path(&format!("standards/{name}.json"));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let root = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Vectors { name: name.to_owned(), root }
    }

    /// The value at a JSON pointer.
    ///
    /// # Panics
    /// When nothing is there.
    pub fn value(&self, pointer: &str) -> &Value {
        self.root.pointer(pointer).unwrap_or_else(|| panic!("{}: nothing at {pointer}", self.name))
    }

    /// The string at a JSON pointer.
    ///
    /// # Panics
    /// When it is not a string.
    pub fn text(&self, pointer: &str) -> &str {
        self.value(pointer).as_str().unwrap_or_else(|| panic!("{}: no text at {pointer}", self.name))
    }

    /// The bytes that the hex string at a JSON pointer spells.
    ///
    /// # Panics
    /// When it is not hex.
    pub fn bytes(&self, pointer: &str) -> Vec<u8> {
        hex_of(self.value(pointer))
    }

    /// The array at a JSON pointer.
    ///
    /// # Panics
    /// When it is not an array.
    pub fn list(&self, pointer: &str) -> &[Value] {
        self.value(pointer).as_array().unwrap_or_else(|| panic!("{}: no list at {pointer}", self.name))
    }
}

/// The bytes that a JSON string spells in hex.
///
/// # Panics
/// When it is not a string of hex digits.
pub fn hex_of(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_else(|| panic!("not a hex string: {value}"));
    hex::decode(text).unwrap_or_else(|error| panic!("not hex: {text}: {error}"))
}

/// A file of this shelf, such as `orders/specimen.jsonl`.
pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// A file of the data folder that may lie beside the project and is never part of it; `None`, said
/// in one line, where it is absent.
pub fn shared(relative: &str) -> Option<PathBuf> {
    let file = path("../../shared").join(relative);
    if file.exists() {
        return Some(file);
    }
    skipped(&format!("../shared/{relative} is not here"));
    None
}

/// A test cannot find a program of the system that it needs: said in one line, and the test may end.
///
/// # Panics
/// Where all of them must be there: with `BITAQA_TESTS=all`, as `make test` sets, or `CI=true`.
pub fn missing(what: &str) {
    assert!(!must_be_complete(|name| env::var(name).ok()), "{what}; BITAQA_TESTS=all and CI=true skip nothing");
    skipped(what);
}

fn must_be_complete(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("BITAQA_TESTS").as_deref() == Some("all") || variable("CI").as_deref() == Some("true")
}

fn skipped(what: &str) {
    // Not `eprintln`: the test harness would hide it.
    let _ = writeln!(io::stderr(), "skipped: {what}");
}

#[cfg(test)]
mod tests {
    use super::must_be_complete;

    #[test]
    fn nothing_is_skipped_where_everything_must_be_there() {
        let with = |set: &'static str| {
            must_be_complete(move |name| set.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        assert!(with("CI=true") && with("BITAQA_TESTS=all"));
        assert!(!with("") && !with("CI=") && !with("CI=false") && !with("BITAQA_TESTS=some"));
    }
}
