//! `citizen`: what stands in a card's PIV application, and who issued it?

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use inspection::citizen::{CertificateLine, Judgement, PinState, Report, judge, read};
use inspection::procedure::Budget;
use link::Recorded;
use trust::Certificate;

use super::{now, trust_directory};
use crate::args::Citizen;
use crate::failure::Error;
use crate::words::isolated;
use crate::{exit, output, source};

/// Bytes of the longest certificate that is read.
const MAX_CERTIFICATE: u64 = 64 * 1024;
/// Most certificates of citizen CAs in a trust store.
const MOST: usize = 64;
/// The folder of a trust store with certificates of citizen CAs.
const FOLDER: &str = "citizen-ca";

/// Reads, judges, tells.
pub fn run(args: &Citizen) -> Result<u8, Error> {
    let authorities = authorities(args)?;
    let mut powered = source::connect(&args.source)?;
    let seen = match powered.journal {
        Some(journal) => read(&mut Recorded::new(powered.connection, journal), Budget::default()),
        None => read(&mut powered.connection, Budget::default()),
    }?;
    let report = judge(&seen, &authorities, now());
    if args.json {
        output::json(&report)?;
    } else {
        tell(&report)?;
    }
    Ok(match report.judgement {
        Judgement::Good => exit::GOOD,
        Judgement::CertificatesGood | Judgement::NotJudged => exit::UNREADABLE,
        Judgement::NotInForce => exit::GENUINE_EXPIRED,
        Judgement::UntrustedIssuer => exit::UNTRUSTED_ISSUER,
        Judgement::DifferentHolders | Judgement::Forged => exit::NOT_GENUINE,
    })
}

/// The citizen CAs that are believed: those named, or those of the trust store. None is no error: the card can be read still.
fn authorities(args: &Citizen) -> Result<Vec<Certificate>, Error> {
    if !args.citizen_ca.is_empty() {
        return args.citizen_ca.iter().map(|path| certificate(path)).collect();
    }
    let folder = match trust_directory(args.trust.as_ref()) {
        Ok(directory) => directory.join(FOLDER),
        Err(_) => return Ok(Vec::new()),
    };
    let failed = |source| Error::ReadFile { path: folder.clone(), source };
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    // One more than the most: a CA that is left out would make its citizens' certificates those of a stranger.
    let paths: Result<Vec<PathBuf>, _> = entries.take(MOST + 1).map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(failed)?;
    if paths.len() > MOST {
        return Err(Error::TooManyCitizenCas { path: folder, most: MOST });
    }
    paths.sort();
    paths.iter().map(|path| certificate(path)).collect()
}

fn certificate(path: &Path) -> Result<Certificate, Error> {
    let failed = |source| Error::ReadFile { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_CERTIFICATE).read_to_end(&mut bytes).map_err(failed)?;
    let parsed =
        if bytes.starts_with(b"-----") { Certificate::from_pem(&bytes) } else { Certificate::from_der(&bytes) };
    parsed.map_err(|source| Error::CitizenCa { path: path.to_owned(), source })
}

fn tell(report: &Report) -> Result<(), Error> {
    let line = |name: &str, value: &str| output::line(&format!("{name:16}{}", isolated(value)));
    line("application", report.application.as_deref().unwrap_or("without a name"))?;
    if let (Some(card), Some(expires)) = (&report.card, &report.expires) {
        line("card", &format!("{card}, expires {expires}"))?;
    }
    let tries = report.tries.map(|tries| format!(", {tries} tries left")).unwrap_or_default();
    line("PIN", &format!("{}{tries}", pin(report.pin)))?;
    for object in &report.objects {
        let bytes = object.bytes.map(|bytes| format!(", {bytes} bytes")).unwrap_or_default();
        line(&object.tag, &format!("{}: {}{bytes}", object.name, object.state))?;
    }
    for certificate in &report.certificates {
        tell_certificate(certificate)?;
    }
    if report.certificates.is_empty() {
        output::line("\nThere is no certificate.")?;
    }
    output::line(&format!("\n{}", word(report.judgement)))?;
    output::line(&format!("not judged: {}", report.not_judged.join("; ")))
}

fn tell_certificate(certificate: &CertificateLine) -> Result<(), Error> {
    let CertificateLine { key, subject, issuer, serial, not_before, not_after, judgement, reason, .. } = certificate;
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
    Ok(())
}

fn word(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Good => "GOOD",
        Judgement::CertificatesGood => "CERTIFICATES GOOD, CARD NOT JUDGED",
        Judgement::NotJudged => "NOT JUDGED",
        Judgement::NotInForce => "NOT IN FORCE",
        Judgement::UntrustedIssuer => "UNTRUSTED ISSUER",
        Judgement::DifferentHolders => "DIFFERENT HOLDERS",
        Judgement::Forged => "FORGED",
    }
}

fn pin(state: PinState) -> &'static str {
    match state {
        PinState::None => "none was set",
        PinState::Blocked => "blocked: the PUK gives it back",
        PinState::Transport => "the issuer's: no key works until the holder has chosen another",
        PinState::Default => "THE ONE THAT EVERYBODY KNOWS: the holder must change it at once",
        PinState::Changed => "not the one that the card was delivered with",
        PinState::Untold => "set; this card does not tell whose it is",
    }
}
