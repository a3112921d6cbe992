//! What DG2, DG3 and DG4 have in common: biometric information templates (9303-10 §4.7.2 to §4.7.4; ISO/IEC 7816-11).
//!
//! ```text
//! 7F61 { 02 number of templates
//!        7F60 { A1 { 81 type   82 subtype   87 format owner   88 format type   (others skipped) }
//!               5F2E record of ISO/IEC 19794 | 7F2E { A1 { 64 | 65 | 66 record of ISO/IEC 39794 } } } .. }
//! (53 random bytes, so that files without a template do not all have one hash)
//! ```
//!
//! Which of the two series a record is of, its own first bytes say; the format type is not relied upon.

use iso7816::tlv::{Reader, Tag, TlvError, Writer};

use super::{Defect, ReadError, content, note};

const GROUP: Tag = Tag(0x7F61);
const COUNT: Tag = Tag(0x02);
const TEMPLATE: Tag = Tag(0x7F60);
const HEADER: Tag = Tag(0xA1);
const TYPE: Tag = Tag(0x81);
const SUBTYPE: Tag = Tag(0x82);
const OWNER: Tag = Tag(0x87);
const FORMAT: Tag = Tag(0x88);
const DATA: Tag = Tag(0x5F2E);
const DATA_CONSTRUCTED: Tag = Tag(0x7F2E);
/// Discretionary data beside the templates.
const DISCRETIONARY: Tag = Tag(0x53);
/// ISO/IEC JTC 1/SC 37, the owner of both series of formats.
const SC37: [u8; 2] = [0x01, 0x01];
/// The most templates read from one file.
const MOST_TEMPLATES: usize = 16;

/// Of which series a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Encoding {
    /// ISO/IEC 19794: a binary record.
    Iso19794,
    /// ISO/IEC 39794: ASN.1.
    Iso39794,
}

/// The record in a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Record<'a> {
    /// ISO/IEC 19794, from its four magic bytes on.
    Binary(&'a [u8]),
    /// The content of the tagged value of ISO/IEC 39794.
    Asn1(&'a [u8]),
}

/// The records of a file, and the bytes that make the hash of a file without any its own.
pub(super) struct Templates<'a> {
    pub records: Vec<Record<'a>>,
    pub discretionary: Option<&'a [u8]>,
}

/// What the file holds: records that begin with `magic`, or ASN.1 values with the application tag `asn1`.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    file: Tag,
    magic: &[u8; 4],
    asn1: Tag,
    defects: &mut Vec<Defect>,
) -> Result<Templates<'a>, ReadError> {
    let mut outer = Reader::new(content(bytes, file)?);
    let mut reader = Reader::new(outer.expect(GROUP)?);
    let discretionary = outer.optional(DISCRETIONARY)?;
    let announced = reader.expect(COUNT)?.first().copied().map_or(0, usize::from);
    let mut records = Vec::new();
    while let Some(tlv) = reader.next()? {
        if tlv.tag != TEMPLATE {
            note(defects, Defect::UnknownObject { tag: tlv.tag });
            continue;
        }
        if records.len() >= MOST_TEMPLATES {
            return Err(ReadError::TooMany { field: "biometric templates" });
        }
        records.push(record(tlv.value, magic, asn1)?);
    }
    if announced != records.len() {
        defects.push(Defect::WrongCount { announced, found: records.len() });
    }
    Ok(Templates { records, discretionary })
}

/// The record of one template.
fn record<'a>(template: &'a [u8], magic: &[u8; 4], asn1: Tag) -> Result<Record<'a>, ReadError> {
    let mut reader = Reader::new(template);
    let data = loop {
        match reader.next()? {
            Some(tlv) if matches!(tlv.tag, DATA | DATA_CONSTRUCTED) => break tlv.value,
            Some(_) => {}
            None => return Err(TlvError::Missing { tag: DATA }.into()),
        }
    };
    if data.starts_with(magic) {
        return Ok(Record::Binary(data));
    }
    let other = ReadError::NotSupported { what: "a biometric record of neither ISO/IEC 19794 nor ISO/IEC 39794" };
    let found = match Reader::new(data).next() {
        Ok(Some(tlv)) if tlv.tag == asn1 => Some(tlv.value),
        // 9303-10 puts the value into a template of its own.
        Ok(Some(tlv)) if tlv.tag == HEADER => iso7816::tlv::find(tlv.value, asn1)?,
        _ => None,
    };
    found.map(Record::Asn1).ok_or(other)
}

/// A template to be written.
pub(super) struct Written {
    /// Biometric type: 2 face, 8 finger, 16 iris.
    pub kind: u8,
    /// Which one; 0 for no information.
    pub subtype: u8,
    /// Format type of the owner SC 37.
    pub format: u16,
    pub encoding: Encoding,
    /// The record; of ISO/IEC 39794 with its application tag.
    pub record: Vec<u8>,
}

/// The whole file with these templates.
pub(super) fn write(file: Tag, templates: &[Written], discretionary: Option<&[u8]>) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(file, |w| {
        w.nest(GROUP, |w| {
            w.put(COUNT, [u8::try_from(templates.len()).unwrap_or(u8::MAX)]);
            for template in templates {
                w.nest(TEMPLATE, |w| write_template(w, template));
            }
        });
        if let Some(bytes) = discretionary {
            w.put(DISCRETIONARY, bytes);
        }
    });
    writer.finish()
}

fn write_template(w: &mut Writer, template: &Written) {
    w.nest(HEADER, |w| {
        w.put(TYPE, [template.kind]).put(SUBTYPE, [template.subtype]);
        w.put(OWNER, SC37).put(FORMAT, template.format.to_be_bytes());
    });
    match template.encoding {
        Encoding::Iso19794 => w.put(DATA, &template.record),
        Encoding::Iso39794 => w.nest(DATA_CONSTRUCTED, |w| {
            w.put(HEADER, &template.record);
        }),
    };
}

/// Big-endian fields of a binary record, one after another.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Fields<'a> {
    pub(super) fn new(record: &'a [u8], what: &'static str) -> Self {
        Fields { rest: record, what }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `length` bytes.
    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], ReadError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(ReadError::Field { field: self.what })?;
        self.rest = rest;
        Ok(bytes)
    }

    /// The next field of up to eight bytes as a number.
    pub(super) fn number(&mut self, length: usize) -> Result<u64, ReadError> {
        Ok(self.bytes(length)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    pub(super) fn byte(&mut self) -> Result<u8, ReadError> {
        Ok(self.number(1)? as u8)
    }

    pub(super) fn short(&mut self) -> Result<u16, ReadError> {
        Ok(self.number(2)? as u16)
    }

    /// A block of `announced` bytes, `read` of which are behind; the last one may reach to the end whatever it says.
    pub(super) fn block(
        &mut self,
        announced: u64,
        read: usize,
        last: bool,
        defects: &mut Vec<Defect>,
    ) -> Result<&'a [u8], ReadError> {
        let length = usize::try_from(announced).ok().and_then(|length| length.checked_sub(read));
        match length {
            Some(length) if length <= self.rest.len() && (!last || length == self.rest.len()) => self.bytes(length),
            _ if last => {
                defects.push(Defect::RecordLength);
                self.bytes(self.rest.len())
            }
            _ => Err(ReadError::Field { field: self.what }),
        }
    }
}
