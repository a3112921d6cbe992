//! Generations, list and seal signers, lists, succession, the citizen CA: judged by `trust`, by OpenSSL's command line, and by the record of acts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use authority::citizen_ca::{CitizenError, Holder, Purpose};
use authority::defect_list::{DefectiveSigner, SeriesDefect, SignerDefects};
use authority::deviation_list::{Defect, DefectKind, DeviantSigner, Deviation};
use authority::{
    Algorithm, Authority, BundleRequest, DocumentSigner, Ensured, EnsuredCrl, IssueError, NewKey, NewName, PROFILES,
    Passphrase, Profile, Rollover, SignerKind, acts,
};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use trust::chain::{self, Document};
use trust::lint::{self, Edition, Kind};
use trust::{
    Archive, Certificate, DefectList, Leniency, MasterList, Outcome, TrustStore, archive, import, security_object,
};

/// An LDSSecurityObject with two data groups (9303-10 §4.6.2.2).
const CONTENT: &[u8] = b"\x30\x60\x02\x01\x00\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x30\x4e\
    \x30\x25\x02\x01\x01\x04\x20the hash of data group number 01\
    \x30\x25\x02\x01\x02\x04\x20the hash of data group number 02";

fn passphrase() -> Passphrase {
    Passphrase::new("a passphrase for tests")
}

fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap()
}

fn later(days: i64) -> Timestamp {
    now().to_zoned(TimeZone::UTC).checked_add(days.days()).unwrap().timestamp()
}

struct Place {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Place {
    fn new() -> Self {
        Self::of(&PROFILES[0])
    }

    fn of(profile: &'static Profile) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::init(&folder.path().join("pki"), profile, &passphrase(), now()).unwrap();
        Place { folder, authority }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("pki")
    }

    /// Everything given out is on record, and what somebody lays beside it is found.
    fn recorded_with(&self, list: &Path) {
        self.recorded();
        let beside = list.with_file_name(format!("beside.{}", list.extension().unwrap().to_str().unwrap()));
        fs::write(self.path().join(&beside), b"by nobody").unwrap();
        let audit = acts::audit(&self.path(), None).unwrap();
        assert_eq!(audit.unrecorded, [beside.strip_prefix(self.path()).unwrap()]);
    }

    fn recorded(&self) {
        let audit = acts::audit(&self.path(), None).unwrap();
        assert_eq!((audit.unrecorded, audit.unfinished), (Vec::<PathBuf>::new(), Vec::<u64>::new()));
    }
}

fn openssl(directory: &Path, arguments: &[&str]) -> Output {
    Command::new("openssl").args(arguments).current_dir(directory).output().unwrap()
}

fn succeeds(directory: &Path, arguments: &[&str]) -> String {
    let output = openssl(directory, arguments);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

fn new_name() -> NewName {
    NewName {
        common_name: "CSCA Utopia Renamed".into(),
        organization: Some("Ministry of Documents".into()),
        unit: None,
    }
}

#[test]
fn a_rollover_links_the_new_key_from_the_old_one() {
    let mut place = Place::new();
    let first = place.authority.csca().clone();
    let Rollover::Stands(_) = place.authority.roll_over(None, Some(90), &passphrase(), now()).unwrap() else {
        panic!("five years are left")
    };
    let Rollover::Made(second) = place.authority.roll_over(None, None, &passphrase(), later(1)).unwrap() else {
        panic!()
    };
    let link = second.link.as_ref().unwrap();
    link.verify_signature(first.public_key()).unwrap();
    assert_eq!(link.public_key().spki(), second.certificate.public_key().spki());
    assert_eq!((link.issuer(), link.subject()), (first.subject(), first.subject()));
    assert!(!link.extensions().name_change);
    assert_eq!(link.extensions().authority_key_identifier, Some(first.key_identifier()));
    assert_eq!(link.extensions().subject_key_identifier, Some(second.certificate.key_identifier()));
    assert_ne!(second.certificate.key_identifier(), first.key_identifier());
    // The first list under the new key is there, so bundles go on; several generations live.
    let (number, crl) = place.authority.current_crl().unwrap().unwrap();
    assert_eq!((number, crl.issuer_alternatives().len()), (2, 0));
    crl.verify_signature(second.certificate.public_key()).unwrap();
    let bundle = place.authority.export_bundle(BundleRequest::default(), &passphrase(), later(1)).unwrap().bundle;
    assert_eq!(bundle.anchors, [first, second.certificate]);
    let signer = place.authority.new_document_signer(None, &passphrase(), &passphrase(), later(1)).unwrap();
    signer.certificate.verify_signature(bundle.anchors[1].public_key()).unwrap();
    assert_eq!(Authority::open(&place.path()).unwrap().generations().len(), 2);
    place.recorded();
    succeeds(&place.path(), &["asn1parse", "-inform", "DER", "-in", "csca-2/link.der", "-i"]);
}

#[test]
fn a_change_of_name_is_in_the_link_and_in_the_lists() {
    let mut place = Place::new();
    let first = place.authority.csca().clone();
    let generation =
        place.authority.roll_over(Some(&new_name()), None, &passphrase(), now()).unwrap().generation().clone();
    let link = generation.link.unwrap();
    assert!(link.extensions().name_change);
    assert_eq!((link.issuer(), link.subject()), (first.subject(), generation.certificate.subject()));
    assert_eq!(link.subject().common_name(), Some("CSCA Utopia Renamed"));
    let text = succeeds(&place.path(), &["x509", "-inform", "DER", "-in", "csca-2/link.der", "-noout", "-text"]);
    assert!(text.contains("2.23.136.1.1.6.1"), "{text}");
    let (_, crl) = place.authority.current_crl().unwrap().unwrap();
    assert_eq!(crl.issuer(), generation.certificate.subject());
    assert_eq!(crl.issuer_alternatives(), [first.subject().clone()]);
    let text = succeeds(&place.path(), &["crl", "-inform", "DER", "-in", "crl/2.crl", "-noout", "-text"]);
    assert!(text.contains("X509v3 Issuer Alternative Name"), "{text}");
}

#[test]
fn a_change_of_name_keeps_the_key() {
    let mut place = Place::new();
    let first = place.authority.csca().clone();
    let day = later(300);
    let document_of = |directory: &Path, moment| {
        DocumentSigner::load(directory, &passphrase()).unwrap().sign_security_object_at(CONTENT, moment).unwrap()
    };
    let old = place.authority.new_document_signer(None, &passphrase(), &passphrase(), now()).unwrap();
    let revoked = place.authority.new_document_signer(None, &passphrase(), &passphrase(), now()).unwrap();
    place.authority.new_signer(SignerKind::MasterList, Some("old"), &passphrase(), &passphrase(), now()).unwrap();
    let Rollover::Made(second) = place.authority.rename(&new_name(), &passphrase(), day).unwrap() else { panic!() };
    let again = place.authority.rename(&new_name(), &passphrase(), day).unwrap();
    assert_eq!(again, Rollover::Stands(second.clone()));
    let (root, link) = (&second.certificate, second.link.as_ref().unwrap());
    for (certificate, issuer) in [(root, root.subject()), (link, first.subject())] {
        certificate.verify_signature(first.public_key()).unwrap();
        assert_eq!(certificate.public_key().spki(), first.public_key().spki());
        assert_eq!((certificate.issuer(), certificate.subject().common_name()), (issuer, Some("CSCA Utopia Renamed")));
        // The key may sign as long as before, and no longer.
        let end = |one: &Certificate| (one.extensions().private_key_usage.unwrap().not_after, one.not_after());
        assert_eq!(end(certificate), end(&first));
        assert_eq!(certificate.not_before(), day);
    }
    assert!(link.extensions().name_change && !root.extensions().name_change);
    let (number, crl) = place.authority.current_crl().unwrap().unwrap();
    assert_eq!((number, crl.issuer(), crl.issuer_alternatives()), (2, root.subject(), &[first.subject().clone()][..]));
    // The key is where it was, and nowhere else.
    assert!(place.path().join("csca/key.p8").exists() && !place.path().join("csca-2/key.p8").exists());

    // Everything is issued under the new name; what was issued under the old one stays good, and can be revoked.
    let mut place = Place { authority: Authority::open(&place.path()).unwrap(), ..place };
    let new = place.authority.new_document_signer(None, &passphrase(), &passphrase(), day).unwrap();
    assert_eq!(new.certificate.issuer(), root.subject());
    place.authority.new_signer(SignerKind::MasterList, Some("new"), &passphrase(), &passphrase(), day).unwrap();
    for signer in ["old", "new"] {
        let signed = place.authority.sign_master_list(&[], Some(signer), &passphrase(), later(301)).unwrap();
        assert_eq!(signed.entries, 3);
        let verification =
            MasterList::from_der(&signed.bytes).unwrap().verify(std::slice::from_ref(&first), later(301));
        assert!(verification.is_believed(), "{signer}: {:#?}", verification.findings);
    }
    place.authority.revoke(&revoked.name, later(301)).unwrap();
    place.authority.issue_crl(&passphrase(), later(301)).unwrap();
    let bundle = place.authority.export_bundle(BundleRequest::default(), &passphrase(), later(301)).unwrap().bundle;
    assert_eq!(bundle.anchors, [first.clone(), root.clone()]);
    let store = TrustStore::from_bundle(bundle.clone());
    let judged = |store: &TrustStore, sod: &[u8]| {
        let document =
            Document { now: later(302), code: Some("I".into()), issuing_state: Some("UTO".into()), issued: None };
        let judgement = security_object::parse(sod).unwrap().judge(store, &document);
        let chain = judgement.chain.as_ref().unwrap();
        let outcome = |id| chain.finding(id).unwrap().outcome;
        (outcome(trust::chain::id::TRUST), outcome(trust::chain::id::REVOCATION))
    };
    let of_old = document_of(&old.directory, now());
    let of_new = document_of(&new.directory, day);
    use Outcome::{Failed, Successful, Undetermined};
    assert_eq!(judged(&store, &of_old), (Successful, Successful));
    assert_eq!(judged(&store, &of_new), (Successful, Successful));
    assert_eq!(judged(&store, &document_of(&revoked.directory, now())), (Successful, Failed));
    // Who has only one of the names knows the key, and says that the name is another.
    let only_old = TrustStore::from_bundle(trust::Bundle { anchors: vec![first], ..bundle });
    assert_eq!(judged(&only_old, &of_old), (Successful, Undetermined));
    assert_eq!(judged(&only_old, &of_new).0, Failed);

    // The next key is linked from the new name.
    let third = place.authority.roll_over(None, None, &passphrase(), later(303)).unwrap().generation().clone();
    assert_eq!((third.number, third.certificate.subject()), (3, root.subject()));
    assert_ne!(third.certificate.key_identifier(), root.key_identifier());
    let newest = place.authority.new_document_signer(None, &passphrase(), &passphrase(), later(303)).unwrap();
    newest.certificate.verify_signature(third.certificate.public_key()).unwrap();
    place.recorded();
}

#[test]
fn a_change_of_name_that_was_interrupted_is_finished_and_is_no_rollover() {
    let mut place = Place::new();
    let interrupted = |place: &mut Place| {
        place.authority.rename(&new_name(), &passphrase(), now()).unwrap();
        fs::remove_file(place.path().join("crl/2.crl")).unwrap();
        Authority::open(&place.path()).unwrap()
    };
    let mut again = interrupted(&mut place);
    assert!(
        matches!(again.rename(&new_name(), &passphrase(), now()).unwrap(), Rollover::Made(made) if made.number == 2)
    );
    assert_eq!(again.current_crl().unwrap().unwrap().1.issuer(), again.csca().subject());

    let mut place = Place::new();
    let mut next = interrupted(&mut place);
    let Rollover::Made(third) = next.roll_over(None, None, &passphrase(), now()).unwrap() else { panic!() };
    assert_eq!(third.number, 3);
    assert_ne!(third.certificate.key_identifier(), place.authority.csca().key_identifier());
}

#[test]
fn documents_of_every_generation_are_judged_by_one_list() {
    let mut place = Place::new();
    let old = place.authority.new_document_signer(None, &passphrase(), &passphrase(), now()).unwrap();
    let revoked = place.authority.new_document_signer(None, &passphrase(), &passphrase(), now()).unwrap();
    place.authority.roll_over(Some(&new_name()), None, &passphrase(), now()).unwrap();
    let new = place.authority.new_document_signer(None, &passphrase(), &passphrase(), now()).unwrap();
    place.authority.revoke(&revoked.name, now()).unwrap();
    place.authority.issue_crl(&passphrase(), now()).unwrap();
    let bundle = place.authority.export_bundle(BundleRequest::default(), &passphrase(), now()).unwrap().bundle;
    let store = TrustStore::from_bundle(bundle);
    let document = Document {
        now: later(1),
        code: Some("I".into()),
        issuing_state: Some("UTO".into()),
        issued: Some(now().to_zoned(TimeZone::UTC).date()),
    };
    let judged = |directory: &Path| {
        let signer = DocumentSigner::load(directory, &passphrase()).unwrap();
        let sod = signer.sign_security_object_at(CONTENT, now()).unwrap();
        let judgement = security_object::parse(&sod).unwrap().judge(&store, &document);
        let finding = judgement.chain.as_ref().unwrap().finding(trust::chain::id::REVOCATION).unwrap().outcome;
        (judgement.authentic().is_some(), finding)
    };
    assert_eq!(judged(&old.directory), (true, Outcome::Successful));
    assert_eq!(judged(&new.directory), (true, Outcome::Successful));
    assert_eq!(judged(&revoked.directory).1, Outcome::Failed);
}

#[test]
fn the_next_signer_is_made_in_time_and_once() {
    let mut place = Place::new();
    let mut ensure =
        |moment| place.authority.ensure_signer(SignerKind::Document, 14, &passphrase(), &passphrase(), moment);
    assert!(matches!(ensure(now()).unwrap(), Ensured::Made(signer) if signer.name == "ds-0001"));
    assert!(matches!(ensure(now()).unwrap(), Ensured::Stands(signer) if signer.name == "ds-0001"));
    assert!(matches!(ensure(later(70)).unwrap(), Ensured::Stands(_)));
    assert!(matches!(ensure(later(80)).unwrap(), Ensured::Made(signer) if signer.name == "ds-0002"));
    assert!(matches!(ensure(later(80)).unwrap(), Ensured::Stands(signer) if signer.name == "ds-0002"));
    place.authority.revoke("ds-0002", later(81)).unwrap();
    let ensured = place.authority.ensure_signer(SignerKind::Document, 14, &passphrase(), &passphrase(), later(81));
    assert!(matches!(ensured.unwrap(), Ensured::Made(signer) if signer.name == "ds-0003"));
    place.recorded();
}

#[test]
fn a_list_is_issued_when_due_and_a_revocation_waits_for_no_48_hours() {
    let mut place = Place::new();
    place.authority.new_document_signer(None, &passphrase(), &passphrase(), now()).unwrap();
    assert!(matches!(place.authority.ensure_crl(14, &passphrase(), later(10)).unwrap(), EnsuredCrl::Stands(..)));
    assert!(matches!(place.authority.ensure_crl(14, &passphrase(), later(80)).unwrap(), EnsuredCrl::Issued(..)));
    place.authority.revoke("ds-0001", later(81)).unwrap();
    // The list of day 80 is a day old, and the revoked signer is not on it.
    let EnsuredCrl::Issued(_, crl) = place.authority.ensure_crl(14, &passphrase(), later(81)).unwrap() else {
        panic!()
    };
    assert_eq!(crl.len(), 1);
    // Nothing is missing, and it only ends within the days asked for: that waits.
    let EnsuredCrl::Due(_, _, due) = place.authority.ensure_crl(90, &passphrase(), later(82)).unwrap() else {
        panic!()
    };
    assert!(later(82) < due && due <= later(83));
    assert!(matches!(place.authority.ensure_crl(90, &passphrase(), due).unwrap(), EnsuredCrl::Issued(..)));
}

#[test]
fn a_master_list_is_believed_by_who_pins_the_first_csca_only() {
    let mut place = Place::new();
    let first = place.authority.csca().clone();
    let stranger = tempfile::tempdir().unwrap();
    let foreign =
        Authority::init(&stranger.path().join("pki"), &PROFILES[1], &passphrase(), now()).unwrap().csca().clone();
    let none = place.authority.sign_master_list(&[], None, &passphrase(), now());
    assert!(matches!(none, Err(IssueError::NoSuchSigner { .. })));
    place.authority.roll_over(Some(&new_name()), None, &passphrase(), now()).unwrap();
    let signer = place.authority.new_signer(SignerKind::MasterList, None, &passphrase(), &passphrase(), now()).unwrap();
    let extensions = signer.certificate.extensions();
    assert_eq!(extensions.purposes, [trust::der::oid::MASTER_LIST_SIGNER]);
    assert!(extensions.key_usage.unwrap().only_digital_signature() && extensions.document_types.is_none());
    let refused =
        place.authority.sign_master_list(std::slice::from_ref(&signer.certificate), None, &passphrase(), now());
    assert!(matches!(refused, Err(IssueError::NotCsca(_))));

    let moment = now();
    let signed =
        place.authority.sign_master_list(&[foreign.clone(), foreign.clone()], None, &passphrase(), moment).unwrap();
    assert_eq!((signed.entries, signed.number), (4, 1));
    let list = MasterList::from_der(&signed.bytes).unwrap();
    // The signer is of the second generation; the list brings the link that the pinned first key signed.
    let verification = list.verify(std::slice::from_ref(&first), later(1));
    assert!(verification.is_believed(), "{:#?}", verification.findings);
    assert!(verification.leniencies.is_empty());
    assert_eq!(verification.signed, Some(moment));
    assert!(!list.verify(std::slice::from_ref(&foreign), later(1)).is_believed());
    let listed: Vec<_> = list.certificates().cloned().collect();
    assert!(listed.contains(&foreign) && listed.contains(&first) && listed.contains(place.authority.csca()));

    let path = signed.path.to_str().unwrap();
    let arguments = ["cms", "-verify", "-inform", "DER", "-in", path, "-noverify", "-binary", "-out", "content"];
    succeeds(&place.path(), &arguments);
    assert_eq!(fs::read(place.path().join("content")).unwrap(), list.signed_data().content());
    fs::remove_file(place.path().join("content")).unwrap();
    let text = succeeds(&place.path(), &["cms", "-cmsout", "-print", "-noout", "-inform", "DER", "-in", path]);
    for expected in ["eContentType: undefined (2.23.136.1.1.2)", "subjectKeyIdentifier", "signingTime", "version: 3"] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let text = succeeds(
        &place.path(),
        &["x509", "-inform", "DER", "-in", "master-list-signer/mls-0001/certificate.der", "-noout", "-text"],
    );
    assert!(text.contains("X509v3 Extended Key Usage: critical"), "{text}");
    assert_eq!(place.authority.sign_master_list(&[], None, &passphrase(), now()).unwrap().number, 2);
    place.authority.revoke_signer(SignerKind::MasterList, "mls-0001", now()).unwrap();
    let ended = place.authority.sign_master_list(&[], Some("mls-0001"), &passphrase(), now());
    assert!(matches!(ended, Err(IssueError::SignerEnded { .. })));
    place.recorded_with(&signed.path);
}

/// A believed list of another state brings that state's anchors and none for this one.
#[test]
fn nobody_else_speaks_for_this_state_in_its_bundle() {
    let (mut place, rogue) = (Place::new(), Place::new());
    let folder = tempfile::tempdir().unwrap();
    let mut foreign = Authority::init(&folder.path().join("pki"), &PROFILES[1], &passphrase(), now()).unwrap();
    foreign.new_signer(SignerKind::MasterList, None, &passphrase(), &passphrase(), now()).unwrap();
    let (own, bad) = (place.authority.csca().clone(), rogue.authority.csca().clone());
    let list = foreign.sign_master_list(&[own.clone(), bad.clone()], None, &passphrase(), now()).unwrap();
    let plan = Archive::default().plan(&archive::Request {
        file: "list.ml",
        sha256: archive::fingerprint(&list.bytes),
        pieces: &import::read(&list.bytes, &import::Bounds::default()).unwrap(),
        pins: std::slice::from_ref(foreign.csca()),
        confirmed: &[],
        now: now(),
        by: "tester",
    });
    assert!(plan.archive.believed().contains(&bad));
    let request = BundleRequest { archive: plan.archive, ..BundleRequest::default() };
    let exported = place.authority.export_bundle(request, &passphrase(), now()).unwrap();
    assert_eq!(exported.bundle.anchors, [own, foreign.csca().clone()]);
    assert_eq!(exported.anchors_left_out, [bad]);
}

#[test]
fn a_deviation_list_is_signed_and_read_by_openssl() {
    let mut place = Place::new();
    let ds = place.authority.new_document_signer(None, &passphrase(), &passphrase(), now()).unwrap();
    let signer =
        place.authority.new_signer(SignerKind::DeviationList, None, &passphrase(), &passphrase(), now()).unwrap();
    assert_eq!(signer.certificate.extensions().purposes, [trust::der::oid::DEVIATION_LIST_SIGNER]);
    let defect = Defect {
        kind: DefectKind::DataGroupHashWrong,
        description: Some("Portrait re-encoded".into()),
        data_group: Some(2),
        certificate_field: None,
        mrz_field: None,
    };
    let deviation = |signer| Deviation {
        document_type: None,
        signer: Some(signer),
        issued: None,
        numbers: vec!["A1".into()],
        defects: vec![defect.clone()],
    };
    let deviations = [
        deviation(DeviantSigner::Certificate(hex::encode(ds.certificate.der()))),
        deviation(DeviantSigner::Sha256(hex::encode(ds.certificate.fingerprint()))),
        deviation(DeviantSigner::KeyId(hex::encode(ds.certificate.key_identifier()))),
    ];
    let signed = place.authority.sign_deviation_list(&deviations, None, &passphrase(), now()).unwrap();
    assert_eq!(signed.entries, 3);
    let path = signed.path.to_str().unwrap();
    succeeds(
        &place.path(),
        &["cms", "-verify", "-inform", "DER", "-in", path, "-noverify", "-binary", "-out", "content"],
    );
    let text = succeeds(&place.path(), &["asn1parse", "-inform", "DER", "-in", "content", "-i"]);
    assert!(text.contains("2.23.136.1.1.7.2.2") && text.contains("Portrait re-encoded"), "{text}");
    place.recorded_with(&signed.path);
}

#[test]
fn a_defect_list_takes_the_trust_from_a_document_signer() {
    let mut place = Place::new();
    let (secret, own) = (passphrase(), passphrase());
    let ds = place.authority.new_document_signer(None, &secret, &own, now()).unwrap();
    let other = place.authority.new_document_signer(None, &secret, &own, now()).unwrap();
    place.authority.new_signer(SignerKind::DeviationList, None, &secret, &own, now()).unwrap();
    let bundle = place.authority.export_bundle(BundleRequest::default(), &secret, now()).unwrap().bundle;
    let store = TrustStore::from_bundle(bundle);
    let document = Document { now: now(), code: Some("ID".into()), issuing_state: Some("UTO".into()), issued: None };
    let judged = |certificate: &Certificate, store: &TrustStore| {
        let chain = chain::judge(certificate, store, &document);
        [chain::id::TRUST, chain::id::REVOCATION, chain::id::DEFECTS].map(|id| chain.finding(id).unwrap().outcome)
    };
    use Outcome::{Failed, NotSupported, Successful, Undetermined};
    assert_eq!(judged(&ds.certificate, &store), [Successful, Successful, NotSupported]);

    let mut sign = |signer: DefectiveSigner, known: SeriesDefect| {
        let defects = [SignerDefects { signer, known: vec![known] }];
        DefectList::from_der(&place.authority.sign_defect_list(&defects, None, &own, now()).unwrap().bytes).unwrap()
    };
    let whole = || DefectiveSigner::Certificate(hex::encode(ds.certificate.der()));
    let key = || DefectiveSigner::KeyId(hex::encode(ds.certificate.key_identifier()));
    for (signer, known, expected) in [
        (whole(), SeriesDefect::CertificateRevoked { status: 0 }, Failed),
        (key(), SeriesDefect::CertificateRevoked { status: 1 }, Undetermined),
        (key(), SeriesDefect::CertificateRevoked { status: 2 }, Failed),
        (key(), SeriesDefect::CertificateRevoked { status: 3 }, Failed),
        (whole(), SeriesDefect::CertificateRevoked { status: 4 }, Failed),
        (key(), SeriesDefect::CertificateRevoked { status: 32 }, Undetermined),
        (key(), SeriesDefect::CertificateReplaced { replacement: hex::encode(other.certificate.der()) }, Undetermined),
        (key(), SeriesDefect::ComDiffers, Successful),
    ] {
        let words = format!("{known:?}");
        let list = sign(signer, known);
        let verification = list.verify(store.anchors(), now());
        assert!(verification.is_believed(), "{:#?}", verification.findings);
        assert_eq!(verification.leniencies, [Leniency::DefectListSignerForDeviations]);
        let knowing = store.clone().knowing_defects(vec![list], now());
        assert_eq!(judged(&ds.certificate, &knowing), [expected, expected, Failed], "{words}");
        // Nobody else is concerned.
        assert_eq!(judged(&other.certificate, &knowing), [Successful, Successful, Successful], "{words}");
    }
    // A foreign CSCA speaks about its own signers only; the state that issues the bundle about all.
    let mut abroad = Place::of(&PROFILES[1]);
    let theirs = abroad.authority.new_document_signer(None, &secret, &own, now()).unwrap();
    abroad.authority.new_signer(SignerKind::DeviationList, None, &secret, &own, now()).unwrap();
    let revoked = |signer: &Certificate| {
        let signer = DefectiveSigner::KeyId(hex::encode(signer.key_identifier()));
        [SignerDefects { signer, known: vec![SeriesDefect::CertificateRevoked { status: 4 }] }]
    };
    let both = place.authority.export_bundle(BundleRequest::default(), &secret, now()).unwrap().bundle;
    let foreign = abroad.authority.export_bundle(BundleRequest::default(), &secret, now()).unwrap().bundle;
    let (anchors, crls) = ([both.anchors, foreign.anchors].concat(), [both.crls, foreign.crls].concat());
    let both = TrustStore::from_bundle(trust::Bundle { anchors, crls, issuer: both.issuer, ..foreign });
    for (ours, signer, expected) in [
        (false, &ds.certificate, [Successful, Successful, NotSupported]),
        (true, &theirs.certificate, [Failed, Failed, Failed]),
        (false, &theirs.certificate, [Failed, Failed, Failed]),
    ] {
        let lists = if ours { &mut place } else { &mut abroad };
        let list = lists.authority.sign_defect_list(&revoked(signer), None, &own, now()).unwrap();
        let knowing = both.clone().knowing_defects(vec![DefectList::from_der(&list.bytes).unwrap()], now());
        assert_eq!(knowing.defect_lists().len(), 1);
        assert_eq!(judged(signer, &knowing), expected);
    }
    let mut sign = |signer: DefectiveSigner, known: SeriesDefect| {
        let defects = [SignerDefects { signer, known: vec![known] }];
        DefectList::from_der(&place.authority.sign_defect_list(&defects, None, &own, now()).unwrap().bytes).unwrap()
    };
    // A list that nobody believed stands behind is as good as none; so is one that was altered.
    let list = sign(key(), SeriesDefect::CertificateRevoked { status: 4 });
    let stranger = Place::new();
    assert!(!list.verify(std::slice::from_ref(stranger.authority.csca()), now()).is_believed());
    let bundle = TrustStore::from_bundle(trust::Bundle {
        anchors: vec![stranger.authority.csca().clone()],
        ..place.authority.export_bundle(BundleRequest::default(), &secret, now()).unwrap().bundle
    });
    assert!(bundle.knowing_defects(vec![list.clone()], now()).defect_lists().len() == 0);
    let mut stranger = stranger;
    let request = |lists: &[&DefectList]| BundleRequest {
        defect_lists: lists.iter().map(|list| (*list).clone()).collect(),
        ..BundleRequest::default()
    };
    let refused = stranger.authority.export_bundle(request(&[&list]), &secret, now());
    assert!(matches!(refused, Err(IssueError::ForeignDefectList { .. })), "{refused:?}");
    // In the bundle it reaches every post, once.
    let exported = place.authority.export_bundle(request(&[&list, &list]), &secret, now()).unwrap();
    assert_eq!(exported.bundle.defect_lists, [list]);
    let store = TrustStore::from_bundle(exported.bundle);
    assert_eq!(judged(&ds.certificate, &store), [Failed, Failed, Failed]);
    assert_eq!(judged(&other.certificate, &store), [Successful, Successful, Successful]);
    let lists = fs::read_dir(place.path().join("lists")).unwrap();
    place.recorded_with(&lists.map(|entry| entry.unwrap().path()).next().unwrap());
}

#[test]
fn a_seal_signer_has_the_short_profile() {
    let mut place = Place::new();
    let refused = place.authority.new_signer(SignerKind::Seal, Some("1x"), &passphrase(), &passphrase(), now());
    assert!(matches!(refused, Err(IssueError::SealLetters(_))));
    let signer =
        place.authority.new_signer(SignerKind::Seal, Some("ab-0001"), &passphrase(), &passphrase(), now()).unwrap();
    let certificate = &signer.certificate;
    assert_eq!(certificate.subject().to_string(), "C=UT,CN=AB");
    certificate.verify_signature(place.authority.csca().public_key()).unwrap();
    let extensions = certificate.extensions();
    assert_eq!(extensions.purposes, [trust::der::oid::SEAL_SIGNER]);
    assert_eq!((extensions.key_usage, extensions.subject_key_identifier.as_ref()), (None, None));
    assert!(signer.may_sign(later(400)) && !signer.may_sign(later(450)));
    let text = succeeds(
        &place.path(),
        &["x509", "-inform", "DER", "-in", "seal-signer/ab-0001/certificate.der", "-noout", "-text"],
    );
    assert_eq!(text.matches("X509v3").count(), 3, "X509v3 extensions:, authority key identifier, purpose\n{text}");
}

/// A document signer's names and times; a code and a purpose of its own.
#[test]
fn a_residence_signer_has_a_profile_of_its_own() {
    let mut place = Place::new();
    let mut new = |kind, name| place.authority.new_signer(kind, name, &passphrase(), &passphrase(), now()).unwrap();
    let (document, signer) = (new(SignerKind::Document, None), new(SignerKind::Residence, None));
    let office = new(SignerKind::Residence, Some("office-9102"));
    assert_eq!((signer.name.as_str(), signer.directory.file_name().unwrap()), ("rs-0001", "rs-0001".as_ref()));
    let certificate = &office.certificate;
    certificate.verify_signature(place.authority.csca().public_key()).unwrap();
    let name = certificate.subject().to_string();
    assert_eq!(name, "C=UT,O=Utopia Specimen,OU=Identity Documents,CN=Residence Signer office-9102");
    let months = |certificate: &Certificate| (certificate.not_after().as_second() - now().as_second()) / (30 * 86_400);
    assert_eq!(months(certificate), months(&document.certificate));
    let (own, like) = (certificate.extensions(), document.certificate.extensions());
    let days = (own.private_key_usage.unwrap().not_after.unwrap().as_second()
        - like.private_key_usage.unwrap().not_after.unwrap().as_second())
        / 86_400;
    assert_eq!(days, 0);
    assert_eq!((own.key_usage, &own.subject_state), (like.key_usage, &like.subject_state));
    assert_eq!(own.purposes, [trust::der::oid::RESIDENCE_SIGNER]);
    assert_eq!(own.document_types.as_deref(), Some(&["RR".to_owned()][..]));
    assert_eq!(office.uses.unwrap().most, 10_000);

    // It keeps every rule of its kind, is told apart from a document signer, and is none.
    let der = certificate.der();
    assert_eq!(lint::detect(der), Some(Kind::ResidenceSigner));
    let report = lint::lint(der, Kind::ResidenceSigner, Edition::Eighth);
    assert!(report.findings.is_empty() && report.rules > 60, "{:?}", report.findings);
    let refused = lint::accept(der, Kind::DocumentSigner).unwrap_err();
    assert_eq!(refused.rule, "purpose-absent");
    assert!(lint::accept(document.certificate.der(), Kind::ResidenceSigner).is_err());

    // OpenSSL reads it, and as it does not know the purpose, lets it sign nothing that it knows. Of explicit domain parameters it builds
    // no chain: another authority has keys without them.
    let folder = place.folder.path();
    let rsa = Algorithm::OFFERED.into_iter().find(|one| one.to_string() == "rsa-pss-3072");
    let keys = NewKey { algorithm: rsa, ..NewKey::default() };
    let mut with_rsa = Authority::init_with(&folder.join("rsa"), &PROFILES[0], &keys, &passphrase(), now()).unwrap();
    with_rsa.make_keys(keys);
    with_rsa.new_signer(SignerKind::Residence, Some("office"), &passphrase(), &passphrase(), now()).unwrap();
    succeeds(folder, &["x509", "-inform", "DER", "-in", "rsa/csca/certificate.der", "-out", "csca.pem"]);
    let other = "rsa/residence-signer/office/certificate.der";
    succeeds(folder, &["x509", "-inform", "DER", "-in", other, "-out", "office.pem"]);
    let file = "pki/residence-signer/office-9102/certificate.der";
    let text = succeeds(folder, &["x509", "-inform", "DER", "-in", file, "-noout", "-text"]);
    assert!(text.contains("X509v3 Extended Key Usage: critical"), "{text}");
    assert!(text.contains("2.25.159480351724629449692769593444394327634"), "{text}");
    succeeds(folder, &["verify", "-CAfile", "csca.pem", "office.pem"]);
    for purpose in ["smimesign", "sslclient", "timestampsign", "ocsphelper"] {
        let output = openssl(folder, &["verify", "-CAfile", "csca.pem", "-purpose", purpose, "office.pem"]);
        let refused = !output.status.success();
        // OpenSSL leaves the judgement of a responder to the caller.
        assert_eq!(refused, purpose != "ocsphelper", "{purpose}");
    }

    // Lost: on the next list; another office is not. In time its successor is asked for.
    place.authority.revoke_signer(SignerKind::Residence, "office-9102", now()).unwrap();
    let (_, crl) = place.authority.issue_crl(&passphrase(), now()).unwrap();
    assert!(crl.revoked_since(certificate.serial()).is_some());
    assert!(crl.revoked_since(signer.certificate.serial()).is_none());
    let status = place.authority.status(later(85)).unwrap();
    let of = |name: &str| status.items.iter().find(|item| item.name == name).unwrap();
    assert_eq!((of("office-9102").state.starts_with("revoked"), of("office-9102").current), (true, false));
    assert_eq!(of("rs-0001").action.as_deref(), Some("bitaqa-pki signer new residence"));
    let stands = place.authority.ensure_signer(SignerKind::Residence, 14, &passphrase(), &passphrase(), now()).unwrap();
    assert!(matches!(stands, Ensured::Stands(ref stands) if stands.name == "rs-0001"), "{stands:?}");
    place.recorded();
}

#[test]
fn what_was_not_recorded_is_found() {
    let mut place = Place::new();
    place.authority.new_document_signer(None, &passphrase(), &passphrase(), now()).unwrap();
    place.recorded();
    let kinds: Vec<String> =
        acts::read(&place.path()).unwrap().entries.into_iter().map(|entry| entry.act.kind).collect();
    assert_eq!(kinds, ["csca", "bundle-signer", "revocation-list", "document-signer"]);
    // Somebody with the key issues beside the program.
    let foreign = tempfile::tempdir().unwrap();
    let other = Authority::init(&foreign.path().join("pki"), &PROFILES[0], &passphrase(), now()).unwrap();
    fs::create_dir(place.path().join("ds/ds-0666")).unwrap();
    fs::write(place.path().join("ds/ds-0666/certificate.der"), other.csca().der()).unwrap();
    let audit = acts::audit(&place.path(), None).unwrap();
    assert_eq!(audit.unrecorded, [PathBuf::from("ds/ds-0666/certificate.der")]);
}

fn request(folder: &Path, name: &str, key: &[&str]) -> Vec<u8> {
    let file = format!("{name}.key");
    succeeds(folder, &[&["genpkey", "-out", &file][..], key].concat());
    succeeds(folder, &["req", "-new", "-key", &file, "-subj", "/CN=whatever", "-outform", "DER", "-out", "csr.der"]);
    fs::read(folder.join("csr.der")).unwrap()
}

#[test]
fn citizens_certificates_verify_with_openssl_also_against_their_lists() {
    const P256: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let mut place = Place::new();
    let folder = place.folder.path().to_owned();
    let holder = Holder { given_names: "Åse نور".into(), surname: "Utopia".into(), number: "UT-1234".into() };
    let csr = request(&folder, "one", &P256);
    let missing =
        place.authority.issue_citizen_certificate(&csr, Purpose::Authentication, &holder, &passphrase(), now());
    assert!(matches!(missing, Err(CitizenError::Missing)));
    let ca = place.authority.create_citizen_ca(false, &passphrase(), now()).unwrap();
    assert_eq!(place.authority.create_citizen_ca(false, &passphrase(), later(1)).unwrap(), ca);
    // Moved to a centre: none of the same name is made beside it.
    let elsewhere = folder.join("moved");
    let directory = place.authority.directory().join("citizen-ca");
    fs::rename(&directory, &elsewhere).unwrap();
    let refused = place.authority.create_citizen_ca(false, &passphrase(), later(1));
    assert!(matches!(refused, Err(CitizenError::Moved)) && !directory.exists(), "{refused:?}");
    fs::rename(&elsewhere, &directory).unwrap();
    assert_eq!(place.authority.create_citizen_ca(true, &passphrase(), later(1)).unwrap(), ca);

    let mut issue =
        |csr: &[u8], purpose| place.authority.issue_citizen_certificate(csr, purpose, &holder, &passphrase(), now());
    let first = issue(&csr, Purpose::Authentication).unwrap();
    let again = issue(&csr, Purpose::Authentication).unwrap();
    assert!(first.made && !again.made);
    assert_eq!(again.certificate, first.certificate);
    assert!(matches!(issue(&csr, Purpose::Signature), Err(CitizenError::KeyInUse(_))));
    let second =
        issue(&request(&folder, "two", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"]), Purpose::Signature)
            .unwrap();
    // A key that only agrees signs no request; one that signs must.
    let own = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::SECP384R1).unwrap();
    let own = openssl::pkey::PKey::from_ec_key(openssl::ec::EcKey::generate(&own).unwrap()).unwrap();
    let rsa = openssl::pkey::PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    let mut agree = |spki: &[u8]| place.authority.issue_agreement_certificate(spki, &holder, &passphrase(), now());
    let third = agree(&own.public_key_to_der().unwrap()).unwrap();
    assert_eq!(agree(&own.public_key_to_der().unwrap()).unwrap().certificate, third.certificate);
    let usage = third.certificate.extensions().key_usage;
    assert!(agree(&rsa.public_key_to_der().unwrap()).is_err(), "{usage:?}");
    let mut issue =
        |csr: &[u8], purpose| place.authority.issue_citizen_certificate(csr, purpose, &holder, &passphrase(), now());
    // Possession must be proven, the key strong, its curve named.
    let mut altered = csr.clone();
    *altered.last_mut().unwrap() ^= 1;
    assert!(matches!(issue(&altered, Purpose::Authentication), Err(CitizenError::Request(_))));
    for weak in [
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"][..],
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"],
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"],
    ] {
        let csr = request(&folder, "weak", weak);
        assert!(matches!(issue(&csr, Purpose::Authentication), Err(CitizenError::Request(_))), "{weak:?}");
    }

    let serial = hex::encode(second.certificate.serial());
    let (responder, _) = place.authority.new_citizen_responder(&passphrase(), &passphrase(), now()).unwrap();
    assert!(matches!(place.authority.revoke_citizen_certificate("00", now()), Err(CitizenError::NoSuchCertificate(_))));
    assert_eq!(place.authority.revoke_citizen_certificate(&serial, now()).unwrap(), 0);
    let lists = place.authority.issue_citizen_lists(None, &passphrase(), now()).unwrap();
    assert_eq!((lists.len(), lists[0].range, lists[0].revoked), (1, 0, 1));

    let pem = |kind: &str, from: &Path, to: &str| {
        succeeds(&folder, &[kind, "-inform", "DER", "-in", from.to_str().unwrap(), "-out", to]);
    };
    pem("x509", &place.path().join("citizen-ca/certificate.der"), "ca.pem");
    pem("x509", &first.path, "first.pem");
    pem("x509", &second.path, "second.pem");
    pem("x509", &responder.join("certificate.der"), "responder.pem");
    pem("crl", &lists[0].path, "list.pem");
    let verified = ["verify", "-x509_strict", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "list.pem"];
    succeeds(&folder, &[&verified[..], &["-purpose", "sslclient", "first.pem"]].concat());
    let revoked = openssl(&folder, &[&verified[..], &["second.pem"]].concat());
    assert!(!revoked.status.success() && String::from_utf8_lossy(&revoked.stderr).contains("revoked"));
    succeeds(&folder, &["verify", "-x509_strict", "-CAfile", "ca.pem", "-purpose", "ocsphelper", "responder.pem"]);
    let text = succeeds(&folder, &["x509", "-in", "second.pem", "-noout", "-text"]);
    assert!(text.contains("Non Repudiation") && !text.contains("Extended Key Usage"), "{text}");
    let text = succeeds(&folder, &["crl", "-in", "list.pem", "-noout", "-text", "-CAfile", "ca.pem"]);
    assert!(text.contains("verify OK") && text.contains("X509v3 Issuing Distribution Point: critical"), "{text}");
    let text = succeeds(&folder, &["x509", "-in", "responder.pem", "-noout", "-text"]);
    assert!(text.contains("OCSP Signing") && text.contains("OCSP No Check"), "{text}");
    place.recorded();
    let record = fs::read_to_string(place.path().join("acts.jsonl")).unwrap();
    assert!(!record.contains("Utopia\"") && !record.contains("UT-1234"), "a person is in the record");
}
