//! Cards that lie, and evidence that lies: no panic, no end without limit, no good verdict.

use std::sync::OnceLock;

use channel::random::OsRandom;
use inspection::procedure::Budget;
use inspection::{Bac, Evidence, Options, inspect};
use iso7816::{Card, Command, Response, Status, TransmitError};
use proptest::prelude::*;
use soft_card::fault::{Fault, Faults, On};
use soft_card::{SoftCard, State};
use trust::TrustStore;

use crate::issuer::{Document, Issuer};
use crate::{judged, read, today, with_can, with_mrz};

/// Answers from a list, over and over.
struct Arbitrary {
    answers: Vec<(Vec<u8>, u16)>,
    next: usize,
    asked: u32,
}

impl Card for Arbitrary {
    fn transmit(&mut self, _: &Command) -> Result<Response, TransmitError> {
        self.asked += 1;
        let (data, status) = self.answers.get(self.next).ok_or(TransmitError::Lost)?;
        self.next = (self.next + 1) % self.answers.len();
        Ok(Response { data: data.clone(), status: Status(*status) })
    }
}

/// A genuine card, one answer of which is spoiled under way.
struct Spoiling {
    card: SoftCard,
    command: u32,
    at: u32,
    with: Response,
}

impl Card for Spoiling {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        let answer = self.card.transmit(command)?;
        self.command += 1;
        Ok(if self.command == self.at { self.with.clone() } else { answer })
    }
}

fn status() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0x9000), Just(0x6A82), Just(0x6282), Just(0x6C10), Just(0x6110), Just(0x6700), any::<u16>()]
}

/// Files as a card might invent them: a right tag, then anything.
fn answer() -> impl Strategy<Value = (Vec<u8>, u16)> {
    let head = prop::sample::select(vec![
        hex::decode("").unwrap(),
        hex::decode("3114301206").unwrap(),
        hex::decode("31143012060a04007f0007020204020202010202010d").unwrap(),
        hex::decode("60165f01").unwrap(),
        hex::decode("7784ffffffff").unwrap(),
        hex::decode("7783010000").unwrap(),
    ]);
    (head, prop::collection::vec(any::<u8>(), 0..40), status())
        .prop_map(|(head, tail, status)| ([head, tail].concat(), status))
}

struct World {
    state: State,
    store: TrustStore,
    good: String,
}

/// One issuer for all cases: making keys takes longer than judging.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut issuer = Issuer::new("specimen-uto");
        let state = issuer.state(&Document::specimen());
        let good = read(&mut SoftCard::from_state(&state), &with_can()).to_json().unwrap();
        World { state, store: issuer.store(vec![]), good }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_answers_end_and_are_never_genuine(answers in prop::collection::vec(answer(), 1..12)) {
        let budget = Budget { commands: 200, ..Budget::default() };
        let options = Options { budget, extended_length: true, ..Options::new(today()) };
        for access in [with_can(), with_mrz(&Document::specimen(), Bac::Allowed)] {
            let mut card = Arbitrary { answers: answers.clone(), next: 0, asked: 0 };
            let evidence = inspect(&mut card, &access, &options, &mut OsRandom, &mut |_| {});
            prop_assert!(card.asked <= 200);
            prop_assert!(!judged(&evidence, &world().store).verdict.is_genuine());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn one_spoiled_answer_never_makes_a_good_verdict(at in 1u32..150, (data, status) in answer()) {
        let world = world();
        let mut card =
            Spoiling { card: SoftCard::from_state(&world.state), command: 0, at, with: Response { data, status: Status(status) } };
        let evidence = read(&mut card, &with_can());
        let report = judged(&evidence, &world.store);
        // Answers past the last command, and those before access, may leave a genuine card genuine; what was read decides.
        if report.verdict.is_genuine() {
            let whole = Evidence::from_json(world.good.as_bytes()).unwrap();
            for (name, seen) in &evidence.files {
                prop_assert!(seen.content().is_none() || Some(seen) == whole.files.get(name), "{}", name);
            }
        }
    }

    #[test]
    fn spoiled_evidence_never_panics(at in any::<prop::sample::Index>(), byte: u8) {
        let world = world();
        let mut stored = world.good.clone().into_bytes();
        let at = at.index(stored.len());
        stored[at] = byte;
        if let Ok(evidence) = Evidence::from_json(&stored) {
            let _ = judged(&evidence, &world.store);
        }
    }
}

/// Lies of a chip that holds the right keys, and of the line before it.
fn fault() -> impl Strategy<Value = Fault> {
    let ins = prop::option::weighted(0.8, prop::sample::select(vec![0xB0, 0xB1, 0xA4, 0x86, 0x22, 0x88]));
    let on = (ins, 0u64..12, prop::option::of(1u64..3), prop::bool::weighted(0.8))
        .prop_map(|(ins, skip, count, inside)| On { ins, skip, count, inside });
    (on, 0u8..7, status(), prop_oneof![0usize..8, 0usize..300, 0usize..70_000], any::<u8>(), any::<bool>()).prop_map(
        |(on, kind, status, bytes, byte, bare)| match kind {
            0 => Fault::Status { on, status, bare },
            1 => Fault::Short { on, bytes },
            2 => Fault::Long { on, bytes },
            3 => Fault::Garbled { on },
            4 => Fault::Endless { on, bytes: byte },
            5 => Fault::Drawn { on, bytes },
            _ => Fault::Replayed { on },
        },
    )
}

/// Counts, so that nobody has to believe the meter.
struct Counted {
    card: SoftCard,
    commands: u32,
    bytes: usize,
}

impl Card for Counted {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        let answer = self.card.transmit(command)?;
        self.commands += 1;
        self.bytes += answer.data.len();
        Ok(answer)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// A failure prints the seed and the faults.
    #[test]
    fn a_chip_with_the_right_keys_that_lies_is_never_believed(
        seed: u64,
        all in prop::collection::vec(fault(), 1..5),
        extended_length: bool,
        by_can: bool,
    ) {
        let world = world();
        let faults = Faults { seed, all, folder: Default::default() };
        let card = SoftCard::from_state(&world.state).with_faults(&faults).unwrap();
        let budget = Budget { commands: 1_500, ..Budget::default() };
        let options = Options { budget, extended_length, ..Options::new(today()) };
        let access = if by_can { with_can() } else { with_mrz(&Document::specimen(), Bac::Allowed) };
        let mut card = Counted { card, commands: 0, bytes: 0 };
        let evidence = inspect(&mut card, &access, &options, &mut OsRandom, &mut |_| {});
        prop_assert!(card.commands <= budget.commands);
        // The meter looks after each answer, and none is longer than a frame.
        prop_assert!(card.bytes <= budget.bytes + iso7816::MAX_DATA);
        let stored = evidence.to_json().unwrap();
        prop_assert_eq!(&Evidence::from_json(stored.as_bytes()).unwrap(), &evidence);
        let report = judged(&evidence, &world.store);
        serde_json::to_string(&report).unwrap();
        if report.verdict.is_genuine() {
            let whole = Evidence::from_json(world.good.as_bytes()).unwrap();
            for (name, content) in evidence.files.iter().filter_map(|(name, seen)| Some((name, seen.content()?))) {
                // What EF.COM says is not signed.
                prop_assert!(!name.starts_with("EF.DG") || Some(content) == whole.content(name), "{}", name);
            }
            prop_assert_eq!(evidence.content("EF.DG1"), whole.content("EF.DG1"));
            prop_assert_eq!(evidence.content("EF.DG2"), whole.content("EF.DG2"));
        }
    }
}
