//! Cards that lie to the line, before their channel and inside it: no panic, no end without limit, and what is called finished is.

use perso::execute::{Failure, Outcome};
use proptest::prelude::*;
use soft_card::fault::{Fault, Faults, On};

use crate::citizen::{Desk, citizen_slot};

/// No dialogue with one card has more commands, recovery and all.
const MOST_COMMANDS: u64 = 20_000;

/// What a line sends: selection, the issuer's channel, data, keys, the citizen application, the reading back.
const INSTRUCTIONS: [u8; 17] =
    [0xA4, 0x50, 0x82, 0xE6, 0xE2, 0xD8, 0xF0, 0xCA, 0xF2, 0xDB, 0xCB, 0x47, 0x87, 0x24, 0x20, 0xB0, 0x86];

fn fault() -> impl Strategy<Value = Fault> {
    let ins = prop::option::weighted(0.9, prop::sample::select(INSTRUCTIONS.to_vec()));
    let on = (ins, 0u64..20, prop::option::of(1u64..3), any::<bool>()).prop_map(|(ins, skip, count, inside)| On {
        ins,
        skip,
        count,
        inside,
    });
    let status =
        prop_oneof![Just(0x9000), Just(0x6A82), Just(0x6982), Just(0x6A88), Just(0x63C0), Just(0x6310), any::<u16>()];
    (on, 0u8..7, status, prop_oneof![0usize..8, 0usize..300, 0usize..70_000], any::<u8>(), any::<bool>()).prop_map(
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A failure prints the seed and the faults.
    #[test]
    fn a_card_that_lies_to_the_line_is_finished_or_not_called_so(
        seed: u64,
        all in prop::collection::vec(fault(), 1..4),
    ) {
        let (mut desk, slot) = (Desk::new(), citizen_slot(3));
        let blank = soft_card::SoftCard::from_state(slot.card.borrow().state());
        let faults = Faults { seed, all, folder: Default::default() };
        *slot.card.borrow_mut() = blank.with_faults(&faults).unwrap();
        match desk.make(&slot) {
            Ok(Outcome::Finished(_)) => desk.check(&slot, "finished"),
            // A card that does not take its lock is rejected all the same, and the ledger knows that it was not locked.
            Ok(Outcome::Rejected(_)) if desk.record().invalidated => desk.check(&slot, "rejected"),
            Ok(Outcome::Rejected(_)) => prop_assert_eq!(desk.record().in_force().count(), 0),
            Err(Failure::Interrupted { .. } | Failure::Unusable(_)) => {
                // The card goes on lying: whatever comes of it, the line survives and its ledger can be read.
                let _ = desk.recover(&slot);
            }
            Err(_) => {}
        }
        prop_assert!(slot.card.borrow().commands() < MOST_COMMANDS);
        perso::ledger::Ledger::open(&desk.path()).unwrap();
    }
}
