//! The name field and its truncation (9303-3 §4.6, 9303-5 §4.2).

use crate::transliteration::codes;

/// A name field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameField {
    /// Filled up with `<` to the whole width.
    pub text: String,
    /// True when characters of the name were left out.
    pub truncated: bool,
}

/// What to do for a holder without a surname. 9303-3 §4.6 puts the one name in the primary identifier; what an issuing
/// State wants is its decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NoSurname {
    /// The given name becomes the primary identifier, and there is no secondary one.
    #[default]
    GivenAsPrimary,
    /// Such a holder is refused.
    Refuse,
}

/// The profile does not say how to write a holder without surname.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the holder has no surname, and the profile refuses such holders")]
pub struct NoSurnameRefused;

/// The name field of a holder whose surname may be absent. Both names are MRZ text, as `transliteration` makes it.
///
/// # Errors
/// When there is no surname and the policy refuses.
pub fn holder_name(
    surname: Option<&str>,
    given: &str,
    policy: NoSurname,
    width: usize,
) -> Result<NameField, NoSurnameRefused> {
    match (surname.filter(|surname| !surname.is_empty()), policy) {
        (Some(surname), _) => Ok(name_field(surname, given, width)),
        (None, NoSurname::GivenAsPrimary) => Ok(name_field(given, "", width)),
        (None, NoSurname::Refuse) => Err(NoSurnameRefused),
    }
}

/// Primary identifier, `<<`, secondary identifier, filled up with `<` to `width` characters (30 in a TD1).
///
/// A name that does not fit is truncated: first the secondary identifier from its end, then, so that at least its
/// first code stays, the primary identifier from its end. The codes of the transliteration are never cut. A place that
/// cannot hold a whole code stays `<`, though 9303-5 §4.2 would have a letter in the last one: half a code would
/// name another letter.
pub fn name_field(primary: &str, secondary: &str, width: usize) -> NameField {
    let whole = if secondary.is_empty() { primary.to_owned() } else { format!("{primary}<<{secondary}") };
    if whole.len() <= width {
        return NameField { text: fill(&whole, width), truncated: false };
    }
    let first = codes(secondary).first().map_or(0, |code| code.len() + 2);
    let primary = fitting(primary, width.saturating_sub(first));
    let mut text = primary.to_owned();
    if !secondary.is_empty() {
        text.push_str("<<");
        text.push_str(fitting(secondary, width.saturating_sub(text.len())));
    }
    NameField { text: fill(&text, width), truncated: true }
}

/// The longest beginning of whole codes that has at most `width` characters and does not end with a separator.
fn fitting(name: &str, width: usize) -> &str {
    let ends = codes(name).into_iter().scan(0, |end, code| {
        *end += code.len();
        Some(*end)
    });
    let end = ends.take_while(|end| *end <= width).last().unwrap_or(0);
    name.get(..end).unwrap_or_default().trim_end_matches('<')
}

fn fill(text: &str, width: usize) -> String {
    format!("{text:<<width$}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transliteration::{Policy, arabic};

    fn truncated(primary: &str, secondary: &str) -> String {
        let field = name_field(primary, secondary, 30);
        assert!(field.truncated);
        field.text
    }

    #[test]
    fn names_that_fit_are_whole() {
        let field = name_field("ERIKSSON", "ANNA<MARIA", 30);
        assert_eq!(field, NameField { text: "ERIKSSON<<ANNA<MARIA<<<<<<<<<<".into(), truncated: false });
        assert!(!name_field("ABCDEFGHIJ", "KLMNOPQRSTUVWXYZAB", 30).truncated);
    }

    #[test]
    fn the_secondary_identifier_gives_way_first() {
        assert_eq!(truncated("NILAVADHANANANDA", "CHAYAPA<DEJTHAMRONG<KRASUANG"), "NILAVADHANANANDA<<CHAYAPA<DEJT");
        // The last code has three letters and only two places are left.
        assert_eq!(truncated("ABCDEFGHIJKLMNOPQRST", "ABCDEFXSSA"), "ABCDEFGHIJKLMNOPQRST<<ABCDEF<<");
    }

    #[test]
    fn one_code_of_the_secondary_identifier_always_stays() {
        let primary = "B".repeat(40);
        assert_eq!(truncated(&primary, "XSHYMAXE"), format!("{}<<XSH", "B".repeat(25)));
        assert_eq!(truncated(&primary, "ALY"), format!("{}<<A", "B".repeat(27)));
        assert_eq!(truncated(&primary, ""), "B".repeat(30));
        let primary = arabic("عبد الصاحب المصطفى الخضيري", Policy::Strict).unwrap();
        assert_eq!(truncated(&primary, "XDZYAXE"), "EBD<ALXSSAXHB<ALMXSSXTTF<<XDZY");
    }

    #[test]
    fn holders_without_surname() {
        let field = holder_name(None, "ZYNB", NoSurname::GivenAsPrimary, 30).unwrap();
        assert_eq!(field.text, format!("ZYNB{}", "<".repeat(26)));
        assert_eq!(holder_name(Some(""), "ZYNB", NoSurname::Refuse, 30), Err(NoSurnameRefused));
        let field = holder_name(Some("ALTJRYBY"), "ZYNB", NoSurname::Refuse, 30).unwrap();
        assert_eq!(field.text.trim_end_matches('<'), "ALTJRYBY<<ZYNB");
    }

    proptest! {
        #[test]
        fn fields_are_always_full_and_cut_between_codes(
            primary in "[\u{0621}-\u{063A}\u{0641}-\u{064A} ]{1,40}",
            secondary in "[\u{0621}-\u{063A}\u{0641}-\u{064A} ]{0,40}",
        ) {
            let primary = arabic(&primary, Policy::Strict).unwrap();
            let secondary = arabic(&secondary, Policy::Strict).unwrap();
            prop_assume!(!primary.is_empty());
            let field = name_field(&primary, &secondary, 30);
            prop_assert_eq!(field.text.len(), 30);
            let name = field.text.trim_end_matches('<');
            let (kept, rest) = name.split_once("<<").unwrap_or((name, ""));
            prop_assert!(primary.starts_with(kept) && secondary.starts_with(rest));
            prop_assert!(!kept.is_empty() && rest.is_empty() == secondary.is_empty());
            prop_assert!(codes(&primary).starts_with(&codes(kept)));
            prop_assert!(codes(&secondary).starts_with(&codes(rest)));
        }
    }
}
