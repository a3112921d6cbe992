//! What a chip says about itself before it is a document: CPLC, keys, card recognition data, binding.

use std::fmt;

use iso7816::tlv::{Reader, Tag, Writer, find, sole};

use super::FormatError;

/// GET DATA `9F7F`: card production life cycle data.
pub const TAG_CPLC: Tag = Tag(0x9F7F);
/// GET DATA `0066`: card data with the card recognition data.
pub const TAG_CARD_DATA: Tag = Tag(0x66);
/// GET DATA `0073`: the card recognition data alone, as the template `66` holds it.
pub const TAG_RECOGNITION_DATA: Tag = Tag(0x73);
/// GET DATA `00E0`: key information template.
pub const TAG_KEY_INFORMATION: Tag = Tag(0xE0);
/// GET DATA `0042`: issuer identification number.
pub const TAG_ISSUER_IDENTIFICATION: Tag = Tag(0x42);
/// GET DATA `0045`: card image number. Here it binds the chip to a document: what STORE DATA wrote there says which
/// document number this chip was given, and recovery asks it.
pub const TAG_CARD_IMAGE_NUMBER: Tag = Tag(0x45);
/// GET DATA `00CF`: key diversification data, the same ten bytes that INITIALIZE UPDATE answers with (EMV CPS 1.1 §5.2).
pub const TAG_DIVERSIFICATION: Tag = Tag(0xCF);
/// The longest binding, in bytes.
pub const MAX_BINDING: usize = 32;

/// Key type AES in a key information template (GPCS table 11-16).
pub const KEY_TYPE_AES: u8 = 0x88;
/// Key type DES.
pub const KEY_TYPE_DES: u8 = 0x80;

/// Card production life cycle data (VGP 2.1.1 §9; GET DATA `9F7F`): 42 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cplc {
    /// IC fabricator.
    pub ic_fabricator: [u8; 2],
    /// IC type.
    pub ic_type: [u8; 2],
    /// Operating system identifier.
    pub os_id: [u8; 2],
    /// Operating system release date.
    pub os_release_date: [u8; 2],
    /// Operating system release level.
    pub os_release_level: [u8; 2],
    /// IC fabrication date.
    pub ic_fabrication_date: [u8; 2],
    /// IC serial number.
    pub ic_serial_number: [u8; 4],
    /// IC batch identifier.
    pub ic_batch_id: [u8; 2],
    /// Module fabricator, module packaging date, card manufacturer, embedding date: two bytes each.
    pub module: [u8; 8],
    /// Pre-personalizer 2, date 2, equipment identifier 4 bytes.
    pub pre_personalization: [u8; 8],
    /// Personalizer 2, date 2, equipment identifier 4 bytes.
    pub personalization: [u8; 8],
}

impl Cplc {
    /// The data object with its tag, as GET DATA answers it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let value = [
            &self.ic_fabricator[..],
            &self.ic_type,
            &self.os_id,
            &self.os_release_date,
            &self.os_release_level,
            &self.ic_fabrication_date,
            &self.ic_serial_number,
            &self.ic_batch_id,
            &self.module,
            &self.pre_personalization,
            &self.personalization,
        ];
        iso7816::tlv::encode(TAG_CPLC, value.concat())
    }

    /// Reads the answer to GET DATA, with its tag or without (both are seen).
    ///
    /// # Errors
    /// When it does not have 42 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let value = sole(bytes, TAG_CPLC).unwrap_or(bytes);
        let wrong = FormatError::Length { field: "CPLC", length: value.len() };
        let fields: &[u8; 42] = value.try_into().map_err(|_| wrong.clone())?;
        let mut rest = &fields[..];
        (|| {
            let cplc = Cplc {
                ic_fabricator: take(&mut rest)?,
                ic_type: take(&mut rest)?,
                os_id: take(&mut rest)?,
                os_release_date: take(&mut rest)?,
                os_release_level: take(&mut rest)?,
                ic_fabrication_date: take(&mut rest)?,
                ic_serial_number: take(&mut rest)?,
                ic_batch_id: take(&mut rest)?,
                module: take(&mut rest)?,
                pre_personalization: take(&mut rest)?,
                personalization: take(&mut rest)?,
            };
            Some(cplc)
        })()
        .ok_or(wrong)
    }

    /// The name under which the ledger knows a chip: fabricator, type, fabrication date, serial number and batch as
    /// 24 upper-case hex digits. Unchanged by personalization.
    pub fn chip_serial(&self) -> String {
        let parts = [
            &self.ic_fabricator[..],
            &self.ic_type,
            &self.ic_fabrication_date,
            &self.ic_serial_number,
            &self.ic_batch_id,
        ];
        hex::encode_upper(parts.concat())
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (field, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*field)
}

/// One key of a security domain, as the key information template names it (GPCS §11.3.3.1, basic form).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyInformation {
    /// Key identifier, 1 to 127.
    pub id: u8,
    /// Key version number.
    pub version: u8,
    /// Type and length in bytes of each component.
    pub components: Vec<(u8, u8)>,
}

impl KeyInformation {
    /// The template with these keys: `E0 { C0 { id, version, type, length } .. }`.
    pub fn template(keys: &[KeyInformation]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(TAG_KEY_INFORMATION, |w| {
            for key in keys {
                let mut value = vec![key.id, key.version];
                value.extend(key.components.iter().flat_map(|(kind, length)| [*kind, *length]));
                w.put(Tag(0xC0), value);
            }
        });
        writer.finish()
    }

    /// Reads a template.
    ///
    /// # Errors
    /// When it is not a list of such keys. The extended form (types beginning with `FF`) is not supported.
    pub fn parse_template(bytes: &[u8]) -> Result<Vec<KeyInformation>, FormatError> {
        let mut keys = Vec::new();
        let mut reader = Reader::new(sole(bytes, TAG_KEY_INFORMATION)?);
        while !reader.is_empty() {
            let value = reader.expect(Tag(0xC0))?;
            let wrong = FormatError::Length { field: "key information", length: value.len() };
            let [id, version, components @ ..] = value else { return Err(wrong) };
            if components.len() % 2 != 0 {
                return Err(wrong);
            }
            if components.first() == Some(&0xFF) {
                return Err(FormatError::Value { field: "key type" });
            }
            let components = components.chunks_exact(2).filter_map(|pair| match pair {
                [kind, length] => Some((*kind, *length)),
                _ => None,
            });
            keys.push(KeyInformation { id: *id, version: *version, components: components.collect() });
        }
        Ok(keys)
    }
}

/// Card recognition data (GPCS §H.2): which GlobalPlatform and which secure channels a card speaks.
///
/// ```text
/// 66 { 73 { 06 {globalPlatform 1}
///           60 { 06 {globalPlatform 2 v} }    card management type and version
///           63 { 06 {globalPlatform 3} }      card identification scheme
///           64 { 06 {globalPlatform 4 scp i} } .. } }
/// globalPlatform = 1.2.840.114283
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardRecognitionData {
    /// Version of the card specification, such as `[2, 3, 1]`; each part below 128.
    pub version: Vec<u8>,
    /// Secure channel protocol and its option `i`, such as `(3, 0x70)`.
    pub secure_channels: Vec<(u8, u8)>,
}

const GLOBAL_PLATFORM: &[u8] = &asn1_rs::oid!(raw 1.2.840.114283);
const OID: Tag = Tag(0x06);

impl CardRecognitionData {
    /// The answer to GET DATA `0066`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let oid = |arcs: &[u8]| [GLOBAL_PLATFORM, arcs].concat();
        let mut writer = Writer::new();
        writer.nest(TAG_CARD_DATA, |w| {
            w.nest(TAG_RECOGNITION_DATA, |w| {
                w.put(OID, oid(&[1]));
                let version = [&[2], &self.version[..]].concat();
                w.nest(Tag(0x60), |w| {
                    w.put(OID, oid(&version));
                });
                w.nest(Tag(0x63), |w| {
                    w.put(OID, oid(&[3]));
                });
                for (protocol, option) in &self.secure_channels {
                    let arcs = if *option < 0x80 {
                        vec![4, *protocol, *option]
                    } else {
                        vec![4, *protocol, 0x80 | (option >> 7), option & 0x7F]
                    };
                    w.nest(Tag(0x64), |w| {
                        w.put(OID, oid(&arcs));
                    });
                }
            });
        });
        writer.finish()
    }

    /// Reads the answer to GET DATA `0066`. Data objects not named here are skipped.
    ///
    /// # Errors
    /// When it is not card recognition data.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let missing = FormatError::Value { field: "card recognition data" };
        let data = find(sole(bytes, TAG_CARD_DATA)?, TAG_RECOGNITION_DATA)?.ok_or(missing)?;
        let mut parsed = CardRecognitionData { version: Vec::new(), secure_channels: Vec::new() };
        let mut reader = Reader::new(data);
        while let Some(tlv) = reader.next()? {
            if !matches!(tlv.tag, Tag(0x60) | Tag(0x64)) {
                continue;
            }
            let oid = tlv.reader().expect(OID)?;
            match (tlv.tag, oid.strip_prefix(GLOBAL_PLATFORM)) {
                (Tag(0x60), Some([2, version @ ..])) => parsed.version = version.to_vec(),
                (Tag(0x64), Some([4, protocol, option])) => parsed.secure_channels.push((*protocol, *option)),
                (Tag(0x64), Some([4, protocol, high @ 0x80..=0x81, low])) => {
                    parsed.secure_channels.push((*protocol, ((high & 1) << 7) | (low & 0x7F)));
                }
                _ => {}
            }
        }
        Ok(parsed)
    }
}

impl fmt::Display for CardRecognitionData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version: Vec<String> = self.version.iter().map(u8::to_string).collect();
        write!(f, "GlobalPlatform {}", version.join("."))?;
        self.secure_channels.iter().try_for_each(|(protocol, option)| write!(f, ", SCP{protocol:02} i={option:02X}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cplc_is_42_bytes_and_names_its_chip() {
        let value: Vec<u8> = (1..=42).collect();
        let cplc = Cplc::parse(&value).unwrap();
        assert_eq!(cplc.to_bytes(), [&[0x9F, 0x7F, 42][..], &value].concat());
        assert_eq!(Cplc::parse(&cplc.to_bytes()).unwrap(), cplc);
        assert_eq!(cplc.chip_serial(), "010203040B0C0D0E0F101112");
        assert_eq!(Cplc::parse(&value[1..]), Err(FormatError::Length { field: "CPLC", length: 41 }));
    }

    #[test]
    fn key_information() {
        let key = |id| KeyInformation { id, version: 0x30, components: vec![(KEY_TYPE_AES, 16)] };
        let keys = [key(1), key(2), key(3)];
        let bytes = KeyInformation::template(&keys);
        assert_eq!(hex::encode(&bytes), "e012c00401308810c00402308810c00403308810");
        assert_eq!(KeyInformation::parse_template(&bytes).unwrap(), keys);
    }

    #[test]
    fn card_recognition_data() {
        let data = CardRecognitionData { version: vec![2, 3, 1], secure_channels: vec![(3, 0x70), (2, 0xD5)] };
        let bytes = data.to_bytes();
        let expected = "663f733d06072a864886fc6b01600c060a2a864886fc6b02020301630906072a864886fc6b03640b06092a864886fc6b\
                        040370640c060a2a864886fc6b04028155";
        assert_eq!(hex::encode(&bytes), expected);
        assert_eq!(CardRecognitionData::parse(&bytes).unwrap(), data);
        assert_eq!(data.to_string(), "GlobalPlatform 2.3.1, SCP03 i=70, SCP02 i=D5");
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Cplc::parse(&bytes);
            let _ = KeyInformation::parse_template(&bytes);
            let _ = CardRecognitionData::parse(&bytes);
        }
    }
}
