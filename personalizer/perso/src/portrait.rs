//! The portrait: from the picture in the order to the coded face in DG2; and the fingers, which come coded, for DG3.
//!
//! Pictures come from outside and are hostile until decoded: files and pixels are limited before anything is
//! allocated. A picture is cut down to the profile's size (area averages), never blown up, and coded as JPEG at the
//! highest quality that fits, or as JPEG 2000.
//!
//! JPEG 2000 is not decoded here. A JP2 file in the order goes to the chip unchanged; otherwise the picture is coded
//! by `opj_compress` of Debian's `libopenjp2-tools`, in a process of its own and a private folder.

mod jpeg2000;
mod picture;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use iso7816::tlv::{self, Tag};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use lds::dg::ReadError;
use lds::dg::dg03::Dg3;
use lds::files::data_group;
use openssl::sha::sha256;

use crate::order::{Fault, Image, MAX_PORTRAIT, Order};
use crate::profile::{Portrait, PortraitFormat};

pub use picture::Picture;

/// The face as it is stored in DG2, and the picture file for the printed face.
#[derive(Clone)]
pub struct Face {
    /// Coded image, JPEG or JPEG 2000 as the profile says.
    pub coded: Vec<u8>,
    /// Coding of [`Face::coded`].
    pub format: PortraitFormat,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// The picture as it came in the order (PNG or JPEG), to be printed.
    pub printed: Vec<u8>,
    /// SHA-256 over the SHA-256 of each file that was read: the portrait, then the chip portrait if it is used, then the fingers.
    pub sources: [u8; 32],
    /// The holder's fingers beside the face: EF.DG3 as the order has it.
    pub fingers: Option<Vec<u8>>,
}

impl std::fmt::Debug for Face {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Face({} bytes, {} x {})", self.coded.len(), self.width, self.height)
    }
}

/// Why a portrait cannot be put on the card.
#[derive(Debug, thiserror::Error)]
pub enum PortraitError {
    /// The file cannot be read.
    #[error("the file {} cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// More bytes than a portrait may have.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The order's base64 cannot be used.
    #[error("the file in the order: {0}")]
    Embedded(Fault),
    /// Neither PNG nor JPEG.
    #[error("the picture is neither PNG nor JPEG")]
    UnknownFormat,
    /// Not a JP2 file or JPEG 2000 code stream of the profile's size.
    #[error("the chip portrait is not a JPEG 2000 picture of {width} x {height} pixels")]
    NotJpeg2000 {
        /// Pixels across.
        width: u16,
        /// Pixels down.
        height: u16,
    },
    /// The decoder refused it.
    #[error("the picture is damaged: {detail}")]
    Damaged {
        /// What the decoder said.
        detail: String,
    },
    /// Too many pixels.
    #[error("the picture has {width} x {height} pixels; at most {limit} in all are read")]
    TooManyPixels {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
        /// The limit.
        limit: usize,
    },
    /// Fewer pixels than the profile needs.
    #[error("the picture has {width} x {height} pixels; at least {needed_width} x {needed_height} are needed")]
    TooSmall {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
        /// Needed across.
        needed_width: u16,
        /// Needed down.
        needed_height: u16,
    },
    /// Another shape than the profile's.
    #[error("the picture has {width} x {height} pixels; its shape must be that of {needed_width} x {needed_height}")]
    WrongShape {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
        /// Needed across.
        needed_width: u16,
        /// Needed down.
        needed_height: u16,
    },
    /// No quality gives a file that small.
    #[error("the picture does not fit in {limit} bytes at any acceptable quality")]
    DoesNotFit {
        /// The limit.
        limit: usize,
    },
    /// Not an EF.DG3 with fingers in it.
    #[error("the fingers are no EF.DG3: one data object 63 with a group of one to ten biometric templates (7F61)")]
    NotFingers,
    /// An EF.DG3 whose records no inspection could compare with anybody.
    #[error("the fingers cannot be read: {0}")]
    FingerRecords(#[source] ReadError),
    /// The file with the fingers.
    #[error("{0}")]
    Fingers(#[source] Box<PortraitError>),
    /// The picture that goes to the chip as it is.
    #[error("{0}")]
    ChipPortrait(#[source] Box<PortraitError>),
    /// An EF.DG3 that no card has room for.
    #[error("the fingers take more than {limit} bytes")]
    TooManyFingers {
        /// The limit.
        limit: usize,
    },
    /// The encoder failed.
    #[error("the picture could not be encoded: {detail}")]
    Encoder {
        /// What the encoder said.
        detail: String,
    },
    /// The JPEG 2000 encoder is not installed.
    #[error("opj_compress is not installed; install the Debian package libopenjp2-tools, or give `chip_portrait`")]
    NoJpeg2000Encoder,
}

impl PortraitError {
    /// The field of the order that is meant.
    pub fn field(&self) -> &'static str {
        match self {
            PortraitError::Fingers(_) => "fingers",
            PortraitError::ChipPortrait(_) => "chip_portrait",
            _ => "portrait",
        }
    }
}

/// Reads and codes the portrait of an order; paths are relative to `folder`, the folder of the order file.
///
/// # Errors
/// When a picture cannot be read, is not what the profile asks for, or does not fit.
pub fn prepare(order: &Order, folder: &Path, profile: &Portrait) -> Result<Face, PortraitError> {
    let printed = read(&order.portrait, folder)?;
    let picture = Picture::decode(&printed)?;
    let mut sources = sha256(&printed).to_vec();
    let coded = match (&order.chip_portrait, profile.format) {
        (Some(image), PortraitFormat::Jpeg2000) => {
            let of_the_chip = |error| PortraitError::ChipPortrait(Box::new(error));
            let file = read(image, folder).map_err(of_the_chip)?;
            sources.extend(sha256(&file));
            jpeg2000::check(&file, profile).map_err(of_the_chip)?;
            file
        }
        (_, PortraitFormat::Jpeg2000) => {
            jpeg2000::encode(&picture.scaled(profile.width, profile.height)?, profile.max_bytes)?
        }
        (_, PortraitFormat::Jpeg) => encode_jpeg(&picture.scaled(profile.width, profile.height)?, profile.max_bytes)?,
    };
    if coded.len() > profile.max_bytes {
        return Err(PortraitError::DoesNotFit { limit: profile.max_bytes });
    }
    let fingers = order.fingers.as_ref().map(|image| fingers(image, folder)).transpose();
    let fingers = fingers.map_err(|error| PortraitError::Fingers(Box::new(error)))?;
    sources.extend(fingers.iter().flat_map(|file| sha256(file)));
    let sources = sha256(&sources);
    let Portrait { format, width, height, .. } = *profile;
    Ok(Face { coded, format, width, height, printed, sources, fingers })
}

/// EF.DG3 as the order has it: `63 { 7F61 { 02 number of fingers, ... } }`, with one finger at least, in records that an inspection
/// reads. The pictures in them are the enrolment station's.
fn fingers(image: &Image, folder: &Path) -> Result<Vec<u8>, PortraitError> {
    let file = read(image, folder)?;
    let group = data_group(3).and_then(|group| tlv::sole(&file, group.tag?).ok());
    let templates = group.and_then(|group| tlv::sole(group, BIOMETRIC_TEMPLATES).ok());
    let count = templates.and_then(|templates| tlv::find(templates, NUMBER_OF_TEMPLATES).ok().flatten());
    if !matches!(count, Some(&[1..=10])) {
        return Err(PortraitError::NotFingers);
    }
    if file.len() > MAX_FINGERS {
        return Err(PortraitError::TooManyFingers { limit: MAX_FINGERS });
    }
    let records = Dg3::parse(&file).map_err(PortraitError::FingerRecords)?;
    if records.fingers.is_empty() { Err(PortraitError::NotFingers) } else { Ok(file) }
}

/// The file's bytes, at most [`MAX_PORTRAIT`].
fn read(image: &Image, folder: &Path) -> Result<Vec<u8>, PortraitError> {
    if let Some(bytes) = image.embedded() {
        return bytes.map_err(PortraitError::Embedded);
    }
    let path = folder.join(image.path.as_deref().unwrap_or(Path::new("")));
    let unreadable = |source| PortraitError::Unreadable { path: path.clone(), source };
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(unreadable)?;
    file.take(MAX_PORTRAIT as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_PORTRAIT {
        return Err(PortraitError::TooLarge { limit: MAX_PORTRAIT });
    }
    Ok(bytes)
}

/// The largest EF.DG3: one data grouping takes 64 KiB, and a card has other files too.
const MAX_FINGERS: usize = 48 * 1024;
/// Biometric information group template (9303-10 §4.7.3).
const BIOMETRIC_TEMPLATES: Tag = Tag(0x7F61);
const NUMBER_OF_TEMPLATES: Tag = Tag(0x02);

/// The lowest JPEG quality that still shows a face.
const LOWEST_QUALITY: u8 = 30;
const HIGHEST_QUALITY: u8 = 95;

/// Codes at the highest quality that fits in `limit` bytes.
fn encode_jpeg(picture: &Picture, limit: usize) -> Result<Vec<u8>, PortraitError> {
    let (mut low, mut high) = (LOWEST_QUALITY, HIGHEST_QUALITY);
    let mut best = None;
    while low <= high {
        let quality = low + (high - low) / 2;
        let coded = jpeg(picture, quality)?;
        if coded.len() <= limit {
            best = Some(coded);
            low = quality + 1;
        } else {
            high = quality - 1;
        }
    }
    best.ok_or(PortraitError::DoesNotFit { limit })
}

fn jpeg(picture: &Picture, quality: u8) -> Result<Vec<u8>, PortraitError> {
    let mut coded = Vec::new();
    let mut encoder = Encoder::new(&mut coded, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_optimized_huffman_tables(true);
    let failed = |error: jpeg_encoder::EncodingError| PortraitError::Encoder { detail: error.to_string() };
    let (width, height) = picture.size_u16()?;
    encoder.encode(picture.rgb(), width, height, ColorType::Rgb).map_err(failed)?;
    Ok(coded)
}

#[cfg(test)]
mod tests {
    use lds::dg::dg03::{Finger, FingerFormat, Position};
    use proptest::prelude::*;

    use super::*;

    /// A picture with some detail: rings over a gradient.
    pub(super) fn rings(width: usize, height: usize) -> Picture {
        let pixel = |x: usize, y: usize| {
            let ring = (((x * x + y * y) / 900) % 2) as u8 * 60;
            [(x * 255 / width) as u8, (y * 255 / height) as u8, 80 + ring]
        };
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
        Picture::new(width, height, rgb).unwrap()
    }

    fn profile(format: PortraitFormat, max_bytes: usize) -> Portrait {
        Portrait { format, width: 413, height: 531, max_bytes, record: Default::default() }
    }

    #[test]
    fn a_jpeg_fits_its_size_and_decodes_to_the_profile_dimensions() {
        for limit in [8_000, 18_000] {
            let coded = encode_jpeg(&rings(413, 531), limit).unwrap();
            assert!(coded.len() <= limit && coded.len() > limit / 2, "{} of {limit}", coded.len());
            let back = Picture::decode(&coded).unwrap();
            assert_eq!(back.size(), (413, 531));
        }
        assert!(matches!(encode_jpeg(&rings(413, 531), 2_000), Err(PortraitError::DoesNotFit { limit: 2_000 })));
    }

    #[test]
    fn a_larger_png_is_scaled_and_a_smaller_or_wider_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let order = |name: &str| {
            let line = serde_json::json!({
                "version": "1", "job_id": "1", "job": "FIRST_ISSUE", "document_number": "ZZ0000017",
                "national_number": "019990000001",
                "holder": { "given_names": "زينب", "father": "علي", "sex": "F", "birth_date": "1999",
                            "birth_place": { "town": "a", "governorate": "b" } },
                "issue": { "authority": "a", "date": "2026-11-22" },
                "portrait": { "path": name }
            });
            crate::order::parse(&serde_json::to_vec(&line).unwrap()).unwrap().remove(0)
        };
        let write = |name: &str, picture: &Picture| std::fs::write(folder.path().join(name), picture.to_png()).unwrap();
        write("large.png", &rings(826, 1062));
        write("small.png", &rings(206, 265));
        write("wide.png", &rings(826, 826));
        let profile = profile(PortraitFormat::Jpeg, 18_000);
        let face = prepare(&order("large.png"), folder.path(), &profile).unwrap();
        assert_eq!((face.width, face.height), (413, 531));
        let refused = |name| prepare(&order(name), folder.path(), &profile).unwrap_err();
        assert!(matches!(refused("small.png"), PortraitError::TooSmall { .. }));
        assert!(matches!(refused("wide.png"), PortraitError::WrongShape { .. }));
        assert!(matches!(refused("absent.png"), PortraitError::Unreadable { .. }));
    }

    #[test]
    fn fingers_are_one_data_group_three_with_fingers_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let prepared = |bytes: &[u8]| {
            std::fs::write(folder.path().join("fingers.bin"), bytes).unwrap();
            fingers(&Image { path: Some("fingers.bin".into()), data: None }, folder.path())
        };
        let group = |tag: u32, count: u8, size: usize| {
            let templates =
                [tlv::encode(NUMBER_OF_TEMPLATES, [count]), tlv::encode(Tag(0x7F60), vec![7; size])].concat();
            tlv::encode(Tag(tag), tlv::encode(BIOMETRIC_TEMPLATES, templates))
        };
        let finger = |bytes| Finger::new(Position(2), FingerFormat::Raw, (300, 400), vec![0x5A; bytes]);
        let drawn = Dg3 { fingers: vec![finger(9000), finger(9000)], random: None }.to_bytes().unwrap();
        assert_eq!(prepared(&drawn).unwrap(), drawn);
        let sample = include_bytes!("../../../test-vectors/fingers/EF_DG3.bin");
        assert_eq!(prepared(sample).unwrap(), sample);
        // Whatever is in the templates, nobody could compare it with a finger.
        assert!(matches!(prepared(&group(0x63, 2, 9000)), Err(PortraitError::FingerRecords(_))));
        for bad in [
            group(0x76, 2, 9),
            group(0x63, 0, 9),
            group(0x63, 11, 9),
            vec![0x63, 0x00],
            vec![],
            [group(0x63, 2, 9), vec![0]].concat(),
        ] {
            assert!(matches!(prepared(&bad), Err(PortraitError::NotFingers)), "{}", hex::encode(bad));
        }
        assert!(matches!(prepared(&group(0x63, 2, 50_000)), Err(PortraitError::TooManyFingers { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn hostile_files_are_errors(
            head in prop::sample::select(vec![&b"\x89PNG\r\n\x1a\n"[..], &b"\xFF\xD8\xFF\xE0"[..], &b""[..]]),
            tail in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            prop_assert!(Picture::decode(&[head, &tail].concat()).is_err());
        }

        #[test]
        fn a_damaged_file_is_an_error_or_another_picture(at in 0usize..2000, with in any::<u8>()) {
            let mut file = jpeg(&rings(64, 64), 60).unwrap();
            let at = at % file.len();
            file[at] = with;
            let _ = Picture::decode(&file);
            let mut file = rings(64, 64).to_png();
            let at = at % file.len();
            file[at] = with;
            let _ = Picture::decode(&file);
        }
    }
}
