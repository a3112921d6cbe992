//! `trust import`, `trust distrust`, `trust list`, `trust export`, `trust check`.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use trust::archive::{self, Archive, Change, Fingerprint, Held, LoadError, Plan, Reason, Request, SaveError, Writing};
use trust::chain::{self, Document};
use trust::files::write_output;
use trust::import::{self, Bounds};
use trust::{Certificate, DefectList, Finding, Pin, Policy, TrustStore, security_object};

use super::issue::day;
use super::master_list::{certificate, certificate_line, certificate_object, findings, provenance};
use crate::failure::{Failure, TRUST, USAGE};
use crate::output;

/// What is believed, and who says so.
pub struct Belief<'a> {
    pub signers: &'a [PathBuf],
    pub signer_states: &'a [String],
    pub confirmed: &'a [String],
    pub by: &'a str,
}

/// Imports files one after another: shows what changes, then changes it.
pub fn import(
    directory: &Path,
    files: &[PathBuf],
    belief: &Belief<'_>,
    dry_run: bool,
    json: bool,
) -> Result<ExitCode, Failure> {
    let given = belief.signers.iter().map(|path| certificate(path)).collect::<Result<Vec<_>, _>>()?;
    let confirmed = belief.confirmed.iter().map(|text| fingerprint(text)).collect::<Result<Vec<_>, _>>()?;
    let writing = if dry_run { None } else { Some(Writing::begin(directory)?) };
    let mut archive = Archive::open(directory)?;
    let (mut doubtful, mut useless) = (false, false);
    for path in files {
        let bytes = fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
        let pieces = import::read(&bytes, &Bounds::default()).map_err(|error| Failure {
            what: format!("Nothing of {} was imported.", path.display()),
            why: error.to_string(),
            remedy: "Check where the file comes from.".to_owned(),
            exit: USAGE,
        })?;
        let states = belief.signer_states.iter().flat_map(|country| archive.anchors_of(country));
        let pins: Vec<Certificate> = given.iter().cloned().chain(states).collect();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let plan = archive.plan(&Request {
            file: &name,
            sha256: archive::fingerprint(&bytes),
            pieces: &pieces,
            pins: &pins,
            confirmed: &confirmed,
            now: Timestamp::now(),
            by: belief.by,
        });
        doubtful |= !pins.is_empty() && plan.lists.iter().any(|(_, verification)| !verification.is_believed());
        useless |= !plan.refused.is_empty() && plan.changes.is_empty() && plan.unchanged == 0;
        let behind = Behind::of(&archive, &plan);
        let words = plan_words(path, &plan, &behind, dry_run);
        output::show(json, "trust import", plan_object(path, &plan, &behind, dry_run), &words)?;
        if plan.changes.is_empty() && archive.has_file(&archive::fingerprint(&bytes)) {
            continue;
        }
        archive = plan.archive;
        if let Some(writing) = &writing {
            writing.save(&archive)?;
        }
    }
    Ok(if doubtful || useless { ExitCode::from(TRUST) } else { ExitCode::SUCCESS })
}

/// Records that the key of a certificate is not believed.
pub fn distrust(directory: &Path, named: &str, because: &str, by: &str, json: bool) -> Result<(), Failure> {
    let named = fingerprint(named)?;
    let unknown = || Failure {
        what: "Nothing was distrusted.".to_owned(),
        why: format!("the archive has no certificate with the fingerprint {}", hex::encode(named)),
        remedy: "See bitaqa-pki trust list; import the certificate first when it is not there yet.".to_owned(),
        exit: USAGE,
    };
    let mut archive = open(directory)?;
    archive.get(&named).ok_or_else(unknown)?;
    let writing = Writing::begin(directory)?;
    archive = open(directory)?;
    let gone = archive.distrust(&named, because, by, Timestamp::now()).ok_or_else(unknown)?;
    writing.save(&archive)?;
    let object = json!({
        "fingerprint": hex::encode(named), "because": because, "by": by, "generation": archive.generation(),
        "no_longer_believed": gone.iter().map(hex::encode).collect::<Vec<_>>(), "keys": archive.anchors().len(),
    });
    let mut words = format!("{} is distrusted; {} keys are believed", hex::encode(named), archive.anchors().len());
    for held in gone.iter().filter_map(|one| archive.get(one)) {
        // Writing to a string cannot fail.
        let _ = write!(words, "\n  no longer believed {}", certificate_line(&held.certificate));
    }
    words.push_str("\nnext: export a trust bundle with --archive; until posts have it, they believe what they have");
    output::show(json, "trust distrust", object, &words)
}

/// An archive that must be there: one that is asked about and missing is a mistyped path, not an empty archive.
fn open(directory: &Path) -> Result<Archive, Failure> {
    if !directory.is_dir() {
        return Err(Failure {
            what: format!("There is no anchor archive in {}.", directory.display()),
            why: "the directory does not exist".to_owned(),
            remedy: "Check the path; bitaqa-pki trust import makes an archive.".to_owned(),
            exit: USAGE,
        });
    }
    Ok(Archive::open(directory)?)
}

/// Lists the certificates with their origin.
pub fn list(directory: &Path, country: Option<&str>, pending: bool, json: bool) -> Result<(), Failure> {
    let archive = open(directory)?;
    let shown: Vec<&Held> = archive
        .certificates()
        .filter(|held| is_of(&held.certificate, country) && !(pending && held.is_believed()))
        .collect();
    let object = json!({
        "directory": directory, "generation": archive.generation(),
        "keys": archive.anchors().len(),
        "believed": archive.certificates().filter(|held| held.is_believed()).count(),
        "pending": archive.certificates().filter(|held| !held.is_believed()).count(),
        "crls": archive.crls().count(),
        "sources": archive.sources(), "distrusted": archive.distrusted(),
        "certificates": shown.iter().map(|held| held_object(&archive, held)).collect::<Vec<_>>(),
    });
    let mut text = format!(
        "anchor archive {}, import {}: {} keys believed",
        directory.display(),
        archive.generation(),
        archive.anchors().len()
    );
    for held in shown {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{}", certificate_line(&held.certificate));
        if let Some(distrusted) = archive.distrust_of(&held.certificate) {
            let _ = write!(text, "\n     {}", output::printable(&distrusted.to_string()));
            continue;
        }
        for believed in held.reasons.iter().filter(|_| held.is_believed()) {
            let source = archive.sources().get(believed.source);
            let (whence, by) = source.map(|source| (source.describe(), source.by.as_str())).unwrap_or_default();
            let when = source.map(|source| day(source.imported)).unwrap_or_default();
            let _ = write!(text, "\n     believed: {}; {whence}, imported {when} by {by}", reason(believed.reason));
        }
        if !held.is_believed() {
            let seen: Vec<String> = held
                .seen
                .iter()
                .filter_map(|seen| archive.sources().get(seen.source))
                .map(|one| one.describe())
                .collect();
            let _ = write!(text, "\n     not believed; seen in {}", seen.join(", "));
        }
    }
    output::show(json, "trust list", object, &text)?;
    Ok(())
}

/// Writes the believed certificates as PEM, each under a line that says why it is believed.
pub fn export(directory: &Path, out: &Path, country: Option<&str>, json: bool) -> Result<(), Failure> {
    let archive = open(directory)?;
    let believed: Vec<&Held> =
        archive.certificates().filter(|held| held.is_believed() && is_of(&held.certificate, country)).collect();
    let mut text = String::new();
    for held in &believed {
        let why: Vec<String> = held.reasons.iter().map(|believed| reason(believed.reason)).collect();
        let certificate = &held.certificate;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# {}: {}", certificate.subject(), why.join(", "));
        let body = STANDARD.encode(certificate.der());
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in body.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    write_output(out, text.as_bytes(), 0o666).map_err(|error| Failure::unwritable(out, &error))?;
    let object = json!({ "file": out, "certificates": believed.len(), "generation": archive.generation() });
    let words = format!("{} certificates written to {}", believed.len(), out.display());
    output::show(json, "trust export", object, &words)?;
    Ok(())
}

/// Judges a document signer's certificate, or a security object with its signer.
pub fn check(directory: &Path, file: &Path, defects: &[PathBuf], json: bool) -> Result<ExitCode, Failure> {
    let now = Timestamp::now();
    let store = open(directory)?.trust_store(Policy::default());
    let lists = defects.iter().map(|path| defect_list(path, &store, now)).collect::<Result<Vec<_>, _>>()?;
    let store = store.knowing_defects(lists, now);
    let document = Document { now, code: None, issuing_state: None, issued: None };
    let bytes = fs::read(file).map_err(|error| Failure::unreadable(file, &error))?;
    let found: Vec<Finding> = match security_object(&bytes) {
        Some(object) => object.judge(&store, &document).findings().cloned().collect(),
        None => chain::judge(&certificate(file)?, &store, &document).findings,
    };
    let object = json!({ "file": file, "findings": found });
    output::show(json, "trust check", object, &format!("{}{}", file.display(), findings(&found)))?;
    let trusted = found.iter().any(|finding| finding.id == chain::id::TRUST && finding.is_successful());
    let refused = !trusted || found.iter().any(Finding::is_failed);
    Ok(if refused { ExitCode::from(TRUST) } else { ExitCode::SUCCESS })
}

/// A defect list that a believed CSCA stands behind.
fn defect_list(path: &Path, store: &TrustStore, now: Timestamp) -> Result<DefectList, Failure> {
    let list = read_defect_list(path)?;
    let verification = list.verify(store.anchors(), now);
    match verification.findings.iter().find(|finding| !finding.is_successful()) {
        Some(finding) if !verification.is_believed() => Err(Failure {
            what: format!("{} is not believed; nothing was judged.", path.display()),
            why: finding.reason.clone(),
            remedy: "Import the CSCA that certified the list's signer, or leave the list out.".to_owned(),
            exit: TRUST,
        }),
        _ => Ok(list),
    }
}

/// A defect list that nobody stands behind yet.
pub fn read_defect_list(path: &Path) -> Result<DefectList, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    DefectList::from_der(&bytes).map_err(|error| Failure {
        what: format!("{} cannot be used.", path.display()),
        why: error.to_string(),
        remedy: "Name a CMS defect list (TR-03129-2).".to_owned(),
        exit: USAGE,
    })
}

/// EF.SOD, or the CMS in it.
fn security_object(bytes: &[u8]) -> Option<security_object::SignedSecurityObject> {
    security_object::parse_file(bytes).or_else(|_| security_object::parse(bytes)).ok()
}

fn is_of(certificate: &Certificate, country: Option<&str>) -> bool {
    country.is_none_or(|wanted| certificate.subject().country().is_some_and(|one| one.eq_ignore_ascii_case(wanted)))
}

fn fingerprint(text: &str) -> Result<Fingerprint, Failure> {
    Pin::from_hex(text).map(|pin| pin.0).ok_or_else(|| Failure {
        what: format!("{text:?} is not a fingerprint."),
        why: "64 hexadecimal digits are expected; spaces and colons between them are ignored".to_owned(),
        remedy: "Give the SHA-256 of the certificate, as its owner published it.".to_owned(),
        exit: USAGE,
    })
}

/// Why a certificate is believed, for people.
pub fn reason(reason: Reason) -> String {
    match reason {
        Reason::Listed => "a root in a verified master list".to_owned(),
        Reason::Confirmed => "its fingerprint was confirmed".to_owned(),
        Reason::LinkedFrom(issuer) => format!("linked from {}", short(&issuer)),
        Reason::SameKeyAs(known) => format!("root of the key of {}", short(&known)),
    }
}

fn short(fingerprint: &Fingerprint) -> String {
    hex::encode(fingerprint).chars().take(16).collect()
}

fn held_object(archive: &Archive, held: &Held) -> Value {
    let mut object = certificate_object(&held.certificate);
    if let Some(fields) = object.as_object_mut() {
        fields.insert("believed".to_owned(), json!(held.is_believed()));
        fields.insert("distrusted".to_owned(), json!(archive.distrust_of(&held.certificate)));
        fields.insert("reasons".to_owned(), json!(held.reasons));
        fields.insert("seen".to_owned(), json!(held.seen));
    }
    object
}

/// The kind of a change, the certificate or list it is about, and the reason.
fn change_parts(change: &Change) -> (&'static str, &Fingerprint, Option<Reason>) {
    match change {
        Change::Anchor(fingerprint, reason) => ("anchor", fingerprint, Some(*reason)),
        Change::NowBelieved(fingerprint, reason) => ("now-believed", fingerprint, Some(*reason)),
        Change::Pending(fingerprint) => ("pending", fingerprint, None),
        Change::Signer(fingerprint) => ("signer", fingerprint, None),
        Change::Crl(fingerprint) => ("crl", fingerprint, None),
        Change::NoLongerListed(fingerprint) => ("no-longer-listed", fingerprint, None),
    }
}

/// For each list of a plan, why the archive as it was believes the certificate that stands behind the list.
struct Behind(Vec<Vec<String>>);

impl Behind {
    fn of(archive: &Archive, plan: &Plan) -> Self {
        let why = |pinned: Option<&Certificate>| pinned.map(|pin| provenance(archive, pin)).unwrap_or_default();
        Behind(plan.lists.iter().map(|(_, verification)| why(verification.pinned.as_ref())).collect())
    }
}

fn plan_object(path: &Path, plan: &Plan, behind: &Behind, dry_run: bool) -> Value {
    let changes: Vec<Value> = plan
        .changes
        .iter()
        .map(|change| {
            let (kind, fingerprint, reason) = change_parts(change);
            let held = plan.archive.get(fingerprint);
            json!({
                "change": kind, "fingerprint": hex::encode(fingerprint), "reason": reason,
                "subject": held.map(|held| held.certificate.subject().to_string()),
            })
        })
        .collect();
    let lists: Vec<Value> = plan
        .lists
        .iter()
        .zip(&behind.0)
        .map(|((place, verification), because)| {
            json!({ "place": place, "believed": verification.is_believed(), "findings": verification.findings,
                "pinned_because": because, "leniencies": verification.leniencies })
        })
        .collect();
    let refused: Vec<Value> =
        plan.refused.iter().map(|refused| json!({ "place": refused.place, "why": refused.why })).collect();
    json!({
        "file": path, "dry_run": dry_run, "unchanged": plan.unchanged, "changes": changes, "lists": lists,
        "refused": refused, "keys": plan.archive.anchors().len(),
    })
}

fn plan_words(path: &Path, plan: &Plan, behind: &Behind, dry_run: bool) -> String {
    let mut text = format!("{}{}", path.display(), if dry_run { ": would change" } else { "" });
    for ((_, verification), because) in plan.lists.iter().zip(&behind.0) {
        text.push_str(&findings(&verification.findings));
        for reason in because {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  believed through the archive: {reason}");
        }
    }
    for change in &plan.changes {
        let (kind, fingerprint, why) = change_parts(change);
        let line = plan.archive.get(fingerprint).map(|held| certificate_line(&held.certificate));
        let why = why.map_or_else(String::new, |why| format!("; {}", reason(why)));
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {kind:16} {}{why}", line.unwrap_or_else(|| hex::encode(fingerprint)));
    }
    for refused in &plan.refused {
        let _ = write!(text, "\n  refused          {}: {}", refused.place, refused.why);
    }
    let _ = write!(
        text,
        "\n  {} changes, {} unchanged, {} refused; {} keys believed",
        plan.changes.len(),
        plan.unchanged,
        plan.refused.len(),
        plan.archive.anchors().len()
    );
    text
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let remedy = match &error {
            LoadError::Read { .. } => "Check the path and its permissions.",
            LoadError::Format { .. } => "Use the version of bitaqa-pki that wrote this archive, or a newer one.",
            LoadError::Json(_) | LoadError::Certificate { .. } | LoadError::Crl { .. } => {
                "Restore the archive from its backup, or import its sources again."
            }
        };
        Failure {
            what: "The anchor archive cannot be opened.".to_owned(),
            why: error.to_string(),
            remedy: remedy.to_owned(),
            exit: TRUST,
        }
    }
}

impl From<SaveError> for Failure {
    fn from(error: SaveError) -> Self {
        let remedy = match &error {
            SaveError::Busy(_) => "Wait until the other process has ended, then repeat the command.",
            SaveError::Write { .. } => "Check the permissions and the space on the disk, then repeat the command.",
        };
        Failure {
            what: "The anchor archive was not changed.".to_owned(),
            why: error.to_string(),
            remedy: remedy.to_owned(),
            exit: TRUST,
        }
    }
}
