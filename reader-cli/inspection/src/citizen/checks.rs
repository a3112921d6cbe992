//! The named checks of a citizen application: one table, as [`crate::CHECKS`] is for the travel document.

use eid::residence::Residence;
use trust::security_object::Judgement as Signed;
use trust::{Finding, Outcome, Record};

use super::State;
use super::report::{Basis, CertificateLine, Judgement};
use super::{certificates, possession, residence, revocation};
use crate::report::CheckResult;
use crate::verdict::Class;

/// One check.
pub struct Check {
    /// Stable name, for programs.
    pub id: &'static str,
    /// The name in plain words.
    pub title: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
    /// What is checked, and what a failure does and does not mean.
    pub explanation: &'static str,
    /// What the officer can do when it is not successful.
    pub remedy: &'static str,
    /// What is said of the record, or of the certificates, when it fails.
    pub failed: Judgement,
    /// The same when there is no result.
    pub unjudged: Judgement,
    /// What is open of the card as long as there is no result.
    pub open: &'static str,
    /// Whether it is about the residence record; otherwise it is about the certificates.
    pub of_residence: bool,
    pub(crate) judge: fn(&Case<'_>) -> Found,
}

/// Every check, in the order of the report.
pub const CHECKS: &[Check] = &[
    certificates::DOCUMENT,
    possession::POSSESSION,
    revocation::REVOCATION,
    residence::RECORD,
    residence::SIGNATURE,
    residence::SIGNER,
    residence::VALIDITY,
    residence::REVOCATION,
    residence::SIGNING_TIME,
    residence::ENTRY,
    residence::HOLDER,
];

/// The check with this id.
pub fn by_id(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id)
}

/// Everything a check may look at.
pub(crate) struct Case<'a> {
    pub basis: &'a Basis<'a>,
    pub certificates: &'a [CertificateLine],
    /// Whether there is a travel document on the card, read or not.
    pub travel_document: bool,
    /// What the card said of the residence record; `None` when there is none.
    pub object: Option<&'a State>,
    /// The record, or why it is none. Nothing is said of its signature.
    pub record: Option<Result<Residence, String>>,
    /// What is said of its signature; why its signature is none; `None` without record or trust store.
    pub signed: Option<Result<Signed<Record>, String>>,
}

/// What one check found.
pub(crate) struct Found {
    pub outcome: Outcome,
    pub reason: String,
    pub remedy: Option<String>,
    /// Another judgement than the table's, where this case is another one.
    pub points_at: Option<Judgement>,
}

impl Found {
    pub fn new(outcome: Outcome, reason: impl Into<String>) -> Self {
        Found { outcome, reason: reason.into(), remedy: None, points_at: None }
    }

    pub fn successful(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Successful, reason)
    }

    pub fn failed(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Failed, reason)
    }

    pub fn undetermined(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Undetermined, reason)
    }

    /// Without a result, and without a word against anybody.
    pub fn not_judged(reason: impl Into<String>, remedy: &str) -> Self {
        let points_at = Some(Judgement::NotJudged);
        Found { remedy: Some(remedy.to_owned()), points_at, ..Self::undetermined(reason) }
    }

    /// What this result says; `None` when it speaks for the best, or when the card does not have what it is about.
    pub fn points_at(&self, check: &Check) -> Option<Judgement> {
        let from_table = match self.outcome {
            Outcome::Successful | Outcome::NotSupported => return None,
            Outcome::Failed => check.failed,
            Outcome::Undetermined | Outcome::Aborted => check.unjudged,
        };
        Some(self.points_at.unwrap_or(from_table))
    }

    pub fn into_result(self, check: &Check) -> CheckResult {
        let remedy = match self.outcome {
            Outcome::Successful | Outcome::NotSupported => None,
            _ => Some(self.remedy.unwrap_or_else(|| check.remedy.to_owned())),
        };
        let class = if check.of_residence { Class::Conditional } else { Class::Optional };
        CheckResult { id: check.id, title: check.title, class, result: self.outcome, reason: self.reason, remedy }
    }
}

impl From<&Finding> for Found {
    fn from(finding: &Finding) -> Self {
        Found { remedy: finding.remedy.clone(), ..Found::new(finding.outcome, finding.reason.clone()) }
    }
}
