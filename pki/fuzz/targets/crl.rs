//! A revocation list and a question to it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::Crl;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(crl) = Crl::from_der(bytes) {
        let _ = (crl.next_update(), crl.revoked_since(&[1]));
    }
});
