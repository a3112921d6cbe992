//! `citizen --pin`: cards prove the keys of their certificates, or do not; exit codes.

use eid::keys::KeyReference;
use eid::pin::Pin;
use openssl::pkey::{PKey, Private};
use serde_json::Value;
use soft_card::State;
use soft_card::eid::{KeyPair, Memory, Reference};

use crate::cards::Post;
use crate::citizen::{Ca, ca, json, key, numbered_for, with_at};
use crate::issuer::CAN;

pub const PIN: &str = "271828";

/// The card of the post's specimen, whose holder has chosen a PIN, with these keys on it and certificates for those.
pub fn card(post: &Post, by: &Ca, keys: &[(KeyReference, &PKey<Private>, &PKey<Private>)]) -> State {
    let mut state = post.issuer.state(&post.document);
    let mut memory = Memory::delivered();
    let value = Pin::from_digits(PIN.as_bytes()).unwrap().secret().clone();
    memory.pin = Some(Reference { value, tries: 3, limit: 3 });
    for (reference, own, _) in keys {
        let private = own.ec_key().unwrap().private_key_to_der().unwrap();
        memory.keys.insert(*reference as u8, KeyPair { algorithm: 0x11, private: private.as_slice().into() });
    }
    state.eid = Some(memory);
    keys.iter().fold(state, |state, (reference, _, certified)| {
        let certificate = numbered_for("Invented Citizen", Some("ZZ0000017"), by, certified).to_der().unwrap();
        with_at(state, reference.certificate().tag.0, &certificate)
    })
}

#[test]
fn a_card_without_the_keys_of_its_certificates_is_forged() {
    let post = Post::new();
    let mine = ca("Citizen CA");
    let (pem, pin) = (post.path("ca.pem"), post.path("pin"));
    std::fs::write(&pem, mine.certificate.to_pem().unwrap()).unwrap();
    std::fs::write(&pin, PIN).unwrap();
    let (first, second, third) = (key(), key(), key());
    use KeyReference::{Authentication, KeyManagement, Signature};
    let good = [(Authentication, &first, &first), (Signature, &second, &second), (KeyManagement, &third, &third)];
    let copied = [(Authentication, &first, &second), (KeyManagement, &third, &third)];
    let mut transport = card(&post, &mine, &good);
    transport.eid.as_mut().unwrap().transport = true;
    let with_pin = ["--pin-file", &pin, "--can", CAN];
    let without = ["--can", CAN];
    for (name, state, more, exit, judgement, states) in [
        ("good", card(&post, &mine, &good), &with_pin[..], 11, "certificates-good", "proved not-asked proved"),
        ("copied", card(&post, &mine, &copied), &with_pin, 10, "forged", "failed proved"),
        ("no-pin", card(&post, &mine, &good), &without, 11, "certificates-good", "not-asked not-asked not-asked"),
        ("transport", transport, &without, 11, "certificates-good", "not-asked not-asked not-asked"),
    ] {
        let socket = post.insert(name, state);
        let args = ["citizen", "--socket", &socket, "--trust", &post.path("trust"), "--citizen-ca", &pem];
        let output = post.run(&[&args[..], &["--json"], more].concat());
        let report = json(&output);
        assert_eq!((output.status.code(), &report["judgement"]), (Some(exit), &judgement.into()), "{name}: {report:#}");
        let told: Vec<_> = report["certificates"].as_array().unwrap().iter().collect();
        let told: Vec<_> = told.iter().map(|line| line["possession"]["state"].as_str().unwrap()).collect();
        assert_eq!(told.join(" "), states, "{name}");
        let open = report["not_judged"].as_array().unwrap();
        let named = open.contains(&Value::from("that the card has the keys of its certificates"));
        assert_eq!(named, states.starts_with("not-asked"), "{name}: {open:?}");
        // People see the same.
        let output = post.run(&[&args[..], more].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = match name {
            "good" => "key       not asked: ",
            "copied" => "key       FAILED: ",
            "no-pin" => "the PIN was not given",
            _ => "the PIN is the issuer's",
        };
        assert!(text.contains(words) && output.status.code() == Some(exit), "{name}: {text}");
    }
}

#[test]
fn a_card_that_was_found_out_does_not_get_the_pin() {
    let post = Post::new();
    let mine = ca("Citizen CA");
    let (pem, pin) = (post.path("ca.pem"), post.path("pin"));
    std::fs::write(&pem, mine.certificate.to_pem().unwrap()).unwrap();
    std::fs::write(&pin, PIN).unwrap();
    let (first, second, third) = (key(), key(), key());
    use KeyReference::{Authentication, CardAuthentication};
    // The key that needs no PIN is not that of its certificate.
    let state = card(&post, &mine, &[(Authentication, &first, &first), (CardAuthentication, &second, &third)]);
    let socket = post.insert("found-out", state);
    let args = ["citizen", "--json", "--socket", &socket, "--citizen-ca", &pem, "--pin-file", &pin];
    let output = post.run(&args);
    let report = json(&output);
    assert_eq!((output.status.code(), &report["judgement"]), (Some(10), &"forged".into()), "{report:#}");
    assert_eq!(report["certificates"][0]["possession"]["state"], "not-asked", "{report:#}");
    assert_eq!(report["certificates"][1]["possession"]["state"], "failed", "{report:#}");
    assert_eq!(report["interrupted"], "the PIN was not given to a card that was found out");
}
