//! `show`: what do files of a chip hold? Field by field, nothing judged.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use inspection::evidence::MAX_STORED;
use lds::files;
use serde_json::json;

use crate::args::Show;
use crate::failure::Error;
use crate::render::contents::{Contents, contents, recognised};
use crate::words::isolated;
use crate::{exit, output};

/// Shows each file in turn.
pub fn run(args: &Show) -> Result<u8, Error> {
    for path in &args.files {
        let bytes = read(path)?;
        let not_taken = |reason| Error::NotTaken { path: path.clone(), reason };
        let file = match &args.kind {
            Some(name) => files::by_name(name).ok_or_else(|| not_taken(format!("no file is called {name:?}")))?,
            None => recognised(&bytes).ok_or_else(|| not_taken("its first byte is that of no file".to_owned()))?,
        };
        tell(args, path, file.name, &contents(file, &bytes).map_err(not_taken)?)?;
    }
    Ok(exit::GOOD)
}

fn tell(args: &Show, path: &PathBuf, name: &str, contents: &Contents) -> Result<(), Error> {
    let deviations: Vec<String> = contents.deviations.iter().map(ToString::to_string).collect();
    if args.json {
        let fields: Vec<_> =
            contents.fields.iter().map(|(label, value)| json!({ "label": label, "value": value })).collect();
        return output::json(&json!({
            "version": 1,
            "judged": false,
            "path": path,
            "name": name,
            "fields": fields,
            "deviations": deviations,
        }));
    }
    output::line(&format!("{name} ({}), not judged", path.display()))?;
    for (label, value) in &contents.fields {
        output::line(&format!("  {label:23} {}", isolated(value)))?;
    }
    for deviation in deviations {
        output::line(&format!("  departs from the standard: {}", isolated(&deviation)))?;
    }
    Ok(())
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::ReadFile { path: path.clone(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_STORED as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
