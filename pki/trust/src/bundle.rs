//! The trust bundle: everything an inspection post needs to know about whom to believe, in one signed file.
//!
//! The container is JSON. What is signed are the exact payload bytes that it carries in base64, behind the context string of
//! the container's version and a zero byte; nothing is encoded again before it is verified.
//!
//! ```text
//! { "format": "bitaqa-trust-bundle", "version": 2, "payload": "<base64>",
//!   "signatures": [ { "signer": "<base64 SubjectPublicKeyInfo>", "signature": "<base64 ECDSA-Sig-Value>" } ] }
//!
//! signed: "bitaqa-trust-bundle-v2" 00 payload
//!
//! payload: { "issuer", "number", "issued", "expires", "anchors": [der], "signers": [der], "crls": [der],
//!            "policy": { "countries": { "UTO": "UT" }, "revocation_lists": { "grace_days", "maximum_age_days" },
//!                        "maximum_age_days": 30 },
//!            "revoked_documents": [ { "state": "UTO", "number", "reason", "since" } ],
//!            "next_signers": { "threshold": 2, "fingerprints": [ "<SHA-256 of a SubjectPublicKeyInfo>" ] },
//!            "sources": [ "DE's master list of 2024-08-07 (DE.ml), imported 2024-09-01 by amina" ],
//!            "origins": [ { "anchor": "<SHA-256 of the certificate>", "reason": "listed", "source": 0 } ],
//!            "elsewhere": [ { "key": "<key identifier>", "sources": [ 0 ] } ],
//!            "defect_lists": [der] }
//! ```
//!
//! DER is base64, hashes and identifiers are hexadecimal; what is empty or the default from `next_signers` on, in
//! `revocation_lists` and in `maximum_age_days` is left out; a revoked document without `state` is one of the issuer's own
//! state. Version 1 has one signature, behind its own context string:
//!
//! ```text
//! { "format": "bitaqa-trust-bundle", "version": 1, "signer", "payload", "signature" }
//! ```
//!
//! A signer is believed only when the fingerprint of his key is pinned: it travels on paper, not in the bundle. [`Pins`] say
//! how many of the pinned signers must have signed. A bundle may name the next signers; it is believed when enough of the
//! pinned *and* enough of the next ones signed it, and from then on the next ones are the pinned ones.
//!
//! - [`Sealed`]: the file, its signatures, [`Sealed::verify`]
//! - [`Delta`]: how one bundle becomes the next, with the signatures of the next

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::archive::{Fingerprint, Reason};
use crate::certificate::{Certificate, CertificateError};
use crate::crl::{Crl, CrlError};
use crate::defect_list::{DefectList, DefectListError};
use crate::master_list::Verification;
use crate::signature::SignatureError;

mod container;
mod delta;
mod payload;
mod pins;

pub use container::{Countersignature, MAX_SIGNATURES, Sealed};
pub use delta::{Base, Delta, DeltaError};
pub use pins::{Pin, Pins, PinsError};

/// The largest bundle that is read, in bytes.
pub const MAX_BUNDLE: usize = 64 * 1024 * 1024;
/// How many defect lists a bundle may have.
pub const MAX_DEFECT_LISTS: usize = 64;
/// How large the defect lists of a bundle may be together, in bytes.
pub const MAX_DEFECT_LIST_BYTES: usize = 16 * 1024 * 1024;

/// What the issuer of the bundle decides for the posts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Which two-letter country (in certificates) stands for which code of the MRZ: `"UTO": "UT"`.
    pub countries: BTreeMap<String, String>,
    /// How old a revocation list may be.
    #[serde(default, skip_serializing_if = "Freshness::is_default")]
    pub revocation_lists: Freshness,
    /// Days after its issue when the bundle is stale, should it not expire sooner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_age_days: Option<u16>,
}

/// How long a revocation list is believed. The default is its own nextUpdate, to the second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freshness {
    /// Days after nextUpdate during which the list still counts: many States publish late.
    #[serde(default)]
    pub grace_days: u16,
    /// Days after thisUpdate when the list no longer counts, whatever it says itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_age_days: Option<u16>,
}

impl Freshness {
    /// The last moment at which a list of these dates counts.
    pub fn end(self, this_update: Timestamp, next_update: Timestamp) -> Timestamp {
        let end = days_after(next_update, self.grace_days);
        self.maximum_age_days.map_or(end, |days| end.min(days_after(this_update, days)))
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// So many days after a moment, or the end of time.
pub(crate) fn days_after(moment: Timestamp, days: u16) -> Timestamp {
    moment.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX)
}

/// A document that is no longer valid.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedDocument {
    /// Code of the issuing state as in the MRZ, without fillers; that of the bundle's issuer when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Document number as in the MRZ, without fillers.
    pub number: String,
    /// Why.
    pub reason: RevocationReason,
    /// Since which day.
    pub since: Date,
}

impl RevokedDocument {
    /// What it is found by in [`Bundle::revoked_documents`].
    pub fn key(&self) -> (Option<String>, String) {
        (self.state.clone(), self.number.clone())
    }
}

/// Why a document is no longer valid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationReason {
    /// Reported lost.
    Lost,
    /// Reported stolen.
    Stolen,
    /// Withdrawn by the authority.
    Withdrawn,
    /// Damaged and replaced.
    Damaged,
    /// Replaced by a newer document.
    Superseded,
    /// The holder died.
    Deceased,
    /// Issued with an error.
    IssuedInError,
}

impl RevocationReason {
    /// The word as in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Stolen => "stolen",
            Self::Withdrawn => "withdrawn",
            Self::Damaged => "damaged",
            Self::Superseded => "superseded",
            Self::Deceased => "deceased",
            Self::IssuedInError => "issued-in-error",
        }
    }
}

/// What is in a bundle, readable and verified, or about to be signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bundle {
    /// Who made it, for people.
    pub issuer: String,
    /// Counts up with every bundle of the issuer; a lower one is never installed over a higher one.
    pub number: u64,
    /// When it was made.
    pub issued: Timestamp,
    /// After this moment it is stale.
    pub expires: Timestamp,
    /// Country signing certificates.
    pub anchors: Vec<Certificate>,
    /// Document signers, for security objects that carry none.
    pub signers: Vec<Certificate>,
    /// Revocation lists.
    pub crls: Vec<Crl>,
    /// Policy.
    pub policy: Policy,
    /// Documents that are no longer valid, by state and number.
    pub revoked_documents: BTreeMap<(Option<String>, String), RevokedDocument>,
    /// Who signs the bundles after this one, when that changes.
    pub next_signers: Option<Pins>,
    /// Where anchors come from and other keys were seen, for people.
    pub sources: Vec<String>,
    /// Why the anchors are believed that are not the issuer's own.
    pub origins: Vec<Origin>,
    /// Country signing keys that are known and not believed, for advice only.
    pub elsewhere: Vec<Elsewhere>,
    /// Defect lists. Being in the bundle makes none believed: an anchor of it must stand behind each.
    pub defect_lists: Vec<DefectList>,
}

/// Why an anchor is believed.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// SHA-256 of the anchor.
    #[serde(with = "payload::hexadecimal")]
    pub anchor: Fingerprint,
    /// Why.
    pub reason: Reason,
    /// Where it came from: position in [`Bundle::sources`].
    pub source: usize,
}

/// A country signing key that is known and not believed: who has it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    /// The key identifier.
    #[serde(with = "payload::hexadecimal")]
    pub key: Vec<u8>,
    /// Where it was seen: positions in [`Bundle::sources`].
    pub sources: Vec<usize>,
}

/// Why a bundle is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// More bytes than accepted.
    #[error("bundle of {0} bytes: larger than 64 MiB")]
    TooLarge(usize),
    /// The container is not the expected JSON.
    #[error("not a trust bundle: {0}")]
    Container(String),
    /// A format or version that this program does not know.
    #[error("trust bundle format {format:?} version {version} is not known")]
    Format {
        /// The format named in the file.
        format: String,
        /// The version named in the file.
        version: u32,
    },
    /// More signatures than are read.
    #[error("{0} signatures: more than {MAX_SIGNATURES}")]
    TooManySignatures(usize),
    /// A file of version 1 cannot carry a second signature.
    #[error("a bundle of version 1 carries one signature only")]
    OneSignatureOnly,
    /// A signature about to be added is not one over this bundle.
    #[error("the signature is not one over this bundle: {0}")]
    Signature(SignatureError),
    /// A file that was to be signed by more, and nobody has signed it.
    #[error("nobody has signed it, not even its issuer")]
    Unsigned,
    /// A file that was to be signed by more has a signature that is not one over this bundle.
    #[error("the signature of {0} is not one over this bundle")]
    SignedOtherwise(Pin),
    /// Too few of the pinned signers signed exactly these bytes.
    #[error("{} ({}); pinned: {pins}", short(*.good, .pins.threshold(), .pins.count()), signers(.altered, .found))]
    TooFewSignatures {
        /// How many pinned signers signed.
        good: usize,
        /// Pinned signers whose signature is not one over this bundle.
        altered: Vec<Pin>,
        /// Who is said to have signed.
        found: Vec<Pin>,
        /// Who is pinned, and how many must sign.
        pins: Pins,
    },
    /// Too few of the next signers, whom the bundle names, signed it.
    #[error("the next signers, whom the bundle names, must sign it too: {}; they are: {next}", short(*.good, .next.threshold(), .next.count()))]
    TooFewNextSignatures {
        /// How many of the next signers signed.
        good: usize,
        /// Next signers whose signature is not one over this bundle.
        altered: Vec<Pin>,
        /// The next signers.
        next: Pins,
    },
    /// The signed payload is not the expected JSON.
    #[error("the signed payload of the bundle cannot be read: {0}")]
    Payload(String),
    /// Something in it names a source that it does not have.
    #[error("the bundle names source {0} and has no such source")]
    Source(usize),
    /// A certificate in it cannot be used.
    #[error("certificate {index} of the bundle's {list}: {error}")]
    Certificate {
        /// `anchors` or `signers`.
        list: &'static str,
        /// Position from 0.
        index: usize,
        /// Why.
        error: CertificateError,
    },
    /// A revocation list in it cannot be used.
    #[error("revocation list {index} of the bundle: {error}")]
    Crl {
        /// Position from 0.
        index: usize,
        /// Why.
        error: CrlError,
    },
    /// A defect list in it cannot be used.
    #[error("defect list {index} of the bundle: {error}")]
    DefectList {
        /// Position from 0.
        index: usize,
        /// Why.
        error: DefectListError,
    },
    /// More defect lists than are read.
    #[error("{lists} defect lists of {bytes} bytes: more than {MAX_DEFECT_LISTS} lists or than 16 MiB")]
    TooManyDefectLists {
        /// How many.
        lists: usize,
        /// How large together.
        bytes: usize,
    },
}

/// Opens a bundle that enough of the pinned signers signed.
///
/// # Errors
/// When too few signed, it was altered, or holds something that cannot be read.
pub fn open(bytes: &[u8], pins: &Pins) -> Result<Bundle, BundleError> {
    Sealed::read(bytes)?.verify(pins)
}

/// Whether the first 256 bytes look like a bundle's or a delta's; reading it decides.
pub fn is_likely(bytes: &[u8]) -> bool {
    begins_with(bytes, container::FORMAT)
}

fn begins_with(bytes: &[u8], format: &str) -> bool {
    let start = bytes.get(..bytes.len().min(256)).unwrap_or_default();
    start.windows(format.len()).any(|window| window == format.as_bytes())
}

impl Bundle {
    /// After this moment the bundle is stale.
    pub fn stale_after(&self) -> Timestamp {
        self.policy.maximum_age_days.map_or(self.expires, |days| self.expires.min(days_after(self.issued, days)))
    }

    /// The defect lists, and whether an anchor of the bundle stood behind them when it was issued.
    pub fn verified_defect_lists(&self) -> impl Iterator<Item = (&DefectList, Verification)> {
        let judge =
            |list: &DefectList| list.verify(&self.anchors, self.issued).unless_revoked(&self.crls, &self.anchors);
        self.defect_lists.iter().map(move |list| (list, judge(list)))
    }

    /// The country, two letters, of the issuer's own state: that of the anchor that has the issuer's name. A bundle made of
    /// an archive has none.
    pub fn own_country(&self) -> Option<&str> {
        let own = self.anchors.iter().find(|anchor| anchor.subject().to_string() == self.issuer)?;
        own.subject().country()
    }

    /// Whether a bundle may have so many defect lists.
    ///
    /// # Errors
    /// When they are too many or too large together.
    pub fn bounded(lists: &[DefectList]) -> Result<(), BundleError> {
        payload::bounded(lists.iter().map(|list| list.der().len()))
    }

    /// Why an anchor is believed and where it came from; nothing for the issuer's own.
    pub fn origins_of(&self, anchor: &Certificate) -> impl Iterator<Item = (Reason, &str)> {
        let of = self.origins.iter().filter(move |origin| origin.anchor == anchor.fingerprint());
        of.filter_map(|origin| Some((origin.reason, self.sources.get(origin.source)?.as_str())))
    }
}

fn short(good: usize, threshold: usize, count: usize) -> String {
    match count {
        1 => "not signed by the one signer that is needed".to_owned(),
        _ => format!("signed by {good} of the {threshold} signers that are needed, of {count}"),
    }
}

fn signers(altered: &[Pin], found: &[Pin]) -> String {
    let names = |pins: &[Pin]| pins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (altered, found) {
        (_, []) => "there is no signature".to_owned(),
        ([], _) => format!("signatures: {}", names(found)),
        (_, _) => format!("not over these bytes: {}", names(altered)),
    }
}
