//! A small card for tests of the way to a card: it speaks the frame protocol and misbehaves on demand.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use iso7816::frame::{self, Request};
use iso7816::{Command, Response, Status};

/// T=1; the card capabilities announce extended length.
pub const ATR: &[u8] = &[0x3B, 0x85, 0x81, 0x01, 0x80, 0x73, 0xC0, 0x01, 0xC0, 0xF7];

/// Answers the command's data.
pub const ECHO: u8 = 0xEC;
/// Answers how often it was sent since the last power-up or reset.
pub const COUNT: u8 = 0x01;
/// The card is torn out before it answers.
pub const VANISH: u8 = 0x02;
/// Answers after P1 times 100 ms.
pub const SLEEP: u8 = 0x03;
/// Answers with no bytes.
pub const SILENT: u8 = 0x04;
/// Answers with one byte.
pub const HALF: u8 = 0x05;
/// Announces an answer of a gigabyte.
pub const OVERLONG: u8 = 0x06;
/// Answers, and then says more without being asked.
pub const CHATTER: u8 = 0x07;

/// A card in a slot, served by a thread; dropping it pulls it.
pub struct TestCard {
    stream: UnixStream,
    serving: Option<JoinHandle<()>>,
}

impl TestCard {
    /// Puts a card into the slot whose socket this is.
    pub fn insert(socket: &Path) -> Self {
        Self::serve(UnixStream::connect(socket).unwrap())
    }

    /// Listens at the socket until a reader comes.
    #[allow(dead_code, reason = "not every test program has such a reader")]
    pub fn listen(socket: &Path) -> JoinHandle<Self> {
        let listener = UnixListener::bind(socket).unwrap();
        thread::spawn(move || Self::serve(listener.accept().unwrap().0))
    }

    fn serve(stream: UnixStream) -> Self {
        let mut end = stream.try_clone().unwrap();
        let serving = thread::spawn(move || {
            // However the dialogue ends, the card is then out.
            let _ = dialogue(&mut end);
            let _ = end.shutdown(Shutdown::Both);
        });
        TestCard { stream, serving: Some(serving) }
    }

    /// Waits for the reader to hang up.
    #[allow(dead_code, reason = "not every test program asks")]
    pub fn is_shown_out(&self) -> bool {
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            if self.serving.as_ref().is_none_or(JoinHandle::is_finished) {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }
}

impl Drop for TestCard {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        let _ = self.serving.take().map(JoinHandle::join);
    }
}

fn dialogue(stream: &mut UnixStream) -> std::io::Result<()> {
    stream.write_all(&[frame::VERSION])?;
    let mut count = 0;
    loop {
        let answer = match Request::read(stream)? {
            Request::PowerOff => Vec::new(),
            Request::PowerOn | Request::Reset => {
                count = 0;
                ATR.to_vec()
            }
            Request::Atr => ATR.to_vec(),
            Request::Apdu(bytes) => {
                let command = Command::parse(&bytes).unwrap();
                match command.ins {
                    VANISH => return Ok(()),
                    SILENT => Vec::new(),
                    HALF => vec![0x90],
                    OVERLONG => {
                        stream.write_all(&(1_u32 << 30).to_be_bytes())?;
                        continue;
                    }
                    CHATTER => {
                        frame::write_answer(stream, &Status::OK.0.to_be_bytes())?;
                        Status::OK.0.to_be_bytes().to_vec()
                    }
                    _ => answer(&command, &mut count).to_bytes(),
                }
            }
        };
        frame::write_answer(stream, &answer)?;
    }
}

fn answer(command: &Command, count: &mut u8) -> Response {
    match command.ins {
        ECHO => Response::ok(command.data.clone()),
        COUNT => {
            *count += 1;
            Response::ok([*count])
        }
        SLEEP => {
            thread::sleep(Duration::from_millis(100) * u32::from(command.p1));
            Response::status(Status::OK)
        }
        0xA4 => Response::status(Status::FILE_NOT_FOUND),
        _ => Response::status(Status::INSTRUCTION_NOT_SUPPORTED),
    }
}
