//! The security object: which containers a signature covers (SP 800-73-4 part 1 §3.1.7, table 15).
//!
//! ```text
//! BA { data group number, container identifier: 3 bytes } ..  | BB LDSSecurityObject, signed | FE -
//! ```
//!
//! The signature is judged elsewhere; this module knows which number of it means which container.

use iso7816::tlv::{Reader, Tag, TlvError};

use crate::objects::{ERROR_DETECTION, closed};

const MAPPING: Tag = Tag(0xBA);
const SIGNED: Tag = Tag(0xBB);

/// The content of the object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecurityObject {
    /// Data group number and container identifier.
    pub mapping: Vec<(u8, u16)>,
    /// The signed LDSSecurityObject, a CMS message.
    pub signed: Vec<u8>,
}

impl SecurityObject {
    /// The content of the object.
    pub fn to_bytes(&self) -> Vec<u8> {
        let entry = |(number, container): &(u8, u16)| {
            let [high, low] = container.to_be_bytes();
            [*number, high, low]
        };
        let mapping: Vec<u8> = self.mapping.iter().flat_map(entry).collect();
        closed(|content| {
            content.put(MAPPING, mapping).put(SIGNED, &self.signed);
        })
    }

    /// Reads the content of the object.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(content: &[u8]) -> Result<Self, TlvError> {
        let mut reader = Reader::new(content);
        let mapping = reader.expect(MAPPING)?;
        let signed = reader.expect(SIGNED)?.to_vec();
        reader.optional(ERROR_DETECTION)?;
        reader.end()?;
        let (entries, rest) = mapping.as_chunks::<3>();
        if !rest.is_empty() {
            return Err(TlvError::Truncated { offset: mapping.len() });
        }
        let mapping = entries.iter().map(|[number, high, low]| (*number, u16::from_be_bytes([*high, *low]))).collect();
        Ok(SecurityObject { mapping, signed })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_mapping_names_containers() {
        let content = hex::decode("ba0c013000036030026010043001bb023000fe00").unwrap();
        let object = SecurityObject::parse(&content).unwrap();
        assert_eq!(object.mapping, [(1, 0x3000), (3, 0x6030), (2, 0x6010), (4, 0x3001)]);
        assert_eq!(object.to_bytes(), content);
        assert!(SecurityObject::parse(&hex::decode("ba020130bb00fe00").unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = SecurityObject::parse(&bytes);
        }
    }
}
