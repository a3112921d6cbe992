use proptest::prelude::*;

use super::*;
use crate::order::JobType;

fn ordered(document: &str) -> Event {
    Event::Ordered {
        document: document.to_owned(),
        job_id: format!("J-{document}"),
        job: JobType::FirstIssue,
        order: hex::encode(sha256(document.as_bytes())),
    }
}

fn bound(document: &str, chip: &str) -> Event {
    Event::Bound {
        document: document.to_owned(),
        chip: chip.to_owned(),
        token: "0102".to_owned(),
        made_at: Timestamp::UNIX_EPOCH,
        print: false,
    }
}

fn state(document: &str, state: State) -> Event {
    Event::State { document: document.to_owned(), state, reason: None }
}

fn fresh() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    (folder, path)
}

#[test]
fn lines_are_chained_and_read_back() {
    let (_folder, path) = fresh();
    let mut ledger = Ledger::open(&path).unwrap();
    ledger.append(Event::BlanksReceived { count: 10 }).unwrap();
    ledger.append(ordered("ZZ0000017")).unwrap();
    let early = ledger.head();
    ledger.append(bound("ZZ0000017", "AA")).unwrap();
    let reading = Reading::of(&path).unwrap();
    assert_eq!((reading.entries.len(), reading.torn), (3, 0));
    assert_eq!(reading.head, ledger.head());
    assert!(reading.contains(&early) && !reading.contains(&"00".repeat(32)));
    assert_eq!(reading.book.document("ZZ0000017").unwrap().chip.as_deref(), Some("AA"));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn one_process_holds_the_ledger() {
    let (_folder, path) = fresh();
    let held = Ledger::open(&path).unwrap();
    assert!(matches!(Ledger::open(&path), Err(LedgerError::InUse { .. })));
    drop(held);
    Ledger::open(&path).unwrap();
}

#[test]
fn a_document_number_is_never_on_two_chips_nor_a_chip_used_twice() {
    let (_folder, path) = fresh();
    let mut ledger = Ledger::open(&path).unwrap();
    for document in ["ZZ0000017", "ZZ0000025"] {
        ledger.append(ordered(document)).unwrap();
    }
    ledger.append(bound("ZZ0000017", "AA")).unwrap();
    ledger.append(bound("ZZ0000017", "AA")).unwrap();
    let rule = |result: Result<(), LedgerError>| match result {
        Err(LedgerError::Refused { rule }) => rule,
        other => panic!("{other:?}"),
    };
    assert!(matches!(rule(ledger.append(bound("ZZ0000017", "BB"))), Rule::DocumentOnTwoChips { .. }));
    assert!(matches!(rule(ledger.append(bound("ZZ0000025", "AA"))), Rule::ChipUsed { .. }));
    ledger.append(state("ZZ0000017", State::QaRejected)).unwrap();
    assert!(matches!(rule(ledger.append(bound("ZZ0000017", "BB"))), Rule::DocumentOnTwoChips { .. }));
    assert!(matches!(rule(ledger.append(bound("ZZ0000017", "AA"))), Rule::Closed { .. }));
    let refused = rule(ledger.append(state("ZZ0000017", State::QaPassed)));
    assert!(matches!(refused, Rule::Transition { .. }));
    assert!(refused.to_string().ends_with("and cannot become read back and good"), "{refused}");
    ledger.append(Event::BlankSpoiled { chip: Some("CC".to_owned()), reason: "bent".to_owned() }).unwrap();
    assert!(matches!(rule(ledger.append(bound("ZZ0000025", "CC"))), Rule::ChipSpoiled { .. }));
    let mut other = match ordered("ZZ0000025") {
        Event::Ordered { document, job_id, job, .. } => {
            Event::Ordered { document, job_id, job, order: "00".to_owned() }
        }
        other => other,
    };
    assert!(matches!(rule(ledger.append(other.clone())), Rule::OrderedDifferently { .. }));
    if let Event::Ordered { document, .. } = &mut other {
        *document = "ZZ0000033".to_owned();
    }
    ledger.append(other).unwrap();
    // Nothing of what was refused is on the disk, or in the book.
    assert_eq!(Reading::of(&path).unwrap().book, *ledger.book());
}

#[test]
fn a_card_that_must_be_printed_is_not_packed_before() {
    let (_folder, path) = fresh();
    let mut ledger = Ledger::open(&path).unwrap();
    ledger.append(ordered("A")).unwrap();
    let Event::Bound { document, chip, token, made_at, .. } = bound("A", "1") else { unreachable!() };
    ledger.append(Event::Bound { document, chip, token, made_at, print: true }).unwrap();
    for next in [State::ChipInitialised, State::Personalised, State::QaPassed] {
        ledger.append(state("A", next)).unwrap();
    }
    let refused = ledger.append(state("A", State::Packed));
    assert!(matches!(refused, Err(LedgerError::Refused { rule: Rule::NotPrinted { .. } })));
    for phase in [Phase::Intent, Phase::Done] {
        let (document, chip) = ("A".to_owned(), "1".to_owned());
        ledger.append(Event::Step { document, chip, step: Step::Print, phase, digest: None }).unwrap();
    }
    ledger.append(state("A", State::Packed)).unwrap();
}

#[test]
fn blanks_balance() {
    let (_folder, path) = fresh();
    let mut ledger = Ledger::open(&path).unwrap();
    ledger.append(Event::BlanksReceived { count: 10 }).unwrap();
    for (document, chip) in [("A", "1"), ("B", "2"), ("C", "3")] {
        ledger.append(ordered(document)).unwrap();
        ledger.append(bound(document, chip)).unwrap();
    }
    for next in [State::ChipInitialised, State::Personalised, State::QaPassed, State::Packed] {
        ledger.append(state("A", next)).unwrap();
    }
    ledger.append(state("B", State::QaRejected)).unwrap();
    ledger.append(Event::BlankSpoiled { chip: None, reason: "jam".to_owned() }).unwrap();
    let balance = ledger.book().balance();
    assert_eq!(balance, Balance { received: 10, good: 1, spoiled: 2, in_work: 1, left: 6 });
}

#[test]
fn a_line_cut_off_by_a_crash_is_removed_and_its_loss_recorded() {
    let (_folder, path) = fresh();
    let mut ledger = Ledger::open(&path).unwrap();
    let noted = path.with_extension("jsonl.head");
    ledger.append(ordered("ZZ0000017")).unwrap();
    let first = std::fs::read(&noted).unwrap();
    ledger.append(bound("ZZ0000017", "AA")).unwrap();
    drop(ledger);
    let whole = std::fs::read(&path).unwrap();
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in second + 1..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        // The crash came before the line was noted down.
        std::fs::write(&noted, &first).unwrap();
        assert_eq!(Reading::of(&path).unwrap().torn, cut - second);
        let mut ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.book().document("ZZ0000017").unwrap().chip, None);
        ledger.append(bound("ZZ0000017", "AA")).unwrap();
        drop(ledger);
        let reading = Reading::of(&path).unwrap();
        assert!(matches!(reading.entries[1].event, Event::Repaired { .. }));
    }
}

#[test]
fn a_ledger_whose_end_was_cut_off_is_refused() {
    let (_folder, path) = fresh();
    let mut ledger = Ledger::open(&path).unwrap();
    ledger.append(ordered("ZZ0000017")).unwrap();
    let old = std::fs::read(&path).unwrap();
    ledger.append(bound("ZZ0000017", "AA")).unwrap();
    drop(ledger);
    let whole = std::fs::read(&path).unwrap();
    for text in [&old[..], b"", &whole[..whole.len() - 1]] {
        std::fs::write(&path, text).unwrap();
        assert!(matches!(Reading::of(&path), Err(LedgerError::Shortened { line: 2, .. })));
        assert!(matches!(Ledger::open(&path), Err(LedgerError::Shortened { line: 2, .. })));
    }
    // A note that a crash cut off, or that never was made, is no reason to stop.
    std::fs::write(&path, &whole).unwrap();
    let noted = path.with_extension("jsonl.head");
    let mut notes = std::fs::read(&noted).unwrap();
    notes.extend(b"\n3 00ff");
    std::fs::write(&noted, &notes).unwrap();
    Ledger::open(&path).unwrap().append(Event::BlanksReceived { count: 1 }).unwrap();
    assert_eq!(Reading::of(&path).unwrap().entries.len(), 3);
    std::fs::write(&path, &whole).unwrap();
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Shortened { line: 3, .. })));
}

#[test]
fn any_alteration_is_noticed() {
    let (_folder, path) = fresh();
    let mut ledger = Ledger::open(&path).unwrap();
    for document in ["ZZ0000017", "ZZ0000025", "ZZ0000033"] {
        ledger.append(ordered(document)).unwrap();
    }
    drop(ledger);
    let whole = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let altered = whole.replacen("ZZ0000017", "ZZ0000018", 1);
    for text in [
        altered,
        format!("{}\n{}\n", lines[0], lines[2]),
        format!("{}\n{}\n", lines[1], lines[0]),
        format!("{}\nrubbish\n", lines[0]),
        whole.replacen("\"v\":1", "\"v\":2", 1),
    ] {
        std::fs::write(&path, text).unwrap();
        assert!(Reading::of(&path).is_err());
        assert!(Ledger::open(&path).is_err());
    }
}

#[test]
fn a_sample_of_format_version_1_still_loads() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples/ledger-v1.jsonl"));
    let reading = Reading::of(path).unwrap();
    let record = reading.book.document("ZZ0000017").unwrap();
    assert_eq!((record.state, record.sealed), (State::Packed, true));
    assert_eq!(reading.book.balance().good, 1);
}

/// Writes the sample that the test above loads; run once for each released version.
#[test]
#[ignore = "writes a file of the repository"]
fn write_the_sample() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples/ledger-v1.jsonl"));
    let mut ledger = Ledger::open(path).unwrap();
    let step = |step, phase, digest: Option<&str>| Event::Step {
        document: "ZZ0000017".to_owned(),
        chip: "AA".to_owned(),
        step,
        phase,
        digest: digest.map(str::to_owned),
    };
    let failed = Event::Failed {
        document: "ZZ0000017".to_owned(),
        chip: "AA".to_owned(),
        step: Step::WriteFiles,
        reason: "refused".to_owned(),
        instruction: Some(0xE2),
        status: Some(iso7816::Status(0x6A84)),
        for_good: false,
    };
    for event in [
        Event::BlanksReceived { count: 2 },
        ordered("ZZ0000017"),
        Event::WrongCryptogram { chip: "BB".to_owned() },
        Event::BlankSpoiled { chip: Some("BB".to_owned()), reason: "other keys".to_owned() },
        bound("ZZ0000017", "AA"),
        step(Step::WriteFiles, Phase::Intent, Some("00")),
        failed,
        step(Step::WriteFiles, Phase::Done, None),
        state("ZZ0000017", State::Personalised),
        state("ZZ0000017", State::QaPassed),
        step(Step::Seal, Phase::Done, None),
        state("ZZ0000017", State::Packed),
    ] {
        ledger.append(event).unwrap();
    }
}

proptest! {
    #[test]
    fn hostile_files_are_errors_or_torn(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
        let (_folder, path) = fresh();
        std::fs::write(&path, &bytes).unwrap();
        match Reading::of(&path) {
            Ok(reading) => prop_assert_eq!((reading.entries.len(), reading.torn), (0, bytes.len())),
            Err(_) => prop_assert!(bytes.contains(&b'\n')),
        }
    }
}
