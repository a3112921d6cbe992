//! Chips that prove themselves in more than one way: chip authentication mapping, Active Authentication.

use perso::execute::{Failure, Outcome, Reason, personalize};
use perso::ledger::{Ledger, State};
use perso::profile::Profile;
use perso::recover::{RecoverError, Recovered, Wish, recover};
use soft_card::emrtd::{ActiveKey, ApplicationLife};
use soft_card::fault::{Tear, When};

use crate::bench::*;

/// `specimen-uto-cam` with a small portrait, and another key for Active Authentication.
fn profile(key: &str) -> Profile {
    let source = format!(
        "extends = \"specimen-uto-cam\"\nname = \"proofs\"\n[active_authentication]\nkey = \"{key}\"\n\
         [portrait]\nwidth = 100\nheight = 128\nmax_bytes = 3000\n"
    );
    Profile::parse("proofs", &source).unwrap()
}

fn ledger() -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    (folder, ledger)
}

#[test]
fn every_key_is_written_and_proved() {
    let (_folder, mut ledger) = ledger();
    let mut orders = centre().orders.iter();
    for (serial, kind) in (1..).zip(["P-256", "P-384", "brainpoolP256r1", "RSA-2048"]) {
        let (profile, order) = (profile(kind), orders.next().unwrap());
        let (slot, face) = (Slot::new(serial), face(order, &profile));
        let made = with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face)));
        let Outcome::Finished(finished) = made.unwrap() else { panic!("{kind}: rejected") };
        let report = finished.document.approved().report().unwrap();
        for id in ["pace-cam", "card-security", "chip-authentication", "active-authentication", "chip-authenticity"] {
            assert_eq!(report.check(id).unwrap().result.word(), "successful", "{kind}: {id}");
        }
        let state = slot.card.borrow().state().clone();
        assert!(state.emrtd.files.contains_key(&0x3F1D) && state.emrtd.files.contains_key(&0x010F));
        let mapping_key = state.emrtd.mapping_key.unwrap();
        assert_ne!(mapping_key.private, state.emrtd.chip_key.unwrap().private);
        assert_eq!(matches!(state.emrtd.active_key, Some(ActiveKey::Rsa { .. })), kind == "RSA-2048");
    }
}

#[test]
fn a_key_that_was_not_written_as_planned_is_no_good_card() {
    let profile = profile("P-256");
    let order = &centre().orders[0];
    let face = face(order, &profile);
    for (index, spoil) in [0x8004_u16, 0x8005].into_iter().enumerate() {
        let (_folder, mut ledger) = ledger();
        let slot = Slot::new(9);
        // The card is torn right after it was locked; then its key is exchanged for another.
        commands_until_locked(&slot, &profile, order, &face, &mut ledger);
        slot.card.borrow_mut().tear(Tear { at: u64::MAX, when: When::Before });
        let mut state = slot.card.borrow().state().clone();
        assert_eq!(state.emrtd.life_cycle, ApplicationLife::Personalized);
        match spoil {
            0x8004 => state.emrtd.mapping_key.as_mut().unwrap().private = channel::secret::Secret::new(vec![0x11; 32]),
            _ => {
                let private = channel::secret::Secret::new(vec![0x11; 32]);
                state.emrtd.active_key = Some(ActiveKey::Ec { parameter_id: 12, private });
            }
        }
        let spoiled = Slot::holding(&state);
        let recovered = with_line(&spoiled, &profile, &mut ledger, &keys(), |line| {
            recover(line, &|_| Some(job(order, &face)), Wish::Finish)
        });
        let Recovered::Now(Outcome::Rejected(rejected)) = recovered.unwrap() else { panic!("not rejected") };
        let Reason::Verdict { checks, .. } = &rejected.reason else { panic!("{}", rejected.reason) };
        let expected = ["pace-cam", "active-authentication"][index];
        assert!(checks.iter().any(|id| id == expected), "{checks:?}");
    }
}

/// Runs until the application is locked and the power goes.
fn commands_until_locked(
    slot: &Slot,
    profile: &Profile,
    order: &perso::order::Order,
    face: &perso::portrait::Face,
    ledger: &mut Ledger,
) {
    // SET STATUS of the application is the last command with this instruction before the card is read back.
    let whole = Slot::new(8);
    let (_folder, mut other) = self::ledger();
    with_line(&whole, profile, &mut other, &keys(), |line| personalize(line, job(order, face))).unwrap();
    let trace = whole.trace.borrow().clone();
    let sent: Vec<&str> = trace.lines().step_by(2).collect();
    let at = sent.iter().position(|command| command.starts_with("84f0")).unwrap() as u64;
    slot.card.borrow_mut().tear(Tear { at, when: When::After });
    let torn = with_line(slot, profile, ledger, &keys(), |line| personalize(line, job(order, face)));
    assert!(matches!(torn, Err(Failure::Interrupted { .. })));
}

#[test]
fn a_torn_card_with_every_key_is_finished_on_the_same_chip() {
    let profile = profile("P-256");
    let order = &centre().orders[1];
    let face = face(order, &profile);
    let (_folder, mut ledger) = ledger();
    let slot = Slot::new(5);
    commands_until_locked(&slot, &profile, order, &face, &mut ledger);
    slot.card.borrow_mut().tear(Tear { at: u64::MAX, when: When::Before });
    let recovered = with_line(&slot, &profile, &mut ledger, &keys(), |line| {
        recover(line, &|_| Some(job(order, &face)), Wish::Finish)
    });
    let Recovered::Now(Outcome::Finished(finished)) = recovered.unwrap() else { panic!("not finished") };
    assert_eq!(finished.document.number, order.document_number);
}

#[test]
fn long_signatures_are_refused_before_anything_is_written_where_they_cannot_be_read() {
    let profile = profile("RSA-2048");
    let order = &centre().orders[2];
    let face = face(order, &profile);
    let (_folder, mut ledger) = ledger();
    let slot = Slot::new(6);
    *slot.extended_length.borrow_mut() = false;
    let before = slot.card.borrow().state().clone();
    let refused = with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face)));
    assert!(matches!(refused, Err(Failure::ShortAnswers)));
    assert!(*slot.card.borrow().state() == before);
    assert_eq!(ledger.book().document(&order.document_number).unwrap().state, State::Ordered);
}

#[test]
fn a_torn_card_with_long_signatures_waits_for_a_reader_that_can_read_them() {
    let profile = profile("RSA-2048");
    let order = &centre().orders[3];
    let face = face(order, &profile);
    let (_folder, mut ledger) = ledger();
    let slot = Slot::new(7);
    commands_until_locked(&slot, &profile, order, &face, &mut ledger);
    slot.card.borrow_mut().tear(Tear { at: u64::MAX, when: When::Before });
    let mut bring_back = || {
        with_line(&slot, &profile, &mut ledger, &keys(), |line| {
            recover(line, &|_| Some(job(order, &face)), Wish::Finish)
        })
    };
    *slot.extended_length.borrow_mut() = false;
    assert!(matches!(bring_back(), Err(RecoverError::Failure(Failure::ShortAnswers))));
    *slot.extended_length.borrow_mut() = true;
    assert!(matches!(bring_back(), Ok(Recovered::Now(Outcome::Finished(_)))));
}
