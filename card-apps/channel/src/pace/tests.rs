//! The worked example on both roles, both roles against each other, and hostile input.

use iso7816::{Card, Command, Response};
use proptest::prelude::*;
use test_vectors::{Vectors, hex_of};

use super::steps::{conceal, reveal, token_input};
use super::*;
use crate::curve::Arithmetic;
use crate::password::{MrzKey, Password};
use crate::random::{Fixed, OsRandom};
use crate::role::{Chip, Terminal};
use crate::secret::Secret;
use crate::sm::{Secured, Session};

fn example() -> Vectors {
    Vectors::load("icao9303-pace-gm-ecdh")
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
fn the_terminal_speaks_the_worked_example() {
    let vectors = example();
    let mut card = Script { answers: printed(&vectors, "r").into(), asked: vec![] };
    let keys = ["/mapping/sk_map_ifd", "/key_agreement/sk_dh_ifd"].map(|key| vectors.bytes(key)).concat();
    let session =
        open(&mut card, &example_suite(&vectors), &example_password(&vectors), &mut Fixed::new(keys)).unwrap();
    assert_eq!(card.asked, printed(&vectors, "c"));
    assert!(speaks_with(session, &vectors));
}

#[test]
fn the_chip_speaks_the_worked_example() {
    let vectors = example();
    let drawn = ["/nonce_s", "/mapping/sk_map_ic", "/key_agreement/sk_dh_ic"].map(|key| vectors.bytes(key)).concat();
    let mut random = Fixed::new(drawn);
    let mut chip = ChipPace::default();
    let mut answers = vec![];
    for command in printed(&vectors, "c") {
        let command = Command::parse(&command).unwrap();
        if command.ins == 0x22 {
            chip.set_at(&command.data, &[example_suite(&vectors)], &[example_password(&vectors)]).unwrap();
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

/// Does the session use the keys of the example?
fn speaks_with(mut session: Session<Terminal>, vectors: &Vectors) -> bool {
    let key = |name| Secret::new(vectors.bytes(name));
    let mut chip = Session::<Chip>::with_keys(Cipher::Aes128, &key("/ks_enc"), &key("/ks_mac"), 0).unwrap();
    let command = Command::new(0, 0xA4, 2, 0x0C).with_data([1, 0x1E]);
    chip.open_command(&session.protect_command(&command).unwrap()).unwrap() == command
}

#[test]
fn intermediate_numbers_of_the_worked_example() {
    let vectors = example();
    let suite = example_suite(&vectors);
    let password = example_password(&vectors);
    let nonce = Secret::new(vectors.bytes("/nonce_s"));
    let concealed = vectors.bytes("/encrypted_nonce_z");
    assert_eq!(conceal(suite.cipher, &password, &nonce).unwrap(), concealed);
    assert_eq!(reveal(suite.cipher, &password, &concealed).unwrap(), nonce);

    let mut arithmetic = Arithmetic::new(suite.curve).unwrap();
    let own = arithmetic.key_pair(None, &Secret::new(vectors.bytes("/mapping/sk_map_ic"))).unwrap();
    assert_eq!(own.public, vectors.bytes("/mapping/pk_map_ic"));
    let common = arithmetic.common_point(&own.private, &vectors.bytes("/mapping/pk_map_ifd")).unwrap();
    assert_eq!(arithmetic.octets(&common).unwrap(), vectors.bytes("/mapping/shared_secret_h"));
    let generator = arithmetic.mapped_generator(&nonce, &common).unwrap();
    assert_eq!(arithmetic.octets(&generator).unwrap(), vectors.bytes("/mapping/mapped_generator"));

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
    pace: ChipPace,
    session: Option<Session<Chip>>,
    /// Demands the parameter number in MSE:Set AT.
    wants_parameters: bool,
    /// Changes the nth GENERAL AUTHENTICATE answer (from 1).
    spoil: Option<(usize, Spoil)>,
    step: usize,
}

impl Pacing {
    fn new(suites: Vec<Suite>) -> Self {
        let can = Password::Can(Secret::new(b"402178".to_vec()));
        let mrz = Password::Mrz(MrzKey::from_information("T22000129364081251010318"));
        let passwords = vec![can, mrz];
        Pacing {
            suites,
            passwords,
            pace: ChipPace::default(),
            session: None,
            wants_parameters: false,
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
            self.pace.set_at(&command.data, &self.suites, &self.passwords)?;
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

fn suites() -> Vec<Suite> {
    let of = |curve| Cipher::ALL.map(|cipher| Suite { mapping: Mapping::Generic, curve, cipher });
    Curve::ALL.into_iter().flat_map(of).collect()
}

const P256: Suite = Suite { mapping: Mapping::Generic, curve: Curve::P256, cipher: Cipher::Aes128 };

#[test]
fn both_ends_agree_in_every_suite_with_every_password() {
    for suite in suites() {
        assert_eq!(Suite::from_info(suite.oid(), suite.curve.parameter_id()), Some(suite));
        let mut card = Pacing::new(vec![suite]);
        let password = card.passwords[suite.cipher.key_length() / 8 % 2].clone();
        let session = open(&mut card, &suite, &password, &mut OsRandom).unwrap();
        assert_eq!(session.cipher(), suite.cipher);
        let mut secured = Secured::new(session, card);
        for size in [0, 1, 200, 1000] {
            let command = Command::new(0, 0xB0, 0, 0).with_data(vec![3; size]).with_ne(256);
            assert_eq!(secured.transmit(&command).unwrap(), Response::ok(vec![3; size]));
        }
    }
    assert_eq!(Suite::from_info(P256.oid(), 14), None);
    assert_eq!(Suite::from_info(&P256.oid()[..9], 12), None);
}

#[test]
fn the_parameter_number_is_given_to_a_card_that_asks() {
    let other = Suite { curve: Curve::P384, ..P256 };
    let mut card = Pacing::new(vec![P256, other]);
    card.wants_parameters = true;
    let password = card.passwords[0].clone();
    assert!(open(&mut card, &other, &password, &mut OsRandom).is_ok());
}

#[test]
fn a_wrong_password_is_said_to_be_wrong() {
    let mut card = Pacing::new(vec![P256]);
    let wrong = Password::Can(Secret::new(b"402179".to_vec()));
    let result = open(&mut card, &P256, &wrong, &mut OsRandom);
    assert!(matches!(result, Err(PaceError::WrongPassword { status: Status::AUTHENTICATION_FAILED })));
    assert!(!card.pace.is_expected());
}

#[test]
fn an_unknown_suite_or_password_is_refused() {
    let mut card = Pacing::new(vec![P256]);
    let password = card.passwords.remove(0);
    let result = open(&mut card, &P256, &password, &mut OsRandom);
    assert!(matches!(result, Err(PaceError::Refused { step: 0, status: Status::REFERENCED_DATA_NOT_FOUND })));
    let other = Suite { cipher: Cipher::Aes256, ..P256 };
    let result = open(&mut card, &other, &card_password(), &mut OsRandom);
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
    fn run(step: usize, spoil: Spoil) -> PaceError {
        let mut card = Pacing::new(vec![P256]);
        card.spoil = Some((step, spoil));
        let password = card.passwords[0].clone();
        open(&mut card, &P256, &password, &mut OsRandom).map(drop).unwrap_err()
    }
    // Another nonce, or another point: the tokens differ, and the card notices first.
    assert!(matches!(run(1, flip), PaceError::WrongPassword { .. }));
    assert!(matches!(run(2, flip), PaceError::Key(KeyError::NotOnCurve)));
    assert!(matches!(run(3, flip), PaceError::Key(KeyError::NotOnCurve)));
    assert!(matches!(run(4, flip), PaceError::NotAuthentic));
    assert!(matches!(run(2, mirror), PaceError::Mirrored));
    assert!(matches!(run(3, mirror), PaceError::Mirrored));
    for step in 1..=4 {
        assert!(matches!(run(step, truncate), PaceError::Malformed { .. }));
    }
    assert!(matches!(run(1, short_nonce), PaceError::NonceLength { length: 3 }));
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
        card.pace.set_at(&data_at, &card.suites, &card.passwords).unwrap();
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
    let mut arithmetic = Arithmetic::new(Curve::BrainpoolP256r1).unwrap();
    let nonce = Secret::new(vectors.bytes("/pace/nonce_s"));
    let own = arithmetic.key_pair(None, &Secret::new(vectors.bytes("/pace/mapping/sk_map_pcd"))).unwrap();
    let common = arithmetic.common_point(&own.private, &vectors.bytes("/pace/mapping/pk_map_picc")).unwrap();
    let generator = arithmetic.mapped_generator(&nonce, &common).unwrap();
    assert_eq!(arithmetic.octets(&generator).unwrap(), vectors.bytes("/pace/mapping/mapped_generator"));
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
        prop_assert!(open(&mut card, &P256, &card_password(), &mut OsRandom).is_err());
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
        prop_assert!(open(&mut script, &P256, &password, &mut OsRandom).is_err());
    }

    #[test]
    fn hostile_commands_never_open_the_chip(
        at in prop::collection::vec(any::<u8>(), 0..40),
        steps in prop::collection::vec((any::<bool>(), prop::sample::select(vec![0x80u32, 0x81, 0x83, 0x85]), prop::collection::vec(any::<u8>(), 0..70)), 0..5),
    ) {
        let mut card = Pacing::new(vec![P256]);
        let _ = card.pace.set_at(&at, &card.suites, &card.passwords);
        let _ = card.pace.general_authenticate(true, &[0x7C, 0x00], &mut OsRandom);
        for (chaining, tag, value) in steps {
            let _ = card.pace.general_authenticate(chaining, &value, &mut OsRandom);
            let data = iso7816::tlv::encode(DYNAMIC_AUTHENTICATION, iso7816::tlv::encode(Tag(tag), value));
            let result = card.pace.general_authenticate(chaining, &data, &mut OsRandom);
            prop_assert!(!matches!(result, Ok(PaceStep::Done(..))));
        }
    }
}
