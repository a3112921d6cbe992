//! One file for each command that does more than print a table.

mod ledger;
mod preview;
mod recover;
mod result;
mod run;
mod standing;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use channel::random::OsRandom;
use clap::CommandFactory;
use jiff::Timestamp;
use perso::citizen::Citizens;
use perso::execute::Line;
use perso::keys::ChipKeys;
use perso::ledger::Reading;
use perso::order::{self, CardAccessNumber};
use perso::plan::{Inputs, Plan, plan};
use perso::profile::{EMBEDDED, Profile};
use perso::rotation::Rotation;
use serde_json::json;

use crate::args::{Arguments, Command, Equipment, Machine, Orders, Work};
use crate::citizens::CitizenDesk;
use crate::exit;
use crate::faces::{Drawn, Faces};
use crate::failure::Failure;
use crate::input::{self, Item};
use crate::keys::LineKeys;
use crate::output::{Output, line, write};

/// Runs the command; the exit code.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let output = Output::new(arguments.json);
    match &arguments.command {
        Command::Run(options) => run::run(options, &output),
        Command::Recover(options) => recover::recover(options, &output),
        Command::Preview(options) => preview::preview(options, &output),
        Command::Ledger(command) => ledger::run(command, &output),
        Command::Orders(Orders::Check(work)) => check(work, &output),
        Command::Orders(Orders::Schema) => {
            line(&format_args!("{:#}", order::schema()));
            Ok(exit::GOOD)
        }
        Command::Profiles { name } => profiles(name.as_deref(), &output),
        Command::Completions { shell } => {
            // Into memory first: its writer panics when standard output is full.
            let (mut command, mut script) = (Arguments::command(), Vec::new());
            clap_complete::generate(*shell, &mut command, "bitaqa-personalizer", &mut script);
            write(|stdout| stdout.write_all(&script));
            Ok(exit::GOOD)
        }
        Command::Man => {
            write(|stdout| clap_mangen::Man::new(Arguments::command()).render(stdout));
            Ok(exit::GOOD)
        }
    }
}

/// Keys that no card will have.
fn trial_keys(profile: &Profile) -> Result<ChipKeys, Failure> {
    ChipKeys::generate(profile)
        .map_err(|error| Failure::new("Cryptography failed.", error, "Check the installation of OpenSSL.", exit::BUG))
}

/// A plan with keys and an access number that no card will have: to look at, and to find out what does not fit.
fn trial_plan(item: &Item, profile: &Profile, keys: &ChipKeys) -> Result<Plan, Failure> {
    let drawn = item.order.card_access_number.clone().or_else(|| CardAccessNumber::new("000000"));
    let access_number = drawn.as_ref().ok_or_else(|| {
        Failure::new("The access number cannot be used.", "it is not six digits", "Correct the order.", exit::ORDER)
    })?;
    let inputs = Inputs { made_at: Timestamp::now(), access_number, keys };
    Ok(plan(&item.order, profile, &item.face, &inputs)?)
}

/// Plans and draws every order; each that does not fit is printed. `left_out` is told of each whose residence is left out.
fn preflight(
    items: &[Item],
    profile: &Profile,
    faces: &Faces,
    output: &Output,
    left_out: &dyn Fn(&str),
) -> Result<usize, Failure> {
    let mut problems = 0;
    let keys = trial_keys(profile)?;
    for item in items {
        let drawn = trial_plan(item, profile, &keys).and_then(|plan| {
            faces.draw(&item.order, &plan, &item.face.printed)?;
            Ok(plan)
        });
        let document = &item.order.document_number;
        match drawn {
            Ok(plan) if plan.residence_left_out => left_out(document),
            Ok(_) => {}
            Err(failure) => {
                problems += 1;
                output.order_fault(document, "card", &failure);
            }
        }
    }
    Ok(problems)
}

fn check(work: &Work, output: &Output) -> Result<u8, Failure> {
    let (profile, items) = input::work(work, output)?;
    let faces = Faces::load(&profile)?;
    let left_out = |document: &str| {
        let what = format!("left out: cards of profile {} have no place for the residence record", profile.name);
        let words = format!("record {document}, residence: {what}");
        output.say("warning", json!({ "record": document, "field": "residence", "what": what }), &words);
    };
    match preflight(&items, &profile, &faces, output, &left_out)? {
        0 => {
            let words = format!("{} order(s) fit profile {}", items.len(), profile.name);
            output.say("checked", json!({ "orders": items.len(), "profile": profile.name }), &words);
            Ok(exit::GOOD)
        }
        problems => Err(input::unusable(problems, &work.orders)),
    }
}

fn profiles(name: Option<&str>, output: &Output) -> Result<u8, Failure> {
    if let Some(name) = name {
        let source = EMBEDDED.iter().find(|(known, _)| *known == name).map(|(_, source)| *source);
        let missing = || perso::profile::ProfileError::NotFound { name: name.to_owned() };
        let source = source.ok_or_else(missing)?;
        output.say("profile", json!({ "name": name, "source": source }), source.trim_end());
        return Ok(exit::GOOD);
    }
    for (name, _) in EMBEDDED {
        let profile = Profile::load(name)?;
        output.say(
            "profile",
            json!({ "name": name, "title": profile.title }),
            &format!("{name:<16} {}", profile.title),
        );
    }
    Ok(exit::GOOD)
}

/// Writes both faces into a folder.
fn save(drawn: &Drawn, folder: &Path) -> Result<(), Failure> {
    // Faces are personal data, and the front shows the access number: for their owner alone.
    make_folder(folder)?;
    for (name, raster) in [("front.png", &drawn.front), ("back.png", &drawn.back)] {
        let path = folder.join(name);
        let png = raster
            .to_png()
            .map_err(|error| Failure::new("A face cannot be written.", error, "Report this.", exit::BUG))?;
        put(&path, &png)?;
    }
    Ok(())
}

/// Sees that files can be written into a folder, which is made where it is missing: before a card is begun.
pub fn keep_folder(folder: &Path) -> Result<(), Failure> {
    make_folder(folder)?;
    let write = || {
        let trial = folder.join(format!(".trial-{}", std::process::id()));
        replace(&trial, b"can this be written?\n").and_then(|()| fs::remove_file(&trial))
    };
    write().map_err(|error: io::Error| Failure::unwritable(folder, &error))
}

/// Makes a folder for its owner alone, where it is missing.
fn make_folder(folder: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| Failure::unwritable(folder, &error))
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    replace(path, bytes).map_err(|error| Failure::unwritable(path, &error))
}

/// Puts a file in place whole, for its owner alone; one of that name is replaced.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_added_extension("new");
    // Left behind when an earlier run was killed.
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

/// What a line is made of, but for the parts that change from card to card.
struct Parts {
    profile: Profile,
    keys: LineKeys,
    signer: input::Signer,
    citizens: Option<CitizenDesk>,
    trust: trust::TrustStore,
    station: crate::line::ChipStation,
    ledger: perso::ledger::Ledger,
    must_print: bool,
    random: OsRandom,
}

impl Parts {
    fn open(equipment: &Equipment, machine: &Machine, profile: Profile) -> Result<Self, Failure> {
        let keys = LineKeys::open(equipment, &profile)?;
        let trust = input::trust(equipment)?;
        let signer = input::signer(equipment)?;
        let citizens = CitizenDesk::open(equipment, &profile)?;
        let station = crate::line::ChipStation::open(equipment)?;
        let path = input::given(equipment.ledger.as_deref(), "--ledger")?;
        let ledger = perso::ledger::Ledger::open(path)?;
        ledger::check_head(&Reading::of(path)?, equipment.head.as_deref())?;
        if let Some(citizens) = &citizens {
            citizens.withdraw_rejected(ledger.book())?;
        }
        let must_print = crate::line::must_print(machine);
        Ok(Parts { profile, keys, signer, citizens, trust, station, ledger, must_print, random: OsRandom })
    }

    /// Runs `work` with the line.
    fn with<T>(&mut self, output: &Output, work: impl FnOnce(&mut Line<'_>) -> T) -> T {
        let mut progress = |progress| output.progress(progress);
        let rotation = self.profile.keys.as_ref().zip(self.keys.issuer.as_deref());
        let rotation =
            rotation.map(|(new, keys)| Rotation { from: self.profile.card.key_version, to: new.version, keys });
        let mut line = Line {
            profile: &self.profile,
            keys: self.keys.blanks.as_ref(),
            rotation,
            signer: &self.signer,
            citizens: self.citizens.as_mut().map(|desk| Citizens { ca: &mut desk.ca, letters: &mut desk.letters }),
            trust: &self.trust,
            station: &mut self.station,
            ledger: &mut self.ledger,
            random: &mut self.random,
            must_print: self.must_print,
            clock: &Timestamp::now,
            progress: &mut progress,
        };
        work(&mut line)
    }
}
