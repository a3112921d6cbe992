//! The rule of each text field, as one table; and the rules that compare fields.

use std::path::{Component, Path};

use jiff::civil::Date;
use serde_json::Value;

use super::hygiene::ZWNJ;
use super::{Fault, Found, Image, JobType, MAX_PORTRAIT, Order, PartialDate};

type Rule = fn(&str) -> Result<(), Fault>;

/// Field (JSON pointer) and the rule for its text, applied when the field is there.
const RULES: &[(&str, Rule)] = &[
    ("/job_id", identifier),
    ("/document_number", document_number),
    ("/national_number", national_number),
    ("/card_access_number", card_access_number),
    ("/holder/given_names", name),
    ("/holder/surname", name),
    ("/holder/father", name),
    ("/holder/grandfather", name),
    ("/holder/mother", name),
    ("/holder/maternal_grandfather", name),
    ("/holder/kurdish_name", name),
    ("/holder/birth_date", partial_date),
    ("/holder/birth_place/town", text),
    ("/holder/birth_place/district", text),
    ("/holder/birth_place/governorate", text),
    ("/holder/blood_group", blood_group),
    ("/civil_record/office", code),
    ("/civil_record/register", code),
    ("/civil_record/page", code),
    ("/civil_record/family_number", family_number),
    ("/civil_record/birth_family_number", family_number),
    ("/civil_record/nationality_clause", text),
    ("/civil_record/father_birth_place", text),
    ("/civil_record/mother_birth_place", text),
    ("/civil_record/father_nationality", text),
    ("/civil_record/mother_nationality", text),
    ("/residence/date", whole_date),
    ("/residence/office", code),
    ("/residence/governorate", address),
    ("/residence/district", address),
    ("/residence/sub_district", address),
    ("/residence/quarter", address),
    ("/residence/lane", address),
    ("/residence/house", address),
    ("/issue/authority", text),
    ("/issue/date", whole_date),
    ("/issue/expiry", whole_date),
    ("/portrait/path", relative_path),
    ("/portrait/data", base64_size),
    ("/chip_portrait/path", relative_path),
    ("/chip_portrait/data", base64_size),
    ("/fingers/path", relative_path),
    ("/fingers/data", base64_size),
    ("/replaces/document_number", document_number),
    ("/replaces/revoked", whole_date),
    ("/offices/registration", code),
    ("/offices/home_registry", code),
    ("/offices/collection", code),
    ("/fee_class", identifier),
];

/// Appends what each field's rule says.
pub(super) fn check(value: &Value, found: &mut Found) {
    for (pointer, rule) in RULES {
        let path = pointer.trim_start_matches('/').replace('/', ".");
        // What is wrong with the characters themselves was said already.
        if found.iter().any(|(field, _)| *field == path) {
            continue;
        }
        if let Some(fault) = value.pointer(pointer).and_then(Value::as_str).and_then(|text| rule(text).err()) {
            found.push((path, fault));
        }
    }
}

/// Rules over several fields of an order whose fields are right by themselves.
pub(super) fn check_together(order: &Order, found: &mut Found) {
    let mut say = |field: &str, fault: Fault| found.push((field.to_owned(), fault));
    let issue = &order.issue;
    let after = |date: Option<Date>, other: Option<Date>| matches!((date, other), (Some(a), Some(b)) if a > b);
    if after(order.holder.birth_date.earliest(), issue.date) {
        say("holder.birth_date", Fault::After { other: "issue.date" });
    }
    if after(issue.date, issue.expiry) || issue.date.is_some() && issue.date == issue.expiry {
        say("issue.date", Fault::After { other: "issue.expiry" });
    }
    let optional = [("chip_portrait", &order.chip_portrait), ("fingers", &order.fingers)];
    let optional = optional.map(|(field, image)| (field, image.as_ref()));
    for (field, image) in [("portrait", Some(&order.portrait))].into_iter().chain(optional) {
        if image.is_some_and(|Image { path, data }| path.is_some() == data.is_some()) {
            say(field, Fault::PathOrData);
        }
    }
    match &order.replaces {
        None if order.job.replaces_a_card() => say("replaces", Fault::NeededByJob),
        Some(_) if !order.job.replaces_a_card() => say("replaces", Fault::NotForJob),
        Some(old) => {
            if old.document_number == order.document_number {
                say("replaces.document_number", Fault::SameNumber);
            }
            let revoked_first = matches!(order.job, JobType::ReplaceLost | JobType::ReplaceStolen);
            if revoked_first && old.revoked.is_none() {
                say("replaces.revoked", Fault::NeededByJob);
            }
            if after(old.revoked, issue.date) {
                say("replaces.revoked", Fault::After { other: "issue.date" });
            }
        }
        None => {}
    }
}

fn form(holds: bool, expected: &'static str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::Form { expected }) }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn identifier(text: &str) -> Result<(), Fault> {
    let holds = (1..=40).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    form(holds, "1 to 40 letters, digits, dots, hyphens or underscores")
}

fn document_number(text: &str) -> Result<(), Fault> {
    let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
    let holds = text.len() == 9 && (1..=2).contains(&letters) && text.get(letters..).is_some_and(digits);
    form(holds, "two capital letters and seven digits, or one letter and eight digits")
}

fn national_number(text: &str) -> Result<(), Fault> {
    form((9..=15).contains(&text.len()) && digits(text), "9 to 15 digits")
}

fn card_access_number(text: &str) -> Result<(), Fault> {
    form(text.len() == 6 && digits(text), "6 digits")
}

fn family_number(text: &str) -> Result<(), Fault> {
    let holds = (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    form(holds, "1 to 18 digits or capital letters")
}

fn code(text: &str) -> Result<(), Fault> {
    let holds = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    form(holds, "1 to 12 digits or capital letters")
}

fn blood_group(text: &str) -> Result<(), Fault> {
    let holds = ["A+", "A-", "B+", "B-", "AB+", "AB-", "O+", "O-"].contains(&text);
    form(holds, "A, B, AB or O followed by + or -")
}

fn partial_date(text: &str) -> Result<(), Fault> {
    form(
        PartialDate::parse(text).is_some(),
        "a date that exists: YYYY-MM-DD, or YYYY-MM or YYYY when the rest is unknown",
    )
}

fn whole_date(text: &str) -> Result<(), Fault> {
    let date: Option<Date> = PartialDate::parse(text).and_then(PartialDate::complete);
    form(date.is_some(), "a date that exists, YYYY-MM-DD")
}

/// Names are in Arabic script: letters, vowel marks, spaces, hyphens, apostrophes (and the joiner that hygiene allowed).
fn name(value: &str) -> Result<(), Fault> {
    const ALLOWED: &str = "a name holds letters of Arabic script, spaces, hyphens and apostrophes";
    spaced(value, 100)?;
    let wrong = value.chars().enumerate().find(|(_, c)| !is_name_character(*c));
    if let Some((index, c)) = wrong {
        return Err(Fault::Character { code: c as u32, position: index + 1, allowed: ALLOWED });
    }
    form(value.chars().any(|c| c.is_alphabetic()), "a name with at least one letter")
}

fn is_name_character(c: char) -> bool {
    matches!(c, ' ' | '-' | '\'' | '\u{2019}' | '\u{0640}' | ZWNJ | '\u{0621}'..='\u{063A}' | '\u{0641}'..='\u{0652}'
        | '\u{0653}'..='\u{0655}' | '\u{0670}'..='\u{06D3}' | '\u{06D5}' | '\u{06EE}' | '\u{06EF}')
}

/// Other text: letters, digits and punctuation of any script, at most 100 characters.
fn text(value: &str) -> Result<(), Fault> {
    const ALLOWED: &str = "the `<` separates components on the chip";
    spaced(value, 100)?;
    match value.chars().position(|c| c == '<') {
        Some(index) => Err(Fault::Character { code: '<' as u32, position: index + 1, allowed: ALLOWED }),
        None => Ok(()),
    }
}

/// A part of an address, as the residence record takes it.
fn address(value: &str) -> Result<(), Fault> {
    text(value)?;
    form(
        value.len() <= eid::residence::MAX_TEXT,
        "text of at most 120 bytes in UTF-8: about 60 letters of Arabic script",
    )
}

fn spaced(text: &str, limit: usize) -> Result<(), Fault> {
    let length = text.chars().count();
    if length == 0 {
        return Err(Fault::Empty);
    }
    if length > limit {
        return Err(Fault::TooLong { length, limit });
    }
    if text.starts_with(' ') || text.ends_with(' ') || text.contains("  ") {
        return Err(Fault::Spaces);
    }
    Ok(())
}

/// Relative, and at most one `..` at its start: pictures lie beside the orders or in a folder next to theirs.
fn relative_path(text: &str) -> Result<(), Fault> {
    let ordinary = |component: (usize, Component<'_>)| {
        matches!(component, (0, Component::ParentDir | Component::CurDir) | (_, Component::Normal(_)))
    };
    let path = Path::new(text);
    let holds = !text.is_empty() && text.len() <= 1000 && path.components().enumerate().all(ordinary);
    if holds && path.file_name().is_some() { Ok(()) } else { Err(Fault::BadPath) }
}

fn base64_size(text: &str) -> Result<(), Fault> {
    match (Image { path: None, data: Some(text.to_owned()) }).embedded() {
        Some(Err(fault)) => Err(fault),
        _ if text.is_empty() => Err(Fault::Empty),
        _ if text.len() / 4 * 3 > MAX_PORTRAIT + 3 => Err(Fault::PortraitTooLarge { limit: MAX_PORTRAIT }),
        _ => Ok(()),
    }
}
