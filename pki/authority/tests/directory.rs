//! The authority's directory: interruptions, numbers, refusals, and what never appears in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use authority::{
    Authority, BundleRequest, DocumentSigner, InitError, IssueError, KeyError, LoadError, Need, PROFILES, Passphrase,
    SignError,
};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use trust::TrustStore;

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

fn set_up(directory: &Path) -> Authority {
    let mut authority = Authority::init(directory, &PROFILES[0], &passphrase(), now()).unwrap();
    authority.new_document_signer(None, &passphrase(), &passphrase(), now()).unwrap();
    authority
}

#[test]
fn lifetimes_follow_the_standard() {
    let directory = tempfile::tempdir().unwrap();
    let authority = set_up(&directory.path().join("pki"));
    let csca = authority.csca();
    assert_eq!(csca.not_after().to_string(), "2042-02-22T09:00:00Z");
    let usage = csca.extensions().private_key_usage.unwrap();
    assert_eq!(usage.not_after.unwrap().to_string(), "2031-11-22T09:00:00Z");
    let signer = &authority.signers().unwrap()[0];
    assert_eq!(signer.certificate.not_after().to_string(), "2037-02-22T09:00:00Z");
    assert_eq!(signer.usage_end().to_string(), "2027-02-22T09:00:00Z");
}

#[test]
fn extensions_follow_the_profile() {
    for profile in PROFILES {
        let directory = tempfile::tempdir().unwrap();
        let mut authority = Authority::init(&directory.path().join("pki"), profile, &passphrase(), now()).unwrap();
        let signer = authority.new_document_signer(None, &passphrase(), &passphrase(), now()).unwrap().certificate;
        let csca = authority.csca();
        for certificate in [csca, &signer] {
            let extensions = certificate.extensions();
            assert_eq!(extensions.authority_key_identifier, Some(csca.public_key().key_identifier()));
            assert_eq!(extensions.subject_key_identifier, Some(certificate.public_key().key_identifier()));
            assert_eq!(extensions.subject_state.as_deref(), Some(profile.state));
            assert_eq!(extensions.issuer_state.as_deref(), Some(profile.state));
            assert_eq!(extensions.distribution_points, [profile.distribution_point]);
            assert!(extensions.key_usage.unwrap().critical);
            assert!(extensions.unknown_critical.is_empty() && !extensions.has_extended_key_usage);
            assert_eq!(certificate.subject().country(), Some(profile.country));
            assert_eq!(certificate.issuer(), csca.subject());
            // Positive, minimal, at most twenty bytes (9303-12 §7).
            assert!(certificate.serial().len() <= 20 && (1..0x80).contains(&certificate.serial()[0]));
        }
        let (usage, authority) = (csca.extensions().key_usage.unwrap(), csca.extensions().basic_constraints.unwrap());
        assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
        assert_eq!((authority.ca, authority.path_length), (true, Some(0)));
        assert!(signer.extensions().key_usage.unwrap().only_digital_signature());
        assert_eq!(signer.extensions().basic_constraints, None);
        assert_eq!(signer.extensions().document_types, Some(vec!["I".to_owned()]));
        assert_eq!(csca.extensions().document_types, None);
    }
}

#[test]
fn dates_after_2049_are_generalized_time() {
    let directory = tempfile::tempdir().unwrap();
    let moment = "2045-01-01T00:00:00Z".parse().unwrap();
    let authority = Authority::init(&directory.path().join("pki"), &PROFILES[0], &passphrase(), moment).unwrap();
    assert_eq!(authority.csca().not_after().to_string(), "2060-04-01T00:00:00Z");
    let text = authority.csca().der();
    assert!(text.windows(17).any(|window| window == b"\x18\x0f20600401000000Z"));
    assert!(text.windows(15).any(|window| window == b"\x17\x0d450101000000Z"));
}

#[test]
fn a_directory_with_something_in_it_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("letter"), "dear").unwrap();
    let refused = Authority::init(directory.path(), &PROFILES[0], &passphrase(), now());
    assert!(matches!(refused, Err(InitError::NotEmpty(_))));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_short_passphrase_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("pki");
    assert!(Authority::init(&target, &PROFILES[0], &Passphrase::new("short"), now()).is_err());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn leftovers_of_interrupted_writes_do_no_harm() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("pki");
    // Killed while setting up: the half-made directory stands beside the place of the finished one.
    fs::create_dir_all(parent.path().join(".pki.new/csca")).unwrap();
    fs::write(parent.path().join(".pki.new/csca/key.p8"), "half").unwrap();
    set_up(&directory);
    assert!(!parent.path().join(".pki.new").exists());
    // Killed while issuing a signer, a list and the state.
    fs::create_dir_all(directory.join("ds/.ds-0002.new")).unwrap();
    fs::write(directory.join("ds/.ds-0002.new/key.p8"), "half").unwrap();
    fs::write(directory.join("crl/.2.crl.new"), "half").unwrap();
    fs::write(directory.join(".state.json.new"), "half").unwrap();

    let mut authority = Authority::open(&directory).unwrap();
    assert_eq!(authority.signers().unwrap().len(), 1);
    assert_eq!(authority.current_crl().unwrap().unwrap().0, 1);
    let second = authority.new_document_signer(None, &passphrase(), &passphrase(), now()).unwrap();
    assert_eq!(second.name, "ds-0002");
    DocumentSigner::load(&second.directory, &passphrase()).unwrap();
    let (path, crl) = authority.issue_crl(&passphrase(), now()).unwrap();
    assert!(path.ends_with("crl/2.crl"));
    assert_eq!(crl.number(), Some(&[2][..]));
    assert_eq!(Authority::open(&directory).unwrap().current_crl().unwrap().unwrap().0, 2);
}

#[test]
fn a_number_is_burnt_before_it_is_used() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("pki");
    let mut authority = set_up(&directory);
    authority.issue_crl(&passphrase(), now()).unwrap();
    // As after a kill between the state and the list.
    fs::remove_file(directory.join("crl/2.crl")).unwrap();
    let mut authority = Authority::open(&directory).unwrap();
    let (_, crl) = authority.issue_crl(&passphrase(), now()).unwrap();
    assert_eq!(crl.number(), Some(&[3][..]));
}

#[test]
fn an_older_state_uses_no_number_twice_and_replaces_no_list() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("pki");
    let mut authority = set_up(&directory);
    let older = fs::read(directory.join("state.json")).unwrap();
    let (second, _) = authority.issue_crl(&passphrase(), later(3)).unwrap();
    let (third, _) = authority.issue_crl(&passphrase(), later(6)).unwrap();
    let bundle = authority.export_bundle(BundleRequest::default(), &passphrase(), later(6)).unwrap();
    let published = (fs::read(&second).unwrap(), fs::read(&third).unwrap());

    fs::write(directory.join("state.json"), &older).unwrap();
    let (fourth, crl) = authority.issue_crl(&passphrase(), later(9)).unwrap();
    assert!(fourth.ends_with("crl/4.crl"));
    assert_eq!(authority.current_crl().unwrap().unwrap(), (4, crl));
    assert_eq!((fs::read(second).unwrap(), fs::read(third).unwrap()), published);
    let next = authority.export_bundle(BundleRequest::default(), &passphrase(), later(9)).unwrap();
    assert_eq!(next.bundle.number, bundle.bundle.number + 1);

    // Also when the lists themselves are gone: the record knows them.
    fs::write(directory.join("state.json"), older).unwrap();
    fs::remove_file(fourth).unwrap();
    assert!(authority.issue_crl(&passphrase(), later(12)).unwrap().0.ends_with("crl/5.crl"));
}

#[test]
fn one_at_a_time() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("pki");
    let mut authority = set_up(&directory);
    let lock = fs::File::options().append(true).open(directory.join("lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(authority.revoke("ds-0001", now()), Err(IssueError::Busy(_))));
    drop(lock);
    authority.revoke("ds-0001", now()).unwrap();
}

#[test]
fn names_are_checked() {
    let parent = tempfile::tempdir().unwrap();
    let mut authority = set_up(&parent.path().join("pki"));
    for name in ["", "../x", "Upper", "-x", ".x", "a/b"] {
        let refused = authority.new_document_signer(Some(name), &passphrase(), &passphrase(), now());
        assert!(matches!(refused, Err(IssueError::Name(_))), "{name}");
    }
    let taken = authority.new_document_signer(Some("ds-0001"), &passphrase(), &passphrase(), now());
    assert!(matches!(taken, Err(IssueError::NameTaken { .. })));
    assert!(matches!(authority.revoke("nobody", now()), Err(IssueError::NoSuchSigner { .. })));
}

#[test]
fn a_signer_does_not_sign_outside_its_period() {
    let parent = tempfile::tempdir().unwrap();
    let authority = set_up(&parent.path().join("pki"));
    let folder = &authority.signers().unwrap()[0].directory;
    assert!(matches!(
        DocumentSigner::load(folder, &Passphrase::new("not this one")),
        Err(LoadError::Key(KeyError::WrongPassphrase))
    ));
    let signer = DocumentSigner::load(folder, &passphrase()).unwrap();
    assert!(signer.sign_security_object_at(CONTENT, later(89)).is_ok());
    for moment in [later(-1), later(93)] {
        let refused = signer.sign_security_object_at(CONTENT, moment);
        assert!(matches!(refused, Err(SignError::OutsideUsagePeriod { .. })));
    }
    let rule = |content: &[u8]| match signer.sign_security_object_at(content, now()) {
        Err(SignError::Content(refused)) => refused.rule,
        other => panic!("{other:?}"),
    };
    assert_eq!(rule(b"text"), "sod-content");
    // The number of the second data group becomes that of the first.
    let mut twice = CONTENT.to_vec();
    twice[63] = 1;
    assert_eq!(rule(&twice), "sod-data-groups");
}

#[test]
fn key_and_certificate_must_belong_together() {
    let parent = tempfile::tempdir().unwrap();
    let mut authority = set_up(&parent.path().join("pki"));
    let other = authority.new_document_signer(Some("other"), &passphrase(), &passphrase(), now()).unwrap();
    let first = &authority.signers().unwrap()[0].directory;
    fs::copy(first.join("key.p8"), other.directory.join("key.p8")).unwrap();
    assert!(matches!(DocumentSigner::load(&other.directory, &passphrase()), Err(LoadError::Mismatch)));
}

#[test]
fn status_says_what_to_do_next() {
    let parent = tempfile::tempdir().unwrap();
    let mut authority = Authority::init(&parent.path().join("pki"), &PROFILES[0], &passphrase(), now()).unwrap();
    let actions = |authority: &Authority, moment| {
        let status = authority.status(moment).unwrap();
        let actions: Vec<String> = status.items.iter().filter_map(|item| item.action.clone()).collect();
        (status.need(), actions)
    };
    assert_eq!(
        actions(&authority, now()),
        (Need::Now, vec!["bitaqa-pki ds new".into(), "bitaqa-pki bundle export".into()])
    );
    authority.new_document_signer(None, &passphrase(), &passphrase(), now()).unwrap();
    authority.export_bundle(BundleRequest::default(), &passphrase(), now()).unwrap();
    assert_eq!(actions(&authority, now()), (Need::Nothing, vec![]));
    assert_eq!(
        actions(&authority, later(80)),
        (
            Need::Soon,
            vec!["bitaqa-pki ds new".into(), "bitaqa-pki crl issue".into(), "bitaqa-pki bundle export".into()]
        )
    );
    assert_eq!(actions(&authority, later(95)).0, Need::Now);
    authority.revoke("ds-0001", now()).unwrap();
    assert_eq!(actions(&authority, now()).1, ["bitaqa-pki ds new", "bitaqa-pki crl issue"]);
}

#[test]
fn a_bundle_needs_an_up_to_date_revocation_list_and_counts_up() {
    let parent = tempfile::tempdir().unwrap();
    let mut authority = set_up(&parent.path().join("pki"));
    authority.revoke("ds-0001", now()).unwrap();
    let refused = authority.export_bundle(BundleRequest::default(), &passphrase(), now());
    assert!(matches!(refused, Err(IssueError::RevocationListOutdated)));
    authority.issue_crl(&passphrase(), now()).unwrap();
    let first = authority.export_bundle(BundleRequest::default(), &passphrase(), now()).unwrap();
    let second = authority.export_bundle(BundleRequest::default(), &passphrase(), now()).unwrap();
    assert_eq!((first.bundle.number, second.bundle.number), (1, 2));
    let store = parent.path().join("store");
    TrustStore::install(&store, &second.bytes, Some(&second.pin.into())).unwrap();
    assert_eq!(TrustStore::open(&store).unwrap().number(), 2);
}

#[test]
fn no_key_is_in_the_open() {
    let parent = tempfile::tempdir().unwrap();
    let authority = set_up(&parent.path().join("pki"));
    let signer = DocumentSigner::load(&authority.signers().unwrap()[0].directory, &passphrase()).unwrap();
    assert!(format!("{signer:?}").starts_with("DocumentSigner(C=UT,"));
    assert_eq!(format!("{:?}", passphrase()), "Passphrase");
    let mut folders = vec![parent.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!text.contains("passphrase for tests"), "{}", path.display());
            assert!(!text.contains("BEGIN PRIVATE KEY") && !text.contains("EC PRIVATE KEY"), "{}", path.display());
            assert_eq!(text.contains("BEGIN ENCRYPTED PRIVATE KEY"), path.ends_with("key.p8"), "{}", path.display());
        }
    }
}
