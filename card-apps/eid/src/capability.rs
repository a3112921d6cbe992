//! The card capability container (SP 800-73-4 part 1 §3.1.1, table 8).
//!
//! ```text
//! F0 card identifier: RID A000000116, manufacturer FF, card type 02, 14 bytes of its own
//! F1 version 21 | F2 grammar version 21 | F3 - | F4 00 | F5 data model 10 | F6 - | F7 - | FA - .. FD - | FE -
//! ```

use iso7816::tlv::{Reader, Tag, TlvError};

use crate::objects::closed;

const CARD_IDENTIFIER: Tag = Tag(0xF0);
const PROVIDER: [u8; 7] = [0xA0, 0x00, 0x00, 0x01, 0x16, 0xFF, 0x02];
/// Bytes that an issuer chooses for each card.
pub const OWN_LENGTH: usize = 14;

/// What the container says that differs from card to card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capability {
    /// The card's own part of its identifier.
    pub card: [u8; OWN_LENGTH],
}

impl Capability {
    /// The content of the container's object.
    pub fn to_bytes(&self) -> Vec<u8> {
        closed(|content| {
            content.put(CARD_IDENTIFIER, [&PROVIDER[..], &self.card].concat());
            content.put(Tag(0xF1), [0x21]).put(Tag(0xF2), [0x21]).put(Tag(0xF3), []);
            content.put(Tag(0xF4), [0x00]).put(Tag(0xF5), [0x10]);
            for empty in [0xF6, 0xF7, 0xFA, 0xFB, 0xFC, 0xFD] {
                content.put(Tag(empty), []);
            }
        })
    }

    /// The card identifier of any issuer's container, 21 bytes, whatever else stands there.
    ///
    /// # Errors
    /// When the content does not begin with a card identifier, or is cut off.
    pub fn card_identifier(content: &[u8]) -> Result<&[u8], TlvError> {
        let mut reader = Reader::new(content);
        let identifier = reader.expect(CARD_IDENTIFIER)?;
        while reader.next()?.is_some() {}
        Ok(identifier)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_container_stands_as_the_standard_lists_it() {
        let content = Capability { card: [0x11; 14] }.to_bytes();
        assert_eq!(
            hex::encode(&content),
            "f015a000000116ff02".to_owned()
                + &"11".repeat(14)
                + "f10121f20121f300f40100f50110f600f700fa00fb00fc00fd00fe00"
        );
        assert_eq!(Capability::card_identifier(&content).unwrap().len(), 21);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Capability::card_identifier(&bytes);
        }
    }
}
