//! The picture of one card face as printers take it: opaque RGB at 300 dots per inch.
//!
//! ID-1 (7810) is 85.60 x 53.98 mm, which is 1011 x 637.6 dots; faces carry a bleed and measure
//! [`WIDTH`] x [`HEIGHT`] dots, so the card's edge lies [`EDGE_X`] and [`EDGE_Y`] dots inside.

/// Columns of a landscape face, bleed included.
pub const WIDTH: u32 = 1016;
/// Rows of a landscape face, bleed included.
pub const HEIGHT: u32 = 648;
/// Dots per millimetre at 300 dpi.
pub const DOTS_PER_MM: f32 = 300.0 / 25.4;
/// Bleed left and right of the card's edge, in dots.
pub const EDGE_X: f32 = (WIDTH as f32 - 85.60 * DOTS_PER_MM) / 2.0;
/// Bleed above and below the card's edge, in dots.
pub const EDGE_Y: f32 = (HEIGHT as f32 - 53.98 * DOTS_PER_MM) / 2.0;

/// One pixel: red, green, blue.
pub type Rgb = [u8; 3];

/// A landscape card face of [`WIDTH`] x [`HEIGHT`] opaque pixels.
#[derive(Clone, PartialEq, Eq)]
pub struct Raster {
    pixels: Vec<Rgb>,
}

/// Why bytes are not a card face.
#[derive(Debug, thiserror::Error)]
pub enum RasterError {
    /// The number of pixels is not that of a face.
    #[error("a card face has {expected} pixels, not {found}")]
    Size {
        /// What a face has.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// The PNG encoder refused.
    #[error("the picture could not be written as PNG: {0}")]
    Encode(#[from] png::EncodingError),
}

impl Raster {
    /// A white face.
    pub fn white() -> Self {
        Raster { pixels: vec![[255; 3]; (WIDTH * HEIGHT) as usize] }
    }

    /// A face from its pixels, row by row from the top left.
    ///
    /// # Errors
    /// [`RasterError::Size`] unless there are exactly [`WIDTH`] x [`HEIGHT`].
    pub fn from_pixels(pixels: Vec<Rgb>) -> Result<Self, RasterError> {
        let expected = (WIDTH * HEIGHT) as usize;
        if pixels.len() == expected {
            Ok(Raster { pixels })
        } else {
            Err(RasterError::Size { expected, found: pixels.len() })
        }
    }

    /// The pixel in column `x`, row `y`; white outside the face.
    pub fn pixel(&self, x: u32, y: u32) -> Rgb {
        if x >= WIDTH || y >= HEIGHT {
            return [255; 3];
        }
        self.pixels.get((y * WIDTH + x) as usize).copied().unwrap_or([255; 3])
    }

    /// Sets the pixel in column `x`, row `y`; nothing happens outside the face.
    pub fn set(&mut self, x: u32, y: u32, colour: Rgb) {
        if x < WIDTH
            && y < HEIGHT
            && let Some(pixel) = self.pixels.get_mut((y * WIDTH + x) as usize)
        {
            *pixel = colour;
        }
    }

    /// All pixels, row by row from the top left.
    pub fn pixels(&self) -> &[Rgb] {
        &self.pixels
    }

    /// The face as a PNG file marked 300 dpi.
    ///
    /// # Errors
    /// [`RasterError::Encode`] when the encoder fails.
    pub fn to_png(&self) -> Result<Vec<u8>, RasterError> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, WIDTH, HEIGHT);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        // 300 dots per inch are 11,811 dots per metre.
        encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: 11_811, yppu: 11_811, unit: png::Unit::Meter }));
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        writer.finish()?;
        Ok(file)
    }
}

impl std::fmt::Debug for Raster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raster({WIDTH}x{HEIGHT})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_reads_back_as_the_same_pixels() {
        let mut raster = Raster::white();
        raster.set(3, 5, [1, 2, 3]);
        raster.set(WIDTH, 0, [9, 9, 9]);
        let file = raster.to_png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut bytes).unwrap();
        assert_eq!(reader.info().pixel_dims.unwrap().xppu, 11_811);
        assert_eq!(bytes.as_chunks::<3>().0, raster.pixels());
        assert_eq!(raster.pixel(3, 5), [1, 2, 3]);
        assert_eq!(raster.pixel(0, 1), [255; 3]);
    }

    #[test]
    fn a_face_has_one_size() {
        assert!(matches!(Raster::from_pixels(vec![[0; 3]; 4]), Err(RasterError::Size { found: 4, .. })));
    }
}
