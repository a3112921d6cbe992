//! `read_apdus`, `read_bytes` and the same with `_extended`: what a full reading costs on the wire, against the least possible.
//!
//! - value: the commands, and the bytes of commands and answers, of one `inspection::inspect` of a personalized soft card, from its
//!   power-up to the end. Short APDUs, and extended ones as long as the card says in EF.ATR/INFO
//! - floor: the least that a reader could do that knew the length of every file beforehand. Computed here from the standards
//!   and the lengths of what was read; nothing of the reader's code is used. The steps, none of which can be left out:
//!
//! | step | commands |
//! |---|---|
//! | EF.ATR/INFO, for extended length only | 1 READ BINARY by short identifier, plain |
//! | EF.CardAccess | READ BINARYs of 256 bytes by short identifier, plain |
//! | PACE with generic mapping over a curve, and AES | 1 MSE:Set AT, 4 GENERAL AUTHENTICATE (9303-11 §4.4.4) |
//! | SELECT of the application | 1, no answer wanted |
//! | each file behind access | the fewest READ BINARYs (below) |
//! | Chip Authentication with AES | 1 MSE:Set AT, 1 GENERAL AUTHENTICATE (9303-11 §6.2.4) |
//! | the proof under the new keys | 1 READ BINARY by short identifier of one byte |
//!
//! The fewest READ BINARYs: the first one names the file by its short identifier, so no SELECT is needed. Each brings the most plain
//! bytes whose protected answer (DO 87 or 85, 99, 8E) fits the longest answer: 256 bytes, or what EF.ATR/INFO says. From offset
//! 32,768 on the odd instruction is needed, with DO 54 in the command, DO 53 around the answer. Every command has its shortest encoding.

use std::error::Error;

use channel::password::Password;
use channel::random::OsRandom;
use inspection::{Access, Bac, Evidence, Options, Policy, Verdict, inspect, judge};
use iso7816::{Card, Command, Response, TransmitError};
use jiff::Timestamp;
use lds::files::{self, Place};
use soft_card::SoftCard;

use crate::centre::Centre;
use crate::inspection_full::personalized;
use crate::report::Row;

/// The rows.
pub fn rows(centre: &Centre) -> Result<Vec<Row>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (card, password) = personalized(centre, folder.path())?;
    let short = read(centre, &card, &password, false)?;
    let extended = read(centre, &card, &password, true)?;
    Ok(vec![
        Row::count("read_apdus", "APDUs", short.value.commands, short.floor.commands),
        Row::count("read_bytes", "bytes", short.value.bytes, short.floor.bytes),
        Row::count("read_apdus_extended", "APDUs", extended.value.commands, extended.floor.commands),
        Row::count("read_bytes_extended", "bytes", extended.value.bytes, extended.floor.bytes),
    ])
}

/// One reading and its floor.
struct Reading {
    value: Cost,
    floor: Cost,
}

fn read(
    centre: &Centre,
    card: &SoftCard,
    password: &Password,
    extended_length: bool,
) -> Result<Reading, Box<dyn Error>> {
    let mut counting = Counting { card: SoftCard::from_state(card.state()), cost: Cost::default(), info: 0 };
    let now = Timestamp::now();
    let access = Access { password: password.clone(), bac: Bac::Never, printed_mrz: None };
    let options = Options { extended_length, ..Options::new(now) };
    let evidence = inspect(&mut counting, &access, &options, &mut OsRandom, &mut |_| {});
    let report = judge(&evidence, &centre.trust, &Policy::default(), now);
    if report.verdict != Verdict::GenuineValid {
        return Err(report.meaning.into());
    }
    // EF.ATR/INFO of this card says 65,535 bytes for a whole answer; two of them are the status word.
    let longest = if extended_length { 65_533 } else { 256 };
    let mut floor = floor(&evidence, longest)?;
    if extended_length {
        floor.add(5, counting.info + 2);
    }
    Ok(Reading { value: counting.cost, floor })
}

/// Counts what passes.
struct Counting {
    card: SoftCard,
    cost: Cost,
    /// The length of EF.ATR/INFO, once it was read.
    info: u64,
}

impl Card for Counting {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        let response = self.card.transmit(command)?;
        self.cost.add(command.to_bytes().len() as u64, response.to_bytes().len() as u64);
        if self.cost.commands == 1 {
            self.info = response.data.len() as u64;
        }
        Ok(response)
    }
}

/// What goes over the wire.
#[derive(Clone, Copy, Default)]
struct Cost {
    commands: u64,
    bytes: u64,
}

impl Cost {
    /// One command and its answer, in bytes.
    fn add(&mut self, command: u64, answer: u64) {
        self.commands += 1;
        self.bytes += command + answer;
    }
}

/// Block length of AES.
const BLOCK: u64 = 16;
/// The content of an object identifier of PACE or Chip Authentication.
const IDENTIFIER: u64 = 10;

/// The least for these files, with answers of at most `longest` data bytes.
fn floor(evidence: &Evidence, longest: u64) -> Result<Cost, Box<dyn Error>> {
    let mut cost = Cost::default();
    for (name, seen) in &evidence.files {
        let Some(content) = seen.content() else { continue };
        let length = content.len() as u64;
        let file = files::by_name(name).ok_or("a file that the table does not have")?;
        match (file.place, file.access) {
            (Place::MasterFile, files::Access::Free) => plain_file(&mut cost, length),
            _ => protected_file(&mut cost, length, longest),
        }
    }
    let established = evidence.access.established.as_ref().ok_or("no access")?;
    if !established.detail.contains("generic mapping") {
        return Err("the floor is that of generic mapping".into());
    }
    let (point, nonce) = widths(&established.detail)?;
    // 80 identifier, 83 password
    cost.add(5 + object(IDENTIFIER) + object(1), 2);
    // 7C{}, 80 nonce
    cost.add(5 + object(0) + 1, object(object(nonce)) + 2);
    // 81, 82 and 83, 84: points
    cost.add(5 + object(object(point)) + 1, object(object(point)) + 2);
    cost.add(5 + object(object(point)) + 1, object(object(point)) + 2);
    // 85, 86: tokens
    cost.add(5 + object(object(8)) + 1, object(object(8)) + 2);
    // SELECT of the application by its seven bytes
    protected(&mut cost, 7, None, 0);
    let authentication = evidence.chip_authentication.as_ref().ok_or("no Chip Authentication")?;
    let (point, _) = widths(&authentication.detail)?;
    protected(&mut cost, object(IDENTIFIER), None, 0);
    protected(&mut cost, object(object(point)), Some(256), object(0));
    protected(&mut cost, 0, Some(1), 1);
    Ok(cost)
}

/// Bytes of an uncompressed point and of a nonce, by the names of curve and cipher. All ciphers are AES here.
fn widths(detail: &str) -> Result<(u64, u64), Box<dyn Error>> {
    let named = |names: &[&str]| names.iter().any(|name| detail.contains(name));
    let point = match () {
        () if named(&["P-256", "brainpoolP256r1"]) => 65,
        () if named(&["P-384", "brainpoolP384r1"]) => 97,
        () => return Err(format!("the floor knows no curve of {detail}").into()),
    };
    match () {
        () if named(&["AES-128"]) => Ok((point, 16)),
        () if named(&["AES-192", "AES-256"]) => Ok((point, 32)),
        () => Err(format!("the floor knows no cipher of {detail}").into()),
    }
}

/// READ BINARYs of at most 256 bytes.
fn plain_file(cost: &mut Cost, length: u64) {
    let mut left = length;
    while left > 0 {
        let piece = left.min(256);
        cost.add(5, piece + 2);
        left -= piece;
    }
}

/// READ BINARYs under secure messaging.
fn protected_file(cost: &mut Cost, length: u64, longest: u64) {
    let even = (1..=longest).rev().find(|plain| answer(*plain, false) <= longest).unwrap_or(1);
    let odd = (1..=longest).rev().find(|plain| answer(object(*plain), true) <= longest).unwrap_or(1);
    let mut offset = 0;
    while offset < length {
        let left = length - offset;
        if offset <= 0x7FFF {
            let piece = left.min(even);
            protected(cost, 0, Some(piece), piece);
            offset += piece;
        } else {
            let piece = left.min(odd);
            // 54: an offset of two bytes, or of three from 64 KiB on
            let position = object(if offset <= 0xFFFF { 2 } else { 3 });
            cost.add(command(position, Some(object(piece)), true), answer(object(piece), true) + 2);
            offset += piece;
        }
    }
}

/// One command under secure messaging with so many plain bytes each way.
fn protected(cost: &mut Cost, data: u64, asked: Option<u64>, plain: u64) {
    cost.add(command(data, asked, false), answer(plain, false) + 2);
}

/// Bytes of a protected command: header, Lc, cryptogram, DO 97, DO 8E, Le.
fn command(data: u64, asked: Option<u64>, odd: bool) -> u64 {
    let long = asked.is_some_and(|asked| asked > 256);
    let expected = asked.map_or(0, |_| object(if long { 2 } else { 1 }));
    let field = cryptogram(data, odd) + expected + object(8);
    let (lc, le) = if long || field > 255 { (3, 2) } else { (1, 1) };
    4 + lc + field + le
}

/// Bytes of the data field of a protected answer: cryptogram, DO 99, DO 8E.
fn answer(plain: u64, odd: bool) -> u64 {
    cryptogram(plain, odd) + object(2) + object(8)
}

/// DO 87 with its padding indicator, or DO 85: whole blocks, one byte of padding at least.
fn cryptogram(plain: u64, odd: bool) -> u64 {
    if plain == 0 { 0 } else { object((plain / BLOCK + 1) * BLOCK + u64::from(!odd)) }
}

/// A data object with a tag of one byte.
fn object(value: u64) -> u64 {
    let length = match value {
        0..0x80 => 1,
        0x80..0x100 => 2,
        0x100..0x1_0000 => 3,
        _ => 4,
    };
    1 + length + value
}
