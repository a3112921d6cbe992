//! From an order and its plan to the two printed faces.

use perso::order::{Order, Sex};
use perso::plan::Plan;
use perso::profile::Profile;
use printing::face::{Builtin, Portrait};
use printing::{Face, Fonts, Raster, Template, render};

use crate::exit;
use crate::failure::Failure;

/// The templates of a profile and the fonts they are drawn with.
pub struct Faces {
    front: Template,
    back: Template,
    fonts: Fonts,
}

/// Both faces of one card.
pub struct Drawn {
    pub front: Raster,
    pub back: Raster,
}

impl Faces {
    /// Loads templates and fonts.
    pub fn load(profile: &Profile) -> Result<Self, Failure> {
        let fonts = Fonts::installed().map_err(|error| {
            Failure::new("The faces cannot be drawn.", error, "apt install fonts-noto-core fonts-ocr-b", exit::PRINTER)
        })?;
        Ok(Faces {
            front: template(&profile.faces.front, |builtin| builtin.front)?,
            back: template(&profile.faces.back, |builtin| builtin.back)?,
            fonts,
        })
    }

    /// Draws both faces.
    pub fn draw(&self, order: &Order, plan: &Plan, portrait: &[u8]) -> Result<Drawn, Failure> {
        let refused = |error: &dyn std::fmt::Display| {
            Failure::new(
                "The faces cannot be drawn.",
                error,
                "Correct the order, or the template of the profile.",
                exit::ORDER,
            )
        };
        let mut face = Face::new();
        for (field, value) in fields(order, plan) {
            face = face.text(field, &value).map_err(|error| refused(&error))?;
        }
        face = face.portrait(Portrait::new(portrait.to_vec()).map_err(|error| refused(&error))?);
        let draw = |template| render(template, &face, &self.fonts).map_err(|error| refused(&error));
        Ok(Drawn { front: draw(&self.front)?, back: draw(&self.back)? })
    }
}

/// A template of the toolkit by its name, or a file.
fn template(name: &str, side: impl Fn(&Builtin) -> &'static str) -> Result<Template, Failure> {
    let source = match Builtin::of(name) {
        Some(builtin) => side(builtin).to_owned(),
        None => std::fs::read_to_string(name).map_err(|error| Failure::unreadable(name.as_ref(), &error))?,
    };
    Template::parse(&source).map_err(|error| {
        Failure::new(format!("The template {name} cannot be used."), error, "Correct the template.", exit::ORDER)
    })
}

/// The printed fields; what the order does not have is printed as nothing.
fn fields(order: &Order, plan: &Plan) -> Vec<(&'static str, String)> {
    let holder = &order.holder;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let day = |date: jiff::civil::Date| date.strftime("%Y/%m/%d").to_string();
    let sex = match holder.sex {
        Sex::F => "أنثى",
        Sex::M => "ذكر",
        Sex::X => "X",
    };
    let lines = plan.mrz.lines();
    let line = |index: usize| lines.get(index).copied().unwrap_or_default().to_owned();
    vec![
        ("given_names", holder.given_names.clone()),
        ("father", holder.father.clone()),
        ("grandfather", text(&holder.grandfather)),
        ("surname", text(&holder.surname)),
        ("mother", text(&holder.mother)),
        ("maternal_grandfather", text(&holder.maternal_grandfather)),
        ("sex", sex.to_owned()),
        ("blood_group", text(&holder.blood_group)),
        ("national_number", order.national_number.clone()),
        ("document_number", order.document_number.clone()),
        ("can", plan.printed_access_number().to_owned()),
        ("authority", order.issue.authority.clone()),
        ("issue_date", day(plan.issued)),
        ("expiry_date", day(plan.expires)),
        ("birth_place", holder.birth_place.components().join(" - ")),
        ("birth_date", holder.birth_date.printed()),
        ("family_number", order.civil_record.as_ref().map(|record| record.family_number.clone()).unwrap_or_default()),
        ("mrz1", line(0)),
        ("mrz2", line(1)),
        ("mrz3", line(2)),
    ]
}
