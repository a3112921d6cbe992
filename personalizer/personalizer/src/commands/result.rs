//! What is said and kept of a card: `result.json` in its folder, one line on standard output.

use std::path::Path;

use perso::execute::{Finished, Rejected};
use perso::ledger::{CertificateRecord, Ledger};
use serde_json::{Value, json};

use super::{Parts, make_folder, put};
use crate::citizens::revocation_elsewhere;
use crate::failure::Failure;
use crate::output::Output;

/// Tells that a card was rejected; what is to be kept of it.
pub fn rejected(rejected: &Rejected, parts: &Parts, output: &Output) -> Value {
    let Rejected { document, chip, reason, invalidated } = rejected;
    let object = json!({
        "version": 1,
        "event": "card",
        "document": document,
        "chip": chip,
        "outcome": "rejected",
        "reason": reason.to_string(),
        "chip_locked": invalidated,
        "revoke": revoke(document, &parts.ledger),
    });
    let locked = if *invalidated { "" } else { " (the chip could not be locked: destroy it, and revoke the number)" };
    let revoke = revoke_words(document, parts);
    output.say("card", object.clone(), &format!("{document}: rejected: {reason}{locked}{revoke}"));
    object
}

/// Keeps the result of a card in its folder, which is made where it is missing.
pub fn keep(object: &Value, folder: &Path) -> Result<(), Failure> {
    make_folder(folder)?;
    put(&folder.join("result.json"), format!("{object}\n").as_bytes())
}

/// Tells that a chip is good, and keeps the result beside the faces.
pub fn finished(
    finished: &Finished,
    outcome: &str,
    folder: &Path,
    parts: &Parts,
    output: &Output,
) -> Result<(), Failure> {
    // A card that was recovered carries the security object of its first session, not the plan's.
    let record = parts.ledger.book().document(&finished.document.number);
    let report = finished.document.approved().report();
    let object = json!({
        "version": 1,
        "event": "card",
        "document": finished.document.number,
        "chip": finished.document.chip,
        "outcome": outcome,
        "verdict": report.map(|report| report.verdict),
        "security_object": record.and_then(|record| record.security_object.as_deref()),
        "name_truncated": finished.plan.plan().name_truncated,
        "residence_left_out": finished.plan.plan().residence_left_out,
        "folder": folder,
        "revoke": revoke(&finished.document.number, &parts.ledger),
    });
    keep(&object, folder)?;
    // A card that is no travel document gets no verdict: what was written was read back.
    let judged = report.map_or("read back as it was written", |report| report.verdict.word());
    let mut words = format!("{}: {outcome}, {judged}", finished.document.number);
    if finished.plan.plan().residence_left_out {
        words += ", without the residence record";
    }
    if outcome == "unprinted" {
        words += ": put its card into a printer's feeder and run `recover --printer PORT`";
    }
    words += &revoke_words(&finished.document.number, parts);
    output.say("card", object, &words);
    Ok(())
}

/// Certificates that must be revoked: their keys are lost, or their card is.
fn revoke<'a>(document: &str, ledger: &'a Ledger) -> Vec<&'a CertificateRecord> {
    ledger.book().document(document).iter().flat_map(|record| record.to_revoke()).collect()
}

fn revoke_words(document: &str, parts: &Parts) -> String {
    let named = revoke(document, &parts.ledger).into_iter().map(|certificate| {
        let words = match &parts.citizens {
            Some(citizens) => citizens.ca.revocation(certificate),
            None => revocation_elsewhere(certificate),
        };
        format!("\n  {words}")
    });
    named.collect()
}
