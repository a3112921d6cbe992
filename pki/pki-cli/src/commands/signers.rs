//! `csca`, `ds ensure`, `crl ensure`, `signer`, `publish`.

use std::fs;
use std::path::{Path, PathBuf};

use authority::defect_list::SignerDefects;
use authority::deviation_list::Deviation;
use authority::{
    Authority, Ensured, EnsuredCrl, Generation, NewKey, NewName, Rollover, SignedList, SignerKind, SignerRecord,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use trust::Certificate;

use super::issue::{certificate, day, new_key, record};
use crate::args::{self, By, Ensure, EnsureCrl, Kind, PassphraseSource, SignerPassphraseSource};
use crate::failure::{Failure, USAGE};
use crate::output::{grouped, show};
use crate::passphrase;

impl From<Kind> for SignerKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::MasterList => SignerKind::MasterList,
            Kind::DeviationList => SignerKind::DeviationList,
            Kind::Seal => SignerKind::Seal,
            Kind::Residence => SignerKind::Residence,
        }
    }
}

pub fn roll_over(arguments: &args::Rollover, json: bool) -> Result<(), Failure> {
    let mut authority = Authority::open(&arguments.place.dir)?;
    let secret = passphrase::existing(&arguments.passphrase, authority.token()?.as_ref())?;
    let name = arguments.common_name.clone().map(|common_name| NewName {
        common_name,
        organization: arguments.organization.clone(),
        unit: arguments.unit.clone(),
    });
    let rollover = authority.roll_over(name.as_ref(), arguments.if_within_days, &secret, Timestamp::now())?;
    let words = ["the country signing CA has a new key", "nothing was done: the key may sign for longer"];
    changed("csca rollover", &rollover, words, json)
}

pub fn rename(arguments: &args::Rename, json: bool) -> Result<(), Failure> {
    let mut authority = Authority::open(&arguments.place.dir)?;
    let secret = passphrase::existing(&arguments.passphrase, authority.token()?.as_ref())?;
    let name = NewName {
        common_name: arguments.common_name.clone(),
        organization: arguments.organization.clone(),
        unit: arguments.unit.clone(),
    };
    let renamed = authority.rename(&name, &secret, Timestamp::now())?;
    let words = ["the country signing CA has a new name and its old key", "nothing was done: that is its name"];
    changed("csca rename", &renamed, words, json)
}

/// The generation that issues now, and whether it was made now.
fn changed(
    command: &str,
    rollover: &Rollover,
    [made_words, stands_words]: [&str; 2],
    json: bool,
) -> Result<(), Failure> {
    let made = matches!(rollover, Rollover::Made(_));
    let generation = rollover.generation();
    let first = if made { made_words } else { stands_words };
    let words = format!("{first}\n{}", generation_words(generation));
    let mut object = generation_object(generation);
    set(&mut object, "made", json!(made));
    show(json, command, object, &words)?;
    Ok(())
}

pub fn generations(directory: &Path, json: bool) -> Result<(), Failure> {
    let authority = Authority::open(directory)?;
    let generations = authority.generations();
    let objects: Vec<Value> = generations.iter().map(generation_object).collect();
    let words: Vec<String> = generations.iter().map(generation_words).collect();
    show(json, "csca show", json!({ "generations": objects }), &words.join("\n"))?;
    Ok(())
}

fn generation_object(generation: &Generation) -> Value {
    json!({
        "generation": generation.number, "csca": certificate(&generation.certificate),
        "link": generation.link.as_ref().map(certificate),
    })
}

fn generation_words(generation: &Generation) -> String {
    let csca = &generation.certificate;
    let end = csca.extensions().private_key_usage.and_then(|usage| usage.not_after).map(day).unwrap_or_default();
    format!(
        "  generation     {}\n  name           {}\n  may sign until {end}\n  valid until    {}\n  fingerprint    {}",
        generation.number,
        csca.subject(),
        day(csca.not_after()),
        grouped(&hex::encode(csca.fingerprint())),
    )
}

pub fn new(
    kind: Kind,
    name: Option<&str>,
    directory: &Path,
    key: &NewKey,
    (source, signer_source): (&PassphraseSource, &SignerPassphraseSource),
    json: bool,
) -> Result<(), Failure> {
    let mut authority = Authority::open(directory)?;
    let (secret, own) = secrets(&mut authority, key, source, signer_source)?;
    let own = own.as_ref().unwrap_or(&secret);
    let signer = authority.new_signer(kind.into(), name, &secret, own, Timestamp::now())?;
    show(json, "signer new", record(&signer), &made(&signer))?;
    Ok(())
}

pub fn ensure(kind: SignerKind, arguments: &Ensure, json: bool) -> Result<(), Failure> {
    let mut authority = Authority::open(&arguments.place.dir)?;
    let key = new_key(&arguments.key, None)?;
    // No secret is asked for when nothing is to be done.
    let ensured = match authority.standing_signer(kind, arguments.days, Timestamp::now())? {
        Some(signer) => Ensured::Stands(signer),
        None => {
            let (secret, own) = secrets(&mut authority, &key, &arguments.passphrase, &arguments.signer_passphrase)?;
            authority.ensure_signer(kind, arguments.days, &secret, own.as_ref().unwrap_or(&secret), Timestamp::now())?
        }
    };
    let words = match &ensured {
        Ensured::Made(signer) => made(signer),
        Ensured::Stands(signer) => {
            format!("nothing was done: {} {} may sign until {}", signer.kind, signer.name, day(signer.usage_end()))
        }
    };
    let mut object = record(ensured.signer());
    set(&mut object, "made", json!(matches!(ensured, Ensured::Made(_))));
    show(json, if kind == SignerKind::Document { "ds ensure" } else { "signer ensure" }, object, &words)?;
    Ok(())
}

/// The secret of the authority's keys, and that of the new signer's key when it has its own.
fn secrets(
    authority: &mut Authority,
    key: &NewKey,
    source: &PassphraseSource,
    signer_source: &SignerPassphraseSource,
) -> Result<(authority::Passphrase, Option<authority::Passphrase>), Failure> {
    let token = authority.token()?;
    let secret = passphrase::existing(source, token.as_ref())?;
    let own = passphrase::signer(signer_source, &key.place, token.as_ref(), || Ok(authority.opens(&secret)?))?;
    authority.make_keys(key.clone());
    Ok((secret, own))
}

fn made(signer: &SignerRecord) -> String {
    format!(
        "{} {} made\n  name           {}\n  may sign until {}\n  valid until    {}\n  directory      {}",
        signer.kind,
        signer.name,
        signer.certificate.subject(),
        day(signer.usage_end()),
        day(signer.certificate.not_after()),
        signer.directory.display(),
    )
}

pub fn revoke(kind: Kind, name: &str, directory: &Path, json: bool) -> Result<(), Failure> {
    let signer = Authority::open(directory)?.revoke_signer(kind.into(), name, Timestamp::now())?;
    let since = signer.revoked.map(day).unwrap_or_default();
    let words = format!(
        "{} {name} is revoked since {since}\nnext: publish it within 48 hours with bitaqa-pki crl issue --dir {}",
        signer.kind,
        directory.display(),
    );
    show(json, "signer revoke", record(&signer), &words)?;
    Ok(())
}

pub fn ensure_crl(arguments: &EnsureCrl, json: bool) -> Result<(), Failure> {
    let mut authority = Authority::open(&arguments.place.dir)?;
    // No secret is asked for when nothing is to be done.
    let ensured = match authority.standing_crl(arguments.days, Timestamp::now())? {
        Some(standing) => standing,
        None => {
            let secret = passphrase::existing(&arguments.passphrase, authority.token()?.as_ref())?;
            authority.ensure_crl(arguments.days, &secret, Timestamp::now())?
        }
    };
    let (state, path, crl, due) = match ensured {
        EnsuredCrl::Stands(path, crl) => ("stands", path, crl, None),
        EnsuredCrl::Issued(path, crl) => ("issued", path, crl, None),
        EnsuredCrl::Due(path, crl, due) => ("due", path, crl, Some(due)),
    };
    let object = json!({
        "state": state, "file": path, "number": crl.number().map(hex::encode), "revoked": crl.len(),
        "next_update": crl.next_update().to_string(), "due": due.map(|due| due.to_string()),
    });
    let first = match due {
        Some(due) => format!(
            "a new revocation list is due at {due}: the current one is younger than 48 hours\nbitaqa-pki crl issue publishes at once, where that cannot wait"
        ),
        None if state == "issued" => "revocation list issued".to_owned(),
        None => "nothing was done: the current revocation list stands".to_owned(),
    };
    let words = format!("{first}\n  file           {}\n  next one until {}", path.display(), day(crl.next_update()));
    show(json, "crl ensure", object, &words)?;
    Ok(())
}

pub fn master_list(files: &[PathBuf], by: &By, json: bool) -> Result<(), Failure> {
    let foreign = files.iter().map(|path| read_certificate(path)).collect::<Result<Vec<_>, _>>()?;
    let mut authority = Authority::open(&by.place.dir)?;
    let secret = list_secret(&authority, SignerKind::MasterList, by)?;
    let list = authority.sign_master_list(&foreign, by.signer.as_deref(), &secret, Timestamp::now())?;
    published("publish master-list", "master list", "certificates", &list, json)
}

/// What a file in TOML says.
fn read_toml<T: DeserializeOwned>(path: &Path, command: &str) -> Result<T, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
    toml::from_str(&text).map_err(|error| Failure {
        what: "The list cannot be made of this file; nothing was signed.".to_owned(),
        why: format!("{}: {}", path.display(), error.message()),
        remedy: format!("Correct the file; bitaqa-pki {command} --help shows an example."),
        exit: USAGE,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Defects {
    defect: Vec<SignerDefects>,
}

pub fn defect_list(path: &Path, by: &By, json: bool) -> Result<(), Failure> {
    let read: Defects = read_toml(path, "publish defect-list")?;
    let mut authority = Authority::open(&by.place.dir)?;
    let secret = list_secret(&authority, SignerKind::DeviationList, by)?;
    let list = authority.sign_defect_list(&read.defect, by.signer.as_deref(), &secret, Timestamp::now())?;
    published("publish defect-list", "defect list", "signers", &list, json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviations {
    deviation: Vec<Deviation>,
}

pub fn deviation_list(path: &Path, by: &By, json: bool) -> Result<(), Failure> {
    let read: Deviations = read_toml(path, "publish deviation-list")?;
    let mut authority = Authority::open(&by.place.dir)?;
    let secret = list_secret(&authority, SignerKind::DeviationList, by)?;
    let list = authority.sign_deviation_list(&read.deviation, by.signer.as_deref(), &secret, Timestamp::now())?;
    published("publish deviation-list", "deviation list", "deviations", &list, json)
}

/// The secret of the key that will sign.
fn list_secret(authority: &Authority, kind: SignerKind, by: &By) -> Result<authority::Passphrase, Failure> {
    let signer = authority.signer_for(kind, by.signer.as_deref(), Timestamp::now())?;
    passphrase::existing(&by.passphrase, signer.token.as_ref())
}

fn published(command: &str, title: &str, what: &str, list: &SignedList, json: bool) -> Result<(), Failure> {
    let object = json!({ "file": list.path, "number": list.number, "entries": list.entries, "signer": list.signer });
    let words = format!(
        "{title} {} signed by {}\n  {what:14} {}\n  file           {}",
        list.number,
        list.signer,
        list.entries,
        list.path.display()
    );
    show(json, command, object, &words)
}

fn read_certificate(path: &Path) -> Result<Certificate, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    let read = if bytes.starts_with(b"-----") { Certificate::from_pem(&bytes) } else { Certificate::from_der(&bytes) };
    read.map_err(|error| Failure {
        what: "Nothing was signed.".to_owned(),
        why: format!("{}: {error}", path.display()),
        remedy: "Give one certificate a file, DER or PEM.".to_owned(),
        exit: USAGE,
    })
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}
