//! Exit codes: documented, never renumbered.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | the card is genuine and valid; any other command did what it was asked |
//! | 1 | a bug in this program |
//! | 2 | the command line or a file it names is wrong, or the result cannot be written |
//! | 10 | NOT_GENUINE |
//! | 11 | UNREADABLE: not enough could be read or proved |
//! | 12 | GENUINE_EXPIRED |
//! | 13 | GENUINE_REVOKED |
//! | 14 | GENUINE_STATUS_UNKNOWN |
//! | 15 | CLONE_SUSPECT |
//! | 16 | UNTRUSTED_ISSUER |
//! | 20 | no reader, or no card in it |
//! | 21 | the card refused |
//! | 40 | the trust material is missing, older than what is installed, or not signed by the pinned key |

use inspection::Verdict;

/// Good.
pub const GOOD: u8 = 0;
/// A bug in this program.
pub const BUG: u8 = 1;
/// The command line or a file it names is wrong (clap exits with the same code), or the result cannot be written.
pub const USAGE: u8 = 2;
/// NOT_GENUINE.
pub const NOT_GENUINE: u8 = 10;
/// UNREADABLE.
pub const UNREADABLE: u8 = 11;
/// GENUINE_EXPIRED.
pub const GENUINE_EXPIRED: u8 = 12;
/// GENUINE_REVOKED.
pub const GENUINE_REVOKED: u8 = 13;
/// GENUINE_STATUS_UNKNOWN.
pub const GENUINE_STATUS_UNKNOWN: u8 = 14;
/// CLONE_SUSPECT.
pub const CLONE_SUSPECT: u8 = 15;
/// UNTRUSTED_ISSUER.
pub const UNTRUSTED_ISSUER: u8 = 16;
/// No reader, or no card.
pub const NO_CARD: u8 = 20;
/// The card refused.
pub const REFUSED: u8 = 21;
/// Trust material.
pub const TRUST: u8 = 40;

/// The table above, for the help text.
pub const HELP: &str = "\
Exit codes:
  0  GENUINE_VALID, or the command did what it was asked
  1  a bug in this program
  2  the command line or a file it names is wrong, or the result cannot be written
 10  NOT_GENUINE             11  UNREADABLE
 12  GENUINE_EXPIRED         13  GENUINE_REVOKED
 14  GENUINE_STATUS_UNKNOWN  15  CLONE_SUSPECT
 16  UNTRUSTED_ISSUER        20  no reader, or no card in it
 21  the card refused        40  trust material missing, older or not signed as pinned";

/// The exit code of a verdict.
pub const fn of_verdict(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::GenuineValid => GOOD,
        Verdict::GenuineStatusUnknown => GENUINE_STATUS_UNKNOWN,
        Verdict::GenuineExpired => GENUINE_EXPIRED,
        Verdict::GenuineRevoked => GENUINE_REVOKED,
        Verdict::Unreadable => UNREADABLE,
        Verdict::CloneSuspect => CLONE_SUSPECT,
        Verdict::UntrustedIssuer => UNTRUSTED_ISSUER,
        Verdict::NotGenuine => NOT_GENUINE,
    }
}
