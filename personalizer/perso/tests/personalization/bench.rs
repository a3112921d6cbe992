//! A printing centre in memory: authority, document signer, trust store, soft card, ledger.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::OnceLock;

use authority::{Authority, BundleRequest, DocumentSigner, Passphrase};
use channel::random::OsRandom;
use channel::scp03::KeySet;
use channel::secret::Secret;
use iso7816::{Card, Command, Response, Status, TransmitError};
use jiff::Timestamp;
use perso::citizen::Citizens;
use perso::execute::{
    Connections, Job, Line, Progress, SecurityObjectSigner, SignerError, Station, StationCard, StationError,
};
use perso::ledger::Ledger;
use perso::order::{self, Order};
use perso::portrait::{self, Face};
use perso::profile::Profile;
use perso::rotation::{CardKeys, Rotation};
use soft_card::{BlankOptions, SoftCard, State};
use trust::TrustStore;

/// What all tests share: made once, as keys take time.
pub struct Centre {
    pub signer: DocumentSigner,
    pub trust: TrustStore,
    pub orders: Vec<Order>,
    pub folder: PathBuf,
}

struct Signer<'a>(&'a DocumentSigner);

impl SecurityObjectSigner for Signer<'_> {
    fn sign(&self, object: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign_security_object(object).map_err(|error| SignerError { source: Box::new(error) })
    }

    fn sign_record(&self, record: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign_record(record).map_err(|error| SignerError { source: Box::new(error) })
    }

    fn sign_card_security(&self, security_infos: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign_card_security(security_infos).map_err(|error| SignerError { source: Box::new(error) })
    }
}

/// The centre.
pub fn centre() -> &'static Centre {
    static CENTRE: OnceLock<Centre> = OnceLock::new();
    CENTRE.get_or_init(|| {
        // Kept: the signer counts its uses there, and a static is never dropped.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap().keep();
        let directory = folder.join("authority");
        let (root, own) = (Passphrase::new("the authority's passphrase"), Passphrase::new("the signer's passphrase"));
        let now = Timestamp::now();
        let profile = authority::Profile::find("specimen-uto").unwrap();
        let mut authority = Authority::init(&directory, profile, &root, now).unwrap();
        let record = authority.new_document_signer(None, &root, &own, now).unwrap();
        let bundle = authority.export_bundle(BundleRequest::default(), &root, now).unwrap();
        let orders = test_vectors::path("orders/specimen.jsonl");
        Centre {
            signer: DocumentSigner::load(&record.directory, &own).unwrap(),
            trust: TrustStore::from_bundle(bundle.bundle),
            orders: order::parse(&std::fs::read(&orders).unwrap()).unwrap(),
            folder: orders.parent().unwrap().to_owned(),
        }
    })
}

/// The card in the station, shared with the test.
#[derive(Clone)]
pub struct Slot {
    pub card: Rc<RefCell<SoftCard>>,
    pub trace: Rc<RefCell<String>>,
    /// Refuse the so-manieth command with this instruction, as a chip whose memory is full does.
    pub refuse: Rc<RefCell<Option<(u8, usize)>>>,
    /// What goes wrong with the station.
    pub trouble: Rc<RefCell<Option<Trouble>>>,
    /// Falsify each answer to this instruction inside secure messaging.
    pub garble: Rc<RefCell<Option<u8>>>,
    /// Say yes to this instruction with this P1 and P2, and do nothing.
    pub pretend: Rc<RefCell<Option<[u8; 3]>>>,
    /// Whether long answers come through.
    pub extended_length: Rc<RefCell<bool>>,
    /// With a ledger's path: the card's memory and the ledger, before and after every command.
    pub moments: Rc<RefCell<Vec<Moment>>>,
    /// The ledger whose moments are kept.
    pub ledger: Option<PathBuf>,
    /// A reader gives its card to one connection at a time.
    pub connections: Rc<RefCell<Connections>>,
}

/// What can go wrong with a station.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// There is no reader any more.
    NoReader,
    /// The reader fails with the first command.
    ReaderFails,
    /// The card does not answer the reset.
    Mute,
}

/// What is on the card and on the disk at one moment.
#[derive(Clone)]
pub struct Moment {
    pub card: State,
    pub ledger: Vec<u8>,
    pub head: Vec<u8>,
}

impl Slot {
    /// A slot with this blank.
    pub fn new(serial: u8) -> Self {
        Slot::with(BlankOptions { serial: Some([serial; 6]), ..BlankOptions::default() })
    }

    /// A slot with a card of this memory.
    pub fn holding(state: &State) -> Self {
        let slot = Slot::new(0);
        *slot.card.borrow_mut() = SoftCard::from_state(state);
        slot
    }

    fn keep_moment(&self) {
        if let Some(path) = &self.ledger {
            let moment = Moment {
                card: self.card.borrow().state().clone(),
                ledger: std::fs::read(path).unwrap(),
                head: std::fs::read(path.with_extension("jsonl.head")).unwrap(),
            };
            self.moments.borrow_mut().push(moment);
        }
    }

    /// A slot with a blank of this kind.
    pub fn with(options: BlankOptions) -> Self {
        Slot {
            card: Rc::new(RefCell::new(SoftCard::blank(options).unwrap())),
            trace: Rc::default(),
            refuse: Rc::default(),
            trouble: Rc::default(),
            garble: Rc::default(),
            pretend: Rc::default(),
            extended_length: Rc::new(RefCell::new(true)),
            moments: Rc::default(),
            ledger: None,
            connections: Rc::default(),
        }
    }
}

impl Station for Slot {
    fn connect(&mut self) -> Result<StationCard, StationError> {
        match *self.trouble.borrow() {
            Some(Trouble::NoReader) => return Err(StationError::Reader { detail: "it was unplugged".to_owned() }),
            Some(Trouble::Mute) => return Err(StationError::Mute),
            Some(Trouble::ReaderFails) | None => {}
        }
        self.card.borrow_mut().reset();
        Ok(self.connections.borrow_mut().begin(Box::new(self.clone())))
    }

    fn extended_length(&mut self) -> Result<Option<u32>, StationError> {
        Ok(self.extended_length.borrow().then_some(iso7816::MAX_NE))
    }
}

impl Card for Slot {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        if *self.trouble.borrow() == Some(Trouble::ReaderFails) {
            return Err(TransmitError::Reader { detail: "its service ended".to_owned() });
        }
        if let Some((instruction, left)) = self.refuse.borrow_mut().as_mut()
            && *instruction == command.ins
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Ok(Response::status(Status::NOT_ENOUGH_MEMORY));
            }
        }
        if *self.pretend.borrow() == Some([command.ins, command.p1, command.p2]) {
            return Ok(Response::status(Status::OK));
        }
        self.keep_moment();
        let mut answer = self.card.borrow_mut().transmit(command);
        if command.cla & 0x0C == 0x0C
            && *self.garble.borrow() == Some(command.ins)
            && let Ok(response) = &mut answer
            && let Some(byte) = response.data.last_mut()
        {
            *byte ^= 1;
        }
        self.keep_moment();
        let mut trace = self.trace.borrow_mut();
        trace.push_str(&hex::encode(command.to_bytes()));
        trace.push('\n');
        if let Ok(response) = &answer {
            trace.push_str(&hex::encode(response.to_bytes()));
            trace.push('\n');
        }
        answer
    }
}

/// The keys of the test cards.
pub fn keys() -> KeySet {
    let key = || Secret::new((0x40..=0x4F).collect());
    KeySet { enc: key(), mac: key(), dek: key() }
}

/// A specimen profile with a small portrait, so that a loop over all commands is quick.
pub fn small_profile() -> Profile {
    let source =
        "extends = \"specimen-uto\"\nname = \"small\"\n[portrait]\nwidth = 100\nheight = 128\nmax_bytes = 3000\n";
    Profile::parse("small", source).unwrap()
}

/// The portrait of an order.
pub fn face(order: &Order, profile: &Profile) -> Face {
    portrait::prepare(order, &centre().folder, &profile.portrait).unwrap()
}

/// The issuer's keys of the tests: nobody else has them.
pub fn issuer_keys() -> KeySet {
    let key = |first: u8| Secret::new((0..32).map(|i| first.wrapping_mul(29).wrapping_add(i * 5)).collect());
    KeySet { enc: key(2), mac: key(4), dek: key(6) }
}

/// The version of the issuer's keys.
pub const ISSUER_VERSION: u8 = 0x31;

/// From the keys of the test cards to the issuer's.
pub fn rotation(keys: &KeySet) -> Rotation<'_> {
    Rotation { from: 0x30, to: ISSUER_VERSION, keys }
}

/// Runs `work` with a line over `slot`.
pub fn with_line<T>(
    slot: &Slot,
    profile: &Profile,
    ledger: &mut Ledger,
    keys: &KeySet,
    work: impl FnOnce(&mut Line<'_>) -> T,
) -> T {
    with_rotating_line(slot, profile, ledger, keys, None, work)
}

/// The same with whoever helps with the citizen application.
pub fn with_citizen_line<T>(
    slot: &Slot,
    profile: &Profile,
    ledger: &mut Ledger,
    rotation: Option<Rotation<'_>>,
    citizens: Citizens<'_>,
    work: impl FnOnce(&mut Line<'_>) -> T,
) -> T {
    with_whole_line(slot, profile, ledger, &keys(), rotation, Some(citizens), work)
}

/// The same with a line that changes the keys of the cards.
pub fn with_rotating_line<T>(
    slot: &Slot,
    profile: &Profile,
    ledger: &mut Ledger,
    keys: &KeySet,
    rotation: Option<Rotation<'_>>,
    work: impl FnOnce(&mut Line<'_>) -> T,
) -> T {
    with_whole_line(slot, profile, ledger, keys, rotation, None, work)
}

/// The same with all that a line can have.
pub fn with_whole_line<T>(
    slot: &Slot,
    profile: &Profile,
    ledger: &mut Ledger,
    keys: &dyn CardKeys,
    rotation: Option<Rotation<'_>>,
    citizens: Option<Citizens<'_>>,
    work: impl FnOnce(&mut Line<'_>) -> T,
) -> T {
    let mut station = slot.clone();
    let mut seen = Vec::new();
    let mut line = Line {
        profile,
        keys,
        rotation,
        signer: &Signer(&centre().signer),
        citizens: citizens.map(|Citizens { ca, letters }| Citizens { ca, letters }),
        trust: &centre().trust,
        station: &mut station,
        ledger,
        random: &mut OsRandom,
        must_print: false,
        clock: &Timestamp::now,
        progress: &mut |progress: Progress| seen.push(progress),
    };
    work(&mut line)
}

/// The job of an order.
pub fn job<'a>(order: &'a Order, face: &'a Face) -> Job<'a> {
    Job { order, face }
}
