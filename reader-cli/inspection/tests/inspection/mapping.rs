//! PACE with chip authentication mapping, and EF.CardSecurity, with whose key it is judged.

use authority::defect_list::SeriesDefect;
use channel::chip_auth::ChipKey;
use channel::pace::{Mapping, Suite};
use channel::suite::{Cipher, Curve};
use inspection::evidence::{Evidence, FileEvidence, MappingEvidence, Protocol};
use inspection::{Report, Verdict};
use lds::security_infos::{PublicKeyInfo, SecurityInfo, SecurityInfos};
use soft_card::fault::{CloneKey, Fault, Faults};
use soft_card::{SoftCard, State, forge};

use crate::issuer::{Document, Issuer, days_after, usual_start};
use crate::{judged, read, result, today, with_can};

/// EF.CardAccess, EF.CardSecurity as the card keeps them.
const ACCESS: u16 = 0x011C;
const SECURITY: u16 = 0x3F1D;

fn info(mapping: Mapping, curve: Curve, cipher: Cipher) -> SecurityInfo {
    SecurityInfo::pace(&Suite { mapping, group: curve.into(), cipher }.oid(), curve.parameter_id())
}

fn cam() -> SecurityInfo {
    info(Mapping::ChipAuthentication, Curve::BrainpoolP256r1, Cipher::Aes128)
}

/// Chip authentication mapping beside generic mapping; no other proof of the chip unless asked for.
pub fn document(chip_authentication: bool) -> Document {
    let specimen = Document::specimen();
    Document { pace: [specimen.pace.clone(), vec![cam()]].concat(), chip_authentication, ..specimen }
}

fn seen(state: &State) -> Evidence {
    read(&mut SoftCard::from_state(state), &with_can())
}

fn complaints(report: &Report) -> Vec<(&'static str, &str)> {
    report.complaints().map(|check| (check.id, check.reason.as_str())).collect()
}

#[test]
fn a_chip_that_proves_its_key_in_pace_is_genuine() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    for chip_authentication in [false, true] {
        let evidence = seen(&issuer.state(&document(chip_authentication)));
        let established = evidence.access.established.clone().unwrap();
        assert!(established.detail.starts_with("chip authentication mapping, "), "{}", established.detail);
        assert_eq!(evidence.access.attempts.len(), 1);
        assert!(matches!(evidence.files["EF.CardSecurity"], FileEvidence::Read { .. }));
        // Chip Authentication takes place all the same, where it is offered.
        assert_eq!(evidence.chip_authentication.is_some(), chip_authentication);
        let report = judged(&evidence, &store);
        assert_eq!(report.verdict, Verdict::GenuineValid, "{:#?}", complaints(&report));
        for id in ["pace-cam", "card-security", "no-downgrade", "chip-authenticity"] {
            assert_eq!(result(&report, id), "successful", "{id}");
        }
        let stored = Evidence::from_json(evidence.to_json().unwrap().as_bytes()).unwrap();
        assert_eq!(stored, evidence);
        assert_eq!(judged(&stored, &store).checks, report.checks);
    }
    // Over other curves and ciphers, and offered after stronger keys without it.
    for (curve, cipher) in [(Curve::P384, Cipher::Aes256), (Curve::BrainpoolP512r1, Cipher::Aes192)] {
        let offers =
            vec![info(Mapping::Generic, Curve::P256, Cipher::Aes256), info(Mapping::ChipAuthentication, curve, cipher)];
        let report = judged(&seen(&issuer.state(&Document { pace: offers, ..document(false) })), &store);
        assert_eq!(report.verdict, Verdict::GenuineValid, "{:#?}", complaints(&report));
        assert_eq!(result(&report, "pace-cam"), "successful");
    }
}

#[test]
fn a_document_without_it_is_not_asked_for_it() {
    let mut issuer = Issuer::new("specimen-uto");
    let evidence = seen(&issuer.state(&Document::specimen()));
    assert!(!evidence.files.contains_key("EF.CardSecurity"));
    let report = judged(&evidence, &issuer.store(vec![]));
    for id in ["pace-cam", "card-security"] {
        assert_eq!(result(&report, id), "not supported", "{id}");
    }
}

#[test]
fn a_copy_on_another_chip_is_found_out() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    for chip_authentication in [false, true] {
        let state = issuer.state(&document(chip_authentication));
        let copy = |key| {
            let faults = Faults { seed: 7, all: vec![Fault::Cloned { key }], ..Faults::default() };
            let evidence = seen(&forge::forge(&state, &faults).unwrap());
            (judged(&evidence, &store), evidence)
        };
        let (report, evidence) = copy(CloneKey::Other);
        assert!(evidence.access.established.unwrap().mapping.is_some());
        assert_eq!((report.verdict, result(&report, "pace-cam")), (Verdict::CloneSuspect, "failed"));
        assert!(report.because.contains(&"pace-cam"), "{:?}", report.because);

        // Without a key it refuses the mapping, and is opened by another.
        let (report, evidence) = copy(CloneKey::None);
        assert!(evidence.access.established.unwrap().detail.starts_with("generic mapping"));
        assert!(evidence.access.attempts.iter().any(|attempt| attempt.error.is_some()));
        assert_eq!((report.verdict, result(&report, "pace-cam")), (Verdict::CloneSuspect, "failed"));
        assert_eq!(result(&report, "no-downgrade"), "successful");

        // Its own key in EF.CardSecurity: the proof is good, the signature is not.
        let (report, _) = copy(CloneKey::Own);
        assert_eq!((report.verdict, result(&report, "card-security")), (Verdict::NotGenuine, "failed"));
        assert_eq!(result(&report, "pace-cam"), "undetermined");
    }
}

#[test]
fn only_a_card_security_that_a_trusted_signer_signed_counts() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let (state, other) = (issuer.state(&document(false)), issuer.state(&document(false)));
    let with = |file: Option<Vec<u8>>| {
        let mut changed = state.clone();
        match file {
            Some(file) => changed.emrtd.files.insert(SECURITY, file),
            None => changed.emrtd.files.remove(&SECURITY),
        };
        let report = judged(&seen(&changed), &store);
        (report.verdict, result(&report, "card-security"), result(&report, "pace-cam"))
    };
    assert_eq!(with(Some(state.emrtd.files[&SECURITY].clone())), (Verdict::GenuineValid, "successful", "successful"));
    // That of another genuine chip.
    let file = other.emrtd.files[&SECURITY].clone();
    assert_eq!(with(Some(file)), (Verdict::CloneSuspect, "successful", "failed"));
    // Hidden, although the signed DG14 promises the mapping.
    assert_eq!(with(None), (Verdict::CloneSuspect, "not supported", "failed"));
    // Of an authority that nobody knows here.
    let stranger = Issuer::new("specimen-uto").state(&document(false));
    let file = stranger.emrtd.files[&SECURITY].clone();
    assert_eq!(with(Some(file)), (Verdict::UntrustedIssuer, "undetermined", "undetermined"));
    assert_eq!(with(Some(vec![0x30, 0x00])), (Verdict::NotGenuine, "failed", "undetermined"));
    // One that knows nothing of what EF.CardAccess offers, and one without a key.
    let without_offer = issuer.card_security(vec![cam()]);
    assert_eq!(with(Some(without_offer)), (Verdict::Unreadable, "successful", "undetermined"));
    let generic = issuer.card_security(Document::specimen().pace);
    let mut changed = state.clone();
    changed.emrtd.files.insert(SECURITY, generic);
    let report = judged(&seen(&changed), &store);
    assert_eq!((report.verdict, result(&report, "no-downgrade")), (Verdict::CloneSuspect, "failed"));
}

#[test]
fn the_key_of_another_document_proves_none_that_does_not_promise_the_mapping() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    // An old document without any proof of its chip, copied to a chip whose key stands in an EF.CardSecurity of the same State.
    let old = Document { pace: Vec::new(), chip_authentication: false, ..Document::specimen() };
    let (mut copy, other) = (issuer.state(&old), issuer.state(&document(false)));
    for file in [ACCESS, SECURITY] {
        copy.emrtd.files.insert(file, other.emrtd.files[&file].clone());
    }
    copy.emrtd.mapping_key.clone_from(&other.emrtd.mapping_key);
    let report = judged(&seen(&copy), &store);
    let results = ["card-security", "pace-cam", "chip-authenticity"].map(|id| result(&report, id));
    assert_eq!((report.verdict, results), (Verdict::Unreadable, ["successful", "undetermined", "undetermined"]));
}

/// EF.CardSecurity names no document: with a key that was got out of one chip, the mapping alone is proved for every other.
#[test]
fn a_key_of_another_chip_is_told_apart_by_what_ef_sod_vouches_for() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let not_proved = "that it is the one of this document was not proved";
    for chip_authentication in [false, true] {
        let (original, other) = (issuer.state(&document(chip_authentication)), issuer.state(&document(false)));
        let mut copy = forge::new_chip_key(&original).unwrap();
        copy.emrtd.files.insert(SECURITY, other.emrtd.files[&SECURITY].clone());
        copy.emrtd.mapping_key.clone_from(&other.emrtd.mapping_key);
        let (genuine, copied) = (judged(&seen(&original), &store), judged(&seen(&copy), &store));
        assert_eq!(genuine.verdict, Verdict::GenuineValid);
        let reason = &genuine.check("pace-cam").unwrap().reason;
        assert!(reason.ends_with("EF.CardSecurity does not say for which document"), "{reason}");
        assert_eq!(genuine.meaning.contains(not_proved), !chip_authentication, "{}", genuine.meaning);
        // With Chip Authentication the copy is found out; without it the report says what nobody can tell.
        let expected = if chip_authentication { Verdict::CloneSuspect } else { Verdict::GenuineValid };
        assert_eq!((copied.verdict, result(&copied, "pace-cam")), (expected, "successful"));
        assert_eq!(copied.meaning.contains(not_proved), !chip_authentication, "{}", copied.meaning);
    }
}

/// A document whose DG14 holds the key of the mapping: EF.SOD vouches for it, and no other key will do.
#[test]
fn a_mapping_key_in_dg14_is_this_document_s() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    // The key of Chip Authentication lies on P-256.
    let pace = vec![info(Mapping::ChipAuthentication, Curve::P256, Cipher::Aes128)];
    let mut state = issuer.state(&Document { pace: pace.clone(), ..document(true) });
    let key = state.emrtd.chip_key.clone().unwrap();
    let pair = ChipKey { key_id: None, group: Curve::P256.into(), private: key.private.clone() };
    let public = pair.public_key().unwrap();
    let public = PublicKeyInfo::explicit(public.group.parameter_id(), &public.octets).unwrap();
    let infos = [pace, vec![SecurityInfo::chip_authentication_public_key(public, None)]].concat();
    state.emrtd.files.insert(SECURITY, issuer.card_security(infos));
    state.emrtd.mapping_key = Some(key);
    let report = judged(&seen(&state), &store);
    assert_eq!(report.verdict, Verdict::GenuineValid, "{:#?}", complaints(&report));
    let reason = &report.check("pace-cam").unwrap().reason;
    assert!(reason.contains("which DG14 holds too"), "{reason}");
}

#[test]
fn an_offer_that_was_hidden_on_the_way_is_missed() {
    let mut issuer = Issuer::new("specimen-uto");
    let mut state = issuer.state(&document(true));
    state.emrtd.files.insert(ACCESS, SecurityInfos::new(Document::specimen().pace).to_bytes());
    let report = judged(&seen(&state), &issuer.store(vec![]));
    assert_eq!(report.verdict, Verdict::CloneSuspect);
    assert_eq!((result(&report, "no-downgrade"), result(&report, "pace-cam")), ("failed", "failed"));
}

/// TR-03105-5.1: an offer that no standard knows is passed over.
#[test]
fn an_unknown_mapping_is_passed_over_for_one_that_is_known() {
    let mut issuer = Issuer::new("specimen-uto");
    let SecurityInfo::Pace { mut oid, .. } = cam() else { panic!() };
    *oid.last_mut().unwrap() = 9;
    let unknown = SecurityInfo::pace(&oid, Curve::BrainpoolP256r1.parameter_id());
    let pace = [vec![unknown], Document::specimen().pace].concat();
    let evidence = seen(&issuer.state(&Document { pace, ..Document::specimen() }));
    let established = evidence.access.established.clone().unwrap();
    assert_eq!((established.protocol, established.mapping), (Protocol::Pace, None));
    let report = judged(&evidence, &issuer.store(vec![]));
    assert_eq!(report.verdict, Verdict::GenuineValid, "{:#?}", complaints(&report));
    assert_eq!(result(&report, "pace-cam"), "not supported");
}

#[test]
fn what_the_chip_showed_is_judged_and_not_believed() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let good = seen(&issuer.state(&document(false)));
    let shown = |version: u32, change: &dyn Fn(&mut Option<MappingEvidence>)| {
        let mut evidence = Evidence { version, ..good.clone() };
        change(&mut evidence.access.established.as_mut().unwrap().mapping);
        let report = judged(&evidence, &store);
        (report.verdict, result(&report, "pace-cam"))
    };
    assert_eq!(shown(3, &|_| {}), (Verdict::GenuineValid, "successful"));
    let failed = (Verdict::CloneSuspect, "failed");
    assert_eq!(shown(3, &|shown| shown.as_mut().unwrap().data[5] ^= 1), failed);
    assert_eq!(shown(3, &|shown| shown.as_mut().unwrap().data.clear()), failed);
    assert_eq!(shown(3, &|shown| shown.as_mut().unwrap().mapping_key[9] ^= 1), failed);
    assert_eq!(shown(3, &|shown| shown.as_mut().unwrap().data = vec![0xFF; 400]), failed);
    assert_eq!(shown(3, &|shown| *shown = None), failed);
    // Evidence of earlier readers kept nothing: that accuses nobody.
    assert_eq!(shown(2, &|shown| *shown = None), (Verdict::Unreadable, "undetermined"));

    let list = issuer.defect_list(None, SeriesDefect::ChipAuthenticationKeyRevoked);
    let report = judged(&good, &store.knowing_defects(vec![list], today()));
    assert_eq!((report.verdict, result(&report, "pace-cam")), (Verdict::CloneSuspect, "undetermined"));
}

/// What the thief of a residence office's key can make of it: no card, neither in EF.SOD nor in EF.CardSecurity.
#[test]
fn the_key_of_a_residence_office_signs_no_card() {
    let mut issuer = Issuer::new("specimen-uto");
    let key = issuer.another(authority::SignerKind::Residence, "office-1");
    let store = issuer.store(vec![]);
    let good = issuer.state(&document(false));
    issuer.sign_with(key);
    let forged = issuer.state(&document(false));
    let report = judged(&seen(&forged), &store);
    assert_eq!(report.verdict, Verdict::UntrustedIssuer);
    let check = report.check("ds-document-type").unwrap();
    assert_eq!(check.result.word(), "failed");
    assert!(check.reason.contains("residence signer"), "{}", check.reason);
    // The same with a code that the certificate has.
    let mut coded = document(false);
    coded.td1.document_code = "RR".into();
    let state = issuer.state(&coded);
    let access = crate::with_mrz(&coded, inspection::Bac::Allowed);
    let report = judged(&crate::read(&mut soft_card::SoftCard::from_state(&state), &access), &store);
    assert_eq!((report.verdict, result(&report, "ds-document-type")), (Verdict::UntrustedIssuer, "failed"));
    // EF.CardSecurity alone, beside an honest EF.SOD.
    let mut mixed = good;
    mixed.emrtd.files.insert(SECURITY, forged.emrtd.files[&SECURITY].clone());
    mixed.emrtd.mapping_key = forged.emrtd.mapping_key.clone();
    let report = judged(&seen(&mixed), &store);
    assert_eq!((result(&report, "sod-signature"), result(&report, "ds-document-type")), ("successful", "successful"));
    assert_eq!(result(&report, "card-security"), "failed");
    assert!(report.check("card-security").unwrap().reason.contains("residence signer"));
    assert_ne!(result(&report, "pace-cam"), "successful");
    assert_eq!(report.verdict, Verdict::UntrustedIssuer);
}

#[test]
fn the_signer_of_card_security_is_judged_for_himself() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = issuer.state(&document(false));
    let signed = trust::security_object::parse_card_security(&state.emrtd.files[&SECURITY]).unwrap();
    let infos = signed.claimed().security_infos().to_vec();
    issuer.change_signer();
    let signed_after = |days| {
        let mut state = state.clone();
        let file = issuer.signer.sign_card_security_at(&infos, days_after(usual_start(), days)).unwrap();
        state.emrtd.files.insert(SECURITY, file);
        seen(&state)
    };
    let (good, late) = (signed_after(1), signed_after(60));
    let report = judged(&good, &store);
    assert_eq!((report.verdict, result(&report, "sod-signing-time")), (Verdict::GenuineValid, "successful"));
    // He says that he signed on a day that is still to come.
    let report = judged(&late, &store);
    assert_eq!((report.verdict, result(&report, "card-security")), (Verdict::GenuineValid, "successful"));
    let time = report.check("sod-signing-time").unwrap();
    assert_eq!(time.result.word(), "failed");
    assert!(time.reason.starts_with("EF.CardSecurity says it was signed on "), "{}", time.reason);
    // A list that is about him alone.
    let list = issuer.defect_list(None, SeriesDefect::ChipAuthenticationKeyRevoked);
    let report = judged(&good, &store.knowing_defects(vec![list], today()));
    assert_eq!((report.verdict, result(&report, "pace-cam")), (Verdict::CloneSuspect, "undetermined"));
}
