//! What each tool must be able to do.

use std::path::{Path, PathBuf};

use eid::keys::{self, Algorithm, KeyReference, PublicKey};
use eid::objects::PRINTED_INFORMATION;
use openssl::derive::Deriver;
use openssl::ec::EcKey;
use openssl::encrypt::Encrypter;
use openssl::pkey::{PKey, Public};
use openssl::rsa::Padding;
use openssl::x509::X509;

use crate::Desk;
use crate::issuer::{Citizen, OWN_PIN, PRINTED, PUK, TRANSPORT_PIN, certificate, verifier};

const MESSAGE: &[u8] = b"what the holder wants to sign";
const MUTUAL: &str = "M:9B:08";

/// Every step, on a card with these keys.
pub fn all(desk: &mut Desk, citizen: &Citizen) {
    card_is_found(desk);
    certificates_are_read(desk, citizen);
    transport_pin(desk, citizen);
    pin_and_puk(desk, 3);
    protected_object(desk);
    keys_are_used(desk, citizen);
    own_test(desk, citizen);
    secure_shell(desk, citizen);
    administration(desk, citizen);
}

/// Each key does what it is for.
pub fn keys_are_used(desk: &mut Desk, citizen: &Citizen) {
    desk.write("message", MESSAGE);
    for (key, algorithm, certificate) in &citizen.keys {
        let public = certificate.public_key().unwrap();
        match key {
            KeyReference::KeyManagement if algorithm.is_rsa() => decipher(desk, *key, &public),
            KeyReference::KeyManagement => agree(desk, *key, &public),
            _ => sign(desk, *key, *algorithm, certificate),
        }
    }
}

fn card_is_found(desk: &mut Desk) {
    let atr = soft_card::answer_to_reset().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
    assert!(desk.must("opensc-tool", &["-a"]).contains(&atr));
    desk.pass("opensc-tool -a shows the answer to reset");
    assert!(desk.must("opensc-tool", &["-n"]).contains("Personal Identity Verification Card"));
    desk.pass("opensc-tool -n: the PIV driver is found by itself");
    assert!(desk.must("piv-tool", &["--serial", "-n"]).contains("42 42 42 42"));
    desk.pass("piv-tool reads the card's GUID");
    let shown = desk.must("pkcs15-tool", &["-D"]);
    for label in ["PIV AUTH key", "SIGN key", "KEY MAN key", "CARD AUTH key", "Certificate for Card Authentication"] {
        assert!(shown.contains(label), "{label} is not in {shown}");
    }
    desk.pass("pkcs15-tool -D lists four keys and their certificates");
}

pub fn certificates_are_read(desk: &mut Desk, citizen: &Citizen) {
    for (key, _, certificate) in &citizen.keys {
        assert_eq!(read_back(desk, *key), certificate.to_der().unwrap());
        desk.pass(&format!("pkcs15-tool --read-certificate {}", id(*key)));
    }
}

/// An object for the holder only: shown after the PIN, and not before.
fn protected_object(desk: &mut Desk) {
    let read = ["--raw", "--read-data-object", "Printed Information"];
    let shows = |text: String| text.contains(std::str::from_utf8(PRINTED).unwrap());
    desk.must("opensc-tool", &["--reset"]);
    assert!(!shows(crate::said(&desk.run("pkcs15-tool", &read))), "read without the PIN");
    assert!(shows(desk.must("pkcs15-tool", &[&["--verify-pin", "--pin", OWN_PIN], &read[..]].concat())));
    desk.pass("pkcs15-tool reads a protected object after the PIN, and not before");
}

/// The certificate of a key as OpenSC reads it, in DER.
fn read_back(desk: &Desk, key: KeyReference) -> Vec<u8> {
    let said = desk.must("pkcs15-tool", &["--read-certificate", id(key)]);
    X509::from_pem(&said.as_bytes()[said.find("-----BEGIN").unwrap()..]).unwrap().to_der().unwrap()
}

/// Before the holder has a PIN of his own no key works.
fn transport_pin(desk: &mut Desk, citizen: &Citizen) {
    desk.write("message", MESSAGE);
    let mechanism = mechanism(citizen.keys[0].1);
    desk.refused("pkcs15-tool", &["--verify-pin", "--pin", TRANSPORT_PIN]);
    let sign = ["--login", "--pin", TRANSPORT_PIN, "--sign", "-m", mechanism, "--id", "01", "-i", "message", "-o", "s"];
    desk.refused("pkcs11-tool", &sign);
    desk.pass("the transport PIN opens nothing");
    desk.must("pkcs15-tool", &["--change-pin", "--pin", TRANSPORT_PIN, "--new-pin", OWN_PIN]);
    desk.pass("pkcs15-tool --change-pin makes it the holder's own");
}

/// The PIN, blocked by so many wrong ones, and given back by the PUK.
pub fn pin_and_puk(desk: &mut Desk, tries: u32) {
    desk.must("pkcs15-tool", &["--verify-pin", "--pin", OWN_PIN]);
    desk.pass("pkcs15-tool --verify-pin");
    for _ in 0..tries {
        desk.refused("pkcs15-tool", &["--verify-pin", "--pin", "999999"]);
    }
    let blocked = desk.refused("pkcs15-tool", &["--verify-pin", "--pin", OWN_PIN]);
    assert!(blocked.to_lowercase().contains("block"), "{blocked}");
    desk.pass(&format!("{tries} wrong PINs block it, and OpenSC says so"));
    desk.must("pkcs15-tool", &["--unblock-pin", "--puk", PUK, "--new-pin", OWN_PIN]);
    desk.must("pkcs15-tool", &["--verify-pin", "--pin", OWN_PIN]);
    desk.pass("pkcs15-tool --unblock-pin gives it back");
}

fn sign(desk: &mut Desk, key: KeyReference, algorithm: Algorithm, certificate: &X509) {
    let mechanism = mechanism(algorithm);
    let mut arguments = vec!["--sign", "-m", mechanism, "--id", id(key), "-i", "message", "-o", "signature"];
    if !algorithm.is_rsa() {
        arguments.extend(["--signature-format", "openssl"]);
    }
    desk.write("public.pem", &certificate.public_key().unwrap().public_key_to_pem().unwrap());
    let hash = if algorithm == Algorithm::P384 { "-sha384" } else { "-sha256" };
    let verify = ["dgst", hash, "-verify", "public.pem", "-signature", "signature", "message"];
    desk.must("opensc-tool", &["--reset"]);
    desk.refused("pkcs11-tool", &[&arguments[..], &["--login", "--pin", "999999"]].concat());
    desk.must("pkcs11-tool", &[&arguments[..], &["--login", "--pin", OWN_PIN]].concat());
    assert!(desk.must("openssl", &verify).contains("Verified OK"));
    desk.pass(&format!("pkcs11-tool --login --sign with {key:?}, openssl dgst -verify: {mechanism}"));
}

fn agree(desk: &mut Desk, key: KeyReference, public: &PKey<Public>) {
    let peer = EcKey::generate(public.ec_key().unwrap().group()).unwrap();
    let peer = PKey::from_ec_key(peer).unwrap();
    desk.write("peer.der", &peer.public_key_to_der().unwrap());
    let login = ["--login", "--pin", OWN_PIN, "--derive", "-m", "ECDH1-DERIVE", "--id", id(key)];
    desk.must("pkcs11-tool", &[&login[..], &["-i", "peer.der", "-o", "shared"]].concat());
    let mut deriver = Deriver::new(&peer).unwrap();
    deriver.set_peer(public).unwrap();
    assert_eq!(desk.read("shared"), deriver.derive_to_vec().unwrap());
    desk.pass("pkcs11-tool --derive ECDH1-DERIVE with the key management key");
}

fn decipher(desk: &mut Desk, key: KeyReference, public: &PKey<Public>) {
    let mut encrypter = Encrypter::new(public).unwrap();
    encrypter.set_rsa_padding(Padding::PKCS1).unwrap();
    let mut sealed = vec![0; encrypter.encrypt_len(MESSAGE).unwrap()];
    let length = encrypter.encrypt(MESSAGE, &mut sealed).unwrap();
    desk.write("sealed", &sealed[..length]);
    let login = ["--login", "--pin", OWN_PIN, "--decrypt", "-m", "RSA-PKCS", "--id", id(key)];
    desk.must("pkcs11-tool", &[&login[..], &["-i", "sealed", "-o", "opened"]].concat());
    assert_eq!(desk.read("opened"), MESSAGE);
    desk.pass("pkcs11-tool --decrypt with the key management key");
}

fn own_test(desk: &mut Desk, citizen: &Citizen) {
    let output = desk.run("pkcs11-tool", &["--login", "--pin", OWN_PIN, "--test"]);
    let said = crate::said(&output);
    assert!(said.contains("No errors"), "{said}");
    assert!(!citizen.keys[0].1.is_rsa() || said.contains("all 4 signature functions seem to work"), "{said}");
    desk.pass("pkcs11-tool --test: no errors");
}

fn secure_shell(desk: &mut Desk, citizen: &Citizen) {
    let Some(module) = module() else { panic!("opensc-pkcs11.so is not where Debian puts it") };
    let listed = desk.must("ssh-keygen", &["-D", module.to_str().unwrap()]);
    let kind = if citizen.keys[0].1.is_rsa() { "ssh-rsa " } else { "ecdsa-sha2-nistp256 " };
    assert!(listed.lines().any(|line| line.starts_with(kind) && line.ends_with("PIV AUTH pubkey")), "{listed}");
    desk.pass("ssh-keygen -D lists the holder's key");
}

/// The management key: another key pair, its certificate, another object.
///
/// The command for the key pair is given in full: the piv-tool of OpenSC 0.23 has the card make one and then fails to
/// write down the public key (OpenSC #3156). Its exit status after writing is the number of bytes it wrote, so what it
/// did is read back.
fn administration(desk: &mut Desk, citizen: &Citizen) {
    let (key, _, before) = &citizen.keys[0];
    let algorithm = Algorithm::P256;
    let generate = keys::generate(*key, algorithm).to_bytes();
    let generate = generate.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
    assert!(desk.must("piv-tool", &["-s", &generate]).contains("SW1=0x69, SW2=0x82"));
    let made = desk.must("piv-tool", &["-A", MUTUAL, "-s", &generate]);
    let public = verifier(algorithm, &PublicKey::parse(algorithm, &dumped(&made)).unwrap());
    assert!(!public.public_eq(&before.public_key().unwrap()), "the key pair is a new one");
    desk.pass(&format!("piv-tool -A {MUTUAL}: the issuer makes a key pair on the card"));
    let authority = PKey::from_ec_key(
        EcKey::generate(&openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap()).unwrap(),
    );
    let new = certificate(*key, &public, &authority.unwrap());
    desk.write("certificate.pem", &new.to_pem().unwrap());
    // What was proved lasts until the card is reset, whichever program asks (SP 800-73-4 part 2 §3.1.1).
    desk.must("opensc-tool", &["--reset"]);
    desk.run("piv-tool", &["-C", "9A", "-i", "certificate.pem"]);
    desk.refused("pkcs15-tool", &["--read-certificate", id(*key)]);
    desk.run("piv-tool", &["-A", MUTUAL, "-C", "9A", "-i", "certificate.pem"]);
    assert_eq!(read_back(desk, *key), new.to_der().unwrap());
    desk.pass("piv-tool -C writes its certificate, pkcs15-tool reads it back");
    sign(desk, *key, algorithm, &new);
    desk.write("object", &PRINTED_INFORMATION.encode(b"\x01\x0cANOTHER NAME\xfe\x00"));
    desk.run("piv-tool", &["-A", MUTUAL, "-O", "3001", "-i", "object"]);
    let read = ["--verify-pin", "--pin", OWN_PIN, "--raw", "--read-data-object", "Printed Information"];
    assert!(desk.must("pkcs15-tool", &read).contains("ANOTHER NAME"));
    desk.pass("piv-tool -O writes a data object");
    desk.write("9b.hex", b"00000000000000000000000000000000");
    desk.refused("piv-tool", &["-A", MUTUAL, "-n"]);
    desk.pass("a wrong management key opens nothing");
}

/// The response data of a command that piv-tool showed: lines of bytes in hexadecimal, then the same as text.
pub fn dumped(said: &str) -> Vec<u8> {
    let (_, lines) = said.split_once("SW1=0x90, SW2=0x00):\n").unwrap_or_else(|| panic!("{said}"));
    let bytes = |line: &str| -> Vec<u8> {
        let words = line.split(' ').take(16).take_while(|word| word.len() == 2);
        words.map_while(|word| u8::from_str_radix(word, 16).ok()).collect()
    };
    lines.lines().map(bytes).take_while(|bytes| !bytes.is_empty()).flatten().collect()
}

/// The module that PKCS#11 programs load; its folder is named after the machine.
fn module() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders.chain([Path::new("/usr/lib").into()]).map(|it| it.join("opensc-pkcs11.so")).find(|it| it.exists())
}

/// OpenSC's identifier of a key and of its certificate.
fn id(key: KeyReference) -> &'static str {
    match key {
        KeyReference::Authentication => "01",
        KeyReference::Signature => "02",
        KeyReference::KeyManagement => "03",
        KeyReference::CardAuthentication => "04",
    }
}

fn mechanism(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::P256 => "ECDSA-SHA256",
        Algorithm::P384 => "ECDSA-SHA384",
        Algorithm::Rsa2048 | Algorithm::Rsa3072 => "SHA256-RSA-PKCS",
    }
}
