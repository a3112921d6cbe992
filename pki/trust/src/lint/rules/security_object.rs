//! Rules about the LDSSecurityObject inside EF.SOD (9303-10 §4.6.2.2).

use super::{ALL, CURRENT, ICAO, Kind, hex, oids, rule, text};
use crate::lint::Severity::{Error, Notice, Warning};
use crate::lint::raw::{RawHashes, RawSigned};
use crate::lint::{Check, Edition, Rule};
use crate::signature::Hash;

const OBJECT: &[Kind] = &[Kind::SecurityObject];

/// A check of the content alone.
pub(super) type ContentCheck = fn(&RawHashes<'_>) -> Option<String>;

pub(super) const CONTENT: Rule = rule(
    "sod-content",
    "The content is an LDSSecurityObject",
    "9303-10 §4.6.2.2",
    Error,
    OBJECT,
    ALL,
    Check::Signed(|signed| RawHashes::read(signed.content?).err().map(|error| error.to_string())),
);

const VERSION: Rule = rule(
    "sod-version",
    "The version is 0, or 1 with ldsVersionInfo",
    "9303-10 §4.6.2.2",
    Error,
    OBJECT,
    ICAO,
    Check::Signed(|signed| content(signed, version)),
);
const VERSION_INFO: Rule = rule(
    "sod-version-info",
    "ldsVersion has four digits, unicodeVersion six",
    "9303-10 §4.6.2.2",
    Error,
    OBJECT,
    ICAO,
    Check::Signed(|signed| content(signed, version_info)),
);
const HASH: Rule = rule(
    "sod-hash",
    "Data groups are hashed with SHA-224, SHA-256, SHA-384 or SHA-512",
    "9303-10 §4.6.2.3; 9303-12 §4.1.6.4",
    Error,
    OBJECT,
    CURRENT,
    Check::Signed(|signed| content(signed, weak_hash)),
);
const HASH_LEGACY: Rule = rule(
    "sod-hash-legacy",
    "Data groups are not hashed with SHA-1",
    "9303-12 §4.1.6.4",
    Warning,
    OBJECT,
    &[Edition::Sixth, Edition::PkdOperator],
    Check::Signed(|signed| content(signed, weak_hash)),
);
const HASH_PARAMETERS: Rule = rule(
    "sod-hash-parameters",
    "The hash algorithm has no parameters",
    "RFC 5754 §2",
    Notice,
    OBJECT,
    CURRENT,
    Check::Signed(|signed| content(signed, hash_parameters)),
);
const HASH_LENGTH: Rule = rule(
    "sod-hash-length",
    "Every hash has the length of its algorithm",
    "9303-10 §4.6.2.2",
    Error,
    OBJECT,
    ICAO,
    Check::Signed(|signed| content(signed, hash_length)),
);
const GROUPS: Rule = rule(
    "sod-data-groups",
    "There are 2 to 16 data groups with numbers from 1 to 16, each once",
    "9303-10 §4.6.2.2",
    Error,
    OBJECT,
    ICAO,
    Check::Signed(|signed| content(signed, groups)),
);
const ORDER: Rule = rule(
    "sod-data-group-order",
    "Data groups are in ascending order",
    "9303-10 §4.6.2.2",
    Notice,
    OBJECT,
    ICAO,
    Check::Signed(|signed| content(signed, order)),
);

pub(super) const RULES: &[Rule] =
    &[CONTENT, VERSION, VERSION_INFO, HASH, HASH_LEGACY, HASH_PARAMETERS, HASH_LENGTH, GROUPS, ORDER];

/// The rules about the content with their checks.
pub(super) const ABOUT_CONTENT: &[(Rule, ContentCheck)] = &[
    (VERSION, version),
    (VERSION_INFO, version_info),
    (HASH, weak_hash),
    (HASH_LENGTH, hash_length),
    (GROUPS, groups),
];

fn content(signed: &RawSigned<'_>, check: ContentCheck) -> Option<String> {
    check(&RawHashes::read(signed.content?).ok()?)
}

fn version(object: &RawHashes<'_>) -> Option<String> {
    match (object.version, object.lds) {
        ([0], None) | ([1], Some(_)) => None,
        (version, None) => Some(format!("version {} without ldsVersionInfo", hex(version))),
        (version, Some(_)) => Some(format!("version {} with ldsVersionInfo", hex(version))),
    }
}

fn version_info(object: &RawHashes<'_>) -> Option<String> {
    let (lds, unicode) = object.lds?;
    let digits = |text: &[u8], count| text.len() == count && text.iter().all(u8::is_ascii_digit);
    (!(digits(lds, 4) && digits(unicode, 6))).then(|| format!("{} and {}", text(lds), text(unicode)))
}

fn weak_hash(object: &RawHashes<'_>) -> Option<String> {
    let weak = Hash::from_oid(object.algorithm.oid).is_none_or(|hash| hash == Hash::Sha1);
    weak.then(|| oids::name(object.algorithm.oid))
}

fn hash_parameters(object: &RawHashes<'_>) -> Option<String> {
    object.algorithm.parameters.map(|parameters| hex(parameters.raw))
}

fn hash_length(object: &RawHashes<'_>) -> Option<String> {
    let length = usize::from(Hash::from_oid(object.algorithm.oid)?.length());
    let (number, hash) = object.groups.iter().find(|(_, hash)| hash.len() != length)?;
    Some(format!("data group {}: {} bytes", hex(number), hash.len()))
}

fn groups(object: &RawHashes<'_>) -> Option<String> {
    if !(2..=16).contains(&object.groups.len()) {
        return Some(format!("{} data groups", object.groups.len()));
    }
    let mut seen = 0u32;
    let wrong = object.groups.iter().find(|(number, _)| match number {
        [number @ 1..=16] => {
            let bit = 1 << number;
            let twice = seen & bit != 0;
            seen |= bit;
            twice
        }
        _ => true,
    })?;
    Some(format!("data group {}", hex(wrong.0)))
}

fn order(object: &RawHashes<'_>) -> Option<String> {
    (!object.groups.is_sorted_by_key(|(number, _)| *number)).then(|| "not in ascending order".to_owned())
}
