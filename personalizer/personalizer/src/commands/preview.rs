//! `preview`: the faces of one order as pictures.

use serde_json::json;

use super::{save, trial_keys, trial_plan};
use crate::args::Preview;
use crate::exit;
use crate::faces::Faces;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;

pub fn preview(options: &Preview, output: &Output) -> Result<u8, Failure> {
    let (profile, items) = input::work(&options.work, output)?;
    let wanted = |number: &str| options.document.as_deref().is_none_or(|document| document == number);
    let item = items.iter().find(|item| wanted(&item.order.document_number)).ok_or_else(|| {
        Failure::new(
            "There is no such order.",
            "no order of the file has that document number",
            "Check --document.",
            exit::USAGE,
        )
    })?;
    let plan = trial_plan(item, &profile, &trial_keys(&profile)?)?;
    save(&Faces::load(&profile)?.draw(&item.order, &plan, &item.face.printed)?, &options.out)?;
    let document = &item.order.document_number;
    let (front, back) = (options.out.join("front.png"), options.out.join("back.png"));
    let words = format!("{document}: {}, {}", front.display(), back.display());
    output.say("preview", json!({ "document": document, "front": front, "back": back }), &words);
    Ok(exit::GOOD)
}
