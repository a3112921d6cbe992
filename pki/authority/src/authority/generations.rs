//! Generations of the country signing CA: each has a new key, a new name, or both, and a link from the one before (9303-12
//! §4.1.4, §7.1.1.5). A generation that is only a new name has no key in its directory: its key is that of the one before.

use std::io;
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
use crate::key_store::{KeyPlace, Signer, StoredKey};
use crate::passphrase::Passphrase;
use crate::profile::Profile;
use crate::x509::{self, Period, Role, Subject};

/// Name of the link certificate in a generation's directory.
const LINK_FILE: &str = "link.der";

/// One key of the country signing CA under one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Generation {
    /// Counts from 1.
    pub number: usize,
    /// The self-signed certificate.
    pub certificate: Certificate,
    /// The same key and name, certified by the generation before; the first has none.
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

/// How long a certificate of the country signing CA is valid, and its key may sign.
#[derive(Clone, Copy)]
pub(super) struct Lifetime {
    pub validity: Period,
    pub key_usage: Period,
}

impl Lifetime {
    /// Of a new key.
    pub fn whole(profile: &Profile, now: Timestamp) -> Result<Self, IssueError> {
        let validity = Period::months(now, profile.csca_months())?;
        Ok(Lifetime { validity, key_usage: Period::months(now, profile.csca_usage_months)? })
    }

    /// What is left to a key that is certified already.
    fn rest(certificate: &Certificate, now: Timestamp) -> Self {
        let (from, to) = (x509::whole_seconds(now), certificate.not_after());
        let end = certificate.extensions().private_key_usage.and_then(|usage| usage.not_after);
        Lifetime { validity: Period { from, to }, key_usage: Period { from, to: end.unwrap_or(to) } }
    }
}

/// What a rollover or a change of name did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rollover {
    /// The current key may sign for long enough, or the name is as wanted; nothing was made.
    Stands(Generation),
    /// A new generation was made, and the first revocation list of it.
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
        if self.finish(passphrase, now)?
            && let Some(current) = self.named(&subject).filter(|current| self.has_new_key(current))
        {
            return Ok(Rollover::Made(current.clone()));
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
        let lifetime = Lifetime::whole(self.profile, now)?;
        let certificate = csca_certificate(self.profile, &subject, &fresh_key.key, lifetime)?;
        let link = self.link(&certificate, &fresh_key.key, &old, lifetime)?;
        let made = self.create(certificate, link, now, |fresh| fresh_key.write(fresh));
        fresh_key.keep_in(&directory(&self.directory, self.generations.len() + 1));
        self.succeed(made?, passphrase, now)
    }

    /// Gives the country signing CA a new name and lets it keep its key: a new self-signed certificate, a link from the old
    /// name that carries the name change (9303-12 §7.1.1.5), and a revocation list under the new name. Neither certificate lets
    /// the key sign for longer than it might before.
    ///
    /// Nothing is done when that is its name. A change of name that was interrupted before its revocation list is finished,
    /// not made again.
    ///
    /// # Errors
    /// When the passphrase is wrong, or the key may no longer sign.
    pub fn rename(&mut self, name: &NewName, passphrase: &Passphrase, now: Timestamp) -> Result<Rollover, IssueError> {
        let _lock = self.lock()?;
        let subject = self.subject(Some(name));
        let finished = self.finish(passphrase, now)?;
        if let Some(current) = self.named(&subject).cloned() {
            return Ok(if finished { Rollover::Made(current) } else { Rollover::Stands(current) });
        }
        self.csca_may_sign(now)?;
        let key = self.csca_key(passphrase)?;
        let lifetime = Lifetime::rest(&self.csca, now);
        let certificate = csca_certificate(self.profile, &subject, &key, lifetime)?;
        let link = self.link(&certificate, &key, &key, lifetime)?;
        let made = self.create(certificate, link, now, |_| Ok(()))?;
        self.succeed(made, passphrase, now)
    }

    /// Issues the revocation list that an interrupted change of generation left out; whether it did.
    fn finish(&mut self, passphrase: &Passphrase, now: Timestamp) -> Result<bool, IssueError> {
        let missing = self.current_crl()?.is_none_or(|(_, crl)| !self.is_current(&crl));
        if missing {
            self.next_crl(passphrase, now)?;
        }
        Ok(missing)
    }

    /// The generation that issues, when that is its name.
    fn named(&self, subject: &[u8]) -> Option<&Generation> {
        self.generations.last().filter(|current| current.certificate.subject().der() == subject)
    }

    /// Whether the generation has another key than the one before.
    fn has_new_key(&self, generation: &Generation) -> bool {
        let key = |one: &Generation| one.certificate.key_identifier().to_vec();
        self.generations.iter().rev().nth(1).is_none_or(|before| key(before) != key(generation))
    }

    /// Records the next generation and puts its directory there; `key` writes its key, where it has one of its own.
    fn create(
        &self,
        certificate: Certificate,
        link: Certificate,
        now: Timestamp,
        key: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<Generation, IssueError> {
        let number = self.generations.len() + 1;
        let label = number.to_string();
        self.record(now, &[certificate_act("csca", &label, &certificate), certificate_act("link", &label, &link)])?;
        files::create_directory(&directory(&self.directory, number), |fresh| {
            files::write(&fresh.join(CERTIFICATE_FILE), certificate.der(), Mode::Public)?;
            files::write(&fresh.join(LINK_FILE), link.der(), Mode::Public)?;
            key(fresh)
        })?;
        Ok(Generation { number, certificate, link: Some(link) })
    }

    /// Lets a new generation issue from now on.
    fn succeed(
        &mut self,
        generation: Generation,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<Rollover, IssueError> {
        self.csca = generation.certificate.clone();
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

    /// The new key or name under the old one, valid as long as the new self-signed certificate.
    fn link(
        &self,
        certificate: &Certificate,
        key: &dyn Signer,
        old: &dyn Signer,
        lifetime: Lifetime,
    ) -> Result<Certificate, IssueError> {
        let profile = self.profile;
        let subject = Subject {
            serial: &serial_number(16)?,
            issuer: self.csca.subject().der(),
            subject: certificate.subject().der(),
            validity: lifetime.validity,
            key_usage: lifetime.key_usage,
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

    /// The generation whose key and name a certificate was issued with.
    pub(super) fn generation_of(&self, certificate: &Certificate) -> Option<&Generation> {
        let wanted = certificate.extensions().authority_key_identifier.as_deref()?;
        let issued = |csca: &Certificate| csca.key_identifier() == wanted && csca.subject() == certificate.issuer();
        self.generations.iter().find(|generation| issued(&generation.certificate))
    }

    /// The directory with the key of a generation: its own, or of the last one before it that brought a key.
    pub(super) fn key_directory(&self, number: usize) -> PathBuf {
        let directories = (1..=number).rev().map(|number| directory(&self.directory, number));
        let mut with_key = directories.filter(|directory| StoredKey::is_in(directory));
        with_key.next().unwrap_or_else(|| directory(&self.directory, number))
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
