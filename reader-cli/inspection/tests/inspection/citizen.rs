//! Citizen applications: residence records good and bad, and cards that do not end.

use std::time::Duration;

use authority::SignerKind;
use channel::random::OsRandom;
use eid::objects::{RESIDENCE, STATUS_HINT};
use eid::pin::Pin;
use eid::residence::{Address, Residence, SignedResidence};
use eid::status_hint::{CardStatus, StatusHint};
use inspection::Verdict;
use inspection::citizen::{
    Basis, CHECKS, Judgement, OpenError, PinState, ReadError, Report, judge, judge_residence, open, read,
};
use inspection::procedure::Budget;
use iso7816::{Card, Command, Response, Status, TransmitError};
use lds::date::Date;
use soft_card::eid::{Memory, Reference};
use soft_card::{SoftCard, State};
use trust::TrustStore;

use crate::issuer::{Document, Issuer, days_after, usual_start};
use crate::{judged, today, with_can};

fn pin() -> Pin {
    Pin::from_digits(b"271828").unwrap()
}

/// Where the holder of the specimen lives since the day of issue.
fn home() -> Residence {
    let address =
        Address {
            governorate: "بغداد".into(), quarter: "الكرادة".into(), house: "7".into(), ..Address::default()
        };
    let date = Date::new(2026, 11, 2).unwrap();
    Residence { national_number: "199900000011".into(), date, office: "0101".into(), address }
}

/// The content of the object, signed by the issuer's document signer so many days after its start.
fn signed(issuer: &Issuer, record: &[u8], days: i64) -> Vec<u8> {
    let signature = issuer.signer.sign_record_at(record, days_after(usual_start(), days)).unwrap();
    SignedResidence { record, signature: &signature }.to_bytes()
}

/// A card of the specimen whose PIN is its holder's, with this object.
fn card(issuer: &Issuer, residence: Option<Vec<u8>>) -> State {
    let mut state = issuer.state(&Document::specimen());
    let mut memory = Memory::delivered();
    memory.pin = Some(Reference { value: pin().secret().clone(), tries: 3, limit: 3 });
    let hint = StatusHint { status: CardStatus::Suspended, date: Date::new(2026, 11, 3).unwrap() };
    memory.objects.insert(STATUS_HINT.tag.0, hint.to_bytes());
    memory.objects.extend(residence.map(|content| (RESIDENCE.tag.0, content)));
    state.eid = Some(memory);
    state
}

/// What is to be read of a card besides its objects.
#[derive(Clone, Copy)]
struct Way {
    pin: bool,
    document: bool,
    store: bool,
}

const WHOLE: Way = Way { pin: true, document: true, store: true };

fn report(state: &State, store: &TrustStore, way: Way, now: jiff::Timestamp) -> Report {
    let mut card = SoftCard::from_state(state);
    let document = way.document.then(|| judged(&crate::read(&mut card, &with_can()), store));
    let mut seen = read(&mut card, Budget::default()).unwrap();
    if way.pin {
        open(&mut card, Budget::default(), &pin(), &mut OsRandom, &mut seen).unwrap();
    }
    let store = way.store.then_some(store);
    judge(&seen, &Basis { authorities: &[], lists: &[], store, document: document.as_ref(), now })
}

fn of(report: &Report, id: &str) -> &'static str {
    report.checks.iter().find(|check| check.id == id).unwrap().result.word()
}

/// The checks of the record that are not successful.
fn odd(report: &Report) -> Vec<(&'static str, &'static str)> {
    let of_record = report.checks.iter().filter(|check| check.id.starts_with("residence-"));
    of_record.map(|check| (check.id, check.result.word())).filter(|(_, word)| *word != "successful").collect()
}

fn said(report: &Report) -> Option<Judgement> {
    report.residence.as_ref().unwrap().judgement
}

#[test]
fn a_record_of_the_issuer_about_the_holder_is_good() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = card(&issuer, Some(signed(&issuer, &home().to_bytes(), 1)));
    let whole = report(&state, &store, WHOLE, today());
    assert_eq!((odd(&whole), said(&whole)), (vec![], Some(Judgement::Good)), "{whole:#?}");
    assert_eq!(whole.document.as_ref().unwrap().verdict, Verdict::GenuineValid);
    assert!(!whole.not_judged.contains(&"the residence record"));
    // A good address makes no certificate good.
    assert_eq!(whole.judgement, Judgement::NotJudged);
    let line = whole.residence.unwrap().record.unwrap();
    assert_eq!((line.office.as_str(), line.date.as_str(), line.governorate.as_str()), ("0101", "2026-11-02", "بغداد"));
    assert_eq!(line.signer, Some(issuer.signer.certificate().subject().to_string()));
    assert_eq!(line.signed_at, Some(days_after(usual_start(), 1)));
    // A hint is told, and what it says changes nothing.
    let hint = whole.status_hint.unwrap();
    assert_eq!((hint.status, hint.date.as_deref()), ("suspended", Some("2026-11-03")));
}

#[test]
fn what_was_not_given_is_not_judged_and_never_good() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = card(&issuer, Some(signed(&issuer, &home().to_bytes(), 1)));
    for (way, open) in [
        (Way { pin: false, ..WHOLE }, 8),
        (Way { document: false, ..WHOLE }, 1),
        (Way { store: false, ..WHOLE }, 5),
        (Way { pin: false, document: false, store: false }, 8),
    ] {
        let report = report(&state, &store, way, today());
        assert_eq!(said(&report), Some(Judgement::NotJudged), "{report:#?}");
        assert_eq!(odd(&report).len(), open, "{report:#?}");
        assert!(odd(&report).iter().all(|(_, word)| *word == "undetermined"), "{report:#?}");
        assert!(report.not_judged.contains(&"the residence record"));
    }
    // Whoever asks without the PIN does not learn whether there is a record.
    let empty = card(&issuer, None);
    let blind = report(&empty, &store, Way { pin: false, ..WHOLE }, today());
    assert_eq!(blind.residence.unwrap().state, "protected");
    let none = report(&empty, &store, WHOLE, today());
    assert_eq!((said(&none), none.residence.as_ref().unwrap().state), (None, "absent"));
    assert!(odd(&none).iter().all(|(_, word)| *word == "not supported") && odd(&none).len() == 8);
}

/// Name of the case, object on the card, results that are not successful, what is said of the record.
type Case = (&'static str, Vec<u8>, Vec<(&'static str, &'static str)>, Judgement);

#[test]
fn every_check_of_the_record_fails_on_one_and_says_what_it_means() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let good = home().to_bytes();
    let altered = |at: &[u8]| {
        let mut content = signed(&issuer, &good, 1);
        let place = content.windows(at.len()).position(|window| window == at).unwrap();
        content[place + at.len() - 1] ^= 1;
        content
    };
    let changed = |change: &dyn Fn(&mut Residence)| {
        let mut residence = home();
        change(&mut residence);
        signed(&issuer, &residence.to_bytes(), 1)
    };
    let stranger = Issuer::new("specimen-uto");
    let cut = SignedResidence { record: &good, signature: &[0x30, 0x00] }.to_bytes();
    let mut next = good.clone();
    next[4] = 2;
    let other = |r: &mut Residence| r.national_number = "199900000028".into();
    let later = |r: &mut Residence| r.date = Date::new(2026, 11, 10).unwrap();
    let to_come = |r: &mut Residence| r.date = Date::new(2027, 1, 1).unwrap();
    let cases: Vec<Case> = vec![
        ("another house", altered(b"\x85\x017"), vec![("residence-signature", "failed")], Judgement::Forged),
        ("another office", altered(b"\x83\x040101"), vec![("residence-signature", "failed")], Judgement::Forged),
        ("no signature", cut, vec![("residence-signature", "failed")], Judgement::Forged),
        ("no record", signed(&issuer, &next, 1), vec![("residence-record", "failed")], Judgement::Forged),
        ("another citizen's", changed(&other), vec![("residence-holder", "failed")], Judgement::DifferentHolders),
        (
            "a stranger's",
            signed(&stranger, &good, 1),
            vec![("residence-signer", "undetermined")],
            Judgement::UntrustedIssuer,
        ),
        ("entered after the signature", changed(&later), vec![("residence-entry", "failed")], Judgement::NotInForce),
        ("still to come", changed(&to_come), vec![("residence-entry", "failed")], Judgement::NotInForce),
        (
            "no day",
            changed(&|r| r.date = Date::UNKNOWN),
            vec![("residence-entry", "undetermined")],
            Judgement::NotJudged,
        ),
        ("no office", changed(&|r| r.office.clear()), vec![("residence-entry", "undetermined")], Judgement::NotJudged),
        (
            "no address",
            changed(&|r| r.address.governorate.clear()),
            vec![("residence-entry", "undetermined")],
            Judgement::NotJudged,
        ),
        (
            "signed tomorrow",
            signed(&issuer, &good, 22),
            vec![("residence-signing-time", "failed")],
            Judgement::UntrustedIssuer,
        ),
    ];
    // An office asks the same before it writes the record.
    let document = judged(&crate::read(&mut SoftCard::from_state(&card(&issuer, None)), &with_can()), &store);
    let basis = Basis { authorities: &[], lists: &[], store: Some(&store), document: Some(&document), now: today() };
    let (said_before, checks) = judge_residence(&signed(&issuer, &good, 1), &basis);
    assert!(said_before == Judgement::Good && checks.iter().all(|check| check.result.word() == "successful"));
    for (name, content, wanted, judgement) in cases {
        let (said_before, checks) = judge_residence(&content, &basis);
        let odd_before: Vec<_> = checks.iter().map(|check| (check.id, check.result.word())).collect();
        assert!(said_before == judgement && wanted.iter().all(|pair| odd_before.contains(pair)), "{name}: {checks:?}");
        let report = report(&card(&issuer, Some(content)), &store, WHOLE, today());
        for pair in &wanted {
            assert!(odd(&report).contains(pair), "{name}: {:?}", odd(&report));
        }
        assert_eq!(said(&report), Some(judgement), "{name}: {report:#?}");
        let worst = judgement.max(Judgement::NotJudged);
        assert_eq!(report.judgement, worst, "{name}");
    }
    // The same record after its signer was revoked; years later.
    let content = signed(&issuer, &good, 1);
    let state = card(&issuer, Some(content));
    let old = report(&state, &store, WHOLE, days_after(usual_start(), 5000));
    assert_eq!((of(&old, "residence-signer-validity"), said(&old)), ("failed", Some(Judgement::NotInForce)));
    let stale = report(&state, &store, WHOLE, days_after(usual_start(), 400));
    assert_eq!(of(&stale, "residence-signer-revocation"), "undetermined");
    issuer.revoke_signer();
    let store = issuer.store(vec![]);
    let revoked = report(&state, &store, WHOLE, today());
    assert_eq!(of(&revoked, "residence-signer-revocation"), "failed");
    assert_eq!(said(&revoked), Some(Judgement::UntrustedIssuer));
    assert_eq!(of(&revoked, "residence-holder"), "undetermined", "the travel document has the same signer");
}

/// A residence signer and a document signer are believed about a record; no other key under the same CSCA is.
#[test]
fn whose_signature_counts_beside_a_record() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let honest = card(&issuer, None);
    let with = |content: Vec<u8>| {
        let mut state = honest.clone();
        state.eid.as_mut().unwrap().objects.insert(RESIDENCE.tag.0, content);
        state
    };
    let record = home().to_bytes();
    let office = issuer.office("office-1");
    let signature = office.sign_record_at(&record, days_after(usual_start(), 1)).unwrap();
    let state = with(SignedResidence { record: &record, signature: &signature }.to_bytes());
    let report_of = |state: &State, way| report(state, &store, way, today());
    let good = report_of(&state, WHOLE);
    assert_eq!((odd(&good), said(&good)), (vec![], Some(Judgement::Good)), "{good:#?}");
    let line = good.residence.as_ref().unwrap().record.as_ref().unwrap();
    assert_eq!(line.signer, Some(office.certificate().subject().to_string()));
    // Without the travel document only the holder stays open: what the signer may sign is known.
    let alone = report_of(&state, Way { document: false, ..WHOLE });
    assert_eq!(odd(&alone), [("residence-holder", "undetermined")]);

    let mut stolen = vec![issuer.authority.directory().join("csca")];
    for (kind, name) in
        [(SignerKind::MasterList, "mls-1"), (SignerKind::DeviationList, "dls-1"), (SignerKind::Seal, "ab-0001")]
    {
        stolen.push(issuer.another(kind, name));
    }
    for key in stolen {
        let signature = issuer.sign_anyway(&key, trust::der::oid::DATA, &record);
        let state = with(SignedResidence { record: &record, signature: &signature }.to_bytes());
        for way in [WHOLE, Way { document: false, ..WHOLE }] {
            let report = report_of(&state, way);
            assert_eq!(of(&report, "residence-signature"), "successful", "{key:?}");
            assert_eq!(of(&report, "residence-signer"), "failed", "{key:?}");
            assert_eq!(said(&report), Some(Judgement::UntrustedIssuer), "{key:?}: {report:#?}");
        }
    }
}

/// A good record proves nothing beside a travel document that is not of this chip.
#[test]
fn a_copied_travel_document_names_no_holder() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = card(&issuer, Some(signed(&issuer, &home().to_bytes(), 1)));
    let copied = soft_card::forge::new_chip_key(&state).unwrap();
    let report = report(&copied, &store, WHOLE, today());
    assert_eq!(report.document.as_ref().unwrap().verdict, Verdict::CloneSuspect);
    assert_eq!((odd(&report), said(&report)), (vec![("residence-holder", "undetermined")], Some(Judgement::NotJudged)));
    // Whatever the certificates say: it is no card to rely on.
    assert_eq!(report.judgement, Judgement::Forged);
}

#[test]
fn a_pin_is_given_once_and_only_where_it_can_open_something() {
    let mut issuer = Issuer::new("specimen-uto");
    let state = card(&issuer, Some(signed(&issuer, &home().to_bytes(), 1)));
    let wrong = Pin::from_digits(b"314159").unwrap();
    let mut on_card = SoftCard::from_state(&state);
    let mut seen = read(&mut on_card, Budget::default()).unwrap();
    assert_eq!((seen.pin, seen.tries), (PinState::Changed, Some(3)));
    let refused = open(&mut on_card, Budget::default(), &wrong, &mut OsRandom, &mut seen).unwrap_err();
    assert_eq!(refused.to_string(), "the card refused the PIN, 2 tries left");
    assert_eq!(seen.tries, Some(2));
    assert!(open(&mut on_card, Budget::default(), &pin(), &mut OsRandom, &mut seen).is_ok());

    // The issuer's PIN opens nothing, and no try is spent on finding out.
    let mut transport = state.clone();
    transport.eid.as_mut().unwrap().transport = true;
    let mut none = state.clone();
    none.eid.as_mut().unwrap().pin = None;
    let mut blocked = state;
    blocked.eid.as_mut().unwrap().pin.as_mut().unwrap().tries = 0;
    for (state, wanted) in [(transport, PinState::Transport), (none, PinState::None), (blocked, PinState::Blocked)] {
        let mut on_card = SoftCard::from_state(&state);
        let mut seen = read(&mut on_card, Budget::default()).unwrap();
        let error = open(&mut on_card, Budget::default(), &pin(), &mut OsRandom, &mut seen).unwrap_err();
        assert!(matches!(error, OpenError::State(state) if state == wanted), "{error}");
        let store = issuer.store(vec![]);
        let report =
            judge(&seen, &Basis { authorities: &[], lists: &[], store: Some(&store), document: None, now: today() });
        assert_eq!(said(&report), Some(Judgement::NotJudged));
    }
}

#[test]
fn checks_have_names_of_their_own() {
    let mut names: Vec<_> =
        CHECKS.iter().map(|check| check.id).chain(inspection::CHECKS.iter().map(|it| it.id)).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
    for check in CHECKS {
        assert!(check.failed > Judgement::NotJudged && check.unjudged >= Judgement::NotJudged, "{}", check.id);
        assert!(check.explanation.ends_with('.') && check.remedy.ends_with('.'), "{}", check.id);
    }
}

/// Selected like a PIV application; then every answer says that more follows, or is as long as it may be.
struct Endless {
    more: bool,
    commands: u32,
}

impl Card for Endless {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        self.commands += 1;
        if command.ins == 0xA4 {
            let data = hex::decode("61114F0600001000010079074F05A000000308").unwrap();
            return Ok(Response { data, status: Status::OK });
        }
        let status = if self.more { Status(0x6100) } else { Status::OK };
        Ok(Response { data: vec![0; usize::from(!self.more) * 256], status })
    }
}

#[test]
fn a_card_that_never_ends_costs_no_more_than_the_budget() {
    for (more, budget) in [
        (true, Budget { commands: 10, ..Budget::default() }),
        (false, Budget { commands: 10, ..Budget::default() }),
        (false, Budget { bytes: 1_000, ..Budget::default() }),
        (false, Budget { time: Duration::ZERO, ..Budget::default() }),
    ] {
        let mut card = Endless { more, commands: 0 };
        let error = read(&mut card, budget).unwrap_err();
        assert!(matches!(error, ReadError::Transmit(_)), "{error}");
        assert!(card.commands <= 10, "{}", card.commands);
    }
    // What is refused is the budget, not the card.
    assert!(read(&mut Endless { more: false, commands: 0 }, Budget::default()).is_ok());
}
