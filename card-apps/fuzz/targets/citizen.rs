//! The citizen application: data objects, templates, keys, the residence record and the card's status.
#![no_main]

use eid::authentication::Template;
use eid::capability::Capability;
use eid::certificate::Container;
use eid::chuid::Chuid;
use eid::discovery::Discovery;
use eid::keys::{Algorithm, PublicKey, parse_generate};
use eid::objects::{OBJECTS, parse_get, parse_put};
use eid::pin::{Pin, Puk};
use eid::residence::{Residence, SignedResidence};
use eid::security_object::SecurityObject;
use eid::status_hint::StatusHint;
use eid::{Application, property};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(chuid) = Chuid::parse(bytes) {
        assert_eq!(Chuid::parse(&chuid.to_bytes()).as_ref(), Ok(&chuid));
        assert!(Chuid::signed_bytes(bytes).is_ok_and(|signed| signed.len() <= bytes.len()));
    }
    if let Ok(discovery) = Discovery::parse(bytes) {
        // Lengths may be longer than needed.
        assert_eq!(Discovery::parse(&discovery.to_bytes()).as_ref(), Ok(&discovery));
    }
    if let Ok(object) = SecurityObject::parse(bytes) {
        assert_eq!(SecurityObject::parse(&object.to_bytes()).as_ref(), Ok(&object));
    }
    if let Ok(hint) = StatusHint::parse(bytes) {
        assert_eq!(StatusHint::parse(&hint.to_bytes()), Ok(hint));
    }
    if let Ok(signed) = SignedResidence::parse(bytes) {
        let written = signed.to_bytes();
        let again = SignedResidence::parse(&written).unwrap();
        assert_eq!((again.record, again.signature), (signed.record, signed.signature));
        let _ = signed.residence();
    }
    if let Ok(residence) = Residence::parse(bytes) {
        assert_eq!(Residence::parse(&residence.to_bytes()).as_ref(), Ok(&residence));
    }
    if let Ok(template) = Template::parse(bytes) {
        assert_eq!(Template::parse(&template.to_bytes()).as_ref(), Ok(&template));
    }
    for algorithm in Algorithm::ALL {
        if let Ok(key) = PublicKey::parse(algorithm, bytes) {
            assert_eq!(PublicKey::parse(algorithm, &key.to_bytes()).as_ref(), Ok(&key));
        }
    }
    for application in [Application::Piv, Application::National] {
        let _ = parse_get(application, bytes);
        if let Ok((object, content)) = parse_put(application, bytes) {
            assert_eq!(object.decode(&object.encode(content)), Ok(content));
        }
    }
    for object in OBJECTS {
        let _ = object.decode(bytes);
    }
    let _ = (Container::parse(bytes).map(|certificate| certificate.der()), Capability::card_identifier(bytes));
    let _ = (parse_generate(bytes), property::is_piv(bytes), Pin::parse(bytes), Puk::parse(bytes));
});
