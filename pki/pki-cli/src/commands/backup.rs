//! `backup`, `restore`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use authority::backup::{self, Manifest, Since};
use jiff::Timestamp;
use serde_json::{Value, json};
use trust::Crl;

use crate::args::{Backup, BackupCommand, Restore};
use crate::failure::{Failure, USAGE};
use crate::output::show;

/// Makes a backup, or reads one.
pub fn run(arguments: &Backup, json: bool) -> Result<(), Failure> {
    match (&arguments.command, &arguments.dir, &arguments.out) {
        (Some(BackupCommand::Verify { file }), _, _) => {
            let manifest = backup::verify(file)?;
            let words = format!("the backup is good\n{}", words(&manifest));
            show(json, "backup verify", object(&manifest, file), &words)?;
        }
        (None, Some(directory), Some(out)) => {
            let manifest = backup::make(directory, out, Timestamp::now())?;
            let mut words = format!("backup written to {}\n{}", out.display(), words(&manifest));
            let custody = authority::ceremony::custody::path(directory);
            if custody.exists() {
                let _ = write!(words, "\n{} lies beside the authority: keep a copy of it too", custody.display());
            }
            show(json, "backup", object(&manifest, out), &words)?;
        }
        // The command line demands both.
        (None, _, _) => {}
    }
    Ok(())
}

/// Puts a backup into an empty place.
pub fn restore(arguments: &Restore, json: bool) -> Result<(), Failure> {
    let since = match (&arguments.crl, arguments.nothing_since) {
        (_, true) => Since::Nothing,
        (Some(path), false) => Since::Until(Box::new(revocation_list(path)?)),
        (None, false) => Since::Unknown,
    };
    let directory = &arguments.place.dir;
    let restored = backup::restore(&arguments.file, directory, &since, Timestamp::now())?;
    let mut object = object(&restored.manifest, &arguments.file);
    if let Some(fields) = object.as_object_mut() {
        fields.insert("directory".to_owned(), json!(directory));
        fields.insert("revoked_since".to_owned(), json!(restored.revoked_since));
        fields.insert("crl_number_after".to_owned(), json!(restored.crl_number));
        fields.insert("used_up".to_owned(), json!(restored.used_up));
        fields.insert("citizens_unknown".to_owned(), json!(restored.citizens_unknown));
    }
    let mut words = format!("restored to {}\n{}", directory.display(), words(&restored.manifest));
    // Writing to a string cannot fail.
    for serial in &restored.revoked_since {
        let _ = write!(words, "\n  revoked since, and revoked again here: {serial}");
    }
    if let Some(number) = restored.crl_number {
        let _ = write!(
            words,
            "\n  revocation lists go on after number {number}; bundles and signed lists jumped ahead too"
        );
    }
    for place in &restored.used_up {
        let _ = write!(words, "\n  {} counts as used up: nobody knows how often it signed since", place.display());
    }
    if restored.citizens_unknown {
        words.push_str(
            "\n  WARNING: citizens' certificates that were issued or revoked since the backup are not known here:\n  \
             compare with the published lists, and revoke again what was revoked",
        );
    }
    let _ = write!(words, "\nnext: bitaqa-pki status --dir {}", directory.display());
    show(json, "restore", object, &words)?;
    Ok(())
}

fn revocation_list(path: &Path) -> Result<Crl, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    Crl::from_der(&bytes).map_err(|error| Failure {
        what: "Nothing was restored.".to_owned(),
        why: format!("{}: {error}", path.display()),
        remedy: "Name the newest revocation list of the CSCA as it was published (DER).".to_owned(),
        exit: USAGE,
    })
}

fn object(manifest: &Manifest, file: &Path) -> Value {
    json!({
        "file": file, "made": manifest.made.to_string(), "profile": manifest.profile, "acts": manifest.acts,
        "head": manifest.head, "crl_number": manifest.crl_number, "tokens": manifest.tokens,
    })
}

fn words(manifest: &Manifest) -> String {
    let mut text = format!(
        "  made           {}\n  authority      {}\n  acts           {}\n  head           {}",
        manifest.made,
        manifest.profile.as_deref().unwrap_or("card-verifiable certificates only"),
        manifest.acts,
        manifest.head.as_deref().unwrap_or("-"),
    );
    for token in &manifest.tokens {
        let _ = write!(text, "\n  not in it: the keys in the token {token}");
    }
    text
}
