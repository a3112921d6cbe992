use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::panels::Geometry;
use super::*;
use crate::simulator::{Fault, Options, Printer};

/// A line whose other end is a simulated printer, without a terminal in between. Time does not pass: what has not been
/// answered when the driver listens never will be.
struct Direct {
    printer: Printer,
    waiting: VecDeque<u8>,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Line for Direct {
    fn reopen(&mut self) -> Result<(), PortError> {
        self.drain()
    }

    fn drain(&mut self) -> Result<(), PortError> {
        self.waiting.clear();
        Ok(())
    }

    fn send(&mut self, bytes: &[u8], _: Duration) -> Result<(), PortError> {
        let label: Vec<u8> = bytes[1..].iter().copied().take_while(|byte| *byte != b'\r').take(7).collect();
        self.sent.lock().unwrap().push(String::from_utf8_lossy(&label).into_owned());
        self.waiting.extend(self.printer.receive(bytes));
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], _: Duration) -> Result<usize, PortError> {
        let count = buffer.len().min(self.waiting.len());
        buffer.iter_mut().zip(self.waiting.drain(..count)).for_each(|(slot, byte)| *slot = byte);
        Ok(count)
    }
}

fn printer(options: Options) -> (Evolis<Direct>, Arc<Mutex<Vec<String>>>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let line = Direct { printer: Printer::new(options), waiting: VecDeque::new(), sent: Arc::clone(&sent) };
    let mut driver = Evolis::new(line, Timeouts::default());
    driver.connect().unwrap();
    sent.lock().unwrap().clear();
    (driver, sent)
}

fn with_fault(fault: &str) -> (Evolis<Direct>, Arc<Mutex<Vec<String>>>) {
    printer(Options { faults: vec![fault.parse::<Fault>().unwrap()], ..Options::default() })
}

fn times(sent: &Mutex<Vec<String>>, command: &str) -> usize {
    sent.lock().unwrap().iter().filter(|label| *label == command).count()
}

fn picture() -> Raster {
    let mut raster = Raster::white();
    for x in 100..300 {
        for y in 50..90 {
            raster.set(x, y, [0, 128, 200]);
        }
    }
    raster
}

#[test]
fn a_whole_job_in_order() {
    let (mut driver, sent) = printer(Options::default());
    driver.feed_to_station(Station::Contact).unwrap();
    driver.print(&picture(), Some(&picture())).unwrap();
    driver.eject().unwrap();
    assert_eq!(driver.counters().unwrap(), Counters { total: 1, output: 1, retained: 0, printed_panels: 10 });
    let side = ["Db;y;32", "Db;m;32", "Db;c;32", "Db;k;2;", "Db;o;2;", "Rco", "Sp;y", "Sp;m", "Sp;c", "Sp;k", "Sp;o"];
    let job = [&["Rlr;p", "Sis", "Ss", "Sr"], &side[..], &["Sv"], &side[..], &["Se", "Rco"]].concat();
    assert_eq!(*sent.lock().unwrap(), job);
    let drawn = driver.line.printer.printed(false);
    assert!(drawn.pixel(150, 60).iter().zip([0u8, 128, 200]).all(|(a, b)| a.abs_diff(b) <= 5));
    assert_eq!(drawn.pixel(99, 60), [255; 3]);
}

#[test]
fn the_back_is_black_alone_on_a_ymcko_k_ribbon() {
    let (mut driver, sent) = printer(Options::default());
    driver.ribbon = Ribbon::YmckoK;
    driver.feed_to_station(Station::Contact).unwrap();
    driver.print(&picture(), Some(&picture())).unwrap();
    assert_eq!((times(&sent, "Sp;k"), times(&sent, "Sp;y"), times(&sent, "Sp;o")), (2, 1, 1));
    assert_eq!(driver.line.printer.printed(true).pixel(150, 60), [0; 3]);
}

#[test]
fn status_tells_what_is_missing() {
    let (mut driver, _) = printer(Options { feeder: 0, ..Options::default() });
    let status = driver.status().unwrap();
    assert_eq!((status.feeder, status.card_inside), (FeederLevel::Empty, Some(false)));
    assert_eq!((status.ribbon.as_str(), status.fault), ("YMCKO", Some(Cause::InputEmpty)));
    let error = driver.feed_to_station(Station::Contact).unwrap_err();
    assert_eq!(error.cause(), Some(Cause::InputEmpty));
    assert!(error.to_string().contains("refill the feeder"));
}

#[test]
fn refusals_are_typed_and_never_repeated() {
    for (fault, cause) in [("feeder-empty@1", Cause::CardFeed), ("cover-open@1", Cause::CoverOpen)] {
        let (mut driver, sent) = with_fault(fault);
        assert_eq!(driver.feed_to_station(Station::Contact).unwrap_err().cause(), Some(cause));
        assert_eq!(times(&sent, "Sis"), 1);
    }
    for (fault, cause) in [("ribbon@1", Cause::Ribbon), ("timeout@1", Cause::Mechanical)] {
        let (mut driver, sent) = with_fault(fault);
        driver.feed_to_station(Station::Contact).unwrap();
        assert_eq!(driver.print(&picture(), None).unwrap_err().cause(), Some(cause));
        assert_eq!(times(&sent, "Sp;y"), 1);
        driver.reject().unwrap();
        assert_eq!(driver.counters().unwrap().retained, 1);
    }
    let (mut driver, sent) = with_fault("eject-jam@1");
    driver.feed_to_station(Station::Contact).unwrap();
    assert_eq!(driver.eject().unwrap_err().cause(), Some(Cause::Mechanical));
    assert_eq!(times(&sent, "Se"), 1);
}

/// The printer did it and the answer was lost: nothing is sent again.
#[test]
fn a_motion_that_happened_is_not_repeated() {
    for fault in ["lost-feed@1", "garbage@1"] {
        let (mut driver, sent) = with_fault(fault);
        driver.feed_to_station(Station::Contact).unwrap();
        assert_eq!((times(&sent, "Sis"), driver.counters().unwrap().total), (1, 1));
    }
    let (mut driver, sent) = with_fault("lost-print@1");
    driver.feed_to_station(Station::Contact).unwrap();
    driver.print(&picture(), None).unwrap();
    assert_eq!((times(&sent, "Sp;y"), driver.counters().unwrap().printed_panels), (1, 5));
    let (mut driver, sent) = with_fault("lost-eject@1");
    driver.feed_to_station(Station::Contact).unwrap();
    driver.eject().unwrap();
    assert_eq!((times(&sent, "Se"), driver.counters().unwrap().output), (1, 1));
}

/// The printer never heard it: asked first, then sent once more.
#[test]
fn a_motion_that_did_not_happen_is_asked_about_and_repeated_once() {
    let (mut driver, sent) = with_fault("unheard-feed@1");
    driver.feed_to_station(Station::Contact).unwrap();
    assert_eq!(*sent.lock().unwrap(), ["Rlr;p", "Sis", "Rlr;p", "Sis"]);
    let (mut driver, sent) = with_fault("unheard-print@1");
    driver.feed_to_station(Station::Contact).unwrap();
    driver.print(&picture(), None).unwrap();
    assert_eq!((times(&sent, "Sp;y"), driver.counters().unwrap().printed_panels), (2, 5));
    let (mut driver, sent) = with_fault("unheard-eject@1");
    driver.feed_to_station(Station::Contact).unwrap();
    driver.eject().unwrap();
    assert_eq!((times(&sent, "Se"), driver.counters().unwrap().output), (2, 1));
}

#[test]
fn a_dead_printer_leaves_the_outcome_unknown() {
    let (mut driver, sent) = with_fault("dead@1");
    let error = driver.feed_to_station(Station::Contact).unwrap_err();
    assert!(matches!(error, MachineError::OutcomeUnknown { ref command } if command == "Sis"), "{error}");
    assert_eq!(times(&sent, "Sis"), 1);
}

#[test]
fn a_card_left_inside_must_be_put_away_first() {
    let (mut driver, _) = printer(Options::default());
    driver.feed_to_station(Station::Contact).unwrap();
    assert!(matches!(driver.feed_to_station(Station::Contact), Err(MachineError::CardInside)));
    driver.reject().unwrap();
    driver.feed_to_station(Station::Contactless).unwrap();
}

#[test]
fn models_have_only_what_they_have() {
    let (mut driver, sent) = printer(Options { model: "EVOLIS Tattoo".to_owned(), ..Options::default() });
    let missing = driver.feed_to_station(Station::Contact).unwrap_err();
    assert!(matches!(missing, MachineError::NotFitted { model: "Tattoo", part: "chip station" }));
    let missing = driver.print(&picture(), Some(&picture())).unwrap_err();
    assert!(matches!(missing, MachineError::NotFitted { part: "flip-over unit", .. }));
    assert!(sent.lock().unwrap().is_empty());
}

#[test]
fn the_log_holds_no_data_of_the_card() {
    let (mut driver, _) = printer(Options::default());
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&lines);
    driver.log = Some(Box::new(move |line| log.lock().unwrap().push(line.to_owned())));
    driver.feed_to_station(Station::Contact).unwrap();
    driver.print(&picture(), None).unwrap();
    let lines = lines.lock().unwrap();
    assert!(lines.contains(&"-> Db;y;32;<411480 bytes>".to_owned()) && lines.contains(&"<- ACK".to_owned()));
    assert!(lines.iter().all(|line| line.len() < 40));
}

/// A line that says whatever it likes.
struct Hostile {
    answers: VecDeque<Vec<u8>>,
}

impl Line for Hostile {
    fn reopen(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    fn drain(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    fn send(&mut self, _: &[u8], _: Duration) -> Result<(), PortError> {
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], _: Duration) -> Result<usize, PortError> {
        let answer = self.answers.pop_front().unwrap_or_default();
        buffer.iter_mut().zip(&answer).for_each(|(slot, byte)| *slot = *byte);
        Ok(answer.len().min(buffer.len()))
    }
}

#[test]
fn every_code_becomes_its_cause() {
    let causes = [
        ('1', Cause::CommandRefused),
        ('2', Cause::ParameterRefused),
        ('T', Cause::Mechanical),
        ('C', Cause::CoverOpen),
        ('F', Cause::CardFeed),
        ('R', Cause::Ribbon),
        ('K', Cause::MagneticMismatch),
        ('D', Cause::MagneticData),
        ('W', Cause::MagneticWrite),
    ];
    for (code, cause) in causes {
        let answers = vec![vec![0x15, code as u8]].into();
        let error = Evolis::new(Hostile { answers }, Timeouts::default()).eject().unwrap_err();
        assert_eq!(error.cause(), Some(cause));
        let message = error.to_string();
        assert!(message.contains(&format!("code {code} to Se")) && message.ends_with(cause.advice()), "{message}");
    }
    let answers = vec![vec![0x15, b'Z']].into();
    let error = Evolis::new(Hostile { answers }, Timeouts::default()).act(&Command::Eject, Duration::ZERO).unwrap_err();
    assert!(matches!(error, MachineError::BadAnswer { .. }), "{error}");
}

#[test]
fn an_endless_answer_ends() {
    for flood in [vec![0; 64], vec![b'A'; 64], vec![b'A', 0x1B]] {
        let mut driver = Evolis::new(Hostile { answers: vec![flood; 50].into() }, Timeouts::default());
        assert!(driver.ask(Question::Model).is_err());
        assert!(!driver.line.answers.is_empty(), "the driver stopped reading by itself");
    }
}

/// A model whose panels cost nothing.
const SMALL: Model = Model {
    name: "Small",
    stations: true,
    duplex: true,
    geometry: Geometry { columns: 8, rows: 1, bytes_2: 1, bytes_32: 5 },
};
/// What goes out before the counters are asked for the first time: start, side, five panels.
const BEFORE_COUNTERS: usize = 7;

fn printing_hostile(answers: impl IntoIterator<Item = Vec<u8>>) -> Evolis<Hostile> {
    let accepted = vec![vec![0x06]; BEFORE_COUNTERS];
    let mut driver =
        Evolis::new(Hostile { answers: accepted.into_iter().chain(answers).collect() }, Timeouts::default());
    driver.model = Some(&SMALL);
    driver
}

#[test]
fn a_counter_at_its_end_tells_nothing() {
    let counters = |printed: u64| format!("1;2;3;{printed}\r").into_bytes();
    let (accepted, lost) = (vec![0x06], Vec::new());
    // The counter stands at its end before the first panel, whose answer is lost.
    let mut driver = printing_hostile([counters(u64::MAX), lost.clone(), counters(u64::MAX), accepted.clone()]);
    let error = driver.print(&Raster::white(), None).unwrap_err();
    assert!(matches!(error, MachineError::OutcomeUnknown { ref command } if command == "Sp;y"), "{error}");
    // It passes its end at the first panel; the answer to the second is lost.
    let mut driver = printing_hostile([counters(u64::MAX), accepted.clone(), lost, counters(0), accepted.clone()]);
    let error = driver.print(&Raster::white(), None).unwrap_err();
    assert!(matches!(error, MachineError::OutcomeUnknown { ref command } if command == "Sp;m"), "{error}");
    // Without a lost answer it is not needed.
    let mut answers = vec![counters(u64::MAX)];
    answers.resize(6, accepted);
    printing_hostile(answers).print(&Raster::white(), None).unwrap();
}

proptest! {
    #[test]
    fn hostile_printers_never_panic(answers in proptest::collection::vec(
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..70),
            prop_oneof![
                Just("\x06"), Just("\x15T"), Just("Quantum\r"), Just("OK\r"), Just("NO CARD\r"), Just("1;2;3;4\r"),
                Just("1;2;3;18446744073709551615\r"), Just("1;2;3;18446744073709551616\r"),
            ].prop_map(|text| text.as_bytes().to_vec()),
        ], 0..40)) {
        let _ = printing_hostile(answers.clone()).print(&Raster::white(), None);
        let mut driver = Evolis::new(Hostile { answers: answers.into() }, Timeouts::default());
        driver.model = Some(&MODELS[3]);
        let _ = driver.connect();
        driver.model = Some(&MODELS[3]);
        let _ = driver.status();
        let _ = driver.feed_to_station(Station::Contact);
        let _ = driver.counters();
        let _ = driver.reject();
        let _ = driver.eject();
    }
}
