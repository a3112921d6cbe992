//! Whatever file an operator imports: PEM, DER, LDIF, zip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::import::{self, Bounds};

fuzz_target!(|bytes: &[u8]| {
    let bounds = Bounds { bytes: 64 * 1024, unpacked: 1024 * 1024, pieces: 100 };
    let _ = import::read(bytes, &bounds);
});
