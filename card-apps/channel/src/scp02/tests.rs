//! The known answers on both roles, both roles against each other, and hostile input.

use iso7816::{Card, Command, Response};
use proptest::prelude::*;
use serde_json::Value;
use test_vectors::{Vectors, hex_of};

use super::session::{Derivation, Derived, derive};
use super::*;
use crate::random::{Fixed, OsRandom};

fn keys_of(case: &Value) -> KeySet {
    let key = |name: &str| Secret::new(hex_of(&case[name]));
    KeySet { enc: key("key_enc"), mac: key("key_mac"), dek: key("key_dek") }
}

fn level_of(case: &Value) -> SecurityLevel {
    SecurityLevel::from_byte(hex_of(&case["security_level"])[0]).unwrap()
}

/// A card that answers from a list, else with success, and remembers what it was asked.
#[derive(Default)]
struct Script {
    answers: std::collections::VecDeque<Vec<u8>>,
    asked: Vec<Vec<u8>>,
}

impl Card for Script {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        self.asked.push(command.to_bytes());
        let answer = self.answers.pop_front().unwrap_or(vec![0x90, 0x00]);
        Response::parse(&answer).ok_or(TransmitError::Lost)
    }
}

/// The plain commands of a known session with the protected ones; a trailing Le is not part of what is protected.
fn commands(case: &Value) -> Vec<(Command, Command)> {
    let parse = |value: &Value| Command::parse(&hex_of(value)).unwrap();
    let commands = case["commands"].as_array().unwrap();
    commands.iter().map(|pair| (parse(&pair["plain_command_apdu"]), parse(&pair["wrapped_command_apdu"]))).collect()
}

#[test]
fn both_ends_speak_the_known_sessions() {
    let vectors = Vectors::load("gp-scp02-kat");
    assert_eq!(vectors.list("/cases").len(), 2);
    for case in vectors.list("/cases") {
        let answer = hex_of(&case["initialize_update_response_data"]);
        let mut script = Script::default();
        script.answers.push_back(Response::ok(answer.clone()).to_bytes());
        let mut random = Fixed::new(hex_of(&case["host_challenge"]));
        let key_version = hex_of(&case["initialize_update_command"])[2];
        let mut channel = open(&mut script, key_version, &keys_of(case), level_of(case), &mut random).unwrap();
        let info = channel.initialize_update().clone();
        for (plain, wrapped) in commands(case) {
            channel.transmit(&Command { ne: wrapped.ne, ..plain }).unwrap();
            assert_eq!(channel.card.asked.last().unwrap(), &wrapped.to_bytes());
        }
        let expected = ["initialize_update_command", "external_authenticate_command"].map(|name| hex_of(&case[name]));
        assert_eq!(script.asked[..2], expected);

        let keys = keys_of(case);
        let offer = Offer {
            keys: &keys,
            key_version: info.key_version,
            diversification: info.diversification,
            sequence_counter: info.sequence_counter,
            challenge: CardChallenge::Random,
        };
        let mut card = ChipChannel::default();
        let mut random = Fixed::new(info.card_challenge);
        assert_eq!(card.initialize_update(&offer, &hex_of(&case["host_challenge"]), &mut random), Ok(answer));
        let authenticate = Command::parse(&hex_of(&case["external_authenticate_command"])).unwrap();
        assert_eq!(card.external_authenticate(&authenticate), Ok(level_of(case)));
        for (plain, wrapped) in commands(case) {
            let opened = card.unwrap(&wrapped).unwrap();
            assert_eq!((opened.cla & !PROTECTED, opened.data), (plain.cla & !PROTECTED, plain.data));
        }
    }
}

#[test]
fn session_keys_are_the_known_ones() {
    let vectors = Vectors::load("gp-scp02-kat");
    let by_kcv = vectors.value("/session_keys_by_kcv");
    let key = Secret::new(hex_of(&by_kcv["static_key"]));
    let counter = hex_of(&by_kcv["sequence_counter"]).try_into().unwrap();
    for (constant, name) in
        [(Derivation::Encryption, "s_enc"), (Derivation::CommandMac, "s_mac"), (Derivation::DataEncryption, "s_dek")]
    {
        let derived = derive(&key, constant, counter).unwrap();
        assert_eq!(derived.expose(), hex_of(&by_kcv[name]));
        assert_eq!(key_check_value(&derived).unwrap().to_vec(), hex_of(&by_kcv[&format!("kcv_{name}")]));
    }
    for case in vectors.list("/cases") {
        let counter = hex_of(&case["sequence_counter"]).try_into().unwrap();
        let keys = keys_of(case);
        let derived = [
            (&keys.enc, Derivation::Encryption, "s_enc"),
            (&keys.mac, Derivation::CommandMac, "s_mac"),
            (&keys.dek, Derivation::DataEncryption, "s_dek"),
        ];
        for (key, constant, name) in derived {
            assert_eq!(derive(key, constant, counter).unwrap().expose(), hex_of(&case[name]));
        }
    }
    assert!(matches!(key_check_value(&Secret::new(vec![0; 24])), Err(Scp02Error::KeyLength)));
}

#[test]
fn keys_are_enciphered_as_known() {
    let vectors = Vectors::load("gp-scp02-kat");
    let bytes = |name: &str| vectors.bytes(&format!("/put_key_encryption/{name}"));
    let counter = bytes("sequence_counter").try_into().unwrap();
    let dek = Dek(derive(&Secret::new(bytes("static_key")), Derivation::DataEncryption, counter).unwrap());
    let encrypted = bytes("encrypted_key_3des_ecb_s_dek");
    assert_eq!(dek.encrypt(&bytes("key")).unwrap(), encrypted);
    assert_eq!(dek.decrypt(&encrypted).unwrap(), bytes("key"));
}

/// A card with nothing but SCP02: echoes the data of every command.
struct Echo {
    channel: ChipChannel,
    keys: KeySet,
    challenge: CardChallenge,
    received: usize,
    last: Option<Command>,
}

impl Echo {
    fn new(challenge: CardChallenge) -> Self {
        let key = |fill: u8| Secret::new((0..16).map(|at| fill + at).collect());
        let keys = KeySet { enc: key(0x10), mac: key(0x40), dek: key(0x70) };
        Echo { channel: ChipChannel::default(), keys, challenge, received: 0, last: None }
    }

    fn answer(&mut self, command: &Command) -> Result<Response, Status> {
        if command.ins == INITIALIZE_UPDATE {
            let challenge = self.challenge.clone();
            let (key_version, diversification, sequence_counter) = (0x20, [7; 10], [0, 9]);
            let offer = Offer { keys: &self.keys, key_version, diversification, sequence_counter, challenge };
            return self.channel.initialize_update(&offer, &command.data, &mut OsRandom).map(Response::ok);
        }
        self.received += 1;
        if command.ins == EXTERNAL_AUTHENTICATE {
            return self.channel.external_authenticate(command).map(|_| Response::ok([]));
        }
        self.last = Some(command.clone());
        Ok(Response::ok(self.channel.unwrap(command)?.data))
    }
}

impl Card for Echo {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        Ok(self.answer(command).unwrap_or_else(Response::status))
    }
}

fn echo(data: &[u8]) -> Command {
    Command::new(0x80, 0xE2, 0x90, 0x00).with_data(data).with_ne(256)
}

#[test]
fn both_ends_agree_at_every_level_with_either_challenge() {
    for challenge in [CardChallenge::Random, CardChallenge::PseudoRandom(Aid::issuer_domain())] {
        for level in SecurityLevel::ALL {
            let mut card = Echo::new(challenge.clone());
            let keys = card.keys.clone();
            let mut channel = open(&mut card, 0x20, &keys, level, &mut OsRandom).unwrap();
            let is_pseudo_random = matches!(challenge, CardChallenge::PseudoRandom(_));
            let info = channel.initialize_update();
            assert_eq!(info.challenge_is_pseudo_random(&keys, &Aid::issuer_domain()).unwrap(), is_pseudo_random);
            for size in [0, 1, 7, 8, 9, 100, level.short_data()] {
                let data = vec![0xA5; size];
                assert_eq!(channel.transmit(&echo(&data)).unwrap(), Response::ok(data));
                assert!(channel.card.last.as_ref().unwrap().data.len() <= 255);
            }
            let long = channel.transmit(&echo(&vec![0; level.short_data() + 1]));
            assert!(matches!(long, Err(TransmitError::Unsendable { .. })));
            let key = Secret::new(vec![9; 16]);
            let cryptogram = channel.encrypt_key(&key).unwrap();
            assert!(matches!(channel.encrypt_key(&Secret::new(vec![1; 9])), Err(Scp02Error::Blocks { length: 9 })));
            assert_eq!(card.channel.decrypt_key(&cryptogram).unwrap(), key);
            assert_eq!(card.channel.decrypt_key(&[1; 7]), Err(Status::WRONG_DATA));
            assert_eq!(card.channel.level(), Some(level));
        }
    }
}

#[test]
fn after_a_wrong_card_cryptogram_nothing_is_sent() {
    let mut card = Echo::new(CardChallenge::Random);
    let mut wrong = card.keys.clone();
    wrong.enc = Secret::new(vec![1; 16]);
    let result = open(&mut card, 0x20, &wrong, SecurityLevel::CommandMac, &mut OsRandom);
    assert!(matches!(result, Err(Scp02Error::CardCryptogram { key_version: 0x20 })));
    assert_eq!(card.received, 0);
    wrong.enc = Secret::new(vec![1; 24]);
    let result = open(&mut card, 0x20, &wrong, SecurityLevel::CommandMac, &mut OsRandom);
    assert!(matches!(result, Err(Scp02Error::KeyLength)));
}

#[test]
fn altered_repeated_and_plain_commands_end_the_session() {
    for level in SecurityLevel::ALL {
        for kind in 0..4 {
            let mut card = Echo::new(CardChallenge::Random);
            let keys = card.keys.clone();
            let mut channel = open(&mut card, 0x20, &keys, level, &mut OsRandom).unwrap();
            channel.transmit(&echo(b"once")).unwrap();
            let mut command = card.last.clone().unwrap();
            match kind {
                0 => {}
                1 => command.data[0] ^= 1,
                2 => command.p1 ^= 1,
                _ => command = echo(b"twice"),
            }
            assert_eq!(card.answer(&command), Err(Status::SECURITY_NOT_SATISFIED));
            assert_eq!(card.answer(&command), Err(Status::CONDITIONS_NOT_SATISFIED));
            assert_eq!(card.channel.level(), None);
        }
    }
}

#[test]
fn a_wrong_host_is_refused_and_must_start_again() {
    let mut card = Echo::new(CardChallenge::Random);
    let keys = card.keys.clone();
    let answer = card.answer(&Command::new(0x80, INITIALIZE_UPDATE, 0, 0).with_data([1; 8])).unwrap();
    let info = InitializeUpdateInfo::parse(&answer.data).unwrap();
    let level = SecurityLevel::CommandMac;
    let derived = Derived::new(&keys, &[1; 8], info.sequence_counter, &info.card_challenge, level).unwrap();
    let mut session = derived.session;
    let command = Command::new(0x80, EXTERNAL_AUTHENTICATE, 0x01, 0).with_data([0; 8]);
    let command = session.authenticate(&command).unwrap();
    assert_eq!(card.answer(&command), Err(Status::AUTHENTICATION_FAILED));
    assert_eq!(card.answer(&command), Err(Status::CONDITIONS_NOT_SATISFIED));
}

#[test]
fn other_protocols_are_named() {
    let mut answer = vec![0; 28];
    answer[11] = 0x03;
    assert!(matches!(InitializeUpdateInfo::parse(&answer), Err(Scp02Error::Protocol { protocol: 3 })));
    answer[11] = 0x02;
    assert!(InitializeUpdateInfo::parse(&answer).is_ok());
    assert!(matches!(InitializeUpdateInfo::parse(&answer[..27]), Err(Scp02Error::Length { length: 27 })));
    assert!(matches!(InitializeUpdateInfo::parse(&[]), Err(Scp02Error::Length { length: 0 })));
}

proptest! {
    #[test]
    fn a_hostile_card_never_causes_a_panic(
        answers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..5),
    ) {
        let mut script = Script { answers: answers.into(), asked: vec![] };
        let keys = Echo::new(CardChallenge::Random).keys;
        prop_assert!(open(&mut script, 0, &keys, SecurityLevel::CommandEncryption, &mut OsRandom).is_err());
    }

    #[test]
    fn hostile_commands_never_pass(
        header in any::<[u8; 4]>(),
        data in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let command = Command { cla: header[0], ins: header[1], p1: header[2], p2: header[3], data, ne: None };
        let mut card = Echo::new(CardChallenge::Random);
        prop_assert!(card.channel.unwrap(&command).is_err());
        let _ = card.answer(&Command::new(0x80, INITIALIZE_UPDATE, 0, 0).with_data([5; 8])).unwrap();
        prop_assert!(card.channel.external_authenticate(&command).is_err());
        let keys = card.keys.clone();
        open(&mut card, 0x20, &keys, SecurityLevel::CommandEncryption, &mut OsRandom).unwrap();
        prop_assert!(card.channel.unwrap(&command).is_err());
    }
}
