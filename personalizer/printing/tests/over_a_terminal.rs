//! A whole card through the serial port: driver, pseudo-terminal, simulated printer, pictures.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use printing::drivers::{Connection, Driver, Timeouts};
use printing::face::{Builtin, Face, Fonts, Portrait, Template};
use printing::simulator::{Options, Printer, Pty, serve};
use printing::{CardMachine, Cause, MachineError, Raster, Station, render};

struct Running {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn start(link: &Path, options: Options) -> Running {
    let stop = Arc::new(AtomicBool::new(false));
    let mut pty = Pty::open().unwrap();
    pty.link(link).unwrap();
    let flag = Arc::clone(&stop);
    let thread = thread::spawn(move || {
        let mut printer = Printer::new(options);
        serve(&mut pty, &mut printer, &flag, |trouble| panic!("{trouble}")).unwrap();
    });
    Running { stop, thread: Some(thread) }
}

fn machine(port: &Path) -> Box<dyn CardMachine> {
    let timeouts = Timeouts {
        question: Duration::from_millis(1500),
        motion: Duration::from_millis(1500),
        print: Duration::from_millis(3000),
    };
    (Driver::named("evolis").unwrap().open)(Connection { timeouts, ..Connection::new(port) })
}

fn faces() -> (Raster, Raster) {
    let fonts = Fonts::installed().unwrap();
    let builtin = Builtin::of("specimen-uto").unwrap();
    let front = Template::parse(builtin.front).unwrap();
    let back = Template::parse(builtin.back).unwrap();
    let portrait = fs::read(test_vectors::path("portraits/woman-2.png")).unwrap();
    let mut face = Face::new().portrait(Portrait::new(portrait).unwrap());
    for field in front.fields().chain(back.fields()) {
        let value = if field.starts_with("mrz") { "ALTJRYBY<<ZYNB<<<<<<<<<<<<<<<<" } else { "زينب 12" };
        face = face.text(field, value).unwrap();
    }
    (render(&front, &face, &fonts).unwrap(), render(&back, &face, &fonts).unwrap())
}

fn read_png(path: &Path) -> Vec<u8> {
    let mut reader = png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    pixels
}

#[test]
fn what_is_drawn_is_what_was_rendered() {
    let directory = tempfile::tempdir().unwrap();
    let port = directory.path().join("printer");
    let options = Options { output: Some(directory.path().to_owned()), ..Options::default() };
    let running = start(&port, options);
    let mut printer = machine(&port);
    assert_eq!(printer.connect().unwrap().model, "Quantum");
    printer.feed_to_station(Station::Contact).unwrap();
    let (front, back) = faces();
    printer.print(&front, Some(&back)).unwrap();
    printer.eject().unwrap();
    assert_eq!(printer.counters().unwrap().output, 1);
    for (name, raster) in [("1-front.png", &front), ("1-back.png", &back)] {
        let drawn = read_png(&directory.path().join(name));
        // One of 32 levels is 8 apart; dots for the resin panel become pure black from 40 down.
        let furthest = raster.pixels().as_flattened().iter().zip(&drawn).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(furthest <= Some(40), "{name}: {furthest:?}");
        let unlike = raster.pixels().as_flattened().iter().zip(&drawn).filter(|(a, b)| a.abs_diff(**b) > 5).count();
        assert!(unlike < drawn.len() / 50, "{name}: {unlike}");
    }
    drop(running);
    assert!(!port.exists() && fs::symlink_metadata(&port).is_err(), "the link is gone");
}

#[test]
fn a_line_that_is_unplugged_can_be_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let port = directory.path().join("printer");
    let first = start(&port, Options::default());
    let mut printer = machine(&port);
    printer.connect().unwrap();
    printer.feed_to_station(Station::Contact).unwrap();
    drop(first);
    let error = printer.eject().unwrap_err();
    assert!(matches!(error, MachineError::OutcomeUnknown { .. }), "{error}");
    assert!(matches!(printer.connect(), Err(MachineError::Port(_))));
    let _second = start(&port, Options::default());
    printer.connect().unwrap();
    printer.feed_to_station(Station::Contact).unwrap();
}

#[test]
fn a_lost_answer_is_asked_about_on_the_real_line() {
    let directory = tempfile::tempdir().unwrap();
    let port = directory.path().join("printer");
    let faults = ["lost-feed@1", "cover-open@2"].map(|fault| fault.parse().unwrap()).to_vec();
    let _running = start(&port, Options { faults, ..Options::default() });
    let mut printer = machine(&port);
    printer.connect().unwrap();
    printer.feed_to_station(Station::Contact).unwrap();
    printer.reject().unwrap();
    let error = printer.feed_to_station(Station::Contact).unwrap_err();
    assert_eq!(error.cause(), Some(Cause::CoverOpen));
    assert_eq!(printer.counters().unwrap().total, 1);
}
