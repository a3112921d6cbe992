//! The known representatives and signature, both roles against each other, and hostile input.

use iso7816::Response;
use openssl::pkey::PKey;
use proptest::prelude::*;
use test_vectors::{Vectors, hex_of};

use super::rsa::Representative;
use super::*;
use crate::random::{Fixed, OsRandom};

fn vectors() -> Vectors {
    Vectors::load("icao9303-aa-ca")
}

fn hash_named(name: &str) -> Hash {
    match name {
        "sha1" => Hash::Sha1,
        "sha224" => Hash::Sha224,
        "sha256" => Hash::Sha256,
        "sha384" => Hash::Sha384,
        "sha512" => Hash::Sha512,
        other => panic!("{other}"),
    }
}

/// Appendix F, and one representative for each trailer.
#[test]
fn representatives_are_taken_apart_as_known() {
    let vectors = vectors();
    let appendix = vectors.value("/active_authentication_rsa_worked_example");
    let cases = vectors.list("/iso9796_2_representatives/cases");
    assert_eq!(cases.len(), 5);
    for case in cases.iter().chain([appendix]) {
        let f = hex_of(&case["F"]);
        let parts = Representative::parse(&f).unwrap();
        assert_eq!(parts.hash, hash_named(case["hash"].as_str().unwrap()));
        assert_eq!((parts.recovered, parts.digest), (&hex_of(&case["m1"])[..], &hex_of(&case["d"])[..]));
        let message = [hex_of(&case["m1"]), hex_of(&case["rnd_ifd"])].concat();
        assert_eq!(parts.hash.digest(&message), parts.digest);
    }
}

#[test]
fn the_known_signature_verifies_and_no_other() {
    let vectors = vectors();
    let bytes = |name: &str| vectors.bytes(&format!("/iso9796_2_signature/{name}"));
    let key = PKey::public_key_from_der(&bytes("subject_public_key_info")).unwrap().rsa().unwrap();
    let key = ActivePublicKey::rsa(&key.public_key_to_der_pkcs1().unwrap()).unwrap();
    let answer = Answer { challenge: [0; 8], signature: bytes("signature") };
    let verified = Verified { hash: Hash::Sha1, is_der: false, hash_was_guessed: false };
    assert_eq!(key.verify(&answer, None), Ok(verified));
    let other = Answer { challenge: [0, 0, 0, 0, 0, 0, 0, 1], ..answer.clone() };
    assert_eq!(key.verify(&other, None), Err(BadSignature::Mismatch));
    for at in [0, 64, 127] {
        let mut altered = answer.clone();
        altered.signature[at] ^= 1;
        assert!(key.verify(&altered, None).is_err());
    }
    let short = Answer { signature: answer.signature[1..].to_vec(), ..answer.clone() };
    assert_eq!(key.verify(&short, None), Err(BadSignature::Length { length: 127 }));
    // 9796-2 allows the complement of a signature too.
    let ActivePublicKey::Rsa(rsa) = &key else { panic!() };
    let mut complement = BigNum::new().unwrap();
    complement.checked_sub(rsa.n(), &BigNum::from_slice(&answer.signature).unwrap()).unwrap();
    let complement = Answer { signature: complement.to_vec_padded(128).unwrap(), ..answer };
    assert_eq!(key.verify(&complement, None), Ok(verified));
}

/// A card with nothing but Active Authentication.
struct Active(ActivePrivateKey);

impl Card for Active {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        Ok(match self.0.internal_authenticate(&command.data, &mut OsRandom) {
            Ok(signature) => Response::ok(signature),
            Err(status) => Response::status(status),
        })
    }
}

fn rsa_pair(bits: u32, hash: Hash) -> (ActivePublicKey, ActivePrivateKey) {
    let key = Rsa::generate(bits).unwrap();
    let public = ActivePublicKey::rsa(&key.public_key_to_der_pkcs1().unwrap()).unwrap();
    (public, ActivePrivateKey::rsa(&Secret::new(key.private_key_to_der().unwrap()), hash).unwrap())
}

fn ec_pair(curve: Curve, hash: Hash) -> (ActivePublicKey, ActivePrivateKey) {
    let mut arithmetic = crate::group::Arithmetic::new(curve.into()).unwrap();
    let pair = arithmetic.generate(None, &mut OsRandom).unwrap();
    let private = Secret::new(pair.private.0.to_vec_padded(curve.field_length() as i32).unwrap());
    (ActivePublicKey::ec(curve, &pair.public).unwrap(), ActivePrivateKey::ec(curve, &private, hash).unwrap())
}

#[test]
fn both_ends_agree_with_every_rsa_hash() {
    for hash in Hash::ALL {
        let (public, private) = rsa_pair(1536, hash);
        let mut card = Active(private);
        for _ in 0..3 {
            let mut answer = request(&mut card, 256, &mut OsRandom).unwrap();
            assert_eq!(public.verify(&answer, None).unwrap().hash, hash);
            answer.challenge[0] ^= 1;
            assert_eq!(public.verify(&answer, None), Err(BadSignature::Mismatch));
        }
        let answer = request(&mut card, 256, &mut OsRandom).unwrap();
        assert!(rsa_pair(1536, hash).0.verify(&answer, None).is_err());
    }
}

#[test]
fn both_ends_agree_on_every_curve() {
    for (curve, hash) in Curve::ALL.into_iter().zip(Hash::ALL.into_iter().cycle()) {
        let (public, private) = ec_pair(curve, hash);
        let mut card = Active(private);
        let mut answer = request(&mut card, 256, &mut OsRandom).unwrap();
        assert_eq!(answer.signature.len(), 2 * curve.field_length());
        let strict = Verified { hash, is_der: false, hash_was_guessed: false };
        assert_eq!(public.verify(&answer, Some(hash)), Ok(strict));
        assert_eq!(public.verify(&answer, None), Ok(Verified { hash_was_guessed: true, ..strict }));
        let another = if hash == Hash::Sha256 { Hash::Sha384 } else { Hash::Sha256 };
        assert_eq!(public.verify(&answer, Some(another)), Err(BadSignature::Mismatch));
        assert!(ec_pair(curve, hash).0.verify(&answer, Some(hash)).is_err());
        answer.challenge[7] ^= 1;
        assert_eq!(public.verify(&answer, Some(hash)), Err(BadSignature::Mismatch));
    }
}

#[test]
fn a_der_signature_is_accepted_and_said() {
    let (public, private) = ec_pair(Curve::P256, Hash::Sha256);
    let ActivePrivateKey::Ec(_, key, _) = &private else { panic!() };
    let challenge = [9; 8];
    let digest = Hash::Sha256.digest(&challenge);
    let signature = EcdsaSig::sign(&digest, key).unwrap().to_der().unwrap();
    let answer = Answer { challenge, signature };
    assert!(public.verify(&answer, Some(Hash::Sha256)).unwrap().is_der);
    let trailing = Answer { signature: [&answer.signature[..], &[0; 20]].concat(), ..answer };
    assert!(matches!(public.verify(&trailing, Some(Hash::Sha256)), Err(BadSignature::Length { .. })));
}

/// A message that is recovered whole says nothing about the challenge.
#[test]
fn headers_without_the_challenge_and_unknown_trailers_are_refused() {
    let body = [0x11; 60];
    let f = |header: &[u8], trailer: &[u8]| [header, &body, trailer].concat();
    assert!(Representative::parse(&f(&[0x6A], &[0xBC])).is_ok());
    assert!(Representative::parse(&f(&[0x6B, 0xBB, 0xBA], &[0xBC])).is_ok());
    for header in [&[0x4A][..], &[0x6B], &[0x6B, 0xBB], &[0x4B, 0xBA], &[0x00], &[0x7A]] {
        assert_eq!(Representative::parse(&f(header, &[0xBC])), Err(BadSignature::Representative));
    }
    assert_eq!(Representative::parse(&f(&[0x6A], &[0x31, 0xCC])), Err(BadSignature::Trailer(0x31)));
    assert_eq!(Representative::parse(&f(&[0x6A], &[0xDC])), Err(BadSignature::Representative));
    assert_eq!(Representative::parse(&[0x6A, 1, 2, 0x35, 0xCC]), Err(BadSignature::Representative));
    assert_eq!(Representative::parse(&[]), Err(BadSignature::Representative));
}

#[test]
fn challenges_of_another_length_and_refusals_are_plain() {
    let (_, private) = ec_pair(Curve::P256, Hash::Sha256);
    for length in [0, 7, 9] {
        assert_eq!(private.internal_authenticate(&vec![0; length], &mut OsRandom), Err(Status::WRONG_LENGTH));
    }
    let (_, rsa) = rsa_pair(1024, Hash::Sha256);
    assert_eq!(rsa.internal_authenticate(&[0; 8], &mut Fixed::new([])), Err(Status::UNKNOWN_ERROR));
    struct Refusing;
    impl Card for Refusing {
        fn transmit(&mut self, _: &Command) -> Result<Response, TransmitError> {
            Ok(Response::status(Status(0x6A88)))
        }
    }
    let refused = request(&mut Refusing, 256, &mut OsRandom);
    assert!(matches!(refused, Err(ActiveAuthError::Refused { status: Status(0x6A88) })));
    let short = Rsa::generate(512).unwrap().private_key_to_der().unwrap();
    assert_eq!(ActivePrivateKey::rsa(&Secret::new(short), Hash::Sha512).err(), Some(ActiveKeyError::Rsa));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_signatures_never_pass(signature in prop::collection::vec(any::<u8>(), 0..140), challenge in any::<[u8; 8]>()) {
        let (public, _) = ec_pair(Curve::P256, Hash::Sha256);
        let key = PKey::public_key_from_der(&vectors().bytes("/iso9796_2_signature/subject_public_key_info")).unwrap();
        let key = ActivePublicKey::rsa(&key.rsa().unwrap().public_key_to_der_pkcs1().unwrap()).unwrap();
        for length in [signature.len(), 64, 128] {
            let mut signature = signature.clone();
            signature.resize(length, 1);
            let answer = Answer { challenge, signature };
            prop_assert!(public.verify(&answer, None).is_err());
            prop_assert!(key.verify(&answer, None).is_err());
        }
    }

    #[test]
    fn hostile_representatives_and_keys_never_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Representative::parse(&bytes);
        let _ = Representative::parse(&[&[0x6A], &bytes[..], &[0xBC]].concat());
        prop_assert!(ActivePublicKey::rsa(&bytes).is_err());
        prop_assert!(ActivePublicKey::ec(Curve::P256, &bytes).is_err());
        prop_assert!(ActivePrivateKey::rsa(&Secret::from(&bytes[..]), Hash::Sha256).is_err());
    }
}

#[test]
fn the_hash_is_announced_in_two_spellings() {
    for hash in Hash::ALL {
        assert_eq!(announced_hash(&announcement(hash)), Some(hash));
    }
    assert_eq!(hex::encode(announcement(Hash::Sha256)), "04007f00070101040103");
    let x962 = |text: &str| announced_hash(&hex::decode(text).unwrap());
    assert_eq!(x962("2a8648ce3d0401"), Some(Hash::Sha1));
    assert_eq!(x962("2a8648ce3d040302"), Some(Hash::Sha256));
    assert_eq!(x962("2a8648ce3d040304"), Some(Hash::Sha512));
    for other in ["", "2a8648ce3d040305", "04007f00070101040106", "04007f0007010104010301"] {
        assert_eq!(x962(other), None, "{other}");
    }
}
