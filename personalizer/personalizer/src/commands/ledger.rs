//! `ledger show`, `ledger verify`, `ledger balance`.

use perso::ledger::{Reading, State};
use serde_json::json;

use super::standing::Standing;
use crate::args::Ledger;
use crate::citizens::revocation_elsewhere;
use crate::exit;
use crate::failure::Failure;
use crate::output::Output;

pub fn run(command: &Ledger, output: &Output) -> Result<u8, Failure> {
    match command {
        Ledger::Show { file } => {
            show(&Reading::of(file)?, output);
            Ok(exit::GOOD)
        }
        Ledger::Verify { file, head } => verify(&Reading::of(file)?, head.as_deref(), output),
        Ledger::Balance { file, counted } => balance(&Reading::of(file)?, *counted, output),
    }
}

fn show(reading: &Reading, output: &Output) {
    for (number, record) in reading.book.documents() {
        let standing = Standing::of(record);
        let chip = record.chip.as_deref().unwrap_or("no chip");
        let reason = record.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let next = standing.next.map(|next| format!("\n  do: {next}")).unwrap_or_default();
        let unlocked = record.state == State::QaRejected && !record.invalidated;
        let unlocked = if unlocked { "\n  do: destroy its card, whose chip is not locked" } else { "" };
        let revoke: String = record
            .to_revoke()
            .map(|certificate| format!("\n  unless it was done, {}", revocation_elsewhere(certificate)))
            .collect();
        let words = format!("{number}  {chip}  {}{reason}{next}{unlocked}{revoke}", standing.words);
        output.say("document", json!({ "document": number, "record": record, "next": standing.next }), &words);
    }
}

fn verify(reading: &Reading, head: Option<&str>, output: &Output) -> Result<u8, Failure> {
    check_head(reading, head)?;
    let object = json!({ "lines": reading.entries.len(), "head": reading.head, "torn_bytes": reading.torn });
    let torn = match reading.torn {
        0 => String::new(),
        bytes => format!("\na last line of {bytes} bytes was cut off; the next run repairs it"),
    };
    output.say("verified", object, &format!("{} lines, head {}{torn}", reading.entries.len(), reading.head));
    Ok(exit::GOOD)
}

/// The hash that somebody noted down must be in the ledger.
pub fn check_head(reading: &Reading, head: Option<&str>) -> Result<(), Failure> {
    if head.is_none_or(|head| reading.contains(head)) {
        return Ok(());
    }
    Err(Failure::new(
        "The ledger is not the one that was noted down.",
        "no line has that hash: lines were removed, or this is another ledger",
        "Stop production. Compare the file with its last copy, and tell the auditor.",
        exit::ORDER,
    ))
}

fn balance(reading: &Reading, counted: Option<i64>, output: &Output) -> Result<u8, Failure> {
    let balance = reading.book.balance();
    // Whoever counts must not see the number first.
    if let Some(counted) = counted.filter(|counted| *counted != balance.left) {
        return Err(Failure::new(
            "The blanks do not balance.",
            format!("{counted} were counted, the ledger expects {}", balance.left),
            "Count again with a second person, look into feeder and reject box, then tell the supervisor.",
            exit::ORDER,
        ));
    }
    if balance.left < 0 {
        return Err(Failure::new(
            "More blanks were used than were entered as received.",
            format!(
                "received {}  good {}  spoiled {}  in work {}: {} too many",
                balance.received,
                balance.good,
                balance.spoiled,
                balance.in_work,
                balance.left.unsigned_abs()
            ),
            "Find the delivery that was not entered, and enter it with `run --blanks COUNT`.",
            exit::ORDER,
        ));
    }
    let words = format!(
        "received {}  good {}  spoiled {}  in work {}  left {}",
        balance.received, balance.good, balance.spoiled, balance.in_work, balance.left
    );
    output.say("balance", json!(balance), &words);
    Ok(exit::GOOD)
}
