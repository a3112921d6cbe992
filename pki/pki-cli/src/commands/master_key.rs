//! `master-key`: the keys from which those of cards are derived.

use std::path::PathBuf;

use authority::{MasterKey, Token};
use channel::secret::Secret;
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::{self, MasterKeyPlace, NewMasterKey};
use crate::failure::{Failure, USAGE};
use crate::output::show;
use crate::passphrase;

pub fn run(command: &args::MasterKey, json: bool) -> Result<(), Failure> {
    match command {
        args::MasterKey::New(NewMasterKey { place, kind }) => {
            let token = Token::open(&place.address(), &passphrase::of_token(&place.pin, &place.token_label)?)?;
            let key = MasterKey::generate(&token, &place.label, *kind)?;
            tell("master-key new", "master key made", place, &key, json)
        }
        args::MasterKey::Import { key: NewMasterKey { place, kind }, component, check_value } => {
            let value = put_together(component, kind.length())?;
            let token = Token::open(&place.address(), &passphrase::of_token(&place.pin, &place.token_label)?)?;
            let key = MasterKey::import(&token, &place.label, *kind, &value)?;
            if let Some(expected) = check_value {
                let found = hex::encode(key.check_value()?);
                // Parties write fewer digits than others.
                let expected = expected.to_ascii_lowercase();
                if expected.len() < 6 || !found.starts_with(&expected) {
                    key.destroy()?;
                    return Err(Failure {
                        what: "The master key was not imported.".to_owned(),
                        why: format!("its check value is {found}, not {expected}"),
                        remedy: "Compare every component, and --kind, with what the maker of the key sent.".to_owned(),
                        exit: USAGE,
                    });
                }
            }
            tell("master-key import", "master key imported", place, &key, json)
        }
        args::MasterKey::Show { place } => {
            let token = Token::open(&place.address(), &passphrase::of_token(&place.pin, &place.token_label)?)?;
            tell("master-key show", "master key", place, &MasterKey::find(&token, &place.label)?, json)
        }
    }
}

fn tell(command: &str, what: &str, place: &MasterKeyPlace, key: &MasterKey, json: bool) -> Result<(), Failure> {
    let (kind, check_value) = (key.kind().to_string(), hex::encode_upper(key.check_value()?));
    let words = format!(
        "{what}\n  token          {}\n  label          {}\n  kind           {kind}\n  check value    {check_value}",
        place.token_label,
        key.label(),
    );
    let object = json!({ "token": place.token_label, "label": key.label(), "kind": kind, "check_value": check_value });
    show(json, command, object, &words)
}

/// The exclusive or of the components.
fn put_together(files: &[PathBuf], length: usize) -> Result<Secret, Failure> {
    let mut value = Zeroizing::new(vec![0; length]);
    for path in files {
        let line = passphrase::secret_line(path)?;
        let mut bytes = Zeroizing::new(vec![0; length]);
        hex::decode_to_slice(line.trim_ascii(), &mut bytes).map_err(|_| Failure {
            what: "A component of the key cannot be used.".to_owned(),
            why: format!("the first line of {} is not {length} bytes in hexadecimal", path.display()),
            remedy: "Correct the file, or --kind.".to_owned(),
            exit: USAGE,
        })?;
        value.iter_mut().zip(bytes.iter()).for_each(|(sum, byte)| *sum ^= byte);
    }
    // Nobody who compares check values would notice that it is known to everybody.
    if value.iter().all(|byte| *byte == 0) {
        return Err(Failure {
            what: "The components of the key cannot be used.".to_owned(),
            why: "together they are nothing but zeros: one of them was given twice".to_owned(),
            remedy: "Name the file of each component once.".to_owned(),
            exit: USAGE,
        });
    }
    Ok(Secret::new(std::mem::take(&mut *value)))
}
