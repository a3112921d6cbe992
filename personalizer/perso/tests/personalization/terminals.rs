//! Cards with fingers, which believe a country verifying CA.

use authority::cvca::{CvStore, NewCvca};
use authority::{Algorithm, Passphrase};
use iso7816::tlv::{Tag, encode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use perso::execute::{Failure, Outcome, personalize};
use perso::ledger::Ledger;
use perso::plan::PlanError;
use perso::profile::{BeliefError, Profile};
use perso::recover::{Recovered, Wish, recover};
use soft_card::fault::{Tear, When};
use trust::EllipticCurve;
use trust::cvc::TerminalType;
use trust::cvc::chain::TrustPoint;

use crate::bench::*;

const DG3: u16 = 0x0103;

/// A trust point of a country verifying CA of inspection systems with this mnemonic.
fn cvca(mnemonic: &str) -> TrustPoint {
    cvca_of(TerminalType::Inspection, mnemonic)
}

fn cvca_of(terminal_type: TerminalType, mnemonic: &str) -> TrustPoint {
    let folder = tempfile::tempdir().unwrap();
    let new = NewCvca {
        country: "UT".to_owned(),
        mnemonic: mnemonic.to_owned(),
        terminal_type,
        rights: None,
        algorithm: Algorithm::Ecdsa(EllipticCurve::P256),
        period: None,
    };
    let words = Passphrase::new("a passphrase for tests");
    let made = CvStore::new(folder.path()).create_cvca(&new, &words, Timestamp::now()).unwrap();
    TrustPoint::new(made.certificate).unwrap()
}

fn profile() -> Profile {
    let portrait = "[portrait]\nwidth = 100\nheight = 128\nmax_bytes = 3000\n";
    Profile::parse("eac", &format!("extends = \"specimen-uto-eac\"\n{portrait}")).unwrap()
}

/// EF.DG3 with one template of invented bytes.
fn fingers() -> Vec<u8> {
    let template = encode(Tag(0x7F60), encode(Tag(0x5F2E), vec![0x2F; 700]));
    encode(Tag(0x63), encode(Tag(0x7F61), [encode(Tag(0x02), [1]), template].concat()))
}

#[test]
fn cards_believe_the_authority_and_hold_the_fingers_of_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let point = cvca("ISCVCA");
    let believing = profile().believe(vec![point.clone()]).unwrap();
    for (index, fingers) in [Some(fingers()), None].into_iter().enumerate() {
        let order = &centre().orders[index];
        let mut face = face(order, &believing);
        face.fingers.clone_from(&fingers);
        let slot = Slot::new(index as u8 + 1);
        // Nobody said whom the cards believe: the card is not touched.
        let before = Timestamp::now();
        let result = with_line(&slot, &profile(), &mut ledger, &keys(), |line| personalize(line, job(order, &face)));
        assert!(matches!(result, Err(Failure::NoCvca)));
        assert_eq!(slot.card.borrow().commands(), 0);
        let outcome =
            with_line(&slot, &believing, &mut ledger, &keys(), |line| personalize(line, job(order, &face))).unwrap();
        let Outcome::Finished(finished) = outcome else { panic!("not finished") };
        assert_eq!(finished.document.approved().report().unwrap().verdict, inspection::Verdict::GenuineValid);
        let card = slot.card.borrow();
        let memory = &card.state().emrtd;
        assert_eq!(memory.files.get(&DG3), fingers.as_ref());
        let trust = memory.terminal_trust.as_ref().unwrap();
        assert_eq!(trust.points, std::slice::from_ref(&point));
        let day = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
        assert!([day(before), day(Timestamp::now())].contains(&trust.today));
    }
    // A profile that has no place for fingers does not lose them silently.
    let plain = small_profile();
    let order = &centre().orders[2];
    let mut face = face(order, &plain);
    face.fingers = Some(fingers());
    let slot = Slot::new(3);
    let result = with_line(&slot, &plain, &mut ledger, &keys(), |line| personalize(line, job(order, &face)));
    assert!(matches!(result, Err(Failure::Plan(PlanError::Fingers))), "{:?}", result.err());
}

#[test]
fn a_card_that_believes_another_authority_is_rejected_when_it_is_read_back() {
    let (own, other) = (cvca("ISCVCA"), cvca("ISCVCA2"));
    let order = &centre().orders[0];
    let believing = profile().believe(vec![own]).unwrap();
    let mut face = face(order, &believing);
    face.fingers = Some(fingers());
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
    let slot = Slot::new(1);
    let made = with_line(&slot, &believing, &mut ledger, &keys(), |line| personalize(line, job(order, &face)));
    assert!(matches!(made, Ok(Outcome::Finished(_))));
    // Found again before it is printed, it is read back once more.
    let mut state = slot.card.borrow().state().clone();
    state.emrtd.terminal_trust.as_mut().unwrap().points = vec![other];
    let slot = Slot::holding(&state);
    let again = with_line(&slot, &believing, &mut ledger, &keys(), |line| {
        recover(line, &|_| Some(job(order, &face)), Wish::Finish)
    });
    let Ok(Recovered::Now(Outcome::Rejected(rejected))) = again else { panic!("not rejected") };
    assert!(rejected.reason.to_string().contains("EF.CVCA"), "{}", rejected.reason);
}

#[test]
fn a_torn_card_with_fingers_is_finished_or_rejected() {
    let point = cvca("ISCVCA");
    let profile = profile().believe(vec![point]).unwrap();
    let order = &centre().orders[0];
    let mut face = face(order, &profile);
    face.fingers = Some(fingers());
    let length = {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
        let slot = Slot::new(1);
        with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face))).unwrap();
        slot.card.borrow().commands()
    };
    let mut finished = 0;
    // From the binding on: before it a torn card is a blank.
    for at in (10..length).step_by(5) {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(&folder.path().join("ledger.jsonl")).unwrap();
        let slot = Slot::new(1);
        slot.card.borrow_mut().tear(Tear { at, when: When::After });
        let torn = with_line(&slot, &profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face)));
        assert!(torn.is_err(), "{at} of {length}");
        let recovered = with_line(&slot, &profile, &mut ledger, &keys(), |line| {
            recover(line, &|_| Some(job(order, &face)), Wish::Finish)
        });
        match recovered.unwrap() {
            Recovered::Now(Outcome::Finished(document)) => {
                finished += 1;
                assert_eq!(document.document.approved().report().unwrap().verdict, inspection::Verdict::GenuineValid);
                let card = slot.card.borrow();
                assert_eq!(card.state().emrtd.files.get(&DG3), Some(&fingers()), "{at}");
                assert!(card.state().emrtd.terminal_trust.is_some(), "{at}");
            }
            Recovered::Now(Outcome::Rejected(rejected)) => assert!(rejected.invalidated, "{at}"),
            _ => panic!("{at} of {length}: neither finished nor rejected"),
        }
    }
    assert!(finished > 5, "{finished} of {length}");
}

#[test]
fn cards_believe_only_the_authority_of_their_profile() {
    let (own, other) = (cvca("ISCVCA"), cvca("OTHER"));
    let error = |profile: Profile, points: Vec<TrustPoint>| profile.believe(points).unwrap_err();
    assert!(matches!(error(small_profile(), vec![own.clone()]), BeliefError::NotAsked));
    assert!(matches!(error(profile(), vec![]), BeliefError::Count { found: 0, .. }));
    assert!(matches!(error(profile(), vec![own.clone(); 3]), BeliefError::Count { found: 3, .. }));
    let refused = error(profile(), vec![own.clone(), other]).to_string();
    assert!(refused.contains("UTOTHER00001") && refused.contains("UTISCVCA"), "{refused}");
    // Residence offices have an authority of their own, where the profile names one.
    let offices = cvca_of(TerminalType::Authentication, "ATCVCA");
    let refused = error(profile(), vec![own.clone(), offices.clone()]).to_string();
    assert!(refused.contains("type AT") && refused.contains("none of them"), "{refused}");
    let full = || Profile::load("specimen-uto-full").unwrap();
    let refused = error(full(), vec![own.clone()]).to_string();
    assert!(refused.contains("UTATCVCA, not 0"), "{refused}");
    let pretends = cvca_of(TerminalType::Inspection, "ATCVCA");
    let refused = error(full(), vec![own.clone(), pretends]).to_string();
    assert!(refused.contains("type IS is that of UTATCVCA00001"), "{refused}");
    let both = full().believe(vec![offices.clone(), own.clone()]).unwrap();
    let eac = both.eac.unwrap();
    assert_eq!(eac.points(), [offices, own.clone()]);
    assert!(eac.inspection_points().eq([&own]));
}
