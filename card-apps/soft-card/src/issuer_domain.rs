//! The GlobalPlatform issuer domain, `A000000151000000` (GPCS 2.3.1, Amendment D).
//!
//! Owns the card's life cycle, its keys and the road by which data reach the eMRTD application. Knows the encoding
//! of data groupings, not what they mean.

mod access;
mod authentication;
mod command;
mod data;
mod personalization;
mod put_key;
mod state;
mod status;

use channel::random::Random;
use iso7816::tlv::{Tag, Writer};
use iso7816::{Aid, Command as Apdu, Response, Status};

use command::Command;

pub(crate) use state::Volatile;
pub use state::{
    CardLife, ChallengeKind, Counts, MAKERS_VERSION, MAX_FAILED_AUTHENTICATIONS, MAX_KEY_SETS, Memory, SecureChannel,
    StoredKeySet,
};

use crate::persistence::State;

/// INITIALIZE UPDATE and EXTERNAL AUTHENTICATE, which never come inside a channel.
const OPENING: [u8; 2] = [0x50, 0x82];

/// Answers INITIALIZE UPDATE and EXTERNAL AUTHENTICATE on an application of the issuer, with the issuer's keys.
pub(crate) fn open_on(
    application: &Aid,
    apdu: &Apdu,
    memory: &mut Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
) -> Response {
    let answer = Command::parse(apdu).and_then(|command| {
        access::allowed(&command, memory, volatile)?;
        match command {
            Command::InitializeUpdate { version } => {
                authentication::initialize(version, application, apdu, memory, volatile, random)
            }
            Command::ExternalAuthenticate => authentication::authenticate(apdu, memory, volatile),
            _ => Err(Status::INSTRUCTION_NOT_SUPPORTED),
        }
    });
    answer.unwrap_or_else(Response::status)
}

/// True for the commands of [`open_on`].
pub(crate) fn opens(apdu: &Apdu) -> bool {
    OPENING.contains(&apdu.ins)
}

/// Answers a command of class `80`, `84` or (GET DATA) `00`; `protected` is the class bit 04.
///
/// `lie` may exchange an answer before the channel protects it.
pub(crate) fn answer(
    apdu: &Apdu,
    protected: bool,
    state: &mut State,
    volatile: &mut Volatile,
    random: &mut dyn Random,
    lie: &mut dyn FnMut(u8, Response) -> Response,
) -> Response {
    if OPENING.contains(&apdu.ins) {
        return execute(apdu, apdu, state, volatile, random).unwrap_or_else(Response::status);
    }
    if volatile.channel.level().is_none() {
        if protected {
            return Response::status(Status::CONDITIONS_NOT_SATISFIED);
        }
        return execute(apdu, apdu, state, volatile, random).unwrap_or_else(Response::status);
    }
    let plain = match volatile.channel.unwrap(apdu) {
        Ok(plain) => plain,
        Err(status) => {
            *volatile = Volatile::default();
            return Response::status(status);
        }
    };
    let response = execute(&plain, apdu, state, volatile, random).unwrap_or_else(Response::status);
    volatile.channel.wrap(&lie(plain.ins, response)).unwrap_or_else(Response::status)
}

/// Carries out a command without its protection; `received` is the same as it came.
fn execute(
    plain: &Apdu,
    received: &Apdu,
    state: &mut State,
    volatile: &mut Volatile,
    random: &mut dyn Random,
) -> Result<Response, Status> {
    let command = Command::parse(plain)?;
    access::allowed(&command, &state.issuer_domain, volatile)?;
    match command {
        Command::InitializeUpdate { version } => authentication::initialize(
            version,
            &Aid::issuer_domain(),
            received,
            &mut state.issuer_domain,
            volatile,
            random,
        ),
        Command::ExternalAuthenticate => authentication::authenticate(received, &mut state.issuer_domain, volatile),
        Command::GetData(tag) => data::get(tag, &state.issuer_domain),
        Command::GetStatus { scope, prefix } => status::get(scope, prefix, state),
        Command::SetStatus { scope, state: target, aid } => status::set(scope, target, aid, state),
        Command::InstallForPersonalization(aid) => personalization::install(&aid, state, volatile),
        Command::StoreData { block, number, data } => personalization::store(block, number, data, state, volatile),
        Command::PutKey { replace, data } => put_key::put(replace, data, &volatile.channel, &mut state.issuer_domain),
        Command::DeleteKeySet(version) => put_key::delete(version, &mut state.issuer_domain),
        Command::DeleteApplication(aid) => put_key::delete_application(&aid),
        // The maker put everything on this card: nothing is loaded or installed, and no load has begun.
        Command::InstallContent => Err(Status::FUNCTION_NOT_SUPPORTED),
        Command::Load => Err(Status::CONDITIONS_NOT_SATISFIED),
    }
}

/// The answer to SELECT: `6F { 84 AID  A5 { 9F65 FF } }`, the longest short data field (GPCS §11.9).
pub(crate) fn file_control_information() -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(Tag(0x6F), |information| {
        information.put(Tag(0x84), Aid::issuer_domain().as_bytes()).nest(Tag(0xA5), |proprietary| {
            proprietary.put(Tag(0x9F65), [0xFF]);
        });
    });
    writer.finish()
}
