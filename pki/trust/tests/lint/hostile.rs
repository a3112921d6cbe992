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

/// Every signer may name every certificate: what is read of both is bounded, and an answer comes soon.
#[test]
fn a_crowd_of_signers_and_certificates_ends_soon() {
    use iso7816::tlv::{Reader, encode, sole};
    use trust::der::{SEQUENCE, SET, context_constructed};
    let whole = good(Kind::SecurityObject);
    let mut info = Reader::new(sole(&whole, SEQUENCE).unwrap());
    let kind = info.next().unwrap().unwrap().raw.to_vec();
    let data = sole(info.next().unwrap().unwrap().value, SEQUENCE).unwrap();
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut reader = Reader::new(data);
    while let Some(part) = reader.next().unwrap() {
        parts.push(match part.tag {
            SET if !parts.is_empty() && parts.len() > 2 => encode(SET, part.value.repeat(4000)),
            tag if tag == context_constructed(0) => encode(tag, part.value.repeat(4000)),
            _ => part.raw.to_vec(),
        });
    }
    let crowd = encode(SEQUENCE, [kind, encode(context_constructed(0), encode(SEQUENCE, parts.concat()))].concat());
    assert!(crowd.len() > 3_000_000);
    let begin = std::time::Instant::now();
    let report = lint::lint(&crowd, Kind::SecurityObject, Edition::Eighth);
    println!("{} bytes: {:?}", crowd.len(), begin.elapsed());
    assert!(report.findings.iter().any(|finding| finding.rule.id == "signed-one-signer"), "{:?}", report.findings);
    assert!(begin.elapsed() < std::time::Duration::from_secs(30));
}

#[test]
fn deep_nesting_ends() {
    let mut bytes = Vec::new();
    for _ in 0..200 {
        bytes = iso7816::tlv::encode(trust::der::SEQUENCE, bytes);
    }
    everything(&bytes);
}
