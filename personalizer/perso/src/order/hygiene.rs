//! What every string of an order must satisfy before its own rule is asked.
//!
//! Refused everywhere: control characters, bidirectional controls, characters without width (a name
//! could look like another one), text that is not in normal form C. The zero width non-joiner is part of
//! Kurdish spelling: it may stand between two letters of a name that has a letter only Kurdish or
//! Persian spelling uses.

use serde_json::Value;
use unicode_normalization::is_nfc;

use super::{Fault, Found};

/// Zero width non-joiner.
pub(super) const ZWNJ: char = '\u{200C}';

/// Letters that Kurdish (or Persian) spelling uses and Arabic does not.
const KURDISH: &str = "پچژڤگکیێۆڕڵەھ";

/// Checks every string in `value`; writes ASCII digits where a number or a date stands.
pub(super) fn clean(value: &mut Value, found: &mut Found) {
    walk(value, &mut String::new(), found);
}

fn walk(value: &mut Value, path: &mut String, found: &mut Found) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                let length = path.len();
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                walk(field, path, found);
                path.truncate(length);
            }
        }
        Value::String(text) => {
            found.extend(look(path, text).map(|fault| (path.clone(), fault)));
            *text = ascii_digits(text);
        }
        _ => {}
    }
}

/// Arabic-Indic (U+0660..) and extended Arabic-Indic (U+06F0..) digits become ASCII.
fn ascii_digits(text: &str) -> String {
    let ascii = |c: char| match c {
        '\u{0660}'..='\u{0669}' => char::from_digit(c as u32 - 0x0660, 10).unwrap_or(c),
        '\u{06F0}'..='\u{06F9}' => char::from_digit(c as u32 - 0x06F0, 10).unwrap_or(c),
        _ => c,
    };
    text.chars().map(ascii).collect()
}

fn look(path: &str, text: &str) -> Option<Fault> {
    for (index, c) in text.chars().enumerate() {
        let (code, position) = (c as u32, index + 1);
        if c.is_control() {
            return Some(Fault::Control { code, position });
        }
        if is_invisible(c) && !(c == ZWNJ && joiner_allowed(path, text)) {
            return Some(Fault::Invisible { code, position });
        }
    }
    (!is_nfc(text)).then_some(Fault::NotNormalized)
}

/// Bidirectional controls, zero width characters, soft hyphen, line and paragraph separators, tags, variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// ZWNJ stands only inside names, between letters, in a Kurdish spelling.
fn joiner_allowed(path: &str, text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    let between = letters.windows(3).filter(|window| window.get(1) == Some(&ZWNJ));
    let inside =
        between.clone().all(|window| [0, 2].iter().all(|at| window.get(*at).is_some_and(|c| c.is_alphabetic())));
    let count = letters.iter().filter(|c| **c == ZWNJ).count();
    path.starts_with("holder.") && text.chars().any(|c| KURDISH.contains(c)) && inside && between.count() == count
}
