//! The body of a certificate of this CA, its signature, and the check before it is stored.

use iso7816::tlv::{Writer, encode};
use trust::der::{INTEGER, OCTET_STRING, SEQUENCE, context, context_constructed, oid as known};
use trust::lint::{self, Kind};
use trust::{Certificate, PublicKey};

use super::CitizenError;
use crate::authority::IssueError;
use crate::key_store::Signer;
use crate::x509::{self, Period};

pub(super) struct Body<'a> {
    pub serial: &'a [u8],
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    pub validity: Period,
    pub spki: &'a [u8],
}

impl Body<'_> {
    pub(super) fn sign(&self, issuer: &dyn Signer, write: impl FnOnce(&mut Writer)) -> Result<Vec<u8>, CitizenError> {
        let mut writer = Writer::new();
        writer.nest(SEQUENCE, |body| {
            body.put(context_constructed(0), encode(INTEGER, [2]));
            body.put(INTEGER, self.serial);
            body.raw(issuer.algorithm().signature_identifier()).raw(self.issuer);
            body.nest(SEQUENCE, |validity| {
                validity.raw(x509::time(self.validity.from)).raw(x509::time(self.validity.to));
            });
            body.raw(self.subject).raw(self.spki);
            body.nest(context_constructed(3), |tagged| {
                tagged.nest(SEQUENCE, write);
            });
        });
        Ok(x509::signed(&writer.finish(), issuer)?)
    }
}

pub(super) fn key_identifiers(extensions: &mut Writer, subject: &[u8], issuer: Option<&[u8]>) {
    if let Some(issuer) = issuer {
        let identifier = encode(SEQUENCE, encode(context(0), issuer));
        x509::extension(extensions, known::AUTHORITY_KEY_IDENTIFIER, false, &identifier);
    }
    x509::extension(extensions, known::SUBJECT_KEY_IDENTIFIER, false, &encode(OCTET_STRING, subject));
}

/// What the profile and a verifier say about it, before it is stored.
pub(super) fn verified(raw: &[u8], kind: Kind, issuer: &PublicKey) -> Result<Certificate, CitizenError> {
    lint::accept(raw, kind).map_err(IssueError::Lint)?;
    let certificate = Certificate::from_der(raw).map_err(|_| IssueError::NotVerified)?;
    certificate.verify_signature(issuer).map_err(|_| IssueError::NotVerified)?;
    Ok(certificate)
}
