//! Making a document: orders, profiles, plans, execution, recovery, quality, ledger.

pub mod breaker;
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
pub mod stage;
