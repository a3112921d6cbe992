//! The discovery object: which application this is, and which PIN it wants (SP 800-73-4 part 1 §3.3.2).
//!
//! ```text
//! 7E { 4F application identifier  5F2F usage policy: 2 bytes }
//! ```
//!
//! The first byte of the policy is `40`: the application's own PIN satisfies its access rules, and there is no other.

use iso7816::tlv::{Reader, Tag, TlvError, Writer};

const IDENTIFIER: Tag = Tag(0x4F);
const POLICY: Tag = Tag(0x5F2F);

/// The application's PIN alone, neither a global PIN nor on-card comparison nor a contactless interface of its own.
pub const OWN_PIN: [u8; 2] = [0x40, 0x00];

/// What the object says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Discovery {
    /// The application's identifier.
    pub application: Vec<u8>,
    /// PIN usage policy.
    pub policy: [u8; 2],
}

impl Discovery {
    /// The object of this project's cards.
    pub fn own() -> Self {
        Discovery { application: crate::PIV_AID.to_vec(), policy: OWN_PIN }
    }

    /// The content of DO 7E.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.put(IDENTIFIER, &self.application).put(POLICY, self.policy);
        writer.finish()
    }

    /// Reads the content of DO 7E.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(content: &[u8]) -> Result<Self, TlvError> {
        let mut reader = Reader::new(content);
        let application = reader.expect(IDENTIFIER)?.to_vec();
        let policy = reader.expect(POLICY)?;
        let policy = policy.try_into().map_err(|_| TlvError::Truncated { offset: content.len() })?;
        reader.end()?;
        Ok(Discovery { application, policy })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::objects::DISCOVERY_OBJECT;

    #[test]
    fn the_object_is_that_of_a_card_with_its_own_pin() {
        let object = DISCOVERY_OBJECT.encode(&Discovery::own().to_bytes());
        assert_eq!(hex::encode(&object), "7e124f0ba0000003080000100001005f2f024000");
        assert_eq!(Discovery::parse(&object[2..]), Ok(Discovery::own()));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Discovery::parse(&bytes);
        }
    }
}
