use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use channel::scp03::KeySet;
use perso::execute::{Failure, Outcome, personalize};
use perso::ledger::{Ledger, Reading, State};
use perso::recover::{RecoverError, Recovered, Wish, recover};
use perso::rotation::{CardKeys, KeysError, Rotation};
use soft_card::fault::{Tear, When};

use crate::bench::*;

/// How a line under test treats the keys of its cards.
#[derive(Clone, Copy)]
enum Keys {
    Kept,
    Changed,
}

impl Keys {
    fn rotation(self, keys: &KeySet) -> Option<Rotation<'_>> {
        matches!(self, Keys::Changed).then(|| rotation(keys))
    }
}

/// The card is pulled at command `at`; afterwards it is put back, and torn once more at command `again` of the recovery, if that is given.
/// Returns false when the personalization has fewer commands.
fn torn_at(at: u64, when: When, again: Option<u64>, change: Keys) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let mut ledger = Ledger::open(&path).unwrap();
    let profile = small_profile();
    let order = &centre().orders[0];
    let face = face(order, &profile);
    let slot = Slot::new(9);
    slot.card.borrow_mut().tear(Tear { at, when });
    let issuer = issuer_keys();
    let rotation = change.rotation(&issuer);
    match with_rotating_line(&slot, &profile, &mut ledger, &keys(), rotation, |line| {
        personalize(line, job(order, &face))
    }) {
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
    settle(&slot, &path, &format!("torn at {at}"), change);
    true
}

/// Puts the card back until it is finished or rejected, and compares ledger and chip.
fn settle(slot: &Slot, path: &Path, at: &str, change: Keys) {
    let issuer = issuer_keys();
    let rotation = change.rotation(&issuer);
    let mut ledger = Ledger::open(path).unwrap();
    let profile = small_profile();
    let order = &centre().orders[0];
    let face = face(order, &profile);
    for _ in 0..4 {
        let recovered = with_rotating_line(slot, &profile, &mut ledger, &keys(), rotation, |line| {
            recover(line, &|number| (number == order.document_number).then(|| job(order, &face)), Wish::Finish)
        });
        match recovered {
            Ok(Recovered::Now(Outcome::Finished(_)) | Recovered::Complete { .. }) => break,
            Ok(Recovered::Now(Outcome::Rejected(_))) => break,
            Ok(Recovered::Nothing { .. }) => {
                // Nothing was begun on this chip: it is a blank, the order is open.
                let result = with_rotating_line(slot, &profile, &mut ledger, &keys(), rotation, |line| {
                    personalize(line, job(order, &face))
                });
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
    let versions: Vec<u8> = state.issuer_domain.keys.keys().copied().collect();
    match record.state {
        State::QaPassed => {
            assert!(record.sealed, "{at}");
            let expected = if matches!(change, Keys::Changed) { ISSUER_VERSION } else { 0x30 };
            assert_eq!(versions, [expected], "{at}");
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

fn torn_everywhere(when: When, change: Keys) -> u64 {
    let mut at = 0;
    while torn_at(at, when, None, change) {
        at += 1;
    }
    assert!(at > 40, "only {at} commands");
    at
}

#[test]
fn pulled_before_any_command_the_card_ends_finished_or_rejected() {
    torn_everywhere(When::Before, Keys::Kept);
}

#[test]
fn pulled_after_any_command_the_card_ends_finished_or_rejected() {
    torn_everywhere(When::After, Keys::Kept);
}

/// Selection, channel, STORE DATA 45; then PUT KEY, selection, channel, GET DATA, DELETE, GET DATA; a few blocks of data.
const UNTIL_KEYS_ARE_CHANGED: u64 = 24;

#[test]
fn pulled_before_any_command_of_a_change_of_keys_no_card_is_lost() {
    (0..UNTIL_KEYS_ARE_CHANGED).for_each(|at| assert!(torn_at(at, When::Before, None, Keys::Changed)));
}

#[test]
fn pulled_after_any_command_of_a_change_of_keys_no_card_is_lost() {
    (0..UNTIL_KEYS_ARE_CHANGED).for_each(|at| assert!(torn_at(at, When::After, None, Keys::Changed)));
}

#[test]
fn pulled_twice_around_a_change_of_keys_no_card_is_lost() {
    for at in 9..20 {
        for again in [2, 7, 12] {
            torn_at(at, When::After, Some(again), Keys::Changed);
        }
    }
}

#[test]
fn whenever_the_host_dies_the_card_ends_finished_or_rejected() {
    host_dies(Keys::Kept);
}

#[test]
fn whenever_the_host_dies_no_card_is_lost_between_two_keys() {
    host_dies(Keys::Changed);
}

fn host_dies(change: Keys) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let mut ledger = Ledger::open(&path).unwrap();
    let profile = small_profile();
    let order = &centre().orders[0];
    let face = face(order, &profile);
    let slot = Slot { ledger: Some(path.clone()), ..Slot::new(8) };
    let issuer = issuer_keys();
    let rotation = change.rotation(&issuer);
    with_rotating_line(&slot, &profile, &mut ledger, &keys(), rotation, |line| personalize(line, job(order, &face)))
        .unwrap();
    drop(ledger);
    let mut moments = slot.moments.borrow().clone();
    assert!(moments.len() > 80);
    if matches!(change, Keys::Changed) {
        // What comes after the change of keys is the same as without it.
        moments.truncate(2 * UNTIL_KEYS_ARE_CHANGED as usize);
        assert!(moments.iter().any(|moment| moment.card.issuer_domain.keys.len() == 2));
        assert!(moments.iter().any(|moment| moment.card.issuer_domain.keys.keys().eq([&ISSUER_VERSION])));
    }
    for (index, moment) in moments.iter().enumerate() {
        // The line that was being written is cut off, as a disk may do.
        let cut = if index % 2 == 0 { &b""[..] } else { &b"{\"v\":1,\"n\":"[..] };
        std::fs::write(&path, [&moment.ledger[..], cut].concat()).unwrap();
        std::fs::write(path.with_extension("jsonl.head"), &moment.head).unwrap();
        settle(&Slot::holding(&moment.card), &path, &format!("moment {index}"), change);
    }
}

#[test]
fn pulled_a_second_time_during_recovery_it_does_so_too() {
    for at in [9, 14, 25, 38] {
        for again in (0..60).step_by(3) {
            torn_at(at, When::After, Some(again), Keys::Kept);
        }
    }
}

/// A token that answers so many times and is then pulled out.
struct Pulled {
    keys: KeySet,
    answers: Cell<u32>,
}

impl CardKeys for Pulled {
    fn of_chip(&self, _: &[u8; 10]) -> Result<KeySet, KeysError> {
        let left = self.answers.get().checked_sub(1).ok_or_else(|| KeysError::new("the token is gone"))?;
        self.answers.set(left);
        Ok(self.keys.clone())
    }
}

#[test]
fn a_token_that_is_pulled_out_spoils_no_card() {
    let profile = small_profile();
    let order = &centre().orders[0];
    let face = face(order, &profile);
    for answers in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let mut ledger = Ledger::open(&path).unwrap();
        let slot = Slot::new(9);
        let pulled = Pulled { keys: issuer_keys(), answers: Cell::new(answers) };
        let rotation = Rotation { from: 0x30, to: ISSUER_VERSION, keys: &pulled };
        let made = with_rotating_line(&slot, &profile, &mut ledger, &keys(), Some(rotation), |line| {
            personalize(line, job(order, &face))
        });
        match made {
            Ok(Outcome::Finished(_)) => {
                assert!(answers > 2, "only {answers} derivations");
                return;
            }
            Ok(Outcome::Rejected(rejected)) => panic!("after {answers}: rejected: {}", rejected.reason),
            Err(Failure::Interrupted { detail, .. }) => assert!(detail.contains("the token is gone"), "{detail}"),
            Err(other) => panic!("after {answers}: {other}"),
        }
        drop(ledger);
        settle(&slot, &path, &format!("pulled after {answers}"), Keys::Changed);
        assert_eq!(Reading::of(&path).unwrap().book.document(&order.document_number).unwrap().state, State::QaPassed);
    }
}

#[test]
fn without_the_keys_of_the_blanks_no_blank_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let profile = small_profile();
    let order = &centre().orders[0];
    let face = face(order, &profile);
    let slot = Slot::new(9);
    let before = slot.card.borrow().state().clone();
    let pulled = Pulled { keys: keys(), answers: Cell::new(0) };
    let made =
        with_whole_line(&slot, &profile, &mut ledger, &pulled, None, None, |line| personalize(line, job(order, &face)));
    assert!(matches!(made, Err(Failure::Keys(_))));
    assert_eq!(slot.card.borrow().state().issuer_domain.card_image_number, before.issuer_domain.card_image_number);
    assert_eq!(ledger.book().document(&order.document_number).unwrap().state, State::Ordered);
}
