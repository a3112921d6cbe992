//! The program as an operator runs it: against a soft card on a socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(missing_docs)]

mod applet;
mod exits;
mod rejected;
mod token;

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::AtomicBool;
use std::thread;

use assert_cmd::Command;
use authority::{Authority, BundleRequest, Passphrase, Profile};
use channel::key_set::Diversification;
use channel::scp03::KeySet;
use channel::secret::Secret;
use jiff::Timestamp;
use lds::dg::dg01::Dg1;
use openssl::base64;
use perso::ledger::{Event, Ledger, Motion, Reading, State};
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
        self.blank_with(serial, BlankOptions::default().keys)
    }

    fn blank_with(&self, serial: u8, keys: KeySet) -> PathBuf {
        let path = self.path(&format!("card-{serial}.json"));
        let options = BlankOptions { serial: Some([serial; 6]), keys, ..BlankOptions::default() };
        SoftCard::blank(options).unwrap().state().create(&path).unwrap();
        path
    }

    /// A blank with the citizen application, and a citizen CA for it.
    fn citizen_blank(&self, keys: KeySet) -> PathBuf {
        let mut authority = Authority::open(&self.path("pki")).unwrap();
        authority.create_citizen_ca(false, &Passphrase::new(PASSPHRASE), Timestamp::now()).unwrap();
        let path = self.path("card-1.json");
        let options = BlankOptions { serial: Some([1; 6]), keys, eid: true, ..BlankOptions::default() };
        SoftCard::blank(options).unwrap().state().create(&path).unwrap();
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
        let mut command = self.command_without_printer(verb);
        command.arg("--printer").arg(self.printer());
        command
    }

    /// Starts a simulated printer; its port.
    fn printer(&self) -> PathBuf {
        self.printer_with(Options { output: Some(self.path("")), ..Options::default() })
    }

    fn printer_with(&self, options: Options) -> PathBuf {
        let port = self.path("printer");
        let mut pty = Pty::open().unwrap();
        pty.link(&port).unwrap();
        thread::spawn(move || serve(&mut pty, &mut Printer::new(options), &AtomicBool::new(false), |_| {}));
        port
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

/// Every line of the output.
fn all_lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Those that are no warnings of what an order has too much of.
fn lines(output: &Output) -> Vec<Value> {
    all_lines(output).into_iter().filter(|line| line["event"] != "warning").collect()
}

#[test]
fn a_card_is_made_and_nothing_written_holds_a_secret() {
    let centre = Centre::new();
    let key = |first: u8| Secret::new((0..16).map(|i| first.wrapping_mul(17).wrapping_add(i * 13)).collect());
    let keys = KeySet { enc: key(3), mac: key(5), dek: key(7) };
    let master = key(9);
    let lines_of_keys = [&keys.enc, &keys.mac, &keys.dek, &master].map(|key| hex::encode(key.expose()) + "\n").concat();
    let profile =
        "extends = \"specimen-uto-eid\"\nname = \"changes-keys\"\n[keys]\nversion = 0x31\nderivation = \"kdf3\"\n";
    std::fs::write(centre.path("profile.toml"), profile).unwrap();
    let state = centre.citizen_blank(keys.clone());
    centre.insert(&state, None);
    std::fs::create_dir(centre.path("temporary")).unwrap();
    let there: BTreeSet<PathBuf> = files(centre.folder.path()).into_iter().collect();
    let output = centre
        .command("run")
        .args(["--limit", "1", "--blanks", "3", "--card-keys", "/dev/fd/0", "--passphrase-fd", "0"])
        .args(["--issuer-keys", "/dev/fd/0", "--citizen-passphrase-fd", "0", "--citizen-ca"])
        .arg(centre.path("pki"))
        .arg("--pin-letters")
        .arg(centre.path("letters"))
        .arg("--profile")
        .arg(centre.path("profile.toml"))
        .arg("--journal")
        .arg(centre.path("journal"))
        .env_remove("BITAQA_PASSPHRASE_FILE")
        .env("TMPDIR", centre.path("temporary"))
        .env("RUST_LOG", "trace")
        // From one pipe: whoever reads more than its own lines takes the next one's secret.
        .write_stdin(format!("{lines_of_keys}{PASSPHRASE}\n{PASSPHRASE}\n"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let said = lines(&output);
    assert_eq!(said[0]["outcome"], "finished");
    assert_eq!(said[0]["verdict"], "GENUINE_VALID");
    assert_eq!(said[1]["balance"]["left"], 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("personalization begins"), "the trace is empty");

    let written = files(centre.folder.path()).into_iter().filter(|path| !there.contains(path));
    let (letters, written): (Vec<PathBuf>, Vec<PathBuf>) =
        written.partition(|path| path.starts_with(centre.path("letters")));
    assert_eq!(letters, [centre.path("letters/ZZ0000017.json")]);
    assert_eq!(letters[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let letter: Value = serde_json::from_slice(&std::fs::read(&letters[0]).unwrap()).unwrap();
    let (certified, written): (Vec<PathBuf>, Vec<PathBuf>) =
        written.into_iter().partition(|path| path.starts_with(centre.path("pki")));
    assert_eq!(certified.iter().filter(|path| path.extension().is_some_and(|kind| kind == "der")).count(), 3);
    let names: Vec<&str> =
        written.iter().map(|path| path.strip_prefix(centre.folder.path()).unwrap().to_str().unwrap()).collect();
    let kept = ["front.png", "back.png", "result.json"].map(|name| format!("out/ZZ0000017/{name}"));
    let expected: BTreeSet<&str> =
        kept.iter().map(String::as_str).chain(["journal", "ledger.jsonl", "ledger.jsonl.head"]).collect();
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), expected);
    let mut searched = vec![("stdout".to_owned(), output.stdout), ("stderr".to_owned(), output.stderr)];
    searched.extend(certified.iter().map(|path| (path.display().to_string(), std::fs::read(path).unwrap())));
    for path in &written {
        let metadata = path.metadata().unwrap();
        assert!(metadata.len() > 100, "{}", path.display());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{}", path.display());
        searched.push((path.display().to_string(), std::fs::read(path).unwrap()));
    }

    // The card itself is still in the reader.
    std::fs::copy(&state, centre.path("copy.json")).unwrap();
    let card = SoftCard::open(&centre.path("copy.json")).unwrap();
    let sets: Vec<_> = card.state().issuer_domain.keys.iter().collect();
    let [(0x31, issuer)] = sets[..] else { panic!("the keys it came with are not gone") };
    // FFFF, fabrication date, serial number and batch: what INITIALIZE UPDATE says of this chip.
    let diversification = [0xFF, 0xFF, 0x63, 0x26, 1, 1, 1, 1, 1, 1];
    let derived = Diversification::Kdf3.keys(&master, &diversification);
    assert_eq!(derived.unwrap(), KeySet { enc: issuer.enc.clone(), mac: issuer.mac.clone(), dek: issuer.dek.clone() });
    let memory = &card.state().emrtd;
    let information = memory.mrz_information.as_ref().unwrap().expose();
    let mrz = Dg1::parse(&memory.files[&0x0101]).unwrap().mrz;
    let mut secrets = vec![
        ("passphrase", PASSPHRASE.as_bytes()),
        ("Key-ENC", keys.enc.expose()),
        ("Key-MAC", keys.mac.expose()),
        ("Key-DEK", keys.dek.expose()),
        ("master key", master.expose()),
        ("the issuer's Key-ENC", issuer.enc.expose()),
        ("the issuer's Key-MAC", issuer.mac.expose()),
        ("the issuer's Key-DEK", issuer.dek.expose()),
        ("chip key", memory.chip_key.as_ref().unwrap().private.expose()),
        ("MRZ_information", information),
        ("access number", b"378228"),
        ("transport PIN", letter["pin"].as_str().unwrap().as_bytes()),
        ("PUK", letter["puk"].as_str().unwrap().as_bytes()),
    ];
    // The letter is that of the card.
    let citizen = card.state().eid.as_ref().unwrap();
    assert_eq!(citizen.puk.as_ref().unwrap().value.expose(), letter["puk"].as_str().unwrap().as_bytes());
    assert!(citizen.transport);
    // Without the document number, which names every record: birth and expiry, and the key's parts in the MRZ.
    let (birth, expiry) = (&information[10..17], &information[17..24]);
    secrets.extend([("date of birth", birth), ("date of expiry", expiry)]);
    secrets.extend(mrz.lines().into_iter().map(|line| ("line of the MRZ", line.as_bytes())));
    for (place, bytes) in &searched {
        for (name, secret) in &secrets {
            for writing in writings(secret) {
                assert!(!holds(bytes, &writing), "{place}: {name} as {}", String::from_utf8_lossy(&writing));
            }
        }
    }
}

#[test]
fn certificates_of_a_card_that_was_pulled_are_named_and_can_be_revoked() {
    let centre = Centre::new();
    let state = centre.citizen_blank(BlankOptions::default().keys);
    let command = |verb: &str| {
        let mut command = centre.command(verb);
        command.args(["--profile", "specimen-uto-eid", "--citizen-ca"]).arg(centre.path("pki"));
        command.arg("--pin-letters").arg(centre.path("letters"));
        command.arg("--citizen-passphrase-file").arg(centre.path("passphrase"));
        command
    };
    // Without a citizen CA nothing begins.
    let missing = centre.command("run").args(["--profile", "specimen-uto-eid"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2), "{}", String::from_utf8_lossy(&missing.stdout));

    // While its certificates are written.
    centre.insert(&state, Some(Tear { at: 40, when: When::After }));
    let torn = command("run").args(["--limit", "1", "--blanks", "1"]).output().unwrap();
    assert_eq!(torn.status.code(), Some(11), "{}", String::from_utf8_lossy(&torn.stdout));
    assert!(!centre.path("letters/ZZ0000017.json").exists());
    centre.insert(&state, None);
    let recovered = command("recover").output().unwrap();
    assert_eq!(recovered.status.code(), Some(0), "{}", String::from_utf8_lossy(&recovered.stdout));
    let said = lines(&recovered);
    assert_eq!(said[0]["outcome"], "finished");
    let revoke = said[0]["revoke"].as_array().unwrap();
    assert_eq!(revoke.len(), 3);
    let mut authority = Authority::open(&centre.path("pki")).unwrap();
    for certificate in revoke {
        let serial = certificate["serial"].as_str().unwrap();
        authority.revoke_citizen_certificate(serial, Timestamp::now()).unwrap();
    }
    let record = Reading::of(&centre.path("ledger.jsonl")).unwrap().book.document("ZZ0000017").unwrap().clone();
    let keys: Vec<&str> = record.in_force().map(|certificate| certificate.key.as_str()).collect();
    assert_eq!(keys, ["9A", "9C", "9D"]);
    for certificate in &record.certificates {
        assert_eq!(authority.citizen_certificate_of(&certificate.key_identifier).unwrap(), certificate.serial);
    }
    assert_eq!(authority.citizen_certificate_of(&"00".repeat(20)).unwrap(), None);
    assert!(centre.path("letters/ZZ0000017.json").exists());
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A secret as it is, in hexadecimal, and in base64 at each of the three alignments, without what depends on neighbours.
fn writings(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![secret.to_vec(), hex::encode(secret).into(), hex::encode_upper(secret).into()];
    for shift in 0..3 {
        let text = base64::encode_block(&[&vec![0; shift][..], secret].concat());
        let (from, to) = ((shift * 8).div_ceil(6), (shift + secret.len()) * 8 / 6);
        all.push(text.as_bytes()[from..to].to_vec());
    }
    all
}

/// True when `piece` is in the bytes; a few digits must stand alone, because digests and times hold them by chance.
fn holds(bytes: &[u8], piece: &[u8]) -> bool {
    let digits = piece.len() < 10 && piece.iter().all(u8::is_ascii_digit);
    let alone = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    bytes
        .windows(piece.len())
        .enumerate()
        .any(|(at, window)| window == piece && (!digits || alone(at.checked_sub(1)) && alone(Some(at + piece.len()))))
}

#[test]
fn every_writing_of_a_secret_is_found() {
    let secret = b"a secret";
    let texts = [
        "a secret".to_owned(),
        hex::encode(secret),
        hex::encode_upper(secret),
        base64::encode_block(b"a secret"),
        base64::encode_block(b"!a secret!!"),
        base64::encode_block(b"!!a secret!"),
    ];
    for text in texts {
        let found = writings(secret).iter().any(|writing| holds(format!("<{text}>").as_bytes(), writing));
        assert!(found, "{text}");
    }
    assert!(holds(b"CAN 378228.", b"378228") && !holds(b"a5378228", b"378228"));
}

#[test]
fn the_issuer_s_keys_are_given_when_the_profile_says_so_and_only_then() {
    let centre = Centre::new();
    centre.insert(&centre.blank(), None);
    std::fs::write(centre.path("keys"), format!("{}\n", "11".repeat(16)).repeat(3)).unwrap();
    std::fs::write(centre.path("uneven"), format!("{}\n{}\n{0}\n", "11".repeat(16), "22".repeat(32))).unwrap();
    std::fs::write(
        centre.path("profile.toml"),
        "extends = \"specimen-uto\"\nname = \"x\"\n[keys]\nversion = 0x31\nderivation = \"none\"\n",
    )
    .unwrap();
    let with = |profile: &Path, keys: Option<&str>| {
        let mut command = centre.command("run");
        command.arg("--profile").arg(profile);
        if let Some(keys) = keys {
            command.arg("--issuer-keys").arg(centre.path(keys));
        }
        let output = command.output().unwrap();
        (output.status.code(), lines(&output)[0]["error"]["what"].as_str().unwrap().to_owned())
    };
    let (rotating, plain) = (centre.path("profile.toml"), Path::new("specimen-uto"));
    assert_eq!(with(&rotating, None), (Some(2), "The issuer's keys are missing.".to_owned()));
    assert_eq!(with(plain, Some("keys")), (Some(2), "The issuer's keys would not be used.".to_owned()));
    let (code, what) = with(&rotating, Some("uneven"));
    assert!(code == Some(2) && what.ends_with("holds no keys."), "{what}");
}

#[test]
fn secrets_that_others_can_read_are_told() {
    let centre = Centre::new();
    let keys = centre.path("keys");
    std::fs::write(&keys, format!("{0}\n{0}\n{0}\n", "40".repeat(16))).unwrap();
    let warnings = |mode: u32| {
        for path in [&keys, &centre.path("passphrase")] {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        let output = centre.command("run").arg("--card-keys").arg(&keys).output().unwrap();
        assert_eq!(output.status.code(), Some(20), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    };
    let told = warnings(0o640);
    for name in ["keys", "passphrase"] {
        assert!(told.contains(&format!("warning: {} can be read by others", centre.path(name).display())), "{told}");
    }
    assert!(!warnings(0o600).contains("warning"));
}

#[test]
fn a_preview_is_for_its_owner_and_replaces_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let front = folder.path().join("front.png");
    std::fs::write(&front, "an older one that all can read").unwrap();
    std::fs::write(folder.path().join("front.png.new"), "left behind").unwrap();
    let mut command = Command::cargo_bin("bitaqa-personalizer").unwrap();
    command.arg("preview").arg(test_vectors::path("orders/specimen.jsonl")).arg("--out").arg(folder.path());
    command.assert().code(0);
    assert!(std::fs::read(&front).unwrap().starts_with(b"\x89PNG"));
    let kept = files(folder.path());
    assert_eq!(kept.len(), 2, "{kept:?}");
    for path in kept {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
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
    // A run that was given a head stops when the ledger does not hold it.
    let other = centre.command("run").args(["--head", &"00".repeat(32)]).output().unwrap();
    assert_eq!(other.status.code(), Some(50));
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
    // Every motion of the machine is in the ledger: feed, and the document's own steps.
    let entries = Reading::of(&centre.path("ledger.jsonl")).unwrap().entries;
    let fed = entries.iter().filter(|entry| matches!(entry.event, Event::Motion { motion: Motion::Feed, .. }));
    assert_eq!(fed.count(), 2);
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
    command.arg("--printer").arg(centre.printer());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(40), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(std::fs::read(&state).unwrap(), before);
    // No blank was fed, and so none is spoiled.
    assert_eq!(std::fs::read(centre.path("ledger.jsonl")).unwrap(), b"");
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

#[test]
fn recovery_with_nothing_open_feeds_no_card() {
    let centre = Centre::new();
    let state = centre.blank();
    centre.insert(&state, None);
    let before = std::fs::read(&state).unwrap();
    let output = centre.command_with_printer("recover").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(lines(&output)[0]["outcome"], "nothing-open");
    assert!(Reading::of(&centre.path("ledger.jsonl")).unwrap().entries.is_empty(), "something was moved");
    assert_eq!(std::fs::read(&state).unwrap(), before);
    // By hand, with nothing in the station: nobody is asked for a card.
    std::fs::remove_file(centre.path("card.sock")).unwrap();
    let output = centre.command("recover").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(lines(&output)[0]["outcome"], "nothing-open");
}

#[test]
fn a_card_that_a_killed_run_left_inside_is_looked_at_before_another_one() {
    let centre = Centre::new();
    let state = centre.blank();
    centre.insert(&state, None);
    let port = centre.printer();
    let with = |verb: &str| {
        let mut command = centre.command_without_printer(verb);
        command.arg("--printer").arg(&port).output().unwrap()
    };
    // The run before fed a blank and was killed.
    let driver = printing::drivers::Driver::named("evolis").unwrap();
    let mut machine = (driver.open)(printing::drivers::Connection::new(&port));
    machine.connect().unwrap();
    machine.feed_to_station(printing::machine::Station::Contact).unwrap();
    drop(machine);

    let refused = with("run");
    let error = &lines(&refused)[0]["error"];
    assert_eq!((refused.status.code(), &error["exit"]), (Some(30), &Value::from(30)), "{error}");
    assert!(error["remedy"].as_str().unwrap().contains("recover"), "{error}");
    let before = std::fs::read(&state).unwrap();
    let recovered = with("recover");
    assert_eq!(lines(&recovered)[0]["outcome"], "blank", "{}", String::from_utf8_lossy(&recovered.stdout));
    assert_eq!(std::fs::read(&state).unwrap(), before);
    let reading = Reading::of(&centre.path("ledger.jsonl")).unwrap();
    assert_eq!(reading.book.balance().spoiled, 0);
    // Nothing stands in the way any more, and what was not entered is told.
    let made = with("run");
    let said = lines(&made);
    assert_eq!(
        (&said[0]["outcome"], said.last().unwrap()["event"].as_str()),
        (&Value::from("finished"), Some("error"))
    );
}

#[test]
fn blanks_that_were_not_entered_are_told() {
    let centre = Centre::new();
    centre.insert(&centre.blank(), None);
    let output = centre.command("run").args(["--limit", "1"]).output().unwrap();
    assert_eq!(lines(&output)[1]["blanks_not_entered"], 1, "{}", String::from_utf8_lossy(&output.stdout));
    let balance = || {
        let mut command = Command::cargo_bin("bitaqa-personalizer").unwrap();
        let output = command.args(["--json", "ledger", "balance"]).arg(centre.path("ledger.jsonl")).output().unwrap();
        (output.status.code(), lines(&output).remove(0))
    };
    let (code, told) = balance();
    assert!(code == Some(50) && told["error"]["why"].as_str().unwrap().contains("1 too many"), "{told}");
    centre.command("run").args(["--limit", "0", "--blanks", "1"]).assert().code(0);
    assert_eq!(balance().1["left"], 0);
}

#[test]
fn a_wrong_command_line_is_an_error_like_any_other() {
    let run = |arguments: &[&str]| Command::cargo_bin("bitaqa-personalizer").unwrap().args(arguments).output().unwrap();
    for arguments in [&["--json", "run"][..], &["run", "x", "--json", "--surprise"], &["--json", "nothing"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2));
        let error = &lines(&output)[0]["error"];
        assert!(error["exit"] == 2 && error["why"].as_str().is_some_and(|why| why.len() > 20), "{error}");
    }
    assert!(lines(&run(&["--json", "run"]))[0]["error"]["why"].as_str().unwrap().contains("<ORDERS>"));
    // People get the parser's words, and help is help.
    assert!(String::from_utf8(run(&["run"]).stderr).unwrap().contains("Usage:"));
    let help = String::from_utf8(run(&["--json", "run", "--help"]).stdout).unwrap();
    let examples = help.split("Examples:").nth(1).unwrap();
    assert!(examples.contains("--issuer-key-label issuer-2026") && examples.lines().all(|line| line.len() < 80));
}

#[test]
fn a_card_whose_order_was_not_given_stays_inside_until_it_is() {
    let centre = Centre::new();
    let state = centre.blank();
    centre.insert(&state, Some(Tear { at: 40, when: When::After }));
    assert_eq!(centre.command_without_printer("run").output().unwrap().status.code(), Some(11));
    centre.insert(&state, None);
    let port = centre.printer();
    let recover = || {
        let mut command = centre.command_without_printer("recover");
        command.arg("--printer").arg(&port).output().unwrap()
    };
    let orders = std::fs::read_to_string(centre.path("orders/two.jsonl")).unwrap();
    std::fs::write(centre.path("orders/two.jsonl"), orders.lines().nth(1).unwrap()).unwrap();
    assert_eq!(recover().status.code(), Some(50));
    std::fs::write(centre.path("orders/two.jsonl"), orders).unwrap();
    let output = recover();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(centre.state("ZZ0000017"), State::Packed);
    let entries = Reading::of(&centre.path("ledger.jsonl")).unwrap().entries;
    let moved = |wanted| {
        entries.iter().filter(|e| matches!(&e.event, Event::Motion { motion, .. } if *motion == wanted)).count()
    };
    assert_eq!((moved(Motion::Feed), moved(Motion::Reject)), (2, 0), "one feed, announced and done");
}

#[test]
fn a_card_whose_letter_is_not_kept_stays_inside_until_it_is() {
    let centre = Centre::new();
    let state = centre.citizen_blank(BlankOptions::default().keys);
    centre.insert(&state, None);
    let port = centre.printer();
    let letter = centre.path("letters/ZZ0000017.json");
    std::fs::create_dir_all(&letter).unwrap();
    let with_printer = |verb: &str| {
        let mut command = centre.command_without_printer(verb);
        command.args(["--profile", "specimen-uto-eid"]).arg("--citizen-ca").arg(centre.path("pki"));
        command.arg("--pin-letters").arg(centre.path("letters"));
        command.arg("--citizen-passphrase-file").arg(centre.path("passphrase")).arg("--printer").arg(&port);
        command.output().unwrap()
    };
    let output = with_printer("run");
    assert_eq!(output.status.code(), Some(11), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(centre.state("ZZ0000017"), State::QaPassed);
    std::fs::remove_dir(&letter).unwrap();
    let output = with_printer("recover");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(centre.state("ZZ0000017"), State::Packed);
    assert!(letter.is_file());
}

#[test]
fn an_order_that_changed_costs_no_blank() {
    let centre = Centre::new();
    let state = centre.blank();
    centre.insert(&state, None);
    let mut ledger = Ledger::open(&centre.path("ledger.jsonl")).unwrap();
    let (document, job_id) = ("ZZ0000017".to_owned(), "earlier".to_owned());
    let order = "00".repeat(32);
    ledger.append(Event::Ordered { document, job_id, job: perso::order::JobType::FirstIssue, order }).unwrap();
    drop(ledger);
    let output = centre.command_with_printer("run").output().unwrap();
    assert_eq!(output.status.code(), Some(50), "{}", String::from_utf8_lossy(&output.stdout));
    let reading = Reading::of(&centre.path("ledger.jsonl")).unwrap();
    assert_eq!(reading.entries.len(), 1, "nothing was fed");
}
