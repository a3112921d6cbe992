//! The machine behind the line: where the card is, what is in memory, what is answered.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::fault::{Fault, Kind};
use super::station::{Station, StationError};
use crate::drivers::evolis::panels::{self, CARD_300_DPI, Panel};
use crate::raster::{Raster, RasterError};

const ESCAPE: u8 = 0x1B;
const END: u8 = 0x0D;
/// More than the header of any command has.
const COMMAND_MAX_BYTES: usize = 64;

/// How a simulated printer is set up.
pub struct Options {
    /// The answer to `Rtp`.
    pub model: String,
    /// Virtual cards in the feeder; with a [`Station`] its blanks are counted instead.
    pub feeder: u64,
    /// How many cards the reject box holds.
    pub reject_box: u64,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Where printed cards are drawn: `<n>-front.png` and `<n>-back.png`, n being the card's number from 1.
    pub output: Option<PathBuf>,
    /// The chip station with its soft cards.
    pub station: Option<Station>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            model: "Quantum".to_owned(),
            feeder: 100,
            reject_box: 30,
            faults: Vec::new(),
            output: None,
            station: None,
        }
    }
}

/// A printer in software.
pub struct Printer {
    options: Options,
    pending: Vec<u8>,
    inside: bool,
    /// `Pem` has been received: commands are answered with ACK and NACK.
    acknowledging: bool,
    back: bool,
    downloaded: BTreeMap<char, Panel>,
    printed: [Vec<Panel>; 2],
    counters: Counters,
    dead: bool,
    /// What a person standing at the printer would see.
    trouble: Option<SimulatorError>,
}

#[derive(Default)]
struct Counters {
    fed: u64,
    output: u64,
    rejected: u64,
    panels: u64,
}

/// What went wrong outside the printer's protocol.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// A picture could not be written.
    #[error("{} cannot be written: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A picture could not be encoded.
    #[error(transparent)]
    Picture(#[from] RasterError),
    /// The chip station failed.
    #[error(transparent)]
    Station(#[from] StationError),
}

/// What the printer says to a command.
enum Answer {
    Ack,
    Nack(u8),
    Text(String),
    Silence,
    Garbage,
}

impl Printer {
    /// A printer that was just switched on.
    pub fn new(options: Options) -> Self {
        Printer {
            options,
            pending: Vec::new(),
            inside: false,
            acknowledging: false,
            back: false,
            downloaded: BTreeMap::new(),
            printed: Default::default(),
            counters: Counters::default(),
            dead: false,
            trouble: None,
        }
    }

    /// Takes bytes from the line and gives the bytes that go back.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.pending.extend(bytes);
        let mut out = Vec::new();
        while let Some((command, data)) = self.next_command() {
            let answer = self.answer(&command, data);
            out.extend(self.encode(answer));
        }
        out
    }

    /// What failed outside the protocol since the last call: a full disk, a soft card that does not start.
    pub fn take_trouble(&mut self) -> Option<SimulatorError> {
        self.trouble.take()
    }

    /// Takes the card out of the station and leaves its state where it is.
    pub fn switch_off(&mut self) {
        if let Some(station) = &mut self.options.station {
            station.remove();
        }
    }

    /// Cuts one whole command off what came in: its text, and the data of a download.
    fn next_command(&mut self) -> Option<(String, Vec<u8>)> {
        let start = self.pending.iter().position(|&byte| byte == ESCAPE).unwrap_or(self.pending.len());
        self.pending.drain(..start);
        if let Some((header, length)) = download_header(&self.pending) {
            // The data may hold any byte, also those that frame commands: its length alone ends it.
            if self.pending.len() < header + length + 1 {
                return None;
            }
            let command: Vec<u8> = self.pending.drain(..header + length + 1).collect();
            let text = String::from_utf8_lossy(command.get(1..header)?).into_owned();
            return Some((text, command.get(header..header + length)?.to_vec()));
        }
        let end = self.pending.iter().position(|&byte| byte == END);
        let Some(end) = end else {
            if self.pending.len() > COMMAND_MAX_BYTES {
                self.pending.clear();
            }
            return None;
        };
        let command: Vec<u8> = self.pending.drain(..=end).collect();
        Some((String::from_utf8_lossy(command.get(1..end)?).into_owned(), Vec::new()))
    }

    fn encode(&self, answer: Answer) -> Vec<u8> {
        match answer {
            _ if self.dead => Vec::new(),
            Answer::Ack if self.acknowledging => vec![0x06],
            Answer::Nack(code) if self.acknowledging => vec![0x15, code],
            Answer::Nack(b'1') => b"ERROR CDE\0".to_vec(),
            Answer::Text(text) => [text.as_bytes(), &[END]].concat(),
            Answer::Garbage => vec![0xFF, 0x80, 0x07],
            Answer::Ack | Answer::Nack(_) | Answer::Silence => Vec::new(),
        }
    }

    fn answer(&mut self, command: &str, data: Vec<u8>) -> Answer {
        let mut words = command.split(';');
        let name = words.next().unwrap_or_default();
        let parameters: Vec<&str> = words.collect();
        match (name, parameters.as_slice()) {
            ("Pem", [mode, ..]) if matches!(*mode, "0" | "1" | "2" | "3" | "4" | "5" | "16" | "18") => {
                self.acknowledging = true;
                Answer::Ack
            }
            ("Pem", _) => Answer::Nack(b'2'),
            ("Scs" | "Ss", []) => self.start(),
            ("Sis" | "Sic" | "Si", []) => self.feed(),
            ("Sr", []) => self.turn(false),
            ("Sv", []) => self.turn(true),
            ("Db", [panel, levels, ..]) => self.download(panel, levels, data),
            ("Sp", [panel]) => self.print(panel),
            ("Se", []) => self.eject(),
            ("Ser", []) => self.reject(),
            ("Rtp", []) => Answer::Text(self.options.model.clone()),
            ("Rsn", []) => Answer::Text("SIM0000001".to_owned()),
            ("Rfv", []) => Answer::Text("1.0".to_owned()),
            ("Rr", []) => Answer::Text("YMCKO".to_owned()),
            ("Rco", []) => {
                let Counters { fed, output, rejected, panels } = self.counters;
                Answer::Text(format!("{fed};{output};{rejected};{panels}"))
            }
            ("Rlr", ["p"]) => Answer::Text(if self.inside { "OK" } else { "NO CARD" }.to_owned()),
            ("Rlr", ["r"]) => Answer::Text("OK".to_owned()),
            ("Sk", ["f"]) => Answer::Text(self.feeder_level().to_string()),
            ("Sp" | "Db" | "Rlr" | "Sk", _) => Answer::Nack(b'2'),
            _ => Answer::Nack(b'1'),
        }
    }

    fn start(&mut self) -> Answer {
        self.downloaded.clear();
        Answer::Ack
    }

    /// Whether this fault happens now; it happens once.
    fn strikes(&mut self, kind: Kind, card: u64) -> bool {
        let position = self.options.faults.iter().position(|fault| *fault == Fault { kind, card });
        position.map(|position| self.options.faults.remove(position)).is_some()
    }

    fn left_in_feeder(&self) -> u64 {
        match &self.options.station {
            Some(station) => station.blanks_left(),
            None => self.options.feeder.saturating_sub(self.counters.fed),
        }
    }

    fn feeder_level(&self) -> u8 {
        match self.left_in_feeder() {
            0 => 0,
            1..=9 => 1,
            10..=49 => 2,
            _ => 3,
        }
    }

    fn feed(&mut self) -> Answer {
        let card = self.counters.fed + 1;
        if self.inside {
            return Answer::Nack(b'T');
        }
        if self.strikes(Kind::Dead, card) {
            self.dead = true;
            return Answer::Silence;
        }
        if self.strikes(Kind::CoverOpen, card) {
            return Answer::Nack(b'C');
        }
        if self.strikes(Kind::FeederEmpty, card) || self.left_in_feeder() == 0 {
            return Answer::Nack(b'F');
        }
        if self.strikes(Kind::UnheardFeed, card) {
            return Answer::Silence;
        }
        if let Some(station) = &mut self.options.station
            && let Err(error) = station.insert_next()
        {
            self.trouble = Some(error.into());
            return Answer::Nack(b'T');
        }
        self.counters.fed = card;
        self.inside = true;
        self.printed = Default::default();
        if self.strikes(Kind::LostFeed, card) {
            return Answer::Silence;
        }
        if self.strikes(Kind::Garbage, card) { Answer::Garbage } else { Answer::Ack }
    }

    fn turn(&mut self, back: bool) -> Answer {
        if !self.inside {
            return Answer::Nack(b'T');
        }
        self.back = back;
        self.downloaded.clear();
        Answer::Ack
    }

    fn download(&mut self, panel: &str, levels: &str, data: Vec<u8>) -> Answer {
        let (Some(name), Ok(levels)) = (panel.chars().next(), levels.parse()) else { return Answer::Nack(b'2') };
        if data.is_empty() || !"ymcko".contains(panel) {
            return Answer::Nack(b'2');
        }
        self.downloaded.insert(name, Panel { name, levels, data });
        Answer::Ack
    }

    fn print(&mut self, panel: &str) -> Answer {
        let card = self.counters.fed;
        if !self.inside || self.strikes(Kind::Mechanical, card) {
            return Answer::Nack(b'T');
        }
        if self.strikes(Kind::Ribbon, card) {
            return Answer::Nack(b'R');
        }
        if self.strikes(Kind::UnheardPrint, card) {
            return Answer::Silence;
        }
        let memory = panel.chars().next().and_then(|name| self.downloaded.remove(&name));
        let Some(memory) = memory else { return Answer::Nack(b'2') };
        let [front, back] = &mut self.printed;
        if self.back { back } else { front }.push(memory);
        self.counters.panels += 1;
        if self.strikes(Kind::LostPrint, card) { Answer::Silence } else { Answer::Ack }
    }

    fn eject(&mut self) -> Answer {
        let card = self.counters.fed;
        if !self.inside || self.strikes(Kind::EjectJam, card) {
            return Answer::Nack(b'T');
        }
        if self.strikes(Kind::UnheardEject, card) {
            return Answer::Silence;
        }
        self.counters.output += 1;
        self.leave(true);
        if self.strikes(Kind::LostEject, card) { Answer::Silence } else { Answer::Ack }
    }

    fn reject(&mut self) -> Answer {
        if !self.inside || self.counters.rejected >= self.options.reject_box {
            return Answer::Nack(b'T');
        }
        self.counters.rejected += 1;
        self.leave(false);
        Answer::Ack
    }

    fn leave(&mut self, good: bool) {
        self.inside = false;
        let stored = self.options.station.as_mut().map_or(Ok(()), |station| station.put_away(good));
        let drawn = self.draw();
        self.trouble = drawn.err().or(stored.err().map(SimulatorError::from));
    }

    fn draw(&self) -> Result<(), SimulatorError> {
        let Some(directory) = &self.options.output else { return Ok(()) };
        for (side, panels) in ["front", "back"].iter().zip(&self.printed) {
            if !panels.is_empty() {
                let path = directory.join(format!("{}-{side}.png", self.counters.fed));
                let picture = panels::join(panels, &CARD_300_DPI).to_png()?;
                fs::write(&path, picture).map_err(|source| SimulatorError::Write { path, source })?;
            }
        }
        Ok(())
    }

    /// What is printed on the side of the card inside, or of the card that left last.
    pub fn printed(&self, back: bool) -> Raster {
        let [front, behind] = &self.printed;
        panels::join(if back { behind } else { front }, &CARD_300_DPI)
    }
}

/// The length of a `Db;panel;levels;` header at the start of the bytes, and of the data that must follow.
fn download_header(bytes: &[u8]) -> Option<(usize, usize)> {
    let body = bytes.strip_prefix(b"\x1bDb;")?;
    let mut semicolons = body.iter().take(COMMAND_MAX_BYTES).enumerate().filter(|(_, byte)| **byte == b';');
    let (panel_end, _) = semicolons.next()?;
    let (levels_end, _) = semicolons.next()?;
    let levels = std::str::from_utf8(body.get(panel_end + 1..levels_end)?).ok()?.parse().ok()?;
    Some((4 + levels_end + 1, CARD_300_DPI.bytes(levels)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_answers_as_the_guide_says() {
        let mut printer = Printer::new(Options { feeder: 1, ..Options::default() });
        assert_eq!(printer.receive(b"\x1bXyz\r"), b"ERROR CDE\0");
        assert_eq!(printer.receive(b"\x1bSe\r"), b"", "silent before the error mode is set");
        assert_eq!(printer.receive(b"\x1bPem;4\r"), b"\x06");
        assert_eq!(printer.receive(b"\x1bPem;7\r"), b"\x152");
        assert_eq!(printer.receive(b"noise\x1bXyz\r"), b"\x151");
        assert_eq!(printer.receive(b"\x1bSe\r"), b"\x15T");
        assert_eq!(printer.receive(b"\x1bSk;f\r\x1bRlr;p\r"), b"1\rNO CARD\r");
        assert_eq!(printer.receive(b"\x1bS"), b"");
        assert_eq!(printer.receive(b"is\r\x1bRlr;p\r"), b"\x06OK\r");
        assert_eq!(printer.receive(b"\x1bSer\r\x1bSis\r"), b"\x06\x15F");
        assert_eq!(printer.receive(b"\x1bRco\r"), b"1;0;1;0\r");
    }

    #[test]
    fn a_full_reject_box_refuses() {
        let mut printer = Printer::new(Options { reject_box: 0, ..Options::default() });
        assert_eq!(printer.receive(b"\x1bPem;4\r\x1bSis\r\x1bSer\r\x1bSe\r"), b"\x06\x06\x15T\x06");
    }

    proptest! {
        #[test]
        fn hostile_hosts_do_no_harm(chunks in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..100),
                "\x1b(Db;[ymckoz];(2|32|9);|Sis|Se|Sp;k|Ss|Sv)\r?".prop_map(String::into_bytes),
            ], 0..20)) {
            let mut printer = Printer::new(Options::default());
            for chunk in chunks {
                printer.receive(&chunk);
                prop_assert!(printer.pending.len() <= CARD_300_DPI.bytes_32 + 2_000);
            }
        }
    }
}
