//! The citizen application: PIV, `A000000308 00001000 0100`, and the national file set (SP 800-73-4, crate `eid`).
//!
//! Knows the data objects, PIN and PUK, the key pairs that are made on the card, and the management key. The issuer
//! reaches it through its own secure channel, opened on the application: inside, commands have the issuer's rights.
//!
//! # How an issuer personalizes it
//!
//! SELECT `A00000030800001000`, INITIALIZE UPDATE and EXTERNAL AUTHENTICATE with the issuer domain's keys; then, each
//! under the channel's protection:
//!
//! | command | what it does |
//! |---|---|
//! | `0047 00 <key> AC{80 <algorithm>}` | makes a key pair, answers the public key `7F49{..}`; drops the certificate of the one before |
//! | `00DB 3FFF 5C <tag> 53 <content>` | writes an object: the certificate, CHUID, capability container, security object, residence |
//! | `0024 FF 80 <PIN>` | sets the transport PIN, with all its tries |
//! | `0024 FF 81 <PUK>` | sets the PUK, with all its tries |
//! | `0024 08 9B <key>` | sets the management key (AES: `08`, `0A`, `0C`), for writing without the channel |
//!
//! A residence office replaces the residence record inside the travel document's secure messaging (module `terminal`).
//!
//! Other people's programs answer in its place when the card has one of theirs ([`Applet`]).
//!
//! Long commands come in extended form, or in links that are protected one by one; long answers come in one piece. The
//! discovery object is there from the start.

mod access;
mod applet;
mod authentication;
pub(crate) mod chain;
mod command;
mod keys;
mod objects;
mod openfips201;
mod pin;
mod pivapplet;
mod state;
pub(crate) mod terminal;

use channel::random::{Random, RandomError};
use channel::scp03::SecurityLevel;
use eid::authentication::INS_GENERAL_AUTHENTICATE;
use eid::{Application, property};
use iso7816::{Command as Apdu, Response, Status};

use authentication::Manners;
use command::Command;

pub use applet::{Applet, AppletKind, CreatedKey, Defaults, Modes, OpenFips201, PivApplet};
pub(crate) use pivapplet::LONGEST_OBJECT;
pub(crate) use state::Volatile;
pub use state::{KeyPair, LifeCycles, MAX_CONTENTS, ManagementKey, Memory, PIN_TRIES, PUK_TRIES, Reference};

/// The version of this application, for clients that ask as they would ask a YubiKey (INS `FD`).
const VERSION: [u8; 3] = [1, 0, 0];

const INS_GET_RESPONSE: u8 = 0xC0;
const MANNERS: Manners = Manners { wrong: Status::SECURITY_NOT_SATISFIED, unasked: Status::CONDITIONS_NOT_SATISFIED };

/// Programs the memory in the middle of a command; false when that failed.
pub(crate) type Program<'a> = dyn FnMut(&Memory) -> bool + 'a;

/// Answers a command of class `00` or `10` that came outside the issuer's channel.
pub(crate) fn answer(
    apdu: &Apdu,
    chaining: bool,
    memory: &mut Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
    program: &mut Program<'_>,
) -> Response {
    let response = linked(apdu, chaining, false, memory, volatile, random, program);
    let ne = match memory.applet {
        Applet::Pivapplet(_) => apdu.ne.map(|ne| ne.min(pivapplet::PIECE)),
        _ => apdu.ne,
    };
    volatile.pending.split(response, ne)
}

/// Answers a command that came out of the issuer's channel, in one piece.
pub(crate) fn answer_issuer(
    apdu: &Apdu,
    chaining: bool,
    memory: &mut Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
    program: &mut Program<'_>,
) -> Response {
    linked(apdu, chaining, true, memory, volatile, random, program)
}

/// Puts links together and carries out the whole command.
fn linked(
    apdu: &Apdu,
    chaining: bool,
    issuer: bool,
    memory: &mut Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
    program: &mut Program<'_>,
) -> Response {
    volatile.chain.comes(issuer);
    // Only the links of the very use of a key may stand between the PIN and it.
    volatile.fresh &= volatile.chain.goes_on_with(apdu) && (!chaining || apdu.ins == INS_GENERAL_AUTHENTICATE);
    match volatile.chain.link(apdu, chaining) {
        Ok(Some(whole)) => execute(&whole, issuer, memory, volatile, random, program).unwrap_or_else(Response::status),
        Ok(None) => Response::status(Status::OK),
        Err(status) => {
            volatile.forget_steps();
            Response::status(status)
        }
    }
}

fn execute(
    apdu: &Apdu,
    issuer: bool,
    memory: &mut Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
    program: &mut Program<'_>,
) -> Result<Response, Status> {
    match memory.applet {
        Applet::Bitaqa => {}
        Applet::Pivapplet(_) => return pivapplet::execute(apdu, memory, volatile, random, program),
        Applet::Openfips201(_) => return openfips201::execute(apdu, issuer, memory, volatile, program),
    }
    let parsed = Command::parse(volatile.place, apdu);
    let fresh = volatile.expect_only(parsed.as_ref().ok());
    let command = parsed?;
    access::allowed(&command, issuer, fresh, memory, volatile)?;
    match command {
        Command::GetData(object) => objects::get(object, memory),
        Command::PutData(object, content) => objects::put(object, content, memory),
        Command::PinStatus => pin::status(memory, volatile),
        Command::ForgetPin => {
            volatile.verified = false;
            Ok(Response::status(Status::OK))
        }
        Command::Verify(pin) => pin::verify(&pin, memory, volatile, program),
        Command::ChangePin { old, new } => pin::change_pin(&old, &new, memory, volatile, program),
        Command::ChangePuk { old, new } => pin::change_puk(&old, &new, memory, program),
        Command::ResetRetryCounter { puk, new } => pin::reset(&puk, &new, memory, volatile, program),
        Command::SetTransportPin(pin) => pin::set_transport_pin(&pin, memory, volatile),
        Command::SetPuk(puk) => pin::set_puk(&puk, memory),
        Command::SetManagementKey(key) => {
            memory.management_key = Some(key);
            Ok(Response::status(Status::OK))
        }
        Command::Generate { key, algorithm } => keys::generate(key, algorithm, memory),
        Command::UseKey { key, algorithm, template } => keys::use_key(key, algorithm, &template, memory),
        Command::Management { algorithm, template } => {
            authentication::management(algorithm, &template, MANNERS, memory, volatile, random)
        }
        Command::GetResponse => volatile.pending.next(apdu.ne),
        Command::Version => Ok(Response::ok(VERSION)),
    }
}

/// The answer to SELECT.
pub(crate) fn property_template(place: Application, memory: &Memory) -> Vec<u8> {
    match memory.applet {
        Applet::Bitaqa => property::template(place),
        Applet::Pivapplet(_) => pivapplet::property_template(),
        Applet::Openfips201(_) => openfips201::property_template(),
    }
}

impl Memory {
    /// What another program holds after its installation.
    pub(crate) fn of_applet(
        kind: AppletKind,
        longest_object: usize,
        random: &mut dyn Random,
    ) -> Result<Self, RandomError> {
        match kind {
            AppletKind::Pivapplet => pivapplet::delivered(longest_object, random),
            AppletKind::Openfips201 => openfips201::delivered(random),
        }
    }

    /// True where the issuer reaches the application through the security domain's secure channel.
    pub(crate) fn has_channel(&self) -> bool {
        !matches!(self.applet, Applet::Pivapplet(_))
    }

    /// True for a channel in which commands have the issuer's rights.
    pub(crate) fn heeds(&self, level: SecurityLevel) -> bool {
        // Bits 1 and 2: commands are authenticated and enciphered.
        !matches!(self.applet, Applet::Openfips201(_)) || level as u8 & 0x03 == 0x03
    }
}
