//! The one table of data objects, and the commands that read and write them (SP 800-73-4 part 1 §3, part 2 §3.1.2, §3.3.2).
//!
//! ```text
//! GET DATA  00 CB 3FFF   5C <tag>                  answer  53 <content>, or 7E .., 7F61 .., FF2x .. themselves
//! PUT DATA  00 DB 3FFF   5C <tag> 53 <content>             no content deletes the object
//!                        7E <content> | 7F61 <content>     the two that carry their own tag
//! ```

use iso7816::Command;
use iso7816::tlv::{self, Reader, Tag, TlvError, Writer};

use crate::Application;

/// GET DATA, odd instruction with a tag list.
pub const INS_GET_DATA: u8 = 0xCB;
/// PUT DATA, odd instruction.
pub const INS_PUT_DATA: u8 = 0xDB;
/// P1-P2 of both: the current application.
pub const CURRENT_APPLICATION: [u8; 2] = [0x3F, 0xFF];
/// Most bytes of one object's content: the largest of the standard is a facial image of 12,704.
pub const MAX_CONTENT: usize = 12_704;

const TAG_LIST: Tag = Tag(0x5C);
const CONTENT: Tag = Tag(0x53);

/// Who may read or write a data object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// Anyone.
    Free,
    /// The holder, after VERIFY.
    Pin,
    /// The holder, after VERIFY, or a terminal that Terminal Authentication gave this right.
    PinOrTerminal(Right),
    /// Whoever authenticated with the management key, or the issuer in its secure channel.
    Management,
    /// A terminal that Terminal Authentication gave this right; the issuer in its secure channel too.
    Terminal(Right),
}

/// What Terminal Authentication may grant in this application.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Right {
    /// Read the residence record without the holder's PIN.
    ReadResidence,
    /// Replace the residence record.
    UpdateResidence,
    /// Replace the status hint.
    UpdateStatus,
}

impl Right {
    /// Every right.
    pub const ALL: [Right; 3] = [Right::ReadResidence, Right::UpdateResidence, Right::UpdateStatus];

    /// The right of authentication terminals that grants it, by its name in [`channel::cvc::RIGHTS`]: data group 17 of the German
    /// identity card is the place of residence too (TR-03127 §3.1). Nothing there is a status hint: no terminal gets that right.
    pub fn of_terminals(self) -> Option<&'static str> {
        match self {
            Right::ReadResidence => Some("read-dg17"),
            Right::UpdateResidence => Some("write-dg17"),
            Right::UpdateStatus => None,
        }
    }
}

/// Whether a card must have an object (SP 800-73-4 part 1, table 2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Presence {
    /// Each card.
    Mandatory,
    /// Each card that has the key it belongs to.
    Conditional,
    /// As the issuer likes.
    Optional,
}

/// One data object.
#[derive(PartialEq, Eq, Debug)]
pub struct Object {
    /// Its name in the standard.
    pub name: &'static str,
    /// The application it lies in.
    pub application: Application,
    /// BER tag of GET DATA.
    pub tag: Tag,
    /// Container identifier; 0 in the national file set, which has none.
    pub container: u16,
    /// Who reads it.
    pub read: Access,
    /// Who writes it.
    pub write: Access,
    /// Whether it must be there.
    pub presence: Presence,
}

const fn piv(name: &'static str, tag: u32, container: u16, read: Access, presence: Presence) -> Object {
    let application = Application::Piv;
    Object { name, application, tag: Tag(tag), container, read, write: Access::Management, presence }
}

const fn national(name: &'static str, tag: u32, read: Access, right: Right) -> Object {
    let (application, presence) = (Application::National, Presence::Optional);
    Object { name, application, tag: Tag(tag), container: 0, read, write: Access::Terminal(right), presence }
}

macro_rules! objects {
    ($($name:ident = $value:expr;)*) => {
        $(#[doc = concat!("`", stringify!($value), "`")] pub const $name: Object = $value;)*
        /// Every data object of both applications.
        pub static OBJECTS: &[Object] = &[$($value),*];
    };
}

use Access::{Free, Pin, PinOrTerminal};
use Presence::{Conditional, Mandatory, Optional};

objects! {
    CARD_CAPABILITY_CONTAINER = piv("Card Capability Container", 0x5FC107, 0xDB00, Free, Mandatory);
    CARD_HOLDER_UNIQUE_IDENTIFIER = piv("Card Holder Unique Identifier", 0x5FC102, 0x3000, Free, Mandatory);
    AUTHENTICATION_CERTIFICATE = piv("X.509 Certificate for PIV Authentication", 0x5FC105, 0x0101, Free, Mandatory);
    FINGERPRINTS = piv("Cardholder Fingerprints", 0x5FC103, 0x6010, Pin, Mandatory);
    SECURITY_OBJECT = piv("Security Object", 0x5FC106, 0x9000, Free, Mandatory);
    FACIAL_IMAGE = piv("Cardholder Facial Image", 0x5FC108, 0x6030, Pin, Mandatory);
    CARD_AUTHENTICATION_CERTIFICATE = piv("X.509 Certificate for Card Authentication", 0x5FC101, 0x0500, Free, Mandatory);
    SIGNATURE_CERTIFICATE = piv("X.509 Certificate for Digital Signature", 0x5FC10A, 0x0100, Free, Conditional);
    KEY_MANAGEMENT_CERTIFICATE = piv("X.509 Certificate for Key Management", 0x5FC10B, 0x0102, Free, Conditional);
    PRINTED_INFORMATION = piv("Printed Information", 0x5FC109, 0x3001, Pin, Optional);
    DISCOVERY_OBJECT = piv("Discovery Object", 0x7E, 0x6050, Free, Optional);
    KEY_HISTORY_OBJECT = piv("Key History Object", 0x5FC10C, 0x6060, Free, Conditional);
    RETIRED_1 = piv("Retired X.509 Certificate for Key Management 1", 0x5FC10D, 0x1001, Free, Optional);
    RETIRED_2 = piv("Retired X.509 Certificate for Key Management 2", 0x5FC10E, 0x1002, Free, Optional);
    RETIRED_3 = piv("Retired X.509 Certificate for Key Management 3", 0x5FC10F, 0x1003, Free, Optional);
    RETIRED_4 = piv("Retired X.509 Certificate for Key Management 4", 0x5FC110, 0x1004, Free, Optional);
    RETIRED_5 = piv("Retired X.509 Certificate for Key Management 5", 0x5FC111, 0x1005, Free, Optional);
    RETIRED_6 = piv("Retired X.509 Certificate for Key Management 6", 0x5FC112, 0x1006, Free, Optional);
    RETIRED_7 = piv("Retired X.509 Certificate for Key Management 7", 0x5FC113, 0x1007, Free, Optional);
    RETIRED_8 = piv("Retired X.509 Certificate for Key Management 8", 0x5FC114, 0x1008, Free, Optional);
    RETIRED_9 = piv("Retired X.509 Certificate for Key Management 9", 0x5FC115, 0x1009, Free, Optional);
    RETIRED_10 = piv("Retired X.509 Certificate for Key Management 10", 0x5FC116, 0x100A, Free, Optional);
    RETIRED_11 = piv("Retired X.509 Certificate for Key Management 11", 0x5FC117, 0x100B, Free, Optional);
    RETIRED_12 = piv("Retired X.509 Certificate for Key Management 12", 0x5FC118, 0x100C, Free, Optional);
    RETIRED_13 = piv("Retired X.509 Certificate for Key Management 13", 0x5FC119, 0x100D, Free, Optional);
    RETIRED_14 = piv("Retired X.509 Certificate for Key Management 14", 0x5FC11A, 0x100E, Free, Optional);
    RETIRED_15 = piv("Retired X.509 Certificate for Key Management 15", 0x5FC11B, 0x100F, Free, Optional);
    RETIRED_16 = piv("Retired X.509 Certificate for Key Management 16", 0x5FC11C, 0x1010, Free, Optional);
    RETIRED_17 = piv("Retired X.509 Certificate for Key Management 17", 0x5FC11D, 0x1011, Free, Optional);
    RETIRED_18 = piv("Retired X.509 Certificate for Key Management 18", 0x5FC11E, 0x1012, Free, Optional);
    RETIRED_19 = piv("Retired X.509 Certificate for Key Management 19", 0x5FC11F, 0x1013, Free, Optional);
    RETIRED_20 = piv("Retired X.509 Certificate for Key Management 20", 0x5FC120, 0x1014, Free, Optional);
    IRIS_IMAGES = piv("Cardholder Iris Images", 0x5FC121, 0x1015, Pin, Optional);
    BIOMETRIC_TEMPLATES_GROUP = piv("Biometric Information Templates Group Template", 0x7F61, 0x1016, Free, Optional);
    SECURE_MESSAGING_SIGNER = piv("Secure Messaging Certificate Signer", 0x5FC122, 0x1017, Free, Optional);
    PAIRING_CODE = piv("Pairing Code Reference Data Container", 0x5FC123, 0x1018, Pin, Optional);
    RESIDENCE = national("Residence record", 0xFF21, PinOrTerminal(Right::ReadResidence), Right::UpdateResidence);
    STATUS_HINT = national("Card status hint", 0xFF22, Free, Right::UpdateStatus);
}

/// The object with this tag in an application.
pub fn by_tag(application: Application, tag: Tag) -> Option<&'static Object> {
    OBJECTS.iter().find(|object| object.application == application && object.tag == tag)
}

/// The PIV object with this container identifier.
pub fn by_container(container: u16) -> Option<&'static Object> {
    OBJECTS.iter().find(|object| object.application == Application::Piv && object.container == container)
}

/// Why the data field of GET DATA or PUT DATA is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// Not the data objects that the command carries.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// No object with such a tag.
    #[error("no data object has the tag {tag}")]
    Unknown {
        /// The tag that came; 0 for one of more than three bytes.
        tag: Tag,
    },
    /// More than fits.
    #[error("{length} bytes, an object holds at most {MAX_CONTENT}")]
    TooLong {
        /// Bytes of content.
        length: usize,
    },
}

impl Object {
    /// True for the objects that GET DATA answers in their own tag instead of DO 53.
    pub fn carries_own_tag(&self) -> bool {
        self.tag.is_constructed()
    }

    /// The object as GET DATA answers it.
    pub fn encode(&self, content: &[u8]) -> Vec<u8> {
        tlv::encode(self.outer(), content)
    }

    /// The content of an object as GET DATA answered it.
    ///
    /// # Errors
    /// When the answer is another data object, or longer than an object may be.
    pub fn decode<'a>(&self, answer: &'a [u8]) -> Result<&'a [u8], ObjectError> {
        let content = tlv::sole(answer, self.outer())?;
        within_limit(content)
    }

    /// `00 CB 3FFF 5C <tag>`.
    pub fn get(&self) -> Command {
        let [p1, p2] = CURRENT_APPLICATION;
        Command::new(0x00, INS_GET_DATA, p1, p2).with_data(self.tag_list()).with_ne(256)
    }

    /// `00 DB 3FFF 5C <tag> 53 <content>`; empty content deletes the object.
    pub fn put(&self, content: &[u8]) -> Command {
        let [p1, p2] = CURRENT_APPLICATION;
        let data = [self.tag_list(), self.encode(content)].concat();
        Command::new(0x00, INS_PUT_DATA, p1, p2).with_data(data)
    }

    fn outer(&self) -> Tag {
        if self.carries_own_tag() { self.tag } else { CONTENT }
    }

    fn tag_list(&self) -> Vec<u8> {
        let bytes = self.tag.0.to_be_bytes();
        let skip = bytes.iter().take_while(|byte| **byte == 0).count();
        tlv::encode(TAG_LIST, bytes.get(skip..).unwrap_or_default())
    }
}

/// The object that the data field of GET DATA asks for.
///
/// # Errors
/// When it is no tag list with one known tag.
pub fn parse_get(application: Application, data: &[u8]) -> Result<&'static Object, ObjectError> {
    named(application, tlv::sole(data, TAG_LIST)?)
}

/// The object and the content that the data field of PUT DATA brings.
///
/// # Errors
/// When it is not of one of the forms above, or too long.
pub fn parse_put(application: Application, data: &[u8]) -> Result<(&'static Object, &[u8]), ObjectError> {
    let mut reader = Reader::new(data);
    let listed = reader.optional(TAG_LIST)?.map(|list| named(application, list)).transpose()?;
    let value = reader.next()?.ok_or(TlvError::Missing { tag: CONTENT })?;
    reader.end()?;
    let object = match listed {
        Some(object) => object,
        // Without a tag list only an object in its own tag says what it is.
        None => by_tag(application, value.tag).ok_or(ObjectError::Unknown { tag: value.tag })?,
    };
    if value.tag != object.outer() {
        return Err(TlvError::Unexpected { expected: object.outer(), found: value.tag }.into());
    }
    Ok((object, within_limit(value.value)?))
}

fn named(application: Application, list: &[u8]) -> Result<&'static Object, ObjectError> {
    let tag = match list.len() {
        1..=3 => Tag(list.iter().fold(0, |tag, byte| (tag << 8) | u32::from(*byte))),
        _ => Tag(0),
    };
    by_tag(application, tag).ok_or(ObjectError::Unknown { tag })
}

fn within_limit(content: &[u8]) -> Result<&[u8], ObjectError> {
    match content.len() {
        0..=MAX_CONTENT => Ok(content),
        length => Err(ObjectError::TooLong { length }),
    }
}

/// Data objects one after another, as most contents of PIV are: written with the shortest lengths, closed by the
/// empty error detection code `FE 00`.
pub(crate) fn closed(content: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    content(&mut writer);
    writer.put(ERROR_DETECTION, []);
    writer.finish()
}

/// Error detection code, the last and always empty element of most contents.
pub(crate) const ERROR_DETECTION: Tag = Tag(0xFE);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_tag_and_no_container_stands_twice() {
        let tags: BTreeSet<_> = OBJECTS.iter().map(|object| object.tag).collect();
        let containers: BTreeSet<_> = OBJECTS.iter().filter(|o| o.container != 0).map(|o| o.container).collect();
        assert_eq!((tags.len(), containers.len()), (38, 36));
        assert_eq!(OBJECTS.len(), 38);
        assert_eq!(by_container(0x3000), Some(&CARD_HOLDER_UNIQUE_IDENTIFIER));
        assert_eq!(by_tag(Application::National, Tag(0x5FC102)), None);
    }

    #[test]
    fn commands_stand_as_the_standard_prints_them() {
        let chuid = &CARD_HOLDER_UNIQUE_IDENTIFIER;
        assert_eq!(hex::encode(chuid.get().to_bytes()), "00cb3fff055c035fc10200");
        assert_eq!(hex::encode(DISCOVERY_OBJECT.get().to_bytes()), "00cb3fff035c017e00");
        assert_eq!(hex::encode(chuid.put(&[0xFE, 0x00]).to_bytes()), "00db3fff095c035fc1025302fe00");
        assert_eq!(parse_get(Application::Piv, &chuid.get().data), Ok(chuid));
        for object in OBJECTS {
            let data = object.put(b"content").data;
            assert_eq!(parse_put(object.application, &data), Ok((object, &b"content"[..])));
        }
        let discovery = hex::decode("7e024f00").unwrap();
        assert_eq!(parse_put(Application::Piv, &discovery), Ok((&DISCOVERY_OBJECT, &[0x4F, 0x00][..])));
    }

    #[test]
    fn other_data_fields_are_refused() {
        for text in ["", "5c00", "5c035fc1ff", "5c045fc10200", "5c035fc1025c00", "53025fc1", "4f00"] {
            assert!(parse_get(Application::Piv, &hex::decode(text).unwrap()).is_err(), "{text}");
        }
        for text in
            ["", "5302fe00", "5c035fc102", "5c035fc1027e00", "5c017e5300", "5c035fc102530053 00", "5c035fc10253"]
        {
            assert!(parse_put(Application::Piv, &hex::decode(text.replace(' ', "")).unwrap()).is_err(), "{text}");
        }
        let long = CARD_HOLDER_UNIQUE_IDENTIFIER.put(&vec![0; MAX_CONTENT + 1]).data;
        let length = MAX_CONTENT + 1;
        assert_eq!(parse_put(Application::Piv, &long), Err(ObjectError::TooLong { length }));
    }

    proptest! {
        #[test]
        fn hostile_data_fields_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            for application in [Application::Piv, Application::National] {
                let _ = parse_get(application, &bytes);
                let _ = parse_put(application, &bytes);
            }
        }
    }
}
