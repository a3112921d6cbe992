//! The program: a card over its socket, killed, torn, refused.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use channel::scp03::SecurityLevel;
use iso7816::frame::{self, Request};
use iso7816::{Card, Response, TransmitError};
use soft_card::State;
use soft_card::emrtd::ApplicationLife;
use soft_card::persona::EMBEDDED;

use crate::support::*;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_bitaqa-soft-card"))
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

/// A folder with one new card.
struct Desk {
    folder: tempfile::TempDir,
    card: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let card = folder.path().join("card.json");
        let made = run(&["new", "--state", card.to_str().unwrap(), "--serial", "0102030405aa"]);
        assert!(made.status.success());
        assert_eq!(made.stdout, b"FFFF500C63260102030405AA\n");
        Desk { folder, card }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("card.sock")
    }

    fn listen(&self, more: &[&str]) -> Running {
        let child = program()
            .args(["run", "--state", self.card.to_str().unwrap(), "--listen", self.socket().to_str().unwrap()])
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running(child)
    }
}

/// A running card, pulled out when the test ends.
struct Running(Child);

impl Running {
    /// Waits for the program to end by itself; its exit code.
    fn end(&mut self) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the program did not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The reader's end of the frames.
struct Host(UnixStream);

impl Host {
    fn connect(path: &Path) -> Self {
        let begun = Instant::now();
        loop {
            match UnixStream::connect(path) {
                Ok(stream) => return Host::over(stream),
                Err(_) if begun.elapsed() < Duration::from_secs(10) => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn over(mut stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut version = [0];
        stream.read_exact(&mut version).unwrap();
        assert_eq!(version, [frame::VERSION]);
        Host(stream)
    }

    fn ask(&mut self, request: &Request) -> std::io::Result<Vec<u8>> {
        request.write(&mut self.0)?;
        frame::read_answer(&mut self.0)
    }
}

impl Card for Host {
    fn transmit(&mut self, command: &iso7816::Command) -> Result<Response, TransmitError> {
        let answer = self.ask(&Request::Apdu(command.to_bytes())).map_err(|_| TransmitError::Lost)?;
        Response::parse(&answer).ok_or(TransmitError::Lost)
    }
}

#[test]
fn a_card_is_personalized_over_its_socket_and_the_file_has_it() {
    let desk = Desk::new();
    let document = Document::new(3000);
    let _running = desk.listen(&[]);
    let mut host = Host::connect(&desk.socket());
    assert_eq!(desk.socket().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(host.ask(&Request::Atr).unwrap(), soft_card::answer_to_reset());
    assert_eq!(host.ask(&Request::Apdu(vec![0, 0xA4, 4, 0])).unwrap(), NOTHING, "no power yet");
    assert_eq!(host.ask(&Request::PowerOn).unwrap(), soft_card::answer_to_reset());
    personalize(&mut host, &document, SecurityLevel::Full, 200).unwrap();
    assert_eq!(host.ask(&Request::Reset).unwrap(), soft_card::answer_to_reset());
    assert_eq!(host.ask(&Request::PowerOff).unwrap(), NOTHING);
    drop(host);

    let state = State::load(&desk.card).unwrap();
    assert_eq!(state.emrtd.life_cycle, ApplicationLife::Personalized);
    assert_eq!(desk.card.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    // The next host is a new insertion.
    let mut host = Host::connect(&desk.socket());
    host.ask(&Request::PowerOn).unwrap();
    assert_eq!(life_cycles(&mut host), (0x0F, 0x0F));

    let shown = run(&["show", "--state", desk.card.to_str().unwrap(), "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["application"], "personalized");
    assert_eq!(shown["card"], "secured");
    assert_eq!(shown["chip_serial"], "FFFF500C63260102030405AA");
    assert_eq!(shown["files"].as_array().unwrap().len(), document.files.len());
    let text = String::from_utf8(run(&["show", "--state", desk.card.to_str().unwrap()]).stdout).unwrap();
    assert!(text.contains("0101 EF.DG1") && text.contains("PERSONALIZED"), "{text}");
    for secret in [INFORMATION, "271828", "404142434445", "2a2a2a2a"] {
        assert!(!text.contains(secret) && !shown.to_string().contains(secret), "{secret}");
    }
}

#[test]
fn killing_the_program_pulls_the_card_and_keeps_its_memory() {
    let desk = Desk::new();
    let mut running = desk.listen(&[]);
    let mut host = Host::connect(&desk.socket());
    host.ask(&Request::PowerOn).unwrap();
    let before = host.transmit(&iso7816::Command::parse(&[0x80, 0xCA, 0x9F, 0x7F, 0]).unwrap()).unwrap();
    running.0.kill().unwrap();
    running.0.wait().unwrap();
    assert!(matches!(host.transmit(&get_status(0x40)), Err(TransmitError::Lost)));
    // The socket file that was left behind is replaced.
    let _again = desk.listen(&[]);
    let mut host = loop {
        if let Ok(stream) = UnixStream::connect(desk.socket()) {
            break Host::over(stream);
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    host.ask(&Request::PowerOn).unwrap();
    let after = host.transmit(&iso7816::Command::parse(&[0x80, 0xCA, 0x9F, 0x7F, 0]).unwrap()).unwrap();
    assert_eq!(before, after);
}

#[test]
fn a_tear_asked_for_ends_the_program_at_that_command() {
    let document = Document::new(300);
    for (at, lives) in [("6:before", ApplicationLife::Selectable), ("0:after", ApplicationLife::Selectable)] {
        let desk = Desk::new();
        let mut running = desk.listen(&["--tear-at", at]);
        let mut host = Host::connect(&desk.socket());
        host.ask(&Request::PowerOn).unwrap();
        let result = personalize(&mut host, &document, SecurityLevel::Full, 100);
        assert!(matches!(result, Err(Stopped::Lost)), "{result:?}");
        assert_eq!(running.end(), Some(0));
        assert_eq!(State::load(&desk.card).unwrap().emrtd.life_cycle, lives);
    }
}

#[test]
fn a_card_connects_to_a_slot_and_ends_when_the_reader_goes() {
    let desk = Desk::new();
    let slot = desk.folder.path().join("slot.0");
    let listener = UnixListener::bind(&slot).unwrap();
    let child = program()
        .args(["run", "--state", desk.card.to_str().unwrap(), "--connect", slot.to_str().unwrap()])
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let mut host = Host::over(listener.accept().unwrap().0);
    assert_eq!(host.ask(&Request::PowerOn).unwrap(), soft_card::answer_to_reset());
    assert_eq!(life_cycles(&mut host), (0x07, 0x07));

    // One memory is one chip: a second program may not run with it.
    let second = run(&["run", "--state", desk.card.to_str().unwrap(), "--connect", slot.to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(20));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another card program"));

    drop(host);
    assert_eq!(running.end(), Some(0));
}

#[test]
fn a_host_that_breaks_the_frames_is_cut_off_and_the_next_one_served() {
    let desk = Desk::new();
    let _running = desk.listen(&[]);
    let mut rude = Host::connect(&desk.socket());
    std::io::Write::write_all(&mut rude.0, &[0xFF; 64]).unwrap();
    assert_eq!(rude.0.read(&mut [0; 8]).unwrap_or(0), 0);
    let mut host = Host::connect(&desk.socket());
    assert_eq!(host.ask(&Request::PowerOn).unwrap(), soft_card::answer_to_reset());
}

#[test]
fn forged_cards_differ_in_one_thing() {
    let desk = Desk::new();
    let document = Document::new(300);
    let path = |name: &str| desk.folder.path().join(name);
    let original = path("original.json");
    personalized(&document).state().create(&original).unwrap();
    let forge = |out: &Path, more: &[&str]| {
        let mut arguments = vec!["forge", "--state", original.to_str().unwrap(), "--out", out.to_str().unwrap()];
        arguments.extend(more);
        run(&arguments)
    };
    assert!(forge(&path("altered.json"), &["--alter-dg", "2"]).status.success());
    assert!(forge(&path("clone.json"), &["--new-chip-key"]).status.success());
    let load = |name: &str| State::load(&path(name)).unwrap();
    let (original, altered, clone) = (load("original.json"), load("altered.json"), load("clone.json"));
    assert_ne!(altered.emrtd.files[&0x0102], original.emrtd.files[&0x0102]);
    assert_eq!(altered.emrtd.files[&0x0101], original.emrtd.files[&0x0101]);
    assert_eq!(clone.emrtd.files, original.emrtd.files);
    assert_ne!(clone.emrtd.chip_key, original.emrtd.chip_key);
    assert_ne!(clone.chip_serial(), original.chip_serial());

    assert_eq!(forge(&path("x.json"), &["--alter-dg", "13"]).status.code(), Some(2));
    assert_eq!(forge(&path("x.json"), &["--alter-dg", "17"]).status.code(), Some(2));
    assert_eq!(forge(&path("x.json"), &[]).status.code(), Some(2));
    assert_eq!(forge(&path("clone.json"), &["--new-chip-key"]).status.code(), Some(2), "never overwritten");
}

#[test]
fn a_fault_that_forges_nothing_and_a_card_that_is_not_there_are_refused() {
    let desk = Desk::new();
    let path = |name: &str| desk.folder.path().join(name);
    personalized(&Document::new(300)).state().create(&path("original.json")).unwrap();
    let refused = |kind: &str, words: &[&str]| {
        let head = "format = \"bitaqa-soft-card-fault\"\nversion = 1\nseed = 7\n[[fault]]\nkind = ";
        std::fs::write(path("faults.toml"), format!("{head}{kind}\n")).unwrap();
        let [state, out, faults] = ["original.json", "forged.json", "faults.toml"].map(&path);
        let options = ["--state", "--out", "--fault"].iter().map(std::ffi::OsStr::new);
        let arguments = options.zip([&state, &out, &faults]).flat_map(|(option, file)| [option, file.as_os_str()]);
        let output = program().arg("forge").args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{kind}: {said}");
        for word in words {
            assert!(said.contains(word), "{kind}: {word}: {said}");
        }
        assert!(!out.exists(), "{kind}");
    };
    refused("\"slow\"\nmilliseconds = 20", &["altered, cloned, swapped-security-object", "run --fault"]);
    let missing = path("other.card").display().to_string();
    refused("\"swapped-security-object\"\nof = \"other.card\"", &[&missing, "`of`", "folder of the fault file"]);
    State::blank(soft_card::BlankOptions::default()).unwrap().create(&path("other.card")).unwrap();
    refused("\"swapped-security-object\"\nof = \"other.card\"", &[&missing, "has no EF.SOD"]);
    refused("\"certificate\"\nof = \"other.card\"", &[&missing, "has no EF.SOD"]);
    refused("\"swapped-card-security\"\nof = \"other.card\"", &[&missing, "has no EF.CardSecurity"]);
    refused("\"swapped-card-security\"\nof = \"original.json\"", &["has no EF.CardSecurity", "specimen-uto-cam"]);
}

#[test]
fn bad_files_and_usage_are_refused_with_advice() {
    let desk = Desk::new();
    let bad = desk.folder.path().join("bad.json");
    std::fs::write(&bad, b"{\"format\":\"bitaqa-soft-card\",\"version\":1,").unwrap();
    let bad = bad.to_str().unwrap();
    let card = desk.card.to_str().unwrap();
    for (arguments, code, word) in [
        (&["show", "--state", bad][..], 20, "not the memory of a soft card"),
        (&["run", "--state", bad, "--listen", "x"], 20, "make a new one"),
        (&["show", "--state", "/nonexistent/card.json"], 20, "bitaqa-soft-card new"),
        (&["new", "--state", card], 2, "never overwritten"),
        (&["new", "--state", "/nonexistent/card.json"], 2, "a folder that exists"),
        (&["run", "--state", card, "--listen", "/nonexistent/card.sock"], 2, "a folder that exists"),
        (&["run", "--state", card], 2, "--connect"),
        (&["run", "--state", card, "--connect", "/nonexistent/slot.0"], 20, "start the reader first"),
        (&["run", "--state", card, "--listen", card], 2, "in use"),
        (&["run", "--state", card, "--listen", "x", "--tear-at", "soon"], 2, "command index"),
        (&["new", "--state", card, "--serial", "12"], 2, "12 hexadecimal digits"),
        (&["new", "--state", "/nonexistent/card.json", "--keys", card], 2, "three lines are expected: ENC, MAC, DEK"),
    ] {
        let output = run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    assert!(help.contains("Examples:") && help.contains("Exit codes:"));
}

#[test]
fn a_card_with_the_citizen_application_is_made_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let card = folder.path().join("card.json");
    let path = card.to_str().unwrap();
    assert!(run(&["new", "--state", path, "--eid"]).status.success());
    let shown = String::from_utf8(run(&["show", "--state", path]).stdout).unwrap();
    assert!(shown.contains("citizen PIN") && shown.contains("7E Discovery Object"), "{shown}");
    let json: serde_json::Value = serde_json::from_slice(&run(&["show", "--state", path, "--json"]).stdout).unwrap();
    assert_eq!((&json["eid"]["pin"], &json["eid"]["objects"][0]["bytes"]), (&"none".into(), &18.into()));

    let mut held = State::load(&card).unwrap();
    held.eid = crate::citizen::held().state().eid.clone();
    let other = folder.path().join("held.json");
    held.create(&other).unwrap();
    let shown = run(&["show", "--state", other.to_str().unwrap(), "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!((&json["eid"]["pin"], &json["eid"]["keys"][1]), (&"active".into(), &"9C".into()));
    let text = String::from_utf8(shown).unwrap();
    assert!(!text.contains("27182818") && !text.contains("3237313832383138"), "no secret is shown");
}

#[test]
fn sixteen_cards_run_in_one_program_and_a_seventeenth_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for number in 0..16 {
        let state = path(&format!("{number:02}.card"));
        let serial = format!("{number:02}0000000000");
        assert!(run(&["new", "--state", state.to_str().unwrap(), "--serial", &serial]).status.success());
    }
    let rack = program().arg("rack").arg(folder.path()).stderr(Stdio::piped()).spawn().unwrap();
    let mut running = Running(rack);
    let mut said = BufReader::new(running.0.stderr.take().unwrap());
    let mut ready = String::new();
    said.read_line(&mut ready).unwrap();
    assert!(ready.contains("ready, 16 card(s)") && ready.contains("NAME.sock"), "{ready}");
    let mut hosts: Vec<Host> = (0..16).map(|number| Host::connect(&path(&format!("{number:02}.sock")))).collect();
    for (number, host) in hosts.iter_mut().enumerate() {
        host.ask(&Request::PowerOn).unwrap();
        let cplc = host.transmit(&iso7816::Command::parse(&[0x80, 0xCA, 0x9F, 0x7F, 0]).unwrap()).unwrap().data;
        let serial = u8::from_str_radix(&format!("{number:02}"), 16).unwrap();
        assert_eq!(cplc[15], serial, "each socket has its own card");
    }
    // One is in use, the others are too: the same folder cannot be run twice.
    assert_eq!(run(&["rack", folder.path().to_str().unwrap()]).status.code(), Some(20));
    assert!(run(&["new", "--state", path("16.card").to_str().unwrap()]).status.success());
    let many = run(&["rack", folder.path().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&many.stderr).into_owned();
    assert!(many.status.code() == Some(2) && said.contains("holds 17 cards"), "{said}");
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(run(&["rack", empty.path().to_str().unwrap()]).status.code(), Some(2));
}

#[test]
fn what_cannot_be_printed_is_an_error_and_a_reader_that_has_enough_is_none() {
    let desk = Desk::new();
    let state = desk.card.to_str().unwrap();
    for arguments in [&["personas"][..], &["personas", "--json"], &["show", "--state", state]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = program().args(arguments).stdout(full).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("could not be printed") && !text.contains("panicked"), "{text}");
        let mut child = program().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    }
}

#[test]
fn programs_get_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.card");
    let path = path.to_str().unwrap();
    let object = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
    let made = object(&run(&["new", "--state", path, "--serial", "0102030405aa", "--json"]).stdout);
    assert_eq!((&made["chip_serial"], &made["version"]), (&"FFFF500C63260102030405AA".into(), &1.into()));
    let list = String::from_utf8(run(&["--json", "personas"]).stdout).unwrap();
    let names: Vec<_> = list.lines().map(|line| object(line.as_bytes())["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, EMBEDDED.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let again = run(&["new", "--state", path, "--json"]);
    assert_eq!((again.status.code(), &object(&again.stdout)["error"]["exit"]), (Some(2), &2.into()));
}

#[test]
fn personas_are_listed_and_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let list = String::from_utf8(run(&["personas"]).stdout).unwrap();
    for line in list.lines() {
        let name = line.split_whitespace().next().unwrap();
        assert!(run(&["new", "--state", &path(name), "--persona", name]).status.success(), "{name}");
    }
    assert_eq!(list.lines().count(), EMBEDDED.len());
    let load = |name: &str| State::load(Path::new(&path(name))).unwrap();
    assert!(!load("bac-only").make.pace && !load("pace-only").make.bac);
    assert_eq!(load("maker-keys").issuer_domain.keys.keys().collect::<Vec<_>>(), [&0xFF]);
    std::fs::write(path("own.toml"), "format = \"bitaqa-soft-card-persona\"\nversion = 1\nlongest-command = 1000\n")
        .unwrap();
    assert!(run(&["new", "--state", &path("own"), "--persona", &path("own.toml")]).status.success());
    assert_eq!(load("own").make.longest_command, 1000);
    assert_eq!(run(&["new", "--state", &path("x"), "--persona", "nobody"]).status.code(), Some(2));
    // The keys of its maker, and not those that everybody knows.
    let keys = [[0x11; 32], [0x22; 32], [0x33; 32]];
    std::fs::write(path("keys"), keys.map(|key| hex::encode(key) + "\n").concat()).unwrap();
    assert!(run(&["new", "--state", &path("keyed"), "--keys", &path("keys")]).status.success());
    let set = load("keyed").issuer_domain.keys.remove(&0x30).unwrap();
    assert_eq!([&set.enc, &set.mac, &set.dek].map(|key| key.expose().to_vec()), keys.map(|key| key.to_vec()));
}
