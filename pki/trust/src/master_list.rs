//! Master lists: the country signing certificates that one State believes, in one signed file (9303-12 §9).
//!
//! ```text
//! CscaMasterList ::= SEQUENCE { version INTEGER (0), certList SET OF Certificate }
//! ```
//!
//! in CMS SignedData of the type 2.23.136.1.1.2. [`MasterList::from_der`] reads, [`MasterList::verify`] says whether a pinned
//! signer vouches for it, [`MasterList::roles`] tells roots from links. Real lists hold certificates that break rules: each
//! one that cannot be read is an entry with its reason, never the end of the list.

use std::collections::{BTreeSet, HashMap};

use iso7816::tlv::{self, Reader, TlvError};
use jiff::Timestamp;

use crate::certificate::{Certificate, CertificateError};
use crate::chain::is_by;
use crate::cms::{Bounds, CmsError, SignedData, SignerInfo};
use crate::crl::Crl;
use crate::der::{self, oid};
use crate::leniency::Leniency;
use crate::outcome::Finding;

/// The largest master list that is read, in bytes. Lists of today have less than one MiB.
pub const MAX_MASTER_LIST: usize = 32 * 1024 * 1024;
/// How many certificates of a list are read.
pub const MAX_ENTRIES: usize = 20_000;
const MAX_ENCLOSED: usize = 64;
/// More generations of a key than that are not followed.
const MAX_LINKS: usize = 16;
/// So many keys are tried for one certificate: many keys may claim one identifier or name in a list nobody vouches for.
const MAX_KEYS_TRIED: usize = 16;
/// So many certificates are looked at for one: many may hold one key.
const MAX_CANDIDATES: usize = 256;

/// Names of the findings about a list, in the order in which they are given.
pub mod id {
    /// The signer's signature over the list, whoever he is.
    pub const SIGNATURE: &str = "master-list-signature";
    /// Whether a pinned certificate stands behind the signer.
    pub const TRUST: &str = "master-list-trust-status";
    /// Whether the signer's certificate is for signing master lists.
    pub const PURPOSE: &str = "master-list-signer-purpose";
    /// Whether the signer's certificate was valid when the list says it was signed.
    pub const SIGNING_TIME: &str = "master-list-signing-time";
}

/// A master list that could be read; nothing is verified yet.
#[derive(Clone, Debug)]
pub struct MasterList {
    fingerprint: [u8; 32],
    data: SignedData,
    entries: Vec<Entry>,
}

/// One certificate of a list.
#[derive(Clone, Debug)]
pub struct Entry {
    /// SHA-256 of the bytes.
    pub fingerprint: [u8; 32],
    /// What could be read.
    pub certificate: Result<Certificate, CertificateError>,
}

/// What a certificate is among the others of its list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Signed by its own key.
    SelfSigned,
    /// Signed by the key of the entry at this position.
    Link {
        /// Position from 0.
        issuer: usize,
    },
    /// Signed by a key that is not in the list.
    MissingIssuer,
    /// Not readable.
    Unreadable,
}

/// Why bytes are not a master list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterListError {
    /// Not acceptable signed data.
    #[error(transparent)]
    Cms(#[from] CmsError),
    /// Signed data of another kind.
    #[error("the signed content is not a master list")]
    ContentType,
    /// The content is not a list of certificates.
    #[error("the content of the master list: {0}")]
    Content(#[from] TlvError),
    /// A version that is not known.
    #[error("the version of the master list is not 0")]
    Version,
    /// More certificates than are read.
    #[error("more than {MAX_ENTRIES} certificates")]
    TooMany,
}

/// Who vouches for a list.
#[derive(Clone, Debug)]
pub struct Verification {
    /// One finding for each name of the list's kind, signature and trust first.
    pub findings: Vec<Finding>,
    /// The list signer, when his certificate is at hand and his signature verifies.
    pub signer: Option<Certificate>,
    /// The pinned certificate that stands behind him.
    pub pinned: Option<Certificate>,
    /// The certificate whose key certified him: the pinned one, or a later generation that links lead to.
    pub issuer: Option<Certificate>,
    /// When the signer says he signed.
    pub signed: Option<Timestamp>,
    /// Tolerances used.
    pub leniencies: Vec<Leniency>,
}

impl Verification {
    /// The finding of this name.
    pub fn finding(&self, id: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.id == id)
    }

    /// Whether the list may be believed: the signature is a pinned signer's, and nothing says that it should not be.
    pub fn is_believed(&self) -> bool {
        let [signature, trust, ..] = self.findings.as_slice() else { return false };
        signature.is_successful() && trust.is_successful() && !self.findings.iter().any(Finding::is_failed)
    }

    /// The same, where nobody stands behind a signer who is on one of these revocation lists. Lists count that his issuer, the
    /// pinned certificate, or one of these anchors of the same state signed.
    #[must_use]
    pub fn unless_revoked<'a>(
        mut self,
        lists: impl IntoIterator<Item = &'a Crl>,
        anchors: impl IntoIterator<Item = &'a Certificate>,
    ) -> Self {
        let Some(signer) = &self.signer else { return self };
        let anchors: Vec<&Certificate> = anchors.into_iter().filter(|anchor| same_state(anchor, signer)).collect();
        let his = || self.issuer.iter().chain(&self.pinned);
        let counts = |list: &Crl| his().chain(anchors.iter().copied()).any(|issuer| is_by(list, issuer));
        let about = lists.into_iter().filter(|list| list.speaks_of(signer.issuer()));
        let revoked = about.filter_map(|list| Some((list, list.revoked_since(signer.serial())?)));
        let since = revoked.filter(|(list, _)| counts(list)).map(|(_, since)| since).min();
        if let (Some(since), Some(trust)) = (since, self.findings.get_mut(1)) {
            *trust = Finding::failed(trust.id, format!("the list signer is revoked since {since}"));
        }
        self
    }
}

impl MasterList {
    /// Reads a ContentInfo.
    ///
    /// # Errors
    /// When the bytes are not exactly one signed master list.
    pub fn from_der(raw: &[u8]) -> Result<Self, MasterListError> {
        let bounds = Bounds { bytes: MAX_MASTER_LIST, certificates: MAX_ENCLOSED };
        let data = SignedData::from_der_within(raw, bounds)?;
        if data.content_type() != oid::MASTER_LIST {
            return Err(MasterListError::ContentType);
        }
        let mut reader = Reader::new(tlv::sole(data.content(), der::SEQUENCE)?);
        if reader.expect(der::INTEGER)? != [0] {
            return Err(MasterListError::Version);
        }
        let mut set = Reader::new(reader.expect(der::SET)?);
        reader.end()?;
        let mut entries = Vec::new();
        while let Some(item) = set.next()? {
            if entries.len() == MAX_ENTRIES {
                return Err(MasterListError::TooMany);
            }
            let certificate = Certificate::from_der(item.raw);
            let fingerprint = match &certificate {
                Ok(certificate) => certificate.fingerprint(),
                Err(_) => openssl::sha::sha256(item.raw),
            };
            entries.push(Entry { fingerprint, certificate });
        }
        Ok(MasterList { fingerprint: openssl::sha::sha256(raw), data, entries })
    }

    /// SHA-256 of the file.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Every certificate, in the order of the list.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The certificates that could be read.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.entries.iter().filter_map(|entry| entry.certificate.as_ref().ok())
    }

    /// Every certificate's bytes, readable or not, in the order of the list.
    pub fn raw_certificates(&self) -> impl Iterator<Item = &[u8]> {
        let content = tlv::sole(self.data.content(), der::SEQUENCE).unwrap_or_default();
        let mut list = Reader::new(content);
        let set = list.expect(der::INTEGER).and_then(|_| list.expect(der::SET)).unwrap_or_default();
        let mut certificates = Reader::new(set);
        std::iter::from_fn(move || certificates.next().ok().flatten().map(|item| item.raw))
    }

    /// The signed data it came in.
    pub fn signed_data(&self) -> &SignedData {
        &self.data
    }

    /// The countries of the certificates' holders, upper case.
    pub fn countries(&self) -> BTreeSet<String> {
        self.certificates().filter_map(|one| one.subject().country()).map(str::to_uppercase).collect()
    }

    /// What each entry is, by checking its signature: under its own key, then under every key that it may mean.
    pub fn roles(&self) -> Vec<Role> {
        let mut index = Issuers::default();
        for (position, entry) in self.entries.iter().enumerate() {
            if let Ok(certificate) = &entry.certificate {
                index.add(position, certificate);
            }
        }
        self.entries
            .iter()
            .map(|entry| match &entry.certificate {
                Ok(certificate) => index.role(certificate, &self.entries),
                Err(_) => Role::Unreadable,
            })
            .collect()
    }

    /// Says whether a pinned certificate vouches for the list: that of the list signer himself, or of the CSCA that certified
    /// him; also a later generation of a pinned CSCA, when the list brings the link certificates from one to the other.
    pub fn verify(&self, pins: &[Certificate], now: Timestamp) -> Verification {
        let mut leniencies = self.data.leniencies();
        let mut refused = None;
        for info in self.data.signers() {
            for certificate in self.data.certificates().iter().chain(pins) {
                let Some(identified) = info.identifies(certificate) else { continue };
                match self.data.verify(info, certificate) {
                    Ok(used) => {
                        leniencies.extend(identified.into_iter().chain(used));
                        return self.signed_by(info, certificate, pins, now, leniencies);
                    }
                    Err(error) => refused = Some(error),
                }
            }
        }
        let finding = match refused {
            Some(error) => Finding::failed(id::SIGNATURE, error.to_string()),
            None => Finding::undetermined(id::SIGNATURE, "the certificate of the list signer is not at hand")
                .remedy("name the list signer's certificate"),
        };
        let findings = vec![
            finding,
            Finding::undetermined(id::TRUST, "the list signer is not known"),
            Finding::undetermined(id::PURPOSE, "the list signer is not known"),
            Finding::undetermined(id::SIGNING_TIME, "the list signer is not known"),
        ];
        Verification { findings, signer: None, pinned: None, issuer: None, signed: None, leniencies }
    }

    fn signed_by(
        &self,
        info: &SignerInfo,
        signer: &Certificate,
        pins: &[Certificate],
        now: Timestamp,
        mut leniencies: Vec<Leniency>,
    ) -> Verification {
        let signature = Finding::successful(id::SIGNATURE, format!("signed by {}", signer.subject()));
        let behind = self.pin_behind(signer, pins);
        let himself = behind.as_ref().is_some_and(|behind| behind.pin == signer);
        let trust = match &behind {
            Some(_) if himself => Finding::successful(id::TRUST, "the list signer is pinned"),
            Some(Behind { pin, links: 0, .. }) => {
                Finding::successful(id::TRUST, format!("the list signer is certified by the pinned {}", pin.subject()))
            }
            Some(Behind { pin, links, .. }) => Finding::successful(
                id::TRUST,
                format!(
                    "the list signer is certified by {}, to which {links} link certificates lead from the pinned {}",
                    signer.issuer(),
                    pin.subject()
                ),
            ),
            None => nobody_behind(id::TRUST, signer, pins),
        };
        let purpose = purpose(signer, himself, &mut leniencies);
        let findings =
            vec![signature, trust, purpose, signing_time(id::SIGNING_TIME, info.signing_time(), signer, now)];
        let (pinned, issuer) = behind.map(|behind| (behind.pin.clone(), behind.issuer.clone())).unzip();
        Verification { findings, signer: Some(signer.clone()), pinned, issuer, signed: info.signing_time(), leniencies }
    }

    fn pin_behind<'a>(&'a self, signer: &Certificate, pins: &'a [Certificate]) -> Option<Behind<'a>> {
        if let Some(pin) = pins.iter().find(|pin| *pin == signer) {
            return Some(Behind { pin, issuer: pin, links: 0 });
        }
        // From the pins on to later keys: who has none of these keys cannot make the way long.
        let mut known: Vec<(&Certificate, &Certificate)> = pins.iter().map(|pin| (pin, pin)).collect();
        let mut others: Vec<&Certificate> = self.data.certificates().iter().chain(self.certificates()).collect();
        for links in 0..=MAX_LINKS {
            if let Some((pin, issuer)) = known.iter().find(|(_, key)| certifies(key, signer)) {
                return Some(Behind { pin, issuer, links });
            }
            let before = |one: &Certificate| known.iter().find(|(_, key)| certifies(key, one)).map(|(pin, _)| *pin);
            let linked: Vec<_> = others.iter().filter_map(|one| Some((before(one)?, *one))).collect();
            others.retain(|one| !linked.iter().any(|(_, link)| link == one));
            known = linked;
        }
        None
    }
}

/// Who stands behind a signer.
struct Behind<'a> {
    pin: &'a Certificate,
    /// The certificate whose key certified him.
    issuer: &'a Certificate,
    /// How many link certificates lead from the pinned one to it.
    links: usize,
}

/// Why no pinned certificate stands behind a signer: forged under a pinned key's name, or a key that is not pinned.
pub(crate) fn nobody_behind(id: &'static str, signer: &Certificate, pins: &[Certificate]) -> Finding {
    let wanted = signer.extensions().authority_key_identifier.as_deref();
    if pins.iter().any(|pin| wanted.is_some_and(|wanted| wanted == pin.key_identifier())) {
        return Finding::failed(id, "the list signer is not certified by the pinned CSCA that it names");
    }
    let issuer = signer.issuer();
    let key = wanted.map_or_else(String::new, |wanted| format!(" with key id {}", hex::encode(wanted)));
    let generation = match pins.iter().find(|pin| pin.subject().matches(issuer)) {
        Some(pin) => format!("; pinned is another generation of it, key id {}", hex::encode(pin.key_identifier())),
        None => String::new(),
    };
    Finding::undetermined(
        id,
        format!("the list signer is certified by {issuer}{key}, which is not pinned{generation}"),
    )
    .remedy(format!(
        "get the certificate of {issuer}{key} on another way, compare its fingerprint, and pin it; or believe it through \
         another state's verified master list that holds it"
    ))
}

/// Whether this authority signed that certificate, in the same state; an authority's certificate must be a link of it. Key
/// identifiers are compared first: a signature that cannot fit is not checked.
pub(crate) fn certifies(authority: &Certificate, certificate: &Certificate) -> bool {
    let wanted = certificate.extensions().authority_key_identifier.as_deref();
    let named = wanted.is_some_and(|wanted| wanted == authority.key_identifier())
        || certificate.issuer().matches(authority.subject());
    let may = authority.is_authority() && authority.extensions().key_usage.is_none_or(|usage| usage.key_cert_sign());
    let whole = !certificate.is_authority() || is_link(certificate);
    let fits = named && may && whole && same_state(authority, certificate);
    fits && certificate.verify_signature(authority.public_key()).is_ok()
}

/// Whether an authority's certificate has the form of a root or a link: the issuer's own name, or another one with the
/// extension NameChange (9303-12 §7.1). 9303-12 knows no other authority below a CSCA.
fn is_link(certificate: &Certificate) -> bool {
    certificate.subject().matches(certificate.issuer()) || certificate.extensions().name_change
}

pub(crate) fn same_state(one: &Certificate, two: &Certificate) -> bool {
    let countries = one.subject().country().zip(two.subject().country());
    countries.is_some_and(|(one, two)| one.eq_ignore_ascii_case(two))
}

/// 9303-12 §7.1: a list signer has a purpose of its own, and a CSCA does not sign lists itself. A document signer has no
/// purpose, so whoever has none is believed only when somebody pinned him himself.
fn purpose(signer: &Certificate, pinned: bool, leniencies: &mut Vec<Leniency>) -> Finding {
    let extensions = signer.extensions();
    if let Some(oid) = extensions.unknown_critical.first() {
        return Finding::failed(id::PURPOSE, format!("the list signer has the unknown critical extension {oid}"));
    }
    if extensions.document_types.is_some() {
        return Finding::failed(id::PURPOSE, "the signer's certificate is that of a document signer");
    }
    if signer.is_authority() && pinned {
        leniencies.push(Leniency::ListSignedByAuthority);
        return Finding::successful(id::PURPOSE, "signed by the pinned CSCA itself, which 9303-12 forbids");
    }
    let purposes = &extensions.purposes;
    if !signer.is_authority() && purposes.iter().any(|purpose| purpose == oid::MASTER_LIST_SIGNER) {
        return Finding::successful(id::PURPOSE, "the signer's certificate is for master lists");
    }
    if purposes.is_empty() && pinned {
        leniencies.push(Leniency::ListSignerWithoutPurpose);
        return Finding::successful(id::PURPOSE, "the signer himself is pinned; his certificate names no purpose");
    }
    Finding::failed(id::PURPOSE, "the signer's certificate is not for master lists, and he himself is not pinned")
}

pub(crate) fn signing_time(
    id: &'static str,
    signed: Option<Timestamp>,
    signer: &Certificate,
    now: Timestamp,
) -> Finding {
    let (moment, words) = match signed {
        Some(signed) => (signed, format!("signed on {signed}")),
        None => (now, "the list does not say when it was signed".to_owned()),
    };
    let period = format!("the signer is valid from {} to {}", signer.not_before(), signer.not_after());
    if signer.extensions().private_key_usage.is_some_and(|usage| !usage.contains(moment)) {
        return Finding::failed(id, format!("{words}, outside of the private key usage period of the signer"));
    }
    if moment > now {
        return Finding::failed(id, format!("{words}, which is still to come"))
            .remedy("check the clock of this machine");
    }
    if (signer.not_before()..=signer.not_after()).contains(&moment) {
        Finding::successful(id, format!("{words}; {period}"))
    } else {
        Finding::failed(id, format!("{words}; {period}"))
    }
}

/// Certificates by what an issuer may be found with: an index only, the signature decides.
#[derive(Default)]
pub(crate) struct Issuers {
    by_key: HashMap<Vec<u8>, Vec<usize>>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Issuers {
    pub(crate) fn add(&mut self, position: usize, certificate: &Certificate) {
        self.by_key.entry(certificate.key_identifier()).or_default().push(position);
        self.by_name.entry(certificate.subject().folded()).or_default().push(position);
    }

    /// Positions of those that may have issued it: first by the key it names, then by name.
    pub(crate) fn candidates(&self, certificate: &Certificate) -> impl Iterator<Item = usize> {
        let by_key = certificate.extensions().authority_key_identifier.as_ref().and_then(|key| self.by_key.get(key));
        let by_name = self.by_name.get(&certificate.issuer().folded());
        by_key.into_iter().chain(by_name).flatten().copied()
    }

    /// A certificate that names its own key as the issuer's is tried with its own key first, any other with the one it names.
    fn role(&self, certificate: &Certificate, entries: &[Entry]) -> Role {
        let own = match &certificate.extensions().authority_key_identifier {
            Some(wanted) => *wanted == certificate.key_identifier(),
            None => certificate.issuer().matches(certificate.subject()),
        };
        if own && certificate.is_self_signed() {
            return Role::SelfSigned;
        }
        let mut tried = BTreeSet::new();
        for issuer in self.candidates(certificate).take(MAX_CANDIDATES) {
            let Some(Ok(candidate)) = entries.get(issuer).map(|entry| &entry.certificate) else { continue };
            // Its own key is another question; the same key in several certificates is tried once.
            let key = candidate.public_key();
            if key == certificate.public_key() || !tried.insert(key.spki()) {
                continue;
            }
            if tried.len() > MAX_KEYS_TRIED {
                break;
            }
            if certificate.verify_signature(key).is_ok() {
                return Role::Link { issuer };
            }
        }
        if !own && certificate.is_self_signed() { Role::SelfSigned } else { Role::MissingIssuer }
    }
}
