//! Is EF.CardSecurity what a trusted document signer signed? (9303-11 §9.2.11, TR-03135-1 §5.6.3)
//!
//! It holds the chip's key for PACE with chip authentication mapping. The rules are those of EF.SOD; its signer is nearly always
//! the same, and what is said of him there is not said twice.

use trust::chain::id;
use trust::{Finding, Outcome};

use super::{Check, Judgement};
use crate::case::{Case, SecurityFile};
use crate::evidence::FileEvidence;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "card-security",
    title: "EF.CardSecurity is as signed",
    source: "9303-11 §9.2.11, TR-03135-1 §5.6.3",
    class: Class::Conditional,
    explanation: "EF.CardSecurity holds the key with which a chip proves itself in PACE, signed by a document signer. A failure says that \
        the file is not what was signed, or that nobody trusted here vouches for its signer.",
    remedy: "Read the card again; if it fails again, keep the card and report it with the evidence file.",
    failed: Verdict::NotGenuine,
    unjudged: Verdict::UntrustedIssuer,
    judge,
};

/// The rules of [`trust::chain`] that the signer of any file must keep.
const RULES: [&str; 9] = [
    id::CERTIFICATE_SIGNATURE,
    id::TRUST,
    id::ANCHOR_VALIDITY,
    id::SIGNER_VALIDITY,
    id::KEY_USAGE,
    id::KEY_PERIOD,
    id::DOCUMENT_TYPE,
    id::COUNTRY,
    id::REVOCATION,
];

fn judge(case: &Case<'_>) -> Judgement {
    let (judgement, infos) = match &case.card_security {
        SecurityFile::Read(judgement, infos) => (judgement, infos),
        SecurityFile::NotAsked => {
            return Judgement::not_supported("EF.CardAccess offers nothing that needs EF.CardSecurity");
        }
        SecurityFile::Malformed(reason) => return Judgement::failed(format!("EF.CardSecurity is malformed: {reason}")),
        SecurityFile::NotRead(FileEvidence::Interrupted) => {
            let judgement = Judgement::aborted("the session ended before EF.CardSecurity was read");
            return judgement.pointing_at(Verdict::Unreadable);
        }
        // Whether it should be there is the business of the check of what is in it.
        SecurityFile::NotRead(_) => return Judgement::not_supported("the chip shows no EF.CardSecurity"),
    };
    if !judgement.signature.is_successful() {
        return Judgement::from(&judgement.signature);
    }
    let Some(chain) = &judgement.chain else { return Judgement::undetermined("its signer is not established") };
    let object = case.sod.as_ref().and_then(|sod| sod.chain.as_ref());
    if object.is_none_or(|object| object.signer != chain.signer)
        && let Some(finding) = broken(RULES.iter().filter_map(|rule| chain.finding(rule)))
    {
        return weighed(case, finding);
    }
    if judgement.authentic().is_none() {
        return Judgement::undetermined("its signer, who signed EF.SOD too, is not trusted");
    }
    match infos {
        Some(infos) => Judgement::successful(format!("{} entries, as signed", infos.infos().len())),
        None => {
            let judgement =
                Judgement::undetermined("EF.CardSecurity is as signed, but cannot be read as SecurityInfos");
            judgement.pointing_at(Verdict::Unreadable)
        }
    }
}

/// The first rule that failed, else the first that could not be judged.
fn broken<'a>(findings: impl Iterator<Item = &'a Finding> + Clone) -> Option<&'a Finding> {
    let open = |finding: &&Finding| matches!(finding.outcome, Outcome::Undetermined | Outcome::Aborted);
    findings.clone().find(|finding| finding.is_failed()).or_else(|| findings.clone().find(open))
}

/// As the checks of EF.SOD's signer weigh it.
fn weighed(case: &Case<'_>, finding: &Finding) -> Judgement {
    let judgement = Judgement::from(finding);
    let verdict = match (finding.id, finding.outcome) {
        (id::ANCHOR_VALIDITY | id::SIGNER_VALIDITY, Outcome::Failed) if super::expiration::is_expired(case) => {
            Verdict::GenuineExpired
        }
        (id::REVOCATION, Outcome::Undetermined) => Verdict::GenuineStatusUnknown,
        (id::COUNTRY | id::KEY_PERIOD | id::DOCUMENT_TYPE, Outcome::Undetermined) => Verdict::Unreadable,
        _ => Verdict::UntrustedIssuer,
    };
    judgement.pointing_at(verdict)
}
