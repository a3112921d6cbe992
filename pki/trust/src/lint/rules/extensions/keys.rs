//! Which key signed, which key is certified, and what for: authorityKeyIdentifier, subjectKeyIdentifier, keyUsage,
//! privateKeyUsagePeriod.

use iso7816::tlv::{self, Reader};

use super::{missing, not_marked};
use crate::der::{self, oid};
use crate::lint::Severity::{Error, Notice};
use crate::lint::raw::RawCertificate;
use crate::lint::rules::oids::*;
use crate::lint::rules::{
    ALL, AUTHORITIES, CERTIFICATES, COUNTRY, CURRENT, END_ENTITIES, ICAO, Kind, RFC, TRAVEL, hex, rule,
};
use crate::lint::{Check, Rule};

/// Document signers and those that sign lists and records: one key usage, digitalSignature.
const DATA_SIGNERS: &[Kind] =
    &[Kind::DocumentSigner, Kind::MasterListSigner, Kind::DeviationListSigner, Kind::ResidenceSigner];
/// Whose private key has a time of its own.
const DATED: &[Kind] = &[Kind::Csca, Kind::Link, Kind::DocumentSigner, Kind::ResidenceSigner];
/// Whose authority's key must be named.
const UNDER_ANOTHER_KEY: &[Kind] = &[
    Kind::Link,
    Kind::DocumentSigner,
    Kind::MasterListSigner,
    Kind::DeviationListSigner,
    Kind::SealSigner,
    Kind::ResidenceSigner,
    Kind::Communication,
    Kind::Citizen,
    Kind::OcspResponder,
];
const WITH_KEY_USAGE: &[Kind] = &[
    Kind::Csca,
    Kind::Link,
    Kind::DocumentSigner,
    Kind::MasterListSigner,
    Kind::DeviationListSigner,
    Kind::ResidenceSigner,
    Kind::Communication,
    Kind::CitizenCa,
    Kind::Citizen,
    Kind::OcspResponder,
];

pub(super) const RULES: &[Rule] = &[
    rule(
        "authority-key-present",
        "authorityKeyIdentifier is present",
        "9303-12 §7.1, §7.1.3; RFC 5280 §4.2.1.1",
        Error,
        UNDER_ANOTHER_KEY,
        ALL,
        Check::Certificate(|certificate| missing(certificate, oid::AUTHORITY_KEY_IDENTIFIER)),
    ),
    rule(
        "authority-key-identifier",
        "authorityKeyIdentifier has a keyIdentifier",
        "9303-12 §7.1; RFC 5280 §4.2.1.1",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(authority_key_identifier),
    ),
    rule(
        "authority-key-self",
        "In a self-signed certificate authorityKeyIdentifier equals subjectKeyIdentifier",
        "RFC 5280 §4.2.1.1",
        Error,
        &[Kind::Csca],
        ALL,
        Check::Certificate(authority_key_self),
    ),
    rule(
        "subject-key-present",
        "subjectKeyIdentifier is present",
        "9303-12 §7.1; RFC 5280 §4.2.1.2",
        Error,
        AUTHORITIES,
        ALL,
        Check::Certificate(|certificate| missing(certificate, oid::SUBJECT_KEY_IDENTIFIER)),
    ),
    rule(
        "subject-key-method",
        "subjectKeyIdentifier is computed from the key by a method of RFC 5280 or RFC 7093",
        "RFC 5280 §4.2.1.2; RFC 7093 §2",
        Notice,
        CERTIFICATES,
        ALL,
        Check::Certificate(subject_key_method),
    ),
    rule(
        "key-usage-present",
        "keyUsage is present",
        "9303-12 §7.1; RFC 5280 §4.2.1.3",
        Error,
        WITH_KEY_USAGE,
        ALL,
        Check::Certificate(|certificate| missing(certificate, oid::KEY_USAGE)),
    ),
    rule(
        "key-usage-critical",
        "keyUsage is critical",
        "9303-12 §7.1; RFC 5280 §4.2.1.3",
        Error,
        WITH_KEY_USAGE,
        ALL,
        Check::Certificate(|certificate| not_marked(certificate, oid::KEY_USAGE)),
    ),
    rule(
        "key-usage-csca",
        "keyUsage is keyCertSign and cRLSign, nothing else",
        "9303-12 §7.1",
        Error,
        COUNTRY,
        ICAO,
        Check::Certificate(|certificate| usage_is(certificate, KEY_CERT_SIGN | CRL_SIGN)),
    ),
    rule(
        "key-usage-signer",
        "keyUsage is digitalSignature, nothing else",
        "9303-12 §7.1",
        Error,
        DATA_SIGNERS,
        ICAO,
        Check::Certificate(|certificate| usage_is(certificate, DIGITAL_SIGNATURE)),
    ),
    rule(
        "key-usage-citizen-ca",
        "keyUsage of an authority includes keyCertSign and cRLSign",
        "RFC 5280 §4.2.1.3",
        Error,
        &[Kind::CitizenCa],
        RFC,
        Check::Certificate(|certificate| usage_has(certificate, KEY_CERT_SIGN | CRL_SIGN)),
    ),
    rule(
        "key-usage-end-entity",
        "keyUsage of a certificate that is no authority's lacks keyCertSign and cRLSign",
        "RFC 5280 §4.2.1.3, §4.2.1.9",
        Error,
        END_ENTITIES,
        ALL,
        Check::Certificate(usage_end_entity),
    ),
    rule(
        "private-key-usage-present",
        "privateKeyUsagePeriod is present",
        "9303-12 §7.1",
        Error,
        DATED,
        CURRENT,
        Check::Certificate(|certificate| missing(certificate, oid::PRIVATE_KEY_USAGE_PERIOD)),
    ),
    rule(
        "private-key-usage-form",
        "privateKeyUsagePeriod has notBefore or notAfter, as GeneralizedTime YYYYMMDDHHMMSSZ",
        "9303-12 §7.1; RFC 3280 §4.2.1.4",
        Error,
        TRAVEL,
        ICAO,
        Check::Certificate(private_key_usage_form),
    ),
];

fn authority_key_identifier(certificate: &RawCertificate<'_>) -> Option<String> {
    let extension = certificate.extension(oid::AUTHORITY_KEY_IDENTIFIER)?;
    authority_key(extension.value).is_none().then(|| hex(extension.value))
}

fn authority_key_self(certificate: &RawCertificate<'_>) -> Option<String> {
    let issuer = authority_key(certificate.extension(oid::AUTHORITY_KEY_IDENTIFIER)?.value)?;
    let own = subject_key(certificate)?;
    (issuer != own).then(|| format!("{} and {}", hex(issuer), hex(own)))
}

fn subject_key<'a>(certificate: &RawCertificate<'a>) -> Option<&'a [u8]> {
    tlv::sole(certificate.extension(oid::SUBJECT_KEY_IDENTIFIER)?.value, der::OCTET_STRING).ok()
}

fn subject_key_method(certificate: &RawCertificate<'_>) -> Option<String> {
    use openssl::sha;
    let stated = subject_key(certificate)?;
    let bits = certificate.key_bits.get(1..)?;
    let digest = sha::sha1(bits);
    let short = |digest: &[u8]| {
        let last = digest.get(digest.len().saturating_sub(8)..).unwrap_or_default();
        last.iter()
            .enumerate()
            .map(|(index, byte)| if index == 0 { 0x40 | (byte & 0x0F) } else { *byte })
            .collect::<Vec<u8>>()
    };
    let spki = certificate.spki;
    let known = [sha::sha256(bits).to_vec(), sha::sha384(bits).to_vec(), sha::sha512(bits).to_vec()];
    let whole = [sha::sha1(spki).to_vec(), sha::sha256(spki).to_vec()];
    let fits = stated == digest
        || stated == short(&digest)
        || known.iter().any(|digest| stated == digest || digest.get(..20) == Some(stated))
        || whole.iter().any(|digest| stated == digest);
    (!fits).then(|| hex(stated))
}

fn usage(certificate: &RawCertificate<'_>) -> Option<u16> {
    certificate.extension(oid::KEY_USAGE).map(|extension| usage_bits(extension.value))
}

fn usage_is(certificate: &RawCertificate<'_>, wanted: u16) -> Option<String> {
    let bits = usage(certificate)?;
    (bits != wanted).then(|| usage_names(bits))
}

fn usage_has(certificate: &RawCertificate<'_>, wanted: u16) -> Option<String> {
    let bits = usage(certificate)?;
    (bits & wanted != wanted).then(|| usage_names(bits))
}

fn usage_end_entity(certificate: &RawCertificate<'_>) -> Option<String> {
    let bits = usage(certificate)?;
    (bits & (KEY_CERT_SIGN | CRL_SIGN) != 0).then(|| usage_names(bits))
}

fn usage_names(bits: u16) -> String {
    let names = [
        "digitalSignature",
        "nonRepudiation",
        "keyEncipherment",
        "dataEncipherment",
        "keyAgreement",
        "keyCertSign",
        "cRLSign",
        "encipherOnly",
        "decipherOnly",
    ];
    let set: Vec<&str> =
        names.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, name)| *name).collect();
    if set.is_empty() { "no usage".to_owned() } else { set.join(", ") }
}

fn private_key_usage_form(certificate: &RawCertificate<'_>) -> Option<String> {
    let value = certificate.extension(oid::PRIVATE_KEY_USAGE_PERIOD)?.value;
    let good = || {
        let mut reader = Reader::new(tlv::sole(value, der::SEQUENCE).ok()?);
        let moments = [reader.optional(der::context(0)).ok()?, reader.optional(der::context(1)).ok()?];
        reader.end().ok()?;
        let stated: Vec<_> = moments.into_iter().flatten().map(der::generalized_time).collect();
        Some(!stated.is_empty() && stated.iter().all(Option::is_some))
    };
    (good() != Some(true)).then(|| hex(value))
}
