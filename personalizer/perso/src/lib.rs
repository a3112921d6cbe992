//! Making a document: orders, profiles, plans, execution, recovery, quality, ledger.

pub mod order;
