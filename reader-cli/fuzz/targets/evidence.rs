//! Stored evidence of any program, and what is judged of it: never genuine, for nobody signed it.
#![no_main]

use std::sync::OnceLock;

use inspection::{Evidence, Policy, judge};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use trust::{Pin, TrustStore, bundle};

const BUNDLE: &[u8] = include_bytes!("../../../test-vectors/evidence/version-3-bundle.json");
const PIN: &str = include_str!("../../../test-vectors/evidence/version-3-bundle.pin");

fuzz_target!(|bytes: &[u8]| {
    static STORE: OnceLock<TrustStore> = OnceLock::new();
    let store = STORE.get_or_init(|| {
        let pin = Pin::from_hex(PIN).expect("a pin");
        TrustStore::from_bundle(bundle::open(BUNDLE, &pin.into()).expect("a bundle"))
    });
    let Ok(evidence) = Evidence::from_json(bytes) else { return };
    let stored = evidence.to_json().expect("what was read can be written");
    assert_eq!(Evidence::from_json(stored.as_bytes()).expect("and read"), evidence);
    let now = Timestamp::from_second(1_763_812_800).expect("a day");
    let report = judge(&evidence, store, &Policy::default(), now);
    assert!(!report.verdict.is_genuine());
    serde_json::to_string(&report).expect("a report can be written");
});
