//! The issuer's side: a delivered card becomes a citizen's, all of it through the secure channel.

use std::path::{Path, PathBuf};

use channel::random::OsRandom;
use channel::scp03::{self, SecurityLevel};
use eid::capability::Capability;
use eid::certificate::Container;
use eid::chuid::{Chuid, NO_FASC_N};
use eid::keys::{self, Algorithm, KeyReference, PublicKey};
use eid::objects::{CARD_CAPABILITY_CONTAINER, CARD_HOLDER_UNIQUE_IDENTIFIER, PRINTED_INFORMATION};
use eid::pin::{self, Pin, Puk};
use eid::{Application, PIV_AID};
use iso7816::{Card, Command, TransmitError};
use lds::date::Date;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::rsa::Rsa;
use openssl::x509::extension::KeyUsage;
use openssl::x509::{X509, X509NameBuilder};
use soft_card::{BlankOptions, SoftCard, State};

pub const TRANSPORT_PIN: &str = "111111";
pub const OWN_PIN: &str = "271828";
pub const PUK: &str = "31415926";
/// What stands in an object that wants the PIN.
pub const PRINTED: &[u8] = b"INVENTED CITIZEN";
pub const MANAGEMENT_KEY: [u8; 16] = *b"an issuer's key!";

/// What the issuer and the holder know of a card.
pub struct Citizen {
    pub state: PathBuf,
    pub keys: Vec<(KeyReference, Algorithm, X509)>,
}

/// A delivered card with whatever `work` does inside the issuer's channel.
pub fn delivered(folder: &Path, work: impl FnOnce(&mut dyn Card)) -> PathBuf {
    let state = folder.join("card.json");
    State::blank(BlankOptions { eid: true, ..BlankOptions::default() }).unwrap().create(&state).unwrap();
    let mut card = SoftCard::open(&state).unwrap();
    must(&mut card, &Command::new(0x00, 0xA4, 0x04, 0x00).with_data(&PIV_AID[..9]).with_ne(256));
    let keys = BlankOptions::default().keys;
    let mut channel = scp03::open(&mut card as &mut dyn Card, 0, &keys, SecurityLevel::Full, &mut OsRandom).unwrap();
    let sounds = channel.initialize_update().challenge_is_pseudo_random(&keys, &Application::Piv.aid());
    assert!(sounds.unwrap(), "the challenge names the application");
    work(&mut channel);
    state
}

/// A card with its transport PIN, a key pair and a certificate for each reference.
pub fn personalized(folder: &Path, algorithms: [Algorithm; 4]) -> Citizen {
    let mut made = Vec::new();
    let state = delivered(folder, |channel| made = write(channel, algorithms));
    std::fs::write(folder.join("9b.hex"), hex::encode(MANAGEMENT_KEY)).unwrap();
    Citizen { state, keys: made }
}

/// Everything that makes a card a citizen's; the keys and their certificates.
fn write(channel: &mut dyn Card, algorithms: [Algorithm; 4]) -> Vec<(KeyReference, Algorithm, X509)> {
    must(channel, &CARD_HOLDER_UNIQUE_IDENTIFIER.put(&chuid()));
    must(channel, &CARD_CAPABILITY_CONTAINER.put(&Capability { card: [0x42; 14] }.to_bytes()));
    must(channel, &PRINTED_INFORMATION.put(&[&[0x01, PRINTED.len() as u8], PRINTED, &[0xFE, 0x00]].concat()));
    let authority = PKey::from_ec_key(EcKey::generate(&group(Algorithm::P256)).unwrap()).unwrap();
    let keys = KeyReference::ALL.into_iter().zip(algorithms).map(|(key, algorithm)| {
        let public = PublicKey::parse(algorithm, &must(channel, &keys::generate(key, algorithm))).unwrap();
        let certificate = certificate(key, &verifier(algorithm, &public), &authority);
        must(channel, &key.certificate().put(&Container::write(&certificate.to_der().unwrap())));
        (key, algorithm, certificate)
    });
    let keys = keys.collect();
    must(channel, &pin::set_transport_pin(&transport_pin()));
    must(channel, &pin::set_puk(&Puk::parse(PUK.as_bytes()).unwrap()));
    must(channel, &Command::new(0x00, 0x24, 0x08, 0x9B).with_data(MANAGEMENT_KEY));
    keys
}

/// The content of the CHUID.
pub fn chuid() -> Vec<u8> {
    let expiry = Date::new(2036, 3, 14).unwrap();
    Chuid { fasc_n: NO_FASC_N, guid: [0x42; 16], expiry, cardholder: None, signature: Vec::new() }.to_bytes()
}

pub fn must(card: &mut dyn Card, command: &Command) -> Vec<u8> {
    let response: Result<_, TransmitError> = card.transmit(command);
    let response = response.unwrap();
    assert!(response.status.is_ok(), "{command:?}: {:?}", response.status);
    response.data
}

pub fn transport_pin() -> Pin {
    Pin::from_digits(TRANSPORT_PIN.as_bytes()).unwrap()
}

fn group(algorithm: Algorithm) -> EcGroup {
    let curve = if algorithm == Algorithm::P384 { Nid::SECP384R1 } else { Nid::X9_62_PRIME256V1 };
    EcGroup::from_curve_name(curve).unwrap()
}

/// A public key as OpenSSL takes it.
pub fn verifier(algorithm: Algorithm, public: &PublicKey) -> PKey<Public> {
    match public {
        PublicKey::Rsa { modulus, exponent } => {
            let number = |bytes| BigNum::from_slice(bytes).unwrap();
            PKey::from_rsa(Rsa::from_public_components(number(modulus), number(exponent)).unwrap()).unwrap()
        }
        PublicKey::Point(point) => {
            let group = group(algorithm);
            let point = EcPoint::from_bytes(&group, point, &mut BigNumContext::new().unwrap()).unwrap();
            PKey::from_ec_key(EcKey::from_public_key(&group, &point).unwrap()).unwrap()
        }
    }
}

/// A certificate for a card's key.
pub fn certificate(key: KeyReference, public: &PKey<Public>, authority: &PKey<Private>) -> X509 {
    let name = |text: &str| {
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("C", "UT").unwrap();
        name.append_entry_by_text("CN", text).unwrap();
        name.build()
    };
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(key as u32).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name(&format!("Invented Citizen {:02X}", key as u8))).unwrap();
    builder.set_issuer_name(&name("Invented Citizen CA")).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(365).unwrap()).unwrap();
    builder.set_pubkey(public).unwrap();
    let mut usage = KeyUsage::new();
    match key {
        KeyReference::KeyManagement if public.rsa().is_ok() => usage.key_encipherment(),
        KeyReference::KeyManagement => usage.key_agreement(),
        KeyReference::Signature => usage.digital_signature().non_repudiation(),
        _ => usage.digital_signature(),
    };
    builder.append_extension(usage.critical().build().unwrap()).unwrap();
    builder.sign(authority, MessageDigest::sha256()).unwrap();
    builder.build()
}
