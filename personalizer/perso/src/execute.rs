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

mod outcome;

use channel::random::{Random, RandomError};
use eid::keys::{Algorithm, KeyReference};
use eid::objects::Access as Reading;
use inspection::Verdict;
use inspection::procedure::Bac;
use iso7816::tlv::{Tag, Writer};
use iso7816::{Aid, Card, Command, Status};
use jiff::Timestamp;
use lds::globalplatform::{ApplicationState, CardState};
use openssl::sha::sha256;
use trust::chain::{Document as Judgeable, id};
use trust::{Finding, Outcome as CheckOutcome, TrustStore, security_object};

use crate::applet;
use crate::citizen::dialogue::{self, Access};
use crate::citizen::{self, CitizenPlan, Citizens, TransportCodes};
use crate::issuer::{DialogueError, IssuerDomain, SecuredDomain};
use crate::keys::ChipKeys;
use crate::ledger::{Event, Ledger, LedgerError, Phase, Rule, State, Step};
use crate::order::{CardAccessNumber, Order};
use crate::plan::{Inputs, Plan, SignedPlan, plan};
use crate::portrait::Face;
use crate::profile::{ActiveKeyKind, Profile};
use crate::quality::{self, Complaint, Expected};
use crate::rotation::{CardKeys, Rotation};
use crate::stage::{Binding, Blank, Bound, Document, Judged, Sealed, StepError, Written};

pub use crate::station::{Connections, Station, StationCard, StationError};
pub use outcome::{Failure, Finished, Outcome, Reason, Rejected, Unusable};

/// The check that the chip was opened.
const ACCESS: &str = "access-protocol";

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

/// The blank in the station, with an open channel, looked at but not changed.
fn take_blank(line: &mut Line<'_>, plan: &SignedPlan) -> Result<(Document<Blank<StationCard>>, Timestamp), Failure> {
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
fn unknown_chip(line: &mut Line<'_>) -> Result<IssuerDomain<StationCard>, Failure> {
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
fn needs_long_answers(profile: &Profile) -> bool {
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
        return Err(Unusable::WrongKeys { chip }.into());
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

fn chip_of(line: &Line<'_>, document: &str) -> String {
    line.ledger.book().document(document).and_then(|record| record.chip.clone()).unwrap_or_default()
}

/// A step that did not succeed: gone, or rejected.
pub(crate) fn fault(line: &mut Line<'_>, document: &str, error: StepError) -> Result<Outcome, Failure> {
    let (step, source) = match error {
        StepError::Ledger(error) => return Err(error.into()),
        StepError::Certificates(source) => {
            let chip = chip_of(line, document);
            return Err(Failure::Certificates { document: document.to_owned(), chip, source });
        }
        StepError::Card { step, source } => (step, source),
    };
    let chip = chip_of(line, document);
    if source.is_interruption() {
        return Err(Failure::Interrupted { document: document.to_owned(), chip, detail: source.to_string() });
    }
    let reason = match source {
        DialogueError::Refused { instruction, status } => Reason::Refused { step, instruction, status },
        _ => Reason::BadAnswer { step },
    };
    reject(line, document, &chip, reason).map(Outcome::Rejected)
}

/// Closes the document as rejected, then locks the chip's application for good if it can be reached.
///
/// # Errors
/// When the ledger cannot be written.
pub fn reject(line: &mut Line<'_>, document: &str, chip: &str, reason: Reason) -> Result<Rejected, Failure> {
    tracing::warn!(document, chip, %reason, "rejected");
    line.ledger.append(Event::State {
        document: document.to_owned(),
        state: State::QaRejected,
        reason: Some(reason.to_string()),
    })?;
    let invalidated = invalidate(line, document, chip)?;
    Ok(Rejected { document: document.to_owned(), chip: chip.to_owned(), reason, invalidated })
}

/// Locks the application of a rejected chip; false when the chip cannot be reached or does not obey.
pub(crate) fn invalidate(line: &mut Line<'_>, document: &str, chip: &str) -> Result<bool, Failure> {
    let event = |phase| Event::Step {
        document: document.to_owned(),
        chip: chip.to_owned(),
        step: Step::Invalidate,
        phase,
        digest: None,
    };
    line.ledger.append(event(Phase::Intent))?;
    let locked = match line.profile.card.applet {
        Some(applet) => applet::again(line, chip).map_err(|why| (why, false)).and_then(|mut card| {
            let spoiled = applet.dialect().spoil(card.as_mut());
            spoiled.map_err(|error| (error.to_string(), matches!(error, DialogueError::Locked)))
        }),
        None => match reopen(line, document, chip) {
            Err(Failure::Ledger(error)) => return Err(error.into()),
            Err(failure) => Err((failure.to_string(), false)),
            Ok(mut secured) => lock(&mut secured).map_err(|error| (error.to_string(), false)),
        },
    };
    match locked {
        Ok(()) => {
            line.ledger.append(event(Phase::Done))?;
            Ok(true)
        }
        Err((reason, for_good)) => {
            line.ledger.append(not_locked(document, chip, reason, for_good))?;
            Ok(false)
        }
    }
}

/// A rejected chip is not locked; `for_good` when it is not to be tried again.
pub(crate) fn not_locked(document: &str, chip: &str, reason: String, for_good: bool) -> Event {
    let (document, chip, step) = (document.to_owned(), chip.to_owned(), Step::Invalidate);
    Event::Failed { document, chip, step, reason, instruction: None, status: None, for_good }
}

/// The travel document first, then what else of ours the card has.
fn lock<C: Card>(secured: &mut SecuredDomain<C>) -> Result<(), DialogueError> {
    if !secured.application_state()?.is_locked() {
        secured.set_application(ApplicationState::LOCKED)?;
    }
    for (application, state) in secured.citizen_states()? {
        if !state.is_locked() {
            secured.set_citizen(application, ApplicationState::LOCKED)?;
        }
    }
    Ok(())
}
