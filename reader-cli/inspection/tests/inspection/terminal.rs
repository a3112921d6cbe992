//! Fingers behind Terminal Authentication: what is read with which certificates, and what is said of it.

use std::collections::BTreeMap;
use std::path::Path;

use channel::random::OsRandom;
use inspection::evidence::{FileEvidence, TerminalAuthenticationOutcome as Outcome};
use inspection::procedure::Terminal;
use inspection::{Access, Bac, Evidence, Options, Verdict, inspect};
use soft_card::fault::{Faults, Tear, When};
use soft_card::{SoftCard, State, forge};

use crate::issuer::{Active, Document, Issuer, days_after, usual_start};
use crate::terminals::{Terminals, group, opened};
use crate::{judged, result, today, with_can, with_mrz};

/// A specimen with fingers and irises: invented bytes, one biometric information template each.
pub fn document() -> Document {
    let extra = BTreeMap::from([(3, group(0x63, 700)), (4, group(0x76, 40))]);
    Document { extra, ..Document::specimen() }
}

fn read_as(card: &mut SoftCard, access: &Access, terminal: Option<Terminal>) -> Evidence {
    read_in(card, access, terminal, false)
}

fn read_in(card: &mut SoftCard, access: &Access, terminal: Option<Terminal>, extended_length: bool) -> Evidence {
    let options = Options { terminal, extended_length, ..Options::new(today()) };
    inspect(card, access, &options, &mut OsRandom, &mut |_| {})
}

struct Border {
    issuer: Issuer,
    terminals: Terminals,
    state: State,
}

impl Border {
    fn new() -> Self {
        let issuer = Issuer::new("specimen-uto");
        let terminals = Terminals::starting(usual_start());
        let mut state = issuer.state(&document());
        terminals.believed_by(&mut state, usual_start());
        Border { issuer, terminals, state }
    }

    fn terminal(&self, rights: &[&str]) -> Terminal {
        let dv = self.terminals.document_verifier("DVBORDER", days_after(usual_start(), 1));
        opened(&self.terminals.terminal(&dv, "EMBPARIS", rights, 30, days_after(usual_start(), 2)))
    }
}

fn seen(evidence: &Evidence) -> &Outcome {
    &evidence.terminal_authentication.as_ref().unwrap().outcome
}

const BOTH: &[&str] = &["read-dg3", "read-dg4"];

#[test]
fn the_right_terminal_reads_what_it_may_and_it_is_judged() {
    let mut border = Border::new();
    let store = border.issuer.store(vec![]);
    let dv = border.terminals.document_verifier("DVBORDER", days_after(usual_start(), 1));
    for (mnemonic, rights, bac) in
        [("FINGERS", &["read-dg3"][..], false), ("BOTH", BOTH, false), ("NOTHING", &[], false), ("OLDWAY", BOTH, true)]
    {
        let made = border.terminals.terminal(&dv, mnemonic, rights, 30, days_after(usual_start(), 2));
        let mut state = border.state.clone();
        let access = if bac { with_mrz(&document(), Bac::Allowed) } else { with_can() };
        if bac {
            state.emrtd.files.remove(&0x011C);
        }
        let evidence = read_as(&mut SoftCard::from_state(&state), &access, Some(opened(&made)));
        assert_eq!(*seen(&evidence), Outcome::Successful { rights: rights_of(rights) }, "{mnemonic}");
        assert_eq!(evidence.content("EF.DG3").is_some(), rights.contains(&"read-dg3"));
        assert_eq!(evidence.content("EF.DG4").is_some(), rights.contains(&"read-dg4"));
        assert_eq!(evidence.terminal_authentication.as_ref().unwrap().authorities, ["UTISCVCA00001"]);
        let report = judged(&evidence, &store);
        if !bac {
            assert_eq!(report.verdict, Verdict::GenuineValid, "{:#?}", report.complaints().collect::<Vec<_>>());
        }
        assert_eq!(result(&report, "terminal-authentication"), "successful");
        let others = result(&report, "other-groups-integrity");
        assert_eq!(others, if rights.is_empty() { "not supported" } else { "successful" });
        let stored = Evidence::from_json(evidence.to_json().unwrap().as_bytes()).unwrap();
        assert_eq!(stored, evidence);
    }
}

/// As the table of rights orders them.
fn rights_of(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort_by(|one, two| two.cmp(one));
    names
}

#[test]
fn fingers_that_nobody_read_spoil_no_verdict_and_altered_ones_do() {
    let mut border = Border::new();
    let store = border.issuer.store(vec![]);
    let without = read_as(&mut SoftCard::from_state(&border.state), &with_can(), None);
    assert_eq!(without.terminal_authentication, None);
    let report = judged(&without, &store);
    assert_eq!(report.verdict, Verdict::GenuineValid);
    assert_eq!(result(&report, "terminal-authentication"), "undetermined");
    assert_eq!(result(&report, "other-groups-integrity"), "not supported");
    // The sentence that everybody reads says of what it does not speak, terminal or none.
    assert_eq!(report.meaning, "The card is genuine, unaltered and in force. Not checked: DG3, DG4.");

    let altered = forge::alter_data_group(&border.state, 3).unwrap();
    assert_eq!(
        judged(&read_as(&mut SoftCard::from_state(&altered), &with_can(), None), &store).verdict,
        Verdict::GenuineValid
    );
    let read = read_as(&mut SoftCard::from_state(&altered), &with_can(), Some(border.terminal(&["read-dg3"])));
    let report = judged(&read, &store);
    assert_eq!((report.verdict, &report.because[..]), (Verdict::NotGenuine, &["other-groups-integrity"][..]));
    // A document without them is nothing to be certified for.
    let plain = border.issuer.state(&Document::specimen());
    let evidence = read_as(&mut SoftCard::from_state(&plain), &with_can(), Some(border.terminal(BOTH)));
    assert_eq!(evidence.terminal_authentication, None);
    assert_eq!(result(&judged(&evidence, &store), "terminal-authentication"), "not supported");
}

#[test]
fn groups_that_stay_closed_are_named() {
    let mut border = Border::new();
    let store = border.issuer.store(vec![]);
    let document = Document { active_authentication: Active::Rsa { bits: 2048 }, ..document() };
    let mut state = border.issuer.state(&document);
    border.terminals.believed_by(&mut state, usual_start());
    let judge = |terminal| {
        let report = judged(&read_as(&mut SoftCard::from_state(&state), &with_can(), terminal), &store);
        assert_eq!(report.verdict, Verdict::GenuineValid, "{:#?}", report.complaints().collect::<Vec<_>>());
        let others = report.check("other-groups-integrity").unwrap();
        (others.result.word(), others.reason.clone(), report.meaning)
    };
    // DG15 is identical: that says nothing of fingers and irises.
    let (result, reason, meaning) = judge(None);
    assert_eq!((result, &reason[..]), ("successful", "identical; open to extended access only: DG3, DG4"));
    assert!(meaning.ends_with("Not checked: DG3, DG4."), "{meaning}");
    let (_, reason, meaning) = judge(Some(border.terminal(&["read-dg3"])));
    assert_eq!(reason, "identical; open to extended access only: DG4");
    assert!(meaning.ends_with("Not checked: DG4."), "{meaning}");
    let (_, reason, meaning) = judge(Some(border.terminal(BOTH)));
    assert_eq!(reason, "identical");
    assert!(!meaning.contains("Not checked"), "{meaning}");
    let (_, _, meaning) = judge(Some(border.terminal(&[])));
    assert!(meaning.ends_with("Not checked: DG3, DG4."), "{meaning}");
}

#[test]
fn a_terminal_that_is_not_believed_says_nothing_against_the_document() {
    let mut border = Border::new();
    let store = border.issuer.store(vec![]);
    let dv = border.terminals.document_verifier("DVBORDER", days_after(usual_start(), 1));
    let short = border.terminals.terminal(&dv, "EMBPARIS", BOTH, 5, days_after(usual_start(), 2));
    let long = border.terminals.terminal(&dv, "EMBROME", BOTH, 30, days_after(usual_start(), 12));
    let foreign = Terminals::starting(usual_start());
    let foreign_dv = foreign.document_verifier("DVBORDER", days_after(usual_start(), 1));
    let foreign = foreign.terminal(&foreign_dv, "EMBPARIS", BOTH, 30, days_after(usual_start(), 2));

    // A card knows the day only from certificates: the expired one is good until a later one was seen.
    let mut card = SoftCard::from_state(&border.state);
    let names = |evidence: &Evidence| evidence.content("EF.DG3").is_some();
    assert!(names(&read_as(&mut card, &with_can(), Some(opened(&short)))));
    card.reset();
    assert!(names(&read_as(&mut card, &with_can(), Some(opened(&long)))));
    card.reset();
    let expired = read_as(&mut card, &with_can(), Some(opened(&short)));
    assert!(
        matches!(seen(&expired), Outcome::Refused { reason } if reason.contains("UTEMBPARIS00001")),
        "{:?}",
        seen(&expired)
    );
    // The same name, another key.
    let mut card = SoftCard::from_state(&border.state);
    let stranger = read_as(&mut card, &with_can(), Some(opened(&foreign)));
    assert!(
        matches!(seen(&stranger), Outcome::Refused { reason } if reason.contains("UTDVBORDER00001")),
        "{:?}",
        seen(&stranger)
    );
    for evidence in [&expired, &stranger] {
        assert!(!evidence.files.contains_key("EF.DG3"));
        let report = judged(evidence, &store);
        assert_eq!(report.verdict, Verdict::GenuineValid);
        assert_eq!(result(&report, "terminal-authentication"), "failed");
    }
    // A card that believes nobody, and one that believes somebody else.
    let plain = border.issuer.state(&document());
    let deaf = read_as(&mut SoftCard::from_state(&plain), &with_can(), Some(opened(&long)));
    assert!(matches!(seen(&deaf), Outcome::NotTried { .. }));
    assert_eq!(deaf.files["EF.CVCA"], FileEvidence::Absent);
    let report = judged(&deaf, &store);
    assert_eq!((report.verdict, result(&report, "terminal-authentication")), (Verdict::GenuineValid, "undetermined"));
}

#[test]
fn a_rollover_is_learned_from_the_link_and_needs_it_once() {
    let border = Border::new();
    border.terminals.roll_over(days_after(usual_start(), 3));
    let dv = border.terminals.document_verifier("DVBORDER", days_after(usual_start(), 4));
    let made = border.terminals.terminal(&dv, "EMBPARIS", BOTH, 30, days_after(usual_start(), 5));
    let mut card = SoftCard::from_state(&border.state);
    // The link needs more room than a short command has: it goes in links, or in an extended command.
    let extended = read_in(&mut SoftCard::from_state(&border.state), &with_can(), Some(opened(&made)), true);
    assert!(extended.content("EF.DG3").is_some());
    let first = read_as(&mut card, &with_can(), Some(opened(&made))).terminal_authentication.unwrap();
    assert_eq!(first.shown, ["UTISCVCA00002", "UTDVBORDER00001", "UTEMBPARIS00001"]);
    assert_eq!(first.outcome, Outcome::Successful { rights: rights_of(BOTH) });
    card.reset();
    let again = read_as(&mut card, &with_can(), Some(opened(&made))).terminal_authentication.unwrap();
    assert_eq!(again.authorities, ["UTISCVCA00002", "UTISCVCA00001"]);
    assert_eq!(again.shown, ["UTDVBORDER00001", "UTEMBPARIS00001"]);
    assert_eq!(again.outcome, Outcome::Successful { rights: rights_of(BOTH) });
}

/// A bit of an answer is another one, at each step: the session breaks and is opened once more, and nobody is accused.
#[test]
fn garbled_answers_to_the_terminal_accuse_nobody() {
    let mut border = Border::new();
    let store = border.issuer.store(vec![]);
    let terminal = border.terminal(BOTH);
    // MSE:Set AT of PACE and of Chip Authentication come first.
    for (instruction, skip) in [(0x22, 2), (0x22, 3), (0x22, 4), (0x2A, 0), (0x2A, 1), (0x84, 0), (0x82, 0)] {
        let text = format!(
            "format = \"bitaqa-soft-card-fault\"\nversion = 1\nseed = 7\n[[fault]]\nkind = \"garbled\"\n\
             on = {{ ins = {instruction}, skip = {skip}, count = 1 }}\n"
        );
        let faults = Faults::parse(&text, Path::new("faults.toml")).unwrap();
        let mut card = SoftCard::from_state(&border.state).with_faults(&faults).unwrap();
        let evidence = read_as(&mut card, &with_can(), Some(terminal.clone()));
        let report = judged(&evidence, &store);
        assert_eq!(report.verdict, Verdict::GenuineValid, "{instruction:02X} {skip}: {:?}", report.because);
        assert!(evidence.restarted.is_some(), "{instruction:02X} {skip}: the answer was not garbled");
        assert_eq!(*seen(&evidence), Outcome::Successful { rights: rights_of(BOTH) }, "{instruction:02X} {skip}");
    }
}

#[test]
fn a_card_that_leaves_at_any_command_is_never_accused() {
    let mut border = Border::new();
    let store = border.issuer.store(vec![]);
    let terminal = border.terminal(BOTH);
    let mut card = SoftCard::from_state(&border.state);
    read_as(&mut card, &with_can(), Some(terminal.clone()));
    let whole = card.commands();
    for at in whole - 16..whole {
        let mut card = SoftCard::from_state(&border.state);
        card.tear(Tear { at, when: When::After });
        let evidence = read_as(&mut card, &with_can(), Some(terminal.clone()));
        assert!(evidence.interrupted.is_some(), "{at} of {whole}");
        assert_ne!(judged(&evidence, &store).verdict, Verdict::NotGenuine, "{at} of {whole}");
    }
}
