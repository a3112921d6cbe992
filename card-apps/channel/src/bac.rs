//! Basic Access Control (9303-11 §4.3): 3DES session keys from the machine readable zone.
//!
//! ```text
//! GET CHALLENGE          00 84 00 00 08  ->  RND.IC (8)
//! EXTERNAL AUTHENTICATE  00 82 00 00 28  E(RND.IFD || RND.IC || K.IFD) || MAC   ->  E(RND.IC || RND.IFD || K.IC) || MAC
//! ```

use iso7816::{Card, Command, Status, TransmitError};
use openssl::error::ErrorStack;

use crate::block::{Cbc, ZERO_IV, padding};
use crate::kdf::{self, Purpose};
use crate::mac::Mac;
use crate::password::MrzKey;
use crate::random::{self, Random, RandomError};
use crate::role::{Chip, Role, Terminal};
use crate::secret::{Secret, same};
use crate::sm::Session;
use crate::suite::Cipher;

/// Instruction byte of the first command: nothing was said of the key yet.
pub const GET_CHALLENGE: u8 = 0x84;
const EXTERNAL_AUTHENTICATE: u8 = 0x82;

/// Why BAC did not open a session.
#[derive(Debug, thiserror::Error)]
pub enum BacError {
    /// The card refused a command; at EXTERNAL AUTHENTICATE: most likely another card's MRZ.
    #[error("the card refused BAC at instruction {instruction:02X}: {status}")]
    Refused {
        /// Instruction byte of the command.
        instruction: u8,
        /// What the card said.
        status: Status,
    },
    /// The card's answer has the wrong length.
    #[error("the card's answer to instruction {instruction:02X} has {length} bytes")]
    Length {
        /// Instruction byte of the command.
        instruction: u8,
        /// Bytes received.
        length: usize,
    },
    /// The card's answer does not prove that it knows the key.
    #[error("the card did not prove that it knows the key of this MRZ")]
    NotAuthentic,
    /// No answer.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// OpenSSL failed.
    #[error("cryptography failed")]
    OpenSsl(#[from] ErrorStack),
}

/// Opens a session with the selected eMRTD application.
///
/// # Errors
/// See [`BacError`].
pub fn open(card: &mut dyn Card, key: &MrzKey, random: &mut dyn Random) -> Result<Session<Terminal>, BacError> {
    let mut keys = AccessKeys::new(key)?;
    let get_challenge = Command::new(0x00, GET_CHALLENGE, 0x00, 0x00).with_ne(8);
    let rnd_ic: [u8; 8] = accepted(card, &get_challenge)?;
    let rnd_ifd: [u8; 8] = random::array(random)?;
    let mut k_ifd = Secret::new(vec![0; 16]);
    random.fill(k_ifd.expose_mut())?;

    let proof = keys.seal(&Proof { own: rnd_ifd, peer: rnd_ic, key: k_ifd.clone() })?;
    let authenticate = Command::new(0x00, EXTERNAL_AUTHENTICATE, 0x00, 0x00).with_data(proof).with_ne(40);
    let answer: [u8; 40] = accepted(card, &authenticate)?;
    match keys.open(&answer)? {
        Some(proof) if proof.own == rnd_ic && proof.peer == rnd_ifd => {
            Ok(session(&k_ifd, &proof.key, &rnd_ic, &rnd_ifd)?)
        }
        _ => Err(BacError::NotAuthentic),
    }
}

/// The response data of a command that the card must accept, of exactly `N` bytes.
fn accepted<const N: usize>(card: &mut dyn Card, command: &Command) -> Result<[u8; N], BacError> {
    let instruction = command.ins;
    let response = card.transmit(command)?;
    if !response.status.is_ok() {
        return Err(BacError::Refused { instruction, status: response.status });
    }
    let length = response.data.len();
    response.data.try_into().map_err(|_| BacError::Length { instruction, length })
}

/// The chip's end of BAC: the challenge given out, if any.
#[derive(Clone, Debug, Default)]
pub struct ChipBac {
    challenge: Option<[u8; 8]>,
}

impl ChipBac {
    /// Answers GET CHALLENGE with eight fresh bytes, which replace those given out before.
    ///
    /// # Errors
    /// `6F00` without randomness.
    pub fn get_challenge(&mut self, random: &mut dyn Random) -> Result<Vec<u8>, Status> {
        let challenge = random::array(random).map_err(|_| Status::UNKNOWN_ERROR)?;
        self.challenge = Some(challenge);
        Ok(challenge.to_vec())
    }

    /// Answers EXTERNAL AUTHENTICATE: the response data (sent bare) and the session that starts after it.
    ///
    /// The challenge is used up, whatever comes of it.
    ///
    /// # Errors
    /// `6985` without a challenge before, `6700` for a wrong length, `6300` for a wrong key.
    pub fn external_authenticate(
        &mut self,
        data: &[u8],
        key: &MrzKey,
        random: &mut dyn Random,
    ) -> Result<(Vec<u8>, Session<Chip>), Status> {
        let rnd_ic = self.challenge.take().ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
        let data = data.try_into().map_err(|_| Status::WRONG_LENGTH)?;
        let mut keys = AccessKeys::new(key).map_err(failed)?;
        let proof = keys.open(data).map_err(failed)?.filter(|proof| proof.peer == rnd_ic);
        let proof = proof.ok_or(Status::AUTHENTICATION_FAILED)?;
        let mut k_ic = Secret::new(vec![0; 16]);
        random.fill(k_ic.expose_mut()).map_err(|_| Status::UNKNOWN_ERROR)?;
        let session = session(&proof.key, &k_ic, &rnd_ic, &proof.own).map_err(failed)?;
        let answer = keys.seal(&Proof { own: rnd_ic, peer: proof.own, key: k_ic }).map_err(failed)?;
        Ok((answer, session))
    }
}

fn failed(_: ErrorStack) -> Status {
    Status::UNKNOWN_ERROR
}

/// What each end sends: its own random number, the other's, and its share of the session keys.
struct Proof {
    own: [u8; 8],
    peer: [u8; 8],
    key: Secret,
}

/// The document basic access keys at work.
struct AccessKeys {
    encryptor: Cbc,
    decryptor: Cbc,
    mac: Mac,
}

impl AccessKeys {
    fn new(key: &MrzKey) -> Result<Self, ErrorStack> {
        let encryption = kdf::derive(key.seed(), Cipher::TripleDes, Purpose::Encryption);
        let mac = kdf::derive(key.seed(), Cipher::TripleDes, Purpose::Mac);
        Ok(AccessKeys {
            encryptor: Cbc::encryptor(Cipher::TripleDes, &encryption)?,
            decryptor: Cbc::decryptor(Cipher::TripleDes, &encryption)?,
            mac: Mac::new(Cipher::TripleDes, &mac)?,
        })
    }

    /// Cryptogram (32) and MAC (8).
    fn seal(&mut self, proof: &Proof) -> Result<Vec<u8>, ErrorStack> {
        let plain = Secret::new([&proof.own, &proof.peer, proof.key.expose()].concat());
        let mut sealed = self.encryptor.message(&ZERO_IV, plain.expose())?;
        let tag = self.tag(&sealed)?;
        sealed.extend(tag);
        Ok(sealed)
    }

    /// `None` when the MAC is wrong.
    fn open(&mut self, sealed: &[u8; 40]) -> Result<Option<Proof>, ErrorStack> {
        let (cryptogram, tag) = sealed.split_at(32);
        if !same(&self.tag(cryptogram)?, tag) {
            return Ok(None);
        }
        let plain = Secret::new(self.decryptor.message(&ZERO_IV, cryptogram)?);
        let fields = || {
            let (own, rest) = plain.expose().split_first_chunk()?;
            let (peer, key) = rest.split_first_chunk()?;
            Some(Proof { own: *own, peer: *peer, key: Secret::from(key) })
        };
        Ok(fields())
    }

    fn tag(&mut self, cryptogram: &[u8]) -> Result<[u8; 8], ErrorStack> {
        self.mac.short_tag(&[cryptogram, padding(cryptogram.len(), 8)])
    }
}

/// The session: keys from both shares, the counter from the ends of both random numbers (9303-11 §9.8.6.3).
fn session<R: Role>(
    k_ifd: &Secret,
    k_ic: &Secret,
    rnd_ic: &[u8; 8],
    rnd_ifd: &[u8; 8],
) -> Result<Session<R>, ErrorStack> {
    let seed = k_ifd.expose().iter().zip(k_ic.expose()).map(|(a, b)| a ^ b).collect();
    let seed = Secret::new(seed);
    let encryption = kdf::derive(seed.expose(), Cipher::TripleDes, Purpose::Encryption);
    let mac = kdf::derive(seed.expose(), Cipher::TripleDes, Purpose::Mac);
    let [.., a, b, c, d] = *rnd_ic;
    let [.., e, f, g, h] = *rnd_ifd;
    Session::with_keys(Cipher::TripleDes, &encryption, &mac, u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

#[cfg(test)]
mod tests {
    use iso7816::Response;
    use proptest::prelude::*;
    use test_vectors::Vectors;

    use super::*;
    use crate::random::{Fixed, OsRandom};
    use crate::sm::Secured;

    fn key() -> MrzKey {
        MrzKey::from_information("L898902C<369080619406236")
    }

    /// A card with nothing but BAC; after it, secure messaging that echoes.
    struct Basic<'a> {
        bac: ChipBac,
        random: &'a mut dyn Random,
        session: Option<Session<Chip>>,
        asked: Vec<Vec<u8>>,
        /// Which bit to flip in the answer to EXTERNAL AUTHENTICATE.
        flip: Option<usize>,
    }

    impl<'a> Basic<'a> {
        fn new(random: &'a mut dyn Random) -> Self {
            Basic { bac: ChipBac::default(), random, session: None, asked: vec![], flip: None }
        }

        fn answer(&mut self, command: &Command) -> Result<Response, Status> {
            self.asked.push(command.to_bytes());
            if let Some(session) = &mut self.session {
                let plain = session.open_command(command).map_err(|error| error.status())?;
                return session.protect_response(&Response::ok(plain.data)).map_err(|error| error.status());
            }
            if command.ins == GET_CHALLENGE {
                return Ok(Response::ok(self.bac.get_challenge(self.random)?));
            }
            let (mut data, session) = self.bac.external_authenticate(&command.data, &key(), self.random)?;
            if let Some(bit) = self.flip {
                data[bit / 8] ^= 1 << (bit % 8);
            }
            self.session = Some(session);
            Ok(Response::ok(data))
        }
    }

    impl Card for Basic<'_> {
        fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
            Ok(self.answer(command).unwrap_or_else(Response::status))
        }
    }

    #[test]
    fn both_ends_speak_the_worked_example() {
        let vectors = Vectors::load("icao9303-bac");
        let bytes = |name: &str| vectors.bytes(&format!("/D3_authentication/{name}"));
        let mut chip_random = Fixed::new([bytes("rnd_ic"), bytes("k_ic")].concat());
        let mut card = Basic::new(&mut chip_random);
        let mut random = Fixed::new([bytes("rnd_ifd"), bytes("k_ifd")].concat());
        let mut session = open(&mut card, &key(), &mut random).unwrap();
        assert_eq!(card.asked[0], [0x00, 0x84, 0x00, 0x00, 0x08]);
        assert_eq!(card.asked[1], bytes("external_authenticate_command_apdu"));

        let (ks_enc, ks_mac) = (Secret::new(bytes("ks_enc")), Secret::new(bytes("ks_mac")));
        let ssc = u64::from_be_bytes(bytes("ssc").try_into().unwrap());
        let mut expected = Session::<Chip>::with_keys(Cipher::TripleDes, &ks_enc, &ks_mac, ssc).unwrap();
        let command = Command::new(0, 0xB0, 0, 0).with_ne(4);
        let protected = session.protect_command(&command).unwrap();
        assert_eq!(expected.open_command(&protected).unwrap(), command);
        assert_eq!(card.session.unwrap().open_command(&protected).unwrap(), command);
    }

    #[test]
    fn the_chip_answers_as_the_worked_example_prints() {
        let vectors = Vectors::load("icao9303-bac");
        let bytes = |name: &str| vectors.bytes(&format!("/D3_authentication/{name}"));
        let mut random = Fixed::new([bytes("rnd_ic"), bytes("k_ic")].concat());
        let mut bac = ChipBac::default();
        assert_eq!(bac.get_challenge(&mut random).unwrap(), bytes("rnd_ic"));
        let command = Command::parse(&bytes("external_authenticate_command_apdu")).unwrap();
        let (answer, _) = bac.external_authenticate(&command.data, &key(), &mut random).unwrap();
        assert_eq!(answer, bytes("external_authenticate_response_data"));
        assert_eq!(
            bac.external_authenticate(&command.data, &key(), &mut random).map(drop),
            Err(Status::CONDITIONS_NOT_SATISFIED)
        );
    }

    #[test]
    fn a_session_opens_and_speaks() {
        let mut random = OsRandom;
        let mut card = Basic::new(&mut random);
        let session = open(&mut card, &key(), &mut OsRandom).unwrap();
        let mut secured = Secured::new(session, card);
        for size in [0, 7, 8, 500] {
            let command = Command::new(0, 0xD6, 0, 0).with_data(vec![1; size]).with_ne(256);
            assert_eq!(secured.transmit(&command).unwrap(), Response::ok(vec![1; size]));
        }
    }

    #[test]
    fn another_mrz_opens_nothing() {
        let mut random = OsRandom;
        let mut card = Basic::new(&mut random);
        let other = MrzKey::from_information("L898902C<369080619406237");
        let result = open(&mut card, &other, &mut OsRandom).map(drop);
        assert!(matches!(
            result,
            Err(BacError::Refused { instruction: EXTERNAL_AUTHENTICATE, status: Status::AUTHENTICATION_FAILED })
        ));
    }

    #[test]
    fn an_altered_answer_opens_nothing() {
        for bit in [0, 100, 319] {
            let mut random = OsRandom;
            let mut card = Basic::new(&mut random);
            card.flip = Some(bit);
            assert!(matches!(open(&mut card, &key(), &mut OsRandom).map(drop), Err(BacError::NotAuthentic)));
        }
    }

    /// A card that knows the key but answers another terminal's question.
    #[test]
    fn an_answer_to_another_question_opens_nothing() {
        struct Confused;
        impl Card for Confused {
            fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
                if command.ins == GET_CHALLENGE {
                    return Ok(Response::ok([9; 8]));
                }
                let proof = Proof { own: [9; 8], peer: [0; 8], key: Secret::new(vec![2; 16]) };
                Ok(Response::ok(AccessKeys::new(&key()).unwrap().seal(&proof).unwrap()))
            }
        }
        assert!(matches!(open(&mut Confused, &key(), &mut OsRandom), Err(BacError::NotAuthentic)));
    }

    #[test]
    fn an_old_challenge_opens_nothing() {
        let mut recorded = ChipBac::default();
        let challenge = recorded.get_challenge(&mut OsRandom).unwrap();
        let proof = Proof { own: [1; 8], peer: challenge.try_into().unwrap(), key: Secret::new(vec![2; 16]) };
        let data = AccessKeys::new(&key()).unwrap().seal(&proof).unwrap();
        recorded.get_challenge(&mut OsRandom).unwrap();
        let result = recorded.external_authenticate(&data, &key(), &mut OsRandom).map(drop);
        assert_eq!(result, Err(Status::AUTHENTICATION_FAILED));
    }

    proptest! {
        #[test]
        fn hostile_ends_never_pass(data in prop::collection::vec(any::<u8>(), 0..60), status in any::<u16>()) {
            let mut bac = ChipBac::default();
            bac.get_challenge(&mut OsRandom).unwrap();
            prop_assert!(bac.external_authenticate(&data, &key(), &mut OsRandom).is_err());

            struct Hostile(Vec<u8>, u16);
            impl Card for Hostile {
                fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
                    if command.ins == GET_CHALLENGE {
                        return Ok(Response::ok([9; 8]));
                    }
                    Ok(Response { data: self.0.clone(), status: Status(self.1) })
                }
            }
            for status in [0x9000, status] {
                prop_assert!(open(&mut Hostile(data.clone(), status), &key(), &mut OsRandom).is_err());
            }
        }
    }
}
