//! GENERAL AUTHENTICATE with the management key (SP 800-73-4 part 2 §3.2.4, appendix A).
//!
//! The card enciphers no block of the host's choosing before the host has proved that it has the key: else the host
//! could have the card's own challenge answered by the card. A challenge is good for the very next command only.

use channel::random::Random;
use channel::secret::Secret;
use eid::authentication::Template;
use eid::keys::ManagementAlgorithm;
use iso7816::{Response, Status};
use openssl::error::ErrorStack;
use openssl::symm::{Cipher, Crypter, Mode};

use super::state::{ManagementKey, Memory, Volatile};

/// Bytes of a block, a witness and a challenge.
const BLOCK: usize = 16;

/// What the card waits for.
pub(super) enum Exchange {
    /// Nothing.
    Idle,
    /// The witness, deciphered.
    Witness(Secret),
    /// The challenge, enciphered.
    Challenge(Secret),
}

/// One step.
pub(super) fn management(
    algorithm: Option<ManagementAlgorithm>,
    template: &Template<'_>,
    memory: &Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
) -> Result<Response, Status> {
    let exchange = std::mem::replace(&mut volatile.exchange, Exchange::Idle);
    let key = memory.management_key.as_ref().ok_or(Status::REFERENCED_DATA_NOT_FOUND)?;
    if algorithm.is_some_and(|algorithm| algorithm as u8 != key.algorithm) {
        return Err(Status::INCORRECT_P1_P2);
    }
    let Template { witness, challenge, response, exponentiation: None } = *template else {
        return Err(Status::WRONG_DATA);
    };
    match (witness, challenge, response) {
        (Some([]), None, None) => {
            let witness = draw(random)?;
            let enciphered = encipher(key, witness.expose())?;
            volatile.exchange = Exchange::Witness(witness);
            answer(Template { witness: Some(&enciphered), ..Template::default() })
        }
        (None, Some([]), None) => {
            let challenge = draw(random)?;
            let enciphered = encipher(key, challenge.expose())?;
            let shown = Template { challenge: Some(challenge.expose()), ..Template::default() }.to_bytes();
            volatile.exchange = Exchange::Challenge(Secret::new(enciphered));
            Ok(Response::ok(shown))
        }
        (Some(proof), Some(challenge), None | Some([])) => {
            let Exchange::Witness(expected) = exchange else { return Err(Status::CONDITIONS_NOT_SATISFIED) };
            prove(&expected, proof, volatile)?;
            answer(Template { response: Some(&encipher(key, challenge)?), ..Template::default() })
        }
        (None, None, Some(proof)) => {
            let Exchange::Challenge(expected) = exchange else { return Err(Status::CONDITIONS_NOT_SATISFIED) };
            prove(&expected, proof, volatile)?;
            Ok(Response::status(Status::OK))
        }
        (None, Some(challenge), Some([])) if volatile.managed => {
            answer(Template { response: Some(&encipher(key, challenge)?), ..Template::default() })
        }
        (None, Some(_), Some([])) => Err(Status::SECURITY_NOT_SATISFIED),
        _ => Err(Status::WRONG_DATA),
    }
}

fn prove(expected: &Secret, proof: &[u8], volatile: &mut Volatile) -> Result<(), Status> {
    volatile.managed = *expected == Secret::from(proof);
    if volatile.managed { Ok(()) } else { Err(Status::SECURITY_NOT_SATISFIED) }
}

fn answer(template: Template<'_>) -> Result<Response, Status> {
    Ok(Response::ok(template.to_bytes()))
}

fn draw(random: &mut dyn Random) -> Result<Secret, Status> {
    let mut block = [0; BLOCK];
    random.fill(&mut block).map_err(|_| Status::UNKNOWN_ERROR)?;
    let drawn = Secret::from(&block[..]);
    block.fill(0);
    Ok(drawn)
}

/// One block under the key; `6A80` for another length.
fn encipher(key: &ManagementKey, block: &[u8]) -> Result<Vec<u8>, Status> {
    if block.len() != BLOCK {
        return Err(Status::WRONG_DATA);
    }
    let run = |cipher: Cipher| -> Result<Vec<u8>, ErrorStack> {
        let mut crypter = Crypter::new(cipher, Mode::Encrypt, key.value.expose(), None)?;
        crypter.pad(false);
        let mut out = vec![0; 2 * BLOCK];
        let length = crypter.update(block, &mut out)?;
        out.truncate(length);
        Ok(out)
    };
    let cipher = match key.value.expose().len() {
        16 => Cipher::aes_128_ecb(),
        24 => Cipher::aes_192_ecb(),
        _ => Cipher::aes_256_ecb(),
    };
    run(cipher).map_err(|_| Status::UNKNOWN_ERROR)
}
