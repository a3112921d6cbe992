//! Finding the issuer of a document signer: by key identifier, then by name, every candidate tried.

use jiff::Timestamp;

use super::id;
use crate::certificate::Certificate;
use crate::leniency::Leniency;
use crate::outcome::Finding;
use crate::signature::Hash;
use crate::store::TrustStore;

pub(super) struct Issuer {
    pub anchor: Option<Certificate>,
    pub signature: Finding,
    pub trust: Finding,
    pub leniencies: Vec<Leniency>,
}

/// TR-03135-1 §5.6.3: a signature that does not verify *fails* only under an issuer found by key identifier; under one found
/// by name the right key may simply be missing.
pub(super) fn find(signer: &Certificate, store: &TrustStore, now: Timestamp) -> Issuer {
    let wanted = signer.extensions().authority_key_identifier.as_deref();
    let by_key = |anchor: &&Certificate| wanted.is_some_and(|wanted| anchor.key_identifier() == wanted);
    let by_name = |anchor: &&Certificate| anchor.subject().matches(signer.issuer());
    let anchors = store.anchors();
    if let Some(anchor) = best(signer, anchors.iter().filter(by_key), now) {
        return trusted(signer, anchor, Vec::new());
    }
    if anchors.iter().any(|anchor| by_key(&anchor)) {
        return forged(wanted.unwrap_or_default());
    }
    match best(signer, anchors.iter().filter(by_name), now) {
        Some(anchor) => trusted(signer, anchor, vec![Leniency::IssuerFoundByName]),
        None => missing(signer, wanted),
    }
}

/// Of those whose key made the signature. One key can have several certificates (renewed, or under a new name): the one that
/// has the issuer's name and is valid now speaks for it.
fn best<'a>(
    signer: &Certificate,
    candidates: impl Iterator<Item = &'a Certificate>,
    now: Timestamp,
) -> Option<&'a Certificate> {
    let signed = candidates.filter(|anchor| signer.verify_signature(anchor.public_key()).is_ok());
    signed.max_by_key(|anchor| {
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

fn missing(signer: &Certificate, key: Option<&[u8]>) -> Issuer {
    let name = signer.issuer();
    let key = key.map_or_else(String::new, |key| format!(" with key id {}", hex::encode(key)));
    let remedy = format!("obtain the CSCA of {name}{key} from its state and install a trust bundle that holds it");
    let reason = format!("the CSCA {name}{key} is not in the trust bundle");
    Issuer {
        anchor: None,
        signature: Finding::undetermined(id::CERTIFICATE_SIGNATURE, reason.clone()).remedy(remedy.clone()),
        trust: Finding::undetermined(id::TRUST, reason).remedy(remedy),
        leniencies: Vec::new(),
    }
}
