//! The security object's signature and its signer: judged by `trust`, named and weighed here.
//!
//! When no security object could be read, or no certificate of its signer is at hand, nothing can be said.

use trust::Outcome;
use trust::chain::id;
use trust::security_object::{SIGNATURE, SIGNING_TIME as SIGNED_AT};

use super::{Check, Judgement};
use crate::case::{Case, SodProblem};
use crate::verdict::{Class, Verdict};

pub(super) const SOD_SIGNATURE: Check = Check {
    id: SIGNATURE,
    title: "Signature of the security object",
    source: "9303-11 §5.1.1 step 3, TR-03135-1 §5.6.3",
    class: Class::Mandatory,
    explanation: "EF.SOD holds a hash of every data group, signed by the document signer. A failure says that this list is not what \
        was signed.",
    remedy: "Read the card again; if it fails again, keep the card and report it with the evidence file.",
    failed: Verdict::NotGenuine,
    unjudged: Verdict::Unreadable,
    judge: sod_signature,
};

pub(super) const CERTIFICATE_SIGNATURE: Check = Check {
    id: id::CERTIFICATE_SIGNATURE,
    title: "Signature of the document signer's certificate",
    source: "9303-11 §5.1.1 step 2, 9303-12 §7, TR-03135-1 §5.6.3",
    class: Class::Mandatory,
    explanation: "The document signer's certificate must be signed by a country signing CA in the trust bundle. If it is not, the \
        issuer is not known here; that alone does not make the document false.",
    remedy: "Install the newest trust bundle; ask the issuing State for its country signing certificate.",
    failed: Verdict::UntrustedIssuer,
    unjudged: Verdict::UntrustedIssuer,
    judge: |case| chain(case, id::CERTIFICATE_SIGNATURE),
};

pub(super) const TRUST: Check = Check {
    id: id::TRUST,
    title: "Trust status of the issuer",
    source: "9303-11 §5.1.1 step 2, TR-03135-1 §5.6.3",
    class: Class::Mandatory,
    explanation: "Whether the chain of certificates ends at a country signing CA that the trust bundle vouches for. A failure says \
        that nobody trusted here vouches for the signer; that alone does not make the document false.",
    remedy: "Install the newest trust bundle; ask the issuing State for its country signing certificate.",
    failed: Verdict::UntrustedIssuer,
    unjudged: Verdict::UntrustedIssuer,
    judge: |case| chain(case, id::TRUST),
};

pub(super) const CSCA_VALIDITY: Check = Check {
    id: id::ANCHOR_VALIDITY,
    title: "Validity of the country signing CA",
    source: "9303-12 §7.1, TR-03135-1 §5.6.3",
    class: Class::Mandatory,
    explanation: "The country signing certificate must be valid at the time of inspection.",
    remedy: "Check the clock of this computer; install the newest trust bundle.",
    failed: Verdict::UntrustedIssuer,
    unjudged: Verdict::UntrustedIssuer,
    judge: |case| validity(case, id::ANCHOR_VALIDITY),
};

pub(super) const DS_VALIDITY: Check = Check {
    id: id::SIGNER_VALIDITY,
    title: "Validity of the document signer",
    source: "9303-12 §7.1, TR-03135-1 §5.6.3",
    class: Class::Mandatory,
    explanation: "The document signer's certificate must be valid at the time of inspection. It outlives every document it signed, so \
        an expired one usually belongs to an expired document.",
    remedy: "Check the clock of this computer and the document's date of expiry.",
    failed: Verdict::UntrustedIssuer,
    unjudged: Verdict::UntrustedIssuer,
    judge: |case| validity(case, id::SIGNER_VALIDITY),
};

pub(super) const KEY_USAGE: Check = Check {
    id: id::KEY_USAGE,
    title: "Purpose of the signer's keys",
    source: "9303-12 §7.1",
    class: Class::Mandatory,
    explanation: "The country signing CA must be allowed to sign certificates, the document signer to sign data and nothing more.",
    remedy: "Report the certificate to the issuing State.",
    failed: Verdict::UntrustedIssuer,
    unjudged: Verdict::UntrustedIssuer,
    judge: |case| chain(case, id::KEY_USAGE),
};

pub(super) const KEY_PERIOD: Check = Check {
    id: id::KEY_PERIOD,
    title: "Date of issue within the signer's key period",
    source: "9303-11 §5.1.1 best practice, 9303-12 §7.1",
    class: Class::Optional,
    explanation: "The document must have been issued while its signer's key was in use. A later date of issue points at a key that was \
        misused after its time.",
    remedy: "Report the document number and the signer's certificate to the issuing State.",
    failed: Verdict::UntrustedIssuer,
    unjudged: Verdict::UntrustedIssuer,
    judge: |case| chain(case, id::KEY_PERIOD),
};

pub(super) const DOCUMENT_TYPE: Check = Check {
    id: id::DOCUMENT_TYPE,
    title: "Document type within the signer's mandate",
    source: "9303-11 §5.1.1 best practice, 9303-12 §7.1.1.6, RFC 5280 §4.2.1.12",
    class: Class::Optional,
    explanation: "A document signer states which types of document it may sign; the type in DG1 must be one of them. A certificate with \
        an extended key usage is for something else: lists, seals or residence records.",
    remedy: "Report the document number and the signer's certificate to the issuing State.",
    failed: Verdict::UntrustedIssuer,
    unjudged: Verdict::UntrustedIssuer,
    judge: |case| chain(case, id::DOCUMENT_TYPE),
};

pub(super) const COUNTRY: Check = Check {
    id: id::COUNTRY,
    title: "One issuing State in certificates and document",
    source: "9303-11 §5.1.1 best practice, TR-03135-1 §5.6.3",
    class: Class::Mandatory,
    explanation: "The State in DG1, in the document signer's certificate and in the country signing certificate must be the same: no \
        State's signer can vouch for another's documents.",
    remedy: "Have the State's code added to the trust bundle's table of countries, if it is missing there.",
    failed: Verdict::UntrustedIssuer,
    unjudged: Verdict::UntrustedIssuer,
    judge: country,
};

pub(super) const REVOCATION: Check = Check {
    id: id::REVOCATION,
    title: "Revocation of the document signer",
    source: "9303-12 §7.3, TR-03135-1 §5.6.3",
    class: Class::Mandatory,
    explanation: "The document signer must not stand on its CSCA's revocation list. A revoked signer may have signed for someone else, \
        so nothing that rests on it alone can be called genuine.",
    remedy: "Install the newest trust bundle; for a revoked signer ask the issuing State about this document.",
    failed: Verdict::UntrustedIssuer,
    unjudged: Verdict::GenuineStatusUnknown,
    judge: |case| chain(case, id::REVOCATION),
};

pub(super) const DEFECTS: Check = Check {
    id: id::DEFECTS,
    title: "Known defects of the signer's documents",
    source: "TR-03135-1 §5.8, TR-03129-2 §7",
    class: Class::Evaluatory,
    explanation: "States announce in defect lists what went wrong with whole series of documents. What a list says of the signer's \
        certificate weighs where it belongs, in the trust in the signer; anything else is told here and explains what fails elsewhere.",
    remedy: "Weigh what fails elsewhere against what is known to be wrong with these documents.",
    failed: Verdict::UntrustedIssuer,
    unjudged: Verdict::UntrustedIssuer,
    judge: |case| chain(case, id::DEFECTS),
};

pub(super) const FRESHNESS: Check = Check {
    id: id::BUNDLE,
    title: "Freshness of the trust bundle",
    source: "TR-03135-1 §5.6.3, 9303-12 §7.3",
    class: Class::Mandatory,
    explanation: "Revocations are only known from a bundle that is not out of date.",
    remedy: "Install the newest trust bundle.",
    failed: Verdict::GenuineStatusUnknown,
    unjudged: Verdict::GenuineStatusUnknown,
    judge: |case| chain(case, id::BUNDLE),
};

pub(super) const SIGNING_TIME: Check = Check {
    id: SIGNED_AT,
    title: "Time of signature within the signer's key period",
    source: "9303-12 §4.1.1.2, RFC 5652 §11.3",
    class: Class::Evaluatory,
    explanation: "The security object and EF.CardSecurity may say when they were signed. That is the signer's own word: it should lie in the time in which his \
        key was in use. Another time points at a wrong clock, here or at the issuer, or at a key that was misused after its time.",
    remedy: "Check the clock of this machine; otherwise report the document number and the signer's certificate to the issuing State.",
    failed: Verdict::UntrustedIssuer,
    unjudged: Verdict::UntrustedIssuer,
    judge: signing_times,
};

/// That of EF.SOD, unless only EF.CardSecurity gives a wrong one.
fn signing_times(case: &Case<'_>) -> Judgement {
    let judgement = chain(case, SIGNED_AT);
    let file = case.card_security.judgement().and_then(|file| file.signing_time.as_ref());
    match file.filter(|finding| finding.is_failed() && judgement.outcome != Outcome::Failed) {
        Some(finding) => {
            let of_file = Judgement::from(finding);
            Judgement { reason: format!("EF.CardSecurity {}", of_file.reason), ..of_file }
        }
        None => judgement,
    }
}

fn sod_signature(case: &Case<'_>) -> Judgement {
    match (&case.listed, case.finding(SIGNATURE)) {
        (Err(SodProblem::Malformed(reason)), _) => Judgement::failed(format!("EF.SOD is no security object: {reason}")),
        (_, Some(finding)) => finding.into(),
        (problem, None) => without_object(problem.as_ref().err()),
    }
}

fn chain(case: &Case<'_>, id: &str) -> Judgement {
    match (case.finding(id), &case.listed) {
        (Some(finding), _) => finding.into(),
        (None, Ok(_)) => Judgement::undetermined("the document signer is not established"),
        (None, Err(problem)) => without_object(Some(problem)),
    }
}

/// Without DG1 it is the document that is not known, not its issuer.
fn country(case: &Case<'_>) -> Judgement {
    let judgement = chain(case, id::COUNTRY);
    let unread = judgement.outcome == Outcome::Undetermined && case.contents.mrz().is_none();
    if unread { judgement.pointing_at(Verdict::Unreadable) } else { judgement }
}

/// A certificate that ran out under a document that ran out says no more than that.
fn validity(case: &Case<'_>, id: &str) -> Judgement {
    let judgement = chain(case, id);
    let chain = case.sod.as_ref().and_then(|sod| sod.chain.as_ref());
    let certificate = chain.and_then(|chain| match id {
        id::SIGNER_VALIDITY => Some(&chain.signer),
        _ => chain.anchor.as_ref(),
    });
    let over = certificate.is_some_and(|certificate| case.now > certificate.not_after());
    let expired = judgement.outcome == Outcome::Failed && over && super::expiration::is_expired(case);
    if expired { judgement.pointing_at(Verdict::GenuineExpired) } else { judgement }
}

fn without_object(problem: Option<&SodProblem>) -> Judgement {
    let judgement = match problem {
        Some(SodProblem::Interrupted) => Judgement::aborted("the session ended before EF.SOD was read"),
        Some(SodProblem::Malformed(_)) => Judgement::undetermined("there is no security object"),
        Some(SodProblem::NotRead) | None => Judgement::undetermined("EF.SOD was not read"),
    };
    judgement.pointing_at(Verdict::Unreadable)
}
