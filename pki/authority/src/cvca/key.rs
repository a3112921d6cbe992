//! Between the key store and TR-03110: how its keys are written in certificates, and its signatures made plain.

use iso7816::tlv::{self, Reader, TlvError};
use trust::SignatureAlgorithm;
use trust::cvc::{CvPublicKey, KeyAlgorithm, KeyNumbers};
use trust::der::{INTEGER, SEQUENCE};

use super::CvError;
use crate::key_store::{Algorithm, Signer};

/// How TR-03110 names the algorithm.
pub(super) fn key_algorithm(algorithm: Algorithm) -> KeyAlgorithm {
    match algorithm.signature() {
        SignatureAlgorithm::Ecdsa(hash) | SignatureAlgorithm::EcdsaPlain(hash) => KeyAlgorithm::Ecdsa(hash),
        SignatureAlgorithm::RsaV15(hash) => KeyAlgorithm::RsaV15(hash),
        SignatureAlgorithm::RsaPss { hash, .. } => KeyAlgorithm::RsaPss(hash),
    }
}

/// The public key with its domain parameters.
pub(super) fn public_key(key: &dyn Signer) -> Result<CvPublicKey, CvError> {
    let algorithm = key_algorithm(key.algorithm());
    match key.algorithm().curve() {
        Some(curve) => Ok(CvPublicKey::ec(algorithm, curve, key.public_bits(), true)?),
        None => {
            let (modulus, exponent) = rsa_numbers(key.public_bits()).map_err(|_| CvError::NotVerified)?;
            Ok(CvPublicKey { algorithm, numbers: KeyNumbers::Rsa { modulus, exponent } })
        }
    }
}

/// Signs as TR-03110 wants it: ECDSA as `r || s`, each in the length of the order.
pub(super) fn sign(key: &dyn Signer, message: &[u8]) -> Result<Vec<u8>, CvError> {
    let signature = key.sign(message)?;
    match key.algorithm().curve() {
        Some(curve) => plain(&signature, curve.order_length()).ok_or(CvError::NotVerified),
        None => Ok(signature),
    }
}

fn rsa_numbers(bits: &[u8]) -> Result<(Vec<u8>, Vec<u8>), TlvError> {
    let mut reader = Reader::new(tlv::sole(bits, SEQUENCE)?);
    let (modulus, exponent) = (reader.expect(INTEGER)?, reader.expect(INTEGER)?);
    Ok((unsigned(modulus), unsigned(exponent)))
}

fn plain(signature: &[u8], width: usize) -> Option<Vec<u8>> {
    let mut reader = Reader::new(tlv::sole(signature, SEQUENCE).ok()?);
    let (r, s) = (unsigned(reader.expect(INTEGER).ok()?), unsigned(reader.expect(INTEGER).ok()?));
    let mut out = Vec::with_capacity(2 * width);
    for number in [r, s] {
        out.resize(out.len() + width.checked_sub(number.len())?, 0);
        out.extend(number);
    }
    Some(out)
}

/// An INTEGER's value without its leading zeros.
fn unsigned(value: &[u8]) -> Vec<u8> {
    value.iter().skip_while(|byte| **byte == 0).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_signatures_keep_their_width() {
        let der = hex::decode("3007020200800201 01".replace(' ', "")).unwrap();
        assert_eq!(plain(&der, 2), Some(vec![0x00, 0x80, 0x00, 0x01]));
        assert_eq!(plain(&der, 0), None);
        assert_eq!(plain(&der[..5], 2), None);
    }
}
