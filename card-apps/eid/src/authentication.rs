//! GENERAL AUTHENTICATE: the dynamic authentication template (SP 800-73-4 part 2 §3.2.4, 7816-4 §11.5.5).
//!
//! ```text
//! 00 87 <algorithm> <key>   7C { 80 witness  81 challenge  82 response  85 exponentiation }
//!
//! sign, RSA decipher   7C { 82 -  81 data }       ->  7C { 82 result }
//! Diffie-Hellman       7C { 82 -  85 point }      ->  7C { 82 x-coordinate }
//! mutual               7C { 80 - }                ->  7C { 80 E(witness) }
//!                      7C { 80 witness  81 data } ->  7C { 82 E(data) }
//! external             7C { 81 - }                ->  7C { 81 challenge }
//!                      7C { 82 E(challenge) }
//! ```
//!
//! An empty element asks the other side for it.

use iso7816::Command;
use iso7816::tlv::{self, Reader, Tag, TlvError, Writer};

use crate::keys::{Algorithm, KeyReference};

/// GENERAL AUTHENTICATE.
pub const INS_GENERAL_AUTHENTICATE: u8 = 0x87;

const TEMPLATE: Tag = Tag(0x7C);
const WITNESS: Tag = Tag(0x80);
const CHALLENGE: Tag = Tag(0x81);
const RESPONSE: Tag = Tag(0x82);
const EXPONENTIATION: Tag = Tag(0x85);

/// The elements of a template; an absent one is `None`, one that is asked for is empty.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Template<'a> {
    /// DO 80.
    pub witness: Option<&'a [u8]>,
    /// DO 81: a challenge, or what is to be signed or deciphered.
    pub challenge: Option<&'a [u8]>,
    /// DO 82.
    pub response: Option<&'a [u8]>,
    /// DO 85: the other side's point.
    pub exponentiation: Option<&'a [u8]>,
}

/// Shows lengths only: what is deciphered is nobody's business.
impl std::fmt::Debug for Template<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Template");
        for (tag, value) in self.elements() {
            shown.field(&tag.to_string(), &value.map(<[u8]>::len));
        }
        shown.finish()
    }
}

/// Why bytes are no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not data objects.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// An element that the template does not have, or one that stands twice.
    #[error("the element {tag} stands twice or has no place here")]
    Element {
        /// Its tag.
        tag: Tag,
    },
}

impl<'a> Template<'a> {
    /// Reads `7C {..}`, elements in any order.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TemplateError> {
        let mut template = Template::default();
        let mut reader = Reader::new(tlv::sole(bytes, TEMPLATE)?);
        while let Some(element) = reader.next()? {
            let place = match element.tag {
                WITNESS => &mut template.witness,
                CHALLENGE => &mut template.challenge,
                RESPONSE => &mut template.response,
                EXPONENTIATION => &mut template.exponentiation,
                tag => return Err(TemplateError::Element { tag }),
            };
            if place.replace(element.value).is_some() {
                return Err(TemplateError::Element { tag: element.tag });
            }
        }
        Ok(template)
    }

    /// `7C {..}` with the elements that are there.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(TEMPLATE, |inside| {
            for (tag, value) in self.elements() {
                if let Some(value) = value {
                    inside.put(tag, value);
                }
            }
        });
        writer.finish()
    }

    /// The command that carries the template.
    pub fn command(&self, algorithm: u8, key: u8) -> Command {
        Command::new(0x00, INS_GENERAL_AUTHENTICATE, algorithm, key).with_data(self.to_bytes()).with_ne(256)
    }

    fn elements(&self) -> [(Tag, Option<&'a [u8]>); 4] {
        [
            (WITNESS, self.witness),
            (RESPONSE, self.response),
            (CHALLENGE, self.challenge),
            (EXPONENTIATION, self.exponentiation),
        ]
    }
}

/// Asks for a signature over a hash, or, of an RSA key, for the private operation on a whole padded block.
pub fn sign(key: KeyReference, algorithm: Algorithm, data: &[u8]) -> Command {
    let template = Template { challenge: Some(data), response: Some(&[]), ..Template::default() };
    template.command(algorithm as u8, key as u8)
}

/// Asks for the shared secret with a point, `04 || x || y`.
pub fn agree(key: KeyReference, algorithm: Algorithm, point: &[u8]) -> Command {
    let template = Template { exponentiation: Some(point), response: Some(&[]), ..Template::default() };
    template.command(algorithm as u8, key as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn templates_stand_as_the_standard_prints_them() {
        let command = sign(KeyReference::Authentication, Algorithm::P256, &[0xAA; 2]);
        assert_eq!(hex::encode(command.to_bytes()), "0087119a087c0682008102aaaa00");
        let template = Template::parse(&command.data).unwrap();
        assert_eq!((template.response, template.challenge), (Some(&[][..]), Some(&[0xAA; 2][..])));
        let command = agree(KeyReference::KeyManagement, Algorithm::P256, &[4]);
        assert_eq!(hex::encode(command.to_bytes()), "0087119d077c05820085010400");
    }

    #[test]
    fn other_bytes_are_refused() {
        for bad in ["", "7c", "7c0282", "7d00", "7c0483008300", "7c0480008000", "7c028000ff"] {
            assert!(Template::parse(&hex::decode(bad).unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_data() {
        let shown = format!("{:?}", Template { challenge: Some(b"secret"), ..Template::default() });
        assert!(shown.contains("Some(6)") && !shown.contains("115"), "{shown}");
    }

    proptest! {
        #[test]
        fn templates_survive_and_hostile_bytes_never_panic(
            values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..300)), 4),
            bytes in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let [witness, challenge, response, exponentiation] = [0, 1, 2, 3].map(|at: usize| values[at].as_deref());
            let template = Template { witness, challenge, response, exponentiation };
            let written = template.to_bytes();
            prop_assert_eq!(Template::parse(&written), Ok(template));
            let _ = Template::parse(&bytes);
        }
    }
}
