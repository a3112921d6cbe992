//! BAC and Active Authentication.

use channel::hash::Hash;
use channel::password::MrzKey;
use channel::random::Random;
use iso7816::{Command as Apdu, Status};
use openssl::bn::{BigNum, BigNumContext};

use super::Thrown;
use super::state::{Memory, Volatile};

/// Bytes of the modulus, and of a signature.
pub(super) const MODULUS: usize = 128;
/// The recovered part of the message: zeros.
const RECOVERED: [u8; 106] = [0; 106];

/// GET CHALLENGE: eight bytes and no other number, with the keys of BAC, and once BAC was done never again.
pub(super) fn get_challenge(
    apdu: &Apdu,
    protected: bool,
    memory: &Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
) -> Result<Vec<u8>, Thrown> {
    if protected || memory.mrz_information.is_none() || volatile.session.is_some() {
        return Err(Status::SECURITY_NOT_SATISFIED.into());
    }
    if apdu.ne != Some(8) {
        return Err(Status::WRONG_LENGTH.into());
    }
    let challenge = volatile.bac.get_challenge(random)?;
    volatile.challenged = true;
    Ok(challenge)
}

/// EXTERNAL AUTHENTICATE: a wrong answer is `6982`, and the challenge stays good for another.
pub(super) fn external_authenticate(
    apdu: &Apdu,
    protected: bool,
    memory: &Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
) -> Result<Vec<u8>, Thrown> {
    let information = memory.mrz_information.as_ref().and_then(|text| std::str::from_utf8(text.expose()).ok());
    let Some(information) = information.filter(|_| !protected && volatile.challenged && volatile.session.is_none())
    else {
        return Err(Status::SECURITY_NOT_SATISFIED.into());
    };
    if apdu.data.len() != 40 {
        return Err(Status::WRONG_LENGTH.into());
    }
    let key = MrzKey::from_information(information);
    match volatile.bac.clone().external_authenticate(&apdu.data, &key, random) {
        Ok((answer, session)) => {
            volatile.session = Some(session);
            volatile.challenged = false;
            Ok(answer)
        }
        Err(Status::AUTHENTICATION_FAILED) => Err(Status::SECURITY_NOT_SATISFIED.into()),
        Err(status) => Err(status.into()),
    }
}

/// INTERNAL AUTHENTICATE: ISO 9796-2 scheme 1 with SHA-1 and trailer `BC`, over a message that is not random.
pub(super) fn internal_authenticate(apdu: &Apdu, memory: &Memory, volatile: &Volatile) -> Result<Vec<u8>, Thrown> {
    let (Some(modulus), Some(exponent), true) = (&memory.modulus, &memory.private_exponent, volatile.session.is_some())
    else {
        return Err(Status::SECURITY_NOT_SATISFIED.into());
    };
    if apdu.data.len() != 8 {
        return Err(Status::WRONG_LENGTH.into());
    }
    let digest = Hash::Sha1.digest(&[&RECOVERED[..], &apdu.data].concat());
    let representative = [&[0x6A][..], &RECOVERED, &digest, &[0xBC]].concat();
    // The exponents of a key that goes to the card in two parts need not belong together: the applet would not know.
    let sign = || {
        let (mut signature, mut context) = (BigNum::new()?, BigNumContext::new()?);
        let (modulus, exponent) = (BigNum::from_slice(modulus)?, BigNum::from_slice(exponent.expose())?);
        let representative = BigNum::from_slice(&representative)?;
        signature.mod_exp(&representative, &exponent, &modulus, &mut context)?;
        signature.to_vec_padded(MODULUS as i32)
    };
    sign().map_err(|_| Thrown::Escaped)
}
