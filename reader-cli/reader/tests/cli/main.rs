//! The program as people and scripts run it, against soft cards behind a socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod cards;
mod citizen;
mod console;
#[path = "../../../inspection/tests/inspection/issuer.rs"]
#[allow(dead_code, reason = "shared with the tests of inspection, which use more of it")]
mod issuer;
mod possession;
mod revocation;
#[path = "../../../inspection/tests/inspection/terminals.rs"]
#[allow(dead_code, reason = "shared with the tests of inspection, which use more of it")]
mod terminals;
mod trust;
mod usage;
