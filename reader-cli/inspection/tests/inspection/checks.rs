//! Every check of the table passes on one evidence and does not on another.

use std::collections::BTreeMap;

use authority::defect_list::SeriesDefect;
use channel::hash::Hash;
use channel::pace::{Mapping, Suite};
use channel::suite::{Cipher, Curve};
use inspection::evidence::{TerminalAuthenticationEvidence, TerminalAuthenticationOutcome as Outcome};
use inspection::{Bac, CHECKS, Evidence, Policy, Report, Verdict, judge};
use jiff::Timestamp;
use jiff::civil::date;
use lds::date::Date;
use lds::mrz::Td1;
use lds::security_infos::SecurityInfo;
use soft_card::{SoftCard, State, forge};
use trust::bundle::RevocationReason;
use trust::{RevokedDocument, TrustStore};

use crate::issuer::{Active, Document, Issuer, days_after, noon, usual_start};
use crate::{read, today, with_can, with_mrz};

/// A document with everything that any check is about.
fn document() -> Document {
    // DG16 is no business of any other check.
    Document { extra: BTreeMap::from([(16, vec![0x70, 0x05, 0x04, 0x03, b'A', b'B', b'C'])]), ..Document::specimen() }
}

/// The same with Active Authentication only.
fn active() -> Document {
    let active_authentication = Active::Ecdsa(Curve::P256, Hash::Sha256);
    Document { chip_authentication: false, active_authentication, ..document() }
}

/// A document with fingers, and how Terminal Authentication ended.
fn fingers(issuer: &Issuer, outcome: Outcome) -> Evidence {
    let document = crate::terminal::document();
    let mut evidence = read_state(&issuer.state(&document), &document);
    let shown = vec!["UTDV00001".into(), "UTIS00001".into()];
    let authorities = vec!["UTCVCA00001".into()];
    evidence.terminal_authentication = Some(TerminalAuthenticationEvidence { authorities, shown, outcome });
    evidence
}

/// The same with chip authentication mapping.
fn mapped() -> Document {
    let suite = Suite { mapping: Mapping::ChipAuthentication, group: Curve::P256.into(), cipher: Cipher::Aes128 };
    Document { pace: vec![SecurityInfo::pace(&suite.oid(), Curve::P256.parameter_id())], ..document() }
}

struct Spoiled {
    id: &'static str,
    result: &'static str,
    report: Report,
}

fn report(evidence: &Evidence, store: &TrustStore, now: Timestamp) -> Report {
    judge(evidence, store, &Policy { bac: Bac::Allowed }, now)
}

/// A card with this memory, read with the MRZ of the specimen.
fn read_state(state: &State, document: &Document) -> Evidence {
    read(&mut SoftCard::from_state(state), &with_mrz(document, Bac::Allowed))
}

fn spoiled(issuer: &mut Issuer) -> Vec<Spoiled> {
    let store = issuer.store(vec![]);
    let state = issuer.state(&document());
    let good = read_state(&state, &document());
    let mut all = Vec::new();
    let mut add = |id, result, report| all.push(Spoiled { id, result, report });

    let mut wrong_can = with_can();
    wrong_can.password = channel::password::Password::Can(channel::secret::Secret::new(b"000000".to_vec()));
    add("access-protocol", "failed", report(&read(&mut issuer.card(&document()), &wrong_can), &store, today()));

    let mut hidden = state.clone();
    hidden.emrtd.files.remove(&0x011C);
    add("no-downgrade", "failed", report(&read_state(&hidden, &document()), &store, today()));

    // The signature value is the last thing in EF.SOD.
    add("sod-signature", "failed", report(&altered_sod(&good, |sod| sod.len() - 1), &store, today()));

    // The certificate's own signature ends where the certificate ends.
    let certificate = issuer.signer.certificate().der().to_vec();
    let end = |sod: &[u8]| position(sod, &certificate) + certificate.len() - 1;
    let forged = report(&altered_sod(&good, end), &store, today());
    add("trust-status", "failed", forged.clone());
    add("ds-certificate-signature", "failed", forged);

    let late = report(&good, &store, noon(2060, 1, 1));
    add("csca-validity", "failed", late.clone());
    add("ds-validity", "failed", late.clone());
    add("trust-bundle-freshness", "undetermined", late.clone());
    add("expiration", "failed", late);

    let spoil = |change: &dyn Fn(&mut Document)| {
        let mut document = document();
        change(&mut document);
        report(&read_state(&issuer.state(&document), &document), &store, today())
    };
    let hash = lds::sod::HashAlgorithm::Sha1;
    add("algorithm-strength", "failed", spoil(&|document| document.hash = hash));
    let early = Some(Date::new(2020, 1, 1).unwrap());
    add("ds-key-period", "failed", spoil(&|document| document.details.issue_date = early));
    add("ds-document-type", "failed", spoil(&|document| document.td1.document_code = "AC".into()));
    add("issuing-country", "failed", spoil(&|document| document.td1.issuing_state = "IRQ".into()));
    add("mrz-check-digits", "failed", spoil(&|document| document.misprint = Some((59, '8'))));
    add(
        "national-number",
        "failed",
        spoil(&|document| document.personal.personal_number = Some("199900000029".into())),
    );
    add("date-of-birth", "failed", spoil(&|document| document.personal.birth_date = early));
    let to_come = Some(Date::new(2026, 12, 20).unwrap());
    add("issue-and-expiry", "failed", spoil(&|document| document.details.issue_date = to_come));
    add(
        "name-reconciliation",
        "failed",
        spoil(&|document| document.personal.full_name = Some("مصطفى<التجريبي".into())),
    );

    let printed = Td1 { optional_1: "199900000029".into(), ..document().td1 };
    let mut other_print = good.clone();
    other_print.printed_mrz = Some(printed.to_mrz().unwrap().as_str().to_owned());
    add("printed-mrz", "failed", report(&other_print, &store, today()));

    let mut more = state.clone();
    more.emrtd.files.insert(0x011E, lds::com::Com::lds_1_7([1, 2, 7, 11, 12, 13, 14, 16]).to_bytes());
    add("sod-com", "failed", report(&read_state(&more, &document()), &store, today()));
    for (number, id) in [
        (1, "dg1-integrity"),
        (2, "dg2-integrity"),
        (11, "dg11-integrity"),
        (12, "dg12-integrity"),
        (13, "dg13-integrity"),
        (14, "dg14-integrity"),
        (16, "other-groups-integrity"),
    ] {
        let altered = forge::alter_data_group(&state, number).unwrap();
        add(id, "failed", report(&read_state(&altered, &document()), &store, today()));
    }
    let mapped = mapped();
    let state_with_key = issuer.state(&mapped);
    let mut clone = state_with_key.clone();
    clone.emrtd.mapping_key = forge::new_chip_key(&state_with_key).unwrap().emrtd.mapping_key;
    add("pace-cam", "failed", report(&read_state(&clone, &mapped), &store, today()));
    let mut damaged = state_with_key;
    damaged.emrtd.files.get_mut(&0x3F1D).unwrap().iter_mut().last().into_iter().for_each(|byte| *byte ^= 1);
    add("card-security", "failed", report(&read_state(&damaged, &mapped), &store, today()));
    let clone = forge::new_chip_key(&state).unwrap();
    add("chip-authentication", "failed", report(&read_state(&clone, &document()), &store, today()));
    let mut clone = forge::new_chip_key(&issuer.state(&active())).unwrap();
    add("active-authentication", "failed", report(&read_state(&clone, &active()), &store, today()));
    clone.emrtd.active_key = None;
    add("chip-authenticity", "undetermined", report(&read_state(&clone, &active()), &store, today()));

    let stranger = Outcome::Refused { reason: "the chip refused the certificate of UTDV00001: 6300".into() };
    add("terminal-authentication", "failed", report(&fingers(issuer, stranger), &store, today()));

    let stolen = RevokedDocument {
        state: None,
        number: "ZZ0000017".into(),
        reason: RevocationReason::Stolen,
        since: date(2026, 11, 5),
    };
    add("document-status", "failed", report(&good, &issuer.store(vec![stolen]), today()));
    // A series with a defect that is no doubt about the signer.
    let malformed = issuer.defect_list(None, SeriesDefect::DataGroupsMalformed { data_groups: vec![16] });
    let knowing = store.clone().knowing_defects(vec![malformed], today());
    add("known-defects", "failed", report(&good, &knowing, today()));
    // A clock that stands before the moment at which the issuer says it signed.
    let slow = days_after(usual_start(), 0) + jiff::SignedDuration::from_hours(12);
    add("sod-signing-time", "failed", report(&good, &issuer.store_after(0), slow));
    issuer.revoke_signer();
    add("ds-revocation", "failed", report(&good, &issuer.store(vec![]), today()));
    issuer.sign_with_the_csca();
    let by_csca = read_state(&issuer.state(&document()), &document());
    add("ds-key-usage", "failed", report(&by_csca, &store, today()));
    all
}

#[test]
fn every_check_has_a_passing_and_a_failing_evidence() {
    let mut issuer = Issuer::new("specimen-uto");
    let good = read_state(&issuer.state(&document()), &document());
    let other = issuer.defect_list(Some("0102"), SeriesDefect::ComDiffers);
    let store = issuer.store(vec![]).knowing_defects(vec![other], today());
    assert_eq!(store.defect_lists().len(), 1);
    let signed = read_state(&issuer.state(&active()), &active());
    let known = fingers(&issuer, Outcome::Successful { rights: vec![] });
    let mapping = read_state(&issuer.state(&mapped()), &mapped());
    let passing = [&good, &signed, &known, &mapping].map(|evidence| report(evidence, &store, today()));
    assert_eq!(passing.each_ref().map(|report| report.verdict), [inspection::Verdict::GenuineValid; 4]);
    let failing = spoiled(&mut issuer);
    for check in CHECKS {
        let passing = match check.id {
            "active-authentication" => &passing[1],
            "terminal-authentication" => &passing[2],
            "pace-cam" | "card-security" => &passing[3],
            _ => &passing[0],
        };
        let seen = passing.check(check.id).unwrap();
        assert_eq!(seen.result.word(), "successful", "{}: {}", check.id, seen.reason);
        assert_eq!(seen.remedy, None, "{}", check.id);
        let spoiled: Vec<_> = failing.iter().filter(|spoiled| spoiled.id == check.id).collect();
        assert_eq!(spoiled.len(), 1, "no spoiled evidence for {}", check.id);
        let seen = spoiled[0].report.check(check.id).unwrap();
        assert_eq!(seen.result.word(), spoiled[0].result, "{}: {}", check.id, seen.reason);
        assert!(seen.remedy.is_some(), "{}", check.id);
        assert!(!seen.reason.is_empty());
        let genuine = spoiled[0].report.verdict == inspection::Verdict::GenuineValid;
        assert_eq!(genuine, check.class == inspection::Class::Evaluatory, "{}", check.id);
    }
    assert_eq!(failing.len(), CHECKS.len());
}

#[test]
fn what_defect_lists_say_of_the_signer_weighs() {
    let mut issuer = Issuer::new("specimen-uto");
    let good = read_state(&issuer.state(&document()), &document());
    let store = issuer.store(vec![]);
    for (defect, check, result, verdict) in [
        (SeriesDefect::CertificateRevoked { status: 3 }, "ds-revocation", "failed", Verdict::UntrustedIssuer),
        (SeriesDefect::CertificateRevoked { status: 1 }, "trust-status", "undetermined", Verdict::UntrustedIssuer),
        (SeriesDefect::ChipAuthenticationKeyRevoked, "chip-authentication", "undetermined", Verdict::CloneSuspect),
    ] {
        let list = issuer.defect_list(None, defect);
        let report = report(&good, &store.clone().knowing_defects(vec![list], today()), today());
        let seen = report.check(check).unwrap();
        assert_eq!((seen.result.word(), report.verdict), (result, verdict), "{}", seen.reason);
        assert!(seen.reason.contains("defect list"), "{}", seen.reason);
        assert_eq!(report.check("known-defects").unwrap().result.word(), "failed");
    }
}

#[test]
fn names_are_stable_words_and_nothing_is_left_unexplained() {
    let mut seen = std::collections::BTreeSet::new();
    for check in CHECKS {
        assert!(seen.insert(check.id), "{} twice", check.id);
        assert!(check.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
        for text in [check.title, check.source, check.explanation, check.remedy] {
            assert!(!text.is_empty() && !text.contains("  "), "{}: {text}", check.id);
            assert!(!text.to_lowercase().contains("fake"), "{}", check.id);
        }
    }
}

fn altered_sod(evidence: &Evidence, at: impl Fn(&[u8]) -> usize) -> Evidence {
    let mut altered = evidence.clone();
    let Some(inspection::evidence::FileEvidence::Read { content }) = altered.files.get_mut("EF.SOD") else { panic!() };
    let at = at(content);
    content[at] ^= 0x01;
    altered
}

fn position(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).position(|window| window == needle).unwrap()
}
