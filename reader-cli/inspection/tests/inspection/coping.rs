//! Cards and readers that keep less than they promise, or want to be asked otherwise: all of them are read.

use std::path::Path;

use channel::hash::Hash;
use channel::pace::{Mapping, Suite};
use channel::random::OsRandom;
use channel::suite::{Cipher, Curve, Group};
use inspection::evidence::{Attempt, ChipAuthenticationOutcome, Interruption, Protocol, Quirk};
use inspection::procedure::{Errand, ReplaceError, Rung, replace_residence};
use inspection::{Bac, Evidence, Options, Verdict, inspect};
use iso7816::{Card, Command, Response, Status, TransmitError};
use lds::security_infos::SecurityInfo;
use soft_card::fault::Faults;
use soft_card::{SoftCard, State, forge};

use crate::issuer::{Active, Document, Issuer, usual_start};
use crate::residence::terminal_of;
use crate::terminals::Terminals;
use crate::{judged, result, today, with_can, with_mrz};

/// A card behind something that answers some commands itself.
struct Behind<F> {
    card: SoftCard,
    /// The answer to a command that does not reach the card.
    instead: F,
    commands: u32,
    longest_command: usize,
    longest_answer: usize,
}

impl<F: FnMut(&Command) -> Option<Result<Response, TransmitError>>> Behind<F> {
    fn new(card: SoftCard, instead: F) -> Self {
        Behind { card, instead, commands: 0, longest_command: 0, longest_answer: 0 }
    }

    fn read(&mut self, extended_length: bool) -> Evidence {
        let options = Options { extended_length, ..Options::new(today()) };
        inspect(self, &with_can(), &options, &mut OsRandom, &mut |_| {})
    }
}

impl<F: FnMut(&Command) -> Option<Result<Response, TransmitError>>> Card for Behind<F> {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        self.commands += 1;
        self.longest_command = self.longest_command.max(command.to_bytes().len());
        let response = match (self.instead)(command) {
            Some(answer) => answer?,
            None => self.card.transmit(command)?,
        };
        self.longest_answer = self.longest_answer.max(response.data.len());
        Ok(response)
    }
}

fn honest(_: &Command) -> Option<Result<Response, TransmitError>> {
    None
}

fn answer(status: u16) -> Option<Result<Response, TransmitError>> {
    Some(Ok(Response::status(Status(status))))
}

/// Plain READ BINARY by a short identifier.
fn by_short_id(command: &Command) -> bool {
    command.ins == 0xB0 && command.p1 & 0x80 != 0
}

/// The specimen with `make` of the chip changed.
fn specimen(issuer: &Issuer, document: &Document, longest: Option<(u32, u32)>) -> State {
    let mut state = issuer.state(document);
    if let Some((command, response)) = longest {
        state.make.longest_command = command;
        state.make.longest_response = response;
    }
    state
}

const SHORT: Option<(u32, u32)> = Some((261, 256));

/// DH keys of 2048 bits need chaining and GET RESPONSE over short APDUs.
#[test]
fn pace_over_wide_groups_goes_through_short_and_extended_apdus() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let wide = Suite::all().filter(|suite| match suite.group {
        Group::Modp(_) => suite.cipher == Cipher::Aes256 || suite.cipher == Cipher::TripleDes,
        Group::Curve(curve) => {
            curve == Curve::P521 && suite.cipher == Cipher::Aes256 && suite.mapping != Mapping::ChipAuthentication
        }
    });
    let suites: Vec<Suite> = wide.collect();
    assert_eq!(suites.len(), 3 * 2 * 2 + 2);
    for suite in suites {
        let pace = vec![SecurityInfo::pace(&suite.oid(), suite.group.parameter_id())];
        let document = Document { pace, ..Document::specimen() };
        for (longest, extended) in [(SHORT, false), (SHORT, true), (None, false), (None, true)] {
            let mut card = Behind::new(SoftCard::from_state(&specimen(&issuer, &document, longest)), honest);
            let evidence = card.read(extended);
            let seen = format!("{suite:?} {longest:?} {extended} {:?}", evidence.access);
            assert_eq!(judged(&evidence, &store).verdict, Verdict::GenuineValid, "{seen}");
            assert_eq!(evidence.restarted, None, "{seen}");
            assert_eq!(evidence.access.attempts.len(), 1, "{seen}");
            if longest.is_some() || !extended {
                assert!(card.longest_command <= 261 && card.longest_answer <= 256, "{seen}");
            }
        }
    }
}

/// What a reader says instead of passing a command on.
type Refusal = fn() -> Option<Result<Response, TransmitError>>;

/// What the reader's side does not pass on, however it says so, and however much it is.
#[test]
fn apdus_that_turn_out_too_long_cost_one_session_and_no_more() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = issuer.state(&Document::specimen());
    for (command, response) in [(261, 256), (255, 256), (300, 300), (1_000, 512), (2_048, 2_048), (65_535, 40_000)] {
        let text = format!(
            "format = \"bitaqa-soft-card-fault\"\nversion = 1\nseed = 7\n[[fault]]\nkind = \"limits\"\ncommand = {command}\nresponse = {response}\n"
        );
        let faults = Faults::parse(&text, Path::new("x")).unwrap();
        let mut card = Behind::new(SoftCard::from_state(&state).with_faults(&faults).unwrap(), honest);
        let evidence = card.read(true);
        let report = judged(&evidence, &store);
        assert_eq!(report.verdict, Verdict::GenuineValid, "{command} {response}");
        let restart = evidence.restarted.as_ref().unwrap();
        assert!(matches!(restart.cause, Interruption::SecureMessaging { .. }), "{restart}");
        assert_eq!(evidence.access.attempts.len(), 2);
        assert!(report.check("access-protocol").unwrap().reason.contains("a first session broke at EF."));
        assert_eq!(Evidence::from_json(evidence.to_json().unwrap().as_bytes()).unwrap(), evidence);
    }
    let extended = |command: &Command| command.is_extended();
    let refusals: [Refusal; 4] = [
        || answer(0x6700),
        || Some(Err(TransmitError::Lost)),
        || Some(Err(TransmitError::Reader { detail: "too long".into() })),
        || answer(0x6D00),
    ];
    for refusal in refusals {
        let instead = |command: &Command| if extended(command) { refusal() } else { None };
        let mut card = Behind::new(SoftCard::from_state(&state), instead);
        let evidence = card.read(true);
        assert_eq!(judged(&evidence, &store).verdict, Verdict::GenuineValid, "{:?}", evidence.restarted);
        assert!(evidence.restarted.is_some());
    }
    // A reader that cuts what is longer than it can pass on.
    struct Cutting(SoftCard);
    impl Card for Cutting {
        fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
            let mut response = self.0.transmit(command)?;
            response.data.truncate(256);
            Ok(response)
        }
    }
    let options = Options { extended_length: true, ..Options::new(today()) };
    let evidence =
        inspect(&mut Cutting(SoftCard::from_state(&state)), &with_can(), &options, &mut OsRandom, &mut |_| {});
    assert_eq!(judged(&evidence, &store).verdict, Verdict::GenuineValid);
    assert!(evidence.restarted.is_some());
}

#[test]
fn honest_limits_of_card_and_reader_are_kept_without_a_second_session() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    for longest in [None, SHORT, Some((2_048, 2_048)), Some((65_535, 300)), Some((300, 65_536))] {
        for reader_limit in [256, 290, 1_000, 65_536] {
            let card = SoftCard::from_state(&specimen(&issuer, &Document::specimen(), longest));
            let limit = longest.map_or(65_536, |(_, response)| response).min(reader_limit);
            let mut card = Behind::new(card, honest);
            let options = Options { extended_length: true, reader_limit, ..Options::new(today()) };
            let evidence = inspect(&mut card, &with_can(), &options, &mut OsRandom, &mut |_| {});
            assert_eq!(judged(&evidence, &store).verdict, Verdict::GenuineValid, "{longest:?} {reader_limit}");
            assert_eq!(evidence.restarted, None, "{longest:?} {reader_limit}");
            assert!(card.longest_answer <= limit as usize, "{} {longest:?} {reader_limit}", card.longest_answer);
        }
    }
    // Extended length is known, but EF.ATR/INFO is not there to say so.
    let card = SoftCard::from_state(&issuer.state(&Document::specimen()));
    let instead = |command: &Command| {
        let info = command.data == [0x2F, 0x01] || (by_short_id(command) && command.p1 == 0x81 && command.cla == 0);
        if info { answer(0x6A82) } else { None }
    };
    let mut card = Behind::new(card, instead);
    let evidence = card.read(true);
    assert_eq!(judged(&evidence, &store).verdict, Verdict::GenuineValid);
    assert_eq!((evidence.restarted, card.longest_answer <= 256), (None, true));
}

/// Plain cards first, then chips whose secure messaging goes on: the word comes from inside.
#[test]
fn cards_that_know_no_short_identifiers_are_read_by_select() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = issuer.state(&Document::specimen());
    let usual = {
        let mut card = Behind::new(SoftCard::from_state(&state), honest);
        card.read(false);
        card.commands
    };
    for status in [0x6A82, 0x6A86, 0x6D00, 0x6982, 0x6986, 0x6B00, 0x6700, 0x6F00] {
        let instead = |command: &Command| if by_short_id(command) && command.cla == 0 { answer(status) } else { None };
        let mut card = Behind::new(SoftCard::from_state(&state), instead);
        let evidence = card.read(false);
        assert_eq!(judged(&evidence, &store).verdict, Verdict::GenuineValid, "{status:04X}");
        assert_eq!(evidence.restarted, None, "{status:04X}");
        assert_eq!(card.commands, usual + 2, "{status:04X}: SELECT and READ BINARY for EF.CardAccess");
        assert_eq!(evidence.quirks, [Quirk { rung: Rung::BySelect, file: "EF.CardAccess".into() }], "{status:04X}");
    }
    // Under secure messaging a bare refusal ends the session; the second one does without.
    for status in [0x6A86, 0x6D00, 0x6E00] {
        let instead = |command: &Command| if by_short_id(command) && command.cla != 0 { answer(status) } else { None };
        let mut card = Behind::new(SoftCard::from_state(&state), instead);
        let evidence = card.read(false);
        assert_eq!(judged(&evidence, &store).verdict, Verdict::GenuineValid, "{status:04X}");
        assert!(evidence.restarted.is_some());
    }
}

#[test]
fn an_old_card_that_keeps_ef_card_access_to_itself_is_read_by_bac() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let document = Document { pace: vec![], ..Document::specimen() };
    let state = issuer.state(&document);
    for status in [0x6982, 0x6986, 0x6985, 0x6A82, 0x6D00, 0x6F00] {
        let instead = |command: &Command| {
            let asked = by_short_id(command) || command.data == [0x01, 0x1C] || command.data == [0x3F, 0x00];
            if asked && command.cla == 0 { answer(status) } else { None }
        };
        let mut card = Behind::new(SoftCard::from_state(&state), instead);
        let access = with_mrz(&document, Bac::Allowed);
        let evidence = inspect(&mut card, &access, &Options::new(today()), &mut OsRandom, &mut |_| {});
        let report = inspection::judge(&evidence, &store, &inspection::Policy { bac: Bac::Allowed }, today());
        assert_eq!(report.verdict, Verdict::GenuineValid, "{status:04X} {:?}", evidence.access);
        assert_eq!(evidence.chip_authentication.unwrap().outcome, ChipAuthenticationOutcome::Proved);
        // And by BAC again when the first session breaks.
        let mut spoilt = false;
        let instead = |command: &Command| {
            let asked = by_short_id(command) || command.data == [0x01, 0x1C] || command.data == [0x3F, 0x00];
            let first = command.cla == 0x0C && !std::mem::replace(&mut spoilt, true);
            if first || (asked && command.cla == 0) { answer(status) } else { None }
        };
        let mut card = Behind::new(SoftCard::from_state(&state), instead);
        let evidence = inspect(&mut card, &access, &Options::new(today()), &mut OsRandom, &mut |_| {});
        let report = inspection::judge(&evidence, &store, &inspection::Policy { bac: Bac::Allowed }, today());
        assert_eq!(report.verdict, Verdict::GenuineValid, "{status:04X} {:?}", evidence.access);
        assert_eq!(evidence.access.attempts.len(), 2);
    }
}

#[test]
fn a_session_is_opened_again_once_only_and_its_first_reading_is_forgotten() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = issuer.state(&Document::specimen());
    // Every session breaks at its tenth protected command.
    let mut counted = 0;
    let instead = |command: &Command| {
        counted = if command.cla == 0x0C { counted + 1 } else { 0 };
        if counted == 10 { answer(0x6988) } else { None }
    };
    let mut card = Behind::new(SoftCard::from_state(&state), instead);
    let evidence = card.read(false);
    assert_eq!(evidence.access.attempts.len(), 2);
    assert!(evidence.restarted.is_some() && evidence.interrupted.is_some());
    assert_eq!(judged(&evidence, &store).verdict, Verdict::Unreadable);
    // It breaks, and does not open again: what was read stays.
    let mut broken = false;
    let mut counted = 0;
    let instead = |command: &Command| {
        counted += u32::from(command.cla == 0x0C);
        broken |= counted == 10;
        if broken { answer(0x6988) } else { None }
    };
    let mut card = Behind::new(SoftCard::from_state(&state), instead);
    let evidence = card.read(false);
    assert!(evidence.restarted.is_none() && evidence.content("EF.COM").is_some());
    assert!(matches!(evidence.interrupted, Some(Interruption::SecureMessaging { .. })));
    let report = judged(&evidence, &store);
    assert_eq!(report.verdict, Verdict::Unreadable);
    assert_eq!(result(&report, "access-protocol"), "successful");
}

/// Two cards in one: the session that breaks is with the first, whatever follows with the second.
struct Changing {
    first: SoftCard,
    then: SoftCard,
    /// Protected READ BINARY commands before the session breaks; and before the next one does.
    breaks: Vec<usize>,
    seen: usize,
    changed: bool,
}

impl Card for Changing {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        if command.cla == 0x0C && command.ins == 0xB0 {
            self.seen += 1;
            if self.breaks.first().is_some_and(|at| self.seen > *at) {
                self.breaks.remove(0);
                (self.seen, self.changed) = (0, true);
                return Ok(Response::status(Status(0x6988)));
            }
        }
        let card = if self.changed { &mut self.then } else { &mut self.first };
        card.transmit(command)
    }
}

/// A copy could break its session on purpose: what it failed to prove is not forgotten.
#[test]
fn a_proof_that_failed_before_the_session_broke_stands() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = issuer.state(&crate::mapping::document(false));
    let copy = forge::new_chip_key(&state).unwrap();
    let read = |first: &State, then: &State, breaks: &[usize]| {
        let (first, then) = (SoftCard::from_state(first), SoftCard::from_state(then));
        let mut cards = Changing { first, then, breaks: breaks.to_vec(), seen: 0, changed: false };
        crate::read(&mut cards, &with_can())
    };
    // The chip failed the mapping; then it passes the questions on to the original, or breaks every session.
    let relayed = read(&copy, &state, &[40]);
    let broken = read(&copy, &copy, &[12, 3]);
    assert!(relayed.interrupted.is_none() && broken.interrupted.is_some());
    for evidence in [&relayed, &broken] {
        let report = judged(evidence, &store);
        assert_eq!((report.verdict, result(&report, "pace-cam")), (Verdict::CloneSuspect, "failed"));
        let reason = &report.check("pace-cam").unwrap().reason;
        assert!(reason.starts_with("in a first session, which then broke: the chip does not hold"), "{reason}");
        let stored = Evidence::from_json(evidence.to_json().unwrap().as_bytes()).unwrap();
        assert_eq!((&stored, judged(&stored, &store).checks), (evidence, report.checks));
    }
    // The files of that session are not kept twice, but those that its proofs are judged by.
    let session = relayed.restarted.as_ref().unwrap().session.as_ref().unwrap();
    assert!(session.content("EF.SOD").is_some() && !session.files.contains_key("EF.DG2"));
    // A chip that holds its key is accused of nothing when its session breaks.
    let report = judged(&read(&state, &state, &[12]), &store);
    assert_eq!((report.verdict, result(&report, "pace-cam")), (Verdict::GenuineValid, "successful"));
    let report = judged(&read(&state, &state, &[12, 3]), &store);
    assert_eq!((report.verdict, result(&report, "pace-cam")), (Verdict::Unreadable, "aborted"));
}

/// An office judges inside the session: of the second one it must know what failed in the first.
#[test]
fn who_judges_in_the_second_session_knows_the_first() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = issuer.state(&crate::mapping::document(false));
    let copy = forge::new_chip_key(&state).unwrap();
    let terminal = terminal_of(&Terminals::of_offices(usual_start()), "OFFICE", &["write-dg17"]);
    for (first, verdict) in [(&state, Verdict::GenuineValid), (&copy, Verdict::CloneSuspect)] {
        let (first, then) = (SoftCard::from_state(first), SoftCard::from_state(&state));
        let mut cards = Changing { first, then, breaks: vec![40], seen: 0, changed: false };
        let mut seen = Vec::new();
        let errand = Errand {
            terminal: &terminal,
            record: &[],
            approve: &mut |evidence| {
                seen.push(judged(evidence, &store).verdict);
                false
            },
        };
        let options = Options::new(today());
        let (_, outcome) = replace_residence(&mut cards, &with_can(), &options, errand, &mut OsRandom, &mut |_| {});
        assert_eq!((outcome, seen), (Err(ReplaceError::NotApproved), vec![verdict]));
        assert!(cards.changed);
    }
}

/// Where the channel broke in the middle of Chip Authentication, only a proof makes up for it.
#[test]
fn a_failed_chip_authentication_is_made_up_for_by_a_proof_and_by_nothing_else() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let active_authentication = Active::Ecdsa(Curve::P256, Hash::Sha256);
    let state = issuer.state(&Document { active_authentication, ..Document::specimen() });
    // Asking for every proof, the procedure goes on after one that failed, and finds the session broken.
    let options = Options { every_proof: true, ..Options::new(today()) };
    let read = |state: &State, second_breaks: bool| {
        let (mut agreements, mut reads) = (0, 0);
        let instead = move |command: &Command| {
            agreements += u32::from(command.cla == 0x0C && command.ins == 0x86);
            reads += u32::from(command.cla == 0x0C && command.ins == 0xB0 && agreements > 0);
            let first = command.cla == 0x0C && command.ins == 0x86 && agreements == 1;
            if first || (second_breaks && reads == 4) { answer(0x6700) } else { None }
        };
        let mut card = Behind::new(SoftCard::from_state(state), instead);
        let evidence = inspect(&mut card, &with_can(), &options, &mut OsRandom, &mut |_| {});
        let session = evidence.restarted.as_ref().unwrap().session.as_ref().unwrap();
        let outcome = &session.chip_authentication.as_ref().unwrap().outcome;
        assert!(matches!(outcome, ChipAuthenticationOutcome::NotProved { .. }), "{outcome:?}");
        evidence
    };
    let report = judged(&read(&state, false), &store);
    assert_eq!((report.verdict, result(&report, "chip-authentication")), (Verdict::GenuineValid, "successful"));
    // The second session ends before the chip is asked: without the first one nobody would be accused.
    let mut evidence = read(&state, true);
    let report = judged(&evidence, &store);
    assert_eq!((report.verdict, result(&report, "chip-authentication")), (Verdict::CloneSuspect, "failed"));
    evidence.restarted.as_mut().unwrap().session = None;
    let report = judged(&evidence, &store);
    assert_eq!((report.verdict, result(&report, "chip-authentication")), (Verdict::Unreadable, "undetermined"));
}

/// What the attempts say of themselves: rung, form, and whether it failed.
fn climbed(attempts: &[Attempt]) -> Vec<(Option<Rung>, &str, bool)> {
    let form = |attempt: &'_ Attempt| -> &'static str {
        channel::pace::LADDER
            .iter()
            .find(|form| attempt.form.as_deref() == Some(form.name))
            .map_or("", |form| form.name)
    };
    attempts.iter().map(|attempt| (attempt.rung, form(attempt), attempt.error.is_some())).collect()
}

/// A card that takes MSE:Set AT in one form only, whichever it is: every attempt is kept, and none of them is BAC.
#[test]
fn each_rung_of_the_ladder_is_in_the_evidence_and_in_the_report() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = issuer.state(&Document::specimen());
    for (position, wanted) in channel::pace::LADDER.iter().enumerate() {
        let instead = |command: &Command| {
            let form = (command.data.windows(2).any(|window| window == [0x84, 0x01]), command.ne.is_some());
            let other = command.ins == 0x22 && command.cla == 0 && form != (wanted.parameter_id, wanted.le);
            if other { answer(0x6A80) } else { None }
        };
        let mut card = Behind::new(SoftCard::from_state(&state), instead);
        let access = with_mrz(&Document::specimen(), Bac::Allowed);
        let evidence = inspect(&mut card, &access, &Options::new(today()), &mut OsRandom, &mut |_| {});
        let expected: Vec<_> = channel::pace::LADDER[..=position]
            .iter()
            .map(|form| (Some(Rung::Pace), form.name, form.name != wanted.name))
            .collect();
        assert_eq!(climbed(&evidence.access.attempts), expected, "{}", wanted.name);
        let report = judged(&evidence, &store);
        assert_eq!(report.verdict, Verdict::GenuineValid, "{}", wanted.name);
        let json = serde_json::to_value(&report).unwrap();
        let told = json["access_attempts"].as_array().unwrap();
        assert_eq!(told.len(), position + 1);
        assert!(told.iter().all(|attempt| attempt["rung"] == "pace" && attempt["protocol"] == "PACE"), "{told:?}");
        assert_eq!(Evidence::from_json(evidence.to_json().unwrap().as_bytes()).unwrap(), evidence);
    }
    // No form is taken: that is the end, and the leave to run BAC changes nothing.
    let mut card = Behind::new(
        SoftCard::from_state(&state),
        |command: &Command| {
            if command.ins == 0x22 { answer(0x6A80) } else { None }
        },
    );
    let access = with_mrz(&Document::specimen(), Bac::Allowed);
    let evidence = inspect(&mut card, &access, &Options::new(today()), &mut OsRandom, &mut |_| {});
    assert_eq!(evidence.access.attempts.len(), channel::pace::LADDER.len());
    assert!(evidence.access.established.is_none());
    assert!(
        evidence.access.attempts.iter().all(|attempt| attempt.protocol == Protocol::Pace && attempt.error.is_some())
    );
    assert_eq!(judged(&evidence, &store).verdict, Verdict::Unreadable);

    // Mapping first; a chip that refuses it in every form is opened by another, and the report has both rungs.
    let state = issuer.state(&crate::mapping::document(true));
    let mapping = |command: &Command| command.ins == 0x22 && command.data.windows(2).any(|pair| pair == [0x06, 0x02]);
    let mut card = Behind::new(
        SoftCard::from_state(&state),
        |command: &Command| if mapping(command) { answer(0x6A80) } else { None },
    );
    let evidence = card.read(false);
    let rungs: Vec<_> =
        evidence.access.attempts.iter().map(|attempt| (attempt.rung, attempt.error.is_some())).collect();
    let forms = channel::pace::LADDER.len();
    assert_eq!(rungs[..forms], vec![(Some(Rung::Pace), true); forms], "{rungs:?}");
    assert_eq!(rungs[forms..], [(Some(Rung::PaceWithoutMapping), false)], "{rungs:?}");
}

#[test]
fn a_card_that_wants_smaller_blocks_or_heads_first_says_so_in_the_report() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let state = issuer.state(&Document::specimen());
    // EF.CardAccess is read without protection: what is too much there is refused.
    let instead = |command: &Command| {
        let too_much = command.ins == 0xB0 && command.cla == 0 && command.ne.is_some_and(|ne| ne > 128);
        if too_much { answer(0x6B00) } else { None }
    };
    let mut card = Behind::new(SoftCard::from_state(&state), instead);
    let evidence = card.read(false);
    let report = judged(&evidence, &store);
    assert_eq!(report.verdict, Verdict::GenuineValid, "{:?}", evidence.quirks);
    assert_eq!(report.quirks, [Quirk { rung: Rung::HeadFirst, file: "EF.CardAccess".into() }]);
}
