//! BER-TLV data objects (7816-4 §5.4.2, X.690 definite lengths): the only reader and writer of the workspace.
//!
//! ```text
//! tag     1 to 4 bytes; a first byte with low five bits set continues while bit 8 is set
//! length  00..7F | 81 xx | 82 xxxx | 83 xxxxxx | 84 xxxxxxxx
//! value   that many bytes; constructed when bit 6 of the first tag byte is set
//! ```
//!
//! The reader borrows: a value is always the very bytes that were received, so what is hashed is
//! what was read. It accepts lengths that are longer than needed (BER); the writer writes the
//! shortest (DER). Indefinite lengths are refused.

use std::fmt;

/// A tag as the number its bytes spell: `0x6F`, `0x5F1F`, `0x7F49`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u32);

impl Tag {
    /// True when the value holds data objects in turn (bit 6 of the first byte).
    pub fn is_constructed(self) -> bool {
        self.0.to_be_bytes().iter().find(|byte| **byte != 0).is_some_and(|first| first & 0x20 != 0)
    }

    fn write(self, out: &mut Vec<u8>) {
        let bytes = self.0.to_be_bytes();
        let skip = bytes.iter().take(3).take_while(|byte| **byte == 0).count();
        out.extend(bytes.iter().skip(skip));
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.0)
    }
}

/// Why bytes are not the expected data objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlvError {
    /// The bytes end inside a tag, a length or a value.
    #[error("data object truncated at byte {offset}")]
    Truncated {
        /// Offset from the start of the bytes given to the reader.
        offset: usize,
    },
    /// A tag of more than four bytes.
    #[error("tag longer than four bytes at byte {offset}")]
    LongTag {
        /// Offset of the tag.
        offset: usize,
    },
    /// A length that is indefinite or has more than four bytes.
    #[error("length field not supported at byte {offset}")]
    BadLength {
        /// Offset of the length field.
        offset: usize,
    },
    /// Another data object stood where this one had to be.
    #[error("expected data object {expected}, found {found}")]
    Unexpected {
        /// The tag that had to come.
        expected: Tag,
        /// The tag that came.
        found: Tag,
    },
    /// A data object is missing.
    #[error("data object {tag} missing")]
    Missing {
        /// The tag that had to be there.
        tag: Tag,
    },
    /// Bytes were left over where the data objects had to end.
    #[error("{count} unexpected bytes after the data object")]
    Trailing {
        /// How many bytes.
        count: usize,
    },
}

/// One data object, borrowed from the bytes it was read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tlv<'a> {
    /// The tag.
    pub tag: Tag,
    /// The value field.
    pub value: &'a [u8],
    /// Tag, length and value as received.
    pub raw: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// The data objects inside a constructed value.
    pub fn reader(&self) -> Reader<'a> {
        Reader::new(self.value)
    }
}

/// Reads data objects one after another.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    all: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { all: bytes, offset: 0 }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.all.get(self.offset..).unwrap_or_default()
    }

    /// True at the end.
    pub fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// The next data object, `None` at the end.
    ///
    /// # Errors
    /// When the bytes are not a data object.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not say that the bytes are broken")]
    pub fn next(&mut self) -> Result<Option<Tlv<'a>>, TlvError> {
        if self.is_empty() {
            return Ok(None);
        }
        let start = self.offset;
        let tag = self.tag()?;
        let length = self.length()?;
        let value_start = self.offset;
        let end = value_start.checked_add(length).ok_or(TlvError::BadLength { offset: start })?;
        let truncated = TlvError::Truncated { offset: self.all.len() };
        let value = self.all.get(value_start..end).ok_or(truncated.clone())?;
        let raw = self.all.get(start..end).ok_or(truncated)?;
        self.offset = end;
        Ok(Some(Tlv { tag, value, raw }))
    }

    /// The next data object, which must have this tag; its value.
    ///
    /// # Errors
    /// When another or no data object comes next.
    pub fn expect(&mut self, tag: Tag) -> Result<&'a [u8], TlvError> {
        match self.next()? {
            Some(tlv) if tlv.tag == tag => Ok(tlv.value),
            Some(tlv) => Err(TlvError::Unexpected { expected: tag, found: tlv.tag }),
            None => Err(TlvError::Missing { tag }),
        }
    }

    /// The value of the next data object if it has this tag; otherwise nothing is consumed.
    ///
    /// # Errors
    /// When the bytes are not a data object.
    pub fn optional(&mut self, tag: Tag) -> Result<Option<&'a [u8]>, TlvError> {
        let mut ahead = self.clone();
        match ahead.next()? {
            Some(tlv) if tlv.tag == tag => {
                *self = ahead;
                Ok(Some(tlv.value))
            }
            _ => Ok(None),
        }
    }

    /// Demands that nothing is left.
    ///
    /// # Errors
    /// When bytes are left.
    pub fn end(&self) -> Result<(), TlvError> {
        match self.rest().len() {
            0 => Ok(()),
            count => Err(TlvError::Trailing { count }),
        }
    }

    fn byte(&mut self) -> Result<u8, TlvError> {
        let byte = self.all.get(self.offset).ok_or(TlvError::Truncated { offset: self.offset })?;
        self.offset += 1;
        Ok(*byte)
    }

    fn tag(&mut self) -> Result<Tag, TlvError> {
        let offset = self.offset;
        let first = self.byte()?;
        let mut tag = u32::from(first);
        if first & 0x1F != 0x1F {
            return Ok(Tag(tag));
        }
        for _ in 0..3 {
            let next = self.byte()?;
            tag = (tag << 8) | u32::from(next);
            if next & 0x80 == 0 {
                return Ok(Tag(tag));
            }
        }
        Err(TlvError::LongTag { offset })
    }

    fn length(&mut self) -> Result<usize, TlvError> {
        let offset = self.offset;
        let first = self.byte()?;
        let count = match first {
            0x00..=0x7F => return Ok(usize::from(first)),
            0x81..=0x84 => first & 0x7F,
            _ => return Err(TlvError::BadLength { offset }),
        };
        (0..count).try_fold(0usize, |length, _| Ok((length << 8) | usize::from(self.byte()?)))
    }
}

/// The value of the one data object that `bytes` must be.
///
/// # Errors
/// When it is another data object, or bytes follow it.
pub fn sole(bytes: &[u8], tag: Tag) -> Result<&[u8], TlvError> {
    let mut reader = Reader::new(bytes);
    let value = reader.expect(tag)?;
    reader.end()?;
    Ok(value)
}

/// The value of the first data object with this tag among its siblings in `bytes`.
///
/// # Errors
/// When the bytes before it are not data objects.
pub fn find(bytes: &[u8], tag: Tag) -> Result<Option<&[u8]>, TlvError> {
    let mut reader = Reader::new(bytes);
    while let Some(tlv) = reader.next()? {
        if tlv.tag == tag {
            return Ok(Some(tlv.value));
        }
    }
    Ok(None)
}

/// How many bytes a file that starts like this holds in all (tag, length and value), known from its first bytes.
///
/// # Errors
/// When the first bytes are not a tag and a length.
pub fn total_length(head: &[u8]) -> Result<usize, TlvError> {
    let mut reader = Reader::new(head);
    reader.tag()?;
    let length = reader.length()?;
    reader.offset.checked_add(length).ok_or(TlvError::BadLength { offset: 0 })
}

/// Writes data objects with the shortest lengths.
#[derive(Clone, Default, Debug)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty writer with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Writer { out: Vec::with_capacity(bytes) }
    }

    /// Appends one data object with this value.
    pub fn put(&mut self, tag: Tag, value: impl AsRef<[u8]>) -> &mut Self {
        let value = value.as_ref();
        tag.write(&mut self.out);
        write_length(value.len(), &mut self.out);
        self.out.extend_from_slice(value);
        self
    }

    /// Appends one constructed data object, its content written by `content`.
    pub fn nest(&mut self, tag: Tag, content: impl FnOnce(&mut Writer)) -> &mut Self {
        let start = self.out.len();
        content(self);
        let end = self.out.len();
        // Tag and length are known only now: they are written behind and turned to the front, without a second buffer.
        tag.write(&mut self.out);
        write_length(end - start, &mut self.out);
        let head = self.out.len() - end;
        if let Some(object) = self.out.get_mut(start..) {
            object.rotate_right(head);
        }
        self
    }

    /// Appends bytes that already are data objects.
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.out.extend_from_slice(bytes.as_ref());
        self
    }

    /// What was written so far, with all that stands around it.
    pub fn written(&self) -> &[u8] {
        &self.out
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// One data object.
pub fn encode(tag: Tag, value: impl AsRef<[u8]>) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.put(tag, value);
    writer.finish()
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    if length < 0x80 {
        out.push(length as u8);
        return;
    }
    let bytes = length.to_be_bytes();
    let skip = bytes.iter().take_while(|byte| **byte == 0).count();
    out.push(0x80 | (bytes.len() - skip) as u8);
    out.extend(bytes.iter().skip(skip));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_written_shortest_and_read_back() {
        for (length, head) in [(0, "5c00"), (127, "5c7f"), (128, "5c8180"), (256, "5c820100"), (70_000, "5c83011170")] {
            let bytes = encode(Tag(0x5C), vec![0; length]);
            assert!(hex::encode(&bytes).starts_with(head));
            assert_eq!(sole(&bytes, Tag(0x5C)).unwrap().len(), length);
            assert_eq!(total_length(&bytes).unwrap(), bytes.len());
        }
    }

    #[test]
    fn two_byte_tags_and_nesting() {
        let mut writer = Writer::new();
        writer.nest(Tag(0x61), |w| {
            w.put(Tag(0x5F1F), b"MRZ");
        });
        let bytes = writer.finish();
        assert_eq!(hex::encode(&bytes), "61065f1f034d525a");
        let inner = sole(&bytes, Tag(0x61)).unwrap();
        assert_eq!(find(inner, Tag(0x5F1F)).unwrap(), Some(&b"MRZ"[..]));
        assert!(Tag(0x7F61).is_constructed());
        assert!(!Tag(0x5F1F).is_constructed());
    }

    #[test]
    fn errors_say_what_is_wrong() {
        assert_eq!(sole(&[0x61, 0x05, 1], Tag(0x61)), Err(TlvError::Truncated { offset: 3 }));
        assert_eq!(sole(&[0x30, 0x80, 0, 0], Tag(0x30)), Err(TlvError::BadLength { offset: 1 }));
        assert_eq!(sole(&[0x30, 0x00, 0x00], Tag(0x30)), Err(TlvError::Trailing { count: 1 }));
        assert_eq!(sole(&[0x31, 0x00], Tag(0x30)), Err(TlvError::Unexpected { expected: Tag(0x30), found: Tag(0x31) }));
        assert_eq!(Reader::new(&[0x1F, 0x81, 0x82, 0x83]).next(), Err(TlvError::LongTag { offset: 0 }));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(Some(tlv)) = reader.next() {
                prop_assert!(tlv.value.len() <= bytes.len());
            }
            let _ = total_length(&bytes);
        }

        #[test]
        fn written_objects_read_back(
            tag in prop::sample::select(vec![0x04u32, 0x30, 0x5C, 0x5F1F, 0x7F49, 0xDF8101]),
            value in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            let bytes = encode(Tag(tag), &value);
            prop_assert_eq!(sole(&bytes, Tag(tag)).unwrap(), &value[..]);
        }
    }
}
