//! `inspection_full`: a whole inspection of a personalized card, in microseconds.
//!
//! - value: `inspection::inspect` and `inspection::judge` over `link::socket`: PACE, every data group that chip access
//!   opens (DG2 with its portrait holds most of the bytes), Chip Authentication, passive authentication with the
//!   revocation list. The soft card is a thread of this process, so its cryptography counts as well
//! - floor: the same command bytes over `link::socket` to a card that answers each from a recording of such an
//!   inspection. What stays is the socket with its frames, two changes of thread a command, and the comparison with the
//!   recording: no cryptography, no parsing, no judgement at either end
//!
//! Both begin with powering the card up. Each inspection must end in "genuine, valid", each replay as it was recorded.

use std::cell::RefCell;
use std::error::Error;
use std::io::{self, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;
use std::thread;

use channel::password::Password;
use channel::random::OsRandom;
use channel::scp03::KeySet;
use channel::secret::Secret;
use inspection::{Access, Bac, Options, Policy, Verdict, inspect, judge};
use iso7816::frame::{self, Request};
use iso7816::{Card, Command, Response, TransmitError};
use jiff::Timestamp;
use link::Reader;
use link::socket::SocketReader;
use perso::execute::{
    Job, Line, Outcome, SecurityObjectSigner, SignerError, Station, StationCard, StationError, personalize,
};
use perso::ledger::Ledger;
use perso::profile::Profile;
use perso::{order, portrait};
use soft_card::{BlankOptions, SoftCard, socket};
use trust::TrustStore;

use crate::centre::{Centre, PROFILE};
use crate::report::Row;
use crate::turns::Turns;

const TURNS: Turns = Turns { rounds: 100, repetitions: 10 };

/// Commands and answers as they crossed the socket.
type Recording = Vec<(Command, Response)>;

/// The row.
pub fn row(centre: &Centre) -> Result<Row, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (mut card, password) = personalized(centre, folder.path())?;
    let answer_to_reset = card.atr();
    let genuine = folder.path().join("card");
    let listener = socket::listen(&genuine)?;
    thread::spawn(move || socket::serve_all(&mut card, &listener, |error| eprintln!("inspection_full: {error}")));
    let mut genuine = SocketReader::connect_to(genuine);
    let inspector = Inspector {
        extended_length: genuine.connect()?.extended_length().is_some(),
        access: Access { password, bac: Bac::Never, printed_mrz: None },
        trust: &centre.trust,
    };

    let mut recorder = Recorder { card: genuine.connect()?, recording: Recording::new() };
    inspector.inspect(&mut recorder)?;
    let Recorder { recording, .. } = recorder;

    let replaying = folder.path().join("replay");
    let listener = socket::listen(&replaying)?;
    let bytes = recording.iter().map(|(command, response)| (command.to_bytes(), response.to_bytes())).collect();
    thread::spawn(move || replay(&listener, &answer_to_reset, bytes));
    let mut replaying = SocketReader::connect_to(replaying);

    let medians =
        TURNS.measure(|| inspector.inspect(&mut genuine.connect()?), || ask(&mut replaying.connect()?, &recording))?;
    Ok(Row::time("inspection_full", &medians))
}

/// An inspection as `bitaqa-reader verify` does it.
struct Inspector<'a> {
    extended_length: bool,
    access: Access,
    trust: &'a TrustStore,
}

impl Inspector<'_> {
    fn inspect(&self, card: &mut dyn Card) -> Result<(), Box<dyn Error>> {
        let now = Timestamp::now();
        let mut options = Options::new(now);
        options.extended_length = self.extended_length;
        let evidence = inspect(card, &self.access, &options, &mut OsRandom, &mut |_| {});
        let report = judge(&evidence, self.trust, &Policy::default(), now);
        if report.verdict == Verdict::GenuineValid { Ok(()) } else { Err(report.meaning.into()) }
    }
}

/// Remembers what passes.
struct Recorder<C> {
    card: C,
    recording: Recording,
}

impl<C: Card> Card for Recorder<C> {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        let response = self.card.transmit(command)?;
        self.recording.push((command.clone(), response.clone()));
        Ok(response)
    }
}

/// Asks what was asked before, and expects the same answers.
fn ask(card: &mut dyn Card, recording: &Recording) -> Result<(), Box<dyn Error>> {
    for (command, response) in recording {
        if card.transmit(command)? != *response {
            return Err("the replay differs from its recording".into());
        }
    }
    Ok(())
}

/// A card that answers one host from a recording, from its start after each power-up; no answer to any other command.
fn replay(listener: &UnixListener, answer_to_reset: &[u8], recording: Vec<(Vec<u8>, Vec<u8>)>) -> io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.write_all(&[frame::VERSION])?;
    let mut left = recording.iter();
    loop {
        let answer = match Request::read(&mut stream)? {
            Request::PowerOff => &[],
            Request::PowerOn | Request::Reset | Request::Atr => {
                left = recording.iter();
                answer_to_reset
            }
            Request::Apdu(asked) => match left.next() {
                Some((command, answer)) if *command == asked => answer.as_slice(),
                _ => &[],
            },
        };
        frame::write_answer(&mut stream, answer)?;
    }
}

/// The first specimen order as a card, and the password printed on it.
pub fn personalized(centre: &Centre, folder: &Path) -> Result<(SoftCard, Password), Box<dyn Error>> {
    let profile = Profile::load(PROFILE)?;
    let orders = test_vectors::path("orders/specimen.jsonl");
    let pictures = orders.parent().ok_or("no folder of orders")?;
    let parsed = order::parse(&std::fs::read(&orders)?).map_err(|_| "the specimen orders have errors")?;
    let order = parsed.into_iter().next().ok_or("no order")?;
    let face = portrait::prepare(&order, pictures, &profile.portrait)?;
    let card = Rc::new(RefCell::new(SoftCard::blank(BlankOptions::default())?));
    let key = || Secret::new((0x40..=0x4F).collect());
    let mut line = Line {
        profile: &profile,
        keys: &KeySet { enc: key(), mac: key(), dek: key() },
        rotation: None,
        citizens: None,
        signer: &Signer(centre),
        trust: &centre.trust,
        station: &mut Slot(Rc::clone(&card)),
        ledger: &mut Ledger::open(&folder.join("ledger.jsonl"))?,
        random: &mut OsRandom,
        must_print: false,
        clock: &Timestamp::now,
        progress: &mut |_| {},
    };
    let Outcome::Finished(finished) = personalize(&mut line, Job { order: &order, face: &face })? else {
        return Err("the card was rejected".into());
    };
    let state = card.borrow().state().clone();
    Ok((SoftCard::from_state(&state), finished.plan.plan().password()))
}

struct Signer<'a>(&'a Centre);

impl SecurityObjectSigner for Signer<'_> {
    fn sign(&self, object: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.signer.sign_security_object(object).map_err(|error| SignerError { source: Box::new(error) })
    }

    fn sign_record(&self, record: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.signer.sign_record(record).map_err(|error| SignerError { source: Box::new(error) })
    }

    fn sign_card_security(&self, security_infos: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.signer.sign_card_security(security_infos).map_err(|error| SignerError { source: Box::new(error) })
    }
}

/// The chip station with its card.
struct Slot(Rc<RefCell<SoftCard>>);

impl Station for Slot {
    fn connect(&mut self) -> Result<StationCard, StationError> {
        self.0.borrow_mut().reset();
        Ok(Box::new(Slot(Rc::clone(&self.0))))
    }
}

impl Card for Slot {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        self.0.borrow_mut().transmit(command)
    }
}
