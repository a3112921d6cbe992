//! Rules about structure and encoding (X.690).

use iso7816::tlv::{Reader, Tag, Tlv, encode};

use super::{ALL, Kind, TRAVEL_X509, X509, rule};
use crate::der;
use crate::lint::Severity::Error;
use crate::lint::raw::{Common, RawCertificate, basic_constraints};
use crate::lint::{Check, Rule};

/// How deep data objects are followed.
const MAX_DEPTH: usize = 24;

pub(super) const RULES: &[Rule] = &[
    rule(
        "structure",
        "The bytes are exactly one object of the stated kind",
        "RFC 5280 §4.1, §5.1; RFC 5652 §5.1",
        Error,
        &Kind::ALL,
        ALL,
        Check::Structure,
    ),
    rule(
        "der-lengths",
        "Lengths are encoded in the fewest bytes",
        "X.690 §10.1; 9303-12 §7",
        Error,
        &Kind::ALL,
        ALL,
        Check::Bytes(lengths),
    ),
    rule("der-booleans", "BOOLEAN values are 00 or FF", "X.690 §11.1", Error, X509, ALL, Check::Bytes(booleans)),
    rule(
        "der-integers",
        "INTEGERs are encoded in the fewest bytes",
        "X.690 §8.3.2; 9303-12 §7.1",
        Error,
        &Kind::ALL,
        ALL,
        Check::Bytes(integers),
    ),
    rule(
        "der-bit-strings",
        "Unused bits of BIT STRINGs are zero",
        "X.690 §11.2",
        Error,
        X509,
        ALL,
        Check::Bytes(bit_strings),
    ),
    rule(
        "der-sets",
        "The elements of SETs are in ascending order",
        "X.690 §10.3, §11.6; 9303-12 §7, §9",
        Error,
        &Kind::ALL,
        ALL,
        Check::Bytes(sets),
    ),
    rule(
        "default-critical",
        "An extension that is not critical does not encode the default FALSE",
        "X.690 §11.5; 9303-12 §7.1",
        Error,
        X509,
        ALL,
        Check::Common(default_critical),
    ),
    rule(
        "default-authority",
        "basicConstraints do not encode the default cA FALSE",
        "X.690 §11.5; 9303-12 §7.1",
        Error,
        super::CERTIFICATES,
        ALL,
        Check::Certificate(default_authority),
    ),
    rule(
        "printable-alphabet",
        "PrintableStrings hold only letters, digits, space and '()+,-./:=?",
        "X.680 §41.4",
        Error,
        X509,
        ALL,
        Check::Bytes(printable),
    ),
    rule(
        "time-form",
        "Dates through 2049 are UTCTime YYMMDDHHMMSSZ, later ones GeneralizedTime YYYYMMDDHHMMSSZ",
        "9303-12 §7.1, §7.1.4; RFC 5280 §4.1.2.5",
        Error,
        X509,
        ALL,
        Check::Common(time_form),
    ),
    rule(
        "algorithm-match",
        "The algorithm inside the signed part equals the one outside",
        "9303-12 §7.1, §7.1.4; RFC 5280 §4.1.1.2",
        Error,
        X509,
        ALL,
        Check::Common(algorithm_match),
    ),
    rule(
        "extension-once",
        "No extension appears twice",
        "RFC 5280 §4.2",
        Error,
        X509,
        ALL,
        Check::Common(extension_once),
    ),
    rule(
        "extension-private-critical",
        "Extensions that the profile does not know are not critical",
        "9303-12 §7.1 other private extensions",
        Error,
        TRAVEL_X509,
        super::ICAO,
        Check::Common(private_critical),
    ),
];

/// The first data object that `found` objects to, also inside the values of extensions and the content of signed data.
fn search(bytes: &[u8], found: fn(Tlv<'_>) -> bool) -> Option<Tlv<'_>> {
    walk(bytes, None, MAX_DEPTH, found)
}

fn walk<'a>(bytes: &'a [u8], parent: Option<Tag>, depth: usize, found: fn(Tlv<'_>) -> bool) -> Option<Tlv<'a>> {
    let mut reader = Reader::new(bytes);
    let mut first = None;
    while let Ok(Some(item)) = reader.next() {
        if found(item) {
            return Some(item);
        }
        let is_value = item.tag == der::OCTET_STRING
            && match parent {
                // An extension's value, or the content of signed data.
                Some(der::SEQUENCE) => first == Some(der::OID),
                Some(parent) => parent == der::context_constructed(0) && item.value.starts_with(&[0x30]),
                None => false,
            };
        first = first.or(Some(item.tag));
        if depth > 0 && (is_value || item.tag.is_constructed()) {
            let inside = walk(item.value, Some(item.tag), depth - 1, found);
            if inside.is_some() {
                return inside;
            }
        }
    }
    None
}

fn shown(item: Tlv<'_>) -> String {
    super::hex(item.raw)
}

fn lengths(bytes: &[u8]) -> Option<String> {
    search(bytes, |item| item.raw.len() != encode(item.tag, item.value).len()).map(shown)
}

fn booleans(bytes: &[u8]) -> Option<String> {
    search(bytes, |item| item.tag == der::BOOLEAN && !matches!(item.value, [0x00] | [0xFF])).map(shown)
}

fn integers(bytes: &[u8]) -> Option<String> {
    search(bytes, |item| item.tag == der::INTEGER && !is_minimal(item.value)).map(shown)
}

fn is_minimal(value: &[u8]) -> bool {
    !matches!(value, [] | [0x00, 0x00..=0x7F, ..] | [0xFF, 0x80..=0xFF, ..])
}

fn bit_strings(bytes: &[u8]) -> Option<String> {
    search(bytes, |item| {
        item.tag == der::BIT_STRING
            && match item.value {
                [] | [8..=0xFF, ..] => true,
                [unused] => *unused != 0,
                [unused, .., last] => last & !(0xFFu8 << unused) != 0,
            }
    })
    .map(shown)
}

fn sets(bytes: &[u8]) -> Option<String> {
    search(bytes, |item| {
        if item.tag != der::SET {
            return false;
        }
        let mut reader = item.reader();
        let mut last: &[u8] = &[];
        while let Ok(Some(element)) = reader.next() {
            if element.raw < last {
                return true;
            }
            last = element.raw;
        }
        false
    })
    .map(shown)
}

fn printable(bytes: &[u8]) -> Option<String> {
    let wrong = search(bytes, |item| {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(byte);
        item.tag == der::PRINTABLE_STRING && !item.value.iter().all(allowed)
    })?;
    Some(super::text(wrong.value))
}

fn default_critical(common: &Common<'_>) -> Option<String> {
    let encoded = common.all_extensions().find(|extension| extension.critical == Some(&[0]))?;
    Some(format!("{} has critical FALSE", super::oids::name(encoded.oid)))
}

fn default_authority(certificate: &RawCertificate<'_>) -> Option<String> {
    let constraints = certificate.extension(der::oid::BASIC_CONSTRAINTS)?;
    let (authority, _) = basic_constraints(constraints.value)?;
    (authority == Some(&[0])).then(|| super::hex(constraints.value))
}

fn time_form(common: &Common<'_>) -> Option<String> {
    let (name, time) = common.times.iter().find(|(_, time)| !is_good_time(*time))?;
    let form = if time.tag == der::UTC_TIME { "UTCTime" } else { "GeneralizedTime" };
    Some(format!("{name} is {form} {}", super::text(time.value)))
}

/// Whether a moment has the one form of RFC 5280 §4.1.2.5.
pub(super) fn is_good_time(time: Tlv<'_>) -> bool {
    let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    match (time.tag, time.value) {
        (der::UTC_TIME, [text @ .., b'Z']) => text.len() == 12 && digits(text),
        (der::GENERALIZED_TIME, [text @ .., b'Z']) => text.len() == 14 && digits(text) && text >= &b"2050"[..],
        _ => false,
    }
}

fn algorithm_match(common: &Common<'_>) -> Option<String> {
    (common.inner.raw != common.outer.raw)
        .then(|| format!("inside {}, outside {}", super::hex(common.inner.raw), super::hex(common.outer.raw)))
}

fn extension_once(common: &Common<'_>) -> Option<String> {
    let mut seen = std::collections::BTreeSet::new();
    let twice = common.all_extensions().find(|extension| !seen.insert(extension.oid))?;
    Some(super::oids::name(twice.oid))
}

fn private_critical(common: &Common<'_>) -> Option<String> {
    let private = common
        .all_extensions()
        .find(|extension| extension.is_critical() && super::oids::extension(extension.oid).is_none())?;
    Some(super::oids::name(private.oid))
}
