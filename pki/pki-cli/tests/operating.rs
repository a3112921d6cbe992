//! What an operator has to keep an authority going: the status of everything, the forecast, backups.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret"), "a passphrase for tests\n").unwrap();
        Desk(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn pki(&self, arguments: &str) -> Command {
        let mut command = Command::cargo_bin("bitaqa-pki").unwrap();
        command.current_dir(self.path()).args(arguments.split_whitespace());
        command.env("BITAQA_PASSPHRASE_FILE", "secret").env("BITAQA_SIGNER_PASSPHRASE_FILE", "secret");
        command
    }

    fn done(&self, arguments: &str) -> String {
        let output = self.pki(arguments).assert().success();
        String::from_utf8(output.get_output().stdout.clone()).unwrap()
    }

    fn json(&self, arguments: &str, code: i32) -> Value {
        let output = self.pki(arguments).arg("--json").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}: {text}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&text).unwrap()
    }
}

#[test]
fn nobody_is_asked_for_a_secret_when_nothing_is_due() {
    let desk = Desk::new();
    for command in ["init --profile specimen-uto --dir pki", "ds ensure --dir pki", "crl ensure --dir pki"] {
        desk.done(command);
    }
    let without_secret = |arguments: &str| {
        let mut command = desk.pki(arguments);
        command.env_remove("BITAQA_PASSPHRASE_FILE").env_remove("BITAQA_SIGNER_PASSPHRASE_FILE");
        command.assert()
    };
    without_secret("ds ensure --dir pki").success();
    without_secret("crl ensure --dir pki").success();
    // For a year from now a new signer is needed, and its secret.
    without_secret("ds ensure --dir pki --days 365").code(2);
    // A revocation is published at once: the bundle after it needs nothing else.
    desk.done("ds revoke ds-0001 --dir pki");
    without_secret("crl ensure --dir pki").code(2);
    assert!(desk.done("crl ensure --dir pki").starts_with("revocation list issued"));
    desk.done("bundle export --dir pki --out uto.bundle");
}

#[test]
fn output_and_options_are_the_same_everywhere() {
    let desk = Desk::new();
    desk.done("init --profile specimen-uto --dir pki");
    desk.done("ds new --dir pki --name one");
    desk.done("ds new --dir pki --name two");
    // A revoked signer that the list lacks is not on it; the day is that of the list.
    desk.done("ds revoke --dir pki --name one");
    let output = desk.pki("status --dir pki").assert().code(40);
    let words = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    assert!(words.contains("a revoked signer is not on it (until "), "{words}");
    // The name as earlier versions took it; one of both, and one only.
    desk.done("ds revoke --dir pki two");
    desk.pki("ds revoke --dir pki --name one two").assert().code(2);
    desk.pki("ds revoke --dir pki").assert().code(2);
    let told = desk.json("ds new --dir pki --nosuch", 2);
    assert!(told["error"]["why"].as_str().unwrap().contains("--nosuch"), "{told}");
    // A full disk behind standard output is told, a reader who went away is not.
    for words in ["status --dir pki", "completions bash", "man", "lint --rules"] {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("bitaqa-pki"));
        command.current_dir(desk.path()).args(words.split(' '));
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        let (gone, writer) = std::io::pipe().unwrap();
        drop(gone);
        let output = command.stdout(writer).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() != Some(2) && said.is_empty(), "{words}: {said}");
    }
}

/// At a terminal, which `script` plays.
#[test]
fn a_wrong_passphrase_is_told_before_a_new_one_is_typed_twice() {
    let desk = Desk::new();
    desk.done("init --profile specimen-uto --dir pki");
    desk.done("cvc init --dir pki --mnemonic ISCVCA --type is");
    let program = assert_cmd::cargo::cargo_bin("bitaqa-pki");
    for words in ["ds new --dir pki", "cvc dv --dir pki --by UTISCVCA --mnemonic DVONE --domestic"] {
        let mut terminal = Command::new("script");
        terminal.current_dir(desk.path()).args(["-qec", &format!("{} {words}", program.display()), "/dev/null"]);
        terminal.env_remove("BITAQA_PASSPHRASE_FILE").env_remove("BITAQA_SIGNER_PASSPHRASE_FILE");
        let output = terminal.write_stdin("no such passphrase\n").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.code() == Some(40) && said.contains("Passphrase of the keys: "), "{said}");
        assert!(said.contains("Give the passphrase of this key") && !said.contains("New passphrase"), "{said}");
    }
}

#[test]
fn a_mistyped_path_is_no_empty_archive_and_stops_no_other_file() {
    let desk = Desk::new();
    desk.done("init --profile specimen-uto --dir pki");
    assert!(desk.json("trust list --dir nowhere", 2)["error"]["why"].as_str().unwrap().contains("does not exist"));
    assert!(!desk.path().join("nowhere").exists());
    for command in ["acts verify --dir nowhere", "acts show --dir nowhere"] {
        assert!(desk.json(command, 2)["error"]["what"].as_str().unwrap().contains("nowhere cannot be read"));
    }
    let output = desk.pki("lint missing.cer pki/csca/certificate.der absent.crl").assert().code(2);
    let words = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    let errors = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(words.contains("pki/csca/certificate.der: csca"), "{words}");
    assert!(errors.contains("missing.cer") && errors.contains("absent.crl"), "{errors}");
}

#[test]
fn status_and_forecast_know_everything() {
    let desk = Desk::new();
    for command in [
        "init --profile specimen-uto --dir pki",
        "csca rollover --dir pki",
        "signer new master-list --dir pki",
        "citizen init --dir pki",
        "citizen responder --dir pki",
        "cvc init --dir pki --mnemonic ISCVCA --type is",
        "cvc dv --dir pki --by UTISCVCA --mnemonic DVONE --domestic --days 14",
        "cvc terminal --dir pki --by UTDVONE --mnemonic POST --rights read-dg3 --days 5",
        "cvc request --dir abroad --country XO --mnemonic DV --authority \
         pki/cvc/UTISCVCA/generations/00001/certificate.cvcert --out dv.cvreq",
        "cvc issue --dir pki --by UTISCVCA --level foreign-dv --request dv.cvreq --out dv.cvcert",
    ] {
        desk.done(command);
    }
    let status = desk.json("status --dir pki", 40);
    let items = status["items"].as_array().unwrap();
    let of = |kind: &str| -> Vec<&Value> { items.iter().filter(|item| item["kind"] == kind).collect() };
    for (kind, count) in [
        ("csca", 2),
        ("bundle-signer", 1),
        ("master-list-signer", 1),
        ("revocation-list", 1),
        ("citizen-ca", 1),
        ("citizen-responder", 1),
        ("cvca", 1),
        ("document-verifier", 1),
        ("terminal", 1),
        ("cv-issued", 1),
    ] {
        assert_eq!(of(kind).len(), count, "{kind}: {status}");
    }
    assert_eq!((of("csca")[0]["current"].as_bool(), of("csca")[1]["current"].as_bool()), (Some(false), Some(true)));
    let terminal = of("terminal")[0];
    assert_eq!((terminal["name"].as_str(), terminal["need"].as_str()), (Some("UTPOST00001"), Some("soon")));
    // What it says can be typed.
    let action = terminal["action"].as_str().unwrap().strip_prefix("bitaqa-pki ").unwrap();
    assert_eq!(action, "cvc terminal --by UTDVONE --country UT --mnemonic POST --rights read-dg3 --dir pki");
    desk.done(&format!("{action} --days 13"));
    let ending = desk.json("expire-soon --dir pki --days 20", 0);
    let names: Vec<&str> =
        ending["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["UTPOST00002", "UTDVONE00001"]);
    let words = desk.done("expire-soon --dir pki --days 20");
    assert!(words.contains("in 13 days") && words.contains("do: bitaqa-pki cvc dv --by UTISCVCA"), "{words}");
    assert_eq!(desk.done("expire-soon --dir pki --days 1"), "nothing ends within 1 days\n");
    let calendar = desk.done("expire-soon --dir pki --days 20 --ics");
    assert_eq!((calendar.matches("BEGIN:VEVENT\r\n").count(), calendar.matches("END:VEVENT\r\n").count()), (2, 2));
    assert!(calendar.starts_with("BEGIN:VCALENDAR\r\n") && calendar.lines().all(|line| line.len() <= 75), "{calendar}");
}

#[test]
fn an_authority_is_backed_up_lost_and_restored() {
    let desk = Desk::new();
    desk.done("init --profile specimen-uto --dir pki");
    desk.done("ds new --dir pki");
    let made = desk.json("backup --dir pki --out pki.backup", 0);
    assert_eq!(
        (made["acts"].as_u64(), made["crl_number"].as_u64(), made["tokens"].as_array().map(Vec::len)),
        (Some(4), Some(1), Some(0))
    );
    assert!(desk.done("backup verify pki.backup").starts_with("the backup is good\n"));
    assert_eq!(desk.json("backup --dir pki --out pki.backup", 2)["error"]["exit"], 2);
    desk.done("ds revoke --dir pki ds-0001");
    desk.done("crl issue --dir pki");
    fs::copy(desk.path().join("pki/crl/2.crl"), desk.path().join("published.crl")).unwrap();
    let older = desk.json("restore pki.backup --dir pki --nothing-since", 40);
    assert!(older["error"]["why"].as_str().unwrap().contains("it is older"), "{older}");
    fs::rename(desk.path().join("pki"), desk.path().join("lost")).unwrap();

    let refused = desk.json("restore pki.backup --dir pki", 2);
    assert!(refused["error"]["remedy"].as_str().unwrap().contains("--crl"), "{refused}");
    let restored = desk.json("restore pki.backup --dir pki --crl published.crl", 0);
    assert_eq!(restored["revoked_since"].as_array().unwrap().len(), 1);
    desk.done("acts verify --dir pki");
    let next = desk.json("crl issue --dir pki", 0);
    assert_eq!((next["revoked"].as_u64(), next["number"].as_str()), (Some(1), Some("03eb")));
    desk.done("ds new --dir pki");
    desk.done("bundle export --dir pki --out b");

    let mut spoiled = fs::read(desk.path().join("pki.backup")).unwrap();
    let middle = spoiled.len() / 2;
    spoiled[middle] ^= 1;
    fs::write(desk.path().join("spoiled.backup"), spoiled).unwrap();
    desk.json("backup verify spoiled.backup", 40);
    desk.json("restore spoiled.backup --dir elsewhere --nothing-since", 40);
    assert!(!desk.path().join("elsewhere").exists());
    for command in ["backup", "backup verify", "restore", "expire-soon", "status"] {
        assert!(desk.done(&format!("{command} --help")).contains("Example"), "{command}");
    }
}
