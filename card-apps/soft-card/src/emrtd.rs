//! The eMRTD application, `A0000002471001`, and the master file with EF.CardAccess (9303-10, 9303-11).
//!
//! Knows access control, secure messaging, Chip, Active and Terminal Authentication and reading. Its data come through the issuer
//! domain (module `personalization`); over its own commands nothing can be written.

mod access;
mod authentication;
mod command;
pub(crate) mod personalization;
mod read;
mod state;
mod terminal;

use channel::cvc::Chat;
use channel::random::Random;
use channel::terminal_auth::Trust;
use iso7816::tlv::{Tag, Writer};
use iso7816::{Aid, Command as Apdu, Response, Status};
use lds::files::Place;

use command::Command;

use crate::persona::Make;

pub(crate) use personalization::is_file;
pub use state::{ActiveKey, ApplicationLife, ChipKey, MAX_CONTENTS, Memory};
pub(crate) use state::{Guess, Volatile};

/// What the application knows of the card that it is on.
#[derive(Clone, Copy)]
pub(crate) struct Host<'a> {
    /// What the chip can do.
    pub(crate) make: &'a Make,
    /// Every application that EF.DIR lists, this one among them.
    pub(crate) applications: &'a [Aid],
}

/// Answers a command of class `00` or `10`, or one that came out of secure messaging.
///
/// At most `capacity` bytes of response data fit the answer that carries them.
pub(crate) fn answer(
    apdu: &Apdu,
    chaining: bool,
    capacity: u32,
    host: Host<'_>,
    memory: &Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
) -> Response {
    let plain = volatile.session.is_none();
    let response = execute(apdu, chaining, capacity, host, memory, volatile, random).unwrap_or_else(Response::status);
    // Under secure messaging `capacity` has been seen to. A command without Le gets what a short Le can ask for.
    if plain { volatile.pending.split(response, apdu.ne.or(Some(256))) } else { response }
}

fn execute(
    apdu: &Apdu,
    chaining: bool,
    capacity: u32,
    host: Host<'_>,
    memory: &Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
) -> Result<Response, Status> {
    let parsed = Command::parse(apdu, chaining);
    volatile.expect_only(parsed.as_ref().ok());
    let command = parsed?;
    access::allowed(&command, host.make, memory, volatile)?;
    match command {
        Command::SelectMasterFile => {
            volatile.enter(Place::MasterFile);
            Ok(Response::status(Status::OK))
        }
        Command::SelectFile { id, information } => read::select(id, information, host, memory, volatile),
        Command::ReadBinary(what) => read::read(what, capacity, host, memory, volatile),
        Command::SetVerificationKey(data) => terminal::set_dst(data, memory, volatile),
        Command::VerifyCertificate { chaining, data } => terminal::verify_certificate(chaining, data, memory, volatile),
        Command::SetTerminal(data) => terminal::set_at(data, volatile),
        Command::GetChallenge if volatile.session.is_some() => terminal::get_challenge(volatile, random),
        Command::ExternalAuthenticate(data) if volatile.session.is_some() => {
            terminal::external_authenticate(data, memory, volatile)
        }
        Command::GetChallenge => {
            volatile.guess = Some(Guess::Begun);
            volatile.bac.get_challenge(random).map(Response::ok)
        }
        Command::ExternalAuthenticate(data) => {
            let answer = authentication::basic_access(data, memory, volatile, random);
            volatile.guessed(answer)
        }
        Command::InternalAuthenticate(data) => authentication::active(data, capacity, memory, random),
        Command::SetPace(data) => {
            volatile.guess = Some(Guess::Begun);
            authentication::set_pace(data, memory, volatile)
        }
        Command::SetChipAuthentication(data) => authentication::set_chip(data, memory, volatile),
        Command::SetKeyAgreement(data) => authentication::agree_key(data, memory, volatile),
        Command::GetResponse => volatile.pending.next(apdu.ne),
        Command::GeneralAuthenticate { data, .. } if volatile.session.is_some() => {
            authentication::chip(data, memory, volatile)
        }
        Command::GeneralAuthenticate { chaining, data } => {
            let answer = authentication::pace(chaining, data, volatile, random);
            volatile.guessed(answer)
        }
    }
}

impl Volatile {
    /// True while the current directory is the master file.
    pub(crate) fn is_at_master_file(&self) -> bool {
        self.place == Place::MasterFile
    }

    /// True under secure messaging.
    pub(crate) fn is_secured(&self) -> bool {
        self.session.is_some()
    }

    /// What Terminal Authentication granted in this session; `None` before it.
    pub(crate) fn granted(&self) -> Option<Chat> {
        self.session.as_ref().and_then(|_| self.proved.terminal.granted())
    }

    /// Ends secure messaging, as a plain command does (9303-11 §9.8); the current directory stays.
    pub(crate) fn end_session_if_any(&mut self) {
        if self.session.is_some() {
            self.end_session();
        }
    }

    /// Forgets every protocol under way: an application is selected, or was to be.
    pub(crate) fn forget_steps(&mut self) {
        self.expect_only(None);
    }

    /// What the chip believes from now on, when this command has changed it: to be programmed before the answer.
    pub(crate) fn take_learned(&mut self) -> Option<Trust> {
        self.learned.take()
    }

    /// What the command did about the password, once.
    pub(crate) fn take_guess(&mut self) -> Option<Guess> {
        self.guess.take()
    }

    /// Notes what an answer says of the password.
    fn guessed(&mut self, answer: Result<Response, Status>) -> Result<Response, Status> {
        self.guess = match answer {
            Err(Status::AUTHENTICATION_FAILED) => Some(Guess::Wrong),
            _ if self.session.is_some() => Some(Guess::Right),
            _ => None,
        };
        answer
    }

    fn end_session(&mut self) {
        *self = Volatile::at(self.place);
    }

    /// Takes secure messaging off a command. On failure the session is over and the status word goes out bare.
    pub(crate) fn open(&mut self, apdu: &Apdu) -> Result<Apdu, Status> {
        let session = self.session.as_mut().ok_or(Status::SM_OBJECTS_INCORRECT)?;
        session.open_command(apdu).map_err(|error| {
            self.end_session();
            error.status()
        })
    }

    /// Puts secure messaging on an answer; then a session made by Chip Authentication takes over.
    pub(crate) fn protect(&mut self, response: &Response) -> Response {
        let protected = self.session.as_mut().map(|session| session.protect_response(response));
        let Some(Ok(protected)) = protected else {
            self.end_session();
            return Response::status(Status::UNKNOWN_ERROR);
        };
        if let Some(successor) = self.successor.take() {
            self.session = Some(successor);
        }
        protected
    }

    /// How much plain data an answer of at most `ne` protected bytes carries (9303-11 §9.8: DO 87, 99, 8E).
    pub(crate) fn capacity(&self, ne: u32) -> u32 {
        let block = self.session.as_ref().map_or(1, |session| session.cipher().block_length() as u32);
        // Tag, length field and padding indicator of the cryptogram; DO 99 and DO 8E.
        let head = if ne > 256 { 5 } else { 4 };
        let whole = ne.saturating_sub(head + 4 + 10) / block * block;
        whole.saturating_sub(1)
    }

    /// Forgets every protocol under way that this command does not continue: a challenge is good for the very next
    /// command only, and so is a step of PACE or Chip Authentication.
    fn expect_only(&mut self, command: Option<&Command<'_>>) {
        if !matches!(command, Some(Command::ExternalAuthenticate(_))) {
            self.bac = Default::default();
            self.proved.terminal.forget_challenge();
        }
        if matches!(command, Some(Command::GetResponse)) {
            return;
        }
        self.pending = Default::default();
        if !matches!(command, Some(Command::VerifyCertificate { .. })) {
            self.proved.certificate.clear();
        }
        if !matches!(command, Some(Command::GeneralAuthenticate { .. })) {
            self.pace = Default::default();
            self.links = Default::default();
            self.chip_authentication = Default::default();
        }
    }
}

/// The answer to SELECT: `6F { 84 AID }`.
pub(crate) fn file_control_information() -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(Tag(0x6F), |information| {
        information.put(Tag(0x84), Aid::emrtd().as_bytes());
    });
    writer.finish()
}
