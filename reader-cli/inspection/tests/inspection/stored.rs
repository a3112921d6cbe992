//! Evidence stored by earlier versions still loads and is judged as it was.

use inspection::{Evidence, Policy, Verdict, judge};
use test_vectors::path;
use trust::{Pin, TrustStore, bundle};

use crate::today;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(path(&format!("evidence/{name}"))).unwrap()
}

#[test]
fn version_1() {
    let pin = Pin::from_hex(&String::from_utf8(file("bundle.pin")).unwrap()).unwrap();
    let store = TrustStore::from_bundle(bundle::open(&file("bundle.json"), &pin.into()).unwrap());
    for (name, verdict, because) in [
        ("genuine.json", Verdict::GenuineValid, None),
        ("altered.json", Verdict::NotGenuine, Some("dg2-integrity")),
        ("clone.json", Verdict::CloneSuspect, Some("chip-authentication")),
    ] {
        let evidence = Evidence::from_json(&file(name)).unwrap();
        // A few hours after the cards were read.
        let report = judge(&evidence, &store, &Policy::default(), today() + jiff::SignedDuration::from_hours(10));
        assert_eq!(report.verdict, verdict, "{name}");
        assert_eq!(report.because, Vec::from_iter(because), "{name}");
        assert_eq!(report.leniencies, []);
        assert_eq!(report.holder.unwrap().document_number.as_deref(), Some("ZZ0000017"));
    }
}
