//! Writing certificates and revocation lists as 9303-12 §7 profiles them.
//!
//! ```text
//! TBSCertificate ::= SEQUENCE { version [0] 2, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo, extensions [3] }
//! TBSCertList    ::= SEQUENCE { version 1, signature, issuer, thisUpdate, nextUpdate, revokedCertificates OPTIONAL, crlExtensions [0] }
//! ```

use iso7816::tlv::{Tag, Writer, encode};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use openssl::error::ErrorStack;
use trust::chain::RESIDENCE_CODE;
use trust::der::{
    BIT_STRING, BOOLEAN, GENERALIZED_TIME, INTEGER, NULL, OCTET_STRING, OID, PRINTABLE_STRING, SEQUENCE, SET, UTC_TIME,
    UTF8_STRING, context, context_constructed, oid,
};

use crate::key_store::{Signer, SigningError};
use crate::profile::Profile;

/// Key usage keyCertSign and cRLSign as a BIT STRING's value.
pub(crate) const CERTIFICATES_AND_LISTS: &[u8] = &[0x01, 0x06];
/// Key usage digitalSignature as a BIT STRING's value.
pub(crate) const DIGITAL_SIGNATURE: &[u8] = &[0x07, 0x80];

/// From when to when.
#[derive(Clone, Copy)]
pub(crate) struct Period {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Period {
    /// From this moment, in whole seconds, for so many months.
    pub(crate) fn months(from: Timestamp, months: i64) -> Result<Self, jiff::Error> {
        let from = whole_seconds(from);
        let to = from.to_zoned(TimeZone::UTC).checked_add(months.months())?.timestamp();
        Ok(Period { from, to })
    }

    /// From this moment, in whole seconds, for so many days.
    pub(crate) fn days(from: Timestamp, days: i64) -> Result<Self, jiff::Error> {
        let from = whole_seconds(from);
        let to = from.to_zoned(TimeZone::UTC).checked_add(days.days())?.timestamp();
        Ok(Period { from, to })
    }
}

pub(crate) fn whole_seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

/// The content of an INTEGER with this magnitude.
pub(crate) fn integer(magnitude: &[u8]) -> Vec<u8> {
    let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
    let mut value: Vec<u8> = magnitude.iter().skip(zeros).copied().collect();
    if value.first().is_none_or(|first| first & 0x80 != 0) {
        value.insert(0, 0);
    }
    value
}

/// A name: `C`, `O`, `OU`, `CN` in this order.
pub(crate) fn name(profile: &Profile, common_name: &str) -> Vec<u8> {
    organization_name(profile.country, profile.organization, profile.unit, common_name)
}

/// A name with another organisation.
pub(crate) fn organization_name(country: &str, organization: &str, unit: &str, common_name: &str) -> Vec<u8> {
    distinguished_name(&[
        (oid::COUNTRY_NAME, PRINTABLE_STRING, country),
        (oid::ORGANIZATION_NAME, UTF8_STRING, organization),
        (oid::ORGANIZATIONAL_UNIT_NAME, UTF8_STRING, unit),
        (oid::COMMON_NAME, UTF8_STRING, common_name),
    ])
}

/// Country and two letters, nothing else: a bar code signer (9303-12 §7.1.3).
pub(crate) fn seal_signer_name(country: &str, letters: &str) -> Vec<u8> {
    distinguished_name(&[(oid::COUNTRY_NAME, PRINTABLE_STRING, country), (oid::COMMON_NAME, PRINTABLE_STRING, letters)])
}

/// A name of these attributes, one to a set.
pub(crate) fn distinguished_name(attributes: &[(&[u8], Tag, &str)]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |names| {
        for (kind, string, text) in attributes {
            attribute(names, kind, *string, text);
        }
    });
    writer.finish()
}

fn attribute(names: &mut Writer, kind: &[u8], string: Tag, text: &str) {
    names.nest(SET, |set| {
        set.nest(SEQUENCE, |pair| {
            pair.put(OID, kind).put(string, text);
        });
    });
}

/// The SubjectPublicKeyInfo with explicit domain parameters (9303-12 §4); of an RSA key as everywhere.
pub(crate) fn explicit_spki(key: &dyn Signer) -> Result<Vec<u8>, ErrorStack> {
    let Some(curve) = key.algorithm().curve() else { return Ok(named_spki(key)) };
    let domain = curve.domain()?;
    Ok(spki(key, oid::EC_PUBLIC_KEY, |algorithm| {
        algorithm.nest(SEQUENCE, |parameters| {
            parameters.put(INTEGER, [1]);
            parameters.nest(SEQUENCE, |field| {
                field.put(OID, oid::PRIME_FIELD).put(INTEGER, integer(&domain.p));
            });
            parameters.nest(SEQUENCE, |curve| {
                curve.put(OCTET_STRING, &domain.a).put(OCTET_STRING, &domain.b);
            });
            parameters.put(OCTET_STRING, &domain.generator);
            parameters.put(INTEGER, integer(&domain.n)).put(INTEGER, integer(&domain.h));
        });
    }))
}

/// The SubjectPublicKeyInfo with the curve's name, or of an RSA key for any padding (RFC 4055 §1.2).
pub(crate) fn named_spki(key: &dyn Signer) -> Vec<u8> {
    match key.algorithm().curve() {
        Some(curve) => spki(key, oid::EC_PUBLIC_KEY, |algorithm| {
            algorithm.put(OID, curve.oid());
        }),
        None => spki(key, oid::RSA_ENCRYPTION, |algorithm| {
            algorithm.put(NULL, []);
        }),
    }
}

fn spki(key: &dyn Signer, kind: &[u8], parameters: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |info| {
        info.nest(SEQUENCE, |algorithm| {
            algorithm.put(OID, kind);
            parameters(algorithm);
        });
        info.put(BIT_STRING, whole_bits(key.public_bits()));
    });
    writer.finish()
}

/// SHA-1 of the public key's bits (RFC 5280 §4.2.1.2, first method).
pub(crate) fn key_identifier(key: &dyn Signer) -> [u8; 20] {
    openssl::sha::sha1(key.public_bits())
}

/// What a certificate is about.
pub(crate) struct Subject<'a> {
    pub serial: &'a [u8],
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    pub validity: Period,
    pub key_usage: Period,
    pub spki: &'a [u8],
    pub key_identifier: &'a [u8],
    pub role: Role,
}

/// Which profile of 9303-12 §7.1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    CountrySigningCa,
    /// The new CSCA key under the old one, perhaps under a new name.
    Link {
        name_change: bool,
    },
    DocumentSigner,
    /// Of master lists, deviation lists: named by its extended key usage.
    ListSigner(&'static [u8]),
    /// Of digital seals: three extensions at most (9303-12 §7.1.3).
    SealSigner,
    /// Of residence records: a document signer's extensions with a code and a purpose of its own.
    ResidenceSigner,
}

/// A certificate, signed.
pub(crate) fn certificate(
    profile: &Profile,
    subject: &Subject<'_>,
    issuer: &dyn Signer,
) -> Result<Vec<u8>, SigningError> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |body| {
        body.put(context_constructed(0), encode(INTEGER, [2]));
        body.put(INTEGER, subject.serial);
        body.raw(issuer.algorithm().signature_identifier());
        body.raw(subject.issuer);
        body.nest(SEQUENCE, |validity| {
            validity.raw(time(subject.validity.from)).raw(time(subject.validity.to));
        });
        body.raw(subject.subject).raw(subject.spki);
        body.nest(context_constructed(3), |tagged| {
            tagged.nest(SEQUENCE, |extensions| certificate_extensions(extensions, profile, subject, issuer));
        });
    });
    signed(&writer.finish(), issuer)
}

fn certificate_extensions(extensions: &mut Writer, profile: &Profile, subject: &Subject<'_>, issuer: &dyn Signer) {
    authority_key_identifier(extensions, issuer);
    if subject.role == Role::SealSigner {
        extension(extensions, oid::DOCUMENT_TYPE_LIST, false, &document_types(profile.document_types));
        extended_key_usage(extensions, true, &[oid::SEAL_SIGNER]);
        return;
    }
    let names = alternative_names(profile);
    extension(extensions, oid::SUBJECT_KEY_IDENTIFIER, false, &encode(OCTET_STRING, subject.key_identifier));
    let usage = match subject.role {
        Role::CountrySigningCa | Role::Link { .. } => CERTIFICATES_AND_LISTS,
        Role::DocumentSigner | Role::ListSigner(_) | Role::SealSigner | Role::ResidenceSigner => DIGITAL_SIGNATURE,
    };
    extension(extensions, oid::KEY_USAGE, true, &encode(BIT_STRING, usage));
    extension(extensions, oid::PRIVATE_KEY_USAGE_PERIOD, false, &private_key_usage(subject.key_usage));
    extension(extensions, oid::SUBJECT_ALT_NAME, false, &names);
    extension(extensions, oid::ISSUER_ALT_NAME, false, &names);
    match subject.role {
        Role::CountrySigningCa | Role::Link { .. } => {
            let authority = [encode(BOOLEAN, [0xFF]), encode(INTEGER, [0])].concat();
            extension(extensions, oid::BASIC_CONSTRAINTS, true, &encode(SEQUENCE, authority));
        }
        Role::DocumentSigner => {
            extension(extensions, oid::DOCUMENT_TYPE_LIST, false, &document_types(profile.document_types));
        }
        Role::ListSigner(purpose) => extended_key_usage(extensions, true, &[purpose]),
        Role::ResidenceSigner => {
            extension(extensions, oid::DOCUMENT_TYPE_LIST, false, &document_types(&[RESIDENCE_CODE]));
            // Critical: a reader of another State, which does not know the purpose, must refuse the certificate.
            extended_key_usage(extensions, true, &[oid::RESIDENCE_SIGNER]);
        }
        Role::SealSigner => {}
    }
    extension(extensions, oid::CRL_DISTRIBUTION_POINTS, false, &distribution_point(profile.distribution_point));
    if subject.role == (Role::Link { name_change: true }) {
        extension(extensions, oid::NAME_CHANGE, false, &encode(NULL, []));
    }
}

/// extKeyUsage: SEQUENCE OF OBJECT IDENTIFIER.
pub(crate) fn extended_key_usage(extensions: &mut Writer, critical: bool, purposes: &[&[u8]]) {
    let purposes: Vec<u8> = purposes.iter().flat_map(|purpose| encode(OID, purpose)).collect();
    extension(extensions, oid::EXTENDED_KEY_USAGE, critical, &encode(SEQUENCE, purposes));
}

/// Entries of a revocation list: serial number and moment.
pub(crate) type Revocations = Vec<(Vec<u8>, Timestamp)>;

/// A revocation list, signed (9303-12 §7.1.4). Without entries the field is absent, not empty. `extra` writes more extensions
/// of the list behind the two mandatory ones.
pub(crate) fn revocation_list(
    issuer_name: &[u8],
    update: Period,
    number: u64,
    revoked: &Revocations,
    issuer: &dyn Signer,
    extra: impl FnOnce(&mut Writer),
) -> Result<Vec<u8>, SigningError> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |body| {
        body.put(INTEGER, [1]).raw(issuer.algorithm().signature_identifier()).raw(issuer_name);
        body.raw(time(update.from)).raw(time(update.to));
        if !revoked.is_empty() {
            body.nest(SEQUENCE, |entries| {
                for (serial, since) in revoked {
                    entries.nest(SEQUENCE, |entry| {
                        entry.put(INTEGER, serial).raw(time(*since));
                    });
                }
            });
        }
        body.nest(context_constructed(0), |tagged| {
            tagged.nest(SEQUENCE, |extensions| {
                authority_key_identifier(extensions, issuer);
                extension(extensions, oid::CRL_NUMBER, false, &encode(INTEGER, integer(&number.to_be_bytes())));
                extra(extensions);
            });
        });
    });
    signed(&writer.finish(), issuer)
}

/// The names under which the CSCA issued before, as the list's issuerAltName (9303-12 §7.1.4, note 1).
pub(crate) fn previous_names(extensions: &mut Writer, names: &[&[u8]]) {
    if !names.is_empty() {
        let names: Vec<u8> = names.iter().flat_map(|name| encode(context_constructed(4), name)).collect();
        extension(extensions, oid::ISSUER_ALT_NAME, false, &encode(SEQUENCE, names));
    }
}

/// The signed form of what is to be signed.
pub(crate) fn signed(body: &[u8], issuer: &dyn Signer) -> Result<Vec<u8>, SigningError> {
    let signature = issuer.sign(body)?;
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |whole| {
        whole.raw(body).raw(issuer.algorithm().signature_identifier()).put(BIT_STRING, whole_bits(&signature));
    });
    Ok(writer.finish())
}

pub(crate) fn extension(extensions: &mut Writer, kind: &[u8], critical: bool, value: &[u8]) {
    extensions.nest(SEQUENCE, |extension| {
        extension.put(OID, kind);
        if critical {
            extension.put(BOOLEAN, [0xFF]);
        }
        extension.put(OCTET_STRING, value);
    });
}

pub(crate) fn authority_key_identifier(extensions: &mut Writer, issuer: &dyn Signer) {
    let identifier = encode(SEQUENCE, encode(context(0), key_identifier(issuer)));
    extension(extensions, oid::AUTHORITY_KEY_IDENTIFIER, false, &identifier);
}

/// One contact and the state's code as in the MRZ (9303-12 §7).
fn alternative_names(profile: &Profile) -> Vec<u8> {
    let mut locality = Writer::new();
    locality.nest(SEQUENCE, |names| attribute(names, oid::LOCALITY_NAME, PRINTABLE_STRING, profile.state));
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |names| {
        names.put(context(1), profile.contact).put(context_constructed(4), locality.finish());
    });
    writer.finish()
}

fn private_key_usage(period: Period) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |usage| {
        usage.put(context(0), generalized(period.from)).put(context(1), generalized(period.to));
    });
    writer.finish()
}

fn document_types(types: &[&str]) -> Vec<u8> {
    let mut items: Vec<Vec<u8>> = types.iter().map(|code| encode(PRINTABLE_STRING, code)).collect();
    items.sort_unstable();
    encode(SEQUENCE, [encode(INTEGER, [0]), encode(SET, items.concat())].concat())
}

pub(crate) fn distribution_point(uri: &str) -> Vec<u8> {
    encode(SEQUENCE, encode(SEQUENCE, distribution_point_name(uri)))
}

/// distributionPoint [0] { fullName [0] { uniformResourceIdentifier [6] } }
pub(crate) fn distribution_point_name(uri: &str) -> Vec<u8> {
    encode(context_constructed(0), encode(context_constructed(0), encode(context(6), uri)))
}

/// UTCTime up to 2049, GeneralizedTime after (RFC 5280 §4.1.2.5).
pub(crate) fn time(moment: Timestamp) -> Vec<u8> {
    let digits = generalized(moment);
    let year = TimeZone::UTC.to_datetime(moment).year();
    match digits.get(2..).filter(|_| (1950..=2049).contains(&year)) {
        Some(short) => encode(UTC_TIME, short),
        None => encode(GENERALIZED_TIME, digits),
    }
}

pub(crate) fn generalized(moment: Timestamp) -> String {
    let at = TimeZone::UTC.to_datetime(moment);
    // Asked for with every document: many times quicker than a format that is read first.
    format!("{:04}{:02}{:02}{:02}{:02}{:02}Z", at.year(), at.month(), at.day(), at.hour(), at.minute(), at.second())
}

pub(crate) fn whole_bits(bytes: &[u8]) -> Vec<u8> {
    [&[0], bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_until_2049() {
        let of = |text: &str| time(text.parse().unwrap());
        assert_eq!(of("2026-11-22T09:05:07.9Z"), encode(UTC_TIME, "261122090507Z"));
        assert_eq!(of("1950-01-01T00:00:00Z"), encode(UTC_TIME, "500101000000Z"));
        assert_eq!(of("2049-12-31T23:59:59Z"), encode(UTC_TIME, "491231235959Z"));
        assert_eq!(of("2050-01-01T00:00:00Z"), encode(GENERALIZED_TIME, "20500101000000Z"));
        assert_eq!(of("1949-12-31T23:59:59Z"), encode(GENERALIZED_TIME, "19491231235959Z"));
    }
}
