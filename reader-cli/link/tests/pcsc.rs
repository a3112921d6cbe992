//! Through the real, unmodified pcscd, with the virtual reader and a small test card.
//!
//! The PC/SC library fixes its socket once in a process, so [`through_the_real_pcscd`] starts a private pcscd and
//! runs this program again, as a child, with the tests that are marked `ignore`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]

#[path = "support/card.rs"]
mod card;

use std::env;
use std::path::PathBuf;
use std::process::Command as Program;
use std::thread;
use std::time::{Duration, Instant};

use card::{ATR, TestCard};
use iso7816::{Card, Chained, Command, TransmitError};
use link::pcsc::{AtEnd, PcscReader, readers};
use link::{ConnectError, Presence, Reader, ServiceError};
use test_vectors::pcscd::{PrivatePcscd, SOCKET_VARIABLE};

/// Where the child finds the slots' sockets.
const SLOTS: &str = "BITAQA_TEST_SLOTS";
/// The tests that want a pcscd of their own, and none.
const DYING: &str = "a_service_that_dies_is_an_error_and_no_wait";
const ABSENT: &str = "a_service_that_is_not_there_is_named_with_its_remedy";
/// The most that a test may wait for something that should take 10 ms.
const PATIENCE: Duration = Duration::from_secs(10);
/// What an insertion or a removal may take at worst, in the middle of all that runs beside.
const SEEN: Duration = Duration::from_millis(500);

#[test]
fn through_the_real_pcscd() {
    let Some(pcscd) = PrivatePcscd::start(16).unwrap() else { return };
    let status = pcscd
        .command(env::current_exe().unwrap())
        .args(["--ignored", "--nocapture", "--test-threads=2", "--skip", DYING, "--skip", ABSENT])
        .env(SLOTS, pcscd.slot(0))
        .status()
        .unwrap();
    let log = pcscd.log();
    assert!(status.success(), "{status}; pcscd's log:\n{log}");
}

#[test]
fn through_a_pcscd_that_dies() {
    let Some(pcscd) = PrivatePcscd::start(1).unwrap() else { return };
    let ready = pcscd.slot(0).with_extension("ready");
    let mut child = pcscd
        .command(env::current_exe().unwrap())
        .args(["--ignored", "--exact", DYING])
        .env(SLOTS, pcscd.slot(0))
        .spawn()
        .unwrap();
    let until = Instant::now() + PATIENCE;
    while !ready.exists() && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
    drop(pcscd);
    assert!(child.wait().unwrap().success());
}

#[test]
fn without_a_pcscd() {
    let folder = tempfile::tempdir().unwrap();
    let status = Program::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", ABSENT])
        .env(SOCKET_VARIABLE, folder.path().join("nothing.comm"))
        .status()
        .unwrap();
    assert!(status.success());
}

/// The socket and the name of a slot; each test has slots of its own.
fn slot(number: usize) -> (PathBuf, String) {
    let first = env::var_os(SLOTS).expect("run by through_the_real_pcscd");
    (PathBuf::from(first).with_extension(number.to_string()), format!("Bitaqa Virtual Reader 00 {number:02X}"))
}

fn inserted(number: usize) -> (TestCard, PcscReader) {
    let (socket, name) = slot(number);
    let card = TestCard::insert(&socket);
    let mut reader = PcscReader::open(&name).unwrap();
    assert!(reader.wait_for(Presence::Card, PATIENCE).unwrap());
    (card, reader)
}

fn echo(length: usize) -> Command {
    let data: Vec<u8> = (0..length).map(|index| index as u8).collect();
    Command::new(0x80, card::ECHO, 0, 0).with_data(data).with_ne(65_536)
}

#[test]
#[ignore = "run by through_the_real_pcscd"]
fn sixteen_readers_are_listed_by_name() {
    let start = Instant::now();
    let listed = readers().unwrap();
    eprintln!("listing {} readers: {:?}", listed.len(), start.elapsed());
    assert_eq!(listed.len(), 16);
    for number in 0..16 {
        assert!(listed.iter().any(|status| status.name == slot(number).1));
    }
    assert!(
        matches!(PcscReader::open("virtual reader"), Err(ConnectError::Ambiguous { candidates, .. }) if candidates.len() == 16)
    );
    assert!(matches!(PcscReader::open("Omnikey"), Err(ConnectError::NoSuchReader { known, .. }) if known.len() == 16));
    assert_eq!(PcscReader::open("00 0f").unwrap().name(), slot(15).1);
}

#[test]
#[ignore = "run by through_the_real_pcscd"]
fn insertion_and_removal_are_seen_at_once() {
    let (socket, name) = slot(1);
    let mut reader = PcscReader::open(&name).unwrap();
    assert!(matches!(reader.connect(), Err(ConnectError::NoCard { .. })));
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(10));
        let start = Instant::now();
        let card = TestCard::insert(&socket);
        assert!(reader.wait_for(Presence::Card, PATIENCE).unwrap());
        times[0].push(start.elapsed());
        let start = Instant::now();
        drop(card);
        assert!(reader.wait_for(Presence::NoCard, PATIENCE).unwrap());
        times[1].push(start.elapsed());
    }
    for (what, times) in ["insertion", "removal"].iter().zip(&mut times) {
        times.sort();
        eprintln!("{what} seen after {:?} (median), {:?} (slowest of {})", times[10], times[19], times.len());
        assert!(times[10] < SEEN, "{what}: {times:?}");
    }
}

#[test]
#[ignore = "run by through_the_real_pcscd"]
fn short_and_extended_commands_go_round() {
    let (_card, mut reader) = inserted(2);
    let mut connection = reader.connect().unwrap();
    assert_eq!(connection.atr(), ATR);
    let limits = connection.limits();
    assert_eq!(limits.command_data, 65_535);
    for length in [0, 1, 255, 256, 4_096, 60_000, 65_535] {
        let start = Instant::now();
        let response = connection.transmit(&echo(length)).unwrap();
        eprintln!("echo of {length} bytes: {:?}", start.elapsed());
        assert!(response.status.is_ok());
        assert_eq!(response.data, echo(length).data);
    }
    let mut chained = Chained::new(connection, limits);
    let start = Instant::now();
    let rounds = 2_000;
    for _ in 0..rounds {
        chained.transmit(&echo(8)).unwrap();
    }
    eprintln!("short round trip: {:?}", start.elapsed() / rounds);
}

#[test]
#[ignore = "run by through_the_real_pcscd"]
fn each_connection_starts_with_a_fresh_card() {
    let (_card, mut reader) = inserted(3);
    let count = Command::new(0x80, card::COUNT, 0, 0).with_ne(1);
    let mut connection = reader.connect().unwrap();
    assert_eq!(connection.transmit(&count).unwrap().data, [1]);
    assert_eq!(connection.transmit(&count).unwrap().data, [2]);
    drop(connection);
    let mut leaving = PcscReader::open(reader.name()).unwrap().with_end(AtEnd::Leave);
    assert_eq!(leaving.connect().unwrap().transmit(&count).unwrap().data, [1]);
    assert_eq!(reader.connect().unwrap().transmit(&count).unwrap().data, [1]);
}

#[test]
#[ignore = "run by through_the_real_pcscd"]
fn a_card_torn_in_the_middle_of_a_command_is_lost_at_once() {
    let (_card, mut reader) = inserted(4);
    let mut connection = reader.connect().unwrap();
    let start = Instant::now();
    let error = connection.transmit(&Command::new(0x80, card::VANISH, 0, 0)).unwrap_err();
    eprintln!("tear-off reported after {:?}: {error}", start.elapsed());
    assert!(matches!(error, TransmitError::Lost));
    assert!(start.elapsed() < SEEN);
    assert!(matches!(connection.transmit(&echo(1)), Err(TransmitError::Lost)));
    drop(connection);
    assert!(reader.wait_for(Presence::NoCard, PATIENCE).unwrap());
    assert!(matches!(reader.connect(), Err(ConnectError::NoCard { .. })));
    // The next card in the same slot is a card like any other.
    let (_next, mut reader) = inserted(4);
    assert!(reader.connect().unwrap().transmit(&echo(1)).is_ok());
}

#[test]
#[ignore = "run by through_the_real_pcscd"]
fn a_removal_during_a_slow_answer_is_not_hidden_by_it() {
    let (card, mut reader) = inserted(5);
    let mut connection = reader.connect().unwrap();
    let remover = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        drop(card);
        Instant::now()
    });
    let error = connection.transmit(&Command::new(0x80, card::SLEEP, 20, 0)).unwrap_err();
    let after = remover.join().unwrap().elapsed();
    eprintln!("removal during a slow command reported after {after:?}");
    assert!(matches!(error, TransmitError::Lost));
    assert!(after < SEEN);
}

#[test]
#[ignore = "run by through_the_real_pcscd"]
fn cards_that_break_the_rules_harm_only_themselves() {
    for broken in [card::SILENT, card::HALF, card::OVERLONG, card::CHATTER] {
        let (card, mut reader) = inserted(6);
        let mut connection = reader.connect().unwrap();
        // What is said unasked comes out at the next command, which must not take it for its answer.
        let answer = match connection.transmit(&Command::new(0x80, broken, 0, 0)) {
            Ok(_) if broken == card::CHATTER => connection.transmit(&echo(3)),
            answer => answer,
        };
        assert!(matches!(answer, Err(TransmitError::Lost)), "{broken:02X}: {answer:?}");
        drop(connection);
        drop(card);
        assert!(reader.wait_for(Presence::NoCard, PATIENCE).unwrap(), "{broken:02X}");
    }
    let (_card, mut reader) = inserted(6);
    assert!(reader.connect().unwrap().transmit(&echo(3)).is_ok());
}

#[test]
#[ignore = "run by through_the_real_pcscd"]
fn a_second_card_finds_the_slot_occupied() {
    let (_card, mut reader) = inserted(7);
    let second = TestCard::insert(&slot(7).0);
    assert!(second.is_shown_out());
    assert!(reader.connect().unwrap().transmit(&echo(3)).is_ok());
}

#[test]
#[ignore = "run by through_the_real_pcscd"]
fn a_card_held_by_another_program_is_waited_for_and_then_named() {
    let (_card, mut holder) = inserted(8);
    let held = holder.connect().unwrap();
    let status = readers().unwrap().into_iter().find(|status| status.name == holder.name()).unwrap();
    assert!(status.card_present && status.held_exclusively);
    assert_eq!(status.atr.as_deref(), Some(ATR));

    let mut other = PcscReader::open(holder.name()).unwrap().with_wait(Duration::from_millis(200));
    let start = Instant::now();
    let Err(error @ ConnectError::Busy { .. }) = other.connect() else { panic!("not busy") };
    assert!(start.elapsed() >= Duration::from_millis(200));
    eprintln!("{error}");

    let mut patient = other.with_wait(PATIENCE);
    let releaser = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        drop(held);
    });
    assert!(patient.connect().unwrap().transmit(&echo(3)).is_ok());
    releaser.join().unwrap();
}

#[test]
#[ignore = "run by through_the_real_pcscd"]
fn readers_work_side_by_side() {
    let start = Instant::now();
    let workers: Vec<_> = (11..16)
        .map(|number| {
            thread::spawn(move || {
                for _ in 0..10 {
                    let (_card, mut reader) = inserted(number);
                    let mut connection = reader.connect().unwrap();
                    for round in 0..50 {
                        let own = Command::new(0x80, card::ECHO, 0, 0).with_data([number as u8, round]).with_ne(256);
                        assert_eq!(connection.transmit(&own).unwrap().data, own.data);
                    }
                    drop((connection, _card));
                    assert!(reader.wait_for(Presence::NoCard, PATIENCE).unwrap());
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    eprintln!("5 readers, 50 cards, 2,500 commands: {:?}", start.elapsed());
}

#[test]
#[ignore = "run by through_the_real_pcscd"]
fn opensc_reads_the_card_without_options() {
    let Ok(version) = Program::new("opensc-tool").arg("--version").output() else {
        return test_vectors::missing("opensc-tool is not installed (Debian: apt-get install opensc)");
    };
    eprintln!("{}", String::from_utf8_lossy(&version.stdout).lines().next().unwrap_or_default());
    let (_card, reader) = inserted(9);
    let run = |arguments: &[&str]| {
        let output = Program::new("opensc-tool").args(["-r", reader.name()]).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    };
    assert!(run(&["-l"]).contains(reader.name()));
    assert!(run(&["-a"]).to_lowercase().contains("3b:85:81:01"));
    let answer = run(&["-s", "80 EC 00 00 03 01 02 03 00"]);
    assert!(answer.contains("SW1=0x90, SW2=0x00") && answer.contains("01 02 03"), "{answer}");
}

#[test]
#[ignore = "run by through_a_pcscd_that_dies"]
fn a_service_that_dies_is_an_error_and_no_wait() {
    let (_card, mut reader) = inserted(0);
    let mut connection = reader.connect().unwrap();
    connection.transmit(&echo(1)).unwrap();
    let socket = slot(0).0;
    std::fs::write(socket.with_extension("ready"), "").unwrap();
    let until = Instant::now() + PATIENCE;
    while socket.exists() && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(matches!(connection.transmit(&echo(1)), Err(TransmitError::Reader { .. } | TransmitError::Lost)));
    drop(connection);
    assert!(matches!(reader.connect(), Err(ConnectError::Service(ServiceError::NotRunning))));
    assert!(matches!(reader.wait_for(Presence::Card, PATIENCE), Err(ConnectError::Service(_))));
    assert!(matches!(readers(), Err(ServiceError::NotRunning)));
}

#[test]
#[ignore = "run by without_a_pcscd"]
fn a_service_that_is_not_there_is_named_with_its_remedy() {
    let error = readers().unwrap_err();
    assert!(matches!(error, ServiceError::NotRunning));
    assert!(error.to_string().contains("pcscd is not running"));
    assert!(matches!(PcscReader::open("any"), Err(ConnectError::Service(ServiceError::NotRunning))));
}

#[test]
#[ignore = "run by through_the_real_pcscd"]
fn attributes_that_clients_ask_for_are_answered() {
    use pcsc::{Attribute, Context, Protocols, Scope, ShareMode};

    let (_test_card, reader) = inserted(10);
    let context = Context::establish(Scope::User).unwrap();
    let name = std::ffi::CString::new(reader.name()).unwrap();
    let card = context.connect(&name, ShareMode::Shared, Protocols::ANY).unwrap();
    let attribute = |attribute| card.get_attribute_owned(attribute).unwrap();
    assert_eq!(attribute(Attribute::AtrString), ATR);
    assert_eq!(attribute(Attribute::VendorName), b"Bitaqa\0");
    // The friendly name (0x7FFF0003) is answered by pcscd itself; the `pcsc` crate asks under a wrong number.
    assert_eq!(attribute(Attribute::IccInterfaceStatus), [1]);
}
