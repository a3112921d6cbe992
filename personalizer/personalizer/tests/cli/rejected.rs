//! Rejected cards: which of them still wait, what is moved for them, and whose letter is not sent.

use super::*;

const FIRST: &str = "ZZ0000017";

fn book(centre: &Centre) -> perso::ledger::Book {
    Reading::of(&centre.path("ledger.jsonl")).unwrap().book
}

/// The first order's card, torn in the middle.
fn torn(centre: &Centre) -> PathBuf {
    let state = centre.numbered_blank(1);
    centre.insert(&state, Some(Tear { at: 40, when: When::After }));
    let torn = centre.command("run").args(["--limit", "1"]).output().unwrap();
    assert_eq!(torn.status.code(), Some(11), "{}", String::from_utf8_lossy(&torn.stdout));
    state
}

#[test]
fn a_rejected_card_that_is_not_locked_is_waited_for_until_it_is() {
    let centre = Centre::new();
    let (first, blank, another) = (torn(&centre), centre.numbered_blank(2), centre.numbered_blank(3));
    // Killed before the chip could be locked.
    let reason = Some("of this test".to_owned());
    let rejected = Event::State { document: FIRST.to_owned(), state: State::QaRejected, reason };
    Ledger::open(&centre.path("ledger.jsonl")).unwrap().append(rejected).unwrap();
    let recover = |state: &Path| {
        centre.insert(state, None);
        let output = centre.command("recover").output().unwrap();
        (output.status.code(), lines(&output).remove(0))
    };
    let (code, said) = recover(&blank);
    assert_eq!((code, &said["outcome"], &said["open"]), (Some(11), &"blank".into(), &serde_json::json!([FIRST])));
    let (code, said) = recover(&first);
    assert_eq!((code, &said["chip_locked"]), (Some(21), &true.into()), "{said}");
    let (code, said) = recover(&another);
    assert_eq!((code, &said["open"]), (Some(0), &serde_json::json!([])), "{said}");
}

#[test]
fn a_card_that_is_rejected_by_its_number_moves_no_other_one() {
    let centre = Centre::new();
    torn(&centre);
    let blank = centre.numbered_blank(2);
    let port = centre.printer();
    let reject = || {
        let mut command = centre.command_without_printer("recover");
        command.args(["--reject", "--document", FIRST, "--printer"]).arg(&port).output().unwrap()
    };
    let moved = || {
        let entries = Reading::of(&centre.path("ledger.jsonl")).unwrap().entries;
        let is_motion = |event: &Event| {
            matches!(event, Event::Motion { .. } | Event::Step { step: perso::ledger::Step::Reject, .. })
        };
        entries.iter().filter(|entry| is_motion(&entry.event)).count()
    };
    let machine = || {
        let driver = printing::drivers::Driver::named("evolis").unwrap();
        let mut machine = (driver.open)(printing::drivers::Connection::new(&port));
        machine.connect().unwrap();
        machine
    };
    // Another card is inside: it stays there, for whoever knows what it is.
    machine().feed_to_station(printing::machine::Station::Contact).unwrap();
    centre.insert(&blank, None);
    let output = reject();
    assert_eq!(output.status.code(), Some(50), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((machine().status().unwrap().card_inside, moved()), (Some(true), 0));
    // Nothing is inside: the number is closed, and what is on top in the feeder stays there.
    machine().eject().unwrap();
    std::fs::remove_file(centre.path("card.sock")).unwrap();
    let output = reject();
    assert_eq!(output.status.code(), Some(21), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((machine().status().unwrap().card_inside, moved()), (Some(false), 0));
    let record = book(&centre).document(FIRST).unwrap().clone();
    assert!(record.state == State::QaRejected && record.given_up);
}

#[test]
fn a_letter_that_a_killed_run_left_does_not_outlive_its_rejected_card() {
    let centre = Centre::new();
    let state = centre.citizen_blank(BlankOptions::default().keys);
    centre.insert(&state, None);
    let with_citizens = |verb: &str, options: &[&str]| {
        let mut command = centre.command_without_printer(verb);
        command.args(["--profile", "specimen-uto-eid"]).arg("--citizen-ca").arg(centre.path("pki"));
        command.arg("--pin-letters").arg(centre.path("letters"));
        command.arg("--citizen-passphrase-file").arg(centre.path("passphrase")).args(options);
        command.output().unwrap()
    };
    let output = with_citizens("run", &["--limit", "1"]);
    assert_eq!(output.status.code(), Some(11), "{}", String::from_utf8_lossy(&output.stdout));
    let (letter, other) = (centre.path("letters/ZZ0000017.json"), centre.path("letters/ZZ0000025.json"));
    let text = std::fs::read(&letter).unwrap();
    let output = with_citizens("recover", &["--reject"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(!letter.exists());
    // As it is when the run is killed just before.
    std::fs::write(&letter, &text).unwrap();
    std::fs::write(&other, &text).unwrap();
    let output = with_citizens("run", &["--limit", "0"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(!letter.exists() && other.exists());
}
