//! Reading a written card back, and securing it.

use eid::keys::{Algorithm, KeyReference};
use eid::objects::Access as Reading;
use inspection::Verdict;
use inspection::procedure::Bac;
use iso7816::Status;

use super::blank::needs_long_answers;
use super::{Failure, Finished, Line, Outcome, Progress, Reason, StationError, access, fault, reject, reopen};
use crate::citizen::TransportCodes;
use crate::citizen::dialogue::Access;
use crate::ledger::{Event, Phase, Step};
use crate::plan::SignedPlan;
use crate::quality::{self, Complaint, Expected};
use crate::stage::{Document, Judged, Sealed, StepError, Written};

/// The check that the chip was opened.
const ACCESS: &str = "access-protocol";

/// Reads a written card back, judges it, secures it.
pub(crate) fn approve_and_seal(
    line: &mut Line<'_>,
    written: Document<Written>,
    plan: SignedPlan,
    expected: &Expected,
) -> Result<Outcome, Failure> {
    let (document, chip) = (written.number.clone(), written.chip.clone());
    let interrupted = |detail: String| Failure::Interrupted { document: document.clone(), chip: chip.clone(), detail };
    (line.progress)(Progress::Step(Step::ReadBack));
    line.ledger.append(Event::Step {
        document: document.clone(),
        chip: chip.clone(),
        step: Step::ReadBack,
        phase: Phase::Intent,
        digest: None,
    })?;
    let unreachable = |error: StationError| interrupted(error.to_string());
    let extended_length = match needs_long_answers(line.profile) {
        // A good card is not rejected for the reader that it came back to.
        true => Some(line.station.extended_length().map_err(unreachable)?.ok_or(Failure::ShortAnswers)?),
        false => None,
    };
    let mut card = line.station.connect().map_err(unreachable)?;
    let now = (line.clock)();
    let mut expected = expected.clone();
    let points = line.profile.eac.iter().flat_map(|eac| eac.inspection_points());
    expected.authorities = points.map(|point| point.certificate().body().holder.to_string()).collect();
    let written_there = line.ledger.book().document(&document).is_some_and(|record| record.citizen_files.is_some());
    if plan.citizen().is_none() && written_there {
        return Err(Failure::NoCitizenCa);
    }
    if plan.citizen().is_some() {
        match expect_citizen(line, &document, &plan) {
            Some(citizen) => expected.citizen = Some(citizen),
            None => {
                let reason = Reason::Disagreement { what: "the citizen application was never written" };
                return reject(line, &document, &chip, reason).map(Outcome::Rejected);
            }
        }
    }
    let approved = match line.profile.card.applet {
        Some(applet) => applet.dialect().approve(line, card, &plan, &expected),
        None => {
            let (password, bac) = (plan.plan().password(), Bac::Never);
            let reading = quality::Reading { password, bac, extended_length, now };
            quality::approve(card.as_mut(), reading, &expected, line.trust, line.random)
        }
    };
    let approved = match approved {
        Ok(approved) => approved,
        Err(Complaint::Interrupted) => return Err(interrupted("the card left while it was read back".to_owned())),
        Err(complaint) => return reject(line, &document, &chip, reason_of(complaint)).map(Outcome::Rejected),
    };
    let mut judged = written.approved(line.ledger, approved)?;
    if let Some(applet) = line.profile.card.applet {
        return match applet.dialect().finish(line, judged)? {
            Ok(document) => Ok(finished(document, plan)),
            Err(error) => fault(line, &document, error),
        };
    }
    let sealed = line.ledger.book().document(&document).is_some_and(|record| record.sealed);
    if plan.citizen().is_some() && !sealed {
        judged = match set_transport_pin(line, judged)? {
            Ok(judged) => judged,
            Err(error) => return fault(line, &document, error),
        };
    }
    (line.progress)(Progress::Step(Step::Seal));
    let mut secured = reopen(line, &document, &chip)?;
    match line.rotation.map(|rotation| rotation.is_done(&mut secured)) {
        None | Some(Ok(true)) => {}
        Some(Ok(false)) => {
            // It was written by a line that did not change keys.
            let reason = Reason::Disagreement { what: "the chip still has the keys it came with" };
            return reject(line, &document, &chip, reason).map(Outcome::Rejected);
        }
        Some(Err(source)) => return fault(line, &document, StepError::Card { step: Step::Seal, source }),
    }
    match judged.seal(line.ledger, &mut secured, plan.citizen().is_some()) {
        Ok(document) => Ok(finished(document, plan)),
        Err(error) => fault(line, &document, error),
    }
}

fn finished(document: Document<Sealed>, plan: SignedPlan) -> Outcome {
    tracing::info!(document = document.number, chip = document.chip, "personalization finished");
    Outcome::Finished(Box::new(Finished { document, plan }))
}

/// What the ledger says of the citizen application.
fn expect_citizen(line: &Line<'_>, document: &str, plan: &SignedPlan) -> Option<quality::ExpectedCitizen> {
    let record = line.ledger.book().document(document)?;
    let bytes = |text: &str| hex::decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let certificate = |(key, algorithm): &(KeyReference, Algorithm)| {
        let name = format!("{:02X}", *key as u8);
        let certificate = record.in_force().find(|certificate| certificate.key == name)?;
        Some((*key, *algorithm, bytes(certificate.digest.as_deref()?)?))
    };
    let citizen = plan.citizen()?;
    let certificates = citizen.keys.iter().map(certificate).collect::<Option<_>>()?;
    let read = citizen.objects.iter().map(|(object, _)| *object).filter(|object| object.read == Reading::Free);
    let objects = read.collect();
    let digest = bytes(record.citizen_files.as_deref()?)?;
    // Applets of others ask for the PIN; this project's card says that it is not the holder's yet.
    let refusal = match line.profile.card.applet {
        Some(_) => Status::SECURITY_NOT_SATISFIED,
        None => Status::CONDITIONS_NOT_SATISFIED,
    };
    Some(quality::ExpectedCitizen { objects, certificates, digest, refusal })
}

/// The letter first, then the card: whoever holds the card has its letter. A card that comes back before it was secured gets
/// both anew.
fn set_transport_pin(
    line: &mut Line<'_>,
    judged: Document<Judged>,
) -> Result<Result<Document<Judged>, StepError>, Failure> {
    (line.progress)(Progress::Step(Step::TransportPin));
    let (document, chip) = (judged.number.clone(), judged.chip.clone());
    let codes = TransportCodes::draw(line.random)?;
    if let Some(citizens) = &mut line.citizens
        && let Err(error) = citizens.letters.keep(&codes.letter(&document))
    {
        return Ok(Err(error.into()));
    }
    let secured = reopen(line, &document, &chip)?;
    let keys = match &line.rotation {
        Some(rotation) if rotation.to == secured.key_version() => rotation.keys,
        _ => line.keys,
    };
    let access = Access { version: secured.key_version(), ..access(line.profile, keys) };
    Ok(judged.set_transport_pin(line.ledger, secured.into_card(), &codes, access, line.random))
}

fn reason_of(complaint: Complaint) -> Reason {
    match complaint {
        // Whatever else was not judged then follows from it.
        Complaint::Verdict { verdict: Verdict::Unreadable, checks } if checks.iter().any(|(id, _)| *id == ACCESS) => {
            let reason = checks.into_iter().find(|(id, _)| *id == ACCESS).map(|(_, reason)| reason);
            Reason::Unopened { reason: reason.unwrap_or_default() }
        }
        Complaint::Verdict { verdict, checks } => {
            let checks = checks.into_iter().map(|(id, _)| id.to_owned()).collect();
            Reason::Verdict { verdict, checks }
        }
        Complaint::Broke { restart } => Reason::Broke { restart: restart.to_string() },
        Complaint::Differs { file } => Reason::Differs { file: file.to_owned() },
        Complaint::Interrupted => Reason::Disagreement { what: "the card left while it was read back" },
    }
}
