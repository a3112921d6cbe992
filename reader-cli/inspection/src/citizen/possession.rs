//! Does the card have the keys of its certificates? Each is put to use on a challenge that was just drawn.
//!
//! Certificates can be copied to any card, keys that were made on one cannot. The keys are asked as their certificates say they are:
//! 9A and 9E sign, 9D agrees on a secret or deciphers. 9C is never asked, for whatever it signs is its holder's legal signature.

use std::fmt::Write;

use channel::random::Random;
use eid::authentication::INS_GENERAL_AUTHENTICATE;
use eid::certificate::Container;
use eid::keys::{KeyReference, KeyUse};
use eid::possession::{CardKey, Challenge, ProofError};
use iso7816::{Card, Status, TransmitError};
use serde::Serialize;
use trust::{Certificate, Outcome};

use super::checks::{Case, Check, Found};
use super::report::{CertificateLine, Judgement};
use super::{PinState, Seen};

/// What came of asking a card for the key of a certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Possession {
    /// What came of it.
    pub state: Proof,
    /// How, or why not.
    pub reason: String,
}

/// Whether a key was proved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The card used the key on a fresh challenge.
    Proved,
    /// It answered, and not as a card with the key does.
    Failed,
    /// It was asked and did not use the key, or its answer could not be judged.
    NoResult,
    /// It was not asked.
    NotAsked,
}

pub(super) const POSSESSION: Check = Check {
    id: "certificates-possession",
    title: "Keys of the certificates",
    source: "SP 800-73-4 part 2 §3.2.4",
    explanation: "With the holder's PIN the card puts its keys to use on random challenges: 9A signs, 9D agrees on a secret or deciphers; 9E \
        signs without PIN. The result must fit the public key of the certificate. A failure says that the certificate was copied from \
        another card. The signature key 9C is never asked: it signs nothing for a reader. It keeps no card from being good whose other \
        keys are proved.",
    remedy: "Ask the holder for the PIN and read with --pin; use a card that refuses its keys for nothing.",
    failed: Judgement::Forged,
    unjudged: Judgement::NotJudged,
    open: "that the card has the keys of its certificates",
    of_residence: false,
    judge,
};

impl Possession {
    fn new(state: Proof, reason: impl Into<String>) -> Self {
        Possession { state, reason: reason.into() }
    }
}

impl Seen {
    /// What came of asking for a key; why nobody asked, where nobody did.
    pub(super) fn possession(&self, key: KeyReference) -> Possession {
        if key == KeyReference::Signature {
            return Possession::new(Proof::NotAsked, "the signature key signs nothing for a reader");
        }
        if let Some((_, said)) = self.proofs.iter().find(|(asked, _)| *asked == key) {
            return said.clone();
        }
        let why = match (key.access(), self.pin) {
            (KeyUse::Free, _) => "the card was not asked",
            (_, PinState::Transport) => "the PIN is the issuer's, with which no key works",
            (_, PinState::None) => "no PIN was set, and the key needs one",
            (_, PinState::Blocked) => "the PIN is blocked",
            _ => "the PIN was not given",
        };
        Possession::new(Proof::NotAsked, why)
    }
}

/// Whether a reader asks for this key with, or without the PIN.
pub(super) fn is_asked(key: KeyReference, with_pin: bool) -> bool {
    match key.access() {
        KeyUse::Free => !with_pin,
        KeyUse::Pin => with_pin,
        KeyUse::PinAlways => false,
    }
}

/// Asks the selected application for one key, by the content of its certificate's object.
///
/// # Errors
/// When the card is gone, or its answer does not end.
pub(super) fn ask(
    card: &mut dyn Card,
    key: KeyReference,
    content: &[u8],
    random: &mut dyn Random,
) -> Result<Possession, TransmitError> {
    let of_certificate = || {
        let container = Container::parse(content).ok()?;
        Certificate::from_der(container.der().ok()?).ok()
    };
    let Some(certificate) = of_certificate() else {
        return Ok(Possession::new(Proof::NotAsked, "there is no certificate that can be read"));
    };
    let public = certificate.public_key();
    let Some(public_key) = CardKey::from_spki(public.spki()) else {
        let reason = format!("no card is asked for a key of this kind: {}", public.kind());
        return Ok(Possession::new(Proof::NotAsked, reason));
    };
    let challenge = match Challenge::draw(public_key, key.purpose(), random) {
        Ok(challenge) => challenge,
        Err(error) => return Ok(Possession::new(Proof::NotAsked, error.to_string())),
    };
    let answer = card.transmit(&challenge.command(key))?;
    if !answer.status.is_ok() {
        return Ok(Possession::new(Proof::NoResult, refusal(answer.status)));
    }
    Ok(match challenge.proved_by(&answer) {
        Ok(()) => Possession::new(Proof::Proved, "the card used its key on a fresh challenge"),
        Err(error @ ProofError::OpenSsl) => Possession::new(Proof::NoResult, error.to_string()),
        Err(error) => Possession::new(Proof::Failed, error.to_string()),
    })
}

fn refusal(status: Status) -> String {
    let why = match status {
        Status::CONDITIONS_NOT_SATISFIED => ": no key works before the holder has chosen a PIN",
        Status::SECURITY_NOT_SATISFIED => ": it does not take the key's PIN as given",
        Status::INCORRECT_P1_P2 | Status::REFERENCED_DATA_NOT_FOUND => {
            ": it has no such key, or one of another algorithm than the certificate's"
        }
        Status::WRONG_DATA | Status::FUNCTION_NOT_SUPPORTED => ": it does not do with this key what the key is for",
        _ => "",
    };
    format!("the card refused to use the key ({INS_GENERAL_AUTHENTICATE:02X} -> {status}){why}")
}

fn judge(case: &Case<'_>) -> Found {
    let signature = format!("{:02X}", KeyReference::Signature as u8);
    let with = |state: Proof| case.certificates.iter().filter(move |line| line.possession.state == state);
    let named = |state: Proof| with(state).map(|line| line.key.as_str()).collect::<Vec<_>>().join(", ");
    if case.certificates.is_empty() {
        return Found::new(Outcome::NotSupported, "there is no certificate on this card");
    }
    if let Some(line) = with(Proof::Failed).next() {
        return Found {
            remedy: Some("Do not rely on the certificates; keep the card and report it.".to_owned()),
            ..Found::failed(format!("the card does not have the key of {}: {}", line.key, line.possession.reason))
        };
    }
    let mut open = case.certificates.iter().filter(|line| line.key != signature);
    let open = open.find(|line| line.possession.state != Proof::Proved);
    if let Some(line) = open {
        return Found::undetermined(format!("{}: {}", line.key, line.possession.reason));
    }
    let proved = named(Proof::Proved);
    // 9E works for whoever is near the card, and its certificate need not name the holder: it vouches for no other one.
    if with(Proof::Proved).all(CertificateLine::is_of_card) {
        let reason = "there is no certificate of a key that a reader has the holder prove: 9A or 9D";
        return Found::not_judged(reason, "Let the holder sign something of his own, and verify that.");
    }
    let mut reason = format!("the card has proved: {proved}");
    if case.certificates.iter().any(|line| line.key == signature) {
        let _ = write!(reason, "; not asked: {signature}, the signature key signs nothing for a reader");
    }
    Found::successful(reason)
}
