use super::*;
use crate::raster::{DOTS_PER_MM, EDGE_X, EDGE_Y};
use proptest::prelude::*;

const FIELDS: &[(&str, &str)] = &[
    ("national_number", "199900000011"),
    ("document_number", "ZZ0000017"),
    ("can", "482915"),
    ("given_names", "ئازاد"),
    ("father", "ڕێبوار"),
    ("grandfather", "دڵشاد"),
    ("surname", "شێخانی"),
    ("mother", "شيماء"),
    ("maternal_grandfather", "إبراهيم"),
    ("sex", "ذكر"),
    ("blood_group", "AB-"),
    ("authority", "دائرة احوال – الموصل الايمن"),
    ("issue_date", "2026/11/22"),
    ("expiry_date", "2036/11/21"),
    ("birth_place", "تلعفر – نينوى"),
    ("birth_date", "1988/12/31"),
    ("family_number", "10A000000000000017"),
    ("mrz1", "IDIRQZZ00000332198800000036<<<"),
    ("mrz2", "8812315M3412307IRQ<<<<<<<<<<<7"),
    ("mrz3", "XSHYXKHANXYA<<XIAZAD<<<<<<<<<<"),
];

fn face() -> Face {
    let picture = test_vectors::path("portraits/man-1.png");
    let portrait = Portrait::new(std::fs::read(picture).unwrap()).unwrap();
    FIELDS.iter().fold(Face::new().portrait(portrait), |face, (field, value)| face.text(field, value).unwrap())
}

fn fonts() -> Fonts {
    Fonts::installed().unwrap()
}

fn dark(pixel: [u8; 3]) -> bool {
    pixel.iter().all(|&channel| channel < 96)
}

fn svg(body: &str) -> Template {
    let source = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1016\" height=\"648\">{body}</svg>");
    Template::parse(&source).unwrap()
}

#[test]
fn every_builtin_face_is_drawn_from_the_same_fields() {
    for builtin in BUILTIN {
        for source in [builtin.front, builtin.back] {
            let template = Template::parse(source).unwrap();
            assert!(template.fields().all(|field| FIELDS.iter().any(|(name, _)| *name == field)));
            let raster = render(&template, &face(), &fonts()).unwrap();
            assert!(raster.pixels().iter().filter(|pixel| dark(**pixel)).count() > 5_000);
        }
        assert!(Template::parse(builtin.front).unwrap().shows_portrait());
    }
}

/// 9303-5: zone VII is the lowest 23.2 mm of the back; OCR-B at 10 characters per inch, 30 characters a line.
#[test]
fn the_mrz_lies_inside_its_zone() {
    for builtin in BUILTIN {
        let raster = render(&Template::parse(builtin.back).unwrap(), &face(), &fonts()).unwrap();
        let bottom = HEIGHT as f32 - EDGE_Y;
        let zone = (bottom - 23.2 * DOTS_PER_MM).ceil() as u32..bottom as u32;
        let rows: Vec<u32> = (zone.start..HEIGHT).filter(|&y| (0..WIDTH).any(|x| dark(raster.pixel(x, y)))).collect();
        let mut lines: Vec<(u32, u32)> = Vec::new();
        for row in rows {
            match lines.last_mut() {
                Some((_, last)) if *last + 1 == row => *last = row,
                _ => lines.push((row, row)),
            }
        }
        assert_eq!(lines.len(), 3, "{lines:?}");
        for (top, last) in lines {
            assert!(zone.contains(&top) && zone.contains(&last));
            // OCR-B size 1: capitals and digits are 2.4 mm high, the tail of a Q or J included 2.8 mm.
            let height = (last - top + 1) as f32 / DOTS_PER_MM;
            assert!((2.2..2.9).contains(&height), "{height} mm");
            let columns: Vec<u32> = (0..WIDTH).filter(|&x| (top..=last).any(|y| dark(raster.pixel(x, y)))).collect();
            let (left, right) = (columns[0], columns[columns.len() - 1]);
            assert!(
                left as f32 >= EDGE_X + 3.0 * DOTS_PER_MM && right as f32 <= WIDTH as f32 - EDGE_X - 3.0 * DOTS_PER_MM
            );
            // 29 pitches of 30 dots lie between the first and the last character.
            assert!((860..=900).contains(&(right - left)), "{left}..{right}");
        }
    }
}

#[test]
fn arabic_is_joined_and_runs_right_to_left() {
    let template = svg(
        "<text data-field=\"a\" x=\"900\" y=\"300\" text-anchor=\"end\" font-family=\"Noto Naskh Arabic\" font-size=\"100\"/>",
    );
    let width = |value: &str| {
        let face = Face::new().text("a", value).unwrap();
        let tree = parse(&template, &face, &BTreeMap::new(), &options(&face, &fonts())).unwrap();
        text_nodes(&tree).next().unwrap().bounding_box().width()
    };
    // Medial forms are narrower than isolated ones: joined letters take less room than the same letters apart.
    assert!(width("ببب") < 0.8 * 3.0 * width("ب"));
    // The alef of "اب" stands right of the beh.
    let face = Face::new().text("a", "ا...").unwrap();
    let raster = render(&template, &face, &fonts()).unwrap();
    let ink = |columns: std::ops::Range<u32>| {
        columns.map(|x| (0..HEIGHT).filter(|&y| dark(raster.pixel(x, y))).count()).max().unwrap()
    };
    assert!(ink(860..900) > 40, "the tall letter is at the right end");
    assert!(ink(0..860) < 40, "the dots follow on its left");
}

#[test]
fn wide_texts_are_set_smaller_and_too_wide_ones_refused() {
    let template = Template::parse(BUILTIN[0].front).unwrap();
    let long = face().text("surname", "آل ابو المعالي الحسيني البياتي الموصلي").unwrap();
    render(&template, &long, &fonts()).unwrap();
    let longer = face().text("surname", &"الحسيني البياتي ".repeat(8)).unwrap();
    let error = render(&template, &longer, &fonts()).unwrap_err();
    assert!(matches!(error, RenderError::Overflow { field, available: 300, .. } if field == "surname"));
    let off_the_edge = svg("<text data-field=\"a\" x=\"900\" y=\"50\" font-family=\"Noto Sans\" font-size=\"60\"/>");
    let face = Face::new().text("a", "WIDE TEXT").unwrap();
    assert!(matches!(render(&off_the_edge, &face, &fonts()), Err(RenderError::Overflow { .. })));
}

#[test]
fn letters_without_a_glyph_are_named() {
    let template = Template::parse(BUILTIN[0].front).unwrap();
    let error = render(&template, &face().text("father", "علي 漢").unwrap(), &fonts()).unwrap_err();
    assert!(matches!(error, RenderError::MissingGlyph { field, letter } if field == "father" && letter == "漢"));
    let back = Template::parse(BUILTIN[0].back).unwrap();
    let error = render(&back, &face().text("mrz1", "ع").unwrap(), &fonts()).unwrap_err();
    assert!(matches!(error, RenderError::MissingGlyph { field, .. } if field == "mrz1"), "OCR-B never borrows letters");
}

#[test]
fn missing_fields_and_unknown_fonts_are_errors() {
    let template = Template::parse(BUILTIN[0].front).unwrap();
    assert!(matches!(render(&template, &Face::new(), &fonts()), Err(RenderError::MissingField { .. })));
    let unknown = svg("<text x=\"9\" y=\"50\" font-family=\"Nowhere Serif\" font-size=\"20\">x</text>");
    assert!(matches!(render(&unknown, &Face::new(), &fonts()), Err(RenderError::Undrawn { missing: 1 })));
}

#[test]
fn hostile_values_draw_only_themselves() {
    let template = svg("<text data-field=\"a\" x=\"20\" y=\"300\" font-family=\"Noto Sans\" font-size=\"20\"/>");
    let hostile = "</text><rect width=\"1016\" height=\"648\"/>&#x41;";
    let face = Face::new().text("a", hostile).unwrap();
    let raster = render(&template, &face, &fonts()).unwrap();
    assert_eq!(raster.pixel(1000, 600), [255; 3], "no rectangle was drawn");
    assert!(matches!(Face::new().text("a", "x\u{202E}y"), Err(FieldError::Unprintable { character: '\u{202E}', .. })));
    assert!(matches!(Face::new().text("a", "x\ny"), Err(FieldError::Unprintable { .. })));
    assert!(matches!(Face::new().text("a", &"x".repeat(201)), Err(FieldError::TooLong { .. })));
    assert!(Face::new().text("a", "نە\u{200C}ه").is_ok());
}

#[test]
fn a_preview_is_a_png_and_debug_shows_no_data() {
    let template = Template::parse(BUILTIN[1].front).unwrap();
    assert!(preview(&template, &face(), &fonts()).unwrap().starts_with(b"\x89PNG\r\n\x1a\n"));
    assert!(!format!("{:?}", face()).contains("199900000011"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_value_breaks_the_drawing(value in "[\\PC]{0,40}|[اب<>&\"'/0-9 ]{0,40}") {
        let template = svg("<text data-field=\"a\" data-width=\"900\" data-min-size=\"6\" x=\"950\" y=\"300\" text-anchor=\"end\" font-family=\"Noto Naskh Arabic\" font-size=\"20\"/>");
        if let Ok(face) = Face::new().text("a", &value) {
            match render(&template, &face, &fonts()) {
                Ok(_) | Err(RenderError::MissingGlyph { .. } | RenderError::Overflow { .. }) => {}
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}
