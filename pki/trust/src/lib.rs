//! Who is believed: certificates, revocation lists, security objects, chains, trust bundles.
//!
//! This crate knows the document PKI of 9303-12, the card-verifiable certificates of TR-03110, the security object of 9303-10 and the CMS of RFC 5652. It judges bytes
//! which it is given: it reads no card, keeps no clock (the time of inspection is an argument) and
//! holds no private key; no type for one exists here. Only [`TrustStore`] and [`archive`] touch the disk.
//!
//! - [`Certificate`], [`Crl`], [`PublicKey`], [`SignatureAlgorithm`]: what a signature is checked with
//! - [`cms`]: SignedData, judged on the bytes that were received
//! - [`security_object`]: EF.SOD's content -> `Authentic<SecurityObject>`, the proof that passive authentication succeeded
//! - [`master_list`]: the country signing certificates that a State believes, and who vouches for them
//! - [`defect_list`]: what is known to be wrong with the documents of a signer
//! - [`import`], [`ldif`]: finding them in whatever file they come in
//! - [`archive`]: every country signing certificate ever seen, with where it came from and why it is believed
//! - [`chain`]: the rules between a document signer and its country signing CA, one named [`Finding`] each
//! - [`cvc`]: the card-verifiable certificates by which a chip judges a terminal (TR-03110-3)
//! - [`lint`]: every rule of the profiles, asked of an object before it is issued or when somebody wants to know
//! - [`bundle`], [`TrustStore`]: what an embassy installs, and never older than what it has
//! - [`files`]: how they are written

pub mod archive;
pub mod bundle;
pub mod certificate;
pub mod chain;
pub mod cms;
pub mod crl;
pub mod defect_list;
pub mod der;
pub mod files;
pub mod import;
pub mod ldif;
pub mod leniency;
pub mod lint;
pub mod master_list;
mod memory;
pub mod name;
pub mod outcome;
pub mod public_key;
pub mod security_object;
pub mod signature;
mod signed;
pub mod store;

/// Card-verifiable certificates: the format is the chip's language too.
pub use channel::cvc;

pub use archive::Archive;
pub use bundle::{Bundle, Freshness, Pin, Pins, Policy, RevokedDocument};
pub use certificate::{Certificate, CertificateError};
pub use crl::{Crl, CrlError};
pub use defect_list::DefectList;
pub use leniency::Leniency;
pub use master_list::{MasterList, MasterListError};
pub use outcome::{Finding, Outcome};
pub use public_key::{EllipticCurve, PublicKey, PublicKeyError};
pub use security_object::{Authentic, CardSecurity, Record, SecurityObject};
pub use signature::{Hash, SignatureAlgorithm, SignatureError};
pub use store::{DocumentStatus, TrustStore};
