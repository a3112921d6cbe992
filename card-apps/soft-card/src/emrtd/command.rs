//! What a host may say to the master file and to the eMRTD application: bytes to an exhaustive enum.
//!
//! Selection by AID is no part of it: the card's dispatcher takes it before any application sees it.

use iso7816::tlv::{self, Tag};
use iso7816::{Command as Apdu, Status};

/// The data objects that an odd-instruction READ BINARY exchanges (7816-4 §11.2.3).
const OFFSET: Tag = Tag(0x54);

/// One command, checked in form; nothing is said yet about whether it is allowed.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// SELECT of the master file: `00A4000C [3F00]`.
    SelectMasterFile,
    /// SELECT of an elementary file under the current directory: `00A4020C02 <id>`.
    SelectFile {
        /// File identifier.
        id: u16,
        /// Whether file control information is wanted in the answer.
        information: bool,
    },
    /// READ BINARY, even or odd instruction.
    ReadBinary(Read),
    /// GET CHALLENGE for Basic Access Control, and under secure messaging for Terminal Authentication.
    GetChallenge,
    /// EXTERNAL AUTHENTICATE for Basic Access Control, and under secure messaging for Terminal Authentication.
    ExternalAuthenticate(&'a [u8]),
    /// INTERNAL AUTHENTICATE: Active Authentication.
    InternalAuthenticate(&'a [u8]),
    /// MSE:Set AT for PACE (`0022C1A4`).
    SetPace(&'a [u8]),
    /// MSE:Set AT for Chip Authentication (`002241A4`).
    SetChipAuthentication(&'a [u8]),
    /// MSE:Set KAT: Chip Authentication with 3DES in one command (`002241A6`).
    SetKeyAgreement(&'a [u8]),
    /// MSE:Set DST: whose key checks the next certificate (`002281B6`).
    SetVerificationKey(&'a [u8]),
    /// PSO:Verify Certificate (`002A00BE`), a link of a chain or the last one.
    VerifyCertificate {
        /// True for a link that is not the last.
        chaining: bool,
        /// Part of the certificate, or all of it.
        data: &'a [u8],
    },
    /// MSE:Set AT for Terminal Authentication (`002281A4`).
    SetTerminal(&'a [u8]),
    /// GET RESPONSE: the rest of an answer that was too long.
    GetResponse,
    /// GENERAL AUTHENTICATE, a link of a chain or the last one.
    GeneralAuthenticate {
        /// True for a link that is not the last.
        chaining: bool,
        /// Dynamic authentication data, DO 7C.
        data: &'a [u8],
    },
}

/// Which file a READ BINARY means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The file selected before.
    Current,
    /// A short identifier, 1 to 30; selects the file.
    Short(u8),
    /// A file identifier, in the odd instruction; selects the file.
    Identifier(u16),
}

/// One READ BINARY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// The file.
    pub source: Source,
    /// First byte to read.
    pub offset: usize,
    /// True for the odd instruction: the answer is DO 53.
    pub wrapped: bool,
    /// Most bytes of response data.
    pub ne: u32,
}

impl<'a> Command<'a> {
    /// Reads a command whose class byte has been judged; `chaining` is its chaining bit.
    ///
    /// # Errors
    /// The status word to answer: `6D00`, `6A86`, `6700`, `6A80`, or `6884` for a chain of a command that has none.
    pub fn parse(apdu: &'a Apdu, chaining: bool) -> Result<Self, Status> {
        if chaining && !matches!(apdu.ins, 0x86 | 0x2A) {
            return Err(Status::CHAINING_NOT_SUPPORTED);
        }
        let parameters = u16::from_be_bytes([apdu.p1, apdu.p2]);
        match (apdu.ins, parameters) {
            (0xA4, _) => select(apdu),
            (0xB0, _) => read(apdu).map(Command::ReadBinary),
            (0xB1, _) => read_wrapped(apdu).map(Command::ReadBinary),
            (0x84, 0x0000) => match apdu.ne {
                Some(8 | 256 | iso7816::MAX_NE) if apdu.data.is_empty() => Ok(Command::GetChallenge),
                _ => Err(Status::WRONG_LENGTH),
            },
            (0x82, 0x0000) => Ok(Command::ExternalAuthenticate(&apdu.data)),
            (0x88, 0x0000) => Ok(Command::InternalAuthenticate(&apdu.data)),
            (0x22, 0xC1A4) => Ok(Command::SetPace(&apdu.data)),
            (0x22, 0x41A4) => Ok(Command::SetChipAuthentication(&apdu.data)),
            (0x22, 0x41A6) => Ok(Command::SetKeyAgreement(&apdu.data)),
            (0x22, 0x81B6) => Ok(Command::SetVerificationKey(&apdu.data)),
            (0x22, 0x81A4) => Ok(Command::SetTerminal(&apdu.data)),
            (0x2A, 0x00BE) => Ok(Command::VerifyCertificate { chaining, data: &apdu.data }),
            (0xC0, 0x0000) => Ok(Command::GetResponse),
            (0x86, 0x0000) => Ok(Command::GeneralAuthenticate { chaining, data: &apdu.data }),
            (0x22 | 0x2A | 0x82 | 0x84 | 0x86 | 0x88 | 0xC0, _) => Err(Status::INCORRECT_P1_P2),
            _ => Err(Status::INSTRUCTION_NOT_SUPPORTED),
        }
    }
}

/// SELECT by file identifier (7816-4 §11.1.1); P2 `00`, `04` ask for information, `0C` for none.
fn select(apdu: &Apdu) -> Result<Command<'_>, Status> {
    let information = match apdu.p2 {
        0x00 | 0x04 => apdu.ne.is_some(),
        0x0C => false,
        _ => return Err(Status::INCORRECT_P1_P2),
    };
    match (apdu.p1, apdu.data.as_slice()) {
        (0x00, [] | [0x3F, 0x00]) => Ok(Command::SelectMasterFile),
        (0x00 | 0x02, [high, low]) => Ok(Command::SelectFile { id: u16::from_be_bytes([*high, *low]), information }),
        (0x00 | 0x02, _) => Err(Status::WRONG_LENGTH),
        _ => Err(Status::INCORRECT_P1_P2),
    }
}

/// The even instruction: offset below 32,768, or a short identifier and an offset below 256.
fn read(apdu: &Apdu) -> Result<Read, Status> {
    let ne = match apdu.ne {
        Some(ne) if apdu.data.is_empty() => ne,
        _ => return Err(Status::WRONG_LENGTH),
    };
    let (source, offset) = match apdu.p1 {
        high @ 0x00..=0x7F => (Source::Current, u16::from_be_bytes([high, apdu.p2])),
        short @ 0x81..=0x9E => (Source::Short(short & 0x1F), u16::from(apdu.p2)),
        _ => return Err(Status::INCORRECT_P1_P2),
    };
    Ok(Read { source, offset: offset.into(), wrapped: false, ne })
}

/// The odd instruction: P1-P2 name the file (`0000`: the current one), DO 54 holds the offset.
fn read_wrapped(apdu: &Apdu) -> Result<Read, Status> {
    let ne = apdu.ne.ok_or(Status::WRONG_LENGTH)?;
    let source = match (apdu.p1, apdu.p2) {
        (0x00, 0x00) => Source::Current,
        (0x00, short @ 0x01..=0x1E) => Source::Short(short),
        (high, low) => Source::Identifier(u16::from_be_bytes([high, low])),
    };
    let offset = tlv::sole(&apdu.data, OFFSET).map_err(|_| Status::WRONG_DATA)?;
    if offset.is_empty() || offset.len() > 4 {
        return Err(Status::WRONG_DATA);
    }
    let offset = offset.iter().fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
    Ok(Read { source, offset, wrapped: true, ne })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, Status> {
        let apdu = Apdu::parse(&hex::decode(text).unwrap()).unwrap();
        Command::parse(&apdu, apdu.cla & 0x10 != 0).map(|command| format!("{command:?}"))
    }

    #[test]
    fn each_form_is_read_as_the_standard_prints_it() {
        let read =
            |source, offset, wrapped, ne| format!("{:?}", Command::ReadBinary(Read { source, offset, wrapped, ne }));
        assert_eq!(parse("00a4000c").unwrap(), "SelectMasterFile");
        assert_eq!(parse("00a4000c023f00").unwrap(), "SelectMasterFile");
        assert_eq!(parse("00a4020c02011e").unwrap(), "SelectFile { id: 286, information: false }");
        assert_eq!(parse("00a4020002011e00").unwrap(), "SelectFile { id: 286, information: true }");
        assert_eq!(parse("00b07fff04").unwrap(), read(Source::Current, 0x7FFF, false, 4));
        assert_eq!(parse("00b09c0000").unwrap(), read(Source::Short(0x1C), 0, false, 256));
        assert_eq!(parse("00b00000000000").unwrap(), read(Source::Current, 0, false, 65_536));
        assert_eq!(parse("00b1000004540280000a").unwrap(), read(Source::Current, 0x8000, true, 10));
        assert_eq!(
            parse("00b10102055403010000 00".replace(' ', "").as_str()).unwrap(),
            read(Source::Identifier(0x0102), 0x1_0000, true, 256)
        );
        assert_eq!(parse("0084000008").unwrap(), "GetChallenge");
        assert_eq!(parse("002281b603830141").unwrap(), "SetVerificationKey([131, 1, 65])");
        assert_eq!(parse("002281a403830141").unwrap(), "SetTerminal([131, 1, 65])");
        assert_eq!(parse("002a00be027f4e").unwrap(), "VerifyCertificate { chaining: false, data: [127, 78] }");
        assert_eq!(parse("10860000027c0000").unwrap(), "GeneralAuthenticate { chaining: true, data: [124, 0] }");
    }

    #[test]
    fn other_forms_are_refused_with_the_standard_s_words() {
        for (text, status) in [
            ("00a4020c0101", Status::WRONG_LENGTH),
            ("00a4050c02011e", Status::INCORRECT_P1_P2),
            ("00a402ff02011e", Status::INCORRECT_P1_P2),
            ("00b00000", Status::WRONG_LENGTH),
            ("00b0800000", Status::INCORRECT_P1_P2),
            ("00b0bf0000", Status::INCORRECT_P1_P2),
            ("00b1000003530100 00", Status::WRONG_DATA),
            ("00b10000025400 00", Status::WRONG_DATA),
            ("0084000010", Status::WRONG_LENGTH),
            ("0022f301", Status::INCORRECT_P1_P2),
            ("002a00ae", Status::INCORRECT_P1_P2),
            ("00880100080102030405060708", Status::INCORRECT_P1_P2),
            ("10a4020c02011e", Status::CHAINING_NOT_SUPPORTED),
            ("00d6000001aa", Status::INSTRUCTION_NOT_SUPPORTED),
        ] {
            assert_eq!(parse(&text.replace(' ', "")), Err(status), "{text}");
        }
    }

    proptest! {
        #[test]
        fn hostile_commands_never_panic(bytes in prop::collection::vec(any::<u8>(), 4..60), chaining: bool) {
            if let Ok(apdu) = Apdu::parse(&bytes) {
                let _ = Command::parse(&apdu, chaining);
            }
        }
    }
}
