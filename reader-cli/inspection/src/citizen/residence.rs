//! The residence record: who signed it, is it of this holder, and since when? The signer is judged by the rules of EF.SOD's, and may be
//! a residence signer too.

use eid::residence::SignedResidence;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use trust::chain::{Document, id};
use trust::security_object;
use trust::{Finding, Outcome, TrustStore};

use super::State;
use super::checks::{Case, Check, Found};
use super::report::{Basis, CertificateLine, Judgement};

const OWN: &str = "Bitaqa, national file set";
const OPEN: &str = "the residence record";

pub(super) const RECORD: Check = Check {
    id: "residence-record",
    title: "Residence record",
    source: OWN,
    explanation: "The card shows its residence record after the holder's PIN. It must be a record of a version that this program knows, \
        with a signature beside it. A card without a record is as good as one with it.",
    remedy: "Read the card again; if it stays so, do not use the address and report the card.",
    failed: Judgement::Forged,
    unjudged: Judgement::NotJudged,
    open: OPEN,
    of_residence: true,
    judge: record,
};

pub(super) const SIGNATURE: Check = Check {
    id: "residence-signature",
    title: "Signature of the residence record",
    source: "RFC 5652 §5, Bitaqa, national file set",
    explanation: "The signature beside the record must verify over the bytes that were read. A failure says that this address is not what \
        the issuer signed.",
    remedy: "Read the card again; if it fails again, do not use the address and report the card.",
    failed: Judgement::Forged,
    unjudged: Judgement::NotJudged,
    open: OPEN,
    of_residence: true,
    judge: signature,
};

pub(super) const SIGNER: Check = Check {
    id: "residence-signer",
    title: "Signer of the residence record",
    source: "9303-12 §7, RFC 5280 §4.2.1.12, TR-03135-1 §5.6.3",
    explanation: "The record must be signed under a country signing CA of the trust bundle, by a document signer whose list has this \
        document's type or by a residence signer, whose certificate says that it signs residence records and nothing else. If it is \
        not, nobody trusted here vouches for the address.",
    remedy: "Install the newest trust bundle; if nobody known signed the record, do not use the address.",
    failed: Judgement::UntrustedIssuer,
    unjudged: Judgement::UntrustedIssuer,
    open: OPEN,
    of_residence: true,
    judge: signer,
};

pub(super) const VALIDITY: Check = Check {
    id: "residence-signer-validity",
    title: "Validity of the record's signer",
    source: "9303-12 §7.1, TR-03135-1 §5.6.3",
    explanation: "The certificates of the record's signer and of its country signing CA must be in force at the time of inspection.",
    remedy: "Check the clock of this computer; install the newest trust bundle.",
    failed: Judgement::NotInForce,
    unjudged: Judgement::NotJudged,
    open: OPEN,
    of_residence: true,
    judge: |case| worst(case, &[id::ANCHOR_VALIDITY, id::SIGNER_VALIDITY], &[]),
};

pub(super) const REVOCATION: Check = Check {
    id: "residence-signer-revocation",
    title: "Revocation of the record's signer",
    source: "9303-12 §7.3, TR-03135-1 §5.6.3",
    explanation: "The record's signer must not stand on its CSCA's revocation list, and that list and the trust bundle must be fresh. A \
        revoked signer may have signed for someone else.",
    remedy: "Install the newest trust bundle; for a revoked signer ask the residence office about this holder.",
    failed: Judgement::UntrustedIssuer,
    unjudged: Judgement::NotJudged,
    open: OPEN,
    of_residence: true,
    judge: |case| worst(case, &[id::REVOCATION, id::BUNDLE], &[]),
};

pub(super) const SIGNING_TIME: Check = Check {
    id: "residence-signing-time",
    title: "Time of signature within the signer's key period",
    source: "9303-12 §4.1.1.2, RFC 5652 §11.3",
    explanation: "The signer says when it signed the record. Its key must have been in use then, and the time must not be to come: another \
        time points at a wrong clock, here or at the issuer, or at a key that was misused after its time.",
    remedy: "Check the clock of this machine; otherwise report the card to the residence office.",
    failed: Judgement::UntrustedIssuer,
    unjudged: Judgement::NotJudged,
    open: OPEN,
    of_residence: true,
    judge: signing_time,
};

pub(super) const ENTRY: Check = Check {
    id: "residence-entry",
    title: "Date and office of the entry",
    source: OWN,
    explanation: "The record names the office that made the entry and its day, which is neither to come nor after the signature. The record \
        does not say whether the holder moved afterwards: only the residence register knows the newest entry.",
    remedy: "Check the clock of this machine; otherwise ask the office that the record names.",
    failed: Judgement::NotInForce,
    unjudged: Judgement::NotJudged,
    open: OPEN,
    of_residence: true,
    judge: entry,
};

pub(super) const HOLDER: Check = Check {
    id: "residence-holder",
    title: "Record of this card's holder",
    source: "Bitaqa, national file set; 9303-10 §4.7.11",
    explanation: "The record names its holder by the national number. It is compared with that of the travel document on the same card, \
        once the document's data and chip are proved. A failure says that a good record of somebody else was put on this card. Certificates \
        and CHUID do not carry the number.",
    remedy: "Read the travel document too: give the card access number with --can, or the MRZ.",
    failed: Judgement::DifferentHolders,
    unjudged: Judgement::NotJudged,
    open: OPEN,
    of_residence: true,
    judge: holder,
};

const NO_TRUST: &str = "no trust bundle is installed";

impl<'a> Case<'a> {
    pub(super) fn new(basis: &'a Basis<'a>, certificates: &'a [CertificateLine], object: Option<&'a State>) -> Self {
        let content = match object {
            Some(State::Read(content)) => Some(SignedResidence::parse(content)),
            _ => None,
        };
        let record = content.as_ref().map(|content| match content {
            Ok(signed) => signed.residence().map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        });
        let signed = content.and_then(Result::ok).zip(basis.store);
        let signed = signed.map(|(content, store)| judged(&content, store, basis));
        Case { basis, certificates, travel_document: true, object, record, signed }
    }

    /// Why there is nothing to judge; `None` when there is a record.
    fn without(&self) -> Option<Found> {
        Some(match self.object {
            None => Found::new(Outcome::NotSupported, "there is no residence record on this card"),
            Some(State::Protected) => Found::not_judged(
                "the residence record was not read: the card shows it after the holder's PIN only",
                "Ask the holder for the PIN and read with --pin.",
            ),
            Some(State::Refused(status)) => {
                Found::new(Outcome::Aborted, format!("the card does not give its residence record ({status})"))
            }
            Some(State::Malformed) => Found::failed("the card answers with something that is no data object"),
            Some(State::Read(_)) => return None,
        })
    }

    /// The same for what is judged of a record that can be read.
    fn without_record(&self) -> Option<Found> {
        let cannot = Found::undetermined("there is no residence record that can be read");
        match (self.without(), &self.record) {
            (Some(found), _) if found.outcome != Outcome::Failed => Some(found),
            (Some(_), _) | (None, Some(Err(_))) => Some(cannot),
            (None, _) => None,
        }
    }

    /// The findings about the signature, or why there are none.
    fn findings(&self) -> Result<&security_object::Judgement<trust::Record>, Found> {
        if let Some(found) = self.without_record() {
            return Err(Found { points_at: Some(Judgement::NotJudged), ..found });
        }
        match &self.signed {
            Some(Ok(signed)) => Ok(signed),
            Some(Err(_)) => Err(Found::undetermined("there is no signature that can be read")),
            None => Err(Found::not_judged(NO_TRUST, "Install the trust bundle: bitaqa-reader trust install.")),
        }
    }
}

fn judged(
    content: &SignedResidence<'_>,
    store: &TrustStore,
    basis: &Basis<'_>,
) -> Result<security_object::Judgement<trust::Record>, String> {
    let signed = security_object::parse_record(content.signature, content.record).map_err(|error| error.to_string())?;
    let holder = basis.authentic_holder();
    let document = Document {
        now: basis.now,
        code: holder.and_then(|holder| holder.document_code.clone()),
        issuing_state: holder.and_then(|holder| holder.issuing_state.clone()),
        // The record has a date of its own: the time of its signature is what stands against the signer's key.
        issued: None,
    };
    Ok(signed.judge(store, &document))
}

fn record(case: &Case<'_>) -> Found {
    if let Some(found) = case.without() {
        return found;
    }
    match &case.record {
        Some(Ok(record)) => {
            Found::successful(format!("entered on {} by the office {}", record.date, named(&record.office)))
        }
        Some(Err(reason)) => Found::failed(format!("it is no residence record: {reason}")),
        None => Found::undetermined("there is no residence record"),
    }
}

fn named(office: &str) -> &str {
    if office.trim().is_empty() { "(not named)" } else { office }
}

fn signature(case: &Case<'_>) -> Found {
    if let (None, Some(Err(reason))) = (case.without_record(), &case.signed) {
        return Found::failed(format!("what stands beside the record is no signature: {reason}"));
    }
    match case.findings() {
        Ok(signed) => (&signed.signature).into(),
        Err(found) => found,
    }
}

/// Who signed. Type and State are known only once the travel document was read: without it only a contradiction counts, and
/// [`HOLDER`] has no result.
fn signer(case: &Case<'_>) -> Found {
    worst(case, &[id::CERTIFICATE_SIGNATURE, id::TRUST, id::KEY_USAGE], &[id::DOCUMENT_TYPE, id::COUNTRY])
}

/// The first that failed, else the first `needed` one without result, else the first.
fn worst(case: &Case<'_>, needed: &[&str], when_failed: &[&str]) -> Found {
    let signed = match case.findings() {
        Ok(signed) => signed,
        Err(found) => return found,
    };
    let Some(chain) = &signed.chain else {
        return Found::undetermined("the record's signer is not established");
    };
    let all = |ids: &[&str]| ids.iter().filter_map(|id| chain.finding(id)).collect::<Vec<_>>();
    let (needed, others) = (all(needed), all(when_failed));
    let failed = needed.iter().chain(&others).find(|finding| finding.is_failed());
    let open = || needed.iter().find(|finding| !finding.is_successful());
    match failed.or_else(open).or(needed.first()) {
        Some(finding) => (*finding).into(),
        None => Found::undetermined("the record's signer is not established"),
    }
}

fn signing_time(case: &Case<'_>) -> Found {
    match case.findings() {
        Ok(signed) => match &signed.signing_time {
            // A record that does not say it leaves the key's time open.
            Some(Finding { outcome: Outcome::NotSupported, reason, .. }) => Found::undetermined(reason.clone()),
            Some(finding) => finding.into(),
            None => Found::undetermined("the record's signer is not established"),
        },
        Err(found) => found,
    }
}

fn entry(case: &Case<'_>) -> Found {
    if let Some(found) = case.without_record() {
        return found;
    }
    let Some(Ok(record)) = &case.record else { return Found::undetermined("there is no residence record") };
    let Some(day) = civil(record.date) else {
        return Found::undetermined(format!("the day of entry is not known: {}", record.date));
    };
    if let Err(missing) = record.complete() {
        return Found::undetermined(format!("entered on {day}; {missing}"));
    }
    // A day in the issuing State: it has come as soon as it has anywhere on earth.
    if day > latest_day(case.basis.now) {
        return Found::failed(format!("entered on {day}, which is still to come"));
    }
    let signed = signed_at(case);
    if let Some(signed) = signed.filter(|signed| day > latest_day(*signed)) {
        return Found::failed(format!("entered on {day}, after it was signed on {signed}"));
    }
    let signed = signed.map(|signed| format!(", signed on {signed}")).unwrap_or_default();
    Found::successful(format!("entered on {day} by the office {}{signed}", record.office))
}

fn holder(case: &Case<'_>) -> Found {
    if let Some(found) = case.without_record() {
        return found;
    }
    let Some(Ok(record)) = &case.record else { return Found::undetermined("there is no residence record") };
    let Some(document) = case.basis.document else {
        return Found::undetermined("the travel document was not read, so whose card it is is not known");
    };
    let Some(holder) = case.basis.authentic_holder() else {
        let verdict = document.verdict.word();
        let reason =
            format!("the travel document on this card is {verdict}: what it says of its holder proves nothing");
        return Found::not_judged(reason, "Judge the travel document first: bitaqa-reader verify.");
    };
    match holder.national_number.as_deref().filter(|number| !number.is_empty()) {
        None => {
            Found::not_judged("the travel document carries no national number", "Ask the holder's civil-status office.")
        }
        Some(number) if number == record.national_number => {
            Found::successful("the record names the holder of the travel document")
        }
        Some(_) => Found {
            remedy: Some("Do not use the address; keep the card and report it.".to_owned()),
            ..Found::failed("the record names another holder than the travel document")
        },
    }
}

/// When the record's signer says it signed, whoever it is.
pub(super) fn signed_at(case: &Case<'_>) -> Option<Timestamp> {
    let content = match case.object {
        Some(State::Read(content)) => SignedResidence::parse(content).ok()?,
        _ => return None,
    };
    let signed = security_object::parse_record(content.signature, content.record).ok()?;
    signed.signed_data().signers().first()?.signing_time()
}

/// Who signed, by his certificate; nothing is said of whether he may.
pub(super) fn signer_name(case: &Case<'_>) -> Option<String> {
    let signed = case.signed.as_ref()?.as_ref().ok()?;
    signed.chain.as_ref().map(|chain| chain.signer.subject().to_string())
}

fn civil(date: lds::date::Date) -> Option<Date> {
    let (year, month, day) = (date.year()?, date.month()?, date.day()?);
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// The day where it is latest on earth.
fn latest_day(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::fixed(Offset::constant(14))).date()
}
