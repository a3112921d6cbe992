//! Fingers at the counter: `verify` and `read` with the folder of a terminal.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use soft_card::forge;

use super::{Post, result};
use crate::issuer::{CAN, Document};
use crate::terminals::{Terminals, WORDS};

fn days_ago(days: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(24 * days)
}

/// A document with fingers, which the post's state issued.
fn fingers(post: &Post) -> Document {
    let extra = std::collections::BTreeMap::from([(3, crate::terminals::group(0x63, 9000))]);
    Document { extra, ..post.document.clone() }
}

#[test]
fn the_folder_of_a_terminal_opens_the_fingers() {
    let post = Post::new();
    let terminals = Terminals::starting(days_ago(19));
    let mut state = post.issuer.state(&fingers(&post));
    terminals.believed_by(&mut state, days_ago(19));
    let dv = terminals.document_verifier("DVBORDER", days_ago(18));
    let made = terminals.terminal(&dv, "EMBPARIS", &["read-dg3"], 30, days_ago(17));
    let words = post.path("words");
    fs::write(&words, format!("{WORDS}\n")).unwrap();
    // The folder of the holder, and that of its key.
    let key = made.directory.to_str().unwrap().to_owned();
    let holder = Path::new(&key).parent().unwrap().parent().unwrap().to_str().unwrap().to_owned();
    for folder in [&holder, &key] {
        let args = ["--terminal", folder, "--terminal-passphrase-file", &words];
        let (code, report) = post.verify(state.clone(), &args);
        assert_eq!((code, report["verdict"].as_str()), (0, Some("GENUINE_VALID")), "{report:#}");
        assert_eq!(result(&report, "terminal-authentication"), "successful");
        assert_eq!(result(&report, "other-groups-integrity"), "successful");
    }
    let (code, report) = post.verify(state.clone(), &[]);
    assert_eq!((code, result(&report, "terminal-authentication")), (0, "undetermined"));
    assert_eq!(report["meaning"], "The card is genuine, unaltered and in force. Not checked: DG3.");

    let socket = post.insert("fingers", state);
    let out = post.path("out");
    let mut args = vec!["read", "--socket", &socket, "--can", CAN, "--out", &out];
    args.extend(["--terminal", &holder, "--terminal-passphrase-file", &words]);
    let output = post.run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read(format!("{out}/EF_DG3.bin")).unwrap(), crate::terminals::group(0x63, 9000));
    assert_eq!(fs::read(format!("{out}/EF_CVCA.bin")).unwrap().len(), 36);
}

/// Who comes to write a record must know why nothing was written.
#[test]
fn a_residence_office_is_told_why_a_card_is_not_written_to() {
    let post = Post::new();
    let terminals = Terminals::of_offices(days_ago(19));
    let dv = terminals.document_verifier("DVOFFICES", days_ago(18));
    let office = terminals.terminal(&dv, "OFFICE", &["read-dg17", "write-dg17"], 30, days_ago(17));
    let folder = office.directory.to_str().unwrap().to_owned();
    let (words, record, trust) = (post.path("words"), post.path("record"), post.path("trust"));
    fs::write(&words, WORDS).unwrap();
    fs::write(&record, crate::citizen::record(&post.issuer, &post, "199900000011")).unwrap();
    let write = |name: &str, state, more: &[&str]| {
        let socket = post.insert(name, state);
        let args = ["residence", &record, "--socket", &socket, "--trust", &trust, "--terminal", &folder];
        let output = post.run(&[&args[..], &["--terminal-passphrase-file", &words], more].concat());
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = write("wrong", post.state(), &["--can", "654321"]);
    assert_eq!(code, 11, "{text}");
    assert!(text.contains("\nbecause: the chip was not opened: ") && text.contains(" (access-protocol)\n"), "{text}");
    assert!(text.contains("  -> Compare the card access number") && text.contains("Nothing was written"), "{text}");

    let altered = forge::alter_data_group(&post.state(), 1).unwrap();
    for (name, state, can, exit, check) in
        [("wrong-json", post.state(), "654321", 11, "access-protocol"), ("altered", altered, CAN, 10, "dg1-integrity")]
    {
        let (code, text) = write(name, state, &["--can", can, "--json"]);
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, &told["because"], &told["replaced"]), (exit, &json!([check]), &json!(false)), "{told}");
        assert_eq!(result(&told, check), "failed");
    }
}

#[test]
fn what_is_no_terminal_is_refused_before_the_card_is_asked() {
    let post = Post::new();
    let terminals = Terminals::starting(days_ago(19));
    let dv = terminals.document_verifier("DVBORDER", days_ago(18));
    let made = terminals.terminal(&dv, "EMBPARIS", &["read-dg3"], 3, days_ago(17));
    let key = made.directory.to_str().unwrap().to_owned();
    let (words, wrong) = (post.path("words"), post.path("wrong"));
    fs::write(&words, WORDS).unwrap();
    fs::write(&wrong, "other words\n").unwrap();
    let complaint = |folder: &str, words: &str| {
        let (nowhere, trust) = (post.path("nowhere"), post.path("trust"));
        let mut args = vec!["verify", "--socket", &nowhere, "--trust", &trust, "--can", CAN];
        args.extend(["--terminal", folder, "--terminal-passphrase-file", words]);
        let output = post.run(&args);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = complaint(&key, &words);
    assert!(code == 20 && text.contains("UTEMBPARIS00001 ended on"), "{code} {text}");
    let (code, text) = complaint(&key, &wrong);
    assert!(code == 2 && text.contains("The terminal's key does not open"), "{code} {text}");
    let (code, text) = complaint(&post.path(""), &words);
    assert!(code == 2 && text.contains("no chain.cvcerts"), "{code} {text}");
    let dv = terminals.root.directory.to_str().unwrap().to_owned();
    let (code, text) = complaint(&dv, &words);
    assert!(code == 2, "{code} {text}");
    fs::write(format!("{key}/chain.cvcerts"), [0x7F, 0x21, 0x82]).unwrap();
    let (code, text) = complaint(&key, &words);
    assert!(code == 2 && text.contains("That is no terminal"), "{code} {text}");
    fs::write(format!("{key}/chain.cvcerts"), made.certificate.bytes()).unwrap();
    fs::remove_file(format!("{key}/key.p8")).unwrap();
    let (code, text) = complaint(&key, &words);
    assert!(code == 2 && text.contains("there is no key"), "{code} {text}");
}
