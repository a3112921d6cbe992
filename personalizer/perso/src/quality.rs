//! Quality: every card is read back as an embassy would read it, before anyone calls it good.
//!
//! The same `inspection` code runs here and at the embassy: PACE with the access number, every file, passive authentication
//! against the trust store, and every proof of the chip that its files offer. On top of its verdict, the bytes on the chip must be the bytes that were
//! planned. The citizen application is read as any computer does. [`Approved`] can only be made here.

use std::collections::BTreeMap;

use channel::password::Password;
use channel::random::Random;
use channel::terminal_auth::authorities;
use eid::Application;
use eid::certificate::Container;
use eid::keys::{Algorithm, KeyReference};
use eid::objects::Object;
use inspection::evidence::{FileEvidence, Interruption, Restart};
use inspection::procedure::{Access, Bac, Options};
use inspection::{Evidence, Policy, Report, Verdict};
use iso7816::{Card, Status};
use jiff::Timestamp;
use lds::files::{Access as FileAccess, EF_CVCA, EF_SOD};
use openssl::sha::sha256;
use trust::{Outcome, TrustStore};

use crate::citizen::dialogue;
use crate::issuer::DialogueError;
use crate::plan::{PlannedFile, SignedPlan};
use crate::stage::citizen_digest;

/// What must be on the chip.
#[derive(Clone, Debug)]
pub struct Expected {
    files: BTreeMap<&'static str, Vec<u8>>,
    security_object: [u8; 32],
    /// Files that the chip must refuse to whoever is no terminal.
    closed: Vec<&'static str>,
    /// The authorities that the chip must believe when it has such files, as EF.CVCA names them.
    pub(crate) authorities: Vec<String>,
    pub(crate) citizen: Option<ExpectedCitizen>,
}

/// What must be in the citizen application.
#[derive(Clone, Debug)]
pub(crate) struct ExpectedCitizen {
    /// Objects that anybody reads and that were written before the certificates, in their order.
    pub(crate) objects: Vec<&'static Object>,
    /// SHA-256 of the certificate of each key.
    pub(crate) certificates: Vec<(KeyReference, Algorithm, [u8; 32])>,
    /// Digest over all contents.
    pub(crate) digest: [u8; 32],
    /// What a key says to whoever has no PIN.
    pub(crate) refusal: Status,
}

impl ExpectedCitizen {
    /// Reads it as any computer does: what is not as it must be.
    fn difference(&self, card: &mut dyn Card) -> Result<Option<&'static str>, DialogueError> {
        let certificates: Vec<_> = self.certificates.iter().map(|(key, ..)| key.certificate()).collect();
        let objects: Vec<_> = self.objects.iter().copied().chain(certificates.iter().copied()).collect();
        let of = |application| objects.iter().copied().filter(move |object| object.application == application);
        let national: Vec<_> = of(Application::National).collect();
        // Cards of others do not have it.
        let mut contents =
            if national.is_empty() { Vec::new() } else { dialogue::read(card, Application::National, &national)? };
        contents.extend(dialogue::read(card, Application::Piv, &of(Application::Piv).collect::<Vec<_>>())?);
        let content =
            |object: &Object| contents.iter().find(|(read, _)| *read == object).map(|(_, content)| &content[..]);
        for (key, _, digest) in &self.certificates {
            let read = content(key.certificate()).and_then(|content| Container::parse(content).ok()?.der().ok());
            if read.map(sha256) != Some(*digest) {
                return Ok(Some(key.certificate().name));
            }
        }
        if citizen_digest(objects.iter().filter_map(|object| content(object))) != self.digest {
            return Ok(Some("the citizen application"));
        }
        for (key, algorithm, _) in &self.certificates {
            if dialogue::without_pin(card, *key, *algorithm)? != self.refusal {
                return Ok(Some("the lock on the citizen's keys"));
            }
        }
        Ok(None)
    }
}

/// Fingers open to authorised terminals only, and a production line is none: EF.SOD vouches for what was written, every block of
/// which the card acknowledged.
fn is_readable(planned: &PlannedFile) -> bool {
    planned.file.access != FileAccess::Extended
}

impl Expected {
    /// Nothing but what the ledger says of the citizen application.
    pub(crate) fn citizen_alone() -> Self {
        let (files, closed, authorities) = (BTreeMap::new(), Vec::new(), Vec::new());
        Expected { files, security_object: [0; 32], closed, authorities, citizen: None }
    }

    /// Every file of a plan.
    pub fn of(plan: &SignedPlan) -> Self {
        let entry = |planned: PlannedFile| (planned.file.name, planned.bytes);
        let (readable, closed): (Vec<_>, Vec<_>) = plan.files().into_iter().partition(is_readable);
        Expected {
            files: readable.into_iter().map(entry).collect(),
            security_object: plan.security_object_digest(),
            closed: closed.iter().map(|planned| planned.file.name).collect(),
            authorities: Vec::new(),
            citizen: None,
        }
    }

    /// What is still known of a card whose keys are gone: every file that does not depend on them, and the digest of
    /// EF.SOD, which vouches for the rest.
    pub fn without_key(files: &[PlannedFile], security_object: [u8; 32]) -> Self {
        let depends = |planned: &&PlannedFile| matches!(planned.file.data_group, Some(14 | 15));
        let independent = files.iter().filter(|planned| !depends(planned) && is_readable(planned));
        let entry = |planned: &PlannedFile| (planned.file.name, planned.bytes.clone());
        let closed = files.iter().filter(|planned| !is_readable(planned)).map(|planned| planned.file.name).collect();
        let files = independent.map(entry).collect();
        Expected { files, security_object, closed, authorities: Vec::new(), citizen: None }
    }

    /// The first file on the chip that is not the one planned.
    fn difference(&self, evidence: &Evidence) -> Option<&'static str> {
        let differs = |(name, bytes): &(&&'static str, &Vec<u8>)| evidence.content(name) != Some(bytes.as_slice());
        let sod = evidence.content(EF_SOD.name).map(sha256);
        if sod != Some(self.security_object) {
            return Some(EF_SOD.name);
        }
        self.files.iter().find(differs).map(|(name, _)| *name).or_else(|| self.open(evidence))
    }

    /// The first file that should be closed and is not, or EF.CVCA when other authorities open it than was planned.
    fn open(&self, evidence: &Evidence) -> Option<&'static str> {
        let refused = FileEvidence::Refused { status: Status::SECURITY_NOT_SATISFIED };
        if let Some(open) = self.closed.iter().find(|name| evidence.files.get(**name) != Some(&refused)) {
            return Some(open);
        }
        let believed = || {
            let authorities = authorities(evidence.content(EF_CVCA.name)?).ok()?;
            Some(authorities.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        (!self.closed.is_empty() && believed().as_ref() != Some(&self.authorities)).then_some(EF_CVCA.name)
    }
}

/// The proof that a card was read back and found good.
#[derive(Debug)]
pub struct Approved {
    report: Option<Report>,
}

impl Approved {
    /// What the inspection said; of a card that is no travel document it says nothing.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }
}

/// Why a card that was read back is not good.
#[derive(Debug)]
pub enum Complaint {
    /// The reading ended early: the card is gone or the reader failed. Nothing is known about the card. (Whatever else ends the
    /// reading, such as answers that break secure messaging, is the card's fault, and the verdict says so.)
    Interrupted,
    /// The inspection's verdict is another one than "genuine, valid".
    Verdict {
        /// The verdict.
        verdict: Verdict,
        /// The checks that did not succeed, with their reasons.
        checks: Vec<(&'static str, String)>,
    },
    /// The card broke secure messaging while it was read, and was read whole in a second session only. An embassy is content with
    /// that; whoever made the card hands out none that has begun to fail.
    Broke {
        /// Where and how.
        restart: Restart,
    },
    /// A file on the chip is not the one planned.
    Differs {
        /// Its name.
        file: &'static str,
    },
}

/// How a card is read back.
pub struct Reading {
    /// The password that opens it.
    pub password: Password,
    /// Whether BAC may: only where it is the only access that the card has.
    pub bac: Bac,
    /// The most data bytes in one APDU, where extended length is known and needed.
    pub extended_length: Option<u32>,
    /// The time.
    pub now: Timestamp,
}

/// The checks of what the chip proves of itself.
const PROOFS: [&str; 3] = ["pace-cam", "chip-authentication", "active-authentication"];

/// Reads a card that was just powered up, and judges it.
///
/// # Errors
/// See [`Complaint`].
pub fn approve(
    card: &mut dyn Card,
    reading: Reading,
    expected: &Expected,
    trust: &TrustStore,
    random: &mut dyn Random,
) -> Result<Approved, Complaint> {
    let Reading { password, bac, extended_length, now } = reading;
    let access = Access { password, bac, printed_mrz: None };
    let mut options = Options { every_proof: true, extended_length: extended_length.is_some(), ..Options::new(now) };
    options.reader_limit = extended_length.unwrap_or(options.reader_limit);
    let evidence = inspection::inspect(card, &access, &options, random, &mut |_| {});
    let restart = evidence.restarted.as_ref();
    let contact = |cause: &&Interruption| matches!(cause, Interruption::CardLost | Interruption::Reader { .. });
    // Contact that was lost for a moment accuses no card, and approves none: it is read again from the start.
    if evidence.interrupted.iter().chain(restart.map(|restart| &restart.cause)).any(|cause| contact(&cause)) {
        return Err(Complaint::Interrupted);
    }
    let report = inspection::judge(&evidence, trust, &Policy { bac }, now);
    // An embassy is content with one proof; whoever made the chip knows that all its keys are good.
    let proved = |id: &str| {
        report.check(id).is_none_or(|check| matches!(check.result, Outcome::Successful | Outcome::NotSupported))
    };
    if report.verdict != Verdict::GenuineValid || !PROOFS.iter().all(|id| proved(id)) {
        let checks = report.complaints().map(|check| (check.id, check.reason.clone())).collect();
        return Err(Complaint::Verdict { verdict: report.verdict, checks });
    }
    if let Some(restart) = evidence.restarted {
        return Err(Complaint::Broke { restart });
    }
    if let Some(file) = expected.difference(&evidence) {
        return Err(Complaint::Differs { file });
    }
    match expected.citizen.as_ref().map(|citizen| citizen.difference(card)).transpose() {
        Ok(None | Some(None)) => Ok(Approved { report: Some(report) }),
        Ok(Some(Some(file))) => Err(Complaint::Differs { file }),
        Err(error) if error.is_interruption() => Err(Complaint::Interrupted),
        Err(_) => Err(Complaint::Differs { file: "the citizen application" }),
    }
}

/// Reads the citizen application of a card that has nothing else, and compares it with what was written.
///
/// # Errors
/// See [`Complaint`].
pub(crate) fn approve_citizen(card: &mut dyn Card, expected: &Expected) -> Result<Approved, Complaint> {
    let Some(citizen) = &expected.citizen else {
        return Err(Complaint::Differs { file: "the citizen application" });
    };
    match citizen.difference(card) {
        Ok(None) => Ok(Approved { report: None }),
        Ok(Some(file)) => Err(Complaint::Differs { file }),
        Err(error) if error.is_interruption() => Err(Complaint::Interrupted),
        Err(_) => Err(Complaint::Differs { file: "the citizen application" }),
    }
}
