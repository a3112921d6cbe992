//! A card played back from a full journal.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

use iso7816::{Card, Command, Response, Status, TransmitError};

use crate::Detail;
use crate::journal::{Exchange, Head, Line, NAME, VERSION};

/// The longest line a journal can have: an extended command and an extended response in hex, and some names.
const MAX_LINE: u64 = 4 * 65_536 + 4_096;

/// Answers a dialogue as it was recorded, and refuses any other command.
///
/// A recorded failure is answered as [`TransmitError::Lost`], whatever it was.
pub struct Replay {
    steps: VecDeque<Step>,
    index: usize,
}

struct Step {
    command: Command,
    response: Option<Response>,
}

/// Why a journal cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file could not be read.
    #[error("the journal cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The first line does not name a journal.
    #[error("this file is not an APDU journal")]
    NotAJournal,
    /// The journal has a format this version does not know.
    #[error("journal version {found} is not known (this program knows {known})", known = VERSION)]
    UnknownVersion {
        /// The version in the file.
        found: u32,
    },
    /// The data were masked when the journal was written.
    #[error("this journal is masked; only a full one can be replayed")]
    Masked,
    /// A line is not as the format says.
    #[error("line {line} of the journal is not valid")]
    Malformed {
        /// The line, from 1.
        line: usize,
    },
}

impl Replay {
    /// Reads a whole journal; its connections follow one another as one dialogue.
    ///
    /// # Errors
    /// When the source is no full journal of a known version.
    pub fn read(source: impl Read) -> Result<Self, ReplayError> {
        let mut lines = Lines { source: io::BufReader::new(source), line: 0 };
        check_head(&lines.next()?.ok_or(ReplayError::NotAJournal)?)?;
        let mut steps = VecDeque::new();
        while let Some(text) = lines.next()? {
            let malformed = ReplayError::Malformed { line: lines.line };
            match serde_json::from_slice(&text) {
                Ok(Line::Connect(_)) => {}
                Ok(Line::Exchange(exchange)) => steps.push_back(step(&exchange).ok_or(malformed)?),
                Err(_) => return Err(malformed),
            }
        }
        Ok(Replay { steps, index: 0 })
    }

    /// Exchanges not yet played.
    pub fn remaining(&self) -> usize {
        self.steps.len()
    }
}

fn check_head(line: &[u8]) -> Result<(), ReplayError> {
    let head: Head = serde_json::from_slice(line).map_err(|_| ReplayError::NotAJournal)?;
    match head {
        Head { journal, .. } if journal != NAME => Err(ReplayError::NotAJournal),
        Head { version, .. } if version != VERSION => Err(ReplayError::UnknownVersion { found: version }),
        Head { detail: Detail::Masked, .. } => Err(ReplayError::Masked),
        _ => Ok(()),
    }
}

/// Lines of bounded length; empty ones are skipped.
struct Lines<R> {
    source: io::BufReader<R>,
    line: usize,
}

impl<R: Read> Lines<R> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, ReplayError> {
        loop {
            let mut text = Vec::new();
            self.line += 1;
            if self.source.by_ref().take(MAX_LINE).read_until(b'\n', &mut text)? == 0 {
                return Ok(None);
            }
            if text.len() as u64 == MAX_LINE {
                return Err(ReplayError::Malformed { line: self.line });
            }
            if !text.trim_ascii().is_empty() {
                return Ok(Some(text));
            }
        }
    }
}

fn step(exchange: &Exchange) -> Option<Step> {
    let header: [u8; 4] = hex::decode(&exchange.header).ok()?.try_into().ok()?;
    let [cla, ins, p1, p2] = header;
    let data = hex::decode(exchange.data.as_ref()?).ok()?;
    let ne_fits = exchange.ne.is_none_or(|ne| (1..=iso7816::MAX_NE).contains(&ne));
    if data.len() != exchange.lc || data.len() > iso7816::MAX_DATA || !ne_fits {
        return None;
    }
    let command = Command { cla, ins, p1, p2, data, ne: exchange.ne };
    Some(Step { command, response: response(exchange)? })
}

/// The recorded answer; `Some(None)` for a recorded failure, `None` when the line contradicts itself.
fn response(exchange: &Exchange) -> Option<Option<Response>> {
    if exchange.lost.is_some() {
        return Some(None);
    }
    let status: [u8; 2] = hex::decode(exchange.status.as_ref()?).ok()?.try_into().ok()?;
    let data = hex::decode(exchange.response.as_ref()?).ok()?;
    (Some(data.len()) == exchange.length).then_some(Some(Response { data, status: Status(u16::from_be_bytes(status)) }))
}

impl Card for Replay {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        let step = self.steps.pop_front_if(|step| step.command == *command);
        let step = step.ok_or(TransmitError::Replay { index: self.index })?;
        self.index += 1;
        step.response.ok_or(TransmitError::Lost)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Journal, Recorded};

    const HEAD: &str = r#"{"journal":"bitaqa-apdu","version":1,"detail":"full"}"#;
    const SELECT: &str = r#"{"exchange":{"number":0,"header":"00a4040c","lc":1,"ne":256,"data":"aa","status":"9000","length":2,"response":"0102","micros":1}}"#;
    const LOST: &str =
        r#"{"exchange":{"number":1,"header":"00b00000","lc":0,"data":"","lost":"the card was lost","micros":1}}"#;

    fn select() -> Command {
        Command::new(0x00, 0xA4, 0x04, 0x0C).with_data([0xAA]).with_ne(256)
    }

    fn refusal(text: &str) -> ReplayError {
        Replay::read(text.as_bytes()).map(|replay| replay.remaining()).unwrap_err()
    }

    #[test]
    fn a_dialogue_is_answered_as_recorded() {
        let text = format!("{HEAD}\n{{\"connect\":{{\"reader\":\"R\",\"atr\":\"3b00\"}}}}\n{SELECT}\n\n{LOST}\n");
        let mut replay = Replay::read(text.as_bytes()).unwrap();
        let other = Command::new(0x00, 0xA4, 0x04, 0x00);
        assert!(matches!(replay.transmit(&other), Err(TransmitError::Replay { index: 0 })));
        assert_eq!(replay.transmit(&select()).unwrap().to_bytes(), [1, 2, 0x90, 0x00]);
        assert!(matches!(replay.transmit(&Command::new(0, 0xB0, 0, 0)), Err(TransmitError::Lost)));
        assert!(matches!(replay.transmit(&select()), Err(TransmitError::Replay { index: 2 })));
    }

    #[test]
    fn what_is_recorded_can_be_replayed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dialogue.jsonl");
        let journal = Journal::create(&path, Detail::Full).unwrap();
        let source = format!("{HEAD}\n{SELECT}\n{LOST}\n");
        let mut card = Recorded::new(Replay::read(source.as_bytes()).unwrap(), journal);
        card.transmit(&select()).unwrap();
        card.transmit(&Command::new(0, 0xB0, 0, 0)).unwrap_err();
        let mut again = Replay::read(std::fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(again.transmit(&select()).unwrap().data, [1, 2]);
        assert!(matches!(again.transmit(&Command::new(0, 0xB0, 0, 0)), Err(TransmitError::Lost)));
        assert_eq!(again.remaining(), 0);
    }

    #[test]
    fn journals_of_version_1_stay_readable() {
        let mut replay = Replay::read(&include_bytes!("../tests/samples/journal-1.jsonl")[..]).unwrap();
        assert_eq!(replay.remaining(), 3);
        let select = Command::new(0x00, 0xA4, 0x04, 0x0C).with_data([0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01]);
        assert!(replay.transmit(&select).unwrap().status.is_ok());
        let read = Command::new(0x00, 0xB0, 0x9E, 0x00).with_ne(8);
        assert_eq!(replay.transmit(&read).unwrap().status, Status::SECURITY_NOT_SATISFIED);
        assert!(matches!(replay.transmit(&read), Err(TransmitError::Lost)));
    }

    #[test]
    fn other_files_are_refused_for_their_reason() {
        assert!(matches!(refusal(""), ReplayError::NotAJournal));
        assert!(matches!(
            refusal("{\"journal\":\"other\",\"version\":1,\"detail\":\"full\"}"),
            ReplayError::NotAJournal
        ));
        assert!(matches!(refusal(&HEAD.replace(":1", ":2")), ReplayError::UnknownVersion { found: 2 }));
        assert!(matches!(refusal(&HEAD.replace("full", "masked")), ReplayError::Masked));
        assert!(matches!(refusal(&format!("{HEAD}\n{{}}\n")), ReplayError::Malformed { line: 2 }));
        let contradiction = SELECT.replace("\"lc\":1", "\"lc\":2");
        assert!(matches!(refusal(&format!("{HEAD}\n{contradiction}\n")), ReplayError::Malformed { line: 2 }));
        let endless = format!("{HEAD}\n{}", "x".repeat(300_000));
        assert!(matches!(refusal(&endless), ReplayError::Malformed { line: 2 }));
    }

    proptest! {
        #[test]
        fn hostile_journals_never_panic(text in "[\\x00-\\x7f]{0,200}") {
            let _ = Replay::read(text.as_bytes());
            let _ = Replay::read(format!("{HEAD}\n{text}").as_bytes());
        }
    }
}
