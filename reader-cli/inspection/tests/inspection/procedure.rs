//! What is read, with which access, and what the evidence keeps of it.

use channel::pace::{Mapping, Suite};
use channel::random::OsRandom;
use channel::suite::{Curve, Group};
use inspection::evidence::{ChipAuthenticationOutcome, FileEvidence, LoadEvidenceError, Protocol};
use inspection::procedure::Budget;
use inspection::{Bac, Evidence, Options, Progress, Verdict, inspect};
use lds::security_infos::{self as infos, SecurityInfo};
use soft_card::fault::{Tear, When};

use crate::issuer::{Document, Issuer};
use crate::{judged, read, today, with_can, with_mrz};

/// Every group, and over them every mapping, every cipher and both passwords in turn.
#[test]
fn a_card_is_read_over_every_group_of_pace() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    for (at, group) in Group::all().enumerate() {
        // The specimen's static key lies on P-256.
        let fits = |suite: &Suite| (suite.mapping == Mapping::ChipAuthentication) == (group == Curve::P256.into());
        let suites: Vec<Suite> = Suite::all().filter(|suite| suite.group == group && fits(suite)).collect();
        let suite = suites[5 * at % suites.len()];
        let pace = vec![SecurityInfo::pace(&suite.oid(), group.parameter_id())];
        let document = Document { pace, ..Document::specimen() };
        let access = if at % 2 == 0 { with_can() } else { with_mrz(&document, Bac::Never) };
        let evidence = read(&mut issuer.card(&document), &access);
        let established = evidence.access.established.as_ref();
        let established = established.unwrap_or_else(|| panic!("{suite:?} {:?}", evidence.access.attempts));
        assert_eq!(established.protocol, Protocol::Pace);
        assert!(established.detail.contains(group.name()), "{}", established.detail);
        let report = judged(&evidence, &store);
        assert_eq!(report.verdict, Verdict::GenuineValid, "{:#?}", report.complaints().collect::<Vec<_>>());
    }
}

#[test]
fn the_longest_key_offered_is_used() {
    let issuer = Issuer::new("specimen-uto");
    let offer = |oid| SecurityInfo::pace(oid, Curve::P256.parameter_id());
    let pace = vec![offer(infos::ID_PACE_ECDH_GM_AES_128), offer(infos::ID_PACE_ECDH_GM_AES_256)];
    let evidence = read(&mut issuer.card(&Document { pace, ..Document::specimen() }), &with_can());
    assert!(evidence.access.established.unwrap().detail.contains("AES-256"));
}

#[test]
fn every_listed_file_is_read_and_the_portrait_can_be_left_out() {
    let issuer = Issuer::new("specimen-uto");
    let document = Document::specimen();
    let mut steps = Vec::new();
    let mut options = Options::new(today());
    options.skip_image = true;
    let mut card = issuer.card(&document);
    let evidence = inspect(&mut card, &with_can(), &options, &mut OsRandom, &mut |step| steps.push(step));
    assert_eq!(evidence.files["EF.DG2"], FileEvidence::Skipped);
    for name in ["EF.CardAccess", "EF.COM", "EF.SOD", "EF.DG1", "EF.DG11", "EF.DG12", "EF.DG13", "EF.DG14"] {
        assert!(evidence.content(name).is_some(), "{name}");
    }
    assert_eq!(evidence.chip_authentication.unwrap().outcome, ChipAuthenticationOutcome::Proved);
    assert_eq!(steps.first(), Some(&Progress::Access));
    assert_eq!(steps.last(), Some(&Progress::Done));
}

#[test]
fn files_beyond_32_kib_are_read_with_offset_data_objects() {
    let mut issuer = Issuer::new("specimen-uto");
    let mut document = Document::specimen();
    document.portrait.resize(50_000, 0xA5);
    let evidence = read(&mut issuer.card(&document), &with_can());
    assert!(evidence.content("EF.DG2").unwrap().len() > 50_000);
    assert_eq!(judged(&evidence, &issuer.store(vec![])).verdict, Verdict::GenuineValid);
}

#[test]
fn extended_length_is_used_when_card_and_reader_know_it() {
    let mut issuer = Issuer::new("specimen-uto");
    let mut options = Options::new(today());
    options.extended_length = true;
    let mut card = issuer.card(&Document::specimen());
    let evidence = inspect(&mut card, &with_can(), &options, &mut OsRandom, &mut |_| {});
    assert_eq!(judged(&evidence, &issuer.store(vec![])).verdict, Verdict::GenuineValid);
}

#[test]
fn bac_needs_the_callers_leave_and_a_card_without_pace() {
    let issuer = Issuer::new("specimen-uto");
    let without_pace = Document { pace: vec![], ..Document::specimen() };
    let opened = |document: &Document, access| read(&mut issuer.card(document), &access).access;

    let refused = opened(&without_pace, with_mrz(&without_pace, Bac::Never));
    assert!(refused.established.is_none());
    assert!(refused.attempts[0].error.as_ref().unwrap().contains("BAC is not allowed"));

    let allowed = opened(&without_pace, with_mrz(&without_pace, Bac::Allowed));
    assert_eq!(allowed.established.unwrap().protocol, Protocol::Bac);
    // From 3DES to AES by Chip Authentication.
    let evidence = read(&mut issuer.card(&without_pace), &with_mrz(&without_pace, Bac::Allowed));
    assert_eq!(evidence.chip_authentication.unwrap().outcome, ChipAuthenticationOutcome::Proved);

    let mut can = with_can();
    can.bac = Bac::Allowed;
    assert!(opened(&without_pace, can).established.is_none());

    // A PACE that fails is not followed by BAC.
    let document = Document::specimen();
    let other = Document {
        td1: lds::mrz::Td1 { document_number: "ZZ0000099".into(), ..document.td1.clone() },
        ..document.clone()
    };
    let failed = opened(&document, with_mrz(&other, Bac::Allowed));
    assert!(failed.established.is_none());
    assert!(failed.attempts.iter().all(|attempt| attempt.protocol == Protocol::Pace), "{:?}", failed.attempts);
}

#[test]
fn evidence_survives_storage_and_tells_its_version() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let evidence = read(&mut issuer.card(&Document::specimen()), &with_can());
    let stored = evidence.to_json().unwrap();
    let loaded = Evidence::from_json(stored.as_bytes()).unwrap();
    assert_eq!(loaded, evidence);
    let json = |evidence| serde_json::to_string(&judged(evidence, &store)).unwrap();
    assert_eq!(json(&loaded), json(&evidence));

    let newer = stored.replacen("\"version\": 4", "\"version\": 5", 1);
    assert!(matches!(Evidence::from_json(newer.as_bytes()), Err(LoadEvidenceError::Version { found: 5 })));
    assert!(matches!(Evidence::from_json(b"{}"), Err(LoadEvidenceError::Syntax(_))));
    let extra = stored.replacen("\"files\"", "\"unknown\": 1, \"files\"", 1);
    assert!(matches!(Evidence::from_json(extra.as_bytes()), Err(LoadEvidenceError::Syntax(_))));
}

#[test]
fn a_card_pulled_at_any_command_is_never_called_genuine() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let document = Document { portrait: vec_of_jpeg_head(), ..Document::specimen() };
    let state = issuer.state(&document);
    let mut whole = soft_card::SoftCard::from_state(&state);
    assert_eq!(judged(&read(&mut whole, &with_can()), &store).verdict, Verdict::GenuineValid);
    let commands = whole.commands();
    assert!(commands > 20);
    for at in 0..commands {
        for when in [When::Before, When::After] {
            let mut card = soft_card::SoftCard::from_state(&state);
            card.tear(Tear { at, when });
            let evidence = read(&mut card, &with_can());
            assert!(evidence.interrupted.is_some(), "command {at}");
            let report = judged(&evidence, &store);
            assert_eq!(report.verdict, Verdict::Unreadable, "command {at}: {:#?}", report.checks);
            assert!(report.checks.iter().all(|check| check.result.word() != "failed"), "command {at}");
            // The officer is told to read it again, not to compare the person with the portrait.
            for ground in report.grounds().filter(|ground| ground.result.word() == "aborted") {
                let remedy = ground.remedy.as_deref().unwrap();
                assert!(remedy.contains("put it back"), "command {at}, {}: {remedy}", ground.id);
            }
        }
    }
}

/// A portrait as short as a picture can be: the loop above reads it a hundred times.
fn vec_of_jpeg_head() -> Vec<u8> {
    let mut jpeg = Document::specimen().portrait;
    let scan = jpeg.windows(2).position(|marker| marker == [0xFF, 0xDA]).unwrap();
    jpeg.truncate(scan + 20);
    jpeg
}

#[test]
fn the_budget_ends_every_reading() {
    let issuer = Issuer::new("specimen-uto");
    let state = issuer.state(&Document::specimen());
    for budget in [
        Budget { commands: 30, ..Budget::default() },
        Budget { bytes: 2_000, ..Budget::default() },
        Budget { time: std::time::Duration::ZERO, ..Budget::default() },
    ] {
        let options = Options { budget, ..Options::new(today()) };
        let mut card = soft_card::SoftCard::from_state(&state);
        let evidence = inspect(&mut card, &with_can(), &options, &mut OsRandom, &mut |_| {});
        assert!(matches!(evidence.interrupted, Some(inspection::evidence::Interruption::Limit { .. })));
    }
    let small = Options { budget: Budget { file: 3_000, ..Budget::default() }, ..Options::new(today()) };
    let evidence =
        inspect(&mut soft_card::SoftCard::from_state(&state), &with_can(), &small, &mut OsRandom, &mut |_| {});
    assert!(matches!(evidence.files["EF.DG2"], FileEvidence::Malformed { .. }));
}
