//! `master-key`: the keys from which those of cards are derived.

use std::path::PathBuf;

use authority::{MasterKey, MasterKind, Token};
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
            let expected = check_value.as_deref().map(|digits| digits_of(digits, *kind)).transpose()?;
            let value = put_together(component, *kind)?;
            // Before the key is in the token: what is wrong never comes into it.
            let computed = kind.check_value(&value).map_err(|error| refused(error.to_string()))?;
            agree(expected.as_deref(), &computed)?;
            let token = Token::open(&place.address(), &passphrase::of_token(&place.pin, &place.token_label)?)?;
            let key = MasterKey::import(&token, &place.label, *kind, &value)?;
            // And what the token took must be that key.
            if let Err(failure) = agree(Some(&hex::encode(&computed)), &key.check_value()?) {
                key.destroy()?;
                return Err(failure);
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

/// The digits of a check value in lower case. Parties write fewer digits than others.
fn digits_of(check_value: &str, kind: MasterKind) -> Result<String, Failure> {
    let most = match kind {
        MasterKind::Aes(_) => 10,
        MasterKind::TripleDes => 6,
    };
    match (6..=most).contains(&check_value.len()) && check_value.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        true => Ok(check_value.to_ascii_lowercase()),
        false => Err(Failure {
            what: "The check value cannot be used.".to_owned(),
            why: format!("of a key of the kind {kind} it is 6 to {most} hexadecimal digits"),
            remedy: "Correct --check-value, or --kind.".to_owned(),
            exit: USAGE,
        }),
    }
}

fn agree(expected: Option<&str>, found: &[u8]) -> Result<(), Failure> {
    let found = hex::encode(found);
    match expected {
        Some(expected) if !found.starts_with(expected) => {
            Err(refused(format!("its check value is {found}, not {expected}")))
        }
        _ => Ok(()),
    }
}

fn refused(why: String) -> Failure {
    Failure {
        what: "The master key was not imported.".to_owned(),
        why,
        remedy: "Compare every component, and --kind, with what the maker of the key sent.".to_owned(),
        exit: USAGE,
    }
}

/// The exclusive or of the components.
fn put_together(files: &[PathBuf], kind: MasterKind) -> Result<Secret, Failure> {
    let length = kind.length();
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
    // Then it is single DES, whatever its length. The lowest bit of each byte is parity.
    let (left, right) = value.split_at(length / 2);
    if kind == MasterKind::TripleDes && left.iter().zip(right).all(|(left, right)| (left ^ right) & 0xFE == 0) {
        return Err(refused(
            "both halves of the 3DES key are the same, so it protects no better than single DES".to_owned(),
        ));
    }
    Ok(Secret::new(std::mem::take(&mut *value)))
}
