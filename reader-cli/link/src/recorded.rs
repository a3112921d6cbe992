//! A layer that writes down what passes through it.

use std::time::Instant;

use iso7816::{Card, Command, Response, TransmitError};

use crate::Journal;
use crate::journal::Dialogue;

/// Writes each exchange to a [`Journal`]. It belongs below the secure channel, where commands
/// are as the card sees them.
pub struct Recorded<C> {
    card: C,
    journal: Journal,
    dialogue: Dialogue,
}

impl<C: Card> Recorded<C> {
    /// Puts the layer over `card`.
    pub fn new(card: C, journal: Journal) -> Self {
        Recorded { card, journal, dialogue: Dialogue::default() }
    }

    /// Gives the card below back.
    pub fn into_inner(self) -> C {
        self.card
    }
}

impl<C: Card> Card for Recorded<C> {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        let start = Instant::now();
        let answer = self.card.transmit(command);
        self.journal.exchanged(&mut self.dialogue, command, &answer, start.elapsed());
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use iso7816::{Chained, Limits};

    use super::*;
    use crate::Detail;

    /// Answers every command with its own data.
    struct Echo;

    impl Card for Echo {
        fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
            Ok(Response::ok(command.data.clone()))
        }
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(detail: Detail, header: [u8; 4]) -> String {
        let sink = Shared::default();
        let journal = Journal::new(sink.clone(), detail).unwrap();
        let [cla, ins, p1, p2] = header;
        let mut card = Recorded::new(Echo, journal);
        card.transmit(&Command::new(cla, ins, p1, p2).with_data([0xC0, 0xFF, 0xEE])).unwrap();
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn secrets_never_reach_a_masked_journal() {
        let secret_bearing = [
            [0x00, 0x20, 0x00, 0x81],
            [0x0C, 0x24, 0x00, 0x81],
            [0x00, 0x2C, 0x00, 0x81],
            [0x84, 0xD8, 0x00, 0x81],
            [0x84, 0xE2, 0x60, 0x00],
            [0x84, 0x82, 0x33, 0x00],
            [0x00, 0x82, 0x00, 0x00],
            [0x00, 0x87, 0x11, 0x9D],
            [0x00, 0x2A, 0x80, 0x86],
            [0x00, 0xFE, 0x01, 0x02],
        ];
        for header in secret_bearing {
            let text = written(Detail::Masked, header);
            assert!(!text.contains("c0ffee"), "{text}");
            assert!(
                text.contains(&format!(r#""header":"{}","lc":3,"status":"9000","length":3"#, hex::encode(header))),
                "{text}"
            );
            assert!(written(Detail::Full, header).contains("c0ffee"));
        }
    }

    /// Answers with what is next in the list.
    struct Script<'a>(std::slice::Iter<'a, &'a str>);

    impl Card for Script<'_> {
        fn transmit(&mut self, _: &Command) -> Result<Response, TransmitError> {
            Ok(Response::parse(&hex::decode(self.0.next().unwrap()).unwrap()).unwrap())
        }
    }

    /// The journal of a command whose answers come as over T=0.
    fn written_below_chained(command: &Command, answers: &[&str]) -> String {
        let sink = Shared::default();
        let journal = Journal::new(sink.clone(), Detail::Masked).unwrap();
        let limits = Limits { command_data: 2, response_data: 256 };
        let mut card = Chained::new(Recorded::new(Script(answers.iter()), journal), limits);
        let answer = card.transmit(command).unwrap();
        assert_eq!(answer.data, [0xC0, 0xFF, 0xEE]);
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn the_rest_of_an_answer_is_masked_as_its_command() {
        let decipher = Command::new(0x00, 0x2A, 0x80, 0x86).with_data([0x01]).with_ne(256);
        let text = written_below_chained(&decipher, &["6103", "C0FF6101", "EE9000"]);
        assert_eq!(text.matches(r#""header":"00c00000""#).count(), 2, "{text}");
        assert!(!text.contains("c0ff") && !text.contains(r#""response":"ee""#), "{text}");
        let read = Command::new(0x00, 0xB0, 0x00, 0x00).with_ne(256);
        let text = written_below_chained(&read, &["6103", "C0FF6101", "EE9000"]);
        assert!(text.contains(r#""response":"c0ff""#) && text.contains(r#""response":"ee""#), "{text}");
    }

    #[test]
    fn a_get_response_after_nothing_is_masked() {
        assert!(!written(Detail::Masked, [0x00, 0xC0, 0x00, 0x00]).contains("c0ffee"));
    }

    #[test]
    fn what_follows_a_masked_link_of_a_chain_is_masked() {
        let sink = Shared::default();
        let mut card = Recorded::new(Echo, Journal::new(sink.clone(), Detail::Masked).unwrap());
        let mut send = |cla, ins, data: u8| card.transmit(&Command::new(cla, ins, 0, 0).with_data([data; 3])).unwrap();
        send(0x10, 0x24, 0xA1);
        send(0x10, 0xB0, 0xA2);
        send(0x00, 0xB0, 0xA3);
        send(0x00, 0xC0, 0xA4);
        send(0x00, 0xB0, 0xA5);
        send(0x10, 0xA4, 0xA6);
        send(0x00, 0xA4, 0xA7);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let shown: Vec<u8> = (0xA1..=0xA7).filter(|data| text.contains(&hex::encode([*data; 3]))).collect();
        assert_eq!(shown, [0xA5, 0xA6, 0xA7], "{text}");
    }

    #[test]
    fn harmless_instructions_stay_readable() {
        for header in
            [[0x00, 0xA4, 0x04, 0x0C], [0x10, 0x86, 0x00, 0x00], [0x80, 0x50, 0x30, 0x00], [0x80, 0xF2, 0x40, 0x02]]
        {
            assert!(written(Detail::Masked, header).contains("c0ffee"));
        }
    }

    #[test]
    fn a_full_disk_is_told_and_the_card_goes_on() {
        struct Full(bool);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    Err(io::ErrorKind::StorageFull.into())
                } else {
                    Ok(bytes.len())
                }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let journal = Journal::new(Full(false), Detail::Masked).unwrap();
        let mut card = Recorded::new(Echo, journal.clone());
        assert!(card.transmit(&Command::new(0, 0xA4, 4, 0)).is_ok());
        assert!(journal.problem().is_some());
    }
}
