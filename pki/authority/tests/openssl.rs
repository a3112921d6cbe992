//! What the authority issues, read and verified by OpenSSL's own command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use authority::{Authority, DocumentSigner, PROFILES, Passphrase, Profile};
use jiff::Timestamp;

/// An LDSSecurityObject with two data groups (9303-10 §4.6.2.2).
const CONTENT: &[u8] = b"\x30\x60\x02\x01\x00\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x30\x4e\
    \x30\x25\x02\x01\x01\x04\x20the hash of data group number 01\
    \x30\x25\x02\x01\x02\x04\x20the hash of data group number 02";

fn passphrase() -> Passphrase {
    Passphrase::new("a passphrase for tests")
}

fn set_up(profile: &'static Profile, directory: &Path) -> Authority {
    let now = Timestamp::now();
    let mut authority = Authority::init(directory, profile, &passphrase(), now).unwrap();
    authority.new_document_signer(None, &passphrase(), &passphrase(), now).unwrap();
    authority
}

fn openssl(directory: &Path, arguments: &[&str]) -> Output {
    Command::new("openssl").args(arguments).current_dir(directory).output().unwrap()
}

fn succeeds(directory: &Path, arguments: &[&str]) -> String {
    let output = openssl(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn openssl_reads_the_certificates_of_every_profile() {
    for profile in PROFILES {
        let directory = tempfile::tempdir().unwrap();
        set_up(profile, directory.path());
        let csca =
            succeeds(directory.path(), &["x509", "-inform", "DER", "-in", "csca/certificate.der", "-noout", "-text"]);
        for expected in [
            "Field Type: prime-field",
            "Cofactor:  1 (0x1)",
            "Certificate Sign, CRL Sign",
            "CA:TRUE, pathlen:0",
            "X509v3 Basic Constraints: critical",
            "X509v3 Key Usage: critical",
            "X509v3 Private Key Usage Period",
            "X509v3 Subject Alternative Name",
            "X509v3 Issuer Alternative Name",
            &format!("L={}", profile.state),
            profile.distribution_point,
        ] {
            // OpenSSL's versions differ in the spaces around `=`.
            assert!(csca.replace(" = ", "=").contains(expected), "{expected} not in\n{csca}");
        }
        let signer = "ds/ds-0001/certificate.der";
        let text = succeeds(directory.path(), &["x509", "-inform", "DER", "-in", signer, "-noout", "-text"]);
        for expected in ["Digital Signature", "2.23.136.1.1.6.2", "X509v3 Authority Key Identifier"] {
            assert!(text.contains(expected), "{expected} not in\n{text}");
        }
        assert!(!text.contains("Basic Constraints"));
        succeeds(directory.path(), &["asn1parse", "-inform", "DER", "-in", signer, "-i"]);
    }
}

#[test]
fn openssl_verifies_certificate_and_list_signatures() {
    for profile in PROFILES {
        let directory = tempfile::tempdir().unwrap();
        let mut authority = set_up(profile, directory.path());
        authority.revoke("ds-0001", Timestamp::now()).unwrap();
        authority.issue_crl(&passphrase(), Timestamp::now()).unwrap();
        let path = directory.path();
        succeeds(path, &["x509", "-inform", "DER", "-in", "csca/certificate.der", "-out", "csca.pem"]);
        let list =
            succeeds(path, &["crl", "-inform", "DER", "-in", "crl/2.crl", "-CAfile", "csca.pem", "-noout", "-text"]);
        assert!(list.contains("verify OK"), "{list}");
        let serial = hex::encode_upper(authority.signers().unwrap()[0].certificate.serial());
        assert!(list.contains(&serial), "{list}");
        let empty = succeeds(path, &["crl", "-inform", "DER", "-in", "crl/1.crl", "-noout", "-text"]);
        assert!(empty.contains("No Revoked Certificates"));

        // OpenSSL's path validation refuses explicit parameters on purpose; the bare signature is checked instead.
        let signed = fs::read(path.join("ds/ds-0001/certificate.der")).unwrap();
        let (body, signature) = split(&signed);
        fs::write(path.join("body"), body).unwrap();
        fs::write(path.join("signature"), signature).unwrap();
        succeeds(path, &["x509", "-in", "csca.pem", "-noout", "-pubkey", "-out", "csca.pub"]);
        let key = fs::write(path.join("csca.pub"), succeeds(path, &["x509", "-in", "csca.pem", "-noout", "-pubkey"]));
        key.unwrap();
        let verified = succeeds(path, &["dgst", "-sha384", "-verify", "csca.pub", "-signature", "signature", "body"]);
        assert!(verified.contains("Verified OK"));
    }
}

#[test]
fn openssl_verifies_the_security_object() {
    let directory = tempfile::tempdir().unwrap();
    set_up(&PROFILES[0], directory.path());
    let signer = DocumentSigner::load(&directory.path().join("ds/ds-0001"), &passphrase()).unwrap();
    let cms = signer.sign_security_object(CONTENT).unwrap();
    fs::write(directory.path().join("sod.cms"), &cms).unwrap();
    let arguments = ["cms", "-verify", "-inform", "DER", "-in", "sod.cms", "-noverify", "-binary", "-out", "content"];
    succeeds(directory.path(), &arguments);
    assert_eq!(fs::read(directory.path().join("content")).unwrap(), CONTENT);

    let mut altered = cms.clone();
    let place = altered.windows(CONTENT.len()).position(|window| window == CONTENT).unwrap();
    altered[place + 4] ^= 1;
    fs::write(directory.path().join("sod.cms"), altered).unwrap();
    assert!(!openssl(directory.path(), &arguments).status.success());
}

#[test]
fn openssl_opens_the_key_files_and_only_their_owner_may() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    set_up(&PROFILES[0], &directory.path().join("pki"));
    fs::write(directory.path().join("passphrase"), "a passphrase for tests\n").unwrap();
    for key in ["pki/csca/key.p8", "pki/bundle-signer/key.p8", "pki/ds/ds-0001/key.p8"] {
        let text = succeeds(directory.path(), &["pkey", "-in", key, "-passin", "file:passphrase", "-noout", "-check"]);
        assert!(text.contains("Key is valid"), "{text}");
        let mode = fs::metadata(directory.path().join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
}

/// The signed bytes and the signature of a certificate.
fn split(certificate: &[u8]) -> (&[u8], &[u8]) {
    use iso7816::tlv::{Reader, Tag, sole};
    let mut reader = Reader::new(sole(certificate, Tag(0x30)).unwrap());
    let body = reader.next().unwrap().unwrap().raw;
    reader.next().unwrap();
    (body, &reader.expect(Tag(0x03)).unwrap()[1..])
}
