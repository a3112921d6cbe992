//! `ceremony`: leads custodians through a script at the terminal, and replays transcripts.

use std::borrow::Cow;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;

use authority::ceremony::{self, Ceremony, Credential, Custodian, Replay, Room, Script};
use jiff::Timestamp;
use openssl::sha::sha256;
use serde_json::{Value, json};

use crate::args::{Run, Secret};
use crate::failure::{Failure, TRUST, USAGE};
use crate::output::{grouped, show};
use crate::passphrase;

pub fn credential(name: &str, out: &Path, source: &Secret, json: bool) -> Result<(), Failure> {
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(Failure {
            what: "No credential was made.".to_owned(),
            why: format!("{name:?} is empty or holds control characters"),
            remedy: "Give the name as it is spoken, on one line.".to_owned(),
            exit: USAGE,
        });
    }
    let words = passphrase::of_credential(source)?;
    let credential = Credential::create(out, &words)?;
    let pin = credential.pin()?;
    let object = json!({ "name": name, "file": out, "key": credential.public_key(), "pin": pin });
    let name = toml::Value::String(name.to_owned());
    let words = format!(
        "# Posts that believe trust bundles with this signature pin {pin}.\n[[custodian]]\nname = {name}\nkey = \"{}\"",
        credential.public_key()
    );
    show(json, "ceremony credential", object, &words)?;
    Ok(())
}

pub fn run(arguments: &Run, json: bool) -> Result<(), Failure> {
    let script = read(&arguments.script)?;
    let credentials = passphrase::credentials(&arguments.credential, &arguments.credential_passphrase_file)?;
    let parsed = Script::parse(&script);
    let token = parsed.as_ref().ok().and_then(Script::token).map(|token| token.label.as_str());
    let shared = parsed.as_ref().is_ok_and(|script| script.custody == ceremony::Custody::Shared);
    // Who shares a secret needs none, unless a token is to be taken over with the PIN that it has.
    let secret = match (shared, token) {
        (true, None) => None,
        _ => Some(passphrase::of_ceremony(&arguments.passphrase, token)?),
    };
    let module = arguments.token.as_deref().map(std::path::absolute).transpose();
    let module = module.map_err(|error| Failure::unreadable(Path::new("."), &error))?;
    let ceremony = Ceremony {
        script: &script,
        credentials: &credentials,
        directory: &arguments.place.dir,
        transcript: &arguments.transcript,
        passphrase: secret.as_ref(),
        module: module.as_deref(),
    };
    let replay = ceremony::run(&ceremony, &mut Terminal)?;
    let words = format!("the ceremony is over; transcript: {}\n{}", arguments.transcript.display(), words(&replay));
    show(json, "ceremony run", object(&replay), &words)?;
    Ok(())
}

pub fn verify(transcript: &Path, script: Option<&Path>, json: bool) -> Result<(), Failure> {
    let bytes = fs::read(transcript).map_err(|error| Failure::unreadable(transcript, &error))?;
    let bad = |why: String| Failure {
        what: "The transcript is not good.".to_owned(),
        why,
        remedy: "Get the transcript again from whoever kept it; if it is the same, the ceremony cannot be relied upon."
            .to_owned(),
        exit: TRUST,
    };
    let replay = ceremony::verify(&bytes).map_err(|error| bad(error.to_string()))?;
    if let Some(path) = script
        && read(path)? != replay.script
    {
        return Err(bad(format!("it is not of the script {}", path.display())));
    }
    let words = format!("the transcript is good\n{}", words(&replay));
    show(json, "ceremony verify", object(&replay), &words)?;
    Ok(())
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))
}

/// People at the terminal: what they sign is shown, and each types yes.
struct Terminal;

impl Room for Terminal {
    fn confirm(&mut self, custodian: &Custodian, text: &str) -> io::Result<bool> {
        let mut out = io::stderr();
        // A name and a text come from a file: what could move the cursor is shown escaped.
        for line in text.trim().lines() {
            writeln!(out, "    {}", escaped(&shortened(line)))?;
        }
        // A slip of the hand does not end a ceremony; a no does, and so does an end of the input.
        loop {
            write!(out, "{}: do you confirm this? Type yes or no: ", escaped(&custodian.name))?;
            out.flush()?;
            let mut answer = String::new();
            let end = io::stdin().lock().read_line(&mut answer)? == 0;
            match answer.trim() {
                "yes" => return Ok(true),
                "no" => return Ok(false),
                _ if end => return Ok(false),
                _ => {}
            }
        }
    }

    fn now(&mut self) -> Timestamp {
        Timestamp::now()
    }
}

/// What could move the cursor or reorder the line is shown by its number; quotation marks are shown as they are.
fn escaped(text: &str) -> String {
    let plain = |one: char| matches!(one, '"' | '\'');
    text.chars().fold(String::with_capacity(text.len()), |mut out, one| {
        if plain(one) {
            out.push(one)
        } else {
            out.extend(one.escape_debug())
        }
        out
    })
}

/// Keys and certificates are long lines: their beginning, and the digest by which all of one is compared.
fn shortened(line: &str) -> Cow<'_, str> {
    const WIDTH: usize = 160;
    if line.chars().count() <= WIDTH {
        return line.into();
    }
    let head: String = line.chars().take(WIDTH / 2).collect();
    format!("{head}... ({} characters, SHA-256 {})", line.chars().count(), hex::encode(sha256(line.as_bytes()))).into()
}

fn object(replay: &Replay) -> Value {
    let steps: Vec<Value> = replay
        .steps
        .iter()
        .map(|step| {
            let made =
                |one: &ceremony::Made| json!({ "kind": one.kind, "fingerprint": hex::encode(one.fingerprint()) });
            json!({
                "do": step.word, "text": step.text, "approved": step.approved.to_string(),
                "made": step.made.iter().map(made).collect::<Vec<_>>(), "token": step.token,
            })
        })
        .collect();
    let custodians: Vec<Value> = replay
        .custodians
        .iter()
        .enumerate()
        .map(|(place, (name, key))| json!({ "name": name, "key": key, "present": replay.present.contains(&place) }))
        .collect();
    json!({
        "title": replay.title, "script_sha256": replay.script_sha256, "threshold": replay.threshold.0,
        "custodians": custodians, "begun": replay.begun.to_string(),
        "closed": replay.closed.map(|closed| closed.to_string()), "steps": steps,
    })
}

fn words(replay: &Replay) -> String {
    let mut text = format!(
        "  title     {}\n  script    {}\n  custodians {} of {} demanded, present:\n",
        replay.title,
        grouped(&replay.script_sha256),
        replay.threshold.0,
        replay.threshold.1,
    );
    for place in &replay.present {
        if let Some((name, key)) = replay.custodians.get(*place) {
            text.push_str(&format!("    {name}\n      key {}\n", grouped(key)));
        }
    }
    for (number, step) in replay.steps.iter().enumerate() {
        text.push_str(&format!("  {:>3} {} {}\n", number + 1, step.approved, step.word));
        if let Some(label) = &step.token {
            text.push_str(&format!("      key in token     {}\n", label.escape_debug()));
        }
        for made in &step.made {
            text.push_str(&format!("      {:16} {}\n", made.kind, grouped(&hex::encode(made.fingerprint()))));
        }
    }
    text.trim_end().to_owned()
}
