//! Rules about revocation lists (9303-12 §4.1.5, §7.1.4; RFC 5280 §5).

use iso7816::tlv;

use super::lifetimes::{day, moment};
use super::oids::{self, *};
use super::{ALL, CURRENT, ICAO, Kind, LISTS, PKD, RFC, SIXTH, hex, rule};
use crate::der::{self, oid};
use crate::lint::Severity::{Error, Notice, Warning};
use crate::lint::raw::RawCrl;
use crate::lint::{Check, Rule};

const OURS: &[Kind] = &[Kind::Crl];
const CITIZENS_LIST: &[Kind] = &[Kind::CitizenCrl];
const HOUR: i64 = 3600;

pub(super) const RULES: &[Rule] = &[
    rule(
        "crl-version",
        "The version is 2",
        "9303-12 §7.1.4; RFC 5280 §5.1.2.1",
        Error,
        LISTS,
        ALL,
        Check::Crl(version),
    ),
    rule(
        "crl-next-update",
        "nextUpdate is present and later than thisUpdate",
        "9303-12 §7.1.4; RFC 5280 §5.1.2.5",
        Error,
        LISTS,
        ALL,
        Check::Crl(next_update),
    ),
    rule("crl-period", "The next list is due within 90 days", "9303-12 §4.1.5", Error, OURS, ICAO, Check::Crl(period)),
    rule(
        "crl-frequency",
        "The next list is due after 48 hours at the earliest",
        "9303-12 §4.1.5",
        Warning,
        OURS,
        ICAO,
        Check::Crl(frequency),
    ),
    rule(
        "crl-no-empty-list",
        "Without revoked certificates the list of them is absent, not empty",
        "9303-12 §7.1.4; RFC 5280 §5.1.2.6",
        Error,
        LISTS,
        ALL,
        Check::Crl(empty_list),
    ),
    rule(
        "crl-extensions-present",
        "The list has extensions",
        "9303-12 §7.1.4; RFC 5280 §5.2",
        Error,
        LISTS,
        ALL,
        Check::Crl(|crl| crl.common.all_extensions().next().is_none().then(|| "none".to_owned())),
    ),
    rule(
        "crl-authority-key",
        "authorityKeyIdentifier is present with a keyIdentifier",
        "9303-12 §7.1.4; RFC 5280 §5.2.1",
        Error,
        LISTS,
        ALL,
        Check::Crl(authority_key_present),
    ),
    rule(
        "crl-number",
        "cRLNumber is present, not negative, and has at most 20 bytes",
        "9303-12 §7.1.4; RFC 5280 §5.2.3",
        Error,
        LISTS,
        ALL,
        Check::Crl(number),
    ),
    rule(
        "crl-extensions-not-critical",
        "authorityKeyIdentifier, issuerAltName and cRLNumber are not critical",
        "9303-12 §7.1.4; RFC 5280 §5.2",
        Error,
        LISTS,
        ALL,
        Check::Crl(not_critical),
    ),
    rule(
        "crl-complete",
        "deltaCRLIndicator, issuingDistributionPoint and freshestCRL are absent",
        "9303-12 §7.1.4",
        Error,
        OURS,
        ICAO,
        Check::Crl(complete),
    ),
    rule(
        "crl-part-critical",
        "issuingDistributionPoint and deltaCRLIndicator are critical",
        "RFC 5280 §5.2.4, §5.2.5",
        Error,
        CITIZENS_LIST,
        RFC,
        Check::Crl(part_critical),
    ),
    rule(
        "crl-entry-once",
        "No certificate is listed twice",
        "RFC 5280 §5.1.2.6",
        Error,
        LISTS,
        ALL,
        Check::Crl(entry_once),
    ),
    rule(
        "crl-entry-serial",
        "Serial numbers of entries are positive and have at most 20 bytes",
        "RFC 5280 §4.1.2.2, §5.1.2.6",
        Error,
        LISTS,
        ALL,
        Check::Crl(entry_serial),
    ),
    rule(
        "crl-entry-date-form",
        "Revocation dates through 2049 are UTCTime YYMMDDHHMMSSZ, later ones GeneralizedTime YYYYMMDDHHMMSSZ",
        "RFC 5280 §5.1.2.6",
        Error,
        LISTS,
        ALL,
        Check::Crl(entry_date_form),
    ),
    rule(
        "crl-entry-date",
        "No certificate was revoked after thisUpdate",
        "RFC 5280 §5.1.2.4, §5.1.2.6",
        Warning,
        LISTS,
        ALL,
        Check::Crl(entry_date),
    ),
    rule(
        "crl-entry-extensions",
        "Entries have none of reasonCode, holdInstructionCode, invalidityDate, certificateIssuer",
        "9303-12 §7.1.4",
        Error,
        OURS,
        CURRENT,
        Check::Crl(|crl| {
            entry_extension(crl, &[REASON_CODE, HOLD_INSTRUCTION, INVALIDITY_DATE, CERTIFICATE_ISSUER], false)
        }),
    ),
    rule(
        "crl-entry-extensions-6",
        "Entries have no extensions",
        "9303-12 Appendix C",
        Notice,
        OURS,
        SIXTH,
        Check::Crl(|crl| {
            entry_extension(crl, &[REASON_CODE, HOLD_INSTRUCTION, INVALIDITY_DATE, CERTIFICATE_ISSUER], false)
        }),
    ),
    rule(
        "crl-entry-issuer",
        "Entries have no certificateIssuer",
        "directory operator's CRL check 1.8.4",
        Error,
        OURS,
        PKD,
        Check::Crl(|crl| entry_extension(crl, &[CERTIFICATE_ISSUER], false)),
    ),
    rule(
        "crl-entry-not-critical",
        "reasonCode, holdInstructionCode and invalidityDate are not critical",
        "RFC 5280 §5.3; directory operator's CRL checks 1.8.1 to 1.8.3",
        Error,
        LISTS,
        ALL,
        Check::Crl(|crl| entry_extension(crl, &[REASON_CODE, HOLD_INSTRUCTION, INVALIDITY_DATE], true)),
    ),
];

fn version(crl: &RawCrl<'_>) -> Option<String> {
    match crl.common.version {
        Some([1]) => None,
        Some(other) => Some(format!("version field {}", hex(other))),
        None => Some("version field absent: version 1".to_owned()),
    }
}

/// thisUpdate and nextUpdate.
fn updates(crl: &RawCrl<'_>) -> Option<(jiff::Timestamp, jiff::Timestamp)> {
    let at = |which| crl.common.time(which).and_then(moment);
    Some((at("thisUpdate")?, at("nextUpdate")?))
}

fn next_update(crl: &RawCrl<'_>) -> Option<String> {
    if crl.common.time("nextUpdate").is_none() {
        return Some("absent".to_owned());
    }
    let (this, next) = updates(crl)?;
    (next <= this).then(|| format!("{} to {}", day(this), day(next)))
}

fn period(crl: &RawCrl<'_>) -> Option<String> {
    let (this, next) = updates(crl)?;
    (next.as_second() - this.as_second() > 90 * 24 * HOUR).then(|| format!("{} to {}", day(this), day(next)))
}

fn frequency(crl: &RawCrl<'_>) -> Option<String> {
    let (this, next) = updates(crl)?;
    (next.as_second() - this.as_second() < 48 * HOUR).then(|| format!("{this} to {next}"))
}

fn empty_list(crl: &RawCrl<'_>) -> Option<String> {
    crl.entries.as_ref().filter(|entries| entries.is_empty()).map(|_| "an empty list".to_owned())
}

fn authority_key_present(crl: &RawCrl<'_>) -> Option<String> {
    match crl.common.extension(oid::AUTHORITY_KEY_IDENTIFIER) {
        None => Some("absent".to_owned()),
        Some(extension) => authority_key(extension.value).is_none().then(|| hex(extension.value)),
    }
}

fn number(crl: &RawCrl<'_>) -> Option<String> {
    let Some(extension) = crl.common.extension(oid::CRL_NUMBER) else { return Some("absent".to_owned()) };
    match tlv::sole(extension.value, der::INTEGER) {
        Ok([0..=0x7F, rest @ ..]) if rest.len() < 20 => None,
        _ => Some(hex(extension.value)),
    }
}

fn not_critical(crl: &RawCrl<'_>) -> Option<String> {
    let plain = [oid::AUTHORITY_KEY_IDENTIFIER, oid::ISSUER_ALT_NAME, oid::CRL_NUMBER];
    let found =
        crl.common.all_extensions().find(|extension| extension.is_critical() && plain.contains(&extension.oid))?;
    Some(oids::name(found.oid))
}

fn complete(crl: &RawCrl<'_>) -> Option<String> {
    let found = [DELTA_CRL, ISSUING_DISTRIBUTION_POINT, FRESHEST_CRL]
        .into_iter()
        .find(|extension| crl.common.extension(extension).is_some())?;
    Some(oids::name(found))
}

fn part_critical(crl: &RawCrl<'_>) -> Option<String> {
    let found = [DELTA_CRL, ISSUING_DISTRIBUTION_POINT]
        .into_iter()
        .find(|extension| crl.common.extension(extension).is_some_and(|extension| !extension.is_critical()))?;
    Some(oids::name(found))
}

fn entry_once(crl: &RawCrl<'_>) -> Option<String> {
    let mut seen = std::collections::BTreeSet::new();
    crl.entries().find(|entry| !seen.insert(entry.serial)).map(|entry| hex(entry.serial))
}

fn entry_serial(crl: &RawCrl<'_>) -> Option<String> {
    let good =
        |serial: &[u8]| matches!(serial, [0..=0x7F, ..]) && serial.len() <= 20 && serial.iter().any(|byte| *byte != 0);
    crl.entries().find(|entry| !good(entry.serial)).map(|entry| hex(entry.serial))
}

fn entry_date_form(crl: &RawCrl<'_>) -> Option<String> {
    let entry = crl.entries().find(|entry| !super::encoding::is_good_time(entry.since))?;
    Some(super::text(entry.since.value))
}

fn entry_date(crl: &RawCrl<'_>) -> Option<String> {
    let this = moment(crl.common.time("thisUpdate")?)?;
    let entry = crl.entries().find(|entry| moment(entry.since).is_some_and(|since| since > this))?;
    Some(format!("serial number {}: {}", hex(entry.serial), super::text(entry.since.value)))
}

fn entry_extension(crl: &RawCrl<'_>, unwanted: &[&[u8]], critical: bool) -> Option<String> {
    crl.entries().find_map(|entry| {
        let found = entry
            .extensions
            .iter()
            .find(|extension| unwanted.contains(&extension.oid) && (!critical || extension.is_critical()))?;
        Some(format!("serial number {}: {}", hex(entry.serial), oids::name(found.oid)))
    })
}
