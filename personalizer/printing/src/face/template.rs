//! A template: an SVG with places for fields.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::Range;

use resvg::usvg::roxmltree::{self, Document, Node};

use super::{RenderError, invisible};
use crate::raster::{HEIGHT, WIDTH};

/// The only picture a template can refer to.
pub(super) const PORTRAIT_HREF: &str = "portrait";
const XLINK: &str = "http://www.w3.org/1999/xlink";

/// The templates that come with the toolkit.
pub const BUILTIN: &[Builtin] = &[
    Builtin {
        profile: "specimen-uto",
        front: include_str!("../../../profiles/specimen-uto.front.svg"),
        back: include_str!("../../../profiles/specimen-uto.back.svg"),
    },
    Builtin {
        profile: "iq-nid-compat",
        front: include_str!("../../../profiles/iq-nid-compat.front.svg"),
        back: include_str!("../../../profiles/iq-nid-compat.back.svg"),
    },
];

/// The two faces of a card profile, as SVG source.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// The profile's name.
    pub profile: &'static str,
    /// Source of the front.
    pub front: &'static str,
    /// Source of the back.
    pub back: &'static str,
}

impl Builtin {
    /// The templates of a profile, if it is one of the toolkit's.
    pub fn of(profile: &str) -> Option<&'static Builtin> {
        BUILTIN.iter().find(|builtin| builtin.profile == profile)
    }
}

/// A template that was checked once and is filled in many times.
#[derive(Clone, Debug)]
pub struct Template {
    pieces: Vec<Piece>,
    fixed_texts: usize,
}

#[derive(Clone, Debug)]
enum Piece {
    Source(String),
    Text(TextField),
    /// The start of an image element, up to where its link goes, and the rest.
    Portrait(String),
}

/// A place for text.
#[derive(Clone, Debug)]
pub(super) struct TextField {
    pub(super) name: String,
    attributes: String,
    size: f32,
    room: Option<Room>,
}

#[derive(Clone, Copy, Debug)]
struct Room {
    width: f32,
    smallest: f32,
}

/// Why an SVG is not a template.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The XML is broken (or holds a document type declaration, which templates may not).
    #[error("the template is not well-formed: {0}")]
    Xml(#[from] roxmltree::Error),
    /// The picture has another size than a face.
    #[error("the template must have width=\"{WIDTH}\" height=\"{HEIGHT}\"")]
    Size,
    /// An attribute of a field is missing or not a number.
    #[error("field {field}: the attribute {attribute} is missing or not a positive number")]
    Attribute {
        /// The field.
        field: String,
        /// The attribute.
        attribute: &'static str,
    },
    /// `data-field` stands on something that cannot be filled.
    #[error("field {field}: only an empty text element or the image \"{PORTRAIT_HREF}\" can be a field")]
    NotAField {
        /// The field.
        field: String,
    },
    /// Two places have the same name.
    #[error("field {field} occurs twice")]
    Twice {
        /// The field.
        field: String,
    },
    /// A picture other than the portrait, which would be left out without a word.
    #[error("the portrait is the only picture a template can show; draw everything else")]
    Picture,
    /// The template does what resvg would get wrong without a word.
    #[error("{attribute} is not drawn as one expects; align with text-anchor and let the text be set smaller")]
    Unsupported {
        /// The attribute.
        attribute: &'static str,
    },
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`] for broken XML, another size, or fields that cannot be filled.
    pub fn parse(svg: &str) -> Result<Self, TemplateError> {
        let document = Document::parse(svg)?;
        let root = document.root_element();
        let is = |name, value: u32| root.attribute(name).is_some_and(|text| text == value.to_string());
        if !is_element(root, "svg") || !is("width", WIDTH) || !is("height", HEIGHT) {
            return Err(TemplateError::Size);
        }
        let mut pieces = Vec::new();
        let mut names = BTreeSet::new();
        let mut fixed_texts = 0;
        let mut written = 0;
        for node in root.descendants().filter(Node::is_element) {
            refuse_traps(node)?;
            let Some(name) = node.attribute("data-field") else {
                fixed_texts += usize::from(is_element(node, "text") && has_text(node));
                continue;
            };
            if !names.insert(name) {
                return Err(TemplateError::Twice { field: name.to_owned() });
            }
            let piece = field(name, node)?;
            let range: Range<usize> = node.range();
            pieces.push(Piece::Source(svg.get(written..range.start).unwrap_or_default().to_owned()));
            pieces.push(piece);
            written = range.end;
        }
        pieces.push(Piece::Source(svg.get(written..).unwrap_or_default().to_owned()));
        Ok(Template { pieces, fixed_texts })
    }

    /// The names of the text fields that a face must have for this template.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.texts().map(|text| text.name.as_str())
    }

    /// Whether the template shows the portrait.
    pub fn shows_portrait(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Portrait(_)))
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &TextField> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            _ => None,
        })
    }

    /// The fields that leave marks on the card, with their values.
    pub(super) fn filled<'a>(
        &'a self,
        values: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let value = |field: &'a TextField| Some((field.name.as_str(), values.get(&field.name)?.as_str()));
        self.texts().filter_map(value).filter(|(_, value)| !value.chars().all(|c| c.is_whitespace() || invisible(c)))
    }

    /// How many text elements with text of their own the template has.
    pub(super) fn fixed_texts(&self) -> usize {
        self.fixed_texts
    }

    /// The SVG of one card. `sizes` replaces the font sizes of fields that would be too wide.
    pub(super) fn fill(
        &self,
        values: &BTreeMap<String, String>,
        portrait: bool,
        sizes: &BTreeMap<String, f32>,
    ) -> Result<String, RenderError> {
        let mut svg = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Source(source) => svg.push_str(source),
                Piece::Text(field) => {
                    let value = values
                        .get(&field.name)
                        .ok_or_else(|| RenderError::MissingField { field: field.name.clone() })?;
                    let size = sizes.get(&field.name).copied().unwrap_or(field.size);
                    svg.push_str("<text");
                    svg.push_str(&field.attributes);
                    // Writing to a string does not fail.
                    let _ = write!(svg, " font-size=\"{size}\">{}</text>", escaped(&isolated(value)));
                }
                Piece::Portrait(attributes) if portrait => {
                    let _ = write!(svg, "<image{attributes} xmlns:xlink=\"{XLINK}\" xlink:href=\"{PORTRAIT_HREF}\"/>");
                }
                Piece::Portrait(_) => return Err(RenderError::MissingField { field: PORTRAIT_HREF.to_owned() }),
            }
        }
        Ok(svg)
    }
}

impl TextField {
    /// The font size at which a text that is `width` wide at full size fits; `None` when it fits already.
    pub(super) fn smaller_size(&self, width: f32) -> Result<Option<f32>, RenderError> {
        let Some(room) = self.room.filter(|room| width > room.width) else { return Ok(None) };
        // Glyphs scale linearly; the hundredth keeps rounding from touching the edge.
        let size = (self.size * room.width / width * 100.0).floor() / 100.0;
        if size >= room.smallest {
            return Ok(Some(size));
        }
        Err(RenderError::Overflow {
            field: self.name.clone(),
            needed: (width * room.smallest / self.size).ceil() as u32,
            available: room.width as u32,
        })
    }
}

fn field(name: &str, node: Node<'_, '_>) -> Result<Piece, TemplateError> {
    if is_element(node, "image") && name == PORTRAIT_HREF {
        return Ok(Piece::Portrait(attributes(node, &["data-field", "href"])));
    }
    if !is_element(node, "text") || node.has_children() {
        return Err(TemplateError::NotAField { field: name.to_owned() });
    }
    let number = |attribute: &'static str| {
        node.attribute(attribute)
            .and_then(|text| text.parse::<f32>().ok())
            .filter(|number| number.is_finite() && *number > 0.0)
            .ok_or_else(|| TemplateError::Attribute { field: name.to_owned(), attribute })
    };
    let room = match node.attribute("data-width") {
        None => None,
        Some(_) => Some(Room { width: number("data-width")?, smallest: number("data-min-size")? }),
    };
    let skipped = ["data-field", "data-width", "data-min-size", "font-size", "id"];
    let attributes = format!(" id=\"{}\"{}", escaped(name), attributes(node, &skipped));
    Ok(Piece::Text(TextField { name: name.to_owned(), attributes, size: number("font-size")?, room }))
}

/// What resvg leaves out, what it ignores, and what tears joined letters apart.
fn refuse_traps(node: Node<'_, '_>) -> Result<(), TemplateError> {
    let style = node.attribute("style").unwrap_or_default();
    for attribute in ["direction", "textLength", "unicode-bidi"] {
        if node.attribute(attribute).is_some() || style.contains(attribute) {
            return Err(TemplateError::Unsupported { attribute });
        }
    }
    if is_element(node, "image") && node.attribute("data-field").is_none() {
        return Err(TemplateError::Picture);
    }
    if is_element(node, "style") { Err(TemplateError::Unsupported { attribute: "a style sheet" }) } else { Ok(()) }
}

fn is_element(node: Node<'_, '_>, name: &str) -> bool {
    node.tag_name().name() == name
}

fn has_text(node: Node<'_, '_>) -> bool {
    node.descendants().filter_map(|inner| inner.text()).any(|text| !text.trim().is_empty())
}

fn attributes(node: Node<'_, '_>, without: &[&str]) -> String {
    let mut text = String::new();
    for attribute in node.attributes().filter(|attribute| !without.contains(&attribute.name())) {
        let prefix = if attribute.namespace().is_some_and(|uri| uri.ends_with("/namespace")) { "xml:" } else { "" };
        let _ = write!(text, " {prefix}{}=\"{}\"", attribute.name(), escaped(attribute.value()));
    }
    text
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            _ => out.push(c),
        }
    }
    out
}

const RTL_ISOLATE: char = '\u{2067}';
const FIRST_STRONG_ISOLATE: char = '\u{2068}';
const POP_ISOLATE: char = '\u{2069}';

/// Places a value by its own direction: right to left as a whole, with each run of digits and Latin letters kept together.
/// Plain ASCII is left alone (OCR-B has no isolates and needs none).
fn isolated(value: &str) -> String {
    if value.is_ascii() {
        return value.to_owned();
    }
    let mut out = String::from(RTL_ISOLATE);
    let mut run = String::new();
    for c in value.chars() {
        if c.is_ascii_alphanumeric() || (!run.is_empty() && c.is_ascii_graphic() && !"()[]{}<>".contains(c)) {
            run.push(c);
        } else {
            close_run(&mut out, &mut run);
            out.push(c);
        }
    }
    close_run(&mut out, &mut run);
    out.push(POP_ISOLATE);
    out
}

fn close_run(out: &mut String, run: &mut String) {
    if !run.is_empty() {
        out.push(FIRST_STRONG_ISOLATE);
        out.push_str(run);
        out.push(POP_ISOLATE);
        run.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(body: &str) -> String {
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1016\" height=\"648\">{body}</svg>")
    }

    #[test]
    fn values_cannot_become_markup() {
        let template = Template::parse(&svg("<text data-field=\"n\" x=\"1\" font-size=\"9\"/>")).unwrap();
        let values = BTreeMap::from([("n".to_owned(), "</text><image href='x'/>&amp;\"".to_owned())]);
        let filled = template.fill(&values, false, &BTreeMap::new()).unwrap();
        let document = Document::parse(&filled).unwrap();
        assert_eq!(document.descendants().filter(|n| n.is_element()).count(), 2);
        assert_eq!(
            document.descendants().find(|n| n.is_text()).unwrap().text(),
            Some("</text><image href='x'/>&amp;\"")
        );
    }

    #[test]
    fn latin_runs_inside_arabic_are_kept_together() {
        assert_eq!(isolated("رقم AB-7 (س)"), "\u{2067}رقم \u{2068}AB-7\u{2069} (س)\u{2069}");
        assert_eq!(isolated("2026/11/22"), "2026/11/22");
        assert!(isolated("نموذج").chars().any(invisible));
    }

    #[test]
    fn traps_and_mistakes_are_refused() {
        let parse = |body: &str| Template::parse(&svg(body)).unwrap_err();
        assert!(matches!(
            parse("<text direction=\"rtl\">x</text>"),
            TemplateError::Unsupported { attribute: "direction" }
        ));
        assert!(matches!(parse("<text data-field=\"a\">x</text>"), TemplateError::NotAField { .. }));
        assert!(matches!(parse("<rect data-field=\"a\"/>"), TemplateError::NotAField { .. }));
        assert!(matches!(parse("<text data-field=\"a\"/>"), TemplateError::Attribute { attribute: "font-size", .. }));
        let twice = "<text data-field=\"a\" font-size=\"9\"/>";
        assert!(matches!(parse(&twice.repeat(2)), TemplateError::Twice { .. }));
        assert!(matches!(parse("<image href=\"emblem.png\"/>"), TemplateError::Picture));
        assert!(matches!(parse("<g style=\"direction: rtl\"/>"), TemplateError::Unsupported { .. }));
        assert!(matches!(parse("<style>text{}</style>"), TemplateError::Unsupported { .. }));
        assert!(matches!(Template::parse("<svg/>"), Err(TemplateError::Size)));
        assert!(matches!(Template::parse("<svg"), Err(TemplateError::Xml(_))));
    }

    #[test]
    fn a_wide_text_is_set_smaller_or_refused() {
        let body = "<text data-field=\"a\" font-size=\"40\" data-width=\"300\" data-min-size=\"20\"/>";
        let template = Template::parse(&svg(body)).unwrap();
        let field = template.texts().next().unwrap();
        assert_eq!(field.smaller_size(299.0).unwrap(), None);
        assert_eq!(field.smaller_size(400.0).unwrap(), Some(30.0));
        assert!(matches!(field.smaller_size(601.0), Err(RenderError::Overflow { needed: 301, available: 300, .. })));
    }
}
