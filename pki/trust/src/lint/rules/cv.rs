//! Rules about card-verifiable certificates (9303-12 §4.2, §7.2.2; TR-03110-3 appendix C, D).

use jiff::civil::Date;
use jiff::{Span, ToSpan};

use super::{EIGHTH, Kind, rule};
use crate::cvc::{CvCertificate, CvKeyError, KeyNumbers, Level};
use crate::lint::Severity::{Error, Warning};
use crate::lint::{Check, Rule};
use crate::signature::Hash;

const CV: &[Kind] = &[Kind::CvCertificate];

pub(super) const RULES: &[Rule] = &[
    rule(
        "cv-encoding",
        "Every length is in its shortest form",
        "TR-03110-3 §D.2; 9303-12 §7",
        Error,
        CV,
        EIGHTH,
        Check::Cv(|certificate| (!certificate.is_strict()).then(|| "a length longer than needed".to_owned())),
    ),
    rule(
        "cv-references",
        "References are a country of two capital letters, a mnemonic of 1 to 9 and a sequence number of 5 characters",
        "9303-12 §7.2.2.2",
        Error,
        CV,
        EIGHTH,
        Check::Cv(references),
    ),
    rule(
        "cv-dates",
        "The certificate does not expire before it is effective",
        "9303-12 §7.2.2.5",
        Error,
        CV,
        EIGHTH,
        Check::Cv(dates),
    ),
    rule(
        "cv-domain-present",
        "A self-signed certificate of a CVCA has domain parameters",
        "9303-12 §7.2.2.3",
        Error,
        CV,
        EIGHTH,
        Check::Cv(domain_present),
    ),
    rule(
        "cv-domain-absent",
        "Certificates of document verifiers and terminals have no domain parameters",
        "9303-12 §7.2.2.3",
        Error,
        CV,
        EIGHTH,
        Check::Cv(domain_absent),
    ),
    rule(
        "cv-domain-known",
        "The domain parameters, generator and cofactor included, are those of a known curve",
        "TR-03110-3 §D.3.3",
        Error,
        CV,
        EIGHTH,
        Check::Cv(domain_known),
    ),
    rule("cv-hash", "The key does not sign with SHA-1", "TR-03110-3 §A.7.3", Warning, CV, EIGHTH, Check::Cv(hash)),
    rule(
        "cv-key-size",
        "Keys have at least 2048 (RSA) or 224 (curve) bits",
        "9303-12 §4.1.6",
        Warning,
        CV,
        EIGHTH,
        Check::Cv(key_size),
    ),
    rule(
        "cv-self-signed",
        "Only a CVCA signs its own certificate, and the signature verifies",
        "9303-12 §7.2.2.7",
        Error,
        CV,
        EIGHTH,
        Check::Cv(self_signed),
    ),
    rule(
        "cv-validity-cvca",
        "A CVCA's certificate is valid from six months to three years",
        "9303-12 §4.2 Table 2",
        Warning,
        CV,
        EIGHTH,
        Check::Cv(|certificate| validity(certificate, &[Level::Cvca], 6.months(), 3.years())),
    ),
    rule(
        "cv-validity-verifier",
        "A document verifier's certificate is valid from two weeks to three months",
        "9303-12 §4.2 Table 2",
        Warning,
        CV,
        EIGHTH,
        Check::Cv(|certificate| validity(certificate, &[Level::DomesticDv, Level::ForeignDv], 2.weeks(), 3.months())),
    ),
    rule(
        "cv-validity-terminal",
        "A terminal's certificate is valid from one day to one month",
        "9303-12 §4.2 Table 2",
        Warning,
        CV,
        EIGHTH,
        Check::Cv(|certificate| validity(certificate, &[Level::Terminal], 0.days(), 1.month())),
    ),
];

fn references(certificate: &CvCertificate) -> Option<String> {
    let body = certificate.body();
    let wrong = [&body.authority, &body.holder].into_iter().find(|reference| !reference.is_standard())?;
    Some(wrong.to_string())
}

fn dates(certificate: &CvCertificate) -> Option<String> {
    let body = certificate.body();
    (body.expires < body.effective).then(|| span(body.effective, body.expires))
}

fn span(from: Date, to: Date) -> String {
    format!("{from} to {to}")
}

fn is_ec(certificate: &CvCertificate) -> bool {
    matches!(certificate.body().public_key.numbers, KeyNumbers::Ec { .. })
}

fn domain_present(certificate: &CvCertificate) -> Option<String> {
    let missing = is_ec(certificate) && certificate.is_self_signed() && !certificate.body().public_key.has_domain();
    missing.then(|| "absent".to_owned())
}

fn domain_absent(certificate: &CvCertificate) -> Option<String> {
    let body = certificate.body();
    (body.chat.level() != Level::Cvca && body.public_key.has_domain()).then(|| "present".to_owned())
}

fn domain_known(certificate: &CvCertificate) -> Option<String> {
    match certificate.key(None) {
        Err(error @ CvKeyError::ForeignParameters) => Some(error.to_string()),
        _ => None,
    }
}

fn hash(certificate: &CvCertificate) -> Option<String> {
    let algorithm = certificate.body().public_key.algorithm;
    (algorithm.hash() == Hash::Sha1).then(|| algorithm.to_string())
}

fn key_size(certificate: &CvCertificate) -> Option<String> {
    let (bits, least) = match &certificate.body().public_key.numbers {
        KeyNumbers::Rsa { modulus, .. } => (modulus.iter().skip_while(|byte| **byte == 0).count() * 8, 2048),
        // An uncompressed point is 04 and two coordinates.
        KeyNumbers::Ec { point, .. } => (point.len() / 2 * 8, 224),
    };
    (bits < least).then(|| format!("{bits} bits"))
}

fn self_signed(certificate: &CvCertificate) -> Option<String> {
    if !certificate.is_self_signed() {
        return None;
    }
    if certificate.body().chat.level() != Level::Cvca {
        return Some(format!("self-signed {}", certificate.body().chat.level()));
    }
    match certificate.key(None) {
        Ok(key) => certificate.verify(&key).err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

fn validity(certificate: &CvCertificate, levels: &[Level], least: Span, most: Span) -> Option<String> {
    let body = certificate.body();
    let end = |span: Span| body.effective.checked_add(span).ok();
    let outside = body.expires < end(least)?.yesterday().ok()? || body.expires > end(most)?;
    (outside && levels.contains(&body.chat.level())).then(|| span(body.effective, body.expires))
}
