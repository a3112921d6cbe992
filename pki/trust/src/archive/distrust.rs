//! Ceasing to believe: a person's word against a key, which outweighs every reason.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Archive, Fingerprint, Reason, stored};
use crate::certificate::Certificate;

/// A key that is not believed, whatever its certificates have for them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distrusted {
    /// The certificate that was named.
    #[serde(with = "stored::hex_bytes")]
    pub fingerprint: Fingerprint,
    /// Its key, which counts: [`crate::PublicKey::key_hash`].
    #[serde(with = "stored::hex_bytes")]
    pub key: [u8; 32],
    /// Why.
    pub because: String,
    /// Who says so.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
}

impl fmt::Display for Distrusted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "distrusted since {} by {}: {}", self.since.strftime("%Y-%m-%d"), self.by, self.because)
    }
}

impl Archive {
    /// Distrusts the key of a certificate, in all certificates that have it now or will be imported; with it goes what was
    /// believed only as a link or root that follows from it. What is no longer believed; `None` when the archive does not
    /// have the certificate.
    pub fn distrust(
        &mut self,
        fingerprint: &Fingerprint,
        because: &str,
        by: &str,
        now: Timestamp,
    ) -> Option<Vec<Fingerprint>> {
        let key = self.get(fingerprint)?.certificate.public_key().key_hash();
        let (because, by) = (because.to_owned(), by.to_owned());
        let believed = |archive: &Archive| -> BTreeSet<Fingerprint> {
            archive.certificates.iter().filter(|(_, held)| held.is_believed()).map(|(one, _)| *one).collect()
        };
        let before = believed(self);
        self.distrusted.push(Distrusted { fingerprint: *fingerprint, key, because, by, since: now });
        self.generation += 1;
        self.weigh();
        Some(before.difference(&believed(self)).copied().collect())
    }

    /// Every key that is distrusted.
    pub fn distrusted(&self) -> &[Distrusted] {
        &self.distrusted
    }

    /// Whether, and why, the key of a certificate is distrusted.
    pub fn distrust_of(&self, certificate: &Certificate) -> Option<&Distrusted> {
        if self.distrusted.is_empty() {
            return None;
        }
        let key = certificate.public_key().key_hash();
        self.distrusted.iter().find(|one| one.key == key)
    }

    /// Whether what a reason rests on is still believed.
    pub(super) fn holds(&self, reason: Reason) -> bool {
        match reason {
            Reason::Listed | Reason::Confirmed => true,
            Reason::LinkedFrom(from) | Reason::SameKeyAs(from) => self.get(&from).is_some_and(|held| held.believed),
        }
    }

    /// Works out anew who is believed: those with a reason of their own, then what follows from them.
    pub(super) fn weigh(&mut self) {
        for held in self.certificates.values_mut() {
            held.believed = false;
        }
        loop {
            let ready = self.certificates.iter().filter(|(_, held)| {
                !held.believed
                    && held.reasons.iter().any(|one| self.holds(one.reason))
                    && self.distrust_of(&held.certificate).is_none()
            });
            let ready: Vec<Fingerprint> = ready.map(|(fingerprint, _)| *fingerprint).collect();
            if ready.is_empty() {
                return;
            }
            for fingerprint in ready {
                if let Some(held) = self.certificates.get_mut(&fingerprint) {
                    held.believed = true;
                }
            }
        }
    }
}
