//! Does the name in the MRZ agree with the name in the holder's script?
//!
//! Accepted besides the code that this crate writes:
//! - teh marbuta as `XTA` or `XAH` anywhere (a sample program of 9303-3 App. B always writes `XAH`)
//! - ڤ as `V` (table) or `XV` (sample program), ې as `Y` or `I`
//! - the last letter of الله as `H` (table) or `XH` (printed examples of App. B)
//! - a shadda that the MRZ does not repeat, as from an unvocalised record
//! - the national codes for Kurdish letters

use std::collections::BTreeSet;

use super::{Policy, TEH_MARBUTA, TEH_MARBUTA_AT_END, Unit, UnmappedLetter, arabic_code, join, latin_code, units};

/// How far two names agree, from best to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Agreement {
    /// The MRZ is what this crate would write.
    Exact,
    /// The MRZ is another accepted writing of the name.
    Variant,
    /// The MRZ is the beginning of the name; only acceptable where the name field is full.
    Truncated,
    /// It is not this name.
    Differs,
}

/// Compares one identifier of the MRZ (words separated by `<`) with a name in Arabic, Kurdish or Latin script.
///
/// # Errors
/// When the name has a letter that no table knows, so that nothing can be said.
pub fn agrees(mrz: &str, native: &str) -> Result<Agreement, UnmappedLetter> {
    let mrz = mrz.trim_matches('<');
    let spelled = native.replace('<', " ");
    let units = units(&spelled, |letter| arabic_code(letter, Policy::KurdishExtension).or_else(|| latin_code(letter)))?;
    if join(&units) == mrz {
        return Ok(Agreement::Exact);
    }
    // All the places in the MRZ where the reading may stand after each letter.
    let mut reached = BTreeSet::from([0]);
    let mut cut = false;
    for (index, unit) in units.iter().enumerate() {
        cut |= index > 0 && reached.contains(&mrz.len());
        let accepted = accepted(unit, units.get(..index).unwrap_or_default());
        let advance = |from: usize| {
            let rest = mrz.get(from..).unwrap_or_default();
            let step = |text: &String| rest.starts_with(text.as_str()).then_some(from + text.len());
            accepted.iter().filter_map(step).collect::<Vec<_>>()
        };
        reached = reached.into_iter().flat_map(advance).collect();
    }
    Ok(match (reached.contains(&mrz.len()), cut) {
        (true, _) if !units.is_empty() => Agreement::Variant,
        (_, true) => Agreement::Truncated,
        _ => Agreement::Differs,
    })
}

/// Compares both identifiers of the MRZ with a full name as DG11 carries it.
///
/// `full_name` is `primary<<secondary` (9303-10), or a list of components `given<father<grandfather<surname`. The MRZ
/// may hold fewer of the secondary names than DG11, but the first ones. With an empty secondary identifier the primary
/// may be the given name of a holder without surname.
///
/// # Errors
/// When the name has a letter that no table knows.
pub fn name_agrees(primary: &str, secondary: &str, full_name: &str) -> Result<Agreement, UnmappedLetter> {
    let mut best = Agreement::Differs;
    for (surname, given) in readings(full_name) {
        let primary = agrees(primary, &surname)?;
        let secondary = match (secondary.is_empty(), given.is_empty()) {
            (true, true) => Agreement::Exact,
            (true, false) | (false, true) => Agreement::Differs,
            (false, false) => agrees(secondary, &given)?,
        };
        best = best.min(primary.max(secondary));
    }
    Ok(best)
}

/// Every way to take a full name apart into primary and secondary identifier.
fn readings(full_name: &str) -> Vec<(String, String)> {
    /// More components than any name has.
    const MOST: usize = 12;
    if let Some((primary, secondary)) = full_name.split_once("<<") {
        let names: Vec<&str> = secondary.split('<').filter(|name| !name.is_empty()).take(MOST).collect();
        return beginnings(&names)
            .map(|given| (primary.to_owned(), given))
            .chain(no_secondary(primary, &names))
            .collect();
    }
    let components: Vec<&str> = full_name.split('<').filter(|name| !name.is_empty()).take(MOST).collect();
    let mut readings: Vec<(String, String)> = beginnings(&components).map(|given| (given, String::new())).collect();
    for at in 1..components.len() {
        let (names, surname) = components.split_at(at);
        readings.extend(beginnings(names).map(|given| (surname.join(" "), given)));
    }
    readings
}

fn beginnings<'a>(names: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    (1..=names.len()).filter_map(|count| Some(names.get(..count)?.join(" ")))
}

fn no_secondary(primary: &str, secondary: &[&str]) -> Option<(String, String)> {
    secondary.is_empty().then(|| (primary.to_owned(), String::new()))
}

fn accepted(unit: &Unit, before: &[Unit]) -> Vec<String> {
    let Unit::Letter { letter, code: [first, second], doubled } = unit else { return vec!["<".to_owned()] };
    let written = format!("{first}{second}");
    let other = match *letter {
        TEH_MARBUTA if *first == TEH_MARBUTA_AT_END => Some("XTA"),
        TEH_MARBUTA => Some(TEH_MARBUTA_AT_END),
        '\u{06A4}' => Some("XV"),
        '\u{06D0}' => Some("I"),
        '\u{0647}' if follows_two_lams(before) => Some("XH"),
        _ => None,
    };
    let mut accepted: Vec<String> = [Some(written), other.map(str::to_owned)].into_iter().flatten().collect();
    if *doubled {
        let twice: Vec<String> = accepted.iter().map(|code| code.repeat(2)).collect();
        accepted.extend(twice);
    }
    accepted
}

fn follows_two_lams(before: &[Unit]) -> bool {
    const LAM: char = '\u{0644}';
    matches!(
        before,
        [.., Unit::Letter { letter: LAM, doubled: true, .. }]
            | [.., Unit::Letter { letter: LAM, .. }, Unit::Letter { letter: LAM, .. }]
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transliteration::arabic;

    #[test]
    fn variants_that_issuers_print() {
        for (mrz, native, expected) in [
            ("EBD<ALLH", "عبد الله", Agreement::Exact),
            ("EBD<ALLXH", "عبد الله", Agreement::Variant),
            ("EBD<ALLXH", "عبد اللّه", Agreement::Variant),
            ("VYAN", "ڤيان", Agreement::Exact),
            ("XVYAN", "ڤيان", Agreement::Variant),
            ("FAXTTMXTA", "فاطمة", Agreement::Variant),
            ("EBAS", "عبّاس", Agreement::Variant),
            ("EBBAS", "عبّاس", Agreement::Exact),
            ("EBBAS", "عباس", Agreement::Differs),
            ("XSHYXKHANXYA", "شێخانی", Agreement::Exact),
            ("ERIKSSON", "Eriksson", Agreement::Exact),
            ("EBDALRXHMN", "عبد الرحمن", Agreement::Differs),
            ("MXSSXTTF", "مصطفى", Agreement::Truncated),
            ("XHSN", "حسين", Agreement::Differs),
            ("", "حسين", Agreement::Differs),
            ("HXH", "هح", Agreement::Exact),
        ] {
            assert_eq!(agrees(mrz, native).unwrap(), expected, "{mrz} {native}");
        }
        assert_eq!(agrees("ELY", "علي!").unwrap_err().letter, '!');
    }

    #[test]
    fn full_names_in_both_forms() {
        for (primary, secondary, full, expected) in [
            ("ALTJRYBY", "ZYNB", "زينب<علي<حسين<التجريبي", Agreement::Exact),
            ("ALTJRYBY", "ZYNB", "التجريبي<<زينب", Agreement::Exact),
            ("ALTJRYBY", "ZYNB", "التجريبي<<زينب<علي", Agreement::Exact),
            ("EBD<ALRXHMN", "MXSSXTTFXAY", "مصطفى<علي<عبد الرحمن", Agreement::Exact),
            ("ZYNB", "", "زينب<علي<حسين", Agreement::Exact),
            ("ZYNB", "", "زينب", Agreement::Exact),
            ("ALTJRYBY", "ELY", "زينب<علي<حسين<التجريبي", Agreement::Differs),
            ("ZYNB", "ALTJRYBY", "زينب<علي<حسين<التجريبي", Agreement::Differs),
            ("ALTJRYBY", "ZY", "التجريبي<<زينب", Agreement::Truncated),
        ] {
            assert_eq!(name_agrees(primary, secondary, full).unwrap(), expected, "{primary} {secondary} {full}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_agrees(text in "[\u{0621}-\u{063A}\u{0641}-\u{0652} \u{06CE}\u{06C6}]{0,40}") {
            let mrz = arabic(&text, Policy::KurdishExtension).unwrap();
            prop_assert_eq!(agrees(&mrz, &text).unwrap(), Agreement::Exact);
        }

        #[test]
        fn hostile_text_never_panics(mrz in ".{0,40}", native in ".{0,60}") {
            let _ = agrees(&mrz, &native);
            let _ = name_agrees(&mrz, &mrz, &native);
        }

        #[test]
        fn long_ambiguous_names_are_compared_in_little_time(count in 0usize..3000) {
            let native = "بّ".repeat(count);
            let _ = agrees(&"B".repeat(39), &native);
        }
    }
}
