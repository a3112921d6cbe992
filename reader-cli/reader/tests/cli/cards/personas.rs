//! Every population of cards that a reader meets, against `bitaqa-reader verify`: the table in `hardware-docs/cards/personas.md` is
//! what was seen here.

use std::collections::BTreeMap;
use std::fs;

use channel::hash::Hash;
use channel::pace::{Mapping, Suite};
use channel::suite::{Cipher, Curve, Group};
use jiff::{SignedDuration, Timestamp};
use lds::security_infos::SecurityInfo;
use serde_json::Value;
use soft_card::State;
use soft_card::persona::{EMBEDDED, Persona};

use super::{CAN, Post, on_a_jmrtd_applet, result, table};
use crate::issuer::{Active, Document};
use crate::terminals::{Terminals, WORDS, group};

/// A kind of document on a kind of chip.
struct Population {
    what: &'static str,
    persona: &'static str,
    document: Document,
    /// Whether the chip keeps its fingers for terminals.
    fingers: bool,
}

/// What the counter brings.
#[derive(Clone, Copy)]
enum Asked {
    Number,
    Mrz,
    /// The MRZ, with BAC allowed.
    Bac,
    /// The CAN, and the folder of a terminal.
    Terminal,
}

impl Asked {
    fn words(self) -> &'static str {
        match self {
            Asked::Number => "`--can`",
            Asked::Mrz => "`--mrz`",
            Asked::Bac => "`--mrz --bac allowed`",
            Asked::Terminal => "`--can --terminal`",
        }
    }
}

fn populations(post: &Post) -> Vec<(Population, Vec<Asked>)> {
    use Asked::{Bac, Mrz, Number, Terminal};
    let plain = || post.document.clone();
    let old = |active_authentication| Document {
        pace: Vec::new(),
        chip_authentication: false,
        active_authentication,
        ..plain()
    };
    let proved = |active_authentication| Document { chip_authentication: false, active_authentication, ..plain() };
    let suite =
        Suite { mapping: Mapping::ChipAuthentication, group: Curve::BrainpoolP256r1.into(), cipher: Cipher::Aes128 };
    let mapped = || Document {
        pace: vec![SecurityInfo::pace(&suite.oid(), Curve::BrainpoolP256r1.parameter_id())],
        chip_authentication: false,
        ..plain()
    };
    let wide = || {
        let suite =
            Suite { mapping: Mapping::Generic, group: Group::from_parameter_id(2).unwrap(), cipher: Cipher::Aes256 };
        Document { pace: vec![SecurityInfo::pace(&suite.oid(), suite.group.parameter_id())], ..plain() }
    };
    let fingers = || Document { extra: BTreeMap::from([(3, group(0x63, 9000))]), ..plain() };
    let of = |what, persona, document| Population { what, persona, document, fingers: false };
    vec![
        (of("this state's card: PACE, Chip Authentication", "this-state", plain()), vec![Number, Mrz]),
        (of("PACE with chip authentication mapping", "this-state", mapped()), vec![Number]),
        (of("PACE only, with Chip Authentication", "pace-only", plain()), vec![Number, Mrz]),
        (
            of("PACE only, with RSA Active Authentication", "pace-only", proved(Active::Rsa { bits: 2048 })),
            vec![Number],
        ),
        (
            of(
                "PACE, with ECDSA Active Authentication",
                "this-state",
                proved(Active::Ecdsa(Curve::P256, Hash::Sha256)),
            ),
            vec![Number],
        ),
        (
            of("old, BAC only, with RSA Active Authentication", "bac-only", old(Active::Rsa { bits: 1024 })),
            vec![Bac, Mrz],
        ),
        (of("old, BAC only, no proof of the chip", "bac-only", old(Active::No)), vec![Bac]),
        (Population { fingers: true, ..of("EAC with fingerprints", "this-state", fingers()) }, vec![Number, Terminal]),
        (of("short APDUs only, announced nowhere", "miserly", plain()), vec![Number]),
        (
            of("PACE over DH with 2,048 bits: commands in links, answers in pieces (61xx)", "miserly", wide()),
            vec![Number],
        ),
        (of("extended length up to 2,048 bytes", "medium", plain()), vec![Number]),
        (of("a bought card with the JMRTD applet", "jmrtd-passport", old(Active::Rsa { bits: 1024 })), vec![Bac, Mrz]),
    ]
}

#[test]
fn every_population_is_judged_as_it_deserves() {
    let post = Post::new();
    let days_ago = |days: i64| Timestamp::now() - SignedDuration::from_hours(24 * days);
    let terminals = Terminals::starting(days_ago(19));
    let dv = terminals.document_verifier("DVBORDER", days_ago(18));
    let terminal = terminals.terminal(&dv, "EMBPARIS", &["read-dg3"], 30, days_ago(17));
    let folder = terminal.directory.to_str().unwrap().to_owned();
    let words = post.path("words");
    fs::write(&words, format!("{WORDS}\n")).unwrap();
    let mrz = post.document.mrz().to_string();

    let mut rows = String::new();
    for (population, asked) in populations(&post) {
        let mut state = state(&post, &population);
        if population.fingers {
            terminals.believed_by(&mut state, days_ago(19));
        }
        for asked in asked {
            let options: Vec<&str> = match asked {
                Asked::Number => vec!["--can", CAN],
                Asked::Mrz => vec!["--mrz", &mrz],
                Asked::Bac => vec!["--mrz", &mrz, "--bac", "allowed"],
                Asked::Terminal => {
                    vec!["--can", CAN, "--terminal", &folder, "--terminal-passphrase-file", &words]
                }
            };
            let (code, report) = post.verify(state.clone(), &options);
            rows.push_str(&row(&population, asked, code, &report));
        }
    }
    let head = "| population | persona | asked | access | proof of the chip | fingers | verdict | exit |\n|---|---|---|---|---|---|---|---|\n";
    table::compare("personas.md", &format!("{head}{rows}"));
}

/// The document on a chip of this make.
fn state(post: &Post, population: &Population) -> State {
    let (_, text) = EMBEDDED.iter().find(|(name, _)| *name == population.persona).unwrap();
    let state = State { make: Persona::parse(text).unwrap().make, ..post.issuer.state(&population.document) };
    if population.persona == "jmrtd-passport" { on_a_jmrtd_applet(state) } else { state }
}

fn row(population: &Population, asked: Asked, code: i32, report: &Value) -> String {
    let proofs = ["chip-authentication", "pace-cam", "active-authentication"];
    let proof = proofs.into_iter().find(|id| result(report, id) == "successful").map(|id| format!("`{id}`"));
    let access = match report["access_protocol"].as_str() {
        Some(words) if words.starts_with("BAC") => "BAC",
        Some(words) if words.contains("chip authentication mapping") => "PACE-CAM",
        Some(_) => "PACE",
        None => "closed",
    };
    let fingers = match (population.fingers, result(report, "terminal-authentication")) {
        (false, _) => "none",
        (true, "successful") => "read, genuine",
        (true, _) => "not read",
    };
    format!(
        "| {} | `{}` | {} | {access} | {} | {fingers} | {} | {code} |\n",
        population.what,
        population.persona,
        asked.words(),
        proof.unwrap_or_else(|| "none".to_owned()),
        report["verdict"].as_str().unwrap(),
    )
}
