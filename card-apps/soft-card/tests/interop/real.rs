//! Data objects of real test cards (GSA ICAM) go onto a card and come back through OpenSC as they were.

use std::path::Path;

use eid::certificate::Container;
use eid::keys::KeyReference;
use eid::objects::{
    CARD_CAPABILITY_CONTAINER, CARD_HOLDER_UNIQUE_IDENTIFIER, DISCOVERY_OBJECT, Object, PRINTED_INFORMATION,
    SECURITY_OBJECT,
};
use eid::pin;
use openssl::x509::X509;
use test_vectors::pcscd::PrivatePcscd;

use crate::Desk;
use crate::issuer::{OWN_PIN, TRANSPORT_PIN, delivered, must, transport_pin};

const CARDS: [&str; 6] = [
    "01_Golden_PIV",
    "04_Tampered_CHUID",
    "05_Tampered_Certificates",
    "14_Expired_CHUID",
    "38_Bad_Hash_in_Sec_Object",
    "46_Golden_FIPS_201-2_PIV",
];

/// The number that begins a file's name, and the object it holds.
const OBJECTS: [(&str, &Object); 5] = [
    ("1", &DISCOVERY_OBJECT),
    ("2", &SECURITY_OBJECT),
    ("7", &CARD_CAPABILITY_CONTAINER),
    ("8", &CARD_HOLDER_UNIQUE_IDENTIFIER),
    ("11", &PRINTED_INFORMATION),
];
const CERTIFICATES: [(&str, KeyReference); 4] = [
    ("3", KeyReference::Authentication),
    ("4", KeyReference::Signature),
    ("5", KeyReference::KeyManagement),
    ("6", KeyReference::CardAuthentication),
];

/// How many steps passed; none where the objects are not at hand, `None` where no pcscd can be run.
pub fn real_objects_are_read_back() -> Option<u32> {
    let Some(cards) = test_vectors::shared("data/piv") else { return Some(0) };
    let mut passed = 0;
    for name in CARDS {
        let pcscd = PrivatePcscd::start(1).unwrap()?;
        let folder = tempfile::tempdir().unwrap();
        let source = cards.join(name);
        let state = delivered(folder.path(), |channel| {
            for (number, object) in OBJECTS {
                must(channel, &object.put(&content(&source, number, object)));
            }
            for (number, key) in CERTIFICATES {
                must(channel, &key.certificate().put(&Container::write(&certificate(&source, number))));
            }
            must(channel, &pin::set_transport_pin(&transport_pin()));
        });
        let mut desk = Desk::new(pcscd, &state);
        desk.must("pkcs15-tool", &["--change-pin", "--pin", TRANSPORT_PIN, "--new-pin", OWN_PIN]);
        for (number, object) in OBJECTS {
            let read = ["--verify-pin", "--pin", OWN_PIN, "--raw", "--read-data-object", object.name, "-o", "object"];
            desk.must("pkcs15-tool", &read);
            assert_eq!(desk.read("object"), object.encode(&content(&source, number, object)), "{name} {}", object.name);
        }
        for ((number, _), id) in CERTIFICATES.into_iter().zip(["01", "02", "03", "04"]) {
            let said = desk.must("pkcs15-tool", &["--read-certificate", id]);
            let read = X509::from_pem(&said.as_bytes()[said.find("-----BEGIN").unwrap()..]).unwrap();
            assert_eq!(read.to_der().unwrap(), certificate(&source, number), "{name} {id}");
        }
        desk.pass(&format!("the nine objects of {name} come back as they were"));
        passed += desk.passed;
    }
    Some(passed)
}

fn file(source: &Path, number: &str) -> Vec<u8> {
    let entries = std::fs::read_dir(source).unwrap().map(|entry| entry.unwrap().path());
    let mut named: Vec<_> = entries
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{number} - ")))
        .collect();
    named.sort();
    std::fs::read(&named[0]).unwrap()
}

/// The content of an object; the files of objects with a tag of their own begin with it.
fn content(source: &Path, number: &str, object: &Object) -> Vec<u8> {
    let bytes = file(source, number);
    if object.carries_own_tag() { object.decode(&bytes).unwrap().to_vec() } else { bytes }
}

fn certificate(source: &Path, number: &str) -> Vec<u8> {
    X509::from_pem(&file(source, number)).unwrap().to_der().unwrap()
}
