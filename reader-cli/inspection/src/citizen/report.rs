//! What is said of a citizen application in the end.

use eid::chuid::Chuid;
use eid::keys::KeyReference;
use eid::objects::{CARD_HOLDER_UNIQUE_IDENTIFIER, Object, RESIDENCE, STATUS_HINT};
use eid::status_hint::{CardStatus, StatusHint};
use jiff::Timestamp;
use serde::Serialize;
use trust::{Certificate, Crl, Leniency, TrustStore};

use super::checks::{CHECKS, Case, Check, Found};
use super::possession::Possession;
use super::revocation::Revocation;
use super::{PinState, Seen, State, certificates, residence};
use crate::holder::Holder;
use crate::report::CheckResult;
use crate::verdict::Verdict;

/// The check of a travel document that has no result where the portrait was not read.
const PORTRAIT: &str = "dg2-integrity";

/// What is said of a certificate, or of a residence record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// A certificate: signed by a citizen CA that is believed, and in force. A record: every check is successful. A card: so is every
    /// certificate, the card has their keys, none is revoked, and nothing is open.
    Good,
    /// Of a card: so is every certificate, but what [`Report::not_judged`] lists is open.
    CertificatesGood,
    /// Something that is needed was not given: a citizen CA, a trust bundle, the PIN, the travel document.
    NotJudged,
    /// The certificate, the record's signer, or its CA is not in force.
    NotInForce,
    /// The certificate is revoked by its citizen CA, or the travel document by its issuer.
    Revoked,
    /// Issued by somebody else.
    UntrustedIssuer,
    /// The certificates, or the record and the travel document, name different holders.
    DifferentHolders,
    /// It claims a believed issuer who did not sign it, was altered, or is nothing of the kind; the card does not have its key; or it
    /// is on a card whose travel document is no better.
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
    /// The number in it that tells apart who has the same name: that of the card, where this project's CA issued it.
    pub number: Option<String>,
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
    /// Whether the card has its key.
    pub possession: Possession,
    /// Whether it is revoked.
    pub revocation: Revocation,
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
    /// The residence record, where the card has a national file set.
    pub residence: Option<ResidenceLine>,
    /// What a terminal last knew of the card, for the holder's convenience. It proves nothing.
    pub status_hint: Option<HintLine>,
    /// The travel document on the same card, where it was read too.
    pub document: Option<DocumentLine>,
    /// Every check, in the order of [`super::checks::CHECKS`].
    pub checks: Vec<CheckResult>,
    /// The worst of the certificates, and of the record where something is wrong with it; nothing is judged where there is none, and
    /// nothing is good while something is not judged.
    pub judgement: Judgement,
    /// What is open: nobody asked, or there was no result.
    pub not_judged: Vec<&'static str>,
    /// Why the card was not asked for everything; `null` when it was.
    pub interrupted: Option<String>,
}

/// The residence record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ResidenceLine {
    /// `absent`, `read`, `protected`, `malformed` or `refused`.
    pub state: &'static str,
    /// What is said of it; `null` when there is none.
    pub judgement: Option<Judgement>,
    /// What it says, judged or not; `null` when it was not read.
    pub record: Option<RecordLine>,
    /// What was tolerated while its signature was judged; `text()` says each in words.
    pub leniencies: Vec<Leniency>,
}

/// What a residence record says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RecordLine {
    /// The holder's national number.
    pub national_number: String,
    /// The day of the entry, ISO 8601, shortened where something is unknown.
    pub date: String,
    /// Code of the office that made it.
    pub office: String,
    /// When it was signed, by the signer's clock.
    pub signed_at: Option<Timestamp>,
    /// Subject of the signer's certificate; `null` without a trust bundle, or where the certificate is not at hand.
    pub signer: Option<String>,
    /// Governorate (muhafaza).
    pub governorate: String,
    /// District (qadha).
    pub district: String,
    /// Sub-district (nahiya).
    pub sub_district: String,
    /// Quarter (mahalla).
    pub quarter: String,
    /// Lane (zuqaq).
    pub lane: String,
    /// House (dar).
    pub house: String,
}

/// The status hint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct HintLine {
    /// `inactive`, `active`, `suspended` or `revoked`; `unreadable` for something else.
    pub status: &'static str,
    /// The day it was written, ISO 8601.
    pub date: Option<String>,
}

/// The travel document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DocumentLine {
    /// Its verdict, without the portrait.
    pub verdict: Verdict,
    /// Its number; `null` unless it is authentic.
    pub number: Option<String>,
}

/// What is judged by.
#[derive(Clone, Copy)]
pub struct Basis<'a> {
    /// The citizen CAs that are believed.
    pub authorities: &'a [Certificate],
    /// Revocation lists, of whomever.
    pub lists: &'a [Crl],
    /// The trust bundle for the residence record; without one it is not judged.
    pub store: Option<&'a TrustStore>,
    /// The travel document of the same card, judged; without it nobody knows whose card it is.
    pub document: Option<&'a crate::Report>,
    /// The time of inspection.
    pub now: Timestamp,
}

impl Basis<'_> {
    /// Whom the travel document names, when its data and its chip are proved.
    pub(super) fn authentic_holder(&self) -> Option<&Holder> {
        let document = self.document.filter(|document| document.verdict.is_genuine())?;
        document.holder.as_ref().filter(|holder| holder.authentic)
    }
}

/// Judges what was read.
pub fn judge(seen: &Seen, basis: &Basis<'_>) -> Report {
    let chuid = content(&seen.objects, &CARD_HOLDER_UNIQUE_IDENTIFIER).and_then(|content| Chuid::parse(content).ok());
    let certificates: Vec<_> = KeyReference::ALL
        .into_iter()
        .filter_map(|key| {
            let (_, state) = seen.objects.iter().find(|(object, _)| *object == key.certificate())?;
            Some(certificates::line(key, state, seen.possession(key), basis))
        })
        .collect();
    let residence = seen.national.iter().flatten().find(|(object, _)| **object == RESIDENCE).map(|(_, state)| state);
    let case = Case { travel_document: seen.travel_document, ..Case::new(basis, &certificates, residence) };
    let found: Vec<_> = CHECKS.iter().map(|check| (check, (check.judge)(&case))).collect();
    let said = |of_residence: bool| worst_of(&found, of_residence);
    let of_residence = residence.map(|_| said(true).unwrap_or(Judgement::Good));
    let open = found.iter().filter(|(check, found)| found.points_at(check) == Some(Judgement::NotJudged));
    let mut not_judged: Vec<_> = open.map(|(check, _)| check.open).collect();
    not_judged.extend(document_open(basis.document));
    not_judged
        .extend((seen.pin == PinState::Default).then_some("whether the holder uses the card: everybody knows its PIN"));
    not_judged.extend(seen.interrupted.is_some().then_some("what the card was not asked any more"));
    not_judged.dedup();
    let worst =
        certificates.iter().map(|line| line.judgement).chain(certificates::different_holders(&certificates)).max();
    let worst = match worst.unwrap_or(Judgement::NotJudged) {
        Judgement::Good if !not_judged.is_empty() => Judgement::CertificatesGood,
        worst => worst,
    };
    // What is open of the record leaves the certificates what they are; what is wrong with it, or with the card, does not.
    let of_document = basis.document.and_then(|document| match document.verdict {
        Verdict::NotGenuine | Verdict::CloneSuspect => Some(Judgement::Forged),
        Verdict::UntrustedIssuer => Some(Judgement::UntrustedIssuer),
        Verdict::GenuineRevoked => Some(Judgement::Revoked),
        Verdict::GenuineExpired => Some(Judgement::NotInForce),
        _ => None,
    });
    let wrong =
        [of_residence, said(false), of_document].into_iter().flatten().filter(|said| *said > Judgement::NotJudged);
    let judgement = wrong.chain([worst]).max().unwrap_or(worst);
    let residence = seen.national.as_ref().map(|_| residence_line(&case, of_residence));
    let hint = content(seen.national.as_deref().unwrap_or_default(), &STATUS_HINT).map(hint);
    let checks = found.into_iter().map(|(check, found)| found.into_result(check)).collect();
    let document = basis.document.map(|document| DocumentLine {
        verdict: document.verdict,
        number: basis.authentic_holder().and_then(|holder| holder.document_number.clone()),
    });
    Report {
        version: 1,
        application: seen.label.clone(),
        card: chuid.as_ref().map(|chuid| hex::encode(chuid.guid)),
        expires: chuid.map(|chuid| chuid.expiry.to_digits()),
        pin: seen.pin,
        tries: seen.tries,
        objects: seen.objects.iter().map(|(object, state)| described(object, state)).collect(),
        residence,
        status_hint: hint,
        document,
        checks,
        judgement,
        not_judged,
        interrupted: seen.interrupted.clone(),
        certificates,
    }
}

/// What is open of the travel document. That its portrait was left out says nothing of the certificates.
fn document_open(document: Option<&crate::Report>) -> Option<&'static str> {
    let document = document?;
    let for_portrait = document.because == [PORTRAIT];
    match document.verdict {
        Verdict::GenuineStatusUnknown if for_portrait => None,
        Verdict::GenuineStatusUnknown | Verdict::Unreadable => Some("whether the travel document is in force"),
        _ => None,
    }
}

/// Judges a residence record that is on no card yet, as [`judge`] will judge it on the card whose document `basis` holds.
pub fn judge_residence(content: &[u8], basis: &Basis<'_>) -> (Judgement, Vec<CheckResult>) {
    let object = State::Read(content.to_vec());
    let case = Case::new(basis, &[], Some(&object));
    let checks = CHECKS.iter().filter(|check| check.of_residence);
    let found: Vec<_> = checks.map(|check| (check, (check.judge)(&case))).collect();
    let judgement = worst_of(&found, true).unwrap_or(Judgement::Good);
    (judgement, found.into_iter().map(|(check, found)| found.into_result(check)).collect())
}

fn worst_of(found: &[(&Check, Found)], of_residence: bool) -> Option<Judgement> {
    let of = found.iter().filter(|(check, _)| check.of_residence == of_residence);
    of.filter_map(|(check, found)| found.points_at(check)).max()
}

fn content<'a>(objects: &'a [(&'static Object, State)], wanted: &Object) -> Option<&'a [u8]> {
    objects.iter().find(|(there, _)| *there == wanted).and_then(|(_, state)| match state {
        State::Read(content) => Some(content.as_slice()),
        _ => None,
    })
}

fn residence_line(case: &Case<'_>, judgement: Option<Judgement>) -> ResidenceLine {
    let record = case.record.as_ref().and_then(|record| record.as_ref().ok()).cloned().map(|record| RecordLine {
        national_number: record.national_number,
        date: record.date.to_string(),
        office: record.office,
        signed_at: residence::signed_at(case),
        signer: residence::signer_name(case),
        governorate: record.address.governorate,
        district: record.address.district,
        sub_district: record.address.sub_district,
        quarter: record.address.quarter,
        lane: record.address.lane,
        house: record.address.house,
    });
    let signed = case.signed.as_ref().and_then(|signed| signed.as_ref().ok());
    let leniencies = signed.map(|signed| signed.leniencies.clone()).unwrap_or_default();
    ResidenceLine { state: case.object.map_or("absent", word), judgement, record, leniencies }
}

fn hint(content: &[u8]) -> HintLine {
    let Ok(hint) = StatusHint::parse(content) else { return HintLine { status: "unreadable", date: None } };
    let status = match hint.status {
        CardStatus::Inactive => "inactive",
        CardStatus::Active => "active",
        CardStatus::Suspended => "suspended",
        CardStatus::Revoked => "revoked",
    };
    HintLine { status, date: Some(hint.date.to_string()) }
}

const fn word(state: &State) -> &'static str {
    match state {
        State::Read(_) => "read",
        State::Protected => "protected",
        State::Malformed => "malformed",
        State::Refused(_) => "refused",
    }
}

fn described(object: &Object, state: &State) -> ObjectLine {
    let bytes = match state {
        State::Read(content) => Some(content.len()),
        _ => None,
    };
    ObjectLine { tag: format!("{:02X}", object.tag.0), name: object.name, state: word(state), bytes }
}
