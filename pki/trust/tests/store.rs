//! Bundles and the store: nothing altered, nothing of another signer, nothing older.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use authority::{Authority, BundleRequest, ExportedBundle, PROFILES, Passphrase};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use trust::bundle::{self, BundleError};
use trust::store::{InstallError, OpenError};
use trust::{DocumentStatus, Pin, Pins, TrustStore};

fn passphrase() -> Passphrase {
    Passphrase::new("a passphrase for tests")
}

fn authority(directory: &Path) -> Authority {
    Authority::init(directory, &PROFILES[0], &passphrase(), Timestamp::now()).unwrap()
}

fn export(authority: &mut Authority) -> ExportedBundle {
    authority.export_bundle(BundleRequest::default(), &passphrase(), Timestamp::now()).unwrap()
}

/// The container with the bytes at this JSON pointer changed.
fn edited(bytes: &[u8], place: &str, edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut container: Value = serde_json::from_slice(bytes).unwrap();
    let field = container.pointer_mut(place).unwrap();
    let mut value = STANDARD.decode(field.as_str().unwrap()).unwrap();
    edit(&mut value);
    *field = STANDARD.encode(value).into();
    container.to_string().into_bytes()
}

#[test]
fn only_the_pinned_signers_exact_bytes_open() {
    let directory = tempfile::tempdir().unwrap();
    let mut mine = authority(&directory.path().join("mine"));
    let mut others = authority(&directory.path().join("others"));
    let exported = export(&mut mine);
    assert_eq!(bundle::open(&exported.bytes, &exported.pin.into()).unwrap(), exported.bundle);

    let altered = edited(&exported.bytes, "/payload", |payload| {
        let place = payload.windows(10).position(|window| window == b"\"number\":1").unwrap();
        payload[place + 9] = b'9';
    });
    assert!(matches!(bundle::open(&altered, &exported.pin.into()), Err(BundleError::TooFewSignatures { .. })));
    let altered = edited(&exported.bytes, "/signatures/0/signature", |signature| *signature.last_mut().unwrap() ^= 1);
    assert!(matches!(bundle::open(&altered, &exported.pin.into()), Err(BundleError::TooFewSignatures { .. })));

    let foreign = export(&mut others);
    assert!(matches!(bundle::open(&foreign.bytes, &exported.pin.into()), Err(BundleError::TooFewSignatures { .. })));
    let swapped = edited(&foreign.bytes, "/signatures/0/signer", |signer| {
        *signer = trust::PublicKey::from_pem(&exported.public_key).unwrap().spki().to_vec();
    });
    assert!(matches!(bundle::open(&swapped, &exported.pin.into()), Err(BundleError::TooFewSignatures { .. })));

    let mut container: Value = serde_json::from_slice(&exported.bytes).unwrap();
    container["version"] = 3.into();
    let newer = container.to_string();
    assert!(matches!(
        bundle::open(newer.as_bytes(), &exported.pin.into()),
        Err(BundleError::Format { version: 3, .. })
    ));
    assert!(matches!(bundle::open(b"{}", &exported.pin.into()), Err(BundleError::Container(_))));
    let trailing = [&exported.bytes[..], b" {}"].concat();
    assert!(matches!(bundle::open(&trailing, &exported.pin.into()), Err(BundleError::Container(_))));
}

#[test]
fn the_store_never_goes_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut issuer = authority(&directory.path().join("pki"));
    let (first, second) = (export(&mut issuer), export(&mut issuer));
    let store = directory.path().join("post/store");
    TrustStore::install(&store, &first.bytes, Some(&first.pin.into())).unwrap();
    TrustStore::install(&store, &second.bytes, Some(&second.pin.into())).unwrap();
    assert!(matches!(
        TrustStore::install(&store, &first.bytes, Some(&first.pin.into())),
        Err(InstallError::Rollback { installed: 2, offered: 1 })
    ));
    // The same again is no error.
    assert_eq!(TrustStore::install(&store, &second.bytes, Some(&second.pin.into())).unwrap().number(), 2);
    assert_eq!(TrustStore::open(&store).unwrap().number(), 2);

    let mut stranger = authority(&directory.path().join("stranger"));
    let foreign = export(&mut stranger);
    assert!(matches!(
        TrustStore::install(&store, &foreign.bytes, Some(&foreign.pin.into())),
        Err(InstallError::OtherPins { .. })
    ));
    assert_eq!(TrustStore::open(&store).unwrap().number(), 2);
}

#[test]
fn without_its_bundle_the_store_does_not_go_back_either() {
    let directory = tempfile::tempdir().unwrap();
    let mut issuer = authority(&directory.path().join("pki"));
    let (first, second) = (export(&mut issuer), export(&mut issuer));
    let store = directory.path().join("store");
    TrustStore::install(&store, &second.bytes, Some(&second.pin.into())).unwrap();
    fs::remove_file(store.join("bundle.json")).unwrap();
    assert!(matches!(
        TrustStore::install(&store, &first.bytes, Some(&first.pin.into())),
        Err(InstallError::Rollback { installed: 2, offered: 1 })
    ));
    fs::write(store.join("bundle.json"), &first.bytes).unwrap();
    assert!(matches!(TrustStore::open(&store), Err(OpenError::Rollback { stored: 1, installed: 2 })));

    fs::remove_file(store.join("bundle.json")).unwrap();
    TrustStore::install(&store, &second.bytes, Some(&second.pin.into())).unwrap();
    assert_eq!(TrustStore::open(&store).unwrap().number(), 2);
    fs::write(store.join("number"), "two").unwrap();
    assert!(matches!(TrustStore::open(&store), Err(OpenError::Number(_))));
    // A store of the first release has no such file.
    fs::remove_file(store.join("number")).unwrap();
    assert_eq!(TrustStore::open(&store).unwrap().number(), 2);
}

#[test]
fn planted_links_are_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let exported = export(&mut authority(&directory.path().join("pki")));
    let (store, elsewhere) = (directory.path().join("store"), directory.path().join("elsewhere"));
    fs::create_dir(&store).unwrap();
    for name in ["bundle.new", "pin.new"] {
        std::os::unix::fs::symlink(&elsewhere, store.join(name)).unwrap();
    }
    TrustStore::install(&store, &exported.bytes, Some(&exported.pin.into())).unwrap();
    assert!(!elsewhere.exists());
}

/// Of two who decide at once whom a new store believes, one wins, and the store is whole.
#[test]
fn first_installations_at_once_do_not_mix() {
    let directory = tempfile::tempdir().unwrap();
    let offers = ["one", "two"].map(|name| export(&mut authority(&directory.path().join(name))));
    for round in 0..40 {
        let store = directory.path().join(format!("posts/{round}"));
        let install =
            |offer: &ExportedBundle| TrustStore::install(&store, &offer.bytes, Some(&offer.pin.into())).is_ok();
        let won = std::thread::scope(|scope| {
            let tries = offers.each_ref().map(|offer| scope.spawn(|| install(offer)));
            tries.map(|one| one.join().unwrap())
        });
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{round}");
        assert_eq!(won[0], TrustStore::pinned(&store).unwrap() == offers[0].pin.into());
    }
}

#[test]
fn a_refused_first_installation_makes_no_directory() {
    let directory = tempfile::tempdir().unwrap();
    let exported = export(&mut authority(&directory.path().join("pki")));
    let store = directory.path().join("store");
    assert!(matches!(TrustStore::install(&store, &exported.bytes, None), Err(InstallError::NoPins)));
    assert!(!store.exists());
}

#[test]
fn an_altered_store_does_not_open_and_a_leftover_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let mut issuer = authority(&directory.path().join("pki"));
    let (first, second) = (export(&mut issuer), export(&mut issuer));
    let store = directory.path().join("store");
    TrustStore::install(&store, &first.bytes, Some(&first.pin.into())).unwrap();
    fs::write(store.join("bundle.new"), &second.bytes[..100]).unwrap();
    assert_eq!(TrustStore::open(&store).unwrap().number(), 1);
    TrustStore::install(&store, &second.bytes, Some(&second.pin.into())).unwrap();
    assert_eq!(TrustStore::open(&store).unwrap().number(), 2);

    let altered = edited(&second.bytes, "/payload", |payload| payload.push(b' '));
    fs::write(store.join("bundle.json"), altered).unwrap();
    assert!(matches!(TrustStore::open(&store), Err(OpenError::Bundle(BundleError::TooFewSignatures { .. }))));
    fs::write(store.join("pin"), "something").unwrap();
    assert!(matches!(TrustStore::open(&store), Err(OpenError::Pin(_))));
    assert!(matches!(TrustStore::open(directory.path()), Err(OpenError::Read { .. })));
}

/// A bundle of version 1 as the first release wrote it: every later release opens it.
#[test]
fn the_sample_of_version_1_opens() {
    let pin = Pin::from_hex("23acefbf903c8b6986b22a6d48089fb2ae5a4a2a990f38a1d745be919dd9f87d").unwrap();
    let opened = bundle::open(include_bytes!("samples/bundle-v1.json"), &pin.into()).unwrap();
    assert_eq!((opened.number, opened.anchors.len(), opened.signers.len(), opened.crls.len()), (1, 1, 1, 1));
    assert_eq!(opened.crls[0].len(), 1);
    assert_eq!(opened.policy.countries["UTO"], "UT");
    assert_eq!(opened.revoked_documents[&(None, "L898902C3".to_owned())].reason, bundle::RevocationReason::Stolen);
}

/// A bundle of version 2 of two signers, and a delta of version 1 on top of it, as the first release that had them wrote them.
#[test]
fn the_samples_of_version_2_and_of_a_delta_open() {
    let signers = [
        "33b0eb8f7566ccd97663ea9f0ab006f6237d13a72438e88d38b2741ae39a3da0",
        "3a2f5894c5a91af9be480f19ae1d158f57a12bce37d360fd06b570bb3c0754b9",
    ];
    let pins = Pins::new(2, signers.map(|pin| Pin::from_hex(pin).unwrap())).unwrap();
    let directory = tempfile::tempdir().unwrap();
    TrustStore::install(directory.path(), include_bytes!("samples/bundle-v2.json"), Some(&pins)).unwrap();
    let bytes = fs::read(directory.path().join("bundle.json")).unwrap();
    assert_eq!(bytes, include_bytes!("samples/bundle-v2.json"));
    let opened = bundle::open(&bytes, &pins).unwrap();
    assert_eq!((opened.anchors.len(), opened.signers.len(), opened.crls.len()), (2, 1, 2));
    assert_eq!((opened.policy.maximum_age_days, opened.policy.countries["IRQ"].as_str()), (Some(30), "IQ"));
    let (reason, source) = opened.origins_of(&opened.anchors[1]).next().unwrap();
    assert_eq!(reason, trust::archive::Reason::Confirmed);
    assert!(source.contains("known.cer") && source.ends_with("imported 2026-11-22 by amina"), "{source}");
    assert_eq!((opened.elsewhere.len(), opened.sources.len()), (1, 2));

    let next = TrustStore::install(directory.path(), include_bytes!("samples/delta-v1.json"), None).unwrap();
    assert_eq!((next.number(), TrustStore::pinned(directory.path()).unwrap()), (2, pins));
    assert!(matches!(next.document_status("UTO", "D23145890"), DocumentStatus::Revoked(_)));
    assert_eq!(next.document_status("UTO", "D23145891"), DocumentStatus::NotListed);
    assert_eq!(next.document_status("IRQ", "D23145890"), DocumentStatus::NoList);
    let sha256 = trust::archive::fingerprint(&fs::read(directory.path().join("bundle.json")).unwrap());
    assert_eq!(hex::encode(sha256), "d263f276961e8013ff1775b8611d47ea360648421032f138f4192052463a42c2");
}
