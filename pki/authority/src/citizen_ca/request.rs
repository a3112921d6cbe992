//! The keys that citizens bring: proven by a request, strong enough and well encoded.

use openssl::x509::X509Req;
use trust::public_key::KeyKind;
use trust::{EllipticCurve, PublicKey};

use super::CitizenError;

/// The longest request that is read, in bytes.
const MAX_REQUEST: usize = 16 * 1024;

/// The key of a request whose signature proves its possession.
pub(super) fn proven_key(request: &[u8]) -> Result<PublicKey, CitizenError> {
    let refused = CitizenError::Request;
    if request.len() > MAX_REQUEST {
        return Err(refused("it is longer than 16 KiB"));
    }
    let pem = request.starts_with(b"-----");
    let parsed = if pem { X509Req::from_pem(request) } else { X509Req::from_der(request) };
    let parsed = parsed.map_err(|_| refused("it is no PKCS#10 request"))?;
    let key = parsed.public_key().map_err(|_| refused("its key cannot be read"))?;
    if !parsed.verify(&key).is_ok_and(|good| good) {
        return Err(refused("its signature does not verify: the sender did not prove that the key is his"));
    }
    accepted_key(&key.public_key_to_der()?)
}

/// A key that is strong enough and well encoded. RSA of 2048 bits is what PIV cards of today have (SP 800-78-4 §3.1).
pub(super) fn accepted_key(spki: &[u8]) -> Result<PublicKey, CitizenError> {
    let refused = CitizenError::Request;
    let key = PublicKey::from_spki(spki).map_err(|_| refused("its key is not acceptable"))?;
    let named = |curve: EllipticCurve| key.spki().windows(curve.oid().len()).any(|window| window == curve.oid());
    match key.kind() {
        KeyKind::Ec(curve @ (EllipticCurve::P256 | EllipticCurve::P384)) if named(curve) => Ok(key),
        KeyKind::Rsa { bits } if bits >= 2048 => Ok(key),
        _ => Err(refused("its key is not on P-256 or P-384 by name, nor RSA of 2048 bits or more")),
    }
}
