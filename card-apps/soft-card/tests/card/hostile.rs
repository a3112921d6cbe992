//! Random and mutated commands in every state: the card answers, keeps its limits, and shows no protected byte.

use channel::pace::{self, Mapping, Suite};
use channel::random::OsRandom;
use channel::role::Terminal;
use channel::scp03::SecurityLevel;
use channel::sm::Session;
use channel::suite::{Cipher, Curve};
use iso7816::{Aid, Command};
use lds::globalplatform::install_for_personalization;
use proptest::prelude::*;
use soft_card::{SoftCard, State};

use crate::citizen::held;
use crate::support::*;

/// Sound commands of every family, to be mutated.
const SEEDS: &[&str] = &[
    "00a4040c07a0000002471001",
    "00a4040008a00000015100000000",
    "00a4000c023f00",
    "00a4020c02011e",
    "00a4020c02011c",
    "00a4020002010200",
    "00b0000000",
    "00b09e0000",
    "00b08200000000",
    "00b1000003540100 00",
    "00b1010204540200 0000",
    "0084000008",
    "00820000280000000000000000000000000000000000000000000000000000000000000000000000000000000028",
    "0022c1a40f800a04007f00070202040202830101",
    "0022c1a412800a04007f0007020204020283010284010c",
    "002241a40c800a04007f00070202030202",
    "002241a603910104",
    "002281b60d830b5554435643413030303031",
    "002a00be067f4e015f3700",
    "002281a40b83095554495330303030 31",
    "10860000027c0000",
    "108600000 57c0381010400",
    "0cb08100 0d 970100 8e080000000000000000 00",
    "0ca4020c 1d 871101000000000000000000000000000000 00 8e080000000000000000 00",
    "80ca9f7f00",
    "80ca006600",
    "80ca00e000",
    "8050000008000102030405060700",
    "848233001000000000000000000000000000000000",
    "84f240020a4f00000000000000000000",
    "84e2880010010104610200000000000000000000",
    "80e620000d000007a0000002471001000000",
    "80f0800f",
    "80d8008101aa",
    "00a4040009a0000003080000100000",
    "00a4040008f04249544151410100",
    "00cb3fff055c035fc10900",
    "00cb3fff045c02ff2100",
    "00db3fff0a5c035fc1095303010203",
    "0020008008393939393939ffff",
    "0024008010393939393939ffff383838383838ffff",
    "002c0080103939393939393939393939393939ffff",
    "0424ff8008393939393939ffff",
    "0047009a05ac0380011100",
    "0087119e067c048200810100",
    "0087089b047c02800000",
    "1087089b047c028000",
];

pub fn seed(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

/// The states that a card in the field may be met in.
pub fn states() -> Vec<State> {
    let document = Document::new(300);
    let finished = personalized(&document);
    let mut half = blank();
    {
        let mut channel = open(&mut half, SecurityLevel::Full).unwrap();
        must(&mut channel, &install_for_personalization(&Aid::emrtd())).unwrap();
        let all = blocks(&channel, &document, 100);
        all.iter().take(all.len() - 1).for_each(|block| drop(must(&mut channel, block).unwrap()));
    }
    let mut locked = SoftCard::from_state(finished.state());
    must(&mut open(&mut locked, SecurityLevel::Full).unwrap(), &set_status(0x40, 0x83, Some(Aid::emrtd()))).unwrap();
    let mut dead = SoftCard::from_state(finished.state());
    must(&mut open(&mut dead, SecurityLevel::Full).unwrap(), &set_status(0x80, 0xFF, None)).unwrap();
    let mut citizen = SoftCard::from_state(&State { eid: held().state().eid.clone(), ..finished.state().clone() });
    citizen.reset();
    [&blank(), &half, &finished, &locked, &dead, &citizen].map(|card| card.state().clone()).into()
}

/// One hostile command: noise, or a sound one with a few bytes changed, cut or doubled.
pub fn command() -> impl Strategy<Value = Vec<u8>> {
    let mutated = (
        prop::sample::select(SEEDS),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        any::<Option<prop::sample::Index>>(),
    )
        .prop_map(|(text, changes, cut)| {
            let mut bytes = seed(text);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            bytes
        });
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..80),
        3 => prop::sample::select(SEEDS).prop_map(seed),
        6 => mutated,
    ]
}

pub fn shows(answer: &[u8], secret: &[u8]) -> bool {
    // Eight bytes in a row are no accident.
    secret.windows(8.min(secret.len())).any(|part| answer.windows(part.len()).any(|there| there == part))
}

fn harmless(answer: &[u8]) {
    assert!(answer.len() >= 2, "a powered card answers");
    assert!(!shows(answer, MARKER) && !shows(answer, INFORMATION.as_bytes()) && !shows(answer, &[0x2A; 32]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_sequence_of_commands_shows_protected_bytes(commands in prop::collection::vec(command(), 1..25)) {
        thread_local!(static STATES: Vec<State> = states());
        STATES.with(|states| {
            for state in states {
                let mut card = SoftCard::from_state(state);
                for command in &commands {
                    harmless(&card.process(command));
                }
                // Wrong passwords are counted.
                let emrtd = soft_card::emrtd::Memory { wrong_passwords: 0, ..card.state().emrtd.clone() };
                prop_assert_eq!(&emrtd, &state.emrtd, "nothing can be written without keys");
                let citizen = |state: &State| state.eid.clone().map(|eid| (eid.objects, eid.keys, eid.transport));
                prop_assert_eq!(citizen(card.state()), citizen(state));
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_damage_to_a_protected_command_shows_protected_bytes(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
        plain in prop::sample::select(
            vec!["00b0810010", "00a4020c020101", "00b1010103540100 00", "00a4040c07a0000002471001"],
        ),
        after in prop::collection::vec(command(), 0..6),
    ) {
        thread_local!(static FINISHED: State = personalized(&Document::new(300)).state().clone());
        FINISHED.with(|state| {
            let mut card = SoftCard::from_state(state);
            must(&mut card, &select(&Aid::emrtd())).unwrap();
            let suite = Suite { mapping: Mapping::Generic, group: Curve::P256.into(), cipher: Cipher::Aes128 };
            let mut session: Session<Terminal> = pace::open(&mut card, &suite, &can(), pace::LADDER[0], &mut OsRandom).unwrap().session;
            let sound = session.protect_command(&Command::parse(&seed(plain)).unwrap()).unwrap().to_bytes();
            let mut damaged = sound.clone();
            for (at, flip) in changes {
                let at = at.index(damaged.len());
                damaged[at] ^= flip;
            }
            harmless(&card.process(&damaged));
            for command in &after {
                harmless(&card.process(command));
            }
            harmless(&card.process(&sound));
        });
    }

    #[test]
    fn no_noise_inside_the_issuer_s_channel_harms_a_finished_card(
        commands in prop::collection::vec((any::<[u8; 4]>(), prop::collection::vec(any::<u8>(), 0..60)), 1..12),
        known in prop::collection::vec(prop::sample::select(vec![0xCAu8, 0xD8, 0xE2, 0xE6, 0xF2, 0x50, 0x82]), 12),
    ) {
        thread_local!(static FINISHED: State = personalized(&Document::new(300)).state().clone());
        FINISHED.with(|state| {
            let mut card = SoftCard::from_state(state);
            let mut channel = open(&mut card, SecurityLevel::Full).unwrap();
            for (([choice, noise, p1, p2], data), known) in commands.into_iter().zip(known) {
                let ins = if choice < 0xE0 { known } else { noise };
                // SET STATUS may lock the card, which is no harm here but ends the test.
                if ins == 0xF0 {
                    continue;
                }
                match iso7816::Card::transmit(&mut channel, &Command::new(0x80, ins, p1, p2).with_data(data)) {
                    Ok(response) => harmless(&response.to_bytes()),
                    Err(_) => break,
                }
            }
            assert_eq!(card.state().emrtd, state.emrtd);
        });
    }
}
