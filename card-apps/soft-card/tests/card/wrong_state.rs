//! Every command where it does not belong: a status word, and no state lost that must be kept.

use channel::random::OsRandom;
use channel::scp03::{self, SecurityLevel};
use iso7816::{Aid, Card, Command, Status};
use lds::globalplatform::install_for_personalization;

use crate::support::*;

#[test]
fn a_blank_reads_nothing_out() {
    let mut card = blank();
    for (command, expected) in [
        // The master file: no EF.CardAccess means no PACE.
        ("00a4020c02011c", 0x6A82),
        ("00b09c0000", 0x6A82),
        ("00b0000000", 0x6986),
        // EF.CardSecurity, on a card that has it, comes after PACE.
        ("00a4020c02011d", 0x6982),
        ("0022c1a40f800a04007f00070202040202830101", 0x6985),
        ("10860000027c0000", 0x6985),
        ("0084000008", 0x6985),
        ("00a4020c022f00", 0x9000),
        ("00b0000000", 0x9000),
        ("00b0810000", 0x9000),
        // The application.
        ("00a4040c07a0000002471001", 0x9000),
        ("00a4020c02011e", 0x6985),
        ("00a4020c020101", 0x6985),
        ("00b0000000", 0x6985),
        ("00b09e0000", 0x6985),
        ("00b1000003540100 00", 0x6985),
        ("0084000008", 0x6985),
        ("0082000028".to_owned().as_str(), 0x6985),
        ("0022c1a40f800a04007f00070202040202830101", 0x6985),
        ("002241a40c800a04007f00070202030202", 0x6985),
        ("002241a603910104", 0x6985),
        ("00860000027c0000", 0x6985),
        ("0cb08100 0d 970100 8e080000000000000000 00", 0x6988),
        ("00d6000001aa", 0x6D00),
        ("0020000106313233343536", 0x6D00),
        ("80ca9f7f00", 0x6E00),
        ("a0a40000023f00", 0x6E00),
        ("01a4020c02011e", 0x6881),
        ("04a4020c02011e", 0x6882),
        ("10a4020c02011e", 0x6884),
        ("00a4020c0501", 0x6700),
    ] {
        // EXTERNAL AUTHENTICATE needs its forty bytes.
        let command = if command == "0082000028" { format!("{command}{}", "00".repeat(40)) } else { command.into() };
        assert_eq!(status(&mut card, &command), expected, "{command}");
    }
}

#[test]
fn a_personalized_card_protects_its_files() {
    let mut card = personalized(&Document::new(100));
    for (command, expected) in [
        ("0084000008", 0x6985),
        ("10860000027c0000", 0x6985),
        ("00a4020c02011e", 0x6A82),
        ("00a4040c07a0000002471001", 0x9000),
        ("00b0000000", 0x6982),
        ("00a4020c02011e", 0x6982),
        ("00a4020c020101", 0x6982),
        // Files that the card does not have are no different.
        ("00a4020c020105", 0x6982),
        ("00a4020c020177", 0x6982),
        ("00b0810000", 0x6982),
        ("00b09f0000", 0x6A86),
        ("00b1010103540100 00", 0x6982),
        ("002241a40c800a04007f00070202030202", 0x6982),
        ("002241a603910104", 0x6982),
        ("00860000027c0000", 0x6985),
        ("0022c1a40f800a04007f00070202040202830103", 0x6A88),
        ("0022c1a40f800a04007f00070202040302830101", 0x6A80),
        // A challenge is good for the very next command only.
        ("0084000008", 0x9000),
        ("00a4040c07a0000002471001", 0x9000),
    ] {
        assert_eq!(status(&mut card, command), expected, "{command}");
    }
    let authenticate = format!("0082000028{}28", "00".repeat(40));
    assert_eq!(status(&mut card, &authenticate), 0x6985);
    assert_eq!(status(&mut card, "0084000008"), 0x9000);
    assert_eq!(status(&mut card, "00b0810000"), 0x6982);
    assert_eq!(status(&mut card, &authenticate), 0x6985);
    assert_eq!(status(&mut card, "0084000008"), 0x9000);
    assert_eq!(status(&mut card, &authenticate), 0x6300);
    // PACE, interrupted after its first step.
    assert_eq!(status(&mut card, "0022c1a40f800a04007f00070202040202830102"), 0x9000);
    assert_eq!(status(&mut card, "10860000027c0000"), 0x9000);
    assert_eq!(status(&mut card, "0084000008"), 0x9000);
    assert_eq!(status(&mut card, "10860000027c0000"), 0x6985);
}

#[test]
fn the_issuer_domain_wants_its_channel() {
    let mut card = blank();
    let install = hex::encode(install_for_personalization(&Aid::emrtd()).to_bytes());
    for (command, expected) in [
        ("80f24002024f0000", 0x6982),
        ("80f28002024f0000", 0x6982),
        ("80f0800f", 0x6982),
        (install.as_str(), 0x6982),
        ("80e2900003450141", 0x6982),
        ("80d8008101aa", 0x6982),
        ("84f240020a4f00000000000000000000", 0x6985),
        ("848233001000000000000000000000000000000000", 0x6985),
        ("8050310008000102030405060700", 0x6A88),
        ("80e4000003d20130", 0x6982),
        ("80e6020000", 0x6982),
        ("80e80000", 0x6982),
        ("80b0000000", 0x6D00),
        ("81ca9f7f00", 0x6881),
    ] {
        assert_eq!(status(&mut card, command), expected, "{command}");
    }
    assert_eq!(card.state().issuer_domain.failed_authentications, 0, "no key was tried");
}

#[test]
fn a_plain_command_ends_the_channel() {
    let mut card = blank();
    let mut keep = open(&mut card, SecurityLevel::CommandMac).unwrap();
    must(&mut keep, &get_status(0x40)).unwrap();
    let below = keep.into_inner();
    assert_eq!(below.transmit(&get_status(0x40)).unwrap().status, Status::SECURITY_NOT_SATISFIED);
    assert_eq!(status(&mut card, "84f240020a4f00000000000000000000"), 0x6985);
}

#[test]
fn personalization_out_of_order_is_refused_and_starts_again() {
    let document = Document::new(300);
    let refuse = |prepare: &dyn Fn(&mut scp03::Channel<&mut dyn Card>) -> Command, expected: Status| {
        let mut card = blank();
        let mut channel = open(&mut card, SecurityLevel::Full).unwrap();
        let command = prepare(&mut channel);
        assert_eq!(channel.transmit(&command).unwrap().status, expected, "{command:?}");
        // Whatever happened, the card can be written from the start, and not sealed before.
        let early = channel.transmit(&set_status(0x40, 0x0F, Some(Aid::emrtd()))).unwrap().status;
        assert_eq!(early, Status::CONDITIONS_NOT_SATISFIED);
        must(&mut channel, &install_for_personalization(&Aid::emrtd())).unwrap();
        store_all(&mut channel, &document, 100).unwrap();
        must(&mut channel, &set_status(0x40, 0x0F, Some(Aid::emrtd()))).unwrap();
    };
    let installed = |channel: &mut scp03::Channel<&mut dyn Card>| {
        must(channel, &install_for_personalization(&Aid::emrtd())).unwrap();
    };
    let store =
        |p1: u8, number: u8, data: &str| Command::new(0x80, 0xE2, p1, number).with_data(hex::decode(data).unwrap());

    // Without INSTALL the blocks are the issuer domain's own.
    refuse(&|_| store(0x08, 0, "01010461020000"), Status::REFERENCED_DATA_NOT_FOUND);
    refuse(&|_| store(0x90, 1, "450141"), Status::INCORRECT_P1_P2);
    refuse(&|_| store(0x90, 0, "4f0141"), Status::REFERENCED_DATA_NOT_FOUND);
    let after_install: [(u8, u8, &str, Status); 14] = [
        (0x08, 1, "0101026100", Status::INCORRECT_P1_P2),
        (0x00, 0, "0101026100", Status::WRONG_DATA),
        (0x10, 0, "450141", Status::WRONG_DATA),
        (0x28, 0, "0101026100", Status::WRONG_DATA),
        // Another tag, trailing bytes, a file that is not written, a file that does not exist.
        (0x08, 0, "0101027500", Status::WRONG_DATA),
        (0x08, 0, "010103610000", Status::WRONG_DATA),
        (0x08, 0, "2f00026100", Status::REFERENCED_DATA_NOT_FOUND),
        (0x08, 0, "0111026100", Status::REFERENCED_DATA_NOT_FOUND),
        // Secrets do not come in plain, nor files encrypted.
        (0x08, 0, "800206323731383238", Status::REFERENCED_DATA_NOT_FOUND),
        (0x68, 0, "01011000000000000000000000000000000000", Status::WRONG_DATA),
        (0x68, 0, "8002020000", Status::WRONG_DATA),
        // The last block must finish its data groupings.
        (0x88, 0, "01010561", Status::WRONG_DATA),
        // Reserved bits.
        (0x48, 0, "0101026100", Status::INCORRECT_P1_P2),
        (0x09, 0, "0101026100", Status::INCORRECT_P1_P2),
    ];
    for (p1, number, data, expected) in after_install {
        refuse(
            &|channel| {
                installed(channel);
                store(p1, number, data)
            },
            expected,
        );
    }
    // The kind of block changes inside a data grouping.
    refuse(
        &|channel| {
            installed(channel);
            must(channel, &store(0x08, 0, "01010561")).unwrap();
            store(0x68, 1, "03000000")
        },
        Status::WRONG_DATA,
    );
    // A block after a refused one, and one after the last.
    refuse(
        &|channel| {
            installed(channel);
            assert!(!channel.transmit(&store(0x08, 9, "0101026100")).unwrap().status.is_ok());
            store(0x08, 0, "0101026100")
        },
        Status::REFERENCED_DATA_NOT_FOUND,
    );
    // Encrypted values that are no MRZ, no CAN, no key.
    for (id, value) in [
        (0x8001, &b"short"[..]),
        (0x8001, &[b'a'; 24]),
        (0x8002, b"12345"),
        (0x8002, b"12345A"),
        (0x8003, b"\x80\x01\x0e"),
        (0x8004, b"1"),
        (0x8005, b"1"),
        (0x8006, b"1"),
    ] {
        let expected = if id == 0x8006 { Status::REFERENCED_DATA_NOT_FOUND } else { Status::WRONG_DATA };
        refuse(
            &|channel| {
                installed(channel);
                let dgi = lds::globalplatform::Dgi::new(id, channel.encrypt_dek(value).unwrap());
                Command::new(0x80, 0xE2, 0x68, 0).with_data(dgi.to_bytes().unwrap())
            },
            expected,
        );
    }
}

#[test]
fn more_than_the_memory_holds_is_refused() {
    let mut card = blank();
    let mut channel = open(&mut card, SecurityLevel::CommandMac).unwrap();
    must(&mut channel, &install_for_personalization(&Aid::emrtd())).unwrap();
    let mut answers = Vec::new();
    for (number, (id, tag)) in [(0x0102u16, 0x75u8), (0x0105, 0x65), (0x0107, 0x67)].into_iter().enumerate() {
        let value = [&[tag, 0x83, 0x00, 0xF0, 0x00][..], &vec![0; 0xF000]].concat();
        let dgi = lds::globalplatform::Dgi::new(id, value).to_bytes().unwrap();
        answers.push(channel.transmit(&Command::new(0x80, 0xE2, 0x08, number as u8).with_data(dgi)).unwrap().status);
    }
    assert_eq!(answers, [Status::OK, Status::OK, Status::NOT_ENOUGH_MEMORY]);
}

#[test]
fn a_finished_card_takes_no_more_data() {
    let mut card = personalized(&Document::new(100));
    let before = card.state().emrtd.clone();
    let mut channel = open(&mut card, SecurityLevel::Full).unwrap();
    for command in [
        install_for_personalization(&Aid::emrtd()),
        set_status(0x40, 0x0F, Some(Aid::emrtd())),
        set_status(0x40, 0x07, Some(Aid::emrtd())),
        set_status(0x80, 0x0F, None),
        set_status(0x80, 0x07, None),
        Command::new(0x80, 0xE2, 0x90, 0).with_data([0x45, 1, 0x41]),
    ] {
        assert_eq!(channel.transmit(&command).unwrap().status, Status::CONDITIONS_NOT_SATISFIED, "{command:?}");
    }
    let dgi = Command::new(0x80, 0xE2, 0x88, 0).with_data([0x01, 0x01, 0x02, 0x61, 0x00]);
    assert_eq!(channel.transmit(&dgi).unwrap().status, Status::REFERENCED_DATA_NOT_FOUND);
    assert_eq!(card.state().emrtd, before);
}

#[test]
fn an_unfinished_set_of_files_cannot_be_sealed() {
    let whole = Document::new(50);
    for left_out in [0x0101, 0x011D, 0x011E, 0x8001] {
        let mut document = Document::new(50);
        document.files.retain(|dgi| dgi.id != left_out);
        document.secrets.retain(|dgi| dgi.id != left_out);
        let mut card = blank();
        let result = personalize(&mut card, &document, SecurityLevel::Full, 100);
        assert!(matches!(result, Err(Stopped::Refused(0xF0, Status::CONDITIONS_NOT_SATISFIED))), "{left_out:04X}");
        personalize(&mut card, &whole, SecurityLevel::Full, 100).unwrap();
    }
}

#[test]
fn the_channel_is_not_open_before_the_host_proved_itself() {
    let mut card = blank();
    assert_eq!(status(&mut card, "8050000008000102030405060700"), 0x9000);
    assert_eq!(status(&mut card, "80f24002024f0000"), 0x6982);
    assert_eq!(status(&mut card, "84f240020a4f00000000000000000000"), 0x6985);
    // Keys of another version are refused before anything is tried.
    let error = scp03::open(&mut card, 0x31, &default_keys(), SecurityLevel::Full, &mut OsRandom).err().unwrap();
    assert!(matches!(error, scp03::Scp03Error::Refused { instruction: 0x50, .. }));
}
