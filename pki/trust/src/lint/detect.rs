//! What an object is, told from its bytes.

use iso7816::tlv::{self, Reader};

use super::Kind;
use super::raw::{RawCertificate, RawSigned};
use super::rules::oids;
use crate::der::{self, oid};

/// Tells the kind of a DER object; `None` when it is none that has rules.
///
/// A certification authority is taken for a CSCA: nothing in its bytes tells one for citizens' certificates apart. Its revocation
/// lists neither.
pub fn detect(der: &[u8]) -> Option<Kind> {
    if let Ok(certificate) = RawCertificate::read(der) {
        return Some(certificate_kind(&certificate));
    }
    if let Ok(signed) = RawSigned::read(der) {
        return match signed.content_type {
            oid::LDS_SECURITY_OBJECT => Some(Kind::SecurityObject),
            oids::MASTER_LIST => Some(Kind::MasterList),
            oids::DEVIATION_LIST => Some(Kind::DeviationList),
            oid::DEFECT_LIST => Some(Kind::DefectList),
            _ => None,
        };
    }
    if der.starts_with(&[0x7F, 0x21]) {
        return Some(Kind::CvCertificate);
    }
    broken(der)
}

fn certificate_kind(certificate: &RawCertificate<'_>) -> Kind {
    let same_name = certificate.issuer() == certificate.subject();
    let usage = certificate.extension(oid::KEY_USAGE).map(|extension| extension.value);
    let signs_certificates = usage.is_some_and(|usage| oids::usage_bits(usage) & oids::KEY_CERT_SIGN != 0);
    if certificate.is_authority() || signs_certificates || same_name {
        return if same_name && is_self_signed(certificate) { Kind::Csca } else { Kind::Link };
    }
    let purposes = certificate.extension(oid::EXTENDED_KEY_USAGE).map(|extension| oids::purposes(extension.value));
    let has = |wanted: &[u8]| purposes.iter().flatten().any(|purpose| purpose.starts_with(wanted));
    if has(oids::MASTER_LIST_SIGNER) {
        Kind::MasterListSigner
    } else if has(oids::DEVIATION_LIST_SIGNER) {
        Kind::DeviationListSigner
    } else if has(oids::SEALS) || has(oids::SEALS_NC) {
        Kind::SealSigner
    } else if has(oid::RESIDENCE_SIGNER) {
        Kind::ResidenceSigner
    } else if has(oids::SPOC) {
        Kind::Communication
    } else if has(oids::OCSP_SIGNING) {
        Kind::OcspResponder
    } else if purposes.is_some() || usage.is_some_and(|usage| oids::usage_bits(usage) & CITIZENS_USES != 0) {
        Kind::Citizen
    } else {
        Kind::DocumentSigner
    }
}

/// What no key of the document PKI is for.
const CITIZENS_USES: u16 = oids::NON_REPUDIATION | oids::KEY_ENCIPHERMENT | oids::KEY_AGREEMENT;

/// Told from the key identifiers; without them an equal name is taken for a self-signed certificate.
fn is_self_signed(certificate: &RawCertificate<'_>) -> bool {
    let issuer = certificate.extension(oid::AUTHORITY_KEY_IDENTIFIER).and_then(|id| oids::authority_key(id.value));
    let own =
        certificate.extension(oid::SUBJECT_KEY_IDENTIFIER).and_then(|id| tlv::sole(id.value, der::OCTET_STRING).ok());
    match (issuer, own) {
        (Some(issuer), Some(own)) => issuer == own,
        _ => true,
    }
}

/// What a damaged object was meant to be, so that the rule about its structure can say what is wrong.
fn broken(der: &[u8]) -> Option<Kind> {
    let mut outer = Reader::new(tlv::sole(der, der::SEQUENCE).ok()?);
    let first = outer.next().ok()??;
    if first.tag == der::OID && first.value == oid::SIGNED_DATA {
        return Some(Kind::SecurityObject);
    }
    let mut body = Reader::new(if first.tag == der::SEQUENCE { first.value } else { return None });
    if body.optional(der::context_constructed(0)).ok()?.is_some() {
        return Some(Kind::DocumentSigner);
    }
    body.optional(der::INTEGER).ok()?;
    der::sequence(&mut body).ok()?;
    der::sequence(&mut body).ok()?;
    match body.next().ok()??.tag {
        der::UTC_TIME | der::GENERALIZED_TIME => Some(Kind::Crl),
        der::SEQUENCE => Some(Kind::DocumentSigner),
        _ => None,
    }
}
