//! What PIV applets of others have in common: the chip has the citizen application alone, and no travel document.
//!
//! The keys are proved by the card's signature, the certificates come from the citizen CA, the objects are those of
//! the project's own card but for two: the discovery object, which such applets make themselves, and the status hint, which is
//! no object of PIV.

use eid::Application;
use eid::keys::Algorithm;
use eid::objects::{DISCOVERY_OBJECT, Object};
use eid::pin::{Pin, Puk, reset, verify};
use eid::property;
use iso7816::tlv::{self, Tag};
use iso7816::{Aid, Card, Command, Status};

use super::Rule;
use crate::citizen::CitizenPlan;
use crate::execute::{Failure, StationCard, Unusable};
use crate::issuer::DialogueError;
use crate::plan::{Plan, PlanError};
use crate::profile::Profile;
use crate::quality::{self, Approved, Complaint, Expected};

/// Most bytes of a certificate of the citizen CA on P-256 without the holder's names; an estimate, checked again against what comes.
const CERTIFICATE: usize = 850;
/// Names stand in a certificate by themselves and in the common name.
const NAMES_TWICE: usize = 2;
/// Bytes of a command around an object's content: tag list, tag and length.
const AROUND: usize = 5 + 4;
/// More wrong values than any such applet has tries.
const MORE_THAN_TRIES: usize = 16;

/// The first value of a profile that such an applet cannot serve.
pub(super) fn misfit(profile: &Profile) -> Option<Rule> {
    let rules = [
        (
            profile.lds.data_groups.is_empty(),
            "lds.data_groups",
            "[]: this applet is no travel document, the chip has the citizen application alone",
        ),
        (
            profile
                .eid
                .as_ref()
                .is_none_or(|eid| eid.keys().iter().all(|(_, algorithm)| *algorithm != Algorithm::Rsa3072)),
            "eid.algorithms",
            "P-256, P-384 or RSA-2048: this applet has no RSA with 3072 bits",
        ),
        (profile.eid.is_some(), "eid", "given: this applet has the citizen application and nothing else"),
        (
            profile.keys.is_some(),
            "keys",
            "given: until the keys are the issuer's, whoever has the card may write on it",
        ),
    ];
    rules.into_iter().find(|(holds, ..)| !holds).map(|(_, key, expected)| (key, expected))
}

/// Whether the certificates will fit, before any exists.
pub(super) fn check(plan: &Plan, applet: &'static str) -> Result<(), PlanError> {
    let (Some(most), Some(wanted)) = (plan.largest_object(), plan.citizen()) else { return Ok(()) };
    let holder = &wanted.holder;
    let names = holder.given_names.len() + holder.surname.len() + holder.number.len();
    for (key, algorithm) in &wanted.keys {
        let modulus = if algorithm.is_rsa() { algorithm.width() } else { 0 };
        let bytes = CERTIFICATE + modulus + NAMES_TWICE * names + AROUND;
        if bytes > most {
            return Err(PlanError::ObjectSize { object: key.certificate().name, bytes, most, applet });
        }
    }
    Ok(())
}

/// Leaves out what such an applet has no place for, and sees whether the rest fits.
pub(super) fn fit(citizen: &mut CitizenPlan, most: Option<usize>, applet: &'static str) -> Result<(), PlanError> {
    citizen.objects.retain(|(object, _)| object.application == Application::Piv && **object != DISCOVERY_OBJECT);
    let larger = |content: &[u8]| most.filter(|most| content.len() + AROUND > *most);
    for (object, content) in &citizen.objects {
        if let Some(most) = larger(content) {
            return Err(PlanError::ObjectSize { object: object.name, bytes: content.len() + AROUND, most, applet });
        }
    }
    Ok(())
}

/// The same of what is about to be written, certificates among it.
pub(super) fn still_fits(objects: &[(&Object, Vec<u8>)], most: Option<usize>) -> Result<(), DialogueError> {
    let fits = |content: &[u8]| most.is_none_or(|most| content.len() + AROUND <= most);
    match objects.iter().all(|(_, content)| fits(content)) {
        true => Ok(()),
        false => Err(DialogueError::Citizen { what: "a certificate is larger than an object of this applet" }),
    }
}

/// Selects the application; the name that it gives itself, or nothing where there is none.
pub(super) fn select(card: &mut dyn Card) -> Result<Option<String>, DialogueError> {
    let select = Command::new(0x00, 0xA4, 0x04, 0x00).with_data(Application::Piv.aid().as_bytes()).with_ne(256);
    let answer = card.transmit(&select)?;
    match answer.status {
        Status::OK => {}
        Status::FILE_NOT_FOUND => return Ok(None),
        status => return Err(DialogueError::Refused { instruction: select.ins, status }),
    }
    if property::is_piv(&answer.data) != Ok(true) {
        return Err(DialogueError::Citizen { what: "its answer to SELECT is not that of a PIV application" });
    }
    let inside = tlv::sole(&answer.data, Tag(0x61)).unwrap_or_default();
    let label = tlv::find(inside, Tag(0x50)).ok().flatten().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(label).into_owned()))
}

/// True when an object of the selected application has a content that anybody reads.
pub(super) fn has(card: &mut dyn Card, object: &Object) -> Result<bool, DialogueError> {
    let answer = card.transmit(&object.get())?;
    match answer.status {
        Status::FILE_NOT_FOUND => Ok(false),
        status if status.is_ok() || status.bytes_available().is_some() => Ok(!answer.data.is_empty()),
        status => Err(DialogueError::Refused { instruction: object.get().ins, status }),
    }
}

/// Reads the card back as any computer does.
pub(super) fn approve(mut card: StationCard, expected: &Expected) -> Result<Approved, Complaint> {
    quality::approve_citizen(card.as_mut(), expected)
}

/// Blocks PIN and PUK: no key of the card works any more.
pub(super) fn block(card: &mut dyn Card) -> Result<(), DialogueError> {
    if select(card)?.is_none() {
        return Ok(());
    }
    // PINs that are drawn have six digits, and no PUK that is drawn has a byte 00.
    let wrong = Pin::from_digits(b"99999999")?;
    let wrong_puk = Puk::parse(&[0; 8])?;
    for command in [verify(&wrong), reset(&wrong_puk, &wrong)] {
        let blocked = (0..MORE_THAN_TRIES).try_fold(false, |blocked, _| -> Result<bool, DialogueError> {
            Ok(blocked || card.transmit(&command)?.status == Status::METHOD_BLOCKED)
        })?;
        if !blocked {
            return Err(DialogueError::Citizen { what: "PIN and PUK cannot be blocked" });
        }
    }
    Ok(())
}

/// The steps that such cards have in common, for people.
pub(super) fn steps(plan: &Plan, before: &str, lock: &str, codes: &str) -> Vec<String> {
    let keys = plan.citizen().into_iter().flat_map(|wanted| &wanted.keys).map(|(key, _)| format!("{:02X}", *key as u8));
    let keys = keys.collect::<Vec<_>>().join(" ");
    vec![
        format!("SELECT {}, GET DATA 9F7F, a channel: the keys are right", Aid::issuer_domain()),
        format!("SELECT {}: it is empty", Application::Piv.aid()),
        format!("{before}, GENERATE {keys}"),
        format!("the card signs a certificate request with each of {keys}"),
        "citizen CA: a certificate for each request".to_owned(),
        "PUT DATA capability container, CHUID, security object, certificates".to_owned(),
        lock.to_owned(),
        "read back: objects, certificates, no key works without the PIN".to_owned(),
        codes.to_owned(),
    ]
}

/// An answer that this card never gives.
pub(super) fn other(what: &'static str) -> Failure {
    Unusable::Dialogue(DialogueError::Citizen { what }).into()
}
