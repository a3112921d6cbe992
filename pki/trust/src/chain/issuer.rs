//! Finding the issuer of a document signer: by key identifier, then by name, every candidate tried.

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
pub(super) fn find(signer: &Certificate, store: &TrustStore) -> Issuer {
    let wanted = signer.extensions().authority_key_identifier.as_deref();
    let by_key = |anchor: &&Certificate| wanted.is_some_and(|wanted| anchor.key_identifier() == wanted);
    let by_name = |anchor: &&Certificate| anchor.subject().matches(signer.issuer());
    let signed = |anchor: &&Certificate| signer.verify_signature(anchor.public_key()).is_ok();

    let anchors = store.anchors();
    if let Some(anchor) = anchors.iter().filter(by_key).find(signed) {
        return trusted(signer, anchor, Vec::new());
    }
    if anchors.iter().any(|anchor| by_key(&anchor)) {
        return forged(wanted.unwrap_or_default());
    }
    match anchors.iter().filter(by_name).find(signed) {
        Some(anchor) => trusted(signer, anchor, vec![Leniency::IssuerFoundByName]),
        None => missing(signer, wanted, store),
    }
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
