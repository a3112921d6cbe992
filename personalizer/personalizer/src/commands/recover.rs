//! `recover`: the card in the station is finished or rejected.

use link::Presence;
use perso::execute::{Job, Outcome};
use perso::recover::{Recovered, WithoutOrder};
use serde_json::json;

use super::{Parts, run, save};
use crate::args::Recover;
use crate::exit;
use crate::faces::Faces;
use crate::failure::Failure;
use crate::input::{self, Item, given};
use crate::line::Motion;
use crate::output::Output;

pub fn recover(options: &Recover, output: &Output) -> Result<u8, Failure> {
    let (profile, items) = input::work(&options.work, output)?;
    let out = given(options.equipment.out.as_deref(), "--out")?;
    let faces = Faces::load(&profile)?;
    let mut parts = Parts::open(&options.equipment, profile)?;
    parts.station.wait(Presence::Card, options.wait)?;
    let without = if options.reject { WithoutOrder::Reject } else { WithoutOrder::Leave };
    let recovered = parts.with(output, |line| perso::recover::recover(line, &|number| find(&items, number), without));
    output.end();
    match recovered? {
        Recovered::Nothing { chip } => {
            let words = format!("chip {chip}: nothing was begun on it, it is a blank");
            output.say("recovered", json!({ "chip": chip, "outcome": "blank" }), &words);
            Ok(exit::GOOD)
        }
        Recovered::Foreign { chip } => Err(perso::execute::Unusable::Foreign { chip }.into()),
        Recovered::Complete { document, chip } => {
            let words = format!("{document}: was finished before, on chip {chip}");
            output.say("recovered", json!({ "document": document, "chip": chip, "outcome": "complete" }), &words);
            Ok(exit::GOOD)
        }
        Recovered::Now(Outcome::Rejected(rejected)) => {
            run::say_rejected(&rejected, output);
            Ok(run::exit_of(&rejected.reason))
        }
        Recovered::Now(Outcome::Finished(finished)) => {
            let number = finished.document.number.clone();
            let folder = out.join(&number);
            if let Some(item) = items.iter().find(|item| item.order.document_number == number) {
                save(&faces.draw(&item.order, finished.plan.plan(), &item.face.printed)?, &folder)?;
            }
            // Put into the reader by hand, it is taken out by hand: into the tray of good cards.
            Motion { document: &number, chip: &finished.document.chip }.packed(&mut parts.ledger)?;
            run::say_finished(&finished, &folder, &parts.ledger, output)?;
            Ok(exit::GOOD)
        }
    }
}

pub fn find<'a>(items: &'a [Item], number: &str) -> Option<Job<'a>> {
    let item = items.iter().find(|item| item.order.document_number == number)?;
    Some(Job { order: &item.order, face: &item.face })
}
