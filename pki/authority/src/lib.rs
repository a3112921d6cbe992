//! Who signs: the country signing CA, document signers, revocation lists and trust bundles.
//!
//! This crate knows how the certificates, lists and objects of 9303-12 and 9303-10 are made, and keeps an authority's keys and
//! state in a directory. What it made is judged by the crate `trust`, which holds no key.
//!
//! - [`Authority`]: one directory, everything an authority does
//! - [`DocumentSigner`]: what a printing centre gets: one certificate and its key
//! - [`RecordSigner`]: what a residence office gets, which signs no document
//! - [`cvca`]: card-verifiable certificates for terminals: CVCA, document verifiers, requests
//! - [`Signer`], [`StoredKey`], [`SoftwareKey`], [`TokenKey`]: where private keys are
//! - [`MasterKey`]: a key in a token from which cards' keys are derived
//! - [`WorkerKey`], [`serve`]: a key that several processes sign with
//! - [`citizen_ca`]: certificates for citizens' own keys, after RFC 5280
//! - [`ceremony`]: scripts that several persons are led through, and what they sign
//! - [`acts`]: the record of everything that was issued
//! - [`backup`]: all of it in one file, and back
//! - [`Profile`]: the names, algorithms and lifetimes of a state, as data

pub mod acts;
mod authority;
pub mod backup;
pub mod ceremony;
pub mod citizen_ca;
mod countries;
pub mod cvca;
pub mod defect_list;
pub mod deviation_list;
mod document_signer;
mod files;
mod key_store;
mod passphrase;
mod profile;
mod signed_data;
mod state;
mod status;
mod x509;

pub use authority::{
    Authority, BundleRequest, Ensured, EnsuredCrl, ExportedBundle, Fewer, Generation, InitError, IssueError, NewName,
    OpenError, Rollover, SignedList, SignerKind, SignerRecord, Uses,
};
pub use document_signer::{DocumentSigner, LoadError, RecordSigner, SignError};
pub use files::FileError;
pub use key_store::{
    Algorithm, KeyError, KeyPlace, MasterKey, MasterKind, NewKey, RecordError, RsaSize, Signer, SigningError,
    SoftwareKey, StoredKey, Token, TokenAddress, TokenError, TokenKey, Tries, UnknownAlgorithm, UseError, WorkerError,
    WorkerKey, Workers, serve,
};
pub use passphrase::{MIN_PASSPHRASE, Passphrase};
pub use profile::{CitizenProfile, PROFILES, Profile};
pub use state::StateError;
pub use status::{Item, Need, Status, StatusError};
