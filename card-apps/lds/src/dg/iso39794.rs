//! What the records of ISO/IEC 39794-4, -5 and -6 have in common: ASN.1 with automatic tags, in DER.
//!
//! ```text
//! FingerImageDataBlock ::= [APPLICATION 4] SEQUENCE { versionBlock [0] VersionBlock,
//!                                                     representationBlocks [1] SEQUENCE OF RepresentationBlock, ... }
//! FaceImageDataBlock   ::= [APPLICATION 5], IrisImageDataBlock ::= [APPLICATION 6], alike
//! VersionBlock         ::= SEQUENCE { generation [0] INTEGER, year [1] INTEGER, ... }
//! a code               ::= CHOICE { code [0] ENUMERATED, extensionBlock [1] SEQUENCE { fallback [0] ENUMERATED, ... } }
//! ```
//!
//! Every field is found by its tag: most are optional, and later editions may add some. The schema is that of ISO/IEC,
//! as public implementations of it agree on.

use iso7816::tlv::{Reader, Tag, TlvError, Writer, find};

use super::ReadError;

/// The tagged value of ISO/IEC 39794-4.
pub(super) const FINGER: Tag = Tag(0x64);
/// The tagged value of ISO/IEC 39794-5.
pub(super) const FACE: Tag = Tag(0x65);
/// The tagged value of ISO/IEC 39794-6.
pub(super) const IRIS: Tag = Tag(0x66);

const SEQUENCE: Tag = Tag(0x30);
/// The most representations read from one record.
const MOST_REPRESENTATIONS: usize = 16;
/// The series is the third generation of biometric formats.
const GENERATION: u32 = 3;

/// `[n]` of a primitive type.
pub(super) const fn primitive(number: u32) -> Tag {
    Tag(0x80 | number)
}

/// `[n]` of a constructed type, or of a CHOICE.
pub(super) const fn constructed(number: u32) -> Tag {
    Tag(0xA0 | number)
}

/// The field with this tag, which must be there.
pub(super) fn field(block: &[u8], tag: Tag) -> Result<&[u8], ReadError> {
    Ok(find(block, tag)?.ok_or(TlvError::Missing { tag })?)
}

/// The representation blocks of a record; at least one.
pub(super) fn representations(record: &[u8]) -> Result<Vec<&[u8]>, ReadError> {
    let mut reader = Reader::new(field(record, constructed(1))?);
    let mut blocks = Vec::new();
    while let Some(tlv) = reader.next()? {
        if tlv.tag != SEQUENCE {
            return Err(TlvError::Unexpected { expected: SEQUENCE, found: tlv.tag }.into());
        }
        if blocks.len() >= MOST_REPRESENTATIONS {
            return Err(ReadError::TooMany { field: "representation blocks" });
        }
        blocks.push(tlv.value);
    }
    if blocks.is_empty() {
        return Err(TlvError::Missing { tag: SEQUENCE }.into());
    }
    Ok(blocks)
}

/// The code in a field, or what an extension gives in its place; `None` where the field is absent.
pub(super) fn code(block: &[u8], field: Tag) -> Result<Option<u32>, ReadError> {
    let Some(choice) = find(block, field)? else { return Ok(None) };
    let value = match find(choice, primitive(0))? {
        Some(code) => Some(code),
        None => match find(choice, constructed(1))? {
            Some(extension) => find(extension, primitive(0))?,
            None => None,
        },
    };
    value.map(integer).transpose()
}

/// An INTEGER or ENUMERATED that is not negative.
pub(super) fn integer(value: &[u8]) -> Result<u32, ReadError> {
    let malformed = ReadError::Field { field: "number of ISO/IEC 39794" };
    let digits = match value {
        [] | [0x80..=0xFF, ..] => return Err(malformed),
        [0x00, rest @ ..] => rest,
        whole => whole,
    };
    if digits.len() > 4 {
        return Err(malformed);
    }
    Ok(digits.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte)))
}

/// Writes an INTEGER or ENUMERATED with an implicit tag.
pub(super) fn put_integer(w: &mut Writer, tag: Tag, number: u32) {
    w.put(tag, crate::info::der_integer(number));
}

/// Writes a code.
pub(super) fn put_code(w: &mut Writer, field: Tag, code: u32) {
    w.nest(field, |w| put_integer(w, primitive(0), code));
}

/// A record with one representation, of an edition named by its year.
pub(super) fn record(tag: Tag, year: u32, representation: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(tag, |w| {
        w.nest(constructed(0), |w| {
            put_integer(w, primitive(0), GENERATION);
            put_integer(w, primitive(1), year);
        });
        w.nest(constructed(1), |w| {
            w.nest(SEQUENCE, representation);
        });
    });
    writer.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_never_negative_nor_long() {
        assert_eq!(integer(&[0x07, 0xE3]), Ok(2019));
        assert_eq!(integer(&[0x00, 0xFF, 0xFF]), Ok(0xFFFF));
        for wrong in [&[][..], &[0x80], &[1, 2, 3, 4, 5]] {
            assert!(integer(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_code_is_read_directly_or_from_its_fallback() {
        let block = hex::decode("a003800102a105a103800104").unwrap();
        assert_eq!(code(&block, constructed(0)), Ok(Some(2)));
        assert_eq!(code(&block, constructed(1)), Ok(Some(4)));
        assert_eq!(code(&block, constructed(2)), Ok(None));
    }

    proptest! {
        #[test]
        fn numbers_read_back(number: u32) {
            prop_assert_eq!(integer(&crate::info::der_integer(number)).unwrap(), number);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = (representations(&bytes), code(&bytes, constructed(0)), integer(&bytes));
        }
    }
}
