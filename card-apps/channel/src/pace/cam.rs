//! Chip Authentication mapping (9303-11 §4.4.3.3.3, §4.4.3.5): the chip's mapping key is its static key times a secret number.
//!
//! ```text
//! CA_IC = SK_IC^-1 * SK_Map,IC mod n      8A = E(KSenc, CA_IC), initialisation vector E(KSenc, -1), padded
//! the terminal checks: CA_IC * PK_IC = PK_Map,IC
//! ```

use openssl::error::ErrorStack;

use crate::block::{Cbc, unpadded_length};
use crate::chip_auth::ChipPublicKey;
use crate::group::{Arithmetic, KeyError};
use crate::kdf::{self, Purpose};
use crate::secret::Secret;
use crate::suite::{Cipher, Curve};

/// All ones: enciphered it is the initialisation vector.
const MINUS_ONE: [u8; 16] = [0xFF; 16];

/// What the chip showed in PACE with chip authentication mapping; judged with its static key from EF.CardSecurity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MappingProof {
    /// The curve of this run.
    pub curve: Curve,
    /// The chip's mapping key of this run: `04 || x || y`.
    pub mapping_key: Vec<u8>,
    /// The number that leads from the static key to the mapping key; empty when the chip sent none that can be deciphered.
    pub data: Vec<u8>,
}

impl MappingProof {
    /// Whether the chip holds the private key of this public key. That key must come from a security object that verifies.
    ///
    /// # Errors
    /// When the public key is no point of its curve, or OpenSSL fails.
    pub fn proves(&self, public_key: &ChipPublicKey) -> Result<bool, KeyError> {
        if public_key.group.curve() != Some(self.curve) {
            return Ok(false);
        }
        let mut arithmetic = Arithmetic::new(public_key.group)?;
        let Ok(data) = arithmetic.private_key(&Secret::from(&self.data[..])) else { return Ok(false) };
        let Arithmetic::Curve(curve) = &mut arithmetic else { return Ok(false) };
        let point = curve.common_point(&data, &public_key.octets)?;
        Ok(curve.octets(&point)? == self.mapping_key)
    }
}

/// The chip authentication data, enciphered under the session's key.
pub(super) fn conceal(cipher: Cipher, shared_secret: &Secret, data: &Secret) -> Result<Vec<u8>, ErrorStack> {
    let mut encryptor = Cbc::encryptor(cipher, &kdf::derive(shared_secret.expose(), cipher, Purpose::Encryption))?;
    encryptor.single(&MINUS_ONE)?;
    let mut concealed = Vec::new();
    encryptor.append_padded(data.expose(), &mut concealed)?;
    Ok(concealed)
}

/// The chip authentication data; empty when it is not whole blocks or not padded.
pub(super) fn reveal(cipher: Cipher, shared_secret: &Secret, concealed: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    if concealed.is_empty() || !concealed.len().is_multiple_of(cipher.block_length()) {
        return Ok(Vec::new());
    }
    let key = kdf::derive(shared_secret.expose(), cipher, Purpose::Encryption);
    let iv = Cbc::encryptor(cipher, &key)?.single(&MINUS_ONE)?;
    let mut data = Cbc::decryptor(cipher, &key)?.message(&iv, concealed)?;
    data.truncate(unpadded_length(&data, cipher.block_length()).unwrap_or(0));
    Ok(data)
}
