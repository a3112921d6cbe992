//! The certificates of the holder's keys: who issued them, and to whom?

use eid::certificate::{CertificateError, Container};
use eid::keys::KeyReference;
use jiff::Timestamp;
use trust::{Certificate, Outcome};

use super::State;
use super::checks::{Case, Check, Found};
use super::possession::{Possession, Proof};
use super::report::{Basis, CertificateLine, Judgement};
use super::revocation::{self, Revocation, Status};

pub(super) const DOCUMENT: Check = Check {
    id: "certificates-document",
    title: "Certificates of this document",
    source: "Bitaqa, citizen CA; 9303-3 §4.2.2",
    explanation: "The citizen CA writes the number of the card into the subject of its certificates. It is compared with the number of the \
        travel document on the same card, once the document's data and chip are proved. A failure says that certificates of another card \
        were put on this one.",
    remedy: "Read the travel document too: give the card access number with --can, or the MRZ.",
    failed: Judgement::DifferentHolders,
    unjudged: Judgement::NotJudged,
    open: "that the certificates are of this card",
    of_residence: false,
    judge: document,
};

fn document(case: &Case<'_>) -> Found {
    let of_holder = case.certificates.iter().filter(|line| !line.is_of_card());
    let numbers: Vec<_> = of_holder.map(|line| line.number.as_deref()).collect();
    if numbers.is_empty() {
        return Found::new(Outcome::NotSupported, "there is no certificate of the holder on this card");
    }
    let Some(document) = case.basis.document else {
        if !case.travel_document {
            return Found::new(Outcome::NotSupported, "there is no travel document on this card");
        }
        return Found::undetermined("the travel document was not read, so which card it is is not known");
    };
    let Some(holder) = case.basis.authentic_holder() else {
        let verdict = document.verdict.word();
        let reason =
            format!("the travel document on this card is {verdict}: what it says of its number proves nothing");
        return Found::not_judged(reason, "Judge the travel document first: bitaqa-reader verify.");
    };
    let Some(own) = holder.document_number.as_deref() else {
        return Found::not_judged("the travel document has no number", "Read the travel document again.");
    };
    if numbers.iter().flatten().any(|number| *number != own) {
        return Found {
            remedy: Some("Do not rely on the certificates; keep the card and report it.".to_owned()),
            ..Found::failed("a certificate names another document than the travel document on this card")
        };
    }
    match numbers.iter().all(Option::is_some) {
        true => Found::successful("the certificates name the number of the travel document"),
        false => Found::not_judged("a certificate names no document", "Ask the issuer of the certificates."),
    }
}

/// Whether the holder's certificates name more than one. That of 9E is left out: it may name the card (FIPS 201-2 §4.2.2.2).
pub(super) fn different_holders(certificates: &[CertificateLine]) -> Option<Judgement> {
    let mut subjects = certificates.iter().filter(|line| !line.is_of_card()).filter_map(|line| line.subject.as_ref());
    let first = subjects.next()?;
    subjects.any(|subject| subject != first).then_some(Judgement::DifferentHolders)
}

impl CertificateLine {
    /// Whether it is that of the card's own key.
    pub(super) fn is_of_card(&self) -> bool {
        self.key == format!("{:02X}", KeyReference::CardAuthentication as u8)
    }
}

/// What is said of the certificate of one key.
pub(super) fn line(key: KeyReference, state: &State, possession: Possession, basis: &Basis<'_>) -> CertificateLine {
    let none = |judgement: Judgement, reason: String| CertificateLine {
        key: format!("{:02X}", key as u8),
        object: key.certificate().name,
        subject: None,
        number: None,
        issuer: None,
        serial: None,
        not_before: None,
        not_after: None,
        judgement,
        reason,
        possession: possession.clone(),
        revocation: Revocation::unknown("who issued the certificate is not established"),
    };
    let content = match state {
        State::Read(content) => content,
        State::Malformed => return none(Judgement::Forged, "it is no data object".to_owned()),
        State::Protected => return none(Judgement::NotJudged, "the card does not show it here".to_owned()),
        State::Refused(status) => return none(Judgement::NotJudged, format!("the card does not show it ({status})")),
    };
    let der = match Container::parse(content).and_then(|container| container.der()) {
        Ok(der) => der,
        // Allowed, and nothing against the card.
        Err(error @ CertificateError::Compressed) => return none(Judgement::NotJudged, error.to_string()),
        Err(error) => return none(Judgement::Forged, error.to_string()),
    };
    let certificate = match Certificate::from_der(der) {
        Ok(certificate) => certificate,
        Err(error) => return none(Judgement::Forged, error.to_string()),
    };
    let Judged { judgement, reason, authority } = judged(&certificate, basis.authorities, basis.now);
    let revocation = match authority {
        Some(authority) => revocation::status(&certificate, authority, basis),
        None => Revocation::unknown("who issued the certificate is not established"),
    };
    let (judgement, reason) = match (possession.state, revocation.state) {
        (Proof::Failed, _) => (Judgement::Forged, format!("the card does not have its key: {}", possession.reason)),
        (_, Status::Revoked) => (Judgement::Revoked, revocation.reason.clone()),
        _ => (judgement, reason),
    };
    CertificateLine {
        subject: Some(certificate.subject().to_string()),
        number: certificate.subject().serial_number().map(str::to_owned),
        issuer: Some(certificate.issuer().to_string()),
        serial: Some(hex::encode(certificate.serial())),
        not_before: Some(certificate.not_before()),
        not_after: Some(certificate.not_after()),
        judgement,
        reason,
        revocation,
        ..none(judgement, String::new())
    }
}

/// What is said of a certificate by itself, and whose it is.
struct Judged<'a> {
    judgement: Judgement,
    reason: String,
    /// The believed citizen CA whose key signed it.
    authority: Option<&'a Certificate>,
}

fn judged<'a>(certificate: &Certificate, authorities: &'a [Certificate], now: Timestamp) -> Judged<'a> {
    let without = |judgement, reason: &str| Judged { judgement, reason: reason.to_owned(), authority: None };
    if authorities.is_empty() {
        return without(Judgement::NotJudged, "no citizen CA was given");
    }
    let named: Vec<_> = authorities.iter().filter(|it| it.subject().matches(certificate.issuer())).collect();
    if named.is_empty() {
        return without(Judgement::UntrustedIssuer, "its issuer is none of the citizen CAs that were given");
    }
    let signs = |it: &&'a Certificate| {
        let may = it.is_authority() && it.extensions().key_usage.is_some_and(|usage| usage.key_cert_sign());
        may && certificate.verify_signature(it.public_key()).is_ok()
    };
    let in_force = |it: &Certificate| (it.not_before()..=it.not_after()).contains(&now);
    // A CA may have several certificates for one key.
    let signers: Vec<_> = named.into_iter().filter(signs).collect();
    let Some(authority) = signers.iter().find(|it| in_force(it)).or(signers.first()).copied() else {
        return without(Judgement::Forged, "the citizen CA that it names did not sign it");
    };
    if certificate.is_authority() {
        return without(Judgement::Forged, "it is a certificate of an authority, not of a citizen");
    }
    let (judgement, reason) = match (in_force(certificate), in_force(authority)) {
        (true, true) => (Judgement::Good, "signed by the citizen CA, and in force"),
        (false, _) if now < certificate.not_before() => (Judgement::NotInForce, "not in force yet"),
        (false, _) => (Judgement::NotInForce, "expired"),
        (true, false) => (Judgement::NotInForce, "its citizen CA is not in force"),
    };
    Judged { judgement, reason: reason.to_owned(), authority: Some(authority) }
}
