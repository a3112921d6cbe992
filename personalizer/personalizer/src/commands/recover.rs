//! `recover`: the card in the station is finished or rejected.

use link::Presence;
use perso::execute::Unusable;
use perso::ledger::{self, State};
use perso::recover::{RecoverError, Recovered, Wish};
use serde_json::json;

use super::Parts;
use super::run::{Shift, Turn};
use crate::args::Recover;
use crate::exit;
use crate::faces::Faces;
use crate::failure::Failure;
use crate::input::{self, given};
use crate::line::{Motion, Printer};
use crate::output::Output;

pub fn recover(options: &Recover, output: &Output) -> Result<u8, Failure> {
    let (profile, items) = input::work(&options.work, output)?;
    let profile = input::believing(profile, &options.equipment.cvca)?;
    let out = given(options.equipment.out.as_deref(), "--out")?;
    let faces = Faces::load(&profile)?;
    let parts = Parts::open(&options.equipment, &options.machine, profile)?;
    let mut printer = Printer::open(&options.machine)?;
    // A run that was killed leaves its card in the machine.
    let inside = printer.holds_card()?;
    if matches!(printer, Printer::Machine(_)) && !inside && options.document.is_none() && !is_open(&parts) {
        let words = "nothing is open in this ledger: no card was fed";
        output.say("recovered", json!({ "outcome": "nothing-open" }), words);
        return Ok(exit::GOOD);
    }
    let wait = options.machine.wait;
    let mut shift = Shift { wait, output, items: &items, faces: &faces, out, parts, printer };
    if !inside {
        shift.move_card(ledger::Motion::Feed, None)?;
    }
    // A card that is rejected by its number may be dead, or gone.
    if options.document.is_none() && !shift.parts.station.wait(Presence::Card, wait)? && inside {
        return Err(Failure::new(
            "The card in the printer cannot be read.",
            "it is inside, and not in the chip station: the run before may have ended while it was printed",
            "Open the printer, take the card out along its path, put it on top in the feeder, and run `recover` again.",
            exit::NO_CARD,
        ));
    }
    let recovered = shift.recover(match options.reject {
        true => Wish::Reject { document: options.document.as_deref() },
        false => Wish::Finish,
    });
    output.end();
    let turn = match recovered {
        Ok(Recovered::Now(outcome)) => shift.chip_done(outcome)?,
        Ok(untouched) => return leave(untouched, &mut shift),
        Err(error) => {
            // Where the card is not at fault it stays inside, and the next recovery looks at it first.
            if !is_ours(&error) {
                shift.move_card(ledger::Motion::Reject, None)?;
            }
            return Err(error.into());
        }
    };
    Ok(match turn {
        Turn::Good => exit::GOOD,
        Turn::Unprinted => exit::INTERRUPTED,
        Turn::Rejected(_, code) => code,
        Turn::Again(_, failure) => return Err(failure),
    })
}

/// True when a document was begun, and is neither in the tray of good cards nor rejected with a chip that is locked, or never will be.
fn is_open(parts: &Parts) -> bool {
    let mut documents = parts.ledger.book().documents();
    documents.any(|(_, record)| match record.state {
        State::Ordered | State::Packed => false,
        State::QaRejected => !(record.invalidated || record.given_up),
        _ => true,
    })
}

/// True when the line lacks something that the card needs: it can be finished once that is there.
pub fn is_ours(error: &RecoverError) -> bool {
    match error {
        RecoverError::OrderMissing { .. } | RecoverError::OtherKind { .. } => true,
        RecoverError::Failure(failure) => is_line_s(failure),
        RecoverError::NotBegun { .. } | RecoverError::OtherCard { .. } => false,
    }
}

/// The same of making a card.
pub fn is_line_s(failure: &perso::execute::Failure) -> bool {
    use perso::execute::Failure::{
        Certificates, Keys, Ledger, NoCitizenCa, NoCvca, NotTrusted, Plan, ShortAnswers, Signer,
    };
    match failure {
        Certificates { .. } | Keys(_) | Ledger(_) | NotTrusted { .. } | Plan(_) | Signer(_) => true,
        failure => matches!(failure, NoCitizenCa | NoCvca | ShortAnswers),
    }
}

/// A card on which there was nothing to do.
fn leave(recovered: Recovered, shift: &mut Shift<'_>) -> Result<u8, Failure> {
    match recovered {
        Recovered::Complete { document, chip, packed } => {
            shift.move_card(ledger::Motion::Eject, Some(&chip))?;
            if !packed {
                Motion { document: &document, chip: &chip }.packed(&mut shift.parts.ledger)?;
            }
            let words = format!("{document}: was finished before, on chip {chip}");
            shift.output.say("recovered", json!({ "document": document, "chip": chip, "outcome": "complete" }), &words);
            Ok(exit::GOOD)
        }
        Recovered::Nothing { chip } => {
            // It is as good as before; no machine puts it back into its feeder.
            shift.move_card(ledger::Motion::Eject, Some(&chip))?;
            let place = match shift.printer {
                Printer::Machine(_) => ": take it out of the tray and put it back into the feeder",
                Printer::None => "",
            };
            let words = format!("chip {chip}: nothing was begun on it, it is a blank{place}");
            shift.output.say("recovered", json!({ "chip": chip, "outcome": "blank" }), &words);
            Ok(exit::GOOD)
        }
        Recovered::Foreign { chip } => {
            shift.put_away(Some(chip.clone()), "bound to a document of somebody else")?;
            Err(Unusable::Foreign { chip }.into())
        }
        // What was finished or rejected just now is the caller's.
        Recovered::Now(_) => Ok(exit::BUG),
    }
}
