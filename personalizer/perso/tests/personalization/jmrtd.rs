//! Cards with the passport applet of the JMRTD project, which the ledger alone binds.

use iso7816::{Aid, Card, Command, Response, Status, TransmitError};
use perso::applet::Condition;
use perso::execute::{Failure, Outcome, Reason, Unusable, personalize};
use perso::issuer::IssuerDomain;
use perso::ledger::{Event, Ledger, Reading, State, Step};
use perso::plan::PlanError;
use perso::profile::Profile;
use perso::recover::{RecoverError, Recovered, Wish, recover};
use soft_card::fault::{Tear, When};
use soft_card::jmrtd::Memory;
use soft_card::persona::{EMBEDDED, Persona};
use soft_card::{BlankOptions, SoftCard};

use crate::bench::*;

const SMALL: &str =
    "extends = \"specimen-uto-jmrtd\"\nname = \"small\"\n[portrait]\nwidth = 100\nheight = 128\nmax_bytes = 3000\n";

fn small() -> Profile {
    Profile::parse("small", SMALL).unwrap()
}

fn blank(serial: u8) -> Slot {
    let text = EMBEDDED.iter().find(|(name, _)| *name == "jmrtd-passport").unwrap().1;
    Slot::with(BlankOptions { serial: Some([serial; 6]), ..Persona::parse(text).unwrap().options() })
}

fn memory(slot: &Slot) -> Memory {
    slot.card.borrow().state().jmrtd.clone().unwrap()
}

/// The chip as after its package was deleted and installed again.
fn reinstalled(slot: &Slot) -> Slot {
    let mut state = slot.card.borrow().state().clone();
    state.jmrtd = Some(Memory::default());
    Slot::holding(&state)
}

fn make(slot: &Slot, profile: &Profile, ledger: &mut Ledger) -> Result<Outcome, Failure> {
    let order = &centre().orders[0];
    let face = face(order, profile);
    with_line(slot, profile, ledger, &keys(), |line| personalize(line, job(order, &face)))
}

fn bring_back(slot: &Slot, profile: &Profile, ledger: &mut Ledger) -> Result<Recovered, RecoverError> {
    let order = &centre().orders[0];
    let face = face(order, profile);
    with_line(slot, profile, ledger, &keys(), |line| {
        recover(line, &|number| (number == order.document_number).then(|| job(order, &face)), Wish::Finish)
    })
}

#[test]
fn orders_become_cards_that_the_inspection_calls_genuine() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let profile = Profile::load("specimen-uto-jmrtd").unwrap();
    // Among them names without surname, partial dates of birth, long names.
    for (index, order) in centre().orders.iter().take(8).enumerate() {
        let slot = blank(index as u8 + 1);
        let face = face(order, &profile);
        let outcome = with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face)));
        let outcome = outcome.unwrap_or_else(|error| panic!("{}: {error}", order.document_number));
        let Outcome::Finished(finished) = outcome else { panic!("{} was not finished", order.document_number) };
        let report = finished.document.approved().report().unwrap();
        assert_eq!(report.verdict, inspection::Verdict::GenuineValid);
        let proof = report.checks.iter().find(|check| check.id == "active-authentication").unwrap();
        assert!(proof.reason.contains("RSA with 1024 bits, SHA-1"), "{}", proof.reason);
        let record = ledger.book().document(&order.document_number).unwrap();
        assert_eq!((record.state, record.token.as_deref()), (State::QaPassed, Some("")));
        let memory = memory(&slot);
        assert!(memory.locked);
        assert_eq!(memory.files.len(), 8, "EF.COM, EF.SOD, DG1, 2, 11, 12, 13, 15");
        // Nothing went to the issuer domain but the questions who it is.
        let trace = slot.trace.borrow();
        let mut commands = trace.lines().step_by(2);
        assert!(!commands.any(|line| line.starts_with("80e2") || line.starts_with("84")));
    }
}

#[test]
fn what_is_no_empty_applet_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let profile = small();
    let file = Command::new(0x00, 0xE0, 0x00, 0x00).with_data([0x63, 0x04, 0x00, 0x10, 0x01, 0x0F]);
    let keys = hex::decode("621e 5f1f09 4c383938393032433c 5f1806 363930383036 5f1906 393430363233".replace(' ', ""));
    let keys = Command::new(0x00, 0xDA, 0x00, 0x62).with_data(keys.unwrap());
    let lock = Command::new(0x00, 0xDA, 0xDE, 0xAD);
    for (number, commands, expected) in
        [(1, vec![file], Condition::Begun), (2, vec![keys], Condition::Begun), (3, vec![lock], Condition::Locked)]
    {
        let slot = blank(number);
        let select = Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(Aid::emrtd().as_bytes());
        for command in [select].iter().chain(&commands) {
            assert_eq!(slot.card.borrow_mut().transmit(command).unwrap().status, Status::OK);
        }
        let before = memory(&slot);
        match make(&slot, &profile, &mut ledger) {
            Err(Failure::Unusable(Unusable::NotEmpty { condition, .. })) => assert_eq!(condition, expected),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("used"),
        }
        let recovered = bring_back(&slot, &profile, &mut ledger);
        assert!(matches!(recovered, Ok(Recovered::Foreign { .. })), "{number}: it is not given back as a blank");
        assert!(memory(&slot) == before);
    }
    assert!(matches!(bring_back(&blank(4), &profile, &mut ledger), Ok(Recovered::Nothing { .. })));
    let spoiled = blank(5);
    let chip = spoiled.card.borrow().state().chip_serial();
    ledger.append(Event::BlankSpoiled { chip: Some(chip), reason: "bent".to_owned() }).unwrap();
    let recovered = bring_back(&spoiled, &profile, &mut ledger);
    assert!(matches!(recovered, Err(RecoverError::Failure(Failure::Unusable(Unusable::Spoiled { .. })))));
    // A chip that does not say who it is cannot be accounted for.
    let mute = blank(7);
    mute.refuse.replace(Some((0xCA, 1)));
    assert!(matches!(make(&mute, &profile, &mut ledger), Err(Failure::Unusable(Unusable::Dialogue(_)))));
    assert!(memory(&mute) == Memory::default());
    // A card of this project is no such card, and such a card is none of this project's.
    let own = Slot::new(9);
    assert!(matches!(make(&own, &profile, &mut ledger), Err(Failure::Unusable(_))));
    assert!(matches!(make(&blank(8), &small_profile(), &mut ledger), Err(Failure::Unusable(_))));
    assert_eq!(ledger.book().document(&centre().orders[0].document_number).unwrap().state, State::Ordered);
}

/// A chip whose issuer domain has the name of another maker.
struct OtherMaker(SoftCard);

impl Card for OtherMaker {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        if command.ins == 0xA4 && command.data == Aid::issuer_domain().as_bytes() {
            return Ok(Response::status(Status::FILE_NOT_FOUND));
        }
        self.0.transmit(command)
    }
}

#[test]
fn a_chip_says_who_it_is_whatever_its_issuer_domain_is_called() {
    let card = SoftCard::from_state(blank(1).card.borrow().state());
    let serial = card.state().chip_serial();
    assert_eq!(IssuerDomain::select(OtherMaker(card)).unwrap().serial(), serial);
}

/// Puts the card back until it is finished or rejected, and compares ledger and chip.
fn settle(slot: &Slot, path: &std::path::Path, at: &str) -> State {
    let profile = small();
    let mut ledger = Ledger::open(path).unwrap();
    for _ in 0..4 {
        match bring_back(slot, &profile, &mut ledger) {
            Ok(Recovered::Now(_) | Recovered::Complete { .. }) => break,
            Ok(Recovered::Nothing { .. }) => {
                if matches!(make(slot, &profile, &mut ledger), Ok(Outcome::Finished(_))) {
                    break;
                }
            }
            Ok(Recovered::Foreign { .. }) => panic!("{at}: foreign"),
            Err(RecoverError::Failure(Failure::Interrupted { .. } | Failure::Unusable(_))) => {}
            Err(other) => panic!("{at}: {other}"),
        }
    }
    drop(ledger);
    let reading = Reading::of(path).unwrap();
    let record = reading.book.document(&centre().orders[0].document_number).unwrap();
    let memory = memory(slot);
    match record.state {
        State::QaPassed => {
            assert!(memory.locked, "{at}");
            let sod = &memory.files[&0x011D][..memory.sizes[&0x011D] as usize];
            let digest = hex::encode(openssl::sha::sha256(sod));
            assert_eq!(record.security_object, Some(digest), "{at}");
        }
        State::QaRejected => assert!(memory.locked || record.invalidated, "{at}: {:?}", record.reason),
        other => panic!("{at}: the ledger says {other:?}"),
    }
    assert_eq!(reading.book.chips().filter(|(_, chip)| chip.document.is_some()).count(), 1, "{at}");
    assert_eq!(record.chip.as_deref(), reading.book.chips().next().map(|(serial, _)| serial), "{at}");
    record.state
}

/// The card is pulled at command `at`, and once more at command `again` of the recovery. `None` when there are fewer commands.
fn torn_at(at: u64, when: When, again: Option<u64>) -> Option<State> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let mut ledger = Ledger::open(&path).unwrap();
    let slot = blank(9);
    slot.card.borrow_mut().tear(Tear { at, when });
    match make(&slot, &small(), &mut ledger) {
        Ok(Outcome::Finished(_)) => {
            assert!(slot.card.borrow().commands() <= at, "command {at} was torn and nobody noticed");
            return None;
        }
        Ok(Outcome::Rejected(rejected)) => panic!("a torn card was rejected at once: {}", rejected.reason),
        Err(Failure::Interrupted { .. } | Failure::Unusable(_)) => {}
        Err(other) => panic!("{other}"),
    }
    drop(ledger);
    if let Some(again) = again {
        slot.card.borrow_mut().tear(Tear { at: again, when });
    }
    Some(settle(&slot, &path, &format!("torn at {at}")))
}

fn torn_everywhere(when: When) {
    let mut at = 0;
    while let Some(state) = torn_at(at, when, None) {
        assert_eq!(state, State::QaPassed, "{at}");
        at += 1;
    }
    assert!(at > 60, "only {at} commands");
}

#[test]
fn pulled_before_any_command_the_card_is_finished_when_it_comes_back() {
    torn_everywhere(When::Before);
}

#[test]
fn pulled_after_any_command_the_card_is_finished_when_it_comes_back() {
    torn_everywhere(When::After);
}

#[test]
fn pulled_a_second_time_it_is_finished_all_the_same() {
    for at in [22, 30, 50, 60] {
        for again in (0..70).step_by(6) {
            torn_at(at, When::After, Some(again));
        }
    }
}

#[test]
fn whenever_the_host_dies_the_card_ends_finished_or_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let mut ledger = Ledger::open(&path).unwrap();
    let slot = Slot { ledger: Some(path.clone()), ..blank(8) };
    make(&slot, &small(), &mut ledger).unwrap();
    drop(ledger);
    let moments = slot.moments.borrow().clone();
    assert!(moments.len() > 120);
    for (index, moment) in moments.iter().enumerate() {
        std::fs::write(&path, &moment.ledger).unwrap();
        std::fs::write(path.with_extension("jsonl.head"), &moment.head).unwrap();
        settle(&Slot::holding(&moment.card), &path, &format!("moment {index}"));
    }
}

/// A ledger and a card torn at command `at`.
fn torn(at: u64) -> (tempfile::TempDir, Ledger, Slot) {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let slot = blank(7);
    slot.card.borrow_mut().tear(Tear { at, when: When::After });
    assert!(matches!(make(&slot, &small(), &mut ledger), Err(Failure::Interrupted { .. })));
    (folder, ledger, slot)
}

/// A command in the middle of the files.
const WRITING: u64 = 40;

#[test]
fn a_torn_card_may_get_its_applet_anew() {
    let (_folder, mut ledger, slot) = torn(WRITING);
    assert!(!memory(&slot).files.is_empty() && !memory(&slot).locked);
    let mut without = slot.card.borrow().state().clone();
    without.jmrtd = None;
    without.emrtd.life_cycle = soft_card::emrtd::ApplicationLife::Locked;
    let absent = bring_back(&Slot::holding(&without), &small(), &mut ledger);
    assert!(matches!(absent, Err(RecoverError::Failure(Failure::Unusable(Unusable::NoApplet { .. })))));
    let other = bring_back(&slot, &small_profile(), &mut ledger);
    assert!(matches!(other, Err(RecoverError::OtherKind { .. })));
    let slot = reinstalled(&slot);
    let recovered = bring_back(&slot, &small(), &mut ledger);
    assert!(matches!(recovered, Ok(Recovered::Now(Outcome::Finished(_)))));
}

#[test]
fn chip_and_ledger_that_do_not_agree_are_rejected() {
    // Locked by somebody else in the middle.
    let (_folder, mut ledger, slot) = torn(WRITING);
    let mut state = slot.card.borrow().state().clone();
    state.jmrtd.as_mut().unwrap().locked = true;
    let Ok(Recovered::Now(Outcome::Rejected(rejected))) = bring_back(&Slot::holding(&state), &small(), &mut ledger)
    else {
        panic!("not rejected")
    };
    assert!(matches!(rejected.reason, Reason::Disagreement { .. }) && !rejected.invalidated, "what is locked stays");
    assert_eq!(ledger.book().document(&centre().orders[0].document_number).unwrap().state, State::QaRejected);

    // Finished, and empty when it comes back.
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let slot = blank(6);
    assert!(matches!(make(&slot, &small(), &mut ledger), Ok(Outcome::Finished(_))));
    let slot = reinstalled(&slot);
    let Ok(Recovered::Now(Outcome::Rejected(rejected))) = bring_back(&slot, &small(), &mut ledger) else {
        panic!("not rejected")
    };
    assert!(matches!(rejected.reason, Reason::Disagreement { .. }) && rejected.invalidated);
    assert!(memory(&slot).locked);
}

#[test]
fn a_rejected_card_is_emptied_while_it_can_be_and_told_when_it_cannot() {
    let reject = |slot: &Slot, ledger: &mut Ledger| {
        let recovered = with_line(slot, &small(), ledger, &keys(), |line| {
            recover(line, &|_| None, Wish::Reject { document: None })
        });
        let Ok(Recovered::Now(Outcome::Rejected(rejected))) = recovered else { panic!("not rejected") };
        rejected.invalidated
    };
    let (_folder, mut ledger, slot) = torn(WRITING);
    assert!(reject(&slot, &mut ledger));
    assert!(!ledger.book().document(&centre().orders[0].document_number).unwrap().given_up);
    let emptied = memory(&slot);
    assert!(emptied.locked && !emptied.sizes.is_empty() && emptied.sizes.values().all(|size| *size == 0));

    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let slot = blank(2);
    assert!(matches!(make(&slot, &small(), &mut ledger), Ok(Outcome::Finished(_))));
    assert!(!reject(&slot, &mut ledger), "a finished card cannot be undone");
    let record = ledger.book().document(&centre().orders[0].document_number).unwrap();
    assert!(!record.invalidated && record.given_up, "it is not waited for either");
    assert!(!reject(&slot, &mut ledger), "whoever puts it in again is told the same");
}

#[test]
fn a_chip_whose_memory_is_full_is_rejected_and_locked() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let slot = blank(5);
    slot.refuse.replace(Some((0xE0, 4)));
    let Ok(Outcome::Rejected(rejected)) = make(&slot, &small(), &mut ledger) else { panic!("not rejected") };
    assert!(matches!(rejected.reason, Reason::Refused { step: Step::WriteFiles, instruction: 0xE0, .. }));
    assert!(rejected.invalidated && memory(&slot).locked);
    // The chip is spent: the ledger gives it no other document.
    let order = &centre().orders[1];
    let face = face(order, &small());
    let other =
        with_line(&reinstalled(&slot), &small(), &mut ledger, &keys(), |line| personalize(line, job(order, &face)));
    assert!(matches!(other, Err(Failure::Unusable(Unusable::InUse { .. }))));
}

#[test]
fn a_lock_that_does_not_hold_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let slot = blank(4);
    slot.pretend.replace(Some([0xDA, 0xDE, 0xAD]));
    let Ok(Outcome::Rejected(rejected)) = make(&slot, &small(), &mut ledger) else { panic!("not rejected") };
    assert_eq!(rejected.reason, Reason::Differs { file: "the lock of the applet".to_owned() });
}

#[test]
fn what_does_not_fit_is_refused_before_any_card() {
    let parse = |over: &str| Profile::parse("p", &format!("{SMALL}{over}"));
    for (over, expected) in [
        ("format = \"jpeg2000\"\n", "portrait.format must be \"jpeg\""),
        ("[lds]\ndata_groups = [1, 2, 14, 15]\n", "without 14"),
        ("[lds]\ndata_groups = [1, 2]\n", "with 15"),
        ("[card]\nblock_size = 225\n", "at most 224"),
        ("[keys]\nversion = 0x31\nderivation = \"none\"\n", "no keys of an issuer"),
        ("[eid]\nkeys = [\"signature\"]\n", "no citizen application"),
        ("[card]\napplet = \"another\"\n", "unknown variant"),
    ] {
        let error = parse(over).unwrap_err().to_string();
        assert!(error.contains(expected), "{over}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let slot = blank(3);
    let full = parse("[card]\ncapacity = 5000\n").unwrap();
    assert!(matches!(make(&slot, &full, &mut ledger), Err(Failure::Plan(PlanError::Capacity { capacity: 5000, .. }))));
    let order = &centre().orders[0];
    let mut large = face(order, &small());
    large.coded.resize(0x8000, 0);
    let refused = with_line(&slot, &small(), &mut ledger, &keys(), |line| personalize(line, job(order, &large)));
    assert!(matches!(refused, Err(Failure::Plan(PlanError::FileSize { file: "EF.DG2", most: 0x7FFF, .. }))));
    assert!(slot.trace.borrow().is_empty(), "a card was touched");
}
