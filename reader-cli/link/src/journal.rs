//! The journal of a dialogue: one JSON object a line, version 1.
//!
//! ```text
//! {"journal":"bitaqa-apdu","version":1,"detail":"masked"}
//! {"connect":{"reader":"Bitaqa Virtual Reader 00 00","atr":"3b95.."}}
//! {"exchange":{"number":0,"header":"00a4040c","lc":7,"data":"a0000002471001","status":"9000","length":0,"response":"","micros":41}}
//! {"exchange":{"number":1,"header":"00200081","lc":8,"status":"9000","length":0,"micros":977}}
//! {"exchange":{"number":2,"header":"00b00000","lc":0,"ne":256,"data":"","lost":"the card was lost (..)","micros":12}}
//! ```
//!
//! `data` and `response` are left out where they are masked. [`Detail::Masked`] shows the data of an
//! instruction only when the instruction is known to carry nothing secret in either direction: an
//! unknown one is masked. GET RESPONSE and the further links of a chain show no more than what they continue. A masked journal may be kept and sent; a full one is as confidential as
//! the card's content and its keys, and only a full one can be replayed.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use iso7816::{Command, Response, TransmitError};
use serde::{Deserialize, Serialize};

pub(crate) const NAME: &str = "bitaqa-apdu";
pub(crate) const VERSION: u32 = 1;

/// How much a journal shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// Data fields that may hold a secret are left out; header, lengths and status stay.
    Masked,
    /// Everything, for replay.
    Full,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Head {
    pub journal: String,
    pub version: u32,
    pub detail: Detail,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Line {
    Connect(Connect),
    Exchange(Exchange),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Connect {
    pub reader: String,
    pub atr: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Exchange {
    pub number: u64,
    /// CLA INS P1 P2.
    pub header: String,
    pub lc: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ne: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// Why no answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    pub micros: u64,
}

/// Where dialogues are written: a cheap handle, shared by every connection of one run.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Mutex<Shared>>,
    detail: Detail,
}

struct Shared {
    sink: Box<dyn Write + Send>,
    next: u64,
    problem: Option<io::Error>,
}

impl Journal {
    /// Starts a journal in a new file that only its owner can read.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn create(path: &Path, detail: Detail) -> io::Result<Self> {
        Self::new(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?, detail)
    }

    /// Starts a journal on any sink; each line is one write.
    ///
    /// # Errors
    /// When the first line cannot be written.
    pub fn new(sink: impl Write + Send + 'static, detail: Detail) -> io::Result<Self> {
        let mut shared = Shared { sink: Box::new(sink), next: 0, problem: None };
        shared.put(&Head { journal: NAME.to_owned(), version: VERSION, detail });
        match shared.problem.take() {
            None => Ok(Journal { shared: Arc::new(Mutex::new(shared)), detail }),
            Some(problem) => Err(problem),
        }
    }

    /// Notes that a card was powered up.
    pub fn connected(&self, reader: &str, atr: &[u8]) {
        self.lock().put(&Line::Connect(Connect { reader: reader.to_owned(), atr: hex::encode(atr) }));
    }

    /// The first failure to write, if any. The dialogue with the card goes on without its journal:
    /// a full disk must not leave a card half written.
    pub fn problem(&self) -> Option<String> {
        self.lock().problem.as_ref().map(ToString::to_string)
    }

    pub(crate) fn exchanged(
        &self,
        dialogue: &mut Dialogue,
        command: &Command,
        answer: &Result<Response, TransmitError>,
        took: Duration,
    ) {
        let harmless = dialogue.is_harmless(command);
        let show = self.detail == Detail::Full || harmless;
        let hex_if_shown = |bytes: &[u8]| show.then(|| hex::encode(bytes));
        let mut shared = self.lock();
        let mut exchange = Exchange {
            number: shared.next,
            header: hex::encode([command.cla, command.ins, command.p1, command.p2]),
            lc: command.data.len(),
            ne: command.ne,
            data: hex_if_shown(&command.data),
            status: None,
            length: None,
            response: None,
            lost: None,
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        };
        match answer {
            Ok(response) => {
                exchange.status = Some(format!("{:04x}", response.status.0));
                exchange.length = Some(response.data.len());
                exchange.response = hex_if_shown(&response.data);
            }
            Err(error) => exchange.lost = Some(error.to_string()),
        }
        shared.next += 1;
        shared.put(&Line::Exchange(exchange));
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn put(&mut self, line: &impl Serialize) {
        if self.problem.is_some() {
            return;
        }
        let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut bytes| {
            bytes.push(b'\n');
            self.sink.write_all(&bytes)
        });
        self.problem = written.err();
    }
}

/// What the exchanges of one connection so far say about the next one.
#[derive(Default)]
pub(crate) struct Dialogue {
    /// The last exchange held nothing secret. A GET RESPONSE that continues nothing known is masked.
    harmless: bool,
    /// The last command was a link of a chain that goes on.
    chained: bool,
}

impl Dialogue {
    /// True when neither the command's data nor its answer can hold a secret.
    fn is_harmless(&mut self, command: &Command) -> bool {
        let fetches = command.ins == GET_RESPONSE;
        let may_show = self.harmless || !(fetches || self.chained);
        self.harmless = may_show && (fetches || shows_nothing_secret(command));
        self.chained = command.cla & CHAINED != 0;
        self.harmless
    }
}

/// The instruction that fetches the rest of the answer before it (7816-4 §5.3.4).
const GET_RESPONSE: u8 = 0xC0;
/// The class bit of every link of a chain but the last (7816-4 §5.3.3).
const CHAINED: u8 = 0x10;

/// True when neither the command's data nor its own answer can hold a secret.
///
/// Not here, so masked: VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER, PUT KEY, STORE DATA, PUT DATA,
/// UPDATE, EXTERNAL and MUTUAL AUTHENTICATE (a BAC transcript lets the document number be guessed offline),
/// the deciphering operations, and every instruction this table does not know.
fn shows_nothing_secret(command: &Command) -> bool {
    match (command.ins, command.p1, command.p2) {
        // SELECT, READ BINARY, READ RECORD, GET DATA, GET CHALLENGE, MANAGE SECURITY ENVIRONMENT
        (0xA4 | 0xB0 | 0xB1 | 0xB2 | 0xB3 | 0xCA | 0xCB | 0x84 | 0x22, _, _) => true,
        // GENERAL AUTHENTICATE of PACE and Chip Authentication; with a key reference it may be a key agreement.
        (0x86, 0, 0) => true,
        // INTERNAL AUTHENTICATE; PERFORM SECURITY OPERATION: verify certificate.
        (0x88, _, _) | (0x2A, 0x00, 0xAE | 0xBE) => true,
        // GlobalPlatform: INITIALIZE UPDATE, INSTALL, SET STATUS, GET STATUS.
        (0x50 | 0xE6 | 0xF0 | 0xF2, _, _) => true,
        // MANAGE CHANNEL.
        (0x70, _, _) => true,
        _ => false,
    }
}
