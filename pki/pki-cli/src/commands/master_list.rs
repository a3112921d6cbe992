//! `master-list show`, `master-list diff`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};
use trust::archive::{Archive, Believed};
use trust::import::{self, Bounds, Content};
use trust::master_list::{Entry, Role, Verification, id};
use trust::{Certificate, Finding, MasterList};

use super::anchors::reason;
use super::issue::day;
use super::lint::Summary;
use crate::failure::{Failure, TRUST, USAGE};
use crate::output;

/// Who may stand behind a list, and what is printed of it.
pub struct Showing<'a> {
    pub signers: &'a [PathBuf],
    pub anchors: Option<&'a Path>,
    pub certificates: bool,
    pub lint: bool,
}

/// A list with everything that is said of it.
struct Shown<'a> {
    file: &'a Path,
    list: &'a MasterList,
    verification: Verification,
    roles: Vec<Role>,
    lint: Summary,
    /// Why the archive believes the certificate that stands behind the list.
    provenance: Vec<String>,
}

/// Shows a list; the exit code says whether it may be believed.
pub fn show(file: &Path, showing: &Showing<'_>, json: bool) -> Result<ExitCode, Failure> {
    let mut pins = showing.signers.iter().map(|path| certificate(path)).collect::<Result<Vec<_>, _>>()?;
    let list = read(file)?;
    let archive = showing.anchors.map(Archive::open).transpose()?;
    if let Some(archive) = &archive {
        pins.extend(signer_countries(&list).iter().flat_map(|country| archive.anchors_of(country)));
    }
    let verification = list.verify(&pins, Timestamp::now());
    let pinned = verification.pinned.as_ref();
    let provenance = archive.zip(pinned).map(|(archive, pin)| provenance(&archive, pin)).unwrap_or_default();
    let (roles, lint) = (list.roles(), Summary::of(list.raw_certificates()));
    let shown = Shown { file, list: &list, verification, roles, lint, provenance };
    output::show(json, "master-list show", shown.object(showing), &shown.words(showing))?;
    let verification = &shown.verification;
    let failed = verification.findings.iter().any(Finding::is_failed);
    let asked = !showing.signers.is_empty() || showing.anchors.is_some();
    let refused = failed || (asked && !verification.is_believed());
    Ok(if refused { ExitCode::from(TRUST) } else { ExitCode::SUCCESS })
}

/// The countries of the list signer's certificates that came along.
fn signer_countries(list: &MasterList) -> BTreeSet<String> {
    let enclosed = list.signed_data().certificates();
    enclosed.iter().filter_map(|one| one.subject().country()).map(str::to_uppercase).collect()
}

/// Why an archive believes a certificate, for people; empty when it does not hold it.
pub fn provenance(archive: &Archive, certificate: &Certificate) -> Vec<String> {
    let held = archive.get(&certificate.fingerprint()).filter(|held| held.is_believed());
    let source = |position: usize| archive.sources().get(position).map(|source| source.describe()).unwrap_or_default();
    let words = |believed: &Believed| format!("{}; {}", reason(believed.reason), source(believed.source));
    held.map(|held| held.reasons.iter().map(words).collect()).unwrap_or_default()
}

/// Shows in what two lists differ.
pub fn diff(a: &Path, b: &Path, json: bool) -> Result<(), Failure> {
    let (one, two) = (read(a)?, read(b)?);
    let entries = |list: &MasterList| -> BTreeMap<[u8; 32], Entry> {
        list.entries().iter().map(|entry| (entry.fingerprint, entry.clone())).collect()
    };
    let (before, after) = (entries(&one), entries(&two));
    let only = |these: &BTreeMap<[u8; 32], Entry>, those: &BTreeMap<[u8; 32], Entry>| -> Vec<Entry> {
        these.iter().filter(|(key, _)| !those.contains_key(*key)).map(|(_, entry)| entry.clone()).collect()
    };
    let (added, removed) = (only(&after, &before), only(&before, &after));
    let new_countries: Vec<String> = two.countries().difference(&one.countries()).cloned().collect();
    let gone_countries: Vec<String> = one.countries().difference(&two.countries()).cloned().collect();
    let object = json!({
        "a": a, "b": b, "unchanged": after.len() - added.len(),
        "added": added.iter().map(entry_object).collect::<Vec<_>>(),
        "removed": removed.iter().map(entry_object).collect::<Vec<_>>(),
        "countries_added": new_countries, "countries_removed": gone_countries,
    });
    let mut text = format!(
        "{} -> {}\n  unchanged          {}\n  added              {}\n  removed            {}\n  countries added    {}\n  countries removed  {}",
        a.display(),
        b.display(),
        after.len() - added.len(),
        added.len(),
        removed.len(),
        new_countries.join(" "),
        gone_countries.join(" "),
    );
    for (sign, entry) in removed.iter().map(|one| ('-', one)).chain(added.iter().map(|one| ('+', one))) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{sign} {}", entry_line(entry));
    }
    output::show(json, "master-list diff", object, &text)?;
    Ok(())
}

/// Reads a file with a certificate, DER or PEM.
pub fn certificate(path: &Path) -> Result<Certificate, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    let read = if bytes.first() == Some(&0x30) { Certificate::from_der(&bytes) } else { Certificate::from_pem(&bytes) };
    read.map_err(|error| Failure {
        what: format!("{} is not a certificate that can be used.", path.display()),
        why: error.to_string(),
        remedy: "Name a file with one X.509 certificate, DER or PEM.".to_owned(),
        exit: USAGE,
    })
}

/// What a certificate is, for programs.
pub fn certificate_object(certificate: &Certificate) -> Value {
    json!({
        "subject": certificate.subject().to_string(),
        "issuer": certificate.issuer().to_string(),
        "country": certificate.subject().country().map(str::to_uppercase),
        "serial": hex::encode(certificate.serial()),
        "key_id": hex::encode(certificate.key_identifier()),
        "authority_key_id": certificate.extensions().authority_key_identifier.as_ref().map(hex::encode),
        "key": certificate.public_key().kind().to_string(),
        "key_hash": hex::encode(certificate.public_key().key_hash()),
        "not_before": certificate.not_before().to_string(),
        "not_after": certificate.not_after().to_string(),
        "fingerprint": hex::encode(certificate.fingerprint()),
    })
}

/// What a certificate is, on one line.
pub fn certificate_line(certificate: &Certificate) -> String {
    format!(
        "{:2} {} to {}  key id {}  {}",
        certificate.subject().country().unwrap_or("--"),
        day(certificate.not_before()),
        day(certificate.not_after()),
        hex::encode(certificate.key_identifier()),
        certificate.subject(),
    )
}

/// The one master list in a file.
fn read(path: &Path) -> Result<MasterList, Failure> {
    let not_usable = |why: String| Failure {
        what: format!("There is no master list to be read in {}.", path.display()),
        why,
        remedy: "Name a CMS master list, or an LDIF, PEM or zip file with exactly one in it.".to_owned(),
        exit: USAGE,
    };
    let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    let pieces = import::read(&bytes, &Bounds::default()).map_err(|error| not_usable(error.to_string()))?;
    let (mut lists, mut reason) = (Vec::new(), "none was found".to_owned());
    for piece in pieces {
        match piece.content {
            Content::MasterList(list) => lists.push(list),
            Content::Unreadable(why) => reason = why.to_string(),
            _ => {}
        }
    }
    match (lists.pop(), lists.len()) {
        (Some(list), 0) => Ok(*list),
        (Some(_), others) => Err(not_usable(format!("{} were found", others + 1))),
        (None, _) => Err(not_usable(reason)),
    }
}

fn count(roles: &[Role], wanted: fn(&Role) -> bool) -> usize {
    roles.iter().filter(|role| wanted(role)).count()
}

impl Shown<'_> {
    fn object(&self, showing: &Showing<'_>) -> Value {
        let (list, verification, roles) = (self.list, &self.verification, &self.roles);
        let word = |id| verification.finding(id).map(|finding| finding.outcome);
        let countries = list.countries();
        let entries: Vec<Value> =
            list.entries().iter().enumerate().map(|(position, entry)| self.entry(position, entry, showing)).collect();
        json!({
            "file": self.file,
            "sha256": hex::encode(list.fingerprint()),
            "signature": word(id::SIGNATURE),
            "trust": word(id::TRUST),
            "believed": verification.is_believed(),
            "signed": verification.signed.map(|signed| signed.to_string()),
            "signer": verification.signer.as_ref().map(certificate_object),
            "pinned": verification.pinned.as_ref().map(certificate_object),
            "pinned_because": self.provenance,
            "certificates": list.entries().len(),
            "self_signed": count(roles, |role| *role == Role::SelfSigned),
            "link": count(roles, |role| matches!(role, Role::Link { .. })),
            "missing_issuer": count(roles, |role| *role == Role::MissingIssuer),
            "unreadable": count(roles, |role| *role == Role::Unreadable),
            "countries": countries.len(),
            "country_codes": countries,
            "lint": self.lint.object(),
            "findings": verification.findings,
            "leniencies": verification.leniencies,
            "entries": entries,
        })
    }

    fn entry(&self, position: usize, entry: &Entry, showing: &Showing<'_>) -> Value {
        let mut object = entry_object(entry);
        let role = self.roles.get(position).unwrap_or(&Role::Unreadable);
        if let Some(fields) = object.as_object_mut() {
            fields.insert("role".to_owned(), json!(role_word(role)));
            if let Role::Link { issuer } = role {
                let issuer = self.list.entries().get(*issuer).map(|entry| hex::encode(entry.fingerprint));
                fields.insert("issued_by".to_owned(), json!(issuer));
            }
            if showing.lint {
                fields.insert("lint".to_owned(), json!(self.lint.findings(position)));
            }
        }
        object
    }

    fn words(&self, showing: &Showing<'_>) -> String {
        let (list, roles) = (self.list, &self.roles);
        let countries: BTreeSet<String> = list.countries();
        let mut text = format!(
            "master list {}\n  certificates    {}\n  self-signed     {}\n  links           {}\n  missing issuer  {}\n  unreadable      {}\n  countries       {}: {}\n  lint            {}",
            self.file.display(),
            list.entries().len(),
            count(roles, |role| *role == Role::SelfSigned),
            count(roles, |role| matches!(role, Role::Link { .. })),
            count(roles, |role| *role == Role::MissingIssuer),
            count(roles, |role| *role == Role::Unreadable),
            countries.len(),
            countries.into_iter().collect::<Vec<_>>().join(" "),
            self.lint.words(showing.lint),
        );
        text.push_str(&findings(&self.verification.findings));
        for reason in &self.provenance {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  believed through the archive: {reason}");
        }
        for leniency in &self.verification.leniencies {
            let _ = write!(text, "\n  tolerated: {leniency}");
        }
        for (position, (entry, role)) in list.entries().iter().zip(roles).enumerate() {
            if showing.certificates || *role == Role::Unreadable {
                let _ = write!(text, "\n{:14} {}", role_word(role), entry_line(entry));
                if showing.lint {
                    text.push_str(&self.lint.finding_words(position));
                }
            }
        }
        text
    }
}

fn entry_object(entry: &Entry) -> Value {
    match &entry.certificate {
        Ok(certificate) => certificate_object(certificate),
        Err(error) => json!({ "fingerprint": hex::encode(entry.fingerprint), "unreadable": error.to_string() }),
    }
}

fn entry_line(entry: &Entry) -> String {
    match &entry.certificate {
        Ok(certificate) => certificate_line(certificate),
        Err(error) => format!("-- {}: {error}", hex::encode(entry.fingerprint)),
    }
}

fn role_word(role: &Role) -> &'static str {
    match role {
        Role::SelfSigned => "self-signed",
        Role::Link { .. } => "link",
        Role::MissingIssuer => "missing-issuer",
        Role::Unreadable => "unreadable",
    }
}

/// Findings for people, each on a line of its own, with the remedy below.
pub fn findings(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {:13} {}: {}", finding.outcome, finding.id, finding.reason);
        if let Some(remedy) = &finding.remedy {
            let _ = write!(text, "\n                do: {remedy}");
        }
    }
    text
}
