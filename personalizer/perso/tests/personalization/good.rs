use std::cell::Cell;

use channel::scp03::KeySet;
use iso7816::Status;
use lds::dg::dg02::{Dg2, Encoding};
use lds::globalplatform::{ApplicationState, CardState};
use perso::execute::{Failure, Outcome, Reason, Unusable, personalize};
use perso::ledger::{Ledger, Reading, State, Step};
use perso::profile::Profile;
use perso::recover::{Recovered, Wish, recover};
use perso::rotation::{CardKeys, KeysError, Rotation};
use soft_card::fault::{Fault, Faults, On, Tear, When};
use soft_card::persona::{EMBEDDED, Persona};
use soft_card::{BlankOptions, SoftCard};

use crate::bench::*;

#[test]
fn every_specimen_order_becomes_a_card() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let mut ledger = Ledger::open(&path).unwrap();
    let profile = Profile::load("specimen-uto").unwrap();
    for (index, order) in centre().orders.iter().enumerate() {
        let slot = Slot::new(index as u8 + 1);
        let face = face(order, &profile);
        let outcome =
            with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face))).unwrap();
        let Outcome::Finished(finished) = outcome else { panic!("{} was not finished", order.document_number) };
        assert_eq!(finished.document.number, order.document_number);
        assert_eq!(finished.document.approved().report().unwrap().verdict, inspection::Verdict::GenuineValid);
        let record = ledger.book().document(&order.document_number).unwrap();
        assert_eq!((record.state, record.sealed), (State::QaPassed, true));
    }
    let reading = Reading::of(&path).unwrap();
    assert_eq!(reading.book.documents().count(), 20);
}

/// An embassy reads such a card in a second session; whoever made it does not hand it out.
#[test]
fn a_card_that_breaks_while_it_is_read_back_is_not_approved() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let profile = small_profile();
    let once = On { ins: Some(0xB0), skip: 6, count: Some(1), inside: false };
    for (index, fault) in [Fault::Garbled { on: once }, Fault::Short { on: once, bytes: 0 }].into_iter().enumerate() {
        let order = &centre().orders[index];
        let face = face(order, &profile);
        let slot = Slot::new(index as u8 + 1);
        let blank = SoftCard::from_state(slot.card.borrow().state());
        let faults = Faults { seed: 7, all: vec![fault], ..Faults::default() };
        *slot.card.borrow_mut() = blank.with_faults(&faults).unwrap();
        let made = with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face)));
        if index == 0 {
            let Outcome::Rejected(rejected) = made.unwrap() else { panic!("approved") };
            let Reason::Broke { restart } = &rejected.reason else { panic!("{}", rejected.reason) };
            assert!(restart.starts_with("a first session broke at EF."), "{restart}");
            assert!(rejected.invalidated);
            assert_eq!(ledger.book().document(&order.document_number).unwrap().state, State::QaRejected);
            continue;
        }
        // Contact that was lost for a moment says nothing of the card: it is read again, from the start.
        let Err(Failure::Interrupted { .. }) = made else { panic!("not interrupted") };
        let recovered = with_line(&slot, &profile, &mut ledger, &keys(), |line| {
            recover(line, &|_| Some(job(order, &face)), Wish::Finish)
        });
        let Recovered::Now(Outcome::Finished(finished)) = recovered.unwrap() else { panic!("not finished") };
        assert_eq!(finished.document.approved().report().unwrap().verdict, inspection::Verdict::GenuineValid);
    }
}

/// Other keys than those that were just put on the card.
#[derive(Default)]
struct Forgetful(Cell<bool>);

impl CardKeys for Forgetful {
    fn of_chip(&self, diversification: &[u8; 10]) -> Result<KeySet, KeysError> {
        if self.0.replace(true) { keys() } else { issuer_keys() }.of_chip(diversification)
    }
}

/// Cards block after ten such attempts: each is in the ledger, and after the profile's number none is made.
#[test]
fn wrong_cryptograms_after_a_change_of_keys_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let mut profile = small_profile();
    profile.card.attempts = 3;
    let order = &centre().orders[0];
    let (face, slot, forgetful) = (face(order, &profile), Slot::new(1), Forgetful::default());
    let rotation = Rotation { from: 0x30, to: ISSUER_VERSION, keys: &forgetful };
    let made = with_rotating_line(&slot, &profile, &mut ledger, &keys(), Some(rotation), |line| {
        personalize(line, job(order, &face))
    });
    let Outcome::Rejected(rejected) = made.unwrap() else { panic!("finished") };
    assert_eq!(rejected.reason, Reason::BadAnswer { step: Step::RotateKeys });
    assert!(!rejected.invalidated);
    let attempts = || slot.trace.borrow().lines().step_by(2).filter(|line| line.starts_with("8050")).count();
    let counted = |ledger: &Ledger| ledger.book().chip(&rejected.chip).unwrap().wrong_cryptograms as usize;
    // The first channel was a good one; the second was that of the change, the third was to lock the card.
    assert_eq!((counted(&ledger), attempts()), (2, 3));
    for _ in 0..3 {
        let again = with_rotating_line(&slot, &profile, &mut ledger, &keys(), Some(rotation), |line| {
            recover(line, &|_| Some(job(order, &face)), Wish::Finish)
        });
        assert!(matches!(again.unwrap(), Recovered::Now(Outcome::Rejected(_))));
    }
    assert_eq!((counted(&ledger), attempts()), (3, 4));
}

#[test]
fn a_face_in_asn1_is_written_and_approved() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let profile = Profile::parse("p", "extends = \"specimen-uto\"\n[portrait]\nrecord = \"39794-5\"").unwrap();
    let order = &centre().orders[0];
    let face = face(order, &profile);
    let slot = Slot::new(1);
    let outcome =
        with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face))).unwrap();
    let Outcome::Finished(finished) = outcome else { panic!("not finished") };
    let report = finished.document.approved().report();
    let report = report.unwrap();
    assert_eq!(report.verdict, inspection::Verdict::GenuineValid);
    assert_eq!(report.portrait.as_ref().unwrap().image, face.coded);
    let written = Dg2::parse(&slot.card.borrow().state().emrtd.files[&0x0102]).unwrap();
    assert_eq!(written.faces[0].encoding(), Encoding::Iso39794);
}

#[test]
fn a_used_chip_a_foreign_chip_and_a_chip_with_other_keys_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let profile = small_profile();
    let orders = &centre().orders;
    let (first, second) = (&orders[0], &orders[1]);
    let (face_1, face_2) = (face(first, &profile), face(second, &profile));
    let slot = Slot::new(1);
    with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(first, &face_1))).unwrap();

    let state = slot.card.borrow().state().clone();
    let again = with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(second, &face_2)));
    assert!(matches!(again, Err(Failure::Unusable(Unusable::InUse { .. }))));
    let same = with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(first, &face_1)));
    assert!(matches!(same, Err(Failure::Ledger(_))));

    // The same card seen by another centre.
    let mut other = Ledger::open(&folder.path().join("other.jsonl")).unwrap();
    let foreign = with_line(&slot, &profile, &mut other, &keys(), |line| personalize(line, job(second, &face_2)));
    assert!(matches!(foreign, Err(Failure::Unusable(Unusable::Foreign { .. }))));
    let recovered = with_line(&slot, &profile, &mut other, &keys(), |line| {
        recover(line, &|_| Some(job(second, &face_2)), Wish::Reject { document: None })
    });
    assert!(matches!(recovered.unwrap(), Recovered::Foreign { .. }));
    assert!(*slot.card.borrow().state() == state);

    let fresh = Slot::new(2);
    let mut wrong = keys();
    wrong.mac = channel::secret::Secret::new(vec![7; 16]);
    let mut refused = |keys| {
        with_line(&fresh, &profile, &mut ledger, keys, |line| personalize(line, job(second, &face_2))).err().unwrap()
    };
    assert!(matches!(refused(&wrong), Failure::Unusable(Unusable::WrongKeys { .. })));
    // It is left alone, and that is not said of keys which were not tried.
    for keys in [&wrong, &keys()] {
        assert!(matches!(refused(keys), Failure::Unusable(Unusable::LeftAlone { attempts: 1, .. })));
    }
    // One attempt was made, with INITIALIZE UPDATE only.
    let attempts = fresh.trace.borrow().lines().filter(|line| line.starts_with("8050")).count();
    let authentications = fresh.trace.borrow().lines().filter(|line| line.starts_with("8482")).count();
    assert_eq!((attempts, authentications), (1, 0));
    assert_eq!(ledger.book().document(&second.document_number).unwrap().state, State::Ordered);
}

#[test]
fn a_refused_command_rejects_the_card_and_locks_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let order = &centre().orders[0];
    let profile = small_profile();
    let face = face(order, &profile);
    let slot = Slot::new(3);
    slot.refuse.replace(Some((0xE2, 12)));
    let outcome =
        with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face))).unwrap();
    let Outcome::Rejected(rejected) = outcome else { panic!("finished") };
    assert!(
        matches!(rejected.reason, Reason::Refused { instruction: 0xE2, status: Status::NOT_ENOUGH_MEMORY, .. }),
        "{}",
        rejected.reason
    );
    assert!(rejected.invalidated);
    let state = slot.card.borrow().state().clone();
    assert!(ApplicationState(state.emrtd.life_cycle as u8).is_locked());
    assert_eq!(CardState(state.issuer_domain.life_cycle as u8), CardState::INITIALIZED);
    let record = ledger.book().document(&order.document_number).unwrap();
    assert_eq!((record.state, record.invalidated), (State::QaRejected, true));
}

#[test]
fn a_card_that_still_has_its_first_keys_is_not_sealed_by_a_line_that_changes_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let order = &centre().orders[0];
    let profile = small_profile();
    let face = face(order, &profile);
    let slot = Slot::new(4);
    // Written and locked by a line that keeps keys, and torn while it is read back.
    slot.card.borrow_mut().tear(Tear { at: 60, when: When::After });
    let failed = with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face)));
    assert!(matches!(failed, Err(Failure::Interrupted { .. })));
    assert_eq!(ledger.book().document(&order.document_number).unwrap().state, State::Personalised);
    let issuer = issuer_keys();
    let recovered = with_rotating_line(&slot, &profile, &mut ledger, &keys(), Some(rotation(&issuer)), |line| {
        recover(line, &|_| Some(job(order, &face)), Wish::Finish)
    });
    let Ok(Recovered::Now(Outcome::Rejected(rejected))) = recovered else { panic!("not rejected") };
    assert_eq!(rejected.reason, Reason::Disagreement { what: "the chip still has the keys it came with" });
    assert!(rejected.invalidated);
}

#[test]
fn a_card_that_does_not_take_new_keys_is_rejected_and_can_still_be_opened() {
    // PUT KEY and DELETE.
    for instruction in [0xD8, 0xE4] {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
        let order = &centre().orders[0];
        let profile = small_profile();
        let face = face(order, &profile);
        let slot = Slot::new(6);
        slot.refuse.replace(Some((instruction, 1)));
        let issuer = issuer_keys();
        let outcome = with_rotating_line(&slot, &profile, &mut ledger, &keys(), Some(rotation(&issuer)), |line| {
            personalize(line, job(order, &face))
        });
        let Ok(Outcome::Rejected(rejected)) = outcome else { panic!("not rejected") };
        assert!(matches!(rejected.reason, Reason::Refused { step: Step::RotateKeys, .. }), "{}", rejected.reason);
        assert!(rejected.invalidated, "{instruction:02X}");
    }
}

#[test]
fn a_card_of_every_make_is_personalized_and_gets_the_issuer_s_keys() {
    let folder = tempfile::tempdir().unwrap();
    let order = &centre().orders[0];
    let issuer = issuer_keys();
    for (name, differs) in [
        ("maker-keys", "key_version = 0xFF\n"),
        ("random-challenge", ""),
        ("sixteen-byte-proofs", "proofs = 16\n"),
        ("counts-data-only", "counts = \"commands-with-data\"\n"),
        ("miserly", ""),
    ] {
        let source = format!(
            "extends = \"specimen-uto\"\nname = \"small\"\n[portrait]\nwidth = 100\nheight = 128\nmax_bytes = 3000\n[card]\n{differs}"
        );
        let profile = Profile::parse(name, &source).unwrap();
        let mut ledger = Ledger::open(&folder.path().join(name)).unwrap();
        let face = face(order, &profile);
        let text = EMBEDDED.iter().find(|(known, _)| *known == name).unwrap().1;
        let slot = Slot::with(BlankOptions { serial: Some([9; 6]), ..Persona::parse(text).unwrap().options() });
        let rotation = Rotation { from: profile.card.key_version, ..rotation(&issuer) };
        let outcome = with_rotating_line(&slot, &profile, &mut ledger, &keys(), Some(rotation), |line| {
            personalize(line, job(order, &face))
        });
        match outcome {
            Ok(Outcome::Finished(_)) => {}
            Ok(Outcome::Rejected(rejected)) => panic!("{name}: {}", rejected.reason),
            Err(error) => panic!("{name}: {error}"),
        }
        let versions: Vec<u8> = slot.card.borrow().state().issuer_domain.keys.keys().copied().collect();
        assert_eq!(versions, [ISSUER_VERSION], "{name}");
    }
}
