//! Rules about the extensions of a certificate (9303-12 §7.1, Appendix C; RFC 5280 §4.2): here those about all of them, in its own
//! file each family.

use iso7816::tlv;

use super::oids;
use super::oids::*;
use super::{ALL, CERTIFICATES, EIGHTH, ICAO, Kind, SIXTH, TRAVEL, hex, rule};
use crate::der::{self, oid};
use crate::lint::Severity::Error;
use crate::lint::raw::{RawCertificate, basic_constraints};
use crate::lint::{Check, Rule};

use alternative_names::general_names;
use publication::points;

mod alternative_names;
mod documents;
mod keys;
mod publication;
mod purposes;

/// The rules of all families, in the order of reports.
pub(super) const FAMILIES: [&[Rule]; 6] =
    [RULES, keys::RULES, alternative_names::RULES, purposes::RULES, publication::RULES, documents::RULES];

const RULES: &[Rule] = &[
    rule(
        "extensions-present",
        "The certificate has extensions",
        "9303-12 §7.1; RFC 5280 §4.2",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(present),
    ),
    rule(
        "extension-readable",
        "The extensions of the profile can be read",
        "9303-12 §7.1; RFC 5280 §4.2.1",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(readable),
    ),
    rule(
        "extension-prohibited",
        "No extension is present that the profile prohibits",
        "9303-12 §7.1 Notes 1, 2 and 4",
        Error,
        TRAVEL,
        ICAO,
        Check::Certificate(prohibited),
    ),
    rule(
        "extension-not-critical",
        "Extensions other than keyUsage, basicConstraints and extKeyUsage are not critical",
        "9303-12 §7.1",
        Error,
        TRAVEL,
        ICAO,
        Check::Certificate(not_critical),
    ),
    rule(
        "extension-internet-6",
        "authorityInfoAccess and subjectInfoAccess are absent",
        "9303-12 Appendix C",
        Error,
        TRAVEL,
        SIXTH,
        Check::Certificate(internet),
    ),
    rule(
        "seal-extensions",
        "A seal signer has no extensions but authorityKeyIdentifier, documentTypeList and extKeyUsage",
        "9303-12 §7.1.3",
        Error,
        &[Kind::SealSigner],
        EIGHTH,
        Check::Certificate(seal_extensions),
    ),
];

fn present(certificate: &RawCertificate<'_>) -> Option<String> {
    match &certificate.common.extensions {
        None => Some("the field is absent".to_owned()),
        Some(all) => all.is_empty().then(|| "the field is empty".to_owned()),
    }
}

fn missing(certificate: &RawCertificate<'_>, wanted: &[u8]) -> Option<String> {
    certificate.extension(wanted).is_none().then(|| "absent".to_owned())
}

fn unwanted(certificate: &RawCertificate<'_>, extension: &[u8]) -> Option<String> {
    certificate.extension(extension).map(|extension| hex(extension.value))
}

fn not_marked(certificate: &RawCertificate<'_>, wanted: &[u8]) -> Option<String> {
    (!certificate.extension(wanted)?.is_critical()).then(|| "not critical".to_owned())
}

fn readable(certificate: &RawCertificate<'_>) -> Option<String> {
    let broken = certificate.common.all_extensions().find(|extension| {
        let is = |tag| tlv::sole(extension.value, tag).is_ok();
        let good = match extension.oid {
            oid::SUBJECT_KEY_IDENTIFIER => is(der::OCTET_STRING),
            oid::KEY_USAGE => is(der::BIT_STRING) && usage_bits(extension.value) != 0,
            oid::BASIC_CONSTRAINTS => basic_constraints(extension.value).is_some(),
            oid::EXTENDED_KEY_USAGE => !purposes(extension.value).is_empty(),
            oid::SUBJECT_ALT_NAME | oid::ISSUER_ALT_NAME => !general_names(extension.value).is_empty(),
            oid::AUTHORITY_KEY_IDENTIFIER
            | oid::PRIVATE_KEY_USAGE_PERIOD
            | oid::DOCUMENT_TYPE_LIST
            | CERTIFICATE_POLICIES => is(der::SEQUENCE),
            oid::CRL_DISTRIBUTION_POINTS => !points(extension.value).is_empty(),
            _ => true,
        };
        !good
    })?;
    Some(format!("{}: {}", oids::name(broken.oid), hex(broken.value)))
}

fn prohibited(certificate: &RawCertificate<'_>) -> Option<String> {
    let prohibited = [
        POLICY_MAPPINGS,
        SUBJECT_DIRECTORY_ATTRIBUTES,
        NAME_CONSTRAINTS,
        POLICY_CONSTRAINTS,
        INHIBIT_ANY_POLICY,
        FRESHEST_CRL,
        NETSCAPE_TYPE,
    ];
    let found = certificate.common.all_extensions().find(|extension| prohibited.contains(&extension.oid))?;
    Some(oids::name(found.oid))
}

fn not_critical(certificate: &RawCertificate<'_>) -> Option<String> {
    let may = [oid::KEY_USAGE, oid::BASIC_CONSTRAINTS, oid::EXTENDED_KEY_USAGE];
    let found = certificate.common.all_extensions().find(|extension| {
        extension.is_critical() && oids::extension(extension.oid).is_some() && !may.contains(&extension.oid)
    })?;
    Some(oids::name(found.oid))
}

fn internet(certificate: &RawCertificate<'_>) -> Option<String> {
    let found = [AUTHORITY_INFORMATION, SUBJECT_INFORMATION]
        .into_iter()
        .find(|extension| certificate.extension(extension).is_some())?;
    Some(oids::name(found))
}

fn seal_extensions(certificate: &RawCertificate<'_>) -> Option<String> {
    let allowed = [oid::AUTHORITY_KEY_IDENTIFIER, oid::DOCUMENT_TYPE_LIST, oid::EXTENDED_KEY_USAGE];
    let found = certificate.common.all_extensions().find(|extension| !allowed.contains(&extension.oid))?;
    Some(oids::name(found.oid))
}
