//! `judge`: what do a document's files say without its card?

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use inspection::evidence::{FilesError, MAX_STORED};
use inspection::{Evidence, Policy, judge};

use super::{now, trust, trust_directory, verify};
use crate::args::Judge;
use crate::failure::Error;

/// Judges the files, tells the verdict. The exit code is the verdict's.
pub fn run(args: &Judge) -> Result<u8, Error> {
    let judging = &args.judging;
    let store = trust::open(&trust_directory(judging.trust.as_ref())?)?;
    let files = args.files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let at = judging.at.unwrap_or_else(now);
    let evidence = Evidence::of_files(at, files).map_err(|source| named(&args.files, source))?;
    let report = judge(&evidence, &store, &Policy::default(), at);
    verify::tell(&report, judging.report.as_deref(), judging.json)
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::ReadFile { path: path.clone(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_STORED as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The error with the name of the file that it is about.
fn named(files: &[PathBuf], source: FilesError) -> Error {
    let (FilesError::Unknown { position } | FilesError::Twice { position, .. }) = source;
    let path = position.checked_sub(1).and_then(|index| files.get(index)).cloned().unwrap_or_default();
    Error::Files { path, source }
}
