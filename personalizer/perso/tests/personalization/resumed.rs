//! What a card that comes back must never become, and how one is got rid of.

use std::fs;

use perso::execute::{Failure, Outcome, Reason, Rejected, personalize};
use perso::ledger::{Ledger, LedgerError, Rule, State};
use perso::portrait;
use perso::profile::Profile;
use perso::recover::{RecoverError, Recovered, Wish, recover};
use soft_card::fault::{Tear, When};

use crate::bench::*;

/// A ledger, and the first order's card torn in the middle of it.
fn torn(profile: &Profile) -> (tempfile::TempDir, Ledger, Slot) {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let order = &centre().orders[0];
    let face = face(order, profile);
    let slot = Slot::new(7);
    slot.card.borrow_mut().tear(Tear { at: 14, when: When::After });
    let failed = with_line(&slot, profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face)));
    assert!(matches!(failed, Err(Failure::Interrupted { .. })));
    (folder, ledger, slot)
}

fn rejected(recovered: Result<Recovered, RecoverError>) -> Rejected {
    match recovered {
        Ok(Recovered::Now(Outcome::Rejected(rejected))) => rejected,
        Ok(_) => panic!("not rejected"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn another_portrait_under_the_same_name_does_not_finish_a_card() {
    let profile = small_profile();
    let (folder, mut ledger, slot) = torn(&profile);
    let order = &centre().orders[0];
    let name = order.portrait.path.as_ref().unwrap();
    let other = centre().orders.iter().find_map(|order| order.portrait.path.as_ref().filter(|path| *path != name));
    fs::create_dir(folder.path().join("orders")).unwrap();
    fs::create_dir(folder.path().join("portraits")).unwrap();
    let orders = folder.path().join("orders");
    fs::copy(centre().folder.join(other.unwrap()), orders.join(name)).unwrap();
    let exchanged = portrait::prepare(order, &orders, &profile.portrait).unwrap();

    let before = slot.card.borrow().state().clone();
    let refused = with_line(&slot, &profile, &mut ledger, &keys(), |line| {
        recover(line, &|_| Some(job(order, &exchanged)), Wish::Finish)
    });
    assert!(matches!(
        refused,
        Err(RecoverError::Failure(Failure::Ledger(LedgerError::Refused { rule: Rule::OrderedDifferently { .. } })))
    ));
    assert!(*slot.card.borrow().state() == before);
    let face = face(order, &profile);
    let finished = with_line(&slot, &profile, &mut ledger, &keys(), |line| {
        recover(line, &|_| Some(job(order, &face)), Wish::Finish)
    });
    assert!(matches!(finished, Ok(Recovered::Now(Outcome::Finished(_)))));

    // An order that is only accepted is bound to its picture just as well.
    let mut ledger = Ledger::open(&folder.path().join("second.jsonl")).unwrap();
    let foreign = with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face)));
    assert!(matches!(foreign, Err(Failure::Unusable(_))));
    let fresh = Slot::new(6);
    let refused = with_line(&fresh, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &exchanged)));
    assert!(matches!(refused, Err(Failure::Ledger(LedgerError::Refused { rule: Rule::OrderedDifferently { .. } }))));
}

#[test]
fn a_card_whose_secure_messaging_is_broken_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let profile = small_profile();
    let order = &centre().orders[0];
    let face = face(order, &profile);
    let slot = Slot::new(5);
    // READ BINARY, and inside secure messaging: the read-back.
    slot.garble.replace(Some(0xB0));
    let outcome =
        with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face))).unwrap();
    let Outcome::Rejected(rejected) = outcome else { panic!("finished") };
    assert!(matches!(rejected.reason, Reason::Verdict { .. }), "{}", rejected.reason);
    assert_eq!(ledger.book().document(&order.document_number).unwrap().state, State::QaRejected);
}

#[test]
fn a_card_is_rejected_on_request_though_its_order_is_at_hand() {
    let profile = small_profile();
    let (_folder, mut ledger, slot) = torn(&profile);
    let order = &centre().orders[0];
    let face = face(order, &profile);
    let recovered = with_line(&slot, &profile, &mut ledger, &keys(), |line| {
        recover(line, &|_| Some(job(order, &face)), Wish::Reject { document: None })
    });
    let rejected = rejected(recovered);
    assert_eq!((rejected.reason, rejected.invalidated), (Reason::Operator, true));
    assert_eq!(ledger.book().document(&order.document_number).unwrap().state, State::QaRejected);
}

#[test]
fn a_dead_card_is_rejected_by_its_number_and_another_one_is_left_alone() {
    let profile = small_profile();
    let (_folder, mut ledger, slot) = torn(&profile);
    let number = centre().orders[0].document_number.as_str();
    let mut reject = |slot: &Slot, document| {
        with_line(slot, &profile, &mut ledger, &keys(), |line| {
            recover(line, &|_| None, Wish::Reject { document: Some(document) })
        })
    };
    assert!(matches!(reject(&slot, "ZZ9999999"), Err(RecoverError::NotBegun { .. })));
    assert!(matches!(reject(&Slot::new(4), number), Err(RecoverError::OtherCard { .. })));
    // It refuses even SELECT.
    slot.refuse.replace(Some((0xA4, 1)));
    let rejected = rejected(reject(&slot, number));
    assert_eq!((rejected.reason, rejected.invalidated), (Reason::Operator, false));
    let record = ledger.book().document(number).unwrap();
    assert!(record.state == State::QaRejected && record.given_up, "nobody waits for a dead chip");
}

#[test]
fn a_reader_that_fails_closes_no_number_and_a_mute_card_does() {
    let profile = small_profile();
    let (_folder, mut ledger, slot) = torn(&profile);
    let number = centre().orders[0].document_number.as_str();
    let mut reject = |trouble| {
        slot.trouble.replace(trouble);
        let recovered = with_line(&slot, &profile, &mut ledger, &keys(), |line| {
            recover(line, &|_| None, Wish::Reject { document: Some(number) })
        });
        (recovered, ledger.book().document(number).unwrap().clone())
    };
    for trouble in [Trouble::NoReader, Trouble::ReaderFails] {
        let (failed, record) = reject(Some(trouble));
        assert!(matches!(failed, Err(RecoverError::Failure(failure)) if failure.is_reader_s()), "{trouble:?}");
        assert!(record.state != State::QaRejected && !record.given_up, "{trouble:?}");
    }
    let (recovered, record) = reject(Some(Trouble::Mute));
    assert!(!rejected(recovered).invalidated && record.state == State::QaRejected && record.given_up);
    // Should it answer once more, it is locked after all.
    let (recovered, record) = reject(None);
    assert!(rejected(recovered).invalidated && record.invalidated);
}
