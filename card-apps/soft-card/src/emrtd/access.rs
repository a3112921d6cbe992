//! Who may do what: the one place where the application's access conditions stand.
//!
//! | | master file | application, not personalized | application, personalized |
//! |---|---|---|---|
//! | files with free access | always | - | - |
//! | files with basic access | - | never (`6985`) | under secure messaging (`6982`) |
//! | EF.CardSecurity | under secure messaging that PACE began (`6982`) | - | - |
//! | files with extended access | - | never (`6985`) | after Terminal Authentication of an inspection system whose whole chain grants the file: `read-dg3`, `read-dg4` (`6982`) |
//! | BAC | never (`6985`) | never (`6985`) | without a session (`6985` inside one) |
//! | PACE | personalized only (`6985`) | never (`6985`) | without a session (`6985` inside one) |
//! | Chip Authentication, Active Authentication | never (`6985`) | never (`6985`) | under secure messaging (`6982`) |
//! | Terminal Authentication | never (`6985`) | never (`6985`) | in a session of Chip Authentication (`6982`) |
//!
//! GET CHALLENGE and EXTERNAL AUTHENTICATE are steps of BAC without a session, and of Terminal Authentication inside one. What a
//! terminal may do ends with the session: a plain command, a wrong one, a reset, and Chip Authentication once more.
//!
//! A chip that does not know BAC, PACE or Terminal Authentication (it has no trust point) at all answers `6D00`; EF.CVCA is then
//! missing.
//!
//! Whether a protected file exists is itself protected: without the right the answer is `6982` for every
//! identifier. A missing free file is `6A82`, which readers take as "no PACE here" (9303-11 §4.2).

use channel::cvc::TerminalType;
use iso7816::Status;
use lds::files::{Access, File, Place};

use super::command::Command;
use super::state::{ApplicationLife, Memory, Volatile};
use crate::persona::Make;

/// Judges a command before it is carried out; files are judged by [`readable`].
pub(super) fn allowed(command: &Command<'_>, make: &Make, memory: &Memory, volatile: &Volatile) -> Result<(), Status> {
    let personalized = memory.life_cycle == ApplicationLife::Personalized;
    let application = volatile.place == Place::Emrtd;
    let session = volatile.session.is_some();
    match command {
        Command::GetChallenge | Command::ExternalAuthenticate(_) if !make.bac && !session => {
            Err(Status::INSTRUCTION_NOT_SUPPORTED)
        }
        Command::SetPace(_) if !make.pace => Err(Status::INSTRUCTION_NOT_SUPPORTED),
        Command::SetVerificationKey(_) | Command::VerifyCertificate { .. } | Command::SetTerminal(_)
            if memory.terminal_trust.is_none() =>
        {
            Err(Status::INSTRUCTION_NOT_SUPPORTED)
        }
        Command::SelectMasterFile | Command::GetResponse => Ok(()),
        Command::SelectFile { .. } | Command::ReadBinary(_) => condition(personalized || !application),
        Command::GetChallenge | Command::ExternalAuthenticate(_) if !session => condition(personalized && application),
        Command::GetChallenge | Command::ExternalAuthenticate(_) if memory.terminal_trust.is_none() => {
            Err(Status::CONDITIONS_NOT_SATISFIED)
        }
        Command::GetChallenge
        | Command::ExternalAuthenticate(_)
        | Command::SetVerificationKey(_)
        | Command::VerifyCertificate { .. }
        | Command::SetTerminal(_) => {
            condition(personalized && application)?;
            if volatile.proved.terminal_key.is_some() { Ok(()) } else { Err(Status::SECURITY_NOT_SATISFIED) }
        }
        Command::SetPace(_) => condition(personalized && !session),
        Command::SetChipAuthentication(_) | Command::SetKeyAgreement(_) | Command::InternalAuthenticate(_) => {
            condition(personalized && application)?;
            if session { Ok(()) } else { Err(Status::SECURITY_NOT_SATISFIED) }
        }
        Command::GeneralAuthenticate { .. } => condition(personalized),
    }
}

/// Judges the reading of one file, before its existence is looked at.
pub(super) fn readable(file: Option<&'static File>, volatile: &Volatile) -> Result<&'static File, Status> {
    let granted = match file.map(|file| file.access) {
        Some(Access::Free) => true,
        Some(Access::Basic) => volatile.session.is_some(),
        Some(Access::Pace) => volatile.session.is_some() && volatile.proved.identity.is_some(),
        Some(Access::Extended) => volatile.session.is_some() && is_granted(file, volatile),
        // An identifier that no file has: as secret as a protected file in the application.
        None => volatile.place == Place::MasterFile || volatile.session.is_some(),
    };
    match (granted, file) {
        (true, Some(file)) => Ok(file),
        (true, None) => Err(Status::FILE_NOT_FOUND),
        (false, _) => Err(Status::SECURITY_NOT_SATISFIED),
    }
}

/// The right for a file of extended access: only data groups 3 and 4 have one (TR-03110-3 §C.4.1).
fn is_granted(file: Option<&File>, volatile: &Volatile) -> bool {
    let right = match file.and_then(|file| file.data_group) {
        Some(3) => "read-dg3",
        Some(4) => "read-dg4",
        _ => return false,
    };
    volatile.proved.terminal.granted().is_some_and(|chat| chat.grants(TerminalType::Inspection, right))
}

fn condition(met: bool) -> Result<(), Status> {
    if met { Ok(()) } else { Err(Status::CONDITIONS_NOT_SATISFIED) }
}
