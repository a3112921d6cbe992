//! Terminal Authentication version 1 (9303-11 §7.1): who reads, and what the whole chain of certificates lets it read.

use channel::random::Random;
use channel::terminal_auth::Binding;
use iso7816::{Response, Status};

use super::state::{Memory, Volatile};

/// Two dates and their check digits, the end of MRZ_information.
const DATES: usize = 14;

/// The longest certificate: RSA of 4096 bits with room for extensions.
const LONGEST_CERTIFICATE: usize = 4096;

/// MSE:Set DST.
pub(super) fn set_dst(data: &[u8], memory: &Memory, volatile: &mut Volatile) -> Result<Response, Status> {
    let trust = memory.terminal_trust.as_ref().ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
    volatile.proved.terminal.set_dst(data, trust).map(|()| Response::status(Status::OK))
}

/// PSO:Verify Certificate. What the certificate changes is programmed before the answer goes out.
pub(super) fn verify_certificate(
    chaining: bool,
    data: &[u8],
    memory: &Memory,
    volatile: &mut Volatile,
) -> Result<Response, Status> {
    let mut certificate = std::mem::take(&mut volatile.proved.certificate);
    certificate.extend_from_slice(data);
    if certificate.len() > LONGEST_CERTIFICATE {
        return Err(Status::WRONG_LENGTH);
    }
    if chaining {
        volatile.proved.certificate = certificate;
        return Ok(Response::status(Status::OK));
    }
    let before = memory.terminal_trust.as_ref().ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
    let mut trust = before.clone();
    volatile.proved.terminal.verify_certificate(&certificate, &mut trust)?;
    volatile.learned = (trust != *before).then_some(trust);
    Ok(Response::status(Status::OK))
}

/// MSE:Set AT.
pub(super) fn set_at(data: &[u8], volatile: &mut Volatile) -> Result<Response, Status> {
    volatile.proved.terminal.set_at(data).map(|()| Response::status(Status::OK))
}

/// GET CHALLENGE.
pub(super) fn get_challenge(volatile: &mut Volatile, random: &mut dyn Random) -> Result<Response, Status> {
    volatile.proved.terminal.get_challenge(random).map(Response::ok)
}

/// EXTERNAL AUTHENTICATE: the signature binds this chip and this session.
pub(super) fn external_authenticate(
    signature: &[u8],
    memory: &Memory,
    volatile: &mut Volatile,
) -> Result<Response, Status> {
    let proved = &mut volatile.proved;
    let chip_identity = match &proved.identity {
        Some(identity) => identity.as_slice(),
        None => document_number(memory).ok_or(Status::CONDITIONS_NOT_SATISFIED)?,
    };
    let ephemeral_key = proved.terminal_key.as_deref().ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
    proved.terminal.external_authenticate(signature, Binding { chip_identity, ephemeral_key })?;
    Ok(Response::status(Status::OK))
}

/// The document number with its check digit, by which the chip is called after BAC.
fn document_number(memory: &Memory) -> Option<&[u8]> {
    let information = memory.mrz_information.as_ref()?.expose();
    information.get(..information.len().checked_sub(DATES)?)
}
