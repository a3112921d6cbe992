//! The program as an operator runs it: against a soft card on a socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::AtomicBool;
use std::thread;

use assert_cmd::Command;
use authority::{Authority, BundleRequest, Passphrase, Profile};
use jiff::Timestamp;
use perso::ledger::{Reading, State};
use printing::simulator::{Options, Printer, Pty, serve};
use serde_json::Value;
use soft_card::fault::{Tear, When};
use soft_card::{BlankOptions, SoftCard, socket};
use tempfile::TempDir;

const PASSPHRASE: &str = "a passphrase for this test only";

/// A printing centre in a folder.
struct Centre {
    folder: TempDir,
    pin: String,
    signer: PathBuf,
}

impl Centre {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (passphrase, now) = (Passphrase::new(PASSPHRASE), Timestamp::now());
        let profile = Profile::find("specimen-uto").unwrap();
        let mut authority = Authority::init(&folder.path().join("pki"), profile, &passphrase, now).unwrap();
        let signer = authority.new_document_signer(None, &passphrase, &passphrase, now).unwrap().directory;
        let bundle = authority.export_bundle(BundleRequest::default(), &passphrase, now).unwrap();
        std::fs::write(folder.path().join("bundle"), &bundle.bytes).unwrap();
        std::fs::write(folder.path().join("passphrase"), PASSPHRASE).unwrap();
        let file = std::fs::read_to_string(test_vectors::path("orders/specimen.jsonl")).unwrap();
        let portraits = test_vectors::path("portraits");
        std::fs::create_dir(folder.path().join("portraits")).unwrap();
        for entry in std::fs::read_dir(portraits).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.path().join("portraits").join(path.file_name().unwrap())).unwrap();
        }
        let two: Vec<&str> = file.lines().take(2).collect();
        std::fs::create_dir(folder.path().join("orders")).unwrap();
        std::fs::write(folder.path().join("orders/two.jsonl"), two.join("\n") + "\n").unwrap();
        Centre { pin: hex::encode(bundle.pin.0), signer, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a soft card on a socket; with a tear the card leaves at that command.
    fn insert(&self, state: &Path, tear: Option<Tear>) {
        self.insert_in_turn(vec![(state, tear)]);
    }

    /// Puts soft cards on a socket: each leaves at its tear, and the next one is there.
    fn insert_in_turn(&self, cards: Vec<(&Path, Option<Tear>)>) {
        let path = self.path("card.sock");
        let _ = std::fs::remove_file(&path);
        let listener = socket::listen(&path).unwrap();
        let open = |(state, tear): (&Path, Option<Tear>)| {
            let mut card = SoftCard::open(state).unwrap();
            if let Some(tear) = tear {
                card.tear(tear);
            }
            card
        };
        let cards: Vec<SoftCard> = cards.into_iter().map(open).collect();
        thread::spawn(move || {
            for mut card in cards {
                let _ = socket::serve_all(&mut card, &listener, |_| {});
            }
        });
    }

    fn blank(&self) -> PathBuf {
        self.numbered_blank(1)
    }

    fn numbered_blank(&self, serial: u8) -> PathBuf {
        let path = self.path(&format!("card-{serial}.json"));
        SoftCard::blank(BlankOptions { serial: Some([serial; 6]), ..BlankOptions::default() })
            .unwrap()
            .state()
            .create(&path)
            .unwrap();
        path
    }

    /// `run` or `recover` with the centre's equipment, for cards on which nothing is printed.
    fn command(&self, verb: &str) -> Command {
        let mut command = self.command_without_printer(verb);
        command.args(["--printer", "none"]);
        command
    }

    /// `run` or `recover` with a printer on a pseudo-terminal.
    fn command_with_printer(&self, verb: &str) -> Command {
        let (port, options) = (self.path("printer"), Options { output: Some(self.path("")), ..Options::default() });
        let mut pty = Pty::open().unwrap();
        pty.link(&port).unwrap();
        thread::spawn(move || serve(&mut pty, &mut Printer::new(options), &AtomicBool::new(false), |_| {}));
        let mut command = self.command_without_printer(verb);
        command.arg("--printer").arg(port);
        command
    }

    fn state(&self, number: &str) -> State {
        Reading::of(&self.path("ledger.jsonl")).unwrap().book.document(number).unwrap().state
    }

    fn command_without_printer(&self, verb: &str) -> Command {
        let mut command = Command::cargo_bin("bitaqa-personalizer").unwrap();
        command.env("BITAQA_PASSPHRASE_FILE", self.path("passphrase"));
        command.args(["--json", verb]).arg(self.path("orders/two.jsonl"));
        command.arg("--socket").arg(self.path("card.sock")).arg("--signer").arg(&self.signer);
        command.arg("--trust").arg(self.path("bundle")).args(["--pin", &self.pin]);
        command.arg("--ledger").arg(self.path("ledger.jsonl")).arg("--out").arg(self.path("out")).args(["--wait", "5"]);
        command
    }
}

fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_card_is_made_and_nothing_written_holds_a_secret() {
    let centre = Centre::new();
    let state = centre.blank();
    centre.insert(&state, None);
    let output = centre
        .command("run")
        .args(["--limit", "1", "--blanks", "3"])
        .arg("--journal")
        .arg(centre.path("journal"))
        .env("RUST_LOG", "trace")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let said = lines(&output);
    assert_eq!(said[0]["outcome"], "finished");
    assert_eq!(said[0]["verdict"], "GENUINE_VALID");
    assert_eq!(said[1]["balance"]["left"], 2);
    let folder = centre.path("out").join("ZZ0000017");
    for name in ["front.png", "back.png", "result.json"] {
        assert!(folder.join(name).metadata().unwrap().len() > 100, "{name}");
    }

    let trace = String::from_utf8_lossy(&output.stderr);
    assert!(trace.contains("personalization begins"), "the trace is empty");
    let mut written = output.stdout.clone();
    written.extend(&output.stderr);
    for path in [centre.path("journal"), centre.path("ledger.jsonl"), folder.join("result.json")] {
        written.extend(std::fs::read(path).unwrap());
    }
    let text = String::from_utf8(written).unwrap().to_lowercase();
    let card: Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    let mut secrets = vec![
        ("passphrase", PASSPHRASE.to_owned()),
        ("passphrase in hex", hex::encode(PASSPHRASE)),
        ("card keys", "404142434445464748494a4b4c4d4e4f".to_owned()),
        ("access number in hex", hex::encode("378228")),
        ("MRZ information in hex", hex::encode("ZZ00000170990101")),
    ];
    for pointer in ["/emrtd/chip_key/private", "/emrtd/mrz_information"] {
        let value = card.pointer(pointer).and_then(Value::as_str).unwrap();
        secrets.push((pointer, value.to_lowercase()));
    }
    for (name, secret) in secrets {
        assert!(!text.contains(&secret.to_lowercase()), "{name} was written");
    }
    let alone = |at: usize| {
        let around = [text[..at].chars().next_back(), text[at + 6..].chars().next()];
        around.iter().all(|c| !c.is_some_and(|c| c.is_ascii_alphanumeric()))
    };
    assert!(!text.match_indices("378228").any(|(at, _)| alone(at)), "the access number was written");
}

#[test]
fn a_torn_card_is_recovered_and_never_made_twice() {
    let centre = Centre::new();
    let state = centre.blank();
    centre.insert(&state, Some(Tear { at: 40, when: When::After }));
    let torn = centre.command("run").args(["--limit", "1"]).output().unwrap();
    assert_eq!(torn.status.code(), Some(11), "{}", String::from_utf8_lossy(&torn.stdout));
    centre.insert(&state, None);
    let recovered = centre.command("recover").output().unwrap();
    assert_eq!(recovered.status.code(), Some(0), "{}", String::from_utf8_lossy(&recovered.stdout));
    assert_eq!(lines(&recovered)[0]["outcome"], "finished");
    let again = centre.command("recover").output().unwrap();
    assert_eq!(lines(&again)[0]["outcome"], "complete");
    // The card that is still in the reader is not taken for the next order.
    let next = centre.command("run").output().unwrap();
    assert_eq!(next.status.code(), Some(21));
    let said = lines(&next);
    assert_eq!((&said[0]["outcome"], &said[0]["state"]), (&Value::from("skipped"), &Value::from("PACKED")));
    let mut verify = Command::cargo_bin("bitaqa-personalizer").unwrap();
    verify.args(["ledger", "verify"]).arg(centre.path("ledger.jsonl")).assert().code(0);
}

#[test]
fn a_card_that_is_not_printed_is_not_packed_until_it_is() {
    let centre = Centre::new();
    let state = centre.blank();
    centre.insert(&state, None);
    for (verb, limit) in [("run", &["--limit", "1"][..]), ("recover", &[])] {
        let output = centre.command_without_printer(verb).args(limit).output().unwrap();
        assert_eq!(output.status.code(), Some(11), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(lines(&output)[0]["outcome"], "unprinted");
        assert_eq!(centre.state("ZZ0000017"), State::QaPassed);
    }
    assert!(!centre.path("1-front.png").exists());
    let output = centre.command_with_printer("recover").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((&lines(&output)[0]["outcome"], centre.state("ZZ0000017")), (&Value::from("finished"), State::Packed));
    assert!(centre.path("1-front.png").exists());
}

#[test]
fn a_card_found_in_the_place_of_another_gets_its_own_face() {
    let centre = Centre::new();
    let (first, second) = (centre.numbered_blank(1), centre.numbered_blank(2));
    // The second order's card is torn first.
    let orders = std::fs::read_to_string(centre.path("orders/two.jsonl")).unwrap();
    std::fs::write(centre.path("orders/two.jsonl"), orders.lines().nth(1).unwrap()).unwrap();
    let tear = Tear { at: 40, when: When::After };
    centre.insert(&second, Some(tear));
    assert_eq!(centre.command_without_printer("run").output().unwrap().status.code(), Some(11));
    std::fs::write(centre.path("orders/two.jsonl"), orders).unwrap();

    centre.insert_in_turn(vec![(&first, Some(tear)), (&second, None)]);
    let output = centre.command_with_printer("run").output().unwrap();
    assert_eq!(output.status.code(), Some(11), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(lines(&output)[0]["document"], "ZZ0000025");
    assert_eq!((centre.state("ZZ0000017"), centre.state("ZZ0000025")), (State::ChipInitialised, State::Packed));
    assert!(!centre.path("out/ZZ0000017").exists() && centre.path("out/ZZ0000025/front.png").exists());
}

#[test]
fn a_signer_that_no_embassy_knows_is_refused_before_the_card_is_touched() {
    let centre = Centre::new();
    let other = Centre::new();
    let state = centre.blank();
    let before = std::fs::read(&state).unwrap();
    centre.insert(&state, None);
    let mut command = Command::cargo_bin("bitaqa-personalizer").unwrap();
    command.env("BITAQA_PASSPHRASE_FILE", centre.path("passphrase"));
    command.args(["--json", "run"]).arg(centre.path("orders/two.jsonl"));
    command.arg("--socket").arg(centre.path("card.sock")).arg("--signer").arg(&other.signer);
    command.arg("--trust").arg(centre.path("bundle")).args(["--pin", &centre.pin]);
    command.arg("--ledger").arg(centre.path("ledger.jsonl")).arg("--out").arg(centre.path("out"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(40), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(std::fs::read(&state).unwrap(), before);
}

#[test]
fn a_bad_order_file_is_refused_with_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.jsonl");
    std::fs::write(&path, "{\"version\":\"1\",\"document_number\":\"ZZ0000017\",\"surprise\":1}\nnot json\n").unwrap();
    let mut command = Command::cargo_bin("bitaqa-personalizer").unwrap();
    let output = command.args(["--json", "orders", "check"]).arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(50));
    let said = lines(&output);
    let problem = |field: &str| said.iter().find(|line| line["field"] == field).unwrap_or_else(|| panic!("{field}"));
    assert_eq!(problem("surprise")["line"], 1);
    assert_eq!(problem("holder")["record"], "ZZ0000017");
    assert_eq!(problem("job")["what"], "the field is missing");
    assert!(said.iter().any(|line| line["line"] == 2));
    assert_eq!(said.last().unwrap()["error"]["exit"], 50);
}

#[test]
fn a_dry_run_needs_no_equipment_and_shows_no_access_number() {
    let mut command = Command::cargo_bin("bitaqa-personalizer").unwrap();
    let orders = test_vectors::path("orders/specimen.jsonl");
    let output = command.arg("run").arg(orders).args(["--dry-run", "--limit", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("ALTJRYBY<<ZYNB") && text.contains("SET STATUS card SECURED"));
    assert!(!text.contains("378228"));
}

#[test]
fn profiles_completions_and_the_manual_page_are_printed() {
    for arguments in
        [&["profiles"][..], &["profiles", "iq-nid-compat"], &["completions", "bash"], &["man"], &["orders", "schema"]]
    {
        let mut command = Command::cargo_bin("bitaqa-personalizer").unwrap();
        let output = command.args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout.len() > 80, "{arguments:?}");
    }
}
