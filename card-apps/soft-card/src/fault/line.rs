//! Faults of the line: what happens to a command on its way in, and to its answer on its way out.
//!
//! The bytes are those of the reader's side; under secure messaging a spoiled answer is spoiled ciphertext, but where the fault
//! says `inside`: then the plain answer is spoiled, and protected as it is. No answer grows beyond what a frame holds.

use std::thread;
use std::time::Duration;

use iso7816::frame::MAX_FRAME;
use iso7816::{Command, MAX_DATA, Response, Status};

use super::{Fault, Faults, Seeded, Tear, When};

const GET_RESPONSE: u8 = 0xC0;

/// The line of one card.
pub(crate) struct Line {
    faults: Vec<Armed>,
    tear: Option<Tear>,
    /// Commands that came since the card was made or a tear was set.
    count: u64,
    random: Seeded,
    /// What the card itself waits before its next answer.
    pause: Duration,
}

/// A fault with what it has seen.
struct Armed {
    fault: Fault,
    /// Commands that it could have met.
    seen: u64,
    /// The last honest answer to such a command.
    last: Option<Vec<u8>>,
    /// An endless answer has begun.
    begun: bool,
}

impl Line {
    /// A line without faults.
    pub(crate) fn honest() -> Self {
        Line { faults: Vec::new(), tear: None, count: 0, random: Seeded::new(0), pause: Duration::ZERO }
    }

    /// A line with those of these faults that are its own.
    pub(crate) fn with(faults: &Faults) -> Self {
        let mine = faults.all.iter().filter(|fault| !fault.is_forgery());
        let armed = |fault: &Fault| Armed { fault: fault.clone(), seen: 0, last: None, begun: false };
        Line { faults: mine.map(armed).collect(), random: Seeded::new(faults.seed), ..Self::honest() }
    }

    /// Sets a loss of power, counted from the next command; replaces one set before.
    pub(crate) fn tear(&mut self, tear: Tear) {
        self.tear = Some(tear);
        self.count = 0;
    }

    /// Holds the next answer back.
    pub(crate) fn pause(&mut self, pause: Duration) {
        self.pause = pause;
    }

    /// Commands so far.
    pub(crate) fn commands(&self) -> u64 {
        self.count
    }

    /// Counts a command; says whether and when the power goes at it.
    pub(crate) fn next(&mut self) -> Option<When> {
        let index = self.count;
        self.count = self.count.saturating_add(1);
        let torn = self.tear.filter(|tear| tear.at == index).map(|tear| tear.when);
        let listed = self.faults.iter().find_map(|armed| match armed.fault {
            Fault::Torn { at, when } if at == index => Some(when),
            _ => None,
        });
        torn.or(listed)
    }

    /// The answer to a command that does not reach the card's program.
    pub(crate) fn refuses(&self, bytes: &[u8]) -> Option<Status> {
        let too_much = |armed: &Armed| match armed.fault {
            Fault::Limits { command, response } => {
                let asked = Command::parse(bytes).ok().and_then(|command| command.ne).unwrap_or_default();
                bytes.len() > command || asked > response
            }
            _ => false,
        };
        self.faults.iter().any(too_much).then_some(Status::WRONG_LENGTH)
    }

    /// Spoils an answer, and takes the time that the card takes.
    pub(crate) fn spoil(&mut self, command: &[u8], mut answer: Vec<u8>) -> Vec<u8> {
        let instruction = command.get(1).copied().unwrap_or_default();
        let mut pause = std::mem::take(&mut self.pause);
        for armed in self.faults.iter_mut().filter(|armed| !armed.is_inside()) {
            let met = armed.meets(instruction);
            pause += armed.pause(met, command, &answer);
            answer = armed.spoil(met, instruction, answer, &mut self.random);
        }
        if !pause.is_zero() {
            thread::sleep(pause);
        }
        answer.truncate(MAX_FRAME);
        answer
    }

    /// Spoils an answer that a secure channel is going to protect.
    pub(crate) fn spoil_inside(&mut self, instruction: u8, answer: Response) -> Response {
        if !self.faults.iter().any(Armed::is_inside) {
            return answer;
        }
        let mut bytes = answer.to_bytes();
        for armed in self.faults.iter_mut().filter(|armed| armed.is_inside()) {
            let met = armed.meets(instruction);
            bytes = armed.spoil(met, instruction, bytes, &mut self.random);
        }
        let mut answer = Response::parse(&bytes).unwrap_or(Response::status(Status::UNKNOWN_ERROR));
        // Room for what the channel adds.
        answer.data.truncate(MAX_DATA - 64);
        answer
    }
}

impl Armed {
    fn is_inside(&self) -> bool {
        self.fault.on().is_some_and(|on| on.inside)
    }

    /// Counts a command that the fault could meet; true when it does.
    fn meets(&mut self, instruction: u8) -> bool {
        let Some(on) = self.fault.on().filter(|on| on.is_for(instruction)) else { return false };
        let index = self.seen;
        self.seen += 1;
        index >= on.skip && on.count.is_none_or(|count| index - on.skip < count)
    }

    /// How long this answer takes.
    fn pause(&self, met: bool, command: &[u8], answer: &[u8]) -> Duration {
        match self.fault {
            Fault::Slow { milliseconds, .. } if met => Duration::from_millis(milliseconds),
            Fault::Latency { command: each, byte_in, byte_out } => {
                let bytes = byte_in * command.len() as u64 + byte_out * answer.len() as u64;
                Duration::from_micros(each + bytes)
            }
            _ => Duration::ZERO,
        }
    }

    fn spoil(&mut self, met: bool, instruction: u8, mut answer: Vec<u8>, random: &mut Seeded) -> Vec<u8> {
        let data = answer.len().saturating_sub(2);
        match self.fault {
            Fault::Status { status, bare, .. } if met => {
                answer.truncate(if bare { 0 } else { data });
                answer.extend(status.to_be_bytes());
            }
            Fault::Short { bytes, .. } if met => answer.truncate(bytes),
            Fault::Long { bytes, .. } if met => {
                let status = answer.split_off(data);
                answer.extend((0..bytes).map(|_| random.next() as u8));
                answer.extend(status);
            }
            Fault::Garbled { .. } if met => {
                let at = (random.next() % answer.len().max(1) as u64) as usize;
                let bit = random.next() % 8;
                answer.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
            }
            Fault::Endless { bytes, .. } => {
                self.begun = met || (self.begun && instruction == GET_RESPONSE);
                if self.begun {
                    answer = vec![0x00; usize::from(bytes)];
                    answer.extend([0x61, bytes]);
                }
            }
            Fault::Drawn { bytes, .. } if met => {
                let status = answer.split_off(data);
                answer = (0..bytes).map(|_| random.next() as u8).chain(status).collect();
            }
            Fault::Replayed { on } if on.is_for(instruction) => {
                let before = self.last.replace(answer.clone());
                answer = before.filter(|_| met).unwrap_or(answer);
            }
            _ => {}
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    fn line(faults: &str) -> Line {
        let head = "format = \"bitaqa-soft-card-fault\"\nversion = 1\nseed = 7\n";
        Line::with(&Faults::parse(&format!("{head}{faults}"), Path::new("x")).unwrap())
    }

    const READ: [u8; 5] = [0x00, 0xB0, 0, 0, 0];
    const FETCH: [u8; 5] = [0x00, 0xC0, 0, 0, 0];

    #[test]
    fn each_lie_meets_what_it_is_told_to() {
        let honest = vec![1, 2, 3, 0x90, 0x00];
        let spoil = |faults: &str, commands: &[&[u8]]| {
            let mut line = line(&format!("[[fault]]\nkind = {faults}"));
            commands.iter().map(|command| hex::encode(line.spoil(command, honest.clone()))).collect::<Vec<_>>()
        };
        let once = "on = { ins = 0xB0, skip = 1, count = 1 }";
        let three: [&[u8]; 4] = [&READ, &FETCH, &READ, &READ];
        let as_is = "0102039000";
        assert_eq!(spoil(&format!("\"status\"\nstatus = 0x6A82\n{once}"), &three), [as_is, as_is, "0102036a82", as_is]);
        let bare = format!("\"status\"\nstatus = 0x6A82\nbare = true\n{once}");
        assert_eq!(spoil(&bare, &three)[2], "6a82");
        assert_eq!(spoil(&format!("\"short\"\nbytes = 1\n{once}"), &three), [as_is, as_is, "01", as_is]);
        assert_eq!(spoil("\"short\"\nbytes = 9\n", &[&READ]), [as_is]);
        let drawn = &spoil("\"drawn\"\nbytes = 5\n", &[&READ])[0];
        assert!(drawn.len() == 14 && drawn.ends_with("9000") && !drawn.starts_with("010203"), "{drawn}");
        assert_eq!(spoil("\"short\"\nbytes = 1\non = { inside = true }", &[&READ]), [as_is]);
        let long = spoil("\"long\"\nbytes = 4\n", &[&READ]);
        assert!(long[0].starts_with("010203") && long[0].ends_with("9000") && long[0].len() == 18, "{long:?}");
        assert_eq!(spoil("\"long\"\nbytes = 65535\n", &[&READ])[0].len() / 2, 65_535 + 5);
        assert_eq!(
            spoil("\"endless\"\nbytes = 2\non = { ins = 0xB0 }", &[&FETCH, &READ, &FETCH, &FETCH])[1..],
            ["00006102", "00006102", "00006102"]
        );
        let garbled = spoil("\"garbled\"", &[&READ, &READ]);
        assert!(garbled.iter().all(|answer| answer != as_is));
        assert_eq!(garbled, spoil("\"garbled\"", &[&READ, &READ]), "the same seed, the same bits");
    }

    #[test]
    fn what_lies_inside_is_protected_as_it_is() {
        let mut line = line("[[fault]]\nkind = \"drawn\"\nbytes = 65535\non = { ins = 0xB0, inside = true, skip = 1 }");
        let honest = Response::ok([1, 2, 3]);
        assert_eq!(line.spoil_inside(0xB0, honest.clone()), honest);
        assert_eq!(line.spoil_inside(0xA4, honest.clone()), honest);
        assert_eq!(line.spoil_inside(0xB0, honest.clone()).data.len(), MAX_DATA - 64);
        assert_eq!(line.spoil(&READ, honest.to_bytes()), honest.to_bytes());
    }

    #[test]
    fn a_replay_is_the_answer_before() {
        let mut line = line("[[fault]]\nkind = \"replayed\"\non = { ins = 0xB0, skip = 1 }");
        assert_eq!(line.spoil(&READ, vec![1, 0x90, 0]), [1, 0x90, 0]);
        assert_eq!(line.spoil(&FETCH, vec![9, 0x90, 0]), [9, 0x90, 0]);
        assert_eq!(line.spoil(&READ, vec![2, 0x90, 0]), [1, 0x90, 0]);
        assert_eq!(line.spoil(&READ, vec![3, 0x90, 0]), [2, 0x90, 0]);
    }

    #[test]
    fn time_and_size() {
        let mut slow = line("[[fault]]\nkind = \"latency\"\ncommand = 5000\nbyte-in = 1000\nbyte-out = 1000\n");
        let begun = Instant::now();
        slow.spoil(&READ, vec![0x90, 0x00]);
        assert!(begun.elapsed() >= Duration::from_millis(12));
        let small = line("[[fault]]\nkind = \"limits\"\ncommand = 10\nresponse = 255\n");
        assert_eq!(small.refuses(&READ), Some(Status::WRONG_LENGTH));
        assert_eq!(small.refuses(&[0, 0xB0, 0, 0, 0xFF]), None);
        assert_eq!(small.refuses(&[0; 11]), Some(Status::WRONG_LENGTH));
    }

    proptest! {
        #[test]
        fn nothing_spoils_the_card_itself(
            command in prop::collection::vec(any::<u8>(), 0..8),
            answer in prop::collection::vec(any::<u8>(), 0..8),
        ) {
            let mut line = line(
                "[[fault]]\nkind = \"garbled\"\n[[fault]]\nkind = \"short\"\nbytes = 1\n[[fault]]\nkind = \"status\"\nstatus = 1\n\
                 [[fault]]\nkind = \"long\"\nbytes = 3\n[[fault]]\nkind = \"replayed\"\n[[fault]]\nkind = \"endless\"\nbytes = 1\n",
            );
            let _ = line.refuses(&command);
            let _ = line.next();
            prop_assert!(line.spoil(&command, answer).len() <= 8);
        }
    }
}
