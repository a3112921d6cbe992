//! Where documents of earlier runs stand: what a person is told, what to do next, and the exit code.

use std::fmt;
use std::path::Path;

use perso::execute::Job;
use perso::ledger::{DocumentRecord, Ledger, LedgerError, Rule, State};

use crate::exit;
use crate::failure::Failure;
use crate::input::{self, Item};
use crate::output::Output;

/// Where a document stands.
pub struct Standing {
    pub state: State,
    pub words: &'static str,
    /// What to do next, where somebody has to.
    pub next: Option<&'static str>,
    /// The exit code of a run that leaves it so.
    pub exit: u8,
}

impl Standing {
    /// What the ledger says of a document.
    pub fn of(record: &DocumentRecord) -> Self {
        const RECOVER: &str = "put its card back and run `recover`";
        let (words, next, exit) = match record.state {
            State::Ordered => ("ordered, no card begun", None, exit::GOOD),
            State::BlankAssigned | State::ChipInitialised => {
                ("interrupted while it was written", Some(RECOVER), exit::INTERRUPTED)
            }
            State::Personalised => ("written, not read back", Some(RECOVER), exit::INTERRUPTED),
            State::QaPassed if record.print && !record.printed => {
                let next = "put its card into the feeder and run `recover --printer PORT`";
                ("chip good, not printed", Some(next), exit::INTERRUPTED)
            }
            State::QaPassed => ("chip good, not in the tray", Some(RECOVER), exit::INTERRUPTED),
            State::QaRejected => ("rejected", Some("order a new document number"), exit::ORDER),
            State::Packed => ("made, a good card", None, exit::GOOD),
        };
        Standing { state: record.state, words, next, exit }
    }

    /// The same for an order that is not to be made now; `None` when it is.
    pub fn of_closed(item: &Item, ledger: &Ledger) -> Option<Self> {
        let record = ledger.book().document(&item.order.document_number)?;
        (record.state != State::Ordered).then(|| Standing::of(record))
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words)?;
        self.next.map_or(Ok(()), |next| write!(f, ": {next}"))
    }
}

/// Another order with the document number of one that the ledger knows: nothing of such a file is begun.
pub fn refuse_changed(items: &[Item], ledger: &Ledger, orders: &Path, output: &Output) -> Result<(), Failure> {
    let mut problems = 0;
    for item in items {
        let (document, job) = (&item.order.document_number, Job { order: &item.order, face: &item.face });
        if ledger.book().document(document).is_some_and(|record| record.order != job.digest()) {
            problems += 1;
            let rule = Rule::OrderedDifferently { document: document.clone() };
            output.order_fault(document, "document_number", &LedgerError::Refused { rule }.into());
        }
    }
    if problems > 0 { Err(input::unusable(problems, orders)) } else { Ok(()) }
}

/// Of two exit codes the one that a person must act on first: a card that waits, then what went wrong now, then what an earlier
/// run left.
pub fn graver(one: u8, other: u8) -> u8 {
    let rank = |code| match code {
        exit::GOOD => 0,
        exit::ORDER => 1,
        exit::INTERRUPTED => 3,
        _ => 2,
    };
    if rank(other) >= rank(one) { other } else { one }
}
