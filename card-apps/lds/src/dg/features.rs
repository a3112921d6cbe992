//! DG8, DG9 and DG10: data, structure and substance features that a machine can check (9303-10 §4.7.8 to §4.7.10).
//!
//! ```text
//! 68 | 69 | 6A { 02 number of templates   header template .. }
//! ```
//!
//! The standard leaves the header template to be defined: each is kept whole, with its tag, and not interpreted.

use iso7816::tlv::{Reader, Tag, Writer};

use super::{Defect, ReadError, content};
use crate::files::group_tag;

const COUNT: Tag = Tag(0x02);
/// The most templates in one file.
const MOST_TEMPLATES: usize = 16;

/// Which of the three groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeatureKind {
    /// DG8: features in the data, for instance in a printed pattern.
    Data,
    /// DG9: features in the structure of the document.
    Structure,
    /// DG10: features in the substance of the document.
    Substance,
}

impl FeatureKind {
    fn tag(self) -> Tag {
        group_tag(match self {
            Self::Data => 8,
            Self::Structure => 9,
            Self::Substance => 10,
        })
    }
}

/// The content of DG8, DG9 or DG10.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Features {
    /// Which group it is.
    pub kind: FeatureKind,
    /// The templates: tag and value of each.
    pub templates: Vec<(Tag, Vec<u8>)>,
}

impl Features {
    /// The whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(self.kind.tag(), |w| {
            w.put(COUNT, [u8::try_from(self.templates.len()).unwrap_or(u8::MAX)]);
            for (tag, value) in &self.templates {
                w.put(*tag, value);
            }
        });
        writer.finish()
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// When it is not a number and data objects.
    pub fn parse(kind: FeatureKind, bytes: &[u8]) -> Result<Self, ReadError> {
        Self::parse_noting(kind, bytes, &mut Vec::new())
    }

    /// The same, with a note for each deviation from the standard.
    ///
    /// # Errors
    /// When it is not a number and data objects.
    pub fn parse_noting(kind: FeatureKind, bytes: &[u8], defects: &mut Vec<Defect>) -> Result<Self, ReadError> {
        let mut reader = Reader::new(content(bytes, kind.tag())?);
        let announced = reader.expect(COUNT)?.first().copied().map_or(0, usize::from);
        let mut templates = Vec::new();
        while let Some(tlv) = reader.next()? {
            if templates.len() >= MOST_TEMPLATES {
                return Err(ReadError::TooMany { field: "templates" });
            }
            templates.push((tlv.tag, tlv.value.to_vec()));
        }
        if templates.len() != announced {
            defects.push(Defect::WrongCount { announced, found: templates.len() });
        }
        Ok(Features { kind, templates })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_and_meaning() {
        let features = Features { kind: FeatureKind::Structure, templates: vec![(Tag(0xA1), vec![0x81, 0x01, 0x05])] };
        let bytes = features.to_bytes();
        assert_eq!(hex::encode(&bytes), "6908020101a103810105");
        assert_eq!(Features::parse(FeatureKind::Structure, &bytes).unwrap(), features);
        assert!(Features::parse(FeatureKind::Data, &bytes).is_err());
        let mut defects = Vec::new();
        let wrong = hex::decode("6a06020105530155").unwrap();
        Features::parse_noting(FeatureKind::Substance, &wrong, &mut defects).unwrap();
        assert_eq!(defects, [Defect::WrongCount { announced: 5, found: 1 }]);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            for kind in [FeatureKind::Data, FeatureKind::Structure, FeatureKind::Substance] {
                let _ = Features::parse(kind, &iso7816::tlv::encode(kind.tag(), &bytes));
            }
        }

        #[test]
        fn written_files_read_back(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..9)) {
            let features = Features { kind: FeatureKind::Data, templates: values.into_iter().map(|v| (Tag(0xA1), v)).collect() };
            prop_assert_eq!(Features::parse(FeatureKind::Data, &features.to_bytes()).unwrap(), features);
        }
    }
}
