//! `run`: card after card, from the feeder to the tray.
//!
//! Late binding: a card is printed only after its chip was approved, and goes to the good tray only after it was printed.
//! Everything else ends in the reject box and in the ledger.

use std::path::Path;

use link::Presence;
use perso::breaker::Breaker;
use perso::execute::{self, Finished, Job, Outcome, Reason, Rejected, Unusable};
use perso::ledger::{self, Event, State, Step};
use perso::profile::Profile;
use perso::recover::{RecoverError, Recovered, Wish};
use printing::MachineError;
use serde_json::json;

use super::recover::{is_line_s, is_ours};
use super::standing::{Standing, graver, refuse_changed};
use super::{Parts, keep_folder, preflight, result, save, trial_keys, trial_plan};
use crate::args::{Machine, Run};
use crate::exit;
use crate::faces::{Drawn, Faces};
use crate::failure::{CARD_BY_HAND, CARD_INSIDE, Failure};
use crate::input::{self, Item, given};
use crate::line::{Feeder, Motion, MotionError, Printer};
use crate::output::Output;

/// How often an interrupted card in the machine is asked again before it is rejected.
const RETRIES: usize = 2;

/// What became of one turn of the line.
pub enum Turn {
    /// A good card.
    Good,
    /// The chip is good; the card waits for a printer.
    Unprinted,
    /// The document number is closed; the name of the fault for the breaker, and the exit code.
    Rejected(String, u8),
    /// The blank was no good; the order is still open.
    Again(String, Failure),
}

pub fn run(options: &Run, output: &Output) -> Result<u8, Failure> {
    let (profile, items) = input::work(&options.work, output)?;
    let profile = input::believing(profile, &options.equipment.cvca)?;
    let faces = Faces::load(&profile)?;
    // The result of each card says what was left out of it.
    match preflight(&items, &profile, &faces, output, &|_| ())? {
        0 => {}
        problems => return Err(input::unusable(problems, &options.work.orders)),
    }
    if options.equipment.dry_run {
        let keys = trial_keys(&profile)?;
        for item in items.iter().take(options.limit.unwrap_or(usize::MAX)) {
            let plan = trial_plan(item, &profile, &keys)?;
            let object = json!({ "document": plan.document_number, "plan": plan.to_string() });
            output.say("plan", object, &plan.to_string());
        }
        return Ok(exit::GOOD);
    }
    let out = given(options.equipment.out.as_deref(), "--out")?.to_owned();
    keep_access_numbers(&items, &options.machine, &profile)?;
    keep_folder(&out)?;
    let mut parts = Parts::open(&options.equipment, &options.machine, profile)?;
    refuse_changed(&items, &parts.ledger, &options.work.orders, output)?;
    if let Some(count) = options.blanks {
        parts.ledger.append(Event::BlanksReceived { count })?;
    }
    let is_open = |item: &Item| Standing::of_closed(item, &parts.ledger).is_none();
    let printer = match options.limit != Some(0) && items.iter().any(is_open) {
        true => {
            let mut printer = Printer::open(&options.machine, Feeder::Blanks)?;
            if printer.holds_card()? {
                return Err(MachineError::CardInside.into());
            }
            printer
        }
        // There is nothing to make: nothing is asked of the printer.
        false => Printer::None,
    };
    let wait = options.machine.wait;
    let mut shift = Shift { wait, output, items: &items, faces: &faces, out: &out, parts, printer };
    shift.work(options)
}

/// The line at work on one order file.
pub struct Shift<'a> {
    /// Seconds to wait for a card in the station.
    pub wait: u64,
    pub output: &'a Output,
    pub items: &'a [Item],
    pub faces: &'a Faces,
    /// Folder for what is kept of each card.
    pub out: &'a Path,
    pub parts: Parts,
    pub printer: Printer,
}

impl Shift<'_> {
    fn work(&mut self, options: &Run) -> Result<u8, Failure> {
        let mut breaker = Breaker::new(options.breaker);
        let (mut good, mut unprinted, mut rejected, mut worst) = (0, 0, 0, exit::GOOD);
        for item in self.items {
            if options.limit.is_some_and(|limit| good + unprinted >= limit) {
                break;
            }
            if let Some(standing) = Standing::of_closed(item, &self.parts.ledger) {
                self.say_standing(item, &standing);
                worst = graver(worst, standing.exit);
                continue;
            }
            let job = Job { order: &item.order, face: &item.face };
            if good + unprinted + rejected == 0 {
                self.parts.with(self.output, |line| execute::rehearse(line, job))?;
            }
            execute::is_entered(&self.parts.ledger, job)?;
            loop {
                let turn = self.turn(item);
                self.output.end();
                match turn.map_err(|failure| self.waiting(Some(&item.order.document_number), failure))? {
                    turn @ (Turn::Good | Turn::Unprinted) => {
                        if matches!(turn, Turn::Good) {
                            good += 1;
                        } else {
                            unprinted += 1;
                            worst = graver(worst, exit::INTERRUPTED);
                        }
                        breaker.good();
                        if options.limit.is_none_or(|limit| good + unprinted < limit) {
                            self.next_by_hand()?;
                        }
                        break;
                    }
                    Turn::Rejected(fault, code) => {
                        rejected += 1;
                        worst = graver(worst, code);
                        if breaker.fault(&fault) {
                            return Err(stopped(options.breaker, &fault, code));
                        }
                        break;
                    }
                    Turn::Again(fault, failure) => {
                        self.output.fault(&item.order.document_number, &failure);
                        // By hand, the operator puts in another card and starts again.
                        if matches!(self.printer, Printer::None) || breaker.fault(&fault) {
                            return Err(failure);
                        }
                    }
                }
            }
        }
        let balance = self.parts.ledger.book().balance();
        let missing = balance.left.min(0).unsigned_abs();
        let object = json!({
            "good": good, "unprinted": unprinted, "rejected": rejected, "balance": balance,
            "blanks_not_entered": missing, "ledger_head": self.parts.ledger.head(),
        });
        let waiting =
            if unprinted > 0 { format!(", {unprinted} to be printed with `recover --printer`") } else { String::new() };
        let unentered = match missing {
            0 => String::new(),
            count => format!(
                "\n  {count} blank(s) more were used than were entered as received: enter them with `run --blanks COUNT`"
            ),
        };
        self.output.say("summary", object, &format!("{good} card(s) good, {rejected} rejected{waiting}{unentered}"));
        Ok(worst)
    }

    fn say_standing(&self, item: &Item, standing: &Standing) {
        let document = &item.order.document_number;
        let words = match standing.state {
            State::Packed => "was made before".to_owned(),
            _ => standing.to_string(),
        };
        let object = json!({ "document": document, "outcome": "skipped", "state": standing.state, "why": words });
        self.output.say("card", object, &format!("{document}: {words}"));
    }

    /// A failure of the disk while a card was on its way: where that card is, and what to do with it.
    pub fn waiting(&mut self, document: Option<&str>, failure: Failure) -> Failure {
        if !failure.disk {
            return failure;
        }
        let record = document.and_then(|document| self.parts.ledger.book().document(document));
        let state = record.map(|record| record.state);
        // The card of a rejected document has nothing to wait for, once it is out of the machine.
        let begun =
            state != Some(State::QaRejected) && record.map_or(document.is_none(), |record| record.chip.is_some());
        let inside = match &mut self.printer {
            Printer::None => None,
            printer => Some(printer.holds_card()),
        };
        match inside {
            _ if state == Some(State::Packed) => failure,
            None if begun => failure.with_card(document, "in the chip station", CARD_BY_HAND),
            None => failure,
            Some(Ok(true)) => failure.with_card(document, "inside the printer", CARD_INSIDE),
            Some(Ok(false)) if begun => failure.with_card(
                document,
                "no longer inside the printer: look into its tray and its reject box",
                "Put it on top in the feeder and run `bitaqa-personalizer recover` with the same orders, ledger and printer.",
            ),
            Some(Ok(false)) => failure,
            Some(Err(_)) => failure.with_card(document, "inside the printer, which does not answer", CARD_INSIDE),
        }
    }

    /// One blank, one try.
    fn turn(&mut self, item: &Item) -> Result<Turn, Failure> {
        let document = item.order.document_number.clone();
        self.output.begin(&document);
        self.move_card(ledger::Motion::Feed, None)?;
        if !self.parts.station.wait(Presence::Card, self.wait)? {
            return self.no_card();
        }
        let job = Job { order: &item.order, face: &item.face };
        let outcome = self.parts.with(self.output, |line| execute::personalize(line, job));
        match outcome {
            Ok(outcome) => self.chip_done(outcome),
            Err(execute::Failure::Interrupted { chip, detail, .. }) => self.interrupted(item, &chip, &detail),
            // The line's fault: the next card would fare no better, and asking again only cost certificates. It waits inside.
            Err(failure) if is_line_s(&failure) => {
                let failure = Failure::from(failure);
                let remedy = match self.printer {
                    // Where the card is, is told with every failure of the disk.
                    Printer::Machine(_) if !failure.disk => format!("{} Then: {CARD_INSIDE}", failure.remedy),
                    _ => failure.remedy,
                };
                Err(Failure { remedy, ..failure })
            }
            Err(execute::Failure::Unusable(unusable)) => self.unusable(unusable),
            Err(failure) => {
                let record = self.parts.ledger.book().document(&document);
                if let Some(chip) = record.and_then(|record| record.chip.clone()) {
                    return self.interrupted(item, &chip, &failure.to_string());
                }
                // The blank is untouched, but no machine puts it back into its feeder.
                self.put_away(None, "fed, and not used")?;
                Err(failure.into())
            }
        }
    }

    /// A blank was fed and the reader does not see it.
    fn no_card(&mut self) -> Result<Turn, Failure> {
        let failure = || {
            Failure::new(
                "There is no card in the chip station.",
                format!("the reader saw none within {} s", self.wait),
                "Put a blank in, or check the contact station and the reader's name.",
                exit::NO_CARD,
            )
        };
        if matches!(self.printer, Printer::None) {
            return Err(failure());
        }
        let failure = failure();
        self.put_away(None, "the chip station saw no card")?;
        Ok(Turn::Again("no card in the station".to_owned(), failure))
    }

    /// A card without a document leaves the machine through the reject box and is accounted for.
    pub fn put_away(&mut self, chip: Option<String>, reason: &str) -> Result<(), Failure> {
        if matches!(self.printer, Printer::Machine(_)) {
            self.parts.ledger.append(Event::BlankSpoiled { chip: chip.clone(), reason: reason.to_owned() })?;
        }
        self.move_card(ledger::Motion::Reject, chip.as_deref())
    }

    /// The machine moves a card on which no document is being made.
    pub fn move_card(&mut self, motion: ledger::Motion, chip: Option<&str>) -> Result<(), Failure> {
        Ok(self.printer.move_card(&mut self.parts.ledger, motion, chip)?)
    }

    /// The card is no blank that this line can use.
    fn unusable(&mut self, unusable: Unusable) -> Result<Turn, Failure> {
        let known = matches!(unusable, Unusable::InUse { .. } | Unusable::Spoiled { .. });
        let (chip, words) = (unusable.chip().map(str::to_owned), unusable.to_string());
        let fault = match &unusable {
            Unusable::InUse { .. } => "a card with a document was fed",
            Unusable::Foreign { .. } => "a card of somebody else was fed",
            Unusable::Spoiled { .. } => "a spoiled card was fed",
            Unusable::WrongKeys { .. } | Unusable::LeftAlone { .. } | Unusable::OtherEncryptionKey { .. } => {
                "other keys"
            }
            Unusable::NoPace => "no PACE",
            Unusable::NoCitizenApplication => "no citizen application",
            Unusable::NotBlank { .. } | Unusable::NotEmpty { .. } => "no blank",
            Unusable::NoApplet { .. } => "no applet",
            Unusable::Dialogue(_) => "a card that does not answer",
        };
        if known {
            self.move_card(ledger::Motion::Reject, chip.as_deref())?
        } else {
            self.put_away(chip, &words)?
        }
        Ok(Turn::Again(fault.to_owned(), unusable.into()))
    }

    /// The card left in the middle. In a machine it is still there: ask it again, then give it up.
    fn interrupted(&mut self, item: &Item, chip: &str, detail: &str) -> Result<Turn, Failure> {
        let document = item.order.document_number.clone();
        let left = |detail: &str| {
            let (document, chip, detail) = (document.clone(), chip.to_owned(), detail.to_owned());
            Failure::from(execute::Failure::Interrupted { document, chip, detail })
        };
        if matches!(self.printer, Printer::None) {
            return Err(left(detail));
        }
        for _ in 0..RETRIES {
            match self.recover(Wish::Finish) {
                Ok(Recovered::Now(outcome)) => {
                    let same = outcome.document() == document;
                    let turn = self.chip_done(outcome)?;
                    return if same { Ok(turn) } else { Err(left("another card was in the machine")) };
                }
                Ok(_) => break,
                Err(RecoverError::Failure(execute::Failure::Ledger(error))) => return Err(error.into()),
                Err(error) if is_ours(&error) => {
                    let why = format!("document {document}: {error}");
                    return Err(Failure { why, remedy: CARD_INSIDE.to_owned(), ..left(detail) });
                }
                Err(error) => tracing::warn!(document, %error, "recovery in the machine"),
            }
        }
        let reason = Reason::Machine { what: "the chip station lost the card".to_owned() };
        let rejected = self.parts.with(self.output, |line| execute::reject(line, &document, chip, reason))?;
        self.rejected(rejected)
    }

    /// Asks the card in the station what it is, and brings its chip to its end.
    pub fn recover(&mut self, wish: Wish<'_>) -> Result<Recovered, RecoverError> {
        let items = self.items;
        let job = |number: &str| item_of(items, number).map(|item| Job { order: &item.order, face: &item.face });
        self.parts.with(self.output, |line| perso::recover::recover(line, &job, wish))
    }

    /// The chip is finished or rejected: the rest of the card follows.
    pub fn chip_done(&mut self, outcome: Outcome) -> Result<Turn, Failure> {
        match outcome {
            Outcome::Finished(finished) => self.finished(&finished),
            Outcome::Rejected(rejected) => self.rejected(rejected),
        }
    }

    fn rejected(&mut self, rejected: Rejected) -> Result<Turn, Failure> {
        if let Some(citizens) = &self.parts.citizens {
            citizens.letters.withdraw(&rejected.document)?;
        }
        let object = result::rejected(&rejected, &self.parts, self.output);
        let motion = Motion { document: &rejected.document, chip: &rejected.chip };
        if let Printer::Machine(machine) = &mut self.printer {
            motion.take(&mut self.parts.ledger, Step::Reject, || machine.reject())?;
        }
        result::keep(&object, &self.out.join(&rejected.document))?;
        Ok(Turn::Rejected(fault_name(&rejected.reason), exit_of(&rejected)))
    }

    /// The chip is approved: print, eject, pack.
    fn finished(&mut self, finished: &Finished) -> Result<Turn, Failure> {
        let number = &finished.document.number;
        // The face of the person who is on the chip, whichever order the line was at.
        let missing = || RecoverError::OrderMissing { document: number.clone(), chip: finished.document.chip.clone() };
        let item = item_of(self.items, number).ok_or_else(missing)?;
        let drawn = self.faces.draw(&item.order, finished.plan.plan(), &item.face.printed)?;
        let folder = self.out.join(number);
        save(&drawn, &folder)?;
        let print = self.parts.ledger.book().document(number).is_some_and(|record| record.print);
        if print && matches!(self.printer, Printer::None) {
            result::finished(finished, "unprinted", &folder, &self.parts, self.output)?;
            return Ok(Turn::Unprinted);
        }
        if let Err(error) = self.print(finished, print.then_some(&drawn)) {
            let what = match error {
                MotionError::Ledger(error) => return Err(error.into()),
                MotionError::Machine(error) => error.to_string(),
            };
            let (document, chip) = (finished.document.number.clone(), finished.document.chip.clone());
            let reason = Reason::Machine { what };
            let rejected = self.parts.with(self.output, |line| execute::reject(line, &document, &chip, reason))?;
            return self.rejected(rejected);
        }
        let motion = Motion { document: &finished.document.number, chip: &finished.document.chip };
        motion.packed(&mut self.parts.ledger)?;
        result::finished(finished, "finished", &folder, &self.parts, self.output)?;
        Ok(Turn::Good)
    }

    /// Prints the faces, if there are any, and ejects the card.
    fn print(&mut self, finished: &Finished, faces: Option<&Drawn>) -> Result<(), MotionError> {
        let Printer::Machine(machine) = &mut self.printer else {
            return Ok(());
        };
        let motion = Motion { document: &finished.document.number, chip: &finished.document.chip };
        let ledger = &mut self.parts.ledger;
        if let Some(faces) = faces {
            motion.take(ledger, Step::Print, || machine.print(&faces.front, Some(&faces.back)))?;
        }
        motion.take(ledger, Step::Eject, || machine.eject())
    }

    /// Without a machine the operator takes the card out before the next one.
    fn next_by_hand(&mut self) -> Result<(), Failure> {
        let last = self.items.iter().all(|item| {
            let record = self.parts.ledger.book().document(&item.order.document_number);
            record.is_some_and(|record| record.state != State::Ordered)
        });
        if matches!(self.printer, Printer::None) && !last {
            self.parts.station.wait(Presence::NoCard, self.wait)?;
        }
        Ok(())
    }
}

/// The order of a document number.
fn item_of<'a>(items: &'a [Item], number: &str) -> Option<&'a Item> {
    items.iter().find(|item| item.order.document_number == number)
}

/// A card that is printed in another session is read back there, with the access number of its order.
fn keep_access_numbers(items: &[Item], machine: &Machine, profile: &Profile) -> Result<(), Failure> {
    // Applets of others are read back with the MRZ.
    let uses_access_numbers = profile.card.applet.is_none();
    let drawn = items.iter().find(|item| item.order.card_access_number.is_none());
    match drawn {
        Some(item) if machine.printer.is_none() && uses_access_numbers => Err(Failure::new(
            "There is no printer.",
            format!(
                "document {} has no access number: it would be drawn now and lost before the card is printed",
                item.order.document_number
            ),
            "Give --printer PORT; or `--printer none` if nothing is to be printed; or an order with card_access_number.",
            exit::USAGE,
        )),
        _ => Ok(()),
    }
}

fn stopped(limit: u32, fault: &str, code: u8) -> Failure {
    Failure::new(
        "The line was stopped.",
        format!("{limit} identical faults in a row: {fault}"),
        "Find the cause before more blanks are spoiled; then start the run again.",
        code,
    )
}

/// The same words for the same fault, whatever the card.
fn fault_name(reason: &Reason) -> String {
    match reason {
        Reason::Machine { .. } => "the printer failed".to_owned(),
        Reason::Broke { .. } => "read back: the session broke".to_owned(),
        reason => reason.to_string(),
    }
}

/// The exit code for a rejected card.
fn exit_of(rejected: &Rejected) -> u8 {
    match &rejected.reason {
        // What was wished was done.
        Reason::Operator if rejected.invalidated => exit::GOOD,
        Reason::Refused { .. } | Reason::BadAnswer { .. } | Reason::Broke { .. } | Reason::Disagreement { .. } => {
            exit::REFUSED
        }
        Reason::Unopened { .. } | Reason::Verdict { .. } | Reason::Differs { .. } => exit::NOT_GENUINE,
        Reason::Machine { .. } => exit::PRINTER,
        Reason::Operator | Reason::Before { .. } => exit::REFUSED,
    }
}
