//! Citizens' cards that are good, and the lists that say they are not.

use eid::keys::{Algorithm, KeyReference};
use inspection::citizen::{Basis, Judgement, PinState, Report, RevocationStatus, Seen, judge};
use jiff::Timestamp;
use soft_card::SoftCard;
use trust::{Certificate, Crl};

use crate::citizens::{Citizens, card, of_others, seen, seen_without};
use crate::issuer::{days_after, usual_start};
use crate::{judged, today, with_can};

const KEYS: [KeyReference; 3] = [KeyReference::Authentication, KeyReference::Signature, KeyReference::KeyManagement];

fn report(seen: &Seen, citizens: &Citizens, lists: &[Crl], now: Timestamp) -> Report {
    let authorities = std::slice::from_ref(&citizens.ca);
    judge(seen, &Basis { authorities, lists, store: None, document: None, now })
}

fn check(report: &Report) -> (&'static str, &str) {
    let check = report.checks.iter().find(|check| check.id == "certificates-revocation").unwrap();
    (check.result.word(), &check.reason)
}

/// Everything is asked, everything is good: the one way to the best judgement, and each thing that is left out closes it.
#[test]
fn a_card_of_which_nothing_is_open_is_good() {
    let mut citizens = Citizens::new();
    let state = card(&mut citizens, &KEYS, Algorithm::P256);
    let (lists, store) = ([citizens.list(19)], citizens.issuer.store(vec![]));
    let authorities = [citizens.ca.clone()];
    let mut on_card = SoftCard::from_state(&state);
    let document = judged(&crate::read(&mut on_card, &with_can()), &store);
    let read = seen(&mut on_card);
    let whole = Basis {
        authorities: &authorities,
        lists: &lists,
        store: Some(&store),
        document: Some(&document),
        now: today(),
    };
    let good = judge(&read, &whole);
    assert_eq!((good.judgement, good.not_judged.is_empty()), (Judgement::Good, true), "{good:#?}");
    assert!(good.certificates.iter().all(|line| line.judgement == Judgement::Good), "{good:#?}");
    assert!(good.certificates.iter().all(|line| line.revocation.state == RevocationStatus::NotRevoked), "{good:#?}");
    let blind = seen_without(&mut SoftCard::from_state(&state));
    let interrupted = Seen { interrupted: Some("the card was lost".to_owned()), ..read.clone() };
    let later = Basis { now: days_after(usual_start(), 400), ..whole };
    for (name, seen, basis) in [
        ("no list", &read, Basis { lists: &[], ..whole }),
        ("no travel document", &read, Basis { document: None, ..whole }),
        ("no PIN", &blind, Basis { ..whole }),
        ("interrupted", &interrupted, Basis { ..whole }),
        ("nobody is believed", &read, Basis { authorities: &[], ..whole }),
        ("out of date", &read, later),
    ] {
        let report = judge(seen, &basis);
        assert!(report.judgement > Judgement::Good && !report.not_judged.is_empty(), "{name}: {report:#?}");
        assert!(report.judgement <= Judgement::NotJudged, "{name}: {report:#?}");
    }
}

#[test]
fn cards_of_others_are_good_by_the_same_rules() {
    let mut citizens = Citizens::new();
    for name in ["pivapplet", "openfips201"] {
        let state = of_others(name, &mut citizens, Algorithm::P256);
        let (lists, read) = ([citizens.list(19)], seen(&mut SoftCard::from_state(&state)));
        assert_eq!(report(&read, &citizens, &lists, today()).judgement, Judgement::Good, "{name}");
        assert_eq!(report(&read, &citizens, &[], today()).judgement, Judgement::CertificatesGood, "{name}");
        // With a PIN that everybody knows, the keys prove no holder.
        let known = Seen { pin: PinState::Default, ..read };
        let report = report(&known, &citizens, &lists, today());
        assert_eq!((report.judgement, report.not_judged.len()), (Judgement::CertificatesGood, 1), "{report:#?}");
    }
}

#[test]
fn lists_of_the_citizen_ca_count_and_no_others() {
    let mut citizens = Citizens::new();
    let state = card(&mut citizens, &KEYS, Algorithm::P256);
    let read = seen(&mut SoftCard::from_state(&state));
    let mut stranger = Citizens::new();
    // The other CA has the same name and its lists the same address.
    let theirs = stranger.list(19);
    assert!(theirs.covers(&certificate(&read, 0)) && stranger.ca.subject() == citizens.ca.subject());
    let (before, fresh, to_come) = (citizens.list(2), citizens.list(18), citizens.list(30));
    let outdated = before.clone();
    let store = citizens.issuer.store(vec![]);
    let state_of = |lists: &[Crl]| {
        let report = report(&read, &citizens, lists, today());
        let line = &report.certificates[0].revocation;
        (line.state, line.reason.clone(), check(&report).0)
    };
    for (lists, wanted, words, result) in [
        (vec![], RevocationStatus::Unknown, "no revocation list was given", "undetermined"),
        (vec![theirs.clone()], RevocationStatus::Unknown, "not signed by the key that signed it", "undetermined"),
        (vec![before.clone()], RevocationStatus::Unknown, "out of date since 2026-11-10", "undetermined"),
        (vec![to_come.clone()], RevocationStatus::Unknown, "is of the future", "undetermined"),
        (vec![theirs, before, fresh, to_come], RevocationStatus::NotRevoked, "list of 2026-11-19", "successful"),
    ] {
        let (state, reason, check) = state_of(&lists);
        assert!(state == wanted && reason.contains(words) && check == result, "{words}: {state:?} {reason} {check}");
    }
    // Nor does it when the other CA is believed too, as after a new key: it says nothing of certificates under the old one.
    let both = [stranger.ca.clone(), citizens.ca.clone()];
    let of_both = |lists: &[Crl]| {
        let basis = Basis { authorities: &both, lists, store: None, document: None, now: today() };
        judge(&read, &basis).certificates[0].revocation.state
    };
    let theirs = stranger.list(20);
    assert_eq!(of_both(std::slice::from_ref(&theirs)), RevocationStatus::Unknown);
    assert_eq!(of_both(&[outdated, theirs]), RevocationStatus::Unknown);
    // A list of the CSCA, or of anybody else, is about other certificates.
    let (state, reason, _) = state_of(store.crls());
    assert!(state == RevocationStatus::Unknown && reason.contains("it is published at http://"), "{reason}");
}

#[test]
fn a_revoked_certificate_is_told_with_its_day_however_old_the_list() {
    let mut citizens = Citizens::new();
    let state = card(&mut citizens, &KEYS, Algorithm::P256);
    let read = seen(&mut SoftCard::from_state(&state));
    let before = citizens.list(2);
    citizens.revoke(&certificate(&read, 1), 3);
    let lists = [before, citizens.list(4), citizens.list(18)];
    // The list of that day is out of date, the newest is fresh, and one of the future says the same.
    for lists in [&lists[1..2], &lists[2..], &lists] {
        let report = report(&read, &citizens, lists, today());
        assert_eq!((report.judgement, check(&report).0), (Judgement::Revoked, "failed"), "{report:#?}");
        let line = &report.certificates[1];
        assert_eq!((line.judgement, line.revocation.state), (Judgement::Revoked, RevocationStatus::Revoked));
        assert!(line.reason.starts_with("revoked since 2026-11-04T12:00:00Z"), "{}", line.reason);
        assert_eq!(line.revocation.since, Some(days_after(usual_start(), 3)));
        assert_eq!(report.certificates[0].judgement, Judgement::Good, "{report:#?}");
        assert!(check(&report).1.contains("9C"), "{report:#?}");
    }
    // A list of before says nothing of it, and is too old to clear it.
    assert_eq!(report(&read, &citizens, &lists[..1], today()).judgement, Judgement::CertificatesGood);
    // Somebody who has its name cannot revoke.
    let mut stranger = Citizens::new();
    let other = card(&mut stranger, &KEYS, Algorithm::P256);
    let theirs = seen(&mut SoftCard::from_state(&other));
    stranger.revoke(&certificate(&theirs, 1), 3);
    let list = stranger.list(18);
    assert_eq!(report(&theirs, &stranger, std::slice::from_ref(&list), today()).judgement, Judgement::Revoked);
    assert_eq!(report(&read, &citizens, &[list], today()).judgement, Judgement::CertificatesGood);
}

/// The certificate at this place of the report.
fn certificate(seen: &Seen, place: usize) -> Certificate {
    let (_, content) = seen.objects.iter().find(|(object, _)| **object == *KEYS[place].certificate()).unwrap();
    let inspection::citizen::State::Read(content) = content else { panic!("it was read") };
    Certificate::from_der(eid::certificate::Container::parse(content).unwrap().der().unwrap()).unwrap()
}
