//! PIN and PUK of PivApplet: compared before they are looked at, and known to everybody until they are changed.

use channel::secret::Secret;
use eid::pin::{LENGTH, PIN};
use iso7816::{Response, Status};

use super::{DEFAULT_PIN, DEFAULT_PUK, applet_mut, managed};
use crate::eid::Program;
use crate::eid::pin;
use crate::eid::state::{Memory, Reference, Volatile};

pub(super) fn verify(
    p1: u8,
    data: &[u8],
    memory: &mut Memory,
    volatile: &mut Volatile,
    program: &mut Program<'_>,
) -> Result<Response, Status> {
    let reference = memory.pin.as_ref().ok_or(Status::REFERENCED_DATA_NOT_FOUND)?;
    if reference.tries == 0 {
        return Err(Status::METHOD_BLOCKED);
    }
    match (p1, data.len()) {
        (0xFF, _) => volatile.verified = false,
        (_, 0) if volatile.verified => {}
        (_, 0) => return Err(pin::tries_left(reference)),
        (_, LENGTH) => {
            volatile.verified = false;
            compare(pin::own_pin, data, memory, program)?;
            volatile.verified = true;
            volatile.fresh = true;
        }
        _ => return Err(Status::WRONG_DATA),
    }
    Ok(Response::status(Status::OK))
}

/// PIN or PUK: the old value is compared before the new one is looked at.
pub(super) fn change(
    which: u8,
    data: &[u8],
    memory: &mut Memory,
    volatile: &mut Volatile,
    program: &mut Program<'_>,
) -> Result<Response, Status> {
    let (old, new) = data.split_at_checked(LENGTH).filter(|(_, new)| new.len() == LENGTH).ok_or(Status::WRONG_DATA)?;
    let place = if which == PIN { pin::own_pin } else { pin::puk_of };
    // A PIN that is compared is no longer verified, right or wrong (OwnerPIN of Java Card).
    volatile.verified &= which != PIN;
    compare(place, old, memory, program)?;
    choose(place, new, memory)?;
    let defaults = &mut applet_mut(memory)?.defaults;
    if which == PIN {
        defaults.pin = false;
    } else {
        defaults.puk = false;
    }
    Ok(Response::status(Status::OK))
}

pub(super) fn unblock(
    data: &[u8],
    memory: &mut Memory,
    volatile: &mut Volatile,
    program: &mut Program<'_>,
) -> Result<Response, Status> {
    let (puk, new) = data.split_at_checked(LENGTH).filter(|(_, new)| new.len() == LENGTH).ok_or(Status::WRONG_DATA)?;
    compare(pin::puk_of, puk, memory, program)?;
    choose(pin::own_pin, new, memory)?;
    volatile.verified = false;
    Ok(Response::status(Status::OK))
}

/// Compares; when both PIN and PUK are blocked the private keys go.
fn compare(
    which: fn(&mut Memory) -> Option<&mut Reference>,
    value: &[u8],
    memory: &mut Memory,
    program: &mut Program<'_>,
) -> Result<(), Status> {
    let result = pin::compare(which, &Secret::from(value), memory, program);
    let blocked = |reference: &Option<Reference>| reference.as_ref().is_some_and(|reference| reference.tries == 0);
    if blocked(&memory.pin) && blocked(&memory.puk) {
        memory.keys.clear();
    }
    result
}

/// A new value: six digits, then digits or fillers in any order.
fn choose(which: fn(&mut Memory) -> Option<&mut Reference>, new: &[u8], memory: &mut Memory) -> Result<(), Status> {
    let (digits, rest) = new.split_at_checked(6).ok_or(Status::WRONG_DATA)?;
    let good = digits.iter().all(u8::is_ascii_digit) && rest.iter().all(|byte| byte.is_ascii_digit() || *byte == 0xFF);
    if !good {
        return Err(Status::WRONG_DATA);
    }
    let reference = which(memory).ok_or(Status::REFERENCED_DATA_NOT_FOUND)?;
    *reference = Reference::new(&Secret::from(new), reference.limit);
    Ok(())
}

pub(super) fn set_tries(pin: u8, puk: u8, memory: &mut Memory, volatile: &mut Volatile) -> Result<Response, Status> {
    managed(volatile)?;
    if !volatile.verified {
        return Err(Status::SECURITY_NOT_SATISFIED);
    }
    if !(1..=15).contains(&pin) || !(1..=15).contains(&puk) {
        return Err(Status::WRONG_DATA);
    }
    memory.pin = Some(Reference::new(&Secret::from(&DEFAULT_PIN[..]), pin));
    memory.puk = Some(Reference::new(&Secret::from(&DEFAULT_PUK[..]), puk));
    let defaults = &mut applet_mut(memory)?.defaults;
    (defaults.pin, defaults.puk) = (true, true);
    volatile.verified = false;
    Ok(Response::status(Status::OK))
}
