//! A certificate request (PKCS#10, RFC 2986) that a card signs.

use iso7816::tlv::{Writer, encode};
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Public};
use openssl::sha::sha256;
use trust::PublicKey;
use trust::der::{BIT_STRING, INTEGER, OID, SEQUENCE, context_constructed, oid};

/// A request that is not signed yet. It names nobody: whose key it is, the CA is told beside it.
pub(crate) struct Request {
    information: Vec<u8>,
    key: PKey<Public>,
    identifier: Vec<u8>,
}

impl Request {
    /// For a point on P-256, `04 || x || y`; `None` when it is none.
    pub(crate) fn new(point: &[u8]) -> Result<Option<Self>, ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let mut context = BigNumContext::new()?;
        let Ok(point) = EcPoint::from_bytes(&group, point, &mut context) else { return Ok(None) };
        let Ok(key) = EcKey::from_public_key(&group, &point).and_then(|key| key.check_key().map(|()| key)) else {
            return Ok(None);
        };
        let key = PKey::from_ec_key(key)?;
        let spki = key.public_key_to_der()?;
        let Ok(public) = PublicKey::from_spki(&spki) else { return Ok(None) };
        let mut writer = Writer::new();
        writer.nest(SEQUENCE, |information| {
            information.put(INTEGER, [0]).put(SEQUENCE, []).raw(&spki).put(context_constructed(0), []);
        });
        Ok(Some(Request { information: writer.finish(), key, identifier: public.key_identifier() }))
    }

    /// The key identifier (RFC 5280 §4.2.1.2), as the certificate will have it.
    pub(crate) fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    /// What the card signs.
    pub(crate) fn digest(&self) -> [u8; 32] {
        sha256(&self.information)
    }

    /// The request with the card's signature (DER); `None` when it does not verify.
    pub(crate) fn signed(&self, signature: &[u8]) -> Result<Option<Vec<u8>>, ErrorStack> {
        let key = self.key.ec_key()?;
        let good = EcdsaSig::from_der(signature).and_then(|parsed| parsed.verify(&self.digest(), &key));
        if !good.unwrap_or(false) {
            return Ok(None);
        }
        let mut writer = Writer::new();
        writer.nest(SEQUENCE, |request| {
            request.raw(&self.information).put(SEQUENCE, encode(OID, oid::ECDSA_SHA256));
            request.put(BIT_STRING, [&[0], signature].concat());
        });
        Ok(Some(writer.finish()))
    }
}
