//! The known answers on both roles, both roles against each other, and hostile input.

use iso7816::{Card, Command, Response};
use proptest::prelude::*;
use serde_json::Value;
use test_vectors::{Vectors, hex_of};

use super::session::{Derived, derive};
use super::*;
use crate::random::{Fixed, OsRandom};

fn keys_of(case: &Value) -> KeySet {
    let key = |name: &str| Secret::new(hex_of(&case[name]));
    KeySet { enc: key("key_enc"), mac: key("key_mac"), dek: key("key_dek") }
}

fn level_of(case: &Value) -> SecurityLevel {
    SecurityLevel::from_byte(hex_of(&case["security_level"])[0]).unwrap()
}

/// A card that answers from a list and remembers what it was asked.
#[derive(Default)]
struct Script {
    answers: std::collections::VecDeque<Vec<u8>>,
    asked: Vec<Vec<u8>>,
}

impl Card for Script {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        self.asked.push(command.to_bytes());
        let answer = self.answers.pop_front().ok_or(TransmitError::Lost)?;
        Response::parse(&answer).ok_or(TransmitError::Lost)
    }
}

fn with_ok(data: Vec<u8>) -> Vec<u8> {
    Response::ok(data).to_bytes()
}

#[test]
fn the_terminal_speaks_the_six_known_sessions() {
    let vectors = Vectors::load("gp-scp03-kat");
    assert_eq!(vectors.list("/cases").len(), 6);
    for case in vectors.list("/cases") {
        let mut script = Script::default();
        script.answers.push_back(with_ok(hex_of(&case["initialize_update_response_data"])));
        script.answers.push_back(with_ok(vec![]));
        let key_version = hex_of(&case["initialize_update_command"])[2];
        let mut random = Fixed::new(hex_of(&case["host_challenge"]));
        let mut channel = open(&mut script, key_version, &keys_of(case), level_of(case), &mut random).unwrap();
        let mut expected =
            vec![hex_of(&case["initialize_update_command"]), hex_of(&case["external_authenticate_command"])];
        for command in case["commands"].as_array().unwrap() {
            expected.push(hex_of(&command["wrapped_command_apdu"]));
            let plain = Command::parse(&hex_of(&command["plain_command_apdu"])).unwrap();
            match command.get("wrapped_response_data") {
                Some(data) => {
                    channel.card.answers.push_back(with_ok(hex_of(data)));
                    let response = channel.transmit(&plain).unwrap();
                    assert_eq!(response.data, hex_of(&command["plain_response_data"]));
                }
                None => {
                    // The example shows no answer: an error status needs no R-MAC and leaves the session open.
                    channel.card.answers.push_back(vec![0x6A, 0x88]);
                    assert_eq!(channel.transmit(&plain).unwrap().status.0, 0x6A88);
                }
            }
        }
        assert_eq!(script.asked, expected, "{}", case["name"]);
    }
}

#[test]
fn the_card_speaks_the_six_known_sessions() {
    for case in Vectors::load("gp-scp03-kat").list("/cases") {
        let answer = hex_of(&case["initialize_update_response_data"]);
        let info = InitializeUpdateInfo::parse(&answer).unwrap();
        assert_eq!(info.to_bytes(), answer);
        let keys = keys_of(case);
        let offer = Offer {
            keys: &keys,
            key_version: info.key_version,
            diversification: info.diversification,
            challenge: CardChallenge::Random,
            size: Size::S8,
            counted: Counted::EveryCommand,
        };
        let mut card = ChipChannel::default();
        let mut random = Fixed::new(info.card_challenge.clone());
        let given = card.initialize_update(&offer, &hex_of(&case["host_challenge"]), &mut random).unwrap();
        // Everything but the option bits and the counter, which belong to pseudo-random challenges.
        assert_eq!(given[..12], answer[..12]);
        assert_eq!(given[13..29], answer[13..29]);
        let authenticate = Command::parse(&hex_of(&case["external_authenticate_command"])).unwrap();
        assert_eq!(card.external_authenticate(&authenticate), Ok(level_of(case)));
        for command in case["commands"].as_array().unwrap() {
            let wrapped = Command::parse(&hex_of(&command["wrapped_command_apdu"])).unwrap();
            let mut plain = Command::parse(&hex_of(&command["plain_command_apdu"])).unwrap();
            plain.cla &= !PROTECTED;
            assert_eq!(card.unwrap(&wrapped), Ok(plain), "{} {}", case["name"], command["name"]);
            if let Some(data) = command.get("plain_response_data") {
                let response = card.wrap(&Response::ok(hex_of(data))).unwrap();
                assert_eq!(response.data, hex_of(&command["wrapped_response_data"]));
            }
        }
    }
}

#[test]
fn session_keys_and_cryptograms_are_the_known_ones() {
    for case in Vectors::load("gp-scp03-kat").list("/cases") {
        let keys = keys_of(case);
        let cipher = keys.aes().unwrap();
        let context = [hex_of(&case["host_challenge"]), hex_of(&case["card_challenge"])].concat();
        let session_keys = [
            (&keys.enc, Derivation::SEnc, "s_enc"),
            (&keys.mac, Derivation::SMac, "s_mac"),
            (&keys.mac, Derivation::SRmac, "s_rmac"),
        ];
        for (key, constant, name) in session_keys {
            let derived = derive(cipher, key, constant as u8, &context, cipher.key_length()).unwrap();
            assert_eq!(derived.expose(), hex_of(&case[name]), "{} {name}", case["name"]);
        }
        let challenge = |name: &str| hex_of(&case[name]);
        let (host, card): (Vec<u8>, Vec<u8>) = (challenge("host_challenge"), challenge("card_challenge"));
        let derived = Derived::new(cipher, &keys, &host, &card, SecurityLevel::Full.into()).unwrap();
        assert_eq!(derived.card_cryptogram.to_vec(), hex_of(&case["card_cryptogram"]));
        assert_eq!(derived.host_cryptogram.to_vec(), hex_of(&case["host_cryptogram"]));
    }
}

#[test]
fn key_check_values_are_the_known_ones() {
    let vectors = Vectors::load("gp-scp03-kat");
    for case in vectors.list("/key_check_values/cases") {
        let value = key_check_value(&Secret::new(hex_of(&case["key"]))).unwrap();
        assert_eq!(value.to_vec(), hex_of(&case["kcv"]));
    }
    assert!(matches!(key_check_value(&Secret::new(vec![0; 15])), Err(Scp03Error::KeyLength)));
}

#[test]
fn the_derivation_function_gives_the_known_answers() {
    let vectors = Vectors::load("gp-kdf");
    assert_eq!(vectors.list("/scp03_kdf/cases").len(), 24);
    for case in vectors.list("/scp03_kdf/cases") {
        let key = Secret::new(hex_of(&case["key"]));
        let length = case["L_bits"].as_u64().unwrap() as usize / 8;
        let constant = hex_of(&case["constant"])[0];
        let derived = derive(aes_of(&key).unwrap(), &key, constant, &hex_of(&case["context"]), length).unwrap();
        assert_eq!(derived.expose(), hex_of(&case["output"]));
    }
}

/// The real card of the sixth session: its challenge is pseudo-random.
#[test]
fn both_ends_know_the_pseudo_random_challenge() {
    let vectors = Vectors::load("gp-scp03-kat");
    let case = vectors.value("/cases/5");
    let keys = keys_of(case);
    let answer = hex_of(&case["initialize_update_response_data"]);
    let info = InitializeUpdateInfo::parse(&answer).unwrap();
    assert!(info.challenge_is_pseudo_random(&keys, &Aid::issuer_domain()).unwrap());
    assert!(!info.challenge_is_pseudo_random(&keys, &Aid::emrtd()).unwrap());
    let offer = Offer {
        keys: &keys,
        key_version: info.key_version,
        diversification: info.diversification,
        challenge: CardChallenge::PseudoRandom {
            sequence_counter: info.sequence_counter.unwrap(),
            aid: Aid::issuer_domain(),
        },
        size: Size::S8,
        counted: Counted::EveryCommand,
    };
    let host_challenge = hex_of(&case["host_challenge"]);
    let given = ChipChannel::default().initialize_update(&offer, &host_challenge, &mut Fixed::new([])).unwrap();
    assert_eq!(given, answer);
    let kdf = Vectors::load("gp-kdf");
    assert_eq!(info.card_challenge.to_vec(), kdf.bytes("/pseudo_random_card_challenge/card_challenge"));
}

#[test]
fn keys_are_enciphered_as_the_known_data_groups_hold_them() {
    let vectors = Vectors::load("gp-kdf");
    let dek =
        Dek { cipher: Cipher::Aes128, key: Secret::new(vectors.bytes("/store_data_keys_dgi/data_encryption_key")) };
    let payload = vectors.text("/store_data_keys_dgi/store_data_payload");
    for key in vectors.list("/store_data_keys_dgi/keys") {
        let cryptogram = dek.encrypt_key(&Secret::new(hex_of(key))).unwrap();
        assert!(payload.contains(&hex::encode(&cryptogram)));
    }
}

/// A card with nothing but SCP03: echoes the data of every command, with the status in P1 P2.
struct Echo {
    channel: ChipChannel,
    keys: KeySet,
    /// Commands received after INITIALIZE UPDATE.
    received: usize,
    /// Which bit to flip in the nth response after the opening.
    flip: Option<usize>,
    /// The last two protected commands, for replays.
    last: Option<Command>,
    size: Size,
}

impl Echo {
    fn new(length: usize) -> Self {
        let key = |fill: u8| Secret::new(vec![fill; length]);
        let keys = KeySet { enc: key(0x41), mac: key(0x42), dek: key(0x43) };
        Echo { channel: ChipChannel::default(), keys, received: 0, flip: None, last: None, size: Size::S8 }
    }

    fn answer(&mut self, command: &Command) -> Result<Response, Status> {
        match command.ins {
            INITIALIZE_UPDATE => {
                let challenge = CardChallenge::PseudoRandom { sequence_counter: [0, 0, 1], aid: Aid::issuer_domain() };
                let offer = Offer {
                    keys: &self.keys,
                    key_version: 0x30,
                    diversification: [7; 10],
                    challenge,
                    size: self.size,
                    counted: Counted::EveryCommand,
                };
                let data = self.channel.initialize_update(&offer, &command.data, &mut OsRandom)?;
                Ok(Response::ok(data))
            }
            EXTERNAL_AUTHENTICATE => {
                self.received += 1;
                self.channel.external_authenticate(command)?;
                Ok(Response::ok([]))
            }
            _ => {
                self.received += 1;
                self.last = Some(command.clone());
                let plain = self.channel.unwrap(command)?;
                let status = Status(u16::from_be_bytes([plain.p1, plain.p2]));
                let mut response = self.channel.wrap(&Response { data: plain.data, status })?;
                if let Some(bit) = self.flip {
                    response.data[bit / 8] ^= 1 << (bit % 8);
                }
                Ok(response)
            }
        }
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
fn both_ends_agree_at_every_level_and_key_length() {
    for size in [Size::S8, Size::S16] {
        for length in [16, 24, 32] {
            for level in SecurityLevel::ALL {
                agree(length, Options { size, ..level.into() });
            }
        }
    }
}

fn agree(length: usize, options: Options) {
    let mut card = Echo::new(length);
    card.size = options.size;
    let keys = card.keys.clone();
    let mut channel = open(&mut card, 0x30, &keys, options, &mut OsRandom).unwrap();
    assert_eq!(channel.initialize_update().size(), options.size);
    assert!(channel.initialize_update().challenge_is_pseudo_random(&keys, &Aid::issuer_domain()).unwrap());
    for size in [0, 1, 15, 16, 17, options.short_data(), 1000] {
        let data = vec![0xA5; size];
        let response = channel.transmit(&echo(&data)).unwrap();
        assert_eq!((response.data, response.status), (data, Status::OK), "{options:?} {length} {size}");
    }
    for status in [0x6310, 0x6A82] {
        let [p1, p2] = u16::to_be_bytes(status);
        let response = channel.transmit(&Command::new(0x80, 0xCA, p1, p2)).unwrap();
        assert_eq!(response.status, Status(status));
    }
    let secret = channel.encrypt_dek(b"L898902C<369080619406236").unwrap();
    let key = channel.encrypt_key(&Secret::new(vec![9; 24])).unwrap();
    assert_eq!(card.channel.decrypt_dek(&secret).unwrap().expose(), b"L898902C<369080619406236");
    assert_eq!(card.channel.decrypt_key(&key, 24).unwrap().expose(), [9; 24]);
    assert_eq!(card.channel.level(), Some(options.level));
}

/// A host that asks for one size of a card that has the other.
#[test]
fn sizes_must_agree() {
    let mut card = Echo::new(16);
    card.size = Size::S16;
    let keys = card.keys.clone();
    let refused = open(&mut card, 0x30, &keys, SecurityLevel::Full, &mut OsRandom);
    assert!(matches!(refused, Err(Scp03Error::Refused { instruction: 0x50, status: Status::WRONG_LENGTH })));
    // An answer of the other size to a challenge of eight bytes.
    let mut answer = vec![0; 45];
    (answer[11], answer[12]) = (3, 1);
    let mut script = Script { answers: [with_ok(answer)].into(), asked: vec![] };
    let refused = open(&mut script, 0x30, &keys, SecurityLevel::Full, &mut OsRandom);
    assert!(matches!(refused, Err(Scp03Error::Protocol { protocol: 3, i: 1 })));
    assert_eq!(script.asked.len(), 1);
}

/// Commands without data are counted by the standard, and not by some cards of the field.
#[test]
fn the_encryption_counter_moves_as_the_card_counts() {
    let vector = |counted| {
        let keys = Echo::new(16).keys;
        let options = Options { counted, ..SecurityLevel::CommandEncryption.into() };
        let derived = Derived::new(Cipher::Aes128, &keys, &[1; 8], &[2; 8], options).unwrap();
        let mut session = derived.session;
        session.protect_command(&echo(&[])).unwrap();
        session.protect_command(&echo(b"four")).unwrap().data[..16].to_vec()
    };
    let first = |counted| {
        let keys = Echo::new(16).keys;
        let options = Options { counted, ..SecurityLevel::CommandEncryption.into() };
        let mut session = Derived::new(Cipher::Aes128, &keys, &[1; 8], &[2; 8], options).unwrap().session;
        session.protect_command(&echo(b"four")).unwrap().data[..16].to_vec()
    };
    assert_ne!(vector(Counted::EveryCommand), vector(Counted::CommandsWithData));
    assert_eq!(vector(Counted::CommandsWithData), first(Counted::EveryCommand));
}

#[test]
fn short_data_fills_a_short_command() {
    let sizes = [Size::S8, Size::S16].into_iter();
    for (level, size) in sizes.flat_map(|size| SecurityLevel::ALL.map(|level| (level, size))) {
        let options = Options { size, ..level.into() };
        let mut card = Echo::new(16);
        card.size = size;
        let keys = card.keys.clone();
        let mut channel = open(&mut card, 0, &keys, options, &mut OsRandom).unwrap();
        channel.transmit(&echo(&vec![0; options.short_data()])).unwrap();
        assert!(channel.card.last.as_ref().unwrap().data.len() <= 255);
        channel.transmit(&echo(&vec![0; options.short_data() + 1])).unwrap();
        assert!(channel.card.last.as_ref().unwrap().data.len() > 255);
    }
}

#[test]
fn after_a_wrong_card_cryptogram_nothing_is_sent() {
    let mut card = Echo::new(16);
    let wrong = Echo::new(16).keys;
    card.keys.mac = Secret::new(vec![0x99; 16]);
    let result = open(&mut card, 0x30, &wrong, SecurityLevel::Full, &mut OsRandom);
    assert!(matches!(result, Err(Scp03Error::CardCryptogram { key_version: 0x30 })));
    assert_eq!(card.received, 0);
}

#[test]
fn a_wrong_host_is_refused_and_must_start_again() {
    let mut card = Echo::new(16);
    let keys = card.keys.clone();
    let offer = Offer {
        keys: &keys,
        key_version: 1,
        diversification: [0; 10],
        challenge: CardChallenge::Random,
        size: Size::S8,
        counted: Counted::EveryCommand,
    };
    let host = [1; 8];
    let answer = card.channel.initialize_update(&offer, &host, &mut OsRandom).unwrap();
    let info = InitializeUpdateInfo::parse(&answer).unwrap();
    let Derived { mut session, host_cryptogram, .. } =
        Derived::new(Cipher::Aes128, &keys, &host, &info.card_challenge, SecurityLevel::Full.into()).unwrap();
    let mut wrong = host_cryptogram.to_vec();
    wrong[0] ^= 1;
    let command = session.authenticate(&Command::new(0x80, 0x82, 0x33, 0), wrong).unwrap();
    assert_eq!(card.channel.external_authenticate(&command), Err(Status::AUTHENTICATION_FAILED));
    assert_eq!(card.channel.external_authenticate(&command), Err(Status::CONDITIONS_NOT_SATISFIED));
    assert_eq!(card.channel.unwrap(&command), Err(Status::CONDITIONS_NOT_SATISFIED));
}

#[test]
fn a_repeated_or_plain_command_ends_the_session() {
    for plain in [false, true] {
        let mut card = Echo::new(16);
        let keys = card.keys.clone();
        let mut channel = open(&mut card, 0x30, &keys, SecurityLevel::Full, &mut OsRandom).unwrap();
        channel.transmit(&echo(b"once")).unwrap();
        let repeated = if plain { echo(b"twice") } else { card.last.clone().unwrap() };
        assert_eq!(card.answer(&repeated), Err(Status::SECURITY_NOT_SATISFIED));
        assert_eq!(card.answer(&repeated), Err(Status::CONDITIONS_NOT_SATISFIED));
        assert_eq!(card.channel.level(), None);
    }
}

/// The class bit says that a command is protected; a right C-MAC without it proves nothing of the kind.
#[test]
fn the_class_bit_is_demanded() {
    let mut card = Echo::new(16);
    let keys = card.keys.clone();
    let channel = open(&mut card, 0x30, &keys, SecurityLevel::CommandMac, &mut OsRandom).unwrap();
    let mut session = channel.session.unwrap();
    let data = b"four".to_vec();
    let chain = session.c_mac(&Command::new(0x80, 0xE2, 0, 0), 12, &data).unwrap();
    let command = Command::new(0x80, 0xE2, 0, 0).with_data([&data[..], &chain[..8]].concat());
    assert_eq!(card.answer(&command), Err(Status::SECURITY_NOT_SATISFIED));
}

#[test]
fn an_altered_or_bare_response_ends_the_session() {
    for level in [SecurityLevel::BothMac, SecurityLevel::CommandEncryptionBothMac, SecurityLevel::Full] {
        for bit in [0, 50, 8 * 8] {
            let mut card = Echo::new(32);
            let keys = card.keys.clone();
            card.flip = Some(bit);
            let mut channel = open(&mut card, 0x30, &keys, level, &mut OsRandom).unwrap();
            for _ in 0..2 {
                let result = channel.transmit(&echo(b"four"));
                assert!(matches!(result, Err(TransmitError::SecureMessaging { .. })), "{level:?} {bit}");
            }
            assert_eq!(card.received, 2);
        }
        let mut script = Echo::new(16);
        let keys = script.keys.clone();
        let channel = open(&mut script, 0x30, &keys, level, &mut OsRandom).unwrap();
        let bare = Script { answers: [vec![0x90, 0x00]].into(), asked: vec![] };
        let mut channel = Channel { card: bare, session: channel.session, info: channel.info, dek: channel.dek };
        let result = channel.transmit(&echo(b"four"));
        assert!(matches!(result, Err(TransmitError::Unprotected { status: Status::OK })));
    }
}

#[test]
fn other_protocols_are_named() {
    let mut answer = vec![0; 32];
    answer[11] = 0x02;
    assert!(matches!(InitializeUpdateInfo::parse(&answer), Err(Scp03Error::Protocol { protocol: 2, i: 0 })));
    answer[11] = 0x03;
    answer[12] = 0x71;
    assert!(matches!(InitializeUpdateInfo::parse(&answer), Err(Scp03Error::Length { length: 32 })));
    answer[12] = 0x70;
    assert!(InitializeUpdateInfo::parse(&answer).is_ok());
    assert!(matches!(InitializeUpdateInfo::parse(&answer[..31]), Err(Scp03Error::Length { length: 31 })));
}

proptest! {
    #[test]
    fn a_hostile_card_never_causes_a_panic(
        answers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..5),
    ) {
        let mut script = Script { answers: answers.into(), asked: vec![] };
        let keys = Echo::new(16).keys;
        if let Ok(mut channel) = open(&mut script, 0, &keys, SecurityLevel::Full, &mut OsRandom) {
            let _ = channel.transmit(&echo(b"x"));
        }
    }

    #[test]
    fn hostile_responses_never_pass(data in prop::collection::vec(any::<u8>(), 1..80), status in any::<u16>()) {
        let mut card = Echo::new(16);
        let keys = card.keys.clone();
        let channel = open(&mut card, 0x30, &keys, SecurityLevel::Full, &mut OsRandom).unwrap();
        let hostile = Script { answers: [Response { data, status: Status(status) }.to_bytes()].into(), asked: vec![] };
        let mut channel = Channel { card: hostile, session: channel.session, info: channel.info, dek: channel.dek };
        prop_assert!(channel.transmit(&echo(b"x")).is_err());
    }

    #[test]
    fn hostile_commands_never_pass(
        header in any::<[u8; 4]>(),
        data in prop::collection::vec(any::<u8>(), 0..80),
        ne in prop::option::of(1u32..=65_536),
    ) {
        let command = Command { cla: header[0], ins: header[1], p1: header[2], p2: header[3], data, ne };
        let mut card = Echo::new(16);
        prop_assert!(card.channel.unwrap(&command).is_err());
        let _ = card.answer(&Command::new(0x80, INITIALIZE_UPDATE, 0, 0).with_data([5; 8])).unwrap();
        prop_assert!(card.channel.external_authenticate(&command).is_err());
        let keys = card.keys.clone();
        open(&mut card, 0x30, &keys, SecurityLevel::Full, &mut OsRandom).unwrap();
        prop_assert!(card.channel.decrypt_key(&command.data, 16).is_err() || command.data.len() == 16);
        let _ = card.channel.decrypt_dek(&command.data);
        prop_assert!(card.channel.unwrap(&command).is_err());
    }
}
