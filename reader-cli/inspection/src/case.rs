//! The case under judgement: evidence, trust and time, with everything parsed once that several checks look at.

use std::collections::{BTreeMap, BTreeSet};

use iso7816::Status;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use lds::files::{self, Access, EF_CARD_SECURITY, EF_SOD};
use lds::security_infos::SecurityInfos;
use lds::sod::LdsSecurityObject;
use trust::chain::Document;
use trust::defect_list::KnownDefect;
use trust::security_object::{self, Judgement as SodJudgement};
use trust::{Authentic, CardSecurity, Certificate, Finding, Hash, Leniency, Outcome, SecurityObject, TrustStore};

use crate::checks::{CHECKS, Judgement, rests_on_no_document};
use crate::evidence::{Evidence, FileEvidence};
use crate::holder::{Contents, DisplayedPicture, Holder, Portrait};
use crate::procedure::Bac;
use crate::report::{CheckResult, Report, VERSION};
use crate::verdict::{Class, Verdict, Weight, decide};

/// What the authority in charge of the inspection decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether evidence read under Basic Access Control is acceptable.
    pub bac: Bac,
}

/// Judges evidence. The same arguments always give the same report.
pub fn judge(evidence: &Evidence, store: &TrustStore, policy: &Policy, now: Timestamp) -> Report {
    let case = Case::new(evidence, store, *policy, now);
    let judgements: Vec<Judgement> = CHECKS.iter().map(|check| (check.judge)(&case)).collect();
    let weights = CHECKS.iter().zip(&judgements).map(|(check, judgement)| Weight {
        class: check.class,
        outcome: judgement.outcome,
        failed: judgement.points_at.unwrap_or(check.failed),
        unjudged: judgement.points_at.unwrap_or(check.unjudged),
    });
    let verdict = decide(weights.clone(), case.authentic());
    let decisive: Vec<_> =
        CHECKS.iter().zip(weights).filter(|(_, weight)| weight.points_at() == Some(verdict)).collect();
    // What failed is the cause; what could not be judged for it is a consequence.
    let failed = decisive.iter().any(|(_, weight)| weight.outcome == Outcome::Failed);
    let causes = decisive.iter().filter(|(_, weight)| !failed || weight.outcome == Outcome::Failed);
    let because = causes.map(|(check, _)| check.id).collect();
    let only_unread =
        verdict == Verdict::GenuineStatusUnknown && decisive.iter().all(|(check, _)| check.class == Class::Conditional);
    let mut meaning = meaning(verdict, only_unread, &case.unread());
    if verdict.is_genuine() && rests_on_no_document(&case) {
        meaning.push_str(" The chip is one of this issuer's; that it is the one of this document was not proved.");
    }
    if evidence.without_chip() {
        meaning.push_str(" Files were judged, not a card: whatever they prove, they can be a copy.");
    }
    let checks = CHECKS.iter().zip(judgements).map(|(check, judgement)| CheckResult {
        id: check.id,
        title: check.title,
        class: check.class,
        result: judgement.outcome,
        remedy: judgement.advice(check, evidence.interrupted.as_ref()),
        reason: judgement.reason,
    });
    Report {
        version: VERSION,
        verdict,
        meaning,
        because,
        time: now,
        read_at: evidence.read_at,
        access_protocol: evidence.access.established.as_ref().map(ToString::to_string),
        access_attempts: evidence.access.attempts.clone(),
        quirks: evidence.quirks.clone(),
        restarted: evidence.restarted.clone(),
        trust_bundle_version: store.number(),
        checks: checks.collect(),
        leniencies: case.leniencies(),
        altered: case.altered().map(|number| format!("DG{number}")).collect(),
        authentic: case.authentic().is_some(),
        holder: Holder::of(&case.contents, case.authentic().is_some(), case.today()),
        displayed: DisplayedPicture::of(&case.contents),
        portrait: Portrait::of(&case.contents),
    }
}

/// The verdict as a sentence. One that speaks for the data names those it does not speak for.
fn meaning(verdict: Verdict, only_unread: bool, unread: &[u8]) -> String {
    let sentence = match only_unread {
        true => "The data that were read are genuine and in force.",
        false => verdict.sentence(),
    };
    let for_data = verdict.is_genuine() || verdict == Verdict::CloneSuspect;
    if !for_data || unread.is_empty() {
        return sentence.to_owned();
    }
    let name = |number: &u8| if *number == 2 { "the portrait (DG2)".to_owned() } else { format!("DG{number}") };
    let names: Vec<String> = unread.iter().map(name).collect();
    format!("{sentence} Not checked: {}.", names.join(", "))
}

/// What became of one data group that the security object lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Integrity {
    /// Read; its hash is the one in the security object.
    Identical,
    /// Read; its hash is another one.
    Different,
    /// Not read completely.
    NotRead(FileEvidence),
    /// Chip access opens it, but the evidence does not say what became of it.
    NotAsked,
    /// Not asked for, or not given to this terminal: only extended access opens it.
    Closed,
}

/// Everything a check may look at.
pub(crate) struct Case<'a> {
    pub evidence: &'a Evidence,
    pub store: &'a TrustStore,
    pub policy: Policy,
    pub now: Timestamp,
    /// What the security object lists, signature or not; the reason when it cannot be read.
    pub listed: Result<LdsSecurityObject, SodProblem>,
    /// What `trust` says of its signature and signer.
    pub sod: Option<SodJudgement>,
    /// EF.CardSecurity.
    pub card_security: SecurityFile,
    /// Every listed data group, by number.
    pub integrity: BTreeMap<u8, Integrity>,
    /// Data groups whose hash is the listed one, parsed.
    pub contents: Contents,
    /// The session that broke before, as far as the evidence keeps it.
    broken: Option<Box<Case<'a>>>,
}

/// What became of EF.CardSecurity.
pub(crate) enum SecurityFile {
    /// Not asked for: EF.CardAccess offers nothing that needs it.
    NotAsked,
    /// Not read completely.
    NotRead(FileEvidence),
    /// No signed data over SecurityInfos.
    Malformed(String),
    /// Read; what is said of its signature, and what it holds if that can be read.
    Read(Box<SodJudgement<CardSecurity>>, Option<SecurityInfos>),
}

/// Why there is no security object to work with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SodProblem {
    /// It was not read.
    NotRead,
    /// The session ended before it was read.
    Interrupted,
    /// It was read, but is none.
    Malformed(String),
}

impl<'a> Case<'a> {
    fn new(evidence: &'a Evidence, store: &'a TrustStore, policy: Policy, now: Timestamp) -> Self {
        let broken = evidence.restarted.as_ref().and_then(|restart| restart.session.as_deref());
        let broken = broken.map(|broken| Box::new(Case::of_session(broken, store, policy, now)));
        Case { broken, ..Case::of_session(evidence, store, policy, now) }
    }

    /// One session, whatever was before it.
    fn of_session(evidence: &'a Evidence, store: &'a TrustStore, policy: Policy, now: Timestamp) -> Self {
        let signed = signed_object(evidence);
        let listed = match &signed {
            Ok(signed) => LdsSecurityObject::parse(signed.claimed().content())
                .map_err(|error| SodProblem::Malformed(error.to_string())),
            Err(problem) => Err(problem.clone()),
        };
        let integrity = listed.as_ref().map(|listed| integrity(listed, evidence)).unwrap_or_default();
        let contents = Contents::parse(|number| match integrity.get(&number)? {
            Integrity::Identical => evidence.content(files::data_group(number)?.name),
            _ => None,
        });
        // Only what the security object vouches for is held against its signer.
        let document = Document {
            now,
            code: contents.document_code(),
            issuing_state: contents.issuing_state(),
            issued: contents.date_of_issue(),
        };
        let sod = signed.ok().map(|signed| signed.judge(store, &document));
        let card_security = SecurityFile::judge(evidence, store, &document);
        Case { evidence, store, policy, now, listed, sod, card_security, integrity, contents, broken: None }
    }

    /// The judgement of a proof of the chip over all sessions: one that failed in a session that then broke stands.
    ///
    /// Only where the chip did not answer at all, or broke the channel in the middle, a proof of the same document in the next
    /// session makes up for it: readers and cards that keep less than they promise look the same. `answered` says whether a
    /// session holds an answer.
    pub fn proof(&self, judge: impl Fn(&Case<'_>) -> Judgement, answered: impl Fn(&Evidence) -> bool) -> Judgement {
        let judgement = judge(self);
        let Some(broken) = &self.broken else { return judgement };
        let before = judge(broken);
        let same_document = || self.evidence.content(EF_SOD.name) == broken.evidence.content(EF_SOD.name);
        let stands = match judgement.outcome {
            Outcome::Failed => false,
            Outcome::Successful => answered(broken.evidence),
            // Not asked for again, as another proof was given.
            Outcome::NotSupported => answered(broken.evidence) || !same_document(),
            Outcome::Undetermined | Outcome::Aborted => true,
        };
        match before.outcome {
            Outcome::Failed if stands => {
                let reason = format!("in a first session, which then broke: {}", before.reason);
                Judgement { reason, ..before }
            }
            _ => judgement,
        }
    }

    /// Listed data groups that stayed closed to this terminal.
    pub fn closed(&self) -> impl Iterator<Item = u8> + '_ {
        self.integrity.iter().filter(|(_, integrity)| **integrity == Integrity::Closed).map(|(number, _)| *number)
    }

    /// Data groups that were read and are not those that were signed.
    fn altered(&self) -> impl Iterator<Item = u8> + '_ {
        let altered = self.integrity.iter().filter(|(_, integrity)| **integrity == Integrity::Different);
        altered.map(|(number, _)| *number)
    }

    /// Listed data groups that were not judged, whether this terminal could have read them or not.
    fn unread(&self) -> Vec<u8> {
        let unread = |integrity: &Integrity| {
            let without_result = [FileEvidence::Skipped, FileEvidence::Interrupted].map(Integrity::NotRead);
            matches!(integrity, Integrity::NotAsked | Integrity::Closed) || without_result.contains(integrity)
        };
        self.integrity.iter().filter(|(_, integrity)| unread(integrity)).map(|(number, _)| *number).collect()
    }

    /// The proof that the security object is authentic.
    pub fn authentic(&self) -> Option<&Authentic<SecurityObject>> {
        // A security object whose list cannot be read proves nothing about any file.
        self.listed.as_ref().ok().and(self.sod.as_ref()?.authentic())
    }

    /// What was tolerated, each once.
    fn leniencies(&self) -> Vec<Leniency> {
        let used = self.sod.iter().flat_map(|sod| &sod.leniencies).copied();
        let used = used.chain(self.card_security.judgement().into_iter().flat_map(|file| &file.leniencies).copied());
        used.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What `trust` found under this name.
    pub fn finding(&self, id: &str) -> Option<&Finding> {
        self.sod.as_ref()?.findings().find(|finding| finding.id == id)
    }

    /// The day of inspection where it is latest on earth to become: a document is good to the end of its last day everywhere.
    pub fn today(&self) -> Date {
        self.now.to_zoned(TimeZone::fixed(Offset::constant(-12))).date()
    }

    /// What EF.CardSecurity holds, when a trusted document signer signed it.
    pub fn authentic_card_security(&self) -> Option<&SecurityInfos> {
        match &self.card_security {
            SecurityFile::Read(judgement, Some(infos)) => judgement.authentic().map(|_| infos),
            _ => None,
        }
    }

    /// DG14, when the authentic security object vouches for the bytes that were read.
    pub fn authentic_dg14(&self) -> Option<&[u8]> {
        self.authentic_group(14)
    }

    /// A data group, when the authentic security object vouches for the bytes that were read.
    pub fn authentic_group(&self, number: u8) -> Option<&[u8]> {
        self.authentic()?;
        let read = self.integrity.get(&number) == Some(&Integrity::Identical);
        read.then(|| self.evidence.content(files::data_group(number)?.name)).flatten()
    }

    /// Whether a defect list says this of the documents of EF.SOD's signer.
    pub fn is_known(&self, defect: &KnownDefect) -> bool {
        self.authentic().is_some_and(|object| self.is_known_of(object.signer(), defect))
    }

    /// The same of the signer of EF.CardSecurity, who need not be the same.
    pub fn is_known_of_card_security(&self, defect: &KnownDefect) -> bool {
        let file = self.card_security.judgement().and_then(|judgement| judgement.authentic());
        file.is_some_and(|file| self.is_known_of(file.signer(), defect))
    }

    fn is_known_of(&self, signer: &Certificate, defect: &KnownDefect) -> bool {
        self.store.defect_lists_about(signer).flat_map(|list| list.about(signer)).any(|one| one == defect)
    }
}

impl SecurityFile {
    fn judge(evidence: &Evidence, store: &TrustStore, document: &Document) -> Self {
        let content = match evidence.files.get(EF_CARD_SECURITY.name) {
            None => return SecurityFile::NotAsked,
            Some(FileEvidence::Read { content }) => content,
            Some(FileEvidence::Malformed { reason }) => return SecurityFile::Malformed(reason.clone()),
            Some(other) => return SecurityFile::NotRead(other.clone()),
        };
        match security_object::parse_card_security(content) {
            Ok(signed) => {
                let infos = SecurityInfos::parse(signed.claimed().security_infos()).ok();
                SecurityFile::Read(Box::new(signed.judge(store, document)), infos)
            }
            Err(error) => SecurityFile::Malformed(error.to_string()),
        }
    }

    /// What is said of its signature.
    pub fn judgement(&self) -> Option<&SodJudgement<CardSecurity>> {
        match self {
            SecurityFile::Read(judgement, _) => Some(judgement),
            _ => None,
        }
    }
}

fn signed_object(evidence: &Evidence) -> Result<security_object::SignedSecurityObject, SodProblem> {
    let file = match evidence.files.get(EF_SOD.name) {
        Some(FileEvidence::Read { content }) => content,
        Some(FileEvidence::Malformed { reason }) => return Err(SodProblem::Malformed(reason.clone())),
        Some(FileEvidence::Interrupted) => return Err(SodProblem::Interrupted),
        _ if evidence.is_cut() => return Err(SodProblem::Interrupted),
        _ => return Err(SodProblem::NotRead),
    };
    let cms = lds::sod::unwrap(file).map_err(|error| SodProblem::Malformed(error.to_string()))?;
    security_object::parse(cms).map_err(|error| SodProblem::Malformed(error.to_string()))
}

fn integrity(listed: &LdsSecurityObject, evidence: &Evidence) -> BTreeMap<u8, Integrity> {
    let hash = Hash::from_oid(listed.hash.oid());
    let judge = |(number, expected): (&u8, &Vec<u8>)| {
        let name = files::data_group(*number).map(|file| file.name).unwrap_or_default();
        let extended = files::data_group(*number).is_some_and(|file| file.access == Access::Extended);
        let integrity = match evidence.files.get(name) {
            Some(FileEvidence::Read { content }) if hash.is_some_and(|hash| hash.digest(content) == *expected) => {
                Integrity::Identical
            }
            Some(FileEvidence::Read { .. }) => Integrity::Different,
            // The chip knows better than the terminal what its certificates are worth.
            Some(FileEvidence::Refused { status: Status::SECURITY_NOT_SATISFIED }) if extended => Integrity::Closed,
            Some(other) => Integrity::NotRead(other.clone()),
            None if extended => Integrity::Closed,
            None if evidence.is_cut() => Integrity::NotRead(FileEvidence::Interrupted),
            None => Integrity::NotAsked,
        };
        (*number, integrity)
    };
    listed.hashes.iter().map(judge).collect()
}

/// The list of data groups in EF.SOD, nothing verified: for the procedure, which must know what to ask for.
pub(crate) fn unverified_content(sod: &[u8]) -> Option<LdsSecurityObject> {
    let signed = security_object::parse(lds::sod::unwrap(sod).ok()?).ok()?;
    LdsSecurityObject::parse(signed.claimed().content()).ok()
}
