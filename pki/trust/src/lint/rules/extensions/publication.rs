//! Where revocation is published: cRLDistributionPoints, authorityInfoAccess.

use iso7816::tlv::{self, Tlv};

use super::missing;
use crate::der::{self, oid};
use crate::lint::Severity::{Error, Warning};
use crate::lint::raw::{RawCertificate, items};
use crate::lint::rules::oids::*;
use crate::lint::rules::{CERTIFICATES, CURRENT, CURRENT_AND_RFC, FULL_TRAVEL, Kind, RFC, TRAVEL, hex, rule, text};
use crate::lint::{Check, Rule};

pub(super) const RULES: &[Rule] = &[
    rule(
        "revocation-information",
        "The certificate says where its revocation is published: cRLDistributionPoints or an OCSP responder",
        "RFC 5280 §4.2.1.13, §4.2.2.1",
        Warning,
        &[Kind::Citizen],
        RFC,
        Check::Certificate(revocation_information),
    ),
    rule(
        "distribution-points-present",
        "cRLDistributionPoints are present",
        "9303-12 §7.1, §7.1.1.4, §7.2.1",
        Error,
        FULL_TRAVEL,
        CURRENT,
        Check::Certificate(|certificate| missing(certificate, oid::CRL_DISTRIBUTION_POINTS)),
    ),
    rule(
        "distribution-points-scheme",
        "Every distribution point is an ldap, http or https URI",
        "9303-12 §7.1; RFC 5280 §4.2.1.13",
        Error,
        CERTIFICATES,
        CURRENT_AND_RFC,
        Check::Certificate(distribution_points_scheme),
    ),
    rule(
        "distribution-points-plain",
        "Distribution points name no reasons and no cRLIssuer",
        "9303-12 §7.1",
        Error,
        TRAVEL,
        CURRENT,
        Check::Certificate(distribution_points_plain),
    ),
];

fn revocation_information(certificate: &RawCertificate<'_>) -> Option<String> {
    let responder = certificate.extension(AUTHORITY_INFORMATION).is_some_and(|extension| {
        let accesses = tlv::sole(extension.value, der::SEQUENCE).and_then(items).unwrap_or_default();
        accesses.iter().any(|access| access.reader().expect(der::OID) == Ok(OCSP_ACCESS))
    });
    (!responder && certificate.extension(oid::CRL_DISTRIBUTION_POINTS).is_none()).then(|| "neither".to_owned())
}

/// The DistributionPoints of an extension's value.
pub(super) fn points(value: &[u8]) -> Vec<Tlv<'_>> {
    tlv::sole(value, der::SEQUENCE).and_then(items).unwrap_or_default()
}

fn distribution_points_scheme(certificate: &RawCertificate<'_>) -> Option<String> {
    let value = certificate.extension(oid::CRL_DISTRIBUTION_POINTS)?.value;
    points(value).into_iter().find_map(|point| {
        let inside = |value, tag| tlv::find(value, tag).ok().flatten();
        let name = inside(point.value, der::context_constructed(0));
        let names = name.and_then(|name| inside(name, der::context_constructed(0)));
        let names = names.and_then(|names| items(names).ok()).unwrap_or_default();
        if names.is_empty() {
            return Some("a distribution point without fullName".to_owned());
        }
        let schemes = ["ldap://", "ldaps://", "http://", "https://"];
        let is_good = |name: &&Tlv<'_>| {
            let uri = String::from_utf8_lossy(name.value).to_ascii_lowercase();
            name.tag == der::context(6) && schemes.iter().any(|scheme| uri.starts_with(scheme))
        };
        names.iter().find(|name| !is_good(name)).map(|name| match name.tag == der::context(6) {
            true => text(name.value),
            false => format!("a name of tag {}, not a URI", name.tag),
        })
    })
}

fn distribution_points_plain(certificate: &RawCertificate<'_>) -> Option<String> {
    let value = certificate.extension(oid::CRL_DISTRIBUTION_POINTS)?.value;
    points(value).into_iter().find_map(|point| {
        let parts = items(point.value).ok()?;
        let other = parts.iter().find(|part| part.tag != der::context_constructed(0))?;
        Some(hex(other.raw))
    })
}
