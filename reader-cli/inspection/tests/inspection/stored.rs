//! Evidence stored by earlier versions still loads and is judged as it was.

use inspection::{Evidence, Policy, Verdict, judge};
use iso7816::{Card, Command, Response, Status, TransmitError};
use soft_card::fault::{CloneKey, Fault, Faults};
use soft_card::{SoftCard, forge};
use test_vectors::path;
use trust::{Pin, TrustStore, bundle};

use crate::issuer::{Document, Issuer};
use crate::{judged, mapping, read, today, with_can};

fn file(name: &str) -> Vec<u8> {
    std::fs::read(path(&format!("evidence/{name}"))).unwrap()
}

/// The cards of version 3: name, how the chip was forged, and what is said of it.
const MAPPED: [(&str, Option<CloneKey>, Verdict, &[&str]); 3] = [
    ("version-3-genuine.json", None, Verdict::GenuineValid, &[]),
    ("version-3-clone.json", Some(CloneKey::Other), Verdict::CloneSuspect, &["pace-cam"]),
    ("version-3-clone-without-key.json", Some(CloneKey::None), Verdict::CloneSuspect, &["pace-cam"]),
];

#[test]
fn version_3() {
    let pin = Pin::from_hex(&String::from_utf8(file("version-3-bundle.pin")).unwrap()).unwrap();
    let store = TrustStore::from_bundle(bundle::open(&file("version-3-bundle.json"), &pin.into()).unwrap());
    for (name, _, verdict, because) in MAPPED {
        let report = judged(&Evidence::from_json(&file(name)).unwrap(), &store);
        assert_eq!((report.verdict, &report.because[..]), (verdict, because), "{name}");
    }
}

#[test]
#[ignore = "writes the stored samples of version 3, which are never changed once they are released"]
fn write_version_3() {
    let mut issuer = Issuer::new("specimen-uto");
    let state = issuer.state(&mapping::document(false));
    let bundle = issuer.bundle(vec![]);
    let write = |name: &str, bytes: &[u8]| std::fs::write(path(&format!("evidence/{name}")), bytes).unwrap();
    write("version-3-bundle.json", &bundle.bytes);
    write("version-3-bundle.pin", bundle.pin.to_string().as_bytes());
    for (name, forged, ..) in MAPPED {
        let all = forged.map(|key| Fault::Cloned { key }).into_iter().collect();
        let state = forge::forge(&state, &Faults { seed: 3, all, ..Faults::default() }).unwrap();
        write(name, read(&mut SoftCard::from_state(&state), &with_can()).to_json().unwrap().as_bytes());
    }
}

/// A card that takes MSE:Set AT with the parameter number only, and files by SELECT.
#[test]
fn version_4() {
    let pin = Pin::from_hex(&String::from_utf8(file("version-4-bundle.pin")).unwrap()).unwrap();
    let store = TrustStore::from_bundle(bundle::open(&file("version-4-bundle.json"), &pin.into()).unwrap());
    let evidence = Evidence::from_json(&file("version-4-genuine.json")).unwrap();
    let report = judged(&evidence, &store);
    assert_eq!(report.verdict, Verdict::GenuineValid);
    let forms: Vec<_> = report.access_attempts.iter().map(|attempt| attempt.form.as_deref().unwrap()).collect();
    assert_eq!(forms, ["as the standard has it", "with the parameter number"]);
    assert_eq!(report.quirks.len(), 1);
}

#[test]
#[ignore = "writes the stored sample of version 4, which is never changed once it is released"]
fn write_version_4() {
    struct Particular(SoftCard);
    impl Card for Particular {
        fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
            let plain = command.cla == 0;
            let short_id = plain && command.ins == 0xB0 && command.p1 & 0x80 != 0;
            let number = command.data.windows(2).any(|window| window == [0x84, 0x01]);
            if short_id || (plain && command.ins == 0x22 && !number) {
                return Ok(Response::status(Status(0x6A80)));
            }
            self.0.transmit(command)
        }
    }
    let mut issuer = Issuer::new("specimen-uto");
    let state = issuer.state(&Document::specimen());
    let bundle = issuer.bundle(vec![]);
    let write = |name: &str, bytes: &[u8]| std::fs::write(path(&format!("evidence/{name}")), bytes).unwrap();
    write("version-4-bundle.json", &bundle.bytes);
    write("version-4-bundle.pin", bundle.pin.to_string().as_bytes());
    let evidence = read(&mut Particular(SoftCard::from_state(&state)), &with_can());
    write("version-4-genuine.json", evidence.to_json().unwrap().as_bytes());
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
