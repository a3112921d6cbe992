//! A master list, and its judgement against a certificate of its own.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use trust::Certificate;
use trust::master_list::MasterList;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(list) = MasterList::from_der(bytes) {
        let pins: Vec<Certificate> = list.certificates().take(1).cloned().collect();
        let _ = (list.countries(), list.roles(), list.verify(&pins, Timestamp::UNIX_EPOCH).is_believed());
    }
});
