use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use channel::scp03::KeySet;
use channel::secret::Secret;
use eid::Application;
use eid::authentication::{Template, agree, sign};
use eid::certificate::Container;
use eid::keys::KeyReference;
use eid::objects::{CARD_HOLDER_UNIQUE_IDENTIFIER, RESIDENCE, STATUS_HINT};
use eid::pin::{Pin, Puk, change_pin, reset, verify};
use eid::residence::SignedResidence;
use iso7816::{Card, Chained, Command, Limits, Status};
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, BigNumContext};
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::rsa::Padding;
use openssl::x509::{X509, X509Builder, X509NameBuilder, X509Req};
use perso::citizen::{
    CertificateError, CertificateHolder, CitizenCa, Citizens, KeptLetter, KeyProof, PinLetter, PinLetters,
};
use perso::execute::{Failure, Outcome, Reason, Unusable, personalize};
use perso::ledger::{DocumentRecord, Event, Ledger, Reading, State};
use perso::profile::Profile;
use perso::recover::{RecoverError, Recovered, Wish, recover};
use soft_card::BlankOptions;
use soft_card::emrtd::ApplicationLife;

use crate::bench::*;

/// A CA that is quick, and remembers what it issued.
pub struct QuickCa {
    key: PKey<Private>,
    /// By key identifier: serial number and certificate.
    issued: BTreeMap<String, (String, Vec<u8>)>,
    /// Fails so often: true after it issued, false before.
    failures: Vec<bool>,
}

impl QuickCa {
    pub fn new() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        QuickCa { key, issued: BTreeMap::new(), failures: Vec::new() }
    }

    fn certify(&self, key: &PKey<Public>, holder: &CertificateHolder) -> Vec<u8> {
        let mut builder = X509Builder::new().unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("SN", &holder.surname).unwrap();
        name.append_entry_by_text("serialNumber", &holder.number).unwrap();
        let (name, serial) = (name.build(), BigNum::from_u32(1000 + self.issued.len() as u32).unwrap());
        builder.set_version(2).unwrap();
        builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_pubkey(key).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(365).unwrap()).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        builder.build().to_der().unwrap()
    }
}

impl CitizenCa for QuickCa {
    fn issue(
        &mut self,
        proof: &KeyProof,
        reference: KeyReference,
        holder: &CertificateHolder,
    ) -> Result<Vec<u8>, CertificateError> {
        let key = match proof {
            KeyProof::Request(request) => {
                let parsed = X509Req::from_der(request).unwrap();
                let key = parsed.public_key().unwrap();
                assert!(parsed.verify(&key).unwrap(), "the card did not prove its key");
                key
            }
            KeyProof::Agreed(spki) => {
                assert_eq!(reference, KeyReference::KeyManagement, "a key that signs must sign");
                PKey::public_key_from_der(spki).unwrap()
            }
        };
        let failure = self.failures.pop();
        if failure == Some(false) {
            return Err(CertificateError::Failed("the CA is away".into()));
        }
        let public = trust::PublicKey::from_spki(&key.public_key_to_der().unwrap()).unwrap();
        let der = self.certify(&key, holder);
        let serial = hex::encode(trust::Certificate::from_der(&der).unwrap().serial());
        let der = self.issued.entry(hex::encode(public.key_identifier())).or_insert((serial, der)).1.clone();
        match failure {
            Some(_) => Err(CertificateError::Failed("the answer was lost".into())),
            None => Ok(der),
        }
    }
}

/// The letters, as last kept.
#[derive(Default)]
pub struct Letters(pub BTreeMap<String, (Secret, Secret)>);

impl PinLetters for Letters {
    fn keep(&mut self, letter: &PinLetter<'_>) -> Result<(), CertificateError> {
        self.0.insert(letter.document.to_owned(), (letter.pin.clone(), letter.puk.clone()));
        Ok(())
    }

    fn recall(&mut self, document: &str) -> Result<Option<KeptLetter>, CertificateError> {
        Ok(self.0.get(document).map(|(pin, puk)| KeptLetter { pin: pin.clone(), puk: puk.clone() }))
    }
}

/// A small profile with the citizen application.
pub fn citizen_profile() -> Profile {
    let source =
        "extends = \"specimen-uto-eid\"\nname = \"small\"\n[portrait]\nwidth = 100\nheight = 128\nmax_bytes = 3000\n";
    Profile::parse("small", source).unwrap()
}

/// A blank with the citizen application.
pub fn citizen_slot(serial: u8) -> Slot {
    Slot::with(BlankOptions { serial: Some([serial; 6]), eid: true, ..BlankOptions::default() })
}

/// A line's helpers, and its ledger on the disk.
pub struct Desk {
    folder: tempfile::TempDir,
    ca: QuickCa,
    letters: Letters,
    profile: Profile,
    /// The issuer's keys, where the line changes them.
    issuer: Option<KeySet>,
}

impl Desk {
    pub fn new() -> Self {
        Desk::with(citizen_profile(), None)
    }

    pub fn with(profile: Profile, issuer: Option<KeySet>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Desk { folder, ca: QuickCa::new(), letters: Letters::default(), profile, issuer }
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("ledger.jsonl")
    }

    pub fn make(&mut self, slot: &Slot) -> Result<Outcome, Failure> {
        let mut ledger = Ledger::open(&self.path()).unwrap();
        let order = &centre().orders[0];
        let face = face(order, &self.profile);
        let citizens = Citizens { ca: &mut self.ca, letters: &mut self.letters };
        let rotation = self.issuer.as_ref().map(rotation);
        with_citizen_line(slot, &self.profile, &mut ledger, rotation, citizens, |line| {
            personalize(line, job(order, &face))
        })
    }

    pub fn recover(&mut self, slot: &Slot) -> Result<Recovered, RecoverError> {
        let mut ledger = Ledger::open(&self.path()).unwrap();
        let order = &centre().orders[0];
        let face = face(order, &self.profile);
        let citizens = Citizens { ca: &mut self.ca, letters: &mut self.letters };
        let rotation = self.issuer.as_ref().map(rotation);
        with_citizen_line(slot, &self.profile, &mut ledger, rotation, citizens, |line| {
            recover(line, &|_| Some(job(order, &face)), Wish::Finish)
        })
    }

    /// Puts the card back until it is finished or rejected; then everything must fit together.
    pub fn settle(&mut self, slot: &Slot, at: &str) {
        for _ in 0..4 {
            match self.recover(slot) {
                Ok(Recovered::Now(_) | Recovered::Complete { .. }) => break,
                Ok(Recovered::Nothing { .. }) => match self.make(slot) {
                    Ok(_) => break,
                    Err(Failure::Interrupted { .. } | Failure::Unusable(_)) => {}
                    Err(error) => panic!("{at}: {error}"),
                },
                Ok(Recovered::Foreign { .. }) => panic!("{at}: the ledger does not know its own chip"),
                Err(RecoverError::Failure(Failure::Interrupted { .. } | Failure::Unusable(_))) => {}
                Err(error) => panic!("{at}: {error}"),
            }
        }
        self.check(slot, at);
    }

    pub fn record(&self) -> DocumentRecord {
        let reading = Reading::of(&self.path()).unwrap();
        reading.book.document(&centre().orders[0].document_number).unwrap().clone()
    }

    /// Every certificate that the CA issued is on the card or named for revocation, and a finished card is its holder's.
    pub fn check(&self, slot: &Slot, at: &str) {
        let record = self.record();
        let revoked: BTreeSet<_> = record.to_revoke().map(|old| old.key_identifier.clone()).collect();
        let in_force: BTreeSet<_> = record.in_force().map(|here| here.key_identifier.clone()).collect();
        let unnamed = self.ca.issued.keys().find(|issued| !revoked.contains(*issued) && !in_force.contains(*issued));
        assert_eq!(unnamed, None, "{at}: a certificate that nobody knows of");
        for named in record.in_force().chain(record.to_revoke()).filter(|named| named.serial.is_some()) {
            assert_eq!(named.serial.as_ref(), self.ca.issued.get(&named.key_identifier).map(|(serial, _)| serial));
        }
        let card = slot.card.borrow().state().clone();
        let citizen = card.eid.as_ref().unwrap();
        let lives = [Application::Piv, Application::National].map(|application| citizen.life(application));
        match record.state {
            State::QaPassed => {
                assert!(record.sealed, "{at}");
                assert_eq!(in_force.len(), self.profile.eid.as_ref().unwrap().keys().len(), "{at}");
                assert_eq!(lives, [ApplicationLife::Personalized; 2], "{at}");
                let versions: Vec<u8> = card.issuer_domain.keys.keys().copied().collect();
                assert_eq!(versions, [if self.issuer.is_some() { ISSUER_VERSION } else { 0x30 }], "{at}");
                self.hand_over(slot, &in_force);
            }
            State::QaRejected => {
                assert_eq!(in_force.len(), 0, "{at}");
                assert_eq!((lives, card.emrtd.life_cycle), ([ApplicationLife::Locked; 2], ApplicationLife::Locked));
            }
            other => panic!("{at}: the ledger says {other:?}"),
        }
    }

    /// What the holder does with a copy of the card and the letter.
    fn hand_over(&self, slot: &Slot, in_force: &BTreeSet<String>) {
        let (pin, puk) = &self.letters.0[&centre().orders[0].document_number];
        let (transport, own) = (Pin::from_digits(pin.expose()).unwrap(), Pin::from_digits(b"27182818").unwrap());
        let mut card = Chained::new(Slot::holding(slot.card.borrow().state()), Limits::SHORT);
        let mut must = |command: &Command| {
            let answer = card.transmit(command).unwrap();
            assert_eq!(answer.status, Status::OK, "{:02X}", command.ins);
            answer.data
        };
        must(&Command::new(0x00, 0xA4, 0x04, 0x00).with_data(eid::PIV_AID).with_ne(256));
        must(&change_pin(&transport, &own));
        for (key, algorithm) in self.profile.eid.as_ref().unwrap().keys() {
            let object = must(&key.certificate().get());
            let content = key.certificate().decode(&object).unwrap();
            let der = Container::parse(content).unwrap().der().unwrap();
            let certificate = X509::from_der(der).unwrap();
            let identifier = hex::encode(trust::Certificate::from_der(der).unwrap().public_key().key_identifier());
            assert!(in_force.contains(&identifier));
            must(&verify(&own));
            let public = certificate.public_key().unwrap();
            let mut used = |command: &Command| Template::parse(&must(command)).unwrap().response.unwrap().to_vec();
            if algorithm.is_rsa() {
                let mut block = vec![7; algorithm.width()];
                block[0] = 0;
                let (signature, mut recovered) = (used(&sign(key, algorithm, &block)), vec![0; algorithm.width()]);
                public.rsa().unwrap().public_decrypt(&signature, &mut recovered, Padding::NONE).unwrap();
                assert_eq!(recovered, block);
            } else if key == KeyReference::KeyManagement {
                let card_key = public.ec_key().unwrap();
                let group = card_key.group();
                let sender = EcKey::generate(group).unwrap();
                let mut context = BigNumContext::new().unwrap();
                let form = PointConversionForm::UNCOMPRESSED;
                let point = sender.public_key().to_bytes(group, form, &mut context).unwrap();
                let sender = PKey::from_ec_key(sender).unwrap();
                let mut deriver = Deriver::new(&sender).unwrap();
                deriver.set_peer(&public).unwrap();
                assert_eq!(used(&agree(key, algorithm, &point)), deriver.derive_to_vec().unwrap());
            } else {
                let signature = EcdsaSig::from_der(&used(&sign(key, algorithm, &[7; 32]))).unwrap();
                assert!(signature.verify(&[7; 32], &public.ec_key().unwrap()).unwrap());
            }
        }
        must(&CARD_HOLDER_UNIQUE_IDENTIFIER.get());
        must(&reset(&Puk::parse(puk.expose()).unwrap(), &own));
        must(&Command::new(0x00, 0xA4, 0x04, 0x00).with_data(eid::NATIONAL_AID).with_ne(256));
        must(&STATUS_HINT.get());
        must(&verify(&own));
        let residence = must(&RESIDENCE.get());
        let signed = SignedResidence::parse(RESIDENCE.decode(&residence).unwrap()).unwrap();
        let (order, entry) = (&centre().orders[0], signed.residence().unwrap());
        assert_eq!((entry.national_number, entry.address.house), (order.national_number.clone(), "7".to_owned()));
        let mut cms = CmsContentInfo::from_der(signed.signature).unwrap();
        let options = CMSOptions::BINARY | CMSOptions::NO_SIGNER_CERT_VERIFY;
        cms.verify(None, None, Some(signed.record), None, options).unwrap();
        assert!(cms.verify(None, None, Some(&[signed.record, b" "].concat()), None, options).is_err());
    }
}

fn finished(outcome: Result<Outcome, Failure>) {
    match outcome {
        Ok(Outcome::Finished(_)) => {}
        Ok(Outcome::Rejected(rejected)) => panic!("{}", rejected.reason),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_card_with_the_citizen_application_is_its_holder_s() {
    let (mut desk, slot) = (Desk::new(), citizen_slot(1));
    finished(desk.make(&slot));
    desk.check(&slot, "never torn");
    assert_eq!((desk.ca.issued.len(), desk.record().to_revoke().count()), (3, 0));
    // Whatever is asked again, the letter stays that of the card.
    assert!(matches!(desk.recover(&slot), Ok(Recovered::Now(Outcome::Finished(_)))));
    desk.check(&slot, "read back again");
}

#[test]
fn keys_are_of_the_algorithms_that_the_profile_names() {
    for algorithms in [
        "{ authentication = \"P-384\", signature = \"RSA-2048\", key-management = \"P-384\" }",
        "{ authentication = \"RSA-2048\", key-management = \"RSA-2048\" }",
    ] {
        let source = format!(
            "extends = \"specimen-uto-eid\"\nname = \"small\"\n[portrait]\nwidth = 100\nheight = 128\n\
             max_bytes = 3000\n[eid]\nalgorithms = {algorithms}\n"
        );
        let (mut desk, slot) = (Desk::with(Profile::parse("small", &source).unwrap(), None), citizen_slot(1));
        finished(desk.make(&slot));
        desk.check(&slot, algorithms);
    }
}

#[test]
fn a_blank_without_the_application_is_left_alone() {
    let (mut desk, slot) = (Desk::new(), Slot::new(2));
    let made = desk.make(&slot);
    assert!(matches!(made, Err(Failure::Unusable(Unusable::NoCitizenApplication))));
    assert_eq!((desk.record().state, desk.record().chip), (State::Ordered, None));
    let mut ledger = Ledger::open(&desk.path()).unwrap();
    let order = &centre().orders[1];
    let face = face(order, &desk.profile);
    let without = with_line(&slot, &desk.profile, &mut ledger, &keys(), |line| personalize(line, job(order, &face)));
    assert!(matches!(without, Err(Failure::NoCitizenCa)));
}

/// A line without the citizen application knows of no letter: it must not reject a card that has one.
#[test]
fn a_card_with_a_letter_is_rejected_only_where_its_letter_can_be_withdrawn() {
    let (mut desk, slot) = (Desk::new(), citizen_slot(2));
    finished(desk.make(&slot));
    let order = &centre().orders[0];
    let number = order.document_number.clone();
    let mut ledger = Ledger::open(&desk.path()).unwrap();
    for wish in [Wish::Reject { document: None }, Wish::Reject { document: Some(&number) }] {
        let refused = with_line(&slot, &small_profile(), &mut ledger, &keys(), |line| recover(line, &|_| None, wish));
        assert!(matches!(refused, Err(RecoverError::Failure(Failure::NoCitizenCa))));
    }
    assert_eq!(desk.record().state, State::QaPassed);
    let citizens = Citizens { ca: &mut desk.ca, letters: &mut desk.letters };
    let rejected = with_citizen_line(&slot, &desk.profile, &mut ledger, None, citizens, |line| {
        recover(line, &|_| None, Wish::Reject { document: None })
    });
    assert!(matches!(rejected, Ok(Recovered::Now(Outcome::Rejected(_)))));
}

#[test]
fn a_certificate_whose_key_was_lost_is_named_for_revocation() {
    for issued in [false, true] {
        let (mut desk, slot) = (Desk::new(), citizen_slot(3));
        desk.ca.failures = vec![issued];
        assert!(matches!(desk.make(&slot), Err(Failure::Certificates { .. })));
        desk.settle(&slot, "the CA failed");
        let lost: Vec<_> = desk.record().to_revoke().map(|old| old.serial.clone()).collect();
        assert_eq!((lost, desk.record().state), (vec![None], State::QaPassed));
        assert_eq!(desk.ca.issued.len(), 3 + usize::from(issued));
    }
}

#[test]
fn a_certificate_that_is_not_the_one_issued_rejects_the_card_and_is_revoked() {
    let (mut desk, slot) = (Desk::new(), citizen_slot(4));
    finished(desk.make(&slot));
    let mut state = slot.card.borrow().state().clone();
    let tag = KeyReference::Signature.certificate().tag.0;
    *state.eid.as_mut().unwrap().objects.get_mut(&tag).unwrap().last_mut().unwrap() ^= 1;
    let slot = Slot::holding(&state);
    let Ok(Recovered::Now(Outcome::Rejected(rejected))) = desk.recover(&slot) else { panic!("not rejected") };
    // Nothing of it answers any more.
    for aid in [&eid::PIV_AID[..], &eid::NATIONAL_AID, iso7816::Aid::emrtd().as_bytes()] {
        let select = Command::new(0x00, 0xA4, 0x04, 0x00).with_data(aid).with_ne(256);
        assert_eq!(slot.card.borrow_mut().transmit(&select).unwrap().status, Status::FILE_NOT_FOUND);
    }
    desk.check(&slot, "rejected");
    assert!(matches!(rejected.reason, Reason::Differs { .. }), "{}", rejected.reason);
    assert_eq!((desk.record().to_revoke().count(), desk.record().in_force().count()), (3, 0));
    assert!(rejected.invalidated);
}

#[test]
fn the_ledger_takes_no_second_certificate_for_a_key() {
    let (mut desk, slot) = (Desk::new(), citizen_slot(5));
    finished(desk.make(&slot));
    let record = desk.record();
    let mut ledger = Ledger::open(&desk.path()).unwrap();
    let asked = Event::CertificateAsked {
        document: centre().orders[0].document_number.clone(),
        chip: record.chip.unwrap(),
        key: "9A".to_owned(),
        key_identifier: "00".repeat(20),
    };
    assert!(ledger.append(asked).is_err());
}

#[test]
fn whenever_the_host_dies_no_certificate_is_forgotten() {
    let mut desk = Desk::new();
    let slot = Slot { ledger: Some(desk.path()), ..citizen_slot(8) };
    finished(desk.make(&slot));
    let moments = slot.moments.borrow().clone();
    let issued = desk.ca.issued.clone();
    let restore = |path: &Path, moment: &Moment| {
        std::fs::write(path, &moment.ledger).unwrap();
        std::fs::write(path.with_extension("jsonl.head"), &moment.head).unwrap();
    };
    for (index, moment) in moments.iter().enumerate().step_by(7) {
        restore(&desk.path(), moment);
        // What the CA had issued by then, the ledger of that moment knows.
        let reading = Reading::of(&desk.path()).unwrap();
        let known = |identifier: &String| {
            let mut certificates = reading.book.documents().flat_map(|(_, record)| &record.certificates);
            certificates.any(|certificate| certificate.key_identifier == *identifier)
        };
        desk.ca.issued =
            issued.iter().filter(|(identifier, _)| known(identifier)).map(|(a, b)| (a.clone(), b.clone())).collect();
        desk.settle(&Slot::holding(&moment.card), &format!("moment {index}"));
    }
}
