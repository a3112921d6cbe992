//! Files that people write for a soft card: faults, personas, and the memory of another program's card.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use soft_card::fault::{Faults, Tear};
use soft_card::persona::Persona;
use soft_card::{BlankOptions, SoftCard, State, forge};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(persona) = Persona::parse(text) {
        let options = BlankOptions { serial: Some([0; 6]), ..persona.options() };
        let mut card = SoftCard::blank(options).expect("a persona that was read is a card");
        assert!(card.process(b"\x00\xA4\x04\x00\x00").len() >= 2);
    }
    // A file of faults names other files: none of them is there.
    if let Ok(faults) = Faults::parse(text, Path::new("/nowhere/faults.toml")) {
        let blank = State::blank(BlankOptions { serial: Some([0; 6]), ..BlankOptions::default() }).expect("randomness");
        let _ = forge::forge(&blank, &faults);
        if let Ok(card) = SoftCard::from_state(&blank).with_faults(&faults) {
            let _ = card.is_powered();
        }
    }
    let _ = text.parse::<Tear>();
});
