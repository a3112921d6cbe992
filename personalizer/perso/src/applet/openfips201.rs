//! OpenFIPS201: everything in SCP03 that is opened on the applet with the keys of the chip's issuer domain; then these keys are the
//! issuer's.
//!
//! ```text
//! 00DB 3F00  64 {..} objects, 66 {..} keys        created once, and never deleted
//! 0047, 0024 FF 80 and 81, VERIFY, sign           key pairs, and the proof of possession under a PIN that is forgotten
//! 00DB 3FFF                                       objects and certificates
//! PUT KEY, DELETE                                 the issuer's keys: the lock
//! 0024 FF 81 PUK, 0024 FF 80 PIN                  as often as wanted
//! ```
//!
//! The applet gets no management key: who has the issuer's keys for the chip administers it. Facts and where they are from:
//! `hardware-docs/cards/openfips201.md`.

use channel::random::Random;
use eid::Application;
use eid::keys::{Algorithm, KeyReference, Purpose};
use eid::objects::{CARD_HOLDER_UNIQUE_IDENTIFIER, DISCOVERY_OBJECT, INS_PUT_DATA, Object};
use eid::pin::verify;
use iso7816::tlv::{Tag, Writer};
use iso7816::{Card, Command, Status};

use super::{Condition, Dialect, Rule, again, citizen_card};
use crate::citizen::dialogue::{self, Access, IssuerView, Proof};
use crate::citizen::{CitizenPlan, TransportCodes};
use crate::execute::{Failure, Line, Progress, StationCard, Unusable, open};
use crate::issuer::{DialogueError, IssuerDomain, accepted};
use crate::ledger::Step;
use crate::plan::{Plan, PlanError, SignedPlan};
use crate::profile::Profile;
use crate::quality::{Approved, Complaint, Expected};
use crate::stage::{Document, Held, Judged, Sealed, StepError, Written};

const LABEL: &str = "OpenFIPS201";
/// PUT DATA of the administrator.
const ADMINISTER: [u8; 2] = [0x3F, 0x00];
/// What was created before.
const EXISTS: Status = Status(0x6E27);

const NEVER: u8 = 0x00;
const AFTER_PIN: u8 = 0x01;
const RIGHT_AFTER_PIN: u8 = 0x02;
const ALWAYS: u8 = 0x7F;
const ROLE_ESTABLISH: u8 = 0x02;
const ROLE_SIGN: u8 = 0x04;
const NO_ATTRIBUTE: u8 = 0x00;

pub(crate) struct OpenFips201;

impl Dialect for OpenFips201 {
    fn name(&self) -> &'static str {
        "OpenFIPS201"
    }

    fn is_travel_document(&self) -> bool {
        false
    }

    fn misfit(&self, profile: &Profile) -> Option<Rule> {
        citizen_card::misfit(profile)
    }

    fn check(&self, plan: &Plan) -> Result<(), PlanError> {
        citizen_card::check(plan, self.name())
    }

    fn fit(&self, citizen: &mut CitizenPlan, most: Option<usize>) -> Result<(), PlanError> {
        citizen_card::fit(citizen, most, self.name())
    }

    fn steps(&self, plan: &Plan) -> Vec<String> {
        citizen_card::steps(
            plan,
            "a channel on it, PUT DATA 3F00: objects and keys are created",
            "PUT KEY into the issuer domain, DELETE the keys that the chip came with",
            "0024 FF: PIN and PUK, and their letter",
        )
    }

    fn condition(&self, line: &mut Line<'_>, card: &mut dyn Card) -> Result<Condition, Failure> {
        let domain = IssuerDomain::select(&mut *card).map_err(Unusable::Dialogue)?;
        let mut secured = open(line, domain)?;
        let done = line.rotation.map(|rotation| rotation.is_done(&mut secured)).transpose();
        let locked = done.map_err(Unusable::Dialogue)?.unwrap_or(false);
        drop(secured);
        match citizen_card::select(card).map_err(Unusable::Dialogue)? {
            None => return Ok(Condition::Absent),
            Some(label) if label.starts_with(LABEL) => {}
            Some(_) => return Err(citizen_card::other("it is another PIV program than OpenFIPS201")),
        }
        let written = citizen_card::has(card, &CARD_HOLDER_UNIQUE_IDENTIFIER).map_err(Unusable::Dialogue)?;
        Ok(match (locked, written) {
            (true, true) => Condition::Locked,
            (false, false) => Condition::Empty,
            _ => Condition::Begun,
        })
    }

    fn write(
        &self,
        line: &mut Line<'_>,
        document: Document<Held<StationCard>>,
        plan: &SignedPlan,
    ) -> Result<Document<Written>, StepError> {
        let Some(citizen) = plan.citizen() else { return Ok(document.written(line.ledger)?) };
        // What is there already can only be the line's own work when there was some.
        let resumed = line.ledger.book().document(&document.number).is_some_and(|record| record.last.is_some());
        (line.progress)(Progress::Step(Step::CitizenKeys));
        let access = access(line);
        let (document, proofs) = document.prove(line.ledger, |card| {
            let access = access.now(card.as_mut())?;
            create(card.as_mut(), citizen, access, resumed, line.random)?;
            let (_, proofs): (_, Vec<Proof>) =
                dialogue::make_keys(card.as_mut() as &mut dyn Card, &citizen.keys, access, line.random)?;
            Ok(proofs)
        })?;
        let objects = document.certified(line.ledger, citizen, line.citizens.as_mut(), &proofs)?;
        (line.progress)(Progress::Step(Step::CitizenFiles));
        let most = plan.plan().largest_object();
        let digest = crate::stage::citizen_digest(objects.iter().map(|(_, content)| content.as_slice()));
        let document = document.step(line.ledger, Step::CitizenFiles, Some(digest), |card| {
            citizen_card::still_fits(&objects, most)?;
            let access = access.now(card.as_mut())?;
            dialogue::write(card.as_mut() as &mut dyn Card, &objects, access, line.random).map(drop)
        })?;
        document.keyed(line.ledger)?;
        (line.progress)(Progress::Step(Step::Lock));
        let document = document.step(line.ledger, Step::Lock, None, |card| {
            let Access { version, keys, options, .. } = access.now(card.as_mut())?;
            let secured = IssuerDomain::select(card.as_mut())?.open(version, keys, options, line.random)?;
            match line.rotation {
                Some(rotation) => rotation.carry_out(secured, options, line.random).map(drop),
                None => Ok(()),
            }
        })?;
        Ok(document.written(line.ledger)?)
    }

    fn approve(
        &self,
        _: &mut Line<'_>,
        card: StationCard,
        _: &SignedPlan,
        expected: &Expected,
    ) -> Result<Approved, Complaint> {
        citizen_card::approve(card, expected)
    }

    fn finish(
        &self,
        line: &mut Line<'_>,
        judged: Document<Judged>,
    ) -> Result<Result<Document<Sealed>, StepError>, Failure> {
        let (number, chip) = (judged.number.clone(), judged.chip.clone());
        if line.ledger.book().document(&number).is_some_and(|record| record.sealed) {
            return Ok(Ok(judged.locked_before()));
        }
        (line.progress)(Progress::Step(Step::TransportPin));
        let interrupted = |detail| Failure::Interrupted { document: number.clone(), chip: chip.clone(), detail };
        let codes = TransportCodes::draw(line.random)?;
        if let Some(citizens) = &mut line.citizens
            && let Err(error) = citizens.letters.keep(&codes.letter(&number))
        {
            return Ok(Err(error.into()));
        }
        let mut card = again(line, &chip).map_err(interrupted)?;
        let access = access(line);
        let done = judged.codes(line.ledger, || {
            let access = access.now(card.as_mut())?;
            IssuerView::open(card.as_mut(), Application::Piv, access, line.random)?.set_codes(&codes)
        });
        let judged = match done {
            Ok(judged) => judged,
            Err(error) => return Ok(Err(error)),
        };
        (line.progress)(Progress::Step(Step::Seal));
        Ok(judged.sealed(line.ledger, || {
            dialogue::select(card.as_mut(), &Application::Piv.aid())?;
            accepted(card.as_mut(), &verify(&codes.pin()?))?;
            // The PIN is the holder's from here on.
            dialogue::select(card.as_mut(), &Application::Piv.aid())
        }))
    }

    fn spoil(&self, card: &mut dyn Card) -> Result<(), DialogueError> {
        citizen_card::block(card)
    }
}

/// Both pairs of keys that a chip may have.
#[derive(Clone, Copy)]
struct Either<'a> {
    before: Access<'a>,
    after: Option<Access<'a>>,
}

fn access<'a>(line: &Line<'a>) -> Either<'a> {
    let card = &line.profile.card;
    let before = Access { version: card.key_version, keys: line.keys, options: card.channel(), link: card.block_size };
    let after = line.rotation.map(|rotation| Access { version: rotation.to, keys: rotation.keys, ..before });
    Either { before, after }
}

impl<'a> Either<'a> {
    /// Those that the chip has.
    fn now(&self, card: &mut dyn Card) -> Result<Access<'a>, DialogueError> {
        let versions = IssuerDomain::select(card)?.key_versions()?;
        Ok(self.after.filter(|after| versions.contains(&after.version)).unwrap_or(self.before))
    }
}

/// Creates every object and every key. What exists is refused, but for a card on which it was this line's own work.
fn create(
    card: &mut dyn Card,
    citizen: &CitizenPlan,
    access: Access<'_>,
    resumed: bool,
    random: &mut dyn Random,
) -> Result<(), DialogueError> {
    let mut issuer = IssuerView::open(card, Application::Piv, access, random)?;
    let certificates = citizen.keys.iter().map(|(key, _)| key.certificate());
    let objects = citizen.objects.iter().map(|(object, _)| *object).chain(certificates).chain([&DISCOVERY_OBJECT]);
    let requests =
        objects.map(object_request).chain(citizen.keys.iter().map(|(key, algorithm)| key_request(*key, *algorithm)));
    for request in requests {
        let [p1, p2] = ADMINISTER;
        let status = issuer.transmit(&Command::new(0x00, INS_PUT_DATA, p1, p2).with_data(request))?;
        if !(status.is_ok() || (resumed && status == EXISTS)) {
            return Err(DialogueError::Refused { instruction: INS_PUT_DATA, status });
        }
    }
    Ok(())
}

/// `64 { 8B tag  8C always  8D always }`.
fn object_request(object: &'static Object) -> Vec<u8> {
    let bytes = object.tag.0.to_be_bytes();
    let skip = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut writer = Writer::new();
    writer.nest(Tag(0x64), |request| {
        request.put(Tag(0x8B), bytes.get(skip..).unwrap_or_default());
        request.put(Tag(0x8C), [ALWAYS]).put(Tag(0x8D), [ALWAYS]);
    });
    writer.finish()
}

/// `66 { 8B key  8C mode  8D never  8E mechanism  8F role  90 attribute }`: keys are used over contacts only.
fn key_request(key: KeyReference, algorithm: Algorithm) -> Vec<u8> {
    let role = if key.purpose() == Purpose::Agree { ROLE_ESTABLISH } else { ROLE_SIGN };
    let mode = if key == KeyReference::Signature { RIGHT_AFTER_PIN } else { AFTER_PIN };
    let mut writer = Writer::new();
    writer.nest(Tag(0x66), |request| {
        request.put(Tag(0x8B), [key as u8]).put(Tag(0x8C), [mode]).put(Tag(0x8D), [NEVER]);
        request.put(Tag(0x8E), [algorithm as u8]).put(Tag(0x8F), [role]).put(Tag(0x90), [NO_ATTRIBUTE]);
    });
    writer.finish()
}
