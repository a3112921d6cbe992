//! Finding the issuer of a document signer: by key identifier, then by name, every candidate tried.

use jiff::Timestamp;

use super::id;
use crate::certificate::Certificate;
use crate::leniency::Leniency;
use crate::outcome::Finding;
use crate::signature::Hash;
use crate::store::TrustStore;

/// Who signed a certificate; no clock changes it.
pub(crate) enum Signed {
    /// A key of the store. All its certificates, as positions among the anchors: one key can have several.
    By { anchors: Vec<usize>, found_by_name: bool },
    /// Not the key that it names, which is in the store.
    NotByItsIssuer,
    /// The issuer is not in the store.
    Unknown,
}

impl Signed {
    /// The certificates of the key that signed.
    pub(super) fn anchors<'a>(&self, store: &'a TrustStore) -> impl Iterator<Item = &'a Certificate> + use<'a, '_> {
        let positions = if let Signed::By { anchors, .. } = self { anchors.as_slice() } else { &[] };
        positions.iter().filter_map(|position| store.anchors().get(*position))
    }
}

/// The issuer as it is judged.
pub(super) struct Issuer {
    pub anchor: Option<Certificate>,
    pub signature: Finding,
    pub trust: Finding,
    pub leniencies: Vec<Leniency>,
}

/// TR-03135-1 §5.6.3: a signature that does not verify *fails* only under an issuer found by key identifier; under one found
/// by name the right key may simply be missing.
pub(super) fn find(signer: &Certificate, store: &TrustStore) -> Signed {
    let wanted = signer.extensions().authority_key_identifier.as_deref();
    let by_key = |anchor: &Certificate| wanted.is_some_and(|wanted| anchor.key_identifier() == wanted);
    let by_name = |anchor: &Certificate| anchor.subject().matches(signer.issuer());
    let signed = |among: &dyn Fn(&Certificate) -> bool| -> Vec<usize> {
        let candidates = store.anchors().iter().enumerate().filter(|(_, anchor)| among(anchor));
        let signed = candidates.filter(|(_, anchor)| signer.verify_signature(anchor.public_key()).is_ok());
        signed.map(|(position, _)| position).collect()
    };
    let anchors = signed(&by_key);
    if !anchors.is_empty() {
        return Signed::By { anchors, found_by_name: false };
    }
    if store.anchors().iter().any(by_key) {
        return Signed::NotByItsIssuer;
    }
    let anchors = signed(&by_name);
    if anchors.is_empty() { Signed::Unknown } else { Signed::By { anchors, found_by_name: true } }
}

/// What follows at this time.
pub(super) fn judge(signed: &Signed, signer: &Certificate, store: &TrustStore, now: Timestamp) -> Issuer {
    let wanted = signer.extensions().authority_key_identifier.as_deref();
    match (signed, best(signer, signed.anchors(store), now)) {
        (Signed::By { found_by_name, .. }, Some(anchor)) => {
            let leniencies = found_by_name.then_some(Leniency::IssuerFoundByName);
            trusted(signer, anchor, leniencies.into_iter().collect())
        }
        (Signed::NotByItsIssuer, _) => forged(wanted.unwrap_or_default()),
        (Signed::By { .. } | Signed::Unknown, _) => missing(signer, wanted, store),
    }
}

/// One key can have several certificates (renewed, or under a new name): the one that has the issuer's name and is valid now
/// speaks for it.
fn best<'a>(
    signer: &Certificate,
    anchors: impl Iterator<Item = &'a Certificate>,
    now: Timestamp,
) -> Option<&'a Certificate> {
    anchors.max_by_key(|anchor| {
        let valid = (anchor.not_before()..=anchor.not_after()).contains(&now);
        (anchor.subject().matches(signer.issuer()), valid, anchor.not_after())
    })
}

fn trusted(signer: &Certificate, anchor: &Certificate, mut leniencies: Vec<Leniency>) -> Issuer {
    if anchor.subject().der() != signer.issuer().der() && anchor.subject().matches(signer.issuer()) {
        leniencies.push(Leniency::NameEncodingsDiffer);
    }
    if signer.algorithm().hash() == Hash::Sha1 {
        leniencies.push(Leniency::LegacySha1);
    }
    let trust = if !anchor.subject().matches(signer.issuer()) {
        Finding::failed(
            id::TRUST,
            format!("the issuer is named {}, the key is that of {}", signer.issuer(), anchor.subject()),
        )
    } else {
        Finding::successful(id::TRUST, format!("{} is in the trust bundle", anchor.subject()))
    };
    Issuer {
        anchor: Some(anchor.clone()),
        signature: Finding::successful(id::CERTIFICATE_SIGNATURE, format!("signed by {}", anchor.subject())),
        trust,
        leniencies,
    }
}

fn forged(key: &[u8]) -> Issuer {
    let reason = format!("not signed by the CSCA with key id {}, which it names", hex::encode(key));
    Issuer {
        anchor: None,
        signature: Finding::failed(id::CERTIFICATE_SIGNATURE, reason),
        trust: Finding::failed(id::TRUST, "the document signer is not certified by the CSCA it names"),
        leniencies: Vec::new(),
    }
}

fn missing(signer: &Certificate, key: Option<&[u8]>, store: &TrustStore) -> Issuer {
    let name = signer.issuer();
    let named = key.map_or_else(String::new, |key| format!(" with key id {}", hex::encode(key)));
    let reason = format!("the CSCA {name}{named} is not in the trust bundle");
    let seen: Vec<&str> = key.map(|key| store.seen_elsewhere(key).collect()).unwrap_or_default();
    let remedy = if seen.is_empty() {
        format!("obtain the CSCA of {name}{named} from its state and install a trust bundle that holds it")
    } else {
        format!("the CSCA of {name}{named} is in {}: have it confirmed and put into the trust bundle", seen.join(", "))
    };
    Issuer {
        anchor: None,
        signature: Finding::undetermined(id::CERTIFICATE_SIGNATURE, reason.clone()).remedy(remedy.clone()),
        trust: Finding::undetermined(id::TRUST, reason).remedy(remedy),
        leniencies: Vec::new(),
    }
}
