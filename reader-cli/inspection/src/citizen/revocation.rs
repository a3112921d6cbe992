//! Are the certificates revoked? By the lists of the citizen CAs that are believed, each about its part (RFC 5280 §5, §6.3).

use std::slice;

use jiff::Timestamp;
use serde::Serialize;
use trust::{Certificate, Crl, Outcome, chain};

use super::checks::{Case, Check, Found};
use super::report::{Basis, Judgement};

/// What the revocation lists say of a certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Revocation {
    /// What they say.
    pub state: Status,
    /// By which list, or why nothing is known.
    pub reason: String,
    /// Since when it is revoked.
    pub since: Option<Timestamp>,
}

/// Whether a certificate is revoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// A fresh list of its issuer does not name it.
    NotRevoked,
    /// A list of its issuer names it.
    Revoked,
    /// Nobody who is believed says anything.
    Unknown,
}

pub(super) const REVOCATION: Check = Check {
    id: "certificates-revocation",
    title: "Revocation of the certificates",
    source: "RFC 5280 §6.3",
    explanation: "No certificate may stand on the revocation lists of its citizen CA, and the newest list about it must be fresh. A list \
        counts only when the citizen CA signed it with the key that signed the certificate. A certificate that was revoked once stays so, however old the list, \
        unless it was only on hold.",
    remedy: "Fetch the newest revocation lists of the citizen CA and name them with --crl, or put them into citizen-crl in the trust store.",
    failed: Judgement::Revoked,
    unjudged: Judgement::NotJudged,
    open: "revocation",
    of_residence: false,
    judge,
};

impl Revocation {
    pub(super) fn unknown(reason: impl Into<String>) -> Self {
        Revocation { state: Status::Unknown, reason: reason.into(), since: None }
    }
}

/// What the lists say of a certificate that the key of this believed citizen CA signed. Only lists of the same key count: a CA of
/// the same name with another key may publish at the same address.
pub(super) fn status(certificate: &Certificate, authority: &Certificate, basis: &Basis<'_>) -> Revocation {
    if basis.lists.is_empty() {
        return Revocation::unknown("no revocation list was given");
    }
    let about = basis.lists.iter().filter(|list| list.covers(certificate));
    let (lists, strangers): (Vec<&Crl>, Vec<&Crl>) =
        about.partition(|list| chain::issuer_of_list(list, slice::from_ref(authority)).is_some());
    // The newest one; one of the future only when there is no other.
    let newest = lists.iter().max_by_key(|list| (list.this_update() <= basis.now, list.this_update()));
    let Some(newest) = newest else {
        return Revocation::unknown(missing(certificate, strangers.len()));
    };
    let serial = certificate.serial();
    let counts = |list: &Crl| list == *newest || !list.is_held(serial);
    let revoked = lists.iter().filter(|list| counts(list));
    let revoked = revoked.filter_map(|list| Some((list.revoked_since(serial)?, list.reason(serial))));
    if let Some((since, why)) = revoked.min_by_key(|(since, _)| *since) {
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        let reason = format!("revoked since {since}{why}");
        return Revocation { state: Status::Revoked, reason, since: Some(since) };
    }
    if basis.now > newest.next_update() {
        return Revocation::unknown(format!("the revocation list is out of date since {}", newest.next_update()));
    }
    if basis.now < newest.this_update() {
        return Revocation::unknown(format!("the revocation list is of the future: {}", newest.this_update()));
    }
    let reason = format!("not revoked; list of {}", newest.this_update());
    Revocation { state: Status::NotRevoked, reason, since: None }
}

fn missing(certificate: &Certificate, strangers: usize) -> String {
    if strangers > 0 {
        return "the revocation lists in its issuer's name were not signed by the key that signed it".to_owned();
    }
    let points = &certificate.extensions().distribution_points;
    let published = points.first().map(|point| format!("; it is published at {point}")).unwrap_or_default();
    format!("no list that was given is about this certificate{published}")
}

fn judge(case: &Case<'_>) -> Found {
    let with = |state: Status| case.certificates.iter().find(move |line| line.revocation.state == state);
    if case.certificates.is_empty() {
        return Found::new(Outcome::NotSupported, "there is no certificate on this card");
    }
    if let Some(line) = with(Status::Revoked) {
        return Found {
            remedy: Some("Do not rely on this card's certificates; ask the issuer about the card.".to_owned()),
            ..Found::failed(format!("the certificate of {} is {}", line.key, line.revocation.reason))
        };
    }
    match with(Status::Unknown) {
        Some(line) => Found::undetermined(format!("{}: {}", line.key, line.revocation.reason)),
        None => Found::successful("no certificate is on a revocation list of its citizen CA"),
    }
}
