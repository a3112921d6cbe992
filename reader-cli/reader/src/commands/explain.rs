//! `explain`: what a check or a verdict means.

use channel::pace::LADDER as FORMS;
use inspection::checks::{CHECKS, Check, by_id};
use inspection::procedure::{LADDER, Step};
use inspection::{Class, Verdict, citizen};
use serde_json::{Value, json};

use crate::args::Explain;
use crate::failure::Error;
use crate::render::citizen::word;
use crate::{exit, output, words};

/// Explains one name, or lists all.
pub fn run(args: &Explain) -> Result<u8, Error> {
    match &args.name {
        None => list(args.json)?,
        Some(name) => one(name, args.json)?,
    }
    Ok(exit::GOOD)
}

fn one(name: &str, json: bool) -> Result<(), Error> {
    let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.word().eq_ignore_ascii_case(name));
    if let Some(check) = citizen::checks::by_id(name) {
        return match json {
            true => output::json(&citizen_json(check)),
            false => output::line(&citizen_text(check)),
        };
    }
    if let Some(step) = LADDER.iter().find(|step| step.rung.name() == name) {
        return match json {
            true => output::json(&step_json(step)),
            false => {
                output::line(&format!("{name}: a step of the ladder\n\nWhen: {}.\nWhat: {}.", step.when, step.what))
            }
        };
    }
    match (by_id(name), verdict) {
        (Some(check), _) if json => output::json(&check_json(check)),
        (Some(check), _) => output::line(&check_text(check)),
        (None, Some(verdict)) if json => output::json(&verdict_json(verdict)),
        (None, Some(verdict)) => output::line(&verdict_text(verdict)),
        (None, None) => Err(Error::UnknownName { name: name.to_owned() }),
    }
}

fn list(json: bool) -> Result<(), Error> {
    if json {
        let checks: Vec<Value> = CHECKS.iter().map(check_json).collect();
        let verdicts: Vec<Value> = Verdict::ALL.into_iter().map(verdict_json).collect();
        let of_citizen: Vec<Value> = citizen::CHECKS.iter().map(citizen_json).collect();
        return output::json(
            &json!({ "version": 1, "checks": checks, "citizen_checks": of_citizen, "verdicts": verdicts, "ladder": ladder() }),
        );
    }
    output::line("Checks")?;
    for check in CHECKS {
        output::line(&format!("  {:27} {:11} {}", check.id, class(check.class), check.title))?;
    }
    output::line("\nChecks of a citizen application (`bitaqa-reader citizen`)")?;
    for check in citizen::CHECKS {
        output::line(&format!("  {:39} {}", check.id, check.title))?;
    }
    output::line("\nSteps of the ladder (what is tried where a card does not go along)")?;
    for step in LADDER {
        output::line(&format!("  {:39} {}", step.rung.name(), step.what))?;
    }
    output::line("\nVerdicts")?;
    for verdict in Verdict::ALL {
        output::line(&format!("  {:27} exit {:<6} {}", verdict.word(), exit::of_verdict(verdict), verdict.sentence()))?;
    }
    Ok(())
}

fn check_text(check: &Check) -> String {
    let weight = match check.class {
        Class::Mandatory => format!(
            "It must be successful. A failure gives {}, no result gives {}.",
            check.failed.word(),
            check.unjudged.word()
        ),
        Class::Conditional => format!(
            "It must be successful when the document has what it is about. A failure gives {}, no result gives {}.",
            check.failed.word(),
            check.unjudged.word()
        ),
        Class::Optional => format!("It must not fail. A failure gives {}.", check.failed.word()),
        Class::Evaluatory => "It is reported and never changes the verdict.".to_owned(),
    };
    let mut text = format!(
        "{} ({})\n\n{}\n\n{weight}\n\nIf it is not successful: {}\n\nSource: {}",
        check.title, check.id, check.explanation, check.remedy, check.source
    );
    if check.id == ACCESS {
        text += "\n\nWhat is tried, each attempt kept in evidence and report:";
        for step in LADDER {
            text += &format!("\n  {:22} {}\n  {:22} when {}", step.rung.name(), step.what, "", step.when);
        }
        text += "\nEach PACE is asked for in these forms, until the chip takes one: ";
        text += &FORMS.map(|form| form.name).join("; ");
        text += ".\nNothing leads from PACE to BAC.";
    }
    text
}

/// The check about access, whose ladder is told with it.
const ACCESS: &str = "access-protocol";

fn ladder() -> Value {
    let steps: Vec<Value> = LADDER.iter().map(step_json).collect();
    json!({ "steps": steps, "pace_forms": FORMS.map(|form| form.name) })
}

fn step_json(step: &Step) -> Value {
    json!({ "version": 1, "rung": step.rung, "when": step.when, "what": step.what })
}

fn citizen_text(check: &citizen::checks::Check) -> String {
    let about = if check.of_residence { "the residence record" } else { "the certificates" };
    format!(
        "{} ({})\n\n{}\n\nA failure says of {about}: {}. No result says: {}.\n\nIf it is not successful: {}\n\nSource: {}",
        check.title,
        check.id,
        check.explanation,
        word(check.failed),
        word(check.unjudged),
        check.remedy,
        check.source
    )
}

fn citizen_json(check: &citizen::checks::Check) -> Value {
    json!({
        "version": 1,
        "id": check.id,
        "title": check.title,
        "explanation": check.explanation,
        "remedy": check.remedy,
        "source": check.source,
        "failed": check.failed,
        "unjudged": check.unjudged,
    })
}

fn verdict_text(verdict: Verdict) -> String {
    let (arabic, kurdish) = (words::isolated(words::arabic(verdict)), words::isolated(words::kurdish(verdict)));
    let sentence = verdict.sentence();
    format!("{} (exit code {})\n\n{sentence}\n{arabic}\n{kurdish}", verdict.word(), exit::of_verdict(verdict))
}

fn check_json(check: &Check) -> Value {
    let mut value = json!({
        "version": 1,
        "id": check.id,
        "title": check.title,
        "class": check.class,
        "explanation": check.explanation,
        "remedy": check.remedy,
        "source": check.source,
        "failed": check.failed,
        "unjudged": check.unjudged,
    });
    if let (true, Some(fields)) = (check.id == ACCESS, value.as_object_mut()) {
        fields.insert("ladder".to_owned(), ladder());
    }
    value
}

fn verdict_json(verdict: Verdict) -> Value {
    json!({
        "version": 1,
        "verdict": verdict,
        "meaning": verdict.sentence(),
        "arabic": words::arabic(verdict),
        "kurdish": words::kurdish(verdict),
        "exit": exit::of_verdict(verdict),
    })
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Mandatory => "mandatory",
        Class::Conditional => "conditional",
        Class::Optional => "optional",
        Class::Evaluatory => "evaluatory",
    }
}
