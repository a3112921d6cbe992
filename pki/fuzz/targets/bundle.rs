//! A trust bundle: the container, and the payload that lies behind its signature.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::{Bundle, Pin, bundle};

fuzz_target!(|bytes: &[u8]| {
    let pin = Pin::from_hex(&"00".repeat(32)).expect("64 digits");
    let _ = bundle::open(bytes, &pin);
    let _ = Bundle::from_payload(bytes);
});
