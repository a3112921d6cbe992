//! Format and size of an encoded picture, from its first headers, without decoding it (JPEG: T.81 §B.2; JPEG 2000:
//! T.800 §A.5.1, §I.5.3).
//!
//! Pictures from cards are hostile: whoever decodes one asks here first and refuses what is too large.

/// How a portrait is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ImageFormat {
    /// JPEG.
    Jpeg,
    /// JPEG 2000, as a JP2 file or as a bare codestream.
    Jpeg2000,
}

/// What a picture says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Picture {
    /// The compression.
    pub format: ImageFormat,
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// Colour components: 1 for grey, 3 for colour.
    pub components: u16,
}

/// Why bytes are not a picture this crate knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Neither JPEG nor JPEG 2000.
    #[error("the picture is neither JPEG nor JPEG 2000")]
    UnknownFormat,
    /// The header that gives the size is missing or cut off.
    #[error("the picture has no size in its header")]
    NoSize,
    /// A side is zero, or longer than the record of a face can say.
    #[error("a picture of {width}x{height} pixels cannot be stored")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
}

/// Looks at the headers of a picture.
///
/// # Errors
/// When it is of no known format, or its header gives no size.
pub fn inspect(bytes: &[u8]) -> Result<Picture, PictureError> {
    const JP2_SIGNATURE: &[u8] = b"\x00\x00\x00\x0CjP  \r\n\x87\n";
    let picture = if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        jpeg(bytes)
    } else if bytes.starts_with(JP2_SIGNATURE) {
        jp2(bytes)
    } else if bytes.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) {
        codestream(bytes)
    } else {
        return Err(PictureError::UnknownFormat);
    };
    let picture = picture.ok_or(PictureError::NoSize)?;
    match (picture.width, picture.height) {
        (width, height) if width == 0 || height == 0 => Err(PictureError::Size { width, height }),
        _ => Ok(picture),
    }
}

/// Walks the marker segments up to the start of frame.
fn jpeg(bytes: &[u8]) -> Option<Picture> {
    let mut rest = bytes.get(2..)?;
    loop {
        let [0xFF, marker, after @ ..] = rest else { return None };
        match marker {
            0xFF => rest = rest.get(1..)?,
            // C4, C8 and CC are in the range of frames but are none.
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                let [_, _, _, h1, h0, w1, w0, components, ..] = after else { return None };
                return Some(Picture {
                    format: ImageFormat::Jpeg,
                    width: u32::from(u16::from_be_bytes([*w1, *w0])),
                    height: u32::from(u16::from_be_bytes([*h1, *h0])),
                    components: u16::from(*components),
                });
            }
            // Start of scan or end of image before any frame.
            0xD9 | 0xDA => return None,
            0x01 | 0xD0..=0xD8 => rest = after,
            _ => rest = after.get(usize::from(u16_at(after, 0)?).max(2)..)?,
        }
    }
}

/// The image header box inside the JP2 header box.
fn jp2(bytes: &[u8]) -> Option<Picture> {
    let header = boxes(bytes).find(|(kind, _)| *kind == b"jp2h").map(|(_, content)| content)?;
    let image = boxes(header).find(|(kind, _)| *kind == b"ihdr").map(|(_, content)| content)?;
    Some(Picture {
        format: ImageFormat::Jpeg2000,
        height: u32_at(image, 0)?,
        width: u32_at(image, 4)?,
        components: u16_at(image, 8)?,
    })
}

/// The image and tile size segment, which comes first.
fn codestream(bytes: &[u8]) -> Option<Picture> {
    let size = bytes.get(4..)?;
    Some(Picture {
        format: ImageFormat::Jpeg2000,
        width: u32_at(size, 4)?.checked_sub(u32_at(size, 12)?)?,
        height: u32_at(size, 8)?.checked_sub(u32_at(size, 16)?)?,
        components: u16_at(size, 36)?,
    })
}

/// The boxes of a JP2 file one after another: type and content. Ends at the first that is malformed.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(rest, 0)?).ok()?;
        let kind: &[u8; 4] = rest.get(4..8)?.try_into().ok()?;
        let (start, end) = match length {
            0 => (8, rest.len()),
            1 => (16, usize::try_from(u64::from_be_bytes(rest.get(8..16)?.try_into().ok()?)).ok()?),
            _ => (8, length),
        };
        let content = rest.get(start..end)?;
        rest = rest.get(end..)?;
        Some((kind, content))
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The headers of a JPEG with these sides.
    pub(in crate::dg) fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
        let mut bytes = hex::decode("ffd8ffe000104a46494600010100000100010000ffc00011 08".replace(' ', "")).unwrap();
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.extend(hex::decode("03011100021101031101ffd9").unwrap());
        bytes
    }

    /// The headers of a JP2 with these sides.
    pub(in crate::dg) fn jp2_of(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = hex::decode("0000000c6a5020200d0a870a000000146674797069703220000000006a703220").unwrap();
        bytes.extend(hex::decode("0000001e6a703268000000166968647200").unwrap());
        bytes.pop();
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.extend(hex::decode("000307070000").unwrap());
        bytes
    }

    #[test]
    fn sizes_are_read_from_headers() {
        let jpeg = inspect(&jpeg_of(413, 531)).unwrap();
        assert_eq!((jpeg.format, jpeg.width, jpeg.height, jpeg.components), (ImageFormat::Jpeg, 413, 531, 3));
        let jp2 = inspect(&jp2_of(413, 531)).unwrap();
        assert_eq!((jp2.format, jp2.width, jp2.height, jp2.components), (ImageFormat::Jpeg2000, 413, 531, 3));
        let raw = "ff4fff51002f00000000019d000002130000000000000000000000000000000000000000000000000003";
        let raw = inspect(&hex::decode(raw).unwrap()).unwrap();
        assert_eq!((raw.format, raw.width, raw.height, raw.components), (ImageFormat::Jpeg2000, 413, 531, 3));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        assert_eq!(inspect(b"\x89PNG\r\n\x1a\n"), Err(PictureError::UnknownFormat));
        assert_eq!(inspect(&[]), Err(PictureError::UnknownFormat));
        assert_eq!(inspect(&[0xFF, 0xD8, 0xFF, 0xDA, 0, 2]), Err(PictureError::NoSize));
        assert_eq!(inspect(&jpeg_of(0, 531)), Err(PictureError::Size { width: 0, height: 531 }));
        for length in 0..jpeg_of(1, 1).len() - 13 {
            assert!(inspect(&jpeg_of(1, 1)[..length]).is_err());
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for head in [&[0xFF, 0xD8, 0xFF][..], b"\x00\x00\x00\x0CjP  \r\n\x87\n", &[0xFF, 0x4F, 0xFF, 0x51], &[]] {
                let _ = inspect(&[head, &bytes].concat());
            }
        }
    }
}
