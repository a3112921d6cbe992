//! The inputs which OpenSSL's own fuzzing of certificates found worth keeping: every parser answers, and soon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use trust::cms::SignedData;
use trust::cvc::{CvCertificate, CvRequest};
use trust::{Certificate, Crl, PublicKey, security_object};

/// No input of this corpus is larger than a few kilobytes; a second would be an attack.
const LONGEST: Duration = Duration::from_secs(1);

fn everything(bytes: &[u8]) -> [bool; 4] {
    let certificate = Certificate::from_der(bytes);
    if let Ok(certificate) = &certificate {
        let _ = (certificate.subject().to_string(), certificate.verify_signature(certificate.public_key()));
    }
    let _ = (PublicKey::from_spki(bytes), security_object::parse(bytes), CvRequest::from_bytes(bytes));
    let others = (Crl::from_der(bytes).is_ok(), SignedData::from_der(bytes).is_ok());
    [certificate.is_ok(), others.0, others.1, CvCertificate::from_bytes(bytes).is_ok()]
}

fn inputs(folder: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(inputs(&path));
        } else {
            all.push(fs::read(path).unwrap());
        }
    }
    all
}

#[test]
fn certificates_from_a_fuzzer() {
    let Some(archive) = test_vectors::shared("data/hostile/openssl-fuzz-x509.tar.gz") else { return };
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(status.success());
    let inputs = inputs(folder.path());
    assert!(inputs.len() >= 849, "{}", inputs.len());
    let mut read = [0; 4];
    for bytes in &inputs {
        let begin = Instant::now();
        let accepted = everything(bytes);
        assert!(begin.elapsed() < LONGEST, "{} bytes took {:?}", bytes.len(), begin.elapsed());
        read.iter_mut().zip(accepted).for_each(|(count, accepted)| *count += usize::from(accepted));
        // What is cut off anywhere is no better.
        for part in [1, 2, 3] {
            everything(&bytes[..bytes.len() * part / 4]);
        }
    }
    // Hardly any of these certificates is one; none of them is taken for a list, signed data or a card-verifiable certificate.
    assert!(read[0] < 10, "{read:?}");
    assert_eq!(read[1..], [0, 0, 0]);
}
