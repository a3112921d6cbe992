//! A host that knows every secret and keeps to no rule, before soft cards of every kind: blank, half made, in its holder's hands,
//! locked, of other people's programs. The card answers, its memory can be stored and read again, and outside secure messaging
//! nobody sees a protected byte.
//!
//! ```text
//! input = card, steps   (see Steps: kind, length, data)
//! ```
#![no_main]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;

use card_apps_fuzz::{Repeating, Steps};
use channel::bac;
use channel::cvc::CvCertificate;
use channel::cvc::chain::TrustPoint;
use channel::pace::{self, LADDER, Mapping, Suite};
use channel::password::{MrzKey, Password};
use channel::scp03::{self, SecurityLevel};
use channel::secret::Secret;
use channel::sm::Secured;
use channel::suite::{Cipher, Curve};
use channel::terminal_auth::Trust;
use eid::objects::RESIDENCE;
use eid::pin::Pin;
use eid::residence::{Address, Residence, SignedResidence};
use iso7816::tlv::{Tag, encode};
use iso7816::{Aid, Card, Command, Response, TransmitError};
use lds::date::Date;
use lds::security_infos::{ID_CA_ECDH_AES_128, ID_PACE_ECDH_GM_AES_128, SecurityInfo, SecurityInfos};
use libfuzzer_sys::fuzz_target;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::nid::Nid;
use soft_card::eid::{KeyPair, PIN_TRIES, PUK_TRIES, Reference};
use soft_card::emrtd::{ActiveKey, ApplicationLife, ChipKey};
use soft_card::issuer_domain::CardLife;
use soft_card::persona::{EMBEDDED, Persona};
use soft_card::{BlankOptions, SoftCard, State};

/// Stands in every file that wants a session.
const MARKER: &[u8] = b"PROTECTED PERSONAL DATA";
/// Stands in the residence record, which its holder reads with the PIN, and an office after Terminal Authentication. No key of an
/// office is here, so no session may show it either.
const ADDRESS: &str = "WHERE THE HOLDER LIVES";
const INFORMATION: &str = "L898902C<369080619406236";
const PRIVATE: [u8; 32] = [0x2A; 32];
const SECRETS: [&[u8]; 3] = [MARKER, &PRIVATE, ADDRESS.as_bytes()];

fn key_pair() -> EcKey<openssl::pkey::Private> {
    let make = || {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let mut point = EcPoint::new(&group)?;
        let private = BigNum::from_slice(&PRIVATE)?;
        point.mul_generator2(&group, &private, &mut *openssl::bn::BigNumContext::new()?)?;
        EcKey::from_private_components(&group, &private, &point)
    };
    make().expect("a key")
}

/// The cards that an input may choose from.
fn states() -> Vec<State> {
    let options = || BlankOptions { serial: Some([0, 0, 0, 1, 0, 1]), ..BlankOptions::default() };
    let blank = |options| State::blank(options).expect("randomness");
    let personas = EMBEDDED.iter().map(|(_, text)| Persona::parse(text).expect("embedded").options());
    let personas = personas.map(|options| blank(BlankOptions { serial: Some([0, 0, 0, 1, 0, 1]), ..options }));
    let mut states: Vec<State> = personas.collect();
    let delivered = blank(BlankOptions { eid: true, ..options() });
    let held = held(&delivered);
    let mut locked = held.clone();
    locked.emrtd.life_cycle = ApplicationLife::Locked;
    let mut dead = held.clone();
    dead.issuer_domain.life_cycle = CardLife::Terminated;
    states.extend([blank(options()), delivered, held, locked, dead]);
    states
}

fn residence() -> Vec<u8> {
    let address = Address { governorate: ADDRESS.into(), ..Address::default() };
    let date = Date::new(2026, 5, 4).expect("a day");
    let entry = Residence { national_number: "199900000011".into(), date, office: "9101".into(), address };
    SignedResidence { record: &entry.to_bytes(), signature: &[0x5A; 70] }.to_bytes()
}

/// A card with everything, in its holder's hands.
fn held(delivered: &State) -> State {
    let mut state = delivered.clone();
    let key = ChipKey { parameter_id: 12, key_id: None, private: Secret::from(&PRIVATE[..]) };
    let access = vec![SecurityInfo::pace(ID_PACE_ECDH_GM_AES_128, Curve::P256.parameter_id())];
    let infos = [access.clone(), vec![SecurityInfo::chip_authentication(ID_CA_ECDH_AES_128, None)]].concat();
    let cvca = CvCertificate::from_bytes(include_bytes!("../../../pki/fuzz/seeds/cv_certificate/cvca"));
    let point = TrustPoint::new(cvca.expect("a certificate")).expect("of a CVCA");
    let emrtd = &mut state.emrtd;
    emrtd.files = [
        (0x011C, SecurityInfos::new(access).to_bytes()),
        (0x0101, encode(Tag(0x61), MARKER)),
        (0x0102, encode(Tag(0x75), [MARKER, &[0xAB; 600]].concat())),
        (0x0103, encode(Tag(0x63), MARKER)),
        (0x010E, encode(Tag(0x6E), SecurityInfos::new(infos).to_bytes())),
        (0x011D, encode(Tag(0x77), MARKER)),
    ]
    .into();
    emrtd.mrz_information = Some(Secret::from(INFORMATION.as_bytes()));
    emrtd.card_access_number = Some(Secret::from(&b"271828"[..]));
    emrtd.chip_key = Some(key.clone());
    emrtd.active_key = Some(ActiveKey::Ec { parameter_id: 12, private: key.private });
    emrtd.terminal_trust = Some(Trust { points: vec![point], today: jiff::civil::date(2026, 11, 22) });
    emrtd.life_cycle = ApplicationLife::Personalized;
    emrtd.complete = true;
    let eid = state.eid.as_mut().expect("delivered with it");
    let private = key_pair().private_key_to_der().expect("a key");
    for reference in [0x9A, 0x9C, 0x9D, 0x9E] {
        eid.keys.insert(reference, KeyPair { algorithm: 0x11, private: Secret::from(&private[..]) });
    }
    let reference = |value: &[u8], tries| Reference { value: Secret::from(value), tries, limit: tries };
    eid.pin = Some(reference(b"271828\xFF\xFF", PIN_TRIES));
    eid.puk = Some(reference(b"31415926", PUK_TRIES));
    eid.objects.insert(0x005F_C102, MARKER.to_vec());
    eid.objects.insert(RESIDENCE.tag.0, residence());
    eid.life_cycles = None;
    state.issuer_domain.life_cycle = CardLife::Secured;
    state
}

/// The card, held by the host and by its channels.
#[derive(Clone)]
struct Inserted {
    card: Rc<RefCell<SoftCard>>,
    /// What nobody may see on the line.
    secret: bool,
}

impl Inserted {
    fn process(&self, bytes: &[u8]) -> Vec<u8> {
        let answer = self.card.borrow_mut().process(bytes);
        assert!(answer.len() >= 2, "a powered card answers");
        assert!(!self.secret || SECRETS.iter().all(|secret| !shows(&answer, secret)), "a protected byte");
        answer
    }
}

/// Eight bytes in a row are no accident.
fn shows(bytes: &[u8], secret: &[u8]) -> bool {
    secret.windows(8).any(|part| bytes.windows(8).any(|there| there == part))
}

impl Card for Inserted {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        Response::parse(&self.process(&command.to_bytes())).ok_or(TransmitError::Lost)
    }
}

fn select(aid: &Aid) -> Command {
    Command::new(0x00, 0xA4, 0x04, 0x00).with_data(aid.as_bytes()).with_ne(256)
}

fuzz_target!(|bytes: &[u8]| {
    static STATES: OnceLock<Vec<State>> = OnceLock::new();
    let states = STATES.get_or_init(states);
    let [choice, bytes @ ..] = bytes else { return };
    let Some(state) = states.get(usize::from(*choice)) else { return };
    let card = Rc::new(RefCell::new(SoftCard::from_state(state).with_random(Repeating(1))));
    // What the host sends it may also see.
    let unknown = SECRETS.iter().all(|secret| !shows(bytes, secret));
    let secret = unknown && !bytes.windows(6).any(|there| there == b"271828");
    let mut card = Inserted { card, secret };
    let aids = [Aid::emrtd(), eid::Application::Piv.aid(), eid::Application::National.aid(), Aid::issuer_domain()];
    let (mut session, mut channel) = (None, None);
    for (kind, data) in Steps(bytes).take(64) {
        let first = data.first().copied().unwrap_or_default();
        match kind % 8 {
            0 => drop(card.process(data)),
            1 => drop(card.card.borrow_mut().reset()),
            2 => drop(card.transmit(&select(&aids[usize::from(first) % 4]))),
            3 => {
                let pin = Pin::from_digits(b"271828").expect("digits");
                card.secret = false;
                drop(card.transmit(&eid::pin::verify(&pin)));
            }
            4 => {
                let keys = BlankOptions::default().keys;
                let level = SecurityLevel::ALL[usize::from(data.get(1).copied().unwrap_or(4)) % 5];
                drop(card.transmit(&select(&aids[usize::from(first) % 4])));
                channel = scp03::open(card.clone(), 0, &keys, level, &mut Repeating(2)).ok();
            }
            5 => {
                if let (Some(channel), Ok(command)) = (&mut channel, Command::parse(data)) {
                    let _ = channel.transmit(&command);
                }
            }
            6 if data.is_empty() => {
                let key = MrzKey::from_information(INFORMATION);
                drop(card.transmit(&select(&aids[0])));
                let opened = bac::open(&mut card, &key, &mut Repeating(3)).ok();
                session = opened.map(|session| Secured::new(session, card.clone()));
            }
            6 => {
                let suite = Suite { mapping: Mapping::Generic, group: Curve::P256.into(), cipher: Cipher::Aes128 };
                let can = Password::Can(Secret::from(&b"271828"[..]));
                let opened = pace::open(&mut card, &suite, &can, LADDER[0], &mut Repeating(4)).ok();
                session = opened.map(|opened| Secured::new(opened.session, card.clone()));
            }
            _ => {
                if let (Some(session), Ok(command)) = (&mut session, Command::parse(data)) {
                    let answer = session.transmit(&command).map(|response| response.data).unwrap_or_default();
                    assert!(
                        !card.secret || !shows(&answer, ADDRESS.as_bytes()),
                        "the residence record without an office"
                    );
                }
            }
        }
    }
    let after = card.card.borrow().state().clone();
    if after != *state {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("card.json");
        after.create(&path).expect("a memory can be stored");
        assert!(State::load(&path).expect("and loaded") == after);
    }
});
