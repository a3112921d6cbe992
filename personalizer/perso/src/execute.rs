//! Making one card: prepare everything, then touch the chip.
//!
//! ```text
//! plan, sign, judge the signature -> select, who are you, are you blank -> SCP03 -> bind -> the issuer's keys -> SCP03
//!   -> citizen application: keys, certificates, objects -> passwords and chip key -> files -> lock -> read back as an embassy would -> secure
//! ```
//!
//! Everything that can fail without a card is done before the first command. Until the binding is written a failure
//! costs at most a blank; after it, the document number belongs to this chip, and ends there: finished or rejected.
//! A card that is taken away in the middle is neither: [`Failure::Interrupted`] leaves it to [`crate::recover`].

mod approval;
mod blank;
mod outcome;
mod rejection;

use channel::random::{Random, RandomError};
use jiff::Timestamp;
use openssl::sha::sha256;
use trust::chain::{Document as Judgeable, id};
use trust::{Finding, Outcome as CheckOutcome, TrustStore, security_object};

use crate::applet;
use crate::citizen::dialogue::Access;
use crate::citizen::{self, CitizenPlan, Citizens};
use crate::keys::ChipKeys;
use crate::ledger::{Event, Ledger, LedgerError, Rule, State, Step};
use crate::order::{CardAccessNumber, Order};
use crate::plan::{Inputs, Plan, SignedPlan, plan};
use crate::portrait::Face;
use crate::profile::Profile;
use crate::quality::Expected;
use crate::rotation::{CardKeys, Rotation};
use crate::stage::{Binding, Bound, Document, StepError, Written};

pub use crate::station::{Connections, Station, StationCard, StationError};
pub(crate) use approval::approve_and_seal;
pub(crate) use blank::{first_refusal, open, reopen, select};
use blank::{take_blank, unknown_chip};
pub use outcome::{Failure, Finished, Outcome, Reason, Rejected, Unusable};
pub use rejection::reject;
pub(crate) use rejection::{fault, invalidate, not_locked};

/// Bytes of the random binding between chip and document number.
const TOKEN_LENGTH: usize = 16;

/// The document signer: a key that this crate never sees.
pub trait SecurityObjectSigner {
    /// Signs an LDSSecurityObject (DER); the answer is a CMS ContentInfo.
    ///
    /// # Errors
    /// When the signer cannot sign.
    fn sign(&self, lds_security_object: &[u8]) -> Result<Vec<u8>, SignerError>;

    /// Signs a record of the national file set; the answer is a CMS ContentInfo without the record in it.
    ///
    /// # Errors
    /// When the signer cannot sign.
    fn sign_record(&self, record: &[u8]) -> Result<Vec<u8>, SignerError>;

    /// Signs the SecurityInfos (DER) of a chip; the answer is EF.CardSecurity.
    ///
    /// # Errors
    /// When the signer cannot sign.
    fn sign_card_security(&self, security_infos: &[u8]) -> Result<Vec<u8>, SignerError>;
}

/// Why the document signer did not sign.
#[derive(Debug, thiserror::Error)]
#[error("the document signer did not sign: {source}")]
pub struct SignerError {
    /// What the signer said.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Where the work on one card stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A step begins.
    Step(Step),
    /// Bytes written, and bytes in all.
    Written {
        /// Bytes written.
        done: usize,
        /// Bytes in all.
        total: usize,
    },
}

/// Everything a production line has at hand.
pub struct Line<'a> {
    /// The card profile.
    pub profile: &'a Profile,
    /// The keys the blanks arrive with.
    pub keys: &'a dyn CardKeys,
    /// The issuer's keys that take their place; `None` leaves the cards with the keys they arrived with.
    pub rotation: Option<Rotation<'a>>,
    /// The document signer.
    pub signer: &'a dyn SecurityObjectSigner,
    /// Who helps with the citizen application, where the profile has one.
    pub citizens: Option<Citizens<'a>>,
    /// What an embassy believes: quality uses the same.
    pub trust: &'a TrustStore,
    /// The chip station.
    pub station: &'a mut dyn Station,
    /// The ledger.
    pub ledger: &'a mut Ledger,
    /// Randomness.
    pub random: &'a mut dyn Random,
    /// The time.
    pub clock: &'a dyn Fn() -> Timestamp,
    /// Whether a card that is begun here must be printed before it is packed.
    pub must_print: bool,
    /// Told where the work stands.
    pub progress: &'a mut dyn FnMut(Progress),
}

/// One order with its portrait, ready for the line.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The order.
    pub order: &'a Order,
    /// Its portrait.
    pub face: &'a Face,
}

impl Job<'_> {
    /// What the ledger keeps to tell this order from any other, hexadecimal: SHA-256 over the digests of the order and of its
    /// picture files. Nobody who lacks the pictures can try guesses of the order's data on it.
    pub fn digest(&self) -> String {
        hex::encode(sha256(&[self.order.digest, self.face.sources].concat()))
    }
}

/// Makes one card from the blank in the station.
///
/// # Errors
/// See [`Failure`]; after [`Failure::Interrupted`] the card must come back and be recovered.
pub fn personalize(line: &mut Line<'_>, job: Job<'_>) -> Result<Outcome, Failure> {
    accept(line.ledger, job)?;
    let plan = prepare(line, job, (line.clock)())?;
    if let Some(applet) = line.profile.card.applet {
        let chip = unknown_chip(line)?;
        return applet::personalize(line, applet, plan, (chip.serial().to_owned(), chip.into_card()));
    }
    let (blank, made_at) = take_blank(line, &plan)?;
    let mut token = [0; TOKEN_LENGTH];
    line.random.fill(&mut token)?;
    tracing::info!(document = blank.number, chip = blank.chip, "personalization begins");
    go_on(line, plan, |line, plan| {
        (line.progress)(Progress::Step(Step::Bind));
        let bound = blank.bind(line.ledger, Binding { token: &token, made_at, print: line.must_print })?;
        write(line, bound, plan)
    })
}

/// Plans and signs an order, and judges the signature, as [`personalize`] will: to know what stands in the way before a blank
/// is fed. Nothing is written down.
///
/// # Errors
/// See [`Failure`].
pub fn rehearse(line: &mut Line<'_>, job: Job<'_>) -> Result<(), Failure> {
    let now = (line.clock)();
    prepare(line, job, now).map(drop)
}

/// Enters the order, or says why it is not open.
pub(crate) fn accept(ledger: &mut Ledger, job: Job<'_>) -> Result<(), LedgerError> {
    if is_entered(ledger, job)? {
        return Ok(());
    }
    let (order, digest) = (job.order, job.digest());
    let document = order.document_number.clone();
    ledger.append(Event::Ordered { document, job_id: order.job_id.clone(), job: order.job, order: digest })
}

/// Whether the order was entered before: to know before a blank is fed what the ledger says.
///
/// # Errors
/// When its document is closed, or was ordered with other data.
pub fn is_entered(ledger: &Ledger, job: Job<'_>) -> Result<bool, LedgerError> {
    let document = job.order.document_number.clone();
    let refused = |rule| Err(LedgerError::Refused { rule });
    match ledger.book().document(&document) {
        None => Ok(false),
        Some(record) if record.state != State::Ordered => refused(Rule::Closed { document, state: record.state }),
        Some(record) if record.order != job.digest() => refused(Rule::OrderedDifferently { document }),
        Some(_) => Ok(true),
    }
}

/// The order of a document that is in work, and its pictures, must be those it was begun with.
pub(crate) fn accept_again(ledger: &Ledger, job: Job<'_>) -> Result<(), LedgerError> {
    let document = job.order.document_number.clone();
    match ledger.book().document(&document) {
        Some(record) if record.order == job.digest() => Ok(()),
        _ => Err(LedgerError::Refused { rule: Rule::OrderedDifferently { document } }),
    }
}

/// Everything that can fail without a card: plan, signature, and what an embassy would say of the signature.
pub(crate) fn prepare(line: &mut Line<'_>, job: Job<'_>, made_at: Timestamp) -> Result<SignedPlan, Failure> {
    let drawn;
    let access_number = match &job.order.card_access_number {
        Some(number) => number,
        None => {
            drawn = draw_access_number(line.random)?;
            &drawn
        }
    };
    if line.profile.eac.as_ref().is_some_and(|eac| eac.points().is_empty()) {
        return Err(Failure::NoCvca);
    }
    let keys = ChipKeys::generate(line.profile)?;
    let inputs = Inputs { made_at, access_number, keys: &keys };
    let plan = plan(job.order, line.profile, job.face, &inputs)?;
    let mut citizen = plan_citizen(line, &plan)?;
    if let (Some(applet), Some(citizen)) = (line.profile.card.applet, &mut citizen) {
        applet.dialect().fit(citizen, plan.largest_object())?;
    }
    if !line.profile.is_travel_document() {
        return Ok(plan.unsigned().with_citizen(citizen));
    }
    let cms = line.signer.sign(plan.security_object())?;
    check_signature(line, &plan, &cms)?;
    let card_security = plan.card_security().map(|infos| line.signer.sign_card_security(infos)).transpose()?;
    if let Some(file) = &card_security {
        check_card_security(line, &plan, file)?;
    }
    Ok(plan.signed(&cms, card_security).with_citizen(citizen))
}

fn plan_citizen(line: &mut Line<'_>, plan: &Plan) -> Result<Option<CitizenPlan>, Failure> {
    let Some(wanted) = plan.citizen() else { return Ok(None) };
    if line.citizens.is_none() {
        return Err(Failure::NoCitizenCa);
    }
    match CitizenPlan::new(wanted, plan.days()?, line.random, line.signer) {
        Ok(citizen) => Ok(Some(citizen)),
        Err(citizen::PlanError::Random(error)) => Err(error.into()),
        Err(citizen::PlanError::Signer(error)) => Err(error.into()),
    }
}

/// Six digits, each value equally likely.
fn draw_access_number(random: &mut dyn Random) -> Result<CardAccessNumber, RandomError> {
    loop {
        let mut bytes = [0; 4];
        random.fill(&mut bytes)?;
        let number = u32::from_be_bytes(bytes);
        // The largest multiple of a million below 2^32: beyond it some values would be likelier.
        if number < 4_294_000_000 {
            let digits = format!("{:06}", number % 1_000_000);
            if let Some(number) = CardAccessNumber::new(digits) {
                return Ok(number);
            }
        }
    }
}

/// A signer that embassies do not accept would spoil card after card: refuse before the first.
fn check_signature(line: &Line<'_>, plan: &Plan, cms: &[u8]) -> Result<(), Failure> {
    let signed = security_object::parse(cms).map_err(|error| not_trusted(error.to_string()))?;
    if signed.claimed().content() != plan.security_object() {
        return Err(not_trusted("the signer signed other data".to_owned()));
    }
    accepted(&signed.judge(line.trust, &judgeable(line, plan)))
}

fn check_card_security(line: &Line<'_>, plan: &Plan, file: &[u8]) -> Result<(), Failure> {
    let signed = security_object::parse_card_security(file).map_err(|error| not_trusted(error.to_string()))?;
    if Some(signed.claimed().security_infos()) != plan.card_security() {
        return Err(not_trusted("the signer signed other data".to_owned()));
    }
    accepted(&signed.judge(line.trust, &judgeable(line, plan)))
}

fn not_trusted(reason: String) -> Failure {
    Failure::NotTrusted { check: security_object::SIGNATURE.to_owned(), reason }
}

fn judgeable(line: &Line<'_>, plan: &Plan) -> Judgeable {
    Judgeable {
        now: (line.clock)(),
        code: Some(line.profile.document.code.clone()),
        issuing_state: Some(line.profile.document.state.clone()),
        issued: Some(plan.issued),
    }
}

fn accepted<T>(judgement: &security_object::Judgement<T>) -> Result<(), Failure> {
    // That no list of defects is at hand is not the signer's fault.
    let passed = |finding: &&Finding| match finding.outcome {
        CheckOutcome::Successful => true,
        CheckOutcome::NotSupported => finding.id == id::DEFECTS,
        _ => false,
    };
    let bad = judgement.findings().find(|finding| !passed(finding));
    match (judgement.authentic(), bad) {
        (Some(_), None) => Ok(()),
        (_, Some(finding)) => Err(Failure::NotTrusted { check: finding.id.to_owned(), reason: finding.reason.clone() }),
        (None, None) => Err(not_trusted("no trusted signer was found".to_owned())),
    }
}

/// The issuer's keys, passwords and chip key, files, lock.
pub(crate) fn write(
    line: &mut Line<'_>,
    mut bound: Document<Bound<StationCard>>,
    plan: &SignedPlan,
) -> Result<Document<Written>, StepError> {
    if let Some(rotation) = &line.rotation {
        (line.progress)(Progress::Step(Step::RotateKeys));
        bound = bound.rotate_keys(line.ledger, rotation, line.profile.card.channel(), line.random)?;
    }
    if let (Some(plan), Some(citizens)) = (plan.citizen(), &mut line.citizens) {
        (line.progress)(Progress::Step(Step::CitizenKeys));
        let keys = line.rotation.map_or(line.keys, |rotation| rotation.keys);
        let access = access(line.profile, keys);
        bound = bound.write_citizen(line.ledger, plan, citizens.ca, access, line.random)?;
    }
    let block_size = line.profile.card.block_size;
    let total = plan.size();
    let mut done = 0;
    let progress = &mut *line.progress;
    progress(Progress::Step(Step::WriteKeys));
    let mut written = |bytes| {
        done += bytes;
        progress(Progress::Written { done: done.min(total), total });
    };
    let keyed = bound.write_keys(line.ledger, plan, block_size, &mut written)?;
    let written = keyed.write_files(line.ledger, plan, block_size, &mut written)?;
    (line.progress)(Progress::Step(Step::Lock));
    Ok(written)
}

/// How the issuer's channel is opened on the citizen application; the version is that of the channel before.
fn access<'a>(profile: &Profile, keys: &'a dyn CardKeys) -> Access<'a> {
    let card = &profile.card;
    Access { version: card.key_version, keys, options: card.channel(), link: card.block_size }
}

/// Writes by `steps`, reads back, seals; a fault of the card rejects it.
pub(crate) fn go_on(
    line: &mut Line<'_>,
    plan: SignedPlan,
    steps: impl FnOnce(&mut Line<'_>, &SignedPlan) -> Result<Document<Written>, StepError>,
) -> Result<Outcome, Failure> {
    let document = plan.plan().document_number.clone();
    match steps(line, &plan) {
        Ok(written) => {
            let expected = Expected::of(&plan);
            approve_and_seal(line, written, plan, &expected)
        }
        Err(error) => fault(line, &document, error),
    }
}
