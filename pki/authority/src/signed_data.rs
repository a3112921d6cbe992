//! CMS SignedData of the lists that a state publishes (9303-12 §9.1, §10.1).
//!
//! ```text
//! ContentInfo { signedData, SignedData { version 3, { digest }, { eContentType, content }, certificates { signer, CSCA },
//!   { SignerInfo { version 3, subjectKeyIdentifier, digest, signedAttrs { contentType, messageDigest, signingTime }, algorithm, signature } } } }
//! ```

use iso7816::tlv::{Writer, encode};
use jiff::Timestamp;
use trust::Certificate;
use trust::der::{INTEGER, OCTET_STRING, OID, SEQUENCE, SET, context, context_constructed, oid};

use crate::key_store::{Signer, SigningError};
use crate::x509::time;

/// Signs a content; the signer is named by its key identifier, its certificate and that of its CSCA go along.
pub(crate) fn sign(
    content_type: &[u8],
    content: &[u8],
    signer: &Certificate,
    csca: &Certificate,
    key: &dyn Signer,
    now: Timestamp,
) -> Result<Vec<u8>, SigningError> {
    let digest = key.algorithm().digest_identifier();
    let attributes = set_of([
        attribute(oid::CONTENT_TYPE, &encode(OID, content_type)),
        attribute(oid::MESSAGE_DIGEST, &encode(OCTET_STRING, key.algorithm().hash().digest(content))),
        attribute(oid::SIGNING_TIME, &time(now)),
    ]);
    let signature = key.sign(&encode(SET, &attributes))?;
    let mut data = Writer::new();
    data.put(INTEGER, [3]).put(SET, &digest);
    data.nest(SEQUENCE, |encapsulated| {
        encapsulated.put(OID, content_type).put(context_constructed(0), encode(OCTET_STRING, content));
    });
    data.put(context_constructed(0), set_of([signer.der().to_vec(), csca.der().to_vec()]));
    data.nest(SET, |signers| {
        signers.nest(SEQUENCE, |info| {
            info.put(INTEGER, [3]).put(context(0), signer.key_identifier()).raw(&digest);
            info.put(context_constructed(0), &attributes).raw(key.algorithm().signature_identifier());
            info.put(OCTET_STRING, &signature);
        });
    });
    let mut info = Writer::new();
    info.nest(SEQUENCE, |info| {
        info.put(OID, oid::SIGNED_DATA).put(context_constructed(0), encode(SEQUENCE, data.finish()));
    });
    Ok(info.finish())
}

/// The members of a SET OF in DER order, without the tag around them; equal members once.
pub(crate) fn set_of(members: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut members: Vec<Vec<u8>> = members.into_iter().collect();
    members.sort_unstable();
    members.dedup();
    members.concat()
}

fn attribute(kind: &[u8], value: &[u8]) -> Vec<u8> {
    encode(SEQUENCE, [encode(OID, kind), encode(SET, value)].concat())
}
