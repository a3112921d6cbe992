//! The trust bundle: everything an inspection post needs to know about whom to believe, in one signed file.
//!
//! The container is JSON. What is signed are the exact payload bytes that it carries in base64, behind the context string
//! [`CONTEXT`]; nothing is encoded again before it is verified.
//!
//! ```text
//! { "format": "bitaqa-trust-bundle", "version": 1,
//!   "signer": "<base64 SubjectPublicKeyInfo>", "payload": "<base64>", "signature": "<base64 ECDSA-Sig-Value>" }
//!
//! payload: { "issuer", "number", "issued", "expires", "anchors": [der], "signers": [der], "crls": [der],
//!            "policy": { "countries": { "UTO": "UT" } },
//!            "revoked_documents": [ { "number", "reason", "since" } ] }
//! ```
//!
//! The signer's key is believed only when its fingerprint is the pinned one: it travels on paper, not in the bundle.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::certificate::{Certificate, CertificateError};
use crate::crl::{Crl, CrlError};
use crate::public_key::{EllipticCurve, KeyKind, PublicKey, PublicKeyError};
use crate::signature::{Hash, SignatureAlgorithm, SignatureError};

/// Stands before the payload bytes in what is signed, so that no other signature of the same key can be taken for one.
pub const CONTEXT: &[u8] = b"bitaqa-trust-bundle-v1\0";
/// The largest bundle that is read, in bytes.
pub const MAX_BUNDLE: usize = 64 * 1024 * 1024;

const FORMAT: &str = "bitaqa-trust-bundle";
const VERSION: u32 = 1;

/// SHA-256 of a SubjectPublicKeyInfo: the one bundle signer that a post believes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin(pub [u8; 32]);

impl Pin {
    /// The pin of a key.
    pub fn of(key: &PublicKey) -> Self {
        Pin(key.fingerprint())
    }

    /// Reads 64 hexadecimal digits; colons and spaces between them are ignored.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
        let mut pin = [0; 32];
        hex::decode_to_slice(digits, &mut pin).ok()?;
        Some(Pin(pin))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// What the issuer of the bundle decides for the posts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Which two-letter country (in certificates) stands for which code of the MRZ: `"UTO": "UT"`.
    pub countries: BTreeMap<String, String>,
    /// How old a revocation list may be.
    #[serde(default, skip_serializing_if = "Freshness::is_default")]
    pub revocation_lists: Freshness,
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
        let after = |moment: Timestamp, days: u16| {
            moment.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX)
        };
        let end = after(next_update, self.grace_days);
        self.maximum_age_days.map_or(end, |days| end.min(after(this_update, days)))
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A document that is no longer valid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedDocument {
    /// Document number as in the MRZ, without fillers.
    pub number: String,
    /// Why.
    pub reason: RevocationReason,
    /// Since which day.
    pub since: Date,
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
    /// Documents that are no longer valid, by number.
    pub revoked_documents: BTreeMap<String, RevokedDocument>,
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
    #[error("trust bundle format {format} version {version} is not known")]
    Format {
        /// The format named in the file.
        format: String,
        /// The version named in the file.
        version: u32,
    },
    /// The signer is not the pinned one.
    #[error("the bundle is signed by {found}, pinned is {pinned}")]
    WrongSigner {
        /// Fingerprint of the signer in the file.
        found: Pin,
        /// The pinned fingerprint.
        pinned: Pin,
    },
    /// The signer's key is not acceptable.
    #[error("the key of the bundle's signer: {0}")]
    SignerKey(#[from] PublicKeyError),
    /// The signature does not verify: the bundle was altered.
    #[error("the signature of the bundle: {0}")]
    Signature(#[from] SignatureError),
    /// The signed payload is not the expected JSON.
    #[error("the signed payload of the bundle cannot be read: {0}")]
    Payload(String),
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
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Container {
    format: String,
    version: u32,
    signer: String,
    payload: String,
    signature: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    issuer: String,
    number: u64,
    issued: Timestamp,
    expires: Timestamp,
    anchors: Vec<String>,
    #[serde(default)]
    signers: Vec<String>,
    #[serde(default)]
    crls: Vec<String>,
    policy: Policy,
    #[serde(default)]
    revoked_documents: Vec<RevokedDocument>,
}

/// Opens a bundle that the pinned signer signed.
///
/// # Errors
/// When it was signed by another, altered, or holds something that cannot be read.
pub fn open(bytes: &[u8], pinned: &Pin) -> Result<Bundle, BundleError> {
    if bytes.len() > MAX_BUNDLE {
        return Err(BundleError::TooLarge(bytes.len()));
    }
    let unreadable = |error: &dyn fmt::Display| BundleError::Container(error.to_string());
    let container: Container = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
    if container.format != FORMAT || container.version != VERSION {
        return Err(BundleError::Format { format: container.format, version: container.version });
    }
    let decode = |text: &str| STANDARD.decode(text).map_err(|error| unreadable(&error));
    let signer = PublicKey::from_spki(&decode(&container.signer)?)?;
    if Pin::of(&signer) != *pinned {
        return Err(BundleError::WrongSigner { found: Pin::of(&signer), pinned: *pinned });
    }
    let payload = decode(&container.payload)?;
    let message = [CONTEXT, &payload].concat();
    signature_algorithm(&signer)?.verify(&signer, &message, &decode(&container.signature)?)?;
    Bundle::from_payload(&payload)
}

/// Puts a payload and its signature over [`Bundle::message`] into a container.
pub fn seal(payload: &[u8], signer: &PublicKey, signature: &[u8]) -> Vec<u8> {
    let container = Container {
        format: FORMAT.to_owned(),
        version: VERSION,
        signer: STANDARD.encode(signer.spki()),
        payload: STANDARD.encode(payload),
        signature: STANDARD.encode(signature),
    };
    // Five strings and a number always serialize.
    serde_json::to_vec(&container).unwrap_or_default()
}

/// The bytes that a bundle's signature is made over.
pub fn message(payload: &[u8]) -> Vec<u8> {
    [CONTEXT, payload].concat()
}

/// How a key signs bundles: ECDSA with the hash that fits the curve.
fn signature_algorithm(signer: &PublicKey) -> Result<SignatureAlgorithm, SignatureError> {
    match signer.kind() {
        KeyKind::Ec(EllipticCurve::P256 | EllipticCurve::BrainpoolP256r1) => {
            Ok(SignatureAlgorithm::Ecdsa(Hash::Sha256))
        }
        KeyKind::Ec(EllipticCurve::P384 | EllipticCurve::BrainpoolP384r1) => {
            Ok(SignatureAlgorithm::Ecdsa(Hash::Sha384))
        }
        _ => Err(SignatureError::KeyMismatch),
    }
}

impl Bundle {
    /// The payload bytes to be signed.
    pub fn to_payload(&self) -> Vec<u8> {
        let certificates = |list: &[Certificate]| list.iter().map(|one| STANDARD.encode(one.der())).collect();
        let payload = Payload {
            issuer: self.issuer.clone(),
            number: self.number,
            issued: self.issued,
            expires: self.expires,
            anchors: certificates(&self.anchors),
            signers: certificates(&self.signers),
            crls: self.crls.iter().map(|crl| STANDARD.encode(crl.der())).collect(),
            policy: self.policy.clone(),
            revoked_documents: self.revoked_documents.values().cloned().collect(),
        };
        // Strings, numbers and dates always serialize.
        serde_json::to_vec(&payload).unwrap_or_default()
    }

    /// Reads a payload. Nothing in it is to be believed because of that: [`open`] checks the signature first.
    ///
    /// # Errors
    /// When it is no payload of this version, or something in it cannot be read.
    pub fn from_payload(bytes: &[u8]) -> Result<Self, BundleError> {
        let payload: Payload =
            serde_json::from_slice(bytes).map_err(|error| BundleError::Payload(error.to_string()))?;
        Ok(Bundle {
            issuer: payload.issuer,
            number: payload.number,
            issued: payload.issued,
            expires: payload.expires,
            anchors: certificates("anchors", &payload.anchors)?,
            signers: certificates("signers", &payload.signers)?,
            crls: crls(&payload.crls)?,
            policy: payload.policy,
            revoked_documents: payload
                .revoked_documents
                .into_iter()
                .map(|document| (document.number.clone(), document))
                .collect(),
        })
    }
}

fn certificates(list: &'static str, texts: &[String]) -> Result<Vec<Certificate>, BundleError> {
    let read = |(index, text): (usize, &String)| {
        let raw = STANDARD.decode(text).map_err(|error| BundleError::Payload(error.to_string()))?;
        Certificate::from_der(&raw).map_err(|error| BundleError::Certificate { list, index, error })
    };
    texts.iter().enumerate().map(read).collect()
}

fn crls(texts: &[String]) -> Result<Vec<Crl>, BundleError> {
    let read = |(index, text): (usize, &String)| {
        let raw = STANDARD.decode(text).map_err(|error| BundleError::Payload(error.to_string()))?;
        Crl::from_der(&raw).map_err(|error| BundleError::Crl { index, error })
    };
    texts.iter().enumerate().map(read).collect()
}
