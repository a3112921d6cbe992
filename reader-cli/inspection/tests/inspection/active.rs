//! Active Authentication: documents whose chip proves itself by a signature.

use authority::defect_list::SeriesDefect;
use channel::hash::Hash;
use channel::random::OsRandom;
use channel::suite::Curve;
use inspection::evidence::{ActiveAuthenticationEvidence as Seen, FileEvidence};
use inspection::{Evidence, Options, Verdict, inspect};
use iso7816::Status;
use lds::dg::dg14::Dg14;
use soft_card::{SoftCard, forge};

use crate::issuer::{Active, Document, Issuer};
use crate::{judged, read, result, today, with_can};

const USUAL: Active = Active::Ecdsa(Curve::P256, Hash::Sha256);

fn document(active_authentication: Active) -> Document {
    Document { chip_authentication: false, active_authentication, ..Document::specimen() }
}

#[test]
fn a_chip_that_signs_is_genuine_and_a_copy_of_it_is_not() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    for kind in [
        Active::Rsa { bits: 1024 },
        USUAL,
        Active::Ecdsa(Curve::BrainpoolP256r1, Hash::Sha1),
        Active::Ecdsa(Curve::BrainpoolP384r1, Hash::Sha384),
    ] {
        let state = issuer.state(&document(kind));
        let evidence = read(&mut SoftCard::from_state(&state), &with_can());
        let report = judged(&evidence, &store);
        assert_eq!(report.verdict, Verdict::GenuineValid, "{kind:?} {:#?}", report.complaints().collect::<Vec<_>>());
        assert_eq!(result(&report, "active-authentication"), "successful");
        assert_eq!(result(&report, "chip-authentication"), "not supported");
        // What is stored is judged alike.
        let stored = Evidence::from_json(evidence.to_json().unwrap().as_bytes()).unwrap();
        assert_eq!(judged(&stored, &store).checks, report.checks);

        let copy = forge::new_chip_key(&state).unwrap();
        let report = judged(&read(&mut SoftCard::from_state(&copy), &with_can()), &store);
        assert_eq!((report.verdict, &report.because[..]), (Verdict::CloneSuspect, &["active-authentication"][..]));
    }
}

#[test]
fn a_long_signature_needs_extended_length_and_its_lack_accuses_nobody() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = issuer.state(&document(Active::Rsa { bits: 2048 }));
    let with = |extended_length| {
        let options = Options { extended_length, ..Options::new(today()) };
        inspect(&mut SoftCard::from_state(&state), &with_can(), &options, &mut OsRandom, &mut |_| {})
    };
    let long = judged(&with(true), &store);
    assert_eq!(long.verdict, Verdict::GenuineValid, "{:#?}", long.complaints().collect::<Vec<_>>());
    let short = with(false);
    assert_eq!(short.active_authentication, Some(Seen::Refused { status: Status::WRONG_LENGTH }));
    let short = judged(&short, &store);
    assert_eq!(result(&short, "active-authentication"), "undetermined");
    assert_eq!((short.verdict, &short.because[..]), (Verdict::Unreadable, &["chip-authenticity"][..]));
}

#[test]
fn without_a_good_signature_nothing_is_genuine() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = issuer.state(&document(USUAL));
    let good = read(&mut SoftCard::from_state(&state), &with_can());
    let seen = |seen: Option<Seen>| {
        let report = judged(&Evidence { active_authentication: seen, ..good.clone() }, &store);
        (report.verdict, result(&report, "active-authentication"))
    };
    assert_eq!(seen(good.active_authentication.clone()), (Verdict::GenuineValid, "successful"));
    assert_eq!(seen(None), (Verdict::Unreadable, "undetermined"));
    assert_eq!(seen(Some(Seen::Interrupted)), (Verdict::Unreadable, "aborted"));
    let refused = Seen::Refused { status: Status::CONDITIONS_NOT_SATISFIED };
    assert_eq!(seen(Some(refused)), (Verdict::CloneSuspect, "failed"));
    let Some(Seen::Answered { challenge, signature }) = good.active_authentication.clone() else { panic!() };
    let answered = |challenge: &[u8], signature: &[u8]| {
        seen(Some(Seen::Answered { challenge: challenge.to_vec(), signature: signature.to_vec() }))
    };
    assert_eq!(answered(&[0; 8], &signature), (Verdict::CloneSuspect, "failed"));
    assert_eq!(answered(&challenge, &[]), (Verdict::CloneSuspect, "failed"));
    assert_eq!(answered(&challenge, &signature[1..]), (Verdict::CloneSuspect, "failed"));
    assert_eq!(answered(&challenge[1..], &signature), (Verdict::Unreadable, "undetermined"));
}

#[test]
fn a_key_that_nobody_signed_proves_nothing() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let other = issuer.state(&document(Active::Ecdsa(Curve::P256, Hash::Sha384)));
    // A document without DG15 on a chip that shows one of its own.
    let mut copy = issuer.state(&Document { chip_authentication: false, ..Document::specimen() });
    copy.emrtd.files.insert(0x010F, other.emrtd.files[&0x010F].clone());
    copy.emrtd.active_key = other.emrtd.active_key.clone();
    let report = judged(&read(&mut SoftCard::from_state(&copy), &with_can()), &store);
    assert_eq!((report.verdict, result(&report, "active-authentication")), (Verdict::Unreadable, "not supported"));

    // One with another key in its DG15.
    let mut copy = issuer.state(&document(Active::Ecdsa(Curve::BrainpoolP256r1, Hash::Sha256)));
    copy.emrtd.files.insert(0x010F, other.emrtd.files[&0x010F].clone());
    copy.emrtd.active_key = other.emrtd.active_key;
    let report = judged(&read(&mut SoftCard::from_state(&copy), &with_can()), &store);
    assert_eq!((report.verdict, result(&report, "active-authentication")), (Verdict::NotGenuine, "failed"));

    // One that hides the DG15 it signed for.
    let mut copy = issuer.state(&document(USUAL));
    copy.emrtd.files.remove(&0x010F);
    let report = judged(&read(&mut SoftCard::from_state(&copy), &with_can()), &store);
    assert_eq!((report.verdict, result(&report, "active-authentication")), (Verdict::NotGenuine, "failed"));
}

#[test]
fn keys_that_others_know_prove_nothing() {
    let mut issuer = Issuer::new("specimen-uto");
    let good = read(&mut issuer.card(&document(USUAL)), &with_can());
    let store = issuer.store(vec![]);
    let list = issuer.defect_list(None, SeriesDefect::ActiveAuthenticationKeyRevoked);
    let report = judged(&good, &store.knowing_defects(vec![list], today()));
    assert_eq!(result(&report, "active-authentication"), "undetermined");
    assert_eq!((report.verdict, &report.because[..]), (Verdict::CloneSuspect, &["chip-authenticity"][..]));
}

#[test]
fn chip_authentication_goes_first_and_suffices() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let both = Document { active_authentication: USUAL, ..Document::specimen() };
    let evidence = read(&mut issuer.card(&both), &with_can());
    assert_eq!(evidence.active_authentication, None);
    assert!(evidence.chip_authentication.is_some());
    assert!(matches!(evidence.files["EF.DG15"], FileEvidence::Read { .. }));
    let dg14 = Dg14::parse(evidence.content("EF.DG14").unwrap()).unwrap();
    assert_eq!(dg14.infos.infos().len(), 4);
    let report = judged(&evidence, &store);
    assert_eq!(report.verdict, Verdict::GenuineValid);
    assert_eq!(result(&report, "active-authentication"), "not supported");

    // A copy without the key of Chip Authentication is not asked for another proof.
    let mut copy = issuer.state(&both);
    copy.emrtd.chip_key = None;
    let evidence = read(&mut SoftCard::from_state(&copy), &with_can());
    assert_eq!(evidence.active_authentication, None);
    assert_eq!(judged(&evidence, &store).verdict, Verdict::CloneSuspect);
}
