//! A certificate request (PKCS#10, RFC 2986) that a card signs.

use eid::keys::Algorithm;
use eid::possession;
use iso7816::tlv::{Writer, encode};
use openssl::error::ErrorStack;
use trust::der::{BIT_STRING, INTEGER, NULL, OID, SEQUENCE, context_constructed, oid};

/// A key of the card, and what stands of it in requests and certificates.
pub(crate) struct CardKey {
    key: possession::CardKey,
    spki: Vec<u8>,
    identifier: Vec<u8>,
}

/// A request that is not signed yet. It names nobody: whose key it is, the CA is told beside it.
pub(crate) struct Request {
    information: Vec<u8>,
}

impl CardKey {
    /// A key as GENERATE answers it; `None` when it is none of the algorithm.
    pub(crate) fn parse(algorithm: Algorithm, answer: &[u8]) -> Result<Option<Self>, ErrorStack> {
        let Some(key) = possession::CardKey::from_answer(algorithm, answer)? else { return Ok(None) };
        let spki = key.to_spki()?;
        let Ok(public) = trust::PublicKey::from_spki(&spki) else { return Ok(None) };
        Ok(Some(CardKey { key, spki, identifier: public.key_identifier() }))
    }

    /// The key as it proves itself.
    pub(crate) fn key(&self) -> &possession::CardKey {
        &self.key
    }

    /// The key identifier (RFC 5280 §4.2.1.2), as the certificate will have it.
    pub(crate) fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    /// SubjectPublicKeyInfo, DER.
    pub(crate) fn spki(&self) -> &[u8] {
        &self.spki
    }

    pub(crate) fn request(&self) -> Request {
        let mut writer = Writer::new();
        writer.nest(SEQUENCE, |information| {
            information.put(INTEGER, [0]).put(SEQUENCE, []).raw(&self.spki).put(context_constructed(0), []);
        });
        Request { information: writer.finish() }
    }
}

impl Request {
    /// What the card is given to sign.
    pub(crate) fn input(&self, key: &CardKey) -> Vec<u8> {
        key.key.to_be_signed(&self.information)
    }

    /// The request with the card's signature; `None` when it does not verify.
    pub(crate) fn signed(&self, key: &CardKey, signature: &[u8]) -> Result<Option<Vec<u8>>, ErrorStack> {
        if !key.key.signed(&self.information, signature)? {
            return Ok(None);
        }
        let identifier = match key.key.algorithm() {
            Algorithm::P256 => encode(OID, oid::ECDSA_SHA256),
            Algorithm::P384 => encode(OID, oid::ECDSA_SHA384),
            Algorithm::Rsa2048 | Algorithm::Rsa3072 => [encode(OID, oid::RSA_SHA256), encode(NULL, [])].concat(),
        };
        let mut writer = Writer::new();
        writer.nest(SEQUENCE, |request| {
            request.raw(&self.information).put(SEQUENCE, &identifier);
            request.put(BIT_STRING, [&[0], signature].concat());
        });
        Ok(Some(writer.finish()))
    }
}
