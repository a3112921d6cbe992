//! `trust`: whom to believe.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::json;
use trust::bundle::MAX_BUNDLE;
use trust::{Certificate, Pin, TrustStore};

use super::trust_directory;
use crate::args::Trust;
use crate::failure::Error;
use crate::{exit, output, words};

/// Installs or shows.
pub fn run(args: &Trust) -> Result<u8, Error> {
    match args {
        Trust::Install { bundle, pin, trust, json } => {
            let directory = trust_directory(trust.as_ref())?;
            let pin = pin_of(pin.as_deref(), &directory)?;
            let store = TrustStore::install(&directory, &read(bundle)?, &pin)?;
            show(&store, &directory, *json)
        }
        Trust::Show { trust, json } => {
            let directory = trust_directory(trust.as_ref())?;
            show(&open(&directory)?, &directory, *json)
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

/// The pin typed in, or the one the store already has.
fn pin_of(typed: Option<&str>, directory: &Path) -> Result<Pin, Error> {
    match typed {
        Some(text) => Pin::from_hex(text).ok_or(Error::Pin),
        None if directory.join("pin").exists() => Ok(TrustStore::pinned(directory)?),
        None => Err(Error::PinMissing),
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::ReadFile { path: path.clone(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_BUNDLE as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn show(store: &TrustStore, directory: &Path, as_json: bool) -> Result<u8, Error> {
    let stale = Timestamp::now() > store.expires();
    if as_json {
        let anchors: Vec<_> = store.anchors().iter().map(anchor).collect();
        output::json(&json!({
            "version": 1,
            "directory": directory,
            "issuer": store.issuer(),
            "number": store.number(),
            "issued": store.issued().to_string(),
            "expires": store.expires().to_string(),
            "stale": stale,
            "anchors": anchors,
            "revocation_lists": store.crls().len(),
        }))?;
        return Ok(exit::GOOD);
    }
    let note = if stale { " (out of date: install the newest)" } else { "" };
    output::line(&format!("Trust bundle {} of {}", store.number(), words::isolated(store.issuer())))?;
    output::line(&format!("  in         {}", directory.display()))?;
    output::line(&format!("  issued     {}", store.issued()))?;
    output::line(&format!("  good until {}{note}", store.expires()))?;
    for anchor in store.anchors() {
        output::line(&format!("  anchor     {}", words::isolated(&anchor.subject().to_string())))?;
        output::line(&format!(
            "             until {}, SHA-256 {}",
            anchor.not_after(),
            hex::encode(anchor.fingerprint())
        ))?;
    }
    for crl in store.crls() {
        let issuer = words::isolated(&crl.issuer().to_string());
        output::line(&format!("  revocations {} by {issuer}, next update {}", crl.len(), crl.next_update()))?;
    }
    Ok(exit::GOOD)
}

fn anchor(certificate: &Certificate) -> serde_json::Value {
    json!({
        "subject": certificate.subject().to_string(),
        "not_after": certificate.not_after().to_string(),
        "sha256": hex::encode(certificate.fingerprint()),
    })
}
