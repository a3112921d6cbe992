//! The citizen CA, its responders and the revocation lists of its ranges.

use jiff::Timestamp;

use super::{Item, NOTICE_DAYS, Need, ROLLOVER_DAYS, item, with_token, within};
use crate::citizen_ca::{CitizenKey, Overview, RangeState};

pub(super) fn items(overview: &Overview, now: Timestamp) -> Vec<Item> {
    let mut items = vec![ca(&overview.ca, now)];
    let newest = overview.responders.last().map(|responder| responder.number);
    items.extend(overview.responders.iter().map(|one| responder(one, newest == Some(one.number), now)));
    items.extend(overview.ranges.iter().map(|range| list(range, now)));
    items
}

fn ca(ca: &CitizenKey, now: Timestamp) -> Item {
    let name = ca.certificate.subject().common_name().unwrap_or_default();
    let state = |words: &str| with_token(words, ca.token.as_ref());
    let end = Some(ca.usage_end);
    const ACTION: &str = "set up another authority for citizens' certificates: this one goes on with revocation lists";
    if now > ca.usage_end {
        item("citizen-ca", name, state("its key may no longer certify, only sign lists"), end).needs(Need::Now, ACTION)
    } else if within(now, ROLLOVER_DAYS, ca.usage_end) {
        item("citizen-ca", name, state("its key ends soon"), end).needs(Need::Soon, ACTION)
    } else {
        item("citizen-ca", name, state("its key may certify"), end)
    }
}

fn responder(responder: &CitizenKey, newest: bool, now: Timestamp) -> Item {
    let name = responder.number.to_string();
    let state = |words: &str| with_token(words, responder.token.as_ref());
    let end = Some(responder.usage_end);
    const ACTION: &str = "bitaqa-pki citizen responder";
    match (newest, now > responder.usage_end) {
        (false, _) => item("citizen-responder", name, state("replaced"), end).past(),
        (true, true) => item("citizen-responder", name, state("may no longer answer"), end).needs(Need::Now, ACTION),
        (true, false) if within(now, NOTICE_DAYS, responder.usage_end) => {
            item("citizen-responder", name, state("ends soon"), end).needs(Need::Soon, ACTION)
        }
        (true, false) => item("citizen-responder", name, state("may answer"), end),
    }
}

fn list(list: &RangeState, now: Timestamp) -> Item {
    let name = format!("{}-{}", list.range, list.number);
    let action = format!("bitaqa-pki citizen crl --range {}", list.range);
    let describe = |words: &str| item("citizen-revocation-list", &name, words, list.next_update);
    match list.next_update {
        None => describe("none was issued").needs(Need::Now, &action),
        Some(_) if !list.complete => describe("a revoked certificate is not on it").needs(Need::Now, &action),
        Some(end) if now > end => describe("out of date").needs(Need::Now, &action),
        Some(end) if within(now, NOTICE_DAYS, end) => describe("ends soon").needs(Need::Soon, &action),
        Some(_) => describe("good"),
    }
}
