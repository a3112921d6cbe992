//! The worked example on both roles, both roles against each other, and hostile input.

use iso7816::tlv::encode;
use iso7816::{Card, Command, Response};
use proptest::prelude::*;
use test_vectors::{Vectors, hex_of};

use super::steps::{MappingStep, Tokens, conceal, integrated_generator, reveal, token_input};
use super::*;
use crate::block::{Cbc, ZERO_IV};
use crate::chip_auth::ChipKey;
use crate::chip_auth::ChipPublicKey;
use crate::group::Arithmetic;
use crate::password::{MrzKey, Password};
use crate::random::{Fixed, OsRandom};
use crate::role::{Chip, Terminal};
use crate::secret::Secret;
use crate::sm::{Secured, Session};

fn example() -> Vectors {
    Vectors::load("icao9303-pace-gm-ecdh")
}

/// The two examples of generic mapping that print the keys of both ends.
fn examples() -> [Vectors; 2] {
    [example(), Vectors::load("icao9303-pace-gm-dh")]
}

fn example_suite(vectors: &Vectors) -> Suite {
    let info = vectors.bytes("/ef_card_access_pace_info");
    let parameter_id = vectors.value("/domain_parameter_id").as_u64().unwrap() as u8;
    // SEQUENCE { OBJECT IDENTIFIER (10 octets), ... }
    Suite::from_info(&info[4..14], parameter_id).unwrap()
}

fn example_password(vectors: &Vectors) -> Password {
    Password::Mrz(MrzKey::from_information(vectors.text("/mrz_information")))
}

/// A card that answers from a list and remembers what it was asked.
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

/// The commands (`c`) or the responses (`r`) of the example.
fn printed(vectors: &Vectors, which: &str) -> Vec<Vec<u8>> {
    vectors.list("/apdus").iter().map(|pair| hex_of(&pair[which])).collect()
}

#[test]
fn the_terminal_speaks_the_worked_examples() {
    for vectors in examples() {
        let mut card = Script { answers: printed(&vectors, "r").into(), asked: vec![] };
        let keys = ["/mapping/sk_map_ifd", "/key_agreement/sk_dh_ifd"].map(|key| vectors.bytes(key)).concat();
        let (suite, password) = (example_suite(&vectors), example_password(&vectors));
        let opened = open(&mut card, &suite, &password, LADDER[0], &mut Fixed::new(keys)).unwrap();
        assert_eq!(card.asked, printed(&vectors, "c"));
        assert_eq!(opened.mapping_proof, None);
        assert!(speaks_with(opened.session, &vectors));
    }
}

#[test]
fn the_chip_speaks_the_worked_examples() {
    for vectors in examples() {
        let drawn =
            ["/nonce_s", "/mapping/sk_map_ic", "/key_agreement/sk_dh_ic"].map(|key| vectors.bytes(key)).concat();
        let mut random = Fixed::new(drawn);
        let mut chip = ChipPace::default();
        let mut answers = vec![];
        let (suites, passwords) = ([example_suite(&vectors)], [example_password(&vectors)]);
        let offer = Offer { suites: &suites, passwords: &passwords, chip_keys: &[] };
        for command in printed(&vectors, "c") {
            let command = Command::parse(&command).unwrap();
            if command.ins == 0x22 {
                chip.set_at(&command.data, &offer).unwrap();
                answers.push(Response::ok([]).to_bytes());
                continue;
            }
            match chip.general_authenticate(command.cla & 0x10 != 0, &command.data, &mut random).unwrap() {
                PaceStep::Continue(data) => answers.push(Response::ok(data).to_bytes()),
                PaceStep::Done(data, _) => answers.push(Response::ok(data).to_bytes()),
            }
        }
        assert_eq!(answers, printed(&vectors, "r"));
    }
}

/// Appendix I.1. The chip's private keys are not printed.
#[test]
fn the_terminal_speaks_the_example_of_chip_authentication_mapping() {
    let vectors = Vectors::load("icao9303-pace-cam");
    let mut card = Script { answers: printed(&vectors, "r").into(), asked: vec![] };
    let keys = ["/mapping/sk_map_ifd", "/key_agreement/sk_dh_ifd"].map(|key| vectors.bytes(key)).concat();
    let (suite, password) = (example_suite(&vectors), example_password(&vectors));
    assert_eq!(suite.mapping, Mapping::ChipAuthentication);
    let opened = open(&mut card, &suite, &password, LADDER[0], &mut Fixed::new(keys)).unwrap();
    assert_eq!(card.asked, printed(&vectors, "c"));
    assert!(speaks_with(opened.session, &vectors));

    let mut proof = opened.mapping_proof.unwrap();
    assert_eq!(proof.data, vectors.bytes("/chip_authentication/chip_authentication_data_ca_ic"));
    let octets = vectors.bytes("/chip_authentication/pk_ic_static");
    let genuine = ChipPublicKey { group: suite.group, octets };
    assert!(proof.proves(&genuine).unwrap());
    let clone = ChipPublicKey { octets: vectors.bytes("/mapping/pk_map_ifd"), ..genuine.clone() };
    assert!(!proof.proves(&clone).unwrap());
    assert!(!proof.proves(&ChipPublicKey { group: Curve::P256.into(), ..genuine.clone() }).unwrap());
    assert!(proof.proves(&ChipPublicKey { octets: vec![4; 65], ..genuine.clone() }).is_err());
    proof.data[31] ^= 1;
    assert!(!proof.proves(&genuine).unwrap());
    for data in [vec![], vec![0; 32], vec![0xFF; 32], vec![1; 33]] {
        assert!(!MappingProof { data, ..proof.clone() }.proves(&genuine).unwrap());
    }
}

#[test]
fn the_cryptogram_of_chip_authentication_mapping_is_the_printed_one() {
    let vectors = Vectors::load("icao9303-pace-cam");
    let shared_secret = Secret::new(vectors.bytes("/key_agreement/shared_secret_k"));
    let data = vectors.bytes("/chip_authentication/chip_authentication_data_ca_ic");
    let concealed = vectors.bytes("/chip_authentication/encrypted_chip_authentication_data_a_ic");
    assert_eq!(cam::conceal(Cipher::Aes128, &shared_secret, &Secret::from(&data[..])).unwrap(), concealed);
    assert_eq!(cam::reveal(Cipher::Aes128, &shared_secret, &concealed).unwrap(), data);
    for bad in [&concealed[..47], &concealed[..32], &[]] {
        assert!(cam::reveal(Cipher::Aes128, &shared_secret, bad).unwrap().is_empty());
    }
}

/// Appendix H: the nonces, the pseudo-random function, the generator, and for curves both ends up to their tokens.
#[test]
fn both_ends_speak_the_examples_of_integrated_mapping() {
    let root = Vectors::load("icao9303-pace-im");
    for (name, group) in [("ecdh", Group::Curve(Curve::BrainpoolP256r1)), ("dh", Group::from_parameter_id(0).unwrap())]
    {
        let bytes = |key: &str| root.bytes(&format!("/{name}/{key}"));
        let suite = Suite { mapping: Mapping::Integrated, group, cipher: Cipher::Aes128 };
        let decryptor = Cbc::decryptor(Cipher::Aes128, &Secret::new(bytes("k_pi")));
        let nonce = Secret::new(decryptor.unwrap().message(&ZERO_IV, &bytes("encrypted_nonce_z")).unwrap());
        assert_eq!(nonce.expose(), bytes("nonce_s"));
        let second = Secret::new(bytes("nonce_t"));
        let function = integrated::pseudo_random(Cipher::Aes128, group, &nonce, &second).unwrap();
        assert_eq!(function.expose(), bytes("prf/R_s_t"));
        let mut arithmetic = Arithmetic::new(group).unwrap();
        let generator = integrated_generator(&mut arithmetic, suite, &nonce, &second).unwrap();
        assert_eq!(arithmetic.octets(&generator), bytes("mapped_generator"));

        let private = Secret::new(bytes("key_agreement/sk_dh_ifd"));
        let own = arithmetic.key_pair(Some(&generator), &private).unwrap();
        assert_eq!(own.public, bytes("key_agreement/pk_dh_ifd"));
        let shared_secret = arithmetic.shared_secret(&own.private, &bytes("key_agreement/pk_dh_ic")).unwrap();
        assert_eq!(shared_secret.expose(), bytes("key_agreement/shared_secret_k"));
        assert_eq!(token_input(suite, &bytes("key_agreement/pk_dh_ic")), bytes("token_input_t_ifd"));
        assert_eq!(token_input(suite, &own.public), bytes("token_input_t_ic"));
    }

    let bytes = |key: &str| root.bytes(&format!("/ecdh/{key}"));
    let suite = Suite::from_info(&bytes("ef_card_access_pace_info")[4..14], 13).unwrap();
    let nonce = Secret::new(bytes("nonce_s"));
    let drawn = [bytes("nonce_t"), bytes("key_agreement/sk_dh_ifd")].concat();
    let mut random = Fixed::new(drawn);
    let terminal = MappingStep::<Terminal>::begin(suite, nonce.clone(), &mut random).unwrap();
    let mut chip_random = Fixed::new(bytes("key_agreement/sk_dh_ic"));
    let chip = MappingStep::<Chip>::begin(suite, nonce, &mut chip_random).unwrap();
    let (given, nothing) = (terminal.object(), chip.object());
    assert_eq!(given, encode(Tag(0x81), bytes("nonce_t")));
    assert_eq!(nothing, [0x82, 0x00]);
    let terminal = terminal.finish(&nothing, &mut random).unwrap();
    let chip = chip.finish(&given, &mut chip_random).unwrap();
    let (from_terminal, from_chip) = (terminal.object(), chip.object());
    assert_eq!(from_chip, encode(Tag(0x84), bytes("key_agreement/pk_dh_ic")));
    let terminal = terminal.finish(&from_chip).unwrap();
    let chip = chip.finish(&from_terminal).unwrap();
    assert_eq!(terminal.object(), encode(Tag(0x85), bytes("t_ifd")));
    assert_eq!(chip.object(), encode(Tag(0x86), bytes("t_ic")));
    terminal.finish(&encode(Tag(0x86), bytes("t_ic"))).unwrap();
    chip.finish(&encode(Tag(0x85), bytes("t_ifd")), None).unwrap();

    // H.2 prints no key of the chip, and one of the terminal that is longer than the order of the group, which this
    // terminal never draws: the tokens of both ends are made from the shared secret.
    let bytes = |key: &str| root.bytes(&format!("/dh/{key}"));
    let suite = Suite { mapping: Mapping::Integrated, group: Group::from_parameter_id(0).unwrap(), ..suite };
    let mut tokens = Tokens::new(suite, &Secret::new(bytes("key_agreement/shared_secret_k"))).unwrap();
    assert_eq!(tokens.over(&bytes("key_agreement/pk_dh_ic")).unwrap().to_vec(), bytes("t_ifd"));
    assert_eq!(tokens.over(&bytes("key_agreement/pk_dh_ifd")).unwrap().to_vec(), bytes("t_ic"));
}

/// Does the session use the keys of the example?
fn speaks_with(mut session: Session<Terminal>, vectors: &Vectors) -> bool {
    let key = |name| Secret::new(vectors.bytes(name));
    let mut chip = Session::<Chip>::with_keys(Cipher::Aes128, &key("/ks_enc"), &key("/ks_mac"), 0).unwrap();
    let command = Command::new(0, 0xA4, 2, 0x0C).with_data([1, 0x1E]);
    chip.open_command(&session.protect_command(&command).unwrap()).unwrap() == command
}

#[test]
fn intermediate_numbers_of_the_worked_examples() {
    examples().iter().for_each(intermediate_numbers);
}

fn intermediate_numbers(vectors: &Vectors) {
    let suite = example_suite(vectors);
    let password = example_password(vectors);
    let nonce = Secret::new(vectors.bytes("/nonce_s"));
    let concealed = vectors.bytes("/encrypted_nonce_z");
    assert_eq!(conceal(suite.cipher, &password, &nonce).unwrap(), concealed);
    assert_eq!(reveal(suite.cipher, &password, &concealed).unwrap(), nonce);

    let mut arithmetic = Arithmetic::new(suite.group).unwrap();
    let own = arithmetic.key_pair(None, &Secret::new(vectors.bytes("/mapping/sk_map_ic"))).unwrap();
    assert_eq!(own.public, vectors.bytes("/mapping/pk_map_ic"));
    let generator = arithmetic.generic_generator(&nonce, &own.private, &vectors.bytes("/mapping/pk_map_ifd")).unwrap();
    assert_eq!(arithmetic.octets(&generator), vectors.bytes("/mapping/mapped_generator"));

    let own = arithmetic.key_pair(Some(&generator), &Secret::new(vectors.bytes("/key_agreement/sk_dh_ic"))).unwrap();
    assert_eq!(own.public, vectors.bytes("/key_agreement/pk_dh_ic"));
    let shared = arithmetic.shared_secret(&own.private, &vectors.bytes("/key_agreement/pk_dh_ifd")).unwrap();
    assert_eq!(shared.expose(), vectors.bytes("/key_agreement/shared_secret_k"));
    for (public, input) in [("pk_dh_ic", "/token_input_t_ifd"), ("pk_dh_ifd", "/token_input_t_ic")] {
        let public = vectors.bytes(&format!("/key_agreement/{public}"));
        assert_eq!(token_input(suite, &public), vectors.bytes(input));
    }
}

/// Changes the answer to a command.
type Spoil = fn(&Command, &mut Vec<u8>);

/// A card with nothing but PACE; after it, secure messaging that echoes.
struct Pacing {
    suites: Vec<Suite>,
    passwords: Vec<Password>,
    chip_keys: Vec<ChipKey>,
    pace: ChipPace,
    session: Option<Session<Chip>>,
    /// Demands the parameter number in MSE:Set AT.
    wants_parameters: bool,
    /// Demands Le in MSE:Set AT.
    wants_le: bool,
    /// Changes the nth GENERAL AUTHENTICATE answer (from 1).
    spoil: Option<(usize, Spoil)>,
    step: usize,
}

impl Pacing {
    fn new(suites: Vec<Suite>) -> Self {
        let can = Password::Can(Secret::new(b"402178".to_vec()));
        let mrz = Password::Mrz(MrzKey::from_information("T22000129364081251010318"));
        let pin = Password::Pin(Secret::new(b"271828".to_vec()));
        let puk = Password::Puk(Secret::new(b"3141592653".to_vec()));
        let passwords = vec![can, mrz, pin, puk];
        Pacing {
            suites,
            passwords,
            chip_keys: Curve::ALL.into_iter().map(static_key).collect(),
            pace: ChipPace::default(),
            session: None,
            wants_parameters: false,
            wants_le: false,
            spoil: None,
            step: 0,
        }
    }

    fn answer(&mut self, command: &Command) -> Result<Response, Status> {
        if let Some(session) = &mut self.session {
            let plain = session.open_command(command).map_err(|error| error.status())?;
            return session.protect_response(&Response::ok(plain.data)).map_err(|error| error.status());
        }
        if command.ins == 0x22 {
            if self.wants_parameters && command.data.len() < 18 {
                return Err(Status::REFERENCED_DATA_NOT_FOUND);
            }
            if self.wants_le && command.ne.is_none() {
                return Err(Status::WRONG_LENGTH);
            }
            let offer = Offer { suites: &self.suites, passwords: &self.passwords, chip_keys: &self.chip_keys };
            self.pace.set_at(&command.data, &offer)?;
            return Ok(Response::ok([]));
        }
        self.step += 1;
        let chaining = command.cla & 0x10 != 0;
        let mut data = match self.pace.general_authenticate(chaining, &command.data, &mut OsRandom)? {
            PaceStep::Continue(data) => data,
            PaceStep::Done(data, session) => {
                self.session = Some(session);
                data
            }
        };
        if let Some((step, spoil)) = self.spoil
            && step == self.step
        {
            spoil(command, &mut data);
        }
        Ok(Response::ok(data))
    }
}

impl Card for Pacing {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        Ok(self.answer(command).unwrap_or_else(Response::status))
    }
}

/// A static key of the chip.
fn static_key(curve: Curve) -> ChipKey {
    let mut private = vec![0x17; curve.field_length()];
    private[0] &= 1;
    ChipKey { key_id: None, group: curve.into(), private: Secret::new(private) }
}

const P256: Suite = Suite { mapping: Mapping::Generic, group: Group::Curve(Curve::P256), cipher: Cipher::Aes128 };

/// Opens as the standard has it.
fn run(card: &mut Pacing, suite: &Suite, password: &Password) -> Result<Opened, PaceError> {
    open(card, suite, password, LADDER[0], &mut OsRandom)
}

#[test]
fn both_ends_agree_in_every_suite_with_every_password() {
    let mut count = 0;
    for (at, suite) in Suite::all().enumerate() {
        assert_eq!(Suite::from_info(&suite.oid(), suite.group.parameter_id()), Some(suite));
        let mut card = Pacing::new(vec![suite]);
        let password = card.passwords[at % 4].clone();
        let opened = run(&mut card, &suite, &password).unwrap();
        let static_key = suite.group.curve().map(|curve| static_key(curve).public_key().unwrap());
        let proved = opened.mapping_proof.map(|proof| proof.proves(&static_key.unwrap()).unwrap());
        assert_eq!(proved, (suite.mapping == Mapping::ChipAuthentication).then_some(true), "{suite:?}");
        assert_eq!(opened.session.cipher(), suite.cipher);
        let mut secured = Secured::new(opened.session, card);
        for size in [0, 1, 200, 1000] {
            let command = Command::new(0, 0xB0, 0, 0).with_data(vec![3; size]).with_ne(256);
            assert_eq!(secured.transmit(&command).unwrap(), Response::ok(vec![3; size]));
        }
        count += 1;
    }
    // Generic: 14 groups, 4 ciphers. Integrated: 13 groups, 4 ciphers. Chip authentication: 11 curves, 3 ciphers.
    assert_eq!(count, 14 * 4 + 13 * 4 + 11 * 3);
    assert_eq!(Suite::from_info(&P256.oid(), 3), None);
    assert_eq!(Suite::from_info(&P256.oid()[..9], 12), None);
    let integrated = Suite { mapping: Mapping::Integrated, ..P256 };
    assert_eq!(Suite::from_info(&integrated.oid(), 10), None);
}

/// The field of P-224 has no square roots of the kind that the encoding needs.
#[test]
fn integrated_mapping_on_a_curve_without_it_is_refused() {
    let suite = Suite { mapping: Mapping::Integrated, group: Curve::P224.into(), ..P256 };
    let mut card = Pacing::new(vec![suite]);
    assert!(run(&mut card, &suite, &card_password()).is_err());
}

/// A chip that copied everything but the static private key.
#[test]
fn a_clone_does_not_prove_its_static_key() {
    for suite in Suite::all().filter(|suite| suite.mapping == Mapping::ChipAuthentication) {
        let curve = suite.group.curve().unwrap();
        let genuine = static_key(curve).public_key().unwrap();
        let mut card = Pacing::new(vec![suite]);
        let own = static_key(curve);
        let other =
            Secret::new([&own.private.expose()[..1], &own.private.expose()[..curve.field_length() - 1]].concat());
        card.chip_keys = vec![ChipKey { private: other, ..own }];
        let opened = run(&mut card, &suite, &card_password()).unwrap();
        assert!(!opened.mapping_proof.unwrap().proves(&genuine).unwrap());
        let mut card = Pacing::new(vec![suite]);
        card.chip_keys.clear();
        let result = run(&mut card, &suite, &card_password());
        assert!(matches!(result, Err(PaceError::Refused { step: 0, status: Status::REFERENCED_DATA_NOT_FOUND })));
    }
}

/// A chip that sends no proof, or an altered one, opens the session and proves nothing.
#[test]
fn a_missing_or_altered_proof_proves_nothing() {
    fn alter(_: &Command, data: &mut Vec<u8>) {
        let tail = data.split_off(data.len() - 20);
        data.extend(tail.into_iter().map(|byte| byte ^ 1));
    }
    fn omit(_: &Command, data: &mut Vec<u8>) {
        *data = encode(DYNAMIC_AUTHENTICATION, &data[2..12]);
    }
    for spoil in [alter as Spoil, omit] {
        let suite = Suite { mapping: Mapping::ChipAuthentication, ..P256 };
        let mut card = Pacing::new(vec![suite]);
        card.spoil = Some((4, spoil));
        let opened = run(&mut card, &suite, &card_password()).unwrap();
        assert!(!opened.mapping_proof.unwrap().proves(&static_key(Curve::P256).public_key().unwrap()).unwrap());
    }
}

#[test]
fn the_ladder_is_climbed_until_the_card_is_content() {
    let other = Suite { group: Curve::P384.into(), ..P256 };
    for (parameters, le, ambiguous, expected) in [
        (false, false, false, &[0][..]),
        (true, false, false, &[0, 1]),
        (false, true, false, &[0, 1, 2]),
        (true, true, false, &[0, 1, 2, 3]),
        (true, false, true, &[1]),
        (false, true, true, &[1, 3]),
    ] {
        let mut card = Pacing::new(vec![P256, other]);
        if !ambiguous {
            card.suites.remove(0);
        }
        (card.wants_parameters, card.wants_le) = (parameters, le);
        let mut attempts = vec![];
        let mut record = |variant, error: Option<&PaceError>| attempts.push((variant, error.is_none()));
        let result = climb(&mut card, &other, &card_password(), ambiguous, &mut OsRandom, &mut record);
        assert!(result.is_ok());
        let last = expected.len() - 1;
        let expected: Vec<_> = expected.iter().enumerate().map(|(at, rung)| (LADDER[*rung], at == last)).collect();
        assert_eq!(attempts, expected);
    }
}

/// A wrong password is no quirk: one try, never four.
#[test]
fn the_ladder_ends_where_the_password_begins() {
    let mut card = Pacing::new(vec![P256]);
    let wrong = Password::Pin(Secret::new(b"000000".to_vec()));
    let mut attempts = 0;
    let result = climb(&mut card, &P256, &wrong, false, &mut OsRandom, &mut |_, _| attempts += 1);
    assert!(matches!(result, Err(PaceError::WrongPassword { .. })));
    assert_eq!(attempts, 1);
    let blocked = PaceError::Refused { step: 0, status: Status(0x63C0) };
    assert!(!blocked.is_before_the_password());
    // A card that refuses all of them is asked four times.
    let mut attempts = 0;
    let unknown = Suite { cipher: Cipher::Aes256, ..P256 };
    let result = climb(&mut card, &unknown, &wrong, false, &mut OsRandom, &mut |_, _| attempts += 1);
    assert!(matches!(result, Err(PaceError::Refused { step: 0, .. })));
    assert_eq!(attempts, LADDER.len());
}

#[test]
fn a_wrong_password_is_said_to_be_wrong() {
    let mut card = Pacing::new(vec![P256]);
    let wrong = Password::Can(Secret::new(b"402179".to_vec()));
    let result = run(&mut card, &P256, &wrong);
    assert!(matches!(result, Err(PaceError::WrongPassword { status: Status::AUTHENTICATION_FAILED })));
    assert!(!card.pace.is_expected());
}

#[test]
fn an_unknown_suite_or_password_is_refused() {
    let mut card = Pacing::new(vec![P256]);
    let password = card.passwords.remove(0);
    let result = run(&mut card, &P256, &password);
    assert!(matches!(result, Err(PaceError::Refused { step: 0, status: Status::REFERENCED_DATA_NOT_FOUND })));
    let other = Suite { cipher: Cipher::Aes256, ..P256 };
    let result = run(&mut card, &other, &card_password());
    assert!(matches!(result, Err(PaceError::Refused { step: 0, status: Status::WRONG_DATA })));
}

fn card_password() -> Password {
    Pacing::new(vec![]).passwords.remove(0)
}

#[test]
fn a_dishonest_card_gets_no_session() {
    fn flip(_: &Command, data: &mut Vec<u8>) {
        let last = data.pop().unwrap();
        data.push(last ^ 1);
    }
    /// Sends the terminal's own key back under the chip's tag.
    fn mirror(command: &Command, data: &mut Vec<u8>) {
        let tag = data[2];
        data.clone_from(&command.data);
        data[2] = tag;
    }
    fn truncate(_: &Command, data: &mut Vec<u8>) {
        data.pop();
    }
    fn short_nonce(_: &Command, data: &mut Vec<u8>) {
        *data = vec![0x7C, 0x05, 0x80, 0x03, 1, 2, 3];
    }
    fn spoiled(suite: Suite, step: usize, spoil: Spoil) -> PaceError {
        let mut card = Pacing::new(vec![suite]);
        card.spoil = Some((step, spoil));
        run(&mut card, &suite, &card_password()).map(drop).unwrap_err()
    }
    let run = |step, spoil: Spoil| spoiled(P256, step, spoil);
    // Another nonce, or another point: the tokens differ, and the card notices first.
    assert!(matches!(run(1, flip), PaceError::WrongPassword { .. }));
    assert!(matches!(run(2, flip), PaceError::Key(KeyError::NotInGroup)));
    assert!(matches!(run(3, flip), PaceError::Key(KeyError::NotInGroup)));
    assert!(matches!(run(4, flip), PaceError::NotAuthentic));
    assert!(matches!(run(2, mirror), PaceError::Mirrored));
    assert!(matches!(run(3, mirror), PaceError::Mirrored));
    for step in 1..=4 {
        assert!(matches!(run(step, truncate), PaceError::Malformed { .. }));
    }
    assert!(matches!(run(1, short_nonce), PaceError::NonceLength { length: 3 }));
    // In every suite a flipped bit ends it, one way or another.
    for suite in Suite::all().filter(|suite| suite.cipher == Cipher::Aes128) {
        for step in (1..=4).filter(|step| (suite.mapping, *step) != (Mapping::ChipAuthentication, 4)) {
            let _ = spoiled(suite, step, flip);
        }
    }
}

#[test]
fn a_step_out_of_order_wipes_the_chips_state() {
    let mut card = Pacing::new(vec![P256]);
    let password = card.passwords[0].clone();
    let steps: [(bool, &[u8]); 4] = [
        (true, &[0x7C, 0x02, 0x81, 0x00]),
        (true, &[0x7C, 0x02, 0x85, 0x00]),
        (false, &[0x7C, 0x00]),
        (true, &[0x7C, 0x01]),
    ];
    for (chaining, data) in steps {
        let mut data_at = vec![0x80, 0x0A];
        data_at.extend(P256.oid());
        data_at.extend([0x83, 0x01, password.reference()]);
        let offer = Offer { suites: &card.suites, passwords: &card.passwords, chip_keys: &[] };
        card.pace.set_at(&data_at, &offer).unwrap();
        assert!(card.pace.is_expected());
        assert!(card.pace.general_authenticate(chaining, data, &mut OsRandom).is_err());
        let again = card.pace.general_authenticate(true, &[0x7C, 0x00], &mut OsRandom);
        assert!(matches!(again, Err(Status::CONDITIONS_NOT_SATISFIED)));
    }
}

/// PACE with the PIN of the EAC example: other keys for the same curve and cipher, and a private key that
/// the example prints with a leading zero.
#[test]
fn the_numbers_of_the_second_worked_example() {
    let vectors = Vectors::load("eac2-worked-example-ecdh");
    let mut arithmetic = Arithmetic::new(Curve::BrainpoolP256r1.into()).unwrap();
    let nonce = Secret::new(vectors.bytes("/pace/nonce_s"));
    let own = arithmetic.key_pair(None, &Secret::new(vectors.bytes("/pace/mapping/sk_map_pcd"))).unwrap();
    let peer = vectors.bytes("/pace/mapping/pk_map_picc");
    let generator = arithmetic.generic_generator(&nonce, &own.private, &peer).unwrap();
    assert_eq!(arithmetic.octets(&generator), vectors.bytes("/pace/mapping/mapped_generator"));
    let private = Secret::new(vectors.bytes("/pace/key_agreement/sk_picc"));
    let own = arithmetic.key_pair(Some(&generator), &private).unwrap();
    assert_eq!(own.public, vectors.bytes("/pace/key_agreement/pk_picc"));
    let shared = arithmetic.shared_secret(&own.private, &vectors.bytes("/pace/key_agreement/pk_pcd")).unwrap();
    assert_eq!(shared.expose(), vectors.bytes("/pace/key_agreement/shared_secret_k"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_hostile_card_never_causes_a_panic(
        answers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..5),
    ) {
        let answers = answers.into_iter().map(|mut data| { data.extend([0x90, 0x00]); data }).collect();
        let mut card = Script { answers, asked: vec![] };
        prop_assert!(open(&mut card, &P256, &card_password(), LADDER[0], &mut OsRandom).is_err());
    }

    #[test]
    fn hostile_objects_in_their_place_never_pass(
        at in 0usize..4,
        value in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let tags = [0x80, 0x82, 0x84, 0x86];
        let mut card = Pacing::new(vec![P256]);
        let mut answers: std::collections::VecDeque<Vec<u8>> = vec![vec![0x90, 0x00]].into();
        // Honest answers up to the one in question: only the nonce can be honest without the keys of this run.
        for tag in tags.iter().take(at + 1) {
            let data = if tags[at] == *tag { value.clone() } else { vec![0x42; 16] };
            let object = iso7816::tlv::encode(Tag(*tag), data);
            answers.push_back(Response::ok(iso7816::tlv::encode(DYNAMIC_AUTHENTICATION, object)).to_bytes());
        }
        let mut script = Script { answers, asked: vec![] };
        let password = card.passwords.remove(0);
        prop_assert!(open(&mut script, &P256, &password, LADDER[0], &mut OsRandom).is_err());
    }

    #[test]
    fn hostile_commands_never_open_the_chip(
        at in prop::collection::vec(any::<u8>(), 0..40),
        steps in prop::collection::vec((any::<bool>(), prop::sample::select(vec![0x80u32, 0x81, 0x83, 0x85]), prop::collection::vec(any::<u8>(), 0..70)), 0..5),
    ) {
        let mut card = Pacing::new(vec![P256]);
        let offer = Offer { suites: &card.suites, passwords: &card.passwords, chip_keys: &card.chip_keys };
        let _ = card.pace.set_at(&at, &offer);
        let _ = card.pace.general_authenticate(true, &[0x7C, 0x00], &mut OsRandom);
        for (chaining, tag, value) in steps {
            let _ = card.pace.general_authenticate(chaining, &value, &mut OsRandom);
            let data = iso7816::tlv::encode(DYNAMIC_AUTHENTICATION, iso7816::tlv::encode(Tag(tag), value));
            let result = card.pace.general_authenticate(chaining, &data, &mut OsRandom);
            prop_assert!(!matches!(result, Ok(PaceStep::Done(..))));
        }
    }
}
