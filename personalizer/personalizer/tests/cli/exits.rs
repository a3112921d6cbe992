//! Exit codes and words that a shift relies on: what waits, what was lost, what was never begun.

use std::process::Stdio;

use super::*;

/// The same command under a limit of that many blocks of 512 bytes for every file: a disk that is full.
fn on_a_full_disk(command: &Command, blocks: u32) -> Output {
    let mut limited = std::process::Command::new("sh");
    limited.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"")).arg("sh");
    limited.arg(command.get_program()).args(command.get_args());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.output().unwrap()
}

fn error_of(output: &Output) -> Value {
    lines(output).pop().unwrap()["error"].clone()
}

fn said(error: &Value) -> String {
    ["what", "why", "remedy"].map(|part| error[part].as_str().unwrap()).join(" | ")
}

fn personalizer(arguments: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("bitaqa-personalizer"));
    command.args(arguments);
    command
}

#[test]
fn a_folder_that_cannot_be_written_is_found_before_a_blank_is_fed() {
    let centre = Centre::new();
    let state = centre.blank();
    let before = std::fs::read(&state).unwrap();
    centre.insert(&state, None);
    std::fs::write(centre.path("file"), "").unwrap();
    let port = centre.printer();
    for (option, path) in [("--out", "file/out"), ("--ledger", "file/ledger"), ("--ledger", "nowhere/ledger")] {
        for verb in ["run", "recover"] {
            let mut command = centre.command_without_printer(verb);
            let words: Vec<_> = command.get_args().map(|word| word.to_owned()).collect();
            let at = words.iter().position(|word| word == option).unwrap();
            command = Command::cargo_bin("bitaqa-personalizer").unwrap();
            command.env("BITAQA_PASSPHRASE_FILE", centre.path("passphrase"));
            command.args(&words[..=at]).arg(centre.path(path)).args(&words[at + 2..]).arg("--printer").arg(&port);
            let output = command.output().unwrap();
            let error = error_of(&output);
            assert_eq!(output.status.code(), Some(2), "{option} {path}: {error}");
            assert!(said(&error).contains(path), "{error}");
        }
    }
    assert_eq!(std::fs::read(&state).unwrap(), before);
    let moved = Reading::of(&centre.path("ledger.jsonl")).map_or(0, |reading| reading.entries.len());
    assert_eq!(moved, 0);
    assert!(std::fs::read_dir(centre.path("out")).map_or(0, Iterator::count) == 0, "the trial was left behind");
}

#[test]
fn a_disk_that_is_full_in_mid_card_says_where_the_card_is_and_it_is_recovered() {
    let centre = Centre::new();
    let state = centre.blank();
    centre.insert(&state, None);
    // By hand: the ledger takes no more.
    let output = on_a_full_disk(centre.command("run").args(["--limit", "1"]), 6);
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(11), "{error}");
    let text = said(&error);
    assert!(text.contains("ZZ0000017") && text.contains("in the chip station") && text.contains("recover"), "{text}");
    assert!(text.contains("space on the disk"), "{text}");
    let recovered = centre.command("recover").output().unwrap();
    assert_eq!(recovered.status.code(), Some(0), "{}", String::from_utf8_lossy(&recovered.stdout));

    // In a printer: the ledger has room, the faces have none; then not even the ledger has.
    for (blocks, serial) in [(80, 2), (6, 3)] {
        let centre = Centre::new();
        let state = centre.numbered_blank(serial);
        centre.insert(&state, None);
        let port = centre.printer();
        let mut command = centre.command_without_printer("run");
        command.args(["--limit", "1", "--printer"]).arg(&port);
        let output = on_a_full_disk(&command, blocks);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(11), "{error}");
        let text = said(&error);
        assert!(text.contains("inside the printer") && text.contains("recover"), "{text}");
        let mut command = centre.command_without_printer("recover");
        let recovered = command.arg("--printer").arg(&port).output().unwrap();
        assert_eq!(recovered.status.code(), Some(0), "{}", String::from_utf8_lossy(&recovered.stdout));
        assert_eq!(centre.state("ZZ0000017"), State::Packed);
    }
}

#[test]
fn what_an_earlier_run_left_is_never_exit_code_0() {
    let centre = Centre::new();
    let (first, second) = (centre.numbered_blank(1), centre.numbered_blank(2));
    centre.insert(&first, Some(Tear { at: 40, when: When::After }));
    let run = |limit: &str| centre.command("run").args(["--limit", limit]).output().unwrap();
    assert_eq!(run("1").status.code(), Some(11));
    // The second order becomes a card, the first still waits.
    centre.insert(&second, None);
    let output = run("1");
    assert_eq!(output.status.code(), Some(11), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((&lines(&output)[0]["outcome"], &lines(&output)[1]["outcome"]), (&"skipped".into(), &"finished".into()));
    // Another card than the one that waits: it is named.
    for serial in [2, 3] {
        if serial == 3 {
            centre.insert(&centre.numbered_blank(serial), None);
        }
        let output = centre.command("recover").output().unwrap();
        assert_eq!(output.status.code(), Some(11), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(lines(&output)[0]["open"], serde_json::json!(["ZZ0000017"]));
    }
    // Its card is gone: the number is closed, and no later run says that all is well.
    let rejected = centre.command("recover").args(["--reject", "--document", "ZZ0000017"]).output().unwrap();
    assert_eq!(rejected.status.code(), Some(50), "{}", String::from_utf8_lossy(&rejected.stdout));
    std::fs::remove_file(centre.path("card.sock")).unwrap();
    let rejected = centre.command("recover").args(["--reject", "--document", "ZZ0000017"]).output().unwrap();
    assert_eq!(rejected.status.code(), Some(21), "{}", String::from_utf8_lossy(&rejected.stdout));
    assert_eq!(run("9").status.code(), Some(50));
    // An empty station: who waits for which card is told, and no blank is asked for.
    let output = centre.command("recover").output().unwrap();
    assert_eq!(output.status.code(), Some(20));
    let text = said(&error_of(&output));
    assert!(text.contains("to be recovered") && !text.contains("blank"), "{text}");
}

#[test]
fn another_order_with_a_number_that_was_used_is_refused_also_when_its_card_is_made() {
    let centre = Centre::new();
    centre.insert(&centre.blank(), None);
    centre.command("run").args(["--limit", "1"]).assert().code(0);
    let orders = std::fs::read_to_string(centre.path("orders/two.jsonl")).unwrap();
    std::fs::write(centre.path("orders/two.jsonl"), orders.replacen("\"sex\": \"F\"", "\"sex\": \"M\"", 1)).unwrap();
    assert_ne!(std::fs::read_to_string(centre.path("orders/two.jsonl")).unwrap(), orders);
    let before = Reading::of(&centre.path("ledger.jsonl")).unwrap().entries.len();
    let output = centre.command("run").output().unwrap();
    assert_eq!(output.status.code(), Some(50), "{}", String::from_utf8_lossy(&output.stdout));
    let said = lines(&output);
    assert_eq!((&said[0]["record"], &said[0]["field"]), (&"ZZ0000017".into(), &"document_number".into()));
    assert_eq!(Reading::of(&centre.path("ledger.jsonl")).unwrap().entries.len(), before);
}

#[test]
fn with_nothing_to_make_or_recover_an_empty_feeder_is_no_error() {
    let centre = Centre::new();
    centre.insert(&centre.blank(), None);
    centre.command("run").args(["--limit", "1"]).assert().code(0);
    let orders = std::fs::read_to_string(centre.path("orders/two.jsonl")).unwrap();
    std::fs::write(centre.path("orders/two.jsonl"), orders.lines().next().unwrap()).unwrap();
    let port = centre.printer_with(Options { feeder: 0, ..Options::default() });
    for (verb, event) in [("run", "summary"), ("recover", "recovered")] {
        let mut command = centre.command_without_printer(verb);
        let output = command.arg("--printer").arg(&port).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(lines(&output).pop().unwrap()["event"], event);
    }
}

#[test]
fn a_result_that_cannot_be_printed_is_an_error_and_a_reader_that_has_enough_is_none() {
    let centre = Centre::new();
    centre.insert(&centre.blank(), None);
    centre.command("run").args(["--limit", "1", "--blanks", "1"]).assert().code(0);
    let (ledger, orders) = (centre.path("ledger.jsonl"), centre.path("orders/two.jsonl"));
    let (ledger, orders) = (ledger.to_str().unwrap(), orders.to_str().unwrap());
    for arguments in [
        &["ledger", "show", ledger][..],
        &["ledger", "balance", ledger],
        &["ledger", "verify", ledger],
        &["orders", "check", orders],
        &["orders", "schema"],
        &["run", orders, "--dry-run"],
        &["--json", "profiles"],
        &["profiles", "specimen-uto"],
        &["completions", "bash"],
        &["man"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = personalizer(arguments).stdout(full).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains("could not be printed") && !text.contains("panicked"), "{arguments:?}: {text}");

        // `| head -0`: nobody reads.
        let mut child = personalizer(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
    // Where even complaints are lost, the exit code is all there is.
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = personalizer(&["profiles", "no-such"]).stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(50));
}
