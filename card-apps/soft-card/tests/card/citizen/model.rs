//! A small model of the access conditions is the oracle: whatever a host sends, no object is shown, no key used and
//! nothing written that the model does not allow, and tries are only ever lost one at a time.

use iso7816::Response;
use proptest::prelude::*;
use soft_card::State;

use super::*;

/// What a host that knows everything can do, and noise.
#[derive(Clone, Debug)]
enum Step {
    Select(&'static str),
    Reset,
    Verify { right: bool },
    Change { right: bool },
    Unblock { right: bool },
    Forget,
    Management { right: bool },
    Use(KeyReference),
    Read(&'static eid::objects::Object),
    Write(&'static eid::objects::Object),
    Generate(KeyReference),
    Noise(Vec<u8>),
}

/// Sound commands with wrong secrets, to be mutated.
const SEEDS: &[&str] = &[
    SELECT_PIV,
    GET_PRINTED,
    "00a4040008f04249544151410100",
    "00cb3fff045c02ff2100",
    "00cb3fff035c017e00",
    "00db3fff0a5c035fc1095303010203",
    "10db3fff0a5c035fc1095303010203",
    "00db3fff087e06010203040506",
    "00200080",
    "0020ff80",
    "0020008008393939393939ffff",
    "0024008010393939393939ffff383838383838ffff",
    "002400811039393939393939393838383838383838",
    "002c0080103939393939393939393939393939ffff",
    "0024ff8008393939393939ffff",
    "0424ff8008393939393939ffff",
    "0024089b1039393939393939393939393939393939",
    "0047009a05ac0380011100",
    "0087119a267c24820081 20 0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2000",
    "0087119c067c0482008101aa00",
    "1087119c067c0482008101aa",
    "0087119e067c048200810100",
    "0087119d097c078200850304010200",
    "0087089b047c02800000",
    "0087089b047c02810000",
    "0087089b147c12821039393939393939393939393939393939",
    "0087009b047c02810000",
    "00c0000000",
    "8050000008010203040506070800",
    "8482330010010203040506070801020304050607 08",
    "84db3fff105c035fc109530301020300000000000000",
];

/// The most that may be allowed now.
#[derive(Default)]
struct Model {
    piv: bool,
    national: bool,
    verified: bool,
    fresh: bool,
    managed: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let objects = || prop::sample::select(vec![&PRINTED_INFORMATION, &RESIDENCE, &CARD_HOLDER_UNIQUE_IDENTIFIER]);
    let references = || prop::sample::select(KeyReference::ALL.to_vec());
    let noise = (
        prop::sample::select(SEEDS),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        any::<Option<prop::sample::Index>>(),
    )
        .prop_map(|(text, changes, cut)| {
            let mut bytes = hex::decode(text.replace(' ', "")).unwrap();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            Step::Noise(bytes)
        });
    prop_oneof![
        2 => prop::sample::select(vec![SELECT_PIV, SELECT_PIV, SELECT_PIV, "00a4040008f042495441514101", "00a4040c07a0000002471001"])
            .prop_map(Step::Select),
        1 => Just(Step::Reset),
        6 => (0..4).prop_map(|one_of| Step::Verify { right: one_of > 0 }),
        1 => any::<bool>().prop_map(|right| Step::Change { right }),
        2 => any::<bool>().prop_map(|right| Step::Unblock { right }),
        1 => Just(Step::Forget),
        2 => any::<bool>().prop_map(|right| Step::Management { right }),
        6 => references().prop_map(Step::Use),
        4 => objects().prop_map(Step::Read),
        3 => objects().prop_map(Step::Write),
        1 => references().prop_map(Step::Generate),
        8 => noise,
    ]
}

fn shows(answer: &Response, secret: &[u8]) -> bool {
    answer.data.windows(8.min(secret.len())).any(|there| secret.windows(there.len()).any(|part| part == there))
}

/// Does one step; the commands it sends, one after another, and the answers.
fn play(card: &mut SoftCard, step: &Step) -> Vec<(Command, Response)> {
    let send = |card: &mut SoftCard, command: &Command| card.transmit(command).unwrap();
    let wrong = pin(b"999999");
    let pin = |right: bool| if right { own_pin() } else { wrong.clone() };
    let command = match step {
        Step::Select(text) => Command::parse(&hex::decode(text).unwrap()).unwrap(),
        Step::Reset => {
            card.reset();
            return Vec::new();
        }
        Step::Verify { right } => pin::verify(&pin(*right)),
        Step::Change { right } => pin::change_pin(&pin(*right), &own_pin()),
        Step::Unblock { right: true } => pin::reset(&puk(), &own_pin()),
        Step::Unblock { right: false } => pin::reset(&Puk::parse(b"99999999").unwrap(), &own_pin()),
        Step::Forget => Command::new(0x00, 0x20, 0xFF, 0x80),
        Step::Management { right } => {
            let asks = Template { challenge: Some(&[]), ..Template::default() }.command(0x08, 0x9B);
            let asked = send(card, &asks);
            let Ok(Template { challenge: Some(challenge), .. }) = Template::parse(&asked.data) else {
                return vec![(asks, asked)];
            };
            let mut proof = encipher(challenge);
            proof[0] ^= u8::from(!right);
            let proves = Template { response: Some(&proof), ..Template::default() }.command(0x08, 0x9B);
            let proved = send(card, &proves);
            return vec![(asks, asked), (proves, proved)];
        }
        Step::Use(key) => use_key(*key),
        Step::Read(object) => object.get(),
        Step::Write(object) => object.put(&[0xFE, 0x00]),
        Step::Generate(key) => keys::generate(*key, Algorithm::P256),
        Step::Noise(bytes) => {
            let answer = Response::parse(&card.process(bytes)).expect("a powered card answers");
            let command = Command::parse(bytes).unwrap_or(Command::new(0xFF, 0, 0, 0));
            return vec![(command, answer)];
        }
    };
    let answer = send(card, &command);
    vec![(command, answer)]
}

impl Model {
    fn in_citizen(&self) -> bool {
        self.piv || self.national
    }

    /// Whether what the card did, on its way from one memory to the next, was allowed; then what is allowed next.
    fn judge(&mut self, step: &Step, dialogue: &[(Command, Response)], before: &State, after: &State) {
        let (old, new) = (before.eid.as_ref().unwrap(), after.eid.as_ref().unwrap());
        for (command, answer) in dialogue {
            let done = answer.status.is_ok();
            assert!(!shows(answer, MARKER) || self.verified, "{command:?} shows a protected object");
            assert!(!shows(answer, &MANAGEMENT_KEY) && !shows(answer, puk().secret().expose()));
            assert!(!shows(answer, own_pin().secret().expose()));
            for key in old.keys.values() {
                // SEC 1: the private number is the octet string behind the version.
                assert!(!shows(answer, &key.private.expose()[7..39]), "{command:?} shows a private key");
            }
            if done && command.ins == 0x87 && command.p2 != 0x9B && command.cla == 0x00 {
                let allowed = match command.p2 {
                    0x9A | 0x9D => self.verified,
                    0x9C => self.verified && self.fresh,
                    _ => true,
                };
                assert!(allowed && self.in_citizen() && old.is_active(), "{command:?} uses a key");
            }
        }
        let unwritten = old.objects == new.objects && old.keys == new.keys;
        assert!(unwritten || (self.managed && self.in_citizen()), "{step:?} writes");
        assert_eq!((old.management_key.as_ref(), old.transport), (new.management_key.as_ref(), new.transport));
        self.counters(step, old, new);
        self.next(step, dialogue);
    }

    fn counters(&self, step: &Step, old: &soft_card::eid::Memory, new: &soft_card::eid::Memory) {
        let tries = |memory: &soft_card::eid::Memory| {
            [&memory.pin, &memory.puk].map(|reference| i16::from(reference.as_ref().unwrap().tries))
        };
        for (was, is) in tries(old).into_iter().zip(tries(new)) {
            let given_back = matches!(
                step,
                Step::Verify { right: true } | Step::Change { right: true } | Step::Unblock { right: true }
            );
            assert!(is == was || is == was - 1 || (is > was && given_back), "{step:?}: {was} tries, then {is}");
        }
        let spent = match step {
            Step::Verify { right: false } | Step::Change { right: false } => Some(0),
            Step::Unblock { right: false } => Some(1),
            _ => None,
        };
        if let Some(which) = spent.filter(|_| self.in_citizen()) {
            assert_eq!(tries(new)[which], (tries(old)[which] - 1).max(0), "{step:?} costs a try");
        }
        let values = |memory: &soft_card::eid::Memory| {
            [&memory.pin, &memory.puk].map(|reference| reference.as_ref().unwrap().value.clone())
        };
        assert_eq!(values(old), values(new), "the model's PIN and PUK are the card's");
    }

    fn next(&mut self, step: &Step, dialogue: &[(Command, Response)]) {
        let Some((command, answer)) = dialogue.last() else {
            *self = Model::default();
            return;
        };
        let done = answer.status.is_ok();
        let link = command.cla == 0x10 && command.ins == 0x87;
        self.fresh &= link;
        match step {
            Step::Verify { right } if self.in_citizen() => {
                assert!(!done || *right, "a wrong PIN was taken");
                self.verified = done;
                self.fresh = done;
            }
            Step::Change { .. } | Step::Unblock { .. } | Step::Forget if self.in_citizen() => self.verified = false,
            Step::Management { right } if self.in_citizen() && dialogue.len() == 2 => {
                assert!(!done || *right, "a wrong key was taken");
                self.managed = done;
            }
            _ => {}
        }
        // Selection, also by noise: another application ends what was proved.
        if command.ins == 0xA4 && command.p1 == 0x04 && command.cla == 0x00 && done {
            let named = |aid: Aid| command.data.len() >= 5 && aid.as_bytes().starts_with(&command.data);
            let (piv, national) = (named(Application::Piv.aid()), named(Application::National.aid()));
            if (piv, national) != (self.piv, self.national) {
                *self = Model { piv, national, ..Model::default() };
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_dialogue_does_what_the_model_forbids(steps in prop::collection::vec(step(), 1..40)) {
        thread_local!(static HELD: State = held().state().clone());
        HELD.with(|state| {
            let (mut card, mut model) = (SoftCard::from_state(state), Model::default());
            for step in &steps {
                let before = card.state().clone();
                let dialogue = play(&mut card, step);
                model.judge(step, &dialogue, &before, card.state());
            }
        });
    }
}
