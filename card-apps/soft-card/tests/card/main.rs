//! Dialogues with the card, in one process and through its binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]

mod applets;
mod binary;
mod card_security;
mod citizen;
mod faults;
mod hostile;
mod issuer;
mod jmrtd;
mod makes;
mod oracle;
mod power;
mod reading;
mod residence;
mod support;
mod terminal;
mod wrong_state;
