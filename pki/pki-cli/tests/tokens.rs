//! Keys in a SoftHSM2 token, as an operator meets them. Without the package `softhsm2` the tests are skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const PIN: &str = "19283746";
const WRONG: &str = "64738291";
const LABEL: &str = "national";
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];

struct Desk {
    folder: tempfile::TempDir,
    module: PathBuf,
}

impl Desk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let tokens = folder.path().join("tokens");
        fs::create_dir(&tokens).unwrap();
        let settings = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
        fs::write(folder.path().join("softhsm2.conf"), settings).unwrap();
        fs::write(folder.path().join("pin"), format!("{PIN}\n")).unwrap();
        fs::write(folder.path().join("wrong"), format!("{WRONG}\n")).unwrap();
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "87654321"])
            .env("SOFTHSM2_CONF", folder.path().join("softhsm2.conf"))
            .output();
        let module = MODULES.map(PathBuf::from).into_iter().find(|path| path.exists());
        let (Ok(made), Some(module)) = (made, module) else {
            println!("skipped: softhsm2 is not installed");
            return None;
        };
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(Desk { folder, module })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command; `@` stands for the token. Whatever it prints holds no PIN.
    fn run(&self, pin: &str, words: &str) -> Output {
        self.limited("true", pin, words)
    }

    /// The same after a preparation of the shell.
    fn limited(&self, preparation: &str, pin: &str, words: &str) -> Output {
        let token = format!("--token {} --token-label {LABEL}", self.module.display());
        let program = assert_cmd::cargo::cargo_bin("bitaqa-pki");
        let line = format!("{preparation}; exec {} {}", program.display(), words.replace('@', &token));
        let output = Command::new("sh")
            .args(["-c", &line])
            .current_dir(self.path())
            .env("SOFTHSM2_CONF", self.path().join("softhsm2.conf"))
            .env("BITAQA_PASSPHRASE_FILE", pin)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        assert!(!text.contains(PIN) && !text.contains(WRONG), "{text}");
        output
    }

    fn good(&self, words: &str) -> Value {
        self.good_with("pin", words)
    }

    fn good_with(&self, secret: &str, words: &str) -> Value {
        let output = self.run(secret, &format!("{words} --json"));
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn words(&self, words: &str) -> String {
        String::from_utf8(self.run("pin", words).stdout).unwrap()
    }

    fn refused(&self, pin: &str, words: &str) -> String {
        let output = self.run(pin, words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(40), "{words}: {text}");
        assert!(text.starts_with("error: ") && text.contains("why: ") && text.contains("do:  "), "{text}");
        text
    }
}

#[test]
fn from_nothing_to_a_bundle_with_keys_in_a_token() {
    let Some(desk) = Desk::new() else { return };
    desk.good("init --profile specimen-uto --dir pki --key rsa-pss-3072 @");
    let signer = desk.good("ds new --dir pki --max-uses 500 @");
    assert_eq!((signer["token"].as_str(), signer["max_uses"].as_u64()), (Some(LABEL), Some(500)));
    desk.good("ds new --dir pki --key ecdsa-brainpoolp256r1 --pin-file pin @");
    desk.good("crl issue --dir pki");
    desk.good("bundle export --dir pki --out bundle");
    desk.good("status --dir pki");
    holds_no_secret(&desk.path().join("pki"));
}

#[test]
fn master_keys_are_made_imported_and_shown_by_their_check_value() {
    let Some(desk) = Desk::new() else { return };
    let made = desk.good("master-key new --label issuer @");
    let shown = desk.good("master-key show --label issuer @");
    assert_eq!((&made["check_value"], &made["kind"]), (&shown["check_value"], &Value::from("aes-256")));
    assert!(desk.refused("pin", "master-key show --label nobody @").contains("no master key"));
    let taken = desk.run("pin", "master-key new --label issuer @");
    assert_eq!(taken.status.code(), Some(2));

    // RFC 4493's key in two components; AES-CMAC of sixteen zero bytes as OpenSSL computes it.
    fs::write(desk.path().join("one"), "ffffffffffffffffffffffffffffffff\n").unwrap();
    fs::write(desk.path().join("two"), "D481EAE9D7512D595408EA77F630B0C3\n").unwrap();
    let openssl = "printf '\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0' | \
        openssl mac -cipher AES-128-CBC -macopt hexkey:2b7e151628aed2a6abf7158809cf4f3c CMAC";
    let known = Command::new("sh").args(["-c", openssl]).output().unwrap();
    let known = String::from_utf8(known.stdout).unwrap()[..10].to_owned();
    let import = "master-key import --kind aes-128 --component one --component two --label maker";
    let wrong = desk.run("pin", &format!("{import} --check-value 000000 @"));
    assert_eq!(wrong.status.code(), Some(2));
    // The token is not even asked: there is none.
    let nowhere = "--token /nowhere --token-label none";
    for (check_value, why) in [("D41D8C", "its check value is"), ("D4", "6 to 10"), ("D41D8CZ0", "6 to 10")] {
        let output = desk.run("pin", &format!("{import} --check-value {check_value} {nowhere}"));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(why), "{check_value}: {text}");
    }
    let halves = desk.run("pin", &format!("master-key import --kind 3des --component one --label x {nowhere}"));
    assert!(String::from_utf8_lossy(&halves.stderr).contains("both halves"));
    fs::write(desk.path().join("des"), "0123456789ABCDEFFEDCBA9876543210\n").unwrap();
    // Eight zero bytes under the two keys, as OpenSSL enciphers them.
    let openssl = "printf '\\0\\0\\0\\0\\0\\0\\0\\0' | openssl enc -des-ede -nopad \
        -K 0123456789ABCDEFFEDCBA9876543210 | od -An -tx1 | tr -d ' \\n'";
    let des = Command::new("sh").args(["-c", openssl]).output().unwrap();
    let des = String::from_utf8(des.stdout).unwrap()[..6].to_ascii_uppercase();
    let two = desk.good(&format!("master-key import --kind 3des --component des --label des --check-value {des} @"));
    assert_eq!(two["check_value"], des.as_str());
    let imported = desk.good(&format!("{import} --check-value {known} @"));
    assert_eq!(imported["check_value"], known.as_str());
    let short = desk.run("pin", "master-key import --kind aes-256 --component one --label short @");
    assert_eq!(short.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&short.stderr).contains("ffff"));
    let twice = desk.run("pin", "master-key import --kind aes-128 --component two --component two --label twice @");
    assert_eq!(twice.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&twice.stderr).contains("given twice"));
}

/// Every file of the folder, with the text in it.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                found.push((path, text));
            }
        }
    }
    found
}

/// No private key and no PIN outside of the token.
fn holds_no_secret(folder: &Path) {
    for (path, text) in files(folder) {
        assert!(!text.contains(PIN) && !text.contains("PRIVATE KEY"), "{}", path.display());
    }
}

#[test]
fn list_and_seal_signers_live_in_a_token() {
    let Some(desk) = Desk::new() else { return };
    desk.good("init --profile specimen-uto --dir pki @");
    desk.good("signer new master-list --dir pki --key ecdsa-p-384 @");
    assert_eq!(desk.good("signer new seal --dir pki --name ab-0001 @")["token"], LABEL);
    assert_eq!(desk.good("signer ensure deviation-list --dir pki @")["made"], true);
    assert_eq!(desk.good("signer ensure deviation-list --dir pki @")["made"], false);
    assert_eq!(desk.good("ds ensure --dir pki --days 14 @")["token"], LABEL);
    desk.good("csca rollover --dir pki");
    assert_eq!(desk.good("publish master-list --dir pki")["entries"], 3);
    let deviations = "[[deviation]]\nnumbers = [\"A12345678\"]\n[[deviation.defects]]\nkind = \"lds\"\n";
    fs::write(desk.path().join("deviations.toml"), deviations).unwrap();
    desk.good("publish deviation-list --dir pki --deviations deviations.toml");
    // What a key signs is counted, whatever it signs.
    let status = desk.words("status --dir pki");
    assert!(status.contains("may sign, 1 of 1000 uses, token national"), "{status}");
    desk.good("signer new master-list --dir pki --name once --max-uses 1 @");
    desk.good("publish master-list --dir pki --signer once");
    assert!(desk.refused("pin", "publish master-list --dir pki --signer once").contains("may no longer sign"));
    holds_no_secret(&desk.path().join("pki"));
}

#[test]
fn a_whole_hierarchy_for_terminals_lives_in_a_token() {
    let Some(desk) = Desk::new() else { return };
    let root = desk.good("cvc init --dir pki --country UT --mnemonic ISCVCA --type is --key ecdsa-p-256 @");
    let root = desk.path().join(root["directory"].as_str().unwrap()).join("certificate.cvcert");
    fs::copy(root, desk.path().join("root")).unwrap();
    // The next key is made where the current one is.
    assert_eq!(desk.good("cvc init --dir pki --country UT --mnemonic ISCVCA --next")["link"]["is_link"], true);
    desk.good("cvc dv --dir pki --by UTISCVCA --country UT --mnemonic DV --domestic @");
    desk.good("cvc terminal --dir pki --by UTDV --country UT --mnemonic POST @");
    assert_eq!(desk.good("cvc terminal --dir pki --by UTDV --country UT --mnemonic POST")["holder"], "UTPOST00002");
    let chain = "pki/cvc/UTPOST/generations/00002/chain.cvcerts";
    assert_eq!(desk.good(&format!("cvc verify --trust root {chain}"))["holder"], "UTPOST00002");

    // A document verifier of another state, first with its key in a file, then in a token, then again.
    fs::write(desk.path().join("words"), "a passphrase of several words\n").unwrap();
    let next = "pki/cvc/UTISCVCA/generations/00002/certificate.cvcert";
    let ask = format!("cvc request --dir abroad --country XO --mnemonic DV --authority {next} --out dv.cvreq");
    let issue = "cvc issue --dir pki --by UTISCVCA --level foreign-dv --request dv.cvreq --out dv.cvcert";
    let accept = format!("cvc accept --dir abroad --holder XODV {next} dv.cvcert");
    desk.good_with("words", &ask);
    desk.good(issue);
    desk.good(&accept);
    desk.good_with("words", &format!("{ask} --signer-pin-file pin @"));
    desk.good(issue);
    desk.good(&accept);
    assert_eq!(desk.good(&ask)["authenticated_by"], "XODV00002");
    desk.good(issue);
    assert_eq!(desk.good(&accept)["holder"], "XODV00003");

    holds_no_secret(&desk.path().join("pki"));
    let keys = files(&desk.path().join("pki")).into_iter().filter(|(path, _)| path.ends_with("key.json"));
    let labels: Vec<bool> = keys.map(|(_, text)| text.contains("\"label\": \"bitaqa-UT")).collect();
    assert_eq!(labels, [true; 5]);
}

#[test]
fn a_citizen_ca_and_its_responder_live_in_a_token() {
    let Some(desk) = Desk::new() else { return };
    desk.good("init --profile specimen-uto --dir pki @");
    desk.good("citizen init --dir pki @");
    desk.good("citizen responder --dir pki @");
    let made = Command::new("openssl")
        .args(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout card.key -out card.csr"
                .split(' '),
        )
        .current_dir(desk.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let issue =
        "citizen issue --dir pki --csr card.csr --purpose signature --given-names Nour --surname Hassan --number 1";
    let issued = desk.good(issue);
    desk.good(&format!("citizen revoke --dir pki {}", issued["certificate"]["serial"].as_str().unwrap()));
    assert_eq!(desk.good("citizen crl --dir pki")["lists"][0]["revoked"], 1);
    holds_no_secret(&desk.path().join("pki"));
    let text = desk.refused("wrong", "citizen crl --dir pki");
    assert!(text.contains("refused the PIN"), "{text}");
}

#[test]
fn a_refused_pin_leaves_no_holder() {
    let Some(desk) = Desk::new() else { return };
    let text = desk.refused("wrong", "cvc init --dir pki --country UT --mnemonic ISCVCA --type is @");
    assert!(text.contains("refused the PIN") && text.contains("locks itself"), "{text}");
    assert_eq!(desk.good("cvc list --dir pki")["holders"], Value::Array(Vec::new()));
    desk.good("cvc init --dir pki --country UT --mnemonic ISCVCA --type is @");
    let request = "cvc request --dir abroad --country XO --mnemonic DV --out dv.cvreq @";
    desk.refused("wrong", request);
    assert_eq!(desk.good("cvc list --dir abroad")["holders"], Value::Array(Vec::new()));
    desk.good(request);
    // Certifying needs the issuer's PIN before a holder is made.
    desk.refused("wrong", "cvc dv --dir pki --by UTISCVCA --country UT --mnemonic DV @");
    assert_eq!(desk.good("cvc list --dir pki")["holders"].as_array().unwrap().len(), 1);
}

#[test]
fn custodians_take_over_a_token_and_open_it_for_every_command() {
    let Some(desk) = Desk::new() else { return };
    let mut script = "format = \"bitaqa-ceremony\"\nversion = 1\ntitle = \"The CSCA of Utopia\"\n\
        profile = \"specimen-uto\"\nthreshold = 2\ncustody = \"shared\"\n"
        .to_owned();
    for name in ["amina", "omar", "leyla"] {
        fs::write(desk.path().join(format!("{name}.words")), format!("the words of {name}\n")).unwrap();
        let made = desk.run(&format!("{name}.words"), &format!("ceremony credential --name {name} --out {name}.pem"));
        script += &String::from_utf8_lossy(&made.stdout);
    }
    script += &format!("[[step]]\ndo = \"create-authority\"\ntoken = {{ label = \"{LABEL}\" }}\n");
    fs::write(desk.path().join("script.toml"), &script).unwrap();
    let present = "--credential leyla.pem --credential-passphrase-file leyla.words \
        --credential amina.pem --credential-passphrase-file amina.words";
    let run = format!("ceremony run script.toml --dir pki --transcript transcript.txt {present}");
    let yes = "yes yes | head -20 >answers";
    let without = desk.limited(yes, "pin", &format!("{run} <answers"));
    assert_eq!(without.status.code(), Some(2), "{}", String::from_utf8_lossy(&without.stderr));
    let module = desk.module.display();
    let held = desk.limited(yes, "pin", &format!("{run} --token {module} <answers"));
    assert!(held.status.success(), "{}", String::from_utf8_lossy(&held.stderr));
    let replayed = desk.good("ceremony verify transcript.txt --script script.toml");
    assert_eq!(replayed["steps"][0]["token"], LABEL);

    // The PIN of the beginning is of no use any more; custodians open the token for whatever is to be done.
    desk.refused("pin", "crl issue --dir pki");
    let custody = "--custody pki.custody.json --custodian omar.pem --custodian-passphrase-file omar.words";
    let with = format!("{custody} --custodian amina.pem --custodian-passphrase-file amina.words");
    for words in ["crl issue", "csca rollover", "ds new @", "signer new master-list @", "publish master-list"] {
        desk.good(&format!("{} --dir pki {with}", words));
    }
    desk.good(&format!("cvc init --dir pki --country UT --mnemonic ISCVCA --type is @ {with}"));
    desk.good(&format!("citizen init --dir pki @ {with}"));
    let output = desk.run("pin", &format!("crl issue --dir pki {custody}"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("Bring the custodians"), "{text}");
}

#[test]
fn several_processes_sign_with_one_token() {
    let Some(desk) = Desk::new() else { return };
    desk.good("init --profile specimen-uto --dir pki @");
    desk.good("ds new --dir pki --max-uses 40 @");
    let folders: Vec<String> = (0..24).map(|number| format!("doc{number:02}")).collect();
    for folder in &folders {
        fs::create_dir(desk.path().join(folder)).unwrap();
        fs::write(desk.path().join(folder).join("EF_DG1.bin"), [&[0x61, 0x05][..], folder.as_bytes()].concat())
            .unwrap();
        fs::write(desk.path().join(folder).join("EF_DG2.bin"), [0x75, 0x01, 0x00]).unwrap();
    }
    let sign = format!("ds sign --signer pki/ds/ds-0001 --signing-workers 2 {}", folders.join(" "));
    let text = desk.refused("wrong", &sign);
    assert!(text.contains("refused the PIN"), "{text}");
    let signed = desk.good(&sign);
    let paths: Vec<&str> = signed["signed"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert_eq!(paths, folders.iter().map(|folder| format!("{folder}/EF_SOD.bin")).collect::<Vec<_>>());
    assert_eq!(desk.good(&sign)["signed_before"].as_array().unwrap().len(), 24);
    assert!(desk.words("status --dir pki").contains("may sign, 24 of 40 uses"));

    // The next ones are more than the key may sign: what was signed stays, the rest is refused.
    for folder in &folders {
        fs::remove_file(desk.path().join(folder).join("EF_SOD.bin")).unwrap();
    }
    let text = desk.refused("pin", &sign);
    assert!(text.contains("may sign 40 times"), "{text}");
    assert!(files(desk.path()).iter().filter(|(path, _)| path.ends_with("EF_SOD.bin")).count() <= 16);
}

#[test]
fn two_commands_at_once_both_end_well_or_one_says_that_it_must_wait() {
    let Some(desk) = Desk::new() else { return };
    desk.good("init --profile specimen-uto --dir pki @");
    let commands = ["crl issue --dir pki", "ds new --dir pki @", "signer new seal --dir pki --name ab @"];
    let mut made = [0; 3];
    for _ in 0..4 {
        let outputs: Vec<Output> = std::thread::scope(|scope| {
            let running = commands.map(|words| scope.spawn(|| desk.run("pin", words)));
            running.into_iter().map(|one| one.join().unwrap()).collect()
        });
        for (count, output) in made.iter_mut().zip(&outputs) {
            let text = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => *count += 1,
                Some(40) => assert!(text.contains("another process is working on pki"), "{text}"),
                _ => assert!(text.contains("a seal signer named ab exists"), "{text}"),
            }
        }
    }
    // Whatever was made is there once, whole, and on record.
    assert_eq!(fs::read_dir(desk.path().join("pki/crl")).unwrap().count(), 1 + made[0]);
    assert_eq!(fs::read_dir(desk.path().join("pki/ds")).unwrap().count(), made[1]);
    assert!(made[2] <= 1, "{made:?}");
    assert_eq!(desk.good("acts verify --dir pki")["good"], true);
    // Two objects for every key that is in use, and none beside them.
    let objects = files(&desk.path().join("tokens")).into_iter().filter(|(path, _)| {
        path.extension().is_some_and(|ending| ending == "object") && !path.ends_with("token.object")
    });
    assert_eq!(objects.count(), 2 * (2 + made[1] + made[2]));
    desk.good("crl issue --dir pki");
    desk.good("bundle export --dir pki --out bundle");
}

#[test]
fn a_pin_is_no_passphrase() {
    let Some(desk) = Desk::new() else { return };
    desk.good("init --profile specimen-uto --dir pki @");
    let output = desk.run("pin", "ds new --dir pki < /dev/null");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--signer-passphrase-file"));
    assert_eq!(fs::read_dir(desk.path().join("pki/ds")).unwrap().count(), 0);
    fs::write(desk.path().join("centre"), "the centre's passphrase\n").unwrap();
    assert_eq!(desk.good("ds new --dir pki --signer-passphrase-file centre")["token"], Value::Null);
}

#[test]
fn failures_say_what_to_do_and_leave_nothing() {
    let Some(desk) = Desk::new() else { return };
    let text = desk.refused("wrong", "init --profile specimen-uto --dir pki @");
    assert!(text.contains("refused the PIN") && text.contains("locks itself"), "{text}");
    let text = desk.refused("pin", "init --profile specimen-uto --dir pki --token /nowhere.so --token-label x");
    assert!(text.contains("/nowhere.so") && text.contains("Install"), "{text}");
    let text = desk.refused(
        "pin",
        &format!("init --profile specimen-uto --dir pki --token {} --token-label x", desk.module.display()),
    );
    assert!(text.contains("there are: national"), "{text}");
    assert!(!desk.path().join("pki").exists());

    desk.good("init --profile specimen-uto --dir pki @");
    fs::rename(desk.path().join("tokens"), desk.path().join("unplugged")).unwrap();
    fs::create_dir(desk.path().join("tokens")).unwrap();
    for words in ["crl issue --dir pki", "ds new --dir pki @", "bundle export --dir pki --out bundle"] {
        let text = desk.refused("pin", words);
        assert!(text.contains("no token labelled \"national\""), "{text}");
    }
    assert!(!desk.path().join("bundle").exists());
    assert_eq!(fs::read_dir(desk.path().join("pki/ds")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(desk.path().join("pki/crl")).unwrap().count(), 1);
}

/// A file may not grow: what a full token and a full disk are like. The signal that tells of it is ignored.
fn no_space(blocks: u32) -> String {
    format!("trap '' XFSZ; ulimit -f {blocks}")
}

#[test]
fn a_full_token_and_a_full_disk_leave_no_half_authority() {
    let Some(desk) = Desk::new() else { return };
    // SoftHSM2 spoils its own files when there is no space; a spare set is put back each time.
    let copy = |from: &str, to: &str| {
        fs::remove_dir_all(desk.path().join(to)).ok();
        assert!(Command::new("cp").args(["-r", from, to]).current_dir(desk.path()).status().unwrap().success());
    };
    copy("tokens", "spare");
    let mut whys = Vec::new();
    for blocks in 0..64 {
        let output = desk.limited(&no_space(blocks), "pin", "init --profile specimen-uto --dir pki @");
        copy("spare", "tokens");
        if output.status.success() {
            break;
        }
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(40), "{blocks}: {text}");
        assert!(text.contains("do:  "), "{text}");
        assert!(!desk.path().join("pki").exists(), "{blocks}");
        whys.push(text);
    }
    assert!((2..64).contains(&whys.len()), "{whys:?}");
    assert!(whys.iter().any(|why| why.contains("C_GenerateKeyPair") || why.contains("space")), "{whys:?}");

    fs::remove_dir_all(desk.path().join("pki")).unwrap();
    desk.good("init --profile specimen-uto --dir pki @");
    copy("tokens", "spare");
    let hierarchy = "cvc init --dir pki --country UT --mnemonic ISCVCA --type is @";
    for words in ["ds new --dir pki @", "crl issue --dir pki", "citizen init --dir pki @", hierarchy] {
        for blocks in 0..3 {
            let output = desk.limited(&no_space(blocks), "pin", words);
            copy("spare", "tokens");
            if !output.status.success() {
                assert_eq!(output.status.code(), Some(40), "{}", String::from_utf8_lossy(&output.stderr));
            }
            desk.good("crl issue --dir pki");
        }
    }
    assert_eq!(desk.good("ds new --dir pki --name last @")["name"], "last");
    desk.good("citizen init --dir pki @");
    if desk.good("cvc list --dir pki")["holders"].as_array().unwrap().iter().all(|holder| holder["current"].is_null()) {
        desk.good(hierarchy);
    }
    desk.good("cvc init --dir pki --country UT --mnemonic ISCVCA --next");
    desk.good("bundle export --dir pki --out bundle");
}
