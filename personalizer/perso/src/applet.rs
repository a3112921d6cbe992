//! Cards of other people: applets that a centre loads on chips it buys, and how they are personalized.
//!
//! A profile names its applet in `card.applet`. Orders, plan, document signer, ledger, faces and the rule that nothing is
//! printed before the inspection approved it are those of every card. What differs stands behind `Dialect`:
//!
//! | | a chip of this project | an applet of others |
//! |---|---|---|
//! | which chip is it | CPLC of the issuer domain | the same, of the issuer domain that the chip has |
//! | what binds it to the document | a token in ledger and chip | the ledger alone |
//! | is it a blank | life cycle, no token | `Dialect::condition`: `Condition::Empty` |
//! | writing | SCP03, data groupings | `Dialect::write`, each step by [`Document::step`](crate::stage::Document) |
//! | reading back | PACE, inspection, the planned bytes | `Dialect::approve` |
//! | what is secured at the end | the card | what locks the applet belongs to writing; `Dialect::finish` does the rest |
//! | a rejected chip | the application is locked | `Dialect::spoil`, where the applet lets it be |
//!
//! A torn card is asked for its condition and compared with the ledger, since no token in the chip vouches for it:
//!
//! | condition | the ledger says | what is done |
//! |---|---|---|
//! | absent | anything | nothing: the applet has to be put back first |
//! | empty, begun | being written | everything is written again, with new keys and a new signature |
//! | locked | the lock was announced, or was done | it is read back |
//! | anything else | | it is rejected |
//!
//! To add an applet: a module with its `impl Dialect`, and its line in [`Applet`].

mod citizen_card;
pub(crate) mod jmrtd_passport;
pub(crate) mod openfips201;
pub(crate) mod pivapplet;

use iso7816::Card;
use serde::Deserialize;

use crate::citizen::CitizenPlan;
use crate::execute::{Failure, Line, Outcome, StationCard, Unusable, go_on, select};
use crate::issuer::DialogueError;
use crate::ledger::{DocumentRecord, Phase, State, Step};
use crate::plan::{Plan, PlanError, SignedPlan};
use crate::profile::Profile;
use crate::quality::{Approved, Complaint, Expected};
use crate::stage::{Binding, Document, Held, Judged, Sealed, StepError, Written};

/// An applet of other people.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Applet {
    /// The passport applet of the JMRTD project.
    JmrtdPassport,
    /// PivApplet: the citizen application alone.
    Pivapplet,
    /// OpenFIPS201: the citizen application alone.
    Openfips201,
}

impl Applet {
    /// Whether the secure channel of the chip's issuer domain is opened: a line then needs the keys of the blanks.
    pub fn opens_channel(self) -> bool {
        match self {
            Applet::JmrtdPassport => false,
            Applet::Pivapplet | Applet::Openfips201 => true,
        }
    }

    /// How it is spoken to.
    pub(crate) fn dialect(self) -> &'static dyn Dialect {
        match self {
            Applet::JmrtdPassport => &jmrtd_passport::JmrtdPassport,
            Applet::Pivapplet => &pivapplet::PivApplet,
            Applet::Openfips201 => &openfips201::OpenFips201,
        }
    }
}

/// What an applet says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// It is not on the chip.
    Absent,
    /// As it was installed.
    Empty,
    /// Something was written, and more can be.
    Begun,
    /// It takes nothing more.
    Locked,
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Condition::Absent => "not installed",
            Condition::Empty => "empty",
            Condition::Begun => "partly written",
            Condition::Locked => "locked",
        })
    }
}

/// A rule for profiles: which value is wrong, and what it must be.
pub(crate) type Rule = (&'static str, &'static str);

/// How an applet is spoken to. `card` is a chip of which nothing is selected but perhaps its issuer domain.
pub(crate) trait Dialect: Sync {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// True for a travel document, with files and their signature; else the chip has the citizen application alone.
    fn is_travel_document(&self) -> bool {
        true
    }

    /// Leaves out of the citizen application what this applet has no place for, and sees whether the rest fits in objects of `most`
    /// bytes.
    ///
    /// # Errors
    /// With what does not fit.
    fn fit(&self, _citizen: &mut CitizenPlan, _most: Option<usize>) -> Result<(), PlanError> {
        Ok(())
    }

    /// The first value of a profile that this applet cannot serve.
    fn misfit(&self, profile: &Profile) -> Option<Rule>;

    /// Whether the plan fits: asked when it is made, before any card is fed.
    ///
    /// # Errors
    /// With what does not fit.
    fn check(&self, plan: &Plan) -> Result<(), PlanError>;

    /// The steps as `--dry-run` prints them.
    fn steps(&self, plan: &Plan) -> Vec<String>;

    /// Asks the applet how it is; changes nothing.
    ///
    /// # Errors
    /// When the card is gone, or answers as this applet never does.
    fn condition(&self, line: &mut Line<'_>, card: &mut dyn Card) -> Result<Condition, Failure>;

    /// Writes everything and locks it, each step announced in the ledger.
    ///
    /// # Errors
    /// See [`StepError`].
    fn write(
        &self,
        line: &mut Line<'_>,
        document: Document<Held<StationCard>>,
        plan: &SignedPlan,
    ) -> Result<Document<Written>, StepError>;

    /// Reads a card that was just powered up and judges it.
    ///
    /// # Errors
    /// See [`Complaint`].
    fn approve(
        &self,
        line: &mut Line<'_>,
        card: StationCard,
        plan: &SignedPlan,
        expected: &Expected,
    ) -> Result<Approved, Complaint>;

    /// What is left to do with a card that was approved.
    ///
    /// # Errors
    /// As in [`crate::execute`]; the inner ones are the card's.
    fn finish(
        &self,
        _: &mut Line<'_>,
        judged: Document<Judged>,
    ) -> Result<Result<Document<Sealed>, StepError>, Failure> {
        Ok(Ok(judged.locked_before()))
    }

    /// Makes the applet of a rejected chip useless.
    ///
    /// # Errors
    /// When the card is gone or does not obey, or when nothing makes it useless: its holder must destroy it then.
    fn spoil(&self, card: &mut dyn Card) -> Result<(), DialogueError>;
}

/// Makes a card from the chip in the station.
pub(crate) fn personalize(
    line: &mut Line<'_>,
    applet: Applet,
    plan: SignedPlan,
    (chip, mut card): (String, StationCard),
) -> Result<Outcome, Failure> {
    let dialect = applet.dialect();
    match dialect.condition(line, card.as_mut())? {
        Condition::Empty => {}
        Condition::Absent => return Err(Unusable::NoApplet { chip, applet: dialect.name() }.into()),
        condition => return Err(Unusable::NotEmpty { chip, condition }.into()),
    }
    write(line, dialect, plan, (chip, card), line.must_print)
}

fn write(
    line: &mut Line<'_>,
    dialect: &dyn Dialect,
    plan: SignedPlan,
    (chip, card): (String, StationCard),
    print: bool,
) -> Result<Outcome, Failure> {
    let (number, made_at) = (plan.plan().document_number.clone(), plan.plan().made_at());
    go_on(line, plan, |line, plan| {
        let binding = Binding { token: &[], made_at, print };
        let document = Document::hold(&number, &chip, card, line.ledger, binding)?;
        dialect.write(line, document, plan)
    })
}

/// Whether a chip that the ledger does not know could be used.
pub(crate) fn is_empty(
    line: &mut Line<'_>,
    applet: Applet,
    (chip, mut card): (&str, StationCard),
) -> Result<bool, Failure> {
    let dialect = applet.dialect();
    match dialect.condition(line, card.as_mut())? {
        Condition::Empty => Ok(true),
        Condition::Begun | Condition::Locked => Ok(false),
        Condition::Absent => Err(Unusable::NoApplet { chip: chip.to_owned(), applet: dialect.name() }.into()),
    }
}

/// What is to be done with a torn card.
pub(crate) enum Way {
    /// Everything is written again.
    Rewrite(StationCard),
    /// It was written and locked: it is read back.
    ReadBack,
    /// Chip and ledger do not fit together.
    Reject(&'static str),
}

/// Asks a torn card, and compares with the ledger.
pub(crate) fn way(
    line: &mut Line<'_>,
    applet: Applet,
    record: &DocumentRecord,
    (chip, mut card): (String, StationCard),
) -> Result<Way, Failure> {
    let dialect = applet.dialect();
    let condition = dialect.condition(line, card.as_mut())?;
    let in_work = matches!(record.state, State::BlankAssigned | State::ChipInitialised);
    let lock_announced = matches!(record.last, Some((Step::Lock, Phase::Intent | Phase::Done)));
    Ok(match condition {
        Condition::Absent => return Err(Unusable::NoApplet { chip, applet: dialect.name() }.into()),
        Condition::Empty | Condition::Begun if in_work => Way::Rewrite(card),
        Condition::Locked if !in_work || lock_announced => Way::ReadBack,
        Condition::Locked => Way::Reject("the applet is locked, which the ledger never announced"),
        Condition::Empty | Condition::Begun => {
            Way::Reject("the applet that the ledger says was locked takes data again")
        }
    })
}

/// Writes everything again on a chip whose document is known.
pub(crate) fn rewrite(
    line: &mut Line<'_>,
    applet: Applet,
    plan: SignedPlan,
    record: &DocumentRecord,
    (chip, card): (String, StationCard),
) -> Result<Outcome, Failure> {
    write(line, applet.dialect(), plan, (chip, card), record.print)
}

/// The same chip again, nothing selected but its issuer domain.
pub(crate) fn again(line: &mut Line<'_>, chip: &str) -> Result<StationCard, String> {
    let domain = select(line).map_err(|failure| failure.to_string())?;
    if domain.serial() == chip { Ok(domain.into_card()) } else { Err("another card is in the station".to_owned()) }
}
