//! Is this the chip that the document was issued in? (TR-03135-1 §5.6.2)
//!
//! One proof is enough, whichever the document has. A proof that failed accuses by itself, in its own check; here it only counts
//! as none.

use trust::Outcome;

use super::{Check, Judgement, active_authentication, chip_authentication, pace_cam};
use crate::case::Case;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "chip-authenticity",
    title: "The chip is the original",
    source: "9303-11 §6, TR-03135-1 §5.6.2",
    class: Class::Mandatory,
    explanation: "At least one of chip authentication, active authentication and PACE with chip authentication mapping must have \
        succeeded. Without any such proof a copy cannot be told from the original.",
    remedy: "Compare the person with the portrait and the card with its security features; keep the card if they disagree.",
    failed: Verdict::CloneSuspect,
    unjudged: Verdict::Unreadable,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let proofs = [chip_authentication::judge(case), active_authentication::judge(case), pace_cam::judge(case)];
    let first = |outcome| proofs.iter().find(|proof| proof.outcome == outcome).cloned();
    if first(Outcome::Failed).is_some() {
        return Judgement::undetermined("a proof failed");
    }
    let telling = [Outcome::Successful, Outcome::Undetermined, Outcome::Aborted].into_iter().find_map(first);
    telling.unwrap_or_else(|| Judgement::not_supported("the document offers no proof that its chip is the original"))
}

/// Whether all that speaks for the chip is a mapping with a key that names no document: it may have been got out of another chip.
pub(crate) fn rests_on_no_document(case: &Case<'_>) -> bool {
    let proved = |judgement: Judgement| judgement.outcome == Outcome::Successful;
    let by_mapping = proved(pace_cam::judge(case)) && !pace_cam::is_bound(case);
    by_mapping && !proved(chip_authentication::judge(case)) && !proved(active_authentication::judge(case))
}
