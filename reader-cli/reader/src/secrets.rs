//! Secrets of people and terminals: typed without echo, or from the first line of a file. Never from the command line.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use channel::secret::Secret;
use zeroize::Zeroizing;

use crate::failure::Error;

/// No secret is longer.
const LONGEST: u64 = 1024;

/// What is typed after `prompt`; the reason when nobody can be asked.
pub fn ask(prompt: &str) -> Result<Secret, String> {
    if !io::stdin().is_terminal() {
        return Err("there is no terminal to ask on".to_owned());
    }
    let typed = rpassword::prompt_password(prompt).map_err(|error| error.to_string())?;
    Ok(Secret::new(typed.into_bytes()))
}

/// The first line of the file.
pub fn first_line(path: &Path) -> Result<Secret, Error> {
    let failed = |source| Error::ReadFile { path: path.to_owned(), source };
    // One byte at a time: what is buffered leaves copies behind that nobody wipes.
    let mut input = File::open(path).map_err(failed)?.take(LONGEST);
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST as usize));
    let mut byte = [0];
    while input.read(&mut byte).map_err(failed)? == 1 && byte != *b"\n" {
        line.extend_from_slice(&byte);
    }
    let text = line.as_slice();
    Ok(Secret::from(text.strip_suffix(b"\r").unwrap_or(text)))
}
