//! Rules about how long certificates and keys are good (9303-12 §4.1, Appendix A).

use iso7816::tlv::{self, Reader, Tlv};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::{ALL, CERTIFICATES, ICAO, Kind, TRAVEL, rule};
use crate::der::{self, oid};
use crate::lint::Severity::{Error, Notice, Warning};
use crate::lint::raw::RawCertificate;
use crate::lint::{Check, Rule};

/// Whose certificate outlives what is on cards.
const SIGNERS_OF_DOCUMENTS: &[Kind] = &[Kind::DocumentSigner, Kind::ResidenceSigner];

pub(super) const RULES: &[Rule] = &[
    rule(
        "validity-order",
        "notBefore is before notAfter",
        "RFC 5280 §4.1.2.5",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(validity_order),
    ),
    rule(
        "private-key-usage-order",
        "privateKeyUsagePeriod begins before it ends",
        "RFC 3280 §4.2.1.4",
        Error,
        TRAVEL,
        ICAO,
        Check::Certificate(usage_order),
    ),
    rule(
        "private-key-usage-within",
        "privateKeyUsagePeriod lies inside the certificate's validity",
        "9303-12 §4.1.1.1, §4.1.4.1",
        Warning,
        TRAVEL,
        ICAO,
        Check::Certificate(usage_within),
    ),
    rule(
        "csca-usage-maximum",
        "A CSCA's key is used for five years at most",
        "9303-12 §4.1.4.2",
        Warning,
        &[Kind::Csca],
        ICAO,
        Check::Certificate(|certificate| usage_longer(certificate, 60)),
    ),
    rule(
        "csca-usage-minimum",
        "A CSCA's key is used for three years at least",
        "9303-12 §4.1.4.2",
        Notice,
        &[Kind::Csca],
        ICAO,
        Check::Certificate(|certificate| usage_shorter(certificate, 36)),
    ),
    rule(
        "csca-validity-maximum",
        "A CSCA's certificate is valid for 15 years and three months at most",
        "9303-12 §4.1 Table 1, Appendix A",
        Notice,
        &[Kind::Csca, Kind::Link],
        ICAO,
        Check::Certificate(|certificate| validity_longer(certificate, 15 * 12 + 3)),
    ),
    rule(
        "csca-outlives-signers",
        "A CSCA's certificate is valid for five years at least after its key's last use",
        "9303-12 §4.1.4.1, Appendix A",
        Warning,
        &[Kind::Csca],
        ICAO,
        Check::Certificate(|certificate| ends_soon_after_use(certificate, 60)),
    ),
    rule(
        "signer-usage-maximum",
        "The key of a document signer or a residence signer is used for three months at most",
        "9303-12 §4.1.1.2",
        Warning,
        SIGNERS_OF_DOCUMENTS,
        ICAO,
        Check::Certificate(|certificate| usage_longer(certificate, 3)),
    ),
    rule(
        "signer-validity-maximum",
        "The certificate of a document signer or a residence signer is valid for ten years and six months at most",
        "9303-12 §4.1 Table 1, §4.1.1.1",
        Notice,
        SIGNERS_OF_DOCUMENTS,
        ICAO,
        Check::Certificate(|certificate| validity_longer(certificate, 10 * 12 + 6)),
    ),
    rule(
        "signer-outlives-documents",
        "The certificate of a document signer or a residence signer is valid for one year at least after its key's last use",
        "9303-12 §4.1.1.1",
        Warning,
        SIGNERS_OF_DOCUMENTS,
        ICAO,
        Check::Certificate(|certificate| ends_soon_after_use(certificate, 12)),
    ),
    rule(
        "seal-validity-maximum",
        "A seal signer's certificate is valid for twelve years at most",
        "9303-12 §4.1 Table 1",
        Notice,
        &[Kind::SealSigner],
        super::EIGHTH,
        Check::Certificate(|certificate| validity_longer(certificate, 12 * 12)),
    ),
];

/// A day in seconds: granted to lifetimes for the hour at which things are signed.
const DAY: i64 = 24 * 3600;

/// From when to when.
#[derive(Clone, Copy)]
struct Span {
    from: Timestamp,
    to: Timestamp,
}

impl Span {
    /// Whether it is longer than so many months.
    fn longer_than(self, months: i64) -> bool {
        self.end_of(months).is_some_and(|end| self.to.as_second() > end.as_second() + DAY)
    }

    fn shorter_than(self, months: i64) -> bool {
        self.end_of(months).is_some_and(|end| self.to.as_second() + DAY < end.as_second())
    }

    fn end_of(self, months: i64) -> Option<Timestamp> {
        Some(self.from.to_zoned(TimeZone::UTC).checked_add(months.months()).ok()?.timestamp())
    }

    fn shown(self) -> String {
        format!("{} to {}", day(self.from), day(self.to))
    }
}

/// The moment of a UTCTime or GeneralizedTime.
pub(super) fn moment(time: Tlv<'_>) -> Option<Timestamp> {
    match time.tag {
        der::GENERALIZED_TIME => der::generalized_time(time.value),
        // RFC 5280 §4.1.2.5.1: years from 50 are of the twentieth century.
        _ if time.value.first()? >= &b'5' => der::generalized_time(&[b"19", time.value].concat()),
        _ => der::generalized_time(&[b"20", time.value].concat()),
    }
}

/// The day of a moment.
pub(super) fn day(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d").to_string()
}

fn validity(certificate: &RawCertificate<'_>) -> Option<Span> {
    let at = |which| certificate.common.time(which).and_then(moment);
    Some(Span { from: at("notBefore")?, to: at("notAfter")? })
}

/// Both ends of the private key usage period, where they are stated.
fn stated_usage(certificate: &RawCertificate<'_>) -> Option<(Option<Timestamp>, Option<Timestamp>)> {
    let value = certificate.extension(oid::PRIVATE_KEY_USAGE_PERIOD)?.value;
    let mut reader = Reader::new(tlv::sole(value, der::SEQUENCE).ok()?);
    let from = reader.optional(der::context(0)).ok()?.and_then(der::generalized_time);
    let to = reader.optional(der::context(1)).ok()?.and_then(der::generalized_time);
    Some((from, to))
}

/// The private key usage period with the certificate's validity for an end that is not stated.
fn usage(certificate: &RawCertificate<'_>) -> Option<Span> {
    let (from, to) = stated_usage(certificate)?;
    let validity = validity(certificate)?;
    Some(Span { from: from.unwrap_or(validity.from), to: to.unwrap_or(validity.to) })
}

fn validity_order(certificate: &RawCertificate<'_>) -> Option<String> {
    let span = validity(certificate)?;
    (span.from >= span.to).then(|| span.shown())
}

fn usage_order(certificate: &RawCertificate<'_>) -> Option<String> {
    let (from, to) = stated_usage(certificate)?;
    let span = Span { from: from?, to: to? };
    (span.from >= span.to).then(|| span.shown())
}

fn usage_within(certificate: &RawCertificate<'_>) -> Option<String> {
    let (usage, validity) = (usage(certificate)?, validity(certificate)?);
    let outside = usage.from.as_second() + DAY < validity.from.as_second()
        || usage.to.as_second() > validity.to.as_second() + DAY;
    outside.then(|| format!("key {}, certificate {}", usage.shown(), validity.shown()))
}

fn usage_longer(certificate: &RawCertificate<'_>, months: i64) -> Option<String> {
    usage(certificate).filter(|span| span.longer_than(months)).map(Span::shown)
}

fn usage_shorter(certificate: &RawCertificate<'_>, months: i64) -> Option<String> {
    usage(certificate).filter(|span| span.shorter_than(months)).map(Span::shown)
}

fn validity_longer(certificate: &RawCertificate<'_>, months: i64) -> Option<String> {
    validity(certificate).filter(|span| span.longer_than(months)).map(Span::shown)
}

fn ends_soon_after_use(certificate: &RawCertificate<'_>, months: i64) -> Option<String> {
    let (_, last_use) = stated_usage(certificate)?;
    let rest = Span { from: last_use?, to: validity(certificate)?.to };
    rest.shorter_than(months).then(|| format!("last use {}, valid until {}", day(rest.from), day(rest.to)))
}
