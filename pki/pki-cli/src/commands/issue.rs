//! `init`, `ds new`, `ds revoke`, `crl issue`.

use std::path::Path;

use authority::{Authority, KeyPlace, NewKey, Profile, SignerRecord, TokenAddress};
use jiff::Timestamp;
use serde_json::json;
use trust::Certificate;

use crate::args::{Init, KeyOptions, PassphraseSource, SignerPassphraseSource, TokenOptions};
use crate::failure::{Failure, USAGE};
use crate::output::{grouped, show};
use crate::passphrase;

pub fn init(arguments: &Init, json: bool) -> Result<(), Failure> {
    let profile = Profile::find(&arguments.profile).ok_or_else(|| unknown_profile(&arguments.profile))?;
    let directory = &arguments.place.dir;
    let keys = new_key(&arguments.key, None)?;
    let secret = passphrase::new(&arguments.passphrase, &keys.place)?;
    let authority = Authority::init_with(directory, profile, &keys, &secret, Timestamp::now())?;
    let pin = authority.pin()?.to_string();
    let csca = authority.csca();
    let object = json!({
        "directory": directory, "profile": profile.id, "csca": certificate(csca), "bundle_signer": pin,
    });
    let words = format!(
        "authority set up in {}\n  csca           {}\n  valid until    {}\n  fingerprint    {}\n  bundle signer  {}\nnext: bitaqa-pki ds new --dir {}",
        directory.display(),
        csca.subject(),
        day(csca.not_after()),
        grouped(&hex::encode(csca.fingerprint())),
        grouped(&pin),
        directory.display(),
    );
    show(json, "init", object, &words)?;
    Ok(())
}

/// What the command line asks of a new key.
pub fn new_key(options: &KeyOptions, max_uses: Option<u64>) -> Result<NewKey, Failure> {
    let place = place(&options.place)?.unwrap_or_default();
    Ok(NewKey { place, algorithm: options.key, max_uses })
}

/// Where the command line wants a new key, if it says so.
pub fn place(options: &TokenOptions) -> Result<Option<KeyPlace>, Failure> {
    let (Some(module), Some(label)) = (&options.token, &options.token_label) else { return Ok(None) };
    // The record of the key is read from other directories later.
    let module = std::path::absolute(module).map_err(|error| Failure::unreadable(module, &error))?;
    Ok(Some(KeyPlace::Token(TokenAddress { module, label: label.clone() })))
}

pub fn new_signer(
    name: Option<&str>,
    directory: &Path,
    key: &NewKey,
    source: &PassphraseSource,
    signer_source: &SignerPassphraseSource,
    json: bool,
) -> Result<(), Failure> {
    let mut authority = Authority::open(directory)?;
    let token = authority.token()?;
    let secret = passphrase::existing(source, token.as_ref())?;
    let own = passphrase::signer(signer_source, &key.place, token.as_ref(), || Ok(authority.opens(&secret)?))?;
    let own = own.as_ref().unwrap_or(&secret);
    authority.make_keys(key.clone());
    let signer = authority.new_document_signer(name, &secret, own, Timestamp::now())?;
    let words = format!(
        "document signer {} made\n  name           {}\n  may sign until {}\n  valid until    {}\n  give this directory to the printing centre: {}",
        signer.name,
        signer.certificate.subject(),
        day(signer.usage_end()),
        day(signer.certificate.not_after()),
        signer.directory.display(),
    );
    show(json, "ds new", record(&signer), &words)?;
    Ok(())
}

pub fn revoke(name: &str, directory: &Path, json: bool) -> Result<(), Failure> {
    let signer = Authority::open(directory)?.revoke(name, Timestamp::now())?;
    let since = signer.revoked.map(day).unwrap_or_default();
    let words = format!(
        "document signer {name} is revoked since {since}\nnext: publish it within 48 hours with bitaqa-pki crl issue --dir {}",
        directory.display(),
    );
    show(json, "ds revoke", record(&signer), &words)?;
    Ok(())
}

pub fn crl(directory: &Path, source: &PassphraseSource, json: bool) -> Result<(), Failure> {
    let mut authority = Authority::open(directory)?;
    let secret = passphrase::existing(source, authority.token()?.as_ref())?;
    let (path, crl) = authority.issue_crl(&secret, Timestamp::now())?;
    let object = json!({
        "file": path, "number": crl.number().map(hex::encode), "revoked": crl.len(),
        "this_update": crl.this_update().to_string(), "next_update": crl.next_update().to_string(),
    });
    let words = format!(
        "revocation list issued: {}\n  revoked        {}\n  next one until {}\nnext: {} --dir {} --out FILE",
        path.display(),
        crl.len(),
        day(crl.next_update()),
        authority.export_command(),
        directory.display(),
    );
    show(json, "crl issue", object, &words)?;
    Ok(())
}

/// The day of a moment, as a date.
pub fn day(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d").to_string()
}

/// A signer, for programs.
pub fn record(signer: &SignerRecord) -> serde_json::Value {
    json!({
        "kind": signer.kind, "name": signer.name, "directory": signer.directory, "certificate": certificate(&signer.certificate),
        "may_sign_until": signer.usage_end().to_string(), "revoked": signer.revoked.map(|since| since.to_string()),
        "uses": signer.uses.map(|uses| uses.reserved), "max_uses": signer.uses.map(|uses| uses.most),
        "token": signer.token.as_ref().map(|token| &token.label),
    })
}

/// A certificate, for programs.
pub fn certificate(certificate: &Certificate) -> serde_json::Value {
    json!({
        "subject": certificate.subject().to_string(),
        "serial": hex::encode(certificate.serial()),
        "key_id": hex::encode(certificate.key_identifier()),
        "fingerprint": hex::encode(certificate.fingerprint()),
        "not_before": certificate.not_before().to_string(),
        "not_after": certificate.not_after().to_string(),
    })
}

fn unknown_profile(name: &str) -> Failure {
    Failure {
        what: "The authority was not set up.".to_owned(),
        why: format!("there is no profile {name}"),
        remedy: "bitaqa-pki init --help lists the profiles.".to_owned(),
        exit: USAGE,
    }
}
