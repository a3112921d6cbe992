//! A decoded picture: RGB, eight bits a channel.

use png::{ColorType, Transformations};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::PortraitError;

/// Most pixels of a picture that is read.
const MAX_PIXELS: usize = 16_000_000;
/// How much the shape may differ from the profile's, in thousandths.
const SHAPE_TOLERANCE: usize = 20;

/// A picture of `width` x `height` pixels, three bytes each.
#[derive(Clone)]
pub struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} x {})", self.width, self.height)
    }
}

impl Picture {
    /// Takes rows of RGB pixels; `None` when their number is not `width * height` or is zero.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Option<Self> {
        let bytes = width.checked_mul(height)?.checked_mul(3)?;
        (bytes > 0 && bytes == rgb.len()).then_some(Picture { width, height, rgb })
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    pub(super) fn size_u16(&self) -> Result<(u16, u16), PortraitError> {
        let too_many = || PortraitError::TooManyPixels { width: self.width, height: self.height, limit: MAX_PIXELS };
        let side = |side: usize| u16::try_from(side).map_err(|_| too_many());
        Ok((side(self.width)?, side(self.height)?))
    }

    /// The rows, three bytes a pixel.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Decodes PNG or JPEG, known by the first bytes.
    ///
    /// # Errors
    /// When the file is neither, is damaged, or has too many pixels.
    pub fn decode(file: &[u8]) -> Result<Self, PortraitError> {
        match file {
            [0x89, b'P', b'N', b'G', ..] => decode_png(file),
            [0xFF, 0xD8, 0xFF, ..] => decode_jpeg(file),
            _ => Err(PortraitError::UnknownFormat),
        }
    }

    /// The picture in another size: the average of the pixels that each new pixel covers.
    ///
    /// # Errors
    /// When the picture is smaller, or its shape differs by more than 2 %.
    pub fn scaled(&self, width: u16, height: u16) -> Result<Self, PortraitError> {
        let (new_width, new_height) = (usize::from(width), usize::from(height));
        if self.size() == (new_width, new_height) {
            return Ok(self.clone());
        }
        let (old_width, old_height) = self.size();
        if old_width < new_width || old_height < new_height {
            return Err(PortraitError::TooSmall {
                width: old_width,
                height: old_height,
                needed_width: width,
                needed_height: height,
            });
        }
        let (a, b) = (old_width * new_height, old_height * new_width);
        if a.abs_diff(b) * 1000 > a.max(b) * SHAPE_TOLERANCE {
            return Err(PortraitError::WrongShape {
                width: old_width,
                height: old_height,
                needed_width: width,
                needed_height: height,
            });
        }
        let mut rgb = Vec::with_capacity(new_width * new_height * 3);
        for y in 0..new_height {
            let rows = span(y, new_height, old_height);
            for x in 0..new_width {
                rgb.extend(self.average(span(x, new_width, old_width), rows.clone()));
            }
        }
        Ok(Picture { width: new_width, height: new_height, rgb })
    }

    fn average(&self, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>) -> [u8; 3] {
        let count = (columns.len() * rows.len()).max(1) as u32;
        let mut sums = [0u32; 3];
        for y in rows {
            let row = (y * self.width + columns.start) * 3..(y * self.width + columns.end) * 3;
            for pixel in self.rgb.get(row).unwrap_or_default().chunks_exact(3) {
                sums.iter_mut().zip(pixel).for_each(|(sum, channel)| *sum += u32::from(*channel));
            }
        }
        sums.map(|sum| ((sum + count / 2) / count) as u8)
    }

    /// The picture as binary PPM, which every encoder reads.
    pub fn to_ppm(&self) -> Vec<u8> {
        let mut file = format!("P6\n{} {}\n255\n", self.width, self.height).into_bytes();
        file.extend(&self.rgb);
        file
    }

    #[cfg(test)]
    pub(super) fn to_png(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(&self.rgb).unwrap();
        file
    }
}

/// The old pixels that new pixel `index` of `new` covers; never empty.
fn span(index: usize, new: usize, old: usize) -> std::ops::Range<usize> {
    let start = index * old / new;
    start..((index + 1) * old).div_ceil(new).max(start + 1).min(old)
}

fn damaged(error: impl std::fmt::Display) -> PortraitError {
    // Decoders quote from the file; a message needs no more than this.
    PortraitError::Damaged { detail: error.to_string().chars().take(120).collect() }
}

fn limited(width: usize, height: usize) -> Result<(), PortraitError> {
    match width.checked_mul(height) {
        Some(pixels) if (1..=MAX_PIXELS).contains(&pixels) => Ok(()),
        _ => Err(PortraitError::TooManyPixels { width, height, limit: MAX_PIXELS }),
    }
}

fn decode_png(file: &[u8]) -> Result<Picture, PortraitError> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    limited(width, height)?;
    let size = reader.output_buffer_size().ok_or(PortraitError::UnknownFormat)?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
    pixels.truncate(frame.buffer_size());
    let rgb = match frame.color_type {
        ColorType::Rgb => pixels,
        ColorType::Rgba => pixels.chunks_exact(4).flat_map(|p| p.iter().take(3).copied()).collect(),
        ColorType::Grayscale => pixels.iter().flat_map(|grey| [*grey; 3]).collect(),
        ColorType::GrayscaleAlpha => {
            pixels.chunks_exact(2).flat_map(|p| p.iter().take(1).cycle().take(3).copied()).collect()
        }
        ColorType::Indexed => return Err(PortraitError::UnknownFormat),
    };
    Picture::new(width, height, rgb).ok_or(PortraitError::UnknownFormat)
}

fn decode_jpeg(file: &[u8]) -> Result<Picture, PortraitError> {
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(MAX_PIXELS)
        .set_max_height(MAX_PIXELS)
        .set_strict_mode(false);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) = decoder.dimensions().ok_or(PortraitError::UnknownFormat)?;
    limited(width, height)?;
    let rgb = decoder.decode().map_err(damaged)?;
    Picture::new(width, height, rgb).ok_or(PortraitError::UnknownFormat)
}
