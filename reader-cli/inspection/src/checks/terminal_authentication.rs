//! Did the chip accept this terminal? (9303-11 §7.1, TR-03135-1 §5.6.3)
//!
//! It says something about the terminal, not about the document: it is reported and never weighs. What it opened is judged as every
//! other data group is.

use super::{Check, Judgement};
use crate::case::Case;
use crate::evidence::{Interruption, TerminalAuthenticationOutcome as Outcome};
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "terminal-authentication",
    title: "The chip accepted this terminal",
    source: "9303-11 §7.1, TR-03135-1 §5.6.3",
    class: Class::Evaluatory,
    explanation: "Fingers (DG3) and irises (DG4) are given only to a terminal with a certificate that leads to an authority which the \
        chip believes. A failure says that this terminal's certificates are not the right ones, or too old; it says nothing against \
        the document.",
    remedy: "Get the terminal's newest certificates; without them the document is judged by everything else.",
    failed: Verdict::GenuineStatusUnknown,
    unjudged: Verdict::GenuineStatusUnknown,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let Some(seen) = &case.evidence.terminal_authentication else {
        return match &case.evidence.interrupted {
            // An empty list is that of no document: nothing is known of what it has.
            None if case.evidence.access.established.is_none() => Judgement::aborted("the chip was not opened"),
            None if case.integrity.is_empty() => Judgement::aborted("no list of what the document has was read"),
            _ if !case.integrity.is_empty() && !case.integrity.keys().any(|number| matches!(number, 3 | 4)) => {
                Judgement::not_supported("the document has nothing that only terminal authentication opens")
            }
            Some(Interruption::WithoutChip) => Judgement::aborted("files were given, no chip was asked"),
            Some(_) => Judgement::aborted("the session ended before terminal authentication"),
            None => Judgement::undetermined("this terminal has no certificates to show"),
        };
    };
    match &seen.outcome {
        Outcome::Successful { rights } if rights.is_empty() => {
            Judgement::successful(format!("{}, without a right to read anything more", shown(&seen.shown)))
        }
        Outcome::Successful { rights } => {
            Judgement::successful(format!("{}: {}", shown(&seen.shown), rights.join(", ")))
        }
        Outcome::Refused { reason } => Judgement::failed(reason.clone()),
        Outcome::NotTried { reason } if seen.authorities.is_empty() => Judgement::undetermined(reason.clone()),
        Outcome::NotTried { reason } => {
            Judgement::undetermined(format!("the chip believes {}: {reason}", seen.authorities.join(" and ")))
        }
        Outcome::Interrupted => Judgement::aborted("the session ended during terminal authentication"),
    }
}

/// The terminal, and how it came to be believed.
fn shown(holders: &[String]) -> String {
    match holders {
        [] => "the terminal was accepted".to_owned(),
        [terminal] => format!("{terminal} was accepted"),
        [before @ .., terminal] => format!("{terminal} was accepted, by way of {}", before.join(", ")),
    }
}
