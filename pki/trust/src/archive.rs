//! The anchor archive: every country signing certificate that was ever seen, where it came from, and why it is believed.
//!
//! ```text
//! DIR/archive.json  everything; replaced as a whole, old or new, never a mixture
//! DIR/lock          held while a command changes the archive
//! ```
//!
//! An anchor is its key: the key identifier and the hash of the key, never the name. One key may have several certificates
//! (a root, links, a new validity), one name several keys; all are kept, also when a newer list no longer has them.
//! [`Archive::plan`] works out what an import would change, [`Plan::archive`] is the archive after it.
//!
//! A certificate is believed for one of these reasons only ([`Reason`]): a list of a pinned signer holds it as a root, a person
//! compared its fingerprint, a believed key signed it as a link, or it is the root of a key believed for one of these. All of
//! that counts for nothing where a person distrusts its key ([`Archive::distrust`]), and neither does what followed from it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bundle::{Bundle, Policy, days_after};
use crate::certificate::Certificate;
use crate::crl::Crl;
use crate::import::{Content, Piece};
use crate::master_list::{Issuers, MasterList, Role, Verification, certifies};
use crate::store::TrustStore;

mod bundled;
mod distrust;
mod stored;

pub use distrust::Distrusted;
pub use stored::{LoadError, SaveError, Writing};

/// After this many days without an import, a store made of the archive counts as out of date.
const MAXIMUM_AGE_DAYS: u16 = 90;

/// SHA-256 of a certificate or list.
pub type Fingerprint = [u8; 32];

/// SHA-256 of a file, certificate or list.
pub fn fingerprint(bytes: &[u8]) -> Fingerprint {
    openssl::sha::sha256(bytes)
}

/// What an anchor is known by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AnchorKey {
    /// The subject key identifier, computed when the certificate has none.
    pub identifier: Vec<u8>,
    /// [`crate::PublicKey::key_hash`].
    pub hash: [u8; 32],
}

impl AnchorKey {
    /// The key of a certificate.
    pub fn of(certificate: &Certificate) -> Self {
        AnchorKey { identifier: certificate.key_identifier(), hash: certificate.public_key().key_hash() }
    }
}

/// Everything that was ever imported.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Archive {
    generation: u64,
    sources: Vec<Source>,
    certificates: BTreeMap<Fingerprint, Held>,
    crls: BTreeMap<Fingerprint, HeldCrl>,
    distrusted: Vec<Distrusted>,
}

/// A certificate in the archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The certificate.
    pub certificate: Certificate,
    /// Why it is believed, unless it is distrusted, or what it follows from is.
    pub reasons: Vec<Believed>,
    /// Where it was seen, positions in [`Archive::sources`] with the place there.
    pub seen: Vec<Seen>,
    /// Worked out by [`Archive::weigh`], then kept up to date.
    believed: bool,
}

impl Held {
    /// Whether there is a reason to believe it that still holds.
    pub fn is_believed(&self) -> bool {
        self.believed
    }
}

/// A revocation list in the archive; whether it is believed is judged with the chain, by its signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldCrl {
    /// The list.
    pub crl: Crl,
    /// Where it was seen.
    pub seen: Vec<Seen>,
}

/// Where something was seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Position in [`Archive::sources`].
    pub source: usize,
    /// The place in the file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
}

/// A reason, and the import that brought it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Believed {
    /// Position in [`Archive::sources`].
    pub source: usize,
    /// Why.
    pub reason: Reason,
}

/// Why a certificate is believed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A master list of a pinned signer holds it as a root.
    Listed,
    /// A person compared its fingerprint with one received on another way (9303-12 §6).
    Confirmed,
    /// The believed certificate with this fingerprint signed it: a link certificate (9303-12 §7.1).
    LinkedFrom(#[serde(with = "stored::hex_bytes")] Fingerprint),
    /// It is the root of the key that the believed certificate with this fingerprint holds, under the same name.
    SameKeyAs(#[serde(with = "stored::hex_bytes")] Fingerprint),
}

/// What was imported, when, by whom.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Name of the file, for people.
    pub file: String,
    /// SHA-256 of the file.
    #[serde(with = "stored::hex_bytes")]
    pub sha256: [u8; 32],
    /// The master list in it, unless this is about the loose certificates and lists of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ListSource>,
    /// When it was imported.
    pub imported: Timestamp,
    /// Who imported it.
    pub by: String,
}

/// A master list as a source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSource {
    /// Place in the file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// Whether a pinned certificate stood behind its signature.
    pub verified: bool,
    /// The list signer's name.
    pub signer: String,
    /// The list signer's country, upper case.
    pub country: String,
    /// SHA-256 of the list signer's certificate.
    #[serde(default, with = "stored::hex_bytes_option", skip_serializing_if = "Option::is_none")]
    pub signer_fingerprint: Option<Fingerprint>,
    /// SHA-256 of the pinned certificate.
    #[serde(default, with = "stored::hex_bytes_option", skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Fingerprint>,
    /// When the signer says he signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Timestamp>,
}

impl Source {
    /// For people: `DE's master list of 2024-08-07 (DE.ml)`.
    pub fn describe(&self) -> String {
        match &self.list {
            Some(list) => {
                let whose = if list.country.is_empty() { "a".to_owned() } else { format!("{}'s", list.country) };
                let date =
                    list.signed.map_or_else(String::new, |signed| format!(" of {}", signed.strftime("%Y-%m-%d")));
                let doubt = if list.verified { "" } else { ", not verified yet" };
                format!("{whose} master list{date} ({}{doubt})", self.file)
            }
            None => format!("the file {} of {}", self.file, self.imported.strftime("%Y-%m-%d")),
        }
    }
}

/// What is to be imported.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Name of the file, for people.
    pub file: &'a str,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// What was found in it.
    pub pieces: &'a [Piece],
    /// Certificates behind which master lists are believed.
    pub pins: &'a [Certificate],
    /// Fingerprints of certificates that a person compared.
    pub confirmed: &'a [Fingerprint],
    /// When.
    pub now: Timestamp,
    /// Who.
    pub by: &'a str,
}

/// One thing that an import changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A certificate that was not there, believed at once.
    Anchor(Fingerprint, Reason),
    /// A certificate that was there without a reason to believe it, and now has one.
    NowBelieved(Fingerprint, Reason),
    /// A country signing certificate that was not there, and is not believed.
    Pending(Fingerprint),
    /// A certificate of a signer that was not there.
    Signer(Fingerprint),
    /// A revocation list that was not there.
    Crl(Fingerprint),
    /// A certificate that the last verified list of the same country had, and this one has not. It is kept.
    NoLongerListed(Fingerprint),
}

/// A piece that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Where it is.
    pub place: String,
    /// Why.
    pub why: String,
}

/// What an import would do; nothing is done yet.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The changes, in the order of the file; links and roots that follow from them at the end.
    pub changes: Vec<Change>,
    /// Certificates and lists that were there already.
    pub unchanged: usize,
    /// What cannot be used.
    pub refused: Vec<Refused>,
    /// What was found about each master list.
    pub lists: Vec<(String, Verification)>,
    /// The archive after the import.
    pub archive: Archive,
}

impl Archive {
    /// Counts the imports.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the file with this SHA-256 was imported before.
    pub fn has_file(&self, sha256: &[u8; 32]) -> bool {
        self.sources.iter().any(|source| source.sha256 == *sha256)
    }

    /// What was imported.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Every certificate, in the order of fingerprints.
    pub fn certificates(&self) -> impl Iterator<Item = &Held> {
        self.certificates.values()
    }

    /// Every revocation list.
    pub fn crls(&self) -> impl Iterator<Item = &HeldCrl> {
        self.crls.values()
    }

    /// The certificate with this fingerprint.
    pub fn get(&self, fingerprint: &Fingerprint) -> Option<&Held> {
        self.certificates.get(fingerprint)
    }

    /// The believed certificates by their keys: each key with all its generations.
    pub fn anchors(&self) -> BTreeMap<AnchorKey, Vec<&Held>> {
        let mut anchors: BTreeMap<AnchorKey, Vec<&Held>> = BTreeMap::new();
        for held in self.certificates.values().filter(|held| held.is_believed()) {
            anchors.entry(AnchorKey::of(&held.certificate)).or_default().push(held);
        }
        anchors
    }

    /// The believed certificates of a country, given by its two letters.
    pub fn anchors_of(&self, country: &str) -> Vec<Certificate> {
        let of =
            |held: &&Held| held.certificate.subject().country().is_some_and(|one| one.eq_ignore_ascii_case(country));
        let believed = self.certificates.values().filter(|held| held.is_believed()).filter(of);
        believed.map(|held| held.certificate.clone()).collect()
    }

    /// A store for judging documents with the believed certificates, all signers and all revocation lists; it also knows where
    /// the others were seen.
    pub fn trust_store(&self, policy: Policy) -> TrustStore {
        let issued = self.sources.iter().map(|source| source.imported).max().unwrap_or(Timestamp::UNIX_EPOCH);
        let signers = self.certificates.values().filter(|held| !held.is_believed());
        let signers = signers.filter(|held| !is_country_signing(&held.certificate));
        let bundle = Bundle {
            issuer: "the anchor archive".to_owned(),
            number: self.generation,
            issued,
            expires: days_after(issued, MAXIMUM_AGE_DAYS),
            anchors: self.believed(),
            signers: signers.map(|held| held.certificate.clone()).collect(),
            crls: self.crls.values().map(|held| held.crl.clone()).collect(),
            policy,
            revoked_documents: BTreeMap::new(),
            next_signers: None,
            sources: self.sources.iter().map(Source::describe).collect(),
            origins: self.origins(),
            elsewhere: self.elsewhere(),
            defect_lists: Vec::new(),
        };
        TrustStore::from_bundle(bundle)
    }

    /// Works out what an import changes; nothing is done to this archive.
    pub fn plan(&self, request: &Request<'_>) -> Plan {
        let mut work = Work::new(self.clone(), request);
        for piece in request.pieces {
            work.piece(piece);
        }
        work.finish()
    }
}

/// An import while it is worked out.
struct Work<'a> {
    request: &'a Request<'a>,
    /// Those of the request that nobody distrusts.
    pins: Vec<Certificate>,
    plan: Plan,
    /// Position of the source for what comes outside of lists.
    loose: Option<usize>,
    /// Certificates that were not there before.
    fresh: BTreeSet<Fingerprint>,
}

impl<'a> Work<'a> {
    fn new(mut archive: Archive, request: &'a Request<'a>) -> Self {
        archive.generation += 1;
        let pins = request.pins.iter().filter(|pin| archive.distrust_of(pin).is_none()).cloned().collect();
        let plan = Plan { changes: Vec::new(), unchanged: 0, refused: Vec::new(), lists: Vec::new(), archive };
        Work { request, pins, plan, loose: None, fresh: BTreeSet::new() }
    }

    fn source(&mut self, list: Option<ListSource>) -> usize {
        let Request { file, sha256, now, by, .. } = *self.request;
        let sources = &mut self.plan.archive.sources;
        sources.push(Source { file: file.to_owned(), sha256, list, imported: now, by: by.to_owned() });
        sources.len() - 1
    }

    fn loose(&mut self) -> usize {
        match self.loose {
            Some(source) => source,
            None => {
                let source = self.source(None);
                self.loose = Some(source);
                source
            }
        }
    }

    fn piece(&mut self, piece: &Piece) {
        match &piece.content {
            Content::MasterList(list) => self.master_list(&piece.place, list),
            Content::Certificate(certificate) => {
                let source = self.loose();
                self.see(certificate, Seen { source, place: piece.place.clone() });
                self.confirm(certificate, source);
            }
            Content::Crl(crl) => self.crl(crl, &piece.place),
            Content::Unreadable(why) => self.refuse(&piece.place, why.to_string()),
        }
    }

    fn refuse(&mut self, place: &str, why: String) {
        self.plan.refused.push(Refused { place: place.to_owned(), why });
    }

    fn crl(&mut self, crl: &Crl, place: &str) {
        let source = self.loose();
        let fingerprint = fingerprint(crl.der());
        let seen = Seen { source, place: place.to_owned() };
        match self.plan.archive.crls.get_mut(&fingerprint) {
            Some(held) => {
                held.seen.push(seen);
                self.plan.unchanged += 1;
            }
            None => {
                self.plan.archive.crls.insert(fingerprint, HeldCrl { crl: crl.clone(), seen: vec![seen] });
                self.plan.changes.push(Change::Crl(fingerprint));
            }
        }
    }

    fn see(&mut self, certificate: &Certificate, seen: Seen) {
        let fingerprint = certificate.fingerprint();
        if let Some(distrusted) = self.plan.archive.distrust_of(certificate) {
            let why = format!("{}: {distrusted}", certificate.subject());
            self.refuse(&seen.place, why);
        }
        match self.plan.archive.certificates.get_mut(&fingerprint) {
            Some(held) => held.seen.push(seen),
            None => {
                let held =
                    Held { certificate: certificate.clone(), reasons: Vec::new(), seen: vec![seen], believed: false };
                self.plan.archive.certificates.insert(fingerprint, held);
                self.fresh.insert(fingerprint);
            }
        }
    }

    fn confirm(&mut self, certificate: &Certificate, source: usize) {
        if is_country_signing(certificate) && self.request.confirmed.contains(&certificate.fingerprint()) {
            self.believe(certificate.fingerprint(), Reason::Confirmed, source);
        }
    }

    /// Adds a reason, and a change when it is the first one that counts.
    fn believe(&mut self, fingerprint: Fingerprint, reason: Reason, source: usize) {
        let archive = &mut self.plan.archive;
        let distrusted = archive.get(&fingerprint).is_some_and(|held| archive.distrust_of(&held.certificate).is_some());
        let Some(held) = archive.certificates.get_mut(&fingerprint) else { return };
        if !held.reasons.iter().any(|known| known.reason == reason) {
            held.reasons.push(Believed { source, reason });
        }
        if held.believed || distrusted {
            return;
        }
        held.believed = true;
        let fresh = self.fresh.contains(&fingerprint);
        let change = if fresh { Change::Anchor } else { Change::NowBelieved };
        self.plan.changes.push(change(fingerprint, reason));
    }

    fn master_list(&mut self, place: &str, list: &MasterList) {
        let verification = self.verify(list);
        let verified = verification.is_believed();
        let signer = verification.signer.as_ref();
        let country = signer.and_then(|signer| signer.subject().country()).unwrap_or_default().to_uppercase();
        let before = self.last_list(&country);
        let source = self.source(Some(ListSource {
            place: place.to_owned(),
            verified,
            signer: signer.map(|signer| signer.subject().to_string()).unwrap_or_default(),
            country,
            signer_fingerprint: signer.map(Certificate::fingerprint),
            pinned: verification.pinned.as_ref().map(Certificate::fingerprint),
            signed: verification.signed,
        }));
        for (index, entry) in list.entries().iter().enumerate() {
            match &entry.certificate {
                Ok(certificate) => self.see(certificate, Seen { source, place: String::new() }),
                Err(error) => self.refuse(&format!("{place} certificate {}", index + 1), error.to_string()),
            }
        }
        if verified {
            self.believe_list(list, source);
            self.compare(before, source);
        }
        for certificate in list.certificates() {
            self.confirm(certificate, source);
        }
        self.plan.lists.push((place.to_owned(), verification));
    }

    /// A signer is refused who is on a revocation list of the archive or of this import.
    fn verify(&self, list: &MasterList) -> Verification {
        let archive = &self.plan.archive;
        let imported = self.request.pieces.iter().filter_map(|piece| match &piece.content {
            Content::Crl(crl) => Some(crl.as_ref()),
            _ => None,
        });
        let crls = archive.crls.values().map(|held| &held.crl).chain(imported);
        let anchors = archive.certificates.values().filter(|held| held.is_believed()).map(|held| &held.certificate);
        let anchors = anchors.chain(&self.pins);
        list.verify(&self.pins, self.request.now).unless_revoked(crls, anchors)
    }

    /// Roots are believed because the signer vouches for them, links because a believed key signed them.
    fn believe_list(&mut self, list: &MasterList, source: usize) {
        let roles = list.roles();
        let all = || list.entries().iter().zip(&roles);
        for (entry, _) in all().filter(|(_, role)| **role == Role::SelfSigned) {
            self.believe(entry.fingerprint, Reason::Listed, source);
        }
        // A link may follow from a link that comes later in the list.
        let mut open: Vec<_> = all()
            .filter_map(|(entry, role)| match role {
                Role::Link { issuer } => Some((entry, list.entries().get(*issuer)?)),
                _ => None,
            })
            .filter(|(entry, issuer)| {
                let pair = entry.certificate.as_ref().ok().zip(issuer.certificate.as_ref().ok());
                pair.is_some_and(|(link, issuer)| may_link(issuer, link))
            })
            .collect();
        loop {
            let believed = |of: &Fingerprint| self.plan.archive.get(of).is_some_and(Held::is_believed);
            let (ready, rest): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|(_, issuer)| believed(&issuer.fingerprint));
            if ready.is_empty() {
                return;
            }
            for (entry, issuer) in ready {
                self.believe(entry.fingerprint, Reason::LinkedFrom(issuer.fingerprint), source);
            }
            open = rest;
        }
    }

    /// The last verified list of a country.
    fn last_list(&self, country: &str) -> Option<usize> {
        let verified =
            |source: &Source| source.list.as_ref().is_some_and(|list| list.verified && list.country == country);
        self.plan.archive.sources.iter().rposition(verified)
    }

    fn compare(&mut self, before: Option<usize>, now: usize) {
        let Some(before) = before else { return };
        let in_list = |held: &Held, source: usize| held.seen.iter().any(|seen| seen.source == source);
        let gone =
            self.plan.archive.certificates.iter().filter(|(_, held)| in_list(held, before) && !in_list(held, now));
        let gone: Vec<Change> = gone.map(|(fingerprint, _)| Change::NoLongerListed(*fingerprint)).collect();
        self.plan.changes.extend(gone);
    }

    /// Belief spreads from key to key until nothing new follows; then what is left is pending.
    fn finish(mut self) -> Plan {
        while self.spread() {}
        for fingerprint in std::mem::take(&mut self.fresh) {
            let Some(held) = self.plan.archive.get(&fingerprint) else { continue };
            if !held.is_believed() {
                let change = if is_country_signing(&held.certificate) { Change::Pending } else { Change::Signer };
                self.plan.changes.push(change(fingerprint));
            }
        }
        let touched = |change: &&Change| !matches!(change, Change::NoLongerListed(_) | Change::NowBelieved(..));
        let new = self.plan.changes.iter().filter(touched).count();
        let pieces: usize = self.request.pieces.iter().map(count).sum();
        self.plan.unchanged = pieces.saturating_sub(new);
        self.plan
    }

    /// Believes each pending certificate that a believed key signed, and each pending root of a believed key.
    fn spread(&mut self) -> bool {
        let archive = &self.plan.archive;
        let open = |held: &&Held| {
            !held.is_believed() && held.certificate.is_authority() && archive.distrust_of(&held.certificate).is_none()
        };
        if !archive.certificates.values().any(|held| open(&held)) {
            return false;
        }
        let believed: Vec<&Certificate> =
            archive.certificates.values().filter(|held| held.is_believed()).map(|held| &held.certificate).collect();
        let mut issuers = Issuers::default();
        let mut keys: HashMap<AnchorKey, Vec<&Certificate>> = HashMap::new();
        for (position, certificate) in believed.iter().enumerate() {
            issuers.add(position, certificate);
            keys.entry(AnchorKey::of(certificate)).or_default().push(certificate);
        }
        let mut found = Vec::new();
        for held in archive.certificates.values().filter(open) {
            let certificate = &held.certificate;
            let Some(source) = held.seen.last().map(|seen| seen.source) else { continue };
            let mut candidates = issuers.candidates(certificate).filter_map(|position| believed.get(position));
            let root_of = || {
                let same_name = |known: &&&Certificate| known.subject().matches(certificate.subject());
                keys.get(&AnchorKey::of(certificate))?.iter().find(same_name).filter(|_| certificate.is_self_signed())
            };
            if let Some(known) = root_of() {
                found.push((certificate.fingerprint(), Reason::SameKeyAs(known.fingerprint()), source));
            } else if let Some(issuer) = candidates.find(|issuer| certifies(issuer, certificate)) {
                found.push((certificate.fingerprint(), Reason::LinkedFrom(issuer.fingerprint()), source));
            }
        }
        for (fingerprint, reason, source) in &found {
            self.believe(*fingerprint, *reason, *source);
        }
        !found.is_empty()
    }
}

/// An authority, or what looks like a root or a link although it does not say so. Whether it may sign certificates is judged
/// with the chain.
fn is_country_signing(certificate: &Certificate) -> bool {
    let signs = certificate.extensions().key_usage.is_some_and(|usage| usage.key_cert_sign());
    certificate.is_authority() || signs || certificate.issuer().matches(certificate.subject())
}

/// What [`certifies`] asks beside the signature, but for the form of a link: many real ones change the name and do not say so,
/// and the signer of the list vouches that it holds CSCAs only (9303-12 §9).
fn may_link(issuer: &Certificate, link: &Certificate) -> bool {
    issuer.is_authority() && link.is_authority() && crate::master_list::same_state(issuer, link)
}

/// How many certificates and lists are in a piece.
fn count(piece: &Piece) -> usize {
    match &piece.content {
        Content::MasterList(list) => list.certificates().count(),
        Content::Certificate(_) | Content::Crl(_) => 1,
        Content::Unreadable(_) => 0,
    }
}
