//! The worked example on both roles, both roles against each other, and hostile input.

use iso7816::tlv::encode;
use proptest::prelude::*;
use test_vectors::{Vectors, hex_of};

use super::*;

fn pair(cipher: Cipher) -> (Session<Terminal>, Session<Chip>) {
    let secret = b"a shared secret";
    (Session::agreed(cipher, secret).unwrap(), Session::agreed(cipher, secret).unwrap())
}

fn example<R: Role>(vectors: &Vectors) -> Session<R> {
    let key = |name: &str| Secret::new(vectors.bytes(&format!("/D3_authentication/{name}")));
    let ssc = u64::from_be_bytes(vectors.bytes("/D3_authentication/ssc").try_into().unwrap());
    Session::with_keys(Cipher::TripleDes, &key("ks_enc"), &key("ks_mac"), ssc).unwrap()
}

#[test]
fn both_ends_speak_the_worked_example() {
    let vectors = Vectors::load("icao9303-bac");
    let (mut terminal, mut chip) = (example::<Terminal>(&vectors), example::<Chip>(&vectors));
    for exchange in vectors.list("/D4_secure_messaging") {
        let plain = Command::parse(&hex_of(&exchange["unprotected_command_apdu"])).unwrap();
        let protected = hex_of(&exchange["protected_command_apdu"]);
        assert_eq!(terminal.protect_command(&plain).unwrap().to_bytes(), protected, "{}", exchange["name"]);
        assert_eq!(chip.open_command(&Command::parse(&protected).unwrap()).unwrap(), plain);

        let plain = Response::ok(hex_of(&exchange["decrypted_response_data"]));
        let protected = Response::parse(&hex_of(&exchange["protected_response_apdu"])).unwrap();
        assert_eq!(chip.protect_response(&plain).unwrap(), protected, "{}", exchange["name"]);
        assert_eq!(terminal.open_response(&protected).unwrap(), plain);
    }
}

/// A command without data and Le carries a checksum over its header alone, without a block of padding.
#[test]
fn a_bare_header_is_authenticated_alone() {
    for cipher in Cipher::ALL {
        let (mut terminal, mut chip) = pair(cipher);
        let command = Command::new(0x00, 0x44, 0x01, 0x02);
        let protected = terminal.protect_command(&command).unwrap();
        assert_eq!(protected.data.len(), 10);
        let key = kdf::derive(b"a shared secret", cipher, Purpose::Mac);
        let block = cipher.block_length();
        let mut message = vec![0; block];
        message[block - 1] = 1;
        message.extend([0x0C, 0x44, 0x01, 0x02]);
        message.extend(padding(4, block));
        assert_eq!(Mac::new(cipher, &key).unwrap().short_tag(&[&message]).unwrap(), protected.data[2..]);
        assert_eq!(chip.open_command(&protected).unwrap(), command);
    }
}

#[test]
fn odd_instructions_use_the_other_data_object() {
    let (mut terminal, mut chip) = pair(Cipher::Aes128);
    let command = Command::new(0x00, 0xB1, 0, 0).with_data([0x54, 0x01, 0x00]).with_ne(65_536);
    let protected = terminal.protect_command(&command).unwrap();
    assert_eq!(protected.data[..2], [0x85, 16]);
    assert_eq!(protected.data[18..22], [0x97, 2, 0, 0]);
    assert!(protected.is_extended());
    assert_eq!(chip.open_command(&protected).unwrap(), command);
    let response = chip.protect_response(&Response::ok([1, 2])).unwrap();
    assert_eq!(response.data[..2], [0x85, 16]);
    assert_eq!(terminal.open_response(&response).unwrap(), Response::ok([1, 2]));
}

#[test]
fn a_short_read_fills_a_short_response() {
    for cipher in Cipher::ALL {
        let (_, mut chip) = pair(cipher);
        let size = cipher.short_read() as usize;
        let fits = chip.protect_response(&Response::ok(vec![0; size])).unwrap();
        let too_long = chip.protect_response(&Response::ok(vec![0; size + 1])).unwrap();
        assert!(fits.data.len() <= 256 && too_long.data.len() > 256);
    }
}

#[test]
fn the_longest_command_passes_and_a_longer_one_leaves_the_session_open() {
    let (mut terminal, mut chip) = pair(Cipher::Aes256);
    let longest = Command::new(0, 0xD6, 0, 0).with_data(vec![0x5A; MAX_DATA - MOST_OVERHEAD]).with_ne(65_536);
    let longer = Command { data: vec![0; MAX_DATA - MOST_OVERHEAD + 1], ..longest.clone() };
    assert!(matches!(terminal.protect_command(&longer), Err(SmError::TooLong { .. })));
    let protected = terminal.protect_command(&longest).unwrap();
    assert!(protected.data.len() <= MAX_DATA);
    assert_eq!(chip.open_command(&Command::parse(&protected.to_bytes()).unwrap()).unwrap(), longest);
}

#[test]
fn errors_of_the_card_are_protected_too() {
    let (mut terminal, mut chip) = pair(Cipher::Aes192);
    let command = Command::new(0, 0xA4, 2, 0x0C).with_data([1, 3]);
    chip.open_command(&terminal.protect_command(&command).unwrap()).unwrap();
    let refusal = Response::status(Status::FILE_NOT_FOUND);
    let mut protected = chip.protect_response(&refusal).unwrap();
    assert_eq!(protected.data.len(), 14);
    assert_eq!(protected.status, Status::FILE_NOT_FOUND);
    // Only the status inside counts.
    protected.status = Status::OK;
    assert_eq!(terminal.open_response(&protected).unwrap(), refusal);
}

#[test]
fn a_bare_status_ends_the_session_and_is_told() {
    struct Bare;
    impl Card for Bare {
        fn transmit(&mut self, _: &Command) -> Result<Response, TransmitError> {
            Ok(Response::status(Status::SM_OBJECTS_INCORRECT))
        }
    }
    let mut secured = Secured::new(pair(Cipher::Aes128).0, Bare);
    let command = Command::new(0, 0xB0, 0, 0).with_ne(4);
    let first = secured.transmit(&command);
    assert!(matches!(first, Err(TransmitError::Unprotected { status: Status::SM_OBJECTS_INCORRECT })));
    assert!(secured.session().is_closed());
    assert!(matches!(secured.transmit(&command), Err(TransmitError::SecureMessaging { .. })));
    secured.replace(pair(Cipher::Aes128).0);
    assert!(!secured.session().is_closed());
}

#[test]
fn messages_out_of_order_end_the_session() {
    for cipher in Cipher::ALL {
        let command = Command::new(0, 0xB0, 0, 0).with_ne(4);
        // Twice the same.
        let (mut terminal, mut chip) = pair(cipher);
        let protected = terminal.protect_command(&command).unwrap();
        chip.open_command(&protected).unwrap();
        chip.protect_response(&Response::ok([1])).unwrap();
        assert!(matches!(chip.open_command(&protected), Err(SmError::Checksum)));
        assert!(matches!(chip.protect_response(&Response::ok([1])), Err(SmError::Closed)));
        // One lost on the way.
        let (mut terminal, mut chip) = pair(cipher);
        terminal.protect_command(&command).unwrap();
        let second = terminal.protect_command(&command).unwrap();
        assert!(matches!(chip.open_command(&second), Err(SmError::Checksum)));
        // The answer to another question.
        let (mut terminal, mut chip) = pair(cipher);
        chip.open_command(&terminal.protect_command(&command).unwrap()).unwrap();
        let first = chip.protect_response(&Response::ok([1])).unwrap();
        terminal.open_response(&first).unwrap();
        terminal.protect_command(&command).unwrap();
        assert!(matches!(terminal.open_response(&first), Err(SmError::Checksum)));
        assert!(matches!(terminal.protect_command(&command), Err(SmError::Closed)));
    }
}

#[test]
fn the_chip_answers_with_the_status_that_the_standard_asks_for() {
    let cases: [(u8, &[u8], Status); 5] = [
        (0x00, &[], Status::SECURITY_NOT_SATISFIED),
        (0x0C, &[0x97, 1, 4], Status::SM_OBJECTS_MISSING),
        (0x0C, &[0x8E, 8, 1, 2, 3, 4, 5, 6, 7, 8], Status::SM_OBJECTS_INCORRECT),
        (0x0C, &[0x81, 1, 4], Status::SM_OBJECTS_INCORRECT),
        (0x0C, &[0x87], Status::SM_OBJECTS_INCORRECT),
    ];
    for (cla, data, status) in cases {
        let (_, mut chip) = pair(Cipher::Aes128);
        let command = Command::new(cla, 0xB0, 0, 0).with_data(data);
        assert_eq!(chip.open_command(&command).unwrap_err().status(), status);
        assert!(chip.is_closed());
    }
}

#[test]
fn objects_that_do_not_belong_are_refused_even_with_a_right_checksum() {
    let object = |tag: Tag, value: &[u8]| encode(tag, value);
    let cases: [&[Vec<u8>]; 6] = [
        // A status word in a command, two cryptograms, an unknown padding indicator, half a block, no block, three bytes of Le.
        &[object(STATUS, &[0x90, 0])],
        &[object(PADDED_CRYPTOGRAM, &[1; 17]), object(PADDED_CRYPTOGRAM, &[1; 17])],
        &[object(PADDED_CRYPTOGRAM, &[2; 17])],
        &[object(PADDED_CRYPTOGRAM, &[1; 16])],
        &[object(CRYPTOGRAM, &[])],
        &[object(LE, &[0, 0, 1])],
    ];
    for objects in cases {
        let (mut terminal, mut chip) = pair(Cipher::Aes128);
        let mut data = objects.concat();
        let keys = terminal.keys.as_mut().unwrap();
        let counter = keys.counter.step();
        let checksum = keys.checksum(&counter, Some([0x0C, 0xB0, 0, 0]), &data).unwrap();
        data.extend(object(CHECKSUM, &checksum));
        let result = chip.open_command(&Command::new(0x0C, 0xB0, 0, 0).with_data(data));
        assert!(matches!(result, Err(SmError::Unexpected { .. } | SmError::Malformed { .. })));
    }
}

#[test]
fn the_counter_of_3des_and_of_aes_have_their_lengths() {
    let key = Secret::new(vec![1; 16]);
    for (cipher, length) in [(Cipher::TripleDes, 8), (Cipher::Aes128, 16)] {
        let mut session = Session::<Chip>::with_keys(cipher, &key, &key, u64::MAX - 1).unwrap();
        let counter = &mut session.keys.as_mut().unwrap().counter;
        let bytes = counter.step();
        assert_eq!(counter.block(&bytes).len(), length);
        assert_eq!(counter.block(&bytes)[length - 8..], [0xFF; 8]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_one_end_says_the_other_hears(
        cipher in prop::sample::select(Cipher::ALL.to_vec()),
        exchanges in prop::collection::vec(
            (
                any::<[u8; 4]>(),
                prop::collection::vec(any::<u8>(), 0..400),
                prop::option::of(1u32..=65_536),
                prop::collection::vec(any::<u8>(), 0..400),
                any::<u16>(),
            ),
            1..4,
        ),
    ) {
        let (mut terminal, mut chip) = pair(cipher);
        for ([cla, ins, p1, p2], data, ne, answer, status) in exchanges {
            let command = Command { cla: cla & !PROTECTED, ins, p1, p2, data, ne };
            let protected = terminal.protect_command(&command).unwrap();
            let protected = Command::parse(&protected.to_bytes()).unwrap();
            prop_assert_eq!(chip.open_command(&protected).unwrap(), command);
            let response = Response { data: answer, status: Status(status) };
            let protected = chip.protect_response(&response).unwrap();
            prop_assert_eq!(terminal.open_response(&protected).unwrap(), response);
        }
    }

    #[test]
    fn one_flipped_bit_is_found(
        cipher in prop::sample::select(Cipher::ALL.to_vec()),
        data in prop::collection::vec(any::<u8>(), 0..100),
        bit in any::<prop::sample::Index>(),
    ) {
        let (mut terminal, mut chip) = pair(cipher);
        let command = Command::new(0, 0xD6, 0, 0).with_data(data.clone()).with_ne(256);
        let honest = terminal.protect_command(&command).unwrap();
        let mut altered = honest.clone();
        let at = bit.index(altered.data.len() * 8);
        altered.data[at / 8] ^= 1 << (at % 8);
        let mut victim = pair(cipher).1;
        prop_assert!(victim.open_command(&altered).is_err());
        prop_assert!(victim.is_closed());

        let mut header = honest.clone();
        header.p2 ^= 1;
        prop_assert!(pair(cipher).1.open_command(&header).is_err());

        chip.open_command(&honest).unwrap();
        let mut response = chip.protect_response(&Response::ok(data)).unwrap();
        let at = bit.index(response.data.len() * 8);
        response.data[at / 8] ^= 1 << (at % 8);
        prop_assert!(terminal.open_response(&response).is_err());
    }

    #[test]
    fn hostile_bytes_never_pass(
        cipher in prop::sample::select(Cipher::ALL.to_vec()),
        header in any::<[u8; 4]>(),
        data in prop::collection::vec(any::<u8>(), 0..100),
        objects in prop::collection::vec(
            (prop::sample::select(vec![0x85u32, 0x87, 0x97, 0x99, 0x8E]), prop::collection::vec(any::<u8>(), 0..40)),
            0..5,
        ),
        status in any::<u16>(),
    ) {
        let built: Vec<u8> = objects.iter().flat_map(|(tag, value)| encode(Tag(*tag), value)).collect();
        for data in [data, built] {
            let [cla, ins, p1, p2] = header;
            let command = Command { cla: cla | PROTECTED, ins, p1, p2, data: data.clone(), ne: None };
            prop_assert!(pair(cipher).1.open_command(&command).is_err());
            let (mut terminal, _) = pair(cipher);
            terminal.protect_command(&Command::new(0, 0xB0, 0, 0)).unwrap();
            let response = Response { data, status: Status(status) };
            prop_assert!(terminal.open_response(&response).is_err());
        }
    }
}
