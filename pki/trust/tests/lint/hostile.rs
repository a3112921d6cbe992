//! Hostile bytes: every rule answers, none panics.

use proptest::prelude::*;
use trust::lint::{self, Edition, Kind};

use crate::samples::good;

fn everything(bytes: &[u8]) {
    let _ = lint::detect(bytes);
    let _ = lint::objects(bytes);
    for certificate in lint::contained(bytes) {
        let _ = lint::detect(&certificate);
    }
    let _ = lint::security_object_content(bytes);
    for kind in Kind::ALL {
        for edition in Edition::ALL {
            let report = lint::lint(bytes, kind, edition);
            assert!(report.findings.len() <= report.rules);
            assert!(report.findings.iter().all(|finding| finding.seen.len() < 4096));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        everything(&bytes);
    }

    #[test]
    fn spoiled_objects(kind in 0..Kind::ALL.len(), spots in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let kind = Kind::ALL[kind];
        let mut bytes = good(kind);
        for (spot, value) in spots {
            let spot = spot.index(bytes.len());
            bytes[spot] = value;
        }
        for edition in Edition::ALL {
            let _ = lint::lint(&bytes, kind, edition);
        }
        if let Some(kind) = lint::detect(&bytes) {
            let _ = lint::lint(&bytes, kind, kind.edition());
        }
    }

    #[test]
    fn truncated_objects(kind in 0..Kind::ALL.len(), end in any::<prop::sample::Index>()) {
        let kind = Kind::ALL[kind];
        let mut bytes = good(kind);
        bytes.truncate(end.index(bytes.len()));
        let report = lint::lint(&bytes, kind, kind.edition());
        prop_assert_eq!(report.error().unwrap().rule.id, "structure");
    }
}

#[test]
fn deep_nesting_ends() {
    let mut bytes = Vec::new();
    for _ in 0..200 {
        bytes = iso7816::tlv::encode(trust::der::SEQUENCE, bytes);
    }
    everything(&bytes);
}
