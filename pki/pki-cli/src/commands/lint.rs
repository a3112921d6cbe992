//! `lint`: what a file departs from, rule by rule.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};
use trust::lint::{self, Edition, Finding, InputError, Kind, Report, Rule, Severity};

use crate::args::Lint;
use crate::failure::{Failure, TRUST, USAGE};
use crate::output;

/// The largest file that is read, in bytes; one more tells that it is larger.
const MAX_FILE: u64 = 16 * 1024 * 1024 + 1;

/// One object of a file with what was found.
struct Linted {
    file: PathBuf,
    /// Which object of the file, from 1; for a certificate inside signed data also which one.
    place: (usize, Option<usize>),
    report: Report,
}

/// Asks the rules about every object of every file; the exit code says whether a requirement is not met. A file that cannot be
/// read stops no other one.
pub fn run(arguments: &Lint, json: bool) -> Result<ExitCode, Failure> {
    if arguments.rules {
        list_rules(json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let kind = arguments.kind.as_deref().and_then(Kind::find);
    let edition = arguments.edition.as_deref().and_then(Edition::find);
    let mut all = Vec::new();
    let mut refused = Vec::new();
    for file in &arguments.files {
        match one_file(file, kind, edition, arguments.certificates) {
            Ok(linted) => all.extend(linted),
            Err(failure) => refused.push(failure),
        }
    }
    let errors: usize = all.iter().map(|linted| linted.report.count(Severity::Error)).sum();
    let object = json!({ "errors": errors, "objects": all.iter().map(Linted::object).collect::<Vec<_>>() });
    let words: Vec<String> = all.iter().map(|linted| linted.words(arguments.notices)).collect();
    if !all.is_empty() {
        output::show(json, "lint", object, &words.join("\n"))?;
    }
    if let Some(failure) = Failure::together(refused) {
        return Err(failure);
    }
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(TRUST) })
}

fn one_file(path: &Path, kind: Option<Kind>, edition: Option<Edition>, inside: bool) -> Result<Vec<Linted>, Failure> {
    let bytes = read(path).map_err(|error| Failure::unreadable(path, &error))?;
    let objects = lint::objects(&bytes).map_err(|error| unusable(path, &error))?;
    let mut all = Vec::new();
    for (index, der) in objects.iter().enumerate() {
        let kind = kind.or_else(|| lint::detect(der)).ok_or_else(|| unusable(path, &InputError::Unknown))?;
        let asked = |der: &[u8], kind: Kind| lint::lint(der, kind, edition.unwrap_or(kind.edition()));
        let place = (index + 1, None);
        all.push(Linted { file: path.to_owned(), place, report: asked(der, kind) });
        if inside {
            for (inner, certificate) in lint::contained(der).iter().enumerate() {
                let Some(kind) = lint::detect(certificate) else { continue };
                let place = (index + 1, Some(inner + 1));
                all.push(Linted { file: path.to_owned(), place, report: asked(certificate, kind) });
            }
        }
    }
    Ok(all)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Linted {
    fn object(&self) -> Value {
        let findings: Vec<Value> = self
            .report
            .findings
            .iter()
            .map(|finding| {
                let rule = finding.rule;
                json!({
                    "rule": rule.id, "severity": rule.severity.name(), "title": rule.title, "source": rule.source,
                    "seen": finding.seen,
                })
            })
            .collect();
        json!({
            "file": self.file, "object": self.place.0, "certificate": self.place.1,
            "kind": self.report.kind.name(), "edition": self.report.edition.name(), "rules": self.report.rules,
            "findings": findings,
        })
    }

    fn words(&self, notices: bool) -> String {
        let place = match self.place {
            (1, None) => String::new(),
            (object, None) => format!(" object {object}"),
            (_, Some(certificate)) => format!(" certificate {certificate} inside"),
        };
        let report = &self.report;
        let mut text = format!(
            "{}{place}: {}, edition {}: {} errors, {} warnings, {} notices of {} rules",
            self.file.display(),
            report.kind,
            report.edition,
            report.count(Severity::Error),
            report.count(Severity::Warning),
            report.count(Severity::Notice),
            report.rules,
        );
        let shown = report.findings.iter().filter(|finding| notices || finding.rule.severity > Severity::Notice);
        for finding in shown {
            let rule = finding.rule;
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n  {:8} {}: {}\n           seen: {}\n           {}",
                rule.severity, rule.id, rule.title, finding.seen, rule.source
            );
        }
        text
    }
}

/// What the rules found in many objects, each told what it is from its bytes.
#[derive(Default)]
pub struct Summary {
    objects: usize,
    clean: usize,
    /// Objects with a finding, by severity and rule.
    rules: BTreeMap<(Reverse<Severity>, &'static str), usize>,
    /// Departures with the position of their object, from 0.
    findings: Vec<(usize, Finding)>,
}

impl Summary {
    /// Asks the rules of each object's own kind and edition.
    pub fn of<'a>(objects: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut summary = Summary::default();
        for (position, der) in objects.enumerate() {
            // What is nothing that has rules stands where a certificate was expected.
            let kind = lint::detect(der).unwrap_or(Kind::Csca);
            let report = lint::lint(der, kind, kind.edition());
            summary.objects += 1;
            summary.clean += usize::from(report.findings.is_empty());
            for finding in report.findings {
                *summary.rules.entry((Reverse(finding.rule.severity), finding.rule.id)).or_default() += 1;
                summary.findings.push((position, finding));
            }
        }
        summary
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|(_, finding)| finding.rule.severity == severity).count()
    }

    /// The departures of the object at this position.
    fn of_object(&self, position: usize) -> impl Iterator<Item = &Finding> {
        let from = self.findings.partition_point(|(other, _)| *other < position);
        let rest = self.findings.get(from..).unwrap_or_default();
        rest.iter().take_while(move |(other, _)| *other == position).map(|(_, finding)| finding)
    }

    /// Counts by severity and rule, for programs.
    pub fn object(&self) -> Value {
        let rules: Vec<Value> = self
            .rules
            .iter()
            .map(|((Reverse(severity), rule), objects)| {
                json!({ "rule": rule, "severity": severity.name(), "objects": objects })
            })
            .collect();
        json!({
            "objects": self.objects, "clean": self.clean,
            "errors": self.count(Severity::Error), "warnings": self.count(Severity::Warning),
            "notices": self.count(Severity::Notice), "rules": rules,
        })
    }

    /// The departures of one object, for programs.
    pub fn findings(&self, position: usize) -> Vec<Value> {
        let each = |finding: &Finding| json!({ "rule": finding.rule.id, "severity": finding.rule.severity.name(), "seen": finding.seen });
        self.of_object(position).map(each).collect()
    }

    /// One line of counts; with `rules` also one for each rule.
    pub fn words(&self, rules: bool) -> String {
        let mut text = format!(
            "{} errors, {} warnings, {} notices; {} of {} without any",
            self.count(Severity::Error),
            self.count(Severity::Warning),
            self.count(Severity::Notice),
            self.clean,
            self.objects,
        );
        for ((Reverse(severity), rule), objects) in self.rules.iter().filter(|_| rules) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n    {severity:8} {objects:4} {rule}");
        }
        text
    }

    /// The departures of one object, each on a line.
    pub fn finding_words(&self, position: usize) -> String {
        let mut text = String::new();
        for finding in self.of_object(position) {
            let _ = write!(text, "\n      {:8} {}: {}", finding.rule.severity, finding.rule.id, finding.seen);
        }
        text
    }
}

fn list_rules(json: bool) -> Result<(), Failure> {
    let rules: Vec<Value> = lint::rules().map(rule_object).collect();
    let words: Vec<String> = lint::rules().map(rule_words).collect();
    output::show(json, "lint rules", json!({ "rules": rules }), &words.join("\n"))
}

fn rule_object(rule: &Rule) -> Value {
    json!({
        "rule": rule.id, "severity": rule.severity.name(), "title": rule.title, "source": rule.source,
        "kinds": rule.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>(),
        "editions": rule.editions.iter().map(|edition| edition.name()).collect::<Vec<_>>(),
    })
}

fn rule_words(rule: &Rule) -> String {
    let editions: Vec<&str> = rule.editions.iter().map(|edition| edition.name()).collect();
    format!("{:8} {:32} {} [{}; {}]", rule.severity, rule.id, rule.title, rule.source, editions.join(" "))
}

fn unusable(path: &Path, error: &InputError) -> Failure {
    Failure {
        what: format!("{} cannot be examined.", path.display()),
        why: error.to_string(),
        remedy: "Give certificates, revocation lists, master lists, deviation lists or EF.SOD in DER or PEM; name the kind with --kind when it cannot be told."
            .to_owned(),
        exit: USAGE,
    }
}
