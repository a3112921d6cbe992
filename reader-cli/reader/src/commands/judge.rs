//! `judge`: what do a document's files say without its card?

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use inspection::evidence::{FilesError, MAX_STORED};
use inspection::{Evidence, Policy, judge};
use lds::files::{self, EF_COM, EF_SOD};

use super::{now, trust, trust_directory, verify};
use crate::args::Judge;
use crate::failure::Error;
use crate::output::{self, Kind};
use crate::words::isolated;

/// Judges the files, tells the verdict. The exit code is the verdict's.
pub fn run(args: &Judge) -> Result<u8, Error> {
    let judging = &args.judging;
    output::check_outputs(&[("--report", judging.report.as_ref(), Kind::Page)])?;
    let store = trust::open(&trust_directory(judging.trust.as_ref())?)?;
    let (judged, left_out): (Vec<&PathBuf>, _) = args.files.iter().partition(|path| !is_for_the_reader(path));
    for path in left_out {
        let path = isolated(&path.display().to_string());
        output::note(&format!("{path}: left out, the security object does not vouch for it"));
    }
    let files = judged.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let at = judging.at.unwrap_or_else(now);
    let evidence = Evidence::of_files(at, files).map_err(|source| named(&judged, source))?;
    let report = judge(&evidence, &store, &Policy::default(), at);
    verify::tell(&report, judging.report.as_deref(), judging.json)
}

/// Whether it has the name under which `read` writes a file that helps to read the chip and that nothing signed lists, such as
/// EF.CVCA.
fn is_for_the_reader(path: &Path) -> bool {
    const JUDGED: [&str; 2] = [EF_SOD.name, EF_COM.name];
    let others = files::FILES.iter().filter(|file| file.data_group.is_none() && !JUDGED.contains(&file.name));
    others.map(|file| output::file_name(file.name)).any(|name| path.file_name().is_some_and(|own| own == name.as_str()))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::ReadFile { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_STORED as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The error with the name of the file that it is about.
fn named(files: &[&PathBuf], source: FilesError) -> Error {
    let (FilesError::Unknown { position } | FilesError::Twice { position, .. }) = source;
    let path = position.checked_sub(1).and_then(|index| files.get(index)).map(|path| path.to_path_buf());
    let path = path.unwrap_or_default();
    Error::Files { path, source }
}
