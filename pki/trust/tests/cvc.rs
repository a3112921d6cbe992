//! Card-verifiable certificates of other issuers: read, checked along their chains, written again byte by byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::{Date, date};
use proptest::prelude::*;
use serde_json::Value;
use test_vectors::{Vectors, hex_of};
use trust::EllipticCurve;
use trust::cvc::chain::{self, ChainError, TrustPoint};
use trust::cvc::{CvCertificate, CvKeyError, CvRequest, Level, TerminalType};

fn vectors() -> Vectors {
    Vectors::load("cvc-examples")
}

fn certificate(vectors: &Vectors, holder: &str) -> CvCertificate {
    let mut all = vectors.list("/certificates").iter();
    let entry = all.find(|entry| entry["chr"] == holder).unwrap_or_else(|| panic!("{holder}"));
    CvCertificate::from_bytes(&hex_of(&entry["certificate"])).unwrap()
}

/// The six digits of the vectors.
fn digits(day: Date) -> String {
    day.strftime("%y%m%d").to_string()
}

#[test]
fn certificates_say_what_the_vectors_say() {
    for entry in vectors().list("/certificates") {
        let name = entry["name"].as_str().unwrap();
        let certificate = CvCertificate::from_bytes(&hex_of(&entry["certificate"])).unwrap();
        let body = certificate.body();
        let text = |key: &str| entry[key].as_str().unwrap().to_owned();
        assert_eq!(body.authority.to_string(), text("car"), "{name}");
        assert_eq!(body.holder.to_string(), text("chr"), "{name}");
        assert_eq!(format!("id-TA-{}", body.public_key.algorithm), text("public_key_algorithm"), "{name}");
        assert_eq!(Value::from(body.public_key.has_domain()), entry["domain_parameters_present"], "{name}");
        assert_eq!(body.chat.terminal_type().name(), text("chat_role"), "{name}");
        assert_eq!(body.chat.template(), hex_of(&entry["chat"]), "{name}");
        assert_eq!(digits(body.effective), text("effective_date"), "{name}");
        assert_eq!(digits(body.expires), text("expiration_date"), "{name}");
        assert_eq!(certificate.signed_bytes(), hex_of(&entry["body_to_be_signed"]), "{name}");
        assert_eq!(certificate.signature(), hex_of(&entry["signature"]), "{name}");
        for (at, extension) in entry["certificate_extensions"].as_array().into_iter().flatten().enumerate() {
            let found = &body.extensions[at];
            assert!(found.name().is_some());
            assert_eq!(found.fields[0].1, hex_of(&extension["fields"][0]["value"]));
        }
    }
}

#[test]
fn certificates_are_written_again_byte_by_byte() {
    for entry in vectors().list("/certificates") {
        let raw = hex_of(&entry["certificate"]);
        let certificate = CvCertificate::from_bytes(&raw).unwrap();
        assert_eq!(certificate.encode(), raw, "{}", entry["name"]);
        assert_eq!(certificate.body().encode().unwrap(), certificate.signed_bytes());
        // One issuer writes the outermost length longer than DER does.
        assert_eq!(certificate.is_strict(), entry["chr"] != "DEDVeIDDTR101201");
    }
    for entry in vectors().list("/requests") {
        let raw = hex_of(&entry["request"]);
        assert_eq!(CvRequest::from_bytes(&raw).unwrap().encode(), raw, "{}", entry["name"]);
    }
}

#[test]
fn the_german_chain_verifies_and_its_rights_shrink() {
    let vectors = vectors();
    let root = TrustPoint::new(certificate(&vectors, "DECVCAeID00102")).unwrap();
    assert_eq!(root.key().curve(), Some(EllipticCurve::BrainpoolP256r1));
    let chain = [certificate(&vectors, "DEDVeIDDTR101201"), certificate(&vectors, "DE0000071003G3")];
    let verified = chain::verify(std::slice::from_ref(&root), &chain, date(2011, 9, 22)).unwrap();
    let effective = verified.effective();
    assert_eq!((effective.level(), effective.template()), (Level::Terminal, vec![0x00, 0x01, 0x01, 0x98, 0x04]));
    assert_eq!(
        effective.right_names(),
        ["read-dg17", "read-dg9", "read-dg8", "read-dg5", "read-dg4", "restricted-identification"]
    );
    // The document verifier is a foreign one to its cards: only its own date counts.
    assert_eq!(chain[0].body().chat.level(), Level::ForeignDv);
    assert_eq!(verified.card_date(), Some(date(2011, 6, 24)));

    let late = chain::verify(std::slice::from_ref(&root), &chain, date(2011, 9, 24)).unwrap_err();
    assert!(matches!(late, ChainError::Expired { expired, .. } if expired == date(2011, 9, 23)));
    let later = chain::verify(std::slice::from_ref(&root), &chain, date(2014, 1, 1)).unwrap_err();
    assert!(matches!(later, ChainError::Expired { holder, .. } if holder.to_string() == "DECVCAeID00102"));
    let unknown = chain::verify(&[], &chain, date(2011, 9, 22)).unwrap_err();
    assert!(matches!(unknown, ChainError::NoTrustPoint { .. }));
    let skipped = chain::verify(std::slice::from_ref(&root), &chain[1..], date(2011, 9, 22)).unwrap_err();
    assert!(matches!(skipped, ChainError::NoTrustPoint { .. }));
    let reversed = [chain[0].clone(), chain[0].clone()];
    let reversed = chain::verify(std::slice::from_ref(&root), &reversed, date(2011, 9, 22)).unwrap_err();
    assert!(matches!(reversed, ChainError::WrongOrder { .. }));
}

/// Their CVCA is one for inspection systems, the certificates below are of authentication terminals: all verify, nothing is granted.
#[test]
fn the_worked_examples_verify_and_grant_nothing_across_terminal_types() {
    let vectors = vectors();
    let certificates: Vec<_> =
        vectors.list("/certificates").iter().map(|entry| hex_of(&entry["certificate"])).collect();
    let read = |at: usize| CvCertificate::from_bytes(&certificates[at]).unwrap();
    for (root, dv, terminal, today) in [(3, 4, 5, date(2010, 10, 1)), (6, 7, 8, date(2010, 4, 1))] {
        let root = TrustPoint::new(read(root)).unwrap();
        let verified = chain::verify(std::slice::from_ref(&root), &[read(dv), read(terminal)], today).unwrap();
        assert_eq!(root.certificate().body().chat.terminal_type(), TerminalType::Inspection);
        assert_eq!(verified.effective().terminal_type(), TerminalType::Authentication);
        assert_eq!(verified.effective().rights(), 0);
    }
    assert!(TrustPoint::new(read(9)).is_ok());
    assert!(TrustPoint::new(read(1)).is_err());
}

#[test]
fn requests_prove_their_keys() {
    let vectors = vectors();
    let read = |at: usize| CvRequest::from_bytes(&hex_of(&vectors.list("/requests")[at]["request"])).unwrap();
    let (plain, authenticated) = (read(0), read(1));
    assert_eq!(plain.verify_inner().unwrap().curve(), Some(EllipticCurve::BrainpoolP224r1));
    assert_eq!((plain.body().holder.to_string(), plain.authenticated_by()), ("BETEST00001".to_owned(), None));
    let key = authenticated.verify_inner().unwrap();
    assert_eq!(key.curve(), Some(EllipticCurve::P192));
    assert_eq!(authenticated.authenticated_by().unwrap().to_string(), "HSMCVCA");
    // The key that made the outer signature is not public; the requested one is another.
    assert!(authenticated.verify_outer(&key).is_err());
    assert!(plain.verify_outer(&key).is_err());
}

#[test]
fn a_key_without_domain_parameters_needs_its_cvca() {
    let certificate = certificate(&vectors(), "DEDVeIDDTR101201");
    assert_eq!(certificate.key(None), Err(CvKeyError::NoParameters));
    assert!(certificate.key(Some(EllipticCurve::BrainpoolP256r1)).is_ok());
    assert_eq!(
        certificate.key(Some(EllipticCurve::P256)),
        Err(CvKeyError::BadPoint(EllipticCurve::P256)),
        "the point is on another curve"
    );
}

/// Parameters that a holder chose himself never reach a computation.
#[test]
fn foreign_domain_parameters_are_refused() {
    let raw = hex_of(&vectors().list("/certificates")[0]["certificate"]);
    let generator = hex::decode("048bd2aeb9cb7e57cb2c4b482ffc81b7").unwrap();
    let at = raw.windows(generator.len()).position(|window| window == generator).unwrap();
    let mut forged = raw.clone();
    forged[at + 5] ^= 1;
    let certificate = CvCertificate::from_bytes(&forged).unwrap();
    assert_eq!(certificate.key(None), Err(CvKeyError::ForeignParameters));
    assert!(TrustPoint::new(certificate).is_err());
}

#[test]
fn any_changed_byte_is_noticed() {
    let raw = hex_of(&vectors().list("/certificates")[0]["certificate"]);
    for at in 0..raw.len() {
        let mut forged = raw.clone();
        forged[at] ^= 0x01;
        let believed =
            CvCertificate::from_bytes(&forged).ok().and_then(|certificate| TrustPoint::new(certificate).ok());
        assert!(believed.is_none(), "byte {at}");
    }
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn published_roots_are_trust_points() {
    for name in ["DECVCAEPASS00102", "DECVCAeID00102", "DECVCAeSign00102"] {
        let Some(path) = test_vectors::shared(&format!("data/cvc/{name}")) else { return };
        let raw = fs::read(path).unwrap();
        let certificate = CvCertificate::from_bytes(&raw).unwrap();
        assert_eq!((certificate.encode(), certificate.is_strict()), (raw, true), "{name}");
        assert_eq!(certificate.body().holder.to_string(), name);
        assert!(TrustPoint::new(certificate).is_ok(), "{name}");
    }
}

#[test]
fn a_published_test_pki_verifies_from_root_to_terminal() {
    let Some(folder) = test_vectors::shared("data/cvc/ut-test-pki") else { return };
    let (mut terminals, mut requests) = (0, 0);
    for root in files(&folder, ".selfsigned.cvcert") {
        let read = |path: &Path| {
            let raw = fs::read(path).unwrap();
            let certificate = CvCertificate::from_bytes(&raw).unwrap();
            assert_eq!((certificate.encode(), certificate.is_strict()), (raw, true), "{}", path.display());
            certificate
        };
        let cvca = TrustPoint::new(read(&root)).unwrap();
        for dv in files(root.parent().unwrap(), ".cvcert").iter().filter(|path| path.to_string_lossy().contains("DVCA"))
        {
            if dv.to_string_lossy().contains("UTTERM") {
                continue;
            }
            let terminal = files(&dv.parent().unwrap().join("UTTERM"), ".cvcert").remove(0);
            let (dv, terminal) = (read(dv), read(&terminal));
            let chain = [dv, terminal];
            let verified = chain::verify(std::slice::from_ref(&cvca), &chain, date(2020, 1, 1)).unwrap();
            let expected = chain[1].body().chat.under(cvca.certificate().body().chat);
            assert_eq!(verified.effective(), expected);
            assert_ne!(verified.effective().rights(), 0);
            let domestic = chain[0].body().chat.level() == Level::DomesticDv;
            assert_eq!(verified.card_date(), Some(chain[usize::from(domestic)].body().effective));
            assert!(chain::verify(std::slice::from_ref(&cvca), &chain, date(2023, 2, 14)).is_err());
            terminals += 1;
        }
    }
    for path in files(&folder, ".cvreq") {
        let raw = fs::read(&path).unwrap();
        let request = CvRequest::from_bytes(&raw).unwrap();
        assert_eq!(request.encode(), raw, "{}", path.display());
        request.verify_inner().unwrap();
        requests += 1;
    }
    assert_eq!((terminals, requests), (6, 15));
}

fn everything(bytes: &[u8]) {
    if let Ok(certificate) = CvCertificate::from_bytes(bytes) {
        let _ = (certificate.encode(), certificate.is_strict(), certificate.key(Some(EllipticCurve::P256)));
        let body = certificate.body();
        let _ = (body.holder.to_string(), body.holder.parts(), body.chat.right_names(), body.chat.level());
        let chain = [certificate.clone()];
        if let Ok(point) = TrustPoint::new(certificate) {
            let _ = chain::verify(&[point], &chain, date(2026, 11, 22));
        }
    }
    if let Ok(request) = CvRequest::from_bytes(bytes) {
        let _ = (request.encode(), request.verify_inner());
    }
}

fn samples() -> Vec<Vec<u8>> {
    let vectors = vectors();
    let mut all: Vec<_> = vectors.list("/certificates").iter().map(|entry| hex_of(&entry["certificate"])).collect();
    all.extend(vectors.list("/requests").iter().map(|entry| hex_of(&entry["request"])));
    all
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        everything(&bytes);
    }

    #[test]
    fn spoiled_certificates_never_panic(
        sample in prop::sample::select(samples()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = sample.clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        everything(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        everything(&bytes);
    }

    /// Whatever can be read is written again to something that reads the same.
    #[test]
    fn what_is_read_is_written(
        sample in prop::sample::select(samples()),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut bytes = sample.clone();
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(certificate) = CvCertificate::from_bytes(&bytes) {
            let again = CvCertificate::from_bytes(&certificate.encode()).unwrap();
            prop_assert_eq!(again.body(), certificate.body());
        }
    }
}
