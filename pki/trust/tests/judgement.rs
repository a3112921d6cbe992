//! Issue with `authority`, judge with `trust`: each fault is found, and found under its own name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::LazyLock;

use authority::{
    Authority, BundleRequest, DocumentSigner, LoadError, NewName, PROFILES, Passphrase, Profile, RecordSigner,
    SignError, Signer, SignerKind, SoftwareKey, StoredKey,
};
use iso7816::tlv::{Reader, Writer, encode};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use trust::bundle::{RevocationReason, RevokedDocument};
use trust::chain::{Document, id};
use trust::cms::CmsError;
use trust::der::{
    BIT_STRING, INTEGER, OCTET_STRING, OID, PRINTABLE_STRING, SEQUENCE, SET, context, context_constructed, oid,
};
use trust::security_object::{self, Judgement, SIGNATURE, SIGNING_TIME};
use trust::{Bundle, Certificate, Crl, Freshness, Leniency, Outcome, TrustStore};

/// An LDSSecurityObject with two data groups (9303-10 §4.6.2.2).
const CONTENT: &[u8] = b"\x30\x60\x02\x01\x00\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x30\x4e\
    \x30\x25\x02\x01\x01\x04\x20the hash of data group number 01\
    \x30\x25\x02\x01\x02\x04\x20the hash of data group number 02";

fn passphrase() -> Passphrase {
    Passphrase::new("a passphrase for tests")
}

fn now() -> Timestamp {
    "2026-11-22T09:00:00Z".parse().unwrap()
}

fn later(days: i64) -> Timestamp {
    now().to_zoned(TimeZone::UTC).checked_add(days.days()).unwrap().timestamp()
}

fn document() -> Document {
    Document {
        now: later(1),
        code: Some("I<".into()),
        issuing_state: Some("UTO".into()),
        issued: Some("2026-11-22".parse().unwrap()),
    }
}

/// An authority with one signer, its bundle and a signed security object.
struct World {
    _directory: tempfile::TempDir,
    authority: Authority,
    bundle: Bundle,
    sod: Vec<u8>,
}

/// Made once for the tests that issue nothing more: keys are slow to encrypt on purpose.
static SPECIMEN: LazyLock<World> = LazyLock::new(World::new);
static STRANGER: LazyLock<World> = LazyLock::new(World::new);

impl World {
    fn new() -> Self {
        Self::of(&PROFILES[0])
    }

    fn of(profile: &'static Profile) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut authority = Authority::init(&directory.path().join("pki"), profile, &passphrase(), now()).unwrap();
        let signer = authority.new_document_signer(None, &passphrase(), &passphrase(), now()).unwrap();
        let sod = sign(&signer.directory);
        let bundle = export(&mut authority);
        World { _directory: directory, authority, bundle, sod }
    }

    fn judge(&self, document: &Document) -> Judgement {
        judge(&self.sod, &self.bundle, document)
    }
}

fn sign(directory: &Path) -> Vec<u8> {
    let signer = DocumentSigner::load(directory, &passphrase()).unwrap();
    signer.sign_security_object_at(CONTENT, now()).unwrap()
}

fn export(authority: &mut Authority) -> Bundle {
    let lost = RevokedDocument {
        state: None,
        number: "L1".into(),
        reason: RevocationReason::Lost,
        since: "2026-11-01".parse().unwrap(),
    };
    let request = BundleRequest { revoked_documents: vec![lost], ..BundleRequest::default() };
    authority.export_bundle(request, &passphrase(), now()).unwrap().bundle
}

fn judge(sod: &[u8], bundle: &Bundle, document: &Document) -> Judgement {
    security_object::parse(sod).unwrap().judge(&TrustStore::from_bundle(bundle.clone()), document)
}

/// The findings that are not successful, with their results.
fn odd<T>(judgement: &Judgement<T>) -> Vec<(&'static str, Outcome)> {
    judgement
        .findings()
        .filter(|finding| !finding.is_successful())
        // These stores know no defect lists.
        .filter(|finding| finding.id != id::DEFECTS || finding.outcome != Outcome::NotSupported)
        .map(|finding| (finding.id, finding.outcome))
        .collect()
}

/// A SET with one SecurityInfo: PACE over brainpoolP256r1 with chip authentication mapping.
const SECURITY_INFOS: &[u8] =
    b"\x31\x14\x30\x12\x06\x0a\x04\x00\x7f\x00\x07\x02\x02\x04\x06\x02\x02\x01\x02\x02\x01\x0d";

#[test]
fn card_security_is_believed_by_the_rules_of_the_security_object() {
    let world = &*SPECIMEN;
    let signer = DocumentSigner::load(&world.authority.signers().unwrap()[0].directory, &passphrase()).unwrap();
    let file = signer.sign_card_security_at(SECURITY_INFOS, now()).unwrap();
    let parsed = security_object::parse_card_security(&file).unwrap();
    let believed = |bundle: &Bundle| parsed.judge(&TrustStore::from_bundle(bundle.clone()), &document());
    let judgement = believed(&world.bundle);
    assert_eq!(odd(&judgement), []);
    let authentic = judgement.authentic().unwrap();
    assert_eq!(authentic.security_infos(), SECURITY_INFOS);
    assert_eq!(authentic.signer(), signer.certificate());
    let stranger = believed(&STRANGER.bundle);
    assert!(stranger.signature.is_successful() && stranger.authentic().is_none());

    // One bit of the content, and nobody signed it.
    let mut altered = file.clone();
    let place = altered.windows(SECURITY_INFOS.len()).position(|window| window == SECURITY_INFOS).unwrap();
    altered[place + 21] ^= 1;
    let judgement = security_object::parse_card_security(&altered).unwrap();
    let judgement = judgement.judge(&TrustStore::from_bundle(world.bundle.clone()), &document());
    assert_eq!(judgement.signature.outcome, Outcome::Failed);
    assert!(judgement.authentic().is_none());

    // Neither kind passes for the other.
    assert!(security_object::parse(&file).is_err());
    assert!(security_object::parse_card_security(&world.sod).is_err());
    for bad in [&b""[..], b"\x31\x00", CONTENT, b"\x31\x02\x04\x00"] {
        assert!(matches!(signer.sign_card_security_at(bad, now()), Err(SignError::SecurityInfos)), "{bad:02X?}");
    }
    let late = signer.sign_card_security_at(SECURITY_INFOS, later(4000));
    assert!(matches!(late, Err(SignError::OutsideUsagePeriod { .. })));
}

#[test]
fn a_record_beside_its_signature_is_believed_by_the_rules_of_the_security_object() {
    let (world, record) = (&*SPECIMEN, b"a record".as_slice());
    let signer = DocumentSigner::load(&world.authority.signers().unwrap()[0].directory, &passphrase()).unwrap();
    let signature = signer.sign_record_at(record, now()).unwrap();
    let judged = |record: &[u8], bundle: &Bundle| {
        let signed = security_object::parse_record(&signature, record).unwrap();
        signed.judge(&TrustStore::from_bundle(bundle.clone()), &document())
    };
    let judgement = judged(record, &world.bundle);
    assert_eq!(odd(&judgement), []);
    assert_eq!(judgement.authentic().unwrap().content(), record);
    assert_eq!(judgement.authentic().unwrap().signer(), signer.certificate());
    for other in [&b""[..], b"A record", b"a record "] {
        let judgement = judged(other, &world.bundle);
        assert_eq!((judgement.signature.outcome, judgement.authentic()), (Outcome::Failed, None), "{other:?}");
    }
    let stranger = judged(record, &STRANGER.bundle);
    assert!(stranger.signature.is_successful() && stranger.authentic().is_none());

    // What encloses its content is no signature of another one; no kind passes for the other.
    let refused = security_object::parse_record(&world.sod, CONTENT).unwrap_err();
    assert_eq!(refused, CmsError::Enclosed.into());
    assert_eq!(security_object::parse(&signature).unwrap_err(), CmsError::NoContent.into());
    let versioned = |version: u8| {
        let mut other = signature.clone();
        // The first INTEGER after the head: the version of SignedData.
        let place = other.windows(3).position(|window| window == [0x02, 0x01, 0x01]).unwrap() + 2;
        other[place] = version;
        security_object::parse_record(&other, record).err()
    };
    assert_eq!(versioned(1), None);
    let wrong = CmsError::Version { object: "SignedData", found: 3, expected: 1 };
    assert_eq!(versioned(3), Some(wrong.into()));
}

#[test]
fn what_was_issued_is_believed() {
    for profile in PROFILES {
        let world = World::of(profile);
        let document = Document { issuing_state: Some(profile.state.into()), ..document() };
        let judgement = world.judge(&document);
        assert_eq!(odd(&judgement), [], "{:#?}", judgement.findings().collect::<Vec<_>>());
        assert_eq!(judgement.findings().count(), 13);
        let authentic = judgement.authentic().unwrap();
        assert_eq!(authentic.content(), CONTENT);
        assert_eq!(authentic.anchor(), world.authority.csca());
        assert!(judgement.leniencies.is_empty());
    }
}

#[test]
fn altered_content_is_not_the_signed_one() {
    let mut sod = SPECIMEN.sod.clone();
    let place = sod.windows(CONTENT.len()).position(|window| window == CONTENT).unwrap();
    sod[place + 5] ^= 1;
    let judgement = judge(&sod, &SPECIMEN.bundle, &document());
    assert_eq!(odd(&judgement), [(SIGNATURE, Outcome::Failed)]);
    assert!(judgement.findings().next().unwrap().reason.contains("message digest"));
    assert!(judgement.authentic().is_none());
}

#[test]
fn an_altered_signature_does_not_verify() {
    let mut sod = SPECIMEN.sod.clone();
    *sod.last_mut().unwrap() ^= 1;
    let judgement = judge(&sod, &SPECIMEN.bundle, &document());
    assert_eq!(odd(&judgement), [(SIGNATURE, Outcome::Failed)]);
    assert!(judgement.authentic().is_none());
}

#[test]
fn an_unknown_csca_is_undetermined_and_named() {
    let (world, other) = (&*SPECIMEN, &*STRANGER);
    let judgement = judge(&world.sod, &other.bundle, &document());
    // Both authorities have the same names: only the key tells them apart.
    assert_eq!(
        odd(&judgement),
        [
            (id::CERTIFICATE_SIGNATURE, Outcome::Undetermined),
            (id::TRUST, Outcome::Undetermined),
            (id::ANCHOR_VALIDITY, Outcome::Undetermined),
            (id::KEY_USAGE, Outcome::Undetermined),
            (id::REVOCATION, Outcome::Undetermined),
        ]
    );
    let trust = judgement.chain.as_ref().unwrap().finding(id::TRUST).unwrap();
    let key = hex::encode(world.authority.csca().key_identifier());
    assert!(trust.reason.contains(&key) && trust.remedy.as_ref().unwrap().contains(&key));
    assert!(judgement.authentic().is_none());
}

#[test]
fn a_certificate_that_the_named_csca_did_not_sign_is_forged() {
    let mut world = World::new();
    let certificate = world.authority.signers().unwrap()[0].certificate.der().to_vec();
    let end =
        world.sod.windows(certificate.len()).position(|window| window == certificate).unwrap() + certificate.len();
    world.sod[end - 1] ^= 1;
    let judgement = world.judge(&document());
    assert!(judgement.signature.is_successful());
    let failed: Vec<_> = odd(&judgement).into_iter().filter(|(_, outcome)| *outcome == Outcome::Failed).collect();
    assert_eq!(failed, [(id::CERTIFICATE_SIGNATURE, Outcome::Failed), (id::TRUST, Outcome::Failed)]);
    assert!(judgement.authentic().is_none());
}

#[test]
fn a_revoked_signer_is_found() {
    let mut world = World::new();
    world.authority.revoke("ds-0001", now()).unwrap();
    world.authority.issue_crl(&passphrase(), now()).unwrap();
    world.bundle = export(&mut world.authority);
    let revoked = Document { now: later(2), ..document() };
    assert_eq!(odd(&world.judge(&revoked)), [(id::REVOCATION, Outcome::Failed)]);
    // An old list still revokes, and the bundle's age is another finding.
    let long_after = Document { now: later(120), ..document() };
    assert_eq!(
        odd(&world.judge(&long_after)),
        [(id::BUNDLE, Outcome::Undetermined), (id::REVOCATION, Outcome::Failed)]
    );
}

#[test]
fn of_two_lists_the_newer_counts() {
    let mut world = World::new();
    let first = world.bundle.crls[0].clone();
    world.authority.revoke("ds-0001", now()).unwrap();
    let (_, second) = world.authority.issue_crl(&passphrase(), now()).unwrap();
    for crls in [[first.clone(), second.clone()], [second, first]] {
        world.bundle.crls = crls.to_vec();
        assert_eq!(odd(&world.judge(&document())), [(id::REVOCATION, Outcome::Failed)]);
    }
}

/// The authority of another CSCA key under the same name, as after a change of keys, with this signer on its list.
fn next_generation(revoked: &Certificate, at: Timestamp) -> (tempfile::TempDir, Certificate, Crl) {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("pki");
    let mut authority = Authority::init(&place, &PROFILES[0], &passphrase(), at).unwrap();
    let taken_over = place.join("ds/ds-0001");
    std::fs::create_dir(&taken_over).unwrap();
    std::fs::write(taken_over.join("certificate.der"), revoked.der()).unwrap();
    authority.revoke("ds-0001", at).unwrap();
    let (_, crl) = authority.issue_crl(&passphrase(), at).unwrap();
    let csca = authority.csca().clone();
    (directory, csca, crl)
}

#[test]
fn after_a_change_of_keys_the_list_under_the_new_key_revokes_signers_of_the_old() {
    let mut world = World::new();
    let signer = world.authority.signers().unwrap()[0].certificate.clone();
    let (_directory, csca, crl) = next_generation(&signer, now());
    let old = world.bundle.crls[0].clone();
    // The new key is not yet believed: its list says nothing.
    world.bundle.crls = vec![crl.clone()];
    assert_eq!(odd(&world.judge(&document())), [(id::REVOCATION, Outcome::Undetermined)]);

    world.bundle.anchors.push(csca);
    assert_eq!(odd(&world.judge(&document())), [(id::REVOCATION, Outcome::Failed)]);
    // Beside a list under the old key which does not know yet, in either order.
    for crls in [[old.clone(), crl.clone()], [crl, old]] {
        world.bundle.crls = crls.to_vec();
        assert_eq!(odd(&world.judge(&document())), [(id::REVOCATION, Outcome::Failed)]);
    }
}

#[test]
fn a_revoked_csca_is_no_good_anchor() {
    let mut world = World::new();
    let old = world.authority.csca().clone();
    let (_directory, csca, crl) = next_generation(&old, now());
    world.bundle.crls.push(crl);
    // Nobody believes the key that revokes it.
    assert_eq!(odd(&world.judge(&document())), []);
    world.bundle.anchors.push(csca);
    let judgement = world.judge(&document());
    assert_eq!(odd(&judgement), [(id::TRUST, Outcome::Failed)]);
    assert!(judgement.authentic().is_none());
}

#[test]
fn a_list_of_the_future_does_not_hide_a_good_one() {
    let mut world = World::new();
    let current = world.bundle.crls[0].clone();
    let (_, future) = world.authority.issue_crl(&passphrase(), later(50)).unwrap();
    for crls in [vec![current.clone(), future.clone()], vec![future.clone(), current]] {
        world.bundle.crls = crls;
        assert_eq!(odd(&world.judge(&document())), []);
    }
    world.bundle.crls = vec![future];
    assert_eq!(odd(&world.judge(&document())), [(id::REVOCATION, Outcome::Undetermined)]);
}

#[test]
fn after_a_change_of_keys_the_newest_list_decides_on_freshness() {
    let (world, mut bundle) = (&*SPECIMEN, SPECIMEN.bundle.clone());
    bundle.expires = later(365);
    // Of another signer: this one is not revoked.
    let stranger = STRANGER.authority.signers().unwrap()[0].certificate.clone();
    let (_directory, csca, fresh) = next_generation(&stranger, later(60));
    bundle.anchors.push(csca);
    let late = Document { now: later(100), ..document() };
    assert_eq!(odd(&judge(&world.sod, &bundle, &late)), [(id::REVOCATION, Outcome::Undetermined)]);
    bundle.crls.insert(0, fresh);
    assert_eq!(odd(&judge(&world.sod, &bundle, &late)), []);
}

#[test]
fn no_list_or_an_old_one_or_another_authoritys_leaves_revocation_open() {
    let mut world = World::new();
    let stranger = STRANGER.bundle.crls.clone();
    let open = [(id::REVOCATION, Outcome::Undetermined)];
    for crls in [vec![], stranger] {
        world.bundle.crls = crls;
        let judgement = world.judge(&document());
        assert_eq!(odd(&judgement), open);
        // Still genuine; whether it is in good standing is what is open.
        assert!(judgement.authentic().is_some());
    }
    let world = &*SPECIMEN;
    let mut bundle = world.bundle.clone();
    bundle.expires = later(365);
    let late = Document { now: later(91), ..document() };
    assert_eq!(odd(&judge(&world.sod, &bundle, &late)), open);
}

#[test]
fn a_list_with_an_altered_entry_is_not_believed() {
    let mut world = World::new();
    world.authority.revoke("ds-0001", now()).unwrap();
    let (_, crl) = world.authority.issue_crl(&passphrase(), now()).unwrap();
    let mut raw = crl.der().to_vec();
    let serial = world.authority.signers().unwrap()[0].certificate.serial().to_vec();
    let place = raw.windows(serial.len()).position(|window| window == serial).unwrap();
    raw[place + 3] ^= 1;
    world.bundle.crls = vec![Crl::from_der(&raw).unwrap()];
    assert_eq!(odd(&world.judge(&document())), [(id::REVOCATION, Outcome::Undetermined)]);
}

#[test]
fn clocks_and_dates() {
    let world = &*SPECIMEN;
    let at = |now| odd(&world.judge(&Document { now, ..document() }));
    let early = [
        (id::BUNDLE, Outcome::Undetermined),
        (id::ANCHOR_VALIDITY, Outcome::Failed),
        (id::SIGNER_VALIDITY, Outcome::Failed),
        (id::REVOCATION, Outcome::Undetermined),
        (SIGNING_TIME, Outcome::Failed),
    ];
    assert_eq!(at(later(-1)), early);
    let stale = [(id::BUNDLE, Outcome::Undetermined), (id::REVOCATION, Outcome::Undetermined)];
    assert_eq!(at(later(100)), stale);
    let signer_expired = [
        (id::BUNDLE, Outcome::Undetermined),
        (id::SIGNER_VALIDITY, Outcome::Failed),
        (id::REVOCATION, Outcome::Undetermined),
    ];
    assert_eq!(at(later(11 * 365)), signer_expired);

    let issued = |day: &str| odd(&world.judge(&Document { issued: Some(day.parse().unwrap()), ..document() }));
    assert_eq!(issued("2027-02-22"), []);
    for day in ["2026-11-20", "2027-02-25"] {
        assert_eq!(issued(day), [(id::KEY_PERIOD, Outcome::Failed)]);
    }
    let unknown = world.judge(&Document { issued: None, ..document() });
    assert_eq!(odd(&unknown), [(id::KEY_PERIOD, Outcome::Undetermined)]);
    assert!(unknown.authentic().is_some());
}

#[test]
fn the_documents_type_and_state_must_fit_the_certificates() {
    let mut world = World::new();
    let code = |code: Option<&str>| world.judge(&Document { code: code.map(Into::into), ..document() });
    assert_eq!(odd(&code(Some("ID"))), []);
    assert_eq!(odd(&code(None)), [(id::DOCUMENT_TYPE, Outcome::Undetermined)]);
    let passport = code(Some("P<"));
    assert_eq!(odd(&passport), [(id::DOCUMENT_TYPE, Outcome::Failed)]);
    assert!(passport.authentic().is_none());

    let state = |state: Option<&str>| world.judge(&Document { issuing_state: state.map(Into::into), ..document() });
    assert_eq!(odd(&state(None)), [(id::COUNTRY, Outcome::Undetermined)]);
    let foreign = state(Some("IRQ"));
    assert_eq!(odd(&foreign), [(id::COUNTRY, Outcome::Failed)]);
    assert!(foreign.authentic().is_none());

    world.bundle.policy.countries.clear();
    assert_eq!(odd(&world.judge(&document())), [(id::COUNTRY, Outcome::Undetermined)]);
    world.bundle.policy.countries.insert("UTO".into(), "XX".into());
    assert_eq!(odd(&world.judge(&document())), [(id::COUNTRY, Outcome::Failed)]);
}

/// What a signer without scruples makes: signed data with the least that CMS asks for. A record stands beside it.
fn sign_anyway(key: &dyn Signer, certificate: &Certificate, content_type: &[u8], content: &[u8]) -> Vec<u8> {
    let (digest, kind) = (key.algorithm().digest_identifier(), encode(OID, content_type));
    let attribute = |name: &[u8], value: &[u8]| encode(SEQUENCE, [encode(OID, name), encode(SET, value)].concat());
    let hash = key.algorithm().hash().digest(content);
    let enclosed = if content_type == oid::DATA {
        Vec::new()
    } else {
        encode(context_constructed(0), encode(OCTET_STRING, content))
    };
    let attributes =
        [attribute(oid::CONTENT_TYPE, &kind), attribute(oid::MESSAGE_DIGEST, &encode(OCTET_STRING, hash))].concat();
    let signature = key.sign(&encode(SET, &attributes)).unwrap();
    let mut data = Writer::new();
    data.put(INTEGER, [3]).put(SET, &digest);
    data.put(SEQUENCE, [kind, enclosed].concat()).put(context_constructed(0), certificate.der());
    data.nest(SET, |signers| {
        signers.nest(SEQUENCE, |signer| {
            signer.put(INTEGER, [3]).put(context(0), certificate.key_identifier()).raw(&digest);
            signer.put(context_constructed(0), &attributes).raw(key.algorithm().signature_identifier());
            signer.put(OCTET_STRING, &signature);
        });
    });
    let signed = encode(context_constructed(0), encode(SEQUENCE, data.finish()));
    encode(SEQUENCE, [encode(OID, oid::SIGNED_DATA), signed].concat())
}

#[test]
fn the_csca_itself_is_no_document_signer() {
    let world = &*SPECIMEN;
    let csca = world.authority.signers().unwrap()[0].directory.join("../../csca");
    let key = SoftwareKey::from_pem(&std::fs::read(csca.join("key.p8")).unwrap(), &passphrase()).unwrap();
    let sod = sign_anyway(&key, world.authority.csca(), oid::LDS_SECURITY_OBJECT, CONTENT);
    // Our own signer refuses to.
    let refused = DocumentSigner::new(key, world.authority.csca().clone()).unwrap_err();
    assert!(matches!(&refused, LoadError::Mandate { reason, .. } if reason.contains("an authority")), "{refused}");
    let judgement = judge(&sod, &world.bundle, &document());
    assert!(judgement.signature.is_successful(), "{:?}", judgement.signature);
    assert!(odd(&judgement).contains(&(id::KEY_USAGE, Outcome::Failed)));
    assert!(odd(&judgement).contains(&(id::DOCUMENT_TYPE, Outcome::Failed)));
    assert!(judgement.authentic().is_none());
}

/// The thief of any other key under the CSCA: he signs whatever he wants, and nobody believes it. A residence signer is believed about
/// residence records, and about nothing else.
#[test]
fn a_stolen_key_signs_what_its_certificate_is_for() {
    const RECORD: &[u8] = b"a record";
    let mut world = World::new();
    let believed_by = |world: &World, key: &Path, certificate: &Certificate| {
        let key = StoredKey::open(key, &passphrase()).unwrap();
        let store = TrustStore::from_bundle(world.bundle.clone());
        let signed = |content_type, content| sign_anyway(&key, certificate, content_type, content);
        let sod = security_object::parse(&signed(oid::LDS_SECURITY_OBJECT, CONTENT)).unwrap();
        let file = security_object::parse_card_security(&signed(oid::SECURITY_OBJECT, SECURITY_INFOS)).unwrap();
        let record = security_object::parse_record(&signed(oid::DATA, RECORD), RECORD).unwrap();
        // A document with the signer's own code, and none that is known.
        let coded = |code: Option<&str>| Document { code: code.map(Into::into), ..document() };
        let mut seen = Vec::new();
        for code in [Some("I<"), Some("RR"), None] {
            let (sod, file) = (sod.judge(&store, &coded(code)), file.judge(&store, &coded(code)));
            let record = record.judge(&store, &coded(code));
            assert!([&sod.signature, &file.signature, &record.signature].iter().all(|it| it.is_successful()));
            assert!(record.authentic().is_none() || record.authentic().unwrap().content() == RECORD);
            let failed = |chain: &trust::chain::Chain| chain.finding(id::DOCUMENT_TYPE).unwrap().is_failed();
            if certificate.extensions().has_extended_key_usage {
                assert!(failed(sod.chain.as_ref().unwrap()) && failed(file.chain.as_ref().unwrap()));
            }
            seen.push((sod.authentic().is_some(), file.authentic().is_some(), record.authentic().is_some()));
        }
        seen
    };
    let ds = world.authority.signers().unwrap().remove(0);
    // "RR" is not among what it signs, and an unknown code is a finding that somebody else weighs.
    let good = (true, true, true);
    assert_eq!(believed_by(&world, &ds.directory, &ds.certificate), [good, (false, false, false), good]);
    for (kind, name, records) in [
        (SignerKind::Residence, "office-1", true),
        (SignerKind::MasterList, "mls-1", false),
        (SignerKind::DeviationList, "dls-1", false),
        (SignerKind::Seal, "ab-0001", false),
    ] {
        let signer = world.authority.new_signer(kind, Some(name), &passphrase(), &passphrase(), now()).unwrap();
        let seen = believed_by(&world, &signer.directory, &signer.certificate);
        assert_eq!(seen, [(false, false, records); 3], "{kind}");
        // Our own programs do not open its key for it.
        let documents = DocumentSigner::load(&signer.directory, &passphrase()).err();
        assert!(matches!(documents, Some(LoadError::Mandate { .. })), "{kind}: {documents:?}");
        let record = RecordSigner::load(&signer.directory, &passphrase());
        assert_eq!(record.is_ok(), records, "{kind}: {record:?}");
        if let Ok(signer) = record {
            let signature = signer.sign_record_at(RECORD, now()).unwrap();
            let signed = security_object::parse_record(&signature, RECORD).unwrap();
            let judgement = signed.judge(&TrustStore::from_bundle(world.bundle.clone()), &document());
            assert_eq!(odd(&judgement), []);
            assert_eq!(judgement.authentic().unwrap().signer(), signer.certificate());
        }
    }
    let csca = ds.directory.join("../../csca");
    assert_eq!(believed_by(&world, &csca, world.authority.csca()), [(false, false, false); 3]);
    assert!(matches!(RecordSigner::load(&csca, &passphrase()), Err(LoadError::Mandate { .. })));
    assert!(RecordSigner::load(&ds.directory, &passphrase()).is_ok());
}

/// Certificates that no CSCA of this project issues: what counts is each purpose, whatever the list of types says.
#[test]
fn an_extended_key_usage_is_asked_whatever_the_list_of_types_says() {
    const RECORD: &[u8] = b"a record";
    let world = &*SPECIMEN;
    let csca = world.authority.directory().join("csca");
    let csca = StoredKey::open(&csca, &passphrase()).unwrap();
    let ds = &world.authority.signers().unwrap()[0];
    let key = StoredKey::open(&ds.directory, &passphrase()).unwrap();
    let store = TrustStore::from_bundle(world.bundle.clone());
    let believed = |codes: &[&str], purposes: &[&[u8]]| {
        let certificate = with_purposes(&ds.certificate, &csca, codes, purposes);
        let sod = sign_anyway(&key, &certificate, oid::LDS_SECURITY_OBJECT, CONTENT);
        let signature = sign_anyway(&key, &certificate, oid::DATA, RECORD);
        let sod = security_object::parse(&sod).unwrap().judge(&store, &document());
        let record = security_object::parse_record(&signature, RECORD).unwrap().judge(&store, &document());
        assert!(sod.chain.as_ref().unwrap().finding(id::TRUST).unwrap().is_successful());
        let (sod_wanted, record_wanted) = (sod.authentic().is_some(), record.authentic().is_some());
        assert_eq!(!sod_wanted, odd(&sod).contains(&(id::DOCUMENT_TYPE, Outcome::Failed)));
        assert_eq!(!record_wanted, odd(&record).contains(&(id::DOCUMENT_TYPE, Outcome::Failed)));
        (sod_wanted, record_wanted)
    };
    let (residence, any) = (oid::RESIDENCE_SIGNER, &[0x55, 0x1D, 0x25, 0x00][..]);
    assert_eq!(believed(&["I"], &[]), (true, true));
    assert_eq!(believed(&["I"], &[oid::SEAL_SIGNER]), (false, false), "a seal signer with a document signer's rest");
    assert_eq!(believed(&["I"], &[oid::MASTER_LIST_SIGNER]), (false, false));
    assert_eq!(believed(&["I"], &[any]), (false, false));
    assert_eq!(believed(&["RR"], &[residence]), (false, true));
    // Its own code, and alone; its own purpose, and alone.
    assert_eq!(believed(&["I"], &[residence]), (false, false));
    assert_eq!(believed(&["I", "RR"], &[residence]), (false, false));
    assert_eq!(believed(&[], &[residence]), (false, false));
    assert_eq!(believed(&["RR"], &[residence, oid::SEAL_SIGNER]), (false, false));
    assert_eq!(believed(&["RR"], &[oid::SEAL_SIGNER]), (false, false));
    assert_eq!(believed(&["RR"], &[]), (false, false), "a document signer for documents that nobody has");
}

/// The certificate with another list of types and other purposes, signed by its CSCA again.
fn with_purposes(like: &Certificate, csca: &dyn Signer, codes: &[&str], purposes: &[&[u8]]) -> Certificate {
    let mut whole = Reader::new(iso7816::tlv::sole(like.der(), SEQUENCE).unwrap());
    let body = whole.expect(SEQUENCE).unwrap();
    let algorithm = csca.algorithm().signature_identifier().to_vec();
    let mut fields = Reader::new(body);
    let mut changed = Writer::new();
    while let Some(field) = fields.next().unwrap() {
        if field.tag != context_constructed(3) {
            changed.put(field.tag, field.value);
            continue;
        }
        let mut kept = Vec::new();
        let mut extensions = Reader::new(iso7816::tlv::sole(field.value, SEQUENCE).unwrap());
        while let Some(extension) = extensions.next().unwrap() {
            let list = encode(OID, oid::DOCUMENT_TYPE_LIST);
            if !extension.value.starts_with(&list) {
                kept.extend(encode(SEQUENCE, extension.value));
            }
        }
        let mut add = |kind: &[u8], value: Vec<u8>| {
            kept.extend(encode(SEQUENCE, [encode(OID, kind), encode(OCTET_STRING, value)].concat()));
        };
        if !codes.is_empty() {
            let codes: Vec<u8> = codes.iter().flat_map(|code| encode(PRINTABLE_STRING, code)).collect();
            let list = [encode(INTEGER, [0]), encode(SET, codes)].concat();
            add(oid::DOCUMENT_TYPE_LIST, encode(SEQUENCE, list));
        }
        if !purposes.is_empty() {
            let purposes: Vec<u8> = purposes.iter().flat_map(|purpose| encode(OID, purpose)).collect();
            add(oid::EXTENDED_KEY_USAGE, encode(SEQUENCE, purposes));
        }
        changed.put(context_constructed(3), encode(SEQUENCE, kept));
    }
    let body = encode(SEQUENCE, changed.finish());
    let signature = [&[0][..], &csca.sign(&body).unwrap()].concat();
    let whole = encode(SEQUENCE, [body, algorithm, encode(BIT_STRING, signature)].concat());
    Certificate::from_der(&whole).unwrap()
}

#[test]
fn a_certificate_of_another_key_identifies_nobody() {
    let (world, other) = (&*SPECIMEN, &*STRANGER);
    let signed = security_object::parse(&world.sod).unwrap();
    let certificate = &other.authority.signers().unwrap()[0].certificate;
    assert!(signed.signed_data().signers()[0].identifies(certificate).is_none());
    let own: &Certificate = &signed.signed_data().certificates()[0];
    assert_eq!(signed.signed_data().signers()[0].identifies(own), Some(Vec::<Leniency>::new()));
}

#[test]
fn without_a_key_identifier_the_issuer_is_found_by_name_and_nothing_is_called_forged() {
    let key = || {
        let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
        openssl::pkey::PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap()
    };
    let (csca_key, other_key, signer_key) = (key(), key(), key());
    let plain = |subject: &str, key: &openssl::pkey::PKey<_>, issuer: &openssl::pkey::PKey<_>| {
        let name = |common: &str| {
            let mut name = openssl::x509::X509NameBuilder::new().unwrap();
            name.append_entry_by_text("C", "UT").unwrap();
            name.append_entry_by_text("CN", common).unwrap();
            name.build()
        };
        let mut builder = openssl::x509::X509Builder::new().unwrap();
        builder.set_version(2).unwrap();
        builder.set_subject_name(&name(subject)).unwrap();
        builder.set_issuer_name(&name("CSCA")).unwrap();
        builder.set_not_before(&openssl::asn1::Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&openssl::asn1::Asn1Time::days_from_now(9).unwrap()).unwrap();
        builder.set_pubkey(key).unwrap();
        builder.sign(issuer, openssl::hash::MessageDigest::sha256()).unwrap();
        Certificate::from_der(&builder.build().to_der().unwrap()).unwrap()
    };
    let mut bundle = SPECIMEN.bundle.clone();
    bundle.anchors = vec![plain("CSCA", &other_key, &other_key), plain("CSCA", &csca_key, &csca_key)];
    let signer = plain("Signer", &signer_key, &csca_key);
    let found = trust::chain::judge(&signer, &TrustStore::from_bundle(bundle.clone()), &document());
    assert!(found.finding(id::TRUST).unwrap().is_successful());
    assert_eq!(found.anchor.as_ref(), Some(&bundle.anchors[1]));
    assert_eq!(found.leniencies, [Leniency::IssuerFoundByName]);

    bundle.anchors.pop();
    let open = trust::chain::judge(&signer, &TrustStore::from_bundle(bundle), &document());
    assert_eq!(open.finding(id::CERTIFICATE_SIGNATURE).unwrap().outcome, Outcome::Undetermined);
}

#[test]
fn of_several_certificates_of_one_csca_key_the_valid_one_counts() {
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    let key = || openssl::pkey::PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap();
    let (csca_key, signer_key) = (key(), key());
    let certificate = |subject: &str, key: &openssl::pkey::PKey<_>, from: i64, to: i64| {
        let name = |common: &str| {
            let mut name = openssl::x509::X509NameBuilder::new().unwrap();
            name.append_entry_by_text("C", "UT").unwrap();
            name.append_entry_by_text("CN", common).unwrap();
            name.build()
        };
        let time = |days| openssl::asn1::Asn1Time::from_unix(later(days).as_second()).unwrap();
        let mut builder = openssl::x509::X509Builder::new().unwrap();
        builder.set_version(2).unwrap();
        builder.set_subject_name(&name(subject)).unwrap();
        builder.set_issuer_name(&name("CSCA")).unwrap();
        builder.set_not_before(&time(from)).unwrap();
        builder.set_not_after(&time(to)).unwrap();
        builder.set_pubkey(key).unwrap();
        builder.sign(&csca_key, openssl::hash::MessageDigest::sha256()).unwrap();
        Certificate::from_der(&builder.build().to_der().unwrap()).unwrap()
    };
    let (expired, renewed) = (certificate("CSCA", &csca_key, -90, -30), certificate("CSCA", &csca_key, -60, 300));
    let signer = certificate("Signer", &signer_key, -80, 300);
    let mut bundle = SPECIMEN.bundle.clone();
    for anchors in [[expired.clone(), renewed.clone()], [renewed.clone(), expired.clone()]] {
        bundle.anchors = anchors.to_vec();
        let store = TrustStore::from_bundle(bundle.clone());
        let found = trust::chain::judge(&signer, &store, &document());
        assert_eq!(found.anchor.as_ref(), Some(&renewed));
        assert!(found.finding(id::ANCHOR_VALIDITY).unwrap().is_successful());
        let before = trust::chain::judge(&signer, &store, &Document { now: later(-70), ..document() });
        assert_eq!(before.anchor.as_ref(), Some(&expired));
    }
}

#[test]
fn the_published_specimen_verifies_but_its_csca_is_unknown() {
    let Some(path) = test_vectors::shared("data/lds-specimen/EF_SOD.bin") else {
        println!("skipped: the published specimen is not here");
        return;
    };
    let file = std::fs::read(path).unwrap();
    let cms = iso7816::tlv::sole(&file, iso7816::tlv::Tag(0x77)).unwrap();
    let german = Document {
        now: "2008-06-01T00:00:00Z".parse().unwrap(),
        code: Some("P<".into()),
        issuing_state: Some("D<<".into()),
        issued: None,
    };
    let judgement = judge(cms, &SPECIMEN.bundle, &german);
    assert!(judgement.signature.is_successful(), "{:?}", judgement.signature);
    let chain = judgement.chain.as_ref().unwrap();
    assert_eq!(chain.finding(id::TRUST).unwrap().outcome, Outcome::Undetermined);
    assert_eq!(chain.finding(id::SIGNER_VALIDITY).unwrap().outcome, Outcome::Successful);
    assert!(judgement.leniencies.contains(&Leniency::LegacySha1));
    assert!(judgement.authentic().is_none());
}

/// 9303-12 Appendix D.3: after a change of name the CSCA's list has the new name and is signed by the new key; it names the
/// old one as issuerAltName and still speaks about signers that the old one issued.
#[test]
fn after_a_change_of_name_the_new_list_speaks_about_earlier_signers() {
    let mut world = World::new();
    let old_anchor = world.authority.csca().clone();
    let name = NewName { organization: None, unit: None, common_name: "CSCA of another name".into() };
    world.authority.roll_over(Some(&name), None, &passphrase(), now()).unwrap();
    let bundle = export(&mut world.authority);
    assert!(bundle.anchors.len() >= 2 && bundle.anchors.contains(&old_anchor));
    let newest = bundle.crls.iter().find(|crl| !crl.issuer_alternatives().is_empty()).unwrap().clone();
    assert!(!newest.issuer().matches(old_anchor.subject()));

    world.bundle = Bundle { crls: vec![newest.clone()], ..bundle.clone() };
    assert_eq!(odd(&world.judge(&document())), []);
    // Nobody vouches for the new key: its list says nothing.
    world.bundle.anchors = vec![old_anchor];
    assert_eq!(odd(&world.judge(&document())), [(id::REVOCATION, Outcome::Undetermined)]);

    world.authority.revoke("ds-0001", now()).unwrap();
    let (_, crl) = world.authority.issue_crl(&passphrase(), now()).unwrap();
    world.bundle = Bundle { crls: vec![crl], ..bundle };
    assert_eq!(odd(&world.judge(&document())), [(id::REVOCATION, Outcome::Failed)]);
}

#[test]
fn how_old_a_list_may_be_is_policy() {
    let world = &*SPECIMEN;
    let mut bundle = Bundle { expires: later(365), ..world.bundle.clone() };
    let mut at = |days, grace_days, maximum_age_days| {
        bundle.policy.revocation_lists = Freshness { grace_days, maximum_age_days };
        odd(&judge(&world.sod, &bundle, &Document { now: later(days), ..document() }))
    };
    let open = [(id::REVOCATION, Outcome::Undetermined)];
    assert_eq!(at(91, 0, None), open);
    assert_eq!(at(91, 7, None), []);
    assert_eq!(at(98, 7, None), open);
    assert_eq!(at(30, 7, Some(29)), open);
    assert_eq!(at(29, 0, Some(30)), []);
}

/// A store remembers signers, never documents or moments.
#[test]
fn what_is_remembered_does_not_change_what_is_judged() {
    let world = &*SPECIMEN;
    let store = TrustStore::from_bundle(world.bundle.clone());
    let judge = |sod: &[u8], document: &Document| odd(&security_object::parse(sod).unwrap().judge(&store, document));
    let late = Document { now: later(11 * 365), ..document() };
    let mut altered = world.sod.clone();
    *altered.last_mut().unwrap() ^= 1;
    for _ in 0..2 {
        assert_eq!(judge(&world.sod, &document()), []);
        assert!(judge(&world.sod, &late).contains(&(id::SIGNER_VALIDITY, Outcome::Failed)));
        assert_eq!(judge(&altered, &document()), [(SIGNATURE, Outcome::Failed)]);
    }
    // A certificate that differs in one bit is another one.
    let certificate = world.authority.signers().unwrap()[0].certificate.der().to_vec();
    let end =
        world.sod.windows(certificate.len()).position(|window| window == certificate).unwrap() + certificate.len();
    let mut forged = world.sod.clone();
    forged[end - 1] ^= 1;
    assert!(judge(&forged, &document()).contains(&(id::CERTIFICATE_SIGNATURE, Outcome::Failed)));
    assert_eq!(store, TrustStore::from_bundle(world.bundle.clone()));
}
