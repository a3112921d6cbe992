//! Files, keys and passphrases that the command line names.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use authority::{DocumentSigner, LoadError, Passphrase};
use perso::execute::{SecurityObjectSigner, SignerError};
use perso::order::{self, Order};
use perso::portrait::{self, Face};
use perso::profile::Profile;
use trust::cvc::CvCertificate;
use trust::cvc::chain::TrustPoint;
use trust::{Pin, TrustStore, bundle};
use zeroize::Zeroizing;

use crate::args::{Equipment, Work};
use crate::exit;
use crate::failure::Failure;
use crate::output::{Output, complain};

/// No passphrase or key line is longer.
const MAX_LINE: usize = 1024;

/// An order with its portrait.
pub struct Item {
    pub order: Order,
    pub face: Face,
}

/// The profile and every order with its portrait; each problem is printed.
pub fn work(work: &Work, output: &Output) -> Result<(Profile, Vec<Item>), Failure> {
    let profile = Profile::load(&work.profile)?;
    let file = std::fs::read(&work.orders).map_err(|error| Failure::unreadable(&work.orders, &error))?;
    let orders = order::parse(&file).map_err(|problems| {
        problems.iter().for_each(|problem| output.problem(problem));
        unusable(problems.len(), &work.orders)
    })?;
    let folder = work.orders.parent().unwrap_or(Path::new("."));
    let mut items = Vec::new();
    let mut problems = 0;
    for order in orders {
        match portrait::prepare(&order, folder, &profile.portrait) {
            Ok(face) => items.push(Item { order, face }),
            Err(error) => {
                problems += 1;
                output.order_fault(&order.document_number, error.field(), &Failure::from(error));
            }
        }
    }
    if problems > 0 { Err(unusable(problems, &work.orders)) } else { Ok((profile, items)) }
}

/// The profile, whose cards believe the country verifying CAs of these files; without files as it is.
pub fn believing(profile: Profile, files: &[PathBuf]) -> Result<Profile, Failure> {
    if files.is_empty() {
        return Ok(profile);
    }
    let refused = |why: String| {
        let remedy =
            "Give the CVCA's own certificate, as `bitaqa-pki cvc init` writes it, for a profile with the table [eac].";
        Failure::new("The cards cannot be made to believe this authority.", why, remedy, exit::USAGE)
    };
    let mut points = Vec::new();
    for path in files {
        let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
        let wrong = |error: &dyn std::fmt::Display| refused(format!("{}: {error}", path.display()));
        let certificate = CvCertificate::from_bytes(&bytes).map_err(|error| wrong(&error))?;
        points.push(TrustPoint::new(certificate).map_err(|error| wrong(&error))?);
    }
    profile.believe(points).map_err(|error| refused(error.to_string()))
}

/// The whole file is refused.
pub fn unusable(problems: usize, path: &Path) -> Failure {
    Failure::new(
        format!("{} cannot be used.", path.display()),
        format!("{problems} problem(s), listed above"),
        "Correct the orders where they are made; nothing of this file was begun.",
        exit::ORDER,
    )
}

/// The document signer as the line sees it.
pub struct Signer(DocumentSigner);

impl SecurityObjectSigner for Signer {
    fn sign(&self, lds_security_object: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign_security_object(lds_security_object).map_err(|error| SignerError { source: Box::new(error) })
    }

    fn sign_record(&self, record: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign_record(record).map_err(|error| SignerError { source: Box::new(error) })
    }

    fn sign_card_security(&self, security_infos: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign_card_security(security_infos).map_err(|error| SignerError { source: Box::new(error) })
    }
}

/// Loads the document signer.
pub fn signer(equipment: &Equipment) -> Result<Signer, Failure> {
    let directory = given(equipment.signer.as_deref(), "--signer")?;
    let passphrase = passphrase(equipment)?;
    let signer = DocumentSigner::load(directory, &passphrase).map_err(|error| {
        let remedy = match error {
            LoadError::Mandate { .. } => "Give the directory of a document signer (bitaqa-pki ds new) with --signer.",
            _ => "Check --signer and the passphrase.",
        };
        Failure::new("The document signer cannot be loaded.", error, remedy, exit::TRUST)
    })?;
    Ok(Signer(signer))
}

/// Loads the trust material.
pub fn trust(equipment: &Equipment) -> Result<TrustStore, Failure> {
    let path = given(equipment.trust.as_deref(), "--trust")?;
    let refused = |why: String| {
        Failure::new(
            "The trust material cannot be used.",
            why,
            "Install the current bundle, and check the pin.",
            exit::TRUST,
        )
    };
    if path.is_dir() {
        return TrustStore::open(path).map_err(|error| refused(error.to_string()));
    }
    if let Err(error) = std::fs::metadata(path) {
        return Err(Failure::unreadable(path, &error));
    }
    let pin = equipment.pin.as_deref().and_then(Pin::from_hex);
    let pin = pin.ok_or_else(|| {
        refused("a bundle file needs --pin: the signer's fingerprint, 64 hexadecimal digits".to_owned())
    })?;
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| Failure::unreadable(path, &error))?;
    file.take(bundle::MAX_BUNDLE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::unreadable(path, &error))?;
    bundle::open(&bytes, &pin.into()).map(TrustStore::from_bundle).map_err(|error| refused(error.to_string()))
}

/// The value of an option that is only optional for a dry run.
pub fn given<'a>(path: Option<&'a Path>, name: &str) -> Result<&'a Path, Failure> {
    path.ok_or_else(|| {
        Failure::new(format!("{name} is missing."), "a card cannot be made without it", "Add the option.", exit::USAGE)
    })
}

fn passphrase(equipment: &Equipment) -> Result<Passphrase, Failure> {
    let file = equipment.passphrase_file.as_deref();
    secret_of("document signer's passphrase", "passphrase", equipment.passphrase_fd, file)
}

/// The passphrase of the citizen CA, or its token's PIN.
pub fn citizen_passphrase(equipment: &Equipment) -> Result<Passphrase, Failure> {
    let file = equipment.citizen_passphrase_file.as_deref();
    secret_of("citizen CA's passphrase", "citizen-passphrase", equipment.citizen_passphrase_fd, file)
}

/// The PIN of the token with the master keys of the cards.
pub fn token_pin(equipment: &Equipment) -> Result<Passphrase, Failure> {
    let keys = &equipment.keys;
    secret_of("token's PIN", "token-pin", keys.token_pin_fd, keys.token_pin_file.as_deref())
}

fn secret_of(what: &str, option: &str, descriptor: Option<u32>, file: Option<&Path>) -> Result<Passphrase, Failure> {
    match (descriptor, file) {
        (Some(number), _) => first_line(&PathBuf::from(format!("/dev/fd/{number}"))),
        (None, Some(path)) => first_line(path),
        (None, None) => prompt(what, option),
    }
}

fn first_line(path: &Path) -> Result<Passphrase, Failure> {
    let line = secret_line(&mut open_secret(path)?);
    let mut line = line.map_err(|error| Failure::unreadable(path, &error))?;
    Ok(Passphrase::new(std::mem::take(&mut *line)))
}

/// Opens a file of secrets; one that others can read is told.
pub fn open_secret(path: &Path) -> Result<File, Failure> {
    let open = || File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    let (file, metadata) = open().map_err(|error| Failure::unreadable(path, &error))?;
    if metadata.is_file() && metadata.permissions().mode() & 0o044 != 0 {
        complain(&format!("warning: {} can be read by others; do: chmod 600", path.display()));
    }
    Ok(file)
}

/// The next line, without its end.
pub fn secret_line(file: &mut File) -> io::Result<Zeroizing<Vec<u8>>> {
    // Reserved at once and read without a buffer: what grows or is buffered leaves copies behind that nobody wipes.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
    let mut byte = Zeroizing::new([0]);
    while line.len() < MAX_LINE && file.read(&mut *byte)? == 1 && *byte != *b"\n" {
        line.extend_from_slice(&*byte);
    }
    Ok(line)
}

fn prompt(what: &str, option: &str) -> Result<Passphrase, Failure> {
    let no = |why: &dyn std::fmt::Display| {
        let variable = option.to_uppercase().replace('-', "_");
        Failure::new(
            format!("The {what} is needed."),
            why,
            format!("Give --{option}-file FILE or --{option}-fd N, or set BITAQA_{variable}_FILE."),
            exit::USAGE,
        )
    };
    if !std::io::stdin().is_terminal() {
        return Err(no(&"there is no terminal to ask on"));
    }
    rpassword::prompt_password(format!("The {what}: ")).map(Passphrase::new).map_err(|error| no(&error))
}
