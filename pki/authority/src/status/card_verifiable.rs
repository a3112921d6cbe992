//! Card-verifiable certificates: those of the holders in this directory, and those that were issued to others.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use trust::cvc::{CvCertificate, Level};

use super::{Item, Need, item_of_day, with_token};
use crate::cvca::{CvError, CvHolder, CvStore};
use crate::key_store::StoredKey;

/// Days ahead of an end at which the next certificate is to be got: nobody answers in an hour.
fn notice_days(level: Level) -> i64 {
    match level {
        Level::Cvca => 60,
        Level::DomesticDv | Level::ForeignDv => 14,
        Level::Terminal => 7,
    }
}

pub(super) fn items(store: &CvStore, now: Timestamp) -> Result<Vec<Item>, CvError> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let holders = store.holders()?;
    let names: Vec<String> = holders.iter().map(CvHolder::name).collect();
    let mut items = Vec::new();
    for holder in &holders {
        items.push(own(holder, &names, today)?);
        items.extend(issued(holder, &names, today)?);
    }
    Ok(items)
}

/// The current certificate of a holder, and whether a request is under way.
fn own(holder: &CvHolder, names: &[String], today: Date) -> Result<Item, CvError> {
    let newest = holder.generations().last();
    let waiting = newest.is_some_and(|generation| generation.certificate.is_none());
    let Some((generation, certificate)) = holder.current() else {
        let state = if waiting { "no certificate yet, a request is under way" } else { "no certificate yet" };
        return Ok(item_of_day("cv-holder", holder.name(), state, None));
    };
    let body = certificate.body();
    let (level, end) = (body.chat.level(), body.expires);
    let token = StoredKey::token(&generation.directory)?;
    let state = |words: &str| with_token(words, token.as_ref());
    let describe = |words: &str| item_of_day(kind(level), body.holder.to_string(), state(words), Some(end));
    Ok(if waiting && today <= end {
        describe("good, the next request is under way")
    } else if today > end {
        describe("expired").needs(Need::Now, &action(certificate, names))
    } else if ends_soon(level, today, end) {
        describe("ends soon").needs(Need::Soon, &action(certificate, names))
    } else {
        describe("good")
    })
}

/// The newest certificate of everybody else whom this holder certified: who must ask again, and when.
fn issued(holder: &CvHolder, names: &[String], today: Date) -> Result<Vec<Item>, CvError> {
    let mut newest: BTreeMap<String, CvCertificate> = BTreeMap::new();
    for certificate in holder.issued_to_others()? {
        let reference = certificate.body().holder.clone();
        let Some((country, mnemonic, _)) = reference.parts() else { continue };
        let name = [country, mnemonic].concat();
        if !names.contains(&name) {
            newest.insert(name, certificate);
        }
    }
    let describe = |certificate: &CvCertificate| {
        let body = certificate.body();
        let state = match (today > body.expires, ends_soon(body.chat.level(), today, body.expires)) {
            (true, _) => "expired: its holder did not ask for the next one",
            (false, true) => "ends soon: its holder is to ask for the next one",
            (false, false) => "good",
        };
        let name = body.holder.to_string();
        let state = format!("issued by {}, {state}", holder.name());
        let item = item_of_day("cv-issued", name, state, Some(body.expires));
        if today > body.expires { item.past() } else { item }
    };
    Ok(newest.values().map(describe).collect())
}

fn kind(level: Level) -> &'static str {
    match level {
        Level::Cvca => "cvca",
        Level::DomesticDv | Level::ForeignDv => "document-verifier",
        Level::Terminal => "terminal",
    }
}

fn ends_soon(level: Level, today: Date, end: Date) -> bool {
    i64::from((end - today).get_days()) <= notice_days(level)
}

/// What to type for the next certificate: here, when the issuer is here too; else a request to it.
fn action(certificate: &CvCertificate, names: &[String]) -> String {
    let body = certificate.body();
    let name = |reference: &trust::cvc::Reference| {
        reference.parts().map(|(country, mnemonic, _)| (country.to_owned(), mnemonic.to_owned()))
    };
    let (country, mnemonic) = name(&body.holder).unwrap_or_default();
    let issuer =
        name(&body.authority).map(|(country, mnemonic)| country + &mnemonic).filter(|name| names.contains(name));
    let own = format!("--country {country} --mnemonic {mnemonic}");
    match (body.chat.level(), issuer) {
        (Level::Cvca, _) => format!("bitaqa-pki cvc init {own} --next"),
        (Level::DomesticDv, Some(issuer)) => format!("bitaqa-pki cvc dv --by {issuer} {own} --domestic"),
        (Level::ForeignDv, Some(issuer)) => format!("bitaqa-pki cvc dv --by {issuer} {own}"),
        (Level::Terminal, Some(issuer)) => {
            let rights = body.chat.right_names().join(",");
            let rights = if rights.is_empty() { String::new() } else { format!(" --rights {rights}") };
            format!("bitaqa-pki cvc terminal --by {issuer} {own}{rights}")
        }
        (_, None) => format!("bitaqa-pki cvc request {own} --out {mnemonic}.cvreq"),
    }
}
