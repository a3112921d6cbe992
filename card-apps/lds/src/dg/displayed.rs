//! What DG5 and DG7 have in common: pictures to be shown to an inspector (9303-10 §4.7.5, §4.7.7).
//!
//! ```text
//! 02 number of pictures   5F40 or 5F43 picture (JPEG or JPEG 2000) ..
//! ```

use std::fmt;

use iso7816::tlv::{Reader, Tag, TlvError, Writer};

use super::picture::{Picture, PictureError, inspect};
use super::{Defect, ReadError, content, note};

const COUNT: Tag = Tag(0x02);
/// The most pictures read from one file.
const MOST_PICTURES: usize = 16;

/// A picture as it stands in the file.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayedImage {
    image: Vec<u8>,
}

impl fmt::Debug for DisplayedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DisplayedImage({} bytes)", self.image.len())
    }
}

impl DisplayedImage {
    /// A picture to be written.
    ///
    /// # Errors
    /// When it is neither JPEG nor JPEG 2000.
    pub fn new(image: impl Into<Vec<u8>>) -> Result<Self, PictureError> {
        let image = image.into();
        inspect(&image)?;
        Ok(DisplayedImage { image })
    }

    /// The encoded picture, byte for byte.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// What the picture says of itself.
    ///
    /// # Errors
    /// When it is of no known format: cards are not asked to hold only known ones.
    pub fn picture(&self) -> Result<Picture, PictureError> {
        inspect(&self.image)
    }
}

/// The whole file with these pictures.
pub(super) fn write(file: Tag, element: Tag, images: &[DisplayedImage]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(file, |w| {
        w.put(COUNT, [u8::try_from(images.len()).unwrap_or(u8::MAX)]);
        for image in images {
            w.put(element, &image.image);
        }
    });
    writer.finish()
}

/// Reads the whole file.
pub(super) fn read(
    bytes: &[u8],
    file: Tag,
    element: Tag,
    defects: &mut Vec<Defect>,
) -> Result<Vec<DisplayedImage>, ReadError> {
    let mut reader = Reader::new(content(bytes, file)?);
    let announced = reader.expect(COUNT)?.first().copied().map_or(0, usize::from);
    let mut images = Vec::new();
    while let Some(tlv) = reader.next()? {
        if tlv.tag != element {
            note(defects, Defect::UnknownObject { tag: tlv.tag });
        } else if images.len() >= MOST_PICTURES {
            return Err(ReadError::TooMany { field: "pictures" });
        } else {
            images.push(DisplayedImage { image: tlv.value.to_vec() });
        }
    }
    if images.is_empty() {
        return Err(TlvError::Missing { tag: element }.into());
    }
    if images.len() != announced {
        defects.push(Defect::WrongCount { announced, found: images.len() });
    }
    Ok(images)
}
