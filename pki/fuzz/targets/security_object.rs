//! Signed data, and the security object of a document with every certificate it brings along.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::cms::SignedData;
use trust::security_object;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(signed) = SignedData::from_der(bytes) {
        for signer in signed.signers() {
            for certificate in signed.certificates() {
                let _ = (signer.identifies(certificate), signed.verify(signer, certificate));
            }
        }
    }
    let _ = (security_object::parse(bytes), security_object::parse_card_security(bytes));
    let _ = security_object::parse_record(bytes, b"a record");
});
