//! The program as an operator and a monitoring script meet it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use trust::{Pin, TrustStore};

const PASSPHRASE: &str = "never-to-be-seen-anywhere";
const SIGNER_PASSPHRASE: &str = "nor this one of the signer";

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), format!("{PASSPHRASE}\n")).unwrap();
        fs::write(folder.path().join("centre"), format!("{SIGNER_PASSPHRASE}\n")).unwrap();
        Desk { folder }
    }

    fn with_authority() -> Self {
        let desk = Desk::new();
        desk.pki(&["init", "--profile", "specimen-uto", "--dir", "pki"]).assert().success();
        desk
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn pki(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("bitaqa-pki").unwrap();
        command.current_dir(self.path()).args(arguments).env("BITAQA_PASSPHRASE_FILE", "secret");
        command.env("BITAQA_SIGNER_PASSPHRASE_FILE", "centre");
        command
    }

    fn json(&self, arguments: &[&str]) -> (Value, i32) {
        let output = self.pki(arguments).arg("--json").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        (serde_json::from_str(&text).unwrap(), output.status.code().unwrap())
    }
}

#[test]
fn from_nothing_to_a_bundle_that_installs() {
    let desk = Desk::with_authority();
    let (signer, code) = desk.json(&["ds", "new", "--dir", "pki"]);
    assert_eq!((code, signer["name"].as_str()), (0, Some("ds-0001")));
    fs::write(
        desk.path().join("lost.jsonl"),
        "{\"number\":\"A12345678\",\"reason\":\"lost\",\"since\":\"2026-11-01\"}\n\n",
    )
    .unwrap();
    let arguments = ["bundle", "export", "--dir", "pki", "--out", "uto.bundle", "--revoked-documents", "lost.jsonl"];
    let (exported, code) = desk.json(&arguments);
    assert_eq!((code, exported["number"].as_u64(), exported["version"].as_u64()), (0, Some(1), Some(1)));

    let pin = Pin::from_hex(exported["signer"].as_str().unwrap()).unwrap();
    let key = fs::read_to_string(desk.path().join("uto.bundle.signer.pem")).unwrap();
    assert_eq!(Pin::of(&trust::PublicKey::from_pem(&key).unwrap()), pin);
    let bytes = fs::read(desk.path().join("uto.bundle")).unwrap();
    let store = TrustStore::install(&desk.path().join("store"), &bytes, Some(&pin.into())).unwrap();
    assert_eq!(store.anchors().len(), 1);
    assert!(matches!(store.document_status("UTO", "A12345678"), trust::DocumentStatus::Revoked(_)));
    assert_eq!(store.document_status("UTO", "A12345679"), trust::DocumentStatus::NotListed);

    let (status, code) = desk.json(&["status", "--dir", "pki"]);
    assert_eq!((code, status["need"].as_str()), (0, Some("nothing")));
}

#[test]
fn status_is_for_monitoring() {
    let desk = Desk::with_authority();
    let output = desk.pki(&["status", "--dir", "pki"]).assert().code(40);
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert!(text.contains("now: bitaqa-pki ds new"), "{text}");
    assert!(text.contains("soon: bitaqa-pki bundle export"), "{text}");
}

#[test]
fn revoking_asks_for_a_list_and_the_list_is_published() {
    let desk = Desk::with_authority();
    desk.pki(&["ds", "new", "--dir", "pki", "--name", "first"]).assert().success();
    desk.pki(&["ds", "revoke", "--dir", "pki", "first"]).assert().success();
    let (refused, code) = desk.json(&["bundle", "export", "--dir", "pki", "--out", "uto.bundle"]);
    assert_eq!((code, refused["error"]["exit"].as_i64()), (40, Some(40)));
    assert!(refused["error"]["remedy"].as_str().unwrap().contains("crl issue"));
    assert!(!desk.path().join("uto.bundle").exists());
    let (list, code) = desk.json(&["crl", "issue", "--dir", "pki"]);
    assert_eq!((code, list["revoked"].as_u64(), list["number"].as_str()), (0, Some(1), Some("02")));
    desk.pki(&["bundle", "export", "--dir", "pki", "--out", "uto.bundle"]).assert().success();
    // Until the next bundle, no post knows of a newer list.
    desk.pki(&["crl", "issue", "--dir", "pki"]).assert().success();
    let (status, code) = desk.json(&["status", "--dir", "pki"]);
    let said = status.to_string();
    assert!(code == 40 && said.contains("lacks the newest revocation list"), "{said}");
    desk.pki(&["bundle", "export", "--dir", "pki", "--out", "uto.bundle"]).assert().success();
    assert!(!desk.json(&["status", "--dir", "pki"]).0.to_string().contains("lacks the newest"));
}

#[test]
fn a_signer_has_the_authoritys_passphrase_only_when_that_is_chosen() {
    let desk = Desk::with_authority();
    let new = |arguments: &[&str]| {
        let mut command = desk.pki(&["ds", "new", "--dir", "pki"]);
        command.args(arguments).env_remove("BITAQA_SIGNER_PASSPHRASE_FILE");
        command
    };
    let opens = |name: &str, words: &str| {
        let folder = desk.path().join("pki/ds").join(name);
        authority::DocumentSigner::load(&folder, &authority::Passphrase::new(words)).is_ok()
    };
    let refused = new(&["--name", "silent"]).assert().code(2);
    let text = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    for choice in ["--signer-passphrase-file", "BITAQA_SIGNER_PASSPHRASE_FILE", "--same-passphrase"] {
        assert!(text.contains(choice), "{text}");
    }
    assert!(!desk.path().join("pki/ds/silent").exists());
    new(&["--name", "own", "--signer-passphrase-file", "centre"]).assert().success();
    assert!(opens("own", SIGNER_PASSPHRASE) && !opens("own", PASSPHRASE));
    new(&["--name", "same", "--same-passphrase"]).assert().success();
    assert!(opens("same", PASSPHRASE) && !opens("same", SIGNER_PASSPHRASE));
    new(&["--same-passphrase", "--signer-passphrase-file", "centre"]).assert().code(2);
    // Both from one pipe: the first read takes its own line and no more.
    new(&["--name", "piped", "--passphrase-fd", "0", "--signer-passphrase-fd", "0"])
        .write_stdin(format!("{PASSPHRASE}\nfrom the same pipe\n"))
        .assert()
        .success();
    assert!(opens("piped", "from the same pipe"));
}

#[test]
fn a_passphrase_comes_from_a_descriptor_too() {
    let desk = Desk::with_authority();
    desk.pki(&["crl", "issue", "--dir", "pki", "--passphrase-fd", "0"])
        .env_remove("BITAQA_PASSPHRASE_FILE")
        .write_stdin(format!("{PASSPHRASE}\n"))
        .assert()
        .success();
}

#[test]
fn failures_say_what_why_and_what_to_do() {
    let desk = Desk::with_authority();
    fs::write(desk.path().join("wrong"), "a wrong passphrase\n").unwrap();
    fs::write(desk.path().join("short"), "short\n").unwrap();
    fs::write(desk.path().join("bad.jsonl"), "{\"number\":\"a 1\",\"reason\":\"lost\",\"since\":\"2026-11-01\"}\n")
        .unwrap();
    let cases: [(&[&str], i32, &str); 7] = [
        (&["status", "--dir", "nowhere"], 40, "bitaqa-pki init"),
        (&["init", "--profile", "specimen-uto", "--dir", "pki"], 2, "does not exist yet"),
        (&["init", "--profile", "specimen-uto", "--dir", "new", "--passphrase-file", "short"], 2, "several words"),
        (&["crl", "issue", "--dir", "pki", "--passphrase-file", "wrong"], 40, "passphrase of this key"),
        (&["crl", "issue", "--dir", "pki", "--passphrase-file", "absent"], 2, "first line"),
        (&["ds", "new", "--dir", "pki", "--name", "../x"], 2, "Choose a name"),
        (
            &["bundle", "export", "--dir", "pki", "--out", "b", "--revoked-documents", "bad.jsonl"],
            2,
            "Correct the line",
        ),
    ];
    for (arguments, code, remedy) in cases {
        let output = desk.pki(arguments).assert().code(code);
        let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(text.starts_with("error: ") && text.contains("why: ") && text.contains("do:  "), "{text}");
        assert!(text.contains(remedy), "{text}");
        let (object, json_code) = desk.json(arguments);
        assert_eq!((json_code, object["error"]["exit"].as_i64()), (code, Some(i64::from(code))));
    }
    desk.pki(&["crl", "issue", "--dir", "pki"]).env_remove("BITAQA_PASSPHRASE_FILE").assert().code(2);
    desk.pki(&["init", "--profile", "nobody", "--dir", "x"]).assert().code(2);
    assert!(!desk.path().join("new").exists());
}

#[test]
fn no_passphrase_and_no_key_in_anything_printed_or_written() {
    let desk = Desk::new();
    let commands: [&[&str]; 6] = [
        &["init", "--profile", "iq-nid-compat", "--dir", "pki"],
        &["ds", "new", "--dir", "pki"],
        &["ds", "revoke", "--dir", "pki", "ds-0001"],
        &["crl", "issue", "--dir", "pki"],
        &["bundle", "export", "--dir", "pki", "--out", "b", "--include-signers"],
        &["status", "--dir", "pki"],
    ];
    for arguments in commands {
        let output = desk.pki(arguments).env("RUST_LOG", "trace").output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!text.contains(PASSPHRASE) && !text.contains(SIGNER_PASSPHRASE), "{text}");
        assert!(!text.contains("PRIVATE KEY"), "{text}");
    }
    fs::remove_file(desk.path().join("secret")).unwrap();
    fs::remove_file(desk.path().join("centre")).unwrap();
    let mut folders = vec![desk.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                assert!(!text.contains(PASSPHRASE) && !text.contains(SIGNER_PASSPHRASE), "{}", path.display());
                assert!(!text.contains("BEGIN PRIVATE KEY"), "{}", path.display());
            }
        }
    }
}

#[test]
fn help_is_generated() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = desk.pki(&["completions", shell]).assert().success();
        assert!(String::from_utf8_lossy(&output.get_output().stdout).contains("bitaqa-pki"));
    }
    desk.pki(&["man", "--out", "man"]).assert().success();
    for page in ["bitaqa-pki.1", "bitaqa-pki-init.1", "bitaqa-pki-ds-new.1", "bitaqa-pki-bundle-export.1"] {
        assert!(desk.path().join("man").join(page).exists(), "{page}");
    }
    for arguments in [&["--help"][..], &["bundle", "export", "--help"], &["ds", "new", "--help"]] {
        let output = desk.pki(arguments).assert().success();
        assert!(String::from_utf8_lossy(&output.get_output().stdout).contains("Example"));
    }
}

#[test]
fn lint_finds_nothing_in_what_is_issued_and_something_in_what_is_not() {
    let desk = Desk::with_authority();
    desk.pki(&["ds", "new", "--dir", "pki"]).assert().success();
    let files = ["pki/csca/certificate.der", "pki/ds/ds-0001/certificate.der", "pki/crl/1.crl"];
    let (clean, code) = desk.json(&[&["lint"][..], &files].concat());
    assert_eq!((code, clean["errors"].as_u64(), clean["version"].as_u64()), (0, Some(0), Some(1)));
    let kinds: Vec<&str> =
        clean["objects"].as_array().unwrap().iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["csca", "document-signer", "crl"]);
    assert!(
        clean["objects"].as_array().unwrap().iter().all(|object| object["findings"].as_array().unwrap().is_empty())
    );

    let (as_csca, code) = desk.json(&["lint", "--kind", "csca", "pki/ds/ds-0001/certificate.der"]);
    assert_eq!(code, 40);
    let findings = as_csca["objects"][0]["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["rule"] == "key-usage-csca" && finding["severity"] == "error"));

    let output = desk.pki(&["lint", "--edition", "6", "pki/csca/certificate.der"]).assert().code(40);
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert!(text.contains("csca, edition 6") && text.contains("alternative-names-absent-6"), "{text}");
    desk.pki(&["lint", "secret"]).assert().code(2);
    desk.pki(&["lint"]).assert().code(2);
    let (rules, code) = desk.json(&["lint", "--rules"]);
    assert!(code == 0 && rules["rules"].as_array().unwrap().len() > 150);
}

#[test]
fn documents_of_another_machine_are_signed() {
    let desk = Desk::with_authority();
    desk.pki(&["ds", "new", "--dir", "pki"]).assert().success();
    let folder = desk.path().join("ZZ0000017");
    fs::create_dir(&folder).unwrap();
    let mrz = "I<UTOZZ00000177<<<<<<<<<<<<<<<7408122F3204159UTO<<<<<<<<<<<6ERIKSSON<<ANNA<MARIA<<<<<<<<<<";
    fs::write(folder.join("EF_DG1.bin"), [b"\x61\x5D\x5F\x1F\x5A", mrz.as_bytes()].concat()).unwrap();
    fs::write(folder.join("EF.DG12"), b"\x6C\x0F\x5C\x02\x5F\x26\x5F\x26\x0820270115").unwrap();
    fs::write(folder.join("EF_COM.bin"), b"not signed").unwrap();
    let sign = |expected: i32| {
        let mut command = desk.pki(&["ds", "sign", "--signer", "pki/ds/ds-0001", "ZZ0000017", "--json"]);
        command.env("BITAQA_PASSPHRASE_FILE", "centre").assert().code(expected).get_output().stdout.clone()
    };
    let said: Value = serde_json::from_slice(&sign(0)).unwrap();
    assert_eq!(said["signed"], serde_json::json!(["ZZ0000017/EF_SOD.bin"]));

    let object = trust::security_object::parse_file(&fs::read(folder.join("EF_SOD.bin")).unwrap()).unwrap();
    let hashes = lds::sod::LdsSecurityObject::parse(object.claimed().content()).unwrap().hashes;
    assert_eq!(hashes.keys().copied().collect::<Vec<u8>>(), [1, 12]);
    let signer = trust::Certificate::from_der(&fs::read(desk.path().join("pki/ds/ds-0001/certificate.der")).unwrap());
    let (data, signer) = (object.signed_data(), signer.unwrap());
    data.verify(&data.signers()[0], &signer).unwrap();

    // Again changes nothing; other data groups are never signed over; what is no data group is refused.
    let before = fs::read(folder.join("EF_SOD.bin")).unwrap();
    let said: Value = serde_json::from_slice(&sign(0)).unwrap();
    assert_eq!((said["signed"].as_array().unwrap().len(), said["signed_before"].as_array().unwrap().len()), (0, 1));
    fs::write(folder.join("EF.DG12"), b"\x6C\x0F\x5C\x02\x5F\x26\x5F\x26\x0820270116").unwrap();
    sign(2);
    assert_eq!(fs::read(folder.join("EF_SOD.bin")).unwrap(), before);
    fs::remove_file(folder.join("EF_SOD.bin")).unwrap();
    fs::write(folder.join("EF.DG12"), b"\x6C\x10\x5C\x02\x5F\x26\x5F\x26\x0820270116").unwrap();
    sign(2);
    assert!(!folder.join("EF_SOD.bin").exists());
}

#[test]
fn output_that_is_lost_and_names_that_are_no_text_are_said() {
    use std::os::unix::ffi::OsStrExt;
    let desk = Desk::with_authority();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("bitaqa-pki"));
    let output = command.current_dir(desk.path()).args(["acts", "show", "--dir", "pki"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("could not be printed"));
    let name = std::ffi::OsStr::from_bytes(b"p\xff");
    let output = desk.pki(&["--json", "init", "--profile", "specimen-uto", "--dir"]).arg(name).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stdout).unwrap().contains("not UTF-8"));
    assert!(!desk.path().join(name).exists());
}
