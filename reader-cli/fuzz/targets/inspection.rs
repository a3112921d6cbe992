//! An inspection of cards that say anything: answers in plain, or files behind a channel that opens.
//!
//! ```text
//! input = 0, steps: each step is an answer                       (see Listed)
//!         1, steps: each step is a file, its kind the low byte of its identifier, FE for EF.CardAccess
//!         2, steps: each step is an answer of a PIV application
//! ```
#![no_main]

use std::sync::OnceLock;

use card_apps_fuzz::{Listed, Repeating, Steps};
use channel::password::{MrzKey, Password};
use channel::secret::Secret;
use eid::pin::Pin;
use inspection::procedure::Budget;
use inspection::{Access, Bac, Evidence, Options, Policy, citizen, inspect, judge};
use iso7816::Card;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use soft_card::emrtd::{ApplicationLife, ChipKey};
use soft_card::{BlankOptions, SoftCard, State};
use trust::{TrustStore, bundle};

const BUNDLE: &[u8] = include_bytes!("../../../test-vectors/evidence/version-3-bundle.json");
const PIN: &str = include_str!("../../../test-vectors/evidence/version-3-bundle.pin");
const INFORMATION: &str = "L898902C<369080619406236";

fn now() -> Timestamp {
    Timestamp::from_second(1_763_812_800).expect("a day")
}

/// A finished card without files, whose key is known.
fn empty() -> State {
    let mut state = State::blank(BlankOptions { serial: Some([0; 6]), ..BlankOptions::default() }).expect("randomness");
    let emrtd = &mut state.emrtd;
    emrtd.mrz_information = Some(Secret::from(INFORMATION.as_bytes()));
    emrtd.chip_key = Some(ChipKey { parameter_id: 12, key_id: None, private: Secret::from(&[0x2A; 32][..]) });
    emrtd.life_cycle = ApplicationLife::Personalized;
    emrtd.complete = true;
    state
}

fn read(card: &mut dyn Card) {
    static STORE: OnceLock<TrustStore> = OnceLock::new();
    let store = STORE.get_or_init(|| {
        let pin = trust::Pin::from_hex(PIN).expect("a pin");
        TrustStore::from_bundle(bundle::open(BUNDLE, &pin.into()).expect("a bundle"))
    });
    let password = Password::Mrz(MrzKey::from_information(INFORMATION));
    let access = Access { password, bac: Bac::Allowed, printed_mrz: None };
    let budget = Budget { commands: 400, ..Budget::default() };
    let options = Options { budget, every_proof: true, ..Options::new(now()) };
    let evidence = inspect(card, &access, &options, &mut Repeating(5), &mut |_| {});
    let stored = evidence.to_json().expect("evidence can be written");
    assert_eq!(Evidence::from_json(stored.as_bytes()).expect("and read"), evidence);
    let report = judge(&evidence, store, &Policy::default(), now());
    assert!(!report.verdict.is_genuine(), "nobody signed this");
    serde_json::to_string(&report).expect("a report can be written");
}

fuzz_target!(|bytes: &[u8]| {
    match bytes {
        [0, steps @ ..] => read(&mut Listed(Steps(steps))),
        [1, steps @ ..] => {
            let mut state = empty();
            for (kind, data) in Steps(steps) {
                let id = if kind == 0xFE { 0x011C } else { 0x0100 | u16::from(kind) };
                // A file longer than a step can say is made of steps.
                state.emrtd.files.entry(id).or_default().extend_from_slice(data);
            }
            read(&mut SoftCard::from_state(&state).with_random(Repeating(6)));
        }
        [2, steps @ ..] => {
            let (card, random) = (&mut Listed(Steps(steps)), &mut Repeating(7));
            if let Ok(mut seen) = citizen::read(card, Budget::default()) {
                let holder = Pin::from_digits(b"271828").expect("a PIN");
                citizen::prove(card, Budget::default(), random, &mut seen);
                let _ = citizen::open(card, Budget::default(), &holder, random, &mut seen);
                let basis = citizen::Basis { authorities: &[], lists: &[], store: None, document: None, now: now() };
                serde_json::to_string(&citizen::judge(&seen, &basis)).expect("a report can be written");
            }
        }
        _ => {}
    }
});
