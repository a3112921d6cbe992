//! A layer that writes down what passes through it.

use std::time::Instant;

use iso7816::{Card, Command, Response, TransmitError};

use crate::Journal;

/// Writes each exchange to a [`Journal`]. It belongs below the secure channel, where commands
/// are as the card sees them.
pub struct Recorded<C> {
    card: C,
    journal: Journal,
}

impl<C: Card> Recorded<C> {
    /// Puts the layer over `card`.
    pub fn new(card: C, journal: Journal) -> Self {
        Recorded { card, journal }
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
        self.journal.exchanged(command, &answer, start.elapsed());
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

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
