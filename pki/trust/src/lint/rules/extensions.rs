//! Rules about the extensions of a certificate (9303-12 §7.1, Appendix C; RFC 5280 §4.2).

use iso7816::tlv::{self, Reader, Tlv};

use super::oids::{self, *};
use super::{
    ALL, AUTHORITIES, CERTIFICATES, CITIZENS, COUNTRY, CURRENT, CURRENT_AND_PKD, EIGHTH, END_ENTITIES, FULL_SIGNERS,
    FULL_TRAVEL, ICAO, Kind, PKD, RFC, SIGNERS, SIXTH, TRAVEL, hex, rule, text,
};
use crate::der::{self, oid};
use crate::lint::Severity::{Error, Notice, Warning};
use crate::lint::raw::{RawCertificate, RawName, basic_constraints, items};
use crate::lint::{Check, Edition, Rule};
use crate::name::Name;

/// Editions whose document signers and lists have the extensions of today, and the sixth.
const BOOKS: &[Edition] = &[Edition::Sixth, Edition::Seventh, Edition::Eighth];
/// The sixth edition and the directory's operator: no alternative names in a CSCA's certificate.
const WITHOUT_NAMES: &[Edition] = &[Edition::Sixth, Edition::PkdOperator];
/// Document signers with country certificates: those with a private key usage period.
const DATED: &[Kind] = &[Kind::Csca, Kind::Link, Kind::DocumentSigner];
/// Signers that never have a documentTypeList.
const WITHOUT_TYPES: &[Kind] =
    &[Kind::Csca, Kind::Link, Kind::MasterListSigner, Kind::DeviationListSigner, Kind::Communication];
/// Signers of documents.
const WITH_TYPES: &[Kind] = &[Kind::DocumentSigner, Kind::SealSigner];
/// Document signers and those that sign lists: one key usage, digitalSignature.
const DATA_SIGNERS: &[Kind] = &[Kind::DocumentSigner, Kind::MasterListSigner, Kind::DeviationListSigner];
/// Whose purpose is stated.
const WITH_PURPOSE: &[Kind] =
    &[Kind::MasterListSigner, Kind::DeviationListSigner, Kind::SealSigner, Kind::Communication];
/// Whose authority's key must be named.
const UNDER_ANOTHER_KEY: &[Kind] = &[
    Kind::Link,
    Kind::DocumentSigner,
    Kind::MasterListSigner,
    Kind::DeviationListSigner,
    Kind::SealSigner,
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
    Kind::Communication,
    Kind::CitizenCa,
    Kind::Citizen,
    Kind::OcspResponder,
];

pub(super) const RULES: &[Rule] = &[
    rule(
        "extensions-present",
        "The certificate has extensions",
        "9303-12 §7.1; RFC 5280 §4.2",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(present),
    ),
    rule(
        "extension-readable",
        "The extensions of the profile can be read",
        "9303-12 §7.1; RFC 5280 §4.2.1",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(readable),
    ),
    rule(
        "extension-prohibited",
        "No extension is present that the profile prohibits",
        "9303-12 §7.1 Notes 1, 2 and 4",
        Error,
        TRAVEL,
        ICAO,
        Check::Certificate(prohibited),
    ),
    rule(
        "extension-not-critical",
        "Extensions other than keyUsage, basicConstraints and extKeyUsage are not critical",
        "9303-12 §7.1",
        Error,
        TRAVEL,
        ICAO,
        Check::Certificate(not_critical),
    ),
    rule(
        "extension-internet-6",
        "authorityInfoAccess and subjectInfoAccess are absent",
        "9303-12 Appendix C",
        Error,
        TRAVEL,
        SIXTH,
        Check::Certificate(internet),
    ),
    rule(
        "seal-extensions",
        "A seal signer has no extensions but authorityKeyIdentifier, documentTypeList and extKeyUsage",
        "9303-12 §7.1.3",
        Error,
        &[Kind::SealSigner],
        EIGHTH,
        Check::Certificate(seal_extensions),
    ),
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
    rule(
        "basic-constraints-authority",
        "basicConstraints are present, critical, and say cA TRUE",
        "9303-12 §7.1; RFC 5280 §4.2.1.9",
        Error,
        AUTHORITIES,
        ALL,
        Check::Certificate(basic_authority),
    ),
    rule(
        "basic-constraints-path",
        "pathLenConstraint is 0",
        "9303-12 §7.1",
        Error,
        COUNTRY,
        CURRENT_AND_PKD,
        Check::Certificate(|certificate| path_length(certificate, &[0])),
    ),
    rule(
        "basic-constraints-path-6",
        "pathLenConstraint is 0 in a new CSCA certificate",
        "9303-12 Appendix C",
        Error,
        &[Kind::Csca],
        SIXTH,
        Check::Certificate(|certificate| path_length(certificate, &[0])),
    ),
    rule(
        "basic-constraints-path-link-6",
        "pathLenConstraint is 1 in a link certificate",
        "9303-12 Appendix C",
        Warning,
        &[Kind::Link],
        SIXTH,
        Check::Certificate(|certificate| path_length(certificate, &[1])),
    ),
    rule(
        "basic-constraints-absent",
        "basicConstraints are absent",
        "9303-12 §7.1",
        Error,
        SIGNERS,
        BOOKS,
        Check::Certificate(|certificate| unwanted(certificate, oid::BASIC_CONSTRAINTS)),
    ),
    rule(
        "not-an-authority",
        "The certificate is not an authority's",
        "9303-12 §7.1; RFC 5280 §4.2.1.9",
        Error,
        END_ENTITIES,
        ALL,
        Check::Certificate(|certificate| certificate.is_authority().then(|| "cA TRUE".to_owned())),
    ),
    rule(
        "purpose-absent",
        "extKeyUsage is absent",
        "9303-12 §7.1",
        Error,
        DATED,
        ICAO,
        Check::Certificate(|certificate| unwanted(certificate, oid::EXTENDED_KEY_USAGE)),
    ),
    rule(
        "purpose-critical",
        "extKeyUsage is critical",
        "9303-12 §7.1, §7.1.3",
        Error,
        WITH_PURPOSE,
        CURRENT_AND_PKD,
        Check::Certificate(|certificate| not_marked(certificate, oid::EXTENDED_KEY_USAGE)),
    ),
    rule(
        "purpose-master-list",
        "extKeyUsage includes 2.23.136.1.1.3",
        "9303-12 §7.1.1.3",
        Error,
        &[Kind::MasterListSigner],
        CURRENT_AND_PKD,
        Check::Certificate(|certificate| no_purpose(certificate, MASTER_LIST_SIGNER)),
    ),
    rule(
        "purpose-deviation-list",
        "extKeyUsage includes 2.23.136.1.1.8",
        "9303-12 §7.1.1.3",
        Error,
        &[Kind::DeviationListSigner],
        CURRENT,
        Check::Certificate(|certificate| no_purpose(certificate, DEVIATION_LIST_SIGNER)),
    ),
    rule(
        "purpose-seal",
        "extKeyUsage includes a purpose under 2.23.136.1.1.11",
        "9303-12 §7.1.3",
        Error,
        &[Kind::SealSigner],
        EIGHTH,
        Check::Certificate(|certificate| no_purpose(certificate, SEALS)),
    ),
    rule(
        "purpose-communication",
        "extKeyUsage includes 2.23.136.1.1.10.1 (client) or 2.23.136.1.1.10.2 (server)",
        "9303-12 §7.2.1",
        Error,
        &[Kind::Communication],
        EIGHTH,
        Check::Certificate(|certificate| no_purpose(certificate, SPOC)),
    ),
    rule(
        "purpose-ocsp",
        "extKeyUsage of a responder includes id-kp-OCSPSigning",
        "RFC 6960 §4.2.2.2",
        Error,
        &[Kind::OcspResponder],
        RFC,
        Check::Certificate(|certificate| no_purpose(certificate, OCSP_SIGNING)),
    ),
    rule(
        "purpose-any",
        "extKeyUsage does not include anyExtendedKeyUsage",
        "RFC 5280 §4.2.1.12",
        Warning,
        CITIZENS,
        RFC,
        Check::Certificate(purpose_any),
    ),
    rule(
        "ocsp-no-check",
        "A responder's certificate has id-pkix-ocsp-nocheck",
        "RFC 6960 §4.2.2.2.1",
        Warning,
        &[Kind::OcspResponder],
        RFC,
        Check::Certificate(|certificate| missing(certificate, OCSP_NO_CHECK)),
    ),
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
        super::CURRENT_AND_RFC,
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
    rule(
        "name-change-place",
        "nameChange is present in certificates of a CSCA only",
        "9303-12 §7.1",
        Error,
        FULL_SIGNERS,
        CURRENT,
        Check::Certificate(|certificate| unwanted(certificate, NAME_CHANGE)),
    ),
    rule(
        "name-change-form",
        "nameChange is NULL",
        "9303-12 §7.1.1.5",
        Error,
        COUNTRY,
        CURRENT,
        Check::Certificate(name_change_form),
    ),
    rule(
        "name-change-stated",
        "A link certificate has nameChange exactly when issuer and subject differ",
        "9303-12 §7.1.1.5",
        Error,
        &[Kind::Link],
        CURRENT,
        Check::Certificate(name_change_stated),
    ),
    rule(
        "document-types-present",
        "documentTypeList is present",
        "9303-12 §7.1, §7.1.1.6",
        Error,
        &[Kind::DocumentSigner],
        CURRENT,
        Check::Certificate(|certificate| missing(certificate, oid::DOCUMENT_TYPE_LIST)),
    ),
    rule(
        "document-types-place",
        "documentTypeList is absent",
        "9303-12 §7.1",
        Error,
        WITHOUT_TYPES,
        CURRENT,
        Check::Certificate(|certificate| unwanted(certificate, oid::DOCUMENT_TYPE_LIST)),
    ),
    rule(
        "document-types-form",
        "documentTypeList has version 0 and one or more PrintableStrings of one or two characters of the MRZ",
        "9303-12 §7.1.1.6",
        Error,
        WITH_TYPES,
        CURRENT,
        Check::Certificate(document_types_form),
    ),
    rule(
        "policies-not-critical",
        "certificatePolicies are not critical",
        "directory operator's check 1.11.5",
        Error,
        TRAVEL,
        PKD,
        Check::Certificate(|certificate| {
            certificate.extension(CERTIFICATE_POLICIES)?.is_critical().then(|| "critical".to_owned())
        }),
    ),
];

fn present(certificate: &RawCertificate<'_>) -> Option<String> {
    match &certificate.common.extensions {
        None => Some("the field is absent".to_owned()),
        Some(all) => all.is_empty().then(|| "the field is empty".to_owned()),
    }
}

fn missing(certificate: &RawCertificate<'_>, wanted: &[u8]) -> Option<String> {
    certificate.extension(wanted).is_none().then(|| "absent".to_owned())
}

fn unwanted(certificate: &RawCertificate<'_>, extension: &[u8]) -> Option<String> {
    certificate.extension(extension).map(|extension| hex(extension.value))
}

fn not_marked(certificate: &RawCertificate<'_>, wanted: &[u8]) -> Option<String> {
    (!certificate.extension(wanted)?.is_critical()).then(|| "not critical".to_owned())
}

fn readable(certificate: &RawCertificate<'_>) -> Option<String> {
    let broken = certificate.common.all_extensions().find(|extension| {
        let is = |tag| tlv::sole(extension.value, tag).is_ok();
        let good = match extension.oid {
            oid::SUBJECT_KEY_IDENTIFIER => is(der::OCTET_STRING),
            oid::KEY_USAGE => is(der::BIT_STRING) && usage_bits(extension.value) != 0,
            oid::BASIC_CONSTRAINTS => basic_constraints(extension.value).is_some(),
            oid::EXTENDED_KEY_USAGE => !purposes(extension.value).is_empty(),
            oid::SUBJECT_ALT_NAME | oid::ISSUER_ALT_NAME => !general_names(extension.value).is_empty(),
            oid::AUTHORITY_KEY_IDENTIFIER
            | oid::PRIVATE_KEY_USAGE_PERIOD
            | oid::DOCUMENT_TYPE_LIST
            | CERTIFICATE_POLICIES => is(der::SEQUENCE),
            oid::CRL_DISTRIBUTION_POINTS => !points(extension.value).is_empty(),
            _ => true,
        };
        !good
    })?;
    Some(format!("{}: {}", oids::name(broken.oid), hex(broken.value)))
}

fn prohibited(certificate: &RawCertificate<'_>) -> Option<String> {
    let prohibited = [
        POLICY_MAPPINGS,
        SUBJECT_DIRECTORY_ATTRIBUTES,
        NAME_CONSTRAINTS,
        POLICY_CONSTRAINTS,
        INHIBIT_ANY_POLICY,
        FRESHEST_CRL,
        NETSCAPE_TYPE,
    ];
    let found = certificate.common.all_extensions().find(|extension| prohibited.contains(&extension.oid))?;
    Some(oids::name(found.oid))
}

fn not_critical(certificate: &RawCertificate<'_>) -> Option<String> {
    let may = [oid::KEY_USAGE, oid::BASIC_CONSTRAINTS, oid::EXTENDED_KEY_USAGE];
    let found = certificate.common.all_extensions().find(|extension| {
        extension.is_critical() && oids::extension(extension.oid).is_some() && !may.contains(&extension.oid)
    })?;
    Some(oids::name(found.oid))
}

fn internet(certificate: &RawCertificate<'_>) -> Option<String> {
    let found = [AUTHORITY_INFORMATION, SUBJECT_INFORMATION]
        .into_iter()
        .find(|extension| certificate.extension(extension).is_some())?;
    Some(oids::name(found))
}

fn seal_extensions(certificate: &RawCertificate<'_>) -> Option<String> {
    let allowed = [oid::AUTHORITY_KEY_IDENTIFIER, oid::DOCUMENT_TYPE_LIST, oid::EXTENDED_KEY_USAGE];
    let found = certificate.common.all_extensions().find(|extension| !allowed.contains(&extension.oid))?;
    Some(oids::name(found.oid))
}

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

fn alternative_names_absent(certificate: &RawCertificate<'_>) -> Option<String> {
    let found = [oid::SUBJECT_ALT_NAME, oid::ISSUER_ALT_NAME]
        .into_iter()
        .find(|extension| certificate.extension(extension).is_some())?;
    Some(oids::name(found))
}

fn general_names(value: &[u8]) -> Vec<Tlv<'_>> {
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

fn basic_authority(certificate: &RawCertificate<'_>) -> Option<String> {
    match certificate.extension(oid::BASIC_CONSTRAINTS) {
        None => Some("absent".to_owned()),
        Some(extension) if !extension.is_critical() => Some("not critical".to_owned()),
        Some(_) => (!certificate.is_authority()).then(|| "cA FALSE".to_owned()),
    }
}

fn path_length(certificate: &RawCertificate<'_>, wanted: &[u8]) -> Option<String> {
    let (_, path) = basic_constraints(certificate.extension(oid::BASIC_CONSTRAINTS)?.value)?;
    match path {
        None => Some("absent".to_owned()),
        Some(path) => (path != wanted).then(|| hex(path)),
    }
}

fn no_purpose(certificate: &RawCertificate<'_>, wanted: &[u8]) -> Option<String> {
    let Some(extension) = certificate.extension(oid::EXTENDED_KEY_USAGE) else { return Some("absent".to_owned()) };
    let found = purposes(extension.value);
    (!found.iter().any(|purpose| purpose.starts_with(wanted)))
        .then(|| found.iter().map(|purpose| oids::name(purpose)).collect::<Vec<_>>().join(", "))
}

fn purpose_any(certificate: &RawCertificate<'_>) -> Option<String> {
    let extension = certificate.extension(oid::EXTENDED_KEY_USAGE)?;
    purposes(extension.value).contains(&ANY_PURPOSE).then(|| "anyExtendedKeyUsage".to_owned())
}

fn revocation_information(certificate: &RawCertificate<'_>) -> Option<String> {
    let responder = certificate.extension(AUTHORITY_INFORMATION).is_some_and(|extension| {
        let accesses = tlv::sole(extension.value, der::SEQUENCE).and_then(items).unwrap_or_default();
        accesses.iter().any(|access| access.reader().expect(der::OID) == Ok(OCSP_ACCESS))
    });
    (!responder && certificate.extension(oid::CRL_DISTRIBUTION_POINTS).is_none()).then(|| "neither".to_owned())
}

/// The DistributionPoints of an extension's value.
fn points(value: &[u8]) -> Vec<Tlv<'_>> {
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

fn name_change_form(certificate: &RawCertificate<'_>) -> Option<String> {
    let value = certificate.extension(NAME_CHANGE)?.value;
    (value != [0x05, 0x00]).then(|| hex(value))
}

fn name_change_stated(certificate: &RawCertificate<'_>) -> Option<String> {
    let same = certificate.issuer() == certificate.subject();
    // Another string type or letter case may be called a change of the name, but need not.
    let alike = Name::from_der(certificate.issuer()).matches(&Name::from_der(certificate.subject()));
    match certificate.extension(NAME_CHANGE) {
        None if !alike => Some("the names differ, nameChange is absent".to_owned()),
        Some(_) if same => Some("the names are the same, nameChange is present".to_owned()),
        _ => None,
    }
}

fn document_types_form(certificate: &RawCertificate<'_>) -> Option<String> {
    let value = certificate.extension(oid::DOCUMENT_TYPE_LIST)?.value;
    let good = || {
        let mut reader = Reader::new(tlv::sole(value, der::SEQUENCE).ok()?);
        let version = reader.expect(der::INTEGER).ok()?;
        let types = items(reader.expect(der::SET).ok()?).ok()?;
        reader.end().ok()?;
        let letter = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'<';
        let is_type = |item: &Tlv<'_>| {
            item.tag == der::PRINTABLE_STRING && matches!(item.value.len(), 1..=2) && item.value.iter().all(letter)
        };
        Some(version == [0] && !types.is_empty() && types.iter().all(is_type))
    };
    (good() != Some(true)).then(|| hex(value))
}
