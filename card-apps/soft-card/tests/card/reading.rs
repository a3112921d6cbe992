//! The eMRTD application as an inspection system meets it.

use channel::chip_auth::{self, ChipAuthSuite, ChipPublicKey, KeyAgreement};
use channel::pace::{LADDER, Mapping, Suite};
use channel::random::OsRandom;
use channel::sm::Secured;
use channel::suite::{Cipher, Curve};
use channel::{bac, pace};
use iso7816::tlv::{Tag, encode, sole};
use iso7816::{Aid, Card, Chained, Command, Limits, Response, Status, TransmitError};
use lds::directory::Directory;
use soft_card::{BlankOptions, SoftCard};

use crate::support::*;

fn select_file(id: u16) -> Command {
    Command::new(0x00, 0xA4, 0x02, 0x0C).with_data(id.to_be_bytes())
}

fn read(offset: u16, ne: u32) -> Command {
    let [p1, p2] = offset.to_be_bytes();
    Command::new(0x00, 0xB0, p1, p2).with_ne(ne)
}

fn ask(card: &mut dyn Card, command: &Command) -> Response {
    card.transmit(command).unwrap()
}

/// The whole file, in short reads and then with the odd instruction.
fn read_file(card: &mut dyn Card, id: u16) -> Vec<u8> {
    must(card, &select_file(id)).unwrap();
    let mut contents = Vec::new();
    loop {
        let offset = contents.len();
        let response = match u16::try_from(offset).ok().filter(|offset| *offset < 0x8000) {
            Some(offset) => ask(card, &read(offset, 256)),
            None => {
                let position = encode(Tag(0x54), &(offset as u32).to_be_bytes()[1..]);
                let mut response = ask(card, &Command::new(0x00, 0xB1, 0, 0).with_data(position).with_ne(256));
                if response.status.is_ok() {
                    response.data = sole(&response.data, Tag(0x53)).unwrap().to_vec();
                }
                response
            }
        };
        match response.status {
            Status::OK => contents.extend(response.data),
            Status::WRONG_P1_P2 => return contents,
            other => panic!("{other}"),
        }
    }
}

fn ecdh(cipher: Cipher) -> ChipAuthSuite {
    ChipAuthSuite { agreement: KeyAgreement::Ecdh, cipher }
}

fn suite(curve: Curve, cipher: Cipher) -> Suite {
    Suite { mapping: Mapping::Generic, group: curve.into(), cipher }
}

/// PACE at the master file, then the application under secure messaging.
fn by_pace<'a>(card: &'a mut SoftCard, password: &channel::password::Password) -> Secured<Box<dyn Card + 'a>> {
    let session =
        pace::open(card, &suite(Curve::P256, Cipher::Aes128), password, LADDER[0], &mut OsRandom).unwrap().session;
    let mut card: Secured<Box<dyn Card + 'a>> = Secured::new(session, Box::new(card));
    must(&mut card, &Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(Aid::emrtd().as_bytes())).unwrap();
    card
}

#[test]
fn every_suite_and_password_opens_the_card_at_both_levels() {
    let document = Document::new(100);
    for (curve, cipher) in SUITES {
        for password in [mrz(), can()] {
            for at_application in [false, true] {
                let mut card = personalized(&document);
                let access = read_file(&mut card, 0x011C);
                assert_eq!(access, document.file(0x011C));
                if at_application {
                    must(&mut card, &select(&Aid::emrtd())).unwrap();
                }
                let session =
                    pace::open(&mut card, &suite(curve, cipher), &password, LADDER[0], &mut OsRandom).unwrap().session;
                let mut card = Secured::new(session, &mut card);
                if !at_application {
                    must(&mut card, &select(&Aid::emrtd())).unwrap();
                }
                for id in [0x011E, 0x011D, 0x0101, 0x0102, 0x010E] {
                    assert_eq!(read_file(&mut card, id), document.file(id), "{id:04X}");
                }
            }
        }
    }
}

#[test]
fn basic_access_control_opens_the_application() {
    let document = Document::new(600);
    let mut card = personalized(&document);
    must(&mut card, &select(&Aid::emrtd())).unwrap();
    let key = channel::password::MrzKey::from_information(INFORMATION);
    let session = bac::open(&mut card, &key, &mut OsRandom).unwrap();
    let mut secured = Secured::new(session, &mut card);
    assert_eq!(read_file(&mut secured, 0x0102), document.file(0x0102));
    // The most that one short response carries under 3DES.
    assert_eq!(ask(&mut secured, &read(0, 231)).data.len(), 231);
}

#[test]
fn wrong_passwords_open_nothing() {
    let mut card = personalized(&Document::new(100));
    let wrong = channel::password::Password::Can(channel::secret::Secret::from(&b"000000"[..]));
    let error =
        pace::open(&mut card, &suite(Curve::P256, Cipher::Aes128), &wrong, LADDER[0], &mut OsRandom).err().unwrap();
    assert!(matches!(error, pace::PaceError::WrongPassword { .. }), "{error}");
    must(&mut card, &select(&Aid::emrtd())).unwrap();
    let other = channel::password::MrzKey::from_information("L898902C<369080619406237");
    let error = bac::open(&mut card, &other, &mut OsRandom).err().unwrap();
    assert!(matches!(error, bac::BacError::Refused { instruction: 0x82, .. }), "{error}");
    assert_eq!(status(&mut card, "00b09e0000"), 0x6982);
}

#[test]
fn guessing_gets_slow_and_power_does_not_help() {
    let mut card = personalized(&Document::new(100));
    let attempt = |card: &mut SoftCard, right: bool| {
        let password = if right { can() } else { channel::password::Password::Can(b"000000"[..].into()) };
        let begun = std::time::Instant::now();
        let opened = pace::open(card, &suite(Curve::P256, Cipher::Aes128), &password, LADDER[0], &mut OsRandom);
        assert_eq!(opened.is_ok(), right);
        begun.elapsed().as_millis()
    };
    for counted in 1..=4 {
        attempt(&mut card, false);
        assert_eq!(card.state().emrtd.wrong_passwords, counted);
    }
    // As after power: a card of the same memory.
    let mut card = SoftCard::from_state(card.state());
    assert!(attempt(&mut card, false) >= 100);
    assert!(attempt(&mut card, true) >= 200, "the right password waits too: nobody tells them apart by time");
    assert_eq!(card.state().emrtd.wrong_passwords, 0);
    must(&mut card, &select(&Aid::emrtd())).unwrap();
    let other = channel::password::MrzKey::from_information("L898902C<369080619406237");
    assert!(bac::open(&mut card, &other, &mut OsRandom).is_err());
    assert_eq!(card.state().emrtd.wrong_passwords, 1);
}

#[test]
fn chip_authentication_replaces_the_session() {
    let document = Document::new(100);
    for cipher in [Cipher::TripleDes, Cipher::Aes128] {
        let mut card = personalized(&document);
        let mut secured = by_pace(&mut card, &can());
        let key = ChipPublicKey { group: Curve::P256.into(), octets: document.chip_point.clone() };
        let session = chip_auth::open(&mut secured, &key, None, ecdh(cipher), &mut OsRandom).unwrap().session;
        secured.replace(session);
        assert_eq!(secured.session().cipher(), cipher);
        assert_eq!(read_file(&mut secured, 0x0101), document.file(0x0101));
    }
}

#[test]
fn a_clone_cannot_go_on_after_chip_authentication() {
    let document = Document::new(100);
    let clone = soft_card::forge::new_chip_key(personalized(&document).state()).unwrap();
    let mut card = SoftCard::from_state(&clone);
    let mut secured = by_pace(&mut card, &can());
    let key = ChipPublicKey { group: Curve::P256.into(), octets: document.chip_point.clone() };
    let suite = ecdh(Cipher::Aes128);
    let session = chip_auth::open(&mut secured, &key, None, suite, &mut OsRandom).unwrap().session;
    secured.replace(session);
    let error = secured.transmit(&select_file(0x0101)).unwrap_err();
    assert!(matches!(error, TransmitError::Unprotected { status: Status::SM_OBJECTS_INCORRECT }), "{error}");
}

#[test]
fn a_suite_that_dg14_does_not_announce_is_refused() {
    let document = Document::new(100);
    let mut card = personalized(&document);
    let mut secured = by_pace(&mut card, &can());
    let key = ChipPublicKey { group: Curve::P256.into(), octets: document.chip_point.clone() };
    let suite = ecdh(Cipher::Aes256);
    let error = chip_auth::open(&mut secured, &key, None, suite, &mut OsRandom).err().unwrap();
    assert!(matches!(error, chip_auth::ChipAuthError::Refused { instruction: 0x22, .. }), "{error}");
    // The session goes on.
    assert_eq!(read_file(&mut secured, 0x0101), document.file(0x0101));
}

#[test]
fn an_altered_data_group_reads_back_altered() {
    let document = Document::new(100);
    let altered = soft_card::forge::alter_data_group(personalized(&document).state(), 1).unwrap();
    let mut card = SoftCard::from_state(&altered);
    let read = read_file(&mut by_pace(&mut card, &mrz()), 0x0101);
    let original = document.file(0x0101);
    assert_eq!(read.len(), original.len());
    assert_eq!(read.iter().zip(original).filter(|(a, b)| a != b).count(), 1);
    assert!(soft_card::forge::alter_data_group(&altered, 13).is_err());
}

#[test]
fn files_beyond_32_kilobytes_read_whole_short_and_extended() {
    let document = Document::new(40_000);
    let mut card = personalized(&document);
    let mut secured = by_pace(&mut card, &can());
    assert_eq!(read_file(&mut secured, 0x0102), document.file(0x0102));
    // One extended read, by short identifier.
    let whole = ask(&mut secured, &Command::new(0x00, 0xB0, 0x82, 0x00).with_ne(65_536));
    assert_eq!(whole.data, document.file(0x0102));
    let limits = Limits { command_data: 255, response_data: 65_536 };
    let mut chained = Chained::new(secured, limits);
    assert_eq!(read_file(&mut chained, 0x0101), document.file(0x0101));
}

#[test]
fn reads_keep_to_the_file_and_to_le() {
    let document = Document::new(100);
    let mut card = personalized(&document);
    let mut secured = by_pace(&mut card, &can());
    must(&mut secured, &select_file(0x0101)).unwrap();
    let size = document.file(0x0101).len() as u16;
    let answer = ask(&mut secured, &read(size - 4, 4));
    assert_eq!((answer.status, answer.data.len()), (Status::OK, 4));
    let answer = ask(&mut secured, &read(size - 4, 5));
    assert_eq!((answer.status, answer.data.len()), (Status::END_OF_FILE, 4));
    let answer = ask(&mut secured, &read(size - 4, 256));
    assert_eq!((answer.status, answer.data.len()), (Status::OK, 4));
    for offset in [size, size + 1, 0x7FFF] {
        assert_eq!(ask(&mut secured, &read(offset, 1)).status, Status::WRONG_P1_P2);
    }
    let odd = |data: Vec<u8>| Command::new(0x00, 0xB1, 0x01, 0x01).with_data(data).with_ne(256);
    assert_eq!(sole(&ask(&mut secured, &odd(encode(Tag(0x54), [0]))).data, Tag(0x53)).unwrap(), document.file(0x0101));
    assert_eq!(ask(&mut secured, &odd(encode(Tag(0x54), [0xFF; 4]))).status, Status::WRONG_P1_P2);
    assert_eq!(ask(&mut secured, &odd(encode(Tag(0x54), []))).status, Status::WRONG_DATA);
}

#[test]
fn refusals_inside_a_session_are_protected_and_the_session_goes_on() {
    let document = Document::new(100);
    let mut card = personalized(&document);
    let mut secured = by_pace(&mut card, &can());
    // `Secured` fails on a bare status word, so each of these answers was protected.
    for (command, status) in [
        (select_file(0x0105), Status::FILE_NOT_FOUND),
        (select_file(0x0177), Status::FILE_NOT_FOUND),
        (select_file(0x0103), Status::SECURITY_NOT_SATISFIED),
        (read(0, 256), Status::NO_CURRENT_FILE),
        (Command::new(0x00, 0xB0, 0x83, 0).with_ne(256), Status::SECURITY_NOT_SATISFIED),
        (Command::new(0x00, 0xD6, 0, 0).with_data([1]), Status::INSTRUCTION_NOT_SUPPORTED),
        (Command::new(0x00, 0x84, 0, 0).with_ne(8), Status::CONDITIONS_NOT_SATISFIED),
        (Command::new(0x00, 0x22, 0xC1, 0xA4).with_data([0x83, 1, 1]), Status::CONDITIONS_NOT_SATISFIED),
        (Command::new(0x00, 0x86, 0, 0).with_data([0x7C, 0]), Status::CONDITIONS_NOT_SATISFIED),
        (select(&Aid::issuer_domain()), Status::FILE_NOT_FOUND),
    ] {
        assert_eq!(ask(&mut secured, &command).status, status, "{command:?}");
    }
    assert_eq!(read_file(&mut secured, 0x011D), document.file(0x011D));
    // Back at the master file and in again, still under the session.
    must(&mut secured, &Command::new(0x00, 0xA4, 0x00, 0x0C).with_data([0x3F, 0x00])).unwrap();
    assert_eq!(read_file(&mut secured, 0x011C), document.file(0x011C));
    assert_eq!(ask(&mut secured, &select_file(0x0101)).status, Status::FILE_NOT_FOUND);
    must(&mut secured, &select(&Aid::emrtd())).unwrap();
    assert_eq!(read_file(&mut secured, 0x0101), document.file(0x0101));
}

#[test]
fn a_plain_command_or_a_broken_one_ends_the_session() {
    let document = Document::new(100);
    let protected_read = |session: &mut channel::sm::Session<channel::role::Terminal>| {
        session.protect_command(&Command::new(0x00, 0xB0, 0x81, 0x00).with_ne(16)).unwrap()
    };
    type Break = fn(&mut SoftCard, Command) -> u16;
    let ways: [(Break, u16); 6] = [
        (|card, _| status(card, "00b0810010"), 0x6982),
        (|card, _| status(card, "00a4040c07a0000002471001"), 0x9000),
        (|card, _| status(card, "80ca9f7f00"), 0x6E00),
        (
            |card, mut read| {
                *read.data.last_mut().unwrap() ^= 1;
                card.transmit(&read).unwrap().status.0
            },
            0x6988,
        ),
        (
            |card, mut read| {
                read.p2 ^= 1;
                card.transmit(&read).unwrap().status.0
            },
            0x6988,
        ),
        (
            |card, read| {
                // The checksum's data object is missing.
                let read = Command { data: read.data[..read.data.len() - 10].to_vec(), ..read };
                card.transmit(&read).unwrap().status.0
            },
            0x6987,
        ),
    ];
    for (way, expected) in ways {
        let mut card = personalized(&document);
        must(&mut card, &select(&Aid::emrtd())).unwrap();
        let mut session = pace::open(&mut card, &suite(Curve::P256, Cipher::Aes128), &can(), LADDER[0], &mut OsRandom)
            .unwrap()
            .session;
        let read = protected_read(&mut session);
        assert_eq!(way(&mut card, read), expected);
        // The session is gone: even a sound command is refused, bare.
        let read = protected_read(&mut session);
        let answer = card.transmit(&read).unwrap();
        assert_eq!((answer.status, answer.data.len()), (Status::SM_OBJECTS_INCORRECT, 0));
        assert_eq!(status(&mut card, "00b0810010"), 0x6982);
    }
}

#[test]
fn a_recorded_command_cannot_be_repeated() {
    let document = Document::new(100);
    let mut card = personalized(&document);
    must(&mut card, &select(&Aid::emrtd())).unwrap();
    let mut session =
        pace::open(&mut card, &suite(Curve::P256, Cipher::Aes128), &can(), LADDER[0], &mut OsRandom).unwrap().session;
    let read = session.protect_command(&Command::new(0x00, 0xB0, 0x81, 0x00).with_ne(16)).unwrap();
    assert!(card.transmit(&read).unwrap().status.is_ok());
    assert_eq!(card.transmit(&read).unwrap().status, Status::SM_OBJECTS_INCORRECT);
}

#[test]
fn the_directory_lists_every_application_of_the_card() {
    let listed = |eid| {
        let mut card = SoftCard::blank(BlankOptions { eid, ..BlankOptions::default() }).unwrap();
        let directory = Directory::parse(&send(&mut card, "00b09e0000").data).unwrap();
        let identifiers: Vec<_> = directory.applications.into_iter().map(|listed| listed.identifier).collect();
        // Each can be selected by the name that is listed.
        identifiers.iter().for_each(|aid| assert!(must(&mut card, &select(aid)).is_ok(), "{aid}"));
        identifiers
    };
    let citizen = [eid::Application::Piv.aid(), eid::Application::National.aid()];
    assert_eq!(listed(false), [Aid::emrtd()]);
    assert_eq!(listed(true), [vec![Aid::emrtd()], citizen.to_vec()].concat());
}

#[test]
fn the_master_file_shows_its_free_files_to_anyone() {
    let document = Document::new(100);
    let mut card = personalized(&document);
    assert_eq!(send(&mut card, "00b09c0000").data, document.file(0x011C), "EF.CardAccess by short identifier");
    assert_eq!(send(&mut card, "00b0000410").data, document.file(0x011C)[4..20], "which made it current");
    assert_eq!(hex::encode(send(&mut card, "00b09e0000").data), "61094f07a0000002471001", "EF.DIR");
    let info = "4301f84703d401e07f660a020300ffff020300ffff";
    assert_eq!(hex::encode(send(&mut card, "00b0810000").data), info, "EF.ATR/INFO");
    let size = document.file(0x011C).len() as u8;
    let control = format!("6f0a8004000000{size:02x}8302011c");
    assert_eq!(hex::encode(send(&mut card, "00a4020002011c00").data), control);
    assert_eq!(send(&mut card, "00a4020002011c").to_bytes(), [0x90, 0x00]);
    // Also to a host that comes after one which spoke to the issuer domain.
    assert_eq!(status(&mut card, "80ca9f7f00"), 0x9000);
    assert_eq!(send(&mut card, "00b09c0000").data, document.file(0x011C));
    assert_eq!(status(&mut card, "10a4040c07a0000002471001"), 0x6884);
}
