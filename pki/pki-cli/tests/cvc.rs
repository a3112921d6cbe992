//! `bitaqa-pki cvc` as the operators of a CVCA, of a foreign document verifier and of an embassy meet it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;

use assert_cmd::Command;
use serde_json::Value;

const PASSPHRASE: &str = "never-to-be-seen-anywhere";

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), format!("{PASSPHRASE}\n")).unwrap();
        Desk(folder)
    }

    fn cvc(&self, arguments: &str) -> Command {
        let mut command = Command::cargo_bin("bitaqa-pki").unwrap();
        command.current_dir(self.0.path()).arg("cvc").args(arguments.split_whitespace());
        command.env("BITAQA_PASSPHRASE_FILE", "secret").env("BITAQA_SIGNER_PASSPHRASE_FILE", "secret");
        command
    }

    fn json(&self, arguments: &str) -> Value {
        let output = self.cvc(arguments).arg("--json").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments}: {text}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    fn words(&self, arguments: &str) -> String {
        let output = self.cvc(arguments).assert().success();
        String::from_utf8(output.get_output().stdout.clone()).unwrap()
    }

    fn refused(&self, arguments: &str, code: i32, remedy: &str) {
        let output = self.cvc(arguments).assert().code(code);
        let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(text.contains("why: ") && text.contains(remedy), "{arguments}: {text}");
    }
}

#[test]
fn from_a_cvca_over_a_rollover_to_an_embassy() {
    let desk = Desk::new();
    let root = desk.json("init --dir pki --country UT --mnemonic ISCVCA --type is");
    assert_eq!((root["holder"].as_str(), root["self_signed"].as_bool()), (Some("UTISCVCA00001"), Some(true)));
    assert_eq!((root["curve"].as_str(), root["template"].as_str()), (Some("brainpoolP256r1"), Some("c3")));
    fs::copy(desk.0.path().join("pki/cvc/UTISCVCA/generations/00001/certificate.cvcert"), desk.0.path().join("root"))
        .unwrap();
    let next = desk.json("init --dir pki --country UT --mnemonic ISCVCA --next");
    assert_eq!(next["link"]["authority"], "UTISCVCA00001");
    desk.json("dv --dir pki --by UTISCVCA --country UT --mnemonic DVBORDER --domestic");
    let post = "terminal --dir pki --by UTDVBORDER --country UT --mnemonic EMBPARIS --rights read-dg3 --days 7";
    let terminal = desk.json(post);
    assert_eq!((terminal["level"].as_str(), terminal["rights"][0].as_str()), (Some("terminal"), Some("read-dg3")));

    let said = desk.words(post);
    assert!(
        said.contains("give this folder to the post, whole, again after each new key: pki/cvc/UTEMBPARIS\n"),
        "{said}"
    );

    let chain = "pki/cvc/UTEMBPARIS/generations/00001/chain.cvcerts";
    let verified = desk.json(&format!("verify --trust root {chain}"));
    assert_eq!(verified["effective_rights"].as_array().unwrap().len(), 1);
    assert_eq!(verified["new_trust_points"][0], "UTISCVCA00002");
    // Whoever has the new root does not need the link.
    let newer = "pki/cvc/UTISCVCA/generations/00002/certificate.cvcert";
    assert_eq!(desk.json(&format!("verify --trust {newer} {chain}"))["new_trust_points"], Value::Array(Vec::new()));
    desk.refused(&format!("verify --trust root --date 2031-01-01 {chain}"), 40, "missing or newer certificate");
    desk.refused(&format!("verify --trust {chain} {chain}"), 40, "TR-03110-3");

    let shown = desk.words(&format!("show {chain}"));
    for expected in ["IS cvca (link)", "IS domestic-dv", "on the curve of its CVCA", "rights       read-dg3"] {
        assert!(shown.contains(expected), "{expected} not in\n{shown}");
    }
    let listed = desk.words("list --dir pki");
    assert!(listed.contains("UTEMBPARIS00002") && listed.lines().count() == 3, "{listed}");
    let holders = desk.json("list --dir pki");
    assert_eq!(holders["holders"][2]["generations"].as_array().unwrap().len(), 2);
}

#[test]
fn a_foreign_document_verifier_asks_is_answered_and_renews() {
    let desk = Desk::new();
    desk.json("init --dir pki --country UT --mnemonic ISCVCA --type is --algorithm ecdsa-p-256");
    let root = "pki/cvc/UTISCVCA/generations/00001/certificate.cvcert";
    let ask = format!("request --dir abroad --country XO --mnemonic DV --authority {root} --out dv.cvreq");
    let request = desk.json(&ask);
    assert_eq!((request["authority"].as_str(), request["curve"].as_str()), (Some("UTISCVCA00001"), Some("P-256")));
    assert!(desk.words("show dv.cvreq").contains("vouched for  by nobody"));
    let issue = "issue --dir pki --by UTISCVCA --level foreign-dv --rights read-dg3 --request dv.cvreq --out dv.cvcert";
    desk.json(issue);
    desk.json(&format!("accept --dir abroad --holder XODV {root} dv.cvcert"));
    desk.refused(issue, 40, "signed with the key of the current certificate");
    desk.json("terminal --dir abroad --by XODV --country XO --mnemonic POST");
    desk.json(&format!("verify --trust {root} abroad/cvc/XOPOST/generations/00001/chain.cvcerts"));

    assert_eq!(desk.json(&ask)["authenticated_by"], "XODV00001");
    assert_eq!(desk.json(issue)["holder"], "XODV00002");
    desk.json(&format!("accept --dir abroad --holder XODV {root} dv.cvcert"));
    assert!(desk.words("list --dir abroad").contains("XODV00002"));
}

#[test]
fn refusals_say_what_to_do() {
    let desk = Desk::new();
    desk.json("init --dir pki --country UT --mnemonic ISCVCA --type is");
    let dv = "dv --dir pki --by UTISCVCA --country UT --mnemonic DV";
    desk.refused("init --dir pki --country UT --mnemonic ISCVCA --type is", 2, "--next");
    desk.refused("init --dir pki --mnemonic OTHER --type is", 2, "--country");
    desk.refused("init --dir pki --country UT --mnemonic TOOLONGNAME --type is", 2, "nine capital letters");
    desk.refused("init --dir pki --country UT --mnemonic NONE --next", 2, "cvc list");
    desk.refused(&format!("{dv} --days 3"), 2, "between these days");
    desk.refused(&format!("{dv} --rights write-dg17"), 2, "names the rights");
    // What may not be granted is told before a passphrase is tried; a wrong one is told with the key that it does not open.
    fs::write(desk.0.path().join("wrong"), "another passphrase\n").unwrap();
    desk.refused(&format!("{dv} --rights write-dg17 --passphrase-file wrong"), 2, "names the rights");
    let output = desk.cvc(&format!("{dv} --passphrase-file wrong")).assert().code(40);
    let said = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert!(said.contains("pki/cvc/UTISCVCA/generations/00001"), "{said}");
    desk.refused("terminal --dir pki --by UTISCVCA --country UT --mnemonic T", 2, "document verifiers");
    desk.refused("show secret", 40, "TR-03110-3");
    desk.refused("show nothing-here", 2, "Check the path");
    desk.cvc("init --dir x --country UT --mnemonic A --type is --algorithm ecdsa-p-192").assert().code(2);
    for command in ["init", "dv", "terminal", "request", "accept", "issue", "list", "show", "verify"] {
        let help = desk.cvc(&format!("{command} --help")).assert().success();
        assert!(String::from_utf8_lossy(&help.get_output().stdout).contains("Example"), "{command}");
    }
}

#[test]
fn no_passphrase_and_no_key_in_anything_written() {
    let desk = Desk::new();
    let mut printed = desk.words("init --dir pki --country UT --mnemonic ISCVCA --type is");
    printed += &desk.words("dv --dir pki --by UTISCVCA --country UT --mnemonic DV");
    printed += &desk.words("request --dir pki --country UT --mnemonic DV --out r");
    assert!(!printed.contains(PASSPHRASE) && !printed.contains("PRIVATE KEY"), "{printed}");
    let mut folders = vec![desk.0.path().join("pki")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                assert!(!text.contains(PASSPHRASE) && !text.contains("BEGIN PRIVATE KEY"), "{}", path.display());
            }
        }
    }
}
