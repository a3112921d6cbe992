//! The rules over files that real states publish: nothing panics, every kind is recognised, and what was found is printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use test_vectors::shared;
use trust::lint::{self, Edition, Kind, Severity};

/// Findings by rule, with how many objects they were found in.
type Summary = BTreeMap<(Severity, &'static str), usize>;

fn read(name: &str) -> Option<Vec<Vec<u8>>> {
    let path = shared(&format!("data/{name}"))?;
    Some(lint::objects(&fs::read(path).unwrap()).unwrap())
}

fn add(summary: &mut Summary, der: &[u8], edition: Edition) -> Kind {
    let kind = lint::detect(der).unwrap();
    for finding in lint::lint(der, kind, edition).findings {
        *summary.entry((finding.rule.severity, finding.rule.id)).or_default() += 1;
    }
    kind
}

fn total(summary: &Summary) -> usize {
    summary.values().sum()
}

fn print(title: &str, summary: &Summary) {
    println!("{title}");
    for ((severity, rule), count) in summary.iter().rev() {
        println!("  {severity:8} {count:4} {rule}");
    }
}

#[test]
fn master_lists_and_every_certificate_in_them() {
    for (name, least) in [("DE_ML_2024-08-07-07-38-24.ml", 541), ("NL_ML_2025-07-29.ml", 394)] {
        let Some(objects) = read(&format!("masterlists/{name}")) else { return };
        assert_eq!(lint::detect(&objects[0]), Some(Kind::MasterList));
        let mut own = Summary::new();
        add(&mut own, &objects[0], Edition::Eighth);
        print(name, &own);
        // Both lists verify with the signer's certificate inside.
        for rule in
            ["structure", "signer-signature", "signer-message-digest", "signer-certificate", "master-list-content"]
        {
            assert!(!own.keys().any(|(_, id)| *id == rule), "{name}: {rule}");
        }
        let certificates = lint::contained(&objects[0]);
        assert!(certificates.len() >= least, "{}", certificates.len());
        for edition in [Edition::Sixth, Edition::Seventh, Edition::Eighth, Edition::PkdOperator] {
            let started = Instant::now();
            let (mut summary, mut kinds, mut clean) = (Summary::new(), BTreeMap::new(), 0);
            for certificate in &certificates {
                let before = total(&summary);
                *kinds.entry(add(&mut summary, certificate, edition)).or_insert(0) += 1;
                clean += usize::from(before == total(&summary));
            }
            print(&format!("{name}, edition {edition}: {kinds:?}, {clean} of {} clean", certificates.len()), &summary);
            assert!(started.elapsed() < Duration::from_secs(60));
            assert!(!summary.keys().any(|(_, id)| *id == "structure"));
            assert!(kinds[&Kind::Csca] > least / 2);
        }
    }
}

#[test]
fn anchors_and_links() {
    let names = [
        "DE_ROOT_CA_CSCA07.cer",
        "NL_ROOT_CA.cer",
        "IDN/2016-01_CSCA.cer",
        "IDN/2016-01_CSCA_LINK.cer",
        "IDN/2020-10_CSCA_LINK.cer",
    ];
    for name in names {
        let Some(objects) = read(&format!("masterlists/{name}")) else { return };
        let mut summary = Summary::new();
        let kind = add(&mut summary, &objects[0], Edition::Eighth);
        print(&format!("{name}: {kind}"), &summary);
        assert_eq!(kind == Kind::Link, name.contains("LINK"), "{name}");
    }
}

/// What the rules say of card-verifiable certificates, warnings included.
fn cv_findings(bytes: &[u8]) -> Vec<&'static str> {
    assert_eq!(lint::detect(bytes), Some(Kind::CvCertificate));
    let report = lint::lint(bytes, Kind::CvCertificate, Edition::Eighth);
    report.findings.iter().map(|finding| finding.rule.id).collect()
}

#[test]
fn published_card_verifiable_certificates() {
    let Some(folder) = shared("data/cvc") else { return };
    let (mut found, mut open) = (BTreeMap::new(), vec![folder]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                open.push(path);
            } else if name.starts_with("DECVCA") || name.ends_with(".cvcert") {
                found.insert(path.clone(), cv_findings(&fs::read(&path).unwrap()));
            }
        }
    }
    assert_eq!(found.len(), 18);
    for (path, ids) in found {
        let path = path.to_str().unwrap();
        let expected: &[&str] = match path {
            _ if path.ends_with("DECVCAeID00102") || path.ends_with("DECVCAEPASS00102") => &[],
            // Ten years instead of months or days; the German signature root six.
            _ if path.ends_with("DECVCAeSign00102") || path.contains(".selfsigned.") => &["cv-validity-cvca"],
            _ if path.contains("UTTERM") => &["cv-validity-terminal"],
            _ => &["cv-validity-verifier"],
        };
        assert_eq!(ids, expected, "{path}");
    }
}

#[test]
fn worked_examples_of_card_verifiable_certificates() {
    let vectors = test_vectors::Vectors::load("cvc-examples");
    for entry in vectors.list("/certificates") {
        let ids = cv_findings(&test_vectors::hex_of(&entry["certificate"]));
        println!("{}: {ids:?}", entry["name"]);
        assert!(!ids.contains(&"structure") && !ids.contains(&"cv-self-signed"), "{}: {ids:?}", entry["name"]);
        // One issuer writes the outermost length longer than needed.
        assert_eq!(ids.contains(&"cv-encoding"), entry["chr"] == "DEDVeIDDTR101201", "{}: {ids:?}", entry["name"]);
    }
}

#[test]
fn the_specimen_security_object() {
    let Some(objects) = read("lds-specimen/EF_SOD.bin") else { return };
    assert_eq!(lint::detect(&objects[0]), Some(Kind::SecurityObject));
    let ids = |edition| -> Vec<&str> {
        lint::lint(&objects[0], Kind::SecurityObject, edition).findings.iter().map(|finding| finding.rule.id).collect()
    };
    println!("specimen: edition 8 {:?}, edition 6 {:?}", ids(Edition::Eighth), ids(Edition::Sixth));
    // It is signed with SHA-1 as documents of 2008 were; its signature and digests are good.
    assert!(ids(Edition::Eighth).contains(&"signer-hash") && ids(Edition::Eighth).contains(&"sod-hash"));
    assert!(!ids(Edition::Eighth).contains(&"signer-signature"));
    // By the rules of its time only its signer's certificate is to blame: the issuer has no country, the key no usage.
    let report = lint::lint(&objects[0], Kind::SecurityObject, Edition::Sixth);
    let errors: Vec<_> = report.findings.iter().filter(|finding| finding.rule.severity == Severity::Error).collect();
    assert!(errors.iter().all(|finding| finding.seen.starts_with("signer's certificate: ")), "{errors:?}");
    assert_eq!(errors.iter().map(|finding| finding.rule.id).collect::<Vec<_>>(), ["name-country", "key-usage-present"]);
    for certificate in lint::contained(&objects[0]) {
        assert_eq!(lint::detect(&certificate), Some(Kind::DocumentSigner));
    }
}
