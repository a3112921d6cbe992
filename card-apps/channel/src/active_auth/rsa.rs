//! ISO 9796-2 digital signature scheme 1 with partial recovery.

use openssl::bn::BigNum;
use openssl::pkey::{Private, Public};
use openssl::rsa::{Padding, Rsa};

use super::{Answer, BadSignature, CHALLENGE};
use crate::hash::Hash;
use crate::random::Random;
use crate::secret::same;

/// Header and longest trailer.
pub(super) const OVERHEAD: usize = 3;
/// Header: part of the message is recovered, and no padding follows.
const PARTIAL: u8 = 0x6A;
/// Trailer that leaves the hash unsaid: SHA-1.
const IMPLICIT: u8 = 0xBC;
/// Trailer after the number of the hash.
const EXPLICIT: u8 = 0xCC;

/// The number of a hash in the trailer (ISO 10118-3).
const fn number(hash: Hash) -> u8 {
    match hash {
        Hash::Sha1 => 0x33,
        Hash::Sha224 => 0x38,
        Hash::Sha256 => 0x34,
        Hash::Sha384 => 0x36,
        Hash::Sha512 => 0x35,
    }
}

/// The message representative: what is recovered, and its hash.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Representative<'f> {
    pub(super) hash: Hash,
    pub(super) recovered: &'f [u8],
    pub(super) digest: &'f [u8],
}

impl<'f> Representative<'f> {
    /// Takes F apart.
    pub(super) fn parse(f: &'f [u8]) -> Result<Self, BadSignature> {
        let bad = BadSignature::Representative;
        let (hash, rest) = match f {
            [rest @ .., IMPLICIT] => (Hash::Sha1, rest),
            [rest @ .., named, EXPLICIT] => {
                let hash = Hash::ALL.into_iter().find(|hash| number(*hash) == *named);
                (hash.ok_or(BadSignature::Trailer(*named))?, rest)
            }
            _ => return Err(bad),
        };
        let body = unpadded(rest).ok_or(bad.clone())?;
        let length = body.len().checked_sub(usize::from(hash.length())).ok_or(bad)?;
        let (recovered, digest) = body.split_at(length);
        Ok(Representative { hash, recovered, digest })
    }
}

/// What follows the header `6A`, or `6B`, `BB` .. and at last `BA` where the message is shorter than its place. Another header
/// would say that all of the message is recovered: then nothing binds it to the challenge.
fn unpadded(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [PARTIAL, body @ ..] => Some(body),
        [0x6B, rest @ ..] => {
            let fill = rest.iter().take_while(|byte| **byte == 0xBB).count();
            rest.get(fill..)?.strip_prefix(&[0xBA])
        }
        _ => None,
    }
}

/// The hash of a signature that is good.
pub(super) fn verify(key: &Rsa<Public>, answer: &Answer) -> Result<Hash, BadSignature> {
    let length = answer.signature.len();
    if length != key.size() as usize {
        return Err(BadSignature::Length { length });
    }
    let f = opened(key, &answer.signature).ok_or(BadSignature::Representative)?;
    let parts = Representative::parse(&f)?;
    let message = [parts.recovered, &answer.challenge].concat();
    let digest = parts.hash.digest(&message);
    if same(&digest, parts.digest) { Ok(parts.hash) } else { Err(BadSignature::Mismatch) }
}

/// F: the number that the signature opens to or its complement, whichever ends in the half byte C (9796-2 §B.7).
fn opened(key: &Rsa<Public>, signature: &[u8]) -> Option<Vec<u8>> {
    let mut f = vec![0; signature.len()];
    key.public_decrypt(signature, &mut f, Padding::NONE).ok()?;
    if f.last().is_some_and(|last| last & 0x0F == 0x0C) {
        return Some(f);
    }
    let (number, mut complement) = (BigNum::from_slice(&f).ok()?, BigNum::new().ok()?);
    complement.checked_sub(key.n(), &number).ok()?;
    complement.to_vec_padded(f.len() as i32).ok()
}

pub(super) fn sign(
    key: &Rsa<Private>,
    with: Hash,
    challenge: &[u8; CHALLENGE],
    random: &mut dyn Random,
) -> Option<Vec<u8>> {
    let trailer = match with {
        Hash::Sha1 => &[IMPLICIT][..],
        other => &[number(other), EXPLICIT],
    };
    let room = (key.size() as usize).checked_sub(1 + usize::from(with.length()) + trailer.len())?;
    let mut recovered = vec![0; room];
    random.fill(&mut recovered).ok()?;
    let digest = with.digest(&[&recovered[..], challenge].concat());
    let f = [&[PARTIAL], &recovered[..], &digest, trailer].concat();
    let mut signature = vec![0; f.len()];
    key.private_encrypt(&f, &mut signature, Padding::NONE).ok()?;
    Some(signature)
}
