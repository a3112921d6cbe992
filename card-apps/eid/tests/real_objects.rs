//! Data objects of real test cards (GSA ICAM) are read.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::PathBuf;

use eid::capability::Capability;
use eid::chuid::Chuid;
use eid::discovery::Discovery;
use eid::objects::{self, DISCOVERY_OBJECT};
use eid::security_object::SecurityObject;

/// The folders of the cards; none where the objects are not at hand.
fn cards() -> Vec<PathBuf> {
    let Some(cards) = test_vectors::shared("data/piv") else { return Vec::new() };
    let entries = std::fs::read_dir(cards).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.join("8 - CHUID Object").exists()).collect()
}

#[test]
fn every_object_is_read() {
    for card in cards() {
        let file = |name: &str| std::fs::read(card.join(name)).unwrap();
        let chuid = file("8 - CHUID Object");
        let read = Chuid::parse(&chuid).unwrap_or_else(|error| panic!("{}: {error}", card.display()));
        assert!(read.signature.len() > 1000 && read.expiry.is_whole(), "{}", card.display());
        // These cards have the deprecated element 32, which is read over.
        assert!(Chuid::parse(&read.to_bytes()) == Ok(read.clone()), "{}", card.display());
        let signed = Chuid::signed_bytes(&chuid).unwrap();
        assert_eq!(signed.len() + read.signature.len() + 4, chuid.len());

        let object = file("2 - Security Object");
        let read = SecurityObject::parse(&object).unwrap();
        assert!(read.mapping.iter().all(|(_, container)| objects::by_container(*container).is_some()));
        assert_eq!(
            read.to_bytes(),
            [&object[..], if object.ends_with(&[0xFE, 0]) { &[] } else { &[0xFE, 0] }].concat()
        );

        let discovery = file("1 - Discovery Object");
        let content = DISCOVERY_OBJECT.decode(&discovery).unwrap();
        assert_eq!(DISCOVERY_OBJECT.encode(&Discovery::parse(content).unwrap().to_bytes()), discovery);
        assert_eq!(Capability::card_identifier(&file("7 - CCC")).unwrap().len(), 21);
    }
}
