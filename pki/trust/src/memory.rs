//! What a trust store found out once and no clock can change: certificates that were read, signatures that were checked.
//!
//! A security object comes with the same document signer as thousands of others. Reading its certificate and checking its
//! issuer's signature again costs several times the one verification that is new. Entries are found by the SHA-256 of the
//! certificate's bytes and live as long as the store, which itself never changes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::certificate::{Certificate, CertificateError};
use crate::chain::Standing;

/// How many document signers are remembered; then all are forgotten and learnt again.
const CAPACITY: usize = 4096;

type Fingerprint = [u8; 32];

/// The memory; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    certificates: Mutex<HashMap<Fingerprint, Certificate>>,
    standings: Mutex<HashMap<Fingerprint, Arc<Standing>>>,
}

impl Memory {
    /// Reads a certificate unless it was read before.
    pub(crate) fn certificate(&self, raw: &[u8]) -> Result<Certificate, CertificateError> {
        let key = openssl::sha::sha256(raw);
        if let Some(known) = lock(&self.shared.certificates).get(&key) {
            return Ok(known.clone());
        }
        let certificate = Certificate::from_der(raw)?;
        insert(&self.shared.certificates, key, certificate.clone());
        Ok(certificate)
    }

    /// What was found about this signer, or what `find` finds now.
    pub(crate) fn standing(&self, signer: &Certificate, find: impl FnOnce() -> Standing) -> Arc<Standing> {
        let key = signer.fingerprint();
        if let Some(known) = lock(&self.shared.standings).get(&key) {
            return Arc::clone(known);
        }
        let found = Arc::new(find());
        insert(&self.shared.standings, key, Arc::clone(&found));
        found
    }
}

/// A thread that panicked while holding the lock cannot have left half an entry.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn insert<T>(map: &Mutex<HashMap<Fingerprint, T>>, key: Fingerprint, value: T) {
    let mut map = lock(map);
    if map.len() >= CAPACITY {
        map.clear();
    }
    map.insert(key, value);
}

/// What is remembered follows from the store: two stores do not differ by it.
impl PartialEq for Memory {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Memory {}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} signers)", lock(&self.shared.standings).len())
    }
}
