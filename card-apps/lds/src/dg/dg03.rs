//! DG3: encoded fingers (9303-10 §4.7.3), in records of ISO/IEC 19794-4:2005 or of ISO/IEC 39794-4:2019.
//!
//! ```text
//! 63 { 7F61 { 02 number   7F60 { A1 { 81 08   82 which finger   87 0101   88 0007 } 5F2E record of ISO/IEC 19794-4 } ..
//!                         7F60 { A1 { 81 08   82 which finger   87 0101   88 0028 } 7F2E { A1 { 64 { .. } } } } .. }
//!      53 random bytes, where there is no template }
//!
//! record  32: "FIR" 00, "010" 00, length 6, capture device 2, acquisition level 2, number of images 1, scale units 1,
//!             scan resolution 2 2, image resolution 2 2, depth 1, compression 1, reserved 2
//! image   14: length 4, position 1, number of views 1, view 1, quality 1, impression 1, width 2, height 2, reserved 1
//!
//! RepresentationBlock of ISO/IEC 39794-4 ::= SEQUENCE { position [0] code, impression [1] code, imageDataFormat [2] code,
//!                                                       imageData [3] OCTET STRING, ... }
//! ```
//!
//! Where an issuer takes no fingers of a holder, the file has no template, and random bytes so that its hash does not tell.

use std::fmt;

use iso7816::tlv::Tag;

use super::biometric::{self, Encoding, Fields, Record, Written};
use super::iso39794::{self, FINGER, code, constructed, field, primitive};
use super::{Defect, ReadError};
use crate::files::group_tag;

const DG3: Tag = group_tag(3);
/// Biometric type: fingerprint.
const FINGERPRINT: u8 = 0x08;
/// Finger image data of ISO/IEC 19794-4.
const FORMAT_19794: u16 = 0x0007;
const MAGIC: &[u8; 4] = b"FIR\x00";
const VERSION: &[u8; 4] = b"010\x00";
const RECORD_HEADER: usize = 32;
const IMAGE_HEADER: usize = 14;
/// 500 pixels per inch, the level that 9303-10 asks for.
const ACQUISITION_LEVEL: u16 = 30;
const PIXELS_PER_INCH: u8 = 1;
const RESOLUTION: u16 = 500;
const WHAT: &str = "finger image record";
/// The most fingers read from one file.
const MOST_FINGERS: usize = 32;

/// How the picture of a finger is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum FingerFormat {
    /// Grey values, one after another, or a PGM file.
    Raw,
    /// Grey values, bit packed.
    RawPacked,
    /// Wavelet scalar quantization.
    Wsq,
    /// JPEG.
    Jpeg,
    /// JPEG 2000.
    Jpeg2000,
    /// PNG.
    Png,
}

/// Code in a binary record, code in ASN.1.
const FORMATS: &[(FingerFormat, Option<u8>, Option<u32>)] = &[
    (FingerFormat::Raw, Some(0), Some(0)),
    (FingerFormat::RawPacked, Some(1), None),
    (FingerFormat::Wsq, Some(2), Some(1)),
    (FingerFormat::Jpeg, Some(3), None),
    // Lossy and lossless in ASN.1.
    (FingerFormat::Jpeg2000, Some(4), Some(2)),
    (FingerFormat::Jpeg2000, None, Some(3)),
    (FingerFormat::Png, Some(5), Some(4)),
];

/// Which finger: the positions that both series number alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Position(pub u8);

impl Position {
    /// The subtype in the biometric header (ISO/IEC 7816-11): hand in the last two bits, finger in the three above.
    fn subtype(self) -> u8 {
        match self.0 {
            number @ 1..=5 => 0x01 | (number << 2),
            number @ 6..=10 => 0x02 | ((number - 5) << 2),
            _ => 0,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FINGERS: [&str; 5] = ["thumb", "index finger", "middle finger", "ring finger", "little finger"];
        let (hand, finger) = match self.0 {
            number @ 1..=5 => ("right", number - 1),
            number @ 6..=10 => ("left", number - 6),
            0 => return f.write_str("unknown finger"),
            number => return write!(f, "position {number}"),
        };
        write!(f, "{hand} {}", FINGERS.get(usize::from(finger)).copied().unwrap_or_default())
    }
}

/// One finger image.
#[derive(Clone, PartialEq, Eq)]
pub struct Finger {
    /// Which finger.
    pub position: Position,
    /// Impression type: 0 live-scan plain, 1 live-scan rolled; the rest as the series of the record numbers it.
    pub impression: u32,
    /// Quality, 0 to 100; `None` where the record gives none.
    pub quality: Option<u8>,
    /// Width and height in pixels; `None` where only the picture knows.
    pub size: Option<(u16, u16)>,
    /// The compression.
    pub format: FingerFormat,
    /// The encoded picture, byte for byte.
    pub image: Vec<u8>,
    /// The series of the record.
    pub encoding: Encoding,
}

/// Never shows the picture.
impl fmt::Debug for Finger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Finger({}, {:?}, {} bytes)", self.position, self.format, self.image.len())
    }
}

/// The content of DG3.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dg3 {
    /// The fingers; none where the holder's were not taken.
    pub fingers: Vec<Finger>,
    /// Random bytes beside the templates.
    pub random: Option<Vec<u8>>,
}

impl Dg3 {
    /// The whole file, one template for each finger, in records of ISO/IEC 19794-4 at 500 pixels per inch.
    ///
    /// # Errors
    /// When a finger is of ISO/IEC 39794-4, which is read only, or has no size.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ReadError> {
        let templates = self.fingers.iter().map(Finger::written).collect::<Result<Vec<_>, _>>()?;
        Ok(biometric::write(DG3, &templates, self.random.as_deref()))
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// When it does not hold finger image records of ISO/IEC 19794-4:2005 or ISO/IEC 39794-4.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        Self::parse_noting(bytes, &mut Vec::new())
    }

    /// The same, with a note for each deviation from the standard.
    ///
    /// # Errors
    /// When it does not hold finger image records of ISO/IEC 19794-4:2005 or ISO/IEC 39794-4.
    pub fn parse_noting(bytes: &[u8], defects: &mut Vec<Defect>) -> Result<Self, ReadError> {
        let templates = biometric::read(bytes, DG3, MAGIC, FINGER, defects)?;
        let mut fingers = Vec::new();
        for record in templates.records {
            match record {
                Record::Binary(record) => read_binary(record, &mut fingers, defects)?,
                Record::Asn1(record) => read_asn1(record, &mut fingers)?,
            }
        }
        Ok(Dg3 { fingers, random: templates.discretionary.map(<[u8]>::to_vec) })
    }
}

impl Finger {
    /// A plain live-scan impression.
    pub fn new(position: Position, format: FingerFormat, size: (u16, u16), image: impl Into<Vec<u8>>) -> Self {
        Finger {
            position,
            impression: 0,
            quality: None,
            size: Some(size),
            format,
            image: image.into(),
            encoding: Encoding::Iso19794,
        }
    }

    fn written(&self) -> Result<Written, ReadError> {
        let code = FORMATS.iter().find(|(format, code, _)| *format == self.format && code.is_some());
        let (Encoding::Iso19794, Some((_, Some(compression), _)), Ok(impression), Some((width, height))) =
            (self.encoding, code, u8::try_from(self.impression), self.size)
        else {
            return Err(ReadError::NotSupported { what: "writing a finger image of this kind" });
        };
        let block = IMAGE_HEADER + self.image.len();
        let mut record = [*MAGIC, *VERSION].concat();
        record.extend(((RECORD_HEADER + block) as u64).to_be_bytes().iter().skip(2));
        record.extend(0u16.to_be_bytes());
        record.extend(ACQUISITION_LEVEL.to_be_bytes());
        record.extend([1, PIXELS_PER_INCH]);
        record.extend([RESOLUTION; 4].iter().flat_map(|number| number.to_be_bytes()));
        record.extend([8, *compression, 0, 0]);
        record.extend((block as u32).to_be_bytes());
        record.extend([self.position.0, 1, 1, self.quality.unwrap_or(NO_QUALITY), impression]);
        record.extend(width.to_be_bytes());
        record.extend(height.to_be_bytes());
        record.push(0);
        record.extend_from_slice(&self.image);
        let subtype = self.position.subtype();
        Ok(Written { kind: FINGERPRINT, subtype, format: FORMAT_19794, encoding: Encoding::Iso19794, record })
    }
}

/// Quality in a record that gives none.
const NO_QUALITY: u8 = 0xFE;

fn read_binary(record: &[u8], fingers: &mut Vec<Finger>, defects: &mut Vec<Defect>) -> Result<(), ReadError> {
    let mut fields = Fields::new(record, WHAT);
    if fields.bytes(8)? != [*MAGIC, *VERSION].concat() {
        return Err(ReadError::NotSupported { what: "a finger image record of ISO/IEC 19794-4 other than of 2005" });
    }
    if fields.number(6)? != record.len() as u64 {
        defects.push(Defect::RecordLength);
    }
    fields.bytes(4)?;
    let count = fields.byte()?;
    fields.bytes(1 + 8 + 1)?;
    let compression = fields.byte()?;
    fields.bytes(2)?;
    let format = FORMATS.iter().find(|(_, code, _)| *code == Some(compression)).map(|(format, ..)| *format);
    let format = format.ok_or(ReadError::NotSupported { what: "the compression of a finger image" })?;
    for index in 0..count {
        if fingers.len() >= MOST_FINGERS {
            return Err(ReadError::TooMany { field: WHAT });
        }
        let length = fields.number(4)?;
        let block = fields.block(length, 4, index + 1 == count, defects)?;
        fingers.push(binary_finger(block, format)?);
    }
    Ok(())
}

/// One image, after its length.
fn binary_finger(block: &[u8], format: FingerFormat) -> Result<Finger, ReadError> {
    let mut fields = Fields::new(block, WHAT);
    let position = Position(fields.byte()?);
    fields.bytes(2)?;
    let (quality, impression) = (fields.byte()?, fields.byte()?);
    let size = Some((fields.short()?, fields.short()?));
    fields.bytes(1)?;
    Ok(Finger {
        position,
        impression: impression.into(),
        quality: Some(quality).filter(|quality| *quality <= 100),
        size,
        format,
        image: fields.rest().to_vec(),
        encoding: Encoding::Iso19794,
    })
}

fn read_asn1(record: &[u8], fingers: &mut Vec<Finger>) -> Result<(), ReadError> {
    for block in iso39794::representations(record)? {
        if fingers.len() >= MOST_FINGERS {
            return Err(ReadError::TooMany { field: WHAT });
        }
        let malformed = ReadError::Field { field: WHAT };
        let [position, impression, format] = [0, 1, 2].map(|number| code(block, constructed(number)));
        let position = u8::try_from(position?.ok_or(malformed.clone())?).map_err(|_| malformed)?;
        let code = format?.and_then(|code| FORMATS.iter().find(|(.., asn1)| *asn1 == Some(code)));
        let (format, ..) = code.ok_or(ReadError::NotSupported { what: "the compression of a finger image" })?;
        fingers.push(Finger {
            position: Position(position),
            impression: impression?.unwrap_or_default(),
            quality: None,
            size: None,
            format: *format,
            image: field(block, primitive(3))?.to_vec(),
            encoding: Encoding::Iso39794,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use iso7816::tlv::encode;
    use proptest::prelude::*;

    use super::*;

    fn example() -> Dg3 {
        let right = Finger::new(Position(2), FingerFormat::Wsq, (300, 400), [0xFF, 0xA0, 0x55]);
        let left = Finger { quality: Some(80), ..Finger::new(Position(7), FingerFormat::Jpeg2000, (1, 2), [0xAA]) };
        Dg3 { fingers: vec![right, left], random: None }
    }

    #[test]
    fn bytes_and_meaning() {
        let first = "7f6044a10e81010882010987020101880200075f2e31464952003031300000000000003100\
            00001e010101f401f401f401f408020000000000110201 01fe00012c019000ffa055";
        let second = "7f6042a10e81010882010a87020101880200075f2e2f464952003031300000000000002f00\
            00001e010101f401f401f401f4080400000000000f0701 01500000010002 00aa";
        let inner = format!("020102{first}{second}").replace(' ', "");
        let file = encode(DG3, encode(Tag(0x7F61), hex::decode(inner).unwrap()));
        assert_eq!(hex::encode(example().to_bytes().unwrap()), hex::encode(&file));
        let mut defects = Vec::new();
        assert_eq!(Dg3::parse_noting(&file, &mut defects).unwrap(), example());
        assert_eq!(defects, []);
        assert_eq!(example().fingers[1].position.to_string(), "left index finger");
    }

    #[test]
    fn a_file_without_fingers_has_random_bytes() {
        let dg3 = Dg3 { fingers: Vec::new(), random: Some(vec![1, 2, 3, 4]) };
        let bytes = dg3.to_bytes().unwrap();
        assert_eq!(hex::encode(&bytes), "630c7f6103020100530401020304");
        assert_eq!(Dg3::parse(&bytes).unwrap(), dg3);
    }

    #[test]
    fn junk_among_the_templates_is_noted_so_many_times_and_no_more() {
        let group = encode(Tag(0x7F61), [vec![2, 1, 0], [0xC1, 0].repeat(1_000)].concat());
        let mut defects = Vec::new();
        Dg3::parse_noting(&encode(DG3, group), &mut defects).unwrap();
        assert_eq!(defects, vec![Defect::UnknownObject { tag: Tag(0xC1) }; 64]);
    }

    #[test]
    fn records_in_asn1() {
        // Position in an extension; a field that is skipped.
        let block = "a005a103800102a103800100a203800101830355aa55a80101";
        let block = encode(Tag(0x30), hex::decode(block).unwrap());
        let record = [hex::decode("a007800103810207e3").unwrap(), encode(Tag(0xA1), block)].concat();
        let template = encode(Tag(0x7F2E), encode(Tag(0xA1), encode(FINGER, record)));
        let group = [&[0x02, 0x01, 0x01][..], &encode(Tag(0x7F60), template)].concat();
        let dg3 = Dg3::parse(&encode(DG3, encode(Tag(0x7F61), group))).unwrap();
        let finger = &dg3.fingers[0];
        assert_eq!((finger.position.0, finger.format, finger.encoding), (2, FingerFormat::Wsq, Encoding::Iso39794));
        assert_eq!(finger.image, [0x55, 0xAA, 0x55]);
        let what = "writing a finger image of this kind";
        assert_eq!(dg3.to_bytes(), Err(ReadError::NotSupported { what }));
    }

    #[test]
    fn subtypes_name_hand_and_finger() {
        let subtypes: Vec<u8> = (0..=11).map(|number| Position(number).subtype()).collect();
        assert_eq!(subtypes, [0, 0x05, 0x09, 0x0D, 0x11, 0x15, 0x06, 0x0A, 0x0E, 0x12, 0x16, 0]);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Dg3::parse(&bytes);
            let record = [&b"FIR\x00010\x00"[..], &bytes].concat();
            let _ = read_binary(&record, &mut Vec::new(), &mut Vec::new());
            let _ = read_asn1(&bytes, &mut Vec::new());
        }

        #[test]
        fn an_altered_byte_never_panics(at in 0usize..150, value: u8) {
            let mut bytes = example().to_bytes().unwrap();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            let _ = Dg3::parse(&bytes);
        }

        #[test]
        fn written_files_read_back(
            fingers in prop::collection::vec((1u8..=10, any::<(u16, u16)>(), prop::collection::vec(any::<u8>(), 0..200)), 0..4),
            random: Option<[u8; 8]>,
        ) {
            let finger = |(position, size, image)| Finger::new(Position(position), FingerFormat::Jpeg2000, size, image);
            let dg3 = Dg3 { fingers: fingers.into_iter().map(finger).collect(), random: random.map(Into::into) };
            prop_assert_eq!(Dg3::parse(&dg3.to_bytes().unwrap()).unwrap(), dg3);
        }
    }
}
