//! `readers`: what is plugged in.

use link::pcsc::{ReaderStatus, readers};

use crate::args::Readers;
use crate::failure::Error;
use crate::{exit, output};

/// Lists every PC/SC reader.
pub fn run(args: &Readers) -> Result<u8, Error> {
    let list = readers()?;
    if args.json {
        let readers: Vec<_> = list.iter().map(json).collect();
        output::json(&serde_json::json!({ "version": 1, "readers": readers }))?;
    } else {
        for reader in &list {
            output::line(&human(reader))?;
        }
        if list.is_empty() {
            eprintln!("no reader is plugged in");
        }
    }
    Ok(if list.is_empty() { exit::NO_CARD } else { exit::GOOD })
}

fn json(reader: &ReaderStatus) -> serde_json::Value {
    serde_json::json!({
        "name": reader.name,
        "card_present": reader.card_present,
        "atr": reader.atr.as_deref().map(hex::encode),
        "in_use": reader.held_exclusively,
    })
}

fn human(reader: &ReaderStatus) -> String {
    let state = match (&reader.atr, reader.card_present) {
        (Some(atr), _) => format!("card, ATR {}", hex::encode_upper(atr)),
        (None, true) => "card that does not answer".to_owned(),
        (None, false) => "empty".to_owned(),
    };
    let held = if reader.held_exclusively { ", in use by another program" } else { "" };
    format!("{}: {state}{held}", reader.name)
}
