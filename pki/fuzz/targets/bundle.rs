//! A trust bundle and a delta: the containers, and the payload that lies behind the signatures.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::bundle::{Bundle, Delta, Pin, Sealed};

fuzz_target!(|bytes: &[u8]| {
    let pin = Pin::from_hex(&"00".repeat(32)).expect("64 digits");
    let _ = Bundle::from_payload(bytes);
    if let Ok(sealed) = Sealed::read(bytes) {
        let _ = (sealed.verify(&pin.into()), sealed.countersignatures());
    }
    if let Ok(delta) = Delta::read(bytes) {
        let _ = delta.apply(&Sealed::unsigned(bytes.to_vec()));
    }
});
