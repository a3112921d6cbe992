//! The inspection procedure: read a card, keep what was seen, judge it.
//!
//! ```text
//! Card --procedure::inspect--> Evidence --judge--> Report { verdict, checks, holder }
//! ```
//!
//! The two halves meet only in [`Evidence`], which can be stored and judged again: offline, later, with
//! fresher trust material. [`judge()`] is a pure function of evidence, trust store, policy and time. This crate opens no
//! reader and no file and writes no log.
//!
//! [`citizen`] reads and judges a PIV application beside it: it is no travel document and gets no verdict.
//!
//! Checks carry the names of TR-03135-1 and stand in one table, [`CHECKS`], one file each; results become a verdict in one
//! place, `verdict`, and no verdict says "genuine" without holding the proof that `trust` makes when a security object is
//! authentic.

mod case;
pub mod checks;
pub mod citizen;
pub mod evidence;
pub mod holder;
pub mod procedure;
pub mod report;
mod verdict;

pub use case::{Policy, judge};
pub use checks::{CHECKS, Check};
pub use evidence::Evidence;
pub use procedure::{Access, Bac, Options, Progress, inspect};
pub use report::{CheckResult, Report};
pub use verdict::{Class, Verdict};
