//! Who may do what: the one place where the application's access conditions stand.
//!
//! | | outside any channel | inside the issuer's |
//! |---|---|---|
//! | GET DATA | by the object's read rule (`6982`) | all |
//! | PUT DATA | by the object's write rule (`6982`) | all |
//! | GENERATE ASYMMETRIC KEY PAIR | after the management key (`6982`) | yes |
//! | VERIFY | with an own PIN (`6985` with the transport PIN, `6A88` with none) | never (`6985`) |
//! | CHANGE REFERENCE DATA, RESET RETRY COUNTER | by knowledge, `6A88` when not set | never (`6985`) |
//! | the issuer's CHANGE REFERENCE DATA | never (`6982`) | yes |
//! | key pairs | with an own PIN (`6985`), then by the key's rule (`6982`) | never (`6985`) |
//! | management key | yes, `6A88` when not set | never (`6985`) |
//!
//! An own PIN is one that the holder has chosen. Whether a protected object is there is itself protected.
//!
//! In the travel document's session the national file set answers GET DATA and PUT DATA by the same rules, and nothing else
//! (`6D00`): no PIN is given there, so a terminal's rights decide. They end with the session.

use eid::keys::{KeyReference, KeyUse};
use eid::objects::Access;
use iso7816::Status;

use super::command::Command;
use super::state::{Memory, Volatile};

/// Judges a command before it is carried out; `fresh` says that the PIN was given right before it.
pub(super) fn allowed(
    command: &Command<'_>,
    issuer: bool,
    fresh: bool,
    memory: &Memory,
    volatile: &Volatile,
) -> Result<(), Status> {
    match command {
        Command::GetData(object) => right(issuer || granted(object.read, volatile)),
        Command::PutData(object, _) => right(issuer || granted(object.write, volatile)),
        Command::Generate { .. } => right(issuer || granted(Access::Management, volatile)),
        Command::SetTransportPin(_) | Command::SetPuk(_) | Command::SetManagementKey(_) => right(issuer),
        Command::PinStatus | Command::ForgetPin | Command::GetResponse => condition(!issuer),
        Command::Version => Ok(()),
        Command::Verify(_) => {
            condition(!issuer)?;
            present(memory.pin.is_some())?;
            condition(memory.is_active())
        }
        Command::ChangePin { .. } => {
            condition(!issuer)?;
            present(memory.pin.is_some())
        }
        Command::ChangePuk { .. } => {
            condition(!issuer)?;
            present(memory.puk.is_some())
        }
        Command::ResetRetryCounter { .. } => {
            condition(!issuer)?;
            present(memory.pin.is_some() && memory.puk.is_some())
        }
        Command::UseKey { key, .. } => {
            condition(!issuer && memory.is_active())?;
            right(key_granted(*key, fresh, volatile))
        }
        Command::Management { .. } => {
            condition(!issuer)?;
            present(memory.management_key.is_some())
        }
    }
}

fn granted(access: Access, volatile: &Volatile) -> bool {
    match access {
        Access::Free => true,
        Access::Pin => volatile.verified,
        Access::PinOrTerminal(right) => volatile.verified || volatile.has(right),
        Access::Management => volatile.managed,
        Access::Terminal(right) => volatile.has(right),
    }
}

fn key_granted(key: KeyReference, fresh: bool, volatile: &Volatile) -> bool {
    match key.access() {
        KeyUse::Free => true,
        KeyUse::Pin => volatile.verified,
        KeyUse::PinAlways => volatile.verified && fresh,
    }
}

fn right(granted: bool) -> Result<(), Status> {
    if granted { Ok(()) } else { Err(Status::SECURITY_NOT_SATISFIED) }
}

fn condition(met: bool) -> Result<(), Status> {
    if met { Ok(()) } else { Err(Status::CONDITIONS_NOT_SATISFIED) }
}

fn present(there: bool) -> Result<(), Status> {
    if there { Ok(()) } else { Err(Status::REFERENCED_DATA_NOT_FOUND) }
}

#[cfg(test)]
mod tests {
    use eid::Application;
    use eid::objects::{RESIDENCE, Right, STATUS_HINT, by_tag};

    use super::*;

    #[test]
    fn a_terminal_s_right_opens_its_own_object_only() {
        let memory = Memory::delivered();
        let mut volatile = Volatile::at(Application::National);
        volatile.managed = true;
        let residence = by_tag(Application::National, RESIDENCE.tag).unwrap();
        let status = by_tag(Application::National, STATUS_HINT.tag).unwrap();
        let judge =
            |object, volatile: &Volatile| allowed(&Command::PutData(object, &[]), false, false, &memory, volatile);
        assert_eq!(
            judge(residence, &volatile),
            Err(Status::SECURITY_NOT_SATISFIED),
            "the management key is not enough"
        );
        volatile = Volatile::in_session(Application::National, vec![Right::UpdateResidence]);
        assert_eq!(judge(residence, &volatile), Ok(()));
        assert_eq!(judge(status, &volatile), Err(Status::SECURITY_NOT_SATISFIED));
    }
}
