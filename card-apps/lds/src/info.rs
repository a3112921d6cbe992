//! EF.ATR/INFO: what the card can do and how long an APDU may be (9303-10 §3.11.2; 7816-4 §12.1.1, §12.7.1).
//!
//! ```text
//! 43 card service data (1)   47 card capabilities (1 to 3)
//! 7F66 { 02 longest command APDU   02 longest response APDU }   (46, 6E, E0 and others: kept)
//! ```
//!
//! The file has no outer data object, and readers fetch only its beginning: what ends in the middle of a data object or in
//! padding is read up to there.

use iso7816::tlv::{Reader, Tag, Writer};

const SERVICE_DATA: Tag = Tag(0x43);
const CAPABILITIES: Tag = Tag(0x47);
const EXTENDED_LENGTH: Tag = Tag(0x7F66);
const INTEGER: Tag = Tag(0x02);
/// The most data objects read.
const MOST_OBJECTS: usize = 32;
/// Bit 7 of the third byte of the capabilities: extended Lc and Le.
const KNOWS_EXTENDED_LENGTH: u8 = 0x40;

/// How long an APDU may be: the whole of it, header, length fields and status word included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtendedLength {
    /// Bytes of the longest command.
    pub command: u32,
    /// Bytes of the longest response.
    pub response: u32,
}

/// The content of EF.ATR/INFO.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AtrInfo {
    /// How applications are selected and where EF.DIR and this file are (7816-4 §12.1.1.4).
    pub service_data: Option<u8>,
    /// Selection methods, data coding, chaining and extended length (7816-4 §12.1.1.9): up to three bytes.
    pub capabilities: Vec<u8>,
    /// The extended length information.
    pub extended_length: Option<ExtendedLength>,
    /// Every other data object: tag and value.
    pub others: Vec<(Tag, Vec<u8>)>,
}

impl AtrInfo {
    /// The whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        if let Some(service_data) = self.service_data {
            writer.put(SERVICE_DATA, [service_data]);
        }
        if !self.capabilities.is_empty() {
            writer.put(CAPABILITIES, &self.capabilities);
        }
        if let Some(ExtendedLength { command, response }) = self.extended_length {
            writer.nest(EXTENDED_LENGTH, |w| {
                w.put(INTEGER, der_integer(command)).put(INTEGER, der_integer(response));
            });
        }
        for (tag, value) in &self.others {
            writer.put(*tag, value);
        }
        writer.finish()
    }

    /// Reads the file, or as much of it as was fetched. Data objects that stand twice count once.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut info = AtrInfo::default();
        let mut reader = Reader::new(bytes);
        for _ in 0..MOST_OBJECTS {
            let Ok(Some(tlv)) = reader.next() else { break };
            match (tlv.tag, tlv.value) {
                (SERVICE_DATA, [service_data]) if info.service_data.is_none() => {
                    info.service_data = Some(*service_data);
                }
                (CAPABILITIES, [_, ..]) if tlv.value.len() <= 3 && info.capabilities.is_empty() => {
                    info.capabilities = tlv.value.to_vec();
                }
                (EXTENDED_LENGTH, value) if info.extended_length.is_none() => match extended_length(value) {
                    Some(lengths) => info.extended_length = Some(lengths),
                    None => info.others.push((tlv.tag, value.to_vec())),
                },
                (tag, value) => info.others.push((tag, value.to_vec())),
            }
        }
        info
    }

    /// Whether the capabilities speak of extended length; `None` when they say nothing about it.
    pub fn knows_extended_length(&self) -> Option<bool> {
        self.capabilities.get(2).map(|third| third & KNOWS_EXTENDED_LENGTH != 0)
    }
}

fn extended_length(value: &[u8]) -> Option<ExtendedLength> {
    let mut sizes = Reader::new(value);
    let command = number(sizes.expect(INTEGER).ok()?)?;
    Some(ExtendedLength { command, response: number(sizes.expect(INTEGER).ok()?)? })
}

/// Cards write the sizes as INTEGERs and as plain numbers: a first bit is never taken for a sign.
fn number(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0u32, |sum, byte| sum.checked_mul(256)?.checked_add(u32::from(*byte)))
}

/// The value of a positive INTEGER in DER: the shortest whose first bit is no sign.
pub(crate) fn der_integer(number: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take(3).take_while(|byte| **byte == 0).count();
    let digits = bytes.iter().skip(zeros).copied();
    let sign = bytes.get(zeros).is_some_and(|first| first & 0x80 != 0);
    sign.then_some(0).into_iter().chain(digits).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_and_meaning() {
        let info = AtrInfo {
            service_data: Some(0xF8),
            capabilities: vec![0xD4, 0x01, 0xE0],
            extended_length: Some(ExtendedLength { command: 0xFFFF, response: 2048 }),
            others: vec![(Tag(0x46), vec![0x01])],
        };
        let bytes = hex::decode("4301f84703d401e07f6609020300ffff02020800460101").unwrap();
        assert_eq!(hex::encode(info.to_bytes()), hex::encode(&bytes));
        assert_eq!(AtrInfo::parse(&bytes), info);
        assert_eq!(info.knows_extended_length(), Some(true));
        assert_eq!(AtrInfo::default().knows_extended_length(), None);
    }

    #[test]
    fn what_was_not_fetched_or_is_padding_is_left_out() {
        let info = AtrInfo::parse(&hex::decode("4301b87f66080202800002040000800053820100aabb").unwrap());
        assert_eq!(info.service_data, Some(0xB8));
        assert_eq!(info.extended_length, None, "the value is cut, so the next object is malformed");
        let info = AtrInfo::parse(&hex::decode("4301b87f660a0202800002040000800053820100aabb").unwrap());
        assert_eq!(info.extended_length, Some(ExtendedLength { command: 0x8000, response: 0x8000 }));
        let broken = AtrInfo::parse(&hex::decode("7f660d020bffffffffffffffffffffff").unwrap());
        assert_eq!((broken.extended_length, broken.others.len()), (None, 1));
        assert_eq!(AtrInfo::parse(&[]), AtrInfo::default());
    }

    #[test]
    fn integers_have_no_sign() {
        for (number, expected) in [(0, "00"), (0x7F, "7f"), (0x80, "0080"), (2019, "07e3"), (u32::MAX, "00ffffffff")] {
            assert_eq!(hex::encode(der_integer(number)), expected);
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = AtrInfo::parse(&bytes);
            let _ = AtrInfo::parse(&iso7816::tlv::encode(EXTENDED_LENGTH, &bytes));
        }

        #[test]
        fn written_files_read_back(service: Option<u8>, capabilities in prop::collection::vec(any::<u8>(), 0..=3), lengths: Option<(u32, u32)>) {
            let extended_length = lengths.map(|(command, response)| ExtendedLength { command, response });
            let info = AtrInfo { service_data: service, capabilities, extended_length, others: Vec::new() };
            prop_assert_eq!(AtrInfo::parse(&info.to_bytes()), info);
        }
    }
}
