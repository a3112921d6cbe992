//! `verify`: is this card genuine and valid?

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use inspection::evidence::MAX_STORED;
use inspection::{Evidence, Policy, Report, judge};

use super::{evidence, now, trust, trust_directory};
use crate::args::Verify;
use crate::failure::Error;
use crate::output::Kind;
use crate::render::{html, human};
use crate::{exit, output};

/// Reads (or loads) evidence, judges it, tells the verdict. The exit code is the verdict's.
pub fn run(args: &Verify) -> Result<u8, Error> {
    output::check_outputs(&[
        ("--save-evidence", args.save_evidence.as_ref(), Kind::Evidence),
        ("--report", args.report.as_ref(), Kind::Page),
        ("--journal", args.source.journal.as_ref(), Kind::Journal),
    ])?;
    // Without trust material nothing can be judged: say so before the card is asked for.
    let store = trust::open(&trust_directory(args.trust.as_ref())?)?;
    let evidence = match &args.evidence {
        Some(path) => load(path)?,
        None => evidence(&args.source, &args.access, &args.reading)?,
    };
    if let Some(path) = &args.save_evidence {
        output::private_file(path, evidence.to_json()?.as_bytes())?;
    }
    let policy = Policy { bac: args.reading.bac.into() };
    let report = judge(&evidence, &store, &policy, args.at.unwrap_or_else(now));
    if args.evidence.is_some() {
        eprintln!(
            "judged from stored evidence: that the chip proved its key is the word of the terminal that stored it"
        );
    }
    tell(&report, args.report.as_deref(), args.json)
}

/// Tells a report; the exit code is the verdict's.
pub fn tell(report: &Report, page: Option<&Path>, json: bool) -> Result<u8, Error> {
    if let Some(path) = page {
        output::private_file(path, html::page(report).as_bytes())?;
    }
    if json {
        output::json(report)?;
    } else {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        output::line(&human::text(report, colours))?;
    }
    Ok(exit::of_verdict(report.verdict))
}

fn load(path: &PathBuf) -> Result<Evidence, Error> {
    let failed = |source| Error::ReadFile { path: path.clone(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_STORED as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Evidence::from_json(&bytes).map_err(|source| Error::Evidence { path: path.clone(), source })
}
