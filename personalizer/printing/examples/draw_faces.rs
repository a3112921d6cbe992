//! Draws both faces of every built-in template with long and short invented names into `target/faces/`.
//!
//! Run from the repository's root: `cargo run -p printing --example draw_faces`.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs;
use std::time::Instant;

use printing::face::{BUILTIN, Face, Fonts, Portrait, Template};

const SHORT: &[(&str, &str)] = &[
    ("national_number", "199900000011"),
    ("document_number", "ZZ0000017"),
    ("can", "482915"),
    ("given_names", "زينب"),
    ("father", "علي"),
    ("grandfather", "حسين"),
    ("surname", "التجريبي"),
    ("mother", "فاطمة"),
    ("maternal_grandfather", "إبراهيم"),
    ("sex", "أنثى"),
    ("blood_group", "O+"),
    ("authority", "مديرية الجنسية والمعلومات المدنية"),
    ("issue_date", "2026/11/22"),
    ("expiry_date", "2036/11/21"),
    ("birth_place", "الكرخ – بغداد"),
    ("birth_date", "1999/01/01"),
    ("family_number", "10A000000000000017"),
    ("mrz1", "IDIRQZZ00000170199900000011<<<"),
    ("mrz2", "9901018F3501014IRQ<<<<<<<<<<<6"),
    ("mrz3", "ALTJRYBY<<ZYNB<<<<<<<<<<<<<<<<"),
];

const LONG: &[(&str, &str)] = &[
    ("given_names", "عبد الرحمن نور الدين ضياء الحق"),
    ("father", "ڕێبوار گۆران دڵشاد هەڵگورد"),
    ("grandfather", ""),
    ("surname", "آل ابو المعالي الحسيني البياتي الموصلي"),
    ("mother", "شيماء أم البنين زين العابدين"),
    ("maternal_grandfather", "ذوالفقار عبد المهيمن عبد الجبار"),
    ("sex", "ذكر"),
    ("blood_group", ""),
    ("authority", "دائرة احوال – بغداد الجديدة (الرصافة 2) / مكتب AB-7"),
    ("birth_place", "ناحية المشخاب الشمالية – قضاء المناذرة – محافظة النجف الأشرف"),
    ("birth_date", "1988/00/00"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let fonts = Fonts::installed()?;
    fs::create_dir_all("target/faces")?;
    for (card, portrait, texts) in [("short", "woman-1", [SHORT, &[]]), ("long", "man-2", [SHORT, LONG])] {
        let mut face =
            Face::new().portrait(Portrait::new(fs::read(format!("test-vectors/portraits/{portrait}.png"))?)?);
        for (field, value) in texts.concat() {
            face = face.text(field, value)?;
        }
        for builtin in BUILTIN {
            for (side, source) in [("front", builtin.front), ("back", builtin.back)] {
                let start = Instant::now();
                let raster = printing::render(&Template::parse(source)?, &face, &fonts)?;
                let time = start.elapsed().as_millis();
                let path = format!("target/faces/{}-{card}-{side}.png", builtin.profile);
                fs::write(&path, raster.to_png()?)?;
                println!("{path}: {time} ms");
            }
        }
    }
    Ok(())
}
