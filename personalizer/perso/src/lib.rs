//! Making a document: from an order to a chip that was read back and found good.
//!
//! ```text
//! order, profile, portrait --plan--> bytes --execute--> chip --quality--> approved, secured
//!                                             ledger: a line before and after every step
//!                                             recover: the card was taken away in the middle
//! ```
//!
//! Knows orders, card profiles, the dialogue with the issuer domain, and what a printing centre must account for. Receives a
//! [`execute::Station`], a [`execute::SecurityObjectSigner`] and perhaps a [`citizen::CitizenCa`]; knows no reader, no printer and no
//! signing key.

pub mod applet;
pub mod breaker;
pub mod citizen;
pub mod execute;
pub mod issuer;
pub mod keys;
pub mod ledger;
pub mod order;
pub mod plan;
pub mod portrait;
pub mod profile;
pub mod quality;
pub mod recover;
pub mod rotation;
pub mod stage;
pub mod station;
