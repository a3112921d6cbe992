//! A residence office at the card: the national file set under the travel document's secure messaging.
//!
//! Who is there, Terminal Authentication has shown in the eMRTD application. The card has no key to judge a record's signature
//! with: it believes the terminal, and refuses what cannot be the holder's new record.

use channel::cvc::{Chat, TerminalType};
use eid::objects::{INS_GET_DATA, INS_PUT_DATA, RESIDENCE, Right};
use eid::residence::{Residence, SignedResidence};
use iso7816::{Command as Apdu, Response, Status};

use super::command::Command;
use super::state::{Memory, Volatile};
use super::{access, objects};

/// What an authenticated terminal may do in this application.
pub(crate) fn rights(granted: Option<Chat>) -> Vec<Right> {
    let named = |right: &Right| right.of_terminals();
    let grants = |name| granted.is_some_and(|chat| chat.grants(TerminalType::Authentication, name));
    Right::ALL.into_iter().filter(|right| named(right).is_some_and(grants)).collect()
}

/// Answers a command that came out of the travel document's secure messaging, in one piece. What comes in links takes effect with
/// the last one.
pub(crate) fn answer(apdu: &Apdu, chaining: bool, memory: &mut Memory, volatile: &mut Volatile) -> Response {
    let whole = match apdu.ins {
        INS_GET_DATA | INS_PUT_DATA => volatile.chain.link(apdu, chaining),
        _ => Err(Status::INSTRUCTION_NOT_SUPPORTED),
    };
    match whole {
        Ok(Some(whole)) => execute(&whole, memory, volatile).unwrap_or_else(Response::status),
        Ok(None) => Response::status(Status::OK),
        Err(status) => {
            volatile.forget_steps();
            Response::status(status)
        }
    }
}

fn execute(apdu: &Apdu, memory: &mut Memory, volatile: &Volatile) -> Result<Response, Status> {
    let command = Command::parse(volatile.place(), apdu)?;
    access::allowed(&command, false, false, memory, volatile)?;
    match command {
        Command::GetData(object) => objects::get(object, memory),
        Command::PutData(object, content) => {
            if *object == RESIDENCE {
                succeeds(content, memory)?;
            }
            objects::put(object, content, memory)
        }
        _ => Err(Status::INSTRUCTION_NOT_SUPPORTED),
    }
}

/// Whether this can come after the record that the card has, if it has one: `6A80` for what is no record or another holder's, so
/// also for no content at all; `6985` for one that is older.
fn succeeds(content: &[u8], memory: &Memory) -> Result<(), Status> {
    let new = parse(content).ok_or(Status::WRONG_DATA)?;
    let Some(old) = memory.objects.get(&RESIDENCE.tag.0).and_then(|content| parse(content)) else {
        return Ok(());
    };
    if new.national_number != old.national_number {
        return Err(Status::WRONG_DATA);
    }
    if new.date < old.date { Err(Status::CONDITIONS_NOT_SATISFIED) } else { Ok(()) }
}

fn parse(content: &[u8]) -> Option<Residence> {
    SignedResidence::parse(content).ok()?.residence().ok()
}
