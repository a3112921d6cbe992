//! GET STATUS and SET STATUS: the life cycles of the card and of its applications (GPCS 2.3.1 §11.4, §11.10).
//!
//! The citizen's applications are set one by one: PERSONALIZED needs a PIN, and changes nothing but what is listed, because the
//! issuer goes on writing them in the field; LOCKED takes the application away for good.

use iso7816::{Aid, Response, Status};
use lds::globalplatform::StatusEntry;

use super::command::Scope;
use super::state::CardLife;
use crate::emrtd::{self, ApplicationLife};
use crate::persistence::State;

/// Privileges of the issuer domain: security domain, card lock, card terminate, and the rest it always has.
const DOMAIN_PRIVILEGES: [u8; 3] = [0x9E, 0xFE, 0x80];

/// Lists the entries whose AID begins with `prefix`; `6A88` when there are none.
pub(super) fn get(scope: Scope, prefix: &[u8], state: &State) -> Result<Response, Status> {
    let entries = match scope {
        Scope::Card => vec![StatusEntry {
            aid: Aid::issuer_domain(),
            state: state.issuer_domain.life_cycle as u8,
            privileges: DOMAIN_PRIVILEGES.to_vec(),
        }],
        Scope::Applications => applications(state),
        Scope::LoadFiles => return Err(Status::REFERENCED_DATA_NOT_FOUND),
    };
    let wanted = entries.iter().filter(|entry| entry.aid.as_bytes().starts_with(prefix));
    let listed: Vec<u8> = wanted.flat_map(StatusEntry::to_bytes).collect();
    if listed.is_empty() { Err(Status::REFERENCED_DATA_NOT_FOUND) } else { Ok(Response::ok(listed)) }
}

fn applications(state: &State) -> Vec<StatusEntry> {
    let entry = |aid, life: ApplicationLife| StatusEntry { aid, state: life as u8, privileges: vec![0; 3] };
    let citizen = state.eid.iter().flat_map(|memory| {
        let own = memory.applet.is_own().then_some(eid::Application::National);
        [Some(eid::Application::Piv), own]
            .into_iter()
            .flatten()
            .map(move |application| entry(application.aid(), memory.life(application)))
    });
    let emrtd = state.has_emrtd().then(|| entry(Aid::emrtd(), state.emrtd.life_cycle));
    emrtd.into_iter().chain(citizen).collect()
}

/// Moves a life cycle forward; `6985` for a move that the life cycle does not have.
pub(super) fn set(scope: Scope, target: u8, aid: &[u8], state: &mut State) -> Result<Response, Status> {
    match scope {
        Scope::Card => set_card(target, aid, state),
        Scope::Applications => set_application(target, aid, state),
        Scope::LoadFiles => Err(Status::INCORRECT_P1_P2),
    }?;
    Ok(Response::status(Status::OK))
}

fn set_card(target: u8, aid: &[u8], state: &mut State) -> Result<(), Status> {
    if !aid.is_empty() && aid != Aid::issuer_domain().as_bytes() {
        return Err(Status::REFERENCED_DATA_NOT_FOUND);
    }
    let life = &mut state.issuer_domain.life_cycle;
    let target = CardLife::from_byte(target).ok_or(Status::WRONG_DATA)?;
    if !life.may_become(target) {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    *life = target;
    Ok(())
}

fn set_application(target: u8, aid: &[u8], state: &mut State) -> Result<(), Status> {
    if let Some(memory) = &mut state.eid
        && let Some(application) = [eid::Application::Piv, eid::Application::National]
            .into_iter()
            .find(|application| aid == application.aid().as_bytes())
        && (application == eid::Application::Piv || memory.applet.is_own())
    {
        return match target {
            0x0F => memory.personalize(application),
            0x80.. => memory.lock(application),
            0x03 | 0x07 => Err(Status::CONDITIONS_NOT_SATISFIED),
            _ => Err(Status::WRONG_DATA),
        };
    }
    if aid != Aid::emrtd().as_bytes() {
        return Err(Status::REFERENCED_DATA_NOT_FOUND);
    }
    let memory = &mut state.emrtd;
    match target {
        0x0F => emrtd::personalization::seal(memory),
        // Bit 8 locks, whatever state the other bits repeat.
        0x80.. if memory.life_cycle != ApplicationLife::Locked => {
            memory.life_cycle = ApplicationLife::Locked;
            Ok(())
        }
        0x80.. | 0x03 | 0x07 => Err(Status::CONDITIONS_NOT_SATISFIED),
        _ => Err(Status::WRONG_DATA),
    }
}
