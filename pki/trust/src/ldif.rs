//! LDIF (RFC 2849), as far as a directory download of certificates needs it.
//!
//! ```text
//! version: 1
//! dn: o=ml,c=DE,dc=data,dc=download,dc=pkd,dc=icao,dc=int
//! CscaMasterListData:: MIIGlwYJKoZIhvcNAQcCoIIGiDCCBoQCAQMx
//!  DzANBglghkgBZQMEAgEFADBe
//! ```
//!
//! Folded lines, comments, plain and base64 values are read. A value given by URL is refused: nothing is fetched. Values of
//! attributes that nobody asks for are not decoded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest value that is decoded, in bytes of text.
const MAX_VALUE: usize = 64 * 1024 * 1024;
/// How many attributes one record may have.
const MAX_ATTRIBUTES: usize = 4096;

/// One record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Record {
    /// The distinguished name, as text.
    pub name: String,
    /// The wanted attributes in their order: type in lower case without options, and the value.
    pub attributes: Vec<(String, Vec<u8>)>,
}

/// Why bytes are not LDIF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LdifError {
    /// A line without a colon, or a folded line without one to continue.
    #[error("line {0} is not LDIF")]
    Line(usize),
    /// A record that does not begin with its name.
    #[error("the record at line {0} does not begin with dn")]
    NoName(usize),
    /// Base64 that is none.
    #[error("the base64 value at line {0} is damaged")]
    Base64(usize),
    /// A value given by URL.
    #[error("the value at line {0} is given by URL, which is never fetched")]
    Url(usize),
    /// A value or a record that is too large.
    #[error("the value or record at line {0} is too large")]
    TooLarge(usize),
}

/// Whether a file looks like LDIF: its first line that says something is `version:` or `dn:`.
pub fn looks_like(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').take(1000);
    let first = lines.find(|line| !line.trim_ascii().is_empty() && !line.starts_with(b"#"));
    first.is_some_and(|line| {
        let line = line.trim_ascii().to_ascii_lowercase();
        line.starts_with(b"version:") || line.starts_with(b"dn:")
    })
}

/// Reads the records one after another; `wanted` says which attribute types (lower case, without options) to keep.
///
/// After an error in a value or record the next record is read; the iterator ends with the file.
pub fn records<'a>(
    bytes: &'a [u8],
    wanted: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = Result<Record, LdifError>> + 'a {
    let mut lines = Lines { rest: bytes, number: 0, longest: MAX_VALUE };
    std::iter::from_fn(move || {
        loop {
            match lines.record(&wanted) {
                Ok(Some(record)) if record == Record::default() => {}
                Ok(record) => return record.map(Ok),
                Err(error) => {
                    lines.skip_record();
                    return Some(Err(error));
                }
            }
        }
    })
}

/// Lines of the file, folded ones still apart.
struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
    /// The longest value that is decoded.
    longest: usize,
}

impl<'a> Lines<'a> {
    /// The next record; one with nothing in it stands for `version:` or comments.
    fn record(&mut self, wanted: &impl Fn(&str) -> bool) -> Result<Option<Record>, LdifError> {
        while self.peek().is_some_and(<[u8]>::is_empty) {
            self.next();
        }
        if self.peek().is_none() {
            return Ok(None);
        }
        let mut record: Option<Record> = None;
        while let Some(line) = self.next() {
            if line.is_empty() {
                break;
            }
            let start = self.number;
            if line.starts_with(b"#") || line == b"-" {
                self.pass();
                continue;
            }
            let (kind, form, first) = split(line).ok_or(LdifError::Line(start))?;
            match &mut record {
                None if kind == "version" => self.pass(),
                None if kind == "dn" => {
                    let name = value(form, self.unfolded(first, start)?).map_err(|error| error.at(start))?;
                    record = Some(Record { name: String::from_utf8_lossy(&name).into_owned(), attributes: Vec::new() });
                }
                None => return Err(LdifError::NoName(start)),
                Some(record) if wanted(&kind) => {
                    if record.attributes.len() == MAX_ATTRIBUTES {
                        return Err(LdifError::TooLarge(start));
                    }
                    let value = value(form, self.unfolded(first, start)?).map_err(|error| error.at(start))?;
                    record.attributes.push((kind, value));
                }
                Some(_) => self.pass(),
            }
        }
        Ok(Some(record.unwrap_or_default()))
    }

    /// A value's text: its first line, and the folded lines after it without their leading space. Every line counts, an empty
    /// one too.
    fn unfolded(&mut self, first: &[u8], start: usize) -> Result<Vec<u8>, LdifError> {
        let (mut text, mut length) = (first.to_vec(), first.len());
        while let Some(part) = self.folded() {
            length += part.len() + 1;
            if length > self.longest {
                return Err(LdifError::TooLarge(start));
            }
            text.extend(part);
        }
        Ok(text)
    }

    /// Passes over the folded lines of what nobody asks for.
    fn pass(&mut self) {
        while self.folded().is_some() {}
    }

    /// The next line, when it continues the one before.
    fn folded(&mut self) -> Option<&'a [u8]> {
        let part = self.peek()?.strip_prefix(b" ")?;
        self.next();
        Some(part)
    }

    fn skip_record(&mut self) {
        while self.next().is_some_and(|line| !line.is_empty()) {}
    }

    fn peek(&self) -> Option<&'a [u8]> {
        let line = self.rest.split(|byte| *byte == b'\n').next().filter(|_| !self.rest.is_empty())?;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.peek()?;
        let end = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |place| place + 1);
        self.rest = self.rest.get(end..).unwrap_or_default();
        self.number += 1;
        Some(line)
    }
}

/// How a value is written.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    Base64,
    Url,
}

/// Type in lower case without options, form, and the value's first line.
fn split(line: &[u8]) -> Option<(String, Form, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (kind, rest) = (line.get(..colon)?, line.get(colon + 1..)?);
    let (form, rest) = match rest {
        [b':', rest @ ..] => (Form::Base64, rest),
        [b'<', rest @ ..] => (Form::Url, rest),
        rest => (Form::Plain, rest),
    };
    let kind = std::str::from_utf8(kind).ok()?.split(';').next()?.trim().to_ascii_lowercase();
    (!kind.is_empty()).then_some((kind, form, rest.trim_ascii_start()))
}

/// What is wrong with a value, before its line is known.
enum BadValue {
    Base64,
    Url,
}

impl BadValue {
    fn at(self, line: usize) -> LdifError {
        match self {
            BadValue::Base64 => LdifError::Base64(line),
            BadValue::Url => LdifError::Url(line),
        }
    }
}

fn value(form: Form, mut text: Vec<u8>) -> Result<Vec<u8>, BadValue> {
    match form {
        Form::Plain => Ok(text),
        Form::Base64 => {
            text.retain(|byte| !byte.is_ascii_whitespace());
            STANDARD.decode(text).map_err(|_| BadValue::Base64)
        }
        Form::Url => Err(BadValue::Url),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Vec<Result<Record, LdifError>> {
        records(text.as_bytes(), |kind| kind != "objectclass").collect()
    }

    #[test]
    fn folded_base64_options_comments_and_line_ends() {
        let text = "version: 1\r\n# two\r\n  lines\r\ndn: c=DE,dc=int\r\nobjectClass: top\r\nuserCertificate;binary:: AQ\r\n ID\r\ncn: a\r\n  b\r\n\r\n\r\ndn:: Yz1OTA==\r\nsn:x";
        let records = all(text);
        assert_eq!(
            records,
            [
                Ok(Record::default()),
                Ok(Record {
                    name: "c=DE,dc=int".into(),
                    attributes: vec![("usercertificate".into(), vec![1, 2, 3]), ("cn".into(), b"a b".to_vec())],
                }),
                Ok(Record { name: "c=NL".into(), attributes: vec![("sn".into(), b"x".to_vec())] }),
            ]
            .into_iter()
            .skip(1)
            .collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_damaged_record_costs_only_itself() {
        let text =
            "dn: a\ncn:: %%%\ncn: x\n\ndn: b\ncn:< file:///etc/passwd\n\nno colon\n\ncn: nameless\n\ndn: c\ncn: y\n";
        let records = all(text);
        assert_eq!(records[0], Err(LdifError::Base64(2)));
        assert_eq!(records[1], Err(LdifError::Url(6)));
        assert_eq!(records[2], Err(LdifError::Line(8)));
        assert_eq!(records[3], Err(LdifError::NoName(10)));
        assert_eq!(records[4].as_ref().unwrap().name, "c");
        assert_eq!(records.len(), 5);
    }

    #[test]
    fn folded_lines_cost_no_more_than_their_bytes() {
        let text = b" \n".repeat(10_000);
        let lines = |longest| Lines { rest: &text, number: 0, longest };
        let value = lines(10_002).unfolded(b"ab", 1).unwrap();
        assert_eq!((value.as_slice(), value.capacity() < 64), (b"ab".as_slice(), true));
        // Empty folded lines count, so that a value of nothing else ends too.
        assert_eq!(lines(9_999).unfolded(b"", 7), Err(LdifError::TooLarge(7)));
        // Where nobody asks, nothing is kept and nothing is too long.
        let mut unasked = lines(0);
        unasked.pass();
        assert_eq!((unasked.rest.len(), unasked.number), (0, 10_000));
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b':'), Just(b' '), any::<u8>()], 0..400)) {
            let count = records(&bytes, |_| true).count();
            prop_assert!(count <= bytes.len() + 1);
            looks_like(&bytes);
        }

        #[test]
        fn a_value_survives_any_folding(value in prop::collection::vec(any::<u8>(), 1..300), width in 1usize..80) {
            let encoded = STANDARD.encode(&value);
            let folded: Vec<&str> = encoded.as_bytes().chunks(width).map(|part| std::str::from_utf8(part).unwrap()).collect();
            let text = format!("dn: x\nv:: {}\n", folded.join("\n "));
            let records = all(&text);
            prop_assert_eq!(&records[0].as_ref().unwrap().attributes[0].1, &value);
        }
    }
}
