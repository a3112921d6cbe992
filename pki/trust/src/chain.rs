//! From the document signer to its country signing CA: the rules of 9303-12 §7 and TR-03135-1 §5.6, one finding each.
//!
//! There is exactly one step: a country signing CA signs document signers and nothing lies between.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::certificate::Certificate;
use crate::crl::Crl;
use crate::leniency::Leniency;
use crate::outcome::Finding;
use crate::store::TrustStore;

mod content;
mod defects;
mod issuer;
mod revocation;
mod rules;

pub use content::{Content, RESIDENCE_CODE};
pub(crate) use revocation::is_by;
pub use rules::bundle as freshness;

/// Names of the findings, in the order in which they are given.
pub mod id {
    /// The trusted issuer's signature on the document signer's certificate.
    pub const CERTIFICATE_SIGNATURE: &str = "ds-certificate-signature";
    /// Whether the chain ends at a trusted country signing CA.
    pub const TRUST: &str = "trust-status";
    /// The age of the trust bundle.
    pub const BUNDLE: &str = "trust-bundle-freshness";
    /// Validity of the country signing CA at the time of inspection.
    pub const ANCHOR_VALIDITY: &str = "csca-validity";
    /// Validity of the document signer at the time of inspection.
    pub const SIGNER_VALIDITY: &str = "ds-validity";
    /// What both keys may be used for.
    pub const KEY_USAGE: &str = "ds-key-usage";
    /// The document's date of issue against the signer's private key usage period.
    pub const KEY_PERIOD: &str = "ds-key-period";
    /// What was signed, and the document's type, against what the signer may sign.
    pub const DOCUMENT_TYPE: &str = "ds-document-type";
    /// The issuing state in certificates and document.
    pub const COUNTRY: &str = "issuing-country";
    /// Revocation of the document signer.
    pub const REVOCATION: &str = "ds-revocation";
    /// What defect lists say of the document signer and his documents.
    pub const DEFECTS: &str = "known-defects";
}

/// What is known of the document and the moment; what is unknown makes the finding about it undetermined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// The time of inspection.
    pub now: Timestamp,
    /// Document code of the MRZ, one or two letters, fillers ignored: `ID`, `P<`.
    pub code: Option<String>,
    /// Issuing state of the MRZ, fillers ignored: `UTO`, `D<<`.
    pub issuing_state: Option<String>,
    /// Date of issue (DG12).
    pub issued: Option<Date>,
}

/// What was found about a document signer.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The document signer.
    pub signer: Certificate,
    /// The country signing CA whose signature verified.
    pub anchor: Option<Certificate>,
    /// One finding for each name in [`id`], in that order.
    pub findings: Vec<Finding>,
    /// Tolerances used.
    pub leniencies: Vec<Leniency>,
}

impl Chain {
    /// The finding of this name.
    pub fn finding(&self, id: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.id == id)
    }

    /// The anchor, when who signed is established and no rule about who may sign what is broken.
    pub(crate) fn trusted_anchor(&self) -> Option<&Certificate> {
        let successful = |id| self.finding(id).is_some_and(Finding::is_successful);
        let broken = |id| self.finding(id).is_none_or(Finding::is_failed);
        let established = successful(id::CERTIFICATE_SIGNATURE) && successful(id::TRUST);
        let rules = [id::KEY_USAGE, id::KEY_PERIOD, id::DOCUMENT_TYPE, id::COUNTRY];
        if established && !rules.into_iter().any(broken) { self.anchor.as_ref() } else { None }
    }
}

/// What no clock changes about a document signer: who issued it, and which revocation lists speak about it.
pub(crate) struct Standing {
    signed: issuer::Signed,
    /// Positions among the store's revocation lists.
    lists: Vec<usize>,
    /// Why its issuer's key is not to be trusted: a certificate of it is revoked.
    anchor_revoked: Option<String>,
}

/// The certificate, among these, whose key signed a revocation list in its name and may sign lists.
pub fn issuer_of_list<'a>(list: &Crl, anchors: &'a [Certificate]) -> Option<&'a Certificate> {
    anchors.iter().find(|anchor| revocation::is_by(list, anchor))
}

/// Judges the signer of a security object against the store.
///
/// Signatures are checked once for each signer and store; what depends on the time or the document is judged each time.
pub fn judge(signer: &Certificate, store: &TrustStore, document: &Document) -> Chain {
    judge_of(Content::SecurityObject, signer, store, document)
}

/// The same for the signer of this content.
pub(crate) fn judge_of(content: Content, signer: &Certificate, store: &TrustStore, document: &Document) -> Chain {
    let standing = store.memory().standing(signer, || {
        let signed = issuer::find(signer, store);
        let lists = revocation::lists(signer, &signed, store);
        let anchor_revoked = revocation::revoked_anchor(&signed, store)
            .map(|(anchor, since)| format!("the CSCA {} is revoked since {}", anchor.subject(), rules::day(since)));
        Standing { signed, lists, anchor_revoked }
    });
    let issuer = issuer::judge(&standing.signed, signer, store, document.now);
    let anchor = issuer.anchor.as_ref();
    let trust = match &standing.anchor_revoked {
        Some(why) => Finding::failed(id::TRUST, why.as_str()),
        None => issuer.trust,
    };
    let known = defects::of(signer, store);
    let findings = vec![
        issuer.signature,
        defects::weigh(trust, &known),
        freshness(store, document.now),
        rules::validity(id::ANCHOR_VALIDITY, anchor, document.now),
        rules::validity(id::SIGNER_VALIDITY, Some(signer), document.now),
        rules::key_usage(signer, anchor),
        rules::key_period(signer, document.issued),
        rules::document_type(content, signer, document.code.as_deref()),
        rules::country(signer, anchor, store.policy(), document.issuing_state.as_deref()),
        defects::weigh(revocation::judge(signer, anchor, &standing.lists, store, document.now), &known),
        defects::judge(signer, &known, store),
    ];
    Chain { signer: signer.clone(), anchor: issuer.anchor, findings, leniencies: issuer.leniencies }
}
