//! EF.COM: the versions and the list of data groups (9303-10 §4.6.1).
//!
//! ```text
//! 60 { 5F01 LDS version "0107"   5F36 Unicode version "040000"   5C tags of the data groups }
//! ```
//!
//! EF.COM is not signed: it is a hint where to look, never evidence of what a document holds.

use iso7816::tlv::{Reader, Tag, TlvError, Writer, sole};

use crate::files;

const EF_COM: Tag = files::outer_tag(&files::EF_COM);
const LDS_VERSION: Tag = Tag(0x5F01);
const UNICODE_VERSION: Tag = Tag(0x5F36);
const TAG_LIST: Tag = Tag(0x5C);

/// The content of EF.COM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Com {
    /// LDS version as four digits: `0107` for 1.7, `0108` for 1.8.
    pub lds_version: String,
    /// Unicode version as six digits: `040000`.
    pub unicode_version: String,
    /// Numbers of the data groups present, in the order listed.
    pub data_groups: Vec<u8>,
}

/// Why bytes are not an EF.COM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComError {
    /// The data objects are not those of an EF.COM.
    #[error("EF.COM: {0}")]
    Structure(#[from] TlvError),
    /// A version is not made of the digits it must have.
    #[error("EF.COM: data object {tag} is not {digits} digits")]
    Version {
        /// Which version.
        tag: Tag,
        /// How many digits it must have.
        digits: usize,
    },
    /// The list holds a tag that is no data group's.
    #[error("EF.COM lists {tag:02X}, which is not the tag of a data group")]
    UnknownTag {
        /// The byte in the list.
        tag: u8,
    },
}

impl Com {
    /// LDS 1.7 with Unicode 4.0.0 and these data groups, in ascending order.
    pub fn lds_1_7(data_groups: impl IntoIterator<Item = u8>) -> Self {
        Self::with_version("0107", data_groups)
    }

    /// LDS 1.8 with Unicode 4.0.0 and these data groups, in ascending order.
    pub fn lds_1_8(data_groups: impl IntoIterator<Item = u8>) -> Self {
        Self::with_version("0108", data_groups)
    }

    fn with_version(lds_version: &str, data_groups: impl IntoIterator<Item = u8>) -> Self {
        let mut data_groups: Vec<u8> = data_groups.into_iter().collect();
        data_groups.sort_unstable();
        data_groups.dedup();
        Com { lds_version: lds_version.into(), unicode_version: "040000".into(), data_groups }
    }

    /// The whole file. Numbers that are no data group's are left out.
    pub fn to_bytes(&self) -> Vec<u8> {
        let tags = self.data_groups.iter().filter_map(|number| files::data_group(*number)?.tag);
        let tags: Vec<u8> = tags.map(|tag| tag.0 as u8).collect();
        let mut writer = Writer::new();
        writer.nest(EF_COM, |w| {
            w.put(LDS_VERSION, &self.lds_version).put(UNICODE_VERSION, &self.unicode_version).put(TAG_LIST, tags);
        });
        writer.finish()
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// When the file is not exactly such data objects.
    pub fn parse(bytes: &[u8]) -> Result<Self, ComError> {
        let mut reader = Reader::new(sole(bytes, EF_COM)?);
        let lds_version = version(reader.expect(LDS_VERSION)?, LDS_VERSION, 4)?;
        let unicode_version = version(reader.expect(UNICODE_VERSION)?, UNICODE_VERSION, 6)?;
        let list = reader.expect(TAG_LIST)?;
        let group = |tag: &u8| {
            let file = files::data_group_by_tag(Tag(u32::from(*tag)));
            file.and_then(|file| file.data_group).ok_or(ComError::UnknownTag { tag: *tag })
        };
        let data_groups = list.iter().map(group).collect::<Result<_, _>>()?;
        Ok(Com { lds_version, unicode_version, data_groups })
    }
}

fn version(value: &[u8], tag: Tag, digits: usize) -> Result<String, ComError> {
    let good = value.len() == digits && value.iter().all(u8::is_ascii_digit);
    good.then(|| String::from_utf8_lossy(value).into_owned()).ok_or(ComError::Version { tag, digits })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_vectors::shared;

    use super::*;

    #[test]
    fn bytes_and_meaning() {
        let com = Com::lds_1_7([2, 1, 14, 1]);
        assert_eq!(com.data_groups, [1, 2, 14]);
        let bytes = com.to_bytes();
        assert_eq!(hex::encode(&bytes), "60155f0104303130375f36063034303030305c0361756e");
        assert_eq!(Com::parse(&bytes).unwrap(), com);
        assert_eq!(Com::lds_1_8([1]).lds_version, "0108");
    }

    #[test]
    fn the_specimen() {
        let Some(file) = shared("data/lds-specimen/EF_COM.bin") else { return };
        let bytes = std::fs::read(file).unwrap();
        let com = Com::parse(&bytes).unwrap();
        assert_eq!(com.data_groups, [1, 2, 3, 14]);
        assert_eq!(com.to_bytes(), bytes);
    }

    #[test]
    fn errors_name_the_object() {
        let bytes = hex::decode("60155f0104303130375f36063034303030305c03617560").unwrap();
        assert_eq!(Com::parse(&bytes), Err(ComError::UnknownTag { tag: 0x60 }));
        let bytes = hex::decode("60155f0104303141375f36063034303030305c0361756e").unwrap();
        assert_eq!(Com::parse(&bytes), Err(ComError::Version { tag: LDS_VERSION, digits: 4 }));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Com::parse(&bytes);
        }

        #[test]
        fn written_files_read_back(groups in prop::collection::btree_set(1u8..=16, 0..16)) {
            let com = Com::lds_1_8(groups);
            prop_assert_eq!(Com::parse(&com.to_bytes()).unwrap(), com);
        }
    }
}
