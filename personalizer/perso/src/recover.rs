//! Recovery: a card that was taken away in the middle comes back.
//!
//! The card is asked (serial, binding, life cycle), and compared with the ledger. Then there are only two ends for a card that
//! the ledger knows: the same document is finished on the same chip, or it is rejected. What the ledger does not know is
//! never touched.
//!
//! | application | binding | what is done |
//! |---|---|---|
//! | SELECTABLE | none, none was announced written | bind, write everything |
//! | SELECTABLE | this document's | write everything again, with a new chip key and a new signature |
//! | PERSONALIZED | this document's | read back, secure |
//! | anything else | | reject |
//!
//! A card that was approved and is found again is read back once more; if its printing was interrupted, it is rejected.
//! Whoever wants it rejected need not give a reason ([`Wish::Reject`]): nothing is asked of the card then but who it is.

use lds::globalplatform::{ApplicationState, CardState};

use crate::applet::{self, Applet, Way};
use crate::execute::{
    Failure, Job, Line, Outcome, Reason, Rejected, StationCard, Unusable, accept_again, approve_and_seal,
    first_refusal, go_on, invalidate, not_locked, open, prepare, reject, select, write,
};
use crate::issuer::{IssuerDomain, SecuredDomain};
use crate::ledger::{DocumentRecord, Event, Phase, State, Step};
use crate::quality::Expected;
use crate::stage::{Binding, Document};

/// What became of the card in the station.
pub enum Recovered {
    /// The ledger does not know the chip, or knows it without a document: nothing was done. A blank can be used.
    Nothing {
        /// The chip's serial.
        chip: String,
    },
    /// The chip carries a binding that is not in this ledger, or its applet is not empty: nothing was done.
    Foreign {
        /// The chip's serial.
        chip: String,
    },
    /// The document was finished before, and printed where it had to be.
    Complete {
        /// Document number.
        document: String,
        /// The chip's serial.
        chip: String,
        /// False when the ledger does not say yet that the card is in the tray of good cards.
        packed: bool,
    },
    /// It is finished or rejected now.
    Now(Outcome),
}

/// What is to become of a card that the ledger knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish<'a> {
    /// It is finished; where it cannot be, it is rejected.
    Finish,
    /// It is rejected, whatever its state, unless it is packed.
    Reject {
        /// Only this document number; its card may be one that does not even say who it is.
        document: Option<&'a str>,
    },
}

/// Why a card could not be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The order is needed to finish the card and was not given.
    #[error("chip {chip} carries document {document}, whose order was not given")]
    OrderMissing {
        /// Document number.
        document: String,
        /// The chip's serial.
        chip: String,
    },
    /// The document number to be rejected was never on a chip.
    #[error("document {document} is on no chip")]
    NotBegun {
        /// Document number.
        document: String,
    },
    /// Another card is in the station than the one to be rejected.
    #[error("chip {chip} does not carry document {document}")]
    OtherCard {
        /// Document number that was to be rejected.
        document: String,
        /// The chip in the station.
        chip: String,
    },
    /// The card was begun with a profile for another kind of card.
    #[error("document {document} was begun with a profile for another kind of card")]
    OtherKind {
        /// Document number.
        document: String,
    },
    /// As in making a card.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Looks at the card in the station and brings what was begun to its end. `jobs` finds the order of a document number.
///
/// # Errors
/// When the order is missing, or the card is interrupted again.
pub fn recover<'j>(
    line: &mut Line<'_>,
    jobs: &dyn Fn(&str) -> Option<Job<'j>>,
    wish: Wish<'_>,
) -> Result<Recovered, RecoverError> {
    if let Wish::Reject { document: Some(document) } = wish {
        return Ok(rejected(reject_named(line, document)?));
    }
    let mut domain = select(line)?;
    let chip = domain.serial().to_owned();
    let document = line.ledger.book().chip(&chip).and_then(|record| record.document.clone());
    let applet = line.profile.card.applet;
    let Some(document) = document else {
        if line.ledger.book().chip(&chip).is_some_and(|record| record.spoiled) {
            return Err(Failure::from(Unusable::Spoiled { chip }).into());
        }
        let is_blank = match applet {
            Some(applet) => applet::is_empty(line, applet, (&chip, domain.into_card()))?,
            None => binding(&mut domain)?.is_none(),
        };
        return Ok(if is_blank { Recovered::Nothing { chip } } else { Recovered::Foreign { chip } });
    };
    let Some(record) = line.ledger.book().document(&document).cloned() else {
        return Ok(Recovered::Nothing { chip });
    };
    tracing::info!(document, chip, state = ?record.state, "recovery");
    of_this_kind(line, &document, &record)?;
    if wish != Wish::Finish {
        return Ok(rejected(reject_known(line, &document, &chip, &record)?));
    }
    match record.state {
        State::Packed => return Ok(Recovered::Complete { document, chip, packed: true }),
        State::QaPassed => match record.last {
            Some((Step::Print, Phase::Intent)) => {
                let reason = Reason::Machine { what: "printing was interrupted".to_owned() };
                return Ok(rejected(reject(line, &document, &chip, reason)?));
            }
            Some((Step::Print | Step::Eject, _)) => return Ok(Recovered::Complete { document, chip, packed: false }),
            _ => {}
        },
        State::QaRejected => return Ok(Recovered::Now(Outcome::Rejected(again(line, &document, &chip, &record)?))),
        _ => {}
    }
    let missing = || RecoverError::OrderMissing { document: document.clone(), chip: chip.clone() };
    if let Some(applet) = applet {
        let job = jobs(&document).ok_or_else(missing)?;
        let card = domain.into_card();
        return Ok(Recovered::Now(finish_applet(line, job, &record, applet, (chip, card))?));
    }
    let binding = binding(&mut domain)?;
    if let Some(what) = disagreement(&record, binding.as_deref()) {
        return Ok(rejected(reject(line, &document, &chip, Reason::Disagreement { what })?));
    }
    let job = jobs(&document).ok_or_else(missing)?;
    let unbound = binding.is_none();
    Ok(Recovered::Now(finish(line, job, &record, domain, unbound)?))
}

/// A card that takes no binding must not be asked for one, and the other way round; and who has no place for letters can withdraw
/// none.
fn of_this_kind(line: &Line<'_>, document: &str, record: &DocumentRecord) -> Result<(), RecoverError> {
    let bound_by_ledger = record.token.as_deref() == Some("");
    if line.profile.card.applet.is_some() != bound_by_ledger {
        return Err(RecoverError::OtherKind { document: document.to_owned() });
    }
    // The letter is kept after the citizen application was written.
    match record.citizen_files.is_some() && line.citizens.is_none() && record.state != State::Packed {
        true => Err(Failure::NoCitizenCa.into()),
        false => Ok(()),
    }
}

fn binding(domain: &mut IssuerDomain<StationCard>) -> Result<Option<Vec<u8>>, Failure> {
    Ok(domain.binding().map_err(Unusable::Dialogue)?)
}

/// Rejects a document by its number; whatever its chip still answers.
fn reject_named(line: &mut Line<'_>, document: &str) -> Result<Rejected, RecoverError> {
    let begun = line.ledger.book().document(document).and_then(|record| Some((record.clone(), record.chip.clone()?)));
    let (record, chip) = begun.ok_or_else(|| RecoverError::NotBegun { document: document.to_owned() })?;
    of_this_kind(line, document, &record)?;
    // A card that says that it is another one is not touched, nor taken for a dead one.
    let serial = match select(line) {
        Ok(domain) => Some(domain.serial().to_owned()),
        // That the reader does not work says nothing of the card.
        Err(failure) if failure.is_reader_s() => return Err(failure.into()),
        Err(_) => None,
    };
    if let Some(other) = serial.clone().filter(|serial| *serial != chip) {
        return Err(RecoverError::OtherCard { document: document.to_owned(), chip: other });
    }
    let rejected = reject_known(line, document, &chip, &record)?;
    if serial.is_none() && !rejected.invalidated {
        // Dead or gone: nobody waits any more for a chip to be locked.
        let reason = "the chip does not say who it is, and its document was rejected by its number".to_owned();
        line.ledger.append(not_locked(document, &chip, reason, true)).map_err(Failure::from)?;
    }
    Ok(rejected)
}

fn reject_known(line: &mut Line<'_>, document: &str, chip: &str, record: &DocumentRecord) -> Result<Rejected, Failure> {
    match record.state {
        State::QaRejected => again(line, document, chip, record),
        _ => reject(line, document, chip, Reason::Operator),
    }
}

fn rejected(rejected: Rejected) -> Recovered {
    Recovered::Now(Outcome::Rejected(rejected))
}

/// A rejected card is back: lock it if that did not succeed before.
fn again(line: &mut Line<'_>, document: &str, chip: &str, record: &DocumentRecord) -> Result<Rejected, Failure> {
    let invalidated = record.invalidated || invalidate(line, document, chip)?;
    let reason = Reason::Before { reason: record.reason.clone().unwrap_or_default() };
    Ok(Rejected { document: document.to_owned(), chip: chip.to_owned(), reason, invalidated })
}

/// In what chip and ledger differ, as far as the binding goes.
fn disagreement(record: &DocumentRecord, binding: Option<&[u8]>) -> Option<&'static str> {
    let token = record.token.as_deref().and_then(|token| hex::decode(token).ok());
    match binding {
        Some(binding) if token.as_deref() != Some(binding) => Some("the chip carries another binding"),
        // The binding is the first thing written: without it, nothing else can have been.
        None if record.state != State::BlankAssigned || record.last.is_some_and(|(step, _)| step != Step::Bind) => {
            Some("the chip lost its binding")
        }
        _ => None,
    }
}

fn finish(
    line: &mut Line<'_>,
    job: Job<'_>,
    record: &DocumentRecord,
    domain: IssuerDomain<StationCard>,
    unbound: bool,
) -> Result<Outcome, Failure> {
    let document = job.order.document_number.clone();
    let chip = domain.serial().to_owned();
    accept_again(line.ledger, job)?;
    let mut secured = open(line, domain)?;
    let card = secured.card_state().map_err(|error| first_refusal(&chip, error))?;
    let application = secured.application_state().map_err(Unusable::Dialogue)?;
    match (application, card) {
        (ApplicationState::SELECTABLE, CardState::OP_READY | CardState::INITIALIZED)
            if matches!(record.state, State::BlankAssigned | State::ChipInitialised) =>
        {
            rewrite(line, job, record, &chip, secured)
        }
        (ApplicationState::PERSONALIZED, CardState::OP_READY | CardState::INITIALIZED | CardState::SECURED)
            if !unbound =>
        {
            drop(secured);
            read_back(line, job, record, &chip)
        }
        _ => {
            drop(secured);
            let reason = Reason::Disagreement { what: "the chip is in a state that its document was never in" };
            reject(line, &document, &chip, reason).map(Outcome::Rejected)
        }
    }
}

/// The same of a chip with an applet of other people ([`applet`]).
fn finish_applet(
    line: &mut Line<'_>,
    job: Job<'_>,
    record: &DocumentRecord,
    applet: Applet,
    (chip, card): (String, StationCard),
) -> Result<Outcome, Failure> {
    accept_again(line.ledger, job)?;
    match applet::way(line, applet, record, (chip.clone(), card))? {
        Way::Rewrite(card) => {
            let plan = prepare(line, job, (line.clock)())?;
            applet::rewrite(line, applet, plan, record, (chip, card))
        }
        Way::ReadBack => read_back(line, job, record, &chip),
        Way::Reject(what) => {
            reject(line, &job.order.document_number, &chip, Reason::Disagreement { what }).map(Outcome::Rejected)
        }
    }
}

/// Everything from the start on the same chip: what it holds is erased, key and signature are new.
fn rewrite(
    line: &mut Line<'_>,
    job: Job<'_>,
    record: &DocumentRecord,
    chip: &str,
    secured: SecuredDomain<StationCard>,
) -> Result<Outcome, Failure> {
    let token = record.token.as_deref().and_then(|token| hex::decode(token).ok()).unwrap_or_default();
    let made_at = (line.clock)();
    let plan = prepare(line, job, made_at)?;
    let blank = Document::new(&job.order.document_number, chip, secured);
    go_on(line, plan, |line, plan| {
        // The chip accepts the same binding again.
        let bound = blank.bind(line.ledger, Binding { token: &token, made_at, print: record.print })?;
        write(line, bound, plan)
    })
}

/// The card is written and locked, its chip key is known to nobody but the chip: what can be planned again must be on it, and
/// EF.SOD must be the one whose digest the ledger has.
fn read_back(line: &mut Line<'_>, job: Job<'_>, record: &DocumentRecord, chip: &str) -> Result<Outcome, Failure> {
    let document = job.order.document_number.clone();
    let announced = record.citizen_files.is_some();
    if let (false, Some(made_at), true) = (line.profile.is_travel_document(), record.made_at, announced) {
        let plan = prepare(line, job, made_at)?;
        personalised(line, &document, record)?;
        let expected = Expected::citizen_alone();
        return approve_and_seal(line, Document::found(&document, chip), plan, &expected);
    }
    let digest = record.security_object.as_deref().and_then(|digest| hex::decode(digest).ok());
    let digest = digest.and_then(|digest| <[u8; 32]>::try_from(digest).ok());
    // An applet without PACE is read back with the MRZ.
    let has_password = line.profile.card.applet.is_some() || job.order.card_access_number.is_some();
    let what = match (digest, record.made_at, has_password) {
        (Some(digest), Some(made_at), true) => {
            let plan = prepare(line, job, made_at)?;
            personalised(line, &document, record)?;
            let expected = Expected::without_key(plan.plan().files(), digest);
            return approve_and_seal(line, Document::found(&document, chip), plan, &expected);
        }
        (_, _, false) => "the access number was drawn in the interrupted session and is known to nobody",
        _ => "the chip is locked, but its files were never announced",
    };
    reject(line, &document, chip, Reason::Disagreement { what }).map(Outcome::Rejected)
}

/// Enters that the chip holds everything, where nobody did.
fn personalised(line: &mut Line<'_>, document: &str, record: &DocumentRecord) -> Result<(), Failure> {
    if matches!(record.state, State::BlankAssigned | State::ChipInitialised) {
        let (document, state) = (document.to_owned(), State::Personalised);
        line.ledger.append(Event::State { document, state, reason: None })?;
    }
    Ok(())
}
