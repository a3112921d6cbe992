//! A residence office replaces the record: what is written to which card, and what is said when it is not.

use channel::random::OsRandom;
use eid::objects::RESIDENCE;
use eid::residence::{Address, Residence, SignedResidence};
use inspection::evidence::Interruption;
use inspection::procedure::{Errand, ReplaceError, Replaced, Terminal, replace_residence};
use inspection::{Evidence, Options, Verdict};
use iso7816::Status;
use lds::date::Date;
use soft_card::fault::{Tear, When};
use soft_card::{BlankOptions, SoftCard, State};

use crate::issuer::{Document, Issuer, days_after, usual_start};
use crate::terminals::{Terminals, opened};
use crate::{judged, today, with_can};

const BOTH: &[&str] = &["read-dg17", "write-dg17"];

/// A record of that day with `bytes` of signature, which nobody judges here.
fn record(day: u8, house: &str, bytes: usize) -> Vec<u8> {
    let address = Address { governorate: "Erewhon".into(), house: house.into(), ..Address::default() };
    let date = Date::new(2026, 5, day).unwrap();
    let record = Residence { national_number: "199900000011".into(), date, office: "0101".into(), address }.to_bytes();
    SignedResidence { record: &record, signature: &vec![0x5A; bytes] }.to_bytes()
}

struct Office {
    issuer: Issuer,
    offices: Terminals,
    inspection: Terminals,
    state: State,
}

impl Office {
    /// Cards that believe offices and inspection systems, with a record of the fourth.
    fn new() -> Self {
        let issuer = Issuer::new("specimen-uto");
        let (offices, inspection) = (Terminals::of_offices(usual_start()), Terminals::starting(usual_start()));
        let mut state = issuer.state(&Document::specimen());
        let options = BlankOptions { serial: Some([0, 0, 0, 1, 0, 1]), eid: true, ..BlankOptions::default() };
        state.eid = State::blank(options).unwrap().eid;
        state.eid.as_mut().unwrap().objects.insert(RESIDENCE.tag.0, record(4, "7", 900));
        inspection.believed_by(&mut state, usual_start());
        offices.believed_by(&mut state, usual_start());
        Office { issuer, offices, inspection, state }
    }

    fn terminal(&self, rights: &[&str]) -> Terminal {
        terminal_of(&self.offices, "OFFICE", rights)
    }

    fn card(&self) -> SoftCard {
        SoftCard::from_state(&self.state)
    }
}

pub fn terminal_of(authority: &Terminals, mnemonic: &str, rights: &[&str]) -> Terminal {
    let dv = authority.document_verifier("DVSTATE", days_after(usual_start(), 1));
    opened(&authority.terminal(&dv, mnemonic, rights, 30, days_after(usual_start(), 2)))
}

fn stored(card: &SoftCard) -> Option<&[u8]> {
    card.state().eid.as_ref().unwrap().objects.get(&RESIDENCE.tag.0).map(Vec::as_slice)
}

type Outcome = Result<Replaced, ReplaceError>;

fn replace_in(card: &mut SoftCard, terminal: &Terminal, record: &[u8], extended_length: bool) -> (Evidence, Outcome) {
    let options = Options { extended_length, ..Options::new(today()) };
    let errand = Errand { terminal, record, approve: &mut |_| true };
    replace_residence(card, &with_can(), &options, errand, &mut OsRandom, &mut |_| {})
}

fn replace(card: &mut SoftCard, terminal: &Terminal, record: &[u8]) -> Outcome {
    card.reset();
    replace_in(card, terminal, record, true).1
}

#[test]
fn the_record_is_replaced_and_read_back_whatever_length_the_reader_knows() {
    let mut office = Office::new();
    let store = office.issuer.store(vec![]);
    let terminal = office.terminal(BOTH);
    for extended in [false, true] {
        let mut card = office.card();
        let (second, third) = (record(5, "8", 900), record(6, "9", 20));
        let (evidence, outcome) = replace_in(&mut card, &terminal, &second, extended);
        assert_eq!(outcome, Ok(Replaced { before: Some(record(4, "7", 900)) }), "{extended}");
        assert_eq!(stored(&card), Some(&second[..]));
        assert_eq!(judged(&evidence, &store).verdict, Verdict::GenuineValid);
        assert_eq!(evidence.interrupted, None);
        assert_eq!(replace(&mut card, &terminal, &third), Ok(Replaced { before: Some(second) }));
        // The first record of a card.
        let mut state = office.state.clone();
        state.eid.as_mut().unwrap().objects.clear();
        let mut card = SoftCard::from_state(&state);
        assert_eq!(replace_in(&mut card, &terminal, &third, extended).1, Ok(Replaced { before: None }));
        assert_eq!(stored(&card), Some(&third[..]));
    }
}

#[test]
fn nothing_is_written_to_a_card_that_is_not_approved_or_does_not_know_the_office() {
    let office = Office::new();
    let terminal = office.terminal(BOTH);
    let second = record(5, "8", 20);
    let mut card = office.card();
    let mut seen = None;
    let errand = Errand {
        terminal: &terminal,
        record: &second,
        approve: &mut |evidence| {
            seen = Some(evidence.content("EF.SOD").is_some() && evidence.chip_authentication.is_some());
            false
        },
    };
    let options = Options::new(today());
    let (_, outcome) = replace_residence(&mut card, &with_can(), &options, errand, &mut OsRandom, &mut |_| {});
    assert_eq!((outcome, seen), (Err(ReplaceError::NotApproved), Some(true)));
    let mut refused = |terminal: &Terminal, record: &[u8]| {
        let outcome = replace(&mut card, terminal, record).unwrap_err();
        assert_eq!(stored(&card), Some(&office.state.eid.as_ref().unwrap().objects[&RESIDENCE.tag.0][..]));
        outcome
    };
    let no = Status::SECURITY_NOT_SATISFIED;
    assert_eq!(refused(&office.terminal(&["read-dg17"]), &second), ReplaceError::Refused { status: no });
    assert_eq!(refused(&office.terminal(&["write-dg17"]), &second), ReplaceError::Unreadable { status: no });
    let inspector = terminal_of(&office.inspection, "BORDER", &["read-dg3"]);
    assert_eq!(refused(&inspector, &second), ReplaceError::Unreadable { status: no });
    let stranger = terminal_of(&Terminals::of_offices(usual_start()), "OFFICE", BOTH);
    assert!(
        matches!(refused(&stranger, &second), ReplaceError::Terminal { reason } if reason.contains("UTDVSTATE00001"))
    );
    let older = Status::CONDITIONS_NOT_SATISFIED;
    assert_eq!(refused(&terminal, &record(3, "6", 20)), ReplaceError::Refused { status: older });
    assert_eq!(refused(&terminal, b"no record"), ReplaceError::Refused { status: Status::WRONG_DATA });
    // A card without the national file set, and one that believes nobody.
    let mut state = office.state.clone();
    state.eid = None;
    let outcome = replace(&mut SoftCard::from_state(&state), &terminal, &second);
    assert_eq!(outcome, Err(ReplaceError::NoFileSet { status: Status::FILE_NOT_FOUND }));
    state.emrtd.terminal_trust = None;
    let outcome = replace(&mut SoftCard::from_state(&state), &terminal, &second);
    assert!(matches!(outcome, Err(ReplaceError::Terminal { .. })), "{outcome:?}");
    state.emrtd.files.remove(&0x011C);
    let outcome = replace(&mut SoftCard::from_state(&state), &terminal, &second);
    assert_eq!(outcome, Err(ReplaceError::NotOpened), "it offers no PACE");
}

#[test]
fn the_card_learns_the_next_key_of_the_offices_from_the_link() {
    let office = Office::new();
    office.offices.roll_over(days_after(usual_start(), 3));
    let terminal = office.terminal(BOTH);
    let mut card = office.card();
    for day in [5, 6] {
        let outcome = replace(&mut card, &terminal, &record(day, "8", 20));
        assert!(outcome.is_ok(), "{day}: {outcome:?}");
    }
    let points = &card.state().emrtd.terminal_trust.as_ref().unwrap().points;
    let names: Vec<_> = points.iter().map(|point| point.certificate().body().holder.to_string()).collect();
    assert_eq!(names, ["UTATCVCA00002", "UTISCVCA00001", "UTATCVCA00001"]);
}

/// Whatever the moment, the card has the old record or the new one, and what is said of it is true.
#[test]
fn a_card_that_leaves_at_any_command_is_told_of_truly() {
    let office = Office::new();
    let terminal = office.terminal(BOTH);
    let (first, second) = (record(4, "7", 900), record(5, "8", 900));
    for extended in [false, true] {
        let mut card = office.card();
        replace_in(&mut card, &terminal, &second, extended).1.unwrap();
        let (whole, mut uncertain) = (card.commands(), 0);
        for (at, when) in (whole - 20..whole).flat_map(|at| [(at, When::Before), (at, When::After)]) {
            let mut card = office.card();
            card.tear(Tear { at, when });
            let outcome = replace_in(&mut card, &terminal, &second, extended).1;
            let now = stored(&card).unwrap();
            assert!(now == first || now == second, "{at} {when:?}");
            match outcome.unwrap_err() {
                ReplaceError::Interrupted(Interruption::CardLost) => assert_eq!(now, first, "{at} {when:?}"),
                ReplaceError::Uncertain(Interruption::CardLost) => uncertain += 1,
                other => panic!("{at} {when:?}: {other:?}"),
            }
            // The same again does it.
            card.power_on();
            assert!(replace(&mut card, &terminal, &second).is_ok(), "{at} {when:?}");
            assert_eq!(stored(&card), Some(&second[..]));
        }
        assert!(uncertain >= 4, "the record and its reading were torn {uncertain} times");
    }
}
