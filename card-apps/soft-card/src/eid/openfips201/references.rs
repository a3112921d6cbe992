//! PIN and PUK of OpenFIPS201: a form that is none costs no try, and the last wrong try is answered as blocked.

use channel::secret::Secret;
use eid::pin::{LENGTH, PIN, Pin};
use iso7816::{Response, Status};

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
    if (p1, data) == (0xFF, &[]) {
        volatile.verified = false;
        return Ok(Response::status(Status::OK));
    }
    if p1 != 0x00 {
        return Err(Status::INCORRECT_P1_P2);
    }
    if data.is_empty() {
        let reference = memory.pin.as_ref().ok_or(Status::REFERENCED_DATA_NOT_FOUND)?;
        let left = pin::tries_left(reference);
        let verified = volatile.verified && left != Status::METHOD_BLOCKED;
        return if verified { Ok(Response::status(Status::OK)) } else { Err(left) };
    }
    // A PIN of another form costs no try.
    let given = Pin::parse(data).map_err(|_| Status::WRONG_DATA)?;
    volatile.verified = false;
    pin::compare(pin::own_pin, given.secret(), memory, program).map_err(blocked_at_once)?;
    (volatile.verified, volatile.fresh) = (true, true);
    Ok(Response::status(Status::OK))
}

/// The last wrong try is already answered as blocked.
fn blocked_at_once(status: Status) -> Status {
    if status.tries_left() == Some(0) { Status::METHOD_BLOCKED } else { status }
}

/// Changing the PIN verifies it too.
pub(super) fn change(
    which: u8,
    data: &[u8],
    memory: &mut Memory,
    volatile: &mut Volatile,
    program: &mut Program<'_>,
) -> Result<Response, Status> {
    let place = if which == PIN { pin::own_pin } else { pin::puk_of };
    if place(memory).is_none_or(|reference| reference.tries == 0) {
        return Err(Status::METHOD_BLOCKED);
    }
    let (old, new) = data.split_at_checked(LENGTH).filter(|(_, new)| new.len() == LENGTH).ok_or(Status::WRONG_DATA)?;
    if which == PIN {
        Pin::parse(old).map_err(|_| Status::WRONG_DATA)?;
        volatile.verified = false;
    }
    pin::compare(place, &Secret::from(old), memory, program)?;
    if which == PIN {
        Pin::parse(new).map_err(|_| Status::WRONG_DATA)?;
    }
    replace(place, new, memory)?;
    if which == PIN {
        (volatile.verified, volatile.fresh) = (true, true);
    }
    Ok(Response::status(Status::OK))
}

pub(super) fn unblock(
    data: &[u8],
    memory: &mut Memory,
    volatile: &mut Volatile,
    program: &mut Program<'_>,
) -> Result<Response, Status> {
    let halves = data.split_at_checked(LENGTH).filter(|(_, new)| new.len() == LENGTH);
    // As it is: a wrong length is answered as a blocked PUK.
    let (puk, new) = halves.ok_or(Status::METHOD_BLOCKED)?;
    let compared = pin::compare(pin::puk_of, &Secret::from(puk), memory, program);
    compared.map_err(blocked_at_once).inspect_err(|_| volatile.verified = false)?;
    Pin::parse(new).map_err(|_| Status::WRONG_DATA)?;
    volatile.verified = false;
    replace(pin::own_pin, new, memory)?;
    Ok(Response::status(Status::OK))
}

/// The issuer's PIN or PUK, without the one before.
pub(super) fn set(which: u8, data: &[u8], memory: &mut Memory, volatile: &mut Volatile) -> Result<Response, Status> {
    let value = match which {
        PIN => Pin::parse(data).map_err(|_| Status::WRONG_DATA)?.secret().clone(),
        _ if data.len() == LENGTH => Secret::from(data),
        _ => return Err(Status::WRONG_DATA),
    };
    volatile.verified &= which != PIN;
    replace(if which == PIN { pin::own_pin } else { pin::puk_of }, value.expose(), memory)?;
    Ok(Response::status(Status::OK))
}

fn replace(which: fn(&mut Memory) -> Option<&mut Reference>, new: &[u8], memory: &mut Memory) -> Result<(), Status> {
    let reference = which(memory).ok_or(Status::REFERENCED_DATA_NOT_FOUND)?;
    *reference = Reference::new(&Secret::from(new), reference.limit);
    Ok(())
}
