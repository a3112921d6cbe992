//! The report on a citizen application as text.

use inspection::citizen::{CertificateLine, Judgement, Proof, Report, ResidenceLine, Revocation, RevocationStatus};
use trust::Outcome;

use crate::failure::Error;
use crate::output;
use crate::words::isolated;

/// Tells the whole report.
pub fn tell(report: &Report) -> Result<(), Error> {
    line("application", report.application.as_deref().unwrap_or("without a name"))?;
    if let (Some(card), Some(expires)) = (&report.card, &report.expires) {
        line("card", &format!("{card}, expires {expires}"))?;
    }
    let tries = match report.tries {
        Some(1) => ", 1 try left".to_owned(),
        Some(tries) => format!(", {tries} tries left"),
        None => String::new(),
    };
    line("PIN", &format!("{}{tries}", report.pin.words()))?;
    for object in &report.objects {
        let bytes = object.bytes.map(|bytes| format!(", {bytes} bytes")).unwrap_or_default();
        line(&object.tag, &format!("{}: {}{bytes}", object.name, object.state))?;
    }
    if let Some(hint) = &report.status_hint {
        let date = hint.date.as_deref().map(|date| format!(" since {date}")).unwrap_or_default();
        line("status hint", &format!("{}{date} (a note on the card, which proves nothing)", hint.status))?;
    }
    if let Some(document) = &report.document {
        let number = document.number.as_deref().map(|number| format!(", number {number}")).unwrap_or_default();
        line("travel document", &format!("{}{number} (read without the portrait)", document.verdict.word()))?;
    }
    for certificate in &report.certificates {
        tell_certificate(certificate)?;
    }
    if report.certificates.is_empty() {
        output::line("\nThere is no certificate.")?;
    }
    if let Some(residence) = &report.residence {
        tell_residence(residence)?;
    }
    tell_checks(report)?;
    output::line(&format!("\n{}", word(report.judgement)))?;
    if let Some(reason) = &report.interrupted {
        output::line(&format!("interrupted: {}", isolated(reason)))?;
    }
    if !report.not_judged.is_empty() {
        output::line(&format!("not judged: {}", report.not_judged.join("; ")))?;
    }
    output::line("`bitaqa-reader explain NAME` explains a check")
}

fn line(name: &str, value: &str) -> Result<(), Error> {
    output::line(&format!("{name:16}{}", isolated(value)))
}

fn tell_residence(residence: &ResidenceLine) -> Result<(), Error> {
    let judged = match (residence.judgement, residence.state) {
        (Some(judgement), _) => word(judgement),
        (None, "protected") => "NOT READ",
        (None, _) => "NONE ON THIS CARD",
    };
    output::line(&format!("\nResidence record: {judged}"))?;
    let Some(record) = &residence.record else { return Ok(()) };
    let signed = record.signed_at.map(|time| time.to_string());
    let lines = [
        ("national number", "الرقم الوطني", Some(&record.national_number)),
        ("governorate", "المحافظة", Some(&record.governorate)),
        ("district", "القضاء", Some(&record.district)),
        ("sub-district", "الناحية", Some(&record.sub_district)),
        ("quarter", "المحلة", Some(&record.quarter)),
        ("lane", "الزقاق", Some(&record.lane)),
        ("house", "الدار", Some(&record.house)),
        ("entered on", "تاريخ التسجيل", Some(&record.date)),
        ("by the office", "دائرة التسجيل", Some(&record.office)),
        ("signed on", "تاريخ التوقيع", signed.as_ref()),
        ("signed by", "الموقّع", record.signer.as_ref()),
    ];
    for (name, arabic, value) in lines {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            output::line(&format!("  {name:16}{}  {}", isolated(value), isolated(arabic)))?;
        }
    }
    for leniency in &residence.leniencies {
        output::line(&format!("  tolerated: {leniency}"))?;
    }
    Ok(())
}

/// Checks, with what to do where one is not successful. Neighbours that have no result for one reason share a line.
fn tell_checks(report: &Report) -> Result<(), Error> {
    output::line("\nChecks")?;
    for alike in report.checks.chunk_by(|one, next| one.result == next.result && one.reason == next.reason) {
        let Some(check) = alike.first() else { continue };
        let name = match alike.len() {
            1 => check.id.to_owned(),
            more => format!("{} + {} more", check.id, more - 1),
        };
        output::line(&format!("  {:13} {name:33} {}", check.result, isolated(&check.reason)))?;
        if let Some(remedy) = check.remedy.as_ref().filter(|_| check.result != Outcome::Successful) {
            output::line(&format!("  {:47} -> {}", "", isolated(remedy)))?;
        }
    }
    Ok(())
}

fn tell_certificate(certificate: &CertificateLine) -> Result<(), Error> {
    let CertificateLine { key, subject, issuer, serial, not_before, not_after, judgement, reason, .. } = certificate;
    let CertificateLine { possession, revocation, .. } = certificate;
    output::line(&format!("\nCertificate of {key}: {}", word(*judgement)))?;
    output::line(&format!("  {}", isolated(reason)))?;
    for (name, value) in [("subject", subject), ("issuer", issuer), ("serial", serial)] {
        if let Some(value) = value {
            output::line(&format!("  {name:10}{}", isolated(value)))?;
        }
    }
    if let (Some(from), Some(to)) = (not_before, not_after) {
        output::line(&format!("  in force  {from} to {to}"))?;
    }
    let proof = match possession.state {
        Proof::Proved => "proved",
        Proof::Failed => "FAILED",
        Proof::NoResult => "no result",
        Proof::NotAsked => "not asked",
    };
    output::line(&format!("  key       {proof}: {}", isolated(&possession.reason)))?;
    output::line(&format!("  revoked   {}", isolated(&revocation_words(revocation))))?;
    Ok(())
}

fn revocation_words(revocation: &Revocation) -> String {
    let word = match revocation.state {
        RevocationStatus::NotRevoked => "no",
        RevocationStatus::Revoked => "YES",
        RevocationStatus::Unknown => "not known",
    };
    format!("{word}: {}", revocation.reason)
}

/// A judgement in capital letters.
pub const fn word(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Good => "GOOD",
        Judgement::CertificatesGood => "CERTIFICATES GOOD, CARD NOT JUDGED",
        Judgement::NotJudged => "NOT JUDGED",
        Judgement::NotInForce => "NOT IN FORCE",
        Judgement::Revoked => "REVOKED",
        Judgement::UntrustedIssuer => "UNTRUSTED ISSUER",
        Judgement::DifferentHolders => "DIFFERENT HOLDERS",
        Judgement::Forged => "FORGED",
    }
}
