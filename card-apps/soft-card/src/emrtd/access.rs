//! Who may do what: the one place where the application's access conditions stand.
//!
//! | | master file | application, not personalized | application, personalized |
//! |---|---|---|---|
//! | files with free access | always | - | - |
//! | files with basic access | - | never (`6985`) | under secure messaging (`6982`) |
//! | files with extended access | - | never (`6985`) | never (`6982`): no Terminal Authentication here |
//! | BAC | never (`6985`) | never (`6985`) | without a session (`6985` inside one) |
//! | PACE | personalized only (`6985`) | never (`6985`) | without a session (`6985` inside one) |
//! | Chip Authentication, Active Authentication | never (`6985`) | never (`6985`) | under secure messaging (`6982`) |
//!
//! A chip that does not know BAC or PACE at all answers `6D00`.
//!
//! Whether a protected file exists is itself protected: without the right the answer is `6982` for every
//! identifier. A missing free file is `6A82`, which readers take as "no PACE here" (9303-11 §4.2).

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
        Command::GetChallenge | Command::ExternalAuthenticate(_) if !make.bac => Err(Status::INSTRUCTION_NOT_SUPPORTED),
        Command::SetPace(_) if !make.pace => Err(Status::INSTRUCTION_NOT_SUPPORTED),
        Command::SelectMasterFile => Ok(()),
        Command::SelectFile { .. } | Command::ReadBinary(_) => condition(personalized || !application),
        Command::GetChallenge | Command::ExternalAuthenticate(_) => condition(personalized && application && !session),
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
        Some(Access::Extended) => false,
        // An identifier that no file has: as secret as a protected file in the application.
        None => volatile.place == Place::MasterFile || volatile.session.is_some(),
    };
    match (granted, file) {
        (true, Some(file)) => Ok(file),
        (true, None) => Err(Status::FILE_NOT_FOUND),
        (false, _) => Err(Status::SECURITY_NOT_SATISFIED),
    }
}

fn condition(met: bool) -> Result<(), Status> {
    if met { Ok(()) } else { Err(Status::CONDITIONS_NOT_SATISFIED) }
}
