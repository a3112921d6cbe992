//! What believed defect lists say of the document signer (TR-03135-1 §5.8, TR-03129-2 §7).

use super::id;
use crate::certificate::Certificate;
use crate::defect_list::KnownDefect;
use crate::outcome::{Finding, Outcome};
use crate::store::TrustStore;

/// What is known to be wrong, with whose list says so.
pub(super) fn of<'a>(signer: &'a Certificate, store: &'a TrustStore) -> Vec<(String, &'a KnownDefect)> {
    let lists = store.defect_lists_about(signer);
    lists.flat_map(|list| list.about(signer).map(|defect| (list.describe(), defect))).collect()
}

/// A finding that a list's word about the certificate can only make worse: revoked is revoked, and a certificate that was
/// called back in doubt or replaced is not to be trusted until somebody looked.
pub(super) fn weigh(finding: Finding, defects: &[(String, &KnownDefect)]) -> Finding {
    if finding.is_failed() {
        return finding;
    }
    let worse = |wanted: Outcome| {
        defects.iter().find(|(_, defect)| match defect {
            KnownDefect::CertificateRevoked(status) => status.outcome() == wanted,
            KnownDefect::CertificateReplaced(_) => wanted == Outcome::Undetermined,
            _ => false,
        })
    };
    let words = |(list, defect): &(String, &KnownDefect)| format!("{list}: {defect}");
    if let Some(found) = worse(Outcome::Failed) {
        return Finding::failed(finding.id, words(found));
    }
    match worse(Outcome::Undetermined) {
        Some(found) => {
            Finding::undetermined(finding.id, words(found)).remedy("ask the issuing State about this document signer")
        }
        None => finding,
    }
}

/// Everything that is known.
pub(super) fn judge(signer: &Certificate, defects: &[(String, &KnownDefect)], store: &TrustStore) -> Finding {
    if store.defect_lists_about(signer).next().is_none() {
        return Finding::not_supported(id::DEFECTS, "no defect list is at hand that may speak about this signer");
    }
    if defects.is_empty() {
        return Finding::successful(id::DEFECTS, "no defect of this signer's documents is known");
    }
    let all: Vec<String> = defects.iter().map(|(list, defect)| format!("{list}: {defect}")).collect();
    Finding::failed(id::DEFECTS, all.join("; "))
        .remedy("weigh what fails elsewhere against what is known to be wrong with these documents")
}
