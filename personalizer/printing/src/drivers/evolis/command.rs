//! Commands and answers as bytes: `1B` letters `;` parameters `0D`; ACK (`06`), NACK (`15`) and a code, or a text.
//!
//! Source: Evolis Card Printers Programming Guide A5013 Rev E. What was inferred is marked in
//! `hardware-docs/printers/evolis.md`.

use crate::machine::{Cause, Reply, Station};

const ESCAPE: u8 = 0x1B;
const END: u8 = 0x0D;
const ACK: u8 = 0x06;
const NACK: u8 = 0x15;
/// What an unknown command is answered with when no ACK/NACK mode is set.
const COMMAND_ERROR: &str = "ERROR CDE";

/// More than any text answer has.
pub const ANSWER_MAX_BYTES: usize = 128;

/// `Pem;4`: the printer answers every command with ACK or NACK and leaves errors to the host.
pub const ERROR_MODE: u8 = 4;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `Pem;n`: how errors are reported.
    ErrorMode(u8),
    /// `Sis` / `Sic`: a blank to a station.
    Feed(Station),
    /// `Se`: the card to the output.
    Eject,
    /// `Ser`: the card to the reject box.
    Reject,
    /// `Ss`: a print sequence starts.
    Start,
    /// `Sr`: the front is next.
    Front,
    /// `Sv`: the back is next.
    Back,
    /// `Db;panel;levels;data`: fills a panel's memory.
    Download {
        /// `y m c k o`.
        panel: char,
        /// Shades a dot can have.
        levels: u16,
        /// The packed dots.
        data: &'a [u8],
    },
    /// `Sp;panel`: prints a panel.
    Print(char),
    /// A question that is answered with text.
    Ask(Question),
}

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// `Rtp`: the model.
    Model,
    /// `Rsn`: the serial number.
    Serial,
    /// `Rfv`: the firmware.
    Firmware,
    /// `Rr`: the ribbon.
    Ribbon,
    /// `Rco`: counters.
    Counters,
    /// `Rlr;p`: the last answer about the card's position.
    CardAnswer,
    /// `Sk;f`: the feeder's level.
    Feeder,
}

impl Question {
    /// Every question.
    pub const ALL: [Question; 7] = [
        Question::Model,
        Question::Serial,
        Question::Firmware,
        Question::Ribbon,
        Question::Counters,
        Question::CardAnswer,
        Question::Feeder,
    ];

    /// The question's letters and parameters.
    pub const fn text(self) -> &'static str {
        match self {
            Question::Model => "Rtp",
            Question::Serial => "Rsn",
            Question::Firmware => "Rfv",
            Question::Ribbon => "Rr",
            Question::Counters => "Rco",
            Question::CardAnswer => "Rlr;p",
            Question::Feeder => "Sk;f",
        }
    }
}

impl Command<'_> {
    /// The bytes on the line.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![ESCAPE];
        match self {
            Command::Download { panel, levels, data } => {
                bytes.extend(format!("Db;{panel};{levels};").into_bytes());
                bytes.extend(*data);
            }
            other => bytes.extend(other.label().into_bytes()),
        }
        bytes.push(END);
        bytes
    }

    /// The command without its data: for logs and messages.
    pub fn label(&self) -> String {
        match self {
            Command::ErrorMode(mode) => format!("Pem;{mode}"),
            Command::Feed(Station::Contact) => "Sis".to_owned(),
            Command::Feed(Station::Contactless) => "Sic".to_owned(),
            Command::Eject => "Se".to_owned(),
            Command::Reject => "Ser".to_owned(),
            Command::Start => "Ss".to_owned(),
            Command::Front => "Sr".to_owned(),
            Command::Back => "Sv".to_owned(),
            Command::Download { panel, levels, data } => format!("Db;{panel};{levels};<{} bytes>", data.len()),
            Command::Print(panel) => format!("Sp;{panel}"),
            Command::Ask(question) => question.text().to_owned(),
        }
    }

    /// Whether a text is the answer to this command.
    pub const fn is_question(&self) -> bool {
        matches!(self, Command::Ask(_))
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// Refused with a code.
    Refused(char),
    /// What was asked for.
    Text(String),
}

/// Reads an answer from what has come in so far; `None` while more must come.
///
/// Leading NUL bytes (a printer on USB pads with them) and an ACK before a text are skipped.
pub fn decode(question: bool, bytes: &[u8]) -> Option<Result<Answer, Reply>> {
    let start = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
    let answer = bytes.get(start..).unwrap_or_default();
    match answer {
        _ if start > ANSWER_MAX_BYTES => Some(Err(Reply::TooLong)),
        [] | [NACK] => None,
        [NACK, code, ..] if code.is_ascii_graphic() => Some(Ok(Answer::Refused(char::from(*code)))),
        [NACK, ..] => Some(Err(garbage(answer))),
        [ACK, ..] if !question => Some(Ok(Answer::Done)),
        [ACK, text @ ..] => decode_text(true, text),
        text => decode_text(question, text),
    }
}

fn decode_text(wanted: bool, bytes: &[u8]) -> Option<Result<Answer, Reply>> {
    let end = bytes.iter().position(|&byte| byte == 0 || byte == END);
    let text = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    if !text.iter().all(|byte| matches!(byte, 0x20..=0x7E)) {
        return Some(Err(garbage(text)));
    }
    if text.len() > ANSWER_MAX_BYTES {
        return Some(Err(Reply::TooLong));
    }
    end?;
    let text = String::from_utf8_lossy(text).trim().to_owned();
    Some(match (text.as_str(), wanted) {
        (COMMAND_ERROR, _) => Ok(Answer::Refused('1')),
        (_, true) => Ok(Answer::Text(text)),
        (_, false) => Err(Reply::Text(text.chars().take(40).collect())),
    })
}

fn garbage(bytes: &[u8]) -> Reply {
    Reply::Garbage(bytes.iter().take(8).map(|byte| format!("{byte:02X}")).collect())
}

/// The cause behind a NACK code; `None` for a code that the guide does not list.
pub const fn cause(code: char) -> Option<Cause> {
    Some(match code {
        '1' => Cause::CommandRefused,
        '2' => Cause::ParameterRefused,
        'T' => Cause::Mechanical,
        'C' => Cause::CoverOpen,
        'F' => Cause::CardFeed,
        'R' => Cause::Ribbon,
        'K' => Cause::MagneticMismatch,
        'D' => Cause::MagneticData,
        'W' => Cause::MagneticWrite,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_these_bytes() {
        let bytes = |command: Command<'_>| command.encode();
        assert_eq!(bytes(Command::Feed(Station::Contact)), hex("1B5369730D"));
        assert_eq!(bytes(Command::Feed(Station::Contactless)), b"\x1bSic\r");
        assert_eq!(bytes(Command::ErrorMode(ERROR_MODE)), b"\x1bPem;4\r");
        assert_eq!(bytes(Command::Eject), b"\x1bSe\r");
        assert_eq!(bytes(Command::Reject), b"\x1bSer\r");
        assert_eq!(bytes(Command::Start), b"\x1bSs\r");
        assert_eq!(bytes(Command::Front), b"\x1bSr\r");
        assert_eq!(bytes(Command::Back), b"\x1bSv\r");
        assert_eq!(bytes(Command::Print('k')), b"\x1bSp;k\r");
        let download = Command::Download { panel: 'y', levels: 32, data: &[0x0D, 0x1B] };
        assert_eq!(bytes(download.clone()), b"\x1bDb;y;32;\x0d\x1b\r");
        assert_eq!(download.label(), "Db;y;32;<2 bytes>");
        let questions: Vec<&str> = Question::ALL.iter().map(|question| question.text()).collect();
        assert_eq!(questions, ["Rtp", "Rsn", "Rfv", "Rr", "Rco", "Rlr;p", "Sk;f"]);
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn every_code_has_a_cause_and_advice() {
        for code in "12TCFRKDW".chars() {
            let answer = decode(false, &[NACK, code as u8]).unwrap().unwrap();
            assert_eq!(answer, Answer::Refused(code));
            assert!(cause(code).unwrap().advice().len() > 10);
        }
        assert_eq!(cause('Z'), None);
    }

    #[test]
    fn answers_are_read_as_they_come() {
        assert_eq!(decode(false, b""), None);
        assert_eq!(decode(false, b"\x15"), None);
        assert_eq!(decode(false, b"\0\0\x06"), Some(Ok(Answer::Done)));
        assert_eq!(decode(true, b"\x06Quan"), None);
        assert_eq!(decode(true, b"\x06Quantum\r"), Some(Ok(Answer::Text("Quantum".to_owned()))));
        assert_eq!(decode(true, b"NO CARD\0"), Some(Ok(Answer::Text("NO CARD".to_owned()))));
        assert_eq!(decode(true, b"ERROR CDE\0"), Some(Ok(Answer::Refused('1'))));
        assert_eq!(decode(false, b"OK\r"), Some(Err(Reply::Text("OK".to_owned()))));
        assert_eq!(decode(false, b"\xff\xfe"), Some(Err(Reply::Garbage("FFFE".to_owned()))));
        assert_eq!(decode(true, &[b'A'; ANSWER_MAX_BYTES + 1]), Some(Err(Reply::TooLong)));
    }

    proptest! {
        #[test]
        fn hostile_answers_end(question: bool, bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let decoded = decode(question, &bytes);
            // Padding and text have a limit each: no answer keeps the driver waiting for more than both.
            prop_assert!(decoded.is_some() || bytes.len() <= 2 * ANSWER_MAX_BYTES + 1);
        }
    }
}
