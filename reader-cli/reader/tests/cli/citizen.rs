//! `citizen`: PIV applications of this project's cards and of others, residence records.

use std::path::Path;
use std::process::Output;
use std::thread;

use assert_cmd::Command;
use authority::SignerKind;
use eid::objects::RESIDENCE;
use eid::pin::Pin;
use eid::residence::{Address, Residence, SignedResidence};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lds::date::Date;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, KeyUsage};
use openssl::x509::{X509, X509NameBuilder};
use serde_json::Value;
use soft_card::eid::{Memory, Reference};
use soft_card::persona::{EMBEDDED, Persona};
use soft_card::{BlankOptions, SoftCard, State, socket};
use trust::der::oid;

use crate::cards::{Post, table};
use crate::issuer::{CAN, Issuer, days_after};

const AUTHENTICATION: u32 = 0x5F_C105;
const SIGNATURE: u32 = 0x5F_C10A;
const CARD_AUTHENTICATION: u32 = 0x5F_C101;

pub struct Ca {
    pub key: PKey<Private>,
    pub certificate: X509,
}

pub fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// A certificate for `subject`; by the CA itself where none is given.
fn certificate(subject: &str, days: (u32, u32), by: Option<&Ca>, key: &PKey<Private>) -> X509 {
    certificate_of((subject, None), days, by, key)
}

/// The same with a number in its subject.
fn numbered(subject: &str, number: Option<&str>, by: &Ca) -> X509 {
    numbered_for(subject, number, by, &key())
}

/// The same for a key that somebody has.
pub fn numbered_for(subject: &str, number: Option<&str>, by: &Ca, key: &PKey<Private>) -> X509 {
    certificate_of((subject, number), (0, 20_000), Some(by), key)
}

fn certificate_of(
    (subject, number): (&str, Option<&str>),
    days: (u32, u32),
    by: Option<&Ca>,
    key: &PKey<Private>,
) -> X509 {
    let name = |text: &str| {
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("C", "UT").unwrap();
        name.append_entry_by_text("CN", text).unwrap();
        if let Some(number) = number {
            name.append_entry_by_text("serialNumber", number).unwrap();
        }
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
            builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap()).unwrap();
            builder.sign(key, MessageDigest::sha256()).unwrap();
        }
    }
    builder.build()
}

pub fn ca(name: &str) -> Ca {
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

pub fn with_at(mut state: State, object: u32, certificate: &[u8]) -> State {
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
        std::fs::create_dir_all(&trust).unwrap();
        command.args(["citizen", "--socket", &path]).args(arguments).env("BITAQA_TRUST", trust).output().unwrap()
    }
}

pub fn json(output: &Output) -> Value {
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
    assert!(text.contains("not judged: that the card has the keys of its certificates; revocation"), "{text}");
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
fn a_trust_store_that_is_named_and_not_there_is_told() {
    let desk = Desk(tempfile::tempdir().unwrap());
    let nothing = desk.path("nothing");
    let output = desk.ask("slip", of_persona("pivapplet"), &["--trust", &nothing]);
    assert_eq!(output.status.code(), Some(40), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains(&nothing), "{output:?}");
    // A store without a bundle may hold the citizen CA all the same.
    std::fs::create_dir(&nothing).unwrap();
    assert_eq!(desk.ask("empty", of_persona("pivapplet"), &["--trust", &nothing]).status.code(), Some(11));
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

const PIN: &[u8] = b"271828";

/// The card of the post's specimen, whose holder has chosen a PIN, with this residence record.
fn of_citizen(post: &Post, residence: Option<Vec<u8>>) -> State {
    let mut state = post.issuer.state(&post.document);
    let mut memory = Memory::delivered();
    let value = Pin::from_digits(PIN).unwrap().secret().clone();
    memory.pin = Some(Reference { value, tries: 3, limit: 3 });
    memory.objects.extend(residence.map(|content| (RESIDENCE.tag.0, content)));
    state.eid = Some(memory);
    state
}

/// A record about this holder, signed by this State a day after it began.
pub fn record(by: &Issuer, post: &Post, national_number: &str) -> Vec<u8> {
    signed_record(post, national_number, |record, at| by.signer.sign_record_at(record, at).unwrap())
}

/// A residence signer's, and what the thief of another key under the CSCA makes.
fn signed_by_others(post: &mut Post, national_number: &str) -> (Vec<u8>, Vec<u8>) {
    let office = post.issuer.office("office-1");
    let by_office = signed_record(post, national_number, |record, at| office.sign_record_at(record, at).unwrap());
    let list = post.issuer.another(SignerKind::MasterList, "mls-1");
    let by_list = signed_record(post, national_number, |record, _| post.issuer.sign_anyway(&list, oid::DATA, record));
    (by_office, by_list)
}

fn signed_record(post: &Post, national_number: &str, sign: impl Fn(&[u8], Timestamp) -> Vec<u8>) -> Vec<u8> {
    let address = Address { governorate: "بغداد".into(), house: "7".into(), ..Address::default() };
    let signed = days_after(post.start, 1);
    let day = signed.to_zoned(TimeZone::UTC).date();
    let date = Date::new(day.year() as u16, day.month() as u8, day.day() as u8).unwrap();
    let residence = Residence { national_number: national_number.into(), date, office: "0101".into(), address };
    let record = residence.to_bytes();
    let signature = sign(&record, signed);
    SignedResidence { record: &record, signature: &signature }.to_bytes()
}

/// Name of the case, object on the card, more arguments, exit code, judgement of the record, and a check with its result.
type Case<'a> = (&'a str, Option<Vec<u8>>, &'a [&'a str], i32, Option<&'a str>, &'a str, &'a str);

#[test]
fn the_residence_record_is_judged_by_named_checks() {
    let mut post = Post::new();
    let holder = "199900000011";
    let good = record(&post.issuer, &post, holder);
    let mut altered = good.clone();
    let house = altered.windows(3).position(|window| window == b"\x85\x017").unwrap();
    altered[house + 2] = b'8';
    let stranger = Issuer::starting("specimen-uto", post.start);
    let (office, list) = signed_by_others(&mut post, holder);
    std::fs::write(post.path("pin"), "٢٧١٨٢٨\n").unwrap();
    let (pin, trust) = (post.path("pin"), post.path("trust"));
    let with_pin = ["--pin-file", &pin, "--can", CAN];
    let cases: [Case<'_>; 9] = [
        ("good", Some(good.clone()), &with_pin, 11, Some("good"), "residence-holder", "successful"),
        ("altered", Some(altered), &with_pin, 10, Some("forged"), "residence-signature", "failed"),
        (
            "of-another-citizen",
            Some(record(&post.issuer, &post, "199900000028")),
            &with_pin,
            10,
            Some("different-holders"),
            "residence-holder",
            "failed",
        ),
        (
            "unknown-signer",
            Some(record(&stranger, &post, holder)),
            &with_pin,
            16,
            Some("untrusted-issuer"),
            "residence-signer",
            "undetermined",
        ),
        ("of-a-residence-signer", Some(office), &with_pin, 11, Some("good"), "residence-signer", "successful"),
        ("of-a-master-list-signer", Some(list), &with_pin, 16, Some("untrusted-issuer"), "residence-signer", "failed"),
        ("no-record", None, &with_pin, 11, None, "residence-record", "not supported"),
        (
            "read-without-the-PIN",
            Some(good.clone()),
            &["--can", CAN],
            11,
            Some("not-judged"),
            "residence-record",
            "undetermined",
        ),
        (
            "read-without-CAN-or-MRZ",
            Some(good.clone()),
            &["--pin-file", &pin],
            11,
            Some("not-judged"),
            "residence-holder",
            "undetermined",
        ),
    ];
    let mut rows = String::from("| card | check | result | the record is | exit |\n|---|---|---|---|---|\n");
    for (name, content, more, exit, judgement, check, result) in cases {
        let (case, said) = (name.replace('-', " "), judgement.unwrap_or("not there"));
        rows += &format!("| {case} | `{check}` | {result} | {said} | {exit} |\n");
        let socket = post.insert(name, of_citizen(&post, content));
        let mut args = vec!["citizen", "--socket", &socket, "--trust", &trust, "--json"];
        args.extend(more);
        let output = post.run(&args);
        assert_eq!(output.status.code(), Some(exit), "{name}: {output:?}");
        let report = json(&output);
        assert_eq!(report["residence"]["judgement"], judgement.map_or(Value::Null, Value::from), "{name}: {report:#}");
        let checks = report["checks"].as_array().unwrap();
        let found = checks.iter().find(|one| one["id"] == check).unwrap();
        assert_eq!(found["result"], result, "{name}: {report:#}");
        // The address is told when it was read, and nowhere else.
        let read = content_is_read(name);
        assert_eq!(report["residence"]["record"]["governorate"].as_str(), read.then_some("بغداد"), "{name}");
    }
    table::compare("citizen-eid.md", &rows);
    // People see the same; nothing of the PIN is in the journal.
    let (socket, journal) = (post.insert("people", of_citizen(&post, Some(good))), post.path("journal"));
    let args = ["citizen", "--socket", &socket, "--trust", &trust, "--journal", &journal];
    let output = post.run(&[&args[..], &with_pin].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for wanted in ["Residence record: GOOD", "GENUINE_STATUS_UNKNOWN, number ZZ0000017", "بغداد", "residence-entry"]
    {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let journal = std::fs::read_to_string(journal).unwrap().to_lowercase();
    assert!(journal.contains("00200080") && !journal.contains("323731383238"), "{journal}");
}

/// Whether the record of this case comes to be read.
fn content_is_read(name: &str) -> bool {
    !["no-record", "read-without-the-PIN"].contains(&name)
}

#[test]
fn a_pin_that_opens_nothing_stops_the_command() {
    let post = Post::new();
    let good = record(&post.issuer, &post, "199900000011");
    let (right, wrong, none) = (post.path("right.pin"), post.path("wrong.pin"), post.path("none.pin"));
    std::fs::write(&right, PIN).unwrap();
    std::fs::write(&wrong, "314159").unwrap();
    std::fs::write(&none, "1234").unwrap();
    let whole = of_citizen(&post, Some(good));
    let with = |change: &dyn Fn(&mut Memory)| {
        let mut state = whole.clone();
        change(state.eid.as_mut().unwrap());
        state
    };
    for (name, state, pin, exit, words) in [
        ("wrong", whole.clone(), &wrong, 21, "2 tries left"),
        ("no-digits", whole.clone(), &none, 2, "6 to 8 digits"),
        ("transport", with(&|memory| memory.transport = true), &right, 21, "pkcs15-tool --change-pin"),
        (
            "blocked",
            with(&|memory| memory.pin.as_mut().unwrap().tries = 0),
            &right,
            21,
            "blocked: the PUK gives it back",
        ),
        ("last", with(&|memory| memory.pin.as_mut().unwrap().tries = 1), &right, 21, "The PIN is not tried"),
        ("unset", with(&|memory| memory.pin = None), &right, 21, "none was set"),
        ("pivapplet", of_persona("pivapplet"), &right, 21, "no national file set"),
    ] {
        let socket = post.insert(name, state);
        let output = post.run(&["citizen", "--socket", &socket, "--trust", &post.path("trust"), "--pin-file", pin]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{name}: {text}");
        assert!(text.contains(words), "{name}: {text}");
    }
    // Nobody is there to type it.
    let socket = post.insert("nobody", whole);
    let output = post.run(&["citizen", "--socket", &socket, "--trust", &post.path("trust"), "--pin"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("--pin-file"), "{text}");
    // A CAN is of no use without a trust bundle.
    let output = post.run(&["citizen", "--socket", "nowhere", "--trust", &post.path("empty"), "--can", CAN]);
    assert_eq!(output.status.code(), Some(40), "{output:?}");
}

/// Neither a copy nor a stranger's card learns the PIN: it is asked for only once the travel document was judged.
#[test]
fn a_card_that_copies_a_document_learns_no_pin() {
    let post = Post::new();
    let pin = post.path("pin");
    std::fs::write(&pin, "271828\n").unwrap();
    let state = of_citizen(&post, Some(record(&post.issuer, &post, "199900000011")));
    let altered = soft_card::forge::alter_data_group(&state, 1).unwrap();
    let copied = soft_card::forge::new_chip_key(&state).unwrap();
    for (name, state, exit) in [("altered", altered, 10), ("copied", copied, 15)] {
        let socket = post.insert(name, state);
        let args = ["citizen", "--socket", &socket, "--trust", &post.path("trust"), "--can", CAN, "--json"];
        let output = post.run(&[&args[..], &["--pin-file", &pin]].concat());
        assert_eq!(output.status.code(), Some(exit), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("The PIN was not given to this card"), "{output:?}");
        let output = post.run(&args);
        assert_eq!((output.status.code(), &json(&output)["judgement"]), (Some(10), &"forged".into()), "{name}");
    }
}

/// The number that the citizen CA writes into its certificates is that of the travel document.
#[test]
fn certificates_of_another_card_are_found_out_by_the_travel_document() {
    let post = Post::new();
    let mine = ca("Citizen CA");
    let pem = post.path("ca.pem");
    std::fs::write(&pem, mine.certificate.to_pem().unwrap()).unwrap();
    for (name, number, signs, exit, judgement, result) in [
        ("own", Some("ZZ0000017"), None, 11, "certificates-good", "successful"),
        ("other", Some("ZZ0000025"), None, 10, "different-holders", "failed"),
        ("none", None, None, 11, "certificates-good", "undetermined"),
        ("none-and-other", None, Some("ZZ0000025"), 10, "different-holders", "failed"),
    ] {
        let der = |number| numbered("Invented Citizen", number, &mine).to_der().unwrap();
        let mut state = with(of_citizen(&post, None), &der(number));
        if signs.is_some() {
            state = with_at(state, 0x5F_C10A, &der(signs));
        }
        let socket = post.insert(name, state);
        let args = ["citizen", "--socket", &socket, "--trust", &post.path("trust"), "--citizen-ca", &pem, "--json"];
        let output = post.run(&[&args[..], &["--can", CAN]].concat());
        let report = json(&output);
        assert_eq!((output.status.code(), &report["judgement"]), (Some(exit), &judgement.into()), "{name}: {report:#}");
        let check = &report["checks"].as_array().unwrap()[0];
        assert_eq!((&check["id"], &check["result"]), (&"certificates-document".into(), &result.into()), "{name}");
    }
}
