//! Cards with an applet of others, over a socket.

use super::*;
use soft_card::State as Memory;
use soft_card::persona::{EMBEDDED, Persona};

const PROFILE: [&str; 2] = ["--profile", "specimen-uto-jmrtd"];

fn bought(centre: &Centre) -> PathBuf {
    let path = centre.path("card-1.json");
    let text = EMBEDDED.iter().find(|(name, _)| *name == "jmrtd-passport").unwrap().1;
    let options = BlankOptions { serial: Some([1; 6]), ..Persona::parse(text).unwrap().options() };
    SoftCard::blank(options).unwrap().state().create(&path).unwrap();
    path
}

#[test]
fn a_bought_card_is_made_torn_and_recovered_and_its_key_is_nowhere_else() {
    let centre = Centre::new();
    let state = bought(&centre);
    centre.insert(&state, Some(Tear { at: 60, when: When::After }));
    let journal = |name: &str| ["--journal".to_owned(), centre.path(name).to_str().unwrap().to_owned()];
    let torn = centre.command("run").args(PROFILE).args(["--limit", "1"]).args(journal("first")).output().unwrap();
    assert_eq!(torn.status.code(), Some(11), "{}", String::from_utf8_lossy(&torn.stdout));
    let lost = Memory::load(&state).unwrap().jmrtd.unwrap();
    assert!(!lost.locked && !lost.files.is_empty());
    centre.insert(&state, None);
    let other = centre.command("recover").output().unwrap();
    assert_eq!(other.status.code(), Some(50), "another profile: {}", String::from_utf8_lossy(&other.stdout));
    let recovered = centre.command("recover").args(PROFILE).args(journal("second")).output().unwrap();
    assert_eq!(recovered.status.code(), Some(0), "{}", String::from_utf8_lossy(&recovered.stdout));
    let said = lines(&recovered);
    assert_eq!((&said[0]["outcome"], &said[0]["verdict"]), (&"finished".into(), &"GENUINE_VALID".into()));
    assert_eq!(centre.state("ZZ0000017"), State::Packed);
    let again = centre.command("recover").args(PROFILE).output().unwrap();
    assert_eq!(lines(&again)[0]["outcome"], "complete");

    let made = Memory::load(&state).unwrap().jmrtd.unwrap();
    assert!(made.locked);
    for memory in [lost, made] {
        for secret in [memory.private_exponent.unwrap(), memory.mrz_information.unwrap()] {
            let pieces = writings(secret.expose());
            for path in files(centre.folder.path()).into_iter().filter(|path| *path != state && path.is_file()) {
                let bytes = std::fs::read(&path).unwrap();
                assert!(!pieces.iter().any(|piece| holds(&bytes, piece)), "{}", path.display());
            }
        }
    }
}

#[test]
fn what_the_applet_cannot_take_is_refused_before_a_card_is_fed() {
    let centre = Centre::new();
    for (name, over, expected) in [
        ("face", "[portrait]\nformat = \"jpeg2000\"\n", "portrait.format"),
        ("size", "[card]\ncapacity = 9000\n", "portrait.max_bytes"),
        ("group", "[lds]\ndata_groups = [1, 2, 14, 15]\n", "without 14"),
    ] {
        let path = centre.path(name);
        std::fs::write(&path, format!("extends = \"specimen-uto-jmrtd\"\nname = \"{name}\"\n{over}")).unwrap();
        // No card, no ledger, no signer is asked for anything.
        let output = centre.command("run").arg("--profile").arg(&path).output().unwrap();
        assert_eq!(output.status.code(), Some(50), "{name}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(expected), "{name}: {text}");
        assert!(!centre.path("ledger.jsonl").exists());
    }
    // A card of this project in the station of such a line, and the other way round.
    let own = centre.blank();
    centre.insert(&own, None);
    let output = centre.command("run").args(PROFILE).output().unwrap();
    assert_eq!(output.status.code(), Some(21), "{}", String::from_utf8_lossy(&output.stdout));
    let state = centre.path("bought.json");
    std::fs::remove_file(&own).unwrap();
    std::fs::rename(bought(&centre), &state).unwrap();
    centre.insert(&state, None);
    let output = centre.command("run").output().unwrap();
    assert_eq!(output.status.code(), Some(21), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn an_order_whose_residence_has_no_place_on_the_card_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let orders = std::fs::read_to_string(test_vectors::path("orders/specimen.jsonl")).unwrap();
    let order = orders.lines().find(|order| order.contains("\"residence\"")).unwrap();
    std::fs::create_dir(folder.path().join("portraits")).unwrap();
    std::fs::copy(test_vectors::path("portraits/woman-1.png"), folder.path().join("portraits/woman-1.png")).unwrap();
    let path = folder.path().join("orders.jsonl");
    std::fs::write(&path, order.replace("../portraits", "portraits")).unwrap();
    for (profile, left_out) in [("specimen-uto-eid", 0), ("specimen-uto-pivapplet", 1), ("specimen-uto-openfips201", 1)]
    {
        let mut command = Command::cargo_bin("bitaqa-personalizer").unwrap();
        let output = command.args(["--json", "orders", "check", "--profile", profile]).arg(&path).output().unwrap();
        let said = all_lines(&output);
        assert_eq!(output.status.code(), Some(0), "{profile}: {said:?}");
        let warned: Vec<_> = said.iter().filter(|line| line["event"] == "warning").collect();
        assert_eq!(warned.len(), left_out, "{profile}");
        assert!(warned.iter().all(|line| line["field"] == "residence" && line["record"].is_string()));
    }
}
