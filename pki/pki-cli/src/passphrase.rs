//! Where passphrases and PINs come from: a descriptor, a file, or a prompt on the terminal. Never an argument.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use authority::ceremony::{Credential, custody};
use authority::{KeyPlace, Passphrase, TokenAddress};
use zeroize::Zeroizing;

use crate::args::{PassphraseSource, Secret, SignerPassphraseSource};
use crate::failure::{Failure, USAGE};

/// No passphrase is longer.
const MAX_PASSPHRASE: usize = 1024;

/// What opens existing keys: the PIN of their token, or the passphrase of their files.
pub fn existing(source: &PassphraseSource, token: Option<&TokenAddress>) -> Result<Passphrase, Failure> {
    match (given(source)?, token) {
        (Some(passphrase), _) => Ok(passphrase),
        (None, Some(token)) => prompt(&format!("PIN of the token {}: ", token.label), Failure::no_passphrase),
        (None, None) => prompt("Passphrase of the keys: ", Failure::no_passphrase),
    }
}

/// What a ceremony is given: the authority's passphrase, or the PIN that a token has.
pub fn of_ceremony(source: &Secret, token: Option<&str>) -> Result<Passphrase, Failure> {
    let words = match token {
        Some(label) => format!("PIN that the token {label} has now: "),
        None => "Passphrase of the authority's keys: ".to_owned(),
    };
    from(source)?.map_or_else(|| prompt(&words, Failure::no_passphrase), Ok)
}

/// The PIN of a token.
pub fn of_token(source: &Secret, label: &str) -> Result<Passphrase, Failure> {
    from(source)?.map_or_else(|| prompt(&format!("PIN of the token {label}: "), Failure::no_passphrase), Ok)
}

/// Credentials of custodians, opened.
pub fn credentials(paths: &[PathBuf], passphrase_files: &[PathBuf]) -> Result<Vec<Credential>, Failure> {
    let open = |(place, path): (usize, &PathBuf)| {
        Ok(Credential::open(path, &of_custodian(path, passphrase_files.get(place))?)?)
    };
    paths.iter().enumerate().map(open).collect()
}

/// The passphrase of a custodian's new credential: asked for twice.
pub fn of_credential(source: &Secret) -> Result<Passphrase, Failure> {
    match from(source)? {
        Some(passphrase) => Ok(passphrase),
        None => prompt_twice("New passphrase for the credential: ", Failure::no_passphrase),
    }
}

/// The passphrase of a custodian's credential.
fn of_custodian(credential: &Path, file: Option<&PathBuf>) -> Result<Passphrase, Failure> {
    match file {
        Some(path) => first_line(path),
        None => prompt(&format!("Passphrase of the credential {}: ", credential.display()), Failure::no_passphrase),
    }
}

/// What opens keys about to be made, which stand alone: the PIN of their token, or a new passphrase, which is asked for twice.
pub fn new(source: &PassphraseSource, place: &KeyPlace) -> Result<Passphrase, Failure> {
    match (given(source)?, place) {
        (Some(passphrase), _) => Ok(passphrase),
        (None, KeyPlace::Token(_)) => existing(source, place.token()),
        (None, KeyPlace::Software) => prompt_twice("New passphrase for the authority's keys: ", Failure::no_passphrase),
    }
}

/// The secret of a holder's next key, which will be at `place`; `None` when it is made where the current one is: both have one.
pub fn next(
    source: &SignerPassphraseSource,
    place: &KeyPlace,
    current: &KeyPlace,
) -> Result<Option<Passphrase>, Failure> {
    if place == current { Ok(None) } else { signer(source, place, current.token(), || Ok(())) }
}

/// The secret of a new signer's key, which will be at `place`; `None` when it is that of the authority's keys (which are in
/// `token`, or in files): because that was chosen, or because both are in one token. Before anybody thinks of a new passphrase and
/// types it twice, `tried` says whether the one that was given first is right.
pub fn signer(
    source: &SignerPassphraseSource,
    place: &KeyPlace,
    token: Option<&TokenAddress>,
    tried: impl FnOnce() -> Result<(), Failure>,
) -> Result<Option<Passphrase>, Failure> {
    if source.same_passphrase {
        return Ok(None);
    }
    match (first(source.signer_passphrase_fd, source.signer_passphrase_file.as_deref())?, place) {
        (Some(own), _) => Ok(Some(own)),
        (None, KeyPlace::Token(place)) if token == Some(place) => Ok(None),
        (None, KeyPlace::Token(place)) => {
            prompt(&format!("PIN of the token {}: ", place.label), Failure::no_signer_passphrase).map(Some)
        }
        (None, KeyPlace::Software) => {
            if std::io::stdin().is_terminal() {
                tried()?;
            }
            prompt_twice("New passphrase for the new key: ", Failure::no_signer_passphrase).map(Some)
        }
    }
}

fn given(source: &PassphraseSource) -> Result<Option<Passphrase>, Failure> {
    let Some(file) = &source.custody else { return from(&source.secret) };
    let custodians = credentials(&source.custodian, &source.custodian_passphrase_file)?;
    Ok(Some(custody::open(file, &custodians)?))
}

fn from(source: &Secret) -> Result<Option<Passphrase>, Failure> {
    first(source.passphrase_fd, source.passphrase_file.as_deref())
}

fn first(descriptor: Option<u32>, file: Option<&Path>) -> Result<Option<Passphrase>, Failure> {
    match (descriptor, file) {
        (Some(number), _) => first_line(&PathBuf::from(format!("/dev/fd/{number}"))).map(Some),
        (None, Some(path)) => first_line(path).map(Some),
        (None, None) => Ok(None),
    }
}

fn first_line(path: &Path) -> Result<Passphrase, Failure> {
    let mut line = secret_line(path)?;
    Ok(Passphrase::new(std::mem::take(&mut *line)))
}

/// The first line of a file of secrets, without its end.
pub fn secret_line(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Reserved at once and read without a buffer: what grows or is buffered leaves copies behind that nobody wipes.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSPHRASE));
    match File::open(path).and_then(|file| read_line(file, &mut line)) {
        Ok(()) => Ok(line),
        Err(error) => Err(Failure {
            what: "The passphrase, PIN or key could not be read.".to_owned(),
            why: format!("{}: {error}", path.display()),
            remedy: "Name a file or descriptor that holds it in its first line.".to_owned(),
            exit: USAGE,
        }),
    }
}

fn read_line(mut file: File, line: &mut Vec<u8>) -> io::Result<()> {
    let mut byte = [0];
    while line.len() < MAX_PASSPHRASE && file.read(&mut byte)? == 1 && byte != *b"\n" {
        line.extend_from_slice(&byte);
    }
    Ok(())
}

fn prompt(words: &str, refused: fn(&str) -> Failure) -> Result<Passphrase, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(refused("there is no terminal to ask on"));
    }
    rpassword::prompt_password(words).map(Passphrase::new).map_err(|error| refused(&error.to_string()))
}

fn prompt_twice(words: &str, refused: fn(&str) -> Failure) -> Result<Passphrase, Failure> {
    let passphrase = prompt(words, refused)?;
    let again = prompt("The same again: ", refused)?;
    if passphrase.expose() == again.expose() { Ok(passphrase) } else { Err(Failure::passphrases_differ()) }
}
