//! The citizen CA of a State in a temporary directory, the cards of one holder, and how they are read.

use authority::Passphrase;
use authority::citizen_ca::{Holder, Purpose};
use channel::random::OsRandom;
use channel::secret::Secret;
use eid::certificate::Container;
use eid::keys::{Algorithm, KeyReference, Purpose as Use};
use eid::pin::Pin;
use inspection::citizen::{Seen, open, prove, read};
use inspection::procedure::Budget;
use iso7816::Card;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::X509Req;
use soft_card::State;
use soft_card::eid::{Applet, CreatedKey, KeyPair, Memory, Modes, Reference};
use soft_card::persona::{EMBEDDED, Persona};
use trust::{Certificate, Crl};

use crate::issuer::{Document, Issuer, PASSPHRASE, days_after, usual_start};

/// A State with a citizen CA.
pub struct Citizens {
    pub issuer: Issuer,
    pub ca: Certificate,
}

impl Citizens {
    pub fn new() -> Self {
        let mut issuer = Issuer::new("specimen-uto");
        let ca = issuer.authority.create_citizen_ca(false, &Passphrase::new(PASSPHRASE), usual_start()).unwrap();
        Citizens { issuer, ca }
    }

    /// Revokes a certificate so many days after the start.
    pub fn revoke(&mut self, certificate: &Certificate, days: i64) {
        let now = days_after(usual_start(), days);
        self.issuer.authority.revoke_citizen_certificate(&hex::encode(certificate.serial()), now).unwrap();
    }

    /// The list of so many days after the start.
    pub fn list(&mut self, days: i64) -> Crl {
        let now = days_after(usual_start(), days);
        let authority = &mut self.issuer.authority;
        let lists = authority.issue_citizen_lists(None, &Passphrase::new(PASSPHRASE), now).unwrap();
        Crl::part_from_der(&std::fs::read(&lists[0].path).unwrap()).unwrap()
    }

    /// The certificate of a key of the specimen's holder.
    pub fn certify(&mut self, reference: KeyReference, key: &PKey<Private>) -> Certificate {
        let holder = Holder { given_names: "Nour".into(), surname: "Hassan".into(), number: "ZZ0000017".into() };
        let (secret, now) = (Passphrase::new(PASSPHRASE), days_after(usual_start(), 1));
        let spki = key.public_key_to_der().unwrap();
        let authority = &mut self.issuer.authority;
        let purpose = match reference {
            KeyReference::KeyManagement if key.ec_key().is_ok() => {
                return authority.issue_agreement_certificate(&spki, &holder, &secret, now).unwrap().certificate;
            }
            KeyReference::KeyManagement => Purpose::KeyManagement,
            KeyReference::Signature => Purpose::Signature,
            KeyReference::Authentication | KeyReference::CardAuthentication => Purpose::Authentication,
        };
        let mut request = X509Req::builder().unwrap();
        request.set_pubkey(key).unwrap();
        request.sign(key, MessageDigest::sha256()).unwrap();
        let request = request.build().to_der().unwrap();
        authority.issue_citizen_certificate(&request, purpose, &holder, &secret, now).unwrap().certificate
    }
}

const PIN: &[u8] = b"271828";

pub fn pin() -> Pin {
    Pin::from_digits(PIN).unwrap()
}

fn pair(algorithm: Algorithm) -> PKey<Private> {
    let curve = |nid| EcKey::generate(&EcGroup::from_curve_name(nid).unwrap()).unwrap();
    match algorithm {
        Algorithm::P256 => PKey::from_ec_key(curve(Nid::X9_62_PRIME256V1)).unwrap(),
        Algorithm::P384 => PKey::from_ec_key(curve(Nid::SECP384R1)).unwrap(),
        rsa => PKey::from_rsa(Rsa::generate(rsa.width() as u32 * 8).unwrap()).unwrap(),
    }
}

fn private(key: &PKey<Private>) -> Secret {
    Secret::new(match key.rsa() {
        Ok(rsa) => rsa.private_key_to_der().unwrap(),
        Err(_) => key.ec_key().unwrap().private_key_to_der().unwrap(),
    })
}

/// Makes these keys on the card, with certificates of the citizen CA.
fn fill(memory: &mut Memory, citizens: &mut Citizens, keys: &[KeyReference], algorithm: Algorithm) {
    for reference in keys {
        let key = pair(algorithm);
        let certificate = citizens.certify(*reference, &key);
        memory.objects.insert(reference.certificate().tag.0, Container::write(certificate.der()));
        memory.keys.insert(*reference as u8, KeyPair { algorithm: algorithm as u8, private: private(&key) });
    }
}

/// A card of the specimen whose holder has chosen a PIN, with these keys.
pub fn card(citizens: &mut Citizens, keys: &[KeyReference], algorithm: Algorithm) -> State {
    let mut state = citizens.issuer.state(&Document::specimen());
    let mut memory = Memory::delivered();
    memory.pin = Some(Reference { value: pin().secret().clone(), tries: 3, limit: 3 });
    fill(&mut memory, citizens, keys, algorithm);
    state.eid = Some(memory);
    state
}

/// Makes the places of keys and certificates, where a program has none of its own, as the personalizer does.
fn create(applet: &mut Applet, keys: &[KeyReference], algorithm: Algorithm) {
    let Applet::Openfips201(places) = applet else { return };
    let modes = |mode| Modes { contact: mode, contactless: 0 };
    for key in keys {
        let role = if key.purpose() == Use::Agree { 2 } else { 4 };
        let created = CreatedKey { modes: modes(1), mechanism: algorithm as u8, role };
        places.keys.insert(*key as u8, created);
        places.objects.insert(key.certificate().tag.0 as u8, modes(0x7F));
    }
}

/// A card with somebody else's program, these kinds of keys on it, and a PIN of its holder's.
pub fn of_others(name: &str, citizens: &mut Citizens, algorithm: Algorithm) -> State {
    let text = EMBEDDED.iter().find(|(known, _)| *known == name).unwrap().1;
    let mut state = State::blank(Persona::parse(text).unwrap().options()).unwrap();
    let memory = state.eid.as_mut().unwrap();
    memory.pin = Some(Reference { value: pin().secret().clone(), tries: 3, limit: 3 });
    let keys = [KeyReference::Authentication, KeyReference::Signature, KeyReference::KeyManagement];
    if let Applet::Pivapplet(applet) = &mut memory.applet {
        applet.defaults.pin = false;
    }
    fill(memory, citizens, &keys, algorithm);
    create(&mut memory.applet, &keys, algorithm);
    state
}

/// What is seen without a PIN.
pub fn seen_without(card: &mut dyn Card) -> Seen {
    let mut seen = read(card, Budget::default()).unwrap();
    prove(card, Budget::default(), &mut OsRandom, &mut seen);
    seen
}

/// The whole way of a reader.
pub fn seen(card: &mut dyn Card) -> Seen {
    let mut seen = seen_without(card);
    open(card, Budget::default(), &pin(), &mut OsRandom, &mut seen).unwrap();
    seen
}
