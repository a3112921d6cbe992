//! PIN and PUK: VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER (SP 800-73-4 part 2 §3.2).
//!
//! A try is spent, and the spent counter programmed, before anything is compared: a card torn from its reader at any
//! moment has lost the try. A good one gives all tries back.

use channel::secret::Secret;
use eid::pin::{Pin, Puk};
use iso7816::{Response, Status};

use super::Program;
use super::state::{Memory, PIN_TRIES, PUK_TRIES, Reference, Volatile};

const TRIES: u16 = 0x63C0;

/// VERIFY without data: `9000` when the PIN was given, else how many tries are left.
pub(super) fn status(memory: &Memory, volatile: &Volatile) -> Result<Response, Status> {
    let pin = memory.pin.as_ref().ok_or(Status::REFERENCED_DATA_NOT_FOUND)?;
    if volatile.verified { Ok(Response::status(Status::OK)) } else { Err(tries_left(pin)) }
}

/// VERIFY.
pub(super) fn verify(
    pin: &Pin,
    memory: &mut Memory,
    volatile: &mut Volatile,
    program: &mut Program<'_>,
) -> Result<Response, Status> {
    volatile.verified = false;
    compare(own_pin, pin.secret(), memory, program)?;
    volatile.verified = true;
    volatile.fresh = true;
    Ok(Response::status(Status::OK))
}

/// CHANGE REFERENCE DATA of the PIN: ends the transport PIN, which may not be chosen again.
pub(super) fn change_pin(
    old: &Pin,
    new: &Pin,
    memory: &mut Memory,
    volatile: &mut Volatile,
    program: &mut Program<'_>,
) -> Result<Response, Status> {
    volatile.verified = false;
    if memory.transport && old == new {
        return Err(Status::WRONG_DATA);
    }
    compare(own_pin, old.secret(), memory, program)?;
    choose(new, memory);
    Ok(Response::status(Status::OK))
}

/// CHANGE REFERENCE DATA of the PUK.
pub(super) fn change_puk(
    old: &Puk,
    new: &Puk,
    memory: &mut Memory,
    program: &mut Program<'_>,
) -> Result<Response, Status> {
    compare(puk_of, old.secret(), memory, program)?;
    memory.puk = Some(Reference::new(new.secret(), PUK_TRIES));
    Ok(Response::status(Status::OK))
}

/// RESET RETRY COUNTER: a PIN that the holder chose, whatever it was before.
pub(super) fn reset(
    puk: &Puk,
    new: &Pin,
    memory: &mut Memory,
    volatile: &mut Volatile,
    program: &mut Program<'_>,
) -> Result<Response, Status> {
    volatile.verified = false;
    compare(puk_of, puk.secret(), memory, program)?;
    choose(new, memory);
    Ok(Response::status(Status::OK))
}

/// The issuer's PIN: no key works until the holder has changed it.
pub(super) fn set_transport_pin(pin: &Pin, memory: &mut Memory, volatile: &mut Volatile) -> Result<Response, Status> {
    volatile.verified = false;
    memory.pin = Some(Reference::new(pin.secret(), PIN_TRIES));
    memory.transport = true;
    Ok(Response::status(Status::OK))
}

/// The issuer's PUK.
pub(super) fn set_puk(puk: &Puk, memory: &mut Memory) -> Result<Response, Status> {
    memory.puk = Some(Reference::new(puk.secret(), PUK_TRIES));
    Ok(Response::status(Status::OK))
}

fn choose(new: &Pin, memory: &mut Memory) {
    memory.pin = Some(Reference::new(new.secret(), PIN_TRIES));
    memory.transport = false;
}

pub(super) fn own_pin(memory: &mut Memory) -> Option<&mut Reference> {
    memory.pin.as_mut()
}

pub(super) fn puk_of(memory: &mut Memory) -> Option<&mut Reference> {
    memory.puk.as_mut()
}

/// Spends a try, programs that, then compares: `63Cx` when it was wrong, `6983` when none is left.
pub(super) fn compare(
    which: fn(&mut Memory) -> Option<&mut Reference>,
    value: &Secret,
    memory: &mut Memory,
    program: &mut Program<'_>,
) -> Result<(), Status> {
    let reference = which(memory).ok_or(Status::REFERENCED_DATA_NOT_FOUND)?;
    reference.tries = reference.tries.checked_sub(1).ok_or(Status::METHOD_BLOCKED)?;
    if !program(memory) {
        return Err(Status::MEMORY_FAILURE);
    }
    let reference = which(memory).ok_or(Status::REFERENCED_DATA_NOT_FOUND)?;
    if reference.value != *value {
        return Err(Status(TRIES | u16::from(reference.tries)));
    }
    reference.tries = reference.limit;
    Ok(())
}

pub(super) fn tries_left(reference: &Reference) -> Status {
    match reference.tries {
        0 => Status::METHOD_BLOCKED,
        tries => Status(TRIES | u16::from(tries)),
    }
}

#[cfg(test)]
mod tests {
    use eid::Application;

    use super::*;

    fn pin(digits: &[u8]) -> Pin {
        Pin::from_digits(digits).unwrap()
    }

    fn active() -> Memory {
        let mut memory = Memory::delivered();
        choose(&pin(b"123456"), &mut memory);
        memory
    }

    #[test]
    fn the_try_is_gone_before_anything_is_compared() {
        for digits in [&b"123456"[..], b"654321"] {
            let (mut memory, mut volatile) = (active(), Volatile::at(Application::Piv));
            let mut programmed = Vec::new();
            let torn = verify(&pin(digits), &mut memory, &mut volatile, &mut |memory| {
                programmed.push(memory.pin.as_ref().map(|pin| pin.tries));
                false
            });
            // Power goes here: the answer is the same for the right PIN and for a wrong one.
            assert_eq!((torn, volatile.verified), (Err(Status::MEMORY_FAILURE), false));
            assert_eq!(programmed, [Some(PIN_TRIES - 1)]);
        }
    }

    #[test]
    fn nothing_is_programmed_for_a_blocked_pin() {
        let (mut memory, mut volatile) = (active(), Volatile::at(Application::Piv));
        memory.pin.as_mut().unwrap().tries = 0;
        let result = verify(&pin(b"123456"), &mut memory, &mut volatile, &mut |_| panic!("programmed"));
        assert_eq!(result, Err(Status::METHOD_BLOCKED));
        assert_eq!(status(&memory, &volatile), Err(Status::METHOD_BLOCKED));
    }
}
