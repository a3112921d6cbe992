//! Revocation: which certificates, and the list of each range.

use std::path::PathBuf;

use asn1_rs::oid;
use iso7816::tlv::encode;
use jiff::Timestamp;
use trust::der::SEQUENCE;

use super::CitizenError;
use super::store::{CitizenCa, Revoked, range_of};
use crate::acts::Act;
use crate::authority::{Authority, IssueError};
use crate::files::{self, Mode};
use crate::passphrase::Passphrase;
use crate::x509::{self, Period};

/// A revocation list of one range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeList {
    /// The range.
    pub range: u64,
    /// Its number.
    pub number: u64,
    /// The file.
    pub path: PathBuf,
    /// How many certificates are on it.
    pub revoked: usize,
    /// When the next one is due.
    pub next_update: Timestamp,
}

impl Authority {
    /// Revokes a citizen's certificate by its serial number (hexadecimal); again changes nothing. Gives the range whose list
    /// is to be issued.
    ///
    /// # Errors
    /// When there is no such certificate.
    pub fn revoke_citizen_certificate(&mut self, serial: &str, now: Timestamp) -> Result<u64, CitizenError> {
        let _lock = self.lock()?;
        let mut ca = CitizenCa::open(self)?;
        let missing = || CitizenError::NoSuchCertificate(serial.to_owned());
        let bytes = hex::decode(serial).map_err(|_| missing())?;
        let (range, serial) = (range_of(&bytes).ok_or_else(missing)?, hex::encode(&bytes));
        let path = ca.directory.join("certificates").join(range.to_string()).join(format!("{serial}.der"));
        if !path.exists() {
            return Err(missing());
        }
        if !ca.state.revoked.iter().any(|entry| entry.serial == bytes) {
            let line = Act::new("citizen-revocation", "-").serial(&bytes);
            self.record(now, &[line]).map_err(IssueError::Acts)?;
            ca.state.revoked.push(Revoked { serial: bytes, since: x509::whole_seconds(now) });
            ca.write()?;
        }
        Ok(range)
    }

    /// Issues the next revocation list of a range, or of every range.
    ///
    /// # Errors
    /// When the passphrase is wrong or a list cannot be written.
    pub fn issue_citizen_lists(
        &mut self,
        range: Option<u64>,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<Vec<RangeList>, CitizenError> {
        let _lock = self.lock()?;
        let mut ca = CitizenCa::open(self)?;
        let signer = ca.key(passphrase)?;
        let last = ca.state.issued.saturating_sub(1) / ca.profile.range;
        let ranges = range.map_or(0..=last, |range| range..=range.min(last));
        let mut lists = Vec::new();
        for range in ranges {
            let number = ca.burn_list_number(range)?;
            let revoked = ca.revoked_in(range);
            let update = Period::days(now, ca.profile.crl_days)?;
            let point = ca.list_uri(range);
            let raw = x509::revocation_list(
                ca.certificate.subject().der(),
                update,
                number,
                &revoked,
                &signer,
                |extensions| {
                    let point = encode(SEQUENCE, x509::distribution_point_name(&point));
                    x509::extension(extensions, &oid!(raw 2.5.29.28), true, &point);
                },
            )?;
            ca.verify_list(&raw)?;
            let file = format!("{range}-{number}.crl");
            let line = Act::new("citizen-revocation-list", &file).product(&raw);
            let words = format!("{} revoked, next update {}", revoked.len(), update.to);
            self.record(now, &[line.note(words)]).map_err(IssueError::Acts)?;
            let path = ca.directory.join("crl").join(file);
            files::replace(&path, &raw, Mode::Public)?;
            lists.push(RangeList { range, number, path, revoked: revoked.len(), next_update: update.to });
        }
        Ok(lists)
    }
}
