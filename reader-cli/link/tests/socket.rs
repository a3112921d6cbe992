//! A soft card on a Unix socket, both ways round.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/card.rs"]
mod card;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use card::{ATR, TestCard};
use iso7816::{Card, Command, TransmitError};
use link::socket::SocketReader;
use link::{ConnectError, Presence, Reader};

const PATIENCE: Duration = Duration::from_secs(10);

fn count() -> Command {
    Command::new(0x80, card::COUNT, 0, 0).with_ne(1)
}

fn exercise(reader: &mut SocketReader) {
    let mut connection = reader.connect().unwrap();
    assert_eq!(connection.atr(), ATR);
    assert_eq!(connection.limits().command_data, 65_535);
    let long = Command::new(0x80, card::ECHO, 0, 0).with_data(vec![7; 65_535]).with_ne(65_536);
    assert_eq!(connection.transmit(&long).unwrap().data, long.data);
    assert_eq!(connection.transmit(&count()).unwrap().data, [1]);
    // A new connection powers the card up afresh, and the older one has lost it.
    let mut second = reader.connect().unwrap();
    assert!(matches!(connection.transmit(&count()), Err(TransmitError::Lost)));
    drop(connection);
    assert_eq!(second.transmit(&count()).unwrap().data, [1]);
    assert!(matches!(second.transmit(&Command::new(0x80, card::SILENT, 0, 0)), Err(TransmitError::Lost)));
    assert_eq!(second.transmit(&count()).unwrap().data, [2]);
    assert!(matches!(second.transmit(&Command::new(0x80, card::VANISH, 0, 0)), Err(TransmitError::Lost)));
    assert!(matches!(second.transmit(&count()), Err(TransmitError::Lost)));
}

#[test]
fn a_card_that_connects() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("slot");
    let mut reader = SocketReader::listen(&socket).unwrap();
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!reader.wait_for(Presence::Card, Duration::from_millis(20)).unwrap());
    let card = TestCard::insert(&socket);
    exercise(&mut reader);
    // The next card already waits when this one leaves: the exchange is seen as a removal first.
    let _next = TestCard::insert(&socket);
    drop(card);
    assert!(reader.wait_for(Presence::NoCard, PATIENCE).unwrap());
    assert!(reader.wait_for(Presence::Card, PATIENCE).unwrap());
    assert!(reader.connect().unwrap().transmit(&count()).is_ok());
    drop(reader);
    assert!(!socket.exists());
}

#[test]
fn a_card_that_listens() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("card");
    let mut reader = SocketReader::connect_to(&socket);
    assert!(!reader.wait_for(Presence::Card, Duration::from_millis(20)).unwrap());
    let card = TestCard::listen(&socket);
    exercise(&mut reader);
    drop(card.join().unwrap());
}

#[test]
fn whoever_is_no_card_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("slot");
    let mut reader = SocketReader::listen(&socket).unwrap();
    let mut stranger = UnixStream::connect(&socket).unwrap();
    stranger.write_all(b"HELLO").unwrap();
    assert!(matches!(reader.connect(), Err(ConnectError::Handshake { .. })));
    drop(stranger);
    let silent = UnixStream::connect(&socket).unwrap();
    let start = Instant::now();
    assert!(matches!(reader.connect(), Err(ConnectError::Handshake { .. })));
    assert!(start.elapsed() < PATIENCE);
    drop(silent);
    assert!(matches!(SocketReader::listen(&socket), Err(ConnectError::Socket { .. })));
}

#[test]
fn only_dead_sockets_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("slot");
    drop(UnixListener::bind(&socket).unwrap());
    drop(SocketReader::listen(&socket).unwrap());
    fs::write(&socket, "a file").unwrap();
    assert!(matches!(SocketReader::listen(&socket), Err(ConnectError::Socket { .. })));
    assert_eq!(fs::read(&socket).unwrap(), b"a file");
}
