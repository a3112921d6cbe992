//! Data groupings (EMV CPS 1.1 §2.2, GPCS §11.11): identifier, length, value.
//!
//! ```text
//! DGI  2 bytes
//! length  00..FE | FF xx xx
//! value
//! ```
//!
//! The numbers of the eMRTD personalization, agreed between the card and the personalizer of this project:
//!
//! | DGI | value |
//! |---|---|
//! | `0101`..`0110`, `011C`, `011D`, `011E` | content of the file with that identifier, plain |
//! | `3F1D` | content of EF.CardSecurity, which shares its identifier with EF.SOD, plain |
//! | `0070` | data objects of the security domain itself (`42`, `45`), plain or encrypted |
//! | `0170` | what the card knows of terminals: `5F25` current date, then one or two trust points `7F21`, the newest first |
//! | `8001` | MRZ_information (ASCII), encrypted |
//! | `8002` | CAN (ASCII digits), encrypted |
//! | `8003` | chip authentication key ([`ChipAuthenticationKey`]), encrypted; once for each key |
//! | `8004` | key of PACE with chip authentication mapping (the same form), encrypted; without it that of `8003` serves |
//! | `8005` | active authentication key ([`super::ActiveAuthenticationKey`]), encrypted |
//!
//! Encrypted values are padded ([`pad`]) and enciphered under the data encryption key: AES-CBC with a zero vector.

use std::{fmt, mem};

use iso7816::tlv::{Reader, Tag};
use zeroize::{Zeroize, Zeroizing};

use super::FormatError;
use crate::files::{self, EF_CARD_ACCESS, EF_CARD_SECURITY, File, Place};

/// Data objects of the security domain itself.
pub const DOMAIN_DATA: u16 = 0x0070;
/// Trust points of Terminal Authentication and the card's first current date; EF.CVCA follows from them.
pub const TERMINAL_TRUST: u16 = 0x0170;
/// MRZ_information, the password of BAC and PACE.
pub const MRZ_INFORMATION: u16 = 0x8001;
/// The card access number.
pub const CAN: u16 = 0x8002;
/// A private key of Chip Authentication; several are told apart by their identifiers.
pub const CHIP_AUTHENTICATION_KEY: u16 = 0x8003;
/// The private key of PACE with chip authentication mapping.
pub const MAPPING_KEY: u16 = 0x8004;
/// The private key of Active Authentication.
pub const ACTIVE_AUTHENTICATION_KEY: u16 = 0x8005;
/// EF.CardSecurity: of two files with one identifier, the one under the master file.
const CARD_SECURITY: u16 = 0x3F1D;

/// The longest value that fits the length field.
pub const MAX_VALUE: usize = 0xFFFF;

/// The data grouping that writes this file.
pub fn number_of(file: &File) -> u16 {
    if *file == EF_CARD_SECURITY { CARD_SECURITY } else { file.id }
}

/// The file that this data grouping writes.
pub fn file_of(number: u16) -> Option<&'static File> {
    if number == CARD_SECURITY {
        return Some(&EF_CARD_SECURITY);
    }
    if number == EF_CARD_ACCESS.id {
        return Some(&EF_CARD_ACCESS);
    }
    files::by_id(Place::Emrtd, number)
}

/// One data grouping. The value may be secret: it is never printed and it is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Dgi {
    /// The identifier.
    pub id: u16,
    /// The value, at most [`MAX_VALUE`] bytes.
    pub value: Vec<u8>,
}

/// Why a data grouping cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DgiError {
    /// The value does not fit the length field.
    #[error("the value of DGI {id:04X} has {length} bytes, more than {MAX_VALUE}")]
    TooLong {
        /// The data grouping.
        id: u16,
        /// Bytes of the value.
        length: usize,
    },
    /// The last block ended inside a data grouping.
    #[error("{count} bytes of an unfinished data grouping are left over")]
    Unfinished {
        /// Bytes left.
        count: usize,
    },
}

impl Dgi {
    /// A data grouping.
    pub fn new(id: u16, value: impl Into<Vec<u8>>) -> Self {
        Dgi { id, value: value.into() }
    }

    /// The encoding.
    ///
    /// # Errors
    /// When the value is longer than [`MAX_VALUE`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, DgiError> {
        let too_long = DgiError::TooLong { id: self.id, length: self.value.len() };
        let length = u16::try_from(self.value.len()).map_err(|_| too_long)?;
        let mut out = Vec::with_capacity(self.value.len() + 5);
        out.extend_from_slice(&self.id.to_be_bytes());
        match u8::try_from(length) {
            Ok(short) if short != 0xFF => out.push(short),
            _ => {
                out.push(0xFF);
                out.extend_from_slice(&length.to_be_bytes());
            }
        }
        out.extend_from_slice(&self.value);
        Ok(out)
    }

    /// Reads a whole sequence of data groupings.
    ///
    /// # Errors
    /// When the bytes end inside one.
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Dgi>, DgiError> {
        let mut reader = DgiReader::new();
        reader.push(bytes);
        let all = std::iter::from_fn(|| reader.pop()).collect();
        reader.end()?;
        Ok(all)
    }
}

impl Drop for Dgi {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl fmt::Debug for Dgi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dgi({:04X}, {} bytes)", self.id, self.value.len())
    }
}

/// Puts together the data groupings of consecutive STORE DATA blocks; one may span several blocks.
///
/// Take out with [`DgiReader::pop`] after each [`DgiReader::push`]; then never more than one unfinished data grouping
/// and one block are held.
#[derive(Default)]
pub struct DgiReader {
    pending: Zeroizing<Vec<u8>>,
    /// So many bytes of it were taken out.
    taken: usize,
}

impl DgiReader {
    /// An empty reader.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the data of the next block.
    pub fn push(&mut self, block: &[u8]) {
        self.pending.drain(..mem::take(&mut self.taken));
        self.pending.extend_from_slice(block);
    }

    /// The next data grouping that is complete; `None` until more is pushed.
    pub fn pop(&mut self) -> Option<Dgi> {
        let rest = self.rest();
        let (id, header, length) = header(rest)?;
        let value = rest.get(header..header + length)?.to_vec();
        self.taken += header + length;
        Some(Dgi { id, value })
    }

    /// Demands that nothing unfinished is left, as after the last block.
    ///
    /// # Errors
    /// When bytes are left.
    pub fn end(&self) -> Result<(), DgiError> {
        match self.rest().len() {
            0 => Ok(()),
            count => Err(DgiError::Unfinished { count }),
        }
    }

    fn rest(&self) -> &[u8] {
        self.pending.get(self.taken..).unwrap_or_default()
    }
}

impl fmt::Debug for DgiReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DgiReader({} bytes pending)", self.rest().len())
    }
}

/// Identifier, bytes of the header and of the value.
fn header(bytes: &[u8]) -> Option<(u16, usize, usize)> {
    match bytes {
        [a, b, 0xFF, high, low, ..] => {
            Some((u16::from_be_bytes([*a, *b]), 5, usize::from(u16::from_be_bytes([*high, *low]))))
        }
        [_, _, 0xFF, ..] => None,
        [a, b, length, ..] => Some((u16::from_be_bytes([*a, *b]), 3, usize::from(*length))),
        _ => None,
    }
}

/// A value padded for encryption: `80`, then `00` up to a multiple of `block` bytes (8 for 3DES, 16 for AES).
pub fn pad(value: &[u8], block: usize) -> Zeroizing<Vec<u8>> {
    let block = block.max(1);
    let length = (value.len() / block + 1) * block;
    let mut padded = Zeroizing::new(Vec::with_capacity(length));
    padded.extend_from_slice(value);
    padded.push(0x80);
    padded.resize(length, 0x00);
    padded
}

/// The value inside a padded one; `None` when there is no padding.
pub fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let end = padded.iter().rposition(|byte| *byte != 0x00)?;
    (padded.get(end) == Some(&0x80)).then(|| padded.get(..end)).flatten()
}

/// The value of DGI `8003`: `80` standardized domain parameter id, `81` key identifier (optional), `82` private key.
pub struct ChipAuthenticationKey {
    /// Standardized domain parameters (9303-11 table 3): 12 P-256, 13 brainpoolP256r1, 15 P-384.
    pub parameter_id: u8,
    /// The identifier that names the key where a chip has several.
    pub key_id: Option<Vec<u8>>,
    /// The private key, big endian, as long as the curve's order.
    pub private_key: Zeroizing<Vec<u8>>,
}

impl ChipAuthenticationKey {
    /// The value before padding and encryption.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = iso7816::tlv::Writer::new();
        writer.put(Tag(0x80), [self.parameter_id]);
        if let Some(id) = &self.key_id {
            writer.put(Tag(0x81), id);
        }
        writer.put(Tag(0x82), &*self.private_key);
        Zeroizing::new(writer.finish())
    }

    /// Reads the decrypted value without its padding.
    ///
    /// # Errors
    /// When it is not of that form.
    pub fn parse(value: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(value);
        let parameters = reader.expect(Tag(0x80))?;
        let [parameter_id] = *parameters else {
            return Err(FormatError::Length { field: "domain parameter id", length: parameters.len() });
        };
        let key_id = reader.optional(Tag(0x81))?.map(<[u8]>::to_vec);
        let private_key = Zeroizing::new(reader.expect(Tag(0x82))?.to_vec());
        reader.end()?;
        Ok(ChipAuthenticationKey { parameter_id, key_id, private_key })
    }
}

impl fmt::Debug for ChipAuthenticationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChipAuthenticationKey")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_file_that_is_written_has_a_number_of_its_own() {
        let written = ["EF.CardAccess", "EF.CardSecurity", "EF.COM", "EF.SOD", "EF.DG1", "EF.DG16"];
        for name in written {
            let file = files::by_name(name).unwrap();
            assert_eq!(file_of(number_of(file)), Some(file), "{name}");
        }
        assert_eq!(file_of(0x2F00), None);
    }

    #[test]
    fn bytes_and_meaning() {
        for (length, head) in [(0, "010200"), (254, "0102fe"), (255, "0102ff00ff"), (700, "0102ff02bc")] {
            let dgi = Dgi::new(0x0102, vec![7; length]);
            let bytes = dgi.to_bytes().unwrap();
            assert!(hex::encode(&bytes).starts_with(head));
            assert_eq!(Dgi::parse_all(&bytes).unwrap(), [dgi]);
        }
        let long = Dgi::new(0x0102, vec![0; 0x1_0000]);
        assert_eq!(long.to_bytes(), Err(DgiError::TooLong { id: 0x0102, length: 0x1_0000 }));
    }

    #[test]
    fn the_last_block_must_finish_the_last_grouping() {
        let error = Dgi::parse_all(&[0x01, 0x02, 0x05, 0xAA]);
        assert_eq!(error, Err(DgiError::Unfinished { count: 4 }));
    }

    #[test]
    fn padding_is_undone() {
        assert_eq!(*pad(&[1, 2, 3], 8), [1, 2, 3, 0x80, 0, 0, 0, 0]);
        assert_eq!(pad(&[0; 16], 16).len(), 32);
        assert_eq!(unpad(&pad(&[1, 0x80, 0], 16)), Some(&[1, 0x80, 0][..]));
        assert_eq!(unpad(&[1, 2, 3]), None);
        assert_eq!(unpad(&[0, 0]), None);
    }

    #[test]
    fn the_chip_authentication_key_reads_back_and_does_not_print() {
        let key = ChipAuthenticationKey {
            parameter_id: 13,
            key_id: Some(vec![1]),
            private_key: Zeroizing::new(vec![0x5A; 32]),
        };
        let bytes = key.to_bytes();
        assert!(hex::encode(&*bytes).starts_with("80010d81010182205a5a"));
        let read = ChipAuthenticationKey::parse(&bytes).unwrap();
        assert_eq!((read.parameter_id, read.key_id, read.private_key), (13, Some(vec![1]), key.private_key.clone()));
        assert_eq!(
            format!("{key:?} {:?}", Dgi::new(0x8003, bytes.to_vec())),
            "ChipAuthenticationKey Dgi(8003, 40 bytes)"
        );
        assert!(ChipAuthenticationKey::parse(&bytes[..20]).is_err());
    }

    proptest! {
        #[test]
        fn groupings_survive_any_cut_into_blocks(
            values in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..600)), 0..6),
            block in 1usize..300,
        ) {
            let groupings: Vec<Dgi> = values.into_iter().map(|(id, value)| Dgi { id, value }).collect();
            let stream: Vec<u8> = groupings.iter().flat_map(|dgi| dgi.to_bytes().unwrap()).collect();
            let mut reader = DgiReader::new();
            let mut read = Vec::new();
            for block in stream.chunks(block) {
                reader.push(block);
                read.extend(std::iter::from_fn(|| reader.pop()));
            }
            reader.end().unwrap();
            prop_assert_eq!(read, groupings);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Dgi::parse_all(&bytes);
            let _ = ChipAuthenticationKey::parse(&bytes);
            let _ = unpad(&bytes);
        }
    }
}
