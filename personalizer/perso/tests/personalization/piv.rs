//! Cards with PIV programs of others: PivApplet and OpenFIPS201 become a citizen's cards.

use eid::authentication::{Template, sign};
use eid::certificate::Container;
use eid::keys::{Algorithm, KeyReference};
use eid::objects::{CARD_CAPABILITY_CONTAINER, CARD_HOLDER_UNIQUE_IDENTIFIER, SECURITY_OBJECT};
use eid::pin::{Pin, Puk, change_pin, change_puk, reset, verify};
use iso7816::{Card, Chained, Command, Limits, Status};
use openssl::ecdsa::EcdsaSig;
use openssl::x509::X509;
use perso::applet::Condition;
use perso::citizen::Citizens;
use perso::execute::{Failure, Line, Outcome, Reason, Unusable, personalize, rehearse};
use perso::ledger::{Ledger, Reading, State};
use perso::plan::PlanError;
use perso::portrait::Face;
use perso::profile::Profile;
use perso::recover::{RecoverError, Recovered, Wish, recover};
use perso::rotation::Rotation;
use soft_card::BlankOptions;
use soft_card::eid::Applet;
use soft_card::fault::{Tear, When};
use soft_card::persona::{EMBEDDED, Persona};

use crate::bench::*;
use crate::citizen::{Letters, QuickCa};

const BOTH: [&str; 2] = ["pivapplet", "openfips201"];
const SELECT: &[u8] = &[0x00, 0xA4, 0x04, 0x00, 0x09, 0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x00];

fn profile(name: &str, more: &str) -> Profile {
    let small = format!(
        "extends = \"specimen-uto-{name}\"\nname = \"small\"\n[portrait]\nwidth = 100\nheight = 128\nmax_bytes = 3000\n{more}"
    );
    Profile::parse("small", &small).unwrap()
}

fn blank(name: &str, serial: u8) -> Slot {
    let text = EMBEDDED.iter().find(|(known, _)| *known == name).unwrap().1;
    Slot::with(BlankOptions { serial: Some([serial; 6]), ..Persona::parse(text).unwrap().options() })
}

/// A line's helpers, and its ledger on the disk.
struct Desk {
    folder: tempfile::TempDir,
    ca: QuickCa,
    letters: Letters,
    profile: Profile,
}

/// The portrait of the first order: it takes longer to prepare than everything else.
fn portrait(profile: &Profile) -> Face {
    static FACE: std::sync::OnceLock<Face> = std::sync::OnceLock::new();
    FACE.get_or_init(|| face(&centre().orders[0], profile)).clone()
}

impl Desk {
    fn new(name: &str) -> Self {
        Desk::with(profile(name, ""))
    }

    fn with(profile: Profile) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Desk { folder, ca: QuickCa::new(), letters: Letters::default(), profile }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("ledger.jsonl")
    }

    fn work<T>(&mut self, slot: &Slot, work: impl FnOnce(&mut Line<'_>, &Profile) -> T) -> T {
        let mut ledger = Ledger::open(&self.path()).unwrap();
        let citizens = Citizens { ca: &mut self.ca, letters: &mut self.letters };
        let issuer = issuer_keys();
        let rotation = Rotation { from: 0xFF, to: ISSUER_VERSION, keys: &issuer };
        let profile = &self.profile;
        with_citizen_line(slot, profile, &mut ledger, Some(rotation), citizens, |line| work(line, profile))
    }

    fn make(&mut self, slot: &Slot) -> Result<Outcome, Failure> {
        let order = &centre().orders[0];
        self.work(slot, |line, profile| personalize(line, job(order, &portrait(profile))))
    }

    fn recover(&mut self, slot: &Slot, wish: Wish<'_>) -> Result<Recovered, RecoverError> {
        let order = &centre().orders[0];
        self.work(slot, |line, profile| {
            let face = portrait(profile);
            recover(line, &|_| Some(job(order, &face)), wish)
        })
    }

    /// Puts the card back until it is finished or rejected; then ledger, letter and card must fit together.
    fn settle(&mut self, slot: &Slot, at: &str) -> State {
        for _ in 0..4 {
            match self.recover(slot, Wish::Finish) {
                Ok(Recovered::Now(_) | Recovered::Complete { .. }) => break,
                Ok(Recovered::Nothing { .. }) => match self.make(slot) {
                    Ok(_) => break,
                    Err(Failure::Interrupted { .. } | Failure::Unusable(_)) => {}
                    Err(error) => panic!("{at}: {error}"),
                },
                Ok(Recovered::Foreign { .. }) => panic!("{at}: foreign"),
                Err(RecoverError::Failure(Failure::Interrupted { .. } | Failure::Unusable(_))) => {}
                Err(error) => panic!("{at}: {error}"),
            }
        }
        let number = &centre().orders[0].document_number;
        let record = Reading::of(&self.path()).unwrap().book.document(number).unwrap().clone();
        match record.state {
            State::QaPassed => {
                assert!(record.sealed, "{at}");
                assert_eq!(record.in_force().count(), 3, "{at}: 9A, 9C, 9D");
                self.hand_over(slot, at);
            }
            State::QaRejected => assert_eq!(record.in_force().count(), 0, "{at}"),
            other => panic!("{at}: the ledger says {other:?}"),
        }
        record.state
    }

    /// What the holder does with a copy of the card and the letter; and what nobody else can do.
    fn hand_over(&self, slot: &Slot, at: &str) {
        let (pin, puk) = &self.letters.0[&centre().orders[0].document_number];
        let (pin, puk) = (Pin::from_digits(pin.expose()).unwrap(), Puk::parse(puk.expose()).unwrap());
        let state = slot.card.borrow().state().clone();
        let versions: Vec<u8> = state.issuer_domain.keys.keys().copied().collect();
        assert_eq!(versions, [ISSUER_VERSION], "{at}: the keys that the chip came with are gone");
        let copy = Slot::holding(&state);
        let mut card = Chained::new(copy.clone(), Limits::SHORT);
        let mut says = |command: &Command| card.transmit(command).unwrap();
        let select = Command::parse(SELECT).unwrap();
        assert_eq!(says(&select).status, Status::OK, "{at}");
        for object in [&CARD_HOLDER_UNIQUE_IDENTIFIER, &CARD_CAPABILITY_CONTAINER, &SECURITY_OBJECT] {
            assert_eq!(says(&object.get()).status, Status::OK, "{at}: {}", object.name);
        }
        let known = Pin::from_digits(b"123456").unwrap();
        assert_ne!(says(&verify(&known)).status, Status::OK, "{at}: the known PIN");
        let known_puk = Puk::parse(b"12345678").unwrap();
        assert_ne!(says(&change_puk(&known_puk, &known_puk)).status, Status::OK, "{at}: the known PUK");
        let known_key = Template { challenge: Some(&[]), ..Template::default() }.command(0x03, 0x9B);
        let challenge = says(&known_key);
        if let Some(challenge) = Template::parse(&challenge.data).ok().and_then(|template| template.challenge) {
            let key = [1u8, 2, 3, 4, 5, 6, 7, 8].repeat(3);
            let cipher = channel::single_block::BlockCipher::TripleDes;
            let proof = cipher.encipher(&channel::secret::Secret::new(key), challenge).unwrap();
            let answer = Template { response: Some(&proof), ..Template::default() }.command(0x03, 0x9B);
            assert_ne!(says(&answer).status, Status::OK, "{at}: the known management key");
        }
        for key in [KeyReference::Authentication, KeyReference::Signature] {
            let content = says(&key.certificate().get()).data;
            let content = key.certificate().decode(&content).unwrap().to_vec();
            let certificate = X509::from_der(Container::parse(&content).unwrap().der().unwrap()).unwrap();
            assert_eq!(says(&sign(key, Algorithm::P256, &[0xA5; 32])).status, Status::SECURITY_NOT_SATISFIED, "{at}");
            assert_eq!(says(&verify(&pin)).status, Status::OK, "{at}: the letter's PIN");
            let answer = says(&sign(key, Algorithm::P256, &[0xA5; 32]));
            let signature = Template::parse(&answer.data).unwrap().response.unwrap().to_vec();
            let signature = EcdsaSig::from_der(&signature).unwrap();
            let public = certificate.public_key().unwrap().ec_key().unwrap();
            assert!(signature.verify(&[0xA5; 32], &public).unwrap(), "{at}");
            copy.card.borrow_mut().reset();
            assert_eq!(says(&select).status, Status::OK, "{at}");
        }
        let own = Pin::from_digits(b"27182818").unwrap();
        assert_eq!(says(&change_pin(&pin, &own)).status, Status::OK, "{at}");
        assert_eq!(says(&reset(&puk, &own)).status, Status::OK, "{at}: the letter's PUK");
    }
}

#[test]
fn a_card_of_others_becomes_a_citizen_s() {
    for name in BOTH {
        let (slot, mut desk) = (blank(name, 1), Desk::new(name));
        let Outcome::Finished(finished) = desk.make(&slot).unwrap_or_else(|error| panic!("{name}: {error}")) else {
            panic!("{name} was rejected")
        };
        assert!(finished.document.approved().report().is_none(), "no verdict of a travel document");
        assert!(finished.plan.files().is_empty());
        assert_eq!(desk.settle(&slot, name), State::QaPassed);
        // No secret of the holder's stands in the ledger.
        let ledger = std::fs::read_to_string(desk.path()).unwrap();
        let (pin, puk) = desk.letters.0.values().next().unwrap();
        for secret in [pin, puk] {
            assert!(!ledger.contains(std::str::from_utf8(secret.expose()).unwrap()), "{name}");
        }
        // It is nobody else's card any more.
        let mut other = Desk::new(name);
        assert!(matches!(other.make(&slot), Err(Failure::Unusable(_))), "{name}");
    }
}

#[test]
fn each_chip_has_a_management_key_of_its_own() {
    let mut keys = Vec::new();
    for (serial, more) in [(1, ""), (2, ""), (3, "[card]\nmanagement = \"AES-256\"\n")] {
        let (slot, mut desk) = (blank("pivapplet", serial), Desk::with(profile("pivapplet", more)));
        assert!(matches!(desk.make(&slot), Ok(Outcome::Finished(_))));
        let memory = slot.card.borrow().state().eid.clone().unwrap();
        let Applet::Pivapplet(applet) = memory.applet else { panic!() };
        assert!(!applet.defaults.pin && !applet.defaults.puk && !applet.defaults.management_key);
        let key = memory.management_key.unwrap();
        keys.push((key.algorithm, key.value.expose().to_vec()));
        // Another chip's key opens nothing, but the same line knows its own: it is asked by recovery.
        assert_eq!(desk.settle(&slot, "again"), State::QaPassed);
    }
    assert_eq!([keys[0].0, keys[1].0, keys[2].0], [0x03, 0x03, 0x0C]);
    assert_ne!(keys[0].1, keys[1].1);
    assert_eq!(keys[2].1.len(), 32);
}

/// The card is pulled at command `at`. `None` when there are fewer commands.
fn torn_at(name: &str, at: u64, when: When) -> Option<State> {
    let (slot, mut desk) = (blank(name, 9), Desk::new(name));
    slot.card.borrow_mut().tear(Tear { at, when });
    match desk.make(&slot) {
        Ok(Outcome::Finished(_)) => {
            assert!(slot.card.borrow().commands() <= at, "{name}: command {at} was torn and nobody noticed");
            return None;
        }
        Ok(Outcome::Rejected(rejected)) => panic!("{name}: torn at {at}, rejected at once: {}", rejected.reason),
        Err(Failure::Interrupted { .. } | Failure::Unusable(_)) => {}
        Err(other) => panic!("{name}: torn at {at}: {other}"),
    }
    Some(desk.settle(&slot, &format!("{name} torn at {at} {when:?}")))
}

fn pulled_at_any_command(name: &str, when: When) {
    let mut at = 0;
    while let Some(state) = torn_at(name, at, when) {
        assert_eq!(state, State::QaPassed, "{name} torn at {at} {when:?}");
        at += 1;
    }
    assert!(at > 40, "{name}: only {at} commands");
}

#[test]
fn pivapplet_pulled_before_any_command_is_finished_when_it_comes_back() {
    pulled_at_any_command("pivapplet", When::Before);
}

#[test]
fn pivapplet_pulled_after_any_command_is_finished_when_it_comes_back() {
    pulled_at_any_command("pivapplet", When::After);
}

#[test]
fn openfips201_pulled_before_any_command_is_finished_when_it_comes_back() {
    pulled_at_any_command("openfips201", When::Before);
}

#[test]
fn openfips201_pulled_after_any_command_is_finished_when_it_comes_back() {
    pulled_at_any_command("openfips201", When::After);
}

#[test]
fn what_will_not_fit_is_refused_before_any_card() {
    for name in BOTH {
        let mut desk = Desk::with(profile(name, "[card]\nlargest_object = 920\n"));
        let slot = blank(if name == "pivapplet" { "pivapplet-old" } else { name }, 2);
        let order = &centre().orders[0];
        let rehearsed = desk.work(&slot, |line, profile| rehearse(line, job(order, &portrait(profile))));
        match rehearsed {
            Err(Failure::Plan(PlanError::ObjectSize { bytes, most: 920, .. })) => assert!(bytes > 920, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
        // Certificates would fit here; the signed security object does not.
        let mut desk = Desk::with(profile(name, "[card]\nlargest_object = 1200\n"));
        match desk.make(&slot) {
            Err(Failure::Plan(PlanError::ObjectSize { object, .. })) => assert_eq!(object, "Security Object"),
            Err(other) => panic!("{name}: {other}"),
            Ok(_) => panic!("{name} was made"),
        }
        assert_eq!(slot.card.borrow().commands(), 0, "{name}: the card was asked");
    }
    for (line, expected) in [
        ("[lds]\ndata_groups = [1, 2]", "no travel document"),
        ("[active_authentication]\nkey = \"RSA-1024\"", "and only then"),
    ] {
        let text = format!("extends = \"specimen-uto-pivapplet\"\nname = \"x\"\n{line}\n");
        let error = Profile::parse("x", &text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_larger_limit_of_the_profile_than_of_the_card_rejects_it() {
    let (slot, mut desk) = (blank("pivapplet-old", 3), Desk::new("pivapplet"));
    let Ok(Outcome::Rejected(rejected)) = desk.make(&slot) else { panic!("made, or left alone") };
    assert!(
        matches!(rejected.reason, Reason::Refused { status: Status::NOT_ENOUGH_MEMORY, .. }),
        "{}",
        rejected.reason
    );
    // PIN and PUK are blocked, and with them go the keys.
    assert!(rejected.invalidated);
    assert!(slot.card.borrow().state().eid.as_ref().unwrap().keys.is_empty());
}

#[test]
fn cards_that_are_not_as_delivered_are_left_alone_or_rejected() {
    // Somebody's certificate, another management key, another program, no program.
    for name in BOTH {
        let (slot, mut desk) = (blank(name, 4), Desk::new(name));
        let mut state = slot.card.borrow().state().clone();
        state.eid.as_mut().unwrap().management_key =
            soft_card::eid::ManagementKey::new(eid::keys::ManagementAlgorithm::TripleDes, &[9; 24]);
        let changed = Slot::holding(&state);
        if name == "pivapplet" {
            assert!(matches!(desk.make(&changed), Err(Failure::Unusable(Unusable::Dialogue(_)))));
        }
        let mut other = Desk::new(BOTH[usize::from(name == BOTH[0])]);
        assert!(matches!(other.make(&slot), Err(Failure::Unusable(Unusable::Dialogue(_)))), "{name}");
        let none = Slot::with(BlankOptions { serial: Some([5; 6]), key_version: 0xFF, ..BlankOptions::default() });
        match desk.make(&none) {
            Err(Failure::Unusable(Unusable::NoApplet { .. })) => {}
            Err(error) => panic!("{name}: {error}"),
            Ok(_) => panic!("{name} was made"),
        }
    }
    let (slot, mut desk) = (blank("pivapplet", 6), Desk::new("pivapplet"));
    let mut state = slot.card.borrow().state().clone();
    state.eid.as_mut().unwrap().objects.insert(0x5F_C105, vec![0x70, 0x00]);
    match desk.make(&Slot::holding(&state)) {
        Err(Failure::Unusable(Unusable::NotEmpty { condition: Condition::Begun, .. })) => {}
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("used"),
    }
    // A PUK that somebody changed before: everything goes well until it is asked for.
    let mut state = slot.card.borrow().state().clone();
    let memory = state.eid.as_mut().unwrap();
    memory.puk.as_mut().unwrap().value = channel::secret::Secret::from(&b"00000000"[..]);
    let Applet::Pivapplet(applet) = &mut memory.applet else { panic!() };
    applet.defaults.puk = false;
    let Ok(Outcome::Rejected(rejected)) = desk.make(&Slot::holding(&state)) else { panic!("made") };
    assert!(matches!(rejected.reason, Reason::BadAnswer { .. }), "{}", rejected.reason);
}

/// Right after the PUK was changed, or right before.
fn torn_at_the_puk(changed: bool) -> (Slot, Desk) {
    for at in 40.. {
        let (slot, mut desk) = (blank("pivapplet", 10), Desk::new("pivapplet"));
        slot.card.borrow_mut().tear(Tear { at, when: if changed { When::After } else { When::Before } });
        assert!(desk.make(&slot).is_err(), "the PUK was never reached");
        let memory = slot.card.borrow().state().eid.clone().unwrap();
        let Applet::Pivapplet(applet) = memory.applet else { panic!() };
        if !applet.defaults.pin && applet.defaults.puk != changed {
            return (slot, desk);
        }
    }
    unreachable!()
}

#[test]
fn a_torn_card_is_finished_with_the_codes_of_its_letter_only() {
    let number = &centre().orders[0].document_number;
    let tries = |slot: &Slot| slot.card.borrow().state().eid.as_ref().unwrap().puk.as_ref().unwrap().tries;
    // The same letter, and however often it is asked, no try is lost.
    let (slot, mut desk) = torn_at_the_puk(true);
    let letter = desk.letters.0[number].clone();
    assert_eq!(desk.settle(&slot, "its letter"), State::QaPassed);
    assert!(desk.letters.0[number].1 == letter.1, "another letter");
    assert_eq!(tries(&slot), 3);
    let rejects = |slot: &Slot, desk: &mut Desk, what: &str| match desk.recover(slot, Wish::Finish) {
        Ok(Recovered::Now(Outcome::Rejected(rejected))) => assert!(rejected.invalidated, "{what}"),
        Ok(_) => panic!("{what}: finished"),
        Err(error) => panic!("{what}: {error}"),
    };
    // Lost, or in another folder.
    let (slot, mut desk) = torn_at_the_puk(true);
    desk.letters.0.clear();
    rejects(&slot, &mut desk, "no letter");
    // Whoever held the card set codes of his own.
    let (slot, mut desk) = torn_at_the_puk(false);
    let says = |command: &Command| slot.clone().transmit(command).unwrap().status;
    slot.card.borrow_mut().reset();
    assert_eq!(says(&Command::parse(SELECT).unwrap()), Status::OK);
    let (known, own, pin) = (Puk::parse(b"12345678"), Puk::parse(b"27182818"), Pin::from_digits(b"271828"));
    assert_eq!(says(&reset(known.as_ref().unwrap(), pin.as_ref().unwrap())), Status::OK);
    assert_eq!(says(&change_puk(&known.unwrap(), &own.unwrap())), Status::OK);
    rejects(&slot, &mut desk, "his codes");
    // Blocked.
    let (slot, mut desk) = torn_at_the_puk(true);
    let mut state = slot.card.borrow().state().clone();
    state.eid.as_mut().unwrap().puk.as_mut().unwrap().tries = 0;
    rejects(&Slot::holding(&state), &mut desk, "blocked");
}

#[test]
fn wrong_keys_of_the_chip_spoil_no_order() {
    for name in BOTH {
        let (slot, mut desk) = (blank(name, 7), Desk::new(name));
        let mut state = slot.card.borrow().state().clone();
        let set = state.issuer_domain.keys.get_mut(&0xFF).unwrap();
        (set.enc, set.mac) = (channel::secret::Secret::new(vec![9; 16]), channel::secret::Secret::new(vec![9; 16]));
        assert!(
            matches!(desk.make(&Slot::holding(&state)), Err(Failure::Unusable(Unusable::WrongKeys { .. }))),
            "{name}"
        );
        let number = &centre().orders[0].document_number;
        let record = Reading::of(&desk.path()).unwrap().book.document(number).unwrap().clone();
        assert_eq!((record.state, record.chip), (State::Ordered, None), "{name}");
    }
}

#[test]
fn a_rejected_card_is_of_use_to_nobody() {
    for name in BOTH {
        let (slot, mut desk) = (blank(name, 8), Desk::new(name));
        slot.card.borrow_mut().tear(Tear { at: 30, when: When::After });
        assert!(desk.make(&slot).is_err(), "{name}");
        let number = centre().orders[0].document_number.clone();
        let back = desk.recover(&slot, Wish::Reject { document: Some(&number) });
        let Ok(Recovered::Now(Outcome::Rejected(rejected))) = back else { panic!("{name}") };
        assert!(rejected.invalidated, "{name}");
        let memory = slot.card.borrow().state().eid.clone().unwrap();
        assert_eq!((memory.pin.unwrap().tries, memory.puk.unwrap().tries), (0, 0), "{name}");
    }
}
