//! A certificate request (PKCS#10, RFC 2986) that a card signs, and the proof of a key that cannot sign.

use eid::keys::{Algorithm, PublicKey};
use iso7816::tlv::{Writer, encode};
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::rsa::Rsa;
use openssl::sha::{sha256, sha384};
use openssl::sign::Verifier;
use trust::der::{BIT_STRING, INTEGER, NULL, OCTET_STRING, OID, SEQUENCE, context_constructed, oid};

/// A key of the card, as OpenSSL takes it.
pub(crate) struct CardKey {
    algorithm: Algorithm,
    key: PKey<Public>,
    spki: Vec<u8>,
    identifier: Vec<u8>,
}

/// A request that is not signed yet. It names nobody: whose key it is, the CA is told beside it.
pub(crate) struct Request {
    information: Vec<u8>,
}

/// The host's side of a proof by key agreement.
pub(crate) struct Agreement {
    own: PKey<Private>,
    point: Vec<u8>,
}

impl CardKey {
    /// A key as GENERATE answers it; `None` when it is none of the algorithm.
    pub(crate) fn parse(algorithm: Algorithm, answer: &[u8]) -> Result<Option<Self>, ErrorStack> {
        let Ok(public) = PublicKey::parse(algorithm, answer) else { return Ok(None) };
        let key = match &public {
            PublicKey::Point(point) => point_key(algorithm, point)?,
            PublicKey::Rsa { modulus, exponent } => {
                let (n, e) = (BigNum::from_slice(modulus)?, BigNum::from_slice(exponent)?);
                Some(PKey::from_rsa(Rsa::from_public_components(n, e)?)?)
            }
        };
        let Some(key) = key else { return Ok(None) };
        let spki = key.public_key_to_der()?;
        let Ok(public) = trust::PublicKey::from_spki(&spki) else { return Ok(None) };
        Ok(Some(CardKey { algorithm, key, spki, identifier: public.key_identifier() }))
    }

    /// The key identifier (RFC 5280 §4.2.1.2), as the certificate will have it.
    pub(crate) fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    /// SubjectPublicKeyInfo, DER.
    pub(crate) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// What the key signs with.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn request(&self) -> Request {
        let mut writer = Writer::new();
        writer.nest(SEQUENCE, |information| {
            information.put(INTEGER, [0]).put(SEQUENCE, []).raw(&self.spki).put(context_constructed(0), []);
        });
        Request { information: writer.finish() }
    }

    /// An ephemeral key of the host on the card's curve.
    pub(crate) fn agreement(&self) -> Result<Agreement, ErrorStack> {
        let group = EcGroup::from_curve_name(curve(self.algorithm))?;
        let own = EcKey::generate(&group)?;
        let mut context = BigNumContext::new()?;
        let point = own.public_key().to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context)?;
        Ok(Agreement { own: PKey::from_ec_key(own)?, point })
    }
}

impl Agreement {
    /// What the card agrees with, `04 || x || y`.
    pub(crate) fn point(&self) -> &[u8] {
        &self.point
    }

    /// True when the card came to the same secret: it has the private key.
    pub(crate) fn proves(&self, key: &CardKey, answer: &[u8]) -> Result<bool, ErrorStack> {
        let mut deriver = Deriver::new(&self.own)?;
        deriver.set_peer(&key.key)?;
        let secret = zeroize::Zeroizing::new(deriver.derive_to_vec()?);
        Ok(secret.len() == answer.len() && openssl::memcmp::eq(&secret, answer))
    }
}

impl Request {
    /// What the card is given to sign: a hash, or for RSA the whole padded block (RFC 8017 §9.2).
    pub(crate) fn input(&self, key: &CardKey) -> Vec<u8> {
        match key.algorithm {
            Algorithm::P256 => sha256(&self.information).to_vec(),
            Algorithm::P384 => sha384(&self.information).to_vec(),
            Algorithm::Rsa2048 | Algorithm::Rsa3072 => padded(&sha256(&self.information), key.algorithm.width()),
        }
    }

    /// The request with the card's signature; `None` when it does not verify.
    pub(crate) fn signed(&self, key: &CardKey, signature: &[u8]) -> Result<Option<Vec<u8>>, ErrorStack> {
        let (digest, identifier) = match key.algorithm {
            Algorithm::P256 => (MessageDigest::sha256(), encode(OID, oid::ECDSA_SHA256)),
            Algorithm::P384 => (MessageDigest::sha384(), encode(OID, oid::ECDSA_SHA384)),
            Algorithm::Rsa2048 | Algorithm::Rsa3072 => {
                (MessageDigest::sha256(), [encode(OID, oid::RSA_SHA256), encode(NULL, [])].concat())
            }
        };
        let mut verifier = Verifier::new(digest, &key.key)?;
        // A signature that is no DER is an error to OpenSSL, and no good one to us.
        if !verifier.verify_oneshot(signature, &self.information).unwrap_or(false) {
            return Ok(None);
        }
        let mut writer = Writer::new();
        writer.nest(SEQUENCE, |request| {
            request.raw(&self.information).put(SEQUENCE, &identifier);
            request.put(BIT_STRING, [&[0], signature].concat());
        });
        Ok(Some(writer.finish()))
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
    let algorithm = encode(SEQUENCE, [encode(OID, oid::SHA256), encode(NULL, [])].concat());
    let information = encode(SEQUENCE, [algorithm, encode(OCTET_STRING, digest)].concat());
    let filler = vec![0xFF; width.saturating_sub(information.len() + 3)];
    [&[0x00, 0x01][..], &filler, &[0x00], &information].concat()
}
