//! A key in a token.

use std::sync::Arc;

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::types::Ulong;
use iso7816::tlv::{self, Writer, encode};
use trust::der::{INTEGER, OCTET_STRING, OID, SEQUENCE};
use trust::{EllipticCurve, Hash, PublicKey};

use super::{Token, TokenError};
use crate::key_store::{Algorithm, Signer, SigningError};
use crate::x509::{integer, named_spki};

/// Bytes of a new key's identifier.
pub(super) const ID_LENGTH: usize = 16;

/// A private key that stays in its token.
pub struct TokenKey {
    token: Arc<Token>,
    label: String,
    id: Vec<u8>,
    algorithm: Algorithm,
    private: ObjectHandle,
    public: ObjectHandle,
    public_bits: Vec<u8>,
}

impl TokenKey {
    /// Makes a key pair inside the token, sensitive and not extractable, and tries it. What does not work is removed again.
    ///
    /// # Errors
    /// When the token refuses, is full, or does not protect the key.
    pub fn generate(token: &Arc<Token>, label: &str, algorithm: Algorithm) -> Result<Self, TokenError> {
        let mut id = vec![0; ID_LENGTH];
        openssl::rand::rand_bytes(&mut id).map_err(|_| unusable(token, label, algorithm))?;
        let mut public = named(label, &id);
        public.extend([Attribute::Token(true), Attribute::Private(false), Attribute::Verify(true)]);
        let mechanism = match algorithm {
            Algorithm::Ecdsa(curve) => {
                public.push(Attribute::EcParams(encode(OID, curve.oid())));
                Mechanism::EccKeyPairGen
            }
            Algorithm::RsaV15(size) | Algorithm::RsaPss(size) => {
                public.push(Attribute::ModulusBits(Ulong::from(u64::from(size.bits()))));
                public.push(Attribute::PublicExponent(vec![1, 0, 1]));
                Mechanism::RsaPkcsKeyPairGen
            }
        };
        let mut private = named(label, &id);
        private.extend([Attribute::Token(true), Attribute::Private(true), Attribute::Sign(true)]);
        private.extend([Attribute::Sensitive(true), Attribute::Extractable(false)]);
        let made = token.with_write_session(|session| session.generate_key_pair(&mechanism, &public, &private));
        let made = made.map_err(|error| not_offered(error, token, algorithm));
        let key = made.and_then(|_| Self::find(token, label, &id, algorithm)).and_then(TokenKey::tried);
        key.inspect_err(|_| {
            // Best effort: the caller learns why the key is not good, not that its remains could not be removed.
            let _ = token.with_write_session(|session| remove(session, label, &id));
        })
    }

    /// Finds a key by label and identifier.
    ///
    /// # Errors
    /// When it is not there, not alone, not protected, or of another kind.
    pub fn find(token: &Arc<Token>, label: &str, id: &[u8], algorithm: Algorithm) -> Result<Self, TokenError> {
        let private = only(token, ObjectClass::PRIVATE_KEY, label, id)?;
        let public = only(token, ObjectClass::PUBLIC_KEY, label, id)?;
        if !token.with_session(|session| is_protected(session, private))? {
            return Err(TokenError::Unprotected { token: token.label().to_owned(), label: label.to_owned() });
        }
        let public_bits = token.with_session(|session| match algorithm {
            Algorithm::Ecdsa(curve) => ec_point(session, public, curve),
            Algorithm::RsaV15(size) | Algorithm::RsaPss(size) => rsa_public_key(session, public, size.bits()),
        })?;
        let public_bits = public_bits.ok_or_else(|| unusable(token, label, algorithm))?;
        let (token, label) = (Arc::clone(token), label.to_owned());
        Ok(TokenKey { token, label, id: id.to_vec(), algorithm, private, public, public_bits })
    }

    /// The token it is in.
    pub fn token(&self) -> &Arc<Token> {
        &self.token
    }

    /// Its label in the token.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Its identifier in the token.
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// Removes the key pair from the token, for good.
    ///
    /// # Errors
    /// When the token refuses.
    pub fn destroy(&self) -> Result<(), TokenError> {
        self.token.with_write_session(|session| {
            session.destroy_object(self.private)?;
            session.destroy_object(self.public)
        })
    }

    /// A signature with the private key must verify with the public one.
    fn tried(self) -> Result<Self, TokenError> {
        let message = b"a new key is tried";
        let signature = self.signature(message)?;
        let verifies = PublicKey::from_spki(&named_spki(&self))
            .is_ok_and(|public| self.algorithm.signature().verify(&public, message, &signature).is_ok());
        if verifies { Ok(self) } else { Err(unusable(&self.token, &self.label, self.algorithm)) }
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        let sign = |mechanism: &Mechanism, input: &[u8]| {
            let signed = self.token.with_session(|session| session.sign(mechanism, self.private, input));
            signed.map_err(|error| not_offered(error, &self.token, self.algorithm))
        };
        let hash = self.algorithm.hash();
        let missing = || TokenError::NotOffered { token: self.token.label().to_owned(), algorithm: self.algorithm };
        match self.algorithm {
            Algorithm::Ecdsa(_) => Ok(ecdsa_sig_value(&sign(&Mechanism::Ecdsa, &hash.digest(message))?)),
            Algorithm::RsaV15(_) => sign(&rsa_v15(hash).ok_or_else(missing)?, message),
            Algorithm::RsaPss(_) => sign(&rsa_pss(hash).ok_or_else(missing)?, message),
        }
    }
}

impl Signer for TokenKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_bits(&self) -> &[u8] {
        &self.public_bits
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        self.signature(message).map_err(SigningError::Token)
    }
}

fn named(label: &str, id: &[u8]) -> Vec<Attribute> {
    vec![Attribute::Label(label.as_bytes().to_vec()), Attribute::Id(id.to_vec())]
}

fn unusable(token: &Token, label: &str, algorithm: Algorithm) -> TokenError {
    TokenError::Unusable { token: token.label().to_owned(), label: label.to_owned(), algorithm }
}

/// A token says in several ways that it does not know a mechanism or a curve.
fn not_offered(error: TokenError, token: &Token, algorithm: Algorithm) -> TokenError {
    match error {
        TokenError::Refused { code: RvError::MechanismInvalid | RvError::CurveNotSupported, .. } => {
            TokenError::NotOffered { token: token.label().to_owned(), algorithm }
        }
        other => other,
    }
}

fn only(token: &Token, class: ObjectClass, label: &str, id: &[u8]) -> Result<ObjectHandle, TokenError> {
    let mut wanted = named(label, id);
    wanted.extend([Attribute::Token(true), Attribute::Class(class)]);
    let found = token.with_session(|session| session.find_objects(&wanted))?;
    let (token, label, id) = (token.label().to_owned(), label.to_owned(), hex::encode(id));
    match found.as_slice() {
        [] => Err(TokenError::NoKey { token, label, id }),
        [one] => Ok(*one),
        several => Err(TokenError::SeveralKeys { token, label, id, count: several.len() }),
    }
}

fn remove(session: &Session, label: &str, id: &[u8]) -> Result<(), Error> {
    for object in session.find_objects(&named(label, id))? {
        session.destroy_object(object)?;
    }
    Ok(())
}

pub(super) fn is_protected(session: &Session, key: ObjectHandle) -> Result<bool, Error> {
    let attributes = session.get_attributes(key, &[AttributeType::Sensitive, AttributeType::Extractable])?;
    Ok(attributes.contains(&Attribute::Sensitive(true)) && attributes.contains(&Attribute::Extractable(false)))
}

/// The uncompressed point; PKCS#11 wraps it in an OCTET STRING, some tokens do not.
fn ec_point(session: &Session, key: ObjectHandle, curve: EllipticCurve) -> Result<Option<Vec<u8>>, Error> {
    let attributes = session.get_attributes(key, &[AttributeType::EcPoint, AttributeType::EcParams])?;
    let parameters = Attribute::EcParams(encode(OID, curve.oid()));
    let point = attributes.iter().find_map(|attribute| match attribute {
        Attribute::EcPoint(point) => Some(tlv::sole(point, OCTET_STRING).unwrap_or(point)),
        _ => None,
    });
    let uncompressed = point.filter(|point| point.first() == Some(&4) && attributes.contains(&parameters));
    Ok(uncompressed.map(<[u8]>::to_vec))
}

fn rsa_public_key(session: &Session, key: ObjectHandle, bits: u32) -> Result<Option<Vec<u8>>, Error> {
    let attributes = session.get_attributes(key, &[AttributeType::Modulus, AttributeType::PublicExponent])?;
    let (mut modulus, mut exponent) = (None, None);
    for attribute in &attributes {
        match attribute {
            Attribute::Modulus(bytes) => modulus = Some(integer(bytes)),
            Attribute::PublicExponent(bytes) => exponent = Some(integer(bytes)),
            _ => {}
        }
    }
    let (Some(modulus), Some(exponent)) = (modulus, exponent) else { return Ok(None) };
    // One byte more than the modulus has: its highest bit is set.
    if modulus.len() as u64 != u64::from(bits) / 8 + 1 {
        return Ok(None);
    }
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |key| {
        key.put(INTEGER, modulus).put(INTEGER, exponent);
    });
    Ok(Some(writer.finish()))
}

/// `r || s` of equal lengths -> ECDSA-Sig-Value.
fn ecdsa_sig_value(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(raw.len() / 2);
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |pair| {
        pair.put(INTEGER, integer(r)).put(INTEGER, integer(s));
    });
    writer.finish()
}

fn rsa_v15(hash: Hash) -> Option<Mechanism<'static>> {
    match hash {
        Hash::Sha256 => Some(Mechanism::Sha256RsaPkcs),
        Hash::Sha384 => Some(Mechanism::Sha384RsaPkcs),
        Hash::Sha512 => Some(Mechanism::Sha512RsaPkcs),
        Hash::Sha1 | Hash::Sha224 => None,
    }
}

fn rsa_pss(hash: Hash) -> Option<Mechanism<'static>> {
    let parameters = |hash_alg, mgf| PkcsPssParams { hash_alg, mgf, s_len: Ulong::from(u64::from(hash.length())) };
    match hash {
        Hash::Sha256 => Some(Mechanism::Sha256RsaPkcsPss(parameters(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256))),
        Hash::Sha384 => Some(Mechanism::Sha384RsaPkcsPss(parameters(MechanismType::SHA384, PkcsMgfType::MGF1_SHA384))),
        Hash::Sha512 => Some(Mechanism::Sha512RsaPkcsPss(parameters(MechanismType::SHA512, PkcsMgfType::MGF1_SHA512))),
        Hash::Sha1 | Hash::Sha224 => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_signatures_become_der() {
        let raw = [&[0; 31][..], &[0x01], &[0x80], &[0; 31]].concat();
        let der = ecdsa_sig_value(&raw);
        assert_eq!(der, [&[0x30, 0x26, 0x02, 0x01, 0x01, 0x02, 0x21, 0x00, 0x80][..], &[0; 31]].concat());
    }

    #[test]
    fn a_strange_answer_of_a_token_is_no_panic() {
        for raw in [&[][..], &[1], &[0, 0, 0]] {
            assert!(ecdsa_sig_value(raw).starts_with(&[0x30]));
        }
    }
}
