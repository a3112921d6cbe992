//! What a card holds, for people and for programs, without its secrets.

use std::fmt::Write;

use ::eid::objects::OBJECTS;
use lds::globalplatform::{ApplicationState, CardState, dgi};
use serde::Serialize;
use soft_card::emrtd::ApplicationLife;
use soft_card::issuer_domain::CardLife;
use soft_card::{State, eid};

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
    chip_authentication_mapping: bool,
    active_authentication: bool,
    /// What it knows of terminals, where it knows any.
    #[serde(skip_serializing_if = "Option::is_none")]
    terminal_authentication: Option<Terminals>,
    /// The citizen application, where there is one.
    eid: Option<Citizen>,
    /// The passport applet of others, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    jmrtd: Option<Jmrtd>,
}

#[derive(Serialize)]
struct Jmrtd {
    locked: bool,
    /// With the bytes that count.
    files: Vec<FileLine>,
    bac: bool,
    active_authentication: bool,
}

#[derive(Serialize)]
struct Terminals {
    /// Names of the trust points, the newest first.
    authorities: Vec<String>,
    /// The card's current date.
    today: String,
}

#[derive(Serialize)]
struct Citizen {
    /// Whose program it is.
    applet: &'static str,
    /// `none`, `transport`, `default` (everybody knows it), `active`, `blocked`.
    pin: &'static str,
    puk: &'static str,
    management_key: bool,
    /// Key references, hexadecimal.
    keys: Vec<String>,
    objects: Vec<ObjectLine>,
}

#[derive(Serialize)]
struct ObjectLine {
    tag: String,
    name: &'static str,
    bytes: usize,
}

#[derive(Serialize)]
struct FileLine {
    id: String,
    name: &'static str,
    bytes: usize,
}

fn citizen(memory: &eid::Memory) -> Citizen {
    let blocked = |reference: &Option<eid::Reference>| reference.as_ref().map(|reference| reference.tries == 0);
    let line = |(tag, content): (&u32, &Vec<u8>)| {
        let object = OBJECTS.iter().find(|object| object.tag.0 == *tag);
        ObjectLine { tag: format!("{tag:02X}"), name: object.map_or("unknown", |it| it.name), bytes: content.len() }
    };
    let known = match &memory.applet {
        eid::Applet::Pivapplet(applet) => applet.defaults.pin,
        _ => false,
    };
    Citizen {
        applet: memory.applet.name(),
        pin: match blocked(&memory.pin) {
            None => "none",
            Some(true) => "blocked",
            Some(false) if known => "default",
            Some(false) if memory.transport => "transport",
            Some(false) => "active",
        },
        puk: match blocked(&memory.puk) {
            None => "none",
            Some(true) => "blocked",
            Some(false) => "active",
        },
        management_key: memory.management_key.is_some(),
        keys: memory.keys.keys().map(|key| format!("{key:02X}")).collect(),
        objects: memory.objects.iter().map(line).collect(),
    }
}

fn describe(state: &State) -> Description {
    let State { make: _, issuer_domain, emrtd, eid, jmrtd } = state;
    let name = |id: u16| dgi::file_of(id).map_or("unknown", |file| file.name);
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
        chip_authentication_mapping: emrtd.mapping_key.is_some(),
        active_authentication: emrtd.active_key.is_some(),
        terminal_authentication: emrtd.terminal_trust.as_ref().map(|trust| Terminals {
            authorities: trust.points.iter().map(|point| point.certificate().body().holder.to_string()).collect(),
            today: trust.today.to_string(),
        }),
        eid: eid.as_ref().map(citizen),
        jmrtd: jmrtd.as_ref().map(|memory| Jmrtd {
            locked: memory.locked,
            files: memory
                .sizes
                .iter()
                .map(|(id, size)| FileLine {
                    id: format!("{id:04X}"),
                    name: name(*id),
                    bytes: usize::try_from(*size).unwrap_or_default(),
                })
                .collect(),
            bac: memory.mrz_information.is_some(),
            active_authentication: memory.modulus.is_some() && memory.private_exponent.is_some(),
        }),
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
        let _ = writeln!(out, "{name:<23} {value}");
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
    line("mapping key", if card.chip_authentication_mapping { "yes" } else { "no" });
    line("active authentication", if card.active_authentication { "yes" } else { "no" });
    if let Some(terminals) = &card.terminal_authentication {
        line("terminal authorities", &terminals.authorities.join(", "));
        line("current date", &terminals.today);
    }
    for file in &card.files {
        line(&format!("{} {}", file.id, file.name), &format!("{} bytes", file.bytes));
    }
    if let Some(applet) = &card.jmrtd {
        line("passport applet", if applet.locked { "JMRTD, locked" } else { "JMRTD, open to anybody's writing" });
        line("its BAC keys", if applet.bac { "yes" } else { "no" });
        line("its AA key", if applet.active_authentication { "yes" } else { "no" });
        for file in &applet.files {
            line(&format!("{} {}", file.id, file.name), &format!("{} bytes", file.bytes));
        }
    }
    if let Some(eid) = &card.eid {
        line("citizen application", eid.applet);
        line("citizen PIN", eid.pin);
        line("citizen PUK", eid.puk);
        line("management key", if eid.management_key { "yes" } else { "no" });
        line("key pairs", &if eid.keys.is_empty() { "none".into() } else { eid.keys.join(", ") });
        for object in &eid.objects {
            line(&format!("{} {}", object.tag, object.name), &format!("{} bytes", object.bytes));
        }
    }
    out
}
