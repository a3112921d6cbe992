//! What a card holds, for people and for programs, without its secrets.

use std::fmt::Write;

use lds::files::{self, EF_CARD_ACCESS, Place};
use lds::globalplatform::{ApplicationState, CardState};
use serde::Serialize;
use soft_card::State;
use soft_card::emrtd::ApplicationLife;
use soft_card::issuer_domain::CardLife;

/// The description, version 1.
#[derive(Serialize)]
struct Description {
    format: &'static str,
    version: u32,
    chip_serial: String,
    card: CardLife,
    application: ApplicationLife,
    /// The last block of the personalization came.
    complete: bool,
    /// Binding to a document, hexadecimal.
    card_image_number: Option<String>,
    key_versions: Vec<u8>,
    failed_authentications: u8,
    files: Vec<FileLine>,
    passwords: Vec<&'static str>,
    chip_authentication: bool,
}

#[derive(Serialize)]
struct FileLine {
    id: String,
    name: &'static str,
    bytes: usize,
}

fn describe(state: &State) -> Description {
    let State { issuer_domain, emrtd } = state;
    let name = |id: u16| {
        let file = if id == EF_CARD_ACCESS.id { Some(&EF_CARD_ACCESS) } else { files::by_id(Place::Emrtd, id) };
        file.map_or("unknown", |file| file.name)
    };
    let line =
        |(id, contents): (&u16, &Vec<u8>)| FileLine { id: format!("{id:04X}"), name: name(*id), bytes: contents.len() };
    let mrz = emrtd.mrz_information.as_ref().map(|_| "mrz");
    let can = emrtd.card_access_number.as_ref().map(|_| "can");
    Description {
        format: "bitaqa-soft-card-description",
        version: 1,
        chip_serial: state.chip_serial(),
        card: issuer_domain.life_cycle,
        application: emrtd.life_cycle,
        complete: emrtd.complete,
        card_image_number: issuer_domain.card_image_number.as_ref().map(hex::encode),
        key_versions: issuer_domain.keys.keys().copied().collect(),
        failed_authentications: issuer_domain.failed_authentications,
        files: emrtd.files.iter().map(line).collect(),
        passwords: mrz.into_iter().chain(can).collect(),
        chip_authentication: emrtd.chip_key.is_some(),
    }
}

/// One JSON object on one line.
pub fn json(state: &State) -> Result<String, serde_json::Error> {
    serde_json::to_string(&describe(state))
}

/// A few lines for people.
pub fn text(state: &State) -> String {
    let card = describe(state);
    let versions: Vec<String> = card.key_versions.iter().map(|version| format!("{version:02X}")).collect();
    let passwords = if card.passwords.is_empty() { "none".into() } else { card.passwords.join(", ") };
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{name:<24}{value}");
    };
    line("chip serial", &card.chip_serial);
    line("card", &CardState(card.card as u8).to_string());
    line("application", &ApplicationState(card.application as u8).to_string());
    line("last block received", if card.complete { "yes" } else { "no" });
    line("bound to", card.card_image_number.as_deref().unwrap_or("nothing"));
    line("key versions", &versions.join(", "));
    line("failed authentications", &card.failed_authentications.to_string());
    line("passwords", &passwords);
    line("chip authentication", if card.chip_authentication { "yes" } else { "no" });
    for file in &card.files {
        line(&format!("{} {}", file.id, file.name), &format!("{} bytes", file.bytes));
    }
    out
}
