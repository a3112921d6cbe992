//! The other names of subject and issuer: subjectAltName, issuerAltName (9303-12 §7.1.1.2).

use iso7816::tlv::{self, Tlv};

use super::missing;
use crate::der::{self, oid};
use crate::lint::Severity::{Error, Warning};
use crate::lint::raw::{RawCertificate, RawName, items};
use crate::lint::rules::oids;
use crate::lint::rules::oids::*;
use crate::lint::rules::{COUNTRY, CURRENT, FULL_TRAVEL, Kind, SIXTH, rule, text};
use crate::lint::{Check, Edition, Rule};

/// The sixth edition and the directory's operator: no alternative names in a CSCA's certificate.
const WITHOUT_NAMES: &[Edition] = &[Edition::Sixth, Edition::PkdOperator];

pub(super) const RULES: &[Rule] = &[
    rule(
        "alternative-names-absent-6",
        "subjectAltName and issuerAltName are absent",
        "9303-12 Appendix C; directory operator's checks 1.11.7, 1.11.8",
        Error,
        COUNTRY,
        WITHOUT_NAMES,
        Check::Certificate(alternative_names_absent),
    ),
    rule(
        "alternative-names-absent-signer-6",
        "subjectAltName and issuerAltName are absent",
        "9303-12 Appendix C",
        Error,
        &[Kind::DocumentSigner],
        SIXTH,
        Check::Certificate(alternative_names_absent),
    ),
    rule(
        "subject-alternative-present",
        "subjectAltName is present",
        "9303-12 §7.1, §7.1.1.2",
        Error,
        FULL_TRAVEL,
        CURRENT,
        Check::Certificate(|certificate| missing(certificate, oid::SUBJECT_ALT_NAME)),
    ),
    rule(
        "issuer-alternative-present",
        "issuerAltName is present",
        "9303-12 §7.1, §7.1.1.2",
        Error,
        FULL_TRAVEL,
        CURRENT,
        Check::Certificate(|certificate| missing(certificate, oid::ISSUER_ALT_NAME)),
    ),
    rule(
        "alternative-state",
        "Alternative names have a directory name whose localityName is the state's code as in the MRZ",
        "9303-12 §7.1.1.2",
        Error,
        FULL_TRAVEL,
        CURRENT,
        Check::Certificate(alternative_state),
    ),
    rule(
        "alternative-state-only",
        "That directory name has no attributes but localityName and stateOrProvinceName",
        "9303-12 §7.1.1.2",
        Error,
        FULL_TRAVEL,
        CURRENT,
        Check::Certificate(alternative_state_only),
    ),
    rule(
        "alternative-contact",
        "Alternative names have a mail address, a host name or a URI",
        "9303-12 §7.1.1.2",
        Warning,
        FULL_TRAVEL,
        CURRENT,
        Check::Certificate(alternative_contact),
    ),
    rule(
        "alternative-same",
        "In a self-signed certificate subjectAltName and issuerAltName are identical",
        "9303-12 §7.1.1.2",
        Error,
        &[Kind::Csca],
        CURRENT,
        Check::Certificate(alternative_same),
    ),
];

fn alternative_names_absent(certificate: &RawCertificate<'_>) -> Option<String> {
    let found = [oid::SUBJECT_ALT_NAME, oid::ISSUER_ALT_NAME]
        .into_iter()
        .find(|extension| certificate.extension(extension).is_some())?;
    Some(oids::name(found))
}

pub(super) fn general_names(value: &[u8]) -> Vec<Tlv<'_>> {
    tlv::sole(value, der::SEQUENCE).and_then(items).unwrap_or_default()
}

/// The first of both alternative names of which this is true.
fn alternative_where(certificate: &RawCertificate<'_>, wrong: impl Fn(&[Tlv<'_>]) -> Option<String>) -> Option<String> {
    [oid::SUBJECT_ALT_NAME, oid::ISSUER_ALT_NAME].into_iter().find_map(|which| {
        let names = general_names(certificate.extension(which)?.value);
        wrong(&names).map(|seen| format!("{}: {seen}", oids::name(which)))
    })
}

fn directory_names<'a>(names: &[Tlv<'a>]) -> Vec<RawName<'a>> {
    let directories = names.iter().filter(|name| name.tag == der::context_constructed(4));
    directories.filter_map(|name| RawName::of(name.value).ok()).collect()
}

fn alternative_state(certificate: &RawCertificate<'_>) -> Option<String> {
    alternative_where(certificate, |names| {
        let directories = directory_names(names);
        let localities: Vec<&[u8]> =
            directories.iter().flat_map(|name| name.all(oid::LOCALITY_NAME)).map(|locality| locality.text).collect();
        // Germany's code in the MRZ is one letter.
        let is_code = |code: &&[u8]| {
            let letters = code.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
            (1..=3).contains(&letters) && code.len() <= 3 && code.iter().skip(letters).all(|byte| *byte == b'<')
        };
        match localities.as_slice() {
            [] => Some("no localityName".to_owned()),
            all => all.iter().find(|code| !is_code(code)).map(|code| text(code)),
        }
    })
}

fn alternative_state_only(certificate: &RawCertificate<'_>) -> Option<String> {
    alternative_where(certificate, |names| {
        let directories = directory_names(names);
        let other = directories
            .iter()
            .flat_map(|name| &name.attributes)
            .find(|attribute| ![oid::LOCALITY_NAME, STATE].contains(&attribute.oid))?;
        Some(oids::name(other.oid))
    })
}

fn alternative_contact(certificate: &RawCertificate<'_>) -> Option<String> {
    alternative_where(certificate, |names| {
        let contact = [der::context(1), der::context(2), der::context(6)];
        (!names.iter().any(|name| contact.contains(&name.tag))).then(|| "no contact".to_owned())
    })
}

fn alternative_same(certificate: &RawCertificate<'_>) -> Option<String> {
    let value = |which| certificate.extension(which).map(|extension| extension.value);
    let (subject, issuer) = (value(oid::SUBJECT_ALT_NAME)?, value(oid::ISSUER_ALT_NAME)?);
    (subject != issuer).then(|| "they differ".to_owned())
}
