//! Draws `test-vectors/portraits/*.svg` as PNG beside their sources, 413 x 531 pixels (35 x 45 mm at 300 dpi).
//!
//! Run from the repository's root: `cargo run -p printing --example draw_portraits`.

use std::error::Error;
use std::fs;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

fn main() -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir("test-vectors/portraits")? {
        let source = entry?.path();
        if source.extension().is_some_and(|extension| extension == "svg") {
            let picture = draw(&fs::read_to_string(&source)?)?;
            fs::write(source.with_extension("png"), picture)?;
        }
    }
    Ok(())
}

fn draw(svg: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let tree = Tree::from_str(svg, &Options::default())?;
    let size = tree.size().to_int_size();
    let mut pixmap = Pixmap::new(size.width(), size.height()).ok_or("an empty picture")?;
    resvg::render(&tree, Transform::identity(), &mut pixmap.as_mut());
    // The background is opaque, so the premultiplied colours are the colours.
    let pixels: Vec<u8> = pixmap.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, size.width(), size.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}
