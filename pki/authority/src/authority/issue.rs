//! Issuing: document signers, revocations, revocation lists, trust bundles.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use openssl::error::ErrorStack;
use trust::{Bundle, Certificate, Crl, Pin, Policy, bundle};

use super::{
    Authority, BundleRequest, ExportedBundle, IssueError, SignerRecord, crl_file, is_name, verified_certificate,
    verified_crl,
};
use crate::document_signer::{CERTIFICATE_FILE, KEY_FILE};
use crate::files::{self, Mode};
use crate::key_store::{KeyError, Signer, SoftwareKey};
use crate::passphrase::Passphrase;
use crate::state::Revoked;
use crate::x509::{self, Period, Role, Subject};

impl Authority {
    /// A new document signer. Its key file is encrypted under its own passphrase, because it goes to a printing centre.
    ///
    /// Without a name, the next free one of `ds-0001`, `ds-0002`, ... is taken.
    ///
    /// # Errors
    /// When the name is taken, a passphrase is wrong or too short, or the CSCA's key may no longer sign.
    pub fn new_document_signer(
        &mut self,
        name: Option<&str>,
        passphrase: &Passphrase,
        signer_passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<SignerRecord, IssueError> {
        let _lock = self.lock()?;
        let name = self.free_name(name)?;
        let usage_end = self.csca.extensions().private_key_usage.and_then(|usage| usage.not_after);
        if let Some(end) = usage_end.filter(|end| now > *end) {
            return Err(IssueError::CscaKeyEnded(end));
        }
        let csca = self.csca_key(passphrase)?;
        let key = SoftwareKey::generate(self.profile.signer_curve)?;
        let certificate = self.signer_certificate(&name, &key, &csca, now)?;
        let key_file = key.to_pem(signer_passphrase)?;
        let directory = self.directory.join("ds").join(&name);
        files::create_directory(&directory, |fresh| {
            files::write(&fresh.join(CERTIFICATE_FILE), certificate.der(), Mode::Public)?;
            files::write(&fresh.join(KEY_FILE), &key_file, Mode::Private)
        })?;
        Ok(SignerRecord { name, directory, certificate, revoked: None })
    }

    /// Revokes a document signer from now on; revoking it again changes nothing. It is published by the next revocation list.
    ///
    /// # Errors
    /// When there is no such signer, or the state cannot be written.
    pub fn revoke(&mut self, name: &str, now: Timestamp) -> Result<SignerRecord, IssueError> {
        let _lock = self.lock()?;
        let mut signer = self
            .signers()?
            .into_iter()
            .find(|signer| signer.name == name)
            .ok_or_else(|| IssueError::NoSuchSigner(name.to_owned()))?;
        if signer.revoked.is_none() {
            let since = x509::whole_seconds(now);
            let serial = signer.certificate.serial().to_vec();
            self.change(|state| state.revoked.push(Revoked { name: name.to_owned(), serial, since }))?;
            signer.revoked = Some(since);
        }
        Ok(signer)
    }

    /// Issues the next revocation list.
    ///
    /// # Errors
    /// When the passphrase is wrong or the list cannot be written.
    pub fn issue_crl(&mut self, passphrase: &Passphrase, now: Timestamp) -> Result<(PathBuf, Crl), IssueError> {
        let _lock = self.lock()?;
        let csca = self.csca_key(passphrase)?;
        self.change(|state| state.crl_number += 1)?;
        let number = self.state.crl_number;
        let revoked = self.state.revoked.iter().map(|entry| (entry.serial.clone(), entry.since)).collect();
        let update = Period::days(now, self.profile.crl_days)?;
        let raw = x509::revocation_list(self.csca.subject().der(), update, number, &revoked, &csca)?;
        let crl = verified_crl(&raw, &self.csca)?;
        let path = self.directory.join("crl").join(crl_file(number));
        files::replace(&path, &raw, Mode::Public)?;
        Ok((path, crl))
    }

    /// Makes and signs a trust bundle: this CSCA, its current revocation list, and what the request adds.
    ///
    /// # Errors
    /// When the revocation list is not up to date, or the passphrase is wrong.
    pub fn export_bundle(
        &mut self,
        request: BundleRequest,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<ExportedBundle, IssueError> {
        let _lock = self.lock()?;
        let signers = self.signers()?;
        let crl = self.up_to_date_crl(&signers, now)?;
        let (public_key, signer_key) = self.bundle_signer()?;
        let key = self.read_key(&self.directory.join("bundle-signer").join(KEY_FILE), passphrase)?;
        let period = Period::days(now, self.profile.bundle_days)?;
        self.change(|state| {
            state.bundle_number += 1;
            state.bundle_expires = Some(period.to);
        })?;
        let countries = [(self.profile.state.to_owned(), self.profile.country.to_owned())].into();
        let included = signers.into_iter().filter(|signer| request.include_signers && signer.revoked.is_none());
        let bundle = Bundle {
            issuer: self.csca.subject().to_string(),
            number: self.state.bundle_number,
            issued: period.from,
            expires: period.to,
            anchors: vec![self.csca.clone()],
            signers: included.map(|signer| signer.certificate).collect(),
            crls: vec![crl],
            policy: Policy { countries },
            revoked_documents: request
                .revoked_documents
                .into_iter()
                .map(|document| (document.number.clone(), document))
                .collect(),
        };
        let payload = bundle.to_payload();
        let bytes = bundle::seal(&payload, &signer_key, &key.sign(&bundle::message(&payload))?);
        let pin = Pin::of(&signer_key);
        let opened = bundle::open(&bytes, &pin).map_err(|_| IssueError::NotVerified)?;
        Ok(ExportedBundle { bytes, bundle: opened, pin, public_key })
    }

    fn free_name(&self, wanted: Option<&str>) -> Result<String, IssueError> {
        let taken = |name: &str| self.directory.join("ds").join(name).exists();
        match wanted {
            Some(name) if !is_name(name) => Err(IssueError::Name(name.to_owned())),
            Some(name) if taken(name) => Err(IssueError::NameTaken(name.to_owned())),
            Some(name) => Ok(name.to_owned()),
            None => (1..=9999)
                .map(|number| format!("ds-{number:04}"))
                .find(|name| !taken(name))
                .ok_or_else(|| IssueError::NameTaken("ds-9999".to_owned())),
        }
    }

    fn csca_key(&self, passphrase: &Passphrase) -> Result<SoftwareKey, IssueError> {
        let path = self.directory.join("csca").join(KEY_FILE);
        let key = self.read_key(&path, passphrase)?;
        if self.csca.public_key().key_identifier() != x509::key_identifier(&key) {
            return Err(IssueError::Key { path, error: KeyError::Unsupported });
        }
        Ok(key)
    }

    fn read_key(&self, path: &Path, passphrase: &Passphrase) -> Result<SoftwareKey, IssueError> {
        SoftwareKey::from_pem(&files::read(path)?, passphrase)
            .map_err(|error| IssueError::Key { path: path.to_owned(), error })
    }

    fn signer_certificate(
        &self,
        name: &str,
        key: &SoftwareKey,
        csca: &SoftwareKey,
        now: Timestamp,
    ) -> Result<Certificate, IssueError> {
        let profile = self.profile;
        let common_name = format!("{} {name}", profile.signer_name);
        let subject = Subject {
            serial: &serial_number()?,
            issuer: self.csca.subject().der(),
            subject: &x509::name(profile, &common_name),
            validity: Period::months(now, profile.signer_months())?,
            key_usage: Period::months(now, profile.signer_usage_months)?,
            spki: &x509::explicit_spki(key)?,
            key_identifier: &x509::key_identifier(key),
            role: Role::DocumentSigner,
        };
        let raw = x509::certificate(profile, &subject, csca)?;
        verified_certificate(&raw, self.csca.public_key())
    }

    fn up_to_date_crl(&self, signers: &[SignerRecord], now: Timestamp) -> Result<Crl, IssueError> {
        let (_, crl) = self.current_crl()?.ok_or(IssueError::RevocationListOutdated)?;
        let complete = signers
            .iter()
            .filter(|signer| signer.revoked.is_some())
            .all(|signer| crl.revoked_since(signer.certificate.serial()).is_some());
        if complete && now <= crl.next_update() { Ok(crl) } else { Err(IssueError::RevocationListOutdated) }
    }
}

/// Sixteen random bytes, positive and of full length (9303-12 §7: at most twenty).
pub(super) fn serial_number() -> Result<Vec<u8>, ErrorStack> {
    let mut serial = [0; 16];
    openssl::rand::rand_bytes(&mut serial)?;
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7F) | 0x40;
    }
    Ok(serial.to_vec())
}
