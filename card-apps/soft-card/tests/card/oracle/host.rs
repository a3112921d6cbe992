//! The host: it takes the steps, and knows what it has proved.

use std::cell::RefCell;
use std::rc::Rc;

use channel::chip_auth::{self, ChipAuthSuite, ChipPublicKey, KeyAgreement};
use channel::pace::{self, LADDER, Mapping, Suite};
use channel::password::MrzKey;
use channel::random::OsRandom;
use channel::scp03::{self, KeySet};
use channel::sm::Secured;
use channel::suite::{Cipher, Curve};
use channel::terminal_auth::{self, Binding, TerminalSigner};
use channel::{bac, secret::Secret};
use eid::objects::RESIDENCE;
use iso7816::tlv::{Tag, encode};
use iso7816::{Aid, Card, Command, Response, TransmitError};
use lds::globalplatform::install_for_personalization;
use lds::globalplatform::keys::delete_key_set;
use soft_card::{SoftCard, State};

use super::step::{At, Step, Way};
use super::{ALL_BLOCKS, HOME, VERSION, World};
use crate::residence::{HOLDER, record};
use crate::support::*;

/// The card in the reader, held by the host and by its channels.
#[derive(Clone)]
pub struct Inserted(Rc<RefCell<SoftCard>>);

impl Card for Inserted {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        self.0.borrow_mut().transmit(command)
    }
}

/// The host: where it believes the card to be, and the channels that it holds.
pub struct Host {
    pub card: Inserted,
    pub at: At,
    pub session: Option<Secured<Inserted>>,
    pub channel: Option<scp03::Channel<Inserted>>,
    pub proof: Proof,
    /// The data groupings are going to the application.
    pub installed: bool,
}

/// What belongs to the session and ends with it.
#[derive(Clone, Default)]
pub struct Proof {
    /// How the chip is named in what a terminal signs: by the protocol that opened the session.
    pub identity: Vec<u8>,
    /// The compressed key of Chip Authentication, once that ran.
    pub ephemeral_key: Option<Vec<u8>>,
    /// The chip let the inspection system in.
    pub terminal: bool,
    /// The chip let the residence office in.
    pub office: bool,
    /// Something came in between that may have ended the proof, though not the session.
    pub doubtful: bool,
}

/// What came of a step: answers without their protection.
pub struct Seen {
    pub answers: Vec<Response>,
    /// Whether all of it succeeded.
    pub done: bool,
}

impl Seen {
    pub fn nothing() -> Self {
        Seen { answers: Vec::new(), done: false }
    }

    pub fn one(answer: Option<Response>) -> Self {
        let done = answer.as_ref().is_some_and(|answer| answer.status.is_ok());
        Seen { answers: answer.into_iter().collect(), done }
    }

    pub fn result(done: bool) -> Self {
        Seen { answers: Vec::new(), done }
    }
}

impl Host {
    pub fn new(state: &State) -> Self {
        let card = Inserted(Rc::new(RefCell::new(SoftCard::from_state(state))));
        Host { card, at: At::Start, session: None, channel: None, proof: Proof::default(), installed: false }
    }

    pub fn proved(&self) -> Proved {
        Proved {
            at: self.at,
            session: self.session.is_some(),
            proof: self.proof.clone(),
            channel: self.channel.is_some(),
            installed: self.installed,
        }
    }

    pub fn memory(&self) -> State {
        self.card.0.borrow().state().clone()
    }

    /// A plain command: it ends the session, and the host gives its channel up.
    pub fn plain(&mut self, command: &Command) -> Response {
        self.session = None;
        self.channel = None;
        self.installed = false;
        self.card.transmit(command).unwrap()
    }

    /// `None` without a channel of this kind, or when it broke.
    pub fn send(&mut self, command: &Command, way: Way) -> Option<Response> {
        match way {
            Way::Plain => Some(self.plain(command)),
            Way::Session => {
                let answer = self.session.as_mut()?.transmit(command).ok();
                if answer.is_none() {
                    self.session = None;
                }
                answer
            }
            Way::Channel => {
                let answer = self.channel.as_mut()?.transmit(command).ok();
                if answer.is_none() {
                    self.channel = None;
                }
                answer
            }
        }
    }

    pub fn play(&mut self, step: &Step, world: &World) -> Seen {
        let seen = self.step(step, world);
        if self.session.is_none() {
            self.proof = Proof::default();
        }
        seen
    }

    pub fn step(&mut self, step: &Step, World { document, hierarchy, offices, stranger }: &World) -> Seen {
        match step {
            Step::Reset => {
                self.card.0.borrow_mut().reset();
                (self.session, self.channel, self.installed, self.at) = (None, None, false, At::Start);
                Seen::nothing()
            }
            Step::Select(at, way) => {
                let seen = Seen::one(self.send(&at.selection(), *way));
                if seen.done {
                    self.at = *at;
                }
                seen
            }
            Step::Basic { right } => {
                (self.session, self.channel, self.installed) = (None, None, false);
                let information = if *right { INFORMATION } else { "L898902C<369080619406237" };
                let key = MrzKey::from_information(information);
                let opened = bac::open(&mut self.card, &key, &mut OsRandom).ok();
                self.session = opened.map(|session| Secured::new(session, self.card.clone()));
                self.proof = Proof { identity: b"L898902C<3".to_vec(), ..Proof::default() };
                Seen::result(self.session.is_some())
            }
            Step::Pace { right, number } => {
                (self.session, self.channel, self.installed) = (None, None, false);
                let password = match (right, number) {
                    (true, true) => can(),
                    (true, false) => mrz(),
                    (false, _) => channel::password::Password::Can(Secret::from(&b"000000"[..])),
                };
                let suite = Suite { mapping: Mapping::Generic, group: Curve::P256.into(), cipher: Cipher::Aes128 };
                let opened = pace::open(&mut self.card, &suite, &password, LADDER[0], &mut OsRandom);
                self.proof = Proof::default();
                self.session = opened.ok().map(|opened| {
                    self.proof.identity = opened.chip_identity;
                    Secured::new(opened.session, self.card.clone())
                });
                Seen::result(self.session.is_some())
            }
            Step::ChipAuthentication => {
                let Some(session) = self.session.as_mut() else { return Seen::nothing() };
                let key = ChipPublicKey { group: Curve::P256.into(), octets: document.chip_point.clone() };
                let suite = ChipAuthSuite { agreement: KeyAgreement::Ecdh, cipher: Cipher::Aes128 };
                let identity = std::mem::take(&mut self.proof).identity;
                match chip_auth::open(session, &key, None, suite, &mut OsRandom) {
                    Ok(opened) => {
                        session.replace(opened.session);
                        self.proof = Proof { identity, ephemeral_key: Some(opened.ephemeral_key), ..Proof::default() };
                    }
                    Err(_) => self.session = None,
                }
                Seen::result(self.session.is_some())
            }
            Step::Terminal { right, office } => {
                let hierarchy = if *office { offices } else { hierarchy };
                let Some(session) = self.session.as_mut() else { return Seen::nothing() };
                let ephemeral_key = self.proof.ephemeral_key.clone().unwrap_or_default();
                let binding = Binding { chip_identity: &self.proof.identity, ephemeral_key: &ephemeral_key };
                let key = if *right { &hierarchy.terminal.key } else { &stranger.key };
                let mut sign = |message: &[u8]| key.sign(message);
                let done =
                    terminal_auth::authenticate(session, &hierarchy.chain, binding, &mut sign, usize::MAX).is_ok();
                // Where no such command is known, it takes nothing back either.
                if done || self.at == At::Emrtd {
                    (self.proof.terminal, self.proof.office) = (done && !office, done && *office);
                } else {
                    self.proof.doubtful = true;
                }
                Seen::result(done)
            }
            Step::ReadResidence(way) => Seen::one(self.send(&RESIDENCE.get().with_ne(iso7816::MAX_NE), *way)),
            Step::WriteResidence { holder, day, links, way } => {
                let holder = if *holder { HOLDER } else { "199900000022" };
                let whole = RESIDENCE.put(&record(holder, (2026, 1, *day), HOME, 40));
                if !links {
                    return Seen::one(self.send(&whole, *way));
                }
                let (head, tail) = whole.data.split_at(20);
                let head = Command { cla: 0x10, data: head.to_vec(), ..whole.clone() };
                match self.send(&head, *way) {
                    Some(answer) if answer.status.is_ok() => {
                        Seen::one(self.send(&Command { data: tail.to_vec(), ..whole }, *way))
                    }
                    answer => Seen::one(answer),
                }
            }
            Step::Read { id, short, way } => {
                let file = lds::files::by_id(lds::files::Place::Emrtd, *id).filter(|_| *short);
                let Some(short) = file.and_then(|file| file.short_id) else {
                    let select = Command::new(0x00, 0xA4, 0x02, 0x0C).with_data(id.to_be_bytes());
                    return match self.send(&select, *way) {
                        Some(answer) if answer.status.is_ok() => {
                            Seen::one(self.send(&Command::new(0x00, 0xB0, 0, 0).with_ne(256), *way))
                        }
                        answer => Seen::one(answer),
                    };
                };
                Seen::one(self.send(&Command::new(0x00, 0xB0, 0x80 | short, 0).with_ne(256), *way))
            }
            Step::Issuer { right: true, level } => {
                self.plain(&select(&Aid::issuer_domain()));
                let opened = scp03::open(self.card.clone(), VERSION, &default_keys(), *level, &mut OsRandom);
                (self.at, self.channel) = (At::Issuer, opened.ok());
                Seen::result(self.channel.is_some())
            }
            Step::Issuer { right: false, level } => {
                self.plain(&select(&Aid::issuer_domain()));
                self.at = At::Issuer;
                self.plain(&Command::new(0x80, 0x50, VERSION, 0).with_data([7; 8]).with_ne(256));
                Seen::one(Some(self.plain(&Command::new(0x84, 0x82, *level as u8, 0).with_data([7; 16]))))
            }
            Step::Install => {
                let seen = Seen::one(self.send(&install_for_personalization(&Aid::emrtd()), Way::Channel));
                self.installed |= seen.done;
                seen
            }
            Step::Store { blocks: count } => {
                let Some(channel) = &self.channel else { return Seen::nothing() };
                let all = blocks_under(channel, document);
                assert!(all.len() <= ALL_BLOCKS);
                let whole = *count >= all.len();
                let mut answers = Vec::new();
                for block in all.iter().take(*count) {
                    answers.extend(self.send(block, Way::Channel));
                }
                let done = self.installed && whole && answers.iter().all(|answer| answer.status.is_ok());
                if !answers.is_empty() {
                    self.installed = false;
                }
                Seen { answers, done }
            }
            Step::Seal => Seen::one(self.send(&set_status(0x40, 0x0F, Some(Aid::emrtd())), Way::Channel)),
            Step::Lock => Seen::one(self.send(&set_status(0x40, 0x83, Some(Aid::emrtd())), Way::Channel)),
            Step::CardState(state) => Seen::one(self.send(&set_status(0x80, *state, None), Way::Channel)),
            Step::Bind => {
                // It would be a block of the application's data now.
                if self.installed {
                    return Seen::nothing();
                }
                let binding = Command::new(0x80, 0xE2, 0x90, 0x00).with_data(encode(Tag(0x45), BINDING));
                Seen::one(self.send(&binding, Way::Channel))
            }
            Step::AddKeys(version) => {
                let Some(channel) = &self.channel else { return Seen::nothing() };
                let key = |byte| Secret::new(vec![byte; 16]);
                let keys = KeySet { enc: key(1), mac: key(2), dek: key(3) };
                let data = crate::issuer::put_key_data(channel, *version, &keys);
                Seen::one(self.send(&Command::new(0x80, 0xD8, 0x00, 0x81).with_data(data).with_ne(256), Way::Channel))
            }
            Step::DeleteKeys(version) => Seen::one(self.send(&delete_key_set(*version), Way::Channel)),
            Step::Noise(bytes, way) => self.noise(bytes, *way),
        }
    }

    pub fn noise(&mut self, bytes: &[u8], way: Way) -> Seen {
        if way != Way::Plain {
            let Ok(command) = Command::parse(bytes) else { return Seen::nothing() };
            let ins = command.ins;
            // Inside secure messaging the class is the card's to see only after the protection is off.
            let seen = self.send(&Command { cla: 0x00, ..command }, way);
            if seen.is_some() && way == Way::Session {
                self.at = At::Unknown;
                self.proof.doubtful = true;
            }
            self.installed = false;
            // A channel is opened outside the one there is, which ends with the attempt: at level 01 the host cannot see that.
            if way == Way::Channel && [0x50, 0x82].contains(&ins) {
                self.channel = None;
            }
            return Seen { answers: seen.into_iter().collect(), done: false };
        }
        (self.session, self.channel, self.installed, self.at) = (None, None, false, At::Unknown);
        let answer = Response::parse(&self.card.0.borrow_mut().process(bytes)).expect("a powered card answers");
        Seen { answers: vec![answer], done: false }
    }
}

pub fn blocks_under(channel: &scp03::Channel<Inserted>, document: &Document) -> Vec<Command> {
    blocks_of(document, 120, |plain| channel.encrypt_dek(plain).unwrap())
}

/// What the host had proved when the step began.
pub struct Proved {
    pub at: At,
    pub session: bool,
    pub proof: Proof,
    pub channel: bool,
    pub installed: bool,
}
