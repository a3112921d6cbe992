//! The citizen application: what a PIV card's data objects, keys and PIN are, and the national file set.
//!
//! The card edge is that of SP 800-73-4, so that computers of today use the card with what they ship. This crate is
//! the language of both ends: it does no I/O, keeps no clock, and judges nothing about trust.
//!
//! - [`objects`]: the one table of data objects, GET DATA and PUT DATA
//! - [`chuid`], [`capability`], [`discovery`], [`security_object`], [`certificate`]: what stands in them
//! - [`keys`], [`authentication`]: key references, algorithms, GENERATE ASYMMETRIC KEY PAIR, GENERAL AUTHENTICATE
//! - [`possession`]: a card proves that it has a key
//! - [`pin`]: PIN and PUK and the commands that carry them
//! - [`property`]: the answer to SELECT
//! - [`residence`], [`status_hint`]: the national file set, an application of its own
//!
//! ```
//! use eid::keys::{Algorithm, KeyReference, generate};
//! use eid::objects::CARD_HOLDER_UNIQUE_IDENTIFIER;
//! use eid::pin::{Pin, verify};
//!
//! // What goes to the card ..
//! let pin = Pin::from_digits(b"271828").unwrap();
//! assert_eq!(verify(&pin).to_bytes(), b"\x00\x20\x00\x80\x08271828\xFF\xFF");
//! let command = generate(KeyReference::Signature, Algorithm::P384);
//! assert_eq!(command.to_bytes(), b"\x00\x47\x00\x9C\x05\xAC\x03\x80\x01\x14\x00");
//! // .. and what comes back.
//! let object = &CARD_HOLDER_UNIQUE_IDENTIFIER;
//! assert_eq!(object.get().to_bytes(), b"\x00\xCB\x3F\xFF\x05\x5C\x03\x5F\xC1\x02\x00");
//! assert_eq!(object.decode(b"\x53\x02\xFE\x00"), Ok(&b"\xFE\x00"[..]));
//! ```

pub mod authentication;
pub mod capability;
pub mod certificate;
pub mod chuid;
pub mod discovery;
pub mod keys;
pub mod objects;
pub mod pin;
pub mod possession;
pub mod property;
pub mod residence;
pub mod security_object;
pub mod status_hint;

use iso7816::Aid;

/// The PIV application, `A000000308 00001000 0100`: RID of NIST, PIX with version 1.0 (SP 800-73-4 part 1 §2.2).
pub const PIV_AID: [u8; 11] = [0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00];

/// The national file set, `F0 'BITAQA' 01`: a proprietary identifier that nobody registers (7816-4 §12.2.3.4).
pub const NATIONAL_AID: [u8; 8] = [0xF0, b'B', b'I', b'T', b'A', b'Q', b'A', 0x01];

/// The two applications that share keys, PIN and management.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Application {
    /// The PIV application.
    Piv,
    /// The national file set.
    National,
}

impl Application {
    /// The application identifier.
    pub fn aid(self) -> Aid {
        let bytes = match self {
            Application::Piv => &PIV_AID[..],
            Application::National => &NATIONAL_AID,
        };
        // Both have between 1 and 16 bytes.
        Aid::new(bytes).unwrap_or_else(Aid::issuer_domain)
    }
}
