//! The whole card, pulled at every command: keys changed, the citizen's keys and certificates, the travel document, locked.
//!
//! Ordinary runs take some of the commands, another set for each kind of interruption; `BITAQA_INTERRUPTIONS=all` takes all.

use std::env;

use perso::execute::{Failure, Outcome};
use soft_card::fault::{Tear, When};

use crate::bench::*;
use crate::citizen::{Desk, citizen_profile, citizen_slot};

/// Every so-manieth command is taken in an ordinary run.
const STRIDE: u64 = 7;
/// Commands of a recovery at which the card is pulled again, in a thorough run for each command of the first.
const AGAIN: [u64; 6] = [1, 6, 13, 24, 39, 70];

fn stride() -> u64 {
    if env::var("BITAQA_INTERRUPTIONS").is_ok_and(|which| which == "all") { 1 } else { STRIDE }
}

/// Pulls the card at command `at`, puts it back, pulls it once more at command `again` of what follows if that is given, and puts
/// it back until it is finished or rejected; false when there are fewer commands.
fn torn_at(at: u64, when: When, again: Option<u64>) -> bool {
    let (mut desk, slot) = (Desk::with(citizen_profile(), Some(issuer_keys())), citizen_slot(9));
    slot.card.borrow_mut().tear(Tear { at, when });
    match desk.make(&slot) {
        Ok(Outcome::Finished(_)) => {
            assert!(slot.card.borrow().commands() <= at, "command {at} was torn and nobody noticed");
            return false;
        }
        Ok(Outcome::Rejected(rejected)) => panic!("torn at {at}, rejected at once: {}", rejected.reason),
        Err(Failure::Interrupted { .. } | Failure::Unusable(_)) => {}
        Err(error) => panic!("torn at {at}: {error}"),
    }
    if let Some(again) = again {
        slot.card.borrow_mut().tear(Tear { at: again, when });
    }
    desk.settle(&slot, &format!("torn at {at} {when:?}, again at {again:?}"));
    true
}

/// The commands of a card that nobody pulls.
fn commands() -> u64 {
    let (mut desk, slot) = (Desk::with(citizen_profile(), Some(issuer_keys())), citizen_slot(9));
    desk.make(&slot).unwrap();
    desk.settle(&slot, "never torn");
    let commands = slot.card.borrow().commands();
    assert!(commands > 100, "only {commands} commands");
    commands
}

fn torn_everywhere(when: When, first: u64) {
    let commands = commands();
    let mut taken = 0;
    // The read-back of the check above is among them: the last ones are not reached.
    for at in (first..commands).step_by(stride() as usize) {
        if !torn_at(at, when, None) {
            break;
        }
        taken += 1;
    }
    assert!(taken * stride() > 90, "only {taken} commands were torn");
    println!("{taken} of the commands torn {when:?}");
}

#[test]
fn pulled_before_any_command_the_whole_card_ends_finished_or_rejected() {
    torn_everywhere(When::Before, 0);
}

#[test]
fn pulled_after_any_command_the_whole_card_ends_finished_or_rejected() {
    torn_everywhere(When::After, if stride() == 1 { 0 } else { 3 });
}

#[test]
fn pulled_a_second_time_in_the_recovery_it_does_so_too() {
    for (number, at) in (0..commands()).step_by(2 * stride() as usize).enumerate() {
        for again in
            AGAIN.into_iter().skip(if stride() == 1 { 0 } else { number % AGAIN.len() }).step_by(stride() as usize)
        {
            for when in [When::Before, When::After] {
                if !torn_at(at, when, Some(again)) {
                    return;
                }
            }
        }
    }
}
