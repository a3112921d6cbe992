//! Who may do what: the one place where the issuer domain's access conditions stand.
//!
//! | | secure channel | CARD_LOCKED | TERMINATED |
//! |---|---|---|---|
//! | GET DATA | not needed | yes | yes |
//! | INITIALIZE UPDATE, EXTERNAL AUTHENTICATE | not needed | yes | no |
//! | GET STATUS, SET STATUS | open (`6982`) | yes | no |
//! | INSTALL, LOAD, DELETE, STORE DATA, PUT KEY | open (`6982`) | no (`6985`) | no (`6985`) |

use iso7816::Status;

use super::command::Command;
use super::state::{CardLife, Memory, Volatile};

/// Judges a command before it is carried out.
pub(super) fn allowed(command: &Command<'_>, memory: &Memory, volatile: &Volatile) -> Result<(), Status> {
    let (needs_channel, when_locked, when_terminated) = match command {
        Command::GetData(_) => (false, true, true),
        Command::InitializeUpdate { .. } | Command::ExternalAuthenticate => (false, true, false),
        Command::GetStatus { .. } | Command::SetStatus { .. } => (true, true, false),
        Command::InstallForPersonalization(_)
        | Command::InstallContent
        | Command::Load
        | Command::DeleteKeySet(_)
        | Command::DeleteApplication(_)
        | Command::StoreData { .. }
        | Command::PutKey { .. } => (true, false, false),
    };
    let alive = match memory.life_cycle {
        CardLife::OpReady | CardLife::Initialized | CardLife::Secured => true,
        CardLife::CardLocked => when_locked,
        CardLife::Terminated => when_terminated,
    };
    if !alive {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    if needs_channel && volatile.channel.level().is_none() {
        return Err(Status::SECURITY_NOT_SATISFIED);
    }
    Ok(())
}
