//! The inspection procedure: a straight line from power-up to [`Evidence`], over any [`Card`].
//!
//! ```text
//! (EF.ATR/INFO,) EF.CardAccess -> PACE -> (EF.CardSecurity) -> SELECT eMRTD -> EF.COM, EF.SOD, DG14, DG1, DG2, the rest
//!                 (no PACE at all, and BAC allowed) -> SELECT eMRTD -> BAC -> ...
//!                 -> Chip Authentication -> EF.SOD once more under the new keys
//!                 -> (with a terminal's key) EF.CVCA, Terminal Authentication, DG3 and DG4
//!                    (no Chip Authentication: Active Authentication)
//! a session that breaks -> SELECT master file -> PACE or BAC once more, and everything again, in small steps
//! ```
//!
//! The first session reads as fast as the card says it can. Cards and readers promise more than they keep, and an error ends secure
//! messaging: so access is opened once more, never twice, with short commands only, and the evidence says why. What it holds of
//! files is what the last session read, and of the first one what its proofs of the chip are judged by: a chip that fails a proof does
//! not get rid of it by breaking the session.
//!
//! EF.CardSecurity is read where EF.CardAccess offers chip authentication mapping. A chip that proved itself by that mapping is
//! still asked for Chip Authentication: Terminal Authentication needs it, and what the mapping proves is only known at the end.
//!
//! Nothing is judged here; what the chip says is only used to know what to ask next. BAC runs only when
//! the caller allows it *and* EF.CardAccess offers no PACE of any kind: a PACE that is offered and fails ends the
//! procedure. What was offered and tried is in the evidence, and a check of its own judges it.

mod access;
pub(crate) mod active;
pub(crate) mod chip;
mod files;
mod ladder;
mod metered;
mod residence;
mod terminal;

use std::collections::BTreeMap;

use channel::password::Password;
use channel::random::Random;
use channel::sm::Secured;
use channel::terminal_auth::SHORT_COMMAND;
use iso7816::{Aid, Card, Chained, Command, Limits};
use jiff::Timestamp;
use lds::files as table;

pub(crate) use self::access::NO_DOCUMENT;
use self::access::Opened;
pub use self::access::{cipher_name, suite_words};
use self::files::FileReader;
pub use self::ladder::{LADDER, Rung, Step};
pub use self::metered::Budget;
pub(crate) use self::metered::Metered;
use self::residence::Visit;
pub use self::residence::{Errand, ReplaceError, Replaced, replace_residence};
pub use self::terminal::Terminal;
use crate::evidence::{Evidence, FileEvidence, Interruption, Quirk, Restart};

/// What the inspector brings to open the chip.
#[derive(Clone, Debug)]
pub struct Access {
    /// The card access number, or the key made from the machine-readable zone.
    pub password: Password,
    /// Whether Basic Access Control may be used on a card that offers no PACE.
    pub bac: Bac,
    /// The machine-readable zone as printed, without line breaks (90, 72 or 88 characters), when all of it is at hand.
    pub printed_mrz: Option<String>,
}

/// Whether Basic Access Control is acceptable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bac {
    /// PACE only.
    #[default]
    Never,
    /// Only on a card that offers no PACE.
    Allowed,
}

/// How to read.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time written into the evidence.
    pub read_at: Timestamp,
    /// Leave DG2 out: it is nine tenths of the reading time.
    pub skip_image: bool,
    /// The reader passes extended length on; how long an answer may be is still the card's to say, in EF.ATR/INFO.
    pub extended_length: bool,
    /// The most data bytes that the reader passes on in one extended APDU, either way.
    pub reader_limit: u32,
    /// Ask for every proof of the chip that its files offer, not only for those that suffice: for whoever made the card.
    pub every_proof: bool,
    /// Limits against a card that never ends.
    pub budget: Budget,
    /// Who reads, when it can show who it is: chips give fingers and irises to nobody else.
    pub terminal: Option<Terminal>,
}

impl Options {
    /// Everything, with the ordinary limits.
    pub fn new(read_at: Timestamp) -> Self {
        Options {
            read_at,
            skip_image: false,
            extended_length: false,
            reader_limit: iso7816::MAX_NE,
            every_proof: false,
            budget: Budget::default(),
            terminal: None,
        }
    }
}

/// Where the procedure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Access is being sought.
    Access,
    /// A file is being read.
    File {
        /// Its name.
        name: &'static str,
        /// Bytes read.
        done: usize,
        /// Bytes in all.
        total: usize,
    },
    /// The chip is asked to prove its key.
    ChipAuthentication,
    /// The terminal proves who it is.
    TerminalAuthentication,
    /// The procedure is over.
    Done,
}

/// Reads a card that was just powered up.
///
/// The answer is evidence whatever happens: refusals, a card pulled out and hostile bytes are recorded. No
/// more than the budget's commands, bytes and seconds are spent; the card's own time for one command is bounded by the reader below.
pub fn inspect(
    card: &mut dyn Card,
    access: &Access,
    options: &Options,
    random: &mut dyn Random,
    progress: &mut dyn FnMut(Progress),
) -> Evidence {
    let mut evidence = begin(access, options);
    let mut procedure = Procedure {
        evidence: &mut evidence,
        access,
        options,
        random,
        progress,
        chip_identity: None,
        terminal_key: None,
        longest_command: SHORT_COMMAND,
        visit: None,
    };
    evidence.interrupted = procedure.run(over(card, options)).err();
    progress(Progress::Done);
    evidence
}

/// Evidence of nothing yet.
fn begin(access: &Access, options: &Options) -> Evidence {
    let mut evidence = Evidence::new(options.read_at);
    evidence.access.bac_allowed = access.bac == Bac::Allowed;
    evidence.printed_mrz.clone_from(&access.printed_mrz);
    evidence
}

/// The layers over a card before access.
fn over<'c>(card: &'c mut dyn Card, options: &Options) -> Chained<Metered<'c>> {
    Chained::new(Metered::new(card, options.budget), Limits::SHORT)
}

/// What secure messaging may add to an extended command: three data objects and one block of padding.
const PROTECTION: usize = 48;

/// The procedure under way; `Err` is why it cannot go on.
struct Procedure<'a> {
    evidence: &'a mut Evidence,
    access: &'a Access,
    options: &'a Options,
    random: &'a mut dyn Random,
    progress: &'a mut dyn FnMut(Progress),
    /// After PACE: what Terminal Authentication calls the chip by.
    chip_identity: Option<Vec<u8>>,
    /// After Chip Authentication that was proved: the terminal's ephemeral key, compressed.
    terminal_key: Option<Vec<u8>>,
    /// The most data of a command under secure messaging.
    longest_command: usize,
    /// What a residence office came for.
    visit: Option<Visit<'a>>,
}

impl Procedure<'_> {
    fn run(&mut self, mut card: Chained<Metered<'_>>) -> Result<(), Interruption> {
        (self.progress)(Progress::Access);
        let mut reader = FileReader::new(self.options.budget, self.options.reader_limit);
        if self.options.extended_length {
            let limits = reader.learn_sizes(&mut card)?;
            card.set_limits(limits);
        }
        self.read(&mut reader, &mut card, &table::EF_CARD_ACCESS)?;
        let before_access = self.evidence.files.clone();

        let extended = card.limits() != Limits::SHORT;
        let (card, result) = self.session(&mut reader, card);
        let opened = self.evidence.access.established.is_some();
        match result {
            // What was written is not written again behind the caller's back.
            Err(cause)
                if !matches!(cause, Interruption::Limit { .. }) && (opened || extended) && !self.has_written() =>
            {
                self.read_again(reader, card, before_access, cause)
            }
            result => result,
        }
    }

    /// Opens access once more after a session that broke, and reads everything in small steps. When the card does not open again,
    /// the first session is what there is, and why it broke is the error.
    fn read_again(
        &mut self,
        reader: FileReader,
        mut card: Chained<Metered<'_>>,
        before_access: BTreeMap<String, FileEvidence>,
        cause: Interruption,
    ) -> Result<(), Interruption> {
        let first = self.evidence.clone();
        let session = Some(Box::new(first.of_broken_session(&cause)));
        let restart = Restart { file: reader.current().map(str::to_owned), cause: cause.clone(), session };
        card.set_limits(Limits::SHORT);
        self.longest_command = SHORT_COMMAND;
        // The first plain command may be spent on ending what is left of the old session.
        if !matches!(files::select_master_file(&mut card), Ok(status) if status.is_ok()) {
            files::select_master_file(&mut card).map_err(|_| cause.clone())?;
        }
        self.evidence.files = before_access;
        self.evidence.access.established = None;
        self.evidence.chip_authentication = None;
        self.evidence.active_authentication = None;
        self.evidence.terminal_authentication = None;
        (self.chip_identity, self.terminal_key) = (None, None);
        // Before anything is asked of this session: who judges inside it must know what the first one failed to prove.
        self.evidence.restarted = Some(restart);
        let (_, result) = self.session(&mut reader.careful(), card);
        if self.evidence.access.established.is_none() {
            let attempts = std::mem::take(&mut self.evidence.access.attempts);
            *self.evidence = first;
            self.evidence.access.attempts = attempts;
            return Err(cause);
        }
        result
    }

    /// One session: access, and all that is behind it.
    fn session<'c>(
        &mut self,
        reader: &mut FileReader,
        mut card: Chained<Metered<'c>>,
    ) -> (Chained<Metered<'c>>, Result<(), Interruption>) {
        self.longest_command = match card.limits().command_data {
            short if short <= Limits::SHORT.command_data => SHORT_COMMAND,
            extended => extended.saturating_sub(PROTECTION),
        };
        match self.open(&mut card) {
            Ok(Some(Opened { session, application_selected })) => {
                reader.protected(&session);
                let mut card = Secured::new(session, card);
                let result = self.behind_access(reader, &mut card, application_selected);
                (card.into_inner(), result)
            }
            Ok(None) => (card, Ok(())),
            Err(interruption) => (card, Err(interruption)),
        }
    }

    fn behind_access(
        &mut self,
        reader: &mut FileReader,
        card: &mut Secured<Chained<Metered<'_>>>,
        application_selected: bool,
    ) -> Result<(), Interruption> {
        if !application_selected {
            if self.mapping_is_offered() {
                self.read(reader, card, &table::EF_CARD_SECURITY)?;
            }
            if !select_emrtd(card)? {
                return Ok(());
            }
        }
        self.read(reader, card, &table::EF_COM)?;
        self.read(reader, card, &table::EF_SOD)?;
        self.read_groups(reader, card)?;
        (self.progress)(Progress::ChipAuthentication);
        self.prove_chip(reader, card)?;
        if self.visit.is_some() {
            return self.replace(reader, card);
        }
        self.prove_terminal(reader, card)?;
        self.prove_chip_actively(reader, card)?;
        // Last: a chip may end the session when it refuses.
        self.knock_without_terminal(reader, card)
    }

    /// Reads every listed data group that chip access opens: DG14 first (a later step needs it), then by number.
    fn read_groups(&mut self, reader: &mut FileReader, card: &mut dyn Card) -> Result<(), Interruption> {
        let listed = self.evidence.content(table::EF_SOD.name).map(listed_groups).unwrap_or_default();
        let mut groups: Vec<_> = listed.iter().filter_map(|number| table::data_group(*number)).collect();
        groups.retain(|file| file.access == table::Access::Basic);
        groups.sort_by_key(|file| (file.data_group != Some(14), file.data_group));
        // Until it is read, each counts as interrupted: what is left of the list when the card goes away.
        for file in &groups {
            self.evidence.files.insert(file.name.to_owned(), FileEvidence::Interrupted);
        }
        for file in groups {
            if file.data_group == Some(2) && self.options.skip_image {
                self.evidence.files.insert(file.name.to_owned(), FileEvidence::Skipped);
            } else {
                self.read(reader, card, file)?;
            }
        }
        Ok(())
    }

    fn read(
        &mut self,
        reader: &mut FileReader,
        card: &mut dyn Card,
        file: &'static table::File,
    ) -> Result<(), Interruption> {
        self.evidence.files.insert(file.name.to_owned(), FileEvidence::Interrupted);
        let seen = reader.read(card, file, self.progress);
        self.evidence.quirks.extend(reader.taken().into_iter().map(|rung| Quirk { rung, file: file.name.to_owned() }));
        let seen = seen?;
        self.evidence.files.insert(file.name.to_owned(), seen);
        Ok(())
    }
}

/// The data groups a security object lists. Not verified here: a list of what to ask for.
fn listed_groups(sod: &[u8]) -> Vec<u8> {
    crate::case::unverified_content(sod).map(|content| content.hashes.into_keys().collect()).unwrap_or_default()
}

/// Selects the eMRTD application; false when the card has none.
fn select_emrtd(card: &mut dyn Card) -> Result<bool, Interruption> {
    let select = Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(Aid::emrtd().as_bytes());
    let response = card.transmit(&select).map_err(|error| Interruption::from(&error))?;
    Ok(response.status.is_ok())
}
