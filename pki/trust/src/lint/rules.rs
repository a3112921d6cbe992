//! The table of rules, a part of it in each file.

use super::raw::RawHashes;
use super::{Check, Edition, Kind, Refused, Rule, Severity};

mod cv;
mod encoding;
mod extensions;
mod fields;
mod keys;
mod lifetimes;
mod lists;
pub(super) mod oids;
mod security_object;
mod signed;

pub(super) use signed::signer_certificates;

/// Every rule, in the order of reports.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let before = [encoding::RULES, fields::RULES, keys::RULES];
    let after = [lifetimes::RULES, lists::RULES, signed::RULES, security_object::RULES, cv::RULES];
    before.into_iter().chain(extensions::FAMILIES).chain(after).flatten()
}

/// The rules about LDSSecurityObject without the signed data around it.
pub(super) fn security_object_content(content: &[u8]) -> Result<(), Refused> {
    let refused =
        |rule: &Rule, seen| Refused { kind: Kind::SecurityObject, rule: rule.id, source_text: rule.source, seen };
    let object = RawHashes::read(content).map_err(|error| refused(&security_object::CONTENT, error.to_string()))?;
    let asked = security_object::ABOUT_CONTENT
        .iter()
        .filter(|(rule, _)| rule.severity == Severity::Error && rule.editions.contains(&Edition::Eighth));
    for (rule, check) in asked {
        if let Some(seen) = check(&object) {
            return Err(refused(rule, seen));
        }
    }
    Ok(())
}

use Edition::{Eighth, PkdOperator, Rfc5280, Seventh, Sixth};

/// Every edition.
const ALL: &[Edition] = &[Sixth, Seventh, Eighth, PkdOperator, Rfc5280];
/// Everything about travel documents.
const ICAO: &[Edition] = &[Sixth, Seventh, Eighth, PkdOperator];
/// The editions with the profiles of today.
const CURRENT: &[Edition] = &[Seventh, Eighth];
/// These and the directory's operator.
const CURRENT_AND_PKD: &[Edition] = &[Seventh, Eighth, PkdOperator];
/// The profiles of today and citizens' certificates.
const CURRENT_AND_RFC: &[Edition] = &[Seventh, Eighth, Rfc5280];
/// The current edition.
const EIGHTH: &[Edition] = &[Eighth];
/// The sixth edition.
const SIXTH: &[Edition] = &[Sixth];
/// The directory's operator.
const PKD: &[Edition] = &[PkdOperator];
/// RFC 5280.
const RFC: &[Edition] = &[Rfc5280];

use Kind::{
    Citizen, CitizenCa, CitizenCrl, Communication, Crl, Csca, DefectList, DeviationList, DeviationListSigner,
    DocumentSigner, Link, MasterList, MasterListSigner, OcspResponder, ResidenceSigner, SealSigner, SecurityObject,
};

/// Certificates of the country signing CA.
const COUNTRY: &[Kind] = &[Csca, Link];
/// Certification authorities.
const AUTHORITIES: &[Kind] = &[Csca, Link, CitizenCa];
/// Certificates under a CSCA.
const SIGNERS: &[Kind] =
    &[DocumentSigner, MasterListSigner, DeviationListSigner, SealSigner, ResidenceSigner, Communication];
/// Those of them with the full set of extensions.
const FULL_SIGNERS: &[Kind] = &[DocumentSigner, MasterListSigner, DeviationListSigner, ResidenceSigner, Communication];
/// Everything that is no authority.
const END_ENTITIES: &[Kind] = &[
    DocumentSigner,
    MasterListSigner,
    DeviationListSigner,
    SealSigner,
    ResidenceSigner,
    Communication,
    Citizen,
    OcspResponder,
];
/// Certificates of the document PKI.
const TRAVEL: &[Kind] =
    &[Csca, Link, DocumentSigner, MasterListSigner, DeviationListSigner, SealSigner, ResidenceSigner, Communication];
/// Those of them with the full set of extensions.
const FULL_TRAVEL: &[Kind] =
    &[Csca, Link, DocumentSigner, MasterListSigner, DeviationListSigner, ResidenceSigner, Communication];
/// Citizens' certificates and what stands above and beside them.
const CITIZENS: &[Kind] = &[CitizenCa, Citizen, OcspResponder];
/// Every certificate.
const CERTIFICATES: &[Kind] = &[
    Csca,
    Link,
    DocumentSigner,
    MasterListSigner,
    DeviationListSigner,
    SealSigner,
    ResidenceSigner,
    Communication,
    CitizenCa,
    Citizen,
    OcspResponder,
];
/// Every revocation list.
const LISTS: &[Kind] = &[Crl, CitizenCrl];
/// Certificates and revocation lists.
const X509: &[Kind] = &[
    Csca,
    Link,
    DocumentSigner,
    MasterListSigner,
    DeviationListSigner,
    SealSigner,
    ResidenceSigner,
    Communication,
    CitizenCa,
    Citizen,
    OcspResponder,
    Crl,
    CitizenCrl,
];
/// Certificates and revocation lists of the document PKI.
const TRAVEL_X509: &[Kind] = &[
    Csca,
    Link,
    DocumentSigner,
    MasterListSigner,
    DeviationListSigner,
    SealSigner,
    ResidenceSigner,
    Communication,
    Crl,
];
/// Signed data.
const SIGNED: &[Kind] = &[MasterList, DeviationList, DefectList, SecurityObject];
/// Signed lists.
const SIGNED_LISTS: &[Kind] = &[MasterList, DeviationList, DefectList];

/// A rule's entry; the checks differ only in what they look at.
const fn rule(
    id: &'static str,
    title: &'static str,
    source: &'static str,
    severity: Severity,
    kinds: &'static [Kind],
    editions: &'static [Edition],
    check: Check,
) -> Rule {
    Rule { id, title, source, severity, kinds, editions, check }
}

/// Bytes for a report, cut when long.
fn hex(bytes: &[u8]) -> String {
    let shown = hex::encode(bytes.get(..24).unwrap_or(bytes));
    if bytes.len() > 24 { format!("{shown}... ({} bytes)", bytes.len()) } else { shown }
}

/// Text for a report: control characters escaped, cut when long.
fn text(bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(bytes).chars().take(80).collect();
    format!("\"{}\"", text.escape_debug())
}
