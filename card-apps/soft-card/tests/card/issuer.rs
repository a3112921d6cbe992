//! The issuer domain's dialogue.

use channel::random::OsRandom;
use channel::scp03::{self, KeySet, SecurityLevel, key_check_value};
use channel::secret::Secret;
use iso7816::tlv::{Tag, encode};
use iso7816::{Aid, Card, Command, Status};
use lds::globalplatform::keys::delete_key_set;
use lds::globalplatform::{CardRecognitionData, Cplc, Dgi, KeyInformation, install_for_personalization};
use soft_card::emrtd::ApplicationLife;
use soft_card::issuer_domain::CardLife;
use soft_card::{BlankOptions, SoftCard};

use crate::support::*;

#[test]
fn a_card_is_personalized_under_every_level_and_any_cut_into_blocks() {
    let document = Document::new(500);
    for level in [
        SecurityLevel::CommandMac,
        SecurityLevel::CommandEncryption,
        SecurityLevel::BothMac,
        SecurityLevel::CommandEncryptionBothMac,
        SecurityLevel::Full,
    ] {
        for size in [7, 200, 4000] {
            let mut card = blank();
            personalize(&mut card, &document, level, size).unwrap();
            let state = card.state();
            assert_eq!(state.issuer_domain.life_cycle, CardLife::Secured);
            assert_eq!(state.emrtd.life_cycle, ApplicationLife::Personalized);
            for dgi in &document.files {
                assert_eq!(state.emrtd.files[&dgi.id], dgi.value, "{:04X}", dgi.id);
            }
            assert_eq!(state.emrtd.files.len(), document.files.len());
            assert_eq!(state.emrtd.mrz_information.as_ref().unwrap().expose(), INFORMATION.as_bytes());
            assert_eq!(state.emrtd.card_access_number.as_ref().unwrap().expose(), DIGITS);
            assert_eq!(state.emrtd.chip_key.as_ref().unwrap().private.expose(), [0x2A; 32]);
            assert_eq!(life_cycles(&mut card), (0x0F, 0x0F));
        }
    }
}

#[test]
fn block_numbers_wrap_at_256() {
    let mut card = blank();
    // More than 300 blocks.
    personalize(&mut card, &Document::new(2000), SecurityLevel::Full, 8).unwrap();
    assert_eq!(card.state().emrtd.life_cycle, ApplicationLife::Personalized);
}

#[test]
fn get_data_answers_without_a_channel() {
    let mut card = blank();
    let cplc = Cplc::parse(&send(&mut card, "80ca9f7f00").data).unwrap();
    assert_eq!(cplc.chip_serial(), card.state().chip_serial());
    let recognition = CardRecognitionData::parse(&send(&mut card, "80ca006600").data).unwrap();
    assert_eq!((recognition.version, recognition.secure_channels), (vec![2, 3, 1], vec![(3, 0x70)]));
    let keys = KeyInformation::parse_template(&send(&mut card, "00ca00e000").data).unwrap();
    assert_eq!(keys.iter().map(|key| (key.id, key.version)).collect::<Vec<_>>(), [(1, 0x30), (2, 0x30), (3, 0x30)]);
    assert_eq!(hex::encode(send(&mut card, "80ca00c100").data), "c103000000");
    let whole = send(&mut card, "80ca006600").data;
    assert_eq!(send(&mut card, "80ca007300").data, whole[2..]);
    let offered = send(&mut card, "8050000008000102030405060700").data;
    assert_eq!(send(&mut card, "80ca00cf00").data, [&[0xCF, 10][..], &offered[..10]].concat());
    card.reset();
    for absent in ["80ca004500", "80ca004200", "80ca123400"] {
        assert_eq!(status(&mut card, absent), 0x6A88);
    }
    let mut channel = open(&mut card, SecurityLevel::CommandMac).unwrap();
    let data = [encode(Tag(0x42), [0x36, 0x80]), encode(Tag(0x45), b"A12345678")].concat();
    must(&mut channel, &Command::new(0x80, 0xE2, 0x90, 0x00).with_data(data)).unwrap();
    card.reset();
    assert_eq!(hex::encode(send(&mut card, "80ca004500").data), format!("4509{}", hex::encode("A12345678")));
    assert_eq!(hex::encode(send(&mut card, "80ca004200").data), "42023680");
    assert_eq!(hex::encode(send(&mut card, "80ca00c100").data), "c103000002", "two sessions were begun");
}

#[test]
fn a_chip_is_bound_once() {
    let mut card = blank();
    let bind = |number: &[u8]| Command::new(0x80, 0xE2, 0x90, 0x00).with_data(encode(Tag(0x45), number));
    let mut channel = open(&mut card, SecurityLevel::Full).unwrap();
    must(&mut channel, &bind(b"A1")).unwrap();
    must(&mut channel, &bind(b"A1")).unwrap();
    assert_eq!(channel.transmit(&bind(b"A2")).unwrap().status, Status::CONDITIONS_NOT_SATISFIED);
    assert_eq!(channel.transmit(&bind(b"")).unwrap().status, Status::WRONG_DATA);
    assert_eq!(channel.transmit(&bind(&[7; 33])).unwrap().status, Status::WRONG_DATA);
    assert_eq!(card.state().issuer_domain.card_image_number.as_deref(), Some(&b"A1"[..]));
}

#[test]
fn selection_answers_with_and_without_le() {
    let mut card = blank();
    assert_eq!(
        hex::encode(send(&mut card, "00a4040008a00000015100000000").data),
        "6f108408a000000151000000a5049f6501ff"
    );
    assert_eq!(send(&mut card, "00a4040008a000000151000000").to_bytes(), [0x90, 0x00]);
    assert_eq!(send(&mut card, "00a4040000").data.len(), 18, "no name: the issuer domain");
    assert_eq!(hex::encode(send(&mut card, "00a4040007a000000247100100").data), "6f098407a0000002471001");
    assert_eq!(send(&mut card, "00a4040c07a0000002471001").to_bytes(), [0x90, 0x00]);
    assert_eq!(send(&mut card, "00a4040c07a000000247100100").to_bytes(), [0x90, 0x00]);
    assert_eq!(status(&mut card, "00a4040005a00000030800"), 0x6A82);
}

#[test]
fn ten_wrong_keys_block_the_domain_for_good() {
    let wrong = Secret::new(vec![0x55; 16]);
    let wrong = KeySet { enc: wrong.clone(), mac: wrong.clone(), dek: wrong };
    let mut card = blank();
    // A host that checks the card's cryptogram never sends its own: no try is lost.
    for _ in 0..20 {
        must(&mut card, &select(&Aid::issuer_domain())).unwrap();
        let error = scp03::open(&mut card, 0x30, &wrong, SecurityLevel::Full, &mut OsRandom).err().unwrap();
        assert!(matches!(error, scp03::Scp03Error::CardCryptogram { key_version: 0x30 }));
    }
    assert_eq!(card.state().issuer_domain.failed_authentications, 0);

    let attack = |card: &mut SoftCard| {
        card.reset();
        assert_eq!(status(card, "8050300008000102030405060700"), 0x9000);
        status(card, "84823300100000000000000000 0000000000000000")
    };
    for tried in 1..10 {
        assert_eq!(attack(&mut card), 0x6982);
        assert_eq!(card.state().issuer_domain.failed_authentications, tried);
    }
    // A good authentication forgives.
    open(&mut card, SecurityLevel::Full).unwrap();
    assert_eq!(card.state().issuer_domain.failed_authentications, 0);
    for _ in 0..10 {
        assert_eq!(attack(&mut card), 0x6982);
    }
    card.reset();
    assert_eq!(status(&mut card, "8050300008000102030405060700"), 0x6983);
    assert!(matches!(open(&mut card, SecurityLevel::Full), Err(Stopped::Refused(0x50, Status::METHOD_BLOCKED))));
    let mut reloaded = SoftCard::from_state(card.state());
    assert_eq!(status(&mut reloaded, "8050300008000102030405060700"), 0x6983);
    assert_eq!(status(&mut reloaded, "80ca9f7f00"), 0x9000);
}

#[test]
fn a_card_challenge_is_never_given_twice() {
    let mut card = blank();
    let mut challenges = std::collections::HashSet::new();
    for _ in 0..50 {
        let answer = send(&mut card, "8050000008000000000000000000").data;
        assert!(challenges.insert(answer[13..21].to_vec()));
        card.reset();
    }
}

#[test]
fn put_key_adds_and_replaces_a_whole_set() {
    for length in [16, 24, 32] {
        let key = |byte| Secret::new(vec![byte; length]);
        let fresh = KeySet { enc: key(1), mac: key(2), dek: key(3) };
        let mut card = blank();
        let mut channel = open(&mut card, SecurityLevel::Full).unwrap();
        let data = put_key_data(&channel, 0x31, &fresh);
        let answer =
            must(&mut channel, &Command::new(0x80, 0xD8, 0x00, 0x81).with_data(data.clone()).with_ne(256)).unwrap();
        let checks = [&fresh.enc, &fresh.mac, &fresh.dek].map(|key| key_check_value(key).unwrap()).concat();
        assert_eq!(answer, [&[0x31][..], &checks].concat());
        let again = channel.transmit(&Command::new(0x80, 0xD8, 0x00, 0x81).with_data(data)).unwrap();
        assert_eq!(again.status, Status::CONDITIONS_NOT_SATISFIED);

        // With the new keys, the old ones are replaced by others under a new version.
        must(&mut card, &select(&Aid::issuer_domain())).unwrap();
        let mut channel =
            scp03::open(&mut card as &mut dyn Card, 0x31, &fresh, SecurityLevel::Full, &mut OsRandom).unwrap();
        let other = KeySet { enc: key(4), mac: key(5), dek: key(6) };
        let data = put_key_data(&channel, 0x32, &other);
        must(&mut channel, &Command::new(0x80, 0xD8, 0x30, 0x81).with_data(data.clone()).with_ne(256)).unwrap();
        let gone = channel.transmit(&Command::new(0x80, 0xD8, 0x30, 0x81).with_data(data)).unwrap();
        assert_eq!(gone.status, Status::CONDITIONS_NOT_SATISFIED);
        assert_eq!(card.state().issuer_domain.keys.keys().collect::<Vec<_>>(), [&0x31, &0x32]);
        assert!(matches!(
            open(&mut card, SecurityLevel::Full),
            Err(Stopped::Refused(0x50, Status::REFERENCED_DATA_NOT_FOUND))
        ));
        must(&mut card, &select(&Aid::issuer_domain())).unwrap();
        scp03::open(&mut card, 0x32, &other, SecurityLevel::CommandMac, &mut OsRandom).unwrap();
    }
}

#[test]
fn a_damaged_key_changes_nothing() {
    let mut card = blank();
    let before = card.state().issuer_domain.keys.len();
    let mut channel = open(&mut card, SecurityLevel::Full).unwrap();
    let data = put_key_data(&channel, 0x31, &default_keys());
    for index in 0..data.len() {
        let mut damaged = data.clone();
        damaged[index] ^= 0x80;
        let response = channel.transmit(&Command::new(0x80, 0xD8, 0x00, 0x81).with_data(damaged)).unwrap();
        assert!(!response.status.is_ok(), "byte {index}");
        let short = Command::new(0x80, 0xD8, 0x00, 0x81).with_data(&data[..index]);
        assert!(!channel.transmit(&short).unwrap().status.is_ok(), "{index} bytes");
    }
    assert_eq!(card.state().issuer_domain.keys.len(), before);
}

#[test]
fn key_sets_stand_side_by_side_and_all_but_the_last_can_be_deleted() {
    let mut card = blank();
    let mut channel = open(&mut card, SecurityLevel::Full).unwrap();
    assert_eq!(channel.transmit(&delete_key_set(0x30)).unwrap().status, Status::CONDITIONS_NOT_SATISFIED);
    for version in [0x31, 0x32, 0x7F] {
        let data = put_key_data(&channel, version, &default_keys());
        must(&mut channel, &Command::new(0x80, 0xD8, 0x00, 0x81).with_data(data).with_ne(256)).unwrap();
    }
    let data = put_key_data(&channel, 0x33, &default_keys());
    let full = channel.transmit(&Command::new(0x80, 0xD8, 0x00, 0x81).with_data(data)).unwrap();
    assert_eq!(full.status, Status::NOT_ENOUGH_MEMORY);
    for version in [0x30, 0x7F, 0x32] {
        assert_eq!(must(&mut channel, &delete_key_set(version)).unwrap(), [0x00]);
        assert_eq!(channel.transmit(&delete_key_set(version)).unwrap().status, Status::REFERENCED_DATA_NOT_FOUND);
    }
    assert_eq!(channel.transmit(&delete_key_set(0x31)).unwrap().status, Status::CONDITIONS_NOT_SATISFIED);
    card.reset();
    let keys = KeyInformation::parse_template(&send(&mut card, "80ca00e000").data).unwrap();
    assert_eq!(keys.iter().map(|key| key.version).collect::<Vec<_>>(), [0x31; 3]);
    assert_eq!(status(&mut card, "80e4000003d2013000"), 0x6982, "outside the channel");
}

#[test]
fn the_maker_s_keys_go_when_the_first_others_come() {
    let mut card = SoftCard::blank(BlankOptions { key_version: 0xFF, ..BlankOptions::default() }).unwrap();
    let mut channel =
        scp03::open(&mut card as &mut dyn Card, 0xFF, &default_keys(), SecurityLevel::Full, &mut OsRandom).unwrap();
    let own = channel.transmit(&Command::new(0x80, 0xD8, 0xFF, 0x81).with_data(put_key_data(
        &channel,
        0xFF,
        &default_keys(),
    )));
    assert_eq!(own.unwrap().status, Status::WRONG_DATA);
    let data = put_key_data(&channel, 0x31, &default_keys());
    must(&mut channel, &Command::new(0x80, 0xD8, 0x00, 0x81).with_data(data).with_ne(256)).unwrap();
    assert_eq!(card.state().issuer_domain.keys.keys().collect::<Vec<_>>(), [&0x31]);
    card.reset();
    assert_eq!(status(&mut card, "8050ff0008000102030405060700"), 0x6A88);
}

#[test]
fn what_this_card_cannot_do_it_says_inside_the_channel_and_nothing_outside() {
    let mut card = blank();
    let cases = [
        ("80e60200 01 00", 0x6A81),
        ("80e60c00 01 00", 0x6A81),
        ("80e64000 01 00", 0x6A81),
        ("80e80000 02 c400", 0x6985),
        ("80e40000 09 4f07a0000002471001", 0x6985),
        ("80e40080 0a 4f08a000000151000000", 0x6985),
        ("80e40000 07 4f05a000000308", 0x6A88),
    ];
    for (text, _) in cases {
        assert_eq!(status(&mut card, text), 0x6982, "{text}");
    }
    let before = card.state().clone();
    let mut channel = open(&mut card, SecurityLevel::Full).unwrap();
    for (text, expected) in cases {
        let command = Command::parse(&hex::decode(text.replace(' ', "")).unwrap()).unwrap();
        assert_eq!(channel.transmit(&command).unwrap().status.0, expected, "{text}");
    }
    assert_eq!(card.state().emrtd, before.emrtd);
}

#[test]
fn the_domain_s_own_data_come_plain_or_in_data_groupings_too() {
    let number = encode(Tag(0x42), [0x36, 0x80]);
    let image = encode(Tag(0x45), b"A1");
    let mut card = blank();
    let mut channel = open(&mut card, SecurityLevel::Full).unwrap();
    let plain = Dgi::new(0x0070, number).to_bytes().unwrap();
    must(&mut channel, &Command::new(0x80, 0xE2, 0x88, 0x00).with_data(plain)).unwrap();
    let secret = Dgi::new(0x0070, channel.encrypt_dek(&image).unwrap()).to_bytes().unwrap();
    must(&mut channel, &Command::new(0x80, 0xE2, 0xE8, 0x00).with_data(secret.clone())).unwrap();
    let other = Dgi::new(0x0071, image).to_bytes().unwrap();
    for (p1, data, expected) in [
        (0x88, other, Status::REFERENCED_DATA_NOT_FOUND),
        (0x88, secret.clone(), Status::WRONG_DATA),
        (0xE8, secret[..secret.len() - 1].to_vec(), Status::WRONG_DATA),
        (0x80, vec![0x42, 0x01, 0x00], Status::WRONG_DATA),
    ] {
        let refused = channel.transmit(&Command::new(0x80, 0xE2, p1, 0x00).with_data(data)).unwrap();
        assert_eq!(refused.status, expected);
    }
    let memory = &card.state().issuer_domain;
    assert_eq!(memory.card_image_number.as_deref(), Some(&b"A1"[..]));
    assert_eq!(memory.issuer_identification.as_deref(), Some(&[0x36, 0x80][..]));
}

pub fn put_key_data<C>(channel: &scp03::Channel<C>, version: u8, keys: &KeySet) -> Vec<u8> {
    let mut data = vec![version];
    for key in [&keys.enc, &keys.mac, &keys.dek] {
        let cryptogram = channel.encrypt_key(key).unwrap();
        data.extend([0x88, cryptogram.len() as u8 + 1, key.expose().len() as u8]);
        data.extend(cryptogram);
        data.push(3);
        data.extend(key_check_value(key).unwrap());
    }
    data
}

#[test]
fn life_cycles_take_legal_steps_only() {
    let states = [0x01, 0x07, 0x0F, 0x7F, 0xFF];
    let reach = |path: &[u8]| {
        let mut card = blank();
        for state in path {
            let mut channel = open(&mut card, SecurityLevel::Full).unwrap();
            must(&mut channel, &set_status(0x80, *state, None)).unwrap();
        }
        card
    };
    // From each state: how to get there, and which states follow.
    let cases: [(&[u8], &[u8]); 3] = [(&[], &[0x0F, 0xFF]), (&[0x0F], &[0x7F, 0xFF]), (&[0x0F, 0x7F], &[0x0F, 0xFF])];
    for (path, legal) in cases {
        for state in states {
            let mut card = reach(path);
            let before = card.state().issuer_domain.life_cycle;
            // A locked card warns at selection and still opens a channel.
            card.transmit(&select(&Aid::issuer_domain())).unwrap();
            let mut channel =
                scp03::open(&mut card as &mut dyn Card, 0, &default_keys(), SecurityLevel::Full, &mut OsRandom)
                    .unwrap();
            let answer = channel.transmit(&set_status(0x80, state, None)).unwrap().status;
            let after = card.state().issuer_domain.life_cycle;
            if legal.contains(&state) {
                assert_eq!((answer, after as u8), (Status::OK, state));
            } else {
                assert_eq!((answer, after), (Status::CONDITIONS_NOT_SATISFIED, before), "{path:02X?} to {state:02X}");
            }
        }
    }
}

#[test]
fn a_rejected_application_is_gone_and_a_dead_card_answers_get_data_only() {
    let document = Document::new(100);
    for from_personalized in [false, true] {
        let mut card = if from_personalized { personalized(&document) } else { blank() };
        let mut channel = open(&mut card, SecurityLevel::Full).unwrap();
        must(&mut channel, &set_status(0x40, 0x83, Some(Aid::emrtd()))).unwrap();
        for state in [0x03, 0x07, 0x0F, 0x83] {
            let answer = channel.transmit(&set_status(0x40, state, Some(Aid::emrtd()))).unwrap().status;
            assert_eq!(answer, Status::CONDITIONS_NOT_SATISFIED, "{state:02X}");
        }
        let refused = channel.transmit(&install_for_personalization(&Aid::emrtd())).unwrap().status;
        assert_eq!(refused, Status::CONDITIONS_NOT_SATISFIED);
        assert_eq!(life_cycles(&mut card).1, 0x83);
        assert_eq!(status(&mut card, "00a4040c07a0000002471001"), 0x6A82);
        card.reset();
        assert_eq!(status(&mut card, "00a4020c02011c"), 0x6A82);
    }

    let mut card = personalized(&document);
    let mut channel = open(&mut card, SecurityLevel::Full).unwrap();
    must(&mut channel, &set_status(0x80, 0x7F, None)).unwrap();
    card.reset();
    assert_eq!(status(&mut card, "00a4040c07a0000002471001"), 0x6A81);
    assert_eq!(status(&mut card, "00a4020c02011c"), 0x6985);
    assert_eq!(status(&mut card, "00a4040c08a000000151000000"), 0x6283);
    let mut channel =
        scp03::open(&mut card as &mut dyn Card, 0, &default_keys(), SecurityLevel::Full, &mut OsRandom).unwrap();
    assert_eq!(
        channel.transmit(&install_for_personalization(&Aid::emrtd())).unwrap().status,
        Status::CONDITIONS_NOT_SATISFIED
    );
    must(&mut channel, &set_status(0x80, 0xFF, None)).unwrap();
    card.reset();
    assert_eq!(card.state().issuer_domain.life_cycle, CardLife::Terminated);
    assert_eq!(status(&mut card, "00a4040c08a000000151000000"), 0x6285);
    assert_eq!(status(&mut card, "80ca9f7f00"), 0x9000);
    assert_eq!(status(&mut card, "8050000008000102030405060700"), 0x6985);
    assert_eq!(status(&mut card, "00a4040c07a0000002471001"), 0x6A81);
}

#[test]
fn get_status_lists_what_is_asked_for() {
    let mut card = blank();
    let mut channel = open(&mut card, SecurityLevel::Full).unwrap();
    let ask = |channel: &mut scp03::Channel<_>, text: &str| {
        let response = channel.transmit(&Command::parse(&hex::decode(text).unwrap()).unwrap()).unwrap();
        (response.status.0, hex::encode(response.data))
    };
    let application = "e3124f07a00000024710019f700107c503000000".to_owned();
    assert_eq!(ask(&mut channel, "80f24002024f0000"), (0x9000, application.clone()));
    assert_eq!(ask(&mut channel, "80f24002094f07a000000247100100"), (0x9000, application));
    assert_eq!(ask(&mut channel, "80f24002044f02a00100").0, 0x6A88);
    assert_eq!(ask(&mut channel, "80f28002024f0000").1, "e3134f08a0000001510000009f700107c5039efe80");
    assert_eq!(ask(&mut channel, "80f22002024f0000").0, 0x6A88);
}
