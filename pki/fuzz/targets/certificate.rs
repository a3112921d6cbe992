//! A certificate, its names and extensions, and its own key on its own signature.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::Certificate;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(certificate) = Certificate::from_der(bytes) {
        let _ = (certificate.subject().to_string(), certificate.fingerprint(), certificate.extensions());
        let _ = certificate.verify_signature(certificate.public_key());
    }
});
