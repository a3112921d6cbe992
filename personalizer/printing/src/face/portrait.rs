//! A portrait file, checked before anything draws it.

use std::io::Cursor;
use std::sync::Arc;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The largest portrait file, in bytes.
pub const PORTRAIT_MAX_BYTES: usize = 2 * 1024 * 1024;
/// The most pixels a portrait may have.
pub const PORTRAIT_MAX_PIXELS: usize = 4_000_000;

/// A JPEG or PNG portrait that was decoded once and found whole.
#[derive(Clone)]
pub struct Portrait {
    pub(super) file: Arc<Vec<u8>>,
    pub(super) format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    Png,
}

/// Why a file cannot be a portrait.
#[derive(Debug, thiserror::Error)]
pub enum PortraitError {
    /// The file is over the limit.
    #[error("the portrait has {bytes} bytes; at most {PORTRAIT_MAX_BYTES} are accepted")]
    TooLarge {
        /// The file's size.
        bytes: usize,
    },
    /// The picture is over the limit.
    #[error("the portrait has {pixels} pixels; at most {PORTRAIT_MAX_PIXELS} are accepted")]
    TooManyPixels {
        /// Width times height.
        pixels: usize,
    },
    /// Neither JPEG nor PNG.
    #[error("the portrait is neither JPEG nor PNG")]
    UnknownFormat,
    /// The file is damaged.
    #[error("the portrait is damaged: {detail}")]
    Damaged {
        /// What the decoder said.
        detail: String,
    },
}

impl Portrait {
    /// Takes a JPEG or PNG file.
    ///
    /// # Errors
    /// [`PortraitError`] for a file that is too large, of another format or damaged.
    pub fn new(file: Vec<u8>) -> Result<Self, PortraitError> {
        if file.len() > PORTRAIT_MAX_BYTES {
            return Err(PortraitError::TooLarge { bytes: file.len() });
        }
        let format = match file.get(..3) {
            Some([0xFF, 0xD8, 0xFF]) => Format::Jpeg,
            Some([0x89, b'P', b'N']) => Format::Png,
            _ => return Err(PortraitError::UnknownFormat),
        };
        match format {
            Format::Jpeg => check_jpeg(&file)?,
            Format::Png => check_png(&file)?,
        }
        Ok(Portrait { file: Arc::new(file), format })
    }
}

fn check_jpeg(file: &[u8]) -> Result<(), PortraitError> {
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(20_000).set_max_height(20_000);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| damaged("no dimensions"))?;
    limit(width, height)?;
    decoder.decode().map(drop).map_err(damaged)
}

fn check_png(file: &[u8]) -> Result<(), PortraitError> {
    let limits = png::Limits { bytes: PORTRAIT_MAX_PIXELS * 8 };
    let mut reader = png::Decoder::new_with_limits(Cursor::new(file), limits).read_info().map_err(damaged)?;
    limit(reader.info().width as usize, reader.info().height as usize)?;
    let size = reader.output_buffer_size().ok_or_else(|| damaged("too large"))?;
    reader.next_frame(&mut vec![0; size]).map_err(damaged)?;
    Ok(())
}

fn limit(width: usize, height: usize) -> Result<(), PortraitError> {
    let pixels = width.saturating_mul(height);
    if pixels > PORTRAIT_MAX_PIXELS { Err(PortraitError::TooManyPixels { pixels }) } else { Ok(()) }
}

fn damaged(detail: impl ToString) -> PortraitError {
    PortraitError::Damaged { detail: detail.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn png_file(width: u32, height: u32) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&vec![7; (width * height) as usize]).unwrap();
        writer.finish().unwrap();
        file
    }

    #[test]
    fn limits_are_checked_before_decoding() {
        assert!(Portrait::new(png_file(30, 40)).is_ok());
        assert!(matches!(Portrait::new(vec![0xFF; PORTRAIT_MAX_BYTES + 1]), Err(PortraitError::TooLarge { .. })));
        assert!(matches!(Portrait::new(png_file(4000, 1001)), Err(PortraitError::TooManyPixels { pixels: 4_004_000 })));
        assert!(matches!(Portrait::new(b"<svg/>".to_vec()), Err(PortraitError::UnknownFormat)));
    }

    #[test]
    fn a_truncated_file_is_damaged() {
        let file = png_file(30, 40);
        assert!(matches!(Portrait::new(file[..file.len() / 2].to_vec()), Err(PortraitError::Damaged { .. })));
        assert!(matches!(Portrait::new(vec![0xFF, 0xD8, 0xFF, 0xE0]), Err(PortraitError::Damaged { .. })));
    }

    proptest! {
        #[test]
        fn hostile_files_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..300), jpeg: bool) {
            let mut file = if jpeg { vec![0xFF, 0xD8, 0xFF] } else { png_file(4, 4)[..33].to_vec() };
            file.extend(tail);
            let _ = Portrait::new(file);
        }
    }
}
