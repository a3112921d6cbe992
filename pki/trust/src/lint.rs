//! One rule set for issuing and verifying: what 9303-12 (and RFC 5280 for citizens' certificates) asks of an object's bytes.
//!
//! Rules look at the bytes as received, not at what a verifier could still make of them, and so say more than the parsers of
//! this crate: those accept whatever can be judged safely, these name every departure from the profile.
//! Each [`Rule`] is one entry of a table, with its source, its severity, and the kinds and editions it belongs to.
//!
//! Not a rule: what needs a second object (the issuer's key, an older list, the clock). That is the business of [`crate::chain`].
//! The one exception is signed data, whose signer's certificate came along.

use std::fmt;

use serde::Serialize;

mod detect;
mod input;
mod raw;
mod rules;

pub use detect::detect;
pub use input::{InputError, contained, objects};
pub use raw::security_object_content;
pub use rules::rules;

use raw::{Common, RawCertificate, RawCrl, RawSigned};

use crate::cvc::{CvCertificate, CvcError};

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Self-signed certificate of a country signing CA.
    Csca,
    /// Link certificate: a new key or name of the CSCA, signed with its old key.
    Link,
    /// Document signer.
    DocumentSigner,
    /// Signer of master lists.
    MasterListSigner,
    /// Signer of deviation lists.
    DeviationListSigner,
    /// Signer of visible digital seals (bar codes, 9303-13).
    SealSigner,
    /// Signer of residence records: this project's own, under a CSCA.
    ResidenceSigner,
    /// Client or server certificate of a single point of contact.
    Communication,
    /// Certification authority for citizens' certificates.
    CitizenCa,
    /// Citizen's certificate for authentication or signature.
    Citizen,
    /// Responder of the Online Certificate Status Protocol.
    OcspResponder,
    /// Revocation list of a CSCA.
    Crl,
    /// Revocation list of the citizens' certification authority.
    CitizenCrl,
    /// Master list.
    MasterList,
    /// Deviation list.
    DeviationList,
    /// Defect list (TR-03129-2).
    DefectList,
    /// Document security object (content of EF.SOD).
    SecurityObject,
    /// Card-verifiable certificate of a CVCA, a document verifier or a terminal.
    CvCertificate,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 18] = [
        Self::Csca,
        Self::Link,
        Self::DocumentSigner,
        Self::MasterListSigner,
        Self::DeviationListSigner,
        Self::SealSigner,
        Self::ResidenceSigner,
        Self::Communication,
        Self::CitizenCa,
        Self::Citizen,
        Self::OcspResponder,
        Self::Crl,
        Self::CitizenCrl,
        Self::MasterList,
        Self::DeviationList,
        Self::DefectList,
        Self::SecurityObject,
        Self::CvCertificate,
    ];

    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csca => "csca",
            Self::Link => "link",
            Self::DocumentSigner => "document-signer",
            Self::MasterListSigner => "master-list-signer",
            Self::DeviationListSigner => "deviation-list-signer",
            Self::SealSigner => "seal-signer",
            Self::ResidenceSigner => "residence-signer",
            Self::Communication => "communication",
            Self::CitizenCa => "citizen-ca",
            Self::Citizen => "citizen",
            Self::OcspResponder => "ocsp-responder",
            Self::Crl => "crl",
            Self::CitizenCrl => "citizen-crl",
            Self::MasterList => "master-list",
            Self::DeviationList => "deviation-list",
            Self::DefectList => "defect-list",
            Self::SecurityObject => "security-object",
            Self::CvCertificate => "cv-certificate",
        }
    }

    /// The kind of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The edition that is meant when none is given: the current one of 9303, RFC 5280 for citizens' certificates.
    pub fn edition(self) -> Edition {
        match self {
            Self::CitizenCa | Self::Citizen | Self::OcspResponder | Self::CitizenCrl => Edition::Rfc5280,
            _ => Edition::Eighth,
        }
    }

    /// What the certificate of its signer is, of signed data.
    fn signer(self) -> Option<Kind> {
        match self {
            Self::MasterList => Some(Self::MasterListSigner),
            // The purpose of its own is not known: see `crate::defect_list`.
            Self::DeviationList | Self::DefectList => Some(Self::DeviationListSigner),
            Self::SecurityObject => Some(Self::DocumentSigner),
            _ => None,
        }
    }

    fn form(self) -> Form {
        match self {
            Self::Crl | Self::CitizenCrl => Form::Crl,
            Self::MasterList | Self::DeviationList | Self::DefectList | Self::SecurityObject => Form::Signed,
            Self::CvCertificate => Form::Cv,
            _ => Form::Certificate,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whose rules are asked about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub enum Edition {
    /// 9303, sixth edition (9303-12 Appendix C).
    #[serde(rename = "6")]
    Sixth,
    /// 9303-12, seventh edition.
    #[serde(rename = "7")]
    Seventh,
    /// 9303-12, eighth edition.
    #[serde(rename = "8")]
    Eighth,
    /// What the operator of the ICAO directory checks before it accepts an object.
    #[serde(rename = "pkd")]
    PkdOperator,
    /// RFC 5280: citizens' certificates.
    #[serde(rename = "rfc5280")]
    Rfc5280,
}

impl Edition {
    /// Every edition.
    pub const ALL: [Edition; 5] = [Self::Sixth, Self::Seventh, Self::Eighth, Self::PkdOperator, Self::Rfc5280];

    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sixth => "6",
            Self::Seventh => "7",
            Self::Eighth => "8",
            Self::PkdOperator => "pkd",
            Self::Rfc5280 => "rfc5280",
        }
    }

    /// The edition of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|edition| edition.name() == name)
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much a departure matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Against a recommendation (SHOULD, RECOMMENDED), or a lifetime outside what the standard suggests.
    Warning,
    /// Against a requirement (MUST, SHALL, prohibited). Nothing is issued with one.
    Error,
}

impl Severity {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One rule.
pub struct Rule {
    /// Its name, never changed once published.
    pub id: &'static str,
    /// What is asked, as a sentence that is true of a good object.
    pub title: &'static str,
    /// Where it is written.
    pub source: &'static str,
    /// How much a departure matters.
    pub severity: Severity,
    /// What it is asked of.
    pub kinds: &'static [Kind],
    /// In which editions it is written.
    pub editions: &'static [Edition],
    check: Check,
}

impl Rule {
    /// The rule of this name.
    pub fn find(id: &str) -> Option<&'static Rule> {
        rules().find(|rule| rule.id == id)
    }

    /// Whether it is asked of this kind in this edition.
    pub fn applies(&self, kind: Kind, edition: Edition) -> bool {
        self.kinds.contains(&kind) && self.editions.contains(&edition)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rule({})", self.id)
    }
}

/// What a rule looks at; each check answers with what it saw against the rule.
enum Check {
    /// The structure itself: answered by the reader.
    Structure,
    /// The bytes, as a tree of data objects.
    Bytes(fn(&[u8]) -> Option<String>),
    /// What certificates and revocation lists have in common.
    Common(fn(&Common<'_>) -> Option<String>),
    /// A certificate.
    Certificate(fn(&RawCertificate<'_>) -> Option<String>),
    /// A revocation list.
    Crl(fn(&RawCrl<'_>) -> Option<String>),
    /// Signed data.
    Signed(fn(&RawSigned<'_>) -> Option<String>),
    /// A card-verifiable certificate.
    Cv(fn(&CvCertificate) -> Option<String>),
}

/// A departure from a rule.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// What was seen.
    pub seen: String,
}

/// What was found about one object.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the object is, as given or detected.
    pub kind: Kind,
    /// Whose rules were asked.
    pub edition: Edition,
    /// How many rules were asked.
    pub rules: usize,
    /// Departures in the order of the table, then those of a signer's certificate.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many findings have this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.rule.severity == severity).count()
    }

    /// Takes over what was found about a part.
    fn include(&mut self, part: Report, name: &str) {
        self.rules += part.rules;
        let named = |finding: Finding| Finding { seen: format!("{name}: {}", finding.seen), ..finding };
        self.findings.extend(part.findings.into_iter().map(named));
    }

    /// The first departure from a requirement.
    pub fn error(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.rule.severity == Severity::Error)
    }
}

/// An object that must not be issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule} ({source_text}): {seen}")]
pub struct Refused {
    /// What was to be issued.
    pub kind: Kind,
    /// The rule's id.
    pub rule: &'static str,
    /// Where the rule is written.
    pub source_text: &'static str,
    /// What was seen.
    pub seen: String,
}

/// The structure of an object.
enum Form {
    Certificate,
    Crl,
    Signed,
    Cv,
}

/// Asks every rule of this kind and edition about one DER object; of signed data also those of its signer's certificate, when
/// it came along.
///
/// Bytes that are no such object at all have one finding, of the rule `structure`.
pub fn lint(der: &[u8], kind: Kind, edition: Edition) -> Report {
    let asked = || rules().filter(|rule| rule.applies(kind, edition));
    let object = Object::read(der, kind);
    let findings = match &object {
        Ok(object) => asked().filter_map(|rule| object.ask(&rule.check).map(|seen| Finding { rule, seen })).collect(),
        Err(seen) => asked()
            .filter(|rule| matches!(rule.check, Check::Structure))
            .map(|rule| Finding { rule, seen: seen.to_string() })
            .collect(),
    };
    let mut report = Report { kind, edition, rules: asked().count(), findings };
    if let (Ok(Object::Signed(signed)), Some(signer)) = (&object, kind.signer()) {
        for certificate in rules::signer_certificates(signed) {
            report.include(lint(certificate, signer, edition), "signer's certificate");
        }
    }
    report
}

/// The gate before anything is issued: an object of this kind with no departure from a requirement of the current edition.
///
/// # Errors
/// The first departure from a requirement.
pub fn accept(der: &[u8], kind: Kind) -> Result<Report, Refused> {
    let report = lint(der, kind, kind.edition());
    match report.error() {
        None => Ok(report),
        Some(Finding { rule, seen }) => {
            Err(Refused { kind, rule: rule.id, source_text: rule.source, seen: seen.clone() })
        }
    }
}

/// An object as the rules see it.
enum Object<'a> {
    Certificate(Box<RawCertificate<'a>>),
    Crl(Box<RawCrl<'a>>),
    Signed(Box<RawSigned<'a>>),
    Cv(&'a [u8], Box<CvCertificate>),
}

impl<'a> Object<'a> {
    fn read(der: &'a [u8], kind: Kind) -> Result<Self, CvcError> {
        Ok(match kind.form() {
            Form::Certificate => Object::Certificate(Box::new(RawCertificate::read(der)?)),
            Form::Crl => Object::Crl(Box::new(RawCrl::read(der)?)),
            Form::Signed => Object::Signed(Box::new(RawSigned::read(der)?)),
            Form::Cv => Object::Cv(der, Box::new(CvCertificate::from_bytes(der)?)),
        })
    }

    fn ask(&self, check: &Check) -> Option<String> {
        match (check, self) {
            (Check::Bytes(check), object) => check(object.bytes()),
            (Check::Common(check), Object::Certificate(certificate)) => check(&certificate.common),
            (Check::Common(check), Object::Crl(crl)) => check(&crl.common),
            (Check::Certificate(check), Object::Certificate(certificate)) => check(certificate),
            (Check::Crl(check), Object::Crl(crl)) => check(crl),
            (Check::Signed(check), Object::Signed(signed)) => check(signed),
            (Check::Cv(check), Object::Cv(_, certificate)) => check(certificate),
            _ => None,
        }
    }

    fn bytes(&self) -> &'a [u8] {
        match self {
            Object::Certificate(certificate) => certificate.common.whole,
            Object::Crl(crl) => crl.common.whole,
            Object::Signed(signed) => signed.whole,
            Object::Cv(bytes, _) => bytes,
        }
    }
}
