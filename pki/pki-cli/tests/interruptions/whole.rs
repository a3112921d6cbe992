//! Whether a directory is whole: it opens, every file in it can be read, every act is accounted for, no number stands for two
//! things.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use authority::cvca::CvStore;
use authority::{Authority, acts};
use jiff::Timestamp;
use test_vectors::interruption::walk;
use trust::cvc::{CvCertificate, CvRequest};
use trust::{Certificate, Crl};

/// What was found in a directory that is whole.
pub struct State {
    /// Whether there is an authority.
    pub is_there: bool,
    /// The hashes of its record's lines.
    hashes: Vec<String>,
    /// How many acts are recorded.
    pub acts: usize,
    /// What interrupted writes left.
    pub leftovers: Vec<String>,
    /// Every finished file that is given out.
    products: BTreeMap<String, Vec<u8>>,
}

impl State {
    /// Looks at all of it.
    pub fn of(directory: &Path, place: &str) -> Self {
        let mut state =
            State { is_there: false, hashes: vec![], acts: 0, leftovers: vec![], products: BTreeMap::new() };
        if !directory.exists() {
            return state;
        }
        state.is_there = true;
        let authority = Authority::open(directory).unwrap_or_else(|error| panic!("{place}: {error}"));
        authority.status(Timestamp::now()).unwrap_or_else(|error| panic!("{place}: {error}"));
        authority.current_crl().unwrap().unwrap_or_else(|| panic!("{place}: no revocation list"));
        for holder in CvStore::new(directory).holders().unwrap_or_else(|error| panic!("{place}: {error}")) {
            for generation in holder.generations() {
                generation.chain().unwrap_or_else(|error| panic!("{place}: {error}"));
            }
        }
        state.files(directory, place);
        let audit = acts::audit(directory, None).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert!(audit.unrecorded.is_empty(), "{place}: {:?}", audit.unrecorded);
        let named: Vec<String> = audit.leftovers.iter().map(|path| path.display().to_string()).collect();
        for leftover in &state.leftovers {
            assert!(named.iter().any(|name| leftover.starts_with(name)), "{place}: {leftover} is named by nobody");
        }
        used_once(&audit, place);
        state.acts = audit.acts.entries.len();
        state.hashes = audit.acts.hashes;
        state
    }

    fn files(&mut self, directory: &Path, place: &str) {
        for path in walk(directory) {
            let (name, file) = (path.display().to_string(), directory.join(&path));
            if path.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.')) {
                self.leftovers.push(name);
                continue;
            }
            if file.is_dir() {
                continue;
            }
            let bytes = fs::read(&file).unwrap();
            let good = match path.extension().and_then(|ending| ending.to_str()) {
                Some("der") => Certificate::from_der(&bytes).is_ok(),
                Some("crl") => Crl::from_der(&bytes).is_ok() || bytes.starts_with(&[0x30]),
                Some("cvcert") => CvCertificate::from_bytes(&bytes).is_ok(),
                Some("cvreq") => CvRequest::from_bytes(&bytes).is_ok(),
                Some("json") => serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(),
                Some("p8") => bytes.trim_ascii_end().ends_with(b"-----END ENCRYPTED PRIVATE KEY-----"),
                _ => true,
            };
            assert!(good, "{place}: {name} is half-written");
            if matches!(path.extension().and_then(|ending| ending.to_str()), Some("der" | "crl" | "cvcert" | "ml")) {
                self.products.insert(name, bytes);
            }
        }
    }

    /// Nothing of before is gone or changed: no line of the record, no product.
    pub fn follows(&self, before: &State, place: &str) {
        assert!(self.is_there || !before.is_there, "{place}: the authority is gone");
        assert!(self.hashes.starts_with(&before.hashes), "{place}: the record was changed");
        for (name, bytes) in &before.products {
            assert_eq!(self.products.get(name), Some(bytes), "{place}: {name} was changed");
        }
    }
}

/// No serial number and no number of a list or bundle was announced for two different products.
fn used_once(audit: &acts::Audit, place: &str) {
    let mut used: BTreeMap<(String, String), &str> = BTreeMap::new();
    for entry in &audit.acts.entries {
        let act = &entry.act;
        let Some(hash) = act.sha256.as_deref() else { continue };
        let number = act.serial.clone().unwrap_or_else(|| act.name.clone());
        let kind = if act.kind.starts_with("cv") { "cv".to_owned() } else { act.kind.clone() };
        let kind = if act.kind == "cv-link" { act.kind.clone() } else { kind };
        if let Some(other) = used.insert((kind.clone(), number.clone()), hash) {
            assert_eq!(other, hash, "{place}: {kind} {number} stands for two things");
        }
    }
}

/// A command that could not write says what, why and what to do, and exits with a code of its own kind.
pub fn failed_in_order(output: &Output, place: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => {}
        Some(2 | 40) => {
            for word in ["error: ", "why: ", "do:  "] {
                assert!(said.contains(word), "{place}: {said}");
            }
            assert!(said.contains("os error"), "{place}: {said}");
        }
        other => panic!("{place}: {other:?}: {said}"),
    }
}
