//! Whole inspections: real cards in software, a real authority, evidence good and spoiled.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod active;
mod agreement;
mod checks;
mod citizen;
mod citizens;
mod coping;
mod hostile;
mod issuer;
mod mapping;
mod possession;
mod procedure;
mod residence;
mod revocation;
mod stored;
mod terminal;
mod terminals;
mod verdicts;

use channel::password::{MrzKey, Password};
use channel::random::OsRandom;
use channel::secret::Secret;
use inspection::{Access, Bac, Evidence, Options, Policy, Report, inspect, judge};
use iso7816::Card;
use jiff::Timestamp;
use trust::TrustStore;

use crate::issuer::{CAN, Document, noon};

/// The day of inspection.
fn today() -> Timestamp {
    noon(2026, 11, 22)
}

fn with_can() -> Access {
    Access { password: Password::Can(Secret::new(CAN.as_bytes().to_vec())), bac: Bac::Never, printed_mrz: None }
}

fn with_mrz(document: &Document, bac: Bac) -> Access {
    let mrz = document.mrz();
    let key = MrzKey::from_information(&mrz.information());
    Access { password: Password::Mrz(key), bac, printed_mrz: Some(mrz.as_str().to_owned()) }
}

fn read(card: &mut dyn Card, access: &Access) -> Evidence {
    inspect(card, access, &Options::new(today()), &mut OsRandom, &mut |_| {})
}

fn judged(evidence: &Evidence, store: &TrustStore) -> Report {
    judge(evidence, store, &Policy::default(), today())
}

/// The result of one check, for short.
fn result(report: &Report, id: &str) -> &'static str {
    report.check(id).unwrap().result.word()
}
