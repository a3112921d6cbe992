//! Bundles of several signers, deltas, folders: what is installed, and what never is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use authority::defect_list::{DefectiveSigner, SeriesDefect, SignerDefects};
use authority::{Authority, PROFILES, Passphrase, SignerKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use proptest::prelude::*;
use serde_json::{Value, json};
use trust::bundle::{
    self, BundleError, Delta, DeltaError, MAX_DEFECT_LIST_BYTES, MAX_DEFECT_LISTS, MAX_SIGNATURES, RevocationReason,
    Sealed,
};
use trust::chain::freshness;
use trust::store::{Bounds, InstallError, OpenError, Why};
use trust::{Bundle, Certificate, DefectList, Outcome, Pin, Pins, PublicKey, RevokedDocument, TrustStore};

/// Somebody who signs bundles.
struct Custodian {
    key: PKey<Private>,
    public: PublicKey,
}

impl Custodian {
    fn new() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let public = PublicKey::from_spki(&key.public_key_to_der().unwrap()).unwrap();
        Custodian { key, public }
    }

    fn pin(&self) -> Pin {
        Pin::of(&self.public)
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        Signer::new(MessageDigest::sha256(), &self.key).unwrap().sign_oneshot_to_vec(message).unwrap()
    }
}

fn custodians<const N: usize>() -> [Custodian; N] {
    std::array::from_fn(|_| Custodian::new())
}

fn pins(threshold: usize, of: &[&Custodian]) -> Pins {
    Pins::new(threshold, of.iter().map(|one| one.pin())).unwrap()
}

static SAMPLE: LazyLock<Bundle> = LazyLock::new(|| {
    let pin = Pin::from_hex("23acefbf903c8b6986b22a6d48089fb2ae5a4a2a990f38a1d745be919dd9f87d").unwrap();
    bundle::open(include_bytes!("samples/bundle-v1.json"), &pin.into()).unwrap()
});

/// The bundle of the stored sample under another number, with so many revoked documents.
fn bundle(number: u64) -> Bundle {
    let lost = |index: u64| {
        let number = format!("A{:06}", (index * 7919) % 1_000_000);
        let document = RevokedDocument {
            state: None,
            number,
            reason: RevocationReason::Lost,
            since: jiff::civil::date(2026, 11, 1),
        };
        (document.key(), document)
    };
    let revoked_documents: BTreeMap<_, _> = (number / 2..number * 20).map(lost).collect();
    Bundle { number, revoked_documents, sources: vec!["DE's master list".to_owned(); 2], ..SAMPLE.clone() }
}

fn sealed(bundle: &Bundle, by: &[&Custodian]) -> Sealed {
    let mut sealed = Sealed::unsigned(bundle.to_payload());
    for one in by {
        let signature = one.sign(&sealed.message());
        sealed.add_signature(&one.public, &signature).unwrap();
    }
    sealed
}

fn file(bundle: &Bundle, by: &[&Custodian]) -> Vec<u8> {
    sealed(bundle, by).to_bytes()
}

fn delta(old: &[u8], new: &[u8]) -> Vec<u8> {
    Delta::between(&Sealed::read(old).unwrap(), &Sealed::read(new).unwrap()).unwrap().to_bytes()
}

fn entry(one: &Custodian, signature: &[u8]) -> Value {
    json!({ "signer": STANDARD.encode(one.public.spki()), "signature": STANDARD.encode(signature) })
}

fn container(payload: &[u8], signatures: Vec<Value>) -> Vec<u8> {
    let payload = STANDARD.encode(payload);
    json!({ "format": "bitaqa-trust-bundle", "version": 2, "payload": payload, "signatures": signatures })
        .to_string()
        .into_bytes()
}

#[test]
fn so_many_different_pinned_signers_must_have_signed_exactly_these_bytes() {
    let [a, b, c, stranger] = custodians();
    let pins = pins(2, &[&a, &b, &c]);
    let one = bundle(1);
    for by in [vec![&a, &b], vec![&c, &a], vec![&a, &stranger, &b, &c]] {
        assert_eq!(bundle::open(&file(&one, &by), &pins).unwrap(), one);
    }
    let refused = |bytes: &[u8]| match bundle::open(bytes, &pins) {
        Err(BundleError::TooFewSignatures { good, altered, .. }) => (good, altered.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&file(&one, &[])), (0, 0));
    assert_eq!(refused(&file(&one, &[&a])), (1, 0));
    assert_eq!(refused(&file(&one, &[&b, &stranger])), (1, 0));

    // The same key twice, in any number of signatures (ECDSA gives another one each time).
    let unsigned = Sealed::unsigned(one.to_payload());
    let message = unsigned.message();
    let twice = vec![entry(&a, &a.sign(&message)), entry(&a, &a.sign(&message))];
    assert_eq!(refused(&container(unsigned.payload(), twice)), (1, 0));

    // Good signatures over another payload.
    let other = sealed(&bundle(2), &[]);
    let moved: Vec<Value> = [&a, &b, &c].map(|one| entry(one, &one.sign(&other.message()))).into();
    assert_eq!(refused(&container(unsigned.payload(), moved.clone())), (0, 3));
    let mut mixed = moved;
    mixed.push(entry(&b, &b.sign(&message)));
    assert_eq!(refused(&container(unsigned.payload(), mixed)), (1, 3));
    // Over the payload alone, or in the context of version 1.
    let bare = vec![entry(&a, &a.sign(unsigned.payload())), entry(&b, &b.sign(unsigned.payload()))];
    assert_eq!(refused(&container(unsigned.payload(), bare)), (0, 2));
    let first = [b"bitaqa-trust-bundle-v1\0", unsigned.payload()].concat();
    let first = vec![entry(&a, &a.sign(&first)), entry(&b, &b.sign(&first))];
    assert_eq!(refused(&container(unsigned.payload(), first)), (0, 2));

    let many = vec![entry(&stranger, b"none"); MAX_SIGNATURES + 1];
    assert!(matches!(
        bundle::open(&container(unsigned.payload(), many), &pins),
        Err(BundleError::TooManySignatures(33))
    ));
    let mut whole = sealed(&one, &[]);
    assert!(matches!(whole.add_signature(&a.public, b"none"), Err(BundleError::Signature(_))));
}

#[test]
fn one_key_written_in_two_ways_is_one_signer() {
    let [a, b] = custodians();
    // The same point, compressed.
    let point = &a.public.spki()[26..];
    let mut compressed = a.public.spki()[..26].to_vec();
    compressed.push(2 | (point[64] & 1));
    compressed.extend_from_slice(&point[1..33]);
    compressed[1] = 57;
    compressed[24] = 34;
    let again = Custodian { key: a.key.clone(), public: PublicKey::from_spki(&compressed).unwrap() };
    assert_ne!(again.pin(), a.pin());
    let pins = pins(2, &[&a, &again, &b]);
    let refused = bundle::open(&file(&bundle(1), &[&a, &again]), &pins);
    assert!(matches!(refused, Err(BundleError::TooFewSignatures { good: 1, .. })), "{refused:?}");
    bundle::open(&file(&bundle(1), &[&b, &again]), &pins).unwrap();
}

#[test]
fn what_somebody_signed_is_shown_whoever_he_is() {
    let [a, b] = custodians();
    let mut one = sealed(&bundle(1), &[&a]);
    let other = entry(&b, &b.sign(b"something else"));
    let bytes = container(one.payload(), vec![entry(&a, &a.sign(&one.message())), other]);
    let shown = Sealed::read(&bytes).unwrap().countersignatures();
    assert_eq!(shown.iter().map(|one| (one.signer, one.good)).collect::<Vec<_>>(), [(a.pin(), true), (b.pin(), false)]);
    // Signing again replaces the earlier signature.
    let again = a.sign(&one.message());
    one.add_signature(&a.public, &again).unwrap();
    assert_eq!(one.countersignatures().len(), 1);
    let mut first = Sealed::read(include_bytes!("samples/bundle-v1.json")).unwrap();
    let signature = a.sign(&first.message());
    assert_eq!(first.add_signature(&a.public, &signature), Err(BundleError::OneSignatureOnly));
    assert!(first.countersignatures()[0].good);
    assert_eq!(Sealed::read(&first.to_bytes()).unwrap(), first);
}

/// A post's store in a folder of its own.
fn install(store: &Path, bytes: &[u8], given: Option<&Pins>) -> Result<u64, InstallError> {
    let number = TrustStore::install(store, bytes, given).map(|store| store.number());
    if let Ok(number) = number {
        assert_eq!(TrustStore::open(store).unwrap().number(), number);
    }
    number
}

#[test]
fn a_bundle_of_the_old_and_the_new_signers_changes_the_pins() {
    let [a, b, c, d] = custodians();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let (old, new) = (pins(2, &[&a, &b, &c]), pins(2, &[&b, &c, &d]));
    install(&store, &file(&bundle(1), &[&a, &b]), Some(&old)).unwrap();
    let turning = Bundle { next_signers: Some(new.clone()), ..bundle(2) };
    // Enough of the old ones only, enough of the new ones only.
    assert!(matches!(
        install(&store, &file(&turning, &[&a, &b]), None),
        Err(InstallError::Bundle(BundleError::TooFewNextSignatures { good: 1, .. }))
    ));
    assert!(matches!(
        install(&store, &file(&turning, &[&b, &d]), None),
        Err(InstallError::Bundle(BundleError::TooFewSignatures { good: 1, .. }))
    ));
    let turned = file(&turning, &[&a, &b, &d]);
    install(&store, &turned, Some(&old)).unwrap();
    assert_eq!(TrustStore::pinned(&store).unwrap(), new);
    // The old ones are over; who still gives their fingerprints is told so.
    let later = |by: &[&Custodian]| file(&bundle(3), by);
    assert!(install(&store, &later(&[&a, &b]), None).is_err());
    assert!(matches!(install(&store, &later(&[&c, &d]), Some(&old)), Err(InstallError::OtherPins { .. })));
    install(&store, &later(&[&c, &d]), None).unwrap();
    assert_eq!(fs::read_to_string(store.join("pin")).unwrap(), new.to_text());

    // A post that missed the change cannot go on without it.
    let late = folder.path().join("late");
    install(&late, &file(&bundle(1), &[&a, &b]), Some(&old)).unwrap();
    assert!(install(&late, &later(&[&c, &d]), None).is_err());
    install(&late, &turned, None).unwrap();
    install(&late, &later(&[&c, &d]), None).unwrap();
}

/// Every file that an installation writes may be the last one that reached the disk.
#[test]
fn a_crash_at_any_file_of_a_change_of_signers_leaves_a_store_that_opens_and_goes_on() {
    let [a, b] = custodians();
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Pins::from(a.pin()), Pins::from(b.pin()));
    let turning = Bundle { next_signers: Some(new.clone()), ..bundle(2) };
    let files = [file(&bundle(1), &[&a]), file(&turning, &[&a, &b]), file(&bundle(3), &[&b])];
    let states: Vec<BTreeMap<String, Vec<u8>>> = (1..=3)
        .map(|count| {
            let store = folder.path().join(format!("whole-{count}"));
            for bytes in &files[..count] {
                install(&store, bytes, (count == 1).then_some(&old).or(Some(&old).filter(|_| !store.exists())))
                    .unwrap();
            }
            let names = ["pin", "bundle.json", "number"];
            names.map(|name| (name.to_owned(), fs::read(store.join(name)).unwrap())).into()
        })
        .collect();
    // The order of writing: the pins until now, the bundle, its number, the pins from now on.
    for (step, pair) in states.windows(2).enumerate() {
        for written in 0..=3 {
            let store = folder.path().join(format!("crash-{step}-{written}"));
            fs::create_dir(&store).unwrap();
            for (place, name) in ["bundle.json", "number", "pin"].into_iter().enumerate() {
                let from = &pair[usize::from(place < written)];
                fs::write(store.join(name), &from[name]).unwrap();
            }
            let open = TrustStore::open(&store).unwrap();
            assert_eq!(open.number(), step as u64 + 1 + u64::from(written > 0));
            for bytes in &files[open.number() as usize - 1..] {
                install(&store, bytes, None).unwrap();
            }
            assert_eq!(TrustStore::pinned(&store).unwrap(), new);
        }
    }
    // The pins that a crash kept from being written are written before they are needed.
    let store = folder.path().join("behind");
    fs::create_dir(&store).unwrap();
    fs::write(store.join("pin"), old.to_text()).unwrap();
    fs::write(store.join("bundle.json"), &files[1]).unwrap();
    assert_eq!(TrustStore::pinned(&store).unwrap(), new);
    assert!(install(&store, &file(&bundle(3), &[&a]), None).is_err());
    install(&store, &files[2], None).unwrap();
    assert_eq!(fs::read_to_string(store.join("pin")).unwrap(), new.to_text());
}

#[test]
fn deltas_give_the_next_bundles_byte_for_byte() {
    let [a, b] = custodians();
    let both = pins(2, &[&a, &b]);
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let fulls: Vec<Vec<u8>> = [5, 6, 9, 30].map(|number| file(&bundle(number), &[&a, &b])).into();
    install(&store, &fulls[0], Some(&both)).unwrap();
    for pair in fulls.windows(2) {
        let delta = delta(&pair[0], &pair[1]);
        install(&store, &delta, None).unwrap();
        assert_eq!(fs::read(store.join("bundle.json")).unwrap(), pair[1]);
    }
    // A bundle of version 1 can be built on, and cannot be built.
    let first = include_bytes!("samples/bundle-v1.json");
    let onward = delta(first, &fulls[0]);
    let applied = Delta::read(&onward).unwrap().apply(&Sealed::read(first).unwrap()).unwrap();
    assert_eq!(applied.to_bytes(), fulls[0]);
    let back = Delta::between(&Sealed::read(&file(&bundle(0), &[])).unwrap(), &Sealed::read(first).unwrap());
    assert!(matches!(back, Err(DeltaError::Foreign(1))), "{back:?}");
    let same = Delta::between(&Sealed::read(&fulls[0]).unwrap(), &Sealed::read(&fulls[0]).unwrap());
    assert!(matches!(same, Err(DeltaError::NotNewer { old: 5, new: 5 })));
    let odd = Sealed::unsigned([bundle(40).to_payload(), b" ".to_vec()].concat());
    assert!(matches!(Delta::between(&Sealed::read(&fulls[0]).unwrap(), &odd), Err(DeltaError::Foreign(40))));
}

#[test]
fn a_delta_is_small_when_little_changes() {
    let [a] = custodians();
    let old = bundle(200);
    let mut new = Bundle { number: 201, ..old.clone() };
    new.revoked_documents.pop_first();
    let (old, new) = (file(&old, &[&a]), file(&new, &[&a]));
    let delta = delta(&old, &new);
    assert!(delta.len() < 2000 && old.len() > 300_000, "{} of {}", delta.len(), old.len());
}

/// A state's anchors, and a list of it about a document signer that nobody has.
fn state_with_a_defect_list() -> (Vec<Certificate>, DefectList) {
    let (folder, words) = (tempfile::tempdir().unwrap(), Passphrase::new("a passphrase for tests"));
    let now = SAMPLE.issued - SignedDuration::from_hours(1);
    let mut authority = Authority::init(&folder.path().join("pki"), &PROFILES[0], &words, now).unwrap();
    authority.new_signer(SignerKind::DeviationList, None, &words, &words, now).unwrap();
    let defects =
        [SignerDefects { signer: DefectiveSigner::KeyId("0102".to_owned()), known: vec![SeriesDefect::ComDiffers] }];
    let list = authority.sign_defect_list(&defects, None, &words, now).unwrap();
    (vec![authority.csca().clone()], DefectList::from_der(&list.bytes).unwrap())
}

#[test]
fn defect_lists_travel_in_bundles_and_deltas_and_count_under_an_anchor_only() {
    let [a] = custodians();
    let pins = Pins::from(a.pin());
    let (anchors, list) = state_with_a_defect_list();
    let (_, strange) = state_with_a_defect_list();
    let without = Bundle { anchors, ..bundle(1) };
    let with = |number, lists: &[&DefectList]| Bundle {
        number,
        defect_lists: lists.iter().map(|list| (*list).clone()).collect(),
        ..without.clone()
    };
    // Bundles and deltas without lists are written as ever.
    let names = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("defect_lists");
    assert!(!names(&without.to_payload()) && names(&with(2, &[&list]).to_payload()));
    let bundles = [without.clone(), with(2, &[&strange, &list]), with(3, &[&list]), with(4, &[])];
    let files: Vec<_> = bundles.iter().map(|bundle| file(bundle, &[&a])).collect();
    assert!(!names(&delta(&files[0], &files[3])));

    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    assert!(TrustStore::install(&store, &files[0], Some(&pins)).unwrap().defect_lists().len() == 0);
    for (pair, known) in files.windows(2).zip([1, 1, 0]) {
        let installed = TrustStore::install(&store, &delta(&pair[0], &pair[1]), None).unwrap();
        assert_eq!(fs::read(store.join("bundle.json")).unwrap(), pair[1]);
        assert!(installed.defect_lists().eq(&[list.clone()][..known]));
        assert!(TrustStore::open(&store).unwrap().defect_lists().eq(installed.defect_lists()));
    }

    // A delta that says nothing of lists that are there does not fit.
    let mut silent: Value = serde_json::from_slice(&delta(&files[2], &files[3])).unwrap();
    silent["lists"].as_object_mut().unwrap().remove("defect_lists").unwrap();
    let silent = Delta::read(silent.to_string().as_bytes()).unwrap().apply(&Sealed::read(&files[2]).unwrap());
    assert!(matches!(silent, Err(DeltaError::Script("defect_lists"))), "{silent:?}");

    let read = |lists: Vec<String>| {
        let mut payload: Value = serde_json::from_slice(&without.to_payload()).unwrap();
        payload["defect_lists"] = json!(lists);
        Bundle::from_payload(payload.to_string().as_bytes()).map(|bundle| bundle.defect_lists.len())
    };
    let text = STANDARD.encode(list.der());
    assert_eq!(read(vec![text.clone(); MAX_DEFECT_LISTS]), Ok(MAX_DEFECT_LISTS));
    let many = read(vec![text.clone(); MAX_DEFECT_LISTS + 1]);
    assert!(matches!(many, Err(BundleError::TooManyDefectLists { lists: 65, .. })), "{many:?}");
    let large = read(vec![STANDARD.encode(vec![0; MAX_DEFECT_LIST_BYTES / 2 + 1]); 2]);
    assert!(matches!(large, Err(BundleError::TooManyDefectLists { lists: 2, .. })), "{large:?}");
    let junk = read(vec![text, STANDARD.encode("no list")]);
    assert!(matches!(junk, Err(BundleError::DefectList { index: 1, .. })), "{junk:?}");
}

#[test]
fn a_delta_brings_nothing_that_its_signatures_do_not_cover() {
    let [a, stranger] = custodians();
    let pins = Pins::from(a.pin());
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let (one, two, three) = (bundle(1), bundle(2), bundle(3));
    let [one, two, three] = [one, two, three].map(|one| file(&one, &[&a]));
    let none = install(&store, &delta(&one, &two), Some(&pins));
    assert!(matches!(none, Err(InstallError::NoBase { base: 1, makes: 2 })), "{none:?}");
    install(&store, &one, Some(&pins)).unwrap();
    match install(&store, &delta(&two, &three), None) {
        Err(InstallError::Delta(DeltaError::OtherBase { base, makes: 3, here: 1 })) => assert_eq!(base.number, 2),
        other => panic!("{other:?}"),
    }
    let good: Value = serde_json::from_slice(&delta(&one, &two)).unwrap();
    let altered = |edit: &dyn Fn(&mut Value)| {
        let mut delta = good.clone();
        edit(&mut delta);
        install(&store, &serde_json::to_vec(&delta).unwrap(), None).unwrap_err()
    };
    let unsigned = [
        altered(&|delta| delta["head"]["number"] = 9.into()),
        altered(&|delta| delta["head"]["expires"] = "2099-01-01T00:00:00Z".into()),
        altered(&|delta| delta["lists"]["anchors"] = json!([{ "drop": 1 }])),
        altered(&|delta| delta["lists"]["signers"] = json!([{ "keep": 1 }, { "add": ["AAAA"] }])),
        altered(&|delta| delta["signatures"] = json!([])),
        altered(&|delta| delta["signatures"] = json!([entry(&stranger, b"x")])),
    ];
    for error in unsigned {
        assert!(matches!(error, InstallError::Bundle(BundleError::TooFewSignatures { .. })), "{error:?}");
    }
    for steps in [json!([]), json!([{ "keep": 2 }]), json!([{ "keep": 1 }, { "drop": u64::MAX }])] {
        let error = altered(&|delta| delta["lists"]["anchors"] = steps.clone());
        assert!(matches!(error, InstallError::Delta(DeltaError::Script("anchors"))), "{error:?}");
    }
    assert!(matches!(altered(&|delta| delta["version"] = 2.into()), InstallError::Delta(DeltaError::Format { .. })));
    assert_eq!(TrustStore::open(&store).unwrap().number(), 1);
    install(&store, &two, None).unwrap();
    // Back over a delta that once led here.
    assert!(install(&store, &delta(&one, &two), None).is_err());
}

#[test]
fn a_bundle_is_stale_at_the_first_of_its_limits() {
    let day = |days: i64| SignedDuration::from_hours(24 * days);
    let [a] = custodians();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut one = bundle(1);
    one.expires = one.issued + day(90);
    let at = |bundle: &Bundle, post: Option<u16>, days: i64| {
        let store = TrustStore::from_bundle(bundle.clone()).with_maximum_age(post);
        freshness(&store, bundle.issued + day(days) + SignedDuration::from_secs(1))
    };
    assert!(at(&one, None, 89).is_successful());
    assert!(at(&one, None, 90).reason.contains("expired on"));
    one.policy.maximum_age_days = Some(30);
    assert!(at(&one, None, 29).is_successful());
    let old = at(&one, None, 30);
    assert_eq!(old.outcome, Outcome::Undetermined);
    assert!(old.reason.contains("older than it may be") && old.remedy.unwrap().contains("newest trust bundle"));
    assert!(at(&one, Some(10), 9).is_successful());
    assert_eq!(at(&one, Some(10), 10).outcome, Outcome::Undetermined);
    // A post can only be stricter.
    assert_eq!(at(&one, Some(60), 30).outcome, Outcome::Undetermined);
    one.policy.maximum_age_days = Some(u16::MAX);
    assert_eq!(at(&one, Some(u16::MAX), 90).outcome, Outcome::Undetermined);
    let before = freshness(&TrustStore::from_bundle(one.clone()), one.issued - SignedDuration::from_secs(1));
    assert_eq!(
        (before.outcome, before.remedy.as_deref()),
        (Outcome::Undetermined, Some("set the clock of this machine"))
    );

    install(&store, &file(&one, &[&a]), Some(&a.pin().into())).unwrap();
    TrustStore::set_maximum_age(&store, Some(7)).unwrap();
    assert_eq!(TrustStore::open(&store).unwrap().stale_after(), one.issued + day(7));
    // It stays when another bundle comes.
    let next = TrustStore::install(&store, &file(&Bundle { number: 2, ..one.clone() }, &[&a]), None).unwrap();
    assert_eq!(next.maximum_age_days(), Some(7));
    TrustStore::set_maximum_age(&store, None).unwrap();
    TrustStore::set_maximum_age(&store, None).unwrap();
    assert_eq!(TrustStore::open(&store).unwrap().stale_after(), one.expires);
    fs::write(store.join("maximum-age"), "a week").unwrap();
    assert!(matches!(TrustStore::open(&store), Err(OpenError::MaximumAge(_))));
}

/// Numbers of the bundles installed one after another, and the files that were not, with the reason.
type Told = (Vec<u64>, Vec<(String, Why)>);

/// A folder as a stick would have it: good files, junk, and what somebody planted.
struct Stick {
    folder: tempfile::TempDir,
}

impl Stick {
    fn new() -> Self {
        Stick { folder: tempfile::tempdir().unwrap() }
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join("stick").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn install(&self, pins: Option<&Pins>) -> Result<Told, InstallError> {
        self.bounded(pins, &Bounds::default())
    }

    fn bounded(&self, pins: Option<&Pins>, bounds: &Bounds) -> Result<Told, InstallError> {
        let stick = self.folder.path().join("stick");
        let done = TrustStore::install_folder(&self.store(), &stick, pins, bounds)?;
        assert_eq!(TrustStore::open(&self.store()).unwrap(), done.store);
        let name = |path: &Path| path.strip_prefix(&stick).unwrap().to_str().unwrap().to_owned();
        let ignored = done.ignored.into_iter().map(|one| (name(&one.path), one.why)).collect();
        Ok((done.steps.iter().map(|step| step.number).collect(), ignored))
    }

    fn store(&self) -> std::path::PathBuf {
        self.folder.path().join("store")
    }
}

#[test]
fn of_a_folder_the_way_that_ends_highest_is_gone() {
    let [a, stranger] = custodians();
    let pins = Pins::from(a.pin());
    let fulls: Vec<Vec<u8>> = (0..8).map(|number| file(&bundle(number), &[&a])).collect();
    let stick = Stick::new();
    install(&stick.store(), &fulls[1], Some(&pins)).unwrap();
    stick.put("bundles/3.bundle", &fulls[3]);
    stick.put("bundles/0.bundle", &fulls[0]);
    stick.put("deltas/3-5.delta", &delta(&fulls[3], &fulls[5]));
    stick.put("deltas/5-6.delta", &delta(&fulls[5], &fulls[6]));
    stick.put("deltas/1-2.delta", &delta(&fulls[1], &fulls[2]));
    stick.put("deltas/4-7.delta", &delta(&fulls[4], &fulls[7]));
    stick.put("forged.bundle", &file(&bundle(99), &[&stranger]));
    stick.put("holiday.jpg", b"\xff\xd8\xff");
    stick.put("cut.bundle", &fulls[7][..500]);
    stick.put("empty", b"");
    let (steps, ignored) = stick.install(None).unwrap();
    assert_eq!(steps, [3, 5, 6]);
    let why = |name: &str| ignored.iter().find(|(path, _)| path == name).map(|(_, why)| why.to_string()).unwrap();
    assert!(why("bundles/0.bundle").contains("not newer"), "{}", why("bundles/0.bundle"));
    assert!(why("deltas/1-2.delta").contains("not needed"));
    assert!(why("deltas/4-7.delta").contains("makes bundle 7 of bundle 4; the one here is 6"));
    assert!(why("forged.bundle").contains("not signed by the one signer"));
    assert!(why("holiday.jpg").contains("neither a trust bundle nor a delta"));
    assert!(why("cut.bundle").contains("not a trust bundle"));
    assert_eq!(ignored.len(), 7);
    assert_eq!(fs::read(stick.store().join("bundle.json")).unwrap(), fulls[6]);
    // The same stick again: nothing is newer, and that is no error.
    assert_eq!(stick.install(None).unwrap().0, Vec::<u64>::new());
    // A single full bundle that is higher goes before any chain.
    stick.put("z.bundle", &fulls[7]);
    assert_eq!(stick.install(None).unwrap().0, [7]);
}

#[test]
fn a_folder_leads_over_a_change_of_signers() {
    let [a, b, c] = custodians();
    let (first, last) = (Pins::from(a.pin()), Pins::from(c.pin()));
    let turn = |number, next: &Pins, by: &[&Custodian]| {
        file(&Bundle { next_signers: Some(next.clone()), ..bundle(number) }, by)
    };
    let stick = Stick::new();
    let turned = turn(3, &b.pin().into(), &[&a, &b]);
    stick.put("1", &file(&bundle(2), &[&a]));
    stick.put("2", &turned);
    stick.put("3", &delta(&turned, &turn(4, &last, &[&b, &c])));
    stick.put("4", &file(&bundle(9), &[&c]));
    stick.put("5", &file(&bundle(8), &[&a]));
    let (steps, ignored) = stick.install(Some(&first)).unwrap();
    assert_eq!(steps, [3, 4, 9]);
    assert_eq!(ignored.len(), 2);
    assert_eq!(TrustStore::pinned(&stick.store()).unwrap(), last);
}

#[test]
fn a_hostile_folder_is_bounded() {
    let [a] = custodians();
    let pins = Pins::from(a.pin());
    let good = file(&bundle(5), &[&a]);
    let stick = Stick::new();
    fs::create_dir_all(stick.folder.path().join("stick")).unwrap();
    match stick.install(Some(&pins)) {
        Err(InstallError::NothingFound(ignored)) => assert!(ignored.is_empty()),
        other => panic!("{other:?}"),
    }
    assert!(!stick.store().exists());
    assert!(matches!(stick.install(None), Err(InstallError::NoPins)));
    stick.put("a/b/c/deep", &good);
    stick.put("a/b/c/d/deeper", &file(&bundle(6), &[&a]));
    std::os::unix::fs::symlink(stick.folder.path(), stick.folder.path().join("stick/loop")).unwrap();
    let pipe = stick.folder.path().join("stick/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (steps, ignored) = stick.install(Some(&pins)).unwrap();
    assert_eq!(steps, [5]);
    let names: Vec<&str> = ignored.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a/b/c/d", "loop", "pipe"]);

    for number in 0..5 {
        stick.put(&format!("many/{number}"), &file(&bundle(10 + number), &[&a]));
    }
    let bounds = Bounds { files: 3, ..Bounds::default() };
    assert_eq!(stick.bounded(None, &bounds).unwrap().0, [12]);
    let bounds = Bounds { bytes: good.len() * 2, ..Bounds::default() };
    stick.bounded(None, &bounds).unwrap();
    let bounds = Bounds { entries: 2, ..Bounds::default() };
    let (_, ignored) = stick.bounded(None, &bounds).unwrap();
    assert!(ignored.iter().any(|(_, why)| why.to_string().contains("too many files")));
}

#[test]
fn many_good_bundles_in_a_folder_take_no_long_time() {
    let [a] = custodians();
    let pins = Pins::from(a.pin());
    let stick = Stick::new();
    for number in 1..=80 {
        stick.put(&format!("{number:03}"), &file(&bundle(number), &[&a]));
    }
    let begun = std::time::Instant::now();
    assert_eq!(stick.install(Some(&pins)).unwrap().0, [64]);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

fn hostile_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<u64>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        "[A-Za-z0-9+/=]{0,12}".prop_map(Value::from),
        Just(json!("bitaqa-trust-bundle")),
        Just(json!("2026-11-22T00:00:00Z")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let names = prop::sample::select(vec![
            "format",
            "version",
            "payload",
            "signatures",
            "signer",
            "signature",
            "base",
            "head",
            "lists",
            "keep",
            "drop",
            "add",
            "threshold",
            "fingerprints",
            "number",
            "anchors",
            "elsewhere",
            "sources",
            "key",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..6).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn hostile_files_are_refused(value in hostile_value(), number in 0..3u32, bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let pins = Pins::from(Pin([0; 32]));
        let mut value = value;
        for format in ["bitaqa-trust-bundle", "bitaqa-trust-bundle-delta"] {
            if let Some(fields) = value.as_object_mut() {
                fields.insert("format".into(), format.into());
                fields.insert("version".into(), number.into());
            }
            let text = value.to_string().into_bytes();
            prop_assert!(bundle::open(&text, &pins).is_err());
            if let Ok(delta) = Delta::read(&text) {
                prop_assert!(delta.apply(&Sealed::unsigned(bundle(1).to_payload())).is_err());
            }
        }
        prop_assert!(bundle::open(&bytes, &pins).is_err() && Delta::read(&bytes).is_err());
        prop_assert!(Bundle::from_payload(&bytes).is_err());
    }

    #[test]
    fn deltas_lead_between_any_two_bundles(from in 0..40u64, step in 1..40u64) {
        let (old, new) = (Sealed::unsigned(bundle(from).to_payload()), Sealed::unsigned(bundle(from + step).to_payload()));
        let delta = Delta::read(&Delta::between(&old, &new).unwrap().to_bytes()).unwrap();
        prop_assert_eq!(delta.apply(&old).unwrap(), new);
    }
}
