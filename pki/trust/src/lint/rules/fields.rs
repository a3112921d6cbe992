//! Rules about the fields of a certificate and the names in certificates and revocation lists (9303-12 §7.1, §7.1.4).

use super::oids::{self, DOMAIN_COMPONENT, EMAIL_ADDRESS, QUALIFIER, SERIAL_NUMBER};
use super::{
    ALL, CERTIFICATES, CITIZENS, CURRENT, CURRENT_AND_RFC, EIGHTH, ICAO, Kind, TRAVEL, TRAVEL_X509, X509, rule, text,
};
use crate::der::{self, oid};
use crate::lint::Severity::Error;
use crate::lint::raw::{Common, NameAttribute, RawCertificate, RawName};
use crate::lint::{Check, Rule};

pub(super) const RULES: &[Rule] = &[
    rule(
        "certificate-version",
        "The version is 3",
        "9303-12 §7.1; RFC 5280 §4.1.2.1",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(version),
    ),
    rule(
        "serial-positive",
        "The serial number is positive",
        "9303-12 §7.1; RFC 5280 §4.1.2.2",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(serial_positive),
    ),
    rule(
        "serial-length",
        "The serial number has at most 20 bytes",
        "9303-12 §7.1; RFC 5280 §4.1.2.2",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(serial_length),
    ),
    rule(
        "unique-identifiers",
        "issuerUniqueID and subjectUniqueID are absent",
        "9303-12 §7.1; RFC 5280 §4.1.2.8",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(unique_identifiers),
    ),
    rule(
        "name-country",
        "Each name has one countryName",
        "9303-12 §7.1.1.1",
        Error,
        TRAVEL_X509,
        ICAO,
        Check::Common(country_present),
    ),
    rule(
        "name-country-form",
        "countryName is a PrintableString of two letters",
        "9303-12 §7.1, §7.1.1.1; RFC 5280 Appendix A",
        Error,
        X509,
        ALL,
        Check::Common(country_form),
    ),
    rule(
        "name-country-case",
        "countryName is in upper case",
        "9303-12 §7.1, §7.1.4",
        Error,
        TRAVEL_X509,
        CURRENT,
        Check::Common(country_case),
    ),
    rule(
        "name-country-match",
        "Issuer and subject have the same countryName",
        "9303-12 §7.1",
        Error,
        TRAVEL,
        ICAO,
        Check::Common(country_match),
    ),
    rule(
        "name-common",
        "Each name has a commonName",
        "9303-12 §7.1.1.1",
        Error,
        TRAVEL,
        EIGHTH,
        Check::Common(common_name),
    ),
    rule(
        "name-strings",
        "Attributes of names are PrintableString or UTF8String",
        "9303-12 §7.1, §7.1.4; RFC 5280 §4.1.2.4",
        Error,
        X509,
        CURRENT_AND_RFC,
        Check::Common(strings),
    ),
    rule(
        "name-serial-number",
        "serialNumber in a name is a PrintableString",
        "9303-12 §7.1, §7.1.4; RFC 5280 Appendix A",
        Error,
        X509,
        CURRENT_AND_RFC,
        Check::Common(serial_number),
    ),
    rule(
        "name-issuer-present",
        "The issuer's name is not empty",
        "RFC 5280 §4.1.2.4",
        Error,
        X509,
        ALL,
        Check::Common(issuer_present),
    ),
    rule(
        "name-subject-present",
        "The subject's name is not empty, or subjectAltName is critical",
        "RFC 5280 §4.1.2.6",
        Error,
        CITIZENS,
        ALL,
        Check::Certificate(subject_present),
    ),
    rule(
        "csca-self-issued",
        "Issuer and subject of a self-signed certificate are the same",
        "9303-12 §7.1.1.5; RFC 5280 §3.2",
        Error,
        &[Kind::Csca],
        ALL,
        Check::Certificate(self_issued),
    ),
    rule(
        "seal-subject",
        "A seal signer's subject is its countryName and a commonName of two upper-case letters, nothing else",
        "9303-12 §7.1.3",
        Error,
        &[Kind::SealSigner],
        EIGHTH,
        Check::Certificate(seal_subject),
    ),
];

fn version(certificate: &RawCertificate<'_>) -> Option<String> {
    match certificate.common.version {
        Some([2]) => None,
        Some(other) => Some(format!("version field {}", super::hex(other))),
        None => Some("version field absent: version 1".to_owned()),
    }
}

fn serial_positive(certificate: &RawCertificate<'_>) -> Option<String> {
    let negative = matches!(certificate.serial, [] | [0x80..=0xFF, ..]);
    let zero = certificate.serial.iter().all(|byte| *byte == 0);
    (negative || zero).then(|| super::hex(certificate.serial))
}

fn serial_length(certificate: &RawCertificate<'_>) -> Option<String> {
    (certificate.serial.len() > 20).then(|| format!("{} bytes", certificate.serial.len()))
}

fn unique_identifiers(certificate: &RawCertificate<'_>) -> Option<String> {
    certificate.has_unique_identifier.then(|| "a unique identifier is present".to_owned())
}

/// The first name of which this is true, with what it is the name of.
fn name_where(common: &Common<'_>, wrong: impl Fn(&RawName<'_>) -> Option<String>) -> Option<String> {
    common.names.iter().find_map(|(which, name)| wrong(name).map(|seen| format!("{which}: {seen}")))
}

/// The first attribute of which this is true.
fn attribute_where(common: &Common<'_>, wrong: impl Fn(&NameAttribute<'_>) -> bool) -> Option<String> {
    name_where(common, |name| name.attributes.iter().find(|attribute| wrong(attribute)).map(shown))
}

fn shown(attribute: &NameAttribute<'_>) -> String {
    format!("{} {} (tag {})", oids::name(attribute.oid), text(attribute.text), attribute.string)
}

fn country_present(common: &Common<'_>) -> Option<String> {
    name_where(common, |name| match name.all(oid::COUNTRY_NAME).count() {
        1 => None,
        count => Some(format!("{count} countryName attributes")),
    })
}

fn country_form(common: &Common<'_>) -> Option<String> {
    attribute_where(common, |attribute| {
        let letters = attribute.text.len() == 2 && attribute.text.iter().all(u8::is_ascii_alphabetic);
        attribute.oid == oid::COUNTRY_NAME && !(attribute.string == der::PRINTABLE_STRING && letters)
    })
}

fn country_case(common: &Common<'_>) -> Option<String> {
    attribute_where(common, |attribute| {
        attribute.oid == oid::COUNTRY_NAME && attribute.text.iter().any(u8::is_ascii_lowercase)
    })
}

fn country_match(common: &Common<'_>) -> Option<String> {
    let country = |which| common.name(which).and_then(|name| name.first(oid::COUNTRY_NAME));
    let (issuer, subject) = (country("issuer")?, country("subject")?);
    (!issuer.text.eq_ignore_ascii_case(subject.text))
        .then(|| format!("issuer {}, subject {}", text(issuer.text), text(subject.text)))
}

fn common_name(common: &Common<'_>) -> Option<String> {
    name_where(common, |name| name.first(oid::COMMON_NAME).is_none().then(|| "no commonName".to_owned()))
}

fn strings(common: &Common<'_>) -> Option<String> {
    attribute_where(common, |attribute| {
        // These have string types of their own; serial numbers and countries have rules of their own.
        let other = [DOMAIN_COMPONENT, EMAIL_ADDRESS, QUALIFIER, SERIAL_NUMBER, oid::COUNTRY_NAME];
        !other.contains(&attribute.oid) && !matches!(attribute.string, der::PRINTABLE_STRING | der::UTF8_STRING)
    })
}

fn serial_number(common: &Common<'_>) -> Option<String> {
    attribute_where(common, |attribute| attribute.oid == SERIAL_NUMBER && attribute.string != der::PRINTABLE_STRING)
}

fn issuer_present(common: &Common<'_>) -> Option<String> {
    common.name("issuer")?.attributes.is_empty().then(|| "empty".to_owned())
}

fn subject_present(certificate: &RawCertificate<'_>) -> Option<String> {
    let alternative = certificate.extension(oid::SUBJECT_ALT_NAME).is_some_and(|extension| extension.is_critical());
    (certificate.common.name("subject")?.attributes.is_empty() && !alternative).then(|| "empty".to_owned())
}

fn self_issued(certificate: &RawCertificate<'_>) -> Option<String> {
    (certificate.issuer() != certificate.subject()).then(|| "the names differ".to_owned())
}

fn seal_subject(certificate: &RawCertificate<'_>) -> Option<String> {
    let subject = certificate.common.name("subject")?;
    let wrong = subject.attributes.iter().find(|attribute| match attribute.oid {
        oid::COUNTRY_NAME => false,
        oid::COMMON_NAME => {
            attribute.string != der::PRINTABLE_STRING
                || attribute.text.len() != 2
                || !attribute.text.iter().all(u8::is_ascii_uppercase)
        }
        _ => true,
    });
    wrong.map(shown)
}
