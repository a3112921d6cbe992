//! The passport applet of the JMRTD project on a Java Card of another maker, in the place of this project's application.
//!
//! Over its own commands anybody writes it until PUT DATA `DEAD` locks it; then BAC opens it. It knows neither PACE nor EF.CardAccess.
//! What it does at its edges is what its program does there (`hardware-docs/cards/jmrtd-passport.md`): where that program reaches
//! outside an array, the card's runtime answers `6F00` in its place, outside secure messaging.
//!
//! Not played: Chip and Terminal Authentication (keys on a binary field of 163 bits, which few chips have); a command under secure
//! messaging with a wrong checksum is answered outside of it and ends it, where the applet goes on.

mod access;
mod personalization;
mod read;
mod state;

use channel::random::Random;
use iso7816::{Command as Apdu, Response, Status};

pub use state::Memory;
pub(crate) use state::Volatile;

/// The class bits of secure messaging; the applet looks at no others.
const PROTECTED: u8 = 0x0C;

/// The bytes of the applet's buffer that a read fills at most.
const LONGEST_READ: i16 = 224;

/// Why a command came to nothing.
enum Thrown {
    /// The applet answered so, under secure messaging where that was asked for.
    Refused(Status),
    /// The applet failed; the card's runtime answered in its place.
    Escaped,
}

impl From<Status> for Thrown {
    fn from(status: Status) -> Self {
        Thrown::Refused(status)
    }
}

/// Answers any command but the selection of an application.
pub(crate) fn answer(apdu: &Apdu, memory: &mut Memory, volatile: &mut Volatile, random: &mut dyn Random) -> Response {
    if apdu.cla & PROTECTED != PROTECTED {
        return match execute(apdu, false, memory, volatile, random) {
            Ok(data) => Response::ok(data),
            Err(Thrown::Refused(status)) => Response::status(status),
            Err(Thrown::Escaped) => Response::status(Status::UNKNOWN_ERROR),
        };
    }
    let Some(session) = volatile.session.as_mut() else {
        return Response::status(Status::SECURE_MESSAGING_NOT_SUPPORTED);
    };
    let Ok(plain) = session.open_command(apdu) else {
        return Response::status(Status::CONDITIONS_NOT_SATISFIED);
    };
    let response = match execute(&plain, true, memory, volatile, random) {
        Ok(data) => Response::ok(data),
        Err(Thrown::Refused(status)) => Response::status(status),
        Err(Thrown::Escaped) => return Response::status(Status::UNKNOWN_ERROR),
    };
    let protected = volatile.session.as_mut().map(|session| session.protect_response(&response));
    match protected {
        Some(Ok(protected)) => protected,
        _ => Response::status(Status::UNKNOWN_ERROR),
    }
}

fn execute(
    apdu: &Apdu,
    protected: bool,
    memory: &mut Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
) -> Result<Vec<u8>, Thrown> {
    match apdu.ins {
        0x84 => access::get_challenge(apdu, protected, memory, volatile, random),
        0x82 => access::external_authenticate(apdu, protected, memory, volatile, random),
        0x88 => access::internal_authenticate(apdu, memory, volatile),
        // Perform security operation and manage security environment: of an applet without keys for them.
        0x2A => Err(Status::SECURITY_NOT_SATISFIED.into()),
        0x22 if protected => Err(Status::INSTRUCTION_NOT_SUPPORTED.into()),
        0x22 => Err(Status::SECURITY_NOT_SATISFIED.into()),
        0xA4 => read::select(apdu, memory, volatile),
        0xB0 => read::read(apdu, protected, memory, volatile),
        0xD6 => personalization::update(apdu, memory, volatile),
        0xE0 => personalization::create(apdu, memory),
        0xDA => personalization::put_data(apdu, memory),
        _ => Err(Status::INSTRUCTION_NOT_SUPPORTED.into()),
    }
}
