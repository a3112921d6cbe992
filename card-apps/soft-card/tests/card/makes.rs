//! Makes of cards: what each can do, and what it says of itself.

use channel::pace::{self, Mapping, Suite};
use channel::random::OsRandom;
use channel::scp03::{self, Counted, Options, SecurityLevel, Size};
use channel::suite::{Cipher, Curve};
use iso7816::{Aid, Card};
use lds::globalplatform::CardRecognitionData;
use soft_card::persona::{EMBEDDED, Persona};
use soft_card::{SoftCard, State};

use crate::support::*;

fn make(name: &str) -> Persona {
    Persona::parse(EMBEDDED.iter().find(|(known, _)| *known == name).unwrap().1).unwrap()
}

/// The usual document on a chip of this make.
fn finished(name: &str) -> SoftCard {
    let mut state: State = personalized(&Document::new(300)).state().clone();
    state.make = make(name).make;
    SoftCard::from_state(&state)
}

#[test]
fn a_card_opens_to_what_its_make_knows() {
    let suite = Suite { mapping: Mapping::Generic, group: Curve::P256.into(), cipher: Cipher::Aes128 };
    for (name, bac, with_pace) in [("this-state", true, true), ("bac-only", true, false), ("pace-only", false, true)] {
        let mut card = finished(name);
        assert_eq!(status(&mut card, "00a4020c02011c"), if with_pace { 0x9000 } else { 0x6A82 }, "{name}");
        must(&mut card, &select(&Aid::emrtd())).unwrap();
        assert_eq!(pace::open(&mut card, &suite, &can(), pace::LADDER[0], &mut OsRandom).is_ok(), with_pace, "{name}");
        must(&mut card, &select(&Aid::emrtd())).unwrap();
        let channel::password::Password::Mrz(key) = mrz() else { panic!() };
        assert_eq!(channel::bac::open(&mut card, &key, &mut OsRandom).is_ok(), bac, "{name}");
    }
}

#[test]
fn a_card_takes_what_it_says_that_it_takes() {
    for (name, command, response, historical) in
        [("this-state", 65_535, 65_536, 0xE0), ("medium", 2048, 2048, 0xE0), ("miserly", 261, 256, 0xA0)]
    {
        let mut card = finished(name);
        assert_eq!(card.atr()[12], historical, "{name}");
        let info = {
            assert_eq!(status(&mut card, "00a4020c022f01"), 0x9000);
            send(&mut card, "00b0000000").data
        };
        let announced = iso7816::tlv::find(&info, iso7816::tlv::Tag(0x7F66)).unwrap().is_some();
        assert_eq!(announced, command > 261, "{name}");
        let sized = |length: usize| iso7816::Command::new(0, 0x10, 0, 0).with_data(vec![0; length]).to_bytes();
        let tried = |card: &mut SoftCard, bytes: &[u8]| card.process(bytes) == [0x67, 0x00];
        // Header and extended Lc are seven bytes.
        if command > 261 && command < 65_535 {
            assert!(!tried(&mut card, &sized(command - 7)) && tried(&mut card, &sized(command - 6)), "{name}");
        }
        let asking = |ne| iso7816::Command::new(0, 0xB0, 0, 0).with_ne(ne).to_bytes();
        assert!(!tried(&mut card, &asking(response)), "{name}");
        assert!(response == 65_536 || tried(&mut card, &asking(response + 1)), "{name}");
        // Le 0000 asks for what there is.
        assert_eq!(tried(&mut card, &asking(iso7816::MAX_NE)), command == 261, "{name}");
    }
}

#[test]
fn a_card_speaks_the_scp03_that_it_announces() {
    for (name, option, size, counted) in [
        ("this-state", 0x70, Size::S8, Counted::EveryCommand),
        ("random-challenge", 0x60, Size::S8, Counted::EveryCommand),
        ("sixteen-byte-proofs", 0x71, Size::S16, Counted::EveryCommand),
        ("counts-data-only", 0x70, Size::S8, Counted::CommandsWithData),
    ] {
        let mut card = SoftCard::blank(make(name).options()).unwrap();
        let recognition = CardRecognitionData::parse(&send(&mut card, "80ca006600").data).unwrap();
        assert_eq!(recognition.secure_channels, [(3, option)], "{name}");
        let options = Options { level: SecurityLevel::Full, size, counted };
        let mut channel =
            scp03::open(&mut card as &mut dyn Card, 0x30, &default_keys(), options, &mut OsRandom).unwrap();
        assert_eq!(channel.initialize_update().i, option, "{name}");
        // Without data, with data.
        must(&mut channel, &iso7816::Command::new(0x80, 0xCA, 0x9F, 0x7F).with_ne(256)).unwrap();
        must(&mut channel, &get_status(0x40)).unwrap();
    }
}
