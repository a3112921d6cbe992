//! Revocation of the document signer (9303-12 §7): mandatory, and undetermined without a fresh list.

use jiff::Timestamp;

use super::id;
use super::issuer::Signed;
use super::rules::day;
use crate::certificate::Certificate;
use crate::crl::Crl;
use crate::outcome::Finding;
use crate::store::TrustStore;

/// Positions of the store's lists that speak about this signer and are by its CSCA, the issuer that was found.
///
/// A CSCA has one list for all that it ever issued, signed by its newest key. After a change of name the list carries the new
/// name, and the old one as issuerAltName (9303-12 Appendix D.3).
pub(super) fn lists(signer: &Certificate, signed: &Signed, store: &TrustStore) -> Vec<usize> {
    let lists = store.crls().iter().enumerate();
    lists
        .filter(|(_, crl)| {
            crl.speaks_of(signer.issuer()) && signed.anchors(store).any(|anchor| is_of(crl, anchor, store))
        })
        .map(|(index, _)| index)
        .collect()
}

/// By the signer's own anchor, or by another generation of the same state's CSCA.
fn is_of(crl: &Crl, anchor: &Certificate, store: &TrustStore) -> bool {
    let country = anchor.subject().country();
    let same_state = |other: &&Certificate| {
        let other = other.subject().country();
        other.zip(country).is_some_and(|(other, country)| other.eq_ignore_ascii_case(country))
    };
    is_by(crl, anchor) || store.anchors().iter().filter(same_state).any(|other| is_by(crl, other))
}

/// Issued in the anchor's name and signed by its key, which may sign lists.
pub(crate) fn is_by(crl: &Crl, anchor: &Certificate) -> bool {
    let names_key = crl.authority_key_identifier().is_none_or(|key| key == anchor.key_identifier());
    let may = anchor.extensions().key_usage.is_some_and(|usage| usage.crl_sign());
    names_key && may && crl.issuer().matches(anchor.subject()) && crl.verify_signature(anchor.public_key()).is_ok()
}

/// A certificate of the key that signed, which is revoked itself, and since when.
pub(super) fn revoked_anchor<'a>(signed: &Signed, store: &'a TrustStore) -> Option<(&'a Certificate, Timestamp)> {
    let since = |anchor: &Certificate| {
        let about = store.crls().iter().filter(|crl| crl.speaks_of(anchor.issuer()));
        let revoked = about.filter_map(|crl| Some((crl, crl.revoked_since(anchor.serial())?)));
        revoked.filter(|(crl, _)| is_of(crl, anchor, store)).map(|(_, since)| since).min()
    };
    signed.anchors(store).find_map(|anchor| Some((anchor, since(anchor)?)))
}

/// Judges by the lists at these positions of the store.
pub(super) fn judge(
    signer: &Certificate,
    anchor: Option<&Certificate>,
    lists: &[usize],
    store: &TrustStore,
    now: Timestamp,
) -> Finding {
    let Some(anchor) = anchor else {
        return Finding::undetermined(id::REVOCATION, "the CSCA is not known, so no revocation list can be believed");
    };
    let all = || lists.iter().filter_map(|index| store.crls().get(*index));
    // A certificate that was revoked once stays so, however old the list.
    if let Some(since) = all().filter_map(|crl| crl.revoked_since(signer.serial())).min() {
        return Finding::failed(id::REVOCATION, format!("the document signer is revoked since {}", day(since)));
    }
    // The newest one; one of the future only when there is no other.
    let Some(crl) = all().max_by_key(|crl| (crl.this_update() <= now, crl.this_update())) else {
        return Finding::undetermined(id::REVOCATION, format!("no revocation list of {} is at hand", anchor.subject()))
            .remedy("install a trust bundle that holds the CSCA's newest revocation list");
    };
    let end = store.policy().revocation_lists.end(crl.this_update(), crl.next_update());
    if now > end {
        return Finding::undetermined(id::REVOCATION, format!("the revocation list is out of date since {}", day(end)))
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
