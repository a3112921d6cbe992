//! The archive as a part of a trust bundle: what is believed and why, and who has what is not.

use std::collections::{BTreeMap, BTreeSet};

use super::{Archive, Held, is_country_signing};
use crate::bundle::{Elsewhere, Origin};
use crate::certificate::Certificate;

impl Archive {
    /// The believed certificates, in the order of their fingerprints.
    pub fn believed(&self) -> Vec<Certificate> {
        let believed = self.certificates.values().filter(|held| held.is_believed());
        believed.map(|held| held.certificate.clone()).collect()
    }

    /// Why each of them is believed; positions in [`Archive::sources`].
    pub fn origins(&self) -> Vec<Origin> {
        let origins = |held: &Held| {
            let anchor = held.certificate.fingerprint();
            let holding = held.reasons.iter().filter(|one| self.holds(one.reason));
            holding.map(move |one| Origin { anchor, reason: one.reason, source: one.source }).collect()
        };
        let believed = self.certificates.values().filter(|held| held.is_believed());
        believed.flat_map(|held| -> Vec<Origin> { origins(held) }).collect()
    }

    /// Country signing keys that are known and neither believed nor distrusted, with the sources that have them: positions in
    /// [`Archive::sources`].
    pub fn elsewhere(&self) -> Vec<Elsewhere> {
        let mut keys: BTreeMap<Vec<u8>, BTreeSet<usize>> = BTreeMap::new();
        let pending = self
            .certificates
            .values()
            .filter(|held| !held.is_believed() && self.distrust_of(&held.certificate).is_none());
        for held in pending.filter(|held| is_country_signing(&held.certificate)) {
            let seen = held.seen.iter().map(|seen| seen.source);
            keys.entry(held.certificate.key_identifier()).or_default().extend(seen);
        }
        let known = keys.into_iter().map(|(key, sources)| Elsewhere { key, sources: sources.into_iter().collect() });
        known.collect()
    }
}
