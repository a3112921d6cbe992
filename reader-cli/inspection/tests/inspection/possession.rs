//! Citizens' cards whose keys are asked for: all kinds of keys, copied certificates, cards that answer anything.

use channel::random::OsRandom;
use eid::authentication::{INS_GENERAL_AUTHENTICATE, Template};
use eid::keys::{Algorithm, KeyReference};
use eid::pin::{INS_VERIFY, Pin};
use inspection::citizen::{Basis, Judgement, OpenError, Proof, Report, Seen, judge, open, read};
use inspection::procedure::Budget;
use iso7816::{Card, Command, Response, Status, TransmitError};
use proptest::prelude::*;
use soft_card::eid::Memory;
use soft_card::{SoftCard, State};
use trust::{Certificate, Crl};

use crate::citizens::{Citizens, card, of_others, pin, seen, seen_without};
use crate::{judged, today, with_can};

const ALL: [KeyReference; 4] = KeyReference::ALL;

/// The same card with the certificate that another one has for a key.
fn copied(state: &State, other: &State, key: KeyReference) -> State {
    let mut state = state.clone();
    let tag = key.certificate().tag.0;
    let content = other.eid.as_ref().unwrap().objects[&tag].clone();
    state.eid.as_mut().unwrap().objects.insert(tag, content);
    state
}

/// Reads the travel document, then the citizen application with the PIN.
fn whole(state: &State, citizens: &mut Citizens) -> Report {
    let mut card = SoftCard::from_state(state);
    let store = citizens.issuer.store(vec![]);
    let document = judged(&crate::read(&mut card, &with_can()), &store);
    let seen = seen(&mut card);
    let authorities = [citizens.ca.clone()];
    let document = Some(&document);
    judge(&seen, &Basis { authorities: &authorities, lists: &[], store: Some(&store), document, now: today() })
}

/// The same of the citizen application alone.
fn alone(seen: &Seen, ca: &Certificate) -> Report {
    alone_with(seen, ca, &[])
}

/// The same with revocation lists.
fn alone_with(seen: &Seen, ca: &Certificate, lists: &[Crl]) -> Report {
    judge(seen, &Basis { authorities: std::slice::from_ref(ca), lists, store: None, document: None, now: today() })
}

fn proofs(report: &Report) -> Vec<(&str, Proof)> {
    report.certificates.iter().map(|line| (line.key.as_str(), line.possession.state)).collect()
}

fn check(report: &Report) -> (&'static str, &str) {
    let check = report.checks.iter().find(|check| check.id == "certificates-possession").unwrap();
    (check.result.word(), &check.reason)
}

const OPEN: &str = "that the card has the keys of its certificates";

#[test]
fn keys_of_every_kind_are_proved_and_the_signature_key_is_not_asked() {
    let mut citizens = Citizens::new();
    let two = [KeyReference::Authentication, KeyReference::KeyManagement];
    for algorithm in Algorithm::ALL {
        let keys = if algorithm == Algorithm::P256 { &ALL[..] } else { &two };
        let state = card(&mut citizens, keys, algorithm);
        let report = whole(&state, &mut citizens);
        let mut wanted =
            vec![("9A", Proof::Proved), ("9C", Proof::NotAsked), ("9D", Proof::Proved), ("9E", Proof::Proved)];
        wanted.retain(|(name, _)| keys.iter().any(|key| format!("{:02X}", *key as u8) == *name));
        assert_eq!(proofs(&report), wanted, "{algorithm:?} {report:#?}");
        assert!(report.certificates.iter().all(|line| line.judgement == Judgement::Good), "{report:#?}");
        assert_eq!((check(&report).0, &report.interrupted), ("successful", &None), "{report:#?}");
        assert_eq!(check(&report).1.contains("signs nothing for a reader"), keys.len() == 4, "{report:#?}");
        assert!(!report.not_judged.contains(&OPEN), "{report:#?}");
    }
    // What a program reads.
    let report = whole(&card(&mut citizens, &ALL, Algorithm::P256), &mut citizens);
    let value = serde_json::to_value(&report).unwrap();
    let line = &value["certificates"][1];
    assert_eq!(line["possession"]["state"], "not-asked");
    assert_eq!(line["possession"]["reason"], "the signature key signs nothing for a reader");
    assert_eq!(value["certificates"][0]["possession"]["state"], "proved");
}

#[test]
fn certificates_of_another_card_are_found_out_by_its_keys() {
    let mut citizens = Citizens::new();
    let two = [KeyReference::Authentication, KeyReference::KeyManagement];
    for (algorithm, keys) in [(Algorithm::P256, &ALL[..]), (Algorithm::Rsa2048, &two)] {
        let (mine, other) = (card(&mut citizens, keys, algorithm), card(&mut citizens, keys, algorithm));
        for key in keys.iter().copied().filter(|key| *key != KeyReference::Signature) {
            let report = whole(&copied(&mine, &other, key), &mut citizens);
            for line in &report.certificates {
                let bad = line.key == format!("{:02X}", key as u8);
                assert_eq!(line.judgement == Judgement::Forged, bad, "{algorithm:?} {key:?} {report:#?}");
                assert_eq!(line.possession.state == Proof::Failed, bad, "{algorithm:?} {key:?} {report:#?}");
                assert_eq!(line.reason.contains("does not have its key"), bad, "{report:#?}");
            }
            assert_eq!((check(&report).0, report.judgement), ("failed", Judgement::Forged), "{report:#?}");
        }
        // That of the signature key cannot be found out so; whoever verifies a signature does.
        if keys.contains(&KeyReference::Signature) {
            let report = whole(&copied(&mine, &other, KeyReference::Signature), &mut citizens);
            assert_eq!(check(&report).0, "successful");
        }
    }
    // A key of another kind than its certificate is one that the card does not have: no proof, and none against it.
    let mine = card(&mut citizens, &[KeyReference::Authentication], Algorithm::P256);
    let other = card(&mut citizens, &[KeyReference::Authentication], Algorithm::P384);
    let report = whole(&copied(&mine, &other, KeyReference::Authentication), &mut citizens);
    assert_eq!((proofs(&report)[0].1, check(&report).0), (Proof::NoResult, "undetermined"), "{report:#?}");
    assert!(report.not_judged.contains(&OPEN) && report.judgement == Judgement::CertificatesGood, "{report:#?}");
}

#[test]
fn without_a_pin_that_opens_them_keys_are_open_and_the_card_is_not_good() {
    let mut citizens = Citizens::new();
    let own = card(&mut citizens, &ALL, Algorithm::P256);
    let with = |change: &dyn Fn(&mut Memory)| {
        let mut state = own.clone();
        change(state.eid.as_mut().unwrap());
        state
    };
    for (state, words) in [
        (own.clone(), "the PIN was not given"),
        (with(&|memory| memory.transport = true), "the PIN is the issuer's"),
        (with(&|memory| memory.pin = None), "no PIN was set"),
        (with(&|memory| memory.pin.as_mut().unwrap().tries = 0), "the PIN is blocked"),
    ] {
        let mut card = SoftCard::from_state(&state);
        let mut seen = seen_without(&mut card);
        let report = alone(&seen, &citizens.ca);
        // 9E needs no PIN, but a card without one of its holder's lets no key work.
        let free = if words == "the PIN was not given" || words == "the PIN is blocked" {
            Proof::Proved
        } else {
            Proof::NoResult
        };
        let wanted = [("9A", Proof::NotAsked), ("9C", Proof::NotAsked), ("9D", Proof::NotAsked), ("9E", free)];
        assert_eq!(proofs(&report), wanted, "{words} {report:#?}");
        assert!(check(&report).1.contains(words) && check(&report).0 == "undetermined", "{report:#?}");
        assert!(report.not_judged.contains(&OPEN) && report.judgement == Judgement::CertificatesGood, "{report:#?}");
        // A PIN that cannot be taken is not given.
        if words != "the PIN was not given" {
            let error = open(&mut card, Budget::default(), &pin(), &mut OsRandom, &mut seen).unwrap_err();
            assert!(matches!(error, OpenError::State(_)), "{error}");
        }
    }
    // A wrong one costs one try, and no key is asked for.
    let mut spy = Spy::new(&own, |_, _| None);
    let (wrong, mut seen) = (Pin::from_digits(b"314159").unwrap(), seen_without(&mut spy));
    let error = open(&mut spy, Budget::default(), &wrong, &mut OsRandom, &mut seen).unwrap_err();
    assert_eq!((error.to_string().as_str(), seen.tries), ("the card refused the PIN, 2 tries left", Some(2)));
    assert_eq!(spy.given(), 1);
    assert_eq!(proofs(&alone(&seen, &citizens.ca))[0].1, Proof::NotAsked);
}

/// Only a signature key, or nothing but it proved, is no proof; without 9A another key will do.
#[test]
fn some_key_other_than_the_signature_key_must_be_proved() {
    let mut citizens = Citizens::new();
    for (keys, word) in [
        (&[KeyReference::Signature][..], "undetermined"),
        (&[KeyReference::Signature, KeyReference::KeyManagement], "successful"),
        (&[KeyReference::Authentication], "successful"),
        (&[], "not supported"),
    ] {
        let state = card(&mut citizens, keys, Algorithm::P256);
        let report = whole(&state, &mut citizens);
        assert_eq!(check(&report).0, word, "{keys:?} {report:#?}");
        assert_eq!(report.not_judged.contains(&OPEN), word == "undetermined", "{keys:?}");
    }
}

/// 9E works without its holder, and its certificate is compared with nobody's: it makes no other certificate good.
#[test]
fn the_card_s_own_key_vouches_for_nobody() {
    let mut citizens = Citizens::new();
    let others = of_others("pivapplet", &mut citizens, Algorithm::P256);
    let stolen = others.eid.as_ref().unwrap().objects[&KeyReference::Signature.certificate().tag.0].clone();
    let own = card(&mut citizens, &[KeyReference::CardAuthentication], Algorithm::P256);
    let lists = [citizens.list(19)];
    for signature in [None, Some(stolen)] {
        let mut state = of_others("pivapplet", &mut citizens, Algorithm::P256);
        let (memory, own) = (state.eid.as_mut().unwrap(), own.eid.as_ref().unwrap());
        memory.objects = own.objects.clone();
        memory.keys = own.keys.clone();
        if let Some(signature) = &signature {
            memory.objects.insert(KeyReference::Signature.certificate().tag.0, signature.clone());
        }
        let seen = seen_without(&mut SoftCard::from_state(&state));
        let report = alone_with(&seen, &citizens.ca, &lists);
        assert_eq!(proofs(&report).last().unwrap(), &("9E", Proof::Proved), "{report:#?}");
        assert_eq!((check(&report).0, report.not_judged.as_slice()), ("undetermined", &[OPEN][..]), "{report:#?}");
        assert_eq!(report.judgement, Judgement::CertificatesGood, "{report:#?}");
    }
}

/// What a card need not show, and what this program does not read, is nothing against it.
#[test]
fn a_certificate_that_is_not_shown_accuses_nobody() {
    let mut citizens = Citizens::new();
    let state = of_others("pivapplet", &mut citizens, Algorithm::P256);
    let (tag, lists) = (KeyReference::Authentication.certificate().tag, [citizens.list(19)]);
    let told = |answer: Response| {
        let asked = |command: &Command| command.ins == 0xCB && command.data.ends_with(&tag.0.to_be_bytes()[1..]);
        let mut hiding = Spy::new(&state, |_, command| asked(command).then(|| Ok(answer.clone())));
        let mut seen = read(&mut hiding, Budget::default()).unwrap();
        open(&mut hiding, Budget::default(), &pin(), &mut OsRandom, &mut seen).unwrap();
        let report = alone_with(&seen, &citizens.ca, &lists);
        assert_ne!(report.judgement, Judgement::Good, "{report:#?}");
        report.certificates[0].judgement
    };
    let gzip = hex::decode("53097002 1f8b710101fe00".replace(' ', "")).unwrap();
    for answer in [
        Response::status(Status(0x6982)),
        Response::status(Status(0x6F00)),
        Response { data: gzip, status: Status::OK },
    ] {
        assert_eq!(told(answer.clone()), Judgement::NotJudged, "{answer:?}");
    }
    let rubbish = Response { data: hex::decode("530470021f8b").unwrap(), status: Status::OK };
    assert_eq!(told(rubbish), Judgement::Forged);
}

/// Cards of others prove their keys by the same commands.
#[test]
fn other_people_s_applets_prove_their_keys() {
    let mut citizens = Citizens::new();
    for name in ["pivapplet", "openfips201"] {
        for algorithm in [Algorithm::P256, Algorithm::P384, Algorithm::Rsa2048] {
            let state = of_others(name, &mut citizens, algorithm);
            let seen = seen(&mut SoftCard::from_state(&state));
            let report = alone(&seen, &citizens.ca);
            let wanted = [("9A", Proof::Proved), ("9C", Proof::NotAsked), ("9D", Proof::Proved)];
            assert_eq!(proofs(&report), wanted, "{name} {algorithm:?} {report:#?}");
            // There is no travel document that could name another card.
            assert_eq!(report.not_judged, ["revocation"], "{name} {report:#?}");
        }
    }
}

type Answer<'a> = Box<dyn FnMut(usize, &Command) -> Option<Result<Response, TransmitError>> + 'a>;

/// A card that is watched, and that answers some commands otherwise.
struct Spy<'a> {
    card: SoftCard,
    commands: Vec<Command>,
    instead: Answer<'a>,
}

impl<'a> Spy<'a> {
    fn new(
        state: &State,
        instead: impl FnMut(usize, &Command) -> Option<Result<Response, TransmitError>> + 'a,
    ) -> Self {
        Spy { card: SoftCard::from_state(state), commands: Vec::new(), instead: Box::new(instead) }
    }

    /// How often it was given a PIN.
    fn given(&self) -> usize {
        self.commands.iter().filter(|command| command.ins == INS_VERIFY && !command.data.is_empty()).count()
    }
}

impl Card for Spy<'_> {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        self.commands.push(command.clone());
        let number = self.commands.len() - 1;
        (self.instead)(number, command).unwrap_or_else(|| self.card.transmit(command))
    }
}

/// The answer of the card to its authentication key's challenge is this one.
fn answering(state: &State, data: &[u8], status: Status) -> Seen {
    let asked = |command: &Command| command.ins == INS_GENERAL_AUTHENTICATE && command.p2 == 0x9A;
    let mut verified = false;
    let mut lying = Spy::new(state, |_, command| {
        verified |= command.ins == INS_VERIFY && !command.data.is_empty();
        let more = command.ins == 0xC0 && status.bytes_available().is_some();
        let lie = verified && (asked(command) || more);
        lie.then(|| Ok(Response { data: data.to_vec(), status }))
    });
    seen(&mut lying)
}

#[test]
fn garbage_in_place_of_a_proof_is_a_clear_finding() {
    let mut citizens = Citizens::new();
    let keys = [KeyReference::Authentication, KeyReference::Signature, KeyReference::KeyManagement];
    let state = card(&mut citizens, &keys, Algorithm::P256);
    let signature = Template { response: Some(&[0x30, 0x00]), ..Template::default() }.to_bytes();
    let challenge = Template { challenge: Some(&[0; 32]), ..Template::default() }.to_bytes();
    let empty = Template { response: Some(&[]), ..Template::default() }.to_bytes();
    let long = Template { response: Some(&[0x55; 200]), ..Template::default() }.to_bytes();
    for data in [vec![], vec![0x7C], vec![0x7C, 0x82], vec![0; 256], vec![0xFF; 256], signature, challenge, empty, long]
    {
        let report = alone(&answering(&state, &data, Status::OK), &citizens.ca);
        let wanted = [("9A", Proof::Failed), ("9C", Proof::NotAsked), ("9D", Proof::Proved)];
        assert_eq!(proofs(&report), wanted, "{data:02X?} {report:#?}");
        assert_eq!((check(&report).0, report.judgement), ("failed", Judgement::Forged), "{data:02X?}");
        assert!(check(&report).1.starts_with("the card does not have the key of 9A: its "), "{report:#?}");
    }
    for status in [0x6982, 0x6985, 0x6A80, 0x6A86, 0x6D00, 0x6F00, 0x0000] {
        let report = alone(&answering(&state, &[], Status(status)), &citizens.ca);
        assert_eq!((proofs(&report)[0].1, proofs(&report)[2].1), (Proof::NoResult, Proof::Proved), "{status:04X}");
        assert_eq!((check(&report).0, report.judgement), ("undetermined", Judgement::CertificatesGood), "{status:04X}");
        assert!(check(&report).1.contains("9A: the card refused to use the key"), "{report:#?}");
    }
    // An answer without end is none; the rest of the report is there.
    for data in [vec![0; 256], vec![]] {
        let report = alone(&answering(&state, &data, Status(0x6100)), &citizens.ca);
        assert_eq!((proofs(&report)[0].1, proofs(&report)[2].1), (Proof::NoResult, Proof::NotAsked), "{report:#?}");
        assert!(report.interrupted.is_some() && report.objects.len() > 3, "{report:#?}");
        assert_eq!(report.judgement, Judgement::CertificatesGood);
    }
}

/// Torn at each command: what was said before is told, what was not is open, and a failure stays one.
#[test]
fn a_card_that_is_torn_loses_no_report() {
    let mut citizens = Citizens::new();
    let (mine, other) = (card(&mut citizens, &ALL, Algorithm::P256), card(&mut citizens, &ALL, Algorithm::P256));
    let forged = copied(&mine, &other, KeyReference::Authentication);
    let commands = |state: &State| {
        let mut spy = Spy::new(state, |_, _| None);
        seen(&mut spy);
        // Nobody asks the signature key, and nobody gives the PIN more than once to an application.
        assert!(!spy.commands.iter().any(|command| command.ins == INS_GENERAL_AUTHENTICATE && command.p2 == 0x9C));
        assert_eq!(spy.given(), 2);
        spy.commands.len()
    };
    let first = {
        let mut spy = Spy::new(&mine, |_, _| None);
        read(&mut spy, Budget::default()).unwrap();
        spy.commands.len()
    };
    for (state, good) in [(&mine, true), (&forged, false)] {
        let mut accused = false;
        for torn in first..commands(state) {
            let mut spy = Spy::new(state, |number, _| (number >= torn).then_some(Err(TransmitError::Lost)));
            let report = alone(&seen(&mut spy), &citizens.ca);
            assert!(report.interrupted.is_some() && report.certificates.len() == 4, "{torn} {report:#?}");
            assert!(report.not_judged.contains(&"what the card was not asked any more"), "{torn}");
            let failed = report.judgement == Judgement::Forged;
            assert!(failed >= accused && !(failed && good), "{torn} {report:#?}");
            accused = failed;
        }
        assert_eq!(accused, !good);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_a_card_answers_it_proves_nothing(
        data in prop::collection::vec(any::<u8>(), 0..256),
        status in prop_oneof![Just(0x9000), Just(0x6110), any::<u16>()],
        template in any::<bool>(),
    ) {
        use std::sync::{Mutex, OnceLock};
        static CARD: OnceLock<Mutex<(Citizens, State, [Crl; 1])>> = OnceLock::new();
        let guard = CARD.get_or_init(|| {
            let mut citizens = Citizens::new();
            let state = of_others("pivapplet", &mut citizens, Algorithm::P256);
            let lists = [citizens.list(19)];
            // Nothing else is open: with the right answer the card is good.
            let honest = alone_with(&seen(&mut SoftCard::from_state(&state)), &citizens.ca, &lists);
            assert_eq!(honest.judgement, Judgement::Good, "{honest:#?}");
            Mutex::new((citizens, state, lists))
        });
        let (citizens, state, lists) = &*guard.lock().unwrap();
        let data = if template { Template { response: Some(&data), ..Template::default() }.to_bytes() } else { data };
        let report = alone_with(&answering(state, &data, Status(status)), &citizens.ca, lists);
        prop_assert_ne!(proofs(&report)[0].1, Proof::Proved);
        prop_assert_ne!(report.judgement, Judgement::Good);
    }
}
