//! Finding the chip in the station, and opening its channel.

use iso7816::tlv::{Tag, Writer};
use iso7816::{Aid, Card, Command, Status};
use jiff::Timestamp;
use lds::globalplatform::{ApplicationState, CardState};

use super::{Failure, Line, StationCard, Unusable};
use crate::citizen::dialogue;
use crate::issuer::{DialogueError, IssuerDomain, SecuredDomain};
use crate::ledger::Event;
use crate::plan::{Plan, SignedPlan};
use crate::profile::{ActiveKeyKind, Profile};
use crate::stage::{Blank, Document};

/// The blank in the station, with an open channel, looked at but not changed.
pub(super) fn take_blank(
    line: &mut Line<'_>,
    plan: &SignedPlan,
) -> Result<(Document<Blank<StationCard>>, Timestamp), Failure> {
    let number = &plan.plan().document_number;
    if needs_long_answers(line.profile) && line.station.extended_length()?.is_none() {
        return Err(Failure::ShortAnswers);
    }
    if plan.citizen().is_some() {
        dialogue::select(line.station.connect()?.as_mut(), &eid::Application::Piv.aid()).map_err(no_citizen)?;
    }
    if line.profile.is_travel_document() {
        refuse_without_pace(line, plan.plan())?;
    }
    let mut domain = unknown_chip(line)?;
    let chip = domain.serial().to_owned();
    if domain.binding().map_err(Unusable::Dialogue)?.is_some() {
        return Err(Unusable::Foreign { chip }.into());
    }
    let mut secured = open(line, domain)?;
    let card = secured.card_state().map_err(|error| first_refusal(&chip, error))?;
    let application = secured.application_state().map_err(Unusable::Dialogue)?;
    let citizen = secured.citizen_states().map_err(Unusable::Dialogue)?;
    let used = citizen.into_iter().map(|(_, state)| state).find(|state| *state != ApplicationState::SELECTABLE);
    let application = if plan.citizen().is_some() { used.unwrap_or(application) } else { application };
    let blank = [CardState::OP_READY, CardState::INITIALIZED].contains(&card);
    if !blank || application != ApplicationState::SELECTABLE {
        return Err(Unusable::NotBlank { chip, card, application }.into());
    }
    Ok((Document::new(number, &chip, secured), plan.plan().made_at()))
}

/// A chip whose travel application does not even know the command that begins PACE (MSE:Set AT, 9303-11 §4.4.4.1) could be written,
/// and never be read back. Any other answer says nothing: the application is not personalized yet.
fn refuse_without_pace(line: &mut Line<'_>, plan: &Plan) -> Result<(), Failure> {
    let mut card = line.station.connect()?;
    // What has no travel application at all is found out by the issuer domain, which lists them.
    match dialogue::select(card.as_mut(), &Aid::emrtd()) {
        Err(DialogueError::Refused { .. }) => return Ok(()),
        other => other.map_err(Unusable::Dialogue)?,
    }
    let suite = line.profile.access.suites().first().map(|suite| suite.oid()).unwrap_or_default();
    let mut data = Writer::new();
    data.put(Tag(0x80), suite).put(Tag(0x83), [plan.password().reference()]);
    let command = Command::new(0x00, 0x22, 0xC1, 0xA4).with_data(data.finish());
    match card.transmit(&command).map_err(|error| Unusable::Dialogue(error.into()))?.status {
        Status::INSTRUCTION_NOT_SUPPORTED => Err(Unusable::NoPace.into()),
        _ => Ok(()),
    }
}

/// The first command under Key-ENC: a chip that has another one makes out nothing of it, though it proved that Key-MAC is right.
pub(crate) fn first_refusal(chip: &str, error: DialogueError) -> Unusable {
    let garbled = [Status::SECURITY_NOT_SATISFIED, Status::SM_OBJECTS_INCORRECT, Status::WRONG_DATA];
    match &error {
        DialogueError::Refused { status, .. } if garbled.contains(status) => {
            Unusable::OtherEncryptionKey { chip: chip.to_owned() }
        }
        _ => Unusable::Dialogue(error),
    }
}

/// The chip in the station, of which the ledger says nothing that forbids to use it.
pub(super) fn unknown_chip(line: &mut Line<'_>) -> Result<IssuerDomain<StationCard>, Failure> {
    let domain = select(line)?;
    let chip = domain.serial().to_owned();
    let record = line.ledger.book().chip(&chip);
    if let Some(document) = record.and_then(|record| record.document.clone()) {
        return Err(Unusable::InUse { chip, document }.into());
    }
    if record.is_some_and(|record| record.spoiled) {
        return Err(Unusable::Spoiled { chip }.into());
    }
    Ok(domain)
}

/// Whether a card of this profile can only be read back whole with extended length: for its signatures.
pub(super) fn needs_long_answers(profile: &Profile) -> bool {
    let kind = profile.active_authentication.map(|active| active.key);
    matches!(kind, Some(ActiveKeyKind::Rsa2048 | ActiveKeyKind::Rsa3072))
}

/// A blank whose maker did not put the citizen application on it.
fn no_citizen(error: DialogueError) -> Unusable {
    match error {
        DialogueError::Refused { status: Status::FILE_NOT_FOUND, .. } => Unusable::NoCitizenApplication,
        error => Unusable::Dialogue(error),
    }
}

/// Connects and selects the issuer domain.
pub(crate) fn select(line: &mut Line<'_>) -> Result<IssuerDomain<StationCard>, Failure> {
    let card = line.station.connect()?;
    Ok(IssuerDomain::select(card).map_err(Unusable::Dialogue)?)
}

/// Opens the secure channel, unless too many attempts with wrong keys were made on this chip already.
pub(crate) fn open<C: Card>(line: &mut Line<'_>, mut domain: IssuerDomain<C>) -> Result<SecuredDomain<C>, Failure> {
    let chip = domain.serial().to_owned();
    let card = &line.profile.card;
    let (version, keys) = match &line.rotation {
        // The card says how far the change of its keys has come.
        Some(rotation) if domain.key_versions().map_err(Unusable::Dialogue)?.contains(&rotation.to) => {
            (rotation.to, rotation.keys)
        }
        _ => (card.key_version, line.keys),
    };
    let attempts = line.ledger.book().chip(&chip).map_or(0, |record| record.wrong_cryptograms);
    if attempts >= card.attempts {
        return Err(Unusable::LeftAlone { chip, attempts: card.attempts }.into());
    }
    match domain.open(version, keys, card.channel(), line.random) {
        Ok(secured) => Ok(secured),
        Err(error) if error.is_wrong_cryptogram() => {
            line.ledger.append(Event::WrongCryptogram { chip: chip.clone() })?;
            Err(Unusable::WrongKeys { chip }.into())
        }
        Err(DialogueError::Keys(error)) => Err(error.into()),
        Err(error) => Err(Unusable::Dialogue(error).into()),
    }
}

/// The same chip again, channel open.
pub(crate) fn reopen(line: &mut Line<'_>, document: &str, chip: &str) -> Result<SecuredDomain<StationCard>, Failure> {
    let interrupted =
        |detail: String| Failure::Interrupted { document: document.to_owned(), chip: chip.to_owned(), detail };
    let domain = match select(line) {
        Ok(domain) => domain,
        Err(Failure::Ledger(error)) => return Err(error.into()),
        Err(failure) => return Err(interrupted(failure.to_string())),
    };
    if domain.serial() != chip {
        return Err(interrupted("another card is in the station".to_owned()));
    }
    match open(line, domain) {
        Ok(secured) => Ok(secured),
        Err(Failure::Ledger(error)) => Err(error.into()),
        Err(failure) => Err(interrupted(failure.to_string())),
    }
}
