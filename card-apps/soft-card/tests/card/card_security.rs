//! EF.CardSecurity, PACE with chip authentication mapping, and keys that a chip has several of.

use channel::active_auth::{self, ActivePublicKey};
use channel::chip_auth::{self, ChipAuthSuite, ChipKey, KeyAgreement};
use channel::pace::{self, LADDER, Mapping, MappingProof, Suite};
use channel::random::OsRandom;
use channel::secret::Secret;
use channel::sm::Secured;
use channel::suite::{Cipher, Curve, Group, ModpGroup};
use channel::{bac, hash::Hash};
use iso7816::tlv::{Tag, encode};
use iso7816::{Aid, Card, Command, Status};
use lds::globalplatform::dgi::{ACTIVE_AUTHENTICATION_KEY, CHIP_AUTHENTICATION_KEY, MAPPING_KEY};
use lds::globalplatform::{ActiveAuthenticationKey, ChipAuthenticationKey, Dgi};
use lds::security_infos::{SecurityInfo, SecurityInfos};
use openssl::rsa::Rsa;
use soft_card::SoftCard;

use crate::support::*;

const CAM: Suite =
    Suite { mapping: Mapping::ChipAuthentication, group: Group::Curve(Curve::BrainpoolP256r1), cipher: Cipher::Aes128 };

fn key(group: impl Into<Group>, byte: u8, key_id: Option<u8>) -> ChipKey {
    let group = group.into();
    let mut private = vec![byte; group.private_length()];
    private[0] = 0x11;
    ChipKey { key_id: key_id.map(|id| vec![id]), group, private: Secret::new(private) }
}

fn grouping(id: u16, key: &ChipKey) -> Dgi {
    let private_key = key.private.expose().to_vec().into();
    let parameter_id = key.group.parameter_id();
    Dgi::new(id, ChipAuthenticationKey { parameter_id, key_id: key.key_id.clone(), private_key }.to_bytes().to_vec())
}

/// The usual document with EF.CardSecurity and chip authentication mapping.
fn document() -> (Document, ChipKey) {
    let mut document = Document::new(100);
    let mapping_key = key(Curve::BrainpoolP256r1, 0x5C, None);
    let infos = vec![SecurityInfo::pace(&CAM.oid(), 13), SecurityInfo::pace(&usual().oid(), 12)];
    document.files[0] = Dgi::new(0x011C, SecurityInfos::new(infos).to_bytes());
    document.files.push(Dgi::new(0x3F1D, encode(Tag(0x30), MARKER)));
    document.secrets.push(grouping(MAPPING_KEY, &mapping_key));
    (document, mapping_key)
}

fn usual() -> Suite {
    Suite { mapping: Mapping::Generic, group: Curve::P256.into(), cipher: Cipher::Aes128 }
}

fn open<'c>(card: &'c mut SoftCard, suite: &Suite) -> (Secured<&'c mut SoftCard>, Option<MappingProof>) {
    let opened = pace::open(card, suite, &can(), LADDER[1], &mut OsRandom).unwrap();
    (Secured::new(opened.session, card), opened.mapping_proof)
}

/// Selects by identifier and reads, or the status word that refuses.
fn file(card: &mut dyn Card, id: u16) -> Result<Vec<u8>, Status> {
    let mut ask = |command: Command| {
        let response = card.transmit(&command).unwrap();
        if response.status.is_ok() { Ok(response.data) } else { Err(response.status) }
    };
    ask(Command::new(0x00, 0xA4, 0x02, 0x0C).with_data(id.to_be_bytes()))?;
    ask(Command::new(0x00, 0xB0, 0x00, 0x00).with_ne(256))
}

fn emrtd() -> Command {
    Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(Aid::emrtd().as_bytes())
}

fn master_file() -> Command {
    Command::new(0x00, 0xA4, 0x00, 0x0C).with_data([0x3F, 0x00])
}

#[test]
fn it_is_read_after_pace_at_the_master_file_and_nowhere_else() {
    let (document, _) = document();
    let content = encode(Tag(0x30), MARKER);
    let mut card = personalized(&document);
    assert_eq!(status(&mut card, "00a4020c02011d"), 0x6982);
    assert_eq!(status(&mut card, "00b09d0000"), 0x6982);
    for suite in [usual(), CAM] {
        card.reset();
        let (mut secured, _) = open(&mut card, &suite);
        assert_eq!(file(&mut secured, 0x011D).unwrap(), content);
        let short = secured.transmit(&Command::new(0x00, 0xB0, 0x9D, 0x00).with_ne(256)).unwrap();
        assert_eq!(short.data, content);
        // In the application the same identifier is EF.SOD's.
        must(&mut secured, &emrtd()).unwrap();
        assert_eq!(file(&mut secured, 0x011D).unwrap(), document.file(0x011D));
        must(&mut secured, &master_file()).unwrap();
        assert_eq!(file(&mut secured, 0x011D).unwrap(), content);
    }
    // A session of Basic Access Control does not open it.
    card.reset();
    must(&mut card, &emrtd()).unwrap();
    let key = channel::password::MrzKey::from_information(INFORMATION);
    let session = bac::open(&mut card, &key, &mut OsRandom).unwrap();
    let mut secured = Secured::new(session, &mut card);
    must(&mut secured, &master_file()).unwrap();
    assert_eq!(file(&mut secured, 0x011D), Err(Status::SECURITY_NOT_SATISFIED));
    assert_eq!(file(&mut secured, 0x011C).unwrap(), document.file(0x011C));
}

#[test]
fn the_chip_shows_its_mapping_key_and_another_chip_does_not() {
    let (document, mapping_key) = document();
    let mut card = personalized(&document);
    let public = mapping_key.public_key().unwrap();
    let (_, proof) = open(&mut card, &CAM);
    assert!(proof.unwrap().proves(&public).unwrap());
    let mut copy = SoftCard::from_state(&soft_card::forge::new_chip_key(card.state()).unwrap());
    let (_, proof) = open(&mut copy, &CAM);
    assert!(!proof.unwrap().proves(&public).unwrap());
    // Without a key of its own for it, that of Chip Authentication would serve, but lies on another curve.
    let mut state = card.state().clone();
    state.emrtd.mapping_key = None;
    let mut keyless = SoftCard::from_state(&state);
    let refused = pace::open(&mut keyless, &CAM, &can(), LADDER[0], &mut OsRandom).unwrap_err();
    assert!(refused.is_before_the_password(), "{refused}");
}

#[test]
fn several_keys_over_curves_and_numbers_are_told_apart() {
    let mut document = Document::new(100);
    let keys = [
        key(Curve::P384, 0x21, Some(2)),
        key(Group::Modp(ModpGroup::Modp2048Order256), 0x31, Some(3)),
        key(Curve::P256, 0x41, Some(4)),
    ];
    let suites = [
        (KeyAgreement::Ecdh, Cipher::Aes256),
        (KeyAgreement::Dh, Cipher::Aes128),
        (KeyAgreement::Ecdh, Cipher::Aes128),
    ];
    let suites = suites.map(|(agreement, cipher)| ChipAuthSuite { agreement, cipher });
    let infos = suites
        .iter()
        .zip(&keys)
        .map(|(suite, key)| SecurityInfo::chip_authentication(&suite.oid(), key.key_id.as_deref()));
    let dg14 = encode(Tag(0x6E), SecurityInfos::new(infos.collect()).to_bytes());
    document.files.iter_mut().filter(|dgi| dgi.id == 0x010E).for_each(|dgi| *dgi = Dgi::new(0x010E, dg14.clone()));
    document.secrets.retain(|dgi| dgi.id != CHIP_AUTHENTICATION_KEY);
    // The first comes twice: the later one counts.
    document.secrets.push(grouping(CHIP_AUTHENTICATION_KEY, &key(Curve::P384, 0x66, Some(2))));
    document.secrets.extend(keys.iter().map(|key| grouping(CHIP_AUTHENTICATION_KEY, key)));
    let mut card = personalized(&document);
    for (suite, key) in suites.into_iter().zip(&keys) {
        card.reset();
        let session = pace::open(&mut card, &usual(), &can(), LADDER[0], &mut OsRandom).unwrap().session;
        let mut secured = Secured::new(session, &mut card);
        must(&mut secured, &emrtd()).unwrap();
        let public = key.public_key().unwrap();
        let opened = chip_auth::open(&mut secured, &public, key.key_id.as_deref(), suite, &mut OsRandom).unwrap();
        secured.replace(opened.session);
        assert_eq!(file(&mut secured, 0x011E).unwrap(), document.file(0x011E), "{suite:?}");
    }
    let state = card.state().clone();
    assert_eq!(state.emrtd.further_chip_keys.len(), 2);
    let directory = tempfile::tempdir().unwrap();
    state.create(&directory.path().join("card")).unwrap();
    assert_eq!(soft_card::State::load(&directory.path().join("card")).unwrap(), state);
}

#[test]
fn the_key_of_active_authentication_comes_in_a_data_grouping() {
    let rsa = Rsa::generate(1024).unwrap();
    let public = ActivePublicKey::rsa(&rsa.public_key_to_der_pkcs1().unwrap()).unwrap();
    let ec = key(Curve::P256, 0x7A, None);
    let point = ec.public_key().unwrap().octets;
    let ec = ActiveAuthenticationKey::Ec { parameter_id: 12, private_key: ec.private.expose().to_vec().into() };
    for (private, public) in [
        (ActiveAuthenticationKey::Rsa(rsa.private_key_to_der().unwrap().into()), public),
        (ec, ActivePublicKey::ec(Curve::P256, &point).unwrap()),
    ] {
        let mut document = Document::new(100);
        document.secrets.push(Dgi::new(ACTIVE_AUTHENTICATION_KEY, private.to_bytes().to_vec()));
        let mut card = personalized(&document);
        let session = pace::open(&mut card, &usual(), &can(), LADDER[0], &mut OsRandom).unwrap().session;
        let mut secured = Secured::new(session, &mut card);
        must(&mut secured, &emrtd()).unwrap();
        let answer = active_auth::request(&mut secured, 256, &mut OsRandom).unwrap();
        public.verify(&answer, Some(Hash::Sha256)).unwrap();
    }
    // What is no key is refused.
    let mut document = Document::new(100);
    document.secrets.push(Dgi::new(ACTIVE_AUTHENTICATION_KEY, encode(Tag(0x83), [0x30, 0x00])));
    let refused = personalize(&mut blank(), &document, channel::scp03::SecurityLevel::Full, 200).unwrap_err();
    assert!(matches!(refused, Stopped::Refused(0xE2, Status::WRONG_DATA)), "{refused:?}");
}
