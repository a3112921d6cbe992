//! Issuing: revocation lists.

use std::path::PathBuf;

use jiff::Timestamp;
use openssl::error::ErrorStack;
use trust::Crl;

use super::{Authority, IssueError, crl_file, verified_crl};
use crate::acts::{self, Act};
use crate::files::{self, Mode};
use crate::key_store::{KeyError, StoredKey};
use crate::passphrase::Passphrase;
use crate::x509::{self, Period};

impl Authority {
    /// Issues the next revocation list: one for everything that any generation of the CSCA issued.
    ///
    /// # Errors
    /// When the passphrase is wrong or the list cannot be written.
    pub fn issue_crl(&mut self, passphrase: &Passphrase, now: Timestamp) -> Result<(PathBuf, Crl), IssueError> {
        let _lock = self.lock()?;
        self.next_crl(passphrase, now)
    }

    /// Issues a revocation list only when one is due: none stands, a revocation is unpublished, the CSCA has a new key or name, or the
    /// current one ends within so many days. A list that only ends soon waits until the last one is 48 hours old (9303-12
    /// §4.1.5); a revocation waits for nothing: until it is published, posts believe the signer.
    ///
    /// # Errors
    /// As [`Authority::issue_crl`].
    pub fn ensure_crl(&mut self, days: i64, passphrase: &Passphrase, now: Timestamp) -> Result<EnsuredCrl, IssueError> {
        let _lock = self.lock()?;
        if let Some(standing) = self.standing_crl(days, now)? {
            return Ok(standing);
        }
        self.next_crl(passphrase, now).map(|(path, crl)| EnsuredCrl::Issued(path, crl))
    }

    /// What [`Authority::ensure_crl`] finds in place without the CSCA's key; `None` when it would issue a list.
    ///
    /// # Errors
    /// When the current list cannot be read.
    pub fn standing_crl(&self, days: i64, now: Timestamp) -> Result<Option<EnsuredCrl>, IssueError> {
        let Some((number, crl)) = self.current_crl()?.filter(|(_, crl)| self.is_current(crl)) else { return Ok(None) };
        let path = self.directory.join("crl").join(crl_file(number));
        if !self.is_complete(&crl) {
            return Ok(None);
        }
        let ends = Period::days(now, days)?.to >= crl.next_update();
        if !ends {
            return Ok(Some(EnsuredCrl::Stands(path, crl)));
        }
        let allowed = Period::days(crl.this_update(), 2)?.to;
        let waits = now < allowed && now <= crl.next_update();
        Ok(waits.then_some(EnsuredCrl::Due(path, crl, allowed)))
    }

    /// The next list; the lock is held.
    pub(super) fn next_crl(&mut self, passphrase: &Passphrase, now: Timestamp) -> Result<(PathBuf, Crl), IssueError> {
        let csca = self.csca_key(passphrase)?;
        let published = self.newest_crl()?.unwrap_or(0);
        let number = self.next_number("revocation-list", self.state.crl_number.max(published))?;
        self.change(|state| state.crl_number = number)?;
        let revoked = self.state.revoked.iter().map(|entry| (entry.serial.clone(), entry.since)).collect();
        let update = Period::days(now, self.profile.crl_days)?;
        let names = self.previous_names();
        let raw = x509::revocation_list(self.csca.subject().der(), update, number, &revoked, &csca, |extensions| {
            x509::previous_names(extensions, &names);
        })?;
        let crl = verified_crl(&raw, &self.csca)?;
        let path = self.directory.join("crl").join(crl_file(number));
        let act = Act::new("revocation-list", number.to_string()).product(&raw);
        self.record(now, &[act.note(format!("{} revoked, next update {}", crl.len(), crl.next_update()))])?;
        files::replace(&path, &raw, Mode::Public)?;
        Ok((path, crl))
    }

    /// The number after the last one known and after every one in the record of acts: also when the state that is there is an
    /// older one, no number is used twice.
    pub(super) fn next_number(&self, kind: &str, known: u64) -> Result<u64, IssueError> {
        let last = known.max(acts::highest(&self.directory, kind)?);
        last.checked_add(1).ok_or(IssueError::NumbersUsedUp)
    }

    /// Whether the list is by the generation that issues.
    pub(crate) fn is_current(&self, crl: &Crl) -> bool {
        crl.issuer().der() == self.csca.subject().der() && crl.verify_signature(self.csca.public_key()).is_ok()
    }

    /// Whether every revocation is on the list.
    pub(crate) fn is_complete(&self, crl: &Crl) -> bool {
        self.state.revoked.iter().all(|entry| crl.revoked_since(&entry.serial).is_some())
    }

    /// Whether the secret opens the key that issues: for whoever asks for more secrets after this one.
    ///
    /// # Errors
    /// When it does not.
    pub fn opens(&self, passphrase: &Passphrase) -> Result<(), IssueError> {
        self.csca_key(passphrase).map(drop)
    }

    pub(crate) fn csca_key(&self, passphrase: &Passphrase) -> Result<StoredKey, IssueError> {
        let path = self.key_directory(self.generations.len());
        let key = read_key(path.clone(), passphrase)?;
        if self.csca.public_key().key_identifier() != x509::key_identifier(&key) {
            return Err(IssueError::Key { path, error: KeyError::NotOfCertificate });
        }
        Ok(key)
    }

    pub(super) fn up_to_date_crl(&self, now: Timestamp) -> Result<Crl, IssueError> {
        let (_, crl) = self.current_crl()?.ok_or(IssueError::RevocationListOutdated)?;
        let good = self.is_current(&crl) && self.is_complete(&crl) && now <= crl.next_update();
        if good { Ok(crl) } else { Err(IssueError::RevocationListOutdated) }
    }
}

/// Opens the key of a directory.
pub(super) fn read_key(path: PathBuf, secret: &Passphrase) -> Result<StoredKey, IssueError> {
    StoredKey::open(&path, secret).map_err(|error| IssueError::Key { path, error })
}

/// What [`Authority::ensure_crl`] did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EnsuredCrl {
    /// The current list stands.
    Stands(PathBuf, Crl),
    /// A new list was issued.
    Issued(PathBuf, Crl),
    /// The list ends soon, and a new one is due at this moment: the current one is younger than 48 hours.
    Due(PathBuf, Crl, Timestamp),
}

/// So many random bytes, positive and of full length (9303-12 §7.1: at most twenty).
pub(crate) fn serial_number(length: usize) -> Result<Vec<u8>, ErrorStack> {
    let mut serial = vec![0; length];
    openssl::rand::rand_bytes(&mut serial)?;
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7F) | 0x40;
    }
    Ok(serial)
}
