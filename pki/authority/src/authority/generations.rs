//! Generations of the country signing CA: each has a key of its own, and a link from the one before (9303-12 §4.1.4, §7.1.1.5).

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use trust::Certificate;
use trust::lint::Kind;

use super::certify::certificate_act;
use super::issue::serial_number;
use super::setup::csca_certificate;
use super::{Authority, IssueError, OpenError, read_certificate, verified_certificate};
use crate::document_signer::CERTIFICATE_FILE;
use crate::files::{self, Mode};
use crate::key_store::{KeyPlace, Signer};
use crate::passphrase::Passphrase;
use crate::x509::{self, Period, Role, Subject};

/// Name of the link certificate in a generation's directory.
const LINK_FILE: &str = "link.der";

/// One key of the country signing CA.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Generation {
    /// Counts from 1.
    pub number: usize,
    /// The self-signed certificate.
    pub certificate: Certificate,
    /// The same key, certified by the generation before; the first has none.
    pub link: Option<Certificate>,
}

/// A new name of the country signing CA; what is not given stays as the profile has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewName {
    /// Common name.
    pub common_name: String,
    /// Organisation.
    pub organization: Option<String>,
    /// Organisational unit.
    pub unit: Option<String>,
}

/// What a rollover did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rollover {
    /// The current key may sign for long enough; nothing was made.
    Stands(Generation),
    /// A new generation was made, and the first revocation list under its key.
    Made(Generation),
}

impl Rollover {
    /// The generation that issues now.
    pub fn generation(&self) -> &Generation {
        match self {
            Self::Stands(generation) | Self::Made(generation) => generation,
        }
    }
}

impl Authority {
    /// Every generation of the country signing CA, oldest first; the last one issues.
    pub fn generations(&self) -> &[Generation] {
        &self.generations
    }

    /// Gives the country signing CA a new key, linked from the current one, and issues a revocation list under it.
    /// With a new name, the link carries the name change.
    ///
    /// With `within`, nothing is done unless the current key's time ends within so many days. A rollover that was interrupted
    /// before its revocation list is finished, not made again.
    ///
    /// # Errors
    /// When the passphrase is wrong, or the current key may no longer sign: then nobody can link to a new one.
    pub fn roll_over(
        &mut self,
        name: Option<&NewName>,
        within: Option<i64>,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<Rollover, IssueError> {
        let _lock = self.lock()?;
        let subject = self.subject(name);
        if self.current_crl()?.is_none_or(|(_, crl)| !self.is_current(&crl)) {
            self.next_crl(passphrase, now)?;
            if let Some(current) =
                self.generations.last().filter(|current| current.certificate.subject().der() == subject)
            {
                return Ok(Rollover::Made(current.clone()));
            }
        }
        if let (Some(days), Some(current)) = (within, self.generations.last()) {
            let end = self.csca.extensions().private_key_usage.and_then(|usage| usage.not_after);
            if end.is_some_and(|end| Period::days(now, days).is_ok_and(|period| period.to < end)) {
                return Ok(Rollover::Stands(current.clone()));
            }
        }
        self.csca_may_sign(now)?;
        let old = self.csca_key(passphrase)?;
        let place = self.token()?.map_or(KeyPlace::Software, KeyPlace::Token);
        let algorithm = old.algorithm();
        let mut fresh_key = self.fresh_key("bitaqa-csca", algorithm, None, place, passphrase)?;
        let certificate = csca_certificate(self.profile, &subject, &fresh_key.key, now)?;
        let link = self.link(&certificate, &fresh_key.key, &old, now)?;
        let number = self.generations.len() + 1;
        let label = number.to_string();
        self.record(now, &[certificate_act("csca", &label, &certificate), certificate_act("link", &label, &link)])?;
        let place = directory(&self.directory, number);
        let created = files::create_directory(&place, |fresh| {
            files::write(&fresh.join(CERTIFICATE_FILE), certificate.der(), Mode::Public)?;
            files::write(&fresh.join(LINK_FILE), link.der(), Mode::Public)?;
            fresh_key.write(fresh)
        });
        fresh_key.keep_in(&place);
        created?;
        let generation = Generation { number, certificate: certificate.clone(), link: Some(link) };
        self.csca = certificate;
        self.generations.push(generation.clone());
        self.next_crl(passphrase, now)?;
        Ok(Rollover::Made(generation))
    }

    fn subject(&self, name: Option<&NewName>) -> Vec<u8> {
        let Some(name) = name else { return self.csca.subject().der().to_vec() };
        let organization = name.organization.as_deref().unwrap_or(self.profile.organization);
        let unit = name.unit.as_deref().unwrap_or(self.profile.unit);
        x509::organization_name(self.profile.country, organization, unit, &name.common_name)
    }

    /// The new key under the old one, valid as long as the new self-signed certificate.
    fn link(
        &self,
        certificate: &Certificate,
        key: &dyn Signer,
        old: &dyn Signer,
        now: Timestamp,
    ) -> Result<Certificate, IssueError> {
        let profile = self.profile;
        let subject = Subject {
            serial: &serial_number(16)?,
            issuer: self.csca.subject().der(),
            subject: certificate.subject().der(),
            validity: Period::months(now, profile.csca_months())?,
            key_usage: Period::months(now, profile.csca_usage_months)?,
            spki: certificate.public_key().spki(),
            key_identifier: &x509::key_identifier(key),
            role: Role::Link { name_change: certificate.subject().der() != self.csca.subject().der() },
        };
        let raw = x509::certificate(profile, &subject, old)?;
        verified_certificate(&raw, Kind::Link, self.csca.public_key())
    }

    /// Names under which earlier generations issued, without the current one.
    pub(super) fn previous_names(&self) -> Vec<&[u8]> {
        let mut names = Vec::new();
        for generation in &self.generations {
            let name = generation.certificate.subject().der();
            if name != self.csca.subject().der() && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The self-signed certificates that are still valid, oldest first.
    pub(super) fn live_anchors(&self, now: Timestamp) -> Vec<Certificate> {
        let certificates = self.generations.iter().map(|generation| &generation.certificate);
        certificates.filter(|certificate| now <= certificate.not_after()).cloned().collect()
    }

    /// The generation with this key identifier.
    pub(super) fn generation_of(&self, certificate: &Certificate) -> Option<&Generation> {
        let wanted = certificate.extensions().authority_key_identifier.as_deref()?;
        self.generations.iter().find(|generation| generation.certificate.key_identifier() == wanted)
    }
}

/// The directory of a generation: `csca`, `csca-2`, `csca-3`, ...
pub(super) fn directory(authority: &Path, number: usize) -> PathBuf {
    if number <= 1 { authority.join("csca") } else { authority.join(format!("csca-{number}")) }
}

/// Every generation, until the first number that is not there.
pub(super) fn read(authority: &Path) -> Result<Vec<Generation>, OpenError> {
    let mut generations = Vec::new();
    for number in 1.. {
        let place = directory(authority, number);
        if number > 1 && !place.exists() {
            break;
        }
        let certificate = read_certificate(&place.join(CERTIFICATE_FILE))?;
        let link = place.join(LINK_FILE);
        let link = if number > 1 { Some(read_certificate(&link)?) } else { None };
        generations.push(Generation { number, certificate, link });
    }
    Ok(generations)
}
