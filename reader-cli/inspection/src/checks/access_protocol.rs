//! Was the chip opened by an acceptable access protocol? (TR-03135-1 §5.6.1, 9303-11 §4.2)

use lds::files::EF_CARD_ACCESS;

use super::{Check, Judgement};
use crate::case::Case;
use crate::evidence::{FileEvidence, PasswordKind, Protocol};
use crate::procedure::{Bac, NO_DOCUMENT};
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "access-protocol",
    title: "Access to the chip",
    source: "TR-03135-1 §5.6.1, 9303-11 §4.2",
    class: Class::Mandatory,
    explanation: "The chip is opened with what is printed on the card: by PACE, or by the older BAC where the policy allows it. \
        A failure says that the number or MRZ was wrong, or that this card asks for a protocol which is not allowed here. It says \
        nothing about whether the card is genuine.",
    remedy: "Compare the card access number or MRZ with the card and read it again.",
    failed: Verdict::Unreadable,
    unjudged: Verdict::Unreadable,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let access = &case.evidence.access;
    match &access.established {
        Some(established) if established.protocol == Protocol::Bac && case.policy.bac == Bac::Never => {
            Judgement::failed("the card was read under BAC, which the policy does not allow")
        }
        Some(established) => match &case.evidence.restarted {
            None => Judgement::successful(established.to_string()),
            Some(restart) => {
                Judgement::successful(format!("{established}; {restart}, so all was read again in small steps"))
            }
        },
        None if case.evidence.without_chip() => {
            let remedy = Some(WITHOUT_CHIP.to_owned());
            Judgement { remedy, ..Judgement::aborted("files were given, no chip was opened") }
        }
        None if case.evidence.interrupted.is_some() => Judgement::aborted("the session ended before the chip was open"),
        None => match access.attempts.last().and_then(|attempt| Some((attempt, attempt.error.as_deref()?))) {
            Some((attempt, error)) => {
                let judgement = Judgement::failed(format!("the chip was not opened: {error}"));
                if error.ends_with(&format!("({NO_DOCUMENT})")) {
                    return Judgement { remedy: Some(MAYBE_BLANK.to_owned()), ..judgement };
                }
                let offer = case.evidence.files.get(EF_CARD_ACCESS.name);
                let offers_nothing = !matches!(offer, Some(FileEvidence::Read { .. } | FileEvidence::Malformed { .. }));
                match offers_nothing && !(access.bac_allowed && attempt.password == PasswordKind::Mrz) {
                    true => Judgement { remedy: Some(WITHOUT_PACE.to_owned()), ..judgement },
                    false => judgement,
                }
            }
            None => Judgement::aborted("no access protocol was tried"),
        },
    }
}

/// No other MRZ helps against a refusal that no MRZ led to.
const MAYBE_BLANK: &str =
    "See whether this is a personalized card: a chip without a document cannot be opened, whatever its MRZ.";

/// What lies in files was read from a card once, or never.
const WITHOUT_CHIP: &str = "Put the card itself on a reader and verify it: files prove no chip.";

/// A card that hides its PACE is found out then, by what it signed of it (`no-downgrade`).
const WITHOUT_PACE: &str = "Where old cards without PACE are to be read: allow BAC and give the MRZ (--bac allowed --mrz). A card that has no \
    travel document in it cannot be judged here.";
