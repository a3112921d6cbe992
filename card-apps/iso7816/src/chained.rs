//! The first layer over a reader: command chaining, GET RESPONSE, Le discovery, APDU size limits.

use crate::{Card, Command, Response, Status, TransmitError};

const CHAINING: u8 = 0x10;
const GET_RESPONSE: u8 = 0xC0;
/// The class bits of secure messaging.
const PROTECTED: u8 = 0x0C;

/// What one APDU may carry to and from this card through this reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Most data bytes in one command; longer ones are chained (7816-4 §5.3.3). 255 means short form only.
    pub command_data: usize,
    /// Most bytes collected over `61xx` answers before the card is declared hostile.
    pub response_data: usize,
}

impl Limits {
    /// Short commands only: what every reader and card can do.
    pub const SHORT: Limits = Limits { command_data: 255, response_data: crate::MAX_DATA + 1 };
    /// Extended length both ways.
    pub const EXTENDED: Limits = Limits { command_data: crate::MAX_DATA, response_data: crate::MAX_DATA + 1 };
}

impl Default for Limits {
    fn default() -> Self {
        Limits::SHORT
    }
}

/// Splits long commands, fetches long responses, and repeats a command with the Le the card asks for.
///
/// An extended command that the card finds too long (`6700`) or the reader does not pass on goes out again in short links, and so
/// does every later one. That is for plain commands only.
pub struct Chained<C> {
    card: C,
    limits: Limits,
}

impl<C: Card> Chained<C> {
    /// Puts the layer over `card`.
    pub fn new(card: C, limits: Limits) -> Self {
        Chained { card, limits }
    }

    /// Gives the card below back.
    pub fn into_inner(self) -> C {
        self.card
    }

    /// What one APDU may carry, as far as is known by now.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// From now on one APDU may carry this much.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Sends a command of any length in as many links as it takes; a refusal within them is the answer.
    fn send(&mut self, command: &Command) -> Result<Response, TransmitError> {
        if command.data.len() <= self.limits.command_data {
            return self.ask(command);
        }
        let mut last = match self.send_head(command)? {
            Ok(last) => last,
            Err(refusal) => return Ok(refusal),
        };
        if self.limits.command_data <= Limits::SHORT.command_data {
            last.ne = last.ne.map(|ne| ne.min(256));
        }
        self.ask(&last)
    }

    /// Sends all but the last piece of a long command; returns the last one.
    fn send_head(&mut self, command: &Command) -> Result<Result<Command, Response>, TransmitError> {
        let size = self.limits.command_data.max(1);
        let mut pieces = command.data.chunks(size).peekable();
        let mut link = Command { cla: command.cla | CHAINING, data: Vec::new(), ne: None, ..command.clone() };
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                return Ok(Ok(Command { data: piece.to_vec(), ..command.clone() }));
            }
            link.data = piece.to_vec();
            let response = self.card.transmit(&link)?;
            if !response.status.is_ok() {
                return Ok(Err(response));
            }
        }
        Ok(Ok(command.clone()))
    }

    /// Repeats the command once with the Le that `6Cxx` names.
    fn ask(&mut self, command: &Command) -> Result<Response, TransmitError> {
        let response = self.card.transmit(command)?;
        match response.status.exact_le() {
            Some(le) if response.data.is_empty() => self.card.transmit(&command.clone().with_ne(ne_of(le))),
            _ => Ok(response),
        }
    }

    /// Fetches what `61xx` announces, within the limit.
    fn fetch(&mut self, cla: u8, mut response: Response) -> Result<Response, TransmitError> {
        let limit = self.limits.response_data;
        while let Some(available) = response.status.bytes_available() {
            // Channel bits stay; chaining and secure messaging do not apply to GET RESPONSE.
            let get = Command::new(cla & 0x03, GET_RESPONSE, 0, 0).with_ne(ne_of(available));
            let more = self.ask(&get)?;
            let stalled = more.data.is_empty() && more.status.bytes_available().is_some();
            response.data.extend(&more.data);
            response.status = more.status;
            if stalled || response.data.len() > limit {
                return Err(TransmitError::TooLong { limit });
            }
        }
        Ok(response)
    }
}

fn ne_of(byte: u8) -> u32 {
    if byte == 0 { 256 } else { u32::from(byte) }
}

impl<C: Card> Card for Chained<C> {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        let long =
            command.data.len() > Limits::SHORT.command_data && self.limits.command_data > Limits::SHORT.command_data;
        // Under secure messaging, whatever its kind, a command cannot be said twice.
        let plain = command.cla & PROTECTED == 0;
        let mut response = self.send(command);
        let too_long = match &response {
            Ok(response) => response.status == Status::WRONG_LENGTH,
            Err(error) => matches!(error, TransmitError::Reader { .. }),
        };
        if too_long && long && plain {
            self.limits.command_data = Limits::SHORT.command_data;
            response = self.send(command);
        }
        self.fetch(command.cla, response?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A card that answers from a list and remembers what it was asked.
    struct Script {
        answers: VecDeque<&'static str>,
        asked: Vec<String>,
    }

    impl Card for Script {
        fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
            self.asked.push(hex::encode(command.to_bytes()));
            let answer = self.answers.pop_front().ok_or(TransmitError::Lost)?;
            Response::parse(&hex::decode(answer).unwrap()).ok_or(TransmitError::Lost)
        }
    }

    fn chained(answers: &[&'static str]) -> Chained<Script> {
        let script = Script { answers: answers.iter().copied().collect(), asked: Vec::new() };
        Chained::new(script, Limits { command_data: 2, response_data: 8 })
    }

    #[test]
    fn long_commands_are_chained_and_the_le_goes_last() {
        let mut card = chained(&["9000", "9000", "aa9000"]);
        let response = card.transmit(&Command::new(0, 0xE2, 0, 0).with_data([1, 2, 3, 4, 5]).with_ne(256)).unwrap();
        assert_eq!(response.data, [0xAA]);
        assert_eq!(card.into_inner().asked, ["10e20000020102", "10e20000020304", "00e20000010500"]);
    }

    #[test]
    fn a_refusal_inside_a_chain_is_the_answer() {
        let mut card = chained(&["6884"]);
        let response = card.transmit(&Command::new(0, 0xE2, 0, 0).with_data([1, 2, 3])).unwrap();
        assert_eq!(response.status.0, 0x6884);
    }

    #[test]
    fn le_is_corrected_once_and_more_data_is_fetched() {
        let mut card = chained(&["6c03", "0102036102", "04059000"]);
        let response = card.transmit(&Command::new(0, 0xB0, 0, 0).with_ne(256)).unwrap();
        assert_eq!(response.to_bytes(), [1, 2, 3, 4, 5, 0x90, 0x00]);
        assert_eq!(card.into_inner().asked, ["00b0000000", "00b0000003", "00c0000002"]);
    }

    #[test]
    fn a_card_that_knows_no_extended_length_after_all_gets_short_links() {
        let answers = ["6700", "9000", "aa9000", "9000", "9000"].into();
        let mut card = Chained::new(Script { answers, asked: Vec::new() }, Limits::EXTENDED);
        let long = Command::new(0x10, 0x86, 0, 0).with_data(vec![7; 264]).with_ne(crate::MAX_NE);
        assert_eq!(card.transmit(&long).unwrap().data, [0xAA]);
        assert_eq!(card.limits().command_data, 255);
        card.transmit(&long).unwrap();
        let lengths: Vec<usize> = card.into_inner().asked.iter().map(|asked| asked.len() / 2).collect();
        assert_eq!(lengths, [4 + 3 + 264 + 2, 260, 4 + 1 + 9 + 1, 260, 15]);
    }

    #[test]
    fn a_protected_command_is_never_said_twice() {
        let answers = ["6700", "9000"].into();
        let mut card = Chained::new(Script { answers, asked: Vec::new() }, Limits::EXTENDED);
        let long = Command::new(0x0C, 0x2A, 0, 0xBE).with_data(vec![7; 264]);
        assert_eq!(card.transmit(&long).unwrap().status, Status::WRONG_LENGTH);
        assert_eq!(card.into_inner().asked.len(), 1);
    }

    #[test]
    fn endless_answers_are_refused() {
        let mut card = chained(&["01026101", "0304056101", "0607086101", "0910116101"]);
        let error = card.transmit(&Command::new(0, 0xB0, 0, 0).with_ne(256)).unwrap_err();
        assert!(matches!(error, TransmitError::TooLong { limit: 8 }));
        let mut card = chained(&["6101", "6101"]);
        let error = card.transmit(&Command::new(0, 0xB0, 0, 0).with_ne(256)).unwrap_err();
        assert!(matches!(error, TransmitError::TooLong { .. }));
    }
}
