//! What a blank says of itself, and what a personalization sends: GET DATA, GET STATUS, PUT KEY, data groupings, keys.
#![no_main]

use channel::{scp02, scp03};
use lds::globalplatform::dgi::{DgiReader, pad, unpad};
use lds::globalplatform::{
    ActiveAuthenticationKey, CardRecognitionData, ChipAuthenticationKey, Cplc, Dgi, KeyInformation, NewKeySet,
    StatusEntry, parse_install_for_personalization,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(cplc) = Cplc::parse(bytes) {
        assert_eq!(Cplc::parse(&cplc.to_bytes()), Ok(cplc));
        let _ = cplc.chip_serial();
    }
    if let Ok(keys) = KeyInformation::parse_template(bytes) {
        assert_eq!(KeyInformation::parse_template(&KeyInformation::template(&keys)).as_ref(), Ok(&keys));
    }
    if let Ok(data) = CardRecognitionData::parse(bytes) {
        assert_eq!(CardRecognitionData::parse(&data.to_bytes()).as_ref(), Ok(&data));
    }
    if let Ok(entries) = StatusEntry::parse_all(bytes) {
        let written: Vec<u8> = entries.iter().flat_map(StatusEntry::to_bytes).collect();
        assert_eq!(StatusEntry::parse_all(&written).as_ref(), Ok(&entries));
    }
    if let Ok(keys) = NewKeySet::parse(bytes) {
        assert_eq!(NewKeySet::parse(&keys.to_bytes()).as_ref(), Ok(&keys));
    }
    if let Ok(key) = ChipAuthenticationKey::parse(bytes) {
        let _ = key.to_bytes();
    }
    if let Ok(key) = ActiveAuthenticationKey::parse(bytes) {
        let _ = key.to_bytes();
    }
    let _ = parse_install_for_personalization(bytes);
    if let Some(value) = unpad(bytes) {
        assert_eq!(unpad(&pad(value, 16)), Some(value));
    }
    // In one block or in two: the same data groupings.
    if let Ok(groupings) = Dgi::parse_all(bytes) {
        let (head, tail) = bytes.split_at(bytes.len() / 2);
        let mut reader = DgiReader::new();
        let mut pieces = Vec::new();
        for block in [head, tail] {
            reader.push(block);
            pieces.extend(std::iter::from_fn(|| reader.pop()));
        }
        assert_eq!(pieces, groupings);
        let written: Vec<u8> = groupings.iter().flat_map(|dgi| dgi.to_bytes().expect("it was read")).collect();
        assert_eq!(Dgi::parse_all(&written).as_ref(), Ok(&groupings));
    }
    if let Ok(info) = scp03::InitializeUpdateInfo::parse(bytes) {
        assert_eq!(info.to_bytes(), bytes);
    }
    if let Ok(info) = scp02::InitializeUpdateInfo::parse(bytes) {
        assert_eq!(info.to_bytes(), bytes);
    }
});
