//! Each verdict for its own reason.

use std::collections::BTreeMap;

use inspection::evidence::{ChipAuthenticationOutcome, FileEvidence};
use inspection::{Bac, Policy, Verdict, judge};
use iso7816::tlv::{Reader, Tag, encode, sole};
use jiff::civil::date;
use lds::date::Date;
use lds::dg::dg02::{Dg2, Face};
use lds::dg::dg05::{Dg5, DisplayedImage};
use lds::dg::dg07::Dg7;
use lds::dg::dg16::{Dg16, Person};
use lds::security_infos::SecurityInfo;
use soft_card::{SoftCard, forge};
use trust::bundle::RevocationReason;
use trust::{Bundle, Leniency, RevokedDocument, TrustStore};

use crate::issuer::{Document, Issuer, noon, signature};
use crate::{judged, read, result, today, with_can, with_mrz};

#[test]
fn a_genuine_card_names_its_holder() {
    let mut issuer = Issuer::new("specimen-uto");
    let report = judged(&read(&mut issuer.card(&Document::specimen()), &with_can()), &issuer.store(vec![]));
    assert_eq!(report.verdict, Verdict::GenuineValid);
    let holder = report.holder.unwrap();
    assert!(holder.authentic);
    assert_eq!(holder.name.as_deref(), Some("زينب علي حسين التجريبي"));
    assert_eq!(holder.date_of_birth.as_deref(), Some("1999-01-01"));
    assert_eq!(holder.date_of_expiry.as_deref(), Some("2036-11-01"));
    assert_eq!(holder.national_number.as_deref(), Some("199900000011"));
    assert_eq!(holder.national.get("blood_group").map(String::as_str), Some("O+"));
    assert_eq!(holder.national.len(), 1);
    assert_eq!(report.portrait.unwrap().media_type, "image/jpeg");
}

/// Data groups that other States use: a face in ASN.1, displayed pictures, persons to notify.
#[test]
fn what_other_states_write_is_shown_once_it_is_vouched_for() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let specimen = Document::specimen();
    let face = Face::new(specimen.portrait.clone()).unwrap().in_iso39794();
    let picture = DisplayedImage::new(signature()).unwrap();
    let person = Person {
        recorded: Some(Date::new(2024, 3, 1).unwrap()),
        name: Some("ERIKSSON<<LARS".into()),
        telephone: Some("46855512345".into()),
        address: vec!["Storgatan 1".into(), "Utopia".into()],
    };
    let extra = BTreeMap::from([
        (2, Dg2::new(face).to_bytes()),
        (5, Dg5::new(DisplayedImage::new(specimen.portrait.clone()).unwrap()).to_bytes()),
        (7, Dg7::new(picture).to_bytes()),
        (16, Dg16::new(vec![person]).unwrap().to_bytes()),
    ]);
    let state = issuer.state(&Document { extra, ..specimen.clone() });
    let report = judged(&read(&mut SoftCard::from_state(&state), &with_can()), &store);
    assert_eq!(report.verdict, Verdict::GenuineValid, "{:?}", report.because);
    assert_eq!(report.portrait.unwrap().image, specimen.portrait);
    let shown: Vec<_> = report.displayed.iter().map(|picture| (picture.data_group, picture.width)).collect();
    assert_eq!(shown, [(5, 240), (7, 60)]);
    assert_eq!(report.displayed[1].image, signature());
    let notify = &report.holder.unwrap().persons_to_notify[0];
    assert_eq!((notify.name.as_deref(), notify.recorded.as_deref()), (Some("LARS ERIKSSON"), Some("2024-03-01")));

    for number in [2, 5, 7, 16] {
        let forged = forge::alter_data_group(&state, number).unwrap();
        let report = judged(&read(&mut SoftCard::from_state(&forged), &with_can()), &store);
        let check = if number == 2 { "dg2-integrity" } else { "other-groups-integrity" };
        assert_eq!((report.verdict, &report.because[..]), (Verdict::NotGenuine, &[check][..]), "DG{number}");
        match number {
            2 => assert!(report.portrait.is_none()),
            16 => assert_eq!(report.holder.unwrap().persons_to_notify, []),
            _ => assert!(report.displayed.iter().all(|picture| picture.data_group != number)),
        }
    }
}

#[test]
fn an_altered_data_group_is_not_genuine_and_not_shown() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = issuer.state(&Document::specimen());
    for number in [1, 2, 11, 12, 13, 14] {
        let forged = forge::alter_data_group(&state, number).unwrap();
        let report = judged(&read(&mut SoftCard::from_state(&forged), &with_can()), &store);
        assert_eq!(report.verdict, Verdict::NotGenuine, "DG{number}");
        assert_eq!(report.because, [format!("dg{number}-integrity")]);
        assert_eq!(result(&report, &format!("dg{number}-integrity")), "failed");
        match number {
            1 => assert_eq!(report.holder.unwrap().document_number, None),
            2 => assert!(report.portrait.is_none()),
            11 => assert_eq!(report.holder.unwrap().name, None),
            _ => {}
        }
    }
}

#[test]
fn a_clone_is_a_suspect() {
    let mut issuer = Issuer::new("specimen-uto");
    let clone = forge::new_chip_key(&issuer.state(&Document::specimen())).unwrap();
    let report = judged(&read(&mut SoftCard::from_state(&clone), &with_can()), &issuer.store(vec![]));
    assert_eq!(report.verdict, Verdict::CloneSuspect);
    assert_eq!(result(&report, "chip-authentication"), "failed");
    assert_eq!(result(&report, "dg14-integrity"), "successful");
}

#[test]
fn a_clone_with_a_key_of_its_own_does_not_pass() {
    let mut issuer = Issuer::new("specimen-uto");
    let (original, other) = (issuer.state(&Document::specimen()), issuer.state(&Document::specimen()));
    let mut clone = original;
    // Its own key in its own DG14: the protocol succeeds, the hash does not.
    clone.emrtd.files.insert(0x010E, other.emrtd.files[&0x010E].clone());
    clone.emrtd.chip_key = other.emrtd.chip_key;
    let evidence = read(&mut SoftCard::from_state(&clone), &with_can());
    assert_eq!(evidence.chip_authentication.as_ref().unwrap().outcome, ChipAuthenticationOutcome::Proved);
    let report = judged(&evidence, &issuer.store(vec![]));
    assert_eq!(report.verdict, Verdict::NotGenuine);
    assert_eq!(result(&report, "chip-authentication"), "failed");
}

#[test]
fn a_chip_that_withholds_its_proof_does_not_pass() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = issuer.state(&Document::specimen());

    let mut silent = state.clone();
    silent.emrtd.chip_key = None;
    let report = judged(&read(&mut SoftCard::from_state(&silent), &with_can()), &store);
    assert_eq!(report.verdict, Verdict::CloneSuspect, "{:#?}", report.check("chip-authentication"));

    let mut without = state;
    without.emrtd.files.remove(&0x010E);
    let report = judged(&read(&mut SoftCard::from_state(&without), &with_can()), &store);
    assert_eq!(report.verdict, Verdict::NotGenuine);
    assert_eq!(result(&report, "chip-authentication"), "failed");

    let mut evidence = read(&mut issuer.card(&Document::specimen()), &with_can());
    evidence.chip_authentication = None;
    assert_eq!(judged(&evidence, &store).verdict, Verdict::CloneSuspect);
}

#[test]
fn a_document_without_chip_authentication_is_not_called_genuine() {
    let mut issuer = Issuer::new("specimen-uto");
    let document = Document { chip_authentication: false, ..Document::specimen() };
    let report = judged(&read(&mut issuer.card(&document), &with_can()), &issuer.store(vec![]));
    assert_eq!(report.verdict, Verdict::Unreadable);
    assert_eq!(result(&report, "chip-authentication"), "not supported");
    assert!(report.holder.unwrap().authentic);
}

#[test]
fn an_unknown_issuer_is_not_called_false() {
    let issuer = Issuer::new("specimen-uto");
    let store = Issuer::new("specimen-uto").store(vec![]);
    let report = judged(&read(&mut issuer.card(&Document::specimen()), &with_can()), &store);
    assert_eq!(report.verdict, Verdict::UntrustedIssuer);
    assert_eq!(result(&report, "sod-signature"), "successful");
    assert!(!report.holder.unwrap().authentic);
    assert!(!report.meaning.contains("fake"));
}

#[test]
fn a_revoked_document_and_a_revoked_signer() {
    let mut issuer = Issuer::new("specimen-uto");
    let evidence = read(&mut issuer.card(&Document::specimen()), &with_can());
    let lost = RevokedDocument {
        state: None,
        number: "ZZ0000017".into(),
        reason: RevocationReason::Lost,
        since: date(2026, 11, 5),
    };
    assert_eq!(judged(&evidence, &issuer.store(vec![lost])).verdict, Verdict::GenuineRevoked);

    issuer.revoke_signer();
    let report = judged(&evidence, &issuer.store(vec![]));
    assert_eq!(report.verdict, Verdict::UntrustedIssuer);
    assert_eq!(result(&report, "ds-revocation"), "failed");
}

#[test]
fn only_the_list_of_its_own_state_speaks_about_a_document() {
    let (mut issuer, mut here) = (Issuer::new("specimen-uto"), Issuer::new("iq-nid-compat"));
    let evidence = read(&mut issuer.card(&Document::specimen()), &with_can());
    let theirs = issuer.bundle(vec![]).bundle;
    let mut verdict = |state: Option<&str>, number: &str| {
        let (state, since) = (state.map(str::to_owned), date(2026, 11, 5));
        let lost = RevokedDocument { state, number: number.into(), reason: RevocationReason::Lost, since };
        let own = here.bundle(vec![lost]).bundle;
        let (anchors, crls) =
            ([own.anchors, theirs.anchors.clone()].concat(), [own.crls, theirs.crls.clone()].concat());
        let mut policy = own.policy;
        policy.countries.extend(theirs.policy.countries.clone());
        let store = TrustStore::from_bundle(Bundle { anchors, crls, policy, ..own });
        let report = judged(&evidence, &store);
        (report.verdict, result(&report, "document-status"))
    };
    // A document of the bundle's own state with this number, or a document of a third: nobody says anything of this one.
    assert_eq!(verdict(None, "ZZ0000017"), (Verdict::GenuineStatusUnknown, "undetermined"));
    assert_eq!(verdict(Some("D"), "ZZ0000017"), (Verdict::GenuineStatusUnknown, "undetermined"));
    assert_eq!(verdict(Some("UTO"), "ZZ0000017"), (Verdict::GenuineRevoked, "failed"));
    assert_eq!(verdict(Some("UTO"), "ZZ0000018"), (Verdict::GenuineValid, "successful"));
}

#[test]
fn status_unknown_without_fresh_trust_material() {
    let mut issuer = Issuer::new("specimen-uto");
    let evidence = read(&mut issuer.card(&Document::specimen()), &with_can());
    let bundle = issuer.bundle(vec![]).bundle;
    let stale = judge(&evidence, &TrustStore::from_bundle(bundle.clone()), &Policy::default(), noon(2027, 9, 1));
    assert_eq!(stale.verdict, Verdict::GenuineStatusUnknown);
    assert_eq!(result(&stale, "trust-bundle-freshness"), "undetermined");
    // That a document is on no list means nothing once the list is old; that it is on one means as much as ever.
    assert_eq!(result(&stale, "document-status"), "undetermined");
    let limited = TrustStore::from_bundle(bundle.clone()).with_maximum_age(Some(0));
    assert_eq!(result(&judged(&evidence, &limited), "document-status"), "undetermined");
    assert_eq!(judged(&evidence, &limited).verdict, Verdict::GenuineStatusUnknown);

    let without_list = TrustStore::from_bundle(Bundle { crls: vec![], ..bundle });
    let report = judged(&evidence, &without_list);
    assert_eq!(report.verdict, Verdict::GenuineStatusUnknown);
    assert_eq!(result(&report, "ds-revocation"), "undetermined");
}

#[test]
fn an_expired_document_stays_genuine() {
    let mut issuer = Issuer::new("specimen-uto");
    let evidence = read(&mut issuer.card(&Document::specimen()), &with_can());
    let mut bundle = issuer.bundle(vec![]).bundle;
    bundle.expires = noon(2060, 1, 1);
    let store = TrustStore::from_bundle(bundle);
    let at = |time| judge(&evidence, &store, &Policy::default(), time);
    // The list of revoked signers is out of date by then, which weighs less.
    assert_eq!(at(noon(2036, 10, 31)).verdict, Verdict::GenuineStatusUnknown);
    assert_eq!(at(noon(2036, 11, 3)).verdict, Verdict::GenuineExpired);
    // Later the certificates have expired too.
    let late = at(noon(2040, 1, 1));
    assert_eq!(late.verdict, Verdict::GenuineExpired, "{:#?}", late.complaints().collect::<Vec<_>>());
    assert_eq!(result(&late, "ds-validity"), "failed");
}

#[test]
fn bac_on_a_card_that_signed_for_pace_is_a_downgrade() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let document = Document::specimen();
    let mut state = issuer.state(&document);
    state.emrtd.files.remove(&0x011C);
    let evidence = read(&mut SoftCard::from_state(&state), &with_mrz(&document, Bac::Allowed));
    let lenient = judge(&evidence, &store, &Policy { bac: Bac::Allowed }, today());
    assert_eq!(result(&lenient, "no-downgrade"), "failed");
    assert_eq!(lenient.verdict, Verdict::CloneSuspect);
    let strict = judged(&evidence, &store);
    assert_eq!(result(&strict, "access-protocol"), "failed");

    let old = Document { pace: vec![], ..document };
    let evidence = read(&mut issuer.card(&old), &with_mrz(&old, Bac::Allowed));
    assert_eq!(judge(&evidence, &store, &Policy { bac: Bac::Allowed }, today()).verdict, Verdict::GenuineValid);
    assert_eq!(judged(&evidence, &store).verdict, Verdict::Unreadable);
}

#[test]
fn a_weaker_pace_than_signed_is_a_downgrade() {
    let mut issuer = Issuer::new("specimen-uto");
    let document = Document::specimen();
    let mut state = issuer.state(&document);
    let weaker = SecurityInfo::pace(lds::security_infos::ID_PACE_ECDH_GM_AES_128, 12);
    state.emrtd.files.insert(0x011C, lds::security_infos::SecurityInfos::new(vec![weaker]).to_bytes());
    let report = judged(&read(&mut SoftCard::from_state(&state), &with_can()), &issuer.store(vec![]));
    assert_eq!(result(&report, "no-downgrade"), "failed");
    assert_eq!(report.verdict, Verdict::CloneSuspect);
}

#[test]
fn no_evidence_at_all_is_unreadable() {
    let mut issuer = Issuer::new("specimen-uto");
    let report = judged(&inspection::Evidence::new(today()), &issuer.store(vec![]));
    assert_eq!(report.verdict, Verdict::Unreadable);
    assert!(report.holder.is_none());
}

#[test]
fn a_portrait_left_out_is_not_vouched_for() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let mut evidence = read(&mut issuer.card(&Document::specimen()), &with_can());
    evidence.files.insert("EF.DG2".into(), FileEvidence::Skipped);
    let report = judged(&evidence, &store);
    assert_eq!(report.verdict, Verdict::GenuineStatusUnknown);
    assert_eq!(report.because, ["dg2-integrity"]);
    assert_eq!(report.meaning, "The data that were read are genuine and in force. Not checked: the portrait (DG2).");
    let expired = judge(&evidence, &store, &Policy::default(), noon(2036, 11, 3));
    assert_eq!(expired.verdict, Verdict::GenuineExpired);
    assert_eq!(expired.meaning, "The card is genuine, but it has expired. Not checked: the portrait (DG2).");

    evidence.files.insert("EF.DG2".into(), FileEvidence::Absent);
    let report = judged(&evidence, &store);
    assert_eq!(report.verdict, Verdict::NotGenuine);
    assert_eq!(report.meaning, Verdict::NotGenuine.sentence());
}

#[test]
fn evidence_without_a_record_of_a_signed_file_is_not_called_valid() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let document = Document { extra: [(16, vec![0x70, 0x00])].into(), ..Document::specimen() };
    let evidence = read(&mut issuer.card(&document), &with_can());
    assert_eq!(judged(&evidence, &store).verdict, Verdict::GenuineValid);
    for number in [2, 11, 12, 13, 16] {
        for seen in [None, Some(FileEvidence::Skipped), Some(FileEvidence::Interrupted)] {
            let mut without = evidence.clone();
            without.files.remove(&format!("EF.DG{number}"));
            without.files.extend(seen.map(|seen| (format!("EF.DG{number}"), seen)));
            let report = judged(&without, &store);
            assert_eq!(report.verdict, Verdict::GenuineStatusUnknown, "DG{number}");
            assert!(report.meaning.contains("Not checked: ") && report.meaning.contains(&format!("DG{number}")));
        }
    }
    let mut without = evidence;
    without.files.remove("EF.DG1");
    assert_eq!(judged(&without, &store).verdict, Verdict::Unreadable);
}

#[test]
fn what_was_tolerated_is_in_the_report() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let mut evidence = read(&mut issuer.card(&Document::specimen()), &with_can());
    assert_eq!(judged(&evidence, &store).leniencies, []);

    // A second copy of the signer's certificate with a mark that no reader knows: outside what is signed.
    let Some(FileEvidence::Read { content }) = evidence.files.get_mut("EF.SOD") else { panic!() };
    *content = with_an_unreadable_certificate(content);
    let report = judged(&evidence, &store);
    assert_eq!(report.verdict, Verdict::GenuineValid, "{:#?}", report.complaints().collect::<Vec<_>>());
    assert_eq!(report.leniencies, [Leniency::UnreadableCertificates]);
    assert_eq!(serde_json::to_value(&report).unwrap()["leniencies"][0], "unreadable-certificates");
}

/// EF.SOD with an empty SEQUENCE after its certificates.
fn with_an_unreadable_certificate(sod: &[u8]) -> Vec<u8> {
    let (sequence, explicit) = (Tag(0x30), Tag(0xA0));
    let info = sole(sole(sod, Tag(0x77)).unwrap(), sequence).unwrap();
    let mut info = Reader::new(info);
    let kind = info.next().unwrap().unwrap();
    let signed = sole(info.expect(explicit).unwrap(), sequence).unwrap();
    let mut body = Vec::new();
    let mut parts = Reader::new(signed);
    while let Some(part) = parts.next().unwrap() {
        let more: &[u8] = if part.tag == explicit { &[0x30, 0x00] } else { &[] };
        body.extend(encode(part.tag, [part.value, more].concat()));
    }
    let signed = encode(explicit, encode(sequence, body));
    encode(Tag(0x77), encode(sequence, [kind.raw.to_vec(), signed].concat()))
}

#[test]
fn fingers_and_irises_are_left_to_extended_access() {
    let mut issuer = Issuer::new("specimen-uto");
    let document = Document { extra: [(3, vec![0x63, 0x00]), (4, vec![0x76, 0x00])].into(), ..Document::specimen() };
    let report = judged(&read(&mut issuer.card(&document), &with_can()), &issuer.store(vec![]));
    assert_eq!(report.verdict, Verdict::GenuineValid, "{:#?}", report.complaints().collect::<Vec<_>>());
    assert_eq!(result(&report, "other-groups-integrity"), "not supported");
}
