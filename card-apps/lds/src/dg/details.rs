//! What DG11, DG12 and the entries of DG16 have in common: text and dates, in the first two behind a tag list and
//! with values repeated in a template A0.

use std::collections::BTreeSet;

use iso7816::tlv::{Reader, Tag, Tlv, Writer};

use super::{Defect, ReadError, note};
use crate::date::{Date, DateTime};

/// The list of the data objects present.
const TAG_LIST: Tag = Tag(0x5C);
/// The template around values that occur several times: `A0 { 02 count, value, .. }`.
const REPEATED: Tag = Tag(0xA0);
const COUNT: Tag = Tag(0x02);
/// The most values that a template may hold.
const MOST_REPEATED: usize = 64;
/// The most data objects that a data group of details may hold.
const MOST_OBJECTS: usize = 128;

/// Collects data objects and writes the tag list before them.
#[derive(Default)]
pub(super) struct DetailsWriter {
    tags: Vec<Tag>,
    objects: Writer,
}

impl DetailsWriter {
    pub(super) fn text(&mut self, tag: Tag, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.bytes(tag, Some(text.as_bytes()));
        }
    }

    pub(super) fn bytes(&mut self, tag: Tag, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.tags.push(tag);
            self.objects.put(tag, value);
        }
    }

    /// Components separated by `<` (9303-10 §4.7.11).
    pub(super) fn components(&mut self, tag: Tag, components: &[String]) {
        self.text(tag, Some(&components.join("<")));
    }

    /// The tag list names the value, not the template around it.
    pub(super) fn repeated(&mut self, tag: Tag, values: &[String]) {
        if values.is_empty() {
            return;
        }
        self.tags.push(tag);
        self.objects.nest(REPEATED, |w| {
            w.put(COUNT, [u8::try_from(values.len()).unwrap_or(u8::MAX)]);
            for value in values.iter().take(usize::from(u8::MAX)) {
                w.put(tag, value);
            }
        });
    }

    /// What was written, without a tag list.
    pub(super) fn finish_entry(self) -> Vec<u8> {
        self.objects.finish()
    }

    pub(super) fn finish(self, file: Tag) -> Vec<u8> {
        let list: Vec<u8> = self.tags.iter().flat_map(|tag| tag_bytes(*tag)).collect();
        let objects = self.objects.finish();
        let mut writer = Writer::new();
        writer.nest(file, |w| {
            w.put(TAG_LIST, list).raw(objects);
        });
        writer.finish()
    }
}

/// The data objects of a file, those in templates taken out, with what was wrong about them.
pub(super) struct Details<'a, 'd> {
    objects: Vec<Tlv<'a>>,
    defects: &'d mut Vec<Defect>,
}

impl<'a, 'd> Details<'a, 'd> {
    /// Reads the content of a file; `repeated` are the data objects that may stand several times.
    pub(super) fn read(content: &'a [u8], repeated: &[Tag], defects: &'d mut Vec<Defect>) -> Result<Self, ReadError> {
        let mut reader = Reader::new(content);
        let listed = reader.optional(TAG_LIST)?.map(tags).transpose()?;
        let objects = objects(reader, repeated, defects)?;
        match listed {
            None => defects.push(Defect::NoTagList),
            Some(listed) => {
                // Both the template and the values in it are seen in lists.
                let listed: BTreeSet<Tag> = listed.into_iter().filter(|tag| *tag != REPEATED).collect();
                let present: BTreeSet<Tag> = objects.iter().map(|object| object.tag).collect();
                let differ = listed
                    .symmetric_difference(&present)
                    .filter(|tag| !repeated.contains(tag) || !present.contains(tag));
                defects.extend(differ.map(|tag| Defect::TagList { tag: *tag }));
            }
        }
        Ok(Details { objects, defects })
    }

    /// Reads one entry, which has no tag list.
    pub(super) fn of_entry(content: &'a [u8], defects: &'d mut Vec<Defect>) -> Result<Self, ReadError> {
        Ok(Details { objects: objects(Reader::new(content), &[], defects)?, defects })
    }

    pub(super) fn take(&mut self, tag: Tag) -> Option<&'a [u8]> {
        let at = self.objects.iter().position(|object| object.tag == tag)?;
        Some(self.objects.remove(at).value)
    }

    /// A field without a letter is none: it is not written either.
    pub(super) fn text(&mut self, tag: Tag) -> Option<String> {
        let value = self.take(tag).filter(|value| !value.is_empty())?;
        Some(self.utf8(tag, value))
    }

    pub(super) fn components(&mut self, tag: Tag) -> Vec<String> {
        let text = self.text(tag).unwrap_or_default();
        text.split('<').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    pub(super) fn all(&mut self, tag: Tag) -> Vec<String> {
        std::iter::from_fn(|| self.take(tag).map(|value| self.utf8(tag, value))).collect()
    }

    /// `CCYYMMDD` as eight ASCII digits or as four bytes of BCD digits.
    pub(super) fn date(&mut self, tag: Tag) -> Option<Date> {
        let digits = self.digits(tag, 8)?;
        let date = Date::from_digits(&digits).ok();
        self.noted(tag, date)
    }

    /// `CCYYMMDDhhmmss` as fourteen ASCII digits or as seven bytes of BCD digits.
    pub(super) fn date_time(&mut self, tag: Tag) -> Option<DateTime> {
        let digits = self.digits(tag, 14)?;
        let moment = DateTime::from_digits(&digits).ok();
        self.noted(tag, moment)
    }

    /// Notes what nobody took.
    pub(super) fn end(self) {
        self.defects.extend(self.objects.iter().map(|object| Defect::UnknownObject { tag: object.tag }));
    }

    fn digits(&mut self, tag: Tag, count: usize) -> Option<String> {
        let value = self.take(tag)?;
        if value.len() * 2 == count {
            self.defects.push(Defect::DateAsBcd { tag });
            return Some(hex::encode(value));
        }
        Some(String::from_utf8_lossy(value).into_owned())
    }

    fn noted<T>(&mut self, tag: Tag, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.defects.push(Defect::NotADate { tag });
        }
        value
    }

    fn utf8(&mut self, tag: Tag, value: &[u8]) -> String {
        if std::str::from_utf8(value).is_err() {
            self.defects.push(Defect::NotUtf8 { tag });
        }
        String::from_utf8_lossy(value).into_owned()
    }
}

/// The data objects, those in templates taken out; the first of each counts.
fn objects<'a>(mut reader: Reader<'a>, repeated: &[Tag], defects: &mut Vec<Defect>) -> Result<Vec<Tlv<'a>>, ReadError> {
    let mut objects: Vec<Tlv<'a>> = Vec::new();
    while let Some(tlv) = reader.next()? {
        if objects.len() >= MOST_OBJECTS {
            return Err(ReadError::TooMany { field: "data group" });
        }
        match tlv.tag {
            TAG_LIST => note(defects, Defect::Repeated { tag: TAG_LIST }),
            REPEATED => objects.extend(template(tlv.value, defects)?),
            tag if repeated.contains(&tag) => {
                defects.push(Defect::WithoutTemplate { tag });
                objects.push(tlv);
            }
            tag if objects.iter().any(|known| known.tag == tag) => note(defects, Defect::Repeated { tag }),
            _ => objects.push(tlv),
        }
    }
    Ok(objects)
}

fn template<'a>(value: &'a [u8], defects: &mut Vec<Defect>) -> Result<Vec<Tlv<'a>>, ReadError> {
    let mut reader = Reader::new(value);
    let announced = match reader.optional(COUNT)? {
        Some([count]) => Some(usize::from(*count)),
        _ => None,
    };
    let mut values = Vec::new();
    while let Some(tlv) = reader.next()? {
        if values.len() >= MOST_REPEATED {
            return Err(ReadError::TooMany { field: "template A0" });
        }
        values.push(tlv);
    }
    if announced != Some(values.len()) {
        defects.push(Defect::WrongCount { announced: announced.unwrap_or(0), found: values.len() });
    }
    Ok(values)
}

fn tags(list: &[u8]) -> Result<Vec<Tag>, ReadError> {
    let mut tags = Vec::new();
    let mut rest = list;
    while let Some((first, after)) = rest.split_first() {
        let (tag, after) = match (first & 0x1F == 0x1F, after.split_first()) {
            (false, _) => (u32::from(*first), after),
            (true, Some((second, after))) => ((u32::from(*first) << 8) | u32::from(*second), after),
            (true, None) => return Err(ReadError::Field { field: "tag list" }),
        };
        tags.push(Tag(tag));
        if tags.len() > MOST_OBJECTS {
            return Err(ReadError::TooMany { field: "tag list" });
        }
        rest = after;
    }
    Ok(tags)
}

fn tag_bytes(tag: Tag) -> impl Iterator<Item = u8> {
    tag.0.to_be_bytes().into_iter().skip_while(|byte| *byte == 0)
}
