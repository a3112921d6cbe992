//! Chip Authentication with the keys that DG14 can hold: over curves and in prime fields, several, and named in several ways.

use channel::chip_auth::{ChipAuthSuite, ChipKey as Key, KeyAgreement};
use channel::secret::Secret;
use channel::suite::{Cipher, Curve, Group, ModpGroup};
use inspection::evidence::{ChipAuthenticationOutcome as Outcome, Evidence};
use inspection::{Options, Verdict, inspect};
use lds::dg::dg14::Dg14;
use lds::security_infos::{PublicKeyInfo, SecurityInfo, SecurityInfos};
use openssl::bn::BigNum;
use openssl::dh::Dh;
use openssl::pkey::PKey;
use soft_card::emrtd::ChipKey;
use soft_card::{SoftCard, State, forge};

use crate::issuer::{Document, Issuer};
use crate::{judged, result, today, with_can};

const SMALL: Group = Group::Modp(ModpGroup::Modp1024Order160);
const LARGE: Group = Group::Modp(ModpGroup::Modp2048Order256);

/// How a key names its group.
#[derive(Clone, Copy, Debug)]
enum Named {
    /// By the number of the standardized domain parameters.
    Number,
    /// Spelled out as PKCS#3 or X9.42 have it; written by OpenSSL.
    Pkcs3,
    X942,
}

fn parameters(group: ModpGroup) -> Dh<openssl::pkey::Params> {
    match group {
        ModpGroup::Modp1024Order160 => Dh::get_1024_160().unwrap(),
        ModpGroup::Modp2048Order224 => Dh::get_2048_224().unwrap(),
        ModpGroup::Modp2048Order256 => Dh::get_2048_256().unwrap(),
    }
}

/// A key, and what DG14 says of it.
fn key(group: impl Into<Group>, key_id: Option<u8>, named: Named) -> (ChipKey, SecurityInfo) {
    let group = group.into();
    let mut private = vec![0x5A; group.private_length()];
    private[0] = key_id.unwrap_or(1);
    let key_id = key_id.map(|id| vec![id]);
    let key = Key { key_id: key_id.clone(), group, private: Secret::new(private.clone()) };
    let octets = key.public_key().unwrap().octets;
    let public = match (named, group) {
        (Named::Number, _) | (_, Group::Curve(_)) => PublicKeyInfo::standardized(group.parameter_id(), &octets),
        (_, Group::Modp(modp)) => {
            let known = parameters(modp);
            let (p, g) = (known.prime_p().to_owned().unwrap(), known.generator().to_owned().unwrap());
            let q = matches!(named, Named::X942).then(|| known.prime_q().unwrap().to_owned().unwrap());
            let (public, private) = (BigNum::from_slice(&octets).unwrap(), BigNum::from_slice(&private).unwrap());
            let dh = Dh::from_pqg(p, q, g).unwrap().set_key(public, private).unwrap();
            let key = if matches!(named, Named::X942) { PKey::from_dhx(dh) } else { PKey::from_dh(dh) };
            PublicKeyInfo::from_der(&key.unwrap().public_key_to_der().unwrap()).unwrap()
        }
    };
    assert_eq!(public.parameter_id, Some(group.parameter_id()), "{named:?}");
    assert_eq!(public.element(), octets);
    let info = SecurityInfo::chip_authentication_public_key(public, key_id.as_deref());
    (ChipKey { parameter_id: group.parameter_id(), key_id, private: key.private }, info)
}

fn protocol(agreement: KeyAgreement, cipher: Cipher, key_id: Option<u8>) -> SecurityInfo {
    let key_id = key_id.map(|id| vec![id]);
    SecurityInfo::chip_authentication(&ChipAuthSuite { agreement, cipher }.oid(), key_id.as_deref())
}

/// A card with these keys, whose DG14 holds these entries beside PACE.
fn state(issuer: &Issuer, keys: Vec<ChipKey>, infos: Vec<SecurityInfo>) -> State {
    let specimen = Document::specimen();
    let infos = SecurityInfos::new([specimen.pace.clone(), infos].concat());
    let document = Document { extra: [(14, Dg14::new(infos).to_bytes())].into(), ..specimen };
    let mut state = issuer.state(&document);
    let mut keys = keys.into_iter();
    state.emrtd.chip_key = keys.next();
    state.emrtd.further_chip_keys = keys.collect();
    state
}

fn seen(state: &State) -> Evidence {
    let options = Options { extended_length: true, ..Options::new(today()) };
    inspect(&mut SoftCard::from_state(state), &with_can(), &options, &mut channel::random::OsRandom, &mut |_| {})
}

#[test]
fn keys_in_prime_fields_are_used_however_they_name_their_field() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    for (group, named, cipher) in [
        (SMALL, Named::Number, Cipher::Aes128),
        (SMALL, Named::Pkcs3, Cipher::TripleDes),
        (SMALL, Named::X942, Cipher::Aes256),
        (LARGE, Named::Number, Cipher::TripleDes),
        (LARGE, Named::Pkcs3, Cipher::Aes192),
        (Group::Modp(ModpGroup::Modp2048Order224), Named::X942, Cipher::Aes128),
    ] {
        let (private, public) = key(group, None, named);
        let card = state(&issuer, vec![private], vec![protocol(KeyAgreement::Dh, cipher, None), public]);
        let evidence = seen(&card);
        let proof = evidence.chip_authentication.as_ref().unwrap();
        assert_eq!(proof.outcome, Outcome::Proved, "{named:?} {cipher:?}");
        assert!(proof.detail.starts_with("DH, MODP "), "{}", proof.detail);
        let report = judged(&evidence, &store);
        assert_eq!(report.verdict, Verdict::GenuineValid, "{:#?}", report.complaints().collect::<Vec<_>>());

        let copy = judged(&seen(&forge::new_chip_key(&card).unwrap()), &store);
        assert_eq!((copy.verdict, result(&copy, "chip-authentication")), (Verdict::CloneSuspect, "failed"));
    }
}

#[test]
fn a_key_without_chip_authentication_info_stands_for_3des() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    for (group, detail) in [(SMALL, "DH, MODP 1024/160, 3DES"), (Curve::P256.into(), "ECDH, P-256, 3DES")] {
        let (private, public) = key(group, None, Named::Number);
        let evidence = seen(&state(&issuer, vec![private], vec![public]));
        let proof = evidence.chip_authentication.as_ref().unwrap();
        assert_eq!((&proof.outcome, proof.detail.as_str()), (&Outcome::Proved, detail));
        assert_eq!(judged(&evidence, &store).verdict, Verdict::GenuineValid);
    }
}

#[test]
fn of_several_keys_the_one_with_the_longest_session_key_is_used() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    let (first, first_info) = key(Curve::P256, Some(1), Named::Number);
    let (second, second_info) = key(SMALL, Some(2), Named::Pkcs3);
    let (third, third_info) = key(Curve::BrainpoolP384r1, Some(3), Named::Number);
    let keys = vec![first, second, third];
    let infos = |best: u8| {
        let cipher = |id| if id == best { Cipher::Aes256 } else { Cipher::Aes128 };
        vec![
            protocol(KeyAgreement::Ecdh, cipher(1), Some(1)),
            first_info.clone(),
            protocol(KeyAgreement::Dh, cipher(2), Some(2)),
            second_info.clone(),
            third_info.clone(),
            protocol(KeyAgreement::Ecdh, cipher(3), Some(3)),
        ]
    };
    for (best, group) in [(1, "P-256"), (2, "MODP 1024/160"), (3, "brainpoolP384r1")] {
        let evidence = seen(&state(&issuer, keys.clone(), infos(best)));
        let proof = evidence.chip_authentication.as_ref().unwrap();
        assert_eq!(proof.outcome, Outcome::Proved);
        assert!(proof.detail.contains(group) && proof.detail.ends_with("AES-256"), "{}", proof.detail);
        assert_eq!(judged(&evidence, &store).verdict, Verdict::GenuineValid);
    }
}

#[test]
fn a_lone_key_that_is_named_in_one_place_only_is_used() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    for (of_key, of_protocol) in [(Some(7), None), (None, Some(7))] {
        let (private, public) = key(Curve::P256, of_key, Named::Number);
        let infos = vec![protocol(KeyAgreement::Ecdh, Cipher::Aes128, of_protocol), public];
        let evidence = seen(&state(&issuer, vec![private], infos));
        assert_eq!(evidence.chip_authentication.as_ref().unwrap().outcome, Outcome::Proved);
        assert_eq!(judged(&evidence, &store).verdict, Verdict::GenuineValid);
    }
}

#[test]
fn a_group_or_protocol_that_nobody_knows_accuses_nobody() {
    let mut issuer = Issuer::new("specimen-uto");
    let store = issuer.store(vec![]);
    // A safe prime of RFC 3526 is none of the standardized groups.
    let p = BigNum::get_rfc3526_prime_1536().unwrap();
    let dh = Dh::from_pqg(p, None, BigNum::from_u32(2).unwrap()).unwrap().generate_key().unwrap();
    let unknown = PublicKeyInfo::from_der(&PKey::from_dh(dh).unwrap().public_key_to_der().unwrap()).unwrap();
    assert_eq!(unknown.parameter_id, None);
    let unknown = SecurityInfo::ChipAuthenticationPublicKey {
        oid: lds::security_infos::ID_PK_DH.to_vec(),
        key: unknown,
        key_id: None,
    };
    let (private, public) = key(SMALL, None, Named::Number);
    let mut oid = ChipAuthSuite { agreement: KeyAgreement::Dh, cipher: Cipher::Aes128 }.oid();
    oid[9] = 9;
    let odd = SecurityInfo::chip_authentication(&oid, None);
    for infos in [vec![protocol(KeyAgreement::Dh, Cipher::Aes128, None), unknown], vec![odd, public]] {
        let evidence = seen(&state(&issuer, vec![private.clone()], infos));
        let outcome = &evidence.chip_authentication.as_ref().unwrap().outcome;
        assert!(matches!(outcome, Outcome::Unsupported { .. }), "{outcome:?}");
        let report = judged(&evidence, &store);
        assert_eq!((report.verdict, result(&report, "chip-authentication")), (Verdict::Unreadable, "undetermined"));
    }
}
