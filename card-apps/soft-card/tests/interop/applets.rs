//! Cards with PIV programs of others, in the hands of the same tools: PivApplet and OpenFIPS201.

use channel::random::OsRandom;
use channel::scp03::{self, SecurityLevel};
use channel::secret::Secret;
use channel::single_block::BlockCipher;
use eid::authentication::Template;
use eid::capability::Capability;
use eid::keys::{self, Algorithm, KeyReference, PublicKey};
use eid::objects::{CARD_CAPABILITY_CONTAINER, CARD_HOLDER_UNIQUE_IDENTIFIER};
use eid::pin::{self, Pin, Puk};
use eid::{PIV_AID, certificate::Container};
use iso7816::{Card, Chained, Command, Limits};
use openssl::ec::EcKey;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use soft_card::persona::{EMBEDDED, Persona};
use soft_card::{BlankOptions, SoftCard, State};
use test_vectors::pcscd::PrivatePcscd;

use crate::issuer::{Citizen, OWN_PIN, PUK, certificate, must, verifier};
use crate::{Desk, steps};

/// What PivApplet is delivered with.
const KNOWN_PIN: &str = "123456";
const KNOWN_PUK: &str = "12345678";
const KNOWN_KEY: [u8; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8];
const ALGORITHMS: [Algorithm; 4] = [Algorithm::P256, Algorithm::P256, Algorithm::Rsa2048, Algorithm::P256];

/// How many steps passed; `None` where no pcscd can be run.
pub fn their_card(name: &str) -> Option<u32> {
    let pcscd = PrivatePcscd::start(1).unwrap()?;
    let folder = tempfile::tempdir().unwrap();
    let text = EMBEDDED.iter().find(|(known, _)| *known == name).unwrap().1;
    let state = folder.path().join("card.json");
    State::blank(Persona::parse(text).unwrap().options()).unwrap().create(&state).unwrap();
    let mut card = SoftCard::open(&state).unwrap();
    must(&mut card, &Command::new(0x00, 0xA4, 0x04, 0x00).with_data(&PIV_AID[..9]).with_ne(256));
    let (keys, first, tries) = match name {
        "pivapplet" => (as_pivapplet(&mut card), KNOWN_PIN, 5),
        _ => (as_openfips201(&mut card), "111111", 6),
    };
    drop(card);
    std::fs::write(folder.path().join("9b.hex"), hex::encode(KNOWN_KEY)).unwrap();
    let citizen = Citizen { state, keys };
    let mut desk = Desk::new(pcscd, &citizen.state);
    assert!(desk.must("opensc-tool", &["-n"]).contains("Personal Identity Verification Card"));
    desk.pass(&format!("{name}: opensc-tool -n finds the PIV driver by itself"));
    let shown = desk.must("pkcs15-tool", &["-D"]);
    for label in ["PIV AUTH key", "SIGN key", "KEY MAN key", "CARD AUTH key", "Certificate for Card Authentication"] {
        assert!(shown.contains(label), "{name}: {label} is not in {shown}");
    }
    desk.pass(&format!("{name}: pkcs15-tool -D lists four keys and their certificates"));
    steps::certificates_are_read(&mut desk, &citizen);
    desk.must("pkcs15-tool", &["--change-pin", "--pin", first, "--new-pin", OWN_PIN]);
    desk.refused("pkcs15-tool", &["--verify-pin", "--pin", first]);
    desk.must("pkcs15-tool", &["--verify-pin", "--pin", OWN_PIN]);
    desk.pass(&format!("{name}: pkcs15-tool --change-pin, and the first PIN is no PIN any more"));
    steps::pin_and_puk(&mut desk, tries);
    steps::keys_are_used(&mut desk, &citizen);
    if name == "pivapplet" {
        administration(&mut desk, &citizen);
    }
    Some(desk.passed)
}

/// Key pairs, and a certificate for each; the objects that clients ask for.
fn fill(card: &mut dyn Card) -> Vec<(KeyReference, Algorithm, openssl::x509::X509)> {
    must(card, &CARD_HOLDER_UNIQUE_IDENTIFIER.put(&crate::issuer::chuid()));
    must(card, &CARD_CAPABILITY_CONTAINER.put(&Capability { card: [0x42; 14] }.to_bytes()));
    let group = openssl::ec::EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let authority = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let made = KeyReference::ALL.into_iter().zip(ALGORITHMS).map(|(key, algorithm)| {
        let public = PublicKey::parse(algorithm, &must(card, &keys::generate(key, algorithm))).unwrap();
        let certificate = certificate(key, &verifier(algorithm, &public), &authority);
        must(card, &key.certificate().put(&Container::write(&certificate.to_der().unwrap())));
        (key, algorithm, certificate)
    });
    made.collect()
}

fn as_pivapplet(card: &mut dyn Card) -> Vec<(KeyReference, Algorithm, openssl::x509::X509)> {
    let key = Secret::from(&KNOWN_KEY[..]);
    let ask = Template { witness: Some(&[]), ..Template::default() };
    let asked = must(card, &ask.command(0x03, 0x9B));
    let witness = Template::parse(&asked).unwrap().witness.unwrap();
    let witness = BlockCipher::TripleDes.decipher(&key, witness).unwrap();
    let prove = Template { witness: Some(&witness), challenge: Some(&[7; 8]), ..Template::default() };
    must(card, &prove.command(0x03, 0x9B));
    let keys = fill(&mut Chained::new(&mut *card, Limits::SHORT));
    let puk = |text: &str| Puk::parse(text.as_bytes()).unwrap();
    must(card, &pin::change_puk(&puk(KNOWN_PUK), &puk(PUK)));
    keys
}

fn as_openfips201(card: &mut dyn Card) -> Vec<(KeyReference, Algorithm, openssl::x509::X509)> {
    let keys = BlankOptions::default().keys;
    let mut channel = scp03::open(card, 0xFF, &keys, SecurityLevel::CommandEncryption, &mut OsRandom).unwrap();
    let mut create = |request: String| {
        must(&mut channel, &Command::new(0x00, 0xDB, 0x3F, 0x00).with_data(hex::decode(request).unwrap()));
    };
    for object in ["5fc102", "5fc107", "5fc105", "5fc10a", "5fc10b", "5fc101"] {
        create(format!("640b8b03{object}8c017f8d017f"));
    }
    create("64098b017e8c017f8d017f".to_owned());
    for ((key, mode, role), algorithm) in
        [("9a", "01", "04"), ("9c", "02", "04"), ("9d", "01", "02"), ("9e", "7f", "04")].into_iter().zip(ALGORITHMS)
    {
        create(format!("66128b01{key}8c01{mode}8d01008e01{:02x}8f01{role}900100", algorithm as u8));
    }
    let keys = fill(&mut channel);
    must(&mut channel, &pin::set_puk(&Puk::parse(PUK.as_bytes()).unwrap()));
    must(&mut channel, &pin::set_transport_pin(&Pin::from_digits(b"111111").unwrap()));
    keys
}

/// OpenSC administers PivApplet with the key that everybody knows.
fn administration(desk: &mut Desk, citizen: &Citizen) {
    let (key, algorithm, before) = &citizen.keys[0];
    let generate = keys::generate(*key, *algorithm).to_bytes();
    let generate = generate.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
    desk.must("opensc-tool", &["--reset"]);
    assert!(desk.must("piv-tool", &["-s", &generate]).contains("SW1=0x69, SW2=0x82"));
    let made = desk.must("piv-tool", &["-A", "M:9B:03", "-s", &generate]);
    let public = PublicKey::parse(*algorithm, &steps::dumped(&made)).unwrap();
    assert!(!verifier(*algorithm, &public).public_eq(&before.public_key().unwrap()), "the key pair is a new one");
    desk.pass("pivapplet: piv-tool -A M:9B:03 makes a key pair with the known management key");
}
