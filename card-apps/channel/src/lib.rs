//! Secure channels, written once for both ends: the terminal and the chip.
//!
//! ```text
//! bac, pace, chip_auth   agree on keys            9303-11 §4.3, §4.4, §6.2
//! active_auth            the chip signs           9303-11 §6.1
//! terminal_auth, cvc     the terminal signs       9303-11 §7.1, TR-03110-3 appendix C
//! sm                     uses them                9303-11 §9.8, 7816-4 §10
//! scp03, scp02           the issuer's own channel GPCS Amendment D, GPCS appendix E
//! single_block           a PIV management key     SP 800-73-4 part 2 appendix A
//! ```
//!
//! The role is a type: [`role::Terminal`] protects commands and opens responses, [`role::Chip`]
//! does the reverse with the same code. Randomness and passwords are arguments, so the worked
//! examples of the standards are ordinary tests of both ends.
//!
//! OpenSSL does the arithmetic. This crate does no I/O, keeps no clock, writes no log, and knows
//! nothing of files: it talks to an [`iso7816::Card`].

pub mod active_auth;
pub mod bac;
mod block;
pub mod chip_auth;
mod curve;
pub mod cvc;
pub mod domain;
mod group;
pub mod hash;
mod kdf;
pub mod key_set;
mod mac;
mod modp;
pub mod pace;
pub mod password;
pub mod random;
pub mod role;
pub mod scp02;
pub mod scp03;
pub mod secret;
pub mod single_block;
pub mod sm;
pub mod suite;
pub mod terminal_auth;
