//! Project Wycheproof's signatures and public keys, through the paths that documents and terminals are judged by.
//!
//! Every `invalid` is refused, every `valid` accepted. `acceptable` (public keys only) is what each test says about it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use test_vectors::hex_of;
use trust::cvc::{CvPublicKey, KeyAlgorithm, KeyNumbers, VerificationKey};
use trust::public_key::KeyKind;
use trust::{EllipticCurve, Hash, PublicKey, SignatureAlgorithm};

fn groups(name: &str) -> Option<Vec<Value>> {
    let path = test_vectors::shared(&format!("data/wycheproof/{name}.json"))?;
    let root: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    Some(root["testGroups"].as_array().unwrap().clone())
}

/// Gives every test to `accepts` and compares with what is expected; how many there were.
fn judge(name: &str, accepts: impl Fn(&Value, &Value) -> bool) -> Option<usize> {
    let mut count = 0;
    for group in groups(name)? {
        for test in group["tests"].as_array().unwrap() {
            let accepted = accepts(&group, test);
            let expected = match test["result"].as_str().unwrap() {
                "valid" => true,
                "invalid" => false,
                other => panic!("{name} has results {other}"),
            };
            assert_eq!(accepted, expected, "{name} {}: {}", test["tcId"], test["comment"]);
            count += 1;
        }
    }
    Some(count)
}

fn key(group: &Value) -> PublicKey {
    PublicKey::from_spki(&hex_of(&group["publicKeyDer"])).unwrap()
}

/// The same key as a card-verifiable certificate holds it.
fn terminal_key(group: &Value, algorithm: KeyAlgorithm) -> VerificationKey {
    let key = openssl::pkey::PKey::public_key_from_der(&hex_of(&group["publicKeyDer"])).unwrap();
    let numbers = match key.rsa() {
        Ok(rsa) => KeyNumbers::Rsa { modulus: rsa.n().to_vec(), exponent: rsa.e().to_vec() },
        Err(_) => KeyNumbers::Ec { domain: None, point: hex_of(&group["publicKey"]["uncompressed"]) },
    };
    CvPublicKey { algorithm, numbers }.resolve(Some(EllipticCurve::P256)).unwrap()
}

fn verifies(algorithm: SignatureAlgorithm) -> impl Fn(&Value, &Value) -> bool {
    move |group, test| algorithm.verify(&key(group), &hex_of(&test["msg"]), &hex_of(&test["sig"])).is_ok()
}

#[test]
fn ecdsa_of_certificates() {
    let sets =
        [("ecdsa_secp384r1_sha384_test", Hash::Sha384, 504), ("ecdsa_brainpoolP256r1_sha256_test", Hash::Sha256, 485)];
    for (name, hash, expected) in sets {
        let Some(count) = judge(name, verifies(SignatureAlgorithm::Ecdsa(hash))) else { return };
        assert_eq!(count, expected, "{name}");
    }
}

#[test]
fn ecdsa_of_card_verifiable_certificates() {
    let accepts = |group: &Value, test: &Value| {
        let key = terminal_key(group, KeyAlgorithm::Ecdsa(Hash::Sha256));
        key.verify(&hex_of(&test["msg"]), &hex_of(&test["sig"])).is_ok()
    };
    let Some(count) = judge("ecdsa_secp256r1_sha256_p1363_test", accepts) else { return };
    assert_eq!(count, 262);
}

#[test]
fn rsa_pss_of_certificates_and_terminals() {
    let name = "rsa_pss_2048_sha256_mgf1_32_test";
    let algorithm = SignatureAlgorithm::RsaPss { hash: Hash::Sha256, mask: Hash::Sha256, salt: 32 };
    let Some(count) = judge(name, verifies(algorithm)) else { return };
    assert_eq!(count, 108);
    let as_terminal = |group: &Value, test: &Value| {
        let key = terminal_key(group, KeyAlgorithm::RsaPss(Hash::Sha256));
        key.verify(&hex_of(&test["msg"]), &hex_of(&test["sig"])).is_ok()
    };
    judge(name, as_terminal);
}

/// The public keys of the ECDH sets: what is on the curve is read, what is not is refused.
///
/// Of the `acceptable` ones two kinds are accepted, both with the right point on the named curve: a compressed point, and lengths
/// that are longer than DER writes them (`InvalidAsn`, ten keys a set). Explicit parameters in which anything differs from the
/// curve's are refused, and so is everything else that is not a SubjectPublicKeyInfo.
#[test]
fn public_keys_of_ecdh() {
    let sets =
        [("ecdh_secp256r1_test", EllipticCurve::P256), ("ecdh_brainpoolP256r1_test", EllipticCurve::BrainpoolP256r1)];
    for (name, curve) in sets {
        let Some(groups) = groups(name) else { return };
        let mut acceptable: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for test in groups.iter().flat_map(|group| group["tests"].as_array().unwrap()) {
            // A good key on another curve is no key for this exchange.
            let key = PublicKey::from_spki(&hex_of(&test["public"]));
            let read = key.is_ok_and(|key| key.kind() == KeyKind::Ec(curve));
            match test["result"].as_str().unwrap() {
                "valid" => assert!(read, "{name} {}: {}", test["tcId"], test["comment"]),
                "invalid" => assert!(!read, "{name} {}: {}", test["tcId"], test["comment"]),
                _ => {
                    for flag in test["flags"].as_array().unwrap() {
                        let (accepted, refused) = acceptable.entry(flag.as_str().unwrap().to_owned()).or_default();
                        *(if read { accepted } else { refused }) += 1;
                    }
                }
            }
        }
        let accepted: BTreeMap<_, _> = acceptable.iter().filter(|(_, (accepted, _))| *accepted > 0).collect();
        let named: Vec<_> = accepted.iter().map(|(flag, counts)| (flag.as_str(), counts.0)).collect();
        assert_eq!(named, [("CompressedPoint", 1), ("CompressedPublic", 1), ("InvalidAsn", 10)], "{name}");
    }
}
