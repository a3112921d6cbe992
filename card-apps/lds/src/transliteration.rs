//! How names get into the MRZ: letters of the holder's script to A-Z (9303-3 §6).
//!
//! Each Arabic letter has one code of one to three letters; codes of more than one letter begin with `X`, and no code
//! is the beginning of another. Words are separated by `<`. What the registry stores is transliterated as it stands:
//! `احمد` and `أحمد` are two spellings with two results, and nothing is corrected here.
//!
//! Writing is exact; [`agrees`] and [`name_agrees`] compare as a reader must, with the variants that issuers are known
//! to print.

mod matching;
mod tables;

pub use matching::{Agreement, agrees, name_agrees};

use tables::{ARABIC, KURDISH, LATIN};

const TEH_MARBUTA: char = '\u{0629}';
const TEH_MARBUTA_AT_END: &str = "XAH";
const SHADDA: char = '\u{0651}';

/// What to do with letters that the table of 9303-3 does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    /// The table of 9303-3 alone.
    #[default]
    Strict,
    /// With the national profile's codes for the Kurdish letters ێ ۆ ڕ ڵ ە, the zero-width non-joiner dropped. Not
    /// part of 9303, and lossy: documents that use it say so in their profile.
    KurdishExtension,
}

/// A character that has no place in the MRZ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the letter U+{:04X} at position {position} has no transliteration", u32::from(*letter))]
pub struct UnmappedLetter {
    /// The character.
    pub letter: char,
    /// Its position in the text, counting characters from 1.
    pub position: usize,
}

/// A name in Arabic script as MRZ text, words separated by single `<`.
///
/// # Errors
/// Names the first letter that has no code, and its position.
pub fn arabic(text: &str, policy: Policy) -> Result<String, UnmappedLetter> {
    Ok(join(&units(text, |letter| arabic_code(letter, policy))?))
}

/// A name in Latin script as MRZ text, words separated by single `<`.
///
/// # Errors
/// Names the first letter that has no code, and its position.
pub fn latin(text: &str) -> Result<String, UnmappedLetter> {
    Ok(join(&units(text, latin_code)?))
}

/// One code read back from MRZ text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadCode {
    /// The code, or one character that is no code.
    pub code: String,
    /// The Arabic letters it can stand for, the likeliest first; empty for `<` and for what is no code.
    pub letters: Vec<char>,
    /// The same code follows again: these are two letters, or one with shadda, which the MRZ cannot tell apart.
    pub repeated: bool,
}

/// Reads MRZ text back to the Arabic letters it can come from. Kurdish letters are among the candidates, and the two
/// codes that the informative example of 9303-3 prints unlike the table (`XV` for ڤ, `I` for ې).
pub fn reverse(mrz: &str) -> Vec<ReadCode> {
    let codes = codes(mrz);
    let next = codes.iter().skip(1).map(Some).chain([None]);
    let read = |(code, next): (&&str, Option<&&str>)| ReadCode {
        code: (*code).to_owned(),
        letters: letters_of(code),
        repeated: *code != "<" && next == Some(code),
    };
    codes.iter().zip(next).map(read).collect()
}

/// MRZ text cut into codes: the letters of one code stay together, anything else stands alone. A Latin name that
/// happens to contain such letters is cut the same way, which only matters where it is truncated.
pub(crate) fn codes(mrz: &str) -> Vec<&str> {
    let mut rest = mrz;
    let mut codes = Vec::new();
    while let Some(first) = rest.chars().next() {
        let code = (2..=3).filter_map(|length| rest.get(..length)).find(|code| is_code(code));
        let (code, after) = rest.split_at(code.map_or(first.len_utf8(), str::len));
        codes.push(code);
        rest = after;
    }
    codes
}

fn is_code(text: &str) -> bool {
    text.starts_with('X') && !letters_of(text).is_empty()
}

fn letters_of(code: &str) -> Vec<char> {
    let with = |table: &'static [(char, &str)]| {
        table.iter().filter(move |(_, known)| *known == code).map(|(letter, _)| *letter)
    };
    let special = match code {
        TEH_MARBUTA_AT_END => Some(TEH_MARBUTA),
        "XV" => Some('\u{06A4}'),
        "I" => Some('\u{06D0}'),
        _ => None,
    };
    if code.is_empty() {
        return Vec::new();
    }
    with(ARABIC).chain(special).chain(with(KURDISH)).collect()
}

/// A piece of a name on its way into the MRZ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Separator,
    Letter { letter: char, code: Code, doubled: bool },
}

/// Up to two codes in a row: what one capital letter becomes (`ß` is two letters).
type Code = [&'static str; 2];

fn units(text: &str, code: impl Fn(char) -> Option<Code>) -> Result<Vec<Unit>, UnmappedLetter> {
    let mut units: Vec<Unit> = Vec::new();
    for (index, letter) in text.chars().enumerate() {
        match letter {
            ' ' | '\u{00A0}' | '-' | '\u{2010}' | '\u{2011}' => {
                if matches!(units.last(), Some(Unit::Letter { .. })) {
                    units.push(Unit::Separator);
                }
            }
            '\'' | '\u{2019}' | '\u{02BC}' => {}
            SHADDA => {
                if let Some(Unit::Letter { doubled, .. }) = units.last_mut() {
                    *doubled = true;
                }
            }
            _ if compose(&mut units, letter, &code) => {}
            _ => match code(letter) {
                None => return Err(UnmappedLetter { letter, position: index + 1 }),
                Some(["", _]) => {}
                Some(code) => units.push(Unit::Letter { letter, code, doubled: false }),
            },
        }
    }
    if units.last() == Some(&Unit::Separator) {
        units.pop();
    }
    finish_teh_marbuta(&mut units);
    Ok(units)
}

/// A hamza or madda written as a combining mark belongs to the letter before it (the canonical compositions of
/// Unicode).
fn compose(units: &mut [Unit], mark: char, code: impl Fn(char) -> Option<Code>) -> bool {
    let Some(Unit::Letter { letter, code: last, .. }) = units.last_mut() else { return false };
    let composed = match (*letter, mark) {
        ('\u{0627}', '\u{0653}') => '\u{0622}',
        ('\u{0627}', '\u{0654}') => '\u{0623}',
        ('\u{0648}', '\u{0654}') => '\u{0624}',
        ('\u{0627}', '\u{0655}') => '\u{0625}',
        ('\u{064A}', '\u{0654}') => '\u{0626}',
        ('\u{06D5}', '\u{0654}') => '\u{06C0}',
        ('\u{06C1}', '\u{0654}') => '\u{06C2}',
        ('\u{06D2}', '\u{0654}') => '\u{06D3}',
        _ => return false,
    };
    let Some(composed_code) = code(composed) else { return false };
    (*letter, *last) = (composed, composed_code);
    true
}

/// Teh marbuta is `XAH` at the end of a name component and `XTA` elsewhere (9303-3 §6 C, table note).
fn finish_teh_marbuta(units: &mut [Unit]) {
    let mut at_end = true;
    for unit in units.iter_mut().rev() {
        match unit {
            Unit::Letter { letter: TEH_MARBUTA, code, .. } if at_end => *code = [TEH_MARBUTA_AT_END, ""],
            _ => {}
        }
        at_end = *unit == Unit::Separator;
    }
}

fn join(units: &[Unit]) -> String {
    let mut text = String::new();
    for unit in units {
        match unit {
            Unit::Separator => text.push('<'),
            Unit::Letter { code: [first, second], doubled, .. } => {
                let times = if *doubled { 2 } else { 1 };
                text.push_str(&first.repeat(times));
                text.push_str(&second.repeat(times));
            }
        }
    }
    text
}

fn arabic_code(letter: char, policy: Policy) -> Option<Code> {
    let extension = match policy {
        Policy::Strict => &[],
        Policy::KurdishExtension => KURDISH,
    };
    ARABIC.iter().chain(extension).find(|(known, _)| *known == letter).map(|(_, code)| [*code, ""])
}

fn latin_code(letter: char) -> Option<Code> {
    let mut upper = letter.to_uppercase().map(|upper| {
        let known = LATIN.iter().find(|(known, _)| *known == upper).map(|(_, code)| *code);
        known.or_else(|| capital(upper))
    });
    match (upper.next(), upper.next(), upper.next()) {
        (Some(first), None, _) => Some([first?, ""]),
        (Some(first), Some(second), None) => Some([first?, second?]),
        _ => None,
    }
}

fn capital(letter: char) -> Option<&'static str> {
    const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let at = CAPITALS.find(letter)?;
    CAPITALS.get(at..at + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_vectors::Vectors;

    use super::*;

    fn strict(text: &str) -> String {
        arabic(text, Policy::Strict).unwrap()
    }

    #[test]
    fn the_tables_are_those_of_the_standard() {
        let vectors = Vectors::load("icao9303-3-transliteration");
        for entry in vectors.list("/arabic") {
            let letter = u32::from_str_radix(entry["codepoint"].as_str().unwrap(), 16).ok().and_then(char::from_u32);
            let known = ARABIC.iter().find(|(known, _)| Some(*known) == letter).map_or("", |(_, code)| *code);
            assert_eq!(known, entry["mrz"].as_str().unwrap(), "{entry}");
        }
        for entry in vectors.list("/latin") {
            let letter = u32::from_str_radix(entry["codepoint"].as_str().unwrap(), 16).ok().and_then(char::from_u32);
            let text = format!("A{}A", letter.unwrap());
            assert_eq!(latin(&text).unwrap(), format!("A{}A", entry["mrz"].as_str().unwrap()), "{entry}");
        }
    }

    #[test]
    fn no_code_is_the_beginning_of_another() {
        let codes =
            ARABIC.iter().map(|(_, code)| *code).chain([TEH_MARBUTA_AT_END, "XV"]).filter(|code| !code.is_empty());
        let codes: Vec<&str> = codes.collect();
        for a in &codes {
            assert!(codes.iter().all(|b| a == b || !b.starts_with(a)), "{a}");
        }
    }

    #[test]
    fn worked_examples_of_the_standard() {
        for (text, mrz) in [
            ("ابو بكر محمد بن زكريا الرازي", "ABW<BKR<MXHMD<BN<ZKRYA<ALRAZY"),
            ("هاري الشماع", "HARY<ALXSHMAE"),
            ("جمال عبد الناصر", "JMAL<EBD<ALNAXSSR"),
            ("عبد العزيز بن متعب", "EBD<ALEZYZ<BN<MTEB"),
            ("إسماعيل", "ISMAEYL"),
            ("عزّ الدين", "EZZ<ALDYN"),
            ("جميلة نعيمة", "JMYLXAH<NEYMXAH"),
            ("عبّاس", "EBBAS"),
            ("فضّة", "FXDZXDZXAH"),
        ] {
            assert_eq!(strict(text), mrz, "{text}");
        }
    }

    #[test]
    fn iraqi_names() {
        for (text, mrz) in [
            ("حيدر", "XHYDR"),
            ("علي", "ELY"),
            ("حسين", "XHSYN"),
            ("احمد", "AXHMD"),
            ("أحمد", "XAEXHMD"),
            ("إبراهيم", "IBRAHYM"),
            ("ابراهيم", "ABRAHYM"),
            ("فاطمة", "FAXTTMXAH"),
            ("زهراء", "ZHRAXE"),
            ("مصطفى", "MXSSXTTFXAY"),
            ("هدى", "HDXAY"),
            ("عبدالرحمن", "EBDALRXHMN"),
            ("عبد الرحمن", "EBD<ALRXHMN"),
            ("آمنة", "XAAMNXAH"),
            ("رؤوف", "RUWF"),
            ("ثائر", "XTHAXIR"),
            ("ضياء", "XDZYAXE"),
            ("ظافر", "XZZAFR"),
            ("ذوالفقار", "XDHWALFQAR"),
            ("شيماء", "XSHYMAXE"),
            ("الجبوري", "ALJBWRY"),
            ("البياتي", "ALBYATY"),
            ("الكعبي", "ALKEBY"),
            ("الحسيني", "ALXHSYNY"),
            ("غانمي", "GANMY"),
        ] {
            assert_eq!(strict(text), mrz, "{text}");
        }
    }

    #[test]
    fn kurdish_letters_need_the_extension() {
        for (text, mrz) in [
            ("ئازاد", "XIAZAD"),
            ("گۆران", "XGGWRAN"),
            ("ڕێبوار", "RYBWAR"),
            ("دڵشاد", "DLXSHAD"),
            ("ژیان", "XJXYAAN"),
            ("چنار", "XCNAR"),
            ("شێخانی", "XSHYXKHANXYA"),
            ("ه\u{200C}", "H"),
            ("ە", "H"),
        ] {
            assert_eq!(arabic(text, Policy::KurdishExtension).unwrap(), mrz, "{text}");
        }
        let error = arabic("گۆران", Policy::Strict).unwrap_err();
        assert_eq!(error, UnmappedLetter { letter: '\u{06C6}', position: 2 });
        assert_eq!(error.to_string(), "the letter U+06C6 at position 2 has no transliteration");
        assert_eq!(arabic("ه\u{200C}", Policy::Strict).unwrap_err().letter, '\u{200C}');
    }

    #[test]
    fn marks_separators_and_compositions() {
        assert_eq!(strict("مُحَمَّد"), "MXHMMD");
        assert_eq!(strict("محمّد"), strict("محم\u{064E}\u{0651}د"));
        assert_eq!(strict("عـلـي"), "ELY");
        assert_eq!(strict("  عبد   الله - "), "EBD<ALLH");
        assert_eq!(strict("ا\u{0654}حمد"), "XAEXHMD");
        assert_eq!(strict("فاطمةُ"), "FAXTTMXAH");
        assert_eq!(strict("ةب"), "XTAB");
        assert_eq!(strict("ڤيان"), "VYAN");
        assert_eq!(strict(""), "");
        assert!(arabic("علي2", Policy::KurdishExtension).is_err());
        assert!(arabic("علي\u{202E}", Policy::KurdishExtension).is_err());
    }

    #[test]
    fn latin_names() {
        assert_eq!(latin("Eriksson").unwrap(), "ERIKSSON");
        assert_eq!(latin("Anna-Maria O'Connor").unwrap(), "ANNA<MARIA<OCONNOR");
        assert_eq!(latin("Mößbauer Çelik").unwrap(), "MOESSBAUER<CELIK");
        assert_eq!(latin("Anna 2").unwrap_err(), UnmappedLetter { letter: '2', position: 6 });
    }

    #[test]
    fn reading_back_offers_every_letter() {
        let read = reverse("MXSSXTTFXAY<MMDWXH");
        let codes: Vec<&str> = read.iter().map(|code| code.code.as_str()).collect();
        assert_eq!(codes, ["M", "XSS", "XTT", "F", "XAY", "<", "M", "M", "D", "W", "XH"]);
        assert_eq!(read[1].letters, ['ص']);
        assert_eq!(read[9].letters, ['و', 'ۆ']);
        assert!(read[6].repeated && !read[7].repeated);
        assert_eq!(reverse("XVI")[0].letters, ['ڤ']);
        assert_eq!(reverse("XVI")[1].letters, ['إ', 'ې']);
        assert_eq!(reverse("XAH")[0].letters, ['ة']);
        assert_eq!(reverse("XQ")[0], ReadCode { code: "X".into(), letters: vec![], repeated: false });
    }

    proptest! {
        #[test]
        fn any_text_gives_mrz_characters_or_an_error(text in ".{0,40}") {
            for mrz in [arabic(&text, Policy::KurdishExtension), latin(&text)].into_iter().flatten() {
                prop_assert!(mrz.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'<'));
                prop_assert!(!mrz.contains("<<") && !mrz.starts_with('<') && !mrz.ends_with('<'));
            }
            let _ = reverse(&text);
        }

        #[test]
        fn codes_read_back_to_the_letters_written(text in "[\u{0621}-\u{063A}\u{0641}-\u{064A}]{1,12}") {
            let mrz = strict(&text);
            let read = reverse(&mrz);
            prop_assert_eq!(read.len(), text.chars().count());
            for (letter, read) in text.chars().zip(read) {
                prop_assert!(read.letters.contains(&letter));
            }
        }
    }
}
