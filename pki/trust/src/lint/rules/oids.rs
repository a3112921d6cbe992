//! Object identifiers and small readers that several rules share.

use asn1_rs::oid;
use iso7816::tlv::{self, Reader};

use crate::der::{self, oid as known};

pub use crate::der::oid::{DEVIATION_LIST, DEVIATION_LIST_SIGNER, MASTER_LIST, MASTER_LIST_SIGNER, NAME_CHANGE};

/// The arc of SPOC client (1) and server (2) purposes (9303-12 §7.2.1).
pub const SPOC: &[u8] = &oid!(raw 2.23.136.1.1.10);
/// id-icao-mrtd-security-vds (9303-12 §7.1.3).
pub const SEALS: &[u8] = &oid!(raw 2.23.136.1.1.11);
/// The arc of seals for non-constrained environments: recognised, not profiled.
pub const SEALS_NC: &[u8] = &oid!(raw 2.23.136.1.1.14);
/// id-kp-OCSPSigning (RFC 6960 §4.2.2.2).
pub const OCSP_SIGNING: &[u8] = &oid!(raw 1.3.6.1.5.5.7.3.9);
/// id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1).
pub const OCSP_NO_CHECK: &[u8] = &oid!(raw 1.3.6.1.5.5.7.48.1.5);
/// id-ad-ocsp (RFC 5280 §4.2.2.1).
pub const OCSP_ACCESS: &[u8] = &oid!(raw 1.3.6.1.5.5.7.48.1);
/// anyExtendedKeyUsage (RFC 5280 §4.2.1.12).
pub const ANY_PURPOSE: &[u8] = &oid!(raw 2.5.29.37.0);

/// stateOrProvinceName (X.520).
pub const STATE: &[u8] = &oid!(raw 2.5.4.8);
/// serialNumber (X.520).
pub const SERIAL_NUMBER: &[u8] = &oid!(raw 2.5.4.5);
/// domainComponent (RFC 4519), an IA5String.
pub const DOMAIN_COMPONENT: &[u8] = &oid!(raw 0.9.2342.19200300.100.1.25);
/// emailAddress (RFC 2985), an IA5String.
pub const EMAIL_ADDRESS: &[u8] = &oid!(raw 1.2.840.113549.1.9.1);
/// dnQualifier (X.520), a PrintableString.
pub const QUALIFIER: &[u8] = &oid!(raw 2.5.4.46);

/// subjectDirectoryAttributes.
pub const SUBJECT_DIRECTORY_ATTRIBUTES: &[u8] = &oid!(raw 2.5.29.9);
/// nameConstraints.
pub const NAME_CONSTRAINTS: &[u8] = &oid!(raw 2.5.29.30);
/// certificatePolicies.
pub const CERTIFICATE_POLICIES: &[u8] = &oid!(raw 2.5.29.32);
/// policyMappings.
pub const POLICY_MAPPINGS: &[u8] = &oid!(raw 2.5.29.33);
/// policyConstraints.
pub const POLICY_CONSTRAINTS: &[u8] = &oid!(raw 2.5.29.36);
/// freshestCRL.
pub const FRESHEST_CRL: &[u8] = &oid!(raw 2.5.29.46);
/// inhibitAnyPolicy.
pub const INHIBIT_ANY_POLICY: &[u8] = &oid!(raw 2.5.29.54);
/// Netscape certificate type.
pub const NETSCAPE_TYPE: &[u8] = &oid!(raw 2.16.840.1.113730.1.1);
/// authorityInfoAccess.
pub const AUTHORITY_INFORMATION: &[u8] = &oid!(raw 1.3.6.1.5.5.7.1.1);
/// subjectInfoAccess.
pub const SUBJECT_INFORMATION: &[u8] = &oid!(raw 1.3.6.1.5.5.7.1.11);
/// deltaCRLIndicator.
pub const DELTA_CRL: &[u8] = &oid!(raw 2.5.29.27);
/// issuingDistributionPoint.
pub const ISSUING_DISTRIBUTION_POINT: &[u8] = &oid!(raw 2.5.29.28);
/// reasonCode.
pub const REASON_CODE: &[u8] = &oid!(raw 2.5.29.21);
/// holdInstructionCode.
pub const HOLD_INSTRUCTION: &[u8] = &oid!(raw 2.5.29.23);
/// invalidityDate.
pub const INVALIDITY_DATE: &[u8] = &oid!(raw 2.5.29.24);
/// certificateIssuer.
pub const CERTIFICATE_ISSUER: &[u8] = &oid!(raw 2.5.29.29);

/// id-dsa (RFC 3279).
pub const DSA: &[u8] = &oid!(raw 1.2.840.10040.4.1);
/// dsa-with-sha1.
pub const DSA_SHA1: &[u8] = &oid!(raw 1.2.840.10040.4.3);
/// dsa-with-sha224.
pub const DSA_SHA224: &[u8] = &oid!(raw 2.16.840.1.101.3.4.3.1);
/// dsa-with-sha256.
pub const DSA_SHA256: &[u8] = &oid!(raw 2.16.840.1.101.3.4.3.2);

/// Key usage bits, the first of the standard's list lowest.
pub const DIGITAL_SIGNATURE: u16 = 1;
/// nonRepudiation, also called contentCommitment.
pub const NON_REPUDIATION: u16 = 1 << 1;
/// keyEncipherment.
pub const KEY_ENCIPHERMENT: u16 = 1 << 2;
/// keyAgreement.
pub const KEY_AGREEMENT: u16 = 1 << 4;
/// keyCertSign.
pub const KEY_CERT_SIGN: u16 = 1 << 5;
/// cRLSign.
pub const CRL_SIGN: u16 = 1 << 6;

/// The bits of a keyUsage extension's value, the first lowest; 0 when it cannot be read.
pub fn usage_bits(value: &[u8]) -> u16 {
    let bits = tlv::sole(value, der::BIT_STRING).ok().and_then(|bits| bits.get(1..)).unwrap_or_default();
    let byte = |index: usize| u16::from(bits.get(index).copied().unwrap_or(0).reverse_bits());
    byte(0) | (byte(1) << 8)
}

/// The purposes of an extKeyUsage extension's value.
pub fn purposes(value: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    let mut reader = Reader::new(tlv::sole(value, der::SEQUENCE).unwrap_or_default());
    while let Ok(purpose) = reader.expect(der::OID) {
        all.push(purpose);
    }
    all
}

/// The keyIdentifier of an authorityKeyIdentifier extension's value.
pub fn authority_key(value: &[u8]) -> Option<&[u8]> {
    tlv::find(tlv::sole(value, der::SEQUENCE).ok()?, der::context(0)).ok()?
}

/// The dotted form of an object identifier; well-known extensions by name.
pub fn name(identifier: &[u8]) -> String {
    extension(identifier).map_or_else(|| der::dotted(identifier), str::to_owned)
}

/// The name of a well-known extension.
pub fn extension(identifier: &[u8]) -> Option<&'static str> {
    Some(match identifier {
        known::AUTHORITY_KEY_IDENTIFIER => "authorityKeyIdentifier",
        known::SUBJECT_KEY_IDENTIFIER => "subjectKeyIdentifier",
        known::KEY_USAGE => "keyUsage",
        known::PRIVATE_KEY_USAGE_PERIOD => "privateKeyUsagePeriod",
        known::SUBJECT_ALT_NAME => "subjectAltName",
        known::ISSUER_ALT_NAME => "issuerAltName",
        known::BASIC_CONSTRAINTS => "basicConstraints",
        known::CRL_NUMBER => "cRLNumber",
        known::CRL_DISTRIBUTION_POINTS => "cRLDistributionPoints",
        known::EXTENDED_KEY_USAGE => "extKeyUsage",
        known::DOCUMENT_TYPE_LIST => "documentTypeList",
        NAME_CHANGE => "nameChange",
        SUBJECT_DIRECTORY_ATTRIBUTES => "subjectDirectoryAttributes",
        NAME_CONSTRAINTS => "nameConstraints",
        CERTIFICATE_POLICIES => "certificatePolicies",
        POLICY_MAPPINGS => "policyMappings",
        POLICY_CONSTRAINTS => "policyConstraints",
        FRESHEST_CRL => "freshestCRL",
        INHIBIT_ANY_POLICY => "inhibitAnyPolicy",
        NETSCAPE_TYPE => "Netscape certificate type",
        AUTHORITY_INFORMATION => "authorityInfoAccess",
        SUBJECT_INFORMATION => "subjectInfoAccess",
        DELTA_CRL => "deltaCRLIndicator",
        ISSUING_DISTRIBUTION_POINT => "issuingDistributionPoint",
        REASON_CODE => "reasonCode",
        HOLD_INSTRUCTION => "holdInstructionCode",
        INVALIDITY_DATE => "invalidityDate",
        CERTIFICATE_ISSUER => "certificateIssuer",
        _ => return None,
    })
}
