//! `trust`: whom to believe.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};
use trust::archive::Reason;
use trust::bundle::MAX_BUNDLE;
use trust::store::{Bounds, Ignored, Imported, Step, Why};
use trust::{Certificate, Pin, Pins, TrustStore};

use super::trust_directory;
use crate::args::Trust;
use crate::failure::Error;
use crate::{exit, output, words};

/// So many files that were not installed are told of to people.
const TOLD: usize = 20;

/// Installs, limits or shows.
pub fn run(args: &Trust) -> Result<u8, Error> {
    match args {
        Trust::Install { source, pin, threshold, trust, json } => {
            let directory = trust_directory(trust.as_ref())?;
            install(source, pins(pin, *threshold)?.as_ref(), &directory, *json)
        }
        Trust::Limit { maximum_age, trust, json, none: _ } => {
            let directory = trust_directory(trust.as_ref())?;
            open(&directory)?;
            TrustStore::set_maximum_age(&directory, *maximum_age)?;
            show(&open(&directory)?, &directory, None, *json)
        }
        Trust::Show { trust, json } => {
            let directory = trust_directory(trust.as_ref())?;
            show(&open(&directory)?, &directory, None, *json)
        }
    }
}

/// Opens the installed store.
pub fn open(directory: &Path) -> Result<TrustStore, Error> {
    if !directory.join("bundle.json").exists() {
        return Err(Error::NoTrust { directory: directory.to_owned() });
    }
    Ok(TrustStore::open(directory)?)
}

fn install(source: &PathBuf, pins: Option<&Pins>, directory: &Path, as_json: bool) -> Result<u8, Error> {
    if !source.is_dir() {
        let store = TrustStore::install(directory, &read(source)?, pins)?;
        return show(&store, directory, None, as_json);
    }
    let done = TrustStore::install_folder(directory, source, pins, &Bounds::default())?;
    if done.steps.is_empty() && !done.ignored.iter().any(is_bundle) {
        return Err(Error::NoBundle { folder: source.clone() });
    }
    let shown = show(&done.store, directory, Some(&done), as_json)?;
    Ok(if is_refused(&done) { exit::TRUST } else { shown })
}

/// Whether it was a bundle or a delta, however old or good.
fn is_bundle(ignored: &Ignored) -> bool {
    matches!(ignored.why, Why::Refused(_) | Why::NotNeeded)
}

/// Whether nothing was installed because what might be newer is not believed.
fn is_refused(done: &Imported) -> bool {
    done.steps.is_empty() && done.ignored.iter().any(Ignored::is_disbelieved)
}

/// The pins typed in; none when the store's own are meant.
fn pins(typed: &[String], threshold: Option<usize>) -> Result<Option<Pins>, Error> {
    let read = typed.iter().map(|text| Pin::from_hex(text).ok_or(Error::Pin)).collect::<Result<Vec<_>, _>>()?;
    match (read.len(), threshold) {
        (0, _) => Ok(None),
        (1, None) => Ok(Some(Pins::new(1, read)?)),
        (_, Some(threshold)) => Ok(Some(Pins::new(threshold, read)?)),
        (pins, None) => Err(Error::ThresholdMissing { pins }),
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::ReadFile { path: path.clone(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_BUNDLE as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn show(store: &TrustStore, directory: &Path, done: Option<&Imported>, as_json: bool) -> Result<u8, Error> {
    let pinned = TrustStore::pinned(directory)?;
    if as_json {
        output::json(&object(store, &pinned, directory, done))?;
        return Ok(exit::GOOD);
    }
    done.map_or(Ok(()), tell)?;
    let stale = Timestamp::now() > store.stale_after();
    let note = if stale { " (out of date: install the newest)" } else { "" };
    output::line(&format!("Trust bundle {} of {}", store.number(), words::isolated(store.issuer())))?;
    output::line(&format!("  in         {}", directory.display()))?;
    output::line(&format!("  issued     {}", store.issued()))?;
    output::line(&format!("  good until {}{note}", store.stale_after()))?;
    if let Some(days) = store.maximum_age_days() {
        output::line(&format!("  limit      {days} days after its issue, set at this post"))?;
    }
    if pinned.count() > 1 {
        output::line(&format!("  signers    {} of these {}", pinned.threshold(), pinned.count()))?;
        pinned.fingerprints().try_for_each(|pin| output::line(&format!("             {pin}")))?;
    }
    for anchor in store.anchors() {
        output::line(&format!("  anchor     {}", words::isolated(&anchor.subject().to_string())))?;
        let (end, fingerprint) = (anchor.not_after(), hex::encode(anchor.fingerprint()));
        output::line(&format!("             until {end}, SHA-256 {fingerprint}"))?;
        for (reason, source) in store.origins_of(anchor) {
            output::line(&format!("             {}: {}", words_of(reason), words::isolated(source)))?;
        }
    }
    for crl in store.crls() {
        let issuer = words::isolated(&crl.issuer().to_string());
        output::line(&format!("  revocations {} by {issuer}, next update {}", crl.len(), crl.next_update()))?;
    }
    for list in store.defect_lists() {
        let (list, signers) = (words::isolated(&list.describe()), list.defects().len());
        output::line(&format!("  defects    {list}: {signers} document signers"))?;
    }
    Ok(exit::GOOD)
}

/// What was done with a folder.
fn tell(done: &Imported) -> Result<(), Error> {
    let name = |path: &Path| words::isolated(&path.display().to_string());
    for Step { path, number, base } in &done.steps {
        let base = base.map_or_else(String::new, |base| format!(" (a delta on bundle {base})"));
        output::line(&format!("installed bundle {number} from {}{base}", name(path)))?;
    }
    if is_refused(done) {
        output::line("NOTHING WAS INSTALLED: a bundle or delta in the folder is not believed")?;
    } else if done.steps.is_empty() {
        output::line("nothing in the folder is newer than the installed bundle")?;
    }
    for Ignored { path, why } in done.ignored.iter().take(TOLD) {
        output::line(&format!("ignored {}: {}", name(path), words::isolated(&why.to_string())))?;
    }
    match done.ignored.len().checked_sub(TOLD) {
        Some(more @ 1..) => output::line(&format!("ignored {more} more; --json names them all")),
        _ => Ok(()),
    }
}

fn object(store: &TrustStore, pinned: &Pins, directory: &Path, done: Option<&Imported>) -> Value {
    let anchors: Vec<_> = store.anchors().iter().map(|one| anchor(one, store)).collect();
    let mut object = json!({
        "version": 1,
        "directory": directory,
        "issuer": store.issuer(),
        "number": store.number(),
        "issued": store.issued().to_string(),
        "expires": store.expires().to_string(),
        "good_until": store.stale_after().to_string(),
        "stale": Timestamp::now() > store.stale_after(),
        "maximum_age_days": store.maximum_age_days(),
        "pins": pinned,
        "anchors": anchors,
        "revocation_lists": store.crls().len(),
        "defect_lists": store.defect_lists().len(),
    });
    if let (Some(done), Some(fields)) = (done, object.as_object_mut()) {
        let step =
            |step: &Step| json!({ "file": step.path.to_string_lossy(), "number": step.number, "base": step.base });
        let ignored = |one: &Ignored| json!({ "file": one.path.to_string_lossy(), "why": one.why.to_string() });
        fields.insert("installed".to_owned(), done.steps.iter().map(step).collect());
        fields.insert("ignored".to_owned(), done.ignored.iter().map(ignored).collect());
    }
    object
}

fn anchor(certificate: &Certificate, store: &TrustStore) -> Value {
    let origins = store.origins_of(certificate).map(|(reason, source)| json!({ "reason": reason, "source": source }));
    json!({
        "subject": certificate.subject().to_string(),
        "not_after": certificate.not_after().to_string(),
        "sha256": hex::encode(certificate.fingerprint()),
        "origins": origins.collect::<Vec<_>>(),
    })
}

fn words_of(reason: Reason) -> &'static str {
    match reason {
        Reason::Listed => "a root in a verified master list",
        Reason::Confirmed => "its fingerprint was confirmed",
        Reason::LinkedFrom(_) => "linked from a believed key",
        Reason::SameKeyAs(_) => "root of a believed key",
    }
}
