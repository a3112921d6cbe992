use std::collections::BTreeMap;
use std::path::Path;

use perso::execute::{Failure, Outcome, personalize};
use perso::ledger::{Ledger, Reading, State};
use perso::recover::{RecoverError, Recovered, Wish, recover};
use soft_card::fault::{Tear, When};

use crate::bench::*;

/// The card is pulled at command `at`; afterwards it is put back, and torn once more at command `again` of the recovery, if that is given.
/// Returns false when the personalization has fewer commands.
fn torn_at(at: u64, when: When, again: Option<u64>) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let mut ledger = Ledger::open(&path).unwrap();
    let profile = small_profile();
    let order = &centre().orders[0];
    let face = face(order, &profile);
    let slot = Slot::new(9);
    slot.card.borrow_mut().tear(Tear { at, when });
    match with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face))) {
        Ok(Outcome::Finished(_)) => {
            assert!(slot.card.borrow().commands() <= at, "command {at} was torn and nobody noticed");
            return false;
        }
        Ok(Outcome::Rejected(rejected)) => panic!("a torn card was rejected at once: {}", rejected.reason),
        Err(Failure::Interrupted { .. } | Failure::Unusable(_)) => {}
        Err(other) => panic!("{other}"),
    }
    // The process ends here; a new one starts with the ledger on the disk.
    drop(ledger);
    if let Some(again) = again {
        slot.card.borrow_mut().tear(Tear { at: again, when });
    }
    settle(&slot, &path, &format!("torn at {at}"));
    true
}

/// Puts the card back until it is finished or rejected, and compares ledger and chip.
fn settle(slot: &Slot, path: &Path, at: &str) {
    let mut ledger = Ledger::open(path).unwrap();
    let profile = small_profile();
    let order = &centre().orders[0];
    let face = face(order, &profile);
    for _ in 0..4 {
        let recovered = with_line(slot, &profile, &mut ledger, &keys(), |line| {
            recover(line, &|number| (number == order.document_number).then(|| job(order, &face)), Wish::Finish)
        });
        match recovered {
            Ok(Recovered::Now(Outcome::Finished(_)) | Recovered::Complete { .. }) => break,
            Ok(Recovered::Now(Outcome::Rejected(_))) => break,
            Ok(Recovered::Nothing { .. }) => {
                // Nothing was begun on this chip: it is a blank, the order is open.
                let result =
                    with_line(slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face)));
                if matches!(result, Ok(Outcome::Finished(_))) {
                    break;
                }
            }
            Ok(Recovered::Foreign { .. }) => panic!("the ledger does not know its own chip"),
            Err(RecoverError::Failure(Failure::Interrupted { .. } | Failure::Unusable(_))) => {}
            Err(other) => panic!("{at}: {other}"),
        }
    }
    drop(ledger);
    // What the ledger says must be what the chip is.
    let reading = Reading::of(path).unwrap();
    let record = reading.book.document(&order.document_number).unwrap();
    let state = slot.card.borrow().state().clone();
    let application = lds::globalplatform::ApplicationState(state.emrtd.life_cycle as u8);
    let card = lds::globalplatform::CardState(state.issuer_domain.life_cycle as u8);
    match record.state {
        State::QaPassed => {
            assert!(record.sealed, "{at}");
            assert_eq!(application, lds::globalplatform::ApplicationState::PERSONALIZED);
            assert_eq!(card, lds::globalplatform::CardState::SECURED);
        }
        State::QaRejected => assert!(application.is_locked(), "{at}: {:?}", record.reason),
        other => panic!("{at}: the ledger says {other:?}"),
    }
    assert_eq!(record.chip.as_deref(), reading.book.chips().next().map(|(serial, _)| serial));
    assert_eq!(state.issuer_domain.card_image_number.map(hex::encode), record.token);
    let mut chips: BTreeMap<&str, usize> = BTreeMap::new();
    reading
        .book
        .chips()
        .filter_map(|(_, chip)| chip.document.as_deref())
        .for_each(|d| *chips.entry(d).or_default() += 1);
    assert!(chips.values().all(|count| *count == 1), "{chips:?}");
}

fn torn_everywhere(when: When) {
    let mut at = 0;
    while torn_at(at, when, None) {
        at += 1;
    }
    assert!(at > 40, "only {at} commands");
}

#[test]
fn pulled_before_any_command_the_card_ends_finished_or_rejected() {
    torn_everywhere(When::Before);
}

#[test]
fn pulled_after_any_command_the_card_ends_finished_or_rejected() {
    torn_everywhere(When::After);
}

#[test]
fn whenever_the_host_dies_the_card_ends_finished_or_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let mut ledger = Ledger::open(&path).unwrap();
    let profile = small_profile();
    let order = &centre().orders[0];
    let face = face(order, &profile);
    let slot = Slot { ledger: Some(path.clone()), ..Slot::new(8) };
    with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face))).unwrap();
    drop(ledger);
    let moments = slot.moments.borrow().clone();
    assert!(moments.len() > 80);
    for (index, moment) in moments.iter().enumerate() {
        // The line that was being written is cut off, as a disk may do.
        let cut = if index % 2 == 0 { &b""[..] } else { &b"{\"v\":1,\"n\":"[..] };
        std::fs::write(&path, [&moment.ledger[..], cut].concat()).unwrap();
        std::fs::write(path.with_extension("jsonl.head"), &moment.head).unwrap();
        settle(&Slot::holding(&moment.card), &path, &format!("moment {index}"));
    }
}

#[test]
fn pulled_a_second_time_during_recovery_it_does_so_too() {
    for at in [9, 14, 25, 38] {
        for again in (0..60).step_by(3) {
            torn_at(at, When::After, Some(again));
        }
    }
}
