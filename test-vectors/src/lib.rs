//! What must be true: worked numbers of the standards, invented orders, drawn portraits.
//!
//! Tests of the other crates read their numbers from here (a dev-dependency only). The numbers stand
//! in `standards/*.json` with their sources in `standards/SOURCE.md`.

#![allow(
    clippy::panic,
    clippy::print_stderr,
    reason = "a dev-dependency: a test without its numbers must stop, and skips are said aloud"
)]

pub mod pcscd;

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
    eprintln!("skipped: ../shared/{relative} is not here");
    None
}
