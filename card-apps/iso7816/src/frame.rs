//! Frames between a reader and a soft card over a byte stream (a Unix socket).
//!
//! On connection the card sends [`VERSION`] as one byte. Then the reader speaks and the card
//! answers, strictly in turn:
//!
//! ```text
//! reader -> card   u32 big endian length of what follows, one type byte, payload
//! card -> reader   u32 big endian length of what follows, payload (may be empty)
//! ```
//!
//! An end of stream in either direction is the card being pulled out of the reader.

use std::io::{self, Read, Write};

/// The first byte a card sends.
pub const VERSION: u8 = 1;
/// The longest frame either side accepts: more than any extended APDU.
pub const MAX_FRAME: usize = 65_600;

/// What a reader tells a card.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// Take the power away; the answer is empty.
    PowerOff,
    /// Give power; the answer is the ATR.
    PowerOn,
    /// Reset; the answer is the ATR.
    Reset,
    /// Ask for the ATR without touching the card's state.
    Atr,
    /// A command APDU; the answer is a response APDU.
    Apdu(Vec<u8>),
}

impl Request {
    const fn type_byte(&self) -> u8 {
        match self {
            Request::PowerOff => 0,
            Request::PowerOn => 1,
            Request::Reset => 2,
            Request::Atr => 4,
            Request::Apdu(_) => 5,
        }
    }

    /// Writes this request as one frame in one write.
    ///
    /// # Errors
    /// What the stream says; `InvalidInput` for a frame over [`MAX_FRAME`].
    pub fn write(&self, stream: &mut impl Write) -> io::Result<()> {
        let payload: &[u8] = if let Request::Apdu(bytes) = self { bytes } else { &[] };
        write_frame(stream, Some(self.type_byte()), payload)
    }

    /// Reads one request.
    ///
    /// # Errors
    /// `UnexpectedEof` when the reader went away, `InvalidData` for a frame that breaks the rules.
    pub fn read(stream: &mut impl Read) -> io::Result<Self> {
        let mut frame = read_frame(stream)?;
        if frame.is_empty() {
            return Err(invalid("a request without a type byte"));
        }
        let kind = frame.remove(0);
        match (kind, frame.is_empty()) {
            (0, true) => Ok(Request::PowerOff),
            (1, true) => Ok(Request::PowerOn),
            (2, true) => Ok(Request::Reset),
            (4, true) => Ok(Request::Atr),
            (5, _) => Ok(Request::Apdu(frame)),
            _ => Err(invalid("an unknown request type")),
        }
    }
}

/// Writes a card's answer as one frame.
///
/// # Errors
/// What the stream says; `InvalidInput` for an answer over [`MAX_FRAME`].
pub fn write_answer(stream: &mut impl Write, answer: &[u8]) -> io::Result<()> {
    write_frame(stream, None, answer)
}

/// Reads a card's answer.
///
/// # Errors
/// `UnexpectedEof` when the card went away, `InvalidData` for a frame over [`MAX_FRAME`].
pub fn read_answer(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    read_frame(stream)
}

fn write_frame(stream: &mut impl Write, kind: Option<u8>, payload: &[u8]) -> io::Result<()> {
    let length = payload.len() + usize::from(kind.is_some());
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "frame too long"));
    }
    let mut frame = Vec::with_capacity(length + 4);
    frame.extend((length as u32).to_be_bytes());
    frame.extend(kind);
    frame.extend(payload);
    stream.write_all(&frame)
}

fn read_frame(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let length = u32::from_be_bytes(header) as usize;
    if length > MAX_FRAME {
        return Err(invalid("frame too long"));
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_apdu_frame_is_length_type_payload() {
        let mut wire = Vec::new();
        Request::Apdu(vec![0, 0xA4, 4, 0]).write(&mut wire).unwrap();
        assert_eq!(hex::encode(&wire), "000000050500a40400");
        assert!(matches!(Request::read(&mut wire.as_slice()).unwrap(), Request::Apdu(b) if b == [0, 0xA4, 4, 0]));
    }

    proptest! {
        #[test]
        fn hostile_frames_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Request::read(&mut bytes.as_slice());
            let _ = read_answer(&mut bytes.as_slice());
        }
    }
}
