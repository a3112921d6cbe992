//! The keys of cards, derived in a SoftHSM2 token. Without the packages `softhsm2` and `libsofthsm2` the tests are skipped.
//!
//! SoftHSM2 reads its configuration from the environment, which a test may not change in its own process: each test starts
//! itself again with the environment that it needs.

use std::sync::Arc;
use std::{env, fs};

use authority::{MasterKey, MasterKind, Token, TokenAddress};
use soft_card::emrtd::ApplicationLife;
use soft_card::issuer_domain::CardLife;

use super::*;

const PIN: &str = "19283746";
const LABEL: &str = "national";
const FOLDER: &str = "BITAQA_TOKEN_TEST";
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];
/// FFFF, fabrication date, serial number and batch: what INITIALIZE UPDATE says of the first chip.
const DIVERSIFICATION: [u8; 10] = [0xFF, 0xFF, 0x63, 0x26, 1, 1, 1, 1, 1, 1];

fn module() -> Option<PathBuf> {
    MODULES.map(PathBuf::from).into_iter().find(|path| path.exists())
}

fn token() -> Arc<Token> {
    let address = TokenAddress { module: module().unwrap(), label: LABEL.to_owned() };
    Token::open(&address, &Passphrase::new(PIN)).unwrap()
}

/// Runs the body in a process of its own with a fresh token.
fn with_token(test: &str, body: fn()) {
    if env::var_os(FOLDER).is_some() {
        return body();
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("softhsm2.conf");
    fs::create_dir(folder.path().join("tokens")).unwrap();
    let tokens = folder.path().join("tokens");
    fs::write(&settings, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display())).unwrap();
    let made = std::process::Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "87654321"])
        .env("SOFTHSM2_CONF", &settings)
        .output();
    let (Ok(made), Some(_)) = (made, module()) else {
        println!("skipped: softhsm2 is not installed");
        return;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let output = std::process::Command::new(env::current_exe().unwrap())
        .args(["--exact", &format!("token::{test}"), "--nocapture"])
        .env("SOFTHSM2_CONF", &settings)
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// `run` with the token.
fn command(centre: &Centre, profile: &str, labels: [&str; 2]) -> Command {
    fs::write(centre.path("profile.toml"), profile).unwrap();
    fs::write(centre.path("pin"), PIN).unwrap();
    for name in ["pin", "passphrase"] {
        fs::set_permissions(centre.path(name), Permissions::from_mode(0o600)).unwrap();
    }
    let mut command = centre.command("run");
    command.args(["--limit", "1", "--blanks", "1", "--profile"]).arg(centre.path("profile.toml"));
    command.args(["--card-key-label", labels[0], "--issuer-key-label", labels[1], "--token-label", LABEL]);
    command.arg("--token").arg(module().unwrap()).arg("--token-pin-file").arg(centre.path("pin"));
    command.arg("--journal").arg(centre.path("journal")).env("RUST_LOG", "trace");
    command
}

fn profile(blanks: &str, issuer: &str) -> String {
    format!(
        "extends = \"specimen-uto\"\nname = \"x\"\n[card]\nkey_derivation = \"{blanks}\"\n\
         [keys]\nversion = 0x31\nderivation = \"{issuer}\"\n[portrait]\nwidth = 100\nheight = 128\nmax_bytes = 3000\n"
    )
}

#[test]
fn keys_are_rotated_from_the_maker_s_to_the_issuer_s_without_a_master_key_outside_of_the_token() {
    with_token("keys_are_rotated_from_the_maker_s_to_the_issuer_s_without_a_master_key_outside_of_the_token", || {
        use Diversification::{Emv, Kdf3, Visa2};
        let (token, known) = (token(), |byte: u8| Secret::new((0..16).map(|i: u8| i * 11 + byte).collect()));
        MasterKey::import(&token, "maker", MasterKind::Aes(16), &known(1)).unwrap();
        MasterKey::import(&token, "maker-3des", MasterKind::TripleDes, &known(2)).unwrap();
        MasterKey::generate(&token, "issuer", MasterKind::Aes(32)).unwrap();
        MasterKey::generate(&token, "issuer-3des", MasterKind::TripleDes).unwrap();
        for (from, maker, to, issuer) in [
            ((Kdf3, known(1)), "maker", Kdf3, "issuer"),
            ((Visa2, known(2)), "maker-3des", Emv, "issuer-3des"),
            ((Emv, known(2)), "maker-3des", Visa2, "issuer-3des"),
        ] {
            let centre = Centre::new();
            // What the maker did: with the key itself, outside of the token.
            let arrived = from.0.keys(&from.1, &DIVERSIFICATION).unwrap();
            let state = centre.blank_with(1, arrived.clone());
            centre.insert(&state, None);
            let there: BTreeSet<PathBuf> = files(centre.folder.path()).into_iter().collect();
            let profile = profile(from.0.name(), to.name());
            let output = command(&centre, &profile, [maker, issuer]).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
            fs::copy(&state, centre.path("copy.json")).unwrap();
            let card = SoftCard::open(&centre.path("copy.json")).unwrap();
            let sets: Vec<_> = card.state().issuer_domain.keys.iter().collect();
            let [(0x31, set)] = sets[..] else { panic!("the keys it came with are not gone") };
            let left = KeySet { enc: set.enc.clone(), mac: set.mac.clone(), dek: set.dek.clone() };
            let derived = MasterKey::find(&token, issuer).unwrap().card_keys(to, &DIVERSIFICATION).unwrap();
            assert_eq!(left, derived);

            // Neither they nor the PIN are anywhere else.
            let trace = String::from_utf8_lossy(&output.stderr).into_owned();
            let check_value = MasterKey::find(&token, issuer).unwrap().check_value().unwrap();
            assert!(trace.contains(&hex::encode(check_value)), "the trace does not say which key it was");
            let own = ["profile.toml", "pin", "copy.json"].map(|name| centre.path(name));
            let written = files(centre.folder.path());
            let written = written.iter().filter(|path| !there.contains(*path) && !own.contains(path));
            let mut searched: Vec<Vec<u8>> = written.map(|path| fs::read(path).unwrap()).collect();
            assert!(searched.len() > 4);
            searched.extend([output.stdout, output.stderr]);
            let mut secrets = vec![PIN.as_bytes().to_vec()];
            for keys in [&arrived, &left] {
                secrets.extend([&keys.enc, &keys.mac, &keys.dek].map(|key| key.expose().to_vec()));
            }
            for writing in secrets.iter().flat_map(|secret| writings(secret)) {
                assert!(searched.iter().all(|bytes| !holds(bytes, &writing)), "{}", String::from_utf8_lossy(&writing));
            }
        }
    });
}

#[test]
fn what_the_token_does_not_have_is_told_before_a_card_is_touched() {
    with_token("what_the_token_does_not_have_is_told_before_a_card_is_touched", || {
        let token = token();
        MasterKey::generate(&token, "aes", MasterKind::Aes(16)).unwrap();
        MasterKey::generate(&token, "3des", MasterKind::TripleDes).unwrap();
        let centre = Centre::new();
        let state = centre.blank();
        let before = fs::read(&state).unwrap();
        centre.insert(&state, None);
        let said = |command: &mut Command| {
            let output = command.output().unwrap();
            let said = lines(&output);
            let error = |name: &str| said[0]["error"][name].as_str().unwrap_or_default().to_owned();
            (output.status.code().unwrap(), error("why") + &error("remedy"))
        };
        let kdf3 = profile("kdf3", "kdf3");
        let (code, why) = said(&mut command(&centre, &kdf3, ["aes", "nobody"]));
        assert!(code == 40 && why.contains("no master key labelled \"nobody\""), "{code} {why}");
        let (code, why) = said(&mut command(&centre, &kdf3, ["aes", "3des"]));
        assert!(code == 2 && why.contains("--issuer-derivation"), "{code} {why}");
        let (code, why) = said(&mut command(&centre, &profile("none", "kdf3"), ["aes", "aes"]));
        assert!(code == 2 && why.contains("--card-derivation"), "{code} {why}");
        let mut without = centre.command("run");
        without.args(["--limit", "1", "--blanks", "1", "--card-derivation", "kdf3"]);
        let output = without.output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.code() == Some(2) && text.contains("derivation without a master key"), "{text}");
        let mut wrong = command(&centre, &kdf3, ["aes", "aes"]);
        fs::write(centre.path("pin"), "64738291").unwrap();
        let (code, why) = said(&mut wrong);
        assert!(code == 40 && why.contains("refused the PIN") && !why.contains("64738291"), "{code} {why}");
        assert_eq!(fs::read(&state).unwrap(), before);
        // Keys of the token, but not those of this blank: one look, and it is left alone.
        let mut other = command(&centre, &profile("none", "none"), ["3des", "aes"]);
        let output = other.args(["--card-derivation", "visa2", "--issuer-derivation", "kdf3"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.code() == Some(21) && text.contains("other keys"), "{text}");
        let reading = Reading::of(&centre.path("ledger.jsonl")).unwrap();
        assert_eq!(reading.book.chips().next().unwrap().1.wrong_cryptograms, 1);
    });
}

#[test]
fn the_whole_card_is_made_with_keys_that_a_token_derives() {
    with_token("the_whole_card_is_made_with_keys_that_a_token_derives", || {
        let token = token();
        let maker = MasterKey::generate(&token, "maker", MasterKind::Aes(16)).unwrap();
        let issuer = MasterKey::generate(&token, "issuer", MasterKind::Aes(32)).unwrap();
        let centre = Centre::new();
        let state = centre.citizen_blank(maker.card_keys(Diversification::Kdf3, &DIVERSIFICATION).unwrap());
        centre.insert(&state, None);
        let profile = profile("kdf3", "kdf3").replace("\"specimen-uto\"", "\"specimen-uto-eid\"");
        let mut command = command(&centre, &profile, ["maker", "issuer"]);
        command.arg("--citizen-ca").arg(centre.path("pki")).arg("--pin-letters").arg(centre.path("letters"));
        command.arg("--citizen-passphrase-file").arg(centre.path("passphrase"));
        let output = command.output().unwrap();
        let said = lines(&output);
        assert_eq!(
            (&said[0]["outcome"], &said[0]["verdict"]),
            (&"finished".into(), &"GENUINE_VALID".into()),
            "{said:?}"
        );

        fs::copy(&state, centre.path("copy.json")).unwrap();
        let card = SoftCard::open(&centre.path("copy.json")).unwrap();
        let (domain, citizen) = (&card.state().issuer_domain, card.state().eid.as_ref().unwrap());
        let [(0x31, set)] = domain.keys.iter().collect::<Vec<_>>()[..] else { panic!("not the issuer's keys alone") };
        let derived = issuer.card_keys(Diversification::Kdf3, &DIVERSIFICATION).unwrap();
        assert_eq!((&set.enc, &set.mac, &set.dek), (&derived.enc, &derived.mac, &derived.dek));
        assert_eq!(domain.life_cycle, CardLife::Secured);
        for application in [eid::Application::Piv, eid::Application::National] {
            assert_eq!(citizen.life(application), ApplicationLife::Personalized);
        }
        assert!(citizen.keys.keys().eq(&[0x9A, 0x9C, 0x9D]) && citizen.transport);
        assert!(centre.path("letters/ZZ0000017.json").exists());
    });
}
