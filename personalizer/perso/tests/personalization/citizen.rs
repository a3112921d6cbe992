use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use channel::secret::Secret;
use eid::authentication::{Template, sign};
use eid::certificate::Container;
use eid::keys::{Algorithm, KeyReference};
use eid::objects::{CARD_HOLDER_UNIQUE_IDENTIFIER, STATUS_HINT};
use eid::pin::{Pin, Puk, change_pin, reset, verify};
use iso7816::{Card, Chained, Command, Limits, Status};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::{X509, X509Builder, X509NameBuilder, X509Req};
use perso::citizen::{CertificateError, CertificateHolder, CitizenCa, Citizens, PinLetter, PinLetters};
use perso::execute::{Failure, Outcome, Reason, Unusable, personalize};
use perso::ledger::{DocumentRecord, Event, Ledger, Reading, State};
use perso::profile::Profile;
use perso::recover::{RecoverError, Recovered, Wish, recover};
use soft_card::BlankOptions;
use soft_card::fault::{Tear, When};

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

    fn certify(&self, request: &X509Req, holder: &CertificateHolder) -> Vec<u8> {
        let mut builder = X509Builder::new().unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("SN", &holder.surname).unwrap();
        name.append_entry_by_text("serialNumber", &holder.number).unwrap();
        let (name, serial) = (name.build(), BigNum::from_u32(1000 + self.issued.len() as u32).unwrap());
        builder.set_version(2).unwrap();
        builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_pubkey(&request.public_key().unwrap()).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(365).unwrap()).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        builder.build().to_der().unwrap()
    }
}

impl CitizenCa for QuickCa {
    fn issue(
        &mut self,
        request: &[u8],
        _: KeyReference,
        holder: &CertificateHolder,
    ) -> Result<Vec<u8>, CertificateError> {
        let parsed = X509Req::from_der(request).unwrap();
        let key = parsed.public_key().unwrap();
        assert!(parsed.verify(&key).unwrap(), "the card did not prove its key");
        let failure = self.failures.pop();
        if failure == Some(false) {
            return Err(CertificateError::Failed("the CA is away".into()));
        }
        let public = trust::PublicKey::from_spki(&key.public_key_to_der().unwrap()).unwrap();
        let der = self.certify(&parsed, holder);
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
}

/// A small profile with the citizen application.
pub fn citizen_profile() -> Profile {
    let source =
        "extends = \"specimen-uto-eid\"\nname = \"small\"\n[portrait]\nwidth = 100\nheight = 128\nmax_bytes = 3000\n";
    Profile::parse("small", source).unwrap()
}

/// A blank with the citizen application.
fn citizen_slot(serial: u8) -> Slot {
    Slot::with(BlankOptions { serial: Some([serial; 6]), eid: true, ..BlankOptions::default() })
}

/// A line's helpers, and its ledger on the disk.
struct Desk {
    folder: tempfile::TempDir,
    ca: QuickCa,
    letters: Letters,
    profile: Profile,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Desk { folder, ca: QuickCa::new(), letters: Letters::default(), profile: citizen_profile() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("ledger.jsonl")
    }

    fn make(&mut self, slot: &Slot) -> Result<Outcome, Failure> {
        let mut ledger = Ledger::open(&self.path()).unwrap();
        let order = &centre().orders[0];
        let face = face(order, &self.profile);
        let citizens = Citizens { ca: &mut self.ca, letters: &mut self.letters };
        with_citizen_line(slot, &self.profile, &mut ledger, None, citizens, |line| personalize(line, job(order, &face)))
    }

    fn recover(&mut self, slot: &Slot) -> Result<Recovered, RecoverError> {
        let mut ledger = Ledger::open(&self.path()).unwrap();
        let order = &centre().orders[0];
        let face = face(order, &self.profile);
        let citizens = Citizens { ca: &mut self.ca, letters: &mut self.letters };
        with_citizen_line(slot, &self.profile, &mut ledger, None, citizens, |line| {
            recover(line, &|_| Some(job(order, &face)), Wish::Finish)
        })
    }

    /// Puts the card back until it is finished or rejected; then everything must fit together.
    fn settle(&mut self, slot: &Slot, at: &str) {
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

    fn record(&self) -> DocumentRecord {
        let reading = Reading::of(&self.path()).unwrap();
        reading.book.document(&centre().orders[0].document_number).unwrap().clone()
    }

    /// Every certificate that the CA issued is on the card or named for revocation, and a finished card is its holder's.
    fn check(&self, slot: &Slot, at: &str) {
        let record = self.record();
        let revoked: BTreeSet<_> = record.to_revoke().map(|old| old.key_identifier.clone()).collect();
        let in_force: BTreeSet<_> = record.in_force().map(|here| here.key_identifier.clone()).collect();
        let unnamed = self.ca.issued.keys().find(|issued| !revoked.contains(*issued) && !in_force.contains(*issued));
        assert_eq!(unnamed, None, "{at}: a certificate that nobody knows of");
        for named in record.in_force().chain(record.to_revoke()).filter(|named| named.serial.is_some()) {
            assert_eq!(named.serial.as_ref(), self.ca.issued.get(&named.key_identifier).map(|(serial, _)| serial));
        }
        match record.state {
            State::QaPassed => {
                assert!(record.sealed, "{at}");
                assert_eq!(in_force.len(), 2, "{at}");
                self.hand_over(slot, &in_force);
            }
            State::QaRejected => assert_eq!(in_force.len(), 0, "{at}"),
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
        for key in [KeyReference::Authentication, KeyReference::Signature] {
            let object = must(&key.certificate().get());
            let content = key.certificate().decode(&object).unwrap();
            let der = Container::parse(content).unwrap().der().unwrap();
            let certificate = X509::from_der(der).unwrap();
            let identifier = hex::encode(trust::Certificate::from_der(der).unwrap().public_key().key_identifier());
            assert!(in_force.contains(&identifier));
            must(&verify(&own));
            let answer = must(&sign(key, Algorithm::P256, &[7; 32]));
            let signature = EcdsaSig::from_der(Template::parse(&answer).unwrap().response.unwrap()).unwrap();
            assert!(signature.verify(&[7; 32], &certificate.public_key().unwrap().ec_key().unwrap()).unwrap());
        }
        must(&CARD_HOLDER_UNIQUE_IDENTIFIER.get());
        must(&reset(&Puk::parse(puk.expose()).unwrap(), &own));
        must(&Command::new(0x00, 0xA4, 0x04, 0x00).with_data(eid::NATIONAL_AID).with_ne(256));
        must(&STATUS_HINT.get());
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
    assert_eq!((desk.ca.issued.len(), desk.record().to_revoke().count()), (2, 0));
    // Whatever is asked again, the letter stays that of the card.
    assert!(matches!(desk.recover(&slot), Ok(Recovered::Now(Outcome::Finished(_)))));
    desk.check(&slot, "read back again");
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

#[test]
fn a_certificate_whose_key_was_lost_is_named_for_revocation() {
    for issued in [false, true] {
        let (mut desk, slot) = (Desk::new(), citizen_slot(3));
        desk.ca.failures = vec![issued];
        assert!(matches!(desk.make(&slot), Err(Failure::Interrupted { .. })));
        desk.settle(&slot, "the CA failed");
        let lost: Vec<_> = desk.record().to_revoke().map(|old| old.serial.clone()).collect();
        assert_eq!((lost, desk.record().state), (vec![None], State::QaPassed));
        assert_eq!(desk.ca.issued.len(), 2 + usize::from(issued));
    }
}

#[test]
fn a_certificate_that_is_not_the_one_issued_rejects_the_card_and_is_revoked() {
    let (mut desk, slot) = (Desk::new(), citizen_slot(4));
    finished(desk.make(&slot));
    let mut state = slot.card.borrow().state().clone();
    let tag = KeyReference::Signature.certificate().tag.0;
    *state.eid.as_mut().unwrap().objects.get_mut(&tag).unwrap().last_mut().unwrap() ^= 1;
    let Ok(Recovered::Now(Outcome::Rejected(rejected))) = desk.recover(&Slot::holding(&state)) else {
        panic!("not rejected")
    };
    assert!(matches!(rejected.reason, Reason::Differs { .. }), "{}", rejected.reason);
    assert_eq!((desk.record().to_revoke().count(), desk.record().in_force().count()), (2, 0));
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

/// Pulls the card at one command; false when there are fewer.
fn torn_at(at: u64, when: When) -> bool {
    let (mut desk, slot) = (Desk::new(), citizen_slot(9));
    slot.card.borrow_mut().tear(Tear { at, when });
    match desk.make(&slot) {
        Ok(Outcome::Finished(_)) => return false,
        Ok(Outcome::Rejected(rejected)) => panic!("torn at {at}, rejected at once: {}", rejected.reason),
        Err(Failure::Interrupted { .. } | Failure::Unusable(_)) => {}
        Err(error) => panic!("torn at {at}: {error}"),
    }
    desk.settle(&slot, &format!("torn at {at}"));
    true
}

/// The commands around the citizen application, and some of the others: those are pulled elsewhere.
fn moments() -> impl Iterator<Item = u64> {
    let (mut desk, slot) = (Desk::new(), citizen_slot(9));
    finished(desk.make(&slot));
    let count = slot.card.borrow().commands();
    (8..count).filter(move |at| *at < 36 || at % 16 == 0 || *at + 26 > count)
}

#[test]
fn pulled_before_any_command_no_certificate_is_forgotten() {
    moments().for_each(|at| assert!(torn_at(at, When::Before)));
}

#[test]
fn pulled_after_any_command_no_certificate_is_forgotten() {
    moments().for_each(|at| assert!(torn_at(at, When::After)));
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
