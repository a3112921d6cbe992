//! Commands: header, data, expected length; short and extended encodings.

use std::fmt;

/// The most data bytes one command can carry in extended form (7816-4 §5.2).
pub const MAX_DATA: usize = 65_535;
/// The most response bytes one command can ask for in extended form.
pub const MAX_NE: u32 = 65_536;

/// A command APDU (7816-4 §5.1): `CLA INS P1 P2 [Lc data] [Le]`.
///
/// `ne` is the number of response bytes expected (1 to 65,536), `None` for no Le field. The
/// shortest encoding that can hold it is chosen by [`Command::to_bytes`].
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// Class byte.
    pub cla: u8,
    /// Instruction byte.
    pub ins: u8,
    /// First parameter byte.
    pub p1: u8,
    /// Second parameter byte.
    pub p2: u8,
    /// Command data field, 0 to 65,535 bytes.
    pub data: Vec<u8>,
    /// Expected response length, 1 to 65,536; `None` when no Le field is sent.
    pub ne: Option<u32>,
}

/// Why bytes are not a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Fewer than four header bytes.
    #[error("a command needs at least 4 bytes, got {length}")]
    TooShort {
        /// Bytes received.
        length: usize,
    },
    /// Lc and Le do not add up to the bytes received.
    #[error("the length fields do not fit the {length} bytes received")]
    BadLength {
        /// Bytes received.
        length: usize,
    },
}

impl Command {
    /// A command without data and without Le (case 1).
    pub fn new(cla: u8, ins: u8, p1: u8, p2: u8) -> Self {
        Command { cla, ins, p1, p2, data: Vec::new(), ne: None }
    }

    /// The same command with a data field.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data = data.into();
        self
    }

    /// The same command asking for `ne` response bytes (1 to 65,536; 256 is a short Le of `00`).
    #[must_use]
    pub fn with_ne(mut self, ne: u32) -> Self {
        self.ne = Some(ne.clamp(1, MAX_NE));
        self
    }

    /// True when the shortest encoding is the extended one.
    pub fn is_extended(&self) -> bool {
        self.data.len() > 255 || self.ne.is_some_and(|ne| ne > 256)
    }

    /// The command as sent: short form where it fits, else extended (7816-4 §5.2).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![self.cla, self.ins, self.p1, self.p2];
        if self.is_extended() {
            self.put_extended(&mut out);
        } else {
            self.put_short(&mut out);
        }
        out
    }

    fn put_short(&self, out: &mut Vec<u8>) {
        if !self.data.is_empty() {
            out.push(self.data.len() as u8);
            out.extend(&self.data);
        }
        // 256 is written as 00: the low byte of the number.
        out.extend(self.ne.map(|ne| (ne & 0xFF) as u8));
    }

    fn put_extended(&self, out: &mut Vec<u8>) {
        out.push(0x00);
        if !self.data.is_empty() {
            out.extend((self.data.len() as u16).to_be_bytes());
            out.extend(&self.data);
        }
        // 65,536 is written as 0000.
        out.extend(self.ne.into_iter().flat_map(|ne| ((ne & 0xFFFF) as u16).to_be_bytes()));
    }

    /// Reads a command as a card does: all seven cases of 7816-4 §5.2.
    ///
    /// # Errors
    /// When the header is incomplete or the length fields disagree with the bytes received.
    pub fn parse(bytes: &[u8]) -> Result<Self, CommandError> {
        let length = bytes.len();
        let Some(([cla, ins, p1, p2], body)) = bytes.split_first_chunk::<4>() else {
            return Err(CommandError::TooShort { length });
        };
        let (data, ne) = parse_body(body).ok_or(CommandError::BadLength { length })?;
        Ok(Command { cla: *cla, ins: *ins, p1: *p1, p2: *p2, data: data.to_vec(), ne })
    }
}

/// Everything after the header: the data field and Ne.
fn parse_body(body: &[u8]) -> Option<(&[u8], Option<u32>)> {
    let short_ne = |le: u8| Some(if le == 0 { 256 } else { u32::from(le) });
    let long_ne = |le: [u8; 2]| match u16::from_be_bytes(le) {
        0 => Some(MAX_NE),
        ne => Some(u32::from(ne)),
    };
    match body {
        [] => Some((&[], None)),
        [le] => Some((&[], short_ne(*le))),
        [0, a, b] => Some((&[], long_ne([*a, *b]))),
        [0, a, b, rest @ ..] => {
            let lc = usize::from(u16::from_be_bytes([*a, *b]));
            let (data, tail) = rest.split_at_checked(lc)?;
            match (lc, tail) {
                (0, _) => None,
                (_, []) => Some((data, None)),
                (_, [x, y]) => Some((data, long_ne([*x, *y]))),
                _ => None,
            }
        }
        [lc, rest @ ..] => {
            let (data, tail) = rest.split_at_checked(usize::from(*lc))?;
            match (lc, tail) {
                (0, _) => None,
                (_, []) => Some((data, None)),
                (_, [le]) => Some((data, short_ne(*le))),
                _ => None,
            }
        }
    }
}

/// Shows the header and lengths only: command data may hold secrets.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:02X} {:02X} {:02X} {:02X} [{} bytes] Ne {:?}",
            self.cla,
            self.ins,
            self.p1,
            self.p2,
            self.data.len(),
            self.ne
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_seven_cases_encode_as_the_standard_prints_them() {
        let header = Command::new(0x00, 0xB0, 0x01, 0x02);
        let cases: [(Command, &str); 7] = [
            (header.clone(), "00b00102"),
            (header.clone().with_ne(256), "00b0010200"),
            (header.clone().with_data([0xAA]), "00b0010201aa"),
            (header.clone().with_data([0xAA]).with_ne(4), "00b0010201aa04"),
            (header.clone().with_ne(65_536), "00b00102000000"),
            (header.clone().with_data(vec![7; 256]), &format!("00b00102000100{}", "07".repeat(256))),
            (header.with_data([0xAA]).with_ne(257), "00b00102000001aa0101"),
        ];
        for (command, hex_text) in cases {
            assert_eq!(hex::encode(command.to_bytes()), hex_text);
            assert_eq!(Command::parse(&command.to_bytes()).unwrap(), command);
        }
    }

    #[test]
    fn debug_never_shows_data() {
        let shown = format!("{:?}", Command::new(0, 0x20, 0, 1).with_data(*b"123456"));
        assert_eq!(shown, "00 20 00 01 [6 bytes] Ne None");
    }

    proptest! {
        #[test]
        fn any_command_survives_the_wire(
            header in any::<[u8; 4]>(),
            data in prop::collection::vec(any::<u8>(), 0..600),
            ne in prop::option::of(1u32..=65_536),
        ) {
            let command = Command { cla: header[0], ins: header[1], p1: header[2], p2: header[3], data, ne };
            prop_assert_eq!(Command::parse(&command.to_bytes()).unwrap(), command);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Command::parse(&bytes);
        }
    }
}
