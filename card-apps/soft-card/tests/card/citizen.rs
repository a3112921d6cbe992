//! The citizen application: what it is delivered with, what the holder and the issuer may do, and what nobody may.

mod model;

use eid::authentication::{self, Template};
use eid::keys::{self, Algorithm, KeyReference, PublicKey};
use eid::objects::{CARD_HOLDER_UNIQUE_IDENTIFIER, OBJECTS, PRINTED_INFORMATION, RESIDENCE, STATUS_HINT};
use eid::pin::{self, Pin, Puk};
use eid::{Application, property};
use iso7816::{Aid, Card, Chained, Command, Limits};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use openssl::symm::{Cipher, Crypter, Mode};
use soft_card::eid::PUK_TRIES;
use soft_card::fault::{Tear, When};
use soft_card::{BlankOptions, SoftCard};

use crate::support::{self, MARKER, NOTHING, default_keys, select, send, status};

const MANAGEMENT_KEY: [u8; 16] = *b"an issuer's key!";
const SELECT_PIV: &str = "00a4040009a0000003080000100000";
const GET_PRINTED: &str = "00cb3fff055c035fc10900";

fn pin(digits: &[u8]) -> Pin {
    Pin::from_digits(digits).unwrap()
}

fn transport_pin() -> Pin {
    pin(b"111111")
}

fn own_pin() -> Pin {
    pin(b"27182818")
}

fn puk() -> Puk {
    Puk::parse(b"31415926").unwrap()
}

/// The status word of an answer, as number.
fn says(card: &mut dyn Card, command: &Command) -> u16 {
    card.transmit(command).unwrap().status.0
}

fn must(card: &mut dyn Card, command: &Command) -> Vec<u8> {
    support::must(card, command).unwrap()
}

fn delivered() -> SoftCard {
    let options = BlankOptions { serial: Some([0, 0, 0, 1, 0, 1]), eid: true, ..BlankOptions::default() };
    SoftCard::blank(options).unwrap()
}

/// Works inside the issuer's channel, opened on one of the two applications.
fn issue<T>(card: &mut SoftCard, application: Application, work: impl FnOnce(&mut dyn Card) -> T) -> T {
    try_issue(card, application, work).unwrap()
}

/// The same with a card that may be lost before.
fn try_issue<T>(card: &mut SoftCard, application: Application, work: impl FnOnce(&mut dyn Card) -> T) -> Option<T> {
    use channel::scp03::{self, SecurityLevel};
    support::must(card, &select(&application.aid())).ok()?;
    let mut random = channel::random::OsRandom;
    let card = card as &mut dyn Card;
    let mut channel = scp03::open(card, 0, &default_keys(), SecurityLevel::Full, &mut random).ok()?;
    Some(work(&mut channel))
}

/// A card in the post: key pairs, protected objects, the transport PIN.
fn posted() -> SoftCard {
    let mut card = delivered();
    assert!(post(&mut card), "nothing disturbs it");
    card.reset();
    card
}

/// What the issuer sends, in this order; true when all of it was accepted.
fn post(card: &mut SoftCard) -> bool {
    let mut piv: Vec<Command> = KeyReference::ALL.map(|key| keys::generate(key, Algorithm::P256)).into();
    piv.extend([
        PRINTED_INFORMATION.put(MARKER),
        CARD_HOLDER_UNIQUE_IDENTIFIER.put(&[0xFE, 0x00]),
        pin::set_puk(&puk()),
        Command::new(0x00, 0x24, 0x08, 0x9B).with_data(MANAGEMENT_KEY),
        pin::set_transport_pin(&transport_pin()),
    ]);
    let national = vec![RESIDENCE.put(MARKER), STATUS_HINT.put(&[0x80, 0x01, 0x01])];
    let mut accepted = |application, commands: Vec<Command>| {
        try_issue(card, application, |channel| {
            let good = |command: &Command| channel.transmit(command).is_ok_and(|answer| answer.status.is_ok());
            commands.iter().all(good)
        })
    };
    accepted(Application::Piv, piv) == Some(true) && accepted(Application::National, national) == Some(true)
}

/// The same in its holder's hands.
pub fn held() -> SoftCard {
    let mut card = posted();
    must(&mut card, &select(&Application::Piv.aid()));
    must(&mut card, &pin::change_pin(&transport_pin(), &own_pin()));
    card.reset();
    card
}

fn use_key(key: KeyReference) -> Command {
    match key {
        KeyReference::KeyManagement => authentication::agree(key, Algorithm::P256, &point(7)),
        _ => authentication::sign(key, Algorithm::P256, &[0xA5; 32]),
    }
}

/// A point of which everybody knows the private key.
fn point(private: u32) -> Vec<u8> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let mut point = EcPoint::new(&group).unwrap();
    point.mul_generator2(&group, &BigNum::from_u32(private).unwrap(), &mut context).unwrap();
    point.to_bytes(&group, openssl::ec::PointConversionForm::UNCOMPRESSED, &mut context).unwrap()
}

fn encipher(block: &[u8]) -> Vec<u8> {
    aes(Mode::Encrypt, block)
}

fn aes(mode: Mode, block: &[u8]) -> Vec<u8> {
    let mut crypter = Crypter::new(Cipher::aes_128_ecb(), mode, &MANAGEMENT_KEY, None).unwrap();
    crypter.pad(false);
    let mut out = vec![0; 32];
    let length = crypter.update(block, &mut out).unwrap();
    out.truncate(length);
    out
}

/// External authentication with the management key.
fn authenticate(card: &mut dyn Card) {
    let asked = must(card, &Template { challenge: Some(&[]), ..Template::default() }.command(0x08, 0x9B));
    let answer = encipher(Template::parse(&asked).unwrap().challenge.unwrap());
    must(card, &Template { response: Some(&answer), ..Template::default() }.command(0x08, 0x9B));
}

#[test]
fn a_card_without_the_application_does_not_know_its_name() {
    let mut card = support::blank();
    assert_eq!(status(&mut card, SELECT_PIV), 0x6A82);
    assert_eq!(says(&mut card, &select(&Application::National.aid())), 0x6A82);
}

#[test]
fn a_delivered_card_shows_itself_and_opens_nothing() {
    let mut card = delivered();
    for name in [&eid::PIV_AID[..], &eid::PIV_AID[..9], &eid::PIV_AID[..5]] {
        let template = must(&mut card, &select(&Aid::new(name).unwrap()));
        assert_eq!(property::is_piv(&template), Ok(true));
    }
    for object in OBJECTS.iter().filter(|object| object.application == Application::Piv) {
        let expected = match object.read {
            eid::objects::Access::Pin => 0x6982,
            _ if object.carries_own_tag() && object.container == 0x6050 => 0x9000,
            _ => 0x6A82,
        };
        assert_eq!(says(&mut card, &object.get()), expected, "{}", object.name);
        assert_eq!(says(&mut card, &object.put(&[1])), 0x6982, "{}", object.name);
    }
    for key in KeyReference::ALL {
        assert_eq!(says(&mut card, &keys::generate(key, Algorithm::P256)), 0x6982);
        assert_eq!(says(&mut card, &use_key(key)), 0x6985);
    }
    assert_eq!(says(&mut card, &pin::tries_left()), 0x6A88);
    assert_eq!(says(&mut card, &pin::verify(&own_pin())), 0x6A88);
    assert_eq!(says(&mut card, &pin::set_transport_pin(&own_pin())), 0x6982);
    assert_eq!(says(&mut card, &pin::reset(&puk(), &own_pin())), 0x6A88);
    assert_eq!(says(&mut card, &Template { challenge: Some(&[]), ..Template::default() }.command(0x08, 0x9B)), 0x6A88);
}

#[test]
fn no_key_works_until_the_holder_has_a_pin_of_his_own() {
    let mut card = posted();
    must(&mut card, &select(&Application::Piv.aid()));
    assert_eq!(says(&mut card, &pin::verify(&transport_pin())), 0x6985);
    assert_eq!(says(&mut card, &pin::tries_left()), 0x63C3, "no try was spent");
    for key in KeyReference::ALL {
        assert_eq!(says(&mut card, &use_key(key)), 0x6985, "{key:?}");
    }
    assert_eq!(says(&mut card, &PRINTED_INFORMATION.get()), 0x6982);
    assert_eq!(says(&mut card, &pin::change_pin(&transport_pin(), &transport_pin())), 0x6A80, "it must be another");
    assert_eq!(says(&mut card, &pin::change_pin(&own_pin(), &own_pin())), 0x6A80);
    assert_eq!(says(&mut card, &pin::change_pin(&own_pin(), &pin(b"999999"))), 0x63C2);
    assert_eq!(says(&mut card, &pin::change_pin(&transport_pin(), &own_pin())), 0x9000);
    assert_eq!(says(&mut card, &use_key(KeyReference::Authentication)), 0x6982, "a change is no VERIFY");
    assert_eq!(says(&mut card, &use_key(KeyReference::CardAuthentication)), 0x9000);
    assert_eq!(says(&mut card, &pin::verify(&own_pin())), 0x9000);
    assert_eq!(says(&mut card, &use_key(KeyReference::Authentication)), 0x9000);
    // An office resets the PIN: the holder has to choose one again.
    issue(&mut card, Application::Piv, |channel| drop(must(channel, &pin::set_transport_pin(&transport_pin()))));
    assert_eq!(says(&mut card, &pin::verify(&own_pin())), 0x6985);
    assert_eq!(says(&mut card, &use_key(KeyReference::CardAuthentication)), 0x6985);
}

#[test]
fn the_puk_ends_the_transport_pin_too() {
    let mut card = posted();
    must(&mut card, &select(&Application::Piv.aid()));
    for expected in [0x63C2, 0x63C1, 0x63C0, 0x6983] {
        assert_eq!(says(&mut card, &pin::change_pin(&pin(b"999999"), &own_pin())), expected);
    }
    assert_eq!(says(&mut card, &pin::change_pin(&transport_pin(), &own_pin())), 0x6983);
    assert_eq!(says(&mut card, &use_key(KeyReference::CardAuthentication)), 0x6985, "still nobody's card");
    assert_eq!(says(&mut card, &pin::reset(&puk(), &own_pin())), 0x9000);
    assert_eq!(says(&mut card, &pin::verify(&own_pin())), 0x9000);
    assert_eq!(says(&mut card, &use_key(KeyReference::Authentication)), 0x9000);
}

#[test]
fn the_signature_key_wants_the_pin_each_time() {
    let mut card = held();
    must(&mut card, &select(&Application::Piv.aid()));
    let sign = use_key(KeyReference::Signature);
    assert_eq!(says(&mut card, &sign), 0x6982);
    must(&mut card, &pin::verify(&own_pin()));
    assert_eq!(says(&mut card, &sign), 0x9000);
    assert_eq!(says(&mut card, &sign), 0x6982);
    // Any other command between, even one that no application sees.
    for between in ["00cb3fff055c035fc10200", "00200080", "a0000000", "00", "0c000000"] {
        must(&mut card, &pin::verify(&own_pin()));
        card.process(&hex::decode(between).unwrap());
        assert_eq!(says(&mut card, &sign), 0x6982, "{between}");
    }
    // The links of one command are that command.
    must(&mut card, &pin::verify(&own_pin()));
    let limits = Limits { command_data: 16, ..Limits::SHORT };
    must(&mut Chained::new(&mut card, limits), &sign);
    // A link of another command stands between them too, though it is answered 9000.
    must(&mut card, &pin::verify(&own_pin()));
    assert_eq!(
        says(&mut card, &Command { cla: 0x10, ins: 0xDB, p1: 0x3F, p2: 0xFF, data: vec![0x5C], ne: None }),
        0x9000
    );
    assert_eq!(says(&mut card, &sign), 0x6982);
}

#[test]
fn wrong_pins_and_puks_run_out() {
    let mut card = held();
    must(&mut card, &select(&Application::Piv.aid()));
    must(&mut card, &pin::verify(&own_pin()));
    for expected in [0x63C2, 0x63C1, 0x63C0, 0x6983] {
        assert_eq!(says(&mut card, &pin::verify(&pin(b"999999"))), expected);
        assert_eq!(says(&mut card, &use_key(KeyReference::Authentication)), 0x6982, "a wrong PIN takes the right away");
    }
    for blocked in [pin::verify(&own_pin()), pin::tries_left(), pin::change_pin(&own_pin(), &pin(b"123456"))] {
        assert_eq!(says(&mut card, &blocked), 0x6983);
    }
    let wrong = Puk::parse(b"00000000").unwrap();
    assert_eq!(says(&mut card, &pin::reset(&wrong, &own_pin())), 0x63C0 | u16::from(PUK_TRIES - 1));
    assert_eq!(says(&mut card, &pin::reset(&puk(), &own_pin())), 0x9000);
    assert_eq!(says(&mut card, &pin::verify(&own_pin())), 0x9000);
    assert_eq!(says(&mut card, &pin::change_puk(&puk(), &wrong)), 0x9000);
    for tries in (0..PUK_TRIES).rev() {
        assert_eq!(says(&mut card, &pin::change_puk(&puk(), &puk())), 0x63C0 | u16::from(tries));
    }
    assert_eq!(says(&mut card, &pin::reset(&wrong, &own_pin())), 0x6983, "a blocked PUK is of no use");
    issue(&mut card, Application::Piv, |channel| drop(must(channel, &pin::set_puk(&puk()))));
    assert_eq!(says(&mut card, &pin::change_puk(&puk(), &wrong)), 0x9000, "but the issuer sets another");
}

#[test]
fn what_was_proved_ends_with_power_and_with_the_application() {
    let reset = |card: &mut SoftCard| drop(card.reset());
    let off = |card: &mut SoftCard| {
        card.power_off();
        assert_eq!(card.process(&[0, 0, 0, 0]), NOTHING);
        card.power_on();
    };
    let away = |aid: Aid| move |card: &mut SoftCard| drop(must(card, &select(&aid)));
    let forget = |card: &mut SoftCard| assert_eq!(status(card, "0020ff80"), 0x9000);
    type End = Box<dyn Fn(&mut SoftCard)>;
    let ends: [(&str, End); 6] = [
        ("reset", Box::new(reset)),
        ("power", Box::new(off)),
        ("eMRTD", Box::new(away(Aid::emrtd()))),
        ("issuer domain", Box::new(away(Aid::issuer_domain()))),
        ("national", Box::new(away(Application::National.aid()))),
        ("P1 FF", Box::new(forget)),
    ];
    for (name, end) in ends {
        let mut card = held();
        must(&mut card, &select(&Application::Piv.aid()));
        authenticate(&mut card);
        must(&mut card, &pin::verify(&own_pin()));
        assert_eq!(says(&mut card, &pin::tries_left()), 0x9000);
        // Selected again, or a name that nobody has: what was proved stays (SP 800-73-4 part 2 §3.1.1).
        must(&mut card, &select(&Application::Piv.aid()));
        assert_eq!(status(&mut card, "00a4040005a00000999900"), 0x6A82);
        assert_eq!(says(&mut card, &PRINTED_INFORMATION.get()), 0x9000);
        assert_eq!(says(&mut card, &CARD_HOLDER_UNIQUE_IDENTIFIER.put(&[1])), 0x9000);
        end(&mut card);
        must(&mut card, &select(&Application::Piv.aid()));
        assert_eq!(says(&mut card, &pin::tries_left()), 0x63C3, "{name}");
        assert_eq!(says(&mut card, &PRINTED_INFORMATION.get()), 0x6982, "{name}");
        assert_eq!(says(&mut card, &use_key(KeyReference::Authentication)), 0x6982, "{name}");
        let managed = says(&mut card, &CARD_HOLDER_UNIQUE_IDENTIFIER.put(&[1]));
        assert_eq!(managed, if name == "P1 FF" { 0x9000 } else { 0x6982 }, "{name}");
    }
}

#[test]
fn the_national_file_set_opens_to_the_holder_and_changes_for_the_issuer_only() {
    let mut card = held();
    must(&mut card, &select(&Application::National.aid()));
    assert_eq!(must(&mut card, &STATUS_HINT.get()), STATUS_HINT.encode(&[0x80, 0x01, 0x01]));
    assert_eq!(says(&mut card, &RESIDENCE.get()), 0x6982);
    must(&mut card, &pin::verify(&own_pin()));
    assert_eq!(must(&mut card, &RESIDENCE.get()), RESIDENCE.encode(MARKER));
    authenticate(&mut card);
    assert_eq!(says(&mut card, &RESIDENCE.put(b"elsewhere")), 0x6982);
    assert_eq!(says(&mut card, &PRINTED_INFORMATION.get()), 0x6A82, "it lies in the other application");
    issue(&mut card, Application::National, |channel| drop(must(channel, &RESIDENCE.put(b"elsewhere"))));
    must(&mut card, &pin::verify(&own_pin()));
    assert_eq!(must(&mut card, &RESIDENCE.get()), RESIDENCE.encode(b"elsewhere"));
}

#[test]
fn the_management_key_proves_both_sides() {
    let mut card = held();
    must(&mut card, &select(&Application::Piv.aid()));
    let step = |template: Template<'_>| template.command(0x08, 0x9B);
    let asks_witness = step(Template { witness: Some(&[]), ..Template::default() });
    let asks_challenge = step(Template { challenge: Some(&[]), ..Template::default() });
    let shown = must(&mut card, &asks_witness);
    let witness = aes(Mode::Decrypt, Template::parse(&shown).unwrap().witness.unwrap());
    let challenge = [0x5A; 16];
    let proof = step(Template { witness: Some(&witness), challenge: Some(&challenge), ..Template::default() });
    let answered = must(&mut card, &proof);
    assert_eq!(Template::parse(&answered).unwrap().response.unwrap(), encipher(&challenge));
    assert_eq!(says(&mut card, &CARD_HOLDER_UNIQUE_IDENTIFIER.put(&[1])), 0x9000);
    let internal = step(Template { challenge: Some(&challenge), response: Some(&[]), ..Template::default() });
    assert_eq!(must(&mut card, &internal), answered);
    // Once more is once too often.
    assert_eq!(says(&mut card, &proof), 0x6985);
    card.reset();
    must(&mut card, &select(&Application::Piv.aid()));
    assert_eq!(says(&mut card, &internal), 0x6982, "the card answers no stranger's challenge");
    // A challenge is good for the next command only, and only where it was asked for.
    let asked = must(&mut card, &asks_challenge);
    let answer = encipher(Template::parse(&asked).unwrap().challenge.unwrap());
    let answer = step(Template { response: Some(&answer), ..Template::default() });
    assert_eq!(says(&mut card, &pin::tries_left()), 0x63C3);
    assert_eq!(says(&mut card, &answer), 0x6985);
    must(&mut card, &asks_witness);
    assert_eq!(says(&mut card, &answer), 0x6985);
    must(&mut card, &asks_challenge);
    assert_eq!(says(&mut card, &answer), 0x6982, "another challenge");
    assert_eq!(says(&mut card, &CARD_HOLDER_UNIQUE_IDENTIFIER.put(&[1])), 0x6982);
    let other = Template { challenge: Some(&[]), ..Template::default() }.command(0x0C, 0x9B);
    assert_eq!(says(&mut card, &other), 0x6A86, "the key is none of that algorithm");
}

#[test]
fn long_objects_go_in_links_and_come_in_parts() {
    let mut card = held();
    must(&mut card, &select(&Application::Piv.aid()));
    authenticate(&mut card);
    let long: Vec<u8> = (0..3000).map(|at| (at % 251) as u8).collect();
    let mut short = Chained::new(&mut card, Limits::SHORT);
    must(&mut short, &CARD_HOLDER_UNIQUE_IDENTIFIER.put(&long));
    let get = CARD_HOLDER_UNIQUE_IDENTIFIER.get();
    assert_eq!(must(&mut short, &get), CARD_HOLDER_UNIQUE_IDENTIFIER.encode(&long));
    assert_eq!(must(&mut card, &get.with_ne(65_536)), CARD_HOLDER_UNIQUE_IDENTIFIER.encode(&long));
    assert_eq!(status(&mut card, "00c0000000"), 0x6985, "nothing waits");
    let first = send(&mut card, "00cb3fff055c035fc10200");
    assert_eq!((first.data.len(), first.status.0), (256, 0x6100));
    assert_eq!(status(&mut card, "00200080"), 0x63C3);
    assert_eq!(status(&mut card, "00c0000000"), 0x6985, "another command has ended it");
    let full = vec![0; eid::objects::MAX_CONTENT];
    let space = OBJECTS.iter().filter(|object| object.name.starts_with("Retired"));
    let refused = space.map(|object| says(&mut card, &object.put(&full))).find(|status| *status != 0x9000);
    assert_eq!(refused, Some(0x6A84), "the card is full at last");
}

#[test]
fn key_pairs_do_what_they_are_for() {
    let mut card = delivered();
    let mut public = Vec::new();
    issue(&mut card, Application::Piv, |channel| {
        for (key, algorithm) in [
            (KeyReference::Authentication, Algorithm::P256),
            (KeyReference::Signature, Algorithm::P384),
            (KeyReference::KeyManagement, Algorithm::P256),
        ] {
            public.push(PublicKey::parse(algorithm, &must(channel, &keys::generate(key, algorithm))).unwrap());
        }
        must(channel, &pin::set_transport_pin(&transport_pin()));
        assert_eq!(says(channel, &pin::verify(&transport_pin())), 0x6985, "the issuer is not the holder");
        assert_eq!(says(channel, &use_key(KeyReference::Authentication)), 0x6985);
    });
    must(&mut card, &pin::change_pin(&transport_pin(), &own_pin()));
    must(&mut card, &pin::verify(&own_pin()));
    let signature = must(&mut card, &authentication::sign(KeyReference::Authentication, Algorithm::P256, &[9; 32]));
    let PublicKey::Point(point_of_card) = &public[0] else { panic!() };
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let key = EcPoint::from_bytes(&group, point_of_card, &mut context).unwrap();
    let key = EcKey::from_public_key(&group, &key).unwrap();
    let signature = EcdsaSig::from_der(Template::parse(&signature).unwrap().response.unwrap()).unwrap();
    assert!(signature.verify(&[9; 32], &key).unwrap());

    let agree = |point: &[u8]| authentication::agree(KeyReference::KeyManagement, Algorithm::P256, point);
    let shared = must(&mut card, &agree(&point(1)));
    let PublicKey::Point(point_of_card) = &public[2] else { panic!() };
    assert_eq!(Template::parse(&shared).unwrap().response.unwrap(), &point_of_card[1..33], "1 times the card's point");
    let mut off = point(1);
    off[64] ^= 1;
    for bad in [&off[..], &[0x00], &point(1)[..64], &[0x04; 65]] {
        assert_eq!(says(&mut card, &agree(bad)), 0x6A80, "{bad:02X?}");
    }
    let confused = [
        authentication::sign(KeyReference::KeyManagement, Algorithm::P256, &[9; 32]),
        authentication::agree(KeyReference::Authentication, Algorithm::P256, &point(1)),
        authentication::sign(KeyReference::Authentication, Algorithm::P256, &[]),
        authentication::sign(KeyReference::Authentication, Algorithm::P256, &[9; 65]),
    ];
    for command in confused {
        assert_eq!(says(&mut card, &command), 0x6A80);
    }
    let other = authentication::sign(KeyReference::Authentication, Algorithm::P384, &[9; 48]);
    assert_eq!(says(&mut card, &other), 0x6A86, "the key is of another algorithm");
}

#[test]
fn rsa_keys_take_whole_blocks_below_the_modulus() {
    let mut card = delivered();
    issue(&mut card, Application::Piv, |channel| {
        let made = must(channel, &keys::generate(KeyReference::CardAuthentication, Algorithm::Rsa2048));
        PublicKey::parse(Algorithm::Rsa2048, &made).unwrap();
        must(channel, &pin::set_transport_pin(&transport_pin()));
    });
    must(&mut card, &pin::change_pin(&transport_pin(), &own_pin()));
    let sign = |block: &[u8]| authentication::sign(KeyReference::CardAuthentication, Algorithm::Rsa2048, block);
    let block = [&[0x00, 0x01][..], &[0xFF; 254]].concat();
    assert_eq!(says(&mut card, &sign(&block).with_ne(65_536)), 0x9000);
    for bad in [&[0xFF; 256][..], &block[1..], &[]] {
        assert_eq!(says(&mut card, &sign(bad)), 0x6A80);
    }
}

#[test]
fn a_new_key_pair_takes_the_old_certificate_away() {
    let mut card = posted();
    let certificate = KeyReference::Authentication.certificate();
    issue(&mut card, Application::Piv, |channel| {
        must(channel, &certificate.put(&[0x70, 0x00]));
        must(channel, &keys::generate(KeyReference::Authentication, Algorithm::P256));
        assert_eq!(says(channel, &certificate.get()), 0x6A82);
    });
}

#[test]
fn the_issuer_s_channel_is_its_own() {
    let mut card = posted();
    issue(&mut card, Application::Piv, |channel| drop(must(channel, &PRINTED_INFORMATION.get())));
    assert_eq!(status(&mut card, GET_PRINTED), 0x6982, "a command outside the channel has no right of the issuer");
    assert_eq!(status(&mut card, "84cb3fff0d5c035fc109000000000000000000"), 0x6985, "and has ended it");
    for text in ["80cb3fff055c035fc10900", "80f28002024f0000", "80e60000"] {
        assert_eq!(status(&mut card, text), 0x6E00, "{text}");
    }
    // Under the issuer domain's own channel there is no citizen application.
    must(&mut card, &select(&Aid::issuer_domain()));
    let mut channel = support::open(&mut card, channel::scp03::SecurityLevel::Full).unwrap();
    assert_eq!(says(&mut channel, &PRINTED_INFORMATION.get()), 0x6D00);
}

/// A reader without extended length: the links are protected one by one.
#[test]
fn the_issuer_s_long_commands_come_in_links() {
    let mut card = delivered();
    let long: Vec<u8> = (0..3000).map(|at| (at % 251) as u8).collect();
    issue(&mut card, Application::Piv, |channel| {
        let mut short = Chained::new(channel, Limits { command_data: 239, ..Limits::SHORT });
        must(&mut short, &CARD_HOLDER_UNIQUE_IDENTIFIER.put(&long));
    });
    assert_eq!(card.state().eid.as_ref().unwrap().objects[&CARD_HOLDER_UNIQUE_IDENTIFIER.tag.0], long);
    // Neither the issuer domain nor the eMRTD application takes links.
    assert_eq!(status(&mut card, "94ca9f7f00"), 0x6982, "a link that the channel does not protect");
    must(&mut card, &select(&Aid::issuer_domain()));
    assert_eq!(status(&mut card, "94ca9f7f00"), 0x6884);
    must(&mut card, &select(&Aid::emrtd()));
    assert_eq!(status(&mut card, "94ca9f7f00"), 0x6E00);
}

#[test]
fn a_torn_verify_has_spent_its_try() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.json");
    held().state().create(&path).unwrap();
    for expected in [0x63C2, 0x63C1, 0x63C0] {
        let mut card = SoftCard::open(&path).unwrap();
        must(&mut card, &select(&Application::Piv.aid()));
        card.tear(Tear { at: 0, when: When::After });
        assert_eq!(card.process(&pin::verify(&pin(b"999999")).to_bytes()), NOTHING);
        drop(card);
        let mut card = SoftCard::open(&path).unwrap();
        must(&mut card, &select(&Application::Piv.aid()));
        let left = says(&mut card, &pin::tries_left());
        assert_eq!(if left == 0x6983 { 0x63C0 } else { left }, expected);
    }
}

/// The card is torn at every command of its personalization: what it holds then opens nothing that it should not, and
/// the issuer begins again.
#[test]
fn a_cut_at_every_command_leaves_a_card_that_the_issuer_finishes() {
    let count = {
        let mut card = delivered();
        assert!(post(&mut card));
        card.commands()
    };
    assert!(count > 15, "{count} commands");
    for at in 0..count {
        for when in [When::Before, When::After] {
            let mut card = delivered();
            card.tear(Tear { at, when });
            assert!(!post(&mut card), "torn at {at}");
            card.power_on();
            must(&mut card, &select(&Application::Piv.aid()));
            for key in KeyReference::ALL {
                assert_eq!(says(&mut card, &use_key(key)), 0x6985, "{at} {when:?}");
            }
            assert_eq!(says(&mut card, &PRINTED_INFORMATION.get()), 0x6982);
            assert!(post(&mut card), "{at} {when:?}");
            let eid = card.state().eid.as_ref().unwrap();
            assert_eq!((eid.keys.len(), eid.objects.len(), eid.transport), (4, 5, true));
            must(&mut card, &select(&Application::Piv.aid()));
            must(&mut card, &pin::change_pin(&transport_pin(), &own_pin()));
        }
    }
}

#[test]
fn the_issuer_domain_lists_the_applications_and_sets_their_states() {
    use lds::globalplatform::StatusEntry;
    let [piv, national] = [Application::Piv, Application::National].map(Application::aid);
    let listed = |channel: &mut dyn Card| -> Vec<u8> {
        let listed = StatusEntry::parse_all(&must(channel, &support::get_status(0x40))).unwrap();
        assert!(listed.iter().map(|entry| &entry.aid).eq([&Aid::emrtd(), &piv, &national]));
        listed.iter().map(|entry| entry.state).collect()
    };
    let set = |state, aid: &Aid| support::set_status(0x40, state, Some(aid.clone()));
    let level = channel::scp03::SecurityLevel::Full;
    let mut card = delivered();
    {
        let mut channel = support::open(&mut card, level).unwrap();
        assert_eq!(says(&mut channel, &set(0x0F, &piv)), 0x6985, "nobody gave it a PIN");
        assert_eq!(listed(&mut channel), [0x07; 3]);
    }
    let mut card = posted();
    {
        let mut channel = support::open(&mut card, level).unwrap();
        must(&mut channel, &set(0x0F, &piv));
        assert_eq!(listed(&mut channel), [0x07, 0x0F, 0x07]);
        for (state, says_so) in [(0x0F, 0x6985), (0x07, 0x6985), (0x03, 0x6985), (0x05, 0x6A80)] {
            assert_eq!(says(&mut channel, &set(state, &piv)), says_so, "{state:02X}");
        }
        must(&mut channel, &set(0x83, &national));
        assert_eq!(says(&mut channel, &set(0x83, &national)), 0x6985);
        assert_eq!(listed(&mut channel), [0x07, 0x0F, 0x83]);
    }
    // One is gone, the other is as it was; and the memory of it is the card's.
    let mut card = SoftCard::from_state(card.state());
    assert_eq!(says(&mut card, &select(&national)), 0x6A82);
    must(&mut card, &select(&piv));
    let mut channel = support::open(&mut card, level).unwrap();
    must(&mut channel, &set(0xFF, &piv));
    drop(channel);
    assert_eq!(says(&mut card, &select(&piv)), 0x6A82);
    assert_eq!(status(&mut card, "00a4040005a00000030800"), 0x6A82);
}

#[test]
fn a_card_from_before_its_states_were_kept_has_those_of_its_pin() {
    let mut old = posted().state().clone();
    old.eid.as_mut().unwrap().life_cycles = None;
    let (mut card, level) = (SoftCard::from_state(&old), channel::scp03::SecurityLevel::Full);
    let mut channel = support::open(&mut card, level).unwrap();
    let piv = Application::Piv.aid();
    assert_eq!(says(&mut channel, &support::set_status(0x40, 0x0F, Some(piv.clone()))), 0x6985, "it is PERSONALIZED");
    must(&mut channel, &support::set_status(0x40, 0x83, Some(piv)));
}

#[test]
fn a_locked_card_has_no_citizen() {
    let mut card = held();
    {
        let mut channel = support::open(&mut card, channel::scp03::SecurityLevel::Full).unwrap();
        must(&mut channel, &support::set_status(0x80, 0x0F, None));
        must(&mut channel, &support::set_status(0x80, 0x7F, None));
    }
    card.reset();
    assert_eq!(status(&mut card, SELECT_PIV), 0x6A81);
}
