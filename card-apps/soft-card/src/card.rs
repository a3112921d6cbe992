//! The card as a reader meets it: power, reset, bytes in, bytes out.

use std::path::Path;

use channel::random::{OsRandom, Random, RandomError};
use iso7816::{Card, Command, MAX_NE, Response, Status, TransmitError};
use lds::files::Place;

use crate::atr;
use crate::blank::BlankOptions;
use crate::dispatch::{Application, Class, Selection};
use crate::eid;
use crate::eid::chain::Pending;
use crate::emrtd::{self, ApplicationLife, Guess};
use crate::fault::{Faults, Line, Seeded, Tear, When};
use crate::forge::{self, ForgeError};
use crate::issuer_domain::{self, CardLife};
use crate::jmrtd;
use crate::persistence::{State, StateError, StateFile};

/// A card in software, inserted and powered.
///
/// What the card programs into its memory is stored before the answer leaves it: in the state file when it has
/// one ([`SoftCard::open`]), else in [`SoftCard::state`]. Dropping the card is pulling it out.
pub struct SoftCard {
    state: State,
    stored: Option<StateFile>,
    /// The memory before a command that may change it, until it is stored.
    before: Option<State>,
    failure: Option<StateError>,
    volatile: Option<Volatile>,
    random: Box<dyn Random + Send>,
    line: Line,
}

/// What is lost with power and reset.
struct Volatile {
    selected: Option<Application>,
    issuer_domain: issuer_domain::Volatile,
    emrtd: emrtd::Volatile,
    /// While the citizen application is selected, in the session of `emrtd` or outside any.
    eid: Option<eid::Volatile>,
    /// What of a protected answer waits for GET RESPONSE.
    rest: Pending,
    jmrtd: jmrtd::Volatile,
}

impl Volatile {
    fn new() -> Self {
        Volatile {
            selected: None,
            issuer_domain: Default::default(),
            emrtd: emrtd::Volatile::at(Place::MasterFile),
            eid: None,
            rest: Pending::default(),
            jmrtd: Default::default(),
        }
    }

    /// The citizen application's steps end with any command that does not reach it.
    fn forget_steps(&mut self) {
        self.eid.iter_mut().for_each(eid::Volatile::forget_steps);
    }

    /// Ends secure messaging, and what was granted in it.
    fn end_session_if_any(&mut self) {
        self.emrtd.end_session_if_any();
        self.eid.iter_mut().for_each(eid::Volatile::end_session_if_any);
    }
}

impl SoftCard {
    /// A card as its maker delivers it: INITIALIZED, one key set, an empty eMRTD application.
    ///
    /// # Errors
    /// When no serial number was given and no randomness is to be had.
    pub fn blank(options: BlankOptions) -> Result<Self, RandomError> {
        State::blank(options).map(|state| Self::from_state(&state))
    }

    /// A card with this memory, kept in this process only.
    pub fn from_state(state: &State) -> Self {
        SoftCard {
            state: state.clone(),
            stored: None,
            before: None,
            failure: None,
            volatile: Some(Volatile::new()),
            random: Box::new(OsRandom),
            line: Line::honest(),
        }
    }

    /// A card whose memory is a file; every change is written there before the card answers.
    ///
    /// # Errors
    /// When the file is not the memory of a card, or another card runs with it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let (state, file) = StateFile::open(path)?;
        Ok(SoftCard { stored: Some(file), ..Self::from_state(&state) })
    }

    /// The same card with another source of randomness.
    #[must_use]
    pub fn with_random(mut self, random: impl Random + Send + 'static) -> Self {
        self.random = Box::new(random);
        self
    }

    /// The same card with these faults. What it draws from here on comes from their seed; with a forged memory it keeps nothing
    /// in its file.
    ///
    /// # Errors
    /// When its memory cannot be forged so.
    pub fn with_faults(mut self, faults: &Faults) -> Result<Self, ForgeError> {
        if faults.forge_memory() {
            self.state = forge::forge(&self.state, faults)?;
            self.stored = None;
        }
        self.line = Line::with(faults);
        Ok(self.with_random(Seeded::new(faults.seed)))
    }

    /// The card's memory.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Why the card fell silent, when writing its state file failed.
    pub fn take_failure(&mut self) -> Option<StateError> {
        self.failure.take()
    }

    /// Sets a loss of power, counted from the next command; replaces one set before.
    pub fn tear(&mut self, tear: Tear) {
        self.line.tear(tear);
    }

    /// How many commands came since the card was made or a tear was set.
    pub fn commands(&self) -> u64 {
        self.line.commands()
    }

    /// True while the card has power.
    pub fn is_powered(&self) -> bool {
        self.volatile.is_some()
    }

    /// Gives power: volatile state is new. Returns the answer to reset.
    pub fn power_on(&mut self) -> Vec<u8> {
        self.volatile = Some(Volatile::new());
        self.atr()
    }

    /// Takes the power away; commands stay unanswered until [`SoftCard::power_on`] or [`SoftCard::reset`].
    pub fn power_off(&mut self) {
        self.volatile = None;
    }

    /// A reset, warm or cold: volatile state is new. Returns the answer to reset.
    pub fn reset(&mut self) -> Vec<u8> {
        self.power_on()
    }

    /// The answer to reset, without resetting.
    pub fn atr(&self) -> Vec<u8> {
        atr::answer_to_reset_of(&self.state.make)
    }

    /// Answers one command APDU. No bytes at all when the card has no power or loses it at this command.
    pub fn process(&mut self, bytes: &[u8]) -> Vec<u8> {
        let torn = self.line.next();
        if torn == Some(When::Before) {
            self.power_off();
        }
        let Some(mut volatile) = self.volatile.take() else {
            return Vec::new();
        };
        let response = match (self.line.refuses(bytes), Command::parse(bytes)) {
            (Some(status), _) => Response::status(status),
            (None, Ok(command)) if self.state.make.is_too_much(bytes.len(), command.ne) => {
                volatile.forget_steps();
                Response::status(Status::WRONG_LENGTH)
            }
            (None, Ok(command)) => self.answer(&command, &mut volatile),
            (None, Err(_)) => {
                volatile.forget_steps();
                Response::status(Status::WRONG_LENGTH)
            }
        };
        if !self.program() || torn == Some(When::After) {
            return Vec::new();
        }
        self.volatile = Some(volatile);
        self.line.spoil(bytes, response.to_bytes())
    }

    /// Writes the state file if the memory differs from what it was; false when that failed.
    fn program(&mut self) -> bool {
        let (Some(file), Some(before)) = (&mut self.stored, self.before.take()) else {
            return true;
        };
        if before == self.state {
            return true;
        }
        match file.save(&self.state) {
            Ok(()) => true,
            Err(error) => {
                // The file still holds the memory as it was.
                self.state = before;
                self.failure = Some(error);
                false
            }
        }
    }

    fn answer(&mut self, command: &Command, volatile: &mut Volatile) -> Response {
        if self.state.jmrtd.is_some() {
            return self.java_card(command, volatile);
        }
        if (command.cla, command.ins) == (0x00, GET_RESPONSE) && volatile.rest.is_waiting() {
            let next = volatile.rest.next(command.ne).unwrap_or_else(Response::status);
            return volatile.rest.split(next, Some(self.state.make.room(command.ne)));
        }
        volatile.rest = Pending::default();
        match Class::of(command.cla) {
            Err(status) => {
                // Not secure messaging either: a session does not survive it.
                volatile.end_session_if_any();
                volatile.forget_steps();
                Response::status(status)
            }
            Ok(Class::Secured) => {
                let response = self.secured(command, volatile);
                if !volatile.emrtd.is_secured() {
                    volatile.forget_steps();
                    volatile.end_session_if_any();
                }
                response
            }
            Ok(class) => {
                volatile.end_session_if_any();
                self.plain(command, class, volatile)
            }
        }
    }

    /// A Java Card with an applet of others: what selects no application on it is for the one that is selected.
    fn java_card(&mut self, command: &Command, volatile: &mut Volatile) -> Response {
        let selection = if command.cla == 0x00 { Selection::of(command) } else { None };
        if let Some(Ok(selection)) = selection
            && let Ok((application, information)) = self.find(&selection, volatile)
        {
            // The applet forgets at a reset only.
            let kept = std::mem::take(&mut volatile.jmrtd);
            let response = self.select(application, information && application != Application::Emrtd, volatile);
            volatile.jmrtd = kept;
            return response;
        }
        if volatile.selected == Some(Application::Emrtd) {
            self.before = self.stored.as_ref().map(|_| self.state.clone());
            let Some(memory) = &mut self.state.jmrtd else { return Response::status(Status::UNKNOWN_ERROR) };
            return jmrtd::answer(command, memory, &mut volatile.jmrtd, self.random.as_mut());
        }
        match Class::of(command.cla) {
            Ok(Class::GlobalPlatform { .. }) if command.cla & CHAINING != 0 => {
                Response::status(Status::CHAINING_NOT_SUPPORTED)
            }
            Ok(Class::GlobalPlatform { protected }) => self.issuer_domain(command, protected, volatile),
            Ok(Class::Plain { chaining: false }) if command.ins == GET_DATA => {
                self.issuer_domain(command, false, volatile)
            }
            // The issuer domain selects by name only.
            Ok(Class::Plain { .. }) if command.ins == SELECT && command.p1 == 0x04 => {
                Response::status(Status::FILE_NOT_FOUND)
            }
            Ok(Class::Plain { .. }) if command.ins == SELECT => Response::status(Status::INCORRECT_P1_P2),
            Ok(_) => Response::status(Status::INSTRUCTION_NOT_SUPPORTED),
            Err(status) => Response::status(status),
        }
    }

    /// A command under the eMRTD application's secure messaging, where the national file set can be selected too; so is its
    /// answer, whatever it says.
    fn secured(&mut self, command: &Command, volatile: &mut Volatile) -> Response {
        let plain = match volatile.emrtd.open(command) {
            Ok(plain) => plain,
            Err(status) => return Response::status(status),
        };
        let capacity = volatile.emrtd.capacity(self.state.make.room(command.ne));
        let chaining = plain.cla & CHAINING != 0;
        let selection = Selection::of(&plain).filter(|_| !chaining);
        if selection.is_some() {
            volatile.emrtd.forget_steps();
        }
        let response = match selection {
            Some(selection) => match selection.and_then(|selection| self.find(&selection, volatile)) {
                // The issuer domain has a channel of its own: it is not reached through this one.
                // The holder's keys are not offered under it.
                Ok((Application::IssuerDomain | Application::Piv, _)) => Response::status(Status::FILE_NOT_FOUND),
                Ok((Application::National, information)) => {
                    let (place, rights) =
                        (::eid::Application::National, eid::terminal::rights(volatile.emrtd.granted()));
                    volatile.selected = Some(Application::National);
                    volatile.eid = Some(eid::Volatile::in_session(place, rights));
                    selected(self.property_template(place).filter(|_| information))
                }
                Ok((Application::Emrtd, information)) => {
                    volatile.selected = Some(Application::Emrtd);
                    volatile.eid = None;
                    volatile.emrtd.enter(Place::Emrtd);
                    selected(information.then(emrtd::file_control_information))
                }
                Err(status) => Response::status(status),
            },
            None if volatile.eid.is_some() => self.terminal(&plain, chaining, volatile),
            None => self.emrtd(&plain, chaining, capacity, volatile),
        };
        let protected = volatile.emrtd.protect(&self.line.spoil_inside(plain.ins, response));
        // Only data objects are longer than what was asked for: the rest goes out as it is, protected already (7816-4 §5.3.4).
        volatile.rest.split(protected, Some(self.state.make.room(command.ne)))
    }

    /// A command for the national file set that came out of secure messaging.
    fn terminal(&mut self, command: &Command, chaining: bool, volatile: &mut Volatile) -> Response {
        self.before = self.stored.as_ref().map(|_| self.state.clone());
        match (&mut self.state.eid, &mut volatile.eid) {
            (Some(memory), Some(volatile)) => eid::terminal::answer(command, chaining, memory, volatile),
            _ => Response::status(Status::CONDITIONS_NOT_SATISFIED),
        }
    }

    fn plain(&mut self, command: &Command, class: Class, volatile: &mut Volatile) -> Response {
        if let (Class::Plain { chaining: false }, Some(selection)) = (class, Selection::of(command)) {
            volatile.forget_steps();
            return match selection.and_then(|selection| self.find(&selection, volatile)) {
                Ok((application, information)) => self.select(application, information, volatile),
                Err(status) => Response::status(status),
            };
        }
        if volatile.eid.is_some() {
            return self.eid(command, class, volatile);
        }
        match (class, volatile.selected) {
            (Class::GlobalPlatform { .. }, Some(Application::Emrtd)) => Response::status(match command.cla {
                0x04 | 0x14 => Status::SECURE_MESSAGING_NOT_SUPPORTED,
                _ => Status::CLASS_NOT_SUPPORTED,
            }),
            (Class::GlobalPlatform { .. }, _) if command.cla & CHAINING != 0 => {
                Response::status(Status::CHAINING_NOT_SUPPORTED)
            }
            // The issuer domain is selected by itself after a reset (GPCS §6.4.1).
            (Class::GlobalPlatform { protected }, _) => self.issuer_domain(command, protected, volatile),
            (Class::Plain { chaining: false }, Some(Application::IssuerDomain) | None) if command.ins == GET_DATA => {
                self.issuer_domain(command, false, volatile)
            }
            (Class::Plain { chaining }, selected) => {
                if self.is_dead() {
                    return Response::status(Status::CONDITIONS_NOT_SATISFIED);
                }
                if !self.state.has_emrtd() {
                    // There is no file system, and the issuer domain knows no other command of this class.
                    volatile.forget_steps();
                    return Response::status(match command.ins {
                        SELECT => Status::FILE_NOT_FOUND,
                        _ => Status::INSTRUCTION_NOT_SUPPORTED,
                    });
                }
                if selected == Some(Application::IssuerDomain) {
                    // The issuer domain has no files: leave it for the master file, where they are looked for.
                    *volatile = Volatile::new();
                }
                let capacity = self.state.make.room(Some(MAX_NE));
                self.emrtd(command, chaining, capacity, volatile)
            }
            (Class::Secured, _) => Response::status(Status::SM_OBJECTS_INCORRECT),
        }
    }

    /// A command for the eMRTD application or the master file, which a command may also select.
    fn emrtd(&mut self, command: &Command, chaining: bool, capacity: u32, volatile: &mut Volatile) -> Response {
        let State { make, emrtd: memory, .. } = &self.state;
        let listed = [Application::Emrtd, Application::Piv, Application::National];
        let applications: Vec<_> = listed.into_iter().filter(|one| self.has(*one)).map(Application::aid).collect();
        let host = emrtd::Host { make, applications: &applications };
        let random = self.random.as_mut();
        let response = emrtd::answer(command, chaining, capacity, host, memory, &mut volatile.emrtd, random);
        let (learned, guess) = (volatile.emrtd.take_learned(), volatile.emrtd.take_guess());
        let wrong = self.state.emrtd.wrong_passwords;
        let counted = match guess {
            Some(Guess::Wrong) => wrong.saturating_add(1),
            Some(Guess::Right) => 0,
            Some(Guess::Begun) | None => wrong,
        };
        if guess == Some(Guess::Begun) {
            self.line.pause(self.state.emrtd.pause());
        }
        if learned.is_some() || counted != wrong {
            self.before = self.stored.as_ref().map(|_| self.state.clone());
            self.state.emrtd.wrong_passwords = counted;
        }
        if learned.is_some() {
            self.state.emrtd.terminal_trust = learned;
        }
        if volatile.emrtd.is_at_master_file() {
            volatile.selected = None;
        }
        response
    }

    fn issuer_domain(&mut self, command: &Command, protected: bool, volatile: &mut Volatile) -> Response {
        volatile.selected = Some(Application::IssuerDomain);
        self.before = self.stored.as_ref().map(|_| self.state.clone());
        let random = self.random.as_mut();
        let mut lie = |instruction, answer| self.line.spoil_inside(instruction, answer);
        issuer_domain::answer(command, protected, &mut self.state, &mut volatile.issuer_domain, random, &mut lie)
    }

    /// A command for the citizen application: the holder's, or the issuer's through its channel.
    fn eid(&mut self, command: &Command, class: Class, volatile: &mut Volatile) -> Response {
        let Volatile { issuer_domain, eid: Some(eid), .. } = volatile else {
            return Response::status(Status::CONDITIONS_NOT_SATISFIED);
        };
        self.before = self.stored.as_ref().map(|_| self.state.clone());
        let random = self.random.as_mut();
        let State { make, issuer_domain: domain, emrtd, eid: memory, jmrtd } = &mut self.state;
        let Some(memory) = memory else {
            return Response::status(Status::CONDITIONS_NOT_SATISFIED);
        };
        if matches!(class, Class::GlobalPlatform { .. }) {
            eid.end_freshness();
            if !memory.has_channel() {
                return Response::status(Status::CLASS_NOT_SUPPORTED);
            }
        }
        if let Class::GlobalPlatform { .. } = class
            && issuer_domain::opens(command)
        {
            eid.forget_steps();
            return issuer_domain::open_on(&eid.place().aid(), command, domain, issuer_domain, random);
        }
        let (stored, failure, before) = (&mut self.stored, &mut self.failure, &mut self.before);
        let mut program = |memory: &eid::Memory| {
            let state = State {
                make: make.clone(),
                issuer_domain: domain.clone(),
                emrtd: emrtd.clone(),
                eid: Some(memory.clone()),
                jmrtd: jmrtd.clone(),
            };
            match stored.as_mut().map(|file| file.save(&state)) {
                None => true,
                Some(Ok(())) => {
                    *before = Some(state);
                    true
                }
                Some(Err(error)) => {
                    *failure = Some(error);
                    false
                }
            }
        };
        match class {
            Class::Plain { chaining } => {
                // A command outside the issuer's channel ends it; one program of others lets it be.
                if memory.applet.is_own() {
                    *issuer_domain = Default::default();
                }
                eid::answer(command, chaining, memory, eid, random, &mut program)
            }
            Class::GlobalPlatform { protected: true } if !issuer_domain.level().is_none_or(|it| memory.heeds(it)) => {
                Response::status(Status::SECURITY_NOT_SATISFIED)
            }
            Class::GlobalPlatform { protected: true } => match issuer_domain.open(command) {
                Ok(plain) => {
                    let chaining = plain.cla & CHAINING != 0;
                    let answer = eid::answer_issuer(&plain, chaining, memory, eid, random, &mut program);
                    issuer_domain.protect(&self.line.spoil_inside(plain.ins, answer))
                }
                Err(status) => {
                    eid.forget_steps();
                    Response::status(status)
                }
            },
            Class::GlobalPlatform { protected: false } | Class::Secured => {
                Response::status(Status::CLASS_NOT_SUPPORTED)
            }
        }
    }

    fn property_template(&self, place: ::eid::Application) -> Option<Vec<u8>> {
        self.state.eid.as_ref().map(|memory| eid::property_template(place, memory))
    }

    /// True in the card's locked states: only the issuer domain answers (GPCS §5.1.1.4, §5.1.1.5).
    fn is_dead(&self) -> bool {
        matches!(self.state.issuer_domain.life_cycle, CardLife::CardLocked | CardLife::Terminated)
    }

    /// Whether the application is on this card and can be selected: the issuer takes applications away by locking them.
    fn has(&self, application: Application) -> bool {
        let citizen = |part| self.state.eid.as_ref().filter(|memory| memory.life(part) != ApplicationLife::Locked);
        match application {
            Application::IssuerDomain => true,
            Application::Emrtd => self.state.has_emrtd() && self.state.emrtd.life_cycle != ApplicationLife::Locked,
            Application::Piv => citizen(::eid::Application::Piv).is_some(),
            Application::National => citizen(::eid::Application::National).is_some_and(|memory| memory.applet.is_own()),
        }
    }

    /// The application a selection means, and whether file control information is wanted.
    fn find(&self, selection: &Selection<'_>, volatile: &Volatile) -> Result<(Application, bool), Status> {
        let found =
            selection.find(volatile.selected, |application| self.has(application)).ok_or(Status::FILE_NOT_FOUND)?;
        match found {
            // GPCS §11.9: a locked card has no application to select.
            Application::Emrtd | Application::Piv | Application::National if self.is_dead() => {
                Err(Status::FUNCTION_NOT_SUPPORTED)
            }
            _ => Ok((found, selection.information)),
        }
    }

    /// A plain selection: everything volatile is new, but for what was proved to the citizen application when it is
    /// selected again (SP 800-73-4 part 2 §3.1.1).
    fn select(&self, application: Application, information: bool, volatile: &mut Volatile) -> Response {
        let again = volatile.eid.take().filter(|eid| Some(eid.place()) == application.eid());
        *volatile = Volatile { selected: Some(application), ..Volatile::new() };
        match application {
            Application::Emrtd => {
                volatile.emrtd = emrtd::Volatile::at(Place::Emrtd);
                selected(information.then(emrtd::file_control_information))
            }
            Application::Piv | Application::National => {
                let place = application.eid();
                volatile.eid = again.or_else(|| place.map(eid::Volatile::at));
                volatile.eid.iter_mut().for_each(eid::Volatile::forget_steps);
                selected(place.filter(|_| information).and_then(|place| self.property_template(place)))
            }
            Application::IssuerDomain => {
                let mut response = selected(information.then(issuer_domain::file_control_information));
                response.status = match self.state.issuer_domain.life_cycle {
                    CardLife::CardLocked => Status::FILE_DEACTIVATED,
                    CardLife::Terminated => Status::FILE_TERMINATED,
                    _ => Status::OK,
                };
                response
            }
        }
    }
}

/// The bit of a class byte that says that more links follow.
const CHAINING: u8 = 0x10;
/// GET DATA, the one interindustry command of the issuer domain.
const GET_DATA: u8 = 0xCA;

const GET_RESPONSE: u8 = 0xC0;
/// SELECT, here by file identifier.
const SELECT: u8 = 0xA4;

fn selected(information: Option<Vec<u8>>) -> Response {
    information.map_or(Response::status(Status::OK), Response::ok)
}

impl Card for SoftCard {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        Response::parse(&self.process(&command.to_bytes())).ok_or(TransmitError::Lost)
    }
}
