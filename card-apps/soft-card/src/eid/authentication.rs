//! GENERAL AUTHENTICATE with the management key (SP 800-73-4 part 2 §3.2.4, appendix A).
//!
//! The card enciphers no block of the host's choosing before the host has proved that it has the key: else the host
//! could have the card's own challenge answered by the card. A challenge is good for the very next command only.

use channel::random::Random;
use channel::secret::Secret;
use eid::authentication::Template;
use eid::keys::ManagementAlgorithm;
use iso7816::{Response, Status};

use super::state::{ManagementKey, Memory, Volatile};

/// What the card waits for.
pub(super) enum Exchange {
    /// Nothing.
    Idle,
    /// The witness, deciphered.
    Witness(Secret),
    /// The challenge, enciphered.
    Challenge(Secret),
}

/// What one program says where another says something else.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    /// To a wrong proof.
    pub(super) wrong: Status,
    /// To a proof that nothing was asked for.
    pub(super) unasked: Status,
}

/// One step.
pub(super) fn management(
    algorithm: Option<ManagementAlgorithm>,
    template: &Template<'_>,
    manners: Manners,
    memory: &Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
) -> Result<Response, Status> {
    let exchange = std::mem::replace(&mut volatile.exchange, Exchange::Idle);
    let key = memory.management_key.as_ref().ok_or(Status::REFERENCED_DATA_NOT_FOUND)?;
    if algorithm.is_some_and(|algorithm| algorithm as u8 != key.algorithm) {
        return Err(Status::INCORRECT_P1_P2);
    }
    let own = ManagementAlgorithm::from_byte(key.algorithm).ok_or(Status::UNKNOWN_ERROR)?;
    let Template { witness, challenge, response, exponentiation: None } = *template else {
        return Err(Status::WRONG_DATA);
    };
    match (witness, challenge, response) {
        (Some([]), None, None) => {
            let witness = draw(own, random)?;
            let enciphered = encipher(own, key, witness.expose())?;
            volatile.exchange = Exchange::Witness(witness);
            answer(Template { witness: Some(&enciphered), ..Template::default() })
        }
        (None, Some([]), None) => {
            let challenge = draw(own, random)?;
            let enciphered = encipher(own, key, challenge.expose())?;
            let shown = Template { challenge: Some(challenge.expose()), ..Template::default() }.to_bytes();
            volatile.exchange = Exchange::Challenge(Secret::new(enciphered));
            Ok(Response::ok(shown))
        }
        (Some(proof), Some(challenge), None | Some([])) => {
            let Exchange::Witness(expected) = exchange else { return Err(manners.unasked) };
            prove(&expected, proof, manners, volatile)?;
            answer(Template { response: Some(&encipher(own, key, challenge)?), ..Template::default() })
        }
        (None, None, Some(proof)) => {
            let Exchange::Challenge(expected) = exchange else { return Err(manners.unasked) };
            prove(&expected, proof, manners, volatile)?;
            Ok(Response::status(Status::OK))
        }
        (None, Some(challenge), Some([])) if volatile.managed => {
            answer(Template { response: Some(&encipher(own, key, challenge)?), ..Template::default() })
        }
        (None, Some(_), Some([])) => Err(Status::SECURITY_NOT_SATISFIED),
        _ => Err(Status::WRONG_DATA),
    }
}

fn prove(expected: &Secret, proof: &[u8], manners: Manners, volatile: &mut Volatile) -> Result<(), Status> {
    volatile.managed = *expected == Secret::from(proof);
    if volatile.managed { Ok(()) } else { Err(manners.wrong) }
}

fn answer(template: Template<'_>) -> Result<Response, Status> {
    Ok(Response::ok(template.to_bytes()))
}

fn draw(algorithm: ManagementAlgorithm, random: &mut dyn Random) -> Result<Secret, Status> {
    let mut block = [0; 16];
    let drawn = block.get_mut(..algorithm.block_length()).unwrap_or_default();
    random.fill(drawn).map_err(|_| Status::UNKNOWN_ERROR)?;
    let secret = Secret::from(&*drawn);
    block.fill(0);
    Ok(secret)
}

/// One block under the key; `6A80` for another length.
fn encipher(algorithm: ManagementAlgorithm, key: &ManagementKey, block: &[u8]) -> Result<Vec<u8>, Status> {
    if block.len() != algorithm.block_length() {
        return Err(Status::WRONG_DATA);
    }
    algorithm.cipher().encipher(&key.value, block).map_err(|_| Status::UNKNOWN_ERROR)
}
