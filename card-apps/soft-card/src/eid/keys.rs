//! Key pairs: made on the card, used by GENERAL AUTHENTICATE, never leaving it (SP 800-73-4 part 2 §3.2.4, §3.3.2).

use channel::secret::Secret;
use eid::authentication::Template;
use eid::keys::{Algorithm, KeyReference, PublicKey, Purpose};
use iso7816::{Response, Status};
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};

use super::state::{KeyPair, Memory};

/// The longest hash: SHA-512. A longer one than the curve is cut by ECDSA itself.
const MAX_HASH: usize = 64;

/// Makes a key pair in the place of the one before, whose certificate goes with it; answers the public key.
pub(super) fn generate(key: KeyReference, algorithm: Algorithm, memory: &mut Memory) -> Result<Response, Status> {
    let answer = replace(key, algorithm, memory)?;
    memory.objects.remove(&key.certificate().tag.0);
    Ok(answer)
}

/// The same, whatever becomes of the certificate.
pub(super) fn replace(key: KeyReference, algorithm: Algorithm, memory: &mut Memory) -> Result<Response, Status> {
    let (pair, public) = make(algorithm).map_err(failed)?;
    memory.keys.insert(key as u8, pair);
    Ok(Response::ok(public.to_bytes()))
}

fn make(algorithm: Algorithm) -> Result<(KeyPair, PublicKey), ErrorStack> {
    let (private, public) = if algorithm.is_rsa() {
        let rsa = Rsa::generate((algorithm.width() * 8) as u32)?;
        let public = PublicKey::Rsa { modulus: rsa.n().to_vec(), exponent: rsa.e().to_vec() };
        (rsa.private_key_to_der()?, public)
    } else {
        let group = group(algorithm)?;
        let key = EcKey::generate(&group)?;
        let mut context = BigNumContext::new()?;
        let point = key.public_key().to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context)?;
        (key.private_key_to_der()?, PublicKey::Point(point))
    };
    Ok((KeyPair { algorithm: algorithm as u8, private: Secret::new(private) }, public))
}

/// Does the key's one operation: the private operation of RSA, ECDSA, or Diffie-Hellman.
///
/// `6A86` for a key that is not there or of another algorithm, `6A80` for data that it cannot take.
pub(super) fn use_key(
    key: KeyReference,
    algorithm: Algorithm,
    template: &Template<'_>,
    memory: &Memory,
) -> Result<Response, Status> {
    let pair = memory.keys.get(&(key as u8)).ok_or(Status::INCORRECT_P1_P2)?;
    if pair.algorithm != algorithm as u8 {
        return Err(Status::INCORRECT_P1_P2);
    }
    let operation = Operation::of(template).ok_or(Status::WRONG_DATA)?;
    let good = match (algorithm.is_rsa(), key.purpose(), operation) {
        (true, _, Operation::Block(_)) | (false, Purpose::Agree, Operation::Point(_)) => true,
        (false, Purpose::Sign, Operation::Block(hash)) => (1..=MAX_HASH).contains(&hash.len()),
        _ => false,
    };
    if good { perform(pair, algorithm, operation) } else { Err(Status::WRONG_DATA) }
}

/// What a key pair is to do.
#[derive(Clone, Copy)]
pub(super) enum Operation<'a> {
    /// The private operation of RSA on a whole block, or ECDSA over a hash.
    Block(&'a [u8]),
    /// Diffie-Hellman with a point.
    Point(&'a [u8]),
}

impl<'a> Operation<'a> {
    /// The one thing that a template asks for.
    pub(super) fn of(template: &Template<'a>) -> Option<Self> {
        match *template {
            Template { witness: None, challenge: Some(block), response: Some([]), exponentiation: None } => {
                Some(Operation::Block(block))
            }
            Template { witness: None, challenge: None, response: Some([]), exponentiation: Some(point) } => {
                Some(Operation::Point(point))
            }
            _ => None,
        }
    }
}

/// Does it, where the kind of key can; `6A80` for data that it cannot take.
pub(super) fn perform(pair: &KeyPair, algorithm: Algorithm, operation: Operation<'_>) -> Result<Response, Status> {
    let private = load(pair, algorithm).map_err(failed)?;
    let result = match (algorithm.is_rsa(), operation) {
        (true, Operation::Block(block)) => rsa(&private, block, algorithm.width()),
        (false, Operation::Block(hash)) => sign(&private, hash),
        (false, Operation::Point(point)) => agree(&private, point, algorithm),
        (true, Operation::Point(_)) => Err(Status::WRONG_DATA),
    }?;
    let answer = Template { response: Some(result.expose()), ..Template::default() };
    Ok(Response::ok(answer.to_bytes()))
}

/// A key pair on a curve from its private number, big endian.
pub(super) fn from_scalar(algorithm: Algorithm, scalar: &Secret) -> Result<KeyPair, Status> {
    let run = || -> Result<_, ErrorStack> {
        let group = group(algorithm)?;
        let mut context = BigNumContext::new()?;
        let number = BigNum::from_slice(scalar.expose())?;
        let mut point = EcPoint::new(&group)?;
        point.mul_generator2(&group, &number, &mut context)?;
        let key = EcKey::from_private_components(&group, &number, &point)?;
        key.check_key()?;
        key.private_key_to_der()
    };
    let private = run().map_err(|_| Status::WRONG_DATA)?;
    Ok(KeyPair { algorithm: algorithm as u8, private: Secret::new(private) })
}

/// The public half of a key pair.
pub(super) fn public(pair: &KeyPair) -> Result<PublicKey, Status> {
    let algorithm = Algorithm::from_byte(pair.algorithm).ok_or(Status::UNKNOWN_ERROR)?;
    let key = load(pair, algorithm).map_err(failed)?;
    let run = || -> Result<_, ErrorStack> {
        if algorithm.is_rsa() {
            let rsa = key.rsa()?;
            return Ok(PublicKey::Rsa { modulus: rsa.n().to_vec(), exponent: rsa.e().to_vec() });
        }
        let ec = key.ec_key()?;
        let mut context = BigNumContext::new()?;
        let point = ec.public_key().to_bytes(ec.group(), PointConversionForm::UNCOMPRESSED, &mut context)?;
        Ok(PublicKey::Point(point))
    };
    run().map_err(failed)
}

/// The key as OpenSSL takes it; it must be of the algorithm.
pub(super) fn load(pair: &KeyPair, algorithm: Algorithm) -> Result<PKey<Private>, ErrorStack> {
    let key = PKey::private_key_from_der(pair.private.expose())?;
    let same = match algorithm.is_rsa() {
        true => key.rsa()?.size() as usize == algorithm.width(),
        false => key.ec_key()?.group().curve_name() == Some(curve(algorithm)),
    };
    // An error without a reason: the caller says no more than that the key is none.
    if same { Ok(key) } else { Err(ErrorStack::get()) }
}

fn rsa(key: &PKey<Private>, block: &[u8], width: usize) -> Result<Secret, Status> {
    if block.len() != width {
        return Err(Status::WRONG_DATA);
    }
    let mut out = vec![0; width];
    let rsa = key.rsa().map_err(failed)?;
    // A block that is not below the modulus is the host's fault.
    rsa.private_encrypt(block, &mut out, Padding::NONE).map_err(|_| Status::WRONG_DATA)?;
    Ok(Secret::new(out))
}

fn sign(key: &PKey<Private>, hash: &[u8]) -> Result<Secret, Status> {
    let run = || EcdsaSig::sign(hash, key.ec_key()?.as_ref())?.to_der();
    run().map(Secret::new).map_err(failed)
}

fn agree(key: &PKey<Private>, point: &[u8], algorithm: Algorithm) -> Result<Secret, Status> {
    if point.len() != 1 + 2 * algorithm.width() || point.first() != Some(&0x04) {
        return Err(Status::WRONG_DATA);
    }
    let peer = || -> Result<_, ErrorStack> {
        let group = group(algorithm)?;
        let point = EcPoint::from_bytes(&group, point, &mut *BigNumContext::new()?)?;
        let peer = EcKey::from_public_key(&group, &point)?;
        peer.check_key()?;
        PKey::from_ec_key(peer)
    };
    let peer = peer().map_err(|_| Status::WRONG_DATA)?;
    let run = || -> Result<_, ErrorStack> {
        let mut deriver = Deriver::new(key)?;
        deriver.set_peer(&peer)?;
        deriver.derive_to_vec()
    };
    run().map(Secret::new).map_err(failed)
}

fn group(algorithm: Algorithm) -> Result<EcGroup, ErrorStack> {
    EcGroup::from_curve_name(curve(algorithm))
}

fn curve(algorithm: Algorithm) -> Nid {
    match algorithm {
        Algorithm::P384 => Nid::SECP384R1,
        _ => Nid::X9_62_PRIME256V1,
    }
}

fn failed(_: ErrorStack) -> Status {
    Status::UNKNOWN_ERROR
}
