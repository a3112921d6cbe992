//! `residence`: a residence office writes a new record to its holder's card.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ::trust::{Outcome, TrustStore};
use channel::random::OsRandom;
use eid::residence::{Residence as Record, ResidenceError, SignedResidence};
use inspection::citizen::{Basis, Judgement, judge_residence};
use inspection::procedure::{Errand, ReplaceError, Replaced, replace_residence};
use inspection::{Bac, Evidence, Policy, Report, Verdict, judge};
use serde_json::{Value, json};

use super::{now, options, trust, trust_directory, with_card};
use crate::args::Residence;
use crate::failure::Error;
use crate::progress::Display;
use crate::render::human;
use crate::words::isolated;
use crate::{access, exit, output, source, terminal};

/// Bytes of the longest record that is read: what an object of the card holds.
const MAX_RECORD: usize = eid::objects::MAX_CONTENT;

/// Reads the card, judges it, writes the record, reads it back.
pub fn run(args: &Residence) -> Result<u8, Error> {
    let content = content(&args.record)?;
    let record = parse(&content).map_err(|source| Error::Record { path: args.record.clone(), source })?;
    // Without trust material no card can be judged: say so before the card is asked for.
    let store = trust::open(&trust_directory(args.trust.as_ref())?)?;
    let access = access::access(&args.access, Bac::Never)?;
    let terminal = terminal::open(&args.terminal, args.terminal_passphrase_file.as_deref(), now())?;
    let powered = source::connect(&args.source)?;
    let options = options(&powered);
    let mut refused = None;
    let mut approve = |evidence: &Evidence| {
        let judged = judge(evidence, &store, &Policy { bac: Bac::Never }, now());
        refused = refusal(&content, &record, judged, &store);
        refused.is_none()
    };
    let errand = Errand { terminal: &terminal, record: &content, approve: &mut approve };
    let display = Display::new();
    let mut show = |progress| display.show(progress);
    let (evidence, result) =
        with_card(powered, |card| replace_residence(card, &access, &options, errand, &mut OsRandom, &mut show));
    match (result, refused) {
        (Ok(replaced), _) => told(args, &record, &replaced),
        (Err(ReplaceError::NotApproved), Some(Refusal::Record(error))) => Err(error),
        (Err(ReplaceError::NotApproved), Some(Refusal::Card(report))) => refuse(args, &report),
        (Err(ReplaceError::NotOpened), _) => {
            // Nobody was asked in this session: the verdict says why the chip stayed closed.
            let report = judge(&evidence, &store, &Policy { bac: Bac::Never }, now());
            match report.verdict {
                Verdict::GenuineValid => Err(ReplaceError::NotOpened.into()),
                _ => refuse(args, &report),
            }
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// Why a record does not go to a card.
enum Refusal {
    /// The card is not genuine and valid.
    Card(Box<Report>),
    /// It is, but not with this record.
    Record(Error),
}

/// Nothing goes to a card that its readers would not believe there: a record of a later day could not even be mended.
fn refusal(content: &[u8], record: &Record, document: Report, store: &TrustStore) -> Option<Refusal> {
    if document.verdict != Verdict::GenuineValid {
        return Some(Refusal::Card(Box::new(document)));
    }
    if !is_holder_s(record, &document) {
        return Some(Refusal::Record(Error::OtherHolder));
    }
    let basis = Basis { authorities: &[], lists: &[], store: Some(store), document: Some(&document), now: now() };
    let (judgement, checks) = judge_residence(content, &basis);
    if judgement == Judgement::Good {
        return None;
    }
    let reasons = checks.iter().filter(|check| !matches!(check.result, Outcome::Successful | Outcome::NotSupported));
    let reasons: Vec<_> = reasons.map(|check| format!("{}: {}", check.id, check.reason)).collect();
    Some(Refusal::Record(Error::RecordNotGood { reasons: reasons.join("; ") }))
}

/// Whether the record names the person whose document this is.
fn is_holder_s(record: &Record, report: &Report) -> bool {
    let holder = report.holder.as_ref().filter(|holder| holder.authentic);
    holder.and_then(|holder| holder.national_number.as_deref()) == Some(&record.national_number)
}

fn content(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::ReadFile { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_RECORD as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn parse(content: &[u8]) -> Result<Record, ResidenceError> {
    SignedResidence::parse(content)?.residence()
}

fn told(args: &Residence, record: &Record, replaced: &Replaced) -> Result<u8, Error> {
    let before = replaced.before.as_deref().map(|content| parse(content).ok());
    if args.json {
        let before = before.as_ref().map_or(Value::Null, |before| described(before.as_ref()));
        let now = described(Some(record));
        output::json(&json!({ "version": 1, "replaced": true, "before": before, "now": now }))?;
        return Ok(exit::GOOD);
    }
    match before {
        None => output::line("before: there was no record")?,
        Some(None) => output::line("before: something that is no record of this version")?,
        Some(Some(before)) => tell("before", &before)?,
    }
    tell("now", record)?;
    output::line("The card has shown the new record. Its signature is good; that of the one before was not judged.")?;
    Ok(exit::GOOD)
}

/// A card that is not genuine and valid: its verdict, and that nothing was written.
fn refuse(args: &Residence, report: &Report) -> Result<u8, Error> {
    if args.json {
        output::json(&json!({
            "version": 1,
            "replaced": false,
            "verdict": report.verdict,
            "meaning": report.meaning,
            "because": report.because,
            "checks": report.checks,
        }))?;
    } else {
        output::line(&format!("{}: {}", report.verdict.word(), report.meaning))?;
        output::raw(human::grounds(report).as_bytes())?;
        output::line("Nothing was written: a record goes to genuine and valid cards only.")?;
    }
    Ok(exit::of_verdict(report.verdict))
}

fn tell(name: &str, record: &Record) -> Result<(), Error> {
    let parts: Vec<_> = address(record).into_iter().map(|(_, part)| part).filter(|part| !part.is_empty()).collect();
    output::line(&format!("{name}: {}", isolated(&parts.join(", "))))?;
    output::line(&format!("  entered on {} by office {}", record.date, isolated(&record.office)))
}

fn described(record: Option<&Record>) -> Value {
    let Some(record) = record else { return json!({ "malformed": true }) };
    let address: serde_json::Map<_, _> =
        address(record).into_iter().map(|(name, part)| (name.to_owned(), part.into())).collect();
    json!({ "date": record.date.to_string(), "office": record.office, "address": address })
}

fn address(record: &Record) -> [(&'static str, &str); 6] {
    let address = &record.address;
    [
        ("governorate", &address.governorate),
        ("district", &address.district),
        ("sub_district", &address.sub_district),
        ("quarter", &address.quarter),
        ("lane", &address.lane),
        ("house", &address.house),
    ]
}
