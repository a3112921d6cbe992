//! Whole personalizations against the soft card: one that goes well, one that is torn at every command, one that is
//! searched for secrets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(missing_docs)]

#[path = "personalization/bench.rs"]
mod bench;
#[path = "personalization/citizen.rs"]
mod citizen;
#[path = "personalization/good.rs"]
mod good;
#[path = "personalization/hostile.rs"]
mod hostile;
#[path = "personalization/jmrtd.rs"]
mod jmrtd;
#[path = "personalization/piv.rs"]
mod piv;
#[path = "personalization/proofs.rs"]
mod proofs;
#[path = "personalization/resumed.rs"]
mod resumed;
#[path = "personalization/secrets.rs"]
mod secrets;
#[path = "personalization/terminals.rs"]
mod terminals;
#[path = "personalization/torn.rs"]
mod torn;
#[path = "personalization/whole.rs"]
mod whole;
