//! Faults of the memory and of the line, on a whole card.

use std::path::Path;

use channel::scp03::SecurityLevel;
use iso7816::tlv::{Tag, sole};
use lds::security_infos::{SecurityInfo, SecurityInfos};
use soft_card::SoftCard;
use soft_card::fault::{FORGERIES, Faults};

use crate::support::*;

fn faults(text: &str) -> Faults {
    let head = "format = \"bitaqa-soft-card-fault\"\nversion = 1\nseed = 7\n[[fault]]\n";
    Faults::parse(&format!("{head}{text}"), Path::new("faults.toml")).unwrap()
}

fn with(state: &SoftCard, text: &str) -> SoftCard {
    SoftCard::from_state(state.state()).with_faults(&faults(text)).unwrap()
}

#[test]
fn the_same_seed_makes_the_same_card_and_the_same_dialogue() {
    let genuine = personalized(&Document::new(100));
    let dialogue = |text: &str| {
        let mut card = with(&genuine, text);
        let answers: Vec<Vec<u8>> =
            ["00a4040c07a0000002471001", "0084000008", "00b0000000", "8050000008000102030405060700"]
                .map(|command| card.process(&hex::decode(command).unwrap()))
                .into();
        (card.state().clone(), answers)
    };
    for text in ["kind = \"cloned\"\nkey = \"other\"", "kind = \"garbled\"", "kind = \"long\"\nbytes = 9"] {
        assert_eq!(dialogue(text), dialogue(text), "{text}");
    }
}

#[test]
fn clones_differ_in_what_their_chip_can_prove() {
    let document = Document::new(100);
    let genuine = personalized(&document);
    let dg14 = |card: &SoftCard| card.state().emrtd.files[&0x010E].clone();
    let key = |card: &SoftCard| card.state().emrtd.chip_key.as_ref().map(|key| key.private.clone());
    let none = with(&genuine, "kind = \"cloned\"\nkey = \"none\"");
    let other = with(&genuine, "kind = \"cloned\"\nkey = \"other\"");
    let own = with(&genuine, "kind = \"cloned\"\nkey = \"own\"");
    assert_eq!((key(&none), dg14(&none)), (None, dg14(&genuine)));
    assert!(key(&other).is_some() && key(&other) != key(&genuine) && dg14(&other) == dg14(&genuine));
    assert!(key(&own) != key(&genuine) && dg14(&own) != dg14(&genuine));
    assert!([&none, &other, &own].iter().all(|card| card.state().chip_serial() != genuine.state().chip_serial()));
    // The public key in DG14 has taken the old one's place, and nothing else has changed.
    let content = dg14(&own);
    let infos = SecurityInfos::parse(sole(&content, Tag(0x6E)).unwrap()).unwrap();
    let points: Vec<_> = infos
        .infos()
        .iter()
        .filter_map(|info| match info {
            SecurityInfo::ChipAuthenticationPublicKey { key, .. } => Some(key.point.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(infos.infos().len(), 3);
    assert!(points.len() == 1 && points[0] != document.chip_point);
}

#[test]
fn a_card_with_a_forged_memory_leaves_its_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.json");
    personalized(&Document::new(100)).state().create(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut forged = SoftCard::open(&path).unwrap().with_faults(&faults("kind = \"no-pace\"")).unwrap();
    assert_eq!(status(&mut forged, "00a4020c02011c"), 0x6A82);
    assert_eq!(status(&mut forged, "8050000008000102030405060700"), 0x9000, "a counter was raised");
    drop(forged);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    // A fault of the line is none of the memory's.
    let mut slow = SoftCard::open(&path).unwrap().with_faults(&faults("kind = \"slow\"\nmilliseconds = 1")).unwrap();
    assert_eq!(status(&mut slow, "8050000008000102030405060700"), 0x9000);
    drop(slow);
    assert_ne!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn what_a_card_lacks_cannot_be_forged() {
    for text in [
        "kind = \"no-pace\"",
        "kind = \"cloned\"\nkey = \"own\"",
        "kind = \"certificate\"",
        "kind = \"certificate\"\nof = \"nowhere.json\"",
        "kind = \"altered\"\ndata-group = 1",
    ] {
        assert!(blank().with_faults(&faults(text)).is_err(), "{text}");
    }
}

#[test]
fn a_production_line_meets_the_time_a_real_chip_takes() {
    // 2 ms for each command and 20 µs for each byte received: 50 kB would take a second more.
    let mut card =
        blank().with_faults(&faults("kind = \"latency\"\ncommand = 2000\nbyte-in = 20\nbyte-out = 5")).unwrap();
    let begun = std::time::Instant::now();
    personalize(&mut card, &Document::new(3000), SecurityLevel::Full, 200).unwrap();
    let least = card.commands() * 2 + 3000 * 20 / 1000;
    assert!(begun.elapsed().as_millis() as u64 >= least, "{:?}", begun.elapsed());
}

/// The kinds that this program knows, as its own complaint lists them.
fn kinds() -> Vec<String> {
    let head = "format = \"bitaqa-soft-card-fault\"\nversion = 1\nseed = 7\n[[fault]]\n";
    let complaint = Faults::parse(&format!("{head}kind = \"none-such\""), Path::new("x")).unwrap_err().to_string();
    let (_, listed) = complaint.split_once("expected one of ").unwrap();
    listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_examples_of_the_page_are_files_and_show_every_kind() {
    let page = include_str!("../../../../hardware-docs/cards/faults.md");
    let examples: Vec<&str> = page.split("```toml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert!(examples.len() >= 2);
    let mut shown = Vec::new();
    for example in examples {
        let faults = Faults::parse(example, Path::new("hardware-docs/cards/faults.md")).unwrap();
        let named = example.lines().filter_map(|line| line.strip_prefix("kind = \"")?.split('"').next());
        let named: Vec<&str> = named.collect();
        assert_eq!(named.len(), faults.all.len(), "{example}");
        for (kind, fault) in named.iter().zip(&faults.all) {
            assert_eq!(FORGERIES.contains(kind), fault.is_forgery(), "{kind}");
        }
        shown.extend(named);
    }
    for kind in kinds() {
        assert!(shown.contains(&kind.as_str()), "no example of {kind}");
        assert!(page.contains(&format!("| `{kind}` |")), "no row of {kind}");
    }
}
