//! A card that is not finished: rejected, and locked where it can be reached.

use iso7816::Card;
use lds::globalplatform::ApplicationState;

use super::{Failure, Line, Outcome, Reason, Rejected, reopen};
use crate::applet;
use crate::issuer::{DialogueError, SecuredDomain};
use crate::ledger::{Event, Phase, State, Step};
use crate::stage::StepError;

fn chip_of(line: &Line<'_>, document: &str) -> String {
    line.ledger.book().document(document).and_then(|record| record.chip.clone()).unwrap_or_default()
}

/// A step that did not succeed: gone, or rejected.
pub(crate) fn fault(line: &mut Line<'_>, document: &str, error: StepError) -> Result<Outcome, Failure> {
    let (step, source) = match error {
        StepError::Ledger(error) => return Err(error.into()),
        StepError::Certificates(source) => {
            let chip = chip_of(line, document);
            return Err(Failure::Certificates { document: document.to_owned(), chip, source });
        }
        StepError::Card { step, source } => (step, source),
    };
    let chip = chip_of(line, document);
    if source.is_interruption() {
        return Err(Failure::Interrupted { document: document.to_owned(), chip, detail: source.to_string() });
    }
    let reason = match source {
        DialogueError::Refused { instruction, status } => Reason::Refused { step, instruction, status },
        _ => Reason::BadAnswer { step },
    };
    reject(line, document, &chip, reason).map(Outcome::Rejected)
}

/// Closes the document as rejected, then locks the chip's application for good if it can be reached.
///
/// # Errors
/// When the ledger cannot be written.
pub fn reject(line: &mut Line<'_>, document: &str, chip: &str, reason: Reason) -> Result<Rejected, Failure> {
    tracing::warn!(document, chip, %reason, "rejected");
    line.ledger.append(Event::State {
        document: document.to_owned(),
        state: State::QaRejected,
        reason: Some(reason.to_string()),
    })?;
    let invalidated = invalidate(line, document, chip)?;
    Ok(Rejected { document: document.to_owned(), chip: chip.to_owned(), reason, invalidated })
}

/// Locks the application of a rejected chip; false when the chip cannot be reached or does not obey.
pub(crate) fn invalidate(line: &mut Line<'_>, document: &str, chip: &str) -> Result<bool, Failure> {
    let event = |phase| Event::Step {
        document: document.to_owned(),
        chip: chip.to_owned(),
        step: Step::Invalidate,
        phase,
        digest: None,
    };
    line.ledger.append(event(Phase::Intent))?;
    let locked = match line.profile.card.applet {
        Some(applet) => applet::again(line, chip).map_err(|why| (why, false)).and_then(|mut card| {
            let spoiled = applet.dialect().spoil(card.as_mut());
            spoiled.map_err(|error| (error.to_string(), matches!(error, DialogueError::Locked)))
        }),
        None => match reopen(line, document, chip) {
            Err(Failure::Ledger(error)) => return Err(error.into()),
            Err(failure) => Err((failure.to_string(), false)),
            Ok(mut secured) => lock(&mut secured).map_err(|error| (error.to_string(), false)),
        },
    };
    match locked {
        Ok(()) => {
            line.ledger.append(event(Phase::Done))?;
            Ok(true)
        }
        Err((reason, for_good)) => {
            line.ledger.append(not_locked(document, chip, reason, for_good))?;
            Ok(false)
        }
    }
}

/// A rejected chip is not locked; `for_good` when it is not to be tried again.
pub(crate) fn not_locked(document: &str, chip: &str, reason: String, for_good: bool) -> Event {
    let (document, chip, step) = (document.to_owned(), chip.to_owned(), Step::Invalidate);
    Event::Failed { document, chip, step, reason, instruction: None, status: None, for_good }
}

/// The travel document first, then what else of ours the card has.
fn lock<C: Card>(secured: &mut SecuredDomain<C>) -> Result<(), DialogueError> {
    if !secured.application_state()?.is_locked() {
        secured.set_application(ApplicationState::LOCKED)?;
    }
    for (application, state) in secured.citizen_states()? {
        if !state.is_locked() {
            secured.set_citizen(application, ApplicationState::LOCKED)?;
        }
    }
    Ok(())
}
