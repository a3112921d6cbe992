//! Making a document: orders, profiles, plans, execution, recovery, quality, ledger.

pub mod issuer;
pub mod ledger;
pub mod order;
pub mod portrait;
pub mod profile;
