//! Proof that a card has a private key: it uses the key on what the host draws (SP 800-73-4 part 2 §3.2.4, appendix A).
//!
//! ```text
//! ECDSA            hash of a random message        -> signature, verified with the public key
//! RSA              00 01 FF .. FF 00 DigestInfo    -> signature, verified with the public key (RFC 8017 §9.2)
//! Diffie-Hellman   ephemeral point of the host     -> x-coordinate, compared with the host's own
//! RSA decipher     00 02 PS 00 random, enciphered  -> the block, compared with what was drawn (RFC 8017 §7.2)
//! ```
//!
//! Knows the host's side. Nothing here asks who the key belongs to.

use channel::random::{Random, RandomError};
use channel::secret::Secret;
use iso7816::tlv::{Tag, encode};
use iso7816::{Command, Response};
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private, Public};
use openssl::rsa::{Padding, Rsa};
use openssl::sha::{sha256, sha384};
use openssl::sign::Verifier;

use crate::authentication::{Template, agree, sign};
use crate::keys::{Algorithm, KeyReference, PublicKey, Purpose};

/// What a signed challenge begins with: no signature that a host gets so is one over anything else.
const PREFIX: &[u8] = b"Bitaqa proof of possession";
/// Random bytes of a challenge.
const FRESH: usize = 32;
/// Most blocks that are drawn for one cryptogram; each is good with a chance of one half at least.
const MOST_DRAWN: usize = 128;
/// `2.16.840.1.101.3.4.2.1`, SHA-256.
const SHA256: [u8; 9] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const SEQUENCE: Tag = Tag(0x30);

/// The public half of a card's key pair, as OpenSSL takes it.
#[derive(Clone)]
pub struct CardKey {
    algorithm: Algorithm,
    key: PKey<Public>,
}

/// The host's ephemeral key for a proof by key agreement.
pub struct Agreement {
    own: PKey<Private>,
    point: Vec<u8>,
}

/// What a card is to do with one key, and what its answer must be.
pub struct Challenge {
    key: CardKey,
    task: Task,
}

enum Task {
    /// To sign this message.
    Sign(Vec<u8>),
    /// To agree on a secret.
    Agree(Agreement),
    /// To decipher the second into the first.
    Decipher(Secret, Vec<u8>),
}

/// Why no challenge could be made; the card was not asked.
#[derive(Debug, thiserror::Error)]
pub enum ChallengeError {
    /// Nothing random.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// OpenSSL failed.
    #[error("OpenSSL failed: {0}")]
    OpenSsl(#[from] ErrorStack),
}

/// Why an answer proves nothing. But for the last, a card that has the key does not answer so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not the template with a response.
    #[error("its answer is no dynamic authentication template with a response")]
    Form,
    /// A signature that does not verify.
    #[error("its signature over a random challenge does not verify with the key")]
    Signature,
    /// Another secret.
    #[error("it came to another shared secret than the key does")]
    Agreement,
    /// Another block.
    #[error("it deciphered a random block to something else than the key does")]
    Decipherment,
    /// The host failed: nothing is said of the card.
    #[error("OpenSSL could not judge the card's answer")]
    OpenSsl,
}

impl CardKey {
    /// A key as GENERATE ASYMMETRIC KEY PAIR answers it; `None` when it is none of the algorithm, or its point not on the curve.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn from_answer(algorithm: Algorithm, answer: &[u8]) -> Result<Option<Self>, ErrorStack> {
        let key = match PublicKey::parse(algorithm, answer) {
            Err(_) => None,
            Ok(PublicKey::Point(point)) => point_key(algorithm, &point)?,
            Ok(PublicKey::Rsa { modulus, exponent }) => {
                let (n, e) = (BigNum::from_slice(&modulus)?, BigNum::from_slice(&exponent)?);
                Some(PKey::from_rsa(Rsa::from_public_components(n, e)?)?)
            }
        };
        Ok(key.map(|key| CardKey { algorithm, key }))
    }

    /// The key of a certificate (SubjectPublicKeyInfo, DER); `None` when it is of no [`Algorithm`].
    pub fn from_spki(spki: &[u8]) -> Option<Self> {
        let key = PKey::public_key_from_der(spki).ok()?;
        let algorithm = match key.id() {
            // A curve of somebody's own has no name.
            Id::EC => match key.ec_key().ok()?.group().curve_name()? {
                Nid::X9_62_PRIME256V1 => Algorithm::P256,
                Nid::SECP384R1 => Algorithm::P384,
                _ => return None,
            },
            Id::RSA => match key.rsa().ok()?.n().num_bits() {
                2048 => Algorithm::Rsa2048,
                3072 => Algorithm::Rsa3072,
                _ => return None,
            },
            _ => return None,
        };
        Some(CardKey { algorithm, key })
    }

    /// SubjectPublicKeyInfo, DER.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn to_spki(&self) -> Result<Vec<u8>, ErrorStack> {
        self.key.public_key_to_der()
    }

    /// What the key does it by.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What the card is given to sign `message`: a hash, or for RSA the whole padded block.
    pub fn to_be_signed(&self, message: &[u8]) -> Vec<u8> {
        match self.algorithm {
            Algorithm::P256 => sha256(message).to_vec(),
            Algorithm::P384 => sha384(message).to_vec(),
            Algorithm::Rsa2048 | Algorithm::Rsa3072 => padded(&sha256(message), self.algorithm.width()),
        }
    }

    /// Whether the key made this signature over `message`: ECDSA in DER, RSA by PKCS#1 version 1.5.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let digest = match self.algorithm {
            Algorithm::P384 => MessageDigest::sha384(),
            _ => MessageDigest::sha256(),
        };
        let mut verifier = Verifier::new(digest, &self.key)?;
        // A signature that is no DER is an error to OpenSSL, and no good one to us.
        Ok(verifier.verify_oneshot(signature, message).unwrap_or(false))
    }

    /// An ephemeral key of the host on the card's curve.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn agreement(&self) -> Result<Agreement, ErrorStack> {
        let group = EcGroup::from_curve_name(curve(self.algorithm))?;
        let own = EcKey::generate(&group)?;
        let mut context = BigNumContext::new()?;
        let point = own.public_key().to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context)?;
        Ok(Agreement { own: PKey::from_ec_key(own)?, point })
    }
}

impl Agreement {
    /// What the card agrees with, `04 || x || y`.
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// True when the card came to the same secret: it has the private key.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn proves(&self, key: &CardKey, answer: &[u8]) -> Result<bool, ErrorStack> {
        let mut deriver = Deriver::new(&self.own)?;
        deriver.set_peer(&key.key)?;
        let secret = Secret::new(deriver.derive_to_vec()?);
        Ok(secret == Secret::from(answer))
    }
}

impl Challenge {
    /// Draws what a key of this purpose is asked: an RSA key that agrees on curves deciphers.
    ///
    /// # Errors
    /// When there is no randomness, or OpenSSL fails.
    pub fn draw(key: CardKey, purpose: Purpose, random: &mut dyn Random) -> Result<Self, ChallengeError> {
        let task = match (purpose, key.algorithm.is_rsa()) {
            (Purpose::Sign, _) => {
                let mut fresh = [0; FRESH];
                random.fill(&mut fresh)?;
                Task::Sign([PREFIX, &fresh].concat())
            }
            (Purpose::Agree, false) => Task::Agree(key.agreement()?),
            (Purpose::Agree, true) => {
                let (block, cryptogram) = enciphered(&key, random)?;
                Task::Decipher(block, cryptogram)
            }
        };
        Ok(Challenge { key, task })
    }

    /// The command for the key with this reference.
    pub fn command(&self, reference: KeyReference) -> Command {
        let algorithm = self.key.algorithm;
        match &self.task {
            Task::Sign(message) => sign(reference, algorithm, &self.key.to_be_signed(message)),
            Task::Agree(agreement) => agree(reference, algorithm, agreement.point()),
            Task::Decipher(_, cryptogram) => sign(reference, algorithm, cryptogram),
        }
    }

    /// Judges the answer to [`Challenge::command`], whose status is for the caller.
    ///
    /// # Errors
    /// When the answer is not one of a card that has the private key, or OpenSSL fails.
    pub fn proved_by(&self, answer: &Response) -> Result<(), ProofError> {
        let response = Template::parse(&answer.data).ok().and_then(|template| match template {
            Template { witness: None, challenge: None, response: Some(response), exponentiation: None } => {
                Some(response)
            }
            _ => None,
        });
        let response = response.ok_or(ProofError::Form)?;
        let (proved, error) = match &self.task {
            Task::Sign(message) => (self.key.signed(message, response), ProofError::Signature),
            Task::Agree(own) => (own.proves(&self.key, response), ProofError::Agreement),
            Task::Decipher(block, _) => (Ok(*block == Secret::from(response)), ProofError::Decipherment),
        };
        match proved {
            Ok(true) => Ok(()),
            Ok(false) => Err(error),
            Err(_) => Err(ProofError::OpenSsl),
        }
    }
}

fn curve(algorithm: Algorithm) -> Nid {
    match algorithm {
        Algorithm::P384 => Nid::SECP384R1,
        _ => Nid::X9_62_PRIME256V1,
    }
}

/// `None` for a point that is not on the curve.
fn point_key(algorithm: Algorithm, point: &[u8]) -> Result<Option<PKey<Public>>, ErrorStack> {
    let group = EcGroup::from_curve_name(curve(algorithm))?;
    let mut context = BigNumContext::new()?;
    let Ok(point) = EcPoint::from_bytes(&group, point, &mut context) else { return Ok(None) };
    match EcKey::from_public_key(&group, &point).and_then(|key| key.check_key().map(|()| key)) {
        Ok(key) => Ok(Some(PKey::from_ec_key(key)?)),
        Err(_) => Ok(None),
    }
}

/// `00 01 FF .. FF 00 DigestInfo` as wide as the modulus.
fn padded(digest: &[u8; 32], width: usize) -> Vec<u8> {
    let algorithm = encode(SEQUENCE, [encode(Tag(0x06), SHA256), encode(Tag(0x05), [])].concat());
    let information = encode(SEQUENCE, [algorithm, encode(Tag(0x04), digest)].concat());
    let filler = vec![0xFF; width.saturating_sub(information.len() + 3)];
    [&[0x00, 0x01][..], &filler, &[0x00], &information].concat()
}

/// A random block and its cryptogram, which every key of this length takes: one with another key answers, and answers wrongly.
fn enciphered(key: &CardKey, random: &mut dyn Random) -> Result<(Secret, Vec<u8>), ChallengeError> {
    let rsa = key.key.rsa()?;
    let mut cryptogram = vec![0; key.algorithm.width()];
    for _ in 0..MOST_DRAWN {
        let block = Secret::new(message_block(key.algorithm.width(), random)?);
        rsa.public_encrypt(block.expose(), &mut cryptogram, Padding::NONE)?;
        // Below half of the largest modulus is below every modulus.
        if cryptogram.first().is_some_and(|byte| byte & 0x80 == 0) {
            return Ok((block, cryptogram));
        }
    }
    Err(RandomError.into())
}

/// `00 02 PS 00 message`, the message random; PS without a zero byte.
fn message_block(width: usize, random: &mut dyn Random) -> Result<Vec<u8>, RandomError> {
    let mut block = vec![0; width];
    random.fill(&mut block)?;
    let message_at = width.saturating_sub(FRESH);
    for (place, byte) in block.iter_mut().enumerate() {
        *byte = match place {
            0 => 0x00,
            1 => 0x02,
            place if place + 1 < message_at => *byte | 1,
            place if place < message_at => 0x00,
            _ => *byte,
        };
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use channel::random::OsRandom;
    use iso7816::Status;
    use proptest::prelude::*;

    use super::*;

    fn pair(algorithm: Algorithm) -> (PKey<Private>, CardKey) {
        let private = match algorithm.is_rsa() {
            true => PKey::from_rsa(Rsa::generate(algorithm.width() as u32 * 8).unwrap()).unwrap(),
            false => {
                let group = EcGroup::from_curve_name(curve(algorithm)).unwrap();
                PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
            }
        };
        let public = CardKey::from_spki(&private.public_key_to_der().unwrap()).unwrap();
        (private, public)
    }

    /// What a card with this key answers.
    fn answer(private: &PKey<Private>, algorithm: Algorithm, command: &Command) -> Response {
        let template = Template::parse(&command.data).unwrap();
        let response = match (template.challenge, template.exponentiation) {
            (Some(block), None) if algorithm.is_rsa() => {
                let mut out = vec![0; algorithm.width()];
                private.rsa().unwrap().private_encrypt(block, &mut out, Padding::NONE).unwrap();
                out
            }
            (Some(hash), None) => {
                let key = private.ec_key().unwrap();
                openssl::ecdsa::EcdsaSig::sign(hash, &key).unwrap().to_der().unwrap()
            }
            (None, Some(point)) => {
                let peer = point_key(algorithm, point).unwrap().unwrap();
                let mut deriver = Deriver::new(private).unwrap();
                deriver.set_peer(&peer).unwrap();
                deriver.derive_to_vec().unwrap()
            }
            _ => panic!("one thing is asked"),
        };
        Response::ok(Template { response: Some(&response), ..Template::default() }.to_bytes())
    }

    #[test]
    fn whoever_has_the_key_proves_it_and_nobody_else() {
        for algorithm in Algorithm::ALL {
            let ((private, public), (other, _)) = (pair(algorithm), pair(algorithm));
            assert_eq!(public.algorithm(), algorithm);
            for purpose in [Purpose::Sign, Purpose::Agree] {
                let draw = || Challenge::draw(public.clone(), purpose, &mut OsRandom).unwrap();
                let challenge = draw();
                let command = challenge.command(KeyReference::Authentication);
                assert_eq!((command.ins, command.p1, command.p2), (0x87, algorithm as u8, 0x9A));
                let good = answer(&private, algorithm, &command);
                assert_eq!(challenge.proved_by(&good), Ok(()), "{algorithm:?} {purpose:?}");
                assert!(challenge.proved_by(&answer(&other, algorithm, &command)).is_err(), "{algorithm:?}");
                // An answer of before is none to the next challenge.
                assert!(draw().proved_by(&good).is_err(), "{algorithm:?} {purpose:?}");
                assert_ne!(draw().command(KeyReference::Authentication), command);
                let mut spoiled = good.clone();
                *spoiled.data.last_mut().unwrap() ^= 1;
                assert!(challenge.proved_by(&spoiled).is_err(), "{algorithm:?} {purpose:?}");
            }
        }
    }

    #[test]
    fn other_answers_and_other_keys_are_none() {
        let (_, public) = pair(Algorithm::P256);
        let challenge = Challenge::draw(public, Purpose::Sign, &mut OsRandom).unwrap();
        for bad in ["", "7c00", "7c028200", "7c028100", "7c0482008100", "3000", "7c0482023000"] {
            let answer = Response { data: hex::decode(bad).unwrap(), status: Status::OK };
            assert!(challenge.proved_by(&answer).is_err(), "{bad}");
        }
        let rsa = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
        let group = EcGroup::from_curve_name(Nid::SECP521R1).unwrap();
        let curve = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        for key in [rsa, curve] {
            assert!(CardKey::from_spki(&key.public_key_to_der().unwrap()).is_none());
        }
    }

    #[test]
    fn a_block_to_decipher_is_one_of_pkcs1() {
        let block = message_block(256, &mut OsRandom).unwrap();
        assert!(block.len() == 256 && block.starts_with(&[0, 2]) && block[223] == 0);
        assert!(block[2..223].iter().all(|byte| *byte != 0));
    }

    proptest! {
        #[test]
        fn hostile_bytes_prove_nothing(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let (_, public) = pair(Algorithm::P256);
            prop_assert!(CardKey::from_spki(&bytes).is_none());
            let raw = Response { data: bytes.clone(), status: Status::OK };
            let told = Response::ok(Template { response: Some(&bytes), ..Template::default() }.to_bytes());
            for purpose in [Purpose::Sign, Purpose::Agree] {
                let challenge = Challenge::draw(public.clone(), purpose, &mut OsRandom).unwrap();
                prop_assert!(challenge.proved_by(&raw).is_err());
                prop_assert!(challenge.proved_by(&told).is_err());
            }
        }
    }
}
