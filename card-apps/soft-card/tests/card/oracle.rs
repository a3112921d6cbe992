//! The whole card against a small model of its access conditions: a host that knows every secret, or none, and noise outside and
//! inside every channel, in every state a card may be met in.
//!
//! The model is an oracle in both directions: what it forbids never happens, whatever was sent; what it allows, done well, works.
//! The citizen application's own rules are in `citizen::model`.

use std::cell::RefCell;
use std::rc::Rc;

use channel::chip_auth::{self, ChipAuthSuite, ChipPublicKey, KeyAgreement};
use channel::pace::{self, LADDER, Mapping, Suite};
use channel::password::MrzKey;
use channel::random::OsRandom;
use channel::scp03::{self, KeySet, SecurityLevel};
use channel::sm::Secured;
use channel::suite::{Cipher, Curve};
use channel::terminal_auth::{self, Binding, TerminalSigner};
use channel::{bac, secret::Secret};
use eid::objects::RESIDENCE;
use eid::residence::{Residence, SignedResidence};
use iso7816::tlv::{Tag, encode};
use iso7816::{Aid, Card, Command, Response, TransmitError};
use lds::date::Date;
use lds::globalplatform::install_for_personalization;
use lds::globalplatform::keys::delete_key_set;
use proptest::prelude::*;
use soft_card::emrtd::ApplicationLife;
use soft_card::issuer_domain::{CardLife, MAX_FAILED_AUTHENTICATIONS};
use soft_card::{SoftCard, State};

use crate::hostile;
use crate::residence::{HOLDER, record};
use crate::support::*;
use crate::terminal::{Hierarchy, Holder};

/// Stands in EF.DG3 alone, which the terminal has a right to.
const FINGERPRINTS: &[u8] = b"RIDGES AND VALLEYS";
/// Stands in EF.DG4 alone, which nobody has a right to.
const EYES: &[u8] = b"FURROWS AND CRYPTS";
/// Stands in the residence record alone, which offices have a right to.
const HOME: &str = "UNDER THE OLD OAK TREE";
const DG1: u16 = 0x0101;
const DG3: u16 = 0x0103;
const DG4: u16 = 0x0104;
/// No document here takes more.
const ALL_BLOCKS: usize = 12;
/// Version of the keys that every card here has.
const VERSION: u8 = 0x30;

/// Where the host left the card; noise may leave it anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Start,
    MasterFile,
    Issuer,
    Emrtd,
    Piv,
    National,
    Unknown,
}

impl At {
    fn aid(self) -> Option<Aid> {
        match self {
            At::Issuer => Some(Aid::issuer_domain()),
            At::Emrtd => Some(Aid::emrtd()),
            At::Piv => Some(eid::Application::Piv.aid()),
            At::National => Some(eid::Application::National.aid()),
            At::Start | At::MasterFile | At::Unknown => None,
        }
    }

    fn selection(self) -> Command {
        match self.aid() {
            Some(aid) => select(&aid),
            None => Command::new(0x00, 0xA4, 0x00, 0x0C).with_data([0x3F, 0x00]),
        }
    }
}

/// How bytes get to the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    Session,
    Channel,
}

#[derive(Clone, Debug)]
enum Step {
    Reset,
    Select(At, Way),
    Basic {
        right: bool,
    },
    Pace {
        right: bool,
        number: bool,
    },
    ChipAuthentication,
    /// Terminal Authentication of an inspection system or a residence office, with the right key for the certificate or another.
    Terminal {
        right: bool,
        office: bool,
    },
    /// GET DATA of the residence record.
    ReadResidence(Way),
    /// PUT DATA of a residence record, in links or not.
    WriteResidence {
        holder: bool,
        day: u8,
        links: bool,
        way: Way,
    },
    Read {
        id: u16,
        short: bool,
        way: Way,
    },
    /// Opens the issuer's channel; with a wrong key the host sends its cryptogram all the same.
    Issuer {
        right: bool,
        level: SecurityLevel,
    },
    Install,
    /// So many blocks of the document, from the first.
    Store {
        blocks: usize,
    },
    Seal,
    Lock,
    CardState(u8),
    Bind,
    AddKeys(u8),
    DeleteKeys(u8),
    Noise(Vec<u8>, Way),
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let at = || prop::sample::select(vec![At::MasterFile, At::Issuer, At::Emrtd, At::Emrtd, At::Piv, At::National]);
    let file =
        prop::sample::select(vec![0x011C, 0x011D, 0x011E, DG1, 0x0102, DG3, DG3, DG4, 0x010E, 0x0110, 0x2F00, 0x2F01]);
    let way = || prop::sample::select(vec![Way::Plain, Way::Session, Way::Session]);
    let anyway = prop::sample::select(vec![Way::Plain, Way::Session, Way::Channel]);
    let level = prop::sample::select(SecurityLevel::ALL.to_vec());
    let card_state = prop::sample::select(vec![0x01, 0x07, 0x0F, 0x7F, 0x0F, 0xFF, 0x00]);
    prop_oneof![
        1 => Just(Reset),
        5 => (at(), way()).prop_map(|(at, way)| Select(at, way)),
        2 => (0..4).prop_map(|one_of| Basic { right: one_of > 0 }),
        3 => (0..4, any::<bool>()).prop_map(|(one_of, number)| Pace { right: one_of > 0, number }),
        3 => Just(ChipAuthentication),
        4 => (0..4, any::<bool>()).prop_map(|(one_of, office)| Terminal { right: one_of > 0, office }),
        3 => way().prop_map(ReadResidence),
        3 => (0..4, 27..32u8, any::<bool>(), way())
            .prop_map(|(one_of, day, links, way)| WriteResidence { holder: one_of > 0, day, links, way }),
        9 => (file, any::<bool>(), way()).prop_map(|(id, short, way)| Read { id, short, way }),
        5 => (0..6, level).prop_map(|(one_of, level)| Issuer { right: one_of > 0, level }),
        2 => Just(Install),
        2 => (0..ALL_BLOCKS + 6).prop_map(|blocks| Store { blocks }),
        2 => Just(Seal),
        1 => Just(Lock),
        1 => card_state.prop_map(CardState),
        1 => Just(Bind),
        1 => (0x2Fu8..0x33).prop_map(AddKeys),
        1 => (0x2Fu8..0x33).prop_map(DeleteKeys),
        10 => (hostile::command(), anyway).prop_map(|(bytes, way)| Noise(bytes, way)),
    ]
}

/// The card in the reader, held by the host and by its channels.
#[derive(Clone)]
struct Inserted(Rc<RefCell<SoftCard>>);

impl Card for Inserted {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        self.0.borrow_mut().transmit(command)
    }
}

/// The host: where it believes the card to be, and the channels that it holds.
struct Host {
    card: Inserted,
    at: At,
    session: Option<Secured<Inserted>>,
    channel: Option<scp03::Channel<Inserted>>,
    proof: Proof,
    /// The data groupings are going to the application.
    installed: bool,
}

/// What belongs to the session and ends with it.
#[derive(Clone, Default)]
struct Proof {
    /// How the chip is named in what a terminal signs: by the protocol that opened the session.
    identity: Vec<u8>,
    /// The compressed key of Chip Authentication, once that ran.
    ephemeral_key: Option<Vec<u8>>,
    /// The chip let the inspection system in.
    terminal: bool,
    /// The chip let the residence office in.
    office: bool,
    /// Something came in between that may have ended the proof, though not the session.
    doubtful: bool,
}

/// What came of a step: answers without their protection.
struct Seen {
    answers: Vec<Response>,
    /// Whether all of it succeeded.
    done: bool,
}

impl Seen {
    fn nothing() -> Self {
        Seen { answers: Vec::new(), done: false }
    }

    fn one(answer: Option<Response>) -> Self {
        let done = answer.as_ref().is_some_and(|answer| answer.status.is_ok());
        Seen { answers: answer.into_iter().collect(), done }
    }

    fn result(done: bool) -> Self {
        Seen { answers: Vec::new(), done }
    }
}

impl Host {
    fn new(state: &State) -> Self {
        let card = Inserted(Rc::new(RefCell::new(SoftCard::from_state(state))));
        Host { card, at: At::Start, session: None, channel: None, proof: Proof::default(), installed: false }
    }

    fn proved(&self) -> Proved {
        Proved {
            at: self.at,
            session: self.session.is_some(),
            proof: self.proof.clone(),
            channel: self.channel.is_some(),
            installed: self.installed,
        }
    }

    fn memory(&self) -> State {
        self.card.0.borrow().state().clone()
    }

    /// A plain command: it ends the session, and the host gives its channel up.
    fn plain(&mut self, command: &Command) -> Response {
        self.session = None;
        self.channel = None;
        self.installed = false;
        self.card.transmit(command).unwrap()
    }

    /// `None` without a channel of this kind, or when it broke.
    fn send(&mut self, command: &Command, way: Way) -> Option<Response> {
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

    fn play(&mut self, step: &Step, world: &World) -> Seen {
        let seen = self.step(step, world);
        if self.session.is_none() {
            self.proof = Proof::default();
        }
        seen
    }

    fn step(&mut self, step: &Step, World { document, hierarchy, offices, stranger }: &World) -> Seen {
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

    fn noise(&mut self, bytes: &[u8], way: Way) -> Seen {
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

fn blocks_under(channel: &scp03::Channel<Inserted>, document: &Document) -> Vec<Command> {
    blocks_of(document, 120, |plain| channel.encrypt_dek(plain).unwrap())
}

/// What the host had proved when the step began.
struct Proved {
    at: At,
    session: bool,
    proof: Proof,
    channel: bool,
    installed: bool,
}

/// What stands still while dialogues pass.
struct World {
    document: Document,
    hierarchy: Hierarchy,
    offices: Hierarchy,
    stranger: Holder,
}

impl World {
    fn new() -> Self {
        World {
            document: Document::new(300),
            hierarchy: Hierarchy::new(),
            offices: Hierarchy::offices(&["read-dg17", "write-dg17"]),
            stranger: Holder::new("UTXX00001"),
        }
    }
}

fn judge(step: &Step, proved: &Proved, seen: &Seen, before: &State, after: &State) {
    secrecy(step, proved, seen, before);
    integrity(step, proved, before, after);
    life(step, proved, before, after);
    if let Some(expected) = expected(step, proved, before) {
        assert_eq!(seen.done, expected, "{step:?} at {:?}", proved.at);
    }
}

/// No protected byte without the right to it.
fn secrecy(step: &Step, proved: &Proved, seen: &Seen, before: &State) {
    let way = match step {
        Step::Select(_, way) | Step::Read { way, .. } | Step::Noise(_, way) | Step::ReadResidence(way) => *way,
        Step::WriteResidence { way, .. } => *way,
        _ => Way::Channel,
    };
    let open = proved.session && way == Way::Session && before.emrtd.life_cycle == ApplicationLife::Personalized;
    for answer in &seen.answers {
        let bytes = &answer.data;
        assert!(open || !hostile::shows(bytes, MARKER), "{step:?} shows a protected file");
        let fingers = open && proved.proof.terminal;
        assert!(fingers || !hostile::shows(bytes, FINGERPRINTS), "{step:?} shows fingerprints without the right");
        let home = open && proved.proof.office;
        assert!(home || !hostile::shows(bytes, HOME.as_bytes()), "{step:?} shows the residence without the right");
        assert!(!hostile::shows(bytes, EYES), "{step:?} shows eyes that nobody has a right to");
        assert!(!hostile::shows(bytes, &[0x2A; 32]), "{step:?} shows the chip's private key");
        assert!(open || !hostile::shows(bytes, INFORMATION.as_bytes()), "{step:?} shows a password");
        for key in before.issuer_domain.keys.values() {
            let keys = [&key.enc, &key.mac, &key.dek];
            // The counting bytes of the face are also in the keys that everybody knows.
            assert!(
                open || !keys.iter().any(|key| hostile::shows(bytes, key.expose())),
                "{step:?} shows an issuer's key"
            );
        }
    }
}

/// Nothing is written but in the issuer's channel.
fn integrity(step: &Step, proved: &Proved, before: &State, after: &State) {
    let in_channel = proved.channel
        && match step {
            Step::Noise(_, way) => *way == Way::Channel,
            Step::Install | Step::Store { .. } | Step::Seal | Step::Lock | Step::CardState(_) => true,
            Step::Bind | Step::AddKeys(_) | Step::DeleteKeys(_) => true,
            _ => false,
        };
    let lasting = |state: &State| {
        let domain = &state.issuer_domain;
        let versions: Vec<_> = domain.keys.iter().map(|(version, key)| (*version, key.enc.clone())).collect();
        let emrtd = soft_card::emrtd::Memory { terminal_trust: None, wrong_passwords: 0, ..state.emrtd.clone() };
        (emrtd, domain.life_cycle, versions, domain.card_image_number.clone())
    };
    let trust = |state: &State| state.emrtd.terminal_trust.clone().map(|trust| (trust.today, trust.points));
    match (trust(before), trust(after)) {
        (was, is) if was == is => {}
        // The terminal's chain brings a date, and no other trust point.
        (Some(was), Some(is)) if matches!(step, Step::Terminal { .. }) && proved.proof.ephemeral_key.is_some() => {
            assert!(was.0 < is.0 && was.1 == is.1, "{step:?}");
        }
        _ => assert!(
            in_channel && before.emrtd.life_cycle == ApplicationLife::Selectable,
            "{step:?} changes what the chip believes"
        ),
    }
    if !in_channel {
        assert!(lasting(before) == lasting(after), "{step:?} writes outside the issuer's channel");
    }
    assert_eq!(before.issuer_domain.cplc, after.issuer_domain.cplc, "{step:?}");
    assert_eq!(before.make, after.make);
    assert!(!after.issuer_domain.keys.is_empty(), "{step:?}: nobody could speak with the card any more");
    let bound = &before.issuer_domain.card_image_number;
    assert!(bound.is_none() || *bound == after.issuer_domain.card_image_number, "{step:?} binds again");
    let citizen = |state: &State| {
        state
            .eid
            .clone()
            .map(|eid| (eid.objects, eid.keys, eid.transport, eid.management_key, eid.pin.map(|pin| pin.value)))
    };
    match step {
        Step::WriteResidence { way: Way::Session, .. } if proved.session && proved.proof.office => {
            let residence =
                |state: &State| state.eid.as_ref().and_then(|eid| eid.objects.get(&RESIDENCE.tag.0).cloned());
            let others = |state: &State| {
                let objects = citizen(state).map(|(objects, ..)| objects).unwrap_or_default();
                objects.into_iter().filter(|(tag, _)| *tag != RESIDENCE.tag.0).collect::<Vec<_>>()
            };
            assert!(others(before) == others(after), "{step:?} writes something else");
            assert!(residence(before) == residence(after) || succeeds(before, after), "{step:?}");
        }
        _ => assert!(citizen(before) == citizen(after), "{step:?} writes the citizen application"),
    }
    counters(step, before, after);
}

/// The residence record of a card.
fn residence(state: &State) -> Option<Residence> {
    let content = state.eid.as_ref()?.objects.get(&RESIDENCE.tag.0)?;
    SignedResidence::parse(content).ok()?.residence().ok()
}

/// Whether one record is the next of the other: the same holder's, and not older.
fn succeeds(before: &State, after: &State) -> bool {
    let (Some(was), Some(is)) = (residence(before), residence(after)) else { return false };
    was.national_number == is.national_number && was.date <= is.date
}

fn counters(step: &Step, before: &State, after: &State) {
    for (version, key) in &before.issuer_domain.keys {
        if let Some(now) = after.issuer_domain.keys.get(version).filter(|now| now.enc == key.enc) {
            assert!(now.sequence >= key.sequence, "{step:?} takes a sequence counter back");
        }
    }
    let (was, is) = (before.emrtd.wrong_passwords, after.emrtd.wrong_passwords);
    let guess = matches!(step, Step::Basic { .. } | Step::Pace { .. } | Step::Noise(_, Way::Plain));
    assert!(
        is == was || guess && (is == was.saturating_add(1) || is == 0),
        "{step:?}: {was} wrong passwords, then {is}"
    );
    let (was, is) = (before.issuer_domain.failed_authentications, after.issuer_domain.failed_authentications);
    let forgiven = is == 0 && matches!(step, Step::Issuer { right: true, .. });
    assert!(is == was || is == was + 1 || forgiven, "{step:?}: {was} failures, then {is}");
    assert!(is <= MAX_FAILED_AUTHENTICATIONS);
    let known = before.issuer_domain.keys.contains_key(&VERSION);
    let alive = before.issuer_domain.life_cycle != CardLife::Terminated;
    if matches!(step, Step::Issuer { right: false, .. }) && known && alive && was < MAX_FAILED_AUTHENTICATIONS {
        assert_eq!(is, was + 1, "a wrong cryptogram costs a try");
    }
}

/// Life cycles go forward only, and no state is skipped.
fn life(step: &Step, proved: &Proved, before: &State, after: &State) {
    use ApplicationLife::{Locked, Personalized, Selectable};
    let (was, is) = (&before.emrtd, &after.emrtd);
    match (was.life_cycle, is.life_cycle) {
        (Selectable, Selectable) => {}
        (Selectable, Personalized) => {
            let indispensable = [DG1, 0x011D, 0x011E].iter().all(|id| was.files.contains_key(id));
            assert!(
                was.complete && indispensable && was.mrz_information.is_some(),
                "{step:?} seals an unfinished card"
            );
        }
        (Personalized, Personalized) | (Locked, Locked) => {
            assert!(was.files == is.files, "{step:?} changes a finished document")
        }
        (Selectable | Personalized, Locked) => assert!(was.files == is.files),
        (from, to) => panic!("{step:?} leads from {from:?} to {to:?}"),
    }
    let legal: &[u8] = match before.issuer_domain.life_cycle {
        CardLife::OpReady => &[0x01, 0x07, 0xFF],
        CardLife::Initialized => &[0x07, 0x0F, 0xFF],
        CardLife::Secured => &[0x0F, 0x7F, 0xFF],
        CardLife::CardLocked => &[0x7F, 0x0F, 0xFF],
        CardLife::Terminated => &[0xFF],
    };
    assert!(legal.contains(&(after.issuer_domain.life_cycle as u8)), "{step:?} skips a state of the card");
    let dead = matches!(before.issuer_domain.life_cycle, CardLife::CardLocked | CardLife::Terminated);
    let changed = was.files != is.files || before.issuer_domain.keys.len() != after.issuer_domain.keys.len();
    assert!(!(dead && changed), "{step:?} writes to a locked card");
    assert!(proved.channel || was.life_cycle == is.life_cycle);
}

/// What must come of a step that is done well; `None` where the model does not know where the card stands.
fn expected(step: &Step, proved: &Proved, before: &State) -> Option<bool> {
    let life = before.issuer_domain.life_cycle;
    let dead = matches!(life, CardLife::CardLocked | CardLife::Terminated);
    let document = before.emrtd.life_cycle == ApplicationLife::Personalized;
    let somewhere = proved.at != At::Unknown;
    let writable = proved.channel && !dead;
    match step {
        Step::Basic { right } => somewhere.then_some(*right && document && !dead && proved.at == At::Emrtd),
        Step::Pace { right, .. } => {
            let here = matches!(proved.at, At::Start | At::MasterFile | At::Emrtd);
            here.then_some(*right && document && !dead)
        }
        Step::ChipAuthentication if proved.session => somewhere.then_some(proved.at == At::Emrtd && document),
        Step::Terminal { right, .. } if proved.session && !proved.proof.doubtful => {
            let believes = before.emrtd.terminal_trust.is_some();
            let proved = proved.at == At::Emrtd && proved.proof.ephemeral_key.is_some();
            somewhere.then_some(*right && proved && believes && document)
        }
        Step::ReadResidence(way) | Step::WriteResidence { way, .. } if proved.at == At::National => {
            let open = *way == Way::Session && proved.session && proved.proof.office;
            let next = match (step, residence(before)) {
                (Step::WriteResidence { holder, day, .. }, Some(was)) => *holder && was.date <= january(*day),
                _ => true,
            };
            (!proved.proof.doubtful || !open).then_some(open && next && !dead)
        }
        Step::ReadResidence(_) | Step::WriteResidence { .. } => None,
        Step::Read { id: DG3, way, .. } if !proved.proof.doubtful => {
            let open = *way == Way::Session && proved.session && proved.proof.terminal;
            (proved.at == At::Emrtd && before.emrtd.files.contains_key(&DG3)).then_some(open && document)
        }
        Step::Read { id: DG4, .. } => Some(false),
        Step::Read { id, way, .. } => {
            let basic = before.emrtd.files.contains_key(id) && ![DG3, DG4, 0x011C].contains(id);
            let open = *way == Way::Session && proved.session;
            (proved.at == At::Emrtd && basic && (open || *way == Way::Plain)).then_some(open && document)
        }
        Step::Issuer { right: true, .. } => {
            let tries = before.issuer_domain.failed_authentications < MAX_FAILED_AUTHENTICATIONS;
            Some(tries && life != CardLife::Terminated && before.issuer_domain.keys.contains_key(&VERSION))
        }
        Step::Issuer { right: false, .. } => Some(false),
        Step::Install => Some(writable && before.emrtd.life_cycle == ApplicationLife::Selectable),
        Step::Store { .. } if !proved.installed => Some(false),
        Step::Store { blocks: ALL_BLOCKS.. } => {
            Some(writable && before.emrtd.life_cycle == ApplicationLife::Selectable)
        }
        Step::Seal => {
            let before = &before.emrtd;
            let ready = before.complete && before.life_cycle == ApplicationLife::Selectable;
            Some(proved.channel && life != CardLife::Terminated && ready)
        }
        Step::Lock => {
            Some(proved.channel && life != CardLife::Terminated && before.emrtd.life_cycle != ApplicationLife::Locked)
        }
        _ => None,
    }
}

fn january(day: u8) -> Date {
    Date::new(2026, 1, day).unwrap()
}

/// The states that a card may be met in, with fingerprints and eyes, on cards that believe the hierarchy.
fn states(world: &World) -> Vec<State> {
    let believing = |mut state: State| {
        if state.emrtd.files.contains_key(&DG3) {
            state.emrtd.files.insert(DG3, encode(Tag(0x63), FINGERPRINTS));
            state.emrtd.files.insert(DG4, encode(Tag(0x76), EYES));
            state.emrtd.terminal_trust = Some(world.hierarchy.trust_with(&world.offices));
        }
        if let Some(eid) = &mut state.eid {
            eid.objects.insert(RESIDENCE.tag.0, record(HOLDER, (2026, 1, 29), HOME, 40));
        }
        state
    };
    hostile::states().into_iter().map(believing).collect()
}

/// How a terminal gets in: chance alone seldom does.
fn way_in(office: bool) -> [Step; 5] {
    [
        Step::Pace { right: true, number: true },
        Step::Select(At::Emrtd, Way::Session),
        Step::ChipAuthentication,
        Step::Terminal { right: true, office },
        Step::Select(At::National, Way::Session),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_whole_card_does_what_the_model_allows_and_nothing_else(
        led in prop::sample::select(vec![0, 0, 3, 4, 5]),
        office: bool,
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let steps: Vec<Step> = way_in(office).into_iter().take(led).chain(steps).collect();
        thread_local! {
            static WORLD: (World, Vec<State>) = {
                let world = World::new();
                let states = states(&world);
                (world, states)
            };
        }
        WORLD.with(|(world, states)| {
            for state in states {
                let mut host = Host::new(state);
                for step in &steps {
                    let proved = host.proved();
                    let before = host.memory();
                    let seen = host.play(step, world);
                    judge(step, &proved, &seen, &before, &host.memory());
                }
            }
        });
    }
}

#[test]
fn a_host_that_knows_everything_gets_everywhere() {
    let world = World::new();
    let play = |host: &mut Host, steps: &[(Step, bool)]| {
        for (step, expected) in steps {
            assert_eq!(host.play(step, &world).done, *expected, "{step:?}");
        }
    };
    let level = SecurityLevel::Full;
    let read = |id| Step::Read { id, short: true, way: Way::Session };
    let opening = [
        (Step::Pace { right: true, number: true }, true),
        (Step::Select(At::Emrtd, Way::Session), true),
        (Step::ChipAuthentication, true),
        (read(DG1), true),
        (read(DG3), false),
    ];
    let mut host = Host::new(blank().state());
    let life = [
        (Step::Issuer { right: true, level }, true),
        (Step::Bind, true),
        (Step::Install, true),
        (Step::Store { blocks: ALL_BLOCKS }, true),
        (Step::Seal, true),
        (Step::CardState(0x0F), true),
        (Step::Reset, false),
    ];
    play(&mut host, &life);
    play(&mut host, &opening);
    let believing = states(&world)
        .into_iter()
        .find(|state| state.emrtd.life_cycle == ApplicationLife::Personalized && state.emrtd.terminal_trust.is_some());
    let mut host = Host::new(&believing.unwrap());
    play(&mut host, &opening);
    let inspector = |right| Step::Terminal { right, office: false };
    play(&mut host, &[(inspector(false), false), (read(DG3), false)]);
    play(&mut host, &opening);
    play(&mut host, &[(inspector(true), true), (read(DG3), true), (read(DG4), false)]);
    let citizen = states(&world).into_iter().find(|state| state.eid.is_some());
    let mut host = Host::new(&citizen.unwrap());
    play(&mut host, &opening);
    let national = || (Step::Select(At::National, Way::Session), true);
    let write = |day, links| Step::WriteResidence { holder: true, day, links, way: Way::Session };
    let read_home = || Step::ReadResidence(Way::Session);
    play(&mut host, &[national(), (read_home(), false), (write(30, false), false)]);
    play(&mut host, &[(Step::Select(At::Emrtd, Way::Session), true)]);
    play(&mut host, &[(Step::Terminal { right: true, office: true }, true), (read(DG3), false), national()]);
    play(
        &mut host,
        &[(read_home(), true), (write(30, true), true), (write(29, false), false), (write(31, false), true)],
    );
    assert_eq!(residence(&host.memory()).unwrap().date, january(31));
}
