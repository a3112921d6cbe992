//! What is printed, where, and with which exit code, whatever the command.

use std::fs::File;
use std::process::{Command, Stdio};

use assert_cmd::cargo::CommandCargoExt;
use serde_json::Value;

fn reader(words: &[&str]) -> Command {
    let mut command = Command::cargo_bin("bitaqa-reader").unwrap();
    command.args(words).env_remove("BITAQA_TRUST");
    command
}

const PRINTING: [&[&str]; 4] = [&["explain"], &["explain", "CLONE_SUSPECT"], &["completions", "bash"], &["man"]];

#[test]
fn a_full_disk_behind_standard_output_is_no_bug_of_the_program() {
    for words in PRINTING {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = reader(words).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains("The result cannot be printed: standard output: "), "{said}");
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    for words in PRINTING {
        let (gone, writer) = std::io::pipe().unwrap();
        drop(gone);
        let output = reader(words).stdout(Stdio::from(writer)).output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{words:?}");
    }
}

#[test]
fn json_is_asked_for_before_or_behind_the_command() {
    let explained = |words: &[&str]| {
        let output = reader(words).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let before = explained(&["--json", "explain", "CLONE_SUSPECT"]);
    assert_eq!(before, explained(&["explain", "CLONE_SUSPECT", "--json"]));
    assert_eq!(before["verdict"], "CLONE_SUSPECT");
    // A failure too.
    let output = reader(&["--json", "explain", "nothing"]).output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["error"]["exit"], 2);
}

#[test]
fn a_mistyped_command_line_is_told_as_json_where_that_was_asked_for() {
    for words in [&["verify", "--json", "--nosuch"][..], &["--json", "nosuch"], &["--json", "read"]] {
        let output = reader(words).output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), told["error"]["exit"].as_u64()), (Some(2), Some(2)), "{told}");
        assert!(told["error"]["remedy"].as_str().unwrap().contains("--help"), "{told}");
    }
    let output = reader(&["verify", "--nosuch"]).output().unwrap();
    assert!(output.stdout.is_empty() && String::from_utf8(output.stderr).unwrap().contains("'--nosuch'"));
    let help = reader(&["--json", "--help"]).output().unwrap();
    assert!(help.status.success() && String::from_utf8(help.stdout).unwrap().contains("Usage:"));
}

#[test]
fn a_fingerprint_typed_without_quotation_marks_is_explained() {
    let words = ["trust", "install", "utopia.bundle", "--pin", "96d9b149", "0aa1b2c3", "11223344"];
    let output = reader(&words).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("quotation marks"));
    let output = reader(&[&words[..], &["--json"]].concat()).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(told["error"]["remedy"].as_str().unwrap().contains("quotation marks"), "{told}");
}

#[test]
fn the_manual_is_written_where_it_is_told_to_by_either_name() {
    let folder = tempfile::tempdir().unwrap();
    for option in ["--out", "--dir"] {
        let place = folder.path().join(option.trim_start_matches('-'));
        assert!(reader(&["man", option, place.to_str().unwrap()]).status().unwrap().success());
        assert!(place.join("bitaqa-reader-verify.1").exists());
    }
}
