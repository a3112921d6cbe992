//! EF.DIR: the applications of the card (9303-10 §3.11.1; 7816-4 §12.2.3).
//!
//! ```text
//! 61 { 4F application identifier   50 label   (others: kept) } ..
//! ```
//!
//! Application templates follow one another without a data object around them.

use iso7816::Aid;
use iso7816::tlv::{Reader, Tag, TlvError, Writer};

use crate::files::{EF_DIR, outer_tag};

const TEMPLATE: Tag = outer_tag(&EF_DIR);
const IDENTIFIER: Tag = Tag(0x4F);
const LABEL: Tag = Tag(0x50);
/// The most applications read.
const MOST_APPLICATIONS: usize = 32;

/// One application template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Application {
    /// The application identifier.
    pub identifier: Aid,
    /// The label, for people.
    pub label: Option<String>,
    /// Every other data object: tag and value.
    pub others: Vec<(Tag, Vec<u8>)>,
}

/// The content of EF.DIR.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Directory {
    /// The applications, in the order of the file.
    pub applications: Vec<Application>,
}

/// Why bytes are not an EF.DIR.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The data objects are not those of an EF.DIR.
    #[error("EF.DIR: {0}")]
    Structure(#[from] TlvError),
    /// An application identifier of no or more than sixteen bytes.
    #[error("EF.DIR: an application identifier has {length} bytes; 1 to 16 are allowed")]
    Identifier {
        /// Its bytes.
        length: usize,
    },
    /// More applications than any card has.
    #[error("EF.DIR: more than {MOST_APPLICATIONS} applications")]
    TooMany,
}

impl Directory {
    /// A directory of these applications, without labels.
    pub fn of(identifiers: impl IntoIterator<Item = Aid>) -> Self {
        let template = |identifier| Application { identifier, label: None, others: Vec::new() };
        Directory { applications: identifiers.into_iter().map(template).collect() }
    }

    /// The whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        for application in &self.applications {
            writer.nest(TEMPLATE, |w| {
                w.put(IDENTIFIER, application.identifier.as_bytes());
                if let Some(label) = &application.label {
                    w.put(LABEL, label);
                }
                for (tag, value) in &application.others {
                    w.put(*tag, value);
                }
            });
        }
        writer.finish()
    }

    /// Reads the whole file. Zeros after the last template are padding.
    ///
    /// # Errors
    /// When it is not made of application templates.
    pub fn parse(bytes: &[u8]) -> Result<Self, DirectoryError> {
        let mut reader = Reader::new(bytes);
        let mut applications = Vec::new();
        while reader.rest().iter().any(|byte| *byte != 0) {
            if applications.len() >= MOST_APPLICATIONS {
                return Err(DirectoryError::TooMany);
            }
            applications.push(application(reader.expect(TEMPLATE)?)?);
        }
        Ok(Directory { applications })
    }
}

fn application(template: &[u8]) -> Result<Application, DirectoryError> {
    let mut reader = Reader::new(template);
    let (mut identifier, mut label, mut others) = (None, None, Vec::new());
    while let Some(tlv) = reader.next()? {
        match tlv.tag {
            IDENTIFIER if identifier.is_none() => identifier = Some(tlv.value),
            LABEL if label.is_none() => label = Some(String::from_utf8_lossy(tlv.value).into_owned()),
            tag => others.push((tag, tlv.value.to_vec())),
        }
    }
    let identifier = identifier.ok_or(TlvError::Missing { tag: IDENTIFIER })?;
    let wrong = DirectoryError::Identifier { length: identifier.len() };
    Ok(Application { identifier: Aid::new(identifier).ok_or(wrong)?, label, others })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_and_meaning() {
        let directory = Directory {
            applications: vec![
                Directory::of([Aid::emrtd()]).applications.remove(0),
                Application {
                    identifier: Aid::new([0xF0, 0x01]).unwrap(),
                    label: Some("eID".into()),
                    others: vec![(Tag(0x51), vec![0x2F, 0x02])],
                },
            ],
        };
        let bytes = hex::decode("61094f07a0000002471001610d4f02f0015003654944510 22f02".replace(' ', "")).unwrap();
        assert_eq!(hex::encode(directory.to_bytes()), hex::encode(&bytes));
        assert_eq!(Directory::parse(&bytes).unwrap(), directory);
        assert_eq!(Directory::parse(&[&bytes[..], &[0; 5]].concat()).unwrap(), directory);
    }

    #[test]
    fn what_is_none_is_refused() {
        let parse = |text: &str| Directory::parse(&hex::decode(text).unwrap());
        assert_eq!(parse("61024f00"), Err(DirectoryError::Identifier { length: 0 }));
        assert_eq!(parse("6100"), Err(TlvError::Missing { tag: IDENTIFIER }.into()));
        assert_eq!(parse("4f01aa"), Err(TlvError::Unexpected { expected: TEMPLATE, found: IDENTIFIER }.into()));
        assert_eq!(parse(&"61034f01aa".repeat(33)), Err(DirectoryError::TooMany));
        assert_eq!(parse(""), Ok(Directory::default()));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Directory::parse(&bytes);
            let _ = Directory::parse(&iso7816::tlv::encode(TEMPLATE, &bytes));
        }

        #[test]
        fn written_files_read_back(identifiers in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..=16), 0..5)) {
            let directory = Directory::of(identifiers.into_iter().filter_map(Aid::new));
            prop_assert_eq!(Directory::parse(&directory.to_bytes()).unwrap(), directory);
        }
    }
}
