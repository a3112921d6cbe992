//! What expires when, and what to do next: every key, certificate, list and bundle of an authority.

mod card_verifiable;
mod citizens;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::authority::{Authority, OpenError, SignerKind, SignerRecord};
use crate::ceremony;
use crate::citizen_ca::{CitizenError, Overview};
use crate::cvca::{CvError, CvStore};
use crate::key_store::TokenAddress;

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
    /// Whether somebody still relies on that date: what is revoked, used up or replaced is kept, and nobody waits for its end.
    pub current: bool,
}

/// Why the status cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The authority.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The citizen CA.
    #[error(transparent)]
    Citizens(#[from] CitizenError),
    /// The card-verifiable certificates.
    #[error(transparent)]
    Cv(#[from] CvError),
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

    /// What ends within so many days and somebody relies on, the first end first; what has ended stands before it.
    pub fn ending_within(&self, days: i64, now: Timestamp) -> Vec<&Item> {
        let horizon = now.checked_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX);
        let last = horizon.to_zoned(TimeZone::UTC).date();
        let mut items: Vec<&Item> = self.items.iter().filter(|item| item.current).collect();
        items.retain(|item| item.until.is_some_and(|until| until <= last));
        items.sort_by(|one, two| (one.until, one.kind, &one.name).cmp(&(two.until, two.kind, &two.name)));
        items
    }

    pub(crate) fn of(authority: &Authority, now: Timestamp) -> Result<Self, StatusError> {
        let signers = authority.signers()?;
        let mut items = former_generations(authority)?;
        items.extend(ceremony(authority)?);
        items.push(csca(authority, now)?);
        items.extend(signers.iter().map(|signer| document_signer(signer, now)));
        items.extend(succession(&signers, now));
        for kind in SignerKind::ALL.into_iter().filter(|kind| *kind != SignerKind::Document) {
            items.extend(authority.signers_of(kind)?.iter().map(|signer| other_signer(signer, now)));
        }
        items.push(revocation_list(authority, now)?);
        items.push(trust_bundle(authority, now));
        items.push(bundle_signer(authority)?);
        if let Some(overview) = Overview::of(authority)? {
            items.extend(citizens::items(&overview, now));
        }
        items.extend(card_verifiable::items(&CvStore::new(authority.directory()), now)?);
        Ok(Status { profile: authority.profile().id.to_owned(), items })
    }
}

fn item(kind: &'static str, name: impl Into<String>, state: impl Into<String>, until: Option<Timestamp>) -> Item {
    item_of_day(kind, name, state, until.map(|moment| moment.to_zoned(TimeZone::UTC).date()))
}

fn item_of_day(kind: &'static str, name: impl Into<String>, state: impl Into<String>, until: Option<Date>) -> Item {
    let (name, state) = (name.into(), state.into());
    Item { kind, name, state, until, need: Need::Nothing, action: None, current: true }
}

fn with_token(words: &str, token: Option<&TokenAddress>) -> String {
    token.map_or_else(|| words.to_owned(), |token| format!("{words}, token {}", token.label))
}

impl Item {
    fn needs(mut self, need: Need, action: &str) -> Self {
        self.need = need;
        self.action = Some(action.to_owned());
        self
    }

    /// Nobody waits for its end.
    fn past(mut self) -> Self {
        self.current = false;
        self
    }
}

fn within(now: Timestamp, days: i64, end: Timestamp) -> bool {
    now.checked_add(SignedDuration::from_hours(24 * days)).map_or(true, |notice| notice > end)
}

/// What was made under the eyes of custodians counts when all of it is signed.
fn ceremony(authority: &Authority) -> Result<Option<Item>, StatusError> {
    let open = ceremony::unclosed(authority.directory()).map_err(OpenError::File)?;
    Ok(open.map(|transcript| {
        let action = "run the same bitaqa-pki ceremony run again: it goes on where it stopped";
        item("ceremony", transcript, "not closed: its last signatures are missing", None).needs(Need::Now, action)
    }))
}

/// They sign nothing any more; what they signed is verified with them.
fn former_generations(authority: &Authority) -> Result<Vec<Item>, OpenError> {
    let generations = authority.generations();
    let former = generations.iter().take(generations.len().saturating_sub(1)).map(|generation| {
        let certificate = &generation.certificate;
        let name = format!("{} {}", certificate.subject().common_name().unwrap_or_default(), generation.number);
        let token = authority.generation_token(generation.number)?;
        let state = with_token("replaced, verifies what it signed", token.as_ref());
        Ok(item("csca", name, state, Some(certificate.not_after())).past())
    });
    former.collect()
}

fn bundle_signer(authority: &Authority) -> Result<Item, OpenError> {
    let name = authority.pin()?.to_string();
    let token = authority.bundle_signer_token()?;
    let name = name.get(..16).unwrap_or_default().to_owned();
    Ok(item("bundle-signer", name, with_token("may sign", token.as_ref()), None))
}

fn csca(authority: &Authority, now: Timestamp) -> Result<Item, OpenError> {
    let certificate = authority.csca();
    let token = authority.token()?;
    let end = certificate.extensions().private_key_usage.and_then(|usage| usage.not_after);
    let end = end.unwrap_or(certificate.not_after());
    let name = certificate.subject().common_name().unwrap_or_default();
    let state = |words: &str| with_token(words, token.as_ref());
    Ok(if now > end {
        item("csca", name, state("its key may no longer sign"), Some(end))
            .needs(Need::Now, "set up a new CSCA: nothing can be linked any more")
    } else if within(now, ROLLOVER_DAYS, end) {
        item("csca", name, state("its key ends soon"), Some(end))
            .needs(Need::Soon, "announce it to other states, then bitaqa-pki csca rollover")
    } else {
        item("csca", name, state("its key may sign"), Some(end))
    })
}

fn document_signer(signer: &SignerRecord, now: Timestamp) -> Item {
    let state = match (signer.revoked, signer.may_sign(now)) {
        (Some(_), _) => "revoked",
        (None, true) => "may sign",
        (None, false) if signer.is_used_up() => "used up",
        (None, false) => "retired",
    };
    let uses = signer.uses.map(|uses| format!(", {} of {} uses", uses.reserved, uses.most)).unwrap_or_default();
    let words = with_token(&format!("{state}{uses}"), signer.token.as_ref());
    let item = item(signer.kind.word(), &signer.name, words, Some(signer.usage_end()));
    if state == "may sign" { item } else { item.past() }
}

/// Whether a tenth or less of its uses is left.
fn nearly_used_up(signer: &SignerRecord) -> bool {
    signer.uses.is_some_and(|uses| uses.most.saturating_sub(uses.reserved) <= uses.most / 10)
}

/// A state may do without them; only the end of one in use is announced.
fn other_signer(signer: &SignerRecord, now: Timestamp) -> Item {
    let item = document_signer(signer, now);
    if signer.may_sign(now) && within(now, NOTICE_DAYS, signer.usage_end()) {
        // Each office has its own: that of another one takes nobody's place.
        let verb = if signer.kind == SignerKind::Residence { "new" } else { "ensure" };
        item.needs(Need::Soon, &format!("bitaqa-pki signer {verb} {}", signer.kind.word().trim_end_matches("-signer")))
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
    let action = authority.export_command();
    let (number, expires) = authority.last_bundle();
    match expires {
        None => item("trust-bundle", "-", "none was exported", None).needs(Need::Soon, &action),
        Some(end) if now > end => {
            item("trust-bundle", number.to_string(), "expired", expires).needs(Need::Now, &action)
        }
        Some(end) if within(now, NOTICE_DAYS, end) => {
            item("trust-bundle", number.to_string(), "expires soon", expires).needs(Need::Soon, &action)
        }
        Some(_) if authority.last_bundle_lags() => {
            item("trust-bundle", number.to_string(), "lacks the newest revocation list or CSCA", expires)
                .needs(Need::Now, &action)
        }
        Some(_) => item("trust-bundle", number.to_string(), "good", expires),
    }
}
