//! The citizen CA and the letters with the transport PINs, as the line sees them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use authority::citizen_ca::{CitizenError, Holder, Purpose};
use authority::{Authority, Passphrase};
use channel::secret::Secret;
use eid::keys::KeyReference;
use jiff::Timestamp;
use perso::citizen::{CertificateError, CertificateHolder, CitizenCa, KeptLetter, KeyProof, PinLetter, PinLetters};
use perso::ledger::{Book, CertificateRecord, State};
use perso::profile::Profile;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::args::Equipment;
use crate::commands::{keep_folder, replace};
use crate::exit;
use crate::failure::Failure;
use crate::input;

/// What a profile with the citizen application needs.
pub struct CitizenDesk {
    pub ca: Ca,
    pub letters: LetterFolder,
}

/// The citizen CA of an authority.
pub struct Ca {
    authority: Authority,
    passphrase: Passphrase,
    /// As the command line names it.
    directory: PathBuf,
}

/// Most bytes of a letter's file.
const MAX_LETTER: usize = 1024;

/// A letter's file: borrowed, so that no copy of a secret stays behind.
#[derive(Deserialize)]
struct LetterText<'a> {
    version: u8,
    document: &'a str,
    pin: &'a str,
    puk: &'a str,
}

/// One file for each card.
pub struct LetterFolder(PathBuf);

impl CitizenDesk {
    /// What the command line names, when the profile asks for it.
    pub fn open(equipment: &Equipment, profile: &Profile) -> Result<Option<Self>, Failure> {
        let (directory, folder) = match (&profile.eid, &equipment.citizen_ca, &equipment.pin_letters) {
            (None, None, None) => return Ok(None),
            (Some(_), Some(directory), Some(folder)) => (directory, folder),
            (Some(_), ..) => {
                return Err(Failure::new(
                    "The citizen CA is missing.",
                    format!("profile {} has the citizen application", profile.name),
                    "Give --citizen-ca DIR and --pin-letters DIR.",
                    exit::USAGE,
                ));
            }
            (None, ..) => {
                return Err(Failure::new(
                    "The citizen CA would not be used.",
                    format!("profile {} does not have the citizen application", profile.name),
                    "Leave --citizen-ca and --pin-letters out, or add a table [eid] to the profile.",
                    exit::USAGE,
                ));
            }
        };
        let refused = |why: &dyn std::fmt::Display| {
            let remedy = "Check --citizen-ca; `bitaqa-pki citizen init` sets a citizen CA up.";
            Failure::new("The citizen CA cannot be used.", why, remedy, exit::TRUST)
        };
        let authority = Authority::open(directory).map_err(|error| refused(&error))?;
        // Also says whether there is a citizen CA.
        authority.citizen_ca_token().map_err(|error| refused(&error))?;
        let passphrase = input::citizen_passphrase(equipment)?;
        authority.try_citizen_ca(&passphrase).map_err(|error| {
            let remedy = "Check the citizen CA's passphrase (or its token's PIN): --citizen-passphrase-file or --citizen-passphrase-fd.";
            Failure::new("The citizen CA cannot be used.", error, remedy, exit::TRUST)
        })?;
        keep_folder(folder)?;
        Ok(Some(CitizenDesk {
            ca: Ca { authority, passphrase, directory: directory.clone() },
            letters: LetterFolder(folder.clone()),
        }))
    }

    /// A run that is killed after a card was rejected leaves its letter; nobody is to be sent it.
    pub fn withdraw_rejected(&self, book: &Book) -> Result<(), Failure> {
        let mut rejected = book.documents().filter(|(_, record)| record.state == State::QaRejected);
        rejected.try_for_each(|(document, _)| self.letters.withdraw(document))
    }
}

impl Ca {
    /// How a certificate that belongs to no card any more is revoked: for people, a line.
    pub fn revocation(&self, certificate: &CertificateRecord) -> String {
        let directory = self.directory.display();
        let serial = match &certificate.serial {
            Some(serial) => Ok(Some(serial.clone())),
            None => self.authority.citizen_certificate_of(&certificate.key_identifier),
        };
        match serial {
            Ok(Some(serial)) => format!("revoke: bitaqa-pki citizen revoke --dir {directory} {serial}"),
            Ok(None) => format!("no certificate was issued for key {}: there is nothing to revoke", certificate.key),
            Err(_) => revocation_elsewhere(certificate),
        }
    }
}

/// The same where the citizen CA is not at hand.
pub fn revocation_elsewhere(certificate: &CertificateRecord) -> String {
    match &certificate.serial {
        Some(serial) => format!("revoke: bitaqa-pki citizen revoke --dir DIR {serial}"),
        None => format!(
            "revoke, if it was issued: bitaqa-pki citizen revoke --dir DIR SERIAL, with the serial number that stands in \
             DIR/citizen-ca/keys/{} (where there is no such file, nothing was issued)",
            certificate.key_identifier
        ),
    }
}

impl CitizenCa for Ca {
    fn issue(
        &mut self,
        proof: &KeyProof,
        key: KeyReference,
        holder: &CertificateHolder,
    ) -> Result<Vec<u8>, CertificateError> {
        let purpose = match key {
            KeyReference::Signature => Purpose::Signature,
            KeyReference::KeyManagement => Purpose::KeyManagement,
            KeyReference::Authentication | KeyReference::CardAuthentication => Purpose::Authentication,
        };
        let CertificateHolder { given_names, surname, number } = holder.clone();
        let holder = Holder { given_names, surname, number };
        let (authority, passphrase, now) = (&mut self.authority, &self.passphrase, Timestamp::now());
        let issued = match proof {
            KeyProof::Request(request) => {
                authority.issue_citizen_certificate(request, purpose, &holder, passphrase, now)
            }
            KeyProof::Agreed(spki) => authority.issue_agreement_certificate(spki, &holder, passphrase, now),
        };
        let issued = issued.map_err(|error: CitizenError| CertificateError::Failed(Box::new(error)))?;
        Ok(issued.certificate.der().to_vec())
    }
}

impl LetterFolder {
    fn path(&self, document: &str) -> PathBuf {
        self.0.join(format!("{document}.json"))
    }

    /// The card was rejected: nobody is to be sent its letter.
    pub fn withdraw(&self, document: &str) -> Result<(), Failure> {
        let path = self.path(document);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::unwritable(&path, &error)),
            _ => Ok(()),
        }
    }
}

impl PinLetters for LetterFolder {
    fn keep(&mut self, letter: &PinLetter<'_>) -> Result<(), CertificateError> {
        let failed = |error: io::Error| CertificateError::Failed(Box::new(error));
        // Reserved at once: what grows leaves copies behind that nobody wipes. Numbers are letters and digits.
        let mut text = Zeroizing::new(Vec::with_capacity(256));
        for piece in [
            &b"{\"version\":1,\"document\":\""[..],
            letter.document.as_bytes(),
            b"\",\"pin\":\"",
            letter.pin.expose(),
            b"\",\"puk\":\"",
            letter.puk.expose(),
            b"\"}\n",
        ] {
            text.extend_from_slice(piece);
        }
        replace(&self.path(letter.document), &text).map_err(failed)?;
        let folder: &Path = &self.0;
        // A file that was put in place is only there after a crash when its folder is on the disk too.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    fn recall(&mut self, document: &str) -> Result<Option<KeptLetter>, CertificateError> {
        let failed = |error: io::Error| CertificateError::Failed(Box::new(error));
        let file = match File::open(self.path(document)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_LETTER));
        file.take(MAX_LETTER as u64).read_to_end(&mut text).map_err(failed)?;
        match serde_json::from_slice::<LetterText<'_>>(&text) {
            Ok(LetterText { version: 1, document: named, pin, puk }) if named == document => {
                Ok(Some(KeptLetter { pin: Secret::from(pin.as_bytes()), puk: Secret::from(puk.as_bytes()) }))
            }
            // What a parser says of it could repeat what stands there.
            _ => Err(failed(io::Error::other(format!("the PIN letter of document {document} is damaged")))),
        }
    }
}
