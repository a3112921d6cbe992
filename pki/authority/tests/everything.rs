//! Everything that an authority issues, one of each: no rule is broken, and OpenSSL's own command line reads and verifies it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use authority::citizen_ca::{Holder, Purpose};
use authority::cvca::{CvGrant, CvStore, NewCvca};
use authority::defect_list::{DefectiveSigner, SeriesDefect, SignerDefects};
use authority::deviation_list::{Defect, DefectKind, DeviantSigner, Deviation};
use authority::{Algorithm, Authority, DocumentSigner, NewName, PROFILES, Passphrase, Profile, SignerKind};
use iso7816::tlv::{Reader, Tag, encode, sole};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use openssl::ecdsa::EcdsaSig;
use trust::cvc::{CvCertificate, KeyNumbers, Level, TerminalType};
use trust::lint::{self, Edition, Kind, Severity};
use trust::{Certificate, Crl, EllipticCurve};

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

fn openssl(directory: &Path, arguments: &[&str]) -> Output {
    Command::new("openssl").args(arguments).current_dir(directory).output().unwrap()
}

fn succeeds(directory: &Path, arguments: &[&str]) -> String {
    let output = openssl(directory, arguments);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

/// One of everything, in `pki` below the folder.
fn issue_everything(folder: &Path, profile: &'static Profile) {
    let (own, place) = (passphrase(), folder.join("pki"));
    let mut authority = Authority::init(&place, profile, &own, now()).unwrap();
    authority.roll_over(None, None, &own, now()).unwrap();
    let name = NewName { common_name: "CSCA Renamed".into(), organization: None, unit: None };
    authority.roll_over(Some(&name), None, &own, now()).unwrap();
    let name = NewName { common_name: "CSCA Renamed Again".into(), organization: None, unit: None };
    authority.rename(&name, &own, now()).unwrap();
    let signer = authority.new_document_signer(None, &own, &own, now()).unwrap();
    authority.new_signer(SignerKind::MasterList, None, &own, &own, now()).unwrap();
    authority.new_signer(SignerKind::DeviationList, None, &own, &own, now()).unwrap();
    authority.new_signer(SignerKind::Seal, Some("ab-0001"), &own, &own, now()).unwrap();
    authority.new_signer(SignerKind::Residence, Some("office-1"), &own, &own, now()).unwrap();
    authority.sign_master_list(&[], None, &own, now()).unwrap();
    let defect = Defect {
        kind: DefectKind::DataGroupHashWrong,
        description: Some("Portrait re-encoded".into()),
        data_group: Some(2),
        certificate_field: None,
        mrz_field: None,
    };
    let deviation = Deviation {
        document_type: Some("ID".into()),
        signer: Some(DeviantSigner::KeyId(hex::encode(signer.certificate.key_identifier()))),
        issued: None,
        numbers: vec![],
        defects: vec![defect],
    };
    authority.sign_deviation_list(&[deviation], None, &own, now()).unwrap();
    let own_key = DefectiveSigner::KeyId(hex::encode(signer.certificate.key_identifier()));
    let defects = |signer, known| SignerDefects { signer, known: vec![known] };
    let list = [
        defects(own_key, SeriesDefect::CertificateRevoked { status: 2 }),
        defects(
            DefectiveSigner::Certificate(hex::encode(signer.certificate.der())),
            SeriesDefect::CertificateReplaced { replacement: hex::encode(signer.certificate.der()) },
        ),
    ];
    authority.sign_defect_list(&list, None, &own, now()).unwrap();
    let documents = DocumentSigner::load(&signer.directory, &own).unwrap();
    fs::write(place.join("sod.cms"), documents.sign_security_object(CONTENT).unwrap()).unwrap();
    authority.revoke(&signer.name, now()).unwrap();
    authority.issue_crl(&own, now()).unwrap();

    authority.create_citizen_ca(false, &own, now()).unwrap();
    let holder = Holder { given_names: "Ada".into(), surname: "Utopia".into(), number: "UT-1".into() };
    for (purpose, key) in [
        (Purpose::Authentication, ["EC", "ec_paramgen_curve:P-256"]),
        (Purpose::Signature, ["RSA", "rsa_keygen_bits:3072"]),
    ] {
        succeeds(folder, &["genpkey", "-out", "citizen.key", "-algorithm", key[0], "-pkeyopt", key[1]]);
        let request = ["req", "-new", "-key", "citizen.key", "-subj", "/CN=x", "-outform", "DER", "-out", "csr"];
        succeeds(folder, &request);
        let csr = fs::read(folder.join("csr")).unwrap();
        authority.issue_citizen_certificate(&csr, purpose, &holder, &own, now()).unwrap();
    }
    authority.new_citizen_responder(&own, &own, now()).unwrap();
    authority.issue_citizen_lists(None, &own, now()).unwrap();

    let desk = CvStore::new(&place);
    let cvca = NewCvca {
        country: "UT".to_owned(),
        mnemonic: "ISCVCA".to_owned(),
        terminal_type: TerminalType::Inspection,
        rights: None,
        algorithm: Algorithm::Ecdsa(EllipticCurve::BrainpoolP256r1),
        period: None,
    };
    desk.create_cvca(&cvca, &own, now()).unwrap();
    desk.roll_over("UTISCVCA", None, None, (&own, &own), later(1)).unwrap();
    let grant = |level| CvGrant { level, rights: None, period: None };
    desk.certify("UTISCVCA", ("UT", "DVDOM"), &grant(Level::DomesticDv), &own, &own, later(1)).unwrap();
    desk.certify("UTISCVCA", ("XO", "DVFOR"), &grant(Level::ForeignDv), &own, &own, later(1)).unwrap();
    desk.certify("UTDVDOM", ("UT", "TERM"), &grant(Level::Terminal), &own, &own, later(1)).unwrap();
}

/// Every object in the directory: path, kind, bytes. Whatever is no object must be known by name.
fn objects(folder: &Path) -> Vec<(String, Kind, Vec<u8>)> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            let end = name.rsplit('.').next().unwrap();
            if ["json", "jsonl", "p8", "pem"].contains(&end) || name.ends_with("lock") || name.contains("/keys/") {
                continue;
            }
            // A chain has several in one file.
            for bytes in lint::objects(&fs::read(&path).unwrap()).unwrap() {
                let told = lint::detect(&bytes).unwrap_or_else(|| panic!("{name} is nothing that has rules"));
                let kind = match told {
                    Kind::Csca if name.starts_with("citizen-ca/") => Kind::CitizenCa,
                    Kind::Crl if name.starts_with("citizen-ca/") => Kind::CitizenCrl,
                    other => other,
                };
                found.push((name.clone(), kind, bytes));
            }
        }
    }
    found.sort();
    found
}

/// What may be found in what is issued, and why: nothing else is.
fn explained(rule: &str, kind: Kind, edition: Edition) -> bool {
    match (edition, rule) {
        // The sixth edition had no alternative names; later ones demand them.
        (Edition::Sixth, "alternative-names-absent-6" | "alternative-names-absent-signer-6") => true,
        // Nor did it demand the path length of zero of a link.
        (Edition::Sixth, "basic-constraints-path-link-6") => true,
        // The directory's operator still asks for their absence in a CSCA.
        (Edition::PkdOperator, rule) => rule.starts_with("alternative-") && kind != Kind::Crl,
        _ => false,
    }
}

/// Nothing that is issued departs from its profile.
fn all_is_well(profile: &'static Profile) {
    let folder = tempfile::tempdir().unwrap();
    issue_everything(folder.path(), profile);
    let place = folder.path().join("pki");
    let objects = objects(&place);
    let (mut kinds, mut wrong) = (BTreeMap::new(), Vec::new());
    for (name, kind, bytes) in &objects {
        *kinds.entry(*kind).or_insert(0) += 1;
        let editions = match kind.edition() {
            Edition::Eighth => &[Edition::Sixth, Edition::Seventh, Edition::Eighth, Edition::PkdOperator][..],
            _ => &[Edition::Rfc5280],
        };
        for edition in editions {
            for finding in lint::lint(bytes, *kind, *edition).findings {
                let rule = finding.rule;
                let told = rule.severity > Severity::Notice || *edition == kind.edition();
                if told && !explained(rule.id, *kind, *edition) {
                    let seen = finding.seen;
                    wrong.push(format!("{name} ({kind}), edition {edition}: {} {}: {seen}", rule.severity, rule.id));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}: {}", profile.id, wrong.join("\n"));
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Communication) {
        assert!(kinds.contains_key(&kind), "no {kind} was issued: {kinds:?}");
    }
    openssl_agrees(folder.path(), &objects);
}

#[test]
fn everything_of_the_first_profile() {
    all_is_well(&PROFILES[0]);
}

#[test]
fn everything_of_the_other_profiles() {
    PROFILES.iter().skip(1).for_each(all_is_well);
}

/// OpenSSL reads every object, and verifies every signature with the key of its issuer.
fn openssl_agrees(folder: &Path, objects: &[(String, Kind, Vec<u8>)]) {
    let place = folder.join("pki");
    let certificates: Vec<Certificate> =
        objects.iter().filter_map(|(.., der)| Certificate::from_der(der).ok()).collect();
    let cards: Vec<CvCertificate> =
        objects.iter().filter_map(|(.., raw)| CvCertificate::from_bytes(raw).ok()).collect();
    for (name, kind, bytes) in objects {
        succeeds(&place, &["asn1parse", "-inform", "DER", "-in", name, "-i"]);
        match kind {
            Kind::MasterList | Kind::DeviationList | Kind::DefectList | Kind::SecurityObject => {
                let arguments =
                    ["cms", "-verify", "-inform", "DER", "-in", name, "-noverify", "-binary", "-out", "/dev/null"];
                succeeds(&place, &arguments);
            }
            Kind::CvCertificate => verifies_cv(folder, name, bytes, &cards),
            Kind::Crl | Kind::CitizenCrl => {
                succeeds(&place, &["crl", "-inform", "DER", "-in", name, "-noout", "-text"]);
                verifies(folder, name, bytes, &certificates);
            }
            _ => {
                succeeds(&place, &["x509", "-inform", "DER", "-in", name, "-noout", "-text"]);
                verifies(folder, name, bytes, &certificates);
            }
        }
    }
}

/// A certificate's or list's own signature, under the key that it names. OpenSSL's path validation refuses explicit domain
/// parameters on purpose.
fn verifies(folder: &Path, name: &str, bytes: &[u8], certificates: &[Certificate]) {
    let mut reader = Reader::new(sole(bytes, Tag(0x30)).unwrap());
    let body = reader.next().unwrap().unwrap().raw;
    reader.next().unwrap();
    fs::write(folder.join("body"), body).unwrap();
    fs::write(folder.join("signature"), &reader.expect(Tag(0x03)).unwrap()[1..]).unwrap();
    let named = match Certificate::from_der(bytes) {
        Ok(certificate) => certificate.extensions().authority_key_identifier.clone(),
        // Lists of the citizens' authority have a critical extension that no list of a CSCA may have.
        Err(_) => Crl::from_der(bytes).ok().and_then(|crl| crl.authority_key_identifier().map(<[u8]>::to_vec)),
    };
    let is_issuer = |one: &&Certificate| match &named {
        Some(named) => one.key_identifier() == *named,
        None => body.windows(one.subject().der().len()).any(|window| window == one.subject().der()),
    };
    let issuer = certificates.iter().filter(|one| one.is_authority()).find(is_issuer).unwrap();
    fs::write(folder.join("issuer.der"), issuer.der()).unwrap();
    let key = succeeds(folder, &["x509", "-inform", "DER", "-in", "issuer.der", "-noout", "-pubkey"]);
    fs::write(folder.join("issuer.pub"), key).unwrap();
    let told = succeeds(folder, &["dgst", "-sha384", "-verify", "issuer.pub", "-signature", "signature", "body"]);
    assert!(told.contains("Verified OK"), "{name}: {told}");
}

fn verifies_cv(folder: &Path, name: &str, bytes: &[u8], cards: &[CvCertificate]) {
    let certificate = CvCertificate::from_bytes(bytes).unwrap();
    let curve = EllipticCurve::BrainpoolP256r1;
    let issuer = cards.iter().find(|card| card.body().holder == certificate.body().authority).unwrap();
    let KeyNumbers::Ec { point, .. } = &issuer.body().public_key.numbers else { panic!("{name}") };
    let algorithm =
        encode(Tag(0x30), [encode(Tag(0x06), trust::der::oid::EC_PUBLIC_KEY), encode(Tag(0x06), curve.oid())].concat());
    let spki = encode(Tag(0x30), [algorithm, encode(Tag(0x03), [&[0], point.as_slice()].concat())].concat());
    // On the card r and s stand side by side; OpenSSL wants them in a SEQUENCE.
    let (r, s) = certificate.signature().split_at(32);
    let number = |bytes: &[u8]| openssl::bn::BigNum::from_slice(bytes).unwrap();
    let signature = EcdsaSig::from_private_components(number(r), number(s)).unwrap().to_der().unwrap();
    fs::write(folder.join("body"), certificate.signed_bytes()).unwrap();
    fs::write(folder.join("signature"), signature).unwrap();
    fs::write(folder.join("issuer.spki"), spki).unwrap();
    succeeds(folder, &["pkey", "-pubin", "-inform", "DER", "-in", "issuer.spki", "-out", "issuer.pub"]);
    let told = succeeds(folder, &["dgst", "-sha256", "-verify", "issuer.pub", "-signature", "signature", "body"]);
    assert!(told.contains("Verified OK"), "{name}: {told}");
}
