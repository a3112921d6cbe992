//! The PIV application of a card as any computer reads it: objects, certificates, PIN (SP 800-73-4).
//!
//! ```text
//! SELECT -> GET DATA of every object -> VERIFY without data: tries left -> whose PIN it is, where a card tells
//! ```
//!
//! Knows this project's card and those of others. No PIN is given and no try is spent; so it is not proved that the card has
//! the keys of its certificates. Revocation is not asked either: [`Report`] says both, and its judgement is never better than
//! [`Judgement::CertificatesGood`], for certificates can be copied to any card.

use eid::authentication::sign;
use eid::certificate::Container;
use eid::chuid::Chuid;
use eid::keys::{Algorithm, KeyReference};
use eid::objects::{CARD_HOLDER_UNIQUE_IDENTIFIER, OBJECTS, Object};
use eid::pin;
use eid::{Application, property};
use iso7816::tlv::{self, Tag};
use iso7816::{Card, Chained, Command, Limits, Status, TransmitError};
use jiff::Timestamp;
use serde::Serialize;
use trust::Certificate;

use crate::procedure::{Budget, Metered};

/// Most bytes of an answer: an object of the standard, its heads, and room to spare.
const LONGEST_ANSWER: usize = 16 * 1024;
const SELECT: u8 = 0xA4;
/// GET METADATA of a YubiKey, which PivApplet has too.
const METADATA: u8 = 0xF7;
/// Whether the PIN is the one that everybody knows.
const IS_DEFAULT: Tag = Tag(0x05);

/// What was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// The name that the application gives itself.
    pub label: Option<String>,
    /// Every object that is there.
    pub objects: Vec<(&'static Object, State)>,
    /// Whose the PIN is.
    pub pin: PinState,
    /// Tries that are left, where the card tells.
    pub tries: Option<u8>,
}

/// What the card said of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// Its content.
    Read(Vec<u8>),
    /// It wants the PIN first.
    Protected,
    /// Something else than an object.
    Malformed,
    /// It is refused for another reason.
    Refused(Status),
}

/// Whose the PIN is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinState {
    /// None was set.
    None,
    /// It is blocked.
    Blocked,
    /// The issuer's: no key works until the holder has chosen another.
    Transport,
    /// The one that everybody knows: anyone may use the keys.
    Default,
    /// Not the one that it was delivered with.
    Changed,
    /// The card does not tell.
    Untold,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no PIV application.
    #[error("the card has no PIV application ({status})")]
    NoApplication {
        /// What it said.
        status: Status,
    },
    /// No answer.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
}

/// Reads everything that a card shows to anyone, for no more than `budget`; the limit for one file is not looked at.
///
/// # Errors
/// When there is no such application, the card is gone, or the budget is spent.
pub fn read(card: &mut dyn Card, budget: Budget) -> Result<Seen, ReadError> {
    let limits = Limits { response_data: LONGEST_ANSWER, ..Limits::SHORT };
    let card = &mut Chained::new(Metered::new(card, budget), limits);
    let select = Command::new(0x00, SELECT, 0x04, 0x00).with_data(Application::Piv.aid().as_bytes()).with_ne(256);
    let selected = card.transmit(&select)?;
    if !selected.status.is_ok() || property::is_piv(&selected.data) != Ok(true) {
        return Err(ReadError::NoApplication { status: selected.status });
    }
    let label = label(&selected.data);
    let mut objects = Vec::new();
    for object in OBJECTS.iter().filter(|object| object.application == Application::Piv) {
        let answer = card.transmit(&object.get())?;
        let state = match answer.status {
            Status::OK => match object.decode(&answer.data) {
                // Objects that were made and never written are empty on some cards.
                Ok([]) => continue,
                Ok(content) => State::Read(content.to_vec()),
                Err(_) if answer.data.is_empty() => continue,
                Err(_) => State::Malformed,
            },
            Status::FILE_NOT_FOUND | Status::REFERENCED_DATA_NOT_FOUND => continue,
            Status::SECURITY_NOT_SATISFIED => State::Protected,
            status => State::Refused(status),
        };
        objects.push((object, state));
    }
    let (pin, tries) = whose(card, label.as_deref())?;
    Ok(Seen { label, objects, pin, tries })
}

fn label(template: &[u8]) -> Option<String> {
    let inside = tlv::sole(template, Tag(0x61)).ok()?;
    let text = std::str::from_utf8(tlv::find(inside, Tag(0x50)).ok()??).ok()?;
    Some(text.chars().filter(|letter| !letter.is_control()).take(64).collect())
}

fn whose(card: &mut dyn Card, label: Option<&str>) -> Result<(PinState, Option<u8>), ReadError> {
    let status = card.transmit(&pin::tries_left())?.status;
    let tries = status.tries_left();
    match status {
        Status::REFERENCED_DATA_NOT_FOUND => return Ok((PinState::None, None)),
        Status::METHOD_BLOCKED => return Ok((PinState::Blocked, Some(0))),
        _ => {}
    }
    if label.is_some_and(|label| label.starts_with("Bitaqa")) {
        // This card says that its conditions are not met before it asks for the PIN, as long as the PIN is the issuer's.
        let refused = card.transmit(&sign(KeyReference::Authentication, Algorithm::P256, &[0; 32]))?.status;
        let transport = refused == Status::CONDITIONS_NOT_SATISFIED;
        return Ok((if transport { PinState::Transport } else { PinState::Changed }, tries));
    }
    let asked = card.transmit(&Command::new(0x00, METADATA, 0x00, pin::PIN).with_ne(256))?;
    let known = if asked.status.is_ok() { tlv::find(&asked.data, IS_DEFAULT).ok().flatten() } else { None };
    Ok(match known {
        Some([0]) => (PinState::Changed, tries),
        Some([_]) => (PinState::Default, tries),
        _ => (PinState::Untold, tries),
    })
}

/// What is said of one certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// Signed by a citizen CA that is believed, and in force.
    Good,
    /// Of a card: so is every certificate, but what [`Report::not_judged`] lists is open.
    CertificatesGood,
    /// No citizen CA was given.
    NotJudged,
    /// The certificate or its CA is not in force.
    NotInForce,
    /// Issued by somebody else.
    UntrustedIssuer,
    /// Of a card: its certificates name different holders.
    DifferentHolders,
    /// It claims a believed issuer who did not sign it, or is no certificate.
    Forged,
}

/// One certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CertificateLine {
    /// Key reference, hexadecimal.
    pub key: String,
    /// The object.
    pub object: &'static str,
    /// What it says of whom it belongs to.
    pub subject: Option<String>,
    /// Who says that he issued it.
    pub issuer: Option<String>,
    /// Serial number, hexadecimal.
    pub serial: Option<String>,
    /// First moment.
    pub not_before: Option<Timestamp>,
    /// Last moment.
    pub not_after: Option<Timestamp>,
    /// What is said of it.
    pub judgement: Judgement,
    /// Why.
    pub reason: String,
}

/// One object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ObjectLine {
    /// Its tag, hexadecimal.
    pub tag: String,
    /// Its name in the standard.
    pub name: &'static str,
    /// `read`, `protected`, `malformed` or `refused`.
    pub state: &'static str,
    /// Bytes of content.
    pub bytes: Option<usize>,
}

/// What is told of a card.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// Version of this form.
    pub version: u32,
    /// The name that the application gives itself.
    pub application: Option<String>,
    /// The card's UUID from the CHUID.
    pub card: Option<String>,
    /// The card's last day from the CHUID.
    pub expires: Option<String>,
    /// Whose the PIN is.
    pub pin: PinState,
    /// Tries that are left.
    pub tries: Option<u8>,
    /// Every object that is there.
    pub objects: Vec<ObjectLine>,
    /// Every certificate of the four keys.
    pub certificates: Vec<CertificateLine>,
    /// The worst of the certificates; nothing is judged where there is none, and nothing is good while something is not judged.
    pub judgement: Judgement,
    /// What nobody asked.
    pub not_judged: Vec<&'static str>,
}

/// Judges what was read by the citizen CAs that are believed.
pub fn judge(seen: &Seen, authorities: &[Certificate], now: Timestamp) -> Report {
    let content = |object: &Object| {
        seen.objects.iter().find(|(there, _)| *there == object).and_then(|(_, state)| match state {
            State::Read(content) => Some(content.as_slice()),
            _ => None,
        })
    };
    let chuid = content(&CARD_HOLDER_UNIQUE_IDENTIFIER).and_then(|content| Chuid::parse(content).ok());
    let there = |key: &KeyReference| seen.objects.iter().any(|(object, _)| *object == key.certificate());
    let certificates: Vec<_> = KeyReference::ALL
        .into_iter()
        .filter(there)
        .map(|key| line(key, content(key.certificate()), authorities, now))
        .collect();
    let not_judged = vec!["revocation", "that the card has the keys of its certificates"];
    let worst = certificates.iter().map(|line| line.judgement).chain(different_holders(&certificates)).max();
    let judgement = match worst.unwrap_or(Judgement::NotJudged) {
        Judgement::Good if !not_judged.is_empty() => Judgement::CertificatesGood,
        worst => worst,
    };
    Report {
        version: 1,
        application: seen.label.clone(),
        card: chuid.as_ref().map(|chuid| hex::encode(chuid.guid)),
        expires: chuid.map(|chuid| chuid.expiry.to_digits()),
        pin: seen.pin,
        tries: seen.tries,
        objects: seen.objects.iter().map(|(object, state)| described(object, state)).collect(),
        certificates,
        judgement,
        not_judged,
    }
}

/// Whether the holder's certificates name more than one. That of 9E is left out: it may name the card (FIPS 201-2 §4.2.2.2).
fn different_holders(certificates: &[CertificateLine]) -> Option<Judgement> {
    let of_card = format!("{:02X}", KeyReference::CardAuthentication as u8);
    let mut subjects = certificates.iter().filter(|line| line.key != of_card).filter_map(|line| line.subject.as_ref());
    let first = subjects.next()?;
    subjects.any(|subject| subject != first).then_some(Judgement::DifferentHolders)
}

fn described(object: &Object, state: &State) -> ObjectLine {
    let (word, bytes) = match state {
        State::Read(content) => ("read", Some(content.len())),
        State::Protected => ("protected", None),
        State::Malformed => ("malformed", None),
        State::Refused(_) => ("refused", None),
    };
    ObjectLine { tag: format!("{:02X}", object.tag.0), name: object.name, state: word, bytes }
}

fn line(key: KeyReference, content: Option<&[u8]>, authorities: &[Certificate], now: Timestamp) -> CertificateLine {
    let unreadable = |reason: String| CertificateLine {
        key: format!("{:02X}", key as u8),
        object: key.certificate().name,
        subject: None,
        issuer: None,
        serial: None,
        not_before: None,
        not_after: None,
        judgement: Judgement::Forged,
        reason,
    };
    let Some(content) = content else { return unreadable("the object cannot be read".to_owned()) };
    let der = match Container::parse(content).and_then(|container| container.der()) {
        Ok(der) => der,
        Err(error) => return unreadable(error.to_string()),
    };
    let certificate = match Certificate::from_der(der) {
        Ok(certificate) => certificate,
        Err(error) => return unreadable(error.to_string()),
    };
    let (judgement, reason) = judged(&certificate, authorities, now);
    CertificateLine {
        subject: Some(certificate.subject().to_string()),
        issuer: Some(certificate.issuer().to_string()),
        serial: Some(hex::encode(certificate.serial())),
        not_before: Some(certificate.not_before()),
        not_after: Some(certificate.not_after()),
        judgement,
        reason,
        ..unreadable(String::new())
    }
}

fn judged(certificate: &Certificate, authorities: &[Certificate], now: Timestamp) -> (Judgement, String) {
    if authorities.is_empty() {
        return (Judgement::NotJudged, "no citizen CA was given".to_owned());
    }
    let named: Vec<_> = authorities.iter().filter(|it| it.subject().matches(certificate.issuer())).collect();
    if named.is_empty() {
        return (Judgement::UntrustedIssuer, "its issuer is none of the citizen CAs that were given".to_owned());
    }
    let signs = |it: &&&Certificate| {
        let may = it.is_authority() && it.extensions().key_usage.is_some_and(|usage| usage.key_cert_sign());
        may && certificate.verify_signature(it.public_key()).is_ok()
    };
    let Some(authority) = named.iter().find(signs) else {
        return (Judgement::Forged, "the citizen CA that it names did not sign it".to_owned());
    };
    if certificate.is_authority() {
        return (Judgement::Forged, "it is a certificate of an authority, not of a citizen".to_owned());
    }
    let in_force = |it: &Certificate| (it.not_before()..=it.not_after()).contains(&now);
    match (in_force(certificate), in_force(authority)) {
        (true, true) => (Judgement::Good, "signed by the citizen CA, and in force".to_owned()),
        (false, _) if now < certificate.not_before() => (Judgement::NotInForce, "not in force yet".to_owned()),
        (false, _) => (Judgement::NotInForce, "expired".to_owned()),
        (true, false) => (Judgement::NotInForce, "its citizen CA is not in force".to_owned()),
    }
}
