//! `citizen`: what stands in a card's citizen application, who issued it, and whose is it?

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use channel::random::OsRandom;
use channel::secret::Secret;
use eid::pin::Pin;
use inspection::citizen::{Basis, Judgement, Seen, judge, open, prove, read};
use inspection::procedure::Budget;
use inspection::{Bac, Options, Policy, Verdict};
use iso7816::Card;
use trust::{Certificate, Crl, TrustStore};

use super::{inspected, now, options, trust_directory, with_card};
use crate::access::{access, western};
use crate::args::Citizen;
use crate::failure::Error;
use crate::render::citizen::tell;
use crate::{exit, output, secrets, source};

/// Bytes of the longest certificate that is read.
const MAX_CERTIFICATE: u64 = 64 * 1024;
/// Most certificates of citizen CAs in a trust store.
const MOST: usize = 64;
/// The folder of a trust store with certificates of citizen CAs.
const FOLDER: &str = "citizen-ca";
/// The folder of a trust store with their revocation lists.
const LISTS: &str = "citizen-crl";
/// Most of them: a citizen CA has one for each part of its certificates.
const MOST_LISTS: usize = 10_000;
/// Most bytes of all of them.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// Reads, judges, tells.
pub fn run(args: &Citizen) -> Result<u8, Error> {
    let authorities = authorities(args)?;
    let lists = lists(args)?;
    let store = store(args)?;
    let access = args.access.is_given().then(|| access(&args.access, Bac::Never)).transpose()?;
    if access.is_some() && store.is_none() {
        // Nothing can be said of the travel document: say so before the card is asked for.
        return Err(Error::NoTrust { directory: trust_directory(args.trust.as_ref())? });
    }
    let pin = args.pin_file.as_deref().map(|path| Ok::<_, Error>(digits(&secrets::first_line(path)?)?)).transpose()?;
    let powered = source::connect(&args.source)?;
    let options = Options { skip_image: true, ..options(&powered) };
    let now = now();
    let (seen, document) = with_card(powered, |card| {
        let evidence = access.as_ref().map(|access| inspected(card, access, &options));
        let judged = |(evidence, store)| inspection::judge(evidence, store, &Policy::default(), now);
        let document = evidence.as_ref().zip(store.as_ref()).map(judged);
        let mut seen = read(card, Budget::default())?;
        prove(card, Budget::default(), &mut OsRandom, &mut seen);
        if args.pin || pin.is_some() {
            may_have_pin(document.as_ref())?;
            let (authorities, lists) = (&authorities, &lists);
            let basis = Basis { authorities, lists, store: store.as_ref(), document: document.as_ref(), now };
            match judge(&seen, &basis).judgement {
                // It lied already: it would only collect the PIN.
                Judgement::Forged | Judgement::DifferentHolders => {
                    seen.interrupted = Some("the PIN was not given to a card that was found out".to_owned());
                }
                _ => open_with(card, &mut seen, pin.as_ref())?,
            }
        }
        Ok::<_, Error>((seen, document))
    })?;
    let basis =
        Basis { authorities: &authorities, lists: &lists, store: store.as_ref(), document: document.as_ref(), now };
    let report = judge(&seen, &basis);
    if args.json {
        output::json(&report)?;
    } else {
        tell(&report)?;
    }
    Ok(match report.judgement {
        Judgement::Good => exit::GOOD,
        Judgement::CertificatesGood | Judgement::NotJudged => exit::UNREADABLE,
        Judgement::NotInForce => exit::GENUINE_EXPIRED,
        Judgement::Revoked => exit::GENUINE_REVOKED,
        Judgement::UntrustedIssuer => exit::UNTRUSTED_ISSUER,
        Judgement::DifferentHolders | Judgement::Forged => exit::NOT_GENUINE,
    })
}

/// Whether the card may learn the holder's PIN. One that copies a document would only collect it.
fn may_have_pin(document: Option<&inspection::Report>) -> Result<(), Error> {
    match document.map(|document| document.verdict) {
        Some(verdict @ (Verdict::NotGenuine | Verdict::CloneSuspect | Verdict::UntrustedIssuer)) => {
            Err(Error::PinKept { verdict })
        }
        _ => Ok(()),
    }
}

/// Gives the holder's PIN to the card: that of the file, or what is typed.
fn open_with(card: &mut dyn Card, seen: &mut Seen, of_file: Option<&Pin>) -> Result<(), Error> {
    // Nobody types a PIN that would not be given to the card.
    let typed = match of_file {
        Some(_) if seen.tries == Some(1) => return Err(Error::LastTry),
        Some(_) => None,
        None => {
            seen.pin_opens()?;
            Some(ask(seen.tries)?)
        }
    };
    if let Some(pin) = of_file.or(typed.as_ref()) {
        open(card, Budget::default(), pin, &mut OsRandom, seen)?;
    }
    Ok(())
}

fn ask(tries: Option<u8>) -> Result<Pin, Error> {
    let left = match tries {
        Some(1) => " (1 try left: a wrong one blocks it)".to_owned(),
        Some(tries) => format!(" ({tries} tries left)"),
        None => String::new(),
    };
    let typed = secrets::ask(&format!("The holder's PIN{left}: ")).map_err(|reason| Error::NoPin { reason })?;
    Ok(digits(&typed)?)
}

/// A PIN as it was typed; digits of Arabic script are digits too.
fn digits(typed: &Secret) -> Result<Pin, eid::pin::PinError> {
    let text = std::str::from_utf8(typed.expose()).map_err(|_| eid::pin::PinError::Pin)?;
    let mut bytes = Vec::with_capacity(typed.expose().len());
    bytes.extend(text.trim().chars().map(western).map(|digit| u8::try_from(digit).unwrap_or_default()));
    Pin::from_digits(Secret::new(bytes).expose())
}

/// The trust bundle that the residence record is judged by. None is no error: the card can be read still.
fn store(args: &Citizen) -> Result<Option<TrustStore>, Error> {
    let Ok(directory) = trust_directory(args.trust.as_ref()) else { return Ok(None) };
    match super::trust::open(&directory) {
        Ok(store) => Ok(Some(store)),
        // A folder that was named and is not there is a slip, no wish to do without.
        Err(Error::NoTrust { .. }) if args.trust.as_ref().is_none_or(|named| named.is_dir()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The citizen CAs that are believed: those named, or those of the trust store. None is no error: the card can be read still.
fn authorities(args: &Citizen) -> Result<Vec<Certificate>, Error> {
    // One that is left out would make its citizens' certificates those of a stranger.
    let too_many = |path| Error::TooManyCitizenCas { path, most: MOST };
    let paths = named_or_in(&args.citizen_ca, args, FOLDER, MOST, too_many)?;
    paths.iter().map(|path| certificate(path)).collect()
}

/// The revocation lists: those named, or those of the trust store. None is no error: the card is not good without.
fn lists(args: &Citizen) -> Result<Vec<Crl>, Error> {
    let too_many = |path| Error::TooManyCitizenLists { path, most: MOST_LISTS };
    let paths = named_or_in(&args.crl, args, LISTS, MOST_LISTS, too_many)?;
    let mut left = MOST_BYTES;
    let read = |path: &PathBuf| {
        let bytes = bounded(path, trust::crl::MAX_CRL as u64 + 1)?;
        left = left.checked_sub(bytes.len()).ok_or_else(|| too_many(path.clone()))?;
        let parsed = if is_pem(&bytes) { Crl::part_from_pem(&bytes) } else { Crl::part_from_der(&bytes) };
        parsed.map_err(|source| Error::CitizenList { path: path.clone(), source })
    };
    paths.iter().map(read).collect()
}

/// The files that are named, or those in a folder of the trust store; an error rather than some of them.
fn named_or_in(
    named: &[PathBuf],
    args: &Citizen,
    folder: &str,
    most: usize,
    too_many: impl Fn(PathBuf) -> Error,
) -> Result<Vec<PathBuf>, Error> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let folder = match trust_directory(args.trust.as_ref()) {
        Ok(directory) => directory.join(folder),
        Err(_) => return Ok(Vec::new()),
    };
    let failed = |source| Error::ReadFile { path: folder.clone(), source };
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let paths: Result<Vec<PathBuf>, _> = entries.take(most + 1).map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(failed)?;
    if paths.len() > most {
        return Err(too_many(folder));
    }
    paths.sort();
    Ok(paths)
}

fn certificate(path: &Path) -> Result<Certificate, Error> {
    let bytes = bounded(path, MAX_CERTIFICATE)?;
    let parsed = if is_pem(&bytes) { Certificate::from_pem(&bytes) } else { Certificate::from_der(&bytes) };
    parsed.map_err(|source| Error::CitizenCa { path: path.to_owned(), source })
}

fn is_pem(bytes: &[u8]) -> bool {
    bytes.starts_with(b"-----")
}

/// So many bytes of a file at most.
fn bounded(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::ReadFile { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
