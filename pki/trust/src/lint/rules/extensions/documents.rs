//! Extensions of travel documents: nameChange, documentTypeList (9303-12 §7.1.1.5, §7.1.1.6); and policies.

use iso7816::tlv::{self, Reader, Tlv};

use super::{missing, unwanted};
use crate::chain::RESIDENCE_CODE;
use crate::der::{self, oid};
use crate::lint::Severity::Error;
use crate::lint::raw::{RawCertificate, items};
use crate::lint::rules::oids::*;
use crate::lint::rules::{COUNTRY, CURRENT, FULL_SIGNERS, Kind, PKD, TRAVEL, hex, rule};
use crate::lint::{Check, Rule};
use crate::name::Name;

/// Signers that never have a documentTypeList.
const WITHOUT_TYPES: &[Kind] =
    &[Kind::Csca, Kind::Link, Kind::MasterListSigner, Kind::DeviationListSigner, Kind::Communication];
/// Signers of documents.
const WITH_TYPES: &[Kind] = &[Kind::DocumentSigner, Kind::SealSigner, Kind::ResidenceSigner];

pub(super) const RULES: &[Rule] = &[
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
        &[Kind::DocumentSigner, Kind::ResidenceSigner],
        CURRENT,
        Check::Certificate(|certificate| missing(certificate, oid::DOCUMENT_TYPE_LIST)),
    ),
    rule(
        "document-types-residence",
        "documentTypeList of a residence signer is RR, which no travel document has, and nothing else",
        "Bitaqa, national file set; 9303-4 to -7",
        Error,
        &[Kind::ResidenceSigner],
        CURRENT,
        Check::Certificate(document_types_residence),
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

fn document_types_residence(certificate: &RawCertificate<'_>) -> Option<String> {
    let value = certificate.extension(oid::DOCUMENT_TYPE_LIST)?.value;
    let alone = || {
        let mut reader = Reader::new(tlv::sole(value, der::SEQUENCE).ok()?);
        reader.expect(der::INTEGER).ok()?;
        let mut types = Reader::new(reader.expect(der::SET).ok()?);
        let code = types.expect(der::PRINTABLE_STRING).ok()?;
        types.end().ok()?;
        Some(code == RESIDENCE_CODE.as_bytes())
    };
    (alone() != Some(true)).then(|| hex(value))
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
