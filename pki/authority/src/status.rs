//! What expires when, and what to do next.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::authority::{Authority, OpenError, SignerKind, SignerRecord};

/// Days ahead of an end at which it is announced.
const NOTICE_DAYS: i64 = 14;
/// Days ahead of the end of the CSCA's key at which a rollover is announced (9303-12 §4).
const ROLLOVER_DAYS: i64 = 90;

/// How urgent something is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// Nothing to do.
    Nothing,
    /// To be done before the date given.
    Soon,
    /// To be done at once.
    Now,
}

/// One key, certificate, list or bundle.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Item {
    /// `csca`, `document-signer`, `master-list-signer`, `revocation-list`, `trust-bundle`, ...
    pub kind: &'static str,
    /// Its name or number.
    pub name: String,
    /// How it stands, in words.
    pub state: String,
    /// The date that matters next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// How urgent.
    pub need: Need,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
}

/// All of an authority at a moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Status {
    /// The profile.
    pub profile: String,
    /// Everything that is watched.
    pub items: Vec<Item>,
}

impl Status {
    /// The most urgent need.
    pub fn need(&self) -> Need {
        self.items.iter().map(|item| item.need).max().unwrap_or(Need::Nothing)
    }

    pub(crate) fn of(authority: &Authority, now: Timestamp) -> Result<Self, OpenError> {
        let signers = authority.signers()?;
        let mut items = vec![csca(authority, now)];
        items.extend(signers.iter().map(|signer| document_signer(signer, now)));
        items.extend(succession(&signers, now));
        for kind in SignerKind::ALL.into_iter().filter(|kind| *kind != SignerKind::Document) {
            items.extend(authority.signers_of(kind)?.iter().map(|signer| list_or_seal_signer(signer, now)));
        }
        items.push(revocation_list(authority, now)?);
        items.push(trust_bundle(authority, now));
        Ok(Status { profile: authority.profile().id.to_owned(), items })
    }
}

fn item(kind: &'static str, name: impl Into<String>, state: impl Into<String>, until: Option<Timestamp>) -> Item {
    let until = until.map(|moment| moment.to_zoned(TimeZone::UTC).date());
    Item { kind, name: name.into(), state: state.into(), until, need: Need::Nothing, action: None }
}

impl Item {
    fn needs(mut self, need: Need, action: &str) -> Self {
        self.need = need;
        self.action = Some(action.to_owned());
        self
    }
}

fn within(now: Timestamp, days: i64, end: Timestamp) -> bool {
    now.checked_add(SignedDuration::from_hours(24 * days)).map_or(true, |notice| notice > end)
}

fn csca(authority: &Authority, now: Timestamp) -> Item {
    let certificate = authority.csca();
    let end = certificate.extensions().private_key_usage.and_then(|usage| usage.not_after);
    let end = end.unwrap_or(certificate.not_after());
    let name = certificate.subject().common_name().unwrap_or_default();
    if now > end {
        item("csca", name, "its key may no longer sign", Some(end))
            .needs(Need::Now, "set up a new CSCA: nothing can be linked any more")
    } else if within(now, ROLLOVER_DAYS, end) {
        item("csca", name, "its key ends soon", Some(end))
            .needs(Need::Soon, "announce it to other states, then bitaqa-pki csca rollover")
    } else {
        item("csca", name, "its key may sign", Some(end))
    }
}

fn document_signer(signer: &SignerRecord, now: Timestamp) -> Item {
    let state = match (signer.revoked, signer.may_sign(now)) {
        (Some(_), _) => "revoked",
        (None, true) => "may sign",
        (None, false) if signer.is_used_up() => "used up",
        (None, false) => "retired",
    };
    let uses = signer.uses.map(|uses| format!(", {} of {} uses", uses.reserved, uses.most)).unwrap_or_default();
    let token = signer.token.as_ref().map(|token| format!(", token {}", token.label)).unwrap_or_default();
    item(signer.kind.word(), &signer.name, format!("{state}{uses}{token}"), Some(signer.usage_end()))
}

/// Whether a tenth or less of its uses is left.
fn nearly_used_up(signer: &SignerRecord) -> bool {
    signer.uses.is_some_and(|uses| uses.most.saturating_sub(uses.reserved) <= uses.most / 10)
}

/// A state may do without them; only the end of one in use is announced.
fn list_or_seal_signer(signer: &SignerRecord, now: Timestamp) -> Item {
    let item = document_signer(signer, now);
    if signer.may_sign(now) && within(now, NOTICE_DAYS, signer.usage_end()) {
        item.needs(Need::Soon, &format!("bitaqa-pki signer ensure {}", signer.kind.word().trim_end_matches("-signer")))
    } else {
        item
    }
}

/// Whether a signer can sign today and in two weeks.
fn succession(signers: &[SignerRecord], now: Timestamp) -> Option<Item> {
    const ACTION: &str = "bitaqa-pki ds new";
    let able = || signers.iter().filter(|signer| signer.may_sign(now));
    match able().map(SignerRecord::usage_end).max() {
        Some(end) if able().all(nearly_used_up) => {
            Some(item("document-signer", "-", "the last one is nearly used up", Some(end)).needs(Need::Soon, ACTION))
        }
        None => Some(item("document-signer", "-", "none may sign", None).needs(Need::Now, ACTION)),
        Some(end) if within(now, NOTICE_DAYS, end) => {
            Some(item("document-signer", "-", "the last one ends soon", Some(end)).needs(Need::Soon, ACTION))
        }
        Some(_) => None,
    }
}

fn revocation_list(authority: &Authority, now: Timestamp) -> Result<Item, OpenError> {
    const ACTION: &str = "bitaqa-pki crl issue";
    let Some((number, crl)) = authority.current_crl()? else {
        return Ok(item("revocation-list", "-", "none was issued", None).needs(Need::Now, ACTION));
    };
    let until = Some(crl.next_update());
    let name = number.to_string();
    Ok(if !authority.is_complete(&crl) {
        item("revocation-list", name, "a revoked signer is not on it", until).needs(Need::Now, ACTION)
    } else if !authority.is_current(&crl) {
        item("revocation-list", name, "not by the CSCA's newest key", until).needs(Need::Now, ACTION)
    } else if now > crl.next_update() {
        item("revocation-list", name, "out of date", until).needs(Need::Now, ACTION)
    } else if within(now, NOTICE_DAYS, crl.next_update()) {
        item("revocation-list", name, "ends soon", until).needs(Need::Soon, ACTION)
    } else {
        item("revocation-list", name, "good", until)
    })
}

fn trust_bundle(authority: &Authority, now: Timestamp) -> Item {
    const ACTION: &str = "bitaqa-pki bundle export";
    let (number, expires) = authority.last_bundle();
    match expires {
        None => item("trust-bundle", "-", "none was exported", None).needs(Need::Soon, ACTION),
        Some(end) if now > end => item("trust-bundle", number.to_string(), "expired", expires).needs(Need::Now, ACTION),
        Some(end) if within(now, NOTICE_DAYS, end) => {
            item("trust-bundle", number.to_string(), "expires soon", expires).needs(Need::Soon, ACTION)
        }
        Some(_) => item("trust-bundle", number.to_string(), "good", expires),
    }
}
