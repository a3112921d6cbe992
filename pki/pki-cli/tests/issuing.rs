//! Generations, lists, acts, ceremonies and citizens as an operator meets them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "a passphrase for tests\n").unwrap();
        Desk { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn pki(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("bitaqa-pki").unwrap();
        command.current_dir(self.path()).args(arguments);
        command.env("BITAQA_PASSPHRASE_FILE", "secret").env("BITAQA_SIGNER_PASSPHRASE_FILE", "secret");
        command
    }

    fn json(&self, arguments: &[&str]) -> (Value, i32) {
        let output = self.pki(arguments).arg("--json").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}{}", String::from_utf8_lossy(&output.stderr));
        (serde_json::from_str(&text).unwrap(), output.status.code().unwrap())
    }
}

#[test]
fn an_authority_publishes_and_its_record_is_whole() {
    let desk = Desk::new();
    desk.pki(&["init", "--profile", "specimen-uto", "--dir", "pki"]).assert().success();
    for made in [true, false] {
        let (signer, code) = desk.json(&["ds", "ensure", "--dir", "pki"]);
        assert_eq!((code, signer["made"].as_bool(), signer["name"].as_str()), (0, Some(made), Some("ds-0001")));
    }
    let (stands, _) = desk.json(&["csca", "rollover", "--dir", "pki", "--if-within-days", "90"]);
    assert_eq!((stands["made"].as_bool(), stands["generation"].as_u64()), (Some(false), Some(1)));
    let (made, _) = desk.json(&["csca", "rollover", "--dir", "pki", "--common-name", "CSCA Utopia Renamed"]);
    assert_eq!((made["made"].as_bool(), made["generation"].as_u64()), (Some(true), Some(2)));
    assert_ne!(made["link"]["serial"], made["csca"]["serial"]);
    for made in [true, false] {
        let (renamed, _) = desk.json(&["csca", "rename", "--dir", "pki", "--common-name", "CSCA Utopia Again"]);
        assert_eq!((renamed["made"].as_bool(), renamed["generation"].as_u64()), (Some(made), Some(3)));
    }
    let (stands, _) = desk.json(&["crl", "ensure", "--dir", "pki"]);
    assert_eq!(stands["state"].as_str(), Some("stands"));
    let (shown, _) = desk.json(&["csca", "show", "--dir", "pki"]);
    assert_eq!(shown["generations"].as_array().unwrap().len(), 3);

    let (refused, code) = desk.json(&["publish", "master-list", "--dir", "pki"]);
    assert_eq!((code, refused["error"]["exit"].as_i64()), (2, Some(2)));
    desk.pki(&["signer", "new", "master-list", "--dir", "pki"]).assert().success();
    let (list, _) = desk.json(&["publish", "master-list", "--dir", "pki", "--certificate", "pki/csca/certificate.der"]);
    assert_eq!(list["entries"].as_u64(), Some(5));
    desk.pki(&["signer", "ensure", "deviation-list", "--dir", "pki"]).assert().success();
    fs::write(
        desk.path().join("batch.toml"),
        "[[deviation]]\nissued = { first = \"2026-03-01\", last = \"2026-03-07\" }\nnumbers = [\"A12345678\"]\n\
        signer = { key-id = \"00112233445566778899aabbccddeeff00112233\" }\n\
        [[deviation.defects]]\nkind = \"data-group-hash-wrong\"\ndata_group = 2\ndescription = \"Portrait re-encoded\"\n",
    )
    .unwrap();
    let (list, code) = desk.json(&["publish", "deviation-list", "--dir", "pki", "--deviations", "batch.toml"]);
    assert_eq!((code, list["entries"].as_u64()), (0, Some(1)));
    let defects = "[[defect]]\nsigner = { key-id = \"00112233445566778899aabbccddeeff00112233\" }\n\
        [[defect.known]]\nkind = \"certificate-revoked\"\nstatus = 1\n\
        [[defect.known]]\nkind = \"data-groups-malformed\"\ndata_groups = [2, 11]\n";
    fs::write(desk.path().join("defects.toml"), defects).unwrap();
    let (list, code) = desk.json(&["publish", "defect-list", "--dir", "pki", "--defects", "defects.toml"]);
    assert_eq!((code, list["entries"].as_u64()), (0, Some(1)));
    let (linted, code) = desk.json(&["lint", list["file"].as_str().unwrap()]);
    assert_eq!((code, linted["objects"][0]["kind"].as_str()), (0, Some("defect-list")));
    fs::write(desk.path().join("defects.toml"), defects.replace("status = 1", "status = 9")).unwrap();
    let (refused, code) = desk.json(&["publish", "defect-list", "--dir", "pki", "--defects", "defects.toml"]);
    assert_eq!(code, 2, "{refused}");
    desk.pki(&["signer", "new", "seal", "--dir", "pki", "--name", "ab-0001"]).assert().success();
    desk.pki(&["signer", "revoke", "seal", "--dir", "pki", "ab-0001"]).assert().success();

    let (verified, code) = desk.json(&["acts", "verify", "--dir", "pki"]);
    assert_eq!((code, verified["good"].as_bool()), (0, Some(true)));
    let head = verified["head"].as_str().unwrap();
    desk.pki(&["crl", "issue", "--dir", "pki"]).assert().success();
    desk.pki(&["acts", "verify", "--dir", "pki", "--head", head]).assert().success();
    let (shown, _) = desk.json(&["acts", "show", "--dir", "pki"]);
    let last = shown["acts"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["act"].as_str(), Some("revocation-list"));
    let record = desk.path().join("pki/acts.jsonl");
    fs::write(&record, fs::read_to_string(&record).unwrap().replace("ds-0001", "ds-0002")).unwrap();
    let (broken, code) = desk.json(&["acts", "verify", "--dir", "pki"]);
    assert_eq!(code, 40);
    assert!(broken["error"]["why"].as_str().unwrap().contains("altered"), "{broken}");
}

#[test]
fn a_custodians_name_is_written_as_toml_reads_it() {
    let desk = Desk::new();
    fs::write(desk.path().join("words"), "the words of a custodian\n").unwrap();
    let credential = |name: &str, out: &str| {
        desk.pki(&["ceremony", "credential", "--name", name, "--out", out, "--passphrase-file", "words"]).assert()
    };
    // What Rust escapes otherwise than TOML, or not at all.
    let name = "Amina \"A\\'\u{301} O'Hassan\u{200b}";
    let output = credential(name, "one.pem").success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    let read: toml::Value = toml::from_str(&text).unwrap();
    assert_eq!(read["custodian"][0]["name"].as_str(), Some(name));
    for name in ["", "two\nlines", "a\u{7}bell"] {
        credential(name, "two.pem").code(2);
    }
    assert!(!desk.path().join("two.pem").exists());
}

#[test]
fn three_custodians_hold_a_ceremony_and_an_auditor_replays_it() {
    let desk = Desk::new();
    let mut script = "format = \"bitaqa-ceremony\"\nversion = 1\ntitle = \"The CSCA of Utopia\"\n\
        profile = \"specimen-uto\"\nthreshold = 2\ncustody = \"shared\"\n"
        .to_owned();
    for name in ["amina", "omar", "leyla"] {
        fs::write(desk.path().join(format!("{name}.words")), format!("the words of {name}\n")).unwrap();
        let words = format!("{name}.words");
        let out = format!("{name}.pem");
        let arguments = ["ceremony", "credential", "--name", name, "--out", &out, "--passphrase-file", &words];
        let output = desk.pki(&arguments).assert().success();
        script.push_str(&String::from_utf8_lossy(&output.get_output().stdout));
    }
    script.push_str(
        "[[step]]\ndo = \"say\"\ntext = \"The room is closed.\"\n[[step]]\ndo = \"create-authority\"\n\
        [[step]]\ndo = \"roll-over\"\n",
    );
    fs::write(desk.path().join("script.toml"), &script).unwrap();
    let run = |names: &[&str]| {
        let mut arguments = vec!["ceremony", "run", "script.toml", "--dir", "pki", "--transcript", "transcript.txt"];
        let files: Vec<String> = names
            .iter()
            .flat_map(|name| [format!("--credential={name}.pem"), format!("--credential-passphrase-file={name}.words")])
            .collect();
        arguments.extend(files.iter().map(String::as_str));
        desk.pki(&arguments)
    };
    let output = run(&["leyla"]).write_stdin("yes\n".repeat(50)).assert().code(2);
    assert!(String::from_utf8_lossy(&output.get_output().stderr).contains("1 custodians are present"));
    assert!(!desk.path().join("pki").exists());
    // One does not confirm: the ceremony stops and goes on later.
    let output = run(&["leyla", "amina"]).write_stdin("yes\nyes\nyes\nno\n").assert().code(40);
    // What is signed is shown as it was written.
    let shown = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert!(shown.contains("do = \"create-authority\"") && !shown.contains("\\\""), "{shown}");
    // A slip of the hand is asked about again. The last one goes away before the end.
    let almost = "y\n".to_owned() + &"yes\n".repeat(11);
    let output = run(&["leyla", "amina"]).write_stdin(almost).assert().code(40);
    let shown = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert_eq!(desk.json(&["ceremony", "verify", "transcript.txt"]).0["closed"], Value::Null, "{shown}");
    let (status, code) = desk.json(&["status", "--dir", "pki/"]);
    let open = |status: &Value| status["items"].as_array().unwrap().iter().any(|item| item["kind"] == "ceremony");
    assert!(code == 40 && open(&status), "{status}");
    run(&["leyla", "amina"]).write_stdin("yes\n".repeat(50)).assert().success();
    assert!(!open(&desk.json(&["status", "--dir", "pki"]).0));
    let (replayed, code) = desk.json(&["ceremony", "verify", "transcript.txt", "--script", "script.toml"]);
    assert_eq!((code, replayed["steps"].as_array().unwrap().len()), (0, 3));
    assert_eq!(replayed["steps"][2]["made"].as_array().unwrap().len(), 3);
    let present: Vec<bool> =
        replayed["custodians"].as_array().unwrap().iter().map(|one| one["present"].as_bool().unwrap()).collect();
    assert_eq!(present, [true, false, true]);

    let text = fs::read_to_string(desk.path().join("transcript.txt")).unwrap();
    fs::write(desk.path().join("altered.txt"), text.replacen("The room is closed.", "The room is opened", 1)).unwrap();
    desk.pki(&["ceremony", "verify", "altered.txt"]).assert().code(40);
    fs::write(desk.path().join("other.toml"), script.replace("closed", "opened")).unwrap();
    desk.pki(&["ceremony", "verify", "transcript.txt", "--script", "other.toml"]).assert().code(40);
    for file in ["transcript.txt", "pki.custody.json", "pki/acts.jsonl"] {
        let text = fs::read_to_string(desk.path().join(file)).unwrap();
        assert!(!text.contains("the words of"), "{file}");
    }
}

#[test]
fn a_citizen_is_certified_and_revoked() {
    let desk = Desk::new();
    desk.pki(&["init", "--profile", "iq-nid-compat", "--dir", "pki"]).assert().success();
    let openssl = |arguments: &[&str]| {
        let status = std::process::Command::new("openssl").args(arguments).current_dir(desk.path()).output().unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    };
    openssl(&["genpkey", "-out", "key", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl(&["req", "-new", "-key", "key", "-subj", "/CN=x", "-out", "csr.pem"]);
    let issue = [
        "citizen",
        "issue",
        "--dir",
        "pki",
        "--csr",
        "csr.pem",
        "--purpose",
        "signature",
        "--given-names",
        "Nour",
        "--surname",
        "Hassan",
        "--number",
        "1234",
    ];
    let (refused, code) = desk.json(&issue);
    assert_eq!((code, refused["error"]["remedy"].as_str()), (2, Some("Set it up with bitaqa-pki citizen init.")));
    desk.pki(&["citizen", "init", "--dir", "pki"]).assert().success();
    let (first, _) = desk.json(&issue);
    let (again, _) = desk.json(&issue);
    assert_eq!((first["made"].as_bool(), again["made"].as_bool()), (Some(true), Some(false)));
    assert_eq!(first["certificate"], again["certificate"]);
    desk.pki(&["citizen", "responder", "--dir", "pki"]).assert().success();
    let serial = first["certificate"]["serial"].as_str().unwrap();
    desk.pki(&["citizen", "revoke", "--dir", "pki", serial]).assert().success();
    let (lists, _) = desk.json(&["citizen", "crl", "--dir", "pki", "--range", "0"]);
    assert_eq!(lists["lists"][0]["revoked"].as_u64(), Some(1));
    desk.pki(&["acts", "verify", "--dir", "pki"]).assert().success();

    std::fs::create_dir(desk.path().join("centre")).unwrap();
    std::fs::rename(desk.path().join("pki/citizen-ca"), desk.path().join("centre/citizen-ca")).unwrap();
    let (refused, code) = desk.json(&["citizen", "init", "--dir", "pki"]);
    assert!(code == 2 && refused["error"]["remedy"].as_str().unwrap().contains("--another"), "{refused}");
    assert!(!desk.path().join("pki/citizen-ca").exists());
    desk.pki(&["citizen", "init", "--dir", "pki", "--another"]).assert().success();
}

/// What the README says that a centre gets is what it needs, and the CSCA's key is not among it.
#[test]
fn a_centre_issues_citizens_certificates_without_the_key_of_the_csca() {
    let desk = Desk::new();
    desk.pki(&["init", "--profile", "iq-nid-compat", "--dir", "pki"]).assert().success();
    desk.pki(&["csca", "rollover", "--dir", "pki"]).assert().success();
    desk.pki(&["citizen", "init", "--dir", "pki"]).assert().success();
    let (from, to) = (desk.path().join("pki"), desk.path().join("centre"));
    for folder in ["csca", "csca-2"] {
        fs::create_dir_all(to.join(folder)).unwrap();
    }
    for file in ["state.json", "acts.jsonl", "csca/certificate.der", "csca-2/certificate.der", "csca-2/link.der"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    fs::rename(from.join("citizen-ca"), to.join("citizen-ca")).unwrap();
    let openssl = |arguments: &[&str]| {
        let done = std::process::Command::new("openssl").args(arguments).current_dir(desk.path()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    openssl(&["genpkey", "-out", "key", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl(&["req", "-new", "-key", "key", "-subj", "/CN=x", "-out", "csr.pem"]);
    let words = "--csr csr.pem --purpose signature --given-names Nour --surname Hassan --number 1234";
    let issue = |directory: &str| {
        let arguments = ["citizen", "issue", "--dir", directory].into_iter().chain(words.split(' '));
        desk.json(&arguments.collect::<Vec<_>>())
    };
    let (issued, code) = issue("centre");
    assert_eq!((code, issued["made"].as_bool()), (0, Some(true)), "{issued}");
    let serial = issued["certificate"]["serial"].as_str().unwrap();
    desk.pki(&["citizen", "revoke", "--dir", "centre", serial]).assert().success();
    desk.pki(&["citizen", "crl", "--dir", "centre"]).assert().success();
    // Nothing of the authority's own can be signed there, and there is one citizen CA, not two.
    desk.pki(&["crl", "issue", "--dir", "centre"]).assert().code(40);
    assert_eq!(issue("pki").1, 2);
    desk.pki(&["acts", "verify", "--dir", "centre"]).assert().success();
    desk.pki(&["status", "--dir", "pki"]).assert().code(40);
}

#[test]
fn every_command_has_help_with_an_example() {
    let desk = Desk::new();
    for command in [
        "csca rollover",
        "csca rename",
        "csca show",
        "ds ensure",
        "crl ensure",
        "signer new",
        "signer ensure",
        "signer revoke",
        "publish master-list",
        "publish deviation-list",
        "publish defect-list",
        "acts show",
        "acts verify",
        "ceremony credential",
        "ceremony run",
        "ceremony verify",
        "citizen init",
        "citizen issue",
        "citizen responder",
        "citizen revoke",
        "citizen crl",
    ] {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.push("--help");
        let output = desk.pki(&arguments).assert().success();
        assert!(String::from_utf8_lossy(&output.get_output().stdout).contains("Example"), "{command}");
    }
}

#[test]
fn an_entry_of_the_residence_register_becomes_a_signed_record() {
    use eid::residence::SignedResidence;
    use openssl::cms::{CMSOptions, CmsContentInfo};

    let desk = Desk::new();
    desk.pki(&["init", "--profile", "specimen-uto", "--dir", "pki"]).assert().success();
    desk.pki(&["signer", "new", "residence", "--dir", "pki", "--name", "office-1"]).assert().success();
    let sign = ["ds", "residence", "entry.json", "--signer", "pki/residence-signer/office-1", "--out", "residence.bin"];
    let entry = |number: &str, residence: &str| {
        let text = format!("{{\"national_number\": \"{number}\", \"residence\": {{{residence}}}}}");
        fs::write(desk.path().join("entry.json"), text).unwrap();
    };
    let good = "\"date\": \"2026-11-01\", \"office\": \"9102\", \"governorate\": \"بغداد\", \"lane\": \"١٢\"";
    entry("199900000011", good);
    let (made, code) = desk.json(&sign);
    assert_eq!((code, made["date"].as_str(), made["office"].as_str()), (0, Some("2026-11-01"), Some("9102")));
    let content = fs::read(desk.path().join("residence.bin")).unwrap();
    assert_eq!(made["bytes"].as_u64(), Some(content.len() as u64));
    let signed = SignedResidence::parse(&content).unwrap();
    let record = signed.residence().unwrap();
    assert_eq!((record.national_number.as_str(), record.date.to_digits().as_str()), ("199900000011", "20261101"));
    assert_eq!((record.address.governorate.as_str(), record.address.lane.as_str()), ("بغداد", "١٢"));
    assert_eq!(record.address.house, "");
    let mut cms = CmsContentInfo::from_der(signed.signature).unwrap();
    let options = CMSOptions::BINARY | CMSOptions::NO_SIGNER_CERT_VERIFY;
    cms.verify(None, None, Some(signed.record), None, options).unwrap();
    assert!(cms.verify(None, None, Some(&[signed.record, b" "].concat()), None, options).is_err());

    // A link is followed, a device is written to; neither becomes a file.
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, desk.path().join(name)).unwrap();
    link("residence.bin", "link");
    link("/dev/full", "full");
    let to = |name: &str| desk.json(&[&sign[..6], &[name]].concat()).1;
    assert_eq!((to("link"), to("full")), (0, 2));
    assert!(["link", "full"].iter().all(|name| fs::symlink_metadata(desk.path().join(name)).unwrap().is_symlink()));
    let content = fs::read(desk.path().join("residence.bin")).unwrap();
    assert_eq!(SignedResidence::parse(&content).unwrap().residence().unwrap(), record);

    // What an order may not say, no office signs either.
    for (wrong, why) in [
        (good.replace("9102", "بغداد"), "the office is a code"),
        (good.replace("بغداد", ""), "no governorate"),
        (good.replace("2026-11-01", "2126-11-01"), "is still to come"),
    ] {
        entry("199900000011", &wrong);
        let (refused, code) = desk.json(&sign);
        assert_eq!((code, fs::read(desk.path().join("residence.bin")).unwrap() == content), (2, true), "{refused}");
        assert!(refused["error"]["why"].as_str().unwrap().contains(why), "{refused}");
    }
    entry("199900000011", good);

    // The printing centre's signer signs records too; those of lists do not.
    desk.pki(&["ds", "new", "--dir", "pki", "--name", "ds-1"]).assert().success();
    desk.pki(&["signer", "new", "master-list", "--dir", "pki", "--name", "mls-1"]).assert().success();
    let by = |signer: &str| desk.json(&["ds", "residence", "entry.json", "--signer", signer, "--out", "other.bin"]);
    let (refused, code) = by("pki/master-list-signer/mls-1");
    assert_eq!((code, desk.path().join("other.bin").exists()), (2, false), "{refused}");
    assert!(refused["error"]["why"].as_str().unwrap().contains("its purposes are 2.23.136.1.1.3"), "{refused}");
    assert_eq!(by("pki/ds/ds-1").1, 0);

    // An office's signer signs nothing else, whatever the secret that is given; the key is not even opened.
    fs::create_dir(desk.path().join("document")).unwrap();
    fs::write(desk.path().join("document/EF_DG1.bin"), [0x61, 0]).unwrap();
    fs::write(desk.path().join("document/EF_DG2.bin"), [0x75, 0]).unwrap();
    let uses = || desk.json(&["status", "--dir", "pki"]).0["items"].to_string();
    let before = uses();
    for workers in ["1", "2"] {
        for secret in ["secret", "other-secret"] {
            fs::write(desk.path().join("other-secret"), "another passphrase\n").unwrap();
            let office = ["ds", "sign", "--signer", "pki/residence-signer/office-1", "--signing-workers", workers];
            let (refused, code) = desk.json(&[&office[..], &["--passphrase-file", secret, "document"]].concat());
            assert_eq!((code, desk.path().join("document/EF_SOD.bin").exists()), (2, false), "{refused}");
            let error = &refused["error"];
            assert!(error["why"].as_str().unwrap().contains("residence signer, which signs no security object"));
            assert!(error["remedy"].as_str().unwrap().contains("document signer"), "{refused}");
        }
    }
    assert_eq!(uses(), before);
    desk.pki(&["ds", "sign", "--signer", "pki/ds/ds-1", "document"]).assert().success();
    let (linted, code) = desk.json(&["lint", "pki/residence-signer/office-1/certificate.der"]);
    assert_eq!((code, linted["objects"][0]["kind"].as_str()), (0, Some("residence-signer")), "{linted}");
    let as_document = ["lint", "--kind", "document-signer", "pki/residence-signer/office-1/certificate.der"];
    assert_eq!(desk.json(&as_document).1, 40);
    desk.pki(&["signer", "ensure", "residence", "--dir", "pki"]).assert().success();
    desk.pki(&["signer", "revoke", "residence", "--dir", "pki", "--name", "office-1"]).assert().success();
    desk.pki(&["crl", "issue", "--dir", "pki"]).assert().success();
    desk.pki(&["acts", "verify", "--dir", "pki"]).assert().success();

    // What no reader of a card could read is not signed, and what was signed stays.
    let long = format!("{good}, \"house\": \"{}\"", "x".repeat(121));
    for (number, residence) in [
        ("1999000000", good),
        ("199900000011", "\"date\": \"2026-11-01\", \"office\": \"9102\""),
        ("199900000011", &good.replace("lane", "street")),
        ("199900000011", &good.replace("2026-11-01", "2026-13-01")),
        ("199900000011", &long),
    ] {
        entry(number, residence);
        let (refused, code) = desk.json(&sign);
        assert_eq!((code, refused["error"]["exit"].as_i64()), (2, Some(2)), "{number} {residence}");
        assert_eq!(fs::read(desk.path().join("residence.bin")).unwrap(), content);
    }
}
