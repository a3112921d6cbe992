//! A residence office replaces the residence record after Terminal Authentication: who may, with what, and what a torn card has then.

use channel::terminal_auth::SHORT_COMMAND;
use eid::Application;
use eid::objects::{RESIDENCE, STATUS_HINT};
use eid::pin::{self, Pin};
use eid::residence::{Address, Residence, SignedResidence};
use iso7816::{Aid, Card, Chained, Command, Limits, Status};
use lds::date::Date;
use soft_card::fault::{Tear, When};
use soft_card::{SoftCard, State};

use crate::citizen::held;
use crate::support::*;
use crate::terminal::{BEFORE_TERMINALS, Hierarchy, Inspection};

const NO: Status = Status::SECURITY_NOT_SATISFIED;
const EVERYTHING: &[&str] = &["read-dg17", "write-dg17", "write-dg18"];
pub const HOLDER: &str = "199900000011";

/// A signed record as an office brings it; `bytes` of signature, which the card does not judge.
pub fn record(holder: &str, (year, month, day): (u16, u8, u8), house: &str, bytes: usize) -> Vec<u8> {
    let address = Address { governorate: "Erewhon".into(), house: house.into(), ..Address::default() };
    let date = Date::new(year, month, day).unwrap();
    let record = Residence { national_number: holder.into(), date, office: "0101".into(), address }.to_bytes();
    SignedResidence { record: &record, signature: &vec![0x5A; bytes] }.to_bytes()
}

fn first() -> Vec<u8> {
    record(HOLDER, (2026, 2, 1), "7", 700)
}

/// A card with both applications, in its holder's hands, that believes the inspection systems and the offices.
fn card(offices: &Hierarchy) -> SoftCard {
    card_of(&Hierarchy::new(), offices)
}

fn card_of(inspection: &Hierarchy, offices: &Hierarchy) -> SoftCard {
    let mut state = State { eid: held().state().eid.clone(), ..personalized(&Document::new(100)).state().clone() };
    state.emrtd.terminal_trust = Some(inspection.trust_with(offices));
    state.eid.as_mut().unwrap().objects.insert(RESIDENCE.tag.0, first());
    SoftCard::from_state(&state)
}

fn stored(card: &SoftCard) -> Option<&[u8]> {
    card.state().eid.as_ref().unwrap().objects.get(&RESIDENCE.tag.0).map(Vec::as_slice)
}

fn national() -> Command {
    select(&Application::National.aid())
}

fn get() -> Command {
    RESIDENCE.get().with_ne(iso7816::MAX_NE)
}

/// An office in a session, with the national file set selected.
fn office<'c>(card: &'c mut SoftCard, offices: &Hierarchy) -> Inspection<'c> {
    let mut inspection = Inspection::by_pace(card);
    offices.run(&mut inspection).unwrap();
    must(&mut inspection.card, &national()).unwrap();
    inspection
}

#[test]
fn an_office_reads_the_record_and_replaces_it_until_the_session_ends() {
    let offices = Hierarchy::offices(EVERYTHING);
    let mut card = card(&offices);
    let second = record(HOLDER, (2026, 3, 1), "8", 700);
    let mut session = office(&mut card, &offices);
    assert_eq!(session.ask(&get()).data, RESIDENCE.encode(&first()));
    assert_eq!(session.ask(&RESIDENCE.put(&second)).status, Status::OK);
    assert_eq!(session.ask(&get()).data, RESIDENCE.encode(&second));
    // The status hint is anyone's to read, and no terminal's to write.
    assert_eq!(session.ask(&STATUS_HINT.get()).data, STATUS_HINT.encode(&[0x80, 0x01, 0x01]));
    assert_eq!(session.ask(&STATUS_HINT.put(&[0x80, 0x01, 0x02])).status, NO);
    // Back to the travel document, where the office has no more rights than anyone, and here again.
    assert_eq!(session.ask(&select(&Aid::emrtd())).status, Status::OK);
    assert_eq!(session.fingers_and_eyes(), (NO.0, NO.0));
    assert_eq!(session.authorities(), ["UTCVCA00001"], "EF.CVCA is about the travel document");
    assert_eq!(session.ask(&RESIDENCE.put(&first())).status.0, 0x6D00, "there are no such objects there");
    assert_eq!(session.ask(&national()).status, Status::OK);
    assert_eq!(session.ask(&RESIDENCE.put(&record(HOLDER, (2026, 3, 1), "9", 700))).status, Status::OK);
    // A plain command ends the session and leaves the application selected, with nothing proved.
    assert_eq!(card.transmit(&get()).unwrap().status, NO);
    assert_eq!(card.transmit(&RESIDENCE.put(&second)).unwrap().status, NO);
    assert_eq!(stored(&card), Some(&record(HOLDER, (2026, 3, 1), "9", 700)[..]));
    // The holder reads it as ever.
    must(&mut card, &national()).unwrap();
    must(&mut card, &pin::verify(&Pin::from_digits(b"27182818").unwrap())).unwrap();
    let whole = Chained::new(&mut card, Limits::SHORT).transmit(&RESIDENCE.get()).unwrap();
    assert_eq!(whole.data, RESIDENCE.encode(&record(HOLDER, (2026, 3, 1), "9", 700)));
}

#[test]
fn each_right_allows_its_own() {
    for (rights, read, write) in [
        (&["read-dg17"][..], Status::OK, NO),
        (&["write-dg17"], NO, Status::OK),
        (&["write-dg18"], NO, NO),
        (&[], NO, NO),
    ] {
        let offices = Hierarchy::offices(rights);
        let mut card = card(&offices);
        let mut session = office(&mut card, &offices);
        assert_eq!(session.ask(&get()).status, read, "{rights:?}");
        assert_eq!(session.ask(&RESIDENCE.put(&first())).status, write, "{rights:?}");
    }
}

#[test]
fn a_session_without_an_office_reads_and_writes_nothing() {
    let offices = Hierarchy::offices(EVERYTHING);
    let inspection = Hierarchy::new();
    for inspects in [false, true] {
        let mut card = card_of(&inspection, &offices);
        let mut session = Inspection::by_pace(&mut card);
        if inspects {
            inspection.run(&mut session).unwrap();
            assert_eq!(session.fingers_and_eyes().0, 0x9000);
        }
        assert_eq!(session.ask(&select(&Application::Piv.aid())).status, Status::FILE_NOT_FOUND);
        assert_eq!(session.ask(&national()).status, Status::OK);
        assert_eq!(session.ask(&get()).status, NO);
        assert_eq!(session.ask(&RESIDENCE.put(&first())).status, NO);
        // Neither PIN nor keys, nor files of the travel document.
        for other in
            ["0020008008 3237313832383138", "0087119e067c048200810100", "00b08100000000", "00c0000000", "0084000008"]
        {
            let command = Command::parse(&hex::decode(other.replace(' ', "")).unwrap()).unwrap();
            assert_eq!(session.ask(&command).status, Status::INSTRUCTION_NOT_SUPPORTED, "{other}");
        }
        assert_eq!(session.ask(&get()).status, NO);
    }
    // Nor does the right of an earlier session.
    let mut card = card(&offices);
    drop(office(&mut card, &offices));
    card.reset();
    let mut session = Inspection::by_pace(&mut card);
    must(&mut session.card, &national()).unwrap();
    assert_eq!(session.ask(&RESIDENCE.put(&first())).status, NO);
}

#[test]
fn a_chain_of_the_wrong_root_grants_nothing() {
    // Offices below the CVCA of inspection systems: the chip lets them in and grants nothing.
    let (inspection, mut offices) = (Hierarchy::new(), Hierarchy::offices(EVERYTHING));
    let mut card = card_of(&inspection, &offices);
    offices.under(&inspection);
    let mut session = Inspection::by_pace(&mut card);
    offices.run(&mut session).unwrap();
    assert_eq!(session.fingers_and_eyes(), (NO.0, NO.0));
    must(&mut session.card, &national()).unwrap();
    assert_eq!(session.ask(&get()).status, NO);
    assert_eq!(session.ask(&RESIDENCE.put(&first())).status, NO);
}

#[test]
fn what_cannot_be_the_holder_s_next_record_is_refused() {
    let offices = Hierarchy::offices(EVERYTHING);
    let mut card = card(&offices);
    let good = record(HOLDER, (2026, 2, 1), "8", 10);
    let mut trailing = good.clone();
    trailing.extend([0x83, 0x00]);
    let mut session = office(&mut card, &offices);
    for (content, status) in [
        (record("199900000022", (2026, 3, 1), "8", 10), Status::WRONG_DATA),
        (record(HOLDER, (2026, 1, 31), "8", 10), Status::CONDITIONS_NOT_SATISFIED),
        (vec![], Status::WRONG_DATA),
        (b"elsewhere".to_vec(), Status::WRONG_DATA),
        (good[..good.len() - 1].to_vec(), Status::WRONG_DATA),
        (trailing, Status::WRONG_DATA),
        (vec![0; 13_000], Status::NOT_ENOUGH_MEMORY),
    ] {
        assert_eq!(session.ask(&RESIDENCE.put(&content)).status, status, "{}", content.len());
    }
    assert_eq!(session.ask(&get()).data, RESIDENCE.encode(&first()));
    // Another entry of the same day is good.
    assert_eq!(session.ask(&RESIDENCE.put(&good)).status, Status::OK);
    // A card whose order had no address gets its first record, of any day.
    let mut state = card.state().clone();
    state.eid.as_mut().unwrap().objects.remove(&RESIDENCE.tag.0);
    let mut card = SoftCard::from_state(&state);
    let mut session = office(&mut card, &offices);
    assert_eq!(session.ask(&get()).status, Status::FILE_NOT_FOUND);
    assert_eq!(session.ask(&RESIDENCE.put(&record(HOLDER, (1999, 1, 1), "8", 10))).status, Status::OK);
}

/// The whole way of an office whose reader knows short commands only.
fn replace(card: &mut SoftCard, offices: &Hierarchy, content: &[u8]) -> bool {
    let mut inspection = Inspection::by_pace(card);
    if offices.run(&mut inspection).is_err() {
        return false;
    }
    let mut card = Chained::new(&mut inspection.card, Limits { command_data: SHORT_COMMAND, ..Limits::SHORT });
    [national(), RESIDENCE.put(content)].iter().all(|command| must(&mut card, command).is_ok())
}

#[test]
fn a_card_torn_at_any_command_has_the_old_record_or_the_new_one() {
    let offices = Hierarchy::offices(EVERYTHING);
    let second = record(HOLDER, (2026, 3, 1), "8", 700);
    let mut whole = card(&offices);
    assert!(replace(&mut whole, &offices, &second));
    let commands = whole.commands();
    assert!(commands > BEFORE_TERMINALS + 10, "the record goes out in links");
    let mut replaced = 0;
    for at in BEFORE_TERMINALS..commands {
        for when in [When::Before, When::After] {
            let mut card = card(&offices);
            card.tear(Tear { at, when });
            assert!(!replace(&mut card, &offices, &second), "{at} {when:?}");
            let now = stored(&card).unwrap().to_vec();
            assert!(now == first() || now == second, "{at} {when:?}: half a record");
            replaced += usize::from(now == second);
            // Done again, it is done.
            card.power_on();
            assert!(replace(&mut card, &offices, &second), "{at} {when:?}");
            assert_eq!(stored(&card), Some(&second[..]));
        }
    }
    assert_eq!(replaced, 1, "only after the last link");
}

#[test]
fn links_that_something_came_between_make_no_record() {
    let offices = Hierarchy::offices(EVERYTHING);
    let second = record(HOLDER, (2026, 3, 1), "8", 700);
    let whole = RESIDENCE.put(&second);
    let (head, tail) = whole.data.split_at(200);
    let head = Command { cla: 0x10, data: head.to_vec(), ..whole.clone() };
    let tail = Command { data: tail.to_vec(), ..whole.clone() };
    for between in [get(), national(), select(&Aid::emrtd()), Command::new(0x10, 0x20, 0x00, 0x80).with_data([1])] {
        let mut card = card(&offices);
        let mut session = office(&mut card, &offices);
        assert_eq!(session.ask(&head).status, Status::OK);
        session.ask(&between);
        assert!(!session.ask(&tail).status.is_ok(), "{between:?}");
        assert_eq!(stored(&card), Some(&first()[..]), "{between:?}");
    }
    let mut card = card(&offices);
    let mut session = office(&mut card, &offices);
    session.ask(&head);
    assert_eq!(session.ask(&tail).status, Status::OK);
    assert_eq!(stored(&card), Some(&second[..]));
}

#[test]
fn an_application_taken_away_is_not_there_under_a_session_either() {
    let offices = Hierarchy::offices(EVERYTHING);
    let mut state = card(&offices).state().clone();
    let citizen = state.eid.as_mut().unwrap();
    citizen.life_cycles = citizen
        .life_cycles
        .map(|cycles| soft_card::eid::LifeCycles { national: soft_card::emrtd::ApplicationLife::Locked, ..cycles });
    let mut locked = SoftCard::from_state(&state);
    let mut session = Inspection::by_pace(&mut locked);
    offices.run(&mut session).unwrap();
    assert_eq!(session.ask(&national()).status, Status::FILE_NOT_FOUND);
    // Nor on a card without the application.
    let mut plain = personalized(&Document::new(100));
    assert_eq!(Inspection::by_pace(&mut plain).ask(&national()).status, Status::FILE_NOT_FOUND);
}

#[test]
fn a_long_answer_is_fetched_in_clear_pieces_of_what_is_protected() {
    let offices = Hierarchy::offices(EVERYTHING);
    let mut card = card(&offices);
    let short = RESIDENCE.get();
    {
        let mut reader = Chained::new(&mut card, Limits::SHORT);
        let mut session = Inspection::by_pace(&mut reader);
        offices.run(&mut session).unwrap();
        must(&mut session.card, &national()).unwrap();
        assert_eq!(session.ask(&short).data, RESIDENCE.encode(&first()));
        // The session goes on.
        assert_eq!(session.ask(&RESIDENCE.put(&record(HOLDER, (2026, 3, 1), "8", 10))).status, Status::OK);
        assert_eq!(session.ask(&short).data, RESIDENCE.encode(&record(HOLDER, (2026, 3, 1), "8", 10)));
    }
    card.reset();
    // Without anything that waits, GET RESPONSE is a plain command like others: it ends the session.
    let mut session = office(&mut card, &offices);
    let get_response = Command::new(0x00, 0xC0, 0x00, 0x00).with_ne(256);
    drop(session.ask(&get()));
    assert_eq!(card.transmit(&get_response).unwrap().status, Status::CONDITIONS_NOT_SATISFIED);
    assert_eq!(card.transmit(&get()).unwrap().status, NO);
}
