//! Trust bundles: what the posts get to know, and the authority's signature over it.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use trust::bundle::Sealed;
use trust::{Archive, Bundle, Certificate, Crl, DefectList, Pin, Pins, Policy, RevokedDocument, chain};

use super::issue::read_key;
use super::{Authority, IssueError};
use crate::acts::Act;
use crate::countries::codes_of;
use crate::files::{self, Mode};
use crate::key_store::Signer;
use crate::passphrase::Passphrase;
use crate::x509::Period;

/// The last bundle as it was exported: nothing that it had is forgotten by mistake.
const LAST_BUNDLE_FILE: &str = "last-bundle.json";

/// What goes into a trust bundle beside the anchor and its revocation list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BundleRequest {
    /// Documents that are no longer valid.
    pub revoked_documents: Vec<RevokedDocument>,
    /// Whether the document signers' certificates go in.
    pub include_signers: bool,
    /// Anchors of other states, why they are believed, and who has those that are not.
    pub archive: Archive,
    /// Revocation lists of other states; each must be by one of the anchors.
    pub crls: Vec<Crl>,
    /// Defect lists; an anchor must stand behind each.
    pub defect_lists: Vec<DefectList>,
    /// Which country (two letters, in certificates) stands for which code of the MRZ, beside those of ISO 3166-1 and 9303-3 §5.
    pub countries: BTreeMap<String, String>,
    /// Days after its issue when the bundle is stale, should it not expire sooner.
    pub maximum_age_days: Option<u16>,
    /// Who signs the bundles after this one; enough of them must sign this one too.
    pub next_signers: Option<Pins>,
    /// Whether it may lack what the last bundle had.
    pub allow_fewer: bool,
}

/// A trust bundle to be handed out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportedBundle {
    /// The file.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub bundle: Bundle,
    /// The fingerprint of the authority's own bundle signer, which posts pin, alone or beside those of custodians.
    pub pin: Pin,
    /// The signer's public key (PEM).
    pub public_key: String,
    /// Anchors of the archive that are not in the bundle: [`Authority::foreign_anchors`].
    pub anchors_left_out: Vec<Certificate>,
    /// Former generations of this CSCA that are not in the bundle: the archive distrusts their keys.
    pub own_distrusted: Vec<Certificate>,
}

impl Authority {
    /// Makes a trust bundle and signs it: this CSCA, its current revocation list, and what the request adds.
    ///
    /// # Errors
    /// When the archive distrusts the key that issues now, the revocation list is not up to date, nobody in the bundle is
    /// behind a foreign one or a defect list, the last bundle had more, or the passphrase is wrong.
    pub fn export_bundle(
        &mut self,
        request: BundleRequest,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<ExportedBundle, IssueError> {
        let _lock = self.lock()?;
        if request.archive.distrust_of(&self.csca).is_some() {
            return Err(IssueError::OwnDistrusted(hex::encode(self.csca.fingerprint())));
        }
        let own = self.up_to_date_crl(now)?;
        let (foreign, anchors_left_out) = self.foreign_anchors(&request.archive);
        let (anchors, own_distrusted) = self.all_anchors(foreign, &request.archive, now);
        if let Some(list) = request.crls.iter().find(|list| chain::issuer_of_list(list, &anchors).is_none()) {
            return Err(IssueError::ForeignList(list.issuer().to_string()));
        }
        let mut crls = vec![own];
        crls.extend(request.crls.into_iter().filter(|list| !crls.contains(list)).collect::<Vec<_>>());
        let defect_lists = defect_lists(request.defect_lists, &anchors, &crls, now)?;
        if !request.allow_fewer
            && let Some(last) = self.last_exported()?
        {
            let fewer = Fewer {
                number: last.number,
                documents: missing_documents(&last, &request.revoked_documents),
                anchors: missing_anchors(&last, &anchors, &request.archive, now),
                defect_lists: last.defect_lists.len().saturating_sub(defect_lists.len()),
            };
            fewer.is_none()?;
        }
        let signers = self.signers()?;
        let (public_key, signer_key) = self.bundle_signer()?;
        let key = read_key(self.directory.join("bundle-signer"), passphrase)?;
        let days = self.profile.bundle_days;
        let period = Period::days(now, days)?;
        let stale = Period::days(now, request.maximum_age_days.map_or(days, |age| days.min(age.into())))?.to;
        let number = self.next_number("trust-bundle", self.state.bundle_number)?;
        self.change(|state| {
            state.bundle_number = number;
            state.bundle_expires = Some(stale);
        })?;
        let included = signers.into_iter().filter(|signer| request.include_signers && signer.revoked.is_none());
        let documents = request.revoked_documents.into_iter();
        let bundle = Bundle {
            issuer: self.csca.subject().to_string(),
            number: self.state.bundle_number,
            issued: period.from,
            expires: period.to,
            policy: self.policy(&anchors, request.countries, request.maximum_age_days),
            anchors,
            signers: included.map(|signer| signer.certificate).collect(),
            crls,
            revoked_documents: documents.map(|document| (document.key(), document)).collect(),
            next_signers: request.next_signers,
            sources: sources(&request.archive),
            origins: request.archive.origins(),
            elsewhere: request.archive.elsewhere(),
            defect_lists,
        };
        let mut sealed = Sealed::unsigned(bundle.to_payload());
        let signature = key.sign(&sealed.message())?;
        sealed.add_signature(&signer_key, &signature).map_err(|_| IssueError::NotVerified)?;
        if Bundle::from_payload(sealed.payload()) != Ok(bundle.clone()) {
            return Err(IssueError::NotVerified);
        }
        let bytes = sealed.to_bytes();
        let act = Act::new("trust-bundle", self.state.bundle_number.to_string()).product(&bytes);
        self.record(now, &[act.note(format!("good until {}", bundle.stale_after()))])?;
        files::replace(&self.directory.join(LAST_BUNDLE_FILE), &bytes, Mode::Public)?;
        Ok(ExportedBundle { bytes, bundle, pin: Pin::of(&signer_key), public_key, anchors_left_out, own_distrusted })
    }

    /// The anchors that the archive believes, and those of them that are left out of bundles: they are of this state's own
    /// country and none of this authority's. Whatever another state's master list says, nobody else speaks for this state.
    pub fn foreign_anchors(&self, archive: &Archive) -> (Vec<Certificate>, Vec<Certificate>) {
        let own_name = |anchor: &Certificate| {
            anchor.subject().country().is_some_and(|country| country.eq_ignore_ascii_case(self.profile.country))
        };
        let own = |anchor: &Certificate| {
            let mut made = self.generations.iter();
            made.any(|one| one.certificate == *anchor || one.link.as_ref() == Some(anchor))
        };
        archive.believed().into_iter().partition(|anchor| !own_name(anchor) || own(anchor))
    }

    /// The command that exports the next bundle, with an option for everything that the last one had.
    pub fn export_command(&self) -> String {
        let mut command = "bitaqa-pki bundle export".to_owned();
        let Ok(Some(last)) = self.last_exported() else { return command };
        let had = [
            (!last.revoked_documents.is_empty(), " --revoked-documents FILE"),
            (!last.sources.is_empty(), " --archive DIR"),
            (last.crls.len() > 1, " --crl FILE"),
            (!last.defect_lists.is_empty(), " --defect-list FILE"),
            (!last.signers.is_empty(), " --include-signers"),
        ];
        had.iter().filter(|(had, _)| *had).for_each(|(_, option)| command.push_str(option));
        if let Some(days) = last.policy.maximum_age_days {
            command.push_str(&format!(" --maximum-age {days}"));
        }
        command
    }

    /// Whether the posts do not know yet what was issued since the last bundle: the current revocation list, or a new CSCA.
    pub(crate) fn last_bundle_lags(&self) -> bool {
        let Ok(Some(last)) = self.last_exported() else { return false };
        let list = self.current_crl().ok().flatten().is_none_or(|(_, crl)| last.crls.contains(&crl));
        !list || !last.anchors.contains(&self.csca)
    }

    /// `None` before the first one, and where an earlier version exported it.
    fn last_exported(&self) -> Result<Option<Bundle>, IssueError> {
        let bytes = files::read_optional(&self.directory.join(LAST_BUNDLE_FILE))?;
        let read = |bytes: Vec<u8>| Bundle::from_payload(Sealed::read(&bytes)?.payload());
        bytes.map(read).transpose().map_err(IssueError::LastBundle)
    }

    /// This state's anchors, then those of other states, without what is no longer valid; and those of this state that are
    /// left out because the archive distrusts them.
    fn all_anchors(
        &self,
        foreign: Vec<Certificate>,
        archive: &Archive,
        now: Timestamp,
    ) -> (Vec<Certificate>, Vec<Certificate>) {
        let own = self.live_anchors(now).into_iter();
        let (mut anchors, distrusted): (Vec<_>, _) = own.partition(|anchor| archive.distrust_of(anchor).is_none());
        let foreign = foreign.into_iter().filter(|anchor| now <= anchor.not_after());
        let foreign: Vec<_> = foreign.filter(|anchor| !anchors.contains(anchor)).collect();
        anchors.extend(foreign);
        (anchors, distrusted)
    }

    /// The codes of every country that has an anchor, as the tables have them, then as the request says; this state's own code
    /// is nobody else's.
    fn policy(
        &self,
        anchors: &[Certificate],
        given: BTreeMap<String, String>,
        maximum_age_days: Option<u16>,
    ) -> Policy {
        let named = anchors.iter().filter_map(|anchor| anchor.subject().country());
        let known = named.flat_map(|country| codes_of(country).into_iter().map(|code| (code, country.to_uppercase())));
        let mut countries: BTreeMap<String, String> = known.map(|(code, country)| (code.to_owned(), country)).collect();
        countries.extend(given);
        countries.insert(self.profile.state.to_owned(), self.profile.country.to_owned());
        Policy { countries, maximum_age_days, ..Policy::default() }
    }
}

/// What the last bundle had and the next one would not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fewer {
    /// Number of the last bundle.
    pub number: u64,
    /// Revoked documents.
    pub documents: usize,
    /// Anchors that are still valid, and that nobody distrusts.
    pub anchors: usize,
    /// Defect lists, by their number: a newer list takes the place of an older one.
    pub defect_lists: usize,
}

impl Fewer {
    fn is_none(self) -> Result<(), IssueError> {
        let none = self.documents + self.anchors + self.defect_lists == 0;
        if none { Ok(()) } else { Err(IssueError::Fewer(self)) }
    }
}

fn missing_documents(last: &Bundle, documents: &[RevokedDocument]) -> usize {
    let keys: HashSet<_> = documents.iter().map(RevokedDocument::key).collect();
    last.revoked_documents.keys().filter(|key| !keys.contains(*key)).count()
}

/// An anchor that the archive still has, and no longer believes, was left out on purpose.
fn missing_anchors(last: &Bundle, anchors: &[Certificate], archive: &Archive, now: Timestamp) -> usize {
    let live = last.anchors.iter().filter(|anchor| now <= anchor.not_after());
    let gone = live.filter(|anchor| !anchors.contains(anchor) && archive.get(&anchor.fingerprint()).is_none());
    gone.count()
}

/// The lists, each once, when an anchor stands behind every one of them.
fn defect_lists(
    given: Vec<DefectList>,
    anchors: &[Certificate],
    crls: &[Crl],
    now: Timestamp,
) -> Result<Vec<DefectList>, IssueError> {
    let mut lists: Vec<DefectList> = Vec::new();
    for list in given {
        let verification = list.verify(anchors, now).unless_revoked(crls, anchors);
        if !verification.is_believed() {
            let odd = verification.findings.iter().find(|finding| !finding.is_successful());
            let why = odd.map_or_else(String::new, |finding| finding.reason.clone());
            return Err(IssueError::ForeignDefectList { list: list.describe(), why });
        }
        if !lists.contains(&list) {
            lists.push(list);
        }
    }
    Bundle::bounded(&lists).map_err(IssueError::TooManyDefectLists)?;
    Ok(lists)
}

/// The archive's sources, in their order: those of the next bundle begin with the same ones.
fn sources(archive: &Archive) -> Vec<String> {
    let source = |source: &trust::archive::Source| {
        format!("{}, imported {} by {}", source.describe(), source.imported.strftime("%Y-%m-%d"), source.by)
    };
    archive.sources().iter().map(source).collect()
}
