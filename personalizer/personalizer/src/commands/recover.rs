//! `recover`: the card in the station is finished or rejected.

use link::Presence;
use perso::execute::Unusable;
use perso::ledger::{self, DocumentRecord, State};
use perso::recover::{RecoverError, Recovered, Wish};
use serde_json::json;

use super::run::{Shift, Turn};
use super::{Parts, keep_folder};
use crate::args::Recover;
use crate::exit;
use crate::faces::Faces;
use crate::failure::Failure;
use crate::input::{self, given};
use crate::line::{Feeder, Motion, Printer};
use crate::output::Output;

pub fn recover(options: &Recover, output: &Output) -> Result<u8, Failure> {
    let (profile, items) = input::work(&options.work, output)?;
    let profile = input::believing(profile, &options.equipment.cvca)?;
    let out = given(options.equipment.out.as_deref(), "--out")?;
    let faces = Faces::load(&profile)?;
    keep_folder(out)?;
    let parts = Parts::open(&options.equipment, &options.machine, profile)?;
    let by_number = options.document.is_some();
    let wanted = by_number || parts.ledger.book().documents().any(|(_, record)| is_open(record));
    let feeder = if wanted && !by_number { Feeder::Card } else { Feeder::Unused };
    let mut printer = Printer::open(&options.machine, feeder)?;
    // A run that was killed leaves its card in the machine.
    let inside = printer.holds_card()?;
    if by_number && !inside {
        // The card is dead, or gone: the one on top in the feeder is another one, and nothing is moved.
        printer = Printer::None;
    }
    if matches!(printer, Printer::Machine(_)) && !inside && !wanted {
        return Ok(nothing_open(output));
    }
    let wait = options.machine.wait;
    let mut shift = Shift { wait, output, items: &items, faces: &faces, out, parts, printer };
    let code = one_card(options, &mut shift, inside);
    output.end();
    code.map_err(|failure| shift.waiting(options.document.as_deref(), failure))
}

/// The card that is inside, or the next one.
fn one_card(options: &Recover, shift: &mut Shift<'_>, inside: bool) -> Result<u8, Failure> {
    if !inside {
        shift.move_card(ledger::Motion::Feed, None)?;
    }
    let waits = shift.parts.ledger.book().documents().any(|(_, record)| is_open(record));
    let wait = if waits { shift.wait } else { 0 };
    // A card that is rejected by its number may be dead, or gone.
    let there = options.document.is_some() || shift.parts.station.wait(Presence::Card, wait)?;
    if !there && !inside && !waits && !options.reject {
        return Ok(nothing_open(shift.output));
    }
    if !there && !inside && matches!(shift.printer, Printer::None) {
        return Err(Failure::new(
            "There is no card in the chip station.",
            format!("the reader saw none within {} s", shift.wait),
            format!(
                "Put the card that is to be recovered into the station{}. `recover --reject --document NUMBER` closes the number of a \
                 card that is lost or dead.",
                still_open(shift).0
            ),
            exit::NO_CARD,
        ));
    }
    if !there && inside {
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
    let turn = match recovered {
        Ok(Recovered::Now(outcome)) => shift.chip_done(outcome)?,
        Ok(untouched) => return leave(untouched, shift),
        Err(error) => {
            // Where the card is not at fault it stays inside, and the next recovery looks at it first.
            let of_the_reader = matches!(&error, RecoverError::Failure(failure) if failure.is_reader_s());
            if !is_ours(&error) && !of_the_reader {
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

/// True when a document was begun, and is neither in the tray of good cards nor rejected with a chip that is locked, or never
/// will be.
fn is_open(record: &DocumentRecord) -> bool {
    match record.state {
        State::Ordered | State::Packed => false,
        State::QaRejected => !(record.invalidated || record.given_up),
        _ => true,
    }
}

/// The documents that wait for their card, for people (a few of them) and for programs. A rejected one does too, until its chip is
/// locked or given up.
fn still_open(shift: &Shift<'_>) -> (String, Vec<String>) {
    const TOLD: usize = 5;
    let documents = shift.parts.ledger.book().documents();
    let open: Vec<String> =
        documents.filter(|(_, record)| is_open(record)).map(|(number, _)| number.to_owned()).collect();
    let told = open.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = open.len().saturating_sub(TOLD);
    let words = match (open.len(), more) {
        (0, _) => String::new(),
        (_, 0) => format!("; open in the ledger: {told}"),
        (_, more) => format!("; open in the ledger: {told} and {more} more"),
    };
    (words, open)
}

/// No document waits for its card.
fn nothing_open(output: &Output) -> u8 {
    output.say(
        "recovered",
        json!({ "outcome": "nothing-open" }),
        "nothing is open in this ledger, and no card was looked at",
    );
    exit::GOOD
}

/// Nothing was brought to an end: that is only good when nothing waits.
fn nothing_done(open: &[String]) -> u8 {
    if open.is_empty() { exit::GOOD } else { exit::INTERRUPTED }
}

/// True when the line lacks something that the card needs, or was told another number: the card can be finished once that is
/// mended.
pub fn is_ours(error: &RecoverError) -> bool {
    match error {
        RecoverError::OrderMissing { .. }
        | RecoverError::OtherKind { .. }
        | RecoverError::NotBegun { .. }
        | RecoverError::OtherCard { .. } => true,
        RecoverError::Failure(failure) => is_line_s(failure),
    }
}

/// The same of making a card.
pub fn is_line_s(failure: &perso::execute::Failure) -> bool {
    use perso::execute::Failure::{
        Certificates, Keys, Ledger, NoCitizenCa, NoCvca, NotTrusted, Plan, ShortAnswers, Signer, Unusable,
    };
    match failure {
        Certificates { .. } | Keys(_) | Ledger(_) | NotTrusted { .. } | Plan(_) | Signer(_) => true,
        // The key file is wrong; the card only said so.
        Unusable(perso::execute::Unusable::OtherEncryptionKey { .. }) => true,
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
            let (told, open) = still_open(shift);
            let words = format!("{document}: was finished before, on chip {chip}{told}");
            let object = json!({ "document": document, "chip": chip, "outcome": "complete", "open": open });
            shift.output.say("recovered", object, &words);
            Ok(if packed { nothing_done(&open) } else { exit::GOOD })
        }
        Recovered::Nothing { chip } => {
            // It is as good as before; no machine puts it back into its feeder.
            shift.move_card(ledger::Motion::Eject, Some(&chip))?;
            let place = match shift.printer {
                Printer::Machine(_) => ": take it out of the tray and put it back into the feeder",
                Printer::None => "",
            };
            let (told, open) = still_open(shift);
            let words = format!("chip {chip}: nothing was begun on it, it is a blank{place}{told}");
            shift.output.say("recovered", json!({ "chip": chip, "outcome": "blank", "open": open }), &words);
            Ok(nothing_done(&open))
        }
        Recovered::Foreign { chip } => {
            shift.put_away(Some(chip.clone()), "bound to a document of somebody else")?;
            Err(Unusable::Foreign { chip }.into())
        }
        // What was finished or rejected just now is the caller's.
        Recovered::Now(_) => Ok(exit::BUG),
    }
}
