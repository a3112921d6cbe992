//! The passport applet of the JMRTD project: every row of `hardware-docs/cards/jmrtd-passport.md`.

use channel::bac;
use channel::password::MrzKey;
use channel::random::{OsRandom, Random, RandomError};
use channel::sm::Secured;
use iso7816::{Aid, Card, Command, Response, Status};
use openssl::rsa::{Padding, Rsa};
use proptest::prelude::*;
use soft_card::jmrtd::Memory;
use soft_card::persona::{EMBEDDED, Persona};
use soft_card::{BlankOptions, SoftCard, State};

use crate::support::*;

const SELECT: &str = "00a4040c07a0000002471001";
/// L898902C<, 690806, 940623.
const BAC_KEYS: &str = "00da006220 621e 5f1f094c383938393032433c 5f1806363930383036 5f1906393430363233";
const LOCK: &str = "00dadead";

fn applet() -> SoftCard {
    let text = EMBEDDED.iter().find(|(name, _)| *name == "jmrtd-passport").unwrap().1;
    SoftCard::blank(BlankOptions { serial: Some([3; 6]), ..Persona::parse(text).unwrap().options() }).unwrap()
}

/// Selected, with an EF.COM of four bytes.
fn begun() -> SoftCard {
    let mut card = applet();
    for command in [SELECT, "00e00000066304 0004 011e", "00a4020c02011e", "00d6000004 60020001"] {
        assert_eq!(status(&mut card, command), 0x9000, "{command}");
    }
    card
}

fn memory(card: &SoftCard) -> &Memory {
    card.state().jmrtd.as_ref().unwrap()
}

fn key() -> MrzKey {
    MrzKey::from_information(INFORMATION)
}

#[test]
fn the_issuer_domain_of_another_maker_stands_around_it() {
    let mut card = applet();
    // Nothing is selected but the issuer domain: there are no files.
    assert_eq!(status(&mut card, "00a4020c02011c"), 0x6A86);
    assert_eq!(status(&mut card, "00a4000c023f00"), 0x6A86);
    assert_eq!(status(&mut card, "00b0000000"), 0x6D00);
    assert_eq!(status(&mut card, "00a4040008a00000030800001000"), 0x6A82);
    assert_eq!(status(&mut card, "00a4040000"), 0x9000);
    assert_eq!(send(&mut card, "80ca9f7f00").data.len(), 45);
    assert_eq!(send(&mut card, "00a4040007a000000247100100"), Response::status(Status::OK));
    // Another name is a command for the applet, which takes two bytes.
    assert_eq!(status(&mut card, "00a4040005f000000001"), 0x6700);
    assert_eq!(status(&mut card, "00a4040c08a000000151000000"), 0x9000);
    assert_eq!(send(&mut card, "80ca9f7f00").data.len(), 45);
}

#[test]
fn anybody_writes_it_until_the_lock() {
    let mut card = begun();
    for (command, expected) in [
        ("00e00000056304 0004 01", 0x6700),
        ("00e00000066303 0004 011e", 0x6700),
        ("00e00000066204 0004 011e", 0x6984),
        // Not larger than at first; smaller, and back.
        ("00e00000066304 0005 011e", 0x6A84),
        ("00e00000066304 0002 011e", 0x9000),
        ("00d6000003 600200", 0x6A84),
        ("00e00000066304 0004 011e", 0x9000),
        ("00d6000104 02000100", 0x6A84),
        ("00d6ffff01 60", 0x6F00),
        ("00d60004", 0x9000),
        // Files that it does not have, that it guards, that are too large.
        ("00e00000066304 0004 0110", 0x6F00),
        ("00e00000066304 0004 0103", 0x6982),
        ("00e00000066304 8000 0102", 0x6F00),
        ("00e00000066304 7fff 0102", 0x9000),
        ("00e00000066304 7fff 0105", 0x0005),
        ("00a4020c020103", 0x6982),
        ("00a4020c020105", 0x6A82),
        ("00d6000001 61", 0x6985),
        // Without the keys of BAC there is no challenge; reading is never without BAC.
        ("0084000008", 0x6982),
        ("00b0000004", 0x6982),
        // Keys.
        ("00da006220 621e 5f1f094c3839383930322d3c 5f1806363930383036 5f1906393430363233", 0x6D04),
        ("00da006204 62020400", 0x6F00),
        ("00da006005 6000 040101", 0x0001),
        ("00da00630281 00", 0x6A86),
        ("00da000001 00", 0x6A86),
        ("0022000000", 0x6982),
        ("0c22000000", 0x6882),
        ("00100000", 0x6D00),
        (BAC_KEYS, 0x9000),
        ("0084000008", 0x9000),
        ("0084000000", 0x6700),
        (LOCK, 0x9000),
        (LOCK, 0x6985),
        (BAC_KEYS, 0x6985),
        ("00e00000066304 0004 011e", 0x6985),
        ("00d6000001 60", 0x6985),
        ("00a4020c02011e", 0x6982),
        ("00a4020c020105", 0x6982),
        ("00a4040005f000000001", 0x6982),
    ] {
        assert_eq!(status(&mut card, command), expected, "{command}");
    }
    assert_eq!(memory(&card).mrz_information.as_ref().unwrap().expose(), INFORMATION.as_bytes());
    assert!(memory(&card).locked);
}

#[test]
fn bac_opens_it_and_only_a_reset_closes_it() {
    let mut card = begun();
    assert_eq!(status(&mut card, BAC_KEYS), 0x9000);
    assert_eq!(status(&mut card, LOCK), 0x9000);
    card.reset();
    assert_eq!(status(&mut card, SELECT), 0x9000);
    // A wrong key does not use the challenge up.
    struct Once(Vec<u8>);
    impl Random for Once {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
            bytes.copy_from_slice(&self.0[..bytes.len()]);
            Ok(())
        }
    }
    let wrong = MrzKey::from_information("L898902C<369080619406244");
    let refused = bac::open(&mut card, &wrong, &mut Once(vec![7; 40])).unwrap_err().to_string();
    assert!(refused.contains("6982"), "{refused}");
    assert_eq!(status(&mut card, "0082000028 0000"), 0x6700);
    let session = bac::open(&mut card, &key(), &mut OsRandom).unwrap();
    {
        let mut secured = Secured::new(session, &mut card);
        let mut ask = |ins: u8, p: [u8; 2], data: &[u8], ne: Option<u32>| {
            let command = Command::new(0x00, ins, p[0], p[1]).with_data(data);
            secured.transmit(&ne.map_or(command.clone(), |ne| command.with_ne(ne))).unwrap()
        };
        assert_eq!(ask(0xB0, [0, 0], &[], Some(4)).status.0, 0x6985, "no file");
        assert_eq!(ask(0xA4, [2, 0x0C], &[0x01, 0x05], None).status.0, 0x6A82);
        assert_eq!(ask(0xA4, [2, 0x0C], &[0x01, 0x1E], None).status.0, 0x9000);
        assert_eq!(ask(0xB0, [0, 1], &[], Some(2)).data, [0x02, 0x00]);
        assert_eq!(ask(0xB0, [0, 0], &[], Some(200)).data, [0x60, 0x02, 0x00, 0x01]);
        assert_eq!(ask(0xB0, [0, 0], &[], Some(256)), Response::status(Status::OK), "Le 00 means nothing");
        assert_eq!(ask(0xB0, [0, 4], &[], Some(9)), Response::status(Status::OK), "the end");
        assert_eq!(ask(0x84, [0, 0], &[], Some(8)).status.0, 0x6982);
        assert_eq!(ask(0xDA, [0xDE, 0xAD], &[], None).status.0, 0x6985);
        assert_eq!(ask(0x22, [0x41, 0xA6], &[0x91, 0x00], None).status.0, 0x6D00);
        assert_eq!(ask(0x88, [0, 0], &[1; 8], Some(256)).status.0, 0x6982, "no key");
        // Behind the end the card's runtime answers, outside the session.
        let behind = secured.transmit(&Command::new(0x00, 0xB0, 0x00, 0x05).with_ne(1)).unwrap_err().to_string();
        assert!(behind.contains("6F00") || behind.contains("without secure messaging"), "{behind}");
    }
    // In the clear files are named and nothing is read; selecting it again closes nothing, and there is no second BAC.
    assert_eq!(status(&mut card, "00a4020c02011e"), 0x9000);
    assert_eq!(send(&mut card, "00b0000004"), Response::status(Status::OK));
    assert_eq!(status(&mut card, SELECT), 0x9000);
    assert_eq!(status(&mut card, "0084000008"), 0x6982);
    assert_eq!(status(&mut card, "00a4020c02011e"), 0x9000);
    card.reset();
    assert_eq!(status(&mut card, SELECT), 0x9000);
    assert_eq!(status(&mut card, "00a4020c02011e"), 0x6982);
    assert!(bac::open(&mut card, &key(), &mut OsRandom).is_ok());
}

#[test]
fn active_authentication_is_rsa_1024_with_sha_1() {
    let rsa = loop {
        let rsa = Rsa::generate(1024).unwrap();
        if rsa.d().num_bytes() == 128 {
            break rsa;
        }
    };
    let part = |tag: u8, number: Vec<u8>| {
        let number = [&[0x04, 0x81, number.len() as u8][..], &number].concat();
        Command::new(0x00, 0xDA, 0x00, tag).with_data([&[tag, 0x00][..], &number].concat())
    };
    let mut card = begun();
    assert_eq!(status(&mut card, BAC_KEYS), 0x9000);
    // With the leading zero that Java writes.
    must(&mut card, &part(0x60, [&[0][..], &rsa.n().to_vec()].concat())).unwrap();
    must(&mut card, &part(0x61, rsa.d().to_vec())).unwrap();
    let session = bac::open(&mut card, &key(), &mut OsRandom).unwrap();
    let mut secured = Secured::new(session, &mut card);
    let authenticate = |data: &[u8]| Command::new(0x00, 0x88, 0x00, 0x00).with_data(data).with_ne(256);
    assert_eq!(secured.transmit(&authenticate(&[5; 7])).unwrap().status.0, 0x6700);
    let signature = must(&mut secured, &authenticate(&[5; 8])).unwrap();
    let mut f = vec![0; 128];
    rsa.public_decrypt(&signature, &mut f, Padding::NONE).unwrap();
    let digest = openssl::sha::sha1(&[&[0; 106][..], &[5; 8]].concat());
    assert_eq!(f, [&[0x6A][..], &[0; 106], &digest, &[0xBC]].concat());
}

#[test]
fn it_takes_no_data_through_its_domain_and_keeps_its_own_through_power_cuts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.json");
    begun().state().create(&path).unwrap();
    let mut card = SoftCard::open(&path).unwrap();
    card.reset();
    assert_eq!(status(&mut card, SELECT), 0x9000);
    assert_eq!(status(&mut card, LOCK), 0x9000);
    drop(card);
    let state = State::load(&path).unwrap();
    assert!(state.jmrtd.as_ref().unwrap().locked);
    assert_eq!(state.jmrtd.as_ref().unwrap().files[&0x011E], [0x60, 0x02, 0x00, 0x01]);
    for (from, to) in [("\"011E\"", "\"0110\""), ("\"286\": 4", "\"287\": 4")] {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        let other = folder.path().join("other.json");
        std::fs::write(&other, text.replace(from, to)).unwrap();
        assert!(State::load(&other).is_err(), "{from}");
    }
    let mut card = SoftCard::from_state(&state);
    must(&mut card, &select(&Aid::issuer_domain())).unwrap();
    let mut channel = channel::scp03::open(
        &mut card as &mut dyn Card,
        0xFF,
        &default_keys(),
        channel::scp03::SecurityLevel::Full,
        &mut OsRandom,
    )
    .unwrap();
    let install = lds::globalplatform::install_for_personalization(&Aid::emrtd());
    assert!(matches!(must(&mut channel, &install), Err(Stopped::Refused(0xE6, Status::CONDITIONS_NOT_SATISFIED))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// No sequence of commands reads a file without BAC, or writes after the lock.
    #[test]
    fn hostile_hosts_read_nothing_and_change_nothing_that_is_locked(
        commands in prop::collection::vec(
            (
                prop::sample::select(vec![0x00u8, 0x0C, 0x10, 0x80, 0x84, 0xFF]),
                prop::sample::select(vec![0xA4u8, 0xB0, 0xB1, 0xD6, 0xE0, 0xDA, 0x82, 0x84, 0x88, 0x22, 0x2A, 0xCA]),
                any::<[u8; 2]>(),
                prop::collection::vec(any::<u8>(), 0..60),
                prop::option::of(1u32..257),
            ),
            1..40,
        ),
        locked: bool,
    ) {
        let mut card = begun();
        status(&mut card, BAC_KEYS);
        if locked {
            status(&mut card, LOCK);
        }
        let before = memory(&card).clone();
        for (cla, ins, [p1, p2], data, ne) in commands {
            let command = Command::new(cla, ins, p1, p2).with_data(data);
            let answer = card.process(&ne.map_or(command.clone(), |ne| command.with_ne(ne)).to_bytes());
            prop_assert!(answer.len() >= 2);
            prop_assert!(!answer.windows(4).any(|window| window == [0x60, 0x02, 0x00, 0x01]));
        }
        if locked {
            prop_assert!(*memory(&card) == before);
        }
    }
}
