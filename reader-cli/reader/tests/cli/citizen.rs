//! `citizen`: PIV applications of this project's cards and of others.

use std::path::Path;
use std::process::Output;
use std::thread;

use assert_cmd::Command;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, KeyUsage};
use openssl::x509::{X509, X509NameBuilder};
use serde_json::Value;
use soft_card::persona::{EMBEDDED, Persona};
use soft_card::{BlankOptions, SoftCard, State, socket};

const AUTHENTICATION: u32 = 0x5F_C105;
const SIGNATURE: u32 = 0x5F_C10A;
const CARD_AUTHENTICATION: u32 = 0x5F_C101;

struct Ca {
    key: PKey<Private>,
    certificate: X509,
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// A certificate for `subject`; by the CA itself where none is given.
fn certificate(subject: &str, days: (u32, u32), by: Option<&Ca>, key: &PKey<Private>) -> X509 {
    let name = |text: &str| {
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("C", "UT").unwrap();
        name.append_entry_by_text("CN", text).unwrap();
        name.build()
    };
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name(subject)).unwrap();
    builder.set_pubkey(key).unwrap();
    let day = |days: u32| Asn1Time::from_unix(1_700_000_000 + i64::from(days) * 86_400).unwrap();
    builder.set_not_before(&day(days.0)).unwrap();
    builder.set_not_after(&day(days.1)).unwrap();
    match by {
        Some(ca) => {
            builder.set_issuer_name(ca.certificate.subject_name()).unwrap();
            builder.append_extension(KeyUsage::new().critical().digital_signature().build().unwrap()).unwrap();
            builder.sign(&ca.key, MessageDigest::sha256()).unwrap();
        }
        None => {
            builder.set_issuer_name(&name(subject)).unwrap();
            builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
            builder.append_extension(KeyUsage::new().critical().key_cert_sign().build().unwrap()).unwrap();
            builder.sign(key, MessageDigest::sha256()).unwrap();
        }
    }
    builder.build()
}

fn ca(name: &str) -> Ca {
    let key = key();
    Ca { certificate: certificate(name, (0, 20_000), None, &key), key }
}

fn of_persona(name: &str) -> State {
    let text = EMBEDDED.iter().find(|(known, _)| *known == name).unwrap().1;
    State::blank(Persona::parse(text).unwrap().options()).unwrap()
}

/// A card whose authentication certificate is this.
fn with(state: State, certificate: &[u8]) -> State {
    with_at(state, AUTHENTICATION, certificate)
}

fn with_at(mut state: State, object: u32, certificate: &[u8]) -> State {
    let content = [&[0x70, 0x82][..], &(certificate.len() as u16).to_be_bytes(), certificate, &[0x71, 1, 0, 0xFE, 0]];
    state.eid.as_mut().unwrap().objects.insert(object, content.concat());
    state
}

struct Desk(tempfile::TempDir);

impl Desk {
    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn ask(&self, name: &str, state: State, arguments: &[&str]) -> Output {
        let path = self.path(name);
        let listener = socket::listen(Path::new(&path)).unwrap();
        thread::spawn(move || socket::serve_all(&mut SoftCard::from_state(&state), &listener, |_| ()));
        let mut command = Command::cargo_bin("bitaqa-reader").unwrap();
        let trust = self.path("trust");
        command.args(["citizen", "--socket", &path]).args(arguments).env("BITAQA_TRUST", trust).output().unwrap()
    }
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn certificates_are_judged_by_the_citizen_ca_that_is_given() {
    let desk = Desk(tempfile::tempdir().unwrap());
    let (mine, other) = (ca("Citizen CA"), ca("Citizen CA"));
    let pem = desk.path("ca.pem");
    std::fs::write(&pem, mine.certificate.to_pem().unwrap()).unwrap();
    let holder = key();
    let of = |days, by: &Ca| certificate("Invented Citizen", days, Some(by), &holder).to_der().unwrap();
    let foreign = ca("Another CA");
    let cases = [
        ("good", of((0, 20_000), &mine), 11),
        ("expired", of((0, 10), &mine), 12),
        ("early", of((19_000, 20_000), &mine), 12),
        ("signed-by-a-namesake", of((0, 20_000), &other), 10),
        ("foreign", of((0, 20_000), &foreign), 16),
        ("an-authority", mine.certificate.to_der().unwrap(), 10),
        ("garbage", vec![0x30, 0x00], 10),
    ];
    for (name, certificate, exit) in cases {
        let output = desk.ask(name, with(of_persona("pivapplet"), &certificate), &["--json", "--citizen-ca", &pem]);
        assert_eq!(output.status.code(), Some(exit), "{name}: {output:?}");
        let report = json(&output);
        assert_eq!(report["certificates"].as_array().unwrap().len(), 1, "{name}");
        let (card, certificate) = (&report["judgement"], &report["certificates"][0]["judgement"]);
        match name {
            "good" => assert_eq!((card, certificate), (&"certificates-good".into(), &"good".into())),
            _ => assert_eq!(card, certificate, "{name}"),
        }
    }
    // Nobody to judge by is never good; the trust store may have it.
    let good = of((0, 20_000), &mine);
    let output = desk.ask("nobody", with(of_persona("pivapplet"), &good), &["--json"]);
    assert_eq!((output.status.code(), &json(&output)["judgement"]), (Some(11), &Value::from("not-judged")));
    std::fs::create_dir_all(desk.path("trust/citizen-ca")).unwrap();
    std::fs::write(desk.path("trust/citizen-ca/one.der"), mine.certificate.to_der().unwrap()).unwrap();
    let output = desk.ask("store", with(of_persona("pivapplet"), &good), &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(11), "{output:?}");
    assert!(text.contains("\nCERTIFICATES GOOD, CARD NOT JUDGED\n"), "{text}");
    assert!(text.contains("Certificate of 9A: GOOD") && text.contains("Invented Citizen"), "{text}");
    assert!(text.contains("not judged: revocation"), "{text}");
}

#[test]
fn no_citizen_ca_of_the_trust_store_is_passed_over_in_silence() {
    let desk = Desk(tempfile::tempdir().unwrap());
    std::fs::create_dir_all(desk.path("trust/citizen-ca")).unwrap();
    let der = ca("Citizen CA").certificate.to_der().unwrap();
    for number in 0..64 {
        std::fs::write(desk.path(&format!("trust/citizen-ca/{number}.der")), &der).unwrap();
    }
    let output = desk.ask("enough", of_persona("pivapplet"), &[]);
    assert_eq!(output.status.code(), Some(11), "{output:?}");
    std::fs::write(desk.path("trust/citizen-ca/64.der"), &der).unwrap();
    let output = desk.ask("too-many", of_persona("pivapplet"), &[]);
    assert_eq!(output.status.code(), Some(40), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("more than 64 certificates"), "{output:?}");
}

#[test]
fn certificates_of_different_holders_are_a_failure() {
    let desk = Desk(tempfile::tempdir().unwrap());
    let mine = ca("Citizen CA");
    let pem = desk.path("ca.pem");
    std::fs::write(&pem, mine.certificate.to_pem().unwrap()).unwrap();
    let of = |subject| certificate(subject, (0, 20_000), Some(&mine), &key()).to_der().unwrap();
    for (name, object, subject, exit, judgement) in [
        ("same", SIGNATURE, "Invented Citizen", 11, "certificates-good"),
        ("other", SIGNATURE, "Somebody Else", 10, "different-holders"),
        // It may name the card.
        ("card", CARD_AUTHENTICATION, "A card", 11, "certificates-good"),
    ] {
        let state = with_at(with(of_persona("pivapplet"), &of("Invented Citizen")), object, &of(subject));
        let output = desk.ask(name, state, &["--json", "--citizen-ca", &pem]);
        let report = json(&output);
        assert_eq!(report["certificates"].as_array().unwrap().len(), 2, "{name}");
        assert_eq!((output.status.code(), &report["judgement"]), (Some(exit), &judgement.into()), "{name}");
    }
}

#[test]
fn whose_the_pin_is_is_told_where_the_card_tells() {
    let desk = Desk(tempfile::tempdir().unwrap());
    let own = State::blank(BlankOptions { eid: true, ..BlankOptions::default() }).unwrap();
    for (name, state, pin, tries, objects) in [
        ("own", own, "none", Value::Null, 1),
        ("pivapplet", of_persona("pivapplet"), "default", 5.into(), 4),
        ("openfips201", of_persona("openfips201"), "untold", 6.into(), 0),
    ] {
        let output = desk.ask(name, state, &["--json"]);
        assert_eq!(output.status.code(), Some(11), "{output:?}");
        let report = json(&output);
        assert_eq!((&report["pin"], &report["tries"]), (&Value::from(pin), &tries), "{name}");
        // An object for the holder is "protected" whether it is there or not.
        let read = report["objects"].as_array().unwrap().iter().filter(|object| object["state"] == "read").count();
        assert_eq!(read, objects, "{name}: {report}");
    }
    let none = State::blank(BlankOptions::default()).unwrap();
    let output = desk.ask("none", none, &[]);
    assert_eq!(output.status.code(), Some(21), "{output:?}");
}
