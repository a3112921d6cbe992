//! The record of an authority's own acts: append-only, each line bound to the one before by its hash.
//!
//! ```text
//! {"v":1,"n":4,"at":"2026-11-22T17:00:00Z","prev":"<SHA-256 of the line before>","act":"document-signer","name":"ds-0001",
//!  "sha256":"<of the product>", ...}
//! ```
//!
//! A line is on the disk before what it announces takes its place: nothing is given out that was not recorded. An announced
//! product may be missing (a crash came between); a product that no line announces is a finding. Who keeps the hash of a
//! line elsewhere can tell later that no line up to it was changed or removed.
//!
//! An interrupted write leaves a file or folder whose name begins with a dot. The next act says so (`interrupted`, with the
//! path) and then removes it; so each caller records an act before it begins to write its product.
//! No line holds a key, a passphrase or a person's name.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use openssl::sha::sha256;
use serde::{Deserialize, Serialize};

use crate::citizen_ca;
use crate::files::{self, FileError};
use crate::state::{STATE_FILE, State};

/// Name of the file.
pub(crate) const ACTS_FILE: &str = "acts.jsonl";
/// Version of a line.
const VERSION: u32 = 1;
/// The longest line accepted.
const MAX_LINE: usize = 64 * 1024;
/// What the first line gives as the hash of the line before.
const START: [u8; 32] = [0; 32];
/// Endings of files that are given out and therefore must be recorded.
const PRODUCTS: [&str; 6] = ["der", "crl", "ml", "dl", "dfl", "cvcert"];
/// Acts whose product is not a file of the directory as it was announced.
const ELSEWHERE: [&str; 3] = ["bundle-signer", "trust-bundle", "cv-request"];
/// No product lies deeper below the directory.
const MAX_DEPTH: usize = 5;

/// What was done.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Act {
    /// What kind of act: `csca`, `link`, `document-signer`, `revocation-list`, ...
    #[serde(rename = "act")]
    pub kind: String,
    /// Name or number of what was made.
    pub name: String,
    /// Serial number of a certificate, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// SHA-256 of the product, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// More, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Act {
    /// An act of this kind on this name.
    pub(crate) fn new(kind: &str, name: impl Into<String>) -> Self {
        Act { kind: kind.to_owned(), name: name.into(), ..Act::default() }
    }

    /// The bytes of the product.
    pub(crate) fn product(mut self, bytes: &[u8]) -> Self {
        self.sha256 = Some(hex::encode(sha256(bytes)));
        self
    }

    /// The serial number of the certificate.
    pub(crate) fn serial(mut self, serial: &[u8]) -> Self {
        self.serial = Some(hex::encode(serial));
        self
    }

    /// Whether what it announces is there: a product among those found, a revocation among the revoked.
    fn is_finished(&self, found: &BTreeSet<String>, revoked: &BTreeSet<String>) -> bool {
        match (&self.sha256, &self.serial) {
            _ if ELSEWHERE.contains(&&*self.kind) => true,
            (Some(hash), _) => found.contains(hash),
            (None, Some(serial)) => revoked.contains(serial),
            (None, None) => true,
        }
    }

    /// More, in words.
    pub(crate) fn note(mut self, words: impl Into<String>) -> Self {
        self.note = Some(words.into());
        self
    }
}

/// One line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    v: u32,
    /// Number of the line, from 1.
    pub n: u64,
    /// When it was written.
    pub at: Timestamp,
    /// SHA-256 of the line before, without its line feed, hexadecimal.
    pub prev: String,
    /// What was done.
    #[serde(flatten)]
    pub act: Act,
}

/// Every act of an authority, its chain verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acts {
    /// The lines.
    pub entries: Vec<Entry>,
    /// SHA-256 of each line, hexadecimal, in the same order.
    pub hashes: Vec<String>,
    /// Bytes after the last whole line: what an interrupted write left.
    pub unfinished: usize,
}

impl Acts {
    /// SHA-256 of the last line, hexadecimal: what an auditor writes down.
    pub fn head(&self) -> Option<&str> {
        self.hashes.last().map(String::as_str)
    }

    fn announces(&self) -> BTreeSet<&str> {
        self.entries.iter().filter_map(|entry| entry.act.sha256.as_deref()).collect()
    }
}

/// What a check of the record against the directory found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audit {
    /// The record.
    pub acts: Acts,
    /// Files that were given out without being recorded, relative to the directory.
    pub unrecorded: Vec<PathBuf>,
    /// Numbers of the lines that announce what is not in the directory: the act was interrupted, or what it made was taken
    /// away.
    pub unfinished: Vec<u64>,
    /// What interrupted writes left, relative to the directory; the next act records and removes it.
    pub leftovers: Vec<PathBuf>,
}

/// Why the record cannot be believed or continued.
#[derive(Debug, thiserror::Error)]
pub enum ActsError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no record.
    #[error("{0} does not exist")]
    Missing(PathBuf),
    /// A line is not an entry.
    #[error("line {0} of the record of acts is not an entry of this format")]
    NotAnEntry(u64),
    /// A line of another version.
    #[error("line {line} of the record of acts has version {found}; this program knows version {VERSION}")]
    Version {
        /// The line, from 1.
        line: u64,
        /// Its version.
        found: u32,
    },
    /// The chain is broken: a line before was changed, removed or inserted.
    #[error("line {0} of the record of acts does not follow from the line before: the record was altered")]
    Broken(u64),
    /// The list of revocations that the record is compared with cannot be read.
    #[error("{0}")]
    Revocations(String),
    /// What follows the last whole line is longer than any line that a crash could have cut off.
    #[error("{0} does not end as a record of acts does: what stands behind its last line is longer than a line can be")]
    NoEnd(PathBuf),
    /// A hash that was written down earlier is no longer there.
    #[error("no line of the record of acts has the hash {0}: lines were removed or altered since it was written down")]
    HeadMissing(String),
}

/// Reads the record in this directory and verifies its chain.
///
/// # Errors
/// When there is none, or a line was altered, removed or inserted.
pub fn read(directory: &Path) -> Result<Acts, ActsError> {
    let path = directory.join(ACTS_FILE);
    match File::open(&path) {
        Ok(file) => verify(BufReader::new(file), &path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ActsError::Missing(path)),
        Err(error) => Err(FileError { path, error }.into()),
    }
}

/// The highest number that an act of this kind has, 0 when there is none. Lines that are not entries are passed over: to issue
/// goes on, what was done to the record is for [`audit`] to say.
pub(crate) fn highest(directory: &Path, kind: &str) -> Result<u64, FileError> {
    let path = directory.join(ACTS_FILE);
    let failed = |error| FileError { path: path.clone(), error };
    let mut file = match File::open(&path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed(error)),
    };
    let (mut highest, mut bytes) = (0, Vec::new());
    loop {
        bytes.clear();
        if file.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut bytes).map_err(failed)? == 0 {
            return Ok(highest);
        }
        let known = entry(bytes.strip_suffix(b"\n").unwrap_or(&bytes), 0).ok().filter(|entry| entry.act.kind == kind);
        highest = highest.max(known.and_then(|entry| entry.act.name.parse().ok()).unwrap_or(0));
    }
}

/// Verifies the chain and that every product in the directory is announced. `head` is the hash of a line, written down earlier.
///
/// # Errors
/// When the record cannot be believed.
pub fn audit(directory: &Path, head: Option<&str>) -> Result<Audit, ActsError> {
    let acts = read(directory)?;
    if let Some(head) = head.map(str::to_ascii_lowercase).filter(|head| !acts.hashes.contains(head)) {
        return Err(ActsError::HeadMissing(head));
    }
    let announced = acts.announces();
    let (mut unrecorded, mut found) = (Vec::new(), BTreeSet::new());
    for path in products(directory)? {
        let hash = hex::encode(sha256(&files::read(&directory.join(&path))?));
        if !announced.contains(hash.as_str()) {
            unrecorded.push(path);
        }
        found.insert(hash);
    }
    let revoked = revoked(directory)?;
    let unfinished = acts.entries.iter().filter(|entry| !entry.act.is_finished(&found, &revoked));
    let unfinished = unfinished.map(|entry| entry.n).collect();
    let relative = |path: PathBuf| path.strip_prefix(directory).map(Path::to_owned).unwrap_or(path);
    let leftovers = files::leftovers(directory, true)?.into_iter().map(relative).collect();
    Ok(Audit { unrecorded, unfinished, leftovers, acts })
}

/// The serial numbers that count as revoked, hexadecimal.
fn revoked(directory: &Path) -> Result<BTreeSet<String>, ActsError> {
    let unreadable = |error: &dyn std::fmt::Display| ActsError::Revocations(error.to_string());
    let mut serials: BTreeSet<String> =
        citizen_ca::revoked_serials(directory).map_err(|error| unreadable(&error))?.into_iter().collect();
    // A directory of card-verifiable certificates alone has no state.
    if directory.join(STATE_FILE).exists() {
        let state = State::read(directory).map_err(|error| unreadable(&error))?;
        serials.extend(state.revoked.iter().map(|entry| hex::encode(&entry.serial)));
    }
    Ok(serials)
}

fn verify(mut file: impl BufRead, path: &Path) -> Result<Acts, ActsError> {
    let mut acts = Acts { entries: Vec::new(), hashes: Vec::new(), unfinished: 0 };
    let (mut chain, mut bytes) = (Chain::default(), Vec::new());
    loop {
        bytes.clear();
        let read = file.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut bytes);
        if read.map_err(|error| FileError { path: path.to_owned(), error })? == 0 {
            return Ok(acts);
        }
        let Some(line) = bytes.strip_suffix(b"\n") else {
            if bytes.len() > MAX_LINE {
                return Err(ActsError::NotAnEntry(chain.lines() + 1));
            }
            acts.unfinished = bytes.len();
            return Ok(acts);
        };
        acts.entries.push(chain.take(line)?);
        acts.hashes.extend(chain.head());
    }
}

/// The lines of a record as they come, each bound to the one before.
#[derive(Default)]
pub(crate) struct Chain {
    lines: u64,
    last: [u8; 32],
}

impl Chain {
    /// The next line, without its line feed.
    pub fn take(&mut self, line: &[u8]) -> Result<Entry, ActsError> {
        let number = self.lines + 1;
        let entry = entry(line, number)?;
        let before = if self.lines == 0 { START } else { self.last };
        if entry.n != number || entry.prev != hex::encode(before) {
            return Err(ActsError::Broken(number));
        }
        *self = Chain { lines: number, last: sha256(line) };
        Ok(entry)
    }

    /// How many lines there were.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// SHA-256 of the last line, hexadecimal.
    pub fn head(&self) -> Option<String> {
        (self.lines > 0).then(|| hex::encode(self.last))
    }
}

fn entry(line: &[u8], number: u64) -> Result<Entry, ActsError> {
    let known: Entry = match serde_json::from_slice(line) {
        Ok(entry) if line.len() <= MAX_LINE => entry,
        _ => return Err(ActsError::NotAnEntry(number)),
    };
    if known.v == VERSION { Ok(known) } else { Err(ActsError::Version { line: number, found: known.v }) }
}

/// Appends acts; the caller holds the authority's lock. An authority without a record gets one that begins with what is there.
pub(crate) fn append(directory: &Path, at: Timestamp, acts: &[Act]) -> Result<(), ActsError> {
    let path = directory.join(ACTS_FILE);
    let failed = |error| ActsError::File(FileError { path: path.clone(), error });
    let mut first = Vec::new();
    if !path.exists() {
        for product in products(directory)? {
            let bytes = files::read(&directory.join(&product))?;
            first.push(Act::new("found", product.to_string_lossy()).product(&bytes));
        }
    }
    let leftovers = files::leftovers(directory, false)?;
    for path in &leftovers {
        first.push(Act::new("interrupted", path.strip_prefix(directory).unwrap_or(path).to_string_lossy()));
    }
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    let (end, mut number, mut before) = last_line(&mut file).map_err(failed)?.map_or(Ok((0, 0, START)), |tail| {
        let known = entry(&tail.line, 0)?;
        Ok::<_, ActsError>((tail.end, known.n, sha256(&tail.line)))
    })?;
    let length = file.metadata().map_err(failed)?.len();
    if length.saturating_sub(end) > MAX_LINE as u64 {
        return Err(ActsError::NoEnd(path));
    }
    if length > end {
        // A crash cut this line off: what it announced never happened.
        file.set_len(end).map_err(failed)?;
        first.push(Act::new("interrupted", format!("{} bytes of an unfinished line", length - end)));
    }
    let mut text = Vec::new();
    for act in first.iter().chain(acts) {
        number += 1;
        let entry = Entry { v: VERSION, n: number, at, prev: hex::encode(before), act: act.clone() };
        // Strings, numbers and dates always serialize.
        let line = serde_json::to_vec(&entry).unwrap_or_default();
        before = sha256(&line);
        text.extend_from_slice(&line);
        text.push(b'\n');
    }
    file.seek(SeekFrom::Start(end)).map_err(failed)?;
    file.write_all(&text).map_err(failed)?;
    file.sync_all().and_then(|()| files::sync_directory(directory)).map_err(failed)?;
    Ok(leftovers.iter().try_for_each(|path| files::remove(path))?)
}

/// The whole record of a directory about to be made.
pub(crate) fn begin(at: Timestamp, acts: &[Act]) -> Vec<u8> {
    let (mut text, mut before) = (Vec::new(), START);
    for (index, act) in acts.iter().enumerate() {
        let entry = Entry { v: VERSION, n: index as u64 + 1, at, prev: hex::encode(before), act: act.clone() };
        let line = serde_json::to_vec(&entry).unwrap_or_default();
        before = sha256(&line);
        text.extend_from_slice(&line);
        text.push(b'\n');
    }
    text
}

struct Tail {
    line: Vec<u8>,
    /// Offset after its line feed.
    end: u64,
}

/// The last whole line; at most two lines' worth of bytes are read.
fn last_line(file: &mut File) -> io::Result<Option<Tail>> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(2 * MAX_LINE as u64);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(2 * MAX_LINE as u64).read_to_end(&mut bytes)?;
    let Some(feed) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(None) };
    let whole = bytes.get(..feed).unwrap_or_default();
    let start = whole.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    let line = whole.get(start..).unwrap_or_default().to_vec();
    Ok(Some(Tail { line, end: from + feed as u64 + 1 }))
}

/// Files that are given out, relative to the directory, sorted. Names that start with a dot are leftovers.
fn products(directory: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    let mut folders = vec![(directory.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let failed = |error| FileError { path: folder.clone(), error };
        for item in fs::read_dir(&folder).map_err(failed)? {
            let item = item.map_err(failed)?;
            let path = item.path();
            if item.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if item.file_type().map_err(failed)?.is_dir() {
                if depth < MAX_DEPTH {
                    folders.push((path, depth + 1));
                }
            } else if path.extension().is_some_and(|ending| PRODUCTS.iter().any(|known| ending == *known)) {
                found.push(path.strip_prefix(directory).unwrap_or(&path).to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T09:00:00Z".parse().unwrap()
    }

    fn checked(bytes: &[u8]) -> Result<Acts, ActsError> {
        verify(bytes, Path::new(ACTS_FILE))
    }

    /// As the first release wrote it: every later release reads it.
    const VERSION_1: &str = r#"{"v":1,"n":1,"at":"2026-11-22T09:00:00Z","prev":"0000000000000000000000000000000000000000000000000000000000000000","act":"csca","name":"1","serial":"4bf1","sha256":"00ff"}
"#;

    #[test]
    fn the_sample_of_version_1_is_read() {
        let acts = checked(VERSION_1.as_bytes()).unwrap();
        assert_eq!((acts.entries[0].act.kind.as_str(), acts.entries[0].act.serial.as_deref()), ("csca", Some("4bf1")));
        assert!(matches!(checked(VERSION_1.replace("\"v\":1", "\"v\":2").as_bytes()), Err(ActsError::Version { .. })));
    }

    #[test]
    fn every_altered_byte_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["one", "two", "three"] {
            append(directory.path(), now(), &[Act::new("test", name).note("n")]).unwrap();
        }
        let bytes = fs::read(directory.path().join(ACTS_FILE)).unwrap();
        assert_eq!(checked(&bytes).unwrap().entries.len(), 3);
        let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
        for place in 0..last {
            let mut altered = bytes.clone();
            altered[place] ^= 1;
            assert!(checked(&altered).is_err(), "byte {place}");
        }
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        assert!(matches!(checked(&[lines[0], lines[2]].concat()), Err(ActsError::Broken(2))));
    }

    #[test]
    fn lines_that_were_removed_at_the_end_are_missed_by_their_hash() {
        let directory = tempfile::tempdir().unwrap();
        append(directory.path(), now(), &[Act::new("test", "one"), Act::new("test", "two")]).unwrap();
        let acts = read(directory.path()).unwrap();
        let head = acts.head().unwrap().to_owned();
        audit(directory.path(), Some(&head)).unwrap();
        let path = directory.path().join(ACTS_FILE);
        let bytes = fs::read(&path).unwrap();
        let first = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        fs::write(&path, &bytes[..=first]).unwrap();
        assert!(matches!(audit(directory.path(), Some(&head)), Err(ActsError::HeadMissing(_))));
    }

    #[test]
    fn an_unfinished_line_is_cut_away_and_its_loss_recorded() {
        let directory = tempfile::tempdir().unwrap();
        append(directory.path(), now(), &[Act::new("test", "one")]).unwrap();
        let path = directory.path().join(ACTS_FILE);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"v\":1,\"n\":2");
        fs::write(&path, bytes).unwrap();
        assert_eq!(read(directory.path()).unwrap().unfinished, 12);
        append(directory.path(), now(), &[Act::new("test", "two")]).unwrap();
        let acts = read(directory.path()).unwrap();
        let kinds: Vec<&str> = acts.entries.iter().map(|entry| entry.act.kind.as_str()).collect();
        assert_eq!((kinds, acts.unfinished), (vec!["test", "interrupted", "test"], 0));
    }

    #[test]
    fn what_no_crash_leaves_at_the_end_is_refused_and_nothing_is_cut_away() {
        let directory = tempfile::tempdir().unwrap();
        append(directory.path(), now(), &[Act::new("test", "one")]).unwrap();
        let path = directory.path().join(ACTS_FILE);
        let whole = fs::read(&path).unwrap();
        for garbage in [MAX_LINE + 1, 2 * MAX_LINE, 3 * MAX_LINE] {
            let damaged = [whole.clone(), vec![b'x'; garbage]].concat();
            fs::write(&path, &damaged).unwrap();
            let refused = append(directory.path(), now(), &[Act::new("test", "two")]);
            assert!(matches!(refused, Err(ActsError::NoEnd(_))), "{garbage}: {refused:?}");
            assert_eq!(fs::read(&path).unwrap(), damaged);
        }
    }

    #[test]
    fn the_highest_number_of_a_kind_is_known() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(highest(directory.path(), "list").unwrap(), 0);
        let acts = [("list", "9"), ("list", "10"), ("list", "x"), ("other", "77")];
        append(directory.path(), now(), &acts.map(|(kind, name)| Act::new(kind, name))).unwrap();
        assert_eq!(highest(directory.path(), "list").unwrap(), 10);
    }

    #[test]
    fn a_product_that_no_line_announces_is_found() {
        let directory = tempfile::tempdir().unwrap();
        append(directory.path(), now(), &[Act::new("test", "one").product(b"made")]).unwrap();
        fs::create_dir(directory.path().join("ds")).unwrap();
        fs::write(directory.path().join("ds/one.der"), b"made").unwrap();
        assert!(audit(directory.path(), None).unwrap().unrecorded.is_empty());
        fs::write(directory.path().join("ds/two.der"), b"forged").unwrap();
        assert_eq!(audit(directory.path(), None).unwrap().unrecorded, [PathBuf::from("ds/two.der")]);
    }

    #[test]
    fn what_an_interruption_left_is_recorded_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        append(directory.path(), now(), &[Act::new("test", "one").product(b"never made")]).unwrap();
        fs::create_dir_all(directory.path().join("ds/.ds-0001.new")).unwrap();
        fs::write(directory.path().join("ds/.ds-0001.new/key.p8"), b"half").unwrap();
        let before = audit(directory.path(), None).unwrap();
        assert_eq!((before.unfinished, before.leftovers), (vec![1], vec![PathBuf::from("ds/.ds-0001.new")]));
        append(directory.path(), now(), &[Act::new("test", "two")]).unwrap();
        let after = audit(directory.path(), None).unwrap();
        assert_eq!((after.unfinished, after.leftovers.len()), (vec![1], 0));
        let act = &after.acts.entries[1].act;
        assert_eq!((act.kind.as_str(), act.name.as_str()), ("interrupted", "ds/.ds-0001.new"));
    }

    #[test]
    fn an_older_authority_begins_its_record_with_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("old.der"), b"before").unwrap();
        append(directory.path(), now(), &[Act::new("test", "one")]).unwrap();
        let audit = audit(directory.path(), None).unwrap();
        assert_eq!(audit.acts.entries[0].act.kind, "found");
        assert!(audit.unrecorded.is_empty());
    }
}
