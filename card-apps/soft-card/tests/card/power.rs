//! Power cut at every command of a personalization; the state file as memory.

use channel::scp03::SecurityLevel;
use iso7816::Card;
use soft_card::emrtd::ApplicationLife;
use soft_card::fault::{Tear, When};
use soft_card::{SoftCard, State, StateError};

use crate::support::*;

/// How many commands an undisturbed personalization takes.
fn length(document: &Document) -> u64 {
    let mut card = blank();
    personalize(&mut card, document, SecurityLevel::Full, 100).unwrap();
    card.commands()
}

#[test]
fn a_cut_at_every_command_leaves_a_rewritable_or_a_complete_card() {
    let document = Document::new(300);
    let count = length(&document);
    assert!(count > 15, "{count} commands");
    let mut complete = 0;
    for at in 0..count {
        for when in [When::Before, When::After] {
            let mut card = blank();
            card.tear(Tear { at, when });
            let result = personalize(&mut card, &document, SecurityLevel::Full, 100);
            assert!(matches!(result, Err(Stopped::Lost)), "command {at} {when:?}: {result:?}");
            assert!(!card.is_powered());
            assert_eq!(card.process(&[0x00, 0xA4, 0x04, 0x00]), NOTHING, "no power, no answer");

            card.power_on();
            let (_, application) = life_cycles(&mut card);
            card.reset();
            match application {
                0x07 => {
                    assert_eq!(status(&mut card, "00a4020c02011c"), 0x6A82, "no EF.CardAccess yet");
                    assert_eq!(status(&mut card, "00a4040c07a0000002471001"), 0x9000);
                    assert_eq!(status(&mut card, "00b09e0000"), 0x6985);
                    personalize(&mut card, &document, SecurityLevel::Full, 100).unwrap();
                }
                0x0F => complete += 1,
                other => panic!("{other:02X}"),
            }
            let state = card.state();
            assert_eq!(state.emrtd.life_cycle, ApplicationLife::Personalized);
            assert!(document.files.iter().all(|dgi| state.emrtd.files[&dgi.id] == dgi.value));
        }
    }
    // Torn at the application's SET STATUS after its work, and at the card's before and after.
    assert_eq!(complete, 3);
}

#[test]
fn the_state_file_is_the_memory_after_every_command() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("card.json");
    blank().state().create(&path).unwrap();

    /// Compares file and memory after each command, and asks a card made from the file what the first says.
    struct Watched<'a>(SoftCard, &'a std::path::Path);
    impl Card for Watched<'_> {
        fn transmit(&mut self, command: &iso7816::Command) -> Result<iso7816::Response, iso7816::TransmitError> {
            let response = self.0.transmit(command)?;
            let stored = State::load(self.1).unwrap();
            assert_eq!(&stored, self.0.state());
            let mut reloaded = SoftCard::from_state(&stored);
            let mut resident = SoftCard::from_state(self.0.state());
            for probe in [
                "00a4020c02011c",
                "00b0000000",
                "80ca004500",
                "80ca00c100",
                "00a4040c07a0000002471001",
                "0084000008",
                "00b09e0000",
            ] {
                let (a, b) = (send(&mut reloaded, probe), send(&mut resident, probe));
                assert_eq!(a.status, b.status);
                // Challenges differ.
                assert!(probe.starts_with("0084") || a.data == b.data);
            }
            Ok(response)
        }
    }

    let document = Document::new(300);
    let mut card = Watched(SoftCard::open(&path).unwrap(), &path);
    personalize(&mut card, &document, SecurityLevel::Full, 100).unwrap();
    drop(card);
    let mut again = SoftCard::open(&path).unwrap();
    assert_eq!(life_cycles(&mut again), (0x0F, 0x0F));
    let mut again = SoftCard::from_state(again.state());
    assert_eq!(life_cycles(&mut again), (0x0F, 0x0F));
}

#[test]
fn a_card_whose_memory_cannot_be_written_falls_silent_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("folder").join("card.json");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    blank().state().create(&path).unwrap();
    let mut card = SoftCard::open(&path).unwrap();
    std::fs::rename(path.parent().unwrap(), directory.path().join("elsewhere")).unwrap();
    let before = card.state().clone();
    // INITIALIZE UPDATE programs the sequence counter.
    assert_eq!(card.process(&hex::decode("8050000008000102030405060700").unwrap()), NOTHING);
    assert!(!card.is_powered());
    assert_eq!(card.state(), &before);
    assert!(card.take_failure().is_some());
}

#[test]
fn power_and_reset_and_selection_clear_what_is_volatile() {
    type Clear = fn(&mut SoftCard);
    let ways: [Clear; 4] = [
        |card| {
            card.power_off();
            card.power_on();
        },
        |card| {
            card.reset();
        },
        |card| {
            card.power_on();
        },
        |card| {
            send(card, "00a4040c08a000000151000000");
        },
    ];
    for clear in ways {
        let mut card = blank();
        open(&mut card, SecurityLevel::CommandMac).unwrap();
        clear(&mut card);
        assert_eq!(status(&mut card, "80f24002024f0000"), 0x6982);
        assert_eq!(status(&mut card, "84f240020a4f00000000000000000000"), 0x6985);
    }
}

/// A file of each released version of the format is kept and still loads.
#[test]
fn state_files_of_every_version_load() {
    let sample = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/card/state-1.json");
    let state = State::load(&sample).unwrap();
    assert_eq!(state.chip_serial(), "FFFF500C6326000000010001");
    assert_eq!(state.issuer_domain.card_image_number.as_deref(), Some(BINDING));
    assert_eq!(state.emrtd.life_cycle, ApplicationLife::Personalized);
    let mut card = SoftCard::from_state(&state);
    assert_eq!(life_cycles(&mut card), (0x0F, 0x0F));
    assert_eq!(state.emrtd.files, personalized(&Document::new(20)).state().emrtd.files);
    assert_eq!(state.eid, None, "version 1 knew no citizen application");

    let state = State::load(&sample.with_file_name("state-2.json")).unwrap();
    let eid = state.eid.as_ref().unwrap();
    assert!(eid.is_active() && eid.management_key.is_some());
    assert_eq!((eid.keys.len(), eid.objects.len()), (4, 5));
    let mut card = SoftCard::from_state(&state);
    assert_eq!(life_cycles(&mut card), (0x0F, 0x0F));
    let mut state = state;
    state.eid.as_mut().unwrap().keys.clear();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.json");
    state.create(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
        State::load(&path).unwrap_err()
    };
    assert!(matches!(with("\"version\": 2", "\"version\": 1"), StateError::Impossible { field: "eid", .. }));
    assert!(matches!(with("\"5FC109\"", "\"5FC1FF\""), StateError::Impossible { field: "objects", .. }));
    assert!(matches!(with("\"tries\": 3", "\"tries\": 4"), StateError::Impossible { field: "pin", .. }));
    assert!(matches!(with("\"algorithm\": 8", "\"algorithm\": 12"), StateError::Impossible { .. }));
    let stray = "\"keys\": {\n      \"154\": {\"algorithm\": 17, \"private\": \"3000\"}";
    assert!(matches!(with("\"keys\": {}", &format!("{stray}}}")), StateError::Impossible { field: "keys", .. }));
}
