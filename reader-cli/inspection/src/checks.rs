//! The checks: one table, one judgement a file. Names follow TR-03135-1 and 9303-11 §5.1.1.
//!
//! To add a check, write `checks/<name>.rs` with its [`Check`] and put one line into [`CHECKS`]; reports, `explain` and the test
//! that demands a passing and a failing evidence follow from the table.

mod access_protocol;
mod active_authentication;
mod algorithms;
mod card_security;
mod chip_authentication;
mod chip_authenticity;
mod data_groups;
mod date_of_birth;
mod document_status;
mod expiration;
mod issue_and_expiry;
mod issuer;
mod mrz_check_digits;
mod name_reconciliation;
mod national_number;
mod no_downgrade;
mod pace_cam;
mod printed_mrz;
mod sod_com;
mod terminal_authentication;

pub(crate) use chip_authenticity::rests_on_no_document;
use trust::{Finding, Outcome};

use crate::case::Case;
use crate::evidence::Interruption;
use crate::verdict::{Class, Verdict};

/// One check.
pub struct Check {
    /// Stable name, for programs.
    pub id: &'static str,
    /// The name in plain words.
    pub title: &'static str,
    /// Where the standard asks for it.
    pub source: &'static str,
    /// How much it weighs.
    pub class: Class,
    /// What is checked, and what a failure does and does not mean.
    pub explanation: &'static str,
    /// What the officer can do when it is not successful.
    pub remedy: &'static str,
    /// The verdict that a failure points at.
    pub failed: Verdict,
    /// The verdict that the lack of a result points at, when the check is mandatory or conditional.
    pub unjudged: Verdict,
    pub(crate) judge: fn(&Case<'_>) -> Judgement,
}

/// Every check, in the order of the report.
pub const CHECKS: &[Check] = &[
    access_protocol::CHECK,
    no_downgrade::CHECK,
    card_security::CHECK,
    issuer::SOD_SIGNATURE,
    issuer::CERTIFICATE_SIGNATURE,
    issuer::TRUST,
    issuer::CSCA_VALIDITY,
    issuer::DS_VALIDITY,
    issuer::KEY_USAGE,
    issuer::KEY_PERIOD,
    issuer::SIGNING_TIME,
    issuer::DOCUMENT_TYPE,
    issuer::COUNTRY,
    issuer::REVOCATION,
    issuer::DEFECTS,
    issuer::FRESHNESS,
    algorithms::CHECK,
    sod_com::CHECK,
    data_groups::DG1,
    data_groups::DG2,
    data_groups::DG11,
    data_groups::DG12,
    data_groups::DG13,
    data_groups::DG14,
    data_groups::OTHERS,
    pace_cam::CHECK,
    chip_authentication::CHECK,
    active_authentication::CHECK,
    chip_authenticity::CHECK,
    terminal_authentication::CHECK,
    expiration::CHECK,
    document_status::CHECK,
    printed_mrz::CHECK,
    mrz_check_digits::CHECK,
    national_number::CHECK,
    date_of_birth::CHECK,
    issue_and_expiry::CHECK,
    name_reconciliation::CHECK,
];

/// The check with this id.
pub fn by_id(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id)
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub outcome: Outcome,
    pub reason: String,
    /// Advice that fits this case better than the table's.
    pub remedy: Option<String>,
    /// Another verdict than the table's, where this case is another one.
    pub points_at: Option<Verdict>,
}

impl Judgement {
    fn new(outcome: Outcome, reason: impl Into<String>) -> Self {
        Judgement { outcome, reason: reason.into(), remedy: None, points_at: None }
    }

    fn successful(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Successful, reason)
    }

    fn failed(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Failed, reason)
    }

    fn undetermined(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Undetermined, reason)
    }

    fn not_supported(reason: impl Into<String>) -> Self {
        Self::new(Outcome::NotSupported, reason)
    }

    fn aborted(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Aborted, reason)
    }

    /// The same, pointing at another verdict than the table's.
    fn pointing_at(self, verdict: Verdict) -> Self {
        Judgement { points_at: Some(verdict), ..self }
    }

    /// The advice for the report: none for a success. What the end of the session left undone is read again.
    pub(crate) fn advice(&self, check: &Check, interrupted: Option<&Interruption>) -> Option<String> {
        match (self.outcome, interrupted) {
            (Outcome::Successful | Outcome::NotSupported, _) => None,
            (Outcome::Aborted, Some(Interruption::CardLost)) => Some(
                "The card was taken away, or stopped answering: put it back, leave it there and read it again."
                    .to_owned(),
            ),
            (Outcome::Aborted, Some(Interruption::WithoutChip)) => {
                Some("Read the card itself: files, however good, can be a copy.".to_owned())
            }
            (Outcome::Aborted, Some(Interruption::Reader { .. })) => {
                Some("The reader failed: plug it in again and read the card again.".to_owned())
            }
            _ => Some(self.remedy.clone().unwrap_or_else(|| check.remedy.to_owned())),
        }
    }
}

impl From<&Finding> for Judgement {
    fn from(finding: &Finding) -> Self {
        Judgement { remedy: finding.remedy.clone(), ..Judgement::new(finding.outcome, finding.reason.clone()) }
    }
}

/// What a check that compares with the MRZ says when there is none as signed.
fn no_mrz(case: &Case<'_>) -> Judgement {
    match &case.contents.dg1 {
        Some(Err(error)) => Judgement::undetermined(format!("DG1 is as signed, but cannot be read: {error}")),
        _ if case.evidence.is_cut() => Judgement::aborted("the session ended before DG1 was read"),
        _ => Judgement::undetermined("no DG1 as signed was read"),
    }
}
