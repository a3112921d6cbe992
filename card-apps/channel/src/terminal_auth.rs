//! Terminal Authentication version 1 (9303-11 §7.1): the chip learns who reads it before it gives out fingerprints.
//!
//! ```text
//! each certificate  MSE:Set DST             00 22 81 B6  83 authority reference
//!                   PSO:Verify Certificate  00 2A 00 BE  7F4E body, 5F37 signature
//! the terminal      MSE:Set AT              00 22 81 A4  83 holder reference
//!                   GET CHALLENGE           00 84 00 00  08  ->  RND.IC
//!                   EXTERNAL AUTHENTICATE   00 82 00 00  signature over ID.IC || RND.IC || Comp(PK.IFD)
//! ```
//!
//! It runs inside the session of Chip Authentication, and signs that session's ephemeral key: a signature is good for no other.
//! Certificates and their chains are [`crate::cvc`]'s; here is the dialogue, and what a chip keeps of it.

mod chip;
mod key;
mod terminal;
mod trust;

use iso7816::tlv::Tag;

pub use chip::ChipTerminalAuth;
pub use key::{TerminalKey, TerminalKeyError, TerminalSigner};
pub use terminal::{TerminalAuthError, authenticate, authorities};
pub use trust::{EF_CVCA_LENGTH, Trust, TrustError};

const REFERENCE: Tag = Tag(0x83);
/// A certification authority reference in EF.CVCA.
const AUTHORITY: Tag = Tag(0x42);
const MANAGE_SECURITY_ENVIRONMENT: u8 = 0x22;
const VERIFY_CERTIFICATE: u8 = 0x2A;
const GET_CHALLENGE: u8 = 0x84;
const EXTERNAL_AUTHENTICATE: u8 = 0x82;
/// The most data bytes of a command that secure messaging leaves a short one: of 255, ten go to the checksum, four to the head of
/// the cryptogram, and the padding takes one.
pub const SHORT_COMMAND: usize = 239;
/// Bytes of the chip's challenge.
const CHALLENGE: usize = 8;

/// What a signature is bound to, beside the challenge.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// ID.IC: after PACE the chip's ephemeral key, compressed; after BAC the document number with its check digit.
    pub chip_identity: &'a [u8],
    /// The terminal's ephemeral key of Chip Authentication, compressed.
    pub ephemeral_key: &'a [u8],
}

impl Binding<'_> {
    /// What the terminal signs.
    fn message(&self, challenge: &[u8; CHALLENGE]) -> Vec<u8> {
        [self.chip_identity, challenge, self.ephemeral_key].concat()
    }
}

#[cfg(test)]
mod tests;
