//! Programs of other people in the place of the citizen application: what each says where this project's says something
//! else.

use channel::random::OsRandom;
use channel::scp03::{self, SecurityLevel};
use channel::secret::Secret;
use channel::single_block::BlockCipher;
use eid::authentication::{self, Template};
use eid::keys::{self, Algorithm, KeyReference, PublicKey};
use eid::objects::{AUTHENTICATION_CERTIFICATE, CARD_HOLDER_UNIQUE_IDENTIFIER, DISCOVERY_OBJECT, PRINTED_INFORMATION};
use eid::pin::{self, Pin, Puk};
use eid::property;
use iso7816::tlv::{self, Tag};
use iso7816::{Aid, Card, Command, Response, TransmitError};
use soft_card::SoftCard;
use soft_card::persona::{EMBEDDED, Persona};

use crate::support::{default_keys, must, select, send, status};

const SELECT_PIV: &str = "00a4040009a0000003080000100000";
const KNOWN_KEY: [u8; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8];

fn delivered(name: &str) -> SoftCard {
    let text = EMBEDDED.iter().find(|(known, _)| *known == name).unwrap().1;
    let mut card = SoftCard::blank(Persona::parse(text).unwrap().options()).unwrap();
    assert_eq!(status(&mut card, SELECT_PIV), 0x9000);
    card
}

fn says(card: &mut dyn Card, command: &Command) -> u16 {
    card.transmit(command).unwrap().status.0
}

/// Mutual authentication with a triple DES key; the status word of its second step.
fn authenticate(card: &mut SoftCard, key: &[u8]) -> u16 {
    let key = Secret::from(key);
    let asked = send(card, "0087039b047c02800000");
    let template = Template::parse(&asked.data).unwrap();
    let witness = BlockCipher::TripleDes.decipher(&key, template.witness.unwrap()).unwrap();
    let template = Template { witness: Some(&witness), challenge: Some(&[7; 8]), ..Template::default() };
    let answer = card.transmit(&template.command(0x03, 0x9B)).unwrap();
    if answer.status.is_ok() {
        let proof = Template::parse(&answer.data).unwrap().response.unwrap().to_vec();
        assert_eq!(proof, BlockCipher::TripleDes.encipher(&key, &[7; 8]).unwrap());
    }
    answer.status.0
}

#[test]
fn such_a_card_is_a_java_card_with_one_program() {
    for (name, label) in [("pivapplet", "PivApplet"), ("pivapplet-old", "PivApplet"), ("openfips201", "OpenFIPS201")] {
        let mut card = delivered(name);
        let template = send(&mut card, SELECT_PIV).data;
        assert_eq!(property::is_piv(&template), Ok(true), "{name}");
        let shown = tlv::find(tlv::sole(&template, Tag(0x61)).unwrap(), Tag(0x50)).unwrap().unwrap();
        assert!(shown.starts_with(label.as_bytes()), "{name}");
        assert_eq!(says(&mut card, &select(&Aid::emrtd())), 0x6A82, "{name}");
        assert_eq!(status(&mut card, "00a4040008f042495441514101"), 0x6A82, "{name}: no national file set");
        assert_eq!(status(&mut card, "00a4040000"), 0x9000, "{name}: the card manager");
        assert_eq!(send(&mut card, "80ca9f7f00").data.len(), 45, "{name}");
        assert_eq!((status(&mut card, "00b09c0000"), status(&mut card, "00a4020c02011c")), (0x6D00, 0x6A82), "{name}");
        card.reset();
        assert_eq!(status(&mut card, "00b09c0000"), 0x6D00, "{name}");
        let mut channel =
            scp03::open(&mut card as &mut dyn Card, 0xFF, &default_keys(), SecurityLevel::Full, &mut OsRandom).unwrap();
        let listed = channel.transmit(&Command::parse(&hex::decode("80f24002024f0000").unwrap()).unwrap()).unwrap();
        let entries = lds::globalplatform::StatusEntry::parse_all(&listed.data).unwrap();
        assert_eq!(entries.len(), 1, "{name}");
    }
}

#[test]
fn pivapplet_opens_with_what_everybody_knows() {
    let mut card = delivered("pivapplet");
    assert_eq!(send(&mut card, "00fd000000").data, [5, 4, 0]);
    let serial = send(&mut card, "00f8000000").data;
    assert!(serial.len() == 4 && serial[0] & 0x80 != 0);
    // No secure channel of the issuer reaches it.
    assert_eq!(status(&mut card, "8050000008000102030405060700"), 0x6E00);
    let certificate = AUTHENTICATION_CERTIFICATE.put(&[0x70, 0x00, 0x71, 0x01, 0x00, 0xFE, 0x00]);
    assert_eq!(says(&mut card, &certificate), 0x6982);
    assert_eq!(says(&mut card, &keys::generate(KeyReference::Authentication, Algorithm::P256)), 0x6982);
    // Known before anything is written: CHUID with a GUID of its own, container, key history; the discovery object.
    for object in [&CARD_HOLDER_UNIQUE_IDENTIFIER, &DISCOVERY_OBJECT] {
        assert_eq!(says(&mut card, &object.get()), 0x9000);
    }
    assert_eq!(says(&mut card, &AUTHENTICATION_CERTIFICATE.get()), 0x6A82);
    assert_eq!(authenticate(&mut card, &[9; 24]), 0x6A80, "a wrong key");
    assert_eq!(authenticate(&mut card, &KNOWN_KEY), 0x9000);
    assert_eq!(says(&mut card, &DISCOVERY_OBJECT.put(&[0x4F, 0x00])), 0x6A81, "nobody writes it");
    must(&mut card, &certificate).unwrap();
    let made = must(&mut card, &keys::generate(KeyReference::Authentication, Algorithm::P256)).unwrap();
    PublicKey::parse(Algorithm::P256, &made).unwrap();
    assert_eq!(says(&mut card, &AUTHENTICATION_CERTIFICATE.get()), 0x9000, "a new key pair leaves the certificate");
    assert_eq!(says(&mut card, &keys::generate(KeyReference::Authentication, Algorithm::Rsa3072)), 0x6A80);
    let sign = authentication::sign(KeyReference::Authentication, Algorithm::P256, &[0xA5; 32]);
    assert_eq!(says(&mut card, &sign), 0x6982);
    must(&mut card, &pin::verify(&Pin::from_digits(b"123456").unwrap())).unwrap();
    must(&mut card, &sign).unwrap();
    let odd = authentication::sign(KeyReference::Authentication, Algorithm::P256, &[0xA5; 33]);
    assert_eq!(says(&mut card, &odd), 0x6A80);
    // Metadata say so, and stop saying so.
    assert_eq!(send(&mut card, "00f7008000").data, [5, 1, 1, 6, 2, 5, 5]);
    assert_eq!(send(&mut card, "00f7009b00").data, [1, 1, 3, 5, 1, 1, 2, 2, 1, 1, 3, 1, 0]);
    let key: Vec<u8> = [&[0x03, 0x9B, 24][..], &[0x5A; 24]].concat();
    must(&mut card, &Command::new(0, 0xFF, 0xFF, 0xFF).with_data(key)).unwrap();
    assert_eq!(send(&mut card, "00f7009b00").data[5], 0);
    let own = Pin::from_digits(b"271828").unwrap();
    must(&mut card, &pin::change_pin(&Pin::from_digits(b"123456").unwrap(), &own)).unwrap();
    assert_eq!(send(&mut card, "00f7008000").data[2], 0);
    card.reset();
    assert_eq!(status(&mut card, SELECT_PIV), 0x9000);
    assert_eq!(authenticate(&mut card, &KNOWN_KEY), 0x6A80);
    assert_eq!(authenticate(&mut card, &[0x5A; 24]), 0x9000);
    assert_eq!(says(&mut card, &pin::verify(&Pin::from_digits(b"123456").unwrap())), 0x63C4);
    assert_eq!(says(&mut card, &pin::verify(&own)), 0x9000);
}

#[test]
fn pivapplet_compares_before_it_looks_and_answers_in_pieces() {
    let mut card = delivered("pivapplet");
    // Letters cost a try, a wrong length does not.
    assert_eq!(status(&mut card, "00200080084142434445464748"), 0x63C4);
    assert_eq!(status(&mut card, "002000800741424344454647"), 0x6A80);
    assert_eq!(status(&mut card, "00200080"), 0x63C4);
    // The old PIN is right, the new one is letters: refused, and the tries are back.
    assert_eq!(status(&mut card, "0024008010313233343536ffff4142434445464748"), 0x6A80);
    assert_eq!(status(&mut card, "00200080"), 0x63C5);
    assert_eq!(authenticate(&mut card, &KNOWN_KEY), 0x9000);
    let long = PRINTED_INFORMATION.put(&[0x01; 300]).data;
    assert_eq!(says(&mut card, &Command::new(0x10, 0xDB, 0x3F, 0xFF).with_data(&long[..200])), 0x9000);
    assert_eq!(says(&mut card, &Command::new(0x00, 0xDB, 0x3F, 0xFF).with_data(&long[200..])), 0x9000);
    assert_eq!(says(&mut card, &PRINTED_INFORMATION.get()), 0x6982);
    must(&mut card, &pin::verify(&Pin::from_digits(b"123456").unwrap())).unwrap();
    let first = card.transmit(&PRINTED_INFORMATION.get()).unwrap();
    assert_eq!((first.data.len(), first.status.0), (255, 0x6131));
    assert_eq!(send(&mut card, "00c0000031").data.len(), 0x31);
}

#[test]
fn pivapplet_begins_again_when_pin_and_puk_are_blocked() {
    let mut card = delivered("pivapplet");
    let serial = send(&mut card, "00f8000000").data;
    assert_eq!(authenticate(&mut card, &KNOWN_KEY), 0x9000);
    must(&mut card, &keys::generate(KeyReference::Signature, Algorithm::P256)).unwrap();
    assert_eq!(status(&mut card, "00fb000000"), 0x6982);
    for left in [4, 3, 2, 1, 0] {
        assert_eq!(says(&mut card, &pin::verify(&Pin::from_digits(b"999999").unwrap())), 0x63C0 | left);
    }
    assert_eq!(says(&mut card, &pin::verify(&Pin::from_digits(b"123456").unwrap())), 0x6983);
    assert_eq!(status(&mut card, "00fb000000"), 0x6982);
    let other = Puk::parse(b"00000000").unwrap();
    for left in [2, 1, 0] {
        assert_eq!(says(&mut card, &pin::change_puk(&other, &other)), 0x63C0 | left);
    }
    assert!(card.state().eid.as_ref().unwrap().keys.is_empty(), "the private keys go at once");
    assert_eq!(status(&mut card, "00fb000000"), 0x9000);
    assert_eq!(status(&mut card, "00200080"), 0x63C5);
    assert_eq!(send(&mut card, "00f8000000").data, serial);
    assert_eq!(authenticate(&mut card, &KNOWN_KEY), 0x9000);
}

#[test]
fn pivapplet_forgets_the_pin_when_a_wrong_one_is_to_be_changed() {
    let mut card = delivered("pivapplet");
    assert_eq!(authenticate(&mut card, &KNOWN_KEY), 0x9000);
    must(&mut card, &keys::generate(KeyReference::Authentication, Algorithm::P256)).unwrap();
    let sign = authentication::sign(KeyReference::Authentication, Algorithm::P256, &[0xA5; 32]);
    let (known, wrong) = (Pin::from_digits(b"123456").unwrap(), Pin::from_digits(b"999999").unwrap());
    must(&mut card, &pin::verify(&known)).unwrap();
    must(&mut card, &sign).unwrap();
    for left in [4, 3, 2, 1, 0] {
        assert_eq!(says(&mut card, &pin::change_pin(&wrong, &known)), 0x63C0 | left);
        assert_eq!(says(&mut card, &sign), 0x6982, "{left}");
    }
    assert_eq!(says(&mut card, &pin::verify(&known)), 0x6983);
}

#[test]
fn pivapplet_takes_a_key_made_elsewhere() {
    let mut card = delivered("pivapplet");
    let scalar: Vec<u8> = [&[0x06, 32][..], &[0x2A; 32], &[0xAA, 0x01, 0x01]].concat();
    let import = Command::new(0, 0xFE, 0x11, 0x9A).with_data(scalar);
    assert_eq!(says(&mut card, &import), 0x6982);
    assert_eq!(authenticate(&mut card, &KNOWN_KEY), 0x9000);
    must(&mut card, &import).unwrap();
    // Its policy: never a PIN.
    must(&mut card, &authentication::sign(KeyReference::Authentication, Algorithm::P256, &[1; 32])).unwrap();
    let metadata = send(&mut card, "00f7009a00").data;
    assert_eq!(&metadata[..9], [1, 1, 0x11, 2, 2, 1, 1, 3, 1]);
    assert_eq!(says(&mut card, &Command::new(0, 0xFE, 0x07, 0x9A).with_data([1, 1, 1])), 0x6A81);
    assert_eq!(says(&mut card, &Command::new(0, 0xFE, 0x11, 0x9A).with_data([6, 1, 0])), 0x6A80);
}

#[test]
fn an_old_build_takes_small_certificates_only() {
    let mut card = delivered("pivapplet-old");
    assert_eq!(authenticate(&mut card, &KNOWN_KEY), 0x9000);
    assert_eq!(says(&mut card, &AUTHENTICATION_CERTIFICATE.put(&[0; 900])), 0x9000);
    assert_eq!(says(&mut card, &AUTHENTICATION_CERTIFICATE.put(&[0; 1000])), 0x6A84);
}

/// A request to create an object, or a key.
fn create(request: &str) -> Command {
    Command::new(0x00, 0xDB, 0x3F, 0x00).with_data(hex::decode(request).unwrap())
}

#[test]
fn openfips201_is_empty_until_its_issuer_made_everything() {
    let mut card = delivered("openfips201");
    let sign = authentication::sign(KeyReference::Authentication, Algorithm::P256, &[0xA5; 32]);
    let generate = keys::generate(KeyReference::Authentication, Algorithm::P256);
    let first = Pin::from_digits(b"111111").unwrap();
    let object = create("640b8b035fc1058c017f8d017f");
    let key = create("66128b019a8c01018d01008e01118f0104900100");
    // Outside the channel nothing is made, and nobody has the PIN.
    assert_eq!(status(&mut card, "00200080"), 0x63C6);
    assert_eq!(says(&mut card, &pin::verify(&Pin::from_digits(b"123456").unwrap())), 0x63C5);
    for command in [&object, &key, &pin::set_transport_pin(&first)] {
        assert_eq!(says(&mut card, command), 0x6982);
    }
    assert_eq!(says(&mut card, &AUTHENTICATION_CERTIFICATE.get()), 0x6A82);
    assert_eq!(says(&mut card, &DISCOVERY_OBJECT.get()), 0x6A82);
    assert_eq!((says(&mut card, &generate), says(&mut card, &sign)), (0x6A86, 0x6A86));
    {
        // A channel that does not encipher is none.
        let level = SecurityLevel::CommandMac;
        let mut plain = scp03::open(&mut card as &mut dyn Card, 0xFF, &default_keys(), level, &mut OsRandom).unwrap();
        assert_eq!(says(&mut plain, &object), 0x6982);
    }
    {
        let level = SecurityLevel::CommandEncryption;
        let mut channel = scp03::open(&mut card as &mut dyn Card, 0xFF, &default_keys(), level, &mut OsRandom).unwrap();
        let certificate = AUTHENTICATION_CERTIFICATE.put(&[0x70, 0x00, 0x71, 0x01, 0x00, 0xFE, 0x00]);
        assert_eq!(says(&mut channel, &certificate), 0x6A82, "not created");
        assert_eq!((says(&mut channel, &object), says(&mut channel, &object)), (0x9000, 0x6E27));
        assert_eq!((says(&mut channel, &key), says(&mut channel, &key)), (0x9000, 0x6E27));
        assert_eq!(says(&mut channel, &AUTHENTICATION_CERTIFICATE.get()), 0x6A82, "created, but empty");
        assert_eq!(says(&mut channel, &certificate), 0x9000);
        let other = keys::generate(KeyReference::Authentication, Algorithm::P384);
        assert_eq!(says(&mut channel, &other), 0x6A80);
        must(&mut channel, &generate).unwrap();
        must(&mut channel, &pin::set_puk(&Puk::parse(b"31415926").unwrap())).unwrap();
        must(&mut channel, &pin::set_transport_pin(&first)).unwrap();
        for (request, status) in [
            ("64068c017f8d017f", 0x6E15),
            ("64068b015f8d017f", 0x6E17),
            ("64068b01028c017f", 0x6E1A),
            ("65058b035fc105", 0x6A81),
            ("66128b019b8c01018d01008e01088f0101900100", 0x6A81),
            ("440100", 0x6984),
            ("63028b00", 0x6E14),
        ] {
            assert_eq!(says(&mut channel, &create(request)), status, "{request}");
        }
        let several = create("6a1a640b8b035fc1028c017f8d017f640b8b035fc1098c01018d0100");
        assert_eq!(says(&mut channel, &several), 0x9000);
        assert_eq!(says(&mut channel, &PRINTED_INFORMATION.put(&[1, 0, 0xFE, 0])), 0x9000);
        // The issuer may write what it may not read.
        assert_eq!(says(&mut channel, &PRINTED_INFORMATION.get()), 0x6982);
    }
    // Outside, it is a PIV card.
    assert_eq!(says(&mut card, &sign), 0x6982);
    must(&mut card, &pin::verify(&first)).unwrap();
    must(&mut card, &PRINTED_INFORMATION.get()).unwrap();
    must(&mut card, &sign).unwrap();
    let short = authentication::sign(KeyReference::Authentication, Algorithm::P256, &[0xA5; 20]);
    assert_eq!(says(&mut card, &short), 0x6A80, "a hash is as long as the field");
    assert_eq!(says(&mut card, &generate), 0x6982);
    let version = send(&mut card, "00cb3f00055c032f475600").data;
    assert!(version.starts_with(&[0x53]) && version.windows(11).any(|bytes| bytes == b"OpenFIPS201"));
    // The last try is answered as blocked; the PUK helps.
    card.reset();
    assert_eq!(status(&mut card, SELECT_PIV), 0x9000);
    for expected in [0x63C5, 0x63C4, 0x63C3, 0x63C2, 0x63C1, 0x6983] {
        assert_eq!(says(&mut card, &pin::verify(&Pin::from_digits(b"999999").unwrap())), expected);
    }
    assert_eq!(status(&mut card, "002c0080083132333435363738"), 0x6983, "a wrong length, as the program has it");
    must(&mut card, &pin::reset(&Puk::parse(b"31415926").unwrap(), &first)).unwrap();
    must(&mut card, &pin::verify(&first)).unwrap();
    // To change the PIN is to verify it.
    card.reset();
    assert_eq!(status(&mut card, SELECT_PIV), 0x9000);
    must(&mut card, &pin::change_pin(&first, &Pin::from_digits(b"271828").unwrap())).unwrap();
    must(&mut card, &sign).unwrap();
}

#[test]
fn a_link_in_clear_gets_no_rights_of_the_issuer() {
    /// Whoever stands between issuer and card, and puts a link of his own before a command of the channel.
    struct Between<'a>(&'a mut SoftCard, Option<Command>);
    impl Card for Between<'_> {
        fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
            if command.ins == 0xDB
                && let Some(link) = self.1.take()
            {
                assert_eq!(self.0.transmit(&link)?.status.0, 0x9000);
            }
            self.0.transmit(command)
        }
    }
    let mut card = delivered("openfips201");
    // The key 9A, which anyone may use.
    let link = Command { cla: 0x10, ..create("66128b019a8c017f8d01008e01118f0104900100") };
    let between = Between(&mut card, Some(link));
    let level = SecurityLevel::CommandEncryption;
    let mut channel = scp03::open(between, 0xFF, &default_keys(), level, &mut OsRandom).unwrap();
    assert_eq!(says(&mut channel, &create("640b8b035fc1058c017f8d017f")), 0x9000);
    let generate = keys::generate(KeyReference::Authentication, Algorithm::P256);
    assert_eq!(says(&mut channel, &generate), 0x6A86, "there is no such key");
}

#[test]
fn their_memories_survive_their_files() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["pivapplet", "openfips201"] {
        let mut card = delivered(name);
        if name == "pivapplet" {
            assert_eq!(authenticate(&mut card, &KNOWN_KEY), 0x9000);
            let policy = Command::parse(&hex::decode("0047009a08ac06800111aa010100").unwrap()).unwrap();
            must(&mut card, &policy).unwrap();
        } else {
            let level = SecurityLevel::CommandEncryption;
            let mut channel =
                scp03::open(&mut card as &mut dyn Card, 0xFF, &default_keys(), level, &mut OsRandom).unwrap();
            must(&mut channel, &create("66128b019a8c01018d01008e01118f0104900100")).unwrap();
        }
        let path = folder.path().join(name);
        card.state().create(&path).unwrap();
        assert_eq!(soft_card::State::load(&path).unwrap(), *card.state(), "{name}");
    }
}
