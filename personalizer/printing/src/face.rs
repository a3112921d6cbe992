//! A card face: an SVG template and the fields of one card become a [`Raster`].
//!
//! A template is an ordinary SVG of 1016 x 648 units (it opens in any editor) in which
//!
//! ```text
//! <text data-field="surname" x="980" y="300" font-size="34" data-width="420" data-min-size="20" .../>
//! <image data-field="portrait" x="40" y="180" width="260" height="334" .../>
//! ```
//!
//! are filled in. `data-width` is the room in units: a wider text is set smaller, down to `data-min-size`, and
//! refused below that. Nothing is stretched (joined letters would tear) and nothing is cut. Arabic is placed right to
//! left by isolating each field (U+2067 ... U+2069) and each Latin run in it (U+2068 ... U+2069); right alignment is the
//! template's `text-anchor="end"`.
//!
//! Field values come from outside and are only ever text: a value cannot add markup, a link or a direction control.

pub mod fonts;
mod portrait;
pub mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{self, ImageHrefResolver, ImageKind, Options, Tree};

pub use fonts::{FontError, Fonts};
pub use portrait::{PORTRAIT_MAX_BYTES, PORTRAIT_MAX_PIXELS, Portrait, PortraitError};
pub use template::{BUILTIN, Builtin, Template, TemplateError};

use crate::raster::{HEIGHT, Raster, RasterError, WIDTH};

/// The longest field value, in characters; anything longer could never be printed.
pub const FIELD_MAX_CHARS: usize = 200;

/// What is printed on one card: texts by field name, and the portrait.
#[derive(Clone, Default)]
pub struct Face {
    texts: BTreeMap<String, String>,
    portrait: Option<Portrait>,
}

/// Why a value cannot be a printed field.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FieldError {
    /// The value holds a control, direction or invisible character.
    #[error("field {field} holds the character U+{:04X}, which cannot be printed", *.character as u32)]
    Unprintable {
        /// The field.
        field: String,
        /// The first such character.
        character: char,
    },
    /// The value is longer than any field.
    #[error("field {field} is longer than {FIELD_MAX_CHARS} characters")]
    TooLong {
        /// The field.
        field: String,
    },
}

/// Why a face could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The template asks for a field that the card does not have.
    #[error("the template needs the field {field}")]
    MissingField {
        /// The field.
        field: String,
    },
    /// The text does not fit, even at the smallest size that the template allows.
    #[error("field {field} needs {needed} dots at the smallest size and has {available}")]
    Overflow {
        /// The field.
        field: String,
        /// Its width at the smallest size, in dots.
        needed: u32,
        /// The room it has, in dots.
        available: u32,
    },
    /// A letter is in none of the fonts.
    #[error("field {field} holds {letter:?}, which none of the fonts has")]
    MissingGlyph {
        /// The field, or the fixed text of the template.
        field: String,
        /// The letters without a glyph.
        letter: String,
    },
    /// Fixed text of the template would not be drawn: it names a font family that is not loaded.
    #[error("{missing} fixed text element(s) of the template would not be drawn; check their font-family")]
    Undrawn {
        /// How many.
        missing: usize,
    },
    /// The SVG that came out is not drawable.
    #[error("the template cannot be drawn: {0}")]
    Svg(#[from] usvg::Error),
    /// The picture has another size than a face.
    #[error(transparent)]
    Raster(#[from] RasterError),
}

impl Face {
    /// A face without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field. Empty values are allowed and print nothing.
    ///
    /// # Errors
    /// [`FieldError`] for control, direction and invisible characters (all but U+200C, which Kurdish spelling
    /// uses) and for values that are too long.
    pub fn text(mut self, field: &str, value: &str) -> Result<Self, FieldError> {
        if value.chars().count() > FIELD_MAX_CHARS {
            return Err(FieldError::TooLong { field: field.to_owned() });
        }
        if let Some(character) = value.chars().find(|&c| unprintable(c)) {
            return Err(FieldError::Unprintable { field: field.to_owned(), character });
        }
        self.texts.insert(field.to_owned(), value.to_owned());
        Ok(self)
    }

    /// Sets the portrait.
    pub fn portrait(mut self, portrait: Portrait) -> Self {
        self.portrait = Some(portrait);
        self
    }
}

impl std::fmt::Debug for Face {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Names of fields only: the values are somebody's data.
        f.debug_struct("Face").field("fields", &self.texts.keys()).field("portrait", &self.portrait.is_some()).finish()
    }
}

/// Draws one face.
///
/// # Errors
/// [`RenderError`]; a face is drawn completely or not at all.
pub fn render(template: &Template, face: &Face, fonts: &Fonts) -> Result<Raster, RenderError> {
    let options = options(face, fonts);
    let mut sizes = BTreeMap::new();
    let mut tree = parse(template, face, &sizes, &options)?;
    for field in template.texts() {
        let width = text_nodes(&tree).find(|text| text.id() == field.name).map(|text| text.bounding_box().width());
        if let Some(size) = width.map_or(Ok(None), |width| field.smaller_size(width))? {
            sizes.insert(field.name.clone(), size);
        }
    }
    if !sizes.is_empty() {
        tree = parse(template, face, &sizes, &options)?;
    }
    check_texts(template, face, &tree)?;
    draw(&tree)
}

/// Draws one face as a PNG file.
///
/// # Errors
/// [`RenderError`].
pub fn preview(template: &Template, face: &Face, fonts: &Fonts) -> Result<Vec<u8>, RenderError> {
    Ok(render(template, face, fonts)?.to_png()?)
}

fn parse(
    template: &Template,
    face: &Face,
    sizes: &BTreeMap<String, f32>,
    options: &Options<'_>,
) -> Result<Tree, RenderError> {
    Ok(Tree::from_str(&template.fill(&face.texts, face.portrait.is_some(), sizes)?, options)?)
}

/// Only the card's own portrait can be loaded, under the one name that [`Template::fill`] writes.
fn options<'a>(face: &'a Face, fonts: &Fonts) -> Options<'a> {
    Options {
        dpi: 300.0,
        fontdb: fonts.database(),
        font_resolver: fonts.resolver(),
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(move |href, _| {
                let portrait = face.portrait.as_ref().filter(|_| href == template::PORTRAIT_HREF)?;
                let file = Arc::clone(&portrait.file);
                Some(match portrait.format {
                    portrait::Format::Jpeg => ImageKind::JPEG(file),
                    portrait::Format::Png => ImageKind::PNG(file),
                })
            }),
        },
        ..Options::default()
    }
}

fn text_nodes(tree: &Tree) -> impl Iterator<Item = &usvg::Text> {
    let mut groups = vec![tree.root()];
    let mut texts = Vec::new();
    while let Some(group) = groups.pop() {
        for node in group.children() {
            match node {
                usvg::Node::Group(inner) => groups.push(inner),
                usvg::Node::Text(text) => texts.push(text.as_ref()),
                _ => {}
            }
        }
    }
    texts.into_iter()
}

/// Every text is there, every letter has a glyph, and nothing runs off the face.
fn check_texts(template: &Template, face: &Face, tree: &Tree) -> Result<(), RenderError> {
    let mut found = BTreeSet::new();
    let mut fixed = 0;
    for text in text_nodes(tree) {
        fixed += usize::from(!template.fields().any(|field| field == text.id()));
        found.insert(text.id());
        let field = if text.id().is_empty() { "(fixed text)" } else { text.id() };
        let missing: String = text
            .layouted()
            .iter()
            .flat_map(|span| &span.positioned_glyphs)
            .filter(|glyph| glyph.id.0 == 0 && !glyph.text.chars().all(invisible))
            .map(|glyph| glyph.text.as_str())
            .collect();
        if !missing.is_empty() {
            return Err(RenderError::MissingGlyph { field: field.to_owned(), letter: missing });
        }
        let bounds = text.abs_bounding_box();
        let inside = bounds.left() >= 0.0 && bounds.right() <= WIDTH as f32;
        if !inside {
            let available = bounds.right().min(WIDTH as f32) - bounds.left().max(0.0);
            return Err(RenderError::Overflow {
                field: field.to_owned(),
                needed: bounds.width().ceil() as u32,
                available: available.max(0.0) as u32,
            });
        }
    }
    // A text that consists of unknown letters only leaves no node behind.
    if let Some((field, value)) = template.filled(&face.texts).find(|(field, _)| !found.contains(field)) {
        return Err(RenderError::MissingGlyph { field: field.to_owned(), letter: value.to_owned() });
    }
    let missing = template.fixed_texts().saturating_sub(fixed);
    if missing > 0 { Err(RenderError::Undrawn { missing }) } else { Ok(()) }
}

fn draw(tree: &Tree) -> Result<Raster, RenderError> {
    let mut pixmap = Pixmap::new(WIDTH, HEIGHT).ok_or(usvg::Error::InvalidSize)?;
    pixmap.fill(Color::WHITE);
    resvg::render(tree, Transform::identity(), &mut pixmap.as_mut());
    // Painted on white, every pixel is opaque: premultiplied colours are the colours.
    let pixels = pixmap.pixels().iter().map(|p| [p.red(), p.green(), p.blue()]).collect();
    Ok(Raster::from_pixels(pixels)?)
}

/// Joiners, isolates and marks without a picture of their own.
fn invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

fn unprintable(c: char) -> bool {
    c.is_control()
        || (invisible(c) && c != '\u{200C}')
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{061C}' | '\u{FFFE}' | '\u{FFFF}')
}

#[cfg(test)]
mod tests;
