//! Revocation of the document signer (9303-12 §7): mandatory, and undetermined without a fresh list.

use jiff::Timestamp;

use super::id;
use super::rules::day;
use crate::certificate::Certificate;
use crate::crl::Crl;
use crate::outcome::Finding;
use crate::store::TrustStore;

pub(super) fn judge(signer: &Certificate, anchor: Option<&Certificate>, store: &TrustStore, now: Timestamp) -> Finding {
    let Some(anchor) = anchor else {
        return Finding::undetermined(id::REVOCATION, "the CSCA is not known, so no revocation list can be believed");
    };
    let lists: Vec<&Crl> = store.crls().iter().filter(|crl| is_believed(crl, anchor, store)).collect();
    // A certificate that was revoked once stays so, however old the list.
    if let Some(since) = lists.iter().filter_map(|crl| crl.revoked_since(signer.serial())).min() {
        return Finding::failed(id::REVOCATION, format!("the document signer is revoked since {}", day(since)));
    }
    let Some(crl) = lists.into_iter().max_by_key(|crl| crl.this_update()) else {
        return Finding::undetermined(id::REVOCATION, format!("no revocation list of {} is at hand", anchor.subject()))
            .remedy("install a trust bundle that holds the CSCA's newest revocation list");
    };
    if now > crl.next_update() {
        return Finding::undetermined(
            id::REVOCATION,
            format!("the revocation list is out of date since {}", day(crl.next_update())),
        )
        .remedy("install a trust bundle that holds the CSCA's newest revocation list");
    }
    if now < crl.this_update() {
        return Finding::undetermined(
            id::REVOCATION,
            format!("the revocation list is of the future: {}", crl.this_update()),
        )
        .remedy("set the clock of this machine");
    }
    Finding::successful(id::REVOCATION, format!("not revoked; list of {}", day(crl.this_update())))
}

/// By the signer's own anchor or by another generation of the same CSCA: there is one list for everything that a CSCA ever
/// issued, and its newest key signs it.
fn is_believed(crl: &Crl, anchor: &Certificate, store: &TrustStore) -> bool {
    let same = |other: &&Certificate| other.subject().matches(anchor.subject());
    is_by(crl, anchor) || store.anchors().iter().filter(same).any(|other| is_by(crl, other))
}

/// Issued in the anchor's name and signed by its key, which may sign lists.
fn is_by(crl: &Crl, anchor: &Certificate) -> bool {
    let names_key = crl.authority_key_identifier().is_none_or(|key| key == anchor.key_identifier());
    let may = anchor.extensions().key_usage.is_some_and(|usage| usage.crl_sign());
    names_key && may && crl.issuer().matches(anchor.subject()) && crl.verify_signature(anchor.public_key()).is_ok()
}
