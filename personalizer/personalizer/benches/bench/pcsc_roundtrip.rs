//! `pcsc_roundtrip`: one short command to a soft card and back, in microseconds.
//!
//! - value: GET DATA 9F7F (4 bytes and Le; 45 bytes come back) through `link::pcsc`, the system's own pcscd and the
//!   virtual reader
//! - floor: the same command to the same kind of card through `link::socket`, without any service
//!
//! Both cards run in this process, the client that measures is a second one: the PC/SC library reads
//! `PCSCLITE_CSOCK_NAME` once in a process. They and the service share one CPU.

use std::env;
use std::error::Error;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use iso7816::{Card, Command};
use link::pcsc::PcscReader;
use link::socket::SocketReader;
use link::{Connection, Presence, Reader};
use soft_card::{BlankOptions, SoftCard, socket};
use test_vectors::pcscd::PrivatePcscd;

use crate::report::Row;
use crate::turns::{Medians, Turns};

/// The first argument of the client; the reader's name and the bare card's socket follow.
pub const CLIENT: &str = "pcsc-client";
const TURNS: Turns = Turns { rounds: 200, repetitions: 200 };
/// How long a card may take to be seen.
const PATIENCE: Duration = Duration::from_secs(10);

/// The row; `None` where no pcscd can run, which standard error then says.
pub fn row() -> Result<Option<Row>, Box<dyn Error>> {
    let Some(pcscd) = PrivatePcscd::start(1)? else {
        eprintln!("pcsc_roundtrip: left out");
        return Ok(None);
    };
    let mut inserted = SoftCard::blank(BlankOptions::default())?;
    let mut slot = UnixStream::connect(pcscd.slot(0))?;
    thread::spawn(move || socket::serve(&mut inserted, &mut slot));

    let folder = tempfile::tempdir()?;
    let bare = folder.path().join("card");
    let listener = socket::listen(&bare)?;
    let mut listening = SoftCard::blank(BlankOptions::default())?;
    thread::spawn(move || socket::serve_all(&mut listening, &listener, |error| eprintln!("pcsc_roundtrip: {error}")));

    let mut client = pcscd.command(env::current_exe()?);
    client.arg(CLIENT).arg(pcscd.reader_name(0)).arg(&bare).stderr(Stdio::inherit());
    let output = client.output()?;
    if !output.status.success() {
        return Err(
            format!("pcsc_roundtrip: the client ended with {}; pcscd said:\n{}", output.status, pcscd.log()).into()
        );
    }
    let (value, floor) = serde_json::from_slice(&output.stdout)?;
    Ok(Some(Row::time("pcsc_roundtrip", &Medians { value, floor })))
}

/// The client: measures and prints the two medians.
pub fn client(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [reader, bare] = arguments else { return Err("expected a reader's name and a socket".into()) };
    let mut reader = PcscReader::open(reader)?;
    if !reader.wait_for(Presence::Card, PATIENCE)? {
        return Err("the service does not see the card".into());
    }
    let mut through_pcscd = reader.connect()?;
    let mut direct = SocketReader::connect_to(bare).connect()?;
    let medians = TURNS.measure(|| production_data(&mut through_pcscd), || production_data(&mut direct))?;
    println!("{}", serde_json::to_string(&(medians.value, medians.floor))?);
    Ok(())
}

fn production_data(card: &mut Connection) -> Result<(), Box<dyn Error>> {
    let response = card.transmit(&Command::new(0x80, 0xCA, 0x9F, 0x7F).with_ne(256))?;
    if response.status.is_ok() { Ok(()) } else { Err(response.status.to_string().into()) }
}
