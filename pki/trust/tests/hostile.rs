//! Hostile bytes: every parser answers with an error, never with a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::LazyLock;

use authority::defect_list::{DefectiveSigner, SeriesDefect, SignerDefects};
use authority::{Authority, BundleRequest, DocumentSigner, PROFILES, Passphrase, SignerKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use trust::chain::Document;
use trust::{Certificate, Crl, DefectList, Pin, PublicKey, TrustStore, bundle, security_object};

/// An LDSSecurityObject with two data groups (9303-10 §4.6.2.2).
const CONTENT: &[u8] = b"\x30\x60\x02\x01\x00\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x30\x4e\
    \x30\x25\x02\x01\x01\x04\x20the hash of data group number 01\
    \x30\x25\x02\x01\x02\x04\x20the hash of data group number 02";

struct Samples {
    certificate: Vec<u8>,
    crl: Vec<u8>,
    sod: Vec<u8>,
    defects: Vec<u8>,
    bundle: Vec<u8>,
    pin: Pin,
    store: TrustStore,
}

static SAMPLES: LazyLock<Samples> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let (now, passphrase) = (Timestamp::now(), Passphrase::new("a passphrase for tests"));
    let mut authority = Authority::init(&directory.path().join("pki"), &PROFILES[0], &passphrase, now).unwrap();
    let signer = authority.new_document_signer(None, &passphrase, &passphrase, now).unwrap();
    authority.revoke("ds-0001", now).unwrap();
    let (_, crl) = authority.issue_crl(&passphrase, now).unwrap();
    let exported = authority.export_bundle(BundleRequest::default(), &passphrase, now).unwrap();
    authority.new_signer(SignerKind::DeviationList, None, &passphrase, &passphrase, now).unwrap();
    let revoked = SignerDefects {
        signer: DefectiveSigner::Certificate(hex::encode(authority.csca().der())),
        known: vec![
            SeriesDefect::CertificateRevoked { status: 4 },
            SeriesDefect::CertificateReplaced { replacement: hex::encode(authority.csca().der()) },
            SeriesDefect::DataGroupsMalformed { data_groups: vec![1, 2] },
        ],
    };
    let defects = authority.sign_defect_list(&[revoked], None, &passphrase, now).unwrap().bytes;
    let signer = DocumentSigner::load(&signer.directory, &passphrase).unwrap();
    Samples {
        certificate: signer.certificate().der().to_vec(),
        crl: crl.der().to_vec(),
        sod: signer.sign_security_object(CONTENT).unwrap(),
        defects,
        bundle: exported.bytes,
        pin: exported.pin,
        store: TrustStore::from_bundle(exported.bundle),
    }
});

fn document() -> Document {
    Document { now: Timestamp::now(), code: Some("ID".into()), issuing_state: Some("UTO".into()), issued: None }
}

/// Gives bytes to every parser, and whatever could be read to the judge.
fn everything(bytes: &[u8]) {
    let samples = &*SAMPLES;
    let _ = PublicKey::from_spki(bytes);
    let _ = Crl::from_der(bytes).map(|crl| crl.verify_signature(samples.store.anchors()[0].public_key()));
    let _ = bundle::open(bytes, &samples.pin.into());
    if let Ok(certificate) = Certificate::from_der(bytes) {
        let _ = certificate.subject().to_string();
        trust::chain::judge(&certificate, &samples.store, &document());
    }
    if let Ok(list) = DefectList::from_der(bytes) {
        let _ = (list.describe(), list.verify(samples.store.anchors(), Timestamp::now()).is_believed());
        let _ = samples.store.anchors().iter().flat_map(|one| list.about(one)).map(ToString::to_string).count();
    }
    if let Ok(signed) = security_object::parse(bytes) {
        let _ = signed.judge(&samples.store, &document());
    }
}

/// Some bytes of a good object changed, removed or inserted.
fn spoiled(good: fn() -> &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..5);
    edits.prop_map(move |edits| {
        let mut bytes = good().to_vec();
        for (place, byte, kind) in edits {
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => drop(bytes.remove(place)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        everything(&bytes);
    }

    #[test]
    fn spoiled_certificates(bytes in spoiled(|| &SAMPLES.certificate)) {
        everything(&bytes);
    }

    #[test]
    fn spoiled_lists(bytes in spoiled(|| &SAMPLES.crl)) {
        everything(&bytes);
    }

    #[test]
    fn spoiled_security_objects_are_never_authentic_with_other_content(bytes in spoiled(|| &SAMPLES.sod)) {
        everything(&bytes);
        if let Ok(signed) = security_object::parse(&bytes) {
            let judgement = signed.judge(&SAMPLES.store, &document());
            if let Some(authentic) = judgement.authentic() {
                prop_assert_eq!(authentic.content(), CONTENT);
            }
        }
    }

    #[test]
    fn spoiled_defect_lists_are_never_believed_with_other_content(bytes in spoiled(|| &SAMPLES.defects)) {
        everything(&bytes);
        if let Ok(list) = DefectList::from_der(&bytes)
            && list.verify(SAMPLES.store.anchors(), Timestamp::now()).is_believed()
        {
            let csca = &SAMPLES.store.anchors()[0];
            let good = DefectList::from_der(&SAMPLES.defects).unwrap();
            prop_assert!(list.about(csca).eq(good.about(csca)));
            prop_assert_eq!(list.about(csca).count(), 3);
        }
    }

    #[test]
    fn spoiled_bundles_never_open(bytes in spoiled(|| &SAMPLES.bundle)) {
        if let Ok(opened) = bundle::open(&bytes, &SAMPLES.pin.into()) {
            // Only the JSON around the signed bytes can have changed, in its white space.
            prop_assert_eq!(TrustStore::from_bundle(opened), SAMPLES.store.clone());
        }
    }

    #[test]
    fn hostile_payloads_under_a_good_container(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let signer = STANDARD.encode([0x30, 0x00]);
        let container = json!({
            "format": "bitaqa-trust-bundle", "version": 1, "signer": signer,
            "payload": STANDARD.encode(&payload), "signature": STANDARD.encode(&payload),
        });
        prop_assert!(bundle::open(container.to_string().as_bytes(), &SAMPLES.pin.into()).is_err());
    }
}

#[test]
fn every_truncation_of_every_sample() {
    let samples = &*SAMPLES;
    for sample in [&samples.certificate, &samples.crl, &samples.sod, &samples.defects] {
        for length in 0..sample.len() {
            let cut = &sample[..length];
            assert!(Certificate::from_der(cut).is_err() && Crl::from_der(cut).is_err());
            assert!(DefectList::from_der(cut).is_err());
            assert!(security_object::parse(cut).is_err() && PublicKey::from_spki(cut).is_err());
        }
        let longer = [&sample[..], &[0]].concat();
        assert!(Certificate::from_der(&longer).is_err() && Crl::from_der(&longer).is_err());
        assert!(security_object::parse(&longer).is_err());
    }
}

#[test]
fn deeply_nested_and_huge_lengths_end_at_once() {
    let nested: Vec<u8> = (0..20_000).flat_map(|_| [0x30, 0x84, 0x00, 0xFF, 0xFF, 0xFF]).collect();
    everything(&nested);
    let mut inside = vec![0x05, 0x00];
    for _ in 0..5_000 {
        inside = iso7816::tlv::encode(iso7816::tlv::Tag(0x30), inside);
    }
    everything(&inside);
    everything(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert!(Certificate::from_der(&vec![0x30; 100_000]).is_err());
}
