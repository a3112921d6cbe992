//! Exit codes and words that a shift relies on: what waits, what was lost, what was never begun.

use std::process::Stdio;

use authority::SignerKind;

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
fn a_signer_of_something_else_is_refused_before_a_blank_is_fed() {
    let mut centre = Centre::new();
    let state = centre.blank();
    let before = std::fs::read(&state).unwrap();
    centre.insert(&state, None);
    let (secret, now) = (Passphrase::new(PASSPHRASE), Timestamp::now());
    let mut authority = Authority::open(&centre.path("pki")).unwrap();
    for (kind, words) in [
        (SignerKind::Residence, "residence signer, which signs no security object"),
        (SignerKind::MasterList, "its purposes are 2.23.136.1.1.3"),
        (SignerKind::Seal, "key usage is not digitalSignature"),
    ] {
        centre.signer = authority.new_signer(kind, Some("ab"), &secret, &secret, now).unwrap().directory;
        for verb in ["run", "recover"] {
            let output = centre.command(verb).output().unwrap();
            let error = error_of(&output);
            assert_eq!(output.status.code(), Some(40), "{kind} {verb}: {error}");
            assert!(said(&error).contains(words) && said(&error).contains("ds new"), "{error}");
        }
    }
    assert_eq!(std::fs::read(&state).unwrap(), before);
    let moved = Reading::of(&centre.path("ledger.jsonl")).map_or(0, |reading| reading.entries.len());
    assert_eq!(moved, 0);
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
    let told = lines(&output);
    let outcomes: Vec<_> = told.iter().filter(|line| line["event"] == "card").map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["skipped", "finished"]);
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
    // An empty station: who waits for which card is told, and no blank is asked for.
    let output = centre.command("recover").output().unwrap();
    assert_eq!(output.status.code(), Some(20));
    let text = said(&error_of(&output));
    assert!(text.contains("to be recovered") && !text.contains("blank"), "{text}");
    let rejected = centre.command("recover").args(["--reject", "--document", "ZZ0000017"]).output().unwrap();
    assert_eq!(rejected.status.code(), Some(21), "{}", String::from_utf8_lossy(&rejected.stdout));
    assert_eq!(run("9").status.code(), Some(50));
    let kept: Value =
        serde_json::from_slice(&std::fs::read(centre.path("out/ZZ0000017/result.json")).unwrap()).unwrap();
    assert_eq!((&kept["outcome"], &kept["reason"]), (&"rejected".into(), &"rejected by the operator".into()));
    // What to do stands in the ledger's list too.
    let shown = personalizer(&["ledger", "show", centre.path("ledger.jsonl").to_str().unwrap()]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("rejected (rejected by the operator)") && shown.contains("do: order a new"), "{shown}");
    assert!(shown.contains("made, a good card"), "{shown}");
    // Nothing waits any more.
    let output = centre.command("recover").output().unwrap();
    assert_eq!((output.status.code(), &lines(&output)[0]["outcome"]), (Some(0), &"nothing-open".into()));
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
    let named = |line: &Value| line["record"] == "ZZ0000017" && line["field"] == "document_number";
    assert!(lines(&output).iter().any(named), "{}", String::from_utf8_lossy(&output.stdout));
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

#[test]
fn a_key_file_whose_first_line_is_wrong_is_named_and_costs_no_blank() {
    let centre = Centre::new();
    let state = centre.blank();
    centre.insert(&state, None);
    let keys = |enc: &str| {
        let known: String = (0x40..=0x4F).map(|byte: u8| format!("{byte:02x}")).collect();
        let enc = if enc.is_empty() { known.clone() } else { enc.repeat(16) };
        std::fs::write(centre.path("keys"), format!("{enc}\n{known}\n{known}\n")).unwrap();
        centre.path("keys")
    };
    let port = centre.printer();
    let with = |verb: &str, enc: &str| {
        let mut command = centre.command_without_printer(verb);
        command.arg("--card-keys").arg(keys(enc)).arg("--printer").arg(&port);
        if verb == "run" {
            command.args(["--limit", "1"]);
        }
        command.output().unwrap()
    };
    let output = with("run", "11");
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(21), "{error}");
    let text = said(&error);
    assert!(text.contains("key ENC") && text.contains("first line") && text.contains("recover"), "{text}");
    assert!(!text.contains("Put a blank"), "{text}");
    let given_back = with("recover", "");
    assert_eq!(lines(&given_back)[0]["outcome"], "blank", "{}", String::from_utf8_lossy(&given_back.stdout));
    let made = with("run", "");
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stdout));
    let reading = Reading::of(&centre.path("ledger.jsonl")).unwrap();
    assert_eq!(reading.book.balance().spoiled, 0);
}

#[test]
fn a_blank_without_pace_is_refused_before_a_byte_is_written() {
    let centre = Centre::new();
    let state = centre.path("old.json");
    let persona = soft_card::persona::EMBEDDED.iter().find(|(name, _)| *name == "bac-only").unwrap().1;
    let options = soft_card::persona::Persona::parse(persona).unwrap().options();
    SoftCard::blank(BlankOptions { serial: Some([1; 6]), ..options }).unwrap().state().create(&state).unwrap();
    let before = std::fs::read(&state).unwrap();
    centre.insert(&state, None);
    let output = centre.command("run").output().unwrap();
    assert_eq!(output.status.code(), Some(21), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(said(&error_of(&output)).contains("PACE"));
    assert_eq!(std::fs::read(&state).unwrap(), before);
    assert_eq!(centre.state("ZZ0000017"), State::Ordered);
}

#[test]
fn the_citizen_ca_s_passphrase_is_tried_before_a_card_is_fed() {
    let centre = Centre::new();
    let state = centre.citizen_blank(BlankOptions::default().keys);
    let before = std::fs::read(&state).unwrap();
    centre.insert(&state, None);
    std::fs::write(centre.path("wrong"), "another passphrase\n").unwrap();
    let mut command = centre.command_with_printer("run");
    command.args(["--profile", "specimen-uto-eid", "--citizen-ca"]).arg(centre.path("pki"));
    command.arg("--pin-letters").arg(centre.path("letters"));
    let output = command.arg("--citizen-passphrase-file").arg(centre.path("wrong")).output().unwrap();
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(40), "{error}");
    assert!(said(&error).contains("--citizen-passphrase-file"), "{error}");
    assert!(!centre.path("ledger.jsonl").exists());
    assert_eq!(std::fs::read(&state).unwrap(), before);
}

#[test]
fn fingers_are_judged_with_the_orders_and_named_when_they_are_wrong() {
    let centre = Centre::new();
    let orders = centre.path("orders/two.jsonl");
    let first = std::fs::read_to_string(&orders).unwrap().lines().next().unwrap().to_owned();
    let with = first.strip_suffix('}').unwrap().to_owned() + ", \"fingers\": {\"path\": \"fingers.bin\"}}";
    std::fs::write(&orders, with).unwrap();
    let check = || {
        let arguments = ["--json", "orders", "check", orders.to_str().unwrap(), "--profile", "specimen-uto-eac"];
        let output = personalizer(&arguments).output().unwrap();
        (output.status.code(), lines(&output))
    };
    let fingers = centre.path("orders/fingers.bin");
    let sample = std::fs::read(test_vectors::path("fingers/EF_DG3.bin")).unwrap();
    // Five hundred bytes of nothing in a template that is whole.
    let junk = [&sample[..sample.len() - 548], &[0x5F; 548]].concat();
    for content in [None, Some(&junk[..]), Some(&b"no file of a card"[..])] {
        if let Some(content) = content {
            std::fs::write(&fingers, content).unwrap();
        }
        let (code, said) = check();
        assert_eq!((code, &said[0]["field"]), (Some(50), &"fingers".into()), "{said:?}");
        assert!(!said[0].to_string().contains("PNG") && !said[0].to_string().contains("picture"), "{said:?}");
    }
    std::fs::write(&fingers, sample).unwrap();
    let (code, said) = check();
    assert_eq!(code, Some(0), "{said:?}");
}
