//! The rules that need no search: validity, key usage, key period, document type, country, age of the bundle.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::content::{Content, Mandate, RESIDENCE_CODE};
use super::id;
use crate::bundle::Policy;
use crate::certificate::Certificate;
use crate::outcome::Finding;
use crate::store::TrustStore;

/// Whether the trust bundle is neither of the future nor stale.
pub fn bundle(store: &TrustStore, now: Timestamp) -> Finding {
    let (number, end) = (store.number(), store.stale_after());
    if now < store.issued() {
        Finding::undetermined(
            id::BUNDLE,
            format!("the clock ({now}) is before the bundle was issued ({})", store.issued()),
        )
        .remedy("set the clock of this machine")
    } else if now > end {
        let why = if end < store.expires() { "is older than it may be, since" } else { "expired on" };
        Finding::undetermined(id::BUNDLE, format!("bundle {number} {why} {}", day(end)))
            .remedy(format!("install the newest trust bundle of {}", store.issuer()))
    } else {
        Finding::successful(id::BUNDLE, format!("bundle {number} is good until {}", day(end)))
    }
}

/// Both certificates must be valid at the time of inspection (TR-03135-1 §5.6.3).
pub(super) fn validity(id: &'static str, certificate: Option<&Certificate>, now: Timestamp) -> Finding {
    let Some(certificate) = certificate else { return Finding::undetermined(id, "the CSCA is not known") };
    let (start, end) = (certificate.not_before(), certificate.not_after());
    if now < start {
        Finding::failed(id, format!("valid from {} only", day(start))).remedy("check the clock of this machine")
    } else if now > end {
        Finding::failed(id, format!("expired on {}", day(end)))
    } else {
        Finding::successful(id, format!("valid until {}", day(end)))
    }
}

/// 9303-12 §7: the CSCA signs certificates and lists, the document signer signs data and is no authority.
pub(super) fn key_usage(signer: &Certificate, anchor: Option<&Certificate>) -> Finding {
    let extensions = signer.extensions();
    if let Some(oid) = extensions.unknown_critical.first() {
        return Finding::failed(id::KEY_USAGE, format!("the document signer has the unknown critical extension {oid}"));
    }
    if extensions.basic_constraints.is_some_and(|constraints| constraints.ca) {
        return Finding::failed(id::KEY_USAGE, "the document signer's certificate is that of an authority");
    }
    if !extensions.key_usage.is_some_and(|usage| usage.digital_signature()) {
        return Finding::failed(id::KEY_USAGE, "the document signer's key usage is not digitalSignature");
    }
    let Some(anchor) = anchor else {
        return Finding::undetermined(id::KEY_USAGE, "the document signer may sign data; the CSCA is not known");
    };
    let authority = anchor.extensions();
    if !authority.key_usage.is_some_and(|usage| usage.key_cert_sign())
        || !authority.basic_constraints.is_some_and(|constraints| constraints.ca)
    {
        return Finding::failed(id::KEY_USAGE, "the CSCA's certificate does not allow it to sign certificates");
    }
    Finding::successful(id::KEY_USAGE, "the CSCA may sign certificates, the document signer may sign data")
}

/// 9303-11 §5.1.1, best practice: the document was issued while the signer's key was in use.
pub(super) fn key_period(signer: &Certificate, issued: Option<Date>) -> Finding {
    let Some(period) = signer.extensions().private_key_usage else {
        return Finding::not_supported(id::KEY_PERIOD, "the document signer states no private key usage period");
    };
    let Some(issued) = issued else {
        return Finding::undetermined(id::KEY_PERIOD, "the document's date of issue is not known");
    };
    let start = period.not_before.unwrap_or(signer.not_before());
    let end = period.not_after.unwrap_or(signer.not_after());
    // The date of issue is a day in the issuing state: a day's tolerance covers every time zone.
    let lower = utc_day(start).yesterday().unwrap_or(Date::MIN);
    let upper = utc_day(end).tomorrow().unwrap_or(Date::MAX);
    let words = format!("issued on {issued}, key in use from {} to {}", day(start), day(end));
    if (lower..=upper).contains(&issued) {
        Finding::successful(id::KEY_PERIOD, words)
    } else {
        Finding::failed(id::KEY_PERIOD, words)
    }
}

/// 9303-11 §5.1.1, best practice: the signer may sign this content and type; without the list of types, it must be a plain document
/// signer. An extended key usage names all that its key is for (RFC 5280 §4.2.1.12), whatever the list says.
pub(super) fn document_type(content: Content, signer: &Certificate, code: Option<&str>) -> Finding {
    let extensions = signer.extensions();
    let mandate = Mandate::of(extensions);
    if let Some(reason) = content.outside(&mandate) {
        return Finding::failed(id::DOCUMENT_TYPE, reason);
    }
    if matches!(mandate, Mandate::Residence) {
        let reason = format!("a residence signer signs residence records: {RESIDENCE_CODE}");
        return Finding::successful(id::DOCUMENT_TYPE, reason);
    }
    let Some(types) = &extensions.document_types else {
        return if extensions.key_usage.is_some_and(|usage| usage.only_digital_signature()) {
            Finding::successful(id::DOCUMENT_TYPE, "the document signer is not limited to types of documents")
        } else {
            Finding::failed(id::DOCUMENT_TYPE, "the certificate is not that of a document signer")
        };
    };
    let list = types.join(", ");
    let Some(code) = code.map(|code| code.trim_end_matches('<')).filter(|code| !code.is_empty()) else {
        return Finding::undetermined(
            id::DOCUMENT_TYPE,
            format!("the document's code is not known; the signer signs {list}"),
        );
    };
    // 9303-12 §7: a single letter stands for every code that starts with it.
    let allowed = |entry: &String| {
        let entry = entry.trim_end_matches('<');
        entry == code || (entry.len() == 1 && code.starts_with(entry))
    };
    if types.iter().any(allowed) {
        Finding::successful(id::DOCUMENT_TYPE, format!("a document of type {code} may be signed: {list}"))
    } else {
        Finding::failed(id::DOCUMENT_TYPE, format!("a document of type {code:?} may not be signed: {list}"))
    }
}

/// 9303-11 §5.1.1, best practice: one state in certificates and document.
pub(super) fn country(
    signer: &Certificate,
    anchor: Option<&Certificate>,
    policy: &Policy,
    state: Option<&str>,
) -> Finding {
    let Some(country) = signer.subject().country() else {
        return Finding::failed(id::COUNTRY, "the document signer's name has no country");
    };
    let same = |other: Option<&str>| other.is_some_and(|other| other.eq_ignore_ascii_case(country));
    if signer.issuer().country().is_none() {
        return Finding::failed(
            id::COUNTRY,
            format!("the issuer of the document signer of {country:?} has no country"),
        );
    }
    if !same(signer.issuer().country()) {
        return Finding::failed(
            id::COUNTRY,
            format!("the document signer of {country:?} has an issuer of another country"),
        );
    }
    if anchor.is_some_and(|anchor| !same(anchor.subject().country())) {
        return Finding::failed(
            id::COUNTRY,
            format!("the document signer of {country:?} is signed by a CSCA of another country"),
        );
    }
    let Some(state) = state.map(|state| state.trim_end_matches('<')).filter(|state| !state.is_empty()) else {
        return Finding::undetermined(
            id::COUNTRY,
            format!("certificates of {country}; the document's issuing state is not known"),
        );
    };
    let stated = signer.extensions().subject_state.as_deref().unwrap_or(state).trim_end_matches('<');
    if stated != state {
        return Finding::failed(
            id::COUNTRY,
            format!("the document signer is of {stated:?}, the document of {state:?}"),
        );
    }
    match policy.countries.get(state) {
        Some(known) if known.eq_ignore_ascii_case(country) => {
            Finding::successful(id::COUNTRY, format!("issued by {state}, signed by {country}"))
        }
        Some(known) => Finding::failed(id::COUNTRY, format!("issued by {state} ({known}), signed by {country:?}")),
        None => Finding::undetermined(id::COUNTRY, format!("the bundle does not say which country {state:?} is"))
            .remedy("have the code added to the bundle's table of countries"),
    }
}

pub(super) fn day(moment: Timestamp) -> Date {
    utc_day(moment)
}

fn utc_day(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}
