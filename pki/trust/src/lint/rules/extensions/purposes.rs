//! What a certificate may be used for: basicConstraints, extKeyUsage.

use super::{missing, not_marked, unwanted};
use crate::der::oid;
use crate::lint::Severity::{Error, Warning};
use crate::lint::raw::{RawCertificate, basic_constraints};
use crate::lint::rules::oids;
use crate::lint::rules::oids::*;
use crate::lint::rules::{
    ALL, AUTHORITIES, CITIZENS, COUNTRY, CURRENT, CURRENT_AND_PKD, EIGHTH, END_ENTITIES, ICAO, Kind, RFC, SIGNERS,
    SIXTH, hex, rule,
};
use crate::lint::{Check, Edition, Rule};

/// Editions whose document signers and lists have the extensions of today, and the sixth.
const BOOKS: &[Edition] = &[Edition::Sixth, Edition::Seventh, Edition::Eighth];
/// Whose purpose is stated.
const WITH_PURPOSE: &[Kind] =
    &[Kind::MasterListSigner, Kind::DeviationListSigner, Kind::SealSigner, Kind::ResidenceSigner, Kind::Communication];
/// Whose purpose is not stated.
const WITHOUT_PURPOSE: &[Kind] = &[Kind::Csca, Kind::Link, Kind::DocumentSigner];

pub(super) const RULES: &[Rule] = &[
    rule(
        "basic-constraints-authority",
        "basicConstraints are present, critical, and say cA TRUE",
        "9303-12 §7.1; RFC 5280 §4.2.1.9",
        Error,
        AUTHORITIES,
        ALL,
        Check::Certificate(basic_authority),
    ),
    rule(
        "basic-constraints-path",
        "pathLenConstraint is 0",
        "9303-12 §7.1",
        Error,
        COUNTRY,
        CURRENT_AND_PKD,
        Check::Certificate(|certificate| path_length(certificate, &[0])),
    ),
    rule(
        "basic-constraints-path-6",
        "pathLenConstraint is 0 in a new CSCA certificate",
        "9303-12 Appendix C",
        Error,
        &[Kind::Csca],
        SIXTH,
        Check::Certificate(|certificate| path_length(certificate, &[0])),
    ),
    rule(
        "basic-constraints-path-link-6",
        "pathLenConstraint is 1 in a link certificate",
        "9303-12 Appendix C",
        Warning,
        &[Kind::Link],
        SIXTH,
        Check::Certificate(|certificate| path_length(certificate, &[1])),
    ),
    rule(
        "basic-constraints-absent",
        "basicConstraints are absent",
        "9303-12 §7.1",
        Error,
        SIGNERS,
        BOOKS,
        Check::Certificate(|certificate| unwanted(certificate, oid::BASIC_CONSTRAINTS)),
    ),
    rule(
        "not-an-authority",
        "The certificate is not an authority's",
        "9303-12 §7.1; RFC 5280 §4.2.1.9",
        Error,
        END_ENTITIES,
        ALL,
        Check::Certificate(|certificate| certificate.is_authority().then(|| "cA TRUE".to_owned())),
    ),
    rule(
        "purpose-absent",
        "extKeyUsage is absent",
        "9303-12 §7.1",
        Error,
        WITHOUT_PURPOSE,
        ICAO,
        Check::Certificate(|certificate| unwanted(certificate, oid::EXTENDED_KEY_USAGE)),
    ),
    rule(
        "purpose-critical",
        "extKeyUsage is critical",
        "9303-12 §7.1, §7.1.3",
        Error,
        WITH_PURPOSE,
        CURRENT_AND_PKD,
        Check::Certificate(|certificate| not_marked(certificate, oid::EXTENDED_KEY_USAGE)),
    ),
    rule(
        "purpose-master-list",
        "extKeyUsage includes 2.23.136.1.1.3",
        "9303-12 §7.1.1.3",
        Error,
        &[Kind::MasterListSigner],
        CURRENT_AND_PKD,
        Check::Certificate(|certificate| no_purpose(certificate, MASTER_LIST_SIGNER)),
    ),
    rule(
        "purpose-deviation-list",
        "extKeyUsage includes 2.23.136.1.1.8",
        "9303-12 §7.1.1.3",
        Error,
        &[Kind::DeviationListSigner],
        CURRENT,
        Check::Certificate(|certificate| no_purpose(certificate, DEVIATION_LIST_SIGNER)),
    ),
    rule(
        "purpose-seal",
        "extKeyUsage includes a purpose under 2.23.136.1.1.11",
        "9303-12 §7.1.3",
        Error,
        &[Kind::SealSigner],
        EIGHTH,
        Check::Certificate(|certificate| no_purpose(certificate, SEALS)),
    ),
    rule(
        "purpose-residence",
        "extKeyUsage is 2.25.159480351724629449692769593444394327634 (signer of residence records), nothing else",
        "Bitaqa, national file set",
        Error,
        &[Kind::ResidenceSigner],
        CURRENT,
        Check::Certificate(other_purpose_than_residence),
    ),
    rule(
        "purpose-communication",
        "extKeyUsage includes 2.23.136.1.1.10.1 (client) or 2.23.136.1.1.10.2 (server)",
        "9303-12 §7.2.1",
        Error,
        &[Kind::Communication],
        EIGHTH,
        Check::Certificate(|certificate| no_purpose(certificate, SPOC)),
    ),
    rule(
        "purpose-ocsp",
        "extKeyUsage of a responder includes id-kp-OCSPSigning",
        "RFC 6960 §4.2.2.2",
        Error,
        &[Kind::OcspResponder],
        RFC,
        Check::Certificate(|certificate| no_purpose(certificate, OCSP_SIGNING)),
    ),
    rule(
        "purpose-any",
        "extKeyUsage does not include anyExtendedKeyUsage",
        "RFC 5280 §4.2.1.12",
        Warning,
        CITIZENS,
        RFC,
        Check::Certificate(purpose_any),
    ),
    rule(
        "ocsp-no-check",
        "A responder's certificate has id-pkix-ocsp-nocheck",
        "RFC 6960 §4.2.2.2.1",
        Warning,
        &[Kind::OcspResponder],
        RFC,
        Check::Certificate(|certificate| missing(certificate, OCSP_NO_CHECK)),
    ),
];

fn basic_authority(certificate: &RawCertificate<'_>) -> Option<String> {
    match certificate.extension(oid::BASIC_CONSTRAINTS) {
        None => Some("absent".to_owned()),
        Some(extension) if !extension.is_critical() => Some("not critical".to_owned()),
        Some(_) => (!certificate.is_authority()).then(|| "cA FALSE".to_owned()),
    }
}

fn path_length(certificate: &RawCertificate<'_>, wanted: &[u8]) -> Option<String> {
    let (_, path) = basic_constraints(certificate.extension(oid::BASIC_CONSTRAINTS)?.value)?;
    match path {
        None => Some("absent".to_owned()),
        Some(path) => (path != wanted).then(|| hex(path)),
    }
}

fn no_purpose(certificate: &RawCertificate<'_>, wanted: &[u8]) -> Option<String> {
    let Some(extension) = certificate.extension(oid::EXTENDED_KEY_USAGE) else { return Some("absent".to_owned()) };
    let found = purposes(extension.value);
    (!found.iter().any(|purpose| purpose.starts_with(wanted)))
        .then(|| found.iter().map(|purpose| oids::name(purpose)).collect::<Vec<_>>().join(", "))
}

fn other_purpose_than_residence(certificate: &RawCertificate<'_>) -> Option<String> {
    let Some(extension) = certificate.extension(oid::EXTENDED_KEY_USAGE) else { return Some("absent".to_owned()) };
    let found = purposes(extension.value);
    (found != [oid::RESIDENCE_SIGNER])
        .then(|| found.iter().map(|purpose| oids::name(purpose)).collect::<Vec<_>>().join(", "))
}

fn purpose_any(certificate: &RawCertificate<'_>) -> Option<String> {
    let extension = certificate.extension(oid::EXTENDED_KEY_USAGE)?;
    purposes(extension.value).contains(&ANY_PURPOSE).then(|| "anyExtendedKeyUsage".to_owned())
}
