//! Who signs: the country signing CA, document signers, revocation lists and trust bundles.
//!
//! This crate knows how the certificates, lists and objects of 9303-12 and 9303-10 are made, and keeps the authority's keys and
//! state in a directory. What it made is judged by the crate `trust`, which holds no key.

mod document_signer;
mod passphrase;

pub use document_signer::{DocumentSigner, LoadError, SignError};
pub use passphrase::Passphrase;
