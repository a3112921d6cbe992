//! The password that opens the chip, from an option, a file, standard input or a prompt.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use channel::password::{MrzKey, Password};
use channel::secret::Secret;
use inspection::{Access, Bac};
use lds::mrz::{Mrz, MrzDate, mrz_information};

use crate::args::AccessKey;
use crate::failure::Error;

/// More than any MRZ with its line ends.
const MAX_INPUT: u64 = 4096;

/// What the command line, or the person before it, gives to open the chip.
pub fn access(key: &AccessKey, bac: Bac) -> Result<Access, Error> {
    if let Some(text) = &key.can {
        return can(text, bac);
    }
    if let Some(path) = &key.can_file {
        return can(&file_or_stdin(path)?, bac);
    }
    if let Some(text) = &key.mrz {
        return mrz(text, bac);
    }
    if let Some(path) = &key.mrz_file {
        return mrz(&file_or_stdin(path)?, bac);
    }
    ask(bac)
}

fn ask(bac: Bac) -> Result<Access, Error> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Error::NoPassword);
    }
    eprint!("Card access number, or document number,birth,expiry (YYMMDD): ");
    let failed = |source| Error::Stdin { source };
    io::stderr().flush().map_err(failed)?;
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(failed)?;
    let line = line.trim();
    if line.bytes().all(|byte| byte.is_ascii_digit()) { can(line, bac) } else { mrz(line, bac) }
}

fn can(text: &str, bac: Bac) -> Result<Access, Error> {
    let digits: String = text.trim().chars().map(western).collect();
    if digits.is_empty() {
        return Err(Error::Can { reason: "is empty" });
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::Can { reason: "holds something else than digits" });
    }
    if digits.len() < 6 || digits.len() > 12 {
        return Err(Error::Can { reason: "is too short or too long" });
    }
    Ok(Access { password: Password::Can(Secret::new(digits.into_bytes())), bac, printed_mrz: None })
}

/// The whole zone, or the three fields of it that the key is made from.
fn mrz(text: &str, bac: Bac) -> Result<Access, Error> {
    let text: String = text.trim().chars().map(western).map(|c| c.to_ascii_uppercase()).collect();
    let reason = |error: &dyn ToString| Error::Mrz { reason: error.to_string() };
    if let [number, birth, expiry] = text.split(',').map(str::trim).collect::<Vec<_>>().as_slice() {
        let birth = MrzDate::parse(birth).map_err(|error| reason(&error))?;
        let expiry = MrzDate::parse(expiry).map_err(|error| reason(&error))?;
        let good = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'<');
        if !good {
            return Err(Error::Mrz {
                reason: "the document number holds something else than letters and digits".into(),
            });
        }
        let information = mrz_information(number, birth, expiry);
        return Ok(Access { password: Password::Mrz(MrzKey::from_information(&information)), bac, printed_mrz: None });
    }
    let joined: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let mrz = Mrz::parse(&joined).map_err(|error| reason(&error))?;
    if let Some(wrong) = mrz.wrong_check_digits().first() {
        return Err(Error::Mrz { reason: format!("the check digit of the {wrong} is wrong") });
    }
    let password = Password::Mrz(MrzKey::from_information(&mrz.information()));
    Ok(Access { password, bac, printed_mrz: Some(joined) })
}

/// Arabic-Indic digits as the keyboards of the posts give them.
pub fn western(c: char) -> char {
    let zero = match c {
        '\u{0660}'..='\u{0669}' => 0x0660,
        '\u{06F0}'..='\u{06F9}' => 0x06F0,
        _ => return c,
    };
    char::from_digit(u32::from(c) - zero, 10).unwrap_or(c)
}

fn file_or_stdin(path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    if path == Path::new("-") {
        io::stdin().lock().take(MAX_INPUT).read_to_string(&mut text).map_err(|source| Error::Stdin { source })?;
    } else {
        let failed = |source| Error::ReadFile { path: path.to_owned(), source };
        File::open(path).map_err(failed)?.take(MAX_INPUT).read_to_string(&mut text).map_err(failed)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: &str = "IDIRQZZ00000170199900000011<<<\n9901018F3501014IRQ<<<<<<<<<<<6\nALTJRYBY<<ZYNB<<<<<<<<<<<<<<<<";

    #[test]
    fn a_zone_and_its_three_fields_make_the_same_key() {
        let whole = mrz(ZONE, Bac::Never).unwrap();
        let fields = mrz("zz0000017, 990101, 350101", Bac::Never).unwrap();
        let (Password::Mrz(one), Password::Mrz(two)) = (whole.password, fields.password) else { panic!() };
        assert_eq!(one, two);
        assert_eq!(whole.printed_mrz.unwrap().len(), 90);
    }

    #[test]
    fn a_mistyped_zone_is_told_before_the_card_is_asked() {
        let error = mrz(&ZONE.replace("3501014", "3501024"), Bac::Never).unwrap_err();
        assert!(matches!(error, Error::Mrz { .. }), "{error}");
    }

    #[test]
    fn a_card_access_number_may_be_typed_in_arabic_digits() {
        let Access { password: Password::Can(digits), .. } = can("١٢٣۴۵۶\n", Bac::Never).unwrap() else {
            panic!()
        };
        assert_eq!(digits.expose(), b"123456");
        for wrong in ["", "12345", "12345a", "1234567890123"] {
            assert!(can(wrong, Bac::Never).is_err(), "{wrong}");
        }
    }
}
