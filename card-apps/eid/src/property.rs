//! The answer to SELECT: the application property template (SP 800-73-4 part 2 §3.1.1, table 3).
//!
//! ```text
//! 61 { 4F PIX of the application  79 { 4F RID }  50 name }
//! ```

use iso7816::tlv::{self, Tag, TlvError, Writer};

use crate::Application;

const TEMPLATE: Tag = Tag(0x61);
const IDENTIFIER: Tag = Tag(0x4F);
const AUTHORITY: Tag = Tag(0x79);
const LABEL: Tag = Tag(0x50);
/// Bytes of a registered provider in an application identifier.
const RID_LENGTH: usize = 5;

/// The template of an application.
pub fn template(application: Application) -> Vec<u8> {
    let aid = application.aid();
    let (provider, extension) = aid.as_bytes().split_at_checked(RID_LENGTH).unwrap_or_default();
    let (identifier, label) = match application {
        Application::Piv => (extension, "Bitaqa eID"),
        Application::National => (aid.as_bytes(), "Bitaqa national"),
    };
    let mut writer = Writer::new();
    writer.nest(TEMPLATE, |inside| {
        inside.put(IDENTIFIER, identifier).nest(AUTHORITY, |authority| {
            authority.put(IDENTIFIER, provider);
        });
        inside.put(LABEL, label);
    });
    writer.finish()
}

/// True when a card's answer to SELECT is that of a PIV application, whatever else it says.
///
/// # Errors
/// When it is no template at all.
pub fn is_piv(answer: &[u8]) -> Result<bool, TlvError> {
    let inside = tlv::sole(answer, TEMPLATE)?;
    let extension = crate::PIV_AID.get(RID_LENGTH..).unwrap_or_default();
    // Early cards gave the whole identifier, and versions differ in the last two bytes.
    let of_piv =
        |id: &[u8]| id.starts_with(&crate::PIV_AID[..9]) || (id.len() >= 4 && extension.get(..4) == id.get(..4));
    Ok(tlv::find(inside, IDENTIFIER)?.is_some_and(of_piv))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_template_names_application_and_authority() {
        let piv = template(Application::Piv);
        assert_eq!(hex::encode(&piv), "611d4f0600001000010079074f05a000000308500a42697461716120654944");
        assert_eq!(is_piv(&piv), Ok(true));
        assert_eq!(is_piv(&template(Application::National)), Ok(false));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = is_piv(&bytes);
        }
    }
}
