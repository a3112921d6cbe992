//! Trust bundles as a ministry hands them out: custodians sign, deltas follow, foreign anchors come along.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use trust::chain::{self, Document, id};
use trust::{Certificate, Outcome, Pin, Pins, TrustStore};

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "a passphrase for tests\n").unwrap();
        let desk = Desk { folder };
        desk.pki(&["init", "--profile", "specimen-uto", "--dir", "pki"]);
        desk
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::cargo_bin("bitaqa-pki").unwrap();
        command.current_dir(self.folder.path()).args(arguments).env("USER", "nour");
        command.env("BITAQA_PASSPHRASE_FILE", "secret").env("BITAQA_SIGNER_PASSPHRASE_FILE", "secret");
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn pki(&self, arguments: &[&str]) -> Value {
        let (code, text, errors) = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(code, 0, "{arguments:?}: {text}{errors}");
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }

    fn export(&self, out: &str, more: &[&str]) -> Value {
        self.pki(&[&["bundle", "export", "--dir", "pki", "--out", out], more].concat())
    }

    /// A custodian's credential; what posts pin for it.
    fn custodian(&self, name: &str) -> String {
        let made = self.pki(&["ceremony", "credential", "--name", name, "--out", name, "--passphrase-file", "secret"]);
        made["pin"].as_str().unwrap().to_owned()
    }

    /// As a script signs what it has seen.
    fn sign(&self, file: &str, by: &[&str]) -> Value {
        let seen = self.seen(file);
        let files = by.iter().flat_map(|one| ["--credential", one, "--credential-passphrase-file", "secret"]);
        self.pki(&["bundle", "sign", file, "--sha256", &seen].into_iter().chain(files).collect::<Vec<_>>())
    }

    fn seen(&self, file: &str) -> String {
        self.pki(&["bundle", "show", file])["payload_sha256"].as_str().unwrap().to_owned()
    }
}

fn pins(threshold: usize, of: &[&str]) -> Pins {
    Pins::new(threshold, of.iter().map(|pin| Pin::from_hex(pin).unwrap())).unwrap()
}

fn install(store: &Path, file: &Path, pins: Option<&Pins>) -> Result<TrustStore, trust::store::InstallError> {
    TrustStore::install(store, &fs::read(file).unwrap(), pins)
}

#[test]
fn custodians_sign_and_a_post_counts_them() {
    let desk = Desk::new();
    let exported = desk.export("one", &["--maximum-age", "30"]);
    let own = exported["signer"].as_str().unwrap();
    let (amina, omar) = (desk.custodian("amina"), desk.custodian("omar"));
    let three = [own, &amina, &omar];
    let asked: Vec<&str> = three.iter().flat_map(|pin| ["--pin", pin]).chain(["--threshold", "2"]).collect();
    let show = |file: &str| desk.run(&[&["bundle", "show", file], &asked[..]].concat());
    let (code, text, _) = show("one");
    assert!(code == 40 && text.contains("NOT ENOUGH: 2 of 3 must sign"), "{text}");
    assert!(install(&desk.path("post"), &desk.path("one"), Some(&pins(2, &three))).is_err());
    for _ in 0..2 {
        let signed = desk.sign("one", &["omar"]);
        assert_eq!((signed["signatures"].as_u64(), signed["signers"][0].as_str()), (Some(2), Some(omar.as_str())));
    }
    let (code, text, _) = show("one");
    assert!(
        code == 0 && text.contains("enough: 2 of 3 must sign") && text.contains("maximum age       30 days"),
        "{text}"
    );
    install(&desk.path("post"), &desk.path("one"), Some(&pins(2, &three))).unwrap();

    // The next signers are two custodians of three; the authority alone cannot make that bundle good.
    let leyla = desk.custodian("leyla");
    let next = ["--next-signer", &amina, "--next-signer", &omar, "--next-signer", &leyla, "--next-threshold", "2"];
    let turn = desk.export("two", &next);
    assert_eq!(turn["next_signers"]["threshold"].as_u64(), Some(2));
    desk.sign("two", &["amina"]);
    assert!(install(&desk.path("post"), &desk.path("two"), None).is_err());
    assert_eq!(desk.pki(&["bundle", "show", "two"])["next_signers_satisfied"], false);
    desk.sign("two", &["leyla"]);
    assert_eq!(desk.pki(&["bundle", "show", "two"])["next_signers_satisfied"], true);
    install(&desk.path("post"), &desk.path("two"), None).unwrap();
    desk.export("three", &[]);
    let delta = desk.pki(&["bundle", "delta", "two", "three", "--out", "early.delta"]);
    assert_eq!((delta["base"].as_u64(), delta["number"].as_u64()), (Some(2), Some(3)));
    assert!(install(&desk.path("post"), &desk.path("early.delta"), None).is_err(), "nobody has signed number 3 yet");
    desk.sign("three", &["leyla", "omar"]);
    desk.pki(&["bundle", "delta", "two", "three", "--out", "late.delta"]);
    install(&desk.path("post"), &desk.path("late.delta"), None).unwrap();
    assert_eq!(fs::read(desk.path("post/bundle.json")).unwrap(), fs::read(desk.path("three")).unwrap());
    let (code, text, _) = desk.run(&["bundle", "show", "late.delta"]);
    assert!(code == 0 && text.contains("delta from bundle 2 to bundle 3"), "{text}");
}

#[test]
fn what_cannot_be_is_said() {
    let desk = Desk::new();
    desk.custodian("amina");
    desk.export("one", &[]);
    desk.export("two", &[]);
    fs::write(desk.path("junk"), "{\"format\":\"bitaqa-trust-bundle\",\"version\":9}").unwrap();
    fs::write(desk.path("wrong"), "a wrong passphrase\n").unwrap();
    fs::write(desk.path("no.crl"), "nothing").unwrap();
    let altered = fs::read_to_string(desk.path("one")).unwrap().replacen("\"signature\":\"ME", "\"signature\":\"MF", 1);
    fs::write(desk.path("altered"), altered).unwrap();
    let mut unsigned: Value = serde_json::from_slice(&fs::read(desk.path("one")).unwrap()).unwrap();
    unsigned["signatures"] = serde_json::json!([]);
    fs::write(desk.path("unsigned"), unsigned.to_string()).unwrap();
    let before = fs::read(desk.path("one")).unwrap();
    let pin = "00".repeat(32);
    let credential = ["--credential", "amina", "--credential-passphrase-file"];
    let seen = desk.seen("one");
    let sign = |file: &'static str, words: &'static str| {
        [&["bundle", "sign", file, "--sha256", &seen], &credential[..], &[words]].concat()
    };
    let export = |more: &[&'static str]| [&["bundle", "export", "--dir", "pki", "--out", "x"], more].concat();
    let blind = [&["bundle", "sign", "one"], &credential[..], &["secret"]].concat();
    let cases: [(Vec<&str>, i32, &str); 16] = [
        (vec!["bundle", "show", "absent"], 2, "cannot be read"),
        (vec!["bundle", "show", "junk"], 40, "version 9 is not known"),
        (vec!["bundle", "show", "one", "--pin", "12"], 2, "64 hexadecimal digits"),
        (vec!["bundle", "show", "one", "--pin", &pin, "--threshold", "2"], 2, "makes no sense"),
        (vec!["bundle", "show", "one", "--threshold", "1"], 2, "--pin"),
        (sign("one", "wrong"), 40, "passphrase"),
        (sign("two", "secret"), 2, "not the bundle with this SHA-256"),
        (sign("altered", "secret"), 40, "is not one over this bundle"),
        (sign("unsigned", "secret"), 40, "nobody has signed it"),
        (blind, 2, "there is no terminal to confirm it on"),
        (sign("junk", "secret"), 40, "version 9 is not known"),
        (vec!["bundle", "delta", "two", "one", "--out", "d"], 2, "bundle 1 is not newer than bundle 2"),
        (export(&["--archive", "nowhere"]), 2, "cannot be read"),
        (export(&["--crl", "no.crl"]), 40, "none that a believed anchor signed"),
        (export(&["--country", "D:DE"]), 2, "D=DE"),
        (export(&["--next-threshold", "1"]), 2, "--next-signer"),
    ];
    for (arguments, code, words) in cases {
        let (found, text, errors) = desk.run(&arguments);
        assert!(found == code && format!("{text}{errors}").contains(words), "{arguments:?}: {found} {text}{errors}");
    }
    let (code, text, _) = desk.run(&["bundle", "show", "altered"]);
    assert!(code == 40 && text.contains("NOT OVER THIS BUNDLE"), "{text}");
    assert!(!desk.path("x").exists() && !desk.path("d").exists());
    assert_eq!(fs::read(desk.path("one")).unwrap(), before);
}

/// Without the options of the last export, everything that it brought would be in force again, or unknown.
#[test]
fn what_the_last_bundle_had_is_not_left_out_by_mistake() {
    let desk = Desk::new();
    desk.pki(&["init", "--profile", "iq-nid-compat", "--dir", "neighbour"]);
    let der = fs::read(desk.path("neighbour/csca/certificate.der")).unwrap();
    let confirmed = hex::encode(Certificate::from_der(&der).unwrap().fingerprint());
    desk.pki(&["trust", "import", "--dir", "anchors", "neighbour/csca/certificate.der", "--confirm", &confirmed]);
    let lost = |numbers: &[&str]| {
        let line =
            |number: &&str| format!("{{\"number\": \"{number}\", \"reason\": \"lost\", \"since\": \"2026-11-01\"}}\n");
        fs::write(desk.path("lost"), numbers.iter().map(line).collect::<String>()).unwrap();
    };
    lost(&["A1", "A2"]);
    let both = ["--revoked-documents", "lost", "--archive", "anchors"];
    desk.export("one", &[&both[..], &["--maximum-age", "30"]].concat());
    let (code, said, _) = desk.run(&["crl", "issue", "--dir", "pki"]);
    let next = "next: bitaqa-pki bundle export --revoked-documents FILE --archive DIR --maximum-age 30 --dir pki";
    assert!(code == 0 && said.contains(next), "{said}");

    let refused = |more: &[&str], words: &str| {
        let (code, _, said) = desk.run(&[&["bundle", "export", "--dir", "pki", "--out", "x"], more].concat());
        assert!(code == 2 && said.contains(words) && said.contains("--allow-fewer"), "{code} {said}");
    };
    refused(&[], "bundle 1 had 2 revoked documents, 1 anchors and 0 defect lists which this one would not have");
    refused(&both[..2], "had 0 revoked documents, 1 anchors");
    refused(&both[2..], "had 2 revoked documents, 0 anchors");
    lost(&["A1", "A3"]);
    refused(&both, "had 1 revoked documents, 0 anchors");
    assert!(!desk.path("x").exists());
    lost(&["A1", "A2", "A3"]);
    assert_eq!(desk.export("two", &both)["number"], 2);
    assert_eq!(desk.export("three", &["--allow-fewer"])["anchors"], 1);
    desk.export("four", &[]);
}

/// A rollover of the neighbour is believed through its link; distrusted, the first key takes the second one with it.
#[test]
fn what_is_distrusted_reaches_no_bundle_again() {
    let desk = Desk::new();
    desk.pki(&["init", "--profile", "iq-nid-compat", "--dir", "neighbour"]);
    desk.pki(&["csca", "rollover", "--dir", "neighbour"]);
    let first = fs::read(desk.path("neighbour/csca/certificate.der")).unwrap();
    let first = hex::encode(Certificate::from_der(&first).unwrap().fingerprint());
    let second = fs::read(desk.path("neighbour/csca-2/certificate.der")).unwrap();
    let second = hex::encode(Certificate::from_der(&second).unwrap().fingerprint());
    let files = ["neighbour/csca/certificate.der", "neighbour/csca-2/link.der", "neighbour/csca-2/certificate.der"];
    let import = |more: &[&str]| desk.pki(&[&["trust", "import", "--dir", "anchors"], &files[..], more].concat());
    let list = || desk.pki(&["trust", "list", "--dir", "anchors"]);
    import(&["--confirm", &first]);
    let before = fs::read_to_string(desk.path("anchors/archive.json")).unwrap();
    assert!(before.contains("\"version\":1"), "nobody is distrusted");
    assert_eq!((list()["keys"].as_u64(), list()["believed"].as_u64()), (Some(2), Some(3)));
    assert_eq!(desk.export("one", &["--archive", "anchors"])["anchors"], 4);

    let distrust = ["trust", "distrust", "--dir", "anchors", "--because", "its key was stolen", "--by", "amina"];
    let (code, _, said) = desk.run(&[&distrust[..], &[&"00".repeat(32)]].concat());
    assert!(code == 2 && said.contains("has no certificate with the fingerprint"), "{said}");
    let done = desk.pki(&[&distrust[..], &[&first]].concat());
    assert_eq!((done["no_longer_believed"].as_array().unwrap().len(), done["keys"].as_u64()), (3, Some(0)));
    assert!(fs::read_to_string(desk.path("anchors/archive.json")).unwrap().contains("\"version\":2"));
    for more in [&[][..], &["--confirm", &first]] {
        let (code, again, _) = desk.run(&[&["trust", "import", "--dir", "anchors"], &files[..], more].concat());
        assert!(code == 0 && again.contains("by amina: its key was stolen"), "{again}");
        assert_eq!((list()["keys"].as_u64(), list()["believed"].as_u64()), (Some(0), Some(0)));
    }
    let (_, text, _) = desk.run(&["trust", "list", "--dir", "anchors"]);
    assert!(text.contains("by amina: its key was stolen"), "{text}");
    assert_eq!(list()["distrusted"][0]["fingerprint"], first.as_str());
    desk.pki(&["trust", "export", "--dir", "anchors", "--out", "anchors.pem"]);
    assert_eq!(fs::read_to_string(desk.path("anchors.pem")).unwrap(), "");
    // Left out on purpose: nothing is to be allowed. Nothing says either that the distrusted key could be believed.
    let next = desk.export("two", &["--archive", "anchors"]);
    assert_eq!((next["anchors"].as_u64(), next["seen_elsewhere"].as_u64()), (Some(1), Some(1)));

    // The second key is not distrusted itself: whoever compares it brings it and its link back, the first key not.
    import(&["--confirm", &second]);
    assert_eq!(list()["keys"], 1);
}

#[test]
fn an_older_bundle_gives_way_and_says_so_and_nothing_else_does() {
    let desk = Desk::new();
    assert!(desk.export("one", &[])["replaced"].is_null());
    let (code, said, _) = desk.run(&["bundle", "export", "--dir", "pki", "--out", "one"]);
    assert!(code == 0 && said.contains("in place of        bundle 1"), "{said}");
    let before = fs::read(desk.path("secret")).unwrap();
    let (code, _, said) = desk.run(&["bundle", "export", "--dir", "pki", "--out", "secret"]);
    assert!(code == 2 && said.contains("secret is there and is no trust bundle"), "{said}");
    assert_eq!(fs::read(desk.path("secret")).unwrap(), before);
}

#[test]
fn an_import_that_brings_nothing_is_no_success() {
    let desk = Desk::new();
    desk.export("utopia.bundle", &[]);
    let (code, said, _) = desk.run(&["trust", "import", "--dir", "anchors", "utopia.bundle"]);
    assert!(code == 40 && said.contains("1 refused"), "{said}");
}

/// The archive's word against one's own key is kept as against any other: no bundle hands that key out.
#[test]
fn the_own_csca_when_distrusted_is_not_handed_out_as_an_anchor() {
    let desk = Desk::new();
    let own = fs::read(desk.path("pki/csca/certificate.der")).unwrap();
    let own = hex::encode(Certificate::from_der(&own).unwrap().fingerprint());
    desk.pki(&["trust", "import", "--dir", "anchors", "pki/csca/certificate.der", "--confirm", &own]);
    assert_eq!(desk.export("one", &["--archive", "anchors"])["anchors"], 1);
    desk.pki(&["trust", "distrust", "--dir", "anchors", "--because", "stolen", "--by", "amina", &own]);
    let export = ["bundle", "export", "--dir", "pki", "--archive", "anchors", "--out", "two"];
    let (code, _, said) = desk.run(&export);
    assert!(code == 40 && said.contains(&own) && said.contains("bitaqa-pki csca rollover"), "{said}");
    assert!(!desk.path("two").exists());
    // A new key issues; the distrusted one stays out, and that is said.
    desk.pki(&["csca", "rollover", "--dir", "pki"]);
    let (code, said, _) = desk.run(&export);
    assert!(code == 0 && said.contains("LEFT OUT           this authority's own"), "{said}");
    let next = desk.export("three", &["--archive", "anchors"]);
    assert_eq!((next["anchors"].as_u64(), next["own_distrusted"][0]["sha256"].as_str()), (Some(1), Some(own.as_str())));
}

#[test]
fn custodians_who_sign_at_once_lose_no_signature() {
    let desk = Desk::new();
    desk.export("one", &[]);
    let names = ["amina", "omar", "leyla"];
    names.iter().for_each(|name| drop(desk.custodian(name)));
    std::thread::scope(|scope| {
        names.iter().for_each(|name| drop(scope.spawn(|| desk.sign("one", &[name]))));
    });
    let shown = desk.pki(&["bundle", "show", "one"]);
    assert_eq!(shown["signatures"].as_array().unwrap().len(), 4, "{shown}");
    let left = fs::read_dir(desk.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().ends_with(".new")));
}

/// A document signer of a foreign state is judged at the post as at the desk that keeps the archive.
#[test]
fn foreign_anchors_lists_and_hints_reach_the_post() {
    let desk = Desk::new();
    let foreign = |name: &str, signer: &str| {
        desk.pki(&["init", "--profile", "iq-nid-compat", "--dir", name]);
        desk.pki(&["ds", "new", "--dir", name, "--name", signer]);
    };
    // Two states that happen to have the same name here: one is believed, one only seen.
    foreign("believed", "ds-0001");
    foreign("seen", "ds-0001");
    let csca = fs::read(desk.path("believed/csca/certificate.der")).unwrap();
    let csca = Certificate::from_der(&csca).unwrap();
    let confirmed = hex::encode(csca.fingerprint());
    fs::copy(desk.path("believed/csca/certificate.der"), desk.path("iq.cer")).unwrap();
    fs::copy(desk.path("seen/csca/certificate.der"), desk.path("other.cer")).unwrap();
    desk.pki(&["trust", "import", "--dir", "anchors", "iq.cer", "--confirm", &confirmed]);
    desk.pki(&["trust", "import", "--dir", "anchors", "other.cer"]);

    let pem = |name: &str| {
        let der = fs::read(desk.path(name)).unwrap();
        let body = STANDARD.encode(der);
        format!("-----BEGIN X509 CRL-----\n{body}\n-----END X509 CRL-----\n")
    };
    fs::write(desk.path("both.pem"), pem("believed/crl/1.crl") + &pem("seen/crl/1.crl")).unwrap();
    let (code, _, said) = desk.run(&[
        "bundle",
        "export",
        "--dir",
        "pki",
        "--out",
        "x",
        "--archive",
        "anchors",
        "--crl",
        "seen/crl/1.crl",
    ]);
    assert!(code == 40 && said.contains("none that a believed anchor signed"), "{said}");
    let exported = desk.export("one", &["--archive", "anchors", "--crl", "both.pem", "--country", "XQZ=QZ"]);
    let counts = ["anchors", "crls", "seen_elsewhere"].map(|name| exported[name].as_u64().unwrap());
    assert_eq!(counts, [2, 2, 1]);
    assert_eq!(exported["crls_left_out"].as_array().unwrap().len(), 1);
    assert_eq!(exported["countries_without_code"].as_array().unwrap().len(), 0);
    let shown = desk.pki(&["bundle", "show", "one"]);
    assert_eq!(shown["policy"]["countries"], serde_json::json!({ "IRQ": "IQ", "UTO": "UT", "XQZ": "QZ" }));
    let origin = &shown["anchors"][1]["origins"][0];
    assert_eq!(origin["reason"], "confirmed");
    assert!(
        origin["source"].as_str().unwrap().contains("iq.cer") && origin["source"].as_str().unwrap().contains("by nour")
    );

    let pin = pins(1, &[exported["signer"].as_str().unwrap()]);
    let store = install(&desk.path("post"), &desk.path("one"), Some(&pin)).unwrap();
    let judge = |name: &str| {
        let der = fs::read(desk.path(name).join("ds/ds-0001/certificate.der")).unwrap();
        let document = Document {
            now: jiff::Timestamp::now(),
            code: Some("ID".into()),
            issuing_state: Some("IRQ".into()),
            issued: None,
        };
        chain::judge(&Certificate::from_der(&der).unwrap(), &store, &document)
    };
    let good = judge("believed");
    for id in [id::TRUST, id::COUNTRY, id::REVOCATION] {
        assert_eq!(
            good.finding(id).unwrap().outcome,
            Outcome::Successful,
            "{id}: {}",
            good.finding(id).unwrap().reason
        );
    }
    let missing = judge("seen");
    let finding = missing.finding(id::TRUST).unwrap();
    assert_eq!(finding.outcome, Outcome::Undetermined);
    let remedy = finding.remedy.as_deref().unwrap();
    assert!(remedy.contains("key id") && remedy.contains("other.cer"), "{remedy}");

    // What comes with the next import travels as a delta.
    desk.export("two", &["--archive", "anchors", "--crl", "both.pem"]);
    let delta = desk.pki(&["bundle", "delta", "one", "two", "--out", "1-2"]);
    assert!(delta["bytes"].as_u64().unwrap() * 3 < delta["bundle_bytes"].as_u64().unwrap(), "{delta}");
    install(&desk.path("post"), &desk.path("1-2"), None).unwrap();
    assert_eq!(fs::read(desk.path("post/bundle.json")).unwrap(), fs::read(desk.path("two")).unwrap());
}

#[test]
fn defect_lists_reach_the_post() {
    let desk = Desk::new();
    desk.pki(&["ds", "new", "--dir", "pki", "--name", "ds-0001"]);
    desk.pki(&["signer", "new", "deviation-list", "--dir", "pki"]);
    let der = fs::read(desk.path("pki/ds/ds-0001/certificate.der")).unwrap();
    let signer = Certificate::from_der(&der).unwrap();
    let key = hex::encode(signer.key_identifier());
    let signer_of = format!("[[defect]]\nsigner = {{ key-id = \"{key}\" }}\n");
    let known = signer_of + "[[defect.known]]\nkind = \"certificate-revoked\"\nstatus = 4\n";
    fs::write(desk.path("defects.toml"), known).unwrap();
    desk.pki(&["publish", "defect-list", "--defects", "defects.toml", "--dir", "pki"]);
    let list = ["--defect-list", "pki/lists/defect-list-1.dfl"];
    let exported = desk.export("one", &list);
    assert_eq!(exported["defect_lists"], 1);
    let shown = desk.pki(&["bundle", "show", "one"]);
    assert_eq!(
        (&shown["defect_lists"][0]["believed"], &shown["defect_lists"][0]["signers"]),
        (&true.into(), &1.into())
    );
    let (_, words, _) = desk.run(&["bundle", "show", "one"]);
    assert!(
        words.contains("defects           UT's defect list of ") && words.contains(": 1 document signers\n"),
        "{words}"
    );

    let pin = pins(1, &[exported["signer"].as_str().unwrap()]);
    let store = install(&desk.path("post"), &desk.path("one"), Some(&pin)).unwrap();
    let document =
        Document { now: jiff::Timestamp::now(), code: None, issuing_state: Some("UTO".into()), issued: None };
    let found = chain::judge(&signer, &store, &document);
    for id in [id::TRUST, id::REVOCATION, id::DEFECTS] {
        assert_eq!(found.finding(id).unwrap().outcome, Outcome::Failed, "{id}");
    }

    desk.pki(&["init", "--profile", "specimen-uto", "--dir", "other"]);
    let (code, _, said) = desk.run(&[&["bundle", "export", "--dir", "other", "--out", "x"], &list[..]].concat());
    assert!(code == 40 && said.contains("no anchor of the bundle stands behind UT's defect list"), "{said}");
    let junk = ["bundle", "export", "--dir", "pki", "--out", "x", "--defect-list", "defects.toml"];
    let (code, _, said) = desk.run(&junk);
    assert!(code == 2 && said.contains("Name a CMS defect list"), "{said}");
    assert!(!desk.path("x").exists());
}
