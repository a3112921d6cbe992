//! `bitaqa-soft-card`: make, run, look at and forge cards in software.

mod args;
mod rack;
mod show;

use std::fmt::Display;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use channel::key_set::KeySet;
use clap::Parser;
use serde_json::json;
use soft_card::fault::{FaultError, Faults, Tear};
use soft_card::forge::{self, ForgeError};
use soft_card::persona::{self, Persona, PersonaError};
use soft_card::socket::{self, ListenError};
use soft_card::{BlankOptions, SoftCard, State, StateError};

use args::{Arguments, Forgery, Verb, Where};

/// Why the program stopped, with advice for whoever runs it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Create(StateError),
    #[error(transparent)]
    Forge(#[from] ForgeError),
    #[error(transparent)]
    Fault(#[from] FaultError),
    #[error("persona {name}: {source}")]
    Persona { name: String, source: PersonaError },
    #[error("there is no persona {name}: {source}")]
    PersonaFile { name: String, source: std::io::Error },
    #[error("{path} holds no keys{why}", path = .path.display(), why = .source.as_ref().map(|it| format!(": {it}")).unwrap_or_default())]
    KeyFile { path: std::path::PathBuf, source: Option<std::io::Error> },
    #[error("{path}: {source}", path = .path.display())]
    Folder { path: std::path::PathBuf, source: std::io::Error },
    #[error("{path} holds {count} cards; 1 to {most} can be run at a time", path = .path.display())]
    Cards { path: std::path::PathBuf, count: usize, most: usize },
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("{path}: {source}", path = .path.display())]
    Connect { path: std::path::PathBuf, source: std::io::Error },
    #[error("the conversation with the reader broke: {0}")]
    Stream(std::io::Error),
    #[error(transparent)]
    Random(#[from] channel::random::RandomError),
    #[error("the card's description could not be written: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the result could not be printed: {0}")]
    Print(std::io::Error),
}

impl Failure {
    /// Exit code and advice. The codes are fixed: 1 a bug or a broken machine, 2 usage, 20 no reader or card.
    fn exit(&self) -> (u8, Option<&'static str>) {
        match self {
            Failure::State(StateError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                (20, Some("make a card first: bitaqa-soft-card new --state FILE"))
            }
            Failure::Create(StateError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {
                (2, Some("give another name; a card is never overwritten"))
            }
            Failure::Create(StateError::Io { source, .. }) => {
                (path_or_machine(source), Some("give a path in a folder that exists and that you may write to"))
            }
            Failure::Create(_) => (1, None),
            Failure::State(StateError::Io { source, .. }) => {
                (path_or_machine(source), Some("check the permissions of the file and its folder"))
            }
            Failure::State(StateError::InUse { .. }) => {
                (20, Some("one memory is one chip: stop the other program first"))
            }
            Failure::State(StateError::Version { .. }) => {
                (20, Some("use the version of this program that made the card"))
            }
            Failure::State(_) => (20, Some("this card is damaged: make a new one")),
            Failure::Forge(ForgeError::Random(_)) | Failure::Random(_) => (1, None),
            Failure::Forge(ForgeError::NothingForged) => {
                (2, Some("faults of the line are met while a card runs: bitaqa-soft-card run --fault FILE"))
            }
            Failure::Forge(ForgeError::Other { .. }) => (
                2,
                Some(
                    "`of` is the state file of another personalized card, looked for in the folder of the fault file: copy the fault \
                     file beside that card; hardware-docs/cards/faults.md, \"Another card\"",
                ),
            ),
            Failure::Forge(ForgeError::OtherLacks { .. } | ForgeError::NoCardSecurity) => (
                2,
                Some("take personalized cards; those of the profile specimen-uto-cam have EF.CardSecurity and its key"),
            ),
            Failure::Forge(_) => (2, Some("personalize the card first, or choose a data group that `show` lists")),
            Failure::Fault(_) => {
                (2, Some("correct the file; hardware-docs/cards/faults.md has every kind and an example"))
            }
            Failure::Persona { .. } | Failure::PersonaFile { .. } => {
                (2, Some("bitaqa-soft-card personas lists those that are known; the others are files of the same form"))
            }
            Failure::KeyFile { .. } => (
                2,
                Some("three lines are expected: ENC, MAC, DEK in hexadecimal, 16, 24 or 32 bytes each, all as long"),
            ),
            Failure::Folder { .. } => (20, Some("check the folder and its permissions")),
            Failure::Cards { .. } => (2, Some("cards are the files of the folder whose names end in .card")),
            Failure::Listen(ListenError::InUse { .. }) => (2, Some("choose another path for the socket")),
            Failure::Listen(ListenError::Io { source, .. }) => (
                path_or_machine(source),
                Some("give a path of at most 107 bytes in a folder that exists and that you may write to"),
            ),
            Failure::Connect { .. } => {
                (20, Some("start the reader first; its slots are the sockets DEVICENAME.0, .1, .."))
            }
            Failure::Stream(_) => {
                (20, Some("what is at the other end does not speak the frames of the virtual reader"))
            }
            Failure::Json(_) => (1, None),
            Failure::Print(_) => (1, Some("make room where the output goes; what was asked for is done")),
        }
    }
}

/// The exit code for a path that the system refused: 2 where another path helps, 1 where the machine fails (a full disk).
fn path_or_machine(error: &std::io::Error) -> u8 {
    let wrong_path = matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename
    );
    if wrong_path { 2 } else { 1 }
}

/// More than three keys of 32 bytes need.
const KEY_FILE_BYTES: u64 = 1024;

fn main() -> ExitCode {
    let Arguments { json, verb } = Arguments::parse();
    match execute(&verb, json) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (code, advice) = failure.exit();
            complain(&format!("bitaqa-soft-card: {failure}"));
            if let Some(advice) = advice {
                complain(&format!("  {advice}"));
            }
            if json && !matches!(failure, Failure::Print(_)) {
                let error = json!({ "what": failure.to_string(), "remedy": advice, "exit": code });
                // The exit code says it too.
                let _ = say(&json!({ "version": 1, "error": error }));
            }
            ExitCode::from(code)
        }
    }
}

/// One line on stdout. A reader who has seen enough and closed the pipe is no error.
fn say(text: &dyn Display) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Print(error)),
        _ => Ok(()),
    }
}

/// One line on stderr, where somebody listens.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn execute(verb: &Verb, json: bool) -> Result<(), Failure> {
    match verb {
        Verb::New { state, persona, serial, keys, eid } => {
            let mut options =
                BlankOptions { serial: serial.map(|serial| serial.0), eid: *eid, ..make(persona)?.options() };
            if let Some(path) = keys {
                options.keys = delivered_keys(path)?;
            }
            new(state, options, json)
        }
        Verb::Personas => {
            for (name, text) in persona::EMBEDDED {
                let title = text.lines().next().unwrap_or_default().trim_start_matches("# ");
                match json {
                    true => say(&json!({ "version": 1, "name": name, "title": title }))?,
                    false => say(&format_args!("{name:<22}{title}"))?,
                }
            }
            Ok(())
        }
        Verb::Rack { folder, fault } => rack::run(folder, fault.as_deref()),
        Verb::Run { state, at, fault, tear_at } => run(state, at, fault.as_deref(), *tear_at),
        Verb::Show { state } => {
            let state = State::load(state)?;
            if json { say(&show::json(&state)?) } else { say(&show::text(&state).trim_end()) }
        }
        Verb::Forge { state, out, forgery } => forge_card(state, out, forgery),
    }
}

fn new(path: &Path, options: BlankOptions, json: bool) -> Result<(), Failure> {
    let state = State::blank(options)?;
    state.create(path).map_err(Failure::Create)?;
    match json {
        true => say(&json!({ "version": 1, "chip_serial": state.chip_serial(), "state": path })),
        false => say(&state.chip_serial()),
    }
}

/// Three lines: ENC, MAC, DEK.
fn delivered_keys(path: &Path) -> Result<KeySet, Failure> {
    let none = |source| Failure::KeyFile { path: path.to_owned(), source };
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(KEY_FILE_BYTES).read_to_string(&mut text));
    read.map_err(|error| none(Some(error)))?;
    let key = |line: &str| hex::decode(line.trim()).ok().filter(|key| matches!(key.len(), 16 | 24 | 32));
    let keys: Option<Vec<Vec<u8>>> = text.lines().map(key).collect();
    match keys.as_deref() {
        Some([enc, mac, dek]) if enc.len() == mac.len() && enc.len() == dek.len() => {
            Ok(KeySet { enc: enc[..].into(), mac: mac[..].into(), dek: dek[..].into() })
        }
        _ => Err(none(None)),
    }
}

/// The persona of that name, or in that file.
fn make(name: &str) -> Result<Persona, Failure> {
    let failed = |source| Failure::Persona { name: name.to_owned(), source };
    if let Some((_, text)) = persona::EMBEDDED.iter().find(|(known, _)| *known == name) {
        return Persona::parse(text).map_err(failed);
    }
    let text =
        std::fs::read_to_string(name).map_err(|source| Failure::PersonaFile { name: name.to_owned(), source })?;
    Persona::parse(&text).map_err(failed)
}

fn run(path: &Path, at: &Where, faults: Option<&Path>, tear: Option<Tear>) -> Result<(), Failure> {
    let mut card = SoftCard::open(path)?;
    if let Some(faults) = faults {
        card = card.with_faults(&Faults::load(faults)?)?;
    }
    if let Some(tear) = tear {
        card.tear(tear);
    }
    if let Some(slot) = &at.connect {
        let failed = |source| Failure::Connect { path: slot.clone(), source };
        let mut stream = UnixStream::connect(slot).map_err(failed)?;
        socket::serve(&mut card, &mut stream).map_err(Failure::Stream)?;
    } else if let Some(path) = &at.listen {
        let listener = socket::listen(path)?;
        complain(&format!("bitaqa-soft-card: ready at {}", path.display()));
        let report = |error: &std::io::Error| complain(&format!("bitaqa-soft-card: a host was cut off: {error}"));
        socket::serve_all(&mut card, &listener, report).map_err(Failure::Stream)?;
    }
    match card.take_failure() {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}

fn forge_card(path: &Path, out: &Path, forgery: &Forgery) -> Result<(), Failure> {
    let original = State::load(path)?;
    let forged = match (&forgery.fault, forgery.alter_dg) {
        (Some(file), _) => forge::forge(&original, &Faults::load(file)?)?,
        (None, Some(data_group)) => forge::alter_data_group(&original, data_group)?,
        (None, None) => forge::new_chip_key(&original)?,
    };
    forged.create(out).map_err(Failure::Create)?;
    Ok(())
}
