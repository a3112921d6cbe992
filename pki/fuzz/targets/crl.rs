//! A revocation list and a question to it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::Crl;

fuzz_target!(|bytes: &[u8]| {
    for crl in [Crl::from_der(bytes), Crl::part_from_der(bytes), Crl::part_from_pem(bytes)].into_iter().flatten() {
        let _ = (crl.next_update(), crl.revoked_since(&[1]), crl.reason(&[1]), crl.is_held(&[1]));
    }
});
